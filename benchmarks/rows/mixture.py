"""Objectives of ADBench and of clustering: a Gaussian mixture, k-means, and an LSTM of vectors."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from harness.contestants import Function, Maker, Written, accelerated, ours, with_jax, with_torch
from harness.recorded import EAGER, recorded
from harness.result import OURS
from harness.row import Row


def _makers(written: Written, start: Any) -> dict[str, Maker]:
    return {
        OURS: accelerated(written, start),
        EAGER: ours(written, start),
        "torch": with_torch(written, start),
        "jax.jit": with_jax(written, start, jit=True),
    }


def _array(xp: Any, a: Any) -> Any:
    """Return data as an array of a library."""
    return xp.dlarray(a) if hasattr(xp, "dlarray") else xp.asarray(a)


def _row(name: str, work: str, written: Written, start: Any) -> Row:
    makers = partial(_makers, written, start)
    return recorded(name, work, 0.5, makers, "jax.jit", rtol=1e-8, atol=1e-10)


# -- Gaussian mixture ----------------------------------------------------------------------------

POINTS, DIMENSIONS, COMPONENTS = 1000, 64, 50


def _mixture(xp: Any) -> Function:
    rng = np.random.default_rng(20)
    points = _array(xp, rng.standard_normal((POINTS, DIMENSIONS)))
    below = _array(xp, np.tril(np.ones((DIMENSIONS, DIMENSIONS)), -1))
    one = _array(xp, np.eye(DIMENSIONS))

    def loss(params: Any) -> Any:
        weights, means, logs, factors = params
        # Q of each component: a triangle, and exponentials on its diagonal.
        roots = factors * below + xp.exp(logs)[:, :, None] * one
        centred = points[None] - means[:, None]
        turned = centred @ roots.mT
        terms = (weights + xp.sum(logs, 1))[:, None] - 0.5 * xp.sum(turned * turned, 2)
        total = xp.sum(_log_sum(xp, terms)) - POINTS * _log_sum(xp, weights)
        prior = 0.5 * (xp.sum(xp.exp(logs) ** 2) + xp.sum((factors * below) ** 2))
        return prior - xp.sum(logs) - total

    return loss


def _log_sum(xp: Any, x: Any) -> Any:
    """Return the logarithm of sums of exponentials over the first dimension."""
    largest = _values(xp.max(x, 0))
    return largest + xp.log(xp.sum(xp.exp(x - largest), 0))


def _values(found: Any) -> Any:
    """Return extrema; torch has their places, too."""
    return found.values if isinstance(found, tuple) else found


def _mixture_start() -> list[Any]:
    rng = np.random.default_rng(21)
    n, k = DIMENSIONS, COMPONENTS
    shapes = (k,), (k, n), (k, n), (k, n, n)
    return [
        rng.standard_normal(shape) * scale
        for shape, scale in zip(shapes, (1, 1, 0.1, 0.1), strict=True)
    ]


MIXTURE = _row(
    "accelerated-gmm",
    f"negative logarithm of the likelihood of {POINTS} points, {COMPONENTS} Gaussians in "
    f"{DIMENSIONS} dimensions, and its gradient, float64",
    _mixture,
    _mixture_start(),
)


# -- k-means -------------------------------------------------------------------------------------

OBSERVATIONS, FEATURES, MEANS = 20_000, 35, 16


def _clusters(xp: Any) -> Function:
    rng = np.random.default_rng(22)
    points = _array(xp, rng.standard_normal((OBSERVATIONS, FEATURES)))

    def loss(means: Any) -> Any:
        squares = xp.sum(means * means, 1)
        distances = squares - 2 * (points @ means.mT)
        return xp.sum(_values(xp.min(distances, 1))) + xp.sum(points * points)

    return loss


K_MEANS = _row(
    "accelerated-k-means",
    f"cost of {MEANS} means for {OBSERVATIONS} points in {FEATURES} dimensions, and its gradient, "
    "float64",
    _clusters,
    np.random.default_rng(23).standard_normal((MEANS, FEATURES)),
)


# -- LSTM of vectors -----------------------------------------------------------------------------

LAYERS, STEPS, SYMBOLS = 2, 1024, 14


def _sequence(xp: Any) -> Function:
    rng = np.random.default_rng(24)
    letters = _array(xp, np.eye(SYMBOLS)[rng.integers(0, SYMBOLS, STEPS)])

    def cell(main: Any, x: Any, h: Any, c: Any) -> Any:
        """Return the next state of a layer, whose weights are vectors."""
        W, b = main
        sigmoid = _sigmoid(xp)
        forget, out = (sigmoid(x * W[i] + b[i]) for i in (0, 2))
        store, change = sigmoid(h * W[1] + b[1]), xp.tanh(h * W[3] + b[3])
        c = c * forget + store * change
        return out * xp.tanh(c), c

    def step(params: Any, states: Any, letter: Any) -> Any:
        mains, (scale, gain, offset) = params
        x, new = letter * scale, []
        for main, state in zip(mains, states, strict=True):
            new.append(cell(main, x, *state))
            x = new[-1][0]
        return new, x * gain + offset

    def loss(arrays: Any) -> Any:
        mains, extra, start = arrays
        params = [(mains[2 * i], mains[2 * i + 1]) for i in range(LAYERS)], extra
        states = [(start[2 * i], start[2 * i + 1]) for i in range(LAYERS)]
        return -_total(xp, partial(step, params), states, letters) / (STEPS * SYMBOLS)

    return loss


def _sigmoid(xp: Any) -> Any:
    if hasattr(xp, "sigmoid"):
        return xp.sigmoid
    from jax.nn import sigmoid

    return sigmoid


def _total(xp: Any, step: Any, states: Any, letters: Any) -> Any:
    """Return the sum of what is gained at each letter."""

    def gained(y: Any, letter: Any) -> Any:
        return xp.sum(letter * (y - _log_sum(xp, y)))

    if hasattr(xp, "dlarray") or hasattr(xp, "addmm"):
        total = 0.0
        for i in range(STEPS - 1):
            states, y = step(states, letters[i])
            total = total + gained(y, letters[i + 1])
        return total
    import jax

    def scanned(states: Any, pair: Any) -> Any:
        states, y = step(states, pair[0])
        return states, gained(y, pair[1])

    return jax.lax.scan(scanned, states, (letters[:-1], letters[1:]))[1].sum()


def _sequence_start() -> list[Any]:
    rng = np.random.default_rng(25)
    shapes = (2 * LAYERS, 4, SYMBOLS), (3, SYMBOLS), (2 * LAYERS, SYMBOLS)
    return [rng.standard_normal(shape) / 2 for shape in shapes]


SEQUENCE = _row(
    "accelerated-lstm-loop",
    f"{STEPS} letters of {SYMBOLS}, {LAYERS} layers of an LSTM whose weights are vectors, in a "
    "loop; gradient, float64",
    _sequence,
    _sequence_start(),
)
