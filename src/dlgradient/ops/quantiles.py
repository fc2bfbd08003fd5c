"""Quantiles: medians, fractions and percents, of all elements or of those that are not NaN.

A quantile is an element of the sorted array, or lies between two of them. `sort` shares the
derivative among equal elements, so a median among them is the same function of each. Where NaN is
left out, each line has its own number of elements.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from dlgradient.core import calls
from dlgradient.core.conversion import as_array
from dlgradient.core.domain import refuse_complex
from dlgradient.core.formats import reduced, with_new
from dlgradient.core.reading import decided
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, AxisLike, Format, Operand, Params, Shape, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.casting import astype, result_type
from dlgradient.ops.choice import clip, where
from dlgradient.ops.logical import equal, isnan
from dlgradient.ops.order import sort
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.reduce import sum
from dlgradient.ops.rounding import ceil, floor, round
from dlgradient.ops.shape import reshape
from dlgradient.ops.take import take_along_axis
from dlgradient.rules import derived

__all__ = ["median", "nanmedian", "nanquantile", "percentile", "quantile"]

Method: TypeAlias = Literal[
    "linear",
    "lower",
    "higher",
    "nearest",
    "midpoint",
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "median_unbiased",
    "normal_unbiased",
]
# The place of the quantile q among n sorted elements is n q + a + q (1 - a - b) - 1, for these
# (a, b): methods 4 to 9 of Hyndman and Fan.
_PLOTTING = {
    "interpolated_inverted_cdf": (0.0, 1.0),
    "hazen": (0.5, 0.5),
    "weibull": (0.0, 0.0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}


def _places(n: Value, q: Value, method: str) -> tuple[Value, Value]:
    """Return the place of the lower one of two neighbours, and the weight of the other one.

    The weight is less than one: an element alone is the lower one, with the weight zero.
    """
    if method in _PLOTTING:
        a, b = _PLOTTING[method]
        at = n * q + (a + q * (1 - a - b)) - 1
        return floor(at), at - floor(at)
    if method in ("inverted_cdf", "averaged_inverted_cdf"):
        at = n * q - 1
        averaged = equal(at, floor(at)) & (method == "averaged_inverted_cdf")
        return ceil(at), where(averaged, 0.5, 0.0)
    if method == "closest_observation":
        at = n * q - 1.5
        odd = equal(at, floor(at)) & equal(floor(at) % 2, 1)
        near = floor(at) + where(odd, 0.0, 1.0)
        return near, near * 0
    at = (n - 1) * q
    if method == "linear":
        return floor(at), at - floor(at)
    if method == "midpoint":
        return floor(at), where(equal(at, floor(at)), 0.0, 0.5)
    near = {"lower": floor, "higher": ceil, "nearest": round}[method](at)
    return near, near * 0


class _Lines:
    """The elements that are reduced, as the last of unlabelled dimensions, and the way back.

    Attributes
    ----------
    values : Value
        Sorted along the last dimension.
    """

    def __init__(self, name: str, x: Operand, axis: AxisLike, keepdims: bool) -> None:
        x = as_array(x, f"{name}: x")
        axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
        kept = [i for i in range(x.ndim) if i not in axes]
        sizes = tuple([x.shape[i] for i in kept])
        self.shape: Shape = sizes
        if keepdims:
            self.shape = tuple([1 if i in axes else n for i, n in enumerate(x.shape)])
        labels: Format = x._format if type(x) is calls.dlarray else None
        params = {"axis": tuple(axes), "keepdims": keepdims}
        self.format = None if labels is None else reduced(labels, x.ndim, params)
        size = int(np.prod([x.shape[i] for i in axes], dtype=int))
        if not size:
            raise InvalidArgumentError(
                f"{name}: x of shape {x.shape} has no element along axis={axis}, so there is no "
                "quantile; give at least one"
            )
        if result_type(x).kind != "f":
            x = astype(x, np.float64)
        x = calls.unlabelled(x)
        if [*kept, *axes] != list(range(x.ndim)):
            x = permute_dims(x, (*kept, *axes))
        self.values = sort(reshape(x, (*sizes, size)), axis=-1)

    def result(self, values: Value, q_shape: Shape) -> Value:
        """Return values of shape (kept, number of quantiles) in the shape of the result."""
        if q_shape:
            last = values.ndim - 1
            values = permute_dims(values, (last, *range(last)))
        out = reshape(values, (*q_shape, *self.shape))
        if self.format is None or type(out) is not calls.dlarray:
            return out
        return calls.labelled(out, with_new(self.format, tuple(range(len(q_shape)))))


def _is_fraction(q: Array) -> bool:
    return bool(np.all((np.asarray(q) >= 0) & (np.asarray(q) <= 1)))


def _quantile(
    name: str,
    x: Operand,
    q: Operand,
    axis: AxisLike,
    keepdims: bool,
    method: str,
    *,
    skip_nan: bool = False,
) -> Value:
    refuse_complex(name, x=x, q=q)
    lines = _Lines(name, x, axis, keepdims)
    s = lines.values
    q = as_array(q, f"{name}: q")
    if not decided(_is_fraction, q):
        raise InvalidArgumentError(
            f"{name}: q must be from 0 to 1, or for percentiles from 0 to 100"
            + (f", not {np.asarray(q).tolist()}" if type(q) is not calls.dlarray else "")
        )
    q_shape = np.shape(q)
    q = calls.unlabelled(reshape(q, (*[1] * (s.ndim - 1), -1)))
    n = s.shape[-1]
    if skip_nan:
        n = sum(~isnan(s), axis=-1, keepdims=True)
    low, weight = _places(n, q, method)
    ends = [astype(clip(v, 0, n - 1), np.int64) for v in (low, low + 1)]
    if skip_nan:  # NaN is last, and is the quantile of nothing
        ends = [clip(v, 0, None) for v in ends]
    below, above = (take_along_axis(s, v, axis=-1) for v in ends)
    # Not below + w (above - below): a neighbour may be infinite, and the distance of two overflow.
    # With the weight zero there is no neighbour.
    alone = equal(below, above) | equal(weight, 0)
    w = astype(weight, s.dtype)
    out = where(alone, below, (1 - w) * below + w * where(alone, 0, above))
    if not skip_nan:
        out = where(isnan(s[..., -1:]), np.nan, out)
    return lines.result(out, q_shape)


@derived(
    domain="real",
    numpy=np.quantile,
    samples=lambda m: [*_quantile_samples(m), case(np.array([1.0, np.nan]), 0.5, kink=True)],
    errors=lambda m: _quantile_errors(m),
)
def quantile(
    x: Operand,
    q: Operand,
    /,
    axis: AxisLike = None,
    *,
    keepdims: bool = False,
    method: Method = "linear",
) -> Value:
    """Quantiles: values below which fractions q of the elements lie.

    With the elements sorted, the quantile q is at place h of n: between two elements, or at one.
    With the method "linear" it is h = (n - 1) q, and the quantile y = (1 - w) x₍ₖ₎ + w x₍ₖ₊₁₎ for
    k = floor(h), w = h - k. Equal elements share the derivative equally.

    Parameters
    ----------
    x : array
        Real.
    q : array
        From 0 to 1. It may be traced: the derivative is that of the straight line between two
        elements.
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    keepdims : bool
        Whether the dimensions stay, with size one.
    method : str
        As in NumPy: "linear", "lower", "higher", "nearest", "midpoint", or one of those of Hyndman
        and Fan: "inverted_cdf", "averaged_inverted_cdf", "closest_observation",
        "interpolated_inverted_cdf", "hazen" (MATLAB's), "weibull", "median_unbiased",
        "normal_unbiased".

    Returns
    -------
    array
        Dimensions of q are first. NaN where an element is NaN.

    Raises
    ------
    InvalidArgumentError
        If q is not from 0 to 1, ``x`` has no such dimension, or there is no element.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    percentile : quantiles in per cent
    median : median
    nanquantile : quantiles of what is not NaN
    sort : sorted elements

    Examples
    --------
    >>> dl.quantile(dl.dlarray([4.0, 1.0, 2.0]), 0.25).item()
    1.5

    Source: NumPy ``quantile``; MATLAB ``quantile`` (whose method is "hazen").
    """
    return _quantile("quantile", x, q, axis, keepdims, method)


@derived(
    domain="real",
    numpy=np.nanquantile,
    samples=lambda m: [
        # NumPy's has another order of dimensions if q has two.
        *[c for c in _quantile_samples(m) if np.ndim(c.args[1]) < 2],
        *_with_nan(m, 0.3),
    ],
    errors=lambda m: _quantile_errors(m),
)
def nanquantile(
    x: Operand,
    q: Operand,
    /,
    axis: AxisLike = None,
    *,
    keepdims: bool = False,
    method: Method = "linear",
) -> Value:
    """Quantiles of the elements that are not NaN.

    Parameters
    ----------
    x, q : array
        As in `quantile`. Elements that are NaN are left out, and get no gradient.
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    keepdims : bool
        Whether the dimensions stay, with size one.
    method : str
        As in `quantile`.

    Returns
    -------
    array
        NaN where all elements are.

    Raises
    ------
    InvalidArgumentError
        If q is not from 0 to 1, ``x`` has no such dimension, or there is no element.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    quantile : quantiles
    nanmedian : median of what is not NaN

    Examples
    --------
    >>> dl.nanquantile(dl.dlarray([4.0, np.nan, 2.0]), 0.25).item()
    2.5

    Source: NumPy ``nanquantile``.
    """
    return _quantile("nanquantile", x, q, axis, keepdims, method, skip_nan=True)


@derived(
    domain="real",
    numpy=np.percentile,
    samples=lambda m: [case(c.args[0], c.args[1] * 100, **c.params) for c in _quantile_samples(m)],
    errors=lambda m: [Error(case(m.real(3), 101), InvalidArgumentError, "from 0 to 100")],
)
def percentile(
    x: Operand,
    q: Operand,
    /,
    axis: AxisLike = None,
    *,
    keepdims: bool = False,
    method: Method = "linear",
) -> Value:
    """Quantiles in per cent: the quantiles q / 100.

    Parameters
    ----------
    x : array
        Real.
    q : array
        From 0 to 100.
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    keepdims : bool
        Whether the dimensions stay, with size one.
    method : str
        As in `quantile`.

    Returns
    -------
    array
        Dimensions of q are first. NaN where an element is NaN.

    Raises
    ------
    InvalidArgumentError
        If q is not from 0 to 100, ``x`` has no such dimension, or there is no element.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    quantile : quantiles
    median : median

    Examples
    --------
    >>> dl.percentile(dl.dlarray([4.0, 1.0, 2.0]), [0, 50]).tolist()
    [1.0, 2.0]

    Source: NumPy ``percentile``; MATLAB ``prctile`` (whose method is "hazen").
    """
    refuse_complex("percentile", x=x, q=q)
    q = as_array(q, "percentile: q")
    return _quantile("percentile", x, q / 100, axis, keepdims, method)


@derived(
    domain="real",
    numpy=np.median,
    samples=lambda m: [
        *[case(c.args[0], **_without_method(c)) for c in _quantile_samples(m)],
        *_median_ties(),
    ],
    errors=lambda m: _median_errors(m),
)
def median(x: Operand, /, axis: AxisLike = None, *, keepdims: bool = False) -> Value:
    """Median: the middle one of the sorted elements, or the mean of the middle two.

    Elements that are equal to a middle one share its derivative equally.

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
        NaN where an element is NaN.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension, or no element along it.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    quantile : quantiles
    nanmedian : median of what is not NaN
    mean : arithmetic mean

    Examples
    --------
    >>> x = dl.dlarray([9.0, 1.0, 2.0, 4.0])
    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.median(x), x), x).tolist()
    [0.0, 0.0, 0.5, 0.5]

    Source: NumPy ``median``; MATLAB ``median``.
    """
    return _quantile("median", x, 0.5, axis, keepdims, "linear")


@derived(
    domain="real",
    numpy=np.nanmedian,
    samples=lambda m: [
        *[case(c.args[0], **_without_method(c)) for c in _quantile_samples(m)],
        *_with_nan(m),
    ],
    errors=lambda m: _median_errors(m),
)
def nanmedian(x: Operand, /, axis: AxisLike = None, *, keepdims: bool = False) -> Value:
    """Median of the elements that are not NaN.

    Parameters
    ----------
    x : array
        Real. Elements that are NaN are left out, and get no gradient.
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
    median : median
    nanmean : mean of what is not NaN

    Examples
    --------
    >>> dl.nanmedian(dl.dlarray([np.nan, 1.0, 2.0])).item()
    1.5

    Source: NumPy ``nanmedian``.
    """
    return _quantile("nanmedian", x, 0.5, axis, keepdims, "linear", skip_nan=True)


# -- samples -------------------------------------------------------------------------------------


def _quantile_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(5), np.float64(0.3)),
        case(m.real(2, 3), np.array([0.2, 0.9]), axis=1),
        case(m.real(2, 3), np.float64(0.6), axis=0, keepdims=True),
        case(m.real(2, 3, 2), np.array([[0.1], [0.4]]), axis=(0, -1)),
        case(m.real(2, 3), np.array([0.35])),
        *[case(m.real(6), np.array([0.21, 0.77]), method=method) for method in _METHODS],
    ]


_METHODS = get_args(Method)


def _without_method(c: Case) -> Params:
    return {name: value for name, value in c.params.items() if name != "method"}


def _with_nan(m: Maker, *q: float) -> list[Case]:
    x = m.real(3, 4)
    x[0, 1] = x[2, :3] = np.nan
    return [
        case(x, *q, axis=1, kink=True),
        case(np.array([np.nan, np.nan]), *q, kink=True),
    ]


def _median_ties() -> list[Case]:
    return [
        case(np.array([2.0, 1.0, 2.0]), kink=True, gradient={"x": [0.5, 0, 0.5]}),
        case(np.array([2.0, 1.0, 2.0, 3.0]), kink=True, gradient={"x": [0.5, 0, 0.5, 0]}),
        case(np.array([1.0, np.nan]), kink=True),
    ]


def _quantile_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), 1.5), InvalidArgumentError, r"q must be from 0 to 1.*1\.5"),
        Error(case(m.real(3), 0.5, axis=1), InvalidArgumentError, "axis 1"),
        Error(case(m.real(2, 0), 0.5, axis=1), InvalidArgumentError, r"\(2, 0\).*axis=1"),
    ]


def _median_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), axis=1), InvalidArgumentError, "axis 1"),
        Error(case(m.real(0)), InvalidArgumentError, r"shape \(0,\) has no element"),
    ]
