"""Geometry that convolution and pooling share: which dimensions a window slides over, and how.

The dimensions of an array fall into three kinds: those the window slides over, the channels, and
the rest, which is a batch. `to_images` brings an array to (batch, channels, *slid dimensions), and
`from_images` takes the result back to the user's order.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from dlgradient.errors import (
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.shared.arguments import labelled, unlabelled
from dlgradient.ops.index import scatter
from dlgradient.ops.shape import permute_dims, reshape
from dlgradient.ops.take import take

__all__ = [
    "EDGES",
    "checked_sizes",
    "from_images",
    "integers",
    "labels_in_order",
    "padded",
    "paddings",
    "pooled_axes",
    "reach_of",
    "real_like",
    "result_sizes",
    "same_padding",
    "slid_axes",
    "to_images",
]

Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]

# Padding values that are taken from the array itself.
EDGES = ("symmetric-include-edge", "symmetric-exclude-edge", "replicate")


def slid_axes(x: Any, labels: str) -> Sizes:
    """Positions in `x` of the dimensions with the given labels, which may repeat.

    Examples
    --------
    >>> import dlgradient as dl
    >>> import numpy as np
    >>> slid_axes(dl.dlarray(np.zeros((1, 2, 3, 4, 5)), "TSCSB"), "SST")
    (1, 3, 0)
    """
    found = []
    for i, label in enumerate(labels):
        places = [p for p, c in enumerate(x._format) if c == label]
        found.append(places[labels[:i].count(label)])
    return tuple(found)


def to_images(x: Any, axes: Sizes, channel: Sizes = ()) -> tuple[Any, Any]:
    """Return `x` as (batch, channels, *axes) without format, and what `from_images` needs."""
    rest = tuple([i for i in range(x.ndim) if i not in axes and i not in channel])
    order = (*rest, *channel, *axes)
    images = unlabelled(x)
    if order != tuple(range(x.ndim)):
        images = permute_dims(images, axes=order)
    outer = tuple([x.shape[i] for i in rest])
    inner = images.shape[len(rest) :] if channel else (1, *images.shape[len(rest) :])
    shape = (prod(outer), *inner)
    if images.shape != shape:
        images = reshape(images, shape=shape)
    return images, (order, outer, bool(channel), x._format)


def from_images(y: Any, memory: Any) -> Any:
    """Bring a result of shape (batch, channels, *sizes) to the order and format of the input."""
    order, outer, channel, fmt = memory
    shape = (*outer, *(y.shape[1:] if channel else y.shape[2:]))
    if y.shape != shape:
        y = reshape(y, shape=shape)
    if order != tuple(range(len(order))):
        back = tuple(int(i) for i in np.argsort(order))
        y = permute_dims(y, axes=back)
    return labelled(y, fmt)


# -- arguments -----------------------------------------------------------------------------------


def integers(function: str, name: str, value: Any, count: int, least: int = 1) -> Sizes:
    """Return `count` integers, from as many or from one for all."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise InvalidArgumentError(
            f"{function}: {name}={value!r} must be an integer, or one for each of the {count} "
            "dimensions that the window slides over"
        )
    found = [int(v) for v in array.reshape(-1)]
    if array.ndim == 0:
        found *= count
    if len(found) != count:
        raise InvalidArgumentError(
            f"{function}: {name}={value!r} has {len(found)} entries, the window slides over "
            f"{count} dimensions; give one for each"
        )
    if min(found, default=least) < least:
        raise InvalidArgumentError(f"{function}: {name}={value!r} must be at least {least}")
    return tuple(found)


def reach_of(window: Sizes, dilation: Sizes) -> Sizes:
    """Sizes of a window with its gaps."""
    return tuple([d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)])


def same_padding(sizes: Sizes, reach: Sizes, stride: Sizes) -> Pairs:
    """Padding for which the result has the sizes ceil(size / stride); the odd one goes behind."""
    pairs = []
    for n, r, s in zip(sizes, reach, stride, strict=True):
        total = max((-(-n // s) - 1) * s + r - n, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


def paddings(
    function: str, name: str, value: Any, sizes: Sizes, reach: Sizes, stride: Sizes
) -> Pairs:
    """Return padding in front and behind for each dimension, from any of its forms."""
    count = len(sizes)
    if isinstance(value, str):
        if value == "same":
            return same_padding(sizes, reach, stride)
        if value == "causal" and name == "padding":
            return tuple([(r - 1, 0) for r in reach])
        raise InvalidArgumentError(
            f"{function}: {name}={value!r} is not known; give 'same', an integer, one for each "
            "dimension, or a matrix of two rows (in front, behind)"
        )
    array = np.asarray(value)
    if array.ndim < 2:
        both = integers(function, name, value, count, least=0)
        return tuple([(p, p) for p in both])
    if array.shape != (2, count) or array.dtype.kind not in "iu":
        raise InvalidArgumentError(
            f"{function}: {name} of shape {array.shape} must be a matrix of integers of shape "
            f"(2, {count}): a row for the front and a row for behind, a column for each dimension"
        )
    front, behind = (integers(function, name, row, count, least=0) for row in array)
    return tuple(zip(front, behind, strict=True))


def result_sizes(
    function: str, shape: Sizes, sizes: Sizes, reach: Sizes, stride: Sizes, pads: Pairs
) -> Sizes:
    """Sizes of the result of a window that slides over padded dimensions."""
    found = []
    for n, r, s, (a, b) in zip(sizes, reach, stride, pads, strict=True):
        room = a + n + b - r
        if room < 0:
            raise ShapeMismatchError(
                f"{function}: the window of sizes {reach} (with dilation) does not fit into the "
                f"sizes {sizes} padded by {pads}, x has shape {shape}; use a smaller window, or "
                "padding='same'"
            )
        found.append(room // s + 1)
    return tuple(found)


def checked_sizes(function: str, x: Any, labels: str) -> None:
    """Check that `x` has each of `labels`, and as many spatial ones."""
    fmt = x._format
    if fmt.count("S") != labels.count("S") and "S" in labels:
        raise FormatClashError(
            f"{function}: the window has {labels.count('S')} spatial dimensions, x of shape "
            f"{x.shape} with the format {fmt!r} has {fmt.count('S')}; they must be equal"
        )
    if "T" in labels and "T" not in fmt:
        raise FormatClashError(
            f"{function}: the window slides over 'T', which x of shape {x.shape} with the format "
            f"{fmt!r} does not have; label a dimension of x 'T'"
        )


def pooled_axes(function: str, x: Any, pool_format: str | None) -> Sizes:
    """Positions of the dimensions that windows slide over."""
    if pool_format is None:
        labels = "S" * x._format.count("S")
        if not labels:
            raise FormatError(
                f"{function}: x of shape {x.shape} with the format {x._format!r} has no spatial "
                "dimension; to pool over time give pool_format='T'"
            )
    else:
        labels = pool_format.upper()
        if not labels or set(labels) - {"S", "T"} or labels.count("T") > 1:
            raise FormatError(
                f"{function}: pool_format={pool_format!r} must name the dimensions to pool over, "
                "by 'S' for each spatial one and 'T' for time"
            )
        checked_sizes(function, x, labels)
    return slid_axes(x, labels)


# -- padding with values -------------------------------------------------------------------------


def _edge_indices(n: int, front: int, behind: int, mode: str) -> np.ndarray[Any, Any]:
    places = np.arange(-front, n + behind)
    if mode == "replicate":
        return np.clip(places, 0, n - 1)
    if mode == "symmetric-include-edge":
        places %= 2 * n
        return np.where(places < n, places, 2 * n - 1 - places)
    if n == 1:
        return np.zeros_like(places)
    places %= 2 * n - 2
    return np.where(places < n, places, 2 * n - 2 - places)


def padded(function: str, x: Any, pads: Pairs, value: Any) -> Any:
    """Return `x` of shape (batch, channels, *sizes) with its sizes padded by something not zero."""
    if isinstance(value, str):
        if value not in EDGES:
            raise InvalidArgumentError(
                f"{function}: padding_value={value!r} is not known; give a number or one of "
                f"{', '.join(map(repr, EDGES))}"
            )
        for axis, (front, behind) in enumerate(pads, start=2):
            if front or behind:
                indices = _edge_indices(x.shape[axis], front, behind, value)
                x = take(x, indices, axis=axis)
        return x
    inside = tuple([slice(a, a + n) for (a, _), n in zip(pads, x.shape[2:], strict=True)])
    key = (slice(None), slice(None), *inside)
    shape = (*x.shape[:2], *[a + n + b for (a, b), n in zip(pads, x.shape[2:], strict=True)])
    frame = np.full((1, 1, *shape[2:]), value, x.dtype)
    frame[key] = 0
    return scatter([x], keys=(key,), shape=shape) + frame


def labels_in_order(labels: Sequence[str]) -> str:
    """Spatial labels, then time: the order of entries that are given for each dimension."""
    return "S" * list(labels).count("S") + "T" * ("T" in labels)


def real_like(values: Any, x: Any) -> Any:
    """Constants in the precision of `x`."""
    return values.astype(np.empty(0, x.dtype).real.dtype) if x.dtype.kind in "fc" else values
