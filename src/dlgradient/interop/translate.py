"""Functions of NumPy that no single array-API function answers: compositions of several.

Every adaptor has the signature of the function it answers, without the keywords that make no sense
for a dlarray. `dlgradient.interop.table` refuses those by name. Indices are zero-based, and axes
are parameters, as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from dlgradient.core import calls
from dlgradient.core.calls import FUNCTIONS, wrap
from dlgradient.errors import InvalidArgumentError, UnsupportedFunctionError
from dlgradient.interop.table import answers, function, is_traced, raw

__all__: list[str] = []


def array(x: Any) -> Any:
    """Return `x` as something with a shape: a dlarray as it is, anything else as an ndarray."""
    if type(x) is calls.dlarray:
        return x
    if isinstance(x, list | tuple) and x and is_traced(x):
        return FUNCTIONS["stack"]([array(item) for item in x], axis=0)
    return np.asarray(x)


def flat(x: Any) -> Any:
    """Return the elements of `x` in one dimension."""
    x = array(x)
    return x if x.ndim == 1 else FUNCTIONS["reshape"](x, shape=(-1,))


def pick(x: Any, axis: int, key: Any) -> Any:
    """Index one dimension."""
    return x[(slice(None),) * axis + (key,)]


def c_order(order: str) -> None:
    """Refuse an order of elements other than C order."""
    if order not in ("C", "K", "A"):
        raise InvalidArgumentError(
            f"order={order!r}: elements of a dlarray are read in C order; transpose x first"
        )


# -- joining and splitting -----------------------------------------------------------------------


@answers(np.concatenate)
def concatenate(arrays: Any, /, axis: int | None = 0, *, dtype: Any = None) -> Any:
    """Join arrays along an axis."""
    out = FUNCTIONS["concat"]([array(a) for a in arrays], axis=axis)
    return out if dtype is None else FUNCTIONS["astype"](out, dtype=dtype)


@answers(np.stack)
def stack(arrays: Any, axis: int = 0, *, dtype: Any = None) -> Any:
    """Join arrays along a new axis."""
    out = FUNCTIONS["stack"]([array(a) for a in arrays], axis=axis)
    return out if dtype is None else FUNCTIONS["astype"](out, dtype=dtype)


@answers(np.vstack)
def vstack(tup: Any, *, dtype: Any = None) -> Any:
    """Join arrays row by row."""
    return concatenate([atleast_2d(a) for a in tup], 0, dtype=dtype)


@answers(np.hstack)
def hstack(tup: Any, *, dtype: Any = None) -> Any:
    """Join arrays column by column."""
    arrays = [atleast_1d(a) for a in tup]
    return concatenate(arrays, 0 if arrays and arrays[0].ndim == 1 else 1, dtype=dtype)


@answers(np.dstack)
def dstack(tup: Any, *, dtype: Any = None) -> Any:
    """Join arrays along the third axis."""
    return concatenate([atleast_3d(a) for a in tup], 2, dtype=dtype)


@answers(np.column_stack)
def column_stack(tup: Any) -> Any:
    """Join one-dimensional arrays as columns."""
    arrays = [array(a) for a in tup]
    return concatenate([a if a.ndim > 1 else flat(a)[:, None] for a in arrays], 1)


@answers(np.append)
def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Join two arrays."""
    return concatenate([array(arr), array(values)], axis)


@answers(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Split an array into parts that may differ in size by one."""
    x = array(ary)
    axis = normalize_axis_index(axis, x.ndim)
    n = x.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        parts = int(indices_or_sections)
        if parts <= 0:
            raise InvalidArgumentError("array_split: the number of sections must be positive")
        each, more = divmod(n, parts)
        cuts = np.cumsum([0] + more * [each + 1] + (parts - more) * [each]).tolist()
    else:
        cuts = [0, *(int(i) for i in indices_or_sections), None]
    return [pick(x, axis, slice(a, b)) for a, b in pairwise(cuts)]


@answers(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    """Split an array into equal parts, or at indices."""
    x = array(ary)
    if np.ndim(indices_or_sections) == 0 and x.shape[axis] % int(indices_or_sections):
        raise InvalidArgumentError(
            f"split: {x.shape[axis]} elements along axis {axis} do not make "
            f"{indices_or_sections} equal parts; use numpy.array_split"
        )
    return array_split(x, indices_or_sections, axis)


@answers(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Split an array along its second axis, or its only one."""
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@answers(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Split an array along its third axis."""
    return split(ary, indices_or_sections, 2)


@answers(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    """Split an array along its first axis."""
    return split(ary, indices_or_sections, 0)


@answers(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Split an array into those without the axis."""
    axis = normalize_axis_index(axis, x.ndim)
    return tuple(pick(x, axis, i) for i in range(x.shape[axis]))


# -- shapes --------------------------------------------------------------------------------------


@answers(np.reshape)
def reshape(a: Any, /, shape: Any, order: str = "C", *, copy: bool | None = None) -> Any:  # noqa: ARG001 - values are never changed, so never copied
    """The same elements in another shape."""
    c_order(order)
    sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    return FUNCTIONS["reshape"](array(a), shape=sizes)


@answers(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """The same elements in one dimension."""
    c_order(order)
    return flat(a)


@answers(np.transpose)
def transpose(a: Any, axes: Any = None) -> Any:
    """Reorder the axes; without `axes`, reverse them."""
    x = array(a)
    order = range(x.ndim)[::-1] if axes is None else normalize_axis_tuple(axes, x.ndim)
    return FUNCTIONS["permute_dims"](x, axes=tuple(order))


@answers(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """Exchange two axes."""
    order = list(range(a.ndim))
    i, j = normalize_axis_index(axis1, a.ndim), normalize_axis_index(axis2, a.ndim)
    order[i], order[j] = j, i
    return FUNCTIONS["permute_dims"](a, axes=tuple(order))


@answers(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Move axes to other places; the others keep their order."""
    start = normalize_axis_tuple(source, a.ndim, "source")
    goal = normalize_axis_tuple(destination, a.ndim, "destination")
    order = [i for i in range(a.ndim) if i not in start]
    for to, axis in sorted(zip(goal, start, strict=True)):
        order.insert(to, axis)
    return FUNCTIONS["permute_dims"](a, axes=tuple(order))


@answers(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    """Insert dimensions of size one."""
    return FUNCTIONS["expand_dims"](a, axis=axis)


@answers(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    """Remove dimensions of size one."""
    if axis is None:
        axis = tuple(i for i, n in enumerate(a.shape) if n == 1)
    return FUNCTIONS["squeeze"](a, axis=axis)


@answers(np.broadcast_to)
def broadcast_to(array: Any, shape: Any) -> Any:
    """Repeat along new dimensions, and along dimensions of size one."""
    sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    return FUNCTIONS["broadcast_to"](array, shape=sizes)


@answers(np.broadcast_arrays)
def broadcast_arrays(*args: Any) -> tuple[Any, ...]:
    """Broadcast arrays to their common shape."""
    arrays = [array(a) for a in args]
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    return tuple(FUNCTIONS["broadcast_to"](a, shape=shape) for a in arrays)


def _map(function: Any, arys: Sequence[Any]) -> Any:
    out = tuple(function(array(a)) for a in arys)
    return out[0] if len(out) == 1 else out


@answers(np.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    """Add a dimension to scalars."""
    return _map(lambda x: x if x.ndim else x[None], arys)


@answers(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    """Add leading dimensions up to a total of two."""
    return _map(lambda x: x if x.ndim > 1 else x[(None,) * (2 - x.ndim)], arys)


@answers(np.atleast_3d)
def atleast_3d(*arys: Any) -> Any:
    """Add dimensions up to a total of three, as NumPy places them."""

    def expanded(x: Any) -> Any:
        if x.ndim > 2:
            return x
        return x[:, :, None] if x.ndim == 2 else flat(x)[None, :, None]

    return _map(expanded, arys)


@answers(np.fliplr)
def fliplr(m: Any) -> Any:
    """Reverse the second axis."""
    return m[:, ::-1]


@answers(np.flipud)
def flipud(m: Any) -> Any:
    """Reverse the first axis."""
    return m[::-1]


@answers(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:  # noqa: ARG001 - values are never changed, so never copied
    """Coordinate arrays of a grid."""
    n = len(xi)
    sizes = [array(x).size for x in xi]
    swapped = indexing == "xy" and n > 1
    places = [1, 0, *range(2, n)] if swapped else list(range(n))
    shape = [0] * n
    for place, size in zip(places, sizes, strict=True):
        shape[place] = size
    out = []
    for x, place in zip(xi, places, strict=True):
        own = tuple(-1 if i == place else 1 for i in range(n))
        grid = FUNCTIONS["reshape"](array(x), shape=own)
        out.append(grid if sparse else FUNCTIONS["broadcast_to"](grid, shape=tuple(shape)))
    return out


# -- selecting -----------------------------------------------------------------------------------


@answers(np.where)
def where(condition: Any, *choices: Any) -> Any:
    """Elements of one array where a condition holds, else of another; or the indices."""
    if not choices:
        return function(np.nonzero, (condition,), {})
    if len(choices) != 2:
        raise InvalidArgumentError("numpy.where: give both x and y, or neither")
    return FUNCTIONS["where"](condition, *choices)


@answers(np.take)
def take(a: Any, indices: Any, axis: int | None = None) -> Any:
    """Elements along an axis; without it, of the elements in C order."""
    x = flat(a) if axis is None else array(a)
    axis = normalize_axis_index(axis or 0, x.ndim)
    picked = raw(indices)
    return pick(x, axis, picked if np.ndim(picked) == 0 else np.asarray(picked))


@answers(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Elements with equal indices in two dimensions, as the last dimension."""
    rows, columns = a.shape[axis1], a.shape[axis2]
    first, second = max(-offset, 0), max(offset, 0)
    i = np.arange(max(min(rows - first, columns - second), 0))
    return moveaxis(a, (axis1, axis2), (-2, -1))[..., i + first, i + second]


@answers(np.linalg.diagonal)
def linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Diagonals of a stack of matrices."""
    return diagonal(x, offset, -2, -1)


@answers(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """Sum of a diagonal."""
    x = a if dtype is None else FUNCTIONS["astype"](a, dtype=dtype)
    return FUNCTIONS["sum"](diagonal(x, offset, axis1, axis2), axis=-1)


@answers(np.linalg.trace)
def linalg_trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Traces of a stack of matrices."""
    return trace(x, offset, -2, -1, dtype)


@answers(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """Diagonal of a matrix, or the matrix with a diagonal."""
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise InvalidArgumentError(f"numpy.diag: v must have one or two dimensions, not {v.ndim}")
    n = v.shape[0] + abs(k)
    i = np.arange(v.shape[0])
    key = (i + max(-k, 0), i + max(k, 0))
    return FUNCTIONS["scatter"]([v], keys=(key,), shape=(n, n))


@answers(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Differences of neighbours, `n` times."""
    x = array(a)
    axis = normalize_axis_index(axis, x.ndim)
    ends: list[list[Any]] = []
    for end in (prepend, append):
        if end is None or end is np._NoValue:
            ends.append([])
            continue
        y = array(end)
        shape = tuple(1 if i == axis else size for i, size in enumerate(x.shape))
        ends.append([y if y.ndim else FUNCTIONS["broadcast_to"](y, shape=shape)])
    if ends[0] or ends[1]:
        x = FUNCTIONS["concat"]([*ends[0], x, *ends[1]], axis=axis)
    for _ in range(n):
        x = pick(x, axis, slice(1, None)) - pick(x, axis, slice(None, -1))
    return x


# -- products ------------------------------------------------------------------------------------


@answers(np.dot)
def dot(a: Any, b: Any) -> Any:
    """Product with a sum over the last axis of `a` and the last but one of `b`."""
    x, y = array(a), array(b)
    if not x.ndim or not y.ndim:
        return FUNCTIONS["multiply"](x, y)
    if x.ndim <= 2 and y.ndim <= 2:
        return FUNCTIONS["matmul"](x, y)
    return FUNCTIONS["tensordot"](x, y, axes=((x.ndim - 1,), (max(y.ndim - 2, 0),)))


@answers(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """Product with a sum over both last axes."""
    x, y = array(a), array(b)
    if not x.ndim or not y.ndim:
        return FUNCTIONS["multiply"](x, y)
    return FUNCTIONS["tensordot"](x, y, axes=((x.ndim - 1,), (y.ndim - 1,)))


@answers(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """Sum of the products of all elements; those of the first array are conjugated."""
    return FUNCTIONS["matmul"](FUNCTIONS["conj"](flat(a)), flat(b))


@answers(np.outer)
def outer(a: Any, b: Any) -> Any:
    """Products of all elements of `a` with all of `b`."""
    return FUNCTIONS["multiply"](flat(a)[:, None], flat(b)[None, :])


@answers(np.linalg.outer)
def linalg_outer(x1: Any, x2: Any, /) -> Any:
    """Products of all elements of two vectors."""
    return FUNCTIONS["outer"](x1, x2)


if hasattr(np, "matvec"):  # NumPy 2.2 and later

    @answers(np.matvec)
    def matvec(x1: Any, x2: Any) -> Any:
        """Products of matrices with vectors, along the last axes."""
        return FUNCTIONS["matmul"](x1, array(x2)[..., None])[..., 0]

    @answers(np.vecmat)
    def vecmat(x1: Any, x2: Any) -> Any:
        """Products of conjugated vectors with matrices, along the last axes."""
        return FUNCTIONS["matmul"](FUNCTIONS["conj"](array(x1))[..., None, :], x2)[..., 0, :]


# -- elementwise and cumulative ------------------------------------------------------------------


@answers(np.clip)
def clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    *,
    min: Any = None,
    max: Any = None,
) -> Any:
    """Limit values to an interval."""
    low, high = (
        None if bound is np._NoValue else bound
        for bound in (min if a_min is None else a_min, max if a_max is None else a_max)
    )
    return FUNCTIONS["clip"](a, low, high)


@answers(np.round, np.around)
def round(a: Any, decimals: int = 0) -> Any:
    """Round to decimals; the derivative is zero."""
    if not decimals:
        return FUNCTIONS["round"](a)
    if a.dtype.kind in "biu":
        return wrap(np.round(a._value, decimals), None, a._format)
    scale = 10.0 ** abs(decimals)
    if decimals > 0:
        return FUNCTIONS["round"](a * scale) / scale
    return FUNCTIONS["round"](a / scale) * scale


@answers(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """Angle of complex values."""
    out = FUNCTIONS["angle"](z)
    return out * (180 / np.pi) if deg else out


def _cumulative(names: tuple[str, str], a: Any, axis: int | None, dtype: Any) -> Any:
    x = flat(a) if axis is None else array(a)
    if dtype is not None:
        x = FUNCTIONS["astype"](x, dtype=dtype)
    name = names[0] if names[0] in FUNCTIONS else names[1]
    return FUNCTIONS[name](x, axis=0 if axis is None else axis)


@answers(np.cumsum)
def cumsum(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Cumulative sums; without an axis, of the elements in C order."""
    return _cumulative(("cumulative_sum", "cumsum"), a, axis, dtype)


@answers(np.cumprod)
def cumprod(a: Any, axis: int | None = None, dtype: Any = None) -> Any:
    """Cumulative products; without an axis, of the elements in C order."""
    return _cumulative(("cumulative_prod", "cumprod"), a, axis, dtype)


@answers(np.ptp)
def ptp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """Maximum minus minimum."""
    keep = {"axis": axis, "keepdims": bool(keepdims)}
    return FUNCTIONS["max"](a, **keep) - FUNCTIONS["min"](a, **keep)


def _logical(name: str, bitwise: str) -> Any:
    def on_bools(*operands: Any) -> Any:
        if any(array(a).dtype.kind != "b" for a in operands):
            if bitwise in FUNCTIONS:
                return FUNCTIONS[bitwise](*operands)
            raise UnsupportedFunctionError(
                f"numpy.{bitwise}: operands of a dlarray operation must be bool, found "
                f"{', '.join(str(array(a).dtype) for a in operands)}; nearest: numpy.{name}"
            )
        return FUNCTIONS[name](*operands)

    return on_bools


answers(np.bitwise_and)(_logical("logical_and", "bitwise_and"))
answers(np.bitwise_or)(_logical("logical_or", "bitwise_or"))
answers(np.bitwise_xor)(_logical("logical_xor", "bitwise_xor"))
answers(np.invert)(_logical("logical_not", "bitwise_invert"))


@answers(np.rint)
def rint(x: Any) -> Any:
    """Nearest whole number; the derivative is zero."""
    return FUNCTIONS["round"](x)


@answers(np.fix)
def fix(x: Any) -> Any:
    """Nearest whole number towards zero; the derivative is zero."""
    return FUNCTIONS["trunc"](x)


@answers(np.fabs)
def fabs(x: Any) -> Any:
    """Modulus of real values."""
    return FUNCTIONS["abs"](x)


@answers(np.deg2rad, np.radians)
def deg2rad(x: Any) -> Any:
    """Degrees to radians."""
    return FUNCTIONS["multiply"](x, np.pi / 180)


@answers(np.rad2deg, np.degrees)
def rad2deg(x: Any) -> Any:
    """Radians to degrees."""
    return FUNCTIONS["multiply"](x, 180 / np.pi)


@answers(np.divmod)
def divmod_(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Quotient, rounded down, and remainder."""
    return FUNCTIONS["floor_divide"](x1, x2), FUNCTIONS["remainder"](x1, x2)
