"""Metrics: numbers that say how well a network does, gathered over mini-batches.

A metric is told predictions and targets of one batch after the other, and computes its value from
what it gathered. So it is that of all data at once, whatever the size of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.spelling import AnswersByName
from dlgradient.core.types import Array, Operand
from dlgradient.engine.array import dlarray, extractdata
from dlgradient.errors import IndexingError, InvalidArgumentError, ShapeMismatchError, located

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


class Metric(AnswersByName):
    """The base class of metrics; derive your own from it.

    Write ``update(self, y, targets)``, which gathers raw arrays, ``evaluate(self)``, which returns
    a number, and ``reset(self)``. In ``y`` and ``targets`` the observations are rows, and columns
    are the channels.

    Source: MATLAB ``deep.Metric``.

    Attributes
    ----------
    name : str
        What the columns of a history are called.
    maximize : bool
        Whether a larger value is better.
    """

    name = "metric"
    maximize = True

    def reset(self) -> None:
        """Forget what was gathered."""
        raise NotImplementedError(
            located(
                f"metric {type(self).__name__} has no reset(self)",
                "errors.html#exceptions-of-python",
            )
        )

    def update(self, y: Array, targets: Array) -> None:
        """Gather a batch."""
        raise NotImplementedError(
            located(
                f"metric {type(self).__name__} has no update(self, y, targets)",
                "errors.html#exceptions-of-python",
            )
        )

    def evaluate(self) -> float:
        """Return the value for all that was gathered."""
        raise NotImplementedError(
            located(
                f"metric {type(self).__name__} has no evaluate(self)",
                "errors.html#exceptions-of-python",
            )
        )


class _Counted(Metric):
    """A metric of the numbers of right and wrong classes, or labels."""

    def __init__(self, mode: Mode) -> None:
        self.classification_mode = mode
        self.reset()

    def reset(self) -> None:
        """Forget what was gathered."""
        self.correct = self.predicted = self.actual = np.zeros(0)
        # Of all decisions, those that are right, and their number.
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
        _check_lengths(self.name, found, wanted)
        new = [
            np.bincount(x, minlength=count).astype(float)
            for x in (found[found == wanted], found, wanted)
        ]
        for total, old in zip(new, self._counts(), strict=True):
            total[: len(old)] += old
        self.correct, self.predicted, self.actual = new
        self.agreements += int((found == wanted).sum())
        self.decisions += len(found)


class _Averaged(_Counted):
    """A metric of each class, and its average."""

    @checked
    def __init__(
        self, *, average: Average = "macro", classification_mode: Mode = "single-label"
    ) -> None:
        super().__init__(classification_mode)
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

    Examples
    --------
    >>> metric = dl.metrics.Accuracy()
    >>> metric.update(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([[1, 0], [0, 1]]))
    >>> metric.evaluate()
    0.5

    Source: MATLAB ``accuracyMetric``.
    """

    name = "accuracy"

    @checked
    def __init__(self, *, classification_mode: Mode = "single-label") -> None:
        super().__init__(classification_mode)

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
    """

    name = "recall"

    def of_classes(self, correct: Array, predicted: Array, actual: Array) -> Array:
        """Return the value of each class."""
        del predicted
        return _ratio(correct, actual)


class FScore(_Averaged):
    """The harmonic mean of precision and recall of each class, averaged over classes.

    Source: MATLAB ``fScoreMetric``; scikit-learn ``f1_score(average="macro")``.

    Parameters
    ----------
    average : {"macro", "micro", "weighted"}
        The mean over classes, the value of all classes together, or the mean weighted by how often
        they occur.
    classification_mode : {"single-label", "multilabel"}
        Whether an observation has one class, or any labels: outputs above 0.5, with targets of ones
        and zeros.
    """

    name = "fscore"

    def of_classes(self, correct: Array, predicted: Array, actual: Array) -> Array:
        """Return the value of each class."""
        return _ratio(2 * correct, predicted + actual)


def _ratio(part: Array, whole: Array, otherwise: float = 0.0) -> Array:
    ratio: Array = np.full_like(part, otherwise)
    return np.divide(part, whole, out=ratio, where=whole > 0)


class Auc(Metric):
    """The area under the curve of true over false positives, averaged over classes.

    Parameters
    ----------
    average : {"macro", "micro", "weighted"}
        The mean over classes, the area of all scores together, or the mean weighted by how often
        classes occur.
    classification_mode : {"single-label", "multilabel"}
        Whether an observation has one class, or any labels, with targets of ones and zeros.

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

    @checked
    def __init__(
        self, *, average: Average = "macro", classification_mode: Mode = "single-label"
    ) -> None:
        self.average, self.classification_mode = average, classification_mode
        self.reset()

    def reset(self) -> None:
        """Forget what was gathered."""
        self.batches: list[tuple[Array, Array]] = []

    def update(self, y: Array, targets: Array) -> None:
        """Keep the scores and the classes of a batch, as vectors of ones and zeros."""
        if self.classification_mode == "multilabel":
            self.batches.append((y, wanted_labels(self.name, y, targets)))
            return
        classes = wanted_classes(self.name, targets, max(y.shape[-1], 2))
        _check_lengths(self.name, y, classes)
        if y.shape[-1] == 1:
            y = np.concatenate([1 - y, y], -1)
        self.batches.append((y, classes[:, None] == np.arange(y.shape[-1])))

    def evaluate(self) -> float:
        """Return the average over the classes that occur, and do not always."""
        if not self.batches:
            return float("nan")
        scores, wanted = (np.concatenate([b[i] for b in self.batches]) for i in range(2))
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


class _Summed(Metric):
    """A metric of sums over elements."""

    maximize = False

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was gathered."""
        self.count = 0
        self.total = 0.0

    def update(self, y: Array, targets: Array) -> None:
        """Add up a batch."""
        _check_sizes(self.name, y, targets)
        self.count += y.size
        self.total += float(self.terms(y.astype(float), targets.astype(float)).sum())

    def terms(self, y: Array, targets: Array) -> Array:
        """Return what is summed."""
        raise NotImplementedError


class Rmse(_Summed):
    """The root of the mean squared error.

    Examples
    --------
    >>> metric = dl.metrics.Rmse()
    >>> metric.update(np.array([[1.0], [5.0]]), np.array([[1.0], [1.0]]))
    >>> metric.evaluate() == 8**0.5
    True

    Source: MATLAB ``rmseMetric``.
    """

    name = "rmse"

    def terms(self, y: Array, targets: Array) -> Array:
        """Return squares."""
        squares: Array = (y - targets) ** 2
        return squares

    def evaluate(self) -> float:
        """Return the root."""
        return float((self.total / self.count) ** 0.5)


class Mape(_Summed):
    """The mean absolute error in per cent of the target.

    Source: MATLAB ``mapeMetric``.
    """

    name = "mape"

    def terms(self, y: Array, targets: Array) -> Array:
        """Return relative errors."""
        errors: Array = np.abs((y - targets) / targets)
        return errors

    def evaluate(self) -> float:
        """Return the mean, in per cent."""
        return 100 * self.total / self.count


class RSquared(Metric):
    """The share of the variance of the targets that the predictions explain.

    Source: MATLAB ``rSquaredMetric``; scikit-learn ``r2_score``.
    """

    name = "rsquared"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was gathered."""
        self.batches: list[tuple[Array, Array]] = []

    def update(self, y: Array, targets: Array) -> None:
        """Keep a batch."""
        _check_sizes(self.name, y, targets)
        self.batches.append((y.astype(float), targets.astype(float)))

    def evaluate(self) -> float:
        """Return 1 - Σ (y - t)² / Σ (t - mean)²."""
        y, t = (np.concatenate([b[i] for b in self.batches]) for i in range(2))
        return float(1 - ((y - t) ** 2).sum() / ((t - t.mean(0)) ** 2).sum())


BY_NAME: dict[str, type[Metric]] = {
    kind.name: kind for kind in (Accuracy, Auc, FScore, Mape, Precision, RSquared, Recall, Rmse)
}


@dataclass
class _OfFunction(Metric):
    """The mean over observations of what a function returns for a batch."""

    fun: Callable[..., Any]
    maximize = False

    def __post_init__(self) -> None:
        self.name = getattr(self.fun, "__name__", "metric")
        self.reset()

    def reset(self) -> None:
        self.total, self.count = 0.0, 0

    def update(self, y: Array, targets: Array) -> None:
        self.total += float(self.fun(y, targets)) * len(y)
        self.count += len(y)

    def evaluate(self) -> float:
        return self.total / self.count


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
        return _OfFunction(value)
    raise InvalidArgumentError(
        f"metrics: {value!r} is no metric; write one of {', '.join(BY_NAME)}, or give a Metric or "
        "a function of predictions and targets"
    )


def metrics_of(value: Any) -> tuple[Metric, ...]:
    """Return the metrics of one, or of a list."""
    given = value if isinstance(value, list | tuple) else [value]
    return tuple([metric_of(v) for v in given])


def rows_of(x: Operand, fmt: str) -> Array:
    """Return predictions or targets with observations as rows, and channels as columns."""
    raw = np.asarray(extractdata(x) if type(x) is dlarray else x)
    axis = fmt.find("C")
    if axis < 0:
        return raw.reshape(-1, 1)
    return np.moveaxis(raw, axis, -1).reshape(-1, raw.shape[axis])


def classes(rows: Array) -> Array:
    """Return the class of each row: the largest score; of one column a threshold or an index."""
    if rows.shape[-1] > 1:
        found: Array = rows.argmax(-1)
        return found
    column = rows[:, 0]
    if column.dtype.kind == "f" and ((column != np.round(column)).any()):
        return (column > 0.5).astype(int)
    return column.astype(int)


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
    _check_sizes(name, y, targets)
    strange = targets[(targets != 0) & (targets != 1)]
    if strange.size:
        raise InvalidArgumentError(
            f"metric {name}: targets of classification_mode='multilabel' are ones and zeros, and "
            f"one is {strange[0]}"
        )
    found: Array = targets != 0
    return found


def _check_lengths(name: str, found: Array, wanted: Array) -> None:
    if len(found) != len(wanted):
        raise ShapeMismatchError(
            f"metric {name}: there are predictions of {len(found)} observations, and targets of "
            f"{len(wanted)}"
        )


def _check_sizes(name: str, y: Array, targets: Array) -> None:
    if y.shape != targets.shape:
        raise ShapeMismatchError(
            f"metric {name}: predictions have shape {y.shape} (observations × channels), targets "
            f"have {targets.shape}"
        )
