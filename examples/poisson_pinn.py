"""Poisson's equation by L-BFGS
============================

A network solves a differential equation, and `lbfgsupdate` trains it.

The equation is -Δu = f in the unit disk, with u = 0 on its boundary. Here u is known, and f is made
of it: u = (1 - x² - y²) sin(3x + 2y). The solution is a network in the plane, whose second
derivatives are in the loss. L-BFGS needs few steps, but the loss must be the same function in all
of them, so the points stay where they are. Adam takes as many steps from the same start.
"""

from time import perf_counter

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs
from scipy.stats import qmc

import dlgradient as dl
from dlgradient import layers

# %%
# The equation
# ------------


def exact(x, y):
    """Return the solution."""
    return (1 - x**2 - y**2) * np.sin(3 * x + 2 * y)


def right_side(x, y):
    """Return -Δ of the solution."""
    wave, slope = np.sin(3 * x + 2 * y), np.cos(3 * x + 2 * y)
    return 4 * wave + 4 * (3 * x + 2 * y) * slope + 13 * (1 - x**2 - y**2) * wave


def points(count):
    """Return points in the disk and on its boundary, each with columns x and y."""
    radius, turn = qmc.Sobol(2, seed=0).random(count).T
    angle = 2 * np.pi * turn
    inside = np.sqrt(radius) * np.stack([np.cos(angle), np.sin(angle)])
    angle = np.linspace(0, 2 * np.pi, count // 8, endpoint=False)
    return inside.T, np.stack([np.cos(angle), np.sin(angle)], axis=1)


# %%
# The network and the loss
# ------------------------
#
# The sum of a gradient's column differentiates all points at once, since no point depends on
# another one. In double precision L-BFGS gets further.


def network(width):
    """Return a network in double precision."""
    hidden = [part for _ in range(3) for part in (layers.FullyConnected(width), layers.Tanh())]
    net = dl.dlnetwork([layers.FeatureInput(2), *hidden, layers.FullyConnected(1)], generator=1)
    return dl.dlupdate(np.float64, net)


def model_loss(net, inside, f, boundary):
    """Return the mean squares of both residuals, and the gradient."""
    u = net.predict(inside)
    slope = dl.dlgradient(u.sum(), inside, enable_higher_derivatives=True)
    laplacian = sum(
        dl.dlgradient(slope[:, i].sum(), inside, enable_higher_derivatives=True)[:, i]
        for i in range(2)
    )
    equation = ((laplacian + f) ** 2).mean()
    loss = equation + 100 * (net.predict(boundary) ** 2).mean()
    return loss, dl.dlgradient(loss, net)


# %%
# Two ways to train
# -----------------


def with_lbfgs(net, loss_fcn, iterations):
    """Return the network and its losses after steps of L-BFGS."""
    state = dl.lbfgs_state(history_size=20)
    losses = []
    for _ in runs.steps(iterations, "steps of L-BFGS"):
        net, state = dl.lbfgsupdate(net, loss_fcn, state)
        losses.append(state.loss)
        if state.line_search_status == "failed":
            break
    return net, losses


def with_adam(net, loss_fcn, iterations):
    """Return the network and its losses after steps of Adam."""
    average = average_sq = None
    losses = []
    for iteration in runs.steps(iterations, "steps of Adam"):
        loss, gradient = loss_fcn(net)
        losses.append(loss.item())
        falling = 0.01 * np.cos(np.pi / 2 * (iteration - 1) / iterations)
        net, average, average_sq = dl.adamupdate(
            net, gradient, average, average_sq, iteration, falling
        )
    return net, losses


# %%
# The picture
# -----------


def grid(net):
    """Return coordinates of a square, the solution of the network and the error in the disk."""
    line = np.linspace(-1, 1, 121)
    x, y = np.meshgrid(line, line)
    u = net.predict(np.stack([x, y], axis=-1).reshape(-1, 2)).reshape(x.shape)
    outside = x**2 + y**2 > 1
    return x, y, np.ma.array(u, mask=outside), np.ma.array(u - exact(x, y), mask=outside)


def draw(histories, net):
    """Draw the losses, the solution and its error."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.3))
    for name, losses in histories.items():
        left.semilogy(np.arange(1, len(losses) + 1), losses, label=name)
    left.set(xlabel="step", ylabel="loss", title="Loss")
    left.legend()
    x, y, u, error = grid(net)
    for axes, values, title in ((middle, u, "Solution"), (right, error, "Error")):
        limit = np.abs(values).max()
        image = axes.pcolormesh(x, y, values, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set(title=title, aspect="equal", xlabel="x", ylabel="y")
        figure.colorbar(image, ax=axes)
    return figures.save(figure, "poisson_pinn")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train by L-BFGS and by Adam, print the errors, and draw."""
    figures.style()
    width, count, iterations = (16, 128, 150) if small else (48, 1024, 1500)
    inside, boundary = points(count)
    f = right_side(*inside.T)
    inside, boundary = dl.dlarray(inside, "BC"), dl.dlarray(boundary, "BC")

    def loss_fcn(net):
        return dl.dlfeval(model_loss, net, inside, f, boundary)

    start, histories = network(width), {}
    for name, train in (("Adam", with_adam), ("L-BFGS", with_lbfgs)):
        begun = perf_counter()
        net, histories[name] = train(start, loss_fcn, iterations)
        *_, u, error = grid(net)
        relative = np.sqrt((error**2).sum() / ((u - error) ** 2).sum())
        print(
            f"{name}: error {relative:.2e}, loss {histories[name][-1]:.2e} "
            f"after {len(histories[name])} steps, {perf_counter() - begun:.0f} s"
        )
    draw(histories, net)


if __name__ == "__main__":
    main(runs.small(__doc__))
