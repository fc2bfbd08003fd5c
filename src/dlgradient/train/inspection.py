"""What is looked at in data: shapes, numbers that are not finite, classes and probabilities.

All data in memory are looked at before the first step. Others are looked at batch by batch:
iterables, datasets, files that are mapped, and results of a function of the user. So an error has
the number of the observation, and a step that would learn nonsense is not taken.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np

from dlgradient.core.reading import read
from dlgradient.core.types import Array, Value
from dlgradient.engine.array import dims, dlarray, extractdata
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.network.network import dlnetwork
from dlgradient.train.batches import nothing
from dlgradient.train.loss import Batch, Objective
from dlgradient.train.queue import minibatchqueue
from dlgradient.train.sources import Reader, is_list, mask_like, mask_of, option_of, shown, unlike

__all__ = ["OF_CLASSES", "OF_PROBABILITIES", "Inspection", "called"]

OF_CLASSES = ("crossentropy", "index-crossentropy")
# Losses of probabilities, and the layer that makes them.
OF_PROBABILITIES = {**dict.fromkeys(OF_CLASSES, "Softmax"), "binary-crossentropy": "Sigmoid"}
NUMBERED = "np.unique(labels, return_inverse=True) numbers them"
ROUNDING = 1e-5

# An array of all observations, or an array for each.
Values: TypeAlias = Array | list[Array]
# Where an element is, of which the index is given.
Place: TypeAlias = Callable[[tuple[int, ...]], str]


def called(what: str, kind: str) -> str:
    """Return what predictors or targets are called in errors."""
    return kind if what == "data" else f"the {kind} of {what}"


class Inspection:
    """What is looked at in the data of a training, or of a validation.

    Parameters
    ----------
    what : str
        "data" or "validation_data".
    queue : minibatchqueue
    objective : Objective

    Attributes
    ----------
    known : dict
        By the number of an output, its values, if they are in memory.
    count : int or None
        How many classes the network has; None until it is known.
    """

    def __init__(self, what: str, queue: minibatchqueue, objective: Objective) -> None:
        self.what, self.queue, self.objective = what, queue, objective
        self.count: int | None = None
        self.layer = ""
        self.known: dict[int, Values] = {}
        self._channels: dict[int, tuple[int, int]] = {}
        self._warned: set[str] = set()
        if queue.num_batches == 0:
            raise InvalidArgumentError(nothing(f"trainnet: {what}", queue))
        for i, source in _outputs(queue._reader):
            values = in_memory(source)
            if values is not None:
                self.known[i] = values
        for i, values in self.known.items():
            self._look_at_all(i, values)

    # -- before the first step -------------------------------------------------------------------

    def _look_at_all(self, i: int, values: Values) -> None:
        name, fmt = self._name(i), option_of(self.queue._formats, i)
        if isinstance(values, list):
            names = [f"{name}[{k}]" for k in range(len(values))]
            wrong = unlike([v.shape for v in values], fmt, names)
            if wrong:
                raise ShapeMismatchError(f"trainnet: {wrong}")
        self._look_for_strange(name, values)
        if self._are_classes(i, fmt, values):
            _check_numbers(name, values, self.objective.name)
        elif self._are_probabilities(i):
            _check_probabilities(name, values, self.objective.name)

    def expect(self, net: dlnetwork, y: Value) -> None:
        """Compare the classes of a network, by what it gives for a batch, with those of targets."""
        fmt = dims(y) if type(y) is dlarray else ""
        if "C" not in fmt:
            return
        self.count, self.layer = y.shape[fmt.index("C")], net.output_names[0]
        i = self.objective.inputs
        values = self.known.get(i)
        if values is not None and self._are_classes(i, option_of(self.queue._formats, i), values):
            self._check_range(self._name(i), values)
            if self.what == "data":
                self._check_missing(self._name(i), values)

    def _look_for_strange(self, name: str, values: Values) -> None:
        """Warn of numbers that are not finite; a loss or a layer of the user may expect them."""
        if isinstance(values, list):
            bad = [k for k, v in enumerate(values) if not _is_finite(v)]
            if bad:
                text = f"have {len(bad)} observations with elements that are not finite"
                _warn(f"trainnet: {name} {text}, the first is {name}[{bad[0]}]")
        elif not _is_finite(values):
            places = np.argwhere(~np.isfinite(values))
            text = f"of shape {values.shape} have {len(places)} elements that are not finite"
            _warn(
                f"trainnet: {name} {text}, the first is {_index(tuple(places[0].tolist()), values)}"
            )

    def _check_missing(self, name: str, values: Values) -> None:
        """Raise the error for classes of the network of which there is no observation."""
        assert self.count is not None
        parts = values if isinstance(values, list) else [values]
        present: set[int] = set()
        for part in parts:
            present.update(np.unique(part).astype(int).tolist())
        missing = sorted(set(range(self.count)) - present)
        if missing:
            high = max(present, default=0)
            raise InvalidArgumentError(
                f"trainnet: layer {self.layer!r} has {self.count} classes, and of {len(values)} "
                f"{name} none is {', '.join(map(str, missing[:5]))}"
                f"{', ...' if len(missing) > 5 else ''}; give the network as many outputs as there "
                f"are classes, with FullyConnected({high + 1}) if the numbers have no gap. To "
                "train without some classes give one-hot targets"
            )

    # -- each batch ------------------------------------------------------------------------------

    def look(self, batch: Batch) -> None:
        """Look at what is not in memory."""
        if len(self.known) == len(batch):
            return
        for i, x in enumerate(batch):
            if i not in self.known:
                self._look_at(i, x, batch)

    def _look_at(self, i: int, x: Any, batch: Batch) -> None:
        fmt = dims(x) if type(x) is dlarray else ""
        values = np.asarray(extractdata(x)) if type(x) is dlarray else np.asarray(x)
        name, mask = self._name(i), mask_of(batch, i)

        def place(index: tuple[int, ...]) -> str:
            return f"{name} of {self._observation(index, fmt, values, batch)}"

        self._check_channels(i, fmt, values, batch)
        if mask is not None and i >= self.objective.inputs:  # padding may be any number
            values = np.where(mask_like(mask, fmt), values, 0)
        if values.dtype.kind in "fc" and not _is_finite(values):
            self._warn_of_batch(name, place, values)
        if self._are_classes(i, fmt or None, values):
            _check_numbers(name, values, self.objective.name, place)
            if self.count is not None:
                self._check_range(name, values, place)
        elif self._are_probabilities(i):
            _check_probabilities(name, values, self.objective.name, place)

    def _check_channels(self, i: int, fmt: str, values: Array, batch: Batch) -> None:
        """Raise the error for a batch with other channels than the first one."""
        if "C" not in fmt:
            return
        found = values.ndim, values.shape[fmt.index("C")]
        first = self._channels.setdefault(i, found)
        if first != found:
            raise ShapeMismatchError(
                f"trainnet: {self._name(i)} in mini-batch {batch.ordinal}, {shown(batch.numbers)}, "
                f"have {found[1]} channels, and had {first[1]} before; each observation must have "
                "as many"
            )

    def _warn_of_batch(self, name: str, place: Place, values: Array) -> None:
        if name not in self._warned:
            self._warned.add(name)
            index = tuple(np.argwhere(~np.isfinite(values))[0].tolist())
            _warn(f"trainnet: {place(index)} have elements that are not finite")

    def _observation(self, index: tuple[int, ...], fmt: str, values: Array, batch: Batch) -> str:
        """Return which observation an element belongs to; of a function's result, some of them."""
        axis = max(fmt.find("B"), 0)
        end = f" in mini-batch {batch.ordinal}"
        own = self.queue._reader.mini_batch_fcn is not None
        if own or not values.ndim or values.shape[axis] != len(batch.numbers):
            return shown(batch.numbers) + end
        return f"observation {batch.numbers[index[axis]]}{end}"

    # -- what an output is -----------------------------------------------------------------------

    def _name(self, i: int) -> str:
        return called(self.what, "predictors" if i < self.objective.inputs else "targets")

    def _is_target_of(self, i: int, losses: Iterable[str]) -> bool:
        objective = self.objective
        return i == objective.inputs and objective.is_named and objective.name in losses

    def _are_classes(self, i: int, fmt: str | None, values: Values) -> bool:
        """Return whether an output has numbers of classes, as those without channels are."""
        if not self._is_target_of(i, OF_CLASSES):
            return False
        if fmt:
            return "C" not in fmt or self.objective.name == "index-crossentropy"
        return (values[0] if isinstance(values, list) else values).ndim <= 1

    def _are_probabilities(self, i: int) -> bool:
        return self._is_target_of(i, OF_PROBABILITIES)

    def _check_range(self, name: str, values: Values, place: Place | None = None) -> None:
        """Raise the error for a class that the network does not have."""
        count = self.count
        assert count is not None
        found = _first(values, lambda v: v >= count)
        if found is None:
            return
        where, value, largest = found
        high = int(largest)
        low = min(int(v.min()) for v in _parts(values) if v.size)
        from_one = low == 1 and high == count
        fix = (
            "they are numbered from 1, so subtract 1"
            if from_one
            else f"give the network {high + 1} outputs, as with FullyConnected({high + 1})"
        )
        text = place(where) if place else f"{name}{_index(where, values)}"
        raise InvalidArgumentError(
            f"trainnet: {text} is {_number(value)}, and layer {self.layer!r} has {count} classes, "
            f"0 to {count - 1}; {fix}"
        )


# -- sources -------------------------------------------------------------------------------------


def _outputs(reader: Reader) -> list[tuple[int, Any]]:
    """Return sources that are outputs as they are, and the numbers of these."""
    if reader.mini_batch_fcn is not None:
        return []
    found, number = [], 0
    for i, source in enumerate(reader.sources):
        found.append((number, source))
        number += 1 + (reader.masks and "T" in (option_of(reader.formats, i) or ""))
    return found


def in_memory(source: Any) -> Values | None:
    """Return data that are in memory, as an array or a list of arrays; None for others."""
    if hasattr(source, "to_numpy"):
        return np.asarray(source.to_numpy())
    if type(source) is dlarray:
        return np.asarray(read(source))
    if isinstance(source, list) or (isinstance(source, np.ndarray) and is_list(source)):
        return _of_list(source)
    return source if isinstance(source, np.ndarray) and not _is_mapped(source) else None


def _of_list(source: Any) -> Values | None:
    """Return the elements of a list as arrays, or as one if they are numbers."""
    strange = any(isinstance(item, tuple | dict) or _is_mapped(item) for item in source)
    if strange or not len(source):
        return None
    try:
        return [np.asarray(x) for x in source] if np.ndim(source[0]) else np.asarray(source)
    except ValueError:  # of shapes that are no array; what reads them says so
        return None


def _is_mapped(x: Any) -> bool:
    """Return whether an array, or one that it is a view of, is that of a file."""
    while x is not None:
        if isinstance(x, np.memmap):
            return True
        x = getattr(x, "base", None)
    return False


def _parts(values: Values) -> list[Array]:
    return values if isinstance(values, list) else [values]


# -- elements ------------------------------------------------------------------------------------


def _is_finite(x: Array) -> bool:
    if x.dtype.kind == "c":
        return bool(np.isfinite(x).all())
    if x.dtype.kind != "f" or x.size == 0:
        return True
    return bool(np.isfinite(x.min()) and np.isfinite(x.max()))


def _warn(text: str) -> None:
    warnings.warn(
        f"{text}; remove these observations, or fill them in. A loss that is not finite will stop "
        "training",
        RuntimeWarning,
        stacklevel=2,
    )


def _first(
    values: Values, wrong: Callable[[Array], Any]
) -> tuple[tuple[int, ...], Any, Any] | None:
    """Return index and value of the first element that is wrong, and the largest value of all."""
    for k, part in enumerate(_parts(values)):
        bad = np.asarray(wrong(part))
        if bad.any():
            index = tuple(np.argwhere(bad)[0].tolist())
            high = max(v.max() for v in _parts(values) if v.size)
            return ((k, *index) if isinstance(values, list) else index), part[index], high
    return None


def _index(index: tuple[int, ...], values: Values) -> str:
    if isinstance(values, list):
        first, *others = index
        return f"[{first}]" + (f"[{', '.join(map(str, others))}]" if others else "")
    return f"[{', '.join(map(str, index))}]"


def _number(value: Any) -> Any:
    return int(value) if float(value).is_integer() else value


def _check_numbers(name: str, values: Values, loss: str, place: Place | None = None) -> None:
    """Raise the error for classes that are no integers from 0."""
    dtype = _parts(values)[0].dtype
    kinds = {part.dtype.kind for part in _parts(values)}
    if not kinds <= set("biuf"):
        shape = f" of shape {values.shape}" if isinstance(values, np.ndarray) else ""
        raise InvalidArgumentError(
            f"trainnet: {name}{shape} {dtype} are texts or objects, and the loss {loss!r} needs "
            f"numbers of classes from 0; {NUMBERED}"
        )
    parts = _first(values, lambda v: v != np.round(v)) if "f" in kinds else None
    # In a batch, whole numbers may be classes that were cast to floating point.
    strict = "f" in kinds and loss == "crossentropy" and place is None
    if "b" in kinds or strict or parts:
        index = parts[0] if parts else (0,) * (np.ndim(values) or 1)
        value = parts[1] if parts else _parts(values)[0].ravel()[:1].tolist()[0]
        where = place(index) if place else f"targets{_index(index, values)}"
        raise InvalidArgumentError(
            f"trainnet: {name} are {dtype}, as {where} = {value}; the loss {loss!r} needs classes "
            f"as integers from 0: targets.astype(int), if they are whole numbers. {NUMBERED}"
        )
    found = _first(values, lambda v: v < 0)
    if found:
        where = place(found[0]) if place else f"{name}{_index(found[0], values)}"
        raise InvalidArgumentError(
            f"trainnet: {where} is {_number(found[1])}; classes are numbers from 0. {NUMBERED}"
        )


def _check_probabilities(name: str, values: Values, loss: str, place: Place | None = None) -> None:
    """Raise the error for targets that are no probabilities, such as ones and zeros."""
    if not {part.dtype.kind for part in _parts(values)} <= set("iuf"):
        return
    if all(part.size == 0 or (part.min() >= 0 and part.max() <= 1) for part in _parts(values)):
        return
    found = _first(values, lambda v: (v < 0) | (v > 1 + ROUNDING))
    if found is None:
        return
    where = place(found[0]) if place else f"{name}{_index(found[0], values)}"
    fix = (
        "ones and zeros"
        if loss == "binary-crossentropy"
        else "one-hot vectors. Numbers of classes are targets of one dimension, as labels.ravel(), "
        "and onehotencode makes vectors of them"
    )
    raise InvalidArgumentError(
        f"trainnet: {where} is {_number(found[1])}, and the loss {loss!r} needs targets from 0 to "
        f"1: {fix}"
    )
