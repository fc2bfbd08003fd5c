"""An epoch of `trainnet` against the same loop written for torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from harness import machine
from harness.children import Peak, measure
from harness.contestants import Call, Maker
from harness.result import OURS, Result, Target
from harness.row import Context, Row
from harness.share import Share, detail_of, share_of

RATE = 1e-3
FACTOR = 1.2
CLASSES = 10

Data = tuple[Any, Any]


def _labels(rng: np.random.Generator, x: Any, classes: int) -> Data:
    return x, rng.integers(0, classes, len(x))


# -- the networks ----------------------------------------------------------------------------------


def _images() -> Data:
    rng = np.random.default_rng(6)
    return _labels(rng, rng.standard_normal((1280, 1, 28, 28), dtype=np.float32), CLASSES)


def _cnn_layers(layers: Any) -> list[Any]:
    found = [layers.ImageInput((28, 28, 1), normalization="none", data_format="BCSS")]
    for i, filters in enumerate((8, 16, 32)):
        found += [
            layers.Convolution2d(3, filters, padding="same", name=f"conv{i}"),
            layers.BatchNormalization(name=f"norm{i}"),
            layers.Relu(),
        ]
        if i < 2:
            found.append(layers.MaxPooling2d(2, stride=2))
    return [*found, layers.FullyConnected(CLASSES, name="fc"), layers.Softmax()]


def _cnn_modules(nn: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for i, (before, filters) in enumerate(((1, 8), (8, 16), (16, 32))):
        found[f"conv{i}"] = nn.Conv2d(before, filters, 3, padding=1)
        found[f"norm{i}"] = nn.BatchNorm2d(filters)
        found[f"relu{i}"] = nn.ReLU()
        if i < 2:
            found[f"pool{i}"] = nn.MaxPool2d(2, 2)
    return {**found, "flatten": nn.Flatten(), "fc": nn.Linear(32 * 7 * 7, CLASSES)}


def _rows() -> Data:
    rng = np.random.default_rng(7)
    return _labels(rng, rng.standard_normal((2048, 32), dtype=np.float32), 4)


def _mlp_layers(layers: Any) -> list[Any]:
    return [
        layers.FeatureInput(32),
        layers.FullyConnected(64, name="fc1"),
        layers.Tanh(),
        layers.FullyConnected(4, name="fc2"),
        layers.Softmax(),
    ]


def _mlp_modules(nn: Any) -> dict[str, Any]:
    return {"fc1": nn.Linear(32, 64), "tanh": nn.Tanh(), "fc2": nn.Linear(64, 4)}


def _sequences() -> Data:
    rng = np.random.default_rng(8)
    return _labels(rng, rng.standard_normal((512, 24, 12), dtype=np.float32), CLASSES)


def _lstm_layers(layers: Any) -> list[Any]:
    return [
        layers.SequenceInput(12, data_format="BTC"),
        layers.Lstm(100, output_mode="last", name="lstm"),
        layers.FullyConnected(CLASSES, name="fc"),
        layers.Softmax(),
    ]


def _lstm_modules(nn: Any) -> dict[str, Any]:
    class Last(nn.Module):  # type: ignore[misc]
        def forward(self, found: Any) -> Any:
            return found[0][:, -1]

    return {
        "lstm": nn.LSTM(12, 100, batch_first=True),
        "last": Last(),
        "fc": nn.Linear(100, CLASSES),
    }


# -- the contestants -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training:
    """A network, its data, and the size of a batch."""

    name: str
    work: str
    batch: int
    data: Callable[[], Data]
    layers: Callable[[Any], list[Any]]
    modules: Callable[[Any], dict[str, Any]]

    def row(self) -> Row:
        """Return the row."""
        return Row(self.name, self.run, self.makers)

    def makers(self) -> dict[str, Maker]:
        """Return the contestants."""
        return {OURS: self.ours, "torch": self.torch}

    def ours(self, epochs: int = 1) -> Call:
        """Return epochs of `trainnet`, which goes on with the network of those before."""
        import dlgradient as dl

        x, labels = self.data()
        options = dl.training_options(
            "adam",
            max_epochs=epochs,
            mini_batch_size=self.batch,
            initial_learn_rate=RATE,
            l2_regularization=0,
            shuffle="never",
            batch_normalization_statistics="moving",  # as in torch: no pass after the epoch
            verbose=False,
        )
        state = [dl.dlnetwork(self.layers(dl.layers), generator=0)]

        def call() -> Any:
            state[0], info = dl.trainnet(x, labels, state[0], "crossentropy", options)
            return np.array(info.training_history["loss"])

        return call

    def torch(self) -> Call:
        """Return an epoch of a loop as users of torch write it, from the same weights."""
        import torch
        from torch import nn

        import dlgradient as dl

        x, labels = map(torch.from_numpy, self.data())
        model = nn.Sequential()
        for name, module in self.modules(nn).items():
            model.add_module(name, module)
        net = dl.dlnetwork(self.layers(dl.layers), generator=0)
        weights = {k: torch.tensor(v) for k, v in dl.export_weights_to_torch(net).items()}
        missing = model.load_state_dict(weights, strict=False).missing_keys
        assert all(key.endswith(("num_batches_tracked", "bias_hh_l0")) for key in missing), missing
        for key in missing:
            nn.init.zeros_(model.state_dict()[key])
        optimiser = torch.optim.Adam(model.parameters(), RATE)

        def call() -> Any:
            losses = []
            model.train()
            for i in range(0, len(x), self.batch):
                optimiser.zero_grad()
                y = model(x[i : i + self.batch])
                loss = nn.functional.cross_entropy(y, labels[i : i + self.batch])
                loss.backward()
                optimiser.step()
                losses.append(loss.item())
            return np.array(losses)

        return call

    def run(self, context: Context) -> Result:
        """Compare losses, then times."""
        figures = context.timed(
            self.makers(), seconds=20, rounds=(5, 100), pause=0.05, reference="torch", rtol=2e-3
        )
        result = Result(self.name, f"{self.work}, batch {self.batch}; float32, Adam", "s", figures)
        result.ask("torch", FACTOR, f"≤ {FACTOR}x torch")
        return result


CNN = Training(
    "train-cnn",
    "epoch of 1,280 images 28×28: conv 8, 16, 32, batch normalization, relu, pooling",
    128,
    _images,
    _cnn_layers,
    _cnn_modules,
)
TRAIN_CNN = CNN.row()
MLP = Training(
    "train-mlp", "epoch of 2,048 rows: 32-64-4, tanh", 64, _rows, _mlp_layers, _mlp_modules
)
TRAIN_MLP = MLP.row()
TRAIN_LSTM = Training(
    "train-lstm",
    "epoch of 512 sequences of 24 × 12: LSTM of 100, its last result",
    32,
    _sequences,
    _lstm_layers,
    _lstm_modules,
).row()


# -- what is no kernel -----------------------------------------------------------------------------


def _measured(training: Training, context: Context, epochs: int, rounds: int) -> Share:
    """Return the share of a call of `trainnet`."""
    call = training.ours(epochs)
    for _ in range(6):  # programs are recorded, and machine code is made
        call()
    return share_of(call, max(rounds // (4 if context.quick else 1), 4))


def _run_own_mlp(context: Context) -> Result:
    """Measure trainings of some epochs: what a training does once is a small part of them."""
    epochs = 8
    share, steps = _measured(MLP, context, epochs, 40), epochs * len(MLP.data()[0]) // MLP.batch
    context.report(1.0)
    own, whole = share.own / steps, share.time / steps
    work = f"the library's own part of a step of train-mlp, which takes {whole * 1e6:.0f} µs"
    result = Result("own-mlp", work, "s", {OURS: own})
    result.targets.append(Target("at most 60 µs a step", f"{own * 1e6:.0f} µs", own <= 60e-6))
    result.details.append(detail_of(share, steps))
    return result


def _run_own_cnn(context: Context) -> Result:
    share = _measured(CNN, context, 1, 12)
    context.report(1.0)
    part = 100 * share.own / share.time
    work = "the library's own part of an epoch of train-cnn"
    result = Result("own-cnn", work, "%", {OURS: part})
    result.targets.append(Target("at most 8 %", f"{part:.1f} %", part <= 8))
    result.details.append(detail_of(share, len(CNN.data()[0]) // CNN.batch))
    return result


OWN_MLP = Row("own-mlp", _run_own_mlp)
OWN_CNN = Row("own-cnn", _run_own_cnn)


# -- memory ----------------------------------------------------------------------------------------

# Glibc gives every large array pages of its own, so the resident set is what is alive.
OWN_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=65536"}
FLAT = 1.0  # MB


def growth(who: str) -> dict[str, float]:
    """Return what is alive after 1,100 iterations, and what 1,000 of them added, in MB.

    Called in a fresh process.
    """
    whole = Peak()
    if who != OURS:
        import torch

        torch.set_num_threads(machine.THREADS)
    epoch = CNN.makers()[who]()
    for _ in range(10):  # the first hundred iterations make buffers of all kinds
        epoch()
    mark = Peak()
    for _ in range(100):
        epoch()
    return {"alive": whole.now(), "added": mark.now()}


def _run_memory(context: Context) -> Result:
    """Measure what is alive before and after 1,000 iterations."""
    found = {who: measure(growth, who, **OWN_PAGES) for who in CNN.makers()}
    context.report(1.0)
    figures = {who: each["alive"] for who, each in found.items()}
    work = "alive after 1,100 iterations of trainnet, with the libraries; the network of train-cnn"
    result = Result("train-memory", work, "MB", figures)
    added = found[OURS]["added"]
    asked = f"1,000 iterations add ≤ {FLAT:.0f} MB"
    result.targets.append(Target(asked, f"{added:.2f} MB", added <= FLAT))
    return result


TRAIN_MEMORY = Row("train-memory", _run_memory)
