"""Predictions of a network in mini-batches, and metrics of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.types import Array, Count, Value
from dlgradient.engine.array import dims
from dlgradient.errors import InvalidArgumentError
from dlgradient.network.network import dlnetwork
from dlgradient.nn.linear.embed import names_of
from dlgradient.train.ahead import Environment
from dlgradient.train.batches import Formats, batches, formats_of_each, queue_of, without_targets
from dlgradient.train.categories import Encoder, Encoding
from dlgradient.train.evaluation import evaluated
from dlgradient.train.joined import Times, in_order, joined, observations, outputs_of
from dlgradient.train.loss import Objective
from dlgradient.train.metrics import metrics_of
from dlgradient.train.queue import SequenceLength

__all__ = ["minibatchpredict", "testnet"]


@checked
def minibatchpredict(  # noqa: PLR0913 - they are options of MATLAB, too
    net: dlnetwork,
    data: Any,
    *,
    outputs: str | Sequence[str] | None = None,
    uniform_output: bool = True,
    mini_batch_size: Count = 128,
    input_data_formats: Formats = "auto",
    output_data_formats: Formats = "auto",
    sequence_length: SequenceLength = "longest",
    sequence_padding_direction: Literal["right", "left"] = "right",
    sequence_padding_value: float = 0.0,
    categorical_input_encoding: Encoding = "integer",
    preprocessing_environment: Environment = "serial",
) -> Any:
    """Return what a network predicts, computed in mini-batches.

    Parameters
    ----------
    net : dlnetwork
        Initialised, as a trained one is.
    data : array, list of sequences, tuple of these, minibatchqueue or dataset
        In the formats of the input layers. Sequences are times × channels, of any lengths. Targets
        that follow predictors in the elements of a dataset are left out.
    outputs : str or sequence of str, optional
        Layers, or outputs of layers, whose results are wanted; by default the outputs of the
        network.
    uniform_output : bool
        Whether an output is one array, which has the times of padding, too. If not, it is a list
        with an array for each observation, in which sequences are cut to their own lengths. An
        output whose times are not those of an input is not cut.
    mini_batch_size : int
    input_data_formats : str or sequence of str
        Format of each input, as "BC". "auto" is that of its input layer, as in `training_options`.
    output_data_formats : str or sequence of str
        Order of the dimensions of each output, as "BTC". "auto" is that of the network, but "BC" if
        there is nothing else. In a list the observations are without 'B'.
    sequence_length, sequence_padding_direction, sequence_padding_value : int or str, str, float
        As of `minibatchqueue`: "longest", "right" and 0. Give those of the training: a network that
        was trained on sequences padded on the left reads others wrongly.
    categorical_input_encoding : {"integer", "one-hot"}
        As in the training, for data with categories of pandas. They must be the same ones.
    preprocessing_environment : {"serial", "background", "parallel"}
        Who reads the data, as of `minibatchqueue`.

    Returns
    -------
    numpy.ndarray or list, or tuple
        One for each output.

    Raises
    ------
    InvalidArgumentError
        If the network is not initialised, or an input has no format.
    ShapeMismatchError
        If the sequences of the mini-batches have different lengths, and no list is wanted.

    See Also
    --------
    testnet : metrics of what is predicted.

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.FullyConnected(3)])
    >>> dl.minibatchpredict(net, np.ones((300, 2))).shape
    (300, 3)

    Sequences of 4, 2 and 3 times:

    >>> net = dl.dlnetwork([dl.layers.SequenceInput(2), dl.layers.Gru(5, name="gru")])
    >>> x = [np.ones((n, 2)) for n in (4, 2, 3)]
    >>> [y.shape for y in dl.minibatchpredict(net, x, outputs="gru", uniform_output=False)]
    [(4, 5), (2, 5), (3, 5)]

    Source: MATLAB ``minibatchpredict``.
    """
    names = _names_of(net, outputs)
    encoder = Encoder("minibatchpredict", categorical_input_encoding)
    queue = queue_of(
        net,
        without_targets(encoder.predictors(data), len(net.input_names)),
        None,
        mini_batch_size,
        input_formats=input_data_formats,
        sequence_length=sequence_length,
        sequence_padding_direction=sequence_padding_direction,
        sequence_padding_value=sequence_padding_value,
        preprocessing_environment=preprocessing_environment,
    )
    orders: list[str | None] = [None] * len(names)
    if output_data_formats != "auto":
        orders = formats_of_each("output_data_formats", output_data_formats, names, "outputs")
    times = Times(net, outputs)
    parts: list[list[tuple[Value, Array | None]]] = []
    for batch in batches(queue, "minibatchpredict: data"):
        xs = batch[: len(net.input_names)]
        ys = outputs_of(net, xs, outputs)
        masks = [None] * len(ys) if uniform_output else times.of(xs, ys, batch.masks)
        parts.append(list(zip(ys, masks, strict=True)))
    result = _array_of if uniform_output else _list_of
    columns = zip(names, zip(*parts, strict=True), orders, strict=True)
    found = [result(name, column, order) for name, column, order in columns]
    return tuple(found) if len(found) > 1 else found[0]


def _names_of(net: dlnetwork, outputs: str | Sequence[str] | None) -> list[str]:
    """Return the names of the outputs that are wanted, of a network that can predict."""
    if not net.initialized:
        raise InvalidArgumentError(
            "net is not initialised, so it has no learnables to predict with; net = "
            "net.initialize() makes new ones, with an example of each input that has no input "
            "layer, as net.initialize(dlarray(x, 'BC')); trainnet trains and returns a network"
        )
    if outputs is None:
        return list(net.output_names)
    if not outputs:
        raise InvalidArgumentError(
            f"outputs names no layer; omit it for {', '.join(net.output_names)}"
        )
    return [outputs] if isinstance(outputs, str) else list(outputs)


def _array_of(name: str, column: Sequence[tuple[Value, Any]], order: str | None) -> Array:
    """Return the predictions of all batches as one array."""
    fmt = dims(column[0][0])
    whole = joined(name, [y for y, _ in column])
    if order is None:
        order = "BC" if fmt == "CB" else fmt
    return in_order(name, whole, fmt, order)


def _list_of(
    name: str, column: Sequence[tuple[Value, Array | None]], order: str | None
) -> list[Array]:
    """Return the prediction of each observation."""
    fmt = dims(column[0][0]).replace("B", "")
    order = fmt if order is None else order.replace("B", "")
    found = [part for y, mask in column for part in observations(name, y, mask)]
    return [in_order(name, part, fmt, order) for part in found]


@checked
def testnet(  # noqa: PLR0913 - they are options of MATLAB, too
    net: dlnetwork,
    data: Any,
    targets: Any,
    metrics: Any = None,
    *,
    mini_batch_size: Count = 128,
    input_data_formats: Formats = "auto",
    target_data_formats: Formats = "auto",
    sequence_length: SequenceLength = "longest",
    sequence_padding_direction: Literal["right", "left"] = "right",
    sequence_padding_value: float = 0.0,
    class_names: Any = None,
    categorical_input_encoding: Encoding = "integer",
    preprocessing_environment: Environment = "serial",
) -> Any:
    """Return metrics of a network.

    Parameters
    ----------
    net : dlnetwork
        Initialised, as a trained one is.
    data : array, list of sequences, tuple of these, or minibatchqueue
        In the formats of the input layers.
    targets : array or tuple of arrays
        Targets of metrics of classes are one-hot vectors, or classes from 0; or texts or categories
        of pandas with `class_names`. Omit them if `data` has them:
        ``testnet(net, queue, "accuracy")``.
    metrics : str, Metric, callable, or list
        A function gets predictions and targets of a batch as arrays, whose rows are observations
        or times of sequences, and returns a number. Of several outputs it gets all predictions,
        then all targets. A metric of one output says which one:
        ``metrics.Rmse(network_output="fc")``.
    mini_batch_size : int
    input_data_formats, target_data_formats : str or sequence of str
        Format of each array, as "BC"; as in `training_options`.
    sequence_length, sequence_padding_direction, sequence_padding_value : int or str, str, float
        As of `minibatchqueue`: "longest", "right" and 0. Give those of the training.
    class_names : sequence, optional
        The classes in the order of the outputs: ``info.class_names`` of the training.
    categorical_input_encoding : {"integer", "one-hot"}
        As in the training, for data with categories of pandas. They must be the same ones.
    preprocessing_environment : {"serial", "background", "parallel"}
        Who reads the data, as of `minibatchqueue`.

    Returns
    -------
    float, or tuple of float
        One for each metric. What pads sequences has no part in it.

    Raises
    ------
    InvalidArgumentError
        If the network is not initialised, or an input has no format.
    ShapeMismatchError
        If predictions and targets do not fit each other.

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
    _names_of(net, None)
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
        input_formats=input_data_formats,
        target_formats=target_data_formats,
        sequence_length=sequence_length,
        sequence_padding_direction=sequence_padding_direction,
        sequence_padding_value=sequence_padding_value,
        preprocessing_environment=preprocessing_environment,
    )
    # Metrics alone are wanted, and inference draws no random numbers.
    objective = Objective(_no_loss, len(net.input_names), np.random.default_rng(0), "", False)
    _, found = evaluated(net, queue, objective, metrics_of(metrics), what="testnet: data")
    return tuple(found) if isinstance(metrics, list | tuple) else found[0]


def _no_loss(*_: Any) -> float:
    return 0.0


vars(testnet)["__test__"] = False  # its name is that of a test to pytest
