"""A tile: lines over many points as one function, which runs them for a few points at a time.

The function gets a table of addresses, as those of `dlgradient.native.objects` do. But it is called
through ctypes, which releases the lock of the interpreter. Its work is cut into chunks, whatever
the number of threads is. Each chunk has sums of its own, which are added in the end. So no bit
depends on the number of threads.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.threads import in_blocks
from dlgradient.core.types import Array, Dtype, Shape
from dlgradient.errors import InvalidArgumentError
from dlgradient.native.code import Register
from dlgradient.native.compiler import address_of, linked
from dlgradient.native.objects import PythonFunction
from dlgradient.program.lines import Group, Line, Program, Slot
from dlgradient.program.machine.blocks import Block, Blocks, pays
from dlgradient.program.machine.cells import KINDS
from dlgradient.program.passes.groups import grouped
from dlgradient.program.rooms import given_back, taken

__all__ = ["Part", "Tile"]

# Bytes of all values of a tile: as places are used again, the cache of a core has room for them.
_BYTES = 1 << 22
_LEAST, _MOST = 32, 256  # points of a tile
_CHUNKS = 16
_MANY = 64  # times as many points as those that are left


class Part(NamedTuple):
    """What a tile reads or makes.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
    axis : int or None
        The dimension that the points are.
    """

    shape: Shape
    dtype: Dtype
    axis: int | None

    def kind(self, size: int) -> tuple[Shape, Dtype]:
        """Return shape and dtype for so many points."""
        if self.axis is None:
            return self.shape, self.dtype
        shape = (*self.shape[: self.axis], size, *self.shape[self.axis + 1 :])
        return shape, self.dtype

    def block(self, data: Register, point: Register, size: int) -> Block:
        """Return the part for points from one on, of an array in C order."""
        like = np.empty(self.shape, self.dtype)
        start: int = like.__array_interface__["data"][0]
        if self.axis is None:
            return Block(data, like, start)
        f = data.function
        here = f.at(data, point * prod(self.shape[self.axis + 1 :]), _element(self.dtype))
        front = (slice(None),) * self.axis
        return Block(here, like[(*front, slice(size))], start)


def _element(dtype: Dtype) -> str:
    kind = KINDS[dtype]
    return "i8" if kind == "i1" else kind


class _Function(PythonFunction):
    """The text of ``f(table, words, room, first, last)``: addresses, and which chunks to do."""

    def __init__(self) -> None:
        super().__init__("tile")
        self.arguments = [f"ptr %{name}" for name in ("table", "words", "space")]
        self.arguments += ["i64 %first", "i64 %last"]
        self._lines.clear()
        self._table = Register(self, "ptr", "%table")
        self.words, self.space = (Register(self, "ptr", f"%{n}") for n in ("words", "space"))
        self.limits = [Register(self, "i64", f"%{n}") for n in ("first", "last")]

    def _definition(self, linkage: str) -> str:
        head = f"define {linkage}void @{self.name}({', '.join(self.arguments)}) {{"
        return "\n".join([head, *self._variables, *self._lines, "  ret void", "}"])

    def room(self, _: str) -> Register:
        """Return where intermediate results are."""
        return self.space

    def compiled(self, *, quickly: bool) -> Callable[..., None]:
        """Compile it, and return the function without its first argument."""
        code = linked(self.text(), self.name, quickly=quickly)
        run = ctypes.CFUNCTYPE(None, *[ctypes.c_ssize_t] * 5)(code.address)
        table = np.array(self._words or [0], np.int64)
        owners = code, self._used, table

        def call(*rest: int, owners: Any = owners) -> None:
            run(address_of(owners[2]), *rest)

        return call


class _Run(NamedTuple):
    """A function for tiles of one size.

    Attributes
    ----------
    function : callable
    nbytes : int
        Of the room that it needs.
    chunks : int
        Into how many its work is cut.
    """

    function: Callable[..., None]
    nbytes: int
    chunks: int


class Tile:
    """Lines over many points.

    Parameters
    ----------
    operands : sequence of Part
    results : sequence of Part
        With the points, or summed over them.
    flags : sequence of Slot
        Values in which NaN is looked for.
    values : sequence of Slot
        Of the results.
    points : int
    program : callable
        ``program(size)`` are the lines for so many points.
    """

    def __init__(
        self,
        operands: Sequence[Part],
        results: Sequence[Part],
        flags: Sequence[Slot],
        values: Sequence[Slot],
        points: int,
        program: Callable[[int], Program],
    ) -> None:
        self._operands, self._results = list(operands), list(results)
        self._flags, self._values = list(flags), list(values)
        self._points, self._program = points, program
        self._runs: list[_Run] = []

    def prepare(self) -> None:
        """Compile the functions: for whole tiles, and for the points that are left."""
        size = self._size()
        tiles, rest = divmod(self._points, size)
        self._runs = [self._written(size, 0, tiles, min(_CHUNKS, tiles))]
        if rest:
            self._runs.append(self._written(rest, tiles * size, 1, 1))

    def _size(self) -> int:
        """Return how many points a tile has."""
        one, two = (
            sum(prod(line.shape) * line.dtype.itemsize for line in program.lines if line.dtype)
            for program in map(self._program, (1, 2))
        )
        fitting = max(_BYTES // max(two - one, 1), 1)
        return min(max(1 << (fitting.bit_length() - 1), _LEAST), _MOST, self._points)

    def _written(self, size: int, begin: int, tiles: int, chunks: int) -> _Run:
        """Return the function for tiles of a size."""
        f = _Function()
        count = len(self._operands) + len(self._results) + len(self._flags)
        data = [f.load("ptr", f.words, i) for i in range(count)]
        program = grouped(self._program(size), pays)
        first, last = f.limits
        with f.loop(first, last) as chunk:
            low, high = (i * tiles / chunks for i in (chunk, chunk + 1))
            with f.loop(low, high) as tile:
                nbytes = self._tile(f, program, data, tile * size + begin, (chunk, size))
        # Few points are worth no time of the compiler.
        return _Run(f.compiled(quickly=tiles * size * _MANY < self._points), nbytes, chunks)

    def _tile(
        self,
        f: _Function,
        program: Program,
        data: list[Register],
        point: Register,
        where: tuple[Register, int],
    ) -> int:
        """Write the lines for the points from one on."""
        chunk, size = where
        blocks = Blocks(f, program, most=1 << 40)
        for i, part in enumerate(self._operands):
            blocks.blocks[i] = part.block(data[i], point, size)
        for step in program.steps:
            if type(step) is Line:
                blocks.line(step)
            elif type(step) is Group:
                blocks.group(step)
            blocks.next()
        rest = data[len(self._operands) :]
        for x, part, place in zip(self._values, self._results, rest, strict=False):
            if part.axis is not None:
                blocks.copy(x, part.block(place, point, size))
                continue
            element = _element(part.dtype)
            total = f.at(place, chunk * max(prod(part.shape), 1), element)
            blocks.copy(x, part.block(total, point, size), add=True)
        for x, place in zip(self._flags, rest[len(self._values) :], strict=True):
            flag = f.recast("zext", blocks.nan_in(x), "i64")
            f.store(f.load("i64", place, chunk) + flag, place, chunk)
        return blocks.room_bytes

    def __call__(self, *given: Array) -> list[Any]:
        """Return the results, and for each flag how often NaN was found."""
        arrays = [np.require(x, requirements=["C", "A"]) for x in given]
        for x, part in zip(arrays, self._operands, strict=True):
            if (x.shape or (1,), x.dtype) != (part.shape or (1,), part.dtype):
                text = f"an operand of a tile has shape {x.shape}, not {part.shape}"
                raise InvalidArgumentError(text)
        whole = [np.empty(p.shape, p.dtype) if p.axis is not None else None for p in self._results]
        sums = [self._run(run, arrays, whole) for run in self._runs]
        totals = iter([sum(terms[1:], terms[0]) for terms in zip(*sums, strict=True)])
        found = [next(totals) if y is None else y for y in whole]
        return [*found, *totals]

    def _run(
        self, run: _Run, arrays: Sequence[Array], whole: Sequence[Array | None]
    ) -> list[Array]:
        """Run tiles of one size, and return the sums over their points."""
        partial = [
            np.zeros((run.chunks, *part.shape), part.dtype)
            for part, y in zip(self._results, whole, strict=True)
            if y is None
        ]
        rest = iter(partial)
        outs = [next(rest) if y is None else y for y in whole]
        flags = [np.zeros(run.chunks, np.int64) for _ in self._flags]
        words = np.array([address_of(x) for x in (*arrays, *outs, *flags)], np.int64)

        def work(items: slice) -> None:
            room = taken(run.nbytes)
            run.function(address_of(words), address_of(room), items.start, items.stop)
            given_back(room)

        in_blocks(work, run.chunks)
        return [np.add.reduce(x, axis=0) for x in (*partial, *flags)]
