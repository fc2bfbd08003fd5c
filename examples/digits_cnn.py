"""A convolutional network reads digits
====================================

Convolution, batch normalisation and Adam, in a custom training loop.

The 1797 digits of scikit-learn have 8×8 pixels. The network is written with functions: convolution,
batch normalisation, relu and pooling, all twice, then a fully connected layer. Its learnables are a
nested dict, and so are the gradients. A training step also returns the moving statistics of the
normalisation. All values are float32.
"""

from functools import partial

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs

import dlgradient as dl

CLASSES = 10


# %%
# The data
# --------


def digits(limit):
    """Return images ``BSSC`` and their digits: three quarters to train with, the rest to test."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))[:limit]
    images = (data.images[order, :, :, None] / 16).astype(np.float32)
    labels = data.target[order]
    split = 3 * len(order) // 4
    return (images[:split], labels[:split]), (images[split:], labels[split:])


# %%
# The network
# -----------
#
# Its learnables are a nested dict. A layer is a call of a function.


def block(channels, filters, generator):
    """Return learnables and moving statistics of convolution and batch normalisation."""
    weights = dl.initialize_he(
        (3, 3, channels, filters), weights_format="SSCU", generator=generator
    )
    learnables = {
        "weights": weights,
        "offset": dl.initialize_zeros((filters,)),
        "scale": dl.initialize_ones((filters,)),
    }
    statistics = (dl.initialize_zeros((filters,)), dl.initialize_ones((filters,)))
    return learnables, statistics


def network(filters, generator):
    """Return the learnables of the network, and the moving statistics of its normalisations."""
    first, first_statistics = block(1, filters, generator)
    second, second_statistics = block(filters, 2 * filters, generator)
    output = {
        "weights": dl.initialize_glorot((CLASSES, 4 * 2 * filters), generator=generator),
        "bias": dl.initialize_zeros((CLASSES,)),
    }
    learnables = {"blocks": [first, second], "output": output}
    return learnables, [first_statistics, second_statistics]


def predict(learnables, statistics, x, *, training):
    """Return logits of the classes and, in training, the moving statistics after this batch."""
    moved = []
    for layer, (mean, variance) in zip(learnables["blocks"], statistics, strict=True):
        x = dl.dlconv(x, layer["weights"], padding="same")
        normalise = partial(dl.batchnorm, x, layer["offset"], layer["scale"], mean, variance)
        if training:
            x, *statistic = normalise(training=True)
            moved.append(statistic)
        else:
            x = normalise()
        x = dl.maxpool(dl.relu(x), 2, stride=2)
    output = learnables["output"]
    return dl.fullyconnect(x, output["weights"], output["bias"]), moved


# %%
# Loss and gradient
# -----------------
#
# The gradient has the structure of the learnables.


def model_loss(learnables, statistics, x, labels):
    """Return the cross-entropy of a batch, its gradient, and the moving statistics."""
    logits, moved = predict(learnables, statistics, x, training=True)
    loss = dl.indexcrossentropy(logits, labels, from_logits=True)
    return loss, dl.dlgradient(loss, learnables), moved


def classify(learnables, statistics, images):
    """Return the digit that the network reads in each image."""
    logits, _ = predict(learnables, statistics, dl.dlarray(images, "BSSC"), training=False)
    return np.argmax(dl.extractdata(logits), axis=dl.finddim(logits, "C")[0])


# %%
# The training loop
# -----------------


def train(data, held_out, *, filters, epochs, batch=64, rate=0.003):
    """Train with Adam; return learnables, statistics, losses by step and accuracies by epoch."""
    rng = np.random.default_rng(1)
    images, labels = data
    learnables, statistics = network(filters, rng)
    average = average_sq = None
    losses, accuracies = [], []
    for _ in runs.steps(epochs, "epochs"):
        order = rng.permutation(len(labels))
        # Full batches only: statistics of a few images would be far from those of all.
        for chosen in order[: len(order) // batch * batch].reshape(-1, batch):
            loss, gradient, statistics = dl.dlfeval(
                model_loss,
                learnables,
                statistics,
                dl.dlarray(images[chosen], "BSSC"),
                labels[chosen],
            )
            losses.append(loss.item())
            learnables, average, average_sq = dl.adamupdate(
                learnables, gradient, average, average_sq, len(losses), rate
            )
        right = classify(learnables, statistics, held_out[0]) == held_out[1]
        accuracies.append(right.mean())
    return learnables, statistics, losses, accuracies


# %%
# The picture
# -----------


def draw(losses, accuracies, held_out, read):
    """Draw loss, accuracy, and the digits that were read wrongly (if few, also others)."""
    images, labels = held_out
    figure = plt.figure(figsize=(10.5, 3.4))
    left, middle, right = figure.subfigures(1, 3)
    axes = left.subplots()
    axes.semilogy(losses)
    axes.set(xlabel="step", ylabel="cross-entropy", title="Loss")
    axes = middle.subplots()
    axes.plot(np.arange(1, len(accuracies) + 1), accuracies, "o-", color=figures.COLORS[2])
    axes.set(xlabel="epoch", title="Accuracy of digits held out")
    axes.set_ylim(top=1.005)
    axes.xaxis.get_major_locator().set_params(integer=True)

    wrong = np.flatnonzero(read != labels)
    shown = np.concatenate([wrong, np.flatnonzero(read == labels)])[:12]
    for panel, i in zip(right.subplots(3, 4).ravel(), shown, strict=True):
        panel.imshow(images[i, :, :, 0], cmap="Greys")
        panel.set_axis_off()
        color = figures.COLORS[1] if read[i] != labels[i] else figures.INK
        panel.set_title(f"{labels[i]} as {read[i]}", color=color, size=8, loc="center")
    return figures.save(figure, "digits_cnn")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train, print loss and accuracy, and draw them with the digits that were read wrongly."""
    figures.style()
    data, held_out = digits(400 if small else None)
    size = {"filters": 8, "epochs": 8, "batch": 32} if small else {"filters": 16, "epochs": 12}
    learnables, statistics, losses, accuracies = train(data, held_out, **size)
    print(f"{len(data[1])} digits to train with, {len(held_out[1])} held out")
    print(f"loss: {losses[0]:.4f} at first, {losses[-1]:.4f} after {len(losses)} steps")
    print(f"accuracy: {accuracies[-1]:.4f} of the digits held out")
    draw(losses, accuracies, held_out, classify(learnables, statistics, held_out[0]))


if __name__ == "__main__":
    main(runs.small(__doc__))
