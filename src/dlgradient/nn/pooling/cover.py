"""Maxima over a few windows that cover an array, of shape (batch, channels, *sizes).

Of n elements in m windows, window i is from floor(i·n / m) to ceil((i + 1)·n / m). Windows are
reduced dimension by dimension: an element is the maximum of its window if it is so along each.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.sizes import COVER_CHUNK_BYTES, COVER_RUN_ELEMENTS, POOL_THREAD_ELEMENTS
from dlgradient.core.types import Array, Axis, Shape, Value
from dlgradient.nn.shared.blocks import for_each_chunk, items_within
from dlgradient.rules import general

# The operation is not public; users call `adaptivemaxpool`.
__all__: list[str] = []


def bounds(n: int, count: int) -> tuple[Array, Array]:
    """Return where each of `count` windows that cover `n` elements begins and ends."""
    i = np.arange(count)
    return i * n // count, -(-(i + 1) * n // count)


# -- kernels -------------------------------------------------------------------------------------


def _laid(y: Array, axis: Axis) -> Array:
    """Return an array as (lines, elements along `axis`, run), with a run of many elements."""
    lines, n, after = prod(y.shape[:axis]), y.shape[axis], prod(y.shape[axis + 1 :])
    flat = y.reshape(lines, n, after)
    if after >= COVER_RUN_ELEMENTS:
        return flat
    return np.ascontiguousarray(flat.swapaxes(0, 1)).reshape(1, n, lines * after)


def _unlaid(y: Array, shape: Shape, axis: Axis) -> Array:
    """Return a result of `_laid` in its shape."""
    lines, after = prod(shape[:axis]), prod(shape[axis + 1 :])
    if after < COVER_RUN_ELEMENTS:
        y = y.reshape(shape[axis], lines, after).swapaxes(0, 1)
    return y.reshape(shape)


class _Stage:
    """The maxima of some images along one dimension.

    Attributes
    ----------
    x : array
        The images, or their maxima along the dimensions before.
    y : array
        The maxima.
    """

    def __init__(self, x: Array, axis: Axis, count: int) -> None:
        self.x, self.axis = np.ascontiguousarray(x), axis
        self.first, self.last = bounds(x.shape[axis], count)
        laid = _laid(self.x, axis)
        y = np.empty((laid.shape[0], count, laid.shape[2]), x.dtype)
        for i, window in enumerate(zip(self.first, self.last, strict=True)):
            np.maximum.reduce(laid[:, slice(*window)], axis=1, out=y[:, i])
        self.y = _unlaid(y, (*x.shape[:axis], count, *x.shape[axis + 1 :]), axis)

    def largest(self, places: Array) -> tuple[Array, Array]:
        """Return which elements of `x` are the maxima at some places of `y`.

        Returns
        -------
        rows, found : array of int
            Indices into `places`, and into the elements of `x`. NaN is equal to NaN.
        """
        n, after = self.x.shape[self.axis], prod(self.x.shape[self.axis + 1 :])
        upper, run = np.divmod(places, after)
        line, window = np.divmod(upper, len(self.first))
        start = (line * n + self.first[window]) * after + run
        lengths = (self.last - self.first)[window]
        shortest = np.min(lengths, initial=1 << 30)
        flat, best = self.x.reshape(-1), np.take(self.y, places)
        broken = bool(np.isnan(best).any())
        found = []
        # Step by step: an index for all elements of all windows would cost more than the maxima.
        for step in range(np.max(lengths, initial=0)):
            short = step >= shortest
            index = start + (np.minimum(step, lengths - 1) if short else step) * after
            values = np.take(flat, index)
            mask = values == best
            if broken:
                mask |= np.isnan(values) & np.isnan(best)
            if short:
                mask &= step < lengths
            rows = np.flatnonzero(mask)
            found.append((rows, index[rows]))
        rows, index = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return rows, index


def _stages(x: Array, size: Shape) -> list[_Stage]:
    stages: list[_Stage] = []
    for axis, count in enumerate(size, start=2):
        stages.append(_Stage(stages[-1].y if stages else x, axis, count))
    return stages


def _largest(x: Array, size: Shape) -> tuple[Array, Array, Array]:
    """Return pairs of a window and one of its largest elements, and the pairs of each window."""
    stages = _stages(x, size)
    windows = places = np.arange(stages[-1].y.size)
    for stage in reversed(stages):
        rows, places = stage.largest(places)
        windows = windows[rows]
    return windows, places, np.bincount(windows, minlength=stages[-1].y.size)


def _for_each_chunk(work: Callable[[slice], None], x: Array) -> None:
    at_once = items_within(COVER_CHUNK_BYTES, prod(x.shape[1:]) * x.dtype.itemsize)
    for_each_chunk(work, x.shape[0], at_once, split=x.size >= POOL_THREAD_ELEMENTS)


def _maximum(x: Array, *, size: Shape) -> Array:
    out = np.empty((*x.shape[:2], *size), x.dtype)

    def work(chunk: slice) -> None:
        out[chunk] = _stages(x[chunk], size)[-1].y

    _for_each_chunk(work, x)
    return out


def _adjoint_kernel(g: Array, x: Array, *, size: Shape) -> Array:
    out = np.zeros(x.shape, g.dtype)

    def work(chunk: slice) -> None:
        windows, places, counts = _largest(x[chunk], size)
        shares = g[chunk].reshape(-1) / counts.astype(g.real.dtype)
        np.add.at(out[chunk].reshape(-1), places, shares[windows])

    _for_each_chunk(work, x)
    return out


def _tangent_kernel(t: Array, x: Array, *, size: Shape) -> Array:
    out = np.zeros((*x.shape[:2], *size), t.dtype)

    def work(chunk: slice) -> None:
        windows, places, counts = _largest(x[chunk], size)
        sums = out[chunk].reshape(-1)
        np.add.at(sums, windows, np.take(t[chunk], places))
        sums /= counts.astype(t.real.dtype)

    _for_each_chunk(work, x)
    return out


# -- operations ----------------------------------------------------------------------------------


def _pull(g: Value, x: Value, size: Shape) -> Value:
    return cover_max_adjoint(g, x, size=size)


def _push(t: Value, x: Value, size: Shape) -> Value:
    return cover_max_tangent(t, x, size=size)


@general(
    x=_pull,
    jvp={"x": _push},
    kernel=_maximum,
    domain="real",
    format="new",
    shown="adaptivemaxpool",
    masks=True,
    samples=lambda m: [*_samples(m), *_ties()],
)
def cover_max(x: Value, /, *, size: Shape) -> Value:
    """Maximum over each window; equally large elements share its cotangent equally.

    Parameters
    ----------
    x : array
        Shape (batch, channels, *sizes).
    size : tuple of int
        Numbers of windows.

    Returns
    -------
    array
        Shape (batch, channels, *size).
    """


# Which elements are the largest is a constant here, as in `dlgradient.nn.pooling.windowed`.


@general(
    g=_push,
    jvp={"g": _pull},
    kernel=_adjoint_kernel,
    format="new",
    masks=True,
    samples=lambda m: _samples_of_derivatives(m, results=True),
)
def cover_max_adjoint(g: Value, x: Value, /, *, size: Shape) -> Value:
    """The cotangent of `cover_max`: the largest elements of each window share that of the window.

    Parameters
    ----------
    g : array
        Shape (batch, channels, *size).
    x : array
        Operand of `cover_max`.
    size : tuple of int

    Returns
    -------
    array
        Of the shape of `x`.
    """


@general(
    t=_pull,
    jvp={"t": _push},
    kernel=_tangent_kernel,
    format="new",
    masks=True,
    samples=lambda m: _samples_of_derivatives(m, results=False),
)
def cover_max_tangent(t: Value, x: Value, /, *, size: Shape) -> Value:
    """The tangent of `cover_max`: its mean over the largest elements of each window.

    Parameters
    ----------
    t : array
        Of the shape of `x`.
    x : array
        Operand of `cover_max`.
    size : tuple of int

    Returns
    -------
    array
        Shape (batch, channels, *size).
    """


# -- samples -------------------------------------------------------------------------------------

# Sizes of images and numbers of windows.
_SIZES = (((5,), (2,)), ((3, 4), (2, 2)), ((2, 3, 2), (1, 2, 2)))


def _samples(m: Maker) -> list[Case]:
    return [case(m.real(2, 1, *sizes), size=size) for sizes, size in _SIZES]


def _ties() -> list[Case]:
    tied = np.array([[[2.0, 2.0, 1.0, 2.0, 2.0]]])
    square = np.ones((1, 1, 2, 2))
    return [
        case(tied, kink=True, gradient={"x": [[[0.5, 0.5, 0, 0.5, 0.5]]]}, size=(2,)),
        case(square, kink=True, gradient={"x": np.full((1, 1, 2, 2), 0.25)}, size=(1, 1)),
    ]


def _samples_of_derivatives(m: Maker, *, results: bool) -> list[Case]:
    """Samples with integers for the operand of `cover_max`, some of which are equal."""
    cases = []
    for sizes, size in _SIZES:
        x = m.rng.integers(0, 3, (2, 1, *sizes))
        shape = (2, 1, *(size if results else sizes))
        cases += [case(m.real(*shape), x, size=size), case(m.complex(*shape), x, size=size)]
    return cases
