"""The check that rules read what they name: what a rule names is saved, which costs memory."""

from __future__ import annotations

import dis
from collections.abc import Iterator
from types import CodeType, FunctionType

from dlgradient.core.pulls import Factor
from dlgradient.core.types import Function, Op
from dlgradient.testing.oracles import CheckError

__all__ = ["check_saved"]


def check_saved(op: Op) -> None:
    """No rule of an operation names an operand or ``out`` that it does not read."""
    declared = op.declaration
    named = {**declared.rules, **{f"jvp of {n}": rule for n, rule in declared.jvp.items()}}
    for name, rule in {**named, "vjp": declared.vjp, "fast_vjp": declared.fast_vjp}.items():
        for unread in _unread(op, rule.function if isinstance(rule, Factor) else rule):
            raise CheckError(
                f"{op.name}: the rule {name} names {unread}, which is saved for it, and does not "
                f"read it; omit the argument, or name {unread}_like for shape and dtype only"
            )


def _unread(op: Op, rule: Function | None) -> Iterator[str]:
    if not isinstance(rule, FunctionType):
        return
    code = rule.__code__
    read = set(_names_read(code))
    for name in code.co_varnames[: code.co_argcount]:
        if name in (*op.operands, "out") and name not in read:
            yield name


def _names_read(code: CodeType) -> Iterator[str]:
    """Yield the variables that a code reads; one instruction may read two."""
    for instruction in dis.get_instructions(code):
        if instruction.opname.startswith("LOAD_"):
            found = instruction.argval
            yield from found if isinstance(found, tuple) else (found,)
    # A variable that a function inside reads is a cell.
    yield from code.co_cellvars
