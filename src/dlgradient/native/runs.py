"""Convolution of channels that lie as runs, in any number of dimensions.

Each channel of some images is copied into a run, with zeros between the rows of an image. A place
in the window is then a distance along the runs. So a convolution is a product of matrices, of which
the second is not stored: its row for a channel and a place in the window, a tap, is the run from
that distance on. With a stride s, the elements 0, s, 2s, ... of a row are in a run of their own,
then 1, s + 1, ... .

The machine code knows no sizes, windows, strides and dilations: it is given tables. It depends on
the dtype, on the tile that stays in registers, and on whether it copies every element or every
second one.

=============  ===================================================================================
`convolve`     A tile is of filters and vectors of results. It takes the products of one tap after
               the other, so that a sum has a rounding for each, in the order of the table. Results
               between the rows are computed too, and dropped.
`correlate`    A tile is of taps and vectors of filters. The results are transposed, so that all
               filters of a result are adjacent, and a sum runs over the results of some images.
`pack`         It copies a kernel so that the numbers of a tile of filters are adjacent.
=============  ===================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from dlgradient.native.code import ELEMENTS, Function, Operand, Register, vector
from dlgradient.native.compiler import Compiled, compiled
from dlgradient.native.machine import machine

__all__ = ["CONVOLVE", "CORRELATE", "PART", "Steps", "convolve", "correlate", "pack"]

# What the machine code is given, in this order: how many images are copied at once, and how they
# lie in memory and in the runs; then the products; then how results lie in memory.
_COPIED = ("at_once", "channels", "plane", "channel_pitch", "image_pitch", "copies")
CONVOLVE = (
    *_COPIED,
    *("parts", "filters", "tiles", "length", "pitch", "all_filters", "out_plane", "out_copies"),
)
CORRELATE = (
    *_COPIED,
    *("all_filters", "out_plane", "from_result", "results", "rows"),
    *("group_pitch", "filters", "tiles"),
)
# What it is given of each part, the filters with the same taps: where its channels begin in the
# runs, its taps in the table, their number, and where its kernel, bias and results begin.
PART = ("frame", "taps", "count", "weights", "bias", "runs")

# Distances between the elements of a row that are copied, there and here: 1, 2, or 0 for others,
# which are then in the table.
Steps = tuple[int, int]
_Sizes = dict[str, Register]


class Tile(NamedTuple):
    """What stays in registers: numbers times vectors of some lanes."""

    numbers: int
    vectors: int
    lanes: int


def _minimum(f: Function, x: Register, y: Operand) -> Register:
    return f.choose(x < y, x, y)


def _named(f: Function, names: Sequence[str], array: Register, start: Operand = 0) -> _Sizes:
    """Load integers that have names."""
    place = f.at(array, start, "i64")
    return {name: f.load("i64", place, i) for i, name in enumerate(names)}


# -- copies --------------------------------------------------------------------------------------


def _copy_images(
    f: Function,
    element: str,
    step: int,
    arrays: tuple[Register, Register, Register],
    images: tuple[Register, Register],
    size: _Sizes,
) -> None:
    """Copy the channels of some images into the runs."""
    x, frame, table = arrays
    begin, count = images
    with f.loop(0, count) as image, f.loop(0, size["channels"]) as channel:
        where = ((begin + image) * size["channels"] + channel) * size["plane"]
        to = channel * size["channel_pitch"] + image * size["image_pitch"]
        source, target = f.at(x, where, element), f.at(frame, to, element)
        _copy(f, element, (step, 1), (source, target, table), size["copies"])


def _copy(
    f: Function,
    element: str,
    steps: Steps,
    arrays: tuple[Register, Register, Register],
    copies: Register,
) -> None:
    """Copy the rows of a table: where from, where to, how many, and the steps."""
    source, target, table = arrays
    with f.loop(0, copies) as number:
        begin, end, count, there, here = (f.load("i64", table, number * 5 + i) for i in range(5))
        a, b = f.at(source, begin, element), f.at(target, end, element)
        done: Operand = 0
        if steps == (1, 1):
            _copy_adjacent(f, element, a, b, count)
            done = count
        elif steps == (2, 1):
            done = _copy_pairs(f, element, a, b, count)
        with f.loop(done, count) as i:
            f.store(f.load(element, a, i * there), b, i * here)


def _copy_adjacent(
    f: Function, element: str, source: Register, target: Register, count: Register
) -> None:
    """Copy a row: whole vectors, then halves of one, quarters, and so on."""
    lanes = machine().lanes(element)
    at = count / lanes * lanes
    with f.loop(0, at, lanes) as i:
        f.store(f.load(vector(element, lanes), source, i), target, i)
    while lanes > 1:
        lanes //= 2
        some = f.assign(f"and i64 {count.name}, {lanes}", "i64")
        with f.when(some > 0):
            f.store(f.load(vector(element, lanes), source, at), target, at)
        at = at + some


def _copy_pairs(
    f: Function, element: str, source: Register, target: Register, count: Register
) -> Register:
    """Copy the first of each pair of elements, and return how many were copied.

    A vector of pairs ends before the last element: nothing after that may be read.
    """
    half = machine().lanes(element) // 2
    whole = (count - 1) / half * half
    with f.loop(0, whole, half) as i:
        f.store(f.every(2, f.load(vector(element, 2 * half), source, i * 2)), target, i)
    return whole


@cache
def pack(char: str, filters: int) -> Compiled:
    """Return ``f(w, offsets, packed, taps, pitch, all_filters, tiles)``.

    The taps of a filter are at `offsets` from its beginning, filters are a pitch apart. A tile that
    would end after the last filter begins earlier.
    """
    f = Function("pack")
    w, offsets, packed = map(f.address, ("w", "offsets", "packed"))
    taps, pitch, every, tiles = map(f.integer, ("taps", "pitch", "all_filters", "tiles"))
    element = ELEMENTS[char]
    with f.loop(0, tiles) as number:
        first = _minimum(f, number * filters, every - filters)
        source = f.at(w, first * pitch, element)
        target = f.at(packed, number * taps * filters, element)
        with f.loop(0, taps) as tap:
            place = f.at(source, f.load("i64", offsets, tap), element)
            for i in range(filters):
                f.store(f.load(element, place, pitch * i), target, tap * filters + i)
    return compiled(f)


# -- convolution ---------------------------------------------------------------------------------


@cache
def convolve(char: str, tile: Tile, steps: Steps) -> Compiled:
    """Return the function for images from `first` until before `last`.

    It is called with ``(x, packed kernel, bias, frame, runs, out, sizes, copies into the frame,
    copies out of the runs, parts, distances of taps, first, last)``. `frame` is zero where no
    image is; in it and `runs` follow elements for a tile that ends later than the images.
    """
    f = Function("convolve")
    x, w, bias, frame, runs, out = map(f.address, ("x", "w", "bias", "frame", "runs", "out"))
    given, table, out_table = map(f.address, ("sizes", "table", "out_table"))
    parts, distances = map(f.address, ("parts", "distances"))
    first, last = f.integer("first"), f.integer("last")
    size, element = _named(f, CONVOLVE, given), ELEMENTS[char]
    with f.loop(0, (last - first + size["at_once"] - 1) / size["at_once"]) as chunk:
        begin = first + chunk * size["at_once"]
        count = _minimum(f, size["at_once"], last - begin)
        _copy_images(f, element, steps[0], (x, frame, table), (begin, count), size)
        length = size["length"] + (count - 1) * size["image_pitch"]
        with f.loop(0, size["parts"]) as number:
            part = _named(f, PART, parts, number * len(PART))
            arrays = (
                f.at(frame, part["frame"], element),
                f.at(w, part["weights"], element),
                f.at(bias, part["bias"], element),
                f.at(runs, part["runs"], element),
                f.at(distances, part["taps"], "i64"),
            )
            _convolve_part(f, element, tile, arrays, part["count"], length, size)
        with f.loop(0, count) as image, f.loop(0, size["all_filters"]) as row:
            source = f.at(runs, row * size["pitch"] + image * size["image_pitch"], element)
            to = ((begin + image) * size["all_filters"] + row) * size["out_plane"]
            target = f.at(out, to, element)
            _copy(f, element, (1, steps[1]), (source, target, out_table), size["out_copies"])
    return compiled(f)


def _convolve_part(
    f: Function,
    element: str,
    tile: Tile,
    arrays: tuple[Register, ...],
    taps: Register,
    length: Register,
    size: _Sizes,
) -> None:
    """Write the runs of all filters of a part."""
    frame, w, bias, runs, distances = arrays
    with f.loop(0, size["tiles"]) as number:
        row = _minimum(f, number * tile.numbers, size["filters"] - tile.numbers)
        weights = f.at(w, number * taps * tile.numbers, element)
        starts = [f.load(element, bias, row + i) for i in range(tile.numbers)]
        target = f.at(runs, row * size["pitch"], element)
        wide = tile.vectors * tile.lanes
        whole = length / wide * wide
        for begin, end, some in ((0, whole, tile), (whole, length, tile._replace(vectors=1))):
            with f.loop(begin, end, some.vectors * tile.lanes) as p:
                here = (f.at(frame, p, element), weights, distances)
                sums = _convolved(f, element, some, starts, here, taps)
                for i, line in enumerate(sums):
                    to = f.at(target, size["pitch"] * i + p, element)
                    for j, total in enumerate(line):
                        f.store(total, to, j * tile.lanes)


def _convolved(
    f: Function,
    element: str,
    tile: Tile,
    starts: list[Register],
    arrays: tuple[Register, Register, Register],
    taps: Register,
) -> list[list[Register]]:
    """Return the results of a tile: vectors for each filter."""
    frame, weights, distances = arrays
    kind = vector(element, tile.lanes)
    sums = [[f.variable(f.spread(x, kind)) for _ in range(tile.vectors)] for x in starts]
    with f.loop(0, taps) as tap:
        source = f.at(frame, f.load("i64", distances, tap), element)
        xs = [f.load(kind, source, j * tile.lanes) for j in range(tile.vectors)]
        place = f.at(weights, tap * tile.numbers, element)
        for i, line in enumerate(sums):
            factor = f.spread(f.load(element, place, i), kind)
            for x, total in zip(xs, line, strict=True):
                total.value = f.multiply_add(x, factor, total.value)
    return [[total.value for total in line] for line in sums]


# -- correlation ---------------------------------------------------------------------------------


@cache
def correlate(char: str, tile: Tile, step: int) -> Compiled:
    """Return the function that adds the sums of images from `first` until before `last`.

    It is called with ``(x, y, frame, turned, totals, sizes, copies into the frame, rows of results,
    distances of taps, first, last, first column, last column)``. A column is a tile of taps.
    `totals` is (tiles of filters of all groups, columns, taps, filters of a tile).
    """
    f = Function("correlate")
    x, y, frame, turned, totals = map(f.address, ("x", "y", "frame", "turned", "totals"))
    given, table, rows, distances = map(f.address, ("sizes", "table", "rows", "distances"))
    first, last = f.integer("first"), f.integer("last")
    from_column, to_column, columns = map(f.integer, ("from_column", "to_column", "columns"))
    size, element = _named(f, CORRELATE, given), ELEMENTS[char]
    width = tile.lanes * tile.vectors
    with f.loop(0, (last - first + size["at_once"] - 1) / size["at_once"]) as chunk:
        begin = first + chunk * size["at_once"]
        count = _minimum(f, size["at_once"], last - begin)
        _copy_images(f, element, step, (x, frame, table), (begin, count), size)
        with f.loop(0, size["tiles"] * (size["all_filters"] / size["filters"])) as number:
            group, within = number / size["tiles"], number % size["tiles"] * width
            some = f.choose(size["filters"] - within < width, size["filters"] - within, width)
            row = group * size["filters"] + within
            with f.loop(0, count) as image:
                where = ((begin + image) * size["all_filters"] + row) * size["out_plane"]
                matrix = f.at(y, where + size["from_result"], element)
                to = f.at(turned, image * size["results"] * width, element)
                _turn(f, element, (matrix, to), (some, size["results"]), (size["out_plane"], width))
            source = f.at(frame, group * size["group_pitch"], element)
            with f.loop(from_column, to_column) as column:
                where = (number * columns + column) * (tile.numbers * width)
                taps = f.at(distances, column * tile.numbers, "i64")
                arrays = (source, turned, f.at(totals, where, element), taps, rows)
                _correlate_tile(f, element, tile, arrays, count, size)
    return compiled(f)


# Lanes of two vectors of four, by which blocks of four by four are transposed.
_ALTERNATE = ((0, 4, 2, 6), (1, 5, 3, 7))
_HALVES = ((0, 1, 4, 5), (2, 3, 6, 7))


def _turn(
    f: Function,
    element: str,
    arrays: tuple[Register, Register],
    shape: tuple[Register, Register],
    pitches: tuple[Register, int],
) -> None:
    """Write the transpose of a matrix, in blocks of four by four and then one by one."""
    kind = vector(element, 4)
    (source, target), (rows, columns), (from_pitch, pitch) = arrays, shape, pitches

    def mixed(x: Register, y: Register, *places: int) -> Register:
        mask = ", ".join([f"i32 {i}" for i in places])
        return f.assign(f"shufflevector {kind} {x.name}, {kind} {y.name}, <4 x i32> <{mask}>", kind)

    whole, most = rows / 4 * 4, columns / 4 * 4
    with f.loop(0, whole, 4) as i, f.loop(0, most, 4) as j:
        place = f.at(source, i * from_pitch + j, element)
        a, b, c, d = (f.load(kind, place, from_pitch * k) for k in range(4))
        even, odd = [(mixed(a, b, *m), mixed(c, d, *m)) for m in _ALTERNATE]
        lines = [mixed(a, b, *halves) for halves in _HALVES for a, b in (even, odd)]
        for k, line in enumerate(lines):
            f.store(line, target, (j + k) * pitch + i)
    for begin, end, start in ((0, whole, most), (whole, rows, 0)):
        with f.loop(begin, end) as i, f.loop(start, columns) as j:
            f.store(f.load(element, source, i * from_pitch + j), target, j * pitch + i)


def _correlate_tile(
    f: Function,
    element: str,
    tile: Tile,
    arrays: tuple[Register, ...],
    count: Register,
    size: _Sizes,
) -> None:
    """Add the products of all results to the totals of a tile."""
    frame, turned, totals, distances, rows = arrays
    kind, width = vector(element, tile.lanes), tile.lanes * tile.vectors
    taps = [f.at(frame, f.load("i64", distances, i), element) for i in range(tile.numbers)]
    sums = [[f.variable(f.constant(0, kind)) for _ in range(tile.vectors)] for _ in taps]
    with f.loop(0, count) as image, f.loop(0, size["rows"]) as number:
        start, of_results, length = (f.load("i64", rows, number * 5 + i) for i in range(3))
        along = start + image * size["image_pitch"]
        places = [f.at(tap, along, element) for tap in taps]
        line = f.at(turned, (of_results + image * size["results"]) * width, element)
        with f.loop(0, length) as i:
            ys = [f.load(kind, line, i * width + j * tile.lanes) for j in range(tile.vectors)]
            for place, several in zip(places, sums, strict=True):
                factor = f.spread(f.load(element, place, i), kind)
                for y, total in zip(ys, several, strict=True):
                    total.value = f.multiply_add(factor, y, total.value)
    for tap, several in enumerate(sums):
        for j, total in enumerate(several):
            to = tap * width + j * tile.lanes
            f.store(f.load(kind, totals, to) + total.value, totals, to)
