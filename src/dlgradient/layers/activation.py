"""Activation layers: a function of each element, or of the channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any, ClassVar, Literal

import numpy as np

from dlgradient.core.types import Array, Count, NonNegative, Operand, Shape, Value
from dlgradient.layers.layer import Fresh, Layer, numbered
from dlgradient.layers.layout import Layout
from dlgradient.layers.parameters import Initializer
from dlgradient.nn.activations import complexrelu as _complex
from dlgradient.nn.activations import piecewise, smooth
from dlgradient.nn.activations.softmax import softmax
from dlgradient.ops.trigonometry import tanh

__all__ = [
    "ClippedRelu",
    "ComplexRelu",
    "Elu",
    "Function",
    "Gelu",
    "LeakyRelu",
    "Prelu",
    "Relu",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Swish",
    "Tanh",
    "Zrelu",
]


def quarter(shape: Shape) -> Array:
    """Return the initial slopes of `Prelu`, PyTorch's."""
    return np.full(shape, 0.25, np.float32)


class Relu(Layer):
    """max(x, 0).

    Examples
    --------
    >>> dl.layers.Relu().predict(dl.dlarray([-1.0, 2.0]))
    dlarray([0., 2.])

    Source: MATLAB ``reluLayer``.
    """

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return piecewise.relu(x)


class LeakyRelu(Layer):
    """x if it is positive, else `scale` x.

    Parameters
    ----------
    scale : float

    Examples
    --------
    >>> dl.layers.LeakyRelu(0.5).predict(dl.dlarray([-1.0, 2.0]))
    dlarray([-0.5,  2. ])

    Source: MATLAB ``leakyReluLayer``.
    """

    scale: float = 0.01

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return piecewise.leakyrelu(x, self.scale)


class ClippedRelu(Layer):
    """min(max(x, 0), ceiling).

    Parameters
    ----------
    ceiling : float

    Examples
    --------
    >>> dl.layers.ClippedRelu(6).predict(dl.dlarray([-1.0, 2.0, 9.0]))
    dlarray([0., 2., 6.])

    Source: MATLAB ``clippedReluLayer``.
    """

    ceiling: NonNegative

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return piecewise.clippedrelu(x, self.ceiling)


class Elu(Layer):
    """x if it is positive, else alpha (exp(x) - 1).

    Parameters
    ----------
    alpha : float

    Examples
    --------
    >>> dl.layers.Elu().predict(dl.dlarray([0.0, 2.0]))
    dlarray([0., 2.])

    Source: MATLAB ``eluLayer``.
    """

    alpha: NonNegative = 1.0

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return piecewise.elu(x, self.alpha)


class Prelu(Layer):
    """x if it is positive, else alpha x, with an alpha to learn for each channel.

    Parameters
    ----------
    alpha : array, optional
        Initial values, one for each channel; 0.25 by default.
    alpha_learn_rate_factor, alpha_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.Prelu()])
    >>> net.predict(np.array([[-1.0, 2.0]]))
    array([[-0.25,  2.  ]], dtype=float32)

    Source: MATLAB ``preluLayer``.
    """

    alpha: Operand | None = field(default=None, kw_only=True)
    alpha_initializer: Initializer = field(default=quarter, kw_only=True)
    alpha_learn_rate_factor: NonNegative = field(default=1.0, kw_only=True)
    alpha_l2_factor: NonNegative = field(default=1.0, kw_only=True)
    learnables: ClassVar[tuple[str, ...]] = ("alpha",)

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return the shape for an input."""
        return {"alpha": Fresh((layouts[0].size_of("C"),))}

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return piecewise.prelu(x, self.alpha)


class Gelu(Layer):
    """x Φ(x), with the distribution function of the normal distribution.

    Parameters
    ----------
    approximation : {"none", "tanh"}

    Examples
    --------
    >>> dl.layers.Gelu().predict(dl.dlarray([0.0]))
    dlarray([0.])

    Source: MATLAB ``geluLayer``.
    """

    approximation: Literal["none", "tanh"] = field(default="none", kw_only=True)

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return smooth.gelu(x, approximation=self.approximation)


class Swish(Layer):
    """x sigmoid(x), also called SiLU.

    Examples
    --------
    >>> dl.layers.Swish().predict(dl.dlarray([0.0]))
    dlarray([0.])

    Source: MATLAB ``swishLayer``.
    """

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return smooth.swish(x)


class Softplus(Layer):
    """log(1 + exp(x)).

    Examples
    --------
    >>> dl.layers.Softplus().predict(dl.dlarray([0.0])).round(decimals=4)
    dlarray([0.6931])

    Source: MATLAB ``softplusLayer``.
    """

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return smooth.softplus(x)


class Tanh(Layer):
    """The hyperbolic tangent.

    Examples
    --------
    >>> dl.layers.Tanh().predict(dl.dlarray([0.0]))
    dlarray([0.])

    Source: MATLAB ``tanhLayer``.
    """

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return tanh(x)


class Sigmoid(Layer):
    """1 / (1 + exp(-x)).

    Examples
    --------
    >>> dl.layers.Sigmoid().predict(dl.dlarray([0.0]))
    dlarray([0.5])

    Source: MATLAB ``sigmoidLayer``.
    """

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return smooth.sigmoid(x)


class Softmax(Layer):
    """exp(x) over its sum over the channels.

    Examples
    --------
    >>> dl.layers.Softmax().predict(dl.dlarray([[1.0, 1.0]], "BC"))
    dlarray([[0.5, 0.5]], 'BC')

    Source: MATLAB ``softmaxLayer``.
    """

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return softmax(x)


class ComplexRelu(Layer):
    """relu of the real and of the imaginary part.

    Examples
    --------
    >>> dl.layers.ComplexRelu().predict(dl.dlarray([-1 + 2j]))
    dlarray([0.+2.j])

    Source: MATLAB ``complexReluLayer``.
    """

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return _complex.complexrelu(x)


class Zrelu(Layer):
    """x where both of its parts are positive, else zero.

    Examples
    --------
    >>> dl.layers.Zrelu().predict(dl.dlarray([1 + 2j, 1 - 2j]))
    dlarray([1.+2.j, 0.+0.j])

    Source: MATLAB ``zreluLayer``.
    """

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return _complex.zrelu(x)


class Function(Layer):
    """A function of your own, without learnables.

    Parameters
    ----------
    fun : callable
        ``fun(*xs)`` of formatted dlarrays. To save a network, give a function of a module.
    num_inputs, num_outputs : int

    Examples
    --------
    >>> dl.layers.Function(lambda x: x**2).predict(dl.dlarray([3.0]))
    dlarray([9.])

    Source: MATLAB ``functionLayer``.
    """

    fun: Callable[..., Any]
    num_inputs: Count = field(default=1, kw_only=True)
    num_outputs: Count = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        self.input_names = numbered("in", self.num_inputs)
        self.output_names = numbered("out", self.num_outputs)

    def predict(self, *xs: Value) -> Any:
        """Return what the function returns."""
        return self.fun(*xs)
