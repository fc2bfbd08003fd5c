"""Images at given places: interpolation on a grid."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Format, Operand, Shape, Value
from dlgradient.errors import (
    ComplexValueError,
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.images.interpolate import Method, Neighbour, neighbours, weighted
from dlgradient.nn.shared.arguments import (
    as_array,
    axes_of,
    described,
    finished,
    format_of,
    formatted,
    in_order,
)
from dlgradient.nn.shared.windows import from_images, to_images
from dlgradient.ops.arithmetic import remainder
from dlgradient.ops.choice import clip
from dlgradient.ops.complex import abs
from dlgradient.ops.index import getitem
from dlgradient.ops.permute import moveaxis
from dlgradient.ops.shape import expand_dims
from dlgradient.rules import derived

__all__ = ["grid_sample"]


Padding: TypeAlias = Literal["zeros", "border", "reflection"]


# From here on, a coordinate is more than two elements outside of any image.
FAR = 9.0


def _place(p: Value, n: int, align_corners: bool) -> Value:
    """Return the place, along a dimension of n elements, of a coordinate from -1 to 1."""
    return (p + 1) * ((n - 1) / 2) if align_corners else ((p + 1) * n - 1) * 0.5


def _reflected(place: Value, n: int, align_corners: bool) -> Value:
    """Reflect a place into the image, about the outermost elements or their outer edges."""
    low, span = (0.0, n - 1) if align_corners else (-0.5, n)
    if span == 0:
        return place * 0
    wave = low + span - abs(remainder(place - low, 2 * span) - span)
    return clip(wave, 0, n - 1)


def _axis_neighbours(
    p: Value, n: int, method: str, padding: str, align_corners: bool
) -> list[Neighbour]:
    """Return the neighbours along one dimension of n elements, for coordinates from -1 to 1."""
    place = _place(p, n, align_corners)
    if method == "cubic":
        # The curve extends outside; the elements are reflected or clipped.
        found = neighbours(place, method)
        if padding == "reflection":
            found = [Neighbour(_reflected(i, n, align_corners), w) for i, w in found]
        return found
    if padding == "border":
        place = clip(place, 0, n - 1)
    elif padding == "reflection":
        place = _reflected(place, n, align_corners)
    return neighbours(place, method)


@derived(
    samples=lambda m: _grid_sample_samples(m),
    errors=lambda m: _grid_sample_errors(m),
)
def grid_sample(
    x: Operand,
    grid: Operand,
    /,
    *,
    method: Method = "linear",
    padding: Padding = "zeros",
    align_corners: bool = False,
    data_format: Format = None,
) -> Value:
    """Interpolation of images at given places, with derivatives of images and places.

    Between elements, the derivative of a place is the slope there. At an element, which is a kink
    of linear interpolation, it is the slope towards larger coordinates. It is zero beyond a border
    that is repeated, and everywhere for the nearest element.

    Parameters
    ----------
    x : array
        Images, signals or volumes: d dimensions 'S', and optionally 'C' and 'B', in any order.
    grid : array
        Real, of shape ``(batch, *sizes, d)`` with d sizes, or ``(*sizes, d)`` without 'B': the
        place of each element of the result. The first coordinate is that of the last dimension of
        space, and so on: across, down. With a format, the coordinates are 'C'. The image extends
        from -1 to 1.
    method : {"linear", "nearest", "cubic"}
        Of two elements at equal distance, "nearest" takes the even one. The coefficient of "cubic"
        is -3/4.
    padding : {"zeros", "border", "reflection"}
        What is outside: zeros, the outermost elements, or the reflected image.
    align_corners : bool
        Whether -1 and 1 are the centres of the outermost elements, or their outer edges. The image
        is reflected there too.
    data_format : str, optional
        Format of an unlabelled `x`; the result is then unlabelled too.

    Returns
    -------
    dlarray
        In the order of `x`, with the sizes of the grid.

    Raises
    ------
    ShapeMismatchError
        If the grid has the wrong shape, or there is nothing to read.
    InvalidArgumentError, FormatError, FormatClashError, ComplexValueError
        If an option has an invalid value, `x` the wrong dimensions, or the grid is complex.

    See Also
    --------
    dlresize : resize an image
    roialign : values in boxes of an image

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]], "SS")
    >>> dl.grid_sample(x, [[[0.0, 0.0], [-0.5, 0.5]]]).tolist()
    [[2.5, 3.0]]

    Source: PyTorch ``grid_sample``; ONNX ``GridSample``.
    """
    array, strip = formatted("grid_sample", x, data_format, grid)
    axes, channel, batch = (axes_of(array, label) for label in "SCB")
    found = f"grid_sample: x has {described(array)}"
    if not axes or len(axes) + len(channel) + len(batch) != array.ndim:
        raise FormatClashError(f"{found}; it must have 'S', and besides only 'C' and 'B'")
    places = as_array("grid_sample", "grid", grid, array)
    order = "B" * ("B" in format_of(places)) + "S" * len(axes) + "C"
    places = in_order("grid_sample", "grid", places, order, "batch, sizes, coordinates")
    refuse_complex("grid_sample", grid=places)
    images, memory = to_images(array, axes, channel)
    d = len(axes)
    if not batch and places.ndim == d + 1:
        places = expand_dims(places, axis=0)
    if places.ndim != d + 2 or places.shape[0] != images.shape[0] or places.shape[-1] != d:
        sizes = ", ".join(("height", "width") if d == 2 else [f"size {i + 1}" for i in range(d)])
        raise ShapeMismatchError(
            f"{found}, grid has shape {np.shape(grid)}; it must be "
            f"({'batch, ' if batch else ''}{sizes}, {d})"
        )
    if 0 in images.shape[2:]:
        raise ShapeMismatchError(f"{found}; there is nothing to take")
    if padding != "reflection":
        # The same value, and infinity has no place between two elements.
        places = clip(places, -FAR, FAR)
    taps = [
        _axis_neighbours(getitem(places, (Ellipsis, d - 1 - i)), n, method, padding, align_corners)
        for i, n in enumerate(images.shape[2:])
    ]
    each = np.arange(images.shape[0]).reshape(-1, *(1,) * d)
    y: Value = 0
    for part in weighted(moveaxis(images, 1, -1), each, taps, zeros=padding == "zeros"):
        y = y + part
    return finished(from_images(moveaxis(y, -1, 1), memory), strip)


def _grid_sample_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 2, 1, 2), _between(m, (3, 2), 2, 2, 2), data_format="SSCB"),
        case(
            m.real(2, 1, 3, 4),
            _between(m, (3, 4), 2, 1, 3, align_corners=True),
            data_format="BCSS",
            align_corners=True,
            padding="border",
        ),
        case(m.complex(3, 3, 1), _between(m, (3, 3), 1, 2), data_format="SSC"),
        case(m.real(3, 2), _between(m, (3, 2), 2, 2), method="cubic", data_format="SS"),
        case(m.real(3, 2, 1), _between(m, (3,), 1, 2), method="nearest", data_format="SCB"),
        case(
            m.real(2, 2, 3),
            _between(m, (2, 2, 3), 1, 1, 2),
            padding="reflection",
            data_format="SSS",
        ),
        case(m.real(0, 1, 2, 2), m.real(0, 1, 1, 2), data_format="BCSS"),
    ]


def _between(m: Maker, sizes: Shape, *shape: int, align_corners: bool = False) -> Array:
    """Return a grid in and around an image, away from its elements and the middles between them."""
    grid = []
    for n in reversed(sizes):
        halves = m.rng.integers(-3, 2 * n + 2, shape)
        place = halves / 2 + m.between(0.1, 0.4, *shape)
        grid.append(2 * place / (n - 1) - 1 if align_corners else (2 * place + 1) / n - 1)
    return np.stack(grid, -1)


def _grid_sample_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 2, 1), m.real(1, 1, 2)), FormatError, "grid_sample: x of shape"),
        Error(
            case(m.real(2, 2), m.real(1, 1, 2), data_format="CB"), FormatClashError, "must have 'S'"
        ),
        Error(
            case(m.real(2, 2, 1), m.real(1, 2), data_format="SSC"),
            ShapeMismatchError,
            r"grid has shape \(1, 2\)",
        ),
        Error(
            case(m.real(2, 2, 1), m.real(1, 1, 2), data_format="SSC", padding="wrap"),
            InvalidArgumentError,
            "padding must be .*'wrap'",
        ),
        Error(
            case(m.real(2, 2, 1), m.real(1, 1, 2), data_format="SSC", method="area"),
            InvalidArgumentError,
            "method must be .*'area'",
        ),
        Error(
            case(m.real(2, 2, 1), m.complex(1, 1, 2), data_format="SSC"),
            ComplexValueError,
            "grid_sample: grid must be real.*complex128",
        ),
    ]
