"""Cumulative sums and products, and the recurrence in their derivatives.

A cumulative product is differentiated without a division, so zeros are not special. With ``y_i =
x_i y_(i-1)`` and a cotangent g, the cotangent of x is

    y_(i-1) r_i,   r_i = g_i + x_(i+1) r_(i+1):

This is a linear recurrence from the end. It is an operation, and its derivative consists of such
recurrences. So derivatives of every order are expressed by it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.sizes import RECURRENCE_LANES
from dlgradient.core.types import DtypeLike, Formats, Operand, Params, Shapes, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError, UnsupportedDtypeError
from dlgradient.ops.casting import accumulator_dtype
from dlgradient.ops.complex import conjugated
from dlgradient.ops.join import concat
from dlgradient.ops.permute import flip
from dlgradient.ops.shape import reshape
from dlgradient.rules import derived, general, linear

__all__ = ["cumprod", "cumsum", "cumulative_prod", "cumulative_sum"]


def unless_flattened(formats: Formats, shapes: Shapes, params: Params) -> str | None:
    """Return the same format, unless the array was flattened."""
    return formats[0] if params["axis"] is not None or len(shapes[0]) == 1 else None


def flattened(x: Value, axis: int | None) -> tuple[Value, int]:
    """Return `x`, flattened if there is no axis, and the axis."""
    return (x, axis) if axis is not None else (reshape(x, (-1,)), 0)


# -- sums ----------------------------------------------------------------------------------------


def _cumsum_adjoint(g: Value, x_like: Value, axis: int | None) -> Value:
    along = 0 if axis is None else axis
    # Element i enters all sums from i on: the adjoint sums from the end.
    total = flip(cumsum(flip(g, axis=along), axis=along), axis=along)
    return reshape(total, x_like.shape) if axis is None else total


@linear(
    x=_cumsum_adjoint,
    format=unless_flattened,
    format_family="same",
    numpy=np.cumsum,
    samples=lambda m: _shapes(m),
    errors=lambda m: _errors(m),
)
def cumsum(x: Operand, /, axis: int | None = None, *, dtype: DtypeLike = None) -> Value:
    """Cumulative sum, yᵢ = x₀ + ... + xᵢ.

    Parameters
    ----------
    x : array
    axis : int, optional
        Dimension to sum along; by default the elements in C order, as one dimension.
    dtype : dtype_like, optional
        Dtype of the sum and of the result.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.
    UnsupportedDtypeError
        If `dtype` cannot hold the values.

    See Also
    --------
    cumulative_sum : cumulative sums, as in the array-API standard
    sum : sum of elements
    cumprod : cumulative products, in the same shape

    Examples
    --------
    >>> dl.cumsum(dl.dlarray([1.0, 2.0, 3.0])).tolist()
    [1.0, 3.0, 6.0]

    Source: NumPy ``cumsum``; MATLAB ``cumsum``.
    """
    if dtype is not None:
        dtype = accumulator_dtype(x, dtype, "cumsum")
    return np.cumsum(x, axis=axis, dtype=dtype)


# -- products ------------------------------------------------------------------------------------


def _shift_x(g: Value, axis: int, by: int) -> Value:
    return shift(g, axis=axis, by=-by)


@linear(
    x=_shift_x,
    samples=lambda m: _shift_samples(m),
)
def shift(x: Value, /, *, axis: int, by: int) -> Value:
    """Elements moved by ``by`` places along a dimension; zeros enter, and the others are lost.

    Parameters
    ----------
    x : array
    axis : int
    by : int
        Towards the end if positive.
    """
    out = np.zeros_like(x)
    n = x.shape[axis]
    if abs(by) < n:
        lead = (slice(None),) * (axis % x.ndim)
        to, source = slice(by, None), slice(None, n - by)
        if by < 0:
            to, source = slice(None, n + by), slice(-by, None)
        out[(*lead, to)] = x[(*lead, source)]
    return out


def _shift_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4), axis=0, by=1),
        case(m.complex(2, 3), axis=1, by=-2),
        case(m.real(2, 3), axis=0, by=5),
        case(m.real(3), axis=0, by=-5),
        case(m.real(0), axis=0, by=1),
    ]


def _recurrence_vjp(g: Value, a: Value, out: Value, axis: int, reverse: bool) -> list[Value]:
    step = -1 if reverse else 1
    c = linear_recurrence(
        conjugated(shift(a, axis=axis, by=-step)), g, axis=axis, reverse=not reverse
    )
    return [c * conjugated(shift(out, axis=axis, by=step)), c]


def _recurrence_tangent_a(t: Value, a: Value, out: Value, axis: int, reverse: bool) -> Value:
    before = shift(out, axis=axis, by=-1 if reverse else 1)
    return linear_recurrence(a, t * before, axis=axis, reverse=reverse)


def _recurrence_tangent_b(t: Value, a: Value, axis: int, reverse: bool) -> Value:
    return linear_recurrence(a, t, axis=axis, reverse=reverse)


@general(
    vjp=_recurrence_vjp,
    jvp={"a": _recurrence_tangent_a, "b": _recurrence_tangent_b},
    format="contract",
    samples=lambda m: _linear_recurrence_samples(m),
    errors=lambda m: _linear_recurrence_errors(m),
)
def linear_recurrence(a: Value, b: Value, /, *, axis: int, reverse: bool = False) -> Value:
    """Solution of the recurrence s₀ = b₀, sₖ = aₖ sₖ₋₁ + bₖ along a dimension.

    Parameters
    ----------
    a, b : array
        Factors and terms, of one shape. The first factor is not used.
    axis : int
        Dimension along which k counts.
    reverse : bool
        Whether to start at the end: sₖ = aₖ sₖ₊₁ + bₖ.

    Raises
    ------
    ShapeMismatchError
        If the shapes differ.

    Examples
    --------
    >>> from dlgradient.ops.cumulative import linear_recurrence
    >>> linear_recurrence(np.array([9.0, 2.0, 3.0]), np.array([1.0, 1.0, 1.0]), axis=0)
    array([ 1.,  3., 10.])
    """
    if a.shape != b.shape:
        raise ShapeMismatchError(
            f"linear_recurrence: a has shape {a.shape}, b has shape {b.shape}; they must be equal"
        )
    out = np.empty(b.shape, np.result_type(a, b))
    step = slice(None, None, -1 if reverse else 1)
    # Views in the order of the recurrence; what is written to s is in `out`.
    p, q, s = [np.moveaxis(np.asarray(v), axis, 0)[step] for v in (a, b, out)]
    # Few lanes: an operation of NumPy on a short row costs more than arithmetic of Python.
    if s.size < RECURRENCE_LANES * len(s):
        for lane in np.ndindex(s.shape[1:]):
            at = (slice(None), *lane)
            s[at] = _recurrence_of_numbers(p[at].tolist(), q[at].tolist())
    elif len(s):
        s[0] = q[0]
        for k in range(1, len(s)):
            np.multiply(p[k], s[k - 1], out=s[k])
            s[k] += q[k]
    return out


def _linear_recurrence_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4), m.real(4), axis=0, reverse=False),
        case(m.real(2, 3), m.real(2, 3), axis=-1, reverse=True),
        case(m.complex(3), m.complex(3), axis=0, reverse=True),
        case(m.complex(3, 20), m.real(3, 20), axis=0, reverse=False),
        case(m.real(1), m.real(1), axis=0, reverse=False),
        case(m.real(2, 3, 2), m.real(2, 3, 2), axis=2, reverse=False),
        case(m.real(0, 2), m.real(0, 2), axis=0, reverse=False),
    ]


def _linear_recurrence_errors(m: Maker) -> list[Error]:
    return [
        Error(
            case(m.real(3), m.real(2), axis=0, reverse=False), ShapeMismatchError, r"\(3,\).*\(2,\)"
        )
    ]


def _recurrence_of_numbers(a: list[complex], b: list[complex]) -> list[complex]:
    pairs = zip(a[1:], b[1:], strict=True)
    # `accumulate` runs the loop in C.
    return list(accumulate(pairs, lambda s, ab: ab[0] * s + ab[1], initial=b[0])) if b else b


def preceding_products(products: Value, axis: int) -> Value:
    """Return for each place the product of all elements before it; it is one at the first."""
    ndim = len(products.shape)
    n = products.shape[axis]
    # Added, not assigned: `products` may be traced.
    first = np.zeros([n if i == axis % ndim else 1 for i in range(ndim)], products.dtype)
    if n:
        first.flat[0] = 1
    return shift(products, axis=axis, by=1) + first


def _cumprod_adjoint(g: Value, x: Value, out: Value, axis: int | None) -> Value:
    flat, along = flattened(x, axis)
    # cᵢ = gᵢ + xᵢ₊₁ cᵢ₊₁: products of the elements between, without a division by zeros.
    rest = conjugated(shift(flat, axis=along, by=-1))
    c = linear_recurrence(rest, g, axis=along, reverse=True) * conjugated(
        preceding_products(out, along)
    )
    return reshape(c, x.shape) if axis is None else c


def _cumprod_tangent(t: Value, x: Value, out: Value, axis: int | None) -> Value:
    flat, along = flattened(x, axis)
    return linear_recurrence(
        flat, flattened(t, axis)[0] * preceding_products(out, along), axis=along
    )


@general(
    x=_cumprod_adjoint,
    jvp={"x": _cumprod_tangent},
    format=unless_flattened,
    format_family="same",
    numpy=np.cumprod,
    samples=lambda m: [*_shapes(m), *_zeros(m)],
    errors=lambda m: _errors(m),
)
def cumprod(x: Operand, /, axis: int | None = None, *, dtype: DtypeLike = None) -> Value:
    """Cumulative product, yᵢ = x₀ ⋯ xᵢ.

    There is no division in the derivatives, so they are right at zeros, at every order.

    Parameters
    ----------
    x : array
    axis : int, optional
        Dimension to multiply along; by default the elements in C order, as one dimension.
    dtype : dtype_like, optional
        Dtype of the product and of the result.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.
    UnsupportedDtypeError
        If `dtype` cannot hold the values.

    See Also
    --------
    cumulative_prod : cumulative products, as in the array-API standard
    prod : product of elements
    cumsum : cumulative sums, in the same shape

    Examples
    --------
    >>> x = dl.dlarray([2.0, 0.0, 3.0])
    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.cumprod(x).sum(), x), x).tolist()
    [1.0, 8.0, 0.0]

    Source: NumPy ``cumprod``; MATLAB ``cumprod``.
    """
    if dtype is not None:
        dtype = accumulator_dtype(x, dtype, "cumprod")
    return np.cumprod(x, axis=axis, dtype=dtype)


# -- the names of the array-API standard ---------------------------------------------------------


def _cumulate(
    name: str,
    cumulate: Callable[..., Value],
    x: Value,
    axis: int | None,
    dtype: DtypeLike,
    initial: int | None,
) -> Value:
    """Cumulate along the only dimension or `axis`, after an initial value if there is one."""
    shape = np.shape(x) if not hasattr(x, "shape") else x.shape
    if not shape or (axis is None and len(shape) > 1):
        raise InvalidArgumentError(
            f"{name}: x has shape {shape}, so the dimension must be named; give axis"
            if shape
            else f"{name}: x has no dimension; give at least one element in brackets"
        )
    axis = 0 if axis is None else axis
    out = cumulate(x, axis=axis, dtype=dtype)
    if initial is None:
        return out
    start = list(out.shape)
    start[axis] = 1
    return concat([np.full(start, initial, out.dtype), out], axis=axis)


@derived(
    samples=lambda m: _standard_shapes(m),
    errors=lambda m: _standard_errors(m),
    numpy=np.cumulative_sum,
)
def cumulative_sum(
    x: Operand,
    /,
    *,
    axis: int | None = None,
    dtype: DtypeLike = None,
    include_initial: bool = False,
) -> Value:
    """Cumulative sum, yᵢ = x₀ + ... + xᵢ, with an optional zero in front.

    Parameters
    ----------
    x : array
        With at least one dimension.
    axis : int, optional
        Dimension to sum along; optional if there is only one.
    dtype : dtype_like, optional
        Dtype of the sum and of the result.
    include_initial : bool
        Whether the sum of no elements comes first; the result then has one element more.

    Raises
    ------
    InvalidArgumentError
        If `axis` is omitted although ``x`` has several dimensions, or does not exist.

    See Also
    --------
    cumsum : cumulative sums, in the same shape
    sum : sum of elements
    cumulative_prod : cumulative products, as in the array-API standard

    Examples
    --------
    >>> dl.cumulative_sum(dl.dlarray([1.0, 2.0]), include_initial=True).tolist()
    [0.0, 1.0, 3.0]

    Source: array-API ``cumulative_sum``.
    """
    initial = 0 if include_initial else None
    return _cumulate("cumulative_sum", cumsum, x, axis, dtype, initial)


@derived(
    samples=lambda m: [*_standard_shapes(m), *_zeros(m)[:2]],
    errors=lambda m: _standard_errors(m),
    numpy=np.cumulative_prod,
)
def cumulative_prod(
    x: Operand,
    /,
    *,
    axis: int | None = None,
    dtype: DtypeLike = None,
    include_initial: bool = False,
) -> Value:
    """Cumulative product, yᵢ = x₀ ⋯ xᵢ, with an optional one in front.

    Derivatives of every order are right at zeros; see `cumprod`.

    Parameters
    ----------
    x : array
        With at least one dimension.
    axis : int, optional
        Dimension to multiply along; optional if there is only one.
    dtype : dtype_like, optional
        Dtype of the product and of the result.
    include_initial : bool
        Whether the product of no elements comes first; the result then has one element more.

    Raises
    ------
    InvalidArgumentError
        If `axis` is omitted although ``x`` has several dimensions, or does not exist.

    See Also
    --------
    cumprod : cumulative products, in the same shape
    prod : product of elements
    cumulative_sum : cumulative sums, as in the array-API standard

    Examples
    --------
    >>> dl.cumulative_prod(dl.dlarray([3.0, 2.0]), include_initial=True).tolist()
    [1.0, 3.0, 6.0]

    Source: array-API ``cumulative_prod``.
    """
    initial = 1 if include_initial else None
    return _cumulate("cumulative_prod", cumprod, x, axis, dtype, initial)


# -- samples -------------------------------------------------------------------------------------


def _shapes(m: Maker) -> list[Case]:
    return [
        case(m.real(4)),
        case(m.real()),
        case(m.real(2, 3)),
        case(m.real(2, 3), axis=0),
        case(m.complex(2, 3), axis=-1),
        case(m.complex(3)),
        case(m.real(0)),
        case(m.real(2, 0), axis=1),
        case(m.real(2, 1), axis=1),
    ]


def _zeros(m: Maker) -> list[Case]:
    """Samples with one, two and three zeros."""
    x = m.real(3, 4)
    x[:, 1] = x[1:, 2] = x[2, 0] = 0
    z = m.complex(3)
    z[:2] = 0
    return [case(x, axis=1), case(z, axis=0), case(x[:2, :2])]


def _errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), axis=1), InvalidArgumentError, r"axis 1 .*shape \(3,\)"),
        Error(case(m.real(3), dtype="int64"), UnsupportedDtypeError, "dtype=int64.*float64"),
    ]


def _standard_shapes(m: Maker) -> list[Case]:
    return [
        case(m.real(3)),
        case(m.real(3), include_initial=True),
        case(m.complex(2, 3), axis=-1, include_initial=True),
        case(m.real(2, 0), axis=1, include_initial=True),
    ]


def _standard_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 2)), InvalidArgumentError, r"\(2, 2\).*give axis"),
        Error(case(m.real(3), axis=1), InvalidArgumentError, "axis 1"),
    ]
