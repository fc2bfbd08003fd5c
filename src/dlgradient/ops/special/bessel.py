"""Bessel functions, whose derivatives are those of neighbouring orders; exponential integrals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Operand, Size, Value
from dlgradient.errors import ComplexValueError, InvalidArgumentError
from dlgradient.ops.complex import sign
from dlgradient.ops.exponential import exp
from dlgradient.ops.special.shared import above, no_derivative, numbers, of_scipy, refused
from dlgradient.rules import derived, elementwise

__all__ = ["exp1", "expi", "expn", "iv", "ive", "jv", "kv", "kve", "yv"]

_ORDER = "the order"


def _orders(m: Maker) -> list[Case]:
    """Integer orders, which are constants, and positive numbers."""
    return [
        case(0, m.positive(3)),
        case(np.array([1, 2, 3]), m.positive(3) * 3),
        case(2, m.positive()),
        case(1, m.positive(2, 0)),
        case(np.array([[0], [3]]), m.positive(2)),
    ]


def _neighbours(function: Callable[..., Value], v: Value, x: Value) -> tuple[Value, Value]:
    """Return the functions of the order below and of the one above."""
    # The predecessor of an unsigned zero would be a large number.
    return function(v - 1.0, x), function(v + 1.0, x)


def _jv_rule(t: Value, v: Value, x: Value) -> Value:
    low, high = _neighbours(jv, v, x)
    return t * ((low - high) * 0.5)


@elementwise(
    v=no_derivative("jv", "v", _ORDER),
    x=_jv_rule,
    kernel=of_scipy("jv"),
    domain="real",
    samples=_orders,
    errors=lambda m: refused(m, 1),
    reference=of_scipy("jv"),
)
def jv(v: Operand, x: Operand, /) -> Value:
    """Bessel function of the first kind and order v, Jᵥ(x).

    The differential is (Jᵥ₋₁(x) - Jᵥ₊₁(x)) / 2 dx. There is none by the order.

    Examples
    --------
    >>> dl.special.jv(0, dl.dlarray([0.0, 2.0])).round(decimals=6).tolist()
    [1.0, 0.223891]

    Source: SciPy ``special.jv``, ``special.j0``; MATLAB ``besselj``.
    """


def _yv_rule(t: Value, v: Value, x: Value) -> Value:
    low, high = _neighbours(yv, v, x)
    return t * ((low - high) * 0.5)


@elementwise(
    v=no_derivative("yv", "v", _ORDER),
    x=_yv_rule,
    kernel=of_scipy("yv"),
    domain="real",
    samples=_orders,
    errors=lambda m: refused(m, 1),
    reference=of_scipy("yv"),
)
def yv(v: Operand, x: Operand, /) -> Value:
    """Bessel function of the second kind and order v, Yᵥ(x), for positive x.

    The differential is (Yᵥ₋₁(x) - Yᵥ₊₁(x)) / 2 dx. There is none by the order.

    Examples
    --------
    >>> dl.special.yv(0, dl.dlarray(2.0)).round(decimals=6)
    dlarray(0.510376)

    Source: SciPy ``special.yv``, ``special.y0``; MATLAB ``bessely``.
    """


def _iv_rule(t: Value, v: Value, x: Value) -> Value:
    low, high = _neighbours(iv, v, x)
    return t * ((low + high) * 0.5)


@elementwise(
    v=no_derivative("iv", "v", _ORDER),
    x=_iv_rule,
    kernel=of_scipy("iv"),
    domain="real",
    samples=_orders,
    errors=lambda m: refused(m, 1),
    reference=of_scipy("iv"),
)
def iv(v: Operand, x: Operand, /) -> Value:
    """Modified Bessel function of the first kind and order v, Iᵥ(x).

    The differential is (Iᵥ₋₁(x) + Iᵥ₊₁(x)) / 2 dx. There is none by the order.

    Examples
    --------
    >>> dl.special.iv(0, dl.dlarray([0.0, 2.0])).round(decimals=6).tolist()
    [1.0, 2.279585]

    Source: SciPy ``special.iv``, ``special.i0``; MATLAB ``besseli``.
    """


def _kv_rule(t: Value, v: Value, x: Value) -> Value:
    low, high = _neighbours(kv, v, x)
    return t * ((low + high) * -0.5)


@elementwise(
    v=no_derivative("kv", "v", _ORDER),
    x=_kv_rule,
    kernel=of_scipy("kv"),
    domain="real",
    samples=_orders,
    errors=lambda m: refused(m, 1),
    reference=of_scipy("kv"),
)
def kv(v: Operand, x: Operand, /) -> Value:
    """Modified Bessel function of the second kind and order v, Kᵥ(x), for positive x.

    The differential is -(Kᵥ₋₁(x) + Kᵥ₊₁(x)) / 2 dx. There is none by the order.

    Examples
    --------
    >>> dl.special.kv(0, dl.dlarray(2.0)).round(decimals=6)
    dlarray(0.113894)

    Source: SciPy ``special.kv``, ``special.k0``; MATLAB ``besselk``.
    """


def _ive_rule(t: Value, v: Value, x: Value, out: Value) -> Value:
    low, high = _neighbours(ive, v, x)
    return t * ((low + high) * 0.5 - sign(x) * out)


@elementwise(
    v=no_derivative("ive", "v", _ORDER),
    x=_ive_rule,
    kernel=of_scipy("ive"),
    domain="real",
    samples=_orders,
    errors=lambda m: refused(m, 1),
    reference=of_scipy("ive"),
)
def ive(v: Operand, x: Operand, /) -> Value:
    """Scaled modified Bessel function of the first kind, exp(-abs(x)) Iᵥ(x).

    Its derivative is a difference of terms of its size, so for large x it has fewer digits.

    Examples
    --------
    >>> dl.special.ive(0, dl.dlarray(2000.0)).round(decimals=6)
    dlarray(0.008921)

    Source: SciPy ``special.ive``, ``special.i0e``; MATLAB ``besseli(nu,x,1)``.
    """


def _kve_rule(t: Value, v: Value, x: Value, out: Value) -> Value:
    low, high = _neighbours(kve, v, x)
    return t * (out - (low + high) * 0.5)


@elementwise(
    v=no_derivative("kve", "v", _ORDER),
    x=_kve_rule,
    kernel=of_scipy("kve"),
    domain="real",
    samples=_orders,
    errors=lambda m: refused(m, 1),
    reference=of_scipy("kve"),
)
def kve(v: Operand, x: Operand, /) -> Value:
    """Scaled modified Bessel function of the second kind, exp(x) Kᵥ(x), for positive x.

    Its derivative is a difference of terms of its size, so for large x it has fewer digits.

    Examples
    --------
    >>> dl.special.kve(0, dl.dlarray(2000.0)).round(decimals=6)
    dlarray(0.028023)

    Source: SciPy ``special.kve``, ``special.k0e``; MATLAB ``besselk(nu,x,1)``.
    """


# -- exponential integrals -----------------------------------------------------------------------


@elementwise(
    x=lambda t, x: t * (exp(x) / x),
    kernel=of_scipy("expi"),
    domain="real",
    floating=True,
    samples=numbers,
    reference=of_scipy("expi"),
)
def expi(x: Operand, /) -> Value:
    """Exponential integral, the principal value of ∫ exp(s) / s ds from -inf to x.

    The differential is exp(x) / x dx.

    Examples
    --------
    >>> dl.special.expi(dl.dlarray([1.0, -1.0])).round(decimals=6).tolist()
    [1.895118, -0.219384]

    Source: SciPy ``special.expi``; MATLAB ``ei``.
    """


@elementwise(
    x=lambda t, x: -t * (exp(-x) / x),
    kernel=of_scipy("exp1"),
    domain="real",
    floating=True,
    samples=above,
    reference=of_scipy("exp1"),
)
def exp1(x: Operand, /) -> Value:
    """Exponential integral E₁, ∫ exp(-s) / s ds from x to inf, for positive x.

    The differential is -exp(-x) / x dx.

    Examples
    --------
    >>> dl.special.exp1(dl.dlarray(1.0)).round(decimals=6)
    dlarray(0.219384)

    Source: SciPy ``special.exp1``; MATLAB ``expint``.
    """


def _expn_rule(t: Value, x: Value, n: int) -> Value:
    if n == 0:  # exp(-x) / x
        return -t * exp(-x) * (1 + 1 / x) / x
    return -t * expn_of(x, n=n - 1)


@elementwise(
    x=_expn_rule,
    domain="real",
    floating=True,
    samples=lambda m: [
        case(m.positive(3), n=2),
        case(m.positive(2, 2) * 3, n=0),
        case(m.positive(), n=1),
        case(m.positive(0), n=1),
    ],
    errors=lambda m: [Error(case(m.complex(2), n=1), ComplexValueError, "must be real")],
    shown="expn",
)
def expn_of(x: Value, /, *, n: int) -> Value:
    """Exponential integral of order n, elementwise.

    Parameters
    ----------
    x : array
    n : int
    """
    from scipy import special

    return np.asarray(special.expn(n, x)).astype(np.asarray(x).dtype)[()]


@derived(
    samples=lambda m: [case(0, m.positive(3)), case(2, m.positive(2, 2)), case(1, m.positive())],
    errors=lambda m: [
        Error(case(-1, m.positive(2)), InvalidArgumentError, "n must be .*not -1"),
        *refused(m, 1),
    ],
    reference=of_scipy("expn"),
    domain="real",
)
def expn(n: Size, x: Operand, /) -> Value:
    """Exponential integral Eₙ, ∫ exp(-x s) / sⁿ ds from 1 to inf, for positive x.

    Parameters
    ----------
    n : int
        The order, a constant.
    x : array
        Real.

    Raises
    ------
    ComplexValueError
        If ``x`` is complex.
    InvalidArgumentError
        If `n` is not an integer, or negative.

    See Also
    --------
    exp1 : of order one
    expi : exponential integral

    Examples
    --------
    >>> dl.special.expn(2, dl.dlarray(1.0)).round(decimals=6)
    dlarray(0.148496)

    Source: SciPy ``special.expn``.
    """
    return expn_of(x, n=n)
