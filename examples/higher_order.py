"""Derivatives of any order
========================

The first four derivatives of a function, compared with the closed form.

f(x) = exp(-x/2) sin(3x) is the imaginary part of exp(cx) with c = -1/2 + 3i. So its n-th derivative
is the imaginary part of cⁿ exp(cx). Each derivative is the gradient of the previous one. The value
at a point depends only on that point, so the gradient of the sum gives the derivatives at all
points.
"""

import figures
import matplotlib.pyplot as plt
import numpy as np

import dlgradient as dl

C = -0.5 + 3j
ORDERS = 4


# %%
# The function, and its derivatives in closed form
# ------------------------------------------------


def fun(x):
    """Return exp(-x/2) sin(3x)."""
    return dl.exp(-x / 2) * dl.sin(3 * x)


def closed_form(x, order):
    """Return a derivative of `fun` from the closed form."""
    return (C**order * np.exp(C * x)).imag


# %%
# Gradients of gradients
# ----------------------
#
# With ``enable_higher_derivatives=True``, a gradient is traced like any other value.


def derivatives(x):
    """Return the value and all derivatives up to the highest order."""
    results = [fun(x)]
    for _ in range(ORDERS):
        results.append(dl.dlgradient(results[-1].sum(), x, enable_higher_derivatives=True))
    return results


# %%
# The picture
# -----------


def draw(x, results):
    """Draw a panel for each order: the gradient as a line, the closed form as points."""
    figure, panels = plt.subplots(1, len(results), figsize=(11.5, 2.7))
    names = ["$f$", "$f'$", "$f''$", "$f'''$", "$f^{(4)}$"]
    for order, (panel, name, y) in enumerate(zip(panels, names, results, strict=True)):
        panel.axhline(0, color="#d5dbe1", linewidth=0.8)
        panel.plot(x, y, color=figures.COLORS[0])
        panel.plot(
            x[::20], closed_form(x[::20], order), "o", color=figures.COLORS[1], markersize=3.5
        )
        panel.set(xlabel="x", title=name)
    figure.legend(
        handles=panels[0].lines[1:],
        labels=["dlgradient", "closed form"],
        loc="outside lower center",
        ncols=2,
    )
    return figures.save(figure, "higher_order")


# %%
# Run it
# ------


def main():
    """Print the largest error of each order, and draw the derivatives."""
    figures.style()
    x = np.linspace(0, 4, 401)
    results = [dl.extractdata(y) for y in dl.dlfeval(derivatives, dl.dlarray(x))]
    print("f(x) = exp(-x/2) sin(3x) at 401 points in [0, 4]")
    print("order   largest |f|   largest error   relative")
    for order, y in enumerate(results):
        exact = closed_form(x, order)
        size = np.abs(exact).max()
        error = np.abs(y - exact).max()
        print(f"{order:>5}   {size:>11.4f}   {error:>13.2e}   {error / size:>8.1e}")
    draw(x, results)


if __name__ == "__main__":
    main()
