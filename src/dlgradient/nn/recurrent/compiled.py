"""Which steps of recurrent layers are compiled: all that is elementwise in them.

The products stay with NumPy. Both ways compute on the same buffers, so only a step is exchanged.
Each function here returns what computes a step, called with its number, or None if NumPy computes.
All arrays are contiguous.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, count, islice, repeat
from typing import TypeAlias

import numpy as np

from dlgradient.core.sizes import NATIVE_GATE_ELEMENTS
from dlgradient.core.types import Array
from dlgradient.native.switch import uses_native

__all__ = ["compiled_gru", "compiled_gru_back", "compiled_lstm", "compiled_lstm_back"]

Step: TypeAlias = Callable[[int], None]


def _compiled(
    kernel: str, first: Array, states: Array, *operands: tuple[Array, int]
) -> Step | None:
    """Return a kernel of `dlgradient.native.gates` as a function of the number of a step.

    Parameters
    ----------
    kernel : str
    first, states : array
        The state before all steps, and those after each. The kernel gets the one before its step.
    *operands : tuple of (array, int)
        What else it gets. An array begins so many states further on in each step.
    """
    if not states.size or not uses_native(states.dtype, pays=states.size >= NATIVE_GATE_ELEMENTS):
        return None
    from dlgradient.native import gates
    from dlgradient.native.compiler import address_of

    steps, batch, units = states.shape
    run = getattr(gates, kernel)(states.dtype.char, gates.lanes_of(states.dtype.char, units))
    # Addresses of all steps at once: to compute them in each one takes as long as a small step.
    places = [count(address_of(a), blocks * first.nbytes) for a, blocks in operands]
    before = chain([address_of(first)], count(address_of(states), first.nbytes))
    calls = list(islice(zip(before, *places, repeat(batch), repeat(units)), steps))
    return lambda t: run(*calls[t])


def compiled_lstm(z: Array, c0: Array, cells: Array, gates: Array, y: Array) -> Step | None:
    """Return a function that makes gates and states of a step.

    Parameters
    ----------
    z : array
        Arguments of the gates.
    c0 : array
        Initial cell state.
    cells, gates, y : array
        Of all steps.
    """
    return _compiled("lstm_forward", c0, cells, (z, 0), (gates, 5), (cells, 1), (y, 1))


def compiled_lstm_back(
    c0: Array, cells: Array, gates: Array, dz: Array, dh: Array, dc: Array
) -> Step | None:
    """Return a step back, with the cotangents of the states in place."""
    after = np.empty_like(dc)
    pull = _compiled("lstm_back", c0, cells, (gates, 5), (dh, 0), (after, 0), (dz, 4), (dc, 0))
    if pull is None:
        return None

    def step(t: int) -> None:
        np.copyto(after, dc)
        pull(t)

    return step


def compiled_gru(z: Array, inputs: Array, h0: Array, gates: Array, y: Array) -> Step | None:
    """Return a function that makes gates and state of a step.

    Parameters
    ----------
    z : array
        Arguments of the first three blocks.
    inputs : array
        What the input contributes to the candidate, in all steps.
    h0 : array
        Initial state.
    gates, y : array
        Of all steps.
    """
    return _compiled("gru_forward", h0, y, (z, 0), (inputs, 1), (gates, 4), (y, 1))


def compiled_gru_back(
    h0: Array, y: Array, gates: Array, dz: Array, dh: Array, through: Array
) -> Step | None:
    """Return a step back, from the cotangent of the state."""
    return _compiled("gru_back", h0, y, (gates, 4), (dh, 0), (dz, 4), (through, 0))
