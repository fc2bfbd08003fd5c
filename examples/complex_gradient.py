"""A gradient in the complex plane
===============================

The gradient of Re((2+3i)x), the second example of MATLAB's `dlgradient`.

The value to differentiate is real. So the gradient is the direction of steepest ascent of a
function of two real variables, ∂/∂Re(x) + i ∂/∂Im(x). Here it is 2-3i everywhere, the conjugate of
the complex derivative 2+3i.
"""

import figures
import matplotlib.pyplot as plt
import numpy as np

import dlgradient as dl

# %%
# A real value of a complex variable
# ----------------------------------
#
# `dlgradient` differentiates a real scalar. The sum over all points gives every point its own
# gradient, since no point depends on another.


def complex_fun(x):
    """Return (2+3i)x."""
    return (2 + 3j) * x


def grad_fun(x):
    """Return the real part of `complex_fun`, and its gradient at every element of `x`."""
    y = dl.real(complex_fun(x))
    return y, dl.dlgradient(y.sum(), x)


def square(points, reach=2.0):
    """Return sample points in the complex plane between -reach(1+i) and reach(1+i)."""
    axis = np.linspace(-reach, reach, points)
    return axis + 1j * axis[:, None]


# %%
# The picture
# -----------


def draw():
    """Draw the real value as an image, and the gradient as arrows."""
    reach = 2.2  # the arrows at the border of the square fit in
    value, _ = dl.dlfeval(grad_fun, dl.dlarray(square(100, reach)))
    at = square(11)
    _, gradient = dl.dlfeval(grad_fun, dl.dlarray(at))
    arrows = dl.extractdata(gradient)

    figure, axes = plt.subplots(figsize=(6.2, 5.2))
    image = axes.imshow(
        dl.extractdata(value),
        extent=(-reach, reach, -reach, reach),
        origin="lower",
        cmap="RdBu_r",
        interpolation="bilinear",
    )
    bar = figure.colorbar(image, ax=axes, label="Re$((2+3i)x)$", shrink=0.8)
    bar.outline.set_visible(False)
    axes.quiver(
        at.real,
        at.imag,
        arrows.real,
        arrows.imag,
        color=figures.INK,
        width=0.004,
        pivot="mid",
        zorder=3,
    )
    axes.set(
        xlabel="Re $x$",
        ylabel="Im $x$",
        xticks=range(-2, 3),
        yticks=range(-2, 3),
        title="Real value and gradient: $2-3i$ everywhere",
    )
    return figures.save(figure, "complex_gradient")


# %%
# Run it
# ------


def main():
    """Print MATLAB's gradient and this one, and draw value and gradient."""
    figures.style()
    _, gradient = dl.dlfeval(grad_fun, dl.dlarray(square(100)))
    print("gradient of Re((2+3i)x)    MATLAB: 2.0000 - 3.0000i")
    print(f"                             here: {gradient[0, 0].item():.4f}")
    spread = np.ptp(dl.extractdata(gradient).view(float).reshape(-1, 2), axis=0).max()
    print(f"the same at all {gradient.size} points: largest difference {spread:g}")
    draw()


if __name__ == "__main__":
    main()
