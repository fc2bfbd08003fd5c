"""Rosenbrock's function and its gradient: the first example of MATLAB's `dlgradient`.

It evaluates the function of one vector and the function of two scalars at (-1, 2). Then it draws
the gradient on a 10x10 grid in the unit square, computed point by point as in MATLAB's example.
"""

import figures
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm

import dlgradient as dl


def rosenbrock(x):
    """Return value and gradient; one variable, a vector."""
    y = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2
    return y, dl.dlgradient(y, x)


def rosenbrock2(x1, x2):
    """Return value and gradient; two scalar variables."""
    y = 100 * (x2 - x1**2) ** 2 + (1 - x1) ** 2
    return y, *dl.dlgradient(y, x1, x2)


def gradients_on_grid(points):
    """Evaluate `rosenbrock2` in a loop over the points of a grid in the unit square."""
    grid1, grid2 = np.meshgrid(np.linspace(0, 1, points), np.linspace(0, 1, points))
    x1 = dl.dlarray(grid1.ravel())
    x2 = dl.dlarray(grid2.ravel())
    y = dl.dlarray(np.zeros(x1.shape))
    dydx1 = dl.dlarray(y)
    dydx2 = dl.dlarray(y)
    for i in range(len(x1)):
        y[i], dydx1[i], dydx2[i] = dl.dlfeval(rosenbrock2, x1[i], x2[i])
    return [dl.extractdata(a) for a in (x1, x2, y, dydx1, dydx2)]


def draw(points=10):
    """Draw the gradients as arrows over the contours of the function."""
    x1, x2, _, dydx1, dydx2 = gradients_on_grid(points)
    fine = np.linspace(-0.08, 1.2, 300)
    z = 100 * (fine[:, None] - fine**2) ** 2 + (1 - fine) ** 2

    figure, axes = plt.subplots(figsize=(6.2, 5.2))
    levels = np.geomspace(0.02, 220, 26)
    norm = LogNorm(levels[0], levels[-1])
    axes.contourf(fine, fine, z, levels, cmap="YlGnBu_r", norm=norm, alpha=0.75, extend="both")
    axes.plot(fine, fine**2, color="white", linewidth=1, linestyle="--")
    axes.plot(1, 1, "o", color="white", markeredgecolor=figures.INK, markersize=7, zorder=4)
    axes.quiver(x1, x2, dydx1, dydx2, color=figures.INK, width=0.004, zorder=3)
    axes.set(
        xlabel="$x_1$",
        ylabel="$x_2$",
        xlim=(fine[0], fine[-1]),
        ylim=(fine[0], fine[-1]),
        aspect="equal",
        title="Rosenbrock's function and its gradient",
    )
    return figures.save(figure, "rosenbrock")


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
