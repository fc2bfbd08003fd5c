"""How the channels of images lie in runs, for the compiled kernels of convolution.

Along each dimension, an array is a `Line`; all of them make a `Frame`. What is copied is a table of
rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from dlgradient.core.sizes import RUN_BYTES
from dlgradient.core.types import Array, Shape
from dlgradient.nn.shared.blocks import items_within
from dlgradient.nn.shared.geometry import Geometry

__all__ = ["Frame", "Line", "Moves", "distances", "lines_of", "pitches", "places", "rows_of"]

# For each dimension, the first place and the step there, those here, and the number of elements.
Moves = Sequence[tuple[int, ...]]


class Line(NamedTuple):
    """How windows move along one dimension of an array.

    Result o meets, of the phase r of the array, the elements that are o, ..., o + ahead along it.

    Attributes
    ----------
    size, results, stride : int
    start : int
        Elements before the array that the first window meets.
    ahead : int
    phases : tuple of int
        Remainders modulo the stride that windows meet.
    """

    size: int
    results: int
    stride: int
    start: int
    ahead: int
    phases: tuple[int, ...]

    def inside(self, phase: int) -> tuple[int, int, int]:
        """Return of the elements of a phase the first, where it lies, and how many there are."""
        first = max(0, -self.start)
        first += (phase - first - self.start) % self.stride
        to = (first + self.start) // self.stride
        count = min(-(-(self.size - first) // self.stride), self.results + self.ahead - to)
        return first, to, max(0, count)

    @property
    def pitch(self) -> int:
        """The size that a line has in runs: zeros at its end are those before the next line."""
        sizes = [self.results]
        for phase in self.phases:
            _, to, count = self.inside(phase)
            if count:
                sizes += [to + count, self.results + self.ahead - to]
        return max(sizes)


class Frame:
    """How the channels of some images lie in runs.

    Parameters
    ----------
    lines : sequence of Line
    channels : int
    results : int
        Runs of results.
    batch : int
    itemsize : int
        Of an element.
    most : int
        Images at once, at most.

    Attributes
    ----------
    lines : sequence of Line
    pitches : tuple of int
        Elements between neighbours along each dimension.
    image, channel, size : int
        Elements from an image to the next, from a channel to the next, and of all.
    at_once : int
        Images.
    length : int
        Elements of the results of one image.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        *,
        channels: int,
        results: int,
        batch: int,
        itemsize: int,
        most: int | None = None,
    ) -> None:
        self.lines = lines
        self.pitches = pitches([line.pitch for line in lines])
        self.image = prod([line.pitch for line in lines])
        keys = list(product(*[line.phases for line in lines]))
        each = self.image * (channels * len(keys) + results) * itemsize
        self.at_once = max(1, min(batch, most or batch, items_within(RUN_BYTES, each)))
        beyond = sum([line.ahead * n for line, n in zip(lines, self.pitches, strict=True)])
        # An odd number of cache lines: channels must not compete for the same place in the cache.
        count = self.at_once * self.image + beyond
        plane = (-(-count * itemsize // 64) | 1) * 64 // itemsize
        self._planes = {key: i * plane for i, key in enumerate(keys)}
        self.channel = plane * len(keys)
        self.size = channels * self.channel
        ends = [(line.results - 1) * n for line, n in zip(lines, self.pitches, strict=True)]
        self.length = sum(ends) + 1

    def distance(self, places: Iterable[int]) -> int:
        """Return the distance of a place in the window, given with the dilation."""
        phases, total = [], 0
        for place, line, pitch in zip(places, self.lines, self.pitches, strict=True):
            phases.append(place % line.stride)
            total += place // line.stride * pitch
        return self._planes[tuple(phases)] + total

    def copies(self) -> Array:
        """Return the rows of a channel of an image that are copied, and where they go."""
        there = pitches([line.size for line in self.lines])
        tables = []
        for phases, plane in self._planes.items():
            moves = []
            for line, phase, n, m in zip(self.lines, phases, there, self.pitches, strict=True):
                first, to, count = line.inside(phase)
                moves.append((first * n, line.stride * n, to * m, m, count))
            tables.append(rows_of(moves, 0, plane))
        return np.concatenate(tables)


def pitches(sizes: Sequence[int]) -> Shape:
    """Return the elements between neighbours along each dimension.

    Examples
    --------
    >>> pitches((2, 3, 4))
    (12, 4, 1)
    """
    return tuple([prod(sizes[i + 1 :]) for i in range(len(sizes))])


def rows_of(moves: Moves, source: int, target: int) -> Array:
    """Return rows of elements: where from, where to, how many, and the steps there and here.

    Parameters
    ----------
    moves : Moves
    source, target : int
        Where everything begins.
    """
    there, here = np.array([source]), np.array([target])
    for a, a_step, b, b_step, n in moves[:-1]:
        index = np.arange(n)
        there = np.add.outer(there, a + a_step * index).reshape(-1)
        here = np.add.outer(here, b + b_step * index).reshape(-1)
    a, a_step, b, b_step, n = moves[-1]
    rows = np.broadcast_arrays(there + a, here + b, n, a_step, b_step)
    return np.stack(rows, axis=1).astype(np.int64)[: len(there) if n else 0]


def lines_of(geometry: Geometry) -> list[Line]:
    """Return how windows move along each dimension."""
    lines = []
    for n, k, o, s, d, a in zip(
        geometry.sizes,
        geometry.window,
        geometry.results,
        geometry.stride,
        geometry.dilation,
        geometry.start,
        strict=True,
    ):
        phases = tuple(sorted({d * i % s for i in range(k)}))
        lines.append(Line(n, o, s, a, d * (k - 1) // s, phases))
    return lines


def places(geometry: Geometry) -> Iterator[list[int]]:
    """Yield the places in the window, with the dilation."""
    for index in np.ndindex(*geometry.window):
        yield [i * d for i, d in zip(index, geometry.dilation, strict=True)]


def distances(geometry: Geometry, frame: Frame, channels: int) -> Array:
    """Return the distances of all channels of a group and places in the window."""
    found = [frame.distance(place) for place in places(geometry)]
    return np.add.outer(frame.channel * np.arange(channels), found).reshape(-1)
