"""Trainings that one process and several ranks run alike; `mpiexec -n 2 python` runs this file.

Data are odd on purpose: batches that ranks cannot share equally, and a last one with fewer
observations than ranks.
"""

import pickle
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import dlgradient as dl
from dlgradient import layers

Options = dict[str, Any]
Result = dict[str, Any]


def data(*shape: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(sum(shape))
    x = rng.normal(size=shape)
    return x, rng.integers(0, classes, 23)


def trained(x: Any, t: Any, net: Any, loss: Any, solver: str, **options: Any) -> Result:
    options = {"max_epochs": 3, "mini_batch_size": 7, "verbose": False, "generator": 1, **options}
    net, info = dl.trainnet(x, t, net, loss, dl.training_options(solver, **options))
    return {
        "learnables": {k: np.asarray(v) for k, v in net.learnables.items()},
        "state": {k: np.asarray(v) for k, v in net.state.items()},
        "training": {k: v for k, v in info.training_history.items() if k != "time_elapsed"},
        "validation": info.validation_history,
        "reason": info.stop_reason,
        "iteration": info.output_network_iteration,
    }


def dense(**more: Any) -> Result:
    x, labels = data(23, 4)
    net = [layers.FeatureInput(4), layers.FullyConnected(6), layers.Tanh(),
           layers.FullyConnected(3), layers.Softmax()]  # fmt: skip
    return trained(x, labels, net, "crossentropy", "adam", shuffle="every-epoch", **more)


def convolution(**more: Any) -> Result:
    x, labels = data(6, 6, 2, 23)
    net = [
        layers.ImageInput((6, 6, 2), normalization="zscore"),
        layers.Convolution2d(3, 4, padding="same"),
        layers.BatchNormalization(),
        layers.Relu(),
        layers.Dropout(0.3),
        layers.Convolution2d(3, 4, stride=2),
        layers.BatchNormalization(),
        layers.SpatialDropout(0.3),
        layers.FullyConnected(3),
        layers.BatchNormalization(),
        layers.Softmax(),
    ]
    options = {
        "metrics": ["accuracy", "auc"],
        "validation_data": (x[..., :11], labels[:11]),
        "validation_frequency": 2,
    }
    # Biases before a normalisation have no gradient but rounding, which Adam would enlarge.
    return trained(x, labels, net, "crossentropy", "sgdm", **options, **more)


def sequences(**more: Any) -> Result:
    x, _ = data(5, 3, 23)
    net = [
        layers.SequenceInput(3),
        layers.Lstm(4),
        layers.SelfAttention(2, 4, dropout_probability=0.2),
        layers.FullyConnected(2),
    ]
    options = {"gradient_threshold": 0.1, "l2_regularization": 0.01, "metrics": "rmse"}
    return trained(x, x[:, :2], net, "mse", "sgdm", **options, **more)


LENGTHS = (3, 9, 2, 5, 1, 7, 4, 6, 2, 8, 3, 5, 2, 4, 9, 1, 6, 2, 3, 7, 5, 4, 8)


def unequal(**more: Any) -> Result:
    """Padding on the left changes the states of the network, so its length matters."""
    rng = np.random.default_rng(5)
    x = [rng.normal(size=(n, 3)) for n in LENGTHS]
    net = [layers.SequenceInput(3), layers.Lstm(4), layers.FullyConnected(2)]
    options = {"sequence_padding_direction": "left", "metrics": "rmse", "sequence_padding_value": 2}
    validation = {"validation_data": (x[:11], [s[:, 1:] for s in x[:11]])}
    return trained(x, [s[:, :2] for s in x], net, "mse", "sgdm", **options, **validation, **more)


def shortest(**more: Any) -> Result:
    rng = np.random.default_rng(6)
    x, labels = [rng.normal(size=(n, 3)) for n in LENGTHS], rng.integers(0, 3, 23)
    net = [layers.SequenceInput(3, normalization="zscore"), layers.Bilstm(4),
           layers.GlobalAveragePooling1d(), layers.FullyConnected(3), layers.Softmax()]  # fmt: skip
    options = {"sequence_length": "shortest", "metrics": "accuracy"}
    return trained(x, labels, net, "crossentropy", "adam", **options, **more)


def masked(**more: Any) -> Result:
    """A dataset with masks, of which the mean over time does not know what is padding."""
    rng = np.random.default_rng(7)
    x, labels = [rng.normal(size=(n, 3)) for n in LENGTHS], rng.integers(0, 3, 23)
    net = dl.dlnetwork([layers.SequenceInput(3), layers.Gru(4, has_padding_mask_input=True,
                        name="gru"), layers.GlobalAveragePooling1d(), layers.FullyConnected(3),
                        layers.Softmax()], initialize=False)  # fmt: skip
    net = net.add_layers(layers.SequenceInput(1, name="mask")).connect_layers("mask", "gru/mask")
    data = dl.minibatchqueue(
        list(zip(x, labels, strict=True)),
        mini_batch_size=7,
        mini_batch_format=("TCB", None),
        padding_masks=True,
        sequence_padding_value=5.0,
        generator=1,
    )
    return trained(data, None, net, "crossentropy", "sgdm", **more)


def units(**more: Any) -> Result:
    x, _ = data(23, 4)
    net = [layers.FeatureInput(4, normalization="rescale-symmetric"), layers.FullyConnected(2),
           layers.InverseNormalization()]  # fmt: skip
    options = {"metrics": "rmse", "validation_data": (x[:9], 9 + x[:9, :2]), "max_epochs": 2}
    return trained(
        x, 9 + x[:, :2] ** 2, net, "mse", "sgdm", normalize_targets=True, **{**options, **more}
    )


def frozen(**more: Any) -> Result:
    x, labels = data(23, 4)
    net = dl.dlnetwork([layers.FeatureInput(4), layers.FullyConnected(6, name="first"),
                        layers.Tanh(), layers.FullyConnected(3), layers.Softmax()],
                       generator=0)  # fmt: skip
    net = net.set_learn_rate_factor("first", 0)
    return trained(x, labels, net, "crossentropy", "adam", **more)


def own_loss(**more: Any) -> Result:
    x, _ = data(23, 4)
    net = dl.dlnetwork([layers.FeatureInput(4), layers.BatchNormalization(),
                        layers.FullyConnected(1)], generator=0)  # fmt: skip

    def loss(y: Any, t: Any) -> Any:
        return dl.huber(y, t) + 0.1 * dl.mean(y**2)

    return trained(x, x[:, :1] ** 2, dl.dlupdate(np.float64, net), loss, "rmsprop", **more)


def stopped(**more: Any) -> Result:
    return dense(output_fcn=lambda row: row["iteration"] == 5, **more)


def patient(**more: Any) -> Result:
    x, labels = data(23, 4)
    validation = {"validation_data": (x[:9], labels[:9]), "validation_frequency": 1}
    return dense(initial_learn_rate=0.5, max_epochs=30, validation_patience=2, **validation, **more)


def not_finite(**more: Any) -> Result:
    x, labels = data(23, 4)
    x[22] = np.inf
    net = [layers.FeatureInput(4), layers.FullyConnected(3), layers.Softmax()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there is one before the first step, and one of NumPy
        return trained(x, labels, net, "crossentropy", "adam", shuffle="never", **more)


TRAININGS: dict[str, Callable[..., Result]] = {
    f.__name__: f
    for f in (
        dense,
        convolution,
        sequences,
        unequal,
        shortest,
        masked,
        units,
        frozen,
        own_loss,
        stopped,
        patient,
        not_finite,
    )
}


def main() -> None:
    from mpi4py import MPI

    found = {}
    for name, training in TRAININGS.items():
        found[name] = training(execution_environment="parallel")
    # Without a seed, the first rank draws one for all.
    found["seedless"] = dense(execution_environment="parallel", generator=None)
    everything = MPI.COMM_WORLD.gather(found)
    if everything is not None:
        Path(sys.argv[1]).write_bytes(pickle.dumps(everything))


if __name__ == "__main__":
    main()
