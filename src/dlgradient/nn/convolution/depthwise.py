"""Kernels of convolution with one channel and one filter in each group, and stride one.

A channel of some padded images is one run. Each place in the window is then a distance along the
run, and one call of the linear algebra adds its multiple. What lies between the rows of the results
is computed too, and dropped. Unfolding would copy each element for each place, for one product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

import numpy as np

from dlgradient.core.sizes import DEPTHWISE_RUN_BYTES, DEPTHWISE_RUN_ELEMENTS
from dlgradient.core.threads import in_blocks, one_blas_thread
from dlgradient.core.types import Array, Dtype, Shape
from dlgradient.nn.shared.blocks import chunks, items_within
from dlgradient.nn.shared.geometry import Geometry

__all__ = ["Store", "convolve", "correlate", "pays"]

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


def _runs(
    x: Array, geometry: Geometry, dtype: Dtype, part: slice
) -> Iterator[tuple[slice, int, Array]]:
    """Yield chunks of images, each channel of `part`, and its images as one padded run."""
    span, inner, source = geometry.frame
    at_once = items_within(DEPTHWISE_RUN_BYTES, prod(span) * dtype.itemsize)
    for chunk in chunks(slice(0, x.shape[0]), at_once):
        images = np.zeros((chunk.stop - chunk.start, *span), dtype)
        for channel in range(part.start, part.stop):
            images[(_ALL, *inner)] = x[chunk, channel][(_ALL, *source)]
            yield chunk, channel, images.reshape(-1)


def _distances(geometry: Geometry) -> list[int]:
    """Return the distance of each place in the window along a run."""
    span = geometry.frame[0]
    steps = [d * prod(span[i + 1 :]) for i, d in enumerate(geometry.dilation)]
    return [int(np.dot(index, steps)) for index in np.ndindex(*geometry.window)]


def _of_results(run: Array, geometry: Geometry) -> Array:
    """Return the results in a run, as (images, *results)."""
    images = run.reshape(-1, *geometry.frame[0])
    return images[(_ALL, *map(slice, geometry.results))]


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
    rows = slice(0, geometry.results[0])

    def work(part: slice) -> None:
        y = np.empty(0, dtype)
        for chunk, channel, run in _runs(x, geometry, dtype, part):
            y = y if y.size == run.size else np.empty_like(run)
            count = run.size - distances[-1]
            np.multiply(run[:count], factors[channel, 0], out=y[:count])
            for distance, factor in zip(distances[1:], factors[channel, 1:], strict=True):
                add_multiple(run, y, n=count, a=factor, offx=distance)
            if offsets is not None:
                y[:count] += offsets[channel, 0]
            results = _of_results(y, geometry)[None]
            store(chunk, slice(channel, channel + 1), rows, results)

    with one_blas_thread():
        in_blocks(work, x.shape[1], split=split)


def correlate(x: Array, y: Array, geometry: Geometry, dtype: Dtype, *, split: bool) -> Array:
    """Return the kernel for input and result."""
    distances = _distances(geometry)
    total = np.zeros((x.shape[1], len(distances)), dtype)

    def work(part: slice) -> None:
        other = np.empty(0, dtype)
        for chunk, channel, run in _runs(x, geometry, dtype, part):
            if other.size != run.size:
                other = np.zeros_like(run)  # what is between the rows stays zero
            _of_results(other, geometry)[...] = y[chunk, channel]
            factor = other[: run.size - distances[-1]]
            for place, distance in enumerate(distances):
                total[channel, place] += np.dot(factor, run[distance : distance + factor.size])

    with one_blas_thread(), np.errstate(invalid="ignore"):
        in_blocks(work, x.shape[1], split=split)
    return total.reshape(x.shape[1], 1, *geometry.window)
