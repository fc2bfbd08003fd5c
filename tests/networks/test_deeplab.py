"""DeepLab v3+: its layers, interpolation that learns nothing, and weights for the features."""

import numpy as np
import pytest
from published import blank  # noqa: F401 - a fixture

import dlgradient as dl
from dlgradient import networks
from dlgradient.networks import pretrained
from dlgradient.networks.building import Image
from dlgradient.networks.deeplab import _enlarged, _network
from dlgradient.networks.residual import Stacks

# Features have few channels.
FEW = Stacks(
    (7, 4, 2), bottleneck="none", depths=(1, 1, 1, 1), filters=(4, 4, 4, 4), symmetric=True
)


def small(factor):
    return _network(Image((33, 40), 3, "none", ""), 3, FEW, factor)


@pytest.mark.usefixtures("blank")
def test_layers_are_as_many_as_in_matlab():
    """Its graph for ResNet-18 has 100 layers and 113 connections; one layer is of the loss."""
    net = networks.deeplabv3plus((32, 32), 2)
    assert (len(net.layers), len(net.connections)) == (99, 112)


@pytest.mark.parametrize(("factor", "sizes"), [(8, (5, 5)), (16, (3, 3))])
@pytest.mark.usefixtures("blank")
def test_features_are_smaller_by_the_factor(factor, sizes):
    net = small(factor).initialize()
    x = np.zeros((33, 40, 3, 2), np.float32)
    features, early, y = net.predict(x, outputs=["aspp_concat", "dec_relu1", "softmax"])
    assert features.shape == (*sizes, 4 * 256, 2)
    assert early.shape == (9, 10, 48, 2)
    assert y.shape == (33, 40, 3, 2)


def test_convolutions_reach_farther_where_features_are_finer():
    for factor, reaches in {8: [12, 24, 36], 16: [6, 12, 18]}.items():
        net = small(factor)
        found = [net.layers[f"aspp_conv{i}"].dilation_factor for i in (2, 3, 4)]
        assert found == reaches


@pytest.mark.parametrize("factor", [2, 4])
def test_enlarging_interpolates(factor):
    """A plane stays a plane, but for the edge, where pixels outside count as zeros."""
    layer = _enlarged("up", factor, 2)
    net = dl.dlnetwork([dl.layers.ImageInput((6, 5, 2), normalization="none"), layer])
    rows, columns = np.arange(6.0)[:, None], np.arange(5.0)
    plane = np.stack([2 * rows + 3 * columns, 1 - rows + 0 * columns], axis=-1)[..., None]
    y = net.predict(plane.astype(np.float32))[..., 0]
    assert y.shape == (6 * factor, 5 * factor, 2)
    fine, wide = [(np.arange(n * factor) + 0.5) / factor - 0.5 for n in (6, 5)]
    wanted = np.stack([2 * fine[:, None] + 3 * wide, 1 - fine[:, None] + 0 * wide], axis=-1)
    edge = factor
    inner = (slice(edge, -edge), slice(edge, -edge))
    np.testing.assert_allclose(y[inner], wanted[inner], rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("blank")
def test_interpolation_learns_nothing():
    net = small(16).initialize()
    factors = net.learn_rate_factors()
    assert {k for k in factors if "upsample" in k and factors[k]} == set()
    assert np.asarray(net.learnables["dec_upsample2/weights"]).max() > 0.7


def test_features_may_have_weights(tmp_path, monkeypatch):
    monkeypatch.setitem(pretrained.RESNETS, "resnet18", FEW)
    monkeypatch.setitem(pretrained.ARCHITECTURES, "resnet18", pretrained._resnet(FEW))
    donor = networks.image_pretrained_network("resnet18", weights="none", image_size=(32, 32))
    path = tmp_path / "weights.safetensors"
    weights = dl.export_weights_to_torch(donor, mapping=pretrained._resnet_module)
    dl.save(path, weights)
    net = networks.deeplabv3plus((32, 32), 2, weights=weights, generator=1)
    shared = [k for k in net.learnables if k in donor.learnables]
    assert len(shared) == len(donor.learnables) - 2  # the last layer is not there
    assert all((net.learnables[k] == donor.learnables[k]).all() for k in shared)
    again = networks.deeplabv3plus((32, 32), 2, weights=path, generator=1)
    assert again == net
