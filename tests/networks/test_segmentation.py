"""U-Nets: published numbers, sizes without padding, and what crosses from encoder to decoder."""

import numpy as np
import pytest
from published import blank, count  # noqa: F401 - a fixture

import dlgradient as dl
from dlgradient import networks


@pytest.mark.usefixtures("blank")
def test_numbers_of_learnables_are_the_published_ones():
    # Ronneberger's network has 31.03 million; 31,030,593 for one class, and 65 more for each other.
    assert count(networks.unet((16, 16), 1)) == 31_030_593
    assert count(networks.unet((16, 16), 2)) == 31_030_658
    # Çiçek's paper has 19,069,955, for three channels and classes: it counts no learnables of
    # normalisations, and no biases of transposed convolutions.
    net = networks.unet3d((8, 8, 8, 3), 3)
    norms = sum(v.size for k, v in net.learnables.items() if "_bn" in k)
    upward = [name for name in net.layers if name.endswith("upconv")]
    assert count(net, without=upward) - norms == 19_069_955


@pytest.mark.usefixtures("blank")
def test_layers_are_as_many_as_in_matlab():
    """MATLAB's pages of unet and unet3d print them; its networks crop always, and to no effect."""
    net = networks.unet((92, 92, 3), 5, encoder_depth=3, convolution_padding="valid")
    found = (net.layers, net.connections, net.learnables, net.state)
    assert tuple(map(len, found)) == (48, 53, 36, 0)
    padded = networks.unet((96, 96, 3), 5, encoder_depth=3)
    assert (len(padded.layers), len(padded.connections)) == (48 - 3, 53 - 2 * 3)
    net = networks.unet3d(
        (44, 44, 44, 3),
        5,
        encoder_depth=2,
        num_first_encoder_filters=2,
        convolution_padding="valid",
    )
    found = (net.layers, net.connections, net.learnables, net.state)
    assert tuple(map(len, found)) == (45, 48, 46, 20)


@pytest.mark.usefixtures("blank")
def test_sizes_without_padding_are_those_of_the_paper():
    # 572×572 gives 388×388; here with few filters, and a filter of one in the other dimension.
    net = networks.unet(
        (572, 16),
        2,
        num_first_encoder_filters=1,
        filter_size=(3, 1),
        convolution_padding="valid",
        normalization="none",
    )
    assert net.predict(np.zeros((572, 16, 1, 1), np.float32)).shape == (388, 16, 2, 1)


def test_filters_double_from_stage_to_stage():
    flat = networks.unet((8, 8), 2, encoder_depth=2, num_first_encoder_filters=4)
    shapes = {k: v.shape for k, v in flat.learnables.items() if k.endswith("weights")}
    assert shapes["encoder1_conv2/weights"] == (3, 3, 4, 4)
    assert shapes["encoder2_conv1/weights"] == (3, 3, 4, 8)
    assert shapes["bridge_conv1/weights"] == (3, 3, 8, 16)
    assert shapes["decoder1_upconv/weights"] == (2, 2, 8, 16)
    assert shapes["decoder1_conv1/weights"] == (3, 3, 16, 8)
    solid = networks.unet3d((8, 8, 8), 2, encoder_depth=2, num_first_encoder_filters=4)
    shapes = {k: v.shape for k, v in solid.learnables.items() if k.endswith("weights")}
    assert shapes["encoder1_conv2/weights"] == (3, 3, 3, 4, 8)
    assert shapes["encoder2_conv1/weights"] == (3, 3, 3, 8, 8)
    assert shapes["decoder1_upconv/weights"] == (2, 2, 2, 32, 32)


def test_the_encoder_reaches_the_decoder_at_full_size(rng):
    """Without the way through the bridge, a pixel sees its neighbours only."""
    net = networks.unet(
        (16, 16), 2, encoder_depth=1, num_first_encoder_filters=3, normalization="none", generator=0
    )
    table = net.learnables.copy()
    table["decoder1_upconv/weights"] = np.zeros_like(
        dl.extractdata(table["decoder1_upconv/weights"])
    )
    net.learnables = table
    x = rng.normal(size=(16, 16, 1, 1)).astype(np.float32)
    other = x.copy()
    other[0, 0] += 1
    changed = np.abs(net.predict(other) - net.predict(x)).max(axis=(2, 3)) > 0
    assert changed.any()
    assert not changed[5:].any()  # four convolutions of 3×3
    assert not changed[:, 5:].any()
