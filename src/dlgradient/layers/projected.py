"""Recurrent layers with projected weights: fewer learnables for nearly the same function."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar

from dlgradient.core.types import Count, NonNegative, Operand, Value
from dlgradient.layers.layer import Fresh, Layer
from dlgradient.layers.layout import Layout
from dlgradient.layers.parameters import Initializer
from dlgradient.layers.recurrent import Gru, Lstm
from dlgradient.nn.recurrent.gru import gru
from dlgradient.nn.recurrent.lstm import lstm
from dlgradient.ops.linalg import matmul, matrix_transpose

__all__ = ["GruProjected", "LstmProjected"]


class _Projected(Layer):
    """Sizes and projectors, Q: weights are applied to Qᵀx and to Qᵀh."""

    output_projector_size: Count
    input_projector_size: Count
    input_projector: Operand | None = field(default=None, kw_only=True)
    input_projector_initializer: Initializer = field(default="orthogonal", kw_only=True)
    input_projector_learn_rate_factor: NonNegative = field(default=1.0, kw_only=True)
    input_projector_l2_factor: NonNegative = field(default=1.0, kw_only=True)
    output_projector: Operand | None = field(default=None, kw_only=True)
    output_projector_initializer: Initializer = field(default="orthogonal", kw_only=True)
    output_projector_learn_rate_factor: NonNegative = field(default=1.0, kw_only=True)
    output_projector_l2_factor: NonNegative = field(default=1.0, kw_only=True)
    learnables: ClassVar[tuple[str, ...]] = (
        "weights", "recurrent_weights", "bias", "input_projector", "output_projector"
    )  # fmt: skip

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return shapes of weights for projected inputs, and of the projectors."""
        fresh = super()._fresh(*layouts)  # of the other base, Lstm or Gru
        rows, channels = fresh["weights"].shape
        _, hidden = fresh["recurrent_weights"].shape
        inputs, outputs = self.input_projector_size, self.output_projector_size
        return {
            **fresh,
            "weights": Fresh((rows, inputs), fan_in=inputs, fan_out=hidden),
            "recurrent_weights": Fresh((rows, outputs), fan_in=outputs, fan_out=hidden),
            "input_projector": Fresh((channels, inputs)),
            "output_projector": Fresh((hidden, outputs)),
        }


class LstmProjected(_Projected, Lstm):
    """Long short-term memory whose weights apply to projected inputs and hidden states.

    Parameters
    ----------
    num_hidden_units, output_projector_size, input_projector_size : int
        W has `input_projector_size` columns, R `output_projector_size`.
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
    input_projector, output_projector : array, optional
        Initial values: channels, or hidden units, × size of the projector.
    hidden_state, cell_state : array, optional
        The state at the first call, and after `dlnetwork.reset_state`; zero by default.
    weights_initializer, recurrent_weights_initializer, bias_initializer : str or callable
    input_projector_initializer, output_projector_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor : float
    recurrent_weights_learn_rate_factor, recurrent_weights_l2_factor : float
    bias_learn_rate_factor, bias_l2_factor : float
    input_projector_learn_rate_factor, input_projector_l2_factor : float
    output_projector_learn_rate_factor, output_projector_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(6), dl.layers.LstmProjected(8, 3, 2)])
    >>> net.predict(np.zeros((10, 6, 4))).shape
    (10, 8, 4)

    Source: MATLAB ``lstmProjectedLayer``.
    """

    short: ClassVar[str] = "lstmprojected"

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
            input_projector=self.input_projector,
            output_projector=self.output_projector,
        )


class GruProjected(_Projected, Gru):
    """Gated recurrent units whose weights apply to projected inputs and hidden states.

    Parameters
    ----------
    num_hidden_units, output_projector_size, input_projector_size : int
        W has `input_projector_size` columns, R `output_projector_size`.
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
    input_projector, output_projector : array, optional
        Initial values: channels, or hidden units, × size of the projector.
    hidden_state : array, optional
        The state at the first call, and after `dlnetwork.reset_state`; zero by default.
    weights_initializer, recurrent_weights_initializer, bias_initializer : str or callable
    input_projector_initializer, output_projector_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor : float
    recurrent_weights_learn_rate_factor, recurrent_weights_l2_factor : float
    bias_learn_rate_factor, bias_l2_factor : float
    input_projector_learn_rate_factor, input_projector_l2_factor : float
    output_projector_learn_rate_factor, output_projector_l2_factor : float

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(6), dl.layers.GruProjected(8, 3, 2)])
    >>> net.predict(np.zeros((10, 6, 4))).shape
    (10, 8, 4)

    Source: MATLAB ``gruProjectedLayer``.
    """

    short: ClassVar[str] = "gruprojected"

    def run(self, x: Value, *states: Value, mask: Value | None) -> tuple[Value, ...]:
        """Return y and h."""
        (hidden,) = states
        return gru(
            x,
            hidden,
            # W (Qᵀ x) = (W Qᵀ) x
            matmul(self.weights, matrix_transpose(self.input_projector)),
            matmul(self.recurrent_weights, matrix_transpose(self.output_projector)),
            self.bias,
            reset_gate_mode=self.reset_gate_mode,
            state_activation_function=self.state_activation_function,
            gate_activation_function=self.gate_activation_function,
            mask=mask,
        )
