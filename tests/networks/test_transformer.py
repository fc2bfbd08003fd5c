"""Vision transformers: published numbers, the token that the class is read from, and positions."""

import numpy as np
import pytest
from published import blank, count  # noqa: F401 - a fixture

import dlgradient as dl
from dlgradient import networks

# Of torchvision and timm, for 1000 classes and images of 224×224.
PUBLISHED = {"tiny": (5_717_416, 192), "small": (22_050_664, 384), "base": (86_567_656, 768)}


@pytest.mark.parametrize("size", PUBLISHED)
@pytest.mark.usefixtures("blank")
def test_numbers_of_learnables_are_the_published_ones(size):
    published, channels = PUBLISHED[size]
    net = networks.vision_transformer((32, 32, 3), 1000, size=size)
    # Images of 32×32 have 4 patches, those of 224×224 have 196.
    assert count(net) + (196 - 4) * channels == published


def tiny(**options):
    return networks.vision_transformer(
        (4, 6, 2),
        3,
        patch_size=2,
        num_channels=4,
        num_blocks=1,
        num_heads=2,
        normalization="none",
        generator=0,
        **options,
    )


def test_the_class_is_read_from_the_token(rng):
    """Without attention, the image does not matter."""
    net = tiny()
    table = net.learnables.copy()
    table["block1_attention/output_weights"] = np.zeros((4, 4), np.float32)
    silent = net.copy()
    silent.learnables = table
    x, other = rng.normal(size=(2, 4, 6, 2, 3)).astype(np.float32)
    np.testing.assert_array_equal(silent.predict(x), silent.predict(other))
    assert np.abs(net.predict(x) - net.predict(other)).max() > 1e-4


def test_positions_tell_patches_apart(rng):
    """Without positions, patches may be in any order."""
    net = tiny()
    x = rng.normal(size=(4, 6, 2, 3)).astype(np.float32)
    turned = np.concatenate([x[2:], x[:2]])
    assert np.abs(net.predict(x) - net.predict(turned)).max() > 1e-6
    table = net.learnables.copy()
    table["position/weights"] = np.zeros((7, 4), np.float32)
    net.learnables = table
    np.testing.assert_allclose(net.predict(x), net.predict(turned), rtol=1e-5)


def test_dropout_is_for_training_only(rng):
    x = dl.dlarray(rng.normal(size=(4, 6, 2, 3)).astype(np.float32), "SSCB")
    net = tiny(dropout_probability=0.5)
    y, _ = net.forward(x, generator=0)
    again, _ = net.forward(x, generator=1)
    assert (y != again).any()
    still = tiny(dropout_probability=0.0, attention_dropout_probability=0.0)
    y, _ = still.forward(x)
    np.testing.assert_array_equal(y, still.predict(x))
    np.testing.assert_array_equal(y, net.predict(x))
