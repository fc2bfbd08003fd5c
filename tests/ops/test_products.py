"""Products whose partial products leave the range of their dtype, against mpmath."""

import mpmath as mp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import dlgradient as dl
from dlgradient.ops.products import exclusive_products

LARGEST = {np.float32: 1e38, np.float64: 1e308, np.complex128: 1e308}


def factors(rng, dtype, n):
    """Factors of very different sizes, in an order that overflows, whose product is about one."""
    largest = np.log10(LARGEST[dtype])
    sizes = rng.uniform(-0.4, 0.4, size=n) * largest
    sizes = np.sort(sizes - sizes.mean())[::-1]
    x = rng.choice([-1, 1], size=n) * rng.uniform(0.5, 2, size=n) * 10**sizes
    if dtype is np.complex128:
        x = x * np.exp(1j * rng.uniform(0, 7, size=n))
    return x.astype(dtype)


def exact(x):
    return mp.fprod([mp.mpmathify(complex(v) if np.iscomplexobj(x) else float(v)) for v in x])


def representable(values, dtype):
    """Return numbers of mpmath as an array, and which of them are normal numbers of the dtype."""
    sizes = np.array([float(mp.log10(abs(v))) for v in values])
    inside = np.abs(sizes) < np.log10(LARGEST[dtype]) - 1
    return np.array([complex(v) if i else 0 for v, i in zip(values, inside, strict=True)]), inside


@pytest.mark.parametrize("dtype", LARGEST)
@pytest.mark.parametrize("n", [2, 3, 8, 13, 40])
@pytest.mark.parametrize("reverse", [False, True])
def test_partial_products_may_overflow_and_underflow(rng, dtype, n, reverse):
    x = factors(rng, dtype, n)[:: -1 if reverse else 1]
    whole, rtol = exact(x), 4 * n * np.finfo(dtype).eps

    def run(x):
        y = dl.prod(x)
        return y, dl.dljvp(y, x, dl.dlarray(start)), dl.dlgradient(dl.real(y), x)

    start = x
    y, tangent, slope = dl.dlfeval(run, dl.dlarray(x))
    assert y.dtype == slope.dtype == dtype
    assert_allclose(complex(y.item()), complex(whole), rtol=rtol)
    others = [whole / mp.mpmathify(complex(v)) for v in x]
    want, inside = representable(others, dtype)
    assert inside.any()
    assert_allclose(np.conj(np.asarray(slope))[inside], want[inside], rtol=rtol)
    assert_allclose(complex(tangent.item()), n * complex(whole), rtol=n * rtol)


def test_several_dimensions_and_infinite_results(rng):
    x = np.stack([factors(rng, np.float64, 6), np.full(6, 1e200), np.full(6, 1e-200)])
    want = [float(exact(x[0])), np.inf, 0]
    with np.errstate(over="ignore"):
        assert_allclose(dl.prod(dl.dlarray(x), axis=1), want, rtol=1e-14)
        turned = dl.prod(dl.dlarray(x.reshape(3, 2, 3)), axis=(2, 1), keepdims=True)
        assert_allclose(np.asarray(turned)[:, 0, 0], want, rtol=1e-14)
        assert_allclose(np.prod(dl.dlarray(x.T), axis=0), want, rtol=1e-14)


def test_zeros_infinity_and_nan_among_large_factors():
    large = [1e300, 1e300]
    assert exclusive_products(np.array([0.0, 3.0, *large, 1e-300, 1e-300]), axis=0)[1] == 0
    slopes = exclusive_products(np.array([0.0, 1e300, 1e300, 1e-300]), axis=0)
    assert_allclose(slopes, [1e300, 0, 0, 0], rtol=1e-15)
    assert dl.prod(dl.dlarray([*large, 0.0])) == 0
    with np.errstate(over="ignore"):
        assert dl.prod(dl.dlarray([*large, -np.inf])) == -np.inf
        assert np.isnan(dl.prod(dl.dlarray([*large, np.nan])).item())


def test_second_derivatives_are_products_of_the_others(rng):
    x = factors(rng, np.float64, 5)

    def run(x, v):
        slope = dl.dlgradient(dl.prod(x), x, enable_higher_derivatives=True)
        return dl.dlgradient((slope * v).sum(), x)

    for i in range(5):
        unit = np.eye(5)[i]
        found = np.asarray(dl.dlfeval(run, dl.dlarray(x), unit))
        others = [exact(np.delete(x, [i, j])) if i != j else mp.mpf(1) for j in range(5)]
        want, inside = representable(others, np.float64)
        inside[i] = False
        assert found[i] == 0
        assert_allclose(found[inside], want.real[inside], rtol=1e-13)
