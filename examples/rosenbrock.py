"""Rosenbrock's function
=====================

Value and gradient of the first example of MATLAB's `dlgradient`.

It evaluates the function of one vector and the function of two scalars at (-1, 2). Then it draws
the gradient on a 10x10 grid in the unit square, computed point by point as in MATLAB's example.
"""

import figures
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

import dlgradient as dl

# %%
# Value and gradient
# ------------------
#
# `dlgradient` is called inside the function that `dlfeval` evaluates. The variable may be one
# vector, or several scalars.


def rosenbrock(x):
    """Return value and gradient; one variable, a vector."""
    y = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    return y, dl.dlgradient(y, x)


def rosenbrock2(x1, x2):
    """Return value and gradient; two scalar variables."""
    y = 100 * (x2 - x1**2) ** 2 + (1 - x1) ** 2
    return y, *dl.dlgradient(y, x1, x2)


# %%
# Points of a grid
# ----------------
#
# MATLAB's example evaluates the function point by point, and so does this one. An assignment to an
# element of a dlarray works as in NumPy.


def gradients_on_grid(points):
    """Evaluate `rosenbrock2` in a loop over the points of a grid in the unit square."""
    grid1, grid2 = np.meshgrid(np.linspace(0, 1, points), np.linspace(0, 1, points))
    x1 = dl.dlarray(grid1.ravel())
    x2 = dl.dlarray(grid2.ravel())
    y = dl.dlarray(np.zeros(x1.shape))
    dydx1 = dl.dlarray(y)  # "dydx1 = y" would be a second name of one array
    dydx2 = dl.dlarray(y)
    for i in range(len(x1)):
        y[i], dydx1[i], dydx2[i] = dl.dlfeval(rosenbrock2, x1[i], x2[i])
    return [dl.extractdata(a) for a in (x1, x2, y, dydx1, dydx2)]


# %%
# The picture
# -----------


def draw(points=10):
    """Draw the gradients as arrows over the contours of the function."""
    x1, x2, _, dydx1, dydx2 = gradients_on_grid(points)
    # Wide enough for the longest arrows.
    fine1, fine2 = np.linspace(-0.1, 1.3, 330), np.linspace(-0.2, 1.2, 330)
    z = 100 * (fine2[:, None] - fine1**2) ** 2 + (1 - fine1) ** 2

    figure, axes = plt.subplots(figsize=(6.4, 5.2))
    levels = np.geomspace(0.02, 300, 26)
    filled = axes.contourf(
        fine1, fine2, z, levels, cmap="YlGnBu_r", norm=LogNorm(levels[0], levels[-1]), extend="both"
    )
    figure.colorbar(filled, ax=axes, label="$f(x_1, x_2)$", ticks=[0.1, 1, 10, 100], format="%g")
    axes.plot(fine1, fine1**2, color="white", linestyle="--", label="valley, $x_2 = x_1^2$")
    axes.plot(
        1,
        1,
        "o",
        color="white",
        markeredgecolor=figures.INK,
        markersize=7,
        label="minimum",
        zorder=4,
    )
    axes.quiver(x1, x2, dydx1, dydx2, color=figures.INK, width=0.004, zorder=3)
    axes.set(
        xlabel="$x_1$",
        ylabel="$x_2$",
        xlim=(fine1[0], fine1[-1]),
        ylim=(fine2[0], fine2[-1]),
        aspect="equal",
        title="Rosenbrock's function and its gradient",
    )
    axes.legend(loc="lower left", frameon=True, facecolor="#7fb3cf", edgecolor="none")
    return figures.save(figure, "rosenbrock")


# %%
# Run it
# ------
#
# It prints MATLAB's numbers next to those found here.


def main():
    """Print MATLAB's numbers and these, and draw the gradients."""
    figures.style()
    value, gradient = dl.dlfeval(rosenbrock, dl.dlarray([-1.0, 2.0]))
    print("rosenbrock([-1, 2])     MATLAB: 104, [396 200]")
    print(f"                          here: {value.item():g}, {dl.extractdata(gradient)}")

    value, dydx1, dydx2 = dl.dlfeval(rosenbrock2, dl.dlarray(-1.0), dl.dlarray(2.0))
    print("rosenbrock2(-1, 2)      MATLAB: 104, 396, 200")
    print(f"                          here: {value.item():g}, {dydx1.item():g}, {dydx2.item():g}")
    print(gradient)
    draw()


if __name__ == "__main__":
    main()
