"""What is advised for a name of another library has its values and derivatives, at edges too.

Values of functions of one number, and their derivatives, come from mpmath with sixty digits. Those
of functions of arrays come from NumPy and SciPy, and their derivatives from central differences.
"""

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import scipy.linalg
import scipy.spatial.distance
import scipy.special

import dlgradient as dl
from dlgradient.interop.expressions import expressions

EXPRESSIONS = {name: cases[0].text for name, cases in expressions().items()}
PUBLIC = {name: getattr(dl, name) for name in dl.__all__} | {"np": np}

SIGNED = [-1000.0, -40.0, -1.5, -0.3, -1e-10, 1e-10, 0.7, 2.5, 40.0, 1000.0]
ALL = [*SIGNED, 0.0]
POSITIVE = [1e-10, 0.3, 1.0, 2.5, 40.0, 1000.0]
UNIT = [1e-10, 0.2, 0.5, 0.9]
OUTER = [-1000.0, -1.5, 1.2, 40.0]

# A function of a number, with the numbers to try.
FUNCTIONS: dict[str, tuple[Callable[[Any], Any], list[float]]] = {
    "acot": (mp.acot, SIGNED),
    "asec": (lambda x: mp.acos(1 / x), OUTER),
    "acsc": (lambda x: mp.asin(1 / x), OUTER),
    "acoth": (lambda x: mp.atanh(1 / x), OUTER),
    "asech": (lambda x: mp.acosh(1 / x), UNIT),
    "acsch": (lambda x: mp.asinh(1 / x), SIGNED),
    "cot": (mp.cot, [-1.5, 1e-10, 0.7]),
    "sec": (mp.sec, [0.0, -1.5, 0.7]),
    "csc": (mp.csc, [-1.5, 1e-10, 0.7]),
    "coth": (mp.coth, SIGNED),
    "sech": (mp.sech, ALL),
    "csch": (mp.csch, SIGNED),
    "sinpi": (mp.sinpi, ALL),
    "cospi": (mp.cospi, ALL),
    "sinc": (mp.sincpi, [*ALL, 9e-5, 2e-4]),
    "sind": (lambda x: mp.sinpi(x / 180), [*ALL, 360000.0]),
    "cosd": (lambda x: mp.cospi(x / 180), [*ALL, 360000.0]),
    "tand": (lambda x: mp.tan(x * mp.pi / 180), [*ALL, 36045.0]),
    "rsqrt": (lambda x: 1 / mp.sqrt(x), POSITIVE),
    "nthroot": (lambda x: mp.sign(x) * mp.cbrt(abs(x)), SIGNED),
    "exp10": (lambda x: mp.mpf(10) ** x, [-40.0, -0.3, 0.0, 2.5, 40.0]),
    "exprel": (lambda x: mp.expm1(x) / x if x else mp.mpf(1), [*ALL[:-2], 0.0, 9e-5, 2e-4]),
    "cosm1": (lambda x: -2 * mp.sin(x / 2) ** 2, ALL),
    "log1mexp": (lambda x: mp.log(-mp.expm1(-x)), POSITIVE),
    "logit": (lambda x: mp.log(x / (1 - x)), UNIT),
    "boxcox": (lambda x: (x**3 - 1) / 3, POSITIVE),
    "inv_boxcox": (lambda x: mp.cbrt(3 * x + 1), POSITIVE),
    "entr": (lambda x: -x * mp.log(x), POSITIVE),
    "expit": (lambda x: 1 / (1 + mp.exp(-x)), ALL),
    "log_expit": (lambda x: -mp.log1p(mp.exp(-x)), ALL),
    "silu": (lambda x: x / (1 + mp.exp(-x)), ALL),
    "celu": (lambda x: x if x > 0 else mp.expm1(x), ALL),
    "squareplus": (lambda x: (x + mp.sqrt(x * x + 4)) / 2, ALL[1:]),
    "hardswish": (lambda x: x * min(max(x + 3, 0), 6) / 6, ALL),
    "relu6": (lambda x: min(max(x, 0), 6), SIGNED),
    "hardtanh": (lambda x: min(max(x, -1), 1), ALL),
    "tanhshrink": (lambda x: x - mp.tanh(x), ALL),
    "softshrink": (lambda x: mp.sign(x) * max(abs(x) - 0.5, 0), ALL),
    "hardshrink": (lambda x: x if abs(x) > 0.5 else 0 * x, ALL),
    "radbas": (lambda x: mp.exp(-x * x), ALL),
    "frac": (lambda x: x - mp.sign(x) * mp.floor(abs(x)), [0.3, 2.5, -1.5]),
    "clamp_min": (lambda x: max(x, 3), ALL),
    "clamp_max": (lambda x: min(x, 3), ALL),
    "sparse_plus": (lambda x: x if x > 1 else max(x + 1, 0) ** 2 / 4, ALL[1:]),
    "boxcox1p": (lambda x: ((1 + x) ** 3 - 1) / 3, POSITIVE),
}


def evaluated(name: str, *arguments: Any, n: int = 3) -> tuple[Any, ...]:
    """Return value and gradients of what is advised, as a sum; arguments are x and y, or A and B.

    A warning of NumPy is a failure: the advice is no better than the formula of a textbook then.
    """
    letters = "xy" if np.ndim(arguments[0]) < 2 else "AB"

    def run(*arrays: Any) -> Any:
        scope = {**PUBLIC, **dict(zip(letters, arrays, strict=False)), "n": n}
        y = eval(EXPRESSIONS[name], scope)
        return y, *dl.dlgradient(dl.sum(y), list(arrays))

    found = dl.dlfeval(run, *map(dl.dlarray, arguments))
    return tuple(np.asarray(dl.extractdata(a)) for a in found)


def derivative(function: Callable[[Any], Any], x: Any) -> Any:
    step = mp.mpf(10) ** -25
    return (function(x + step) - function(x - step)) / (2 * step)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_a_number(name: str) -> None:
    function, points = FUNCTIONS[name]
    with mp.workdps(60):
        exact = [mp.mpf(x) for x in points]
        values = [float(function(x)) for x in exact]
        slopes = [float(derivative(function, x)) for x in exact]
    y, gradient = evaluated(name, np.array(points))
    np.testing.assert_allclose(y, values, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-11, atol=1e-11)


# Functions of arrays: what has the value, and operands.
V, W = np.array([1.5, -0.3, 2.0]), np.array([0.5, 1.2, 3.0])
BIG = np.array([1000.0, -1000.0, 0.0])
M = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]])
ARRAYS: dict[str, tuple[Callable[..., Any], list[tuple[Any, ...]]]] = {
    "norm": (scipy.linalg.norm, [(V,), (BIG,)]),
    "rms": (lambda x: np.sqrt(np.mean(x * x)), [(V,), (BIG,)]),
    "dist": (lambda x, y: scipy.linalg.norm(x - y), [(V, W)]),
    "cdist": (scipy.spatial.distance.cdist, [(M, M + 0.1)]),
    "cosine_similarity": (lambda x, y: 1 - scipy.spatial.distance.cosine(x, y), [(V, W)]),
    "logsumexp": (scipy.special.logsumexp, [(V,), (BIG,), (np.array([2.0, 2.0, -800.0]),)]),
    "logmeanexp": (lambda x: scipy.special.logsumexp(x) - np.log(x.size), [(V,), (BIG,)]),
    "xlogy": (scipy.special.xlogy, [(V, W), (np.zeros(3), W), (np.array([0.0, 2.0, 0.0]), W)]),
    "xlog1py": (scipy.special.xlog1py, [(V, W), (np.zeros(3), W)]),
    "rel_entr": (scipy.special.rel_entr, [(W, W + 1)]),
    "powm1": (scipy.special.powm1, [(W, V), (W, np.full(3, 1e-8))]),
    "logcumsumexp": (lambda x: np.logaddexp.accumulate(x), [(V,)]),
    "geomspace": (lambda x: np.geomspace(x[0], x[1], 3), [(W,)]),
    "logspace": (lambda x: np.logspace(x[0], x[1], 3), [(V,)]),
    "convolve": (np.convolve, [(V, W), (V, W[:2])]),
    "pdist": (scipy.spatial.distance.pdist, [(M,)]),
    "zscore": (lambda x: (x - x.mean()) / x.std(ddof=1), [(V,)]),
    "rescale": (lambda x: (x - x.min()) / np.ptp(x), [(V,)]),
    "unwrap": (np.unwrap, [(np.array([0.0, 3.0, 7.0, -2.0]),)]),
    "matrix_power": (lambda a: np.linalg.matrix_power(a, 3), [(np.outer(V, W) + np.eye(3),)]),
    "lerp": (lambda x, y: (x + y) / 2, [(V, W)]),
}
CALLS = [(name, k) for name, (_, operands) in ARRAYS.items() for k in range(len(operands))]


@pytest.mark.parametrize(("name", "k"), CALLS)
def test_functions_of_arrays(name: str, k: int) -> None:
    function, calls = ARRAYS[name]
    y, *gradients = evaluated(name, *calls[k])
    np.testing.assert_allclose(y, function(*calls[k]), rtol=1e-12, atol=1e-15)
    for i, gradient in enumerate(gradients):
        expected = np.zeros(calls[k][i].shape)
        for place in np.ndindex(expected.shape):
            step = np.zeros(expected.shape)
            step[place] = 1e-6 * max(1.0, abs(calls[k][i][place]))
            up, down = ([*calls[k]] for _ in range(2))
            up[i], down[i] = calls[k][i] + step, calls[k][i] - step
            expected[place] = np.sum(function(*up) - function(*down)) / (2 * step[place])
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)


# Where a textbook's formula is NaN: the arguments, the value and gradients. A kink has the
# subgradient closest to zero.
ZERO = np.zeros(3)
EDGES: dict[str, tuple[tuple[Any, ...], Any, list[Any]]] = {
    "norm": ((ZERO,), 0.0, [ZERO]),
    "rms": ((ZERO,), 0.0, [ZERO]),
    "dist": ((V, V), 0.0, [ZERO, ZERO]),
    "cdist": ((M[:1], M[:1]), [[0.0]], [[[0.0, 0.0]], [[0.0, 0.0]]]),
    "cosine_similarity": ((ZERO, V), 0.0, [V * 1e8 / np.linalg.norm(V), ZERO]),
    "xlogy": ((ZERO, ZERO), ZERO, [ZERO, ZERO]),
    "xlog1py": ((ZERO, ZERO - 1), ZERO, [ZERO, ZERO]),
    "logsumexp": ((np.array([-np.inf, 0.0, -np.inf]),), 0.0, [[0.0, 1.0, 0.0]]),
}


@pytest.mark.parametrize("name", EDGES)
def test_edges(name: str) -> None:
    arguments, value, gradients = EDGES[name]
    for found, expected in zip(evaluated(name, *arguments), [value, *gradients], strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-15)


@pytest.mark.parametrize("name", ["entr", "rel_entr"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_entropy_at_zero_has_a_finite_slope_of_the_right_sign(name: str, dtype: type) -> None:
    y, slope, *_ = evaluated(name, np.zeros(2, dtype), np.ones(2, dtype))
    assert y.tolist() == [0, 0]
    assert (np.abs(slope) > 80).all()
    assert np.isfinite(slope).all()
    assert (slope > 0).all() == (name == "entr")


def test_each_name_is_in_the_table() -> None:
    assert {*FUNCTIONS, *ARRAYS, *EDGES} <= set(EXPRESSIONS)


@pytest.mark.parametrize(
    ("name", "operands"),
    [
        ("xlogy", (np.zeros(3), np.array([-2.0, np.inf, np.nan]))),
        ("xlog1py", (np.zeros(3), np.array([-2.0, np.inf, np.nan]))),
        ("entr", (np.array([-1.0, 0.0, 0.5]),)),
    ],
)
def test_values_at_the_ends_are_those_of_scipy(name: str, operands: tuple[Any, ...]) -> None:
    with np.errstate(all="ignore"):
        y = evaluated(name, *operands)[0]
    np.testing.assert_allclose(y, getattr(scipy.special, name)(*operands), rtol=1e-14)
