"""What is looked at before the first step: network, loss and the first batch must fit each other.

An error here names the data, the layer and the fix. Without it, a step fails somewhere in a kernel,
or training goes on and learns nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlgradient.core.calls import open_node
from dlgradient.core.kinds import shown
from dlgradient.core.types import Value
from dlgradient.engine.array import dims, dlarray
from dlgradient.engine.evaluate import dlfeval
from dlgradient.errors import (
    ComplexValueError,
    DlgradientError,
    IntegerVariableError,
    InvalidArgumentError,
    NonScalarError,
    NotTracedError,
)
from dlgradient.network.network import dlnetwork
from dlgradient.train.inspection import OF_CLASSES, OF_PROBABILITIES, Inspection
from dlgradient.train.loss import Batch, Objective
from dlgradient.train.queue import minibatchqueue

__all__ = ["check_batch", "check_learnables"]


def check_learnables(net: dlnetwork) -> None:
    """Raise the error for a network in which there is nothing to train."""
    if not len(net.learnables):
        raise InvalidArgumentError(
            "trainnet: net has no learnables, so there is nothing to train; add a layer such as "
            "FullyConnected"
        )
    if not any(net.learn_rate_factors().values()):
        raise InvalidArgumentError(
            f"trainnet: all {len(net.learnables)} learnables of net are frozen: the factors of "
            "their learn rates are 0; net = net.set_learn_rate_factor(name, 1) frees a layer"
        )


def check_batch(
    net: dlnetwork, batch: Batch, inspection: Inspection, class_names: Any = None
) -> None:
    """Look at what the network and the loss make of the first batch.

    Parameters
    ----------
    inspection : Inspection
        Of the data; it gets to know how many classes the network has.
    class_names : list, optional
        Of targets that were categorical.
    """
    what, queue, objective = inspection.what, inspection.queue, inspection.objective
    inputs = objective.inputs
    names = net.input_names
    if len(batch) < inputs:
        raise InvalidArgumentError(
            f"trainnet: {what} have {len(batch)} arrays in a batch, and the network has the "
            f"{inputs} inputs {', '.join(names)}; give a tuple of arrays, one for each input"
        )
    inspection.look(batch)
    ys = list(objective.predicted(net, batch))
    targets = batch[inputs:]
    if objective.is_named:
        _check_one_of_each(what, net, objective, ys, targets, queue)
        if objective.name in OF_PROBABILITIES:
            _check_probabilities(net, ys[0], objective.name)
        if objective.name in OF_CLASSES:
            if class_names is None:
                inspection.expect(net, ys[0])
                inspection.look(batch)  # for classes that the network does not have
            else:
                _check_names(net, ys[0], class_names)
    _check_loss(what, net, objective, ys, batch)


def _check_one_of_each(
    what: str,
    net: dlnetwork,
    objective: Objective,
    ys: Sequence[Value],
    targets: Sequence[Any],
    queue: minibatchqueue,
) -> None:
    # A network that takes masks is given one of its targets, too.
    masked = queue._reader.masks and len(targets) == 2
    if len(ys) == 1 and (len(targets) == 1 or masked):
        return
    if not targets:
        raise InvalidArgumentError(
            f"trainnet: {what} have no targets, and the loss {objective.name!r} compares with "
            "them; write trainnet(x, targets, net, loss, options)"
        )
    if queue._reader.masks:
        raise InvalidArgumentError(
            f"trainnet: {what} have masks, and the loss {objective.name!r} knows what is padding "
            "without them; omit padding_masks=True. It is for networks and losses that take masks"
        )
    raise InvalidArgumentError(
        f"trainnet: the loss {objective.name!r} compares one output with one array of targets; the "
        f"network has the outputs {', '.join(net.output_names)}, {what} have {len(targets)} arrays "
        "of targets. Write a function: def loss(*ys_and_targets)"
    )


def _check_probabilities(net: dlnetwork, y: Value, loss: str) -> None:
    """Raise the error for scores of any size, whose logarithm is no loss."""
    numbers = np.asarray(y)
    if numbers.size and (numbers.min() < 0 or numbers.max() > 1 + 1e-5):  # of rounding
        raise InvalidArgumentError(
            f"trainnet: layer {net.output_names[0]!r} gives numbers from {numbers.min():.3g} to "
            f"{numbers.max():.3g}, and the loss {loss!r} needs probabilities; end the network with "
            f"layers.{OF_PROBABILITIES[loss]}()"
        )


def _check_names(net: dlnetwork, y: Value, names: Sequence[Any]) -> None:
    """Compare the classes of the network with those of targets that have names."""
    count = y.shape[dims(y).index("C")] if type(y) is dlarray and "C" in dims(y) else len(names)
    if count != len(names):
        some = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
        raise InvalidArgumentError(
            f"trainnet: layer {net.output_names[0]!r} has {count} classes, and the targets have "
            f"the {len(names)} classes {some}; give the network {len(names)} outputs, as with "
            f"FullyConnected({len(names)})"
        )


def _check_loss(
    what: str, net: dlnetwork, objective: Objective, ys: list[Value], batch: Batch
) -> None:
    """Raise the error for a loss that fails, or is no real number that depends on the network."""
    targets = batch[objective.inputs :]
    given = (
        f"the loss {objective.name!r} of {what}: "
        + ", ".join(
            f"layer {name!r} gives {_described(y)}"
            for name, y in zip(net.output_names, ys, strict=False)
        )
        + "".join(f", the targets are {_described(t)}" for t in targets)
    )
    arrays = [y if type(y) is dlarray else dlarray(y) for y in ys]

    def evaluated(ys: list[dlarray]) -> None:
        try:
            loss = objective.value(ys, batch, objective.mask(batch))
        except DlgradientError as error:
            fix = _fix(ys, targets)
            raise type(error)(f"trainnet: {given}. {error.args[0]}{fix}") from error
        except TypeError as error:  # of other arguments, as a rule
            raise InvalidArgumentError(f"trainnet: {given}. {error}") from error
        _check_value(f"trainnet: {given}. It returned", loss)

    dlfeval(evaluated, arrays)


def _check_value(what: str, loss: Any) -> None:
    """Raise the error for a loss that is no real number, or not traced."""
    if isinstance(loss, tuple | list | Mapping):
        raise InvalidArgumentError(
            f"{what} a {type(loss).__name__} of {len(loss)} values, and only the loss is wanted; "
            "return it alone. What else it computes may be a metric, or be stored in an attribute "
            "of an object that is called"
        )
    if type(loss) is not dlarray or open_node(loss) is None:
        raise NotTracedError(
            f"{what} {shown(loss)}, which is not traced; compute it from the outputs with "
            "operations of dlgradient, and return it as it is"
        )
    if loss.ndim:
        raise NonScalarError(f"{what} {shown(loss)}; return one number, such as its mean()")
    if loss.dtype.kind == "c":
        raise ComplexValueError(f"{what} {shown(loss)}; it must be real, as real(y) or abs2(y)")
    if loss.dtype.kind != "f":
        raise IntegerVariableError(
            f"{what} {shown(loss)}, which has no derivative; it must be floating point"
        )


def _described(x: Any) -> str:
    fmt = f" {dims(x)!r}" if type(x) is dlarray and dims(x) else ""
    return f"{np.shape(x)}{fmt}"


def _fix(ys: Sequence[Value], targets: Sequence[Any]) -> str:
    """Return what to do if the channels of an output and of targets differ, or ''."""
    if len(ys) != 1 or len(targets) != 1 or type(targets[0]) is not dlarray:
        return ""
    formats = dims(ys[0]), dims(targets[0])
    if any("C" not in fmt for fmt in formats):
        return ""
    mine, wanted = [
        x.shape[f.index("C")] for x, f in zip((ys[0], targets[0]), formats, strict=True)
    ]
    if mine == wanted:
        return ""
    return f". Give the network {wanted} outputs, as with FullyConnected({wanted})"
