"""A Fourier neural operator
=========================

It maps the start of a solution to its end, and has complex learnables.

The equation is Burgers' equation, u_t + u u_x = ν u_xx, on a ring of length 1. The starts are
random smooth functions, and a solver that is spectral in space makes the data. Each layer of the
network is the sum of two maps: a convolution with a few Fourier modes, whose learnables are
complex, and a linear map of the channels. The network does not depend on the grid. So it can be
tested on a finer grid than it was trained on.
"""

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs

import dlgradient as dl

VISCOSITY = 0.01
POINTS = 128


# %%
# The data
# --------


def starts(count, points, generator):
    """Return Gaussian random functions with covariance 625 (25 - Δ)⁻² and mean zero, in rows.

    Another mean would only move the solution around the ring.
    """
    k = 2 * np.pi * np.arange(points // 2 + 1)
    size = 25 / (k**2 + 25) * np.where(k > 0, np.sqrt(0.5), 0)
    draws = generator.standard_normal((2, count, len(k)))
    return np.fft.irfft(points * size * (draws[0] + 1j * draws[1]), points)


def burgers(u, steps):
    """Solve from t = 0 to 1 with Runge-Kutta; the viscous term is integrated exactly."""
    points = u.shape[-1]
    k = 2 * np.pi * np.arange(points // 2 + 1)
    dt = 1 / steps
    half = np.exp(-VISCOSITY * k**2 * dt / 2)
    # -(u²)_x / 2, without the upper third of the modes: on the grid, their squares would alias to
    # lower modes.
    derivative = np.where(np.arange(len(k)) < points // 3, -0.5j * k, 0)

    def convection(v):
        return derivative * np.fft.rfft(np.fft.irfft(v, points) ** 2)

    v = np.fft.rfft(u)
    for _ in range(steps):
        a = convection(v)
        b = convection(half * (v + dt / 2 * a))
        c = convection(half * v + dt / 2 * b)
        d = convection(half * (half * v + dt * c))
        v = half**2 * v + dt / 6 * (half**2 * a + 2 * half * (b + c) + d)
    return np.fft.irfft(v, points)


def data(count, generator):
    """Return starts and ends of solutions, ``BSC``, on a grid twice as fine as in training."""
    u = starts(count, 2 * POINTS, generator)
    return [values[..., None].astype(np.float32) for values in (u, burgers(u, 200))]


# %%
# The operator
# ------------
#
# `spectral_convolution` multiplies Fourier modes by complex weights.


def network(channels, modes, layers, generator):
    """Return the learnables of the operator; those of the convolutions are complex."""

    def pointwise(n, m):
        weights = dl.initialize_he((1, n, m), weights_format="SCU", generator=generator)
        return {"weights": weights, "bias": dl.initialize_zeros(m)}

    def spectral():
        shape = (channels, channels, modes)
        parts = [dl.initialize_narrow_normal(shape, generator=generator) for _ in range(2)]
        return dl.complex(*parts)

    return {
        "lift": pointwise(1, channels),
        "layers": [{"modes": spectral(), **pointwise(channels, channels)} for _ in range(layers)],
        "project": [pointwise(channels, 2 * channels), pointwise(2 * channels, 1)],
    }


def predict(learnables, u):
    """Return the ends of solutions from their starts."""
    hidden, output = learnables["project"]
    x = linear(learnables["lift"], u)
    *layers, last = learnables["layers"]
    for layer in layers:
        x = dl.gelu(dl.spectral_convolution(x, layer["modes"]) + linear(layer, x))
    x = dl.spectral_convolution(x, last["modes"]) + linear(last, x)
    return linear(output, dl.gelu(linear(hidden, x)))


def linear(layer, x):
    """Map the channels at each point, with a convolution of width one."""
    return dl.dlconv(x, layer["weights"], layer["bias"])


# %%
# Loss and gradient
# -----------------
#
# The gradient is complex where the learnables are.


def relative_error(y, targets):
    """Return the norm of the error relative to that of the solution, on average."""
    error = dl.sqrt(((y - targets) ** 2).sum(axis=(1, 2)))
    return (error / np.sqrt((targets**2).sum(axis=(1, 2)))).mean()


def model_loss(learnables, u, targets):
    """Return the relative error of a batch and its gradient, complex where learnables are."""
    loss = relative_error(predict(learnables, u), targets)
    return loss, dl.dlgradient(loss, learnables)


def test_error(learnables, held_out, every):
    """Return the relative error of solutions held out, on every n-th point of their grid."""
    u, targets = (values[:, ::every] for values in held_out)
    return relative_error(predict(learnables, dl.dlarray(u, "BSC")), targets).item()


# %%
# The training loop
# -----------------


def train(learnables, examples, held_out, *, epochs, batch, rate):
    """Train with Adam; return the learnables and the errors by epoch, trained and held out."""
    rng = np.random.default_rng(1)
    u, targets = (values[:, ::2] for values in examples)
    average = average_sq = None
    iteration, iterations = 0, epochs * (len(u) // batch)
    errors = []
    for _ in runs.steps(epochs, "epochs"):
        losses = []
        for chosen in rng.permutation(len(u)).reshape(-1, batch):
            loss, gradient = dl.dlfeval(
                model_loss, learnables, dl.dlarray(u[chosen], "BSC"), targets[chosen]
            )
            losses.append(loss.item())
            falling = rate * np.cos(np.pi / 2 * iteration / iterations)
            iteration += 1
            learnables, average, average_sq = dl.adamupdate(
                learnables, gradient, average, average_sq, iteration, falling
            )
        errors.append((np.mean(losses), test_error(learnables, held_out, 2)))
    return learnables, errors


# %%
# The picture
# -----------


def draw(errors, held_out, ends):
    """Draw the errors by epoch, and three starts with their ends."""
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), width_ratios=(1.3, 1, 1, 1))
    for error, name in zip(np.transpose(errors), ("training", "held out"), strict=True):
        axes[0].semilogy(np.arange(1, len(error) + 1), error, label=name)
    axes[0].set(xlabel="epoch", ylabel="relative error", title="Error")
    axes[0].legend()
    x = np.arange(2 * POINTS) / (2 * POINTS)
    for panel, start, exact, end in zip(axes[1:], *held_out, ends, strict=False):
        panel.plot(x, start, color="#9aa5b1", linewidth=1, label="u(x, 0)")
        panel.plot(x, end, color=figures.COLORS[1], label="operator")
        panel.plot(x[::8], exact[::8], "o", color=figures.INK, markersize=2.5, label="u(x, 1)")
        panel.set(xlabel="x")
    axes[1].set(title="Held out")
    axes[1].legend(fontsize=8)
    return figures.save(figure, "fourier_operator")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Make the data, train, print the errors on both grids, and draw some solutions."""
    figures.style()
    generator = np.random.default_rng(0)
    counts, size = (80, 20), (16, 12, 3)
    speed = {"epochs": 12, "batch": 10, "rate": 0.01}
    if not small:
        counts, size = (1000, 200), (32, 16, 4)
        speed = {"epochs": 30, "batch": 20, "rate": 0.003}
    examples, held_out = (data(count, generator) for count in counts)
    learnables = network(*size, generator)
    learnables, errors = train(learnables, examples, held_out, **speed)
    print(f"{counts[0]} solutions to train with, {counts[1]} held out, viscosity {VISCOSITY}")
    print(f"error held out: {errors[0][1]:.4f} after an epoch, {errors[-1][1]:.4f} at the end")
    print(f"on a grid twice as fine: {test_error(learnables, held_out, 1):.4f}")
    ends = dl.extractdata(predict(learnables, dl.dlarray(held_out[0][:3], "BSC")))
    draw(errors, held_out, ends)


if __name__ == "__main__":
    main(runs.small(__doc__))
