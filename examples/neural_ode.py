"""A neural differential equation
==============================

The right-hand side of y' = f(y), learned from a trajectory.

The data are a spiral, the solution of a cubic equation. A network with one hidden layer is the
right-hand side. `dlode45` solves its equation over short windows of the trajectory, and the
gradient of the error passes back through all steps of the solver. After training, the learned
equation is solved from the first point over the whole time, which is much longer than a window.
"""

import figures
import matplotlib.pyplot as plt
import numpy as np
import runs

import dlgradient as dl

MATRIX = np.array([[-0.1, -1.0], [1.0, -0.1]])
START = np.array([[2.0], [0.0]])
LENGTH = 15.0


# %%
# The data
# --------


def spiral(_, y):
    """Return the right-hand side of the equation that the data come from."""
    return MATRIX @ y**3


def trajectory(equation, times, *theta):
    """Solve from the first point; return an array of two rows with a column for each time."""
    y = dl.dlode45(equation, times, START, *theta, relative_tolerance=1e-6)
    return np.concatenate([START, dl.extractdata(y)[:, 0]], axis=1)


# %%
# The network, and the solver in its loss
# ---------------------------------------
#
# `dlode45` takes the learnables as a parameter of the right-hand side, and returns a solution whose
# gradient is known.


def network(hidden, generator):
    """Return the learnables of the right-hand side."""
    return {
        "w1": dl.initialize_glorot((hidden, 2), generator=generator, dtype=np.float64),
        "b1": dl.initialize_zeros((hidden, 1), dtype=np.float64),
        "w2": dl.initialize_glorot((2, hidden), generator=generator, dtype=np.float64),
        "b2": dl.initialize_zeros((2, 1), dtype=np.float64),
    }


def right_hand_side(_, y, theta):
    """Return y' as the network predicts it; a column for each trajectory."""
    return theta["w2"] @ dl.tanh(theta["w1"] @ y**3 + theta["b1"]) + theta["b2"]


def model_loss(theta, times, starts, targets):
    """Return the mean absolute error of solutions from several starts, and its gradient."""
    y = dl.dlode45(right_hand_side, times, starts, theta)
    loss = dl.abs(y - targets).mean()
    return loss, dl.dlgradient(loss, theta)


# %%
# The training loop
# -----------------


def train(theta, times, data, *, iterations, window, batch, rate=0.005):
    """Train with Adam on random windows of the data; return the learnables and the losses."""
    rng = np.random.default_rng(1)
    average = average_sq = None
    losses = []
    for iteration in runs.steps(iterations, "iterations"):
        first = rng.integers(len(times) - window, size=batch)
        targets = data[:, first[:, None] + np.arange(1, window + 1)]
        loss, gradient = dl.dlfeval(
            model_loss, theta, times[: window + 1], dl.dlarray(data[:, first]), targets
        )
        losses.append(loss.item())
        falling = rate * np.cos(np.pi / 2 * iteration / iterations)  # to zero, to average out noise
        theta, average, average_sq = dl.adamupdate(
            theta, gradient, average, average_sq, iteration, falling
        )
    return theta, losses


# %%
# The picture
# -----------


def draw(losses, times, data, learned):
    """Draw the loss, and both trajectories in the plane and over time."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.4))
    left.semilogy(losses)
    left.set(xlabel="iteration", ylabel="mean absolute error", title="Loss")
    middle.plot(*data, "o", color="#9aa5b1", markersize=2.5, label="data")
    middle.plot(*learned, color=figures.COLORS[1], label="learned equation")
    middle.set(xlabel="$y_1$", ylabel="$y_2$", title="Trajectories")
    middle.set_ylim(top=2.6)
    middle.legend(ncols=2, loc="upper center")
    for i, color in enumerate(figures.COLORS[:2]):
        right.plot(times, data[i], color=color, linewidth=1, linestyle="--")
        right.plot(times, learned[i], color=color, label=f"$y_{i + 1}$")
    right.set(xlabel="t", title="Over time (data dashed)")
    right.legend()
    return figures.save(figure, "neural_ode")


# %%
# Run it
# ------
#
# The output and the picture below are those of ``--small``, a smaller problem. Without it, the
# script trains longer. ``pip install dlgradient[examples]`` installs what it imports.


def main(small=False):
    """Train, print the loss and the error over the whole time, and draw the trajectories."""
    figures.style()
    points = 201 if small else 601
    size = {"iterations": 40, "window": 5, "batch": 8}
    if not small:
        size = {"iterations": 800, "window": 20, "batch": 32}
    times = np.linspace(0, LENGTH, points)
    data = trajectory(spiral, times)
    theta = network(20 if small else 50, np.random.default_rng(0))
    theta, losses = train(theta, times, data, **size)
    learned = trajectory(right_hand_side, times, theta)
    before, after = np.mean(losses[:5]), np.mean(losses[-5:])
    print(f"loss: {before:.4f} in the first, {after:.4f} in the last of {len(losses)} iterations")
    print(f"mean error over the whole time: {np.abs(learned - data).mean():.4f}")
    draw(losses, times, data, learned)


if __name__ == "__main__":
    main(runs.small(__doc__))
