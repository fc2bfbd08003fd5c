"""Containers as vectors and back: values, dtypes, formats, derivatives, SciPy."""

import numpy as np
import pytest
from scipy.optimize import minimize

import dlgradient as dl
from dlgradient import layers
from dlgradient.testing import check_derivatives


def network():
    inner = dl.dlnetwork([layers.FullyConnected(3, name="fc")])
    return dl.dlnetwork(
        [layers.FeatureInput(2), layers.Network(inner), layers.Tanh(), layers.FullyConnected(1)],
        generator=0,
    )


def mixed():
    """Two dtypes: a network of complex weights with a real layer before it."""
    return dl.dlnetwork(
        [layers.FeatureInput(2), layers.FullyConnected(3), layers.ComplexFullyConnected(1)],
        generator=0,
    )


CONTAINERS = {
    "array": lambda: dl.dlarray([[1.0, 2.0], [3.0, 4.0]]),
    "nested": lambda: {
        "a": [dl.dlarray([1.0, 2.0], "C"), np.ones((2, 3))],
        "b": (dl.dlarray(3.0), {"c": None}),
    },
    "dtypes": lambda: [dl.dlarray(np.ones(2, np.float32)), dl.dlarray([1 + 2j, 3])],
    "network": network,
    "table": lambda: network().learnables,
    "mixed network": mixed,
    "pandas": lambda: network().learnables.to_pandas(),
    "empty": list,
}


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("traced", [False, True])
def test_unflatten_is_the_inverse_of_flatten(name, traced):
    container = CONTAINERS[name]()

    def there_and_back(container):
        vector = dl.flatten(container)
        assert vector.ndim == 1
        return vector, dl.unflatten(2 * vector, container)

    vector, found = (dl.dlfeval if traced else lambda f, x: f(x))(there_and_back, container)
    assert type(found) is type(container)
    leaves = []
    dl.dlupdate(lambda a, b: leaves.append((a, b)) or a, container, found)
    assert vector.size == sum(np.size(a) for a, _ in leaves)
    for a, b in leaves:
        np.testing.assert_allclose(np.asarray(b), 2 * np.asarray(a), rtol=1e-6)
        assert (b.dtype, b.shape) == (a.dtype, a.shape)
        assert type(a) is np.ndarray or dl.dims(a) == dl.dims(b)


def test_derivatives_go_through_both(rng):
    like = {"w": dl.dlarray(np.zeros((2, 3))), "b": [dl.dlarray(np.zeros(2), "C")]}

    def run(v):
        p = dl.unflatten(v, like)
        y = dl.tanh(p["w"]) @ dl.sin(dl.flatten(p)[:3])
        return y * dl.stripdims(p["b"][0])

    check_derivatives(run, rng.normal(size=8))


def test_a_network_is_fitted_by_scipy(rng):
    x = rng.normal(size=(30, 2))
    t = np.sin(x[:, :1])
    net = dl.dlupdate(np.float64, network())

    def loss_of(net):
        loss = dl.mse(net.predict(dl.dlarray(x, "BC")), dl.dlarray(t, "BC"))
        return loss, dl.dlgradient(loss, net)

    def fun(v):
        loss, gradient = dl.dlfeval(loss_of, dl.unflatten(v, net))
        return loss, dl.flatten(gradient)

    start = np.asarray(dl.flatten(net))
    kept = start.copy()
    result = minimize(fun, start, jac=True, method="L-BFGS-B")
    assert result.fun < 0.1 * float(fun(kept)[0])
    assert np.array_equal(np.asarray(dl.flatten(net)), kept)
    fitted = dl.unflatten(result.x, net)
    assert type(fitted) is dl.dlnetwork
    assert np.allclose(fitted.learnables.buffers()[0], result.x)


def test_a_vector_is_a_copy():
    net = network()
    vector = np.asarray(dl.flatten(net)).copy()
    other = dl.unflatten(vector, net)
    vector[:] = 0
    assert other == net


WRONG = {
    r"flatten: container\['n'\]\[1\] must be a dlarray or an array, not str": lambda: dl.flatten(
        {"n": [np.ones(2), "relu"]}
    ),
    r"flatten: container\[0\] of shape \(2,\) has dtype int64": lambda: dl.flatten(
        [np.array([1, 2])]
    ),
    r"unflatten: vector has shape \(3,\); like has 4 elements in 2 arrays": lambda: dl.unflatten(
        np.ones(3), [np.ones(2), np.ones((2, 1))]
    ),
    r"unflatten: vector has shape \(2, 2\); like has 4": lambda: dl.unflatten(
        np.ones((2, 2)), np.ones(4)
    ),
    r"unflatten: like must be a dlarray or an array, not int": lambda: dl.unflatten([1.0], 3),
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_calls(text):
    with pytest.raises(dl.DlgradientError, match=text):
        WRONG[text]()
