"""The gamma function and its kin: logarithm, polygamma, beta, zeta."""

from __future__ import annotations

import numpy as np

from dlgradient.core.samples import Error, case
from dlgradient.core.types import Operand, Size, Value
from dlgradient.errors import ComplexValueError, InvalidArgumentError
from dlgradient.ops.exponential import exp
from dlgradient.ops.special.entropies import xlog1py, xlogy
from dlgradient.ops.special.shared import above, no_derivative, of_scipy, pairs, refused
from dlgradient.rules import derived, elementwise

__all__ = [
    "beta",
    "betainc",
    "betaln",
    "digamma",
    "gamma",
    "gammaln",
    "polygamma",
    "zeta",
]


# -- gamma and its logarithm ---------------------------------------------------------------------


def _gammaln_rule(t: Value, x: Value) -> Value:
    return t * digamma(x)


def _gamma_rule(t: Value, x: Value, out: Value) -> Value:
    return t * (out * digamma(x))


def _digamma_rule(t: Value, x: Value) -> Value:
    return t * polygamma_of(x, n=1)


@elementwise(
    x=_gammaln_rule,
    kernel=of_scipy("gammaln"),
    domain="real",
    floating=True,
    samples=lambda m: [*above(m), case(np.array([-0.4, -1.3, -2.6]))],
    reference=of_scipy("gammaln"),
)
def gammaln(x: Operand, /) -> Value:
    """Logarithm of the absolute value of the gamma function.

    The differential is digamma(x) dx.

    Examples
    --------
    >>> dl.special.gammaln(dl.dlarray([1.0, 5.0])).round(decimals=6).tolist()
    [0.0, 3.178054]

    Source: SciPy ``special.gammaln``; MATLAB ``gammaln``.
    """


@elementwise(
    x=_gamma_rule,
    kernel=of_scipy("gamma"),
    domain="real",
    floating=True,
    samples=lambda m: [*above(m), case(np.array([-0.4, -1.3, -2.6]))],
    reference=of_scipy("gamma"),
)
def gamma(x: Operand, /) -> Value:
    """Gamma function, (x - 1)! for integers.

    The differential is gamma(x) digamma(x) dx.

    Examples
    --------
    >>> dl.special.gamma(dl.dlarray([0.5, 4.0])).round(decimals=6).tolist()
    [1.772454, 6.0]

    Source: SciPy ``special.gamma``; MATLAB ``gamma``.
    """


@elementwise(
    x=_digamma_rule,
    kernel=of_scipy("digamma"),
    domain="real",
    floating=True,
    samples=lambda m: [*above(m), case(np.array([-0.4, -1.3, -2.6]))],
    reference=of_scipy("digamma"),
)
def digamma(x: Operand, /) -> Value:
    """Digamma function, the derivative of the logarithm of the gamma function.

    The differential is polygamma(1, x) dx.

    Examples
    --------
    >>> dl.special.digamma(dl.dlarray([1.0, 2.0])).round(decimals=6).tolist()
    [-0.577216, 0.422784]

    Source: SciPy ``special.digamma``, ``special.psi``; MATLAB ``psi``.
    """


def _polygamma_rule(t: Value, x: Value, n: int) -> Value:
    return t * polygamma_of(x, n=n + 1)


@elementwise(
    x=_polygamma_rule,
    domain="real",
    floating=True,
    samples=lambda m: [
        case(m.positive(3), n=0),
        case(m.positive(2) + 1, n=2),
        case(m.positive(), n=1),
        case(np.array([-0.4, -1.3]), n=1),
        case(m.positive(0), n=1),
    ],
    errors=lambda m: [Error(case(m.complex(2), n=1), ComplexValueError, "must be real")],
    shown="polygamma",
)
def polygamma_of(x: Value, /, *, n: int) -> Value:
    """Polygamma function of order n, elementwise.

    Parameters
    ----------
    x : array
    n : int
    """
    from scipy import special

    found = special.digamma(x) if n == 0 else special.polygamma(n, x)
    return np.asarray(found).astype(np.asarray(x).dtype)[()]


@derived(
    samples=lambda m: [case(0, m.positive(3)), case(2, m.positive(2, 2)), case(1, m.positive())],
    errors=lambda m: [
        Error(case(-1, m.real(2)), InvalidArgumentError, "n must be .*not -1"),
        *refused(m, 1),
    ],
    reference=of_scipy("polygamma"),
    domain="real",
)
def polygamma(n: Size, x: Operand, /) -> Value:
    """Polygamma function: the derivative of order n of digamma.

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
    digamma : derivative of the logarithm of the gamma function
    gammaln : logarithm of the gamma function

    Examples
    --------
    >>> dl.special.polygamma(1, dl.dlarray([1.0, 2.0])).round(decimals=6).tolist()
    [1.644934, 0.644934]

    Source: SciPy ``special.polygamma``; MATLAB ``psi(n,x)``.
    """
    return polygamma_of(x, n=n)


# -- beta ----------------------------------------------------------------------------------------


@elementwise(
    x=lambda t, x, y: t * (digamma(x) - digamma(x + y)),
    y=lambda t, x, y: t * (digamma(y) - digamma(x + y)),
    kernel=of_scipy("betaln"),
    domain="real",
    samples=pairs,
    errors=lambda m: refused(m, m.positive(2)),
    reference=of_scipy("betaln"),
)
def betaln(x: Operand, y: Operand, /) -> Value:
    """Logarithm of the absolute value of the beta function.

    The differential is (digamma(x) - digamma(x + y)) dx, and the same for y.

    Examples
    --------
    >>> dl.special.betaln(dl.dlarray(2.0), 3.0).round(decimals=6)
    dlarray(-2.484907)

    Source: SciPy ``special.betaln``; MATLAB ``betaln``.
    """


@elementwise(
    x=lambda t, x, y, out: t * (out * (digamma(x) - digamma(x + y))),
    y=lambda t, x, y, out: t * (out * (digamma(y) - digamma(x + y))),
    kernel=of_scipy("beta"),
    domain="real",
    samples=pairs,
    errors=lambda m: refused(m, m.positive(2)),
    reference=of_scipy("beta"),
)
def beta(x: Operand, y: Operand, /) -> Value:
    """Beta function, gamma(x) gamma(y) / gamma(x + y).

    Its logarithm has the differential (digamma(x) - digamma(x + y)) dx, and the same for y.

    Examples
    --------
    >>> dl.special.beta(dl.dlarray(2.0), 3.0).round(decimals=6)
    dlarray(0.083333)

    Source: SciPy ``special.beta``; MATLAB ``beta``.
    """


def _betainc_rule(t: Value, a: Value, b: Value, x: Value) -> Value:
    # At an end, the power of zero may be one.
    return t * exp(xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b))


@elementwise(
    a=no_derivative("betainc", "a", "a parameter of the incomplete beta function"),
    b=no_derivative("betainc", "b", "a parameter of the incomplete beta function"),
    x=_betainc_rule,
    kernel=of_scipy("betainc"),
    domain="real",
    samples=lambda m: [
        case(np.array([2, 3]), np.array([4, 1]), m.between(0.1, 0.9, 2)),
        case(2, 5, m.between(0.1, 0.9, 2, 2)),
        case(2, 3, m.between(0.2, 0.8)),
    ],
    errors=lambda m: refused(m, 2, 3),
    reference=of_scipy("betainc"),
)
def betainc(a: Operand, b: Operand, x: Operand, /) -> Value:
    """Regularized incomplete beta function, the distribution function of the beta distribution.

    The differential is x^(a-1) (1-x)^(b-1) / beta(a, b) dx. There is none by `a` and `b`: it is an
    error to ask for it.

    Examples
    --------
    >>> dl.special.betainc(2, 3, dl.dlarray([0.0, 0.5, 1.0])).round(decimals=6).tolist()
    [0.0, 0.6875, 1.0]

    Source: SciPy ``special.betainc``; MATLAB ``betainc``.
    """


# -- zeta ----------------------------------------------------------------------------------------


def _zeta_rule(t: Value, x: Value, q: Value) -> Value:
    return t * (-x * zeta(x + 1, q))


@elementwise(
    x=no_derivative("zeta", "x", "the exponent"),
    q=_zeta_rule,
    kernel=of_scipy("zeta"),
    domain="real",
    samples=lambda m: [
        case(np.array([2, 3]), m.positive(2)),
        case(2, m.positive(2, 2)),
        case(3, m.positive()),
    ],
    errors=lambda m: refused(m, 2),
    reference=of_scipy("zeta"),
)
def zeta(x: Operand, q: Operand, /) -> Value:
    """Hurwitz zeta function, Σₖ (q + k)^(-x) for k from 0; Riemann's for q = 1.

    The differential is -x zeta(x + 1, q) dq. There is none by `x`: it is an error to ask for it.

    Examples
    --------
    >>> dl.special.zeta(2, dl.dlarray(1.0)).round(decimals=6)
    dlarray(1.644934)

    Source: SciPy ``special.zeta``; MATLAB ``hurwitzZeta``.
    """
