"""Residual networks: published numbers, the effect of options, and dilation for strides."""

from dataclasses import replace

import numpy as np
import pytest
from published import blank, convolutions, count  # noqa: F401 - a fixture

import dlgradient as dl
from dlgradient import networks
from dlgradient.networks.building import Image, wired
from dlgradient.networks.residual import Stacks

# Of torchvision; and of Keras, whose convolutions have biases: without what is not trained.
PUBLISHED = {
    "resnet18": (11_689_512, None),
    "resnet34": (21_797_672, None),
    "resnet50": (25_557_032, 25_583_592),
    "resnet101": (44_549_160, 44_601_832),
    "resnet152": (60_192_808, 60_268_520),
}


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.usefixtures("blank")
def test_numbers_of_learnables_are_the_published_ones(name):
    net = networks.image_pretrained_network(name, weights="none", image_size=(32, 32))
    torchvision, keras = PUBLISHED[name]
    # The biases do not learn, as the normalisation after them has one.
    factors = net.learn_rate_factors()
    frozen = sum(v.size for k, v in net.learnables.items() if not factors[k])
    assert count(net) - frozen == torchvision
    assert count(net, without=convolutions(net)) == torchvision
    assert keras in (None, count(net))


@pytest.mark.parametrize(
    ("depths", "numbers"),
    [((3, 4, 6, 3), (176, 191, 214, 106)), ((3, 4, 23, 3), (346, 378, 418, 208))],
)
@pytest.mark.usefixtures("blank")
def test_layers_are_as_many_as_in_matlab(depths, numbers):
    """MATLAB's page of resnetNetwork prints them for ResNet-50 and ResNet-101."""
    net = networks.resnet((32, 32, 3), 10, stack_depth=depths)
    found = (net.layers, net.connections, net.learnables, net.state)
    assert tuple(map(len, found)) == numbers


@pytest.mark.usefixtures("blank")
def test_volumes_have_the_same_layers():
    options = {"stack_depth": (1, 2), "num_filters": (2, 3), "initial_num_filters": 4}
    flat = networks.resnet((8, 8, 3), 10, **options)
    solid = networks.resnet3d((8, 8, 8, 3), 10, **options)
    assert list(flat.layers) == list(solid.layers)
    assert flat.connections == solid.connections
    assert solid.learnables["stack1_block1_conv2/weights"].shape == (3, 3, 3, 2, 2)


def test_a_block_adds_its_input(rng):
    """With zeros for what the block computes, the result is the activation of the input."""
    net = networks.resnet(
        (4, 4, 3),
        2,
        initial_num_filters=5,
        initial_pooling_layer="none",
        initial_stride=1,
        bottleneck_type="none",
        stack_depth=1,
        num_filters=5,
        normalization="none",
    )
    table = net.learnables.copy()
    table["stack1_block1_conv2/weights"] = np.zeros((3, 3, 5, 5), np.float32)
    net.learnables = table
    x = rng.normal(size=(4, 4, 3, 2)).astype(np.float32)
    before, after = net.predict(x, outputs=["relu1", "stack1_block1_relu2"])
    np.testing.assert_array_equal(after, before)


def test_the_stride_is_where_the_bottleneck_type_says():
    options = {"stack_depth": (1, 1), "num_filters": (2, 2), "initialize": False}
    for kind, places in {
        "downsample-first-conv": ("stack2_block1_conv1", "stack2_block1_skip_conv"),
        "downsample-second-conv": ("stack2_block1_conv2", "stack2_block1_skip_conv"),
        "none": ("stack2_block1_conv1", "stack2_block1_skip_conv"),
    }.items():
        net = networks.resnet((16, 16), 2, bottleneck_type=kind, **options)
        strided = [n for n, layer in net.layers.items() if getattr(layer, "stride", 1) == 2]
        assert sorted(strided) == sorted(("conv1", "maxpool1", *places))


def test_a_normalisation_may_follow_the_addition():
    net = networks.resnet(
        (16, 16),
        2,
        residual_block_type="batchnorm-after-add",
        stack_depth=1,
        num_filters=2,
        initialize=False,
    )
    after = dict(net.connections)
    assert after["stack1_block1_add"] == "stack1_block1_bn3"
    assert "stack1_block1_skip_bn" not in net.layers


@pytest.mark.parametrize("kind", ["none", "downsample-first-conv", "downsample-second-conv"])
@pytest.mark.parametrize("side", [61, 64])
def test_dilation_sees_what_strides_see(kind, side, rng):
    """Every second pixel, of every second one, is that of the network with all strides."""
    stacks = Stacks((3, 4, 2), bottleneck=kind, depths=(1, 2, 2, 2), filters=(3, 4, 5, 6))
    stacks = replace(stacks, symmetric=True)
    image = Image((side, side), 3, "none", "BCSS")
    strided = wired(*stacks.wiring(image)).initialize(generator=0)
    dilated = wired(*replace(stacks, strided=1).wiring(image)).initialize()
    dilated.learnables = strided.learnables
    x = rng.normal(size=(1, 3, side, side)).astype(np.float32)
    wanted, found = strided.predict(x), dilated.predict(x)
    assert found.shape[2] > 3 * wanted.shape[2]
    np.testing.assert_allclose(found[:, :, ::4, ::4], wanted, rtol=1e-4, atol=1e-4)


def test_biases_of_convolutions_stay_zero(rng):
    net = networks.resnet(
        (8, 8), 2, stack_depth=1, num_filters=2, normalization="none", generator=0
    )
    x = rng.normal(size=(8, 8, 1, 6)).astype(np.float32)
    options = dl.training_options("adam", max_epochs=3, verbose=False, generator=0)
    trained, _ = dl.trainnet(x, np.arange(6) % 2, net, "crossentropy", options)
    changed = {k for k in net.learnables if (trained.learnables[k] != net.learnables[k]).any()}
    biases = {k for k in net.learnables if "conv" in k and k.endswith("/bias")}
    assert not changed & biases
    assert set(net.learnables) - biases <= changed
