"""A differential equation as a layer, against exact solutions."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers

MATRIX = np.array([[0.0, 1.0], [-1.0, 0.0]])  # a rotation
TIGHT = {"relative_tolerance": 1e-8, "absolute_tolerance": 1e-8}


def rotation(tspan, **options):
    slope = dl.dlnetwork([layers.FullyConnected(2, weights=MATRIX, name="fc")])
    layer = layers.NeuralOde(slope, tspan, name="ode", **TIGHT, **options)
    net = dl.dlnetwork([layers.FeatureInput(2), layer])
    return dl.dlupdate(np.float64, net)


def test_the_end_and_several_times():
    x = dl.dlarray([[1.0, 0.0], [0.0, 2.0]], "BC")
    y = rotation([0, np.pi / 2]).predict(x)
    np.testing.assert_allclose(y, [[0, -1], [2, 0]], atol=1e-6)
    times = np.linspace(0, 2, 5)
    y = rotation(times).predict(x)
    assert dl.dims(y) == "BCT"
    np.testing.assert_allclose(y[0, 0], np.cos(times[1:]), atol=1e-6)
    assert list(rotation([0, 1]).learnables) == ["ode/fc/weights", "ode/fc/bias"]


@pytest.mark.parametrize("mode", ["direct", "checkpointed", "adjoint"])
def test_gradients_of_all_modes(mode):
    x = dl.dlarray([[1.0, 0.5]], "BC")

    def gradient(net, x):
        y = net.predict(x)
        return dl.dlgradient((y * y).sum(), [net.learnables, x])

    got, at_x = dl.dlfeval(gradient, rotation([0, 1], gradient_mode=mode), x)
    want, at_x_want = dl.dlfeval(gradient, rotation([0, 1]), x)
    np.testing.assert_allclose(at_x, at_x_want, rtol=1e-5)
    np.testing.assert_allclose(got["ode/fc/weights"], want["ode/fc/weights"], rtol=1e-5, atol=1e-6)


def test_an_equation_that_knows_the_time():
    # y' = t, of a network that adds the inputs: y(1) = y(0) + 1/2.
    slope = dl.dlnetwork([layers.Concatenation("C", 2, name="ty")])
    slope = slope.add_layers(layers.FullyConnected(1, weights=[[1.0, 0.0]], name="fc"))
    slope = slope.connect_layers("ty", "fc")
    layer = layers.NeuralOde(slope, [0, 1], **TIGHT)
    net = dl.dlnetwork([layers.FeatureInput(1), layer])
    np.testing.assert_allclose(net.predict(np.array([[2.0], [3.0]])), [[2.5], [3.5]], rtol=1e-6)


def test_networks_that_are_no_slope():
    three = dl.dlnetwork([layers.Addition(3)])
    with pytest.raises(dl.InvalidArgumentError, match="it has 3 inputs and 1 outputs"):
        layers.NeuralOde(three, [0, 1])
