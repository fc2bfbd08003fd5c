"""A chain of up to a million operations: linear time, release without recursion, bytes per node."""

from __future__ import annotations

import sys

from harness import agreement
from harness.children import measure
from harness.contestants import Maker
from harness.result import OURS, Detail, Result, Target, with_unit
from harness.timing import interleaved

from rows import Context
from rows.scalar import chain_makers

SIZES = (10**4, 10**5, 10**6)


def makers(n: int) -> dict[str, Maker]:
    """Return the contestants for a chain of `n` sines; autograd would take minutes for the last."""
    everybody = chain_makers(n)
    names = (OURS, "torch", "numpy", *(("autograd",) if n < SIZES[-1] else ()))
    return {name: everybody[name] for name in names}


def run(context: Context) -> Result:
    """Gradient of deep chains, and what is left after them."""
    sizes = SIZES[:-1] if context.quick else SIZES
    contestants = {n: makers(n) for n in sizes}
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
    found = measure("deep", str(n))
    if "error" in found:
        result.targets.append(
            Target("default recursion limit, flat release", found["error"], False)
        )
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
