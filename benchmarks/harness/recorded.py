"""Rows of functions that `dlaccelerate` records, against the best peer.

The first call of each contestant is measured too, until its result is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from harness.contestants import Maker
from harness.result import OURS, Result, with_unit
from harness.row import Context, Row

EAGER = f"{OURS} eager"


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
    figures = context.timed(makers(), seconds=10, reference=peer, **tolerances)
    result = Result(name, work, "s", figures)
    result.ask(peer, factor, f"at most {factor} of {peer}")
    first = {who: _first_call(make) for who, make in makers().items() if who != EAGER}
    shown = ", ".join(f"{who} {with_unit(seconds, 's')}" for who, seconds in first.items())
    result.notes.append(f"first call: {shown}")
    return result


def _first_call(make: Maker) -> float:
    """Return how long the first call takes until its result is there."""
    call = make()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
