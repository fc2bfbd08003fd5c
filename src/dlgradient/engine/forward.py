"""Forward mode, built on the trace and on `gradient.py`.

`dljvp` pushes a tangent along the recorded graph, from the variables to the value, in the order of
the nodes' numbers. The rule of a node says what it does with the tangents of its operands:

* elementwise: the differential itself;
* linear: the operation, applied to the tangents;
* multilinear: the operation with one operand replaced, summed;
* general: the declared jvp. Without one, the vjp is pulled back: it is linear in its cotangent, and
  the adjoint of that linear map is the jvp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Never

import numpy as np

from dlgradient.core import tree
from dlgradient.core.arguments import checked
from dlgradient.core.calls import (
    FUNCTIONS,
    call_again,
    open_node,
    unknown_keyword,
    variable,
    wrap,
)
from dlgradient.core.graph import Node, tick
from dlgradient.core.ownership import array_alone_in_table
from dlgradient.core.project import project
from dlgradient.core.pulls import Pull
from dlgradient.core.recompute import restore
from dlgradient.engine.array import dlarray
from dlgradient.engine.compositions import bypassed
from dlgradient.engine.gradient import (
    check_open,
    checked_traced,
    constant,
    differentiable,
    like_variable,
    variables,
)
from dlgradient.engine.walk import between, reverse
from dlgradient.errors import ComplexValueError, InvalidArgumentError, ShapeMismatchError

__all__ = ["dljvp"]


@checked
def dljvp(
    y: Any,
    xs: Any,
    tangents: Any,
    /,
    *,
    enable_higher_derivatives: bool | None = None,
    **unknown: Never,
) -> Any:
    """Jacobian-vector product: the derivative of `y` along a direction of the variables.

    Call it inside a function that `dlfeval` evaluates. It costs about as much as the function,
    whatever the number of variables. Saved values are not dropped.

    Parameters
    ----------
    y : dlarray
        Traced, real or complex, of any shape.
    xs : dlarray or container of dlarrays
        Variables, traced.
    tangents : dlarray, array_like or container
        The direction, with the structure and shapes of `xs`.
    enable_higher_derivatives : bool, optional
        Trace the computation, so that its result can be differentiated again. By default it is true
        in a function that `dlaccelerate` accelerates, and false elsewhere.

    Returns
    -------
    dlarray
        Σ ∂y/∂xᵢ tangentᵢ + ∂y/∂x̄ᵢ conj(tangentᵢ), with the shape, dtype and format of `y`; zeros if
        it depends on none. The second term is zero for analytic functions, and where x is real.

    Raises
    ------
    ShapeMismatchError
        If the shape of a tangent is not that of its variable.
    ComplexValueError
        If the tangent of a real variable is complex.

    See Also
    --------
    dlvjp : derivative backwards, from an array of cotangents
    dlgradient : gradient of a real scalar

    Examples
    --------
    >>> import dlgradient as dl
    >>> def directional(x):
    ...     return dl.dljvp(x**2, x, [1.0, 10.0])
    >>> dl.dlfeval(directional, dl.dlarray([3.0, 4.0]))
    dlarray([ 6., 80.])
    """
    if unknown:
        raise unknown_keyword("dljvp", next(iter(unknown)), ("enable_higher_derivatives",))
    root = checked_traced("dljvp", "y", y)
    leaves, _ = tree.flatten(xs)
    nodes = variables("dljvp", root, leaves, lambda: tree.paths(xs, "xs"))
    recorder = root.trace.recorder
    higher = enable_higher_derivatives
    if higher is None:
        higher = recorder is not None
    traced = higher or (recorder is not None and recorder.records)
    start = tick() if recorder is not None else 0
    root.trace.check("dljvp")
    seeds = seeds_of("dljvp", "xs", "tangents", nodes, xs, tangents, traced=traced)
    (result,) = forward((root,), seeds, traced=traced)
    check_open("dljvp", root)
    tangent = like_variable(result, y)
    if not traced:
        return tangent
    tangent = differentiable(tangent, root.trace)
    if recorder is not None:
        recorder.note_walk(start)
    return tangent if higher else constant(tangent)


def seeds_of(
    function: str,
    variables: str,
    argument: str,
    nodes: Sequence[Node],
    xs: Any,
    tangents: Any,
    *,
    traced: bool,
) -> dict[Node, Any]:
    """Return the tangent of each variable, raw or traced.

    Parameters
    ----------
    function, variables, argument : str
        Names for errors: of the function, and of its arguments `xs` and `tangents`.
    nodes : sequence of Node
        Of the leaves of `xs`.
    xs, tangents : dlarray or container
    traced : bool
    """
    leaves, _ = tree.flatten(xs)
    paths = tree.paths(xs, variables)
    directions = [tangents]
    if not tree.is_leaf(xs):
        directions, _ = tree.flatten(tangents)
        found = tree.paths(tangents, argument)
        if found != [path.replace(variables, argument, 1) for path in paths]:
            raise InvalidArgumentError(
                f"{function}: {argument} must have the structure of {variables}; {variables} has "
                f"{paths}, {argument} has {found}"
            )
    seeds: dict[Node, Any] = {}
    for node, path, x, direction in zip(nodes, paths, leaves, directions, strict=True):
        t = _checked_tangent(f"{function}: {argument}: that of {path}", x, direction, traced)
        seeds[node] = t if node not in seeds else seeds[node] + t
    return seeds


def _checked_tangent(what: str, x: Any, direction: Any, traced: bool) -> Any:
    """Return a tangent in the dtype of its variable: a dlarray if it is traced, else raw."""
    t = direction if type(direction) is dlarray else dlarray(direction)
    if t.shape != x.shape:
        raise ShapeMismatchError(f"{what} has shape {t.shape}, the variable has {x.shape}")
    if t.dtype.kind == "c" and x.dtype.kind != "c":
        raise ComplexValueError(
            f"{what} is {t.dtype}, the variable is {x.dtype}; a real variable moves along real "
            "directions only"
        )
    if t.dtype != x.dtype and x.dtype.kind != "b":
        t = FUNCTIONS["astype"](t, dtype=x.dtype)
    return wrap(t._value, open_node(t)) if traced else t._value


def forward(roots: Sequence[Node], seeds: dict[Node, Any], *, traced: bool) -> list[Any]:
    """Return the tangents of `roots`, given those of the variables; None if one depends on none."""
    order, _ = between(roots, seeds)
    tangents: dict[Node, Any] = {}
    with np.errstate(all="ignore"):
        values = _operand_values(order)
        last = {} if traced else _last_uses(order, roots)
        for node in order:
            t = seeds.get(node)
            if node.op is not None:
                pushed = _assigned(node, tangents) if last.get(node) else None
                if bypassed(node) in seeds:
                    pushed = tangents.get(node.parents[0])
                elif pushed is None:
                    pushed = _push(node, tangents, values, traced=traced)
                t = pushed if t is None else (t if pushed is None else t + pushed)
            if t is not None:
                tangents[node] = t
            pushed = t = None  # only the table refers to it now: see `array_alone_in_table`
    return [tangents.get(root) for root in roots]


def _last_uses(order: Sequence[Node], roots: Sequence[Node]) -> dict[Node, bool]:
    """Return which assignments are the last use of the array that is assigned to."""
    last: dict[Node, Node] = {}
    for node in order:
        for parent in node.parents:
            if type(parent) is Node:
                last[parent] = node
    last.update((root, root) for root in roots)  # these are read at the end
    return {
        node: last.get(node.parents[0]) is node
        for node in order
        if node.op is not None and node.op.indexing == "set" and type(node.parents[0]) is Node
    }


def _assigned(node: Node, tangents: dict[Node, Any]) -> Any:
    """Assign to the tangent of ``x`` in place for that of ``x[key] = v``; None if it cannot.

    A copy would make a loop of n assignments cost O(n²), as in the reverse walk.
    """
    parent, value = node.parents
    array = array_alone_in_table(tangents, parent)
    t = tangents.get(value) if type(value) is Node else None
    if array is None or array.dtype != node.dtype:
        return None
    if t is not None and not np.can_cast(t.dtype, array.dtype, "same_kind"):
        return None
    del tangents[parent]
    array[node.params["key"]] = 0 if t is None else t
    return array


def _operand_values(order: Sequence[Node]) -> dict[Node, Any]:
    """Return the values of operands that a push needs; what is not saved is computed again."""
    wanted: list[Node] = []
    stale: list[Node] = []
    for node in order:
        op = node.op
        if op is None:
            continue
        if op.kind in ("multilinear", "general"):
            wanted += [p for p in node.parents if type(p) is Node]
            if op.kind == "general":
                wanted.append(node)
        if node.saved is None:
            stale.append(node)
    return restore(stale, wanted) if wanted or stale else {}


def _push(node: Node, tangents: dict[Node, Any], values: dict[Node, Any], *, traced: bool) -> Any:
    """Return the tangent of a node from those of its parents; None if none of them has one."""
    given = [tangents.get(p) if type(p) is Node else None for p in node.parents]
    if all(t is None for t in given):
        return None
    op = node.op
    if op.indexing == "pick":
        return tangents[node.parents[0]][node.params["index"]]
    if op.outputs:
        return _push_several(node, given, values, traced=traced)
    if op.kind == "elementwise":
        parts = [
            _apply(rule, node, t, traced=traced)
            for rule, t in zip(op.by_position, given, strict=True)
            if t is not None and rule is not None
        ]
    elif op.kind == "linear":
        parts = [call_again(op, _filled(node.parents, given), node.params)]
    elif op.kind == "multilinear":
        operands = [_operand(p, values, traced=traced) for p in node.parents]
        parts = [
            call_again(op, [*operands[:i], t, *operands[i + 1 :]], node.params)
            for i, t in enumerate(given)
            if t is not None
        ]
    else:
        parts = _push_general(node, given, values, traced=traced)
    if not parts:
        return None
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    if total.shape != node.shape:
        total = FUNCTIONS["broadcast_to"](total, shape=node.shape)
    if total.dtype != node.dtype and total.dtype.kind != "c":
        total = FUNCTIONS["astype"](total, dtype=node.dtype)
    return total


def _apply(rule: Pull, node: Node, t: Any, *, traced: bool) -> Any:
    return rule.traced(node, t) if traced else rule.raw(node, t)


def _operand(parent: Any, values: dict[Node, Any], *, traced: bool) -> Any:
    if type(parent) is not Node:
        return parent
    return wrap(values[parent], parent) if traced else values[parent]


def _filled(parents: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    """Return the tangents of all operands, with zeros for None."""
    return [
        np.zeros(np.shape(p), p.dtype if hasattr(p, "dtype") else np.result_type(p))[()]
        if t is None
        else t
        for p, t in zip(parents, given, strict=True)
    ]


def _push_general(
    node: Node, given: Sequence[Any], values: dict[Node, Any], *, traced: bool
) -> list[Any]:
    """Apply declared jvps; for operands without one, pull the vjp back once for all of them."""
    op = node.op
    full = _with_all_values(node, values)
    parts = []
    rest = list(given)
    for i, name in enumerate(op.operands):
        if given[i] is not None and name in op.jvps:
            parts.append(_apply(op.jvps[name], full, given[i], traced=traced))
            rest[i] = None
    if any(t is not None for t in rest):
        parts += _pulled_back(full, rest, traced=traced)
    return parts


def _with_all_values(node: Node, values: dict[Node, Any]) -> Node:
    """Return the same node with every operand and the result saved, whatever its vjp needs."""
    operands = [values[p] if type(p) is Node else p for p in node.parents]
    return node.but(saved=(*operands, values[node]))


def _pulled_back(node: Node, given: Sequence[Any], *, traced: bool) -> list[Any]:
    """Push without a jvp: the vjp is linear in its cotangent, and its adjoint is the jvp."""
    op = node.op
    cotangent = _zero_variable(node.shape, node.dtype, node.trace)
    g = wrap(cotangent.saved[0], cotangent)
    if op.joint is not None:
        pulled = op.joint.traced(node, g)
    else:
        pulled = [
            rule.traced(node, g) if rule is not None and t is not None else None
            for rule, t in zip(op.by_position, given, strict=True)
        ]
    back = _adjoint(node, pulled, given, [cotangent], traced=traced)[0]
    return [] if back is None else [back]


def _push_several(
    node: Node, given: Sequence[Any], values: dict[Node, Any], *, traced: bool
) -> list[Any]:
    """Return the tangents of the results of an operation with several, by pulling its vjp back."""
    full = _with_all_values(node, values)
    outs = full.saved[-1]
    cotangents = [_zero_variable(out.shape, out.dtype, node.trace) for out in outs]
    gs = [wrap(c.saved[0], c) for c in cotangents]
    pulled = node.op.joint.traced(full, gs)
    return _adjoint(node, pulled, given, cotangents, traced=traced)


def _zero_variable(shape: tuple[int, ...], dtype: Any, trace: Any) -> Node:
    return variable(np.zeros(shape, dtype) if shape else dtype.type(0), trace)


def _adjoint(
    node: Node,
    pulled: Sequence[Any],
    given: Sequence[Any],
    cotangents: Sequence[Node],
    *,
    traced: bool,
) -> list[Any]:
    """Return for each cotangent variable Σ (∂ pulled / ∂ cotangent)* tangent; None for zero."""
    totals: list[Any] = [None] * len(cotangents)
    for parent, c, t in zip(node.parents, pulled, given, strict=True):
        if t is None or type(c) is not dlarray or c._node is None:
            continue
        projected = project(c, parent.shape, parent.dtype, real=True, name=node.op.name)
        back = reverse(projected._node, t, cotangents, retain=True, traced=traced, real=True)
        for i, cotangent in enumerate(cotangents):
            part = back.get(cotangent)
            if part is not None:
                totals[i] = part if totals[i] is None else totals[i] + part
    return totals
