"""A differential equation as a layer."""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar, Literal

import numpy as np

from dlgradient.core.types import NonNegative, Operand, Positive, Shape, Value
from dlgradient.engine.array import dlarray
from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.layout import Layout, format_of
from dlgradient.layers.nested import Network
from dlgradient.solvers.ode import dlode45

__all__ = ["NeuralOde"]


class NeuralOde(Network):
    """The solution of y' = net(y), or y' = net(t, y), that begins with the input.

    Parameters
    ----------
    net : dlnetwork
        With one input, or with two, of which the first is the time: one channel.
    tspan : sequence of float
        The time of the input, and those of the result. For more than one, the result has a
        dimension 'T'.
    gradient_mode : {"direct", "checkpointed", "adjoint", "adjoint-seminorm"}
        See `dlgradient.dlode45`.
    initial_step_size, max_step_size : float, optional
    relative_tolerance, absolute_tolerance : float

    Examples
    --------
    >>> slope = dl.dlnetwork([dl.layers.FullyConnected(2), dl.layers.Tanh()])
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.NeuralOde(slope, [0, 1])])
    >>> net.predict(np.zeros((5, 2))).shape
    (5, 2)

    Source: MATLAB ``neuralODELayer``.
    """

    tspan: Operand
    gradient_mode: Literal["direct", "checkpointed", "adjoint", "adjoint-seminorm"] = field(
        default="direct", kw_only=True
    )
    initial_step_size: Positive | None = field(default=None, kw_only=True)
    max_step_size: Positive | None = field(default=None, kw_only=True)
    relative_tolerance: Positive = field(default=1e-3, kw_only=True)
    absolute_tolerance: NonNegative = field(default=1e-6, kw_only=True)
    short: ClassVar[str] = "neuralode"

    def __post_init__(self) -> None:
        super().__post_init__()
        inputs, outputs = len(self.input_names), len(self.output_names)
        if inputs > 2 or outputs > 1:
            raise InvalidArgumentError(
                "layers.NeuralOde: net must have the input y, or t and y, and one output; it has "
                f"{inputs} inputs and {outputs} outputs"
            )
        self.input_names = ("in",)
        self.with_time = inputs == 2

    def initialize(self, *layouts: Layout) -> None:
        """Initialise the network, unless it is."""
        (x,) = layouts
        time = [Layout(_with_one_channel(x.size, x.format or ""), x.format)]
        super().initialize(*(time if self.with_time else ()), x)

    def predict(self, *xs: Value) -> Value:
        """Return the solution."""
        (x,) = xs

        def slope(t: float, y: Value, net: Any) -> Value:
            if not self.with_time:
                return net.predict(y)
            times = np.full(_with_one_channel(y.shape, format_of(y)), t, y.dtype)
            return net.predict(dlarray(times, format_of(y)), y)

        return dlode45(
            slope,
            self.tspan,
            x,
            self.net,
            gradient_mode=self.gradient_mode,
            initial_step_size=self.initial_step_size,
            max_step_size=self.max_step_size,
            relative_tolerance=self.relative_tolerance,
            absolute_tolerance=self.absolute_tolerance,
        )

    def forward(self, *xs: Value) -> Value:
        """Return the solution; the state of the network does not change while it is solved."""
        return self.predict(*xs)


def _with_one_channel(shape: Shape, fmt: str) -> Shape:
    return tuple([1 if label == "C" else n for n, label in zip(shape, fmt, strict=True)])
