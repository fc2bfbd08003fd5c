"""NumPy's functions that only move elements: joining, splitting, shapes, grids.

Each has the signature of the function it answers, without the keywords that have no meaning for a
dlarray; those are refused by name. Indices are zero-based, and axes are static, as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from dlgradient.core import calls
from dlgradient.core.types import Axes, DtypeLike, Operand, ShapeLike, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.interop.operands import as_array, check_order, flatten, is_traced
from dlgradient.interop.table import answers
from dlgradient.ops.casting import astype
from dlgradient.ops.index import along
from dlgradient.ops.join import concat
from dlgradient.ops.join import stack as stack_
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.ranges import Indexing
from dlgradient.ops.ranges import meshgrid as meshgrid_
from dlgradient.ops.shape import broadcast_to
from dlgradient.ops.shape import reshape as reshape_

__all__: list[str] = []

# -- joining and splitting -----------------------------------------------------------------------


@answers(np.concatenate)
def concatenate(
    arrays: Sequence[Operand], /, axis: int | None = 0, *, dtype: DtypeLike = None
) -> Value:
    """Join arrays along an axis."""
    out = concat([as_array(a) for a in arrays], axis=axis)
    return out if dtype is None else astype(out, dtype=dtype)


@answers(np.stack)
def stack(arrays: Sequence[Operand], axis: int = 0, *, dtype: DtypeLike = None) -> Value:
    """Join arrays along a new axis."""
    out = stack_([as_array(a) for a in arrays], axis=axis)
    return out if dtype is None else astype(out, dtype=dtype)


@answers(np.vstack)
def vstack(tup: Sequence[Operand], *, dtype: DtypeLike = None) -> Value:
    """Join arrays row by row."""
    return concatenate([atleast_2d(a) for a in tup], 0, dtype=dtype)


@answers(np.hstack)
def hstack(tup: Sequence[Operand], *, dtype: DtypeLike = None) -> Value:
    """Join arrays column by column."""
    arrays = [atleast_1d(a) for a in tup]
    return concatenate(arrays, 0 if arrays and arrays[0].ndim == 1 else 1, dtype=dtype)


@answers(np.dstack)
def dstack(tup: Sequence[Operand], *, dtype: DtypeLike = None) -> Value:
    """Join arrays along the third axis."""
    return concatenate([atleast_3d(a) for a in tup], 2, dtype=dtype)


@answers(np.column_stack)
def column_stack(tup: Sequence[Operand]) -> Value:
    """Join one-dimensional arrays as columns."""
    arrays = [as_array(a) for a in tup]
    return concatenate([a if a.ndim > 1 else flatten(a)[:, None] for a in arrays], 1)


@answers(np.block)
def block(arrays: Operand) -> Value:
    """Join nested lists of arrays: the innermost along the last axis, the next before it."""
    depth = _depth(arrays)
    ndim = max(depth, *_dimensions(arrays))

    def join(part: Operand, level: int) -> Value:
        if isinstance(part, list):
            return concat([join(inner, level - 1) for inner in part], axis=-level)
        x = as_array(part)
        return x[(None,) * (ndim - x.ndim)]

    return join(arrays, depth)


def _depth(arrays: Operand) -> int:
    return 1 + max(map(_depth, arrays), default=0) if isinstance(arrays, list) else 0


def _dimensions(arrays: Operand) -> list[int]:
    if isinstance(arrays, list):
        return [ndim for part in arrays for ndim in _dimensions(part)]
    return [as_array(arrays).ndim]


@answers(np.array, np.asarray, np.asanyarray, np.ascontiguousarray)
def array(
    data: Operand,
    dtype: DtypeLike = None,
    *,
    copy: bool | None = None,  # noqa: ARG001 - values are never changed, so never copied
    ndmin: int = 0,
) -> Value:
    """Make an array of nested sequences, with ``like=x``."""
    x = as_array(data)
    x = x if type(x) is calls.dlarray else calls.wrap(np.array(x)[()], None)
    x = x if dtype is None else astype(x, dtype=dtype)
    return x[(None,) * (ndmin - x.ndim)] if x.ndim < ndmin else x


@answers(np.append)
def append(arr: Operand, values: Operand, axis: int | None = None) -> Value:
    """Join two arrays."""
    return concatenate([as_array(arr), as_array(values)], axis)


@answers(np.array_split)
def array_split(ary: Operand, indices_or_sections: Operand, axis: int = 0) -> Value:
    """Split an array into parts that may differ in size by one."""
    x = as_array(ary)
    axis = normalize_axis_index(axis, x.ndim)
    n = x.shape[axis]
    if np.ndim(indices_or_sections) == 0:
        parts = int(indices_or_sections)
        if parts <= 0:
            raise InvalidArgumentError("array_split: the number of sections must be positive")
        # The first parts are longer, as in NumPy.
        each, more = divmod(n, parts)
        cuts = np.cumsum([0] + more * [each + 1] + (parts - more) * [each]).tolist()
    else:
        cuts = [0, *(int(i) for i in indices_or_sections), None]
    return [along(x, axis, slice(a, b)) for a, b in pairwise(cuts)]


@answers(np.split)
def split(ary: Operand, indices_or_sections: Operand, axis: int = 0) -> Value:
    """Split an array into equal parts, or at indices."""
    x = as_array(ary)
    if np.ndim(indices_or_sections) == 0 and x.shape[axis] % int(indices_or_sections):
        raise InvalidArgumentError(
            f"split: {x.shape[axis]} elements along axis {axis} do not make "
            f"{indices_or_sections} equal parts; use numpy.array_split"
        )
    return array_split(x, indices_or_sections, axis)


@answers(np.hsplit)
def hsplit(ary: Operand, indices_or_sections: Operand) -> Value:
    """Split an array along its second axis, or its only one."""
    return split(ary, indices_or_sections, 1 if ary.ndim > 1 else 0)


@answers(np.dsplit)
def dsplit(ary: Operand, indices_or_sections: Operand) -> Value:
    """Split an array along its third axis."""
    return split(ary, indices_or_sections, 2)


@answers(np.vsplit)
def vsplit(ary: Operand, indices_or_sections: Operand) -> Value:
    """Split an array along its first axis."""
    return split(ary, indices_or_sections, 0)


# -- shapes --------------------------------------------------------------------------------------


@answers(np.reshape)
def reshape(
    a: Operand,
    /,
    shape: ShapeLike,
    order: str = "C",
    *,
    copy: bool | None = None,  # noqa: ARG001 - values are never changed, so never copied
) -> Value:
    """The same elements in another shape."""
    check_order(order)
    sizes = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    return reshape_(as_array(a), shape=sizes)


@answers(np.ravel)
def ravel(a: Operand, order: str = "C") -> Value:
    """The same elements in one dimension."""
    check_order(order)
    return flatten(a)


@answers(np.transpose)
def transpose(a: Operand, axes: Axes | None = None) -> Value:
    """Reorder the axes; without `axes`, reverse them."""
    x = as_array(a)
    order = range(x.ndim)[::-1] if axes is None else normalize_axis_tuple(axes, x.ndim)
    return permute_dims(x, axes=tuple(order))


@answers(np.broadcast_arrays)
def broadcast_arrays(*args: Operand) -> tuple[Value, ...]:
    """Broadcast arrays to their common shape."""
    arrays = [as_array(a) for a in args]
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    return tuple(broadcast_to(a, shape=shape) for a in arrays)


def atleast_1d(x: Operand) -> Value:
    """Add a dimension to a scalar."""
    x = as_array(x)
    return x if x.ndim else x[None]


def atleast_2d(x: Operand) -> Value:
    """Add leading dimensions up to a total of two."""
    x = as_array(x)
    return x if x.ndim > 1 else x[(None,) * (2 - x.ndim)]


def atleast_3d(x: Operand) -> Value:
    """Add dimensions up to a total of three, as NumPy places them."""
    x = as_array(x)
    if x.ndim > 2:
        return x
    return x[:, :, None] if x.ndim == 2 else flatten(x)[None, :, None]


def _conversion(
    func: Callable[..., Value], function: Callable[[Operand], Value]
) -> Callable[..., Value]:
    """Return what answers one of NumPy's conversions with a least number of dimensions.

    As `numpy.asarray`, they make an array of what is not traced and has no format. SciPy's
    minimisers convert gradients with them, before compiled code that takes arrays only.
    """

    def convert(*arys: Operand) -> Value:
        out = []
        for x in arys:
            keeps = is_traced([x]) or (type(x) is calls.dlarray and x._format)
            out.append(function(x) if keeps else func(np.asarray(x)))
        return out[0] if len(out) == 1 else tuple(out)

    return convert


for _func, _function in (
    (np.atleast_1d, atleast_1d),
    (np.atleast_2d, atleast_2d),
    (np.atleast_3d, atleast_3d),
):
    answers(_func)(_conversion(_func, _function))


@answers(np.fliplr)
def fliplr(m: Operand) -> Value:
    """Reverse the second axis."""
    return m[:, ::-1]


@answers(np.flipud)
def flipud(m: Operand) -> Value:
    """Reverse the first axis."""
    return m[::-1]


@answers(np.meshgrid)
def meshgrid(
    *xi: Operand,
    copy: bool = True,  # noqa: ARG001 - values are never changed, so never copied
    sparse: bool = False,
    indexing: Indexing = "xy",
) -> Value:
    """Coordinate arrays of a grid."""
    arrays = [flatten(x) for x in xi]
    if not sparse:
        return meshgrid_(*arrays, indexing=indexing)
    order = list(range(len(arrays)))
    if indexing == "xy":
        order[:2] = order[:2][::-1]
    return [
        reshape_(x, shape=tuple([-1 if j == i else 1 for j in order])) for i, x in enumerate(arrays)
    ]
