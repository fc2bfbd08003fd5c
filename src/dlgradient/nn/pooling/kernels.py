"""Kernels of pooling, on raw arrays of shape (batch, channels, *sizes).

They work on a few images at a time, so that data that are read several times stay in the cache, and
on all cores. `dlgradient.nn.pooling.windowed` says what each of them computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import TypeAlias

import numpy as np

from dlgradient.core.sizes import (
    POOL_CHUNK_BYTES,
    POOL_INTERVAL_ELEMENTS,
    POOL_MASK_BYTES,
    POOL_MERGED_ELEMENTS,
    POOL_THREAD_ELEMENTS,
)
from dlgradient.core.types import Array, Dtype, Shape
from dlgradient.errors import InvalidArgumentError
from dlgradient.nn.pooling import compiled, intervals
from dlgradient.nn.pooling.merged import Merged
from dlgradient.nn.shared.blocks import for_each_chunk, items_within
from dlgradient.nn.shared.geometry import Geometry
from dlgradient.nn.shared.sums import finite

__all__ = [
    "argmax",
    "gather",
    "lowest",
    "maximum",
    "maximum_adjoint",
    "maximum_tangent",
    "place",
    "spread",
    "sum",
]

Key: TypeAlias = tuple[slice, ...]
# For each place in a window: keys of the elements it meets, and of the results they belong to.
Keys: TypeAlias = list[tuple[Key, Key]]
_ALL = slice(None)


def _keys(geometry: Geometry) -> Keys:
    return [((_ALL, _ALL, *to), (_ALL, _ALL, *of)) for _, to, of in geometry.places()]


def _keys_along(geometry: Geometry, axis: int) -> Keys:
    """Yield keys of one dimension, for windows that are reduced dimension by dimension."""
    before = (_ALL,) * (2 + axis)
    return [((*before, to), (*before, of)) for to, of in geometry.line(axis)]


def _images_per_chunk(x: Array) -> int:
    return items_within(POOL_CHUNK_BYTES, prod(x.shape[1:]) * x.dtype.itemsize)


# -- sums and maxima -----------------------------------------------------------------------------


def sum(x: Array, *, geometry: Geometry) -> Array:
    """Sum over each window."""
    return _reduced(np.add, x, geometry, 0)


def maximum(x: Array, *, geometry: Geometry) -> Array:
    """Maximum over each window."""
    if compiled.computes(geometry, x):
        return compiled.maximum(x, geometry)
    if windows := _intervals(geometry):
        return intervals.maximum(x, windows)
    if _is_large(geometry):
        return _merged(lambda merged, _: merged.y, x, geometry, geometry.results, x.dtype)
    return _reduced(np.maximum, x, geometry, lowest(x.dtype))


def lowest(dtype: Dtype) -> float:
    """Return a value that is no larger than any other of a dtype."""
    if dtype.kind == "b":
        return False
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _reduced(ufunc: np.ufunc, x: Array, geometry: Geometry, neutral: float) -> Array:
    """Reduce each window, dimension by dimension."""
    out = np.empty((*x.shape[:2], *geometry.results), x.dtype)
    lines = [_keys_along(geometry, axis) for axis in range(len(geometry.sizes))]

    def work(chunk: slice) -> None:
        y = x[chunk]
        for axis, result in enumerate(geometry.results, start=2):
            shape = (*y.shape[:axis], result, *y.shape[axis + 1 :])
            y = _reduced_along(ufunc, y, lines[axis - 2], shape, neutral)
        out[chunk] = y

    for_each_chunk(work, x.shape[0], _images_per_chunk(x), split=x.size >= POOL_THREAD_ELEMENTS)
    return out


def _reduced_along(ufunc: np.ufunc, y: Array, keys: Keys, shape: Shape, neutral: float) -> Array:
    every = slice(0, shape[len(keys[0][1]) - 1])
    if len(keys) > 1 and all(of[-1] == every for _, of in keys):
        # All windows are full: the first two elements of each are reduced without a start value.
        (first, _), (second, _), *keys = keys
        total: Array = ufunc(y[first], y[second])
    else:
        total = np.full(shape, neutral, y.dtype)
    for to, of in keys:
        ufunc(total[of], y[to], out=total[of])
    return total


def spread(x: Array, *, geometry: Geometry) -> Array:
    """Add the value of each window to all of its elements."""
    out = np.empty((*x.shape[:2], *geometry.sizes), x.dtype)
    lines = [_keys_along(geometry, axis) for axis in range(len(geometry.sizes))]

    def work(chunk: slice) -> None:
        y = x[chunk]
        for axis in reversed(range(2, y.ndim)):
            shape = (*y.shape[:axis], geometry.sizes[axis - 2], *y.shape[axis + 1 :])
            total = np.zeros(shape, x.dtype)
            for to, of in lines[axis - 2]:
                total[to] += y[of]
            y = total
        out[chunk] = y

    for_each_chunk(work, x.shape[0], _images_per_chunk(out), split=out.size >= POOL_THREAD_ELEMENTS)
    return out


# -- derivatives of maxima -----------------------------------------------------------------------


def maximum_adjoint(g: Array, x: Array, out: Array, *, geometry: Geometry) -> Array:
    """Divide the value of each window equally among its largest elements."""
    if compiled.computes(geometry, g, x):
        return compiled.maximum_adjoint(g, x, geometry)
    if windows := _intervals(geometry):
        return intervals.maximum_adjoint(g, x, windows)
    if _is_large(geometry):
        return _merged_adjoint(g, x, geometry)
    total = np.zeros(x.shape, g.dtype)
    keys = _keys(geometry)
    pairs = zip(geometry.window, geometry.stride, strict=True)
    # Each element is in one window at most: nothing is added (row train-cnn).
    alone = set(geometry.dilation) == {1} and all(window <= stride for window, stride in pairs)

    def work(chunk: slice) -> None:
        shares = g[chunk]
        chosen, count = _ties(x[chunk], out[chunk], keys)
        if count.max(initial=0) > 1:
            shares = shares / np.maximum(count, 1).astype(shares.real.dtype)
        # A product is faster than a choice, but zero times infinity is not zero.
        product = finite(shares)
        images = total[chunk]
        for mask, (to, of) in zip(chosen, keys, strict=True):
            if alone and product:
                np.multiply(shares[of], mask[of], out=images[to])
                continue
            given = shares * mask if product else np.where(mask, shares, shares.dtype.type(0))
            images[to] += given[of]

    for_each_chunk(work, x.shape[0], _images_per_chunk(x), split=x.size >= POOL_THREAD_ELEMENTS)
    return total


def maximum_tangent(t: Array, x: Array, out: Array, *, geometry: Geometry) -> Array:
    """Mean over the largest elements of each window."""
    if windows := _intervals(geometry):
        return intervals.maximum_tangent(t, x, windows)
    if _is_large(geometry):
        return _merged_tangent(t, x, geometry)
    total = np.zeros(out.shape, t.dtype)
    keys = _keys(geometry)

    def work(chunk: slice) -> None:
        values, sums = t[chunk], total[chunk]
        chosen, count = _ties(x[chunk], out[chunk], keys)
        for mask, (to, of) in zip(chosen, keys, strict=True):
            sums[of] += np.where(mask[of], values[to], t.dtype.type(0))
        sums /= np.maximum(count, 1).astype(t.real.dtype)

    for_each_chunk(work, x.shape[0], _images_per_chunk(x), split=x.size >= POOL_THREAD_ELEMENTS)
    return total


def _ties(x: Array, out: Array, keys: Keys) -> tuple[Iterable[Array], Array]:
    """Return masks of the elements that are the maximum of their window, and their numbers.

    NaN counts as equal to NaN. Masks of large windows are made again, one by one.
    """
    broken = bool(np.isnan(out).any())
    dtype = np.min_scalar_type(len(keys))

    def mark(mask: Array, to: Key, of: Key) -> None:
        np.equal(x[to], out[of], out=mask[of])
        if broken:
            mask[of] |= np.isnan(x[to]) & np.isnan(out[of])

    if len(keys) * out.size <= POOL_MASK_BYTES:
        chosen = np.zeros((len(keys), *out.shape), np.bool_)
        for one, pair in zip(chosen, keys, strict=True):
            mark(one, *pair)
        return chosen, np.add.reduce(chosen, axis=0, dtype=dtype)

    mask = np.zeros(out.shape, np.bool_)

    def masks() -> Iterator[Array]:
        for pair in keys:
            mask[...] = False
            mark(mask, *pair)
            yield mask

    count = np.zeros(out.shape, dtype)
    for one in masks():
        count += one
    return masks(), count


# -- large windows ------------------------------------------------------------------------------


def _intervals(geometry: Geometry) -> intervals.Windows | None:
    """Return large windows as intervals, if each element is in few of them."""
    pairs = zip(geometry.window, geometry.stride, strict=True)
    if (
        prod(geometry.window) < POOL_INTERVAL_ELEMENTS
        or set(geometry.dilation) != {1}
        or any(window > 2 * stride for window, stride in pairs)
    ):
        return None
    windows = []
    for axis, size in enumerate(geometry.sizes):
        begin = geometry.stride[axis] * np.arange(geometry.results[axis]) - geometry.start[axis]
        end = begin + geometry.window[axis]
        windows.append(intervals.Line(np.maximum(begin, 0), np.minimum(end, size)))
    return windows


def _is_large(geometry: Geometry) -> bool:
    """Return whether an operation for each place in the window costs more than merging blocks."""
    return prod(geometry.window) >= POOL_MERGED_ELEMENTS


def _merged(
    of: Callable[[Merged, slice], Array], x: Array, geometry: Geometry, size: Shape, dtype: Dtype
) -> Array:
    """Return what a function makes of the maxima of some images, for all images."""
    out = np.empty((*x.shape[:2], *size), dtype)

    def work(chunk: slice) -> None:
        out[chunk] = of(Merged(x[chunk], geometry, lowest(x.dtype)), chunk)

    for_each_chunk(work, x.shape[0], _images_per_chunk(x), split=x.size >= POOL_THREAD_ELEMENTS)
    return out


def _merged_adjoint(g: Array, x: Array, geometry: Geometry) -> Array:
    def pulled(merged: Merged, chunk: slice) -> Array:
        shares: Array = g[chunk] / merged.counts().astype(g.real.dtype)
        return merged.spread(shares)

    return _merged(pulled, x, geometry, geometry.sizes, g.dtype)


def _merged_tangent(t: Array, x: Array, geometry: Geometry) -> Array:
    def pushed(merged: Merged, chunk: slice) -> Array:
        means: Array = merged.sums(t[chunk]) / merged.counts().astype(t.real.dtype)
        return means

    return _merged(pushed, x, geometry, geometry.results, t.dtype)


# -- elements by their numbers -------------------------------------------------------------------


def argmax(x: Array, *, geometry: Geometry) -> Array:
    """Return the index of the first of the largest elements of each window."""
    best = np.full((*x.shape[:2], *geometry.results), lowest(x.dtype), x.dtype)
    found = np.full(best.shape, -1, np.int64)
    numbers = np.arange(prod(x.shape[2:]), dtype=np.int64).reshape(1, 1, *x.shape[2:])
    for to, of in _keys(geometry):
        values, held = x[to], best[of]
        better = (values > held) | (found[of] < 0) | (np.isnan(values) & ~np.isnan(held))
        np.copyto(best[of], values, where=better)
        np.copyto(found[of], numbers[to], where=better)
    return found


def place(x: Array, indices: Array, *, size: Shape) -> Array:
    """Put elements at their indices, into zeros."""
    out = np.zeros((*x.shape[:2], *size), x.dtype)
    if not x.size:
        return out
    count = prod(size)
    if indices.min() < 0 or indices.max() >= count:
        raise InvalidArgumentError(
            f"maxunpool: an index lies outside of the output sizes {size}, which have {count} "
            f"elements; the indices are from {indices.min()} to {indices.max()}"
        )
    np.put_along_axis(_flat(out), _flat(indices), _flat(x), 2)
    return out


def gather(x: Array, indices: Array) -> Array:
    """Return elements by their indices, for the last of equal indices, else zero."""
    flat, elements = _flat(indices), _flat(x)
    order = np.arange(flat.shape[-1]).reshape(1, 1, -1)
    last = np.empty(elements.shape, order.dtype)
    np.put_along_axis(last, flat, np.broadcast_to(order, flat.shape), 2)
    stayed = np.take_along_axis(last, flat, 2) == order
    found = np.where(stayed, np.take_along_axis(elements, flat, 2), 0)
    return found.astype(x.dtype, copy=False).reshape(indices.shape)


def _flat(x: Array) -> Array:
    return x.reshape(x.shape[0], x.shape[1], prod(x.shape[2:]))
