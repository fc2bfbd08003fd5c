"""An explicit Euler method written with scalar indices in a Python loop.

The system is x_i' = x_(i-1), n states, a few steps; y is the sum of the squared end states. Two
ways a user writes it: a list of scalars, stacked at the end, and assignment of elements.
A reverse walk that makes an array of n zeros for each read element costs O(n²) here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from harness import agreement
from harness.contestants import (
    Function,
    Maker,
    accelerated,
    by_hand,
    ours,
    with_autograd,
    with_jax,
    with_torch,
)
from harness.recorded import EAGER, recorded
from harness.result import OURS, Detail, Result, Target, with_unit
from harness.row import Context, Row
from harness.timing import interleaved

STEPS = 4
H = 0.1
SIZE = 1000
SIZES = (250, 500, 1000, 2000)
LIST, ASSIGN = "list of scalars", "assignment"


def _listed(stack: Callable[[Any], Any], n: int) -> Function:
    def fun(x: Any) -> Any:
        state = [x[i] for i in range(n)]
        for _ in range(STEPS):
            state = [state[0]] + [state[i] + H * state[i - 1] for i in range(1, n)]
        end = stack(state)
        return (end * end).sum()

    return fun


def _assigned(zeros: Callable[[int], Any], n: int) -> Function:
    def fun(x: Any) -> Any:
        for _ in range(STEPS):
            new = zeros(n)
            new[0] = x[0]
            for i in range(1, n):
                new[i] = x[i] + H * x[i - 1]
            x = new
        return (x * x).sum()

    return fun


def _by_hand(start: Any, n: int) -> Maker:
    """Forward and adjoint loops over the elements, in place."""

    def call() -> Any:
        x = start.copy()
        for _ in range(STEPS):
            for i in range(n - 1, 0, -1):
                x[i] += H * x[i - 1]
        y = (x * x).sum()
        g = 2 * x
        for _ in range(STEPS):
            for i in range(1, n):
                g[i - 1] += H * g[i]
        return y, g

    return by_hand(call)


def _dl_zeros(dl: Any) -> Callable[[int], Any]:
    return lambda n: dl.dlarray(np.zeros(n))


def _torch_zeros(torch: Any) -> Callable[[int], Any]:
    return lambda n: torch.zeros(n, dtype=torch.float64)


def _makers(n: int) -> dict[str, Maker]:
    """Return the contestants for `n` states; a way of writing is part of the name."""
    start = np.random.default_rng(3).standard_normal(n)
    contestants = {
        f"{OURS}, {LIST}": ours(lambda dl: _listed(dl.stack, n), start),
        f"{OURS}, {ASSIGN}": ours(lambda dl: _assigned(_dl_zeros(dl), n), start),
        f"torch, {LIST}": with_torch(lambda torch: _listed(torch.stack, n), start),
        f"torch, {ASSIGN}": with_torch(lambda torch: _assigned(_torch_zeros(torch), n), start),
        "numpy": _by_hand(start, n),
    }
    if n <= SIZE:
        written = with_autograd(lambda anp: _listed(anp.array, n), start)
        contestants[f"autograd, {LIST}"] = written
    return contestants


def _times(context: Context) -> dict[int, dict[str, float]]:
    sizes = SIZES[:-1] if context.quick else SIZES
    contestants = {n: _makers(n) for n in sizes}
    for n in sizes:
        agreement.check(contestants[n])
    calls = {f"{name}|{n}": make() for n in sizes for name, make in contestants[n].items()}
    # All sizes in one interleaved run, so that a disturbance does not bend the curve.
    best = interleaved(
        calls,
        budget=context.seconds(60),
        rounds=(2 if context.quick else 3, 50),
        report=context.report,
    )
    return {n: {name: best[f"{name}|{n}"] for name in contestants[n]} for n in sizes}


def _growth(times: dict[int, float]) -> float:
    """Return the exponent p of time ~ n^p, by least squares over all sizes."""
    return float(np.polyfit(np.log(list(times)), np.log(list(times.values())), 1)[0])


def _run(context: Context) -> Result:
    times = _times(context)
    names = list(times[min(times)])
    curves = {
        name: {n: column[name] for n, column in times.items() if name in column} for name in names
    }
    at = times[SIZE]
    best = {who: min(v for k, v in at.items() if k.startswith(who)) for who in (OURS, "torch")}
    figures = best | {"autograd": at[f"autograd, {LIST}"], "numpy": at["numpy"]}
    result = Result(
        "indexed loop",
        f"explicit Euler of x_i' = x_(i-1), n = {SIZE}, {STEPS} steps, scalar indices; "
        "the faster way of writing it for each",
        "s",
        figures,
    )
    curve = {way: curves[f"{OURS}, {way}"] for way in (LIST, ASSIGN)}
    worst = max(_growth(c) for c in curve.values())
    result.targets.append(Target("linear: time ~ n^p, p ≤ 1.1", f"p = {worst:.2f}", worst <= 1.1))
    for way in (LIST, ASSIGN):
        ratio = curve[way][SIZE] / at[f"torch, {way}"]
        result.targets.append(Target(f"under torch, {way}", f"{ratio:.2f}x torch", ratio < 1))
    result.details.append(
        Detail(
            "Time by number of states, and exponent p of time ~ n^p",
            ["contestant", *[f"n = {n}" for n in times], "p"],
            [
                [
                    name,
                    *[with_unit(c[n], "s") if n in c else "-" for n in times],
                    f"{_growth(c):.2f}",
                ]
                for name, c in curves.items()
            ],
        )
    )
    result.notes.append(
        "jax does not take part: thousands of unrolled scalar operations take it minutes to trace "
        "and compile; autograd has no assignment."
    )
    return result


INDEXED_LOOP = Row("indexed-loop", _run, partial(_makers, SIZE))


# -- recorded ------------------------------------------------------------------------------------


def _recorded_makers() -> dict[str, Maker]:
    makers = _makers(SIZE)
    start = np.random.default_rng(3).standard_normal(SIZE)
    return {
        OURS: accelerated(lambda dl: _listed(dl.stack, SIZE), start),
        EAGER: makers[f"{OURS}, {LIST}"],
        "torch": makers[f"torch, {LIST}"],
    }


FAST_LOOP = recorded(
    "accelerated-indexed-loop", "row indexed loop, recorded", 0.5, _recorded_makers, "torch"
)


# -- an oscillator -------------------------------------------------------------------------------

ODE_STEPS = 1000


def _oscillator(_: Any) -> Function:
    """Van der Pol's oscillator: the end of explicit Euler steps, of a start and a parameter."""

    def fun(given: Any) -> Any:
        x, v, mu = given[0], given[1], given[2]
        for _ in range(ODE_STEPS):
            x, v = x + 0.01 * v, v + 0.01 * (mu * (1 - x * x) * v - x)
        return x * x + v * v

    return fun


def _scanned(_: Any) -> Function:
    import jax

    def fun(given: Any) -> Any:
        mu = given[2]

        def step(state: Any, _: Any) -> Any:
            x, v = state
            return (x + 0.01 * v, v + 0.01 * (mu * (1 - x * x) * v - x)), None

        (x, v), _ = jax.lax.scan(step, (given[0], given[1]), None, length=ODE_STEPS)
        return x * x + v * v

    return fun


def _ode_makers() -> dict[str, Maker]:
    start = np.array([1.0, 0.5, 0.8])
    return {
        OURS: accelerated(_oscillator, start),
        EAGER: ours(_oscillator, start),
        "torch": with_torch(_oscillator, start),
        "jax.jit": with_jax(_scanned, start, jit=True),
    }


FAST_ODE = recorded(
    "accelerated-ode",
    f"{ODE_STEPS} Euler steps of Van der Pol's oscillator in a Python loop, value and gradient, "
    "float64; a scan for jax",
    0.5,
    _ode_makers,
    rtol=1e-8,
    atol=1e-10,
)
