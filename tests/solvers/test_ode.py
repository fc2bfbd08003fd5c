"""Differential equations: against SciPy, closed forms, and between the gradient modes."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import dlgradient as dl
from dlgradient.testing import check_derivatives

MODES = ["direct", "checkpointed", "adjoint", "adjoint-seminorm"]
TIGHT = {"relative_tolerance": 1e-9, "absolute_tolerance": 1e-10}
TIMES = [0.0, 0.3, 0.9, 1.0, 2.5]
Y0 = np.array([1.0, 0.5])


def oscillator(t, y, theta):
    """Van der Pol's, forced."""
    mu, (c,) = theta["mu"], theta["c"]
    return dl.stack([y[1], mu * (1 - y[0] ** 2) * y[1] - y[0] + c * np.sin(t)])


def plain_oscillator(t, y, mu=0.8, c=0.3):
    return [y[1], mu * (1 - y[0] ** 2) * y[1] - y[0] + c * np.sin(t)]


def solve(y0, mu, c, times=tuple(TIMES), **options):
    return dl.dlode45(oscillator, times, y0, {"mu": mu, "c": [c]}, **options)


def accurate(y0, mu, c, times):
    return solve_ivp(
        plain_oscillator, (times[0], times[-1]), y0, "DOP853", times[1:], args=(mu, c),
        rtol=1e-12, atol=1e-13,
    ).y  # fmt: skip


@pytest.mark.parametrize("times", [TIMES, [0.0, 2.5], [2.0, 1.5, -1.0], [0.0, 1e-3]])
def test_values(times):
    y = solve(Y0, dl.dlarray(0.8), dl.dlarray(0.3), times, **TIGHT)
    expected = accurate(Y0, 0.8, 0.3, times)
    assert y.shape == ((2,) if len(times) == 2 else (2, len(times) - 1))
    np.testing.assert_allclose(dl.extractdata(y).reshape(expected.shape), expected, atol=1e-8)


def test_default_tolerances_and_dense_output():
    """Of one element, whose error is the same in SciPy's norm, a mean."""
    times = np.linspace(0, 2.5, 26)
    calls = []

    def slope(t, y):
        calls.append(t)
        return np.cos(3 * t) * y - y**2

    y = dl.dlode45(slope, times, Y0[:1])
    many, calls[:] = len(calls), []
    same = solve_ivp(slope, (0, 2.5), Y0[:1], "RK45", times[1:])
    np.testing.assert_allclose(dl.extractdata(y), same.y, atol=1e-12)
    calls.clear()
    dl.dlode45(slope, [0, 2.5], Y0[:1])
    assert len(calls) == many


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_elements_at_rest_do_not_hide_the_error_of_one(size):
    def slope(t, y):
        moving = dl.arange(size) == size // 2
        return dl.where(moving, 3 * np.cos(3 * t) * (1 + y) - y, 0)

    y = dl.dlode45(slope, [0, 10], np.zeros(size))
    exact = solve_ivp(
        lambda t, y: 3 * np.cos(3 * t) * (1 + y) - y, (0, 10), [0.0], "DOP853", rtol=1e-12
    )
    assert abs(y[size // 2].item() - exact.y[0, -1]) < 3e-3


def loss(y):
    return (y * np.arange(8.0).reshape(2, 4)).sum() + (y[:, 0] ** 2).sum()


@pytest.mark.parametrize("mode", MODES)
def test_gradients(mode):
    def gradients(y0, mu, c):
        y = loss(solve(y0, mu, c, gradient_mode=mode, **TIGHT))
        first = dl.dlgradient(y, y0, mu, c, enable_higher_derivatives=True)
        second = dl.dlgradient(first[0].sum() + first[1] * first[2], y0, mu, c)
        return dl.dlgradient(y, y0, mu, c), first, second

    x = [dl.dlarray(v) for v in (Y0, 0.8, 0.3)]
    plain, traced, second = dl.dlfeval(gradients, *x)

    def direct(h0, h1, mu, c):
        y = accurate([h0, h1], mu, c, TIMES)
        return (y * np.arange(8.0).reshape(2, 4)).sum() + (y[:, 0] ** 2).sum()

    at, found = np.array([*Y0, 0.8, 0.3]), []
    for i in range(4):
        e = 1e-4 * np.eye(4)[i]
        found.append((direct(*(at + e)) - direct(*(at - e))) / 2e-4)
    for g in (plain, traced):
        np.testing.assert_allclose([*g[0].tolist(), g[1].item(), g[2].item()], found, rtol=1e-6)

    def gradients_direct(y0, mu, c):
        y = loss(solve(y0, mu, c, **TIGHT))
        first = dl.dlgradient(y, y0, mu, c, enable_higher_derivatives=True)
        return dl.dlgradient(first[0].sum() + first[1] * first[2], y0, mu, c)

    for a, b in zip(second, dl.dlfeval(gradients_direct, *x), strict=True):
        np.testing.assert_allclose(dl.extractdata(a), dl.extractdata(b), rtol=1e-9)


def linear_field(_t, z, a):
    return a * z


@pytest.mark.parametrize("mode", ["direct", "checkpointed"])
@pytest.mark.parametrize(
    "solver",
    [
        lambda f, z, a, m: dl.dlode4(f, [0, 0.5, 0.7], z, a, gradient_mode=m, step_size=0.3),
        lambda f, z, a, m: dl.dlode1(f, [1, 0.5], z, a, gradient_mode=m, step_size=0.25),
    ],
    ids=["dlode4", "dlode1"],
)
def test_derivatives_of_fixed_steps(solver, mode):
    check_derivatives(
        lambda z, a: solver(linear_field, z, a, mode), np.array([0.5, -1.0]), np.array(0.7)
    )
    z, a = np.array([0.5 + 1j, -1.0]), np.array(0.7 - 0.4j)
    check_derivatives(lambda z, a: solver(linear_field, z, a, mode), z, a)


@pytest.mark.parametrize("mode", MODES)
def test_complex_states(mode):
    def gradient(z, a):
        y = dl.dlode45(linear_field, [0, 1], z, a, gradient_mode=mode, **TIGHT)
        return y, dl.dlgradient(dl.real(y * (1 - 2j)).sum(), z, a)

    z, a = np.array([0.5 + 1j, -1.0]), 0.7 - 0.4j
    y, (dz, da) = dl.dlfeval(gradient, dl.dlarray(z), dl.dlarray(a))
    np.testing.assert_allclose(dl.extractdata(y), np.exp(a) * z, rtol=1e-7)
    np.testing.assert_allclose(dl.extractdata(dz), np.conj((1 - 2j) * np.exp(a)) * np.ones(2), 1e-7)
    np.testing.assert_allclose(da.item(), np.conj((1 - 2j) * np.exp(a) * z.sum()), rtol=1e-7)


@pytest.mark.parametrize("mode", MODES)
def test_parameters_that_the_initial_state_depends_on(mode):
    def gradient(a):
        y = dl.dlode45(linear_field, [0, 1], a * a, a, gradient_mode=mode, **TIGHT)
        first = dl.dlgradient(y, a, enable_higher_derivatives=True)
        return dl.dlgradient(y, a), first, dl.dlgradient(first, a)

    a = 0.6
    expected = [(2 * a + a * a) * np.exp(a)] * 2 + [(2 + 4 * a + a * a) * np.exp(a)]
    found = dl.dlfeval(gradient, dl.dlarray(a))
    np.testing.assert_allclose([g.item() for g in found], expected, rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_formats_single_precision_and_empty_batches(mode):
    def gradient(y0, w):
        def f(_t, y, w):
            assert dl.dims(y) == "CB"
            return dl.dlarray(w @ dl.stripdims(dl.tanh(y)), "CB")

        y = dl.dlode45(f, [0, 0.5, 1], y0, w, gradient_mode=mode)
        return y, dl.dlgradient(y.sum(), y0, w)

    for batch in (2, 0):
        y0 = dl.dlarray(np.full((3, batch), 0.5, np.float32), "CB")
        y, (g, gw) = dl.dlfeval(gradient, y0, dl.dlarray(np.eye(3, dtype=np.float32)))
        assert (dl.dims(y), y.shape, y.dtype) == ("CBT", (3, batch, 2), np.float32)
        assert (dl.dims(g), g.shape, g.dtype) == ("CB", (3, batch), np.float32)
        assert gw.dtype == np.float32


def test_fixed_steps():
    def f(t, y):
        return t * y

    assert dl.dlode1(f, [0, 1, 2], 1.0).tolist() == [1.0, 2.0]
    y = dl.dlode4(f, [0, 1, 2], 1.0, step_size=0.01)
    np.testing.assert_allclose(dl.extractdata(y), np.exp([0.5, 2.0]), rtol=1e-8)
    assert dl.dlode1(f, [0, 1], 3).dtype == np.float64


def blow_up(_t, y):
    return y * y


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: dl.dlode45(blow_up, [0, 2], 1.0), dl.InvalidArgumentError, "too small.*singular"),
        (lambda: dl.dlode45(blow_up, [0, 0], 1.0), dl.InvalidArgumentError, "rising or falling"),
        (lambda: dl.dlode45(blow_up, [0], 1.0), dl.InvalidArgumentError, "two finite times"),
        (lambda: dl.dlode45(None, [0, 1], 1.0), dl.InvalidArgumentError, "odefun must be"),
        (
            lambda: dl.dlode45(blow_up, [0, 1], 1.0, gradient_mode="Adjoined"),
            dl.InvalidArgumentError,
            "gradient_mode must be .*'checkpointed'.*'Adjoined'; did you mean 'adjoint'",
        ),
        (
            lambda: dl.dlode45(blow_up, [0, 1], 1.0, max_step_size=0),
            dl.InvalidArgumentError,
            "max_step_size must be .*above 0.*not 0",
        ),
        (
            lambda: dl.dlode45(lambda _t, y: y[:1], [0, 1], [1.0, 2.0]),
            dl.ShapeMismatchError,
            r"\(1,\) for y of shape \(2,\)",
        ),
        (
            lambda: dl.dlode45(lambda _t, y: 1j * y, [0, 1], [1.0]),
            dl.InvalidArgumentError,
            "complex128 for y of float64",
        ),
        (
            lambda: dl.dlode45(blow_up, [0, 0.1, 0.2], dl.dlarray([[1.0]], "CT")),
            dl.FormatClashError,
            "'CT'",
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text), np.errstate(all="ignore"):
        call()


@pytest.mark.parametrize("mode", MODES[1:])
def test_a_traced_value_beside_theta(mode):
    def run(a):
        return dl.dlode45(lambda _t, y: a * y, [0, 1], [1.0], gradient_mode=mode)

    with pytest.raises(dl.LeavingTraceError, match="put it into theta"):
        dl.dlfeval(run, dl.dlarray(1.0))


def test_traced_times():
    with pytest.raises(dl.LeavingTraceError, match="times are constants"):
        dl.dlfeval(lambda t: dl.dlode45(blow_up, [0, t], 0.1), dl.dlarray(1.0))


@pytest.mark.parametrize("y0", [[np.nan], [np.inf, 1.0]])
def test_a_state_that_is_not_finite_is_refused(y0):
    with pytest.raises(dl.InvalidArgumentError, match="dlode45: the state or its slope at t = 0"):
        dl.dlode45(lambda _, y: -y, [0, 1], y0)


def test_times_are_finite():
    with pytest.raises(dl.InvalidArgumentError, match="two finite times"):
        dl.dlode45(lambda _, y: -y, [0, np.inf], [1.0])


def test_a_zero_within_no_absolute_tolerance():
    y = dl.dlode45(lambda _, y: -y, [0, 1], [1.0, 0.0], absolute_tolerance=0)
    np.testing.assert_allclose(np.ravel(np.asarray(y))[-2:], [np.exp(-1), 0], rtol=1e-2)


@pytest.mark.parametrize("mode", ["direct", "checkpointed", "adjoint"])
def test_too_many_steps_are_an_error_that_says_where_it_stopped(mode):
    def stiff(t, y, theta):
        return -theta * (y - np.cos(t))

    def end(theta, max_steps):
        return dl.dlode45(stiff, [0, 10], [0.0], theta, gradient_mode=mode, max_steps=max_steps)

    with pytest.raises(dl.InvalidArgumentError, match=r"after 50 steps.* reached t = 0\.\d+ of 10"):
        dl.dlfeval(end, dl.dlarray(1e3), 50)
    assert abs(dl.dlfeval(end, dl.dlarray(1.0), 50).item()) < 1
    with pytest.raises(dl.InvalidArgumentError, match="max_steps"):
        dl.dlfeval(end, dl.dlarray(1.0), 0)


def test_odefun_may_write_into_the_same_array_each_time():
    out = np.empty(2)

    def rotation(_, y):
        out[:] = -y._value[1], y._value[0]
        return out

    found = dl.dlode45(rotation, [0, 1], [1.0, 0.0], relative_tolerance=1e-8)
    np.testing.assert_allclose(found._value, [np.cos(1), np.sin(1)], rtol=1e-6)
