"""Convolution of images with a filter for each channel, in two dimensions.

The image of a channel is copied into rows with zeros around it. With a stride s between columns, a
row has its columns 0, s, 2s, ... first, then 1, s + 1, ..., so that what neighbours among the
results need is adjacent. A tile of rows and vectors of results stays in registers while it takes
the products of all places in the window.

The machine code contains the distances in the rows, but no size of an image. Tiles that would end
outside of the results begin earlier, and compute some again. A sum has a rounding for each place,
in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import product
from typing import NamedTuple

from dlgradient.core.types import Shape
from dlgradient.native.code import ELEMENTS, Function, Operand, Register, vector
from dlgradient.native.compiler import Compiled, compiled

__all__ = ["SIZES", "Layout", "kernel"]

# What the machine code is given of an image, in this order: its channels and sizes; the first row
# and column that are copied, and how many; where they go in the rows; the sizes of the results.
SIZES = (
    *("channels", "height", "width"),
    *("from_row", "from_column", "rows", "columns", "to_row", "to_column"),
    *("result_rows", "result_columns"),
)
_Sizes = dict[str, Register]


class Layout(NamedTuple):
    """What the machine code depends on.

    Attributes
    ----------
    char : str
        Of the dtype.
    window, dilation, stride : tuple of int
        For rows and columns.
    phase : int
        Elements of a row that are a stride apart in the image.
    before : int
        Columns before those that the first window meets, so that `to_column` is a multiple of the
        stride.
    copied, lanes : int
        Lanes of the vectors that are copied, and of those that are computed.
    tile : tuple of int
        Rows and vectors of a tile.
    biased : bool
        Whether there is an offset for each filter.
    """

    char: str
    window: Shape
    dilation: Shape
    stride: Shape
    phase: int
    before: int
    copied: int
    lanes: int
    tile: tuple[int, int]
    biased: bool

    @property
    def length(self) -> int:
        """Elements of a row."""
        return self.stride[1] * self.phase

    def distances(self) -> Iterator[int]:
        """Yield the distance of each place in the window from the first element of a row."""
        for i, j in product(*map(range, self.window)):
            column = j * self.dilation[1] + self.before
            of_phase, along = column % self.stride[1], column // self.stride[1]
            yield i * self.dilation[0] * self.length + of_phase * self.phase + along


@cache
def kernel(layout: Layout) -> Compiled:
    """Return ``f(x, w, offsets, out, scratch, sizes, first, last)``.

    It convolves the images of one channel from `first` until before `last`. `scratch` is zero, and
    has as many rows as windows meet.
    """
    f = Function("depthwise")
    x, w, offsets, out, scratch, given = map(
        f.address, ("x", "w", "offsets", "out", "scratch", "sizes")
    )
    size = {name: f.load("i64", given, i) for i, name in enumerate(SIZES)}
    element, count = ELEMENTS[layout.char], layout.window[0] * layout.window[1]
    with f.loop(f.integer("first"), f.integer("last")) as number:
        channel = number % size["channels"]
        image = f.at(x, number * size["height"] * size["width"], element)
        _copy(f, layout, image, scratch, size)
        weights = f.at(w, channel * count, element)
        kind = vector(element, layout.lanes)
        factors = [f.spread(f.load(element, weights, i), kind) for i in range(count)]
        start = f.load(element, offsets, channel) if layout.biased else f.constant(0, element)
        result = f.at(out, number * size["result_rows"] * size["result_columns"], element)
        _convolve(f, layout, scratch, factors, f.spread(start, kind), result, size)
    return compiled(f)


@contextmanager
def _tiles(f: Function, count: Register, size: int) -> Iterator[Register]:
    """Repeat a block for tiles that cover a range; the last one may cover a part again."""
    last = count - size
    with f.loop(0, count, size) as first:
        yield f.choose(first < last, first, last)


def _copy(f: Function, layout: Layout, image: Register, scratch: Register, size: _Sizes) -> None:
    """Copy an image into the rows; the zeros around it stay."""
    element = ELEMENTS[layout.char]
    with f.loop(0, size["rows"]) as row:
        begin = (row + size["from_row"]) * size["width"] + size["from_column"]
        source = f.at(image, begin, element)
        target = f.at(scratch, (row + size["to_row"]) * layout.length, element)
        if layout.stride[1] == 1:
            to = f.at(target, size["to_column"], element)
            with _tiles(f, size["columns"], layout.copied) as i:
                f.store(f.load(vector(element, layout.copied), source, i), to, i)
        else:
            _copy_phases(f, layout, source, target, size)


def _copy_phases(
    f: Function, layout: Layout, source: Register, target: Register, size: _Sizes
) -> None:
    """Copy the columns that are a stride apart next to each other."""
    element, stride = ELEMENTS[layout.char], layout.stride[1]
    for phase in range(stride):
        count = (size["columns"] + (stride - 1 - phase)) / stride
        of_phase = f.at(source, phase, element)
        to = f.at(target, size["to_column"] / stride + phase * layout.phase, element)
        whole: Operand = 0
        if stride == 2 and layout.copied > 1:
            # A vector of pairs ends before the last element: nothing after that may be read.
            whole = (count - 1) / layout.copied * layout.copied
            with f.loop(0, whole, layout.copied) as i:
                pairs = f.load(vector(element, 2 * layout.copied), of_phase, i * 2)
                f.store(f.every(2, pairs), to, i)
        with f.loop(whole, count) as i:
            f.store(f.load(element, of_phase, i * stride), to, i)


def _convolve(
    f: Function,
    layout: Layout,
    scratch: Register,
    factors: list[Register],
    start: Register,
    result: Register,
    size: _Sizes,
) -> None:
    """Write the results of one channel."""
    element, lanes = ELEMENTS[layout.char], layout.lanes
    kind = vector(element, lanes)
    rows, vectors = layout.tile
    places = list(product(range(rows), range(vectors)))
    step = layout.stride[0] * layout.length  # from a row of results to the next
    with (
        _tiles(f, size["result_rows"], rows) as row,
        _tiles(f, size["result_columns"], vectors * lanes) as column,
    ):
        corner = f.at(scratch, row * step + column, element)
        sums = [start] * len(places)
        for factor, distance in zip(factors, layout.distances(), strict=True):
            for k, (i, j) in enumerate(places):
                x = f.load(kind, corner, distance + i * step + j * lanes)
                sums[k] = f.multiply_add(x, factor, sums[k])
        for total, (i, j) in zip(sums, places, strict=True):
            f.store(total, result, (row + i) * size["result_columns"] + column + j * lanes)
