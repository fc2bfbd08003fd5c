"""Layers that inference computes together: the same results, and nothing else is changed."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers
from dlgradient.network.chains import chains_of
from dlgradient.testing import maker

pytest.importorskip("llvmlite")


def network(*body, connection=None):
    """Return a network whose normalisations have statistics of some data."""
    net = dl.dlnetwork([layers.ImageInput((6, 6, 2), normalization="none"), *body])
    if connection is not None:
        net = net.connect_layers(*connection)
    net = net.initialize(generator=1)
    rng = maker("statistics").rng
    net.learnables = dl.dlupdate(
        lambda p: dl.dlarray(rng.normal(size=p.shape).astype(np.float32)), net.learnables
    )
    net.state = dl.dlupdate(
        lambda p: dl.dlarray(rng.uniform(0.5, 2, p.shape).astype(np.float32)), net.state
    )
    return net


def block(activation, size=1):
    """Return a chain; of one image, a window of one element is a product of BLAS in all modes."""
    conv = layers.Convolution2d(size, 5, padding="same", name="conv")
    return [conv, layers.BatchNormalization(name="norm"), activation]


def images(rng, count=1):
    return rng.normal(size=(count, 2, 6, 6)).astype(np.float32)


def both(call):
    results = []
    for mode in ("numpy", "native"):
        with dl.acceleration(mode):
            results.append(dl.extractdata(call()))
    return results


@pytest.mark.parametrize(
    "activation", [layers.Relu(), layers.ClippedRelu(0.5), layers.LeakyRelu(), layers.Softmax()]
)
def test_predictions_have_the_bits_of_the_layers(rng, activation):
    net, x = network(*block(activation)), dl.dlarray(images(rng), "BCSS")
    before = dl.extractdata(x).copy()
    np.testing.assert_array_equal(*both(lambda: net.predict(x)))
    np.testing.assert_array_equal(dl.extractdata(x), before)


def test_an_input_is_not_overwritten(rng):
    net = network(layers.BatchNormalization(), layers.Relu())
    x = images(rng)
    before = x.copy()
    np.testing.assert_array_equal(*both(lambda: net.predict(dl.dlarray(x, "BCSS"))))
    np.testing.assert_array_equal(x, before)


def test_results_of_layers_between_are_to_be_had(rng):
    net, x = network(*block(layers.Relu())), dl.dlarray(images(rng), "BCSS")
    for outputs in ("conv", "norm", ["conv", "norm", "relu"], ["conv", "relu"], ["norm", "relu"]):
        names = [outputs] if isinstance(outputs, str) else outputs

        def call(i, outputs=outputs):
            found = net.predict(x, outputs=outputs)
            return found[i] if isinstance(found, tuple) else found

        for i in range(len(names)):
            np.testing.assert_array_equal(*both(lambda i=i: call(i)))


def test_a_convolution_that_another_layer_uses_is_not_overwritten(rng):
    add = layers.Addition(2, name="sum")
    net = network(*block(layers.Relu()), add, connection=("conv", "sum/in2"))
    x = dl.dlarray(images(rng), "BCSS")
    np.testing.assert_array_equal(*both(lambda: net.predict(x)))


def test_other_formats_and_dtypes(rng):
    net = network(*block(layers.Relu(), 3))
    x = images(rng, 4)
    for fmt, array in (("BSSC", x.transpose(0, 2, 3, 1)), ("SSCB", x.transpose(2, 3, 1, 0))):
        np.testing.assert_allclose(
            *both(lambda a=array, fmt=fmt: net.predict(dl.dlarray(a, fmt))), rtol=1e-5, atol=1e-6
        )
    double = dl.dlupdate(np.float64, net)
    found = both(lambda: double.predict(dl.dlarray(x.astype(np.float64), "BCSS")))
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-6)


def test_a_traced_prediction_has_its_derivative(rng):
    net, x = network(*block(layers.ClippedRelu(1.0), 3)), dl.dlarray(images(rng, 4), "BCSS")

    def gradient():
        return dl.dlfeval(lambda x: dl.dlgradient(dl.sum(net.predict(x) ** 2), x), x)

    np.testing.assert_allclose(*both(gradient), rtol=1e-5, atol=1e-5)
    assert np.abs(dl.extractdata(gradient())).max() > 0


def test_which_layers_are_one_chain():
    net = network(*block(layers.Relu(name="relu")), layers.BatchNormalization(name="last"))
    plan = net._plan
    number = {port[0]: i for port, i in plan.numbers.items()}
    found = chains_of(plan.steps, [number["last"]])
    names = {plan.steps[i].name: chain for i, chain in found.items()}
    assert names["norm"] == ((0.0, np.inf), number["relu"], 2, True)
    assert names["last"] == ((-np.inf, np.inf), number["last"], 1, False)
    found = chains_of(plan.steps, [number["norm"], number["conv"], number["last"]])
    names = {plan.steps[i].name: chain for i, chain in found.items()}
    assert names["norm"] == ((-np.inf, np.inf), number["norm"], 1, False)
