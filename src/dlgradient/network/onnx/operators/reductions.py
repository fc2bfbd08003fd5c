"""Reductions, cumulative sums, and places of extremes."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.reading import raw as raw_of
from dlgradient.core.types import Dtype
from dlgradient.network.onnx.registry import declare, operator
from dlgradient.network.onnx.values import axis_in, ints, raw
from dlgradient.ops.complex import abs as absolute
from dlgradient.ops.create import full
from dlgradient.ops.cumulative import cumulative_prod, cumulative_sum
from dlgradient.ops.exponential import exp, log
from dlgradient.ops.moments import mean
from dlgradient.ops.permute import flip
from dlgradient.ops.powers import sqrt
from dlgradient.ops.reduce import max as maximum
from dlgradient.ops.reduce import min as minimum
from dlgradient.ops.reduce import prod
from dlgradient.ops.reduce import sum as total
from dlgradient.ops.search import argmax, argmin
from dlgradient.ops.take import take, take_along_axis

__all__: list[str] = []


def _norm(x: Any, axes: Any, keepdims: bool) -> Any:
    return sqrt(total(x * x, axes, keepdims=keepdims))


def _log_of_sum(x: Any, axes: Any, keepdims: bool) -> Any:
    return log(total(x, axes, keepdims=keepdims))


def _log_of_sum_of_exponentials(x: Any, axes: Any, keepdims: bool) -> Any:
    highest = np.asarray(raw_of(_extreme(maximum, -np.inf)(x, axes, True)))
    highest = np.where(np.isfinite(highest), highest, 0).astype(x.dtype)
    found = _log_of_sum(exp(x - highest), axes, keepdims)
    return found + highest.reshape(found.shape)


def _extreme(function: Any, end: float) -> Any:
    """Return a function that has an extreme of nothing: the end of all numbers."""

    def computed(x: Any, axes: Any, keepdims: bool) -> Any:
        if not x.size:
            every = range(x.ndim) if axes is None else [axis_in(a, x) for a in axes]
            shape = [1 if i in every else n for i, n in enumerate(x.shape)]
            x = full(shape, _end(x.dtype, end), dtype=x.dtype)
        return function(x, axes, keepdims=keepdims)

    return computed


def _end(dtype: Dtype, end: float) -> Any:
    if dtype.kind == "f":
        return end
    if dtype.kind == "b":
        return end > 0
    return np.iinfo(dtype).max if end > 0 else np.iinfo(dtype).min


REDUCTIONS = {
    "ReduceL1": lambda x, axes, keepdims: total(absolute(x), axes, keepdims=keepdims),
    "ReduceL2": _norm,
    "ReduceLogSum": _log_of_sum,
    "ReduceLogSumExp": _log_of_sum_of_exponentials,
    "ReduceMax": _extreme(maximum, -np.inf),
    "ReduceMean": lambda x, axes, keepdims: mean(x, axes, keepdims=keepdims),
    "ReduceMin": _extreme(minimum, np.inf),
    "ReduceProd": lambda x, axes, keepdims: prod(x, axes, keepdims=keepdims),
    "ReduceSum": lambda x, axes, keepdims: total(x, axes, keepdims=keepdims),
    "ReduceSumSquare": lambda x, axes, keepdims: total(x * x, axes, keepdims=keepdims),
}


def _reduced(function: Any) -> Any:
    def computed(
        x: Any, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Any:
        wanted = () if axes is None else tuple(ints(axes))
        over: tuple[int, ...] | None = wanted
        if not wanted and not noop_with_empty_axes:
            over = None
        found = function(x, over, bool(keepdims))
        return found if found.dtype == x.dtype else found.astype(x.dtype)

    return computed


for _name, _function in REDUCTIONS.items():
    declare(_reduced(_function), _name)


def _place(function: Any) -> Any:
    def computed(x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
        x = raw_of(x)
        if select_last_index:
            last = function(np.flip(x, axis), axis, keepdims=bool(keepdims))
            return x.shape[axis] - 1 - last
        return function(x, axis, keepdims=bool(keepdims))

    return computed


declare(_place(argmax), "ArgMax")
declare(_place(argmin), "ArgMin")


def _cumulative(function: Any) -> Any:
    def computed(x: Any, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Any:
        along = ints(axis)[0]
        y = flip(x, along) if reverse else x
        y = function(y, axis=along, dtype=x.dtype, include_initial=bool(exclusive))
        y = take(y, np.arange(x.shape[along]), along)
        return flip(y, along) if reverse else y

    return computed


declare(_cumulative(cumulative_sum), "CumSum")
declare(_cumulative(cumulative_prod), "CumProd")


@operator("TopK")
def largest_of(x: Any, k: Any, *, axis: int = -1, largest: int = 1, sorted: int = 1) -> Any:  # noqa: A002 - ONNX's name
    """Return the k largest elements along an axis, and their places."""
    del sorted
    values = raw_of(x)
    # Of equal elements the first one comes first.
    keys = np.flip(values, axis) if largest else values
    order = np.argsort(keys, axis=axis, kind="stable")
    if largest:
        order = np.flip(values.shape[axis] - 1 - order, axis)
    places = np.take(order, np.arange(ints(k)[0]), axis)
    return take_along_axis(x, places, axis), places


@operator("NonZero")
def nonzero(x: Any) -> Any:
    """Return the places of elements that are not zero."""
    return np.stack(np.nonzero(raw(x))).astype(np.int64)


@operator("Unique")
def unique(x: Any, *, axis: int | None = None, sorted: int = 1) -> Any:  # noqa: A002 - ONNX's name
    """Return different elements, first places, places in the result, and counts."""
    found, first, back, counts = np.unique(
        raw(x), return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    if not sorted:
        order = np.argsort(first)
        rank = np.argsort(order)
        found = np.take(found, order, axis or 0)
        first, back, counts = first[order], rank[back], counts[order]
    return found, first, back.reshape(-1), counts
