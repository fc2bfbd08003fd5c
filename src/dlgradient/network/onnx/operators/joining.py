"""Operators that join, split, repeat or pad."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.network.onnx.registry import operator
from dlgradient.network.onnx.values import axis_in, ints, raw
from dlgradient.ops.choice import where
from dlgradient.ops.join import concat, tile
from dlgradient.ops.take import take

__all__ = ["padded"]


@operator("Concat")
def joined(*operands: Any, axis: int) -> Any:
    """Return the operands, one after the other."""
    return concat(operands, axis=axis)


@operator("Split")
def split(
    x: Any, sizes: Any = None, *, axis: int = 0, num_outputs: int | None = None, outputs: int
) -> Any:
    """Return parts along an axis: of given sizes, or equal ones of which the last may be less."""
    n, count = x.shape[axis], num_outputs or outputs
    if sizes is None:
        ends = np.minimum(-(-n // count) * np.arange(1, count + 1), n).tolist()
    else:
        ends = np.cumsum(ints(sizes)).tolist()
    before: tuple[Any, ...] = (slice(None),) * axis_in(axis, x)
    starts = [0, *ends[:-1]]
    return tuple([x[(*before, slice(p, q))] for p, q in zip(starts, ends, strict=True)])


@operator("Tile", factors="x")
def tiled(x: Any, counts: Any) -> Any:
    """Return x, repeated."""
    return tile(x, tuple(ints(counts)))


@operator("Pad")
def padding(
    x: Any, pads: Any, value: Any = None, axes: Any = None, *, mode: str = "constant"
) -> Any:
    """Return x with more elements at its ends, or with fewer."""
    numbers = ints(pads)
    half = len(numbers) // 2
    pairs = list(zip(numbers[:half], numbers[half:], strict=True))
    along = list(range(x.ndim)) if axes is None else ints(axes)
    number = 0 if value is None or not raw(value).size else raw(value).reshape(-1)[0]
    for axis, pair in zip(along, pairs, strict=True):
        if any(pair):
            x = padded(x, axis, pair, mode, number)
    return x


def padded(x: Any, axis: int, pair: tuple[int, int], mode: str, value: Any) -> Any:
    """Return x with a padding along one axis: a choice of its elements, or a value."""
    n = x.shape[axis]
    crop = slice(max(-pair[0], 0), n - max(-pair[1], 0))
    more = (max(pair[0], 0), max(pair[1], 0))
    places = np.arange(n)[crop]
    if mode == "constant":
        order = np.pad(places, more, constant_values=-1)
        shape = [-1 if i == axis_in(axis, x) else 1 for i in range(x.ndim)]
        if not places.size:
            shape = [order.size if s == -1 else m for s, m in zip(shape, x.shape, strict=True)]
            return np.full(shape, value, x.dtype)
        y = take(x, np.maximum(order, 0), axis)
        return y if not any(more) else where((order >= 0).reshape(shape), y, value)
    return take(x, np.pad(places, more, mode), axis)  # type: ignore[call-overload]


@operator("CenterCropPad")
def centered(x: Any, sizes: Any, *, axes: list[int] | None = None) -> Any:
    """Return the middle of an array, with zeros around it where it is too small."""
    for axis, wanted in zip(axes or range(x.ndim), ints(sizes), strict=True):
        n = x.shape[axis]
        before = -((n - wanted) // 2) if n > wanted else (wanted - n) // 2
        x = padded(x, axis, (before, wanted - n - before), "constant", 0)
    return x
