"""Mean and variance of data that come in batches."""

from __future__ import annotations

import numpy as np

from dlgradient.core.types import Array

__all__ = ["Moments"]


class Moments:
    """Count, mean and variance of all elements that were added, in double precision.

    Batches may have different numbers of elements: means are weighted, and to the mean of the
    variances comes the variance of the means, as the law of total variance has it.

    Attributes
    ----------
    count : float
        How many elements of each channel.
    mean, variance : array
        One for each channel. The variance is the biased one, Σ (x - mean)² / count.
    """

    def __init__(self) -> None:
        self.count = 0.0
        self.mean: Array = np.zeros(())
        self.variance: Array = np.zeros(())

    def add(self, count: float, mean: Array, variance: Array) -> None:
        """Add a batch: how many elements of each channel it has, their mean and variance."""
        if not count:
            return
        self.count += count
        weight = count / self.count
        step = np.asarray(mean, float) - self.mean
        within = (1 - weight) * self.variance + weight * np.asarray(variance, float)
        self.mean = self.mean + weight * step
        self.variance = within + weight * (1 - weight) * step**2
