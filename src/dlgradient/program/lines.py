"""The array program: what a call computed, as a flat list of lines.

A line applies the kernel of an operation to earlier values and to constants. Values are numbered:
first the arguments, then one for each line. A check is what Python has read at its place. All of it
is data: no line knows the arrays of the call that was recorded, nor a node of its trace.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from dlgradient.core.declaration import OPS
from dlgradient.core.graph import Like, Node
from dlgradient.core.recompute import by_number
from dlgradient.core.types import Dtype, Shape
from dlgradient.engine.array import dlarray
from dlgradient.program.draws import DRAW, generators_of
from dlgradient.program.pullback import PullBack
from dlgradient.program.recorder import Read, Recorder

__all__ = [
    "Check",
    "Group",
    "Line",
    "Program",
    "Slot",
    "Step",
    "Unrecordable",
    "alike",
    "is_known",
    "program_of",
]


class Unrecordable(Exception):  # noqa: N818 - no error: the call runs eagerly
    """An operation that no line can repeat."""


class Slot(int):
    """The number of a value; in operands anything else is a constant."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"v{int(self)}"


@dataclass(slots=True, eq=False)
class Line:
    """One operation: ``target = kernel(*operands, **params)``."""

    target: Slot
    op: Any
    operands: tuple[Any, ...]
    params: dict[str, Any]
    shape: Shape
    dtype: Dtype | None  # None for several results
    silent: bool = False  # in a backward walk, where warnings are off


@dataclass(slots=True, eq=False)
class Check:
    """What Python has read: ``function(*operands)`` must be like `found`."""

    function: Callable[..., Any]
    operands: tuple[Any, ...]
    found: Any


@dataclass(slots=True, eq=False)
class Group:
    """Lines that one function computes: ``targets = function(*operands, out=arrays)``.

    Attributes
    ----------
    targets : tuple of Slot
    function : callable
        It writes to arrays that it gets, one or None for each of the stored targets.
    operands : tuple
    lines : list of Line
    stored : list of (target, shape, dtype)
        The first targets.
    aligned : list of Slot
        Operands of which each element is read before any element at its place is written.
    """

    targets: tuple[Slot, ...]
    function: Any
    operands: tuple[Any, ...]
    lines: list[Line]
    stored: list[tuple[Slot, Shape, Dtype]]
    aligned: list[Slot]


Step: TypeAlias = Line | Check | Group


@dataclass(slots=True, eq=False)
class Program:
    """Lines and checks in the order of the call, and the values that are its results.

    Attributes
    ----------
    inputs : list of (shape, dtype)
    steps : list of Line, Check or Group
        Only the program that is printed has groups.
    results : list
        Slots and constants.
    """

    inputs: list[tuple[Shape, Dtype]]
    steps: list[Step] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)

    @property
    def lines(self) -> list[Line]:
        """The lines without the checks."""
        return [step for step in self.steps if type(step) is Line]

    @property
    def groups(self) -> list[Group]:
        """The groups."""
        return [step for step in self.steps if type(step) is Group]

    @property
    def generators(self) -> list[np.random.Generator]:
        """Those that lines draw from."""
        return generators_of([line.params for line in self.lines if line.op is DRAW])

    @property
    def checks(self) -> list[Check]:
        """What Python has read."""
        return [step for step in self.steps if type(step) is Check]


def is_known(op: Any) -> bool:
    """Return whether an operation is that of the table with its name."""
    return OPS.get(op.name) is op


# -- from the graph ------------------------------------------------------------------------------


def program_of(recorder: Recorder, results: Sequence[Any]) -> Program:
    """Return the program of a recorded call, whose trace is still open.

    Parameters
    ----------
    recorder : Recorder
    results : sequence
        The nodes of the results; for one without a node its value.
    """
    inputs = sorted(recorder.inputs, key=recorder.inputs.__getitem__)
    slots: dict[Node, Any] = {node: Slot(i) for i, node in enumerate(inputs)}
    constants = _Constants()
    program = Program([(node.shape, node.dtype) for node in inputs])
    roots = [x for x in results if type(x) is Node]
    roots += [x for read in recorder.reads for x in read.operands if type(x) is Node]
    roots += recorder.draws.nodes  # also those that nothing needs: the next numbers depend on them
    pending = list(reversed(recorder.reads))
    count = len(inputs)
    for node in by_number(_ancestors(roots)):
        while pending and pending[-1].seq < node.seq:
            program.steps.append(_check(pending.pop(), slots, constants))
        if node in slots:
            continue
        if node.op is None:  # a constant that became a variable, as a gradient that is zero
            slots[node] = constants.own(node.saved[0])
            continue
        slots[node] = Slot(count)
        count += 1
        program.steps.append(_line(node, slots, constants, recorder.is_silent(node.seq)))
    program.steps += [_check(read, slots, constants) for read in reversed(pending)]
    program.results = [slots[x] if type(x) is Node else constants.own(x) for x in results]
    return program


def _ancestors(roots: Iterable[Node]) -> set[Node]:
    seen = set(roots)
    stack = list(seen)
    while stack:
        for parent in stack.pop().parents:
            if type(parent) is Node and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return seen


def _line(node: Node, slots: dict[Node, Any], constants: _Constants, silent: bool) -> Line:
    operands = tuple([slots[p] if type(p) is Node else constants.own(p) for p in node.parents])
    params = {n: constants.parameter(node.op, n, value) for n, value in node.params.items()}
    return Line(slots[node], node.op, operands, params, node.shape, node.dtype, silent)


def _check(read: Read, slots: dict[Node, Any], constants: _Constants) -> Check:
    operands = [slots[x] if type(x) is Node else constants.own(x) for x in read.operands]
    return Check(read.function, tuple(operands), constants.own(read.found))


def _copied(value: Any) -> Any:
    """Return a copy; of a number that is spread, such as the gradient of a sum, a small one."""
    if value.size < 2 or any(value.strides):
        return value.copy(order="K")
    return np.broadcast_to(value.flat[0], value.shape)


_PLAIN = (bool, int, float, complex, str, bytes, np.generic, np.dtype, type, type(None), range)


class _Constants:
    """The constants of a program, as copies that nothing else changes."""

    def __init__(self) -> None:
        self._copies: dict[int, tuple[Any, Any]] = {}  # by identity; it holds the array too

    def own(self, value: Any) -> Any:
        """Return a value, if it is an array a copy, the same one for the same array."""
        if not isinstance(value, np.ndarray):
            return value
        if id(value) not in self._copies:
            self._copies[id(value)] = value, _copied(value)
        return self._copies[id(value)][1]

    def parameter(self, op: Any, name: str, value: Any) -> Any:
        """Return a parameter of an operation; a function may compute anything."""
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            return self.own(value)
        if isinstance(value, tuple | list):
            members = [self.parameter(op, name, v) for v in value]
            return value._make(members) if hasattr(value, "_make") else type(value)(members)
        if type(value) is dict:
            return {key: self.parameter(op, name, v) for key, v in value.items()}
        return self._single(op, name, value)

    def _single(self, op: Any, name: str, value: Any) -> Any:
        if isinstance(value, slice):
            bounds = value.start, value.stop, value.step
            return slice(*[self.parameter(op, name, v) for v in bounds])
        if type(value) is PullBack:
            return value.with_params(self.parameter(op, name, value.params))
        if type(value) is Node:  # only the walk reads it, and the walk is in the program
            return None
        if op is DRAW and name == "generator":
            return value
        if not _is_constant(value):
            raise Unrecordable(f"{op.shown}: its parameter {name} is a {type(value).__name__}")
        return value


def _is_constant(value: Any) -> bool:
    """Return whether nothing changes a parameter: a number, or how windows slide, for instance."""
    if isinstance(value, _PLAIN) or value is Ellipsis:
        return True
    if type(value) is dlarray:
        return value._node is None
    return type(value).__module__.startswith("dlgradient.nn.") and not callable(value)


# -- comparison ----------------------------------------------------------------------------------


def alike(first: Any, second: Any) -> bool:
    """Return whether two constants, lines, checks or programs are the same."""
    kind = type(first)
    if first is second or kind is not type(second):
        return first is second
    return _COMPARISONS.get(kind, _same)(first, second)


def _same_lines(first: Line, second: Line) -> bool:
    """Compare what differs most often first; programs have many lines."""
    return (
        first.target == second.target
        and first.op is second.op
        and first.shape == second.shape
        and first.dtype == second.dtype
        and _same_members(first.operands, second.operands)
        and _same_dicts(first.params, second.params)
    )


def _same_members(first: Any, second: Any) -> bool:
    return len(first) == len(second) and all(map(alike, first, second))


def _same_dicts(first: Any, second: Any) -> bool:
    return list(first) == list(second) and all(map(alike, first.values(), second.values()))


def _same_fields(*names: str) -> Callable[[Any, Any], bool]:
    fields = operator.attrgetter(*names)
    return lambda first, second: _same_members(fields(first), fields(second))


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, np.ndarray | float | complex | np.inexact):
        return _same_array(np.asarray(first), np.asarray(second))
    if isinstance(first, tuple | list):
        return _same_members(first, second)
    if isinstance(first, dict):
        return _same_dicts(first, second)
    if hasattr(first, "__dict__") and not callable(first) and not isinstance(first, int | str):
        return _same_dicts(vars(first), vars(second))
    return bool(first == second)


def _same_array(first: Any, second: Any) -> bool:
    return (
        first.shape == second.shape
        and first.dtype == second.dtype
        and np.ascontiguousarray(first).tobytes() == np.ascontiguousarray(second).tobytes()
    )


_COMPARISONS: dict[Any, Callable[[Any, Any], bool]] = {
    Program: _same_fields("inputs", "steps", "results"),
    Line: _same_lines,
    Check: _same_fields("function", "operands", "found"),
    slice: _same_fields("start", "stop", "step"),
    dlarray: _same_fields("_format", "_value"),
    Like: _same_fields("shape", "dtype"),
    Node: _same_fields("shape", "dtype"),
    dict: _same_dicts,
    **dict.fromkeys((tuple, list), _same_members),
    **dict.fromkeys((Slot, int, bool, str), operator.eq),
}
