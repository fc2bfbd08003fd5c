"""Gated recurrent units."""

from __future__ import annotations

from functools import partial
from typing import Literal, TypeAlias

import numpy as np

from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Format, Operand, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.nn.recurrent.arguments import Direction, Parameters, Sequence
from dlgradient.nn.recurrent.cells import (
    GateActivation,
    StateActivation,
    activation,
    gru_states,
)
from dlgradient.nn.recurrent.fused_gru import gru_sequence
from dlgradient.rules import derived

__all__ = ["gru"]

Mode: TypeAlias = Literal[
    "after-multiplication", "before-multiplication", "recurrent-bias-after-multiplication"
]


@derived(
    domain="real",
    samples=lambda m: _gru_samples(m),
    errors=lambda m: _gru_errors(m),
)
def gru(  # noqa: PLR0913 - the parameters of the layer
    x: Operand,
    h0: Operand,
    weights: Operand,
    recurrent_weights: Operand,
    bias: Operand,
    *,
    reset_gate_mode: Mode = "after-multiplication",
    state_activation_function: StateActivation = "tanh",
    gate_activation_function: GateActivation = "sigmoid",
    mask: Operand | None = None,
    direction: Direction = "forward",
    data_format: Format = None,
) -> tuple[Value, Value]:
    """Gated recurrent unit over the time dimension of x.

    The rows of the weights W, R and of the bias b are in the order reset, update, candidate. With
    the gate activation σ and the state activation φ:

        r, u = σ(Wx + Rh + b), g = φ(Wx + b + r (Rh)), h ← (1 - u) g + u h.

    The candidate g depends on the mode: "before-multiplication" uses R(rh) instead of r(Rh), and
    "recurrent-bias-after-multiplication" uses r(Rh + b') with a second bias b'.

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a channel dimension; a time and a batch dimension are optional.
    h0 : dlarray or array_like
        Initial hidden state: hidden units (label C), and the batch of x; or a scalar.
    weights, recurrent_weights, bias : dlarray or array_like
        W (3 hidden units by channels), R (3 hidden units by hidden units) and b (3 hidden units).
        With a format, the rows of a matrix are 'U' and its columns 'C'. With
        "recurrent-bias-after-multiplication", b has 6 hidden units: the bias of W, then that of R.
    reset_gate_mode : str
        "after-multiplication", "before-multiplication" or "recurrent-bias-after-multiplication".
    state_activation_function : {"tanh", "softsign", "relu"} or callable
        φ.
    gate_activation_function : {"sigmoid", "hard-sigmoid"} or callable
        σ.
    mask : array_like, optional
        True for the steps to keep, in the dimensions of x but C. Elsewhere the state does not
        change, and y is zero.
    direction : {"forward", "reverse", "bidirectional"}
        Order of the steps. For "bidirectional", the rows of the reverse layer follow those of the
        forward one in all parameters. The channels of y and h do so too.
    data_format : str, optional
        Labels of the dimensions of an unlabelled x; results are then unlabelled too.

    Returns
    -------
    y : dlarray
        Hidden states of all steps, in the format of x.
    h : dlarray
        Last hidden state, without a time dimension.

    Raises
    ------
    FormatError
        If x has no format, no channels, or spatial or unspecified dimensions.
    ShapeMismatchError
        If a parameter, the state or the mask has the wrong sizes.
    InvalidArgumentError
        If an option has an unknown value.
    ComplexValueError
        If an operand or a parameter is complex.

    See Also
    --------
    lstm : long short-term memory
    initialize_orthogonal : random orthogonal matrix

    Examples
    --------
    >>> import dlgradient as dl
    >>> import numpy as np
    >>> x = dl.dlarray(np.ones((3, 5)), "CT")  # 3 channels, 5 steps
    >>> y, h = dl.gru(x, 0, np.ones((6, 3)), np.ones((6, 2)), np.zeros(6))
    >>> y.shape, h.shape
    ((2, 5), (2,))

    Source: MATLAB ``gru``; ONNX ``GRU``.
    """
    refuse_complex(
        "gru", x=x, h0=h0, weights=weights, recurrent_weights=recurrent_weights, bias=bias
    )
    state = activation(state_activation_function)
    gate = activation(gate_activation_function)
    seq = Sequence("gru", x, data_format, h0, weights, recurrent_weights, bias)
    params = Parameters(seq, direction, 3, recurrent_weights)
    w = params.matrix("weights", weights, params.rows, seq.channels)
    r = params.matrix("recurrent_weights", recurrent_weights, params.rows, params.units)
    biases = 2 if reset_gate_mode == "recurrent-bias-after-multiplication" else 1
    b = params.vector("bias", bias, params.rows * biases)
    h = seq.state("h0", h0, params.units * params.layers)
    usual = (state_activation_function, gate_activation_function) == ("tanh", "sigmoid")
    # The fused layer is for the defaults, and for one step at least.
    fused = usual and reset_gate_mode != "before-multiplication" and seq.steps > 0

    def layer(k: int, x: Value, padding: Array | None) -> tuple[Value, ...]:
        part = partial(params.part, k)
        operands = x, part(h, 1), part(w), part(r), part(b)
        if fused:
            return gru_sequence(*operands, padding=padding)[:2]
        return gru_states(*operands, mode=reset_gate_mode, state=state, gate=gate, padding=padding)

    y, h = params.run(layer, mask)
    return y, h


def _gru_samples(m: Maker) -> list[Case]:
    def operands(*shape: int, n: int = 6, biases: int = 6) -> list[Operand]:
        return [m.real(*shape), m.real(2), m.real(n, 3), m.real(n, 2), m.real(biases)]

    x, _, w, r, b = operands(2, 2, 3, n=12, biases=12)
    return [
        case(*operands(3, 2, 3), data_format="TBC"),
        case(*operands(3, 2), data_format="CT", reset_gate_mode="before-multiplication"),
        case(
            *operands(2, 2, 3, biases=12),
            data_format="BTC",
            reset_gate_mode="recurrent-bias-after-multiplication",
        ),
        case(x, m.real(2, 4), w, r, b, data_format="TBC", direction="bidirectional"),
        case(
            *operands(2, 2, 3),
            data_format="TBC",
            direction="reverse",
            mask=np.array([[True, True], [True, False]]),
            state_activation_function="softsign",
        ),
        case(*operands(2, 0, 3), data_format="TBC"),
    ]


def _gru_errors(m: Maker) -> list[Error]:
    return [
        Error(
            case(m.real(2, 3), 0.0, m.real(6, 3), m.real(8, 2), 0.0, data_format="TC"),
            ShapeMismatchError,
            r"recurrent_weights has shape \(8, 2\).*multiple of 3",
        ),
        Error(
            case(
                m.real(2, 3),
                0.0,
                m.real(6, 3),
                m.real(6, 2),
                0.0,
                data_format="TC",
                reset_gate_mode="after",
            ),
            InvalidArgumentError,
            "'after-multiplication'",
        ),
    ]
