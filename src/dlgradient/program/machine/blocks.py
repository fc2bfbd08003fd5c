"""Lines of a program whose arrays are too large for registers: these are in memory.

Elementwise lines, and the sums they end in, are loops of `dlgradient.native.loops`. Matrix products
are those of `dlgradient.native.matrices`. Operations that only look at memory in another way cost
nothing: a block is an address, and how its elements lie from there on. Small arrays are cells, and
are written to memory where a loop reads them.

Intermediate results are in one room, which belongs to the function. While it computes, it holds the
lock of the interpreter, and no code of Python runs: no other call can be in the room.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.types import Array, Dtype, Shape
from dlgradient.engine.zeros import holds_nan
from dlgradient.native.code import Register
from dlgradient.native.loops import function
from dlgradient.native.machine import machine
from dlgradient.native.matrices import holds_nan as an_element_is_nan
from dlgradient.native.matrices import moved, product, product_of_rows
from dlgradient.native.objects import PythonFunction
from dlgradient.native.partial import Partial, total
from dlgradient.program.buffers import VIEWS, Free, Life
from dlgradient.program.lines import Check, Group, Line, Program, Slot, is_known
from dlgradient.program.machine.cells import KINDS, LARGEST, Cells, Unsupported, register
from dlgradient.program.machine.lower import Lowering

__all__ = ["Blocks", "pays"]

# Elements of an array from which on lines over it are loops.
_LEAST = 16
# Work on elements, and multiplications of products, of a function that holds the lock.
_MOST_WORK = 1 << 20
_ROOM = "room"
# Elements in memory, by types of registers.
_MEMORY = {"i1": "i8"}


def pays(size: int, _weight: int) -> bool:
    """Return whether lines over arrays of so many elements become loops."""
    return size >= _LEAST


class Block(NamedTuple):
    """An array in memory.

    Attributes
    ----------
    data : Register
        Where the memory begins.
    like : array
        One that lies so in a memory of its own.
    start : int
        Where that memory begins.
    """

    data: Register
    like: Array
    start: int

    @property
    def offset(self) -> int:
        """Where the first element is, in elements."""
        where: int = self.like.__array_interface__["data"][0] - self.start
        return where // self.like.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """The strides in elements."""
        return tuple([s // self.like.itemsize for s in self.like.strides])


class Blocks(Lowering):
    """The values of a program, as far as its lines are written.

    Parameters
    ----------
    f : PythonFunction
    program : Program
        With groups.
    most : int
        Work on elements, and a quarter of the multiplications of products.
    """

    def __init__(self, f: PythonFunction, program: Program, most: int = _MOST_WORK) -> None:
        super().__init__(f)
        self._most = most
        self.blocks: dict[int, Block] = {}
        self.homes: dict[Slot, Register] = {}  # results of the program that are in memory
        self._life = Life(program)
        slots = [x for x in program.results if type(x) is Slot]
        self._results = {int(self._life.whole(x)) for x in slots}  # they are read after all lines
        self._free = Free()
        self._taken: dict[int, tuple[int, int]] = {}
        self._number = 0
        self._work = 0
        self._room = f.room(_ROOM)

    # -- values ----------------------------------------------------------------------------------

    def take(self, number: Slot, data: Register, shape: Shape, dtype: Dtype) -> None:
        """Take an argument, which is in C order."""
        self.blocks[number] = self._block(data, shape, dtype)

    def _block(self, data: Register, shape: Shape, dtype: Dtype) -> Block:
        like = np.empty(shape, dtype)
        return Block(data, like, like.__array_interface__["data"][0])

    def cells(self, x: Any) -> Cells:
        """Return an operand in registers."""
        if type(x) is not Slot or x in self.values:
            return super().cells(x)
        block = self.blocks[x]
        like = block.like
        if like.size > LARGEST:
            raise Unsupported(f"an array of shape {like.shape} in an operation of small ones")
        numbers = np.empty(like.shape, object)
        kind = KINDS[like.dtype]
        for index in np.ndindex(like.shape):
            at = block.offset + sum(i * s for i, s in zip(index, block.strides, strict=True))
            numbers[index] = self.f.number_at(block.data, at, kind)
        return self.values.setdefault(x, Cells(like.dtype, numbers))

    def block(self, x: Any) -> Block:
        """Return an operand in memory."""
        if type(x) is Slot and x in self.blocks:
            return self.blocks[x]
        if type(x) is not Slot:
            given = np.ascontiguousarray(x)
            if given.dtype not in KINDS:
                raise Unsupported(f"a constant of {given.dtype}")
            return self._block(self.f.memory_of(given), given.shape, given.dtype)
        cells = self.values[x]
        if cells.dtype is None:
            raise Unsupported("a number in memory")
        found = self.new(x, cells.shape, cells.dtype)
        for i, number in enumerate(cells.numbers.ravel()):
            self.f.store_number(register(self.f, number, KINDS[cells.dtype]), found.data, i)
        return found

    def address(self, x: Any) -> Register:
        """Return where an operand is, in C order."""
        return self._in_order(self.block(x))

    def _in_order(self, block: Block) -> Register:
        element = _in_memory(block.like.dtype)
        first = self.f.at(block.data, block.offset, element) if block.offset else block.data
        if block.like.flags.c_contiguous:
            return first
        like = block.like
        self.spend(like.size)
        out = self._memory(like.size * like.itemsize)
        self._copy(block, self._block(out, like.shape, like.dtype))
        return out

    def copy(self, x: Any, out: Block, *, add: bool = False) -> None:
        """Copy an operand to memory of its shape, or add it to what is there."""
        self._copy(self.block(x), out, add=add)

    def _copy(self, block: Block, out: Block, *, add: bool = False) -> None:
        kind = _in_memory(out.like.dtype)
        if (block.like.shape, block.like.dtype) != (out.like.shape, out.like.dtype):
            raise Unsupported("a copy in another shape or dtype")
        source = self.f.at(block.data, block.offset, kind)
        target = self.f.at(out.data, out.offset, kind)
        strides = block.strides, out.strides
        self.f.apply(moved(kind, out.like.shape, *strides, add), source, target)

    # -- memory ----------------------------------------------------------------------------------

    def new(self, x: Slot, shape: Shape, dtype: Dtype) -> Block:
        """Return a new block for a value."""
        data = self.homes.get(x) or self._memory(prod(shape) * dtype.itemsize, x)
        found = self.blocks[x] = self._block(data, shape, dtype)
        return found

    def _memory(self, nbytes: int, x: Slot | None = None) -> Register:
        """Return memory, for a value until it is used last, else for one step."""
        offset = self._free.taken(nbytes)
        key = -1 - len(self._taken) if x is None else int(self._life.whole(x))
        self._taken[key] = offset, nbytes
        return self.f.field_address(self._room, offset)

    def next(self) -> None:
        """Free what was used last in a step, and begin the next one."""
        ending = [int(x) for x in self._life.ending.get(self._number, ()) if x not in self._results]
        for key in [*ending, *[k for k in self._taken if k < 0]]:
            if key in self._taken:
                self._free.add(*self._taken.pop(key))
        self._number += 1

    @property
    def room_bytes(self) -> int:
        """Bytes of the room, as far as lines are written."""
        return self._free.top

    def kind(self, x: Slot) -> tuple[Shape, Dtype]:
        """Return shape and dtype of a value."""
        shape, dtype = self._life.kinds[x]
        if dtype not in KINDS:
            raise Unsupported(f"a value of {dtype}")
        assert dtype is not None
        return shape, dtype

    def finish(self) -> None:
        """Write results to where they are expected, and make the room."""
        for x, home in self.homes.items():
            if x in self.values and x not in self.blocks:
                self.block(x)
                continue
            like = self.blocks[x].like
            if self.blocks[x].data is not home:
                self.copy(x, self._block(home, like.shape, like.dtype))
        whole = np.empty(self.room_bytes + 64, np.uint8)
        start = -whole.__array_interface__["data"][0] % 64
        self.f.furnish(_ROOM, whole[start:])

    # -- lines -----------------------------------------------------------------------------------

    def line(self, line: Line) -> None:
        """Write a line."""
        first = line.operands[0] if line.operands else None
        name = line.op.name if is_known(line.op) else ""
        if name in VIEWS and self._is_block(first) and self._look(line):
            return
        if name == "matmul" and self._product(line):
            return
        if name in ("concat", "stack", "scatter") and prod(line.shape) > LARGEST:
            self._joined(line)
            return
        try:
            self.other(line)
        except Unsupported as error:
            raise Unsupported(f"{line.op.shown}: {error}") from None

    def other(self, line: Line) -> None:
        """Write a line of any other operation."""
        super().line(line)

    def _is_block(self, x: Any) -> bool:
        return type(x) is Slot and x in self.blocks and x not in self.values

    def _look(self, line: Line) -> bool:
        """Look at memory in another way; return whether that is all the line does."""
        source = self.blocks[line.operands[0]]
        found = line.op.kernel(source.like, *line.operands[1:], **line.params)
        if not isinstance(found, np.ndarray) or found.dtype != source.like.dtype:
            return False
        if not np.may_share_memory(found, source.like) or found.size == 0:
            return False
        self.blocks[line.target] = source._replace(like=found)
        return True

    def _product(self, line: Line) -> bool:
        """Write a matrix product; return False if it is one of cells."""
        dtype = line.dtype
        if dtype is None or dtype.char not in "fd":
            return False
        shapes = [self.shape(x) for x in line.operands]
        if {len(shape) for shape in shapes} != {2} or 0 in (*shapes[0], *shapes[1]):
            return False
        (m, k), (_, n) = shapes
        if m * k * n < LARGEST and all(not self._is_block(x) for x in line.operands):
            return False
        left, right = (self.block(x) for x in line.operands)
        if (left.like.dtype, right.like.dtype) != (dtype, dtype):
            raise Unsupported("a product of two dtypes")
        self.multiply(line.target, left, right)
        return True

    def multiply(self, target: Slot, *factors: Block) -> Block:
        """Write the product of two matrices of one dtype, none of which is empty."""
        left, right = factors
        (m, k), n, dtype = left.like.shape, right.like.shape[1], left.like.dtype
        self.spend(m * k * n // 4)
        f, element, sizes = self.f, KINDS[dtype], (m, k, n)
        down, along = right.strides
        x = f.at(left.data, left.offset, element)
        out = self.new(target, (m, n), dtype)
        is_whole = k % machine().lanes(element) == 0 and left.strides[1] == 1
        if is_whole and down == 1 and n > 1:
            y = f.at(right.data, right.offset, element)
            f.apply(product_of_rows(element, sizes, (left.strides[0], along)), x, y, out.data)
            return out
        if along == 1 or n == 1:
            y = f.at(right.data, right.offset, element)
        else:
            y, down = self._in_order(right), n
        strides = left.strides[0], left.strides[1]
        f.apply(product(element, sizes, strides, down), x, y, out.data)
        return out

    def _joined(self, line: Line) -> None:
        """Write operands to parts of a new block, or add them to these parts."""
        dtype, add = line.dtype, line.op.name == "scatter"
        if dtype is None or dtype not in KINDS or (add and dtype.char not in "fd"):
            raise Unsupported(f"{line.op.shown} of {dtype}")
        out = self.new(line.target, line.shape, dtype)
        self.spend(2 * out.like.size)
        if add:
            self._clear(out.data, out.like.size, KINDS[dtype])
        for x, key in zip(line.operands, self._keys(line), strict=True):
            part = out.like[key]
            if type(part) is not np.ndarray or not np.shares_memory(part, out.like):
                raise Unsupported(f"{line.op.shown} at indices")
            self.copy(x, out._replace(like=part), add=add)

    def _keys(self, line: Line) -> list[Any]:
        """Return the parts of the result to which operands go."""
        if line.op.name == "scatter":
            return list(line.params["keys"])
        axis = line.params.get("axis", 0)
        if type(axis) is not int:
            raise Unsupported("arrays joined along no dimension")
        front = (slice(None),) * (axis % len(line.shape))
        if line.op.name == "stack":
            return [(*front, i) for i in range(len(line.operands))]
        ends = np.cumsum([self.shape(x)[axis] for x in line.operands]).tolist()
        return [(*front, slice(a, b)) for a, b in zip([0, *ends], ends, strict=False)]

    def _clear(self, data: Register, size: int, kind: str) -> None:
        with self.f.loop(0, size) as i:
            self.f.store(self.f.constant(0, kind), data, i)

    def shape(self, x: Any) -> Shape:
        """Return the shape of an operand."""
        if type(x) is not Slot:
            return np.shape(x)
        return self.blocks[x].like.shape if x in self.blocks else self.values[x].shape

    def spend(self, work: int) -> None:
        """Add work; much of it is left to calls that release the lock."""
        self._work += work
        if self._work > self._most:
            raise Unsupported("much work, which would hold the lock of the interpreter")

    def truth(self, check: Check) -> Register | None:
        """Return what Python would read, true or false; None if it must be read from registers."""
        x = check.operands[0]
        is_real = self._is_block(x) and self.blocks[x].like.dtype.kind == "f"
        return self.nan_in(x) if check.function is holds_nan and is_real else None

    def nan_in(self, x: Any) -> Register:
        """Return whether an array holds NaN, wherever it is."""
        like = self.block(x).like
        if like.dtype.kind != "f":
            raise Unsupported(f"NaN in {like.dtype}")
        size = self.f.constant(like.size, "i64")
        return self.f.apply(an_element_is_nan(KINDS[like.dtype]), self.address(x), size)

    # -- groups ----------------------------------------------------------------------------------

    def group(self, group: Group) -> None:
        """Write a loop."""
        f, loop = self.f, group.function
        self.spend(loop.work)
        addresses, numbers = [], []
        for x, is_number in zip(group.operands, loop.numbers, strict=True):
            if is_number:
                numbers.append(self._number_of(x))
            else:
                addresses.append(self.address(x))
        for x, shape, dtype in group.stored:
            addresses.append(self.new(x, shape, dtype).data)
        sums = group.targets[len(group.stored) :]
        partials = [loop.partial(i) for i in range(len(sums))]
        parts = [self._part(x, p) for x, p in zip(sums, partials, strict=True)]
        sizes = f.numbers(loop.sizes)
        limits = f.constant(0, "i64"), f.constant(loop.count, "i64")
        f.apply(function(loop.body), *addresses, *parts, self._array(numbers), sizes, *limits)
        for x, p, part in zip(sums, partials, parts, strict=True):
            if not p.is_whole:
                f.apply(total(p), part, self.new(x, p.result, np.dtype(p.char)).data)

    def _number_of(self, x: Any) -> Register:
        """Return a number as a double."""
        cells = self.cells(x)
        number = cells.numbers.item()
        if type(number) is not Register:
            return self.f.constant(float(number), "double")
        how = {"float": "fpext", "i64": "sitofp", "i1": "uitofp"}.get(number.kind)
        return number if how is None else self.f.recast(how, number, "double")

    def _array(self, numbers: list[Register]) -> Register:
        place = self.f.place(f"[{max(1, len(numbers))} x double]")
        for i, number in enumerate(numbers):
            self.f.store(number, place, i)
        return place

    def _part(self, x: Slot, p: Partial) -> Register:
        """Return memory for partial sums, which are the sum itself if nothing is to be added."""
        dtype, size = np.dtype(p.char), prod(p.shape)
        if p.is_whole:
            memory = self.new(x, p.result, dtype).data
        else:
            memory = self._memory(size * dtype.itemsize)
        if not p.is_written:
            self._clear(memory, size, KINDS[dtype])
        return memory


def _in_memory(dtype: Dtype) -> str:
    kind = KINDS[dtype]
    return _MEMORY.get(kind, kind)
