"""lbfgsupdate against SciPy's minima, for all containers and line searches."""

import numpy as np
import pytest
from scipy import optimize

import dlgradient as dl
from dlgradient import layers

METHODS = ["weak-wolfe", "strong-wolfe", "backtracking"]


def rosenbrock(x):
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def beale(x):
    a, b = x[0], x[1]
    terms = [1.5 - a + a * b, 2.25 - a + a * b**2, 2.625 - a + a * b**3]
    return sum(t * t for t in terms)


def logistic(x):
    rng = np.random.default_rng(3)
    a, y = rng.normal(size=(60, 5)), np.sign(rng.normal(size=60))
    return dl.softplus(-y * (a @ x)).sum() + 0.5 * (x * x).sum()


PROBLEMS = {
    "rosenbrock": (rosenbrock, [-1.2, 1.0, 0.5, 2.0]),
    "beale": (beale, [1.0, 1.0]),
    "logistic": (logistic, [0.0] * 5),
}


def with_gradient(fun):
    def model_loss(x):
        y = fun(x)
        return y, dl.dlgradient(y, x)

    return lambda x: dl.dlfeval(model_loss, x)


def minimized(fun, x, *, steps=200, state=None, **options):
    state = state or dl.lbfgs_state()
    for _ in range(steps):
        x, state = dl.lbfgsupdate(x, fun, state, **options)
        if state.gradients_norm < 1e-8 or state.line_search_status == "failed":
            break
    return x, state


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", PROBLEMS)
def test_minima_are_those_of_scipy(name, method):
    fun, start = PROBLEMS[name]
    both = with_gradient(fun)

    def of_scipy(x):
        y, g = both(dl.dlarray(x))
        return y.item(), dl.extractdata(g)

    wanted = optimize.minimize(of_scipy, start, jac=True, method="BFGS", options={"gtol": 1e-10})
    x, state = minimized(both, dl.dlarray(start), line_search_method=method)
    np.testing.assert_allclose(dl.extractdata(x), wanted.x, atol=1e-5)
    assert state.loss == pytest.approx(wanted.fun, abs=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_a_step_keeps_what_the_search_promises(method, rng):
    both = with_gradient(rosenbrock)
    x, state = dl.dlarray(rng.normal(size=6)), None
    for _ in range(30):
        before = both(x)
        new, state = dl.lbfgsupdate(x, both, state, line_search_method=method)
        after = both(new)
        step = dl.extractdata(new) - dl.extractdata(x)
        slopes = [step @ dl.extractdata(g) for _, g in (before, after)]
        assert state.line_search_status == "completed"
        assert after[0].item() <= before[0].item() + 1e-4 * slopes[0]
        if method != "backtracking":
            assert slopes[1] >= 0.9 * slopes[0]
        if method == "strong-wolfe":
            assert abs(slopes[1]) <= 0.9 * abs(slopes[0])
        assert state.loss == after[0].item()
        assert state.gradients.tolist() == after[1].tolist()
        assert state.step_norm == pytest.approx(np.linalg.norm(step))
        x = new
    assert len(state.step_history) == 10
    s, y = state.step_history[-1], state.gradients_difference_history[-1]
    assert state.inverse_hessian_factor == pytest.approx(s @ y / (y @ y))


def test_one_evaluation_for_each_step_that_is_accepted_at_once():
    calls = []
    both = with_gradient(lambda x: (x * x).sum())

    def counted(x):
        calls.append(1)
        return both(x)

    x, state = dl.dlarray([3.0, 4.0]), dl.lbfgs_state(initial_inverse_hessian_factor=0.5)
    x, state = dl.lbfgsupdate(x, counted, state)
    assert len(calls) == 2
    assert x.tolist() == [0.0, 0.0]
    x, state = dl.lbfgsupdate(x, counted, state)
    assert len(calls) == 2  # the gradient is zero, and known


def test_networks_complex_learnables_and_further_outputs(rng):
    x = rng.normal(size=(50, 2))
    net = dl.dlnetwork([layers.FeatureInput(2), layers.FullyConnected(1)], generator=0)
    net = dl.dlupdate(lambda p: dl.astype(p, "float64"), net)
    frozen = net.set_learn_rate_factor("fc/bias", 0)

    def model_loss(net):
        y = net.predict(dl.dlarray(x, "BC"))
        loss = dl.mse(y, dl.dlarray(x @ [[2.0], [3.0]] + 1, "BC"))
        return loss, dl.dlgradient(loss, net.learnables), y

    for start, bias in [(net, 1.0), (frozen, 0.0)]:
        fitted, state = minimized(
            lambda net: dl.dlfeval(model_loss, net), start, num_loss_function_outputs=3
        )
        assert fitted.learnables["fc/bias"].item() == pytest.approx(bias, abs=1e-6)
        assert state.additional_loss_function_outputs[0].shape == (50, 1)

    z, _ = minimized(with_gradient(lambda q: dl.abs(q["z"] - (1 + 2j)) ** 2), {"z": dl.dlarray(0j)})
    assert z["z"].item() == pytest.approx(1 + 2j)


def test_single_precision_and_formats():
    x = dl.dlarray(np.float32([[3.0], [1.0]]), "CB")
    x, state = minimized(with_gradient(lambda x: ((x - 0.5) ** 4).sum()), x, steps=50)
    assert (x.dtype, dl.dims(x)) == (np.float32, "CB")
    np.testing.assert_allclose(dl.extractdata(x), 0.5, atol=0.05)
    assert state.loss < 1e-5


def test_a_search_that_fails_returns_the_best():
    calls = iter([4.0, 5.0, 6.0, 7.0])
    x, state = dl.lbfgsupdate(
        np.ones(2),
        lambda _x: (next(calls), np.ones(2)),
        max_num_line_search_iterations=3,
    )
    assert state.line_search_status == "failed"
    assert np.array_equal(x, np.ones(2))
    assert (state.loss, state.step_norm) == (4.0, 0.0)


ONES = np.ones(2)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: dl.lbfgsupdate(ONES, lambda _x: 3.0), "must return a tuple of 2.*not float"),
        (lambda: dl.lbfgsupdate(ONES, lambda _x: (1.0, ONES, 2)), "num_loss_function_outputs"),
        (lambda: dl.lbfgsupdate(ONES, lambda _x: (1.0, np.ones(3))), r"gradients of the shapes"),
        (lambda: dl.lbfgsupdate(ONES, lambda _x: (np.nan, ONES)), "must be finite"),
        (lambda: dl.lbfgsupdate([1], lambda _x: (1.0, [1])), r"parameters at \[0\]"),
        (lambda: dl.lbfgs_state(history_size=0), "history_size must be"),
        (
            lambda: dl.lbfgsupdate(ONES, lambda _x: (1.0, ONES), line_search_method="wolfe"),
            "line_search_method must be one of 'weak-wolfe'",
        ),
    ],
)
def test_errors(call, text):
    with pytest.raises(dl.DlgradientError, match=text):
        call()


def test_a_state_of_other_parameters():
    _, state = dl.lbfgsupdate(np.ones(3), with_gradient(lambda x: (x**2).sum()))
    with pytest.raises(dl.InvalidArgumentError, match="state is of 3 numbers, parameters have 2"):
        dl.lbfgsupdate(ONES, with_gradient(lambda x: (x**2).sum()), state)
