"""Our contestants without their peers: where their time goes, and their times round by round."""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Iterable, Iterator
from typing import Any

from harness import agreement, machine
from harness.row import Row
from harness.timing import Rounds, clock


def profile(rows: Iterable[Row], seconds: float = 1.0, lines: int = 18) -> None:
    """Print the functions that take the most time of their own, for each row."""
    for row in rows:
        for name, make in row.own().items():
            call = make()
            call()
            profiler = cProfile.Profile()
            began = clock()
            number = 0
            profiler.enable()
            while clock() - began < seconds:
                call()
                number += 1
            profiler.disable()
            print(f"\n== {name}: {number} calls")
            pstats.Stats(profiler).sort_stats("tottime").print_stats(lines)


def turns(row: Row) -> Iterator[dict[str, Any]]:
    """Yield which copy of dlgradient this is, then least times of a few rounds, again and again.

    For a fresh process, on one thread, which has not imported dlgradient yet. Times are processor
    time. The first answer also has the time of the import, and sums of the results.
    """
    machine.steady_allocator()
    began = time.process_time()
    import dlgradient

    imported = time.process_time() - began
    makers = row.own()
    sums = {name: agreement.checksum(make()()) for name, make in makers.items()}
    # Short batches: on a busy machine, fewer of them are interrupted.
    calls = {name: make() for name, make in makers.items()}
    rounds = Rounds(calls, batch=0.003, clock=time.process_time)
    yield {"file": dlgradient.__file__, "import": imported, "sums": sums}
    while True:
        began = clock()
        times = [rounds.run(), rounds.run()]
        while clock() - began < 0.03 * len(makers):
            times.append(rounds.run())
        yield {name: min(each[name] for each in times) for name in makers}
