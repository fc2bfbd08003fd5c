"""Sources of mini-batches: what data are, and how observations of them are read and collated.

A source is read by the numbers of observations, or it is a stream, whose observations come one
after the other. A reader has all that reading takes, so that it can work in a thread or in another
process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Self

import numpy as np

from dlgradient.core.formats import valid_format
from dlgradient.core.reading import read
from dlgradient.core.types import Array
from dlgradient.engine.array import dlarray
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.train.sequences import padsequences

__all__ = [
    "Batch",
    "Padding",
    "Reader",
    "batch_axis",
    "check_loader",
    "is_list",
    "is_stream",
    "length_of",
    "mask_like",
    "mask_of",
    "observations_of",
]


class Batch(tuple[Any, ...]):  # noqa: SLOT001 - a tuple cannot have slots
    """The outputs of a mini-batch, with what is known of them.

    Attributes
    ----------
    masks : tuple
        For each output, which of its times (rows) are no padding in which observation (columns);
        None if it has no padding.
    numbers : sequence of int
        Of the observations in the data.
    ordinal : int
        Of the batch in its epoch, from 1.
    """

    masks: tuple[Array | None, ...]
    numbers: Sequence[int] | Array
    ordinal: int

    def __new__(
        cls,
        outputs: Iterable[Any] = (),
        masks: tuple[Array | None, ...] = (),
        numbers: Any = (),
        ordinal: int = 0,
    ) -> Self:
        """Return the outputs as a tuple."""
        new = super().__new__(cls, outputs)
        new.masks, new.numbers, new.ordinal = masks, numbers, ordinal
        return new

    def lengths(self, reader: Reader) -> list[int]:
        """Return the number of times of each output; 0 for those that have none."""
        return [0 if t is None else x.shape[t[0]] for x, t in self._timed(reader)]

    def of_lengths(self, lengths: Sequence[int], reader: Reader) -> Batch:
        """Return a batch with other numbers of times."""
        found: list[Any] = []
        masks: list[Array | None] = []
        end = reader.padding.direction
        for i, ((x, times), n) in enumerate(zip(self._timed(reader), lengths, strict=True)):
            mask = mask_of(self, i)
            if times is None or x.shape[times[0]] == n:
                found.append(x)
                masks.append(mask)
                continue
            axis, value = times
            found.append(_of_length(x, axis, n, value, end))
            whole = np.ones((x.shape[axis], len(self.numbers)), bool)
            mask = _of_length(whole if mask is None else mask, 0, n, 0, end)
            masks.append(None if mask.all() else mask)
        return Batch(found, tuple(masks), self.numbers, self.ordinal)

    def _timed(self, reader: Reader) -> list[tuple[Any, tuple[int, float] | None]]:
        """Return each output, with its axis of times and what pads it."""
        found: list[tuple[Any, tuple[int, float] | None]] = []
        number = 0
        while len(found) < len(self):
            fmt = option_of(reader.formats, number)
            axis = valid_format(fmt).find("T") if fmt else -1
            values = [reader.padding.padding_value, *[0.0] * reader.masks] if axis >= 0 else [0.0]
            for value in values:
                found.append((self[len(found)], (axis, value) if axis >= 0 else None))
            number += 1
        return found


def _of_length(x: Array, axis: int, n: int, value: float, end: str) -> Array:
    """Return an array padded, or cut, to a length along an axis, at its right or left end."""
    size, before = x.shape[axis], (slice(None),) * axis
    kept = min(size, n)
    taken = x[(*before, slice(0, kept) if end == "right" else slice(size - kept, size))]
    missing = np.full((*x.shape[:axis], n - kept, *x.shape[axis + 1 :]), value, x.dtype)
    return np.concatenate([taken, missing] if end == "right" else [missing, taken], axis)


def mask_of(batch: tuple[Any, ...], i: int) -> Array | None:
    """Return the mask of an output, also of a tuple of arrays, which has none."""
    masks = batch.masks if isinstance(batch, Batch) else ()
    return masks[i] if i < len(masks) else None


def option_of(option: Any, i: int) -> Any:
    """Return an option of one output."""
    if option is None or isinstance(option, str):
        return option
    return option[i] if i < len(option) else None


def is_stream(source: Any) -> bool:
    """Return whether observations come one after the other only."""
    # A dataset of PyTorch that is an iterable has inherited a __getitem__ that fails.
    inherited = any(kind.__name__ == "IterableDataset" for kind in type(source).__mro__)
    if hasattr(source, "__getitem__") and hasattr(source, "__len__") and not inherited:
        return False
    return isinstance(source, Iterable) or callable(source)


def check_loader(source: Any) -> None:
    """Raise the error for a loader, such as PyTorch's, which gives batches and not observations."""
    loads = all(hasattr(source, name) for name in ("dataset", "batch_size", "collate_fn"))
    if not loads or hasattr(source, "__getitem__"):
        return
    name = type(source).__name__
    raise InvalidArgumentError(
        f"minibatchqueue: data is a {name}, which gives batches, and a queue makes batches of "
        f"observations; give the dataset of the {name}: minibatchqueue(loader.dataset, "
        f"mini_batch_size={source.batch_size}). Instead of shuffle=True there are shuffle() and "
        "training_options(shuffle=), and instead of num_workers preprocessing_environment"
    )


def observations_of(source: Any) -> Iterator[Any]:
    """Return the observations of a stream, from the first one on."""
    return iter(source() if callable(source) else source)


def is_list(source: Any) -> bool:
    """Return whether observations are elements, not along a dimension: no array, no data frame."""
    if hasattr(source, "iloc"):
        return False
    if not (hasattr(source, "shape") and hasattr(source, "dtype")):
        return True
    # An array of objects that are arrays, as sequences of different lengths.
    objects = isinstance(source, np.ndarray) and source.dtype == object and source.ndim == 1
    return objects and len(source) > 0 and isinstance(source[0], np.ndarray)


def batch_axis(source: Any, fmt: str | None) -> int | None:
    """Return the axis of the observations of an array; None for other sources."""
    if hasattr(source, "iloc"):
        return 0
    if is_list(source):
        return None
    if not fmt:
        return 0
    valid = valid_format(fmt)
    if "B" not in valid or len(valid) < np.ndim(source):
        raise InvalidArgumentError(
            f"minibatchqueue: mini_batch_format {fmt!r} must name each dimension of data of shape "
            f"{np.shape(source)}, with 'B' for the observations"
        )
    return valid.index("B") if valid.index("B") < np.ndim(source) else 0


def length_of(source: Any, axis: int | None) -> int:
    """Return the number of observations of a source that is no stream."""
    if axis is None:
        if not hasattr(source, "__len__") or not hasattr(source, "__getitem__"):
            raise InvalidArgumentError(
                "minibatchqueue: data must be arrays, sequences, data frames, datasets with "
                f"__getitem__ and __len__, or an iterable, not {type(source).__name__}"
            )
        return len(source)
    shape = np.shape(source)
    if not shape:
        raise ShapeMismatchError("minibatchqueue: data is a number, which has no observations")
    return int(shape[axis])


@dataclass
class Padding:
    """How sequences of a batch are brought to one length: the options of `padsequences`."""

    length: Any = "longest"
    direction: Any = "right"
    padding_value: float = 0.0


@dataclass
class Reader:
    """Reads batches of some sources.

    Attributes
    ----------
    sources, axes
        For each, the axis of the observations of an array, None for a dataset.
    mini_batch_fcn, formats, casts
        Options of `minibatchqueue`.
    masks : bool
        Whether the mask of an output that has a time follows it.
    """

    sources: tuple[Any, ...]
    axes: list[int | None]
    mini_batch_fcn: Callable[..., Any] | None
    formats: Any
    casts: Any
    padding: Padding
    masks: bool = False

    def __getstate__(self) -> dict[str, Any]:
        """An array in a file is mapped again in another process, not copied to it."""
        state = {name: value for name, value in self.__dict__.items() if name != "_plan"}
        return state | {"sources": tuple([_Mapped.of(s) for s in self.sources])}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.sources = tuple([s.array() if type(s) is _Mapped else s for s in self.sources])

    @cached_property
    def takes_parts(self) -> bool:
        """Whether a batch is a part of each source: its shape depends on its size only."""
        return self.mini_batch_fcn is None and all(axis is not None for axis in self.axes)

    def pads(self) -> bool:
        """Return whether observations may be sequences of different lengths."""
        number = len(self.sources if type(self.formats) is str else self.formats or ())
        formats = [option_of(self.formats, i) or "" for i in range(number)]
        return any("T" in fmt for fmt in formats) and any(axis is None for axis in self.axes)

    def read(self, chosen: Array) -> Batch:
        """Return the batch of the observations with some numbers."""
        if self.takes_parts:
            return self._parts(chosen)
        lists = []
        for number, (source, axis) in enumerate(zip(self.sources, self.axes, strict=True)):
            items = []
            for i in chosen.tolist():
                try:
                    items.append(_taken(source, i, axis) if axis is not None else source[i])
                except Exception as error:
                    error.add_note(
                        f"minibatchqueue: while observation {i} of data[{number}] was read"
                    )
                    raise
            lists.append(items)
        return self.collate(lists, chosen)

    def _parts(self, chosen: Array) -> Batch:
        """Return a batch of parts of the sources."""
        found: list[Any] = []
        # Lines of their own: each step of a training runs through them (row own-mlp).
        for source, axis, fmt, dtype in self._plan:
            if type(source) is np.ndarray:
                array = source.take(chosen, axis)
            else:
                # A tensor of PyTorch becomes an array, also as an output without a format. A copy,
                # since a class of the user may go on to write to what it has returned.
                part = _taken(source, chosen, axis)
                array = np.array(part) if fmt else np.asarray(part)
            if dtype is not None and array.dtype != dtype and array.dtype.kind in "biuf":
                array = array.astype(dtype)
            found.append(array)
        if self.masks:
            return self._cast([(array, None) for array in found], chosen)
        return Batch(found, (None,) * len(found), chosen)

    @cached_property
    def _plan(self) -> list[tuple[Any, int, str | None, Any]]:
        """Each source, the axis of its observations, and format and dtype of its output."""
        found = []
        for i, (source, axis) in enumerate(zip(self.sources, self.axes, strict=True)):
            fmt, cast = self._of(i)
            found.append((source, axis or 0, fmt, np.dtype(cast) if cast else None))
        return found

    def read_next(self, observations: Iterator[Any], count: int, first: int) -> tuple[int, Batch]:
        """Return how many observations were left of those that are wanted, and their batch.

        Parameters
        ----------
        first : int
            The number of the next observation.
        """
        try:
            items = list(islice(observations, count))
        except Exception as error:
            error.add_note("minibatchqueue: while the next observations of data were read")
            raise
        numbers = range(first, first + len(items))
        return len(items), self.collate([items], numbers) if items else Batch()

    def collate(self, lists: list[list[Any]], numbers: Sequence[int] | Array) -> Batch:
        """Return the batch of lists of observations, one list for each source."""
        if len(lists) == 1 and isinstance(lists[0][0], tuple):
            lists = _columns(lists[0], numbers)
        if self.mini_batch_fcn is not None:
            try:
                found = self.mini_batch_fcn(*lists)
            except Exception as error:
                error.add_note(f"minibatchqueue: in mini_batch_fcn, called for {shown(numbers)}")
                raise
            batches = found if isinstance(found, tuple) else (found,)
            return self._cast([(batch, None) for batch in batches], numbers)
        collated = [
            _collated(items, *self._of(i), self.padding, numbers) for i, items in enumerate(lists)
        ]
        return self._cast(collated, numbers)

    def _of(self, i: int) -> tuple[str | None, str | None]:
        """Return format and dtype of an output."""
        fmt = option_of(self.formats, i)
        return fmt, option_of(self.casts, i) if fmt else None

    def _cast(
        self, batches: Sequence[tuple[Any, Array | None]], numbers: Sequence[int] | Array
    ) -> Batch:
        """Return outputs that have a format as arrays of the dtype that is wanted.

        Parameters
        ----------
        batches : sequence
            Arrays, and which of their elements are no padding; None for all.
        """
        found: list[Any] = []
        masks: list[Array | None] = []
        for i, (batch, mask) in enumerate(batches):
            fmt = option_of(self.formats, i)
            if fmt and mask is not None and not mask.all():
                masks.append(_of_times(mask, fmt))
            else:
                masks.append(None)
            if not fmt:
                found.append(batch)
                continue
            raw = np.asarray(batch)
            cast = option_of(self.casts, i)
            # A copy, since a function of the user may go on to write to what it has returned.
            found.append(raw.astype(cast if cast and raw.dtype.kind in "biuf" else raw.dtype))
            if self.masks and "T" in fmt:
                whole = np.ones(raw.shape, bool) if mask is None else mask
                found.append(_one_channel(whole, fmt).astype(found[-1].dtype))
                masks.append(masks[-1])
        return Batch(found, tuple(masks), numbers)


@dataclass
class _Mapped:
    """Where an array that is mapped from a file is."""

    options: dict[str, Any]

    @classmethod
    def of(cls, source: Any) -> Any:
        if not isinstance(source, np.memmap) or source.filename is None:
            return source
        if not isinstance(source.base, np.memmap) and source.flags.c_contiguous:
            names = ("filename", "dtype", "offset", "shape")
            return cls({"mode": "r", **{name: getattr(source, name) for name in names}})
        return source

    def array(self) -> Array:
        return np.memmap(**self.options)


def _taken(source: Any, chosen: Any, axis: int) -> Any:
    if hasattr(source, "iloc"):
        found = source.iloc[chosen]
        return found.to_numpy() if hasattr(found, "to_numpy") else found
    if type(source) is dlarray:
        source = read(source)
    if type(source) is np.ndarray and type(chosen) is np.ndarray:
        return source.take(chosen, axis)  # in half the time of an index
    return source[(slice(None),) * axis + (chosen,)]


def _columns(rows: list[Any], numbers: Sequence[int] | Array) -> list[list[Any]]:
    """Return the members of observations, which are tuples, one list for each."""
    for row, number in zip(rows, numbers, strict=True):
        if not isinstance(row, tuple) or len(row) != len(rows[0]):
            found = f"{len(row)} members" if isinstance(row, tuple) else "no tuple"
            raise ShapeMismatchError(
                f"minibatchqueue: observation {number} has {found}, and observation {numbers[0]} "
                f"is a tuple of {len(rows[0])}; each must have one member for each output"
            )
    return [list(column) for column in zip(*rows, strict=True)]


def _collated(
    items: list[Any],
    fmt: str | None,
    cast: str | None,
    padding: Padding,
    numbers: Sequence[int] | Array,
) -> tuple[Any, Array | None]:
    """Return observations as one array, stacked along 'B' and padded along 'T', and the mask.

    The mask is None if there is no padding.
    """
    arrays = [np.asarray(item) for item in items]
    axis = valid_format(fmt).find("B") if fmt else 0
    has_length = type(padding.length) is int and fmt is not None and "T" in fmt
    if len({a.shape for a in arrays}) == 1 and not has_length:
        whole = np.stack(arrays, max(axis, 0)) if fmt or arrays[0].ndim else np.array(arrays)
        return whole, None
    other = unlike([a.shape for a in arrays], fmt, [f"observation {i}" for i in numbers])
    if other:
        raise ShapeMismatchError(f"minibatchqueue: {other}")
    if cast:  # before there is padding, which may be no integer
        arrays = [a.astype(cast) if a.dtype.kind in "biuf" else a for a in arrays]
    inner = (fmt or "").replace("B", "")
    padded, mask = (
        np.moveaxis(x, -1, max(axis, 0))
        for x in padsequences(arrays, inner.index("T"), **vars(padding))
    )
    return padded, mask


def unlike(shapes: Sequence[tuple[int, ...]], fmt: str | None, names: Sequence[str]) -> str:
    """Return which observation does not fit the others, and the fix; '' if all do.

    Sizes along 'T' may differ. What most observations have is right.
    """
    inner = (fmt or "").replace("B", "")
    time = inner.find("T")
    fixed = [shape if time < 0 else _without_time(shape, time) for shape in shapes]
    if len(set(fixed)) <= 1:
        return ""
    usual = Counter(fixed).most_common(1)[0][0]
    odd = next(i for i, sizes in enumerate(fixed) if sizes != usual)
    other = fixed.index(usual)
    found = f"{names[odd]} has the shape {shapes[odd]}, and {names[other]} has {shapes[other]}"
    if time < 0:
        return (
            f"{found}; give mini_batch_fcn=, or a format with 'T' to pad along it: "
            "mini_batch_format= of a queue, input_data_formats= or target_data_formats= elsewhere"
        )
    return (
        f"{found}; in the format {inner!r} only dimension {time}, 'T', may differ; transpose "
        "sequences with another order, or give the format that they have"
    )


def _without_time(shape: tuple[int, ...], time: int) -> tuple[int, ...]:
    """Return the sizes that must not differ, and the number of dimensions."""
    return (len(shape), *shape[:time], *shape[time + 1 :])


def shown(numbers: Sequence[int] | Array) -> str:
    """Return some observations as a text."""
    some = ", ".join(str(int(i)) for i in numbers[:8])
    return f"observations {some}{', ...' if len(numbers) > 8 else ''}"


def _one_channel(mask: Array, fmt: str) -> Array:
    """Return a mask with one channel, since padding has all channels."""
    if "C" not in fmt:
        return mask
    return mask.take([0], axis=valid_format(fmt).index("C"))


def mask_like(mask: Array, fmt: str) -> Array:
    """Return a mask of times × observations so that it broadcasts to an array of a format."""
    own = mask if fmt.index("T") < fmt.index("B") else mask.T
    return own[tuple([slice(None) if label in "TB" else None for label in fmt])]


def _of_times(mask: Array, fmt: str) -> Array:
    """Return times × observations of a mask, which is the same along the other dimensions."""
    labels = valid_format(fmt)
    found = mask[tuple([slice(None) if label in "TB" else 0 for label in labels])]
    return found if labels.index("T") < labels.index("B") else found.T
