"""Special functions against mpmath over their range, SciPy's ufuncs, and parameters."""

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy import special

import dlgradient as dl
from dlgradient.testing import check_derivatives

LINE = [-30.0, -8.0, -3.0, -1.0, -0.2, 1e-8, 0.1, 0.7, 1.3, 2.5, 5.0, 9.0, 25.0]
POSITIVE = [1e-8, 1e-3, 0.1, 0.7, 1.3, 2.5, 5.0, 9.0, 25.0, 90.0]
UNIT = [1e-12, 1e-4, 0.1, 0.3, 0.55, 0.8, 0.999]
AWAY = [-3.7, -1.2, -0.4, 1e-6, 0.2, 0.7, 1.3, 2.5, 5.0, 9.0, 25.0, 150.0]


def _normal(x: Any) -> Any:
    return mp.erfc(-x / mp.sqrt(2)) / 2


# Function, the truth in mpmath, places, and the relative accuracy of the value and two derivatives.
TABLE: dict[str, tuple[Any, Callable[[Any], Any], list[float], float]] = {
    "erfc": (dl.special.erfc, mp.erfc, LINE[1:], 1e-12),
    "erfcx": (
        dl.special.erfcx,
        lambda x: mp.exp(x * x) * mp.erfc(x),
        [*LINE[2:], 1e3, 1e5],
        1e-12,
    ),
    "ndtr": (dl.special.ndtr, _normal, LINE, 1e-12),
    "log_ndtr": (dl.special.log_ndtr, lambda x: mp.log(_normal(x)), [-1e5, *LINE[:-1]], 1e-11),
    "gammaln": (dl.special.gammaln, lambda x: mp.log(abs(mp.gamma(x))), AWAY, 1e-12),
    "gamma": (dl.special.gamma, mp.gamma, AWAY[:-1], 1e-12),
    "digamma": (dl.special.digamma, mp.digamma, AWAY, 1e-12),
    "polygamma": (
        lambda x: dl.special.polygamma(2, x),
        lambda x: mp.polygamma(2, x),
        AWAY[3:],
        1e-12,
    ),
    "zeta": (lambda q: dl.special.zeta(3, q), lambda q: mp.zeta(3, q), POSITIVE[2:], 1e-12),
    "jv": (lambda x: dl.special.jv(2, x), lambda x: mp.besselj(2, x), POSITIVE[1:], 1e-11),
    "j0": (special.j0, lambda x: mp.besselj(0, x), POSITIVE, 1e-11),
    "yv": (lambda x: dl.special.yv(1, x), lambda x: mp.bessely(1, x), POSITIVE[1:], 1e-11),
    "iv": (lambda x: dl.special.iv(2, x), lambda x: mp.besseli(2, x), POSITIVE[1:], 1e-11),
    "kv": (lambda x: dl.special.kv(2, x), lambda x: mp.besselk(2, x), POSITIVE[1:], 1e-11),
    "half": (lambda x: dl.special.kv(0.5, x), lambda x: mp.besselk(0.5, x), POSITIVE[1:], 1e-11),
    "expi": (dl.special.expi, mp.ei, LINE[1:], 1e-11),
    "exp1": (dl.special.exp1, mp.e1, POSITIVE, 1e-11),
    "expn": (lambda x: dl.special.expn(3, x), lambda x: mp.expint(3, x), POSITIVE[1:], 1e-11),
    "entr": (dl.special.entr, lambda x: -x * mp.log(x), POSITIVE, 1e-12),
    "logit": (dl.special.logit, lambda x: mp.log(x / (1 - x)), UNIT, 1e-11),
    "log_expit": (dl.special.log_expit, lambda x: -mp.log1p(mp.exp(-x)), LINE, 1e-12),
    "xlogy": (lambda y: dl.special.xlogy(2.0, y), lambda y: 2 * mp.log(y), POSITIVE, 1e-12),
    "xlog1py": (lambda y: dl.special.xlog1py(2.0, y), lambda y: 2 * mp.log1p(y), POSITIVE, 1e-12),
    "rel_entr": (
        lambda x: dl.special.rel_entr(x, 2.0),
        lambda x: x * mp.log(x / 2),
        POSITIVE,
        1e-12,
    ),
    "kl_div": (
        lambda x: dl.special.kl_div(x, 2.0),
        lambda x: x * mp.log(x / 2) - x + 2,
        POSITIVE,
        1e-11,
    ),
    "beta": (lambda x: dl.special.beta(x, 2.5), lambda x: mp.beta(x, 2.5), POSITIVE[1:], 1e-11),
    "betaln": (
        lambda x: dl.special.betaln(x, 2.5),
        lambda x: mp.log(mp.beta(x, 2.5)),
        POSITIVE[1:],
        1e-10,
    ),
    "betainc": (
        lambda x: dl.special.betainc(2.5, 3.0, x),
        lambda x: mp.betainc(2.5, 3, 0, x, regularized=True),
        UNIT[1:],
        1e-10,
    ),
    "gammainc": (
        lambda x: dl.special.gammainc(2.5, x),
        lambda x: mp.gammainc(2.5, 0, x, regularized=True),
        POSITIVE[1:-1],
        1e-11,
    ),
    "gammaincc": (
        lambda x: dl.special.gammaincc(2.5, x),
        lambda x: mp.gammainc(2.5, x, regularized=True),
        POSITIVE[1:],
        1e-11,
    ),
}
for _x in (0.3, 2.5, 40.0):
    TABLE[f"gammainc by a at {_x}"] = (
        lambda a, x=_x: dl.special.gammainc(a, x),
        lambda a, x=_x: mp.gammainc(a, 0, x, regularized=True),
        [0.2, 1.0, 3.0, 11.0, 60.0],
        1e-9,
    )


def computed(function: Any, x: Any) -> list[Any]:
    def run(x: Any) -> Any:
        y = function(x)
        first = dl.dlgradient(y.sum(), x, enable_higher_derivatives=True)
        return y, first, dl.dlgradient(first.sum(), x)

    with np.errstate(all="ignore"):
        return [np.asarray(v) for v in dl.dlfeval(run, dl.dlarray(x))]


@pytest.mark.parametrize("name", TABLE)
def test_value_and_two_derivatives(name: str) -> None:
    function, truth, places, accuracy = TABLE[name]
    found = computed(function, np.array(places))
    with mp.workdps(80):
        for k, x in enumerate(places):
            # Differences in eighty digits.
            h = mp.mpf(10) ** -20 * max(abs(mp.mpf(x)), mp.mpf("1e-3"))
            below, at, above = (truth(mp.mpf(x) + s * h) for s in (-1, 0, 1))
            exact = [at, (above - below) / (2 * h), (above - 2 * at + below) / h**2]
            for order in range(3):
                # Near a zero of a derivative, relative to the function.
                size = max(abs(exact[order]), abs(at) * 1e-3 / max(1, abs(x)) ** order)
                error = abs(mp.mpf(float(found[order][k])) - exact[order])
                assert error <= accuracy * 4**order * size, (x, order, found[order][k])


@pytest.mark.parametrize(
    ("inverse", "function", "places"),
    [
        (dl.special.erfinv, dl.erf, [-0.999, -0.3, 0.2, 0.9]),
        (dl.special.erfcinv, dl.special.erfc, [1e-9, 0.2, 0.9, 1.7]),
        (dl.special.ndtri, dl.special.ndtr, [1e-9, 0.2, 0.5, 0.99]),
    ],
)
def test_inverses(inverse: Any, function: Any, places: list[float]) -> None:
    x = np.array(places)
    value, first, second = computed(inverse, x)
    there, slope, bend = computed(function, value)
    np.testing.assert_allclose(there, x, rtol=1e-12)
    np.testing.assert_allclose(first, 1 / slope, rtol=1e-12)
    np.testing.assert_allclose(second, -bend / slope**3, rtol=1e-9, atol=1e-9)


def test_lambert_w(rng: np.random.Generator) -> None:
    z = rng.normal(size=5) + 1j * rng.normal(size=5)
    for k in (0, -1, 2):
        w = dl.special.lambertw(z, k=k)
        np.testing.assert_allclose(w * np.exp(w), z, rtol=1e-12)
        check_derivatives(lambda z, k=k: dl.special.lambertw(z, k=k), z, order=2)
    assert dl.dlfeval(
        lambda x: dl.dlgradient(dl.real(dl.special.lambertw(x)), x), dl.dlarray(0.0)
    ).item() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("function", "x", "expected"),
    [
        (lambda x: dl.special.gammainc(1.0, x), 0.0, [1, -1]),  # 1 - exp(-x)
        (lambda x: dl.special.gammaincc(1, x), 0.0, [-1, 1]),
        (lambda x: dl.special.betainc(1.0, 3.0, x), 0.0, [3, -6]),  # 1 - (1 - x)³
        (lambda x: dl.special.betainc(3, 1, x), 1.0, [3, 6]),  # x³
        (lambda x: dl.special.betainc(1.0, 1.0, x), 0.0, [1, 0]),
    ],
)
def test_densities_at_the_ends(function: Any, x: float, expected: list[float]) -> None:
    np.testing.assert_allclose(computed(function, x)[1:], expected, atol=1e-12)


@pytest.mark.parametrize("name", ["jv", "yv", "iv", "kv", "ive", "kve"])
def test_orders_that_are_unsigned(name: str) -> None:
    function = getattr(dl.special, name)
    orders, x = np.arange(3, dtype=np.uint8), np.array([0.5, 1.5, 2.5])
    for found, expected in zip(
        computed(lambda x: function(orders, x), x),
        computed(lambda x: function(orders.astype(float), x), x),
        strict=True,
    ):
        np.testing.assert_array_equal(found, expected)


# -- SciPy's functions ---------------------------------------------------------------------------

X = np.array([0.3, 0.8])
UFUNCS: dict[str, Any] = {
    **{n: (lambda x, n=n: getattr(special, n)(x)) for n in ("erf", "erfc", "erfcx", "erfinv")},
    **{n: (lambda x, n=n: getattr(special, n)(x)) for n in ("gammaln", "gamma", "psi", "digamma")},
    **{n: (lambda x, n=n: getattr(special, n)(x)) for n in ("ndtr", "log_ndtr", "ndtri", "entr")},
    **{n: (lambda x, n=n: getattr(special, n)(x)) for n in ("expit", "logit", "log_expit", "exp1")},
    **{n: (lambda x, n=n: getattr(special, n)(x)) for n in ("j0", "j1", "y0", "y1", "i0", "i1")},
    **{n: (lambda x, n=n: getattr(special, n)(x)) for n in ("k0", "k1", "i0e", "i1e", "k0e")},
    **{n: (lambda x, n=n: getattr(special, n)(2, x)) for n in ("jv", "kv", "expn", "zeta")},
    **{n: (lambda x, n=n: getattr(special, n)(x, 2 * x)) for n in ("beta", "betaln", "xlogy")},
    "gammainc": lambda x: special.gammainc(x, 2 * x),
    "betainc": lambda x: special.betainc(2.0, 3.0, x),
}


@pytest.mark.parametrize("name", UFUNCS)
def test_ufuncs_of_scipy_are_traced(name: str) -> None:
    call = UFUNCS[name]
    np.testing.assert_allclose(dl.extractdata(call(dl.dlarray(X))), call(X), rtol=1e-12)
    check_derivatives(call, X, order=2)


@pytest.mark.parametrize("name", ["logsumexp", "polygamma"])
def test_functions_of_python_say_what_to_write(name: str) -> None:
    def call(x: Any) -> Any:
        return special.polygamma(1, x) if name == "polygamma" else special.logsumexp(x)

    with pytest.raises(dl.LeavingTraceError, match=rf"write dl\.special\.{name}"):
        dl.dlfeval(call, dl.dlarray(X))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda v: special.jv(v, 1.0), r"special\.jv: the derivative by v, the order"),
        (lambda a: special.betainc(a, 2.0, 0.5), r"special\.betainc: the derivative by a"),
        (lambda x: dl.special.zeta(x, 1.0), r"special\.zeta: the derivative by x"),
    ],
)
def test_a_derivative_without_a_closed_form_is_an_error(call: Any, text: str) -> None:
    def run(x: Any) -> Any:
        return dl.dlgradient(call(x).sum(), x)

    with pytest.raises(dl.UnsupportedFunctionError, match=f"{text}.*extractdata"):
        dl.dlfeval(run, dl.dlarray(np.array([1.5, 2.5])))


def test_logsumexp_at_infinities() -> None:
    x = np.array([[-np.inf, -np.inf], [0.0, -np.inf], [np.inf, 1.0]])

    def run(x: Any) -> Any:
        y = dl.special.logsumexp(x, axis=1)
        return y, dl.dlgradient(y[1] * 2.0, x)

    y, g = dl.dlfeval(run, dl.dlarray(x))
    np.testing.assert_array_equal(dl.extractdata(y), special.logsumexp(x, axis=1))
    np.testing.assert_array_equal(dl.extractdata(g), [[0, 0], [2.0, 0], [0, 0]])


def test_formats_align() -> None:
    x = dl.dlarray([[1.0, 2.0]], "CB")
    assert dl.dims(dl.special.beta(x, x)) == "CB"
    assert dl.dims(dl.special.logsumexp(x, axis=0)) == "B"
