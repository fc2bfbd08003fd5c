"""Factors of the learn rate and of L2: set by paths, frozen learnables stay."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers
from dlgradient.network.graph import Graph


class Own(layers.Layer):
    learnables = ("offset", "net")

    def __init__(self, net, name):
        super().__init__(name=name)
        self.net = net
        self.offset = None

    def initialize(self, x):
        self.offset = np.zeros(x.size_of("C"))
        self.net = self.net.initialize(x.example(), generator=0)

    def predict(self, x):
        return self.net.predict(x) + dl.dlarray(self.offset, "C")


def network():
    inner = dl.dlnetwork([layers.FullyConnected(3, name="fc"), layers.BatchNormalization()])
    return dl.dlnetwork(
        [
            layers.FeatureInput(3),
            layers.Network(inner, name="block"),
            layers.Tanh(),
            Own(dl.dlnetwork([layers.FullyConnected(3, name="fc")]), name="own"),
            layers.FullyConnected(2, name="head"),
        ],
        generator=0,
    )


FROZEN = {
    "head": ["head/weights", "head/bias"],
    "head/bias": ["head/bias"],
    "block/fc": ["block/fc/weights", "block/fc/bias"],
    "own/offset": ["own/offset"],
    "own": ["own/offset", "own/net/fc/weights", "own/net/fc/bias"],
    "own/net/fc/weights": ["own/net/fc/weights"],
}


@pytest.mark.parametrize("name", FROZEN)
@pytest.mark.parametrize("again", [False, True])
def test_frozen_learnables_stay(name, again, rng):
    net = network().set_learn_rate_factor(name, 0)
    if again:  # an edit keeps factors
        net = net.add_layers(layers.Relu(name="last")).connect_layers("head", "last").initialize()
    x = dl.dlarray(rng.normal(size=(5, 3)).astype(np.float32), "BC")

    def gradients(net):
        y, _ = net.forward(x)
        return dl.dlgradient((y * y).sum(), net)

    new, _, _ = dl.adamupdate(net, dl.dlfeval(gradients, net), None, None, 1)
    same = [k for k in net.learnables if np.array_equal(net.learnables[k], new.learnables[k])]
    # A bias before a normalisation has no gradient, but for rounding.
    assert set(FROZEN[name]) <= set(same) <= {*FROZEN[name], "block/fc/bias"}


def test_several_names_and_layers_without_learnables():
    net = network()
    frozen = net.set_learn_rate_factor(list(net.layers)[:-1], 0.0)
    factors = frozen.learn_rate_factors()
    assert [k for k, v in factors.items() if v] == ["head/weights", "head/bias"]
    assert set(net.learn_rate_factors().values()) == {1.0}
    thawed = frozen.set_learn_rate_factor("block", 2)
    assert thawed.learn_rate_factors()["block/fc/weights"] == 2
    heavier = net.set_l2_factor("own/net", 3)
    assert heavier.l2_factors()["own/net/fc/weights"] == 3
    assert heavier.l2_factors()["block/fc/bias"] == 0


def test_a_network_without_sizes_has_factors():
    net = dl.dlnetwork([layers.FullyConnected(2)]).set_learn_rate_factor("fc", 0)
    assert net.learn_rate_factors() == {"fc/weights": 0.0, "fc/bias": 0.0}
    assert net.initialize(dl.dlarray(np.ones((3, 1)), "CB")).learn_rate_factors()["fc/bias"] == 0


WRONG = {
    "there is no layer 'haed'; did you mean 'head'": lambda net: net.set_learn_rate_factor(
        "haed", 0
    ),
    "layer 'head' .*holds no network in which 'wieghts'": lambda net: net.set_l2_factor(
        "head/wieghts", 0
    ),
    "factor must be .* not -1": lambda net: net.set_learn_rate_factor("head", -1),
    "factor must be .* not 'none'": lambda net: net.set_l2_factor("head", "none"),
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_calls(text):
    with pytest.raises(dl.DlgradientError, match=text):
        WRONG[text](network())


def test_many_layers_are_frozen_with_one_plan(monkeypatch):
    depth = 50
    net = dl.dlnetwork([layers.FeatureInput(2), *[layers.FullyConnected(2)] * depth])
    orders = []
    order = Graph.order
    monkeypatch.setattr(Graph, "order", lambda graph: [orders.append(1), order(graph)][1])
    frozen = net.set_learn_rate_factor([f"fc_{i + 1}" for i in range(depth)], 0)
    assert set(frozen.learn_rate_factors().values()) == {0.0}
    assert len(orders) == 1


# -- what is not frozen ----------------------------------------------------------------------------


def deep():
    block = dl.dlnetwork([layers.FullyConnected(3, name="fc"), layers.Tanh()])
    return dl.dlnetwork(
        [
            layers.FeatureInput(4),
            layers.FullyConnected(5, name="first"),
            layers.Network(block, name="block"),
            layers.FullyConnected(2, name="head"),
        ],
        generator=0,
    )


@pytest.mark.parametrize(
    "frozen", [[], ["first"], ["block"], ["first/weights", "head/bias"], ["first", "head"]]
)
def test_gradients_of_what_is_not_frozen_are_those_of_the_network(frozen, rng):
    net, x = deep().set_learn_rate_factor(frozen, 0), rng.normal(size=(7, 4))

    def of_network(net):
        return dl.dlgradient((net.forward(x)[0] ** 2).mean(), net.learnables)

    def of_table(free):
        return dl.dlgradient((net.with_trainable(free).forward(x)[0] ** 2).mean(), free)

    def of_traced_network(traced):
        return dl.dlgradient((traced.forward(x)[0] ** 2).mean(), traced.trainable())

    whole, found = dl.dlfeval(of_network, net), dl.dlfeval(of_table, net.trainable())
    factors = net.learn_rate_factors()
    assert list(found) == [key for key in net.learnables if factors[key]]
    for key, value in found.items():
        np.testing.assert_allclose(value, whole[key], rtol=1e-6)
    assert dl.dlfeval(of_traced_network, net) == found


def test_a_loop_over_what_is_not_frozen_is_that_over_the_network(rng):
    """The update works on vectors, whose table is the same in each step."""
    start, x = deep().set_learn_rate_factor("first", 0), rng.normal(size=(7, 4))

    def of_network(net):
        return dl.dlgradient((net.forward(x)[0] ** 2).mean(), net)

    def of_table(free):
        return dl.dlgradient((start.with_trainable(free).forward(x)[0] ** 2).mean(), free)

    net, free, states, others = start, start.trainable(), (None, None), (None, None)
    for i in range(1, 6):
        net, *states = dl.adamupdate(net, dl.dlfeval(of_network, net), *states, i, 0.1)
        free, *others = dl.adamupdate(free, dl.dlfeval(of_table, free), *others, i, 0.1)
        assert free.columns is start.trainable().columns is others[0].columns
    found = start.with_trainable(free)
    for key, value in net.learnables.items():
        np.testing.assert_allclose(found.learnables[key], value, rtol=1e-5, atol=1e-7)
    assert np.array_equal(found.learnables["first/weights"], start.learnables["first/weights"])
    assert found.set_learn_rate_factor("first", 1).trainable().columns is not free.columns


def test_what_is_frozen_is_a_constant(rng):
    """No layer before the first one that learns is traced."""
    net, x = deep().set_learn_rate_factor(["first", "block"], 0), rng.normal(size=(7, 4))

    def traced(free):
        new = net.with_trainable(free)
        middle, last = new.predict(x, outputs=["block", "head"])
        return type(middle), type(last)

    assert dl.dlfeval(traced, net.trainable()) == (np.ndarray, dl.dlarray)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"tail/bias": np.zeros(2)}, "has no learnable 'tail/bias'; it has first/weights, first"),
        ({"head/bias": np.zeros(3)}, r"head/bias has shape \(2,\), the new value has shape \(3,\)"),
    ],
)
def test_values_of_other_learnables_are_refused(values, text):
    with pytest.raises(dl.DlgradientError, match=text):
        deep().with_trainable(values)
