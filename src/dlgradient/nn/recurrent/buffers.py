"""What the recurrent layers share on buffers: layout, products, gradients of the weights.

The sequences of a batch are rows. A step is one product: a buffer of the hidden state, the input
and ones, times the parameters in one matrix, [R W b] transposed. In its result, and in what goes
back through it, the gates of a sequence follow each other. All else has a contiguous block for each
gate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgradient.core.sizes import RECURRENT_GATE_BYTES
from dlgradient.core.types import Array, Dtype, Value
from dlgradient.nn.shared.blocks import items_within

__all__ = ["Factors", "Feed", "fed", "reordered", "to_sigmoid"]


def reordered(rows: Array, order: Sequence[int]) -> Array:
    """Gates, which follow each other along the first axis, in another order."""
    n = rows.shape[0] // len(order)
    return np.concatenate([rows[k * n : (k + 1) * n] for k in order])


class Feed:
    """The operand of a step: hidden state, input and ones, one after the other.

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
    all, hidden : array
        The buffer, with a row for each sequence; the state in it.
    """

    def __init__(self, x: Value, h: Value, dtype: Dtype) -> None:
        batch, n = h.shape
        self._x = x
        # The last column stays one and meets the bias, so that a step is a single product.
        self.all: Array = np.ones((batch, n + x.shape[2] + 1), dtype)
        self.hidden, self._inputs = self.all[:, :n], self.all[:, n:-1]
        self.hidden[...] = h

    def load(self, t: int) -> None:
        """Take the input of a step."""
        self._inputs[...] = self._x[t]


def to_sigmoid(negated: Array, out: Array) -> None:
    """Write the sigmoid of z, from -z."""
    np.exp(negated, out=out)
    np.add(out, 1, out=out)
    np.reciprocal(out, out=out)


class Factors:
    """What a step back needs and that no cotangent changes, made for several steps at once.

    Parameters
    ----------
    gates : array
        Of all steps.
    make : callable
        ``make(steps)`` returns arrays for a slice of steps.
    """

    def __init__(self, gates: Array, make: Callable[[slice], tuple[Array | None, ...]]) -> None:
        self._make, self._start = make, len(gates)
        self._size = items_within(RECURRENT_GATE_BYTES, gates[0].nbytes)

    def of(self, t: int) -> list[Any]:
        """Return the members of a step; the steps are asked for one by one, the last one first."""
        if t < self._start:
            stop, self._start = self._start, max(0, self._start - self._size)
            self._made = self._make(slice(self._start, stop))
        return [None if array is None else array[t - self._start] for array in self._made]


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
    return rows.reshape(steps * batch, n + channels + 1)
