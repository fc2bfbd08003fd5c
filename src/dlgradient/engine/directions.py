"""Derivatives along all unit vectors at once: the columns, rows and diagonals of a Jacobian.

A derivative at a point is a linear map. A traced walk records it, if the direction is a variable of
its own. A `Part` then evaluates what was recorded for a batch of unit vectors. Both modes are such
maps. The reverse walk takes cotangents of a value to those of the variables. The forward walk takes
tangents of a variable to those of the values.

There is a unit vector for each element. Or an axis is given, and there is one for each of its
places, which is the same at all places of the other axes: these are independent observations.

The zeros of a unit vector are structural: they say which derivative is asked for, and must not make
NaN of an infinite partial derivative. A batch cannot tell them from others. So if there is a NaN in
its result, the rows are computed again, by one reverse walk each, which can (`zeros`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from dlgradient.core.calls import FUNCTIONS, variable, wrap
from dlgradient.core.graph import Node
from dlgradient.core.sizes import DIRECTION_ELEMENTS
from dlgradient.core.types import Array, Cotangent, Shape
from dlgradient.engine.array import dlarray
from dlgradient.engine.batching import Part, together
from dlgradient.engine.forward import forward
from dlgradient.engine.walk import reverse
from dlgradient.engine.zeros import has_nan
from dlgradient.errors import RuleError

__all__ = ["columns", "diagonal", "rows"]


def rows(
    root: Node, nodes: Sequence[Node], axis: int | None, *, real: bool, traced: bool
) -> list[Cotangent]:
    """Return the rows of a Jacobian, in reverse mode: ∂(root · unit vector)/∂node.

    Parameters
    ----------
    root : Node
    nodes : sequence of Node
        Variables.
    axis : int or None
        The unit vectors are those of this axis of `root`; None for those of all elements.
    real : bool
        As in `reverse`.
    traced : bool
        Whether the result is a dlarray that can be differentiated.

    Returns
    -------
    list
        For each variable, the rows along the first dimension.
    """
    size = _count(root.shape, axis)
    seed = _seed(root)
    results = None
    try:
        found = (
            reverse(root, wrap(seed.saved[0], seed), nodes, retain=True, traced=True, real=real)
            if size
            else {}
        )
        results = _along(seed, [found.get(node) for node in nodes], axis, traced=traced)
    except RuleError:  # a backward pass of a user that is not written in functions of dlarrays
        if traced:
            raise
    if results is None or any(c is not None and has_nan(c) for c in results):
        results = _rows_one_by_one(root, nodes, axis, real=real, traced=traced)
    return [
        _zeros((size, *node.shape), node.dtype, traced=traced) if c is None else c
        for node, c in zip(nodes, results, strict=True)
    ]


def columns(root: Node, node: Node, axis: int | None, *, traced: bool) -> Cotangent:
    """Return the columns of a Jacobian, in forward mode: the tangents of `root` along unit vectors.

    `axis` is one of `node`. The other parameters are as in `rows`.
    """
    seed = _seed(node)
    size = _count(node.shape, axis)
    results = None
    try:
        found = forward((root,), {node: wrap(seed.saved[0], seed)}, traced=True) if size else [None]
        results = _along(seed, found, axis, traced=traced)
    except RuleError:  # as in `rows`
        if traced:
            raise
    if results is None or (results[0] is not None and has_nan(results[0])):
        return _columns_of_rows(root, node, axis, traced=traced)
    if results[0] is None:
        return _zeros((size, *root.shape), root.dtype, traced=traced)
    return results[0]


def diagonal(root: Node, node: Node, axis: int | None, *, traced: bool) -> Cotangent:
    """Return the diagonal of a Jacobian whose value has the shape of the variable.

    The result has one dimension less than `columns`: along the first one, the element of the value
    at the place of the unit vector.
    """
    seed = _seed(node)
    size = _count(node.shape, axis)
    found = forward((root,), {node: wrap(seed.saved[0], seed)}, traced=True) if size else [None]
    results = _along(seed, found, axis, traced=traced, only_diagonal=True)
    if results is None or (results[0] is not None and has_nan(results[0])):
        return _picked(_columns_of_rows(root, node, axis, traced=traced), axis, 0)
    if results[0] is None:
        shape = (size,) if axis is None else (size, *root.shape[:axis], *root.shape[axis + 1 :])
        return _zeros(shape, root.dtype, traced=traced)
    return results[0]


# -- linear maps ---------------------------------------------------------------------------------


def _seed(node: Node) -> Node:
    """Return a variable for a direction. No zero in it may look like that of a mask."""
    value = np.ones(node.shape, node.dtype) if node.shape else node.dtype.type(1)
    return variable(value, node.trace)


def _along(
    seed: Node,
    found: Sequence[Cotangent | None],
    axis: int | None,
    *,
    traced: bool,
    only_diagonal: bool = False,
) -> list[Cotangent | None] | None:
    """Return what a walk found, for all unit vectors of a seed; None where there is nothing.

    The list itself is None if an operation cannot be evaluated again.
    """
    results: list[Cotangent | None] = [None] * len(found)
    at = [i for i, c in enumerate(found) if type(c) is dlarray and c._node is not None]
    if not at:
        return results
    part = Part([c._node for c in found if type(c) is dlarray and c._node is not None], [seed])
    if not part.is_known:
        return None
    members: list[list[Cotangent]] = [[] for _ in at]
    for start, units in _unit_vectors(seed, axis, part.largest):
        batch = wrap(units, None) if traced else units
        for collected, value in zip(members, part.at([batch], traced=traced), strict=True):
            if value is not None:
                collected.append(_picked(value, axis, start) if only_diagonal else value)
    for i, collected in zip(at, members, strict=True):
        results[i] = together(collected) if collected else None
    return results


def _count(shape: Shape, axis: int | None) -> int:
    return prod(shape) if axis is None else shape[axis]


def _unit_vectors(seed: Node, axis: int | None, largest: int) -> Iterator[tuple[int, Array]]:
    """Yield chunks of the unit vectors of a shape, and the number of the first in each."""
    size = _count(seed.shape, axis)
    chunk = max(1, DIRECTION_ELEMENTS // max(largest, 1))
    for start in range(0, size, chunk):
        stop = min(start + chunk, size)
        yield start, _units(seed.shape, seed.dtype, axis, start, stop)


def _units(shape: Shape, dtype: Any, axis: int | None, start: int, stop: int) -> Array:
    members, places = np.arange(stop - start), np.arange(start, stop)
    if axis is None:
        units = np.zeros((stop - start, prod(shape)), dtype)
        units[members, places] = 1
        return units.reshape(stop - start, *shape)
    units = np.zeros((stop - start, *shape), dtype)
    np.moveaxis(units, axis + 1, 1)[members, places] = 1
    return units


def _picked(values: Cotangent, axis: int | None, start: int) -> Cotangent:
    """Return of each member of a batch the elements where its unit vector is one."""
    size = values.shape[0]
    members, places = np.arange(size), np.arange(start, start + size)
    get = FUNCTIONS["getitem"]
    if axis is None:
        return get(FUNCTIONS["reshape"](values, (size, prod(values.shape[1:]))), (members, places))
    # With a slice between them, and at the front without one, indices make the first dimension.
    return get(values, (members, *(slice(None),) * axis, places))


def _zeros(shape: Shape, dtype: Any, *, traced: bool) -> Cotangent:
    value = np.zeros(shape, dtype if dtype.kind in "fc" else float)
    return wrap(value, None) if traced else value


# -- with structural zeros -----------------------------------------------------------------------


def _rows_one_by_one(
    root: Node, nodes: Sequence[Node], axis: int | None, *, real: bool, traced: bool
) -> list[Cotangent | None]:
    """Return the rows of a Jacobian by one reverse walk each, as `rows`."""
    members: list[list[Cotangent]] = [[] for _ in nodes]
    for k in range(_count(root.shape, axis)):
        unit = _units(root.shape, root.dtype, axis, k, k + 1)[0]
        seed = wrap(unit, None) if traced else unit
        found = reverse(root, seed, nodes, retain=True, traced=traced, real=real, masked=True)
        for node, collected in zip(nodes, members, strict=True):
            c = found.get(node)
            collected.append(_zeros(node.shape, node.dtype, traced=traced) if c is None else c)
    return [FUNCTIONS["stack"](collected) for collected in members]


def _columns_of_rows(root: Node, node: Node, axis: int | None, *, traced: bool) -> Cotangent:
    """Return the columns of a Jacobian from its rows, as `columns`."""
    (found,) = _rows_one_by_one(root, [node], None, real=True, traced=traced)
    assert found is not None
    permute, reshape = FUNCTIONS["permute_dims"], FUNCTIONS["reshape"]
    if axis is None:
        found = reshape(found, (root.size, node.size))
    else:
        others = tuple([i + 1 for i in range(len(node.shape)) if i != axis])
        found = FUNCTIONS["sum"](found, axis=others)
    return reshape(permute(found, (1, 0)), (_count(node.shape, axis), *root.shape))
