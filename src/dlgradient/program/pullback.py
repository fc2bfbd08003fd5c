"""The pull-back of a fused operation, as one operation of a program.

A fused operation, such as a recurrent layer over a sequence, has a fast rule for raw arrays
(``fast_vjp=``). A traced walk applies the other rule, which is written in many operations. In a
recorded call the walk is traced, and the program would repeat all of these. So the fast rule is
recorded as an operation of its own. Its derivative is that of the other rule, which is written out
when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from dlgradient.core.calls import FUNCTIONS, picked, record, values_and_parents, wrap, wrap_several
from dlgradient.core.declaration import Declaration, Op
from dlgradient.core.graph import Like, Node
from dlgradient.core.project import project
from dlgradient.core.pulls import Pull
from dlgradient.core.types import Cotangent, Params, RawValue, Shape, Value
from dlgradient.engine.array import dlarray
from dlgradient.engine.walk import reverse

__all__ = ["PullBack", "pull_back"]


class PullBack:
    """What the pull-back of one node needs besides arrays: the parameter of its operation.

    Attributes
    ----------
    op : Op
        The fused operation.
    params : dict
        Its parameters.
    parents : list
        Its operands: nodes without a graph for those that are traced, else only shape and dtype.
    gs, saved : list of bool
        Which cotangents of results there are, and which operands are saved.
    outs : int
        Number of results that are saved.
    wanted : list of int
        The operands that have a cotangent.
    """

    def __init__(self, node: Node, gs: Sequence[Cotangent | None]) -> None:
        self.op = node.op
        self.params: Params = node.params
        self.parents = [_outline(parent) for parent in node.parents]
        self.gs = [g is not None for g in gs]
        self.saved = [value is not None for value in node.saved[:-1]]
        self.outs = len(node.saved[-1]) if node.saved[-1] is not None else 0
        self.wanted: list[int] = []

    def with_params(self, params: Params) -> PullBack:
        """Return the same with other parameters."""
        new = object.__new__(PullBack)
        new.__dict__.update(self.__dict__, params=params)
        return new

    def pulled(self, arrays: Sequence[RawValue]) -> Sequence[RawValue | None]:
        """Return the cotangents of all operands, by the fast rule."""
        gs, saved, outs = self._parts(arrays)
        node = self._node(self.parents, (*saved, tuple(outs) if self.outs else None))
        found: Sequence[RawValue | None] = self.op.joint.raw(node, gs)
        return found

    def traced(self, xs: Sequence[Value], made: Node) -> Sequence[Value | None]:
        """Return the cotangents of all operands, by the rule that is written in operations."""
        gs, saved, _ = self._parts(xs)
        parents = [
            x._node if type(x) is dlarray and x._node is not None else outline
            for x, outline in zip(saved, self.parents, strict=True)
        ]
        values = [x._value if type(x) is dlarray else x for x in saved]
        node = self._node(parents, (*values, None))
        node.trace = made.trace
        found: Sequence[Value | None] = self.op.joint.traced(node, gs)
        return found

    def _parts(self, arrays: Sequence[Any]) -> tuple[Any, list[Any], list[Any]]:
        """Return the cotangents of the results, saved operands, and saved results."""
        rest = iter(arrays)
        gs = [next(rest) if there else None for there in self.gs]
        saved = [next(rest) if there else None for there in self.saved]
        return gs if self.op.outputs else gs[0], saved, list(rest)

    def _node(self, parents: Sequence[Any], saved: tuple[Any, ...]) -> Node:
        """Return what a rule reads of a node."""
        node = _empty_node((), None)
        node.op, node.params = self.op, self.params
        node.parents, node.saved = tuple(parents), saved
        return node


def _outline(parent: Any) -> Like:
    """Return what the raw pull reads of an operand besides its value."""
    if type(parent) is not Node:
        return Like(np.shape(parent), np.result_type(parent))
    return _empty_node(parent.shape, parent.dtype)


def _empty_node(shape: Shape, dtype: Any) -> Node:
    """Return a node that is in no graph and in no trace."""
    node = object.__new__(Node)
    node.op, node.params, node.parents, node.saved = None, {}, (), ()
    node.shape, node.dtype, node.trace, node.seq = shape, dtype, None, 0
    return node


def pull_back(node: Node, g: Cotangent) -> Sequence[Value | None]:
    """Return the cotangents of the operands of a fused operation, by one operation."""
    gs = list(g) if node.op.outputs else [g]
    outs = node.saved[-1]
    values = [*[c for c in gs if c is not None], *node.saved[:-1], *(outs or ())]
    if any(v is not None and getattr(v, "dtype", node.dtype).kind == "c" for v in values):
        return node.op.joint.traced(node, g)  # type: ignore[no-any-return]
    spec = PullBack(node, gs)
    operands = [
        *[c for c in gs if c is not None],
        *[
            wrap(v, p) if type(p) is Node else v
            for v, p in zip(node.saved[:-1], node.parents, strict=True)
            if v is not None
        ],
        *[wrap(v, picked(node, i, v)) for i, v in enumerate(outs or ())],
    ]
    trace = node.trace
    raw = [x._value if type(x) is dlarray else x for x in operands]
    found = spec.pulled(raw)
    spec.wanted = [
        i for i, c in enumerate(found) if c is not None and type(node.parents[i]) is Node
    ]
    op = _operation(f"{node.op.name}_pull", len(spec.wanted))
    values, parents, _ = values_and_parents(op, operands)
    results = tuple([found[i] for i in spec.wanted])
    made = record(op, parents, values, results, {"spec": spec}, trace)
    given: list[Value | None] = [None] * len(found)
    for i, c in zip(spec.wanted, wrap_several(op, results, made, None), strict=True):
        given[i] = c
    return given


@lru_cache(maxsize=1024)
def _operation(name: str, count: int) -> Op:
    def pulled(arrays: Sequence[RawValue], /, *, spec: PullBack) -> tuple[RawValue | None, ...]:
        found = spec.pulled(arrays)
        return tuple([found[i] for i in spec.wanted])

    pulled.__name__ = name
    declaration = Declaration(function=pulled, kind="general", outputs=count)
    return Op(declaration, Pull(_pull_traced, _pull_traced, ["arrays"]))


def _pull_traced(node: Node, ts: Sequence[Cotangent | None]) -> list[Value | None]:
    """Pull cotangents back through a pull-back: through the rule that is written out."""
    spec: PullBack = node.params["spec"]
    # New nodes, so that only uses in the rule count.
    xs = [
        FUNCTIONS["positive"](wrap(v, p)) if type(p) is Node else v
        for v, p in zip(node.saved[:-1], node.parents, strict=True)
    ]
    pulled = spec.traced(xs, node)
    nodes = [x._node if type(x) is dlarray else None for x in xs]
    variables = [n for n in nodes if n is not None]
    totals: list[Value | None] = [None] * len(xs)
    for i, t in zip(spec.wanted, ts, strict=True):
        c, outline = pulled[i], spec.parents[i]
        if t is None or type(c) is not dlarray or c._node is None:
            continue
        c = project(c, outline.shape, outline.dtype, real=True, name=spec.op.name)
        back = reverse(c._node, t, variables, retain=True, traced=True, real=True)
        for j, n in enumerate(nodes):
            part = None if n is None else back.get(n)
            if part is not None:
                totals[j] = part if totals[j] is None else totals[j] + part
    return totals
