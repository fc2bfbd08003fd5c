"""From the function of a rule to what a walk calls: its raw and its traced pull.

A rule names its arguments; here they become positions in what a node keeps, and the common cases
become functions of their own, since they are called once for each node of a backward pass.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any
from weakref import ref

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import OUT
from dlgradient.core.graph import Node
from dlgradient.errors import RuleError

__all__ = ["ALL", "Factor", "Rule", "parameters_of"]

# Stands for the positions of all operands of an operation that takes any number of them.
ALL = -2


class Factor:
    """Rule ``t * function(value)`` of the operand or ``out``; traced walks share the factor."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function


class Rule:
    """One rule of one operation: its function, and where its arguments come from.

    Attributes
    ----------
    function : callable
        ``function(g, *arguments)``.
    needs : frozenset of int
        Positions in `Node.kept` whose values the function reads.
    single : int or None
        Position in `Node.kept` of the one argument, where it is one operand or the result.
    bare : bool
        Whether the function has no argument but the cotangent.
    factor : callable or None
        What the tangent is multiplied by, if the rule is a `Factor`.
    pull, pull_traced : callable
        ``pull(node, g)``: the function applied to what a node keeps, raw or as dlarrays.
    """

    __slots__ = (
        "bare",
        "factor",
        "function",
        "getters",
        "needs",
        "pull",
        "single",
        "traced_getters",
    )

    def __init__(self, op: Any, function: Any, fast: Any = None) -> None:
        self.factor: Callable[[Any], Any] | None = None
        if type(function) is Factor:
            self.factor = factor = function.function
            names = _arguments(factor)
            self.function: Callable[..., Any] = lambda t, value: t * factor(value)
        else:
            names = _arguments(function)[1:]
            self.function = function
        sources = [_source(op, self.factor or function, name) for name in names]
        self.needs = _needed(op, sources)
        self.getters = [_getter(op, kind, index) for kind, index in sources]
        self.traced_getters = [_traced_getter(op, kind, index) for kind, index in sources]
        # Position of the one value the function reads, if that is all it asks for; None otherwise.
        self.single: int | None = None
        if len(sources) == 1 and sources[0][0] == "value" and not op.variadic:
            self.single = sources[0][1]
        self.bare = not sources
        self.pull = _pull(self.function, sources, self.getters, variadic=op.variadic)
        if fast is not None:
            self._add_fast(op, fast)

    def _add_fast(self, op: Any, fast: Callable[..., Any]) -> None:
        """Let raw walks of real values take `fast`; traced and complex ones keep the rule."""
        sources = [_source(op, fast, name) for name in _arguments(fast)[1:]]
        getters = [_getter(op, kind, index) for kind, index in sources]
        self.needs |= _needed(op, sources)
        quick, general = _pull(fast, sources, getters, variadic=op.variadic), self.pull

        def pull(node: Any, g: Any) -> Any:
            real = _all_real(g if op.outputs else (g,)) and _all_real(node.parents)
            return quick(node, g) if real else general(node, g)

        self.pull = pull

    def pull_traced(self, node: Any, g: Any) -> Any:
        """Apply the rule to traced operands, so that its result can be differentiated."""
        arguments = [get(node) for get in self.traced_getters]
        if self.factor is None:
            return self.function(g, *arguments)
        # The node holds it weakly: the factor was computed from the node, and nothing may point
        # back. It lives as long as the derivative that it is a part of.
        found = getattr(node, "factor", None)
        made_by, value = (None, None) if found is None else (found[0](), found[1]())
        if made_by is not None and value is not None:
            return g * calls.wrap(value, made_by)
        factor = self.factor(*arguments)
        if type(factor._value) is np.ndarray and factor._node is not None:
            node.factor = ref(factor._node), ref(factor._value)
        return g * factor


def _needed(op: Any, sources: list[tuple[str, Any]]) -> frozenset[int]:
    return frozenset(
        index for kind, index in sources if kind == "value" for index in _positions(op, index)
    )


def _all_real(values: Sequence[Any]) -> bool:
    """Whether none of some cotangents, nodes and raw values is complex; None counts as real."""
    return all(
        type(v) is not complex and np.dtype(getattr(v, "dtype", float)).kind != "c" for v in values
    )


_MORE = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


def parameters_of(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of each parameter, as `inspect.signature` tells them.

    For plain functions they are read from the code: an import has some hundred of them, and
    `inspect` would take a good part of it.
    """
    plain = inspect.unwrap(function)
    if type(plain) is not FunctionType or plain.__code__.co_flags & _MORE:
        found = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default) for p in found]
    code, missing = plain.__code__, inspect.Parameter.empty
    count, first = code.co_argcount, code.co_posonlyargcount
    names = code.co_varnames[: count + code.co_kwonlyargcount]
    kinds: list[Any] = [inspect.Parameter.POSITIONAL_ONLY] * first
    kinds += [inspect.Parameter.POSITIONAL_OR_KEYWORD] * (count - first)
    kinds += [inspect.Parameter.KEYWORD_ONLY] * code.co_kwonlyargcount
    given = plain.__defaults__ or ()
    named = plain.__kwdefaults__ or {}
    defaults = [
        *[missing] * (count - len(given)),
        *given,
        *[named.get(n, missing) for n in names[count:]],
    ]
    return list(zip(names, kinds, defaults, strict=True))


def _arguments(function: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(name for name, _, _ in parameters_of(function))


def _source(op: Any, function: Any, name: str) -> tuple[str, Any]:
    if name == "out":
        return "value", OUT
    if name in op.operands:
        return "value", op.operands.index(name)
    if name.endswith("_like") and name[:-5] in op.operands:
        return "like", op.operands.index(name[:-5])
    if name.endswith("_wanted") and name[:-7] in op.operands:
        return "wanted", op.operands.index(name[:-7])
    if name in op.params:
        return "param", name
    raise RuleError(
        f"operation {op.name}: the rule {function.__name__} asks for {name!r}, which is neither an "
        f"operand {op.operands}, nor one with _like or _wanted, nor out, nor a parameter "
        f"{tuple(op.params)}"
    )


def _positions(op: Any, index: int) -> tuple[int, ...]:
    # A variadic operation has as many positions as it is given operands; -2 stands for all.
    return (ALL,) if op.variadic and index != OUT else (index,)


def _getter(op: Any, kind: str, index: Any) -> Callable[[Any], Any]:
    if kind == "param":
        return lambda node: node.params[index]
    if kind == "wanted":
        return lambda node: type(node.parents[index]) is Node
    if kind == "like":
        return (lambda node: node.parents) if op.variadic else (lambda node: node.parents[index])
    if op.variadic and index != OUT:
        return lambda node: node.kept[:-1]
    return lambda node: node.kept[index]


def _traced_getter(op: Any, kind: str, index: Any) -> Callable[[Any], Any]:
    if kind != "value":
        return _getter(op, kind, index)
    if index == OUT and op.outputs:
        return lambda node: [
            calls.wrap(value, calls.picked(node, i, value))
            for i, value in enumerate(node.kept[OUT])
        ]
    if index == OUT:
        return lambda node: calls.wrap(node.kept[OUT], node)
    if op.variadic:
        return lambda node: [
            _operand(value, parent)
            for value, parent in zip(node.kept[:-1], node.parents, strict=True)
        ]
    return lambda node: _operand(node.kept[index], node.parents[index])


def _operand(value: Any, parent: Any) -> Any:
    return calls.wrap(value, parent) if type(parent) is Node else value


def _pull(
    function: Callable[..., Any],
    sources: list[tuple[str, Any]],
    getters: list[Callable[[Any], Any]],
    *,
    variadic: bool,
) -> Callable[[Any, Any], Any]:
    """Specialise the common cases, which are called once for each node of a backward pass."""
    if not sources:
        return lambda _node, g: function(g)
    if not variadic and all(kind == "value" for kind, _ in sources):
        if len(sources) == 1:
            i = sources[0][1]
            return lambda node, g: function(g, node.kept[i])
        if len(sources) == 2:
            i, j = sources[0][1], sources[1][1]
            return lambda node, g: function(g, node.kept[i], node.kept[j])
    return lambda node, g: function(g, *[get(node) for get in getters])
