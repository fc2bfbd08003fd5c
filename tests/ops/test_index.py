"""Gradients of many elements taken by index: the way for large arrays adds up the same."""

import numpy as np
import pytest
from rounding import assert_close

import dlgradient as dl


def gradient(fun, x, weights):
    """Gradient of Σ weights · fun(x) and what `fun` takes."""
    return np.asarray(
        dl.dlfeval(lambda x: dl.dlgradient(dl.real(fun(x) * weights).sum(), x), dl.dlarray(x))
    )


@pytest.mark.parametrize("axis", [0, 1, -1, None])
@pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
def test_take(rng, axis, dtype):
    x = rng.standard_normal((6, 30, 8)).astype(dtype)
    size = x.size if axis is None else x.shape[axis]
    indices = rng.integers(-size, size, (20, 40))
    weights = rng.standard_normal(np.take(x, indices, axis).shape).astype(dtype)
    assert weights.size > 1 << 14 or axis is None
    want = np.zeros_like(x)
    places = np.take(np.arange(x.size).reshape(x.shape), indices, axis)
    np.add.at(want.reshape(-1), places, np.conj(weights))
    got = gradient(lambda x: dl.take(x, indices, axis=axis), x, weights)
    assert got.dtype == x.dtype
    assert_close(got, want, np.bincount(places.reshape(-1)).max())


@pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
@pytest.mark.parametrize("rows", [30, 3000])
def test_indexing(rng, rows, dtype):
    x = rng.standard_normal((rows, 9)).astype(dtype)
    key = (rng.integers(-rows, rows, (4, 60)), slice(None, None, 2))
    weights = rng.standard_normal(x[key].shape).astype(dtype)
    for repeat in (1, 5):  # below and above the number from which counting is the faster way
        key = (np.tile(key[0], (repeat, 1)), key[1])
        many = np.tile(weights, (repeat, 1, 1))
        want = np.zeros_like(x)
        np.add.at(want, key, np.conj(many))
        got = gradient(lambda x, key=key: x[key], x, many)
        assert got.dtype == x.dtype
        assert_close(got, want, np.bincount(key[0].reshape(-1) % rows).max())
