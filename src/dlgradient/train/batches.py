"""Data of a network in mini-batches: the queue of predictors and targets, in formats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeAlias

import numpy as np

from dlgradient.core.formats import valid_format
from dlgradient.core.kinds import Kind
from dlgradient.engine.array import dlarray
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.layers.input import AnyInput
from dlgradient.network.network import dlnetwork
from dlgradient.train.queue import minibatchqueue
from dlgradient.train.sources import (
    Batch,
    check_loader,
    is_list,
    is_stream,
    observations_of,
)

__all__ = ["Formats", "batches", "formats_of_each", "nothing", "queue_of", "without_targets"]


def _formats(value: Any) -> Any:
    if isinstance(value, str):
        if not value:
            raise ValueError
        return value if value == "auto" else valid_format(value)
    if not isinstance(value, list | tuple):
        raise TypeError
    return tuple([None if fmt is None else valid_format(fmt) for fmt in value])


Formats: TypeAlias = Annotated[
    str | Sequence[str | None],
    Kind("'auto', a format such as 'BC', or a format for each array", _formats),
]
# The layout of targets by their number of dimensions, as in MATLAB.
TARGETS = {1: "B", 2: "BC", 3: "TCB", 4: "SSCB", 5: "SSSCB"}


def queue_of(
    net: dlnetwork,
    data: Any,
    targets: Any,
    mini_batch_size: int,
    generator: np.random.Generator | None = None,
    input_formats: Any = "auto",
    target_formats: Any = "auto",
    **reading: Any,
) -> minibatchqueue:
    """Return data as a queue whose outputs have formats."""
    if isinstance(data, minibatchqueue):
        if generator is not None and not data.seeded:
            vars(data)["generator"] = generator
        return data
    predictors = data if type(data) is tuple else (data,)
    wanted = () if targets is None else targets if type(targets) is tuple else (targets,)
    formats = _input_formats(net, input_formats)
    _check_inputs(net, predictors, formats)
    return minibatchqueue(
        (*predictors, *wanted),
        mini_batch_size=mini_batch_size,
        mini_batch_format=(*formats, *_target_formats(wanted, target_formats)),
        output_cast="float64" if _is_double(net) else "float32",
        generator=generator,
        **reading,
    )


class _Predictors:
    """A dataset without the targets that follow predictors in its elements."""

    def __init__(self, source: Any, count: int) -> None:
        self.source, self.count = source, count

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, i: int) -> Any:
        return _first(self.source[i], self.count)


def _first(item: Any, count: int) -> Any:
    return item[:count] if isinstance(item, tuple) else item


def without_targets(data: Any, count: int) -> Any:
    """Return data whose elements have so many members at most: the predictors."""
    if isinstance(data, tuple | minibatchqueue) or not is_list(data):
        return data
    check_loader(data)
    if not is_stream(data):
        plain = isinstance(data, list) and not (data and isinstance(data[0], tuple))
        return data if plain else _Predictors(data, count)
    if isinstance(data, Iterator):
        return (_first(item, count) for item in data)
    return lambda: (_first(item, count) for item in observations_of(data))


def batches(queue: minibatchqueue, what: str = "trainnet: data") -> Iterator[Batch]:
    """Yield all batches, from the first one on, as tuples also if there is one output.

    Raises
    ------
    InvalidArgumentError
        If there is none; `what` is for the message.
    """
    queue.reset()
    first = True
    while queue.hasdata():
        first = False
        yield queue._batch()
    if first:
        raise InvalidArgumentError(nothing(what, queue))


def nothing(what: str, queue: minibatchqueue) -> str:
    """Return what is said of data that give no batch."""
    if queue.num_observations is not None:
        return (
            f"{what} have {queue.num_observations} observations, which is no whole mini-batch of "
            f"{queue.mini_batch_size}; make mini_batch_size smaller, or partial_mini_batch='return'"
        )
    discard = queue.partial_mini_batch == "discard"
    whole = f" whole mini-batch of {queue.mini_batch_size}" if discard else " observation"
    return (
        f"{what} gave no{whole}: give an iterable that has some, or a function that returns a new "
        "one each time, data=lambda: iter(...)"
    )


def _is_double(net: dlnetwork) -> bool:
    """Return whether a network has learnables of double precision, which data would make single."""
    return any(x.dtype in (np.float64, np.complex128) for x in net.learnables.values())


def _input_formats(net: dlnetwork, given: Any) -> list[str | None]:
    """Return the format of each input: what is given, or that of its input layer."""
    names = net.input_names
    if given != "auto":
        return formats_of_each("input_data_formats", given, names, "inputs")
    found: list[str | None] = []
    for name in names:
        layer = net.get_layer(name.partition("/")[0])
        if not isinstance(layer, AnyInput):
            raise InvalidArgumentError(
                f"input {name!r} has no input layer, so the format of the data is not known; give "
                "input_data_formats='BC', or what the dimensions of the data are (for trainnet in "
                "training_options)"
            )
        found.append(layer.labels)
    return found


def _check_inputs(net: dlnetwork, predictors: Sequence[Any], formats: list[str | None]) -> None:
    """Raise the error for arrays whose sizes an input layer does not take.

    Observations are counted along the dimension of the format, so a wrong one is seen here first.
    """
    for name, x, fmt in zip(net.input_names, predictors, formats, strict=False):
        layer = net.get_layer(name.partition("/")[0])
        known = isinstance(x, np.ndarray | dlarray) and fmt is not None and np.ndim(x) == len(fmt)
        if known and isinstance(layer, AnyInput):
            try:
                layer.check_sizes(np.shape(x), fmt or "")
            except ShapeMismatchError as error:
                kind = type(layer).__name__
                raise ShapeMismatchError(f"layer {name!r} ({kind}): {error.args[0]}") from None


def _target_formats(targets: Sequence[Any], given: Any) -> list[str | None]:
    """Return the format of each array of targets; None for those that are classes."""
    if given != "auto":
        if not targets:  # they are in a dataset, with the predictors
            return [given] if isinstance(given, str) else list(given)
        names = [f"targets[{i}]" for i in range(len(targets))]
        return formats_of_each("target_data_formats", given, names, "arrays")
    return [_target_format(target) for target in targets]


def _target_format(target: Any) -> str | None:
    """Return the format of targets by their number of dimensions; None for classes."""
    if not is_list(target) or not len(target):
        # A dtype of PyTorch has no kind.
        ndim, kind = (
            np.ndim(target),
            getattr(target.dtype if hasattr(target, "dtype") else None, "kind", ""),
        )
        kind = np.asarray(target).dtype.kind if kind not in "biufc" else kind
        return None if ndim == 1 and kind in "biuUSO" else TARGETS.get(ndim)
    first = np.asarray(target[0])
    if not first.ndim:
        kinds = (
            {np.asarray(t).dtype.kind for t in target}
            if type(target) is list
            else {first.dtype.kind}
        )
        return None if kinds <= set("biuUSO") else "B"
    if first.ndim > 1 or len({np.shape(t) for t in _known(target)}) == 1:
        return TARGETS.get(first.ndim + 1)
    # A number for each time of sequences, which have different lengths: classes.
    if first.dtype.kind not in "biu":
        raise InvalidArgumentError(
            f"targets are vectors of different lengths, of {first.dtype}: targets of "
            "sequences are times × channels. Write [t[:, None] for t in targets], or give "
            "target_data_formats= in training_options"
        )
    return "TB"


def _known(source: Any) -> Any:
    """Return observations that are in memory, of others the first."""
    return source if isinstance(source, list | np.ndarray) else [source[0]]


def formats_of_each(option: str, given: Any, names: Sequence[str], what: str) -> list[str | None]:
    """Return the format of each of some arrays; a single one is that of all."""
    found = [given] * len(names) if isinstance(given, str) else list(given)
    if len(found) != len(names):
        raise InvalidArgumentError(
            f"{option} has {len(found)} formats, {', '.join(map(repr, found))}, and there are the "
            f"{what} {', '.join(names)}; give one format for each, or one for all"
        )
    return found
