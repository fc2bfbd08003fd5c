"""From the function of a rule to what a walk calls: its raw and its traced pull.

A rule names its arguments. Here these become places among the values that a node saved. Common
cases have specialised functions, since one is called for each node of a backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from weakref import ref

import numpy as np

from dlgradient.core.calls import picked, wrap
from dlgradient.core.graph import Like, Node
from dlgradient.core.kinds import parameters_of
from dlgradient.core.types import Cotangent, Op, Parent, RawValue, Rule, Value
from dlgradient.core.user_code import isolated, isolated_traced
from dlgradient.errors import RuleError

__all__ = ["Factor", "Pull", "compile_pull"]

Getter = Callable[[Node], Any]
PullFunction = Callable[[Node, Any], Any]


class Factor:
    """Rule ``t * function(value)`` of the operand or ``out``; traced walks share the factor."""

    __slots__ = ("function",)

    def __init__(self, function: Rule) -> None:
        self.function = function


class Pull:
    """What walks call to apply a rule: ``pull.raw(node, g)`` or ``pull.traced(node, g)``.

    Attributes
    ----------
    raw : callable
        The rule applied to what the node saved, as raw values.
    traced : callable
        The same as dlarrays, so that the result can be differentiated.
    needs : frozenset of str
        Names of the operands whose values it reads, and ``out``, if it reads the result.
    """

    __slots__ = ("needs", "raw", "traced")

    def __init__(self, raw: PullFunction, traced: PullFunction, needs: Iterable[str]) -> None:
        self.raw = raw
        self.traced = traced
        self.needs = frozenset(needs)


class SharedFactor:
    """The factor that one traced walk over a node computed, for the walks that follow.

    It is computed from the node, and a node may not refer to what is made from it. So this holds it
    weakly: it lives as long as the derivative that it is a part of.
    """

    __slots__ = ("made_by", "value")

    def __init__(self, factor: Value) -> None:
        self.made_by = ref(factor._node)
        self.value = ref(factor._value)

    def get(self) -> Value | None:
        """Return the factor, None if it is gone."""
        made_by, value = self.made_by(), self.value()
        return None if made_by is None or value is None else wrap(value, made_by)


def compile_pull(
    op: Op, rule: Rule | Factor, fast: Rule | None = None, *, joint: bool = False
) -> Pull:
    """Return the pull of a rule of an operation.

    Parameters
    ----------
    op : Op
        A rule may name its operands and parameters.
    rule : callable or Factor
        ``rule(g, *arguments)``; the names of its arguments say where they come from.
    fast : callable, optional
        The same derivative, faster on raw arrays. The raw pull uses it where cotangents and
        operands are real.
    joint : bool
        Whether it returns the cotangents of all operands.
    """
    if isinstance(rule, Factor):
        arguments = _arguments(op, rule.function, skipped=0)
        if [a.kind in ("operand", "result") for a in arguments] != [True]:
            raise RuleError(
                f"operation {op.name}: a Factor is a function of one operand, or of out alone, and "
                f"{rule.function.__name__} takes {tuple(a.name for a in arguments)}; write a rule "
                "with the tangent, as lambda t, x, out: t * x * out"
            )
        raw, traced = _factor_pulls(op, rule.function, arguments)
    else:
        arguments = _arguments(op, rule, skipped=1)
        raw = _raw_pull(_isolated_rule(op, rule), arguments)
        traced = _pull(
            _isolated_rule(op, rule, traced=True), [a.traced_getter() for a in arguments]
        )
    if fast is not None:
        raw, arguments = _fast_pull(op, fast, raw, arguments)
    if joint and op.declaration.of_user:
        raw, traced = _counted(op, raw), _counted(op, traced)
    return Pull(raw, traced, [a.name for a in arguments if a.kind in ("operand", "result")])


# -- the arguments of a rule ---------------------------------------------------------------------


class _Argument(NamedTuple):
    """The source of an argument of a rule.

    Attributes
    ----------
    kind : {"operand", "result", "like", "wanted", "parameter"}
    name : str
        Of the operand or parameter; "out" for the result.
    place : int
        Among the values that a node saved, or among its parents.
    op : Op
    """

    kind: str
    name: str
    place: int
    op: Op

    def getter(self) -> Getter:
        """Return the function that takes the raw argument from a node."""
        name, place = self.name, self.place
        if self.kind == "parameter":
            return lambda node: node.params[name]
        if self.kind == "wanted":
            return lambda node: type(node.parents[place]) is Node
        if self.kind == "like":
            if self.op.variadic:
                return lambda node: [_like(parent) for parent in node.parents]
            return _like_getter(place)
        if self.kind == "operand" and self.op.variadic:
            return lambda node: node.saved[:-1]
        return lambda node: node.saved[place]

    def traced_getter(self) -> Getter:
        """Return the function that takes the argument from a node as a dlarray."""
        place = self.place
        if self.kind == "result" and self.op.outputs:
            return lambda node: [
                wrap(value, picked(node.result, i, value)) for i, value in enumerate(node.saved[-1])
            ]
        if self.kind == "result":
            return lambda node: wrap(node.saved[-1], node.result)
        if self.kind != "operand":
            return self.getter()
        if self.op.variadic:
            return lambda node: [
                _operand(value, parent)
                for value, parent in zip(node.saved[:-1], node.parents, strict=True)
            ]
        return lambda node: _operand(node.saved[place], node.parents[place])


def _arguments(op: Op, function: Rule, *, skipped: int) -> list[_Argument]:
    names = [name for name, _, _ in parameters_of(function)]
    return [_argument(op, function, name) for name in names[skipped:]]


def _argument(op: Op, function: Rule, name: str) -> _Argument:
    if name == "out":
        return _Argument("result", name, -1, op)
    if name in op.operands:
        return _Argument("operand", name, op.operands.index(name), op)
    for kind in ("like", "wanted"):
        operand = name.removesuffix(f"_{kind}")
        if operand != name and operand in op.operands:
            return _Argument(kind, operand, op.operands.index(operand), op)
    if name in op.params:
        return _Argument("parameter", name, 0, op)
    raise RuleError(
        f"operation {op.name}: the rule {function.__name__} asks for {name!r}, which is neither an "
        f"operand {op.operands}, nor one with _like or _wanted, nor out, nor a parameter "
        f"{tuple(op.params)}"
    )


def _operand(value: RawValue, parent: Parent) -> Any:
    return wrap(value, parent) if type(parent) is Node else value


def _like_getter(place: int) -> Getter:
    def get(node: Node) -> Like:
        parent = node.parents[place]
        return Like(parent.shape, parent.dtype) if type(parent) is Node else _like(parent)

    return get


def _like(parent: Parent) -> Like:
    if type(parent) is Node:
        return Like(parent.shape, parent.dtype)
    return Like(np.shape(parent), getattr(parent, "dtype", None) or np.result_type(parent))


# -- pulls ---------------------------------------------------------------------------------------


def _pull(function: Rule, getters: Sequence[Getter]) -> PullFunction:
    return lambda node, g: function(g, *[get(node) for get in getters])


def _isolated_rule(op: Op, rule: Rule, *, traced: bool = False) -> Rule:
    """Return a rule for raw or for traced values; that of a user cannot change any array."""
    if not op.declaration.of_user:
        return rule
    where = f"the rule {getattr(rule, '__name__', rule)} of {op.name}"
    return isolated_traced(rule, where) if traced else isolated(rule, where)


def _counted(op: Op, pull: PullFunction) -> PullFunction:
    """Refuse what a user's rule for all operands returns, if it is not one for each."""

    def call(node: Node, g: Cotangent) -> Cotangent:
        pulled = pull(node, g)
        count = len(pulled) if type(pulled) in (tuple, list) else 1
        if count != len(node.parents):
            raise RuleError(
                f"operation {op.name}: vjp= returned {count} of {len(node.parents)} cotangents; "
                "return a tuple with one for each operand, None for a constant"
            )
        return pulled

    return call


def _raw_pull(function: Rule, arguments: Sequence[_Argument]) -> PullFunction:
    """Specialise the common cases, which are called once for each node of a backward pass."""
    if not arguments:
        return lambda _node, g: function(g)
    values = all(
        a.kind == "result" or (a.kind == "operand" and not a.op.variadic) for a in arguments
    )
    if values and len(arguments) == 1:
        i = arguments[0].place
        return lambda node, g: function(g, node.saved[i])
    if values and len(arguments) == 2:
        i, j = arguments[0].place, arguments[1].place
        return lambda node, g: function(g, node.saved[i], node.saved[j])
    return _pull(function, [a.getter() for a in arguments])


def _factor_pulls(
    op: Op, factor: Rule, arguments: Sequence[_Argument]
) -> tuple[PullFunction, PullFunction]:
    raw, shared_factor = _isolated_rule(op, factor), _isolated_rule(op, factor, traced=True)
    getters = [a.traced_getter() for a in arguments]

    def traced(node: Node, g: Value) -> Value:
        shared: SharedFactor | None = getattr(node, "factor", None)
        found = None if shared is None else shared.get()
        if found is None:
            found = shared_factor(*[get(node) for get in getters])
            if type(found._value) is np.ndarray and found._node is not None:
                node.factor = SharedFactor(found)
        return g * found

    return _raw_pull(lambda t, value: t * raw(value), arguments), traced


def _fast_pull(
    op: Op, fast: Rule, raw: PullFunction, arguments: list[_Argument]
) -> tuple[PullFunction, list[_Argument]]:
    """Let raw walks of real values use `fast`; complex ones use the rule."""
    own = _arguments(op, fast, skipped=1)
    quick = _raw_pull(_isolated_rule(op, fast), own)

    def choose(node: Node, g: Cotangent) -> Cotangent:
        real = _is_real(g if op.outputs else (g,)) and _is_real(node.parents)
        return quick(node, g) if real else raw(node, g)

    return choose, [*arguments, *own]


def _is_real(values: Iterable[Parent]) -> bool:
    """Tell whether none of some cotangents, nodes and raw values is complex; None is real."""
    return all(
        type(v) is not complex and np.dtype(getattr(v, "dtype", float)).kind != "c" for v in values
    )
