"""Passes over the array program, one in a file; each returns a program with the same results."""

from __future__ import annotations

from dlgradient.program.lines import Program
from dlgradient.program.passes.common import without_repetitions
from dlgradient.program.passes.dead import without_dead_lines
from dlgradient.program.passes.fold import folded

__all__ = ["improved"]


def improved(program: Program) -> Program:
    """Return a program with fewer lines."""
    return without_dead_lines(without_repetitions(folded(program)))
