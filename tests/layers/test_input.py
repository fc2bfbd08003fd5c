"""Normalisation of inputs, and its inverse."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers

STATISTICS = {"mean": [1.0, 2], "standard_deviation": [2.0, 0.5], "min": [-1.0, 0], "max": 4.0}


@pytest.mark.parametrize(
    "normalization", ["none", "zerocenter", "zscore", "rescale-symmetric", "rescale-zero-one"]
)
def test_the_inverse_of_a_normalisation(normalization, rng):
    x = dl.dlarray(rng.normal(size=(5, 2)), "BC")
    there = layers.FeatureInput(2, normalization=normalization, **STATISTICS)
    back = layers.InverseNormalization(normalization, **STATISTICS)
    y = there.predict(x)
    assert (normalization == "none") == np.array_equal(x, y)
    np.testing.assert_allclose(back.predict(y), x, rtol=1e-12, atol=1e-12)


def test_statistics_that_are_missing():
    with pytest.raises(
        dl.InvalidArgumentError, match=r"needs mean, which trainnet.*; give mean= to the layer"
    ):
        layers.InverseNormalization().predict(dl.dlarray([[1.0]], "BC"))


@pytest.mark.parametrize("shape", [(3,), (1, 1, 3), (3, 1, 1)])
def test_statistics_of_channels_may_have_dimensions_of_one(rng, shape):
    mean = rng.normal(size=3)
    x = rng.normal(size=(2, 4, 5, 3))
    layer = dl.layers.ImageInput((4, 5, 3), normalization="zerocenter", mean=mean.reshape(shape))
    y = dl.dlnetwork([layer]).predict(dl.dlarray(x, "BSSC"))
    np.testing.assert_allclose(y, x - mean, rtol=1e-6)


def test_a_mean_of_each_pixel_is_refused(rng):
    layer = dl.layers.ImageInput((4, 5, 3), normalization="zerocenter", mean=rng.random((4, 5, 3)))
    with pytest.raises(dl.ShapeMismatchError, match=r"mean has shape \(4, 5, 3\).*x.mean\(axis="):
        dl.dlnetwork([layer])


def halved(x):
    """Return half of the data, as a normalisation."""
    return x / 2


def raw(x):
    """Return data without their format, twice as large."""
    return 2 * np.asarray(dl.extractdata(x))


@pytest.mark.parametrize(("function", "factor"), [(halved, 0.5), (raw, 2.0)])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda **o: layers.FeatureInput(3, **o), (5, 3)),
        (lambda **o: layers.ImageInput((4, 4, 3), **o), (4, 4, 3, 2)),
        (lambda **o: layers.Image3dInput((2, 2, 2, 3), **o), (2, 2, 2, 3, 2)),
        (lambda **o: layers.SequenceInput(3, **o), (7, 3, 2)),
        (lambda **o: layers.Input((3, None), "CB", **o), (3, 4)),
    ],
)
def test_a_function_normalises(function, factor, layer, shape, rng):
    x = rng.normal(size=shape)
    net = dl.dlnetwork([layer(normalization=function), layers.Identity()])
    np.testing.assert_allclose(net.predict(x), factor * x, rtol=1e-6)


def test_a_function_trains_and_is_differentiated(rng):
    net = [layers.FeatureInput(3, normalization=halved), layers.FullyConnected(2)]
    options = dl.training_options("adam", max_epochs=1, verbose=False)
    trained, _ = dl.trainnet(rng.normal(size=(6, 3)), rng.normal(size=(6, 2)), net, "mse", options)

    def slope(x):
        return dl.dlgradient(trained.predict(x).sum(), x)

    weights = np.asarray(trained.learnables["fc/weights"])
    gradient = dl.dlfeval(slope, dl.dlarray(np.ones((1, 3)), "BC"))
    np.testing.assert_allclose(gradient, weights.sum(0, keepdims=True) / 2, rtol=1e-5)


def test_a_function_that_changes_the_shape_is_refused():
    with pytest.raises(
        dl.ShapeMismatchError, match=r"layer 'input'.*normalization=sum returned .* of that shape"
    ):
        dl.dlnetwork([layers.FeatureInput(3, normalization=dl.sum)])


def test_a_function_is_saved_by_its_name(tmp_path):
    net = dl.dlnetwork([layers.FeatureInput(3, normalization=halved), layers.Relu()])
    dl.save(tmp_path / "net", net)
    assert dl.load(tmp_path / "net", custom=[halved]) == net
    with pytest.raises(dl.InvalidArgumentError, match=r"needs your classes or functions halved"):
        dl.load(tmp_path / "net")
    unnamed = dl.dlnetwork([layers.FeatureInput(3, normalization=lambda x: x, name="first")])
    with pytest.raises(
        dl.InvalidArgumentError, match="normalization of layer 'first' is a function without a name"
    ):
        dl.save(tmp_path / "other", unnamed)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"normalization": halved}, "a function as normalisation"),
        ({"split_complex_inputs": True}, "complex inputs"),
    ],
)
def test_onnx_has_neither_functions_nor_complex_inputs(options, text, tmp_path):
    net = dl.dlnetwork([layers.FeatureInput(3, name="first", **options), layers.Relu()])
    with pytest.raises(dl.InvalidArgumentError, match=rf"first \(FeatureInput\): {text}"):
        dl.export_onnx_network(net, tmp_path / "net.onnx")


@pytest.mark.parametrize("value", ["zscor", 3, None, ["none"]])
def test_a_normalisation_is_a_name_or_a_function(value):
    with pytest.raises(dl.InvalidArgumentError, match=r"normalization must be .*, or a function"):
        layers.ImageInput((2, 2, 1), normalization=value)
    with pytest.raises(dl.InvalidArgumentError, match="normalization must be one of"):
        layers.InverseNormalization(halved)


@pytest.mark.parametrize(
    ("layer", "fmt", "shape"),
    [
        (layers.FeatureInput(3, split_complex_inputs=True), "BC", (5, 3)),
        (
            layers.ImageInput((4, 4, 3), normalization="none", split_complex_inputs=True),
            "SSCB",
            (4, 4, 3, 2),
        ),
        (layers.SequenceInput(3, split_complex_inputs=True), "TCB", (7, 3, 2)),
    ],
)
def test_complex_inputs_are_split_into_channels(layer, fmt, shape, rng):
    z = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    net = dl.dlnetwork([layer])
    expected = np.concatenate([z.real, z.imag], axis=fmt.index("C"))
    np.testing.assert_array_equal(net.predict(z), expected)
    real = np.concatenate([z.real, 0 * z.real], axis=fmt.index("C"))
    np.testing.assert_allclose(net.predict(z.real), real, rtol=1e-6)


def test_statistics_of_split_data_are_of_both_parts(rng):
    z = rng.normal(size=(40, 2)) + 1j * rng.normal(3, 2, size=(40, 2))
    options = dl.training_options("adam", max_epochs=1, verbose=False)
    chosen = {"normalization": "zscore", "split_complex_inputs": True}
    net = [layers.FeatureInput(2, **chosen), layers.FullyConnected(1)]
    trained, _ = dl.trainnet(z, np.ones((40, 1)), net, "mse", options)
    parts = np.concatenate([z.real, z.imag], axis=1)
    found = trained.get_layer("input")
    np.testing.assert_allclose(found.mean, parts.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found.standard_deviation, parts.std(0), rtol=1e-5)
    assert trained.learnables["fc/weights"].shape == (1, 4)
    net[0].split_complex_inputs = False
    with pytest.raises(dl.InvalidArgumentError, match="give the input layer split_complex_inputs="):
        dl.trainnet(z, np.ones((40, 1)), net, "mse", options)


def test_what_is_split_needs_channels():
    net = dl.dlnetwork([layers.ImageInput((4, 4), normalization="none", split_complex_inputs=True)])
    with pytest.raises(dl.FormatError, match=r"layer 'input'.* give the data a dimension 'C'"):
        net.predict(dl.dlarray(np.ones((4, 4, 2)), "SSB"))


# -- data that do not fit ------------------------------------------------------------------------

ORDERS = {
    layers.FeatureInput(5): ["BC", "CB"],
    layers.ImageInput((6, 7, 3), normalization="none"): ["SSCB", "BSSC", "BCSS", "CSSB"],
    layers.SequenceInput(5): ["TCB", "BTC", "CBT"],
}
CASES = [(layer, fmt) for layer, orders in ORDERS.items() for fmt in orders]


def array_of(layer, fmt, rng):
    """Return data for a layer in an order, with 8 observations and 9 times."""
    sizes = {"B": [8], "T": [9], **{k: list(v) for k, v in layer.fixed().items()}}
    return rng.normal(size=[sizes[label].pop(0) for label in fmt])


@pytest.mark.parametrize(("layer", "fmt"), CASES)
def test_data_in_another_order_are_answered_by_their_format(layer, fmt, rng):
    """In predictions, in training, and as dlarrays; and what is said to write is right."""
    x = array_of(layer, fmt, rng)
    last = [layers.Flatten()] * isinstance(layer, layers.ImageInput)
    net = dl.dlnetwork([layer, *last, layers.FullyConnected(2)], generator=0)
    if fmt == layer.labels:
        assert net.predict(x).size
        return
    options = dl.training_options("adam", max_epochs=1, verbose=False)
    targets = np.ones((8, 2)) if "T" not in fmt else np.ones((9, 2, 8))
    for call in (
        lambda: net.predict(x),
        lambda: net.predict(dl.dlarray(x, layer.labels)),
        lambda: dl.minibatchpredict(net, x),
        lambda: dl.trainnet(x, targets, net, "mse", options),
        lambda: dl.testnet(net, x, targets, "rmse"),
    ):
        with pytest.raises(dl.ShapeMismatchError) as found:
            call()
        said = str(found.value)
        assert f"layer 'input' ({type(layer).__name__}" in said
        assert f"shape {x.shape}" in said
        assert f"the sizes fit the format {fmt!r}: give dlarray(x, {fmt!r})" in said
    assert net.predict(dl.dlarray(x, fmt)).size
    options.input_data_formats = fmt
    dl.trainnet(x, targets, net, "mse", options)


@pytest.mark.parametrize("layer", ORDERS)
def test_a_missing_dimension_is_answered_by_where_it_goes(layer, rng):
    labels = layer.labels
    x = array_of(layer, labels, rng).take(0, axis=labels.index("B"))
    net = dl.dlnetwork([layer])
    with pytest.raises(dl.FormatError) as found:
        net.predict(x)
    said = str(found.value)
    assert f"layer 'input' ({type(layer).__name__}): the input has shape {x.shape}" in said
    axis = labels.index("B")
    assert f"observations is missing: np.expand_dims(x, axis={axis})" in said
    assert net.predict(np.expand_dims(x, axis)).size


def test_missing_channels_are_answered_by_where_they_go():
    net = dl.dlnetwork([layers.ImageInput((6, 7, 1), normalization="none", data_format="BSSC")])
    with pytest.raises(dl.FormatError, match=r"channels is missing: np.expand_dims\(x, axis=3\)"):
        net.predict(np.ones((8, 6, 7)))


def test_sizes_that_fit_in_no_order_are_shown():
    net = dl.dlnetwork([layers.ImageInput((6, 7, 3), normalization="none")])
    with pytest.raises(dl.ShapeMismatchError, match="or the layer those of the data"):
        net.predict(np.ones((5, 5, 3, 2)))
    with pytest.raises(dl.FormatError, match=r"'SSCB' of \(6, 7, 3, any\); there are 2 dimensions"):
        net.predict(np.ones((6, 7)))


def test_different_numbers_of_observations_are_shown_with_shapes_and_formats():
    net = dl.dlnetwork([layers.FeatureInput(5), layers.FullyConnected(2)])
    options = dl.training_options("adam", verbose=False)
    with pytest.raises(dl.ShapeMismatchError) as found:
        dl.trainnet(np.ones((8, 5)), np.ones((2, 8)), net, "mse", options)
    assert "8 in an array of shape (8, 5) float64 of format 'BC'; 2 in an array" in str(found.value)


@pytest.mark.parametrize(
    ("layer", "fix"),
    [
        (layers.Convolution2d(3, 4), "layers.ImageInput"),
        (layers.MaxPooling1d(2), "layers.SequenceInput"),
        (layers.AveragePooling3d(2), "layers.Image3dInput"),
    ],
)
def test_a_window_without_space_is_answered_by_an_input_layer(layer, fix):
    with pytest.raises(dl.FormatClashError, match=rf"layer '\w+' .*begin the network .*{fix}"):
        dl.dlnetwork([layers.FeatureInput(3), layer])
