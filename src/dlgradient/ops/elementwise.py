"""Elementwise functions: arithmetic, powers, exponentials, trigonometry, choice.

The rules are differentials, as in a calculus book: ``t`` stands for dx (or dy).
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dlgradient.ops.samples import case
from dlgradient.rules import elementwise

__all__ = ["add", "cos", "divide", "exp", "multiply", "negative", "pow", "sin", "subtract", "where"]


def _pairs(m: Any) -> list[Any]:
    """Samples of a binary operation: equal shapes, broadcasting, scalars, mixed and complex."""
    return [
        case(m.real(3), m.real(3)),
        case(m.real(2, 1), m.real(3)),
        case(m.real(), m.real(2, 2)),
        case(m.real(3), 2.5),
        case(m.complex(3), m.complex(3)),
        case(m.complex(2, 1), m.real(3)),
    ]


@elementwise(
    x=lambda t: t, y=lambda t: t, kernel=operator.add, samples=_pairs, numpy=np.add
)
def add(x: Any, y: Any, /) -> Any:
    """Sum, elementwise."""


@elementwise(
    x=lambda t: t, y=lambda t: -t, kernel=operator.sub, samples=_pairs, numpy=np.subtract
)
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


@elementwise(
    x=lambda t, x, y: t * y * x ** (y - 1),
    y=lambda t, x, out: t * out * x,
    kernel=operator.pow,
    samples=_pairs,
    numpy=np.power,
)
def pow(x: Any, y: Any, /) -> Any:
    """Power, elementwise."""


@elementwise(x=lambda t: -t, kernel=operator.neg, samples=lambda m: [case(m.real(3))], numpy=np.negative)
def negative(x: Any, /) -> Any:
    """Negative, elementwise."""


@elementwise(x=lambda t, out: t * out, kernel=np.exp, samples=lambda m: [case(m.real(3)), case(m.complex(3))], numpy=np.exp)
def exp(x: Any, /) -> Any:
    """Exponential, elementwise."""


@elementwise(x=lambda t, x: t * cos(x), kernel=np.sin, samples=lambda m: [case(m.real(3)), case(m.complex(3))], numpy=np.sin)
def sin(x: Any, /) -> Any:
    """Sine, elementwise."""


@elementwise(x=lambda t, x: -t * sin(x), kernel=np.cos, samples=lambda m: [case(m.real(3)), case(m.complex(3))], numpy=np.cos)
def cos(x: Any, /) -> Any:
    """Cosine, elementwise."""

@elementwise(x=lambda t, out: t * (1 - out * out), kernel=np.tanh, samples=lambda m: [case(m.real(3)), case(m.complex(3))], numpy=np.tanh)
def tanh(x: Any, /) -> Any:
    """Hyperbolic tangent, elementwise."""
@elementwise(x=lambda t, out: t / (2 * out), kernel=np.sqrt, samples=lambda m: [case(m.positive(3))], numpy=np.sqrt)
def sqrt(x: Any, /) -> Any:
    """Square root, elementwise."""


@elementwise(
    x=lambda t, condition: where(condition, t, 0),
    y=lambda t, condition: where(condition, 0, t),
    masks=True,
    kernel=np.where,
    samples=lambda m: [case(m.bools(3), m.real(3), m.real(3))],
    numpy=np.where,
)
def where(condition: Any, x: Any, y: Any, /) -> Any:
    """Elements of ``x`` where ``condition`` is true, elsewhere of ``y``."""
