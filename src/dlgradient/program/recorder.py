"""One recorded call: its arguments as variables, what Python reads, and why it cannot be repeated.

The call runs eagerly, in a trace of its own. The trace has a recorder: gradients are traced then,
so that the backward walk is in the graph too. What was computed is the graph; what else a program
must know is noted here.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.calls import variable, wrap
from dlgradient.core.graph import Node, tick
from dlgradient.core.trace import Trace
from dlgradient.core.types import Array, Cotangent, Shape, Value
from dlgradient.engine.array import dlarray
from dlgradient.engine.gradient import CONSTANT
from dlgradient.program.draws import Draws
from dlgradient.program.pullback import pull_back

__all__ = ["Eager", "Read", "Recorder"]


class Read(NamedTuple):
    """What Python has read: ``function(*operands)``, at this point of the call, was `found`."""

    seq: int
    function: Callable[..., Any]
    operands: tuple[Any, ...]  # nodes, and other values as they are
    found: Any


class Eager:
    """The recorder of a call that is not recorded: derivatives can be differentiated again."""

    records = False

    def note(self, function: Callable[..., Any], operands: tuple[Any, ...], found: Any) -> None:
        """Note nothing."""

    def refuse(self, reason: str) -> None:
        """Note nothing."""

    def note_walk(self, start: int) -> None:
        """Note nothing."""

    def pull_back(self, node: Node, g: Cotangent) -> Sequence[Value | None]:
        """Return the cotangents of the operands of a fused operation, by the rule."""
        return node.op.joint.traced(node, g)  # type: ignore[no-any-return]

    def draw(
        self, generator: np.random.Generator, shape: Shape, dtype: type, trace: Trace
    ) -> Array:
        """Return random numbers from 0 to 1."""
        del trace
        return generator.random(shape, dtype)

    def hand_out(self, generator: np.random.Generator) -> None:
        """Note nothing."""

    def is_static(self, node: Node) -> bool:  # noqa: ARG002 - as the recorder's
        """Return False: what `dlfeval` does not trace has no node."""
        return False


class Recorder:
    """Notes of one call.

    Attributes
    ----------
    reads : list of Read
    refusals : list of str
        Why no program can repeat the call.
    inputs : dict
        Numbers of the nodes of the arguments.
    draws : Draws
    """

    records = True

    def __init__(self) -> None:
        self.reads: list[Read] = []
        self.refusals: list[str] = []
        self.inputs: dict[Node, int] = {}
        self.draws = Draws()
        # Nodes without a derivative, and nodes that have one, as far as they were asked for.
        self._static: dict[Node, bool] = {}
        # First and last number of the nodes of each walk, one after the other.
        self._walks: list[tuple[int, int]] = []

    def argument(self, array: dlarray, trace: Trace, *, static: bool) -> dlarray:
        """Return an argument as a variable; a static one is followed, and has no derivative."""
        node = variable(array._value, trace)
        self.inputs[node] = len(self.inputs)
        self._static[node] = static
        return wrap(array._value, node, array._format)  # type: ignore[no-any-return]

    def note(self, function: Callable[..., Any], operands: tuple[Any, ...], found: Any) -> None:
        """Note what Python has read of values, unless none of them is followed any more."""
        given = tuple([_node_or_value(x) for x in operands])
        if any(type(x) is Node and x.trace.is_open for x in given):
            self.reads.append(Read(tick(), function, given, found))

    def refuse(self, reason: str) -> None:
        """Note why no program can repeat the call."""
        if reason not in self.refusals:
            self.refusals.append(reason)

    def note_walk(self, start: int) -> None:
        """Note that the nodes since the number `start` are those of a backward or forward walk."""
        if not self._walks or start > self._walks[-1][1]:
            self._walks.append((start, tick()))

    def pull_back(self, node: Node, g: Cotangent) -> Sequence[Value | None]:
        """Return the cotangents of the operands of a fused operation, by one operation."""
        return pull_back(node, g)

    def draw(
        self, generator: np.random.Generator, shape: Shape, dtype: type, trace: Trace
    ) -> Value:
        """Return random numbers from 0 to 1, which each call of the program draws anew."""
        return self.draws.draw(generator, shape, dtype, trace)

    def hand_out(self, generator: np.random.Generator) -> None:
        """Note that code of the user gets a generator, and may draw from it."""
        self.draws.handed.append(generator)

    def is_silent(self, number: int) -> bool:
        """Return whether a node was made in a walk, where NumPy warns of nothing."""
        at = bisect(self._walks, (number, number)) - 1
        return at >= 0 and number < self._walks[at][1]

    def clear(self) -> None:
        """Let go of all nodes: the trace closes, and those that are left would be looked for."""
        self.reads.clear()
        self.inputs.clear()
        self.draws.nodes.clear()
        self._static.clear()

    def is_static(self, node: Node) -> bool:
        """Return whether `dlfeval` would not trace this node: all that it is made of is static."""
        static = self._static
        stack = [node]
        while stack:
            top = stack[-1]
            parents = [p for p in top.parents if type(p) is Node]
            todo = [p for p in parents if p not in static]
            if top in static or top.op is None or top.op is CONSTANT:
                static.setdefault(top, top.op is not None)
            elif todo:
                stack += todo
                continue
            else:
                static[top] = all(static[p] for p in parents)
            stack.pop()
        return static[node]


def _node_or_value(x: Any) -> Any:
    if type(x) is not dlarray:
        return x
    return x._value if x._node is None else x._node
