"""Array functions on 10^6 elements: cumulative sums, sorting, and straight lines through points."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from harness.contestants import Call, Function, Maker, by_hand, ours, with_jax, with_torch
from harness.result import OURS, Result
from harness.row import Context, Row

SIZE = 10**6
POINTS = 1000


def _data() -> tuple[Any, Any, Any, Any]:
    """Return elements from 0 to 1, weights, points and values."""
    rng = np.random.default_rng(0)
    x, w = rng.uniform(0.01, 0.99, SIZE), rng.standard_normal(SIZE)
    return x, w, np.linspace(0.0, 1.0, POINTS), rng.standard_normal(POINTS)


def _cumsum(xp: Any) -> Function:
    w = xp.asarray(_data()[1])

    def fun(x: Any) -> Any:
        c = xp.cumsum(x, 0)
        return xp.sum(c * c * w)  # of weights alone, XLA would compute the gradient beforehand

    return fun


def _cumsum_by_hand() -> Any:
    x, w, *_ = _data()
    c = np.cumsum(x)
    return np.sum(c * c * w), 2 * np.cumsum((c * w)[::-1])[::-1]


def _sort(xp: Any) -> Function:
    w = xp.asarray(_data()[1])

    def fun(x: Any) -> Any:
        found = xp.sort(x)
        return xp.sum((found[0] if isinstance(found, tuple) else found) * w)

    return fun


def _sort_by_hand() -> Any:
    x, w, *_ = _data()
    order = np.argsort(x)
    gradient = np.empty_like(w)
    gradient[order] = w
    return np.sum(x[order] * w), gradient


def _interp(xp: Any) -> Function:
    _, w, p, v = (xp.asarray(a) for a in _data())
    if hasattr(xp, "interp"):
        return lambda x: xp.sum(xp.interp(x, p, v) * w)

    def fun(x: Any) -> Any:
        k = xp.searchsorted(p, x.detach(), right=True) - 1
        return xp.sum((v[k] + (x - p[k]) * (v[k + 1] - v[k]) / (p[k + 1] - p[k])) * w)

    return fun


def _interp_by_hand() -> Any:
    x, w, p, v = _data()
    k = np.searchsorted(p, x, side="right") - 1
    slopes = (np.diff(v) / np.diff(p))[k]
    return np.sum((v[k] + (x - p[k]) * slopes) * w), slopes * w


def _makers(written: Callable[[Any], Function], numpy: Call) -> dict[str, Maker]:
    x = _data()[0]
    return {
        OURS: ours(written, x),
        "torch": with_torch(written, x),
        "jax.jit": with_jax(written, x, jit=True),
        "numpy": by_hand(numpy),
    }


def _run(name: str, work: str, makers: Callable[[], dict[str, Maker]], context: Context) -> Result:
    figures = context.timed(makers(), seconds=20, pause=0.05, rtol=1e-8, atol=1e-8)
    result = Result(name, f"value and gradient of the weighted sum of {work}", "s", figures)
    result.ask("torch", 1.0, "≤ 1.0x torch")
    return result


def _row(name: str, work: str, written: Callable[[Any], Function], numpy: Call) -> Row:
    makers = partial(_makers, written, numpy)
    return Row(name, partial(_run, name, work, makers), makers)


CUMSUM = _row("cumsum", "squared cumulative sums of 10^6 float64", _cumsum, _cumsum_by_hand)
SORT = _row("sort", "10^6 float64, sorted", _sort, _sort_by_hand)
INTERP = _row(
    "interp", "straight lines through 1000 points at 10^6 queries", _interp, _interp_by_hand
)
