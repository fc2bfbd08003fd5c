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
from dlgradient.ops.choice import where
from dlgradient.train.replay import Replay
from dlgradient.train.sources import Batch, mask_of

__all__ = ["LOSSES", "Batch", "Evaluation", "Loss", "Objective", "loss_function"]

Loss: TypeAlias = Callable[..., Value]
Mask: TypeAlias = dlarray | None
# Loss, gradients, new state and outputs.
Found: TypeAlias = tuple[Value, ParameterTable, ParameterTable, tuple[Value, ...]]


# -- losses by name ------------------------------------------------------------------------------
# Each takes the mask of targets that are padded: what is padding has no part in the sum, which is
# divided by the number of observations.


def _binary(y: Value, targets: Value, mask: Value | None = None) -> Value:
    return crossentropy(y, targets, classification_mode="multilabel", mask=mask)


def _mse(y: Value, targets: Value, mask: Value | None = None) -> Value:
    return mse(y, targets) if mask is None else l2loss(y, targets, mask=mask) / 2


LOSSES: dict[str, Loss] = {
    "crossentropy": crossentropy,
    "index-crossentropy": indexcrossentropy,
    "binary-crossentropy": _binary,
    "mse": _mse,
    "mean-squared-error": _mse,
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

    return _of_classes


def _of_classes(y: Value, targets: Value, mask: Value | None = None) -> Value:
    fmt = targets._format if type(targets) is dlarray else None
    if np.ndim(targets) == 1 and fmt is None:
        targets, fmt = dlarray(targets, "B"), "B"
    if fmt is not None and "C" not in fmt:
        return indexcrossentropy(y, targets, mask=mask)
    return crossentropy(y, targets, mask=mask)


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
        def traced(free: ParameterTable, outputs: tuple[Any, ...], mask: Mask) -> Found:
            loss, state, ys = self.forward(net.with_trainable(free), outputs, mask)
            return loss, dlgradient(loss, free, allow_complex=False), state, ys

        given = tuple(batch), self.mask(batch)
        loss, found, state, ys = dlfeval(traced, net.trainable(), *given)
        gradients = [
            found[key] if key in found else wrap(np.zeros(a.shape, a.dtype), None)
            for key, a in net.learnables.items()
        ]
        return Evaluation(loss, ParameterTable.of(net.learnables.columns, gradients), state, ys)

    def _replayed(self, net: dlnetwork, batch: Batch) -> Any:
        """Return an evaluation, of a program if that can be."""
        if self.is_named and type(self) is Objective:
            replay = self._replay(net)
            given = replay.takes(batch)
            found = replay(net, batch, self.mask(batch), self.generator) if given else None
            if found is not None:
                return found
        return dlfeval(self._traced, net, tuple(batch), self.mask(batch))

    def _replay(self, net: dlnetwork) -> Replay:
        """Return the programs of evaluations like this, which all networks of a plan share."""
        kind = type(self.generator.bit_generator)
        key = "evaluation", self.name, self.inputs, tuple(self.outputs or ()), kind
        if key not in net.programs:
            # The generator of this training shuffles the data, too, so it changes between calls.
            other = replace(self, generator=np.random.Generator(kind()))
            net.programs[key] = Replay(other._traced, net, other.generator)
        return net.programs[key]  # type: ignore[no-any-return]

    def _traced(self, net: dlnetwork, outputs: tuple[Any, ...], mask: Mask) -> Found:
        loss, state, ys = self.forward(net, outputs, mask)
        return loss, dlgradient(loss, net.learnables, allow_complex=False), state, ys

    def forward(
        self, net: dlnetwork, batch: tuple[Any, ...], mask: Mask
    ) -> tuple[Value, ParameterTable, tuple[Value, ...]]:
        """Return loss, new state and outputs, without gradients; the mask is `mask`."""
        xs = batch[: self.inputs]
        *ys, state = net.forward(*xs, outputs=self.outputs, generator=self.generator)
        return self.value(ys, batch, mask), state, tuple(ys)

    def mask(self, batch: tuple[Any, ...]) -> Mask:
        """Return where the targets of a named loss are no padding; None for everywhere."""
        mask = mask_of(batch, self.inputs) if self.is_named else None
        return None if mask is None else dlarray(mask, "TB")

    def value(self, ys: Sequence[Value], batch: tuple[Any, ...], mask: Mask) -> Value:
        """Return the loss of outputs; a named one leaves out what pads the targets."""
        if not self.is_named:
            return self.loss(*ys, *batch[self.inputs :])
        y, targets = ys[0], batch[self.inputs]
        if mask is None:
            return self.loss(y, targets)
        # Padding may be any number, also one that is no class.
        return self.loss(y, where(mask, targets, 0), mask=mask)

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
