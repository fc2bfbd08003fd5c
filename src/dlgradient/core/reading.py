"""What Python reads of a value, in a call that is recorded.

A recorded program (`dlgradient.program`) repeats the operations of a call, and not its Python. But
Python may decide by a value, or make a parameter of it. What it learns then must be the same in
every call that the program answers. Code above the call paths reads values by the functions here,
and the recorder of the trace notes what was read. Without one they cost a look at the node.

A recorder also follows arrays that `dlfeval` does not trace, such as integers. They have a node,
but no derivative: `is_traced` tells them from those that have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from dlgradient.core.graph import Node
from dlgradient.core.recorder import Recorder
from dlgradient.core.trace import current_trace
from dlgradient.core.types import RawValue, Shape, Value
from dlgradient.core.values import is_dlarray

__all__ = [
    "decided",
    "draw",
    "followed",
    "hand_out",
    "is_c_contiguous",
    "is_followed",
    "is_traced",
    "raw",
    "read",
    "refuse",
    "refuse_here",
    "unread",
]

_T = TypeVar("_T")


def followed(x: Value) -> Recorder | None:
    """Return the recorder that follows a dlarray; None if nothing does."""
    node = x._node
    return None if node is None else node.trace.recorder


def is_traced(x: Value) -> bool:
    """Return whether a dlarray has a derivative in an open trace."""
    node = x._node
    if node is None or not node.trace.is_open:
        return False
    recorder = node.trace.recorder
    return recorder is None or not recorder.is_static(node)


def is_followed(x: Value) -> bool:
    """Return whether a dlarray is traced, or a recording follows it."""
    return x._node is not None and bool(x._node.trace.is_open)


def read(x: Value) -> RawValue:
    """Return the value of a dlarray, which becomes a part of the program."""
    recorder = followed(x)
    if recorder is not None:
        recorder.note(whole, (x,), x._value)
    return x._value


def raw(x: Value) -> RawValue:
    """Return the value of a dlarray, or any other operand as it is."""
    return read(x) if is_dlarray(x) else x


def unread(x: Value) -> RawValue:
    """Return the value of an operand, of which only shape, dtype and memory are looked at."""
    return x._value if is_dlarray(x) else x


def is_c_contiguous(x: Value) -> bool:
    """Return whether elements are in C order in memory."""
    value: Any = unread(x)
    return bool(value.flags.c_contiguous)


def whole(value: RawValue) -> RawValue:
    """Return what `read` reads."""
    return value


def decided(function: Callable[..., _T], *operands: Any) -> _T:
    """Return a function of raw values by which Python decides; only its result is compared later.

    It must be a function of a module, which nothing but its arguments changes.
    """
    found = function(*[x._value if is_dlarray(x) else x for x in operands])
    for x in operands:
        if is_dlarray(x):
            recorder = followed(x)
            if recorder is not None:
                recorder.note(function, operands, found)
                break
    return found


def draw(generator: np.random.Generator, shape: Shape, dtype: type) -> RawValue | Value:
    """Return random numbers from 0 to 1; if a call is recorded, as a value that it follows."""
    trace = current_trace()
    if trace is None or trace.recorder is None:
        return generator.random(shape, dtype)
    return trace.recorder.draw(generator, shape, dtype, trace)


def hand_out(generator: np.random.Generator) -> None:
    """Note that code which may draw from a generator gets it."""
    trace = current_trace()
    if trace is not None and trace.recorder is not None:
        trace.recorder.hand_out(generator)


def refuse_here(reason: str) -> None:
    """Note that no program can repeat the call that runs here."""
    trace = current_trace()
    if trace is not None and trace.recorder is not None:
        trace.recorder.refuse(reason)


def refuse(node: Node, reason: str) -> None:
    """Note that no program can repeat the call of a node."""
    recorder = node.trace.recorder
    if recorder is not None:
        recorder.refuse(reason)
