"""Containers and tables of learnables
===================================

Gradients with respect to containers, and a model whose learnables are a table.

A variable of `dlgradient` may be a list, tuple, dict, named tuple or dataclass. It may be a table
with the columns Layer, Parameter and Value, and any nesting of these. The gradient has the same
structure. The second part fits a small network with gradient descent. Its learnables are a pandas
DataFrame.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import figures
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import dlgradient as dl

# %%
# A dataclass of lists, named tuples and dicts
# --------------------------------------------
#
# The gradient of a `Mixture` is a `Mixture`.


class Line(NamedTuple):
    """Slope and intercept."""

    slope: Any
    intercept: Any


@dataclass
class Mixture:
    """Two lines and their weights."""

    lines: list[Line]
    weights: dict[str, Any]


def mixture_loss(model, x):
    """Return the square of a weighted sum of lines, and its gradient: a `Mixture` of gradients."""
    first, second = model.lines
    y = model.weights["first"] * (first.slope * x + first.intercept)
    y += model.weights["second"] * (second.slope * x + second.intercept)
    loss = y**2
    return loss, dl.dlgradient(loss, model)


def show_nested():
    """Differentiate with respect to a dataclass of lists, named tuples and dicts."""
    model = Mixture(
        lines=[Line(dl.dlarray(2.0), dl.dlarray(1.0)), Line(dl.dlarray(-1.0), dl.dlarray(0.5))],
        weights={"first": dl.dlarray(0.25), "second": dl.dlarray(0.75)},
    )
    loss, gradient = dl.dlfeval(mixture_loss, model, 3.0)
    print(f"loss {loss.item():g}; the gradient is a {type(gradient).__name__}:")
    for i, line in enumerate(gradient.lines):
        print(f"  lines[{i}]: slope {line.slope.item():g}, intercept {line.intercept.item():g}")
    for name, weight in gradient.weights.items():
        print(f"  weights[{name!r}]: {weight.item():g}")


# %%
# A network with a table of learnables
# ------------------------------------
#
# The columns are those of MATLAB's ``dlnetwork.Learnables``.


def learnables(rng, hidden):
    """Return a table of the learnables of a network with one hidden layer."""
    rows = [
        ("hidden", "Weights", rng.normal(size=(hidden, 1)) * 2),
        ("hidden", "Bias", rng.normal(size=(hidden, 1)) * 2),
        ("output", "Weights", rng.normal(size=(1, hidden)) / np.sqrt(hidden)),
        ("output", "Bias", np.zeros((1, 1))),
    ]
    table = pd.DataFrame(rows, columns=["Layer", "Parameter", "Value"])
    return table.assign(Value=[dl.dlarray(value) for value in table["Value"]])


def predict(table, x):
    """Return the output of the network: a row for a row of inputs."""
    w1, b1, w2, b2 = table["Value"]
    return w2 @ dl.tanh(w1 @ x + b1) + b2


def model_loss(table, x, target):
    """Return the mean squared error, and its gradient: a table like that of the learnables."""
    loss = ((predict(table, x) - target) ** 2).mean()
    return loss, dl.dlgradient(loss, table)


# %%
# Gradient descent with momentum
# ------------------------------
#
# Columns of a table are Series of dlarrays, so pandas does the arithmetic.


def fit(table, x, target, *, rate=0.05, momentum=0.9, iterations=600):
    """Run gradient descent with momentum; return the fitted table and the losses."""
    losses = []
    velocity = 0.0
    for _ in range(iterations):
        loss, gradient = dl.dlfeval(model_loss, table, x, target)
        velocity = momentum * velocity - rate * gradient["Value"]
        table = table.assign(Value=table["Value"] + velocity)
        losses.append(loss.item())
    return table, losses


# %%
# The picture
# -----------


def draw(x, target, table, losses, noise):
    """Draw the loss over the iterations, and the fitted curve over the data."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.8))
    left.semilogy(losses)
    left.axhline(noise**2, color="#9aa5b1", linewidth=1, linestyle="--")
    left.text(0, noise**2 * 0.95, "variance of the noise", va="top", size=9)
    left.set(xlabel="iteration", ylabel="mean squared error", title="Loss")
    left.set_ylim(0.01, 1)

    fine = np.linspace(-3.3, 3.3, 300)[None, :]
    right.plot(x.ravel(), target.ravel(), "o", color="#9aa5b1", markersize=4, label="data")
    right.plot(fine[0], np.sin(2 * fine[0]), color=figures.INK, linewidth=1, label="sin 2x")
    curve = dl.extractdata(predict(table, fine))
    right.plot(fine[0], curve[0], color=figures.COLORS[1], label="network")
    right.set(xlabel="x", title="Fit")
    right.set_ylim(-1.6, 2.1)
    right.legend(ncols=3, loc="upper center")
    return figures.save(figure, "containers")


# %%
# Run it
# ------


def main():
    """Print gradients with respect to containers, fit the network and draw the fit."""
    figures.style()
    show_nested()

    rng = np.random.default_rng(3)
    noise = 0.15
    x = np.sort(rng.uniform(-3, 3, (1, 120)))
    target = np.sin(2 * x) + noise * rng.normal(size=x.shape)
    table = learnables(rng, hidden=16)
    _, gradient = dl.dlfeval(model_loss, table, x, target)
    print("\ngradient with respect to a table of learnables:")
    shapes = gradient.assign(Value=[f"dlarray of shape {g.shape}" for g in gradient["Value"]])
    print(shapes.to_string(index=False))

    table, losses = fit(table, x, target)
    print(f"loss: {losses[0]:.4f} before, {losses[-1]:.4f} after {len(losses)} iterations")
    draw(x, target, table, losses, noise)


if __name__ == "__main__":
    main()
