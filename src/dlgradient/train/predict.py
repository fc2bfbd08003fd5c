"""Predictions of a network in mini-batches, and metrics of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.types import Array, Count, Value
from dlgradient.engine.array import dims, dlarray, extractdata
from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.input import AnyInput
from dlgradient.network.network import dlnetwork
from dlgradient.nn.linear.embed import names_of
from dlgradient.train.categories import Encoder, Encoding
from dlgradient.train.loss import Objective
from dlgradient.train.metrics import Metric, metrics_of, rows_of
from dlgradient.train.queue import SequenceLength, minibatchqueue

__all__ = ["minibatchpredict", "testnet"]

# The layout of targets by their number of dimensions, as in MATLAB.
TARGETS = {1: "B", 2: "BC", 3: "TCB", 4: "SSCB", 5: "SSSCB"}
# Predictions and targets of each output, with observations as rows.
Pairs: TypeAlias = list[tuple[Array, Array]]


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
        return data
    predictors = data if type(data) is tuple else (data,)
    wanted = () if targets is None else targets if type(targets) is tuple else (targets,)
    return minibatchqueue(
        (*predictors, *wanted),
        mini_batch_size=mini_batch_size,
        mini_batch_format=(
            *_input_formats(net, input_formats),
            *_target_formats(wanted, target_formats),
        ),
        output_cast="float64" if _is_double(net) else "float32",
        generator=generator,
        **reading,
    )


def _is_double(net: dlnetwork) -> bool:
    """Return whether a network has learnables of double precision, which data would make single."""
    return any(x.dtype in (np.float64, np.complex128) for x in net.learnables.values())


def batches(queue: minibatchqueue) -> Iterator[tuple[Any, ...]]:
    """Yield all batches as tuples, also of a queue with one output."""
    for batch in queue:
        yield batch if isinstance(batch, tuple) else (batch,)


def _input_formats(net: dlnetwork, given: Any) -> list[str | None]:
    if given != "auto":
        return [given] if isinstance(given, str) else list(given)
    found: list[str | None] = []
    for name in net.input_names:
        layer = net.get_layer(name.partition("/")[0])
        if not isinstance(layer, AnyInput):
            raise InvalidArgumentError(
                f"trainnet: input {name!r} has no input layer, so the format of the data is not "
                "known; give input_data_formats= in training_options"
            )
        found.append(layer.labels)
    return found


def _target_formats(targets: Sequence[Any], given: Any) -> list[str | None]:
    if given != "auto":
        return [given] if isinstance(given, str) else list(given)
    found: list[str | None] = []
    for target in targets:
        if np.ndim(target) == 1 and np.asarray(target).dtype.kind in "biuUSO":
            found.append(None)  # classes
        else:
            found.append(TARGETS.get(np.ndim(target)))
    return found


def evaluated(
    net: dlnetwork,
    queue: minibatchqueue,
    objective: Objective,
    metrics: Sequence[Metric],
    together: Callable[..., tuple[Array, Pairs]] = lambda _, sums, pairs: (sums, pairs),
) -> dict[str, float]:
    """Return the mean loss over the observations, and metrics.

    Parameters
    ----------
    together : callable
        ``together(queue, sums, pairs)`` returns those of a batch from those of a share of it.
    """
    for metric in metrics:
        metric.reset()
    totals = np.zeros(2)
    for batch in batches(queue):
        ys, targets = objective.predicted(net, batch), batch[objective.inputs :]
        size = _observations(batch[0])
        value = float(objective.loss(*ys, *targets))
        pairs = row_pairs(objective, ys, targets) if metrics else []
        sums, pairs = together(queue, np.array([value * size, size]), pairs)
        totals += sums
        for metric in metrics:
            _update(metric, pairs)
    loss = float(totals[0] / totals[1])
    return {"loss": loss, **{metric.name: metric.evaluate() for metric in metrics}}


def _observations(x: Any) -> int:
    fmt = dims(x) if type(x) is dlarray else ""
    return int(x.shape[fmt.index("B")]) if "B" in fmt else len(x)


def row_pairs(objective: Objective, ys: Sequence[Value], targets: Sequence[Any]) -> Pairs:
    """Return predictions and targets as metrics get them, of each output, in their own units."""
    columns = objective.in_own_units(ys), objective.in_own_units(targets)
    return [
        (rows_of(y, dims(y)), rows_of(t, dims(t) if type(t) is dlarray else ""))
        for y, t in zip(*columns, strict=False)
    ]


def _update(metric: Metric, pairs: Pairs) -> None:
    for y, t in pairs:
        metric.update(y, t)


def metric_of_batch(metric: Metric, pairs: Pairs) -> float:
    metric.reset()
    _update(metric, pairs)
    return metric.evaluate()


@checked
def minibatchpredict(
    net: dlnetwork,
    data: Any,
    *,
    mini_batch_size: Count = 128,
    sequence_length: SequenceLength = "longest",
    sequence_padding_direction: Literal["right", "left"] = "right",
    sequence_padding_value: float = 0.0,
    categorical_input_encoding: Encoding = "integer",
) -> Any:
    """Return what a network predicts, computed in mini-batches.

    Parameters
    ----------
    net : dlnetwork
    data : array, list of sequences, tuple of these, or minibatchqueue
        In the formats of the input layers. Sequences are times × channels, of any lengths.
    mini_batch_size : int
    sequence_length, sequence_padding_direction, sequence_padding_value : int or str, str, float
        As of `minibatchqueue`: "longest", "right" and 0. Give those of the training: a network that
        was trained on sequences padded on the left reads others wrongly.
    categorical_input_encoding : {"integer", "one-hot"}
        As in the training, for data with categories of pandas. They must be the same ones.

    Returns
    -------
    numpy.ndarray, or tuple
        One for each output, with the observations along 'B'. Without other dimensions than 'B' and
        'C', observations are the rows.

    See Also
    --------
    testnet : metrics of what is predicted.

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.FullyConnected(3)])
    >>> dl.minibatchpredict(net, np.ones((300, 2))).shape
    (300, 3)

    Source: MATLAB ``minibatchpredict``.
    """
    encoder = Encoder("minibatchpredict", categorical_input_encoding)
    queue = queue_of(
        net,
        encoder.predictors(data),
        None,
        mini_batch_size,
        sequence_length=sequence_length,
        sequence_padding_direction=sequence_padding_direction,
        sequence_padding_value=sequence_padding_value,
    )
    parts: list[tuple[Value, ...]] = []
    for batch in batches(queue):
        ys = net.predict(*batch[: len(net.input_names)])
        parts.append(ys if isinstance(ys, tuple) else (ys,))
    found = []
    for column in zip(*parts, strict=True):
        fmt = dims(column[0])
        arrays = [np.asarray(extractdata(y)) for y in column]
        whole = np.concatenate(arrays, fmt.index("B") if "B" in fmt else 0)
        found.append(whole.T if fmt == "CB" else whole)
    return tuple(found) if len(found) > 1 else found[0]


@checked
def testnet(
    net: dlnetwork,
    data: Any,
    targets: Any,
    metrics: Any = None,  # noqa: PT028
    *,
    mini_batch_size: Count = 128,  # noqa: PT028 - the name is MATLAB's, and no test
    sequence_length: SequenceLength = "longest",  # noqa: PT028
    sequence_padding_direction: Literal["right", "left"] = "right",  # noqa: PT028
    sequence_padding_value: float = 0.0,  # noqa: PT028
    class_names: Any = None,  # noqa: PT028
    categorical_input_encoding: Encoding = "integer",  # noqa: PT028
) -> Any:
    """Return metrics of a network.

    Parameters
    ----------
    net : dlnetwork
    data : array, list of sequences, tuple of these, or minibatchqueue
        In the formats of the input layers.
    targets : array or tuple of arrays
        Targets of metrics of classes are one-hot vectors, or classes from 0; or texts or categories
        of pandas with `class_names`. Omit them if `data` has them:
        ``testnet(net, queue, "accuracy")``.
    metrics : str, Metric, callable, or list
    mini_batch_size : int
    sequence_length, sequence_padding_direction, sequence_padding_value : int or str, str, float
        As of `minibatchqueue`: "longest", "right" and 0. Give those of the training.
    class_names : sequence, optional
        The classes in the order of the outputs: ``info.class_names`` of the training.
    categorical_input_encoding : {"integer", "one-hot"}
        As in the training, for data with categories of pandas. They must be the same ones.

    Returns
    -------
    float, or tuple of float
        One for each metric.

    See Also
    --------
    minibatchpredict : the predictions.

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.Softmax()])
    >>> dl.testnet(net, np.array([[2.0, 1.0], [0.0, 1.0]]), np.array([0, 0]), "accuracy")
    0.5

    Source: MATLAB ``testnet``.
    """
    if metrics is None:
        targets, metrics = None, targets
    names = None if class_names is None else names_of("testnet", class_names).tolist()
    encoder = Encoder("testnet", categorical_input_encoding, "integer", names)
    data, targets = encoder.predictors(data), encoder.labels(targets)
    if class_names is None and encoder.classes:
        raise InvalidArgumentError(
            "testnet: targets are texts or categories, whose numbers in the training are not "
            "known; give class_names=info.class_names, with what trainnet returned"
        )
    queue = queue_of(
        net,
        data,
        targets,
        mini_batch_size,
        sequence_length=sequence_length,
        sequence_padding_direction=sequence_padding_direction,
        sequence_padding_value=sequence_padding_value,
    )
    # Metrics alone are wanted, and inference draws no random numbers.
    objective = Objective(_no_loss, len(net.input_names), np.random.default_rng(0), "", False)
    _, *found = evaluated(net, queue, objective, metrics_of(metrics)).values()
    return tuple(found) if isinstance(metrics, list | tuple) else found[0]


def _no_loss(*_: Any) -> float:
    return 0.0


vars(testnet)["__test__"] = False  # its name is that of a test to pytest
