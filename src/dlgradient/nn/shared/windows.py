"""Arguments of functions with a window that slides over an array: convolution, pooling, patches.

The dimensions of an array are of three kinds: those that the window slides over, the channels, and
the others, which are a batch. `to_images` brings an array to (batch, channels, *slid dimensions),
and `from_images` brings the result back to the user's order. `sliding` makes the geometry of a
window from the user's arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, cast

import numpy as np

from dlgradient.core.calls import labelled, unlabelled
from dlgradient.core.kinds import MATRIX
from dlgradient.core.types import Array, Axes, Counts, Format, Shape, Sizes, Value
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.shared.arguments import format_of
from dlgradient.nn.shared.geometry import Geometry, reach_of
from dlgradient.ops.index import scatter
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.shape import reshape
from dlgradient.ops.take import take

__all__ = [
    "Edges",
    "Layout",
    "Padding",
    "Pairs",
    "checked_sizes",
    "for_each",
    "from_images",
    "labels_in_order",
    "padded",
    "paddings",
    "pooled_axes",
    "real_like",
    "slid_axes",
    "sliding",
    "to_images",
]

Matrix: TypeAlias = Annotated[Sequence[Sequence[int]], MATRIX]
Padding: TypeAlias = Literal["same"] | Sizes | Matrix
Pairs: TypeAlias = tuple[tuple[int, int], ...]  # what is added before and after each dimension

# Padding with values of the array itself.
Edges: TypeAlias = Literal["symmetric-include-edge", "symmetric-exclude-edge", "replicate"]


# -- dimensions ----------------------------------------------------------------------------------


class Layout(NamedTuple):
    """A record of how `to_images` made a batch of images from an array.

    Attributes
    ----------
    order : tuple of int
        Dimensions of the array: the batch, the channels, and those that the window slides over.
    batch : tuple of int
        Sizes of the dimensions that became the batch.
    channels : bool
        Whether the array has channels; otherwise a dimension of size one was added.
    fmt : str
        Format of the array.
    """

    order: Axes
    batch: Shape
    channels: bool
    fmt: Format


def slid_axes(x: Value, labels: str) -> Axes:
    """Return the dimensions of `x` with the given labels, which may repeat.

    Examples
    --------
    >>> import dlgradient as dl
    >>> import numpy as np
    >>> slid_axes(dl.dlarray(np.zeros((1, 2, 3, 4, 5)), "TSCSB"), "SST")
    (1, 3, 0)
    """
    found = []
    for i, label in enumerate(labels):
        axes = [axis for axis, c in enumerate(format_of(x)) if c == label]
        found.append(axes[labels[:i].count(label)])
    return tuple(found)


def to_images(x: Value, axes: Axes, channel: Axes = ()) -> tuple[Value, Layout]:
    """Return `x` as (batch, channels, *axes), unlabelled, and the argument of `from_images`."""
    rest = tuple([i for i in range(x.ndim) if i not in axes and i not in channel])
    order = (*rest, *channel, *axes)
    images = unlabelled(x)
    if order != tuple(range(x.ndim)):
        images = permute_dims(images, axes=order)
    batch = tuple([x.shape[i] for i in rest])
    inner = images.shape[len(rest) :] if channel else (1, *images.shape[len(rest) :])
    shape = (prod(batch), *inner)
    if images.shape != shape:
        images = reshape(images, shape=shape)
    return images, Layout(order, batch, bool(channel), x._format)


def from_images(y: Value, layout: Layout) -> Value:
    """Bring a result of shape (batch, channels, *sizes) to the order and format of the input."""
    shape = (*layout.batch, *(y.shape[1:] if layout.channels else y.shape[2:]))
    if y.shape != shape:
        y = reshape(y, shape=shape)
    if layout.order != tuple(range(len(layout.order))):
        y = permute_dims(y, axes=tuple(np.argsort(layout.order).tolist()))
    return labelled(y, layout.fmt)


def labels_in_order(labels: str) -> str:
    """Return spatial labels, then time: the order of arguments with an entry for each dimension."""
    return "S" * labels.count("S") + "T" * ("T" in labels)


def checked_sizes(function: str, x: Value, labels: str) -> None:
    """Check that `x` has each of `labels`, and equally many spatial ones."""
    fmt = format_of(x)
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


def pooled_axes(function: str, x: Value, pool_format: Format) -> Axes:
    """Return the dimensions that windows slide over."""
    if pool_format is None:
        labels = "S" * format_of(x).count("S")
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


# -- how the window slides -----------------------------------------------------------------------


def sliding(
    function: str,
    x: Value,
    axes: Axes,
    window: Shape,
    stride: Counts,
    dilation: Counts,
    padding: Padding | Literal["causal"],
    groups: int = 1,
) -> tuple[Geometry, Pairs]:
    """Return the geometry of a window over some dimensions of `x`, and their padding."""
    sizes = tuple([x.shape[i] for i in axes])
    steps = for_each(function, "stride", stride, len(axes))
    gaps = for_each(function, "dilation_factor", dilation, len(axes))
    reach = reach_of(window, gaps)
    pads = paddings(function, "padding", padding, sizes, reach, steps)
    lines = zip(sizes, reach, steps, pads, strict=True)
    results = tuple([(a + n + b - r) // s + 1 for n, r, s, (a, b) in lines])
    if min(results, default=1) < 1:
        raise ShapeMismatchError(
            f"{function}: the window of sizes {reach} (with dilation) does not fit into the sizes "
            f"{sizes} padded by {pads}, x has shape {x.shape}; use a smaller window, or "
            "padding='same'"
        )
    start = tuple([a for a, _ in pads])
    return Geometry(sizes, window, results, steps, gaps, start, groups), pads


def for_each(function: str, name: str, value: Any, count: int) -> tuple[Any, ...]:
    """Return `count` numbers from a tuple, or from one number for all."""
    found = value if isinstance(value, tuple) else (value,) * count
    if len(found) != count:
        raise InvalidArgumentError(
            f"{function}: {name}={value!r} has {len(found)} entries, the function works along "
            f"{count} dimensions; give one for each"
        )
    return found


def paddings(
    function: str,
    name: str,
    value: Padding | Literal["causal"],
    sizes: Shape,
    reach: Shape,
    stride: Shape,
) -> Pairs:
    """Return the padding before and after each dimension, from any of its forms."""
    count = len(sizes)
    if value == "same":
        return _same_padding(sizes, reach, stride)
    if value == "causal":
        return tuple([(r - 1, 0) for r in reach])
    if np.ndim(value) < 2:
        return tuple([(p, p) for p in for_each(function, name, value, count)])
    if np.shape(value) != (2, count):
        raise InvalidArgumentError(
            f"{function}: {name} of shape {np.shape(value)} must be a matrix of integers of shape "
            f"(2, {count}): a row for before and a row for after, a column for each dimension"
        )
    before, after = cast("tuple[Shape, Shape]", value)
    return tuple(zip(before, after, strict=True))


def _same_padding(sizes: Shape, reach: Shape, stride: Shape) -> Pairs:
    """Return padding to sizes ceil(size / stride); an odd one is at the end."""
    pairs = []
    for n, r, s in zip(sizes, reach, stride, strict=True):
        total = max((-(-n // s) - 1) * s + r - n, 0)
        pairs.append((total // 2, total - total // 2))
    return tuple(pairs)


# -- padding with values -------------------------------------------------------------------------


def padded(x: Value, pads: Pairs, value: object) -> Value:
    """Return `x` of shape (batch, channels, *sizes), padded with something other than zero."""
    if isinstance(value, str):
        for axis, (before, after) in enumerate(pads, start=2):
            if before or after:
                x = take(x, _edge_indices(x.shape[axis], before, after, value), axis=axis)
        return x
    inside = tuple([slice(a, a + n) for (a, _), n in zip(pads, x.shape[2:], strict=True)])
    key = (slice(None), slice(None), *inside)
    shape = (*x.shape[:2], *[a + n + b for (a, b), n in zip(pads, x.shape[2:], strict=True)])
    frame = np.full((1, 1, *shape[2:]), value, x.dtype)
    frame[key] = 0
    return scatter([x], keys=(key,), shape=shape) + frame


def _edge_indices(n: int, before: int, after: int, mode: str) -> Array:
    places = np.arange(-before, n + after)
    if mode == "replicate":
        return np.clip(places, 0, n - 1)
    if mode == "symmetric-include-edge":
        places %= 2 * n
        return np.where(places < n, places, 2 * n - 1 - places)
    if n == 1:
        return np.zeros_like(places)
    places %= 2 * n - 2
    return np.where(places < n, places, 2 * n - 2 - places)


def real_like(values: Array, x: Value) -> Array:
    """Return constants in the precision of `x`."""
    return values.astype(np.finfo(x.dtype).dtype)
