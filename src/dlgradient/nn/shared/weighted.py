"""Weighted sums of a few elements along a dimension: resampling, filtering and means over windows.

Which elements are summed, and with which weights, is a sparse matrix. Its product needs memory for
the data alone. An element that is not in a sum does not reach it, even if it is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from math import prod
from typing import Any, TypeVar, cast

import numpy as np

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.sizes import (
    TERMS_KEPT,
    TERMS_KEPT_ELEMENTS,
    WEIGHTED_BLOCK_BYTES,
    WEIGHTED_LANES,
    WEIGHTED_RUN_ELEMENTS,
    WEIGHTED_THREAD_ELEMENTS,
    WEIGHTED_WINDOWS,
    WEIGHTED_WINDOWS_BYTES,
)
from dlgradient.core.types import Array, Axis, Dtype, Value
from dlgradient.nn.shared.blocks import for_each_chunk, items_within
from dlgradient.rules import linear

# The operation is not public; users call functions of `dlgradient.nn.images` and pooling.
__all__: list[str] = []

C = TypeVar("C", bound=Callable[..., object])


class Terms:
    """The elements of each sum along a dimension, and their weights.

    Terms of weight zero are not read. An element may be in a sum several times.

    Parameters
    ----------
    ends : array of int
        Where the terms of each sum begin, and the end of all.
    index : array of int
        The elements, one sum after the other.
    weights : array
        Of the same shape.
    length : int
        Number of elements along the dimension.

    Attributes
    ----------
    shape : (int, int)
        Numbers of sums and of elements.
    transposed : bool
        Whether they are the terms of an adjoint map.
    windows : list of slice
        The elements of each sum if the sums are few and of neighbours of weight one, else empty.
    """

    def __init__(self, ends: Array, index: Array, weights: Array, length: int) -> None:
        kind = index_dtype(max(length, index.size))
        self.shape = (ends.size - 1, length)
        self._rows = weights, index.astype(kind, copy=False), ends.astype(kind, copy=False)
        self.transposed = False
        self.windows: list[slice] = []
        self._matrices: dict[tuple[Dtype, bool], Any] = {}

    @property
    def adjoint(self) -> Terms:
        """The terms of the adjoint map: elements get the values of the sums they are in."""
        other = object.__new__(Terms)
        other.__dict__.update(self.__dict__)
        other.shape = self.shape[::-1]
        other.transposed = not self.transposed
        return other

    @property
    def chosen(self) -> Array | None:
        """The element of each sum if all are single elements of weight one, else None."""
        weights, index, ends = self._rows
        single = not self.transposed and len(index) == len(ends) - 1 and bool((weights == 1).all())
        return index if single and bool((np.diff(ends) == 1).all()) else None

    def matrix(self, dtype: Dtype) -> Any:
        """Return the sparse matrix with weights of a dtype."""
        from scipy.sparse import csc_array, csr_array

        key = dtype, self.transposed
        if key not in self._matrices:
            weights, *places = self._rows
            kind = csc_array if self.transposed else csr_array
            self._matrices[key] = kind((weights.astype(dtype, copy=False), *places), self.shape)
        return self._matrices[key]

    @staticmethod
    def of_rows(index: Array, weights: Array, length: int) -> Terms:
        """Return terms from indices and weights with equally many for each sum.

        Parameters
        ----------
        index, weights : array
            Shape (sums, terms). They are overwritten if a weight is zero.
        length : int
        """
        from scipy.sparse import csr_array

        size, terms = index.shape
        kind = index_dtype(max(length, index.size))
        ends = np.arange(0, index.size + 1, terms, dtype=kind)
        rows = weights.reshape(-1), index.reshape(-1).astype(kind, copy=False), ends
        matrix = csr_array(rows, (size, length))
        # Row cliffs: masks of the terms took longer than all that a resize computes with them.
        matrix.eliminate_zeros()
        return Terms(matrix.indptr, matrix.indices, matrix.data, length)

    @staticmethod
    def of_windows(first: Array, last: Array, length: int) -> Terms:
        """Return terms for sums of the elements from `first` to before `last`.

        Examples
        --------
        >>> import numpy as np
        >>> terms = Terms.of_windows(np.array([0, 1]), np.array([2, 4]), 4)
        >>> weighted_sums(np.array([1.0, 2.0, 4.0, 8.0]), terms=terms, axis=0)
        array([ 3., 14.])
        """
        counts = last - first
        index = np.arange(counts.sum()) + np.repeat(first - np.cumsum(counts) + counts, counts)
        terms = Terms(_ends(counts), index, np.ones(index.size), length)
        if first.size <= WEIGHTED_WINDOWS:
            terms.windows = [slice(*pair) for pair in zip(first, last, strict=True)]
        return terms


def kept_if_small(make: C) -> C:
    """Keep the last results of a function of two sizes, and of what else may be a key.

    A training loop resizes and pools to the same sizes in each step.
    """
    kept = lru_cache(maxsize=TERMS_KEPT)(make)

    @wraps(make)
    def terms(n: int, size: int, *options: Hashable) -> object:
        chosen = kept if max(n, size) <= TERMS_KEPT_ELEMENTS else make
        return chosen(n, size, *options)

    return cast(C, terms)


def index_dtype(largest: int) -> type[np.int32 | np.int64]:
    """Return the integers of sparse matrices with at most so many elements along a dimension."""
    return np.int32 if largest < np.iinfo(np.int32).max else np.int64


def _ends(counts: Array) -> Array:
    """Return where the terms of each sum begin, and the end of all, from their numbers."""
    ends = np.zeros(counts.size + 1, np.intp)
    np.cumsum(counts, out=ends[1:])
    return ends


def _adjoint(g: Value, terms: Terms, axis: Axis) -> Value:
    return weighted_sums(g, terms=terms.adjoint, axis=axis)


@linear(
    x=_adjoint,
    format="new",
    masks=True,
    samples=lambda m: _samples(m),
)
def weighted_sums(x: Value, /, *, terms: Terms, axis: Axis) -> Value:
    """Sums of a few elements along a dimension, each with a weight.

    Parameters
    ----------
    x : array
    terms : Terms
        The precision of the weights is that of `x`.
    axis : int
        Not negative.

    Returns
    -------
    array
        With a sum instead of each element along the dimension.
    """
    chosen = terms.chosen
    if chosen is not None:
        return np.take(x, chosen, axis=axis)
    if x.dtype.kind not in "fc":
        x = x.astype(np.float64)
    before, (size, n), after = x.shape[:axis], terms.shape, x.shape[axis + 1 :]
    out = np.empty((*before, size, *after), x.dtype)
    if out.size and terms.windows:
        flat = np.ascontiguousarray(x).reshape(prod(before), n, prod(after))
        _add_windows(terms, flat, out.reshape(prod(before), size, prod(after)))
    elif out.size:
        # A complex element is two real ones next to each other.
        real = x.real.dtype
        flat = np.ascontiguousarray(x).reshape(prod(before), n, prod(after)).view(real)
        _multiply(terms.matrix(real), flat, out.reshape(prod(before), size, prod(after)).view(real))
    return out


def _add_windows(terms: Terms, x: Array, out: Array) -> None:
    """Sum windows one by one: in runs of many elements, no product is as fast."""
    lines, _, after = x.shape
    n = max(terms.shape)
    add = _spread_windows if terms.transposed else _sum_windows

    def work(chunk: slice) -> None:
        source, target = x[chunk], out[chunk]
        # A long window is a run itself, and its sum pairwise.
        if after >= WEIGHTED_RUN_ELEMENTS or lines * after * len(terms.windows) < n:
            add(terms.windows, source, target)
            return
        # The dimension goes first, so that all lines are one run.
        result = np.empty((1, out.shape[1], (chunk.stop - chunk.start) * after), out.dtype)
        add(terms.windows, source.swapaxes(0, 1).reshape(1, x.shape[1], -1), result)
        target[...] = result.reshape(-1, chunk.stop - chunk.start, after).swapaxes(0, 1)

    at_once = items_within(WEIGHTED_WINDOWS_BYTES, sum(terms.shape) * after * x.itemsize)
    for_each_chunk(work, lines, at_once, split=x.size + out.size >= WEIGHTED_THREAD_ELEMENTS)


def _sum_windows(windows: list[slice], x: Array, out: Array) -> None:
    for i, window in enumerate(windows):
        np.add.reduce(x[:, window], axis=1, out=out[:, i])


def _spread_windows(windows: list[slice], x: Array, out: Array) -> None:
    """Add the value of each window to its elements; what no window before has met is new."""
    end = 0
    for i, window in enumerate(windows):
        value, met = x[:, i : i + 1], min(max(window.start, end), window.stop)
        out[:, end:met] = 0
        out[:, window.start : met] += value
        out[:, met : window.stop] = value
        end = max(end, window.stop)
    out[:, end:] = 0


def _multiply(matrix: Any, x: Array, out: Array) -> None:
    """Multiply the middle dimension of `x` by a matrix, in blocks that stay in the cache."""
    lines, n, after = x.shape
    if lines * after == 1:
        out[0, :, 0] = matrix @ x[0, :, 0]
        return
    size = out.shape[1]
    wanted = -(-WEIGHTED_LANES // after)
    at_once = min(wanted, items_within(WEIGHTED_BLOCK_BYTES, (n + size) * after * x.itemsize))

    def work(chunk: slice) -> None:
        count = chunk.stop - chunk.start
        columns = x[chunk].swapaxes(0, 1).reshape(n, count * after)
        out[chunk] = (matrix @ columns).reshape(size, count, after).swapaxes(0, 1)

    split = lines * after * (n + size) >= WEIGHTED_THREAD_ELEMENTS
    for_each_chunk(work, lines, at_once, split=split)


def _samples(m: Maker) -> list[Case]:
    pairs = Terms.of_rows(np.array([[0, 1], [2, 2]]), m.real(2, 2), 3)
    single = Terms.of_rows(np.array([[3], [0], [3]]), np.ones((3, 1)), 4)
    windows = Terms.of_windows(np.array([0, 1, 1]), np.array([2, 2, 4]), 4)
    zeros = Terms.of_rows(np.zeros((2, 2), int), np.eye(2), 1)
    return [
        case(m.real(2, 3), terms=pairs, axis=1),
        case(m.real(3), terms=pairs, axis=0),
        case(m.complex(4, 2), terms=single, axis=0),
        case(m.complex(2, 4, 3), terms=windows, axis=1),
        case(m.real(3, 2), terms=windows.adjoint, axis=0),
        case(m.real(2, 1, 0), terms=zeros, axis=1),
    ]
