"""The usual LSTM over a whole sequence as one operation.

One product serves the inputs of all steps, forward and backward; each step adds one small product
and a few calls on buffers that exist. What is kept are the activated gates and the states. Its
backward pass is written twice: on buffers for first derivatives, and in operations, from the
operands alone, for all higher ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.nn.cells import lstm_step
from dlgradient.nn.smooth import sigmoid
from dlgradient.nn.standard import is_traced
from dlgradient.ops.choice import where
from dlgradient.ops.join import concat, stack
from dlgradient.ops.linalg import tensordot
from dlgradient.ops.reduce import sum
from dlgradient.ops.samples import case
from dlgradient.ops.trigonometry import tanh
from dlgradient.rules import general

__all__: list[str] = []


def _vjp(
    g: Any, x: Any, h0: Any, c0: Any, w: Any, r: Any, b: Any, out: Any, padding: Any
) -> tuple[Any, ...]:
    if not x.shape[0]:
        return (None,) * 6
    if is_traced([*g, x, h0, c0, w, r, b]):
        return _traced_vjp(g, x, h0, c0, w, r, b, padding)
    return _raw_vjp(g, x, h0, c0, w, r, out, padding)


# -- backward on buffers -------------------------------------------------------------------------


def _shifted(first: Any, states: Any) -> Any:
    """States before each step."""
    before = np.empty_like(states)
    before[0] = first
    before[1:] = states[:-1]
    return before


def _slopes(gates: Any, n: int) -> Any:
    """Derivatives of the gates with respect to what went into them, from their values."""
    slopes = gates * gates
    np.subtract(gates[..., : 2 * n], slopes[..., : 2 * n], out=slopes[..., : 2 * n])
    np.subtract(1, slopes[..., 2 * n : 3 * n], out=slopes[..., 2 * n : 3 * n])
    np.subtract(gates[..., 3 * n :], slopes[..., 3 * n :], out=slopes[..., 3 * n :])
    return slopes


def _raw_vjp(
    g: Any, x: Any, h0: Any, c0: Any, w: Any, r: Any, out: Any, padding: Any
) -> tuple[Any, ...]:
    h, c, gates = out
    steps, batch, n = h.shape
    # All that does not depend on the cotangents is computed for the whole sequence at once.
    dz = _slopes(gates, n)
    direct = None if g[2] is None else dz * g[2]
    squashed = np.tanh(c)
    dz[..., :n] *= gates[..., 2 * n : 3 * n]
    dz[..., n : 2 * n] *= _shifted(c0, c)
    dz[..., 2 * n : 3 * n] *= gates[..., :n]
    dz[..., 3 * n :] *= squashed
    squashed *= squashed
    through = np.subtract(1, squashed, out=squashed)
    through *= gates[..., 3 * n :]
    dh, dc = np.zeros((batch, n), h.dtype), np.zeros((batch, n), h.dtype)
    scratch = np.empty((batch, n), h.dtype)
    for t in range(steps - 1, -1, -1):
        if g[0] is not None:
            dh += g[0][t]
        if g[1] is not None:
            dc += g[1][t]
        passed = None
        if padding is not None:
            # Where the step was skipped, both go by it.
            passed = np.where(padding[t], dh, 0), np.where(padding[t], dc, 0)
            dh -= passed[0]
            dc -= passed[1]
        np.multiply(through[t], dh, out=scratch)
        dc += scratch
        step = dz[t]
        step[:, : 3 * n].reshape(batch, 3, n)[...] *= dc[:, None, :]
        step[:, 3 * n :] *= dh
        if direct is not None:
            step += direct[t]
        dc *= gates[t, :, n : 2 * n]
        np.matmul(step, r, out=dh)
        if passed is not None:
            dh += passed[0]
            dc += passed[1]
    flat = dz.reshape(steps * batch, 4 * n)
    return (
        (flat @ w).reshape(x.shape),
        dh,
        dc,
        flat.T @ x.reshape(steps * batch, x.shape[-1]),
        flat.T @ _shifted(h0, h).reshape(steps * batch, n),
        np.add.reduce(flat, axis=0),
    )


# -- backward in operations ----------------------------------------------------------------------


def _traced_vjp(
    g: Any, x: Any, h: Any, c: Any, w: Any, r: Any, b: Any, padding: Any
) -> tuple[Any, ...]:
    z = x @ w.mT + b
    hidden, kept = [], []
    for t in range(x.shape[0]):
        hidden.append(h)
        new_h, new_c, gates = lstm_step(z[t] + h @ r.mT, c, tanh, sigmoid)
        kept.append((gates, c, tanh(new_c)))
        if padding is None:
            h, c = new_h, new_c
        else:
            h, c = where(padding[t], h, new_h), where(padding[t], c, new_c)
    dh, dc = 0 * h, 0 * c
    into_gates = []
    for t in range(x.shape[0] - 1, -1, -1):
        dh = dh if g[0] is None else dh + g[0][t]
        dc = dc if g[1] is None else dc + g[1][t]
        here_h, here_c = dh, dc
        if padding is not None:
            here_h, here_c = where(padding[t], 0, dh), where(padding[t], 0, dc)
        dz, new_dc = _step_back(here_h, here_c, *kept[t], None if g[2] is None else g[2][t])
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


def _step_back(dh: Any, dc: Any, gates: Any, c: Any, squashed: Any, direct: Any) -> tuple[Any, Any]:
    """Cotangents of what goes into the gates, and of the cell state before."""
    i, f, candidate, o = gates
    dc = dc + dh * o * (1 - squashed * squashed)
    of_gates = concat([dc * candidate, dc * c, dc * i, dh * squashed], axis=1)
    if direct is not None:
        of_gates = of_gates + direct
    slopes = concat([i * (1 - i), f * (1 - f), 1 - candidate * candidate, o * (1 - o)], axis=1)
    return of_gates * slopes, dc * f


# -- forward -------------------------------------------------------------------------------------


def _to_sigmoid(negated: Any) -> None:
    """Make the sigmoid of z from -z, in place."""
    np.exp(negated, out=negated)
    negated += 1
    np.reciprocal(negated, out=negated)


def _samples(m: Any) -> list[Any]:
    def operands(steps: int, batch: int) -> list[Any]:
        shapes = ((steps, batch, 3), (batch, 2), (batch, 2), (8, 3), (8, 2), (8,))
        return [m.real(*shape) for shape in shapes]

    padding = np.array([[[False], [True]], [[False], [False]], [[True], [False]]])
    return [
        case(*operands(3, 2)),
        case(*operands(3, 2), padding=padding),
        case(*operands(1, 1)),
        case(*operands(2, 0)),
    ]


@general(vjp=_vjp, outputs=3, labels="new", samples=_samples, shown="lstm")
def lstm_sequence(
    x: Any, h0: Any, c0: Any, w: Any, r: Any, b: Any, /, *, padding: Any = None
) -> Any:
    """LSTM with tanh and sigmoid over time, batch and channels.

    Parameters
    ----------
    x : array
        Time, batch and channels.
    h0, c0 : array
        Batch and hidden units.
    w, r, b : array
        Weights, recurrent weights and bias of the gates input, forget, candidate and output.
    padding : array of bool, optional
        True where a step is skipped: time, batch and one.

    Returns
    -------
    h, c, gates : array
        Hidden states, cell states, and the activated gates, of all steps.
    """
    steps, batch, channels = x.shape
    n = h0.shape[-1]
    dtype = np.result_type(x, h0, c0, w, r, b)
    # sigmoid(z) = 1 / (1 + exp(-z)): the sign goes into the weights, once.
    signs = np.full((4 * n, 1), -1, dtype)
    signs[2 * n : 3 * n] = 1
    gates = x.reshape(steps * batch, channels) @ (w * signs).T
    gates = np.asarray(gates, dtype).reshape(steps, batch, 4 * n)
    gates += b * signs[:, 0]
    recurrent = np.ascontiguousarray((r * signs).T, dtype)
    h, c = np.empty((steps, batch, n), dtype), np.empty((steps, batch, n), dtype)
    product, scratch = np.empty((batch, 4 * n), dtype), np.empty((batch, n), dtype)
    before_h, before_c = np.asarray(h0, dtype), c0
    with np.errstate(over="ignore"):
        for t in range(steps):
            step = gates[t]
            np.matmul(before_h, recurrent, out=product)
            step += product
            _to_sigmoid(step[:, : 2 * n])
            _to_sigmoid(step[:, 3 * n :])
            candidate = step[:, 2 * n : 3 * n]
            np.tanh(candidate, out=candidate)
            np.multiply(step[:, n : 2 * n], before_c, out=c[t])
            np.multiply(step[:, :n], candidate, out=scratch)
            c[t] += scratch
            np.tanh(c[t], out=h[t])
            h[t] *= step[:, 3 * n :]
            if padding is not None:
                np.copyto(h[t], before_h, where=padding[t])
                np.copyto(c[t], before_c, where=padding[t])
            before_h, before_c = h[t], c[t]
    return h, c, gates
