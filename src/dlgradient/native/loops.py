"""Loop programs: many elementwise steps, and the sums they end in, in one pass over memory.

All arrays of a loop are seen as rows of elements. An operand has an element for each of them, or it
repeats: along rows, along some of the dimensions of rows, or everywhere, as a number. A value that
no one else needs stays in a register.

A sum runs over the elements of a row, or over all rows. Rows are cut into segments, and what is
summed one after the other is short: eight vectors, and then eight such sums. What is left is one
number for each segment, or for some rows one row, which NumPy adds. So errors are about those of
pairwise sums, and no bit depends on the number of threads.

Arithmetic has the bits of NumPy's. Mathematical functions are those of `maths`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from math import inf, prod
from typing import NamedTuple, TypeAlias

import numpy as np

from dlgradient.core.sizes import NATIVE_LOOP_WORK
from dlgradient.core.threads import in_blocks
from dlgradient.core.types import Array, Shape
from dlgradient.errors import located
from dlgradient.native import maths
from dlgradient.native.code import ELEMENTS, Function, Register, Variable, vector
from dlgradient.native.compiler import Compiled, address_of, compiled
from dlgradient.native.formula import operation as step_of_formula
from dlgradient.native.machine import machine
from dlgradient.native.partial import Partial, total_of

__all__ = [
    "NAMES",
    "RELATIONS",
    "Loop",
    "Operand",
    "Step",
    "Sum",
    "Value",
    "function",
    "is_summed",
]

_SUMMED = 8  # vectors that are summed one after the other
_ROWS = 64  # that are summed one after the other
# Elements that a thread takes at once: of a row without a sum along it, and of short rows.
_SEGMENT, _ITEM = 1 << 14, 1 << 12
# Types of elements in memory, and of values, by the character of the dtype.
_INTEGERS: dict[str, str] = {np.dtype(np.int32).char: "i32", np.dtype(np.int64).char: "i64"}
_MEMORY: dict[str, str] = {"?": "i8", **_INTEGERS, **ELEMENTS}
_KINDS = {**_MEMORY, "?": "i1"}
_CASTS: dict[str, str] = {"?": "uitofp", **dict.fromkeys(_INTEGERS, "sitofp")}

# A value: the name of an operand 'x0', of a step 's0', or a number.
Value: TypeAlias = str | float


class Operand(NamedTuple):
    """What a loop reads.

    Attributes
    ----------
    char : str
        Of the dtype: 'f', 'd', '?', 'i' or 'l'. A number is read as 'd'.
    varies : tuple of bool
        Whether it has elements of its own along each dimension.
    """

    char: str
    varies: tuple[bool, ...]


class Step(NamedTuple):
    """An operation of operands of one dtype, and of a result of dtype `char`."""

    name: str
    char: str
    operands: tuple[Value, ...]


class Body(NamedTuple):
    """What a loop does, whatever the lengths are.

    Attributes
    ----------
    operands : tuple of Operand
        'x0', 'x1' and so on. Those that vary nowhere are numbers.
    steps : tuple of Step
    stored : tuple of str
        Steps whose values are written, each as an array.
    sums : tuple of (str, bool)
        Steps that are summed: along the last dimension, or along all others.
    full, rest : bool
        Whether there are whole vectors, and whether elements are left at the end of a row.
    """

    operands: tuple[Operand, ...]
    steps: tuple[Step, ...]
    stored: tuple[str, ...]
    sums: tuple[tuple[str, bool], ...]
    full: bool
    rest: bool

    @property
    def element(self) -> str:
        """What decides how many lanes a vector has."""
        chars = {s.char for s in self.steps} | {x.char for x in self.operands if any(x.varies)}
        return "float" if "f" in chars else "double"


class Sum(NamedTuple):
    """A step whose values are summed.

    Attributes
    ----------
    name : str
    axes : frozenset of int
        See `is_summed`.
    shape : tuple of int
        Of the result.
    divisor : int or None
        What the sum is divided by.
    """

    name: str
    axes: frozenset[int]
    shape: Shape
    divisor: int | None = None


def is_summed(shape: Shape, axes: frozenset[int]) -> bool:
    """Return whether a loop sums over these axes: with the last one, or over all but the last."""
    long = [i for i, n in enumerate(shape) if n != 1]
    if not long or not any(i in axes for i in long):
        return False
    return long[-1] in axes or all(i in axes for i in long[:-1])


class Loop:
    """A loop program for arrays of one shape.

    Parameters
    ----------
    shape : tuple of int
        Of the values of steps.
    operands : sequence of Operand
    steps : sequence of Step
    stored : sequence of str
        Steps whose values are results.
    sums : sequence of Sum

    Attributes
    ----------
    body : Body
    numbers : list of bool
        Which operands are numbers.
    sizes : tuple of int
        What the kernel gets.
    count : int
        Into how many items the work is cut.
    work : int
        About how many operations on elements it is.
    """

    def __init__(
        self,
        shape: Shape,
        operands: Sequence[Operand],
        steps: Sequence[Step],
        stored: Sequence[str],
        sums: Sequence[Sum],
    ) -> None:
        looks = [x.varies for x in operands] + [
            tuple([i in s.axes for i in range(len(shape))]) for s in sums
        ]
        sizes, looks = _collapsed(shape, looks)
        seen = [Operand(x.char, v) for x, v in zip(operands, looks, strict=False)]
        self._over = looks[len(seen) :]
        *self._outer, length = sizes
        along = tuple([(s.name, over[-1]) for s, over in zip(sums, self._over, strict=True)])
        body = Body(tuple(seen), tuple(steps), tuple(stored), along, True, True)
        lanes = machine().lanes(body.element)
        body = body._replace(full=length >= lanes, rest=length % lanes > 0)
        self._shape, self._sums = shape, list(sums)
        self._chars = {f"s{i}": step.char for i, step in enumerate(steps)}
        self._stored = [np.dtype(self._chars[name]) for name in stored]
        self.body = body
        self._kernel: Compiled | None = None
        self.numbers = [not any(x.varies) for x in seen]
        self._nbytes = [
            np.dtype(x.char).itemsize * prod(n for n, v in zip(sizes, x.varies, strict=True) if v)
            for x in seen
        ]
        rows = prod(self._outer)
        segment = _SUMMED**2 * lanes if any(a for _, a in along) else _SEGMENT
        self._segments = -(-length // segment)
        chunk = _ROWS if not all(a for _, a in along) else max(1, _ITEM // max(length, 1))
        self._chunks = -(-rows // chunk)
        self._length = length
        self._sizes = np.array(
            [length, self._segments, segment, chunk, rows, *self._outer[1:]], np.int64
        )
        self.sizes = tuple(self._sizes.tolist())
        self.count = self._chunks * self._segments
        self._where = address_of(self._sizes)
        self._new = [None] * len(self._stored)
        self.work = rows * length * _weight(body)
        self._split = self.work >= NATIVE_LOOP_WORK

    def prepare(self) -> None:
        """Compile the loop."""
        self._kernel = _kernel(self.body)

    def partial(self, number: int) -> Partial:
        """Return what there is of a sum before the last additions."""
        s, over = self._sums[number], self._over[number]
        if over[-1]:
            shape: Shape = (*self._outer, self._segments)
        else:
            shape, over = (self._chunks, self._length), (True, False)
        return Partial(shape, self._chars[s.name], over, s.shape, s.divisor)

    def __call__(self, *given: Array, out: Sequence[Array | None] = ()) -> list[Array]:
        """Return the arrays that are stored, and then the sums.

        Parameters
        ----------
        given : array
            The operands.
        out : sequence of array or None
            Where the stored arrays are written; if there is none, to new ones. One may be an
            operand that has an element for each of its elements.
        """
        addresses, numbers, kept = [], [], []
        for x, is_number, nbytes in zip(given, self.numbers, self._nbytes, strict=True):
            if is_number:
                numbers.append(x.item())
                continue
            flags = x.flags
            whole = x
            if not (flags.c_contiguous and flags.aligned):
                whole = np.require(x, requirements=["C", "A"])
                kept.append(whole)
            if whole.nbytes != nbytes:
                text = f"an operand of a loop has {whole.nbytes} bytes, not {nbytes}"
                raise ValueError(located(text, "performance/native.html"))
            addresses.append(address_of(whole))
        results = [
            np.empty(self._shape, dtype) if y is None else y
            for y, dtype in zip(out or self._new, self._stored, strict=True)
        ]
        partials = [self.partial(i) for i in range(len(self._sums))]
        parts = [(np.empty if p.is_written else np.zeros)(p.shape, p.char) for p in partials]
        addresses += [address_of(y) for y in (*results, *parts)]
        values = np.array(numbers, np.float64)
        addresses += [address_of(values) if numbers else 0, self._where]
        run = self._kernel
        assert run is not None
        if not self._split:
            run(*addresses, 0, self.count)
        else:

            def work(items: slice) -> None:
                run(*addresses, items.start, items.stop)

            in_blocks(work, self.count)
        results += [total_of(part, p) for part, p in zip(parts, partials, strict=True)]
        return results


def _weight(body: Body) -> int:
    """Return about how much work an element is."""
    heavy = sum(step.name in maths.NAMES for step in body.steps)
    return len(body.steps) + len(body.operands) + len(body.stored) + 8 * heavy


def _collapsed(
    shape: Shape, looks: Sequence[tuple[bool, ...]]
) -> tuple[list[int], list[tuple[bool, ...]]]:
    """Return fewer dimensions, and for each look what it is along them.

    Neighbours that are alike in all looks are one dimension, and those of length one are none.
    """
    sizes: list[int] = []
    found: list[tuple[bool, ...]] = []
    for i, n in enumerate(shape):
        here = tuple([look[i] for look in looks])
        if n == 1:
            continue
        if found and found[-1] == here:
            sizes[-1] *= n
        else:
            sizes.append(n)
            found.append(here)
    if not sizes:
        sizes, found = [1], [(False,) * len(looks)]
    return sizes, [tuple([here[k] for here in found]) for k in range(len(looks))]


# -- the kernel ----------------------------------------------------------------------------------


@cache
def function(body: Body) -> Function:
    """Return ``f(*arrays, *stored, *parts, numbers, sizes, first, last)``."""
    return _Writer(body).function()


@cache
def _kernel(body: Body) -> Compiled:
    return compiled(function(body))


class _Writer:
    """Writes the text of a kernel."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.lanes = machine().lanes(body.element)
        self.f = f = Function(f"loop_{sha256(repr(body).encode()).hexdigest()[:16]}")
        self.chars = {f"x{i}": x.char for i, x in enumerate(body.operands)}
        self.chars |= {f"s{i}": step.char for i, step in enumerate(body.steps)}
        names = [f"x{i}" for i, x in enumerate(body.operands) if any(x.varies)]
        self.arrays = {name: f.address(name, shared=True) for name in names}
        self.results = [f.address(f"y{i}", shared=True) for i in range(len(body.stored))]
        self.parts = [f.address(f"t{i}") for i in range(len(body.sums))]
        numbers, sizes = f.address("numbers"), f.address("sizes")
        self.first, self.last = f.integer("first"), f.integer("last")
        self.length, self.segments, self.segment, self.chunk, self.rows = (
            f.load("i64", sizes, i) for i in range(5)
        )
        outer = len(body.operands[0].varies) - 1
        self.outer = [f.load("i64", sizes, 5 + i) for i in range(outer - 1)]
        self.numbers: dict[str, Register] = {}
        for name, x in zip(self.chars, body.operands, strict=False):
            if name not in self.arrays:
                number = f.load("double", numbers, len(self.numbers))
                self.numbers[name] = self.spread(self.number(number, x.char))

    def function(self) -> Function:
        """Return the function."""
        f = self.f
        with f.loop(self.first, self.last) as item:
            start = item % self.segments * self.segment
            stop = self.smaller(start + self.segment, self.length)
            top = item / self.segments * self.chunk
            with f.loop(top, self.smaller(top + self.chunk, self.rows)) as row:
                self.row(row, start, stop)
        return f

    # -- a row -----------------------------------------------------------------------------------

    def row(self, row: Register, start: Register, stop: Register) -> None:
        """Write what is done to a segment of a row."""
        f, body = self.f, self.body
        places = self.places(row)
        values, bases = dict(self.numbers), {}
        for name, x in zip(self.chars, body.operands, strict=False):
            if name not in self.arrays:
                continue
            element, place = _MEMORY[x.char], places(x.varies)
            if x.varies[-1]:
                bases[name] = f.at(self.arrays[name], place, element)
            else:
                one = self.loaded(element, x.char, self.arrays[name], place)
                values[name] = self.spread(one)
        whole = places((True,) * len(body.operands[0].varies))
        targets = [
            f.at(y, whole, _MEMORY[self.chars[name]])
            for y, name in zip(self.results, body.stored, strict=True)
        ]
        run = _Run(values, bases, targets, row / self.chunk * self.length)
        rows = [(name, part) for (name, a), part in zip(body.sums, self.parts, strict=True) if a]
        totals = [self.zero(name) for name, _ in rows]
        end = (stop - start) / self.lanes * self.lanes + start
        if body.full:
            self.vectors(run, start, end, totals, [name for name, _ in rows])
        if body.rest:
            with f.when(end < stop):
                left = self.f.spread(stop - end, vector("i64", self.lanes))
                where = f.compare("lt", f.places(self.lanes), left)
                found = self.steps(run, end, where)
                for total, (name, _) in zip(totals, rows, strict=True):
                    none = f.constant(0, found[name].kind)
                    total.value = total.value + f.choose(where, found[name], none)
        at = row * self.segments + start / self.segment
        for total, (_, part) in zip(totals, rows, strict=True):
            f.store(f.sum_of_lanes(total.value), part, at)

    def vectors(
        self, run: _Run, start: Register, end: Register, totals: list[Variable], names: list[str]
    ) -> None:
        """Write the loop over whole vectors."""
        f = self.f
        if not names:
            with f.loop(start, end, self.lanes) as at:
                self.steps(run, at, None)
            return
        step = _SUMMED * self.lanes
        with f.loop(start, end, step) as first:
            parts = [self.zero(name) for name in names]
            with f.loop(first, self.smaller(first + step, end), self.lanes) as at:
                found = self.steps(run, at, None)
                for part, name in zip(parts, names, strict=True):
                    part.value = part.value + found[name]
            for total, part in zip(totals, parts, strict=True):
                total.value = total.value + part.value

    def steps(self, run: _Run, at: Register, where: Register | None) -> dict[str, Register]:
        """Write the steps for a vector; if it is not whole, where there are elements."""
        f, body = self.f, self.body
        values = dict(run.values)
        for name, base in run.bases.items():
            char = self.chars[name]
            values[name] = self.loaded(vector(_MEMORY[char], self.lanes), char, base, at, where)
        for i, step in enumerate(body.steps):
            values[f"s{i}"] = self.step(step, values)
        for name, target in zip(body.stored, run.targets, strict=True):
            x = values[name]
            if self.chars[name] == "?":
                x = f.recast("zext", x, vector("i8", self.lanes))
            self.store(x, target, at, where)
        for (name, is_row), part in zip(body.sums, self.parts, strict=True):
            if not is_row:
                place = run.line + at
                before = self.load(values[name].kind, part, place, where)
                self.store(before + values[name], part, place, where)
        return values

    def step(self, step: Step, values: dict[str, Register]) -> Register:
        """Write a step."""
        f = self.f
        kind = vector(_KINDS[step.char], self.lanes)
        if step.name == "cast":
            name = str(step.operands[0])
            return self.cast(values[name], self.chars[name], step.char)
        known = [values[x] for x in step.operands if isinstance(x, str)]
        shared = known[-1].kind if step.name != "where" else kind
        xs = [values[x] if isinstance(x, str) else f.constant(x, shared) for x in step.operands]
        return operation(f, step.name, xs)

    # -- values ----------------------------------------------------------------------------------

    def loaded(
        self, kind: str, char: str, base: Register, at: Register, where: Register | None = None
    ) -> Register:
        """Return what is read, with logical values as such."""
        x = self.load(kind, base, at, where)
        return self.f.compare("ne", x, 0) if char == "?" else x

    def load(self, kind: str, base: Register, at: Register, where: Register | None) -> Register:
        """Read a vector, or what there is of it."""
        f = self.f
        if where is None:
            return f.load(kind, base, at)
        return f.load_some(where, base, at, f.constant(0, kind))

    def store(self, x: Register, base: Register, at: Register, where: Register | None) -> None:
        """Write a vector, or what there is of it."""
        if where is None:
            self.f.store(x, base, at)
        else:
            self.f.store_some(where, x, base, at)

    def number(self, x: Register, char: str) -> Register:
        """Return a double as another dtype, whose number it was."""
        f = self.f
        if char == "?":
            return f.compare("ne", x, 0)
        if char in _INTEGERS:
            return f.recast("fptosi", x, _KINDS[char])
        return x if char == "d" else f.recast("fptrunc", x, "float")

    def cast(self, x: Register, source: str, target: str) -> Register:
        """Return a value in another dtype."""
        if source == target:
            return x
        how = _CASTS.get(source, "fpext" if target == "d" else "fptrunc")
        return self.f.recast(how, x, vector(_KINDS[target], self.lanes))

    def spread(self, x: Register) -> Register:
        """Return a vector with a number in all lanes."""
        return self.f.spread(x, vector(x.kind, self.lanes))

    def zero(self, name: str) -> Variable:
        """Return a variable for a sum."""
        f = self.f
        return f.variable(f.constant(0, vector(_KINDS[self.chars[name]], self.lanes)))

    def smaller(self, x: Register, y: Register) -> Register:
        """Return the smaller of two integers."""
        return self.f.choose(x < y, x, y)

    def places(self, row: Register) -> Callable[[tuple[bool, ...]], Register]:
        """Return a function of what an array varies along: where its elements for a row begin."""
        f = self.f
        count = len(self.body.operands[0].varies) - 1
        rest, indices = row, []
        for size in reversed(self.outer):
            indices.append(rest % size)
            rest = rest / size
        indices = [rest, *indices[::-1]][:count]
        sizes = [f.constant(0, "i64"), *self.outer]

        @cache
        def place(varies: tuple[bool, ...]) -> Register:
            found = f.constant(0, "i64")
            for index, size, varies_here in zip(indices, sizes, varies, strict=False):
                if varies_here:
                    found = found * size + index
            return found * self.length if varies[-1] else found

        return place


class _Run(NamedTuple):
    """What the vectors of a segment of a row share.

    Attributes
    ----------
    values : dict
        Operands that repeat along the row, in all lanes.
    bases : dict
        Addresses of where the others begin.
    targets : list of Register
        Addresses of where the results begin.
    line : Register
        Where the partial sums over rows begin.
    """

    values: dict[str, Register]
    bases: dict[str, Register]
    targets: list[Register]
    line: Register


# -- operations ----------------------------------------------------------------------------------


def _smaller_or_larger(relation: str) -> Callable[..., Register]:
    def write(f: Function, x: Register, y: Register) -> Register:
        # As NumPy: NaN, if one is NaN.
        first = f.compare(relation, x, y) | f.compare("ne", x, x)
        return f.choose(first, x, y)

    return write


def _sign(f: Function, x: Register) -> Register:
    return step_of_formula(f, "sign", x)


_COMBINED = {
    "add": "add",
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "logical_and": "and",
    "logical_or": "or",
    "logical_xor": "xor",
}
# Comparisons, of operands of their common dtype.
RELATIONS = {
    "equal": "eq",
    "not_equal": "ne",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
}
_WRITTEN: dict[str, Callable[..., Register]] = {
    "negative": lambda f, x: f.negative(x),
    "abs": lambda f, x: f.call("fabs", x),
    "sqrt": lambda f, x: f.call("sqrt", x),
    "sign": _sign,
    "maximum": _smaller_or_larger("ge"),
    "minimum": _smaller_or_larger("le"),
    "where": lambda f, condition, x, y: f.choose(condition, x, y),
    "logical_not": lambda f, x: f.combine("xor", x, 1),
    "isnan": lambda f, x: f.compare("ne", x, x),
    "isinf": lambda f, x: f.compare("eq", f.call("fabs", x), inf),
    "isfinite": lambda f, x: f.compare("lt", f.call("fabs", x), inf),
}
NAMES = frozenset({*_COMBINED, *RELATIONS, *_WRITTEN, *maths.NAMES})


def operation(f: Function, name: str, xs: Sequence[Register]) -> Register:
    """Write an operation of values of one kind."""
    if name in _COMBINED:
        return f.combine(_COMBINED[name], *xs)
    if name in RELATIONS:
        return f.compare(RELATIONS[name], *xs)
    if name in _WRITTEN:
        return _WRITTEN[name](f, *xs)
    return maths.maths(f, name, *xs)
