"""Interleaved timing: in each round every contestant runs one batch.

A disturbance of the machine then affects all contestants alike, and the least time over many rounds
is what the work costs without it. Garbage collection is on, as it is for users. Objects of the
imported peers are frozen, so that collections do not visit them.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Any

Call = Callable[[], Any]
clock = time.perf_counter
# Calls after which a function that compiles itself has done so; long ones are not repeated.
WARM = 64


def settle() -> None:
    """Collect garbage of earlier work, and keep live objects out of later collections."""
    gc.collect()
    gc.freeze()


def _batch_size(call: Call, seconds: float) -> int:
    """Return how many calls take about `seconds`, after warming up."""
    began, done = clock(), 0
    while not done or (done < WARM and clock() - began < 4 * seconds):
        call()
        done += 1
    number = 1
    while True:
        start = clock()
        for _ in range(number):
            call()
        elapsed = clock() - start
        if elapsed > seconds / 4 or number >= 1 << 20:
            return max(1, round(number * seconds / elapsed))
        number *= 2


class Rounds:
    """Rounds in which each contestant runs a batch of calls.

    Parameters
    ----------
    calls : dict
        What each contestant does.
    batch : float
        Seconds of one batch; longer calls run once.
    pause : float
        Seconds to wait before each batch, and one more call that is not timed. For work on several
        threads: the idle threads of one library's pool spin for a while, on the cores of the next.
    clock : callable
        Returns the seconds.
    """

    def __init__(
        self,
        calls: dict[str, Call],
        *,
        batch: float = 0.015,
        pause: float = 0.0,
        clock: Callable[[], float] = clock,
    ) -> None:
        settle()
        self.calls, self.pause, self.clock = calls, pause, clock
        self.numbers = {name: _batch_size(call, batch) for name, call in calls.items()}
        self.order = list(calls)

    def run(self) -> dict[str, float]:
        """Run one round and return the seconds that one call takes each contestant."""
        times = {}
        for name in self.order:
            call, number = self.calls[name], self.numbers[name]
            if self.pause:
                time.sleep(self.pause)
                call()
            began = self.clock()
            for _ in range(number):
                call()
            times[name] = (self.clock() - began) / number
        # Another order each time, so that no contestant always runs after the same one.
        self.order = self.order[1:] + self.order[:1]
        return times


def interleaved(
    calls: dict[str, Call],
    *,
    budget: float,
    rounds: tuple[int, int] = (7, 200),
    pause: float = 0.0,
    report: Callable[[float], None] = lambda _: None,
) -> dict[str, float]:
    """Return the least time in seconds of one call, for each contestant.

    Parameters
    ----------
    calls, pause
        As for `Rounds`.
    budget : float
        Seconds for all rounds together; more are spent if `rounds` asks for them.
    rounds : tuple of int
        Least and largest number of rounds.
    report : callable
        Told the part of the work that is done.
    """
    every = Rounds(calls, pause=pause)
    best = dict.fromkeys(calls, float("inf"))
    start = clock()
    for done in range(rounds[1]):
        for name, seconds in every.run().items():
            best[name] = min(best[name], seconds)
        spent = clock() - start
        report(min(1.0, max(spent / budget, 0.0)))
        if spent > budget and done + 1 >= rounds[0]:
            break
    return best
