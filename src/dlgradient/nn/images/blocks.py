"""Move blocks of images between channels and space."""

from __future__ import annotations

from math import prod
from typing import Any, Literal, TypeAlias

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Counts, Format, Operand, Shape, Value
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.shared.arguments import axes_of, described, finished, formatted
from dlgradient.nn.shared.windows import for_each, from_images, to_images
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.shape import reshape
from dlgradient.rules import derived

__all__ = ["depth_to_space", "space_to_depth"]

Mode: TypeAlias = Literal["dcr", "crd"]


def _blocks(function: str, x: Value, block_size: Counts) -> tuple[Value, Any, Shape]:
    """Return images (batch, channels, *sizes), the argument of `from_images`, and block sizes."""
    axes, channel = axes_of(x, "S"), axes_of(x, "C")
    if not axes or not channel:
        raise FormatClashError(f"{function}: x has {described(x)}; it must have 'C' and 'S'")
    block = for_each(function, "block_size", block_size, len(axes))
    images, memory = to_images(x, axes, channel)
    return images, memory, block


def _block_errors(name: str, x: Array) -> list[Error]:
    return [
        Error(case(x, 2), FormatError, f"{name}: x of shape"),
        Error(
            case(x, 0, data_format="SSC"), InvalidArgumentError, "block_size must be .*at least 1"
        ),
        Error(
            case(x, 2, data_format="SSC", mode="rows"),
            InvalidArgumentError,
            "mode must be .*'rows'",
        ),
        Error(case(x, 2, data_format="SSB"), FormatClashError, "'SSB'; it must have 'C' and 'S'"),
    ]


@derived(
    samples=lambda m: _depth_to_space_samples(m),
    errors=lambda m: _depth_to_space_errors(m),
)
def depth_to_space(
    x: Operand, block_size: Counts, *, mode: Mode = "dcr", data_format: Format = None
) -> Value:
    """Move channels into blocks of space.

    Parameters
    ----------
    x : array
        With the dimensions 'C' and 'S', in any order.
    block_size : int or sequence of int
        Size of a block, for all spatial dimensions or for each.
    mode : {"dcr", "crd"}
        Whether the channels are counted block first (depth, column, row), or last.
    data_format : str, optional
        Format of an unlabelled `x`; the result is then unlabelled too.

    Returns
    -------
    dlarray
        In the order of `x`, with fewer channels and larger images.

    Raises
    ------
    ShapeMismatchError
        If the channels cannot be divided into blocks.
    InvalidArgumentError, FormatError, FormatClashError
        If an option has an invalid value, or `x` the wrong dimensions.

    See Also
    --------
    space_to_depth : blocks of the image moved into channels
    dltranspconv : transposed convolution

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]], "SC")
    >>> dl.depth_to_space(x, 2).tolist()
    [[1.0], [2.0], [3.0], [4.0]]

    Source: ONNX ``DepthToSpace``; MATLAB ``depthToSpace``.
    """
    array, strip = formatted("depth_to_space", x, data_format)
    images, memory, block = _blocks("depth_to_space", array, block_size)
    batch, channels, *sizes = images.shape
    d, n = len(block), prod(block)
    if channels % n:
        raise ShapeMismatchError(
            f"depth_to_space: x of {described(array)} has {channels} channels, which do not fill "
            f"blocks of {n}"
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


def _depth_to_space_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(1, 2, 8), 2, data_format="SSC"),
        case(m.real(2, 6, 1, 2), (3, 1), data_format="BCSS", mode="crd"),
        case(m.complex(2, 4), 2, data_format="SC"),
        case(m.real(1, 2, 4, 0), 2, data_format="SSCB"),
    ]


def _depth_to_space_errors(m: Maker) -> list[Error]:
    return [
        *_block_errors("depth_to_space", m.real(1, 2, 4)),
        Error(
            case(m.real(1, 2, 6), 2, data_format="SSC"),
            ShapeMismatchError,
            "6 channels.*blocks of 4",
        ),
    ]


@derived(
    samples=lambda m: _space_to_depth_samples(m),
    errors=lambda m: _space_to_depth_errors(m),
)
def space_to_depth(
    x: Operand, block_size: Counts, *, mode: Mode = "dcr", data_format: Format = None
) -> Value:
    """Move blocks of space into channels; the inverse of `depth_to_space`.

    Parameters
    ----------
    x : array
        With the dimensions 'C' and 'S', in any order.
    block_size : int or sequence of int
        Size of a block, for all spatial dimensions or for each.
    mode : {"dcr", "crd"}
        Whether the channels are counted block first (depth, column, row), or last.
    data_format : str, optional
        Format of an unlabelled `x`; the result is then unlabelled too.

    Returns
    -------
    dlarray
        In the order of `x`, with more channels and smaller images.

    Raises
    ------
    ShapeMismatchError
        If the images cannot be divided into blocks.
    InvalidArgumentError, FormatError, FormatClashError
        If an option has an invalid value, or `x` the wrong dimensions.

    See Also
    --------
    depth_to_space : channels moved into blocks of the image

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0], [2.0], [3.0], [4.0]], "SC")
    >>> dl.space_to_depth(x, 2).tolist()
    [[1.0, 2.0], [3.0, 4.0]]

    Source: ONNX ``SpaceToDepth``; MATLAB ``spaceToDepth``.
    """
    array, strip = formatted("space_to_depth", x, data_format)
    images, memory, block = _blocks("space_to_depth", array, block_size)
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


def _space_to_depth_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 4, 2), 2, data_format="SSC"),
        case(m.real(2, 2, 3, 2), (3, 1), data_format="BCSS", mode="crd"),
        case(m.complex(4, 1), 2, data_format="SC"),
        case(m.real(2, 2, 1, 0), 2, data_format="SSCB"),
    ]


def _space_to_depth_errors(m: Maker) -> list[Error]:
    return [
        *_block_errors("space_to_depth", m.real(2, 2, 4)),
        Error(
            case(m.real(3, 2, 1), 2, data_format="SSC"),
            ShapeMismatchError,
            r"sizes \(3, 2\).*blocks of \(2, 2\)",
        ),
    ]
