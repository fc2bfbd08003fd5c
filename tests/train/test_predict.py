"""Predictions in mini-batches against `predict` of each observation, and metrics of them."""

import numpy as np
import pytest
from sklearn import metrics as reference

import dlgradient as dl
from dlgradient import layers

LENGTHS = (3, 6, 1, 4, 6, 2, 5)


def sequences(rng, channels=2, lengths=LENGTHS):
    return [rng.normal(size=(n, channels)).astype(np.float32) for n in lengths]


def two_headed(rng):
    """Return a network of two inputs without input layers, and of two outputs."""
    net = dl.dlnetwork(initialize=False)
    net = net.add_layers([layers.FullyConnected(3, name="fc1"), layers.Tanh(name="tanh")])
    net = net.add_layers([layers.FullyConnected(3, name="fc2")])
    net = net.add_layers([layers.Addition(2, name="sum"), layers.Softmax(name="softmax")])
    net = net.connect_layers("tanh", "sum/in1").connect_layers("fc2", "sum/in2")
    net = net.add_layers([layers.FullyConnected(1, name="number")]).connect_layers("sum", "number")
    example = dl.dlarray(np.zeros((1, 4)), "BC"), dl.dlarray(np.zeros((1, 2)), "BC")
    net = net.initialize(*example, generator=rng)
    return net, rng.normal(size=(11, 4)), rng.normal(size=(11, 2))


# -- formats of a network without input layers -----------------------------------------------------


@pytest.mark.parametrize("orders", [("BC", "BC"), ("CB", "BC"), ("CB", "CB")])
def test_inputs_without_input_layers(orders, rng):
    net, x, z = two_headed(rng)
    want = net.predict(dl.dlarray(x, "BC"), dl.dlarray(z, "BC"))
    data = tuple([a if fmt == "BC" else a.T for a, fmt in zip((x, z), orders, strict=True)])
    found = dl.minibatchpredict(net, data, input_data_formats=orders, mini_batch_size=4)
    assert net.output_names == ("softmax", "number")
    for y, right in zip(found, want, strict=True):
        np.testing.assert_allclose(y, right.tolist(), rtol=1e-5, atol=1e-6)
    if orders[0] == orders[1]:  # one format is that of all inputs
        again = dl.minibatchpredict(net, data, input_data_formats=orders[0], mini_batch_size=4)
        np.testing.assert_array_equal(again[0], found[0])
    classes = found[0].argmax(1)
    metrics = [
        dl.metrics.Accuracy(network_output="softmax"),
        dl.metrics.Rmse(network_output="number"),
    ]
    targets = classes, found[1] + 1
    options = {"input_data_formats": orders, "mini_batch_size": 4}
    accuracy, rmse = dl.testnet(net, data, targets, metrics, **options)
    assert accuracy == 1
    assert rmse == pytest.approx(1, rel=1e-6)
    formats = (None, "CB")
    turned = classes, targets[1].T
    found = dl.testnet(net, data, turned, metrics, **options, target_data_formats=formats)
    assert found == (accuracy, rmse)


def test_what_to_write_for_a_network_that_cannot_predict():
    net = dl.dlnetwork([layers.FullyConnected(3)], initialize=False)
    x = np.ones((5, 2))
    for call in (
        lambda net, **options: dl.minibatchpredict(net, x, **options),
        lambda net, **options: dl.testnet(net, x, x, "rmse", **options),
    ):
        for options in ({}, {"input_data_formats": "BC"}):
            with pytest.raises(dl.InvalidArgumentError, match=r"net = net\.initialize\(.*'BC'"):
                call(net, **options)
        ready = net.initialize(dl.dlarray(x, "BC"))
        with pytest.raises(dl.InvalidArgumentError, match="give input_data_formats='BC'"):
            call(ready)
        with pytest.raises(dl.InvalidArgumentError, match=r"has 2 formats.* the inputs fc; give"):
            call(ready, input_data_formats=["BC", "BC"])
    assert dl.minibatchpredict(ready, x, input_data_formats="BC").shape == (5, 3)


# -- outputs by name -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted", ["tanh", ["tanh"], ("number", "tanh"), ["fc2", "softmax", "sum"]]
)
@pytest.mark.parametrize("uniform", [True, False])
def test_outputs_by_name(wanted, uniform, rng):
    net, x, z = two_headed(rng)
    found = dl.minibatchpredict(
        net,
        (x, z),
        outputs=wanted,
        uniform_output=uniform,
        input_data_formats="BC",
        mini_batch_size=4,
    )
    want = net.predict(dl.dlarray(x, "BC"), dl.dlarray(z, "BC"), outputs=wanted)
    several = len(wanted) > 1 and not isinstance(wanted, str)
    assert isinstance(found, tuple) == several
    for y, right in zip(*(a if several else (a,) for a in (found, want)), strict=True):
        assert isinstance(y, np.ndarray if uniform else list)
        np.testing.assert_allclose(np.stack(list(y)), right.tolist(), rtol=1e-5, atol=1e-6)


def test_outputs_that_do_not_exist(rng):
    net, x, z = two_headed(rng)
    with pytest.raises(dl.DlgradientError, match=r"minibatchpredict: .*outputs.*'tan'"):
        dl.minibatchpredict(net, (x, z), outputs="tan", input_data_formats="BC")


@pytest.mark.parametrize("wanted", [[], ()])
def test_no_outputs(wanted):
    net = dl.dlnetwork([layers.FeatureInput(1), layers.Relu()])
    with pytest.raises(dl.InvalidArgumentError, match="outputs names no layer; omit it for relu"):
        dl.minibatchpredict(net, np.ones((2, 1)), outputs=wanted)


def test_the_order_of_the_dimensions(rng):
    images = rng.normal(size=(5, 4, 2, 3)).astype(np.float32)
    net = dl.dlnetwork([layers.ImageInput((5, 4, 2), normalization="none"), layers.Relu()])
    found = dl.minibatchpredict(net, images, output_data_formats="BSSC", mini_batch_size=2)
    np.testing.assert_array_equal(found, np.maximum(images, 0).transpose(3, 0, 1, 2))
    parts = dl.minibatchpredict(net, images, output_data_formats="BCSS", uniform_output=False)
    np.testing.assert_array_equal(parts[2], np.maximum(images[..., 2], 0).transpose(2, 0, 1))
    with pytest.raises(dl.DlgradientError, match="'relu' has the format 'SSCB', and 'BC'"):
        dl.minibatchpredict(net, images, output_data_formats="BC")


# -- sequences of different lengths ----------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 128])
@pytest.mark.parametrize("environment", ["serial", "background"])
def test_sequences_are_cut_to_their_lengths(size, environment, rng):
    x = sequences(rng)
    net = dl.dlnetwork([layers.SequenceInput(2), layers.Lstm(4), layers.FullyConnected(3)])
    found = dl.minibatchpredict(
        net,
        x,
        uniform_output=False,
        mini_batch_size=size,
        preprocessing_environment=environment,
    )
    assert [len(y) for y in found] == list(LENGTHS)
    for y, alone in zip(found, x, strict=True):
        np.testing.assert_allclose(y, net.predict(alone[..., None])[..., 0], rtol=1e-5, atol=1e-6)


def test_padding_on_the_left_and_cut_sequences(rng):
    x = sequences(rng)
    net = dl.dlnetwork([layers.SequenceInput(2), layers.FullyConnected(3), layers.Tanh()])
    for options in (
        {"sequence_padding_direction": "left"},
        {"sequence_padding_direction": "left", "sequence_length": 4},
        {"sequence_length": 4},
        {"sequence_length": "shortest"},
        {"sequence_length": 9, "sequence_padding_value": 7.0},
    ):
        found = dl.minibatchpredict(net, x, uniform_output=False, mini_batch_size=3, **options)
        length = options.get("sequence_length", 9)
        left = options.get("sequence_padding_direction") == "left"
        for i, (y, alone) in enumerate(zip(found, x, strict=True)):
            batch = LENGTHS[i // 3 * 3 : i // 3 * 3 + 3]
            count = min(len(alone), min(batch) if length == "shortest" else length)
            part = alone[-count:] if left else alone[:count]
            want = net.predict(part[..., None])[..., 0]
            np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-6)


def test_lengths_of_a_queue_of_the_user(rng):
    """A stream, a dataset and masks, in another order of the dimensions."""
    x = sequences(rng)
    net = dl.dlnetwork([layers.SequenceInput(2), layers.Tanh()])
    for data in (x, lambda: iter(x)):
        queue = dl.minibatchqueue(data, mini_batch_format="BTC", mini_batch_size=3)
        found = dl.minibatchpredict(net, queue, uniform_output=False)
        for y, alone in zip(found, x, strict=True):
            np.testing.assert_allclose(y, np.tanh(alone), rtol=1e-6)


def test_targets_of_a_dataset_need_a_format(rng):
    x = sequences(rng)
    net = dl.dlnetwork([layers.SequenceInput(2), layers.Tanh()])
    data = Pairs(x, [np.tanh(a) + 1 for a in x])
    with pytest.raises(dl.ShapeMismatchError, match=r"a format with 'T'.*target_data_formats="):
        dl.testnet(net, data, "rmse")
    found = dl.testnet(net, data, "rmse", target_data_formats="TCB", mini_batch_size=3)
    assert found == pytest.approx(1, rel=1e-6)


class Pairs:
    """A dataset of predictors and targets of different lengths."""

    def __init__(self, *columns):
        self.rows = list(zip(*columns, strict=True))

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        return self.rows[i]


@pytest.mark.parametrize(
    "kind",
    [
        Pairs,
        lambda *columns: Pairs(*columns).rows,
        lambda *columns: lambda: iter(Pairs(*columns).rows),
        lambda *columns: iter(Pairs(*columns).rows),
    ],
)
@pytest.mark.parametrize("environment", ["serial", "background"])
def test_targets_of_a_dataset_are_left_out(kind, environment, rng):
    x, t = sequences(rng), sequences(rng, 3)
    net = dl.dlnetwork([layers.SequenceInput(2), layers.Tanh()])
    found = dl.minibatchpredict(
        net,
        kind(x, t),
        uniform_output=False,
        mini_batch_size=3,
        preprocessing_environment=environment,
    )
    for y, alone in zip(found, x, strict=True):
        np.testing.assert_allclose(y, np.tanh(alone), rtol=1e-6)
    two = dl.dlnetwork([layers.SequenceInput(2, name="a"), layers.Tanh(name="of_a")])
    two = two.add_layers([layers.SequenceInput(3, name="b"), layers.Relu(name="of_b")]).initialize()
    _, found = dl.minibatchpredict(two, kind(x, t, x), uniform_output=False, mini_batch_size=3)
    for y, alone in zip(found, t, strict=True):
        np.testing.assert_array_equal(y, np.maximum(alone, 0))


def test_arrays_need_one_length(rng):
    net = dl.dlnetwork([layers.SequenceInput(2), layers.Tanh()])
    x = sequences(rng)
    with pytest.raises(dl.ShapeMismatchError, match=r"'tanh'.*\(6, 2, 3\).*uniform_output=False"):
        dl.minibatchpredict(net, x, mini_batch_size=3)
    assert dl.minibatchpredict(net, x, mini_batch_size=3, sequence_length=6).shape == (6, 2, 7)


def test_an_output_follows_the_times_of_its_own_input(rng):
    """Two sequences for each observation, whose lengths are equal in some batches."""
    long, short = sequences(rng, 2, (4, 5, 6, 6)), sequences(rng, 3, (6, 2, 3, 6))
    net = dl.dlnetwork(
        [layers.SequenceInput(2, name="a"), layers.Tanh(name="of_a")], initialize=False
    )
    net = net.add_layers([layers.SequenceInput(3, name="b"), layers.Lstm(2, name="of_b")])
    net = net.add_layers(
        [layers.Lstm(2, output_mode="last", name="last"), layers.Tanh(name="summary")]
    ).connect_layers("a", "last")
    net = net.initialize(generator=0)
    for size in (2, 4):
        found = dl.minibatchpredict(
            net,
            (long, short),
            outputs=["of_b", "of_a", "summary"],
            uniform_output=False,
            mini_batch_size=size,
        )
        assert [len(y) for y in found[0]] == [6, 2, 3, 6]
        assert [len(y) for y in found[1]] == [4, 5, 6, 6]
        assert [y.shape for y in found[2]] == [(2,)] * 4


@pytest.mark.parametrize("size", [2, 4])
def test_a_mask_is_as_long_as_its_sequence(size, rng):
    """An output of another sequence is not cut to it, though both are equally long in a batch."""
    a, b = sequences(rng, 2, (4, 6, 2, 3)), sequences(rng, 3, (6, 5, 3, 1))
    masks = [np.ones((len(x), 1), np.float32) for x in a]
    lstm = layers.Lstm(2, has_padding_mask_input=True, name="of_a")
    net = dl.dlnetwork([layers.SequenceInput(2, name="a"), lstm], initialize=False)
    net = net.add_layers(layers.SequenceInput(1, name="m")).connect_layers("m", "of_a/mask")
    net = net.add_layers([layers.SequenceInput(3, name="b"), layers.Tanh(name="of_b")])
    net = net.initialize(generator=0)
    by_name = {"a": a, "m": masks, "b": b}
    found = dl.minibatchpredict(
        net,
        tuple([by_name[name] for name in net.input_names]),
        outputs=["of_a", "of_b"],
        uniform_output=False,
        mini_batch_size=size,
    )
    assert [len(y) for y in found[0]] == [4, 6, 2, 3]
    for y, alone in zip(found[1], b, strict=True):
        np.testing.assert_allclose(y, np.tanh(alone), rtol=1e-6)


@pytest.mark.parametrize("of_targets", ["SSCB", "SSB", "BSS", "BCSS", "CBSS"])
def test_a_class_for_each_pixel(of_targets, rng):
    images, classes = rng.random((3, 4, 5, 6)), rng.integers(0, 5, (3, 4, 6))
    net = dl.dlnetwork([layers.ImageInput((3, 4, 5), normalization="none"), layers.Relu()])
    targets, letters = classes, ["S0", "S1", "B"]
    if "C" in of_targets:
        targets, letters = np.eye(5)[classes], ["S0", "S1", "B", "C"]
    spatial = iter(["S0", "S1"])
    order = [letters.index(next(spatial) if label == "S" else label) for label in of_targets]
    found = dl.testnet(
        net,
        images,
        targets.transpose(order),
        "accuracy",
        target_data_formats=of_targets,
        mini_batch_size=4,
    )
    assert found == np.mean(images.argmax(2) == classes)


def test_times_that_the_network_makes_are_not_cut(rng):
    net = dl.dlnetwork(
        [layers.SequenceInput(2), layers.Convolution1d(2, 3, stride=2, padding="same")]
    )
    found = dl.minibatchpredict(net, sequences(rng, 2, (9, 4)), uniform_output=False)
    assert [y.shape for y in found] == [(5, 3)] * 2


# -- metrics of sequences, of several outputs, and of functions ------------------------------------


@pytest.mark.parametrize("size", [1, 3, 128])
@pytest.mark.parametrize("direction", ["right", "left"])
def test_padding_has_no_part_in_metrics(size, direction, rng):
    x, t = sequences(rng), sequences(rng, 3)
    net = dl.dlnetwork([layers.SequenceInput(2), layers.FullyConnected(3)], generator=0)
    ys = [net.predict(alone[..., None])[..., 0] for alone in x]
    y, rows = np.concatenate(ys), np.concatenate(t)
    seen = []

    def largest(y, t):
        seen.append(len(y))
        return np.abs(y - t).mean()

    found = dl.testnet(
        net,
        x,
        t,
        ["rmse", "rsquared", largest],
        mini_batch_size=size,
        sequence_padding_direction=direction,
        sequence_padding_value=50.0,
    )
    assert sum(seen) == sum(LENGTHS)
    want = (
        reference.root_mean_squared_error(rows.ravel(), y.ravel()),
        reference.r2_score(rows, y, multioutput="variance_weighted"),
        np.abs(y - rows).mean(),
    )
    np.testing.assert_allclose(found, want, rtol=1e-5)


def test_padding_has_no_part_in_metrics_of_classes(rng):
    x = sequences(rng, 3)
    labels = [rng.integers(0, 3, len(a)) for a in x]
    net = dl.dlnetwork([layers.SequenceInput(3), layers.Softmax()])
    want = np.mean(np.concatenate(x).argmax(1) == np.concatenate(labels))
    one_hot = [np.eye(3)[t] for t in labels]
    options = {"mini_batch_size": 4}
    assert dl.testnet(net, x, one_hot, "accuracy", **options) == want
    found = dl.testnet(net, x, labels, "accuracy", target_data_formats="TB", **options)
    assert found == want


def test_padding_has_no_part_in_metrics_of_a_training(rng):
    x = sequences(rng, 3)
    one_hot = [np.eye(3)[rng.integers(0, 3, len(a))] for a in x]
    net = [layers.SequenceInput(3), layers.FullyConnected(3), layers.Softmax()]
    chosen = dl.training_options(
        "sgdm",
        max_epochs=1,
        mini_batch_size=7,
        initial_learn_rate=1e-30,
        metrics="accuracy",
        validation_data=(x, one_hot),
        verbose=False,
        generator=0,
    )
    trained, info = dl.trainnet(x, one_hot, net, "crossentropy", chosen)
    want = dl.testnet(trained, x, one_hot, "accuracy", mini_batch_size=2)
    assert info.training_history["accuracy"] == [want]
    assert info.validation_history["accuracy"] == [want]


@pytest.mark.parametrize(("of_x", "of_targets"), [("BTC", "TCB"), ("TCB", "CBT"), ("CTB", "BTC")])
def test_targets_in_another_order_of_the_dimensions(of_x, of_targets, rng):
    sizes = {"B": 5, "T": 4, "C": 2}
    x, t = rng.normal(size=(2, 5, 4, 2))

    def turned(a, fmt):
        return a.transpose(["BTC".index(label) for label in fmt])

    net = dl.dlnetwork([layers.Tanh()]).initialize(
        dl.dlarray(np.zeros([sizes[label] for label in of_x]), of_x)
    )
    found = dl.testnet(
        net,
        turned(x, of_x),
        turned(t, of_targets),
        "rmse",
        input_data_formats=of_x,
        target_data_formats=of_targets,
        mini_batch_size=2,
    )
    assert found == pytest.approx(np.sqrt(((np.tanh(x) - t) ** 2).mean()), rel=1e-5)


def test_metrics_of_several_outputs(rng):
    net, x, z = two_headed(rng)
    data, options = (x, z), {"input_data_formats": "BC", "mini_batch_size": 4}
    scores, numbers = dl.minibatchpredict(net, data, **options)
    labels, t = rng.integers(0, 3, 11), rng.normal(size=(11, 1))

    def both(y, number, labels, t):
        return (y.argmax(1) != labels[:, 0]).mean() + ((number - t) ** 2).mean()

    class Gathered(dl.metrics.Metric):
        name = "gathered"

        def reset(self):
            self.total = 0.0

        def update(self, *arrays):
            self.total += sum(a.sum() for a in arrays)

        def evaluate(self):
            return self.total

    found = dl.testnet(net, data, (labels, t), [both, Gathered()], **options)
    want = (scores.argmax(1) != labels).mean() + ((numbers - t) ** 2).mean()
    assert found[0] == pytest.approx(want, rel=1e-5)
    assert found[1] == pytest.approx(sum(a.sum() for a in (scores, numbers, labels, t)), rel=1e-4)
    with pytest.raises(dl.InvalidArgumentError, match=r"accuracy: .*Accuracy\(network_output='so"):
        dl.testnet(net, data, (labels, t), "accuracy", **options)
    wrong = dl.metrics.Rmse(network_output="fc1")
    with pytest.raises(dl.InvalidArgumentError, match=r"'fc1', and the outputs .* softmax, number"):
        dl.testnet(net, data, (labels, t), wrong, **options)


def test_metrics_of_one_name(rng):
    """Each has its value; in a history each needs a name."""
    x, labels = rng.random((20, 3)), rng.integers(0, 3, 20)
    net = dl.dlnetwork([layers.FeatureInput(3), layers.Softmax()])
    averages = ("macro", "micro", "weighted")
    metrics = [dl.metrics.Precision(average=a) for a in averages]
    found = dl.testnet(net, x, labels, metrics)
    want = [reference.precision_score(labels, x.argmax(1), average=a) for a in averages]
    np.testing.assert_allclose(found, want)
    for names in (["accuracy", "accuracy"], [dl.metrics.Rmse(name="loss")], metrics):
        with pytest.raises(dl.InvalidArgumentError, match="each needs a column of its own"):
            dl.training_options("adam", metrics=names)
    named = [dl.metrics.Precision(average=a, name=a) for a in averages]
    assert len(dl.training_options("adam", metrics=named).metrics) == 3


@pytest.mark.parametrize("result", [np.ones(3), [1.0, 2.0], np.zeros((0,))])
def test_a_function_that_returns_no_number(result):
    net = dl.dlnetwork([layers.FeatureInput(1)])

    def broken(*_):
        return result

    with pytest.raises(dl.NonScalarError, match="metric broken: it returned"):
        dl.testnet(net, np.ones((4, 1)), np.ones((4, 1)), broken)


@pytest.mark.parametrize("metric", ["rmse", "accuracy", lambda *_: 0.0])
def test_data_without_targets(metric, rng):
    x = rng.random((6, 2))
    net = dl.dlnetwork([layers.FeatureInput(2), layers.FullyConnected(2), layers.Softmax()])
    queue = dl.minibatchqueue(x, mini_batch_format="BC")
    for call in (
        lambda: dl.testnet(net, x, None, metric),
        lambda: dl.testnet(net, x, metric),
        lambda: dl.testnet(net, queue, metric),
    ):
        with pytest.raises(dl.InvalidArgumentError, match="the data have no targets to compare"):
            call()
    chosen = dl.training_options("adam", metrics=metric, verbose=False)
    with pytest.raises(dl.InvalidArgumentError, match="the data have no targets to compare"):
        dl.trainnet(queue, net, lambda y: (y**2).mean(), chosen)


def test_a_queue_without_a_whole_batch():
    net = dl.dlnetwork([layers.FeatureInput(1)])
    queue = dl.minibatchqueue(
        np.ones((4, 1)), mini_batch_format="BC", mini_batch_size=9, partial_mini_batch="discard"
    )
    with pytest.raises(dl.InvalidArgumentError, match="4 observations, which is no whole mini"):
        dl.minibatchpredict(net, queue)


def test_a_training_says_before_the_first_step_which_metric_needs_an_output(rng):
    net, x, z = two_headed(rng)
    chosen = {"input_data_formats": "BC", "verbose": False, "max_epochs": 1}
    steps = []

    def loss(y, number, labels, t):
        steps.append(1)
        return dl.indexcrossentropy(y, dl.dlarray(labels, "B")) + dl.mse(number, t)

    targets = rng.integers(0, 3, 11), rng.normal(size=(11, 1))
    for metric, message in (
        ("rmse", r"network_output='softmax'"),
        (dl.metrics.Rmse(network_output="sum"), "'sum', and the outputs"),
    ):
        with pytest.raises(dl.InvalidArgumentError, match=f"trainnet: metric rmse: .*{message}"):
            dl.trainnet(
                (x, z), targets, net, loss, dl.training_options("adam", **chosen, metrics=metric)
            )
    assert not steps
    metrics = [
        dl.metrics.Accuracy(network_output="softmax"),
        dl.metrics.Rmse(network_output="number"),
    ]
    options = dl.training_options(
        "adam", **chosen, metrics=metrics, validation_data=((x, z), targets)
    )
    trained, info = dl.trainnet((x, z), targets, net, loss, options)
    found = dl.testnet(trained, (x, z), targets, metrics, input_data_formats="BC")
    assert [info.validation_history[name][-1] for name in ("accuracy", "rmse")] == list(found)
