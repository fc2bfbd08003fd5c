"""The usual LSTM over a whole sequence, as one operation.

Each step, forward and backward, needs one product and a few calls on existing buffers; the
benchmark row lstm needs this. The activated gates and the states are saved. The rule is written in
operations, from the operands alone. Raw walks compute the same derivative on buffers. What is
elementwise in a step is compiled if that pays.
"""

from __future__ import annotations

from collections.abc import Sequence

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
from dlgradient.nn.recurrent.cells import lstm_step
from dlgradient.nn.recurrent.compiled import compiled_lstm, compiled_lstm_back
from dlgradient.ops.choice import where
from dlgradient.ops.join import concat, stack
from dlgradient.ops.linalg import tensordot
from dlgradient.ops.reduce import sum
from dlgradient.ops.trigonometry import tanh
from dlgradient.rules import general

__all__: list[str] = []

# Parameters have the gates input, forget, candidate, output. Buffers have the candidate first: so
# the three sigmoids are one block, and so are the three gates of the cell state.
_INSIDE, _OUTSIDE = (2, 0, 1, 3), (1, 2, 0, 3)

# -- the rule, in operations ---------------------------------------------------------------------


def _vjp(
    g: Sequence[Value | None],
    x: Value,
    h0: Value,
    c0: Value,
    w: Value,
    r: Value,
    b: Value,
    padding: Array | None,
) -> tuple[Value, ...]:
    of_y, of_h, of_c, of_cells, of_activated = g
    z = x @ w.mT + b
    h, c = h0, c0
    hidden, of_steps, after = [], [], []
    for t in range(x.shape[0]):
        hidden.append(h)
        new_h, new_c, gates = lstm_step(z[t] + h @ r.mT, c, tanh, sigmoid)
        of_steps.append((gates, c, tanh(new_c)))
        if padding is None:
            h, c = new_h, new_c
        else:
            h, c = where(padding[t], h, new_h), where(padding[t], c, new_c)
        after.append(c)
    dh = 0 * h if of_h is None else of_h
    dc = 0 * c if of_c is None else of_c
    into_gates = []
    for t in range(x.shape[0] - 1, -1, -1):
        dh = dh if of_y is None else dh + of_y[t]
        dc = dc if of_cells is None else dc + of_cells[t]
        direct = None
        if of_activated is not None:
            direct = of_activated[t]
            dc = dc + direct[4] * (1 - tanh(after[t]) ** 2)
        here_h, here_c = dh, dc
        if padding is not None:
            here_h, here_c = where(padding[t], 0, dh), where(padding[t], 0, dc)
        skipped = None if padding is None else padding[t]
        dz, new_dc = _step_back(here_h, here_c, *of_steps[t], direct, skipped)
        new_dh = dz @ r
        if padding is not None:
            new_dh = new_dh + where(padding[t], dh, 0)
            new_dc = new_dc + where(padding[t], dc, 0)
        dh, dc = new_dh, new_dc
        into_gates.append(dz)
    dz = stack(into_gates[::-1])
    both = ((0, 1), (0, 1))
    return (
        dz @ w,
        dh,
        dc,
        tensordot(dz, x, axes=both),
        tensordot(dz, stack(hidden), axes=both),
        sum(dz, axis=(0, 1)),
    )


def _step_back(
    dh: Value,
    dc: Value,
    gates: tuple[Value, Value, Value, Value],
    c: Value,
    squashed: Value,
    direct: Value | None,
    skipped: Array | None,
) -> tuple[Value, Value]:
    """Return cotangents of the arguments of the gates, and of the previous cell state."""
    i, f, candidate, o = gates
    dc = dc + dh * o * (1 - squashed * squashed)
    of_gates = [dc * candidate, dc * c, dc * i, dh * squashed]
    if direct is not None:
        own = [direct[k] for k in _OUTSIDE]
        if skipped is not None:
            # All gates but the candidate are constant where a step is skipped.
            own = [v if k == 2 else where(skipped, 0, v) for k, v in enumerate(own)]
        of_gates = [v + more for v, more in zip(of_gates, own, strict=True)]
    slopes = [i * (1 - i), f * (1 - f), 1 - candidate * candidate, o * (1 - o)]
    return concat([v * s for v, s in zip(of_gates, slopes, strict=True)], axis=1), dc * f


# -- the same on buffers -------------------------------------------------------------------------


def _fast_vjp(
    g: Sequence[Array | None],
    x: Array,
    h0: Array,
    c0: Array,
    w: Array,
    r: Array,
    out: Sequence[Array],
    x_wanted: bool,
    padding: Array | None,
) -> tuple[Array | None, ...]:
    dz, dh, dc = _pull_gates(g, c0, r, out, padding)
    flat = dz.reshape(x.shape[0] * x.shape[1], dz.shape[2])
    n, rows = h0.shape[1], reordered(flat.T @ fed(x, h0, out[0]), _OUTSIDE)
    dr, dw, db = rows[:, :n], rows[:, n:-1], rows[:, -1]
    dx = None
    # For data it is not asked for, and costs as much as the cotangent of the weights.
    if x_wanted:
        dx = (flat @ reordered(w, _INSIDE)).reshape(x.shape)
    return dx, dh, dc, dw, dr, db


def _pull_gates(
    g: Sequence[Array | None],
    c0: Array,
    r: Array,
    out: Sequence[Array],
    padding: Array | None,
) -> tuple[Array, Array, Array]:
    """Return cotangents of the arguments of the gates (time, batch, gates), and of the states."""
    of_y, of_h, of_c, of_cells, of_activated = g
    _, _, _, cells, gates = out
    steps, batch, n = cells.shape
    dz = np.empty((steps, batch, 4 * n), gates.dtype)
    recurrent = reordered(r, _INSIDE).astype(gates.dtype, copy=False)
    before = np.ascontiguousarray(c0, gates.dtype)
    dh, dc = (np.zeros((batch, n), gates.dtype) for _ in range(2))
    if of_h is not None:
        dh += of_h
    if of_c is not None:
        dc += of_c
    given = before, cells, gates, dz, dh, dc
    pull = compiled_lstm_back(*given) if of_activated is None else None
    if pull is None:
        pull = _Pull(*given, of_activated)
    for t in range(steps - 1, -1, -1):
        passed = None
        if of_y is not None:
            dh += of_y[t]
        if of_cells is not None:
            dc += of_cells[t]
        if of_activated is not None:
            dc += of_activated[t, 4] * (1 - gates[t, 4] ** 2)
        if padding is not None:
            # The cotangent of the hidden state passes a skipped step; the gates do so for the
            # cell state.
            passed = np.where(padding[t], dh, 0)
            dh -= passed
        pull(t)
        np.matmul(dz[t], recurrent, out=dh)
        if passed is not None:
            dh += passed
    return dz, dh, dc


class _Pull:
    """A step back: from the cotangents of its states to those of the arguments of its gates.

    It is called with the step, the last one first. It makes of the cotangent of the cell state that
    before the step, in place.
    """

    def __init__(
        self,
        c0: Array,
        cells: Array,
        gates: Array,
        dz: Array,
        dh: Array,
        dc: Array,
        direct: Array | None,
    ) -> None:
        self._factors = Factors(gates, lambda t: _factors(t, c0, cells, gates, direct))
        self._gates, self._dh, self._dc = gates, dh, dc
        self._dz = dz.reshape(*cells.shape[:2], 4, cells.shape[2]).swapaxes(1, 2)
        self._scratch = np.empty_like(cells[0])

    def __call__(self, t: int) -> None:
        factors, through, direct = self._factors.of(t)
        dz, dh, dc = self._dz[t], self._dh, self._dc
        np.multiply(through, dh, out=self._scratch)
        np.add(dc, self._scratch, out=dc)
        np.multiply(factors[:3], dc, out=dz[:3])
        np.multiply(factors[3], dh, out=dz[3])
        if direct is not None:
            dz += direct
        np.multiply(dc, self._gates[t, 2], out=dc)


def _factors(
    chunk: slice, c0: Array, cells: Array, gates: Array, direct: Array | None
) -> tuple[Array, Array, Array | None]:
    """Factors of the cotangents, for the steps of a chunk.

    Returns
    -------
    factors : array
        From the cell state to the first three gates, and from the hidden state to the last one.
    through : array
        From the hidden state to the cell state.
    direct : array or None
        What is added for cotangents of the gates themselves.
    """
    a, squashed = gates[chunk, :4], gates[chunk, 4]
    factors = a * a
    np.subtract(1, factors[:, 0], out=factors[:, 0])
    np.subtract(a[:, 1:], factors[:, 1:], out=factors[:, 1:])
    if direct is not None:
        direct = factors * direct[chunk, :4]
    factors[:, 0] *= a[:, 1]
    factors[:, 1] *= a[:, 0]
    factors[1:, 2] *= cells[chunk][:-1]
    factors[0, 2] *= cells[chunk.start - 1] if chunk.start else c0
    factors[:, 3] *= squashed
    through = squashed * squashed
    np.subtract(1, through, out=through)
    through *= a[:, 3]
    return factors, through, direct


# -- forward -------------------------------------------------------------------------------------


@general(
    vjp=_vjp,
    fast_vjp=_fast_vjp,
    outputs=5,
    format="new",
    domain="real",
    samples=lambda m: _samples(m),
    shown="lstm",
)
def lstm_sequence(
    x: Value,
    h0: Value,
    c0: Value,
    w: Value,
    r: Value,
    b: Value,
    /,
    *,
    padding: Array | None = None,
) -> tuple[Value, ...]:
    """LSTM with tanh and sigmoid over time, batch and channels.

    Parameters
    ----------
    x : array
        Time (one step at least), batch and channels.
    h0, c0 : array
        Batch and hidden units.
    w, r, b : array
        Weights, recurrent weights and bias of the gates input, forget, candidate and output.
    padding : array of bool, optional
        True where a step is skipped: time, batch and one.

    Returns
    -------
    y, h, c : array
        Hidden states of all steps, last hidden and last cell state.
    cells, gates : array
        For all steps, the cell states; and the activated gates candidate, input, forget and output
        and the tanh of the cell state: time, five, batch, hidden units. Where a step is skipped,
        the last three gates are 0, 1 and 1.
    """
    steps, batch, _ = x.shape
    n = h0.shape[1]
    dtype = np.result_type(x, h0, c0, w, r, b)
    matrix = reordered(np.concatenate([r, w, b[:, None]], axis=1, dtype=dtype), _INSIDE)
    # sigmoid(z) = 1 / (1 + exp(-z)): the sign goes into the weights, once.
    np.negative(matrix[n:], out=matrix[n:])
    matrix = np.ascontiguousarray(matrix.T)
    feed, z = Feed(x, h0, dtype), np.empty((batch, 4 * n), dtype)
    arguments = z.reshape(batch, 4, n).swapaxes(0, 1)
    y, cells = (np.empty((steps, batch, n), dtype) for _ in range(2))
    gates = np.empty((steps, 5, batch, n), dtype)
    before = np.ascontiguousarray(c0, dtype)
    activate = compiled_lstm(z, before, cells, gates, y)
    # Far below 0, exp(-z) overflows, and the sigmoid is 0 as it should be.
    with np.errstate(over="ignore"):
        for t in range(steps):
            feed.load(t)
            np.matmul(feed.all, matrix, out=z)
            if padding is not None:
                # Gates of 0, 1 and 1 let the cell state pass a skipped step.
                np.copyto(z[:, n : 2 * n], np.inf, where=padding[t])
                np.copyto(z[:, 2 * n :], -np.inf, where=padding[t])
            if activate is not None:
                activate(t)
            else:
                _activate(arguments, cells[t - 1] if t else before, gates[t], cells[t], y[t])
            if padding is not None:
                np.copyto(y[t], feed.hidden, where=padding[t])
            feed.hidden[...] = y[t]
    return y, y[-1].copy(), cells[-1].copy(), cells, gates


def _activate(arguments: Array, before: Array, gates: Array, cell: Array, hidden: Array) -> None:
    """Make gates of their arguments, and the states after the step."""
    candidate, i, forget, o, squashed = gates
    np.tanh(arguments[0], out=candidate)
    to_sigmoid(arguments[1:], gates[1:4])
    np.multiply(forget, before, out=cell)
    np.multiply(i, candidate, out=squashed)
    np.add(cell, squashed, out=cell)
    np.tanh(cell, out=squashed)
    np.multiply(o, squashed, out=hidden)


def _samples(m: Maker) -> list[Case]:
    def operands(steps: int, batch: int) -> list[Array]:
        shapes = ((steps, batch, 3), (batch, 2), (batch, 2), (8, 3), (8, 2), (8,))
        return [m.real(*shape) for shape in shapes]

    padding = np.array([[[False], [True]], [[False], [False]], [[True], [False]]])
    return [
        case(*operands(3, 2)),
        case(*operands(3, 2), padding=padding),
        case(*operands(1, 1)),
        case(*operands(2, 0)),
    ]
