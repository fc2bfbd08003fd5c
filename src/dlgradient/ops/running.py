"""Largest and smallest elements so far.

The maximum of the elements up to i is the last *record* up to there: an element that no earlier one
exceeds. Where several records are equal, they share the derivative equally, as in `max`. So a
tangent of the result is the mean of those of the equal records so far. This map and its adjoint are
operations, which serve maxima and minima.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Operand, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.cumulative import flattened, unless_flattened
from dlgradient.ops.shape import reshape
from dlgradient.rules import constant, general, multilinear

__all__ = ["cummax", "cummin"]


# -- records -------------------------------------------------------------------------------------


# What an element is among those so far: none, a new record, one that is equal to the last.
_NONE, _NEW, _EQUAL = range(3)


@constant(
    format="new",
    samples=lambda m: [
        case(np.array([1.0, 3.0, 2.0, 3.0]), np.array([1.0, 3.0, 3.0, 3.0]), axis=0),
        case(m.real(2, 0), m.real(2, 0), axis=1),
    ],
    domain="real",
)
def records(x: Value, extrema: Value, /, *, axis: int) -> Value:
    """Which elements are records: 0 for none, 1 for a new one, 2 for one equal to the last.

    Parameters
    ----------
    x, extrema : array
        An array, and its cumulative maxima or minima.
    axis : int
    """
    lines, best = (np.moveaxis(np.asarray(a), axis, -1) for a in (x, extrema))
    kinds = np.where((lines == best) | np.isnan(lines), _NEW, _NONE).astype(np.int8)
    kinds[..., :1] = _NEW  # of NaN, too: each line begins with a record
    at = np.flatnonzero(kinds)
    values, line = best.reshape(-1)[at], at // np.maximum(lines.shape[-1], 1)
    again = at[1:][(values[1:] == values[:-1]) & (line[1:] == line[:-1])]
    kinds.reshape(-1)[again] = _EQUAL
    return np.moveaxis(kinds, -1, axis)


def _runs(kinds: Value, axis: int) -> tuple[Array, list[tuple[int, int]]]:
    """Return the places of records in the flat lines, and the runs of equal ones among them."""
    flat = np.moveaxis(np.asarray(kinds), axis, -1).reshape(-1)
    at = np.flatnonzero(flat)
    joins = flat[at] == _EQUAL
    if not joins.any():
        return at, []
    after = np.append(joins[1:], False)
    starts, ends = np.flatnonzero(after & ~joins), np.flatnonzero(joins & ~after) + 1
    return at, list(zip(starts.tolist(), ends.tolist(), strict=True))


def _record_means_x(g: Value, kinds: Value, axis: int) -> Value:
    return record_sums(g, kinds, axis=axis)


def _record_sums_x(g: Value, kinds: Value, axis: int) -> Value:
    return record_means(g, kinds, axis=axis)


def _record_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(5), np.array([1, 1, 0, 2, 2], np.int8), axis=0),
        case(m.complex(2, 2), np.array([[1, 1], [1, 0]], np.int8), axis=0),
        case(m.real(2, 2), np.array([[1, 2], [1, 1]], np.int8), axis=-1),
        case(m.real(0), np.zeros(0, np.int8), axis=0),
    ]


@multilinear(x=_record_means_x, samples=_record_samples)
def record_means(x: Value, kinds: Value, /, *, axis: int) -> Value:
    """Means of an array over the equal records so far.

    Parameters
    ----------
    x : array
    kinds : array of integers
        Of `records`.
    axis : int
    """
    if not x.size:
        return x
    at, runs = _runs(kinds, axis)
    lines = np.moveaxis(np.asarray(x), axis, -1)
    flat = lines.reshape(-1)[at]
    for start, end in runs:
        flat[start:end] = np.cumsum(flat[start:end]) / np.arange(1, end - start + 1)
    counts = np.diff(at, append=lines.size)
    return np.moveaxis(np.repeat(flat, counts).reshape(lines.shape), -1, axis)


@multilinear(x=_record_sums_x, masks=True, samples=_record_samples)
def record_sums(x: Value, kinds: Value, /, *, axis: int) -> Value:
    """Sums of an array into the equal records so far: the adjoint of `record_means`.

    Parameters
    ----------
    x : array
    kinds : array of integers
        Of `records`.
    axis : int
    """
    if not x.size:
        return x
    at, runs = _runs(kinds, axis)
    lines = np.moveaxis(np.asarray(x), axis, -1)
    totals = np.add.reduceat(lines.reshape(-1), at)
    for start, end in runs:
        shares = totals[start:end] / np.arange(1, end - start + 1)
        totals[start:end] = np.cumsum(shares[::-1])[::-1]
    out = np.zeros(lines.size, x.dtype)
    out[at] = totals
    return np.moveaxis(out.reshape(lines.shape), -1, axis)


# -- maxima and minima so far --------------------------------------------------------------------


def _adjoint(g: Value, x: Value, out: Value, axis: int | None) -> Value:
    lines, along = flattened(x, axis)
    sums = record_sums(g, records(lines, out, axis=along), axis=along)
    return reshape(sums, x.shape) if axis is None else sums


def _tangent(t: Value, x: Value, out: Value, axis: int | None) -> Value:
    lines, along = flattened(x, axis)
    return record_means(flattened(t, axis)[0], records(lines, out, axis=along), axis=along)


def _accumulated(ufunc: np.ufunc) -> Any:
    def kernel(x: Value, axis: int | None = None) -> Value:
        return ufunc.accumulate(np.reshape(x, -1) if axis is None else x, axis or 0)

    return kernel


@general(
    x=_adjoint,
    jvp={"x": _tangent},
    kernel=_accumulated(np.maximum),
    format=unless_flattened,
    format_family="same",
    domain="real",
    masks=True,
    reference=lambda x, axis=None: _reference(np.max, x, axis),
    samples=lambda m: _samples(m, 1),
    errors=lambda m: _errors(m),
)
def cummax(x: Operand, /, axis: int | None = None) -> Value:
    """Largest element so far along a dimension, yᵢ = max(x₀, ..., xᵢ).

    Equal elements that are the largest so far share the derivative equally: the subgradient of
    minimum norm. From a NaN on, the result is NaN.

    Parameters
    ----------
    x : array
        Real.
    axis : int, optional
        Dimension along which elements are compared; by default the elements in C order, as one
        dimension.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    cummin : smallest element so far
    max : largest element
    cumsum : cumulative sums, in the same shape

    Examples
    --------
    >>> dl.cummax(dl.dlarray([1.0, 3.0, 2.0, 5.0])).tolist()
    [1.0, 3.0, 3.0, 5.0]

    Source: MATLAB ``cummax``; NumPy ``maximum.accumulate``.
    """


@general(
    x=_adjoint,
    jvp={"x": _tangent},
    kernel=_accumulated(np.minimum),
    format=unless_flattened,
    format_family="same",
    domain="real",
    masks=True,
    reference=lambda x, axis=None: _reference(np.min, x, axis),
    samples=lambda m: _samples(m, -1),
    errors=lambda m: _errors(m),
)
def cummin(x: Operand, /, axis: int | None = None) -> Value:
    """Smallest element so far along a dimension, yᵢ = min(x₀, ..., xᵢ).

    Equal elements that are the smallest so far share the derivative equally: the subgradient of
    minimum norm. From a NaN on, the result is NaN.

    Parameters
    ----------
    x : array
        Real.
    axis : int, optional
        Dimension along which elements are compared; by default the elements in C order, as one
        dimension.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    cummax : largest element so far
    min : smallest element
    cumprod : cumulative products, in the same shape

    Examples
    --------
    >>> dl.cummin(dl.dlarray([[4.0, 3.0], [5.0, 1.0]]), axis=1).tolist()
    [[4.0, 3.0], [5.0, 1.0]]

    Source: MATLAB ``cummin``; NumPy ``minimum.accumulate``.
    """


def _reference(extremum: Any, x: Array, axis: int | None) -> Array:
    lines = np.moveaxis(np.ravel(x) if axis is None else x, axis or 0, -1)
    out = [extremum(lines[..., : i + 1], axis=-1) for i in range(lines.shape[-1])]
    return np.moveaxis(np.stack(out, -1), -1, axis or 0) if out else lines


def _samples(m: Maker, sign: int) -> list[Case]:
    tied = sign * np.array([1.0, 3.0, 3.0, 2.0, 3.0])
    return [
        case(m.real(5)),
        case(m.real(2, 4), axis=1),
        case(m.real(3, 2), axis=0),
        case(m.real(2, 2)),
        case(m.real(0)),
        # The second place is the largest of two; of the next ones each has a half, then a third.
        case(tied, kink=True, gradient={"x": [1, 1 + 1 / 2 + 1 / 2 + 1 / 3, 4 / 3, 0, 1 / 3]}),
        case(np.array([[1.0, np.nan, 2.0]]), axis=1, kink=True, gradient={"x": [[1, 2, 0]]}),
    ]


def _errors(m: Maker) -> list[Error]:
    return [Error(case(m.real(3), axis=1), InvalidArgumentError, r"axis 1 .*shape \(3,\)")]
