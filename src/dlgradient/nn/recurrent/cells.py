"""Steps of recurrent networks in operations, for every option and every order of derivative.

Sequences have the dimensions time, batch, channels, and are unlabelled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from dlgradient.core.types import Array, Value
from dlgradient.nn.activations.piecewise import hardsigmoid, relu
from dlgradient.nn.activations.smooth import sigmoid, softsign
from dlgradient.ops.choice import where
from dlgradient.ops.join import stack
from dlgradient.ops.trigonometry import tanh

__all__ = ["Activation", "activation", "gru_states", "gru_step", "lstm_states", "lstm_step"]

Activation: TypeAlias = Callable[[Value], Value]

StateActivation: TypeAlias = Literal["tanh", "softsign", "relu"] | Activation
GateActivation: TypeAlias = Literal["sigmoid", "hard-sigmoid"] | Activation

_ACTIVATIONS: dict[str, Activation] = {
    "tanh": tanh,
    "softsign": softsign,
    "relu": relu,
    "sigmoid": sigmoid,
    "hard-sigmoid": hardsigmoid,
}


def activation(chosen: str | Activation) -> Activation:
    """Return the activation that an option names, or is."""
    return chosen if callable(chosen) else _ACTIVATIONS[chosen]


def lstm_step(
    z: Value, c: Value, state: Activation, gate: Activation, peephole: Value | None = None
) -> tuple[Value, Value, tuple[Value, Value, Value, Value]]:
    """One step: hidden state, cell state, and the gates input, forget, candidate, output.

    Parameters
    ----------
    z : array
        Of batch and four times the hidden units: the arguments of the gates.
    c : array
        Cell state.
    state, gate : callable
        Activations.
    peephole : array, optional
        Weights of the cell state in the gates input, forget and output, in this order.
    """
    n = c.shape[-1]
    z_input, z_forget, z_output = z[:, :n], z[:, n : 2 * n], z[:, 3 * n :]
    if peephole is not None:
        z_input = z_input + peephole[:n] * c
        z_forget = z_forget + peephole[n : 2 * n] * c
    i, f, candidate = gate(z_input), gate(z_forget), state(z[:, 2 * n : 3 * n])
    c = f * c + i * candidate
    if peephole is not None:
        z_output = z_output + peephole[2 * n :] * c
    o = gate(z_output)
    return o * state(c), c, (i, f, candidate, o)


def lstm_states(  # noqa: PLR0913 - the parameters of the layer
    x: Value,
    h: Value,
    c: Value,
    w: Value,
    r: Value,
    b: Value,
    *,
    state: Activation,
    gate: Activation,
    peephole: Value | None = None,
    projection: Value | None = None,
    padding: Array | None = None,
) -> tuple[Value, Value, Value]:
    """Hidden states of all steps, and the last hidden and cell state."""
    # One product for all steps; only that of the hidden state must wait for the step before.
    z = x @ w.mT + b
    states = []
    for t in range(x.shape[0]):
        before = h, c
        h, c, _ = lstm_step(z[t] + h @ r.mT, c, state, gate, peephole)
        if projection is not None:
            h = h @ projection.mT
        if padding is not None:
            h, c = where(padding[t], before[0], h), where(padding[t], before[1], c)
        states.append(h)
    return _stacked(states, h, x), h, c


def gru_step(
    z: Value, s: Value, h: Value, state: Activation, gate: Activation
) -> tuple[Value, tuple[Value, Value, Value]]:
    """One step with the reset gate after the multiplication: hidden state, and the gates.

    Parameters
    ----------
    z, s : array
        Of batch and three times the hidden units: what input and hidden state contribute to the
        gates reset, update and candidate.
    h : array
        Hidden state.
    state, gate : callable
        Activations.
    """
    n = h.shape[-1]
    both = gate(z[:, : 2 * n] + s[:, : 2 * n])
    reset, update = both[:, :n], both[:, n:]
    candidate = state(z[:, 2 * n :] + reset * s[:, 2 * n :])
    # (1 - u) g + u h with one product instead of two.
    return candidate + update * (h - candidate), (reset, update, candidate)


def gru_states(
    x: Value,
    h: Value,
    w: Value,
    r: Value,
    b: Value,
    *,
    mode: str,
    state: Activation,
    gate: Activation,
    padding: Array | None = None,
) -> tuple[Value, Value]:
    """Hidden states of all steps, and the last one. The gates are reset, update and candidate."""
    n = h.shape[-1]
    z = x @ w.mT + b[: 3 * n]
    recurrent_bias = b[3 * n :] if mode == "recurrent-bias-after-multiplication" else None
    states = []
    for t in range(x.shape[0]):
        before, zt = h, z[t]
        if mode == "before-multiplication":
            both = gate(zt[:, : 2 * n] + h @ r[: 2 * n].mT)
            reset, update = both[:, :n], both[:, n:]
            candidate = state(zt[:, 2 * n :] + (reset * h) @ r[2 * n :].mT)
            h = candidate + update * (h - candidate)
        else:
            s = h @ r.mT if recurrent_bias is None else h @ r.mT + recurrent_bias
            h, _ = gru_step(zt, s, h, state, gate)
        if padding is not None:
            h = where(padding[t], before, h)
        states.append(h)
    return _stacked(states, h, x), h


def _stacked(states: list[Value], h: Value, x: Value) -> Value:
    if states:
        return stack(states)
    # There is no state to stack.
    return np.zeros((0, *h.shape), np.result_type(x.dtype, h.dtype))
