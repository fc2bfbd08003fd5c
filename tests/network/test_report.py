"""Reports on networks: sizes and learnables of every layer, and all faults at once."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers


def network():
    inner = dl.dlnetwork([layers.FullyConnected(3, name="fc"), layers.BatchNormalization()])
    return dl.dlnetwork(
        [layers.SequenceInput(2), layers.Network(inner, name="block"), layers.Lstm(4)], generator=0
    )


def test_a_row_for_each_layer():
    found = dl.analyze_network(network())
    assert [row.name for row in found.layers] == [
        "input", "block", "block/fc", "block/batchnorm", "lstm",
    ]  # fmt: skip
    assert (found.faults, found.remarks) == ([], [])
    sizes = {row.name: (row.results[0].size, row.results[0].format) for row in found.layers}
    assert sizes["block/fc"] == sizes["block"] == ((1, 3, 1), "TCB")
    assert found.layers[4].learnables == {
        "weights": (16, 3), "recurrent_weights": (16, 4), "bias": (16,),
    }  # fmt: skip
    assert found.layers[3].state == {"trained_mean": (3,), "trained_variance": (3,)}
    frame = found.to_pandas()
    assert frame["Learnables"].sum() == sum(a.size for a in network().learnables.arrays())
    assert frame["State"].sum() == sum(a.size for a in network().state.arrays())
    assert frame["Layer"].tolist()[1] == "Network"
    assert "5 layers, 143 learnables, 0 faults" in repr(found)
    assert "block/fc         FullyConnected(3)" in repr(found)


class Raises(layers.Layer):
    def predict(self, x):
        return x.nonsense


def faulty():
    """One branch does not fit, one raises, one lacks an input, one has a learnable that is NaN."""
    net = dl.dlnetwork([layers.FeatureInput(3), layers.Convolution2d(3, 2)], initialize=False)
    weights = np.full((2, 3), np.nan, np.float32)
    for layer in (
        layers.FullyConnected(2, weights=weights, name="strange"),
        Raises(name="raising"),
        layers.Addition(2, name="sum"),
    ):
        name = layer.name if layer.name != "sum" else "sum/in1"
        net = net.add_layers(layer).connect_layers("input", name)
    return net.add_layers(layers.Relu(name="after")).connect_layers("conv", "after")


def test_all_faults_at_once():
    found = dl.analyze_network(faulty())
    for text in (
        "the input 'sum/in2' is connected to nothing",
        "layer 'conv' (Convolution2d",
        "AttributeError: ",
        "in layer 'raising'",
        "the learnable 'strange/weights' is not finite",
    ):
        assert sum(text in fault for fault in found.faults) == 1
    assert len(found.faults) == 4
    unknown = {row.name for row in found.layers if not row.results}
    assert unknown == {"conv", "raising", "sum", "after"}
    assert repr(found).count("fault: ") == 4


def test_faults_inside_of_nested_networks():
    inner = dl.dlnetwork([layers.FullyConnected(2, bias=[1.0, np.inf], name="fc")])
    found = dl.analyze_network([layers.FeatureInput(2), layers.Network(inner, name="block")])
    assert found.faults == ["the learnable 'block/fc/bias' is not finite"]


def test_examples_and_remarks():
    net = dl.dlnetwork([layers.FullyConnected(2, name="fc")])
    (fault,) = dl.analyze_network(net).faults
    assert "the input 'fc' is connected to nothing, and its sizes are not known" in fault
    x = dl.dlarray(np.ones((4, 3)), "CB")
    found = dl.analyze_network(net, x)
    assert (found.faults, found.layers[0].learnables["weights"]) == ([], (2, 4))
    assert dl.analyze_network(net.initialize(x)).faults == []
    with pytest.raises(dl.InvalidArgumentError, match="2 examples are given, more than"):
        dl.analyze_network(net, x, x)
    assert dl.analyze_network([]).faults == ["there are no layers"]
    image = dl.analyze_network([layers.ImageInput((4, 4, 1))])
    assert (image.faults, len(image.remarks)) == ([], 1)
    assert "has no mean" in image.remarks[0]
    dead = dl.dlnetwork([layers.FeatureInput(2), layers.Relu(), layers.Tanh()])
    dead.output_names = "relu"
    assert dl.analyze_network(dead).remarks == ["layer 'tanh' reaches no output of the network"]


def test_an_analysis_changes_nothing():
    net, before = network(), network()
    dl.analyze_network(net)
    assert net == before


def test_a_layer_used_again_is_counted_once():
    net = dl.dlnetwork(
        [layers.FeatureInput(2), layers.FullyConnected(2, name="fc"), layers.Shared("fc")]
    )
    assert "3 layers, 6 learnables" in repr(dl.analyze_network(net))


@pytest.mark.parametrize("initialised", [True, False])
def test_summary(initialised, capsys):
    net = network() if initialised else dl.dlnetwork([layers.FullyConnected(2)])
    net.summary()
    lines = capsys.readouterr().out.splitlines()
    if initialised:
        assert lines == [
            "dlnetwork of 3 layers, initialised",
            "learnables  143 numbers in 7 arrays, float32, 572 B",
            "state       8 numbers in 4 arrays, float32, 32 B",
            "input       input  1×2×1 TCB",
            "output      lstm  1×4×1 TCB",
        ]
    else:
        assert lines[0] == "dlnetwork of 1 layers, not initialised"
        assert lines[1:] == ["input       fc  of unknown sizes", "output      fc  of unknown sizes"]
