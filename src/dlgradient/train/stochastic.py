"""Solvers that take a step for each batch: the update functions, with their options."""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap
from math import isfinite
from typing import Any, ClassVar

from dlgradient.network.network import dlnetwork
from dlgradient.network.table import ParameterTable, as_vectors
from dlgradient.train.adaptive import (
    adadeltaupdate,
    adagradupdate,
    adamwupdate,
    lionupdate,
    muonupdate,
    nadamupdate,
)
from dlgradient.train.diagnosis import first_strange, is_finite, strange_update
from dlgradient.train.gradients import limited, regularized
from dlgradient.train.loss import Batch
from dlgradient.train.options import DECAYS, OWN_OPTIONS, TrainingOptions
from dlgradient.train.schedules import factor_at
from dlgradient.train.step import Formula
from dlgradient.train.training import Row, Solver, Step, Training
from dlgradient.train.update import (
    adam_formula,
    adamupdate,
    rmsprop_formula,
    rmspropupdate,
    sgdm_formula,
    sgdmupdate,
)
from dlgradient.train.whole import WholeSteps

__all__ = ["Stochastic"]

# By solver: the function, how many states it has, and whether it counts iterations.
_UPDATES: dict[str, tuple[Callable[..., Any], int, bool]] = {
    "sgdm": (sgdmupdate, 1, False),
    "rmsprop": (rmspropupdate, 1, False),
    "adagrad": (adagradupdate, 1, False),
    "adadelta": (adadeltaupdate, 2, False),
    "lion": (lionupdate, 1, False),
    "muon": (muonupdate, 2, True),
    "adam": (adamupdate, 2, True),
    "nadam": (nadamupdate, 2, True),
    "adamw": (adamwupdate, 2, True),
}

# What the functions compute for each array.
_FORMULAS: dict[str, Callable[..., Formula]] = {
    "sgdm": sgdm_formula,
    "rmsprop": rmsprop_formula,
    "adam": adam_formula,
}


class Stochastic(Solver):
    """A step for each batch: regularisation, a threshold, and an update function.

    Attributes
    ----------
    states : tuple
        What the update function returned; () before the first step.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "iteration",
        "epoch",
        "time_elapsed",
        "learn_rate",
        "loss",
    )

    def __init__(self, options: TrainingOptions) -> None:
        function, self.count, self.counts = _UPDATES[options.solver]
        # The options are checked already; a schedule of the user may return anything.
        self.function = function if options.schedules else unwrap(function)
        self.chosen = [getattr(options, name) for name in OWN_OPTIONS[options.solver]]
        self.rate = float(options.initial_learn_rate or 0.0)
        self.decays = options.solver in DECAYS
        self.states: tuple[Any, ...] = ()
        self._formula = _FORMULAS.get(options.solver)
        self._whole: WholeSteps | None = None
        self._uncommon = 0  # of the steps before a checkpoint

    def saved(self) -> dict[str, Any]:
        """Return the states of the update function."""
        uncommon = self._uncommon if self._whole is None else self._whole.uncommon
        return {"states": list(self.states), "uncommon": uncommon}

    def restore(self, saved: dict[str, Any], net: dlnetwork) -> None:
        """Take the states of a checkpoint."""
        self.states = tuple([as_vectors(table, net.learnables) for table in saved["states"]])
        self._uncommon = saved.get("uncommon", 0)

    def step(self, training: Training, batch: Batch) -> Step:
        """Take a step along the gradient of a batch."""
        options = training.options
        rate = self.rate
        if options.schedules:
            rate *= factor_at(options.schedules, training.epoch - 1, training.iteration - 1)
        found = self._in_one(training, batch, rate)
        if found is not None:
            return found
        net, objective = training.net, training.objective
        loss, gradients, state, ys = objective(net, batch)
        value = float(loss)
        row: Row = {"learn_rate": rate, "loss": value}
        if not isfinite(value):
            where = first_strange(net, batch[: objective.inputs])
            return Step(net, row, reason=f"Loss is {value}: {where}")
        if not self.decays:
            gradients = regularized(net, gradients, options.l2_regularization or 0.0)
        gradients = limited(
            gradients, options.gradient_threshold, options.gradient_threshold_method
        )
        before = self.states or (None,) * self.count
        counted = (training.iteration,) if self.counts else ()
        new, *states = self.function(net, gradients, *before, *counted, rate, *self.chosen)
        if not is_finite(new.learnables):
            return Step(net, row, reason=strange_update(gradients, new.learnables))
        self.states = tuple(states)
        new.state = state
        return Step(new, row, ys)

    def _in_one(self, training: Training, batch: Batch, rate: float) -> Step | None:
        """Take a step as one function of machine code; None if it is none."""
        if self._formula is None or not self.states:
            return None
        whole = self._whole
        if whole is None:
            whole = self._whole = WholeSteps(training, decays=self.decays)
            whole.uncommon = self._uncommon
        if not whole.takes(training.iteration, batch):
            return None
        counted = (training.iteration,) if self.counts else ()
        formula = self._formula(*counted, rate, *self.chosen)
        found = whole.step(training, self.states, batch, formula)
        if found is None:
            return None
        net = training.net
        columns, of = net.learnables.columns, ParameterTable.of
        self.states = tuple([of(columns, None, [vector]) for vector in found.states])
        new = net.with_learnables(of(columns, None, [found.learnables]))
        return Step(new, {"learn_rate": rate, "loss": found.loss}, found.ys)
