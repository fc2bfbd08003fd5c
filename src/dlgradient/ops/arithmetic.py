"""Arithmetic, elementwise: sums, products, quotients and remainders.

The rules are differentials, as in a calculus book: ``t`` stands for dx (or dy). Kernels are
Python's operators: for NumPy scalars these cost a fifth of NumPy's functions.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dlgradient.core.samples import Error, case
from dlgradient.errors import ComplexValueError, ShapeMismatchError
from dlgradient.rules import constant, elementwise

__all__ = [
    "add",
    "divide",
    "floor_divide",
    "multiply",
    "negative",
    "positive",
    "remainder",
    "subtract",
]


def one_operand(m: Any) -> list[Any]:
    """Samples of an operation of one operand, defined everywhere."""
    return [case(m.real(3)), case(m.real()), case(m.real(2, 0)), case(m.complex(2, 2))]


def reals(m: Any) -> list[Any]:
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
        *reals(m),
        case(m.complex(3), m.complex(3)),
        case(m.complex(2, 1), m.real(3)),
        case(m.real(2), 1.5 - 0.5j),
        case(1.5 - 0.5j, m.real()),
    ]


def mismatch(m: Any) -> list[Any]:
    """Wrong calls of a binary operation."""
    return [
        Error(case(m.real(3), m.real(2)), ShapeMismatchError, r"shape \(3,\) float64; y: shape")
    ]


def real_only(m: Any) -> list[Any]:
    """Wrong calls of a binary operation of real operands."""
    return [*mismatch(m), Error(case(m.complex(3), m.real(3)), ComplexValueError, "complex128")]


@elementwise(
    x=lambda t: t,
    y=lambda t: t,
    kernel=operator.add,
    samples=_pairs,
    errors=mismatch,
    numpy=np.add,
)
def add(x: Any, y: Any, /) -> Any:
    """Sum, elementwise: x + y.

    Parameters
    ----------
    x, y : dlarray or array_like
        Real or complex; shapes broadcast, formats align by label.

    Returns
    -------
    dlarray or array
        Of the broadcast shape and the promoted dtype.

    Raises
    ------
    ShapeMismatchError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.add(dl.dlarray([1.0, 2.0]), 0.5)
    1×2 dlarray
    [1.5 2.5]

    Source: array-API ``add``; MATLAB ``plus``.
    """


@elementwise(
    x=lambda t: t,
    y=lambda t: -t,
    kernel=operator.sub,
    samples=_pairs,
    errors=mismatch,
    numpy=np.subtract,
)
def subtract(x: Any, y: Any, /) -> Any:
    """Difference, elementwise: x - y.

    Parameters
    ----------
    x, y : dlarray or array_like
        Real or complex; shapes broadcast, formats align by label.

    Returns
    -------
    dlarray or array
        Of the broadcast shape and the promoted dtype.

    Raises
    ------
    ShapeMismatchError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.subtract(dl.dlarray([1.0, 2.0]), 0.5)
    1×2 dlarray
    [0.5 1.5]

    Source: array-API ``subtract``; MATLAB ``minus``.
    """


@elementwise(
    x=lambda t, y: t * y,
    y=lambda t, x: t * x,
    kernel=operator.mul,
    samples=_pairs,
    errors=mismatch,
    numpy=np.multiply,
)
def multiply(x: Any, y: Any, /) -> Any:
    """Product, elementwise: x y.

    Parameters
    ----------
    x, y : dlarray or array_like
        Real or complex; shapes broadcast, formats align by label.

    Returns
    -------
    dlarray or array
        Of the broadcast shape and the promoted dtype.

    Raises
    ------
    ShapeMismatchError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.multiply(dl.dlarray([1.0, 2.0]), 3)
    1×2 dlarray
    [3. 6.]

    Source: array-API ``multiply``; MATLAB ``times``.
    """


@elementwise(
    x=lambda t, y: t / y,
    y=lambda t, y, out: -t * out / y,
    kernel=operator.truediv,
    samples=_pairs,
    errors=mismatch,
    numpy=np.divide,
)
def divide(x: Any, y: Any, /) -> Any:
    """Quotient, elementwise: x / y; integers give floating-point numbers.

    The differential is dx / y - x dy / y².

    Parameters
    ----------
    x, y : dlarray or array_like
        Real or complex; shapes broadcast, formats align by label.

    Returns
    -------
    dlarray or array
        Of the broadcast shape and the promoted dtype.

    Raises
    ------
    ShapeMismatchError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.divide(dl.dlarray([1.0, 2.0]), 4)
    1×2 dlarray
    [0.25 0.5 ]

    Source: array-API ``divide``; MATLAB ``rdivide``.
    """


@constant(
    format="align",
    kernel=operator.floordiv,
    samples=reals,
    errors=real_only,
    numpy=np.floor_divide,
)
def floor_divide(x: Any, y: Any, /) -> Any:
    """Quotient rounded towards minus infinity, elementwise: ⌊x / y⌋.

    The derivative is zero, at the jumps, too.

    Parameters
    ----------
    x, y : dlarray or array_like
        Real; shapes broadcast, formats align by label.

    Returns
    -------
    dlarray or array
        Of the broadcast shape and the promoted dtype.

    Raises
    ------
    ShapeMismatchError
        If the shapes do not broadcast.
    ComplexValueError
        If an operand is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.floor_divide(dl.dlarray([5.0, -5.0]), 3)
    1×2 dlarray
    [ 1. -2.]

    Source: array-API ``floor_divide``.
    """


@elementwise(
    x=lambda t: t,
    y=lambda t, x, y: -t * floor_divide(x, y),
    kernel=operator.mod,
    samples=lambda m: [
        *reals(m),
        # At a jump the derivative is that from the right (for a positive divisor).
        case(np.array([2.0]), np.array([1.0]), kink=True, gradient={"x": [1.0], "y": [-2.0]}),
    ],
    errors=real_only,
    numpy=np.remainder,
)
def remainder(x: Any, y: Any, /) -> Any:
    """Remainder with the sign of the divisor, elementwise: x - y ⌊x / y⌋.

    The differential is dx - ⌊x / y⌋ dy. At the jumps, where x is a multiple of y, it is the same
    expression: the one-sided derivative towards zero remainder.

    Parameters
    ----------
    x, y : dlarray or array_like
        Real; shapes broadcast, formats align by label.

    Returns
    -------
    dlarray or array
        Of the broadcast shape and the promoted dtype.

    Raises
    ------
    ShapeMismatchError
        If the shapes do not broadcast.
    ComplexValueError
        If an operand is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.remainder(dl.dlarray([5.0, -5.0]), 3)
    1×2 dlarray
    [2. 1.]

    Source: array-API ``remainder``; MATLAB ``mod``.
    """


@elementwise(x=lambda t: -t, kernel=operator.neg, samples=one_operand, numpy=np.negative)
def negative(x: Any, /) -> Any:
    """Negative, elementwise: -x.

    Parameters
    ----------
    x : dlarray or array_like
        Real or complex.

    Returns
    -------
    dlarray or array
        Of the shape, dtype and format of `x`.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.negative(dl.dlarray([1.0, -2.0]))
    1×2 dlarray
    [-1.  2.]

    Source: array-API ``negative``; MATLAB ``uminus``.
    """


@elementwise(x=lambda t: t, kernel=operator.pos, samples=one_operand, numpy=np.positive)
def positive(x: Any, /) -> Any:
    """The same values: +x.

    Parameters
    ----------
    x : dlarray or array_like
        Real or complex.

    Returns
    -------
    dlarray or array
        Of the shape, dtype and format of `x`.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.positive(dl.dlarray([1.0, -2.0]))
    1×2 dlarray
    [ 1. -2.]

    Source: array-API ``positive``; MATLAB ``uplus``.
    """
