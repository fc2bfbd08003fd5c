"""Sequences of different lengths: what pads them has no part in losses, metrics and gradients."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers
from dlgradient.train.loss import LOSSES

LENGTHS = (3, 7, 2, 5, 5, 1, 4, 6)
CLASSES = 3


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# By name: the loss of one sequence, of steps × channels, in plain NumPy.
BY_HAND = {
    "crossentropy": lambda y, t: -np.sum(t * np.log(y)),
    "index-crossentropy": lambda y, t: -np.sum(np.log(y[np.arange(len(t)), t])),
    "binary-crossentropy": lambda y, t: -np.sum(t * np.log(y) + (1 - t) * np.log(1 - y)),
    "mse": lambda y, t: np.sum((y - t) ** 2) / 2,
    "l2loss": lambda y, t: np.sum((y - t) ** 2),
    "mae": lambda y, t: np.sum(np.abs(y - t)),
    "huber": lambda y, t: np.sum(np.where(abs(y - t) < 1, (y - t) ** 2 / 2, abs(y - t) - 0.5)),
}
BY_HAND |= {"mean-squared-error": BY_HAND["mse"], "mean-absolute-error": BY_HAND["mae"]}
BY_HAND |= {"l1loss": BY_HAND["mae"], "labels": BY_HAND["index-crossentropy"]}
# Direction, value of the padding, length, and how many sequences a batch has.
WAYS = [
    ("right", 0.0, "longest", 8),
    ("left", 0.0, "longest", 8),
    ("right", -1.0, "longest", 3),
    ("left", 9.0, 9, 5),
    ("right", 0.5, 4, 8),
    ("left", 0.0, "shortest", 8),
]


def network(loss, generator=0):
    """Return a network of which each step depends on its own input alone."""
    last = {"crossentropy": [layers.Softmax()], "index-crossentropy": [layers.Softmax()]}
    last |= {"labels": [layers.Softmax()], "binary-crossentropy": [layers.Sigmoid()]}
    rows = [layers.SequenceInput(2), layers.FullyConnected(CLASSES, name="fc"), *last.get(loss, [])]
    return dl.dlnetwork(rows, generator=generator)


def data(rng, loss):
    xs = [rng.normal(size=(n, 2)).astype(np.float32) for n in LENGTHS]
    if loss in ("index-crossentropy", "labels"):
        return xs, [rng.integers(0, CLASSES, n) for n in LENGTHS]
    if loss == "crossentropy":
        return xs, [np.eye(CLASSES)[rng.integers(0, CLASSES, n)] for n in LENGTHS]
    if loss == "binary-crossentropy":
        return xs, [rng.integers(0, 2, (n, CLASSES)) for n in LENGTHS]
    return xs, [3 * rng.normal(size=(n, CLASSES)) for n in LENGTHS]


def kept(x, direction, length):
    n = {"longest": len(x), "shortest": min(LENGTHS)}.get(length, length)
    return x[:n] if direction == "right" else x[max(len(x) - n, 0) :]


def outputs(net, x, loss):
    z = x @ np.asarray(net.learnables["fc/weights"]).T + np.asarray(net.learnables["fc/bias"]).T
    if loss in ("crossentropy", "index-crossentropy", "labels"):
        return softmax(z)
    return 1 / (1 + np.exp(-z)) if loss == "binary-crossentropy" else z


def options(direction, value, length, size, **others):
    given = {
        "sequence_padding_direction": direction,
        "sequence_padding_value": value,
        "sequence_length": length,
        "verbose": False,
        "l2_regularization": 0,
    }
    solver = others.pop("solver", "sgdm")
    if solver == "sgdm":
        given |= {"mini_batch_size": size, "max_epochs": 1, "shuffle": "never"}
    return dl.training_options(solver, **given, **others)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("loss", [*LOSSES, "labels"])
def test_the_loss_is_that_of_the_steps_that_exist(loss, way, rng):
    """It is the mean over the observations of the sum over their steps."""
    direction, _, length, size = way
    xs, ts = data(rng, loss)
    net = network(loss)
    by_hand = [
        BY_HAND[loss](outputs(net, kept(x, direction, length), loss), kept(t, direction, length))
        for x, t in zip(xs, ts, strict=True)
    ]
    chosen = options(*way, metrics=_count)
    name = "crossentropy" if loss == "labels" else loss
    _, info = dl.trainnet(xs, ts, net, name, chosen)
    history = info.training_history
    np.testing.assert_allclose(history["loss"][0], np.mean(by_hand[:size]), rtol=2e-5)
    # Metrics get the same steps.
    assert history["_count"][0] == sum(len(kept(x, direction, length)) for x in xs[:size])


def _count(y, t):
    assert len(y) == len(t)
    return len(y)


@pytest.mark.parametrize("loss", ["crossentropy", "labels", "mse", "huber"])
@pytest.mark.parametrize("direction", ["right", "left"])
def test_what_is_in_a_batch_together_does_not_matter(loss, direction, rng):
    """Validation, metrics and a step with all data are the same in batches of any size."""
    xs, ts = data(rng, loss)
    name = "crossentropy" if loss == "labels" else loss
    metric = "accuracy" if name == "crossentropy" else "rmse"
    net = network(loss)
    found = []
    for size in (1, 3, 8):
        chosen = options(direction, 5.0, "longest", size, validation_data=(xs, ts), metrics=metric)
        chosen.initial_learn_rate = 1e-30  # validation comes after the step
        _, info = dl.trainnet(xs, ts, net, name, chosen)
        padding = {"sequence_padding_direction": direction, "sequence_padding_value": 5.0}
        tested = dl.testnet(net, xs, ts, metric, mini_batch_size=size, **padding)
        validation = info.validation_history
        found.append([validation["loss"][0], validation[metric][0], tested])
    ys = [outputs(net, x, loss) for x in xs]
    wanted = [np.mean([BY_HAND[loss](y, t) for y, t in zip(ys, ts, strict=True)])]
    whole, known = np.concatenate(ys), np.concatenate(ts)
    if metric == "rmse":
        wanted += [np.sqrt(np.mean((whole - known) ** 2))] * 2
    else:
        labels = known if known.ndim == 1 else known.argmax(1)
        wanted += [np.mean(whole.argmax(1) == labels)] * 2
    np.testing.assert_allclose(found, [wanted] * 3, rtol=2e-5)


@pytest.mark.parametrize(
    ("solver", "loss"),
    [
        *[(solver, loss) for solver in ("sgdm", "lbfgs") for loss in ("crossentropy", "labels")],
        *[(solver, "mse") for solver in ("sgdm", "lbfgs", "lm")],
    ],
)
def test_the_step_is_that_of_the_steps_that_exist(solver, loss, rng):
    """It is that of the mean of the losses of sequences that are evaluated one by one."""
    xs, ts = data(rng, loss)
    name = "crossentropy" if loss == "labels" else loss
    net = dl.dlupdate(np.float64, network(loss))
    found = []
    for value in (0.0, 7.0):
        own = {"initial_learn_rate": 0.1} if solver == "sgdm" else {"max_iterations": 1}
        chosen = options("left", value, 9, 8, solver=solver, **own)
        found.append(dl.trainnet(xs, ts, net, name, chosen)[0])

    def mean(net):
        total = 0
        for x, t in zip(xs, ts, strict=True):
            y = net.forward(dl.dlarray(x[..., None].astype(float), "TCB"))[0]
            if loss == "labels":
                total = total + dl.indexcrossentropy(y, dl.dlarray(t[:, None], "TB"))
            else:
                total = total + getattr(dl, name)(y, dl.dlarray(t[..., None], "TCB"))
        total = total / len(xs)
        return total, dl.dlgradient(total, net)

    if solver == "sgdm":
        _, gradients = dl.dlfeval(mean, net)
        wanted, _ = dl.sgdmupdate(net, gradients, None, 0.1)
        for key, value in wanted.learnables.items():
            np.testing.assert_allclose(found[0].learnables[key], value, rtol=1e-9, atol=1e-12)
    for key, value in found[1].learnables.items():
        np.testing.assert_allclose(found[0].learnables[key], value, rtol=1e-6, atol=1e-9)


# -- what is given ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["list", "objects", "queue", "dataset", "stream"])
def test_sequences_in_any_form_have_masks(form, rng):
    xs, ts = data(rng, "mse")
    net = network("mse")
    pairs = list(zip(xs, ts, strict=True))
    given = {"mini_batch_size": 8, "mini_batch_format": ("TCB", "TCB")}
    source, targets = {
        "list": (xs, ts),
        "objects": (_objects(xs), _objects(ts)),
        "queue": (dl.minibatchqueue((xs, ts), **given), None),
        "dataset": (dl.minibatchqueue(pairs, **given), None),
        "stream": (dl.minibatchqueue(lambda: iter(pairs), **given), None),
    }[form]
    _, info = dl.trainnet(source, targets, net, "mse", options("right", 0.0, "longest", 8))
    ys = [outputs(net, x, "mse") for x in xs]
    wanted = np.mean([BY_HAND["mse"](y, t) for y, t in zip(ys, ts, strict=True)])
    np.testing.assert_allclose(info.training_history["loss"][0], wanted, rtol=2e-5)


def _objects(arrays):
    found = np.empty(len(arrays), object)
    found[:] = arrays
    return found


def test_a_loss_of_your_own_gets_masks_of_a_queue(rng):
    xs, ts = data(rng, "mse")
    net = network("mse")

    def of_steps(y, _mask_of_inputs, targets, mask):
        errors = dl.where(mask == 1, y - targets, 0)
        return (errors**2).sum() / mask.sum()

    queue = dl.minibatchqueue((xs, ts), mini_batch_format=("TCB", "TCB"), padding_masks=True)
    _, info = dl.trainnet(queue, net, of_steps, options("right", 0.0, "longest", 8))
    errors = [outputs(net, x, "mse") - t for x, t in zip(xs, ts, strict=True)]
    wanted = np.sum(np.concatenate(errors) ** 2) / sum(LENGTHS)
    np.testing.assert_allclose(info.training_history["loss"][0], wanted, rtol=2e-5)
    with pytest.raises(dl.InvalidArgumentError, match=r"omit padding_masks"):
        dl.trainnet(queue, net, "mse", options("right", 0.0, "longest", 8))


def test_a_network_that_takes_masks_has_the_loss_of_the_steps_that_exist(rng):
    """With masks, a sequence gives the same in any batch, also if it is padded on the left."""
    xs, ts = data(rng, "mse")
    lstm = layers.Lstm(CLASSES, has_padding_mask_input=True, name="lstm")
    net = dl.dlnetwork([layers.SequenceInput(2), lstm], initialize=False)
    net = net.add_layers(layers.SequenceInput(1, name="mask")).connect_layers("mask", "lstm/mask")
    net = net.initialize(generator=0)
    found = []
    for direction, size in (("left", 8), ("right", 8), ("right", 1)):
        queue = dl.minibatchqueue(
            (xs, ts),
            mini_batch_size=size,
            mini_batch_format=("TCB", "TCB"),
            padding_masks=True,
            sequence_padding_direction=direction,
        )
        chosen = options("right", 0.0, "longest", 1, validation_data=queue, metrics="rmse")
        chosen.initial_learn_rate = 1e-30
        _, info = dl.trainnet(queue, net, "mse", chosen)
        found.append([info.validation_history[name][0] for name in ("loss", "rmse")])
    np.testing.assert_allclose(found[1:], found[:1] * 2, rtol=1e-5)


def test_targets_without_channels_that_are_no_classes_are_answered(rng):
    xs = [rng.normal(size=(n, 2)) for n in LENGTHS]
    with pytest.raises(dl.InvalidArgumentError, match=r"times × channels.*t\[:, None\]"):
        dl.trainnet(xs, [x[:, 0] for x in xs], network("mse"), "mse", dl.training_options("sgdm"))


@pytest.mark.parametrize("order", ["TCB", "BTC", "CBT", "CTB"])
def test_metrics_know_the_order_of_dimensions(order, rng):
    x = rng.normal(size=(6, 5, 2)).astype(np.float32)  # observations × times × channels
    t = np.cumsum(x, 1)
    net = dl.dlnetwork(
        [layers.SequenceInput(2, data_format="BTC"), layers.FullyConnected(2, name="fc")],
        generator=0,
    )
    axes = ["BTC".index(label) for label in order]
    chosen = options("right", 0.0, "longest", 6, metrics="rmse", target_data_formats=order)
    _, info = dl.trainnet(x, t.transpose(axes), net, "mse", chosen)
    wanted = np.sqrt(np.mean((outputs(net, x, "mse") - t) ** 2))
    np.testing.assert_allclose(info.training_history["rmse"][0], wanted, rtol=1e-5)
