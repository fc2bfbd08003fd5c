"""Layers of complex weights, and convolution in the Fourier domain."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from dlgradient.core.types import Array, Count, Counts, Shape, Value
from dlgradient.errors import FormatClashError
from dlgradient.layers.convolution import window
from dlgradient.layers.layer import Fresh
from dlgradient.layers.layout import Layout, format_of
from dlgradient.layers.parameters import Bias, Weights
from dlgradient.nn.linear.fullyconnect import fullyconnect
from dlgradient.nn.signal import spectral_convolution

__all__ = [
    "ComplexFullyConnected",
    "SpectralConvolution1d",
    "SpectralConvolution2d",
    "SpectralConvolution3d",
]


def _complex_numbers(shape: Shape, size: float, generator: np.random.Generator) -> Array:
    """Return single-precision numbers whose real and imaginary parts are uniform, up to a size."""
    parts = generator.uniform(-size, size, (*shape, 2)).astype(np.float32)
    found: Array = np.ascontiguousarray(parts).view(np.complex64)[..., 0]
    return found


class ComplexFullyConnected(Weights, Bias):
    """Complex weights times the inputs, plus a complex bias.

    Parameters
    ----------
    output_size : int
    weights, bias : array, optional
        Initial values: outputs × inputs, and outputs. By default the parts of the weights are
        uniform, with half of the variance of "glorot" each, and the bias is zero.
    weights_initializer, bias_initializer : str or callable
        Another initialiser; its values are taken as complex.
    weights_learn_rate_factor, weights_l2_factor, bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(4), dl.layers.ComplexFullyConnected(2)])
    >>> net.learnables["complexfc/weights"].dtype
    dtype('complex64')

    Source: MATLAB ``complexFullyConnectedLayer``.
    """

    output_size: Count
    learnables: ClassVar[tuple[str, ...]] = ("weights", "bias")
    short: ClassVar[str] = "complexfc"

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return shapes for an input."""
        inputs = layouts[0].size_of("CSU")
        return {
            "weights": Fresh((self.output_size, inputs)),
            "bias": Fresh((self.output_size,)),
        }

    def initialize(self, *layouts: Layout) -> None:
        """Set the learnables that are None."""
        if self.weights is None and self.weights_initializer == "glorot":
            shape = self._fresh(*layouts)["weights"].shape
            self.weights = _complex_numbers(shape, (3 / sum(shape)) ** 0.5, self.generator)
        super().initialize(*layouts)
        for name in self.learnables:
            value = np.asarray(getattr(self, name))
            setattr(self, name, value.astype(np.result_type(value.dtype, np.complex64)))

    def predict(self, x: Value) -> Value:
        """Return weights x + bias."""
        return fullyconnect(x, self.weights, self.bias)


class _SpectralConvolution(Weights):
    """What the layers share: weights of the lowest frequencies."""

    num_modes: Counts
    output_size: Count
    learnables: ClassVar[tuple[str, ...]] = ("weights",)
    dimensions: ClassVar[int]
    short: ClassVar[str] = "spectralconv"

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return the shape for an input."""
        modes = window(self.num_modes, self.dimensions, "num_modes")
        return {"weights": Fresh((self.output_size, layouts[0].size_of("C"), *modes))}

    def initialize(self, *layouts: Layout) -> None:
        """Set the weights, if they are None."""
        fmt = layouts[0].format or ""
        if fmt.count("S") != self.dimensions:
            raise FormatClashError(
                f"{type(self).__name__} needs {self.dimensions} dimensions 'S'; the input has "
                f"{layouts[0]}"
            )
        if self.weights is None and self.weights_initializer == "glorot":
            shape = self._fresh(*layouts)["weights"].shape
            size = 1 / (shape[0] * shape[1])
            self.weights = _complex_numbers(shape, size, self.generator)
        super().initialize(*layouts)
        value = np.asarray(self.weights)
        self.weights = value.astype(np.result_type(value.dtype, np.complex64))

    def predict(self, x: Value) -> Value:
        """Return the convolution of x."""
        format_of(x)
        return spectral_convolution(x, self.weights)


class SpectralConvolution1d(_SpectralConvolution):
    """Convolution over one spatial dimension with a filter of the lowest frequencies only.

    Parameters
    ----------
    num_modes : int
        How many frequencies the filter has: 0, 1, 2, ...
    output_size : int
        Channels of the result.
    weights : array, optional
        Initial values, complex: outputs × channels × frequencies. By default real and imaginary
        parts are uniform, up to 1 / (outputs · channels).
    weights_initializer : str or callable
        Another initialiser; its values are taken as complex.
    weights_learn_rate_factor, weights_l2_factor : float

    Examples
    --------
    >>> x = dl.layers.Input((16, 3, None), "SCB")
    >>> net = dl.dlnetwork([x, dl.layers.SpectralConvolution1d(4, 2)])
    >>> net.predict(np.zeros((16, 3, 5))).shape
    (16, 2, 5)

    Source: MATLAB ``spectralConvolution1dLayer``.
    """

    dimensions: ClassVar[int] = 1


class SpectralConvolution2d(_SpectralConvolution):
    """Convolution over two spatial dimensions with a filter of the lowest frequencies only.

    Parameters
    ----------
    num_modes : int or (int, int)
        How many frequencies the filter has, see `dlgradient.spectral_convolution`.
    output_size : int
        Channels of the result.
    weights : array, optional
        Initial values, complex: outputs × channels × frequencies. By default real and imaginary
        parts are uniform, up to 1 / (outputs · channels).
    weights_initializer : str or callable
        Another initialiser; its values are taken as complex.
    weights_learn_rate_factor, weights_l2_factor : float

    Examples
    --------
    >>> x = dl.layers.ImageInput((8, 8, 3), normalization="none")
    >>> net = dl.dlnetwork([x, dl.layers.SpectralConvolution2d((3, 2), 2)])
    >>> net.predict(np.zeros((8, 8, 3, 5))).shape
    (8, 8, 2, 5)

    Source: MATLAB ``spectralConvolution2dLayer``.
    """

    dimensions: ClassVar[int] = 2


class SpectralConvolution3d(_SpectralConvolution):
    """Convolution over three spatial dimensions with a filter of the lowest frequencies only.

    Parameters
    ----------
    num_modes : int or (int, int, int)
        How many frequencies the filter has, see `dlgradient.spectral_convolution`.
    output_size : int
        Channels of the result.
    weights : array, optional
        Initial values, complex: outputs × channels × frequencies. By default real and imaginary
        parts are uniform, up to 1 / (outputs · channels).
    weights_initializer : str or callable
        Another initialiser; its values are taken as complex.
    weights_learn_rate_factor, weights_l2_factor : float

    Examples
    --------
    >>> x = dl.layers.Image3dInput((6, 6, 6, 1), normalization="none")
    >>> net = dl.dlnetwork([x, dl.layers.SpectralConvolution3d(2, 2)])
    >>> net.predict(np.zeros((6, 6, 6, 1, 5))).shape
    (6, 6, 6, 2, 5)

    Source: MATLAB ``spectralConvolution3dLayer``.
    """

    dimensions: ClassVar[int] = 3
