"""Functions that leave NaN out: of sums, means, extrema, and of cumulative sums.

Each is the function without ``nan`` of an array whose NaN are replaced. They are masked, so they
get no gradient. Quantiles are in `dlgradient.ops.quantiles`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.conversion import as_array
from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import AxisLike, DtypeLike, Operand, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.choice import where
from dlgradient.ops.complex import abs2
from dlgradient.ops.cumulative import cumprod, cumsum
from dlgradient.ops.logical import equal, isfinite, isnan
from dlgradient.ops.powers import sqrt
from dlgradient.ops.reduce import max, min, prod, sum, wrong_axis
from dlgradient.ops.search import all
from dlgradient.rules import derived, elementwise

__all__ = [
    "nan_to_num",
    "nancumprod",
    "nancumsum",
    "nanmax",
    "nanmean",
    "nanmin",
    "nanprod",
    "nanstd",
    "nansum",
    "nanvar",
]


# -- replace -------------------------------------------------------------------------------------


def _replaced(
    x: Value, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Value:
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


@elementwise(
    x=lambda t, x: where(isfinite(x), t, 0),
    kernel=_replaced,
    domain="real",
    masks=True,
    reference=_replaced,
    samples=lambda m: [
        case(m.real(3)),
        case(m.real()),
        case(m.real(2, 0)),
        case(
            np.array([1.0, np.nan, np.inf, -np.inf]),
            nan=2.0,
            posinf=3.0,
            neginf=-3.0,
            kink=True,
            gradient={"x": [1, 0, 0, 0]},
        ),
    ],
)
def nan_to_num(
    x: Operand,
    /,
    *,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Value:
    """Elements, with numbers instead of NaN and infinities.

    What is replaced gets no gradient.

    Parameters
    ----------
    x : array
        Real.
    nan : float
        Instead of NaN.
    posinf, neginf : float, optional
        Instead of ∞ and -∞; by default the largest and the smallest finite number of the dtype.

    Returns
    -------
    array
        With the shape, dtype and data format of ``x``.

    Raises
    ------
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    isnan : whether elements are NaN
    where : elements of two arrays, chosen by a condition
    nansum : sum of what is not NaN

    Examples
    --------
    >>> dl.nan_to_num(dl.dlarray([1.0, np.nan]), nan=-1.0).tolist()
    [1.0, -1.0]

    Source: NumPy ``nan_to_num``.
    """


# -- reductions ----------------------------------------------------------------------------------


def _counted(x: Value, axis: AxisLike, keepdims: bool) -> Value:
    """Return how many elements are not NaN, in the dtype of a mean of `x`."""
    dtype = x.dtype.type(0).real.dtype if x.dtype.kind in "fc" else np.float64
    return sum(~isnan(x), axis=axis, dtype=dtype, keepdims=keepdims)


def _ratio(total: Value, count: Value) -> Value:
    """Return a quotient of numbers that are not negative; NaN where there is nothing to divide."""
    some = count > 0
    return where(some, total / where(some, count, 1), np.nan)


@derived(numpy=np.nansum, samples=lambda m: _samples(m), errors=wrong_axis)
def nansum(
    x: Operand, /, axis: AxisLike = None, *, dtype: DtypeLike = None, keepdims: bool = False
) -> Value:
    """Sum of the elements that are not NaN.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to sum over; by default all.
    dtype : dtype_like, optional
        Dtype of the sum and of the result, as for `sum`.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array
        Zero where all elements are NaN.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    sum : sum of elements
    nanmean : mean of what is not NaN

    Examples
    --------
    >>> dl.nansum(dl.dlarray([1.0, np.nan, 2.0])).item()
    3.0

    Source: NumPy ``nansum``; MATLAB ``sum`` with ``"omitnan"``.
    """
    x = as_array(x, "nansum: x")
    return sum(where(isnan(x), 0, x), axis=axis, dtype=dtype, keepdims=keepdims)


@derived(numpy=np.nanprod, samples=lambda m: _samples(m), errors=wrong_axis)
def nanprod(
    x: Operand, /, axis: AxisLike = None, *, dtype: DtypeLike = None, keepdims: bool = False
) -> Value:
    """Product of the elements that are not NaN.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to multiply over; by default all.
    dtype : dtype_like, optional
        Dtype of the product and of the result, as for `prod`.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array
        One where all elements are NaN.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    prod : product of elements
    nansum : sum of what is not NaN

    Examples
    --------
    >>> dl.nanprod(dl.dlarray([3.0, np.nan, 2.0])).item()
    6.0

    Source: NumPy ``nanprod``; MATLAB ``prod`` with ``"omitnan"``.
    """
    x = as_array(x, "nanprod: x")
    return prod(where(isnan(x), 1, x), axis=axis, dtype=dtype, keepdims=keepdims)


@derived(numpy=np.nanmean, samples=lambda m: _samples(m), errors=wrong_axis)
def nanmean(x: Operand, /, axis: AxisLike = None, *, keepdims: bool = False) -> Value:
    """Mean of the elements that are not NaN.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to average over; by default all.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array
        NaN where all elements are.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    mean : arithmetic mean
    nanvar : variance of what is not NaN
    nanmedian : median of what is not NaN

    Examples
    --------
    >>> dl.nanmean(dl.dlarray([1.0, np.nan, 2.0])).item()
    1.5

    Source: NumPy ``nanmean``; MATLAB ``mean`` with ``"omitnan"``.
    """
    x = as_array(x, "nanmean: x")
    total = sum(where(isnan(x), 0, x), axis=axis, keepdims=keepdims)
    return _ratio(total, _counted(x, axis, keepdims))


def _nan_variance(x: Value, axis: AxisLike, correction: float, keepdims: bool) -> Value:
    absent = isnan(x)
    numbers = where(absent, 0, x)
    count = _counted(x, axis, True)
    mean = sum(numbers, axis=axis, keepdims=True) / where(equal(count, 0), 1, count)
    squares = where(absent, 0, abs2(numbers - mean))
    divisor = _counted(x, axis, keepdims) - correction
    return _ratio(sum(squares, axis=axis, keepdims=keepdims), divisor)


@derived(
    numpy=np.nanvar,
    samples=lambda m: [*_samples(m), case(m.real(2, 3), axis=1, correction=1)],
    errors=wrong_axis,
)
def nanvar(
    x: Operand, /, axis: AxisLike = None, *, correction: float = 0.0, keepdims: bool = False
) -> Value:
    """Variance of the elements that are not NaN.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    correction : float
        What is subtracted from the number of elements, as in `var`.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array
        Real; NaN where no more elements than `correction` are left.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    var : variance
    nanstd : standard deviation of what is not NaN

    Examples
    --------
    >>> dl.nanvar(dl.dlarray([1.0, np.nan, 3.0])).item()
    1.0

    Source: NumPy ``nanvar``; MATLAB ``var`` with ``"omitnan"`` (which has the correction one).
    """
    return _nan_variance(as_array(x, "nanvar: x"), axis, correction, keepdims)


@derived(
    numpy=np.nanstd,
    samples=lambda m: [
        *[c for c in _samples(m)[:-1] if np.ndim(c.args[0])],
        case(np.array([2.0, np.nan, 2.0]), kink=True, gradient={"x": [0, 0, 0]}),
    ],
    errors=wrong_axis,
)
def nanstd(
    x: Operand, /, axis: AxisLike = None, *, correction: float = 0.0, keepdims: bool = False
) -> Value:
    """Standard deviation of the elements that are not NaN.

    If they are equal, the derivative is zero, as that of `std`.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    correction : float
        What is subtracted from the number of elements, as in `var`.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array
        Real; NaN where no more elements than `correction` are left.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    std : standard deviation
    nanvar : variance of what is not NaN

    Examples
    --------
    >>> dl.nanstd(dl.dlarray([1.0, np.nan, 5.0])).item()
    2.0

    Source: NumPy ``nanstd``; MATLAB ``std`` with ``"omitnan"`` (which has the correction one).
    """
    variance = _nan_variance(as_array(x, "nanstd: x"), axis, correction, keepdims)
    same = equal(variance, 0)
    return where(same, 0, sqrt(where(same, 1, variance)))


def _extremum(name: str, x: Operand, reduction: Any, axis: AxisLike, keepdims: bool) -> Value:
    refuse_complex(name, x=x)
    x = as_array(x, f"{name}: x")
    if x.dtype.kind != "f":
        return reduction(x, axis=axis, keepdims=keepdims)
    absent = isnan(x)
    worst = -np.inf if reduction is max else np.inf
    found = reduction(where(absent, worst, x), axis=axis, keepdims=keepdims)
    return where(all(absent, axis=axis, keepdims=keepdims), np.nan, found)


@derived(
    numpy=np.nanmax, domain="real", samples=lambda m: _extremes(m), errors=lambda m: _nothing(m)
)
def nanmax(x: Operand, /, axis: AxisLike = None, *, keepdims: bool = False) -> Value:
    """Largest of the elements that are not NaN; equal ones share the derivative equally.

    Parameters
    ----------
    x : array
        Real.
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array
        NaN where all elements are.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension, or no element along it.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    max : largest element
    nanmin : smallest of what is not NaN

    Examples
    --------
    >>> dl.nanmax(dl.dlarray([1.0, np.nan, 2.0])).item()
    2.0

    Source: NumPy ``nanmax``; MATLAB ``max`` (which omits NaN).
    """
    return _extremum("nanmax", x, max, axis, keepdims)


@derived(
    numpy=np.nanmin, domain="real", samples=lambda m: _extremes(m), errors=lambda m: _nothing(m)
)
def nanmin(x: Operand, /, axis: AxisLike = None, *, keepdims: bool = False) -> Value:
    """Smallest of the elements that are not NaN; equal ones share the derivative equally.

    Parameters
    ----------
    x : array
        Real.
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array
        NaN where all elements are.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension, or no element along it.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    min : smallest element
    nanmax : largest of what is not NaN

    Examples
    --------
    >>> dl.nanmin(dl.dlarray([1.0, np.nan, 2.0])).item()
    1.0

    Source: NumPy ``nanmin``; MATLAB ``min`` (which omits NaN).
    """
    return _extremum("nanmin", x, min, axis, keepdims)


# -- cumulative ----------------------------------------------------------------------------------


@derived(numpy=np.nancumsum, samples=lambda m: _cumulative(m), errors=wrong_axis)
def nancumsum(x: Operand, /, axis: int | None = None, *, dtype: DtypeLike = None) -> Value:
    """Cumulative sum, with zeros instead of NaN.

    Parameters
    ----------
    x : array
    axis : int, optional
        Dimension to sum along; by default the elements in C order, as one dimension.
    dtype : dtype_like, optional
        Dtype of the sum and of the result.

    Returns
    -------
    array

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    cumsum : cumulative sums, in the same shape
    nansum : sum of what is not NaN

    Examples
    --------
    >>> dl.nancumsum(dl.dlarray([1.0, np.nan, 2.0])).tolist()
    [1.0, 1.0, 3.0]

    Source: NumPy ``nancumsum``; MATLAB ``cumsum`` with ``"omitnan"``.
    """
    x = as_array(x, "nancumsum: x")
    return cumsum(where(isnan(x), 0, x), axis=axis, dtype=dtype)


@derived(numpy=np.nancumprod, samples=lambda m: _cumulative(m), errors=wrong_axis)
def nancumprod(x: Operand, /, axis: int | None = None, *, dtype: DtypeLike = None) -> Value:
    """Cumulative product, with ones instead of NaN.

    Parameters
    ----------
    x : array
    axis : int, optional
        Dimension to multiply along; by default the elements in C order, as one dimension.
    dtype : dtype_like, optional
        Dtype of the product and of the result.

    Returns
    -------
    array

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    cumprod : cumulative products, in the same shape
    nanprod : product of what is not NaN

    Examples
    --------
    >>> dl.nancumprod(dl.dlarray([2.0, np.nan, 3.0])).tolist()
    [2.0, 2.0, 6.0]

    Source: NumPy ``nancumprod``; MATLAB ``cumprod`` with ``"omitnan"``.
    """
    x = as_array(x, "nancumprod: x")
    return cumprod(where(isnan(x), 1, x), axis=axis, dtype=dtype)


# -- samples -------------------------------------------------------------------------------------


def _with_nan(m: Maker) -> list[Case]:
    """Samples whose NaN have the gradient zero, without a comparison with differences."""
    x = m.real(3, 4)
    x[0, 1] = x[2, :3] = np.nan
    return [
        case(x, axis=1, kink=True),
        case(x, axis=0, kink=True, keepdims=True),
        case(np.array([np.nan, np.nan]), kink=True),
    ]


def _samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3)),
        case(m.real()),
        case(m.real(2, 3), axis=-1, keepdims=True),
        case(m.real(2, 3, 2), axis=(0, 2)),
        case(m.complex(2, 3), axis=1),
        *_with_nan(m),
    ]


def _extremes(m: Maker) -> list[Case]:
    return [
        *[c for c in _samples(m) if c.args[0].dtype.kind == "f"],
        case(np.array([3, 1])),
    ]


def _nothing(m: Maker) -> list[Error]:
    return [
        *wrong_axis(m),
        Error(case(m.real(2, 0), axis=1), InvalidArgumentError, r"shape \(2, 0\)"),
    ]


def _cumulative(m: Maker) -> list[Case]:
    return [
        case(m.real(3)),
        case(m.complex(2, 3), axis=1),
        case(m.real(2, 2)),
        case(np.array([1.0, np.nan, 2.0]), axis=0, kink=True, gradient=None),
    ]
