"""NumPy's functions that sort, count and integrate, by ours.

As in `dlgradient.interop.rearrange`, each has the signature of the function it answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from dlgradient.core.types import AxisLike, DtypeLike, Operand, Value
from dlgradient.errors import InvalidArgumentError, UnknownKeywordError
from dlgradient.interop.operands import as_array, flatten
from dlgradient.interop.table import answers
from dlgradient.ops import differences, missing, statistics
from dlgradient.ops.casting import astype
from dlgradient.ops.index import along
from dlgradient.ops.join import concat
from dlgradient.ops.order import argsort as argsort_
from dlgradient.ops.order import sort as sort_
from dlgradient.ops.quantiles import nanquantile
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.shape import broadcast_to, reshape

__all__: list[str] = []


# -- order ---------------------------------------------------------------------------------------


def _lines(name: str, x: Operand, axis: int | None, fields: Any) -> tuple[Value, int]:
    """Return an array, flattened if there is no axis, and the axis."""
    if fields is not None:
        raise UnknownKeywordError(
            f"numpy.{name}: order= is for fields, which a dlarray does not have; leave it out"
        )
    return (flatten(x), -1) if axis is None else (as_array(x), axis)


@answers(np.sort)
def sort(
    a: Operand,
    axis: int | None = -1,
    kind: str | None = None,  # noqa: ARG001 - sorted values do not show how they were sorted
    order: Any = None,
    *,
    stable: bool | None = None,  # noqa: ARG001 - nor whether equal ones kept their order
) -> Value:
    """Sorted elements."""
    x, axis = _lines("sort", a, axis, order)
    return sort_(x, axis=axis)


@answers(np.sort_complex)
def sort_complex(a: Operand) -> Value:
    """Sorted elements as complex numbers."""
    x = as_array(a)
    return sort_(astype(x, np.result_type(x.dtype, np.complex64)), axis=-1)


@answers(np.argsort)
def argsort(
    a: Operand,
    axis: int | None = -1,
    kind: str | None = None,
    order: Any = None,
    *,
    stable: bool | None = None,
) -> Value:
    """Indices that sort."""
    x, axis = _lines("argsort", a, axis, order)
    return argsort_(x, axis=axis, stable=bool(stable) or kind in ("stable", "mergesort"))


@answers(np.partition)
def partition(
    a: Operand,
    kth: Operand,  # noqa: ARG001 - sorted elements are partitioned at every place
    axis: int | None = -1,
    kind: str = "introselect",  # noqa: ARG001
    order: Any = None,
) -> Value:
    """Elements in an order where those before the kth are not greater, those after not less."""
    x, axis = _lines("partition", a, axis, order)
    return sort_(x, axis=axis)


@answers(np.argpartition)
def argpartition(
    a: Operand,
    kth: Operand,  # noqa: ARG001 - as for `partition`
    axis: int | None = -1,
    kind: str = "introselect",  # noqa: ARG001
    order: Any = None,
) -> Value:
    """Indices of `partition`."""
    x, axis = _lines("argpartition", a, axis, order)
    return argsort_(x, axis=axis, stable=False)


@answers(np.nanpercentile)
def nanpercentile(
    a: Operand,
    q: Operand,
    axis: AxisLike = None,
    *,
    method: Any = "linear",
    keepdims: bool = False,
) -> Value:
    """Quantiles in per cent of what is not NaN."""
    return nanquantile(a, as_array(q) / 100, axis=axis, keepdims=keepdims, method=method)


@answers(np.nan_to_num)
def nan_to_num(
    x: Operand,
    copy: bool = True,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Value:
    """Numbers instead of NaN and infinities."""
    if not copy:
        raise UnknownKeywordError(
            "numpy.nan_to_num: copy=False would write into a dlarray, which is a value; write "
            "x = numpy.nan_to_num(x)"
        )
    return missing.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


# -- means and covariances -----------------------------------------------------------------------


@answers(np.average)
def average(
    a: Operand,
    axis: AxisLike = None,
    weights: Operand | None = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Value:
    """Weighted mean, and if asked for the sum of the weights."""
    out = statistics.average(a, weights, axis=axis, keepdims=keepdims)
    if not returned:
        return out
    x = as_array(a)
    w = np.ones(x.shape, x.dtype) if weights is None else as_array(weights)
    # Weights with the dimensions in `axis` only have one sum.
    over = axis if w.shape == x.shape else None
    total = sum_(w, axis=over, dtype=out.dtype, keepdims=keepdims)
    return out, broadcast_to(total, out.shape)


@answers(np.cov)
def cov(
    m: Operand,
    y: Operand | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Operand | None = None,
    aweights: Operand | None = None,
    *,
    dtype: DtypeLike = None,
) -> Value:
    """Covariances."""
    x = as_array(m) if dtype is None else astype(m, dtype=dtype)
    correction = (0 if bias else 1) if ddof is None else ddof
    return statistics.cov(
        x,
        y,
        rowvar=bool(rowvar),
        correction=correction,
        fweights=fweights,
        aweights=aweights,
    )


@answers(np.corrcoef)
def corrcoef(
    x: Operand, y: Operand | None = None, rowvar: bool = True, *, dtype: DtypeLike = None
) -> Value:
    """Correlations."""
    x = as_array(x) if dtype is None else astype(x, dtype=dtype)
    return statistics.corrcoef(x, y, rowvar=bool(rowvar))


# -- calculus ------------------------------------------------------------------------------------


@answers(np.trapezoid)
def trapezoid(y: Operand, x: Operand | None = None, dx: Operand = 1.0, axis: int = -1) -> Value:
    """Integral by the trapezoidal rule."""
    return differences.trapezoid(y, x, dx=dx, axis=axis)


@answers(np.ediff1d)
def ediff1d(ary: Operand, to_end: Operand = None, to_begin: Operand = None) -> Value:
    """Differences of neighbours of all elements, with others before and after them."""
    ends = [[] if end is None else [flatten(end)] for end in (to_begin, to_end)]
    out = differences.diff(flatten(ary))
    return concat([*ends[0], out, *ends[1]]) if ends[0] or ends[1] else out


@answers(np.gradient)
def gradient(
    f: Operand, *varargs: Operand, axis: AxisLike = None, edge_order: int = 1
) -> Value | tuple[Value, ...]:
    """Slopes by differences: central ones inside, and one-sided ones at both ends."""
    x = as_array(f)
    axes = normalize_axis_tuple(range(x.ndim) if axis is None else axis, x.ndim)
    spacings: tuple[Any, ...] = varargs or (1.0,)
    if len(spacings) == 1 and np.ndim(as_array(spacings[0])) == 0:
        spacings = spacings * len(axes)
    if len(spacings) != len(axes):
        raise InvalidArgumentError(
            f"numpy.gradient: {len(spacings)} spacings were given for {len(axes)} dimensions; give "
            "one number, or one number or array of points for each dimension"
        )
    if edge_order not in (1, 2):
        raise InvalidArgumentError(f"numpy.gradient: edge_order={edge_order} must be 1 or 2")
    if x.dtype.kind not in "fc":
        x = x * 1.0
    pairs = zip(axes, spacings, strict=True)
    out = tuple([_slopes(x, a, as_array(h), edge_order) for a, h in pairs])
    return out[0] if len(out) == 1 else out


def _slopes(x: Value, axis: int, h: Value, edge_order: int) -> Value:
    """Return the slopes along one dimension; `h` is a distance, or an array of points."""
    axis, n = normalize_axis_index(axis, x.ndim), x.shape[axis]
    if n <= edge_order:
        raise InvalidArgumentError(
            f"numpy.gradient: f has {n} elements along axis {axis}, and edge_order={edge_order} "
            f"needs at least {edge_order + 1}"
        )
    shape = [-1 if i == axis else 1 for i in range(x.ndim)]
    if np.ndim(h):
        if h.shape != (n,):
            raise InvalidArgumentError(
                f"numpy.gradient: the points have shape {h.shape}, and f has {n} elements along "
                f"axis {axis}; give as many points"
            )
        steps = reshape(differences.diff(h), shape)
    else:
        steps = broadcast_to(h, tuple([n - 1 if i == axis else 1 for i in range(x.ndim)]))
    secants = differences.diff(x, axis=axis) / steps
    before, after = (along(v, axis, slice(None, -1)) for v in (secants, steps))
    later, next_steps = (along(v, axis, slice(1, None)) for v in (secants, steps))
    # Of a parabola through three points: each secant is weighted by the step of the other.
    inside = (before * next_steps + later * after) / (after + next_steps)
    ends = [along(secants, axis, slice(0, 1)), along(secants, axis, slice(-1, None))]
    if edge_order == 2:
        # The slope of a parabola is linear: that of the secant is in the middle of its interval.
        ends = [
            2 * ends[0] - along(inside, axis, slice(0, 1)),
            2 * ends[1] - along(inside, axis, slice(-1, None)),
        ]
    return concat([ends[0], inside, ends[1]], axis=axis)
