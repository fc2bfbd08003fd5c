"""What one traced addition costs, forward and backward, over a bare ``np.add``."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from harness import agreement
from harness.contestants import Function, Maker, by_hand, ours, with_autograd, with_jax, with_torch
from harness.result import OURS, Detail, Result, Target, with_unit
from harness.row import Context, Row
from harness.timing import interleaved

SHORT, LONG = 20, 420
# The budget is 4 µs on a machine where the bare call takes 0.3 µs.
BUDGET = 4 / 0.3
BOTH = f"{OURS}, both operands traced"


def _chained(n: int, c: Any) -> Function:
    def fun(x: Any) -> Any:
        y = x
        for _ in range(n):
            y = y + c
        return y.sum()

    return fun


def _doubled(n: int) -> Function:
    def fun(x: Any) -> Any:
        y = x
        for _ in range(n):
            y = y + x
        return y.sum()

    return fun


def _makers(n: int) -> dict[str, Maker]:
    """Return the contestants for a chain of `n` additions of three float64."""
    start, c = np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.25, 0.125])

    def bare() -> Any:
        add, y = np.add, start
        for _ in range(n):
            y = add(y, c)
        return y

    return {
        OURS: ours(lambda dl: _chained(n, dl.dlarray(c)), start),
        "torch": with_torch(lambda torch: _chained(n, torch.tensor(c)), start),
        "jax": with_jax(lambda jnp: _chained(n, jnp.asarray(c)), start, jit=False),
        "autograd": with_autograd(lambda _: _chained(n, c), start),
        "numpy": by_hand(bare),
        BOTH: ours(lambda _: _doubled(n), start),
    }


def _check(contestants: dict[str, Maker], n: int) -> None:
    """The gradients are known; the bare additions compute none."""
    x, c = np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.25, 0.125])
    checked = {k: v for k, v in contestants.items() if k not in ("numpy", BOTH)}
    checked["numpy"] = by_hand(lambda: ((x + n * c).sum(), np.ones(3)))
    agreement.check(checked)
    known = by_hand(lambda: ((n + 1) * x.sum(), np.full(3, n + 1.0)))
    agreement.check({BOTH: contestants[BOTH], "numpy": known})


def _run(context: Context) -> Result:
    """Slope of the time of a chain of additions over its length."""
    calls = {}
    for n in (SHORT, LONG):
        contestants = _makers(n)
        _check(contestants, n)
        calls |= {f"{name}|{n}": make() for name, make in contestants.items()}
    best = interleaved(calls, budget=context.seconds(25), report=context.report)
    slopes = {
        name: (best[f"{name}|{LONG}"] - best[f"{name}|{SHORT}"]) / (LONG - SHORT)
        for name in contestants
    }
    bare = slopes["numpy"]
    over = {name: slope - bare for name, slope in slopes.items() if name != "numpy"}
    limit = BUDGET * bare
    result = Result(
        "overhead",
        "one traced `add` of 3 float64, forward and backward, less a bare np.add",
        "s",
        over,
    )
    result.targets.append(
        Target(
            f"≤ {BUDGET:.1f}x the bare np.add (4 µs where that takes 0.3 µs)",
            f"{with_unit(over[OURS], 's')} of {with_unit(limit, 's')} ({over[OURS] / bare:.1f}x)",
            over[OURS] <= limit,
        )
    )
    result.notes.append(
        f"A bare np.add takes {with_unit(bare, 's')} here, so the budget is "
        f"{with_unit(limit, 's')}. "
        f"With both operands traced, where the backward pass also adds to the other operand's "
        f"cotangent, the figure is {with_unit(over[BOTH], 's')}."
    )
    result.details.append(
        Detail(
            f"Slope between chains of {SHORT} and {LONG}",
            ["contestant", "per operation", "over np.add", "in np.add"],
            [
                [name, with_unit(s, "s"), with_unit(s - bare, "s"), f"{(s - bare) / bare:.1f}x"]
                for name, s in slopes.items()
            ],
        )
    )
    return result


OVERHEAD = Row("overhead", _run, partial(_makers, LONG))
