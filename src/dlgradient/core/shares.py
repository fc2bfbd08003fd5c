"""The share of a batch that this process has, while several processes evaluate the batch together.

Training opens a share around the evaluation of a batch. Functions whose result depends on the whole
batch ask for it: normalisation by statistics of the batch, and random numbers for observations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np

from dlgradient.core.types import Array

__all__ = ["Share", "current_share", "sharing", "the_share"]


@dataclass(frozen=True)
class Share:
    """Some neighbours among the observations of a batch.

    Attributes
    ----------
    first, count : int
        The first observation, and how many there are.
    whole : int
        How many observations the batch has.
    counts : bool
        Whether they count. A process for which no observation is left repeats the last one, which
        counts nowhere: arrays without observations would be a special case of each layer.
    total : callable
        Returns the sum of an array over the processes, in a new array.
    common, own : numpy.random.Generator
        Sources of randomness: the same for all processes, for what is drawn for the whole batch;
        and another for each, which layers get.
    """

    first: int
    count: int
    whole: int
    counts: bool
    total: Callable[[Array], Array]
    common: np.random.Generator
    own: np.random.Generator

    @property
    def weight(self) -> float:
        """What a mean over this share counts for, of the mean over the batch."""
        return self.count / self.whole if self.counts else 0.0


the_share: ContextVar[Share | None] = ContextVar("dlgradient_share", default=None)


def current_share() -> Share | None:
    """Return the share that is open; None if this process has the whole batch."""
    return the_share.get()


@contextmanager
def sharing(share: Share) -> Iterator[None]:
    """Open a share."""
    token = the_share.set(share)
    try:
        yield
    finally:
        the_share.reset(token)
