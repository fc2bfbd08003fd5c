"""Reductions of narrow arrays along their first dimensions, such as the sum over a batch.

NumPy reduces an array of shape (n, m) along its first dimension row by row. Each row costs more
than its few elements do. Here several rows are taken as one long row. The array is reduced in the
shape (n / k, k m), then the k parts of the result are. The sum over a batch is the gradient of
every bias. With 4 to 32 columns it takes an eighth to a third of the time, and it rounds less.
"""

from __future__ import annotations

from math import isqrt, prod
from typing import Any

import numpy as np

from dlgradient.core.sizes import NARROW_COLUMNS, NARROW_ELEMENTS, NARROW_ROWS, NARROW_RUN_ELEMENTS
from dlgradient.core.types import Array, Axes, AxisLike, Kernel

__all__ = ["add", "maximum", "minimum"]


def _reduction(ufunc: np.ufunc) -> Kernel:
    """Return ``ufunc.reduce``, faster for narrow arrays."""
    whole: Kernel = ufunc.reduce

    def reduced(x: Any, axis: AxisLike = None, keepdims: bool = False) -> Any:
        # Not by keywords: they cost a tenth of a small sum (row overhead).
        if axis is None or x.size < NARROW_ELEMENTS:
            return whole(x, axis, None, None, keepdims)
        if x.dtype.kind not in "fc" or not isinstance(axis, int | tuple):
            return whole(x, axis, None, None, keepdims)
        first, end = _range(axis, x.ndim)
        before, along, after = x.shape[:first], x.shape[first:end], x.shape[end:]
        rows, columns = prod(along), prod(after)
        if rows < NARROW_ROWS or not 1 < columns <= NARROW_COLUMNS or not x.flags.c_contiguous:
            return whole(x, axis, None, None, keepdims)
        out = _folded(ufunc, x.reshape(prod(before), rows, columns))
        return out.reshape(*before, *((1,) * len(along) if keepdims else ()), *after)

    return reduced


def _range(axis: int | Axes, ndim: int) -> tuple[int, int]:
    """Return where adjacent dimensions begin and end; (0, 0) if they are not adjacent or valid."""
    axes = sorted([axis] if isinstance(axis, int) else axis)
    if not axes or axes[0] < -ndim or axes[-1] >= ndim:
        return 0, 0
    first, count = axes[0] % ndim, len(axes)
    adjacent = [axis % ndim for axis in axes] == [*range(first, first + count)]
    return (first, first + count) if adjacent else (0, 0)


def _folded(ufunc: np.ufunc, x: Array) -> Array:
    """Reduce the second of three dimensions."""
    lines, rows, columns = x.shape
    fold = min(NARROW_RUN_ELEMENTS // columns, isqrt(rows))
    count = rows // fold
    runs = x[:, : count * fold].reshape(lines, count, fold * columns)
    out: Array = ufunc.reduce(ufunc.reduce(runs, axis=1).reshape(lines, fold, columns), axis=1)
    rest = x[:, count * fold :]
    if rest.size:
        ufunc(out, ufunc.reduce(rest, axis=1), out=out)
    return out


add, maximum, minimum = _reduction(np.add), _reduction(np.maximum), _reduction(np.minimum)
