"""Drawings of graphs: rows, places, and what is on the picture."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers
from dlgradient.network.plot import places, rows_of


@pytest.fixture(autouse=True)
def headless():
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


def crossed():
    """Two branches that are added in an order in which their connections would cross."""
    net = dl.dlnetwork([layers.FeatureInput(2), layers.Relu(name="left"), layers.Tanh(name="l2")])
    net = net.add_layers(layers.Relu(name="right")).connect_layers("input", "right")
    net = net.add_layers(layers.Elu(name="r2")).connect_layers("right", "r2")
    net = net.add_layers(layers.Addition(3, name="sum"))
    for i, source in enumerate(("r2", "l2", "input")):
        net = net.connect_layers(source, f"sum/in{i + 1}")
    return net


def test_connections_go_down_and_do_not_cross():
    net = crossed()
    rows = rows_of(net._graph)
    place = places(rows)
    assert [len(row) for row in rows] == [1, 2, 2, 1]
    ends = [(e[0], s[0]) for e, s in net._graph.sources.items()]
    assert all(place[end][1] < place[source][1] for end, source in ends)
    assert place["left"][0] == place["l2"][0]
    assert place["right"][0] == place["r2"][0]
    assert place["input"][0] == place["sum"][0] == 0


def test_a_drawing_has_every_layer_and_connection():
    net = crossed()
    axes = net.plot()
    shown = [text.get_text() for text in axes.texts]
    assert {s.partition("\n")[0] for s in shown if s} == set(net.layers)
    assert shown.count("") == len(net.connections)
    assert axes.figure.get_size_inches()[1] > 3
    axes.figure.canvas.draw()
    given = plt.figure().add_subplot()
    assert net.plot(given) is given


def test_nested_and_empty_networks_are_drawn():
    inner = dl.dlnetwork([layers.Relu(), layers.Tanh()])
    net = dl.dlnetwork([layers.FeatureInput(2), layers.Network(inner)])
    assert "network\nNetwork, 2 layers" in [t.get_text() for t in net.plot().texts]
    assert np.isfinite(dl.dlnetwork().plot().get_xlim()).all()
