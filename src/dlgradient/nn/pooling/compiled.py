"""Compiled kernels of maxima over windows: whether they compute, and what they are given."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from dlgradient.core.sizes import NATIVE_POOL_ELEMENTS, POOL_THREAD_ELEMENTS
from dlgradient.core.threads import in_blocks
from dlgradient.core.types import Array, Dtype
from dlgradient.native.switch import uses_native
from dlgradient.nn.shared.geometry import Geometry

__all__ = ["computes", "maximum", "maximum_adjoint", "plan", "run"]

# Places in a window: the machine code has lines for each of them.
_MAX_PLACES = 25
# Vectors in a block of elements. Three are no type of a processor, and slower than NumPy.
_STRIDES = (1, 2, 4)
# What a dimension of one row is, in the order of `_lines`.
_ROW = (1, 1, 1, 1, 1, 0)
# Bytes of a vector from which on single lanes of it can be read and written.
_MASKED_BYTES = 32


def computes(geometry: Geometry, *arrays: Array) -> bool:
    """Return whether compiled kernels compute."""
    x, dtype = arrays[-1], arrays[-1].dtype
    if (
        len(geometry.sizes) > 2
        or prod(geometry.window) > _MAX_PLACES
        or geometry.stride[-1] not in _STRIDES
        or not x.size
        or any(a.dtype != dtype for a in arrays)
        or not uses_native(dtype, pays=x.size >= NATIVE_POOL_ELEMENTS)
    ):
        return False
    from dlgradient.native.machine import machine

    return machine().vector_bytes >= _MASKED_BYTES


@lru_cache(64)
def plan(geometry: Geometry, dtype: Dtype) -> tuple[Any, tuple[int, ...], bool]:
    """Return what the machine code depends on, sizes, and whether it writes all of an adjoint."""
    from dlgradient.native.machine import machine
    from dlgradient.native.windows import Layout

    lines = [*[_ROW] * (2 - len(geometry.sizes)), *_lines(geometry)]
    sizes, results, window, stride, dilation, start = zip(*lines, strict=True)
    inside = all(a <= 0 and s * (o - 1) + d * (k - 1) < n + a for n, o, k, s, d, a in lines)
    alone = all(k == 1 or (d == 1 and k <= s) for _, _, k, s, d, _ in lines)
    most = machine().vector_bytes // dtype.itemsize
    lanes = max(4, min(most, 1 << (results[1] - 1).bit_length()))
    layout = Layout(dtype.char, window, stride, dilation, start, lanes, inside, alone)
    if len({block for block, _ in layout.columns()}) > 1:
        layout = layout._replace(alone=False)
    whole = layout.alone and all(k == s and o * s == n for n, o, k, s, _, _ in lines)
    return layout, (*sizes, *results), whole


def _lines(geometry: Geometry) -> Iterator[tuple[int, ...]]:
    """Yield what a geometry says of each dimension."""
    g = geometry
    return zip(g.sizes, g.results, g.window, g.stride, g.dilation, g.start, strict=True)


def run(kernel: Any, arrays: tuple[Array, ...], sizes: tuple[int, ...]) -> None:
    """Call a kernel with arrays of images, on all cores if it pays."""
    from dlgradient.native.compiler import address_of

    addresses = [address_of(a) for a in arrays]
    images = prod(arrays[0].shape[:2])
    split = max(a.size for a in arrays) >= POOL_THREAD_ELEMENTS
    in_blocks(lambda part: kernel(*addresses, *sizes, part.start, part.stop), images, split=split)


def maximum(x: Array, geometry: Geometry) -> Array:
    """Return the maximum over each window."""
    from dlgradient.native import windows

    layout, sizes, _ = plan(geometry, x.dtype)
    out = np.empty((*x.shape[:2], *geometry.results), x.dtype)
    run(windows.maximum(layout), (np.ascontiguousarray(x), out), sizes)
    return out


def maximum_adjoint(g: Array, x: Array, geometry: Geometry) -> Array:
    """Divide the value of each window equally among its largest elements."""
    from dlgradient.native import windows

    layout, sizes, whole = plan(geometry, x.dtype)
    out = (np.empty if whole else np.zeros)(x.shape, x.dtype)
    run(windows.maximum_adjoint(layout), (*map(np.ascontiguousarray, (g, x)), out), sizes)
    return out
