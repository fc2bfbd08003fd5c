"""Dead code: lines that neither a result nor a check needs."""

from __future__ import annotations

from dlgradient.program.draws import DRAW
from dlgradient.program.lines import Line, Program, Slot

__all__ = ["without_dead_lines"]


def without_dead_lines(program: Program) -> Program:
    """Return a program whose lines are all needed."""
    needed = {x for x in program.results if type(x) is Slot}
    kept = []
    for step in reversed(program.steps):
        # The next numbers of a generator depend on all draws.
        if type(step) is not Line or step.target in needed or step.op is DRAW:
            kept.append(step)
            needed.update(x for x in step.operands if type(x) is Slot)
    return Program(program.inputs, kept[::-1], program.results)
