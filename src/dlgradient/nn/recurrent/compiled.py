"""Which steps of recurrent layers are compiled: all that is elementwise in them.

The products stay with NumPy. Both ways compute on the same buffers, so only a step is exchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from dlgradient.core.sizes import NATIVE_GATE_ELEMENTS
from dlgradient.core.types import Array
from dlgradient.native.switch import uses_native

__all__ = ["Pull", "compiled_lstm", "compiled_lstm_back"]

# Called with the step and the cotangents of the hidden and the cell state; it returns those of the
# arguments of the gates, until the next call.
Pull: TypeAlias = Callable[[int, Array, Array], Array]


def _is_compiled(states: Array) -> bool:
    return uses_native(states.dtype, pays=states.size >= NATIVE_GATE_ELEMENTS)


def compiled_lstm(
    c0: Array, cells: Array, gates: Array, hidden: Array
) -> Callable[[int], None] | None:
    """Return a function of a step that makes gates and states of arguments; None if NumPy computes.

    Parameters
    ----------
    c0 : array
        Initial cell state: units and batch, contiguous.
    cells, gates : array
        Of all steps.
    hidden : array
        Where the state after each step is written.
    """
    if not _is_compiled(cells):
        return None
    from dlgradient.native.compiler import address_of
    from dlgradient.native.gates import lstm_forward

    run = lstm_forward(cells.dtype.char)
    first, state, step, out = map(address_of, (c0, cells, gates, hidden))
    pitch, size = c0.nbytes, c0.size

    def activate(t: int) -> None:
        cell = state + t * pitch
        run(step + t * 5 * pitch, cell - pitch if t else first, cell, out, size)

    return activate


def compiled_lstm_back(c0: Array, cells: Array, gates: Array) -> Pull | None:
    """Return a step back; None if NumPy computes."""
    if not _is_compiled(cells):
        return None
    from dlgradient.native.compiler import address_of
    from dlgradient.native.gates import lstm_back

    run = lstm_back(cells.dtype.char)
    initial = np.ascontiguousarray(c0.T, cells.dtype)
    dz = np.empty_like(gates[0, : 4 * cells.shape[1]])
    state, step, out = map(address_of, (cells, gates, dz))
    pitch, size = initial.nbytes, initial.size

    def pull(t: int, dh: Array, dc: Array) -> Array:
        before = state + (t - 1) * pitch if t else address_of(initial)
        run(step + t * 5 * pitch, before, address_of(dh), address_of(dc), out, size)
        return dz

    return pull
