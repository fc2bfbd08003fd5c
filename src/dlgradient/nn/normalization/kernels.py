"""Kernels of normalisation, on raw arrays of real values.

They work chunk by chunk along a dimension that is not reduced, on all cores. So the intermediate
values of a chunk stay in the cache. If the first dimension is reduced and the result is small, as
in batchnorm, the chunks are cut along it. They are reduced one by one, and their sums are joined.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple, TypeAlias

import numpy as np

from dlgradient.core.sizes import (
    NORM_CHUNK_BYTES,
    NORM_RUN_ELEMENTS,
    NORM_THREAD_ELEMENTS,
    NORM_WHOLE_BYTES,
)
from dlgradient.core.types import Array, Axes, Axis, Kernel, Shape
from dlgradient.nn.normalization.extremes import (
    is_out_of_range,
    pull_scaled,
    standardize_scaled,
)
from dlgradient.nn.normalization.rows import Rows, rows_of
from dlgradient.nn.shared.blocks import for_each
from dlgradient.nn.shared.sums import dot, sum_to, total

__all__ = ["Method", "Standardized", "pull", "standardize"]

Chunk: TypeAlias = tuple[slice, ...]
# NumPy's overloads of this know `keepdims` only as a literal.
_add: Kernel = np.add.reduce


@dataclass(frozen=True, slots=True)
class Method:
    """The averages of a normalisation, and its options.

    Parameters
    ----------
    axes : tuple of int
        Dimensions that are averaged over.
    epsilon : float
        A number that is added to the variance.
    centered : bool
        If false, the mean is zero, and the variance is the mean of squares.
    """

    axes: Axes
    epsilon: float
    centered: bool

    def count(self, x: Array) -> int:
        """The number of elements in each average."""
        return prod([x.shape[axis] for axis in self.axes])

    def rate(self, variance: Array) -> Array:
        """Return the factor of deviations."""
        return 1 / np.sqrt(variance + self.epsilon)

    def deviation(self, x: Array, mu: Array) -> Array:
        """Return the deviations from the mean, in a new array."""
        return x - mu if self.centered else np.array(x)


class Standardized(NamedTuple):
    """Results of `standardize`; the statistics have size one in the dimensions averaged over."""

    y: Array
    mu: Array
    variance: Array


# -- chunks --------------------------------------------------------------------------------------


def _independent_chunks(x: Array, axes: Axes, nbytes: int) -> list[Chunk]:
    """Cut an array along a dimension that is not reduced, so that no sum crosses a cut."""
    free = [axis for axis, size in enumerate(x.shape) if axis not in axes and size > 1]
    if not free or nbytes <= NORM_WHOLE_BYTES:
        return [(slice(None),) * x.ndim]
    count = _number_of_chunks(nbytes)
    # The first dimension that is long enough: its chunks are the most contiguous.
    longest = max(free, key=lambda axis: x.shape[axis])
    return _cut(x, next((axis for axis in free if x.shape[axis] >= count), longest), count)


def _partial_chunks(x: Array) -> list[Chunk]:
    """Cut an array along its first dimension, which is reduced."""
    return _cut(x, 0, _number_of_chunks(x.nbytes))


def _cut(x: Array, axis: Axis, count: int) -> list[Chunk]:
    whole = (slice(None),) * x.ndim
    size = x.shape[axis]
    count = min(size, count)
    bounds = [size * i // count for i in range(count + 1)]
    parts = [slice(bounds[i], bounds[i + 1]) for i in range(count)]
    return [(*whole[:axis], part, *whole[axis + 1 :]) for part in parts]


def _number_of_chunks(nbytes: int) -> int:
    """Return an even number, so that two cores have equally many."""
    return 2 * -(-nbytes // (2 * NORM_CHUNK_BYTES))


def _joins_partial_sums(x: Array, method: Method, parameters: list[Shape]) -> bool:
    """Return whether to reduce chunks of the first dimension, and join their sums.

    The array is read twice, but contiguously. Offset and scale must not vary along the reduced
    dimensions, as in batchnorm, and the result must be small.
    """
    axes = method.axes
    if x.nbytes <= NORM_WHOLE_BYTES or 0 not in axes or x.shape[0] == 1 or not x.flags.c_contiguous:
        return False
    # Only if the sums are smaller than a chunk: a group for each observation needs no join.
    few = x.size // method.count(x) < x.size // x.shape[0]
    return few and all(shape[axis] == 1 for shape in parameters for axis in axes)


def _chunk_of(array: Array, chunk: Chunk) -> Array:
    """Return the part of an operand for a chunk: all of it if it has size one."""
    sizes = zip(array.shape, chunk, strict=True)
    return array[tuple([slice(None) if size == 1 else part for size, part in sizes])]


def _widened(small: Array, x: Array) -> Array:
    """Repeat a small operand to the size of x[:1], if it would be applied to short runs."""
    run = 1
    for axis in reversed(range(1, x.ndim)):
        if small.shape[axis] != 1:
            break
        run *= x.shape[axis]
    if not 1 < run <= NORM_RUN_ELEMENTS or x[0].nbytes > NORM_WHOLE_BYTES // 2:
        return small
    # Of one observation only, so that it stays in the cache for all.
    return np.ascontiguousarray(np.broadcast_to(small, (1, *x.shape[1:])))


# -- forward -------------------------------------------------------------------------------------


def standardize(x: Array, offset: Array, scale: Array, method: Method) -> Standardized:
    """Standardise, scale and shift; statistics of no elements are NaN."""
    axes = method.axes
    small = tuple([1 if axis in axes else size for axis, size in enumerate(x.shape)])
    empty = not method.count(x)
    out = Standardized(
        np.empty(x.shape, np.result_type(x, offset, scale)),
        np.full(small, np.nan if empty and method.centered else 0, x.dtype),
        np.full(small, np.nan if empty else 0, x.dtype),
    )
    rows = rows_of(axes, (x, out.y), (offset.shape, scale.shape))
    if x.size:
        across = _joins_partial_sums(x, method, [offset.shape, scale.shape])
        with np.errstate(all="ignore"):
            if rows is not None:
                _standardize_rows(x, offset, scale, out, method, rows)
            else:
                (_standardize_partial if across else _standardize_independent)(
                    x, offset, scale, out, method
                )
        if is_out_of_range(out.variance, method.epsilon):
            parts = standardize_scaled(x, offset, scale, axes, method.epsilon, method.centered)
            return Standardized(*parts)
    return out


def _standardize_independent(
    x: Array, offset: Array, scale: Array, out: Standardized, method: Method
) -> None:
    count = method.count(x)

    def work(chunk: Chunk) -> None:
        y, mu, variance = out.y[chunk], _chunk_of(out.mu, chunk), _chunk_of(out.variance, chunk)
        mu[...], squares, deviation = _statistics(x[chunk], method)
        np.divide(squares, count, out=variance)
        _multiply(deviation, method.rate(variance), _chunk_of(scale, chunk), y)
        y += _chunk_of(offset, chunk)

    for_each(
        work, _independent_chunks(x, method.axes, x.nbytes), split=x.size >= NORM_THREAD_ELEMENTS
    )


def _standardize_partial(
    x: Array, offset: Array, scale: Array, out: Standardized, method: Method
) -> None:
    chunks, split = _partial_chunks(x), x.size >= NORM_THREAD_ELEMENTS
    counts = [method.count(x[chunk]) for chunk in chunks]
    # In double precision: they are few, and almost equal means are subtracted from each other.
    parts = np.empty((2, len(chunks), *out.mu.shape), np.float64)

    def measure(i: int) -> None:
        m, parts[1, i], deviation = _statistics(x[chunks[i]], method)
        # The join subtracts means of chunks from each other, so a mean must include its rounding
        # error.
        rest = total(deviation, method.axes) / np.float64(counts[i]) if method.centered else 0
        parts[0, i] = m + rest

    for_each(measure, range(len(chunks)), split=split)
    _join(parts, counts, out)
    center, shift = _widened(out.mu, x), _widened(offset, x)
    # Multiplied while they are small: one product less for each element.
    factor = _widened(scale / np.sqrt(out.variance + method.epsilon), x)

    def affine(chunk: Chunk) -> None:
        y, source = out.y[chunk], x[chunk]
        if method.centered:
            source = np.subtract(source, center, out=y)
        np.multiply(source, factor, out=y)
        y += shift

    for_each(affine, chunks, split=split)


def _standardize_rows(
    x: Array, offset: Array, scale: Array, out: Standardized, method: Method, rows: Rows
) -> None:
    mean, out.variance[...] = rows.statistics(x, method.axes, centered=method.centered)
    out.mu[...] = mean
    rows.scale(x, out.mu, scale / np.sqrt(out.variance + method.epsilon), offset, out.y)


def _statistics(x: Array, method: Method) -> tuple[Array | int, Array, Array]:
    """Return the mean of an array, the sum of the squares of the deviations from it, and these."""
    if not method.centered:
        return 0, dot(x, x, method.axes), x
    # Two passes over a chunk that is in the cache; mean(x²) - mean(x)² would cancel.
    mean = total(x, method.axes) / method.count(x)
    deviation = np.subtract(x, mean)
    return mean, dot(deviation, deviation, method.axes), deviation


def _join(parts: Array, counts: list[int], out: Standardized) -> None:
    """Join means and sums of squares of chunks, without the cancellation of a sum of squares."""
    means, squares = parts
    weights = np.array(counts).reshape(-1, *[1] * out.mu.ndim)
    n = weights.sum()
    mean = _add(weights * means, axis=0) / n
    between = _add(weights * (means - mean) ** 2, axis=0)
    out.mu[...] = mean
    out.variance[...] = (_add(squares, axis=0) + between) / n


def _multiply(x: Array, rate: Array, scale: Array, out: Array) -> None:
    """Multiply by both factors, by the small ones first if their product is small."""
    sizes = zip(rate.shape, scale.shape, strict=True)
    if all(a == 1 or b in (1, a) for a, b in sizes) and rate.size * scale.size <= x.size:
        np.multiply(x, rate * scale, out=out)
    else:
        np.multiply(x, rate, out=out)
        out *= scale


# -- backward ------------------------------------------------------------------------------------


def pull(
    g: Array, x: Array, offset_shape: Shape, scale: Array, out: Standardized, method: Method
) -> tuple[Array, Array, Array]:
    """Return the cotangents of x, offset and scale for the cotangent `g` of the first result."""
    if is_out_of_range(out.variance, method.epsilon):
        axes, epsilon = method.axes, method.epsilon
        return pull_scaled(g, x, offset_shape, scale, axes, epsilon, method.centered)
    # If offset and scale do not vary along a dimension, one sum over it serves all three operands.
    inner = tuple([i for i in method.axes if offset_shape[i] == scale.shape[i] == 1 != x.shape[i]])
    if not inner or not x.size:
        return _pull_elementwise(g, x, offset_shape, scale, out, method)
    pulling = _Pulling(g, x, scale, out, method, inner)
    rows = rows_of(method.axes, (x, g, pulling.gx), (offset_shape, scale.shape))
    if rows is not None:
        pulling.run_rows(rows)
    elif _joins_partial_sums(x, method, [offset_shape, scale.shape]):
        pulling.run_two_passes()
    else:
        pulling.run_one_pass()
    goffset, gscale = pulling.sums[0], pulling.sums[1] * pulling.rate
    return pulling.gx, sum_to(goffset, offset_shape), sum_to(gscale, scale.shape)


class _Pulling:
    """Backward pass with two sums over `inner`: of g, and of g times the deviation of x."""

    def __init__(
        self, g: Array, x: Array, scale: Array, out: Standardized, method: Method, inner: Axes
    ) -> None:
        self.g, self.x, self.scale, self.mu = g, x, scale, out.mu
        self.method, self.inner = method, inner
        self.rate = method.rate(out.variance)
        self.gx = np.empty(x.shape, np.result_type(g, x, scale))
        small = tuple([1 if axis in inner else size for axis, size in enumerate(x.shape)])
        self.sums = np.empty((2, *small), self.gx.dtype)
        self.split = x.size >= NORM_THREAD_ELEMENTS

    def run_one_pass(self) -> None:
        """Work on chunks that no sum crosses."""

        def work(chunk: Chunk) -> None:
            # Computed again: to save it from the forward pass would take an array as large as x.
            deviation = self.method.deviation(self.x[chunk], _chunk_of(self.mu, chunk))
            self.measure(chunk, deviation, [_chunk_of(sums, chunk) for sums in self.sums])
            self.combine(chunk, deviation, self.factors(chunk))

        for_each(
            work, _independent_chunks(self.x, self.method.axes, self.gx.nbytes), split=self.split
        )

    def run_two_passes(self) -> None:
        """Sum chunks of the first dimension, join the sums, and use them in a second pass."""
        x, method = self.x, self.method
        chunks = _partial_chunks(x)
        parts = np.empty((len(chunks), *self.sums.shape), self.gx.dtype)

        def measure(i: int) -> None:
            self.measure(chunks[i], method.deviation(x[chunks[i]], self.mu), parts[i])

        for_each(measure, range(len(chunks)), split=self.split)
        _add(parts, axis=0, out=self.sums)
        factors = [_widened(a, x) for a in self.factors((slice(None),) * x.ndim)]
        center = _widened(self.mu, x)

        def combine(chunk: Chunk) -> None:
            self.combine(chunk, method.deviation(x[chunk], center), factors)

        for_each(combine, chunks, split=self.split)

    def run_rows(self, rows: Rows) -> None:
        """Sum rows, join the sums, and use them in a second pass."""
        within = tuple([axis + 1 for axis in self.inner])
        sums = rows.products(self.g, self.x, self.mu)
        self.sums[...] = _add(sums, axis=within, keepdims=True)
        factors = self.factors((slice(None),) * self.x.ndim)
        if not self.method.centered:
            factors[2] = np.zeros_like(factors[2])
        rows.combine(self.g, self.x, self.mu, factors, self.gx)

    def measure(self, chunk: Chunk, deviation: Array, into: Array | list[Array]) -> None:
        """Put both sums of a chunk `into` two arrays."""
        into[0][...] = total(self.g[chunk], self.inner)
        into[1][...] = dot(self.g[chunk], deviation, self.inner)

    def factors(self, chunk: Chunk) -> list[Array]:
        """Return the factors of g and of the deviation, and the constant term."""
        axes, n = self.method.axes, self.method.count(self.x)
        scale, rate = _chunk_of(self.scale, chunk), _chunk_of(self.rate, chunk)
        along = _add(_chunk_of(self.sums[1], chunk) * scale, axis=axes, keepdims=True) * rate
        along = along * rate * rate  # the cube would overflow, or underflow, long before
        across = _add(_chunk_of(self.sums[0], chunk) * scale, axis=axes, keepdims=True) * rate
        return [scale * rate, along / -n, across / -n]

    def combine(self, chunk: Chunk, deviation: Array, factors: list[Array]) -> None:
        """Make the cotangent of a chunk; `deviation` is overwritten."""
        factor, along, across = factors
        gx = self.gx[chunk]
        np.multiply(self.g[chunk], factor, out=gx)
        deviation *= along
        if self.method.centered:
            deviation += across
        gx += deviation


def _pull_elementwise(
    g: Array, x: Array, offset_shape: Shape, scale: Array, out: Standardized, method: Method
) -> tuple[Array, Array, Array]:
    """Backward pass where offset or scale varies along a dimension that is averaged over."""
    gx = np.empty(x.shape, np.result_type(g, x, scale))
    goffset, gscale = np.zeros(offset_shape, gx.dtype), np.zeros(scale.shape, gx.dtype)
    chunks = _independent_chunks(x, method.axes, gx.nbytes)

    def work(chunk: Chunk) -> tuple[Array, Array]:
        rate = method.rate(_chunk_of(out.variance, chunk))
        standard = method.deviation(x[chunk], _chunk_of(out.mu, chunk))
        standard *= rate
        factor = _chunk_of(scale, chunk)
        for_offset = sum_to(g[chunk], _chunk_of(goffset, chunk).shape)
        for_scale = sum_to(g[chunk] * standard, factor.shape)
        np.multiply(g[chunk], factor, out=gx[chunk])
        _project(gx[chunk], standard, method)
        gx[chunk] *= rate
        return for_offset, for_scale

    parts = for_each(work, chunks, split=x.size >= NORM_THREAD_ELEMENTS)
    for chunk, (for_offset, for_scale) in zip(chunks, parts, strict=True):
        _chunk_of(goffset, chunk)[...] += for_offset
        _chunk_of(gscale, chunk)[...] += for_scale
    return gx, goffset, gscale


def _project(gx: Array, standard: Array, method: Method) -> None:
    """Subtract the parts of mean and variance from a cotangent in place; overwrites `standard`."""
    n = max(method.count(gx), 1)
    along = dot(gx, standard, method.axes)
    along /= n
    standard *= along
    if method.centered:
        across = total(gx, method.axes)
        across /= n
        gx -= across
    gx -= standard
