"""Nested sines of a scalar: fifty of them, and a chain of up to a million.

The deep chain shows linear time, release without recursion, and bytes per node.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from harness import agreement
from harness.children import ChildError, Peak, measure
from harness.contestants import Call, Function, Maker, everybody
from harness.recorded import recorded
from harness.result import OURS, Detail, Result, Target, with_unit
from harness.row import Context, Row
from harness.timing import clock, interleaved


def _chained(xp: Any, n: int) -> Function:
    def fun(x: Any) -> Any:
        for _ in range(n):
            x = xp.sin(x)
        return x

    return fun


def _makers(n: int) -> dict[str, Maker]:
    start = np.float64(0.5)

    def by_hand() -> Any:
        x, g = start, 1.0
        for _ in range(n):
            g *= np.cos(x)
            x = np.sin(x)
        return x, g

    return everybody(lambda xp: _chained(xp, n), start, by_hand)


# -- fifty ---------------------------------------------------------------------------------------

LENGTH = 50


def _run(context: Context) -> Result:
    figures = context.timed(_makers(LENGTH), seconds=10)
    work = f"{LENGTH} × sin of a scalar, value and gradient, float64"
    result = Result("chain", work, "s", figures)
    result.ask("torch", 1 / 2, "≤ 1/2 of torch")
    return result


CHAIN = Row("chain", _run, partial(_makers, LENGTH))


# -- a million -----------------------------------------------------------------------------------

SIZES = (10**4, 10**5, 10**6)


def _deep_makers(n: int) -> dict[str, Maker]:
    """Return the contestants of a deep chain; autograd would take minutes for the last."""
    names = (OURS, "torch", "numpy", *(("autograd",) if n < SIZES[-1] else ()))
    makers = _makers(n)
    return {name: makers[name] for name in names}


def _run_deep(context: Context) -> Result:
    sizes = SIZES[:-1] if context.quick else SIZES
    contestants = {n: _deep_makers(n) for n in sizes}
    agreement.check(contestants[sizes[0]])
    calls = {f"{name}|{n}": make() for n in sizes for name, make in contestants[n].items()}
    best = interleaved(calls, budget=context.seconds(40), rounds=(2, 20), report=context.report)
    per_op = {
        name: {n: best[f"{name}|{n}"] / n for n in sizes if f"{name}|{n}" in best}
        for name in contestants[sizes[0]]
    }
    last = sizes[-1]
    figures = {name: column[last] for name, column in per_op.items() if last in column}
    result = Result("deep chain", f"{last:.0e} × sin of a scalar, time per operation", "s", figures)
    ours = per_op[OURS]
    growth = max(ours.values()) / ours[sizes[0]]
    result.targets.append(
        Target(
            "linear: time per operation grows ≤ 1.3x from the shortest chain",
            f"{growth:.2f}x",
            growth <= 1.3,
        )
    )
    _release(result, last)
    result.details.append(
        Detail(
            "Time per operation, by length of the chain",
            ["contestant", *[f"{n:.0e}" for n in sizes]],
            [
                [name, *[with_unit(c[n], "s") if n in c else "-" for n in sizes]]
                for name, c in per_op.items()
            ],
        )
    )
    return result


def _release(result: Result, n: int) -> None:
    """Add what a fresh process says of recursion, release and memory."""
    try:
        found = measure(released, n)
    except ChildError as error:
        result.targets.append(Target("default recursion limit, flat release", str(error), False))
        return
    result.targets.append(
        Target(
            "default recursion limit, with and without a gradient, and in a thread",
            f"limit {found['limit']}",
            found["limit"] <= max(1000, sys.getrecursionlimit()),
        )
    )
    blocks = found["left_blocks"]
    result.targets.append(
        Target(
            "flat release: no object of a node is left",
            f"{blocks:.0f} blocks of memory more than before",
            blocks <= n / 1000,
        )
    )
    peak = found["peak_mb"]
    bytes_text = f"{found['node_bytes']:.0f} bytes per node"
    result.targets.append(Target("bytes per node stated", bytes_text, True))
    result.notes.append(
        f"{bytes_text} of an open trace for this chain, by tracemalloc, the kept value included; "
        f"releasing {n:.0e} nodes takes {found['release_s'] * 1e9 / n:.0f} ns for each; the "
        f"resident set peaks {peak:.0f} MB above the start, {peak * 1e6 / n:.0f} bytes for each "
        f"operation, and the allocator keeps {found['left_mb']:.1f} MB of it."
    )


def released(n: int) -> dict[str, float]:
    """A deep chain with the interpreter's own recursion limit: memory, and release."""
    import dlgradient as dl

    x0 = dl.dlarray(0.5)

    chained = _chained(dl, n)

    def with_gradient(x: Any) -> Any:
        return dl.dlgradient(chained(x), x)

    dl.dlfeval(lambda x: dl.dlgradient(dl.sin(x), x), x0)
    gc.collect()
    blocks = sys.getallocatedblocks()
    mark = Peak()
    dl.dlfeval(with_gradient, x0)
    top = mark.peak()
    gc.collect()
    left = mark.now()
    blocks = sys.getallocatedblocks() - blocks
    # Release of a trace that no gradient has passed; and all of it in a thread, on a smaller stack.
    release = _release_seconds(chained, x0)
    thread = threading.Thread(
        target=lambda: (_release_seconds(chained, x0), dl.dlfeval(with_gradient, x0))
    )
    thread.start()
    thread.join()
    return {
        "limit": sys.getrecursionlimit(),
        "peak_mb": top,
        "left_mb": left,
        "left_blocks": blocks,
        "release_s": release,
        "node_bytes": _node_bytes(x0),
    }


def _release_seconds(chained: Callable[[Any], Any], x0: Any) -> float:
    import dlgradient as dl

    def fun(x: Any) -> float:
        y = chained(x)
        began = clock()
        del y
        return clock() - began

    return float(dl.dlfeval(fun, x0))


@contextlib.contextmanager
def _tracing() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def _node_bytes(x0: Any, n: int = 20_000) -> float:
    import dlgradient as dl

    def fun(x: Any) -> float:
        with _tracing():
            before = tracemalloc.get_traced_memory()[0]
            y = x
            for _ in range(n):
                y = dl.sin(y)
            return (tracemalloc.get_traced_memory()[0] - before) / n

    return float(dl.dlfeval(fun, x0))


DEEP_CHAIN = Row("deep-chain", _run_deep, partial(_deep_makers, SIZES[1]))


# -- recorded: derivatives of derivatives --------------------------------------------------------

ORDERS = 3


def _our_orders() -> Call:
    import dlgradient as dl

    fun = _chained(dl, LENGTH)

    @dl.dlaccelerate
    def derivatives(x: Any) -> Any:
        found = [fun(x)]
        for _ in range(ORDERS):
            found.append(dl.dlgradient(found[-1], x, enable_higher_derivatives=True))
        return found

    x = dl.dlarray(0.5)
    return lambda: derivatives(x)


def _jax_orders() -> Call:
    import jax
    import jax.numpy as jnp

    funs = [_chained(jnp, LENGTH)]
    for _ in range(ORDERS):
        funs.append(jax.grad(funs[-1]))

    @jax.jit
    def derivatives(x: Any) -> Any:
        return [fun(x) for fun in funs]

    x = jnp.asarray(0.5)
    return lambda: jax.block_until_ready(derivatives(x))


def _orders() -> dict[str, Maker]:
    return {OURS: _our_orders, "jax.jit": _jax_orders}


FAST_ORDERS = recorded(
    "accelerated-orders",
    f"{LENGTH} × sin of a scalar, value and derivatives of orders 1 to {ORDERS}, float64",
    0.5,
    _orders,
    rtol=1e-8,
)
