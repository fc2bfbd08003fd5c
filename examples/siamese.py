"""A siamese network compares digits
=================================

Two images, one network: are they the same digit?

A network gives each of two images a vector. It is one network for both: `layers.Shared` is its
second use, with the same learnables. The next layers see how far the vectors are apart. The digits
0 and 7 are in no pair that it learns from. Whether it compares also these, two classes that it has
never seen, is printed too. It does not: from eight classes it learns to tell these eight, and not
what makes two images alike. That takes hundreds of classes.
"""

from time import perf_counter

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs

import dlgradient as dl
from dlgradient import layers

UNKNOWN = [0, 7]  # never trained with
KNOWN = [digit for digit in range(10) if digit not in UNKNOWN]


# %%
# Pairs of images
# ---------------


def digits():
    """Return images ``BSSC`` and digits of scikit-learn: to train with, and the rest."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images, labels = (data.images[order, :, :, None] / 16).astype(np.float32), data.target[order]
    split = 3 * len(images) // 4
    return (images[:split], labels[:split]), (images[split:], labels[split:])


def pairs(data, classes, count, rng):
    """Return pairs of images of some classes, half of them of the same, and whether they are."""
    images, labels = data
    first, second = [], []
    for i in range(count):
        a, b = rng.choice(classes, 2, replace=False)
        b = b if i % 2 else a
        first.append(rng.choice(np.flatnonzero(labels == a)))
        second.append(rng.choice(np.flatnonzero(labels == b)))
    same = (np.arange(count) % 2 == 0).astype(np.float32)
    return (images[first], images[second]), same[:, None]


# %%
# The network
# -----------
#
# The twin is a network in a layer. The graph has two inputs that lead to it.


def distance(a, b):
    """Return how far two vectors are apart in each coordinate."""
    return dl.abs(a - b)


def network(filters, size):
    """Return a network of two inputs and one output, the probability that both are the same."""
    twin = [
        layers.Convolution2d(3, filters, padding="same"),
        layers.Relu(),
        layers.MaxPooling2d(2, stride=2),
        layers.Convolution2d(3, 2 * filters, padding="same"),
        layers.Relu(),
        layers.FullyConnected(size),
        layers.Sigmoid(),
    ]

    def image(name):
        return layers.ImageInput((8, 8, 1), normalization="none", data_format="BSSC", name=name)

    net = dl.dlnetwork(
        [
            image("first"),
            layers.Network(dl.dlnetwork(twin), name="twin"),
            layers.Function(distance, num_inputs=2, name="distance"),
            layers.FullyConnected(1),
            layers.Sigmoid(),
        ],
        initialize=False,
    )
    net = net.add_layers([image("second"), layers.Shared("twin", name="again")])
    return net.connect_layers("again", "distance/in2").initialize(generator=1)


# %%
# Training
# --------


def train(net, data, count, epochs, rng):
    """Train with pairs that `trainnet` takes as two inputs; return the network and the history."""
    options = dl.training_options(
        "adam",
        initial_learn_rate=3e-3,
        learn_rate_schedule="cosine",
        max_epochs=epochs,
        mini_batch_size=64,
        shuffle="every-epoch",
        metrics="accuracy",
        verbose=False,
        generator=2,
    )
    images, same = pairs(data, KNOWN, count, rng)
    net, info = dl.trainnet(images, same, net, "binary-crossentropy", options)
    return net, info.training_history


# %%
# The picture
# -----------


def draw(history, images, same, p):
    """Draw the loss and pairs of unknown digits with the probability that they are the same."""
    figure = plt.figure(figsize=(10.5, 3.6))
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.4))
    axes = left.subplots()
    axes.semilogy(history["iteration"], history["loss"], linewidth=0.8)
    axes.set(xlabel="iteration", ylabel="cross-entropy", title="Loss")
    for i, panel in enumerate(right.subplots(3, 5).ravel()):
        gap = np.zeros((8, 1))
        panel.imshow(np.hstack([images[0][i, :, :, 0], gap, images[1][i, :, :, 0]]), cmap="Greys")
        panel.set_axis_off()
        wrong = (p[i, 0] > 0.5) != (same[i, 0] > 0.5)
        color = figures.COLORS[1] if wrong else figures.INK
        panel.set_title(f"the same: {p[i, 0]:.0%}", size=8, loc="center", color=color)
    right.suptitle("Digits that it was not trained with", size=11, weight="bold")
    return figures.save(figure, "siamese")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train, print how many pairs are right, and draw some."""
    figures.style()
    data, held_out = digits()
    rng = np.random.default_rng(3)
    filters, count, epochs = (8, 1500, 6) if small else (32, 20000, 20)
    begun = perf_counter()
    net, history = train(network(filters, 32), data, count, epochs, rng)
    print(f"loss: {history['loss'][0]:.4f} at first, {history['loss'][-1]:.4f} at last")
    print(f"time: {perf_counter() - begun:.0f} s")
    for name, classes in (("known digits", KNOWN), ("0 and 7", UNKNOWN)):
        images, same = pairs(held_out, classes, 1000, rng)
        p = dl.minibatchpredict(net, images)
        print(f"pairs held out, {name}: {np.mean((p > 0.5) == (same > 0.5)):.4f} right")
    draw(history, images, same, p)


if __name__ == "__main__":
    main(runs.small(__doc__))
