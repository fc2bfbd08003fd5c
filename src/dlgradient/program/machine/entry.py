"""The function of machine code that answers the calls of one path.

It is written for the arguments of one call, as `dlgradient.program.entry` is. In this order: where
it is called; what the function reads besides its arguments; the arguments; the lines of the
program; the results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isnan, prod
from typing import Any

import numpy as np

from dlgradient.core.shares import the_share
from dlgradient.core.trace import the_trace
from dlgradient.core.types import Dtype, Shape
from dlgradient.engine.array import dlarray
from dlgradient.native.code import Register
from dlgradient.native.interface import DATA, DESCR, DIMS, FLAGS, NDIM, SCALAR, fault, slots_of
from dlgradient.native.objects import PythonFunction, Unavailable
from dlgradient.native.switch import chosen
from dlgradient.program.entry import MISS, Hits
from dlgradient.program.lines import Check, Group, Line, Program, Slot
from dlgradient.program.machine.blocks import Blocks, pays
from dlgradient.program.machine.cells import KINDS, MISSES, Cells, Unsupported, register
from dlgradient.program.machine.guards import differs
from dlgradient.program.machine.kernels import BlocksWithKernels
from dlgradient.program.machine.lower import Lowering
from dlgradient.program.machine.places import is_other, watched_places
from dlgradient.program.passes.groups import grouped
from dlgradient.program.watch import Watch

__all__ = ["machine_entry"]

_FAIL = "fail"
_ALIGNED_IN_C_ORDER = 0x0101  # flags of an array
_PLAIN = (int, bool, str, bytes, type(None))


def machine_entry(
    args: tuple[Any, ...], result: Any, program: Program, watch: Watch, mode: str, hits: Hits
) -> Callable[[tuple[Any, ...]], Any] | str:
    """Return the entry of a path as machine code, or why there is none.

    Parameters
    ----------
    args : tuple
        Arguments of the recorded call.
    result : object
        What it returned.
    program : Program
    watch : Watch
        On what the function reads.
    mode : str
        What was chosen for this thread when the entry is made; another is a miss.
    hits : Hits
        Counts the answers.
    """
    if fault() or slots_of(dlarray) is None:
        return fault() or "dlarrays have their slots elsewhere"
    reason = ""
    for in_memory in (False, True):
        try:
            writer = _Writer(program, in_memory=in_memory)
            writer.surroundings(mode)
            watched_places(writer.f, watch, MISSES)
            writer.arguments(args)
            writer.steps()
            writer.results(result, hits)
            return writer.f.made(quickly=not in_memory)
        except (Unsupported, Unavailable) as error:
            reason = str(error)
    return reason


class _Writer:
    """Writes the function.

    Attributes
    ----------
    f : PythonFunction
    inputs : list
        Addresses of the raw values of the arguments.
    """

    def __init__(self, program: Program, *, in_memory: bool) -> None:
        self.f = PythonFunction("entry")
        self.program = grouped(program, pays) if in_memory else program
        self.blocks = BlocksWithKernels(self.f, self.program) if in_memory else None
        self.lowering = self.blocks or Lowering(self.f)
        self.places: dict[Slot, Register] = {}  # of results that are made before the lines
        self.inputs: list[Register] = []
        slots = slots_of(dlarray)
        assert slots is not None
        self._slots = slots

    # -- where it is called ----------------------------------------------------------------------

    def surroundings(self, mode: str) -> None:
        """Miss in a trace, in a share of a batch, and where another mode is chosen."""
        f = self.f
        place = f.owner()
        for variable, expected in ((the_trace, None), (the_share, None), (chosen, mode)):
            operands = (f.object(variable), "ptr null", place)
            failed = f.invoke("PyContextVar_Get", "i32", *operands)
            f.branch(f.assign(f"icmp ne i32 {failed.name}, 0", "i1"), MISSES)
            found = f.assign(f"load ptr, ptr {place.name}", "ptr")
            f.line(f"store ptr null, ptr {place.name}")
            f.invoke("Py_DecRef", "void", found)  # the context has a reference
            f.branch(is_other(f, found, expected), MISSES)

    # -- arguments -------------------------------------------------------------------------------

    def arguments(self, args: tuple[Any, ...]) -> None:
        """Write what looks at the arguments, and takes the numbers in them."""
        count = self.f.invoke("PyTuple_Size", "i64", self.f.argument)
        self._miss_if_not(count, len(args))
        self._members(self.f.argument, "PyTuple", args)

    def _miss_if_not(self, x: Register, expected: int) -> None:
        self.f.branch(self.f.assign(f"icmp ne {x.kind} {x.name}, {expected}", "i1"), MISSES)

    def _members(self, x: Register, kind: str, members: Sequence[Any]) -> None:
        for i, member in enumerate(members):
            found = self.f.invoke(f"{kind}_GetItem", "ptr", x, f"i64 {i}")
            self._argument(found, member)

    def _argument(self, x: Register, value: Any) -> None:
        kind, f = type(value), self.f
        if kind is dlarray:
            self._array(x, value)
        elif kind in (list, tuple):
            name = "PyList" if kind is list else "PyTuple"
            f.branch(is_other(f, f.type_of(x), kind), MISSES)
            self._miss_if_not(f.invoke(f"{name}_Size", "i64", x), len(value))
            self._members(x, name, value)
        elif kind is dict:
            self._dict(x, value)
        elif value is None or kind is bool:
            f.branch(is_other(f, x, value), MISSES)
        elif kind in _PLAIN:
            f.branch(is_other(f, f.type_of(x), kind), MISSES)
            same = f.invoke("PyObject_RichCompareBool", "i32", x, f.object(value), "i32 2")
            self._miss_if_not(same, 1)
        elif kind is float and not isnan(value):
            f.branch(is_other(f, f.type_of(x), float), MISSES)
            self._float(f.invoke("PyFloat_AsDouble", "double", x), value)
        else:
            raise Unsupported(f"an argument of type {kind.__name__}")

    def _float(self, x: Register, value: float) -> None:
        """Miss if a number has other bits, since -0.0 is not 0.0."""
        f = self.f
        known = f.constant(value, "double")
        now, then = (f.assign(f"bitcast double {r.name} to i64", "i64") for r in (x, known))
        f.branch(f.assign(f"icmp ne i64 {now.name}, {then.name}", "i1"), MISSES)

    def _dict(self, x: Register, value: dict[Any, Any]) -> None:
        """Look at the keys in their order; equal texts are one object, as a rule."""
        f = self.f
        if not all(type(key) is str for key in value):
            raise Unsupported("a dict whose keys are no texts")
        f.branch(is_other(f, f.type_of(x), dict), MISSES)
        self._miss_if_not(f.invoke("PyDict_Size", "i64", x), len(value))
        at, key_place, member_place = f.place("i64"), f.place("ptr"), f.place("ptr")
        f.line(f"store i64 0, ptr {at.name}")
        members = []
        for key in value:
            f.invoke("PyDict_Next", "i32", x, at, key_place, member_place)
            found = f.assign(f"load ptr, ptr {key_place.name}", "ptr")
            f.branch(is_other(f, found, key), MISSES)
            members.append(f.assign(f"load ptr, ptr {member_place.name}", "ptr"))
        for found, member in zip(members, value.values(), strict=True):
            self._argument(found, member)

    def _array(self, x: Register, array: Any) -> None:
        f, slots = self.f, self._slots
        f.branch(is_other(f, f.type_of(x), dlarray), MISSES)
        f.branch(is_other(f, f.field(x, slots["_node"], "ptr"), None), MISSES)
        f.branch(is_other(f, f.field(x, slots["_format"], "ptr"), array._format), MISSES)
        raw, value = f.field(x, slots["_value"], "ptr"), array._value
        if value.dtype not in KINDS:
            raise Unsupported(f"an argument of {value.dtype}")
        f.branch(is_other(f, f.type_of(raw), type(value)), MISSES)
        number = Slot(len(self.inputs))
        self.inputs.append(raw)
        if type(value) is np.ndarray:
            self._memory(raw, value, number)
        else:
            loaded = f.number_at(f.field_address(raw, SCALAR), 0, KINDS[value.dtype])
            self.lowering.values[number] = Cells(value.dtype, np.array(loaded, object))

    def _memory(self, raw: Register, value: Any, number: Slot) -> None:
        """Look at what an array says of its memory, and read it."""
        f = self.f
        f.branch(is_other(f, f.field(raw, DESCR, "ptr"), value.dtype), MISSES)
        self._miss_if_not(f.field(raw, NDIM, "i32"), value.ndim)
        dims = f.field(raw, DIMS, "ptr")
        for i, n in enumerate(value.shape):
            self._miss_if_not(f.load("i64", dims, i), n)
        flags = f.field(raw, FLAGS, "i32")
        flags = f.assign(f"and i32 {flags.name}, {_ALIGNED_IN_C_ORDER}", "i32")
        self._miss_if_not(flags, _ALIGNED_IN_C_ORDER)
        data = f.field(raw, DATA, "ptr")
        self.lowering.take(number, data, value.shape, value.dtype)

    # -- lines -----------------------------------------------------------------------------------

    def steps(self) -> None:
        """Write the lines of the program."""
        if self.blocks is not None:
            self._results_in_memory(self.blocks)
        for step in self.program.steps:
            if type(step) is Check:
                self.f.branch(differs(self.lowering, step), MISSES)
            elif type(step) is Line:
                self.lowering.line(step)
            elif type(step) is Group and self.blocks is not None:
                self.blocks.group(step)
            if self.blocks is not None:
                self.blocks.next()
        if self.blocks is not None:
            self.blocks.finish()

    def _results_in_memory(self, blocks: Blocks) -> None:
        """Write what makes the arrays that lines write to; no code of Python runs in it."""
        for x in self.program.results:
            if type(x) is not Slot or x < len(self.inputs) or x in self.places:
                continue
            shape, dtype = blocks.kind(x)
            if pays(prod(shape), 0):
                raw = self._new_raw(shape, dtype)
                self.places[x] = self.f.owned(raw, _FAIL)
                blocks.homes[x] = self.f.field(raw, DATA, "ptr")

    # -- results ---------------------------------------------------------------------------------

    def results(self, result: Any, hits: Hits) -> None:
        """Write what makes the results.

        All raw values first: when Python makes a dlarray, its collector of garbage may run, and
        with it code of the user.
        """
        f = self.f
        owners = iter([self._raw(x) for x in self.program.results])
        made = self._made(result, owners)
        count = f.memory_of(hits.by_machine)
        f.store(f.load("i64", count, 0) + 1, count, 0)
        for place in self.places.values():  # each result has a reference of its own
            f.invoke("Py_DecRef", "void", f.assign(f"load ptr, ptr {place.name}", "ptr"))
        f.line(f"ret ptr {made[0].name}")
        for label, last in ((MISSES, "PyErr_Clear"), (_FAIL, "")):
            f.label(label)
            f.release_owned()
            returned = "null"
            if last:
                f.invoke(last, "void")
                returned = f.object(MISS).name
                f.invoke("Py_IncRef", "void", f"ptr {returned}")
            f.line(f"ret ptr {returned}")

    def _raw(self, x: Any) -> Register:
        """Return the place of a raw result, which has a reference."""
        f = self.f
        if type(x) is not Slot or x < len(self.inputs):
            raw = f.object(x) if type(x) is not Slot else self.inputs[x]
            f.invoke("Py_IncRef", "void", raw)
            return f.owned(raw)
        if x in self.places:
            raw = f.assign(f"load ptr, ptr {self.places[x].name}", "ptr")
            f.invoke("Py_IncRef", "void", raw)
            return f.owned(raw)
        cells = self.lowering.cells(x)
        assert cells.dtype is not None
        if cells.shape == ():
            return self._scalar(cells)
        raw = self._new_raw(cells.shape, cells.dtype)
        place = f.owned(raw, _FAIL)
        data = f.field(raw, DATA, "ptr")
        kind = KINDS[cells.dtype]
        for i, number in enumerate(cells.numbers.ravel()):
            f.store_number(register(f, number, kind), data, i)
        return place

    def _new_raw(self, shape: Shape, dtype: Dtype) -> Register:
        """Return a new array of NumPy, in C order."""
        f = self.f
        f.invoke("Py_IncRef", "void", f.object(dtype))
        operands = (f.object(dtype), f"i32 {len(shape)}", f.numbers(shape))
        rest = ("ptr null", "ptr null", "i32 0", "ptr null")
        return f.invoke("PyArray_NewFromDescr", "ptr", f.object(np.ndarray), *operands, *rest)

    def _scalar(self, cells: Cells) -> Register:
        f = self.f
        number = register(f, cells.numbers[()], KINDS[cells.dtype])
        memory = f.place("i64")
        f.store_number(number, memory, 0)
        raw = f.invoke("PyArray_Scalar", "ptr", memory, f.object(cells.dtype), "ptr null")
        return f.owned(raw, _FAIL)

    def _made(self, value: Any, owners: Any) -> tuple[Register, Register]:
        """Return a part of the result, and the place that has its reference."""
        kind, f = type(value), self.f
        if kind is dlarray:
            return self._new_array(value._format, next(owners))
        if kind in _PLAIN or kind is float:
            known = f.object(value)
            f.invoke("Py_IncRef", "void", known)
            return known, f.owned(known)
        if kind is dict:
            return self._new_dict(value, owners)
        if kind not in (list, tuple):
            raise Unsupported(f"a result of type {kind.__name__}")
        name = "PyList" if kind is list else "PyTuple"
        members = [self._made(v, owners) for v in value]
        new = f.invoke(f"{name}_New", "ptr", f"i64 {len(members)}")
        place = f.owned(new, _FAIL)
        for i, (member, owner) in enumerate(members):
            f.disown(owner)
            f.invoke(f"{name}_SetItem", "i32", new, f"i64 {i}", member)
        return new, place

    def _new_array(self, fmt: str | None, owner: Register) -> tuple[Register, Register]:
        f, slots = self.f, self._slots
        new = f.invoke("PyType_GenericAlloc", "ptr", f.object(dlarray), "i64 0")
        place = f.owned(new, _FAIL)
        raw = f.assign(f"load ptr, ptr {owner.name}", "ptr")
        f.disown(owner)
        for value in (fmt, None):
            f.invoke("Py_IncRef", "void", f.object(value))
        fields = {"_value": raw, "_format": f.object(fmt), "_node": f.object(None)}
        for name, content in fields.items():
            f.line(f"store ptr {content.name}, ptr {f.field_address(new, slots[name]).name}")
        return new, place

    def _new_dict(self, value: dict[Any, Any], owners: Any) -> tuple[Register, Register]:
        f = self.f
        members = {key: self._made(v, owners) for key, v in value.items()}
        new = f.invoke("PyDict_New", "ptr")
        place = f.owned(new, _FAIL)
        for key, (member, owner) in members.items():
            failed = f.invoke("PyDict_SetItem", "i32", new, f.object(key), member)
            f.branch(f.assign(f"icmp ne i32 {failed.name}, 0", "i1"), _FAIL)
            f.disown(owner)
            f.invoke("Py_DecRef", "void", member)
        return new, place
