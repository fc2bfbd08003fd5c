"""Kernels of convolution on raw arrays: products with unfolded images.

They unfold a few images at a time into a matrix that stays in the cache, and multiply it. The batch
is split over the cores. `dlgradient.nn.convolution.trilinear` says what each of them computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import prod
from typing import TypeVar

import numpy as np

from dlgradient.core.sizes import (
    ADD_NANOSECONDS,
    CONV_THREAD_MULTIPLICATIONS,
    PRODUCT_NANOSECONDS,
    UNFOLD_NANOSECONDS,
    UNFOLDED_BYTES,
    WIDE_MULTIPLICATIONS,
    WIDE_PART,
)
from dlgradient.core.threads import in_blocks, one_blas_thread
from dlgradient.core.types import Array, Dtype, Key, Shape
from dlgradient.nn.convolution import compiled, depthwise, pointwise, runs
from dlgradient.nn.convolution.depthwise import Store
from dlgradient.nn.shared.blocks import chunks, for_each_chunk, items_within
from dlgradient.nn.shared.geometry import Geometry
from dlgradient.nn.shared.sums import finite

__all__ = ["convolve", "correlate", "deconvolve"]

T = TypeVar("T")
_ALL = slice(None)


# -- unfolding -----------------------------------------------------------------------------------


class Unfolding:
    """Padded images of a chunk of the batch, and a view that unfolds them.

    If it is `wide`, the last two dimensions of the results are one run through the padded image.
    Columns between the rows are then computed and dropped. Copies of runs of several hundred
    elements are much faster than those of some twenty (row cnn).

    Parameters
    ----------
    x : array
        Shape (batch, channels, *sizes).
    geometry : Geometry
    dtype : dtype
        Of the products.
    products : int
        Multiplications for each unfolded element.

    Attributes
    ----------
    width : int
        Columns of the last dimension that are computed.
    laid : tuple of int
        Sizes of the results, with columns that are dropped.
    """

    def __init__(self, x: Array, geometry: Geometry, dtype: Dtype, products: int) -> None:
        self.x, self.geometry, self.dtype = x, geometry, dtype
        results, stride = geometry.results, geometry.stride
        self.padded, self.inner, self.source = geometry.frame
        extra = self.padded[-1] / results[-1] - 1 if results[-1] else 0
        self.wide = (
            len(results) > 1
            and stride[-2:] == (1, 1)
            and 0 < extra <= min(WIDE_PART, WIDE_MULTIPLICATIONS / products)
        )
        width = self.padded[-1] if self.wide else results[-1]
        self.laid = (*results[:-1], width)
        self.rows = (*results[:-2], results[-2] * width) if self.wide else results
        elements = x.shape[1] * prod(geometry.window) * prod(self.rows)
        self.at_once = items_within(UNFOLDED_BYTES, elements * dtype.itemsize)

    def columns(self, part: slice) -> Iterator[tuple[slice, Array]]:
        """Yield chunks of images, and each unfolded to (groups, channels·window, images·rows)."""
        size = min(self.at_once, part.stop - part.start)
        for chunk in chunks(part, size or 1):
            count = chunk.stop - chunk.start
            # The zeros around the image stay, so one buffer serves all chunks of a size.
            if chunk.start == part.start or count != size:
                image, view, unfolded = self._buffers(count)
            image[...] = self.x[chunk][(_ALL, _ALL, *self.source)]
            unfolded[...] = view
            yield chunk, unfolded.reshape(self.geometry.groups, -1, count * prod(self.rows))

    def _buffers(self, count: int) -> tuple[Array, Array, Array]:
        """Return the inside of padded images, their unfolding view, and a buffer for its copy."""
        geometry, channels = self.geometry, self.x.shape[1]
        # The view of a run may read beyond the last image; what it reads is dropped.
        tail = sum(geometry.reach) - len(geometry.reach)
        flat = np.zeros(count * channels * prod(self.padded) + tail, self.dtype)
        padded = flat[: flat.size - tail].reshape(count, channels, *self.padded)
        of_image, of_channel, *steps = padded.strides
        moves = [s * t for s, t in zip(geometry.stride, steps, strict=True)]
        if self.wide:
            moves[-2:] = moves[-1:]
        gaps = [d * t for d, t in zip(geometry.dilation, steps, strict=True)]
        view = np.lib.stride_tricks.as_strided(
            flat,
            (channels, *geometry.window, count, *self.rows),
            (of_channel, *gaps, of_image, *moves),
            writeable=False,
        )
        return padded[(_ALL, _ALL, *self.inner)], view, np.empty(view.shape, self.dtype)


def _strips(channels: int, geometry: Geometry, dtype: Dtype) -> list[slice]:
    """Return strips of the results of one image, if they unfold to much more than the cache."""
    nbytes = channels * prod(geometry.window) * prod(geometry.results) * dtype.itemsize
    rows = geometry.results[0]
    # An even number, so that two cores share one image equally.
    count = 1 if nbytes <= 2 * UNFOLDED_BYTES else min(rows, 2 * -(-nbytes // (2 * UNFOLDED_BYTES)))
    return [slice(*pair) for pair in pairwise([rows * i // count for i in range(count + 1)])]


def _for_each_strip(
    work: Callable[[slice, int], T], batch: int, strips: list[slice], *, split: bool
) -> list[T]:
    """Return ``work(images, strip)`` for the whole batch, whose parts are on all cores."""

    def several(images: slice, numbers: range) -> list[T]:
        return [work(images, i) for i in numbers]

    every = range(len(strips))
    if batch == 1:
        runs = in_blocks(lambda part: several(slice(0, 1), every[part]), len(strips), split=split)
    else:
        runs = in_blocks(lambda part: several(part, every), batch, split=split)
    return [result for run in runs for result in run]


def _needs_threads(batch: int, kernel: Shape, results: Shape) -> bool:
    """Return whether the work is enough for another thread."""
    return bool(batch * prod(kernel) * prod(results) >= CONV_THREAD_MULTIPLICATIONS)


# -- convolution ---------------------------------------------------------------------------------


def convolve(x: Array, w: Array, bias: Array | None = None, *, geometry: Geometry) -> Array:
    """Return results for input and kernel, plus a bias for each filter if there is one."""
    dtype = np.result_type(x, w) if bias is None else np.result_type(x, w, bias)
    filters, groups = w.shape[0], geometry.groups
    out = np.empty((x.shape[0], filters, *geometry.results), dtype)
    if not out.size:
        return out
    if not w.size or not x.size:
        out[...] = 0 if bias is None else bias.reshape(-1, *[1] * len(geometry.results))
        return out
    offsets = None if bias is None else bias.reshape(groups, filters // groups, 1)
    if pointwise.pays(x, geometry):
        split = _needs_threads(x.shape[0], w.shape, geometry.results)
        pointwise.convolve(x, w, geometry, offsets, out, split=split)
    elif not finite(w):
        _convolve_by_place(x, w, offsets, geometry, out)
    elif compiled.computes(x, w.shape, geometry, dtype):
        compiled.convolve(x, w, geometry, offsets, out)
    elif runs.computes(x.shape[0], w.shape, geometry, dtype):
        runs.convolve(x, w, geometry, bias, out)
    else:
        _multiply(x, w, geometry, dtype, offsets, _storing(out))
    return out


def _storing(out: Array) -> Store:
    """Return what writes results to `out`."""

    def store(images: slice, channels: slice, rows: slice, y: Array) -> None:
        out[images, channels, rows] = y.swapaxes(0, 1)

    return store


def _multiply(
    x: Array, w: Array, geometry: Geometry, dtype: Dtype, offsets: Array | None, store: Store
) -> None:
    """Convolve, and pass results to `store`."""
    filters, groups = w.shape[0], geometry.groups
    split = _needs_threads(x.shape[0], w.shape, geometry.results)
    if depthwise.pays(x, w.shape, geometry, dtype) and (w.all() or finite(x)):
        depthwise.convolve(x, w, geometry, dtype, offsets, store, split=split)
        return
    if depthwise.is_small(w.shape, geometry, dtype):
        depthwise.convolve_small(x, w, geometry, dtype, offsets, store, split=split)
        return
    weights = w.reshape(groups, filters // groups, -1).astype(dtype, copy=False)
    strips = _strips(x.shape[1], geometry, dtype)

    def work(part: slice, number: int) -> None:
        y: Array = np.empty(0, dtype)
        images = Unfolding(x, geometry.strip(strips[number]), dtype, filters // groups)
        for chunk, columns in images.columns(part):
            shape = (groups, filters // groups, columns.shape[-1])
            if y.shape != shape:
                y = np.empty(shape, dtype)
            np.matmul(weights, columns, out=y)
            if offsets is not None:
                y += offsets
            laid = y.reshape(filters, chunk.stop - chunk.start, *images.laid)
            store(chunk, _ALL, strips[number], laid[..., : images.geometry.results[-1]])

    # Images are on all cores, so each product is on one.
    with one_blas_thread():
        _for_each_strip(work, x.shape[0], strips, split=split)


def _convolve_by_place(
    x: Array, w: Array, offsets: Array | None, geometry: Geometry, out: Array
) -> None:
    """Convolve with a kernel that is not finite, whose product with a zero of padding were NaN."""
    groups = geometry.groups
    out[...] = 0
    for index, to, of in geometry.places():
        columns = _grouped(x[(_ALL, _ALL, *to)], groups)
        key: Key = (_ALL, _ALL, *index)
        weights = w[key].reshape(groups, -1, w.shape[1])
        target = out[(_ALL, _ALL, *of)]
        target += np.matmul(weights, columns).reshape(target.shape)
    if offsets is not None:
        out += offsets.reshape(-1, *[1] * len(geometry.results))


def _grouped(x: Array, groups: int) -> Array:
    """Return images as (batch, groups, channels of a group, elements)."""
    batch, channels, *sizes = x.shape
    return x.reshape(batch, groups, channels // groups, prod(sizes))


# -- correlation ---------------------------------------------------------------------------------


def correlate(x: Array, y: Array, *, geometry: Geometry) -> Array:
    """Return the kernel for input and result."""
    dtype, groups = np.result_type(x, y), geometry.groups
    filters, channels = y.shape[1], x.shape[1] // groups
    shape = (filters, channels, *geometry.window)
    if not (x.size and y.size and prod(geometry.window)):
        return np.zeros(shape, dtype)
    split = _needs_threads(x.shape[0], shape, geometry.results)
    if pointwise.pays(x, geometry):
        return pointwise.correlate(x, y, geometry, dtype, split=split)
    if depthwise.pays(x, shape, geometry, dtype):
        total = depthwise.correlate(x, y, geometry, dtype, split=split)
        return total if finite(total) else _correlate_by_place(x, y, geometry, total)
    if runs.computes(x.shape[0], shape, geometry, dtype):
        total = runs.correlate(x, y, shape, geometry, dtype)
        return total if finite(total) else _correlate_by_place(x, y, geometry, total)
    strips = _strips(x.shape[1], geometry, dtype)

    def work(part: slice, number: int) -> Array:
        strip = strips[number]
        images = Unfolding(x, geometry.strip(strip), dtype, filters // groups)
        total = np.empty((groups, filters // groups, prod(shape[1:])), dtype)
        product = np.empty(0, dtype)
        laid = np.empty((0, 0), dtype)
        for chunk, columns in images.columns(part):
            count = chunk.stop - chunk.start
            if laid.shape[1] != count:
                # Zero in the columns between the rows, which do not belong to the result.
                laid = np.zeros((filters, count, *images.laid), dtype)
            laid[..., : images.geometry.results[-1]] = y[chunk, :, strip].swapaxes(0, 1)
            rows = laid.reshape(groups, filters // groups, -1)
            if chunk.start == part.start:
                np.matmul(rows, columns.swapaxes(1, 2), out=total)
                continue
            product = product if product.size else np.empty_like(total)
            np.matmul(rows, columns.swapaxes(1, 2), out=product)
            total += product
        return total

    with one_blas_thread(), np.errstate(invalid="ignore"):
        parts = _for_each_strip(work, x.shape[0], strips, split=split)
    # Each part has its own sum, so that threads do not add into one array.
    total = sum(parts[1:], start=parts[0])
    if not finite(total):
        return _correlate_by_place(x, y, geometry, total.reshape(shape))
    return total.reshape(shape)


def _correlate_by_place(x: Array, y: Array, geometry: Geometry, out: Array) -> Array:
    """Correlate arrays that are not finite.

    Zeros of padding and columns between the rows are no factors then, since zero times infinity is
    not zero.
    """
    groups = geometry.groups
    for index, to, of in geometry.places():
        columns = _grouped(x[(_ALL, _ALL, *to)], groups)
        rows = _grouped(y[(_ALL, _ALL, *of)], groups)
        products = np.matmul(rows, columns.swapaxes(2, 3))
        key: Key = (_ALL, _ALL, *index)
        out[key] = np.add.reduce(products, axis=0).reshape(out.shape[:2])
    return out


# -- transposed convolution ----------------------------------------------------------------------


def deconvolve(y: Array, w: Array, *, geometry: Geometry) -> Array:
    """Return the input for result and kernel, by gathering or scattering, whichever is faster."""
    shape = (y.shape[0], w.shape[1] * geometry.groups, *geometry.sizes)
    dtype = np.result_type(y, w)
    if not (prod(shape) and y.size and w.size):
        return np.zeros(shape, dtype)
    if pointwise.pays(y, geometry):
        groups = geometry.groups
        turned = w.reshape(groups, -1, w.shape[1]).swapaxes(1, 2)
        return convolve(y, turned.reshape(shape[1], -1, *geometry.window), geometry=geometry)
    if set(geometry.stride) == {1} and compiled.computes(y, w.shape, geometry, dtype):
        reversed_kernel, inner = _phased(w, geometry)
        return convolve(y, reversed_kernel, geometry=inner)
    if runs.computes(y.shape[0], w.shape, geometry, dtype) and finite(w):
        out = np.empty(shape, dtype)
        runs.deconvolve(y, w, geometry, out)
        return out
    # Phases with fewer places have factors zero, and gathering pads the result with zeros: neither
    # removes infinity and NaN.
    whole = all(k % s == 0 for k, s in zip(geometry.window, geometry.stride, strict=True))
    if _prefers_gathering(w, geometry) and finite(w) and (whole or finite(y)):
        return _gather(y, w, geometry, np.empty(shape, dtype))
    return _scatter(y, w, geometry, np.zeros(shape, dtype))


def _prefers_gathering(w: Array, geometry: Geometry) -> bool:
    """Compare the times of both ways; gathering handles a stride or a dilation, not both."""
    if any(s > 1 and d > 1 for s, d in zip(geometry.stride, geometry.dilation, strict=True)):
        return False
    filters, channels = w.shape[0] // geometry.groups, w.shape[1]
    taps, grid = _phases(geometry)
    gathered, scattered = prod(taps) * prod(grid), prod(geometry.window) * prod(geometry.results)
    products = filters * channels * PRODUCT_NANOSECONDS
    gather = gathered * (products * prod(geometry.stride) + filters * UNFOLD_NANOSECONDS)
    return bool(gather <= scattered * (products + channels * ADD_NANOSECONDS))


def _phases(geometry: Geometry) -> tuple[Shape, Shape]:
    """Return the sizes of the kernel of each phase, and of the grid of all phases."""
    taps = [-(-k // s) for k, s in zip(geometry.window, geometry.stride, strict=True)]
    lines = zip(geometry.sizes, geometry.stride, geometry.start, strict=True)
    return tuple(taps), tuple([(n - 1 + a) // s - a // s + 1 for n, s, a in lines])


def _gather(y: Array, w: Array, geometry: Geometry, out: Array) -> Array:
    """Transposed convolution as a convolution with a reversed kernel.

    Element i = s·q + r - start of the result uses only the places r, r + s, r + 2s, ... of the
    kernel, which are those of its phase r. So the phases are filters of one convolution of stride
    one, whose results at q are interleaved. Where a phase has fewer places than others, its kernel
    ends with zeros.
    """
    stride = geometry.stride
    phased, inner = _phased(w, geometry)

    def store(images: slice, of_phases: slice, rows: slice, laid: Array) -> None:
        # One by one, if each channel has one phase.
        parts = laid.reshape(-1, *stride, *laid.shape[1:])
        target = out[images, of_phases].swapaxes(0, 1)
        for phase in np.ndindex(*stride):
            of, to = _interleaved(phase, geometry, rows)
            target[(_ALL, _ALL, *to)] = parts[(_ALL, *phase, _ALL, *of)]

    _multiply(y, phased, inner, out.dtype, None, store)
    return out


def _phased(w: Array, geometry: Geometry) -> tuple[Array, Geometry]:
    """Return the kernel of the phases, with a filter for each, and their geometry."""
    groups, stride = geometry.groups, geometry.stride
    filters, channels = w.shape[0] // groups, w.shape[1]
    taps, grid = _phases(geometry)
    lines = zip(taps, stride, geometry.window, strict=True)
    after = [(0, m * s - k) for m, s, k in lines]
    # A stride that does not divide the window leaves some phases one place short.
    whole = np.pad(w, [(0, 0), (0, 0), *after]) if any(map(any, after)) else w
    split = [n for pair in zip(taps, stride, strict=True) for n in pair]
    # (groups, filters, channels, taps, stride, taps, stride, ...), the taps reversed.
    phased = whole.reshape(groups, filters, channels, *split)
    of_taps = range(3, phased.ndim, 2)
    phased = np.flip(phased, tuple(of_taps))
    phased = phased.transpose(0, 2, *range(4, phased.ndim, 2), 1, *of_taps)
    starts = zip(geometry.dilation, taps, geometry.start, stride, strict=True)
    inner = Geometry(
        sizes=geometry.results,
        window=taps,
        results=grid,
        stride=(1,) * len(stride),
        dilation=geometry.dilation,
        start=tuple([d * (m - 1) - a // s for d, m, a, s in starts]),
        groups=groups,
    )
    return phased.reshape(groups * channels * prod(stride), filters, *taps), inner


def _interleaved(phase: Shape, geometry: Geometry, rows: slice) -> tuple[list[slice], list[slice]]:
    """Return where a phase is in a strip of the grid of all phases, and in the result."""
    of, to = [], []
    lines = zip(phase, geometry.sizes, geometry.stride, geometry.start, strict=True)
    for axis, (r, n, s, a) in enumerate(lines):
        i = (r - a) % s
        before = (i + a) // s - a // s  # elements of the grid without one of this phase
        first, last, origin = before, before + len(range(i, n, s)), 0
        if axis == 0:
            first, origin = max(first, rows.start), rows.start
            last = max(first, min(last, rows.stop))
        of.append(slice(first - origin, last - origin))
        begin = i + s * (first - before)
        to.append(slice(begin, begin + s * (last - first), s))
    return of, to


def _scatter(y: Array, w: Array, geometry: Geometry, out: Array) -> Array:
    """Transposed convolution by adding the products of each element at their places."""
    filters, per_group, *window = w.shape
    groups, dtype = geometry.groups, out.dtype
    channels = per_group * groups
    weights = w.reshape(groups, filters // groups, -1).swapaxes(1, 2).astype(dtype, copy=False)
    moves = list(geometry.places())
    per_image = channels * prod(window) * prod(geometry.results) * dtype.itemsize

    def work(chunk: slice) -> None:
        rows = y[chunk].swapaxes(0, 1).reshape(groups, filters // groups, -1)
        unfolded = np.matmul(weights, rows.astype(dtype, copy=False))
        count = chunk.stop - chunk.start
        unfolded = unfolded.reshape(channels, *window, count, *geometry.results)
        target = out[chunk].swapaxes(0, 1)
        for index, to, of in moves:
            target[(_ALL, _ALL, *to)] += unfolded[(_ALL, *index, _ALL, *of)]

    with one_blas_thread():
        split = _needs_threads(y.shape[0], w.shape, geometry.results)
        for_each_chunk(work, y.shape[0], items_within(UNFOLDED_BYTES, per_image), split=split)
    return out
