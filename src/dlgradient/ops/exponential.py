"""Exponentials and logarithms."""

from __future__ import annotations

from math import log as _log
from typing import Any

import numpy as np

from dlgradient.ops.choice import where
from dlgradient.ops.logical import equal, isinf, logical_and
from dlgradient.ops.samples import case
from dlgradient.rules import elementwise

__all__ = ["exp", "expm1", "log", "log1p", "log2", "log10", "logaddexp"]

# Python scalars: float32 stays float32 beside them.
_LN2 = _log(2.0)
_LN10 = _log(10.0)


def _anywhere(m: Any) -> list[Any]:
    return [case(m.real(3)), case(m.real()), case(m.real(2, 0)), case(m.complex(2, 2))]


def _right(m: Any) -> list[Any]:
    return [case(m.positive(3)), case(m.positive()), case(m.positive(2, 0)), case(m.complex(2, 2))]


@elementwise(x=lambda t, out: t * out, kernel=np.exp, samples=_anywhere, numpy=np.exp)
def exp(x: Any, /) -> Any:
    """Exponential, elementwise."""


# Not t * (out + 1): that would cancel where exp(x) is small.
@elementwise(x=lambda t, x: t * exp(x), kernel=np.expm1, samples=_anywhere, numpy=np.expm1)
def expm1(x: Any, /) -> Any:
    """Exponential minus one, accurate near zero."""


@elementwise(x=lambda t, x: t / x, kernel=np.log, samples=_right, numpy=np.log)
def log(x: Any, /) -> Any:
    """Natural logarithm, elementwise."""


@elementwise(x=lambda t, x: t / (1 + x), kernel=np.log1p, samples=_right, numpy=np.log1p)
def log1p(x: Any, /) -> Any:
    """Natural logarithm of one plus ``x``, accurate near zero."""


@elementwise(x=lambda t, x: t / (x * _LN2), kernel=np.log2, samples=_right, numpy=np.log2)
def log2(x: Any, /) -> Any:
    """Logarithm to base 2, elementwise."""


@elementwise(x=lambda t, x: t / (x * _LN10), kernel=np.log10, samples=_right, numpy=np.log10)
def log10(x: Any, /) -> Any:
    """Logarithm to base 10, elementwise."""


def _share(x: Any, y: Any, out: Any) -> Any:
    """exp(x) / (exp(x) + exp(y)), from the difference; one half between equal infinities."""
    difference = where(logical_and(isinf(out), equal(x, y)), 0, y - x)
    return exp(-logaddexp(difference, 0))


@elementwise(
    x=lambda t, x, y, out: t * _share(x, y, out),
    y=lambda t, x, y, out: t * _share(y, x, out),
    kernel=np.logaddexp,
    samples=lambda m: [case(m.real(3), m.real(3))],
    numpy=np.logaddexp,
)
def logaddexp(x: Any, y: Any, /) -> Any:
    """Logarithm of the sum of exponentials of two elements."""
