"""Which programs have compiled loops.

A program gets them when it is made, and the call that makes it waits. So results do not depend on
how long a compiler takes. What cannot be compiled stays with NumPy.
"""

from __future__ import annotations

import warnings

import numpy as np

from dlgradient.core.sizes import NATIVE_LOOP_ELEMENTS
from dlgradient.native.switch import mode, uses_native
from dlgradient.program.lines import Program

__all__ = ["with_loops"]

_DTYPE = np.dtype(np.float64)


def with_loops(program: Program) -> Program | None:
    """Return a program with compiled loops, as the mode of acceleration asks; None if it has none.

    Parameters
    ----------
    program : Program
    """
    if mode() in ("numpy", "none"):
        return None
    try:
        found = _in_tiles(program) or _in_loops(program)
    except (ImportError, OSError, RuntimeError) as error:
        warnings.warn(
            f"dlgradient computes an accelerated function with NumPy alone, since its loops cannot "
            f"be compiled: {error}",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return found if found.groups else None


def _in_tiles(program: Program) -> Program | None:
    if not uses_native(_DTYPE, pays=True):
        return None
    from dlgradient.program.machine.cells import Unsupported
    from dlgradient.program.passes.tiles import tiled

    found = tiled(program)
    try:
        for group in [] if found is None else found.groups:
            group.function.prepare()
    except Unsupported:
        return None
    return found


def _in_loops(program: Program) -> Program:
    from dlgradient.program.passes.groups import grouped

    found = grouped(program, _pays)
    for group in found.groups:
        group.function.prepare()
    return found


def _pays(size: int, weight: int) -> bool:
    """Return whether a loop of so many elements and operations on each is compiled."""
    return uses_native(_DTYPE, pays=size >= NATIVE_LOOP_ELEMENTS and weight > 1)
