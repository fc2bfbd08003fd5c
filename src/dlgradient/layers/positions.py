"""Layers of positions and tokens: embeddings of places, class tokens, patches of images."""

from __future__ import annotations

from dataclasses import field
from math import prod
from typing import ClassVar, Literal

import numpy as np

from dlgradient.core.types import Count, Counts, Positive, Value
from dlgradient.engine.array import dlarray, stripdims
from dlgradient.errors import FormatClashError, InvalidArgumentError, ShapeMismatchError
from dlgradient.layers.convolution import window
from dlgradient.layers.layer import Fresh, Layer
from dlgradient.layers.layout import Layout, format_of
from dlgradient.layers.parameters import Bias, Initializer, Weights
from dlgradient.nn.attention.positions import sinusoidalencoding
from dlgradient.nn.convolution.conv import dlconv
from dlgradient.ops.join import concat
from dlgradient.ops.permute import moveaxis, permute_dims
from dlgradient.ops.shape import broadcast_to, reshape
from dlgradient.ops.take import take

__all__ = [
    "EmbeddingConcatenation",
    "Indexing1d",
    "PatchEmbedding",
    "PositionEmbedding",
    "SinusoidalPositionEncoding",
]


def axis_of_steps(fmt: str) -> int:
    """Return the axis of the time; without one, of the only spatial dimension."""
    if "T" in fmt:
        return fmt.index("T")
    if fmt.count("S") != 1:
        raise FormatClashError(
            f"the input has the format {fmt!r}; it must have a time 'T', or one dimension 'S'"
        )
    return fmt.index("S")


def _of_each_step(rows: Value, x: Value) -> Value:
    """Return vectors, steps × channels, in the format of x and for each of its observations."""
    fmt = format_of(x)
    steps = axis_of_steps(fmt)
    channels = fmt.index("C") if "C" in fmt else len(fmt)
    fmt = fmt if "C" in fmt else f"{fmt}C"
    shape = [*x.shape, 1][: len(fmt)]
    shape[channels] = rows.shape[1]
    narrow = [1] * len(fmt)
    narrow[steps], narrow[channels] = rows.shape
    turned = rows if steps < channels else permute_dims(rows, axes=(1, 0))
    return dlarray(broadcast_to(reshape(turned, tuple(narrow)), tuple(shape)), fmt)


class PositionEmbedding(Weights, Layer):
    """A vector to learn for each position; the values of the input do not matter.

    Parameters
    ----------
    output_size : int
        Channels of a vector.
    max_position : int
        Positions are 0, ..., `max_position` - 1.
    weights : array, optional
        Initial values: positions × channels.
    weights_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(3), dl.layers.PositionEmbedding(8, 100)])
    >>> net.predict(np.zeros((5, 3, 2))).shape
    (5, 8, 2)

    Source: MATLAB ``positionEmbeddingLayer``.
    """

    output_size: Count
    max_position: Count
    weights_initializer: Initializer = field(default="narrow-normal", kw_only=True)
    learnables: ClassVar[tuple[str, ...]] = ("weights",)

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return the shape of the table."""
        del layouts
        return {"weights": Fresh((self.max_position, self.output_size), "UC")}

    def predict(self, x: Value) -> Value:
        """Return the vectors of the positions of x."""
        steps = x.shape[axis_of_steps(format_of(x))]
        if steps > self.max_position:
            raise ShapeMismatchError(
                f"the input has {steps} positions; max_position is {self.max_position}"
            )
        table: Value = self.weights
        return _of_each_step(table[:steps], x)


class SinusoidalPositionEncoding(Layer):
    """Sines and cosines of positions, with geometrically growing wave lengths.

    Parameters
    ----------
    output_size : int
        Channels, an even number.
    positions : {"indices", "data-values"}
        Whether positions are 0, 1, ..., along the time or the only spatial dimension; or are the
        values of the input, whose channels have size one.
    base : float
        Ratio by which the wave lengths grow.

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(1), dl.layers.SinusoidalPositionEncoding(8)])
    >>> net.predict(np.zeros((5, 1, 2))).shape
    (5, 8, 2)

    Source: MATLAB ``sinusoidalPositionEncodingLayer``.
    """

    output_size: Count
    positions: Literal["indices", "data-values"] = field(default="indices", kw_only=True)
    base: Positive = field(default=10000.0, kw_only=True)

    def __post_init__(self) -> None:
        if self.output_size % 2:
            raise InvalidArgumentError(
                f"layers.SinusoidalPositionEncoding: output_size must be even, not "
                f"{self.output_size}"
            )

    def predict(self, x: Value) -> Value:
        """Return the encoding of the positions of x."""
        fmt = format_of(x)
        if self.positions == "indices":
            places = np.arange(x.shape[axis_of_steps(fmt)], dtype=_real(x))
            return _of_each_step(sinusoidalencoding(places, self.output_size, base=self.base), x)
        if x.shape[fmt.index("C")] != 1:
            raise ShapeMismatchError(
                f"the input has shape {x.shape} and format {fmt!r}; positions='data-values' needs "
                "one channel"
            )
        y = sinusoidalencoding(stripdims(x), self.output_size, base=self.base)
        found = reshape(moveaxis(y, -1, fmt.index("C")), _with_channels(x, self.output_size))
        return dlarray(found, fmt)


def _real(x: Value) -> np.dtype[np.generic]:
    return x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)


def _with_channels(x: Value, channels: int) -> tuple[int, ...]:
    axis = format_of(x).index("C")
    return tuple([channels if i == axis else n for i, n in enumerate(x.shape)])


class EmbeddingConcatenation(Weights, Layer):
    """A vector to learn before the first step of each observation, as of a class token.

    Parameters
    ----------
    weights : array, optional
        Initial values, one for each channel.
    weights_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(3), dl.layers.EmbeddingConcatenation()])
    >>> net.predict(np.zeros((5, 3, 2))).shape
    (6, 3, 2)

    Source: MATLAB ``embeddingConcatenationLayer``.
    """

    weights_initializer: Initializer = field(default="narrow-normal", kw_only=True)
    learnables: ClassVar[tuple[str, ...]] = ("weights",)

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return the shape for an input."""
        return {"weights": Fresh((layouts[0].size_of("C"),))}

    def predict(self, x: Value) -> Value:
        """Return x with one step more."""
        fmt = format_of(x)
        axis, channels = axis_of_steps(fmt), fmt.index("C")
        narrow, shape = [1] * len(fmt), list(x.shape)
        narrow[channels], shape[axis] = x.shape[channels], 1
        first = broadcast_to(reshape(self.weights, tuple(narrow)), tuple(shape))
        return dlarray(concat([first, stripdims(x)], axis=axis), fmt)


class Indexing1d(Layer):
    """One step of a sequence, without the dimension of steps.

    Parameters
    ----------
    index : int, "first" or "last"
        Of the time, or the only spatial dimension; negative ones count from the end.

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(3), dl.layers.Indexing1d("last")])
    >>> net.predict(np.zeros((5, 3, 2))).shape
    (3, 2)

    Source: MATLAB ``indexing1dLayer``.
    """

    index: int | Literal["first", "last"] = "first"

    def predict(self, x: Value) -> Value:
        """Return the step."""
        fmt = format_of(x)
        axis = axis_of_steps(fmt)
        words = {"first": 0, "last": -1}
        i = words[self.index] if isinstance(self.index, str) else self.index
        n = x.shape[axis]
        if not -n <= i < n:
            raise ShapeMismatchError(f"the input has {n} steps; there is no step {self.index!r}")
        found = take(stripdims(x), np.asarray(i % n), axis=axis)
        return dlarray(found, fmt[:axis] + fmt[axis + 1 :])


class PatchEmbedding(Weights, Bias, Layer):
    """Patches of an image that do not overlap, each as a vector of channels, in one dimension.

    Parameters
    ----------
    patch_size : int or sequence of int
        For each spatial dimension.
    output_size : int
        Channels of a vector.
    spatial_flatten_mode : {"row-major", "column-major"}
        Whether the last spatial dimension changes fastest in the order of patches, or the first.
    weights, bias : array, optional
        Initial values: patch × channels × outputs, and outputs.
    weights_initializer, bias_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor, bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> image = dl.layers.ImageInput((8, 8, 3), normalization="none")
    >>> net = dl.dlnetwork([image, dl.layers.PatchEmbedding(4, 6)])
    >>> net.predict(np.zeros((8, 8, 3, 2))).shape
    (4, 6, 2)

    Source: MATLAB ``patchEmbeddingLayer``.
    """

    patch_size: Counts
    output_size: Count
    spatial_flatten_mode: Literal["row-major", "column-major"] = field(
        default="row-major", kw_only=True
    )
    learnables: ClassVar[tuple[str, ...]] = ("weights", "bias")

    def _sizes(self, fmt: str) -> tuple[int, ...]:
        return window(self.patch_size, fmt.count("S"), "patch_size")

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return shapes for an input."""
        sizes = self._sizes(layouts[0].format or "")
        shape = (*sizes, layouts[0].size_of("C"), self.output_size)
        return {
            "weights": Fresh(shape, "S" * len(sizes) + "CU"),
            "bias": Fresh((self.output_size,)),
        }

    def predict(self, x: Value) -> Value:
        """Return the vectors of the patches."""
        fmt = format_of(x)
        sizes = self._sizes(fmt)
        spatial = [i for i, label in enumerate(fmt) if label == "S"]
        for i, n in zip(spatial, sizes, strict=True):
            if x.shape[i] % n:
                raise ShapeMismatchError(
                    f"the input has shape {x.shape} and format {fmt!r}; patches of {sizes} do not "
                    "divide it"
                )
        y = dlconv(x, self.weights, self.bias, stride=sizes, weights_format="S" * len(sizes) + "CU")
        order = spatial if self.spatial_flatten_mode == "row-major" else spatial[::-1]
        others = [i for i in range(len(fmt)) if i not in spatial]
        before = sum(i < spatial[0] for i in others)
        axes = (*others[:before], *order, *others[before:])
        turned = permute_dims(stripdims(y), axes=axes)
        rows = prod([turned.shape[before + i] for i in range(len(sizes))])
        shape = (*turned.shape[:before], rows, *turned.shape[before + len(sizes) :])
        labels = "".join(fmt[i] for i in others)
        return dlarray(reshape(turned, shape), f"{labels[:before]}S{labels[before:]}")
