"""The one operation behind the normalisations: standardise, scale and shift.

Whatever a normalisation reduces over, its arithmetic is the same, so there is one fused operation.
It works block by block along a dimension that is not reduced, so that the intermediate values of a
block stay in the cache, and large arrays on all cores. It keeps its operand and two small
statistics; the standardised values are computed again on the way back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlgradient.core import threads
from dlgradient.core.samples import Error, case
from dlgradient.errors import UnsupportedDtypeError
from dlgradient.nn.shared.arguments import is_traced
from dlgradient.nn.shared.sums import dot, total
from dlgradient.ops.moments import mean
from dlgradient.ops.powers import sqrt
from dlgradient.rules import general

_BLOCK = 1 << 21  # bytes of a piece; more of them cost more in hand-overs than they save
_WHOLE = 1 << 19  # bytes; a smaller array is one piece
_SHORT = 1 << 11  # elements of a run; of shorter ones the overhead costs as much as the arithmetic
_LEAST = 1 << 16  # elements; below, starting a thread costs more than it saves

Piece = tuple[slice, ...]


def _for_each(work: Callable[[int], None], count: int, *, split: bool) -> None:
    """Call ``work(i)`` for each i, on all cores if there is enough to do."""

    def several(block: slice) -> None:
        for i in range(block.start, block.stop):
            work(i)

    if not split:
        several(slice(0, count))
        return
    # Products of matrices only add up here.
    with threads.one_blas_thread():
        threads.in_blocks(several, count)


def _pieces(shape: tuple[int, ...], nbytes: int, axes: tuple[int, ...]) -> list[Piece]:
    """Cut an array along a dimension that is not reduced."""
    whole = (slice(None),) * len(shape)
    free = [i for i, size in enumerate(shape) if i not in axes and size > 1]
    if not free or nbytes <= _WHOLE:
        return [whole]
    count = _pieces_of(nbytes)
    # The first that is long enough: its pieces are the most contiguous.
    axis = next((i for i in free if shape[i] >= count), max(free, key=lambda i: shape[i]))
    return _cut(shape, axis, count)


def _cut(shape: tuple[int, ...], axis: int, count: int) -> list[Piece]:
    whole = (slice(None),) * len(shape)
    count = min(shape[axis], count)
    bounds = [shape[axis] * i // count for i in range(count + 1)]
    return [
        (*whole[:axis], slice(bounds[i], bounds[i + 1]), *whole[axis + 1 :]) for i in range(count)
    ]


def _is_crosswise(x: Any, axes: tuple[int, ...], parameters: list[tuple[int, ...]]) -> bool:
    """Return whether to reduce slabs of the first dimension, and then their sums.

    The array is read twice, but contiguously. Offset and scale must not vary where it is reduced,
    as in batchnorm, and little may be left.
    """
    if x.nbytes <= _WHOLE or 0 not in axes or x.shape[0] == 1 or not x.flags.c_contiguous:
        return False
    few = x.size // _count(x.shape, axes) < x.size // x.shape[0]
    return few and all(shape[i] == 1 for shape in parameters for i in axes)


def _slabs(x: Any) -> list[Piece]:
    return _cut(x.shape, 0, _pieces_of(x.nbytes))


def _pieces_of(nbytes: int) -> int:
    """Number of pieces; even, so that two cores have as many."""
    return 2 * -(-nbytes // (2 * _BLOCK))


def _widened(small: Any, x: Any) -> Any:
    """Repeat a small operand to the size of one slab of x, if it would be applied to short runs."""
    run = 1
    for axis in reversed(range(1, x.ndim)):
        if small.shape[axis] != 1:
            break
        run *= x.shape[axis]
    if not 1 < run <= _SHORT or x[0].nbytes > _WHOLE // 2:
        return small
    return np.ascontiguousarray(np.broadcast_to(small, (1, *x.shape[1:])))


def _at(array: Any, piece: Piece) -> Any:
    """Part of an operand that belongs to a piece: all of it where it has size one."""
    sizes = zip(array.shape, piece, strict=True)
    return array[tuple([slice(None) if size == 1 else part for size, part in sizes])]


def _count(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    n = 1
    for axis in axes:
        n *= shape[axis]
    return n


def _add(x: Any, axes: tuple[int, ...]) -> Any:
    return np.add.reduce(x, axis=axes, keepdims=True)


def _sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """Sum over the dimensions that have size one in `shape`."""
    axes = tuple([i for i, size in enumerate(shape) if size == 1 and x.shape[i] != 1])
    return _add(x, axes) if axes else x


# -- backward ------------------------------------------------------------------------------------


def _vjp(
    g: Any,
    x: Any,
    offset_like: Any,
    scale: Any,
    out: Any,
    axes: tuple[int, ...],
    epsilon: float,
    centered: bool,
) -> tuple[Any, Any, Any]:
    if is_traced([*g, x, scale]):
        return _traced_vjp(g, x, scale, axes, epsilon, centered)
    if g[0] is None:
        return _statistics_vjp(g, x, out[1], axes, centered), None, None
    gx, goffset, gscale = _raw_vjp(g[0], x, offset_like.shape, scale, out, axes, epsilon, centered)
    if g[1] is not None or g[2] is not None:
        gx = gx + _statistics_vjp(g, x, out[1], axes, centered)
    return gx, goffset, gscale


def _statistics_vjp(g: Any, x: Any, mu: Any, axes: tuple[int, ...], centered: bool) -> Any:
    """What comes through the mean and the variance, which are results themselves."""
    n = max(_count(x.shape, axes), 1)
    gx = 0 * x
    if g[1] is not None and centered:
        gx = gx + g[1] / n
    if g[2] is not None:
        gx = gx + g[2] * ((x - mu) * (2 / n))
    return gx


def _traced_vjp(
    g: Any, x: Any, scale: Any, axes: tuple[int, ...], epsilon: float, centered: bool
) -> tuple[Any, Any, Any]:
    """The same in operations that can be differentiated, from the operands alone."""
    if not _count(x.shape, axes):
        return 0 * x, g[0], None if g[0] is None else 0 * g[0]
    mu = mean(x, axis=axes, keepdims=True) if centered else 0
    through_statistics = None
    if g[1] is not None or g[2] is not None:
        through_statistics = _statistics_vjp(g, x, mu, axes, centered)
    if g[0] is None:
        return through_statistics, None, None
    deviation = x - mu
    rate = 1 / sqrt(mean(deviation * deviation, axis=axes, keepdims=True) + epsilon)
    standard = deviation * rate
    inner = g[0] * scale
    gx = inner - standard * mean(inner * standard, axis=axes, keepdims=True)
    if centered:
        gx = gx - mean(inner, axis=axes, keepdims=True)
    gx = gx * rate
    if through_statistics is not None:
        gx = gx + through_statistics
    return gx, g[0], g[0] * standard


def _raw_vjp(
    g: Any,
    x: Any,
    offset_shape: tuple[int, ...],
    scale: Any,
    out: Any,
    axes: tuple[int, ...],
    epsilon: float,
    centered: bool,
) -> tuple[Any, Any, Any]:
    _, mu, variance = out
    gx = np.empty(x.shape, np.result_type(g, x, scale))
    # What neither offset nor scale varies along: one sum over it serves all three operands.
    inner = tuple([i for i in axes if offset_shape[i] == scale.shape[i] == 1 != x.shape[i]])
    if not inner or not x.size:
        return _pull_elementwise(g, x, offset_shape, scale, out, gx, axes, epsilon, centered)
    n = _count(x.shape, axes)
    rate = 1 / np.sqrt(variance + epsilon)
    kept = tuple([1 if i in inner else size for i, size in enumerate(x.shape)])
    sums = np.empty((2, *kept), gx.dtype)

    def deviation(piece: Piece, center: Any) -> Any:
        return x[piece] - _at(center, piece) if centered else np.array(x[piece])

    def coefficients(piece: Piece) -> tuple[Any, Any, Any]:
        """Factors of g and of the deviation, and what is added."""
        s, r = _at(scale, piece), _at(rate, piece)
        along = _add(_at(sums[1], piece) * s, axes) * r**3
        across = _add(_at(sums[0], piece) * s, axes) * r
        return s * r, along / -n, across / -n

    def combine(piece: Piece, standing: Any, factors: Any) -> None:
        factor, along, across = factors
        part = gx[piece]
        np.multiply(g[piece], factor, out=part)
        standing *= along
        if centered:
            standing += across
        part += standing

    def both(piece: Piece) -> None:
        standing = deviation(piece, mu)
        _at(sums[0], piece)[...] = total(g[piece], inner)
        _at(sums[1], piece)[...] = dot(g[piece], standing, inner)
        combine(piece, standing, coefficients(piece))

    split = x.size >= _LEAST
    if _is_crosswise(x, axes, [offset_shape, scale.shape]):
        pieces = _slabs(x)
        parts = np.empty((len(pieces), *sums.shape), gx.dtype)

        def add_up(i: int) -> None:
            piece = pieces[i]
            parts[i, 0] = total(g[piece], inner)
            parts[i, 1] = dot(g[piece], deviation(piece, mu), inner)

        _for_each(add_up, len(pieces), split=split)
        np.add.reduce(parts, axis=0, out=sums)
        factors = [_widened(a, x) for a in coefficients((slice(None),) * x.ndim)]
        center = _widened(mu, x)
        _for_each(
            lambda i: combine(pieces[i], deviation(pieces[i], center), factors),
            len(pieces),
            split=split,
        )
    else:
        pieces = _pieces(x.shape, gx.nbytes, axes)
        _for_each(lambda i: both(pieces[i]), len(pieces), split=split)
    return gx, _sum_to(sums[0], offset_shape), _sum_to(sums[1] * rate, scale.shape)


def _pull_elementwise(
    g: Any,
    x: Any,
    offset_shape: tuple[int, ...],
    scale: Any,
    out: Any,
    gx: Any,
    axes: tuple[int, ...],
    epsilon: float,
    centered: bool,
) -> tuple[Any, Any, Any]:
    _, mu, variance = out
    goffset = np.zeros(offset_shape, gx.dtype)
    gscale = np.zeros(scale.shape, gx.dtype)
    pieces = _pieces(x.shape, gx.nbytes, axes)
    parts: list[Any] = [None] * len(pieces)

    def work(i: int) -> None:
        piece = pieces[i]
        rate = 1 / np.sqrt(_at(variance, piece) + epsilon)
        standard = x[piece] - _at(mu, piece) if centered else np.array(x[piece])
        standard *= rate
        scaling = _at(scale, piece)
        parts[i] = (
            _sum_to(g[piece], _at(goffset, piece).shape),
            _sum_to(g[piece] * standard, scaling.shape),
        )
        _pull_piece(g[piece], standard, scaling, rate, gx[piece], axes, centered)

    _for_each(work, len(pieces), split=x.size >= _LEAST)
    for piece, (for_offset, for_scale) in zip(pieces, parts, strict=True):
        _at(goffset, piece)[...] += for_offset
        _at(gscale, piece)[...] += for_scale
    return gx, goffset, gscale


def _pull_piece(
    g: Any, standard: Any, scale: Any, rate: Any, gx: Any, axes: tuple[int, ...], centered: bool
) -> None:
    """Cotangent of one block of x; `standard` is overwritten."""
    n = max(_count(g.shape, axes), 1)
    np.multiply(g, scale, out=gx)
    along = dot(gx, standard, axes)
    along /= n
    standard *= along
    if centered:
        across = total(gx, axes)
        across /= n
        gx -= across
    gx -= standard
    gx *= rate


# -- forward -------------------------------------------------------------------------------------


def _samples(m: Any) -> list[Any]:
    return [
        case(m.real(3, 2, 4), m.real(1, 2, 1), m.real(1, 2, 1), axes=(0, 2), epsilon=1e-3),
        case(m.real(3, 4), m.real(1, 4), m.real(1, 4), axes=(1,), epsilon=1e-3),
        case(m.real(2, 3, 2), m.real(1, 3, 1), m.real(1, 1, 1), axes=(2, 1), epsilon=0.1),
        case(m.real(3, 4), m.real(1, 4), m.real(1, 4), axes=(1,), epsilon=0.1, centered=False),
        case(m.real(0, 3), m.real(1, 3), m.real(1, 3), axes=(1,), epsilon=1e-3),
    ]


@general(
    vjp=_vjp,
    outputs=3,
    format="new",
    samples=_samples,
    errors=lambda m: [
        Error(
            case(m.complex(2, 3), m.real(1, 3), m.real(1, 3), axes=(1,), epsilon=1e-5),
            UnsupportedDtypeError,
            "complex128.*real",
        )
    ],
)
def standardized(
    x: Any,
    offset: Any,
    scale: Any,
    /,
    *,
    axes: tuple[int, ...],
    epsilon: float,
    centered: bool = True,
) -> Any:
    """Standardise, scale and shift: scale (x - μ) / √(σ² + ε) + offset; and μ, σ².

    Parameters
    ----------
    x : array
        Real.
    offset, scale : array
        With as many dimensions as x, of its sizes or of size one.
    axes : tuple of int
        Dimensions to average over.
    epsilon : float
        ε.
    centered : bool
        If false, μ is zero, and σ² the mean of squares.

    Returns
    -------
    y, mu, variance : array
        The statistics have size one in the dimensions `axes`; NaN where there is no element.
    """
    dtype = np.result_type(x, offset, scale)
    if dtype.kind == "c":
        raise UnsupportedDtypeError(
            f"standardized: x of shape {x.shape} has dtype {dtype}; normalisation is defined for "
            "real values, take real and imag as channels of their own"
        )
    if x.dtype.kind != "f":
        x = x.astype(np.float64)
        dtype = np.result_type(x, offset, scale)
    y = np.empty(x.shape, dtype)
    small = tuple([1 if i in axes else size for i, size in enumerate(x.shape)])
    n = _count(x.shape, axes)
    mu = np.full(small, 0 if n or not centered else np.nan, x.dtype)
    variance = np.full(small, 0 if n else np.nan, x.dtype)
    if not x.size:
        return y, mu, variance

    standardize = _in_pieces
    if _is_crosswise(x, axes, [offset.shape, scale.shape]):
        standardize = _in_slabs
    with np.errstate(all="ignore"):
        standardize(x, offset, scale, y, mu, variance, axes, epsilon, centered)
    return y, mu, variance


def _statistics(x: Any, axes: tuple[int, ...], centered: bool) -> tuple[Any, Any, Any]:
    """Mean of an array, sum of the squares of the deviations from it, and these."""
    if not centered:
        return 0, dot(x, x, axes), x
    m = total(x, axes) / _count(x.shape, axes)
    deviation = np.subtract(x, m)
    return m, dot(deviation, deviation, axes), deviation


def _in_pieces(
    x: Any,
    offset: Any,
    scale: Any,
    y: Any,
    mu: Any,
    variance: Any,
    axes: tuple[int, ...],
    epsilon: float,
    centered: bool,
) -> None:
    n = _count(x.shape, axes)
    pieces = _pieces(x.shape, x.nbytes, axes)

    def work(i: int) -> None:
        piece = pieces[i]
        part, m, v = y[piece], _at(mu, piece), _at(variance, piece)
        m[...], squares, deviation = _statistics(x[piece], axes, centered)
        np.divide(squares, n, out=v)
        _scaled(deviation, 1 / np.sqrt(v + epsilon), _at(scale, piece), part)
        part += _at(offset, piece)

    _for_each(work, len(pieces), split=x.size >= _LEAST)


def _in_slabs(
    x: Any,
    offset: Any,
    scale: Any,
    y: Any,
    mu: Any,
    variance: Any,
    axes: tuple[int, ...],
    epsilon: float,
    centered: bool,
) -> None:
    pieces, split = _slabs(x), x.size >= _LEAST
    counts = [_count(x[piece].shape, axes) for piece in pieces]
    parts = np.empty((2, len(pieces), *mu.shape), np.float64)

    def measure(i: int) -> None:
        m, parts[1, i], deviation = _statistics(x[pieces[i]], axes, centered)
        # Means of pieces are subtracted from one another: what rounding has left is added.
        parts[0, i] = m + total(deviation, axes) / np.float64(counts[i]) if centered else 0

    _for_each(measure, len(pieces), split=split)
    _merge(parts, counts, mu, variance)
    center, shift = _widened(mu, x), _widened(offset, x)
    factor = _widened(scale / np.sqrt(variance + epsilon), x)

    def affine(i: int) -> None:
        part, source = y[pieces[i]], x[pieces[i]]
        if centered:
            source = np.subtract(source, center, out=part)
        np.multiply(source, factor, out=part)
        part += shift

    _for_each(affine, len(pieces), split=split)


def _merge(parts: Any, counts: list[int], mu: Any, variance: Any) -> None:
    """Join means and sums of squares of pieces, without the cancellation of a sum of squares."""
    means, squares = parts
    weights = np.array(counts).reshape(-1, *[1] * mu.ndim)
    n = weights.sum()
    mean = np.add.reduce(weights * means, axis=0) / n
    between = np.add.reduce(weights * (means - mean) ** 2, axis=0)
    mu[...] = mean
    variance[...] = (np.add.reduce(squares, axis=0) + between) / n


def _scaled(x: Any, rate: Any, scale: Any, out: Any) -> None:
    """Multiply by both, by the small ones first if their product is small."""
    sizes = zip(rate.shape, scale.shape, strict=True)
    if all(a == 1 or b in (1, a) for a, b in sizes) and rate.size * scale.size <= x.size:
        np.multiply(x, rate * scale, out=out)
    else:
        np.multiply(x, rate, out=out)
        out *= scale
