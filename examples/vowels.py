"""A bidirectional LSTM knows who speaks
=====================================

Sequences of different lengths, and their classes.

Nine men have said two Japanese vowels, many times each. A recording is a sequence of 7 to 29 times
with twelve numbers, coefficients of the spectrum. The files come in the package aeon, whose data
sets these are. A list of sequences goes into a `minibatchqueue`, which pads each batch. The network
reads the sequence in both directions, and its last states tell who spoke.
"""

from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs

import dlgradient as dl
from dlgradient import layers

# %%
# The data
# --------


def recordings(part):
    """Return sequences, times × coefficients, and who spoke, from 0 to 8."""
    package = find_spec("aeon")
    if package is None:
        raise SystemExit("This example needs: pip install --no-deps aeon")
    folder = Path(package.origin).parent / "datasets" / "data" / "JapaneseVowels"
    text = (folder / f"JapaneseVowels_{part}.ts").read_text(encoding="utf-8")
    sequences, speakers = [], []
    for line in text.partition("@data\n")[2].splitlines():
        *rows, speaker = line.split(":")
        values = np.array([row.split(",") for row in rows], np.float32).T
        sequences.append(values[~np.isnan(values).any(axis=1)])
        speakers.append(int(speaker) - 1)
    return sequences, np.array(speakers)


def padded(sequences, speakers):
    """Return a batch, times × coefficients × sequences, padded at the beginning; and who spoke."""
    x, _ = dl.padsequences(sequences, 0, direction="left")
    return x, np.array(speakers)


def queue(data, batch):
    """Return mini-batches; they depend on the seed only."""
    return dl.minibatchqueue(
        data,
        mini_batch_size=batch,
        mini_batch_fcn=padded,
        mini_batch_format=("TCB", None),
        generator=1,
    )


# %%
# The network and its training
# ----------------------------


def network(hidden):
    """Return a network that reads in both directions."""
    return [
        layers.SequenceInput(12, normalization="zscore"),
        layers.Bilstm(hidden, output_mode="last"),
        layers.Dropout(0.3),
        layers.FullyConnected(9),
        layers.Softmax(),
    ]


def train(data, held_out, hidden, epochs):
    """Return the trained network and what is known of the training."""
    options = dl.training_options(
        "adam",
        initial_learn_rate=0.01,
        learn_rate_schedule=dl.schedules.Cosine(epochs),
        max_epochs=epochs,
        shuffle="every-epoch",
        gradient_threshold=1,
        validation_data=queue(held_out, 370),
        validation_frequency=20,
        metrics="accuracy",
        output_network="last-iteration",
        verbose=False,
        generator=2,
    )
    return dl.trainnet(queue(data, 27), network(hidden), "crossentropy", options)


# %%
# The picture
# -----------


def draw(data, info, speakers, read):
    """Draw a recording, the losses, and who was taken for whom."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4))
    left.plot(data[0][0], linewidth=1)
    left.set(xlabel="time", ylabel="coefficient", title="A recording")
    history, other = info.training_history, info.validation_history
    middle.semilogy(history["iteration"], history["loss"], label="training", linewidth=0.8)
    middle.semilogy(other["iteration"], other["loss"], "o-", label="held out", markersize=3)
    middle.set(xlabel="iteration", ylabel="cross-entropy", title="Loss")
    middle.legend()
    counts = np.zeros((9, 9))
    np.add.at(counts, (speakers, read), 1)
    image = right.imshow(counts / counts.sum(axis=1, keepdims=True), cmap="Blues", vmin=0, vmax=1)
    right.set(xlabel="found", ylabel="speaker", title="Speakers held out")
    right.set(xticks=range(9), yticks=range(9))
    figure.colorbar(image, ax=right, label="share")
    return figures.save(figure, "vowels")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. It needs ``pip install dlgradient[examples]``, and the package of the data:
# ``pip install --no-deps aeon``.


def main(small=False):
    """Train, print the accuracy, and draw."""
    figures.style()
    data, held_out = recordings("TRAIN"), recordings("TEST")
    begun = perf_counter()
    net, info = train(data, held_out, *((16, 6) if small else (100, 60)))
    seconds = perf_counter() - begun
    read = dl.minibatchpredict(net, queue(held_out, 370)).argmax(axis=1)
    losses = info.training_history["loss"]
    print(f"{len(data[1])} recordings to train with, {len(held_out[1])} held out")
    print(f"loss: {losses[0]:.4f} at first, {losses[-1]:.4f} at last")
    print(f"accuracy: {np.mean(read == held_out[1]):.4f} held out, after {seconds:.0f} s")
    draw(data, info, held_out[1], read)


if __name__ == "__main__":
    main(runs.small(__doc__))
