"""Burgers' equation by a network
==============================

The loss contains second derivatives of the network.

The equation is u_t + u u_x = ν u_xx for -1 < x < 1 and 0 < t < 1, with u = -sin(πx) at t = 0 and
u = 0 at both ends. The solution has the form -sin(πx) + t (1 - x²) N(t, x) with a network N. So its
initial and boundary values are right for every N. The loss is the mean square of the residual, and
SciPy's L-BFGS minimises it. The result is compared with the closed form of Cole and Hopf, an
integral that Gauss-Hermite quadrature evaluates.
"""

from itertools import pairwise

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs
from scipy.optimize import minimize
from scipy.stats import qmc

import dlgradient as dl

VISCOSITY = 0.03


# %%
# The closed form
# ---------------


def cole_hopf(t, x):
    """Return the exact solution at points with t > 0."""
    nodes, weights = np.polynomial.hermite.hermgauss(100)
    y = x[..., None] - np.sqrt(4 * VISCOSITY * t)[..., None] * nodes
    # exp(cos(πy) / (2πν)) overflows for small ν. So both numerator and denominator are divided by
    # its largest value.
    heat = weights * np.exp(-(1 + np.cos(np.pi * y)) / (2 * np.pi * VISCOSITY))
    return -(heat * np.sin(np.pi * y)).sum(axis=-1) / heat.sum(axis=-1)


# %%
# The network
# -----------


def network(width, layers, generator):
    """Learnables of a network from (t, x) to one number: a list of weights and biases."""
    sizes = [2, *[width] * layers, 1]
    return [
        {
            "weights": dl.initialize_glorot((m, n), generator=generator, dtype=np.float64),
            "bias": dl.initialize_zeros((m, 1), dtype=np.float64),
        }
        for n, m in pairwise(sizes)
    ]


def solution(learnables, t, x):
    """Return the solution at points, which are rows."""
    y = dl.concat([2 * t - 1, x])
    *hidden, last = learnables
    for layer in hidden:
        y = dl.tanh(layer["weights"] @ y + layer["bias"])
    y = last["weights"] @ y + last["bias"]
    return t * (1 - x**2) * y - dl.sin(np.pi * x)


# %%
# The residual of the equation
# ----------------------------
#
# Derivatives with respect to time and space are gradients too. The last one, for the learnables,
# differentiates through them.


def model_loss(learnables, t, x):
    """Mean square of the residual of the equation, and its gradient for the learnables."""
    u = solution(learnables, t, x)
    u_t, u_x = dl.dlgradient(u.sum(), t, x, enable_higher_derivatives=True)
    u_xx = dl.dlgradient(u_x.sum(), x, enable_higher_derivatives=True)
    loss = ((u_t + u * u_x - VISCOSITY * u_xx) ** 2).mean()
    return loss, dl.dlgradient(loss, learnables)


# %%
# L-BFGS of SciPy
# ---------------
#
# SciPy minimises over one vector, so the learnables are concatenated and split again.


def flat(learnables):
    """Concatenate all learnables into one vector, for SciPy."""
    parts = [dl.extractdata(value).ravel() for layer in learnables for value in layer.values()]
    return np.concatenate(parts)


def unflat(vector, like):
    """Split a vector into learnables with the shapes of `like`."""
    sizes = [value.size for layer in like for value in layer.values()]
    parts = iter(np.split(vector, np.cumsum(sizes)[:-1]))
    return [
        {name: dl.dlarray(next(parts).reshape(value.shape)) for name, value in layer.items()}
        for layer in like
    ]


def train(learnables, t, x, iterations):
    """Minimise the loss with L-BFGS; return the learnables and the loss of every iteration."""

    def value_and_gradient(vector):
        loss, gradient = dl.dlfeval(model_loss, unflat(vector, learnables), t, x)
        return loss.item(), flat(gradient)

    start = flat(learnables)
    losses = [value_and_gradient(start)[0]]
    bar = runs.steps(iterations, "iterations of L-BFGS")

    def report(intermediate_result):
        losses.append(float(intermediate_result.fun))
        next(bar, None)

    options = {"maxiter": iterations, "maxfun": 2 * iterations, "maxcor": 50, "ftol": 0, "gtol": 0}
    result = minimize(
        value_and_gradient, start, jac=True, method="L-BFGS-B", callback=report, options=options
    )
    for _ in bar:  # L-BFGS may stop early, and the bar closes only at its end
        pass
    return unflat(result.x, learnables), losses


# %%
# The picture
# -----------


def draw(losses, x, rows, u):
    """Draw the loss, the solution in time and space, and three times with the closed form."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4))
    left.semilogy(losses)
    left.set(xlabel="iteration", ylabel="mean square of the residual", title="Loss")
    image = middle.imshow(
        u.T, extent=(0, 1, -1, 1), origin="lower", aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1
    )
    figure.colorbar(image, ax=middle).outline.set_visible(False)
    middle.set(xlabel="t", ylabel="x", title="u(t, x)")
    for row, color in zip((25, 50, 100), figures.COLORS, strict=False):
        right.plot(x, u[row - 1], color=color, label=f"t = {rows[row - 1]:g}")
        exact = cole_hopf(np.full_like(x, rows[row - 1]), x)
        right.plot(x[::10], exact[::10], "o", color=color, markersize=3.5)
    right.set(xlabel="x", title="Cole-Hopf as points")
    right.legend()
    return figures.save(figure, "burgers_pinn")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train, print the loss and the error against the closed form, and draw the solution."""
    figures.style()
    width, layers, points, iterations = (10, 2, 256, 40) if small else (20, 3, 1024, 1000)
    learnables = network(width, layers, np.random.default_rng(0))
    where = qmc.Sobol(2, scramble=False).random(points).T
    t, x = dl.dlarray(where[:1]), dl.dlarray(2 * where[1:] - 1)
    learnables, losses = train(learnables, t, x, iterations)

    rows, places = np.linspace(0.01, 1, 100), np.linspace(-1, 1, 201)
    grid = np.meshgrid(rows, places, indexing="ij")
    u = dl.extractdata(solution(learnables, *(g.reshape(1, -1) for g in grid))).reshape(100, 201)
    exact = cole_hopf(*grid)
    error = np.linalg.norm(u - exact) / np.linalg.norm(exact)
    print(f"loss: {losses[0]:.4e} at first, {losses[-1]:.4e} after {len(losses) - 1} iterations")
    print(f"error against Cole-Hopf: {error:.2e} relative, {np.abs(u - exact).max():.2e} at most")
    draw(losses, places, rows, u)


if __name__ == "__main__":
    main(runs.small(__doc__))
