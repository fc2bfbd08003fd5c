"""What solvers share whose steps see all data at once: losses without chance, and tolerances."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from dlgradient.errors import InvalidArgumentError
from dlgradient.train.diagnosis import first_random, first_strange
from dlgradient.train.loss import Batch, Objective
from dlgradient.train.options import TrainingOptions
from dlgradient.train.training import Row, Solver, Step, Training

__all__ = ["FullBatch"]


class FullBatch(Solver):
    """The base class of solvers that need a function of the learnables alone."""

    columns: ClassVar[tuple[str, ...]] = (
        "iteration",
        "time_elapsed",
        "loss",
        "gradient_norm",
        "step_norm",
    )
    whole: ClassVar[bool] = True
    completed: ClassVar[str] = "Max iterations completed"

    def __init__(self, options: TrainingOptions) -> None:
        self.options = options
        self.l2 = float(options.l2_regularization or 0.0)
        # No layer draws from it, as `check` finds out: fresh entropy would cost more.
        self.unused = np.random.default_rng(0)

    def step(self, training: Training, batch: Batch) -> Step:
        """Look at the loss before the first step, and take one."""
        if training.iteration == 1:
            strange = self.check(training, batch)
            if strange:
                return Step(training.net, {"loss": np.nan}, reason=strange)
        return self.improved(training, batch)

    def improved(self, training: Training, batch: Batch) -> Step:
        """Take a step from the network of a training."""
        raise NotImplementedError

    def check(self, training: Training, batch: Batch) -> str:
        """Return why the loss at the beginning is no use, or ''; refuse one that is random."""
        objective, net = training.objective, training.net
        random = np.random.default_rng(0)
        before = random.bit_generator.state
        value = float(replace(objective, generator=random)(net, batch).loss)
        if random.bit_generator.state != before:
            raise InvalidArgumentError(
                f"trainnet: the solver {self.options.solver!r} needs a loss that depends on the "
                f"learnables alone, and layer {first_random(net, batch[: objective.inputs])!r} "
                "draws random numbers; remove the layer, or use a solver for mini-batches such as "
                "'adam'"
            )
        if np.isfinite(value):
            return ""
        return f"Loss is {value}: {first_strange(net, batch[: objective.inputs])}"

    def without_chance(self, objective: Objective) -> Objective:
        """Return an objective that is a function of the learnables alone."""
        return replace(objective, generator=self.unused)

    def reached(self, row: Row) -> str:
        """Return which tolerance a step has reached, or ''."""
        options = self.options
        if row["gradient_norm"] <= options.gradient_tolerance * max(1.0, abs(row["loss"])):
            return "Gradient tolerance reached"
        if row["step_norm"] <= options.step_tolerance:
            return "Step tolerance reached"
        return ""
