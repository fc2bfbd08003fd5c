"""NumPy's functions that have no traced form: on the values of an untraced dlarray, else refused.

Every public function and ufunc of NumPy that the table does not answer is called.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.interop.table import find

X = np.array([[0.3, -1.2, 0.7], [1.9, -0.4, 1.1]])
S = np.array([[2.0, 0.3, 0.1], [0.3, 1.5, -0.2], [0.1, -0.2, 1.1]])
V = np.array([0.5, 1.0, 2.5, 4.0])
N = np.array([4, 6, 3])

# How a function is called, where `f(X)` is no call of it. `a` makes a dlarray of an array.
Maker = Callable[[Any], Any]
CALLS: dict[str, Callable[[Any, Maker], Any]] = {
    "apply_along_axis": lambda f, a: f(np.sum, 0, a(X)),
    "apply_over_axes": lambda f, a: f(np.sum, a(X), [0]),
    "argpartition": lambda f, a: f(a(V), 1),
    "bitwise_count": lambda f, a: f(a(N)),
    "choose": lambda f, a: f(a(np.array([0, 1])), [[1.0, 2.0], [3.0, 4.0]]),
    "cholesky": lambda f, a: f(a(S)),
    "compress": lambda f, a: f([True, False], a(X), axis=0),
    "cond": lambda f, a: f(a(S)),
    "convolve": lambda f, a: f(a(V), [1.0, 2.0]),
    "correlate": lambda f, a: f(a(V), [1.0, 2.0]),
    "cross": lambda f, a: f(a(X), [1.0, 2.0, 3.0]),
    "delete": lambda f, a: f(a(V), 1),
    "diag_indices_from": lambda f, a: f(a(S)),
    "einsum": lambda f, a: f("ij,kj->ik", a(X), X),
    "einsum_path": lambda f, a: f("ij,kj->ik", a(X), a(X))[1],
    "extract": lambda f, a: f(X > 0, a(X)),
    "gcd": lambda f, a: f(a(N), 2),
    "geomspace": lambda f, a: f(a(V[0]), a(V[1]), 3),
    "heaviside": lambda f, a: f(a(X), 0.5),
    "histogram2d": lambda f, a: f(a(V), a(V), 3),
    "histogramdd": lambda f, a: f(a(X), 3),
    "insert": lambda f, a: f(a(V), 1, 7.0),
    "interp": lambda f, a: f(a(V), [0.0, 3.0], [1.0, 2.0]),
    "irfft2": lambda f, a: f(a(X)),
    "ix_": lambda f, a: f(a(N), a(N)),
    "kron": lambda f, a: f(a(X), X),
    "lcm": lambda f, a: f(a(N), 2),
    "ldexp": lambda f, a: f(a(X), 2),
    "linspace": lambda f, a: f(a(V[0]), a(V[1]), 3),
    "logspace": lambda f, a: f(a(V[0]), a(V[1]), 3),
    "lstsq": lambda f, a: f(a(S), [1.0, 2.0, 3.0])[0],
    "matrix_power": lambda f, a: f(a(S), 3),
    "multi_dot": lambda f, a: f([a(X), a(S), a(S)]),
    "packbits": lambda f, a: f(a(X > 0)),
    "pad": lambda f, a: f(a(X), 1),
    "partition": lambda f, a: f(a(V), 1),
    "piecewise": lambda f, a: f(a(V), [V > 1], [1.0, 2.0]),
    "polyadd": lambda f, a: f(a(V), [1.0]),
    "polyder": lambda f, a: f(a(V)),
    "polydiv": lambda f, a: f(a(V), [1.0, 2.0]),
    "polyfit": lambda f, a: f(a(V), V**2, 2),
    "polyint": lambda f, a: f(a(V)),
    "polymul": lambda f, a: f(a(V), [1.0, 2.0]),
    "polysub": lambda f, a: f(a(V), [1.0]),
    "polyval": lambda f, a: f(a(V), 2.0),
    "ravel_multi_index": lambda f, a: f((a(N), a(N)), (9, 9)),
    "resize": lambda f, a: f(a(X), (2, 2)),
    "rollaxis": lambda f, a: f(a(X), 1),
    "roots": lambda f, a: f(a(V)),
    "select": lambda f, a: f([X > 0], [a(X)]),
    "solve": lambda f, a: f(a(S), [1.0, 2.0, 3.0]),
    "svd": lambda f, a: f(a(X))[1],
    "tensorinv": lambda f, a: f(a(S), 1),
    "tensorsolve": lambda f, a: f(a(S), V[:3]),
    "trim_zeros": lambda f, a: f(a(V)),
    "unpackbits": lambda f, a: f(a(N.astype(np.uint8))),
    "unravel_index": lambda f, a: f(a(N), (9, 9)),
    "vander": lambda f, a: f(a(V)),
} | dict.fromkeys(("poly", "diagflat"), lambda f, a: f(a(V)))
SQUARE = ("det", "eig", "eigh", "eigvals", "eigvalsh", "inv", "slogdet")
CALLS |= dict.fromkeys(SQUARE, lambda f, a: f(a(S)))
PERCENTILES = ("percentile", "quantile", "nanpercentile", "nanquantile")
CALLS |= dict.fromkeys(PERCENTILES, lambda f, a: f(a(X), 0.5))
SETS = ("intersect1d", "setdiff1d", "setxor1d", "union1d")
CALLS |= dict.fromkeys(SETS, lambda f, a: f(a(V), [1.0]))
PAIRS = ("float_power", "fmax", "fmin", "fmod", "logaddexp2", "nextafter")
CALLS |= dict.fromkeys(PAIRS, lambda f, a: f(a(np.abs(X)), 0.7))

DATES = {"busday_count", "busday_offset", "datetime_as_string", "is_busday", "isnat"}
WRITES = {"put_along_axis"}
GONE = {"in1d"}  # deprecated, and not in NumPy 2.4


def unanswered() -> dict[str, Any]:
    """Find NumPy's functions and ufuncs that have no traced form."""
    functions = {}
    for module in (np, np.linalg, np.fft):
        for name in module.__all__:
            func = getattr(module, name)
            if isinstance(func, np.ufunc) or hasattr(func, "_implementation"):
                functions[f"{module.__name__}.{name}"] = func
    return {n: f for n, f in functions.items() if find(f) is None}


NAMES = [n for n in sorted(unanswered()) if n.rpartition(".")[2] not in DATES | WRITES | GONE]


def call_of(name: str) -> Callable[[Maker], Any]:
    func = unanswered()[name]
    call = CALLS.get(name.rpartition(".")[2], lambda f, a: f(a(X)))
    return lambda maker: call(func, maker)


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, list | tuple):
        assert type(found) is type(expected)
        for f, e in zip(found, expected, strict=True):
            assert_same(f, e)
    elif isinstance(expected, np.ndarray | np.generic):
        assert dl.isdlarray(found)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(dl.extractdata(found), expected)
    else:
        assert type(found) is type(expected)
        assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_an_untraced_dlarray_is_computed_with(name: str) -> None:
    call = call_of(name)
    assert_same(call(dl.dlarray), call(lambda x: x))


@pytest.mark.parametrize("name", NAMES)
def test_a_traced_dlarray_is_refused(name: str) -> None:
    call = call_of(name)

    def run(x: Any) -> None:
        call(lambda a: dl.dlarray(a) + 0.0 * x if a.dtype.kind == "f" else dl.dlarray(a))

    if any(a.dtype.kind == "f" for a in arguments(call)):
        with pytest.raises((dl.UnsupportedFunctionError, dl.LeavingTraceError)):
            dl.dlfeval(run, dl.dlarray(1.0))


def arguments(call: Callable[[Maker], Any]) -> list[Any]:
    seen: list[Any] = []

    def keep(a: Any) -> Any:
        seen.append(np.asarray(a))
        return a

    call(keep)
    return seen


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.sum(x, where=X > 0),
        lambda x: np.sum(x, initial=1.0),
        lambda x: np.add(x, 1, casting="unsafe"),
        lambda x: np.concatenate([x], casting="unsafe"),
        lambda x: np.take(x, 9, mode="wrap"),
        lambda x: np.multiply.reduce(x, initial=2.0),
        lambda x: np.hypot.reduce(x),
        lambda x: np.add.reduceat(x, [0, 1]),
        lambda x: np.arctan2.outer(x, V),
        lambda x: np.cumsum(x, 1, out=np.zeros((2, 3))),
        np.maximum.accumulate,
    ],
)
def test_a_call_that_is_not_traced_is_computed(call: Any) -> None:
    np.testing.assert_array_equal(np.asarray(call(dl.dlarray(X))), call(X))


def test_what_numpy_writes_into_is_an_array_of_the_user() -> None:
    out = np.zeros((2, 3))
    assert np.fmod(dl.dlarray(X), 0.5, out=out) is out
    np.testing.assert_array_equal(out, np.fmod(X, 0.5))
    np.multiply.at(out, ([0], [1]), dl.dlarray(2.0))
    assert out[0, 1] == 2 * np.fmod(X, 0.5)[0, 1]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.put_along_axis(x, np.array([[0]]), 7.0, axis=1),
        lambda x: np.multiply.at(x, 0, 2.0),
        lambda x: np.nan_to_num(x, copy=False),
        lambda x: np.fmod(x, 2.0, out=x),
        lambda x: np.sort(x).sort,
    ],
)
def test_nothing_writes_into_a_dlarray(call: Any) -> None:
    x = dl.dlarray(X)
    with pytest.raises((ValueError, dl.DlgradientError, AttributeError)):
        call(x)
    np.testing.assert_array_equal(dl.extractdata(x), X)


def test_a_result_shares_no_memory_that_the_user_may_write() -> None:
    data = N.copy()
    rows, _ = np.ix_(data, dl.dlarray(N))  # views of its arguments
    data[:] = 0
    assert rows.tolist() == [[4], [6], [3]]


def test_a_view_of_a_dlarray_keeps_its_values() -> None:
    x = dl.dlarray(X)
    y = np.lib.stride_tricks.sliding_window_view(x, (1, 2))
    x[...] = 0.0
    np.testing.assert_array_equal(
        dl.extractdata(y), np.lib.stride_tricks.sliding_window_view(X, (1, 2))
    )
    y[...] = 1.0
    assert not x.any()


@pytest.mark.parametrize("func", [np.atleast_1d, np.atleast_2d, np.atleast_3d])
def test_conversions_make_arrays(func: Any) -> None:
    assert type(func(dl.dlarray(2.0))) is np.ndarray
    several = func(dl.dlarray(V), 3.0)
    assert [type(y) for y in several] == [np.ndarray] * 2
    assert dl.isdlarray(func(dl.dlarray(V, "C")))
    assert dl.dlfeval(lambda x: dl.isdlarray(func(x)), dl.dlarray(V))
