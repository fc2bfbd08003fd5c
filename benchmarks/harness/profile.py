"""Where the time of dlgradient goes: cProfile of our contestant of the timed rows."""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable
from typing import Any

from harness.result import OURS
from harness.timing import clock


def _makers() -> dict[str, Callable[[], Callable[[], Any]]]:
    from rows import deep, elementwise, loop, mlp, networks, overhead, scalar

    euler = loop.makers(loop.SIZE)
    return {
        "rosenbrock": scalar.rosenbrock_makers()[OURS],
        "chain": scalar.chain_makers()[OURS],
        "small-mlp": mlp.small_makers()[OURS],
        "mlp-step": mlp.step_makers()[OURS],
        "elementwise": elementwise.makers()[OURS],
        "indexed-loop": euler[f"{OURS}, {loop.LIST}"],
        "indexed-loop (assignment)": euler[f"{OURS}, {loop.ASSIGN}"],
        "deep-chain": deep.makers(10**5)[OURS],
        "overhead": overhead.makers(overhead.LONG)[OURS],
        **{name: row.makers(row.full)[OURS] for name, row in networks().items()},
    }


def show(names: list[str], seconds: float = 1.0, lines: int = 18) -> None:
    """Print the functions that take most of the time themselves, for each row named."""
    for name, make in _makers().items():
        if name.split(" ")[0] not in names:
            continue
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
