"""Recurrent layers: lstm and gru."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.formats import placement
from dlgradient.core.samples import Error, case
from dlgradient.core.values import PYTHON_SCALARS, as_value
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
    UnsupportedDtypeError,
)
from dlgradient.nn.recurrent.cells import activation, gru_states, lstm_states
from dlgradient.nn.recurrent.fused_gru import gru_sequence
from dlgradient.nn.recurrent.fused_lstm import lstm_sequence
from dlgradient.nn.shared.arguments import formatted
from dlgradient.ops.choice import where
from dlgradient.ops.join import concat
from dlgradient.ops.shape import broadcast_to, expand_dims, flip, permute_dims, reshape, squeeze
from dlgradient.rules import derived

__all__ = ["gru", "lstm"]

_DIRECTIONS = ("forward", "reverse", "bidirectional")
_MODES = (
    "after-multiplication",
    "before-multiplication",
    "recurrent-bias-after-multiplication",
)


# -- operands ------------------------------------------------------------------------------------


class _Sequence:
    """A sequence with its labels, brought to time, batch, channels; and the way back."""

    def __init__(self, function: str, x: Any, data_format: str | None) -> None:
        x, self.strip = formatted(function, x, data_format)
        self.function, self.format, self.shape = function, x._format, x.shape
        if "C" not in self.format or any(c in "SU" for c in self.format):
            raise FormatError(
                f"{function}: x of shape {x.shape} has the format {self.format!r}; it must have a "
                "channel dimension 'C', and may have 'T' and 'B' beside it; bring other dimensions "
                "into C or B first, with reshape"
            )
        if x.dtype.kind == "c":
            raise UnsupportedDtypeError(
                f"{function}: x of shape {x.shape} has dtype {x.dtype}; it must be real, take real "
                "and imag as channels of their own"
            )
        self.values = self.inner(calls.wrap(x._value, x._node), self.format, "TBC")
        self.steps, self.batch, self.channels = self.values.shape

    @staticmethod
    def inner(x: Any, fmt: str, target: str) -> Any:
        """Bring an array without labels, of dimensions `fmt`, to `target`."""
        order, new = placement(fmt, target)
        if order != tuple(range(len(order))):
            x = permute_dims(x, axes=order)
        return expand_dims(x, axis=new) if new else x

    def outer(self, x: Any, inner: str) -> Any:
        """Bring a result of dimensions `inner` to the labels and the order of the operand."""
        labels = "".join(c for c in self.format if c in inner)
        missing = tuple(i for i, c in enumerate(inner) if c not in labels)
        if type(x) is not calls.dlarray:
            x = calls.wrap(x, None)
        if missing:
            x = squeeze(x, axis=missing)
        left = "".join(c for c in inner if c in labels)
        order = tuple(left.index(c) for c in labels)
        if order != tuple(range(len(order))):
            x = permute_dims(x, axes=order)
        return calls.wrap(x._value, x._node, None if self.strip else labels)

    def state(self, name: str, state: Any, units: int) -> Any:
        """Bring an initial state to batch and units."""
        if type(state) in PYTHON_SCALARS:
            dtype = self.values.dtype if self.values.dtype.kind == "f" else np.float64
            return np.full((self.batch, units), state, dtype)
        if type(state) is not calls.dlarray:
            state = as_value(state, f"{self.function}: {name}")
        given, fmt = np.shape(state), "".join(c for c in self.format if c in "CB")
        if type(state) is calls.dlarray and state._format is not None:
            fmt = state._format
            state = calls.wrap(state._value, state._node)
        elif len(given) < 2:
            fmt = "C"[: len(given)]
        fits = len(given) == len(fmt) and set(fmt) <= {"C", "B"}
        if fits:
            state = self.inner(state, fmt, "BC")
            batch, size = state.shape
            fits = batch in (1, self.batch) and (size == units or given == ())
        if not fits:
            raise ShapeMismatchError(
                f"{self.function}: {name} has shape {given} and dimensions {fmt!r}; it must have "
                f"{units} channels (hidden units) and a batch of {self.batch} or one"
            )
        if state.shape != (self.batch, units):
            state = broadcast_to(state, (self.batch, units))
        return state

    def padding(self, mask: Any) -> Any:
        """Return which steps are to be skipped: time, batch and one; None for none."""
        if mask is None:
            return None
        fmt = getattr(mask, "_format", None)
        value = np.asarray(mask._value if type(mask) is calls.dlarray else mask) != 0
        without = "".join(c for c in self.format if c != "C")
        if fmt is None:
            fmt = self.format if value.ndim == len(self.format) else without
        try:
            fits = len(fmt) == value.ndim
            value = self.inner(value, fmt, "TBC") if fits else value
        except FormatClashError:
            fits = False
        if fits and value.shape[-1] == self.channels:
            value = value[..., :1]  # as padding a sequence gives it: equal for all channels
        wanted = (self.steps, self.batch, 1)
        if not fits or any(n not in (1, m) for n, m in zip(value.shape, wanted, strict=True)):
            raise ShapeMismatchError(
                f"{self.function}: mask has shape {np.shape(mask)} and dimensions {fmt!r}, x has "
                f"shape {self.shape} and format {self.format!r}; mask must have the dimensions "
                f"{without!r} of x, and be true for the steps to keep"
            )
        return np.broadcast_to(~value, wanted)


def _matrix(function: str, name: str, w: Any, rows: int | None, columns: int | None) -> Any:
    """Return a parameter by position, after a look at its shape."""
    if type(w) is calls.dlarray:
        w = calls.wrap(w._value, w._node)
    else:
        w = as_value(w, f"{function}: {name}")
    if w.ndim == 2 and rows in (None, w.shape[0]) and columns in (None, w.shape[1]):
        return w
    wanted = f"({'any' if rows is None else rows}, {'any' if columns is None else columns})"
    raise ShapeMismatchError(
        f"{function}: {name} has shape {w.shape}; with these operands it must be {wanted}, gates "
        "or outputs in rows"
    )


def _vector(function: str, name: str, b: Any, size: int, dtype: Any) -> Any:
    if type(b) in PYTHON_SCALARS:
        return np.full(size, b, dtype)
    b = calls.wrap(b._value, b._node) if type(b) is calls.dlarray else as_value(b, name)
    count = int(np.prod(b.shape, dtype=int))
    if count not in (1, size):
        raise ShapeMismatchError(
            f"{function}: {name} has shape {b.shape}; it must have {size} elements, as many as the "
            "gates have rows"
        )
    return broadcast_to(reshape(b, (count,)), (size,)) if count != size else reshape(b, (size,))


def _option(function: str, name: str, chosen: Any, choices: tuple[str, ...]) -> None:
    if chosen not in choices:
        raise InvalidArgumentError(
            f"{function}: {name} must be one of {', '.join(map(repr, choices))}, not {chosen!r}"
        )


def _units(function: str, name: str, r: Any, gates: int) -> int:
    """Return the number of hidden units, from the rows of the recurrent weights."""
    rows = np.shape(r)[0] if np.ndim(r) == 2 else 0
    if not rows or rows % gates:
        raise ShapeMismatchError(
            f"{function}: {name} has shape {np.shape(r)}; it must be a matrix with a multiple of "
            f"{gates} rows: the gates one behind the other, as many rows in each as hidden units"
        )
    return int(rows // gates)


def _masked(x: Any, padding: Any) -> Any:
    return x if padding is None else where(~padding, x, 0)


# -- lstm ----------------------------------------------------------------------------------------


def _lstm_samples(m: Any) -> list[Any]:
    def operands(*shape: int, units: int = 2, twice: int = 1) -> list[Any]:
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
            state_activation="softsign",
            gate_activation="hard-sigmoid",
        ),
        case(*operands(2, 0, 3), data_format="TBC"),
    ]


@derived(
    samples=_lstm_samples,
    errors=lambda m: [
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
    ],
)
def lstm(  # noqa: PLR0913 - the parameters of the layer
    x: Any,
    h0: Any,
    c0: Any,
    weights: Any,
    recurrent_weights: Any,
    bias: Any,
    *,
    state_activation: Any = "tanh",
    gate_activation: Any = "sigmoid",
    peephole: Any = None,
    projection: Any = None,
    input_projector: Any = None,
    output_projector: Any = None,
    mask: Any = None,
    direction: str = "forward",
    data_format: str | None = None,
) -> tuple[Any, Any, Any]:
    """Long short-term memory over the time dimension of x.

    With the rows of the weights W, R and of the bias b in the order input, forget, candidate,
    output, the gate activation σ and the state activation φ:

        i, f, o = σ(Wx + Rh + b), g = φ(Wx + Rh + b), c ← f c + i g, h ← o φ(c).

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a channel dimension; a time and a batch dimension may be missing.
    h0, c0 : dlarray or array_like
        Initial hidden and cell state: hidden units (label C), and batch as in x; or a scalar.
    weights, recurrent_weights, bias : dlarray or array_like
        W (4 hidden units by channels), R (4 hidden units by hidden units) and b (4 hidden units),
        by position.
    state_activation : {"tanh", "softsign", "relu"} or callable
        φ.
    gate_activation : {"sigmoid", "hard-sigmoid"} or callable
        σ.
    peephole : array_like, optional
        Weights of the cell state in the gates input, forget (c before the step) and output (c
        behind it): three times as many elements as hidden units.
    projection : array_like, optional
        P, outputs by hidden units: the hidden state is P o φ(c), and R has a column for each of
        its elements.
    input_projector, output_projector : array_like, optional
        Q: W applies to the projected input Qᵀx, R to Qᵀh; channels by (fewer) columns of W, and
        hidden units by columns of R. Both directions share that of the input.
    mask : array_like, optional
        True for the steps to keep, in the dimensions of x but C. Elsewhere the states stay as they
        are, and y is zero.
    direction : {"forward", "reverse", "bidirectional"}
        Order of the steps. For "bidirectional" all parameters but the input projector have the
        rows of the reverse layer behind those of the forward one, and so have y, h and c their
        channels.
    data_format : str, optional
        Labels of the dimensions of an unformatted x; results are then unformatted too.

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
        If a parameter, a state or the mask does not fit.
    InvalidArgumentError
        If an option has an unknown value.

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
    _option("lstm", "direction", direction, _DIRECTIONS)
    options = {
        "state": (state_activation, activation("lstm", "state_activation", state_activation)),
        "gate": (gate_activation, activation("lstm", "gate_activation", gate_activation)),
    }
    seq = _Sequence("lstm", x, data_format)
    twice = 2 if direction == "bidirectional" else 1
    units = _units("lstm", "recurrent_weights", recurrent_weights, 4 * twice)
    rows = 4 * units * twice
    projected = None if input_projector is None else np.shape(input_projector)[-1]
    outputs = units if projection is None else np.shape(projection)[0] // twice
    reduced = outputs if output_projector is None else np.shape(output_projector)[-1]
    w = _matrix("lstm", "weights", weights, rows, seq.channels if projected is None else projected)
    r = _matrix("lstm", "recurrent_weights", recurrent_weights, rows, reduced)
    b = _vector("lstm", "bias", bias, rows, _dtype(seq, r))
    # A projector in front of weights is a product of matrices, once for all steps.
    if input_projector is not None:
        w = w @ _matrix("lstm", "input_projector", input_projector, seq.channels, None).mT
    p = q = v = None
    if output_projector is not None:
        q = _matrix("lstm", "output_projector", output_projector, outputs * twice, None)
    if projection is not None:
        p = _matrix("lstm", "projection", projection, outputs * twice, units)
    if peephole is not None:
        v = _vector("lstm", "peephole", peephole, 3 * units * twice, _dtype(seq, r))
    h = seq.state("h0", h0, outputs * twice)
    c = seq.state("c0", c0, units * twice)
    padding = seq.padding(mask)
    xs = _masked(seq.values, padding)
    results = []
    for k, backwards in enumerate(_ways(direction)):
        part = _halves(k, twice)
        rk = part(r) if q is None else part(r) @ part(q).mT
        results.append(
            _lstm_pass(
                xs,
                part(h, 1),
                part(c, 1),
                part(w),
                rk,
                part(b),
                options=options,
                peephole=None if v is None else part(v),
                projection=None if p is None else part(p),
                padding=padding,
                backwards=backwards,
            )
        )
    y, h, c = (_beside(parts) for parts in zip(*results, strict=True))
    return seq.outer(_masked(y, padding), "TBC"), seq.outer(h, "BC"), seq.outer(c, "BC")


def _dtype(seq: _Sequence, w: Any) -> Any:
    dtype = np.result_type(seq.values.dtype, w.dtype)
    return dtype if dtype.kind == "f" else np.float64


def _ways(direction: str) -> tuple[bool, ...]:
    """Whether each layer goes backwards in time."""
    return {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}[direction]


def _halves(k: int, count: int) -> Any:
    """Return a function that takes the rows (or, with 1, columns) of one direction."""

    def part(array: Any, axis: int = 0) -> Any:
        if count == 1:
            return array
        size = array.shape[axis] // count
        key = slice(k * size, (k + 1) * size)
        return array[key] if axis == 0 else array[:, key]

    return part


def _beside(parts: Any) -> Any:
    """Channels of both directions, one behind the other."""
    return parts[0] if len(parts) == 1 else concat(parts, axis=-1)


def _lstm_pass(  # noqa: PLR0913 - the parameters of the layer
    x: Any,
    h: Any,
    c: Any,
    w: Any,
    r: Any,
    b: Any,
    *,
    options: dict[str, Any],
    peephole: Any,
    projection: Any,
    padding: Any,
    backwards: bool,
) -> tuple[Any, Any, Any]:
    """One direction: hidden states of all steps, last hidden and last cell state."""
    if backwards:
        x = flip(x, axis=0)
        padding = None if padding is None else padding[::-1]
    usual = options["state"][0] == "tanh" and options["gate"][0] == "sigmoid"
    if usual and peephole is None and projection is None and x.shape[0]:
        y, h, c, *_ = lstm_sequence(x, h, c, w, r, b, padding=padding)
    else:
        y, h, c = lstm_states(
            x,
            h,
            c,
            w,
            r,
            b,
            state=options["state"][1],
            gate=options["gate"][1],
            peephole=peephole,
            projection=projection,
            padding=padding,
        )
    return (flip(y, axis=0) if backwards else y), h, c


# -- gru -----------------------------------------------------------------------------------------


def _gru_samples(m: Any) -> list[Any]:
    def operands(*shape: int, n: int = 6, biases: int = 6) -> list[Any]:
        return [m.real(*shape), m.real(2), m.real(n, 3), m.real(n, 2), m.real(biases)]

    x, _, w, r, b = operands(2, 2, 3, n=12, biases=12)
    return [
        case(*operands(3, 2, 3), data_format="TBC"),
        case(*operands(3, 2), data_format="CT", reset_gate_mode=_MODES[1]),
        case(*operands(2, 2, 3, biases=12), data_format="BTC", reset_gate_mode=_MODES[2]),
        case(x, m.real(2, 4), w, r, b, data_format="TBC", direction="bidirectional"),
        case(
            *operands(2, 2, 3),
            data_format="TBC",
            direction="reverse",
            mask=np.array([[True, True], [True, False]]),
            state_activation="softsign",
        ),
        case(*operands(2, 0, 3), data_format="TBC"),
    ]


@derived(
    samples=_gru_samples,
    errors=lambda m: [
        Error(
            case(m.real(2, 3), 0.0, m.real(6, 3), m.real(8, 2), 0.0, data_format="TC"),
            ShapeMismatchError,
            r"recurrent_weights has shape \(8, 2\).*multiple of 3",
        ),
        Error(
            case(
                m.real(2, 3), 0.0, m.real(6, 3), m.real(6, 2), 0.0, data_format="TC",
                reset_gate_mode="after",
            ),
            InvalidArgumentError,
            "'after-multiplication'",
        ),
    ],
)  # fmt: skip
def gru(  # noqa: PLR0913 - the parameters of the layer
    x: Any,
    h0: Any,
    weights: Any,
    recurrent_weights: Any,
    bias: Any,
    *,
    reset_gate_mode: str = "after-multiplication",
    state_activation: Any = "tanh",
    gate_activation: Any = "sigmoid",
    mask: Any = None,
    direction: str = "forward",
    data_format: str | None = None,
) -> tuple[Any, Any]:
    """Gated recurrent unit over the time dimension of x.

    With the rows of the weights W, R and of the bias b in the order reset, update, candidate, the
    gate activation σ and the state activation φ:

        r, u = σ(Wx + Rh + b), g = φ(Wx + b + r (Rh)), h ← (1 - u) g + u h.

    The candidate g depends on the mode: "before-multiplication" has R(rh) for r(Rh), and
    "recurrent-bias-after-multiplication" r(Rh + b'), with a second bias b'.

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a channel dimension; a time and a batch dimension may be missing.
    h0 : dlarray or array_like
        Initial hidden state: hidden units (label C), and batch as in x; or a scalar.
    weights, recurrent_weights, bias : dlarray or array_like
        W (3 hidden units by channels), R (3 hidden units by hidden units) and b (3 hidden units),
        by position. With "recurrent-bias-after-multiplication", b has 6 hidden units: the bias of
        W and behind it that of R.
    reset_gate_mode : str
        "after-multiplication", "before-multiplication" or "recurrent-bias-after-multiplication".
    state_activation : {"tanh", "softsign", "relu"} or callable
        φ.
    gate_activation : {"sigmoid", "hard-sigmoid"} or callable
        σ.
    mask : array_like, optional
        True for the steps to keep, in the dimensions of x but C. Elsewhere the state stays as it
        is, and y is zero.
    direction : {"forward", "reverse", "bidirectional"}
        Order of the steps. For "bidirectional" all parameters have the rows of the reverse layer
        behind those of the forward one, and so have y and h their channels.
    data_format : str, optional
        Labels of the dimensions of an unformatted x; results are then unformatted too.

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
        If a parameter, the state or the mask does not fit.
    InvalidArgumentError
        If an option has an unknown value.

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
    _option("gru", "direction", direction, _DIRECTIONS)
    _option("gru", "reset_gate_mode", reset_gate_mode, _MODES)
    state = activation("gru", "state_activation", state_activation)
    gate = activation("gru", "gate_activation", gate_activation)
    seq = _Sequence("gru", x, data_format)
    twice = 2 if direction == "bidirectional" else 1
    units = _units("gru", "recurrent_weights", recurrent_weights, 3 * twice)
    rows = 3 * units * twice
    w = _matrix("gru", "weights", weights, rows, seq.channels)
    r = _matrix("gru", "recurrent_weights", recurrent_weights, rows, units)
    biases = 2 if reset_gate_mode == _MODES[2] else 1
    b = _vector("gru", "bias", bias, rows * biases, _dtype(seq, r))
    h = seq.state("h0", h0, units * twice)
    padding = seq.padding(mask)
    xs = _masked(seq.values, padding)
    usual = (state_activation, gate_activation) == ("tanh", "sigmoid")
    usual = usual and reset_gate_mode != _MODES[1]
    results = []
    for k, backwards in enumerate(_ways(direction)):
        part = _halves(k, twice)
        inputs = flip(xs, axis=0) if backwards else xs
        skipped = padding[::-1] if backwards and padding is not None else padding
        operands = inputs, part(h, 1), part(w), part(r), part(b)
        if usual and seq.steps:
            y, last, _ = gru_sequence(*operands, padding=skipped)
        else:
            y, last = gru_states(
                *operands, mode=reset_gate_mode, state=state, gate=gate, padding=skipped
            )
        results.append((flip(y, axis=0) if backwards else y, last))
    y, h = (_beside(parts) for parts in zip(*results, strict=True))
    return seq.outer(_masked(y, padding), "TBC"), seq.outer(h, "BC")
