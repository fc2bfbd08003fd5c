"""The loop of a training: batches, steps of the solver, validation, and what watches it.

What the loop carries is one object, so that an interruption keeps the network.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from dlgradient.core.types import Array
from dlgradient.errors import DlgradientError, InvalidArgumentError
from dlgradient.network.network import dlnetwork
from dlgradient.train.batches import batches, nothing, queue_of
from dlgradient.train.categories import Encoder, Encoding
from dlgradient.train.checkpoint import Checkpoints
from dlgradient.train.checks import check_batch, check_learnables
from dlgradient.train.diagnosis import first_strange_of
from dlgradient.train.evaluation import Pairs, evaluated, metric_of_batch, row_pairs
from dlgradient.train.info import TrainingInfo
from dlgradient.train.inspection import Inspection, called
from dlgradient.train.lm import LevenbergMarquardt
from dlgradient.train.loss import Batch, Objective, loss_function
from dlgradient.train.metric import compared_outputs
from dlgradient.train.observers import OutputFunctions
from dlgradient.train.options import TrainingOptions
from dlgradient.train.progress import Progress
from dlgradient.train.quasi_newton import QuasiNewton
from dlgradient.train.queue import minibatchqueue
from dlgradient.train.sources import shown
from dlgradient.train.statistics import normalized, with_population_statistics
from dlgradient.train.stochastic import Stochastic
from dlgradient.train.training import Observer, Row, Training
from dlgradient.train.units import in_normalized_units, inverses, with_normalized_targets
from dlgradient.train.watching import LivePlot, TensorBoard

__all__ = ["Loop"]


SOLVERS = {"lbfgs": QuasiNewton, "lm": LevenbergMarquardt}


class Loop(Training):
    """A training that can be run."""

    def __init__(
        self, data: Any, targets: Any, net: dlnetwork, loss: Any, options: TrainingOptions
    ) -> None:
        self.options = options
        self.generator = np.random.default_rng(options.generator)
        self.encoder = Encoder(
            "trainnet",
            options.categorical_input_encoding,
            _target_encoding(options.categorical_target_encoding, loss),
        )
        self.queue = self._queue_of(net, data, targets)
        if self.queue.is_stream and options.shuffle == "once" and "shuffle" in options._given:
            warnings.warn(
                "trainnet: shuffle='once' has no effect on an iterable, which has its own order; "
                "shuffle where it is made, or give a dataset with __getitem__ and __len__",
                RuntimeWarning,
                stacklevel=2,
            )
        given = options.validation_data
        self.validation = None
        if given is not None:
            self.validation = self._queue_of(net, *_pair(given), "validation_data")
        self.gathers = _gathers(options.batch_normalization_statistics, self.queue)
        inputs = len(net.input_names)
        units = inverses(net) if options.normalize_targets else {}
        reset = options.reset_input_normalization
        net = normalized(net, self.queue, inputs, units, reset=reset)
        if not net.initialized:
            net = net.initialize(generator=self.generator)
        self.net = net
        named = isinstance(loss, str)
        name = loss if named else getattr(loss, "__name__", type(loss).__name__)
        self.objective = Objective(loss_function(loss), inputs, self.generator, name, named)
        if units:
            in_normalized_units(self.objective, net)
            self.queue = with_normalized_targets(self.queue, net, inputs)
            if self.validation is not None:
                self.validation = with_normalized_targets(self.validation, net, inputs)
        check_learnables(net)
        self.inspection = Inspection("data", self.queue, self.objective)
        self.of_validation = None
        if self.validation is not None:
            self.of_validation = Inspection("validation_data", self.validation, self.objective)
        self.solver = SOLVERS.get(options.solver, Stochastic)(options)
        self.completed = self.solver.completed
        self.observers = _observers_of(options)
        count = self.queue.num_batches
        self.total = None if count is None else options.max_epochs * count
        if self.solver.whole:
            self.total = options.max_iterations
        self.iteration = self.epoch = 0
        self.info = TrainingInfo(class_names=self.encoder.class_names)
        self.best = None
        self.resumed = None
        self.failures = 0

    def _queue_of(
        self, net: dlnetwork, data: Any, targets: Any, what: str = "data"
    ) -> minibatchqueue:
        options, encoder = self.options, self.encoder
        data = encoder.predictors(data, called(what, "predictors"))
        targets = encoder.labels(targets, called(what, "targets"))
        try:
            return queue_of(
                net,
                data,
                targets,
                options.mini_batch_size,
                self.generator,
                options.input_data_formats,
                options.target_data_formats,
                sequence_length=options.sequence_length,
                sequence_padding_direction=options.sequence_padding_direction,
                sequence_padding_value=options.sequence_padding_value,
                preprocessing_environment=options.preprocessing_environment,
            )
        except DlgradientError as error:
            text = error.args[0].removeprefix("trainnet: ")
            raise type(error)(f"trainnet: {what}: {text}") from error

    def run(self) -> tuple[dlnetwork, TrainingInfo]:
        """Train until the end, or until something stops it."""
        with ExitStack() as stack:
            for observer in self.observers:
                stack.callback(observer.end, self)
                observer.begin(self)
            try:
                self.info.stop_reason = self._iterate()
            except KeyboardInterrupt:
                self.info.stop_reason = "Stopped by the user"
        self.info.output_network_iteration = self.iteration
        if self.options.output_network != "last-iteration" and self.best is not None:
            _, self.net, self.info.output_network_iteration = self.best
        if self.gathers:
            self.net = self._with_population_statistics()
        return self.net, self.info

    def _with_population_statistics(self) -> dlnetwork:
        """Return the network with the statistics of all data; Ctrl-C leaves it as it is."""
        objective = self.objective
        try:
            return with_population_statistics(
                self.net,
                self.queue,
                objective.inputs,
                objective.generator,
                whole=self.solver.whole,
            )
        except KeyboardInterrupt:
            return self.net

    def _iterate(self) -> str:
        """Take all steps; return why they ended."""
        elapsed = self.info.training_history.get("time_elapsed", [0.0])[-1]
        begun = perf_counter() - elapsed
        first = True
        for batch in self._batches():
            if first:
                self._check_first(batch)
            elif not self.solver.whole:
                self.inspection.look(batch)
            first = False
            reason, row = self._placed_step(batch)
            row["time_elapsed"] = perf_counter() - begun
            if self._is_time_to_validate(reason) and isfinite(row["loss"]):
                found = self._validate(row)
                reason = reason or found
            self._record(row)
            if self.info.stop_reason != reason:  # to set it costs as much as a small step
                self.info.stop_reason = reason
            answers = [observer.iterated(self, row) for observer in self.observers]
            reason = self.decided([reason, *answers])
            if reason:
                return reason
        return self.completed

    def _placed_step(self, batch: Batch) -> tuple[str, Row]:
        """Take one step; an error says in which it was."""
        try:
            return self._step(batch)
        except Exception as error:
            place = f"in iteration {self.iteration}, {shown(batch.numbers)}"
            if isinstance(error, DlgradientError):
                text = error.args[0].removeprefix("trainnet: ")
                raise type(error)(f"trainnet: {place}: {text}") from error
            error.add_note(f"trainnet: {place}")
            raise

    def _check_first(self, batch: Batch) -> None:
        """Look at the first batch of the data, and of the validation data."""
        names = self.encoder.class_names
        for metric in self.options.metrics:
            targets = len(batch) - self.objective.inputs
            compared_outputs(metric, self.net.output_names[:targets])
        check_batch(self.net, batch, self.inspection, names)
        validation, inspection = self.validation, self.of_validation
        if validation is None or inspection is None:
            return
        if validation.is_stream:
            inspection.count, inspection.layer = self.inspection.count, self.inspection.layer
            return
        other = next(batches(validation, "trainnet: validation_data"))
        validation.reset()
        check_batch(self.net, other, inspection, names)

    def _batches(self) -> Iterator[Batch]:
        """Yield the batches of all epochs, and count them; of a checkpoint, those that are left."""
        queue = self.queue
        if self.solver.whole:
            yield from self._repeated()
            return
        for epoch in range(max(self.epoch, 1), self.options.max_epochs + 1):
            begins = epoch > self.epoch
            if begins:
                self._begin_epoch(epoch)
            before = self.iteration
            # An iterator is over after one epoch.
            over = epoch > 1 and begins and any(isinstance(s, Iterator) for s in queue.sources)
            while not over and queue.hasdata():
                self.iteration += 1
                yield queue._batch()
            if begins and self.iteration == before:
                self._end_without_data(epoch)
                return

    def _end_without_data(self, epoch: int) -> None:
        """Raise the error for data without a batch; if there was one before, keep the network."""
        text = nothing("trainnet: data", self.queue)
        if epoch == 1:
            raise InvalidArgumentError(text)
        self.completed = f"Data gave no batch in epoch {epoch}"
        warnings.warn(
            f"{text}. This is epoch {epoch}, so training ends", RuntimeWarning, stacklevel=2
        )

    def _repeated(self) -> Iterator[Batch]:
        """Yield all data in each iteration, which is an epoch, too."""
        batch = self.queue._whole()
        for iteration in range(self.iteration + 1, self.options.max_iterations + 1):
            self.iteration = self.epoch = iteration
            yield batch

    def _begin_epoch(self, epoch: int) -> None:
        shuffle, queue = self.options.shuffle, self.queue
        self.epoch = epoch
        if shuffle == "every-epoch" or (shuffle == "once" and epoch == 1 and not queue.is_stream):
            queue.shuffle()
        queue.reset()

    def _step(self, batch: Batch) -> tuple[str, Row]:
        """Take one step; return a reason to stop or '', and a row of the history."""
        step = self.solver.step(self, batch)
        row: Row = {"iteration": self.iteration, "epoch": self.epoch}
        row.update(step.row)
        if step.net is not self.net:
            # Sequences of a batch do not go on in the next one, which has others, and maybe fewer.
            self.net = step.net.reset_state() if step.net.forgets else step.net
        if self.options.metrics and step.ys:
            pairs = row_pairs(self.objective, step.ys, batch)
            _, pairs = self.together(self.queue, np.zeros(2), pairs)
            for metric in self.options.metrics:
                row[metric.name] = metric_of_batch(metric, pairs, self.net.output_names)
        return step.reason, row

    # -- what processes that share the batches override ------------------------------------------

    def decided(self, reasons: Iterable[str]) -> str:
        """Return the first reason to stop, or ''."""
        return next(filter(None, reasons), "")

    def together(self, queue: minibatchqueue, sums: Array, pairs: Pairs) -> tuple[Array, Pairs]:
        """Return sums over the last batch of a queue, and its rows, from those of a share of it."""
        del queue
        return sums, pairs

    # -- validation ------------------------------------------------------------------------------

    def _is_time_to_validate(self, reason: str) -> bool:
        if self.validation is None:
            return False
        options = self.options
        last = self.iteration == self.total or bool(reason)
        if self.total is None:  # of a stream
            last = last or (self.epoch == options.max_epochs and self.ends_epoch())
        return last or self.iteration == 1 or self.iteration % options.validation_frequency == 0

    def _validate(self, row: Row) -> str:
        """Validate, keep the best network, and return a reason to stop or ''."""
        objective = self.objective
        assert self.validation is not None
        metrics = self.options.metrics
        assert self.of_validation is not None
        look = self.of_validation.look
        loss, found = evaluated(self.net, self.validation, objective, metrics, self.together, look)
        names = [metric.name for metric in metrics]
        values = {"loss": loss, **dict(zip(names, found, strict=True))}
        for name, value in values.items():
            row[f"validation_{name}"] = value
        history = self.info.validation_history
        for name, value in {"iteration": float(self.iteration), **values}.items():
            history.setdefault(name, []).append(value)
        reason = self._compare(values)
        if not np.isfinite(loss):
            where = first_strange_of(self.net, self.validation, objective)
            reason = f"Validation loss is {loss}: {where}"
        answers = [observer.validated(self, row) for observer in self.observers]
        return self.decided([reason, *answers])

    def _compare(self, values: dict[str, float]) -> str:
        """Keep the network if it is the best; return a reason to stop or ''."""
        name = self.options.objective_metric_name
        larger = any(m.name == name and m.maximize for m in self.options.metrics)
        score = values[name] if larger else -values[name]
        # A metric may be undefined, and NaN, as of classes that do not occur.
        if np.isfinite(score) and (self.best is None or score > self.best[0]):
            self.best, self.failures = (score, self.net, self.iteration), 0
            return ""
        self.failures += 1
        met = self.failures >= self.options.validation_patience
        return "Met validation criterion" if met else ""

    def _record(self, row: Row) -> None:
        history = self.info.training_history
        for name, value in row.items():
            column = history.get(name)
            if column is not None:
                column.append(value)
            elif not name.startswith("validation_"):
                history[name] = [value]


def _observers_of(options: TrainingOptions) -> list[Observer]:
    """Return what watches a training, in the order in which it is told."""
    found: list[Observer] = []
    if options.verbose:
        found.append(Progress())
    if options.plots != "none":
        found.append(LivePlot())
    if options.tensorboard is not None:
        found.append(TensorBoard(options.tensorboard))
    if options.output_fcn is not None:
        found.append(OutputFunctions(options.output_fcn))
    if options.checkpoint_path:
        found.append(Checkpoints(Path(options.checkpoint_path)))
    return found


def _target_encoding(encoding: str, loss: Any) -> Encoding:
    """Return how targets are encoded: numbers where the loss takes those, else one-hot vectors."""
    if encoding == "auto":
        encoding = "integer" if loss in ("crossentropy", "index-crossentropy") else "one-hot"
    return "integer" if encoding == "integer" else "one-hot"


def _gathers(statistics: str, queue: minibatchqueue) -> bool:
    """Return whether data are read once more for batch normalisation."""
    if statistics == "auto":
        return not queue.is_stream  # which may have no end
    if statistics == "population" and any(isinstance(s, Iterator) for s in queue.sources):
        raise InvalidArgumentError(
            "trainnet: batch_normalization_statistics='population' reads the data once more, and a "
            "generator can be read once only; give a function that returns a new one, or use "
            "'moving'"
        )
    return statistics == "population"


def _pair(data: Any) -> tuple[Any, Any]:
    if isinstance(data, tuple) and len(data) == 2:
        return data
    return data, None
