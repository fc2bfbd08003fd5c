"""Powers and roots, elementwise: pow, square, sqrt, cbrt, reciprocal, hypot."""

from __future__ import annotations

import cmath
import math

import numpy as np

from dlgradient.core.samples import (
    Case,
    Error,
    Maker,
    anywhere,
    case,
    mismatch,
    positive,
    real_pairs,
)
from dlgradient.core.threads import threaded
from dlgradient.core.types import Operand, Value
from dlgradient.core.values import PYTHON_SCALARS, RAW_TYPES
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.choice import where
from dlgradient.ops.exponential import log
from dlgradient.ops.logical import equal, isfinite, logical_and, logical_not, logical_or
from dlgradient.rules import elementwise

__all__ = ["cbrt", "hypot", "pow", "reciprocal", "sqrt", "square"]

_Array = np.ndarray
_SCALARS = RAW_TYPES - {_Array}


def _powers(m: Maker) -> list[Case]:
    x = np.array([0.0, 0.5, -1.2])
    zero = np.zeros(4)
    return [
        case(m.positive(3), m.real(3)),
        case(m.positive(2, 1), m.real(3)),
        case(m.positive(), m.real()),
        case(m.positive(0, 2), m.real(2)),
        *[case(x, n) for n in (0, 1, 2, 3, 4.0)],
        *[case(m.real(2), n) for n in (-1, -2.0)],
        *[case(m.positive(2), n) for n in (0.5, np.float64(1.7))],
        case(m.real(), 3),
        # Integer arrays are constants: x^0, x^1, x² and x³ at 0 and below.
        case(np.array([[0.0], [-0.5]]), np.arange(4, dtype=np.int8)),
        case(2.0, m.real(3)),
        case(0, m.positive(3)),
        case(-0.7, m.complex(2)),
        case(0.6 + 0.8j, m.real(3)),
        case(m.complex(3), m.complex(3)),
        case(m.complex(2), 3),
        case(m.complex(2), 0.5 - 1j),
        case(m.positive(3), np.array([0.0, 1.0, 2.0])),
        case(m.real(4), m.complex(4)),
        case(
            zero,
            np.array([0.0, 1.0, 1.5, 2.0]),
            kink=True,
            gradient={"x": [0, 1.0, 0, 0], "y": zero},
        ),
        case(np.zeros(1), 0.5, kink=True, gradient={"x": [np.inf]}),
    ]


def _pow_base(t: Value, x: Value, y: Value) -> Value:
    """Return t y x^(y-1), and 0 where y is 0 (not 0 times infinity)."""
    if type(y) in _SCALARS:
        # The exponent is a constant, or this is not differentiated again.
        # The usual exponents without a power, which is slow, and exact at base 0.
        if y == 2:
            return t * (2 * x)
        if y == 1:
            return t
        if y == 0:
            return where(False, t, 0)
        return t * (y * x ** (y - 1))
    power = x ** (y - 1)
    zero = equal(y, 0)
    if type(y) is not np.ndarray:
        # The exponent is traced: the derivative of this by y at 0 is 1/x, so the mask must be
        # small.
        zero = logical_and(zero, logical_not(isfinite(power)))
    return where(zero, 0, t * (y * power))


def _pow_exponent(t: Value, x: Value, y: Value, out: Value) -> Value:
    """Return t x^y log x, and 0 where the base is 0 and the power is not infinite."""
    # With two halves of the power: the result overflows before the derivative does.
    half = y * 0.5
    if type(x) in PYTHON_SCALARS and x and (type(x) is complex or x > 0):
        power = x**half
        return t * (power * (cmath if type(x) is complex else math).log(x) * power)
    if out.dtype.kind == "c":
        x = x + 0j  # a negative base of a complex power has a logarithm
    gone = logical_or(equal(out, 0), logical_and(equal(x, 0), isfinite(out)))
    power = x**half
    return where(gone, 0, t * (power * log(x) * power))


def _power(x: Operand, y: Operand) -> Operand:
    # NumPy takes a logarithm and an exponential for it, thirty times as long. Row: cliffs.
    if type(x) is _Array and type(y) is not _Array and y == 3 and x.dtype.kind == "f":
        return x * x * x
    return x**y


@elementwise(
    x=_pow_base,
    y=_pow_exponent,
    kernel=_power,
    samples=_powers,
    errors=lambda m: [
        *mismatch(m),
        Error(case(np.array([2, 3]), -1), InvalidArgumentError, "pow: .*negative integer"),
    ],
    numpy=np.power,
)
def pow(x: Operand, y: Operand, /) -> Value:
    """Power, elementwise: x to the y; integers may not have negative exponents.

    The differential is y x^(y-1) dx + x^y log(x) dy; the first part is 0 for y = 0, the second for
    x = 0 and y > 0. For x < 0 a real exponent has the derivative NaN.

    Examples
    --------
    >>> dl.dlfeval(lambda x: dl.dlgradient((x**3).sum(), x), dl.dlarray([0.0, 2.0])).tolist()
    [0.0, 12.0]

    Source: array-API ``pow``; MATLAB ``power``.
    """


@elementwise(x=lambda t, x: t * (2 * x), kernel=lambda x: x * x, samples=anywhere, numpy=np.square)
def square(x: Operand, /) -> Value:
    """Square, elementwise: x².

    The differential is 2 x dx.

    Examples
    --------
    >>> dl.square(dl.dlarray([1.0, -2.0]))
    dlarray([1., 4.])

    Source: array-API ``square``.
    """


@elementwise(
    x=lambda t, out: t / (2 * out),
    kernel=np.sqrt,
    samples=lambda m: [
        *positive(m),
        case(np.zeros(1), kink=True, gradient={"x": [np.inf]}),
    ],
    numpy=np.sqrt,
)
def sqrt(x: Operand, /) -> Value:
    """Square root, elementwise; the principal value for complex elements.

    The differential is dx / (2 √x). At 0 it is the one-sided derivative, which is infinite.

    Examples
    --------
    >>> dl.sqrt(dl.dlarray([1.0, 4.0]))
    dlarray([1., 2.])

    Source: array-API ``sqrt``; MATLAB ``sqrt``.
    """


def _root_of_squares_rule(t: Value, out: Value) -> Value:
    zero = equal(out, 0)
    return where(zero, 0, t / (2 * where(zero, 1, out)))


@elementwise(x=_root_of_squares_rule, kernel=np.sqrt, shown="sqrt", samples=positive)
def root_of_squares(x: Operand, /) -> Value:
    """Square root of a sum of squares: at 0 it has a kink, as abs, and the derivative 0."""


@elementwise(
    x=lambda t, out: t / (3 * (out * out)),
    kernel=threaded(np.cbrt),
    samples=lambda m: [
        case(m.real(3)),
        case(m.real()),
        case(m.real(0)),
        case(np.zeros(1), kink=True, gradient={"x": [np.inf]}),
    ],
    domain="real",
    numpy=np.cbrt,
)
def cbrt(x: Operand, /) -> Value:
    """Real cube root, elementwise.

    The differential is dx / (3 ∛x²), infinite at 0.

    Examples
    --------
    >>> dl.cbrt(dl.dlarray([-8.0, 1.0]))
    dlarray([-2.,  1.])

    Source: NumPy ``cbrt``; MATLAB ``nthroot(x, 3)``.
    """


def _reciprocal(x: Value) -> Value:
    if not np.iscomplexobj(x):
        return 1 / x
    # Scaled by powers of two: complex division overflows for large parts, and for tiny ones.
    x = np.asarray(x)
    _, exponents = np.frexp(np.maximum(np.abs(x.real), np.abs(x.imag)))
    unit = np.empty_like(x)
    unit.real, unit.imag = np.ldexp(x.real, -exponents), np.ldexp(x.imag, -exponents)
    unit = 1 / unit
    out = np.empty_like(x)
    out.real, out.imag = np.ldexp(unit.real, -exponents), np.ldexp(unit.imag, -exponents)
    return out[()]


@elementwise(
    x=lambda t, out: -t * (out * out), kernel=_reciprocal, samples=anywhere, numpy=np.reciprocal
)
def reciprocal(x: Operand, /) -> Value:
    """One divided by x, elementwise; integers become float64.

    The differential is -dx / x².

    Examples
    --------
    >>> dl.reciprocal(dl.dlarray([0.5, 4.0]))
    dlarray([2.  , 0.25])

    Source: array-API ``reciprocal``.
    """


def _cosine(x: Value, y: Value) -> Value:
    # With `where`, so that 0/0 is not computed, and the origin gets 0.
    r = np.hypot(x, y)
    return np.divide(x, r, out=np.zeros_like(r), where=r != 0)[()]


def _turn(x: Value, y: Value) -> Value:
    """Return y / r², the derivative of the angle; 0 at the origin."""
    r = hypot(x, y)
    return where(equal(r, 0), 0, hypot_slope(y, x) / r)


def _hypot_slope_x(t: Value, x: Value, y: Value) -> Value:
    return t * (hypot_slope(y, x) * _turn(x, y))


def _hypot_slope_y(t: Value, x: Value, y: Value) -> Value:
    return -t * (hypot_slope(x, y) * _turn(x, y))


# The derivative of x / r by quotient and chain rule would be a difference of nearly equal numbers
# for large x.
@elementwise(
    x=_hypot_slope_x,
    y=_hypot_slope_y,
    kernel=_cosine,
    shown="hypot",
    samples=real_pairs,
    domain="real",
    errors=mismatch,
)
def hypot_slope(x: Operand, y: Operand, /) -> Value:
    """Derivative of `hypot` by x: x / √(x² + y²), and 0 at the origin."""


@elementwise(
    x=lambda t, x, y: t * hypot_slope(x, y),
    y=lambda t, x, y: t * hypot_slope(y, x),
    kernel=np.hypot,
    samples=lambda m: [
        *real_pairs(m),
        case(
            np.array([0.0, 3e200]),
            np.array([1.0, 4e200]),
            kink=True,
            gradient={"x": [0, 0.6], "y": [1, 0.8]},
        ),
        case(np.zeros(2), np.zeros(2), kink=True, gradient={"x": np.zeros(2), "y": np.zeros(2)}),
        case(np.zeros(2), 0.0, kink=True, gradient={"x": np.zeros(2)}),
    ],
    domain="real",
    errors=mismatch,
    numpy=np.hypot,
)
def hypot(x: Operand, y: Operand, /) -> Value:
    """Length of the vector (x, y), elementwise: √(x² + y²), without overflow of the squares.

    The differential is (x dx + y dy) / hypot(x, y); at (0, 0), a kink, the gradient is zero.

    Examples
    --------
    >>> dl.hypot(dl.dlarray([3.0, 0.0]), 4.0).tolist()
    [5.0, 4.0]

    Source: array-API ``hypot``; MATLAB ``hypot``.
    """


def _square_rule(t: Value, x: Value) -> Value:
    return t * (2 * x)


@elementwise(
    x=_square_rule,
    y=lambda t, y: _square_rule(t, y),
    kernel=lambda x, y: x * x + y * y,
    shown="hypot",
    samples=real_pairs,
    domain="real",
    errors=mismatch,
)
def sum_of_squares(x: Operand, y: Operand, /) -> Value:
    """Square of `hypot`."""
