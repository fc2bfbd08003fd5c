"""Interpolation on grids: between the points next to a query, or from the nearest one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product as combinations
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np

from dlgradient.core import calls
from dlgradient.core.conversion import as_array
from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Operand, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.ops.choice import clip, where
from dlgradient.ops.join import stack
from dlgradient.ops.logical import isnan
from dlgradient.ops.piecewise import check_points, nearest
from dlgradient.ops.reduce import sum
from dlgradient.ops.search import any, searchsorted
from dlgradient.ops.shape import broadcast_arrays, reshape
from dlgradient.ops.take import take
from dlgradient.rules import derived

__all__ = ["interp2", "interpn"]

GridMethod: TypeAlias = Literal["linear", "nearest"]


def _grid_reference(points: Any, v: Array, queries: Any, method: str = "linear") -> Any:
    from scipy.interpolate import interpn as reference

    return reference(points, v, np.stack(queries, -1), method, bounds_error=False)


@derived(
    domain="real",
    reference=_grid_reference,
    samples=lambda m: _interpn_samples(m),
    errors=lambda m: _interpn_errors(m),
)
def interpn(
    points: Sequence[Operand],
    v: Operand,
    queries: Sequence[Operand],
    /,
    method: GridMethod = "linear",
) -> Value:
    """Interpolation on a grid of any number of dimensions.

    Parameters
    ----------
    points : sequence of arrays
        The points along each dimension, in ascending order.
    v : array
        Values, with one dimension for each array of points.
    queries : sequence of arrays
        The coordinates of the queries, which broadcast.
    method : {"linear", "nearest"}
        Linear along each dimension, or the value of the nearest point.

    Returns
    -------
    array
        Of the shape of the queries. NaN outside the grid.

    Raises
    ------
    ShapeMismatchError
        If points and values do not fit.
    InvalidArgumentError
        If points do not ascend, or the numbers of dimensions differ.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    interp1 : interpolation in one dimension
    interp2 : interpolation on a grid of two dimensions
    grid_sample : values of images at coordinates

    Examples
    --------
    >>> v = dl.dlarray([[0.0, 1.0], [2.0, 3.0]])
    >>> dl.interpn([[0.0, 1.0], [0.0, 1.0]], v, [[0.5, 1.0], [0.5, 0.25]]).tolist()
    [1.5, 2.25]

    Source: MATLAB ``interpn``; SciPy ``interpn``.
    """
    return _on_grid("interpn", points, v, queries, method)


def _on_grid(
    name: str, points: Sequence[Operand], v: Operand, queries: Sequence[Operand], method: str
) -> Value:
    v = as_array(v, f"{name}: v")
    grid = [as_array(p, f"{name}: points[{i}]") for i, p in enumerate(points)]
    found = [as_array(q, f"{name}: queries[{i}]") for i, q in enumerate(queries)]
    if len(grid) != v.ndim or len(found) != v.ndim:
        raise InvalidArgumentError(
            f"{name}: v of shape {v.shape} has {v.ndim} dimensions, and there are {len(grid)} "
            f"arrays of points and {len(found)} of queries; give one for each dimension"
        )
    for i, (p, q) in enumerate(zip(grid, found, strict=True)):
        refuse_complex(name, v=v, **{f"points[{i}]": p, f"queries[{i}]": q})
        check_points(name, p, v.shape[i : i + 1], f"points[{i}]")
    v, *grid = map(calls.unlabelled, (v, *grid))
    found = list(broadcast_arrays(*map(calls.unlabelled, found)))
    flat = reshape(v * 1.0 if v.dtype.kind != "f" else v, (-1,))
    steps = [prod(v.shape[i + 1 :]) for i in range(v.ndim)]
    pairs = list(zip(grid, found, strict=True))
    outside = any(stack([(q < p[0]) | (q > p[-1]) | isnan(q) for p, q in pairs]), axis=0)
    if method == "nearest":
        places = [nearest(p, q, method) * n for (p, q), n in zip(pairs, steps, strict=True)]
        at = sum(stack(places), axis=0)
        return where(outside, np.nan, take(flat, at))
    cells = [clip(searchsorted(p, q, side="right") - 1, 0, p.shape[0] - 2) for p, q in pairs]
    weights = []
    for (p, q), k in zip(pairs, cells, strict=True):
        start = take(p, k)
        weights.append((q - start) / (take(p, k + 1) - start))
    y: Value = 0.0
    for corner in combinations((0, 1), repeat=len(grid)):
        at = 0
        term: Value = 1.0
        for k, w, up, n in zip(cells, weights, corner, steps, strict=True):
            at = at + (k + up) * n
            term = term * (w if up else 1 - w)
        y = y + term * take(flat, at)
    return where(outside, np.nan, y)


@derived(
    domain="real",
    reference=lambda x, y, v, xq, yq, method="linear": _grid_reference((y, x), v, (yq, xq), method),
    samples=lambda m: [
        case(c.args[0][1], c.args[0][0], c.args[1], c.args[2][1], c.args[2][0], **c.params)
        for c in _interpn_samples(m)[:2]
        if len(c.args[0]) == 2
    ],
    errors=lambda m: [
        Error(
            case(np.arange(2.0), np.arange(3.0), m.real(2, 3), m.inside(2), m.inside(2)),
            ShapeMismatchError,
            r"points\[0\] has shape \(3,\)",
        )
    ],
)
def interp2(
    x: Operand,
    y: Operand,
    v: Operand,
    xq: Operand,
    yq: Operand,
    /,
    method: GridMethod = "linear",
) -> Value:
    """Interpolation on a grid of two dimensions.

    Parameters
    ----------
    x : array
        Points of the columns of ``v``, in ascending order.
    y : array
        Points of the rows of ``v``.
    v : array
        A matrix of values.
    xq, yq : array
        Coordinates of the queries, which broadcast.
    method : {"linear", "nearest"}

    Returns
    -------
    array
        Of the shape of the queries. NaN outside the grid.

    Raises
    ------
    ShapeMismatchError
        If points and values do not fit.
    InvalidArgumentError
        If points do not ascend.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    interpn : interpolation on a grid
    interp1 : interpolation in one dimension

    Examples
    --------
    >>> v = dl.dlarray([[0.0, 1.0], [2.0, 3.0]])
    >>> dl.interp2([0.0, 1.0], [0.0, 1.0], v, 0.5, 0.25).item()
    1.0

    Source: MATLAB ``interp2``.
    """
    return _on_grid("interp2", (y, x), v, (yq, xq), method)


def _interpn_samples(m: Maker) -> list[Case]:
    p, q = np.array([0.0, 1.0, 2.5]), np.array([-1.0, 0.5])
    at = np.array([0.3, 1.7, 2.2])
    return [
        case([p, q], m.real(3, 2), [at, np.array([-0.7, 0.2, 0.4])]),
        case([p, q], m.real(3, 2), [at, np.array([-0.7, 0.2, 0.4])], method="nearest"),
        case([p, q], m.real(3, 2), [np.array([3.0, 0.7]), np.array([0.1, 0.3])], kink=True),
        case([p], m.real(3), [at]),
        case([q, p, q], m.real(2, 3, 2), [np.array([0.1]), np.array([1.6]), np.array([0.3])]),
    ]


def _interpn_errors(m: Maker) -> list[Error]:
    p = np.array([0.0, 1.0])
    return [
        Error(case([p], m.real(2, 2), [p]), InvalidArgumentError, "has 2 dimensions, and .* 1"),
        Error(case([p], m.real(3), [p]), ShapeMismatchError, r"points\[0\] has shape \(2,\)"),
    ]
