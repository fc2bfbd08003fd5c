"""Kernels of maxima over windows that overlap little, of arrays of shape (batch, channels, *sizes).

Windows are reduced dimension by dimension: an element is the maximum of its window if it is so
along each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TypeAlias

import numpy as np

from dlgradient.core.sizes import (
    COVER_CHUNK_BYTES,
    COVER_LONG_ELEMENTS,
    COVER_REDUCED_ELEMENTS,
    POOL_THREAD_ELEMENTS,
)
from dlgradient.core.types import Array, Axis
from dlgradient.nn.shared.blocks import for_each_chunk, items_within

__all__ = ["Line", "Windows", "maximum", "maximum_adjoint", "maximum_tangent"]


class Line:
    """The windows of one dimension.

    Parameters
    ----------
    first, last : array of int
        Where each begins, and where it ends.
    """

    def __init__(self, first: Array, last: Array) -> None:
        self.first, self.last, lengths = first, last, last - first
        self.shortest, self.longest = int(np.min(lengths)), int(np.max(lengths))


# For each dimension.
Windows: TypeAlias = Sequence[Line]


class _Stage:
    """The maxima of some images along one dimension.

    Attributes
    ----------
    x : array
        The images, or their maxima along the dimensions before.
    y : array
        The maxima.
    """

    def __init__(self, x: Array, axis: Axis, line: Line) -> None:
        self.x, self.axis, self.line = np.ascontiguousarray(x), axis, line
        is_long = line.shortest >= COVER_LONG_ELEMENTS
        if is_long and x.size // line.first.size >= COVER_REDUCED_ELEMENTS:
            self.y = self._each_reduced()
        else:
            self.y = self._of_blocks(*_blocks(self.x, axis, line.shortest))

    def _each_reduced(self) -> Array:
        windows = zip(self.line.first, self.line.last, strict=True)
        keys = [(*(slice(None),) * self.axis, slice(*window)) for window in windows]
        parts = [np.maximum.reduce(self.x[key], axis=self.axis, keepdims=True) for key in keys]
        return np.concatenate(parts, axis=self.axis)

    def _of_blocks(self, block: Array, length: int) -> Array:
        """Return the maxima over the blocks that each window is made of, of which two overlap."""
        first, last = self.line.first, self.line.last
        y = np.take(block, first, axis=self.axis)
        for begin in range(length, self.line.longest, length):
            places = np.minimum(first + begin, last - length)
            np.maximum(y, np.take(block, places, axis=self.axis), out=y)
        return y

    def largest(self, places: Array | None) -> tuple[Array, Array]:
        """Return which elements of `x` are the maxima at some places of `y`, or at all.

        Returns
        -------
        rows, found : array of int
            Indices into `places`, and into the elements of `x`. NaN is equal to NaN.
        """
        line, after = self.line, prod(self.x.shape[self.axis + 1 :])
        start, best = self._indices(line.first, places), _some(self.y.reshape(-1), places)
        # One row for each step in the windows: the rows are long, the windows are short.
        index = np.arange(line.longest)[:, None] * after + start
        values = np.take(self.x, index, mode="clip")
        mask = values == best
        if np.isnan(best).any():
            mask |= np.isnan(values) & np.isnan(best)
        if line.shortest < line.longest:
            mask &= index < self._indices(line.last, places)
        found = np.flatnonzero(mask)
        return found % best.size, np.take(index, found)

    def _indices(self, along: Array, places: Array | None) -> Array:
        """Return indices into the elements of `x` for places of `y`, from those along the line.

        By broadcasting: a division for each element would cost as much as the comparison of its
        window. Row: cliffs.
        """
        n, after = self.x.shape[self.axis], prod(self.x.shape[self.axis + 1 :])
        if after > 1:
            along = (along[:, None] * after + np.arange(after)).reshape(-1)
        lines = np.arange(self.x.size // (n * after))[:, None] * (n * after)
        return _some((lines + along).reshape(-1), places)


def _some(x: Array, places: Array | None) -> Array:
    return x if places is None else np.take(x, places)


def _blocks(x: Array, axis: Axis, shortest: int) -> tuple[Array, int]:
    """Return the maxima of all blocks of one length along a dimension, and the length.

    The length is the greatest power of two that is not above the shortest window. Blocks are made
    of two of half the length. All are one run in memory: those that reach into the next line have
    no meaning, and are not used.
    """
    block, after = x.reshape(-1), prod(x.shape[axis + 1 :])
    length = 1
    while 2 * length <= shortest:
        step = length * after
        longer = np.empty_like(block)
        np.maximum(block[:-step], block[step:], out=longer[:-step])
        longer[-step:] = block[-step:]
        block, length = longer, 2 * length
    return block.reshape(x.shape), length


def _stages(x: Array, windows: Windows) -> list[_Stage]:
    stages: list[_Stage] = []
    for axis, line in enumerate(windows, start=2):
        stages.append(_Stage(stages[-1].y if stages else x, axis, line))
    return stages


def _largest(x: Array, windows: Windows) -> tuple[Array, Array, Array]:
    """Return pairs of a window and one of its largest elements, and the pairs of each window."""
    stages = _stages(x, windows)
    owners, places = stages[-1].largest(None)
    for stage in reversed(stages[:-1]):
        rows, places = stage.largest(places)
        owners = owners[rows]
    number = stages[-1].y.size
    # Each window has a largest element: as many pairs as windows are one for each.
    counts = np.bincount(owners, minlength=number) if owners.size > number else np.ones(1, int)
    return owners, places, counts


def _for_each_chunk(work: Callable[[slice], None], x: Array) -> None:
    at_once = items_within(COVER_CHUNK_BYTES, prod(x.shape[1:]) * x.dtype.itemsize)
    for_each_chunk(work, x.shape[0], at_once, split=x.size >= POOL_THREAD_ELEMENTS)


def _results(x: Array, windows: Windows) -> tuple[int, ...]:
    return (*x.shape[:2], *[line.first.size for line in windows])


def maximum(x: Array, windows: Windows) -> Array:
    """Maximum over each window."""
    out = np.empty(_results(x, windows), x.dtype)

    def work(chunk: slice) -> None:
        out[chunk] = _stages(x[chunk], windows)[-1].y

    _for_each_chunk(work, x)
    return out


def maximum_adjoint(g: Array, x: Array, windows: Windows) -> Array:
    """Divide the value of each window equally among its largest elements."""
    out = np.zeros(x.shape, g.dtype)

    def work(chunk: slice) -> None:
        owners, places, counts = _largest(x[chunk], windows)
        shares = g[chunk].reshape(-1) / counts.astype(g.real.dtype)
        np.add.at(out[chunk].reshape(-1), places, shares[owners])

    _for_each_chunk(work, x)
    return out


def maximum_tangent(t: Array, x: Array, windows: Windows) -> Array:
    """Mean over the largest elements of each window."""
    out = np.zeros(_results(x, windows), t.dtype)

    def work(chunk: slice) -> None:
        owners, places, counts = _largest(x[chunk], windows)
        sums = out[chunk].reshape(-1)
        np.add.at(sums, owners, np.take(t[chunk], places))
        sums /= counts.astype(t.real.dtype)

    _for_each_chunk(work, x)
    return out
