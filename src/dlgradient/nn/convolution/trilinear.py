"""Convolution as a trilinear form; its three partial maps are the operations of this module.

The input ``x`` has the shape (batch, channels, *sizes), the kernel ``w`` (filters, channels /
groups, *window), and ``y`` (batch, filters, *results). All sums are contractions of

    T(x, w, y) = Σ x[n, c, s·o + d·k - start] w[f, c, k] y[n, f, o]

with strides s and dilations d, where ``x`` is zero outside its bounds:

=================  ==========  ==========================================
operation          contracts   also known as
=================  ==========  ==========================================
`convolve`         x and w     convolution, as deep learning calls it
`deconvolve`       y and w     transposed convolution; gradient for ``x``
`correlate`        x and y     gradient for ``w``
=================  ==========  ==========================================

The adjoints of each are the other two, with the same geometry. So derivatives of every order stay
in this module.
"""

from __future__ import annotations

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Value
from dlgradient.nn.convolution import unfold
from dlgradient.nn.shared.geometry import Geometry
from dlgradient.ops.complex import conjugated
from dlgradient.ops.reduce import sum
from dlgradient.ops.shape import reshape
from dlgradient.rules import general, multilinear

# The operations are not public; users call `dlgradient.nn.convolution.conv`.
__all__: list[str] = []


def _convolve_x(g: Value, w: Value, geometry: Geometry) -> Value:
    return deconvolve(g, conjugated(w), geometry=geometry)


def _convolve_w(g: Value, x: Value, geometry: Geometry) -> Value:
    return correlate(conjugated(x), g, geometry=geometry)


@multilinear(
    x=_convolve_x,
    w=_convolve_w,
    kernel=unfold.convolve,
    format="new",
    samples=lambda m: _samples(m, "xw"),
)
def convolve(x: Value, w: Value, /, *, geometry: Geometry) -> Value:
    """Σ over channels c and places k of x[n, c, s·o + d·k - start] w[f, c, k].

    Parameters
    ----------
    x : array
        Shape (batch, channels, *sizes).
    w : array
        Shape (filters, channels / groups, *window); filters of one group are adjacent.
    geometry : Geometry

    Returns
    -------
    array
        Shape (batch, filters, *results).
    """


def _convolve_b(g: Value) -> Value:
    return sum(g, axis=(0, *range(2, g.ndim)))


def _tangent_x(t: Value, w: Value, geometry: Geometry) -> Value:
    return convolve(t, w, geometry=geometry)


def _tangent_w(t: Value, x: Value, geometry: Geometry) -> Value:
    return convolve(x, t, geometry=geometry)


def _tangent_b(t: Value, geometry: Geometry) -> Value:
    return reshape(t, (-1, *[1] * len(geometry.results)))


@general(
    x=_convolve_x,
    w=_convolve_w,
    b=_convolve_b,
    jvp={"x": _tangent_x, "w": _tangent_w, "b": _tangent_b},
    kernel=unfold.convolve,
    format="new",
    samples=lambda m: _samples(m, "xwb"),
)
def biased_convolve(x: Value, w: Value, b: Value, /, *, geometry: Geometry) -> Value:
    """`convolve` plus a bias for each filter, which is added while the result is in the cache."""


def _deconvolve_y(g: Value, w: Value, geometry: Geometry) -> Value:
    return convolve(g, conjugated(w), geometry=geometry)


def _deconvolve_w(g: Value, y: Value, geometry: Geometry) -> Value:
    return correlate(g, conjugated(y), geometry=geometry)


@multilinear(
    y=_deconvolve_y,
    w=_deconvolve_w,
    kernel=unfold.deconvolve,
    format="new",
    samples=lambda m: _samples(m, "yw"),
)
def deconvolve(y: Value, w: Value, /, *, geometry: Geometry) -> Value:
    """Σ over filters f and places k of y[n, f, o] w[f, c, k], added to element s·o + d·k - start.

    Parameters
    ----------
    y : array
        Shape (batch, filters, *results).
    w : array
        Shape (filters, channels / groups, *window).
    geometry : Geometry

    Returns
    -------
    array
        Shape (batch, channels, *sizes); sums for elements outside are dropped.
    """


def _correlate_x(g: Value, y: Value, geometry: Geometry) -> Value:
    return deconvolve(conjugated(y), g, geometry=geometry)


def _correlate_y(g: Value, x: Value, geometry: Geometry) -> Value:
    return convolve(conjugated(x), g, geometry=geometry)


@multilinear(
    x=_correlate_x,
    y=_correlate_y,
    kernel=unfold.correlate,
    format="new",
    samples=lambda m: _samples(m, "xy"),
)
def correlate(x: Value, y: Value, /, *, geometry: Geometry) -> Value:
    """Σ over images n and results o of x[n, c, s·o + d·k - start] y[n, f, o].

    Parameters
    ----------
    x : array
        Shape (batch, channels, *sizes).
    y : array
        Shape (batch, filters, *results).
    geometry : Geometry

    Returns
    -------
    array
        Shape (filters, channels / groups, *window).
    """


# -- samples -------------------------------------------------------------------------------------


_GEOMETRIES = (
    # batch, channels, filters; sizes, window, results, stride, dilation, start, groups
    ((2, 2, 3), Geometry((4,), (2,), (3,), (1,), (1,), (0,))),
    ((1, 2, 2), Geometry((5,), (2,), (3,), (2,), (2,), (2,))),
    ((2, 4, 2), Geometry((3, 4), (2, 3), (3, 4), (1, 1), (1, 1), (1, 1), 2)),
    ((1, 2, 2), Geometry((4, 3), (3, 2), (2, 2), (2, 1), (1, 2), (1, 1), 2)),
    ((1, 1, 5), Geometry((2, 3, 2), (2, 2, 1), (2, 2, 2), (1, 1, 2), (1, 1, 1), (1, 0, 1))),
    ((2, 3, 3), Geometry((4, 5), (2, 3), (2, 5), (2, 1), (1, 1), (1, 1), 3)),
    ((0, 2, 2), Geometry((3,), (2,), (2,), (1,), (1,), (0,))),
)


def _samples(m: Maker, names: str) -> list[Case]:
    """Samples of an operation with the operands `names`, of x, w, y and a bias b."""
    cases = []
    for i, ((batch, channels, filters), geometry) in enumerate(_GEOMETRIES):
        shapes = {
            "x": (batch, channels, *geometry.sizes),
            "w": (filters, channels // geometry.groups, *geometry.window),
            "y": (batch, filters, *geometry.results),
            "b": (filters,),
        }
        draw = m.complex if i == 1 else m.real
        cases.append(case(*[draw(*shapes[name]) for name in names], geometry=geometry))
    return cases
