"""The sum over all alignments of a label sequence with time, as one operation on a chain of states.

An alignment is a path through the states start, blank, first label, blank, second label, ..., blank
(the start is state 0). A step stays, goes to the next state, or skips the blank between two
different labels. The weight of a path is the product of the emissions of its states, so the sum is
linear in the emissions of each step: its derivatives of any order are exact, at emissions of zero
too.

The raw sum would underflow. Each partial sum is therefore kept relative to `scales`, the logarithm
of the partial sum that ends in its state, computed once in the log domain and constant to all
derivatives. The result does not depend on the scales, so nothing is lost by that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.ops.index import getitem
from dlgradient.ops.join import concat, stack
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.samples import case
from dlgradient.rules import general

__all__ = ["scales"]

Array = np.ndarray[Any, Any]


def _shifted(a: Array, by: int, fill: float) -> Array:
    """States moved up by a number of places, along the last dimension."""
    out = np.full(a.shape, fill)
    if by < a.shape[-1]:
        out[..., by:] = a[..., : a.shape[-1] - by]
    return out


def scales(logs: Array, may_skip: Array, running: Array, final: Array) -> tuple[Array, Array, Any]:
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

    Returns
    -------
    steps : ndarray, (T, 3, B, S)
        Weights with which a state is reached from itself, the one before, and the one before that.
    ends : ndarray, (B, S)
        Weights of the last states.
    total : ndarray, (B,)
        Logarithm of the sum over all paths; -inf where there is none.
    """
    t, b, s = logs.shape
    steps = np.zeros((t, 3, b, s))
    m = np.full((b, s), -np.inf)
    m[:, 0] = 0
    stay = np.where(np.arange(s) == 0, -np.inf, 0.0)
    skip = np.where(may_skip, 0.0, -np.inf)
    for i in range(t):
        ways = np.stack([m + stay, _shifted(m, 1, -np.inf), _shifted(m, 2, -np.inf) + skip])
        reach = np.logaddexp.reduce(ways, axis=0)
        on = running[i][:, None]
        base = np.where(np.isneginf(reach), 0.0, reach)
        steps[i] = np.where(on, np.exp(ways - base), 0.0)
        steps[i, 0] += ~on
        m = np.where(on, reach + logs[i], m)
    last = np.where(final, m, -np.inf)
    total = np.logaddexp.reduce(last, axis=1)
    ends = np.exp(last - np.where(np.isneginf(total), 0.0, total)[:, None])
    return steps, ends, total


def _ahead(a: Any, w: Any) -> Any:
    """Partial sums before the emissions of the next step."""
    zero = getitem(a, (slice(None), slice(0, 1))) * 0
    a1 = concat([zero, getitem(a, (slice(None), slice(None, -1)))], axis=1)
    a2 = concat([zero, getitem(a1, (slice(None), slice(None, -1)))], axis=1)
    return a * w[0] + a1 * w[1] + a2 * w[2]


def _back(c: Any, w: Any) -> Any:
    """The transpose of `_ahead`."""
    zero = getitem(c, (slice(None), slice(0, 1))) * 0
    c2 = concat([getitem(c * w[2], (slice(None), slice(1, None))), zero], axis=1)
    c1 = c * w[1] + c2
    return c * w[0] + concat([getitem(c1, (slice(None), slice(1, None))), zero], axis=1)


def _start(e: Any, ends: Array) -> Array:
    a = np.zeros(ends.shape, e.dtype)
    a[:, 0] = 1
    return a


def _pull(g: Any, e: Any, steps: Array, ends: Array) -> Any:
    """What precedes a state times what follows it: neither contains its own emission."""
    steps, ends = steps.astype(e.dtype, copy=False), ends.astype(e.dtype, copy=False)
    a: Any = _start(e, ends)
    before = []
    for i, w in enumerate(steps):
        a = _ahead(a, w)
        before.append(a)
        a = a * getitem(e, i)
    b: Any = ends
    after = []
    for i in range(len(steps) - 1, -1, -1):
        after.append(b)
        b = _back(b * getitem(e, i), steps[i])
    if not before:
        return e * 0
    each = getitem(g, (None, slice(None), None))
    return each * (stack(before, axis=0) * stack(after[::-1], axis=0))


def _two_labels(m: Any, t: int) -> dict[str, Any]:
    """Steps over the states of two labels, for two observations."""
    logs = np.asarray(m.real(t, 2, 6))
    skip = np.array([[False, False, True, False, True, False]] * 2)
    final = np.array([[False] * 4 + [True] * 2, [False, False, True, True, False, False]])
    running = np.ones((t, 2), dtype=bool)
    running[1:2, 1] = False
    steps, ends, _ = scales(logs, skip, running, final)
    return {"steps": steps, "ends": ends}


@general(
    e=_pull,
    labels="new",
    shown="ctc",
    samples=lambda m: [
        case(m.positive(3, 2, 6), **_two_labels(m, 3)),
        case(m.positive(2, 2, 6), **_two_labels(m, 2)),
        case(m.real(3, 0, 4), steps=np.ones((3, 3, 0, 4)), ends=np.ones((0, 4))),
    ],
)
def chain_sum(e: Any, /, *, steps: Any, ends: Any) -> Any:
    """Sum over all paths through a chain of states of the product of weights and emissions."""
    steps, ends = steps.astype(e.dtype, copy=False), ends.astype(e.dtype, copy=False)
    a: Any = _start(e, ends)
    for i, w in enumerate(steps):
        a = _ahead(a, w) * e[i]
    return sum_(a * ends, axis=1)
