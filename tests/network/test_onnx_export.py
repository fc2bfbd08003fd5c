"""ONNX files of networks: checked, run by onnxruntime, and imported again."""

import numpy as np
import onnx
import pytest
from onnx_cases import by_onnxruntime, convolutional

import dlgradient as dl
from dlgradient import layers
from dlgradient.errors import InvalidArgumentError
from dlgradient.network.onnx.writing import EMITTERS

ORDER = "BCSTU"
MEAN = np.array([0.5, -1.0, 2.0], np.float32)
DEVIATION = np.array([2.0, 0.5, 1.0], np.float32)

image = layers.ImageInput((8, 6, 3), normalization="none")
volume = layers.Image3dInput((4, 5, 6, 3), normalization="none")
sequence = layers.SequenceInput(3)
feature = layers.FeatureInput(3)
signal = layers.Input((12, 3, None), "SCB")


CASES = {
    **{
        type(layer).__name__ + str(i): [image, layer]
        for i, layer in enumerate([
            layers.Relu(), layers.Tanh(), layers.Sigmoid(), layers.Softplus(), layers.Swish(),
            layers.LeakyRelu(0.2), layers.ClippedRelu(0.5), layers.Elu(0.7), layers.Gelu(),
            layers.Gelu(approximation="tanh"), layers.Prelu(), layers.Softmax(), layers.Dropout(),
            layers.SpatialDropout(), layers.Identity(), layers.Flatten(),
            layers.FullyConnected(4), layers.FullyConnected(4, operation_dimension="channel"),
            layers.BatchNormalization(), layers.LayerNormalization(),
            layers.InstanceNormalization(),
            layers.LayerNormalization(operation_dimension="channel-only"),
            layers.GroupNormalization(3), layers.GroupNormalization("all-channels"),
            layers.RmsNormalization(), layers.CrossChannelNormalization(3, alpha=0.5),
            layers.Convolution2d(3, 4), layers.Convolution2d((3, 2), 4, stride=2, padding="same"),
            layers.Convolution2d(3, 4, padding=[[1, 0], [2, 1]], dilation_factor=(1, 2)),
            layers.Convolution2d(3, 4, padding=1, padding_value=0.5),
            layers.Convolution2d(3, 4, padding=1, padding_value="symmetric-exclude-edge"),
            layers.Convolution2d(3, 4, padding=1, padding_value="replicate"),
            layers.GroupedConvolution2d(3, 2, 3), layers.GroupedConvolution2d(3, 1, "channel-wise"),
            layers.TransposedConvolution2d(4, 2, stride=2, cropping="same"),
            layers.TransposedConvolution2d(3, 2, stride=2, cropping=[[1, 0], [0, 1]]),
            layers.MaxPooling2d(2, stride=2), layers.MaxPooling2d(3, padding="same"),
            layers.AveragePooling2d(3, padding=1), layers.AveragePooling2d(2, stride=2),
            layers.AveragePooling2d(3, padding=1, padding_value="mean"),
            layers.GlobalAveragePooling2d(), layers.GlobalMaxPooling2d(),
            layers.PatchEmbedding(2, 4),
            layers.PatchEmbedding((4, 2), 5, spatial_flatten_mode="column-major"),
        ])
    },
    **{
        type(layer).__name__ + "3d" + str(i): [volume, layer]
        for i, layer in enumerate([
            layers.Convolution3d(2, 4), layers.TransposedConvolution3d(2, 2, stride=2),
            layers.MaxPooling3d(2), layers.AveragePooling3d(2), layers.GlobalAveragePooling3d(),
            layers.GlobalMaxPooling3d(), layers.FullyConnected(2),
            layers.PatchEmbedding((2, 5, 3), 4, spatial_flatten_mode="column-major"),
        ])
    },
    **{
        type(layer).__name__ + "1d" + str(i): [which, layer]
        for i, (which, layer) in enumerate([
            (sequence, layers.Lstm(5)), (sequence, layers.Lstm(5, output_mode="last")),
            (sequence, layers.Bilstm(5)), (sequence, layers.Bilstm(5, output_mode="last")),
            (sequence, layers.Gru(5)),
            (sequence, layers.Gru(5, reset_gate_mode="before-multiplication")),
            (sequence, layers.Gru(
                5, output_mode="last", reset_gate_mode="recurrent-bias-after-multiplication")),
            (sequence, layers.FullyConnected(4)), (sequence, layers.LayerNormalization()),
            (sequence, layers.BatchNormalization()), (sequence, layers.Softmax()),
            (sequence, layers.SelfAttention(2, 4)),
            (sequence, layers.SelfAttention(1, 3, num_value_channels=2, output_size=5)),
            (sequence, layers.EmbeddingConcatenation()), (sequence, layers.PositionEmbedding(4, 9)),
            (sequence, layers.Indexing1d()), (signal, layers.Indexing1d("last")),
            (signal, layers.Indexing1d(3)),
            (sequence, layers.Convolution1d(1, 4)),
            (signal, layers.Convolution1d(3, 4, padding="same")),
            (signal, layers.GroupedConvolution1d(3, 2, 3)),
            (signal, layers.TransposedConvolution1d(4, 3, stride=2, cropping="same")),
            (signal, layers.MaxPooling1d(2)), (signal, layers.AveragePooling1d(2)),
            (sequence, layers.GlobalMaxPooling1d()), (signal, layers.GlobalAveragePooling1d()),
        ])
    },
    **{
        f"input{i}": [layer]
        for i, layer in enumerate([
            layers.FeatureInput(3, normalization="zerocenter", mean=MEAN),
            layers.ImageInput((4, 4, 3), normalization="zscore", mean=MEAN,
                              standard_deviation=DEVIATION),
            layers.ImageInput((4, 4, 3), normalization="rescale-symmetric", min=-1.0, max=3.0),
            layers.SequenceInput(3, normalization="rescale-zero-one", min=-DEVIATION,
                                 max=DEVIATION),
        ])
    },
}  # fmt: skip


def moved(net, rng):
    """A network whose arrays are not those it began with."""
    net = dl.dlupdate(lambda a: a + rng.normal(size=a.shape).astype(np.float32) * 0.3, net)
    keys = [key for key in net.state if "trained" in key]
    for key in keys:
        net.state[key] = np.abs(rng.normal(size=net.state[key].shape)).astype(np.float32) + 0.5
    return net


def data(net, rng):
    """Arrays for each input, with formats, and in the order of the file."""
    found = []
    for port in net._graph.open_inputs():
        layer = net._graph.layers[port[0]]
        example = layer.example()
        fmt = dl.dims(example)
        sizes = {"B": 4, "T": 5}
        shape = [sizes.get(f, n) for f, n in zip(fmt, example.shape, strict=True)]
        found.append(dl.dlarray(rng.normal(size=shape).astype(np.float32), fmt))
    return found, [canonical(x) for x in found]


def canonical(x):
    fmt = dl.dims(x)
    if not fmt:
        return np.asarray(x)
    order = sorted(range(len(fmt)), key=lambda i: ORDER.index(fmt[i]))
    return np.ascontiguousarray(np.asarray(x).transpose(order))


def check_export(net, path, rng):
    dl.export_onnx_network(net, path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    given, ordered = data(net, rng)
    expected = net.predict(*given)
    expected = expected if isinstance(expected, tuple) else (expected,)
    again = dl.import_network_from_onnx(path)
    imported = again.predict(*ordered)
    imported = imported if isinstance(imported, tuple) else (imported,)
    results = by_onnxruntime(str(path), *ordered)
    for y, one, two in zip(expected, results, imported, strict=True):
        np.testing.assert_allclose(one, canonical(y), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(two, canonical(y), rtol=1e-4, atol=1e-5)
    return again


@pytest.mark.parametrize("case", CASES)
def test_every_layer_is_exported(case, rng, tmp_path):
    net = moved(dl.dlnetwork(CASES[case], generator=0), rng)
    check_export(net, tmp_path / "net.onnx", rng)


def test_every_emitter_has_a_case():
    tested = {type(layer).__name__ for case in CASES.values() for layer in case}
    several = {"Addition", "Multiplication", "Concatenation", "DepthConcatenation", "Embedding"}
    several |= {"Crop2d", "Crop3d"}
    assert set(EMITTERS) - tested == several | {"Operator", "TensorInput"}


def test_a_graph_of_several_inputs_and_outputs(rng, tmp_path):
    net = dl.dlnetwork([layers.ImageInput((6, 6, 2), normalization="none", name="a")])
    net = net.add_layers([layers.ImageInput((6, 6, 2), normalization="none", name="b")])
    for layer in (
        layers.Addition(2, name="sum"),
        layers.Multiplication(2, name="product"),
        layers.DepthConcatenation(2, name="depth"),
        layers.Concatenation("S2", 2, name="wide"),
    ):
        net = net.add_layers([layer])
        net = net.connect_layers("a", f"{layer.name}/in1").connect_layers("b", f"{layer.name}/in2")
    check_export(net.initialize(), tmp_path / "net.onnx", rng)


@pytest.mark.parametrize("location", ["center", (1, 0)])
def test_a_part_of_an_image(location, rng, tmp_path):
    net = dl.dlnetwork([layers.ImageInput((6, 9, 2), normalization="none", name="a")])
    crop = layers.Crop2d(location, name="crop")
    net = net.add_layers([layers.ImageInput((3, 7, 1), normalization="none", name="b")])
    net = net.add_layers(crop).connect_layers("a", "crop/in").connect_layers("b", "crop/ref")
    check_export(net.initialize(), tmp_path / "net.onnx", rng)


def test_a_part_of_a_volume(rng, tmp_path):
    net = dl.dlnetwork([layers.Image3dInput((6, 5, 4, 2), normalization="none", name="a")])
    net = net.add_layers([layers.Image3dInput((3, 3, 3, 1), normalization="none", name="b")])
    crop = layers.Crop3d(name="crop")
    net = net.add_layers(crop).connect_layers("a", "crop/in").connect_layers("b", "crop/ref")
    check_export(net.initialize(), tmp_path / "net.onnx", rng)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"attention_mask": "causal"}, "attention_mask='causal'"),
        ({"has_scores_output": True}, "scores as an output"),
    ],
)
def test_attention_that_is_not_written_is_named(options, what, tmp_path):
    net = dl.dlnetwork([sequence, layers.SelfAttention(2, 4, **options)])
    with pytest.raises(InvalidArgumentError, match=what):
        dl.export_onnx_network(net, tmp_path / "net.onnx")


def test_an_embedding(rng, tmp_path):
    net = dl.dlnetwork([layers.SequenceInput(1), layers.Embedding(4, 9)], generator=0)
    path = tmp_path / "net.onnx"
    dl.export_onnx_network(net, path)
    x = rng.integers(0, 9, (5, 1, 2)).astype(np.float32)
    ordered = np.ascontiguousarray(x.transpose(2, 1, 0))
    expected = net.predict(x).transpose(2, 1, 0)
    np.testing.assert_allclose(by_onnxruntime(str(path), ordered)[0], expected)
    np.testing.assert_allclose(dl.import_network_from_onnx(path).predict(ordered), expected)


def test_a_network_that_was_imported_and_edited(rng, tmp_path):
    net = dl.import_network_from_onnx(convolutional(rng))
    net = net.replace_layer("fc", layers.FullyConnected(2)).initialize(generator=0)
    again = check_export(net, tmp_path / "net.onnx", rng)
    assert "conv1.Conv/weights" in again.learnables


def test_layers_that_onnx_does_not_express_are_all_named(tmp_path):
    net = dl.dlnetwork(
        [
            layers.FeatureInput(2),
            layers.Function(lambda x: x, name="own"),
            layers.Relu(),
            layers.Zrelu(name="two"),
        ]
    )
    path = tmp_path / "net.onnx"
    path.write_text("old")
    with pytest.raises(InvalidArgumentError) as caught:
        dl.export_onnx_network(net, path)
    assert "own (Function)" in str(caught.value)
    assert "two (Zrelu)" in str(caught.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
