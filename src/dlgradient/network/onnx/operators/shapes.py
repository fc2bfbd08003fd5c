"""Operators that give an array another shape, order or type."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.reading import raw
from dlgradient.network.onnx.reading import DTYPES, Node
from dlgradient.network.onnx.registry import operator
from dlgradient.network.onnx.values import axis_in, ints
from dlgradient.ops.casting import astype
from dlgradient.ops.linalg import tril, triu
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.shape import broadcast_to, expand_dims, squeeze
from dlgradient.ops.shape import reshape as reshaped

__all__: list[str] = []


@operator("Shape")
def shape(x: Any, *, start: int = 0, end: int | None = None) -> Any:
    """Return the sizes."""
    return np.array(x.shape[start:end], np.int64)


@operator("Size")
def size(x: Any) -> Any:
    """Return the number of elements."""
    return np.array(x.size, np.int64)


@operator("Reshape", factors="x")
def reshape(x: Any, sizes: Any, *, allowzero: int = 0) -> Any:
    """Return x with other sizes; zero stands for the size that there is."""
    wanted = ints(sizes)
    if not allowzero:
        wanted = [x.shape[i] if n == 0 and i < x.ndim else n for i, n in enumerate(wanted)]
    return reshaped(x, tuple(wanted))


@operator("Flatten")
def flatten(x: Any, *, axis: int = 1) -> Any:
    """Return a matrix."""
    first = axis_in(axis, x)
    return reshaped(x, (int(np.prod(x.shape[:first])), int(np.prod(x.shape[first:]))))


@operator("Transpose", factors="x")
def transpose(x: Any, *, perm: list[int] | None = None) -> Any:
    """Return x with its dimensions in another order."""
    return permute_dims(x, tuple(range(x.ndim)[::-1] if perm is None else perm))


@operator("Squeeze", factors="x")
def squeezed(x: Any, axes: Any = None) -> Any:
    """Return x without dimensions of size one."""
    ones = [i for i, n in enumerate(x.shape) if n == 1] if axes is None else ints(axes)
    return squeeze(x, tuple(ones)) if ones else x


@operator("Unsqueeze", factors="x")
def unsqueezed(x: Any, axes: Any) -> Any:
    """Return x with more dimensions of size one."""
    found = ints(axes)
    count = x.ndim + len(found)
    for axis in sorted(a % count for a in found):
        x = expand_dims(x, axis=axis)
    return x


@operator("Expand", factors="x")
def expanded(x: Any, sizes: Any) -> Any:
    """Return x, repeated along dimensions of size one."""
    return broadcast_to(x, np.broadcast_shapes(x.shape, tuple(ints(sizes))))


def unknown_type(node: Node) -> str:
    """Return that the type of the result is not supported, or ''."""
    to = node.attributes["to"]
    return "" if to in DTYPES else f"a type (to={to}) that is not supported"


@operator("Cast", factors="x", problem=unknown_type)
def cast(x: Any, *, to: int, saturate: int = 1, round_mode: str = "up") -> Any:
    """Return x as another type; half and brain precision become single."""
    del saturate, round_mode
    return converted(x, DTYPES[to])


@operator("CastLike")
def cast_like(x: Any, like: Any, *, saturate: int = 1, round_mode: str = "up") -> Any:
    """Return x as the type of another array."""
    del saturate, round_mode
    return converted(x, like.dtype)


def converted(x: Any, dtype: Any) -> Any:
    """Return an array of another type; integers have no fraction."""
    wanted = np.dtype(dtype)
    if x.dtype == wanted:
        return x
    if wanted.kind == "f":
        return astype(x, wanted)
    with np.errstate(invalid="ignore"):  # a number that no integer of the type is
        return np.asarray(raw(x)).astype(wanted)


@operator("Trilu", factors="x")
def triangle(x: Any, k: Any = None, *, upper: int = 1) -> Any:
    """Return the upper or the lower triangle of matrices."""
    diagonal = 0 if k is None else ints(k)[0]
    return (triu if upper else tril)(x, k=diagonal)
