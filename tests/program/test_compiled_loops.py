"""Compiled loops: accelerated functions with groups of any size return what eager ones do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import dlgradient as dl

pytest.importorskip("llvmlite")


def same(fun: Any, *arrays: Any, rtol: float = 1e-12) -> Any:
    """Compare calls with compiled loops and eager ones; return the accelerated function."""
    accelerated = dl.dlaccelerate(fun)
    with dl.acceleration("native"):
        for _ in range(3):
            found = accelerated(*[dl.dlarray(a) for a in arrays])
    expected = dl.dlfeval(fun, *[dl.dlarray(a) for a in arrays])
    assert accelerated.hit_rate > 30
    for a, b in zip(found, expected, strict=True):
        x, y = dl.extractdata(a), dl.extractdata(b)
        assert (type(x), x.shape, x.dtype) == (type(y), y.shape, y.dtype)
        finite = np.abs(y)[np.isfinite(y)]
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * float(finite.max(initial=1)))
    return accelerated


def with_gradient(fun: Any) -> Any:
    """Return a function of arrays: value and gradient."""

    def evaluated(*xs: Any) -> Any:
        y = fun(*xs)
        return y, *[dl.dlgradient(y, x) for x in xs]

    return evaluated


def test_a_chain_is_one_loop(rng):
    fun = with_gradient(lambda x: (dl.sin(x) * dl.exp(-(x**2)) + dl.tanh(x)).sum())
    accelerated = same(fun, rng.normal(size=(400, 210)))  # too much work to hold the lock
    with dl.acceleration("native"):
        assert accelerated.source().count("loop(") == 1
        assert "sin(x0)" in accelerated.source()
        assert "in a compiled loop" in accelerated.explain()
    with dl.acceleration("numpy"):
        assert "loop" not in accelerated.source() + accelerated.explain()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1,), (7,), (64,), (3, 5), (37, 64), (2, 3, 50), (4, 5, 6, 7)])
def test_rows_columns_and_numbers_are_spread(rng, shape, dtype):
    x, row = rng.normal(size=shape).astype(dtype), rng.normal(size=shape[-1:]).astype(dtype)
    column = rng.normal(size=(*shape[:-1], 1)).astype(dtype)
    number = rng.normal(size=()).astype(dtype)
    fun = with_gradient(lambda *a: (dl.tanh((a[0] + a[1]) * a[2]) * a[3]).mean())
    same(fun, x, row, column, number, rtol=1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), (1, 2), (0, 2)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_sums_over_any_axis(rng, axis, keepdims):
    def fun(x: Any) -> Any:
        y = dl.exp(x) * x
        return y.sum(axis=axis, keepdims=keepdims), dl.mean(y, axis=axis, keepdims=keepdims), y

    same(fun, rng.normal(size=(5, 33, 18)))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_arrays_without_elements(shape):
    same(lambda x: ((dl.exp(x) + 1).sum(), dl.exp(x) + x), np.zeros(shape))


def test_choices_and_masks(rng):
    def fun(x: Any, y: Any) -> Any:
        z = dl.where((x > 0) & (y < 0.5), x * y, dl.maximum(x, y))
        return z.sum(), *dl.dlgradient((dl.relu(z) * dl.minimum(x, 0.3)).sum(), x, y)

    special = np.array([0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0])
    x, y = rng.normal(size=(2, 40, 9))
    same(fun, x, y)
    x, y = rng.choice(special, (2, 40, 9))
    with np.errstate(all="ignore"):
        same(lambda x, y: (dl.where(x > y, dl.abs(x), dl.sign(y)) * dl.relu(x), x**3), x, y)


def test_views_and_strided_arrays(rng):
    x = rng.normal(size=(12, 40))
    fun = with_gradient(lambda x, y: (dl.cos(x) * y).sum())
    for a, b in ((x[:, ::2], x[:, ::-2]), (x.T, x.T), (np.asfortranarray(x), x)):
        same(fun, a, b)
    fixed = x.copy()
    fixed.flags.writeable = False
    same(fun, fixed, fixed)


def test_results_are_new_arrays(rng):
    def fun(x: Any) -> Any:
        y = dl.exp(x) * x
        return y, y + 0, y * 2

    accelerated = dl.dlaccelerate(fun)
    with dl.acceleration("native"):
        x = dl.dlarray(rng.normal(size=100))
        kept = [accelerated(x) for _ in range(4)]
    expected = [dl.extractdata(a).copy() for a in kept[-1]]
    arrays = [dl.extractdata(a) for call in kept for a in call]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])
    for a, b in zip(kept[-2], expected, strict=True):
        np.testing.assert_array_equal(dl.extractdata(a), b)


def test_the_number_of_threads_changes_no_bit(rng, monkeypatch):
    from dlgradient.core import threads

    fun = with_gradient(lambda x, y: (dl.tanh(x) * y).sum(axis=0).max())
    x, y = rng.normal(size=(3000, 100)).astype(np.float32), rng.normal(size=100).astype(np.float32)
    found = []
    for count in (1, 3):
        monkeypatch.setattr(threads, "_count", lambda count=count: count)
        accelerated = dl.dlaccelerate(fun)
        with dl.acceleration("native"):
            for _ in range(3):
                result = accelerated(dl.dlarray(x), dl.dlarray(y))
        found.append([dl.extractdata(a) for a in result])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_sums_are_as_accurate_as_those_of_numpy(rng, axis):
    x = rng.uniform(size=(2000, 777)).astype(np.float32)
    accelerated = dl.dlaccelerate(lambda x: ((x + 1) * x).sum(axis=axis))
    with dl.acceleration("native"):
        for _ in range(3):
            found = dl.extractdata(accelerated(dl.dlarray(x)))
    exact = ((x + 1) * x).astype(np.float64).sum(axis=axis)
    plain = ((x + 1) * x).sum(axis=axis)
    assert np.abs(found - exact).max() <= 1.5 * np.abs(plain - exact).max() + 1e-7 * exact.max()


def test_a_matrix_product_between_lines_is_no_problem(rng):
    def fun(x: Any, w: Any) -> Any:
        y = dl.tanh(x)
        z = dl.tanh(y @ w) * y
        return z, dl.dlgradient((z * y).sum(), x)

    same(fun, rng.normal(size=(6, 6)), rng.normal(size=(6, 6)))


def test_small_work_has_no_loops(rng):
    for n, is_large in ((30, False), (300, True)):
        accelerated = dl.dlaccelerate(lambda x: (dl.tanh(x) * x).sum())
        with dl.acceleration("auto"):
            for _ in range(4):
                accelerated(dl.dlarray(rng.normal(size=(n, n))))
            assert ("loop(" in accelerated.source()) == is_large


def test_what_cannot_be_compiled_stays_with_numpy(rng, monkeypatch):
    def fails(_: Any) -> Any:
        raise RuntimeError("no such target")

    monkeypatch.setattr("dlgradient.native.loops._kernel", fails)
    accelerated = dl.dlaccelerate(lambda x: dl.exp(x) * x)
    x = dl.dlarray(rng.normal(size=10))
    with dl.acceleration("native"):
        accelerated(x), accelerated(x)
        with pytest.warns(RuntimeWarning, match="no such target"):
            found = accelerated(x)
        assert "loop" not in accelerated.source()
    np.testing.assert_array_equal(found, dl.exp(x) * x)
