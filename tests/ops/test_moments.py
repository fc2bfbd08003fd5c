"""Means and deviations where there are few elements, or equal ones."""

import numpy as np
import pytest

import dlgradient as dl


def test_variance_of_too_few_elements_is_nan_without_a_warning():
    with np.errstate(all="raise"):
        for x in (np.array([2.0]), dl.dlarray([2.0]), dl.dlarray([[2.0]])):
            assert np.isnan(np.asarray(dl.var(x, correction=1))).all()


@pytest.mark.parametrize("n", [3, 7, 10, 1000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_elements_have_no_deviation(n, dtype):
    x = np.full(n, 0.1, dtype)
    assert dl.std(x) == dl.var(x) == 0
    direction = np.arange(n)

    def derivatives(x):
        g = dl.dlgradient(dl.var(x), x, enable_higher_derivatives=True)
        return dl.dlgradient(dl.std(x), x), g, dl.dlgradient(dl.sum(g * direction), x)

    of_std, of_var, product = dl.dlfeval(derivatives, dl.dlarray(x))
    assert of_std.tolist() == of_var.tolist() == [0] * n
    want = 2 / n * (direction - (n - 1) / 2)
    np.testing.assert_allclose(np.asarray(product), want, rtol=1e-5, atol=1e-6)
