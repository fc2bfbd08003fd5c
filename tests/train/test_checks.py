"""What does not fit is answered before the first step; what is not finite ends with a reason."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers

X = np.linspace(-1, 1, 80, dtype=np.float32).reshape(40, 2)
CLASSES = np.arange(40) % 3
VECTORS = np.eye(3, dtype=np.float32)[CLASSES]


def options(**others):
    return dl.training_options(
        others.pop("solver", "adam"),
        **{"verbose": False, "generator": 0, "max_epochs": 2, "mini_batch_size": 10, **others},
    )


def classifier(n=3, size=2):
    return [
        layers.FeatureInput(size),
        layers.FullyConnected(n, name="head"),
        layers.Softmax(name="scores"),
    ]


def regression(n=1):
    return [layers.FeatureInput(2), layers.FullyConnected(n, name="head")]


def replaced(values, i, value):
    found = np.array(values)
    found[i] = value
    return found


def two_outputs():
    net = dl.dlnetwork(regression())
    return net.add_layers(layers.FullyConnected(1, name="other")).connect_layers("input", "other")


def frozen():
    return dl.dlnetwork(classifier()).set_learn_rate_factor("head", 0)


def texts():
    labels = np.array(["a", "b", "c"])[CLASSES]
    return dl.minibatchqueue((X, labels), mini_batch_format=("BC", None))


def constant(*_):
    return dl.dlarray(1.0)


def array(y, t):
    return (y - t) ** 2


class Halves(dl.DifferentiableFunction):
    def forward(self, _, y, t):
        return ((y - t) ** 2).mean(), y - t


def number(y, _):
    return float((y * 2).sum())


def nothing(*_):
    return None


def pair(y, t):
    loss = dl.mse(y, t)
    return loss, loss


NAMED = "crossentropy"
# What the message says, and what is given: x, targets, net, loss, and options.
WRONG = {
    # classes
    r"targets\[7\] is 5, and layer 'scores' has 3 classes, 0 to 2; .*FullyConnected\(6\)": (
        (X, replaced(CLASSES, 7, 5), classifier(), NAMED),
    ),
    r"targets\[2\] is 3, .*has 3 classes.*numbered from 1, so subtract 1": (
        (X, CLASSES + 1, classifier(), NAMED),
    ),
    r"targets\[4\] is -1; classes are numbers from 0": (
        (X, replaced(CLASSES, 4, -1), classifier(), NAMED),
    ),
    r"targets are float64, as targets\[3\] = 0.5; .*integers from 0": (
        (X, replaced(CLASSES.astype(float), 3, 0.5), classifier(), NAMED),
    ),
    r"targets are float32.*targets.astype\(int\)": (
        (X, CLASSES.astype(np.float32), classifier(), NAMED),
    ),
    r"targets are bool, as targets\[0\] = False": ((X, CLASSES > 0, classifier(2), NAMED),),
    r"targets of shape \(40,\) <U1 are texts.*np.unique": ((texts(), None, classifier(), NAMED),),
    r"layer 'scores' has 5 classes, and of 40 targets none is 3, 4; .*FullyConnected\(3\)": (
        (X, CLASSES, classifier(5), NAMED),
    ),
    r"none is 1; give": ((X, 2 * (CLASSES // 2), classifier(), NAMED),),
    r"the targets of validation_data\[0\] is 8, and layer 'scores'": (
        (X, CLASSES, classifier(), NAMED),
        {"validation_data": (X, CLASSES + 8)},
    ),
    # sizes
    r"'scores' gives \(10, 3\) 'BC', the targets are \(10, 4\) 'BC'.*FullyConnected\(4\)": (
        (X, np.eye(4, dtype=np.float32)[CLASSES], classifier(), NAMED),
    ),
    r"loss 'mse' of data: layer 'head' gives \(10, 2\).*FullyConnected\(1\)": (
        (X, X[:, :1], regression(2), "mse"),
    ),
    r"loss 'mse' of validation_data: layer 'head' gives": (
        (X, X, regression(2), "mse"),
        {"validation_data": (X, X[:, :1])},
    ),
    r"layer 'input'.*expects \(5\)": ((X, CLASSES, classifier(size=5), NAMED),),
    r"validation_data: minibatchqueue: data have 40, 3 observations": (
        (X, CLASSES, classifier(), NAMED),
        {"validation_data": (X, CLASSES[:3])},
    ),
    r"trainnet: data: minibatchqueue: data have 40, 9 observations": (
        (X, CLASSES[:9], classifier(), NAMED),
    ),
    r"data: minibatchqueue: data have no observations": (
        (X[:0], CLASSES[:0], classifier(), NAMED),
    ),
    r"data have no targets, and the loss 'mse'": ((X, None, regression(), "mse"),),
    r"compares one output with one array of targets; the network has the outputs head, other": (
        (X, (X[:, :1], X[:, 1:]), two_outputs(), "mse"),
    ),
    # formats
    r"data: minibatchqueue: mini_batch_format 'SSCB' must name|SSCB": (
        (X, CLASSES, [layers.ImageInput((2, 2, 1)), layers.FullyConnected(3)], NAMED),
    ),
    # losses
    r"layer 'head' gives numbers from -.* 'crossentropy' needs probabilities; .*Softmax\(\)": (
        (X, CLASSES, regression(3), NAMED),
    ),
    r"loss 'index-crossentropy' needs probabilities": (
        (X, CLASSES, regression(3), "index-crossentropy"),
    ),
    r"loss 'binary-crossentropy' needs probabilities.*layers.Sigmoid\(\)": (
        (X, X[:, :1] > 0, regression(), "binary-crossentropy"),
    ),
    r"loss 'constant' of data.*which is not traced": ((X, X, regression(2), constant),),
    r"float\(\) would take a traced dlarray.*keep the dlarray": ((X, X, regression(2), number),),
    r"loss '<lambda>' of data: layer 'head' gives \(10, 2\).*takes 1 positional argument": (
        (X, X, regression(2), lambda y: y.sum()),
    ),
    r"It returned None, which is not traced": ((X, X, regression(2), nothing),),
    r"It returned a tuple of 2 values, and only": ((X, X, regression(2), pair),),
    r"It returned a list of 1 values, and": ((X, X, regression(2), lambda y, t: [dl.mse(y, t)]),),
    r"It returned a dict of 1 values": ((X, X, regression(2), lambda y, t: {"a": dl.mse(y, t)}),),
    r"It returned a dlarray of shape \(1,\).*return one number": (
        (X, X, regression(2), lambda y, t: dl.mse(y, t).reshape(1)),
    ),
    r"It returned a dlarray of shape \(\) complex64; it must be real": (
        (X, X, regression(2), lambda y, t: dl.mse(y, t) * 1j),
    ),
    r"It returned a dlarray of shape \(\) int64, which has no derivative": (
        (X, X, regression(2), lambda y, t: dl.astype(dl.mse(y, t), np.int64)),
    ),
    r"loss is the class Halves; give an instance, Halves\(\)": ((X, X, regression(2), Halves),),
    r"loss 'Halves' of data.*It returned a tuple of 2": ((X, X, regression(2), Halves()),),
    r"It returned a dlarray of shape \(10, 2\).*return one number": ((X, X, regression(2), array),),
    # networks
    r"net has no learnables": ((X, X, [layers.FeatureInput(2), layers.Relu()], "mse"),),
    r"all 2 learnables of net are frozen.*set_learn_rate_factor": ((X, CLASSES, frozen(), NAMED),),
}


@pytest.mark.parametrize("text", WRONG)
def test_mistakes_are_answered_before_the_first_step(text):
    (x, t, net, loss), *others = WRONG[text]
    chosen = options(
        output_fcn=lambda _: pytest.fail("a step was taken"), **(others[0] if others else {})
    )
    with pytest.raises(dl.DlgradientError, match=text):
        dl.trainnet(x, t, net, loss, chosen)


def test_a_queue_without_a_whole_batch():
    queue = dl.minibatchqueue(
        (X, X), mini_batch_format="BC", partial_mini_batch="discard", mini_batch_size=41
    )
    with pytest.raises(dl.DlgradientError, match="40 observations, which is no whole mini-batch"):
        dl.trainnet(queue, regression(2), "mse", options())


def test_small_integers_are_classes():
    _, info = dl.trainnet(X, CLASSES.astype(np.uint8), classifier(), NAMED, options())
    assert info.stop_reason == "Max epochs completed"


def test_classes_that_are_left_out_on_purpose():
    """One-hot targets, and queues, may lack a class."""
    vectors = np.eye(4, dtype=np.float32)[CLASSES]
    _, info = dl.trainnet(X, vectors, classifier(4), NAMED, options())
    assert info.stop_reason == "Max epochs completed"


# -- numbers that are not finite -------------------------------------------------------------------


def test_data_that_are_not_finite_are_named():
    """A warning: a loss or a layer of the user may deal with them."""
    x = replaced(X, (3, 1), np.nan)
    with pytest.warns(RuntimeWarning, match=r"predictors .*1 elements .*first is \[3, 1\]"):
        net, info = dl.trainnet(x, X, regression(2), "mse", options(shuffle="never"))
    assert info.stop_reason == "Loss is nan: the data are not finite"
    assert all(np.isfinite(np.asarray(v)).all() for v in net.learnables.values())

    def of_known(y, t):
        known = np.isfinite(t)
        return dl.where(known, y - dl.where(known, t, 0), 0).__pow__(2).mean()

    with pytest.warns(RuntimeWarning, match=r"targets .*first is \[5, 0\]"):
        _, info = dl.trainnet(X, replaced(X, (5, 0), np.nan), regression(2), of_known, options())
    assert info.stop_reason == "Max epochs completed"


class Rooted(layers.Layer):
    """Its values are finite, and its derivative at 0 is not."""

    learnables = ("offset",)

    def initialize(self, _layout):
        self.offset = np.zeros(2, np.float32)

    def predict(self, x):
        return dl.sqrt(x**2 * dl.exp(dl.dlarray(self.offset, "C")))


@pytest.mark.parametrize("solver", ["sgdm", "adam", "rmsprop", "adamw", "nadam", "muon"])
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_a_gradient_that_is_not_finite_stops_before_the_step(solver):
    x = np.abs(X) + 1
    x[25] = 0
    net = [layers.FeatureInput(2), Rooted(name="root"), layers.FullyConnected(1, name="head")]
    start = dl.dlnetwork(net, generator=1)
    chosen = options(shuffle="never", solver=solver)
    seen = []
    chosen.output_fcn = lambda info: seen.append(info["net"])
    found, info = dl.trainnet(x, x[:, :1], start, "mse", chosen)
    assert info.stop_reason.startswith("Gradient of 'root/offset' is not finite, though the loss")
    assert info.training_history["iteration"] == [1, 2, 3]
    assert np.isfinite(info.training_history["loss"]).all()
    assert found == seen[1]


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_step_that_overflows_is_not_taken():
    chosen = options(solver="sgdm", initial_learn_rate=3e38, shuffle="never")
    net, info = dl.trainnet(1e4 * X, 1e4 * X[:, :1], regression(), "mse", chosen)
    assert "is not finite after it, make the learn rate smaller" in info.stop_reason
    assert all(np.isfinite(np.asarray(v)).all() for v in net.learnables.values())


def logarithm(x):
    return dl.log(x)


def inner(*middle):
    return dl.dlnetwork(
        [layers.FullyConnected(2, name="first"), *middle, layers.Tanh(name="end")],
        initialize=False,
    )


class Gated(layers.Layer):
    """Two networks, of which the second may make what is not finite."""

    learnables = ("value", "gate")

    def initialize(self, layout):
        example = layout.example()
        self.value = inner().initialize(example, generator=0)
        self.gate = inner(layers.Function(negative_root, name="root")).initialize(
            example, generator=0
        )

    def predict(self, x):
        return self.value.predict(x) * self.gate.predict(x)


class Joined(layers.Layer):
    """A network that gets two arrays, and is held by a layer with two inputs."""

    learnables = ("net",)
    num_inputs = 2
    input_names = ("left", "right")

    def initialize(self, layout, _other):
        net = inner(layers.Function(negative_root, name="root"))
        self.net = net.initialize(layout.example(), generator=0)

    def predict(self, x, y):
        return self.net.predict(x + y)


def negative_root(x):
    return dl.sqrt(x * 0 - 1)


def joined():
    net = dl.dlnetwork([layers.FeatureInput(2), layers.Relu(name="relu")], initialize=False)
    net = net.add_layers([Joined(name="two"), layers.FullyConnected(1, name="head")])
    return net.connect_layers("input", "two/left").connect_layers("relu", "two/right")


def in_series(layer):
    return dl.dlnetwork(
        [layers.FeatureInput(2), layer, layers.FullyConnected(1, name="head")], initialize=False
    )


def box(*middle):
    return layers.Network(inner(*middle), name="box")


ROOT = layers.Function(negative_root, name="root")
NESTED = {
    "box/root": lambda: in_series(box(ROOT)),
    "box/deep/root": lambda: in_series(box(layers.Network(inner(ROOT), name="deep"))),
    "own/gate/root": lambda: in_series(Gated(name="own")),
    "two/net/root": joined,
    "root": lambda: in_series(ROOT),
}


@pytest.mark.filterwarnings("ignore:invalid value encountered in sqrt")
@pytest.mark.parametrize("path", NESTED)
def test_a_layer_inside_of_a_network_is_named_by_its_path(path):
    net = NESTED[path]().initialize(generator=0)
    _, info = dl.trainnet(X, X[:, :1], net, "mse", options())
    assert (
        info.stop_reason == f"Loss is nan: layer {path!r} is the first whose result is not finite"
    )


@pytest.mark.filterwarnings("ignore:invalid value encountered in log", "ignore:.*not finite")
@pytest.mark.parametrize("validation", [replaced(np.abs(X), (30, 0), -1)])
def test_a_validation_that_is_not_finite_stops_with_the_network(validation):
    net = [layers.FeatureInput(2), layers.Function(logarithm, name="log"), *regression()[1:]]
    x = np.abs(X) + 1
    start = dl.dlnetwork(net, dl.dlarray(x, "BC"), initialize=False)
    chosen = options(validation_data=(validation, x[:, :1]))
    found, info = dl.trainnet(x, x[:, :1], start, "mse", chosen)
    assert info.stop_reason == (
        "Validation loss is nan: layer 'log' is the first whose result is not finite"
    )
    assert info.training_history["iteration"] == [1]
    assert all(np.isfinite(np.asarray(v)).all() for v in found.learnables.values())


def test_a_metric_that_is_undefined_at_first_is_never_the_best():
    values = iter([np.nan, 0.2, np.nan, 0.5, 0.3, np.nan])

    class Given(dl.metrics.Metric):
        name = "given"

        def reset(self):
            self.inside = 0

        def update(self, y, _targets):
            self.inside += len(y)

        def evaluate(self):
            return next(values) if self.inside == 40 else 0.0

    chosen = options(
        max_epochs=5,
        mini_batch_size=39,
        validation_data=(X, X),
        validation_frequency=2,
        metrics=Given(),
        objective_metric_name="given",
    )
    _, info = dl.trainnet(X, X, regression(2), "mse", chosen)
    assert info.output_network_iteration == 6
