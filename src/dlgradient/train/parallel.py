"""Data-parallel training: the ranks of an MPI job share each batch.

Each rank has the whole network, and can read all data. For a batch

1. it reads its share: neighbours in the order that the first rank has drawn. Sequences are padded
   to the longest one of the whole batch;
2. it evaluates the loss of its share, with the weight of the share in the batch. Layers that need
   the whole batch sum over the ranks, in the forward pass and in its derivative. Random numbers of
   an observation do not depend on who has it (`dlgradient.nn.shared.batches`);
3. the gradients, one vector for each dtype, are summed by one Allreduce;
4. it takes the same step as all others.

So the network is that of one process, to rounding, if the loss is a mean over the observations.
Metrics get the rows of all ranks. Only the first rank prints, draws and writes files, and its
reason to stop is that of all. A rank that fails ends the job, since the others would wait for it.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field, replace
from pickle import dumps
from typing import Any
from zlib import crc32

import numpy as np

from dlgradient.core.shares import Share, sharing
from dlgradient.core.types import Array, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.network.network import dlnetwork
from dlgradient.network.table import ParameterTable
from dlgradient.train.evaluation import Pairs
from dlgradient.train.gradients import vectors
from dlgradient.train.info import TrainingInfo
from dlgradient.train.loop import Loop
from dlgradient.train.loss import Batch, Evaluation, Mask, Objective
from dlgradient.train.options import TrainingOptions
from dlgradient.train.queue import minibatchqueue
from dlgradient.train.ranks import Ranks, ranks_of_job
from dlgradient.train.training import Row

__all__ = ["ParallelLoop"]


class SharedQueue(minibatchqueue):
    """A queue of which this rank reads its share of each batch.

    Attributes
    ----------
    share : Share
        Of the batch that was returned last.
    seed : int
        With the number of a step, what the generators of the ranks begin it with.
    """

    ranks: Ranks
    share: Share
    seed: int

    @classmethod
    def of(cls, queue: minibatchqueue, ranks: Ranks, generator: np.random.Generator) -> SharedQueue:
        """Return a queue of the same data."""
        if queue.is_stream:
            raise InvalidArgumentError(
                "trainnet: ranks cannot share an iterable; give arrays, or a dataset with "
                "__getitem__ and __len__"
            )
        sizes = ranks.of_all((queue.num_observations, queue.mini_batch_size))
        if len(set(sizes)) > 1:
            found = " and ".join(f"{n} on rank {i}" for i, (n, _) in enumerate(sizes))
            raise InvalidArgumentError(
                "trainnet: data and mini_batch_size must be the same on all ranks, but "
                f"observations are {found}; give all data to each rank, which reads its share"
            )
        new = object.__new__(cls)
        new.__dict__.update(queue.__dict__)
        new.ranks = ranks
        new.seed = crc32(dumps(generator.bit_generator.state))  # without drawing from it
        own = np.random.default_rng([ranks.rank, new.seed])
        new.share = Share(0, 1, 1, True, ranks.total, generator, own)
        return new

    def shuffle(self) -> None:
        """Take the new order of the first rank."""
        super().shuffle()
        self._order = self.ranks.of_first(self._order)

    def _batch(self) -> Batch:
        """Return the share of the next batch."""
        whole = min(self.mini_batch_size, len(self._order) - self._at)
        batch = super()._batch()
        begin, end, counts = self._bounds(whole)
        self.share = replace(self.share, first=begin, count=end - begin, whole=whole, counts=counts)
        return batch

    def begin_step(self, step: int) -> None:
        """Let this rank draw what it draws in a step, whatever it has drawn before.

        So a checkpoint of the first rank is enough for all to go on.
        """
        new = np.random.default_rng([self.ranks.rank, self.seed, step])
        self.share.own.bit_generator.state = new.bit_generator.state

    def _known(self, batch: Batch, ordinal: int) -> Batch:
        """Return a batch whose sequences are as long as those of the other ranks."""
        reader = self._reader
        own_length = type(reader.padding.length) is int or reader.mini_batch_fcn is not None
        if reader.pads() and not own_length and self.mini_batch_size > 1:
            of_ranks = np.array(self.ranks.of_all(batch.lengths(reader)))
            wanted = of_ranks.min(0) if reader.padding.length == "shortest" else of_ranks.max(0)
            batch = batch.of_lengths(wanted.tolist(), reader)
        return super()._known(batch, ordinal)

    def _place(self) -> dict[str, Any]:
        """Return how far it is, for a checkpoint."""
        return {**super()._place(), "seed": self.seed}

    def _go_to(self, at: int, order: Array, seed: int | None = None) -> None:
        """Go on from the place of a queue of the same data, of ranks or of one process."""
        super()._go_to(at, order)
        if seed is not None:
            self.seed = seed

    def _of_all(self, value: Any) -> list[Any]:
        """Return what each rank has."""
        return self.ranks.of_all(value)

    def _chosen(self, at: int) -> Array:
        """Return the numbers of the observations of this rank in a batch."""
        numbers = super()._chosen(at)
        begin, end, _ = self._bounds(len(numbers))
        return numbers[begin:end]

    def _bounds(self, whole: int) -> tuple[int, int, bool]:
        """Return where the share of a batch begins and ends, and whether it counts."""
        rank, size = self.ranks.rank, self.ranks.size
        begin, end = whole * rank // size, whole * (rank + 1) // size
        return (begin, end, True) if begin < end else (whole - 1, whole, False)


@dataclass
class SharedObjective(Objective):
    """The loss of a batch that ranks share, and its gradients.

    Attributes
    ----------
    queue : SharedQueue
        Where the batch is from.
    is_finite : bool
        Whether the loss of the last share was.
    """

    queue: SharedQueue = field(kw_only=True)
    is_finite: bool = True

    def __call__(self, net: dlnetwork, batch: Batch) -> Evaluation:
        """Return loss and gradients of the batch, and new state and outputs of the share."""
        share = self.queue.share
        with sharing(share):
            found = super().__call__(net, batch)
        value = float(found.loss)
        self.is_finite = bool(np.isfinite(value))
        gradients = ParameterTable.of(
            found.gradients.columns, buffers=[share.total(x) for x in vectors(found.gradients)]
        )
        return found._replace(loss=share.total(np.array(value)), gradients=gradients)

    def forward(
        self, net: dlnetwork, batch: tuple[Any, ...], mask: Mask
    ) -> tuple[Value, ParameterTable, tuple[Value, ...]]:
        """Return the part of the loss that the share has, new state and outputs."""
        loss, state, ys = super().forward(net, batch, mask)
        return loss * self.queue.share.weight, state, ys


class ParallelLoop(Loop):
    """A training whose batches the ranks of this job share."""

    queue: SharedQueue
    objective: SharedObjective

    def __init__(
        self, data: Any, targets: Any, net: dlnetwork, loss: Any, options: TrainingOptions
    ) -> None:
        self.ranks = ranks = ranks_of_job()
        options = copy(options)
        options.generator = ranks.of_first(np.random.default_rng(options.generator))
        super().__init__(data, targets, net, loss, options)
        own = {**vars(self.objective), "generator": self.queue.share.own}
        self.objective = SharedObjective(**own, queue=self.queue)
        if ranks.rank:
            self.observers = []

    def _queue_of(
        self, net: dlnetwork, data: Any, targets: Any, what: str = "data"
    ) -> minibatchqueue:
        queue = super()._queue_of(net, data, targets, what)
        return SharedQueue.of(queue, self.ranks, self.generator)

    def run(self) -> tuple[dlnetwork, TrainingInfo]:
        """Train; an error ends all ranks, since some of them may wait for this one."""
        try:
            with self.ranks.listening():
                return super().run()
        except BaseException:
            traceback.print_exc()
            self.ranks.abort()
            raise

    def _with_population_statistics(self) -> dlnetwork:
        self.queue.begin_step(self.iteration + 1)
        return super()._with_population_statistics()

    def _step(self, batch: Batch) -> tuple[str, Row]:
        """Take one step; the reason to stop is that of a rank whose share has made it."""
        self.queue.begin_step(self.iteration)
        reason, row = super()._step(batch)
        if not reason:
            return "", row
        found = self.ranks.of_all((self.objective.is_finite, reason))
        return next((text for finite, text in found if not finite), reason), row

    def decided(self, reasons: Iterable[str]) -> str:
        """Return the reason to stop of the first rank, or Ctrl-C on any, or ''."""
        return self.ranks.agreed(super().decided(reasons))

    def together(self, queue: minibatchqueue, sums: Array, pairs: Pairs) -> tuple[Array, Pairs]:
        """Return sums and rows of the whole batch."""
        assert isinstance(queue, SharedQueue)
        found = self.ranks.of_all((sums, pairs) if queue.share.counts else None)
        shares = [share for share in found if share is not None]
        columns = zip(*[of_share for _, of_share in shares], strict=True)
        return np.sum([of_share for of_share, _ in shares], 0), [
            (np.concatenate([y for y, _ in column]), np.concatenate([t for _, t in column]))
            for column in columns
        ]
