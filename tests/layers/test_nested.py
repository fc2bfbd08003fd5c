"""Networks in layers, layers used again, and how their arrays get into one table."""

import copy
import pickle

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers


def block(size=3):
    """An inner network whose training differs: statistics, and random numbers."""
    return dl.dlnetwork(
        [
            layers.FullyConnected(size, name="fc", weights_learn_rate_factor=0.5),
            layers.BatchNormalization(name="norm"),
            layers.Dropout(0.5),
            layers.Tanh(),
        ]
    )


def nested():
    return dl.dlnetwork(
        [
            layers.FeatureInput(4),
            layers.Network(block(), name="block"),
            layers.FullyConnected(2, name="head"),
        ],
        generator=0,
    )


class Mixture(layers.Layer):
    """A layer of a user: two networks, and a number that says how much of each."""

    first: dl.dlnetwork
    second: dl.dlnetwork
    learnables = ("first", "share", "second")

    def initialize(self, x):
        self.first = self.first.initialize(x.example(), generator=1)
        self.second = self.second.initialize(x.example(), generator=2)
        self.share = np.float32(0.25)

    def predict(self, x):
        return self.share * self.first.predict(x) + (1 - self.share) * self.second.predict(x)

    def forward(self, x):
        a, self.first.state = self.first.forward(x)
        b, self.second.state = self.second.forward(x)
        return self.share * a + (1 - self.share) * b


def mixture():
    layer = Mixture(block(), dl.dlnetwork([layers.FullyConnected(3, name="fc")]), name="mix")
    return dl.dlnetwork([layers.FeatureInput(4), layer], generator=0)


def deep():
    inner = dl.dlnetwork([layers.Network(block(), name="a"), layers.FullyConnected(2, name="fc")])
    return dl.dlnetwork([layers.FeatureInput(4), layers.Network(inner, name="b")], generator=0)


NETS = {"nested": nested, "mixture": mixture, "deep": deep}
every_net = pytest.mark.parametrize("name", NETS)


@pytest.fixture
def x(rng):
    return dl.dlarray(rng.normal(size=(5, 4)).astype(np.float32), "BC")


def half_squares(net, x):
    y, state = net.forward(x, generator=7)
    loss = (y * y).sum() / 2
    return loss, dl.dlgradient(loss, net), state


def test_paths_of_the_tables():
    assert list(nested().learnables) == [
        "block/fc/weights", "block/fc/bias", "block/norm/offset", "block/norm/scale",
        "head/weights", "head/bias",
    ]  # fmt: skip
    assert list(nested().state) == ["block/norm/trained_mean", "block/norm/trained_variance"]
    assert list(mixture().learnables) == [
        "mix/first/fc/weights", "mix/first/fc/bias", "mix/first/norm/offset",
        "mix/first/norm/scale", "mix/share", "mix/second/fc/weights", "mix/second/fc/bias",
    ]  # fmt: skip
    assert list(deep().state) == ["b/a/norm/trained_mean", "b/a/norm/trained_variance"]
    rows = nested().learnables.to_pandas()
    assert (rows["Layer"][0], rows["Parameter"][0]) == ("block/fc", "weights")


def test_a_nested_network_computes_what_its_layers_do(x):
    net = nested()
    flat = net.expand_layers()
    assert list(flat.layers) == [
        "input", "block:fc", "block:norm", "block:dropout", "block:tanh", "head",
    ]  # fmt: skip
    assert np.array_equal(net.predict(x), flat.predict(x))
    got, want = [dl.dlfeval(half_squares, n, x) for n in (net, flat)]
    assert got[0].item() == want[0].item()
    for a, b in ((got[1].learnables, want[1].learnables), (got[2], want[2])):
        assert [k.replace(":", "/") for k in b] == list(a)
        assert all(np.array_equal(p, q) for p, q in zip(a.values(), b.values(), strict=True))
    assert got[2] != net.state


@every_net
def test_derivatives_to_second_order(name, rng):
    net = dl.dlupdate(np.float64, NETS[name]())
    data = rng.normal(size=(4, 4))
    table = net.learnables

    def loss(x, *arrays):
        here = net.with_learnables(type(table).of(table.columns, list(arrays)))
        y = here.forward(dl.dlarray(x, "BC"), generator=3)[0] + here.predict(dl.dlarray(x, "BC"))
        return dl.stripdims(y)

    learned = [np.asarray(a) + rng.uniform(0.1, 0.3, a.shape) for a in table.arrays()]
    dl.testing.check_derivatives(loss, data, *learned)


@every_net
@pytest.mark.parametrize("update", ["sgdm", "adam", "rmsprop"])
def test_updates_are_those_of_each_learnable(name, update, x):
    net = NETS[name]()
    plain, states, plain_states = dict(net.learnables), (), ()
    factors = net.learn_rate_factors()
    for iteration in (1, 2):
        before = {key: np.asarray(value) for key, value in plain.items()}
        _, gradient, net.state = dl.dlfeval(half_squares, net, x)
        args = (iteration,) if update == "adam" else ()
        empty = (None, None) if update == "adam" else (None,)
        run = getattr(dl, f"{update}update")
        net, *states = run(net, gradient, *(states or empty), *args, 0.01)
        apart = dict(gradient.learnables)
        plain, *plain_states = run(plain, apart, *(plain_states or empty), *args, 0.01)
        for key in plain:
            moved = factors[key] * (np.asarray(plain[key]) - before[key])
            got = np.asarray(net.learnables[key]) - before[key]
            np.testing.assert_allclose(got, moved, rtol=2e-3, atol=1e-6)
        plain = dict(net.learnables)


@every_net
def test_copies_and_pickles(name, x):
    net = NETS[name]()
    key = next(iter(net.learnables))
    want = net.predict(x)
    for other in (net.copy(), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert np.array_equal(other.predict(x), want)
        other.learnables[key] = np.zeros(other.learnables[key].shape)
        assert not np.array_equal(other.predict(x), want)
        assert np.array_equal(net.predict(x), want)
        _, gradient, _ = dl.dlfeval(half_squares, other, x)
        assert gradient.learnables[key].shape == net.learnables[key].shape


@every_net
def test_a_seed_gives_the_same_random_numbers(name, x):
    net = NETS[name]()
    first, second = [net.forward(x, generator=3)[0] for _ in range(2)]
    assert np.array_equal(first, second)
    assert not np.array_equal(first, net.forward(x, generator=4)[0])


@every_net
def test_casting_and_editing_keep_what_is_inside(name, x):
    net = dl.dlupdate(np.float64, NETS[name]())
    assert net.predict(dl.astype(x, np.float64)).dtype == np.float64
    longer = NETS[name]().add_layers(layers.Relu(name="last"))
    end = longer.output_names[0]
    longer = longer.connect_layers(end, "last").initialize(generator=9)
    assert np.array_equal(longer.predict(x, outputs=end), NETS[name]().predict(x))


def test_inner_layers_have_paths(x):
    net = nested()
    inner = net.get_layer("block/fc")
    assert np.array_equal(inner.weights, net.learnables["block/fc/weights"])
    assert net.learn_rate_factors()["block/fc/weights"] == 0.5
    frozen = net.with_options("block/norm", {"scale_learn_rate_factor": 0.0})
    assert frozen.learn_rate_factors()["block/norm/scale"] == 0
    _, gradient, _ = dl.dlfeval(half_squares, frozen, x)
    new, _ = dl.sgdmupdate(frozen, gradient, None, 0.5)
    assert np.array_equal(new.learnables["block/norm/scale"], net.learnables["block/norm/scale"])
    assert mixture().get_layer("mix/first/norm").trained_mean.shape == (3,)
    assert deep().get_layer("b/a/fc").output_size == 3


def test_grouping_and_expanding_are_inverse(x):
    flat = nested().expand_layers()
    net = flat.group_layers([n for n in flat.layers if n.startswith("block:")], "block")
    assert list(net.learnables) == list(nested().learnables)
    assert np.array_equal(net.predict(x), flat.predict(x))
    assert net.connections == nested().connections


def branched():
    """Two layers get the input, and both results are used twice."""
    net = dl.dlnetwork([layers.FeatureInput(4), layers.FullyConnected(3, name="a")])
    net = net.add_layers([layers.FullyConnected(3, name="b"), layers.Multiplication(2, name="ab")])
    net = net.connect_layers("input", "b").connect_layers("a", "ab/in2")
    net = net.add_layers(layers.Addition(3, name="sum"))
    for i, source in enumerate(("ab", "a", "b")):
        net = net.connect_layers(source, f"sum/in{i + 1}")
    return net.initialize(generator=0)


@pytest.mark.parametrize("names", ["a", "b", "a b", "a b ab", "a b ab sum", "ab sum", "sum"])
def test_any_group_computes_the_same(names, x):
    net = branched()
    group = net.group_layers(names.split(), "group")
    assert np.allclose(group.predict(x), net.predict(x), rtol=1e-6)
    again = group.expand_layers("group")
    assert np.allclose(again.predict(x), net.predict(x), rtol=1e-6)
    assert sorted(n.removeprefix("group:") for n in again.layers) == sorted(net.layers)


def test_networks_with_input_layers_of_their_own(x):
    inner = dl.dlnetwork([layers.FeatureInput(4), layers.FullyConnected(2)], generator=0)
    net = dl.dlnetwork([layers.FeatureInput(4), layers.Network(inner)])
    assert np.array_equal(net.predict(x), inner.predict(x))
    assert np.array_equal(net.expand_layers().predict(x), inner.predict(x))
    both = dl.dlnetwork([layers.Network(inner)], x)
    assert np.array_equal(both.predict(x), inner.predict(x))


# -- layers used again -----------------------------------------------------------------------------


def shared(first=None):
    first = first or layers.FullyConnected(4, name="fc")
    return dl.dlnetwork(
        [layers.FeatureInput(4), first, layers.Tanh(), layers.Shared(first.name, name="again")],
        generator=0,
    )


def test_a_shared_layer_has_one_learnable(x):
    net = shared()
    assert list(net.learnables) == ["fc/weights", "fc/bias"]
    w, b = net.learnables.arrays()

    def plain(w, b):
        y = dl.fullyconnect(dl.tanh(dl.fullyconnect(x, w, b)), w, b)
        loss = (y * y).sum() / 2
        return loss, dl.dlgradient(loss, [w, b])

    loss, gradients = dl.dlfeval(plain, w, b)
    got, gradient, _ = dl.dlfeval(half_squares, net, x)
    assert got.item() == loss.item()
    for a, want in zip(gradient.learnables.values(), gradients, strict=True):
        np.testing.assert_allclose(a, want, rtol=1e-5, atol=1e-6)


def test_a_shared_layer_may_come_first(x):
    net = dl.dlnetwork([layers.Tanh(), layers.FullyConnected(4, name="fc")], initialize=False)
    net = net.add_layers([layers.FeatureInput(4), layers.Shared("fc", name="again")])
    net = net.connect_layers("again", "tanh").initialize(generator=0)
    w, b = net.learnables.arrays()
    want = dl.fullyconnect(dl.tanh(dl.fullyconnect(x, w, b)), w, b)
    assert np.array_equal(net.predict(x), want)


def test_a_shared_network_and_its_state(x):
    net = shared(layers.Network(block(4), name="block"))
    assert len(net.learnables) == 4
    _, state = net.forward(x, outputs="again", generator=1)
    assert state != net.state
    # Both uses move the statistics, one after the other.
    _, one = net.forward(x, outputs="tanh", generator=1)
    assert not np.array_equal(one["block/norm/trained_mean"], np.zeros(4))
    pickled = pickle.loads(pickle.dumps(net))
    assert np.array_equal(pickled.predict(x), net.predict(x))
    names = ["block", "tanh", "again"]
    assert np.array_equal(net.group_layers(names, "all").predict(x), net.predict(x))
    assert np.array_equal(
        net.group_layers(names, "all").expand_layers("all").predict(x), net.predict(x)
    )


# -- outputs, inputs -------------------------------------------------------------------------------


def test_outputs_are_assigned(x):
    net = nested()
    net.output_names = ("head", "block")
    _, inside = net.predict(x)
    assert np.array_equal(inside, net.predict(x, outputs="block"))
    assert net.output_names == ("head", "block")
    assert net.remove_layers("head").output_names == ("block",)
    with pytest.raises(
        dl.InvalidArgumentError, match=r"output_names: layer 'head' .* has no output"
    ):
        net.output_names = "head/strange"


def test_an_input_layer_is_added():
    net = dl.dlnetwork([layers.FullyConnected(2, name="fc")])
    net = net.add_input_layer(layers.FeatureInput(3)).initialize()
    assert net.input_names == ("input",)
    assert net.predict(np.ones((1, 3))).shape == (1, 2)
    with pytest.raises(dl.InvalidArgumentError, match="no open input"):
        net.add_input_layer(layers.FeatureInput(3))


def test_training_of_a_nested_network(rng):
    x = rng.normal(size=(64, 4)).astype(np.float32)
    before = dl.testnet(nested(), x, x[:, :2], "rmse")
    options = dl.training_options("adam", max_epochs=30, initial_learn_rate=0.02, verbose=False)
    net, _ = dl.trainnet(x, x[:, :2], nested(), "mse", options)
    assert dl.testnet(net, x, x[:, :2], "rmse") < 0.8 * before


class Careless(layers.Layer):
    """A layer that does not look whether it has values already."""

    learnables = ("offset",)

    def initialize(self, x):
        self.offset = np.zeros(x.size_of("C"))

    def predict(self, x):
        return x + dl.dlarray(self.offset, "C")


def test_values_are_kept_when_a_network_is_initialised_again():
    net = dl.dlnetwork([layers.FeatureInput(2), Careless(name="own")])
    net.learnables["own/offset"] = [1.0, 2.0]
    longer = net.add_layers(layers.Relu()).connect_layers("own", "relu").initialize()
    assert longer.learnables["own/offset"].tolist() == [1, 2]
    other = net.replace_layer("input", layers.FeatureInput(3))
    with pytest.raises(dl.ShapeMismatchError, match=r"'own'.*offset has shape \(2,\).* \(3,\)"):
        other.initialize()


class Uninitialised(layers.Layer):
    net: dl.dlnetwork
    learnables = ("net",)

    def predict(self, x):
        return self.net.predict(x)


WRONG = {
    "net must be a dlnetwork, not list": lambda: layers.Network([layers.Relu()]),
    "net has no layers": lambda: layers.Network(dl.dlnetwork([])),
    r"layer 'uninitialised' .*initialize must initialise the network net": lambda: dl.dlnetwork(
        [layers.FeatureInput(2), Uninitialised(block())]
    ),
    r"layer 'b' \(Network, 2 of 2\).*layer 'conv' \(Convolution2d, 1 of 1\)": lambda: dl.dlnetwork(
        [
            layers.FeatureInput(2),
            layers.Network(dl.dlnetwork([layers.Convolution2d(3, 2)]), name="b"),
        ]
    ),
    "layer 'head' .*holds no network in which 'fc' could be": lambda: nested().get_layer("head/fc"),
    "there is no layer 'fcc'; did you mean 'fc'": lambda: nested().get_layer("block/fcc"),
    "'shared' is another use of 'fcc', which is not in the network": lambda: dl.dlnetwork(
        [layers.FeatureInput(2), layers.Shared("fcc")]
    ),
    "'again' is another use of 'fc', which is not": lambda: shared().remove_layers("fc"),
    "layers.Shared.'fc'. is a use of another layer": lambda: layers.Shared("fc").predict(1.0),
    r"weights has shape \(3, 4\); inputs of shape \(1, 3\)": lambda: shared(
        layers.FullyConnected(3, name="fc")
    ),
    "layer 'head' is a FullyConnected, not a layers.Network": lambda: nested().expand_layers(
        "head"
    ),
    "'block' is also used by again": lambda: shared(
        layers.Network(block(4), name="block")
    ).expand_layers("block"),
    "'input' is an input layer, which stays outside": lambda: nested().group_layers(
        ["input", "block"], "g"
    ),
    "both must be in the group": lambda: shared().group_layers(["fc"], "g"),
    "there is a layer 'head' already": lambda: nested().group_layers(["block"], "head"),
    "form a circle": lambda: branched().group_layers(["a", "sum"], "g"),
    "group_layers: names must have a layer": lambda: nested().group_layers([], "g"),
    "'n:input' normalises": lambda: dl.dlnetwork(
        [
            layers.FeatureInput(2),
            layers.Network(
                dl.dlnetwork([layers.FeatureInput(2, normalization="zerocenter", mean=1.0)]),
                name="n",
            ),
        ]
    ).expand_layers(),
}


@pytest.mark.parametrize("text", WRONG)
def test_errors_name_the_layer(text):
    with pytest.raises(dl.DlgradientError, match=text):
        WRONG[text]()
