"""`trainnet`: a network trained by the options, and the history of how it went."""

from __future__ import annotations

import os
from typing import Annotated, Any, TypeAlias

from dlgradient.core.arguments import checked
from dlgradient.core.kinds import Kind, shown
from dlgradient.engine.custom import DifferentiableFunction
from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.layer import Layer
from dlgradient.network.network import dlnetwork
from dlgradient.train.checkpoint import chosen_checkpoint, restore
from dlgradient.train.info import TrainingInfo
from dlgradient.train.loop import Loop
from dlgradient.train.loss import LOSSES
from dlgradient.train.options import TrainingOptions
from dlgradient.train.parallel import ParallelLoop

__all__ = ["trainnet"]


def _checkpoint(value: Any) -> Any:
    found = value if value is True or value is False else os.fspath(value)
    if found == "":
        raise ValueError
    return found


Resume: TypeAlias = Annotated[
    bool | str | os.PathLike[str],
    Kind("True, False, or the path of a checkpoint or of a folder of them", _checkpoint),
]


@checked
def trainnet(
    data: Any,
    targets: Any,
    net: Any,
    loss: Any,
    options: Any = None,
    *,
    resume: Resume = False,
) -> tuple[dlnetwork, TrainingInfo]:
    """Train a network.

    Parameters
    ----------
    data : array, list of sequences, tuple of these, minibatchqueue or dataset
        The predictors; or a queue, or a dataset whose elements are predictors and targets.
        Sequences are arrays of times × channels, of any lengths.
    targets : array, list of sequences, or tuple of these
        Omit them if `data` has them: ``trainnet(data, net, loss, options)``.
    net : dlnetwork or sequence of Layer
        Layers in series, or a network; it need not be initialised.
    loss : str or callable
        "crossentropy", "index-crossentropy", "binary-crossentropy", "mse", "l2loss", "mae",
        "huber"; or ``loss(*ys, *targets)``, which returns a number. It may be a
        `DifferentiableFunction`, what `dlaccelerate` returns, or an object with a memory. It is
        called before the first step, too, to look at what it returns.
    options : TrainingOptions
        What `training_options` returns.
    resume : bool or path
        True goes on from the newest checkpoint in ``checkpoint_path``, and begins if there is none
        yet. A path is that of a checkpoint, or of a folder of them.

    Returns
    -------
    net : dlnetwork
    info : TrainingInfo

    Raises
    ------
    DlgradientError
        Before the first step, if data, network and loss do not fit; the message names the layer.
        Also if a checkpoint is damaged, or of other data, options or another network.

    Notes
    -----
    Targets of one dimension are classes for "crossentropy": no one-hot vectors are made. They are
    numbers from 0, texts, or categories of pandas; ``info.class_names`` has their names. In a list
    of vectors of different lengths they are the classes of the times of sequences.

    Sequences are padded to the longest one of their batch. What pads targets has no part in losses
    by name and in metrics: a loss is the mean over the sequences of the sum over their times. For a
    loss of your own, a `minibatchqueue` with ``padding_masks=True`` gives the masks.

    Ctrl-C stops training and returns the network. So does a loss that is not finite, with the
    network of the step before; the reason in `info` names the layer that made it.

    A training that goes on ends with the network, the history and the reason that it would have had
    without the interruption, bit for bit. Random numbers that your own functions draw from
    generators of their own are not restored. ``load(path)["net"]`` is the network of a checkpoint.

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
    kind = ParallelLoop if options.execution_environment == "parallel" else Loop
    training = kind(data, targets, net, loss, options)
    path = chosen_checkpoint(resume, options.checkpoint_path)
    if path is not None:
        restore(training, path)
    return training.run()


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
    if isinstance(loss, type) and issubclass(loss, DifferentiableFunction):
        raise InvalidArgumentError(
            f"trainnet: loss is the class {loss.__name__}; give an instance, {loss.__name__}()"
        )
    if not callable(loss) and not (isinstance(loss, str) and loss in LOSSES):
        raise InvalidArgumentError(
            f"trainnet: loss must be a function or one of {', '.join(LOSSES)}, not {shown(loss)}"
        )
