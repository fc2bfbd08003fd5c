"""Measures of the similarity of images."""

from __future__ import annotations

import numpy as np

from dlgradient.core.calls import labelled, unlabelled
from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Axes, Axis, Format, Operand, Positive, Value
from dlgradient.errors import (
    FormatClashError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.shared.arguments import axes_of, finished, formatted
from dlgradient.nn.shared.pairs import partner
from dlgradient.nn.shared.weighted import Terms, weighted_sums
from dlgradient.ops.exponential import log10
from dlgradient.ops.moments import mean
from dlgradient.rules import derived

__all__ = ["psnr", "ssim"]


class _Pair:
    """Return two arrays of one shape, and the dimensions of an observation."""

    def __init__(self, function: str, x: Operand, reference: Operand, data_format: Format) -> None:
        self.labelled, self.strip = formatted(function, x, data_format, reference)
        y, t = unlabelled(self.labelled), partner(function, self.labelled, "reference", reference)
        refuse_complex(function, x=y, reference=t)
        self.y, self.t = y, t
        self.axes: Axes = tuple([i for i in range(y.ndim) if i not in axes_of(self.labelled, "B")])

    def labelled_result(self, values: Value) -> Value:
        """Return a vector over the observations with its format, or a number."""
        return finished(labelled(values, "B" if values.ndim else None), self.strip)


@derived(
    domain="real",
    samples=lambda m: _psnr_samples(m),
    errors=lambda m: _psnr_errors(m),
)
def psnr(
    x: Operand, reference: Operand, /, *, peak: Positive = 1.0, data_format: Format = None
) -> Value:
    """Peak signal-to-noise ratio in decibels, 10 log₁₀(peak² / mean (x - r)²), of each observation.

    It is infinite for equal images, where it has no derivative.

    Parameters
    ----------
    x, reference : dlarray or array_like
        Real, of the same sizes; `x` with a format, or with `data_format`.
    peak : float
        Largest value of an image.
    data_format : str, optional
        Format of an unlabelled `x`.

    Returns
    -------
    dlarray
        A vector over the observations, or a number without 'B'.

    Raises
    ------
    ShapeMismatchError, FormatClashError, FormatError
        If sizes or labels do not match: nothing is broadcast.
    InvalidArgumentError
        If the peak is not positive.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    ssim : structural similarity
    mse : half mean squared error

    Examples
    --------
    >>> import dlgradient as dl
    >>> round(dl.psnr(dl.dlarray([0.5, 0.6], "S"), [0.6, 0.5]).item(), 4)
    20.0

    Source: MATLAB ``psnr``.
    """
    pair = _Pair("psnr", x, reference, data_format)
    d = pair.y - pair.t
    return pair.labelled_result(log10(peak**2 / mean(d * d, axis=pair.axes)) * 10)


def _psnr_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 3, 2), m.real(2, 3, 2), data_format="SCB"),
        case(m.real(2, 2), m.real(2, 2), data_format="SS", peak=255.0),
        case(m.real(2, 0), m.real(2, 0), data_format="SB"),
    ]


def _psnr_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2), m.real(3), data_format="S"), ShapeMismatchError, "never broadcast"),
        Error(
            case(m.real(2), m.real(2), peak=0, data_format="S"), InvalidArgumentError, "peak must"
        ),
    ]


def _gaussian(n: int, radius: int, sigma: float) -> Terms:
    """Return a Gaussian filter of n elements, which repeats values at the border."""
    k = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (k / sigma) ** 2)
    weights /= weights.sum()
    places = np.clip(np.arange(n)[:, None] + k, 0, n - 1)
    return Terms.of_rows(places, np.broadcast_to(weights, places.shape), n)


def _smoothed(x: Value, filters: list[tuple[Axis, Terms]]) -> Value:
    for axis, terms in filters:
        x = weighted_sums(x, terms=terms, axis=axis)
    return x


@derived(
    domain="real",
    samples=lambda m: _ssim_samples(m),
    errors=lambda m: _ssim_errors(m),
)
def ssim(
    x: Operand,
    reference: Operand,
    /,
    *,
    dynamic_range: Positive = 1.0,
    sigma: Positive = 1.5,
    data_format: Format = None,
) -> Value:
    """Structural similarity of each observation, averaged over all places and channels.

    With means μ, variances σ² and the covariance σₓᵣ under a Gaussian of radius ⌈3 σ⌉, it is (2 μₓ
    μᵣ + c₁) (2 σₓᵣ + c₂) / ((μₓ² + μᵣ² + c₁) (σₓ² + σᵣ² + c₂)), c₁ = (0.01 L)², c₂ = (0.03 L)².
    Outside an image, its values at the border are repeated.

    Parameters
    ----------
    x, reference : dlarray or array_like
        Real, of the same sizes, with spatial dimensions; `x` with a format, or with `data_format`.
    dynamic_range : float
        L, the largest difference of two values in an image.
    sigma : float
        Standard deviation of the Gaussian.
    data_format : str, optional
        Format of an unlabelled `x`.

    Returns
    -------
    dlarray
        A vector over the observations, or a number without 'B'.

    Raises
    ------
    ShapeMismatchError, FormatClashError, FormatError
        If sizes or labels do not match: nothing is broadcast.
    InvalidArgumentError
        If an option is not positive.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    psnr : peak signal-to-noise ratio
    mse : half mean squared error

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[0.1, 0.9], [0.4, 0.2]], "SS")
    >>> round(dl.ssim(x, x).item(), 12)
    1.0

    Source: MATLAB ``ssim``; Wang et al. (2004).
    """
    pair = _Pair("ssim", x, reference, data_format)
    y, t = pair.y, pair.t
    spatial = axes_of(pair.labelled, "S")
    if not spatial:
        raise FormatClashError(
            f"ssim: x has the format {pair.labelled._format!r}; it must have 'S'"
        )
    radius = int(np.ceil(3 * sigma))
    filters = [(i, _gaussian(y.shape[i], radius, sigma)) for i in spatial]
    my, mt = _smoothed(y, filters), _smoothed(t, filters)
    variances = _smoothed(y * y + t * t, filters) - my * my - mt * mt
    covariance = _smoothed(y * t, filters) - my * mt
    c1, c2 = (0.01 * dynamic_range) ** 2, (0.03 * dynamic_range) ** 2
    top = (2 * my * mt + c1) * (2 * covariance + c2)
    below = (my * my + mt * mt + c1) * (variances + c2)
    return pair.labelled_result(mean(top / below, axis=pair.axes))


def _ssim_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 4, 2), m.real(3, 4, 2), data_format="SSB"),
        case(m.real(1, 3, 2), m.real(1, 3, 2), data_format="BSC", dynamic_range=2.0, sigma=0.5),
        case(m.real(3, 2, 0), m.real(3, 2, 0), data_format="SSB"),
    ]


def _ssim_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2), m.real(3), data_format="S"), ShapeMismatchError, "never broadcast"),
        Error(case(m.real(2), m.real(2), data_format="C"), FormatClashError, "must have 'S'"),
        Error(
            case(m.real(2), m.real(2), sigma=0, data_format="S"), InvalidArgumentError, "sigma must"
        ),
    ]
