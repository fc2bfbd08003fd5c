"""Compiled kernels of convolution: whether they compute, and what they are given."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from dlgradient.core.sizes import CONV_THREAD_MULTIPLICATIONS, NATIVE_CONV_MULTIPLICATIONS
from dlgradient.core.threads import in_blocks
from dlgradient.core.types import Array, Dtype, Shape
from dlgradient.native.switch import uses_native
from dlgradient.nn.shared.geometry import Geometry

__all__ = ["computes", "convolve"]

# Places in a window: the machine code has a line for each of them and each vector of a tile.
_MAX_PLACES = 64
# Vectors of a tile; a processor has at least 16 registers.
_TILE = 8


def computes(x: Array, kernel: Shape, geometry: Geometry, dtype: Dtype) -> bool:
    """Return whether a compiled kernel convolves; the kernel must be finite."""
    _, inner, _ = geometry.frame
    return (
        kernel[:2] == (geometry.groups, 1)
        and len(geometry.sizes) == 2
        and prod(geometry.window) <= _MAX_PLACES
        and all(part.stop > part.start for part in inner)
        and prod(geometry.results) > 0
        and uses_native(dtype, pays=_products(x, geometry) >= NATIVE_CONV_MULTIPLICATIONS)
    )


def _products(x: Array, geometry: Geometry) -> int:
    return int(prod(x.shape[:2]) * prod(geometry.results) * prod(geometry.window))


def convolve(x: Array, w: Array, geometry: Geometry, offsets: Array | None, out: Array) -> None:
    """Write results to `out`, for input and kernel, plus an offset for each filter."""
    from dlgradient.native.compiler import address_of
    from dlgradient.native.depthwise import kernel

    dtype = out.dtype
    biased = offsets is not None
    layout, given, shape = _plan(x.shape, geometry, dtype.char, biased=biased)
    run = kernel(layout)
    x, w = (np.ascontiguousarray(a, dtype) for a in (x, w))
    bias = w if offsets is None else np.ascontiguousarray(offsets, dtype)
    sizes = np.array(given, np.int64)
    arrays = [address_of(a) for a in (x, w, bias, out)]

    def work(part: slice) -> None:
        scratch = np.zeros(shape, dtype)
        run(*arrays, address_of(scratch), address_of(sizes), part.start, part.stop)

    split = _products(x, geometry) >= CONV_THREAD_MULTIPLICATIONS
    in_blocks(work, prod(x.shape[:2]), split=split)


def _plan(x: Shape, geometry: Geometry, char: str, *, biased: bool) -> tuple[Any, list[int], Shape]:
    """Return what the machine code depends on, what it is given, and the shape of its rows."""
    from dlgradient.native.depthwise import Layout
    from dlgradient.native.machine import machine

    span, inner, source = geometry.frame
    stride, results = geometry.stride, geometry.results
    before = -inner[1].start % stride[1]
    rows, columns = [part.stop - part.start for part in inner]
    most = machine().vector_bytes // np.dtype(char).itemsize
    lanes = _power_of_two(min(most, results[1]))
    layout = Layout(
        char,
        geometry.window,
        geometry.dilation,
        stride,
        _rounded(-(-(span[1] + before) // stride[1])),
        before,
        _power_of_two(min(most, columns)),
        lanes,
        _tile(results, lanes),
        biased,
    )
    given = [
        *x[1:],
        *(source[0].start, source[1].start, rows, columns),
        *(inner[0].start, inner[1].start + before),
        *results,
    ]
    return layout, given, (span[0], layout.length)


def _power_of_two(most: int) -> int:
    return 1 << (most.bit_length() - 1)


def _rounded(size: int) -> int:
    """Return a size of few digits, so that images of similar sizes share the machine code."""
    step = max(8, _power_of_two(size) // 8)
    return -(-size // step) * step


def _tile(results: Shape, lanes: int) -> tuple[int, int]:
    """Return how many rows and vectors of results are computed at once."""
    widths = [n for n in (4, 3, 2, 1) if n * lanes <= results[1]]
    vectors = min(widths, key=lambda n: -(-results[1] // (n * lanes)) * n)
    return min(_TILE // vectors, results[0]), vectors
