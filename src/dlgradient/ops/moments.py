"""Moments: mean, variance and standard deviation."""

from __future__ import annotations

import numpy as np

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Array, AxisLike, Operand, Value
from dlgradient.ops import narrow
from dlgradient.ops.choice import where
from dlgradient.ops.complex import conj, real
from dlgradient.ops.logical import equal
from dlgradient.ops.reduce import count, reduction_samples, spread, sum, wrong_axis
from dlgradient.ops.scales import least_square, power_of_two
from dlgradient.ops.shape import normalized
from dlgradient.rules import general, linear

__all__ = ["mean", "std", "var"]


def _mean_adjoint(g: Value, x_like: Value, axis: AxisLike, keepdims: bool) -> Value:
    n = count(x_like.shape, axis)
    # The mean of nothing has no operand to spread to, and n = 0 would divide by zero.
    return spread(g / n if n else g, shape=x_like.shape, axis=axis, keepdims=keepdims)


def _average(x: Operand, axis: AxisLike = None, keepdims: bool = False) -> Value:
    total = narrow.add(x, axis, keepdims)
    return total / count(np.shape(x), axis)


@linear(
    x=_mean_adjoint,
    kernel=_average,
    format="reduce",
    numpy=np.mean,
    samples=lambda m: [*reduction_samples(m), case(m.real(0, 2), axis=1)],
    errors=wrong_axis,
)
def mean(x: Operand, /, axis: AxisLike = None, *, keepdims: bool = False) -> Value:
    """Mean of elements, Σᵢ xᵢ / n.

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
        In the dtype of ``x``, or float64 for integers and bool. The mean of no elements is NaN.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    sum : sum of elements
    std : standard deviation
    var : variance

    Examples
    --------
    >>> dl.mean(dl.dlarray([1.0, 2.0, 6.0])).item()
    3.0

    Source: array-API ``mean``; MATLAB ``mean``.
    """


def _element_weight(x: Value, axis: AxisLike, correction: float) -> float:
    """Return 1 / (n - correction), the weight of each element in a variance."""
    n = count(x.shape, axis) - correction
    return 1 / n if n > 0 else np.nan


def _centred(x: Array, *, axis: AxisLike) -> Value:
    if x.dtype.kind not in "fc":
        x = x.astype(np.float64)
    # Shifted by an element first: equal elements have the deviation 0, however their mean rounds.
    axes = range(x.ndim) if axis is None else normalized(axis, x.ndim)
    x = x - x[tuple([slice(0, 1 if i in axes else None) for i in range(x.ndim)])]
    return x - _average(x, axis, True)


def _deviations_adjoint(g: Value, axis: AxisLike) -> Value:
    return deviations(g, axis=axis)


# Linear, and its own adjoint. A difference of x and its mean would not be 0 for equal elements.
@linear(
    x=_deviations_adjoint,
    kernel=_centred,
    shown="var",
    samples=lambda m: [
        case(m.real(3), axis=None),
        case(m.real(2, 3), axis=1),
        case(m.complex(2, 3, 2), axis=(0, -1)),
        case(m.real(), axis=None),
    ],
)
def deviations(x: Value, /, *, axis: AxisLike) -> Value:
    """Deviation of each element from the mean."""


def _real_part(x: Value, g: Value) -> Value:
    # A real value of a complex operand: only the real part of its cotangent counts.
    return real(g) if x.dtype.kind == "c" else g


def _var_adjoint(g: Value, x: Value, axis: AxisLike, correction: float, keepdims: bool) -> Value:
    g = _real_part(x, g) * (2 * _element_weight(x, axis, correction))
    return spread(g, shape=x.shape, axis=axis, keepdims=keepdims) * deviations(x, axis=axis)


def _covariance(t: Value, x: Value, axis: AxisLike, correction: float, keepdims: bool) -> Value:
    """Sum deviations times tangents, weighted as in the variance."""
    deviation = deviations(x, axis=axis)
    products = real(conj(deviation) * t) if x.dtype.kind == "c" else deviation * t
    return sum(products, axis=axis, keepdims=keepdims) * _element_weight(x, axis, correction)


def _var_tangent(t: Value, x: Value, axis: AxisLike, correction: float, keepdims: bool) -> Value:
    return 2 * _covariance(t, x, axis, correction, keepdims)


def _variance(x: Operand, axis: AxisLike, correction: float, keepdims: bool) -> Value:
    deviation = _centred(np.asarray(x), axis=axis)
    if np.iscomplexobj(deviation):
        # Not from the modulus, whose root would be squared again.
        squares = deviation.real**2 + deviation.imag**2
    else:
        squares = deviation * deviation
    n = count(np.shape(x), axis) - correction
    return narrow.add(squares, axis, keepdims) / (n if n > 0 else np.nan)


@general(
    x=_var_adjoint,
    kernel=_variance,
    jvp={"x": _var_tangent},
    format="reduce",
    numpy=np.var,
    samples=lambda m: _corrected(m),
    errors=wrong_axis,
)
def var(
    x: Operand, /, axis: AxisLike = None, *, correction: float = 0.0, keepdims: bool = False
) -> Value:
    """Variance, ``Σᵢ |xᵢ - m|² / (n - correction)`` with the mean m; it is real.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    correction : float
        Zero for the variance of a population, one for the unbiased estimate from a sample.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array
        NaN where n does not exceed the correction.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    std : standard deviation
    mean : arithmetic mean

    Examples
    --------
    >>> dl.var(dl.dlarray([1.0, 3.0])).item(), dl.var(dl.dlarray([1.0, 3.0]), correction=1).item()
    (1.0, 2.0)

    Source: array-API ``var``; MATLAB ``var`` (which has the correction one).
    """


def _std_adjoint(
    g: Value, x: Value, out: Value, axis: AxisLike, correction: float, keepdims: bool
) -> Value:
    g = _divide_by_std(_real_part(x, g), out) * _element_weight(x, axis, correction)
    return spread(g, shape=x.shape, axis=axis, keepdims=keepdims) * deviations(x, axis=axis)


def _divide_by_std(value: Value, out: Value) -> Value:
    """Divide by the standard deviation, but give zero where that is zero."""
    same = equal(out, 0)
    # The inner choice avoids a division by zero, of which NumPy would warn.
    return where(same, 0, value / where(same, 1, out))


def _std_tangent(
    t: Value, x: Value, out: Value, axis: AxisLike, correction: float, keepdims: bool
) -> Value:
    return _divide_by_std(_covariance(t, x, axis, correction, keepdims), out)


@general(
    x=_std_adjoint,
    jvp={"x": _std_tangent},
    format="reduce",
    numpy=np.std,
    samples=lambda m: _std_samples(m),
    errors=wrong_axis,
)
def std(
    x: Operand, /, axis: AxisLike = None, *, correction: float = 0.0, keepdims: bool = False
) -> Value:
    """Standard deviation, the square root of the variance (see `var`).

    If all elements are equal, it has a kink, and the derivative is zero: the subgradient of minimum
    norm.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    correction : float
        Zero for a population, one for an estimate from a sample.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array
        Real; NaN where the number of elements does not exceed the correction.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    var : variance
    mean : arithmetic mean

    Examples
    --------
    >>> dl.std(dl.dlarray([1.0, 5.0])).item()
    2.0

    Source: array-API ``std``; MATLAB ``std`` (which has the correction one).
    """
    with np.errstate(over="ignore", under="ignore"):
        variance = _variance(x, axis, correction, keepdims)
    if not _is_in_range(variance):
        return _scaled_std(np.asarray(x), axis, correction, keepdims)
    return np.sqrt(variance)


def _is_in_range(variance: Value) -> bool:
    """Return whether no square has overflowed or underflowed; zeros and NaN count as if."""
    least = least_square(variance.dtype)
    if variance.ndim == 0:
        return bool(least < variance < 1 / least)
    low = np.minimum.reduce(variance, axis=None, initial=1)
    return bool(least < low and np.maximum.reduce(variance, axis=None, initial=1) < 1 / least)


def _scaled_std(x: Array, axis: AxisLike, correction: float, keepdims: bool) -> Value:
    """Return the standard deviation of values in units of the largest, which are powers of two."""
    x = x if x.dtype.kind in "fc" else x.astype(np.float64)
    with np.errstate(all="ignore"):
        largest = np.maximum(np.abs(x.real), np.abs(x.imag))
        unit = power_of_two(np.max(largest, axis=axis, keepdims=True, initial=0))
        out = np.sqrt(_variance(x / unit, axis, correction, True)) * unit
    return out if keepdims else np.squeeze(out, axis=axis)[()]


def _std_samples(m: Maker) -> list[Case]:
    return [
        *_corrected(m),
        case(np.array([2.0, 2.0]), kink=True, gradient={"x": [0, 0]}),
        case(
            np.array([[1.0, 3.0], [2.0, 2.0]]),
            axis=1,
            kink=True,
            gradient={"x": [[-0.5, 0.5], [0, 0]]},
        ),
        case(m.real(), kink=True, gradient={"x": 0.0}),
    ]


# -- samples -------------------------------------------------------------------------------------


def _corrected(m: Maker) -> list[Case]:
    return [
        *[c for c in reduction_samples(m) if np.ndim(c.args[0])],
        case(m.real(3), correction=1),
        case(m.complex(2, 3), axis=0, correction=0.5),
        case(np.array([2.0]), correction=1, kink=True, gradient={"x": [np.nan]}),
    ]
