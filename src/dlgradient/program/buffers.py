"""Which lines may write their result to the memory of an operand.

The array of an operand is free after its last use, on two conditions: it was new, and nothing that
has read it can hold it, or have returned a view of it. Both are known of NumPy's ufuncs only. Small
arrays are not worth it.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from math import prod

import numpy as np

from dlgradient.program.lines import Line, Program, Slot, is_known

__all__ = ["reusable"]

LEAST = 4096  # elements of an array whose memory is used again

# Operations that are one ufunc of NumPy, and may write their result anywhere.
_WRITING = frozenset(
    {*("add", "subtract", "multiply", "divide", "negative", "sqrt", "maximum", "minimum")}
)
# Operations that make a new array and keep none. Some have kernels of their own, on all cores.
_MAKING = _WRITING | {"exp", "log", "sin", "cos", "tanh", "matmul"}


def reusable(program: Program, floats: AbstractSet[Slot]) -> dict[int, Slot]:
    """Return for each line, by its number, the operand whose memory its result takes."""
    last: dict[Slot, int] = {}
    kept = {x for x in program.results if type(x) is Slot}
    fresh: dict[Slot, Line] = {}
    for number, step in enumerate(program.steps):
        new = type(step) is Line and _is_one_of(_MAKING, step) and step.target not in floats
        for x in step.operands:
            if type(x) is Slot:
                last[x] = number
                if not new:
                    kept.add(x)
        if new and type(step) is Line and prod(step.shape) >= LEAST:
            fresh[step.target] = step
    found: dict[int, Slot] = {}
    for number, step in enumerate(program.steps):
        if type(step) is not Line or step.target not in fresh:
            continue
        if not _is_one_of(_WRITING, step):
            continue
        for x in step.operands:
            source = fresh.get(x) if type(x) is Slot else None
            if source is None or x in kept or last[x] != number:
                continue
            if (source.shape, source.dtype) == (step.shape, step.dtype):
                found[number] = x
                break
    return found


def _is_one_of(names: AbstractSet[str], line: Line) -> bool:
    op = line.op
    return (
        op.name in names
        and is_known(op)
        and isinstance(op.declaration.numpy, np.ufunc)
        and line.dtype is not None
        and line.dtype.kind == "f"
    )
