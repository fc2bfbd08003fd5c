"""The text of a function in the language of LLVM, written line by line.

`Function` is a text that grows; a `Register` is the name of a value in it, with Python's operators:
``x * y + 1.0`` writes two lines. Loops and conditions are ``with`` blocks. What a loop changes is a
`Variable`, in memory; LLVM finds a register for it.

A type is written as in the text: 'float', 'double', 'i64', 'ptr', or '<8 x float>', a vector.

A function may call others, which are then in its text: `Function.apply`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

__all__ = [
    "BITS",
    "ELEMENTS",
    "FUNCTIONS",
    "Function",
    "Operand",
    "Register",
    "Variable",
    "split",
    "vector",
]

# The types of numbers, by the character of a dtype.
ELEMENTS = {"f": "float", "d": "double"}
# Texts that are kept of functions which know their shapes.
FUNCTIONS = 256
# What marks the instructions of `stream`.
_STREAMED = "!0 = !{i32 1}\n"
_BYTES = {"ptr": 8, "i1": 1, "i8": 1, "i32": 4, "i64": 8, "float": 4, "double": 8}
# Integers with the bits of a number.
BITS = {"float": "i32", "double": "i64"}
_SIGNED = frozenset({"div", "rem"})
_SHORT = {"float": "f32", "double": "f64", "i64": "i64", "i32": "i32", "i8": "i8"}


def vector(element: str, lanes: int) -> str:
    """Return the type of a vector; one of one lane is a number."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


def split(kind: str) -> tuple[str, int]:
    """Return the type of an element, and the number of lanes."""
    lanes, _, element = kind.strip("<>").rpartition(" x ")
    return element, int(lanes or 1)


class Register:
    """A value in a function: its type, and its name in the text."""

    __slots__ = ("function", "kind", "name")

    def __init__(self, function: Function, kind: str, name: str) -> None:
        self.function, self.kind, self.name = function, kind, name

    def __add__(self, other: Operand) -> Register:
        return self.function.combine("add", self, other)

    def __sub__(self, other: Operand) -> Register:
        return self.function.combine("sub", self, other)

    def __mul__(self, other: Operand) -> Register:
        return self.function.combine("mul", self, other)

    def __truediv__(self, other: Operand) -> Register:
        return self.function.combine("div", self, other)

    def __mod__(self, other: Operand) -> Register:
        return self.function.combine("rem", self, other)

    def __lshift__(self, other: Operand) -> Register:
        return self.function.combine("shl", self, other)

    def __rshift__(self, other: Operand) -> Register:
        return self.function.combine("ashr", self, other)

    def __lt__(self, other: Operand) -> Register:
        return self.function.compare("lt", self, other)

    def __gt__(self, other: Operand) -> Register:
        return self.function.compare("gt", self, other)

    def __and__(self, other: Operand) -> Register:
        return self.function.combine("and", self, other)

    def __or__(self, other: Operand) -> Register:
        return self.function.combine("or", self, other)

    def __xor__(self, other: Operand) -> Register:
        return self.function.combine("xor", self, other)


Operand: TypeAlias = Register | float


class Variable:
    """A place in memory for a value that a loop changes."""

    __slots__ = ("_address", "_function", "_kind")

    def __init__(self, function: Function, kind: str, address: str) -> None:
        self._function, self._kind, self._address = function, kind, address

    @property
    def value(self) -> Register:
        """Its value at this line of the text."""
        return self._function.assign(f"load {self._kind}, ptr {self._address}", self._kind)

    @value.setter
    def value(self, new: Register) -> None:
        self._function.line(f"store {self._kind} {new.name}, ptr {self._address}")


class Function:
    """A function of addresses and integers, which has no result.

    One that others call may have arguments of any type, and a result: `value` and `returns`.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.arguments: list[str] = []
        self._variables: list[str] = []
        self._lines: list[str] = []
        self._declared: dict[str, None] = {}
        self._called: dict[str, Function] = {}
        self._result: Register | None = None
        self._count = 0

    def text(self) -> str:
        """Return the text; more lines are not expected."""
        called: dict[str, Function] = {}
        self._collect(called)
        functions = [self, *called.values()]
        declared = {line: None for f in functions for line in f._declared}
        inner = [f._definition("internal ") for f in called.values()]
        return "\n".join([*declared, *inner, self._definition(""), _STREAMED])

    def _collect(self, found: dict[str, Function]) -> None:
        for name, function in self._called.items():
            if name not in found:
                found[name] = function
                function._collect(found)

    def _definition(self, linkage: str) -> str:
        result = self._result
        kind, value = ("void", "void") if result is None else (result.kind, _named(result))
        head = f"define {linkage}{kind} @{self.name}({', '.join(self.arguments)})"
        # In the loop of the caller, constants stay in registers: tanh takes two thirds of the time.
        head += " alwaysinline {" if result is not None else " {"
        return "\n".join([head, *self._variables, *self._lines, f"  ret {value}", "}"])

    # -- lines -----------------------------------------------------------------------------------

    def line(self, instruction: str) -> None:
        """Write an instruction without a result."""
        self._lines.append(f"  {instruction}")

    def assign(self, instruction: str, kind: str) -> Register:
        """Write an instruction, and return its result."""
        name = f"%{self._number()}"
        self.line(f"{name} = {instruction}")
        return Register(self, kind, name)

    def _number(self) -> str:
        self._count += 1
        return f"v{self._count}"

    def _begin(self, block: str) -> None:
        self._lines.append(f"{block}:")

    # -- arguments -------------------------------------------------------------------------------

    def address(self, name: str, *, shared: bool = False) -> Register:
        """Add an argument: the address of an array.

        Unless it is shared, no other argument is of memory that the function changes in it.
        """
        self.arguments.append(f"ptr {'' if shared else 'noalias '}%{name}")
        return Register(self, "ptr", f"%{name}")

    def integer(self, name: str) -> Register:
        """Add an argument: an integer."""
        self.arguments.append(f"i64 %{name}")
        return Register(self, "i64", f"%{name}")

    def value(self, name: str, kind: str) -> Register:
        """Add an argument of any type, to a function that others call."""
        self.arguments.append(f"{kind} %{name}")
        return Register(self, kind, f"%{name}")

    def returns(self, result: Register) -> None:
        """Say what the function returns."""
        self._result = result

    def apply(self, function: Function, *operands: Register) -> Register:
        """Write a call of another function, and return its result."""
        self._called[function.name] = function
        given = ", ".join(map(_named, operands))
        call = f"@{function.name}({given})"
        if function._result is None:
            self.line(f"call void {call}")
            return operands[0]
        return self.assign(f"call {function._result.kind} {call}", function._result.kind)

    # -- values ----------------------------------------------------------------------------------

    def constant(self, value: float, kind: str) -> Register:
        """Return a number, in all lanes of a vector."""
        element, lanes = split(kind)
        if element not in BITS:
            name = str(int(value))
        else:  # the bits of a double say it exactly, also for a float
            if element == "float":
                (value,) = struct.unpack("f", struct.pack("f", value))
            name = f"0x{int.from_bytes(struct.pack('>d', value)):016X}"
        if lanes > 1:
            name = f"<{', '.join([f'{element} {name}'] * lanes)}>"
        return Register(self, kind, name)

    def spread(self, x: Register, kind: str) -> Register:
        """Return a vector with a number in all lanes."""
        _, lanes = split(kind)
        if lanes == 1:
            return x
        one = self.assign(f"insertelement {kind} poison, {x.kind} {x.name}, i64 0", kind)
        places = f"<{lanes} x i32> zeroinitializer"
        return self.assign(f"shufflevector {kind} {one.name}, {kind} poison, {places}", kind)

    def combine(self, operation: str, x: Register, y: Operand) -> Register:
        """Write an operation of arithmetic, 'add', 'sub', 'mul', 'div', 'rem', or of bits."""
        real = split(x.kind)[0] in BITS
        prefix = "f" if real else "s" if operation in _SIGNED else ""
        return self.assign(
            f"{prefix}{operation} {x.kind} {x.name}, {self._name(y, x.kind)}", x.kind
        )

    def compare(self, relation: str, x: Register, y: Operand) -> Register:
        """Write a comparison: 'lt', 'le', 'gt', 'ge', 'eq' or 'ne'; only 'ne' holds of NaN."""
        element, lanes = split(x.kind)
        if element not in BITS:
            name = f"icmp {relation if relation in ('eq', 'ne') else 's' + relation}"
        else:
            name = f"fcmp {'u' if relation == 'ne' else 'o'}{relation}"
        pair = f"{x.kind} {x.name}, {self._name(y, x.kind)}"
        return self.assign(f"{name} {pair}", vector("i1", lanes))

    def choose(self, condition: Register, x: Register, y: Operand) -> Register:
        """Write a choice: x where the condition holds, else y."""
        pair = f"{x.kind} {x.name}, {x.kind} {self._name(y, x.kind)}"
        return self.assign(f"select {condition.kind} {condition.name}, {pair}", x.kind)

    def is_nan(self, x: Register) -> Register:
        """Return where a number is NaN."""
        return self.assign(f"fcmp uno {x.kind} {x.name}, {x.name}", vector("i1", split(x.kind)[1]))

    def both(self, x: Register, y: Register) -> Register:
        """Return where two conditions hold."""
        return self.assign(f"and {x.kind} {x.name}, {y.name}", x.kind)

    def either(self, x: Register, y: Register) -> Register:
        """Return where one of two conditions holds."""
        return self.assign(f"or {x.kind} {x.name}, {y.name}", x.kind)

    def call(self, name: str, x: Register, *others: Operand) -> Register:
        """Write a call of a function of LLVM, of operands and a result of one type: 'sqrt'."""
        element, lanes = split(x.kind)
        whole = f"llvm.{name}.{f'v{lanes}' if lanes > 1 else ''}{_SHORT[element]}"
        names = [x.name, *[self._name(y, x.kind) for y in others]]
        self._declared[f"declare {x.kind} @{whole}({', '.join([x.kind] * len(names))})"] = None
        given = ", ".join([f"{x.kind} {name}" for name in names])
        return self.assign(f"call {x.kind} @{whole}({given})", x.kind)

    def multiply_add(self, x: Register, y: Register, z: Register) -> Register:
        """Write x y + z, rounded once where the processor can, else twice."""
        return self.call("fmuladd", x, y, z)

    def convert(self, x: Register, kind: str) -> Register:
        """Return an integer as a real number."""
        return self.recast("sitofp", x, kind)

    def recast(self, how: str, x: Register, kind: str) -> Register:
        """Write a conversion, such as 'fpext', 'trunc' or 'bitcast'."""
        return self.assign(f"{how} {x.kind} {x.name} to {kind}", kind)

    def any(self, conditions: Register) -> Register:
        """Return whether a condition holds in any lane."""
        _, lanes = split(conditions.kind)
        if lanes == 1:
            return conditions
        return self.compare("ne", self.recast("bitcast", conditions, f"i{lanes}"), 0)

    def leading_zeros(self, x: Register) -> Register:
        """Return how many of the first binary digits of an integer are zero."""
        name = f"{x.kind} @llvm.ctlz.{x.kind}({x.kind}"
        self._declared[f"declare {name}, i1)"] = None
        return self.assign(f"call {name} {x.name}, i1 false)", x.kind)

    def negative(self, x: Register) -> Register:
        """Return -x, of a number."""
        return self.assign(f"fneg {x.kind} {x.name}", x.kind)

    def places(self, lanes: int) -> Register:
        """Return the integers from zero on."""
        values = ", ".join([f"i64 {i}" for i in range(lanes)])
        return Register(self, vector("i64", lanes), f"<{values}>" if lanes > 1 else "0")

    def bits(self, x: Register) -> Register:
        """Return integers with the bits of numbers."""
        element, lanes = split(x.kind)
        return self.with_bits(x, vector(BITS[element], lanes))

    def with_bits(self, x: Register, kind: str) -> Register:
        """Return a value of another type that has the same bits."""
        return self.recast("bitcast", x, kind)

    def sum_of_lanes(self, x: Register) -> Register:
        """Return the sum of the elements of a vector, added pairwise."""
        element, lanes = split(x.kind)
        while lanes > 1:
            lanes //= 2
            halves = [self._lanes(x, range(start, start + lanes), element) for start in (0, lanes)]
            x = halves[0] + halves[1]
        return x

    def _lanes(self, x: Register, places: Iterable[int], element: str) -> Register:
        """Return some lanes of a vector."""
        chosen = list(places)
        if len(chosen) == 1:
            return self.assign(f"extractelement {x.kind} {x.name}, i64 {chosen[0]}", element)
        mask = f"<{len(chosen)} x i32> <{', '.join([f'i32 {i}' for i in chosen])}>"
        return self.assign(
            f"shufflevector {x.kind} {x.name}, {x.kind} poison, {mask}",
            vector(element, len(chosen)),
        )

    def every(self, step: int, x: Register, first: int = 0) -> Register:
        """Return a vector of the elements of one that are a step apart."""
        element, lanes = split(x.kind)
        return x if step == 1 else self._lanes(x, range(first, lanes, step), element)

    def interleaved(self, parts: Sequence[Register]) -> Register:
        """Return a vector of the first elements of several, then of the second ones, and so on."""
        count = len(parts)
        element, lanes = split(parts[0].kind)
        size = count * lanes
        wide = [self._lanes(part, [i // count for i in range(size)], element) for part in parts]
        total = wide[0]
        for k, part in enumerate(wide[1:], 1):
            places = ", ".join([f"i32 {i + size if i % count == k else i}" for i in range(size)])
            pair = f"{part.kind} {total.name}, {part.kind} {part.name}"
            total = self.assign(f"shufflevector {pair}, <{size} x i32> <{places}>", part.kind)
        return total

    def lanes_within(self, start: Register, stop: Register, lanes: int) -> Register:
        """Return which lanes are from `start` until before `stop`, integers of 64 bits."""
        kind = vector("i32", lanes)
        numbers = Register(self, kind, f"<{', '.join([f'i32 {i}' for i in range(lanes)])}>")
        first, end = [
            self.spread(self.assign(f"trunc i64 {i.name} to i32", "i32"), kind)
            for i in (start, stop)
        ]
        return self.both(self.compare("ge", numbers, first), numbers < end)

    def _name(self, x: Operand, kind: str) -> str:
        return x.name if isinstance(x, Register) else self.constant(x, kind).name

    # -- memory ----------------------------------------------------------------------------------

    def table(self, numbers: Iterable[int]) -> Register:
        """Return the address of integers that do not change."""
        values = ", ".join([f"i64 {n}" for n in numbers])
        count = values.count(",") + 1
        name = f"@{self.name}.table"
        self._declared[f"{name} = internal constant [{count} x i64] [{values}]"] = None
        return Register(self, "ptr", name)

    def at(self, array: Register, index: Operand, element: str) -> Register:
        """Return the address of an element of an array."""
        where = self._name(index, "i64")
        return self.assign(f"getelementptr {element}, ptr {array.name}, i64 {where}", "ptr")

    def pointer(self, x: Register) -> Register:
        """Return an integer as an address."""
        return self.assign(f"inttoptr i64 {x.name} to ptr", "ptr")

    def integer_at(self, x: Register) -> Register:
        """Return an address as an integer."""
        return self.assign(f"ptrtoint ptr {x.name} to i64", "i64")

    def until_aligned(self, array: Register, kind: str) -> Register:
        """Return how many elements are before the first aligned vector in an array."""
        element, lanes = split(kind)
        size = _BYTES[element]
        number = self.integer_at(array) / size
        return (self.constant(lanes, "i64") - number % lanes) % lanes

    def load(self, kind: str, array: Register, index: Operand) -> Register:
        """Read an element of an array, and for a vector those after it."""
        element, _ = split(kind)
        place = self.at(array, index, element)
        return self.assign(f"load {kind}, ptr {place.name}, align {_BYTES[element]}", kind)

    def store(self, x: Register, array: Register, index: Operand) -> None:
        """Write to an element of an array, and for a vector to those after it."""
        element, _ = split(x.kind)
        place = self.at(array, index, element)
        self.line(f"store {x.kind} {x.name}, ptr {place.name}, align {_BYTES[element]}")

    def stream(self, x: Register, array: Register, index: Operand) -> None:
        """Write a vector past the caches to where it is aligned: no one reads it soon."""
        element, lanes = split(x.kind)
        place = self.at(array, index, element)
        self.line(
            f"store {x.kind} {x.name}, ptr {place.name}, align {_BYTES[element] * lanes}, "
            "!nontemporal !0"
        )

    def load_some(
        self, mask: Register, array: Register, index: Operand, other: Register
    ) -> Register:
        """Read the lanes of a vector where a mask holds, and take those of `other` elsewhere.

        Memory of the other lanes need not exist. A processor without such an instruction takes one
        lane after the other.
        """
        element, lanes = split(other.kind)
        place = self.at(array, index, element)
        name = f"llvm.masked.load.v{lanes}{_SHORT[element]}.p0"
        self._declared[f"declare {other.kind} @{name}(ptr, {mask.kind}, {other.kind})"] = None
        address = f"ptr align {_BYTES[element]} {place.name}"
        given = f"{address}, {mask.kind} {mask.name}, {other.kind} {other.name}"
        return self.assign(f"call {other.kind} @{name}({given})", other.kind)

    def store_some(self, mask: Register, x: Register, array: Register, index: Operand) -> None:
        """Write the lanes of a vector where a mask holds."""
        element, lanes = split(x.kind)
        place = self.at(array, index, element)
        name = f"llvm.masked.store.v{lanes}{_SHORT[element]}.p0"
        self._declared[f"declare void @{name}({x.kind}, ptr, {mask.kind})"] = None
        address = f"ptr align {_BYTES[element]} {place.name}"
        self.line(f"call void @{name}({x.kind} {x.name}, {address}, {mask.kind} {mask.name})")

    def place(self, kind: str) -> Register:
        """Return the address of a place for a value, which lasts as long as the call."""
        address = f"%{self._number()}"
        self._variables.append(f"  {address} = alloca {kind}")
        return Register(self, "ptr", address)

    def variable(self, initial: Register) -> Variable:
        """Return a place for a value that a loop changes."""
        variable = Variable(self, initial.kind, self.place(initial.kind).name)
        variable.value = initial
        return variable

    # -- control ---------------------------------------------------------------------------------

    @contextmanager
    def loop(self, start: Operand, stop: Operand, step: int = 1) -> Iterator[Register]:
        """Repeat the lines of a block for each index from `start` until before `stop`."""
        number = self._number()
        zero = Register(self, "i64", self._name(start, "i64"))
        index = self.variable(zero)
        self.line(f"br label %head.{number}")
        self._begin(f"head.{number}")
        now = index.value
        more = self.compare("lt", now, stop)
        self.line(f"br i1 {more.name}, label %body.{number}, label %end.{number}")
        self._begin(f"body.{number}")
        yield now
        index.value = now + step
        self.line(f"br label %head.{number}")
        self._begin(f"end.{number}")

    @contextmanager
    def when(self, condition: Register) -> Iterator[None]:
        """Execute the lines of a block if a condition holds."""
        number = self._number()
        self.line(f"br i1 {condition.name}, label %then.{number}, label %end.{number}")
        self._begin(f"then.{number}")
        yield
        self.line(f"br label %end.{number}")
        self._begin(f"end.{number}")


def _named(x: Register) -> str:
    return f"{x.kind} {x.name}"
