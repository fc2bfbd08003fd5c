"""The one operation behind the normalisations: standardise, scale and shift.

Whatever a normalisation reduces over, its arithmetic is the same, so there is one fused operation.
It works block by block along a dimension that is not reduced, so that the intermediate values of a
block stay in the cache, and large arrays on all cores. It keeps its operand and two small
statistics; the standardised values are computed again on the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dlgradient import calls
from dlgradient.backend import threads
from dlgradient.errors import UnsupportedDtypeError
from dlgradient.ops.moments import mean
from dlgradient.ops.powers import sqrt
from dlgradient.ops.samples import case
from dlgradient.rules import general

__all__ = ["is_traced"]

_BLOCK = 1 << 18  # bytes: what is touched several times in a row stays in a core's cache
_LEAST = 1 << 16  # elements; below, starting a thread costs more than it saves

Piece = tuple[slice, ...]


def is_traced(values: Sequence[Any]) -> bool:
    """Return whether a rule needs operations: its operands are traced, or the cotangent complex."""
    return any(
        type(value) is calls.dlarray or (value is not None and value.dtype.kind == "c")
        for value in values
    )


def _for_each(work: Callable[[int], None], count: int, *, split: bool) -> None:
    """Call ``work(i)`` for each i, on all cores if there is enough to do."""

    def several(block: slice) -> None:
        for i in range(block.start, block.stop):
            work(i)

    threads.in_blocks(several, count, split=split)


def _pieces(shape: tuple[int, ...], nbytes: int, axes: tuple[int, ...]) -> list[Piece]:
    """Cut an array along its largest dimension that is not reduced."""
    whole = (slice(None),) * len(shape)
    free = [i for i, size in enumerate(shape) if i not in axes and size > 1]
    if not free or nbytes <= _BLOCK:
        return [whole]
    axis = max(free, key=lambda i: shape[i])
    count = min(shape[axis], -(-nbytes // _BLOCK))
    bounds = [shape[axis] * i // count for i in range(count + 1)]
    return [
        (*whole[:axis], slice(bounds[i], bounds[i + 1]), *whole[axis + 1 :]) for i in range(count)
    ]


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
    goffset = np.zeros(offset_shape, gx.dtype)
    gscale = np.zeros(scale.shape, gx.dtype)
    pieces = _pieces(x.shape, gx.nbytes, axes)
    parts: list[Any] = [None] * len(pieces)
    # As in batchnorm: offset and scale vary along the dimensions that are not reduced.
    simple = x.size > 0 and offset_shape == scale.shape == variance.shape

    def work(i: int) -> None:
        piece = pieces[i]
        rate = 1 / np.sqrt(_at(variance, piece) + epsilon)
        if simple:
            parts[i] = _pull_simple(
                g[piece],
                x[piece],
                _at(mu, piece),
                _at(scale, piece),
                rate,
                gx[piece],
                axes,
                centered,
            )
            return
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
    along = _add(gx * standard, axes)
    along /= n
    standard *= along
    if centered:
        across = _add(gx, axes)
        across /= n
        gx -= across
    gx -= standard
    gx *= rate


def _pull_simple(
    g: Any,
    x: Any,
    mu: Any,
    scale: Any,
    rate: Any,
    gx: Any,
    axes: tuple[int, ...],
    centered: bool,
) -> tuple[Any, Any]:
    """Cotangents of one block, where both sums over g serve all three operands."""
    n = max(_count(g.shape, axes), 1)
    deviation = x - mu if centered else np.array(x)
    total = _add(g, axes)
    every = list(range(g.ndim))
    kept = [i for i in every if i not in axes]
    product = np.einsum(g, every, deviation, every, kept).reshape(rate.shape)
    product *= rate
    factor = scale * rate
    np.multiply(g, factor, out=gx)
    deviation *= factor * rate * product / -n
    gx += deviation
    if centered:
        gx -= factor * total / n
    return total, product


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
    labels="new",
    samples=_samples,
    errors=lambda m: [
        (
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
    pieces = _pieces(x.shape, x.nbytes, axes)

    def work(i: int) -> None:
        piece = pieces[i]
        part, m, v = y[piece], _at(mu, piece), _at(variance, piece)
        source = x[piece]
        if centered:
            np.add.reduce(source, axis=axes, keepdims=True, out=m)
            m /= n
            source = np.subtract(source, m)
        np.add.reduce(source * source, axis=axes, keepdims=True, out=v)
        v /= n
        _scaled(source, 1 / np.sqrt(v + epsilon), _at(scale, piece), part)
        part += _at(offset, piece)

    with np.errstate(all="ignore"):
        _for_each(work, len(pieces), split=x.size >= _LEAST)
    return y, mu, variance


def _scaled(x: Any, rate: Any, scale: Any, out: Any) -> None:
    """Multiply by both, by the small ones first if their product is small."""
    sizes = zip(rate.shape, scale.shape, strict=True)
    if all(a == 1 or b in (1, a) for a, b in sizes) and rate.size * scale.size <= x.size:
        np.multiply(x, rate * scale, out=out)
    else:
        np.multiply(x, rate, out=out)
        out *= scale
