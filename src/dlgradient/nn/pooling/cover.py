"""Maxima over windows that cover an array, of shape (batch, channels, *sizes).

Of n elements in m windows, window i is from floor(i·n / m) to ceil((i + 1)·n / m).
"""

from __future__ import annotations

import numpy as np

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Array, Shape, Value
from dlgradient.nn.pooling import intervals
from dlgradient.nn.shared.weighted import kept_if_small
from dlgradient.rules import general

# The operation is not public; users call `adaptivemaxpool`.
__all__: list[str] = []


def bounds(n: int, count: int) -> tuple[Array, Array]:
    """Return where each of `count` windows that cover `n` elements begins and ends."""
    i = np.arange(count)
    return i * n // count, -(-(i + 1) * n // count)


# -- kernels -------------------------------------------------------------------------------------


@kept_if_small
def _line(n: int, count: int) -> intervals.Line:
    return intervals.Line(*bounds(n, count))


def _windows(x: Array, size: Shape) -> intervals.Windows:
    return [_line(n, count) for n, count in zip(x.shape[2:], size, strict=True)]


def _maximum(x: Array, *, size: Shape) -> Array:
    return intervals.maximum(x, _windows(x, size))


def _adjoint_kernel(g: Array, x: Array, *, size: Shape) -> Array:
    return intervals.maximum_adjoint(g, x, _windows(x, size))


def _tangent_kernel(t: Array, x: Array, *, size: Shape) -> Array:
    return intervals.maximum_tangent(t, x, _windows(x, size))


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
