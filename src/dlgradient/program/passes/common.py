"""Common subexpressions: what is computed twice is computed once."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.program.draws import DRAW
from dlgradient.program.lines import Line, Program, Slot
from dlgradient.program.passes.replace import replaced, with_operands

__all__ = ["without_repetitions"]


def without_repetitions(program: Program) -> Program:
    """Return a program in which no two lines are the same."""
    values: dict[int, Any] = {}
    known: dict[Any, Slot] = {}
    new = Program(program.inputs)
    for old in program.steps:
        step = with_operands(old, values)
        if type(step) is Line and not step.op.declaration.of_user and step.op is not DRAW:
            key = step.op, step.silent, _key(step.operands), _key(step.params)
            first = known.setdefault(key, step.target)
            if first != step.target:
                values[step.target] = first
                continue
        new.steps.append(step)
    new.results = list(replaced(program.results, values))
    return new


def _key(value: Any) -> Any:
    """Return what two equal operands or parameters have in common."""
    kind = type(value)
    if kind is Slot:
        return kind, int(value)
    if kind is tuple or kind is list:
        return kind, tuple([_key(v) for v in value])
    if kind is dict:
        return tuple([(name, _key(v)) for name, v in value.items()])
    if kind is slice:
        return kind, _key((value.start, value.stop, value.step))
    if isinstance(value, bool | int | float | complex | str | np.generic | type(None)):
        return kind, repr(value)  # it tells 0.0 from -0.0
    return kind, id(value)  # the program holds it
