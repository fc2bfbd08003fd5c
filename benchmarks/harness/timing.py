"""Interleaved timing: in each round every contestant runs one batch.

A disturbance of the machine then hits all contestants alike, and the least time over many rounds is
what the work costs without it. Garbage collection stays on, as it is for a user; objects of
the imported peers are frozen, so that they do not burden it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

Call = Callable[[], Any]
clock = time.perf_counter


def settle() -> None:
    """Collect what is left of earlier work, and keep what is alive out of later collections."""
    gc.collect()
    gc.freeze()


def _batch_size(call: Call, seconds: float) -> int:
    """Return how many calls take about `seconds`, after warming up."""
    call()
    number = 1
    while True:
        start = clock()
        for _ in range(number):
            call()
        elapsed = clock() - start
        if elapsed > seconds / 4 or number >= 1 << 20:
            return max(1, round(number * seconds / elapsed))
        number *= 2


def interleaved(
    calls: dict[str, Call],
    *,
    budget: float,
    batch: float = 0.015,
    rounds: tuple[int, int] = (7, 200),
    pause: float = 0.0,
    report: Callable[[float], None] = lambda _: None,
) -> dict[str, float]:
    """Return the least time in seconds of one call, for each contestant.

    Parameters
    ----------
    calls : dict
        What each contestant does.
    budget : float
        Seconds for all rounds together; more are spent if `rounds` asks for them.
    batch : float
        Seconds of one batch; longer calls run once.
    rounds : tuple of int
        Least and largest number of rounds.
    pause : float
        Seconds to wait before each batch, and one more call that is not timed. For work on several
        threads: the idle threads of one library's pool spin for a while, on the cores of the next.
    report : callable
        Told the part of the work that is done.
    """
    settle()
    numbers = {name: _batch_size(call, batch) for name, call in calls.items()}
    best = dict.fromkeys(calls, float("inf"))
    names = list(calls)
    start = clock()
    for done in range(rounds[1]):
        # Another order each time: nobody always runs after the same neighbour.
        shift = done % len(names)
        for name in names[shift:] + names[:shift]:
            call, number = calls[name], numbers[name]
            if pause:
                time.sleep(pause)
                call()
            began = clock()
            for _ in range(number):
                call()
            best[name] = min(best[name], (clock() - began) / number)
        spent = clock() - start
        report(min(1.0, max(spent / budget, 0.0)))
        if spent > budget and done + 1 >= rounds[0]:
            break
    return best
