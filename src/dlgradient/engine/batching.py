"""A part of a trace, evaluated at many values of some of its nodes in one pass.

The derivative at a point is a linear map, and a walk along one direction records it: the nodes
between the direction and the result. `Part` is such a part of a trace. It evaluates the same
operations again, with a batch of directions instead of one. So n directions cost one pass of
operations on larger arrays, and not n walks.

A batched value has one dimension more than the value of its node, in front. `batch_rules` says for
each operation how one call of it computes the whole batch. An operation that no rule knows is
called for each member of the batch. The generated tests compare the two for every sample of the
table.

Operations are called by their paths, so the same code runs on raw arrays, and on dlarrays for
derivatives of derivatives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgradient.core.calls import FUNCTIONS, wrap
from dlgradient.core.declaration import OPS
from dlgradient.core.graph import Node
from dlgradient.core.recompute import by_number, restore
from dlgradient.core.types import Cotangent
from dlgradient.engine.batch_rules import Call, rule_of
from dlgradient.engine.gradient import CONSTANT, as_constant

__all__ = ["Part", "each", "together"]


class Part:
    """The nodes that lie between some nodes and several results.

    Parameters
    ----------
    results : sequence of Node
    sources : sequence of Node
        The nodes whose values are replaced by batches.

    Attributes
    ----------
    order : list of Node
        The nodes that depend on a source, in the order in which they were made.
    largest : int
        The number of elements of the largest of their values.
    is_known : bool
        Whether all operations are in the table. Others, as one call of a function with its own
        backward pass, are not evaluated again.
    """

    def __init__(self, results: Sequence[Node], sources: Sequence[Node]) -> None:
        self.results = results
        self.sources = sources
        self.order = _dependents(results, sources)
        self.largest = max([node.size for node in (*sources, *self.order)])
        self.is_known = all(map(_is_known, self.order))
        self._constants: dict[Node, Any] | None = None

    def at(self, batches: Sequence[Cotangent], *, traced: bool) -> list[Cotangent | None]:
        """Return the results for each member of a batch; None for one that does not depend on it.

        Parameters
        ----------
        batches : sequence of raw arrays, or of dlarrays if `traced`
            Values of the sources, along the first dimension. There is at least one.
        traced : bool
            Whether operations are applied to dlarrays, so that the results can be differentiated.
        """
        size = batches[0].shape[0]
        values: dict[Node, Any] = dict(zip(self.sources, batches, strict=True))
        uses = Counter(p for node in self.order for p in node.parents if type(p) is Node)
        uses.update(self.results)
        with np.errstate(all="ignore"):
            for node in self.order:
                values[node] = self._evaluated(node, values, size, traced=traced)
                for parent in node.parents:
                    if type(parent) is Node:
                        uses[parent] -= 1
                        if not uses[parent]:
                            values.pop(parent, None)  # memory, of which a batch takes much
        return [values.get(result) for result in self.results]

    def _evaluated(self, node: Node, values: dict[Node, Any], size: int, *, traced: bool) -> Any:
        op = node.op
        if op.indexing == "pick":
            return values[node.parents[0]][node.params["index"]]
        if op is CONSTANT:
            return as_constant(values[node.parents[0]])
        batched = [type(p) is Node and p in values for p in node.parents]
        operands = [
            values[p] if is_batched else self._constant(node, i, p, traced=traced)
            for i, (p, is_batched) in enumerate(zip(node.parents, batched, strict=True))
        ]
        shapes = [np.shape(p) for p in node.parents]
        call = Call(op, operands, batched, shapes, node.params, node.shape, size)
        rule = rule_of(op)
        found = None if rule is None else rule(call)
        return each(call) if found is None else found

    def _constant(self, node: Node, i: int, parent: Any, *, traced: bool) -> Any:
        """Return an operand that does not depend on the source."""
        if type(parent) is not Node:
            return parent
        value = node.saved[i] if node.saved else None
        if value is None:
            value = self._unsaved()[parent]
        return wrap(value, parent) if traced else value

    def _unsaved(self) -> dict[Node, Any]:
        """Return the values of the constants that no rule saves; they are computed again."""
        if self._constants is None:
            own = {*self.sources, *self.order}
            wanted = {
                p
                for node in self.order
                for i, p in enumerate(node.parents)
                if type(p) is Node
                and p not in own
                and not (node.saved and node.saved[i] is not None)
            }
            self._constants = restore((), wanted)
        return self._constants


def _is_known(node: Node) -> bool:
    op = node.op
    return op.indexing == "pick" or op is CONSTANT or OPS.get(op.name) is op


def _dependents(results: Sequence[Node], sources: Sequence[Node]) -> list[Node]:
    """Return the nodes between sources and some results, by ascending number."""
    found = set(sources)
    first = min([node.seq for node in sources])
    seen = {node for node in results if node.seq > first}
    stack = list(seen)
    while stack:
        for parent in stack.pop().parents:
            if type(parent) is Node and parent.seq > first and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    order = []
    for node in by_number(seen - found):
        if any(type(p) is Node and p in found for p in node.parents):
            found.add(node)
            order.append(node)
    return order


def each(call: Call) -> Any:
    """Return the results of an operation that is called for each member of a batch."""
    rows = [
        call.repeated([x[k] if b else x for x, b in zip(call.operands, call.batched, strict=True)])
        for k in range(call.size)
    ]
    stack = FUNCTIONS["stack"]
    if call.op.outputs:
        return [stack([row[i] for row in rows]) for i in range(call.op.outputs)]
    return stack(rows)


def together(parts: Sequence[Cotangent]) -> Cotangent:
    """Return batches as one."""
    return parts[0] if len(parts) == 1 else FUNCTIONS["concat"](parts)
