"""Kernels of convolution with one channel and one filter in each group.

With stride one, a channel of some padded images is one run. Each place in the window is then a
distance along the run, and one call of the linear algebra adds its multiple. What lies between the
rows of the results is computed too, and dropped. Unfolding would copy each element for each place,
for one product.

A few small images have short runs. They are laid out with the channels last, so that each place is
one product of long lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

import numpy as np

from dlgradient.core.sizes import (
    DEPTHWISE_IMAGE_BYTES,
    DEPTHWISE_ROWS_BYTES,
    DEPTHWISE_RUN_BYTES,
    DEPTHWISE_RUN_ELEMENTS,
)
from dlgradient.core.threads import in_blocks, one_blas_thread
from dlgradient.core.types import Array, Dtype, Shape
from dlgradient.nn.shared.blocks import chunks, items_within
from dlgradient.nn.shared.geometry import Geometry

__all__ = ["Store", "convolve", "convolve_small", "correlate", "is_small", "pays"]

# Uses the results of some images and filters: ``store(images, filters, rows, y)``, where y is
# (filters, images, *results).
Store = Callable[[slice, slice, slice, Array], None]
_ALL = slice(None)


def pays(x: Array, kernel: Shape, geometry: Geometry, dtype: Dtype) -> bool:
    """Return whether these kernels can be used, and are faster than unfolding."""
    return (
        kernel[:2] == (geometry.groups, 1)
        and set(geometry.stride) == {1}
        and dtype.char in "fdFD"
        and x.shape[0] * prod(geometry.frame[0]) >= DEPTHWISE_RUN_ELEMENTS
    )


def is_small(kernel: Shape, geometry: Geometry, dtype: Dtype) -> bool:
    """Return whether the result of an image is so small that channels are better last."""
    return (
        kernel[:2] == (geometry.groups, 1)
        and kernel[0] * prod(geometry.results) * dtype.itemsize <= DEPTHWISE_IMAGE_BYTES
    )


def convolve_small(
    x: Array,
    w: Array,
    geometry: Geometry,
    dtype: Dtype,
    offsets: Array | None,
    store: Store,
    *,
    split: bool,
) -> None:
    """Convolve small images with a finite kernel, and pass results to `store`."""
    channels, results = x.shape[1], geometry.results
    padded, inner, source = geometry.frame
    factors = np.ascontiguousarray(w.reshape(channels, -1).T, dtype)
    places = list(zip(np.ndindex(*geometry.window), factors, strict=True))
    offset = None if offsets is None else offsets.reshape(-1)
    of_row = channels * prod(results[1:]) * dtype.itemsize
    strips = list(chunks(slice(0, results[0]), items_within(DEPTHWISE_ROWS_BYTES, of_row)))

    def strip_of(frame: Array, strip: slice) -> Array:
        rows = geometry.strip(strip)
        y: Array = np.empty((*rows.results, channels), dtype)
        product = np.empty_like(y)
        first = strip.start * geometry.stride[0]
        for index, factor in places:
            starts = [i * d for i, d in zip(index, geometry.dilation, strict=True)]
            starts[0] += first
            lines = zip(starts, geometry.stride, rows.results, strict=True)
            view = frame[tuple([slice(a, a + s * (n - 1) + 1, s) for a, s, n in lines])]
            if any(index):
                np.multiply(view, factor, out=product)
                y += product
            else:
                np.multiply(view, factor, out=y)
        if offset is not None:
            y += offset
        return np.moveaxis(y, -1, 0)[:, None]

    def work(images: slice) -> None:
        frame = np.zeros((*padded, channels), dtype)
        for i in range(images.start, images.stop):
            frame[inner] = np.moveaxis(x[i][(_ALL, *source)], 0, -1)
            for strip in strips:
                store(slice(i, i + 1), _ALL, strip, strip_of(frame, strip))

    in_blocks(work, len(x), split=split)


def _sizes(geometry: Geometry) -> Shape:
    """Return the sizes of an image in a run: what a window meets after a line is zero, too.

    That is the padding before the next line, so less is needed after a line.
    """
    span, inner, _ = geometry.frame
    lines = zip(span, inner, geometry.results, strict=True)
    return tuple([max(part.stop, size - part.start, results) for size, part, results in lines])


def _runs(
    x: Array, geometry: Geometry, dtype: Dtype, part: slice
) -> Iterator[tuple[slice, int, Array]]:
    """Yield chunks of images, each channel of `part`, and its images as one padded run.

    The run is longer than the images by the distance of the last place in the window.
    """
    sizes = _sizes(geometry)
    _, inner, source = geometry.frame
    beyond = _distances(geometry)[-1]
    at_once = items_within(DEPTHWISE_RUN_BYTES, prod(sizes) * dtype.itemsize)
    for chunk in chunks(slice(0, x.shape[0]), at_once):
        count = (chunk.stop - chunk.start) * prod(sizes)
        run = np.zeros(count + beyond, dtype)
        images = run[:count].reshape(-1, *sizes)
        for channel in range(part.start, part.stop):
            images[(_ALL, *inner)] = x[chunk, channel][(_ALL, *source)]
            yield chunk, channel, run


def _distances(geometry: Geometry) -> list[int]:
    """Return the distance of each place in the window along a run."""
    sizes = _sizes(geometry)
    steps = [d * prod(sizes[i + 1 :]) for i, d in enumerate(geometry.dilation)]
    return [int(np.dot(index, steps)) for index in np.ndindex(*geometry.window)]


def _of_results(geometry: Geometry) -> Callable[[Array], Array]:
    """Return what gives the results in a run, as (images, *results)."""
    shape, key = (-1, *_sizes(geometry)), (_ALL, *map(slice, geometry.results))
    return lambda run: run.reshape(shape)[key]


def convolve(
    x: Array,
    w: Array,
    geometry: Geometry,
    dtype: Dtype,
    offsets: Array | None,
    store: Store,
    *,
    split: bool,
) -> None:
    """Convolve with a finite kernel, and pass results to `store`."""
    from scipy.linalg.blas import get_blas_funcs

    add_multiple = get_blas_funcs("axpy", dtype=dtype)
    distances = _distances(geometry)
    factors = w.reshape(w.shape[0], -1).astype(dtype, copy=False)
    rows, results_of = slice(0, geometry.results[0]), _of_results(geometry)

    def work(part: slice) -> None:
        y = np.empty(0, dtype)
        for chunk, channel, run in _runs(x, geometry, dtype, part):
            count = run.size - distances[-1]
            y = y if y.size == count else np.empty(count, dtype)
            np.multiply(run[:count], factors[channel, 0], out=y)
            # By position and as a number of Python: else the call costs as much as its work.
            for distance, factor in zip(distances[1:], factors[channel, 1:].tolist(), strict=True):
                add_multiple(run, y, count, factor, distance)
            if offsets is not None:
                y += offsets[channel, 0]
            store(chunk, slice(channel, channel + 1), rows, results_of(y)[None])

    with one_blas_thread():
        in_blocks(work, x.shape[1], split=split)


def correlate(x: Array, y: Array, geometry: Geometry, dtype: Dtype, *, split: bool) -> Array:
    """Return the kernel for input and result."""
    distances, results_of = _distances(geometry), _of_results(geometry)
    total = np.zeros((x.shape[1], len(distances)), dtype)

    def work(part: slice) -> None:
        other = np.empty(0, dtype)
        for chunk, channel, run in _runs(x, geometry, dtype, part):
            count = run.size - distances[-1]
            if other.size != count:
                other = np.zeros(count, dtype)  # what is between the rows stays zero
            results_of(other)[...] = y[chunk, channel]
            for place, distance in enumerate(distances):
                total[channel, place] += np.dot(other, run[distance : distance + count])

    with one_blas_thread(), np.errstate(invalid="ignore"):
        in_blocks(work, x.shape[1], split=split)
    return total.reshape(x.shape[1], 1, *geometry.window)
