"""Images: blocks between channels and space, and measures of similarity."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.samples import Error, case
from dlgradient.errors import (
    ComplexValueError,
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.losses.arguments import Loss
from dlgradient.nn.shared.arguments import axes_of, finished, floating, formatted, real_only
from dlgradient.nn.shared.windows import from_images, integers, real_like, to_images
from dlgradient.ops.exponential import log10
from dlgradient.ops.linalg import matmul
from dlgradient.ops.moments import mean
from dlgradient.ops.shape import moveaxis, permute_dims, reshape
from dlgradient.rules import derived

__all__ = ["depth_to_space", "psnr", "space_to_depth", "ssim"]

Array = np.ndarray[Any, Any]
Sizes = tuple[int, ...]


# -- blocks --------------------------------------------------------------------------------------


def _blocks(function: str, x: Any, block_size: Any, mode: str) -> tuple[Any, Any, Sizes]:
    """Images (batch, channels, *sizes), what `from_images` needs, and the sizes of the blocks."""
    if mode not in ("dcr", "crd"):
        raise InvalidArgumentError(f"{function}: mode={mode!r} must be 'dcr' or 'crd'")
    axes, channel = axes_of(x, "S"), axes_of(x, "C")
    if not axes or not channel:
        raise FormatClashError(
            f"{function}: x has shape {x.shape} and format {x._format!r}; it must have 'C' and 'S'"
        )
    block = integers(function, "block_size", block_size, len(axes))
    images, memory = to_images(x, axes, channel)
    return images, memory, block


def _block_errors(name: str, x: Any) -> list[Any]:
    return [
        Error(case(x, 2), FormatError, f"{name}: x of shape"),
        Error(
            case(x, 0, data_format="SSC"), InvalidArgumentError, "block_size=0 must be at least 1"
        ),
        Error(case(x, 2, data_format="SSC", mode="rows"), InvalidArgumentError, "mode='rows'"),
        Error(case(x, 2, data_format="SSB"), FormatClashError, "'SSB'; it must have 'C' and 'S'"),
    ]


@derived(
    samples=lambda m: [
        case(m.real(1, 2, 8), 2, data_format="SSC"),
        case(m.real(2, 6, 1, 2), (3, 1), data_format="BCSS", mode="crd"),
        case(m.complex(2, 4), 2, data_format="SC"),
        case(m.real(1, 2, 4, 0), 2, data_format="SSCB"),
    ],
    errors=lambda m: [
        *_block_errors("depth_to_space", m.real(1, 2, 4)),
        Error(
            case(m.real(1, 2, 6), 2, data_format="SSC"),
            ShapeMismatchError,
            "6 channels.*blocks of 4",
        ),
    ],
)
def depth_to_space(
    x: Any, block_size: Any, *, mode: str = "dcr", data_format: str | None = None
) -> Any:
    """Channels moved into blocks of space.

    Parameters
    ----------
    x : array
        With the dimensions 'C' and 'S', in any order.
    block_size : int or sequence of int
        Size of a block, for all spatial dimensions or for each.
    mode : {"dcr", "crd"}
        Whether the channels are counted block first (depth, column, row), or last.
    data_format : str, optional
        Format of an `x` that has none. The result then has none either.

    Returns
    -------
    dlarray
        In the order of `x`, with less channels and larger images.

    Raises
    ------
    ShapeMismatchError
        If the channels do not fill blocks.
    InvalidArgumentError, FormatError, FormatClashError
        If an option has no such value, or `x` not the dimensions.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]], "SC")
    >>> dl.depth_to_space(x, 2).tolist()
    [[1.0], [2.0], [3.0], [4.0]]

    Source: ONNX ``DepthToSpace``; MATLAB ``depthToSpace``.
    """
    x, strip = formatted("depth_to_space", x, data_format)
    images, memory, block = _blocks("depth_to_space", x, block_size, mode)
    batch, channels, *sizes = images.shape
    d, n = len(block), prod(block)
    if channels % n:
        raise ShapeMismatchError(
            f"depth_to_space: x of shape {x.shape} and format {x._format!r} has {channels} "
            f"channels, which do not fill blocks of {n}"
        )
    less = channels // n
    parts = (*block, less) if mode == "dcr" else (less, *block)
    first, inner = (1, d + 1) if mode == "dcr" else (2, 1)
    order = [0, inner]
    for i in range(d):
        order += [d + 2 + i, first + i]
    y = permute_dims(reshape(images, (batch, *parts, *sizes)), axes=tuple(order))
    larger = [s * b for s, b in zip(sizes, block, strict=True)]
    return finished(from_images(reshape(y, (batch, less, *larger)), memory), strip)


@derived(
    samples=lambda m: [
        case(m.real(2, 4, 2), 2, data_format="SSC"),
        case(m.real(2, 2, 3, 2), (3, 1), data_format="BCSS", mode="crd"),
        case(m.complex(4, 1), 2, data_format="SC"),
        case(m.real(2, 2, 1, 0), 2, data_format="SSCB"),
    ],
    errors=lambda m: [
        *_block_errors("space_to_depth", m.real(2, 2, 4)),
        Error(
            case(m.real(3, 2, 1), 2, data_format="SSC"),
            ShapeMismatchError,
            r"sizes \(3, 2\).*blocks of \(2, 2\)",
        ),
    ],
)
def space_to_depth(
    x: Any, block_size: Any, *, mode: str = "dcr", data_format: str | None = None
) -> Any:
    """Blocks of space moved into the channels; the inverse of `depth_to_space`.

    Parameters
    ----------
    x : array
        With the dimensions 'C' and 'S', in any order.
    block_size : int or sequence of int
        Size of a block, for all spatial dimensions or for each.
    mode : {"dcr", "crd"}
        Whether the channels are counted block first (depth, column, row), or last.
    data_format : str, optional
        Format of an `x` that has none. The result then has none either.

    Returns
    -------
    dlarray
        In the order of `x`, with more channels and smaller images.

    Raises
    ------
    ShapeMismatchError
        If blocks do not fill the images.
    InvalidArgumentError, FormatError, FormatClashError
        If an option has no such value, or `x` not the dimensions.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0], [2.0], [3.0], [4.0]], "SC")
    >>> dl.space_to_depth(x, 2).tolist()
    [[1.0, 2.0], [3.0, 4.0]]

    Source: ONNX ``SpaceToDepth``; MATLAB ``spaceToDepth``.
    """
    x, strip = formatted("space_to_depth", x, data_format)
    images, memory, block = _blocks("space_to_depth", x, block_size, mode)
    batch, channels, *sizes = images.shape
    d = len(block)
    if any(s % b for s, b in zip(sizes, block, strict=True)):
        raise ShapeMismatchError(
            f"space_to_depth: images of sizes {tuple(sizes)} are not filled by blocks of {block}"
        )
    smaller = [s // b for s, b in zip(sizes, block, strict=True)]
    split: list[int] = []
    for s, b in zip(smaller, block, strict=True):
        split += [s, b]
    inner, outer = [3 + 2 * i for i in range(d)], [2 + 2 * i for i in range(d)]
    order = [0, *inner, 1, *outer] if mode == "dcr" else [0, 1, *inner, *outer]
    y = permute_dims(reshape(images, (batch, channels, *split)), axes=tuple(order))
    return finished(
        from_images(reshape(y, (batch, channels * prod(block), *smaller)), memory), strip
    )


# -- similarity ----------------------------------------------------------------------------------


def _pair(function: str, x: Any, reference: Any, data_format: str | None) -> tuple[Loss, Sizes]:
    """Two arrays of one shape, and the dimensions of an observation."""
    pair = Loss(function, x, reference, data_format)
    real_only(function, pair.y._value)
    real_only(f"{function}: reference", pair.t._value)
    pair.y, pair.t = floating(pair.y), floating(pair.t)
    return pair, tuple([i for i, c in enumerate(pair.fmt) if c != "B"])


def _by_observation(values: Any, pair: Loss) -> Any:
    fmt = "B" if values.ndim else None
    return finished(calls.wrap(values._value, values._node, fmt), pair.strip)


def _positive(function: str, name: str, value: float) -> float:
    if not value > 0:
        raise InvalidArgumentError(f"{function}: {name} must be positive, not {value!r}")
    return float(value)


@derived(
    samples=lambda m: [
        case(m.real(2, 3, 2), m.real(2, 3, 2), data_format="SCB"),
        case(m.real(2, 2), m.real(2, 2), data_format="SS", peak=255.0),
        case(m.real(2, 0), m.real(2, 0), data_format="SB"),
    ],
    errors=lambda m: [
        Error(case(m.real(2), m.real(3), data_format="S"), ShapeMismatchError, "never broadcast"),
        Error(
            case(m.real(2), m.real(2), peak=0, data_format="S"), InvalidArgumentError, "peak must"
        ),
        Error(case(m.complex(2), m.real(2), data_format="S"), ComplexValueError, "psnr"),
    ],
)
def psnr(x: Any, reference: Any, /, *, peak: float = 1.0, data_format: str | None = None) -> Any:
    """Peak signal-to-noise ratio in decibels, 10 log₁₀(peak² / mean (x - r)²), of each observation.

    It is infinite for equal images, where it has no derivative.

    Parameters
    ----------
    x, reference : dlarray or array_like
        Real, of the same sizes; `x` with a data format, or with `data_format`.
    peak : float
        Largest value of an image.
    data_format : str, optional
        Format of an `x` that has none.

    Returns
    -------
    dlarray
        A vector over the observations; without 'B' a number.

    Raises
    ------
    ShapeMismatchError, FormatClashError, FormatError
        If sizes or labels do not fit: nothing is broadcast.
    InvalidArgumentError
        If the peak is not positive.
    ComplexValueError
        If an operand is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> round(dl.psnr(dl.dlarray([0.5, 0.6], "S"), [0.6, 0.5]).item(), 4)
    20.0

    Source: MATLAB ``psnr``.
    """
    square = _positive("psnr", "peak", peak) ** 2
    pair, axes = _pair("psnr", x, reference, data_format)
    d = pair.y - pair.t
    return _by_observation(log10(square / mean(d * d, axis=axes)) * 10, pair)


def _gaussian(n: int, radius: int, sigma: float) -> Array:
    """Matrix of a Gaussian filter of n elements, whose outermost values continue outside."""
    k = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (k / sigma) ** 2)
    weights /= weights.sum()
    matrix = np.zeros((n, n))
    places = np.clip(np.arange(n)[:, None] + k, 0, n - 1)
    np.add.at(matrix, (np.arange(n)[:, None], places), weights)
    return matrix


def _smoothed(x: Any, filters: list[tuple[int, Array]]) -> Any:
    for axis, matrix in filters:
        x = moveaxis(matmul(moveaxis(x, axis, -1), matrix.T), -1, axis)
    return x


@derived(
    samples=lambda m: [
        case(m.real(3, 4, 2), m.real(3, 4, 2), data_format="SSB"),
        case(m.real(1, 3, 2), m.real(1, 3, 2), data_format="BSC", dynamic_range=2.0, sigma=0.5),
        case(m.real(3, 2, 0), m.real(3, 2, 0), data_format="SSB"),
    ],
    errors=lambda m: [
        Error(case(m.real(2), m.real(3), data_format="S"), ShapeMismatchError, "never broadcast"),
        Error(case(m.real(2), m.real(2), data_format="C"), FormatClashError, "must have 'S'"),
        Error(
            case(m.real(2), m.real(2), sigma=0, data_format="S"), InvalidArgumentError, "sigma must"
        ),
        Error(case(m.complex(2), m.real(2), data_format="S"), ComplexValueError, "ssim"),
    ],
)
def ssim(
    x: Any,
    reference: Any,
    /,
    *,
    dynamic_range: float = 1.0,
    sigma: float = 1.5,
    data_format: str | None = None,
) -> Any:
    """Structural similarity of each observation, the mean of that of all places and channels.

    With means μ, variances σ² and the covariance σₓᵣ under a Gaussian of radius ⌈3 σ⌉ it is
    (2 μₓ μᵣ + c₁) (2 σₓᵣ + c₂) / ((μₓ² + μᵣ² + c₁) (σₓ² + σᵣ² + c₂)), c₁ = (0.01 L)²,
    c₂ = (0.03 L)². Outside an image its outermost values continue.

    Parameters
    ----------
    x, reference : dlarray or array_like
        Real, of the same sizes, with spatial dimensions; `x` with a data format, or `data_format`.
    dynamic_range : float
        L, the largest difference of values of an image.
    sigma : float
        Standard deviation of the Gaussian.
    data_format : str, optional
        Format of an `x` that has none.

    Returns
    -------
    dlarray
        A vector over the observations; without 'B' a number.

    Raises
    ------
    ShapeMismatchError, FormatClashError, FormatError
        If sizes or labels do not fit: nothing is broadcast.
    InvalidArgumentError
        If an option is not positive.
    ComplexValueError
        If an operand is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[0.1, 0.9], [0.4, 0.2]], "SS")
    >>> round(dl.ssim(x, x).item(), 12)
    1.0

    Source: MATLAB ``ssim``; Wang et al. (2004).
    """
    level = _positive("ssim", "dynamic_range", dynamic_range)
    width = _positive("ssim", "sigma", sigma)
    pair, axes = _pair("ssim", x, reference, data_format)
    y, t = pair.y, pair.t
    spatial = axes_of(pair.labelled, "S")
    if not spatial:
        raise FormatClashError(f"ssim: x has the format {pair.fmt!r}; it must have 'S'")
    radius = int(np.ceil(3 * width))
    filters = [(i, real_like(_gaussian(y.shape[i], radius, width), y)) for i in spatial]
    my, mt = _smoothed(y, filters), _smoothed(t, filters)
    variances = _smoothed(y * y + t * t, filters) - my * my - mt * mt
    covariance = _smoothed(y * t, filters) - my * mt
    c1, c2 = (0.01 * level) ** 2, (0.03 * level) ** 2
    top = (2 * my * mt + c1) * (2 * covariance + c2)
    return _by_observation(
        mean(top / ((my * my + mt * mt + c1) * (variances + c2)), axis=axes), pair
    )
