"""What every ready network does: it predicts, learns, is saved, and has right gradients."""

import re

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import networks
from dlgradient.errors import DlgradientError, InvalidArgumentError, ShapeMismatchError

SMALL_STACKS = {"stack_depth": (1, 1), "num_filters": (4, 6), "initial_num_filters": 4}


def small_resnet(size, **options):
    given = {"initial_filter_size": 3, "generator": 0, "normalization": "none", **SMALL_STACKS}
    return networks.resnet(size, 3, **{**given, **options})


def small_unet(size, **options):
    given = {"encoder_depth": 2, "num_first_encoder_filters": 3, "normalization": "none"}
    return networks.unet(size, 3, **{**given, **options}, generator=0)


def small_transformer(size, **options):
    numbers = {"patch_size": 3, "num_channels": 8, "num_blocks": 2, "num_heads": 2}
    given = {"normalization": "none", "generator": 0, "attention_dropout_probability": 0.0}
    return networks.vision_transformer(size, 3, **{**numbers, **given, **options})


# A network, the sizes of its input and those of its output.
TINY = {
    "bottleneck": (lambda: small_resnet((11, 14, 2)), (11, 14, 2, 4), (3, 4)),
    "basic, average": (
        lambda: small_resnet((9, 8), bottleneck_type="none", initial_pooling_layer="average"),
        (9, 8, 1, 4),
        (3, 4),
    ),
    "second convolution, after": (
        lambda: small_resnet(
            (7, 9, 2),
            bottleneck_type="downsample-second-conv",
            residual_block_type="batchnorm-after-add",
            initial_pooling_layer="none",
        ),
        (7, 9, 2, 4),
        (3, 4),
    ),
    "volumes": (
        lambda: networks.resnet3d(
            (9, 8, 10), 3, initial_filter_size=3, generator=0, normalization="none", **SMALL_STACKS
        ),
        (9, 8, 10, 1, 4),
        (3, 4),
    ),
    "unet": (lambda: small_unet((8, 12, 2)), (8, 12, 2, 2), (8, 12, 3, 2)),
    "unet, valid": (
        lambda: small_unet((44, 48), convolution_padding="valid"),
        (44, 48, 1, 2),
        (4, 8, 3, 2),
    ),
    "unet3d": (
        lambda: networks.unet3d(
            (4, 6, 8, 2),
            3,
            encoder_depth=1,
            num_first_encoder_filters=2,
            normalization="none",
            generator=0,
        ),
        (4, 6, 8, 2, 2),
        (4, 6, 8, 3, 2),
    ),
    "transformer": (lambda: small_transformer((6, 9, 2)), (6, 9, 2, 4), (3, 4)),
}


@pytest.fixture(params=TINY)
def tiny(request, rng):
    """A network, data, and targets: a class for each observation or each pixel."""
    make, shape, result = TINY[request.param]
    net = make()
    axis = len(result) - 2
    classes = rng.integers(0, 3, (*result[:axis], *result[axis + 1 :]))
    targets = np.moveaxis(np.eye(3, dtype=np.float32)[classes], -1, axis)
    x = rng.normal(size=shape).astype(np.float32)
    return net, x, targets


def format_of(net, x):
    return next(iter(net.layers.values())).labels if x.ndim > 2 else "CB"


def model_loss(net, x, targets):
    y, state = net.forward(x, generator=0)
    loss = dl.crossentropy(y, dl.dlarray(targets, dl.dims(y)))
    return loss, dl.dlgradient(loss, net.learnables), state


def test_it_predicts_probabilities(tiny):
    net, x, targets = tiny
    y = net.predict(x)
    assert y.shape == targets.shape
    np.testing.assert_allclose(y.sum(axis=targets.ndim - 2), 1, rtol=1e-5)
    assert net.input_names == ("input",)
    assert net.output_names == ("softmax",)


def test_it_learns(tiny):
    net, x, targets = tiny
    x = dl.dlarray(x, format_of(net, x))
    average = average_sq = None
    losses = []
    for i in range(1, 9):
        loss, gradient, net.state = dl.dlfeval(model_loss, net, x, targets)
        net, average, average_sq = dl.adamupdate(
            net, gradient, average, average_sq, i, learning_rate=0.01
        )
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


def test_gradients_are_those_of_differences(tiny, rng):
    net, x, targets = tiny
    net = dl.dlupdate(np.float64, net)
    # Biases of zero put activations on their kinks.
    net.learnables = {k: v + 0.1 * rng.normal(size=v.shape) for k, v in net.learnables.items()}
    x = dl.dlarray(x.astype(np.float64), format_of(net, x))
    _, gradient, _ = dl.dlfeval(model_loss, net, x, targets)
    direction = {key: rng.normal(size=value.shape) for key, value in net.learnables.items()}

    def at(step):
        moved = {key: value + step * direction[key] for key, value in net.learnables.items()}
        other = net.copy()
        other.learnables = moved
        return dl.dlfeval(model_loss, other, x, targets)[0].item()

    h = 1e-6
    slope = (at(h) - at(-h)) / (2 * h)
    found = sum((np.asarray(gradient[key]) * direction[key]).sum() for key in direction)
    assert found == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_it_is_saved(tiny, tmp_path):
    net, x, _ = tiny
    path = tmp_path / "net.dlnet"
    dl.save(path, net)
    again = dl.load(path)
    assert again == net
    assert (again.predict(x) == net.predict(x)).all()


def test_it_is_exported(tiny, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    net, x, _ = tiny
    path = tmp_path / "net.onnx"
    dl.export_onnx_network(net, path)
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    data = np.moveaxis(x, (-1, -2), (0, 1))
    (found,) = session.run(None, {session.get_inputs()[0].name: data})
    y = net.predict(x)
    wanted = np.moveaxis(y, (-1, -2), (0, 1))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_the_same_seed_gives_the_same_network():
    assert small_resnet((8, 8)) == small_resnet((8, 8))
    assert small_resnet((8, 8)) != small_resnet((8, 8), generator=1)


def test_it_may_be_initialised_later():
    net = small_unet((8, 8), initialize=False)
    assert not net.initialized
    assert net.initialize(generator=0) == small_unet((8, 8))


def test_data_may_have_another_format(rng):
    x = rng.normal(size=(2, 2, 8, 12)).astype(np.float32)
    net = small_unet((8, 12, 2), data_format="BCSS")
    turned = small_unet((8, 12, 2)).predict(x.transpose(2, 3, 1, 0))
    np.testing.assert_allclose(net.predict(x).transpose(2, 3, 1, 0), turned, rtol=1e-5)


def test_the_mean_is_found_by_training():
    net = small_resnet((8, 8, 1), normalization="zerocenter")
    with pytest.raises(InvalidArgumentError, match="which trainnet finds from the data"):
        net.predict(np.zeros((8, 8, 1, 2)))
    x = np.full((8, 8, 1, 4), 3.0, np.float32)
    options = dl.training_options("sgdm", max_epochs=1, verbose=False)
    net, _ = dl.trainnet(x, np.array([0, 1, 2, 0]), net, "crossentropy", options)
    assert np.asarray(net.layers["input"].mean).ravel().tolist() == [3.0]


# -- mistakes --------------------------------------------------------------------------------------

WRONG = {
    "stacks": (
        lambda: networks.resnet((64, 64), 2, stack_depth=(1, 2)),
        "stack_depth is (1, 2) and num_filters (64, 128, 256, 512)",
    ),
    "stride": (
        lambda: networks.resnet((64, 64), 2, initial_stride=(1, 2, 3)),
        "initial_stride must be an integer or have 2 numbers",
    ),
    "small": (
        lambda: networks.resnet((31, 64), 2),
        "images of (31, 64) are too small for 4 stacks, which need at least (32, 32)",
    ),
    "small volumes": (
        lambda: networks.resnet3d((32, 32, 31), 2),
        "need at least (32, 32, 32)",
    ),
    "sizes": (lambda: networks.resnet((32,), 2), "input_size must be 2 spatial sizes and"),
    "sizes of volumes": (lambda: networks.unet3d((32, 32), 2), "input_size must be 3 spatial"),
    "multiples": (
        lambda: networks.unet((64, 100), 2),
        "since 100 is no multiple of 16; take 96 or 112",
    ),
    "too deep": (lambda: networks.unet((8, 8), 2), "8 is no multiple of 16; take 16\n"),
    "valid": (
        lambda: networks.unet((572, 570), 2, convolution_padding="valid"),
        "570 is odd before a pooling or too small; take 556 or 572",
    ),
    "valid, small": (
        lambda: networks.unet((20, 572), 2, convolution_padding="valid"),
        "20 is odd before a pooling or too small; take 188 or 204",
    ),
    "even filter": (lambda: networks.unet((16, 16), 2, filter_size=2), "must be odd, not (2, 2)"),
    "filter sizes": (
        lambda: networks.unet3d((8, 8, 8), 2, filter_size=(3, 3)),
        "filter_size must be an integer or have 3 sizes",
    ),
    "patches": (
        lambda: networks.vision_transformer((224, 230, 3), 10),
        "patches of 16×16 do not divide images of (224, 230); take images of (224, 224) or",
    ),
    "heads": (
        lambda: networks.vision_transformer((32, 32, 3), 10, num_heads=5),
        "num_heads is 5, which does not divide num_channels, 768",
    ),
    "grey": (lambda: networks.deeplabv3plus((64, 64, 1), 2), "repeat the channel of grey images"),
    "small images": (lambda: networks.deeplabv3plus((31, 64), 2), "at least (32, 32, 3)"),
    "small for a name": (
        lambda: networks.image_pretrained_network(weights="none", image_size=(16, 64)),
        "too small for 'efficientnet-lite0'; take at least 32×32",
    ),
    "unknown": (
        lambda: networks.image_pretrained_network("resnet5"),
        "not 'resnet5'; did you mean 'resnet50'?; of other networks, import_network_from_onnx",
    ),
    "no weights": (
        lambda: networks.image_pretrained_network("resnet50"),
        "no package has weights of 'resnet50'; give weights=path",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_mistakes_are_named_before_anything_is_built(wrong, monkeypatch):
    def refuse(*_, **__):
        pytest.fail("a layer was made")

    for module in ("residual", "segmentation", "transformer", "deeplab", "pretrained"):
        monkeypatch.setattr(f"dlgradient.networks.{module}.Image.layer", refuse, raising=False)
    make, text = WRONG[wrong]
    with pytest.raises(DlgradientError) as caught:
        make()
    assert isinstance(caught.value, InvalidArgumentError | ShapeMismatchError)
    assert text in str(caught.value)
    assert re.match(
        r"(resnet(3d)?|unet(3d)?|deeplabv3plus|vision_transformer|image_pre\w+): ",
        str(caught.value),
    )


# -- names of MATLAB and PyTorch -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("resnetNetwork", "write networks.resnet"),
        ("resnet3dNetwork", "write networks.resnet3d"),
        ("visionTransformer", "write networks.vision_transformer"),
        ("unetLayers", "write networks.unet"),
        ("resnet101", "write networks.image_pretrained_network('resnet101')"),
        ("efficientnet_lite0", "write networks.image_pretrained_network('efficientnet-lite0')"),
        ("zzz", "dir(networks) lists them"),
    ],
)
def test_names_of_others_are_answered_in_the_namespace(name, answer):
    with pytest.raises(AttributeError) as caught:
        getattr(networks, name)
    assert answer in str(caught.value)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("resnetNetwork", "networks.resnet("),
        ("resnet3dNetwork", "networks.resnet3d("),
        ("unet", "networks.unet("),
        ("unet3d", "networks.unet3d("),
        ("deeplabv3plus", "networks.deeplabv3plus("),
        ("visionTransformer", "networks.vision_transformer("),
        ("imagePretrainedNetwork", "networks.image_pretrained_network("),
        ("audioPretrainedNetwork", "import_network_from_onnx"),
    ],
)
def test_names_of_others_are_answered_in_the_package(name, answer):
    with pytest.raises(AttributeError) as caught:
        getattr(dl, name)
    assert answer in str(caught.value)


def test_the_namespace_has_its_functions_only():
    assert dir(networks) == sorted(networks.__all__)
    assert {getattr(networks, n).__module__.rpartition(".")[0] for n in networks.__all__} == {
        "dlgradient.networks"
    }
