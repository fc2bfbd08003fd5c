"""Networks: graphs, initialisation, calls, learnables and state, and what goes wrong."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers
from dlgradient.network.graph import Graph
from dlgradient.testing import CheckError


def small(**options):
    return dl.dlnetwork(
        [
            layers.FeatureInput(4),
            layers.FullyConnected(3),
            layers.BatchNormalization(),
            layers.Tanh(),
            layers.FullyConnected(2, **options),
        ],
        generator=0,
    )


def residual():
    """x -> fc -> add, with the input also added."""
    net = dl.dlnetwork([layers.FeatureInput(3), layers.FullyConnected(3), layers.Addition(2)])
    return net.connect_layers("input", "addition/in2").initialize(generator=0)


def half_squares(net, x):
    y, state = net.forward(x)
    loss = (y * y).sum() / 2
    return loss, dl.dlgradient(loss, net), state


@pytest.fixture
def x(rng):
    return dl.dlarray(rng.normal(size=(5, 4)).astype(np.float32), "BC")


# -- calls -----------------------------------------------------------------------------------------


def test_a_call_is_that_of_the_functions(x):
    net = small()
    p, s = net.learnables, net.state
    h = dl.fullyconnect(x, p["fc_1/weights"], p["fc_1/bias"])
    offset, scale = p["batchnorm/offset"], p["batchnorm/scale"]
    mean, variance = s["batchnorm/trained_mean"], s["batchnorm/trained_variance"]
    trained, mu, var = dl.batchnorm(h, offset, scale, mean, variance, training=True)
    last = (p["fc_2/weights"], p["fc_2/bias"])
    y, state = net.forward(x)
    assert np.array_equal(y, dl.fullyconnect(dl.tanh(trained), *last))
    assert np.array_equal(state["batchnorm/trained_mean"], mu)
    assert np.array_equal(state["batchnorm/trained_variance"], var)
    plain = dl.batchnorm(h, offset, scale, mean, variance)
    assert np.array_equal(net.predict(x), dl.fullyconnect(dl.tanh(plain), *last))
    assert np.array_equal(net.predict(x, outputs="fc_1"), h)


def test_results_are_what_the_inputs_are(x):
    net = small()
    raw = np.asarray(x)
    assert type(net.predict(raw)) is np.ndarray
    assert net.predict(raw.astype(np.float64)).dtype == np.float32
    # With traced learnables the result is traced, whatever the data are.
    of_raw, of_x = (
        dl.dlfeval(lambda net, x=x: dl.dlgradient(net.predict(x).sum(), net), net) for x in (raw, x)
    )
    assert of_raw == of_x
    unlabelled = net.predict(dl.dlarray(raw))
    assert (type(unlabelled), dl.dims(unlabelled)) == (dl.dlarray, "")
    assert dl.dims(net.predict(dl.dlarray(raw.T, "CB"))) == "CB"


def test_state_is_a_value(x):
    net = small()
    before = net.state["batchnorm/trained_mean"].tolist()
    _, state = net.forward(x)
    assert net.state["batchnorm/trained_mean"].tolist() == before
    net.state = state
    assert net.state["batchnorm/trained_mean"].tolist() != before


def test_recurrent_state_continues_a_sequence(rng):
    net = dl.dlnetwork([layers.SequenceInput(2), layers.Lstm(3)], generator=0)
    x = dl.dlarray(rng.normal(size=(6, 2, 4)).astype(np.float32), "TCB")
    whole = net.predict(x)
    first, net.state = net.forward(x[:3])
    second = net.predict(x[3:])
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(net.reset_state().predict(x), whole)


def test_unpooling_takes_indices_and_sizes():
    pool = layers.MaxPooling2d(2, stride=2, has_unpooling_outputs=True)
    net = dl.dlnetwork([layers.ImageInput((4, 5, 1), normalization="none"), pool])
    net = net.add_layers(layers.MaxUnpooling2d(name="unpool"))
    for output, into in (("out", "in"), ("indices", "indices"), ("size", "size")):
        net = net.connect_layers(f"maxpool/{output}", f"unpool/{into}")
    image = np.arange(20.0, dtype=np.float32).reshape(4, 5, 1, 1)
    y = net.initialize().predict(image)
    assert y.shape == image.shape
    assert y[1, 1, 0, 0] == image[1, 1, 0, 0]
    assert y.sum() == image[1::2, 1:4:2].sum()


def test_embedding_of_indices():
    net = dl.dlnetwork([layers.SequenceInput(1), layers.Embedding(3, 5)], generator=0)
    y = net.predict(np.array([[[1.0]], [[4.0]]]))
    assert np.array_equal(y[:, :, 0], np.asarray(net.learnables["embedding/weights"])[[1, 4]])


# -- learnables ------------------------------------------------------------------------------------


def test_gradients_of_a_network_and_of_its_learnables_are_equal(x):
    net = small()

    def both(net):
        y = net.predict(x)
        loss = (y * y).sum()
        return dl.dlgradient(loss, net, retain_data=True), dl.dlgradient(loss, net.learnables)

    of_net, of_table = dl.dlfeval(both, net)
    assert type(of_net) is dl.dlnetwork
    assert of_net.learnables == of_table
    assert list(of_table) == list(net.learnables)


UPDATES = {
    "sgdm": lambda p, g, s, _: dl.sgdmupdate(p, g, *s, learning_rate=0.1),
    "adam": lambda p, g, s, t: dl.adamupdate(p, g, *(s or (None, None)), t, 0.01),
    "rmsprop": lambda p, g, s, _: dl.rmspropupdate(p, g, *s),
}


@pytest.mark.parametrize("name", UPDATES)
def test_a_step_on_vectors_is_that_on_each_learnable(name, x):
    net = small()
    plain = dict(net.learnables)
    states, plain_states = (), ()
    for iteration in range(1, 4):
        _, gradient, net.state = dl.dlfeval(half_squares, net, x)
        apart = dict(gradient.learnables)
        net, *states = UPDATES[name](net, gradient, states, iteration)
        plain, *plain_states = UPDATES[name](plain, apart, plain_states, iteration)
        assert all(np.array_equal(net.learnables[key], plain[key]) for key in plain)
    assert all(a.dtype == np.float32 for a in net.learnables.arrays())


def test_factors_of_the_learn_rate(x):
    net = small(weights_learn_rate_factor=0.0, bias_learn_rate_factor=2.0)
    _, gradient, _ = dl.dlfeval(half_squares, net, x)
    new, _ = dl.sgdmupdate(net, gradient, None, 0.5)
    assert np.array_equal(new.learnables["fc_2/weights"], net.learnables["fc_2/weights"])
    moved = new.learnables["fc_2/bias"] - net.learnables["fc_2/bias"]
    np.testing.assert_allclose(moved, -gradient.learnables["fc_2/bias"], rtol=1e-6)


def test_a_step_is_differentiated_through(x):
    net = dl.dlupdate(np.float64, small(bias_learn_rate_factor=3.0))

    def after(rate):
        y = net.predict(x)
        traced = net.with_learnables(dl.dlupdate(lambda p: p + 0 * rate, net.learnables))
        y = traced.predict(x)
        loss = (y * y).sum()
        gradient = dl.dlgradient(loss, traced, enable_higher_derivatives=True)
        new, _ = dl.sgdmupdate(traced, gradient, None, rate)
        y = new.predict(x)
        return (y * y).sum()

    def slope(rate):
        loss = after(rate)
        return dl.dlgradient(loss, rate)

    h = 1e-6
    rates = [dl.dlfeval(after, dl.dlarray(0.01 + d)).item() for d in (h, -h)]
    found = dl.dlfeval(slope, dl.dlarray(0.01)).item()
    assert found == pytest.approx((rates[0] - rates[1]) / (2 * h), rel=1e-6)


def test_casting_and_setting_learnables(x):
    net = small()
    double = dl.dlupdate(np.float64, net)
    assert {a.dtype.name for a in double.learnables.arrays()} == {"float64"}
    _, gradient, _ = dl.dlfeval(half_squares, double, dl.astype(x, np.float64))
    assert gradient.learnables["fc_2/bias"].dtype == np.float64
    assert double.predict(dl.astype(x, np.float64)).dtype == np.float64
    net.learnables["fc_2/bias"] = [1, 2]
    assert net.learnables["fc_2", "bias"].tolist() == [1.0, 2.0]
    frame = net.learnables.to_pandas()
    other = small()
    other.learnables = frame
    assert other.learnables == net.learnables
    with pytest.raises(dl.ShapeMismatchError, match=r"fc_2/bias has shape \(2,\).* \(3,\)"):
        net.learnables["fc_2/bias"] = [1, 2, 3]
    with pytest.raises(dl.InvalidArgumentError, match="missing: fc_1/bias"):
        net.learnables = {"fc_1/weights": np.zeros((3, 4))}
    with pytest.raises(KeyError, match="no 'fc/bias' in this table; it has: fc_1/weights"):
        net.learnables["fc/bias"]


def test_a_copy_is_independent(x):
    net = small()
    for other in (net.copy(), copy.copy(net), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        other.learnables["fc_2/bias"] = [5, 5]
        assert net.learnables["fc_2/bias"].tolist() == [0, 0]
        assert other.predict(x).shape == (5, 2)


# -- graphs ----------------------------------------------------------------------------------------


def test_a_graph(rng):
    net = residual()
    x = rng.normal(size=(2, 3)).astype(np.float32)
    p = net.learnables
    want = x + x @ np.asarray(p["fc/weights"]).T + np.asarray(p["fc/bias"])
    np.testing.assert_allclose(net.predict(x), want, rtol=1e-6)
    assert ("input", "addition/in2") in net.connections
    assert net.output_names == ("addition",)
    apart = net.disconnect_layers("input", "addition/in2")
    assert apart.input_names == ("input", "addition/in2")
    assert "input" not in net.remove_layers("input").layers


def test_replacing_a_layer_keeps_the_others():
    net = small()
    new = net.replace_layer("fc_2", layers.FullyConnected(7, name="head")).initialize(generator=1)
    assert new.learnables["fc_1/weights"].tolist() == net.learnables["fc_1/weights"].tolist()
    assert new.learnables["head/weights"].shape == (7, 3)
    same = net.replace_layer("tanh", layers.Relu())
    assert list(same.layers) == list(net.layers)
    longer = net.replace_layer("tanh", [layers.Relu(), layers.Dropout()]).initialize()
    assert list(longer.layers)[3:5] == ["relu", "dropout"]


def test_several_inputs_and_outputs():
    net = dl.dlnetwork(
        [layers.FeatureInput(2, name="a"), layers.Concatenation("C", 2, name="join")]
    )
    net = net.add_layers([layers.FeatureInput(3, name="b"), layers.Tanh(name="own")])
    net = net.connect_layers("own", "join/in2").add_layers(layers.Relu(name="relu"))
    net = net.connect_layers("join", "relu").add_layers(layers.Sigmoid(name="gate"))
    net = net.connect_layers("join", "gate").initialize()
    assert (net.input_names, net.output_names) == (("a", "b"), ("relu", "gate"))
    relu, gate = net.predict(np.ones((1, 2)), -np.ones((1, 3)))
    assert (relu.shape, gate.shape) == ((1, 5), (1, 5))
    assert relu[0, 2] == 0
    assert net.forward(np.ones((1, 2)), np.ones((1, 3)))[2] == net.state


WRONG = {
    "the sizes of the input 'fc' are not known": lambda: dl.dlnetwork(
        [layers.FullyConnected(2)]
    ).initialize(),
    "there is no layer 'fcc'; did you mean 'fc'": lambda: residual().get_layer("fcc"),
    "there is a layer 'fc' already": lambda: residual().add_layers(layers.Relu(name="fc")),
    "has a '/', which separates": lambda: residual().add_layers(layers.Relu(name="a/b")),
    "has no input 'in3'; its inputs are: 'addition/in1'": lambda: residual().connect_layers(
        "fc", "addition/in3"
    ),
    "'addition/in2' is connected to 'input/out' already": lambda: residual().connect_layers(
        "fc", "addition/in2"
    ),
    "form a circle": lambda: (
        residual().disconnect_layers("input", "fc").connect_layers("addition", "fc")
    ),
    r"layers\[0\] must be a layer, not type; write layers.Relu\(\)": lambda: dl.dlnetwork(
        [layers.Relu]
    ),
    r"layers\[1\] must be a layer, not function; layers.Function\(f\)": lambda: dl.dlnetwork(
        [layers.Relu(), lambda x: x]
    ),
    r"layer 'conv' \(Convolution2d, 2 of 2\), whose input has shape \(1, 3\)": (
        lambda: dl.dlnetwork([layers.FeatureInput(3), layers.Convolution2d(3, 2)])
    ),
    r"weights has shape \(3, 9\); inputs of shape \(1, 4\) and format 'BC' need \(3, 4\)": (
        lambda: dl.dlnetwork(
            [layers.FeatureInput(4), layers.FullyConnected(3, weights=np.ones((3, 9)))]
        )
    ),
    r"so \(3,\) for 'C'; the layer expects \(4\)": lambda: small().predict(np.ones((2, 3))),
    r"has shape \(4,\) and no format; the layer expects 'BC'": lambda: small().predict(np.ones(4)),
    "the network has the inputs input; 2 arrays": lambda: small().predict(np.ones(2), np.ones(2)),
    "predict: the network is not initialised": lambda: dl.dlnetwork([layers.Relu()]).predict(1.0),
}


@pytest.mark.parametrize("text", WRONG)
def test_errors_name_the_layer(text):
    with pytest.raises(dl.DlgradientError, match=text):
        WRONG[text]()


@pytest.mark.parametrize(
    ("name", "meant"),
    [("convolution2dLayer", "Convolution2d"), ("transposedConv2dLayer", "TransposedConvolution2d")],
)
def test_names_of_matlab_are_answered(name, meant):
    with pytest.raises(AttributeError, match=f"write layers.{meant}\n"):
        getattr(layers, name)


# -- layers of a user ------------------------------------------------------------------------------


class Scale(layers.Layer):
    """A layer as a user writes it, with an option, a learnable and a state."""

    factor: float = 2.0
    learnables = ("offset",)
    state = ("calls",)

    def initialize(self, x):
        self.offset = np.zeros(x.size_of("C"))
        self.calls = np.zeros(())

    def predict(self, x):
        return self.factor * x + dl.dlarray(self.offset, "C")

    def forward(self, x):
        self.calls = self.calls + 1
        return self.predict(x)


class Named(layers.Layer):
    """Options with names that the library might use itself."""

    factor: float = 2.0
    bound: float = 1.0
    fresh: str = "no"
    source: str = "here"

    def predict(self, x):
        return self.factor * x + self.bound


class Broken(layers.Layer):
    learnables = ("weights",)

    def predict(self, x):
        return x


def test_a_layer_of_a_user(x):
    net = dl.dlnetwork([layers.FeatureInput(4), Scale(3.0, name="own"), layers.Relu()])
    assert "Scale(3.0)" in repr(net)
    loss, gradient, state = dl.dlfeval(half_squares, net, x)
    want = np.maximum(3 * np.asarray(x), 0)
    np.testing.assert_allclose(gradient.learnables["own/offset"], want.sum(0), rtol=1e-6)
    assert loss.item() == pytest.approx((want**2).sum() / 2, rel=1e-6)
    assert state["own/calls"].item() == 1
    assert net.get_layer("own").offset.shape == (4,)


def test_options_of_a_user_may_have_any_names(x):
    net = dl.dlnetwork([layers.FeatureInput(4), Named(3.0, 0.5), layers.FullyConnected(1)])
    assert np.array_equal(net.predict(x, outputs="named"), 3 * x + np.float32(0.5))
    assert set(net.learn_rate_factors().values()) == {1.0}
    assert repr(net.get_layer("named")) == "Named(3.0, 0.5)"


class Written(layers.Layer):
    """A constructor of its own."""

    def __init__(self, rank, **options):
        super().__init__(**options)
        self.rank = rank
        self.output_names = ("left", "right")

    def predict(self, x):
        return self.rank * x, x


class Inherits(Written):
    def predict(self, x):
        return x, self.rank * x


class Extends(Written):
    share: float = 0.5

    def __post_init__(self):
        self.output_names = ("left", "right")

    def predict(self, x):
        return x, self.share * x


def test_constructors_of_a_user_are_inherited(x):
    net = dl.dlnetwork([layers.FeatureInput(4), Inherits(3, name="own")])
    assert np.array_equal(net.predict(x)[1], 3 * x)
    longer = dl.dlnetwork([layers.FeatureInput(4), Extends(0.25)])
    assert np.array_equal(longer.predict(x)[1], 0.25 * x)


def test_mistakes_in_a_layer_of_a_user():
    with pytest.raises(dl.InvalidArgumentError, match=r"'broken'.*initialize must set weights"):
        dl.dlnetwork([layers.FeatureInput(4), Broken()])
    with pytest.raises(dl.InvalidArgumentError, match="layer class Bad: learnables and state must"):
        type("Bad", (layers.Layer,), {"learnables": "weights"})
    with pytest.raises(NotImplementedError, match="Empty has no predict"):
        dl.dlnetwork([layers.FeatureInput(4), type("Empty", (layers.Layer,), {})()])
    failing = layers.Function(lambda x: x.nonsense)
    with pytest.raises(AttributeError) as caught:
        dl.dlnetwork([layers.FeatureInput(4), failing])
    assert "in layer 'function' (Function, 2 of 2)" in caught.value.__notes__[0]


class Counter(layers.Layer):
    """A memory of a user: how often it was called, and a statistic that stays."""

    state = ("calls", "largest")

    def initialize(self, _):
        self.calls, self.largest = np.zeros(()), np.zeros(())

    def predict(self, x):
        self.calls = self.calls + 1
        self.largest = dl.maximum(self.largest, dl.max(dl.abs(dl.stripdims(x))))
        return x

    def reset_state(self):
        self.calls = np.zeros(())


def test_reset_state_reaches_every_layer():
    inner = dl.dlnetwork([layers.Gru(2, name="gru"), Counter(name="count")])
    net = dl.dlnetwork([layers.SequenceInput(2), layers.Network(inner, name="in"), layers.Lstm(3)])
    _, net.state = net.forward(np.ones((4, 2, 3)))
    assert net.state["in/count/calls"] == 1
    assert np.any(np.asarray(net.state["lstm/cell_state"]))
    fresh = net.reset_state().state
    assert fresh["in/count/calls"] == 0
    assert fresh["in/count/largest"] == net.state["in/count/largest"] != 0
    assert not any(np.any(np.asarray(v)) for k, v in fresh.items() if k.endswith("_state"))


@pytest.mark.parametrize("layer", [layers.Lstm(2), layers.Network(dl.dlnetwork(layers.Lstm(2)))])
def test_reset_state_of_a_layer_that_is_used_twice(layer):
    layer.name = "first"
    net = dl.dlnetwork([layers.SequenceInput(2), layer, layers.Shared("first", name="again")])
    _, net.state = net.forward(np.ones((4, 2, 3)))
    assert all(np.any(np.asarray(value)) for value in net.state.values())
    assert not any(np.any(np.asarray(value)) for value in net.reset_state().state.values())


def test_sizes_are_remembered_for_edits():
    net = dl.dlnetwork([layers.FullyConnected(2)], dl.dlarray(np.ones((3, 4)), "CB"), generator=0)
    longer = net.add_layers(layers.Tanh()).connect_layers("fc", "tanh").initialize()
    assert longer.learnables == net.learnables
    with pytest.raises(dl.InvalidArgumentError, match="1 examples more than inputs"):
        net.initialize(np.ones(3), np.ones(3))


def test_names_of_layers_of_matlab_are_answered_by_the_package():
    with pytest.raises(AttributeError, match=r"write layers\.TransposedConvolution2d"):
        _ = dl.transposedConv2dLayer
    with pytest.raises(AttributeError, match=r"net\.get_layer.*, a method of networks"):
        _ = dl.getLayer


def test_layers_in_series_are_ordered_once(monkeypatch):
    orders = []
    order = Graph.order
    monkeypatch.setattr(Graph, "order", lambda graph: [orders.append(1), order(graph)][1])
    net = dl.dlnetwork([layers.FeatureInput(2), *[layers.Tanh()] * 50], initialize=False)
    assert len(net.connections) == 50
    assert len(orders) == 1


def test_a_name_twice_in_a_series():
    with pytest.raises(dl.InvalidArgumentError, match="circle"):
        dl.dlnetwork([layers.Tanh(name="a"), layers.Relu(name="b"), layers.Tanh(name="a")])


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (lambda net: net.Learnables, "dlnetwork has no attribute 'Learnables'; write learnables\n"),
        (lambda net: net.InputNames, "'InputNames'; write input_names\n"),
        (lambda net: net.parameters(), "'parameters'; write learnables\n"),
        (lambda net: net.eval(), r"'eval'; write predict\(x\)"),
        (lambda net: net.learnables.Value, r"ParameterTable has no .*; write values\(\)"),
        (lambda net: net.learnables.toPandas(), "'toPandas'; write to_pandas\n"),
        (lambda net: net.zebra, "dlnetwork has no attribute 'zebra'\n"),
    ],
)
def test_an_attribute_that_does_not_exist_is_answered(read, text):
    with pytest.raises(AttributeError, match=text):
        read(small())


def test_a_network_is_not_called(x):
    with pytest.raises(
        TypeError, match=r"write \*ys, state = net.forward\(x\) in training, and net"
    ):
        small()(x)


@pytest.mark.parametrize("after", [[], [layers.FullyConnected(2)]])
@pytest.mark.parametrize(
    ("found", "names", "text"),
    [
        (lambda x: (x, 3.0), ("out",), "a tuple of 2 results, and has 1 output, out; .*self.name"),
        (lambda x: [x], ("out",), "a list of 1 results, and has 1 output, out"),
        (lambda x: x, ("a", "b"), "one result, and has 2 outputs, a, b; .*output_names"),
        (lambda x: (x, x, x), ("a", "b"), "a tuple of 3 results, and has 2 outputs, a, b"),
    ],
)
def test_a_layer_that_returns_another_number_of_results(
    after: Any, found: Any, names: Any, text: str
) -> None:
    class Own(layers.Layer):
        output_names = names

        def predict(self, x: Any) -> Any:
            return found(x)

    steps = [layers.FeatureInput(2), Own(name="own"), *after]
    with pytest.raises(dl.InvalidArgumentError, match=rf"layer 'own' \(Own\): it returned {text}"):
        dl.dlnetwork(steps, generator=0)
    with pytest.raises(CheckError, match="it returned"):
        dl.check_layer(Own(), layers.Layout((2, 3), "CB"))
