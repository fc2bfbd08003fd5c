"""SciPy's minimisers take what a function of dlarrays returns, with every method."""

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from scipy.optimize._minimize import MINIMIZE_METHODS

import dlgradient as dl

START = np.array([-1.2, 1.0])
HESSIAN = {"newton-cg", "trust-constr", "dogleg", "trust-ncg", "trust-exact", "trust-krylov"}


def value(x: Any) -> Any:
    return 10 * (x[1] - x[0]) ** 2 + dl.cosh(x[0] - 1)


def value_and_gradient(x: Any) -> Any:
    y = value(x)
    return y, dl.dlgradient(y, x)


def second(x: Any) -> Any:
    g = dl.dlgradient(value(x), x, enable_higher_derivatives=True)
    return dl.stack([dl.dlgradient(g[i], x, retain_data=True) for i in range(2)])


def minimized(x: Any) -> Any:
    return dl.dlfeval(value_and_gradient, dl.dlarray(x))


def hessian(x: Any) -> Any:
    return dl.dlfeval(second, dl.dlarray(x))


@pytest.mark.parametrize("start", [START, dl.dlarray(START)], ids=["ndarray", "dlarray"])
@pytest.mark.parametrize("method", MINIMIZE_METHODS)
def test_minimize(method: str, start: Any) -> None:
    more: dict[str, Any] = {"hess": hessian} if method in HESSIAN else {}
    limit = "maxfun" if method == "tnc" else "maxiter"
    with warnings.catch_warnings():
        # Methods without derivatives say that they do not use the gradient.
        warnings.filterwarnings("ignore", "Method .* does not use gradient", RuntimeWarning)
        found = scipy.optimize.minimize(
            minimized, start, jac=True, method=method, tol=1e-6, options={limit: 900}, **more
        )
    assert type(found.x) is np.ndarray
    np.testing.assert_allclose(found.x, [1.0, 1.0], rtol=2e-3)


def test_root_and_least_squares() -> None:
    def residuals(x: Any) -> Any:
        return dl.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    def jacobian(x: Any) -> Any:
        def rows(x: Any) -> Any:
            r = residuals(x)
            return dl.stack([dl.dlgradient(r[i], x, retain_data=True) for i in range(2)])

        return dl.dlfeval(rows, dl.dlarray(x))

    def both(x: Any) -> Any:
        return residuals(dl.dlarray(x)), jacobian(x)

    for method in ("hybr", "lm"):
        found = scipy.optimize.root(both, START, jac=True, method=method)
        np.testing.assert_allclose(found.x, [1.0, 1.0], rtol=1e-7)
    for method in ("trf", "dogbox", "lm"):
        found = scipy.optimize.least_squares(
            lambda x: residuals(dl.dlarray(x)), START, jacobian, method=method
        )
        np.testing.assert_allclose(found.x, [1.0, 1.0], rtol=1e-7)


def of_scipy() -> dict[str, Any]:
    from scipy import (
        fft,
        integrate,
        interpolate,
        linalg,
        ndimage,
        optimize,
        signal,
        sparse,
        special,
        stats,
    )
    from scipy.sparse import linalg as sparse_linalg

    return {
        r"scipy\.linalg\.solve is not traced; write dl.linalg.solve": lambda x: linalg.solve(A, x),
        r"scipy\.linalg\.expm is not traced; write dl.linalg.expm": lambda x: linalg.expm(
            dl.outer(x, x)
        ),
        r"scipy\.linalg\.norm is not traced; write dl.linalg.norm": linalg.norm,
        r"scipy\.fft\.fft is not traced; write np\.fft\.fft\(x\)": fft.fft,
        r"scipy\.special\.logsumexp is not traced; write dl.special.logsumexp": special.logsumexp,
        r"scipy\.sparse is not traced; .*SparseProduct": lambda x: sparse.csr_array(A) @ x,
        r"scipy\.sparse is not traced; .* SparseProduct": lambda x: sparse.csr_array(A).dot(x),
        r"scipy\.sparse is not traced;.* SparseProduct": lambda x: sparse.coo_array(A) * x,
        r"scipy\.sparse\.linalg\.\w+ is not traced; .*make an operation": (
            lambda x: sparse_linalg.spsolve(sparse.csc_array(A), x)
        ),
        r"scipy\.optimize\.\w+ is not traced; .*Implicit derivatives": (
            lambda x: optimize.least_squares(lambda t: t - x, np.zeros(len(x)))
        ),
        r"scipy\.special\.softmax is not traced; write softmax\(x\)": special.softmax,
        r"scipy\.integrate\.solve_ivp is not traced; write dl.dlode45": lambda x: (
            integrate.solve_ivp(lambda _, y: y * x, [0, 1], START)
        ),
        r"scipy\.signal\.lfilter is not traced; .*\"Signals\"": (
            lambda x: signal.lfilter([1.0], [1.0, 0.5], x)
        ),
        r"scipy\.signal\.freqz is not traced; write dl.matmul": signal.freqz,
        r"scipy\.signal\.stft is not traced; it is dlstft": signal.stft,
        r"scipy\.fft\.dct is not traced; it is linear, and the page \"Signals\"": fft.dct,
        r"scipy\.interpolate is not traced; .*\"Signals\"": (
            lambda x: interpolate.CubicSpline([0.0, 1.0], x)
        ),
        r"scipy\.ndimage\.gaussian_filter is not traced; .*\"Signals\"": (
            lambda x: ndimage.gaussian_filter(x, 1.0)
        ),
        r"scipy\.ndimage\.maximum is not traced; write dl.max\(x\)": ndimage.maximum,
        r"scipy\.integrate\.quad is not traced; write dl.sum\(": (
            lambda x: integrate.quad(lambda s: x[0] * s, 0, 1)
        ),
        r"scipy\.stats is not traced; it is a formula": stats.norm.logpdf,
        r"scipy\.fft\.rfft2 is not traced; write dl.fft\.rfftn": lambda x: fft.rfft2(
            dl.outer(x, x)
        ),
        r"scipy\.signal\.medfilt is not traced; .*sorted neighbours": signal.medfilt,
        r"scipy\.ndimage\.maximum_filter is not traced; .*or maxpool": (
            lambda x: ndimage.maximum_filter(x, 3)
        ),
        r"numpy\.vectorize is not traced; write dl\.stack\(": lambda x: np.vectorize(abs)(x),
        r"numpy\.ma\.\w+ is not traced; .*write dl\.where\(mask": (
            lambda x: np.ma.masked_array(x, [True] * len(START))
        ),
        r"numpy\.array\(\[x, y\]\)": lambda x: np.array([x[0], 1.0]),
    }


A = np.array([[2.0, 1.0], [0.0, 1.0]])


@pytest.mark.parametrize("text", of_scipy())
def test_what_leaves_the_trace_in_scipy_is_answered_by_its_name(text: str) -> None:
    with pytest.raises(dl.LeavingTraceError, match=text):
        dl.dlfeval(of_scipy()[text], dl.dlarray(START))


def test_a_name_is_answered_only_where_it_means_what_the_tables_say() -> None:
    from scipy import special
    from scipy.cluster import hierarchy
    from scipy.sparse import csgraph
    from scipy.spatial import distance

    square = dl.dlarray([[0.0, 1.0], [1.0, 0.0]])
    for function in (hierarchy.average, hierarchy.single, csgraph.laplacian):
        with pytest.raises(dl.LeavingTraceError) as found:
            dl.dlfeval(function, square)
        assert "scipy" not in str(found.value)
    with pytest.raises(dl.LeavingTraceError) as found:
        dl.dlfeval(distance.hamming, square[0], START)
    assert "makes a constant" not in str(found.value)
    with pytest.raises(dl.UnsupportedFunctionError) as unsupported:
        dl.dlfeval(lambda x: special.huber(1.0, x), dl.dlarray(START))
    assert "dlgradient.huber" not in str(unsupported.value)


def test_the_error_of_a_function_that_a_page_has_leads_to_that_page() -> None:
    from scipy import special

    with pytest.raises(dl.UnsupportedFunctionError, match=r"See \S+/special-functions.html$"):
        dl.dlfeval(lambda x: special.binom(x, 2.0), dl.dlarray(START))
