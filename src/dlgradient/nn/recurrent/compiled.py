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
    c0: Array, cells: Array, gates: Array, dz: Array, dh: Array, dc: Array
) -> Callable[[int], None] | None:
    """Return a step back, with the cotangents of the states in place; None if NumPy computes.

    All arrays are contiguous.
    """
    if not _is_compiled(cells):
        return None
    from dlgradient.native.compiler import address_of
    from dlgradient.native.gates import lanes_of, lstm_back

    _, batch, n = cells.shape
    run = lstm_back(cells.dtype.char, lanes_of(cells.dtype.char, n))
    after = np.empty_like(dc)
    first, state, step, target = map(address_of, (c0, cells, gates, dz))
    of_h, of_c, of_cell = map(address_of, (dh, after, dc))
    pitch = c0.nbytes

    def pull(t: int) -> None:
        np.copyto(after, dc)
        at = t * pitch
        before = state + at - pitch if t else first
        run(step + 5 * at, before, of_h, of_c, target + 4 * at, of_cell, batch, n)

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
    h0: Array, y: Array, gates: Array, dz: Array, dh: Array, through: Array
) -> Callable[[int], None] | None:
    """Return a step back, from the cotangent of the state; None if NumPy computes.

    All arrays are contiguous.
    """
    if not _is_compiled(y):
        return None
    from dlgradient.native.compiler import address_of
    from dlgradient.native.gates import gru_back, lanes_of

    _, batch, n = y.shape
    run = gru_back(y.dtype.char, lanes_of(y.dtype.char, n))
    first, state, step = map(address_of, (h0, y, gates))
    of_h, target, passed = map(address_of, (dh, dz, through))
    pitch = h0.nbytes

    def pull(t: int) -> None:
        at = t * pitch
        before = state + at - pitch if t else first
        run(step + 4 * at, before, of_h, target + 4 * at, passed, batch, n)

    return pull
