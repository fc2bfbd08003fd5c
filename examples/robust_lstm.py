"""An LSTM that small changes do not mislead
=========================================

The loss contains the gradient of an LSTM, and is differentiated.

An LSTM reads the rows of a digit of scikit-learn, one after the other. A small change of the pixels
in the direction of the gradient misleads it. So the squared norm of that gradient is added to the
loss: the gradient of the sum differentiates the LSTM twice. MATLAB's ``lstm`` cannot do this.
"""

from time import perf_counter

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs

import dlgradient as dl
from dlgradient import layers

# %%
# The data and the network
# ------------------------


def digits():
    """Return images ``BTC``, rows as times, and digits: three quarters to train with, the rest."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images, labels = (data.images[order] / 16).astype(np.float32), data.target[order]
    split = 3 * len(images) // 4
    return (images[:split], labels[:split]), (images[split:], labels[split:])


def network(hidden):
    """Return an LSTM and a classifier, which returns logits."""
    return dl.dlnetwork(
        [
            layers.SequenceInput(8, data_format="BTC"),
            layers.Lstm(hidden, output_mode="last"),
            layers.FullyConnected(10),
        ],
        generator=1,
    )


# %%
# The loss
# --------
#
# The inner gradient is one with respect to the images, with ``enable_higher_derivatives=True``.


def cross_entropy(net, x, labels):
    """Return the loss without the penalty."""
    return dl.indexcrossentropy(net.predict(x), labels, from_logits=True)


def model_loss(net, x, labels, penalty):
    """Return the cross-entropy of a batch, and the gradient of the loss with its penalty."""
    loss = cross_entropy(net, x, labels)
    total = loss
    if penalty:
        slope = dl.dlgradient(loss, x, enable_higher_derivatives=True)
        # Each image has its own slope, of a mean over the batch.
        total = loss + penalty * len(x) * (slope**2).sum()
    return loss, dl.dlgradient(total, net)


def train(data, *, penalty, hidden, epochs):
    """Train with Adam; return the network and the losses."""
    net = network(hidden)
    batches = dl.minibatchqueue(
        data,
        mini_batch_size=64,
        mini_batch_format=("BTC", None),
        partial_mini_batch="discard",
        generator=2,
    )
    average = average_sq = None
    losses = []
    for epoch in runs.steps(epochs, "epochs"):
        batches.shuffle()
        rate = 0.01 * np.cos(np.pi / 2 * (epoch - 1) / epochs)
        for x, labels in batches:
            loss, gradient = dl.dlfeval(model_loss, net, x, labels, penalty)
            losses.append(loss.item())
            gradient = dl.clip_by_global_norm(gradient, 1)
            net, average, average_sq = dl.adamupdate(
                net, gradient, average, average_sq, len(losses), rate
            )
    return net, losses


# %%
# An attack
# ---------


def loss_slope(net, x, labels):
    """Return the gradient of the loss with respect to the images."""
    return dl.dlgradient(cross_entropy(net, x, labels), x)


def changed(net, images, labels, size):
    """Return images of which each pixel has moved by `size`, to raise the loss."""
    slope = dl.dlfeval(loss_slope, net, dl.dlarray(images, "BTC"), labels)
    return images + np.float32(size) * np.sign(dl.extractdata(slope))


def accuracy(net, images, labels):
    """Return the share of images that are read rightly."""
    return np.mean(net.predict(images).argmax(axis=1) == labels)


# %%
# The picture
# -----------

SIZES = np.linspace(0, 0.3, 7)


def draw(curves, histories, examples):
    """Draw the accuracy over the size of the change, the losses, and an image with changes."""
    figure = plt.figure(figsize=(10.5, 3.4))
    left, right = figure.subfigures(1, 2, width_ratios=(2.2, 1))
    axes, other = left.subplots(1, 2)
    for name, values in curves.items():
        axes.plot(SIZES, values, "o-", label=name)
        other.semilogy(histories[name], label=name, linewidth=0.8)
    axes.set(xlabel="change of each pixel", ylabel="share", title="Right, of digits held out")
    axes.set_ylim(0, 1.02)
    other.set(xlabel="iteration", ylabel="cross-entropy", title="Loss")
    axes.legend()
    for panel, image, size in zip(right.subplots(2, 2).ravel(), examples, SIZES[::2], strict=True):
        panel.imshow(image, cmap="Greys", vmin=0, vmax=1)
        panel.set_axis_off()
        panel.set_title(f"changed by {size:.1f}", size=9, loc="center")
    return figures.save(figure, "robust_lstm")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train without and with the penalty, print how often both are right, and draw it."""
    figures.style()
    data, (images, labels) = digits()
    size = {"hidden": 24, "epochs": 10} if small else {"hidden": 96, "epochs": 80}
    curves, histories = {}, {}
    for name, penalty in (("without", 0), ("with penalty", 1.0)):
        begun = perf_counter()
        net, histories[name] = train(data, penalty=penalty, **size)
        seconds = perf_counter() - begun
        attacked = [changed(net, images, labels, by) for by in SIZES]
        curves[name] = [accuracy(net, x, labels) for x in attacked]
        print(
            f"{name}: {curves[name][0]:.4f} right, {curves[name][2]:.4f} of changed images, "
            f"after {seconds:.0f} s"
        )
    draw(curves, histories, [x[0] for x in attacked[::2]])


if __name__ == "__main__":
    main(runs.small(__doc__))
