"""Large elementwise kernels on all cores.

NumPy runs a ufunc on one core, and releases the interpreter lock while it does. A transcendental
function of a large array is bound by arithmetic, not by memory, so the array is cut into one block
for each core. On two cores the functions here take about half the time from 10⁵ elements on;
smaller arrays, and whatever is not contiguous, take the plain path.

The number of threads is that of the cores this process may use, or ``OMP_NUM_THREADS`` if it is
set, as for the linear algebra underneath NumPy.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextvars import copy_context
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["threaded"]

_LEAST = 1 << 16  # elements; below, starting a thread costs more than it saves


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _count() -> int:
    setting = os.environ.get("OMP_NUM_THREADS", "")
    return int(setting) if setting.isdigit() and int(setting) else _cores()


@cache
def _pool(_process: int) -> Any:
    # One for each process: threads do not survive a fork.
    from concurrent.futures import ThreadPoolExecutor

    return ThreadPoolExecutor(_count() - 1, thread_name_prefix="dlgradient")


def threaded(ufunc: np.ufunc) -> Callable[[Any], Any]:
    """Return a kernel of one operand that computes large arrays on all cores."""

    def kernel(x: Any) -> Any:
        if type(x) is not np.ndarray or x.size < _LEAST or _count() == 1:
            return ufunc(x)
        return _in_blocks(ufunc, x)

    return kernel


def _in_blocks(ufunc: np.ufunc, x: np.ndarray[Any, Any]) -> Any:
    if x.dtype.kind not in "fc" or not (x.flags.c_contiguous or x.flags.f_contiguous):
        return ufunc(x)
    out = np.empty_like(x)
    flat, flat_out = x.ravel(order="K"), out.ravel(order="K")
    count = _count()
    bounds = [x.size * i // count for i in range(count + 1)]
    blocks = [slice(*pair) for pair in pairwise(bounds)]
    # In a copy of the context, so that numpy.errstate holds there too.
    tasks = [
        _pool(os.getpid()).submit(copy_context().run, ufunc, flat[b], flat_out[b])
        for b in blocks[1:]
    ]
    ufunc(flat[blocks[0]], flat_out[blocks[0]])
    for task in tasks:
        task.result()
    return out
