"""The part of a call that is no kernel: what the library does around NumPy.

It is computed from a profile. Kernels are NumPy's functions, machine code, the functions of `nn`,
`ops` and `native` that call them, their threads, and recorded programs, which are lists of such
calls. All other functions of Python are the library's own, and so are the lines that prepare a
formula of an update. The profiler makes each call slower by about the same time, which is measured
and taken off. The least time of each function counts: other processes take the machine in any.
"""

from __future__ import annotations

import cProfile
import pstats
from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeAlias

from harness.contestants import Call
from harness.result import Detail
from harness.timing import clock

_KERNELS = (
    *("/dlgradient/nn/", "/dlgradient/ops/", "/dlgradient/native/", "/dlgradient/core/threads.py"),
    "/dlgradient/core/domain.py",  # what kernels of real functions ask first
    *("/numpy/", "/scipy/", "/concurrent/futures/", "/threading.py"),
)
_OWN = ("/native/formula.py", "/native/lanes.py")
_PROGRAMS, _ENTRIES = "<dlaccelerate: ", ("entry>", "watch>")
_BUILT_IN = ("numpy", "_operator.", "dlgradient.")  # kernels in C, and machine code

Function: TypeAlias = tuple[str, int, str]  # file, line and name


def is_kernel(function: Function) -> bool:
    """Return whether a function of a profile computes on arrays."""
    file, _, name = function
    if file == "~":
        return any(word in name for word in _BUILT_IN)
    if file.startswith(_PROGRAMS):
        return not file.endswith(_ENTRIES)
    if file.endswith(_OWN):
        return name == "work"
    return any(part in file for part in _KERNELS)


@dataclass
class Share:
    """The time of a call, the library's own part, and that of its largest functions, in seconds."""

    time: float
    own: float
    largest: list[tuple[str, float]]


def share_of(call: Call, rounds: int) -> Share:
    """Return the own share of a call, by the least times of each function in some calls."""
    least: dict[Function, tuple[int, float, Any]] = {}
    for _ in range(rounds):
        profiler = cProfile.Profile()
        profiler.runcall(call)
        stats: Any = pstats.Stats(profiler)
        for function, (_, calls, time, _, callers) in stats.stats.items():
            if function not in least or time < least[function][1]:
                least[function] = calls, time, callers
    entries = least.items()
    # The profiler's time is in the function that calls, and in the one that is called.
    events: Counter[Function] = Counter()
    for function, (calls, _, callers) in entries:
        events[function] += calls
        for caller, (_, number, *_) in callers.items():
            events[caller] += number
    each = _of_an_event()
    own: dict[Function, float] = {}
    whole = 0.0
    for function, (_, time, callers) in entries:
        left = max(time - each * events[function], 0.0)
        whole += left
        # What a kernel calls of Python's own functions, such as those that wait, is the kernel's.
        rest = [t for f, (*_, t, _) in callers.items() if not is_kernel(f)]
        part = sum(rest) / time if function[0] == "~" and callers and time else 1.0
        if not is_kernel(function):
            own[function] = left * part
    largest = sorted(own.items(), key=lambda item: -item[1])[:12]
    return Share(whole, sum(own.values()), [(_shown(f), t) for f, t in largest])


def _of_an_event() -> float:
    """Return how long the profiler needs for its part of a call, in either of its functions."""

    def nothing() -> None:
        """Take no time."""

    def calls() -> None:
        for _ in range(2000):
            nothing()

    plain = profiled = float("inf")
    for _ in range(50):
        began = clock()
        calls()
        plain = min(plain, clock() - began)
        profiler = cProfile.Profile()
        began = clock()
        profiler.runcall(calls)
        profiled = min(profiled, clock() - began)
    return max(profiled - plain, 0.0) / 4000


def _shown(function: Function) -> str:
    file, line, name = function
    return name if file == "~" else f"{file.rpartition('/dlgradient/')[2]}:{line} {name}"


def detail_of(share: Share, steps: int) -> Detail:
    """Return the largest functions of a call of some steps."""
    rows = [[name, f"{t / steps * 1e6:.1f}"] for name, t in share.largest]
    return Detail("The largest functions of its own", ["function", "µs a step"], rows)
