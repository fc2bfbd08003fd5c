"""NumPy's functions that insert, delete, choose and make sets, by ours.

As in `dlgradient.interop.rearrange`, each has the signature of the function it answers. Where
elements are chosen by their values, as in a set, the choice is constant and the elements are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from dlgradient.core import calls
from dlgradient.core.types import Axes, Key, Operand, ShapeLike, Value
from dlgradient.errors import InvalidArgumentError, UnknownKeywordError
from dlgradient.interop.compute import diag
from dlgradient.interop.operands import as_array, flatten, raw
from dlgradient.interop.table import answers
from dlgradient.ops import sets
from dlgradient.ops.arithmetic import positive
from dlgradient.ops.casting import astype
from dlgradient.ops.choice import where
from dlgradient.ops.index import getitem
from dlgradient.ops.join import concat, stack
from dlgradient.ops.order import sort
from dlgradient.ops.permute import flip, moveaxis, swapaxes
from dlgradient.ops.shape import broadcast_to, reshape
from dlgradient.ops.take import take, take_along_axis

__all__: list[str] = []


def _along(x: Operand, axis: int | None) -> tuple[Value, int]:
    """Return an array, flattened if there is no axis, and the axis."""
    x = flatten(x) if axis is None else as_array(x)
    return x, normalize_axis_index(axis or 0, x.ndim)


# -- insert and delete ---------------------------------------------------------------------------


@answers(np.insert)
def insert(arr: Operand, obj: Key, values: Operand, axis: int | None = None) -> Value:
    """Elements put before places along a dimension."""
    x, axis = _along(arr, axis)
    v = as_array(values)
    v = reshape(v, (1,) * (x.ndim - v.ndim) + v.shape) if v.ndim < x.ndim else v
    places = raw(obj)
    if not isinstance(places, slice) and np.ndim(places) == 0:
        v = moveaxis(v, 0, axis)
        count = v.shape[axis]
    else:
        n = x.shape[axis]
        key = range(n)[places] if isinstance(places, slice) else np.asarray(places)
        count = int(np.sum(key)) if np.asarray(key).dtype.kind == "b" else len(key)
    shape = tuple([count if i == axis else n for i, n in enumerate(x.shape)])
    n = x.shape[axis]
    order = np.insert(np.arange(n), places, n + np.arange(count))
    joined = concat([x, astype(broadcast_to(v, shape), dtype=x.dtype)], axis=axis)
    return take(joined, order, axis=axis)


@answers(np.delete)
def delete(arr: Operand, obj: Key, axis: int | None = None) -> Value:
    """Elements without those at places along a dimension."""
    x, axis = _along(arr, axis)
    return take(x, np.delete(np.arange(x.shape[axis]), raw(obj)), axis=axis)


@answers(np.resize)
def resize(a: Operand, new_shape: ShapeLike) -> Value:
    """Elements, repeated or cut off, in another shape."""
    x = flatten(a)
    shape = tuple(new_shape) if isinstance(new_shape, tuple | list) else (new_shape,)
    size = prod(shape)
    if not x.shape[0]:
        return np.zeros(shape, x.dtype)
    return reshape(take(x, np.arange(size) % x.shape[0]), shape)


@answers(np.trim_zeros)
def trim_zeros(filt: Operand, trim: str = "fb") -> Value:
    """Elements without the zeros at both ends."""
    x = as_array(filt)
    places = np.flatnonzero(raw(x))
    first, last = (places[0], places[-1] + 1) if places.size else (x.shape[0], x.shape[0])
    trim = trim.lower()
    return x[first if "f" in trim else 0 : last if "b" in trim else x.shape[0]]


@answers(np.rot90)
def rot90(m: Operand, k: int = 1, axes: Axes = (0, 1)) -> Value:
    """Turn by a quarter, from the first dimension towards the second."""
    x = as_array(m)
    first, second = (normalize_axis_index(axis, x.ndim) for axis in axes)
    if first == second:
        raise InvalidArgumentError(f"numpy.rot90: axes={axes} must be two different dimensions")
    turns = k % 4
    if turns == 0:
        return positive(x)
    if turns == 2:
        return flip(x, (first, second))
    if turns == 1:
        return swapaxes(flip(x, second), first, second)
    return flip(swapaxes(x, first, second), second)


@answers(np.diagflat)
def diagflat(v: Operand, k: int = 0) -> Value:
    """Matrix with a diagonal of all elements."""
    return diag(flatten(v), k)


# -- choices -------------------------------------------------------------------------------------


@answers(np.select)
def select(
    condlist: Sequence[Operand], choicelist: Sequence[Operand], default: Operand = 0
) -> Value:
    """Elements of the first choice whose condition is true."""
    if len(condlist) != len(choicelist):
        raise InvalidArgumentError(
            f"numpy.select: {len(condlist)} conditions and {len(choicelist)} choices; give a choice"
            " for each condition"
        )
    out = default
    for condition, choice in zip(condlist[::-1], choicelist[::-1], strict=True):
        out = where(condition, choice, out)
    return out


@answers(np.piecewise)
def piecewise(
    x: Operand, condlist: Operand, funclist: Sequence[Any], *args: Any, **kw: Any
) -> Value:
    """Functions of the elements where their conditions are true."""
    x = as_array(x)
    conditions = [np.asarray(raw(c)) for c in _listed(condlist)]
    if len(funclist) == len(conditions) + 1:
        conditions.append(~np.logical_or.reduce(conditions))
    elif len(funclist) != len(conditions):
        raise InvalidArgumentError(
            f"numpy.piecewise: {len(conditions)} conditions and {len(funclist)} functions; give one"
            " for each condition, and one more for all other elements"
        )
    out = calls.wrap(np.zeros(x.shape, x.dtype)[()], None)
    for condition, function in zip(conditions, funclist, strict=True):
        if np.any(condition):
            found = function(x[condition], *args, **kw) if callable(function) else function
            out[condition] = found
    return out


def _listed(condlist: Operand) -> Any:
    """Return conditions as a list; one may be given alone."""
    first = condlist[0] if np.ndim(raw(condlist)) or isinstance(condlist, list | tuple) else None
    return condlist if first is not None and np.ndim(raw(first)) else [condlist]


@answers(np.choose)
def choose(a: Operand, choices: Sequence[Operand], *, mode: str = "raise") -> Value:
    """Elements of the choice whose number is given for each."""
    if mode != "raise":
        raise UnknownKeywordError(
            f"numpy.choose: mode={mode!r} is not supported on a traced dlarray; bring the numbers "
            "into range with clip or remainder"
        )
    numbers = np.asarray(raw(a)).astype(np.intp)
    arrays = [as_array(c) for c in choices]
    shape = np.broadcast_shapes(numbers.shape, *[c.shape for c in arrays])
    every = stack([broadcast_to(c, shape) for c in arrays])
    return take_along_axis(every, np.broadcast_to(numbers, shape)[None], axis=0)[0]


@answers(np.compress)
def compress(condition: Operand, a: Operand, axis: int | None = None) -> Value:
    """Elements along a dimension where a condition is true."""
    x, axis = _along(a, axis)
    return take(x, np.flatnonzero(raw(condition)), axis=axis)


@answers(np.extract)
def extract(condition: Operand, arr: Operand) -> Value:
    """Elements where a condition is true."""
    return take(flatten(arr), np.flatnonzero(raw(condition)))


@answers(np.apply_along_axis)
def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Operand, *args: Any, **kwargs: Any
) -> Value:
    """Results of a function of each line."""
    x = as_array(arr)
    axis = normalize_axis_index(axis, x.ndim)
    lines = moveaxis(x, axis, -1)
    outer = lines.shape[:-1]
    found = [as_array(func1d(lines[i], *args, **kwargs)) for i in np.ndindex(outer)]
    joined = reshape(stack(found), (*outer, *found[0].shape))
    # The dimensions of a result are where the line was.
    inner = tuple(range(len(outer), joined.ndim))
    return moveaxis(joined, inner, tuple(range(axis, axis + len(inner)))) if inner else joined


# -- sets ----------------------------------------------------------------------------------------


@answers(np.unique)
def unique(
    ar: Operand,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
) -> Value:
    """Different elements in ascending order; each is the first of equal ones."""
    x, along = _along(ar, axis)
    _, index, *found = sets.numpy_unique(
        raw(ar), True, return_inverse, return_counts, axis=axis, equal_nan=equal_nan
    )
    several = [calls.wrap(v, None) for v in ([index] if return_index else []) + found]
    values = take(x, index, axis=along)
    return (values, *several) if several else values


for _func, _function in (
    (np.unique_all, sets.unique_all),
    (np.unique_counts, sets.unique_counts),
    (np.unique_inverse, sets.unique_inverse),
    (np.unique_values, sets.unique_values),
):
    answers(_func)(_function)


@answers(np.union1d)
def union1d(ar1: Operand, ar2: Operand) -> Value:
    """Elements that are in one of two arrays."""
    return unique(concat([flatten(ar1), flatten(ar2)]))


@answers(np.intersect1d)
def intersect1d(
    ar1: Operand, ar2: Operand, assume_unique: bool = False, return_indices: bool = False
) -> Value:
    """Elements of the first array that are in the second one, too."""
    _, first, second = np.intersect1d(raw(ar1), raw(ar2), assume_unique, return_indices=True)
    values = take(flatten(ar1), first)
    return (values, calls.wrap(first, None), calls.wrap(second, None)) if return_indices else values


@answers(np.setdiff1d)
def setdiff1d(ar1: Operand, ar2: Operand, assume_unique: bool = False) -> Value:
    """Elements of the first array that are not in the second one."""
    x = flatten(ar1) if assume_unique else unique(ar1)
    return getitem(x, ~np.isin(raw(x), raw(ar2)))


@answers(np.setxor1d)
def setxor1d(ar1: Operand, ar2: Operand, assume_unique: bool = False) -> Value:
    """Elements that are in exactly one of two arrays."""
    parts = [setdiff1d(ar1, ar2, assume_unique), setdiff1d(ar2, ar1, assume_unique)]
    return sort(concat(parts))
