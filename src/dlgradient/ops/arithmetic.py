"""Arithmetic: sums, products, quotients, powers and roots, elementwise.

The rules are differentials, as in a calculus book: ``t`` stands for dx (or dy). Kernels are Python's
operators where there is one: for NumPy scalars these cost a fifth of the NumPy functions.
"""

from __future__ import annotations

import cmath
import math
import operator
from typing import Any

import numpy as np

from dlgradient.backend.numpy import PYTHON_SCALARS, RAW_TYPES
from dlgradient.ops.choice import where
from dlgradient.ops.exponential import log
from dlgradient.ops.logical import equal, isfinite, logical_and, logical_not, logical_or
from dlgradient.ops.samples import case
from dlgradient.rules import constant, elementwise

__all__ = [
    "add",
    "cbrt",
    "divide",
    "floor_divide",
    "hypot",
    "multiply",
    "negative",
    "positive",
    "pow",
    "reciprocal",
    "remainder",
    "sqrt",
    "square",
    "subtract",
]

_SCALARS = RAW_TYPES - {np.ndarray}


def _one(m: Any) -> list[Any]:
    return [case(m.real(3)), case(m.real()), case(m.real(2, 0)), case(m.complex(2, 2))]


def _reals(m: Any) -> list[Any]:
    """Samples of a binary operation: equal shapes, broadcasting, scalars, empty."""
    return [
        case(m.real(3), m.real(3)),
        case(m.real(2, 1), m.real(3)),
        case(m.real(), m.real(2, 2)),
        case(m.real(3), 2.5),
        case(-1.5, m.real(3)),
        case(m.real(), m.real()),
        case(m.real(0, 2), m.real(2)),
    ]


def _pairs(m: Any) -> list[Any]:
    return [
        *_reals(m),
        case(m.complex(3), m.complex(3)),
        case(m.complex(2, 1), m.real(3)),
        case(m.real(2), 1.5 - 0.5j),
    ]


@elementwise(x=lambda t: t, y=lambda t: t, kernel=operator.add, samples=_pairs, numpy=np.add)
def add(x: Any, y: Any, /) -> Any:
    """Sum, elementwise."""


@elementwise(x=lambda t: t, y=lambda t: -t, kernel=operator.sub, samples=_pairs, numpy=np.subtract)
def subtract(x: Any, y: Any, /) -> Any:
    """Difference, elementwise."""


@elementwise(
    x=lambda t, y: t * y,
    y=lambda t, x: t * x,
    kernel=operator.mul,
    samples=_pairs,
    numpy=np.multiply,
)
def multiply(x: Any, y: Any, /) -> Any:
    """Product, elementwise."""


@elementwise(
    x=lambda t, y: t / y,
    y=lambda t, y, out: -t * out / y,
    kernel=operator.truediv,
    samples=_pairs,
    numpy=np.divide,
)
def divide(x: Any, y: Any, /) -> Any:
    """Quotient, elementwise."""


@constant(labels="align", kernel=operator.floordiv, samples=_reals, numpy=np.floor_divide)
def floor_divide(x: Any, y: Any, /) -> Any:
    """Quotient rounded down, elementwise."""


@elementwise(
    x=lambda t: t,
    y=lambda t, x, y: -t * floor_divide(x, y),
    kernel=operator.mod,
    samples=_reals,
    numpy=np.remainder,
)
def remainder(x: Any, y: Any, /) -> Any:
    """Remainder of the division rounded down, elementwise."""


def _pow_base(t: Any, x: Any, y: Any) -> Any:
    """t y x^(y-1), and 0 where y is 0 (not 0 times infinity)."""
    if type(y) in _SCALARS:
        # The exponent is a constant, or derivatives of this one are not asked for.
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
        # A traced exponent: the derivative of this one by y at 0 is 1/x, so the mask must be small.
        zero = logical_and(zero, logical_not(isfinite(power)))
    return where(zero, 0, t * (y * power))


def _pow_exponent(t: Any, x: Any, out: Any) -> Any:
    """t x^y log x, and 0 where the base is 0 and the power is not infinite."""
    if type(x) in PYTHON_SCALARS and x:
        if type(x) is complex:
            return t * (out * cmath.log(x))
        if x > 0:
            return t * (out * math.log(x))
    if out.dtype.kind == "c":
        x = x + 0j  # a negative base of a complex power has a logarithm
    gone = logical_or(equal(out, 0), logical_and(equal(x, 0), isfinite(out)))
    return where(gone, 0, t * (out * log(x)))


@elementwise(
    x=_pow_base,
    y=_pow_exponent,
    kernel=operator.pow,
    samples=lambda m: [case(m.positive(3), m.real(3))],
    numpy=np.power,
)
def pow(x: Any, y: Any, /) -> Any:
    """Power, elementwise."""


@elementwise(x=lambda t: -t, kernel=operator.neg, samples=_one, numpy=np.negative)
def negative(x: Any, /) -> Any:
    """Negative, elementwise."""


@elementwise(x=lambda t: t, kernel=operator.pos, samples=_one, numpy=np.positive)
def positive(x: Any, /) -> Any:
    """The same values."""


@elementwise(x=lambda t, x: t * (2 * x), samples=_one, numpy=np.square)
def square(x: Any, /) -> Any:
    """Square, elementwise."""
    return x * x


@elementwise(
    x=lambda t, out: t / (2 * out),
    kernel=np.sqrt,
    samples=lambda m: [case(m.positive(3)), case(m.positive()), case(m.complex(2, 2))],
    numpy=np.sqrt,
)
def sqrt(x: Any, /) -> Any:
    """Square root, elementwise."""


@elementwise(
    x=lambda t, out: t / (3 * (out * out)),
    kernel=np.cbrt,
    samples=lambda m: [case(m.real(3)), case(m.real()), case(m.real(0))],
    numpy=np.cbrt,
)
def cbrt(x: Any, /) -> Any:
    """Real cube root, elementwise."""


@elementwise(x=lambda t, out: -t * (out * out), samples=_one, numpy=np.reciprocal)
def reciprocal(x: Any, /) -> Any:
    """One divided by ``x``, elementwise."""
    return 1 / x


def _hypot_part(t: Any, a: Any, out: Any) -> Any:
    return t * where(equal(out, 0), 0, a / out)


@elementwise(
    x=lambda t, x, out: _hypot_part(t, x, out),
    y=lambda t, y, out: _hypot_part(t, y, out),
    kernel=np.hypot,
    samples=_reals,
    numpy=np.hypot,
)
def hypot(x: Any, y: Any, /) -> Any:
    """Length of the hypotenuse, elementwise."""
