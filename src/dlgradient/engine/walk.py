"""The reverse walk over a trace.

The walk goes from the value to differentiate down the numbers of the nodes. It visits those that
lie on a path to a variable, and hands each operand its cotangent by the rule of the operation. It
is one walk. For higher derivatives the operands are traced dlarrays, so that what it computes can
be differentiated again. Otherwise they are raw arrays.

Three things make the raw walk more than a loop over rules:

* cotangents of indexing are added in place into one buffer, so a loop over scalar indices costs
  O(n), not O(n²);
* a *structural zero* of a cotangent (made by ``where``, indexing, ``clip``, ...) says that there is
  no derivative. It must stay zero where a rule multiplies it by an infinite partial derivative. A
  first walk only notes that there was such a product. If no derivative is NaN then, no zero met an
  infinity, since a NaN stays one in all that is linear. If one is, a second walk looks at every
  such product (`dlgradient.engine.zeros`);
* saved values are dropped as the walk passes, unless they are to be retained. A later walk that
  needs them computes them again (`dlgradient.core.recompute`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from dlgradient.core.calls import FUNCTIONS
from dlgradient.core.graph import Node
from dlgradient.core.ownership import array_alone_in_table
from dlgradient.core.project import project
from dlgradient.core.recompute import by_number, number, restore
from dlgradient.core.sizes import IN_PLACE_ELEMENTS
from dlgradient.core.types import Cotangent, Key
from dlgradient.core.values import ERRORS, SILENT
from dlgradient.engine.compositions import bypassed, smooth_form
from dlgradient.engine.zeros import guarded, guarded_jointly, has_nan
from dlgradient.ops.index import clear, scatter_add

__all__ = ["between", "reverse"]

_FLOAT64 = np.dtype(np.float64)


def reverse(
    root: Node,
    seed: Cotangent,
    variables: Sequence[Node],
    *,
    retain: bool,
    traced: bool,
    real: bool,
    masked: bool = False,
) -> dict[Node, Cotangent]:
    """Return the cotangent of every variable that `root` depends on.

    Parameters
    ----------
    root : Node
    seed : raw value, or dlarray if `traced`
        Cotangent of `root`.
    variables : sequence of Node
    retain : bool
        Whether nodes keep their saved values after the walk has passed them.
    traced : bool
        Whether rules are applied to traced operands.
    real : bool
        Whether real operands have real cotangents.
    masked : bool
        Whether zeros of `seed` are structural.
    """
    order, needed = between((root,), variables)
    quiet = ERRORS.set(SILENT)
    try:
        for guards_zeros in (False, True):
            walk = _Walk(needed, set(variables), traced, real, guards_zeros)
            walk.cotangents[root] = seed
            if masked:
                walk.zeros.add(root)
            walk.run(order, retain=retain)
            if not walk.multiplied_zeros or not any(map(has_nan, walk.found.values())):
                break
    finally:
        ERRORS.reset(quiet)
    return walk.found


def between(roots: Sequence[Node], variables: Iterable[Node]) -> tuple[list[Node], set[Node]]:
    """Nodes on a path from a variable to one of `roots`: by ascending number, and as a set."""
    on_path = set(variables)
    lowest = min(map(number, on_path))
    seen = set(roots)
    stack = list(roots)
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
    ordered = by_number(seen)
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


def _dropped(order: list[Node], node: Node) -> list[Node]:
    """Return the nodes whose saved values are computed again with those of `node`."""
    dropped = [n for n in order if n.saved is None]
    segment = node.trace.segment_of(node)
    if segment is None:
        return dropped
    first, last = segment
    return [n for n in dropped if first <= n.seq <= last]


class _Walk:
    """State of one reverse walk.

    Attributes
    ----------
    needed, wanted : set of Node
        Nodes whose cotangents are computed; those whose cotangents are asked for.
    traced, real : bool
        As in `reverse`.
    guards_zeros : bool
        Whether structural zeros are kept zero by looking at each product.
    cotangents : dict
        Of nodes that are still to be visited: the sum of what has arrived.
    found : dict
        Cotangents of the wanted nodes.
    zeros : set of Node
        Nodes whose cotangents have structural zeros.
    multiplied_zeros : bool
        Whether such a zero was multiplied by a partial derivative, which may be infinite.
    pending : dict
        Traced cotangents of indexing, collected until the indexed array is visited.
    """

    __slots__ = (
        "cotangents",
        "found",
        "guards_zeros",
        "multiplied_zeros",
        "needed",
        "pending",
        "real",
        "traced",
        "wanted",
        "zeros",
    )

    def __init__(
        self, needed: set[Node], wanted: set[Node], traced: bool, real: bool, guards_zeros: bool
    ) -> None:
        self.needed = needed
        self.wanted = wanted
        self.traced = traced
        self.real = real
        self.guards_zeros = guards_zeros
        self.cotangents: dict[Node, Cotangent] = {}
        self.found: dict[Node, Cotangent] = {}
        self.zeros: set[Node] = set()
        self.multiplied_zeros = False
        self.pending: dict[Node, list[tuple[Key, Cotangent]]] = {}

    def run(self, order: list[Node], *, retain: bool) -> None:  # noqa: C901, PLR0912 - one loop
        """Walk down `order` once, from the cotangents that are there to those that are wanted."""
        cotangents, needed, zeros = self.cotangents, self.needed, self.zeros
        traced, pending, wanted = self.traced, self.pending, self.wanted
        # The body of this loop is the cost of a small gradient (rows chain and overhead).
        for node in reversed(order):
            if pending:
                self.gather(node)
            op = node.op
            if (
                op is not None
                and op.indexing
                and (
                    self.visit_assignment(node)
                    if op.indexing == "set"
                    else self.visit_indexing(node)
                )
            ):
                continue
            g = cotangents.pop(node, None)
            if g is None:
                continue
            if node in wanted:
                self.found[node] = g
            if op is None:
                continue
            if node.saved is None:
                restore(_dropped(order, node))
            if traced and (composed := smooth_form(node)) and composed[0] not in wanted:
                self.visit_smooth(node, *composed, g)
                continue
            if op.joint is not None:
                self.visit_joint(node, g)
            # The adjoint of a differential is the conjugate of the same factor.
            dtype, parents = node.dtype, node.parents
            is_complex = dtype is not _FLOAT64 and op.kind == "elementwise" and dtype.kind == "c"
            has_zeros = node in zeros
            for i, pull, multiplies in op.pulls:
                parent = parents[i]
                if type(parent) is not Node or parent not in needed:
                    continue
                apply = pull.traced if traced else pull.raw
                c = _conj(apply(node, _conj(g))) if is_complex else apply(node, g)
                if has_zeros or op.masks:
                    self.zeros.add(parent)
                    if has_zeros and multiplies:
                        self.multiplied_zeros = True
                        if self.guards_zeros:
                            c = guarded(node, apply, c, g)
                if parent in cotangents or not (
                    (type(c) is np.float64 and parent.dtype is _FLOAT64 and not parent.shape)
                    or (c.shape == parent.shape and c.dtype is parent.dtype)
                ):
                    self.add(node, parent, c)
                else:
                    cotangents[parent] = c
            if node.saved and not retain:
                node.saved = None
            c = None  # only the table refers to it now: see `array_alone_in_table`

    def visit_joint(self, node: Node, g: Cotangent) -> None:
        """Hand the cotangent of a node to its parents, by one rule for all of them."""
        op = node.op
        pull = op.joint.traced if self.traced else op.joint.raw
        if self.traced and op.declaration.fast_vjp is not None:
            recorder = node.trace.recorder
            pull = pull if recorder is None else recorder.pull_back
        pulled = pull(node, g)
        if bypassed(node) in self.wanted:
            pulled = pulled[::-1]
        has_zeros = op.masks or node in self.zeros
        if node in self.zeros and op.joint.needs:
            self.multiplied_zeros = True
            if self.guards_zeros:
                pulled = guarded_jointly(node, pull, pulled, g)
        for parent, c in zip(node.parents, pulled, strict=True):
            if c is not None and type(parent) is Node and parent in self.needed:
                if has_zeros:
                    self.zeros.add(parent)
                self.add(node, parent, c)

    def visit_smooth(self, node: Node, inner: Node, smooth: Node, g: Cotangent) -> None:
        """Hand the cotangent of a smooth composition past its inner node, which has a kink."""
        if inner.saved is None:
            restore([inner])
            smooth.saved = inner.saved
        for i, pull, _ in smooth.op.pulls:
            parent = smooth.parents[i]
            if type(parent) is Node and parent in self.needed:
                if node in self.zeros:
                    self.zeros.add(parent)
                self.add(node, parent, pull.traced(smooth, g))

    def add(self, node: Node, parent: Node, c: Cotangent) -> None:
        """Add `c`, which the rule of `node` made, to the cotangent of `parent`."""
        if c.shape != parent.shape or c.dtype is not parent.dtype:
            c = project(c, parent.shape, parent.dtype, real=self.real, name=node.op.name)
        cotangents = self.cotangents
        if parent not in cotangents:
            cotangents[parent] = c
            return
        if c.size < IN_PLACE_ELEMENTS:
            cotangents[parent] = cotangents[parent] + c
            return
        array = array_alone_in_table(cotangents, parent)
        if array is not None and (array.dtype is c.dtype or array.dtype == c.dtype):
            array += c
        else:
            cotangents[parent] = cotangents[parent] + c

    # -- operations whose cotangents are added or cleared in place --------------------------------

    def visit_indexing(self, node: Node) -> bool:
        """Hand on the cotangent of indexing, or of one result of several."""
        g = self.cotangents.pop(node, None)
        if g is None:
            return True
        if node in self.wanted:
            self.found[node] = g
        parent = node.parents[0]
        if node.op.indexing == "pick":
            self.collect(node, parent, g)
            return True
        self.zeros.add(parent)
        key = node.params["key"]
        if self.traced:
            self.pending.setdefault(parent, []).append((key, g))
            return True
        if g.dtype is not parent.dtype:
            g = project(g, g.shape, parent.dtype, real=self.real, name=node.op.name)
        cotangents = self.cotangents
        found = parent in cotangents
        array = array_alone_in_table(cotangents, parent) if found else None
        if array is not None and array.dtype == g.dtype:
            scatter_add(array, key, g)
            return True
        array = np.zeros(parent.shape, g.dtype)
        scatter_add(array, key, g)
        # A value without dimensions is a NumPy scalar, never an array.
        c = array if parent.shape else array[()]
        cotangents[parent] = cotangents[parent] + c if found else c
        return True

    def collect(self, node: Node, parent: Node, g: Cotangent) -> None:
        """Collect the cotangent of one result of an operation with several."""
        gs = self.cotangents.setdefault(parent, [None] * parent.op.outputs)
        i = node.params["index"]
        gs[i] = g if gs[i] is None else gs[i] + g
        if node in self.zeros:
            self.zeros.add(parent)

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

    def visit_assignment(self, node: Node) -> bool:
        """Clear the cotangent of ``x[key] = v`` in place for that of ``x``; False if it cannot."""
        parent, value = node.parents
        if node in self.wanted or type(parent) is not Node:
            return False
        if node.dtype is not parent.dtype and node.dtype != parent.dtype:
            return False
        g = array_alone_in_table(self.cotangents, node)
        if g is None:
            return False
        del self.cotangents[node]
        self.zeros.add(parent)
        if type(value) is Node and value in self.needed:
            c = node.op.by_position[1].raw(node, g)
            self.add(node, value, np.array(c)[()])  # not a view: its elements are cleared next
        if parent in self.needed:
            self.add(node, parent, clear(g, node.params["key"]))
        return True


def _conj(g: Cotangent) -> Cotangent:
    return FUNCTIONS["conj"](g) if g.dtype.kind == "c" else g
