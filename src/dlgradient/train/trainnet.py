"""`trainnet`: a network trained by the options, and the history of how it went.

One iteration is a batch: loss and gradient in one `dlfeval`, regularisation, a threshold, an
update. What the loop carries is one object, so that an interruption keeps the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.kinds import shown
from dlgradient.core.types import Array, Value
from dlgradient.engine.array import dims, dlarray, extractdata
from dlgradient.engine.evaluate import dlfeval
from dlgradient.engine.gradient import dlgradient
from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.input import STATISTICS, AnyInput
from dlgradient.layers.layer import Layer
from dlgradient.network.network import dlnetwork
from dlgradient.network.table import ParameterTable
from dlgradient.nn.losses.classification import crossentropy, indexcrossentropy
from dlgradient.nn.losses.regression import huber, l1loss, l2loss, mse
from dlgradient.train.gradients import limited, regularized
from dlgradient.train.metrics import rows_of
from dlgradient.train.options import DECAYS, TrainingOptions
from dlgradient.train.predict import batches, evaluated, metric_of_batch, queue_of
from dlgradient.train.progress import Progress
from dlgradient.train.queue import minibatchqueue
from dlgradient.train.schedules import factor_at
from dlgradient.train.solvers import updated

__all__ = ["trainnet"]

Loss: TypeAlias = Callable[..., Value]


def _binary(y: Value, targets: Value) -> Value:
    return crossentropy(y, targets, classification_mode="multilabel")


LOSSES: dict[str, Loss] = {
    "crossentropy": crossentropy,
    "index-crossentropy": indexcrossentropy,
    "binary-crossentropy": _binary,
    "mse": mse,
    "mean-squared-error": mse,
    "l2loss": l2loss,
    "mae": l1loss,
    "mean-absolute-error": l1loss,
    "l1loss": l1loss,
    "huber": huber,
}


@dataclass
class TrainingInfo:
    """How a training went.

    Attributes
    ----------
    training_history, validation_history : dict of list
        Columns: iteration, epoch, learn rate, loss and metrics.
    stop_reason : str
    output_network_iteration : int
        The iteration that the returned network is from.
    """

    training_history: dict[str, list[float]] = field(default_factory=dict)
    validation_history: dict[str, list[float]] = field(default_factory=dict)
    stop_reason: str = ""
    output_network_iteration: int = 0

    def show(self) -> Any:
        """Draw the history and return the figure of Matplotlib."""
        import matplotlib.pyplot as plt

        others = ("iteration", "epoch", "learn_rate", "time_elapsed")
        names = [n for n in self.training_history if n not in others]
        figure, axes = plt.subplots(len(names), 1, squeeze=False, sharex=True)
        for axis, name in zip(axes[:, 0], names, strict=True):
            history = self.training_history
            axis.plot(history["iteration"], history[name], label="training")
            if self.validation_history:
                other = self.validation_history
                axis.plot(other["iteration"], other[name], "o-", label="validation")
            axis.set_ylabel(name)
            axis.legend()
        axes[-1, 0].set_xlabel("iteration")
        return figure


@checked
def trainnet(
    data: Any, targets: Any, net: Any, loss: Any, options: Any = None
) -> tuple[dlnetwork, TrainingInfo]:
    """Train a network.

    Parameters
    ----------
    data : array, tuple of arrays, minibatchqueue or dataset
        The predictors; or a queue, or a dataset whose elements are predictors and targets.
    targets : array or tuple of arrays
        Omit them if `data` has them: ``trainnet(data, net, loss, options)``.
    net : dlnetwork or sequence of Layer
        Layers in series, or a network; it need not be initialised.
    loss : str or callable
        "crossentropy", "index-crossentropy", "binary-crossentropy", "mse", "l2loss", "mae",
        "huber"; or ``loss(*ys, *targets)``, which returns a number.
    options : TrainingOptions
        What `training_options` returns.

    Returns
    -------
    net : dlnetwork
    info : TrainingInfo

    Raises
    ------
    DlgradientError
        Before the first step, if data, network and loss do not fit; the message names the layer.

    Notes
    -----
    Targets of one dimension are classes for "crossentropy": no one-hot vectors are made. Ctrl-C
    stops training and returns the network. So does a loss that is not finite, with the network of
    the step before; the reason in `info` names the layer that made it.

    See Also
    --------
    training_options : what can be chosen.
    testnet : metrics of a trained network.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> labels = (x[:, 0] * x[:, 1] > 0).astype(int)
    >>> net = [
    ...     dl.layers.FeatureInput(2),
    ...     dl.layers.FullyConnected(16),
    ...     dl.layers.Tanh(),
    ...     dl.layers.FullyConnected(2),
    ...     dl.layers.Softmax(),
    ... ]
    >>> options = dl.training_options(
    ...     "adam",
    ...     max_epochs=60,
    ...     mini_batch_size=50,
    ...     initial_learn_rate=0.05,
    ...     metrics="accuracy",
    ...     verbose=False,
    ...     generator=0,
    ... )
    >>> net, info = dl.trainnet(x, labels, net, "crossentropy", options)
    >>> info.stop_reason
    'Max epochs completed'
    >>> bool(dl.testnet(net, x, labels, "accuracy") > 0.95)
    True

    Source: MATLAB ``trainnet``.
    """
    if options is None:
        targets, net, loss, options = None, targets, net, loss
    _check_arguments(net, loss, options)
    if not isinstance(net, dlnetwork):
        net = dlnetwork(net, initialize=False)
    return _Training(data, targets, net, loss, options).run()


def _check_arguments(net: Any, loss: Any, options: Any) -> None:
    layers = isinstance(net, Layer) or (
        isinstance(net, list | tuple) and net and all(isinstance(layer, Layer) for layer in net)
    )
    if not layers and not isinstance(net, dlnetwork):
        raise InvalidArgumentError(
            f"trainnet: net must be a dlnetwork or a list of layers, not {shown(net)}; write "
            "trainnet(x, targets, net, loss, options), or trainnet(data, net, loss, options)"
        )
    if not isinstance(options, TrainingOptions):
        raise InvalidArgumentError(
            f"trainnet: options must be what training_options returns, not {shown(options)}"
        )
    if not callable(loss) and not (isinstance(loss, str) and loss in LOSSES):
        raise InvalidArgumentError(
            f"trainnet: loss must be a function or one of {', '.join(LOSSES)}, not {shown(loss)}"
        )


class _Training:
    """What a training carries from step to step."""

    def __init__(
        self, data: Any, targets: Any, net: dlnetwork, loss: Any, options: TrainingOptions
    ) -> None:
        self.options = options
        self.generator = np.random.default_rng(options.generator)
        self.queue = self._queue_of(net, data, targets)
        given = options.validation_data
        self.validation = None if given is None else self._queue_of(net, *_pair(given))
        self.inputs = len(net.input_names)
        net = normalized(net, self.queue, self.inputs, options)
        if not net.initialized:
            net = net.initialize(generator=self.generator)
        self.net = net
        self.loss = loss_function(loss)
        self.states: tuple[Any, ...] = ()  # of the optimiser
        self.iteration = self.epoch = 0
        self.info = TrainingInfo()
        self.best: tuple[float, dlnetwork, int] | None = None
        self.failures = 0

    def _queue_of(self, net: dlnetwork, data: Any, targets: Any) -> minibatchqueue:
        options = self.options
        return queue_of(
            net,
            data,
            targets,
            options.mini_batch_size,
            self.generator,
            options.input_data_formats,
            options.target_data_formats,
        )

    def run(self) -> tuple[dlnetwork, TrainingInfo]:
        """Train until the end, or until something stops it."""
        options = self.options
        batches_of_epoch = self.queue.num_batches
        total = None if batches_of_epoch is None else options.max_epochs * batches_of_epoch
        with Progress(options, total) as progress:
            try:
                reason = self._epochs(progress)
            except KeyboardInterrupt:
                reason = "Stopped by the user"
            progress.finish(reason)
        self.info.stop_reason = reason
        validated = options.output_network != "last-iteration" and self.best is not None
        self.info.output_network_iteration = self.iteration
        if validated and self.best is not None:
            _, self.net, self.info.output_network_iteration = self.best
        return self.net, self.info

    def _epochs(self, progress: Progress) -> str:
        options = self.options
        begun = perf_counter()
        for epoch in range(1, options.max_epochs + 1):
            self.epoch = epoch
            once = options.shuffle == "once" and epoch == 1 and not self.queue.is_stream
            if once or options.shuffle == "every-epoch":
                self.queue.shuffle()
            for batch in batches(self.queue):
                self.iteration += 1
                reason, row = self._step(batch)
                row["time_elapsed"] = perf_counter() - begun
                last = epoch == options.max_epochs and not self.queue.hasdata()
                if not reason and self.validation is not None and self._validates(last=last):
                    reason = self._validate(row)
                self._record(row)
                progress.show(row)
                reason = reason or self._asked(row)
                if reason:
                    return reason
        return "Max epochs completed"

    def _step(self, batch: tuple[Any, ...]) -> tuple[str, dict[str, float]]:
        """Take one step; return a reason to stop, and a row of the history."""
        options = self.options
        rate = float(options.initial_learn_rate or 0.0)
        rate *= factor_at(options.schedules, self.epoch - 1, self.iteration - 1)
        loss, gradients, state, ys = dlfeval(self._model_loss, self.net, batch)
        value = float(loss)
        row = {"iteration": self.iteration, "epoch": self.epoch, "learn_rate": rate, "loss": value}
        if not np.isfinite(value):
            return f"Loss is {value}: {first_strange(self.net, batch[: self.inputs])}", row
        for metric in options.metrics:
            row[metric.name] = metric_of_batch(metric, ys, batch[self.inputs :])
        if options.solver not in DECAYS:
            gradients = regularized(self.net, gradients, options.l2_regularization or 0.0)
        gradients = limited(
            gradients, options.gradient_threshold, options.gradient_threshold_method
        )
        self.net, self.states = updated(
            options, self.net, gradients, self.states, self.iteration, rate
        )
        self.net.state = state
        return "", row

    def _model_loss(
        self, net: dlnetwork, batch: tuple[Any, ...]
    ) -> tuple[Value, ParameterTable, ParameterTable, tuple[Value, ...]]:
        *ys, state = net.forward(*batch[: self.inputs], generator=self.generator)
        loss = self.loss(*ys, *batch[self.inputs :])
        return loss, dlgradient(loss, net.learnables, allow_complex=False), state, tuple(ys)

    # -- validation ------------------------------------------------------------------------------

    def _validates(self, *, last: bool) -> bool:
        return (
            last or self.iteration == 1 or self.iteration % self.options.validation_frequency == 0
        )

    def _validate(self, row: dict[str, float]) -> str:
        """Validate, keep the best network, and return a reason to stop or ''."""
        options = self.options
        assert self.validation is not None
        values = evaluated(self.net, self.validation, self.loss, options.metrics, self.inputs)
        for name, value in values.items():
            row[f"validation_{name}"] = value
        history = self.info.validation_history
        for name, value in {"iteration": float(self.iteration), **values}.items():
            history.setdefault(name, []).append(value)
        name = options.objective_metric_name
        larger = any(m.name == name and m.maximize for m in options.metrics)
        score = values[name] if larger else -values[name]
        if self.best is None or score > self.best[0]:
            self.best, self.failures = (score, self.net, self.iteration), 0
            return ""
        self.failures += 1
        return "Met validation criterion" if self.failures >= options.validation_patience else ""

    def _record(self, row: dict[str, float]) -> None:
        history = self.info.training_history
        for name, value in row.items():
            if not name.startswith("validation_"):
                history.setdefault(name, []).append(value)

    def _asked(self, row: dict[str, float]) -> str:
        given: Any = self.options.output_fcn
        functions = given if isinstance(given, list | tuple) else [given] if given else []
        # Each is called, even if one before it stops the training.
        answers = [function(dict(row)) for function in functions]
        return "Stopped by output_fcn" if any(answers) else ""


# -- data and loss ---------------------------------------------------------------------------------


def _pair(data: Any) -> tuple[Any, Any]:
    if isinstance(data, tuple) and len(data) == 2:
        return data
    return data, None


def loss_function(loss: Any) -> Loss:
    """Return the function of a loss; classes are targets of "crossentropy" without one-hot."""
    if callable(loss):
        return loss  # type: ignore[no-any-return]
    function = LOSSES[loss]
    if loss != "crossentropy":
        return function

    def of_classes(y: Value, targets: Value) -> Value:
        if type(targets) is dlarray:
            return crossentropy(y, targets)
        return indexcrossentropy(y, dlarray(np.asarray(targets), "B"))

    return of_classes


def normalized(
    net: dlnetwork, queue: minibatchqueue, inputs: int, options: TrainingOptions
) -> dlnetwork:
    """Return a network whose input layers have the statistics that their normalisation needs."""
    for i, name in enumerate(net.input_names[:inputs]):
        layer = net.get_layer(name.partition("/")[0])
        if not isinstance(layer, AnyInput):
            continue
        names = STATISTICS[layer.normalization]
        given = all(getattr(layer, n) is not None for n in names)
        if not names or (given and not options.reset_input_normalization):
            continue
        net = net.with_options(name, statistics(queue, i, names))
    return net


def statistics(queue: minibatchqueue, i: int, names: Sequence[str]) -> dict[str, Array]:
    """Return statistics of an input over all batches, for each channel."""
    count, total, squares = 0, 0.0, 0.0
    low, high = np.inf, -np.inf
    for batch in batches(queue):
        rows = rows_of(batch[i], dims(batch[i])).astype(float)
        count += len(rows)
        total, squares = total + rows.sum(0), squares + (rows**2).sum(0)
        low, high = np.minimum(low, rows.min(0)), np.maximum(high, rows.max(0))
    mean = np.asarray(total) / count
    spread = np.sqrt(np.maximum(np.asarray(squares) / count - mean**2, 0))
    found = {
        "mean": mean,
        "standard_deviation": np.where(spread > 0, spread, 1.0),
        "min": np.asarray(low),
        "max": np.where(np.asarray(high) > low, high, np.asarray(low) + 1),
    }
    return {name: found[name].astype(np.float32) for name in names}


def first_strange(net: dlnetwork, xs: tuple[Any, ...]) -> str:
    """Return which layer first makes a value that is not finite."""
    for x in xs:
        if not np.all(np.isfinite(np.asarray(extractdata(x)))):
            return "the data are not finite"
    for key, value in net.learnables.items():
        if not np.all(np.isfinite(np.asarray(value))):
            return f"the learnable {key!r} is not finite"
    for name in net.order():
        found = net.predict(*xs, outputs=name)
        if not np.all(np.isfinite(np.asarray(extractdata(found)))):
            return f"layer {name!r} is the first whose result is not finite"
    return "the results of all layers are finite, so it is the loss function"
