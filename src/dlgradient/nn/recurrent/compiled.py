"""Which steps of recurrent layers are compiled: all that is elementwise in them.

The products stay with NumPy. Both ways compute on the same buffers, so only a step is exchanged.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dlgradient.core.sizes import NATIVE_GATE_ELEMENTS
from dlgradient.core.types import Array
from dlgradient.native.switch import uses_native

__all__ = ["compiled_gru", "compiled_gru_back", "compiled_lstm", "compiled_lstm_back"]


def _is_compiled(states: Array) -> bool:
    return states.size > 0 and uses_native(states.dtype, pays=states.size >= NATIVE_GATE_ELEMENTS)


def compiled_lstm(
    z: Array, c0: Array, cells: Array, gates: Array, y: Array
) -> Callable[[int], None] | None:
    """Return a function that makes gates and states of a step; None if NumPy computes.

    Parameters
    ----------
    z : array
        Arguments of the gates.
    c0 : array
        Initial cell state.
    cells, gates, y : array
        Of all steps. All arrays are contiguous.
    """
    if not _is_compiled(cells):
        return None
    from dlgradient.native.compiler import address_of
    from dlgradient.native.gates import lanes_of, lstm_forward

    _, batch, n = cells.shape
    run = lstm_forward(cells.dtype.char, lanes_of(cells.dtype.char, n))
    arguments, first, state, step, hidden = map(address_of, (z, c0, cells, gates, y))
    pitch = c0.nbytes

    def activate(t: int) -> None:
        at = t * pitch
        before = state + at - pitch if t else first
        run(arguments, before, step + 5 * at, state + at, hidden + at, batch, n)

    return activate


def compiled_lstm_back(
    c0: Array, cells: Array, gates: Array, dz: Array
) -> Callable[[int, Array, Array], None] | None:
    """Return a step back, from the cotangents of the states; None if NumPy computes."""
    if not _is_compiled(cells):
        return None
    from dlgradient.native.compiler import address_of
    from dlgradient.native.gates import lanes_of, lstm_back

    _, batch, n = cells.shape
    run = lstm_back(cells.dtype.char, lanes_of(cells.dtype.char, n))
    initial, scratch = np.ascontiguousarray(c0, cells.dtype), np.empty_like(cells[0])
    state, step, target = map(address_of, (cells, gates, dz))
    pitch = initial.nbytes

    def pull(t: int, dh: Array, dc: Array) -> None:
        np.copyto(scratch, dc)
        at = t * pitch
        before = state + at - pitch if t else address_of(initial)
        given = address_of(dh), address_of(scratch)
        run(step + 5 * at, before, *given, target + 4 * at, address_of(dc), batch, n)

    return pull


def compiled_gru(
    z: Array, inputs: Array, h0: Array, gates: Array, y: Array
) -> Callable[[int], None] | None:
    """Return a function that makes gates and state of a step; None if NumPy computes.

    Parameters
    ----------
    z : array
        Arguments of the first three blocks.
    inputs : array
        What the input contributes to the candidate, in all steps.
    h0 : array
        Initial state.
    gates, y : array
        Of all steps. All arrays are contiguous.
    """
    if not _is_compiled(y):
        return None
    from dlgradient.native.compiler import address_of
    from dlgradient.native.gates import gru_forward, lanes_of

    _, batch, n = y.shape
    run = gru_forward(y.dtype.char, lanes_of(y.dtype.char, n))
    arguments, more, first, step, state = map(address_of, (z, inputs, h0, gates, y))
    pitch = h0.nbytes

    def activate(t: int) -> None:
        at = t * pitch
        before = state + at - pitch if t else first
        run(arguments, more + at, before, step + 4 * at, state + at, batch, n)

    return activate


def compiled_gru_back(
    h0: Array, y: Array, gates: Array, dz: Array, through: Array
) -> Callable[[int, Array], None] | None:
    """Return a step back, from the cotangent of the state; None if NumPy computes."""
    if not (_is_compiled(y) and y.flags.c_contiguous):
        return None
    from dlgradient.native.compiler import address_of
    from dlgradient.native.gates import gru_back, lanes_of

    _, batch, n = y.shape
    run = gru_back(y.dtype.char, lanes_of(y.dtype.char, n))
    initial = np.ascontiguousarray(h0, y.dtype)
    state, step, target, passed = map(address_of, (y, gates, dz, through))
    pitch = initial.nbytes

    def pull(t: int, dh: Array) -> None:
        at = t * pitch
        before = state + at - pitch if t else address_of(initial)
        run(step + 4 * at, before, address_of(dh), target + 4 * at, passed, batch, n)

    return pull
