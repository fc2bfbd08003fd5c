"""What passes share: a program in which some values are replaced by others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dlgradient.program.lines import Check, Line, Slot, Step

__all__ = ["replaced", "with_operands"]


def replaced(operands: Any, values: Mapping[int, Any]) -> tuple[Any, ...]:
    """Return operands in which some slots are other slots, or constants."""
    return tuple([values.get(x, x) if type(x) is Slot else x for x in operands])


def with_operands(step: Step, values: Mapping[int, Any]) -> Step:
    """Return a line or a check with other operands, or itself."""
    if values.keys().isdisjoint([x for x in step.operands if type(x) is Slot]):
        return step
    operands = replaced(step.operands, values)
    if type(step) is Check:
        return Check(step.function, operands, step.found)
    assert type(step) is Line
    return Line(step.target, step.op, operands, step.params, step.shape, step.dtype, step.silent)
