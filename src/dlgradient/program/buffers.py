"""Where intermediate results are: in memory that a program uses again, within a call and between.

New memory costs as much as arithmetic: the system hands it out in pages, and clears each. So the
large results that no one outside sees have places in one room, which `rooms` keeps between calls. A
place is free again after the last use of its array. A line that is elementwise may write to the
place of an operand that it uses last.

A result has a place on three conditions:

* The line that makes it can write anywhere.
* No line that reads it can hold it. The operations in `READING` return new arrays and keep nothing.
  Those in `VIEWS` may return a view, which then counts as the array itself. All others hold what
  they read, and so do the results of the program.
* It would be in C order without a place too. A sum has other bits in another order. So a program
  with places needs inputs in C order, as most are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

from dlgradient.core.types import Dtype, Shape
from dlgradient.program.lines import Group, Line, Program, Slot, Step, is_known

__all__ = ["READING", "VIEWS", "Free", "Life", "Place", "Plan", "planned"]

LEAST = 1 << 14  # elements of an array that has a place: smaller ones are not worth it

# Operations that are one ufunc of NumPy, and write each element after they have read it.
UFUNCS = frozenset({"add", "subtract", "multiply", "divide", "negative", "sqrt"})
# Those whose kernels work on all cores, and can write anywhere.
THREADED = frozenset({"exp", "log", "sin", "cos", "tan", "tanh", "log1p", "expm1"})
_WRITING = UFUNCS | THREADED | {"matmul"}
# Operations that return new arrays and hold none. The tests try this with all samples.
READING = _WRITING | {
    *("abs", "square", "abs2", "reciprocal", "one_minus_square", "gap_to_one", "sum_of_squares"),
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "pow", "where"),
    *("sum", "mean", "larger", "smaller", "at_least", "at_most", "sign", "scatter"),
    "where_positive",
}
# Operations whose result may be a view of the first operand, and of no other.
VIEWS = frozenset(
    {
        *("getitem", "reshape", "squeeze", "expand_dims", "broadcast_to", "spread", "cast"),
        *("permute_dims", "matrix_transpose", "flip", "positive", "discretize"),
    }
)
# Operations whose result is in C order if the operands are.
_KEEPING_ORDER = frozenset({"reshape", "squeeze", "expand_dims", "sum", "mean", "concat"})
_ALIGNMENT = 64
# Places of a power of two would fall on the same lines of a cache.
_APART = 3 * _ALIGNMENT


class Place(NamedTuple):
    """Where an array is in a room: bytes from its beginning."""

    offset: int
    shape: Shape
    dtype: Dtype


class Plan(NamedTuple):
    """The places of a program.

    Attributes
    ----------
    places : sequence of Place
    numbers : dict
        For a value that has a place, the number of it.
    nbytes : int
        Of the room.
    """

    places: Sequence[Place] = ()
    numbers: Mapping[Slot, int] = MappingProxyType({})
    nbytes: int = 0


def planned(program: Program) -> Plan:
    """Return the places of a program's intermediate results, whose inputs are in C order."""
    life = Life(program)
    places: list[Place] = []
    numbers: dict[Slot, int] = {}
    free = Free()
    offsets: dict[Slot, tuple[int, int]] = {}
    for number, step in enumerate(program.steps):
        ending = {x for x in life.ending.get(number, ()) if x in offsets}
        for target, shape, dtype in _written(step):
            if target in life.held or target not in life.in_order or prod(shape) < LEAST:
                continue
            nbytes = prod(shape) * dtype.itemsize
            source = _source(step, ending, offsets, nbytes, life)
            if source is None:
                offsets[target] = free.taken(nbytes), nbytes
            else:
                ending.remove(source)
                offsets[target] = offsets.pop(source)
            numbers[target] = len(places)
            places.append(Place(offsets[target][0], shape, dtype))
        for x in ending:
            free.add(*offsets.pop(x))
        for target, _, _ in _written(step):
            if target in offsets and target not in life.last:  # it is never read
                free.add(*offsets.pop(target))
    return Plan(places, numbers, free.top)


class Life:
    """When values are used for the last time, those that they are views of included.

    Attributes
    ----------
    last : dict
        The number of the last step that reads an array or a view of it.
    ending : dict
        The arrays that a step is the last to read.
    held : set of Slot
        Arrays that something may hold.
    kinds : dict
        Shapes and dtypes of all values.
    in_order : set of Slot
        Values that are in C order if the inputs are.
    """

    def __init__(self, program: Program) -> None:
        self._whole: dict[Slot, Slot] = {}
        self.last: dict[Slot, int] = {}
        self.held: set[Slot] = set()
        self.kinds: dict[int, tuple[Shape, Dtype | None]] = dict(enumerate(program.inputs))
        self.in_order = {Slot(i) for i in range(len(program.inputs))}
        for number, step in enumerate(program.steps):
            self._read(number, step)
        self.held |= {self.whole(x) for x in program.results if type(x) is Slot}
        self.ending: dict[int, list[Slot]] = {}
        for x, number in self.last.items():
            self.ending.setdefault(number, []).append(x)

    def whole(self, x: Slot) -> Slot:
        """Return the array that a value may be a view of."""
        return self._whole.get(x, x)

    def _read(self, number: int, step: Step) -> None:
        wholes = [self.whole(x) for x in step.operands if type(x) is Slot]
        self.last.update(dict.fromkeys(wholes, number))
        if type(step) is Group:
            self.kinds.update({line.target: (line.shape, line.dtype) for line in step.lines})
            self.in_order.update(step.targets)
        if type(step) is not Line:
            return
        self.kinds[step.target] = step.shape, step.dtype
        if self._is_in_order(step):
            self.in_order.add(step.target)
        if is_known(step.op) and step.op.name in VIEWS and type(step.operands[0]) is Slot:
            self._whole[step.target] = wholes[0]
            wholes = wholes[1:]
        elif is_known(step.op) and step.op.name in READING:
            return
        self.held.update(wholes)

    def _is_in_order(self, line: Line) -> bool:
        """Return whether the kernel of a line returns an array in C order."""
        if not is_known(line.op):
            return False
        name, operands = line.op.name, line.operands
        if name == "matmul":
            return len(line.shape) == 2
        if name in _KEEPING_ORDER:
            return all(type(x) is Slot and x in self.in_order for x in operands)
        # Of ufuncs: one operand without repeated elements is enough.
        whole = [x for x in operands if type(x) is Slot and self.kinds[x][0] == line.shape]
        return name in UFUNCS | THREADED and any(x in self.in_order for x in whole)


def _written(step: Step) -> list[tuple[Slot, Shape, Dtype]]:
    """Return what a step can write anywhere: targets, shapes and dtypes."""
    if type(step) is Group:
        return step.stored
    if type(step) is not Line or step.dtype is None or step.dtype.kind != "f":
        return []
    if not is_known(step.op) or step.op.name not in _WRITING or step.params:
        return []
    return [(step.target, step.shape, step.dtype)]


def _source(
    step: Step, ending: AbstractSet[Slot], offsets: Any, nbytes: int, life: Life
) -> Slot | None:
    """Return an operand whose place a result takes; each element is read before it is written."""
    if type(step) is Line:
        if step.op.name == "matmul":
            return None
        aligned = [x for x in step.operands if type(x) is Slot and life.kinds[x][0] == step.shape]
    else:
        assert type(step) is Group
        aligned = step.aligned
    for x in aligned:
        others = [y for y in step.operands if type(y) is Slot and life.whole(y) == x]
        if x in ending and offsets[x][1] == nbytes and all(y == x for y in others):
            return x
    return None


class Free:
    """What is free in a room.

    Attributes
    ----------
    top : int
        Bytes that are needed.
    """

    def __init__(self) -> None:
        self.top = 0
        self._blocks: dict[int, list[int]] = {}

    def taken(self, nbytes: int) -> int:
        """Return where a block is that was free, the last one of its size first."""
        size = -(-nbytes // _ALIGNMENT) * _ALIGNMENT
        fitting = [n for n, blocks in self._blocks.items() if blocks and size <= n <= 2 * size]
        if fitting:
            return self._blocks[min(fitting)].pop()
        offset, self.top = self.top, self.top + size + _APART
        return offset

    def add(self, offset: int, nbytes: int) -> None:
        """Add a block."""
        size = -(-nbytes // _ALIGNMENT) * _ALIGNMENT
        self._blocks.setdefault(size, []).append(offset)
