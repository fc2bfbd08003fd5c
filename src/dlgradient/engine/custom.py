"""`DifferentiableFunction`: a forward and a backward pass in any code.

It is for functions without a mathematical rule that `define_operation` could take. It has a forward
pass, a backward pass that returns gradients, and saved values.

A backward pass that is written in functions of dlarrays is differentiated again like everything
else. One that is not has no second derivative: a request for it is an error. The same is true for a
saved value that is neither an argument nor a result, because its derivative is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn

import numpy as np

from dlgradient.core.calls import (
    FUNCTIONS,
    make_node,
    open_node,
    picked,
    record,
    unlabelled,
    values_and_parents,
    wrap,
)
from dlgradient.core.declaration import Declaration, Op
from dlgradient.core.graph import Like, Node
from dlgradient.core.pulls import Pull
from dlgradient.core.types import Cotangent, Format, Operand, Params, RawValue, Shape, Value
from dlgradient.core.values import as_value
from dlgradient.engine.array import dlarray
from dlgradient.errors import (
    LeavingTraceError,
    RuleError,
    ShapeMismatchError,
    UnsupportedFunctionError,
)

__all__ = ["DifferentiableFunction"]


class Context:
    """What a forward pass gives to the backward pass.

    Attributes
    ----------
    saved : sequence
        The values given to `save`: raw arrays, or dlarrays if the backward pass is itself
        differentiated.
    params : dict
        Keyword arguments of the call.
    needs_gradient : tuple of bool
        For each argument, whether a gradient is needed; None may be returned for the others.

    Other attributes may be set in the forward pass, to values that have no derivative: integers,
    strings, shapes, arrays of integers or booleans, and tuples of these.
    """

    __slots__ = ("_constants", "_saved", "needs_gradient", "params")

    def __init__(self, params: Params, needs_gradient: tuple[bool, ...]) -> None:
        object.__setattr__(self, "_constants", {})
        object.__setattr__(self, "_saved", ())
        object.__setattr__(self, "params", params)
        object.__setattr__(self, "needs_gradient", needs_gradient)

    def save(self, *values: Operand | None) -> None:
        """Save arrays for the backward pass.

        Parameters
        ----------
        *values : array or None
            Arguments or results of the forward pass, or other arrays that it computed. Through the
            latter there are no second derivatives.
        """
        object.__setattr__(self, "_saved", values)

    @property
    def saved(self) -> tuple[RawValue, ...]:
        """The saved values."""
        return object.__getattribute__(self, "_saved")  # type: ignore[no-any-return]

    def __setattr__(self, name: str, value: object) -> None:
        if name in Context.__slots__ or name == "saved":
            raise RuleError(f"context.{name} cannot be set; keep arrays with context.save(...)")
        if not has_no_derivative(value):
            raise RuleError(
                f"context.{name}: {_description(value)} may depend on the arguments, and its "
                "derivative would be lost; keep it with context.save(...), or, if it does "
                "not depend on them, as an attribute of the function, set when it is made, or as "
                "a keyword argument"
            )
        self._constants[name] = value

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "_constants")[name]
        except KeyError:
            raise AttributeError(f"the forward pass set no context.{name}") from None


def has_no_derivative(value: object) -> bool:
    if value is None or isinstance(value, bool | int | str | bytes | slice | type | np.dtype):
        return True
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "biu"
    if isinstance(value, tuple | list):
        return all(map(has_no_derivative, value))
    if isinstance(value, dict):
        return all(map(has_no_derivative, value.values()))
    return False


def _description(value: object) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"an array of shape {value.shape} {value.dtype}"
    return f"a {type(value).__name__}"


class DifferentiableFunction:
    """Base class of functions with a forward and a backward pass.

    A subclass defines

    ``forward(self, context, *xs, **params)``
        Returns the results, one or a tuple, from the arguments, which are raw NumPy arrays and must
        not be changed. Any code may compute them. It may be called again to recompute dropped
        values, so draw random numbers outside, and pass them as an argument.
    ``backward(self, context, *gs)``
        Returns the gradients with respect to the arguments, one or a tuple, None for zero. It gets
        a cotangent for each result (zeros for one that is not used). For complex arrays these are
        ∂/∂Re + i ∂/∂Im.

    If results have formats, it also defines ``result_format(self, formats, shapes)``. An instance
    is called like a function, with arrays by position and parameters by name.

    For first derivatives, ``backward`` gets raw arrays and may also be any code. For higher
    derivatives and for forward mode it is called with dlarrays. It is then differentiated, if it is
    written in functions of dlarrays and the context saves the arguments and results that it needs.
    Otherwise it raises. Values that are taken out on purpose (`extractdata`, ``item``) are
    constants, as everywhere.

    Raises
    ------
    RuleError
        If the passes do not match each other, or a derivative is needed that is not known.
    ShapeMismatchError
        If the shape of a gradient is not that of its argument.

    Examples
    --------
    >>> import dlgradient as dl
    >>> import numpy as np
    >>> class Sigmoid(dl.DifferentiableFunction):
    ...     def forward(self, context, x):
    ...         y = 1 / (1 + np.exp(-x))
    ...         context.save(y)
    ...         return y
    ...
    ...     def backward(self, context, g):
    ...         (y,) = context.saved
    ...         return g * y * (1 - y)
    >>> sigmoid = Sigmoid()
    >>> def first_and_second(x):
    ...     first = dl.dlgradient(sigmoid(x), x, enable_higher_derivatives=True)
    ...     return first, dl.dlgradient(first, x)
    >>> [g.item() for g in dl.dlfeval(first_and_second, dl.dlarray(0.0))]
    [0.25, 0.0]
    >>> from dlgradient.testing import check_derivatives
    >>> check_derivatives(sigmoid, [0.5, -1.5])

    Source: MATLAB ``deep.DifferentiableFunction``.
    """

    def forward(self, context: Context, *xs: RawValue, **params: Any) -> Any:  # noqa: ARG002
        """Return the results; a subclass defines it."""
        raise RuleError(f"{type(self).__name__}: forward(self, context, *xs) is not defined")

    def backward(self, context: Context, *gs: Cotangent) -> Any:  # noqa: ARG002
        """Return the gradients; a subclass defines it."""
        raise RuleError(f"{type(self).__name__}: backward(self, context, *gs) is not defined")

    def result_format(
        self,
        formats: tuple[Format, ...],  # noqa: ARG002 - for subclasses
        shapes: tuple[Shape, ...],  # noqa: ARG002 - for subclasses
    ) -> Format | tuple[Format, ...]:
        """Return the format of the result, or a tuple of them; by default results are unlabelled.

        Parameters
        ----------
        formats, shapes : tuple
            Of the arguments.
        """
        return None

    def __call__(self, *xs: Operand, **params: Any) -> Any:
        """Evaluate the function on arrays; the keyword arguments are parameters."""
        name = type(self).__name__
        for key, value in params.items():
            if type(value) is dlarray:
                raise RuleError(
                    f"{name}: {key}= is a dlarray, and keyword arguments are static; give arrays "
                    "by position"
                )
        call = _Call(self, params, len(xs))
        if not any(type(x) is dlarray for x in xs):
            raw = [as_value(x, f"{name}: xs[{i}]") for i, x in enumerate(xs)]
            outs = call.run(raw)[: call.count]
            return outs if call.several else outs[0]
        values, parents, trace = values_and_parents(_operation(name, 1, ()), xs)
        call.needs_gradient = tuple(type(p) is Node for p in parents)
        outs = call.run(values)
        node = None
        if trace is not None:
            op = _operation(name, call.count, call.saves())
            node = record(op, parents, values, outs, {"call": call}, trace)
        formats = self._formats(xs, values, call.count)
        results = tuple([_wrap(node, i, outs[i], fmt) for i, fmt in enumerate(formats)])
        return results if call.several else results[0]

    def _formats(
        self, xs: Sequence[Operand], values: Sequence[RawValue], count: int
    ) -> Sequence[Format]:
        found = self.result_format(
            tuple(x._format if type(x) is dlarray else None for x in xs),
            tuple(np.shape(v) for v in values),
        )
        return found[:count] if isinstance(found, tuple) else (found,) * count


def _wrap(node: Node | None, i: int, out: RawValue, fmt: Format) -> Value:
    """Return one result of a call; integers and booleans carry no derivative."""
    differentiable = node is not None and out.dtype.kind in "fc"
    return wrap(out, picked(node, i, out) if node is not None and differentiable else None, fmt)


class _Source(NamedTuple):
    """The source of a saved value.

    Attributes
    ----------
    kind : {"argument", "result", "other", "none"}
    place : int
        Among the arguments, the results, or the other values.
    """

    kind: str
    place: int


class _Call:
    """One call of a function: what its node must know."""

    __slots__ = (
        "constants",
        "count",
        "function",
        "needs_gradient",
        "params",
        "results",
        "several",
        "sources",
    )

    def __init__(self, function: DifferentiableFunction, params: Params, n: int) -> None:
        self.function = function
        self.params = params
        self.needs_gradient = (False,) * n
        self.sources: list[_Source] = []
        self.constants: Params = {}
        self.results: list[Like] = []
        self.count = 0
        self.several = False

    @property
    def name(self) -> str:
        return type(self.function).__name__

    def run(self, values: Sequence[RawValue]) -> tuple[RawValue, ...]:
        """Run the forward pass; return the results, followed by what else was saved."""
        xs = [_read_only(v) for v in values]
        context = Context(self.params, self.needs_gradient)
        before = dict(vars(self.function))
        found = self.function.forward(context, *xs, **self.params)
        self._check_unchanged(before)
        self.several = isinstance(found, tuple | list)
        returned = list(found) if self.several else [found]
        outs = tuple([self._raw(y) for y in returned])
        self.count = len(outs)
        self.results = [Like(y.shape, y.dtype) for y in outs]
        self.constants = context._constants
        self.sources = []
        others: list[RawValue] = []
        for value in context.saved:
            self.sources.append(self._source(value, xs, returned, others))
        return (*outs, *others)

    def _source(
        self,
        value: RawValue,
        xs: Sequence[RawValue],
        returned: Sequence[RawValue],
        others: list[RawValue],
    ) -> _Source:
        if value is None:
            return _Source("none", 0)
        for kind, candidates in (("argument", xs), ("result", returned)):
            for i, candidate in enumerate(candidates):
                if value is candidate:
                    return _Source(kind, i)
        others.append(self._raw(value))
        return _Source("other", len(others) - 1)

    def _raw(self, y: Operand) -> RawValue:
        """Return the value of an array that a pass returned or saved."""
        if type(y) is dlarray:
            if open_node(y) is not None:
                raise RuleError(
                    f"{self.name}: the forward pass uses a traced dlarray that is no argument of "
                    "the call, so its derivative would be lost; pass it as an argument"
                )
            return y._value
        return as_value(y, f"{self.name}: forward")

    def _check_unchanged(self, before: Params) -> None:
        for key, value in vars(self.function).items():
            same = key in before and before[key] is value
            if not same and not has_no_derivative(value):
                raise RuleError(
                    f"{self.name}: the forward pass set self.{key} to {_description(value)}, whose "
                    "derivative would be lost; keep it with context.save(...)"
                )

    def saves(self) -> tuple[bool, ...]:
        """Return which arguments, and whether a result, the backward pass needs, as `Op.saves`."""
        arguments = {source.place for source in self.sources if source.kind == "argument"}
        result = any(source.kind in ("result", "other") for source in self.sources)
        needed = (*[i in arguments for i in range(len(self.needs_gradient))], result)
        return needed if any(needed) else ()

    def context(self, node: Node, *, traced: bool) -> Context:
        """Return the context of the backward pass, from what a node saved."""
        context = Context(self.params, self.needs_gradient)
        context._constants.update(self.constants)
        context.save(*[self._restored(node, source, traced=traced) for source in self.sources])
        return context

    def _restored(self, node: Node, source: _Source, *, traced: bool) -> RawValue | Value:
        """Return a saved value, as the backward pass gets it."""
        kind, place = source
        if kind == "none":
            return None
        if kind == "argument":
            value, parent = node.saved[place], node.parents[place]
            if not traced:
                return _read_only(value)
            return wrap(value, parent if type(parent) is Node else None)
        value = node.saved[-1][place if kind == "result" else self.count + place]
        if not traced:
            return _read_only(value)
        if kind == "result":
            return wrap(value, picked(node, place, value))
        return wrap(value, _underivable(node, value) if value.dtype.kind in "fc" else None)

    def pull(self, node: Node, gs: Sequence[Cotangent]) -> list[RawValue | None]:
        """Run the backward pass on raw arrays."""
        cotangents = [_raw_cotangent(g, like) for g, like in zip(gs, self.results, strict=False)]
        found = self._gradients(node, cotangents, traced=False)
        return [
            None if c is None else self._fitting(self._raw(c), i, node) for i, c in enumerate(found)
        ]

    def pull_traced(self, node: Node, gs: Sequence[Cotangent]) -> list[Value | None]:
        """Run the backward pass on dlarrays, so that its result can be differentiated."""
        cotangents = [_cotangent(g, like) for g, like in zip(gs, self.results, strict=False)]
        dependent = any(type(g) is dlarray and open_node(g) is not None for g in cotangents)
        gradients: list[Value | None] = []
        for i, c in enumerate(self._gradients(node, cotangents, traced=True)):
            if c is None:
                gradients.append(None)
                continue
            gradient = self._fitting(c if type(c) is dlarray else self._raw(c), i, node)
            if type(gradient) is not dlarray:
                raise RuleError(f"{self._unknown()} (it returned a NumPy array for argument {i})")
            if dependent and open_node(gradient) is None:
                # Not even zeros: the cotangent itself may happen to be zero here.
                raise RuleError(
                    f"{self._unknown()} (its result for argument {i} is not traced, although the "
                    "cotangent is; return None for a gradient that is always zero)"
                )
            gradients.append(unlabelled(gradient))
        return gradients

    def _gradients(self, node: Node, gs: Sequence[Cotangent], *, traced: bool) -> list[Any]:
        """Return the results of the backward pass, one for each argument; None for a constant."""
        try:
            found = self.function.backward(self.context(node, traced=traced), *gs)
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


def _read_only(value: RawValue) -> RawValue:
    if type(value) is not np.ndarray:
        return value
    view = value.view()
    view.flags.writeable = False
    return view


def _raw_cotangent(g: RawValue | None, result: Like) -> RawValue:
    if g is None:
        return np.zeros(result.shape, result.dtype)[()]
    # The array may be shared: a backward pass that works in place must not change it.
    return _read_only(_real_where_real(g, result))


def _cotangent(g: Value | None, result: Like) -> Value:
    if g is None:
        return wrap(np.zeros(result.shape, result.dtype)[()], None)
    return _real_where_real(g, result)


def _real_where_real(g: Cotangent, result: Like) -> Cotangent:
    return FUNCTIONS["real"](g) if g.dtype.kind == "c" and result.dtype.kind != "c" else g


# -- operations of nodes -------------------------------------------------------------------------


class _FunctionOp(Op):
    """The operation of a call's node; it is in no table, and saves what the call needs."""

    __slots__ = ("saved",)

    def __init__(self, declaration: Declaration, saved: tuple[bool, ...]) -> None:
        super().__init__(
            declaration,
            Pull(
                lambda node, gs: node.params["call"].pull(node, gs),
                lambda node, gs: node.params["call"].pull_traced(node, gs),
                (),
            ),
        )
        self.saved = saved

    def saves(self, traced: tuple[bool, ...]) -> tuple[bool, ...]:  # noqa: ARG002 - as the base
        """Return which values a node saves."""
        return self.saved


@lru_cache(maxsize=1024)
def _operation(name: str, count: int, saved: tuple[bool, ...]) -> Op:
    def forward(arrays: Sequence[RawValue], /, *, call: _Call) -> tuple[RawValue, ...]:
        return call.run(arrays)

    declaration = Declaration(function=forward, kind="general", outputs=count, shown=name)
    return _FunctionOp(declaration, saved)


def _saved_value(arrays: Sequence[RawValue], /, *, name: str) -> NoReturn:  # noqa: ARG001
    """Refuse to recompute a saved value that is neither an argument nor a result."""
    raise RuleError(f"{name}: a value saved by the forward pass is not kept any more")


def _refuse(node: Node, _g: Cotangent) -> NoReturn:
    raise RuleError(
        f"{node.params['name']}: a higher derivative is asked for, and the backward pass uses "
        "a saved value that is neither an argument nor a result of the function, so its "
        "derivative is not known; save arguments and results, and compute the value of them in "
        "the backward pass, or return it as a further result"
    )


_UNDERIVABLE = Op(
    Declaration(function=_saved_value, kind="general"), Pull(_refuse, _refuse, needs=())
)


def _underivable(node: Node, value: RawValue) -> Node:
    """Return the node of a saved value that is neither an argument nor a result."""
    saved = (*[None] * len(node.parents), value)
    params = {"name": node.op.shown}
    return make_node(_UNDERIVABLE, node.parents, saved, params, node.trace, value)
