"""Exponentials and logarithms."""

from __future__ import annotations

from math import log as _log

import numpy as np

from dlgradient.core.samples import anywhere, case, mismatch, positive
from dlgradient.core.threads import threaded
from dlgradient.core.types import Operand, Value
from dlgradient.ops.choice import where
from dlgradient.ops.logical import equal, isinf, logical_and
from dlgradient.rules import elementwise

__all__ = ["exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "logaddexp"]

# Python scalars: with them, float32 stays float32.
_LN2 = _log(2.0)
_LN10 = _log(10.0)


@elementwise(x=lambda t, out: t * out, kernel=threaded(np.exp), samples=anywhere, numpy=np.exp)
def exp(x: Operand, /) -> Value:
    """Exponential, elementwise.

    The differential is exp(x) dx.

    Examples
    --------
    >>> dl.exp(dl.dlarray([0.0, 1.0]))
    dlarray([1.        , 2.71828183])

    Source: array-API ``exp``; MATLAB ``exp``.
    """


def _exp2_rule(t: Value, x: Value) -> Value:
    # The result overflows before the derivative does; its root does not.
    root = exp2(x * 0.5)
    return t * (root * _LN2 * root)


@elementwise(
    x=_exp2_rule,
    kernel=threaded(np.exp2),
    samples=anywhere,
    numpy=np.exp2,
)
def exp2(x: Operand, /) -> Value:
    """Two to the power x, elementwise.

    The differential is log(2) 2ˣ dx.

    Examples
    --------
    >>> dl.exp2(dl.dlarray([0.0, 3.0]))
    dlarray([1., 8.])

    Source: NumPy ``exp2``; MATLAB ``pow2``.
    """


# Not t * (out + 1), which would cancel where exp(x) is small.
@elementwise(x=lambda t, x: t * exp(x), kernel=threaded(np.expm1), samples=anywhere, numpy=np.expm1)
def expm1(x: Operand, /) -> Value:
    """Exponential minus one, elementwise, accurate near 0.

    The differential is exp(x) dx.

    Examples
    --------
    >>> dl.expm1(dl.dlarray([0.0, 1e-12]))
    dlarray([0.e+00, 1.e-12])

    Source: array-API ``expm1``; MATLAB ``expm1``.
    """


@elementwise(x=lambda t, x: t / x, kernel=threaded(np.log), samples=positive, numpy=np.log)
def log(x: Operand, /) -> Value:
    """Natural logarithm, elementwise; the principal value for complex elements.

    The differential is dx / x. A negative real element gives NaN: make it complex first.

    Examples
    --------
    >>> dl.log(dl.dlarray([1.0, 10.0])).round(decimals=4).tolist()
    [0.0, 2.3026]

    Source: array-API ``log``; MATLAB ``log``.
    """


@elementwise(
    x=lambda t, x: t / (1 + x), kernel=threaded(np.log1p), samples=positive, numpy=np.log1p
)
def log1p(x: Operand, /) -> Value:
    """Natural logarithm of one plus x, elementwise, accurate near 0.

    The differential is dx / (1 + x).

    Examples
    --------
    >>> dl.log1p(dl.dlarray([0.0, 1e-12]))
    dlarray([0.e+00, 1.e-12])

    Source: array-API ``log1p``; MATLAB ``log1p``.
    """


@elementwise(
    x=lambda t, x: t / (x * _LN2), kernel=threaded(np.log2), samples=positive, numpy=np.log2
)
def log2(x: Operand, /) -> Value:
    """Logarithm to the base 2, elementwise.

    The differential is dx / (x log 2).

    Examples
    --------
    >>> dl.log2(dl.dlarray([1.0, 8.0]))
    dlarray([0., 3.])

    Source: array-API ``log2``; MATLAB ``log2``.
    """


@elementwise(
    x=lambda t, x: t / (x * _LN10), kernel=threaded(np.log10), samples=positive, numpy=np.log10
)
def log10(x: Operand, /) -> Value:
    """Logarithm to the base 10, elementwise.

    The differential is dx / (x log 10).

    Examples
    --------
    >>> dl.log10(dl.dlarray([1.0, 1000.0]))
    dlarray([0., 3.])

    Source: array-API ``log10``; MATLAB ``log10``.
    """


def _share(x: Value, y: Value, out: Value) -> Value:
    """Return exp(x) / (exp(x) + exp(y)), from the difference; equal infinities give one half."""
    difference = where(logical_and(isinf(out), equal(x, y)), 0, y - x)
    return exp(-logaddexp(difference, 0))


@elementwise(
    x=lambda t, x, y, out: t * _share(x, y, out),
    y=lambda t, x, y, out: t * _share(y, x, out),
    kernel=np.logaddexp,
    domain="real",
    samples=lambda m: [
        case(m.real(3), m.real(3)),
        case(m.real(2, 1), m.real(3)),
        case(m.real(), 0.5),
        case(m.real(0), m.real(1)),
        case(np.array([0.5, 800.0, -800.0]), np.array([0.5, -800.0, -800.0])),
        case(
            np.array([-np.inf, -np.inf, np.inf, np.inf]),
            np.array([1.0, -np.inf, 1.0, np.inf]),
            kink=True,
            gradient={"x": [0, 0.5, 1, 0.5], "y": [1, 0.5, 0, 0.5]},
        ),
    ],
    errors=mismatch,
    numpy=np.logaddexp,
)
def logaddexp(x: Operand, y: Operand, /) -> Value:
    """Logarithm of the sum of two exponentials, elementwise: log(exp(x) + exp(y)).

    It neither overflows nor cancels. The gradients are the shares of the two in the sum, which are
    equal for equal infinities.

    Examples
    --------
    >>> dl.logaddexp(dl.dlarray([1000.0, 0.0]), [-1000.0, 0.0]).round(decimals=4).tolist()
    [1000.0, 0.6931]

    Source: array-API ``logaddexp``.
    """
