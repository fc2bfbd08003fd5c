"""A Wasserstein GAN draws digits
==============================

The loss of the critic contains a gradient.

The generator makes images from noise with transposed convolutions. The critic gives each image a
number, and learns to give higher numbers to the digits of scikit-learn. The mean difference
estimates the Wasserstein distance between generated and real images, if the critic has slope one at
most. So a penalty drives the gradient of the critic, between real and generated images, to norm
one. The loss then contains a gradient, and a step of the critic differentiates it.
"""

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs
from scipy.spatial.distance import cdist

import dlgradient as dl

NOISE = 24


# %%
# The data
# --------


def digits(limit):
    """Return images ``BSSC`` from -1 to 1: three quarters to train with, and the rest."""
    from sklearn.datasets import load_digits

    images = load_digits().images
    order = np.random.default_rng(0).permutation(len(images))[:limit]
    images = (images[order, :, :, None] / 8 - 1).astype(np.float32)
    split = 3 * len(images) // 4
    return images[:split], images[split:]


# %%
# Generator and critic
# --------------------


def networks(filters, generator):
    """Return the learnables of the generator and of the critic."""

    def weights(*shape, fan_in):
        return dl.initialize_he(shape, fan_in=fan_in, generator=generator)

    drawing = {
        "first": weights(4 * 2 * filters, NOISE, fan_in=NOISE),
        "first_bias": dl.initialize_zeros(4 * 2 * filters),
        "second": weights(4, 4, filters, 2 * filters, fan_in=4 * 2 * filters),
        "offset": dl.initialize_zeros(filters),
        "scale": dl.initialize_ones(filters),
        "third": weights(4, 4, 1, filters, fan_in=4 * filters),
        "third_bias": dl.initialize_zeros(1),
    }
    judging = {
        "first": weights(4, 4, 1, filters, fan_in=16),
        "first_bias": dl.initialize_zeros(filters),
        "second": weights(4, 4, filters, 2 * filters, fan_in=16 * filters),
        "second_bias": dl.initialize_zeros(2 * filters),
        "third": weights(1, 4 * 2 * filters, fan_in=4 * 2 * filters),
    }
    return drawing, judging


def generate(learnables, noise):
    """Return images from noise: 2×2 pixels with many channels, then 4×4, then 8×8."""
    x = dl.fullyconnect(noise, learnables["first"], learnables["first_bias"])
    x = dl.dlarray(dl.relu(x).reshape(len(noise), 2, 2, -1), "BSSC")
    x = dl.dltranspconv(x, learnables["second"], stride=2, cropping=1)
    x = dl.relu(dl.layernorm(x, learnables["offset"], learnables["scale"]))
    x = dl.dltranspconv(x, learnables["third"], learnables["third_bias"], stride=2, cropping=1)
    return dl.tanh(x)


def judge(learnables, x):
    """Return the critic's number for each image."""
    for name in ("first", "second"):
        x = dl.dlconv(x, learnables[name], learnables[f"{name}_bias"], stride=2, padding=1)
        x = dl.leakyrelu(x, 0.2)
    return dl.fullyconnect(x, learnables["third"])


# %%
# Losses
# ------
#
# The slope of the critic is a gradient with ``enable_higher_derivatives=True``. The loss contains
# it, and `dlgradient` differentiates the loss.


def critic_loss(critic, real, generated, mixture, penalty=10.0):
    """Return the estimated distance, and the gradient of the critic's loss with its penalty."""
    distance = judge(critic, real).mean() - judge(critic, generated).mean()
    between = mixture * real + (1 - mixture) * generated
    slope = dl.dlgradient(judge(critic, between).sum(), between, enable_higher_derivatives=True)
    norm = dl.sqrt((slope**2).sum(axis=(1, 2, 3)) + 1e-12)  # a finite slope at zero
    loss = penalty * ((norm - 1) ** 2).mean() - distance
    return distance, dl.dlgradient(loss, critic)


def generator_loss(generator, critic, noise):
    """Return the gradient of the generator's loss: the critic's numbers, negated."""
    return dl.dlgradient(-judge(critic, generate(generator, noise)).mean(), generator)


# %%
# The training loop
# -----------------


def train(images, *, filters, iterations, batch, rate, judgements):
    """Train both with Adam; return the averaged generator and the distances."""
    rng = np.random.default_rng(1)

    def noise():
        return dl.dlarray(rng.standard_normal((batch, NOISE), dtype=np.float32), "BC")

    generator, critic = networks(filters, rng)
    mean = generator
    moments, critic_moments = (None, None), (None, None)
    distances = []
    for iteration in runs.steps(iterations, "steps of the generator"):
        falling = rate * np.cos(np.pi / 2 * (iteration - 1) / iterations)
        for i in range(judgements):
            real = dl.dlarray(images[rng.integers(len(images), size=batch)], "BSSC")
            mixture = rng.random((batch, 1, 1, 1), dtype=np.float32)
            distance, gradient = dl.dlfeval(
                critic_loss, critic, real, generate(generator, noise()), mixture
            )
            step = (iteration - 1) * judgements + i + 1
            critic, *critic_moments = dl.adamupdate(
                critic, gradient, *critic_moments, step, falling, 0.0, 0.9
            )
        distances.append(distance.item())
        gradient = dl.dlfeval(generator_loss, generator, critic, noise())
        generator, *moments = dl.adamupdate(
            generator, gradient, *moments, iteration, falling, 0.0, 0.9
        )
        # The generator circles around an equilibrium; the mean of its learnables is near it.
        keep = np.float32(min(0.99, 1 - 1 / iteration))
        mean = dl.dlupdate(lambda m, w, keep=keep: keep * m + (1 - keep) * w, mean, generator)
    return mean, distances


# %%
# The picture
# -----------


def to_nearest(images, others):
    """Return the distance to the nearest of the others, averaged over the images."""
    flat, other = images.reshape(len(images), -1), others.reshape(len(others), -1)
    return cdist(flat, other).min(axis=1).mean()


def sheet(images):
    """Tile 42 images in six rows, with a white line around each."""
    tiles = np.pad(images[:42, :, :, 0], ((0, 0), (1, 1), (1, 1)), constant_values=-1)
    return tiles.reshape(6, 7, 10, 10).swapaxes(1, 2).reshape(60, 70)


def draw(distances, real, generated):
    """Draw the estimated distance over the steps, and real and generated digits."""
    figure, (left, *panels) = plt.subplots(1, 3, figsize=(11, 3.4), width_ratios=(1.2, 1, 1))
    left.semilogy(distances, linewidth=0.8)
    left.set(xlabel="step of the generator", ylabel="critic, real less generated")
    left.set(title="Wasserstein distance, estimated")
    for panel, images, title in zip(
        panels, (real, generated), ("Real digits", "Generated"), strict=True
    ):
        panel.imshow(sheet(images), cmap="Greys", vmin=-1, vmax=1)
        panel.set_axis_off()
        panel.set(title=title)
    return figures.save(figure, "wgan_gp")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train, print the distances, and draw real and generated digits."""
    figures.style()
    images, held_out = digits(400 if small else None)
    size = {"filters": 8, "iterations": 80, "batch": 32, "rate": 0.004, "judgements": 2}
    if not small:
        size = {"filters": 32, "iterations": 1500, "batch": 64, "rate": 0.002, "judgements": 3}
    generator, distances = train(images, **size)
    noise = np.random.default_rng(2).standard_normal((len(held_out), NOISE), dtype=np.float32)
    generated = dl.extractdata(generate(generator, dl.dlarray(noise, "BC")))
    largest, last = max(distances), np.mean(distances[-len(distances) // 20 :])
    print(f"distance: {largest:.4f} at most, {last:.4f} after {len(distances)} steps")
    for name, some in (("held out", held_out), ("generated", generated)):
        print(f"from digits {name} to the nearest to train with: {to_nearest(some, images):.3f}")
    draw(distances, held_out, generated)


if __name__ == "__main__":
    main(runs.small(__doc__))
