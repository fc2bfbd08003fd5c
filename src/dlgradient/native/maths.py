"""Mathematical functions of vectors, as text of LLVM.

A vector takes some twenty to forty instructions: the argument is reduced to a small interval, a
polynomial is evaluated there, and the result is scaled back. No lane takes another branch than the
others.

===========  =======================
function     error at most, in ulp
===========  =======================
tanh         1.5
sigmoid      1.6
===========  =======================

That holds in float32 and in float64, for all arguments. NaN, infinities, signed zeros and denormal
numbers are as in NumPy.

Nothing relies on a fused multiplication: a constant that is subtracted several times has so few
digits that its products are exact without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial, log
from typing import NamedTuple

from dlgradient.native.code import Function, Register, split

__all__ = ["sigmoid_of_negative", "tanh"]


class _Format(NamedTuple):
    """What the functions need to know of a kind of numbers.

    Attributes
    ----------
    digits : int
        Of a fraction, with the one that is not stored.
    bias : int
        Exponent of one.
    log_of_two : tuple of float
        Two numbers, whose sum it is; integer multiples of the first are exact.
    exp_from : float
        Below, exp is zero.
    tanh_to : float
        Above, tanh is one.
    terms : int
        Of the series of exp.
    tanh : tuple of float
        The polynomial P of least relative error, constant term first, with tanh(x) = x + x³ P(x²)
        for x up to 0.625.
    """

    digits: int
    bias: int
    log_of_two: tuple[float, float]
    exp_from: float
    tanh_to: float
    terms: int
    tanh: tuple[float, ...]


_FORMATS = {
    "float": _Format(
        24,
        127,
        (0.693145751953125, 1.4286068203094173e-06),
        -104,
        20,
        6,
        (
            -0.33333283701570776,
            0.13331484728804727,
            -0.05374291457325332,
            0.02064857694018161,
            -0.005714689766517815,
        ),
    ),
    "double": _Format(
        53,
        1023,
        (0.6931471805598903, 5.497923018708371e-14),
        -746,
        40,
        12,
        (
            -0.33333333333332876,
            0.13333333333264677,
            -0.053968253932359427,
            0.021869487598844904,
            -0.008863221274274392,
            0.0035919911748215775,
            -0.0014549682796435994,
            0.0005863447805630869,
            -0.00022861669594211617,
            7.7199337937718e-05,
            -1.609737697870686e-05,
        ),
    ),
}


def _polynomial(f: Function, x: Register, coefficients: Sequence[float]) -> Register:
    """Return the value of a polynomial, whose constant term comes first."""
    y = f.constant(coefficients[-1], x.kind)
    for coefficient in coefficients[-2::-1]:
        y = f.multiply_add(y, x, f.constant(coefficient, x.kind))
    return y


def _power_of_two(f: Function, n: Register, like: Register) -> Register:
    form = _FORMATS[split(like.kind)[0]]
    return f.with_bits((n + form.bias) << (form.digits - 1), like.kind)


def _exponential(f: Function, x: Register) -> tuple[Register, Register]:
    """Return p and n with exp(x) = (1 + p) 2ⁿ and p small; x must not be huge."""
    form = _FORMATS[split(x.kind)[0]]
    # The last digit of the sum is that of an integer.
    unit = f.constant(1.5 * 2 ** (form.digits - 1), x.kind)
    shifted = x * (1 / log(2)) + unit
    n, integer = shifted - unit, f.bits(shifted) - f.bits(unit)
    r = x
    for part in form.log_of_two:
        r = f.multiply_add(n, f.constant(-part, x.kind), r)
    series = [1 / factorial(k) for k in range(2, form.terms + 2)]
    return f.multiply_add(r * r, _polynomial(f, r, series), r), integer


def sigmoid_of_negative(f: Function, x: Register) -> Register:
    """Write 1 / (1 + exp(x)).

    With e = exp(-|x|), it is 1 / (1 + e), or e / (1 + e) for positive x. What is lost by rounding
    1 + e, e and the quotient is added in the end.
    """
    form = _FORMATS[split(x.kind)[0]]
    a = f.call("copysign", x, -1.0)
    a = f.choose(a < form.exp_from, f.constant(form.exp_from, x.kind), a)
    p, n = _exponential(f, a)
    # In two steps: the power alone may be out of range.
    half = n >> 1
    first, second = _power_of_two(f, half, x), _power_of_two(f, n - half, x)
    one, zero = f.constant(1, x.kind), f.constant(0, x.kind)
    more = p + one
    e = more * first * second
    lost = (p - (more - one)) * first * second
    below = e + one
    lost_below = (e - (below - one)) + lost
    is_positive = x > 0
    above, lost_above = f.choose(is_positive, e, one), f.choose(is_positive, lost, zero)
    reciprocal = one / below
    y = above * reciprocal
    minus_y = zero - y
    rest = f.multiply_add(minus_y, below, above)
    rest = rest + f.multiply_add(minus_y, lost_below, lost_above)
    return f.multiply_add(rest, reciprocal, y)


def tanh(f: Function, x: Register) -> Register:
    """Write the hyperbolic tangent: a polynomial, or 1 - 2 / (1 + exp(2 |x|))."""
    form = _FORMATS[split(x.kind)[0]]
    a = f.call("fabs", x)
    double = a + a
    p, n = _exponential(f, f.choose(a > form.tanh_to, f.constant(2 * form.tanh_to, x.kind), double))
    e = (p + 1.0) * _power_of_two(f, n, x)
    large = f.constant(1, x.kind) - f.constant(2, x.kind) / (e + 1.0)
    z = x * x
    small = f.multiply_add(x * z, _polynomial(f, z, form.tanh), x)
    return f.call("copysign", f.choose(a < 0.625, small, large), x)
