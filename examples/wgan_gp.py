"""A network that draws digits: a Wasserstein GAN, with a gradient inside the loss.

The generator makes images of noise by transposed convolution; the critic gives a number for each
image, and learns to give higher ones to the digits of scikit-learn. The mean difference estimates
how far generated and real images lie apart (in the metric of Wasserstein), if the critic rises by
no more than the distance of its arguments. That is what the penalty is for: the gradient of the
critic between real and generated images shall have norm one. So the loss holds a gradient, and the
step of the critic is a derivative of it.
"""

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs
from scipy.spatial.distance import cdist

import dlgradient as dl

NOISE = 24


def digits(limit):
    """Return images ``BSSC`` with values from -1 to 1: three quarters to train with, the rest."""
    from sklearn.datasets import load_digits

    images = load_digits().images
    order = np.random.default_rng(0).permutation(len(images))[:limit]
    images = (images[order, :, :, None] / 8 - 1).astype(np.float32)
    split = 3 * len(images) // 4
    return images[:split], images[split:]


def networks(filters, generator):
    """Learnables of the generator and of the critic."""

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
    """Images of noise: 2×2 pixels with many channels, then 4×4, then 8×8."""
    x = dl.fullyconnect(noise, learnables["first"], learnables["first_bias"])
    x = dl.dlarray(dl.relu(x).reshape(len(noise), 2, 2, -1), "BSSC")
    x = dl.dltranspconv(x, learnables["second"], stride=2, cropping=1)
    x = dl.relu(dl.layernorm(x, learnables["offset"], learnables["scale"]))
    x = dl.dltranspconv(x, learnables["third"], learnables["third_bias"], stride=2, cropping=1)
    return dl.tanh(x)


def judge(learnables, x):
    """The critic's number for each image."""
    for name in ("first", "second"):
        x = dl.dlconv(x, learnables[name], learnables[f"{name}_bias"], stride=2, padding=1)
        x = dl.leakyrelu(x, 0.2)
    return dl.fullyconnect(x, learnables["third"])


def critic_loss(critic, real, generated, mixture, penalty=10.0):
    """Estimate of the distance, and the gradient of the critic's loss, which holds a gradient."""
    distance = judge(critic, real).mean() - judge(critic, generated).mean()
    between = mixture * real + (1 - mixture) * generated
    slope = dl.dlgradient(judge(critic, between).sum(), between, enable_higher_derivatives=True)
    norm = dl.sqrt((slope**2).sum(axis=(1, 2, 3)))
    loss = penalty * ((norm - 1) ** 2).mean() - distance
    return distance, dl.dlgradient(loss, critic)


def generator_loss(generator, critic, noise):
    """Gradient of the generator's loss: what the critic thinks of its images, negated."""
    return dl.dlgradient(-judge(critic, generate(generator, noise)).mean(), generator)


def train(images, *, filters, iterations, batch, rate, judgements):
    """Train both with Adam; return the mean of the generators and the distances."""
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
        # The generator goes round in circles; the mean of its learnables is near their centre.
        keep = np.float32(min(0.99, 1 - 1 / iteration))
        mean = dl.dlupdate(lambda m, w, keep=keep: keep * m + (1 - keep) * w, mean, generator)
    return mean, distances


def to_nearest(images, others):
    """Return how far the nearest of the others is, in the mean over the images."""
    flat, other = images.reshape(len(images), -1), others.reshape(len(others), -1)
    return cdist(flat, other).min(axis=1).mean()


def sheet(images):
    """Put 42 images into one, in six rows, with a white line around each."""
    tiles = np.pad(images[:42, :, :, 0], ((0, 0), (1, 1), (1, 1)), constant_values=-1)
    return tiles.reshape(6, 7, 10, 10).swapaxes(1, 2).reshape(60, 70)


def draw(distances, real, generated):
    """The estimate of the distance over the steps, and real digits beside generated ones."""
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


def main(small=False):
    """Train, print the distance and how near to digits the images are, and draw them."""
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
