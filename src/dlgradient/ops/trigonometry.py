"""Trigonometric and hyperbolic functions, and their inverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.ops.arithmetic import hypot, sqrt
from dlgradient.ops.choice import where
from dlgradient.ops.logical import equal
from dlgradient.ops.samples import case
from dlgradient.rules import elementwise

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


def _anywhere(m: Any) -> list[Any]:
    return [case(m.real(3)), case(m.real()), case(m.real(2, 0)), case(m.complex(2, 2))]


def _small(m: Any) -> list[Any]:
    """Inside the unit interval, and away from the poles of tan."""
    return [case(m.inside(3)), case(m.inside()), case(m.inside(2, 0)), case(m.complex(2, 2))]


@elementwise(x=lambda t, x: t * cos(x), kernel=np.sin, samples=_anywhere, numpy=np.sin)
def sin(x: Any, /) -> Any:
    """Sine, elementwise."""


@elementwise(x=lambda t, x: -t * sin(x), kernel=np.cos, samples=_anywhere, numpy=np.cos)
def cos(x: Any, /) -> Any:
    """Cosine, elementwise."""


@elementwise(x=lambda t, out: t * (1 + out * out), kernel=np.tan, samples=_small, numpy=np.tan)
def tan(x: Any, /) -> Any:
    """Tangent, elementwise."""


def _asin_rule(t: Any, x: Any) -> Any:
    # (1 - x)(1 + x) and not 1 - x²: no cancellation near the ends.
    return t / sqrt((1 - x) * (1 + x))


@elementwise(x=_asin_rule, kernel=np.arcsin, samples=_small, numpy=np.arcsin)
def asin(x: Any, /) -> Any:
    """Inverse sine, elementwise."""


@elementwise(x=lambda t, x: -_asin_rule(t, x), kernel=np.arccos, samples=_small, numpy=np.arccos)
def acos(x: Any, /) -> Any:
    """Inverse cosine, elementwise."""


@elementwise(x=lambda t, x: t / (1 + x * x), kernel=np.arctan, samples=_anywhere, numpy=np.arctan)
def atan(x: Any, /) -> Any:
    """Inverse tangent, elementwise."""


def _atan2_part(t: Any, a: Any, y: Any, x: Any) -> Any:
    """t a / (x² + y²), without overflow of the squares; 0 at the origin."""
    r = hypot(y, x)
    return t * where(equal(r, 0), 0, a / r / r)


@elementwise(
    y=lambda t, y, x: _atan2_part(t, x, y, x),
    x=lambda t, y, x: -_atan2_part(t, y, y, x),
    kernel=np.arctan2,
    samples=lambda m: [case(m.real(3), m.real(3))],
    numpy=np.arctan2,
)
def atan2(y: Any, x: Any, /) -> Any:
    """Angle of the point (x, y), elementwise."""


@elementwise(x=lambda t, x: t * cosh(x), kernel=np.sinh, samples=_anywhere, numpy=np.sinh)
def sinh(x: Any, /) -> Any:
    """Hyperbolic sine, elementwise."""


@elementwise(x=lambda t, x: t * sinh(x), kernel=np.cosh, samples=_anywhere, numpy=np.cosh)
def cosh(x: Any, /) -> Any:
    """Hyperbolic cosine, elementwise."""


@elementwise(x=lambda t, out: t * (1 - out * out), kernel=np.tanh, samples=_anywhere, numpy=np.tanh)
def tanh(x: Any, /) -> Any:
    """Hyperbolic tangent, elementwise."""


@elementwise(
    x=lambda t, x: t / sqrt(1 + x * x), kernel=np.arcsinh, samples=_anywhere, numpy=np.arcsinh
)
def asinh(x: Any, /) -> Any:
    """Inverse hyperbolic sine, elementwise."""


# Two square roots: the root of the product has the other sign in the left half-plane.
@elementwise(
    x=lambda t, x: t / (sqrt(x - 1) * sqrt(x + 1)),
    kernel=np.arccosh,
    samples=lambda m: [case(m.positive(3) + 1), case(m.positive() + 1), case(m.complex(2, 2))],
    numpy=np.arccosh,
)
def acosh(x: Any, /) -> Any:
    """Inverse hyperbolic cosine, elementwise."""


@elementwise(
    x=lambda t, x: t / ((1 - x) * (1 + x)), kernel=np.arctanh, samples=_small, numpy=np.arctanh
)
def atanh(x: Any, /) -> Any:
    """Inverse hyperbolic tangent, elementwise."""
