"""Metrics: numbers that say how well a network does, gathered over mini-batches.

A metric is told predictions and targets of one batch after the other, and computes its value from
what it gathered. So it is that of all data at once, whatever the size of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.types import Array, Count, Positive
from dlgradient.errors import IndexingError, InvalidArgumentError
from dlgradient.train.metric import Metric, OfFunction, OfOneOutput, check_lengths, check_sizes
from dlgradient.train.number_metrics import Mape, Rmse, RSquared

__all__ = [
    "Accuracy",
    "Auc",
    "FScore",
    "Mape",
    "Metric",
    "Precision",
    "RSquared",
    "Recall",
    "Rmse",
]

Average: TypeAlias = Literal["macro", "micro", "weighted"]
Mode: TypeAlias = Literal["single-label", "multilabel"]
MetricLike: TypeAlias = "str | Metric | Callable[..., Any]"


class _Counted(OfOneOutput):
    """A metric of the numbers of right and wrong classes, or labels."""

    classification_mode: Mode
    correct: Array
    predicted: Array
    actual: Array
    # Of all decisions, those that are right, and their number.
    agreements: int
    decisions: int

    def __init__(self, mode: Mode, network_output: str | None, name: str | None) -> None:
        self.classification_mode = mode
        super().__init__(network_output, name)

    def reset(self) -> None:
        """Forget what was gathered."""
        self.correct = self.predicted = self.actual = np.zeros(0)
        self.agreements = self.decisions = 0

    def update(self, y: Array, targets: Array) -> None:
        """Count the classes of a batch, or its labels."""
        if self.classification_mode == "multilabel":
            self._count_labels(y > 0.5, wanted_labels(self.name, y, targets))
        else:
            self._count_classes(y, targets)

    def _count_labels(self, found: Array, wanted: Array) -> None:
        new = [np.sum(x, axis=0, dtype=float) for x in (found & wanted, found, wanted)]
        if len(self.actual):
            new = [a + b for a, b in zip(new, self._counts(), strict=True)]
        self.correct, self.predicted, self.actual = new
        self.agreements += int((found == wanted).sum())
        self.decisions += found.size

    def _counts(self) -> tuple[Array, Array, Array]:
        return self.correct, self.predicted, self.actual

    def _count_classes(self, y: Array, targets: Array) -> None:
        count = max(y.shape[-1], 2, len(self.actual))
        found, wanted = classes(y), wanted_classes(self.name, targets, count)
        check_lengths(self.name, found, wanted)
        parts = found[found == wanted], found[found >= 0], wanted
        new = [np.bincount(x, minlength=count).astype(float) for x in parts]
        for total, old in zip(new, self._counts(), strict=True):
            total[: len(old)] += old
        self.correct, self.predicted, self.actual = new
        self.agreements += self._agreements(y, found, wanted)
        self.decisions += len(found)

    def _agreements(self, y: Array, found: Array, wanted: Array) -> int:
        """Return how many observations have the right class."""
        del y
        return int((found == wanted).sum())


class _Averaged(_Counted):
    """A metric of each class, and its average."""

    average: Average

    @checked
    def __init__(
        self,
        *,
        average: Average = "macro",
        classification_mode: Mode = "single-label",
        network_output: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(classification_mode, network_output, name)
        self.average = average

    def evaluate(self) -> float:
        """Return the average; a class that neither occurs nor is predicted has no part in it.

        All labels have: there a value that is not defined is zero, as in scikit-learn.
        """
        counts = np.stack(self._counts())
        if self.classification_mode == "single-label":
            counts = counts[:, counts.any(axis=0)]
        if not counts.size or (self.average == "weighted" and not counts[2].any()):
            return float("nan")
        if self.average == "micro":
            counts = counts.sum(axis=1, keepdims=True)
        weights = counts[2] if self.average == "weighted" else None
        return float(np.average(self.of_classes(*counts), weights=weights))

    def of_classes(self, correct: Array, predicted: Array, actual: Array) -> Array:
        """Return the value of each class."""
        raise NotImplementedError


class Accuracy(_Counted):
    """The share of observations whose class is right.

    Parameters
    ----------
    classification_mode : {"single-label", "multilabel"}
        For "multilabel" an observation may have any labels: outputs above 0.5. Targets are ones and
        zeros, and it is the share of labels that are right.
    num_top_k_classes : int
        A class is right if it has one of the largest k scores.
    network_output : str, optional
        Which output is compared, if the network has several.
    name : str, optional
        What the columns of a history are called.

    Examples
    --------
    >>> metric = dl.metrics.Accuracy()
    >>> metric.update(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([[1, 0], [0, 1]]))
    >>> metric.evaluate()
    0.5

    Source: MATLAB ``accuracyMetric``.
    """

    name = "accuracy"
    num_top_k_classes: Count

    @checked
    def __init__(
        self,
        *,
        classification_mode: Mode = "single-label",
        num_top_k_classes: Count = 1,
        network_output: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(classification_mode, network_output, name)
        self.num_top_k_classes = num_top_k_classes

    def _agreements(self, y: Array, found: Array, wanted: Array) -> int:
        """Return how many observations have the right class among the largest scores."""
        if self.num_top_k_classes == 1 or y.shape[-1] == 1:
            return super()._agreements(y, found, wanted)
        # Of equal scores the first is the largest, as for `argmax`.
        largest = np.argsort(-y, axis=-1, kind="stable")[:, : self.num_top_k_classes]
        inside = (largest == wanted[:, None]).any(-1) & (found >= 0)
        return int(inside.sum())

    def evaluate(self) -> float:
        """Return the share."""
        return self.agreements / self.decisions if self.decisions else float("nan")


class Precision(_Averaged):
    """The share of right ones among the observations of a predicted class, averaged over classes.

    Source: MATLAB ``precisionMetric``; scikit-learn ``precision_score(average="macro")``.

    Parameters
    ----------
    average : {"macro", "micro", "weighted"}
        The mean over classes, the value of all classes together, or the mean weighted by how often
        they occur.
    classification_mode : {"single-label", "multilabel"}
        Whether an observation has one class, or any labels: outputs above 0.5, with targets of ones
        and zeros.
    network_output : str, optional
        Which output is compared, if the network has several.
    name : str, optional
        What the columns of a history are called.
    """

    name = "precision"

    def of_classes(self, correct: Array, predicted: Array, actual: Array) -> Array:
        """Return the value of each class."""
        del actual
        return _ratio(correct, predicted)


class Recall(_Averaged):
    """The share of right ones among the observations of a true class, averaged over classes.

    Source: MATLAB ``recallMetric``; scikit-learn ``recall_score(average="macro")``.

    Parameters
    ----------
    average : {"macro", "micro", "weighted"}
        The mean over classes, the value of all classes together, or the mean weighted by how often
        they occur.
    classification_mode : {"single-label", "multilabel"}
        Whether an observation has one class, or any labels: outputs above 0.5, with targets of ones
        and zeros.
    network_output : str, optional
        Which output is compared, if the network has several.
    name : str, optional
        What the columns of a history are called.
    """

    name = "recall"

    def of_classes(self, correct: Array, predicted: Array, actual: Array) -> Array:
        """Return the value of each class."""
        del predicted
        return _ratio(correct, actual)


class FScore(_Averaged):
    r"""The harmonic mean of precision P and recall R of each class, averaged over classes.

    With `beta` it is :math:`(1 + β^2) P R / (β^2 P + R)`, in which recall has β² times the weight.

    Source: MATLAB ``fScoreMetric``; scikit-learn ``fbeta_score(average="macro")``.

    Parameters
    ----------
    beta : float
    average : {"macro", "micro", "weighted"}
        The mean over classes, the value of all classes together, or the mean weighted by how often
        they occur.
    classification_mode : {"single-label", "multilabel"}
        Whether an observation has one class, or any labels: outputs above 0.5, with targets of ones
        and zeros.
    network_output : str, optional
        Which output is compared, if the network has several.
    name : str, optional
        What the columns of a history are called.
    """

    name = "fscore"
    beta: Positive

    @checked
    def __init__(
        self,
        *,
        beta: Positive = 1.0,
        average: Average = "macro",
        classification_mode: Mode = "single-label",
        network_output: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            average=average,
            classification_mode=classification_mode,
            network_output=network_output,
            name=name,
        )
        self.beta = beta

    def of_classes(self, correct: Array, predicted: Array, actual: Array) -> Array:
        """Return the value of each class."""
        square = self.beta**2
        return _ratio((1 + square) * correct, predicted + square * actual)


def _ratio(part: Array, whole: Array, otherwise: float = 0.0) -> Array:
    ratio: Array = np.full_like(part, otherwise)
    return np.divide(part, whole, out=ratio, where=whole > 0)


class Auc(OfOneOutput):
    """The area under the curve of true over false positives, averaged over classes.

    Parameters
    ----------
    average : {"macro", "micro", "weighted"}
        The mean over classes, the area of all scores together, or the mean weighted by how often
        classes occur.
    classification_mode : {"single-label", "multilabel"}
        Whether an observation has one class, or any labels, with targets of ones and zeros.
    network_output : str, optional
        Which output is compared, if the network has several.
    name : str, optional
        What the columns of a history are called.

    See Also
    --------
    dlgradient.testnet : metrics of a trained network.

    Examples
    --------
    >>> scores = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    >>> metric = dl.metrics.Auc()
    >>> metric.update(scores, np.array([[1, 0], [1, 0], [0, 1]]))
    >>> metric.evaluate()
    1.0

    Source: MATLAB ``aucMetric``; scikit-learn ``roc_auc_score``.
    """

    name = "auc"
    average: Average
    classification_mode: Mode
    batches: list[tuple[Array, Array]]

    @checked
    def __init__(
        self,
        *,
        average: Average = "macro",
        classification_mode: Mode = "single-label",
        network_output: str | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(network_output, name)
        self.average, self.classification_mode = average, classification_mode

    def reset(self) -> None:
        """Forget what was gathered."""
        self.batches: list[tuple[Array, Array]] = []

    def update(self, y: Array, targets: Array) -> None:
        """Keep the scores and the classes of a batch, as vectors of ones and zeros."""
        if self.classification_mode == "multilabel":
            self.batches.append((y, wanted_labels(self.name, y, targets)))
            return
        classes = wanted_classes(self.name, targets, max(y.shape[-1], 2))
        check_lengths(self.name, y, classes)
        if y.shape[-1] == 1:
            y = np.concatenate([1 - y, y], -1)
        self.batches.append((y, classes[:, None] == np.arange(y.shape[-1])))

    def evaluate(self) -> float:
        """Return the average over the classes that occur, and do not always.

        It is NaN if a score is.
        """
        if not self.batches:
            return float("nan")
        scores, wanted = (np.concatenate([b[i] for b in self.batches]) for i in range(2))
        if np.isnan(scores).any():
            return float("nan")
        if self.average == "micro":
            scores, wanted = scores.reshape(-1, 1), wanted.reshape(-1, 1)
        counts = wanted.sum(0)
        known = np.flatnonzero((counts > 0) & (counts < len(wanted)))
        if not known.size:
            return float("nan")
        areas = [_area(scores[:, k], wanted[:, k]) for k in known]
        weights = counts[known] if self.average == "weighted" else None
        return float(np.average(areas, weights=weights))


def _area(scores: Array, inside: Array) -> float:
    """Return the share of pairs, one inside and one not, that the scores order rightly."""
    count = float(inside.sum())
    ranks = float(_mean_ranks(scores)[inside].sum())
    return (ranks - count * (count + 1) / 2) / (count * (len(scores) - count))


def _mean_ranks(x: Array) -> Array:
    """Return ranks from 1; equal elements share the mean of theirs."""
    _, places, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - (counts - 1) / 2)[places]
    return ranks


BY_NAME: dict[str, type[Metric]] = {
    kind.name: kind for kind in (Accuracy, Auc, FScore, Mape, Precision, RSquared, Recall, Rmse)
}


def metric_of(value: MetricLike) -> Metric:
    """Return a metric from its name, an instance, a class or a function."""
    if isinstance(value, Metric):
        return value
    if isinstance(value, type) and issubclass(value, Metric):
        return value()
    if isinstance(value, str):
        kind = BY_NAME.get(value.lower().replace("-", "").replace("_", ""))
        if kind is not None:
            return kind()
    elif callable(value):
        return OfFunction(value)
    raise InvalidArgumentError(
        f"metrics: {value!r} is no metric; write one of {', '.join(BY_NAME)}, or give a Metric or "
        "a function of predictions and targets"
    )


def metrics_of(value: Any) -> tuple[Metric, ...]:
    """Return the metrics of one, or of a list."""
    given = value if isinstance(value, list | tuple) else [value]
    return tuple([metric_of(v) for v in given])


def classes(rows: Array) -> Array:
    """Return the class of each row: the largest score; of one column a threshold or an index.

    It is -1, which no target is, if a score is NaN.
    """
    column = rows[:, 0]
    if rows.shape[-1] > 1:
        found: Array = rows.argmax(-1)
    else:
        found = (column > 0.5 if column.dtype.kind == "f" else column).astype(int)
    if rows.dtype.kind == "f":
        found[np.isnan(rows).any(-1)] = -1
    return found


def wanted_classes(name: str, targets: Array, count: int) -> Array:
    """Return the class of each row of targets: one-hot vectors, or indices from 0 to `count`."""
    if targets.shape[-1] > 1:
        return classes(targets)
    column = targets[:, 0]
    found: Array = column.astype(int)
    wrong = column[(found != column) | (found < 0) | (found >= count)]
    if wrong.size:
        raise IndexingError(
            f"metric {name}: a target is {wrong[0]}, but there are {count} classes, from 0 to "
            f"{count - 1}; make labels indices that begin with 0, as numpy.unique(labels, "
            "return_inverse=True) does"
        )
    return found


def wanted_labels(name: str, y: Array, targets: Array) -> Array:
    """Return which labels each row of targets has: ones and zeros, as many as there are outputs."""
    check_sizes(name, y, targets)
    strange = targets[(targets != 0) & (targets != 1)]
    if strange.size:
        raise InvalidArgumentError(
            f"metric {name}: targets of classification_mode='multilabel' are ones and zeros, and "
            f"one is {strange[0]}"
        )
    found: Array = targets != 0
    return found
