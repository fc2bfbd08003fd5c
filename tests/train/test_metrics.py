"""Metrics against scikit-learn's, whatever the batches; schedules by their formulas."""

import numpy as np
import pytest
from sklearn import metrics as reference

import dlgradient as dl
from dlgradient.train.metrics import BY_NAME


@pytest.mark.parametrize("batch", [7, 60])
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("accuracy", reference.accuracy_score),
        ("precision", lambda t, y: reference.precision_score(t, y, average="macro")),
        ("recall", lambda t, y: reference.recall_score(t, y, average="macro")),
        ("fscore", lambda t, y: reference.f1_score(t, y, average="macro")),
    ],
)
def test_classification(name, function, batch, rng):
    scores, labels = rng.random((60, 4)), rng.integers(0, 4, 60)
    metric = BY_NAME[name]()
    for k in range(0, 60, batch):
        metric.update(scores[k : k + batch], labels[k : k + batch, None])
    assert metric.evaluate() == pytest.approx(function(labels, scores.argmax(1)))


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("name", ["precision", "recall", "fscore"])
def test_averages_where_classes_are_missing(name, average, rng):
    function = {"precision": "precision_score", "recall": "recall_score", "fscore": "f1_score"}
    kind = type(BY_NAME[name]())
    for size in (3, 5, 9, 40):
        scores, labels = rng.random((size, 6)), rng.integers(0, 6, size)
        metric = kind(average=average)
        for k in range(0, size, 4):
            metric.update(scores[k : k + 4], labels[k : k + 4, None])
        want = getattr(reference, function[name])(
            labels, scores.argmax(1), average=average, zero_division=0
        )
        assert metric.evaluate() == pytest.approx(want)
        metric.reset()
        assert np.isnan(metric.evaluate())


def test_wrong_lengths_and_averages():
    with pytest.raises(dl.InvalidArgumentError, match="average must be one of 'macro', 'micro'"):
        dl.metrics.Recall(average="mean")
    metric = dl.metrics.Accuracy()
    with pytest.raises(dl.ShapeMismatchError, match="of 2 observations, and targets of 3"):
        metric.update(np.eye(2), np.zeros((3, 1)))
    assert np.isnan(metric.evaluate())


def test_area_under_the_curve(rng):
    labels = rng.integers(0, 3, 80)
    scores = np.round(rng.random((80, 3)), 1)  # with ties
    metric = dl.metrics.Auc()
    metric.update(scores[:30], labels[:30, None])
    metric.update(scores[30:], np.eye(3)[labels[30:]])
    want = np.mean([reference.roc_auc_score(labels == k, scores[:, k]) for k in range(3)])
    assert metric.evaluate() == pytest.approx(want)


@pytest.mark.parametrize(
    ("metric", "function"),
    [
        (dl.metrics.Rmse, reference.root_mean_squared_error),
        (dl.metrics.Mape, lambda t, y: 100 * reference.mean_absolute_percentage_error(t, y)),
        (dl.metrics.RSquared, reference.r2_score),
    ],
)
def test_regression(metric, function, rng):
    t = rng.uniform(1, 2, size=(50, 1))
    y = t + rng.normal(size=(50, 1))
    found = metric()
    for k in range(0, 50, 13):
        found.update(y[k : k + 13], t[k : k + 13])
    assert found.evaluate() == pytest.approx(function(t, y))
    found.reset()
    with pytest.raises(dl.ShapeMismatchError, match=r"predictions have shape \(3, 1\)"):
        found.update(np.zeros((3, 1)), np.zeros((2, 1)))


def test_a_function_is_a_metric(rng):
    x = rng.normal(size=(10, 1))

    def bias(y, t):
        return (y - t).mean()

    net = dl.dlnetwork([dl.layers.FeatureInput(1)])
    assert dl.testnet(net, x, x + 1, bias, mini_batch_size=4) == pytest.approx(-1, rel=1e-6)


@pytest.mark.parametrize("unit", ["epoch", "iteration"])
def test_a_schedule_of_a_user_and_its_unit(unit):
    from dlgradient.train.schedules import factor_at

    class Halved(dl.schedules.Schedule):
        def factor(self, time):
            return 0.5**time

    schedule = Halved(frequency_unit=unit)
    assert factor_at([schedule], 2, 5) == (0.25 if unit == "epoch" else 0.5**5)
    with pytest.raises(dl.DlgradientError, match=r"schedules\.Cosine: unknown keyword 'Period'"):
        dl.schedules.Cosine(Period=3)


@pytest.mark.parametrize("name", ["accuracy", "precision", "recall", "fscore", "auc"])
@pytest.mark.parametrize(
    ("labels", "found"), [([1, 2, 3], "3"), ([-1, 0, 1], "-1"), ([0.5, 0, 1], "0.5")]
)
def test_labels_that_are_no_classes_are_refused(name, labels, found):
    metric = BY_NAME[name]()
    with pytest.raises(dl.IndexingError, match=f"metric {name}: a target is {found}.*from 0 to 2"):
        metric.update(np.eye(3), np.array(labels)[:, None])


def test_a_queue_has_its_targets(rng):
    x, labels = rng.normal(size=(9, 2)), rng.integers(0, 2, 9)
    net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.Softmax()])
    queue = dl.minibatchqueue((x, labels), mini_batch_size=4, mini_batch_format=("BC", None))
    found = dl.testnet(net, queue, ["accuracy", "recall"])
    assert found == dl.testnet(net, x, labels, ["accuracy", "recall"])
    assert dl.testnet(net, queue, "accuracy") == np.mean(x.argmax(1) == labels)


def test_sequences_in_another_order_are_refused_with_the_format(rng):
    x = [rng.normal(size=(3, n)) for n in (4, 6)]
    with pytest.raises(dl.errors.ShapeMismatchError, match=r"'TC' only dimension 0, .*transpose"):
        dl.minibatchqueue((x,), mini_batch_format="BTC").next()


# -- several labels for an observation, and averages of areas --------------------------------------

BY_SKLEARN = {"precision": "precision_score", "recall": "recall_score", "fscore": "f1_score"}


def gathered(metric, y, t, size):
    for k in range(0, len(y), size):
        metric.update(y[k : k + size], t[k : k + size])
    return metric.evaluate()


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("name", BY_SKLEARN)
def test_labels_are_counted_as_by_scikit_learn(name, average, rng):
    """Also labels that nobody has or predicts, of which scikit-learn makes zero."""
    kind = type(BY_NAME[name]())
    for count in (1, 5, 60):
        scores = rng.random((count, 5)) * [1, 1, 1, 0.4, 1]
        labels = (rng.random((count, 5)) < [0.5, 0.2, 0.9, 0, 0]).astype(int)
        want = getattr(reference, BY_SKLEARN[name])(
            labels, (scores > 0.5).astype(int), average=average, zero_division=0
        )
        metric = kind(average=average, classification_mode="multilabel")
        found = gathered(metric, scores, labels, 7)
        unknown = average == "weighted" and not labels.any()
        assert np.isnan(found) if unknown else found == pytest.approx(want)
        metric.reset()
        assert np.isnan(metric.evaluate())


def test_accuracy_of_labels_is_the_share_of_right_ones(rng):
    scores, labels = rng.random((60, 4)), rng.integers(0, 2, (60, 4))
    metric = dl.metrics.Accuracy(classification_mode="multilabel")
    want = 1 - reference.hamming_loss(labels, (scores > 0.5).astype(int))
    assert gathered(metric, scores, labels.astype(float), 7) == pytest.approx(want)


@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
@pytest.mark.parametrize("mode", ["single-label", "multilabel"])
def test_averages_of_areas(mode, average, rng):
    scores = np.round(rng.random((80, 4)), 1)
    scores /= scores.sum(1, keepdims=True)
    classes = rng.choice(4, 80, p=[0.1, 0.5, 0.2, 0.2])
    labels = (rng.random((80, 4)) < [0.1, 0.5, 0.2, 0.8]).astype(int)
    metric = dl.metrics.Auc(average=average, classification_mode=mode)
    if mode == "multilabel":
        found, want = labels, reference.roc_auc_score(labels, scores, average=average)
    else:
        found = classes[:, None]
        want = reference.roc_auc_score(classes, scores, average=average, multi_class="ovr")
    assert gathered(metric, scores, found, 9) == pytest.approx(want)
    metric.reset()
    assert np.isnan(metric.evaluate())


def test_a_label_that_all_or_none_have_has_no_area(rng):
    scores = rng.random((20, 3))
    labels = np.stack([np.ones(20), np.zeros(20), np.arange(20) % 2], 1)
    metric = dl.metrics.Auc(classification_mode="multilabel")
    want = reference.roc_auc_score(labels[:, 2], scores[:, 2])
    assert gathered(metric, scores, labels, 20) == pytest.approx(want)


def test_labels_in_a_training(rng):
    x = rng.normal(size=(60, 3)).astype(np.float32)
    net = [dl.layers.FeatureInput(3), dl.layers.FullyConnected(3), dl.layers.Sigmoid()]
    mode = {"classification_mode": "multilabel"}
    chosen = dl.training_options(
        "adam",
        max_epochs=30,
        initial_learn_rate=0.1,
        mini_batch_size=20,
        metrics=[dl.metrics.Accuracy(**mode), dl.metrics.FScore(**mode), dl.metrics.Auc(**mode)],
        verbose=False,
        generator=0,
    )
    _, info = dl.trainnet(x, (x > 0).astype(float), net, "binary-crossentropy", chosen)
    assert all(info.training_history[name][-1] > 0.9 for name in ("accuracy", "fscore", "auc"))


@pytest.mark.parametrize("name", ["accuracy", "precision", "recall", "fscore", "auc"])
def test_targets_that_are_no_labels_are_refused(name):
    metric = type(BY_NAME[name]())(classification_mode="multilabel")
    with pytest.raises(dl.InvalidArgumentError, match="ones and zeros, and one is 2"):
        metric.update(np.eye(2), np.array([[0, 1], [2, 1]]))
    with pytest.raises(dl.ShapeMismatchError, match="predictions have shape"):
        metric.update(np.eye(2), np.array([[0], [1]]))


# -- every metric against scikit-learn, on data with ties, missing classes, and few observations ---

AVERAGES = ("macro", "micro", "weighted")
SIZES = (1, 2, 5, 40)


def tied(rng, size, count):
    """Return probabilities with ties, and classes of which some are missing."""
    scores = rng.integers(0, 4, (size, count)) + 1e-3
    return scores / scores.sum(1, keepdims=True), rng.choice([0, 2, count - 1], size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_right_class_among_the_largest(k, size, rng):
    scores, labels = rng.random((size, 4)), rng.integers(0, 4, size)
    metric = dl.metrics.Accuracy(num_top_k_classes=k)
    want = reference.top_k_accuracy_score(labels, scores, k=k, labels=range(4)) if k < 4 else 1
    assert gathered(metric, scores, labels[:, None], 3) == pytest.approx(want)


def test_of_equal_scores_the_first_is_the_largest():
    y = np.zeros((4, 4))
    for k in (1, 2, 3):
        metric = dl.metrics.Accuracy(num_top_k_classes=k)
        assert gathered(metric, y, np.arange(4)[:, None], 4) == k / 4


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("mode", ["single-label", "multilabel"])
def test_scores_that_weigh_recall(mode, average, beta, rng):
    metric = dl.metrics.FScore(beta=beta, average=average, classification_mode=mode)
    for size in SIZES:
        scores, labels = tied(rng, size, 5)
        found, want = scores.argmax(1), labels
        targets = labels[:, None]
        if mode == "multilabel":
            scores, targets = rng.random((size, 3)), rng.integers(0, 2, (size, 3))
            targets[0, 0] = 1
            found, want = (scores > 0.5).astype(int), targets
        metric.reset()
        right = reference.fbeta_score(want, found, beta=beta, average=average, zero_division=0)
        assert gathered(metric, scores, targets, 3) == pytest.approx(right)
    with pytest.raises(dl.InvalidArgumentError, match="beta must be"):
        dl.metrics.FScore(beta=0)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("name", BY_SKLEARN)
def test_ties_and_missing_classes(name, average, rng):
    metric = type(BY_NAME[name]())(average=average)
    for size in SIZES:
        scores, labels = tied(rng, size, 5)
        metric.reset()
        want = getattr(reference, BY_SKLEARN[name])(
            labels, scores.argmax(1), average=average, zero_division=0
        )
        assert gathered(metric, scores, labels[:, None], 3) == pytest.approx(want)


@pytest.mark.parametrize("average", ["macro", "weighted"])
def test_areas_of_the_classes_that_occur(average, rng):
    metric = dl.metrics.Auc(average=average)
    for size in SIZES:
        scores, labels = tied(rng, size, 5)
        metric.reset()
        known = [k for k in range(5) if 0 < (labels == k).sum() < size]
        areas = [reference.roc_auc_score(labels == k, scores[:, k]) for k in known]
        weights = [(labels == k).sum() for k in known] if average == "weighted" else None
        want = np.average(areas, weights=weights) if known else np.nan
        assert gathered(metric, scores, labels[:, None], 3) == pytest.approx(want, nan_ok=True)


@pytest.mark.parametrize("size", SIZES)
def test_one_column_of_scores(size, rng):
    """The probability of the second of two classes."""
    y, labels = np.round(rng.random((size, 1)), 1), rng.integers(0, 2, size)
    found = (y[:, 0] > 0.5).astype(int)
    for name, want in (
        ("accuracy", reference.accuracy_score(labels, found)),
        ("recall", reference.recall_score(labels, found, average="macro", zero_division=0)),
        ("fscore", reference.f1_score(labels, found, average="macro", zero_division=0)),
    ):
        assert gathered(BY_NAME[name](), y, labels[:, None], 2) == pytest.approx(want)
    if 0 < labels.sum() < size:
        want = reference.roc_auc_score(labels, y[:, 0])
        assert gathered(BY_NAME["auc"](), y, labels[:, None], 2) == pytest.approx(want)


def test_scores_outside_of_probabilities_in_one_column():
    """Whole numbers are compared with the threshold, too, whichever are in a batch."""
    y, labels = np.array([[3.0], [-2.0], [0.7], [1.0]]), np.array([[1], [0], [1], [1]])
    for size in (1, 2, 4):
        assert gathered(dl.metrics.Accuracy(), y, labels, size) == 1


@pytest.mark.parametrize("name", ["accuracy", "precision", "recall", "fscore"])
def test_scores_that_are_no_numbers_are_wrong(name):
    """All classes are 0, which the place of the first NaN is."""
    y, labels = np.full((6, 3), np.nan), np.zeros((6, 1), int)
    assert gathered(BY_NAME[name](), y, labels, 4) == 0
    y[:3] = [1, 0, 0]
    assert gathered(dl.metrics.Accuracy(), y, labels, 4) == 0.5
    assert gathered(dl.metrics.Accuracy(num_top_k_classes=2), y, labels, 4) == 0.5
    assert np.isnan(gathered(dl.metrics.Auc(), y, np.arange(6)[:, None] % 3, 4))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_numbers_of_several_channels(channels, size, rng):
    t = rng.uniform(1, 2, (size, channels)) * [1, 10, 100][:channels]
    y = t + rng.normal(size=t.shape)
    for name, want in (
        ("rmse", reference.mean_squared_error(t, y) ** 0.5),
        ("mape", 100 * reference.mean_absolute_percentage_error(t, y)),
    ):
        assert gathered(BY_NAME[name](), y, t, 3) == pytest.approx(want)
    if size > 1:
        want = reference.r2_score(t, y, multioutput="variance_weighted", force_finite=False)
        assert gathered(BY_NAME["rsquared"](), y, t, 3) == pytest.approx(want)


def test_targets_that_say_nothing():
    """Nothing gathered, zeros and constants: NaN and infinity, and no warning."""
    for name in BY_NAME:
        assert np.isnan(BY_NAME[name]().evaluate())
    one, zero = np.ones((3, 1)), np.zeros((3, 1))
    assert gathered(dl.metrics.Mape(), one, zero, 2) == np.inf
    assert np.isnan(gathered(dl.metrics.Mape(), zero, zero, 2))
    assert np.isnan(gathered(dl.metrics.RSquared(), one, one, 2))
    assert gathered(dl.metrics.RSquared(), zero, one, 2) == -np.inf
