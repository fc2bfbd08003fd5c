"""Metrics of numbers, which are compared element by element."""

from __future__ import annotations

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.types import Array
from dlgradient.train.metric import OfOneOutput, Total, check_sizes

__all__ = ["Mape", "RSquared", "Rmse"]


class _OfNumbers(OfOneOutput):
    """A metric of numbers that are compared element by element."""

    @checked
    def __init__(self, *, network_output: str | None = None, name: str | None = None) -> None:
        super().__init__(network_output, name)


class _Summed(_OfNumbers):
    """A metric of sums over elements."""

    maximize = False
    count: int
    total: Total

    def reset(self) -> None:
        """Forget what was gathered."""
        self.count = 0
        self.total = 0.0

    def update(self, y: Array, targets: Array) -> None:
        """Add up a batch."""
        check_sizes(self.name, y, targets)
        self.count += y.size
        self.total += float(self.terms(y.astype(float), targets.astype(float)).sum())

    def mean(self) -> float:
        """Return the mean of what was gathered; of nothing it is NaN."""
        return self.total / self.count if self.count else float("nan")

    def terms(self, y: Array, targets: Array) -> Array:
        """Return what is summed."""
        raise NotImplementedError


class Rmse(_Summed):
    """The root of the mean squared error.

    Parameters
    ----------
    network_output : str, optional
        Which output is compared, if the network has several.
    name : str, optional
        What the columns of a history are called.

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
        return float(self.mean() ** 0.5)


class Mape(_Summed):
    """The mean absolute error in per cent of the target; a target of 0 makes it infinite.

    Source: MATLAB ``mapeMetric``.

    Parameters
    ----------
    network_output : str, optional
        Which output is compared, if the network has several.
    name : str, optional
        What the columns of a history are called.
    """

    name = "mape"

    def terms(self, y: Array, targets: Array) -> Array:
        """Return relative errors."""
        with np.errstate(divide="ignore", invalid="ignore"):
            errors: Array = np.abs((y - targets) / targets)
        return errors

    def evaluate(self) -> float:
        """Return the mean, in per cent."""
        return 100 * self.mean()


class RSquared(_OfNumbers):
    """The share of the variance of the targets that the predictions explain.

    Channels have a part in proportion to their variance. Targets that do not vary have no share: it
    is NaN, or minus infinity if predictions are wrong.

    Source: MATLAB ``rSquaredMetric``; scikit-learn
    ``r2_score(multioutput="variance_weighted", force_finite=False)``.

    Parameters
    ----------
    network_output : str, optional
        Which output is compared, if the network has several.
    name : str, optional
        What the columns of a history are called.
    """

    name = "rsquared"
    batches: list[tuple[Array, Array]]

    def reset(self) -> None:
        """Forget what was gathered."""
        self.batches = []

    def update(self, y: Array, targets: Array) -> None:
        """Keep a batch."""
        check_sizes(self.name, y, targets)
        self.batches.append((y.astype(float), targets.astype(float)))

    def evaluate(self) -> float:
        """Return 1 - Σ (y - t)² / Σ (t - mean)²."""
        if not self.batches:
            return float("nan")
        y, t = (np.concatenate([b[i] for b in self.batches]) for i in range(2))
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(1 - ((y - t) ** 2).sum() / ((t - t.mean(0)) ** 2).sum())
