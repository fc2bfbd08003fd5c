"""`check_layer`: good layers pass, and each kind of mistake is found and named."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers
from dlgradient.layers import Layout
from dlgradient.testing import CheckError, LayerChecks

X = Layout((3, 4), "CB")


class Good(layers.Layer):
    """Noise in training, a learnable, a state, and no input changed."""

    learnables = ("offset",)
    state = ("mean",)

    def initialize(self, x):
        self.offset = np.zeros(x.size_of("C"), np.float32)
        self.mean = np.zeros(x.size_of("C"), np.float32)

    def predict(self, x):
        return dl.tanh(x) + dl.dlarray(self.offset, "C") - dl.dlarray(self.mean, "C")

    def forward(self, x):
        batch = max(x.shape[1], 1)
        self.mean = 0.9 * self.mean + 0.1 * dl.stripdims(dl.sum(x, axis=1)) / batch
        noise = self.generator.normal(size=x.shape).astype(x.dtype)
        return self.predict(x) + noise


def test_a_good_layer_passes():
    found = dl.check_layer(Good(), X)
    assert isinstance(found, LayerChecks)
    assert [c.aspect for c in found] == [
        "initial values", "results", "single precision", "double precision", "training", "state",
        "one observation", "no observation", "derivatives", "... in training",
    ]  # fmt: skip
    assert all(c.passed for c in found)
    assert "passed  state             1 of 1 change in training" in repr(found)
    assert found[4].found == "other values than inference"


LIBRARY = {
    "Convolution2d": (lambda: layers.Convolution2d(2, 3), [Layout((4, 4, 2, 2), "SSCB")]),
    "Bilstm": (lambda: layers.Bilstm(2), [Layout((3, 2, 2), "TCB")]),
    "SelfAttention": (
        lambda: layers.SelfAttention(2, 4, dropout_probability=0.3),
        [Layout((3, 2, 2), "TCB")],
    ),
    "Addition": (lambda: layers.Addition(2), [X, X]),
    "FeatureInput": (lambda: layers.FeatureInput(3), []),
    "ComplexFullyConnected": (lambda: layers.ComplexFullyConnected(2), [X]),
    "Network": (
        lambda: layers.Network(dl.dlnetwork([layers.FullyConnected(2), layers.Dropout()])),
        [X],
    ),
    "WordEmbedding": (
        lambda: layers.WordEmbedding(3, 5),
        [dl.dlarray(np.array([[[1, 2]], [[0, 4]]]), "TCB")],
    ),
    "Function": (lambda: layers.Function(lambda x: dl.sum(x, axis=0)), [(3, 4)]),
}


@pytest.mark.parametrize("name", LIBRARY)
def test_layers_of_the_library_pass(name):
    make, inputs = LIBRARY[name]
    assert all(c.passed for c in dl.check_layer(make(), *inputs))


class Severed(Good):
    def predict(self, x):
        return dl.dlarray(dl.extractdata(x), dl.dims(x)) * dl.dlarray(self.offset, "C")


class Slowed(Good):
    """The second derivative is lost, the first one is right."""

    def predict(self, x):
        return x * dl.dlarray(self.offset, "C")

    forward = predict

    def backward(self, xs, ys, gs):  # noqa: ARG002
        (x,), (g,) = xs, gs
        constant = dl.dlarray(dl.extractdata(dl.dlarray(self.offset, "C")), "C")
        return g * constant, dl.sum(dl.stripdims(g * x), axis=1)


class WrongBackward(Slowed):
    def backward(self, xs, ys, gs):  # noqa: ARG002
        (x,), (g,) = xs, gs
        return 2 * g, dl.sum(dl.stripdims(g * x), axis=1)


class Double(Good):
    def predict(self, x):
        return x * np.ones((3, 1))


class Forgets(Good):
    def initialize(self, _):
        self.offset = None
        self.mean = np.zeros(3)


class OtherFormat(Good):
    def forward(self, x):
        return dl.permute_dims(x, axes=(1, 0))


class OwnNoise(Good):
    def forward(self, x):
        return x + np.random.default_rng().normal(size=x.shape)


class Grows(Good):
    def forward(self, x):
        self.mean = np.concatenate([np.asarray(self.mean), [0.0]])
        return x


class OneBatch(Good):
    def predict(self, x):
        return dl.dlarray(dl.reshape(dl.stripdims(x), (3, 4)), "CB")


class NoEmptyBatch(Good):
    def forward(self, x):
        return x - dl.max(x)


class Unlabelled(Good):
    def predict(self, x):
        return np.asarray(x)


class Raises(Good):
    def forward(self, x):
        return x.nonsense


MISTAKES = {
    Severed: "FAILED  derivatives .*input 'in'.*central differences",
    Slowed: "FAILED  backward pass .*order 2",
    WrongBackward: "FAILED  backward pass .*order 1, argument input 'in'",
    Double: "FAILED  single precision .*give an output 'out' of float64; a constant may have",
    Forgets: "FAILED  initial values .*initialize must set offset",
    OtherFormat: "FAILED  training .*forward gives the output 'out' of 4×3 BC, predict of 3×4 CB",
    OwnNoise: "FAILED  training .*take random numbers from self.generator",
    Grows: r"FAILED  state .*'layer/mean' has shape \(4,\) after a call, \(5,\) after the next",
    OneBatch: "FAILED  one observation .*reshape",
    NoEmptyBatch: "FAILED  no observation ",
    Unlabelled: "FAILED  results .*the output 'out' is a ndarray, not a dlarray",
    Raises: "FAILED  training .*AttributeError: .*in layer 'layer'",
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_mistakes_are_found(kind):
    with pytest.raises(CheckError, match=MISTAKES[kind]) as caught:
        dl.check_layer(kind(), X)
    assert f"check_layer: {kind.__name__}()" in str(caught.value)


def test_observations_without_a_label():
    class Rows(layers.Layer):
        def predict(self, x):
            return x if len(x) == 4 else x.nonsense

    assert len(dl.check_layer(Rows(), (4, 2))) == 7
    with pytest.raises(CheckError, match="FAILED  one observation"):
        dl.check_layer(Rows(), (4, 2), observation_dimension=0)


WRONG = {
    "layer must be a layer, not type; write Relu()": lambda: dl.check_layer(layers.Relu, X),
    "the layer has the inputs in1, in2; 1 layouts": lambda: dl.check_layer(layers.Addition(2), X),
    "layer must be a layer, not int": lambda: dl.check_layer(3),
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_calls(text):
    with pytest.raises(dl.InvalidArgumentError) as caught:
        WRONG[text]()
    assert text in str(caught.value)
