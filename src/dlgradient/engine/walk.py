"""The reverse walk over a trace, and values that were dropped and are needed again.

The walk goes from the value to differentiate down the sequence numbers of the nodes, visits only
those that lie on a path to a variable, and hands each operand its cotangent by the rule of the
operation. It is one walk: for higher derivatives the operands are traced dlarrays, so that what it
computes can be differentiated again; otherwise they are raw arrays.

Three things make the fast walk more than a loop over rules:

* cotangents of indexing are added in place into one buffer, so a loop over scalar indices costs
  O(n), not O(n²);
* a cotangent that has *structural* zeros (it came through ``where``, indexing, ``clip``, ...) is
  flagged, and an elementwise rule must leave its zeros zero, even where the partial derivative is
  not finite: no gradient is not zero times infinity. A first walk only notes that there was such a
  place. If then all derivatives are finite, zero met no infinity, since a NaN stays one in all that
  is linear; else a second, careful walk looks at every such cotangent;
* kept values are dropped as the walk passes, unless they are to be retained. A later walk that
  needs them computes them again from what the nodes remember.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from dlgradient.core.calls import FUNCTIONS, saved_values
from dlgradient.core.graph import Node
from dlgradient.core.project import project
from dlgradient.core.values import ERRORS, SILENT
from dlgradient.engine.array import dlarray
from dlgradient.engine.compositions import smooth_form
from dlgradient.ops.index import clear, scatter_add

__all__ = ["between", "evaluate", "reverse"]

_sequence = attrgetter("seq")
_FLOAT64 = np.dtype(np.float64)


def reverse(
    root: Node, seed: Any, variables: Sequence[Node], *, retain: bool, traced: bool, real: bool
) -> dict[Node, Any]:
    """Return the cotangent of every variable that `root` depends on.

    Parameters
    ----------
    root : Node
    seed : raw value, or dlarray if `traced`
        Cotangent of `root`.
    variables : sequence of Node
    retain : bool
        Whether nodes keep their values after the walk has passed them.
    traced : bool
        Whether rules are applied to traced operands.
    real : bool
        Whether real operands have real cotangents.
    """
    order, needed = between(root, variables)
    wanted = set(variables)
    walk = _Walk(needed, traced, real)
    found = _sweep(walk, order, wanted, root, seed, retain=retain, careful=False)
    if walk.doubtful and not all(map(_finite, found.values())):
        walk = _Walk(needed, traced, real)
        found = _sweep(walk, order, wanted, root, seed, retain=retain, careful=True)
    return found


def _finite(g: Any) -> Any:
    return np.isfinite(np.add.reduce(_raw(g), axis=None))


def _sweep(  # noqa: C901, PLR0912 - one loop, see below
    walk: _Walk,
    order: list[Node],
    wanted: set[Node],
    root: Node,
    seed: Any,
    *,
    retain: bool,
    careful: bool,
) -> dict[Node, Any]:
    """Walk down `order` once; return the cotangents of the nodes in `wanted`."""
    needed, traced = walk.needed, walk.traced
    cotangents, flagged, pending = walk.cotangents, walk.flagged, walk.pending
    cotangents[root] = seed
    found: dict[Node, Any] = {}
    quiet = ERRORS.set(SILENT)
    try:
        for node in reversed(order):
            if pending:
                walk.gather(node)
            g = cotangents.pop(node, None)
            if g is None:
                continue
            if node in wanted:
                found[node] = g
            op = node.op
            if op is None:
                continue
            kept: Any = node.saved
            if kept is None:
                evaluate([n for n in order if n.saved is None])
                kept = node.saved
            if traced and (composed := smooth_form(node)) and composed[0] not in wanted:
                walk.visit_smooth(node, *composed, g)
            elif op.joint is not None:
                walk.visit_joint(node, g)
            elif not op.indexing or not walk.visit_indexing(node, g, shared=node in wanted):
                # The body of this loop is the cost of a small gradient: no call but the rule's.
                holomorphic = (
                    node.dtype is not _FLOAT64
                    and node.dtype.kind == "c"
                    and op.kind == "elementwise"
                )
                masked = node in flagged
                parents = node.parents
                for i, rule, spoils in op.pulls:
                    parent = parents[i]
                    if type(parent) is not Node or parent not in needed:
                        continue
                    pull = rule.traced if traced else rule.raw
                    c = _conj(pull(node, _conj(g))) if holomorphic else pull(node, g)
                    if masked or op.masks:
                        flagged.add(parent)
                        if masked and spoils:
                            walk.doubtful = True
                            if careful:
                                c = _keep_zeros(c, g)
                    if parent in cotangents or not (
                        (type(c) is np.float64 and parent.dtype is _FLOAT64 and not parent.shape)
                        or (c.shape == parent.shape and c.dtype is parent.dtype)
                    ):
                        walk.add(node, parent, c)
                    else:
                        cotangents[parent] = c
            if kept and not retain:
                node.saved = None
    finally:
        ERRORS.reset(quiet)
    return found


def between(root: Node, variables: Iterable[Node]) -> tuple[list[Node], set[Node]]:
    """Nodes on a path from a variable to `root`: by ascending number, and as a set."""
    on_path = set(variables)
    lowest = min(map(_sequence, on_path))
    if root.seq < lowest:
        return [], set()
    seen = {root}
    stack = [root]
    # Whether every node that is reached depends on a variable: usual, and then no second look is
    # needed.
    all_depend = True
    while stack:
        node = stack.pop()
        op = node.op
        if (op is None or op.kind == "constant") and node not in on_path:
            all_depend = False
        for parent in node.parents:
            if type(parent) is Node and parent not in seen:
                if parent.seq >= lowest:
                    seen.add(parent)
                    stack.append(parent)
                else:
                    all_depend = False
    ordered = sorted(seen, key=_sequence)
    return (ordered, seen) if all_depend else (_dependent(ordered, on_path), on_path)


def _dependent(ordered: list[Node], on_path: set[Node]) -> list[Node]:
    """Those of the nodes that depend on one of `on_path`, and these."""
    order = []
    for node in ordered:
        if node in on_path:
            order.append(node)
        elif node.op is not None and node.op.kind != "constant":
            for parent in node.parents:
                if type(parent) is Node and parent in on_path:
                    on_path.add(node)
                    order.append(node)
                    break
    return order


def _references() -> int:
    """References to an array that a dict and a name hold, as `_Walk.add` would count them."""
    held = {0: np.zeros(1)}
    before = held.get(0)
    return sys.getrefcount(before)


_HELD = _references()


class _Walk:
    """State of one reverse walk."""

    __slots__ = (
        "cotangents",
        "doubtful",
        "flagged",
        "needed",
        "owned",
        "pending",
        "real",
        "traced",
    )

    def __init__(self, needed: set[Node], traced: bool, real: bool) -> None:
        self.needed = needed
        self.traced = traced
        self.real = real
        self.cotangents: dict[Node, Any] = {}
        # Nodes whose cotangent is a buffer that only this walk holds.
        self.owned: set[Node] = set()
        # Nodes whose cotangent has structural zeros.
        self.flagged: set[Node] = set()
        # Whether such a zero may have met an infinite derivative.
        self.doubtful = False
        # Traced cotangents of indexing, collected until their node is visited.
        self.pending: dict[Node, list[tuple[Any, Any]]] = {}

    def gather(self, node: Node) -> None:
        """Add what indexing sent to `node` to its cotangent, by one operation."""
        entries = self.pending.pop(node, None)
        if entries is None:
            return
        keys = tuple([key for key, _ in entries])
        values = [value for _, value in entries]
        total = FUNCTIONS["scatter"](values, keys=keys, shape=node.shape)
        before = self.cotangents.get(node)
        self.cotangents[node] = total if before is None else before + total

    def visit_joint(self, node: Node, g: Any) -> None:
        """Hand the cotangent of a node to its parents, by one rule for all of them."""
        rule = node.op.joint
        pulled = rule.traced(node, g) if self.traced else rule.raw(node, g)
        flag = node.op.masks or node in self.flagged
        for parent, c in zip(node.parents, pulled, strict=True):
            if c is not None and type(parent) is Node and parent in self.needed:
                if flag:
                    self.flagged.add(parent)
                self.add(node, parent, c)

    def visit_smooth(self, node: Node, inner: Node, smooth: Node, g: Any) -> None:
        """Hand the cotangent of a smooth composition past its inner node, which has a kink."""
        if inner.saved is None:
            evaluate([inner])
            smooth.saved = inner.saved
        for i, rule, _ in smooth.op.pulls:
            parent = smooth.parents[i]
            if type(parent) is Node and parent in self.needed:
                if node in self.flagged:
                    self.flagged.add(parent)
                self.add(node, parent, rule.traced(smooth, g))

    def visit_indexing(self, node: Node, g: Any, *, shared: bool) -> bool:
        """Cotangents of ``x[key]`` and of ``x[key] = v``, in place; False where that cannot be."""
        parent = node.parents[0]
        if node.op.indexing == "pick":
            entries = self.cotangents.setdefault(parent, [None] * parent.op.outputs)
            i = node.params["index"]
            entries[i] = g if entries[i] is None else entries[i] + g
            if node in self.flagged:
                self.flagged.add(parent)
            return True
        if node.op.indexing == "get":
            self.flagged.add(parent)
            if self.traced:
                self.pending.setdefault(parent, []).append((node.params["key"], g))
            elif parent in self.owned and self.cotangents[parent].dtype is g.dtype:
                scatter_add(self.cotangents[parent], node.params["key"], g)
            else:
                self._scatter(node, parent, g)
            return True
        if shared or node not in self.owned:
            return False
        if type(parent) is not Node or node.dtype is not parent.dtype:
            return False
        self.flagged.add(parent)
        value = node.parents[1]
        if type(value) is Node and value in self.needed:
            c = node.op.by_position[1].raw(node, g)
            self.add(node, value, np.array(c)[()])  # not a view: its elements are cleared next
        if parent in self.needed:
            clear(g, node.params["key"])
            self.add(node, parent, g)
            if self.cotangents[parent] is g:
                self.owned.add(parent)
        return True

    def _scatter(self, node: Node, parent: Node, g: Any) -> None:
        """Make a buffer of its own for the cotangent of an array that is indexed."""
        if g.dtype is not parent.dtype:
            g = project(g, g.shape, parent.dtype, real=self.real, name=node.op.name)
        buffer = self.cotangents.get(parent)
        if buffer is None:
            buffer = np.zeros(parent.shape, g.dtype)
        else:
            buffer = np.array(buffer, dtype=np.result_type(buffer, g))
        self.owned.add(parent)
        self.cotangents[parent] = buffer
        scatter_add(buffer, node.params["key"], g)

    def add(self, node: Node, parent: Node, c: Any) -> None:
        """Add `c`, which the rule of `node` made, to the cotangent of `parent`."""
        if c.shape != parent.shape or c.dtype is not parent.dtype:
            c = project(c, parent.shape, parent.dtype, real=self.real, name=node.op.name)
        before = self.cotangents.get(parent)
        if before is None:
            self.cotangents[parent] = c
        elif before.dtype is c.dtype and (
            parent in self.owned
            or (
                # Nobody else sees the array: the dict, the name here and the argument hold it.
                type(before) is np.ndarray
                and sys.getrefcount(before) == _HELD
                and before.base is None
                and before.flags.writeable
            )
        ):
            before += c
        else:
            total = before + c
            self.cotangents[parent] = total
            if type(total) is np.ndarray:
                self.owned.add(parent)


def _conj(g: Any) -> Any:
    return FUNCTIONS["conj"](g) if g.dtype.kind == "c" else g


def _raw(x: Any) -> Any:
    return x._value if type(x) is dlarray else x


def _keep_zeros(c: Any, g: Any) -> Any:
    """Return `c` with zeros where `g` has them: no gradient stays no gradient."""
    if type(c) is dlarray or type(g) is dlarray:
        # Only what is not finite: a cotangent that is zero by its value, as at a minimum, has a
        # derivative of its own.
        gone = (_raw(g) == 0) & ~np.isfinite(_raw(c))
        return FUNCTIONS["where"](gone, 0, c) if np.any(gone) else c
    if np.isfinite(np.add.reduce(c, axis=None)):
        return c  # zero times finite is zero already
    return np.where(g == 0, c.dtype.type(0), c)


# -- values that were dropped --------------------------------------------------------------------


def evaluate(stale: Iterable[Node], wanted: Iterable[Node] = ()) -> dict[Node, Any]:
    """Give nodes whose values were dropped their values again, from what their ancestors hold.

    Parameters
    ----------
    stale : iterable of Node
        Nodes to fill.
    wanted : iterable of Node
        Nodes whose own values are returned.

    Returns
    -------
    dict
        The values of the nodes in `wanted`. Any other value is freed after its last use.
    """
    stale, wanted = set(stale), set(wanted)
    seen, uses = _ancestors(stale, wanted)
    values: dict[Node, Any] = {}
    for node in sorted(seen, key=_sequence):
        value = held_value(node)
        if value is None or node in stale:
            operands = [values[p] if type(p) is Node else p for p in node.parents]
            if value is None:
                value = apply_kernel(node.op, operands, node.params)
            if node.saved is None:
                node.saved = saved_values(node.op, node.parents, operands, value)
            for parent in node.parents:
                if type(parent) is Node:
                    uses[parent] -= 1
                    if not uses[parent]:
                        del values[parent]
        if uses.get(node):
            values[node] = value
    return values


def _ancestors(stale: set[Node], wanted: set[Node]) -> tuple[set[Node], dict[Node, int]]:
    """Nodes whose values are needed, up to those that hold theirs, and how often each is."""
    uses: dict[Node, int] = dict.fromkeys(wanted, 1)
    seen = stale | wanted
    stack = [n for n in seen if n in stale or held_value(n) is None]
    while stack:
        for parent in stack.pop().parents:
            if type(parent) is not Node:
                continue
            uses[parent] = uses.get(parent, 0) + 1
            if parent not in seen:
                seen.add(parent)
                if held_value(parent) is None:
                    stack.append(parent)
    return seen, uses


def held_value(node: Node) -> Any:
    """Value of a node if it holds it: a leaf always does."""
    return node.saved[-1] if node.saved else None


def apply_kernel(op: Any, operands: Sequence[Any], params: dict[str, Any]) -> Any:
    """Run the kernel of an operation on raw operands."""
    return op.kernel(operands, **params) if op.variadic else op.kernel(*operands, **params)
