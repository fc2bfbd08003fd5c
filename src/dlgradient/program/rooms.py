"""Rooms: memory for the intermediate results of programs, kept between calls.

A call takes a room and gives it back at its end. No two calls have the same one: not in threads,
not if a program calls another, not in a forked child, which has its own copy. A call that ends with
an error gives nothing back. What is kept is bounded, and any program may take it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlgradient.core.sizes import ROOM_BYTES, ROOMS
from dlgradient.program.buffers import Plan

__all__ = ["clear_rooms", "given_back", "taken", "with_room"]

_kept: list[Any] = []  # operations of lists are atomic


def with_room(
    function: Callable[..., Any], plan: Plan, otherwise: Callable[..., Any]
) -> Callable[..., Any]:
    """Return a function that adds an argument: arrays in a room.

    Parameters
    ----------
    function : callable
    plan : Plan
    otherwise : callable
        What is called if an argument is not in C order.
    """
    places, nbytes = plan.places, plan.nbytes

    def call(*values: Any) -> Any:
        if not all(x.flags.c_contiguous for x in values):
            return otherwise(*values)
        room = taken(nbytes)
        found = function(*values, [np.ndarray(p.shape, p.dtype, room, p.offset) for p in places])
        given_back(room)
        return found

    return call


def taken(nbytes: int) -> Any:
    """Return a room of so many bytes, or more."""
    try:
        room = _kept.pop()
    except IndexError:
        room = np.empty(0, np.uint8)
    if room.nbytes >= nbytes:
        return room
    del room
    whole = np.empty(nbytes + 64, np.uint8)
    start = -whole.__array_interface__["data"][0] % 64
    return whole[start : start + nbytes]


def given_back(room: Any) -> None:
    """Keep a room for another call, if there are not too many."""
    if room.nbytes <= ROOM_BYTES and len(_kept) < ROOMS:
        _kept.append(room)


def clear_rooms() -> None:
    """Release what is kept."""
    _kept.clear()
