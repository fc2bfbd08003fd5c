"""What a training is made of: its state, the solver that takes steps, and what watches it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from dlgradient.core.types import Value
from dlgradient.network.network import dlnetwork
from dlgradient.train.info import TrainingInfo
from dlgradient.train.loss import Batch, Objective
from dlgradient.train.options import TrainingOptions
from dlgradient.train.queue import minibatchqueue

__all__ = ["Observer", "Row", "Solver", "Step", "Training"]

# A row of the history: iteration, epoch, learn rate, loss, metrics, and seconds since the start.
# After a validation it also has "validation_loss", and so for each metric.
Row: TypeAlias = dict[str, float]


class Training:
    """What a training carries from step to step.

    Attributes
    ----------
    options : TrainingOptions
    net : dlnetwork
        After the last step.
    iteration, epoch : int
        Of the last step, from 1.
    total : int or None
        How many iterations there will be at most; None if it is not known.
    queue, validation : minibatchqueue
        The second is None if there are no validation data.
    objective : Objective
    solver : Solver
    observers : list of Observer
    info : TrainingInfo
        What `trainnet` returns.
    best : tuple or None
        Score, network and iteration of the best validation.
    failures : int
        How many validations have not been better than it.
    resumed : tuple or None
        The checkpoint that it goes on from, and the names of those before it.
    """

    options: TrainingOptions
    net: dlnetwork
    iteration: int
    epoch: int
    total: int | None
    queue: minibatchqueue
    validation: minibatchqueue | None
    generator: np.random.Generator
    objective: Objective
    solver: Solver
    observers: list[Observer]
    info: TrainingInfo
    best: tuple[float, dlnetwork, int] | None
    failures: int
    resumed: tuple[Path, list[str]] | None

    def ends_epoch(self) -> bool:
        """Return whether the last batch was that of an epoch."""
        return self.solver.whole or not self.queue.hasdata()


class Step(NamedTuple):
    """What a step of a solver has found.

    Attributes
    ----------
    net : dlnetwork
        After the step, or before it if there was none.
    row : dict
        Columns of the history.
    ys : tuple of dlarray
        Outputs of the network, for metrics of the batch; () if there was no step, or no metric.
    reason : str
        Why the training ends, or ''.
    """

    net: dlnetwork
    row: Row
    ys: tuple[Value, ...] = ()
    reason: str = ""


class Solver:
    """The base class of solvers: from a network and a batch to a network that is better.

    Attributes
    ----------
    columns : tuple of str
        Columns of the history that the table shows.
    whole : bool
        Whether a step needs all data at once.
    completed : str
        Why training ends if nothing else ends it.
    """

    columns: ClassVar[tuple[str, ...]]
    whole: ClassVar[bool] = False
    completed: ClassVar[str] = "Max epochs completed"

    def step(self, training: Training, batch: Batch) -> Step:
        """Take a step from the network of a training."""
        raise NotImplementedError

    def saved(self) -> dict[str, Any]:
        """Return what it carries from step to step, for a checkpoint."""
        raise NotImplementedError

    def restore(self, saved: dict[str, Any], net: dlnetwork) -> None:
        """Take what `saved` returned; the network is that of the checkpoint."""
        raise NotImplementedError


class Observer:
    """The base class of what watches a training; its methods do nothing.

    Each method gets the training: its attributes `net`, `iteration`, `epoch`, `total`, `options`
    and `info` say how far it is. A reason to stop is a text, and '' is none.
    """

    def begin(self, training: Training) -> None:
        """Begin to watch, before the first step."""

    def validated(self, training: Training, row: Row) -> str:
        """Look at a row that has the results of a validation; return a reason to stop or ''."""
        del training, row
        return ""

    def iterated(self, training: Training, row: Row) -> str:
        """Look at the row of each iteration; return a reason to stop or ''."""
        del training, row
        return ""

    def end(self, training: Training) -> None:
        """End, also after an error; `training.info.stop_reason` is '' then."""
