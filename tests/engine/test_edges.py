"""Derivatives at edges: equal elements, zeros, empty and repeated dimensions."""

import numpy as np
import pytest

import dlgradient as dl


def gradient(fun, x):
    return np.asarray(dl.dlfeval(lambda x: dl.dlgradient(fun(x), x), dl.dlarray(x)))


def product_with_hessian(fun, x, t):
    """Hessian-vector product in the direction `t`."""

    def product(x):
        g = dl.dlgradient(fun(x), x, enable_higher_derivatives=True)
        return dl.dlgradient(dl.real(dl.sum(dl.conj(g) * t)), x)

    return np.asarray(dl.dlfeval(product, dl.dlarray(x)))


@pytest.mark.parametrize("n", [3, 7, 10, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_elements_have_no_deviation(n, dtype):
    x = np.full(n, 0.1, dtype)
    assert dl.std(x) == dl.var(x) == 0
    assert gradient(dl.std, x).tolist() == [0] * n
    assert gradient(dl.var, x).tolist() == [0] * n
    np.testing.assert_allclose(
        product_with_hessian(dl.var, x, np.arange(n)),
        2 / n * (np.arange(n) - (n - 1) / 2),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("update", ["adam", "rmsprop"])
def test_derivative_through_an_update_where_a_gradient_is_zero(update):
    def stepped(g):
        if update == "adam":
            p, *_ = dl.adamupdate(np.ones(2), g, None, None, 1, learning_rate=0.5)
        else:
            p, *_ = dl.rmspropupdate(np.ones(2), g, None, learning_rate=0.5)
        return p.sum()

    g = gradient(stepped, np.array([0.0, 2.0]))
    # At 0 the root of the averaged square has a kink, and only the numerator moves.
    assert g[0] == pytest.approx(-0.5 / 1e-8)
    assert np.isfinite(g[1])
