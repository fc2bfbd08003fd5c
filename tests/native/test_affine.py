"""A factor and a term for each channel, limited to an interval: the bits of NumPy's."""

import numpy as np
import pytest

pytest.importorskip("llvmlite")
from dlgradient.native.affine import affine

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3e38]


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 7), (3, 5, 64), (1, 4, 1003)])
@pytest.mark.parametrize("interval", [(-np.inf, np.inf), (0.0, np.inf), (0.0, 6.0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_have_the_bits_of_numpy(rng, shape, interval, dtype):
    x = 5 * rng.normal(size=shape).astype(dtype)
    x = np.where(rng.random(shape) < 0.2, rng.choice(SPECIAL, shape), x).astype(dtype)
    factors, terms = rng.normal(size=(2, shape[1])).astype(dtype)
    with np.errstate(all="ignore"):
        expected = np.clip(x * factors[:, None] + terms[:, None], *map(dtype, interval))
    out = np.empty_like(x)
    affine(x, factors, terms, interval, out)
    np.testing.assert_array_equal(out, expected)
    affine(x, factors, terms, interval, x)  # in place
    np.testing.assert_array_equal(x, expected)


def test_the_number_of_threads_changes_nothing(rng, monkeypatch):
    from dlgradient.core import threads

    x = rng.normal(size=(5, 7, 5000)).astype(np.float32)
    factors, terms = rng.normal(size=(2, 7)).astype(np.float32)
    results = []
    for count in (1, 3):
        monkeypatch.setattr(threads, "_count", lambda count=count: count)
        results.append(np.empty_like(x))
        affine(x, factors, terms, (0.0, 1.0), results[-1])
    np.testing.assert_array_equal(*results)
