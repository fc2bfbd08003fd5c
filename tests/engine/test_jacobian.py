"""Jacobians, Hessians, their products and traces, against closed forms and differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dlgradient as dl
from dlgradient import errors
from dlgradient.core import sizes
from dlgradient.engine import directions

A = np.array([[1.0, 2.0, -1.0], [0.5, -3.0, 2.0]])
FUNCTIONS = (dl.dljacobian, dl.dlhessian, dl.dlhessdiag, dl.dllaplacian, dl.dldivergence)


def differences(fun: Any, x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Return the Jacobian by central differences."""
    columns = []
    for unit in np.eye(x.size).reshape(x.size, *x.shape) * step:
        high, low = (dl.extractdata(fun(dl.dlarray(x + u))) for u in (unit, -unit))
        columns.append((high - low) / (2 * step))
    return np.stack(columns, axis=-1).reshape(*np.shape(columns[0]), *x.shape)


def raw(x: Any) -> Any:
    return dl.extractdata(x)


def network(x: Any) -> Any:
    return dl.tanh(A @ dl.sin(x)) * x[0]


def scalar(x: Any) -> Any:
    return (dl.exp(x[:-1] * x[1:]) + dl.sin(x[0] * x[-1])).sum()


# -- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (3, 2)])
def test_a_jacobian_is_that_of_differences(shape, rng):
    x = rng.normal(size=shape)
    found = dl.dljacobian(network, dl.dlarray(x))
    assert_allclose(dl.extractdata(found), differences(network, x), atol=1e-8)


def test_both_modes_agree(rng, capsys):
    wide, tall = rng.normal(size=(2, 6)), rng.normal(size=(6, 2))
    x = rng.normal(size=6)
    found = dl.dljacobian(lambda x: dl.tanh(wide @ x), dl.dlarray(x), explain=True)
    slopes = 1 / np.cosh(wide @ x) ** 2
    assert_allclose(dl.extractdata(found), slopes[:, None] * wide)
    assert "reverse mode, 2 rows" in capsys.readouterr().out
    found = dl.dljacobian(lambda x: dl.tanh(tall @ x), dl.dlarray(x[:2]), explain=True)
    slopes = 1 / np.cosh(tall @ x[:2]) ** 2
    assert_allclose(dl.extractdata(found), slopes[:, None] * tall)
    assert "forward mode, 2 columns" in capsys.readouterr().out


def test_a_hessian_is_the_jacobian_of_differences_of_the_gradient(rng):
    x = rng.normal(size=4)

    def gradient(x):
        return dl.dlfeval(lambda x: dl.dlgradient(scalar(x), x), x)

    expected = differences(gradient, x)
    hessian = dl.extractdata(dl.dlhessian(scalar, dl.dlarray(x)))
    assert_allclose(hessian, expected, atol=1e-7)
    assert_allclose(hessian, hessian.T, rtol=1e-12)
    diagonal = dl.dlhessdiag(scalar, dl.dlarray(x))
    assert_allclose(dl.extractdata(diagonal), np.diag(hessian), rtol=1e-12, atol=1e-14)
    assert dl.dllaplacian(scalar, dl.dlarray(x)).item() == pytest.approx(np.trace(hessian))
    v = rng.normal(size=4)
    assert_allclose(dl.extractdata(dl.dlhvp(scalar, dl.dlarray(x), v)), hessian @ v, rtol=1e-12)


def test_a_divergence_is_the_trace(rng):
    x = rng.normal(size=(2, 3))

    def field(x):
        return dl.sin(x) * x.sum()

    jacobian = dl.extractdata(dl.dljacobian(field, dl.dlarray(x))).reshape(6, 6)
    assert dl.dldivergence(field, dl.dlarray(x)).item() == pytest.approx(np.trace(jacobian))


def test_inside_dlfeval_the_value_is_at_hand():
    def both(x):
        y = x**2
        return y, dl.dljacobian(y, x)

    y, jacobian = dl.dlfeval(both, dl.dlarray([1.0, 3.0]))
    assert y.tolist() == [1.0, 9.0]
    assert jacobian.tolist() == [[2.0, 0.0], [0.0, 6.0]]


def test_chunks_of_directions_change_nothing(rng, monkeypatch):
    x = dl.dlarray(rng.normal(size=(3, 5)))
    whole = [dl.dljacobian(network, x), dl.dlhessian(scalar, x), dl.dlhessdiag(scalar, x)]
    monkeypatch.setattr(directions, "DIRECTION_ELEMENTS", 40)
    assert sizes.DIRECTION_ELEMENTS > 40
    chunks = [dl.dljacobian(network, x), dl.dlhessian(scalar, x), dl.dlhessdiag(scalar, x)]
    for a, b in zip(whole, chunks, strict=True):
        assert_allclose(dl.extractdata(a), dl.extractdata(b), rtol=1e-12, atol=1e-14)


# -- observations --------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_each_observation_has_its_jacobian(axis, outputs, rng):
    weights, x = rng.normal(size=(outputs, 3)), rng.normal(size=(3, 4))

    def fun(x):
        rows = dl.matmul(weights, dl.sin(x if axis == 0 else x.mT))
        return rows if axis == 0 else rows.mT

    value = x if axis == 0 else x.T
    found = dl.extractdata(dl.dljacobian(fun, dl.dlarray(value), axis))
    expected = weights[:, :, None] * np.cos(x)
    if axis != 0:
        expected = np.moveaxis(expected, -1, 0)
    if outputs == 1:
        expected = expected[0] if axis == 0 else expected[:, 0]
    assert_allclose(found, expected, rtol=1e-12)


def test_derivatives_of_observations_are_differentiated_again():
    def equation(x):
        u = dl.sin(x) * x
        ux = dl.dljacobian(u, x, 0)
        return ux, dl.dljacobian(ux, x, 0), dl.dldivergence(ux, x, 0), dl.dllaplacian(u, x, 0)

    x = np.linspace(0.1, 2.0, 5)[None]
    ux, *second = dl.dlfeval(equation, dl.dlarray(x))
    assert_allclose(dl.extractdata(ux), np.cos(x) * x + np.sin(x))
    for uxx in second:
        assert uxx.shape == (1, 5)
        assert_allclose(dl.extractdata(uxx), 2 * np.cos(x) - np.sin(x) * x)


@pytest.mark.parametrize("axis", [0, 1])
def test_each_observation_has_its_laplacian(axis, rng):
    x = rng.normal(size=(2, 4)) if axis == 0 else rng.normal(size=(4, 2))

    def harmonic(x):
        a, b = dl.moveaxis(x, axis, 0)
        return dl.stack([a**2 - b**2, a**3 * b**2], axis=axis)

    a, b = np.moveaxis(x, axis, 0)
    expected = np.stack([0 * a, 6 * a * b**2 + 2 * a**3], axis=axis)
    found = dl.dllaplacian(harmonic, dl.dlarray(x), axis)
    assert_allclose(dl.extractdata(found), expected, atol=1e-12)
    total = dl.dllaplacian(lambda x: harmonic(x).sum(), dl.dlarray(x), axis)
    assert_allclose(dl.extractdata(total), expected.sum(axis=axis, keepdims=True), atol=1e-12)


def test_a_residual_trains():
    """A loss of second derivatives has a gradient by what the function depends on."""

    def loss(w, x):
        u = dl.sin(w * x)
        residual = dl.dllaplacian(u, x, 0) + u
        return dl.dlgradient((residual**2).sum(), w)

    w, x = 1.5, np.array([[0.3, 0.9]])
    found = dl.dlfeval(loss, dl.dlarray(w), dl.dlarray(x)).item()

    def value(w):
        return (((1 - w**2) * np.sin(w * x)) ** 2).sum()

    assert found == pytest.approx((value(w + 1e-6) - value(w - 1e-6)) / 2e-6, rel=1e-7)


# -- containers, formats, dtypes -----------------------------------------------------------------


def test_containers_make_blocks(rng):
    x = {"a": dl.dlarray(rng.normal(size=(2, 2))), "b": [dl.dlarray(0.7)]}

    def fun(x):
        return x["a"].sum(axis=0) * dl.exp(x["b"][0])

    jacobian = dl.dljacobian(fun, x)
    a, b = dl.extractdata(x["a"]), x["b"][0].item()
    expected = np.exp(b) * np.broadcast_to(np.eye(2)[:, None], (2, 2, 2))
    assert_allclose(dl.extractdata(jacobian["a"]), expected)
    assert_allclose(dl.extractdata(jacobian["b"][0]), a.sum(axis=0) * np.exp(b))

    def total(x):
        return (fun(x) ** 2).sum()

    blocks = dl.dlhessian(total, x)
    assert blocks["a"]["a"].shape == (2, 2, 2, 2)
    mixed = 4 * np.exp(2 * b) * np.broadcast_to(a.sum(axis=0), (2, 2))
    assert_allclose(dl.extractdata(blocks["a"]["b"][0]), mixed)
    assert_allclose(dl.extractdata(blocks["b"][0]["a"]), mixed)
    diagonal = dl.dlhessdiag(total, x)
    assert_allclose(dl.extractdata(diagonal["a"]), np.full((2, 2), 2 * np.exp(2 * b)))
    product = dl.dlhvp(total, x, {"a": np.zeros((2, 2)), "b": [1.0]})
    assert_allclose(dl.extractdata(product["a"]), mixed)
    laplacian = dl.dllaplacian(total, x).item()
    assert laplacian == pytest.approx(dl.extractdata(diagonal["a"]).sum() + diagonal["b"][0].item())


def test_results_in_a_container_have_jacobians_each():
    found = dl.dljacobian(lambda x: {"y": x**2, "z": [x.sum()]}, dl.dlarray([1.0, 2.0]))
    assert found["y"].tolist() == [[2.0, 0.0], [0.0, 4.0]]
    assert found["z"][0].tolist() == [1.0, 1.0]


def test_learnables_of_a_network(rng):
    net = dl.dlnetwork(
        [dl.layers.FeatureInput(2), dl.layers.FullyConnected(3), dl.layers.Tanh()], generator=1
    )
    x = dl.dlarray(rng.normal(size=(4, 2)).astype(np.float32), "BC")

    def loss(learnables):
        y = dl.fullyconnect(x, learnables["fc/weights"], learnables["fc/bias"])
        return (dl.tanh(y) ** 2).sum()

    hessian = dl.dlhessian(loss, net.learnables)
    assert hessian["fc/weights"]["fc/bias"].shape == (3, 2, 3)
    assert hessian["fc/weights"]["fc/bias"].dtype == np.float32
    mixed = dl.extractdata(hessian["fc/bias"]["fc/weights"])
    assert_allclose(
        dl.extractdata(hessian["fc/weights"]["fc/bias"]), np.moveaxis(mixed, 0, -1), rtol=1e-4
    )


def test_operations_with_several_results(rng):
    x = dl.dlarray(rng.normal(size=(3, 4)), "CT")
    weights = rng.normal(size=(8, 3)), rng.normal(size=(8, 2)), rng.normal(size=8)

    def recurrent(x):
        return dl.stripdims(dl.lstm(x, np.zeros(2), np.zeros(2), *weights)[0])

    def squares(x):
        return (recurrent(x) ** 2).sum()

    jacobian = dl.dljacobian(recurrent, x)
    assert_allclose(
        raw(jacobian), differences(lambda v: recurrent(dl.dlarray(v, "CT")), raw(x)), atol=1e-8
    )
    hessian = dl.dlhessian(squares, x)
    accelerated = dl.dlaccelerate(lambda x: dl.dlhessian(squares(x), x))
    for _ in range(3):
        assert_allclose(raw(accelerated(x)), raw(hessian), rtol=1e-10, atol=1e-12)
    assert_allclose(raw(hessian), np.transpose(raw(hessian), (2, 3, 0, 1)), atol=1e-12)


def test_formats_are_kept_where_dimensions_are():
    x = dl.dlarray([[1.0, 2.0, 3.0]], "CB")
    assert dl.dims(dl.dljacobian(dl.square, x, 0)) == "CB"
    assert dl.dims(dl.dllaplacian(dl.square, x, 0)) == "CB"
    assert dl.dims(dl.dldivergence(dl.square, x, 0)) == "CB"
    assert dl.dims(dl.dlhessdiag(lambda x: (x**2).sum(), x)) == "CB"
    assert dl.dims(dl.dlhvp(lambda x: (x**2).sum(), x, np.ones((1, 3)))) == "CB"
    assert dl.dims(dl.dljacobian(lambda x: (x**2).sum(), x)) == "CB"
    assert dl.dims(dl.dljacobian(dl.square, x)) == ""


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("results", [0, 1, 3])
def test_sizes_of_zero_and_one(size, results):
    weights = np.ones((results, size))
    found = dl.dljacobian(lambda x: weights @ x**2, dl.dlarray(np.ones(size)))
    assert_allclose(dl.extractdata(found), 2 * weights)
    x = dl.dlarray(np.ones((size, 0)))
    assert dl.dljacobian(dl.square, x, 0).shape == ((1, 0) if size == 1 else (0, 0, 0))
    assert dl.dlhessian(lambda x: (x**2).sum(), x).shape == (size, 0, size, 0)
    assert dl.dlhessdiag(lambda x: (x**2).sum(), x).shape == (size, 0)
    assert dl.dllaplacian(lambda x: (x**2).sum(), x).item() == 0


def test_without_a_path_to_x_derivatives_are_zero():
    x = {"used": dl.dlarray([1.0, 2.0]), "unused": dl.dlarray([3.0])}
    jacobian = dl.dljacobian(lambda x: x["used"] ** 2, x)
    assert jacobian["unused"].tolist() == [[0.0], [0.0]]
    hessian = dl.dlhessian(lambda x: (x["used"] ** 2).sum(), x)
    assert hessian["unused"]["unused"].tolist() == [[0.0]]
    assert hessian["used"]["unused"].tolist() == [[0.0], [0.0]]
    linear = dl.dlhessian(lambda x: x.sum(), dl.dlarray([1.0, 2.0]))
    assert linear.tolist() == [[0.0, 0.0], [0.0, 0.0]]


# -- values that are not finite ------------------------------------------------------------------


@pytest.mark.parametrize("columns", [False, True])
def test_an_infinite_derivative_is_in_its_place_only(columns):
    fun = (lambda x: dl.concat([dl.sqrt(x), x])) if columns else dl.sqrt
    found = dl.dljacobian(fun, dl.dlarray([0.0, 4.0]))
    assert found[:2].tolist() == [[np.inf, 0.0], [0.0, 0.25]]


@pytest.mark.filterwarnings("ignore:invalid value encountered in sqrt")
def test_what_a_mask_excludes_stays_excluded():
    def fun(x):
        return dl.where(x > 0, dl.sqrt(x), x * 2)

    assert dl.dljacobian(fun, dl.dlarray([-1.0, 0.25])).tolist() == [[2.0, 0.0], [0.0, 1.0]]
    hessian = dl.dlhessian(lambda x: fun(x).sum(), dl.dlarray([-1.0, 0.25]))
    assert hessian.tolist() == [[0.0, 0.0], [0.0, -2.0]]
    assert dl.dlhessdiag(lambda x: fun(x).sum(), dl.dlarray([-1.0, 0.25])).tolist() == [0.0, -2.0]


# -- complex numbers -----------------------------------------------------------------------------


def test_rows_are_gradients_of_real_parts(rng):
    z = rng.normal(size=3) + 1j * rng.normal(size=3)
    found = dl.extractdata(dl.dljacobian(lambda z: dl.concat([z**2, 3j * z]), dl.dlarray(z)))
    assert_allclose(found, np.concatenate([np.diag(np.conj(2 * z)), -3j * np.eye(3)]), rtol=1e-12)
    real = dl.extractdata(dl.dljacobian(dl.abs2, dl.dlarray(z)))
    assert_allclose(real, np.diag(2 * z), rtol=1e-12)


def test_a_tall_complex_jacobian_is_that_of_gradients(rng):
    x = dl.dlarray(rng.normal(size=2))

    def fun(x):
        z = dl.exp(1j * x)
        return dl.concat([dl.real(z), dl.imag(z), dl.abs2(z)])

    def by_gradients(x):
        return dl.stack([dl.dlgradient(y, x, retain_data=True) for y in fun(x)])

    found, expected = dl.dljacobian(fun, x), dl.dlfeval(by_gradients, x)
    assert_allclose(dl.extractdata(found), dl.extractdata(expected))
    real = dl.extractdata(dl.dljacobian(fun, x, allow_complex=False))
    assert real.dtype == np.float64
    assert_allclose(real, dl.extractdata(expected).real, atol=1e-15)


def test_second_derivatives_of_real_variables_are_real(rng):
    x = rng.normal(size=4)

    def energy(x):
        return (dl.abs2(dl.fft.fft(x)) ** 2).sum()

    hessian = dl.extractdata(dl.dlhessian(energy, dl.dlarray(x)))
    assert hessian.dtype == np.float64

    def gradient(x):
        return dl.dlfeval(lambda x: dl.dlgradient(energy(x), x, allow_complex=False), x)

    assert_allclose(hessian, differences(gradient, x), rtol=1e-5, atol=1e-5)


# -- programs ------------------------------------------------------------------------------------


def test_an_accelerated_function_computes_them(rng):
    def fun(x):
        return dl.dljacobian(network(x), x), dl.dlhessian(scalar(x), x)

    accelerated = dl.dlaccelerate(fun)
    for _ in range(4):
        x = dl.dlarray(rng.normal(size=3))
        for found, expected in zip(accelerated(x), dl.dlfeval(fun, x), strict=True):
            assert_allclose(dl.extractdata(found), dl.extractdata(expected), rtol=1e-10)
    assert accelerated.hit_rate > 0


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", FUNCTIONS)
def test_outside_of_dlfeval_they_want_the_function(function):
    x = dl.dlarray([1.0, 2.0])
    name = function.__name__
    with pytest.raises(errors.OutsideDlfevalError, match=rf"{name}\(function, x\)"):
        function(x**2, x)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_variables_are_traced_floating_dlarrays(function):
    name = function.__name__

    def of_integers(x):
        y = dl.dlarray(TRACED).sum() if function is not dl.dldivergence else x
        return function(y, x)

    with pytest.raises(errors.NotDlarrayError, match=rf"^{name}: .*ndarray"):
        function(dl.square, np.array([1.0]))


TRACED = [1.0]


@pytest.mark.parametrize("function", [dl.dlhessian, dl.dlhessdiag, dl.dllaplacian])
def test_second_derivatives_need_a_scalar(function):
    x = dl.dlarray([1.0, 2.0])
    name = function.__name__
    with pytest.raises(errors.NonScalarError, match=rf"^{name}: y is .*\(2,\).*real scalar"):
        function(dl.square, x)
    with pytest.raises(errors.ComplexValueError, match=rf"^{name}: "):
        function(lambda z: dl.abs2(z).sum(), dl.dlarray([1 + 1j]))
    with pytest.raises(errors.NonScalarError, match=r"^dlhvp: y is .*\(2,\)"):
        dl.dlhvp(dl.square, x, [1.0, 1.0])


def test_shapes_that_do_not_fit_are_named():
    x = dl.dlarray([[1.0, 2.0]])
    with pytest.raises(errors.ShapeMismatchError, match=r"dlhvp: vectors: that of x has shape \(3"):
        dl.dlhvp(lambda x: x.sum(), x, np.ones(3))
    with pytest.raises(errors.InvalidArgumentError, match=r"dljacobian: axis=2 does not exist"):
        dl.dljacobian(dl.square, x, 2)
    with pytest.raises(errors.InvalidArgumentError, match=r"y has shape \(1,\), x \(1, 2\)"):
        dl.dljacobian(lambda x: x.sum(axis=1), x, 0)
    with pytest.raises(errors.InvalidArgumentError, match=r"must be one dlarray, not a list"):
        dl.dljacobian(lambda x: x[0] ** 2, [x], 0)
    with pytest.raises(errors.ShapeMismatchError, match=r"y has shape \(2,\), x shape \(1, 2\)"):
        dl.dldivergence(lambda x: x[0], x)


class Doubled(dl.DifferentiableFunction):
    """Twice its argument, with a backward pass that NumPy computes."""

    def forward(self, context: Any, x: Any) -> Any:  # noqa: ARG002
        return 2 * x

    def backward(self, context: Any, g: Any) -> Any:  # noqa: ARG002
        gradient = np.zeros(g.shape)
        gradient += 2 * g
        return gradient


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_backward_pass_of_numpy_has_a_jacobian(rows: int, rng: np.random.Generator) -> None:
    x, W = rng.normal(size=3), rng.normal(size=(rows, 3))
    found = dl.dljacobian(lambda x: W @ Doubled()(x), dl.dlarray(x))
    np.testing.assert_allclose(found, 2 * W)

    def traced(x: Any) -> Any:
        return dl.dljacobian(W @ Doubled()(x), x)

    with pytest.raises(dl.RuleError, match="not written in functions of dlarrays"):
        dl.dlfeval(traced, dl.dlarray(x))
