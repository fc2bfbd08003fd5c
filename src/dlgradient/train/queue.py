"""`minibatchqueue`: data in mini-batches, shuffled, cast and given a format.

A source is an array, a list, a data frame, or any object with ``__getitem__`` and ``__len__``, such
as a dataset of PyTorch. Only the observations of a batch are read, so an array may be mapped from
a file that is larger than memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.formats import valid_format
from dlgradient.core.kinds import Kind
from dlgradient.core.types import Array, Count, Generator
from dlgradient.engine.array import dlarray
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.train.sequences import padsequences

__all__ = ["minibatchqueue"]


def _texts(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return tuple([None if v is None else str(v) for v in value])


Texts: TypeAlias = Annotated[
    str | Sequence[str | None] | None, Kind("a string, or one for each output", _texts)
]


class minibatchqueue:  # noqa: N801 - the established name
    """Mini-batches of data, one after the other.

    Parameters
    ----------
    data : array, sequence, data frame, dataset, or tuple of these
        The sources; each is an output. Observations are the dimension 'B' of an array with a
        format, else the first one. A dataset whose elements are tuples has several outputs.
    mini_batch_size : int
    partial_mini_batch : {"return", "discard"}
        What becomes of a last batch that is smaller.
    mini_batch_fcn : callable, optional
        ``fcn(*lists)`` of the lists of observations of each source; returns the batch of each
        output. By default arrays are stacked along 'B', and padded along 'T'.
    mini_batch_format : str or sequence of str, optional
        Format of each output. One without a format stays an array.
    output_cast : str or sequence of str
        Dtype of the outputs that have a format.
    generator : numpy.random.Generator or int, optional
        Source of randomness of `shuffle`, or a seed.

    Examples
    --------
    >>> x, labels = np.arange(10.0).reshape(5, 2), np.array([0, 1, 0, 1, 1])
    >>> queue = dl.minibatchqueue((x, labels), mini_batch_size=2, mini_batch_format=("BC", None))
    >>> while queue.hasdata():
    ...     batch, wanted = queue.next()
    >>> batch, wanted
    (dlarray([[8., 9.]], 'BC', dtype=float32), array([1]))
    >>> len([batch for batch, _ in queue])
    3

    Source: MATLAB ``minibatchqueue``.
    """

    @checked
    def __init__(
        self,
        data: Any,
        *,
        mini_batch_size: Count = 128,
        partial_mini_batch: Literal["return", "discard"] = "return",
        mini_batch_fcn: Callable[..., Any] | None = None,
        mini_batch_format: Texts = None,
        output_cast: Texts = "float32",
        generator: Generator = None,
    ) -> None:
        self.sources = tuple(data) if type(data) is tuple else (data,)
        self.mini_batch_size = mini_batch_size
        self.partial_mini_batch = partial_mini_batch
        self.mini_batch_fcn = mini_batch_fcn
        self.mini_batch_format = mini_batch_format
        self.output_cast = output_cast
        self.generator = np.random.default_rng(generator)
        count = len(self.sources)
        formats = [self._of(mini_batch_format, i) for i in range(count)]
        self._axes = [_batch_axis(s, f) for s, f in zip(self.sources, formats, strict=True)]
        sizes = [_length(s, a) for s, a in zip(self.sources, self._axes, strict=True)]
        if len(set(sizes)) > 1:
            raise ShapeMismatchError(
                f"minibatchqueue: data have {', '.join(map(str, sizes))} observations; each source "
                "must have as many"
            )
        if sizes[0] == 0:
            raise InvalidArgumentError("minibatchqueue: data have no observations")
        self._order = np.arange(sizes[0])
        self._at = 0

    @staticmethod
    def _of(option: Any, i: int) -> Any:
        """Return an option of one output."""
        if option is None or isinstance(option, str):
            return option
        return option[i] if i < len(option) else None

    # -- where it is -----------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return the number of batches."""
        full, rest = divmod(len(self._order), self.mini_batch_size)
        return full + (rest > 0 and self.partial_mini_batch == "return")

    @property
    def num_observations(self) -> int:
        """How many observations there are."""
        return len(self._order)

    def hasdata(self) -> bool:
        """Return whether there is another batch."""
        left = len(self._order) - self._at
        return left >= (1 if self.partial_mini_batch == "return" else self.mini_batch_size)

    def reset(self) -> None:
        """Begin with the first batch again."""
        self._at = 0

    def shuffle(self) -> None:
        """Draw a new order of the observations, and begin with the first batch again."""
        self._order = self.generator.permutation(len(self._order))
        self._at = 0

    def partition(self, count: Count, index: int) -> minibatchqueue:
        """Return a queue of one of several parts of the observations.

        Parameters
        ----------
        count : int
            Number of parts.
        index : int
            Which one, from 0.
        """
        new = object.__new__(minibatchqueue)
        new.__dict__.update(self.__dict__)
        new._order = np.array_split(self._order, count)[index]
        new._at = 0
        return new

    def __iter__(self) -> Iterator[Any]:
        """Yield all batches, from the first one on."""
        self.reset()
        while self.hasdata():
            yield self.next()

    def next(self) -> Any:
        """Return the next batch: an array, or a tuple of them if there are several outputs.

        Raises
        ------
        InvalidArgumentError
            If there is none; `hasdata` tells.
        """
        if not self.hasdata():
            raise InvalidArgumentError(
                "minibatchqueue: there is no batch left; reset() or shuffle() begins again"
            )
        chosen = self._order[self._at : self._at + self.mini_batch_size]
        self._at += len(chosen)
        batches = self._read(chosen)
        found = tuple([self._finished(batch, i) for i, batch in enumerate(batches)])
        return found if len(found) > 1 else found[0]

    # -- what it reads ---------------------------------------------------------------------------

    def _read(self, chosen: Array) -> tuple[Any, ...]:
        if self.mini_batch_fcn is None and all(axis is not None for axis in self._axes):
            pairs = zip(self.sources, self._axes, strict=True)
            return tuple([_taken(source, chosen, axis or 0) for source, axis in pairs])
        lists = self._observations(chosen)
        if self.mini_batch_fcn is not None:
            batches = self.mini_batch_fcn(*lists)
            return batches if isinstance(batches, tuple) else (batches,)
        return tuple(
            [_collated(items, self._of(self.mini_batch_format, i)) for i, items in enumerate(lists)]
        )

    def _observations(self, chosen: Array) -> list[list[Any]]:
        """Return a list of observations of each output."""
        lists = []
        for number, (source, axis) in enumerate(zip(self.sources, self._axes, strict=True)):
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
        if len(lists) == 1 and isinstance(lists[0][0], tuple):
            return [list(column) for column in zip(*lists[0], strict=True)]
        return lists

    def _finished(self, batch: Any, i: int) -> Any:
        fmt = self._of(self.mini_batch_format, i)
        if not fmt:
            return batch
        cast = self._of(self.output_cast, i)
        raw = np.asarray(batch)
        if cast and raw.dtype.kind in "biuf":
            raw = raw.astype(cast)
        return dlarray(raw, fmt)


def _is_array(source: Any) -> bool:
    return hasattr(source, "shape") and hasattr(source, "dtype") and not hasattr(source, "iloc")


def _batch_axis(source: Any, fmt: str | None) -> int | None:
    """Return the axis of the observations of an array; None for other sources."""
    if hasattr(source, "iloc"):
        return 0
    if not _is_array(source):
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


def _length(source: Any, axis: int | None) -> int:
    if axis is None:
        return len(source)
    shape = np.shape(source)
    if not shape:
        raise ShapeMismatchError("minibatchqueue: data is a number, which has no observations")
    return int(shape[axis])


def _taken(source: Any, chosen: Any, axis: int) -> Any:
    if hasattr(source, "iloc"):
        found = source.iloc[chosen]
        return found.to_numpy() if hasattr(found, "to_numpy") else found
    if type(source) is dlarray:
        source = source._value
    return source[(slice(None),) * axis + (chosen,)]


def _collated(items: list[Any], fmt: str | None) -> Any:
    """Return observations as one array: stacked along 'B', and padded along 'T'."""
    arrays = [np.asarray(item) for item in items]
    axis = valid_format(fmt).find("B") if fmt else 0
    if len({a.shape for a in arrays}) == 1:
        return np.stack(arrays, max(axis, 0)) if fmt or arrays[0].ndim else np.array(items)
    inner = (fmt or "").replace("B", "")
    if "T" not in inner:
        shapes = sorted({str(a.shape) for a in arrays})
        raise ShapeMismatchError(
            f"minibatchqueue: observations have the shapes {', '.join(shapes[:4])}; give "
            "mini_batch_fcn=, or a format with 'T' to pad along it"
        )
    padded, _ = padsequences(arrays, inner.index("T"))
    return np.moveaxis(padded, -1, max(axis, 0))
