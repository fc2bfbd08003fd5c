"""The usual GRU over a whole sequence, as one operation.

The reset gate is applied after the multiplication by the recurrent weights, so that each step needs
one product. As in the LSTM of `fused_lstm`, the gates and the states are saved. The rule is written
in operations, and raw walks compute the same derivative on buffers. What is elementwise in a step
is compiled if that pays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Array, Value
from dlgradient.nn.activations.smooth import sigmoid
from dlgradient.nn.recurrent.buffers import (
    Factors,
    Feed,
    fed,
    reordered,
    to_sigmoid,
)
from dlgradient.nn.recurrent.cells import gru_step
from dlgradient.nn.recurrent.compiled import compiled_gru, compiled_gru_back
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
            own = [of_blocks[t, k] for k in range(4)]
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
    flat = dz.reshape(x.shape[0] * x.shape[1], dz.shape[2])
    rows, n = fed(x, h0, out[0]), h0.shape[1]
    into = flat[:, n:]
    of_inputs = into.T @ rows[:, n:]
    dr = reordered(flat[:, : 3 * n].T @ rows[:, :n], _OUTSIDE)
    dx = None
    # For data it is not asked for, and costs as much as the cotangent of the weights.
    if x_wanted:
        dx = (into @ w).reshape(x.shape)
    dw, db = of_inputs[:, :-1], of_inputs[:, -1]
    if b_like.shape[0] > 3 * n:
        db = np.concatenate([db, db[: 2 * n], np.add.reduce(flat[:, :n], axis=0)])
    return dx, dh, dw, dr, db


def _pull_blocks(
    g: Sequence[Array | None], h0: Array, r: Array, out: Sequence[Array]
) -> tuple[Array, Array]:
    """Return cotangents of the four blocks (time, batch, blocks), and of the initial state."""
    of_y, of_h, of_blocks = g
    y, _, gates = out
    steps, batch, n = y.shape
    dz = np.empty((steps, batch, 4 * n), gates.dtype)
    recurrent = reordered(r, _INSIDE).astype(gates.dtype, copy=False)
    before = np.ascontiguousarray(h0, gates.dtype)
    dh, through = np.zeros((batch, n), gates.dtype), np.empty((batch, n), gates.dtype)
    if of_h is not None:
        dh += of_h
    given = before, y, gates, dz, dh, through
    pull = compiled_gru_back(*given) if of_blocks is None else None
    if pull is None:
        pull = _Pull(*given, of_blocks)
    for t in range(steps - 1, -1, -1):
        # Where a step is skipped, the update gate is 1, and the cotangent passes by.
        if of_y is not None:
            dh += of_y[t]
        pull(t)
        np.matmul(dz[t, :, : 3 * n], recurrent, out=dh)
        np.add(dh, through, out=dh)
    return dz, dh


class _Pull:
    """A step back: from the cotangent of its state to those of its blocks.

    It is called with the step, the last one first. What passes through the update gate is written
    to `through`.
    """

    def __init__(
        self,
        h0: Array,
        y: Array,
        gates: Array,
        dz: Array,
        dh: Array,
        through: Array,
        direct: Array | None,
    ) -> None:
        self._factors = Factors(gates, lambda t: _factors(t, h0, y, gates, direct))
        self._dz = dz.reshape(*y.shape[:2], 4, y.shape[2]).swapaxes(1, 2)
        self._gates, self._dh, self._through = gates, dh, through

    def __call__(self, t: int) -> None:
        factors, direct = self._factors.of(t)
        dz, dh = self._dz[t], self._dh
        np.multiply(factors[2:], dh, out=dz[2:])
        if direct is not None:
            dz[2:] += direct[2:]
        np.multiply(factors[:2], dz[3], out=dz[:2])
        if direct is not None:
            dz[:2] += direct[:2]
        np.multiply(self._gates[t, 2], dh, out=self._through)


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
    s, reset, update, candidate = a.swapaxes(0, 1)
    factors = a * a
    factors[:, 0] = reset
    np.subtract(a[:, 1:3], factors[:, 1:3], out=factors[:, 1:3])
    np.subtract(1, factors[:, 3], out=factors[:, 3])
    if direct is not None:
        direct = direct[chunk] * np.concatenate(
            [np.ones_like(factors[:, :1]), factors[:, 1:]], axis=1
        )
    factors[:, 1] *= s
    difference = np.empty_like(s)
    np.subtract(y[chunk][:-1], candidate[1:], out=difference[1:])
    np.subtract(y[chunk.start - 1] if chunk.start else h0, candidate[0], out=difference[0])
    factors[:, 2] *= difference
    factors[:, 3] *= np.subtract(1, update, out=difference)
    return factors, direct


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
        reset, update and candidate: time, four, batch, hidden units. Where a step is skipped, the
        update gate is 1.
    """
    steps, batch, channels = x.shape
    n = h0.shape[1]
    dtype = np.result_type(x, h0, w, r, b)
    second = b[3 * n :, None] if len(b) > 3 * n else np.zeros((3 * n, 1), dtype)
    matrix = np.concatenate([r, w, b[: 3 * n, None] + second], axis=1, dtype=dtype)
    matrix = reordered(matrix, _INSIDE)
    # The input enters the candidate after the reset gate.
    matrix[:n, n:] = 0
    matrix[:n, n + channels :] = second[2 * n :]
    # sigmoid(z) = 1 / (1 + exp(-z)): the sign goes into the weights, once.
    np.negative(matrix[n:], out=matrix[n:])
    matrix = np.ascontiguousarray(matrix.T)
    inputs = np.empty((steps, batch, n), dtype)
    np.add(np.matmul(x, w[2 * n :].T, out=inputs), b[2 * n : 3 * n], out=inputs)
    feed, z = Feed(x, h0, dtype), np.empty((batch, 3 * n), dtype)
    arguments = z.reshape(batch, 3, n).swapaxes(0, 1)
    y, gates = np.empty((steps, batch, n), dtype), np.empty((steps, 4, batch, n), dtype)
    before = np.ascontiguousarray(h0, dtype)
    activate = compiled_gru(z, inputs, before, gates, y)
    # Far below 0, exp(-z) overflows, and the sigmoid is 0 as it should be.
    with np.errstate(over="ignore"):
        for t in range(steps):
            feed.load(t)
            np.matmul(feed.all, matrix, out=z)
            if padding is not None:
                # An update gate of 1 lets the state pass a skipped step.
                np.copyto(z[:, 2 * n :], -np.inf, where=padding[t])
            if activate is not None:
                activate(t)
            else:
                _activate(arguments, inputs[t], y[t - 1] if t else before, gates[t], y[t])
            if padding is not None:
                # The state itself: g + 1 (h - g) would round it.
                np.copyto(y[t], feed.hidden, where=padding[t])
            feed.hidden[...] = y[t]
    return y, y[-1].copy(), gates


def _activate(arguments: Array, inputs: Array, before: Array, gates: Array, hidden: Array) -> None:
    """Make gates of their arguments, and the state after the step."""
    s, reset, update, candidate = gates
    np.copyto(s, arguments[0])
    to_sigmoid(arguments[1:], gates[1:3])
    np.multiply(reset, s, out=candidate)
    np.add(inputs, candidate, out=candidate)
    np.tanh(candidate, out=candidate)
    np.subtract(before, candidate, out=hidden)
    np.multiply(hidden, update, out=hidden)
    np.add(candidate, hidden, out=hidden)


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
