"""Regions of images, each resized to one size: pooling without rounding of their borders."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Counts, Format, Operand, Positive, Value
from dlgradient.core.values import whole_numbers
from dlgradient.errors import (
    ComplexValueError,
    FormatClashError,
    FormatError,
    IndexingError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.images.interpolate import Neighbour, neighbours, weighted
from dlgradient.nn.shared.arguments import (
    as_array,
    axes_of,
    described,
    finished,
    formatted,
    in_order,
    raw_value,
)
from dlgradient.nn.shared.windows import Layout, for_each, from_images, to_images
from dlgradient.ops.choice import clip, maximum, where
from dlgradient.ops.index import getitem
from dlgradient.ops.permute import moveaxis
from dlgradient.ops.reduce import max as max_
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.shape import expand_dims
from dlgradient.rules import derived

__all__ = ["roialign"]

Method: TypeAlias = Literal["average", "max"]
Transform: TypeAlias = Literal["half-pixel", "output-half-pixel"]
# Points along a bin that are still told apart in single precision.
MOST_POINTS = 1 << 20


# -- arguments -----------------------------------------------------------------------------------


def _checked_boxes(x: Value, boxes: Operand) -> Value:
    """Return boxes as real numbers, unlabelled."""
    given = as_array("roialign", "boxes", boxes, x)
    given = in_order("roialign", "boxes", given, "BC", "regions × coordinates")
    refuse_complex("roialign", boxes=given)
    if given.ndim != 2 or given.shape[1] != 4:
        raise ShapeMismatchError(
            f"roialign: boxes have shape {given.shape}; they must be (regions, 4), a row x1, y1, "
            "x2, y2 for each region"
        )
    return given


def _checked_batch(batch_indices: Operand | None, regions: int, images: int) -> Array:
    """Return the image of each region."""
    if batch_indices is None:
        if images != 1:
            raise InvalidArgumentError(
                f"roialign: x has {images} observations; give batch_indices, for each of the "
                f"{regions} boxes the one it lies in"
            )
        return np.zeros(regions, np.int64)
    found: Array = whole_numbers(raw_value(batch_indices))
    if found.shape != (regions,) or found.dtype.kind not in "iu":
        raise ShapeMismatchError(
            f"roialign: batch_indices have shape {found.shape} and dtype {found.dtype}; they must "
            f"be {regions} integers, one for each box"
        )
    if regions and (found.min() < 0 or found.max() >= images):
        raise IndexingError(
            f"roialign: batch_indices are from {found.min()} to {found.max()}; x has {images} "
            f"observations, so they must be from 0 to {images - 1}"
        )
    return found


def _checked_samples(sampling_ratio: Counts | Literal["auto"]) -> list[int | None]:
    """Return the number of points in a bin along each dimension; None if it depends on a region."""
    if isinstance(sampling_ratio, str):
        return [None, None]
    return [*for_each("roialign", "sampling_ratio", sampling_ratio, 2)]


# -- points --------------------------------------------------------------------------------------


def _counts(extent: Value, bins: int, samples: int | None) -> Array:
    """Return the number of points in a bin of each region, at most one apart if not given."""
    if samples is not None:
        return np.full(extent.shape, samples)
    # The number of points is a constant for derivatives.
    # A box of negative size has no points.
    counts = np.maximum(np.ceil(raw_value(extent) / bins), 0)
    wrong = np.flatnonzero(~(counts < MOST_POINTS))
    if wrong.size:
        raise InvalidArgumentError(
            f"roialign: sampling_ratio='auto' has no number of points for box {wrong[0]} with a "
            f"side of {raw_value(extent)[wrong[0]]} and {bins} bins; give finite boxes with less "
            f"than {MOST_POINTS} elements in a bin, or sampling_ratio= as a number"
        )
    return counts.astype(np.int64)


def _numbers(start: Array, extent: Array, bins: int, counts: Array, n: int) -> Array:
    """Return numbers of the points in each bin, of shape (regions, bins, points).

    Of bins much larger than the image, these are the points inside the image, and some around them:
    the memory depends on the image, not on the region. Points are more than half an element apart.
    """
    most = int(counts.max(initial=1))
    held = 2 * n + 12
    if most <= held:
        return np.arange(most).reshape(1, 1, most)
    each = np.maximum(counts, 1)[:, None]
    # Point k of bin b is at start + extent * (b + (k + 1/2) / each) / bins.
    with np.errstate(divide="ignore", invalid="ignore"):
        begin = ((-1 - start) / extent)[:, None] * bins - np.arange(bins)
    begin = np.nan_to_num(np.floor(begin * each - 0.5), nan=0.0) - 3
    first = np.clip(begin, 0, np.maximum(each - held, 0)).astype(np.int64)
    return first[..., None] + np.arange(held)


def _points(start: Value, extent: Value, numbers: Array, bins: int, counts: Array) -> Value:
    """Return places of points of each region along one dimension, of (regions, bins, points)."""
    each = np.maximum(counts, 1)[:, None, None]
    fractions = (np.arange(bins)[:, None] + (numbers + 0.5) / each) / bins
    fractions = fractions.astype(start.dtype)
    return expand_dims(start, axis=(1, 2)) + expand_dims(extent, axis=(1, 2)) * fractions


def _axis_neighbours(
    points: Value, numbers: Array, n: int, counts: Array, method: str
) -> list[Neighbour]:
    """Return the neighbours of points in an image that extends one element beyond its border."""
    # Points more than one element outside count as zero, as ONNX has it.
    factor: Array = (numbers < counts[:, None, None]) & raw_value((points >= -1) & (points <= n))
    if method == "average":
        factor = factor / np.maximum(counts, 1)[:, None, None]
    factor = factor.astype(points.dtype)
    return [
        Neighbour(place, weight * factor)
        for place, weight in neighbours(clip(points, 0, n - 1), "linear")
    ]


def _pooled(
    images: Value, batch: Array, taps: list[list[Neighbour]], used: list[Array], method: str
) -> Value:
    """Return (regions, down, across, channels) of images (batch, height, width, channels).

    The points `used` are those that a region has, of (regions, bins, points) along each dimension.
    """
    down, across = taps
    down = [Neighbour(*[expand_dims(a, axis=(3, 4)) for a in one]) for one in down]
    across = [Neighbour(*[expand_dims(a, axis=(1, 2)) for a in one]) for one in across]
    parts = weighted(images, batch.reshape(-1, 1, 1, 1, 1), [down, across])
    # Each has the shape (regions, bins down, points, bins across, points, channels).
    if method == "average":
        y: Value = 0
        for part in parts:
            y = y + sum_(part, axis=(2, 4))
        return y
    y = next(parts)
    for part in parts:
        y = maximum(y, part)
    # A region may have fewer points than others.
    first, second = used
    both = first[:, :, :, None, None, None] & second[:, None, None, :, :, None]
    return max_(y if both.all() else where(both, y, -np.inf), axis=(2, 4))


# -- the function --------------------------------------------------------------------------------


def _boxes(m: Maker) -> Array:
    # No point of a sample below is nearer than 0.07 to an element, where the slope changes.
    boxes = np.array([[0.64, 0.59, 2.44, 1.38], [0.51, 0.64, 2.40, 1.51]])
    return boxes + m.between(-0.02, 0.02, 2, 4)


@derived(
    samples=lambda m: _roialign_samples(m),
    errors=lambda m: _roialign_errors(m),
)
def roialign(
    x: Operand,
    boxes: Operand,
    output_size: Counts,
    *,
    batch_indices: Operand | None = None,
    roi_scale: Positive = 1.0,
    sampling_ratio: Counts | Literal["auto"] = "auto",
    method: Method = "average",
    geometric_transform_mode: Transform = "half-pixel",
    data_format: Format = None,
) -> Value:
    """Regions of images resized to one size, with derivatives for the images and the regions.

    A region is divided into bins of equal size. The value of a bin is the mean of the image at
    points that divide the bin evenly, by linear interpolation. The image extends one element beyond
    its border; further outside it is zero. The number of points of "auto" is a constant for
    derivatives.

    Parameters
    ----------
    x : array
        Images with two dimensions 'S', 'B', and optionally 'C', in any order.
    boxes : array
        Real, of shape (regions, 4): x1, y1, x2, y2 of each region. With a format, the regions are
        'B' and the coordinates 'C'. x runs over the second dimension
        of space (across), y over the first (down). The element i extends from i to i + 1.
    output_size : int or (int, int)
        Bins down and across.
    batch_indices : array of int, optional
        The image of each region. It is optional if there is only one image.
    roi_scale : float
        Factor from the coordinates of boxes to those of `x`.
    sampling_ratio : int, (int, int) or "auto"
        Points in a bin, down and across; for "auto", the size of a bin, rounded up.
    method : {"average", "max"}
        "max" takes, instead of the mean, the largest product of an element and its weight in the
        interpolation, as ONNX defines it.
    geometric_transform_mode : {"half-pixel", "output-half-pixel"}
        With "output-half-pixel", the centre of the element i is at i, not at i + 1/2, and a region
        is at least of size 1.
    data_format : str, optional
        Format of an unlabelled `x`; the result is then unlabelled too.

    Returns
    -------
    dlarray
        In the order of `x`, with the regions as 'B'.

    Raises
    ------
    ShapeMismatchError
        If boxes or batch indices have the wrong shape, or there is nothing to read.
    IndexingError
        If an index is not that of an image.
    InvalidArgumentError, FormatError, FormatClashError, ComplexValueError
        If an option has an invalid value, `x` the wrong dimensions, or the boxes are complex. Or if
        a box is not finite, or too large for the points of "auto" to be told apart.

    See Also
    --------
    grid_sample : values of an image at given coordinates
    dlresize : resize an image

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]], "BSS")
    >>> dl.roialign(x, [[0.5, 1.0, 2.5, 2.0]], (1, 2)).tolist()
    [[[3.5, 4.5]]]

    Source: MATLAB ``roialign``; ONNX ``RoiAlign``; He et al. (2017).
    """
    array, strip = formatted("roialign", x, data_format, boxes)
    axes, channel = axes_of(array, "S"), axes_of(array, "C")
    found = f"roialign: x has {described(array)}"
    if len(axes) != 2 or array.ndim != 3 + len(channel) or not axes_of(array, "B"):
        raise FormatClashError(f"{found}; it must have two dimensions 'S', 'B' and perhaps 'C'")
    if any(array.shape[i] == 0 for i in axes):
        raise ShapeMismatchError(f"{found}; there is nothing to take")
    if method == "max":
        refuse_complex("roialign", x=array)
    images, (order, outer, has_channel, fmt) = to_images(array, axes, channel)
    regions = _checked_boxes(array, boxes) * roi_scale
    batch = _checked_batch(batch_indices, regions.shape[0], outer[0])
    bins = for_each("roialign", "output_size", output_size, 2)
    taps, used = [], []
    for i, samples in enumerate(_checked_samples(sampling_ratio)):
        start, end = getitem(regions, (slice(None), 1 - i)), getitem(regions, (slice(None), 3 - i))
        extent = end - start
        if geometric_transform_mode == "half-pixel":
            start = start - 0.5
        else:
            extent = maximum(extent, 1)
        n, counts = images.shape[2 + i], _counts(extent, bins[i], samples)
        numbers = (
            np.arange(samples).reshape(1, 1, samples)
            if samples is not None
            else _numbers(raw_value(start), raw_value(extent), bins[i], counts, n)
        )
        points = _points(start, extent, numbers, bins[i], counts)
        taps.append(_axis_neighbours(points, numbers, n, counts, method))
        # Without any, a region has a point of weight zero.
        used.append(numbers < np.maximum(counts, 1)[:, None, None])
    y = _pooled(moveaxis(images, 1, -1), batch, taps, used, method)
    layout = Layout(order, (regions.shape[0],), has_channel, fmt)
    return finished(from_images(moveaxis(y, -1, 1), layout), strip)


def _roialign_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 4, 2, 2), _boxes(m), (2, 1), batch_indices=[1, 0], data_format="SSCB"),
        case(m.real(1, 3, 3), _boxes(m), 2, sampling_ratio=2, data_format="BSS"),
        case(m.complex(3, 1, 3), _boxes(m), 1, roi_scale=0.7, data_format="SBS"),
        case(
            m.real(1, 1, 4, 3),
            _boxes(m),
            2,
            method="max",
            geometric_transform_mode="output-half-pixel",
            sampling_ratio=(1, 2),
            data_format="BCSS",
        ),
        case(m.real(2, 2, 1, 1), np.zeros((0, 4)), 2, data_format="SSCB"),
        case(m.real(0, 2, 2), np.zeros((0, 4)), 2, batch_indices=[], data_format="BSS"),
    ]


def _roialign_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 2, 1), _boxes(m), 1), FormatError, "roialign: x of shape"),
        Error(
            case(m.real(2, 2), _boxes(m), 1, data_format="SS"), FormatClashError, "two.*'S', 'B'"
        ),
        Error(
            case(m.real(2, 2, 1), m.real(2, 5), 1, data_format="SSB"),
            ShapeMismatchError,
            r"boxes have shape \(2, 5\)",
        ),
        Error(
            case(m.real(2, 2, 2), _boxes(m), 1, data_format="SSB"),
            InvalidArgumentError,
            "give batch_indices",
        ),
        Error(
            case(m.real(2, 2, 2), _boxes(m), 1, batch_indices=[0, 2], data_format="SSB"),
            IndexingError,
            "from 0 to 2; x has 2 observations",
        ),
        Error(
            case(m.real(2, 2, 1), _boxes(m), 1, batch_indices=[0], data_format="SSB"),
            ShapeMismatchError,
            r"batch_indices have shape \(1,\)",
        ),
        Error(
            case(m.real(2, 2, 1), _boxes(m), 1, sampling_ratio=0, data_format="SSB"),
            InvalidArgumentError,
            "sampling_ratio must be .*at least 1.*not 0",
        ),
        Error(
            case(m.real(2, 2, 1), _boxes(m), 1, sampling_ratio="many", data_format="SSB"),
            InvalidArgumentError,
            "sampling_ratio must be .*'auto', not 'many'",
        ),
        Error(
            case(m.real(2, 2, 1), _boxes(m), 1, method="sum", data_format="SSB"),
            InvalidArgumentError,
            "method must be .*'sum'",
        ),
        Error(
            case(m.real(2, 2, 1), _boxes(m), 1, roi_scale=0, data_format="SSB"),
            InvalidArgumentError,
            "roi_scale must be .*above 0",
        ),
        Error(
            case(m.real(2, 2, 1), m.complex(1, 4), 1, data_format="SSB"),
            ComplexValueError,
            "roialign: boxes must be real.*complex128",
        ),
        Error(
            case(m.complex(2, 2, 1), m.real(1, 4), 1, method="max", data_format="SSB"),
            ComplexValueError,
            "roialign: x must be real",
        ),
        Error(
            case(m.real(2, 2, 1), [[0.0, 0.0, 1.0, np.nan]], 1, data_format="SSB"),
            InvalidArgumentError,
            "'auto' has no number of points for box 0 with a side of nan and 1 bins",
        ),
        Error(
            case(np.zeros((0, 2, 1)), _boxes(m), 1, data_format="SSB"),
            ShapeMismatchError,
            "there is nothing to take",
        ),
    ]
