"""A generative adversarial network
================================

Two networks, two losses, one trace: ``retain_data``.

The generator makes points of the plane from noise. The discriminator tells them from points of the
data: eight spots on a circle. Both losses pass through both networks, so they share one trace.
``retain_data`` keeps what the first gradient has read, and the second gradient reads it again. Each
network is an argument of `dlgradient`, and its gradient has its structure.
"""

from time import perf_counter

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs
from scipy.spatial.distance import cdist

import dlgradient as dl
from dlgradient import layers

NOISE = 2
ANGLES = np.linspace(0, 2 * np.pi, 8, endpoint=False)
CENTERS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
SPREAD = 0.05


# %%
# The data and the networks
# -------------------------


def points(count, rng):
    """Return points of eight spots, ``BC``."""
    noise = rng.normal(0, SPREAD, (count, 2))
    return (CENTERS[rng.integers(8, size=count)] + noise).astype(np.float32)


def noise(count, rng):
    """Return the input of the generator."""
    return dl.dlarray(rng.standard_normal((count, NOISE), dtype=np.float32), "BC")


def network(inputs, width, outputs, seed):
    """Return a network of two hidden layers."""
    return dl.dlnetwork(
        [
            layers.FeatureInput(inputs),
            layers.FullyConnected(width, weights_initializer="he"),
            layers.Tanh(),
            layers.FullyConnected(width, weights_initializer="he"),
            layers.Tanh(),
            layers.FullyConnected(outputs),
        ],
        generator=seed,
    )


# %%
# Losses
# ------
#
# The discriminator returns logits, and -log(sigmoid(y)) is softplus(-y). Without ``retain_data``
# the second gradient is the same, but what the first has dropped is computed again.


def model_loss(generator, discriminator, real, z):
    """Return the gradients of both networks, and the share of the data that is found to be real."""
    y_real = discriminator.predict(real)
    y_generated = discriminator.predict(generator.predict(z))
    loss = dl.softplus(-y_real).mean() + dl.softplus(y_generated).mean()
    gradient = dl.dlgradient(loss, discriminator, retain_data=True)
    generator_gradient = dl.dlgradient(dl.softplus(-y_generated).mean(), generator)
    right = ((y_real > 0).mean() + (y_generated < 0).mean()) / 2
    return generator_gradient, gradient, right


# %%
# The training loop
# -----------------


def train(*, width, iterations, batch, rate):
    """Train both with Adam; return the averaged generator, and how often was right."""
    rng = np.random.default_rng(0)
    generator, discriminator = network(NOISE, width, 2, 1), network(2, width, 1, 2)
    moments, other_moments = (None, None), (None, None)
    mean, rights = generator, []
    for iteration in runs.steps(iterations, "steps"):
        real = dl.dlarray(points(batch, rng), "BC")
        generator_gradient, gradient, right = dl.dlfeval(
            model_loss, generator, discriminator, real, noise(batch, rng)
        )
        rights.append(right.item())
        falling = rate * np.cos(np.pi / 2 * (iteration - 1) / iterations)
        discriminator, *other_moments = dl.adamupdate(
            discriminator, gradient, *other_moments, iteration, 2 * falling, 0.5
        )
        generator, *moments = dl.adamupdate(
            generator, generator_gradient, *moments, iteration, falling, 0.5
        )
        # The generator circles around an equilibrium; the mean of its learnables is near it.
        keep = np.float32(min(0.95, 1 - 1 / iteration))
        mean = dl.dlupdate(lambda m, w, keep=keep: keep * m + (1 - keep) * w, mean, generator)
    return mean, rights


# %%
# The picture
# -----------


def quality(generated):
    """Return how many spots have points, and the share of points within four spreads of one."""
    distances = cdist(generated, CENTERS)
    near = distances.min(axis=1) < 4 * SPREAD
    counts = np.bincount(distances.argmin(axis=1)[near], minlength=8)
    return int((counts > len(generated) / 80).sum()), near.mean()


def draw(real, generated, rights):
    """Draw the points, and how often the discriminator was right."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10.5, 3.5))
    for axes, values, title in ((left, real, "Data"), (middle, generated, "Generated")):
        axes.plot(*values.T, ".", markersize=2, alpha=0.6)
        axes.set(title=title, xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal", xlabel="$x_1$")
    left.set(ylabel="$x_2$")
    smooth = np.convolve(rights, np.ones(20) / 20, mode="valid")
    right.plot(np.arange(len(smooth)) + 20, smooth)
    right.axhline(0.5, color=figures.COLORS[1], linestyle="--", label="a guess")
    right.set(xlabel="step", ylabel="share, mean of 20 steps", title="Discriminator is right")
    right.legend()
    return figures.save(figure, "gan")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train both networks, print how good the points are, and draw them."""
    figures.style()
    size = {"width": 64, "iterations": 600, "batch": 128, "rate": 3e-3}
    if not small:
        size = {"width": 128, "iterations": 4000, "batch": 256, "rate": 2e-3}
    begun = perf_counter()
    generator, rights = train(**size)
    rng = np.random.default_rng(3)
    real = points(2000, rng)
    generated = dl.extractdata(generator.predict(noise(2000, rng)))
    for name, some in (("data", real), ("generated", generated)):
        spots, share = quality(some)
        print(f"{name}: {spots} of 8 spots, {share:.3f} of the points near one")
    print(f"{len(rights)} steps in {perf_counter() - begun:.0f} s")
    draw(real, generated, rights)


if __name__ == "__main__":
    main(runs.small(__doc__))
