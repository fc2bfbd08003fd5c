"""Arithmetic, elementwise: sums, products, quotients and remainders.

The rules are differentials, as in a calculus book: ``t`` stands for dx (or dy). Kernels are
Python's operators: for NumPy scalars these cost a fifth of NumPy's functions.
"""

from __future__ import annotations

import operator

import numpy as np

from dlgradient.core.samples import anywhere, away, case, mismatch, pairs, real_pairs
from dlgradient.core.types import Array, Operand, Value
from dlgradient.rules import constant, elementwise

__all__ = [
    "add",
    "divide",
    "floor_divide",
    "fmod",
    "multiply",
    "negative",
    "positive",
    "remainder",
    "subtract",
]


@elementwise(
    x=lambda t: t,
    y=lambda t: t,
    kernel=operator.add,
    samples=pairs,
    errors=mismatch,
    numpy=np.add,
)
def add(x: Operand, y: Operand, /) -> Value:
    """Sum, elementwise: x + y.

    Examples
    --------
    >>> dl.add(dl.dlarray([1.0, 2.0]), 0.5)
    dlarray([1.5, 2.5])

    Source: array-API ``add``; MATLAB ``plus``.
    """


@elementwise(
    x=lambda t: t,
    y=lambda t: -t,
    kernel=operator.sub,
    samples=pairs,
    errors=mismatch,
    numpy=np.subtract,
)
def subtract(x: Operand, y: Operand, /) -> Value:
    """Difference, elementwise: x - y.

    Examples
    --------
    >>> dl.subtract(dl.dlarray([1.0, 2.0]), 0.5)
    dlarray([0.5, 1.5])

    Source: array-API ``subtract``; MATLAB ``minus``.
    """


@elementwise(
    x=lambda t, y: t * y,
    y=lambda t, x: t * x,
    kernel=operator.mul,
    samples=pairs,
    errors=mismatch,
    numpy=np.multiply,
)
def multiply(x: Operand, y: Operand, /) -> Value:
    """Product, elementwise: x y.

    Examples
    --------
    >>> dl.multiply(dl.dlarray([1.0, 2.0]), 3)
    dlarray([3., 6.])

    Source: array-API ``multiply``; MATLAB ``times``.
    """


@elementwise(
    x=lambda t, y: t / y,
    y=lambda t, y, out: -t * out / y,
    kernel=operator.truediv,
    samples=pairs,
    errors=mismatch,
    numpy=np.divide,
)
def divide(x: Operand, y: Operand, /) -> Value:
    """Quotient, elementwise: x / y; integers give floating-point numbers.

    The differential is dx / y - x dy / y².

    Examples
    --------
    >>> dl.divide(dl.dlarray([1.0, 2.0]), 4)
    dlarray([0.25, 0.5 ])

    Source: array-API ``divide``; MATLAB ``rdivide``.
    """


def _fraction(x: Array, y: Array) -> Array:
    """Distance of a quotient from an integer, where it jumps when it is rounded."""
    return x / y - np.round(x / y)


@constant(
    format="align",
    kernel=operator.floordiv,
    samples=away(real_pairs, _fraction),
    domain="real",
    errors=mismatch,
    numpy=np.floor_divide,
)
def floor_divide(x: Operand, y: Operand, /) -> Value:
    """Quotient rounded towards minus infinity, elementwise: ⌊x / y⌋.

    The derivative is zero, also at the jumps.

    Examples
    --------
    >>> dl.floor_divide(dl.dlarray([5.0, -5.0]), 3)
    dlarray([ 1., -2.])

    Source: array-API ``floor_divide``.
    """


@elementwise(
    x=lambda t: t,
    y=lambda t, x, y: -t * floor_divide(x, y),
    kernel=operator.mod,
    samples=lambda m: [
        *away(real_pairs, _fraction)(m),
        # At a jump, the derivative is the one from the right (for a positive divisor).
        case(np.array([2.0]), np.array([1.0]), kink=True, gradient={"x": [1.0], "y": [-2.0]}),
    ],
    domain="real",
    errors=mismatch,
    numpy=np.remainder,
)
def remainder(x: Operand, y: Operand, /) -> Value:
    """Remainder with the sign of the divisor, elementwise: x - y ⌊x / y⌋.

    The differential is dx - ⌊x / y⌋ dy; at a jump, a multiple of y, it is one-sided.

    Examples
    --------
    >>> dl.remainder(dl.dlarray([5.0, -5.0]), 3).tolist()
    [2.0, 1.0]

    Source: array-API ``remainder``; MATLAB ``mod``.
    """


@elementwise(
    x=lambda t: t,
    # The whole number of divisors that were taken off.
    y=lambda t, x, y, out: -t * floor_divide(x - out + 0.5 * y, y),
    kernel=np.fmod,
    samples=lambda m: [
        *away(real_pairs, _fraction)(m),
        case(np.array([-2.0]), np.array([1.0]), kink=True, gradient={"x": [1.0], "y": [2.0]}),
    ],
    domain="real",
    errors=mismatch,
    numpy=np.fmod,
)
def fmod(x: Operand, y: Operand, /) -> Value:
    """Remainder with the sign of x: x - y trunc(x / y).

    The differential is dx - trunc(x / y) dy.

    Examples
    --------
    >>> dl.fmod(dl.dlarray([5.0, -5.0]), 3)
    dlarray([ 2., -2.])

    Source: NumPy ``fmod``; MATLAB ``rem``.
    """


@elementwise(x=lambda t: -t, kernel=operator.neg, samples=anywhere, numpy=np.negative)
def negative(x: Operand, /) -> Value:
    """Negative, elementwise: -x.

    Examples
    --------
    >>> dl.negative(dl.dlarray([1.0, -2.0]))
    dlarray([-1.,  2.])

    Source: array-API ``negative``; MATLAB ``uminus``.
    """


@elementwise(x=lambda t: t, kernel=operator.pos, samples=anywhere, numpy=np.positive)
def positive(x: Operand, /) -> Value:
    """The same values: +x.

    Examples
    --------
    >>> dl.positive(dl.dlarray([1.0, -2.0]))
    dlarray([ 1., -2.])

    Source: array-API ``positive``; MATLAB ``uplus``.
    """
