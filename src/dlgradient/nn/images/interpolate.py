"""Interpolation between the elements of images: kernels, neighbours and their weights.

A place is a real number along one dimension; place i is at element i. Places, and what is computed
from them, may be dlarrays. Weights carry the derivatives of places; indices carry none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from dlgradient.core.calls import is_variable
from dlgradient.core.types import Array, Value
from dlgradient.nn.shared.arguments import raw_value
from dlgradient.nn.shared.sums import finite
from dlgradient.ops.casting import astype
from dlgradient.ops.choice import clip, where
from dlgradient.ops.join import concat
from dlgradient.ops.logical import isnan
from dlgradient.ops.rounding import floor, round
from dlgradient.ops.shape import expand_dims, reshape
from dlgradient.ops.take import take

__all__ = ["Method", "Neighbour", "cubic_far", "cubic_near", "neighbours", "weighted"]

Method: TypeAlias = Literal["nearest", "linear", "cubic"]
# The value of most libraries; -1/2 is exact for parabolas.
COEFFICIENT = -0.75


class Neighbour(NamedTuple):
    """Elements along one dimension: their indices, and their weights.

    Attributes
    ----------
    place : array
        Integers as floating-point numbers.
    weight : array
    """

    place: Value
    weight: Value


def cubic_near(s: Value, a: float) -> Value:
    """Cubic convolution kernel with the coefficient a, at a distance s of at most one."""
    return ((a + 2) * s - (a + 3)) * s * s + 1


def cubic_far(s: Value, a: float) -> Value:
    """Cubic convolution kernel with the coefficient a, at a distance s from one to two."""
    return ((a * s - 5 * a) * s + 8 * a) * s - 4 * a


def neighbours(place: Value, method: str) -> list[Neighbour]:
    """Return the elements from which the value at a place is interpolated.

    Of two elements at equal distance, "nearest" takes the even one.
    """
    if method == "nearest":
        # A place that is NaN gives NaN.
        return [Neighbour(round(place), place * 0 + 1)]
    base = floor(place)
    t = place - base
    if method == "linear":
        return [Neighbour(base, 1 - t), Neighbour(base + 1, t)]
    return [
        Neighbour(base - 1, cubic_far(t + 1, COEFFICIENT)),
        Neighbour(base, cubic_near(t, COEFFICIENT)),
        Neighbour(base + 1, cubic_near(1 - t, COEFFICIENT)),
        Neighbour(base + 2, cubic_far(2 - t, COEFFICIENT)),
    ]


def _index(place: Value, n: int) -> Value:
    """Return indices of places, clipped to the image."""
    # NaN has no integer; what is read there gets a weight of NaN.
    return astype(clip(where(isnan(place), 0, place), 0, n - 1), np.int64)


def weighted(
    images: Value, batch: Array, axes: Sequence[list[Neighbour]], *, zeros: bool = False
) -> Iterator[Value]:
    """Yield elements times their weights, for each combination of neighbours, to be summed.

    Parameters
    ----------
    images : dlarray
        Shape (batch, *sizes, channels).
    batch : array of int
        Which image; broadcast with the places.
    axes : sequence of list of Neighbour
        For each of the sizes.
    zeros : bool
        Whether elements outside are zero, or those at the border.

    Yields
    ------
    dlarray
        Shape (*places, channels).
    """
    *outer, channels = images.shape
    count = prod(outer)
    flat = reshape(images, (count, channels))
    careful = not finite(raw_value(flat))
    # One more element, a zero, is read for everything outside, and where the weight is zero: an
    # infinite element or cotangent must not meet a weight of zero.
    flat = concat([flat, np.zeros((1, channels), images.dtype)])
    for combination in product(*axes):
        number: Value = batch
        weight: Value = 1
        inside: Value = True
        for (place, factor), n in zip(combination, outer[1:], strict=True):
            number = number * n + _index(place, n)
            weight = factor * weight
            if zeros:
                inside = (place >= 0) & (place <= n - 1) & inside
        read: Value = inside
        if not is_variable(weight):
            read = read & (raw_value(weight) != 0)
        # A place that is NaN reads any element; its weight is NaN.
        number = where(read, number, count)
        elements, factor = take(flat, number, axis=0), expand_dims(weight, axis=-1)
        if careful:
            # A weight of zero that is traced has a slope, which finite elements give it.
            unread = (raw_value(factor) == 0) & ~np.isfinite(raw_value(elements))
            elements = where(unread, 0, elements)
        yield elements * factor
