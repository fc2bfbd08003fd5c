"""Images of another size."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from dlgradient.core.calls import labelled, unlabelled
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import (
    Array,
    Axes,
    Axis,
    Counts,
    Format,
    Operand,
    Positives,
    Value,
)
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.images.interpolate import Method, cubic_far, cubic_near
from dlgradient.nn.shared.arguments import axes_of, described, finished, formatted
from dlgradient.nn.shared.weighted import Terms, index_dtype, kept_if_small, weighted_sums
from dlgradient.nn.shared.windows import for_each
from dlgradient.rules import derived

__all__ = ["dlresize"]

Transform: TypeAlias = Literal[
    "half-pixel",
    "half-pixel-symmetric",
    "pytorch-half-pixel",
    "asymmetric",
    "align-corners",
]
Rounding: TypeAlias = Literal["round", "round-half-down", "floor", "ceil"]
# Halves are rounded up, as in MATLAB, or down, as by default in ONNX.
_ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "round": lambda places: np.floor(places + 0.5),
    "round-half-down": lambda places: np.ceil(places - 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


# -- places and weights --------------------------------------------------------------------------


def _new_sizes(
    x: Value,
    axes: Axes,
    scale: Positives | None,
    output_size: Counts | None,
) -> list[tuple[int, float]]:
    """Return the new size of each spatial dimension, and the size before rounding."""
    if (scale is None) == (output_size is None):
        raise InvalidArgumentError("dlresize: give either scale or output_size")
    sizes = [x.shape[i] for i in axes]
    if output_size is not None:
        return [(n, n) for n in for_each("dlresize", "output_size", output_size, len(axes))]
    scales = for_each("dlresize", "scale", scale, len(axes))
    found = [(floor(s * f), s * f) for s, f in zip(sizes, scales, strict=True)]
    if any(n < 1 for n, _ in found):
        raise InvalidArgumentError(f"dlresize: scale={scale!r} leaves nothing of sizes {sizes}")
    return found


def _in_order(
    axes: Axes, x: Value, sizes: list[tuple[int, float]]
) -> list[tuple[Axis, tuple[int, float]]]:
    """Return dimensions and new sizes, those that shrink most first, so that others have less data.

    The last dimension is the slowest: among equals, it is before those that grow and after those
    that shrink.
    """

    def place(pair: tuple[Axis, tuple[int, float]]) -> tuple[float, int]:
        axis, (size, _) = pair
        ratio = size / x.shape[axis]
        return ratio, axis if ratio < 1 else -axis

    return sorted(zip(axes, sizes, strict=True), key=place)


class _Kernel(NamedTuple):
    """Kernel of an interpolation, stretched by a factor.

    Attributes
    ----------
    method : {"linear", "cubic"}
    stretch : float
    coefficient : float
        Of the cubic kernel.
    exclude_outside : bool
        Whether elements outside have no weight.
    """

    method: str
    stretch: float
    coefficient: float
    exclude_outside: bool


@kept_if_small
def _nearest(n: int, size: int, transform: str, width: float, rounding: str) -> Terms | None:
    """Return the nearest element of each place; None if each element stays where it is."""
    places = _places(n, size, transform, width)
    if np.array_equal(places, np.arange(n)):
        return None
    index = np.clip(_ROUNDINGS[rounding](places), 0, n - 1).astype(np.int64)[:, None]
    return Terms.of_rows(index, np.ones(index.shape), n)


@kept_if_small
def _interpolated(
    n: int,
    size: int,
    transform: str,
    width: float,
    kernel: _Kernel,
) -> Terms | None:
    """Return the elements around each place; None if each element stays where it is."""
    places = _places(n, size, transform, width)
    if np.array_equal(places, np.arange(n)):
        return None
    return Terms.of_rows(*_rows(places, n, kernel), n)


def _places(n: int, size: int, transform: str, width: float) -> Array:
    """Return the places, in a dimension of n elements, of the elements of the result."""
    i = np.arange(size, dtype=np.float64)
    if transform == "align-corners":
        return i * (n - 1) / max(size - 1, 1)
    if transform == "asymmetric":
        return i * n / width
    if transform == "pytorch-half-pixel" and size == 1:
        return i - 0.5
    shift = (1 - size / width) * n / 2 if transform == "half-pixel-symmetric" else 0.0
    i += 0.5
    i *= n
    i /= width
    i += shift - 0.5
    return i


def _rows(places: Array, n: int, kernel: _Kernel) -> tuple[Array, Array]:
    """Return indices and weights of elements for each place."""
    method, stretch, coefficient, exclude_outside = kernel
    if method == "linear" and stretch == 1:
        # In place: fresh pages were most of the time of the row cliffs.
        np.clip(places, 0, n - 1, out=places)  # the same, without rounding beyond the border
        rows = np.empty((places.size, 2), index_dtype(n))
        weights = np.empty(rows.shape)
        rows[:, 0] = places
        places -= rows[:, 0]
        np.add(rows[:, 0], places > 0, out=rows[:, 1])
        weights[:, 1] = places
        np.subtract(1, places, out=weights[:, 0])
        return rows, weights
    reach = ceil(stretch * (1 if method == "linear" else 2))
    index = np.floor(places).astype(np.int64)[:, None] + np.arange(1 - reach, reach + 1)
    s = np.abs(index - places[:, None]) / stretch
    if method == "linear":
        weights = np.maximum(1 - s, 0)
    else:
        far = np.where(s < 2, cubic_far(s, coefficient), 0)
        weights = np.where(s <= 1, cubic_near(s, coefficient), far)
    if exclude_outside:
        weights = np.where((index >= 0) & (index < n), weights, 0)
    # A sampled kernel does not sum to one if it is stretched, or cut at a border.
    weights /= weights.sum(axis=1, keepdims=True)
    return np.clip(index, 0, n - 1), weights


# -- the function --------------------------------------------------------------------------------


@derived(
    samples=lambda m: _dlresize_samples(m),
    errors=lambda m: _dlresize_errors(m),
)
def dlresize(
    x: Operand,
    *,
    scale: Positives | None = None,
    output_size: Counts | None = None,
    method: Method = "nearest",
    geometric_transform_mode: Transform = "half-pixel",
    nearest_rounding_mode: Rounding = "round",
    antialias: bool = False,
    cubic_coefficient: float = -0.75,
    exclude_outside: bool = False,
    data_format: Format = None,
) -> Value:
    """Resize spatial dimensions, with the nearest element, or linear or cubic interpolation.

    The element i of the result is at (i + 1/2) / scale - 1/2 of `x`. Beyond the centres of the
    elements at the border, their values are repeated. The cubic kernel with the coefficient a is (a
    + 2) s³ - (a + 3) s² + 1 at distances s up to 1, and a (s³ - 5 s² + 8 s - 4) up to 2.

    Parameters
    ----------
    x : array
        With spatial dimensions, and others in any order.
    scale : float or sequence of float, optional
        Factor, for all spatial dimensions or for each; the new size is the floor of the product.
    output_size : int or sequence of int, optional
        New sizes, instead of `scale`.
    method : {"nearest", "linear", "cubic"}
        Kernel of the interpolation.
    geometric_transform_mode : str
        Place of the element i of the result. "half-pixel": as above; "asymmetric": i / scale;
        "align-corners": i (n - 1) / (m - 1) for sizes n and m, so that the elements at the border
        do not move; "half-pixel-symmetric": as "half-pixel", but the centres of both images agree
        where the size was rounded; "pytorch-half-pixel": as "half-pixel", but -1/2 for a single
        element.
    nearest_rounding_mode : {"round", "round-half-down", "floor", "ceil"}
        How "nearest" rounds a place; "round" takes the second of two elements at equal distance.
    antialias : bool
        Whether to stretch the kernel by 1 / scale where the image becomes smaller.
    cubic_coefficient : float
        The a of the cubic kernel. With -0.5, `antialias` and `exclude_outside`, it is the
        resampling of Pillow.
    exclude_outside : bool
        Whether elements outside have no weight, instead of the value at the border.
    data_format : str, optional
        Format of an unlabelled `x`; the result is then unlabelled too.

    Returns
    -------
    dlarray
        In the order of `x`.

    Raises
    ------
    InvalidArgumentError
        If not exactly one of `scale` and `output_size` is given, or a value is not valid.
    ShapeMismatchError
        If a spatial dimension is empty.
    FormatError, FormatClashError
        If `x` has no format or no spatial dimension.

    See Also
    --------
    grid_sample : values of an image at given coordinates
    roialign : values in boxes of an image
    adaptiveavgpool : means over windows, by the size of the result

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([1.0, 3.0], "S")
    >>> dl.dlresize(x, scale=2, method="linear").tolist()
    [1.0, 1.5, 2.5, 3.0]

    Source: MATLAB ``dlresize``; ONNX ``Resize``; Keys (1981) for the cubic kernel.
    """
    array, strip = formatted("dlresize", x, data_format)
    axes = axes_of(array, "S")
    if not axes:
        raise FormatClashError(f"dlresize: x has {described(array)}; it must have 'S'")
    if antialias and method == "nearest":
        raise InvalidArgumentError(
            "dlresize: antialias=True has no meaning for method='nearest'; use 'linear' or 'cubic'"
        )
    if any(array.shape[i] == 0 for i in axes):
        raise ShapeMismatchError(f"dlresize: x has {described(array)}; there is nothing to resize")
    y = unlabelled(array)
    sizes = _new_sizes(array, axes, scale, output_size)
    for axis, (size, width) in _in_order(axes, array, sizes):
        n = array.shape[axis]
        transform = geometric_transform_mode
        if method == "nearest":
            terms = _nearest(n, size, transform, width, nearest_rounding_mode)
        else:
            stretch = max(n / width, 1.0) if antialias else 1.0
            kernel = _Kernel(method, stretch, cubic_coefficient, exclude_outside)
            terms = _interpolated(n, size, transform, width, kernel)
        # An unchanged dimension is not copied.
        if terms is not None:
            y = weighted_sums(y, terms=terms, axis=axis)
    return finished(labelled(y, array._format), strip)


def _dlresize_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 2, 1), scale=2, data_format="SSC"),
        case(m.real(2, 1, 4), scale=0.5, method="linear", data_format="BCS"),
        case(m.real(2, 3), output_size=(5, 2), method="linear", data_format="SS"),
        case(m.complex(3), output_size=4, method="linear", data_format="S"),
        case(m.real(3, 5), output_size=(4, 2), method="cubic", antialias=True, data_format="SS"),
        case(
            m.real(4, 2),
            scale=1.7,
            method="cubic",
            exclude_outside=True,
            cubic_coefficient=-0.5,
            geometric_transform_mode="asymmetric",
            data_format="SB",
        ),
        case(
            m.real(1, 3),
            output_size=2,
            method="linear",
            geometric_transform_mode="align-corners",
            data_format="BS",
        ),
        case(m.real(0, 3), output_size=2, data_format="BS"),
        case(m.real(0, 3), output_size=2, method="cubic", data_format="BS"),
    ]


def _dlresize_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), scale=2), FormatError, "dlresize: x of shape"),
        Error(
            case(m.real(3), data_format="S"), InvalidArgumentError, "either scale or output_size"
        ),
        Error(case(m.real(3), scale=2, data_format="C"), FormatClashError, "'C'; it must have 'S'"),
        Error(case(m.real(3), scale=0.1, data_format="S"), InvalidArgumentError, "leaves nothing"),
        Error(
            case(m.real(3), scale=-1, data_format="S"),
            InvalidArgumentError,
            "scale must be .*not -1",
        ),
        Error(
            case(m.real(3), scale=2, method="area", data_format="S"),
            InvalidArgumentError,
            "method must be one of 'nearest', 'linear', 'cubic', not 'area'",
        ),
        Error(
            case(m.real(3), scale=2, geometric_transform_mode="corners", data_format="S"),
            InvalidArgumentError,
            "geometric_transform_mode must be one of 'half-pixel'.*'corners'",
        ),
        Error(
            case(m.real(3), scale=2, nearest_rounding_mode="up", data_format="S"),
            InvalidArgumentError,
            "nearest_rounding_mode must be one of 'round'.*'up'",
        ),
        Error(
            case(m.real(3), scale=2, antialias=True, data_format="S"),
            InvalidArgumentError,
            "antialias=True has no meaning for method='nearest'",
        ),
        Error(
            case(np.zeros((0, 2)), output_size=2, data_format="SC"),
            ShapeMismatchError,
            "nothing to resize",
        ),
    ]
