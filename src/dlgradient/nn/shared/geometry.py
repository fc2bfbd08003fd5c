"""How a window slides over an array: the geometry of a convolution or of pooling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from dlgradient.core.types import Array, Shape

__all__ = ["Geometry", "Place", "reach_of"]

Slices = tuple[slice, ...]
# An index in the window, the elements that it meets, and the results that they belong to.
Place = tuple[Shape, Slices, Slices]


def reach_of(window: Shape, dilation: Shape) -> Shape:
    """Return the sizes of a window with its gaps."""
    return tuple([d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)])


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a window slides over an array, with an entry for each dimension.

    Element k of the window of result o is element ``stride·o + dilation·k - start`` of the array.
    Elements outside the array are zero, or in no window.

    A convolution, its adjoints and theirs have the same geometry, a parameter of all their
    operations.

    Parameters
    ----------
    sizes, window, results : tuple of int
        Sizes of the array, of the window and of the results.
    stride, dilation : tuple of int
        Distances between windows, and between the elements in a window.
    start : tuple of int
        Distance of the first window's beginning from that of the array.
    groups : int
        Number of groups of channels, of a convolution.
    """

    sizes: Shape
    window: Shape
    results: Shape
    stride: Shape
    dilation: Shape
    start: Shape
    groups: int = 1

    @property
    def reach(self) -> Shape:
        """The sizes of the window with its gaps."""
        return reach_of(self.window, self.dilation)

    @property
    def frame(self) -> tuple[Shape, Slices, Slices]:
        """The sizes that all windows span, and what the array fills of it: there, and of itself."""
        lines = zip(self.stride, self.results, self.reach, strict=True)
        span = tuple([s * (o - 1) + r for s, o, r in lines])
        pairs = list(zip(self.start, self.sizes, span, strict=True))
        inner = tuple([slice(max(a, 0), max(min(n, a + i), a, 0)) for a, i, n in pairs])
        source = [slice(s.start - a, s.stop - a) for s, a in zip(inner, self.start, strict=True)]
        return span, inner, tuple(source)

    def strip(self, rows: slice) -> Geometry:
        """Return the geometry of a part of the results along the first dimension."""
        results = (rows.stop - rows.start, *self.results[1:])
        start = (self.start[0] - self.stride[0] * rows.start, *self.start[1:])
        return replace(self, results=results, start=start)

    def places(self) -> Iterator[Place]:
        """Yield each place in the window, the elements it meets, and the results they belong to."""
        lines = [list(self.line(axis)) for axis in range(len(self.sizes))]
        for index in np.ndindex(*self.window):
            pairs = [line[k] for k, line in zip(index, lines, strict=True)]
            yield index, tuple([to for to, _ in pairs]), tuple([of for _, of in pairs])

    def elements(self, axis: int) -> Array:
        """Return how many elements of the array each window meets along one dimension.

        Examples
        --------
        >>> Geometry((2,), (2,), (2,), (1,), (3,), (1,)).elements(0)
        array([0, 1])
        """
        places = self.stride[axis] * np.arange(self.results[axis]) - self.start[axis]
        d = self.dilation[axis]
        first = np.maximum(-(places // d), 0)
        last = np.minimum((self.sizes[axis] - 1 - places) // d, self.window[axis] - 1)
        counts: Array = np.maximum(last - first + 1, 0)
        return counts

    def line(self, axis: int) -> Iterator[tuple[slice, slice]]:
        """Yield each place in the window along one dimension, its elements, and their results."""
        n, o = self.sizes[axis], self.results[axis]
        s, d, a = self.stride[axis], self.dilation[axis], self.start[axis]
        for k in range(self.window[axis]):
            offset = d * k - a
            first = max(0, -(offset // s))  # the first result whose element is not before the array
            last = min(o, -((offset - n) // s))  # after the last one that is not beyond it
            if last <= first:  # empty slices must not have a negative start
                yield slice(0, 0), slice(first, first)
                continue
            begin = s * first + offset
            yield slice(begin, begin + s * (last - first - 1) + 1, s), slice(first, last)
