"""Resizing, sampling, blocks, regions, and the choice of boxes."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.reading import raw as raw_of
from dlgradient.core.types import Array
from dlgradient.network.onnx.registry import operator
from dlgradient.network.onnx.values import ints, number, raw
from dlgradient.network.onnx.windows import with_labels
from dlgradient.nn.images.blocks import depth_to_space as blocks_to_space
from dlgradient.nn.images.blocks import space_to_depth as space_to_blocks
from dlgradient.nn.images.resize import dlresize
from dlgradient.nn.images.roi import roialign
from dlgradient.nn.images.sample import grid_sample
from dlgradient.ops.choice import where
from dlgradient.ops.linalg import matmul
from dlgradient.ops.shape import reshape

__all__: list[str] = []

ROUNDINGS = {"round_prefer_floor": "round-half-down", "round_prefer_ceil": "round"}


@operator("Resize", "Upsample")
def resize(  # noqa: PLR0913 - the operands and attributes of the standard
    x: Any,
    roi: Any = None,
    scales: Any = None,
    sizes: Any = None,
    *,
    antialias: int = 0,
    axes: list[int] | None = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Any:
    """Return x with other sizes."""
    places = list(range(x.ndim)) if axes is None else [a % x.ndim for a in axes]
    order = np.argsort(places)
    places = sorted(places)
    before = np.array([x.shape[a] for a in places])
    by_size = sizes is not None and raw(sizes).size > 0
    wanted = raw(sizes if by_size else scales)[order]
    transform, method = coordinate_transformation_mode, mode
    if transform == "tf_crop_and_resize":
        ends = raw(roi).reshape(2, -1)[:, order]
        after = wanted if by_size else np.floor(before * wanted).astype(int)
        return _cropped(x, places, ends, after, method, extrapolation_value)
    options: dict[str, Any] = {"scale": wanted}
    if by_size:
        stretched = keep_aspect_ratio_policy == "stretch"
        options = {
            "output_size": wanted
            if stretched
            else _stretched(keep_aspect_ratio_policy, wanted, before)
        }
    elif transform == "align_corners" and np.any(before * wanted % 1 > 0):
        # The standard aligns the corner with an end that the rounded size does not reach.
        spots = [
            np.arange(int(w)) * (n - 1) / (w - 1) if w > 1 else np.zeros(1)
            for n, w in zip(before[2:], (before * wanted)[2:], strict=True)
        ]
        return _sampled(x, spots, method)[0]
    return dlresize(
        x,
        **options,
        method=method,  # type: ignore[arg-type]
        geometric_transform_mode=transform.replace("_", "-"),  # type: ignore[arg-type]
        nearest_rounding_mode=ROUNDINGS.get(nearest_mode, nearest_mode),  # type: ignore[arg-type]
        antialias=bool(antialias),
        cubic_coefficient=cubic_coeff_a,
        exclude_outside=bool(exclude_outside),
        data_format="".join("S" if i in places else "U" for i in range(x.ndim)),
    )


def _stretched(policy: str, wanted: Array, before: Array) -> Array:
    """Return sizes by one factor for all, the smallest or the largest."""
    factors = wanted / before
    factor = factors.min() if policy == "not_larger" else factors.max()
    found: Array = np.floor(factor * before + 0.5).astype(int)
    return found


def _sampled(x: Any, spots: list[Array], method: str) -> tuple[Any, Any]:
    """Return images at places along both of their dimensions, and where these are outside."""
    rows, columns = np.meshgrid(*spots, indexing="ij")
    n, m = x.shape[2:]
    scaled = [2 * s / max(size - 1, 1) - 1 for s, size in ((columns, m), (rows, n))]
    grid = np.stack(scaled, axis=-1).astype(x.dtype)
    y = grid_sample(
        x,
        np.broadcast_to(grid, (x.shape[0], *grid.shape)),
        method=method,  # type: ignore[arg-type]
        padding="border",
        align_corners=True,
        data_format="BCSS",
    )
    return y, (rows < 0) | (rows > n - 1) | (columns < 0) | (columns > m - 1)


def _cropped(x: Any, axes: list[int], ends: Array, sizes: Array, method: str, value: float) -> Any:
    spots = []
    for axis in (2, 3):
        i = axes.index(axis)
        (start, end), size, n = ends[:, i], int(sizes[i]), x.shape[axis]
        steps = np.arange(size) / max(size - 1, 1) if size > 1 else np.full(1, 0.5)
        spots.append((start + steps * (end - start)) * (n - 1))
    y, outside = _sampled(x, spots, method)
    return where(outside, value, y)


METHODS = {"bilinear": "linear", "bicubic": "cubic"}  # of older versions


@operator("GridSample")
def sample(
    x: Any, grid: Any, *, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros"
) -> Any:
    """Return images at the places of a grid."""
    return grid_sample(
        x,
        grid,
        method=METHODS.get(mode, mode),  # type: ignore[arg-type]
        padding=padding_mode,  # type: ignore[arg-type]
        align_corners=bool(align_corners),
        data_format=with_labels(x.ndim - 2),
    )


@operator("AffineGrid")
def affine_grid(theta: Any, sizes: Any, *, align_corners: int = 0) -> Any:
    """Return the grid of an affine map."""
    coordinates = []
    for n in ints(sizes)[2:]:
        i = np.arange(n, dtype=theta.dtype)
        coordinates.append(i * 2 / (n - 1) - 1 if align_corners else (2 * i + 1) / n - 1)
    places = np.meshgrid(*coordinates, indexing="ij")[::-1]
    homogeneous = np.stack([*places, np.ones_like(places[0])], axis=-1)
    points = homogeneous.reshape(-1, homogeneous.shape[-1])
    shape = (theta.shape[0], *homogeneous.shape[:-1], theta.shape[1])
    return reshape(matmul(points, theta.mT), shape)


@operator("DepthToSpace")
def depth_to_space(x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    """Return channels as blocks of space."""
    return blocks_to_space(x, blocksize, mode=mode.lower(), data_format="BCSS")  # type: ignore[arg-type]


@operator("SpaceToDepth")
def space_to_depth(x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    """Return blocks of space as channels."""
    return space_to_blocks(x, blocksize, mode=mode.lower(), data_format="BCSS")  # type: ignore[arg-type]


@operator("RoiAlign")
def regions(
    x: Any,
    boxes: Any,
    images: Any,
    *,
    coordinate_transformation_mode: str | None = None,
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
    opset: int,
) -> Any:
    """Return regions of images, resized."""
    usual = "half_pixel" if opset >= 16 else "output_half_pixel"
    transform = coordinate_transformation_mode or usual
    return roialign(
        x,
        boxes,
        (output_height, output_width),
        batch_indices=images,
        roi_scale=spatial_scale,
        sampling_ratio=sampling_ratio or "auto",
        method={"avg": "average", "max": "max"}[mode],  # type: ignore[arg-type]
        geometric_transform_mode=transform.replace("_", "-"),  # type: ignore[arg-type]
        data_format="BCSS",
    )


@operator("NonMaxSuppression")
def non_max_suppression(
    boxes: Any,
    scores: Any,
    most: Any = None,
    overlap: Any = None,
    threshold: Any = None,
    *,
    center_point_box: int = 0,
) -> Any:
    """Return image, class and box of the best boxes that do not overlap too much."""
    count = int(number(most) or 0)
    reach, least = number(overlap) or 0.0, number(threshold)
    corners = _corners(np.asarray(raw_of(boxes)), center_point_box)
    found = []
    for b, classes in enumerate(np.asarray(raw_of(scores))):
        for c, values in enumerate(classes):
            candidates = np.argsort(-values, kind="stable")
            if least is not None:
                candidates = candidates[values[candidates] > least]
            found += [(b, c, i) for i in _best(corners[b], candidates, count, reach)]
    return np.array(found, np.int64).reshape(-1, 3)


def _corners(boxes: Array, center: int) -> Array:
    """Return the lower and upper ends of boxes."""
    if center:
        x, y, w, h = np.moveaxis(boxes, -1, 0)
        return np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=-1)
    low, high = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([np.minimum(low, high), np.maximum(low, high)], axis=-1)


def _best(corners: Array, candidates: Array, count: int, reach: float) -> list[int]:
    areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    chosen: list[int] = []
    while candidates.size and len(chosen) < count:
        i, candidates = int(candidates[0]), candidates[1:]
        chosen.append(i)
        low = np.maximum(corners[i, :2], corners[candidates, :2])
        high = np.minimum(corners[i, 2:], corners[candidates, 2:])
        common = np.prod(np.maximum(high - low, 0), axis=1)
        union = areas[i] + areas[candidates] - common
        candidates = candidates[common <= reach * union]
    return chosen
