"""Tiles: a program over many points that do not depend on each other runs over a few at a time.

The points are one dimension of the inputs, the longest one. Each line may keep it as it is, sum
over it, or have nothing to do with it. Then the lines that have it are one step. For a tile of
points, all of them run in the caches, and what they sum is added up. What depends on the sums comes
afterwards. If a line of the points depends on a sum over them, as with statistics of a batch, there
is no tile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from dlgradient.core.declaration import OPS
from dlgradient.core.types import Dtype, Shape
from dlgradient.engine.zeros import holds_nan
from dlgradient.ops.shape import normalized
from dlgradient.program.lines import Check, Group, Line, Program, Slot, Step, is_known
from dlgradient.program.lowering import is_lowered
from dlgradient.program.machine.cells import KINDS
from dlgradient.program.machine.tile import Part, Tile
from dlgradient.program.passes.groups import in_order

__all__ = ["tiled"]

# Points, and lines over them, from which on there is a tile; elements of a matrix of a product.
LEAST_POINTS, LEAST_LINES = 2048, 16
MOST_WIDTH = 128
_SUMMED = -1  # the place of the points in what sums over them


class _Coupled(Exception):  # noqa: N818 - no error: there is no tile
    """A line that needs all points at once, or of which nothing is known."""


def tiled(program: Program) -> Program | None:
    """Return a program in which the lines over many points are one step; None if there is none."""
    sizes = Counter(n for shape, _ in program.inputs for n in set(shape) if n >= LEAST_POINTS)
    if not sizes or program.generators:
        return None
    points = max(sizes)
    try:
        finder = _Finder(program, points)
        for step in program.steps:
            finder.add(step)
        # Without a product, one loop reads each operand once.
        products = [line for line in finder.inner if line.op.name == "matmul"]
        return finder.program_with() if products and len(finder.inner) >= LEAST_LINES else None
    except _Coupled:
        return None


class _Finder:
    """Finds where lines have the points.

    Attributes
    ----------
    axes : dict
        For values with the points, the dimension; `_SUMMED` for what is summed over them.
    inner : list of Line
        The lines of the tile.
    outer : list
        All other steps.
    """

    def __init__(self, program: Program, points: int) -> None:
        self.program, self.points = program, points
        self.kinds: dict[int, tuple[Shape, Dtype | None]] = dict(enumerate(program.inputs))
        self.axes: dict[Slot, int] = {}
        self.inner: list[Line] = []
        self.outer: list[Step] = []
        self.late: set[Slot] = set()  # what depends on sums over points
        self.flags: dict[Slot, Slot] = {}  # of values that must hold no NaN
        self.means: list[Line] = []
        self.next = max([len(program.inputs), *[line.target + 1 for line in program.lines]])
        for i, (shape, _) in enumerate(program.inputs):
            self._note(Slot(i), shape)

    def _note(self, x: Slot, shape: Shape) -> None:
        """Note a value that the tile reads, if it has the points."""
        axis = self._axis_in(shape)
        if axis is not None:
            self.axes[x] = axis

    def _axis_in(self, shape: Shape) -> int | None:
        found = [i for i, n in enumerate(shape) if n == self.points]
        if len(found) > 1:
            raise _Coupled
        return found[0] if found else None

    def axis(self, x: Any) -> int | None:
        """Return the dimension of an operand that the points are."""
        if type(x) is Slot:
            axis = self.axes.get(x)
            return None if axis == _SUMMED else axis
        return self._axis_in(x.shape) if isinstance(x, np.ndarray) else None

    def new(self) -> Slot:
        """Return a new slot."""
        self.next += 1
        return Slot(self.next - 1)

    # -- steps -----------------------------------------------------------------------------------

    def add(self, step: Step) -> None:
        """Add a step to the tile, or leave it alone."""
        if type(step) is Check:
            self._check(step)
            return
        assert type(step) is Line
        self.kinds[step.target] = step.shape, step.dtype
        reads = [x for x in step.operands if type(x) is Slot]
        axes = [self.axis(x) for x in step.operands]
        is_late = any(x in self.late or self.axes.get(x) == _SUMMED for x in reads)
        if all(axis is None for axis in axes):
            self.outer.append(step)
            if is_late:
                self.late.add(step.target)
            else:
                self._note(step.target, step.shape)
            return
        if is_late:
            raise _Coupled
        axis = self._found(step, axes)
        if axis != _SUMMED and step.shape[axis] != self.points:
            raise _Coupled
        self.axes[step.target] = axis
        self.inner.append(self._of_mean(step) if axis == _SUMMED else step)

    def _check(self, check: Check) -> None:
        axes = [self.axis(x) for x in check.operands]
        if all(axis is None for axis in axes):
            self.outer.append(check)
            return
        x = check.operands[0]
        if check.function is not holds_nan or type(x) is not Slot:
            raise _Coupled
        if x not in self.flags:
            self.flags[x] = self.new()
        self.outer.append(Check(bool, (self.flags[x],), bool(check.found)))

    def _of_mean(self, line: Line) -> Line:
        """Return the sum of a mean, which is divided after the tile; else the line."""
        if line.op.name != "mean":
            return line
        count = prod(self.kinds[line.operands[0]][0]) // max(prod(line.shape), 1)
        params = {**line.params, "dtype": None}
        total = Line(self.new(), OPS["sum"], line.operands, params, line.shape, line.dtype)
        self.axes[total.target] = _SUMMED
        self.kinds[total.target] = line.shape, line.dtype
        divided = Line(
            line.target, OPS["divide"], (total.target, count), {}, line.shape, line.dtype
        )
        del self.axes[line.target]
        self.late.add(line.target)
        self.outer.append(divided)
        return total

    # -- rules -----------------------------------------------------------------------------------

    def _found(self, line: Line, axes: Sequence[int | None]) -> int:
        """Return the dimension of the result that the points are."""
        if not is_known(line.op) or line.dtype is None:
            raise _Coupled
        name = line.op.name
        if is_lowered(line, self.kinds) or name in ("cast", "discretize"):
            return self._of_elements(line, axes)
        rule = _RULES.get(name)
        if rule is None:
            raise _Coupled
        return int(rule(self, line, axes))

    def _shape(self, x: Any) -> Shape:
        return self.kinds[x][0] if type(x) is Slot else np.shape(x)

    def _of_elements(self, line: Line, axes: Sequence[int | None]) -> int:
        ndim = len(line.shape)
        found = {
            axis + ndim - len(self._shape(x))
            for x, axis in zip(line.operands, axes, strict=True)
            if axis is not None
        }
        if len(found) != 1:
            raise _Coupled
        return found.pop()

    def _of_product(self, line: Line, axes: Sequence[int | None]) -> int:
        shapes = [self._shape(x) for x in line.operands]
        if {len(shape) for shape in shapes} != {2}:
            raise _Coupled
        if any(n > MOST_WIDTH for shape in shapes for n in shape if n != self.points):
            raise _Coupled
        rule = {(0, None): 0, (None, 1): 1, (1, 0): _SUMMED}
        found = rule.get((axes[0], axes[1]))
        if found is None:
            raise _Coupled
        return found

    def _of_sum(self, line: Line, axes: Sequence[int | None]) -> int:
        axis, shape = axes[0], self._shape(line.operands[0])
        over, param = range(len(shape)), line.params.get("axis")
        if line.params.get("dtype") is not None or axis is None:
            raise _Coupled
        if param is not None:
            over = normalized(param, len(shape))  # type: ignore[assignment]
        if axis in over:
            return _SUMMED
        return axis if line.params.get("keepdims") else axis - sum(i < axis for i in over)

    def _of_transpose(self, line: Line, axes: Sequence[int | None]) -> int:
        ndim = len(line.shape)
        order = [*range(ndim - 2), ndim - 1, ndim - 2]
        return order.index(axes[0])

    def _of_permutation(self, line: Line, axes: Sequence[int | None]) -> int:
        order = [i % len(line.shape) for i in line.params["axes"]]
        return order.index(axes[0])

    def _of_reshape(self, line: Line, axes: Sequence[int | None]) -> int:
        old, new, axis = self._shape(line.operands[0]), line.shape, axes[0]
        for i, n in enumerate(new):
            if n == self.points and prod(new[:i]) == prod(old[:axis]):
                return i
        raise _Coupled

    def _of_broadcast(self, line: Line, axes: Sequence[int | None]) -> int:
        return axes[0] + len(line.shape) - len(self._shape(line.operands[0]))  # type: ignore[operator]

    def _of_spread(self, line: Line, axes: Sequence[int | None]) -> int:
        if line.params.get("keepdims"):
            return int(axes[0])  # type: ignore[arg-type]
        param, ndim = line.params["axis"], len(line.shape)
        over = range(ndim) if param is None else normalized(param, ndim)
        return [i for i in range(ndim) if i not in over][axes[0]]  # type: ignore[index]

    def _of_slices(self, line: Line, axes: Sequence[int | None]) -> int:
        return _after(line.params["key"], axes[0], len(self._shape(line.operands[0])))  # type: ignore[arg-type]

    def _of_parts(self, line: Line, axes: Sequence[int | None]) -> int:
        (axis,) = set(axes) if len(set(axes)) == 1 else (None,)
        if axis is None:
            raise _Coupled
        places = {
            i
            for key in line.params["keys"]
            for i, n in enumerate(line.shape)
            if n == self.points and _after(key, i, len(line.shape)) == axis
        }
        if len(places) != 1:
            raise _Coupled
        return places.pop()

    def _of_join(self, line: Line, axes: Sequence[int | None]) -> int:
        along = line.params.get("axis", 0)
        if type(along) is not int or len(set(axes)) != 1 or along % len(line.shape) == axes[0]:
            raise _Coupled
        return int(axes[0])  # type: ignore[arg-type]

    # -- the program -----------------------------------------------------------------------------

    def program_with(self) -> Program:
        """Return the program with the tile."""
        inside = {line.target for line in self.inner}
        needed = {x for x in self.program.results if type(x) is Slot}
        needed |= {x for step in self.outer for x in step.operands if type(x) is Slot}
        results = [x for x in self.axes if x in inside and x in needed]
        values, numbers = self._operands()
        parts = [self._part(x) for x in values]
        outs = [self._part(x) for x in results]
        flags = [numbers[x] for x in self.flags]
        wanted = [numbers[x] for x in results]

        def program(size: int) -> Program:
            return self._sub_program(values, numbers, [*wanted, *flags], size)

        tile = Tile(parts, outs, flags, wanted, self.points, program)
        targets = (*results, *self.flags.values())
        # Constants are in order already: a number that is spread would be written in each call.
        given = [x if type(x) is Slot else np.ascontiguousarray(x) for x in values]
        group = Group(targets, tile, tuple(given), self.inner, [], [])
        steps = in_order(self.outer, [group])
        return Program(self.program.inputs, steps, self.program.results)

    def _operands(self) -> tuple[list[Any], dict[Any, Slot]]:
        """Return what the tile reads, and the slots of all values in it."""
        inside = {line.target for line in self.inner}
        values: list[Any] = []
        numbers: dict[Any, Slot] = {}
        read = [x for line in self.inner for x in line.operands]
        for x in [*read, *self.flags]:
            key = x if type(x) is Slot else id(x)
            is_read = x not in inside if type(x) is Slot else self.axis(x) is not None
            if is_read and key not in numbers:
                numbers[key] = Slot(len(values))
                values.append(x)
        for line in self.inner:
            numbers[line.target] = Slot(len(numbers))
        return values, numbers

    def _part(self, x: Any) -> Part:
        shape, dtype = self.kinds[x] if type(x) is Slot else (x.shape, x.dtype)
        if dtype not in KINDS:
            raise _Coupled
        assert dtype is not None
        return Part(shape, dtype, self.axis(x))

    def _sub_program(
        self, values: Sequence[Any], numbers: Mapping[Any, Slot], wanted: Sequence[Slot], size: int
    ) -> Program:
        """Return the lines of the tile for so many points, and what is wanted of them."""
        inputs = [part.kind(size) for part in map(self._part, values)]
        steps: list[Step] = []
        for line in self.inner:
            axis = self.axes[line.target]
            shape = line.shape
            if axis != _SUMMED:
                shape = (*shape[:axis], size, *shape[axis + 1 :])
            params = dict(line.params)
            if "shape" in params:
                params["shape"] = shape
            operands = tuple(
                [numbers.get(x if type(x) is Slot else id(x), x) for x in line.operands]
            )
            target = numbers[line.target]
            steps.append(Line(target, line.op, operands, params, shape, line.dtype, line.silent))
        return Program(inputs, steps, list(wanted))


def _after(key: Any, axis: int, ndim: int) -> int:
    """Return where a dimension of so many is after indexing, which must leave it whole."""
    parts = list(key) if type(key) is tuple else [key]
    places = [i for i, part in enumerate(parts) if part is Ellipsis] or [len(parts)]
    count = sum(part is not None and part is not Ellipsis for part in parts)
    parts[places[0] : places[0] + 1] = [slice(None)] * (ndim - count)
    found = dimension = place = 0
    for part in parts:
        if part is None:
            place += 1
            continue
        if type(part) not in (slice, int) or (dimension == axis and part != slice(None)):
            raise _Coupled
        if dimension == axis:
            found = place
        place += type(part) is slice
        dimension += 1
    return found


_RULES = {
    "matmul": _Finder._of_product,
    "sum": _Finder._of_sum,
    "mean": _Finder._of_sum,
    "matrix_transpose": _Finder._of_transpose,
    "permute_dims": _Finder._of_permutation,
    "reshape": _Finder._of_reshape,
    "expand_dims": _Finder._of_reshape,
    "squeeze": _Finder._of_reshape,
    "broadcast_to": _Finder._of_broadcast,
    "spread": _Finder._of_spread,
    "getitem": _Finder._of_slices,
    "scatter": _Finder._of_parts,
    "concat": _Finder._of_join,
}
