"""Operations of one's own: `DifferentiableFunction` and `define_operation`.

`define_operation` is the form of this library's own table: a kernel with one mathematical rule, and
all modes and orders of derivatives follow. `DifferentiableFunction` is for what has no such rule: a
forward pass in any code, a backward pass that returns gradients, and values saved in between.

A backward pass written in functions of dlarrays is differentiated again like everything else. One
that is not has no second derivative, and asking for it is an error. The same holds for a saved
value that is neither an argument nor a result: nobody knows its derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NoReturn

import numpy as np

from dlgradient import rules
from dlgradient.core.calls import FUNCTIONS, OUT, open_node, picked, record, wrap
from dlgradient.core.calls import _taken_apart as taken_apart
from dlgradient.core.graph import Node, tick
from dlgradient.core.spelling import nearest
from dlgradient.core.values import as_value
from dlgradient.engine.array import dlarray
from dlgradient.errors import (
    InvalidArgumentError,
    LeavingTraceError,
    RuleError,
    ShapeMismatchError,
    UnsupportedFunctionError,
)
from dlgradient.rules import OPS, Op

__all__ = ["DifferentiableFunction", "define_operation"]

_KINDS = ("elementwise", "linear", "multilinear", "constant", "general")
# Operations that a user declared, and may declare again.
_defined: set[str] = set()


def define_operation(kind: str, /, **declaration: Any) -> Callable[..., Any]:
    """Declare an operation by a kernel and one mathematical rule, as this library declares its own.

    The decorated function is the kernel, on raw arrays: operands in front of ``/``, static
    parameters behind. What it returns is called with dlarrays, and has forward mode and derivatives
    of every order. A second declaration of the same name takes the place of the first.

    Parameters
    ----------
    kind : {"elementwise", "linear", "multilinear", "constant", "general"}
        What the rule is: a differential, an adjoint, an adjoint for each operand, nothing, or a
        vector-Jacobian product.
    **declaration
        The rules, by the names of operands (or ``vjp=`` for all together), and ``samples=``:
        a function of a maker that returns cases to test. See the page on writing a rule.

    Returns
    -------
    callable
        The decorator.

    Raises
    ------
    RuleError
        If the declaration is incomplete or contradicts itself, or the name is that of a function of
        this library.
    InvalidArgumentError
        If there is no such kind.

    Examples
    --------
    >>> import dlgradient as dl
    >>> import numpy as np
    >>> from dlgradient.testing import case, check_operation
    >>> @dl.define_operation(
    ...     "elementwise",
    ...     x=lambda t, x: t * dl.cos(x),
    ...     samples=lambda m: [case(m.real(3)), case(m.complex(2, 2))],
    ... )
    ... def sine(x, /):
    ...     "Sine, elementwise."
    ...     return np.sin(x)
    >>> check_operation(sine)
    >>> dl.dlfeval(lambda x: dl.dlgradient(sine(x), x), dl.dlarray(0.0)).item()
    1.0
    """
    if kind not in _KINDS:
        meant = nearest(str(kind), _KINDS)
        fix = f"did you mean {meant!r}? " if meant else ""
        raise InvalidArgumentError(
            f"define_operation: no kind {kind!r}; {fix}there are {', '.join(_KINDS)}"
        )
    declare = getattr(rules, kind)(**declaration)

    def decorate(function: Callable[..., Any]) -> Any:
        name = function.__name__
        before = None
        if name in _defined and name in OPS:
            before = OPS.pop(name), FUNCTIONS.pop(name)
        try:
            path = declare(function)
        except RuleError:
            if before is not None:
                OPS[name], FUNCTIONS[name] = before
            raise
        _defined.add(name)
        return path

    return decorate


# -- saved values --------------------------------------------------------------------------------


class Context:
    """What a forward pass hands to the backward pass.

    Attributes
    ----------
    saved : sequence
        What `save` was given: raw arrays, or dlarrays if the backward pass is itself
        differentiated.
    params : dict
        Keyword arguments of the call.
    needs_gradient : tuple of bool
        For each argument whether a gradient is asked for; None may be returned for the others.

    Any other attribute may be set in the forward pass to something that has no derivative:
    integers, strings, shapes, arrays of integers or booleans, and tuples of these.
    """

    __slots__ = ("_constants", "_saved", "needs_gradient", "params")

    def __init__(self, params: dict[str, Any], needs_gradient: tuple[bool, ...]) -> None:
        object.__setattr__(self, "_constants", {})
        object.__setattr__(self, "_saved", ())
        object.__setattr__(self, "params", params)
        object.__setattr__(self, "needs_gradient", needs_gradient)

    def save(self, *values: Any) -> None:
        """Keep arrays for the backward pass.

        Parameters
        ----------
        *values : array or None
            Arguments or results of the forward pass, or other arrays it computed. With others,
            there are no second derivatives through them.
        """
        object.__setattr__(self, "_saved", values)

    @property
    def saved(self) -> tuple[Any, ...]:
        """What was saved."""
        return object.__getattribute__(self, "_saved")  # type: ignore[no-any-return]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in Context.__slots__ or name == "saved":
            raise RuleError(f"context.{name} cannot be set; keep arrays with context.save(...)")
        if not _without_derivative(value):
            raise RuleError(
                f"context.{name}: {_shown(value)} may depend on the arguments, and its derivative "
                "would be lost; keep it with context.save(...), or, if it does not depend on them, "
                "as an attribute of the function, set when it is made, or as a keyword argument"
            )
        self._constants[name] = value

    def __getattr__(self, name: str) -> Any:
        try:
            return object.__getattribute__(self, "_constants")[name]
        except KeyError:
            raise AttributeError(f"the forward pass set no context.{name}") from None


def _without_derivative(value: Any) -> bool:
    if value is None or isinstance(value, bool | int | str | bytes | slice | type | np.dtype):
        return True
    if isinstance(value, np.ndarray | np.generic):
        return value.dtype.kind in "biu"
    if isinstance(value, tuple | list):
        return all(map(_without_derivative, value))
    if isinstance(value, dict):
        return all(map(_without_derivative, value.values()))
    return False


def _shown(value: Any) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"an array of shape {value.shape} {value.dtype}"
    return f"a {type(value).__name__}"


# -- functions -----------------------------------------------------------------------------------


class DifferentiableFunction:
    """Base class of functions with a forward and a backward pass of their own.

    A subclass defines

    ``forward(self, context, *xs, **params)``
        The results, one or a tuple, from the arguments, which are raw NumPy arrays and must not be
        changed. Any code may compute them. It may be called again to restore what was dropped, so
        random numbers are drawn outside, and passed as an argument.
    ``backward(self, context, *gs)``
        The gradients with respect to the arguments, one or a tuple, None for zero, from a cotangent
        for each result (zeros for one that is not used). For complex arrays these are
        ∂/∂Re + i ∂/∂Im.

    and, if results are to have data formats, ``result_format(self, formats, shapes)``. An instance
    is called like a function, with arrays by position and static parameters by name.

    For first derivatives, ``backward`` gets raw arrays and may be any code too. For higher
    derivatives and for forward mode it is called with dlarrays, and is differentiated if it is
    written in functions of dlarrays, with what it needs of arguments and results saved in the
    context. If it is not, that raises; taking values out on purpose (`extractdata`, ``item``)
    declares them constant, here as everywhere.

    Raises
    ------
    RuleError
        If the passes do not fit each other, or a derivative is asked for that is not known.
    ShapeMismatchError
        If a gradient has not the shape of its argument.

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

    def forward(self, context: Context, *xs: Any, **params: Any) -> Any:  # noqa: ARG002
        """Return the results; to be defined by the subclass."""
        raise RuleError(f"{type(self).__name__}: forward(self, context, *xs) is not defined")

    def backward(self, context: Context, *gs: Any) -> Any:  # noqa: ARG002
        """Return the gradients; to be defined by the subclass."""
        raise RuleError(f"{type(self).__name__}: backward(self, context, *gs) is not defined")

    def result_format(
        self,
        formats: tuple[str | None, ...],  # noqa: ARG002 - for subclasses
        shapes: tuple[tuple[int, ...], ...],  # noqa: ARG002 - for subclasses
    ) -> str | tuple[str | None, ...] | None:
        """Return the format of the result, or a tuple of them; by default results have none.

        Parameters
        ----------
        formats, shapes : tuple
            Of the arguments.
        """
        return None

    def __call__(self, *xs: Any, **params: Any) -> Any:
        """Evaluate the function on arrays; the keyword arguments are static."""
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
        values, parents, trace = taken_apart(_operation(name, 1, frozenset()), xs)
        call.needs_gradient = tuple(type(p) is Node for p in parents)
        outs = call.run(values)
        node = None
        if trace is not None:
            op = _operation(name, call.count, call.kept())
            node = record(op, tuple(parents), values, outs, {"call": call}, trace)
        formats = self._formats(xs, values, call.count)
        results = tuple(
            [
                wrap(out, None if node is None else picked(node, i, out), fmt)
                if out.dtype.kind in "fc"
                else wrap(out, None, fmt)
                for i, (out, fmt) in enumerate(zip(outs, formats, strict=False))
            ]
        )
        return results if call.several else results[0]

    def _formats(self, xs: Sequence[Any], values: Sequence[Any], count: int) -> Sequence[Any]:
        found = self.result_format(
            tuple(x._format if type(x) is dlarray else None for x in xs),
            tuple(np.shape(v) for v in values),
        )
        return found if isinstance(found, tuple) else (found,) * count


class _Call:
    """One call of a function: what its node has to know."""

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

    def __init__(self, function: DifferentiableFunction, params: dict[str, Any], n: int) -> None:
        self.function = function
        self.params = params
        self.needs_gradient: tuple[bool, ...] = (False,) * n
        self.sources: list[tuple[str, int]] = []
        self.constants: dict[str, Any] = {}
        self.results: list[tuple[tuple[int, ...], Any]] = []
        self.count = 0
        self.several = False

    @property
    def name(self) -> str:
        return type(self.function).__name__

    def run(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Run the forward pass; return results, and behind them what else was saved."""
        xs = [_read_only(v) for v in values]
        context = Context(self.params, self.needs_gradient)
        before = dict(vars(self.function))
        found = self.function.forward(context, *xs, **self.params)
        self._check_unchanged(before)
        self.several = isinstance(found, tuple | list)
        outs = tuple([self._result(y) for y in (found if self.several else (found,))])
        returned = list(found) if self.several else [found]
        self.count = len(outs)
        self.results = [(y.shape, y.dtype) for y in outs]
        self.constants = context._constants
        self.sources = []
        others: list[Any] = []
        for value in context.saved:
            self.sources.append(self._source(value, xs, returned, others))
        return (*outs, *others)

    def _source(
        self, value: Any, xs: Sequence[Any], returned: Sequence[Any], others: list[Any]
    ) -> tuple[str, int]:
        """Where a saved value comes from: an argument, a result, or neither."""
        if value is None:
            return "none", 0
        for kind, candidates in (("argument", xs), ("result", returned)):
            for i, candidate in enumerate(candidates):
                if value is candidate:
                    return kind, i
        others.append(self._result(value))
        return "other", len(others) - 1

    def _result(self, y: Any) -> Any:
        if type(y) is dlarray:
            if open_node(y) is not None:
                raise RuleError(
                    f"{self.name}: the forward pass uses a traced dlarray that is no argument of "
                    "the call, so its derivative would be lost; pass it as an argument"
                )
            return y._value
        return as_value(y, f"{self.name}: forward")

    def _check_unchanged(self, before: dict[str, Any]) -> None:
        for key, value in vars(self.function).items():
            same = key in before and before[key] is value
            if not same and not _without_derivative(value):
                raise RuleError(
                    f"{self.name}: the forward pass set self.{key} to {_shown(value)}, whose "
                    "derivative would be lost; keep it with context.save(...)"
                )

    def kept(self) -> frozenset[int]:
        """Positions of what the backward pass needs, as of `Rule.needs`."""
        return frozenset(i if kind == "argument" else OUT for kind, i in self.sources) - (
            frozenset() if any(k in ("result", "other") for k, _ in self.sources) else {OUT}
        )

    def context(self, node: Any, *, traced: bool) -> Context:
        """Return the context of the backward pass, from what a node keeps."""
        context = Context(self.params, self.needs_gradient)
        context._constants.update(self.constants)
        context.save(*[self._saved(node, kind, i, traced=traced) for kind, i in self.sources])
        return context

    def _saved(self, node: Any, kind: str, i: int, *, traced: bool) -> Any:
        if kind == "none":
            return None
        if kind == "argument":
            value = node.kept[i]
            parent = node.parents[i]
            return (
                wrap(value, parent if type(parent) is Node else None)
                if traced
                else _read_only(value)
            )
        value = node.kept[OUT][i if kind == "result" else self.count + i]
        if not traced:
            return _read_only(value)
        if kind == "result":
            return wrap(value, picked(node, i, value))
        return wrap(value, _unknown(node, value) if value.dtype.kind in "fc" else None)

    def pull(self, node: Any, gs: Sequence[Any], *, traced: bool) -> list[Any]:
        """Run the backward pass."""
        cotangents = [
            _cotangent(g, shape, dtype, traced=traced)
            for g, (shape, dtype) in zip(gs, self.results, strict=False)
        ]
        context = self.context(node, traced=traced)
        try:
            found = self.function.backward(context, *cotangents)
        except (LeavingTraceError, UnsupportedFunctionError) as error:
            raise RuleError(f"{self._not_known()} ({error})") from error
        count = len(self.needs_gradient)
        results = list(found) if isinstance(found, tuple | list) else [found]
        if len(results) != count:
            raise RuleError(
                f"{self.name}: backward returned {len(results)} gradients for {count} arguments; "
                "return one for each, None for zero"
            )
        return [
            self._checked(c, i, node.parents[i], cotangents, traced=traced)
            if c is not None and type(node.parents[i]) is Node
            else None
            for i, c in enumerate(results)
        ]

    def _checked(
        self, c: Any, i: int, parent: Any, cotangents: Sequence[Any], *, traced: bool
    ) -> Any:
        if type(c) is not dlarray or not traced:
            c = self._result(c)
        if c.shape != parent.shape:
            raise ShapeMismatchError(
                f"{self.name}: backward returned a gradient of shape {c.shape} for argument {i}, "
                f"which has shape {parent.shape}; they must be equal"
            )
        if not traced:
            return c
        if type(c) is not dlarray:
            raise RuleError(f"{self._not_known()} (it returned a NumPy array for argument {i})")
        if open_node(c) is None and any(open_node(g) is not None for g in cotangents):
            # Not even zeros: the cotangent itself may be zero here.
            raise RuleError(
                f"{self._not_known()} (its result for argument {i} is not traced, although the "
                "cotangent is; return None for a gradient that is always zero)"
            )
        return wrap(c._value, c._node)

    def _not_known(self) -> str:
        return (
            f"{self.name}: higher derivatives and forward mode differentiate the backward pass, "
            "and it is not written in functions of dlarrays; write it in these"
        )


def _read_only(value: Any) -> Any:
    if type(value) is not np.ndarray:
        return value
    view = value.view()
    view.flags.writeable = False
    return view


def _cotangent(g: Any, shape: tuple[int, ...], dtype: Any, *, traced: bool) -> Any:
    if g is None:
        zeros = np.zeros(shape, dtype)[()]
        return wrap(zeros, None) if traced else zeros
    # Others may hold the array too: a backward pass that works in place must not change it.
    return _read_only(FUNCTIONS["real"](g) if g.dtype.kind == "c" and dtype.kind != "c" else g)


class _Backward:
    """The rule of a function: the engine asks it what it needs, and for the cotangents."""

    __slots__ = ("needs",)

    def __init__(self, needs: frozenset[int]) -> None:
        self.needs = needs

    def pull(self, node: Any, gs: Sequence[Any]) -> list[Any]:
        call: _Call = node.params["call"]
        return call.pull(node, gs, traced=False)

    def pull_traced(self, node: Any, gs: Sequence[Any]) -> list[Any]:
        call: _Call = node.params["call"]
        return call.pull(node, gs, traced=True)


@lru_cache(maxsize=1024)
def _operation(name: str, count: int, needs: frozenset[int]) -> Op:
    """Return the operation of a node; it is in no table."""

    def forward(arrays: Any, /, *, call: _Call) -> Any:
        return call.run(arrays)

    op = Op("general", forward, outputs=count, shown=name)
    op.joint = _Backward(needs)  # type: ignore[assignment]
    return op


# -- saved values whose derivative nobody knows --------------------------------------------------


class _Refusal:
    """The rule of a saved value that is neither argument nor result."""

    __slots__ = ("needs",)

    def __init__(self) -> None:
        self.needs: frozenset[int] = frozenset()

    def pull(self, node: Any, _g: Any) -> NoReturn:
        raise RuleError(
            f"{node.params['name']}: a higher derivative is asked for, and the backward pass uses "
            "a saved value that is neither an argument nor a result of the function, so its "
            "derivative is not known; save arguments and results, and compute the value of them in "
            "the backward pass, or return it as a further result"
        )

    pull_traced = pull


def _saved_value(arrays: Any, /, *, name: str) -> NoReturn:  # noqa: ARG001 - a signature
    raise RuleError(f"{name}: a value saved by the forward pass is not kept any more")


_UNKNOWN = Op("general", _saved_value)
_UNKNOWN.joint = _Refusal()  # type: ignore[assignment]


def _unknown(node: Any, value: Any) -> Any:
    one = object.__new__(Node)
    one.op = _UNKNOWN
    one.parents = node.parents
    one.kept = (*[None] * len(node.parents), value)
    one.params = {"name": node.op.shown}
    one.seq = tick()
    one.trace = node.trace
    one.shape = value.shape
    one.dtype = value.dtype
    return one
