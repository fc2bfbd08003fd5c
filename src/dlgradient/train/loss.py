"""Losses by name, and the value, the gradients and the outputs of a batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dlgradient.core.calls import wrap
from dlgradient.core.types import Value
from dlgradient.engine.array import dlarray
from dlgradient.engine.evaluate import dlfeval
from dlgradient.engine.gradient import dlgradient
from dlgradient.layers.input import Normalizing
from dlgradient.network.network import dlnetwork
from dlgradient.network.table import ParameterTable
from dlgradient.nn.losses.classification import crossentropy, indexcrossentropy
from dlgradient.nn.losses.regression import huber, l1loss, l2loss, mse
from dlgradient.train.replay import Replay

__all__ = ["LOSSES", "Evaluation", "Loss", "Objective", "loss_function"]

Batch: TypeAlias = tuple[Any, ...]
Loss: TypeAlias = Callable[..., Value]


def _binary(y: Value, targets: Value) -> Value:
    return crossentropy(y, targets, classification_mode="multilabel")


LOSSES: dict[str, Loss] = {
    "crossentropy": crossentropy,
    "index-crossentropy": indexcrossentropy,
    "binary-crossentropy": _binary,
    "mse": mse,
    "mean-squared-error": mse,
    "l2loss": l2loss,
    "mae": l1loss,
    "mean-absolute-error": l1loss,
    "l1loss": l1loss,
    "huber": huber,
}


def loss_function(loss: Any) -> Loss:
    """Return the function of a loss; classes are targets of "crossentropy" without one-hot."""
    if callable(loss):
        return loss  # type: ignore[no-any-return]
    function = LOSSES[loss]
    if loss != "crossentropy":
        return function

    def of_classes(y: Value, targets: Value) -> Value:
        if type(targets) is dlarray and (targets._format is not None or targets.ndim > 1):
            return crossentropy(y, targets)
        return indexcrossentropy(y, dlarray(targets, "B"))

    return of_classes


class Evaluation(NamedTuple):
    """What a batch says about a network."""

    loss: Value
    gradients: ParameterTable
    state: ParameterTable
    ys: tuple[Value, ...]


@dataclass
class Objective:
    """What training makes small: the loss of a network on a batch.

    Attributes
    ----------
    loss : callable
        ``loss(*ys, *targets)``.
    inputs : int
        How many arrays of a batch are predictors; the others are targets.
    generator : numpy.random.Generator
        Source of randomness of layers such as dropout.
    name : str
        Of the loss, for messages.
    is_named : bool
        Whether the loss is one of the library, which compares one output with one array.
    outputs : list of str, optional
        What of the network the loss gets, instead of its outputs.
    units : mapping of int to layer
        For outputs that the loss gets in normalised units, the layer that goes to their own.
    """

    loss: Loss
    inputs: int
    generator: np.random.Generator
    name: str
    is_named: bool
    outputs: list[str] | None = None
    units: Mapping[int, Normalizing] = field(default_factory=dict)

    def __call__(self, net: dlnetwork, batch: Batch) -> Evaluation:
        """Return loss, gradients, new state and outputs; gradients of what is frozen are zero."""
        if all(net.learn_rate_factors().values()):
            return Evaluation(*self._replayed(net, batch))

        # Frozen learnables are constants, so nothing is computed for what comes before the others.
        def traced(
            free: ParameterTable, batch: Batch
        ) -> tuple[Value, ParameterTable, ParameterTable, tuple[Value, ...]]:
            loss, state, ys = self.forward(net.with_trainable(free), batch)
            return loss, dlgradient(loss, free, allow_complex=False), state, ys

        loss, found, state, ys = dlfeval(traced, net.trainable(), batch)
        gradients = [
            found[key] if key in found else wrap(np.zeros(a.shape, a.dtype), None)
            for key, a in net.learnables.items()
        ]
        return Evaluation(loss, ParameterTable.of(net.learnables.columns, gradients), state, ys)

    def _replayed(self, net: dlnetwork, batch: Batch) -> Any:
        """Return an evaluation, of a program if that can be."""
        if self.is_named and type(self) is Objective:
            replay = self._replay(net)
            found = replay(net, batch, self.generator) if replay.takes(batch) else None
            if found is not None:
                return found
        return dlfeval(self._traced, net, batch)

    def _replay(self, net: dlnetwork) -> Replay:
        """Return the programs of evaluations like this, which all networks of a plan share."""
        kind = type(self.generator.bit_generator)
        key = "evaluation", self.name, self.inputs, tuple(self.outputs or ()), kind
        if key not in net.programs:
            # The generator of this training shuffles the data, too, so it changes between calls.
            other = replace(self, generator=np.random.Generator(kind()))
            net.programs[key] = Replay(other._traced, net, other.generator)
        return net.programs[key]  # type: ignore[no-any-return]

    def _traced(
        self, net: dlnetwork, batch: Batch
    ) -> tuple[Value, ParameterTable, ParameterTable, tuple[Value, ...]]:
        loss, state, ys = self.forward(net, batch)
        return loss, dlgradient(loss, net.learnables, allow_complex=False), state, ys

    def forward(
        self, net: dlnetwork, batch: Batch
    ) -> tuple[Value, ParameterTable, tuple[Value, ...]]:
        """Return loss, new state and outputs, without gradients."""
        xs = batch[: self.inputs]
        *ys, state = net.forward(*xs, outputs=self.outputs, generator=self.generator)
        return self.loss(*ys, *batch[self.inputs :]), state, tuple(ys)

    def predicted(self, net: dlnetwork, batch: Batch) -> tuple[Value, ...]:
        """Return what the loss gets of a network in inference."""
        ys = net.predict(*batch[: self.inputs], outputs=self.outputs)
        return ys if isinstance(ys, tuple) else (ys,)

    def in_own_units(self, values: Sequence[Any]) -> list[Any]:
        """Return outputs, or targets, in the units that the data have."""
        return [
            self.units[i].in_own_units(value) if i in self.units else value
            for i, value in enumerate(values)
        ]
