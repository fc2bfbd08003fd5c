"""The usual GRU over a whole sequence as one operation.

The reset gate is applied after the multiplication by the recurrent weights, so that one product
serves each step. Built like the LSTM in `sequence`: kept are the gates and the states, and the
backward pass is written on buffers for first derivatives and in operations for all higher ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.graph import Node
from dlgradient.core.samples import case
from dlgradient.nn.activations.smooth import sigmoid
from dlgradient.nn.recurrent.buffers import (
    Feed,
    blocks,
    kept,
    reordered,
    to_sigmoid,
    weight_cotangents,
)
from dlgradient.nn.recurrent.cells import gru_step
from dlgradient.nn.shared.arguments import is_traced
from dlgradient.ops.choice import where
from dlgradient.ops.join import concat, stack
from dlgradient.ops.linalg import tensordot
from dlgradient.ops.reduce import sum
from dlgradient.ops.trigonometry import tanh
from dlgradient.rules import general

__all__: list[str] = []

# Parameters have the gates reset, update and candidate. Buffers have four blocks: what the hidden
# state gives to the candidate, reset, update, and the candidate. So the first three are all that
# comes from the hidden state, and the last three all that the input goes into.
_INSIDE, _OUTSIDE = (2, 0, 1), (1, 2, 0)


def _vjp(
    g: Any, x: Any, h0: Any, w: Any, r: Any, b: Any, out: Any, x_like: Any, padding: Any
) -> tuple[Any, ...]:
    if is_traced([*g, x, h0, w, r, b]):
        return _traced_vjp(g, x, h0, w, r, b, padding)
    dz, dh = _raw_vjp(g, h0, r, out)
    n = h0.shape[1]
    dw, dr = weight_cotangents(dz[n:], dz[: 3 * n], x, h0, out[0])
    dx = None
    if type(x_like) is Node:
        flat = dz[n:].reshape(3 * n, x.shape[0] * x.shape[1])
        dx = (flat.T @ w).reshape(x.shape)
    total = np.add.reduce(dz, axis=(1, 2))
    db = total[n:]
    if len(b) > 3 * n:
        db = np.concatenate([db, reordered(total[: 3 * n], _OUTSIDE)])
    return dx, dh.T, dw, reordered(dr, _OUTSIDE), db


# -- backward on buffers -------------------------------------------------------------------------


def _raw_vjp(g: Any, h0: Any, r: Any, out: Any) -> tuple[Any, Any]:
    """Cotangents of the four blocks (blocks, time, batch), and of the initial state."""
    y, _, gates = out
    steps, batch, n = y.shape
    dz = np.empty((4 * n, steps, batch), gates.dtype)
    recurrent = np.ascontiguousarray(reordered(r, _INSIDE).T, gates.dtype)
    dh = np.zeros((n, batch), gates.dtype)
    if g[1] is not None:
        dh += g[1].T
    scratch = np.empty_like(dh)
    for block in blocks(gates):
        # All that does not depend on the cotangents is computed for several steps at once.
        factors, direct = _factors(block, h0, y, gates, g[2])
        for t in range(block.stop - 1, block.start - 1, -1):
            # Where a step is skipped the update gate is 1, and the cotangent goes by it.
            step = factors[t - block.start]
            if g[0] is not None:
                dh += g[0][t].T
            _step_back(step, dh, None if direct is None else direct[t - block.start])
            dz[:, t] = step
            np.multiply(gates[t, 2 * n : 3 * n], dh, out=scratch)
            np.matmul(recurrent, step[: 3 * n], out=dh)
            np.add(dh, scratch, out=dh)
    return dz, dh


def _factors(block: slice, h0: Any, y: Any, gates: Any, direct: Any) -> tuple[Any, Any]:
    """What cotangents are multiplied by, for the steps of a block.

    Returns
    -------
    factors : array
        From the candidate to the first two blocks, from the hidden state to the last two.
    direct : array or None
        What is added for cotangents of the blocks themselves.
    """
    a = gates[block]
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
        direct = direct[block] * np.concatenate([np.ones_like(s), factors[:, n:]], axis=1)
    factors[:, n : 2 * n] *= s
    difference = np.empty_like(s)
    before = y[block.start - 1] if block.start else h0
    np.subtract(y[block][:-1].swapaxes(1, 2), candidate[1:], out=difference[1:])
    np.subtract(before.T, candidate[0], out=difference[0])
    factors[:, 2 * n : 3 * n] *= difference
    of_candidate *= np.subtract(1, update, out=difference)
    return factors, direct


def _step_back(step: Any, dh: Any, direct: Any) -> None:
    """Make cotangents of the four blocks from their factors, in place."""
    n, batch = dh.shape
    of_state, of_candidate = step[2 * n :].reshape(2, n, batch), step[: 2 * n].reshape(2, n, batch)
    np.multiply(of_state, dh, out=of_state)
    if direct is not None:
        step[2 * n :] += direct[2 * n :]
    np.multiply(of_candidate, step[3 * n :], out=of_candidate)
    if direct is not None:
        step[: 2 * n] += direct[: 2 * n]


# -- backward in operations ----------------------------------------------------------------------


def _traced_vjp(g: Any, x: Any, h: Any, w: Any, r: Any, b: Any, padding: Any) -> tuple[Any, ...]:
    n = h.shape[-1]
    z = x @ w.mT + b[: 3 * n]
    second = b[3 * n :] if b.shape[0] > 3 * n else None
    states, of_steps = [], []
    for t in range(x.shape[0]):
        states.append(h)
        s = h @ r.mT if second is None else h @ r.mT + second
        new_h, gates = gru_step(z[t], s, h, tanh, sigmoid)
        if padding is not None:
            gates = (gates[0], where(padding[t], 1, gates[1]), gates[2])
            new_h = where(padding[t], h, new_h)
        of_steps.append((s[:, 2 * n :], *gates))
        h = new_h
    dh = 0 * h if g[1] is None else g[1]
    into_inputs, into_states = [], []
    for t in range(x.shape[0] - 1, -1, -1):
        dh = dh if g[0] is None else dh + g[0][t]
        s, reset, update, candidate = of_steps[t]
        own: Any = (0, 0, 0, 0)
        if g[2] is not None:
            own = [g[2][t, k * n : (k + 1) * n].mT for k in range(4)]
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


# -- forward -------------------------------------------------------------------------------------


def _samples(m: Any) -> list[Any]:
    def operands(steps: int, batch: int, biases: int = 6) -> list[Any]:
        shapes = ((steps, batch, 3), (batch, 2), (6, 3), (6, 2), (biases,))
        return [m.real(*shape) for shape in shapes]

    padding = np.array([[[False], [True]], [[False], [False]], [[True], [False]]])
    return [
        case(*operands(3, 2)),
        case(*operands(3, 2, 12), padding=padding),
        case(*operands(1, 1)),
        case(*operands(2, 0)),
    ]


@general(vjp=_vjp, outputs=3, format="new", samples=_samples, shown="gru")
def gru_sequence(x: Any, h0: Any, w: Any, r: Any, b: Any, /, *, padding: Any = None) -> Any:
    """GRU with tanh and sigmoid over time, batch and channels; reset after multiplication.

    Parameters
    ----------
    x : array
        Time (one step at least), batch and channels.
    h0 : array
        Batch and hidden units.
    w, r, b : array
        Weights, recurrent weights and bias of the gates reset, update and candidate; the bias of
        the recurrent product may stand behind the other one.
    padding : array of bool, optional
        True where a step is skipped: time, batch and one.

    Returns
    -------
    y, h : array
        Hidden states of all steps, and the last one.
    gates : array
        Of all steps, what the hidden state gives to the candidate, and the activated gates reset,
        update and candidate: time, hidden units, batch. Where a step is skipped, the update gate
        is 1.
    """
    steps, batch, channels = x.shape
    n = h0.shape[1]
    dtype = np.result_type(x, h0, w, r, b)
    second = b[3 * n :, None] if len(b) > 3 * n else np.zeros((3 * n, 1), dtype)
    matrix = np.concatenate([r, w, b[: 3 * n, None] + second], axis=1, dtype=dtype)
    matrix = reordered(matrix, _INSIDE)
    # The input enters the candidate behind the reset gate.
    of_input = np.concatenate([w[2 * n :], b[2 * n : 3 * n, None]], axis=1, dtype=dtype)
    matrix[:n, n:] = 0
    matrix[:n, n + channels :] = second[2 * n :]
    # sigmoid(z) = 1 / (1 + exp(-z)): the sign goes into the weights, once.
    np.negative(matrix[n:], out=matrix[n:])
    feed, changed = Feed(x, h0, dtype), kept(padding)
    y, gates = np.empty((steps, batch, n), dtype), np.empty((steps, 4 * n, batch), dtype)
    scratch = np.empty((n, batch), dtype)
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
            if changed is not None:
                np.copyto(update, 1, where=padding[t].T)
            np.subtract(feed.hidden, candidate, out=scratch)
            np.multiply(scratch, update, out=scratch)
            where_changed = True if changed is None else changed[t]
            np.add(candidate, scratch, out=feed.hidden, where=where_changed)
            y[t] = feed.hidden.T
    return y, np.ascontiguousarray(feed.hidden.T), gates
