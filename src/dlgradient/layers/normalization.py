"""Normalisation layers."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, Literal

import numpy as np

from dlgradient.core.calls import unlabelled
from dlgradient.core.types import Count, NonNegative, Operand, Probability, Value
from dlgradient.layers.layer import Fresh, Layer
from dlgradient.layers.layout import Layout
from dlgradient.layers.moments import Moments
from dlgradient.layers.parameters import Offset, Scale
from dlgradient.nn.normalization.batch_layer import batchnorm, layernorm, rmsnorm
from dlgradient.nn.normalization.groups import crosschannelnorm, groupnorm, instancenorm
from dlgradient.nn.shared.batches import elements_of_channels

__all__ = [
    "BatchNormalization",
    "CrossChannelNormalization",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "RmsNormalization",
]


class _Normalization(Offset, Scale, Layer):
    epsilon: NonNegative = field(default=1e-5, kw_only=True)
    learnables: ClassVar[tuple[str, ...]] = ("offset", "scale")

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return shapes for an input."""
        channels = (layouts[0].size_of("C"),)
        return {"offset": Fresh(channels), "scale": Fresh(channels)}


class BatchNormalization(_Normalization):
    """Every channel normalised over all other dimensions.

    Training normalises by the statistics of the batch, and moves those in the state; inference
    uses the state.

    Parameters
    ----------
    mean_decay, variance_decay : float
        Weight of the statistics of a batch in the moving ones.
    epsilon : float
    offset, scale : array, optional
        Initial values, one for each channel.
    trained_mean, trained_variance : array, optional
        The state, one for each channel.
    offset_initializer, scale_initializer : str or callable
    offset_learn_rate_factor, offset_l2_factor, scale_learn_rate_factor, scale_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.BatchNormalization()])
    >>> y, state = net.forward(dl.dlarray([[1.0, 0.0], [3.0, 8.0]], "BC"))
    >>> state["batchnorm/trained_mean"].round(decimals=6).tolist()
    [0.2, 0.4]

    Source: MATLAB ``batchNormalizationLayer``.
    """

    mean_decay: Probability = field(default=0.1, kw_only=True)
    variance_decay: Probability = field(default=0.1, kw_only=True)
    trained_mean: Operand | None = field(default=None, kw_only=True)
    trained_variance: Operand | None = field(default=None, kw_only=True)
    state: ClassVar[tuple[str, ...]] = ("trained_mean", "trained_variance")
    trained_variance_initializer: ClassVar[str] = "ones"
    short: ClassVar[str] = "batchnorm"
    # What gathers the statistics of all batches, while training asks for them.
    _gathered: ClassVar[Moments | None] = None

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return shapes for an input."""
        channels = Fresh((layouts[0].size_of("C"),))
        return dict.fromkeys((*self.learnables, *self.state), channels)

    def predict(self, x: Value) -> Value:
        """Return x, normalised by the state."""
        return batchnorm(
            x,
            self.offset,
            self.scale,
            self.trained_mean,
            self.trained_variance,
            epsilon=self.epsilon,
        )

    def forward(self, x: Value) -> Value:
        """Return x, normalised by its own statistics, and set the state."""
        y: Value
        if self._gathered is not None:
            y, mean, variance = batchnorm(x, self.offset, self.scale, epsilon=self.epsilon)
            self._gathered.add(elements_of_channels(x), np.asarray(mean), np.asarray(variance))
            return y
        y, mean, variance = batchnorm(
            x,
            self.offset,
            self.scale,
            self.trained_mean,
            self.trained_variance,
            training=True,
            epsilon=self.epsilon,
            mean_decay=self.mean_decay,
            variance_decay=self.variance_decay,
        )
        # As before the first step, so that an accelerated function needs one program.
        self.trained_mean, self.trained_variance = unlabelled(mean), unlabelled(variance)
        return y


class LayerNormalization(_Normalization):
    """Every observation normalised.

    Parameters
    ----------
    epsilon : float
    operation_dimension : {"auto", "channel-only", "spatial-channel", "batch-excluded"}
        See `dlgradient.layernorm`.
    offset, scale : array, optional
        Initial values, one for each channel.
    offset_initializer, scale_initializer : str or callable
    offset_learn_rate_factor, offset_l2_factor, scale_learn_rate_factor, scale_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.LayerNormalization(epsilon=0)])
    >>> net.predict(np.array([[1.0, 3.0]]))
    array([[-1.,  1.]], dtype=float32)

    Source: MATLAB ``layerNormalizationLayer``.
    """

    operation_dimension: Literal["auto", "channel-only", "spatial-channel", "batch-excluded"] = (
        field(default="auto", kw_only=True)
    )
    short: ClassVar[str] = "layernorm"

    def predict(self, x: Value) -> Value:
        """Return x, normalised."""
        return layernorm(
            x,
            self.offset,
            self.scale,
            epsilon=self.epsilon,
            operation_dimension=self.operation_dimension,
        )


class RmsNormalization(Scale, Layer):
    """Every observation divided by its root mean square.

    Parameters
    ----------
    epsilon : float
    scale : array, optional
        Initial values, one for each channel.
    scale_initializer : str or callable
    scale_learn_rate_factor, scale_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.RmsNormalization(epsilon=0)])
    >>> net.predict(np.array([[3.0, 3.0]]))
    array([[1., 1.]], dtype=float32)

    Source: PyTorch ``RMSNorm``.
    """

    epsilon: NonNegative = field(default=1e-5, kw_only=True)
    learnables: ClassVar[tuple[str, ...]] = ("scale",)
    short: ClassVar[str] = "rmsnorm"

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return the shape for an input."""
        return {"scale": Fresh((layouts[0].size_of("C"),))}

    def predict(self, x: Value) -> Value:
        """Return x, normalised."""
        return rmsnorm(x, self.scale, epsilon=self.epsilon)


class GroupNormalization(_Normalization):
    """Every group of channels of every observation normalised.

    Parameters
    ----------
    num_groups : int, "all-channels" or "channel-wise"
    epsilon : float
    offset, scale : array, optional
        Initial values, one for each channel.
    offset_initializer, scale_initializer : str or callable
    offset_learn_rate_factor, offset_l2_factor, scale_learn_rate_factor, scale_l2_factor : float

    Examples
    --------
    >>> norm = dl.layers.GroupNormalization(2, epsilon=0)
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(4), norm])
    >>> net.predict(np.array([[1.0, 3.0, 10.0, 30.0]]))
    array([[-1.,  1., -1.,  1.]], dtype=float32)

    Source: MATLAB ``groupNormalizationLayer``.
    """

    num_groups: Count | Literal["all-channels", "channel-wise"]
    short: ClassVar[str] = "groupnorm"

    def predict(self, x: Value) -> Value:
        """Return x, normalised."""
        return groupnorm(x, self.num_groups, self.offset, self.scale, epsilon=self.epsilon)


class InstanceNormalization(_Normalization):
    """Every channel of every observation normalised.

    Parameters
    ----------
    epsilon : float
    offset, scale : array, optional
        Initial values, one for each channel.
    offset_initializer, scale_initializer : str or callable
    offset_learn_rate_factor, offset_l2_factor, scale_learn_rate_factor, scale_l2_factor : float

    Examples
    --------
    >>> norm = dl.layers.InstanceNormalization(epsilon=0)
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(1), norm])
    >>> net.predict(np.array([[[1.0]], [[3.0]]])).ravel()
    array([-1.,  1.], dtype=float32)

    Source: MATLAB ``instanceNormalizationLayer``.
    """

    short: ClassVar[str] = "instancenorm"

    def predict(self, x: Value) -> Value:
        """Return x, normalised."""
        return instancenorm(x, self.offset, self.scale, epsilon=self.epsilon)


class CrossChannelNormalization(Layer):
    """Every element divided by a power of the squares in a window of channels around it.

    Parameters
    ----------
    window_channel_size : int
    alpha, beta, k : float
        See `dlgradient.crosschannelnorm`.

    Examples
    --------
    >>> layer = dl.layers.CrossChannelNormalization(3, alpha=3.0, beta=1.0, k=1.0)
    >>> layer.predict(dl.dlarray([[1.0, 0.0, 0.0]], "BC"))
    dlarray([[0.5, 0. , 0. ]], 'BC')

    Source: MATLAB ``crossChannelNormalizationLayer``.
    """

    window_channel_size: Count
    alpha: float = field(default=1e-4, kw_only=True)
    beta: float = field(default=0.75, kw_only=True)
    k: float = field(default=2.0, kw_only=True)
    short: ClassVar[str] = "crossnorm"

    def predict(self, x: Value) -> Value:
        """Return x, normalised."""
        return crosschannelnorm(
            x, self.window_channel_size, alpha=self.alpha, beta=self.beta, k=self.k
        )
