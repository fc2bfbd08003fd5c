"""Compiled kernels of convolution with several channels: whether they compute, and their tables.

`dlgradient.native.runs` says how channels lie in runs. Along each dimension, an array is a `Line`.
A transposed convolution with stride s is a convolution of stride one for each of its phases: the
elements of the result whose places leave the same remainder. A phase has the taps that reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.sizes import (
    CONV_THREAD_MULTIPLICATIONS,
    NATIVE_CONV_MULTIPLICATIONS,
    RUN_BYTES,
    RUN_PARTS,
    RUN_PARTS_BYTES,
    RUN_TERMS,
)
from dlgradient.core.threads import in_blocks
from dlgradient.core.types import Array, Dtype, Shape
from dlgradient.native.switch import uses_native
from dlgradient.nn.convolution.lines import (
    Frame,
    Line,
    Moves,
    distances,
    lines_of,
    pitches,
    places,
    rows_of,
)
from dlgradient.nn.shared.blocks import items_within
from dlgradient.nn.shared.geometry import Geometry

__all__ = ["computes", "convolve", "correlate", "deconvolve"]

# Registers that a tile may use for vectors, by the bytes of a vector.
_REGISTERS = {64: 31}
_FEWER_REGISTERS = 15
_MAX_ADDRESSES = 10  # of taps, in registers


def computes(batch: int, kernel: Shape, geometry: Geometry, dtype: Dtype) -> bool:
    """Return whether these kernels compute; the kernel must be finite."""
    filters = kernel[0] // geometry.groups
    return filters * kernel[1] > 1 and uses_native(
        dtype, pays=_products(batch, kernel, geometry) >= NATIVE_CONV_MULTIPLICATIONS
    )


def _products(batch: int, kernel: Shape, geometry: Geometry) -> int:
    return int(batch * prod(kernel) * prod(geometry.results))


# -- tables --------------------------------------------------------------------------------------


class Part(NamedTuple):
    """Filters that have the same taps: those of a group, in one phase of the result.

    Attributes
    ----------
    channel, weights : int
        Where its first channel begins in the runs, and its kernel.
    taps, offsets : array
        Of each tap: its distance in the runs, and its place in the kernel of a filter.
    copied : list of tuple
        Which of its results go where: for each dimension as for `_rows`.
    """

    channel: int
    weights: int
    taps: Array
    offsets: Array
    copied: Moves


class Tables(NamedTuple):
    """What the machine code of a convolution depends on, and what it is given.

    Attributes
    ----------
    char : str
        Of the dtype.
    tile : Tile
    steps : tuple of int
        Of copies into the frame and out of the runs.
    given : tuple of array
        In the order of `dlgradient.native.runs.convolve`.
    packed : list of tuple
        For each part: where its kernel begins, where it goes, and its offsets.
    filters : tuple of int
        For `dlgradient.native.runs.pack`.
    scratch : tuple of int
        Elements of the frame, of the runs of results and of the packed kernel.
    """

    char: str
    tile: Any
    steps: tuple[int, int]
    given: tuple[Array, ...]
    packed: list[tuple[int, int, Array]]
    filters: tuple[int, int, int]
    scratch: tuple[int, int, int]


def _registers() -> tuple[int, int]:
    """Return how many registers a tile may use, and the bytes of one."""
    from dlgradient.native.machine import machine

    nbytes = machine().vector_bytes
    return _REGISTERS.get(nbytes, _FEWER_REGISTERS), nbytes


def _tile(filters: int, itemsize: int) -> Any:
    """Return the tile that needs the least time: a filter costs half a cycle, but a vector one."""
    from dlgradient.native.runs import Tile

    registers, nbytes = _registers()
    most = min(filters, 10 if registers > _FEWER_REGISTERS else 6)
    number = min(range(1, most + 1), key=lambda n: (-(-filters // n) * max(n, 2), -n))
    return Tile(number, min(8, (registers - 1) // (number + 1)), nbytes // itemsize)


def _tables(
    frame: Frame,
    parts: Sequence[Part],
    shapes: tuple[int, int, int, int],
    out: tuple[int, int],
    dtype: Dtype,
    steps: tuple[int, int],
) -> Tables:
    """Return tables.

    Parameters
    ----------
    frame : Frame
    parts : sequence of Part
    shapes : tuple of int
        Channels of the array, elements of a channel, filters of a part, and elements of the kernel
        from one of them to the next.
    out : tuple of int
        Filters of the result, and elements of a filter.
    dtype : dtype
    steps : tuple of int
        Of copies into the frame and out of the runs.
    """
    channels, plane, filters, _ = shapes
    tile = _tile(filters, dtype.itemsize)
    tiles = -(-filters // tile.numbers)
    wide = tile.vectors * tile.lanes
    pitch = frame.length + (frame.at_once - 1) * frame.image
    pitch = -(-pitch // tile.lanes) * tile.lanes
    out_copies, rows, packed = [], [], []
    begin = weights = 0
    for i, part in enumerate(parts):
        count, runs = len(part.taps), i * filters * pitch
        bias = i * filters % out[0]
        rows.append((part.channel, begin, count, weights, bias, runs))
        packed.append((part.weights, weights, part.offsets))
        begin, weights = begin + count, weights + tiles * count * tile.numbers
        if not bias:  # the others of its phase follow it
            out_copies.append(rows_of(part.copied, runs, 0))
    table = np.concatenate(out_copies)
    copies = frame.copies()
    sizes = [frame.at_once, channels, plane, frame.channel, frame.image, len(copies)]
    sizes += [len(parts), filters, tiles, frame.length, pitch, *out, len(table)]
    taps = np.concatenate([part.taps for part in parts]).astype(np.int64)
    arrays = (np.array(sizes, np.int64), copies, table, np.array(rows, np.int64), taps)
    return Tables(
        dtype.char,
        tile,
        steps,
        arrays,
        packed,
        (shapes[3], filters, tiles),
        (frame.size + wide, len(parts) * filters * pitch + wide, weights),
    )


def _frame(
    strip: Geometry, kernel: Shape, batch: int, dtype: Dtype, most: int | None = None
) -> Frame:
    """Return the runs of all channels, for some rows of the results."""
    channels = strip.groups * kernel[1]
    return Frame(
        lines_of(strip),
        channels=channels,
        results=kernel[0],
        batch=batch,
        itemsize=dtype.itemsize,
        most=most,
    )


@lru_cache(64)
def _forward(
    geometry: Geometry, rows: tuple[int, int], kernel: Shape, batch: int, dtype: Dtype
) -> Tables:
    """Return the tables of a convolution, for some rows of the results."""
    strip = geometry.strip(slice(*rows))
    groups, per_group = geometry.groups, kernel[1]
    frame = _frame(strip, kernel, batch, dtype)
    taps = distances(strip, frame, per_group)
    filters = kernel[0] // groups
    of_filter, offsets = prod(kernel[1:]), np.arange(len(taps))
    there = pitches(geometry.results)
    lines = enumerate(zip(frame.pitches, there, strip.results, strict=True))
    copied = [(0, n, m * rows[0] if axis == 0 else 0, m, o) for axis, (n, m, o) in lines]
    parts = []
    for g in range(groups):
        channel, weights = g * per_group * frame.channel, g * filters * of_filter
        parts.append(Part(channel, weights, taps, offsets, copied))
    shapes = (groups * per_group, prod(geometry.sizes), filters, of_filter)
    out = (kernel[0], prod(geometry.results))
    step = geometry.stride[-1]
    return _tables(frame, parts, shapes, out, dtype, (step if step < 3 else 0, 1))


@lru_cache(64)
def _backward(
    geometry: Geometry, rows: tuple[int, int], kernel: Shape, batch: int, dtype: Dtype
) -> Tables:
    """Return the tables of a transposed convolution, for some rows of the grid of all phases.

    Element e of the result is s·u + phase - start for a place u in the grid. The tap of place k in
    the window takes result u - d·k div s, if d·k has the remainder of the phase.
    """
    groups, filters, channels = geometry.groups, kernel[0] // geometry.groups, kernel[1]
    begins = [a // s for a, s in zip(geometry.start, geometry.stride, strict=True)]
    grid = _grid(geometry)
    begins[0], grid[0] = begins[0] + rows[0], rows[1] - rows[0]
    ahead = [line.ahead for line in lines_of(geometry)]
    lines = [
        Line(o, g, 1, m - u, m, (0,))
        for o, g, m, u in zip(geometry.results, grid, ahead, begins, strict=True)
    ]
    phases = list(product(*[range(s) for s in geometry.stride]))
    frame = Frame(
        lines,
        channels=kernel[0],
        results=len(phases) * groups * channels,
        batch=batch,
        itemsize=dtype.itemsize,
    )
    # Which taps each phase has.
    of_phases: dict[Shape, list[tuple[int, int]]] = {phase: [] for phase in phases}
    for number, place in enumerate(places(geometry)):
        phase = tuple([p % s for p, s in zip(place, geometry.stride, strict=True)])
        back = [m - p // s for m, p, s in zip(ahead, place, geometry.stride, strict=True)]
        of_phases[phase].append((frame.distance(back), number))
    of_window, of_filter = prod(geometry.window), prod(kernel[1:])
    parts = []
    for phase in phases:
        found = np.array(of_phases[phase], np.int64).reshape(-1, 2)
        index = np.arange(filters)
        taps = np.add.outer(index * frame.channel, found[:, 0]).reshape(-1)
        offsets = np.add.outer(index * of_filter, found[:, 1]).reshape(-1)
        copied = _interleaved(geometry, phase, begins, grid, frame.pitches)
        for g in range(groups):
            channel, weights = g * filters * frame.channel, g * filters * of_filter
            parts.append(Part(channel, weights, taps, offsets, copied))
    shapes = (kernel[0], prod(geometry.results), channels, of_window)
    out = (groups * channels, prod(geometry.sizes))
    return _tables(frame, parts, shapes, out, dtype, (1, 1 if geometry.stride[-1] == 1 else 0))


def _grid(geometry: Geometry) -> list[int]:
    """Return how many elements of a phase there are along each dimension, at most."""
    lines = zip(geometry.sizes, geometry.stride, geometry.start, strict=True)
    return [(n - 1 + a) // s - a // s + 1 for n, s, a in lines]


def _interleaved(
    geometry: Geometry, phase: Shape, begins: Sequence[int], grid: Sequence[int], of_runs: Shape
) -> Moves:
    """Return which places of the grid are in the result, and where."""
    moves = []
    for n, s, a, r, u, count, from_pitch, pitch in zip(
        geometry.sizes,
        geometry.stride,
        geometry.start,
        phase,
        begins,
        grid,
        of_runs,
        pitches(geometry.sizes),
        strict=True,
    ):
        first = max(u, -((r - a) // s))  # the first whose element is not before the result
        last = min(u + count, (n - 1 + a - r) // s + 1)
        to = s * first + r - a
        moves.append(
            ((first - u) * from_pitch, from_pitch, to * pitch, s * pitch, max(0, last - first))
        )
    return moves


# -- convolution ---------------------------------------------------------------------------------


def convolve(x: Array, w: Array, geometry: Geometry, offsets: Array | None, out: Array) -> None:
    """Write results to `out`, for input and finite kernel, plus an offset for each filter."""
    bias = np.zeros(len(w), out.dtype) if offsets is None else offsets
    strips = _strips(geometry, geometry.results[0], w.shape, x.shape[0], out.dtype)
    tables = [_forward(geometry, rows, w.shape, x.shape[0], out.dtype) for rows in strips]
    split = _products(x.shape[0], w.shape, geometry) >= CONV_THREAD_MULTIPLICATIONS
    _run(x, w, bias, tables, out, split=split)


def deconvolve(y: Array, w: Array, geometry: Geometry, out: Array) -> None:
    """Write the input to `out`, for result and finite kernel."""
    strips = _strips(geometry, _grid(geometry)[0], w.shape, y.shape[0], out.dtype)
    tables = [_backward(geometry, rows, w.shape, y.shape[0], out.dtype) for rows in strips]
    split = _products(y.shape[0], w.shape, geometry) >= CONV_THREAD_MULTIPLICATIONS
    _run(y, w, np.zeros(out.shape[1], out.dtype), tables, out, split=split)


def _strips(
    geometry: Geometry, rows: int, kernel: Shape, batch: int, dtype: Dtype, most: int | None = None
) -> list[tuple[int, int]]:
    """Cut rows of results so that those of an image fit into the cache, and are at most so many.

    All cores share the strips of a single image.
    """
    results = prod(geometry.results)
    elements = kernel[1] * geometry.groups * prod(geometry.sizes) + kernel[0] * results
    count = max(-(-elements * dtype.itemsize // RUN_BYTES), RUN_PARTS if batch == 1 else 1)
    if most is not None:
        count = max(count, -(-results // most))
    count = min(rows, count)
    return [(rows * i // count, rows * (i + 1) // count) for i in range(count)]


def _run(
    x: Array, w: Array, bias: Array, tables: Sequence[Tables], out: Array, *, split: bool
) -> None:
    """Call the machine code with the tables of each strip."""
    from dlgradient.native import runs
    from dlgradient.native.compiler import address_of

    x, bias = (np.ascontiguousarray(a, out.dtype) for a in (x, bias))
    packed = _packed(np.ascontiguousarray(w, out.dtype), tables[0])
    addresses = [address_of(a) for a in (x, packed, bias)]

    def work(images: slice, strips: Sequence[Tables]) -> None:
        for table in strips:
            kernel = runs.convolve(table.char, table.tile, table.steps)
            frame = np.zeros(table.scratch[0], out.dtype)
            results = np.empty(table.scratch[1], out.dtype)
            arrays = (frame, results, out, *table.given)
            kernel(*addresses, *map(address_of, arrays), images.start, images.stop)

    if len(x) == 1:
        in_blocks(lambda part: work(slice(0, 1), tables[part]), len(tables), split=split)
    else:
        in_blocks(lambda part: work(part, tables), len(x), split=split)


def _packed(w: Array, tables: Tables) -> Array:
    """Return the kernel as the tiles need it."""
    from dlgradient.native import runs
    from dlgradient.native.compiler import address_of

    packed = np.empty(tables.scratch[2], w.dtype)
    copy, itemsize = runs.pack(tables.char, tables.tile.numbers), w.itemsize
    for begin, to, offsets in tables.packed:
        addresses = (address_of(w) + begin * itemsize, address_of(offsets))
        target = address_of(packed) + to * itemsize
        copy(*addresses, target, len(offsets), *tables.filters)
    return packed


# -- correlation ---------------------------------------------------------------------------------


class Sums(NamedTuple):
    """What the machine code of a correlation is given, and what it depends on."""

    tile: Any
    step: int
    given: tuple[Array, Array, Array, Array]
    scratch: tuple[int, int]
    shape: Shape


@lru_cache(64)
def _sums(
    geometry: Geometry, rows: tuple[int, int], kernel: Shape, batch: int, dtype: Dtype
) -> Sums:
    """Return the tables of a correlation, for some rows of the results."""
    strip = geometry.strip(slice(*rows))
    groups, per_group = geometry.groups, kernel[1]
    filters, results = kernel[0] // groups, prod(strip.results)
    frame = _frame(strip, kernel, batch, dtype, items_within(RUN_TERMS, results))
    taps = distances(strip, frame, per_group)
    tile = _tile_of_sums(filters, len(taps), dtype.itemsize)
    width = tile.vectors * tile.lanes
    tiles, columns = -(-filters // width), -(-len(taps) // tile.numbers)
    moves = [
        (0, n, 0, m, o)
        for n, m, o in zip(frame.pitches, pitches(strip.results), strip.results, strict=True)
    ]
    copies, lines = frame.copies(), rows_of(moves, 0, 0)
    plane = prod(geometry.results)
    sizes = [frame.at_once, groups * per_group, prod(geometry.sizes), frame.channel, frame.image]
    sizes += [len(copies), kernel[0], plane, rows[0] * prod(geometry.results[1:]), results]
    sizes += [len(lines), per_group * frame.channel, filters, tiles]
    # The last tile may have too many taps.
    padded = np.pad(taps, (0, columns * tile.numbers - len(taps)), "edge")
    given = (np.array(sizes, np.int64), copies, lines, padded.astype(np.int64))
    step = geometry.stride[-1]
    shape = (groups * tiles, columns, tile.numbers, width)
    scratch = (frame.size, frame.at_once * results * width)
    return Sums(tile, step if step < 3 else 0, given, scratch, shape)


def _tile_of_sums(filters: int, taps: int, itemsize: int) -> Any:
    """Return a tile whose vectors are no wider than the filters need."""
    from dlgradient.native.runs import Tile

    registers, nbytes = _registers()
    lanes = nbytes // itemsize
    while lanes // 2 >= filters:
        lanes //= 2
    count, most = -(-filters // lanes), 4 if registers > _FEWER_REGISTERS else 2
    vectors = count
    if count > most:
        vectors = min(range(2, most + 1), key=lambda n: (-(-count // n) * n, -n))
    most = min(_MAX_ADDRESSES, (registers - 1 - vectors) // vectors)
    return Tile(-(-taps // -(-taps // most)), vectors, lanes)


def correlate(x: Array, y: Array, kernel: Shape, geometry: Geometry, dtype: Dtype) -> Array:
    """Return the kernel for input and result.

    A large kernel is shared by the cores, and the batch otherwise. The batch is then cut into parts
    whose number does not depend on that of the cores, and so no bit of the result does.
    """
    from dlgradient.native import runs
    from dlgradient.native.compiler import address_of

    batch = x.shape[0]
    x, y = (np.ascontiguousarray(a, dtype) for a in (x, y))
    strips = _strips(geometry, geometry.results[0], kernel, batch, dtype, RUN_TERMS)
    tables = [_sums(geometry, rows, kernel, batch, dtype) for rows in strips]
    shape = tables[0].shape
    addresses = (address_of(x), address_of(y))

    def add(totals: Array, images: tuple[int, int], columns: tuple[int, int]) -> None:
        for table in tables:
            run = runs.correlate(dtype.char, table.tile, table.step)
            scratch = [np.zeros(size, dtype) for size in table.scratch]
            arrays = map(address_of, (*scratch, totals, *table.given))
            run(*addresses, *arrays, *images, *columns, shape[1])

    split = _products(batch, kernel, geometry) >= CONV_THREAD_MULTIPLICATIONS
    parts = min(batch, RUN_PARTS) if prod(kernel) * dtype.itemsize <= RUN_PARTS_BYTES else 1
    totals = np.zeros((parts, *shape), dtype)
    if parts > 1:
        ends = [batch * i // parts for i in range(parts + 1)]

        def of_images(part: slice) -> None:
            for i in range(part.start, part.stop):
                add(totals[i], (ends[i], ends[i + 1]), (0, shape[1]))

        in_blocks(of_images, parts, split=split)
    else:
        in_blocks(
            lambda part: add(totals[0], (0, batch), (part.start, part.stop)), shape[1], split=split
        )
    total = totals[0] if parts == 1 else np.add.reduce(totals, axis=0)
    return _kernel_of(total, kernel, geometry.groups)


def _kernel_of(totals: Array, kernel: Shape, groups: int) -> Array:
    """Return totals of tiles as a kernel."""
    _, columns, numbers, width = totals.shape
    of_groups = totals.reshape(groups, -1, columns * numbers, width)
    found = of_groups[:, :, : prod(kernel[1:])].swapaxes(2, 3).reshape(groups, -1, prod(kernel[1:]))
    return np.ascontiguousarray(found[:, : kernel[0] // groups]).reshape(kernel)
