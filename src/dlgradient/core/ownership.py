"""Which arrays may be changed in place, and which values have no name.

Gradients are added into one buffer, and an assignment changes the old value, where no other code
can see the array. This is asked of CPython's reference counts, and of nothing else: a second record
of owners could differ from the truth. An array may be changed in place if

1. it is a `numpy.ndarray` that owns its memory and is writable: a NumPy scalar is immutable, and
   memory of another array is also seen there;
2. the table or slot that holds it has the only reference to it.

A name that still refers to the array makes the answer None, which costs a copy and changes no
result. So a caller must not hold the array when it asks. In the same way a value without a name,
as ``A[0]`` in ``A[0][1] = 7``, is known by its count in ``__setitem__``.

The expected counts are measured when the module is loaded, by the same code that asks. They mean
nothing on another interpreter. In a free-threaded build another thread may hold a reference that is
not counted yet. There no array may be changed in place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from weakref import getweakrefcount

import numpy as np
from numpy import ndarray

from dlgradient.core.types import Array, RawValue

__all__ = ["array_alone_in_slot", "array_alone_in_table", "is_alone_in_table", "is_temporary"]

# Other interpreters need not count references.
getrefcount: Callable[[object], int] = getattr(sys, "getrefcount", lambda _: 0)


class Slot(Protocol):
    """An object that holds a value, as a dlarray does."""

    _value: RawValue


def array_alone_in_table(table: Mapping[Any, RawValue], key: object) -> Array | None:
    """Return the array ``table[key]`` if it may be changed in place, else None."""
    if getrefcount(table.get(key)) != _TABLE:
        return None
    array = table[key]
    own = type(array) is ndarray and array.base is None and array.flags.writeable
    return array if own else None


def is_alone_in_table(table: Mapping[Any, object], key: object) -> bool:
    """Tell whether nothing else refers to ``table[key]``, which may be locked against writing."""
    # A weak reference is not counted, but gives the value back.
    return getrefcount(table.get(key)) == _TABLE and not getweakrefcount(table.get(key))


def array_alone_in_slot(holder: Slot) -> Array | None:
    """Return the array of `holder` if it may be changed in place, else None."""
    if getrefcount(holder._value) != _SLOT:
        return None
    array = holder._value
    own = type(array) is ndarray and array.base is None and array.flags.writeable
    return array if own else None


def is_temporary(count: int) -> bool:
    """Tell whether a value without a name has this reference count in its ``__setitem__``."""
    return count <= _TEMPORARY


class _Probe:
    __slots__ = ("_value",)

    _value: RawValue

    def __setitem__(self, key: int, count: list[int]) -> None:
        count[key] = getrefcount(self)


def measured_counts() -> tuple[int, int]:
    """Counts of an array that only a table, or only a slot, refers to; -1 if they mean nothing."""
    table, holder = {0: np.zeros(1)}, _Probe()
    holder._value = np.zeros(1)

    def count() -> tuple[int, int]:
        return getrefcount(table.get(0)), getrefcount(holder._value)

    alone = count()
    others: tuple[Array, ...] = (table[0], holder._value)
    named = count()
    others = (table[0][:], holder._value[:])
    viewed = count()
    del others
    more = (alone[0] + 1, alone[1] + 1)
    is_locked: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    behaves = is_locked() and (named, viewed, count()) == (more, more, alone)
    return alone if behaves else (-1, -1)


def measured_count_of_temporary() -> int:
    """Return the count of a value without a name in an assignment to it; -1 if it means nothing."""
    counts, named = [0, 0], _Probe()
    named[0] = counts
    _Probe()[1] = counts
    return counts[1] if counts[1] < counts[0] else -1


_TABLE, _SLOT = measured_counts()
_TEMPORARY = measured_count_of_temporary()
