"""Constant folding: lines of constants are computed once, and lines that change nothing go.

A line changes nothing if it multiplies by one, or converts to the dtype that there is: the walk
begins with a one, and a rule converts whatever it gets.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.declaration import OPS
from dlgradient.core.types import Dtype, Shape
from dlgradient.engine.gradient import CONSTANT
from dlgradient.program.draws import DRAW
from dlgradient.program.lines import Line, Program, Slot, is_known
from dlgradient.program.passes.replace import replaced, with_operands

__all__ = ["folded"]

_IDENTITIES = frozenset({"positive", "cast", "discretize", "real"})


def folded(program: Program) -> Program:
    """Return a program without lines that need not be computed in each call."""
    values: dict[int, Any] = {}
    kinds: dict[int, tuple[Shape, Dtype | None]] = dict(enumerate(program.inputs))
    new = Program(program.inputs)
    for old in program.steps:
        step = with_operands(old, values)
        if type(step) is Line:
            kinds[step.target] = step.shape, step.dtype
            same = _unchanged(step, kinds)
            if same is None and _is_constant(step):
                same = _computed(step)
            if same is not None:
                values[step.target] = same
                continue
        new.steps.append(step)
    new.results = list(replaced(program.results, values))
    return new


def _is_constant(line: Line) -> bool:
    known = not line.op.declaration.of_user and line.op is not DRAW
    return known and not any(type(x) is Slot for x in line.operands)


def _computed(line: Line) -> Any:
    with np.errstate(all="ignore"):
        kernel = line.op.kernel
        if line.op.variadic:
            return kernel(list(line.operands), **line.params)
        return kernel(*line.operands, **line.params)


def _unchanged(line: Line, kinds: dict[int, tuple[Shape, Dtype | None]]) -> Slot | None:
    """Return the operand that a line returns as it is; None if it computes something."""
    kind = line.shape, line.dtype
    if line.op is CONSTANT or (is_known(line.op) and line.op.name in _IDENTITIES):
        x = line.operands[0]
        return x if type(x) is Slot and kinds[x] == kind else None
    if line.op is OPS["multiply"]:
        for x, factor in (line.operands, line.operands[::-1]):
            if type(x) is Slot and kinds[x] == kind and _is_one(factor):
                return x
    return None


def _is_one(value: Any) -> bool:
    if isinstance(value, np.ndarray):  # the gradient of a sum is a one that is spread
        return value.size > 0 and not any(value.strides) and bool(value.flat[0] == 1)
    return type(value) in (int, float, np.float32, np.float64) and bool(value == 1)
