"""Images at places of one's own: interpolation at a grid."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.errors import (
    ComplexValueError,
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.common import axes_of, finished, formatted
from dlgradient.nn.reduction import as_array, plain
from dlgradient.nn.smooth import real_only
from dlgradient.nn.windows import from_images, to_images
from dlgradient.ops.choice import clip
from dlgradient.ops.index import getitem
from dlgradient.ops.samples import case
from dlgradient.ops.shape import permute_dims
from dlgradient.rules import derived

__all__ = ["grid_sample"]


def _corner(images: Any, index: list[Any], padding: str) -> Any:
    """Elements (batch, places..., channels) at integer places, and zero outside for "zeros"."""
    sizes = images.shape[1:3]
    inside: Any = True
    places = []
    for i, n in zip(index, sizes, strict=True):
        inside = inside & (i >= 0) & (i < n)
        places.append(np.clip(i, 0, n - 1))
    batch = np.arange(images.shape[0])[:, None, None]
    values = getitem(images, (batch, *places))
    if padding == "border":
        return values
    return values * inside[..., None].astype(images.dtype)


@derived(
    samples=lambda m: [
        case(m.real(3, 2, 1, 2), m.real(2, 2, 2, 2) * 0.3, data_format="SSCB"),
        case(
            m.real(2, 1, 3, 4),
            m.real(2, 1, 3, 2),
            data_format="BCSS",
            align_corners=True,
            padding="border",
        ),
        case(m.complex(3, 3, 1), m.real(1, 2, 2) * 0.3, data_format="SSC"),
        case(m.real(0, 1, 2, 2), m.real(0, 1, 1, 2), data_format="BCSS"),
    ],
    errors=lambda m: [
        (case(m.real(2, 2, 1), m.real(1, 1, 2)), FormatError, "grid_sample: x of shape"),
        (case(m.real(2, 2), m.real(1, 1, 2), data_format="SC"), FormatClashError, "two.*'S'"),
        (
            case(m.real(2, 2, 1), m.real(1, 2), data_format="SSC"),
            ShapeMismatchError,
            r"grid has shape \(1, 2\)",
        ),
        (
            case(m.real(2, 2, 1), m.real(1, 1, 2), data_format="SSC", padding="wrap"),
            InvalidArgumentError,
            "padding='wrap'",
        ),
        (
            case(m.real(2, 2, 1), m.complex(1, 1, 2), data_format="SSC"),
            ComplexValueError,
            "grid_sample: grid.*complex128",
        ),
    ],
)
def grid_sample(
    x: Any,
    grid: Any,
    /,
    *,
    padding: str = "zeros",
    align_corners: bool = False,
    data_format: str | None = None,
) -> Any:
    """Bilinear interpolation of images at given places, with derivatives of images and places.

    Between elements the derivative of a place is the slope there; at an element, a kink, it is the
    slope towards larger coordinates. Outside a border that continues it is zero.

    Parameters
    ----------
    x : array
        Images with two dimensions 'S', and perhaps 'C' and 'B', in any order.
    grid : array
        Real, of shape (batch, height, width, 2), without 'B' (height, width, 2): for each element
        of the result its place. The first coordinate belongs to the second dimension of space
        (across), the second to the first (down); both run from -1 to 1 over the image.
    padding : {"zeros", "border"}
        What lies outside: zeros, or the outermost elements.
    align_corners : bool
        Whether -1 and 1 are the centres of the outermost elements instead of their outer edges.
    data_format : str, optional
        Format of an `x` that has none. The result then has none either.

    Returns
    -------
    dlarray
        In the order of `x`, with the height and width of the grid.

    Raises
    ------
    ShapeMismatchError
        If the grid has another shape, or there is no element to take.
    InvalidArgumentError, FormatError, FormatClashError, ComplexValueError
        If an option has no such value, `x` not the dimensions, or the grid is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]], "SS")
    >>> dl.grid_sample(x, [[[0.0, 0.0], [-0.5, 0.5]]]).tolist()
    [[2.5, 3.0]]

    Source: PyTorch ``grid_sample``; ONNX ``GridSample``.
    """
    x, strip = formatted("grid_sample", x, data_format)
    axes, channel = axes_of(x, "S"), axes_of(x, "C")
    described = f"grid_sample: x has shape {x.shape} and format {x._format!r}"
    others = x._format.replace("S", "").replace("C", "")
    if len(axes) != 2 or others not in ("", "B"):
        raise FormatClashError(f"{described}; it must have two dimensions 'S', and 'C' or 'B'")
    if padding not in ("zeros", "border"):
        raise InvalidArgumentError(f"grid_sample: padding={padding!r} must be 'zeros' or 'border'")
    places = plain(as_array("grid_sample", "grid", grid))
    real_only("grid_sample: grid", places._value)
    images, memory = to_images(x, axes, channel)
    if not others and places.ndim == 3:
        places = getitem(places, None)
    if places.ndim != 4 or places.shape[0] != images.shape[0] or places.shape[3] != 2:
        raise ShapeMismatchError(
            f"{described}, grid has shape {getattr(grid, 'shape', np.shape(grid))}; it must be "
            f"({'batch, ' if others else ''}height, width, 2)"
        )
    if 0 in images.shape[2:]:
        raise ShapeMismatchError(f"{described}; there is nothing to take")
    y = _interpolated(permute_dims(images, axes=(0, 2, 3, 1)), places, padding, align_corners)
    return finished(from_images(permute_dims(y, axes=(0, 3, 1, 2)), memory), strip)


def _interpolated(images: Any, grid: Any, padding: str, align_corners: bool) -> Any:
    """Images (batch, height, width, channels) at places (batch, h, w, 2)."""
    low, weight = [], []
    for axis, n in enumerate(images.shape[1:3]):
        p = getitem(grid, (Ellipsis, 1 - axis))
        p = (p + 1) * ((n - 1) / 2) if align_corners else ((p + 1) * n - 1) * 0.5
        if padding == "border":
            p = clip(p, 0, n - 1)
        base = np.floor(np.asarray(p._value))
        # Far away is outside all the same, and fits an integer.
        low.append(np.clip(np.nan_to_num(base), -2, n).astype(np.int64))
        weight.append(getitem(p - base, (Ellipsis, None)))
    y: Any = 0
    for i in (0, 1):
        wi = weight[0] if i else 1 - weight[0]
        for j in (0, 1):
            wj = weight[1] if j else 1 - weight[1]
            y = y + _corner(images, [low[0] + i, low[1] + j], padding) * (wi * wj)
    return y
