"""Equal networks: layers, options, connections, learnables and state."""

import copy
import pickle

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers


def network(seed=0, rate=0.5, size=3):
    inner = dl.dlnetwork([layers.FullyConnected(size, name="fc"), layers.BatchNormalization()])
    return dl.dlnetwork(
        [
            layers.FeatureInput(2, normalization="zscore", mean=[0.5, 1], standard_deviation=2),
            layers.Network(inner, name="block"),
            layers.Dropout(rate),
            layers.Addition(2, name="add"),
        ],
        initialize=False,
    ).connect_layers("block", "add/in2").initialize(generator=seed)  # fmt: skip


def test_equal_networks():
    net = network()
    for other in (net, network(), net.copy(), copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert net == other
    assert dl.dlnetwork([layers.Relu()]) == dl.dlnetwork([layers.Relu()])


def moved():
    net = network()
    _, net.state = net.forward(np.ones((3, 2)))
    return net


def assigned():
    net = network()
    net.learnables["block/fc/bias"] = [0, 0, 1]
    return net


OTHERS = {
    "values": lambda: network(seed=1),
    "one value": assigned,
    "state": moved,
    "option": lambda: network(rate=0.25),
    "inner option": lambda: network().with_options("block/batchnorm", {"epsilon": 1e-3}),
    "array among options": lambda: network().with_options("input", {"mean": np.zeros(2)}),
    "sizes": lambda: network(size=4),
    "connections": lambda: (
        network().disconnect_layers("block", "add/in2").connect_layers("input", "add/in2")
    ),
    "factor": lambda: network().set_learn_rate_factor("block/fc", 0),
    "class": lambda: network().replace_layer("dropout", layers.SpatialDropout(0.5)).initialize(),
    "not initialised": lambda: dl.dlnetwork([layers.Relu()]),
    "another type": lambda: 3,
}


@pytest.mark.parametrize("name", OTHERS)
def test_networks_that_differ(name):
    assert network() != OTHERS[name]()


class Tables(layers.Layer):
    """A layer with options that hold arrays and networks, none of which it learns."""

    parts: object

    def predict(self, x):
        return x


def holding(value):
    inner = dl.dlnetwork([layers.FeatureInput(2), layers.FullyConnected(1)], generator=value)
    parts = {"arrays": [np.arange(3), (np.full(2, value),)], "net": inner}
    return dl.dlnetwork([layers.FeatureInput(2), Tables(parts)])


def test_containers_and_networks_among_options():
    assert holding(1) == holding(1)
    assert holding(1) != holding(2)
    inner = [holding(seed).get_layer("tables").parts["net"] for seed in (1, 1, 2)]
    nets = [dl.dlnetwork([layers.FeatureInput(2), Tables(net)]) for net in inner]
    assert nets[0] == nets[1]
    assert nets[0] != nets[2]
