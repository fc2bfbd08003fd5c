"""Arrays of a table, looked at by machine code.

An update of a network reads its gradients where they are, and not from a copy. Python would need a
microsecond for each array to look at its dtype, shape and address.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from dlgradient.native.code import Register
from dlgradient.native.interface import DATA, DESCR, DIMS, FLAGS, NDIM
from dlgradient.native.objects import PythonFunction

__all__ = ["Pieces"]

_ALIGNED_IN_C_ORDER = 0x0101  # flags of an array
_WRONG = "wrong"


class Pieces(PythonFunction):
    """The text of a function that returns whether all arrays that it got are as they should be.

    Parameters
    ----------
    kind : type
        Of the pieces: it has a slot ``_value`` for the array, and a slot ``_node`` for None.
    slots : dict
        Where instances of it have these.
    char : str
        Of the dtype of all arrays: "f" or "d".
    """

    def __init__(self, kind: type, slots: dict[str, int], char: str) -> None:
        super().__init__("pieces")
        self.kind, self.slots, self.dtype = kind, slots, np.dtype(char)

    def member(self, i: int) -> Register:
        """Return a member of the tuple that the function gets."""
        return self.invoke("PyTuple_GetItem", "ptr", self.argument, f"i64 {i}")

    def integer_of(self, x: Register) -> Register:
        """Return an integer of Python."""
        return self.invoke("PyLong_AsSsize_t", "i64", x)

    def number_in(self, x: Register, i: int, kind: str) -> Register:
        """Return a number in a list of numbers of Python, in the precision of a type."""
        found = self.invoke(
            "PyFloat_AsDouble", "double", self.invoke("PyList_GetItem", "ptr", x, f"i64 {i}")
        )
        if kind == "double":
            return found
        return self.assign(f"fptrunc double {found.name} to {kind}", kind)

    def length(self, x: Register) -> Register:
        """Return the length of an array of one dimension."""
        return self.load("i64", self.field(x, DIMS, "ptr"), 0)

    def memory(self, x: Register) -> Register:
        """Return where the elements of an array are that the caller made for this function."""
        return self.field(x, DATA, "ptr")

    def vector(self, x: Register, size: Register) -> Register:
        """Return where the elements of a vector of a size are."""
        self._look_at(x)
        self._must_equal(self.field(x, NDIM, "i32"), 1)
        self._must_equal(self.length(x), size)
        return self.memory(x)

    @contextmanager
    def each(self, pieces: Register, shapes: Register, count: Register) -> Iterator[Any]:
        """Repeat the lines of a block for each piece of a list: its number, and its address."""
        self._must_be(self.type_of(pieces), list)
        self._must_equal(self.invoke("PyList_Size", "i64", pieces), count)
        at = self.variable(self.constant(0, "i64"))
        with self.loop(0, count) as number:
            x = self.invoke("PyList_GetItem", "ptr", pieces, number)
            self._must_be(self.type_of(x), self.kind)
            self._must_be(self.field(x, self.slots["_node"], "ptr"), None)
            raw = self.field(x, self.slots["_value"], "ptr")
            self._look_at(raw)
            self._compare_shape(raw, shapes, at)
            yield number, self.memory(raw)

    def end(self) -> None:
        """Write the answers."""
        self._answer(True)
        self.label(_WRONG)
        self._answer(False)

    def _answer(self, value: bool) -> None:
        answer = self.object(value)
        self.invoke("Py_IncRef", "void", answer)
        self.line(f"ret ptr {answer.name}")

    def _must_be(self, found: Register, expected: object) -> None:
        other = f"icmp ne ptr {found.name}, {self.object(expected).name}"
        self.branch(self.assign(other, "i1"), _WRONG)

    def _must_equal(self, found: Register, expected: Register | int) -> None:
        name = expected if isinstance(expected, int) else expected.name
        self.branch(self.assign(f"icmp ne {found.kind} {found.name}, {name}", "i1"), _WRONG)

    def _look_at(self, raw: Register) -> None:
        self._must_be(self.type_of(raw), np.ndarray)
        self._must_be(self.field(raw, DESCR, "ptr"), self.dtype)
        flags = self.field(raw, FLAGS, "i32")
        flags = self.assign(f"and i32 {flags.name}, {_ALIGNED_IN_C_ORDER}", "i32")
        self._must_equal(flags, _ALIGNED_IN_C_ORDER)

    def _compare_shape(self, raw: Register, shapes: Register, at: Any) -> None:
        """Compare the shape of an array with the next one, which begins with how long it is."""
        first = at.value
        ndim = self.load("i64", shapes, first)
        found = self.field(raw, NDIM, "i32")
        self._must_equal(self.assign(f"sext i32 {found.name} to i64", "i64"), ndim)
        dims = self.field(raw, DIMS, "ptr")
        with self.loop(0, ndim) as i:
            self._must_equal(self.load("i64", dims, i), self.load("i64", shapes, first + 1 + i))
        at.value = first + 1 + ndim
