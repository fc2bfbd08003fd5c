"""The incomplete gamma function, and its derivatives by the parameter.

By `a` it has no closed form. Below x = a + 1 it is a series of positive terms, above it a continued
fraction. Both are computed in arithmetic of Taylor polynomials of the parameter, so a derivative by
`a` of any order has the accuracy of the function.
"""

from __future__ import annotations

from math import comb, factorial

import numpy as np

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Array, Operand, Value
from dlgradient.ops.exponential import exp, log
from dlgradient.ops.special.entropies import xlogy
from dlgradient.ops.special.gammas import digamma, gammaln, polygamma_of
from dlgradient.ops.special.shared import of_scipy, refused
from dlgradient.rules import elementwise

__all__ = ["gammainc", "gammaincc"]


# -- Taylor polynomials --------------------------------------------------------------------------


def _exponential(terms: list[Array]) -> list[Array]:
    """Return the coefficients of the exponential of a polynomial."""
    found: list[Array] = [np.exp(terms[0])]
    for k in range(1, len(terms)):
        total: Array = np.zeros_like(terms[0])
        for j in range(1, k + 1):
            total = total + j * terms[j] * found[k - j]
        found.append(total / k)
    return found


def _quotient(above: list[Array], below: list[Array]) -> list[Array]:
    found: list[Array] = []
    for k, term in enumerate(above):
        total = term - sum(below[j] * found[k - j] for j in range(1, k + 1))
        found.append(total / below[0])
    return found


def _leading(a: Array, x: Array, order: int, shift: int) -> list[Array]:
    """Return the coefficients of x^a exp(-x) / gamma(a + shift) in the parameter."""
    from scipy import special

    terms = [a * np.log(x) - x - special.gammaln(a + shift)]
    terms += [np.log(x) - special.digamma(a + shift)] * (order > 0)
    terms += [-special.polygamma(j - 1, a + shift) / factorial(j) for j in range(2, order + 1)]
    return _exponential(terms)


def _series(a: Array, x: Array, order: int) -> Array:
    """Return the last coefficient of the function, as the sum of x^(a+n) exp(-x) / gamma(a+n+1)."""
    terms = _leading(a, x, order, 1)
    total = terms[-1]
    for n in range(1, _TERMS):
        found: list[Array] = []
        for k, term in enumerate(terms):
            carried = found[k - 1] if k else 0.0
            found.append((x * term - carried) / (a + n))
        terms = found
        total = total + terms[-1]
        if np.all(np.abs(terms[-1]) <= 1e-17 * np.abs(total)):
            break
    return total


_TERMS = 20000  # of the series, for a parameter of 1e6


def _fraction(a: Array, x: Array, order: int) -> Array:
    """Return the last coefficient of the function, from one minus a continued fraction."""
    depth = 120 + int(12 * np.sqrt(np.max(a, initial=1.0)))
    rest = [np.zeros_like(x) for _ in range(order + 1)]

    def linear(constant: Array, slope: float) -> list[Array]:
        return [constant, np.full_like(x, slope), *rest[2:]][: order + 1]

    # The denominator is x + 1 - a, minus (1 - a) / (x + 3 - a - 2 (2 - a) / (x + 5 - a - ...)).
    below = linear(x + (2 * depth + 1) - a, -1.0)
    for i in range(depth, 0, -1):
        ratio = _quotient(linear(i * (i - a), -i), below)
        below = [u - v for u, v in zip(linear(x + (2 * i - 1) - a, -1.0), ratio, strict=True)]
    above = _leading(a, x, order, 0)
    return -_quotient(above, below)[-1]


# -- the derivatives by the parameter ------------------------------------------------------------


def _by_a_rule_a(t: Value, a: Value, x: Value, order: int) -> Value:
    return t * gammainc_by_a(a, x, order=order + 1)


def _by_a_rule_x(t: Value, a: Value, x: Value, order: int) -> Value:
    # Derivatives by a of the density, exp(f), by those of f.
    slopes = [log(x) - digamma(a), *[-polygamma_of(a, n=n) for n in range(1, order)]]
    found = [_density(a, x)]
    for k in range(1, order + 1):
        found.append(sum(comb(k - 1, j) * found[j] * slopes[k - 1 - j] for j in range(k)))
    return t * found[order]


@elementwise(
    a=_by_a_rule_a,
    x=_by_a_rule_x,
    domain="real",
    samples=lambda m: [
        case(m.positive(3), m.positive(3), order=1),
        case(m.positive(2, 1) * 3, m.positive(3) * 4, order=1),
        case(m.positive(2), m.positive(2) * 3, order=2),
        case(m.positive(), m.positive(2), order=1),
        case(m.positive(0), m.positive(), order=1),
    ],
    errors=lambda m: [
        error._replace(case=error.case._replace(params={"order": 1})) for error in refused(m, 2.0)
    ],
    shown="gammainc",
)
def gammainc_by_a(a: Value, x: Value, /, *, order: int) -> Value:
    """Derivative of the lower incomplete gamma function by its parameter.

    Parameters
    ----------
    a, x : array
    order : int
        How often.
    """
    dtype = np.result_type(a, x)
    dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    out = np.zeros(x.shape)
    with np.errstate(all="ignore"):
        inside = (x > 0) & (a > 0) & np.isfinite(x)
        for places, function in (
            (inside & (x < a + 1), _series),
            (inside & (x >= a + 1), _fraction),
        ):
            if places.any():
                out[places] = function(a[places], x[places], order) * factorial(order)
        out[np.isnan(x) | np.isnan(a) | (a < 0) | (x < 0)] = np.nan
    return out.astype(dtype)[()]


# -- the functions -------------------------------------------------------------------------------


def _density(a: Value, x: Value) -> Value:
    # At zero, the power may be one.
    return exp(xlogy(a - 1, x) - x - gammaln(a))


def _incomplete(m: Maker) -> list[Case]:
    return [
        case(m.positive(3), m.positive(3)),
        case(m.positive(2, 1) * 3, m.positive(3) * 4),
        case(m.positive(), m.positive(2)),
        case(2, m.positive(3)),
        case(m.positive(0), m.positive()),
    ]


@elementwise(
    a=lambda t, a, x: t * gammainc_by_a(a, x, order=1),
    x=lambda t, a, x: t * _density(a, x),
    kernel=of_scipy("gammainc"),
    domain="real",
    samples=_incomplete,
    errors=lambda m: refused(m, 2),
    reference=of_scipy("gammainc"),
)
def gammainc(a: Operand, x: Operand, /) -> Value:
    """Regularized lower incomplete gamma function, the distribution function of the gamma one.

    The differential is x^(a-1) exp(-x) / gamma(a) dx. That by `a` is the derivative of a series or
    of a continued fraction, term by term, to any order.

    Examples
    --------
    >>> dl.special.gammainc(2, dl.dlarray([0.0, 1.0])).round(decimals=6).tolist()
    [0.0, 0.264241]

    Source: SciPy ``special.gammainc``; MATLAB ``gammainc``.
    """


@elementwise(
    a=lambda t, a, x: -t * gammainc_by_a(a, x, order=1),
    x=lambda t, a, x: -t * _density(a, x),
    kernel=of_scipy("gammaincc"),
    domain="real",
    samples=_incomplete,
    errors=lambda m: refused(m, 2),
    reference=of_scipy("gammaincc"),
)
def gammaincc(a: Operand, x: Operand, /) -> Value:
    """Regularized upper incomplete gamma function, 1 - gammainc(a, x), accurate in its tail.

    Its differential is the opposite of that of `gammainc`.

    Examples
    --------
    >>> dl.special.gammaincc(2, dl.dlarray([0.0, 1.0])).round(decimals=6).tolist()
    [1.0, 0.735759]

    Source: SciPy ``special.gammaincc``; MATLAB ``gammainc(x,a,"upper")``.
    """
