"""`dlgradient`: the reverse walk, and its three options.

The walk goes from the value to differentiate down the sequence numbers of the nodes, visits only
those that lie on a path to a variable, and hands each operand its cotangent by the rule of the
operation. It is one walk: with ``enable_higher_derivatives`` the operands are traced dlarrays, so
that what it computes can be differentiated again; otherwise they are raw arrays.

Three things make the fast walk more than a loop over rules:

* cotangents of indexing are added in place into one buffer, so a loop over scalar indices costs
  O(n), not O(n²);
* a cotangent that has *structural* zeros (it came through ``where``, indexing, ``clip``, ...) is
  flagged, and an elementwise rule then leaves its zeros zero, even where the partial derivative is
  not finite: no gradient is not zero times infinity. Work without masks pays nothing;
* kept values are dropped as the walk passes, unless ``retain_data`` says otherwise. A later walk
  that needs them computes them again from what the nodes remember.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from dlgradient import tree
from dlgradient.array import dlarray
from dlgradient.calls import FUNCTIONS, OUT, kept_values, open_node, unknown_keyword, wrap
from dlgradient.errors import (
    ComplexValueError,
    IntegerVariableError,
    NonScalarError,
    NotDlarrayError,
    NotTracedError,
    OutsideDlfevalError,
    ShapeMismatchError,
)
from dlgradient.ops.index import clear, scatter_add
from dlgradient.project import project
from dlgradient.trace import Node, Trace, current_trace, variable

__all__ = ["dlgradient", "dlvjp"]

_sequence = attrgetter("seq")
_OPTIONS = ("retain_data", "enable_higher_derivatives", "allow_complex")


def dlgradient(
    y: Any,
    /,
    *xs: Any,
    retain_data: bool = False,
    enable_higher_derivatives: bool | None = None,
    allow_complex: bool = True,
    **unknown: Any,
) -> Any:
    """Gradient of a real scalar with respect to variables.

    Call it inside a function that `dlfeval` evaluates.

    Parameters
    ----------
    y : dlarray
        Real traced scalar (one element).
    *xs : dlarray or container of dlarrays
        Variables: traced dlarrays, in any nesting of list, tuple, dict, namedtuple, dataclass and
        tables with the columns Layer, Parameter and Value.
    retain_data : bool
        Keep the values that the trace remembers, for a further call in the same `dlfeval`. If
        false, they are dropped as they are used; a further call is still right, and computes
        them again.
    enable_higher_derivatives : bool, optional
        Trace the backward pass, so that the gradients can be differentiated again. Values are then
        kept, and `retain_data` has no effect. The default is false.
    allow_complex : bool
        Whether variables and gradients may be complex. If false, every variable must be real and
        every gradient is; intermediate values may be complex in any case.

    Returns
    -------
    gradient : dlarray or container
        With the structure, and in it the shape, dtype and format, of the variable; a tuple of
        them if there are several variables. Zeros for what `y` does not depend on. The gradient
        for a complex variable is ∂y/∂Re(x) + i ∂y/∂Im(x), the direction of steepest ascent; with
        `allow_complex` a real variable that acts through complex values has a complex gradient.

    Raises
    ------
    OutsideDlfevalError
        If no `dlfeval` is running.
    NotDlarrayError, NotTracedError, NonScalarError, ComplexValueError, IntegerVariableError
        If `y` or a variable is not what is asked for; the message names it and its path.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.dlfeval(lambda x: dl.dlgradient((x**3).sum(), x), dl.dlarray([1.0, 2.0]))
    1×2 dlarray
    [ 3. 12.]

    Source: MATLAB ``dlgradient``.
    """
    if unknown:
        raise unknown_keyword("dlgradient", next(iter(unknown)), _OPTIONS)
    root = _checked_value(y)
    one = root.dtype.type(1)
    seed = one if not root.shape else np.full(root.shape, one)
    return _derivatives(
        "dlgradient", root, seed, xs, retain_data, enable_higher_derivatives, allow_complex
    )


def dlvjp(
    y: Any,
    cotangent: Any,
    /,
    *xs: Any,
    retain_data: bool = False,
    enable_higher_derivatives: bool | None = None,
    allow_complex: bool = True,
    **unknown: Any,
) -> Any:
    """Vector-Jacobian product: the gradient of Re⟨cotangent, y⟩ for a `y` of any shape.

    Call it inside a function that `dlfeval` evaluates.

    Parameters
    ----------
    y : dlarray
        Traced, real or complex, of any shape.
    cotangent : dlarray or array_like
        One weight for each element of `y`; the same shape.
    *xs, retain_data, enable_higher_derivatives, allow_complex
        As in `dlgradient`.

    Returns
    -------
    product : dlarray or container
        Σᵢ conj(∂yᵢ/∂x) cotangentᵢ, with the structure of the variables, as in `dlgradient`.

    Examples
    --------
    >>> import dlgradient as dl
    >>> def product(x):
    ...     return dl.dlvjp(x**2, [1.0, 0.5], x)
    >>> dl.dlfeval(product, dl.dlarray([3.0, 4.0]))
    1×2 dlarray
    [6. 4.]
    """
    if unknown:
        raise unknown_keyword("dlvjp", next(iter(unknown)), _OPTIONS)
    root = checked_traced("dlvjp", "y", y)
    seed = cotangent if type(cotangent) is dlarray else dlarray(cotangent)
    if seed.shape != y.shape:
        raise ShapeMismatchError(
            f"dlvjp: cotangent has shape {seed.shape}, y has shape {y.shape}; give one weight for "
            "each element of y"
        )
    if seed.dtype.kind in "iub":
        seed = FUNCTIONS["astype"](seed, dtype=y.dtype)
    if not enable_higher_derivatives:
        seed = seed._value
    return _derivatives(
        "dlvjp", root, seed, xs, retain_data, enable_higher_derivatives, allow_complex
    )


def _derivatives(
    name: str,
    root: Node,
    seed: Any,
    xs: tuple[Any, ...],
    retain_data: bool,
    higher: bool | None,
    allow_complex: bool,
) -> Any:
    if not xs:
        raise NotDlarrayError(f"{name}: no variable is given; write {name}(y, x)")
    traced = bool(higher)
    if traced and type(seed) is not dlarray:
        seed = wrap(seed, None)
    leaves: Sequence[Any] = xs
    rebuild = None
    if any(type(x) is not dlarray for x in xs):
        leaves, rebuild = _flat(xs)
    nodes = variables(name, xs, leaves)
    if not allow_complex:
        _check_real(name, xs, leaves)
    cotangents = reverse(
        root,
        seed,
        nodes,
        retain=retain_data or traced,
        traced=traced,
        real=not allow_complex,
    )
    results = [
        like_variable(cotangents.get(node), x) for node, x in zip(nodes, leaves, strict=True)
    ]
    if traced:
        results = [differentiable(g, root.trace) for g in results]
    if rebuild is not None:
        results = rebuild(results)
    return results[0] if len(results) == 1 else tuple(results)


def _flat(xs: Sequence[Any]) -> tuple[list[Any], Callable[[list[Any]], list[Any]]]:
    """Leaves of all variables, and what puts gradients in their places."""
    leaves: list[Any] = []
    parts = []
    for x in xs:
        inside, rebuild = tree.flatten(x)
        parts.append((slice(len(leaves), len(leaves) + len(inside)), rebuild))
        leaves += inside
    return leaves, lambda results: [rebuild(results[at]) for at, rebuild in parts]


def variables(function: str, xs: Sequence[Any], leaves: Sequence[Any]) -> list[Node]:
    """Return the nodes of all variables; an error names the path of the one that has none."""
    nodes = [open_node(x) if type(x) is dlarray else None for x in leaves]
    if None in nodes or current_trace() is None:
        for path, x in zip(_paths(xs), leaves, strict=True):
            checked_traced(function, path, x)
    return nodes


def _paths(xs: Sequence[Any]) -> list[str]:
    names = ["x"] if len(xs) == 1 else [f"xs[{i}]" for i in range(len(xs))]
    return [path for name, x in zip(names, xs, strict=True) for path in tree.paths(x, name)]


def like_variable(g: Any, x: Any) -> Any:
    """Derivative as a dlarray with the shape, dtype and format of `x`; zeros for None."""
    dtype = x._value.dtype
    if g is None:
        zeros = np.zeros(x._value.shape, dtype) if x._value.shape else dtype.type(0)
        return wrap(zeros, None, x._format)
    if dtype.kind == "c" and g.dtype is not dtype:
        g = FUNCTIONS["astype"](g, dtype=dtype)
    if type(g) is dlarray:
        return wrap(g._value, g._node, x._format)
    return wrap(g, None, x._format)


def differentiable(g: Any, trace: Trace) -> Any:
    """Give a gradient that turned out constant a node, so that its derivative is zero, no error."""
    return g if g._node is not None else wrap(g._value, variable(g._value, trace), g._format)


# -- the walk ------------------------------------------------------------------------------------


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
    order = between(root, variables)
    walk = _Walk(order, traced=traced, real=real)
    cotangents = walk.cotangents
    cotangents[root] = seed
    wanted = set(variables)
    found: dict[Node, Any] = {}
    with np.errstate(all="ignore"):
        stale = [n for n in order if n.kept is None]
        if stale:
            evaluate(stale)
        for node in reversed(order):
            if walk.pending:
                walk.gather(node)
            g = cotangents.pop(node, None)
            if g is None:
                continue
            if node in wanted:
                found[node] = g
            op = node.op
            if op is None:
                continue
            if op.joint is not None:
                walk.visit_joint(node, g)
            elif not op.indexing or node in wanted or not walk.visit_indexing(node, g):
                walk.visit(node, g)
            if not retain and node.kept:
                node.kept = None
    return found


def between(root: Node, variables: Iterable[Node]) -> list[Node]:
    """Nodes on a path from a variable to `root`, by ascending number."""
    on_path = set(variables)
    lowest = min(map(_sequence, on_path))
    if root.seq < lowest:
        return []
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
    return ordered if all_depend else _dependent(ordered, on_path)


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


class _Walk:
    """State of one reverse walk."""

    __slots__ = ("cotangents", "flagged", "needed", "owned", "pending", "real", "traced")

    def __init__(self, order: list[Node], *, traced: bool, real: bool) -> None:
        self.needed = set(order)
        self.traced = traced
        self.real = real
        self.cotangents: dict[Node, Any] = {}
        # Nodes whose cotangent is a buffer that only this walk holds.
        self.owned: set[Node] = set()
        # Nodes whose cotangent has structural zeros.
        self.flagged: set[Node] = set()
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

    def visit(self, node: Node, g: Any) -> None:
        """Hand the cotangent of a node to its parents, by one rule for each."""
        op = node.op
        needed, traced, cotangents = self.needed, self.traced, self.cotangents
        pointwise = op.kind == "elementwise"
        holomorphic = pointwise and node.dtype.kind == "c"
        flagged = node in self.flagged
        for parent, rule in zip(node.parents, op.by_position, strict=True):
            if type(parent) is not Node or parent not in needed or rule is None:
                continue
            pull = rule.pull_traced if traced else rule.pull
            c = _conj(pull(node, _conj(g))) if holomorphic else pull(node, g)
            if flagged:
                self.flagged.add(parent)
                if pointwise and rule.needs:
                    c = _keep_zeros(c, g)
            elif op.masks:
                self.flagged.add(parent)
            # The commonest case of `add`, without a call.
            if parent in cotangents or c.shape != parent.shape or c.dtype is not parent.dtype:
                self.add(node, parent, c)
            else:
                cotangents[parent] = c

    def visit_joint(self, node: Node, g: Any) -> None:
        """Hand the cotangent of a node to its parents, by one rule for all of them."""
        rule = node.op.joint
        pulled = rule.pull_traced(node, g) if self.traced else rule.pull(node, g)
        flag = node.op.masks or node in self.flagged
        for parent, c in zip(node.parents, pulled, strict=True):
            if c is not None and type(parent) is Node and parent in self.needed:
                if flag:
                    self.flagged.add(parent)
                self.add(node, parent, c)

    def visit_indexing(self, node: Node, g: Any) -> bool:
        """Cotangents of ``x[key]`` and of ``x[key] = v``, in place; False where that cannot be."""
        parent = node.parents[0]
        if node.op.indexing == "get":
            self.flagged.add(parent)
            if self.traced:
                self.pending.setdefault(parent, []).append((node.params["key"], g))
            else:
                self._scatter(node, parent, g)
            return True
        if node not in self.owned or type(parent) is not Node or node.dtype is not parent.dtype:
            return False
        self.flagged.add(parent)
        value = node.parents[1]
        if type(value) is Node and value in self.needed:
            c = node.op.by_position[1].pull(node, g)
            self.add(node, value, np.array(c)[()])  # not a view: its elements are cleared next
        if parent in self.needed:
            clear(g, node.params["key"])
            self.add(node, parent, g)
            if self.cotangents[parent] is g:
                self.owned.add(parent)
        return True

    def _scatter(self, node: Node, parent: Node, g: Any) -> None:
        if g.dtype is not parent.dtype:
            g = project(g, g.shape, parent.dtype, real=self.real, name=node.op.name)
        before = self.cotangents.get(parent)
        if before is None:
            buffer = np.zeros(parent.shape, g.dtype)
        elif parent in self.owned and before.dtype is g.dtype:
            buffer = before
        else:
            buffer = np.array(before, dtype=np.result_type(before, g))
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
        elif parent in self.owned and before.dtype is c.dtype:
            before += c
        else:
            total = before + c
            self.cotangents[parent] = total
            if type(total) is np.ndarray:
                self.owned.add(parent)


def _conj(g: Any) -> Any:
    return FUNCTIONS["conj"](g) if g.dtype.kind == "c" else g


def _keep_zeros(c: Any, g: Any) -> Any:
    """Return `c` with zeros where `g` has them: no gradient stays no gradient."""
    if type(c) is dlarray or type(g) is dlarray:
        # Also where the partial is finite: its own derivative may not be.
        return FUNCTIONS["where"](FUNCTIONS["equal"](g, 0), 0, c)
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
            if node.kept is None:
                node.kept = kept_values(node.parents, operands, value, node.op.needs)
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
    return node.kept[OUT] if node.kept else None


def apply_kernel(op: Any, operands: Sequence[Any], params: dict[str, Any]) -> Any:
    """Run the kernel of an operation on raw operands."""
    return op.kernel(operands, **params) if op.variadic else op.kernel(*operands, **params)


# -- checks --------------------------------------------------------------------------------------


def _found(x: Any) -> str:
    return f"a dlarray of shape {x.shape} {x.dtype}"


def checked_traced(function: str, argument: str, x: Any) -> Node:
    """Return the node of a traced dlarray, or raise the error that says what it is instead."""
    if current_trace() is None:
        raise OutsideDlfevalError(
            f"{function}: no dlfeval is running, so nothing is traced; call it inside a function, "
            f"and evaluate that with dlfeval(function, x)"
        )
    if type(x) is not dlarray:
        raise NotDlarrayError(
            f"{function}: {argument} must be a dlarray, not {type(x).__name__}; make it one with "
            "dlarray(x) and pass it to dlfeval as an argument of the function"
        )
    node = open_node(x)
    if node is None:
        if x.dtype.kind in "iu":
            raise IntegerVariableError(
                f"{function}: {argument} is {_found(x)}: integers carry no derivative; make it "
                "floating point, dlarray(x.astype(float))"
            )
        raise NotTracedError(
            f"{function}: {argument} is {_found(x)} that is not traced: it was created inside the "
            "function, made of integers only, taken out of the trace (extractdata, item), or comes "
            "from a dlfeval that has ended. Pass it to dlfeval as an argument of the function, and "
            "compute with functions of dlgradient or NumPy"
        )
    return node  # type: ignore[no-any-return]


def _checked_value(y: Any) -> Node:
    node = checked_traced("dlgradient", "y", y)
    value = y._value
    if value.size != 1:
        raise NonScalarError(
            f"dlgradient: y is {_found(y)}; it must be a real scalar. Reduce it (y.sum()), or use "
            "dlvjp(y, cotangent, x) for a weighted sum of gradients, or the Jacobian"
        )
    if value.dtype.kind == "c":
        raise ComplexValueError(
            f"dlgradient: y is {_found(y)}; it must be real, as real(y), imag(y) or abs(y)**2"
        )
    if value.dtype.kind in "iu":
        raise IntegerVariableError(
            f"dlgradient: y is {_found(y)}: integer results carry no derivative; differentiate a "
            "floating-point value"
        )
    return node


def _check_real(name: str, xs: Sequence[Any], leaves: Sequence[Any]) -> None:
    if all(x.dtype.kind != "c" for x in leaves):
        return
    for path, x in zip(_paths(xs), leaves, strict=True):
        if x.dtype.kind == "c":
            raise ComplexValueError(
                f"{name}: {path} is {_found(x)}, and allow_complex=False wants every variable "
                "real; set allow_complex=True, or take real(x) and imag(x) as variables"
            )
