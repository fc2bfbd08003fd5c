"""The sum over all alignments of a label sequence with time, as one operation on a chain of states.

An alignment is a path through the states start, blank, first label, blank, second label, ..., blank
(the start is state 0). A step stays, goes to the next state, or skips the blank between two
different labels. The weight of a path is the product of the emissions of its states, so the sum is
linear in the emissions of each step: its derivatives of any order are exact, at emissions of zero
too. It is the end of a linear recurrence over the states, whose adjoint is another one, with time
and states turned round; so one operation serves derivatives of every order.

The raw sum would underflow. Each partial sum is therefore kept relative to the logarithm of the
partial sum that ends in its state, computed once in the log domain (`scales`) and constant to all
derivatives. The result does not depend on the scales, so nothing is lost by that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dlgradient.ops.index import getitem
from dlgradient.ops.join import concat, stack
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.samples import case
from dlgradient.ops.shape import flip
from dlgradient.rules import general

__all__ = ["chain_sum", "scales"]

Array = np.ndarray[Any, Any]
# From how many places before a state may be reached, itself included.
WAYS = 3
# Logarithm of what cannot be. It is finite: differences of infinities would be NaN.
IMPOSSIBLE = np.float32(-1e30)


def _padded(shape: tuple[int, int, int], dtype: Any, fill: Any) -> tuple[Array, Array, Array]:
    """States (T, B, S) in a buffer that has places in front, where nothing is.

    Returns the buffer, the states, and a view (T, 3, B, S) of the states moved up by 0, 1, 2.
    """
    time, batch, states = shape
    front = WAYS - 1
    buffer = np.full((time, batch, states + front), fill, dtype)
    inner = buffer[:, :, front:]
    t, b, s = inner.strides
    return buffer, inner, as_strided(inner, (time, WAYS, batch, states), (t, -s, b, s))


def scales(
    logs: Array, may_skip: Array, running: Array, final: Array, dtype: Any
) -> tuple[Array, Array, Array]:
    """Weights of the steps, relative to the partial sums of the log domain.

    Parameters
    ----------
    logs : ndarray of float64, (T, B, S)
        Logarithms of the emissions; finite.
    may_skip : ndarray of bool, (B, S)
        Whether a state is reached from two places before it.
    running : ndarray of bool, (T, B)
        Steps that count; the others leave everything as it is.
    final : ndarray of bool, (B, S)
        States in which a path may end.
    dtype : dtype
        Of the results.

    Returns
    -------
    steps : ndarray, (T, 3, B, S)
        Weights with which a state is reached from itself, the one before, and the one before that.
    ends : ndarray, (B, S)
        Weights of the last states.
    total : ndarray, (B,)
        Logarithm of the sum over all paths; -inf where there is none.
    """
    time, batch, states = logs.shape
    shape = (batch, states)
    # Any scale will do, so single precision does: the weights are what makes it cancel, and they
    # are made of the scales as they are.
    _, sums, ways = _padded((time + 1, batch, states), np.float32, IMPOSSIBLE)
    sums[0, :, 0] = 0
    barred = np.zeros((WAYS, *shape), np.float32)
    barred[0, :, 0] = IMPOSSIBLE  # nothing stays at the start
    barred[2, ~may_skip] = IMPOSSIBLE
    each = np.empty((WAYS, *shape), np.float32)
    top, total_of = np.empty(shape, np.float32), np.empty(shape, np.float32)
    waiting = None if running.all() else ~running[:, :, None]
    for t, emitted in enumerate(logs.astype(np.float32)):
        np.add(ways[t], barred, out=each)
        np.maximum.reduce(each, axis=0, out=top)
        np.subtract(each, top, out=each)
        np.exp(each, out=each)
        np.add.reduce(each, axis=0, out=total_of)
        np.log(total_of, out=total_of)
        np.add(top, total_of, out=top)
        np.add(top, emitted, out=sums[t + 1])
        if waiting is not None:
            np.copyto(sums[t + 1], sums[t], where=waiting[t])
    steps = _weights(ways[:-1], barred, sums[1:] - logs, dtype)
    if waiting is not None:
        np.copyto(steps, np.array([1, 0, 0], dtype)[:, None, None], where=waiting[:, None])
    last = np.where(final, sums[-1], IMPOSSIBLE).astype(np.float64)
    highest = last.max(axis=1, keepdims=True, initial=IMPOSSIBLE)
    ends = np.exp(last - highest)
    found = np.maximum(ends.sum(axis=1, keepdims=True), 1)
    total = (highest + np.log(found))[:, 0]
    total[total < IMPOSSIBLE / 2] = -np.inf
    return steps, (ends / found).astype(dtype), total


def _weights(ways: Array, barred: Array, reached: Array, dtype: Any) -> Array:
    """Parts that the ways to a state have in its sum; whole planes of all times at once."""
    steps = np.empty(ways.shape, dtype)
    with np.errstate(over="ignore"):  # where a sequence waits; these are replaced
        for k in range(WAYS):
            np.subtract(ways[:, k] + barred[k], reached, out=steps[:, k], casting="same_kind")
        np.exp(steps, out=steps)
    return steps


# -- the recurrence ------------------------------------------------------------------------------


def _moved(a: Any, by: int) -> Any:
    """States moved up by a number of places, along the last dimension."""
    if not by:
        return a
    zero = np.zeros((*a.shape[:-1], min(by, a.shape[-1])), a.dtype)
    return concat([zero, getitem(a, (..., slice(None, -by)))], axis=-1)


def _turned(a: Any) -> Any:
    return flip(a, axis=(0, a.ndim - 1))


def _recurrence_adjoint(g: Any, w: Any, out: Any) -> tuple[Any, Any]:
    # What follows a state: the same recurrence with time and states turned round.
    back = _turned(w)
    back = stack([_moved(getitem(back, (slice(None), k)), k) for k in range(WAYS)], axis=1)
    after = _turned(recurrence(_turned(g), back))
    before, after_step = getitem(out, slice(None, -1)), getitem(after, slice(1, None))
    return after, stack([after_step * _moved(before, k) for k in range(WAYS)], axis=1)


@general(
    vjp=_recurrence_adjoint,
    labels="new",
    shown="ctc",
    samples=lambda m: [
        case(m.real(3, 2, 4), m.real(2, 3, 2, 4)),
        case(m.real(1, 2, 4), m.real(0, 3, 2, 4)),
        case(m.real(3, 1, 2), m.real(2, 3, 1, 2)),
        case(m.real(2, 1, 1), m.real(1, 3, 1, 1)),
        case(m.real(2, 0, 4), m.real(1, 3, 0, 4)),
    ],
)
def recurrence(u: Any, w: Any, /) -> Any:
    """States aₜ(s) = uₜ(s) + Σₖ wₜ₋₁,ₖ(s) aₜ₋₁(s - k) for k = 0, 1, 2.

    Parameters
    ----------
    u : array (T + 1, B, S)
        What is added at each time; the first are the states at the start.
    w : array (T, 3, B, S)
        Weights of the ways into each state.
    """
    dtype = np.result_type(u, w)
    _, a, ways = _padded(u.shape, dtype, 0)
    a[...] = u
    products, total = np.empty(w.shape[1:], dtype), np.empty(u.shape[1:], dtype)
    for t in range(len(w)):
        np.multiply(ways[t], w[t], out=products)
        np.add.reduce(products, axis=0, out=total)
        a[t + 1] += total
    return a


def chain_sum(e: Any, steps: Array, ends: Array) -> Any:
    """Sum over all paths through a chain of states of the product of weights and emissions.

    Parameters
    ----------
    e : array (T, B, S)
        Emissions.
    steps, ends
        As of `scales`.
    """
    start = np.zeros((len(e) + 1, *ends.shape), ends.dtype)
    start[0, :, 0] = 1
    a = recurrence(start, steps * getitem(e, (slice(None), None)))
    return sum_(getitem(a, -1) * ends, axis=1)
