"""Smooth elementwise operations over the whole range of their dtype, against mpmath.

The value, the first and the second derivative must be finite where the truth is, and near it. The
table says how near: ``ulps`` of the larger of the true value and the operation's own scale. A scale
of 0 asks for a small relative error, down to the smallest numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
import pytest

import dlgradient as dl
from dlgradient.rules import OPS

Function = Callable[..., Any]
PI = mp.mpf(
    "3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803"
)


@dataclass(frozen=True)
class Smooth:
    """True value and derivatives of a function of one number, and how near results must be."""

    function: Function
    truth: tuple[Function, Function, Function]
    domain: tuple[float, float] = (-np.inf, np.inf)
    ulps: float = 8.0
    # Of the value, the first and the second derivative.
    scales: tuple[float, float, float] = (0.0, 0.0, 0.0)


def _exp(x: Any) -> Any:
    """Exponential; far outside of all dtypes the exponent is cut, for mpmath's sake."""
    return mp.exp(max(min(x, 10**6), -(10**6)))


def _sech2(x: Any) -> Any:
    return (2 / (_exp(x) + _exp(-x))) ** 2


def _sinh(x: Any) -> Any:
    return mp.sinh(max(min(x, 10**6), -(10**6)))


def _cosh(x: Any) -> Any:
    return mp.cosh(max(min(x, 10**6), -(10**6)))


def _sigma(x: Any) -> Any:
    return 1 / (1 + _exp(-x))


def _sigma1(x: Any) -> Any:
    return _sigma(x) * _sigma(-x)


def _sigma2(x: Any) -> Any:
    return _sigma1(x) * -mp.tanh(max(min(x, 10**6), -(10**6)) / 2)


def _density(x: Any) -> Any:
    return _exp(-x * x / 2) / mp.sqrt(2 * PI)


def _below(x: Any) -> Any:
    """The normal distribution function."""
    return mp.erfc(-max(min(x, 1000), -1000) / mp.sqrt(2)) / 2


def _mish(x: Any) -> tuple[Any, Any, Any]:
    p = mp.log1p(_exp(x)) if x < 1000 else x
    w, s = mp.tanh(p), _sech2(p)
    first, second = s * _sigma(x), s * _sigma1(x) - 2 * w * s * _sigma(x) ** 2
    return x * w, w + x * first, 2 * first + x * second


def _gelu_tanh(x: Any) -> tuple[Any, Any, Any]:
    a, b = mp.sqrt(8 / PI), mp.mpf(0.044715)
    u, v, w = a * (x + b * x**3), a * (1 + 3 * b * x * x), a * 6 * b * x
    s, s1, s2 = _sigma(u), _sigma1(u), _sigma2(u)
    return x * s, s + x * s1 * v, 2 * s1 * v + x * (s2 * v * v + s1 * w)


def _parts(function: Function) -> tuple[Function, Function, Function]:
    return (lambda x: function(x)[0], lambda x: function(x)[1], lambda x: function(x)[2])


def _power(n: float) -> Smooth:
    m = mp.mpf(n)
    return Smooth(
        lambda x: x**n,
        (
            lambda x: mp.power(x, m),
            lambda x: m * mp.power(x, m - 1),
            lambda x: m * (m - 1) * mp.power(x, m - 2),
        ),
        domain=(0, np.inf),
    )


def _base(a: float) -> Smooth:
    log = mp.log(a)
    return Smooth(
        lambda x: a**x,
        (
            lambda x: mp.power(a, x),
            lambda x: log * mp.power(a, x),
            lambda x: log**2 * mp.power(a, x),
        ),
        domain=(-1e5, 1e5),
    )


def _hypot(y: float) -> Smooth:
    return Smooth(
        lambda x: dl.hypot(x, y),
        (
            lambda x: mp.hypot(x, y),
            lambda x: x / mp.hypot(x, y),
            lambda x: mp.mpf(y) ** 2 / mp.hypot(x, y) ** 3,
        ),
    )


def _atan2(x: float) -> Smooth:
    return Smooth(
        lambda y: dl.atan2(y, x),
        (
            lambda y: mp.atan2(y, x),
            lambda y: x / (mp.mpf(x) ** 2 + y * y),
            lambda y: -2 * x * y / (mp.mpf(x) ** 2 + y * y) ** 2,
        ),
    )


TABLE = {
    "exp": Smooth(dl.exp, (_exp, _exp, _exp)),
    "exp2": Smooth(
        dl.exp2,
        (lambda x: 2**x, lambda x: mp.log(2) * 2**x, lambda x: mp.log(2) ** 2 * 2**x),
        domain=(-1e5, 1e5),
    ),
    "expm1": Smooth(dl.expm1, (lambda x: mp.expm1(min(x, 10**6)), _exp, _exp)),
    "log": Smooth(dl.log, (mp.log, lambda x: 1 / x, lambda x: -1 / x**2), domain=(0, np.inf)),
    "log1p": Smooth(
        dl.log1p,
        (mp.log1p, lambda x: 1 / (1 + x), lambda x: -1 / (1 + x) ** 2),
        domain=(-1, np.inf),
    ),
    "log2": Smooth(
        dl.log2,
        (
            lambda x: mp.log(x) / mp.log(2),
            lambda x: 1 / x / mp.log(2),
            lambda x: -1 / x**2 / mp.log(2),
        ),
        domain=(0, np.inf),
    ),
    "log10": Smooth(
        dl.log10,
        (mp.log10, lambda x: 1 / x / mp.log(10), lambda x: -1 / x**2 / mp.log(10)),
        domain=(0, np.inf),
    ),
    "pow_half": _power(0.5),
    "pow_minus_one": _power(-1.0),
    "pow_three": _power(3.0),
    "pow_1.75": _power(1.75),
    "pow_base_2": _base(2.0),
    "pow_base_1.25": _base(1.25),
    "pow_base_0.125": _base(0.125),
    "square": Smooth(dl.square, (lambda x: x * x, lambda x: 2 * x, lambda _: mp.mpf(2))),
    "sqrt": Smooth(
        dl.sqrt,
        (mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), lambda x: -1 / (4 * mp.sqrt(x) ** 3)),
        domain=(0, np.inf),
    ),
    "root_of_squares": Smooth(
        OPS["root_of_squares"].call,
        (mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), lambda x: -1 / (4 * mp.sqrt(x) ** 3)),
        domain=(0, np.inf),
    ),
    "cbrt": Smooth(
        dl.cbrt,
        (
            lambda x: mp.sign(x) * mp.cbrt(abs(x)),
            lambda x: 1 / (3 * mp.cbrt(abs(x)) ** 2),
            lambda x: -2 * mp.sign(x) / (9 * mp.cbrt(abs(x)) ** 5),
        ),
        ulps=16,
    ),
    "reciprocal": Smooth(dl.reciprocal, (lambda x: 1 / x, lambda x: -1 / x**2, lambda x: 2 / x**3)),
    "divide": Smooth(lambda x: 3.0 / x, (lambda x: 3 / x, lambda x: -3 / x**2, lambda x: 6 / x**3)),
    "sum_of_squares": Smooth(
        lambda x: OPS["sum_of_squares"].call(x, 0.5),
        (lambda x: x * x + 0.25, lambda x: 2 * x, lambda _: mp.mpf(2)),
    ),
    "hypot_3000": _hypot(3000.0),
    "hypot_1e8": _hypot(1e8),
    "hypot_small": _hypot(1e-20),
    "sin": Smooth(dl.sin, (mp.sin, mp.cos, lambda x: -mp.sin(x))),
    "cos": Smooth(dl.cos, (mp.cos, lambda x: -mp.sin(x), lambda x: -mp.cos(x))),
    "hypot_slope": Smooth(
        lambda x: OPS["hypot_slope"].call(x, 1e4),
        (
            lambda x: x / mp.hypot(x, 1e4),
            lambda x: mp.mpf(1e4) ** 2 / mp.hypot(x, 1e4) ** 3,
            lambda x: -3 * mp.mpf(1e4) ** 2 * x / mp.hypot(x, 1e4) ** 5,
        ),
        scales=(0.0, 0.0, 1e-12),
    ),
    "gap_to_one": Smooth(
        OPS["gap_to_one"].call,
        (lambda x: (1 - x) * (1 + x), lambda x: -2 * x, lambda _: mp.mpf(-2)),
    ),
    "tan": Smooth(
        dl.tan,
        (mp.tan, lambda x: 1 + mp.tan(x) ** 2, lambda x: 2 * mp.tan(x) * (1 + mp.tan(x) ** 2)),
    ),
    "asin": Smooth(
        dl.asin,
        (mp.asin, lambda x: 1 / mp.sqrt(1 - x * x), lambda x: x / mp.sqrt(1 - x * x) ** 3),
        domain=(-1, 1),
    ),
    "acos": Smooth(
        dl.acos,
        (mp.acos, lambda x: -1 / mp.sqrt(1 - x * x), lambda x: -x / mp.sqrt(1 - x * x) ** 3),
        domain=(-1, 1),
    ),
    "atan": Smooth(
        dl.atan,
        (mp.atan, lambda x: 1 / (1 + x * x), lambda x: -2 * x / (1 + x * x) ** 2),
        scales=(0.0, 0.0, 1.0),
    ),
    "atan2_2": _atan2(2.0),
    "atan2_1e15": _atan2(1e15),
    "sinh": Smooth(dl.sinh, (_sinh, _cosh, _sinh)),
    "cosh": Smooth(dl.cosh, (_cosh, _sinh, _cosh)),
    "one_minus_square": Smooth(
        OPS["one_minus_square"].call,
        (lambda x: 1 - x * x, lambda x: -2 * x, lambda _: mp.mpf(-2)),
        scales=(1.0, 0.0, 0.0),
    ),
    # The derivative is computed from the result: exact tails to one ulp of the scale 1.
    "tanh": Smooth(
        dl.tanh, (mp.tanh, _sech2, lambda x: -2 * mp.tanh(x) * _sech2(x)), scales=(0.0, 1.0, 1.0)
    ),
    "asinh": Smooth(
        dl.asinh,
        (mp.asinh, lambda x: 1 / mp.sqrt(1 + x * x), lambda x: -x / mp.sqrt(1 + x * x) ** 3),
    ),
    "acosh": Smooth(
        dl.acosh,
        (mp.acosh, lambda x: 1 / mp.sqrt(x * x - 1), lambda x: -x / mp.sqrt(x * x - 1) ** 3),
        domain=(1, np.inf),
    ),
    "atanh": Smooth(
        dl.atanh,
        (mp.atanh, lambda x: 1 / (1 - x * x), lambda x: 2 * x / (1 - x * x) ** 2),
        domain=(-1, 1),
    ),
    "logaddexp": Smooth(
        lambda x: dl.logaddexp(x, 3.0),
        (
            lambda x: 3 + mp.log1p(_exp(x - 3)) if x < 1000 else x,
            lambda x: _sigma(x - 3),
            lambda x: _sigma1(x - 3),
        ),
        scales=(0.0, 1.0, 1.0),
    ),
    "sigmoid": Smooth(dl.sigmoid, (_sigma, _sigma1, _sigma2), scales=(0.0, 1.0, 1.0)),
    "softplus": Smooth(
        dl.softplus,
        (lambda x: mp.log1p(_exp(x)) if x < 1000 else x, _sigma, _sigma1),
        scales=(0.0, 0.0, 1.0),
    ),
    "swish": Smooth(
        dl.swish,
        (
            lambda x: x * _sigma(x),
            lambda x: _sigma(x) + x * _sigma1(x),
            lambda x: 2 * _sigma1(x) + x * _sigma2(x),
        ),
        # The rounding of σ near 1, times x.
        ulps=32,
        scales=(0.0, 1.0, 1.0),
    ),
    # In the last two binades, 2 x overflows.
    "mish": Smooth(
        dl.mish, _parts(_mish), domain=(-np.inf, 2.0**126), ulps=32, scales=(0.0, 1.0, 1.0)
    ),
    "softsign": Smooth(
        dl.softsign,
        (
            lambda x: x / (1 + abs(x)),
            lambda x: 1 / (1 + abs(x)) ** 2,
            lambda x: -2 * mp.sign(x) / (1 + abs(x)) ** 3,
        ),
        scales=(0.0, 0.0, 1.0),
    ),
    "erf": Smooth(
        dl.erf,
        (
            mp.erf,
            lambda x: 2 / mp.sqrt(PI) * _exp(-x * x),
            lambda x: -4 / mp.sqrt(PI) * x * _exp(-x * x),
        ),
        scales=(0.0, 1.0, 1.0),
    ),
    "gelu_exact": Smooth(
        dl.gelu,
        (
            lambda x: x * _below(x),
            lambda x: _below(x) + x * _density(x),
            lambda x: (2 - x * x) * _density(x),
        ),
        scales=(1.0, 1.0, 1.0),
    ),
    "gelu_slope": Smooth(
        OPS["gelu_slope"].call,
        (
            lambda x: _below(x) + x * _density(x),
            lambda x: (2 - x * x) * _density(x),
            lambda x: (x**3 - 4 * x) * _density(x),
        ),
        scales=(1.0, 1.0, 1.0),
    ),
    "gelu_tanh": Smooth(
        lambda x: dl.gelu(x, approximation="tanh"),
        _parts(_gelu_tanh),
        # The rounding of σ near 1, times the square of the slope of its argument.
        ulps=256,
        scales=(1.0, 1.0, 1.0),
    ),
    "elu": Smooth(
        lambda x: dl.elu(x, alpha=1.0),
        (
            lambda x: x if x > 0 else mp.expm1(x),
            lambda x: mp.mpf(1) if x > 0 else mp.exp(x),
            lambda x: mp.mpf(0) if x > 0 else mp.exp(x),
        ),
    ),
}


# Linear in each operand, or piecewise linear: there is no range to lose.
PIECEWISE = {
    *(
        "add",
        "subtract",
        "multiply",
        "remainder",
        "fmod",
        "negative",
        "positive",
        "copysign",
        "where",
    ),
    *("larger", "at_least", "smaller", "at_most", "relu", "leakyrelu", "clippedrelu"),
    *(
        "parametric_relu",
        "hardsigmoid",
        "huber_of_error",
        "nan_to_num",
        "nextafter",
        "where_positive",
    ),
}


def test_every_elementwise_operation_is_swept() -> None:
    """A new operation has a row above, or is piecewise linear."""
    rows = {name.split("_")[0] for name in TABLE} | set(TABLE)
    all_names = {
        name
        for name, op in OPS.items()
        # Those of SciPy are swept where SciPy is accurate, in tests/ops/test_special.py.
        if op.kind == "elementwise" and ".ops.special." not in op.declaration.function.__module__
    }
    assert {n for n in all_names if n.removesuffix("_slope") not in rows} <= PIECEWISE


def _points(dtype: Any, domain: tuple[float, float], rng: np.random.Generator) -> Any:
    """Points at all magnitudes, near the ends of the domain, and where functions bend."""
    info = np.finfo(dtype)
    exponents = np.arange(np.log2(float(info.smallest_subnormal)), info.maxexp - 1, 7.3)
    sizes = [2.0**exponents, 2.0 ** (info.maxexp - 1) * np.array([0.75, 1.0, 1.999])]
    sizes += [rng.uniform(0, 2, 8), rng.uniform(2, 40, 8), rng.uniform(40, 1100, 12)]
    sizes += [np.array([1.0, 1022.7, 1023.9, 1024.2, 126.5, 127.7, 128.3, 3182.5, 3183.4])]
    sizes += [end + np.ldexp([1, -1.0, -3.0], -k) for end in (-1, 1) for k in (info.nmant, 20, 10)]
    both = np.concatenate(sizes)
    x = np.concatenate([both, -both]).astype(dtype)
    low, high = domain
    return np.unique(x[(x > low) & (x < high) & np.isfinite(x) & (x != 0)])


def _computed(function: Function, x: Any) -> list[Any]:
    """Value, first and second derivative at all elements."""

    def both(x: Any) -> Any:
        y = function(x)
        first = dl.dlgradient(y.sum(), x, enable_higher_derivatives=True)
        return y, first, dl.dlgradient(first.sum(), x)

    with np.errstate(all="ignore"):
        return [np.asarray(v) for v in dl.dlfeval(both, dl.dlarray(x))]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TABLE)
def test_whole_range(name: str, dtype: Any, rng: np.random.Generator) -> None:
    """Value and two derivatives are finite where the truth is, and near it."""
    row, info = TABLE[name], np.finfo(dtype)
    x = _points(dtype, row.domain, rng)
    wrong = []
    with mp.workdps(60):
        for order, (got, truth) in enumerate(
            zip(_computed(row.function, x), row.truth, strict=True)
        ):
            assert got.dtype == dtype
            for at, value in zip(x, got, strict=True):
                true = truth(mp.mpf(float(at)))
                bound = row.ulps * mp.mpf(float(info.eps)) * max(abs(true), row.scales[order])
                # A second derivative is a sum of two terms, or twice a product.
                if abs(true) * max(1, order) + bound > float(info.max):
                    continue
                bound += row.ulps * mp.mpf(float(info.smallest_normal))
                if not abs(mp.mpf(float(value)) - true) <= bound:
                    text = f"derivative {order} at {at}: {value}, in truth {mp.nstr(true, 8)}"
                    wrong.append(text)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_reciprocal_of_tiny_and_huge_complex_values(dtype: Any) -> None:
    """Both parts are finite where the truth is, and near it."""
    info = np.finfo(dtype)
    sizes = 2.0 ** np.arange(np.log2(float(info.smallest_normal)) - 1, info.maxexp - 0.5, 5.3)
    x = np.concatenate([sizes * (0.7 + 0.6j), sizes * (0.99j - 1e-5), sizes * 0.9]).astype(dtype)
    with np.errstate(all="ignore"):
        got = dl.reciprocal(x)
    for z, w in zip(x.tolist(), got.tolist(), strict=True):
        true = 1 / mp.mpc(z)
        bound = 4 * float(info.eps) * abs(true) + 2 * float(info.smallest_subnormal)
        assert abs(true) > float(info.max) or abs(mp.mpc(w) - true) <= bound
