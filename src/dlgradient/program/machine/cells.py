"""Arrays of a few numbers, each number in a register of its own.

An operation that moves elements, such as indexing or a transposition, is the kernel of NumPy,
applied to places: it costs no instruction. A place of zero is the number zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.types import Dtype, Shape
from dlgradient.native.code import Function, Register

__all__ = [
    "KINDS",
    "LARGEST",
    "MISSES",
    "Cells",
    "Unsupported",
    "converted",
    "moved",
    "of_constant",
    "register",
]

# The types of registers, by dtype.
KINDS = {
    np.dtype(np.float64): "double",
    np.dtype(np.float32): "float",
    np.dtype(np.int64): "i64",
    np.dtype(np.bool_): "i1",
}


# Where the function goes on if the call is not like the recorded one.
MISSES = "miss"
# Elements of an array: compilation takes a millisecond for some hundred instructions.
LARGEST = 64


class Unsupported(Exception):  # noqa: N818 - no error: Python computes
    """A program that has no such form."""


class Cells(NamedTuple):
    """An array of numbers.

    Attributes
    ----------
    dtype : dtype or None
        None for a number of Python.
    numbers : array of objects
        Registers, and constants as numbers of Python.
    """

    dtype: Dtype | None
    numbers: Any

    @property
    def shape(self) -> Shape:
        """The shape."""
        return self.numbers.shape  # type: ignore[no-any-return]


def of_constant(value: Any) -> Cells:
    """Return a constant."""
    if np.size(value) > LARGEST:
        raise Unsupported(f"a constant of shape {np.shape(value)}")
    if type(value) in (int, float, bool):
        return Cells(None, np.array(value, object))
    dtype = getattr(value, "dtype", None)
    if dtype not in KINDS or not isinstance(value, np.ndarray | np.generic):
        raise Unsupported(f"a constant of type {type(value).__name__}")
    return Cells(dtype, np.asarray(value).astype(object))


def moved(kernel: Callable[..., Any], operands: Sequence[Cells], dtype: Dtype) -> Cells:
    """Return what a kernel makes of operands whose elements it only moves, or replaces by zero."""
    flat: list[Any] = [0]
    places = []
    for x in operands:
        count = x.numbers.size
        places.append(np.arange(len(flat), len(flat) + count).reshape(x.shape))
        flat += x.numbers.ravel().tolist()
    found = np.asarray(kernel(*places))
    numbers = np.empty(found.shape, object)
    for index, place in np.ndenumerate(found):
        numbers[index] = flat[place]
    return Cells(dtype, numbers)


def register(f: Function, number: Any, kind: str) -> Register:
    """Return a number in a register of a type; a register has it already."""
    if type(number) is Register:
        return number
    if kind == "i1":
        return Register(f, kind, "true" if number else "false")
    return f.constant(number, kind)


def converted(f: Function, number: Any, source: Dtype | None, target: Dtype) -> Any:
    """Return a number in another dtype, as NumPy converts it."""
    if type(number) is not Register:
        if target.kind == "i" and (type(number) is float or abs(number) >= 2**63):
            raise Unsupported("a conversion to integers")
        return target.type(number).item()
    if source == target:
        return number
    old, new = number.kind, KINDS[target]
    if new == "i1":
        return compared(f, "ne", number, 0)
    if target.kind == "i" and old != "i1":
        raise Unsupported("a conversion to integers")
    instruction = {
        ("i1", "i64"): "zext",
        ("i1", "double"): "uitofp",
        ("i1", "float"): "uitofp",
        ("float", "double"): "fpext",
        ("double", "float"): "fptrunc",
    }.get((old, new), "sitofp")
    return f.assign(f"{instruction} {old} {number.name} to {new}", new)


_ORDERED = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}


def compared(f: Function, relation: str, x: Register, y: Any) -> Register:
    """Return whether two numbers of one type compare so; NaN only differs."""
    other = register(f, y, x.kind)
    if x.kind in ("double", "float"):
        name = f"fcmp {_ORDERED[relation]}"
    else:
        sign = "" if relation in ("eq", "ne") else "s" if x.kind == "i64" else "u"
        name = f"icmp {sign}{relation}"
    return f.assign(f"{name} {x.kind} {x.name}, {other.name}", "i1")
