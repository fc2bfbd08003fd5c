"""Sums over dimensions of raw arrays, for kernels that reduce the same blocks several times.

`numpy.add.reduce` takes about three times as long as the same sum as a product with ones. A product
runs over a short run only, and its results are added pairwise. So the rounding error is that of a
pairwise sum.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from dlgradient.core.sizes import SUM_RUN_ELEMENTS
from dlgradient.core.types import Array, Axes, Shape
from dlgradient.ops import narrow

__all__ = ["dot", "finite", "sum_to", "total"]

# NumPy's overloads of this know `keepdims` only as a literal.
_add: Callable[..., Array] = np.add.reduce


def _run(x: Array, axes: Axes) -> int:
    """Return how many dimensions at the end are summed as one run by a product; 0 for none."""
    # BLAS has products of these only, and a run must be adjacent in memory.
    if x.dtype.char not in "fd" or not x.flags.c_contiguous:
        return 0
    least, most = SUM_RUN_ELEMENTS
    size, count = 1, 0
    for axis in reversed(range(x.ndim)):
        if axis not in axes or size >= least:
            break
        size *= x.shape[axis]
        count += 1
    return count if least <= size <= most else 0


def _rows(x: Array, count: int) -> Array:
    return x.reshape(-1, prod(x.shape[-count:]))


def _rest(sums: Array, x: Array, axes: Axes, count: int) -> Array:
    kept = sums.reshape(*x.shape[:-count], *[1] * count)
    left = tuple([i for i in axes if i < x.ndim - count and x.shape[i] != 1])
    return _add(kept, axis=left, keepdims=True) if left else kept


def total(x: Array, axes: Axes) -> Array:
    """Sum over the dimensions `axes`, which then have size one.

    Parameters
    ----------
    x : ndarray
        Real.
    axes : tuple of int
        Not negative.

    Examples
    --------
    >>> import numpy as np
    >>> total(np.ones((2, 3, 4)), (0, 2)).tolist()
    [[[8.0], [8.0], [8.0]]]
    """
    count = _run(x, axes)
    if not count:
        out: Array = narrow.add(x, axes, True)
        return out
    rows = _rows(x, count)
    return _rest(np.matmul(rows, np.ones(rows.shape[1], x.dtype)), x, axes, count)


def dot(x: Array, y: Array, axes: Axes) -> Array:
    """Sum of the products of two arrays of one shape over the dimensions `axes`.

    Parameters
    ----------
    x, y : ndarray
        Real.
    axes : tuple of int
        Not negative; they keep size one.

    Examples
    --------
    >>> import numpy as np
    >>> dot(np.ones((2, 3)), np.full((2, 3), 2.0), (1,)).tolist()
    [[6.0], [6.0]]
    """
    count = _run(x, axes) if x.dtype == y.dtype and y.flags.c_contiguous else 0
    if not count:
        out: Array = narrow.add(x * y, axes, True)
        return out
    return _rest(np.vecdot(_rows(x, count), _rows(y, count)), x, axes, count)


def sum_to(x: Array, shape: Shape) -> Array:
    """Sum over the dimensions that have size one in `shape`.

    Examples
    --------
    >>> import numpy as np
    >>> sum_to(np.ones((2, 3)), (2, 1)).tolist()
    [[3.0], [3.0]]
    """
    axes = tuple([axis for axis, n in enumerate(shape) if n == 1 and x.shape[axis] != 1])
    out: Array = narrow.add(x, axes, True) if axes else x
    return out


def finite(x: Array) -> bool:
    """Return whether no element is infinite or NaN, in one pass without another array.

    A sum that overflows says no too: the answer only chooses between a fast and a careful way.

    Examples
    --------
    >>> import numpy as np
    >>> finite(np.ones(3)), finite(np.array([1.0, np.inf, -np.inf]))
    (True, False)
    """
    with np.errstate(invalid="ignore", over="ignore"):
        return bool(np.isfinite(np.add.reduce(x, axis=None)))
