"""Maxima over small windows of images, and their adjoint, in one pass over memory each.

A vector has the results of neighbouring windows of a row. Their elements at one place are a stride
s apart. So a block of s times as many elements is read at once, and every s-th of them is taken:
neighbouring places in a window share a block. Lanes outside of the image, or after the last result,
are neither read nor written.

The adjoint finds the maxima again, since elements are in registers then. It goes through windows
from the last to the first. So an element in several windows takes its parts in the order of its
places in them, and is rounded as with NumPy.

Everything else rounds nothing. NaN is the maximum of its window. If 0 and -0 are the largest,
the result is one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import product
from math import inf
from typing import NamedTuple

from dlgradient.core.types import Shape
from dlgradient.native.code import ELEMENTS, Function, Register, vector
from dlgradient.native.compiler import Compiled, compiled

__all__ = ["Layout", "maximum", "maximum_adjoint"]


class Layout(NamedTuple):
    """What the machine code depends on.

    Attributes
    ----------
    char : str
        Of the dtype.
    window, stride, dilation, start : tuple of int
        For rows and columns, as in a geometry.
    lanes : int
        Results in a vector.
    inside : bool
        Whether no window meets the padding.
    alone : bool
        Whether each element is in one window at most, and a row of a window is in one block.
    """

    char: str
    window: Shape
    stride: Shape
    dilation: Shape
    start: Shape
    lanes: int
    inside: bool
    alone: bool

    def columns(self) -> list[tuple[int, int]]:
        """Return for each column of a window its block, and its place in a step of that."""
        starts = [self.dilation[1] * k - self.start[1] for k in range(self.window[1])]
        return [divmod(start, self.stride[1]) for start in starts]


class _Block(NamedTuple):
    """Elements next to each other, where they are, and which of them windows meet."""

    at: Register
    mask: Register
    values: Register


class _Tile(NamedTuple):
    """A vector of results.

    Attributes
    ----------
    at, mask : Register
        Where the results are, and which lanes have one.
    blocks : dict
        By row of the window and number.
    values, inside : list of Register
        For each place in the window: its elements, and where they are in the image. The latter is
        empty if all are.
    """

    at: Register
    mask: Register
    blocks: dict[tuple[int, int], _Block]
    values: list[Register]
    inside: list[Register]


_SIZES = ("rows", "columns", "result_rows", "result_columns")


@contextmanager
def _tiles(f: Function, layout: Layout, x: Register) -> Iterator[_Tile]:
    """Repeat a block for tiles of the images from `first` until before `last`, backwards."""
    rows, columns, result_rows, result_columns = map(f.integer, _SIZES)
    element, lanes = ELEMENTS[layout.char], layout.lanes
    step, wide = layout.stride[1], layout.lanes * layout.stride[1]
    nothing, zero = f.constant(-inf, vector(element, wide)), f.constant(0, "i64")
    places = list(product(range(layout.window[0]), layout.columns()))
    with (
        f.loop(f.integer("first"), f.integer("last")) as image,
        f.loop(0, result_rows) as before,
        f.loop(0, (result_columns + (lanes - 1)) / lanes) as tiles_before,
    ):
        i = result_rows - 1 - before
        j = ((result_columns + (lanes - 1)) / lanes - 1 - tiles_before) * lanes
        count = result_columns - j
        blocks, values, inside = {}, [], []
        for k, (number, place) in places:
            row = i * layout.stride[0] + (layout.dilation[0] * k - layout.start[0])
            begin = (j + number) * step
            end = columns - begin
            if not layout.inside:  # nothing, if the row is outside
                end = f.choose(f.both(row < rows, f.compare("ge", row, 0)), end, zero)
            if (k, number) not in blocks:
                most = count * step
                mask = f.lanes_within(zero - begin, f.choose(end < most, end, most), wide)
                at = (image * rows + row) * columns + begin
                blocks[k, number] = _Block(at, mask, f.load_some(mask, x, at, nothing))
            values.append(f.every(step, blocks[k, number].values, place))
            if not layout.inside:
                first, last = ((n + (step - 1 - place)) / step for n in (zero - begin, end))
                inside.append(f.lanes_within(first, last, lanes))
        mask = f.lanes_within(zero, count, lanes)
        yield _Tile((image * result_rows + i) * result_columns + j, mask, blocks, values, inside)


def _largest(f: Function, values: Sequence[Register]) -> Register:
    best, *others = values
    for x in others:
        best = f.choose(f.is_nan(best), best, f.choose(best > x, best, x))
    return best


@cache
def maximum(layout: Layout) -> Compiled:
    """Return ``f(x, y, rows, columns, result rows, result columns, first, last)``."""
    f = Function("maximum")
    x, y = map(f.address, ("x", "y"))
    with _tiles(f, layout, x) as tile:
        f.store_some(tile.mask, _largest(f, tile.values), y, tile.at)
    return compiled(f)


@cache
def maximum_adjoint(layout: Layout) -> Compiled:
    """Return ``f(g, x, out, rows, columns, result rows, result columns, first, last)``.

    `out` is zero, where it is not in a window at least.
    """
    f = Function("maximum_adjoint")
    g, x, out = map(f.address, ("g", "x", "out"))
    step = layout.stride[1]
    with _tiles(f, layout, x) as tile:
        zero, one = (f.constant(n, tile.values[0].kind) for n in (0, 1))
        best = _largest(f, tile.values)
        # If the maximum is NaN, no element is equal to it, else none is NaN.
        chosen = [f.either(f.compare("eq", x, best), f.is_nan(x)) for x in tile.values]
        if tile.inside:
            chosen = [f.both(*pair) for pair in zip(chosen, tile.inside, strict=True)]
        total = f.choose(chosen[0], one, zero)
        for mask in chosen[1:]:
            total = total + f.choose(mask, one, zero)
        share = f.load_some(tile.mask, g, tile.at, zero) / total
        parts = {key: [zero] * step for key in tile.blocks}
        places = product(range(layout.window[0]), layout.columns())
        for mask, (k, (number, place)) in zip(chosen, places, strict=True):
            parts[k, number][place] = f.choose(mask, share, zero)
        for key, block in tile.blocks.items():
            part = f.interleaved(parts[key])
            if not layout.alone:
                nothing = f.constant(0, part.kind)
                part = f.load_some(block.mask, out, block.at, nothing) + part
            f.store_some(block.mask, part, out, block.at)
    return compiled(f)
