"""One call of a `DifferentiableFunction`: its forward pass, and its backward pass when it is due.

The passes may be any code, so they are kept apart from the arrays of the trace
(`dlgradient.core.user_code`). A call remembers where each saved value came from: from an argument
or a result, through which there are derivatives of higher order, or from the pass itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn, Protocol

import numpy as np

from dlgradient.core.calls import (
    FUNCTIONS,
    make_node,
    open_node,
    picked,
    unlabelled,
    variable,
    wrap,
)
from dlgradient.core.declaration import Declaration, Op
from dlgradient.core.graph import Like, Node
from dlgradient.core.pulls import Pull
from dlgradient.core.trace import Trace
from dlgradient.core.types import Cotangent, Function, Operand, Params, RawValue, Value
from dlgradient.core.user_code import (
    backward_outputs,
    call_user_code,
    forward_outputs,
    isolated_values,
    read_only,
    untraced,
)
from dlgradient.core.values import as_value
from dlgradient.engine.array import dlarray
from dlgradient.engine.context import Context, description, has_no_derivative
from dlgradient.errors import (
    LeavingTraceError,
    RuleError,
    ShapeMismatchError,
    UnsupportedFunctionError,
)

__all__ = ["FunctionCall"]


class Passes(Protocol):
    """A `DifferentiableFunction`."""

    @property
    def forward(self) -> Function:
        """Return the forward pass."""

    @property
    def backward(self) -> Function:
        """Return the backward pass."""


class _Source(NamedTuple):
    """The source of a saved value.

    Attributes
    ----------
    kind : {"argument", "result", "keyword", "other", "none"}
    place : int
        Among the arguments, the results, the keyword arguments, or the other values.
    """

    kind: str
    place: int


class FunctionCall:
    """One call of a function: what its node must know.

    Attributes
    ----------
    function : Passes
    name : str
        Of its class, for messages.
    params : dict
        Keyword arguments, which nothing changes later.
    needs_gradient : tuple of bool
        For each argument, whether it is traced.
    results : list of Like
        Shapes and dtypes of the results.
    several : bool
        Whether the forward pass returned a tuple.
    """

    __slots__ = (
        "_constants",
        "_sources",
        "function",
        "name",
        "needs_gradient",
        "params",
        "results",
        "several",
    )

    def __init__(self, function: Passes, params: Params, needs_gradient: tuple[bool, ...]) -> None:
        self.function = function
        self.name = type(function).__name__
        self.params = params
        self.needs_gradient = needs_gradient
        self.results: list[Like] = []
        self.several = False
        self._constants: Params = {}
        self._sources: list[_Source] = []

    # -- the forward pass ------------------------------------------------------------------------

    def run(self, values: Sequence[RawValue]) -> tuple[RawValue, ...]:
        """Run the forward pass; return the results, followed by what else was saved."""
        xs = [read_only(v) for v in values]
        context = Context(self.params, self.needs_gradient)
        before = dict(vars(self.function))
        where = f"{self.name}: forward"
        found = call_user_code(self.function.forward, where, [context, *xs], self.params)
        self._check_unchanged(before)
        self.several = isinstance(found, tuple | list)
        returned = list(found) if self.several else [found]
        self._constants = context._constants
        self._sources, others = _sources(context.saved, xs, returned, self.params)
        table = {i: self._raw(y, where) for i, y in enumerate([*returned, *others])}
        count = len(returned)
        context.save()
        del found, returned, others  # only the table refers to them now, or they are copied
        outs = isolated_values(table, forward_outputs)
        self.results = [Like(y.shape, y.dtype) for y in outs[:count]]
        return outs

    def _raw(self, y: Operand, where: str) -> RawValue:
        return as_value(untraced(y, where), where)

    def _check_unchanged(self, before: Params) -> None:
        for key, value in vars(self.function).items():
            same = key in before and before[key] is value
            if not same and not has_no_derivative(value):
                raise RuleError(
                    f"{self.name}: the forward pass set self.{key} to {description(value)}, whose "
                    "derivative would be lost; keep it with context.save(...)"
                )

    @property
    def context_names(self) -> tuple[str, ...]:
        """Names of what the backward pass reads from its context."""
        return "saved", "params", "needs_gradient", *self._constants

    def saves(self) -> tuple[bool, ...]:
        """Return which arguments, and whether a result, the backward pass needs, as `Op.saves`."""
        arguments = {source.place for source in self._sources if source.kind == "argument"}
        result = any(source.kind in ("result", "other") for source in self._sources)
        needed = (*[i in arguments for i in range(len(self.needs_gradient))], result)
        return needed if any(needed) else ()

    # -- the backward pass -----------------------------------------------------------------------

    def pull(self, node: Node, gs: Sequence[Cotangent]) -> list[RawValue | None]:
        """Run the backward pass on raw arrays."""
        cotangents = [_raw_cotangent(g, like) for g, like in zip(gs, self.results, strict=False)]
        found = self._gradients(node, cotangents, traced=False)
        where = f"{self.name}: backward"
        table = {i: self._raw(c, where) for i, c in enumerate(found) if c is not None}
        del found  # only the table refers to the gradients now, or they are copied
        places = list(table)
        gradients: list[RawValue | None] = [None] * len(node.parents)
        for i, c in zip(places, isolated_values(table, backward_outputs), strict=True):
            gradients[i] = self._fitting(c, i, node)
        return gradients

    def pull_traced(self, node: Node, gs: Sequence[Cotangent]) -> list[Value | None]:
        """Run the backward pass on dlarrays, so that its result can be differentiated.

        A recorded call asks for that although its user may not. Then one that cannot be traced runs
        on raw arrays, and only derivatives of its results are an error.
        """
        recorder = node.trace.recorder
        try:
            return self._pulled(node, gs)
        except RuleError as error:
            if recorder is None or not error.args[0].startswith(self._unknown()):
                raise
        recorder.refuse(f"the backward pass of {self.name} is not in functions of dlarrays")
        raw = [g._value if type(g) is dlarray else g for g in gs]
        return [None if c is None else wrap(c, _underivable(node, c)) for c in self.pull(node, raw)]

    def _pulled(self, node: Node, gs: Sequence[Cotangent]) -> list[Value | None]:
        cotangents = [
            _traced_cotangent(g, like, node.trace)
            for g, like in zip(gs, self.results, strict=False)
        ]
        return [
            None if c is None else unlabelled(self._fitting(self._traced(c, i), i, node))
            for i, c in enumerate(self._gradients(node, cotangents, traced=True))
        ]

    def _traced(self, c: Value, i: int) -> Value:
        """Return a gradient, which depends on the cotangents and must be traced as they are."""
        if type(c) is not dlarray:
            as_value(c, f"{self.name}: backward")
            raise RuleError(f"{self._unknown()} (it returned a NumPy array for argument {i})")
        if open_node(c) is None:
            # Not even zeros: the cotangent itself may happen to be zero here.
            raise RuleError(
                f"{self._unknown()} (its result for argument {i} is not traced, although the "
                "cotangents are; return None for a gradient that is always zero)"
            )
        return c

    def _gradients(self, node: Node, gs: Sequence[Cotangent], *, traced: bool) -> list[Any]:
        """Return the results of the backward pass, one for each argument; None for a constant."""
        context = self._context(node, traced=traced)
        where = f"{self.name}: backward"
        try:
            found = call_user_code(self.function.backward, where, [context, *gs], {})
        except (LeavingTraceError, UnsupportedFunctionError) as error:
            raise RuleError(f"{self._unknown()} ({error})") from error
        returned = list(found) if isinstance(found, tuple | list) else [found]
        if len(returned) != len(node.parents):
            raise RuleError(
                f"{self.name}: backward returned {len(returned)} gradients for "
                f"{len(node.parents)} arguments; return one for each, None for zero"
            )
        return [c if type(p) is Node else None for c, p in zip(returned, node.parents, strict=True)]

    def _fitting(self, c: Cotangent, i: int, node: Node) -> Cotangent:
        """Return the gradient for an argument, which must have its shape."""
        if c.shape != node.parents[i].shape:
            raise ShapeMismatchError(
                f"{self.name}: backward returned a gradient of shape {c.shape} for argument {i}, "
                f"which has shape {node.parents[i].shape}; they must be equal"
            )
        return c

    def _unknown(self) -> str:
        return (
            f"{self.name}: higher derivatives and forward mode differentiate the backward pass, "
            "and it is not written in functions of dlarrays; write it in these"
        )

    # -- saved values ----------------------------------------------------------------------------

    def _context(self, node: Node, *, traced: bool) -> Context:
        """Return the context of the backward pass, from what a node saved."""
        context = Context(self.params, self.needs_gradient)
        context._constants.update(self._constants)
        restored = self._traced_value if traced else self._raw_value
        context.save(*[restored(node, source) for source in self._sources])
        return context

    def _raw_value(self, node: Node, source: _Source) -> RawValue | None:
        """Return a saved value, as the backward pass on raw arrays gets it."""
        kind, place = source
        if kind == "none":
            return None
        if kind == "keyword":
            return self._keyword(place)
        return read_only(node.saved[place] if kind == "argument" else self._result(node, source))

    def _traced_value(self, node: Node, source: _Source) -> Value | None:
        """Return a saved value as a dlarray, with what is known of its derivative."""
        kind, place = source
        if kind == "none":
            return None
        if kind == "argument":
            parent = node.parents[place]
            return wrap(node.saved[place], parent if type(parent) is Node else None)
        if kind == "keyword":
            return wrap(self._keyword(place), None)
        value = self._result(node, source)
        if kind == "result":
            return wrap(value, picked(node, place, value))
        return wrap(value, _underivable(node, value) if value.dtype.kind in "fc" else None)

    def _keyword(self, place: int) -> RawValue:
        """Return a saved keyword argument, which is a constant."""
        return read_only(self._raw(list(self.params.values())[place], f"{self.name}: forward"))

    def _result(self, node: Node, source: _Source) -> RawValue:
        """Return a saved result, or another value, which are saved after the results."""
        first = 0 if source.kind == "result" else len(self.results)
        return node.saved[-1][first + source.place]


def _sources(
    saved: Sequence[RawValue], xs: Sequence[RawValue], returned: Sequence[RawValue], params: Params
) -> tuple[list[_Source], list[RawValue]]:
    """Return where saved values come from, and those that the forward pass computed otherwise."""
    known = [
        *[(x, _Source("argument", i)) for i, x in enumerate(xs)],
        *[(y, _Source("result", i)) for i, y in enumerate(returned)],
        (None, _Source("none", 0)),
        *[(p, _Source("keyword", i)) for i, p in enumerate(params.values()) if _is_array(p)],
    ]
    sources: list[_Source] = []
    others: list[RawValue] = []
    for value in saved:
        source = next((source for x, source in known if x is value), None)
        if source is None:
            source = _Source("other", len(others))
            others.append(value)
        sources.append(source)
    return sources, others


def _is_array(value: object) -> bool:
    return isinstance(value, int | float | complex | np.ndarray | np.generic | dlarray)


# -- cotangents ----------------------------------------------------------------------------------


def _raw_cotangent(g: RawValue | None, result: Like) -> RawValue:
    if g is None:
        return np.zeros(result.shape, result.dtype)[()]
    # The array may be shared: a backward pass that works in place must not change it.
    return read_only(_real_where_real(g, result))


def _traced_cotangent(g: Value | None, result: Like, trace: Trace) -> Value:
    """Return a cotangent that is traced, even if it is a constant.

    So a gradient that does not depend on it is known for a backward pass in other code.
    """
    value = np.zeros(result.shape, result.dtype)[()] if g is None else None
    if g is not None:
        g = _real_where_real(g, result)
        if open_node(g) is not None:
            return g
        value = g._value
    return wrap(value, variable(value, trace))


def _real_where_real(g: Cotangent, result: Like) -> Cotangent:
    return FUNCTIONS["real"](g) if g.dtype.kind == "c" and result.dtype.kind != "c" else g


# -- saved values of unknown derivative ----------------------------------------------------------


def _saved_value(arrays: Sequence[RawValue], /, *, name: str) -> NoReturn:  # noqa: ARG001
    """Refuse to recompute a saved value that is neither an argument nor a result."""
    raise RuleError(f"{name}: a value saved by the forward pass is not kept any more")


def _refuse(node: Node, _g: Cotangent) -> NoReturn:
    raise RuleError(
        f"{node.params['name']}: a higher derivative is asked for, and the backward pass uses "
        "a saved value that is neither an argument nor a result of the function, so its "
        "derivative is not known; save arguments and results, and compute the value of them in "
        "the backward pass, or return it as a further result; a constant is a keyword argument, "
        "context.params['name'], or an attribute of the function, set when it is made"
    )


_UNDERIVABLE = Op(
    Declaration(function=_saved_value, kind="general"), Pull(_refuse, _refuse, needs=())
)


def _underivable(node: Node, value: RawValue) -> Node:
    """Return the node of a saved value that is neither an argument nor a result."""
    saved = (*[None] * len(node.parents), value)
    params = {"name": node.op.shown}
    return make_node(_UNDERIVABLE, node.parents, saved, params, node.trace, value)
