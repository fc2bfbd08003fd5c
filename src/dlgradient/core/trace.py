"""A trace, which is one open `dlfeval`, and the raw arrays that its backward pass reads again.

A raw array next to a traced dlarray is a constant. Its owner may write to it before the backward
pass reads it, as who fills one buffer with each batch does. The numbers would then be silently
wrong. So a trace holds such an array in one of these ways, by size:

* it copies a small one, and a part of a larger array, such as one batch of a data set;
* it locks any other against writing, and takes a digest of it. NumPy looks only at the flag of the
  array that is written to. So views that were made before the lock can still write, and so can
  memoryviews, other libraries, and who sets the flag back. The next backward pass compares the
  digest, and raises an error.

Copies of the same memory are shared while its values stay the same: a constant that is used in
every step of a loop is held once.
"""

from __future__ import annotations

import gc
import sys
from contextvars import ContextVar
from threading import Lock
from typing import ClassVar, NamedTuple, Protocol
from weakref import WeakSet, ref

import numpy as np

from dlgradient.core import ownership
from dlgradient.core.graph import Node
from dlgradient.core.recorder import Recorder
from dlgradient.core.sizes import COPY_BYTES
from dlgradient.core.types import Array, Function, Value
from dlgradient.errors import ChangedArrayError, LeavingTraceError

__all__ = [
    "Held",
    "Trace",
    "are_same",
    "current_trace",
    "digest",
    "open_traces",
    "owner_of",
    "the_trace",
    "two_traces",
]

# Each thread has its own. A task has that of the code that made it.
the_trace: ContextVar[Trace | None] = ContextVar("dlgradient_trace", default=None)


def current_trace() -> Trace | None:
    """Return the trace that is open here; a task may have one that is closed."""
    trace = the_trace.get()
    return trace if trace is not None and trace.is_open else None


# All open traces, of all threads.
open_traces: set[Trace] = set()

# How many open traces lock an array, by its identity.
_locks: dict[int, int] = {}
_locking = Lock()

# Words in a row of the table whose columns a digest sums. It is a prime, so that elements that
# change places, as when a batch is shuffled, are almost never added into the same sum.
_ROW_WORDS = 1021


class Held(Protocol):
    """What a trace holds, and must not change before its backward pass."""

    def change(self, trace: Trace) -> str | None:
        """Return what has changed, for a message; None if nothing has."""

    def release(self) -> None:
        """Leave it to its user again."""


class _Array(NamedTuple):
    """An array that a trace reads again, its digest, and whether the trace locked it."""

    owner: Array
    digest: int
    locked: bool

    def change(self, trace: Trace) -> str | None:
        """Return what has changed, for a message; None if nothing has."""
        if digest(self.owner) == self.digest:
            return None
        return (
            f"an array of shape {self.owner.shape} {self.owner.dtype} was a constant in "
            f"{trace.name}, and has changed since, through a view or other shared memory"
        )

    def release(self) -> None:
        """Leave the array to its user again."""
        if self.locked:
            _unlock(self.owner)


class Trace:
    """One open `dlfeval`: its function, a flag, and the raw arrays that it holds.

    In an accelerated function it has a recorder (`dlgradient.core.reading`).
    """

    __slots__ = (
        "assigned",
        "copies",
        "function",
        "held",
        "is_open",
        "joined",
        "recorder",
        "segments",
    )

    # References to a trace that is closed and has no node; measured when the engine is loaded.
    alone: ClassVar[int] = sys.maxsize

    def __init__(self, function: Function) -> None:
        self.function = function
        self.is_open = True
        self.recorder: Recorder | None = None
        self.held: dict[int, Held] = {}
        self.copies: dict[object, Array] = {}
        # Arguments whose elements were assigned to, by identity; nodes of the arguments of inner
        # evaluations. Made when there is one.
        self.assigned: dict[int, ref[Value]] | None = None
        self.joined: WeakSet[Node] | None = None
        # First and last numbers of nodes that are computed again together; inner ones first.
        self.segments: list[tuple[int, int]] | None = None
        open_traces.add(self)

    @property
    def name(self) -> str:
        """The call of `dlfeval`, for messages."""
        return f"dlfeval({getattr(self.function, '__name__', type(self.function).__name__)})"

    def hold(self, array: Array) -> Array:
        """Return an array with the values that `array` has now, whatever its owner does."""
        if array.nbytes <= COPY_BYTES:
            return array.copy(order="K")
        owner = owner_of(array)
        if array.nbytes < owner.nbytes:
            return self.copied(array)
        if id(owner) not in self.held:
            self.held[id(owner)] = _Array(owner, digest(owner), _lock(owner))
        return array.view()  # its shape and dtype may be assigned to

    def copied(self, array: Array) -> Array:
        """Return a copy of an array, the same one while its memory has the same values."""
        place = array.__array_interface__["data"][0], array.shape, array.strides, array.dtype
        copy = self.copies.get(place)
        if copy is None or not are_same(copy, array):
            copy = self.copies[place] = array.copy(order="K")
        return copy

    def note_assignment(self, x: Value, node: Node) -> None:
        """Note that `x`, whose node is given, is assigned to, if it is an argument."""
        if node.op is None or self.is_joined(node):
            self.assigned = self.assigned or {}
            self.assigned[id(x)] = ref(x)

    def note_argument(self, node: Node) -> None:
        """Note that a node is that of an argument of an inner evaluation, not a variable."""
        if self.joined is None:
            self.joined = WeakSet()
        self.joined.add(node)

    def is_joined(self, node: Node) -> bool:
        """Return whether a node is that of an argument of an inner evaluation."""
        return self.joined is not None and node in self.joined

    def segment_of(self, node: Node) -> tuple[int, int] | None:
        """Return the first and last numbers of what is computed again together with a node."""
        for first, last in self.segments or ():
            if first <= node.seq <= last:
                return first, last
        return None

    def is_assigned(self, x: Value) -> bool:
        """Return whether `x` is an argument whose elements were assigned to."""
        found = self.assigned.get(id(x)) if self.assigned else None
        return found is not None and found() is x

    def check(self, function: str) -> None:
        """Raise an error if anything that the trace holds has changed."""
        for held in self.held.values():
            if change := held.change(self):
                raise ChangedArrayError(
                    f"{function}: {change}, so the derivative would be wrong; change a copy "
                    "instead, make the array a dlarray, which has data of its own, or pass it to "
                    "the call as an argument"
                )

    def close(self) -> None:
        """Close the trace: its nodes become constants, and locked arrays writable.

        Nodes are gone by now, unless a traced dlarray was stored somewhere. Then they forget what
        they were made of, since a list of losses would otherwise keep all graphs alive.
        """
        self.is_open = False
        open_traces.discard(self)
        self.copies.clear()
        while self.held:
            self.held.popitem()[1].release()
        stored = ownership.getrefcount(self) - Trace.alone
        if stored > 0:
            self._forget(stored)
        elif stored:  # the first trace of all, which has no node
            Trace.alone += stored

    def _forget(self, stored: int) -> None:
        """Take from the nodes that are left what they were made of.

        A list of all nodes would cost time in each operation. The garbage collector has one, and
        young nodes are found at once. `stored` counts references to the trace.
        """
        nodes: list[Node] = []
        for generation in range(3):
            if len(nodes) < stored:
                young = gc.get_objects(generation=generation)
                # `isinstance` would ask objects of others for their class, and proxies may act.
                own = [x for x in young if issubclass(type(x), Node)]
                # One that another thread is making has no trace yet.
                nodes += [x for x in own if getattr(x, "trace", None) is self]
        for node in nodes:
            node.parents, node.saved, node.params = (), (), {}


def two_traces(function: str, first: Trace, second: Trace) -> LeavingTraceError:
    """Return the error for operands that two evaluations trace: one would lose its derivative."""
    return LeavingTraceError(
        f"{function}: the operands are traced by two evaluations that run at the same time, "
        f"{first.name} and {second.name}; pass a dlarray that the outer one traces to the inner "
        "dlfeval as an argument, so that it joins the trace, or pass extractdata(x), a constant"
    )


def owner_of(array: Array) -> Array:
    """Return the array that an array is a view of, or itself."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _lock(array: Array) -> bool:
    """Lock an array against writing; return False for one whose flag is the user's own.

    NumPy does not make memory of other objects writable again, so such an array is not locked.
    """
    with _locking:
        locks = _locks.get(id(array), 0)
        if not locks and not (array.flags.writeable and array.flags.owndata):
            return False
        _locks[id(array)] = locks + 1
        array.flags.writeable = False
    return True


def _unlock(array: Array) -> None:
    with _locking:
        _locks[id(array)] -= 1
        if not _locks[id(array)]:
            del _locks[id(array)]
            array.flags.writeable = True


def digest(array: Array) -> int:
    """Return a number that changes with the values of an array and with their order.

    It costs half as much as a copy, where a checksum of the standard library costs six copies.
    """
    data = np.asarray(array).ravel(order="K").view(np.uint8)
    rows = data.size // (8 * _ROW_WORDS)
    table = data[: rows * 8 * _ROW_WORDS].view(np.uint64).reshape(rows, _ROW_WORDS)
    rest = data[rows * 8 * _ROW_WORDS :]
    return hash((np.add.reduce(table, axis=0).tobytes(), rest.tobytes()))


def are_same(x: Array, y: Array) -> bool:
    """Return whether two arrays of one shape and dtype have the same bits."""
    if x.dtype.kind == "c":
        return are_same(x.real, y.real) and are_same(x.imag, y.imag)
    bits = np.dtype(f"u{x.dtype.itemsize}")
    return np.array_equal(x.view(bits), y.view(bits))
