"""Exact derivatives for SciPy's minimize
======================================

Rosenbrock's function in many dimensions, minimised by SciPy with exact derivatives.

`scipy.optimize.minimize` takes a function that returns value and gradient (``jac=True``). For the
Newton methods it also takes one that returns the product of the Hessian and a vector. The product
is the derivative of the gradient along that vector: forward mode over reverse mode. It needs three
passes over the trace, whatever the dimension. Without derivatives, SciPy uses finite differences.
They cost one evaluation for each dimension and lose half the digits.
"""

from time import perf_counter

import figures
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import minimize

import dlgradient as dl

# %%
# Gradient, and Hessian times a vector
# ------------------------------------


def rosenbrock(x):
    """Return the sum of 100 (x[i+1] - x[i]²)² + (1 - x[i])² over i."""
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def with_gradient(x):
    """Return value and gradient."""
    y = rosenbrock(x)
    return y, dl.dlgradient(y, x)


def times_vector(x, vector):
    """Return the product of the Hessian and a vector."""
    gradient = dl.dlgradient(rosenbrock(x), x, enable_higher_derivatives=True)
    return dl.dljvp(gradient, x, vector)


# %%
# The function as SciPy calls it
# ------------------------------
#
# SciPy's arrays go in, and NumPy arrays come out.


class Counted:
    """The function as SciPy calls it: NumPy arrays in and out, with a count of the calls.

    Attributes
    ----------
    history : list of tuple
        Number of calls so far, and the lowest value that they found.
    products : int
        Number of products with the Hessian.
    """

    def __init__(self):
        self.history = []
        self.products = 0

    def record(self, value):
        """Count one call."""
        lowest = min(value, self.history[-1][1]) if self.history else value
        self.history.append((len(self.history) + 1, lowest))

    def value(self, x):
        """Return the value alone."""
        y = rosenbrock(x)
        self.record(float(y))
        return y

    def value_and_gradient(self, x):
        """Return the value and the exact gradient."""
        y, gradient = dl.dlfeval(with_gradient, dl.dlarray(x))
        self.record(y.item())
        return y.item(), dl.extractdata(gradient)

    def hessian_times(self, x, vector):
        """Return the exact product of the Hessian and a vector."""
        self.products += 1
        return dl.extractdata(dl.dlfeval(times_vector, dl.dlarray(x), vector))


# %%
# Four ways to minimise
# ---------------------


def solve(method, start, *, exact=True):
    """Minimise from `start`; return SciPy's result and the counts."""
    counted = Counted()
    options = {"xtol": 1e-8} if method == "Newton-CG" else {"gtol": 1e-6}
    if not exact:  # the error of finite differences is too large for 1e-6
        result = minimize(counted.value, start, method=method, options={"gtol": 1e-5})
    elif method == "BFGS":
        result = minimize(
            counted.value_and_gradient, start, method=method, jac=True, options=options
        )
    else:
        result = minimize(
            counted.value_and_gradient,
            start,
            method=method,
            jac=True,
            hessp=counted.hessian_times,
            options=options,
        )
    return result, counted


RUNS = {
    "BFGS, finite differences": ("BFGS", False),
    "BFGS, exact gradient": ("BFGS", True),
    "Newton-CG, exact products": ("Newton-CG", True),
    "trust-krylov, exact products": ("trust-krylov", True),
}


def compare(n):
    """Print one line for each method in `n` dimensions; return the counts by method."""
    title = f"{n} dimensions, from the origin"
    print(f"\n{title:<30}   calls   products   seconds   distance to the minimum")
    counts = {}
    for name, (method, exact) in RUNS.items():
        begin = perf_counter()
        result, counted = solve(method, np.zeros(n), exact=exact)
        seconds = perf_counter() - begin
        distance = np.abs(result.x - 1).max()
        calls = len(counted.history)
        print(
            f"  {name:<28}   {calls:>5}   {counted.products:>8}   {seconds:>7.2f}   {distance:.1e}"
        )
        counts[name] = counted
    return counts


# %%
# The picture
# -----------


def draw(n, counts, sizes, calls):
    """Draw convergence in `n` dimensions, and function calls over the number of dimensions."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    for name, counted in counts.items():
        number, lowest = np.array(counted.history).T
        left.loglog(number, np.maximum(lowest, 1e-32), label=name)
    left.set(
        xlabel="function calls",
        ylabel="lowest value so far",
        title=f"Convergence in {n} dimensions",
    )
    left.set_ylim(bottom=1e-26)
    for name, numbers in calls.items():
        right.loglog(sizes, numbers, "o-", markersize=4, label=name)
    right.set(xlabel="dimensions", ylabel="function calls", title="Calls until SciPy stops")
    right.set_xticks(sizes, [str(size) for size in sizes])
    right.minorticks_off()
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figures.save(figure, "scipy_minimize")


# %%
# Run it
# ------


def main():
    """Minimise in several dimensions, print counts and accuracy, and draw the convergence."""
    figures.style()
    sizes = [2, 5, 10, 20, 40]
    all_counts = {n: compare(n) for n in sizes}
    calls = {name: [len(all_counts[n][name].history) for n in sizes] for name in RUNS}
    draw(20, all_counts[20], sizes, calls)


if __name__ == "__main__":
    main()
