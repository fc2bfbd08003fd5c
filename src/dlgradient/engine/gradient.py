"""`dlgradient` and `dlvjp`: reverse-mode derivatives, their options and their errors.

This module checks the arguments; its errors say what was found, and the fix. The walk in `walk.py`
computes the derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Never, TypeVar, overload

import numpy as np

from dlgradient.core import tree
from dlgradient.core.arguments import checked
from dlgradient.core.calls import (
    FUNCTIONS,
    labelled,
    make_node,
    open_node,
    unknown_keyword,
    variable,
    wrap,
)
from dlgradient.core.declaration import Declaration, Op
from dlgradient.core.graph import Node, tick
from dlgradient.core.reading import is_traced
from dlgradient.core.trace import Trace, current_trace, open_traces
from dlgradient.core.types import Operand, Value
from dlgradient.engine.array import dlarray
from dlgradient.engine.outside import not_dlarray, taken_from_outside
from dlgradient.engine.walk import reverse
from dlgradient.errors import (
    ChangedArrayError,
    ComplexValueError,
    IntegerVariableError,
    InvalidArgumentError,
    NonScalarError,
    NotDlarrayError,
    NotTracedError,
    OutsideDlfevalError,
    ShapeMismatchError,
)

__all__ = ["dlgradient", "dlvjp"]

_OPTIONS = ("retain_data", "enable_higher_derivatives", "allow_complex")


_X = TypeVar("_X")
_X1 = TypeVar("_X1")
_X2 = TypeVar("_X2")
_X3 = TypeVar("_X3")


@overload
def dlgradient(
    y: dlarray | float,  # a number is what Python's `sum` of no dlarrays would be
    x: _X,
    /,
    *,
    retain_data: bool = ...,
    enable_higher_derivatives: bool | None = ...,
    allow_complex: bool = ...,
) -> _X: ...
@overload
def dlgradient(
    y: dlarray | float,
    x1: _X1,
    x2: _X2,
    /,
    *,
    retain_data: bool = ...,
    enable_higher_derivatives: bool | None = ...,
    allow_complex: bool = ...,
) -> tuple[_X1, _X2]: ...
@overload
def dlgradient(
    y: dlarray | float,
    x1: _X1,
    x2: _X2,
    x3: _X3,
    /,
    *,
    retain_data: bool = ...,
    enable_higher_derivatives: bool | None = ...,
    allow_complex: bool = ...,
) -> tuple[_X1, _X2, _X3]: ...
@overload
def dlgradient(
    y: dlarray | float,
    x1: Any,
    x2: Any,
    x3: Any,
    x4: Any,
    /,
    *xs: Any,
    retain_data: bool = ...,
    enable_higher_derivatives: bool | None = ...,
    allow_complex: bool = ...,
) -> tuple[Any, ...]: ...
@checked
def dlgradient(
    y: Operand,
    /,
    *xs: Any,
    retain_data: bool = False,
    enable_higher_derivatives: bool | None = None,
    allow_complex: bool = True,
    **unknown: Never,
) -> Any:
    """Gradient of a real scalar with respect to variables.

    Call it inside a function that `dlfeval` evaluates.

    Parameters
    ----------
    y : dlarray
        A real traced scalar (one element).
    *xs : dlarray or container of dlarrays
        Variables: traced dlarrays, in any nesting of list, tuple, dict, namedtuple, dataclass and
        tables with the columns Layer, Parameter and Value.
    retain_data : bool
        Keep saved values for another call in the same `dlfeval`. If false, they are dropped after
        use; another call is still right, and computes them again.
    enable_higher_derivatives : bool, optional
        Trace the backward pass, so that the gradients can be differentiated again. Saved values are
        then not dropped, and `retain_data` has no effect. By default it is true in a function that
        `dlaccelerate` accelerates, and false elsewhere.
    allow_complex : bool
        Whether variables and gradients may be complex. If false, every variable must be real, and
        every gradient is real. Intermediate values may be complex in both cases.

    Returns
    -------
    gradient : dlarray or container
        With the structure of the variable, and the shape, dtype and format of each array in it; a
        tuple for several variables. It is zero where `y` does not depend on a variable. The
        gradient for a complex variable is ∂y/∂Re(x) + i ∂y/∂Im(x), the direction of steepest
        ascent. With `allow_complex`, a real variable that acts through complex values has a complex
        gradient.

    Raises
    ------
    OutsideDlfevalError
        If no `dlfeval` is running.
    NotDlarrayError, NotTracedError, NonScalarError, ComplexValueError, IntegerVariableError
        If `y` or a variable is not as described; the message gives its name and path.

    See Also
    --------
    dlfeval : evaluate a function and trace it
    dlvjp : derivative backwards, from an array of cotangents
    dljvp : derivative forwards, along a tangent

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.dlfeval(lambda x: dl.dlgradient((x**3).sum(), x), dl.dlarray([1.0, 2.0]))
    dlarray([ 3., 12.])

    Source: MATLAB ``dlgradient``.
    """
    if unknown:
        raise unknown_keyword("dlgradient", next(iter(unknown)), _OPTIONS)
    root = checked_scalar("dlgradient", y)
    one = root.dtype.type(1)
    seed = one if not root.shape else np.full(root.shape, one)
    return _derivatives(
        "dlgradient", root, seed, xs, retain_data, enable_higher_derivatives, allow_complex
    )


@checked
def dlvjp(
    y: Operand,
    cotangent: Operand,
    /,
    *xs: Any,
    retain_data: bool = False,
    enable_higher_derivatives: bool | None = None,
    allow_complex: bool = True,
    **unknown: Never,
) -> Any:
    """Vector-Jacobian product: the gradient of Re⟨cotangent, y⟩ for a `y` of any shape.

    Call it inside a function that `dlfeval` evaluates.

    Parameters
    ----------
    y : dlarray
        Traced, real or complex, of any shape.
    cotangent : dlarray or array_like
        A weight for each element of `y`, in the same shape.
    *xs, retain_data, enable_higher_derivatives, allow_complex
        As in `dlgradient`.

    Returns
    -------
    product : dlarray or container
        Σᵢ conj(∂yᵢ/∂x) cotangentᵢ + (∂yᵢ/∂x̄) conj(cotangentᵢ), with the structure of the variables,
        as in `dlgradient`. The second term is zero for analytic functions. A real variable counts
        as a complex one here: the real part is its derivative.

    See Also
    --------
    dlgradient : gradient of a real scalar
    dljvp : derivative forwards, along a tangent

    Examples
    --------
    >>> import dlgradient as dl
    >>> def product(x):
    ...     return dl.dlvjp(x**2, [1.0, 0.5], x)
    >>> dl.dlfeval(product, dl.dlarray([3.0, 4.0]))
    dlarray([6., 4.])
    """
    if unknown:
        raise unknown_keyword("dlvjp", next(iter(unknown)), _OPTIONS)
    root = checked_traced("dlvjp", "y", y)
    seed = cotangent if type(cotangent) is dlarray else dlarray(cotangent)
    if seed.shape != y.shape:
        raise ShapeMismatchError(
            f"dlvjp: cotangent has shape {seed.shape}, y has shape {y.shape}; give one weight for "
            "each element of y"
        )
    if seed.dtype.kind in "iub":
        seed = FUNCTIONS["astype"](seed, dtype=y.dtype)
    return _derivatives(
        "dlvjp", root, seed, xs, retain_data, enable_higher_derivatives, allow_complex
    )


def _derivatives(
    name: str,
    root: Node,
    seed: Any,
    xs: tuple[Any, ...],
    retain_data: bool,
    higher: bool | None,
    allow_complex: bool,
) -> Any:
    if not xs:
        raise NotDlarrayError(f"{name}: no variable is given; write {name}(y, x)")
    recorder = root.trace.recorder
    if higher is None:
        higher = recorder is not None
    traced = higher or (recorder is not None and recorder.records)
    if traced is not (type(seed) is dlarray):
        seed = wrap(seed, None) if traced else seed._value
    leaves: Sequence[Any] = xs
    rebuild = None
    for x in xs:
        if type(x) is not dlarray:
            leaves, rebuild = _flat(xs)
            break
    if not leaves:
        raise NotDlarrayError(
            f"{name}: there is no dlarray in {', '.join(repr(x) for x in xs)}; give variables that "
            "are traced dlarrays, or containers of them"
        )
    nodes = variables(name, root, leaves, lambda: _paths(xs))
    if not allow_complex:
        check_real(name, xs, leaves)
    if root.trace.held:
        root.trace.check(name)
    start = tick() if recorder is not None else 0
    cotangents = reverse(
        root,
        seed,
        nodes,
        retain=retain_data or traced,
        traced=traced,
        real=not allow_complex,
    )
    check_open(name, root)
    results = [
        like_variable(cotangents.get(node), x) for node, x in zip(nodes, leaves, strict=True)
    ]
    if traced:
        results = [differentiable(g, root.trace) for g in results]
        if recorder is not None:
            recorder.note_walk(start)
            results = results if higher else [constant(g) for g in results]
    if rebuild is not None:
        results = rebuild(results)
    return results[0] if len(results) == 1 else tuple(results)


def check_open(function: str, root: Node) -> None:
    """Raise an error if another thread has closed the trace, whose nodes then forget operands."""
    if not root.trace.is_open:
        raise NotTracedError(
            f"{function}: {root.trace.name}, which runs in another thread, ended before this call "
            f"of {function}; wait for the results of all threads inside the function"
        )


def _flat(xs: Sequence[Any]) -> tuple[list[Any], Callable[[list[Any]], list[Any]]]:
    """Return the leaves of all variables, and a function that puts gradients in their places."""
    leaves: list[Any] = []
    parts = []
    for x in xs:
        inside, rebuild = tree.flatten(x)
        parts.append((slice(len(leaves), len(leaves) + len(inside)), rebuild))
        leaves += inside
    return leaves, lambda results: [rebuild(results[at]) for at, rebuild in parts]


def variables(
    function: str, root: Node, leaves: Sequence[Any], paths: Callable[[], list[str]]
) -> list[Node]:
    """Return the nodes of all variables; an error gives the path of one that cannot be one."""
    nodes: list[Any] = [open_node(x) if type(x) is dlarray else None for x in leaves]
    if None in nodes or root.trace.recorder is not None:
        for path, x in zip(paths(), leaves, strict=True):
            checked_traced(function, path, x)
    trace = root.trace
    if trace.assigned:
        for path, x in zip(paths(), leaves, strict=True):
            if trace.is_assigned(x):
                raise _assigned(function, path, x)
    for i, node in enumerate(nodes):
        # An inner argument is new, too. An outer `y` does not depend on it: zero, as is said there.
        if node.seq > root.seq and node.op is not None and not trace.is_joined(node):
            raise _computed_later(function, paths()[i], leaves[i])
    return nodes


def _assigned(function: str, argument: str, x: Any) -> ChangedArrayError:
    return ChangedArrayError(
        f"{function}: {argument} is {_found(x)}, an argument whose elements were assigned to "
        "(x[i] = v), so it is the new value now, and the derivative would not be that of the "
        "argument; assign to a copy, z = x.copy(); z[i] = v, or, for the derivative of what "
        "follows the assignment, go on with x = x.copy() after it"
    )


def _computed_later(function: str, argument: str, x: Any) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{function}: {argument} is {_found(x)} that was computed after y, so y does not depend on "
        f"it; x[i], x.T and 2 * x in the call are new values. Differentiate for the variable, and "
        f"take its part, {function}(y, x)[i]"
    )


def _paths(xs: Sequence[Any]) -> list[str]:
    names = ["x"] if len(xs) == 1 else [f"xs[{i}]" for i in range(len(xs))]
    return [path for name, x in zip(names, xs, strict=True) for path in tree.paths(x, name)]


def like_variable(g: Any, x: Any) -> Any:
    """Return a derivative as a dlarray with the shape, dtype and format of `x`; zeros for None."""
    dtype = x._value.dtype
    if g is None:
        zeros = np.zeros(x._value.shape, dtype) if x._value.shape else dtype.type(0)
        return wrap(zeros, None, x._format)
    if dtype.kind == "c" and g.dtype is not dtype:
        g = FUNCTIONS["astype"](g, dtype=dtype)
    if type(g) is dlarray:
        return labelled(g, x._format)
    return wrap(g, None, x._format)


def _same(x: Value, /) -> Value:
    """Return ``x``, of which nothing depends on a variable."""
    return x


# A derivative that is not to be differentiated again, in a call that is recorded all the same.
CONSTANT = Op(Declaration(function=_same, kind="constant", format="same"))


def constant(g: Any) -> Any:
    """Return a recorded derivative as a constant for every other derivative."""
    node = g._node
    return wrap(g._value, make_node(CONSTANT, (node,), (), {}, node.trace, g._value), g._format)


def as_constant(g: Any) -> Any:
    """Return a raw derivative as it is, and a dlarray as a constant."""
    return constant(g) if type(g) is dlarray and g._node is not None else g


def differentiable(g: Any, trace: Trace) -> Any:
    """Give a constant gradient a node, so that its derivative is zero and not an error."""
    return g if g._node is not None else wrap(g._value, variable(g._value, trace), g._format)


# -- checks --------------------------------------------------------------------------------------


def _found(x: Any) -> str:
    return f"a dlarray of shape {x.shape} {x.dtype}"


def checked_traced(function: str, argument: str, x: Any) -> Node:
    """Return the node of a traced dlarray, or raise the error that says what it is instead."""
    node = open_node(x) if type(x) is dlarray else None
    if node is not None and is_traced(x):
        return node
    trace = current_trace()
    if trace is None:
        here = " in this thread, only in another" if open_traces else ""
        raise OutsideDlfevalError(
            f"{function}: no dlfeval is running{here}, so nothing is traced; call it inside a "
            "function, and evaluate that with dlfeval(function, x)"
        )
    if type(x) is not dlarray:
        raise NotDlarrayError(
            f"{function}: {argument} must be a dlarray, not {type(x).__name__}; {not_dlarray(x)}"
        )
    if x.dtype.kind in "iu":
        raise IntegerVariableError(
            f"{function}: {argument} is {_found(x)}: integers carry no derivative; make it "
            "floating point, dlarray(x.astype(float))"
        )
    outside = taken_from_outside(trace, x)
    reason = f", since {outside}. In general" if outside else ""
    raise NotTracedError(
        f"{function}: {argument} is {_found(x)} that is not traced{reason}: it was created inside "
        "the function, is a derivative without enable_higher_derivatives=True, is made of integers "
        "only, was taken out of the trace (extractdata, item), or comes from a dlfeval that has "
        "ended. Pass it to dlfeval as an argument of the function, enable higher derivatives for a "
        "derivative of a derivative, and compute with functions of dlgradient or NumPy"
    )


def checked_scalar(function: str, y: Any) -> Node:
    """Return the node of a real traced scalar, or raise the error that says what it is instead."""
    if type(y) is dlarray and type(y._value) is np.float64:
        quick: Node | None = open_node(y)
        if quick is not None and quick.trace.recorder is None:
            return quick  # the most common case needs no more checks
    node = checked_traced(function, "y", y)
    value = y._value
    if value.size != 1:
        fix = (
            "dlvjp(y, cotangent, x) for a weighted sum of gradients, or dljacobian(y, x)"
            if function == "dlgradient"
            else f"{function} of each element, {function}(y[i], x)"
        )
        raise NonScalarError(
            f"{function}: y is {_found(y)}; it must be a real scalar. Reduce it (y.sum()), or use "
            f"{fix}"
        )
    if value.dtype.kind == "c":
        raise ComplexValueError(
            f"{function}: y is {_found(y)}; it must be real, as real(y), imag(y) or abs2(y)"
        )
    if value.dtype.kind in "iu":
        raise IntegerVariableError(
            f"{function}: y is {_found(y)}: integer results carry no derivative; differentiate a "
            "floating-point value"
        )
    return node


def check_real(name: str, xs: Sequence[Any], leaves: Sequence[Any]) -> None:
    """Raise an error if a variable is complex, where real ones are asked for."""
    if all(x.dtype.kind != "c" for x in leaves):
        return
    for path, x in zip(_paths(xs), leaves, strict=True):
        if x.dtype.kind == "c":
            raise ComplexValueError(
                f"{name}: {path} is {_found(x)}, and allow_complex=False wants every variable "
                "real; set allow_complex=True, or take real(x) and imag(x) as variables"
            )
