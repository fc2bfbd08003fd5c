"""Layers that multiply by a matrix: fully connected, embedding."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, Literal

import numpy as np

from dlgradient.core.types import Count, Value
from dlgradient.engine.array import dlarray, extractdata, stripdims
from dlgradient.layers.layer import Fresh, Layer
from dlgradient.layers.layout import Layout, format_of
from dlgradient.layers.parameters import Bias, Initializer, Weights
from dlgradient.nn.linear.embed import embed
from dlgradient.nn.linear.fullyconnect import fullyconnect
from dlgradient.ops.arithmetic import add
from dlgradient.ops.linalg import matmul, matrix_transpose
from dlgradient.ops.permute import moveaxis

__all__ = ["Embedding", "FullyConnected", "WordEmbedding"]


class FullyConnected(Weights, Bias, Layer):
    """Weights times the inputs, plus a bias.

    Parameters
    ----------
    output_size : int
    operation_dimension : {"spatial-channel", "channel"}
        Which dimensions are inputs; the others are a batch.
    weights, bias : array, optional
        Initial values: outputs × inputs, and outputs.
    weights_initializer, bias_initializer : str or callable
        See `dlgradient.initialize`.
    weights_learn_rate_factor, weights_l2_factor, bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(4), dl.layers.FullyConnected(2)])
    >>> net.learnables["fc/weights"].shape
    (2, 4)

    Source: MATLAB ``fullyConnectedLayer``.
    """

    output_size: Count
    operation_dimension: Literal["spatial-channel", "channel"] = field(
        default="spatial-channel", kw_only=True
    )
    learnables: ClassVar[tuple[str, ...]] = ("weights", "bias")
    short: ClassVar[str] = "fc"

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return shapes for an input."""
        inputs = layouts[0].size_of("C" if self.operation_dimension == "channel" else "CSU")
        return {
            "weights": Fresh((self.output_size, inputs)),
            "bias": Fresh((self.output_size,)),
        }

    def predict(self, x: Value) -> Value:
        """Return weights x + bias."""
        if self.operation_dimension == "spatial-channel":
            return fullyconnect(x, self.weights, self.bias)
        return channel_product(x, self.weights, self.bias)


def channel_product(x: Value, weights: Value, bias: Value) -> Value:
    """Return weights times the channels of x, plus a bias; all other dimensions are a batch."""
    fmt = format_of(x)
    axis = fmt.index("C")
    y: Value = matmul(moveaxis(stripdims(x), axis, -1), matrix_transpose(weights))
    return dlarray(moveaxis(add(y, bias), -1, axis), fmt)


class Embedding(Weights, Layer):
    """The vector of each index.

    Parameters
    ----------
    dimension : int
        Channels of a vector.
    num_symbols : int
        The indices are 0, ..., `num_symbols` - 1.
    weights : array, optional
        Initial values: symbols × channels.
    weights_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(1), dl.layers.Embedding(8, 100)])
    >>> net.predict(np.zeros((5, 1, 3))).shape
    (5, 8, 3)

    Source: MATLAB ``embeddingLayer``.
    """

    dimension: Count
    num_symbols: Count
    weights_initializer: Initializer = field(default="narrow-normal", kw_only=True)
    learnables: ClassVar[tuple[str, ...]] = ("weights",)

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return the shape of the table."""
        del layouts
        return {"weights": Fresh((self.num_symbols, self.dimension), "UC")}

    def predict(self, x: Value) -> Value:
        """Return the vectors of the indices x."""
        return embed(x, dlarray(self.weights, "UC"))


class WordEmbedding(Embedding):
    """The vector of each word, by its index in a vocabulary.

    Parameters
    ----------
    dimension : int
        Channels of a vector.
    num_symbols : int
        Number of words; the indices are 0, ..., `num_symbols` - 1.
    oov_mode : {"map-to-last", "error"}
        Whether an index that is in no vocabulary has the vector of the last word, or is an error.
    weights : array, optional
        Initial values: words × channels.
    weights_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(1), dl.layers.WordEmbedding(8, 100)])
    >>> net.predict(np.full((5, 1, 3), 200.0)).shape
    (5, 8, 3)

    Source: MATLAB ``wordEmbeddingLayer``.
    """

    oov_mode: Literal["map-to-last", "error"] = field(default="map-to-last", kw_only=True)

    def predict(self, x: Value) -> Value:
        """Return the vectors of the words x."""
        if self.oov_mode == "map-to-last":
            value = np.asarray(extractdata(x))
            known = (value >= 0) & (value < self.num_symbols)
            x = dlarray(np.where(known, value, self.num_symbols - 1), format_of(x))
        return super().predict(x)
