"""Rows of functions that `dlaccelerate` records, against the best peer.

First calls are measured too: of each contestant until its result is there, and of ours until the
program is compiled. They include what a maker does, since that of jax may compile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from harness.contestants import Call, Maker
from harness.result import OURS, Result, Target, with_unit
from harness.row import Context, Row

EAGER = f"{OURS} eager"
FIRST, RECORDING = 0.3, 3.0
# Calls until ours is what it stays.
SETTLED = 40


def recorded(
    name: str,
    work: str,
    factor: float,
    makers: Callable[[], dict[str, Maker]],
    peer: str = "jax.jit",
    **tolerances: float,
) -> Row:
    """Return a row that asks for a part of the time of a peer."""
    return Row(name, partial(_run, name, work, factor, makers, peer, tolerances), makers)


def _run(
    name: str,
    work: str,
    factor: float,
    makers: Callable[[], dict[str, Maker]],
    peer: str,
    tolerances: dict[str, Any],
    context: Context,
) -> Result:
    figures = context.timed(makers(), seconds=10, pause=0.02, reference=peer, **tolerances)
    result = Result(name, work, "s", figures)
    result.ask(peer, factor, f"at most {factor} of {peer}")
    first = {who: _first_call(make) for who, make in makers().items() if who != EAGER}
    if "jax.jit" in first:
        _ask(result, "first call", first[OURS] / first["jax.jit"], FIRST, "jax.jit's")
    slowest, second = _early_calls(makers()[OURS]())
    if EAGER in figures:
        _ask(result, "recording", second / figures[EAGER], RECORDING, "an eager call")
    shown = ", ".join(f"{who} {with_unit(seconds, 's')}" for who, seconds in first.items())
    result.notes.append(f"first call: {shown}; longest call until all is compiled: {slowest}")
    return result


def _ask(result: Result, what: str, ratio: float, factor: float, of: str) -> None:
    asked = f"{what} at most {factor} of {of}"
    result.targets.append(Target(asked, f"{ratio:.2f}x {of}", ratio <= factor))


def _first_call(make: Maker) -> float:
    """Return how long it takes until the first result is there."""
    start = time.perf_counter()
    make()()
    return time.perf_counter() - start


def _early_calls(call: Call) -> tuple[str, float]:
    """Return the time of the longest of the first calls, and of the second one, which records."""
    times = []
    for _ in range(SETTLED):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return with_unit(max(times), "s"), times[1]
