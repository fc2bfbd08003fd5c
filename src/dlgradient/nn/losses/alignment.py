"""The sum over all alignments of labels with time steps, as one operation on a chain of states.

An alignment is a path through the states blank, first label, blank, second label, ..., blank, which
begins at one of the first two. A step stays, goes to the next state, or skips the blank between two
different labels. The weight of a path is the product of the emissions of its states. So the sum is
linear in the emissions of each step, and its derivatives of any order are exact, also at emissions
of zero. The sum is the end of a linear recurrence over the states. Its adjoint is the same
recurrence, reversed, so one operation serves derivatives of every order.

The raw sum would leave the range of floating-point numbers. So each partial sum is relative to a
scale of its state. The scale is a constant for derivatives, and the result does not depend on it.
It stays as it is while the emissions allow it; before they do not, the partial sums become its new
value (`rescaled`). Emissions of usual networks need this every hundred steps or so, extreme ones at
every step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Array, Value
from dlgradient.ops.complex import conjugated
from dlgradient.ops.index import getitem
from dlgradient.rules import general

__all__ = ["RANGE", "rescaled"]

# Moves of a step: stay, go to the next state, skip one.
MOVES = 3
# Largest logarithm of a sum, of either sign: double precision ends at 708.
RANGE = 600.0

# -- the recurrence ------------------------------------------------------------------------------


def _outgoing(weights: Array) -> Array:
    """Return weights by the state that a step leaves, from weights by the state that it enters."""
    out = np.zeros_like(weights)
    plain = weights.ndim == 2
    for k in [MOVES - 1] if plain else range(MOVES):
        entered, left = (weights, out) if plain else (weights[k], out[k])
        left[: max(len(left) - k, 0)] = entered[k:]
    return out


def _chain_adjoint(
    g: Value, e: Value, out: Value, steps: Sequence[Array], turned: bool
) -> tuple[Value, Value]:
    back, later = chain(g, conjugated(e), steps=steps, turned=not turned), slice(1, None)
    return back, getitem(conjugated(out), later) * getitem(back, later)


@general(vjp=_chain_adjoint, format="new", shown="ctc", samples=lambda m: _samples(m))
def chain(g: Value, e: Value, /, *, steps: Sequence[Array], turned: bool = False) -> Value:
    """Return the sums over time, zₜ₊₁ = Pₜ (gₜ + eₜ₋₁ zₜ) with z₀ = 0, for steps Pₜ of the states.

    If `turned`, they run from the last time to the first: zₜ = Pₜᵀ (gₜ₊₁ + eₜ zₜ₊₁), where the last
    z is zero.

    Parameters
    ----------
    g : array (T + 1, S, B)
        What is added before each step: S states of B observations. The last one is not used.
    e : array (T, S, B)
        What each state emits after each step.
    steps : sequence of ndarray, (3, S, B) or (S, B)
        Weights with which a state is reached, for each time: from itself, the state before, and the
        state before that. Or only the last of these, if the others are one.
    turned : bool
        Whether time and steps are reversed.

    Returns
    -------
    array (T + 1, S, B)
        The sums.
    """
    z = _sums(g, e, steps, turned, bounded=False)
    overflow = not np.isfinite(np.add.reduce(z, axis=None))
    if overflow and np.isfinite(e).all() and not np.isnan(g).any():
        # Sums of states that are not reached may grow without bound. They do not count, and must
        # not become infinity times zero.
        z = _sums(g, e, steps, turned, bounded=True)
    return z


def _samples(m: Maker) -> list[Case]:
    cases: list[Case] = []
    for time, states, batch in [(3, 4, 2), (2, 2, 1), (1, 3, 2), (2, 1, 1), (2, 3, 0)]:
        g, e = m.real(time + 1, states, batch), m.real(time, states, batch)
        steps = [np.asarray(m.positive(*[MOVES][: t % 2], states, batch)) for t in range(time)]
        cases += [case(g, e, steps=steps, turned=turned) for turned in (False, True)]
    return [*cases, case(m.complex(4, 2, 1), m.complex(3, 2, 1), steps=[m.positive(2, 1)] * 3)]


def _sums(g: Value, e: Value, steps: Sequence[Array], turned: bool, *, bounded: bool) -> Array:
    _, states, batch = g.shape
    dtype = np.result_type(g, e)
    z = np.empty(g.shape, dtype)
    added, sums, emitted = list(g), list(z), list(e)
    # Nothing has been emitted before the first step, so any emission will do.
    emitted = emitted if turned else emitted[:1] + emitted
    if turned:
        added, sums, emitted = added[::-1], sums[::-1], emitted[::-1]
        distinct = {id(step): step for step in steps}
        outgoing = {key: _outgoing(step) for key, step in distinct.items()}
        steps = [outgoing[id(step)] for step in reversed(steps)]
    # States next to two zeros: a move to a state is a shifted view.
    padded = np.zeros((states + MOVES - 1, batch), dtype)
    source = padded[:states] if turned else padded[MOVES - 1 :]
    s, b = padded.strides
    views = as_strided(source, (MOVES, states, batch), (s if turned else -s, s, b))
    _, following, skipping = views
    products, product = np.empty(views.shape, dtype), np.empty(source.shape, dtype)
    sums[0][...] = 0
    for t, step in enumerate(steps):
        source[...] = emitted[t]
        np.multiply(source, sums[t], out=source)
        np.add(source, added[t], out=source)
        if bounded:
            _bound(source)
        if step.ndim == 2:
            np.multiply(skipping, step, out=product)
            np.add(product, following, out=product)
            np.add(product, source, out=sums[t + 1])
        else:
            np.multiply(views, step, out=products)
            np.add.reduce(products, axis=0, out=sums[t + 1])
        if bounded:
            _bound(sums[t + 1])
    return z


def _bound(x: Array) -> None:
    large = 1e-8 * np.finfo(x.dtype).max
    np.nan_to_num(x, copy=False, nan=0, posinf=large, neginf=-large)


# -- scales --------------------------------------------------------------------------------------


def _sources(logs: Array) -> Array:
    """Return logarithms of the states that each move comes from, (3, S, B)."""
    padded = np.pad(logs, ((MOVES - 1, 0), (0, 0)), constant_values=-np.inf)
    return np.stack([padded[MOVES - 1 - k : len(padded) - k] for k in range(MOVES)])


def rescaled(e: Array, skips: Array, spread: Array, tilt: Array) -> tuple[list[Array], list[Array]]:
    """Return weights of the steps from the first state on, and scales of the states after them.

    Parameters
    ----------
    e : ndarray, (T, S, B)
        Emissions.
    skips : ndarray of bool, (S, B)
        Whether a state is also reached from two states before it.
    spread : ndarray, (T,)
        Largest logarithm of the emissions of a step, of either sign; zeros do not count.
    tilt : ndarray, (T, S, B) or (T, 1, 1)
        Logarithms that emissions have been divided by. Where it is not zero, `spread` is infinite.

    Returns
    -------
    steps : list of ndarray of float64, (S, B) or (3, S, B)
        Weights of the moves for each time, as in `chain`.
    scales : list of ndarray of float64, (S, B)
        Logarithms of the scales of the sums after each step, emissions included.
    """
    steps: list[Array] = []
    scales: list[Array] = []
    scale = np.zeros(skips.shape)
    sums = np.zeros_like(scale)
    sums[0] = 1
    entered = np.stack([np.ones_like(skips)] * (MOVES - 1) + [skips])
    weights, change, size = skips.astype(np.float64), 0.0, 0.0
    # A state is reached from three others, so a sum may also grow without large emissions.
    growth = spread + np.log(MOVES)
    while True:
        done = len(steps)
        sizes = size + np.cumsum(growth[done:] + change)
        count = int(np.searchsorted(sizes, RANGE))
        steps += [weights] * count
        scales += [scale] * count
        if len(steps) == len(e):
            return steps, scales
        if count:
            g = np.zeros((count + 1, *sums.shape))
            g[0] = sums
            last = done + count
            sums = chain(g, e[done:last], steps=steps[done:])[-1] * e[last - 1]
        # The sums after the next step become the scale, so they are one relative to it.
        with np.errstate(divide="ignore"):
            level = np.log(np.abs(sums)) + scale
        before = _sources(scale)
        reached = _log_sum(np.where(entered, _sources(level), -np.inf))
        # A state that is not reached has the scale that it would have if all before it were.
        after = np.where(
            np.isfinite(reached), reached, _log_sum(np.where(entered, before, -np.inf))
        )
        steps.append(_weights(before - after, entered))
        sums = np.isfinite(reached) * e[len(steps) - 1]
        scale = after + tilt[len(steps) - 1]
        scales.append(scale)
        size = min(spread[len(steps) - 1], RANGE)
        ratios = _sources(scale) - scale
        change = np.abs(ratios[entered & np.isfinite(ratios)]).max(initial=0)
        weights = _weights(ratios, entered)


def _log_sum(logs: Array) -> Array:
    return np.logaddexp.reduce(logs, axis=0)  # type: ignore[no-any-return]


def _weights(ratios: Array, entered: Array) -> Array:
    """Return weights of moves from their logarithms; those from states not reached are bounded."""
    return np.exp(np.where(entered, np.minimum(ratios, RANGE), -np.inf))
