"""What is looked at before the first step: data, network and loss must fit each other.

An error here names the data, the layer and the fix. Without it, a step fails somewhere in a kernel,
or training goes on and learns nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dlgradient.core.calls import open_node
from dlgradient.core.kinds import shown
from dlgradient.core.types import Array, Value
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
from dlgradient.train.batches import nothing
from dlgradient.train.loss import Batch, Objective
from dlgradient.train.queue import minibatchqueue

__all__ = ["called", "check_batch", "check_data", "check_learnables"]

OF_CLASSES = ("crossentropy", "index-crossentropy")
# Losses of probabilities, and the layer that makes them.
OF_PROBABILITIES = {**dict.fromkeys(OF_CLASSES, "Softmax"), "binary-crossentropy": "Sigmoid"}


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


def check_data(what: str, queue: minibatchqueue, objective: Objective) -> None:
    """Look at all data that are arrays in memory.

    Parameters
    ----------
    what : str
        "data" or "validation_data".
    queue : minibatchqueue
    objective : Objective
    """
    inputs = objective.inputs
    if queue.num_batches == 0:
        raise InvalidArgumentError(nothing(f"trainnet: {what}", queue))
    for i, source in enumerate(queue.sources):
        name = called(what, "predictors" if i < inputs else "targets")
        if type(source) is np.ndarray and source.dtype.kind == "f" and not _is_finite(source):
            bad = np.argwhere(~np.isfinite(source))
            first = ", ".join(map(str, bad[0].tolist()))
            warnings.warn(
                f"trainnet: {name} of shape {source.shape} have {len(bad)} elements that are not "
                f"finite, the first is [{first}]; remove these observations, or fill them in. A "
                "loss that is not finite will stop training",
                RuntimeWarning,
                stacklevel=2,
            )
        named = objective.is_named and objective.name in OF_CLASSES
        if i >= inputs and named and _are_classes(source):
            _check_numbers(name, np.asarray(source), objective.name)


def called(what: str, kind: str) -> str:
    """Return what predictors or targets are called in errors."""
    return kind if what == "data" else f"the {kind} of {what}"


def _is_finite(x: Array) -> bool:
    return x.size == 0 or bool(np.isfinite(x.min()) and np.isfinite(x.max()))


def _are_classes(source: Any) -> bool:
    return isinstance(source, np.ndarray) and source.ndim == 1


def _check_numbers(name: str, classes: Array, loss: str) -> None:
    """Raise the error for classes that are no integers from 0."""
    numbered = "np.unique(labels, return_inverse=True) numbers them"
    if classes.dtype.kind not in "biuf":
        raise InvalidArgumentError(
            f"trainnet: {name} of shape {classes.shape} {classes.dtype} are texts or objects, and "
            f"the loss {loss!r} needs numbers of classes from 0; {numbered}"
        )
    kind = classes.dtype.kind
    parts = classes != np.round(classes) if kind == "f" else np.zeros(len(classes), bool)
    if kind == "b" or (kind == "f" and (loss == "crossentropy" or parts.any())):
        i = int(np.argmax(parts))
        raise InvalidArgumentError(
            f"trainnet: {name} are {classes.dtype}, as targets[{i}] = {classes[i]}; the loss "
            f"{loss!r} needs classes as integers from 0: targets.astype(int), if they are whole "
            f"numbers. {numbered}"
        )
    if (classes < 0).any():
        i = int(np.argmax(classes < 0))
        raise InvalidArgumentError(
            f"trainnet: {name}[{i}] is {classes[i]}; classes are numbers from 0. {numbered}"
        )


def check_batch(
    what: str,
    net: dlnetwork,
    batch: Batch,
    objective: Objective,
    queue: minibatchqueue,
    class_names: Any = None,
) -> None:
    """Look at what the network and the loss make of the first batch.

    Parameters
    ----------
    class_names : list, optional
        Of targets that were categorical.
    """
    inputs = objective.inputs
    names = net.input_names
    if len(batch) < inputs:
        raise InvalidArgumentError(
            f"trainnet: {what} have {len(batch)} arrays in a batch, and the network has the "
            f"{inputs} inputs {', '.join(names)}; give a tuple of arrays, one for each input"
        )
    ys = list(objective.predicted(net, batch))
    targets = batch[inputs:]
    if objective.is_named:
        _check_one_of_each(what, net, objective, ys, targets, queue)
        if objective.name in OF_PROBABILITIES:
            _check_probabilities(net, ys[0], objective.name)
        if objective.name in OF_CLASSES:
            if class_names is None:
                _check_classes(what, net, ys[0], targets[0], queue.sources[inputs:])
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


def _check_classes(what: str, net: dlnetwork, y: Value, batch: Any, sources: Sequence[Any]) -> None:
    """Compare the classes of the network with those of the targets."""
    if type(y) is not dlarray or "C" not in dims(y) or np.ndim(batch) != 1:
        return
    count = y.shape[dims(y).index("C")]
    whole = bool(sources) and _are_classes(sources[0])
    classes = np.asarray(sources[0]) if whole else np.asarray(batch)
    layer, name = net.output_names[0], called(what, "targets")
    high = int(classes.max())
    if high >= count:
        i = int(np.argmax(classes >= count))
        from_one = int(classes.min()) == 1 and high == count
        fix = (
            "they are numbered from 1, so subtract 1"
            if from_one
            else f"give the network {high + 1} outputs, as with FullyConnected({high + 1})"
        )
        raise InvalidArgumentError(
            f"trainnet: {name}[{i}] is {classes[i]}, and layer {layer!r} has {count} classes, 0 to "
            f"{count - 1}; {fix}"
        )
    if not whole or what != "data":
        return
    missing = np.setdiff1d(np.arange(count), classes)
    if len(missing):
        raise InvalidArgumentError(
            f"trainnet: layer {layer!r} has {count} classes, and of {len(classes)} {name} none is "
            f"{', '.join(map(str, missing[:5]))}{', ...' if len(missing) > 5 else ''}; give the "
            f"network as many outputs as there are classes, with FullyConnected({high + 1}) if the "
            "numbers have no gap. To train without some classes give one-hot targets"
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
