"""The error function and its kin, and the normal distribution."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Array, Operand, Value
from dlgradient.ops.choice import minimum, where
from dlgradient.ops.exponential import exp
from dlgradient.ops.logical import less
from dlgradient.ops.special.shared import numbers, of_scipy, unit
from dlgradient.rules import elementwise

__all__ = ["erfc", "erfcinv", "erfcx", "erfinv", "log_ndtr", "ndtr", "ndtri"]

_TWO_OVER_SQRT_PI = 2 / sqrt(pi)
_DENSITY = 1 / sqrt(2 * pi)
_ROOT_HALF = sqrt(0.5)


@elementwise(
    x=lambda t, x: t * (exp(-(x * x)) * -_TWO_OVER_SQRT_PI),
    kernel=of_scipy("erfc"),
    domain="real",
    floating=True,
    samples=numbers,
    reference=of_scipy("erfc"),
)
def erfc(x: Operand, /) -> Value:
    """Complementary error function, 1 - erf(x), accurate where that is small.

    The differential is -2/√π exp(-x²) dx.

    Examples
    --------
    >>> print(f"{dl.special.erfc(dl.dlarray(10.0)).item():.3e}")
    2.088e-45

    Source: SciPy ``special.erfc``; MATLAB ``erfc``.
    """


# -- scaled --------------------------------------------------------------------------------------

# The depth of a continued fraction that has converged for arguments above one, and more than enough
# terms for any order of derivative.
_DEPTH = 220


def _scaled_integral_rule(t: Value, x: Value, n: int) -> Value:
    return t * (scaled_integral(x, n=n + 1) * (-2.0 * (n + 1)))


@elementwise(
    x=_scaled_integral_rule,
    domain="real",
    floating=True,
    samples=lambda m: [
        case(m.real(3), n=0),
        case(m.real(4) * 2, n=1),
        case(m.positive(3) * 9, n=2),
        case(m.real(), n=1),
        case(m.real(0), n=1),
    ],
    shown="erfcx",
)
def scaled_integral(x: Value, /, *, n: int) -> Value:
    """The n-fold integral of erfc from x to infinity, times exp(x²).

    With it, the derivative of any order of erfcx is not a difference of large numbers.

    Parameters
    ----------
    x : array
    n : int
    """
    from scipy import special

    first = special.erfcx(x)
    if n == 0:
        return first
    # u(k) = (u(k-2) - 2 x u(k-1)) / (2 k) upwards, where it does not cancel.
    before, last = np.full_like(first, _TWO_OVER_SQRT_PI), first
    with np.errstate(all="ignore"):
        for k in range(1, n + 1):
            before, last = last, (before - 2 * x * last) / (2 * k)
    # Elsewhere from the ratios u(k) / u(k-1) = 1 / (2 x + 2 (k + 1) u(k+1) / u(k)).
    ratio: Array = np.zeros_like(first)
    product = first
    away = np.maximum(x, 0.5)
    for k in range(n + _DEPTH, 0, -1):
        ratio = 1 / (2 * away + 2 * (k + 1) * ratio)
        product = product * ratio if k <= n else product
    return np.where(x < 0.5, last, product).astype(first.dtype)[()]


@elementwise(
    x=lambda t, x: t * (scaled_integral(x, n=1) * -2.0),
    kernel=of_scipy("erfcx"),
    domain="real",
    floating=True,
    samples=numbers,
    reference=of_scipy("erfcx"),
)
def erfcx(x: Operand, /) -> Value:
    """Scaled complementary error function, exp(x²) erfc(x).

    The differential is (2 x erfcx(x) - 2/√π) dx, computed without cancellation.

    Examples
    --------
    >>> dl.special.erfcx(dl.dlarray([0.0, 1e9])).tolist()
    [1.0, 5.641895835477563e-10]

    Source: SciPy ``special.erfcx``; MATLAB ``erfcx``.
    """


# -- inverses ------------------------------------------------------------------------------------


@elementwise(
    x=lambda t, out: t * (exp(out * out) / _TWO_OVER_SQRT_PI),
    kernel=of_scipy("erfinv"),
    domain="real",
    floating=True,
    samples=lambda m: [case(m.inside(3)), case(m.inside()), case(m.inside(0))],
    reference=of_scipy("erfinv"),
)
def erfinv(x: Operand, /) -> Value:
    """Inverse of erf: the y of erf(y) = x, for x between -1 and 1.

    The differential is √π/2 exp(y²) dx.

    Examples
    --------
    >>> dl.special.erfinv(dl.dlarray([0.0, 0.5])).round(decimals=6).tolist()
    [0.0, 0.476936]

    Source: SciPy ``special.erfinv``; MATLAB ``erfinv``.
    """


@elementwise(
    x=lambda t, out: t * (exp(out * out) / -_TWO_OVER_SQRT_PI),
    kernel=of_scipy("erfcinv"),
    domain="real",
    floating=True,
    samples=unit,
    reference=of_scipy("erfcinv"),
)
def erfcinv(x: Operand, /) -> Value:
    """Inverse of erfc: the y of erfc(y) = x, for x between 0 and 2.

    The differential is -√π/2 exp(y²) dx.

    Examples
    --------
    >>> dl.special.erfcinv(dl.dlarray([1.5, 0.5])).round(decimals=6).tolist()
    [-0.476936, 0.476936]

    Source: SciPy ``special.erfcinv``; MATLAB ``erfcinv``.
    """


# -- the normal distribution ---------------------------------------------------------------------


@elementwise(
    x=lambda t, x: t * (exp(x * x * -0.5) * _DENSITY),
    kernel=of_scipy("ndtr"),
    domain="real",
    floating=True,
    samples=numbers,
    reference=of_scipy("ndtr"),
)
def ndtr(x: Operand, /) -> Value:
    """Normal distribution function, accurate in the lower tail.

    The differential is exp(-x²/2) / √(2π) dx.

    Examples
    --------
    >>> dl.special.ndtr(dl.dlarray([0.0, 1.0])).round(decimals=6).tolist()
    [0.5, 0.841345]

    Source: SciPy ``special.ndtr``; MATLAB ``normcdf``.
    """


def _log_ndtr_rule(t: Value, x: Value) -> Value:
    # The density divided by the function: below zero by erfcx, which does not underflow.
    below = less(x, 0)
    low = 2 * _DENSITY / erfcx(minimum(x, 0) * -_ROOT_HALF)
    high = where(below, 0, x)
    return t * where(below, low, exp(high * high * -0.5) * _DENSITY / ndtr(high))


@elementwise(
    x=_log_ndtr_rule,
    kernel=of_scipy("log_ndtr"),
    domain="real",
    floating=True,
    samples=lambda m: _tails(m),
    reference=of_scipy("log_ndtr"),
)
def log_ndtr(x: Operand, /) -> Value:
    """Logarithm of the normal distribution function, accurate in both tails.

    The differential is the density divided by the distribution function.

    Examples
    --------
    >>> x = dl.dlarray(-40.0)
    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.special.log_ndtr(x), x), x).round(decimals=4)
    dlarray(40.025)

    Source: SciPy ``special.log_ndtr``.
    """


def _tails(m: Maker) -> list[Case]:
    return [*numbers(m), case(m.real(4) * 9)]


@elementwise(
    x=lambda t, out: t * (exp(out * out * 0.5) / _DENSITY),
    kernel=of_scipy("ndtri"),
    domain="real",
    floating=True,
    samples=unit,
    reference=of_scipy("ndtri"),
)
def ndtri(x: Operand, /) -> Value:
    """Inverse of the normal distribution function, the quantile of x.

    The differential is √(2π) exp(y²/2) dx, for the result y.

    Examples
    --------
    >>> dl.special.ndtri(dl.dlarray([0.5, 0.975])).round(decimals=6).tolist()
    [0.0, 1.959964]

    Source: SciPy ``special.ndtri``; MATLAB ``norminv``.
    """
