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
