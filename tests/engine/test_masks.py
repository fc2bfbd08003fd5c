"""No gradient is not zero gradient: nothing leaks from a branch that was not taken."""

import numpy as np
import pytest

import dlgradient as dl

pytestmark = pytest.mark.filterwarnings("ignore:(invalid|divide|overflow):RuntimeWarning")


def gradient_of(fun, x):
    return np.asarray(dl.dlfeval(lambda x: dl.dlgradient(fun(x).sum(), x), dl.dlarray(x)))


def second(fun, x):
    def both(x):
        g = dl.dlgradient(fun(x).sum(), x, enable_higher_derivatives=True)
        return dl.dlgradient(g.sum(), x)

    return np.asarray(dl.dlfeval(both, dl.dlarray(x)))


X = np.array([-1.0, 0.0, 4.0])


def test_where_with_a_root_that_is_not_taken():
    def fun(x):
        return dl.where(x > 0, dl.sqrt(x), x)

    assert gradient_of(fun, X).tolist() == [1.0, 1.0, 0.25]
    np.testing.assert_allclose(second(fun, X), [0.0, 0.0, -0.25 * 4.0**-1.5])


def test_where_with_a_quotient_and_a_logarithm():
    assert gradient_of(lambda x: dl.where(x == 0, 1.0, dl.sin(x) / x), X)[1] == 0.0
    assert gradient_of(lambda x: dl.where(x > 0, x * dl.log(x), 0.0), X)[:2].tolist() == [0.0, 0.0]


def test_indexing_a_part():
    def fun(x):
        return dl.sqrt(x)[2:]

    assert gradient_of(fun, X).tolist() == [0.0, 0.0, 0.25]
    assert gradient_of(lambda x: dl.log(x)[x > 0], X).tolist() == [0.0, 0.0, 0.25]


def test_assignment_over_a_singular_value():
    def fun(x):
        y = dl.log(x)
        y[x <= 0] = 0.0
        return y

    assert gradient_of(fun, X).tolist() == [0.0, 0.0, 0.25]


def test_maximum_and_clip():
    assert gradient_of(lambda x: dl.maximum(dl.log(x + 1.0), 0.5), X)[0] == 0.0
    assert gradient_of(lambda x: dl.clip(1.0 / x, -2.0, 2.0), X)[1] == 0.0


def test_scalars():
    def fun(x):
        y = dl.sqrt(x[1]) * 1.0
        return dl.where(x[2] > 0, x[2], y)

    assert gradient_of(fun, X).tolist() == [0.0, 0.0, 1.0]


def test_a_singular_derivative_that_counts_is_not_hidden():
    assert gradient_of(dl.sqrt, X)[1] == np.inf
    assert np.isnan(gradient_of(lambda x: dl.sqrt(x) * 0.0, X)[1])


def test_mean_squared_error_that_ignores_missing_targets():
    target = np.array([1.0, np.nan, 3.0])

    def loss(x):
        error = dl.where(np.isnan(target), 0.0, x - target)
        return (error**2).sum()

    assert gradient_of(loss, X).tolist() == [-4.0, 0.0, 2.0]


def test_a_cotangent_that_is_zero_by_its_value_has_a_derivative():
    """At a minimum the gradient vanishes, and the second derivative does not."""

    def fun(x):
        return (dl.where(x > -2.0, dl.exp(x), 0.0) - 1.0) ** 2

    np.testing.assert_allclose(second(fun, np.zeros(2)), [2.0, 2.0])

    def rosenbrock_of_logarithms(u):
        x = dl.exp(u)
        y = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
        g = dl.dlgradient(y, u, enable_higher_derivatives=True)
        return dl.dlgradient(g[0], u)

    hessian_row = dl.dlfeval(rosenbrock_of_logarithms, dl.dlarray([0.0, 0.0]))
    np.testing.assert_allclose(hessian_row.tolist(), [802.0, -400.0])


def test_a_learned_slope_behind_an_infinity_that_is_not_taken():
    def fun(x, alpha):
        y = dl.where(x > 0, dl.prelu(dl.log(x), alpha), 0.0).sum()
        return dl.dlgradient(y, x, alpha)

    x, alpha = dl.dlarray([0.0, 0.5, 4.0]), dl.dlarray(0.1)
    of_x, of_alpha = dl.dlfeval(fun, x, alpha)
    np.testing.assert_allclose(np.asarray(of_x), [0.0, 0.2, 0.25])
    np.testing.assert_allclose(np.asarray(of_alpha), np.log(0.5))
