"""Sums and maxima over sliding windows, of arrays of shape (batch, channels, *sizes).

A parameter, the geometry, says how a window slides. Elements outside the array are in no window.
"""

from __future__ import annotations

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Shape, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.nn.pooling import kernels
from dlgradient.nn.shared.geometry import Geometry
from dlgradient.rules import constant, general, linear, multilinear

# The operations are not public; users call `dlgradient.nn.pooling.pool`.
__all__: list[str] = []


# -- sums ----------------------------------------------------------------------------------------


def _spread(g: Value, geometry: Geometry) -> Value:
    return window_spread(g, geometry=geometry)


@linear(x=_spread, kernel=kernels.sum, format="new", samples=lambda m: _samples_of_sums(m))
def window_sum(x: Value, /, *, geometry: Geometry) -> Value:
    """Sum over each window, of shape (batch, channels, *results)."""


def _sum(g: Value, geometry: Geometry) -> Value:
    return window_sum(g, geometry=geometry)


@linear(
    x=_sum,
    kernel=kernels.spread,
    format="new",
    samples=lambda m: _samples_of_sums(m, of="results"),
)
def window_spread(x: Value, /, *, geometry: Geometry) -> Value:
    """Add the value of each window to all of its elements: the adjoint of `window_sum`."""


# -- maxima --------------------------------------------------------------------------------------


def _pull(g: Value, x: Value, out: Value, geometry: Geometry) -> Value:
    return window_max_adjoint(g, x, out, geometry=geometry)


def _push(t: Value, x: Value, out: Value, geometry: Geometry) -> Value:
    return window_max_tangent(t, x, out, geometry=geometry)


@general(
    x=_pull,
    jvp={"x": _push},
    kernel=kernels.maximum,
    domain="real",
    format="new",
    shown="maxpool",
    masks=True,
    samples=lambda m: [*_samples(m), *_ties()],
)
def window_max(x: Value, /, *, geometry: Geometry) -> Value:
    """Maximum over each window; equally large elements share its cotangent equally."""


# Which elements are the largest is a constant here: operand and result of `window_max` have no
# derivative in the two operations below, which are each other's adjoints.


def _adjoint(g: Value, x: Value, best: Value, geometry: Geometry) -> Value:
    return window_max_adjoint(g, x, best, geometry=geometry)


def _tangent(t: Value, x: Value, best: Value, geometry: Geometry) -> Value:
    return window_max_tangent(t, x, best, geometry=geometry)


@general(
    g=_tangent,
    jvp={"g": _adjoint},
    kernel=kernels.maximum_adjoint,
    format="new",
    masks=True,
    samples=lambda m: _samples_of_derivatives(m, of="results"),
)
def window_max_adjoint(g: Value, x: Value, best: Value, /, *, geometry: Geometry) -> Value:
    """The cotangent of `window_max`: the largest elements of each window share that of the window.

    Parameters
    ----------
    g : array
        Shape (batch, channels, *results).
    x, best : array
        Operand and result of `window_max`. NaN counts as equal to NaN.
    geometry : Geometry

    Returns
    -------
    array
        Shape (batch, channels, *sizes).
    """


@general(
    t=_adjoint,
    jvp={"t": _tangent},
    kernel=kernels.maximum_tangent,
    format="new",
    masks=True,
    samples=lambda m: _samples_of_derivatives(m, of="sizes"),
)
def window_max_tangent(t: Value, x: Value, best: Value, /, *, geometry: Geometry) -> Value:
    """The tangent of `window_max`: its mean over the largest elements of each window.

    Parameters
    ----------
    t : array
        Shape (batch, channels, *sizes).
    x, best : array
        Operand and result of `window_max`.
    geometry : Geometry

    Returns
    -------
    array
        Shape (batch, channels, *results).
    """


@constant(
    kernel=kernels.argmax,
    domain="real",
    format="new",
    shown="maxpool",
    samples=lambda m: _samples(m),
)
def window_argmax(x: Value, /, *, geometry: Geometry) -> Value:
    """The place of the maximum of each window, as an index in C order.

    Of several equal ones it is the first. The result is int64, of shape (batch, channels,
    *results).
    """


# -- elements by their numbers -------------------------------------------------------------------


def _gathered(g: Value, indices: Value) -> Value:
    return gathered(g, indices)


@multilinear(
    x=_gathered,
    kernel=kernels.place,
    format="new",
    masks=True,
    shown="maxunpool",
    samples=lambda m: [
        case(m.real(1, 2, 3), np.array([[[4, 0, 1], [2, 3, 0]]]), size=(5,)),
        case(m.complex(2, 1, 1, 2), np.array([[[[3, 1]]], [[[0, 2]]]]), size=(2, 2)),
        case(m.real(1, 1, 4), np.array([[[1, 0, 1, 1]]]), size=(3,)),
    ],
    errors=lambda m: [
        Error(case(m.real(1, 1, 1), np.array([[[2]]]), size=(2,)), InvalidArgumentError, "outside"),
    ],
)
def place(x: Value, indices: Value, /, *, size: Shape) -> Value:
    """Put elements at their indices, into zeros; of several with one index, the last stays.

    Parameters
    ----------
    x : array
        Shape (batch, channels, *results).
    indices : array of int
        Of the same shape: indices of elements of the result, in C order of its sizes.
    size : tuple of int

    Returns
    -------
    array
        Shape (batch, channels, *size).
    """


@multilinear(
    x=lambda g, x_like, indices: place(g, indices, size=x_like.shape[2:]),
    kernel=kernels.gather,
    format="new",
    masks=True,
    samples=lambda m: [
        case(m.real(1, 2, 5), np.array([[[4, 0, 1], [2, 3, 0]]])),
        case(m.complex(2, 1, 2, 2), np.array([[[[3, 1]]], [[[0, 2]]]])),
        case(m.real(1, 1, 3), np.array([[[1, 0, 1, 1]]])),
    ],
)
def gathered(x: Value, indices: Value, /) -> Value:
    """Elements by their indices, for the last of equal ones, else zero: the adjoint of `place`.

    Parameters
    ----------
    x : array
        Shape (batch, channels, *sizes).
    indices : array of int
        Shape (batch, channels, *results).

    Returns
    -------
    array
        Of the shape of the indices.
    """


# -- samples -------------------------------------------------------------------------------------

_GEOMETRIES = (
    # sizes, window, results, stride, dilation, start
    Geometry((5,), (2,), (2,), (2,), (1,), (0,)),
    Geometry((3, 4), (3, 2), (3, 2), (1, 2), (1, 2), (1, 0)),
    Geometry((2, 3, 2), (1, 2, 2), (2, 2, 1), (1, 1, 2), (1, 1, 1), (0, 0, 0)),
)


def _samples(m: Maker, of: str = "sizes") -> list[Case]:
    """Samples of an operand with the sizes of the array, or of the results."""
    return [case(m.real(2, 1, *getattr(g, of)), geometry=g) for g in _GEOMETRIES]


def _samples_of_sums(m: Maker, of: str = "sizes") -> list[Case]:
    g = _GEOMETRIES[0]
    return [*_samples(m, of), case(m.complex(2, 1, *getattr(g, of)), geometry=g)]


def _ties() -> list[Case]:
    line = Geometry((4,), (2,), (3,), (1,), (1,), (0,))
    square = Geometry((2, 2), (3, 3), (1, 1), (1, 1), (1, 1), (1, 1))
    tied = np.array([[[2.0, 2.0, 1.0, 2.0]]])
    return [
        case(tied, kink=True, gradient={"x": [[[0.5, 1.5, 0, 1]]]}, geometry=line),
        case(
            np.ones((1, 1, 2, 2)),
            kink=True,
            gradient={"x": np.full((1, 1, 2, 2), 0.25)},
            geometry=square,
        ),
    ]


def _samples_of_derivatives(m: Maker, of: str) -> list[Case]:
    """Samples with integers for operand and result of `window_max`, some of which are equal."""
    cases = []
    for g in _GEOMETRIES:
        x = m.rng.integers(0, 3, (2, 1, *g.sizes))
        shape = (2, 1, *getattr(g, of))
        cases.append(case(m.real(*shape), x, kernels.maximum(x, geometry=g), geometry=g))
        cases.append(case(m.complex(*shape), x, kernels.maximum(x, geometry=g), geometry=g))
    return cases
