"""What the recurrent layers share on buffers: layout, products, gradients of the weights.

Within a step, channels are rows and the sequences of a batch are columns, so each gate is one
contiguous block. A step is one product: the parameters in one matrix, [R W b], times a buffer of
the hidden state, the input and ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dlgradient.core.sizes import RECURRENT_GATE_BYTES
from dlgradient.core.types import Array, Dtype, Value
from dlgradient.nn.shared.blocks import items_within

__all__ = ["Feed", "changed_steps", "chunks", "fed", "reordered", "to_sigmoid", "weight_cotangents"]


def reordered(rows: Array, order: Sequence[int]) -> Array:
    """Gates, which follow each other along the first axis, in another order."""
    n = rows.shape[0] // len(order)
    return np.concatenate([rows[k * n : (k + 1) * n] for k in order])


class Feed:
    """The operand of a step: hidden state, input and ones, one below the other.

    Parameters
    ----------
    x : array
        Time, batch and channels.
    h : array
        Initial hidden state, batch and units.
    dtype : dtype
        Of the buffer.

    Attributes
    ----------
    all, hidden, inputs : array
        The buffer, with a column for each sequence; the state; the input and the ones.
    """

    def __init__(self, x: Value, h: Value, dtype: Dtype) -> None:
        batch, n = h.shape
        self._x = x.transpose(0, 2, 1)
        # The last row stays one and meets the bias, so that a step is a single product.
        self.all: Array = np.ones((n + x.shape[2] + 1, batch), dtype)
        self.hidden, self.inputs = self.all[:n], self.all[n:]
        self.hidden[...] = h.T

    def load(self, t: int) -> None:
        """Take the input of a step."""
        self.inputs[:-1] = self._x[t]


def to_sigmoid(negated: Array) -> None:
    """Make the sigmoid of z from -z, in place."""
    np.exp(negated, out=negated)
    np.add(negated, 1, out=negated)
    np.reciprocal(negated, out=negated)


def changed_steps(padding: Array | None) -> Array | None:
    """Return for each step which sequences it changes (time, one, batch); None for all."""
    return None if padding is None else ~np.swapaxes(padding, 1, 2)


def chunks(gates: Array) -> Iterator[slice]:
    """Yield a few steps at a time, the last ones first."""
    steps = gates.shape[0]
    size = items_within(RECURRENT_GATE_BYTES, gates[0].nbytes)
    for stop in range(steps, 0, -size):
        yield slice(max(0, stop - size), stop)


def fed(x: Array, h0: Array, y: Array) -> Array:
    """Return what was fed to the steps, as rows: the state before a step, its input, and one.

    Parameters
    ----------
    x, h0, y : array
        Input, initial state and states of all steps, in the layout of the layer.

    Returns
    -------
    array
        Shape (time times batch, units + channels + 1).
    """
    steps, batch, channels = x.shape
    n = h0.shape[1]
    rows = np.ones((steps, batch, n + channels + 1), y.dtype)
    rows[0, :, :n] = h0
    rows[1:, :, :n] = y[:-1]
    rows[:, :, n:-1] = x
    return rows.reshape(steps * batch, -1)


def weight_cotangents(
    of_inputs: Array, of_states: Array, x: Array, h0: Array, y: Array
) -> tuple[Array, Array]:
    """Return the cotangents of the weights and of the recurrent weights.

    Parameters
    ----------
    of_inputs, of_states : array
        Cotangents of Wx and of Rh: gates, time and batch.
    x, h0, y : array
        Input, initial state and states of all steps, in the layout of the layer.
    """
    steps, batch, channels = x.shape
    into = of_inputs.reshape(len(of_inputs), steps * batch)
    back = of_states.reshape(len(of_states), steps * batch)
    # One product for all steps. The state before the first step is no row of y.
    dr = back[:, :batch] @ h0
    if steps > 1:
        dr += back[:, batch:] @ y[:-1].reshape((steps - 1) * batch, h0.shape[1])
    return into @ x.reshape(steps * batch, channels), dr
