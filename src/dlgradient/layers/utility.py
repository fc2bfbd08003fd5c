"""Layers that drop, reshape or scale."""

from __future__ import annotations

from math import prod
from typing import ClassVar

from dlgradient.core.types import Probability, Value
from dlgradient.engine.array import dlarray, stripdims
from dlgradient.layers.layer import Layer
from dlgradient.layers.layout import format_of
from dlgradient.nn.linear.dropout import dropout
from dlgradient.nn.linear.fullyconnect import input_layout
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.shape import reshape

__all__ = ["Dropout", "Flatten", "Identity", "SpatialDropout"]


class Dropout(Layer):
    """Random elements set to zero in training.

    Parameters
    ----------
    probability : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(4), dl.layers.Dropout(0.5)])
    >>> y, _ = net.forward(dl.dlarray([[1.0, 1.0, 1.0, 1.0]], "BC"), generator=0)
    >>> sorted(set(y.tolist()[0]))
    [0.0, 2.0]

    Source: MATLAB ``dropoutLayer``.
    """

    probability: Probability = 0.5
    spatial: ClassVar[bool] = False

    def predict(self, x: Value) -> Value:
        """Return x."""
        return x

    def forward(self, x: Value) -> Value:
        """Return x with zeros."""
        return dropout(
            x, probability=self.probability, spatial=self.spatial, generator=self.generator
        )


class SpatialDropout(Dropout):
    """Random channels set to zero in training.

    Parameters
    ----------
    probability : float

    Examples
    --------
    >>> dl.layers.SpatialDropout(0.5).predict(dl.dlarray([1.0]))
    dlarray([1.])

    Source: MATLAB ``spatialDropoutLayer``.
    """

    spatial: ClassVar[bool] = True


class Flatten(Layer):
    """Spatial dimensions and channels as channels.

    They are in the order of `fullyconnect`.

    Examples
    --------
    >>> net = dl.dlnetwork(
    ...     [dl.layers.ImageInput((2, 3, 4), normalization="none"), dl.layers.Flatten()]
    ... )
    >>> net.predict(np.zeros((2, 3, 4, 5))).shape
    (24, 5)

    Source: MATLAB ``flattenLayer``.
    """

    def predict(self, x: Value) -> Value:
        """Return x without spatial dimensions."""
        order, back, fmt = input_layout(format_of(x))
        count = len(back) - 1  # of the dimensions that are no inputs
        rows = permute_dims(stripdims(x), axes=order)
        flat = reshape(rows, (*rows.shape[:count], prod(rows.shape[count:])))
        return dlarray(permute_dims(flat, axes=back), fmt)


class Identity(Layer):
    """x, unchanged.

    Examples
    --------
    >>> dl.layers.Identity().predict(dl.dlarray([1.0]))
    dlarray([1.])

    Source: MATLAB ``identityLayer``.
    """

    def predict(self, x: Value) -> Value:
        """Return x."""
        return x
