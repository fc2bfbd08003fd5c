"""Sorting, and the largest and smallest elements.

To sort is to permute, so the adjoint of `sort` puts cotangents back where their elements were.
Equal elements have no order. They share what their places get: the mean over all orders, which is
the subgradient of minimum norm. So the last element of `sort` has the gradient of `max`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from dlgradient.core.conversion import as_array
from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Count, Operand, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.index import along
from dlgradient.ops.take import put_along_axis, take_along_axis
from dlgradient.rules import constant, derived, general, multilinear

__all__ = ["argsort", "maxk", "mink", "sort"]

# -- sort ----------------------------------------------------------------------------------------


@constant(
    format="same",
    reference=lambda *args, **params: _reference_order(*args, **params),
    samples=lambda m: [*_sort_samples(m), case(np.array([2.0, 1.0, 2.0, 1.0]), descending=True)],
    errors=lambda m: _sort_errors(m)[:1],
)
def argsort(
    x: Operand, /, axis: int = -1, *, descending: bool = False, stable: bool = True
) -> Value:
    """Indices that sort the elements along a dimension; they carry no derivative.

    Parameters
    ----------
    x : array
        NaN is larger than every number. Complex numbers are ordered by their real parts, and equal
        ones by their imaginary parts.
    axis : int
    descending : bool
        Whether the largest element is first.
    stable : bool
        Whether equal elements keep their order. Without it, sorting may be faster.

    Returns
    -------
    array of int64
        With the shape and data format of ``x``.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    sort : sorted elements
    take_along_axis : elements at indices that differ for each vector
    maxk : largest elements

    Examples
    --------
    >>> dl.argsort(dl.dlarray([3.0, 1.0, 2.0])).tolist()
    [1, 2, 0]

    Source: array-API ``argsort``; the second result of MATLAB ``sort`` (counted from zero).
    """
    kind: Literal["stable"] | None = "stable" if stable else None
    if not descending:
        return np.argsort(x, axis=axis, kind=kind)
    # Reversed before and after, so that equal elements keep their order.
    order = np.argsort(np.flip(x, axis), axis=axis, kind=kind)
    return x.shape[axis] - 1 - np.flip(order, axis)


def _reference_order(
    x: Array, axis: int = -1, *, descending: bool = False, stable: bool = True
) -> Array:
    assert stable in (True, False)  # Python sorts stably
    lines = np.moveaxis(x, axis, -1)
    out = np.empty(lines.shape, np.int64)
    for line in np.ndindex(lines.shape[:-1]):
        keys = [(np.isnan(v), v.real, v.imag) for v in lines[line].tolist()]
        out[line] = sorted(range(len(keys)), key=keys.__getitem__, reverse=descending)
    return np.moveaxis(out, -1, axis)


def _reference_sort(x: Array, axis: int = -1, **options: bool) -> Array:
    return np.take_along_axis(x, _reference_order(x, axis, **options), axis)


@constant(
    format="same",
    samples=lambda m: [
        case(np.array([1.0, 2.0, 2.0, 3.0]), axis=0),
        case(np.array([[1.0, 1.0], [2j, 3.0]]), axis=1),
        case(m.real(0), axis=0),
    ],
)
def repeats_before(x: Value, /, *, axis: int) -> Value:
    """Whether an element is equal to the one before it.

    Parameters
    ----------
    x : array
    axis : int
    """
    out = np.zeros(x.shape, bool)
    lines, same = np.moveaxis(np.asarray(x), axis, -1), np.moveaxis(out, axis, -1)
    np.equal(lines[..., 1:], lines[..., :-1], out=same[..., 1:])
    return out


def _shared_adjoint(g: Value, same: Value, axis: int) -> Value:
    return shared(g, same, axis=axis)


@multilinear(
    x=_shared_adjoint,
    format="same",
    samples=lambda m: [
        case(m.real(4), np.array([False, False, True, False]), axis=0),
        case(m.complex(2, 3), np.array([[0, 1, 1], [0, 0, 0]], bool), axis=1),
        case(m.real(3, 2), np.array([[0, 0], [1, 0], [0, 1]], bool), axis=0),
        case(m.real(3), np.zeros(3, bool), axis=0),
        case(m.real(0), np.zeros(0, bool), axis=0),
    ],
)
def shared(x: Value, same: Value, /, *, axis: int) -> Value:
    """Means over runs of places; the map is its own adjoint.

    Parameters
    ----------
    x : array
    same : array of bool
        Of its shape: whether a place is in the run of the one before it.
    axis : int
        Dimension of the runs.
    """
    if not same.any():
        return x
    lines, first = np.moveaxis(np.asarray(x), axis, -1), ~np.moveaxis(np.asarray(same), axis, -1)
    starts = np.flatnonzero(first)
    counts = np.diff(starts, append=first.size)
    means = np.add.reduceat(lines.ravel(), starts) / counts.astype(lines.real.dtype)
    return np.moveaxis(np.repeat(means, counts).reshape(lines.shape), -1, axis)


def _sort_adjoint(g: Value, x: Value, out: Value, axis: int, descending: bool) -> Value:
    # Equal elements share, so any order of them will do, and the fastest is taken.
    order = argsort(x, axis=axis, descending=descending, stable=False)
    g = shared(g, repeats_before(out, axis=axis), axis=axis)
    return put_along_axis(g, order, shape=x.shape, axis=axis, distinct=True)


def _sort_tangent(t: Value, x: Value, out: Value, axis: int, descending: bool) -> Value:
    order = argsort(x, axis=axis, descending=descending, stable=False)
    t = take_along_axis(t, order, axis=axis)
    return shared(t, repeats_before(out, axis=axis), axis=axis)


@general(
    x=_sort_adjoint,
    jvp={"x": _sort_tangent},
    format="same",
    reference=lambda *args, **params: _reference_sort(*args, **params),
    samples=lambda m: [*_sort_samples(m), *_sort_ties()],
    errors=lambda m: _sort_errors(m),
)
def sort(
    x: Operand,
    /,
    axis: int = -1,
    *,
    descending: bool = False,
    stable: bool = True,  # noqa: ARG001 - it is seen in the order only, which `argsort` returns
) -> Value:
    """Sorted elements along a dimension.

    Each element gets the cotangent of its place. Equal elements share those of their places
    equally: the subgradient of minimum norm.

    Parameters
    ----------
    x : array
        NaN is larger than every number. Complex numbers are ordered by their real parts, and equal
        ones by their imaginary parts.
    axis : int
    descending : bool
        Whether the largest element is first.
    stable : bool
        As in the standard; sorted values do not show it.

    Returns
    -------
    array
        With the shape and data format of ``x``.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    argsort : indices that sort
    maxk : largest elements
    median : median
    quantile : quantiles

    Examples
    --------
    >>> x = dl.dlarray([3.0, 1.0, 3.0])
    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.sort(x)[0] + 4 * dl.sort(x)[2], x), x).tolist()
    [2.0, 1.0, 2.0]

    Source: array-API ``sort``; MATLAB ``sort``.
    """
    out = np.sort(x, axis=axis)
    return np.flip(out, axis) if descending else out


def _sort_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(5)),
        case(m.real(2, 4), axis=1),
        case(m.real(3, 2), axis=0, descending=True),
        case(m.complex(4)),
        case(m.complex(2, 3), axis=-1, descending=True),
        case(m.real(4), stable=False),
        case(m.real(2, 0)),
    ]


def _sort_ties() -> list[Case]:
    tied = np.array([[1.0, 5.0, 5.0], [5.0, 2.0, 3.0]])
    return [
        case(np.array([3.0, 1.0, 3.0]), kink=True, gradient={"x": [1, 1, 1]}),
        case(tied, axis=0, descending=True, kink=True, gradient={"x": np.ones((2, 3))}),
        case(np.array([2.0, np.nan, 2.0]), kink=True, gradient={"x": [1, 1, 1]}),
    ]


def _sort_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), axis=1), InvalidArgumentError, r"axis 1 .*shape \(3,\)"),
        Error(case(m.real()), InvalidArgumentError, "axis -1"),
    ]


# -- the largest and the smallest elements -------------------------------------------------------


@derived(
    domain="real",
    reference=lambda x, k, axis=-1: np.flip(
        np.take(np.sort(x, axis), range(x.shape[axis] - k, x.shape[axis]), axis), axis
    ),
    samples=lambda m: _k_samples(m),
    errors=lambda m: _k_errors(m, "maxk"),
)
def maxk(
    x: Operand, /, k: Count, axis: int = -1, *, return_indices: bool = False
) -> Value | tuple[Value, Value]:
    """Largest elements along a dimension, the largest first.

    Equal elements share the derivatives of their places equally, as in `sort`.

    Parameters
    ----------
    x : array
        Real.
    k : int
        Number of elements.
    axis : int
    return_indices : bool
        Whether their indices are returned, too; of equal elements, the first.

    Returns
    -------
    values : array
        With k elements along `axis`, and the data format of ``x``.
    indices : array of int64
        If asked for.

    Raises
    ------
    InvalidArgumentError
        If there are fewer than k elements.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    mink : smallest elements
    max : largest element
    sort : sorted elements

    Examples
    --------
    >>> dl.maxk(dl.dlarray([3.0, 9.0, 4.0]), 2).tolist()
    [9.0, 4.0]

    Source: MATLAB ``maxk``.
    """
    return _extreme("maxk", x, k, axis, True, return_indices)


@derived(
    domain="real",
    reference=lambda x, k, axis=-1: np.take(np.sort(x, axis), range(k), axis),
    samples=lambda m: _k_samples(m),
    errors=lambda m: _k_errors(m, "mink"),
)
def mink(
    x: Operand, /, k: Count, axis: int = -1, *, return_indices: bool = False
) -> Value | tuple[Value, Value]:
    """Smallest elements along a dimension, the smallest first.

    Equal elements share the derivatives of their places equally, as in `sort`.

    Parameters
    ----------
    x : array
        Real.
    k : int
        Number of elements.
    axis : int
    return_indices : bool
        Whether their indices are returned, too; of equal elements, the first.

    Returns
    -------
    values : array
        With k elements along `axis`, and the data format of ``x``.
    indices : array of int64
        If asked for.

    Raises
    ------
    InvalidArgumentError
        If there are fewer than k elements.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    maxk : largest elements
    min : smallest element
    sort : sorted elements

    Examples
    --------
    >>> values, indices = dl.mink(dl.dlarray([3.0, 9.0, 4.0]), 2, return_indices=True)
    >>> values.tolist(), indices.tolist()
    ([3.0, 4.0], [0, 2])

    Source: MATLAB ``mink``.
    """
    return _extreme("mink", x, k, axis, False, return_indices)


def _extreme(
    name: str, x: Operand, k: int, axis: int, descending: bool, return_indices: bool
) -> Value | tuple[Value, Value]:
    refuse_complex(name, x=x)
    x = as_array(x, f"{name}: x")
    (axis,) = normalize_axis_tuple(axis, x.ndim)
    if k > x.shape[axis]:
        raise InvalidArgumentError(
            f"{name}: k={k}, and x of shape {x.shape} has {x.shape[axis]} elements along axis "
            f"{axis}; give a smaller k"
        )
    values = along(sort(x, axis=axis, descending=descending), axis, slice(k))
    if not return_indices:
        return values
    return values, along(argsort(x, axis=axis, descending=descending), axis, slice(k))


def _k_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(5), k=2),
        case(m.real(2, 4), k=3, axis=1),
        case(m.real(3, 2), k=1, axis=0),
        case(m.real(2), k=2),
    ]


def _k_errors(m: Maker, name: str) -> list[Error]:
    return [
        Error(case(m.real(3), k=4), InvalidArgumentError, rf"{name}: k=4, .*shape \(3,\)"),
        Error(case(m.real(3), k=0), InvalidArgumentError, "k must be an integer of at least 1"),
        Error(case(m.real(3), k=1, axis=1), InvalidArgumentError, "axis"),
    ]
