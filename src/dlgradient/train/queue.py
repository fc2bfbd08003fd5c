"""`minibatchqueue`: data in mini-batches, shuffled, cast and given a format.

A source is an array, a list, a data frame, or any object with ``__getitem__`` and ``__len__``, such
as a dataset of PyTorch. Only the observations of a batch are read, so an array may be mapped from
a file that is larger than memory. An iterable is read from the first observation on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from itertools import count
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.attributes import AnswersByName
from dlgradient.core.calls import wrap
from dlgradient.core.formats import valid_format
from dlgradient.core.kinds import Kind
from dlgradient.core.kinds import shown as described
from dlgradient.core.shares import Share
from dlgradient.core.types import Array, Count, Generator
from dlgradient.engine.array import dlarray
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError, located
from dlgradient.layers.input import Normalizing
from dlgradient.train.ahead import Environment, in_order, is_broken, lost, pool_of, reading
from dlgradient.train.sources import (
    Batch,
    Padding,
    Reader,
    batch_axis,
    check_loader,
    is_stream,
    length_of,
    observations_of,
    option_of,
    shown,
)

__all__ = ["minibatchqueue"]

_QUEUE = "reference/training.html"


def _texts(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    return tuple([None if v is None else str(v) for v in value])


Texts: TypeAlias = Annotated[
    str | Sequence[str | None] | None, Kind("a string, or one for each output", _texts)
]


PartialMiniBatch: TypeAlias = Literal["return", "discard"]
SequenceLength: TypeAlias = Count | Literal["longest", "shortest"]


class minibatchqueue(AnswersByName):  # noqa: N801 - the established name
    """Mini-batches of data, one after the other.

    Parameters
    ----------
    data : array, sequence, data frame, dataset, iterable, callable, or tuple of these
        The sources; each is an output. Observations are the dimension 'B' of an array whose
        `mini_batch_format` has one, else the first dimension. A dataset whose elements are tuples
        has several outputs. An iterable, or a function that returns one, is the only source. It
        is read in its order, and its length need not be known.
    mini_batch_size : int
    partial_mini_batch : {"return", "discard"}
        What becomes of a last batch that is smaller.
    mini_batch_fcn : callable, optional
        ``fcn(*lists)`` of the observations of each source, which are arrays without the dimension
        'B'. It returns the batch of each output. By default observations are stacked along 'B',
        and padded along 'T'.
    mini_batch_format : str or sequence of str, optional
        Format of each output. One without a format stays an array.
    output_cast : str or sequence of str
        Dtype of the outputs that have a format.
    sequence_length : int, "longest" or "shortest"
        To which length sequences in a list are padded or cut, along 'T'.
    sequence_padding_direction : {"right", "left"}
        At which end.
    sequence_padding_value : float
    padding_masks : bool
        Whether each output that has a 'T' is followed by its mask: in the same format with one
        channel, 1 for elements of sequences and 0 for padding. Recurrent layers with
        ``has_padding_mask_input=True`` take it.
    preprocessing_environment : {"serial", "background", "parallel"}
        Who reads: the caller, or threads or processes that read the next batches while this one is
        used. Threads serve sources that wait for files, or functions of NumPy. Processes need data
        and functions that can be pickled, and a script that begins with
        ``if __name__ == "__main__":``.
    generator : numpy.random.Generator or int, optional
        Source of randomness of `shuffle`, or a seed. Without it, `trainnet` shuffles by the
        generator of its options.

    Raises
    ------
    ShapeMismatchError
        If sources have different numbers of observations.
    InvalidArgumentError
        If there are none, or if another process cannot read the data.

    See Also
    --------
    trainnet : trains with a queue
    padsequences : sequences of one length
    image_folder : a dataset of the images in a folder

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

    Your own function gets lists of observations, here images of 28 by 28 by 1:

    >>> images, labels = np.zeros((28, 28, 1, 6)), np.array([2, 0, 1, 1, 2, 0])
    >>> def preprocess(images, labels):
    ...     return np.stack(images, axis=-1) / 255, dl.onehotencode(labels, class_names=[0, 1, 2])
    >>> queue = dl.minibatchqueue(
    ...     (images, labels),
    ...     mini_batch_size=4,
    ...     mini_batch_fcn=preprocess,
    ...     mini_batch_format=("SSCB", "BC"),
    ... )
    >>> [batch.shape for batch in queue.next()]
    [(28, 28, 1, 4), (4, 3)]

    Source: MATLAB ``minibatchqueue``.
    """

    _elsewhere: ClassVar = {
        "NumOutputs": "len(next())",
        "OutputAsDlarray": "mini_batch_format=, with None for an output that stays an array",
        "DispatchInBackground": 'preprocessing_environment="background"',
    }
    _instead: ClassVar = dict.fromkeys(
        (
            *("sources", "mini_batch_format", "preprocessing_environment"),
            *("generator", "is_stream", "seeded"),
        ),
        "make a new minibatchqueue",
    )

    sources: tuple[Any, ...]
    mini_batch_size: Count
    partial_mini_batch: PartialMiniBatch
    mini_batch_format: Texts
    preprocessing_environment: Environment
    generator: np.random.Generator
    is_stream: bool
    # Whether the generator was given; if not, a training shuffles by its own.
    seeded: bool
    # The share of the last batch that this process has; None for all of it.
    share: Share | None = None
    # By the number of an output, the layer in whose normalised units it is returned.
    _units: Mapping[int, Normalizing] = MappingProxyType({})

    @checked
    def __init__(  # noqa: PLR0913 - most are options of MATLAB, too
        self,
        data: Any,
        *,
        mini_batch_size: Count = 128,
        partial_mini_batch: PartialMiniBatch = "return",
        mini_batch_fcn: Callable[..., Any] | None = None,
        mini_batch_format: Texts = None,
        output_cast: Texts = "float32",
        sequence_length: SequenceLength = "longest",
        sequence_padding_direction: Literal["right", "left"] = "right",
        sequence_padding_value: float = 0.0,
        padding_masks: bool = False,
        preprocessing_environment: Environment = "serial",
        generator: Generator = None,
    ) -> None:
        sources = tuple(data) if type(data) is tuple else (data,)
        for source in sources:
            check_loader(source)
        vars(self).update(
            sources=sources,
            mini_batch_format=mini_batch_format,
            preprocessing_environment=preprocessing_environment,
            generator=np.random.default_rng(generator),
            is_stream=any(map(is_stream, sources)),
            seeded=generator is not None,
        )
        self.mini_batch_size = mini_batch_size
        self.partial_mini_batch = partial_mini_batch
        formats = [option_of(mini_batch_format, i) for i in range(len(self.sources))]
        axes = [batch_axis(s, f) for s, f in zip(self.sources, formats, strict=True)]
        self._reader = Reader(
            self.sources,
            axes,
            mini_batch_fcn,
            mini_batch_format,
            output_cast,
            Padding(sequence_length, sequence_padding_direction, sequence_padding_value),
            padding_masks,
        )
        self._formats = mini_batch_format
        if padding_masks:
            self._formats = self._formats_with_masks()
        self._order: Array = np.arange(0)
        if self.is_stream:
            self._check_stream()
        else:
            self._order = np.arange(self._length(axes, formats))
        self._numbers = self._order  # of the observations, which are not all if it is a part
        self._pool = pool_of(preprocessing_environment, self._reader, streams=self.is_stream)
        # The number of the next observation; batches that are being read; the next one of a stream.
        self._at = 0
        self._read_before: Iterator[Any] | None = None
        self._coming: Iterator[Any] | None = None
        self._waiting: Batch | None = None

    def _length(self, axes: list[int | None], formats: list[str | None]) -> int:
        sizes = [length_of(s, a) for s, a in zip(self.sources, axes, strict=True)]
        if len(set(sizes)) > 1:
            each = [
                f"{n} in {described(source)}{f' of format {fmt!r}' if fmt else ''}"
                for n, source, fmt in zip(sizes, self.sources, formats, strict=True)
            ]
            raise ShapeMismatchError(
                f"minibatchqueue: data have {', '.join(map(str, sizes))} observations, but each "
                f"source must have as many: {'; '.join(each)}. They are the dimension 'B' of a "
                "format, and without one the first dimension of an array"
            )
        if sizes[0] == 0:
            raise InvalidArgumentError("minibatchqueue: data have no observations")
        return sizes[0]

    def _formats_with_masks(self) -> tuple[str | None, ...]:
        """Return the formats of outputs and masks."""
        formats = self.mini_batch_format
        each = [formats] * len(self.sources) if isinstance(formats, str) else list(formats or ())
        if self._reader.mini_batch_fcn is not None or not any("T" in (f or "") for f in each):
            raise InvalidArgumentError(
                "minibatchqueue: padding_masks=True needs a mini_batch_format with 'T', and no "
                "mini_batch_fcn, which returns masks itself: x, mask = padsequences(sequences, 0)"
            )
        return tuple([f for fmt in each for f in [fmt] * (2 if "T" in (fmt or "") else 1)])

    def _check_stream(self) -> None:
        if len(self.sources) > 1:
            raise InvalidArgumentError(
                "minibatchqueue: an iterable must be the only source; let it yield tuples, one "
                "member for each output"
            )
        if self.preprocessing_environment == "parallel":
            raise InvalidArgumentError(
                "minibatchqueue: one process reads an iterable; use "
                "preprocessing_environment='background', or a dataset with __getitem__ and __len__"
            )

    # -- where it is -----------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return the number of batches."""
        if self.is_stream:
            raise TypeError(located("the length of an iterable is not known", _QUEUE))
        full, rest = divmod(len(self._order), self.mini_batch_size)
        return full + (rest > 0 and self.partial_mini_batch == "return")

    @property
    def num_observations(self) -> int | None:
        """How many observations there are; None for an iterable."""
        return None if self.is_stream else len(self._order)

    @property
    def num_batches(self) -> int | None:
        """How many batches there are; None for an iterable."""
        return None if self.is_stream else len(self)

    def hasdata(self) -> bool:
        """Return whether there is another batch."""
        if self.is_stream:
            if self._waiting is None:
                self._waiting = self._next_of_stream()
            return bool(self._waiting)
        left = len(self._order) - self._at
        return left >= (1 if self.partial_mini_batch == "return" else self.mini_batch_size)

    def reset(self) -> None:
        """Begin with the first batch again."""
        if self._at:
            self._at, self._coming, self._waiting = 0, None, None

    def shuffle(self) -> None:
        """Draw a new order of the observations, and begin with the first batch again.

        Raises
        ------
        InvalidArgumentError
            For an iterable, which has its own order.
        """
        if self.is_stream:
            raise InvalidArgumentError(
                "minibatchqueue: an iterable has its own order; shuffle where it is made, and "
                "train with shuffle='never'"
            )
        self._order = self._numbers[self.generator.permutation(len(self._numbers))]
        self._at, self._coming = 0, None

    def partition(self, count: Count, index: int) -> minibatchqueue:
        """Return a queue of one of several parts of the observations.

        Parameters
        ----------
        count : int
            Number of parts.
        index : int
            Which one, from 0.
        """
        if self.is_stream:
            raise InvalidArgumentError("minibatchqueue: an iterable cannot be divided into parts")
        new = object.__new__(minibatchqueue)
        new.__dict__.update(self.__dict__)
        new._order = new._numbers = np.array_split(self._order, count)[index]
        new._at, new._coming = 0, None
        return new

    def _whole(self) -> Batch:
        """Return all observations as one batch."""
        if self.is_stream:
            raise InvalidArgumentError(
                "trainnet: this solver needs all data at once, and an iterable gives one after the "
                "other; give arrays or a dataset, or use a solver for mini-batches such as 'adam'"
            )
        return self._known(self._reader.read(self._order), 1)

    def _of_all(self, value: Any) -> list[Any]:
        """Return what each process that shares the batches has; here there is one."""
        return [value]

    def _unpadded(self) -> minibatchqueue:
        """Return a queue of the same data without padding, for statistics of the data.

        Sequences in a list or a dataset may differ in length, and come one by one.
        """
        if self._reader.mini_batch_fcn is not None or not self._reader.pads():
            return self
        new = copy(self)
        new.mini_batch_size = 1
        vars(new)["preprocessing_environment"] = "serial"
        new._reader = replace(self._reader, padding=Padding())
        new._pool = pool_of("serial", new._reader, streams=self.is_stream)
        new._at, new._coming, new._waiting = 0, None, None
        return new

    def _place(self) -> dict[str, Any]:
        """Return how far it is, and the order of the observations, for a checkpoint."""
        return {"at": self._at, "order": self._order}

    def _go_to(self, at: int, order: Array, seed: int | None = None) -> None:
        """Go on from the place of a queue of the same data; the seed is one of ranks."""
        del seed
        if self.is_stream:
            self.reset()
            for _ in range(0, at, self.mini_batch_size):
                self._next_of_stream()
        self._at, self._order = at, order
        if not self.is_stream:
            self._coming = None

    def __iter__(self) -> Iterator[Any]:
        """Yield all batches, from the first one on."""
        self.reset()
        while self.hasdata():
            yield self.next()

    def __next__(self) -> Any:
        """Return the next batch, as `next` does; ``next(queue)`` is MATLAB's form."""
        if not self.hasdata():
            raise StopIteration
        return self.next()

    def next(self) -> Any:
        """Return the next batch: an array, or a tuple of them if there are several outputs.

        Raises
        ------
        InvalidArgumentError
            If there is none; `hasdata` tells.
        """
        found = self._batch()
        return tuple(found) if len(found) > 1 else found[0]

    def _batch(self) -> Batch:
        """Return the next batch, also of one output, with what is known of it."""
        if not self.hasdata():
            raise InvalidArgumentError(
                "minibatchqueue: there is no batch left; reset() or shuffle() begins again"
            )
        place = vars(self)  # to set an attribute would look whether it is one (row own-mlp)
        batch = place["_waiting"] or self._read_next()
        place["_waiting"] = None
        place["_at"] += self.mini_batch_size
        return self._known(batch, self._at // self.mini_batch_size)

    def _known(self, batch: Batch, ordinal: int) -> Batch:
        """Return a batch of arrays in the formats of the outputs."""
        found = [self._finished(output, i) for i, output in enumerate(batch)]
        return Batch(found, batch.masks, batch.numbers, ordinal)

    # -- what comes next -------------------------------------------------------------------------

    def _chosen(self, at: int) -> Array:
        """Return the numbers of the observations that are read of the batch from a place on."""
        return self._order[at : at + self.mini_batch_size]

    def _read_next(self) -> Any:
        """Return what comes next; an error says where that was."""
        try:
            if self._pool is None and not self.is_stream:
                return self._reader.read(self._chosen(self._at))
            if self._coming is None:
                read = reading(self._reader, self.preprocessing_environment)
                places = range(self._at, len(self._order), self.mini_batch_size)
                self._coming = in_order(read, ((self._chosen(i),) for i in places), self._pool)
            return next(self._coming)
        except Exception as error:
            place = f"mini-batch {self._at // self.mini_batch_size + 1}"
            if not self.is_stream:
                end = self._at + self.mini_batch_size
                place += f", {shown(self._order[self._at : end])}"
            if not is_broken(error):
                error.add_note(f"minibatchqueue: in {place}")
                raise
            # Processes that are gone are not missed by the next pass.
            self._pool = pool_of(self.preprocessing_environment, self._reader, streams=False)
            raise RuntimeError(located(lost(place), _QUEUE)) from error

    def _next_of_stream(self) -> Batch:
        """Return the next batch of an iterable; it is empty after the last one."""
        size = self.mini_batch_size
        if self._coming is None:
            observations = observations_of(self.sources[0])
            if observations is self._read_before:
                raise InvalidArgumentError(
                    "minibatchqueue: a generator can be read once only; give a function that "
                    "returns a new one, data=observations and not data=observations()"
                )
            self._read_before = observations
            jobs = ((observations, size, first) for first in count(0, size))
            self._coming = in_order(self._reader.read_next, jobs, self._pool)
        found, batch = self._read_next()
        return batch if found == size or self.partial_mini_batch == "return" else Batch()

    def _finished(self, batch: Any, i: int) -> Any:
        fmt = option_of(self._formats, i)
        found = _labelled(batch, fmt) if fmt else batch
        return self._units[i].normalized(found) if i in self._units else found


def _labelled(batch: Array, fmt: str) -> Any:
    """Return an array as a dlarray; the reader has made it, so no one else has it."""
    if batch.ndim == len(fmt) and batch.dtype.kind in "fiu":
        return wrap(batch, None, valid_format(fmt))
    return dlarray(batch, fmt)
