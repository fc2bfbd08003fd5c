"""A variational autoencoder of digits
===================================

Digits as points of a plane, and an own layer with random numbers.

The encoder gives each image of scikit-learn's digits a normal distribution of points, its mean and
the logarithm of its variance. An own layer draws a point from it, and the decoder makes an image of
the point. The loss is the evidence lower bound, negated. Images held out are compared with what the
best linear map to a plane, the principal components, can keep of them.
"""

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


def digits():
    """Return images of 64 numbers from 0 to 1, ``BC``, and their digits: to train, and the rest."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, labels = (data.data[order] / 16).astype(np.float32), data.target[order]
    split = 4 * len(x) // 5
    return x[:split], x[split:], labels[split:]


# %%
# An own layer
# ------------
#
# In training it draws, for inference it returns the mean. The derivative passes through the draw,
# since the random number is a factor.


class Sampling(layers.Layer):
    """A point of the plane, drawn from a normal distribution."""

    def __post_init__(self):
        self.output_names = ("out", "mean", "log_variance")

    def predict(self, x):
        """Return the mean as the point."""
        mean, log_variance = x[:, :2], x[:, 2:]
        return mean, mean, log_variance

    def forward(self, x):
        """Return a point that is drawn."""
        mean, log_variance = x[:, :2], x[:, 2:]
        noise = self.generator.standard_normal(mean.shape, dtype=np.float32)
        return mean + dl.exp(log_variance / 2) * noise, mean, log_variance


def networks(width):
    """Return the encoder and the decoder."""
    encoder = [
        layers.FeatureInput(64),
        layers.FullyConnected(width),
        layers.Relu(),
        layers.FullyConnected(width),
        layers.Relu(),
        layers.FullyConnected(4),
        Sampling(name="sampling"),
    ]
    decoder = [
        layers.FeatureInput(2),
        layers.FullyConnected(width),
        layers.Relu(),
        layers.FullyConnected(width),
        layers.Relu(),
        layers.FullyConnected(64),
        layers.Sigmoid(),
    ]
    return dl.dlnetwork(encoder, generator=1), dl.dlnetwork(decoder, generator=2)


# %%
# The loss
# --------
#
# The networks are a container, so one gradient and one update serve both.


def model_loss(nets, x, generator):
    """Return the loss of a batch and its gradient."""
    point, mean, log_variance, _ = nets["encoder"].forward(x, generator=generator)
    y = nets["decoder"].predict(point)
    # Pixels with a standard deviation of 0.2, and the divergence from the normal distribution.
    error = ((y - x) ** 2).sum() / (2 * 0.2**2)
    divergence = (mean**2 + dl.exp(log_variance) - log_variance - 1).sum() / 2
    loss = (error + divergence) / len(x)
    return loss, dl.dlgradient(loss, nets)


def train(nets, x, epochs, rate):
    """Train with Adam; return the networks and the mean loss of every epoch."""
    batches = dl.minibatchqueue(x, mini_batch_size=64, mini_batch_format="BC", generator=3)
    rng = np.random.default_rng(4)
    average = average_sq = None
    step, history = 0, []
    for epoch in runs.steps(epochs, "epochs"):
        batches.shuffle()
        falling = rate * np.cos(np.pi / 2 * (epoch - 1) / epochs)
        losses = []
        for batch in batches:
            step += 1
            loss, gradient = dl.dlfeval(model_loss, nets, batch, rng)
            nets, average, average_sq = dl.adamupdate(
                nets, gradient, average, average_sq, step, falling
            )
            losses.append(loss.item())
        history.append(np.mean(losses))
    return nets, history


# %%
# The picture
# -----------


def decoded(nets, x):
    """Return the points of images, and the images of the points."""
    mean = nets["encoder"].predict(x)[1]
    return mean, nets["decoder"].predict(mean)


def principal(x, other):
    """Return what two principal components keep of other images."""
    mean = x.mean(axis=0)
    axes = np.linalg.svd(x - mean, full_matrices=False)[2][:2]
    return mean + (other - mean) @ axes.T @ axes


def sheet(images):
    """Tile a hundred images in ten rows, with a white line around each."""
    tiles = np.pad(images.reshape(10, 10, 8, 8), ((0, 0), (0, 0), (1, 1), (1, 1)))
    return tiles.swapaxes(1, 2).reshape(100, 100)


def draw(points, labels, nets, images, made):
    """Draw the plane of digits, what lies on a grid of it, and images before and after."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4), width_ratios=(1.2, 1, 1))
    dots = left.scatter(*points.T, c=labels, cmap="tab10", s=8, vmin=-0.5, vmax=9.5)
    left.set(xlabel="first coordinate", ylabel="second coordinate", title="Digits held out")
    figure.colorbar(dots, ax=left, ticks=range(10), label="digit")
    line = np.linspace(-2, 2, 10, dtype=np.float32)
    grid = np.stack(np.meshgrid(line, line[::-1]), axis=-1).reshape(-1, 2)
    middle.imshow(sheet(nets["decoder"].predict(grid)), cmap="Greys", extent=(-2.2, 2.2, -2.2, 2.2))
    middle.set(xlabel="first coordinate", ylabel="second coordinate", title="Images of the plane")
    right.imshow(sheet(np.stack([images[:50], made[:50]], axis=1)), cmap="Greys")
    right.set_axis_off()
    right.set(title="Before and after")
    return figures.save(figure, "vae")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train, print the errors of images held out, and draw the plane."""
    figures.style()
    x, held_out, labels = digits()
    encoder, decoder = networks(64 if small else 256)
    begun = perf_counter()
    nets, history = train(
        {"encoder": encoder, "decoder": decoder}, x, 25 if small else 300, 3e-3 if small else 1e-3
    )
    print(f"loss: {history[0]:.2f} at first, {history[-1]:.2f} after {len(history)} epochs")
    print(f"time: {perf_counter() - begun:.0f} s")
    points, made = decoded(nets, held_out)
    for name, other in (("autoencoder", made), ("principal components", principal(x, held_out))):
        print(f"mean square error of pixels, {name}: {np.mean((other - held_out) ** 2):.4f}")
    draw(points, labels, nets, held_out, made)


if __name__ == "__main__":
    main(runs.small(__doc__))
