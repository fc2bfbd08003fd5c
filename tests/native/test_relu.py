"""The compiled cotangent of relu against the kernel of NumPy, bit by bit."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.nn.activations.piecewise import where_positive

pytest.importorskip("llvmlite")

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3e38]


def cotangent(mode, x, g):
    """Return the cotangent of relu."""

    def pulled(x, g):
        return dl.dlgradient((dl.relu(x) * g).sum(), x)

    with dl.acceleration(mode), np.errstate(all="ignore"):
        return np.asarray(dl.dlfeval(pulled, dl.dlarray(x), g))


def twice(mode, x, g, h):
    """Return cotangents of the cotangent of relu, and of a smooth function of relu."""

    def pulled(x, g, h):
        first = dl.dlgradient((dl.relu(x) ** 2 * g).sum(), x, enable_higher_derivatives=True)
        return first, *dl.dlgradient((first * h).sum(), x, g)

    with dl.acceleration(mode), np.errstate(all="ignore"):
        found = dl.dlfeval(pulled, *map(dl.dlarray, (x, g, h)))
    return [np.asarray(a) for a in found]


def with_special(rng, shape, dtype):
    """Return random numbers, with some that differ from all others."""
    x = rng.normal(size=shape)
    return np.where(rng.random(shape) < 0.2, rng.choice(SPECIAL, shape), x).astype(dtype)


def assert_same_bits(found, expected):
    """Raise an error if two arrays differ in a bit, but for NaN."""
    np.testing.assert_array_equal(found, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found)[numbers], np.signbit(expected)[numbers])


# The largest is written past the caches, from where it is aligned.
@pytest.mark.parametrize("shape", [(), (1,), (3, 7), (1003,), (0, 4), (5, 180_001)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_results_have_the_bits_of_numpy(rng, shape, dtype):
    x, g = (with_special(rng, shape, dtype) for _ in range(2))
    found, expected = cotangent("native", x, g), cotangent("numpy", x, g)
    assert_same_bits(found, expected)
    assert found.dtype == expected.dtype == dtype
    assert expected.shape == shape


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_second_derivatives_have_the_bits_of_numpy(rng, dtype):
    x, g, h = (with_special(rng, (7, 2003), dtype) for _ in range(3))
    for found, expected in zip(twice("native", x, g, h), twice("numpy", x, g, h), strict=True):
        assert_same_bits(found, expected)


@pytest.mark.parametrize("case", ["integers", "complex", "turned", "other shape"])
def test_what_stays_with_numpy(rng, case):
    x, g = rng.normal(size=(4, 6)), rng.normal(size=(4, 6)) + 0j
    x = np.rint(x).astype("i8") if case == "integers" else x
    g = g if case == "complex" else g.real
    if case == "turned":
        x, g = x.T, g.T
    if case == "other shape":
        x = x[:1]
    with dl.acceleration("native"):
        found = where_positive(g, x)
    np.testing.assert_array_equal(found, np.where(x > 0, g, 0))
