"""The usual GRU over a whole sequence, as one operation.

The reset gate is applied after the multiplication by the recurrent weights, so that each step needs
one product. As in the LSTM of `fused_lstm`, the gates and the states are saved. The rule is written
in operations, and raw walks compute the same derivative on buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Array, Value
from dlgradient.nn.activations.smooth import sigmoid
from dlgradient.nn.recurrent.buffers import (
    Feed,
    changed_steps,
    chunks,
    reordered,
    to_sigmoid,
    weight_cotangents,
)
from dlgradient.nn.recurrent.cells import gru_step
from dlgradient.ops.choice import where
from dlgradient.ops.join import concat, stack
from dlgradient.ops.linalg import tensordot
from dlgradient.ops.reduce import sum
from dlgradient.ops.trigonometry import tanh
from dlgradient.rules import general

__all__: list[str] = []

# Parameters have the gates reset, update and candidate. Buffers have four blocks: what the hidden
# state contributes to the candidate, reset, update, and the candidate. So the hidden state enters
# the first three blocks only, and the input the last three.
_INSIDE, _OUTSIDE = (2, 0, 1), (1, 2, 0)

# -- the rule, in operations ---------------------------------------------------------------------


def _vjp(
    g: Sequence[Value | None],
    x: Value,
    h0: Value,
    w: Value,
    r: Value,
    b: Value,
    padding: Array | None,
) -> tuple[Value, ...]:
    of_y, of_h, of_blocks = g
    n = h0.shape[-1]
    z = x @ w.mT + b[: 3 * n]
    second = b[3 * n :] if b.shape[0] > 3 * n else None
    h, states, of_steps = h0, [], []
    for t in range(x.shape[0]):
        states.append(h)
        s = h @ r.mT if second is None else h @ r.mT + second
        new_h, gates = gru_step(z[t], s, h, tanh, sigmoid)
        if padding is not None:
            gates = (gates[0], where(padding[t], 1, gates[1]), gates[2])
            new_h = where(padding[t], h, new_h)
        of_steps.append((s[:, 2 * n :], *gates))
        h = new_h
    dh = 0 * h if of_h is None else of_h
    into_inputs, into_states = [], []
    for t in range(x.shape[0] - 1, -1, -1):
        dh = dh if of_y is None else dh + of_y[t]
        s, reset, update, candidate = of_steps[t]
        own: Sequence[Any] = (0, 0, 0, 0)
        if of_blocks is not None:
            own = [of_blocks[t, k * n : (k + 1) * n].mT for k in range(4)]
        d_update = (dh * (states[t] - candidate) + own[2]) * update * (1 - update)
        d_candidate = (dh * (1 - update) + own[3]) * (1 - candidate * candidate)
        d_reset = (d_candidate * s + own[1]) * reset * (1 - reset)
        of_gates = concat([d_reset, d_update], axis=1)
        into_states.append(concat([of_gates, d_candidate * reset + own[0]], axis=1))
        into_inputs.append(concat([of_gates, d_candidate], axis=1))
        dh = dh * update + into_states[-1] @ r
    dz, ds = stack(into_inputs[::-1]), stack(into_states[::-1])
    db = sum(dz, axis=(0, 1))
    both = ((0, 1), (0, 1))
    return (
        dz @ w,
        dh,
        tensordot(dz, x, axes=both),
        tensordot(ds, stack(states), axes=both),
        db if second is None else concat([db, sum(ds, axis=(0, 1))]),
    )


# -- the same on buffers -------------------------------------------------------------------------


def _fast_vjp(
    g: Sequence[Array | None],
    x: Array,
    h0: Array,
    w: Array,
    r: Array,
    b_like: Array,
    out: Sequence[Array],
    x_wanted: bool,
) -> tuple[Array | None, ...]:
    dz, dh = _pull_blocks(g, h0, r, out)
    n = h0.shape[1]
    dw, dr = weight_cotangents(dz[n:], dz[: 3 * n], x, h0, out[0])
    dx = None
    # For data it is not asked for, and costs as much as the cotangent of the weights.
    if x_wanted:
        flat = dz[n:].reshape(3 * n, x.shape[0] * x.shape[1])
        dx = (flat.T @ w).reshape(x.shape)
    total = np.add.reduce(dz, axis=(1, 2))
    db = total[n:]
    if b_like.shape[0] > 3 * n:
        db = np.concatenate([db, reordered(total[: 3 * n], _OUTSIDE)])
    return dx, dh.T, dw, reordered(dr, _OUTSIDE), db


def _pull_blocks(
    g: Sequence[Array | None], h0: Array, r: Array, out: Sequence[Array]
) -> tuple[Array, Array]:
    """Return cotangents of the four blocks (blocks, time, batch), and of the initial state."""
    of_y, of_h, of_blocks = g
    y, _, gates = out
    steps, batch, n = y.shape
    dz = np.empty((4 * n, steps, batch), gates.dtype)
    # Contiguous once, for the product of every step.
    recurrent = np.ascontiguousarray(reordered(r, _INSIDE).T, gates.dtype)
    dh = np.zeros((n, batch), gates.dtype)
    if of_h is not None:
        dh += of_h.T
    scratch = np.empty_like(dh)
    for chunk in chunks(gates):
        # What does not depend on the cotangents is computed for several steps at once.
        factors, direct = _factors(chunk, h0, y, gates, of_blocks)
        for t in range(chunk.stop - 1, chunk.start - 1, -1):
            # Where a step is skipped, the update gate is 1, and the cotangent passes by.
            step = factors[t - chunk.start]
            if of_y is not None:
                dh += of_y[t].T
            _step_back(step, dh, None if direct is None else direct[t - chunk.start])
            dz[:, t] = step
            np.multiply(gates[t, 2 * n : 3 * n], dh, out=scratch)
            np.matmul(recurrent, step[: 3 * n], out=dh)
            np.add(dh, scratch, out=dh)
    return dz, dh


def _factors(
    chunk: slice, h0: Array, y: Array, gates: Array, direct: Array | None
) -> tuple[Array, Array | None]:
    """Factors of the cotangents, for the steps of a chunk.

    Returns
    -------
    factors : array
        From the candidate to the first two blocks, from the hidden state to the last two.
    direct : array or None
        What is added for cotangents of the blocks themselves.
    """
    a = gates[chunk]
    n = h0.shape[1]
    s, reset, update, candidate = (a[:, k * n : (k + 1) * n] for k in range(4))
    factors = np.empty_like(a)
    of_s, of_gates, of_candidate = factors[:, :n], factors[:, n : 3 * n], factors[:, 3 * n :]
    of_s[...] = reset
    np.multiply(a[:, n : 3 * n], a[:, n : 3 * n], out=of_gates)
    np.subtract(a[:, n : 3 * n], of_gates, out=of_gates)
    np.multiply(candidate, candidate, out=of_candidate)
    np.subtract(1, of_candidate, out=of_candidate)
    if direct is not None:
        direct = direct[chunk] * np.concatenate([np.ones_like(s), factors[:, n:]], axis=1)
    factors[:, n : 2 * n] *= s
    difference = np.empty_like(s)
    before = y[chunk.start - 1] if chunk.start else h0
    np.subtract(y[chunk][:-1].swapaxes(1, 2), candidate[1:], out=difference[1:])
    np.subtract(before.T, candidate[0], out=difference[0])
    factors[:, 2 * n : 3 * n] *= difference
    of_candidate *= np.subtract(1, update, out=difference)
    return factors, direct


def _step_back(step: Array, dh: Array, direct: Array | None) -> None:
    """Make cotangents of the four blocks from their factors, in place."""
    n, batch = dh.shape
    of_state, of_candidate = step[2 * n :].reshape(2, n, batch), step[: 2 * n].reshape(2, n, batch)
    np.multiply(of_state, dh, out=of_state)
    if direct is not None:
        step[2 * n :] += direct[2 * n :]
    np.multiply(of_candidate, step[3 * n :], out=of_candidate)
    if direct is not None:
        step[: 2 * n] += direct[: 2 * n]


# -- forward -------------------------------------------------------------------------------------


@general(
    vjp=_vjp,
    fast_vjp=_fast_vjp,
    outputs=3,
    format="new",
    domain="real",
    samples=lambda m: _samples(m),
    shown="gru",
)
def gru_sequence(
    x: Value, h0: Value, w: Value, r: Value, b: Value, /, *, padding: Array | None = None
) -> tuple[Value, ...]:
    """GRU with tanh and sigmoid over time, batch and channels; reset after multiplication.

    Parameters
    ----------
    x : array
        Time (one step at least), batch and channels.
    h0 : array
        Batch and hidden units.
    w, r, b : array
        Weights, recurrent weights and bias of the gates reset, update and candidate. The bias of
        the recurrent product may follow the other bias.
    padding : array of bool, optional
        True where a step is skipped: time, batch and one.

    Returns
    -------
    y, h : array
        Hidden states of all steps, and the last one.
    gates : array
        For all steps, what the hidden state contributes to the candidate, and the activated gates
        reset, update and candidate: time, hidden units, batch. Where a step is skipped, the update
        gate is 1.
    """
    steps, batch, channels = x.shape
    n = h0.shape[1]
    dtype = np.result_type(x, h0, w, r, b)
    second = b[3 * n :, None] if len(b) > 3 * n else np.zeros((3 * n, 1), dtype)
    matrix = np.concatenate([r, w, b[: 3 * n, None] + second], axis=1, dtype=dtype)
    matrix = reordered(matrix, _INSIDE)
    # The input enters the candidate after the reset gate.
    of_input = np.concatenate([w[2 * n :], b[2 * n : 3 * n, None]], axis=1, dtype=dtype)
    matrix[:n, n:] = 0
    matrix[:n, n + channels :] = second[2 * n :]
    # sigmoid(z) = 1 / (1 + exp(-z)): the sign goes into the weights, once.
    np.negative(matrix[n:], out=matrix[n:])
    feed, changed = Feed(x, h0, dtype), changed_steps(padding)
    y, gates = np.empty((steps, batch, n), dtype), np.empty((steps, 4 * n, batch), dtype)
    scratch = np.empty((n, batch), dtype)
    # Far below 0, exp(-z) overflows, and the sigmoid is 0 as it should be.
    with np.errstate(over="ignore"):
        for t in range(steps):
            step = gates[t]
            update, candidate = step[2 * n : 3 * n], step[3 * n :]
            feed.load(t)
            np.matmul(matrix, feed.all, out=step[: 3 * n])
            np.matmul(of_input, feed.inputs, out=candidate)
            to_sigmoid(step[n : 3 * n])
            np.multiply(step[n : 2 * n], step[:n], out=scratch)
            np.add(candidate, scratch, out=candidate)
            np.tanh(candidate, out=candidate)
            if padding is not None:
                np.copyto(update, 1, where=padding[t].T)
            np.subtract(feed.hidden, candidate, out=scratch)
            np.multiply(scratch, update, out=scratch)
            where_changed = True if changed is None else changed[t]
            # A skipped step keeps the state itself: g + 1 (h - g) would round it.
            np.add(candidate, scratch, out=feed.hidden, where=where_changed)
            y[t] = feed.hidden.T
    return y, np.ascontiguousarray(feed.hidden.T), gates


def _samples(m: Maker) -> list[Case]:
    def operands(steps: int, batch: int, biases: int = 6) -> list[Array]:
        shapes = ((steps, batch, 3), (batch, 2), (6, 3), (6, 2), (biases,))
        return [m.real(*shape) for shape in shapes]

    padding = np.array([[[False], [True]], [[False], [False]], [[True], [False]]])
    return [
        case(*operands(3, 2)),
        case(*operands(3, 2, 12), padding=padding),
        case(*operands(1, 1)),
        case(*operands(2, 0)),
    ]
