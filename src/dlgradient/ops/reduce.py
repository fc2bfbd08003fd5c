"""Reductions: sums, products and extrema.

Every reduction has the parameters ``axis`` (None for all dimensions, an int, or a tuple of ints)
and ``keepdims``. Dimensions that disappear lose their labels.
"""

from __future__ import annotations

from math import prod as _product

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, AxisLike, DtypeLike, Kernel, Operand, Shape, Value
from dlgradient.errors import InvalidArgumentError, UnsupportedDtypeError
from dlgradient.ops import narrow
from dlgradient.ops.casting import accumulator_dtype
from dlgradient.ops.choice import where
from dlgradient.ops.complex import conjugated
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.products import exclusive_products, product
from dlgradient.ops.shape import normalized, reshape
from dlgradient.rules import constant, general, linear

__all__ = ["max", "min", "prod", "sum"]


# NumPy's overloads of it know `keepdims` only as a literal.
_add: Kernel = np.add.reduce


# -- sums ----------------------------------------------------------------------------------------


def _spread_adjoint(g: Value, axis: AxisLike, keepdims: bool) -> Value:
    return sum(g, axis=axis, keepdims=keepdims)


def _spread_view(x: Array, shape: Shape, axis: AxisLike, keepdims: bool) -> Array:
    if not shape:
        return x
    ndim = len(shape)
    if x.size == 1:
        # numpy.broadcast_to is ten times as slow, and this is the start of most reverse walks.
        return np.ndarray(shape, x.dtype, x, 0, (0,) * ndim)
    axes = normalized(axis, ndim)
    if not keepdims:
        x = x.reshape([1 if i in axes else n for i, n in enumerate(shape)])
    if not x.flags.c_contiguous:
        return np.broadcast_to(x, shape)
    # A view: the elements of a row that repeats are one in memory.
    strides = [0 if i in axes else s for i, s in enumerate(x.strides)]
    return np.ndarray(shape, x.dtype, x, 0, strides)


@linear(
    x=_spread_adjoint,
    kernel=_spread_view,
    format="new",
    samples=lambda m: _spread_samples(m),
)
def spread(x: Value, /, *, shape: Shape, axis: AxisLike, keepdims: bool) -> Value:
    """Repeat an array along ``axis``: the adjoint of a sum.

    The result is a view with strides of zero, so it costs nothing, whatever its shape.

    Parameters
    ----------
    x : array
        With the shape of a reduction of an array of `shape`.
    shape : tuple of int
    axis, keepdims
        Of the reduction.
    """


def _spread_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(), shape=(2, 3), axis=None, keepdims=False),
        case(m.real(1, 1), shape=(2, 3), axis=None, keepdims=True),
        case(m.real(3), shape=(2, 3), axis=0, keepdims=False),
        case(m.complex(2, 1), shape=(2, 3), axis=-1, keepdims=True),
        case(m.real(3), shape=(2, 3, 2), axis=(0, -1), keepdims=False),
        case(m.real(3, 2).T, shape=(2, 4, 3), axis=1, keepdims=False),
        case(m.real(6)[::2], shape=(2, 3), axis=0, keepdims=False),
        case(m.real(), shape=(), axis=None, keepdims=False),
        case(m.real(), shape=(0,), axis=None, keepdims=False),
    ]


def _sum_adjoint(g: Value, x_like: Value, axis: AxisLike, keepdims: bool) -> Value:
    return spread(g, shape=x_like.shape, axis=axis, keepdims=keepdims)


@linear(
    x=_sum_adjoint,
    format="reduce",
    numpy=np.sum,
    samples=lambda m: _sum_samples(m),
    errors=lambda m: _wrong_dtype(m),
)
def sum(
    x: Operand, /, axis: AxisLike = None, *, dtype: DtypeLike = None, keepdims: bool = False
) -> Value:
    """Sum of elements, Σᵢ xᵢ.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to sum over; by default all.
    dtype : dtype_like, optional
        Dtype of the sum and of the result. By default that of ``x``; int64 for bool and smaller
        integers.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array
        The sum of no elements is zero.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.
    UnsupportedDtypeError
        If `dtype` cannot hold the values.

    See Also
    --------
    mean : arithmetic mean
    prod : product of elements
    cumsum : cumulative sums, in the same shape

    Examples
    --------
    >>> dl.sum(dl.dlarray([[1.0, 2.0], [3.0, 4.0]]), axis=0).tolist()
    [4.0, 6.0]

    Source: array-API ``sum``; MATLAB ``sum``.
    """
    if dtype is None:
        return narrow.add(x, axis, keepdims)
    return _add(x, axis=axis, dtype=accumulator_dtype(x, dtype, "sum"), keepdims=keepdims)


def _sum_samples(m: Maker) -> list[Case]:
    return [
        *reduction_samples(m),
        *_empty(m),
        case(m.real(3), dtype="complex128"),
        case(m.bools(3)),
    ]


def count(shape: tuple[int, ...], axis: AxisLike) -> int:
    """Count the elements that a reduction of an array of `shape` combines."""
    if axis is None:
        return _product(shape)
    return _product([shape[i] for i in normalized(axis, len(shape))])


# -- products ------------------------------------------------------------------------------------


def _products_of_others(x: Value, axis: AxisLike) -> Value:
    """Return for each element the product of the others in its reduction, without a division."""
    shape = x.shape
    axes = normalized(axis, len(shape))
    if len(axes) == 1:
        return exclusive_products(x, axis=axes[0])
    kept = [i for i in range(len(shape)) if i not in axes]
    order = (*kept, *axes)
    moved = permute_dims(x, order)
    flat = reshape(moved, (*[shape[i] for i in kept], count(shape, axis)))
    # Several dimensions as one, since products of the others run along one.
    others = reshape(exclusive_products(flat, axis=len(kept)), moved.shape)
    return permute_dims(others, tuple([order.index(i) for i in range(len(shape))]))


def _prod_adjoint(g: Value, x: Value, axis: AxisLike, keepdims: bool) -> Value:
    others = _products_of_others(x, axis)
    return spread(g, shape=x.shape, axis=axis, keepdims=keepdims) * conjugated(others)


def _prod_tangent(t: Value, x: Value, axis: AxisLike, keepdims: bool) -> Value:
    return sum(t * _products_of_others(x, axis), axis=axis, keepdims=keepdims)


@general(
    x=_prod_adjoint,
    jvp={"x": _prod_tangent},
    format="reduce",
    numpy=np.prod,
    samples=lambda m: [*reduction_samples(m), *_empty(m), *_zeros(m)],
    errors=lambda m: _wrong_dtype(m),
)
def prod(
    x: Operand, /, axis: AxisLike = None, *, dtype: DtypeLike = None, keepdims: bool = False
) -> Value:
    """Product of elements, Πᵢ xᵢ.

    The derivative by an element is the product of the others, without a division. So it is right at
    zeros, and so are derivatives of every order. Partial products may overflow and underflow if the
    product does not.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to multiply over; by default all.
    dtype : dtype_like, optional
        Dtype of the product and of the result. By default that of ``x``; int64 for bool and smaller
        integers.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array
        The product of no elements is one.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.
    UnsupportedDtypeError
        If `dtype` cannot hold the values.

    See Also
    --------
    sum : sum of elements
    cumprod : cumulative products, in the same shape

    Examples
    --------
    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.prod(x), x), dl.dlarray([2.0, 0.0, 3.0])).tolist()
    [0.0, 6.0, 0.0]

    Source: array-API ``prod``; MATLAB ``prod``.
    """
    if dtype is not None:
        dtype = accumulator_dtype(x, dtype, "prod")
    return product(x, axis, dtype, keepdims)


# -- extrema -------------------------------------------------------------------------------------


@constant(
    format="new",
    samples=lambda m: _ties_samples(m),
)
def ties(x: Value, extremum: Value, /, *, axis: AxisLike, keepdims: bool) -> Value:
    """Whether elements equal the extremum of their dimension; NaN counts as equal to NaN.

    Parameters
    ----------
    x, extremum : array
        An array, and its reduction.
    axis, keepdims
        Of the reduction.
    """
    reached = _spread_view(np.asarray(extremum), np.shape(x), axis, keepdims)
    equal = x == reached
    # NaN is looked for in the extremum, which is small: it reaches that from any element.
    return equal | (np.isnan(x) & np.isnan(reached)) if np.isnan(extremum).any() else equal


def _ties_samples(_m: Maker) -> list[Case]:
    return [
        case(np.array([1.0, 2.0, 2.0]), np.float64(2.0), axis=None, keepdims=False),
        case(np.array([[1.0], [2.0]]), np.array([2.0]), axis=0, keepdims=False),
    ]


def _extremum_adjoint(g: Value, x: Value, out: Value, axis: AxisLike, keepdims: bool) -> Value:
    chosen = ties(x, out, axis=axis, keepdims=keepdims)
    # Equal shares of ties: the subgradient of minimum norm.
    share = g / sum(chosen, axis=axis, dtype=g.dtype, keepdims=keepdims)
    return where(chosen, spread(share, shape=x.shape, axis=axis, keepdims=keepdims), 0)


def _extremum_tangent(t: Value, x: Value, out: Value, axis: AxisLike, keepdims: bool) -> Value:
    chosen = ties(x, out, axis=axis, keepdims=keepdims)
    total = sum(where(chosen, t, 0), axis=axis, keepdims=keepdims)
    return total / sum(chosen, axis=axis, dtype=t.dtype, keepdims=keepdims)


@general(
    x=_extremum_adjoint,
    jvp={"x": _extremum_tangent},
    format="reduce",
    masks=True,
    domain="real",
    kernel=narrow.maximum,
    numpy=np.max,
    samples=lambda m: _extremes(m, 1.0),
    errors=lambda m: _extreme_errors(m),
)
def max(x: Operand, /, axis: AxisLike = None, *, keepdims: bool = False) -> Value:
    """Largest element.

    If several elements are the largest, they share the derivative equally: the subgradient of
    minimum norm. NaN is larger than every number.

    Parameters
    ----------
    x : array
        Real.
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension, or no element along it.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    min : smallest element
    maximum : larger of two elements
    argmax : index of the largest element

    Examples
    --------
    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.max(x), x), dl.dlarray([3.0, 1.0, 3.0])).tolist()
    [0.5, 0.0, 0.5]

    Source: array-API ``max``; MATLAB ``max``.
    """


@general(
    x=_extremum_adjoint,
    jvp={"x": _extremum_tangent},
    format="reduce",
    masks=True,
    domain="real",
    kernel=narrow.minimum,
    numpy=np.min,
    samples=lambda m: _extremes(m, -1.0),
    errors=lambda m: _extreme_errors(m),
)
def min(x: Operand, /, axis: AxisLike = None, *, keepdims: bool = False) -> Value:
    """Smallest element.

    If several elements are the smallest, they share the derivative equally: the subgradient of
    minimum norm. NaN is smaller than every number.

    Parameters
    ----------
    x : array
        Real.
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension, or no element along it.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    max : largest element
    minimum : smaller of two elements
    argmin : index of the smallest element

    Examples
    --------
    >>> dl.min(dl.dlarray([[3.0, 1.0], [0.5, 2.0]]), axis=1).tolist()
    [1.0, 0.5]

    Source: array-API ``min``; MATLAB ``min``.
    """


# -- samples -------------------------------------------------------------------------------------


def reduction_samples(m: Maker) -> list[Case]:
    """Samples of every reduction of numbers."""
    return [
        case(m.real(3)),
        case(m.real()),
        case(m.real(2, 3), axis=0),
        case(m.real(2, 3), axis=-1, keepdims=True),
        case(m.real(2, 3, 2), axis=(0, 2)),
        case(m.real(2, 3), keepdims=True),
        case(m.complex(2, 2), axis=1),
        case(m.complex(3)),
    ]


def _empty(m: Maker) -> list[Case]:
    return [case(m.real(0)), case(m.real(2, 0), axis=1), case(m.real(0, 2), axis=1)]


def wrong_axis(m: Maker) -> list[Error]:
    return [Error(case(m.real(3), axis=1), InvalidArgumentError, r"axis 1 .*shape \(3,\)")]


def _wrong_dtype(m: Maker) -> list[Error]:
    return [
        *wrong_axis(m),
        Error(case(m.real(3), dtype="int64"), UnsupportedDtypeError, "dtype=int64.*float64"),
    ]


def _zeros(m: Maker) -> list[Case]:
    """Samples with none, one, two and three zeros in a product."""
    x = m.real(4, 4)
    x[1:, 0] = x[2:, 1] = x[3, 2] = 0
    z = m.complex(2, 3)
    z[1, :2] = 0
    both = m.real(2, 2, 2)
    both[0, 0, 0] = both[1, 1, 1] = both[0, 0, 1] = 0
    return [case(x, axis=1), case(z, axis=-1), case(z[:, 1:]), case(both, axis=(1, 0))]


def _extremes(m: Maker, sign: float) -> list[Case]:
    """Samples of an extremum; `sign` is -1 for the smallest element."""
    third = 1 / 3
    tied = sign * np.array([[1.0, 5.0, 5.0], [5.0, 2.0, 3.0]])
    return [
        *[c for c in reduction_samples(m) if c.args[0].dtype.kind != "c"],
        case(m.real(0, 2), axis=1),
        case(sign * np.array([3.0, 1.0, 3.0]), kink=True, gradient={"x": [0.5, 0, 0.5]}),
        case(np.array([1.0, np.nan, np.nan]), kink=True, gradient={"x": [0, 0.5, 0.5]}),
        case(tied, axis=1, kink=True, gradient={"x": [[0, 0.5, 0.5], [1, 0, 0]]}),
        case(tied, kink=True, gradient={"x": [[0, third, third], [third, 0, 0]]}),
    ]


def _extreme_errors(m: Maker) -> list[Error]:
    return [
        *wrong_axis(m),
        Error(case(m.real(2, 0), axis=1), InvalidArgumentError, r"shape \(2, 0\).*axis=1"),
    ]
