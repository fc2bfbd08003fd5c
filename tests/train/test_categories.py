"""Categorical data: texts and categories of pandas as targets and as predictors."""

import numpy as np
import pandas as pd
import pytest

import dlgradient as dl
from dlgradient import layers

NAMES = ["oak", "ash", "elm"]  # not in the order of the alphabet


def options(**others):
    chosen = {"max_epochs": 2, "mini_batch_size": 8, "verbose": False, "generator": 0}
    chosen["initial_learn_rate"] = 0.1
    return dl.training_options("adam", **{**chosen, **others})


def classifier(count=3, size=2):
    return [layers.FeatureInput(size), layers.FullyConnected(count), layers.Softmax()]


@pytest.fixture
def data(rng):
    codes = np.arange(30) % 3
    x = (np.eye(3)[codes][:, :2] * 3 + rng.normal(size=(30, 2)) / 5).astype(np.float32)
    return x, codes


FORMS = {
    "array of texts": lambda t: t,
    "array of objects": lambda t: t.astype(object),
    "column": lambda t: t[:, None],
    "list": lambda t: t.tolist(),
    "bytes": lambda t: t.astype("S"),
    "series": lambda t: pd.Series(t, index=np.arange(7, 37)),
    "series of objects": lambda t: pd.Series(t, dtype=object),
    "frame": lambda t: pd.DataFrame({"tree": t}),
    "series of categories": lambda t: pd.Series(t, dtype=pd.CategoricalDtype(NAMES)),
    "categorical": lambda t: pd.Categorical(t, NAMES),
    "index": lambda t: pd.CategoricalIndex(t, categories=NAMES),
    "frame of categories": lambda t: pd.DataFrame({"tree": pd.Categorical(t, NAMES)}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("loss", ["crossentropy", "index-crossentropy"])
def test_labels_are_classes(form, loss, data):
    """Texts in the order of the alphabet, categories in theirs."""
    x, codes = data
    labels = FORMS[form](np.array(NAMES)[codes])
    net, info = dl.trainnet(x, labels, classifier(), loss, options(max_epochs=15))
    names = NAMES if "categor" in form or form == "index" else sorted(NAMES)
    names = [name.encode() for name in names] if form == "bytes" else names
    assert info.class_names == names
    index = [names.index(NAMES[c].encode() if form == "bytes" else NAMES[c]) for c in codes]
    want, _ = dl.trainnet(x, np.array(index), classifier(), loss, options(max_epochs=15))
    assert net == want
    assert dl.testnet(net, x, labels, "accuracy", class_names=info.class_names) > 0.9
    read = dl.scores2label(dl.minibatchpredict(net, x), info.class_names)
    assert (read == np.asarray(labels).ravel()).mean() > 0.9


@pytest.mark.parametrize("encoding", ["auto", "integer", "one-hot"])
def test_encodings_of_targets(encoding, data):
    """A function gets vectors, unless integers are asked for; named losses take both."""
    x, codes = data
    seen = []

    def loss(y, t):
        seen.append(t)
        return dl.crossentropy(y, t) if isinstance(t, dl.dlarray) else dl.indexcrossentropy(y, t)

    chosen = options(categorical_target_encoding=encoding)
    labels = np.array(NAMES)[codes]
    net, info = dl.trainnet(x, labels, classifier(), loss, chosen)
    assert dl.dims(seen[0]) == "BC" if encoding != "integer" else seen[0].dtype.kind == "i"
    named, _ = dl.trainnet(x, labels, classifier(), "crossentropy", chosen)
    for key, value in named.learnables.items():
        np.testing.assert_allclose(net.learnables[key], value, rtol=1e-5, atol=1e-6)
    assert info.class_names == sorted(NAMES)


def test_other_losses_get_vectors(data):
    x, codes = data
    net = [layers.FeatureInput(2), layers.FullyConnected(3), layers.Sigmoid()]
    _, info = dl.trainnet(
        x, np.array(NAMES)[codes], net, "binary-crossentropy", options(max_epochs=9)
    )
    assert info.training_history["loss"][-1] < info.training_history["loss"][0]


def test_validation_data_have_the_classes_of_the_training(data):
    x, codes = data
    labels = np.array(NAMES)[codes]
    held = x[:2], labels[:2]  # only two of the classes
    chosen = options(validation_data=held, metrics="accuracy", max_epochs=40)
    _, info = dl.trainnet(x, labels, classifier(), "crossentropy", chosen)
    assert info.validation_history["accuracy"][-1] == 1
    other = pd.Categorical(labels[:2], NAMES[::-1])
    chosen = options(validation_data=(x[:2], other), metrics="accuracy", max_epochs=40)
    _, again = dl.trainnet(x, pd.Categorical(labels, NAMES), classifier(), "crossentropy", chosen)
    assert again.validation_history["accuracy"][-1] == 1


def test_categories_that_do_not_occur_are_classes(data):
    x, codes = data
    labels = pd.Categorical(np.array(NAMES)[codes], [*NAMES, "yew"])
    net, info = dl.trainnet(x, labels, classifier(4), "crossentropy", options())
    assert info.class_names == [*NAMES, "yew"]
    assert dl.minibatchpredict(net, x).shape == (30, 4)


def test_categories_may_be_numbers(data):
    x, codes = data
    labels = pd.Categorical(np.array([10, 2, 7])[codes])
    net, info = dl.trainnet(x, labels, classifier(), "crossentropy", options())
    assert info.class_names == [2, 7, 10]
    assert dl.testnet(net, x, labels, "accuracy", class_names=[2, 7, 10]) >= 0


def test_a_class_for_each_element(rng):
    """Integers of texts in any shape, as for the segmentation of sequences."""
    x = rng.normal(size=(6, 2, 9)).astype(np.float32)
    labels = np.where(x[:, 0] > 0, "up", "down")
    net = [layers.SequenceInput(2), layers.FullyConnected(2), layers.Softmax()]
    chosen = options(target_data_formats="TB", categorical_target_encoding="integer")
    _, info = dl.trainnet(x, labels, net, "index-crossentropy", chosen)
    assert info.class_names == ["down", "up"]


def test_two_arrays_of_targets(data):
    x, codes = data
    net = dl.dlnetwork(classifier(), initialize=False)
    net = net.add_layers([layers.FullyConnected(1, name="other")]).connect_layers("input", "other")

    def loss(y, z, t, u):
        return dl.crossentropy(y, t) + dl.mse(z, u)

    targets = (np.array(NAMES)[codes], x[:, :1])
    _, info = dl.trainnet(x, targets[::-1], net, lambda y, z, u, t: loss(y, z, t, u), options())
    assert info.class_names == [None, sorted(NAMES)]


@pytest.mark.parametrize("encoding", ["integer", "one-hot"])
def test_predictors_in_a_data_frame(encoding, rng):
    """Numbers stay, categories become a channel, or one for each category."""
    frame = pd.DataFrame(
        {
            "height": rng.normal(size=12),
            "tree": pd.Categorical(np.array(NAMES)[np.arange(12) % 3], NAMES),
            "old": pd.Categorical(np.arange(12) % 2 > 0),
        }
    )
    codes = [np.arange(12) % n for n in (3, 2)]
    if encoding == "integer":
        matrix = np.stack([frame["height"], *codes], 1)
    else:
        matrix = np.concatenate([frame[["height"]], np.eye(3)[codes[0]], np.eye(2)[codes[1]]], 1)
    size = matrix.shape[1]
    net = [layers.FeatureInput(size, normalization="zscore"), layers.FullyConnected(1)]
    t = rng.normal(size=(12, 1))
    chosen = options(categorical_input_encoding=encoding, validation_data=(frame[:5], t[:5]))
    found, info = dl.trainnet(frame, t, net, "mse", chosen)
    want, history = dl.trainnet(matrix, t, net, "mse", options(validation_data=(matrix[:5], t[:5])))
    assert found == want
    assert info.validation_history == history.validation_history
    y = dl.minibatchpredict(found, frame, categorical_input_encoding=encoding)
    np.testing.assert_array_equal(y, dl.minibatchpredict(want, matrix))
    rmse = dl.testnet(found, frame, t, "rmse", categorical_input_encoding=encoding)
    assert rmse == dl.testnet(want, matrix, t, "rmse")


def test_one_array_of_categories_as_predictor(data):
    x, codes = data
    trees = pd.Categorical(np.array(NAMES)[codes], NAMES)
    net = [layers.FeatureInput(1), layers.FullyConnected(2)]
    found, _ = dl.trainnet(trees, x, net, "mse", options())
    assert found == dl.trainnet(codes[:, None], x, net, "mse", options())[0]


def frame(labels):
    return pd.DataFrame({"a": np.arange(30.0), "tree": labels})


WRONG = {
    r"trainnet: the targets of validation_data\[1\] is 'yew', and the classes are 'ash', 'elm'": (
        lambda x, t: (x, t, classifier(), options(validation_data=(x[:2], ["oak", "yew"])))
    ),
    r"trainnet: targets\[4\] is None, and the classes": lambda x, t: (
        x,
        np.where(np.arange(30) == 4, None, t.astype(object)),
        classifier(),
        options(),
    ),
    r"trainnet: targets\[4\] is nan, and the classes": lambda x, t: (
        x,
        pd.Series(t).mask(np.arange(30) == 4),
        classifier(),
        options(),
    ),
    "'softmax' has 5 classes, and the targets have the 3 classes 'ash', 'elm', 'oak'; .*ted.3.": (
        lambda x, t: (x, t, classifier(5), options())
    ),
    r"predictors\['tree'\] are texts; make them categories": lambda _, t: (
        frame(t),
        t,
        classifier(),
        options(),
    ),
    r"the predictors of validation_data\['tree'\] have the categories 'ash', 'elm', and had": (
        lambda _, t: (
            frame(pd.Categorical(t)),
            t,
            classifier(),
            options(validation_data=(frame(pd.Categorical(t))[1:3].apply(
                lambda c: c.cat.remove_unused_categories() if c.name == "tree" else c), t[1:3])),
        )
    ),
    "targets have shape .5, 6., and one-hot vectors are made of one label": lambda x, _: (
        x[:5],
        np.full((5, 6), "a"),
        classifier(),
        options(categorical_target_encoding="one-hot"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_mistakes_are_answered(text, data):
    x, codes = data
    x, t, net, chosen = WRONG[text](x, np.array(NAMES)[codes])
    with pytest.raises(dl.InvalidArgumentError, match=text):
        dl.trainnet(x, t, net, "crossentropy", chosen)


def test_metrics_need_the_classes_of_the_training(data):
    x, codes = data
    net = dl.dlnetwork(classifier())
    for labels in (np.array(NAMES)[codes], pd.Categorical(np.array(NAMES)[codes])):
        with pytest.raises(dl.InvalidArgumentError, match=r"give class_names=info\.class_names"):
            dl.testnet(net, x, labels, "accuracy")
    with pytest.raises(dl.InvalidArgumentError, match=r"testnet: targets\[0\] is 'oak', and the"):
        dl.testnet(net, x, np.array(NAMES)[codes], "accuracy", class_names=["ash", "elm"])
