"""The one operation of all normalisations: standardise, scale and shift.

All normalisations have the same arithmetic, whatever they reduce over, so there is one fused
operation. It saves its operand and two small statistics; the backward pass computes the
standardised values again. The rule is written in operations, from the operands alone. Walks of raw
real values use the kernel instead (row layers).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TypeAlias

from dlgradient.core.reading import decided
from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Array, Axes, Value
from dlgradient.nn.normalization import kernels
from dlgradient.nn.normalization.extremes import is_out_of_range, units
from dlgradient.nn.normalization.kernels import Method, Standardized
from dlgradient.nn.shared.arguments import raw_value
from dlgradient.ops.moments import mean
from dlgradient.ops.powers import sqrt
from dlgradient.rules import general

# The operation is not public: `batchnorm` and the others are what users call.
__all__: list[str] = []

# Cotangents of y, μ and σ²; None for a result that was not used.
Cotangents: TypeAlias = Sequence[Value | None]
# Cotangents of x, offset and scale.
Pulled: TypeAlias = tuple[Value | None, Value | None, Value | None]


def _kernel(
    x: Array, offset: Array, scale: Array, *, axes: Axes, epsilon: float, centered: bool
) -> Standardized:
    return kernels.standardize(x, offset, scale, Method(axes, epsilon, centered))


def _vjp(
    g: Cotangents, x: Value, scale: Value, axes: Axes, epsilon: float, centered: bool
) -> Pulled:
    if not prod([x.shape[axis] for axis in axes]):
        return 0 * x, g[0], None if g[0] is None else 0 * g[0]
    unit: Array | None = None
    small: Array | float = epsilon
    deviation, variance = _moments(x, axes, centered)
    if decided(is_out_of_range, variance, epsilon):
        unit, small = units(raw_value(x), axes, epsilon)
        deviation, variance = _moments(x / unit, axes, centered)
    absolute = deviation if unit is None else deviation * unit
    by_statistics = _pull_statistics(g, absolute, axes, centered)
    if g[0] is None:
        return by_statistics, None, None
    rate = 1 / sqrt(variance + small)
    standard = deviation * rate
    inner = g[0] * scale
    gx = inner - standard * mean(inner * standard, axis=axes, keepdims=True)
    if centered:
        gx = gx - mean(inner, axis=axes, keepdims=True)
    gx = gx * rate if unit is None else gx * rate / unit
    return (gx if by_statistics is None else gx + by_statistics), g[0], g[0] * standard


def _moments(x: Value, axes: Axes, centered: bool) -> tuple[Value, Value]:
    """Return the deviations from the mean, and the variance."""
    deviation = x - mean(x, axis=axes, keepdims=True) if centered else x
    return deviation, mean(deviation * deviation, axis=axes, keepdims=True)


def _pull_statistics(g: Cotangents, deviation: Value, axes: Axes, centered: bool) -> Value | None:
    """The part of the cotangent of x that comes through μ and σ²; None if neither was used."""
    _, of_mean, of_variance = g
    if of_mean is None and of_variance is None:
        return None
    n = max(prod([deviation.shape[axis] for axis in axes]), 1)
    gx = 0 * deviation
    if of_mean is not None and centered:
        gx = gx + of_mean / n
    if of_variance is not None:
        gx = gx + of_variance * (deviation * (2 / n))
    return gx


def _fast_vjp(
    g: Sequence[Array | None],
    x: Array,
    offset_like: Array,
    scale: Array,
    out: Standardized,
    axes: Axes,
    epsilon: float,
    centered: bool,
) -> Pulled:
    used = g[1] is not None or g[2] is not None
    by_statistics = _pull_statistics(g, x - out[1], axes, centered) if used else None
    if g[0] is None:
        return by_statistics, None, None
    method = Method(axes, epsilon, centered)
    gx, goffset, gscale = kernels.pull(
        g[0], x, offset_like.shape, scale, Standardized(*out), method
    )
    return (gx if by_statistics is None else gx + by_statistics), goffset, gscale


@general(
    vjp=_vjp,
    fast_vjp=_fast_vjp,
    kernel=_kernel,
    domain="real",
    outputs=3,
    format="new",
    samples=lambda m: _samples(m),
)
def standardized(
    x: Value,
    offset: Value,
    scale: Value,
    /,
    *,
    axes: Axes,
    epsilon: float,
    centered: bool = True,
) -> Value:
    """Standardise, scale and shift: scale (x - μ) / √(σ² + ε) + offset; and μ, σ².

    Parameters
    ----------
    x : array
        Real.
    offset, scale : array
        With as many dimensions as x, of its sizes or of size one.
    axes : tuple of int
        Dimensions to average over.
    epsilon : float
        ε.
    centered : bool
        If false, μ is zero, and σ² the mean of squares.

    Returns
    -------
    y, mu, variance : array
        The statistics have size one in the dimensions `axes`; NaN where there is no element.
    """


def _samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 2, 4), m.real(1, 2, 1), m.real(1, 2, 1), axes=(0, 2), epsilon=1e-3),
        case(m.real(3, 4), m.real(1, 4), m.real(1, 4), axes=(1,), epsilon=1e-3),
        case(m.real(2, 3, 2), m.real(1, 3, 1), m.real(1, 1, 1), axes=(2, 1), epsilon=0.1),
        case(m.real(3, 4), m.real(1, 4), m.real(1, 4), axes=(1,), epsilon=0.1, centered=False),
        case(m.real(0, 3), m.real(1, 3), m.real(1, 3), axes=(1,), epsilon=1e-3),
    ]
