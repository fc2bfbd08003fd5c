"""Operators that take elements by their places, or put them there."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.engine.array import dlarray
from dlgradient.errors import IndexingError
from dlgradient.network.onnx.registry import operator
from dlgradient.network.onnx.values import axis_in, ints, number, raw
from dlgradient.ops.accumulate import index_add
from dlgradient.ops.arithmetic import multiply
from dlgradient.ops.choice import maximum, minimum, where
from dlgradient.ops.shape import reshape
from dlgradient.ops.take import take, take_along_axis

__all__: list[str] = []

COMBINATIONS = {"mul": multiply, "max": maximum, "min": minimum}


@operator("Gather", learned="x")
def gathered(x: Any, places: Any, *, axis: int = 0) -> Any:
    """Return the parts of x at places along an axis."""
    along = axis_in(axis, x)
    index = raw(places).astype(np.int64)
    if type(x) is np.ndarray:  # mostly of shapes
        return np.take(x, index, along)
    flat = take(x, index.reshape(-1), along)
    return reshape(flat, (*x.shape[:along], *index.shape, *x.shape[along + 1 :]))


@operator("GatherElements", factors="x")
def gathered_elements(x: Any, places: Any, *, axis: int = 0) -> Any:
    """Return one element for each place along an axis."""
    along, index = axis_in(axis, x), raw(places).astype(np.int64)
    if index.shape[:along] + index.shape[along + 1 :] == x.shape[:along] + x.shape[along + 1 :]:
        return take_along_axis(x, index, along)
    return x[_elements(index, along)]


def _elements(index: Any, axis: int) -> tuple[Any, ...]:
    grid = list(np.indices(index.shape))
    grid[axis] = index
    return tuple(grid)


@operator("GatherND", factors="x")
def gathered_parts(x: Any, places: Any, *, batch_dims: int = 0) -> Any:
    """Return the parts of x at places that are rows of the indices."""
    return x[_rows(raw(places).astype(np.int64), batch_dims)]


def _rows(index: Any, batch: int) -> tuple[Any, ...]:
    front = np.indices(index.shape[:-1])[:batch]
    return (*front, *np.moveaxis(index, -1, 0))


@operator("Slice", factors="x")
def sliced(x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    """Return a part of x."""
    first, last = ints(starts), ints(ends)
    along = list(range(len(first))) if axes is None else ints(axes)
    by = [1] * len(first) if steps is None else ints(steps)
    index: list[Any] = [slice(None)] * x.ndim
    for start, stop, axis, step in zip(first, last, along, by, strict=True):
        # An end before the first element, counted from the end, says that nothing is left out.
        end = None if step < 0 and stop < -x.shape[axis] else stop
        index[axis] = slice(start, end, step)
    return x[tuple(index)]


@operator("Compress")
def compressed(x: Any, condition: Any, *, axis: int | None = None) -> Any:
    """Return the parts for which a condition is true."""
    if axis is None:
        x, axis = reshape(x, (-1,)), 0
    return take(x, np.flatnonzero(raw(condition)), axis)


@operator("Scatter", "ScatterElements")
def scattered_elements(
    x: Any, places: Any, updates: Any, *, axis: int = 0, reduction: str = "none"
) -> Any:
    """Return x with elements put in places along an axis."""
    index = raw(places).astype(np.int64)
    along = axis_in(axis, x)
    grid = _elements(np.where(index < 0, index + x.shape[along], index), along)
    return _scattered(x, grid, updates, reduction)


@operator("ScatterND")
def scattered_parts(x: Any, places: Any, updates: Any, *, reduction: str = "none") -> Any:
    """Return x with parts put in places that are rows of the indices."""
    return _scattered(x, _rows(raw(places).astype(np.int64), 0), updates, reduction)


def _scattered(x: Any, index: tuple[Any, ...], updates: Any, reduction: str) -> Any:
    if reduction == "add":
        return index_add(x, index, updates)
    y = dlarray(x) if x.dtype.kind == "f" else np.array(raw(x))
    if reduction == "none":
        y[index] = updates
        return y
    # Some places come twice, so one after the other is combined.
    combine = COMBINATIONS[reduction]
    width = len(index)
    rows = np.stack(np.broadcast_arrays(*index))
    parts = reshape(updates, (-1, *x.shape[width:]))
    for i, place in enumerate(rows.reshape(width, -1).T.tolist()):
        y[tuple(place)] = combine(y[tuple(place)], parts[i])
    return y


@operator("OneHot")
def one_hot(places: Any, depth: Any, values: Any, *, axis: int = -1) -> Any:
    """Return one of two values: the second at each place, the first elsewhere."""
    count = int(number(depth) or 0)
    classes = raw(places).astype(np.int64)
    where_to = axis if axis >= 0 else classes.ndim + 1 + axis
    steps = np.arange(count).reshape([-1 if i == where_to else 1 for i in range(classes.ndim + 1)])
    wanted = np.expand_dims(np.where(classes < 0, classes + count, classes), where_to)
    return where(steps == wanted, values[1], values[0])


@operator("ReverseSequence")
def reversed_steps(x: Any, lengths: Any, *, batch_axis: int = 1, time_axis: int = 0) -> Any:
    """Return sequences with their first steps reversed."""
    steps, count = np.arange(x.shape[time_axis]), raw(lengths)[:, None]
    order = np.where(steps < count, count - 1 - steps, steps)
    order = order if batch_axis == 0 else order.T
    if not {batch_axis, time_axis} <= {0, 1}:
        raise IndexingError("ReverseSequence: batch and time must be the first two dimensions")
    if time_axis:
        return x[np.arange(x.shape[0])[:, None], order]
    return x[order, np.arange(x.shape[1])]


@operator("TensorScatter")
def cached(x: Any, update: Any, starts: Any = None, *, axis: int = -2, mode: str = "linear") -> Any:
    """Return a cache with new steps in it, for each observation from a step of its own on."""
    del mode
    along = axis_in(axis, x)
    steps = np.arange(update.shape[along])
    y = dlarray(x)
    for i, first in enumerate([0] * x.shape[0] if starts is None else ints(starts)):
        one = slice(i, i + 1)
        inner = (slice(None),) * (along - 1)
        y[(one, *inner, (first + steps) % x.shape[along])] = update[one]
    return y
