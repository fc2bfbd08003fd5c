"""Compiled normalisation against that of NumPy: values, statistics and cotangents."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.nn.normalization import kernels, rows
from dlgradient.nn.normalization.kernels import Method

pytest.importorskip("llvmlite")

# Shape, dimensions averaged over, and shape of offset and scale.
CASES = [
    ((4, 6, 5, 7), (0, 2, 3), (1, 6, 1, 1)),
    ((4, 6, 5, 7), (1, 2, 3), (1, 6, 1, 1)),
    ((4, 2, 3, 5, 7), (2, 3, 4), (1, 2, 3, 1, 1)),
    ((4, 6, 5, 7), (2, 3), (1, 6, 1, 1)),
    ((3, 40), (1,), (1, 1)),
    ((40,), (0,), (1,)),
    ((3, 2, 64), (0, 2), (1, 2, 1)),
    ((1, 1, 1003), (0, 2), (1, 1, 1)),
]


def both(x, offset, scale, g, method):
    """Return results and cotangents of NumPy, and those of compiled kernels."""
    found = []
    for mode in ("numpy", "native"):
        with dl.acceleration(mode), np.errstate(all="ignore"):
            out = kernels.standardize(x, offset, scale, method)
            found.append([*out, *kernels.pull(g, x, offset.shape, scale, out, method)])
    return found


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_are_those_of_numpy(rng, case, dtype, centered):
    shape, axes, small = case
    x, g = rng.normal(3, 1, (2, *shape)).astype(dtype)
    offset, scale = rng.normal(size=(2, *small)).astype(dtype)
    method = Method(axes, 1e-3, centered)
    assert rows.rows_of(axes, (x,), (small, small)) is None  # it is small
    terms = method.count(x) + x.size // np.prod(small)  # of a sum
    for a, b in zip(*both(x, offset, scale, g, method), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        size = np.abs(a).max() + terms
        np.testing.assert_allclose(b, a, rtol=0, atol=8 * np.finfo(dtype).eps * size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_large_mean_costs_no_digits(rng, dtype):
    exact = rng.normal(size=(8, 3, 400))
    x = (exact + 1000).astype(dtype)
    exact = x.astype(np.longdouble)
    exact = exact - exact.mean(axis=(0, 2), keepdims=True)
    exact /= np.sqrt((exact**2).mean(axis=(0, 2), keepdims=True))
    one = np.ones((1, 3, 1), dtype)
    with dl.acceleration("native"):
        y = kernels.standardize(x, 0 * one, one, Method((0, 2), 0.0, True)).y
    np.testing.assert_allclose(y, exact.astype(float), atol=2000 * np.finfo(dtype).eps)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e30, 1e-30, 1e38])
def test_strange_values_are_as_with_numpy(rng, value):
    x, g = rng.normal(size=(2, 2, 3, 20)).astype(np.float32)
    x[1, 1, 3] = value
    one = np.ones((1, 3, 1), np.float32)
    for a, b in zip(*both(x, 0 * one, one, g, Method((0, 2), 1e-5, True)), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-4, atol=1e-5)


def test_which_arrays_are_rows():
    x = np.zeros((32, 8, 10, 10))
    with dl.acceleration("native"):
        found = rows.rows_of((0, 2, 3), (x,), ((1, 8, 1, 1),))
        assert (found.lead, found.length) == (2, 100)
        assert rows.rows_of((1, 2, 3), (x,), ((1, 8, 10, 10),)) is None  # of elements
        assert rows.rows_of((1, 2, 3), (x[..., ::2],), ((1, 8, 1, 1),)) is None
        assert rows.rows_of((0, 1), (x.reshape(-1, 10),), ((1, 10),)) is None
    assert rows.rows_of((0, 2, 3), (x,), ((1, 8, 1, 1),)) is not None


def test_the_number_of_threads_changes_nothing(rng, monkeypatch):
    from dlgradient.core import threads

    x, g = rng.normal(size=(2, 16, 8, 1000)).astype(np.float32)
    one = np.ones((1, 8, 1), np.float32)
    results = []
    for count in (1, 3):
        monkeypatch.setattr(threads, "_count", lambda count=count: count)
        results.append(both(x, one, one, g, Method((0, 2), 1e-5, True))[1])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
