"""Recurrent layers: long short-term memory and gated recurrent units.

Their hidden (and cell) state is state of the network: a call begins with it and sets it for the
next call, so that long sequences can be fed in parts. `dlnetwork.reset_state` makes it what the
layer was given, or zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np

from dlgradient.core.types import Count, Operand, Value
from dlgradient.layers.layer import Fresh, Layer
from dlgradient.layers.layout import Layout
from dlgradient.layers.parameters import Bias, Initializer, RecurrentWeights, Weights
from dlgradient.nn.recurrent.gru import gru
from dlgradient.nn.recurrent.lstm import lstm

__all__ = ["Bilstm", "Gru", "Lstm"]


class _Recurrent(Weights, RecurrentWeights, Bias, Layer):
    """What recurrent layers share: sizes, inputs and outputs for the state, the last step."""

    num_hidden_units: Count
    output_mode: Literal["sequence", "last"] = field(default="sequence", kw_only=True)
    has_state_inputs: bool = field(default=False, kw_only=True)
    has_state_outputs: bool = field(default=False, kw_only=True)
    has_padding_mask_input: bool = field(default=False, kw_only=True)
    state_activation_function: Literal["tanh", "softsign", "relu"] = field(
        default="tanh", kw_only=True
    )
    gate_activation_function: Literal["sigmoid", "hard-sigmoid"] = field(
        default="sigmoid", kw_only=True
    )
    hidden_state: Operand | None = field(default=None, kw_only=True)
    learnables: ClassVar[tuple[str, ...]] = ("weights", "recurrent_weights", "bias")
    state: ClassVar[tuple[str, ...]] = ("hidden_state",)
    gates: ClassVar[int]
    directions: ClassVar[int] = 1
    # The states that are given, which `reset_state` returns to.
    first_state: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def __post_init__(self) -> None:
        words = {"hidden_state": "hidden", "cell_state": "cell"}
        extra = tuple([words[name] for name in self.state])
        states = extra if self.has_state_inputs else ()
        mask = ("mask",) if self.has_padding_mask_input else ()
        if states or mask:
            self.input_names = ("in", *states, *mask)
        if self.has_state_outputs:
            self.output_names = ("out", *extra)
        given = {name: getattr(self, name) for name in self.state}
        first = {name: value for name, value in given.items() if value is not None}
        if first:
            vars(self)["first_state"] = first

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return shapes for an input."""
        hidden, channels = self.num_hidden_units, layouts[0].size_of("C")
        rows = self.directions * self.gates * hidden
        return {
            # Each gate is a matrix of its own for an initialiser that counts.
            "weights": Fresh((rows, channels), fan_in=channels, fan_out=hidden),
            "recurrent_weights": Fresh((rows, hidden), fan_in=hidden, fan_out=hidden),
            "bias": Fresh((rows,)),
        }

    def initialize(self, *layouts: Layout) -> None:
        """Set the learnables that are None; the state begins with zeros of any batch."""
        super().initialize(*layouts)
        for name in self.state:
            if getattr(self, name) is None:
                setattr(self, name, np.zeros((), np.float32))

    def reset_state(self) -> None:
        """Set the state to what the layer was given, or to zeros of any batch."""
        for name in self.state:
            setattr(self, name, self.first_state.get(name, np.zeros((), np.float32)))

    def run(self, x: Value, *states: Value, mask: Value | None) -> tuple[Value, ...]:
        """Return the hidden states of all steps, and the last states."""
        raise NotImplementedError

    def predict(self, x: Value, *given: Value) -> Any:
        """Return the hidden states, and the last states if they are outputs."""
        *states, mask = given if self.has_padding_mask_input else (*given, None)
        y, *last = self.run(x, *(states or [getattr(self, name) for name in self.state]), mask=mask)
        for name, value in zip(self.state, last, strict=True):
            setattr(self, name, value)
        if self.output_mode == "last":
            y = last[0]
        return (y, *last) if self.has_state_outputs else y


class Lstm(_Recurrent):
    """Long short-term memory over time.

    Parameters
    ----------
    num_hidden_units : int
    output_mode : {"sequence", "last"}
        All steps, or the last one only, without a time.
    has_state_inputs, has_state_outputs : bool
        Whether the states are also inputs, or outputs, called "hidden" and "cell".
    has_padding_mask_input : bool
        Whether there is an input "mask", which is zero for padding. There states do not change, and
        the result is zero.
    state_activation_function : {"tanh", "softsign", "relu"}
    gate_activation_function : {"sigmoid", "hard-sigmoid"}
    weights, recurrent_weights, bias : array, optional
        Initial values; rows in the order input, forget, candidate, output gate.
    hidden_state, cell_state : array, optional
        The state at the first call, and after `dlnetwork.reset_state`; zero by default.
    weights_initializer, recurrent_weights_initializer, bias_initializer : str or callable
        By default "glorot", "orthogonal" and "unit-forget-gate".
    weights_learn_rate_factor, weights_l2_factor : float
    recurrent_weights_learn_rate_factor, recurrent_weights_l2_factor : float
    bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> lstm = dl.layers.Lstm(4, output_mode="last")
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(3), lstm])
    >>> net.predict(np.zeros((10, 3, 2))).shape
    (4, 2)

    Source: MATLAB ``lstmLayer``.
    """

    bias_initializer: Initializer = field(default="unit-forget-gate", kw_only=True)
    cell_state: Operand | None = field(default=None, kw_only=True)
    state: ClassVar[tuple[str, ...]] = ("hidden_state", "cell_state")
    gates: ClassVar[int] = 4
    direction: ClassVar[Literal["forward", "bidirectional"]] = "forward"
    short: ClassVar[str] = "lstm"

    def run(self, x: Value, *states: Value, mask: Value | None) -> tuple[Value, ...]:
        """Return y, h and c."""
        hidden, cell = states
        return lstm(
            x,
            hidden,
            cell,
            self.weights,
            self.recurrent_weights,
            self.bias,
            state_activation_function=self.state_activation_function,
            gate_activation_function=self.gate_activation_function,
            mask=mask,
            direction=self.direction,
        )


class Bilstm(Lstm):
    """Long short-term memory over time in both directions, whose channels are joined.

    Parameters
    ----------
    num_hidden_units : int
        Of each direction.
    output_mode : {"sequence", "last"}
        All steps; or the last one of each direction, without a time.
    has_state_inputs, has_state_outputs : bool
        Whether the states are also inputs, or outputs, called "hidden" and "cell".
    has_padding_mask_input : bool
        Whether there is an input "mask", which is zero for padding. There states do not change, and
        the result is zero.
    state_activation_function : {"tanh", "softsign", "relu"}
    gate_activation_function : {"sigmoid", "hard-sigmoid"}
    weights, recurrent_weights, bias : array, optional
        Initial values; the rows of the reverse direction follow those of the forward one.
    hidden_state, cell_state : array, optional
        The state at the first call, and after `dlnetwork.reset_state`; zero by default.
    weights_initializer, recurrent_weights_initializer, bias_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor : float
    recurrent_weights_learn_rate_factor, recurrent_weights_l2_factor : float
    bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(3), dl.layers.Bilstm(4)])
    >>> net.predict(np.zeros((10, 3, 2))).shape
    (10, 8, 2)

    Source: MATLAB ``bilstmLayer``.
    """

    directions: ClassVar[int] = 2
    direction: ClassVar[Literal["forward", "bidirectional"]] = "bidirectional"
    short: ClassVar[str] = "bilstm"


class Gru(_Recurrent):
    """Gated recurrent units over time.

    Parameters
    ----------
    num_hidden_units : int
    output_mode : {"sequence", "last"}
        All steps, or the last one only, without a time.
    reset_gate_mode : {"after-multiplication", "before-multiplication",
        "recurrent-bias-after-multiplication"}
        See `dlgradient.gru`.
    has_state_inputs, has_state_outputs : bool
        Whether the state is also an input, or an output, called "hidden".
    has_padding_mask_input : bool
        Whether there is an input "mask", which is zero for padding. There the state does not
        change, and the result is zero.
    state_activation_function : {"tanh", "softsign", "relu"}
    gate_activation_function : {"sigmoid", "hard-sigmoid"}
    weights, recurrent_weights, bias : array, optional
        Initial values; rows in the order reset gate, update gate, candidate.
    hidden_state : array, optional
        The state at the first call, and after `dlnetwork.reset_state`; zero by default.
    weights_initializer, recurrent_weights_initializer, bias_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor : float
    recurrent_weights_learn_rate_factor, recurrent_weights_l2_factor : float
    bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(3), dl.layers.Gru(4)])
    >>> net.predict(np.zeros((10, 3, 2))).shape
    (10, 4, 2)

    Source: MATLAB ``gruLayer``.
    """

    reset_gate_mode: Literal[
        "after-multiplication", "before-multiplication", "recurrent-bias-after-multiplication"
    ] = field(default="after-multiplication", kw_only=True)
    gates: ClassVar[int] = 3
    short: ClassVar[str] = "gru"

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return shapes for an input; the bias has a second part in one mode."""
        found = super()._fresh(*layouts)
        if self.reset_gate_mode == "recurrent-bias-after-multiplication":
            found["bias"] = Fresh((2 * self.gates * self.num_hidden_units,))
        return found

    def run(self, x: Value, *states: Value, mask: Value | None) -> tuple[Value, ...]:
        """Return y and h."""
        (hidden,) = states
        return gru(
            x,
            hidden,
            self.weights,
            self.recurrent_weights,
            self.bias,
            reset_gate_mode=self.reset_gate_mode,
            state_activation_function=self.state_activation_function,
            gate_activation_function=self.gate_activation_function,
            mask=mask,
        )
