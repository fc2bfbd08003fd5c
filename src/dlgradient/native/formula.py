"""Any formula of arrays, elementwise, in one pass over memory.

NumPy would make a pass for each operation. The machine code does the same operations in the same
order, without fused multiplications, so results have the bits of NumPy's. Numbers of a formula,
such as a learn rate, are not in the machine code: they change at each step. So a formula is written
down once, and later calls ask for its numbers only.

Operands and results may be in pieces, as the gradients of a network are. The machine code gets a
matrix of addresses, with a row for each piece, and where the pieces are in the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, TypeAlias

import numpy as np

from dlgradient.core.sizes import NATIVE_STREAM_BYTES, NATIVE_THREAD_BYTES
from dlgradient.core.threads import in_blocks
from dlgradient.core.types import Array
from dlgradient.native.code import ELEMENTS, Function, Operand, Register, vector
from dlgradient.native.compiler import Compiled, address_of, compiled
from dlgradient.native.interface import slots_of
from dlgradient.native.lanes import Text, numbers_of, written
from dlgradient.native.machine import machine
from dlgradient.native.objects import Unavailable
from dlgradient.native.pieces import Pieces

__all__ = ["compute", "compute_from_pieces", "operation"]

Formula: TypeAlias = Callable[..., Sequence[object]]
# A function of objects, which says whether its arrays are as they should be.
Step: TypeAlias = Callable[[tuple[Any, ...]], bool]


def compute(formula: Formula, operands: Sequence[Array | float], outputs: Sequence[Array]) -> bool:
    """Write the results of a formula to arrays; False if it is none that can be compiled.

    Parameters
    ----------
    formula : callable
        Of as many operands; it returns as many results as there are outputs. What it does depends
        on its code and on which operands are numbers, and on no value.
    operands : sequence of array or float
    outputs : sequence of array
        They share no memory. All arrays are contiguous, of one size, and all of float32 or float64.
    """
    known, numbers = _noted(formula, operands)
    if known is None:
        return False
    arrays = [x for x in operands if not isinstance(x, float)]
    rows = np.array([[address_of(x) for x in (*arrays, *outputs)]])
    size = outputs[0].size
    known.compute(np.array(numbers, outputs[0].dtype), rows, np.array([0, size]), (0, size))
    return True


def compute_from_pieces(
    formula: Formula,
    vectors: Sequence[Array | float],
    pieces: list[Any],
    layout: tuple[Array, Array],
    outputs: Sequence[Array],
    span: tuple[int, int],
) -> bool:
    """Write the results of a formula whose second operand is in pieces; False if it cannot be.

    Parameters
    ----------
    formula : callable
        As for `compute`.
    vectors : sequence of array or float
        The other operands.
    pieces : list
        Objects with a slot ``_value`` for an array, and a slot ``_node`` for None.
    layout : tuple of array
        Where each piece begins in the vectors, and their size; and for each piece the number of its
        dimensions, and its shape. Integers of 64 bits.
    outputs : sequence of array
        Vectors that share no memory with others.
    span : tuple of int
        Which elements of the vectors are computed: from the first, until before the last.

    Notes
    -----
    Machine code looks at the arrays: they must be contiguous, of one dtype, and have these shapes.
    """
    known, numbers = _noted(formula, [vectors[0], pieces, *vectors[1:]])
    if known is None:
        return False
    dtype = outputs[0].dtype
    kind: Any = type(pieces[0])
    arrays = [x for x in vectors if type(x) is not float]
    if (span[1] - span[0]) * dtype.itemsize < NATIVE_THREAD_BYTES:
        step = known.step(kind, dtype.char)
        given = numbers, *layout, *span, pieces, *arrays, *outputs
        return step is not None and step(given)
    find = _finder(kind, dtype.char, len(arrays) + len(outputs))
    rows = np.empty((len(pieces), 1 + len(arrays) + len(outputs)), np.int64)
    if find is None or not find((rows, *layout, pieces, *arrays, *outputs)):
        return False
    known.compute(np.array(numbers, dtype), rows, layout[0], span)
    return True


# -- formulas that are written down --------------------------------------------------------------


class _Formula:
    """A formula that is written down, and its machine code.

    Attributes
    ----------
    owner : object
        Its code, which lives as long as this: it is known by its identity.
    text : Text
    """

    def __init__(self, owner: object, text: Text) -> None:
        self.owner, self.text = owner, text
        self._kernels: dict[tuple[str, bool], Compiled] = {}
        self._steps: dict[tuple[type, str], Step | None] = {}

    def kernel(self, char: str, *, streamed: bool) -> Compiled:
        """Return the function of addresses for a dtype."""
        found = self._kernels.get((char, streamed))
        if found is None:
            found = self._kernels[char, streamed] = _kernel(self.text, char, streamed)
        return found

    def step(self, kind: type, char: str) -> Step | None:
        """Return the function of objects for a dtype; None if there is none here."""
        key = kind, char
        if key not in self._steps:
            self._steps[key] = _step(self.text, kind, char)
        return self._steps[key]

    def compute(self, numbers: Array, rows: Array, places: Array, span: tuple[int, int]) -> None:
        """Write results.

        Parameters
        ----------
        numbers : array
            Of the dtype of all arrays.
        rows : array
            Addresses: for each piece those of the operands that are arrays, then of the outputs.
        places : array
            Where each piece begins in the whole, and the size of the whole.
        span : tuple of int
            Which elements of the whole are computed.
        """
        (first, last), dtype = span, numbers.dtype
        nbytes = (last - first) * dtype.itemsize
        outputs = rows[:, len(self.text.operands) :] % machine().vector_bytes
        # What is written past the caches must be aligned, and outputs all in the same way.
        streamed = nbytes >= NATIVE_STREAM_BYTES and bool((outputs == outputs[:, :1]).all())
        run = self.kernel(dtype.char, streamed=streamed)
        given = address_of(rows), address_of(places), len(rows), address_of(numbers)

        def work(block: slice) -> None:
            run(*given, first + block.start, first + block.stop)

        in_blocks(work, last - first, split=nbytes >= NATIVE_THREAD_BYTES)


_formulas: dict[tuple[int, tuple[bool, ...]], _Formula] = {}


def _noted(formula: Formula, operands: Sequence[object]) -> tuple[_Formula | None, list[float]]:
    """Return a formula as it is written down, None if it cannot be, and its numbers."""
    function = formula.func if type(formula) is partial else formula
    owner: Any = getattr(function, "__code__", function)
    key = id(owner), tuple([type(x) is float for x in operands])
    known = _formulas.get(key)
    if known is not None:
        numbers = numbers_of(formula, operands)
        if numbers is not None and len(numbers) == known.text.numbers:
            return known, numbers
    found = written(formula, operands)
    if found is None:
        return None, []
    known = _formulas[key] = _Formula(owner, found[0])
    return known, found[1]


# -- machine code --------------------------------------------------------------------------------


@cache
def _kernel(text: Text, char: str, streamed: bool) -> Compiled:
    """Return ``f(rows, places, count, numbers, start, stop)``."""
    f = Function("formula")
    rows, places, count = f.address("rows"), f.address("places"), f.integer("count")
    given, start, stop = f.address("numbers"), f.integer("start"), f.integer("stop")
    element = ELEMENTS[char]
    numbers = {f"n{i}": f.load(element, given, i) for i in range(text.numbers)}
    width = len(text.operands) + len(text.results)
    with f.loop(0, count) as piece:
        begin, end = f.load("i64", places, piece), f.load("i64", places, piece + 1)
        first, size = _common(f, begin, end, start, stop)
        addresses = [f.load("i64", rows, piece * width + i) for i in range(width)]
        arrays = [f.at(f.pointer(x), first - begin, element) for x in addresses]
        _pass_over(f, text, element, numbers, arrays, size, streamed=streamed)
    return compiled(f)


@cache
def _finder(kind: type, char: str, count: int) -> Step | None:
    """Return ``f((rows, places, shapes, pieces, *vectors))``, which writes addresses to rows."""
    slots = slots_of(kind)
    if slots is None:
        return None
    f = Pieces(kind, slots, char)
    try:
        rows, places, shapes = (f.memory(f.member(i)) for i in range(3))
        number = f.length(f.member(1)) - 1
        size = f.load("i64", places, number)
        vectors = [f.vector(f.member(4 + i), size) for i in range(count)]
        element, width = ELEMENTS[char], count + 1
        with f.each(f.member(3), shapes, number) as (piece, array):
            start = f.load("i64", places, piece)
            parts = [f.at(x, start, element) for x in vectors]
            for i, x in enumerate((parts[0], array, *parts[1:])):
                f.store(f.integer_at(x), rows, piece * width + i)
        f.end()
        return f.made()
    except Unavailable:
        return None


def _step(text: Text, kind: type, char: str) -> Step | None:
    """Return ``f((numbers, places, shapes, first, last, pieces, *vectors))``."""
    slots = slots_of(kind)
    if slots is None:
        return None
    f = Pieces(kind, slots, char)
    try:
        element, listed = ELEMENTS[char], f.member(0)
        numbers = {f"n{i}": f.number_in(listed, i, element) for i in range(text.numbers)}
        places, shapes = (f.memory(f.member(i)) for i in (1, 2))
        start, stop = (f.integer_of(f.member(i)) for i in (3, 4))
        number = f.length(f.member(1)) - 1
        size = f.load("i64", places, number)
        others = range(len(text.operands) + len(text.results) - 1)
        vectors = [f.vector(f.member(6 + i), size) for i in others]
        with f.each(f.member(5), shapes, number) as (piece, array):
            begin = f.load("i64", places, piece)
            first, count = _common(f, begin, f.load("i64", places, piece + 1), start, stop)
            parts = [f.at(x, first, element) for x in vectors]
            here = f.at(array, first - begin, element)
            given = [parts[0], here, *parts[1:]]
            _pass_over(f, text, element, numbers, given, count, streamed=False)
        f.end()
        return f.made(quickly=False)
    except Unavailable:
        return None


def _common(
    f: Function, begin: Register, end: Register, start: Register, stop: Register
) -> tuple[Register, Register]:
    """Return the first of the numbers that two ranges have in common, and how many there are."""
    first = f.choose(begin > start, begin, start)
    last = f.choose(end < stop, end, stop)
    return first, f.choose(last > first, last - first, 0)


def _pass_over(
    f: Function,
    text: Text,
    element: str,
    numbers: dict[str, Register],
    arrays: Sequence[Register],
    size: Register,
    *,
    streamed: bool,
) -> None:
    """Write the loops over the elements of a piece; vectors that are streamed are aligned."""
    operands = dict(zip(text.operands, arrays, strict=False))
    outputs = arrays[len(operands) :]
    lanes = machine().lanes(element)

    def apply(
        at: Register, kind: str, write: Callable[[Register, Register, Register], None]
    ) -> None:
        values = {name: f.spread(x, kind) for name, x in numbers.items()}
        values.update({name: f.load(kind, array, at) for name, array in operands.items()})
        for i, (step, *names) in enumerate(text.steps):
            values[f"s{i}"] = operation(f, step, *[values[name] for name in names])
        for name, output in zip(text.results, outputs, strict=True):
            write(values[name], output, at)

    head: Operand = 0
    if streamed:
        head = f.until_aligned(outputs[0], vector(element, lanes))
        head = f.choose(head < size, head, size)
        with f.loop(0, head) as i:
            apply(i, element, f.store)
    whole = (size - head) / lanes * lanes + head
    with f.loop(head, whole, lanes) as i:
        apply(i, vector(element, lanes), f.stream if streamed else f.store)
    with f.loop(whole, size) as i:
        apply(i, element, f.store)


def operation(f: Function, name: str, x: Register, *others: Register) -> Register:
    """Write a step of a formula."""
    if name == "sqrt":
        return f.call("sqrt", x)
    if name == "where_above":
        other, *pair = others
        return f.choose(x > other, *pair)
    if name == "sign":  # of NaN, itself
        zero = f.choose(f.compare("eq", x, 0), f.constant(0, x.kind), x)
        return f.choose(x > 0, f.constant(1, x.kind), f.choose(x < 0, f.constant(-1, x.kind), zero))
    return f.combine(name, x, *others)
