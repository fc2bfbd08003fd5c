"""Mathematical functions of vectors, as functions in the language of LLVM.

`maths` writes a call of one. A vector takes some ten to thirty instructions: the argument is
reduced to a small interval, a polynomial is evaluated there, and the result is scaled back. No lane
takes another branch than the others, but for huge arguments of sin, cos and tan.

===============================  =======================
function                         error at most, in ulp
===============================  =======================
log                              1
exp                              1.1
log1p, sin, cos, cosh, tanh      1.5
erf, sigmoid, sinh               1.6
expm1                            2
tan                              2.5
===============================  =======================

That holds in float32 and in float64, for all arguments. NaN, infinities, signed zeros and denormal
numbers are as in NumPy. There is no warning of an overflow.

Nothing relies on a fused multiplication: constants that are subtracted several times have so few
digits that their products are exact without one. Where there is one, they have all digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from math import factorial, inf, nan
from typing import NamedTuple

from dlgradient.native.code import BITS, Function, Register, split
from dlgradient.native.coefficients import ERF_LARGE, ERF_SMALL, TAN, TANH
from dlgradient.native.machine import machine

__all__ = ["NAMES", "maths", "sigmoid_of_negative", "tanh"]


class _Format(NamedTuple):
    """What the functions need to know of a kind of numbers.

    Attributes
    ----------
    digits : int
        Of a fraction, with the one that is not stored.
    bias : int
        Exponent of one.
    exp_from, exp_to : float
        Below and above, exp is zero and infinite.
    one_from : float
        From here on, tanh is one, and -expm1 of the negative.
    turns, turns_unfused : int
        The logarithm to two of the largest angle that is reduced with few operations; the same
        without a fused multiplication.
    terms : dict
        Number of terms of series.
    """

    digits: int
    bias: int
    exp_from: float
    exp_to: float
    one_from: float
    turns: int
    turns_unfused: int
    terms: dict[str, int]


_FORMATS = {
    "float": _Format(
        24, 127, -104, 89, 20, 13, 8, {"exp": 6, "log": 4, "sin": 4, "cos": 5, "sinh": 5}
    ),
    "double": _Format(
        53, 1023, -746, 710, 40, 20, 20, {"exp": 12, "log": 10, "sin": 8, "cos": 9, "sinh": 9}
    ),
}


def maths(f: Function, name: str, x: Register) -> Register:
    """Write a call of one of the functions in `NAMES`.

    Parameters
    ----------
    f : Function
    name : str
    x : Register
        A number, or a vector.
    """
    return f.apply(_function(name, x.kind, machine().fused), x)


@cache
def _function(name: str, kind: str, fused: bool) -> Function:
    element, lanes = split(kind)
    f = Function(f"{name}.{element}.{lanes}{'.fused' * fused}")
    f.returns(_FORMULAS[name](f, f.value("x", kind)))
    return f


# -- pieces --------------------------------------------------------------------------------------


def _format(x: Register) -> _Format:
    return _FORMATS[split(x.kind)[0]]


def _polynomial(f: Function, x: Register, coefficients: Sequence[float]) -> Register:
    """Return the value of a polynomial, whose constant term comes first."""
    y = f.constant(coefficients[-1], x.kind)
    for coefficient in coefficients[-2::-1]:
        y = f.multiply_add(y, x, f.constant(coefficient, x.kind))
    return y


def _nearest(f: Function, x: Register) -> tuple[Register, Register]:
    """Return the nearest integer, as a number and as an integer; it must not be large."""
    # The last digit of the sum is that of an integer.
    unit = f.constant(1.5 * 2 ** (_format(x).digits - 1), x.kind)
    shifted = x + unit
    return shifted - unit, f.bits(shifted) - f.bits(unit)


def _number(f: Function, n: Register, like: Register) -> Register:
    """Return an integer that is not large as a number; processors without AVX-512 have no such."""
    unit = f.constant(1.5 * 2 ** (_format(like).digits - 1), like.kind)
    return f.recast("bitcast", f.bits(unit) + n, like.kind) - unit


def _power_of_two(f: Function, n: Register, like: Register) -> Register:
    form = _format(like)
    return f.recast("bitcast", (n + form.bias) << (form.digits - 1), like.kind)


def _limited(f: Function, x: Register, low: float, high: float) -> Register:
    """Return a number limited to an interval; NaN stays."""
    x = f.choose(x > high, f.constant(high, x.kind), x)
    return f.choose(x < low, f.constant(low, x.kind), x)


def _pieces(number: Fraction, digits: int, count: int) -> list[float]:
    """Return numbers with few digits whose sum is close to a number."""
    found = []
    for _ in range(count):
        exponent = 0
        while number * Fraction(2) ** (exponent + 1) < Fraction(2) ** digits:
            exponent += 1
        piece = Fraction(int(number * Fraction(2) ** exponent), 2**exponent)
        found.append(float(piece))
        number -= piece
    return found


def _less(f: Function, x: Register, n: Register, pieces: Sequence[float]) -> Register:
    """Return a number less n times the sum of pieces."""
    for piece in pieces:
        x = f.multiply_add(n, f.constant(-piece, x.kind), x)
    return x


def _less_exact(x: Register, n: Register, pieces: Sequence[float]) -> Register:
    """Return the same, rounded about once; products of n and pieces must be exact."""
    first, second, *others = [n * piece for piece in pieces]
    above = x - first  # exact
    y = above - second
    lost = (above - y) - second
    y = y + (lost - others[0])
    for part in others[1:]:
        y = y - part
    return y


@cache
def _log_of_two() -> Fraction:
    return sum((Fraction(1, k << k) for k in range(1, 200)), Fraction(0))


@cache
def _half_turn() -> Fraction:
    """Return π by Machin's formula, with more digits than two to the largest exponent has."""
    unit = 1 << 1400

    def arctangent(n: int) -> int:
        power, total, k = unit // n, 0, 0
        while power:
            total += (-1) ** k * (power // (2 * k + 1))
            power, k = power // (n * n), k + 1
        return total

    return Fraction(4 * (4 * arctangent(5) - arctangent(239)), unit)


# -- exponentials --------------------------------------------------------------------------------


def _exponential_less_one(f: Function, x: Register) -> tuple[Register, Register]:
    """Return p and n with exp(x) = (1 + p) 2ⁿ and p small."""
    form, log_of_two = _format(x), _log_of_two()
    n, integer = _nearest(f, x * float(1 / log_of_two))
    exact = form.digits - (8 if form.digits == 24 else 11)
    high = _pieces(log_of_two, exact, 1)[0]
    r = _less(f, x, n, (high, float(log_of_two - Fraction(high))))
    series = [1 / factorial(k) for k in range(2, form.terms["exp"] + 2)]
    return f.multiply_add(r * r, _polynomial(f, r, series), r), integer


def _scaled(f: Function, x: Register, n: Register) -> Register:
    """Return x 2ⁿ, in two steps: the power alone may be out of range."""
    half = n >> 1
    return x * _power_of_two(f, half, x) * _power_of_two(f, n - half, x)


def _exp(f: Function, x: Register) -> Register:
    form = _format(x)
    p, n = _exponential_less_one(f, _limited(f, x, form.exp_from, form.exp_to))
    return _scaled(f, p + 1.0, n)


def _expm1(f: Function, x: Register) -> Register:
    form = _format(x)
    p, n = _exponential_less_one(f, _limited(f, x, -form.one_from, form.exp_to))
    above = f.choose(n > 60, f.constant(60, n.kind), n)
    rest = f.constant(1, x.kind) - _power_of_two(f, f.constant(0, n.kind) - above, x)
    y = _scaled(f, p + rest, n)
    return f.choose(f.compare("eq", x, 0), x, y)  # of the same sign


def sigmoid_of_negative(f: Function, x: Register) -> Register:
    """Write 1 / (1 + exp(x)), in place.

    With e = exp(-|x|), it is 1 / (1 + e), or e / (1 + e) for positive x. What is lost by rounding
    1 + e, e and the quotient is added in the end.
    """
    a = f.call("copysign", x, -1.0)
    lowest = _format(x).exp_from
    a = f.choose(a < lowest, f.constant(lowest, x.kind), a)
    p, n = _exponential_less_one(f, a)
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


def _sigmoid(f: Function, x: Register) -> Register:
    return sigmoid_of_negative(f, f.negative(x))


# The polynomials are of x², and are fitted by tools/fit_native_maths.py: tanh(x) = x + x³ P.
_TANH_FROM = 0.625


def tanh(f: Function, x: Register) -> Register:
    """Write the hyperbolic tangent, in place: a polynomial, or 1 - 2 / (1 + exp(2 |x|))."""
    a = f.call("fabs", x)
    p, n = _exponential_less_one(f, _limited(f, a + a, 0, 2 * _format(x).one_from))
    e = (p + 1.0) * _power_of_two(f, n, x)
    large = f.constant(1, x.kind) - f.constant(2, x.kind) / (e + 1.0)
    z = x * x
    small = f.multiply_add(x * z, _polynomial(f, z, TANH[split(x.kind)[0]]), x)
    return f.call("copysign", f.choose(a < _TANH_FROM, small, large), x)


def _half_exponential(f: Function, x: Register) -> tuple[Register, Register]:
    """Return exp(|x|) / 2, and exp(-|x|) / 2."""
    a = _limited(f, f.call("fabs", x), 0, _format(x).exp_to + 1)
    p, n = _exponential_less_one(f, a)
    half = _scaled(f, p + 1.0, n - 1)
    return half, f.constant(0.25, x.kind) / half


def _cosh(f: Function, x: Register) -> Register:
    half, other = _half_exponential(f, x)
    return half + other


def _sinh(f: Function, x: Register) -> Register:
    half, other = _half_exponential(f, x)
    large = f.call("copysign", half - other, x)
    z = x * x
    series = [1 / factorial(2 * k + 3) for k in range(_format(x).terms["sinh"])]
    small = f.multiply_add(x * z, _polynomial(f, z, series), x)
    return f.choose(f.call("fabs", x) < 1, small, large)


# erf(x) = x + x P(x²) up to one, and log(1 - erf(x)) = P(x) from there on.
_ERF_FROM = 1.0
_ERF_TO = {"float": 4.0, "double": 6.0}


def _erf(f: Function, x: Register) -> Register:
    element, _ = split(x.kind)
    a = f.call("fabs", x)
    t = _limited(f, a, _ERF_FROM, _ERF_TO[element])
    p, n = _exponential_less_one(f, _polynomial(f, t, ERF_LARGE[element]))
    large = f.constant(1, x.kind) - (p + 1.0) * _power_of_two(f, n, x)
    small = f.multiply_add(x, _polynomial(f, x * x, ERF_SMALL[element]), x)
    return f.choose(a < _ERF_FROM, small, f.call("copysign", large, x))


# -- logarithms ----------------------------------------------------------------------------------


def _logarithm(f: Function, x: Register, rest: Register | None = None, below: int = 0) -> Register:
    """Return log(x + rest), of a positive finite number, and of a much smaller one.

    A number below the normal ones is multiplied by a power of two, whose exponent is `below`.
    """
    form = _format(x)
    digits = form.digits - 1
    down: Register | None = None
    if below:
        is_small = x < 2.0 ** (1 - form.bias)
        x = f.choose(is_small, x * 2.0**below, x)
        zero = f.constant(0, f.bits(x).kind)
        down = f.choose(is_small, f.constant(below, zero.kind), zero)
    # x = m 2ⁿ with m from √½ to √2
    bits = f.bits(x)
    root = f.bits(f.constant(0.5**0.5, x.kind))
    integer = (bits - root) >> digits
    m = f.recast("bitcast", bits - (integer << digits), x.kind)
    n = _number(f, integer if down is None else integer - down, x)
    y = m - 1.0
    if rest is not None:
        scale = _power_of_two(f, f.constant(0, integer.kind) - integer, x)
        zero = f.constant(0, x.kind)
        y = y + f.choose(n > 60, zero, rest * scale)
    # log(1 + y) = 2 artanh(s) = y - (y²/2 - s (y²/2 + R)) with s = y / (2 + y)
    s = y / (y + 2.0)
    z = s * s
    series = [2 / (2 * k + 3) for k in range(form.terms["log"])]
    half = y * y * 0.5
    log_of_two = _log_of_two()
    high = _pieces(log_of_two, form.digits - 11, 1)[0]
    low = f.constant(float(log_of_two - Fraction(high)), x.kind)
    tail = f.multiply_add(s, f.multiply_add(z, _polynomial(f, z, series), half), n * low)
    return f.multiply_add(n, f.constant(high, x.kind), y - (half - tail))


def _log(f: Function, x: Register) -> Register:
    y = _logarithm(f, x, below=_format(x).digits)
    return _inside(f, x, y, x, 0)


def _log1p(f: Function, x: Register) -> Register:
    u = x + 1.0
    shown = u - 1.0
    rest = (f.constant(1, x.kind) - (u - shown)) + (x - shown)
    y = _logarithm(f, u, rest)
    y = f.choose(f.compare("eq", x, 0), x, y)
    return _inside(f, x, y, x, -1)


def _inside(f: Function, x: Register, y: Register, above: Register, least: float) -> Register:
    """Return a logarithm y, or what it is at its pole, outside, and at infinity."""
    y = f.choose(f.compare("eq", x, inf), above, y)
    pole = f.compare("eq", x, least)
    outside = f.choose(pole, f.constant(-inf, x.kind), f.constant(nan, x.kind))
    return f.choose(x > least, y, outside)


# -- angles --------------------------------------------------------------------------------------


def _reduced(f: Function, x: Register) -> tuple[Register, Register]:
    """Return r and n with x = r + n π/2, and |r| ≤ π/4."""
    form, quarter = _format(x), _half_turn() / 2
    turns = form.turns if machine().fused else form.turns_unfused
    number, integer = _nearest(f, x * float(1 / quarter))
    if machine().fused:
        rest = _less(f, x, number, _pieces(quarter, form.digits, 3))
    else:
        rest = _less_exact(x, number, _pieces(quarter, form.digits - turns, 4))
    r, n = f.variable(rest), f.variable(integer)
    huge = f.compare("ge", f.call("fabs", x), 2.0**turns)
    with f.when(f.any(huge)):
        places = [f.place(kind) for kind in (x.kind, x.kind, integer.kind)]
        for place, value in zip(places, (x, r.value, n.value), strict=True):
            f.store(value, place, 0)
        element, lanes = split(x.kind)
        with f.loop(0, lanes) as i:
            elements = (element, element, BITS[element])
            inner = [f.at(p, i, e) for p, e in zip(places, elements, strict=True)]
            one = f.load(element, inner[0], 0)
            with f.when(f.compare("ge", f.call("fabs", one), 2.0**turns)):
                f.apply(_reduce_huge(element), *inner)
        r.value, n.value = f.load(x.kind, places[1], 0), f.load(integer.kind, places[2], 0)
    return r.value, n.value


@cache
def _reduce_huge(element: str) -> Function:
    """Return ``f(x, r, n)`` of addresses: a large number is reduced, of which r and n are written.

    The number is m 2ᵉ, with an integer m. Of the binary digits of 2/π, those that make multiples of
    4 in the product with 2ᵉ are left out, and 192 are used.
    """
    f = Function(f"huge.{element}")
    place, to_r, to_n = (f.value(name, "ptr") for name in ("x", "r", "n"))
    given = f.load(element, place, 0)
    x = given if element == "double" else f.recast("fpext", given, "double")
    bits = f.bits(x)
    exponent = ((bits >> 52) & 0x7FF) - 1075
    m = f.recast("zext", (bits & (2**52 - 1)) | 2**52, "i128")
    at = exponent + 62
    word, shift = at >> 6, at & 63
    table = f.table(_digits())
    words = [f.load("i64", table, word + k) for k in range(4)]
    w = [f.recast("zext", f.call("fshl", words[k], words[k + 1], shift), "i128") for k in range(3)]
    middle = m * w[1] + f.combine("lshr", m * w[2], 64)
    product = ((m * w[0]) << 64) + middle  # of 190 - 64 digits after the point
    quarters = f.recast("trunc", f.combine("lshr", product + 2**125, 126), "i64")
    fraction = product << 2  # from -½ to ½, of 128 digits
    negative = fraction < 0
    size = f.choose(negative, f.constant(0, "i128") - fraction, fraction)
    zeros = f.leading_zeros(size)
    top = f.combine("lshr", f.combine("shl", size, zeros), 64)
    quarter = int(_half_turn() / 2 * 2**63)
    scaled = f.recast("trunc", f.combine("lshr", top * quarter, 65), "i64")
    power = f.recast(
        "bitcast", (f.constant(1023 - 62, "i64") - f.recast("trunc", zeros, "i64")) << 52, "double"
    )
    r = f.convert(scaled, "double") * power
    r = f.choose(negative, f.negative(r), r)
    backwards = x < 0
    r = f.choose(backwards, f.negative(r), r)
    n = f.choose(backwards, f.constant(0, "i64") - quarters, quarters)
    infinite = f.compare("eq", exponent, 0x7FF - 1075)
    r = f.choose(infinite, x - x, r)
    if element == "float":
        r, n = f.recast("fptrunc", r, element), f.recast("trunc", n, "i32")
    f.store(r, to_r, 0)
    f.store(n, to_n, 0)
    return f


@cache
def _digits() -> tuple[int, ...]:
    """Return the binary digits of 2/π after the point, as 64-bit integers, after 64 zeros."""
    words = 20
    number = int(2 / _half_turn() * 2 ** (64 * (words - 1)))
    return tuple([(number >> (64 * (words - 1 - k))) & (2**64 - 1) for k in range(words)])


def _sine(f: Function, r: Register) -> Register:
    z = r * r
    series = [(-1) ** (k + 1) / factorial(2 * k + 3) for k in range(_format(r).terms["sin"])]
    return f.multiply_add(r * z, _polynomial(f, z, series), r)


def _cosine(f: Function, r: Register) -> Register:
    series = [(-1) ** k / factorial(2 * k) for k in range(_format(r).terms["cos"] + 1)]
    return _polynomial(f, r * r, series)


def _circular(f: Function, x: Register, ahead: int) -> Register:
    """Return the sine of an angle that is some quarter turns ahead."""
    r, n = _reduced(f, x)
    if ahead:
        n = n + ahead
    y = f.choose(f.compare("eq", n & 1, 0), _sine(f, r), _cosine(f, r))
    half_turn = (n & 2) << {"i32": 30, "i64": 62}[split(n.kind)[0]]
    return f.recast("bitcast", f.bits(y) ^ half_turn, x.kind)


def _sin(f: Function, x: Register) -> Register:
    return f.choose(f.compare("eq", x, 0), x, _circular(f, x, 0))


def _cos(f: Function, x: Register) -> Register:
    return _circular(f, x, 1)


def _tan(f: Function, x: Register) -> Register:
    r, n = _reduced(f, x)
    z = r * r
    t = f.multiply_add(r * z, _polynomial(f, z, TAN[split(x.kind)[0]]), r)
    t = f.choose(f.compare("eq", n & 1, 0), t, f.constant(-1, x.kind) / t)
    return f.choose(f.compare("eq", x, 0), x, t)


_FORMULAS: dict[str, Callable[[Function, Register], Register]] = {
    "exp": _exp,
    "expm1": _expm1,
    "log": _log,
    "log1p": _log1p,
    "sin": _sin,
    "cos": _cos,
    "tan": _tan,
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": tanh,
    "sigmoid": _sigmoid,
    "erf": _erf,
}
NAMES = tuple(_FORMULAS)
