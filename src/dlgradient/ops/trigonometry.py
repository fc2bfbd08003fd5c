"""Trigonometric and hyperbolic functions, and their inverses."""

from __future__ import annotations

from math import factorial

import numpy as np

from dlgradient.core.samples import anywhere, case, inside, mismatch
from dlgradient.core.threads import threaded
from dlgradient.core.types import Operand, Value
from dlgradient.ops.choice import where
from dlgradient.ops.logical import equal
from dlgradient.ops.powers import hypot, sqrt
from dlgradient.rules import Factor, elementwise, general

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


def _sin_factor(x: Value) -> Value:
    return cos(x)


@elementwise(
    x=Factor(_sin_factor),
    kernel=threaded(np.sin),
    samples=anywhere,
    numpy=np.sin,
)
def sin(x: Operand, /) -> Value:
    """Sine of angles in radians, elementwise.

    The differential is cos(x) dx.

    Examples
    --------
    >>> dl.sin(dl.dlarray([0.0, 1.0]))
    dlarray([0.        , 0.84147098])

    Source: array-API ``sin``; MATLAB ``sin``.
    """


@elementwise(x=Factor(lambda x: -sin(x)), kernel=threaded(np.cos), samples=anywhere, numpy=np.cos)
def cos(x: Operand, /) -> Value:
    """Cosine of angles in radians, elementwise.

    The differential is -sin(x) dx.

    Examples
    --------
    >>> dl.cos(dl.dlarray([0.0, 1.0]))
    dlarray([1.        , 0.54030231])

    Source: array-API ``cos``; MATLAB ``cos``.
    """


@elementwise(
    x=Factor(lambda out: 1 + out**2), kernel=threaded(np.tan), samples=inside, numpy=np.tan
)
def tan(x: Operand, /) -> Value:
    """Tangent of angles in radians, elementwise.

    The differential is (1 + tan²(x)) dx.

    Examples
    --------
    >>> dl.tan(dl.dlarray([0.0, 1.0]))
    dlarray([0.        , 1.55740772])

    Source: array-API ``tan``; MATLAB ``tan``.
    """


# An operation, because the product rule would cancel near 0.
@elementwise(
    x=Factor(lambda x: -2 * x), kernel=lambda x: (1 - x) * (1 + x), shown="asin", samples=anywhere
)
def gap_to_one(x: Operand, /) -> Value:
    """Return 1 - x² as (1 - x)(1 + x), which does not cancel near the ends."""


def _asin_rule(t: Value, x: Value) -> Value:
    return t / sqrt(gap_to_one(x))


@elementwise(x=_asin_rule, kernel=threaded(np.arcsin), samples=inside, numpy=np.arcsin)
def asin(x: Operand, /) -> Value:
    """Inverse sine, elementwise.

    The differential is dx / √(1 - x²), infinite at -1 and 1. Outside, real elements give NaN.

    Examples
    --------
    >>> dl.asin(dl.dlarray([0.0, 0.5]))
    dlarray([0.        , 0.52359878])

    Source: array-API ``asin``; MATLAB ``asin``.
    """


@elementwise(
    x=lambda t, x: -_asin_rule(t, x), kernel=threaded(np.arccos), samples=inside, numpy=np.arccos
)
def acos(x: Operand, /) -> Value:
    """Inverse cosine, elementwise.

    The differential is -dx / √(1 - x²), infinite at -1 and 1. Outside, real elements give NaN.

    Examples
    --------
    >>> dl.acos(dl.dlarray([0.0, 0.5]))
    dlarray([1.57079633, 1.04719755])

    Source: array-API ``acos``; MATLAB ``acos``.
    """


@elementwise(
    x=lambda t, x: t / (1 + x * x), kernel=threaded(np.arctan), samples=anywhere, numpy=np.arctan
)
def atan(x: Operand, /) -> Value:
    """Inverse tangent, elementwise.

    The differential is dx / (1 + x²).

    Examples
    --------
    >>> dl.atan(dl.dlarray([0.0, 1.0]))
    dlarray([0.        , 0.78539816])

    Source: array-API ``atan``; MATLAB ``atan``.
    """


def _atan2_part(t: Value, a: Value, y: Value, x: Value) -> Value:
    """Return t a / (x² + y²), without overflow of the squares; 0 at the origin."""
    r = hypot(y, x)
    # Two divisions: r² may overflow or vanish where the quotient does not.
    return t * where(equal(r, 0), 0, a / r / r)


@elementwise(
    y=lambda t, y, x: _atan2_part(t, x, y, x),
    x=lambda t, y, x: -_atan2_part(t, y, y, x),
    kernel=np.arctan2,
    samples=lambda m: [
        case(m.real(3), m.real(3)),
        case(m.real(2, 1), m.real(3)),
        case(m.real(), 0.5),
        case(m.real(0), m.real(1)),
        case(
            np.array([1e-200]),
            np.array([1e-200]),
            kink=True,
            gradient={"y": [5e199], "x": [-5e199]},
        ),
        case(np.zeros(1), np.zeros(1), kink=True, gradient={"y": [0.0], "x": [0.0]}),
    ],
    domain="real",
    errors=mismatch,
    numpy=np.arctan2,
)
def atan2(y: Operand, x: Operand, /) -> Value:
    """Angle of the point (x, y) in radians, from -π to π, elementwise.

    The differential is (x dy - y dx) / (x² + y²), without overflow. The gradient is zero at the
    origin, where it does not exist, and at the jump, y = 0 > x, that of both sides.

    Examples
    --------
    >>> dl.atan2(dl.dlarray([1.0, 0.0]), dl.dlarray([1.0, -1.0])).round(decimals=4).tolist()
    [0.7854, 3.1416]

    Source: array-API ``atan2``; MATLAB ``atan2``.
    """


def _sinh_factor(x: Value) -> Value:
    return cosh(x)


@elementwise(
    x=Factor(_sinh_factor),
    kernel=threaded(np.sinh),
    samples=anywhere,
    numpy=np.sinh,
)
def sinh(x: Operand, /) -> Value:
    """Hyperbolic sine, elementwise.

    The differential is cosh(x) dx.

    Examples
    --------
    >>> dl.sinh(dl.dlarray([0.0, 1.0]))
    dlarray([0.        , 1.17520119])

    Source: array-API ``sinh``; MATLAB ``sinh``.
    """


@elementwise(x=Factor(sinh), kernel=threaded(np.cosh), samples=anywhere, numpy=np.cosh)
def cosh(x: Operand, /) -> Value:
    """Hyperbolic cosine, elementwise.

    The differential is sinh(x) dx.

    Examples
    --------
    >>> dl.cosh(dl.dlarray([0.0, 1.0]))
    dlarray([1.        , 1.54308063])

    Source: array-API ``cosh``; MATLAB ``cosh``.
    """


@elementwise(x=Factor(lambda x: -2 * x), kernel=lambda x: 1 - x * x, shown="tanh", samples=anywhere)
def one_minus_square(x: Operand, /) -> Value:
    """Return 1 - x², the derivative of tanh where x is its value."""


@elementwise(
    x=Factor(lambda out: one_minus_square(out)),
    kernel=threaded(np.tanh),
    samples=anywhere,
    numpy=np.tanh,
)
def tanh(x: Operand, /) -> Value:
    """Hyperbolic tangent, elementwise.

    The differential is (1 - tanh²(x)) dx.

    Examples
    --------
    >>> dl.tanh(dl.dlarray([0.0, 1.0]))
    dlarray([0.        , 0.76159416])

    Source: array-API ``tanh``; MATLAB ``tanh``.
    """


def _asinh_rule(t: Value, x: Value) -> Value:
    # The square overflows before the derivative is zero.
    return t / (sqrt(1 + x * x) if x.dtype.kind == "c" else hypot(x, 1))


@elementwise(
    x=_asinh_rule,
    kernel=threaded(np.arcsinh),
    samples=anywhere,
    numpy=np.arcsinh,
)
def asinh(x: Operand, /) -> Value:
    """Inverse hyperbolic sine, elementwise.

    The differential is dx / √(1 + x²).

    Examples
    --------
    >>> dl.asinh(dl.dlarray([0.0, 1.0]))
    dlarray([0.        , 0.88137359])

    Source: array-API ``asinh``; MATLAB ``asinh``.
    """


# Two square roots: the root of the product has the other sign in the left half-plane.
@elementwise(
    x=lambda t, x: t / (sqrt(x - 1) * sqrt(x + 1)),
    kernel=threaded(np.arccosh),
    samples=lambda m: [case(m.positive(3) + 1), case(m.positive() + 1), case(m.complex(2, 2))],
    numpy=np.arccosh,
)
def acosh(x: Operand, /) -> Value:
    """Inverse hyperbolic cosine, elementwise.

    The differential is dx / (√(x - 1) √(x + 1)), infinite at 1. Below, real elements give NaN.

    Examples
    --------
    >>> dl.acosh(dl.dlarray([1.0, 2.0]))
    dlarray([0.       , 1.3169579])

    Source: array-API ``acosh``; MATLAB ``acosh``.
    """


@elementwise(
    x=lambda t, x: t / gap_to_one(x),
    kernel=threaded(np.arctanh),
    samples=inside,
    numpy=np.arctanh,
)
def atanh(x: Operand, /) -> Value:
    """Inverse hyperbolic tangent, elementwise.

    The differential is dx / (1 - x²). Outside -1 to 1, the value for real elements is NaN.

    Examples
    --------
    >>> dl.atanh(dl.dlarray([0.0, 0.5]))
    dlarray([0.        , 0.54930614])

    Source: array-API ``atanh``; MATLAB ``atanh``.
    """


# -- sin(πx) / (πx) ------------------------------------------------------------------------------


def _sinc_slope(t: Value, x: Value, order: int) -> Value:
    return t * sinc_derivative(x, order=order + 1)


@general(
    x=_sinc_slope,
    jvp={"x": _sinc_slope},
    domain="real",
    floating=True,
    reference=lambda x, order=0: _sinc_reference(x, order),
    samples=lambda m: [
        case(m.real(4), order=0),
        case(m.real(2) * 3, order=1),
        case(m.real(), order=0),
        case(np.array([0.0, -3.2, 1e-9]), order=0),
        case(m.real(2, 0), order=2),
    ],
)
def sinc_derivative(x: Operand, /, *, order: int) -> Value:
    """Derivative of sin(πx) / (πx), elementwise, with the values of its limit at 0.

    Parameters
    ----------
    x : array
        Real.
    order : int
        Zero for the function.
    """
    z = np.asarray(np.pi * x)
    is_near = np.abs(z) < 2
    near = np.where(is_near, z, 0)
    terms = range(-(-order // 2), 16)
    series = np.zeros_like(z)
    for k in terms:
        factor = (-1) ** k / ((2 * k + 1) * factorial(2 * k - order))
        series = series + factor * near ** (2 * k - order)
    away = np.where(is_near, 2, z)
    f = np.sin(away) / away
    # Of z f = sin z: z f⁽ⁿ⁾ + n f⁽ⁿ⁻¹⁾ is the nth derivative of the sine.
    sine, cosine = np.sin(away), np.cos(away)
    for n in range(1, order + 1):
        f = ((sine, cosine, -sine, -cosine)[n % 4] - n * f) / away
    return (np.where(is_near, series, f) * np.pi**order).astype(z.dtype, copy=False)[()]


def _sinc_reference(x: Value, order: int) -> Value:
    from scipy.special import spherical_jn

    return np.pi**order * spherical_jn(0, np.pi * x, derivative=order == 1)
