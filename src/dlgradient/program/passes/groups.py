"""Groups: lines over arrays of one shape, and sums over them, that one compiled loop computes.

Lines join a group as long as nothing between them depends on the group from outside: a line that
needs a matrix product of a value of the group cannot be in it. Values that no one else reads are
never in memory. Lines that only look at memory in another way, as a sum's adjoint, are looked
through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import Any

from dlgradient.core.types import Dtype, Shape
from dlgradient.native import maths
from dlgradient.native.loops import Loop, Operand, Sum, Value, is_summed
from dlgradient.ops.shape import normalized
from dlgradient.program.lines import Group, Line, Program, Slot, Step, is_known
from dlgradient.program.lowering import Writer, is_lowered, lowered, number_of

__all__ = ["grouped", "in_order"]

_MOST_LINES = 256  # of a group
# Steps of a program with groups: what depends on what takes memory that grows with the square.
_MOST_STEPS = 20_000
_MOST_READ = 24  # operands of a group
_OPEN = 16  # groups that a line may join
_SUMS = frozenset({"sum", "mean"})
_RESHAPES = frozenset({"reshape", "expand_dims", "squeeze"})
# Operations that take as long as several of arithmetic.
_HEAVY = frozenset({*maths.NAMES, "softplus", "swish", "mish", "elu"})


class _View:
    """A value that shows another one in another shape.

    Attributes
    ----------
    source : Slot
    varies : tuple of bool
        Whether it has elements of its own along each dimension.
    line : Line or None
        What makes it.
    """

    def __init__(self, source: Slot, varies: tuple[bool, ...], line: Line | None = None) -> None:
        self.source, self.varies, self.line = source, varies, line


class _Open:
    """A group that grows.

    Attributes
    ----------
    bits : int
        Its own bits in sets of steps.
    before : int
        The steps that it depends on.
    used : bool
        Whether a step outside reads a value of it.
    """

    def __init__(self, bit: int, shape: Shape) -> None:
        self.bits, self.shape = bit, shape
        self.before = 0
        self.used = False
        self.lines: list[tuple[int, Line]] = []
        self.sums: list[Line] = []
        self.values: set[Slot] = set()
        self.reads: set[Slot] = set()


def grouped(program: Program, pays: Callable[[int, int], bool]) -> Program:
    """Return a program in which groups of lines are compiled loops.

    Parameters
    ----------
    program : Program
    pays : callable
        ``pays(size, weight)`` tells whether a loop pays that does about `weight` operations for
        each of `size` elements.
    """
    sizes = {prod(shape) for shape, _ in program.inputs}
    sizes |= {prod(line.shape) for line in program.lines}
    if len(program.steps) > _MOST_STEPS or not any(pays(n, _MOST_LINES) for n in sizes):
        return program
    finder = _Finder(program)
    for number, step in enumerate(program.steps):
        finder.add(number, step)
    return finder.program_with(pays)


class _Finder:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.kinds: dict[int, tuple[Shape, Dtype | None]] = dict(enumerate(program.inputs))
        self.views: dict[Slot, _View] = {}
        self.owner: dict[Slot, _Open] = {}
        self.above: dict[Slot, int] = {}  # of values of single steps: what they depend on
        self.groups: list[_Open] = []
        self.open: list[_Open] = []

    # -- which steps ------------------------------------------------------------------------------

    def add(self, number: int, step: Step) -> None:
        """Add a step to a group, or leave it alone."""
        if type(step) is not Line:
            self.open = []  # what a check guards is not computed before it
            self._alone(number, step)
            return
        self.kinds[step.target] = step.shape, step.dtype
        if is_lowered(step, self.kinds):
            self._join(number, step)
        elif not self._join_sum(number, step):
            self._alone(number, step)
            self._look_through(step)

    def _alone(self, number: int, step: Step) -> None:
        mask = 1 << number
        for x in _slots(step.operands):
            mask |= self._above(x)
            if x in self.owner:
                self.owner[x].used = True
        if type(step) is Line:
            self.above[step.target] = mask

    def _above(self, x: Slot) -> int:
        """Return the steps that a value depends on, as a set of bits."""
        group = self.owner.get(x)
        return group.bits | group.before if group is not None else self.above.get(x, 0)

    def _join(self, number: int, line: Line) -> None:
        sources = [self._view(x).source for x in _slots(line.operands)]
        homes = [g for g in self.open if g.shape == line.shape and not g.values.isdisjoint(sources)]
        near = [
            g
            for g in self.open
            if g.shape == line.shape and g not in homes and not g.reads.isdisjoint(sources)
        ]
        for group in [*homes[::-1], *near[::-1]]:
            outside = self._outside(sources, group)
            if self._is_free(group, outside) and len(group.lines) < _MOST_LINES:
                break
        else:
            group = _Open(1 << number, line.shape)
            self.groups.append(group)
            self.open = [*self.open[1 - _OPEN :], group]
            outside = self._outside(sources, group)
        self._take(group, number, line, sources, outside)
        for other in homes:
            if other is not group:
                self._merge(group, other)

    def _outside(self, sources: Iterable[Slot], group: _Open) -> int:
        """Return what a line depends on that is not of a group."""
        mask = 0
        for x in sources:
            if x not in group.values:
                mask |= self._above(x)
        return mask

    def _is_free(self, group: _Open, outside: int) -> bool:
        """Return whether a line may join: no way leads out of the group and back."""
        if outside & group.bits:
            return False
        # Who reads a value of the group would have to learn what it depends on now.
        return not group.used or not outside & ~group.before

    def _take(
        self, group: _Open, number: int, line: Line, sources: Iterable[Slot], outside: int
    ) -> None:
        group.lines.append((number, line))
        group.before |= outside
        for x in sources:
            if x in group.values:
                continue
            group.reads.add(x)
            if x in self.owner:
                self.owner[x].used = True
        group.values.add(line.target)
        self.owner[line.target] = group

    def _merge(self, group: _Open, other: _Open) -> None:
        """Make one group of two, if nothing outside lies between them."""
        values = group.values | other.values
        reads = (group.reads | other.reads) - values
        before = 0
        for x in reads:
            before |= self._above(x)
        if before & (group.bits | other.bits):
            return
        if len(group.lines) + len(other.lines) > _MOST_LINES:
            return
        if any(g.used and before & ~g.before for g in (group, other)):
            return
        group.bits |= other.bits
        group.before, group.values, group.reads = before, values, reads
        group.used |= other.used
        group.lines = sorted([*group.lines, *other.lines], key=lambda pair: pair[0])
        group.sums += other.sums
        for x in (*other.values, *[line.target for line in other.sums]):
            self.owner[x] = group
        self.groups.remove(other)
        self.open.remove(other)

    def _join_sum(self, number: int, line: Line) -> bool:
        """Add a sum to the group that it sums a value of, or to a new one; return whether it is."""
        if not is_known(line.op) or line.op.name not in _SUMS or type(line.operands[0]) is not Slot:
            return False
        x = line.operands[0]
        shape, dtype = self.kinds[x]
        if line.params.get("dtype") is not None or line.dtype != dtype or not _is_real(dtype):
            return False
        if not is_summed(shape, _axes(line, shape)):
            return False
        group = self.owner.get(x)
        if group is None or group not in self.open or x not in group.values:
            if x in self.views:
                return False
            group = _Open(1 << number, shape)
            group.before = self._above(x)
            group.reads.add(x)
            if x in self.owner:
                self.owner[x].used = True
            self.groups.append(group)
            self.open = [*self.open[1 - _OPEN :], group]
        group.sums.append(line)
        self.owner[line.target] = group
        return True

    # -- views -----------------------------------------------------------------------------------

    def _look_through(self, line: Line) -> None:
        """Note a line whose result is an operand in another shape."""
        if not is_known(line.op) or not line.operands or type(line.operands[0]) is not Slot:
            return
        x, name = line.operands[0], line.op.name
        shape, dtype = self.kinds[x]
        if dtype != line.dtype or x in self.views:
            return
        if name == "spread":
            axes = _axes(line, line.shape)
            varies = [n != 1 and i not in axes for i, n in enumerate(line.shape)]
        elif name == "broadcast_to":
            missing = len(line.shape) - len(shape)
            varies = [False] * missing + [n != 1 for n in shape]
        elif name in _RESHAPES:
            varies = [n != 1 for n in line.shape]
        else:
            return
        self.views[line.target] = _View(
            x, tuple(varies) if prod(shape) != 1 else (False,) * len(varies), line
        )

    def _view(self, x: Slot) -> _View:
        if x in self.views:
            return self.views[x]
        return _View(x, _varies(self.kinds[x][0]))

    # -- the program -----------------------------------------------------------------------------

    def program_with(self, pays: Callable[[int, int], bool]) -> Program:
        """Return the program with the groups that pay."""
        groups = [g for g in self.groups if self._is_worth(g, pays)]
        inside = {id(line) for g in groups for line in (*[x for _, x in g.lines], *g.sums)}
        singles = [s for s in self.program.steps if id(s) not in inside]
        needed = self._needed(singles, groups)
        singles = [s for s in singles if type(s) is not Line or s.target in needed]
        made = [self._made(g, needed) for g in groups]
        return Program(self.program.inputs, in_order(singles, made), self.program.results)

    def _is_worth(self, group: _Open, pays: Callable[[int, int], bool]) -> bool:
        names = [_weight(line) for _, line in group.lines]
        return pays(prod(group.shape), sum(names) + len(group.sums))

    def _needed(self, singles: list[Step], groups: list[_Open]) -> set[Slot]:
        """Return the values that are read outside the group that has them."""
        needed = set(_slots(self.program.results))
        for group in groups:
            needed |= group.reads
        for step in reversed(singles):
            if type(step) is not Line or step.target in needed:
                needed.update(_slots(step.operands))
        return needed

    def _made(self, group: _Open, needed: set[Slot]) -> Group:
        """Return a group as a step, with its loop."""
        w = Writer()
        names: dict[Slot, Value] = {}
        operands = _Operands()
        for _, line in group.lines:
            xs = [self._value(x, names, operands, len(group.shape)) for x in line.operands]
            names[line.target] = lowered(w, line, xs, self.kinds)
        stored = [x for x in names if x in needed]
        for line in group.sums:
            x = line.operands[0]
            names.setdefault(x, self._value(x, names, operands, len(group.shape)))
        found = [*stored, *[line.operands[0] for line in group.sums]]
        steps = {x: self._step(w, names[x], x) for x in found}
        sums = []
        for line in group.sums:
            axes = _axes(line, group.shape)
            count = prod([group.shape[i] for i in axes]) if line.op.name == "mean" else None
            sums.append(Sum(steps[line.operands[0]], axes, line.shape, count))
        loop = Loop(
            group.shape,
            operands.seen,
            w.steps,
            [steps[x] for x in stored],
            sums,
        )
        return Group(
            (*stored, *[line.target for line in group.sums]),
            loop,
            tuple(operands.values),
            [*self._shown(group, needed), *group.sums],
            [(x, group.shape, self._dtype(x)) for x in stored],
            operands.aligned(_varies(group.shape)),
        )

    def _shown(self, group: _Open, needed: set[Slot]) -> Iterable[Line]:
        """Return the lines of a group, and those before them that it alone looks through."""
        shown: dict[Slot, Line] = {}
        for _, line in group.lines:
            for x in _slots(line.operands):
                view = self.views.get(x)
                if view is not None and view.line is not None and x not in needed:
                    shown[x] = view.line
            shown[line.target] = line
        return shown.values()

    def _value(self, x: Any, names: dict[Slot, Value], found: _Operands, ndim: int) -> Value:
        """Return an operand of a line as one of a step."""
        if type(x) is not Slot:
            number = number_of(x)
            return found.name(x, x.dtype.char, _varies(x.shape), ndim) if number is None else number
        view = self._view(x)
        if view.source in names:
            return names[view.source]
        return found.name(view.source, self._char(view.source), view.varies, ndim)

    def _step(self, w: Writer, value: Value, x: Slot) -> str:
        """Return a value as that of a step."""
        if isinstance(value, str) and value.startswith("s"):
            return value
        return str(w("cast", value, char=self._char(x)))

    def _dtype(self, x: Slot) -> Dtype:
        dtype = self.kinds[x][1]
        assert dtype is not None
        return dtype

    def _char(self, x: Slot) -> str:
        return str(self._dtype(x).char)


def in_order(singles: list[Step], groups: list[Group]) -> list[Step]:
    """Return steps in an order in which each comes after those that it reads."""
    makers: dict[Slot, Step] = {s.target: s for s in singles if type(s) is Line}
    makers.update({x: group for group in groups for x in group.targets})
    ordered: list[Step] = []
    begun: set[int] = set()
    stack: list[Step] = [*groups[::-1], *singles[::-1]]
    while stack:
        step = stack[-1]
        waits = [makers[x] for x in _slots(step.operands) if x in makers]
        waits = [s for s in waits if id(s) not in begun]
        if id(step) in begun:
            stack.pop()
        elif waits:
            stack += waits[::-1]
        else:
            begun.add(id(step))
            ordered.append(step)
            stack.pop()
    return ordered


class _Operands:
    """Operands of a loop, each once.

    Attributes
    ----------
    values : list
        Slots and constant arrays.
    seen : list of Operand
        How the loop reads them.
    """

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.seen: list[Operand] = []
        self._names: dict[Any, str] = {}

    def name(self, x: Any, char: str, varies: tuple[bool, ...], ndim: int) -> str:
        """Return the name of an operand of so many dimensions."""
        varies = (False,) * (ndim - len(varies)) + varies
        key = (int(x) if type(x) is Slot else ("constant", id(x))), varies
        if key not in self._names:
            self._names[key] = f"x{len(self.values)}"
            self.values.append(x)
            self.seen.append(Operand(char, varies))
        return self._names[key]

    def aligned(self, varies: tuple[bool, ...]) -> list[Slot]:
        """Return the operands that are read at one place for each element."""
        found = [x for x, seen in zip(self.values, self.seen, strict=True) if seen.varies == varies]
        return [x for x in _slots(found) if _slots(self.values).count(x) == 1]


def _is_real(dtype: Dtype | None) -> bool:
    return dtype is not None and dtype.char in "fd" and dtype.isnative


def _varies(shape: Shape) -> tuple[bool, ...]:
    return tuple([n != 1 for n in shape])


def _slots(operands: Iterable[Any]) -> list[Slot]:
    return [x for x in operands if type(x) is Slot]


def _axes(line: Line, shape: Shape) -> frozenset[int]:
    """Return the dimensions of a sum, or of its adjoint."""
    axis = line.params["axis"]
    return frozenset(range(len(shape)) if axis is None else normalized(axis, len(shape)))


def _weight(line: Line) -> int:
    return 8 if line.op.name in _HEAVY else 1
