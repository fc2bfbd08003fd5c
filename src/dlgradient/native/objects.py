"""Machine code as a function of Python that is called without a detour.

`PythonFunction` is the text of a function ``object(object)``: it gets one object, and returns one.
A call costs a tenth of what one through ctypes costs, and the code can look at its argument itself.
It holds the lock of the interpreter, and must follow the rules of an extension module: each object
that it makes is returned or released, and after an error it returns nothing.

What differs between processes is in a table that the function gets with each call: addresses of
functions, and objects. The text names only places in the table. So machine code is found on disk
again, and two functions with the same text share it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from dlgradient.core.types import Array
from dlgradient.native.code import Function, Register
from dlgradient.native.compiler import address_of, linked
from dlgradient.native.interface import DATA, TYPE, address

__all__ = ["PythonFunction", "Unavailable"]

_TAKES_ONE = 0x0008  # METH_O


class Unavailable(Exception):  # noqa: N818 - no error: Python computes
    """A function that the machine code would call is nowhere."""


class _Definition(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class _Table(np.ndarray[Any, Any]):
    """Addresses, and what must live as long as the function that uses them."""

    owners: Any


class PythonFunction(Function):
    """The text of a function of one object; see this module.

    Attributes
    ----------
    argument : Register
        The object that it is called with; the caller has a reference.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.arguments = ["ptr %self", "ptr %argument"]
        self.argument = Register(self, "ptr", "%argument")
        self._words: list[int] = []
        self._places: dict[Any, int] = {}
        self._used: list[Any] = []
        self._owners: list[Register] = []
        myself = Register(self, "ptr", "%self")
        self._table = self.field(myself, DATA, "ptr")

    def _definition(self, linkage: str) -> str:
        head = f"define {linkage}ptr @{self.name}({', '.join(self.arguments)}) {{"
        return "\n".join([head, *self._variables, *self._lines, "}"])

    # -- the table -------------------------------------------------------------------------------

    def _word(self, key: Any, word: int) -> Register:
        """Return the address of a word in the table."""
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self._words)
            self._words.append(word)
        return self.at(self._table, place, "i64")

    def object(self, value: object) -> Register:
        """Return an object, which the function keeps alive."""
        self._used.append(value)
        return self.assign(
            f"load ptr, ptr {self._word(('object', id(value)), id(value)).name}", "ptr"
        )

    def memory_of(self, array: Array) -> Register:
        """Return where the elements of an array are, which the function keeps alive."""
        self._used.append(array)
        where = address_of(array)
        place = self._word(("memory", where), where)
        return self.assign(f"load ptr, ptr {place.name}", "ptr")

    def room(self, key: str) -> Register:
        """Return the address of memory whose size is not known yet; see `furnish`."""
        return self.assign(f"load ptr, ptr {self._word(('room', key), 0).name}", "ptr")

    def furnish(self, key: str, array: Array) -> None:
        """Say what the memory is; the function keeps it alive."""
        self._used.append(array)
        self._words[self._places["room", key]] = address_of(array)

    def numbers(self, values: tuple[int, ...]) -> Register:
        """Return the address of some integers."""
        first = self._places.setdefault(("numbers", values), len(self._words))
        if first == len(self._words):
            self._words += values
        return self.at(self._table, first, "i64")

    # -- lines -----------------------------------------------------------------------------------

    def field_address(self, x: Register, offset: int) -> Register:
        """Return where a field of an object is."""
        return self.assign(f"getelementptr i8, ptr {x.name}, i64 {offset}", "ptr")

    def field(self, x: Register, offset: int, kind: str) -> Register:
        """Return a field of an object."""
        place = self.field_address(x, offset)
        return self.assign(f"load {kind}, ptr {place.name}", kind)

    def type_of(self, x: Register) -> Register:
        """Return the type of an object."""
        return self.field(x, TYPE, "ptr")

    def invoke(self, name: str, kind: str, *operands: Register | str) -> Register:
        """Write a call of a function of Python, NumPy or C, with a result of a type or 'void'.

        Operands are registers, or texts such as ``i64 2``.
        """
        where = address(name)
        if where is None:
            raise Unavailable(name)
        target = self.assign(f"load ptr, ptr {self._word(name, where).name}", "ptr")
        given = [x if isinstance(x, str) else f"{x.kind} {x.name}" for x in operands]
        call = f"call {kind} {target.name}({', '.join(given)})"
        if kind == "void":
            self.line(call)
            return target
        return self.assign(call, kind)

    def branch(self, condition: Register, label: str) -> None:
        """Go on at a label if a condition holds, else at the next line."""
        number = self._number()
        self.line(f"br i1 {condition.name}, label %{label}, label %on.{number}")
        self._begin(f"on.{number}")

    def label(self, name: str) -> None:
        """Begin the lines of a label; the line before must not go on here by itself."""
        self._begin(name)

    # -- objects that it makes -------------------------------------------------------------------

    def owner(self) -> Register:
        """Return the address of a place for an object, or null; see `release_owned`."""
        place = self.place("ptr")
        self._variables.append(f"  store ptr null, ptr {place.name}")
        self._owners.append(place)
        return place

    def owned(self, x: Register, failed: str = "") -> Register:
        """Return a place that has the reference to an object; go to a label if there is none."""
        place = self.owner()
        self.line(f"store ptr {x.name}, ptr {place.name}")
        if failed:
            self.branch(self.assign(f"icmp eq ptr {x.name}, null", "i1"), failed)
        return place

    def disown(self, place: Register) -> None:
        """Note that the reference is someone else's now."""
        self.line(f"store ptr null, ptr {place.name}")

    def release_owned(self) -> None:
        """Release all objects that places still have."""
        for place in self._owners:
            found = self.assign(f"load ptr, ptr {place.name}", "ptr")
            self.invoke("Py_DecRef", "void", found)

    # -- numbers in memory -----------------------------------------------------------------------

    def number_at(self, data: Register, index: int, kind: str) -> Register:
        """Read a number; one of type i1 has a byte."""
        if kind != "i1":
            return self.load(kind, data, index)
        place = self.at(data, index, "i8")
        byte = self.assign(f"load i8, ptr {place.name}", "i8")
        return self.assign(f"icmp ne i8 {byte.name}, 0", "i1")

    def store_number(self, x: Register, data: Register, index: int) -> None:
        """Write a number; one of type i1 has a byte."""
        if x.kind != "i1":
            self.store(x, data, index)
            return
        byte = self.assign(f"zext i1 {x.name} to i8", "i8")
        self.line(f"store i8 {byte.name}, ptr {self.at(data, index, 'i8').name}")

    # -- the function ----------------------------------------------------------------------------

    def made(self, *, quickly: bool = True) -> Callable[[Any], Any]:
        """Compile it, and return the function; quickly if there are no loops to improve."""
        code = linked(self.text(), self.name, quickly=quickly)
        definition = _Definition(self.name.encode(), code.address, _TAKES_ONE, None)
        table = np.array(self._words, np.int64).view(_Table)
        table.owners = (code, definition, self._used)
        new = ctypes.pythonapi.PyCFunction_NewEx
        new.restype = ctypes.py_object
        new.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.py_object]
        made: Callable[[Any], Any] = new(ctypes.addressof(definition), table, "dlgradient")
        return made
