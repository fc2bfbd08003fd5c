"""Maxima over large sliding windows, merged from those of blocks, dimension by dimension.

The maximum of a block of elements is that of its two halves, down to single elements. A window is
a few blocks that do not overlap: those of its length's binary digits. Neighbouring windows share
their blocks, so a window of w elements costs log w operations, not w. Where windows are far from
each other, the shortest block is the greatest that all windows are made of.

Which half holds the maximum is a choice without a derivative. Given the choices, sums over the
largest elements of windows go up the same way, and shares of windows come down it.
"""

from __future__ import annotations

from functools import reduce
from math import gcd, prod
from typing import TypeAlias

import numpy as np

from dlgradient.core.types import Array
from dlgradient.nn.shared.geometry import Geometry

__all__ = ["Merged"]

# An array of the list of all, and a part of it.
Part: TypeAlias = tuple[int, tuple[slice, ...]]
_ALL = slice(None)


class Merged:
    """The maxima over windows, and which elements they are.

    Parameters
    ----------
    x : array
        Shape (batch, channels, *sizes).
    geometry : Geometry
    neutral : float
        A value that is no larger than any other of the dtype of `x`.

    Attributes
    ----------
    y : array
        Shape (batch, channels, *results).
    """

    def __init__(self, x: Array, geometry: Geometry, neutral: float) -> None:
        self._lines: list[_Line] = []
        self.y = x
        for axis in range(len(geometry.sizes)):
            self._lines.append(_Line(self.y, geometry, axis, neutral))
            self.y = self._lines[-1].y

    def sums(self, t: Array) -> Array:
        """Return the sum over the largest elements of each window, for a value of each element."""
        for line in self._lines:
            t = line.sums(t)
        return t

    def counts(self) -> Array:
        """Return the number of the largest elements of each window, and 1 for an empty window."""
        return np.maximum(self.sums(np.ones(self._lines[0].shape, np.uint32)), 1)

    def spread(self, g: Array) -> Array:
        """Return the sum over the windows of which each element is the largest."""
        for line in reversed(self._lines):
            g = line.spread(g)
        return g


class _Line:
    """The maxima along one dimension. Arrays are (lines, blocks, elements of a block, run)."""

    def __init__(self, x: Array, geometry: Geometry, axis: int, neutral: float) -> None:
        window, stride = geometry.window[axis], geometry.stride[axis]
        self.shape, self._size = x.shape, x.shape[axis + 2]
        span, inner, source = geometry.frame
        self._span, self._inner, self._source = span[axis], inner[axis], source[axis]
        self._block = gcd(window, stride) if geometry.dilation[axis] == 1 else 1
        self._lines, self._run = prod(x.shape[: axis + 2]), prod(x.shape[axis + 3 :])
        self._values = [self._into_blocks(x, neutral)]
        self._merges: list[tuple[Part, Part]] = []
        self._masks: list[tuple[Array, Array]] = []
        self._merge_blocks()
        step, count = stride // self._block, geometry.results[axis]
        self._result = self._merge_windows(
            window // self._block, geometry.dilation[axis], (count - 1) * step + 1, step
        )
        out = (*x.shape[: axis + 2], count, *x.shape[axis + 3 :])
        self.y = _of(self._values, self._result).reshape(out)

    def _into_blocks(self, x: Array, fill: float) -> Array:
        """Return all that the windows span, in blocks as long as a power of two."""
        whole = np.full((self._lines, self._span, self._run), fill, x.dtype)
        whole[:, self._inner] = x.reshape(self._lines, -1, self._run)[:, self._source]
        blocks = whole.reshape(self._lines, -1, self._block, self._run)
        missing = (1 << (self._block - 1).bit_length()) - self._block
        if missing:
            end = np.full((*blocks.shape[:2], missing, self._run), fill, x.dtype)
            blocks = np.concatenate([blocks, end], axis=2)
        return blocks

    def _out_of_blocks(self, blocks: Array) -> Array:
        """Return the elements of blocks in the shape of the array: the adjoint of the above."""
        whole = blocks[:, :, : self._block].reshape(self._lines, self._span, self._run)
        x = np.zeros((self._lines, self._size, self._run), blocks.dtype)
        x[:, self._source] = whole[:, self._inner]
        return x.reshape(self.shape)

    def _merge(self, first: Part, second: Part) -> Part:
        self._values.append(np.maximum(_of(self._values, first), _of(self._values, second)))
        self._merges.append((first, second))
        return len(self._values) - 1, (_ALL,)

    def _merge_blocks(self) -> None:
        """Reduce each block to its maximum."""
        while (size := self._values[-1].shape[2]) > 1:
            level, half = len(self._values) - 1, size // 2
            halves = slice(0, half), slice(half, size)
            self._merge(*[(level, (_ALL, _ALL, part)) for part in halves])

    def _merge_windows(self, window: int, dilation: int, stop: int, step: int) -> Part:
        """Reduce windows of some blocks, which begin at ``range(0, stop, step)``."""
        level, length, begin = len(self._values) - 1, 1, 0
        pieces: list[Part] = []
        while True:
            if window & length:
                pieces.append((level, (_ALL, slice(begin, begin + stop, step))))
                begin += length * dilation
            if 2 * length > window:
                return reduce(self._merge, pieces)
            count = self._values[level].shape[1] - length * dilation
            first, second = slice(0, count), slice(length * dilation, None)
            level = self._merge((level, (_ALL, first)), (level, (_ALL, second)))[0]
            length *= 2

    def _choices(self) -> list[tuple[Array, Array]]:
        """Return for each merge which elements of the two are the maximum; both, if equal."""
        if not self._masks:
            broken = bool(np.isnan(self.y).any())
            for best, pair in zip(self._values[1:], self._merges, strict=True):
                first, second = (_are(_of(self._values, part), best, broken) for part in pair)
                self._masks.append((first, second))
        return self._masks

    def sums(self, t: Array) -> Array:
        """Return the sums over the largest elements of windows."""
        zero = t.dtype.type(0)
        values = [self._into_blocks(t, 0)]
        for pair, masks in zip(self._merges, self._choices(), strict=True):
            first, second = (
                np.where(mask, _of(values, part), zero)
                for part, mask in zip(pair, masks, strict=True)
            )
            first += second
            values.append(first)
        return _of(values, self._result).reshape(self.y.shape)

    def spread(self, g: Array) -> Array:
        """Return the sums over the windows of which each element is the largest."""
        zero = g.dtype.type(0)
        totals = [np.zeros(value.shape, g.dtype) for value in self._values]
        result = _of(totals, self._result)
        result += g.reshape(result.shape)
        choices = self._choices()
        while len(totals) > 1:
            total = totals.pop()
            n = len(totals) - 1
            for source, mask in zip(self._merges[n], choices[n], strict=True):
                into = _of(totals, source)
                into += np.where(mask, total, zero)
        return self._out_of_blocks(totals[0])


def _of(arrays: list[Array], part: Part) -> Array:
    number, key = part
    return arrays[number][key]


def _are(x: Array, best: Array, broken: bool) -> Array:
    """Return which elements are the maximum. NaN is equal to NaN."""
    mask: Array = x == best
    if broken:
        mask |= np.isnan(x) & np.isnan(best)
    return mask
