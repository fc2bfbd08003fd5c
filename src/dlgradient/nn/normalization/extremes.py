"""Normalisation of values whose squares overflow or underflow: in units of the largest of them.

y does not change if x and √ε are divided by the same number. Here that is a power of two for each
average, so that nothing is rounded. Only averages whose variance is out of range come here; what is
done to them costs more, but they are rare.
"""

from __future__ import annotations

from math import prod

import numpy as np

from dlgradient.core.types import Array, Axes, Kernel, Shape
from dlgradient.nn.shared.sums import sum_to
from dlgradient.ops.scales import least_square, power_of_two

__all__ = ["is_out_of_range", "pull_scaled", "standardize_scaled", "units"]

_add: Kernel = np.add.reduce


def is_out_of_range(variance: Array, epsilon: float) -> bool:
    """Return whether squares have overflowed or underflowed, or a variance is NaN."""
    if not variance.size:
        return False
    least = least_square(variance.dtype)
    # Negated, so that NaN is out of range.
    if not np.maximum.reduce(variance, axis=None) < 1 / least:
        return True
    return epsilon < least and bool(np.minimum.reduce(variance, axis=None) + epsilon < least)


def units(x: Array, axes: Axes, epsilon: float) -> tuple[Array, Array]:
    """Return a unit for each average, as large as its largest element or as √ε; and ε in it."""
    largest = np.maximum.reduce(np.abs(x), axis=axes, keepdims=True, initial=0)
    unit = power_of_two(np.maximum(largest, x.dtype.type(np.sqrt(epsilon))))
    return unit, x.dtype.type(epsilon) / unit / unit


def _scaled(
    x: Array, axes: Axes, epsilon: float, centered: bool
) -> tuple[Array, Array, Array, Array, Array]:
    """Return deviations, mean, variance and rate, in units; and these."""
    unit, epsilon_there = units(x, axes, epsilon)
    small, n = x / unit, prod([x.shape[axis] for axis in axes])
    mu = _add(small, axis=axes, keepdims=True) / n if centered else np.zeros_like(unit)
    deviation = small - mu
    variance = _add(deviation * deviation, axis=axes, keepdims=True) / n
    return deviation, mu, variance, 1 / np.sqrt(variance + epsilon_there), unit


def standardize_scaled(
    x: Array, offset: Array, scale: Array, axes: Axes, epsilon: float, centered: bool
) -> tuple[Array, Array, Array]:
    """Do as `standardize` of the module of kernels; a variance may be infinite."""
    with np.errstate(all="ignore"):
        deviation, mu, variance, rate, unit = _scaled(x, axes, epsilon, centered)
        y = deviation * rate * scale + offset
        return y, mu * unit, variance * unit * unit


def pull_scaled(
    g: Array,
    x: Array,
    offset_shape: Shape,
    scale: Array,
    axes: Axes,
    epsilon: float,
    centered: bool,
) -> tuple[Array, Array, Array]:
    """Do as `pull` of the module of kernels."""
    n = prod([x.shape[axis] for axis in axes])
    with np.errstate(all="ignore"):
        deviation, _, _, rate, unit = _scaled(x, axes, epsilon, centered)
        standard = deviation * rate
        inner = g * scale
        gx = inner - standard * (_add(inner * standard, axis=axes, keepdims=True) / n)
        if centered:
            gx -= _add(inner, axis=axes, keepdims=True) / n
        gx = gx * rate / unit
        return gx, sum_to(g, offset_shape), sum_to(g * standard, scale.shape)
