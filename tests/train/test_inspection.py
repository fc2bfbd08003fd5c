"""Wrong data in any form are an error, or a warning, with the number of the observation.

What is in memory is answered before the first step; what comes one after the other, before the step
of its batch.
"""

import re

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers

COUNT, SIZE, BAD = 24, 4, 17  # the wrong observation is in the fifth batch
CLASSES = 3


class Dataset:
    """Observations that are read one by one."""

    def __init__(self, *sources):
        self.sources = sources

    def __len__(self):
        return COUNT

    def __getitem__(self, i):
        return tuple([source[i] for source in self.sources])


def identity(xs, ts):
    return np.stack(xs), np.stack(ts)


def queue(data, fmt, **others):
    return dl.minibatchqueue(data, mini_batch_size=SIZE, mini_batch_format=fmt, **others)


def mapped(x, folder):
    found = np.memmap(folder / "data", x.dtype, "w+", shape=x.shape)
    found[:] = x
    return found


def frame(x):
    import pandas as pd

    return pd.Series(x) if x.ndim == 1 else pd.DataFrame(x)


# By form: data, targets and whether they are in memory, from arrays with observations as rows.
FORMS = {
    "array": lambda x, t, *_: (x, t, True),
    "list": lambda x, t, *_: (list(x), list(t), True),
    "numbers": lambda x, t, *_: (x.tolist(), t.tolist(), True),
    "frame": lambda x, t, *_: (frame(x), frame(t), True),
    "queue": lambda x, t, fmt, _: (queue((x, t), fmt), None, True),
    "mapped": lambda x, t, _, folder: (x, mapped(t, folder), False),
    "view": lambda x, t, _, folder: (x, np.asarray(mapped(t, folder))[:], False),
    "dataset": lambda x, t, fmt, _: (queue(Dataset(x, t), fmt), None, False),
    "pairs": lambda x, t, fmt, _: (queue(list(zip(x, t, strict=True)), fmt), None, False),
    "stream": lambda x, t, fmt, _: (queue(lambda: zip(x, t, strict=True), fmt), None, False),
    "function": lambda x, t, fmt, _: (
        queue((x, t), fmt, mini_batch_fcn=identity), None, False
    ),
}  # fmt: skip


def options(**others):
    given = {"mini_batch_size": SIZE, "max_epochs": 1, "shuffle": "never", "verbose": False}
    return dl.training_options("sgdm", **given | others)


def classifier(last=layers.Softmax):
    return [layers.FeatureInput(2), layers.FullyConnected(CLASSES, name="head"), last(name="end")]


def place_of(form, name="targets"):
    """Return how a message names the wrong observation."""
    if form == "function":
        return rf"{name} of observations 16, 17, 18, 19 in mini-batch 5"
    if form in ("array", "list", "numbers", "frame", "queue"):
        return rf"{name}\[{BAD}"
    return f"{name} of observation {BAD} in mini-batch 5"


def said(pattern, text):
    return re.search(pattern, text) or pytest.fail(f"{pattern!r} is not in {text!r}")


def trained(given, net, loss, **others):
    """Return how many steps a training takes before its error, and the error."""
    data, targets, _ = given
    steps = []
    chosen = options(output_fcn=lambda row: steps.append(row["loss"]), **others)
    with pytest.raises(dl.DlgradientError) as caught:
        dl.trainnet(data, targets, net, loss, chosen)
    return len(steps), str(caught.value)


@pytest.mark.parametrize("wrong", [-1, CLASSES, 7])
@pytest.mark.parametrize("loss", ["crossentropy", "index-crossentropy"])
@pytest.mark.parametrize("form", FORMS)
def test_labels_out_of_range(form, loss, wrong, rng, tmp_path):
    x, t = rng.normal(size=(COUNT, 2)), np.arange(COUNT) % CLASSES
    t[BAD] = wrong
    given = FORMS[form](x, t, ("BC", "B" if loss == "index-crossentropy" else None), tmp_path)
    steps, text = trained(given, classifier(), loss)
    assert steps == (0 if given[2] else 4)
    reason = f"{wrong}, and layer 'end' has 3 classes" if wrong > 0 else "-1; classes are numbers"
    assert said(f"{place_of(form)}.* is {reason}", text)


@pytest.mark.parametrize("wrong", [-1, 3, 1.5])
@pytest.mark.parametrize("loss", ["crossentropy", "binary-crossentropy"])
@pytest.mark.parametrize("form", FORMS)
def test_targets_that_are_no_probabilities(form, loss, wrong, rng, tmp_path):
    x, t = rng.normal(size=(COUNT, 2)), np.eye(CLASSES)[np.arange(COUNT) % CLASSES]
    t[BAD, 1] = wrong
    given = FORMS[form](x, t, ("BC", "BC"), tmp_path)
    last = layers.Softmax if loss == "crossentropy" else layers.Sigmoid
    steps, text = trained(given, classifier(last), loss)
    assert steps == (0 if given[2] else 4)
    assert said(f"{place_of(form)}.* is {wrong}, .* from 0 to 1: on", text)


@pytest.mark.parametrize("form", FORMS)
def test_soft_targets_and_rounded_ones_are_probabilities(form, rng, tmp_path):
    x, t = rng.normal(size=(COUNT, 2)), rng.dirichlet(np.ones(CLASSES), COUNT)
    t[0] = [1 + 1e-7, 0, 0]
    data, targets, _ = FORMS[form](x, t, ("BC", "BC"), tmp_path)
    _, info = dl.trainnet(data, targets, classifier(), "crossentropy", options())
    assert info.stop_reason == "Max epochs completed"


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("side", ["predictors", "targets"])
@pytest.mark.parametrize("form", FORMS)
def test_numbers_that_are_not_finite_are_warned_of(form, side, wrong, rng, tmp_path):
    x, t = rng.normal(size=(COUNT, 2)), rng.normal(size=(COUNT, 2))
    (x if side == "predictors" else t)[BAD, 1] = wrong
    data, targets, in_memory = FORMS[form](x, t, ("BC", "BC"), tmp_path)
    in_memory |= side == "predictors" and form in ("mapped", "view")
    place = place_of(form, side)
    if in_memory:
        place = rf"{side} .*the first is .*\[{BAD}"
    elif form in ("mapped", "view"):
        place = f"{side} of observation {BAD} in mini-batch 5"
    net = [layers.FeatureInput(2), layers.FullyConnected(2)]
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match=place) as caught:
        dl.trainnet(data, targets, net, "mse", options())
    assert sum("not finite" in str(w.message) for w in caught) == 1


@pytest.mark.parametrize("fault", ["labels", "probabilities"])
@pytest.mark.parametrize("form", FORMS)
def test_validation_data_are_looked_at(form, fault, rng, tmp_path):
    x, t = rng.normal(size=(COUNT, 2)), np.arange(COUNT) % CLASSES
    bad = t.copy() if fault == "labels" else np.eye(CLASSES)[t]
    bad[BAD] = 9
    data, targets, _ = FORMS[form](x, bad, ("BC", None if fault == "labels" else "BC"), tmp_path)
    validation = data if targets is None else (data, targets)
    _, text = trained((x, t, True), classifier(), "crossentropy", validation_data=validation)
    assert said(rf"the targets of validation_data.*{BAD}.* is 9", text)


# -- sequences -----------------------------------------------------------------------------------


def sequence_net(channels=2):
    return [
        layers.SequenceInput(channels),
        layers.FullyConnected(CLASSES, name="head"),
        layers.Softmax(name="end"),
    ]


def sequence_forms(xs, ts, fmt, **others):
    return {
        "list": (xs, ts, True),
        "queue": (queue((xs, ts), fmt, **others), None, True),
        "dataset": (queue(Dataset(xs, ts), fmt, **others), None, False),
        "stream": (queue(lambda: zip(xs, ts, strict=True), fmt, **others), None, False),
    }


@pytest.mark.parametrize("wrong", [-1, CLASSES])
@pytest.mark.parametrize("form", ["list", "queue", "dataset", "stream"])
def test_a_wrong_label_of_a_time(form, wrong, rng):
    lengths = 2 + np.arange(COUNT) % 4
    xs = [rng.normal(size=(n, 2)) for n in lengths]
    ts = [np.arange(n) % CLASSES for n in lengths]
    ts[BAD][1] = wrong
    given = sequence_forms(xs, ts, ("TCB", "TB"))[form]
    steps, text = trained(given, sequence_net(), "crossentropy")
    assert steps == (0 if given[2] else 4)
    place = rf"targets\[{BAD}\]\[1\]" if given[2] else f"targets of observation {BAD} in mini-"
    assert said(place, text)


def test_an_array_of_labels_of_times(rng):
    x, t = rng.normal(size=(5, 2, COUNT)), rng.integers(0, CLASSES, (5, COUNT))
    t[3, BAD] = 6
    steps, text = trained((x, t, True), sequence_net(), "crossentropy", target_data_formats="TB")
    assert steps == 0
    assert said(rf"targets\[3, {BAD}\] is 6, and layer 'end' has 3 classes", text)


@pytest.mark.parametrize("form", ["list", "queue", "dataset", "stream"])
@pytest.mark.parametrize("lengths", ["equal", "unequal"])
@pytest.mark.parametrize("shape", ["channels", "dimensions"])
def test_a_sequence_of_another_shape(form, lengths, shape, rng):
    sizes = [4] * COUNT if lengths == "equal" else (2 + np.arange(COUNT) % 4).tolist()
    xs = [rng.normal(size=(n, 2)) for n in sizes]
    ts = [np.eye(CLASSES)[np.arange(n) % CLASSES] for n in sizes]
    xs[BAD] = rng.normal(size=(sizes[BAD], 3) if shape == "channels" else sizes[BAD])
    given = sequence_forms(xs, ts, ("TCB", "TCB"))[form]
    steps, text = trained(given, sequence_net(), "crossentropy")
    assert steps == (0 if given[2] else 4)
    place = rf"predictors\[{BAD}\]" if given[2] else f"observation {BAD}"
    assert said(f"{place} has the shape", text)


def test_a_batch_of_other_channels_is_named(rng):
    xs = [rng.normal(size=2 if i < 16 else 3) for i in range(COUNT)]
    data = queue(Dataset(xs, xs), ("BC", "BC"))
    steps, text = trained((data, None, False), [layers.FeatureInput(2), layers.Relu(),
                          layers.FullyConnected(2)], "mse")  # fmt: skip
    assert steps == 4
    assert said(r"in mini-batch 5, observations 16, 17, 18, 19, have 3 channels, and had 2", text)


def test_what_fails_in_a_step_has_its_place(rng):
    xs = [rng.normal(size=(3, 2)) for _ in range(COUNT)]
    ts = [np.eye(CLASSES)[[0, 1, 2]] for _ in range(COUNT)]
    ts[16:20] = [t[:2] for t in ts[16:20]]
    given = sequence_forms(xs, ts, ("TCB", "TCB"))["dataset"]
    _, text = trained(given, sequence_net(), "crossentropy")
    assert said("in iteration 5, observations 16, 17, 18, 19: crossentropy: ", text)

    def loss(y, t):
        if t.shape[0] == 2:
            raise KeyError("two")
        return dl.mse(y, t)

    given = sequence_forms(xs, ts, ("TCB", "TCB"))["dataset"]
    with pytest.raises(KeyError, match="two") as caught:
        dl.trainnet(given[0], sequence_net(), loss, options())
    assert caught.value.__notes__ == ["trainnet: in iteration 5, observations 16, 17, 18, 19"]


@pytest.mark.parametrize("value", [-1.0, 9.0, 0.5])
@pytest.mark.parametrize("labels", [True, False])
@pytest.mark.parametrize("form", ["list", "queue", "dataset", "stream"])
def test_padding_is_no_fault(form, labels, value, rng):
    lengths = 2 + np.arange(COUNT) % 4
    xs = [rng.normal(size=(n, 2)) for n in lengths]
    ts = [np.arange(n) % CLASSES if labels else np.eye(CLASSES)[np.arange(n) % 3] for n in lengths]
    padding = {"sequence_padding_value": value}
    fmt = ("TCB", "TB" if labels else "TCB")
    data, targets, _ = sequence_forms(xs, ts, fmt, **padding)[form]
    _, info = dl.trainnet(data, targets, sequence_net(), "crossentropy", options(**padding))
    assert info.stop_reason == "Max epochs completed"


def test_missing_classes_of_a_list(rng):
    x, t = rng.normal(size=(COUNT, 2)), (np.arange(COUNT) % 2).tolist()
    steps, text = trained((x, t, True), classifier(), "crossentropy")
    assert steps == 0
    assert said("has 3 classes, and of 24 targets none is 2", text)
