"""Kernels of convolution, on raw arrays: products with unfolded images.

They unfold a few images at a time into a matrix that stays in the cache, and multiply it; the batch
is split over the cores. `dlgradient.nn.convolution.trilinear` says what each of them computes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from dlgradient.core.threads import in_blocks, one_blas_thread

__all__ = ["convolve", "correlate", "deconvolve", "places"]

Sizes = tuple[int, ...]
Array = np.ndarray[Any, Any]

_CACHE = 1 << 20  # bytes of unfolded images that are multiplied at once
_WIDE = 0.35  # the largest part of rows that may be thrown away
_SAVED = 16  # as many multiplications take the time that a longer run saves for one element
_WORK = 1 << 20  # multiplications; below, a second thread costs more than it saves


class _Images:
    """Padded images of a block, and the view that unfolds a strip of their results.

    Attributes
    ----------
    rows : tuple of int
        Sizes of the unfolded result of one image. If `wide`, its last two dimensions are one run
        through the padded image, in which columns between the rows are computed and thrown away;
        copying runs of several hundred elements is much faster than of some twenty.
    products : int or None
        Multiplications for each unfolded element; None: rows must not be wide.
    strip : slice
        Results along the first size.
    block : int
        Number of images that are unfolded at once.
    """

    def __init__(
        self,
        x: Array,
        kernel: Sizes,
        size: Sizes,
        dtype: Any,
        *,
        stride: Sizes,
        dilation: Sizes,
        start: Sizes,
        groups: int,
        products: int | None,
        strip: slice,
    ) -> None:
        size = (strip.stop - strip.start, *size[1:])
        start = (start[0] - stride[0] * strip.start, *start[1:])
        self.x, self.kernel, self.size, self.groups = x, kernel, size, groups
        self.stride, self.dilation = stride, dilation
        self.channels = x.shape[1]
        reach = [
            s * (o - 1) + d * (k - 1) + 1
            for s, o, d, k in zip(stride, size, dilation, kernel, strict=True)
        ]
        self.padded = tuple(reach)
        # What lies in both, the image and the padded image, in the coordinates of each.
        self.inner = tuple(
            [
                slice(max(a, 0), max(min(n, a + i), a, 0))
                for a, n, i in zip(start, reach, x.shape[2:], strict=True)
            ]
        )
        self.source = tuple(
            [slice(s.start - a, s.stop - a) for s, a in zip(self.inner, start, strict=True)]
        )
        extra = reach[-1] / size[-1] - 1 if size[-1] else 0
        self.wide = (
            products is not None
            and len(size) > 1
            and stride[-2:] == (1, 1)
            and 0 < extra <= min(_WIDE, _SAVED / products)
        )
        width = reach[-1] if self.wide else size[-1]
        self.laid = (*size[:-1], width)
        self.rows = (*size[:-2], size[-2] * width) if self.wide else size
        self.dtype = dtype
        per_image = self.channels * prod(kernel) * prod(self.rows) * np.dtype(dtype).itemsize
        self.block = max(1, _CACHE // max(per_image, 1))

    def columns(self, part: slice) -> Iterator[tuple[slice, Array]]:
        """Yield blocks of images, and each unfolded to (groups, channels·kernel, block·rows)."""
        size = min(self.block, part.stop - part.start)
        for first in range(part.start, part.stop, size or 1):
            block = slice(first, min(first + size, part.stop))
            if first == part.start or block.stop - block.start != size:
                image, view, unfolded = self._buffers(block.stop - block.start)
            image[...] = self.x[block][(slice(None), slice(None), *self.source)]
            unfolded[...] = view
            yield (
                block,
                unfolded.reshape(
                    self.groups, -1, view.shape[-1 - len(self.rows)] * prod(self.rows)
                ),
            )

    def _buffers(self, count: int) -> tuple[Array, Array, Array]:
        """Return the inside of padded images, their unfolding view, and room for what it shows."""
        tail = sum(d * (k - 1) for d, k in zip(self.dilation, self.kernel, strict=True))
        flat = np.zeros(count * self.channels * prod(self.padded) + tail, self.dtype)
        padded = flat[: flat.size - tail].reshape(count, self.channels, *self.padded)
        of_image, of_channel, *steps = padded.strides
        moves = [s * t for s, t in zip(self.stride, steps, strict=True)]
        if self.wide:
            moves[-2:] = moves[-1:]
        view = np.lib.stride_tricks.as_strided(
            flat,
            (self.channels, *self.kernel, count, *self.rows),
            (
                of_channel,
                *[d * t for d, t in zip(self.dilation, steps, strict=True)],
                of_image,
                *moves,
            ),
            writeable=False,
        )
        inside = padded[(slice(None), slice(None), *self.inner)]
        return inside, view, np.empty(view.shape, self.dtype)


def _strips(channels: int, kernel: Sizes, size: Sizes, dtype: Any) -> list[slice]:
    """Cut the results of one image, if they unfold to much more than the cache holds."""
    nbytes = channels * prod(kernel) * prod(size) * dtype.itemsize
    # An even number, so that two cores share one image equally.
    count = 1 if nbytes <= 2 * _CACHE else min(size[0], 2 * -(-nbytes // (2 * _CACHE)))
    bounds = [size[0] * i // count for i in range(count + 1)]
    return [slice(*pair) for pair in pairwise(bounds)]


def _for_each(
    work: Callable[[slice, int], Any], batch: int, strips: list[slice], *, split: bool
) -> list[Any]:
    """Return ``work(images, strip)`` for all of the batch, whose parts are on all cores."""

    def several(images: slice, numbers: range) -> list[Any]:
        return [work(images, i) for i in numbers]

    every = range(len(strips))
    if batch == 1:
        runs = in_blocks(lambda part: several(slice(0, 1), every[part]), len(strips), split=split)
    else:
        runs = in_blocks(lambda part: several(part, every), batch, split=split)
    return [result for run in runs for result in run]


def _enough(x: Array, w_shape: Sizes, size: Sizes) -> bool:
    return bool(x.shape[0] * prod(w_shape) * prod(size) >= _WORK)


def convolve(
    x: Array, w: Array, size: Sizes, groups: int, bias: Any = None, **geometry: Any
) -> Array:
    """Results of `size` for input and kernel, plus a bias for each filter if there is one."""
    dtype = np.result_type(x, w) if bias is None else np.result_type(x, w, bias)
    filters = w.shape[0]
    out = np.empty((x.shape[0], filters, *size), dtype)
    if not out.size:
        return out
    if not w.size or not x.size:
        out[...] = 0 if bias is None else bias.reshape(-1, *[1] * len(size))
        return out
    offsets = None if bias is None else bias.reshape(groups, filters // groups, 1)

    def store(block: slice, strip: slice, y: Array) -> None:
        out[block, :, strip] = y.swapaxes(0, 1)

    _multiply(x, w, size, groups, dtype, offsets, store, **geometry)
    return out


def _multiply(
    x: Array,
    w: Array,
    size: Sizes,
    groups: int,
    dtype: Any,
    offsets: Any,
    store: Callable[[slice, slice, Array], None],
    **geometry: Any,
) -> None:
    """Convolve, and hand results to ``store(images, strip, y)``, y being (filters, images, ...)."""
    filters, kernel = w.shape[0], w.shape[2:]
    geometry |= {"groups": groups, "products": filters // groups}
    weights = w.reshape(groups, filters // groups, -1).astype(dtype, copy=False)
    strips = _strips(x.shape[1], kernel, size, dtype)

    def work(part: slice, number: int) -> None:
        y = np.empty(0, dtype)
        images = _Images(x, kernel, size, dtype, strip=strips[number], **geometry)
        for block, columns in images.columns(part):
            shape = (groups, filters // groups, columns.shape[-1])
            if y.shape != shape:
                y = np.empty(shape, dtype)
            np.matmul(weights, columns, out=y)
            if offsets is not None:
                y += offsets
            count = block.stop - block.start
            laid = y.reshape(filters, count, *images.laid)
            store(block, strips[number], laid[..., : images.size[-1]])

    with one_blas_thread():
        _for_each(work, x.shape[0], strips, split=_enough(x, w.shape, size))


def correlate(
    x: Array, y: Array, kernel: Sizes, groups: int, *, wide: bool = True, **geometry: Any
) -> Array:
    """Kernel of the sizes `kernel` for input and result."""
    dtype = np.result_type(x, y)
    filters, size = y.shape[1], y.shape[2:]
    shape = (filters, x.shape[1] // groups, *kernel)
    if not (x.size and y.size and prod(kernel)):
        return np.zeros(shape, dtype)
    geometry |= {"groups": groups}
    strips = _strips(x.shape[1], kernel, size, dtype)
    run = [False] * len(strips)

    def work(part: slice, number: int) -> Array:
        strip, products = strips[number], filters // groups if wide else None
        images = _Images(x, kernel, size, dtype, products=products, strip=strip, **geometry)
        run[number] = images.wide
        total = np.empty((groups, filters // groups, prod(shape[1:])), dtype)
        product = np.empty(0, dtype)
        laid = np.empty((0, 0), dtype)
        for block, columns in images.columns(part):
            count = block.stop - block.start
            if laid.shape[1] != count:
                # Zero in the columns between the rows, which are no part of the result.
                laid = np.zeros((filters, count, *images.laid), dtype)
            laid[..., : images.size[-1]] = y[block, :, strip].swapaxes(0, 1)
            rows = laid.reshape(groups, filters // groups, -1)
            if block.start == part.start:
                np.matmul(rows, columns.swapaxes(1, 2), out=total)
                continue
            product = product if product.size else np.empty_like(total)
            np.matmul(rows, columns.swapaxes(1, 2), out=product)
            total += product
        return total

    # Of what is thrown away nobody need be warned.
    with one_blas_thread(), np.errstate(invalid="ignore" if wide else None):
        parts = _for_each(work, x.shape[0], strips, split=_enough(x, shape, size))
    total: Array = sum(parts[1:], start=parts[0])
    if any(run) and not np.isfinite(total).all():
        # Columns between the rows count with the factor zero, which is none for infinity and NaN.
        return correlate(x, y, kernel, wide=False, **geometry)
    return total.reshape(shape)


# Nanoseconds for a multiplication, to unfold an element, and to add one where it belongs.
_PRODUCT, _UNFOLD, _ADD = 1 / 36, 0.3, 2.0


def deconvolve(
    y: Array, w: Array, size: Sizes, groups: int, stride: Sizes, dilation: Sizes, start: Sizes
) -> Array:
    """Input of `size` for result and kernel: by gathering or by scattering, what is faster."""
    shape, dtype = (y.shape[0], w.shape[1] * groups, *size), np.result_type(y, w)
    if not (prod(shape) and y.size and w.size):
        return np.zeros(shape, dtype)
    filters, channels, kernel = w.shape[0] // groups, w.shape[1], w.shape[2:]
    taps, grid = _phases(kernel, size, stride, start)
    gathered, scattered = prod(taps) * prod(grid), prod(kernel) * prod(y.shape[2:])
    products = filters * channels * _PRODUCT
    gather = gathered * (products * prod(stride) + filters * _UNFOLD)
    mixed = any(s > 1 and d > 1 for s, d in zip(stride, dilation, strict=True))
    # Phases of fewer places than others have factors zero, which are none for infinity and NaN.
    exact = all(k % s == 0 for k, s in zip(kernel, stride, strict=True)) or np.isfinite(y.sum())
    if mixed or not exact or gather > scattered * (products + channels * _ADD):
        out = np.zeros(shape, dtype)
        _scatter(y, w, out, groups, stride, dilation, start)
    else:
        out = np.empty(shape, dtype)
        _gather(y, w, out, groups, stride, dilation, start)
    return out


def _phases(kernel: Sizes, size: Sizes, stride: Sizes, start: Sizes) -> tuple[Sizes, Sizes]:
    """Sizes of the kernel that each phase of the stride sees, and of the grid of all phases."""
    taps = tuple([-(-k // s) for k, s in zip(kernel, stride, strict=True)])
    grid = [(n - 1 + a) // s - a // s + 1 for n, s, a in zip(size, stride, start, strict=True)]
    return taps, tuple(grid)


def _gather(
    y: Array, w: Array, out: Array, groups: int, stride: Sizes, dilation: Sizes, start: Sizes
) -> None:
    """Transposed convolution as a convolution, with the kernel turned round.

    Element i = s·q + r - start of the result sees the places r, r + s, r + 2s, ... of the kernel
    only: those of its phase r. So the phases are filters of one convolution of stride one, whose
    results at q interleave. Where a phase has fewer places than others, its kernel ends with zeros.
    """
    size, kernel = out.shape[2:], w.shape[2:]
    filters, channels = w.shape[0] // groups, w.shape[1]
    taps, grid = _phases(kernel, size, stride, start)
    behind = [(0, m * s - k) for m, s, k in zip(taps, stride, kernel, strict=True)]
    whole = np.pad(w, [(0, 0), (0, 0), *behind]) if any(map(any, behind)) else w
    split = [n for pair in zip(taps, stride, strict=True) for n in pair]
    # (groups, filters, channels, taps, stride, taps, stride, ...), the taps reversed.
    phased = whole.reshape(groups, filters, channels, *split)
    of_taps = range(3, phased.ndim, 2)
    phased = np.flip(phased, tuple(of_taps))
    phased = phased.transpose(0, 2, *range(4, phased.ndim, 2), 1, *of_taps)
    phased = phased.reshape(groups * channels * prod(stride), filters, *taps)
    starts = tuple(
        [d * (m - 1) - a // s for d, m, a, s in zip(dilation, taps, start, stride, strict=True)]
    )

    def store(block: slice, strip: slice, laid: Array) -> None:
        parts = laid.reshape(groups * channels, *stride, *laid.shape[1:])
        target = out[block].swapaxes(0, 1)
        for phase in np.ndindex(*stride):
            of, to = _interleaved(phase, size, stride, start, strip)
            target[(slice(None), slice(None), *to)] = parts[(slice(None), *phase, slice(None), *of)]

    ones = (1,) * len(size)
    _multiply(
        y,
        phased,
        grid,
        groups,
        out.dtype,
        None,
        store,
        stride=ones,
        dilation=dilation,
        start=starts,
    )


def _interleaved(
    phase: Sizes, size: Sizes, stride: Sizes, start: Sizes, strip: slice
) -> tuple[list[slice], list[slice]]:
    """Return where a phase stands in a strip of the grid of all phases, and where in the result."""
    of, to = [], []
    for axis, (r, n, s, a) in enumerate(zip(phase, size, stride, start, strict=True)):
        i = (r - a) % s
        before = (i + a) // s - a // s  # elements of the grid without one of this phase
        first, last, origin = before, before + len(range(i, n, s)), 0
        if axis == 0:
            first, origin = max(first, strip.start), strip.start
            last = max(first, min(last, strip.stop))
        of.append(slice(first - origin, last - origin))
        begin = i + s * (first - before)
        to.append(slice(begin, begin + s * (last - first), s))
    return of, to


def _scatter(
    y: Array, w: Array, out: Array, groups: int, stride: Sizes, dilation: Sizes, start: Sizes
) -> None:
    """Transposed convolution by adding the products of each element where they belong."""
    filters, per_group, *kernel = w.shape
    channels = per_group * groups
    dtype = out.dtype
    weights = w.reshape(groups, filters // groups, -1).swapaxes(1, 2).astype(dtype, copy=False)
    moves = list(places(tuple(kernel), out.shape[2:], y.shape[2:], stride, dilation, start))
    per_image = channels * prod(kernel) * prod(y.shape[2:]) * dtype.itemsize
    step = max(1, _CACHE // per_image)

    def work(part: slice) -> None:
        for first in range(part.start, part.stop, step):
            block = slice(first, min(first + step, part.stop))
            rows = y[block].swapaxes(0, 1).reshape(groups, filters // groups, -1)
            unfolded = np.matmul(weights, rows.astype(dtype, copy=False))
            count = block.stop - block.start
            unfolded = unfolded.reshape(channels, *kernel, count, *y.shape[2:])
            target = out[block].swapaxes(0, 1)
            for index, to, of in moves:
                target[(slice(None), slice(None), *to)] += unfolded[
                    (slice(None), *index, slice(None), *of)
                ]

    with one_blas_thread():
        in_blocks(work, y.shape[0], split=_enough(y, w.shape, y.shape[2:]))


def places(
    kernel: Sizes, size: Sizes, result: Sizes, stride: Sizes, dilation: Sizes, start: Sizes
) -> Iterator[tuple[Sizes, tuple[slice, ...], tuple[slice, ...]]]:
    """For each element of a kernel: where it takes its elements, and the results it gives to."""
    for index in np.ndindex(*kernel):
        to, of = [], []
        for k, n, o, s, d, a in zip(index, size, result, stride, dilation, start, strict=True):
            offset = d * k - a
            first = max(0, -(offset // s))  # the first result whose element is not before the array
            last = min(o, -((offset - n) // s))  # behind the last one that is not beyond it
            last = max(first, last)
            of.append(slice(first, last))
            # Empty slices must not have a negative start.
            begin = max(0, s * first + offset)
            to.append(slice(begin, begin + max(0, s * (last - first - 1) + 1), s))
            if last == first:
                to[-1] = slice(0, 0)
        yield index, tuple(to), tuple(of)
