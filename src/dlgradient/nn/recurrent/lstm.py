"""Long short-term memory."""

from __future__ import annotations

from functools import partial

import numpy as np

from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Format, Operand, Value
from dlgradient.errors import FormatError, ShapeMismatchError
from dlgradient.nn.recurrent.arguments import Direction, Parameters, Sequence
from dlgradient.nn.recurrent.cells import (
    GateActivation,
    StateActivation,
    activation,
    lstm_states,
)
from dlgradient.nn.recurrent.fused_lstm import lstm_sequence
from dlgradient.rules import derived

__all__ = ["lstm"]


@derived(
    domain="real",
    samples=lambda m: _lstm_samples(m),
    errors=lambda m: _lstm_errors(m),
)
def lstm(  # noqa: PLR0913 - the parameters of the layer
    x: Operand,
    h0: Operand,
    c0: Operand,
    weights: Operand,
    recurrent_weights: Operand,
    bias: Operand,
    *,
    state_activation_function: StateActivation = "tanh",
    gate_activation_function: GateActivation = "sigmoid",
    peephole: Operand | None = None,
    projection: Operand | None = None,
    input_projector: Operand | None = None,
    output_projector: Operand | None = None,
    mask: Operand | None = None,
    direction: Direction = "forward",
    data_format: Format = None,
) -> tuple[Value, Value, Value]:
    """Long short-term memory over the time dimension of x.

    The rows of the weights W, R and of the bias b are in the order input, forget, candidate,
    output. With the gate activation σ and the state activation φ:

        i, f, o = σ(Wx + Rh + b), g = φ(Wx + Rh + b), c ← f c + i g, h ← o φ(c).

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a channel dimension; a time and a batch dimension are optional.
    h0, c0 : dlarray or array_like
        Initial hidden and cell state: hidden units (label C), and the batch of x; or a scalar.
    weights, recurrent_weights, bias : dlarray or array_like
        W (4 hidden units by channels), R (4 hidden units by hidden units) and b (4 hidden units).
        With a format, the rows of a matrix are 'U' and its columns 'C'.
    state_activation_function : {"tanh", "softsign", "relu"} or callable
        φ.
    gate_activation_function : {"sigmoid", "hard-sigmoid"} or callable
        σ.
    peephole : array_like, optional
        Weights of the cell state in the gates input, forget (c before the step) and output (c after
        it): three times as many elements as hidden units.
    projection : array_like, optional
        P, outputs by hidden units: the hidden state is P o φ(c), and R has a column for each of
        its elements.
    input_projector, output_projector : array_like, optional
        Q: W applies to the projected input Qᵀx, R to Qᵀh. It has channels by (fewer) columns of W,
        or hidden units by columns of R. Both directions share the projector of the input.
    mask : array_like, optional
        True for the steps to keep, in the dimensions of x but C. Elsewhere the states do not
        change, and y is zero.
    direction : {"forward", "reverse", "bidirectional"}
        Order of the steps. For "bidirectional", the rows of the reverse layer follow those of the
        forward one in all parameters but the input projector. The channels of y, h and c do so too.
    data_format : str, optional
        Labels of the dimensions of an unlabelled x; results are then unlabelled too.

    Returns
    -------
    y : dlarray
        Hidden states of all steps, in the format of x.
    h, c : dlarray
        Last hidden and cell state, without a time dimension.

    Raises
    ------
    FormatError
        If x has no format, no channels, or spatial or unspecified dimensions.
    ShapeMismatchError
        If a parameter, a state or the mask has the wrong sizes.
    InvalidArgumentError
        If an option has an unknown value.
    ComplexValueError
        If an operand or a parameter is complex.

    See Also
    --------
    gru : gated recurrent unit
    initialize_unit_forget_gate : bias of an LSTM, one at the forget gate
    attention : weighted means of values, by queries and keys

    Examples
    --------
    >>> import dlgradient as dl
    >>> import numpy as np
    >>> x = dl.dlarray(np.ones((5, 2, 3)), "TBC")  # 5 steps, batch of 2, 3 channels
    >>> y, h, c = dl.lstm(x, 0, 0, np.ones((16, 3)), np.ones((16, 4)), np.zeros(16))
    >>> y.shape, h.shape, dl.dims(h)
    ((5, 2, 4), (2, 4), 'BC')

    Source: MATLAB ``lstm``; ONNX ``LSTM``.
    """
    refuse_complex(
        "lstm",
        x=x,
        h0=h0,
        c0=c0,
        weights=weights,
        recurrent_weights=recurrent_weights,
        bias=bias,
        peephole=peephole,
        projection=projection,
        input_projector=input_projector,
        output_projector=output_projector,
    )
    state = activation(state_activation_function)
    gate = activation(gate_activation_function)
    learnables = weights, recurrent_weights, bias, peephole, projection
    seq = Sequence("lstm", x, data_format, h0, c0, *learnables, input_projector, output_projector)
    params = Parameters(seq, direction, 4, recurrent_weights)
    rows, layers = params.rows, params.layers
    inputs = params.size("input_projector", input_projector, 1, seq.channels)
    outputs = params.size("projection", projection, 0, params.units * layers) // layers
    reduced = params.size("output_projector", output_projector, 1, outputs)
    w = params.matrix("weights", weights, rows, inputs)
    r = params.matrix("recurrent_weights", recurrent_weights, rows, reduced)
    b = params.vector("bias", bias, rows)
    p = q = v = None
    # A projector before weights is a product of matrices, computed once for all steps.
    if input_projector is not None:
        w = w @ params.matrix("input_projector", input_projector, seq.channels, None).mT
    if output_projector is not None:
        q = params.matrix("output_projector", output_projector, outputs * layers, None)
    if projection is not None:
        p = params.matrix("projection", projection, outputs * layers, params.units)
    if peephole is not None:
        v = params.vector("peephole", peephole, 3 * params.units * layers)
    h = seq.state("h0", h0, outputs * layers)
    c = seq.state("c0", c0, params.units * layers)
    usual = (state_activation_function, gate_activation_function) == ("tanh", "sigmoid")
    # The fused layer is for the defaults, and for one step at least.
    fused = usual and p is None and v is None and seq.steps > 0

    def layer(k: int, x: Value, padding: Array | None) -> tuple[Value, ...]:
        part = partial(params.part, k)
        back = part(r) if q is None else part(r) @ part(q).mT
        operands = x, part(h, 1), part(c, 1), part(w), back, part(b)
        if fused:
            return lstm_sequence(*operands, padding=padding)[:3]
        return lstm_states(
            *operands,
            state=state,
            gate=gate,
            peephole=part(v),
            projection=part(p),
            padding=padding,
        )

    y, h, c = params.run(layer, mask)
    return y, h, c


def _lstm_samples(m: Maker) -> list[Case]:
    def operands(*shape: int, units: int = 2, twice: int = 1) -> list[Operand]:
        n = 4 * units * twice
        return [m.real(*shape), 0.0, 0.0, m.real(n, 3), m.real(n, units), m.real(n)]

    states = [m.real(2, 2), m.real(2, 2)]
    x, _, _, *weights = operands(3, 2, 3)
    return [
        case(x, *states, *weights, data_format="TBC"),
        case(*operands(3, 2, 2), data_format="CBT", direction="reverse"),
        case(*operands(2, 3, twice=2), data_format="TC", direction="bidirectional"),
        case(*operands(2, 2, 3), data_format="TBC", peephole=0.3),
        case(
            *operands(2, 2, 3),
            data_format="BTC",
            mask=np.array([[True, True], [True, False]]),
            state_activation_function="softsign",
            gate_activation_function="hard-sigmoid",
        ),
        case(*operands(2, 0, 3), data_format="TBC"),
    ]


def _lstm_errors(m: Maker) -> list[Error]:
    return [
        Error(
            case(m.real(2, 3), 0.0, 0.0, m.real(8, 3), m.real(6, 2), 0.0, data_format="TC"),
            ShapeMismatchError,
            r"recurrent_weights has shape \(6, 2\).*multiple of 4",
        ),
        Error(
            case(m.real(2, 3), 0.0, 0.0, m.real(8, 2), m.real(8, 2), 0.0, data_format="TC"),
            ShapeMismatchError,
            r"weights has shape \(8, 2\).*\(8, 3\)",
        ),
        Error(
            case(m.real(2, 3), m.real(3), 0.0, m.real(8, 3), m.real(8, 2), 0.0, data_format="TC"),
            ShapeMismatchError,
            "h0.*2 channels",
        ),
        Error(
            case(m.real(2, 3), 0.0, 0.0, m.real(8, 3), m.real(8, 2), 0.0, data_format="SC"),
            FormatError,
            "'SC'",
        ),
    ]
