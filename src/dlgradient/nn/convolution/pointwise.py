"""Kernels of convolution with windows of one element: products of matrices, without unfolding.

The images are matrices as they are, with a row for each channel. A copy of them would cost as much
as the product (row predict).
"""

from __future__ import annotations

from math import prod

import numpy as np

from dlgradient.core.sizes import POINTWISE_ELEMENTS
from dlgradient.core.threads import in_blocks, one_blas_thread
from dlgradient.core.types import Array, Dtype
from dlgradient.nn.shared.geometry import Geometry

__all__ = ["convolve", "correlate", "pays"]


def pays(x: Array, geometry: Geometry) -> bool:
    """Return whether these kernels can be used, and are faster than unfolding."""
    return (
        {*geometry.window, *geometry.stride} == {1}
        and geometry.results == geometry.sizes
        and not any(geometry.start)
        and geometry.groups < x.shape[1]
        and (len(x) == 1 or prod(geometry.sizes) >= POINTWISE_ELEMENTS)
        and x.flags.c_contiguous
    )


def convolve(
    x: Array, w: Array, geometry: Geometry, offsets: Array | None, out: Array, *, split: bool
) -> None:
    """Write results to `out`, for input and kernel, plus offsets for each group and filter."""
    groups = geometry.groups
    images = _matrices(x.astype(out.dtype, copy=False), groups)
    results = _matrices(out, groups)
    weights = w.reshape(groups, -1, w.shape[1]).astype(out.dtype, copy=False)

    def of_filters(part: slice) -> None:
        np.matmul(weights[:, part], images[0], out=results[0, :, part])
        if offsets is not None:
            results[0, :, part] += offsets[:, part]

    def of_images(part: slice) -> None:
        for image, result in zip(images[part], results[part], strict=True):
            np.matmul(weights, image, out=result)
            if offsets is not None:
                np.add(result, offsets, out=result)  # while it is in the cache

    with one_blas_thread():
        if len(x) == 1:
            in_blocks(of_filters, weights.shape[1], split=split)
        else:
            in_blocks(of_images, len(x), split=split)


def correlate(x: Array, y: Array, geometry: Geometry, dtype: Dtype, *, split: bool) -> Array:
    """Return the kernel for input and result."""
    groups = geometry.groups
    images = _matrices(x.astype(dtype, copy=False), groups).swapaxes(2, 3)
    results = _matrices(y.astype(dtype, copy=False), groups)

    def work(part: slice) -> Array:
        total: Array = np.matmul(results[part.start], images[part.start])
        product = np.empty_like(total)
        for i in range(part.start + 1, part.stop):
            np.matmul(results[i], images[i], out=product)
            total += product
        return total

    with one_blas_thread(), np.errstate(invalid="ignore"):
        parts = in_blocks(work, len(x), split=split)
    # Each part has its own sum, so that threads do not add into one array.
    total: Array = sum(parts[1:], start=parts[0])
    return total.reshape(y.shape[1], -1, *geometry.window)


def _matrices(x: Array, groups: int) -> Array:
    """Return images as (batch, groups, channels of a group, elements)."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, -1)
