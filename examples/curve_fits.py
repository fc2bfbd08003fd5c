"""Levenberg-Marquardt and L-BFGS
==============================

A curve with seven parameters is fitted by the solvers that see all data at once.

The data are those of Thurber: the mobility of electrons in a semiconductor over the logarithm of
their density, with a ratio of cubic polynomials. It is a problem of high difficulty in the
collection of the NIST, which certifies its parameters to eleven digits. SciPy fits the same curve
for comparison.
"""

from time import perf_counter

import figures
import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import least_squares, minimize

import dlgradient as dl
from dlgradient import layers

# %%
# The data
# --------
#
# From the Statistical Reference Datasets of the NIST, which are in the public domain.

DATA = """
-3.067 80.574   -2.981 84.248   -2.921 87.264   -2.912 87.195   -2.840 89.076
-2.797 89.608   -2.702 89.868   -2.699 90.101   -2.633 92.405   -2.481 95.854
-2.363 100.696   -2.322 101.060   -1.501 401.672   -1.460 390.724   -1.274 567.534
-1.212 635.316   -1.100 733.054   -1.046 759.087   -0.915 894.206   -0.714 990.785
-0.566 1090.109   -0.545 1080.914   -0.400 1122.643   -0.309 1178.351   -0.109 1260.531
-0.103 1273.514   0.010 1288.339   0.119 1327.543   0.377 1353.863   0.790 1414.509
0.963 1425.208   1.006 1421.384   1.115 1442.962   1.572 1464.350   1.841 1468.705
2.047 1447.894   2.200 1457.628
"""
DENSITY, MOBILITY = np.array(DATA.split(), float).reshape(-1, 2).T
CERTIFIED = np.array(
    [
        1288.1396800,
        1491.0792535,
        583.23836877,
        75.416644291,
        0.96629502864,
        0.39797285797,
        0.049727297349,
    ]
)
SUM_OF_SQUARES = 5642.7082397
START = np.array([1000.0, 1000.0, 400.0, 40.0, 0.7, 0.3, 0.03])

# %%
# The curve
# ---------
#
# The same function serves the layer and SciPy. Parameters differ by five orders of magnitude, so
# all are learnt in units of where they start: L-BFGS begins with steps of one size. Its first step
# is a small part of the gradient, which is large here: that is the initial inverse Hessian.


def curve(factors, x):
    """Return the ratio of two polynomials."""
    b = factors * START
    upper = b[0] + x * (b[1] + x * (b[2] + x * b[3]))
    return upper / (1 + x * (b[4] + x * (b[5] + x * b[6])))


class Curve(layers.Layer):
    """The curve as a layer, with its parameters as learnables."""

    learnables = ("factors",)

    def initialize(self, _x):
        """Begin where the NIST says."""
        self.factors = np.ones(7)

    def predict(self, x):
        """Return the mobility of each density."""
        return curve(self.factors, x)


def fit(solver, **options):
    """Return the parameters that a solver of `trainnet` finds, and its history."""
    chosen = dl.training_options(
        solver,
        max_iterations=5000,
        gradient_tolerance=1e-12,
        step_tolerance=1e-12,
        l2_regularization=0,
        verbose=False,
        **options,
    )
    data = DENSITY[:, None], MOBILITY[:, None]
    net = [layers.FeatureInput(1), Curve(name="curve")]
    net, info = dl.trainnet(*data, net, "mse", chosen)
    return dl.extractdata(net.learnables["curve/factors"]), info


# %%
# SciPy
# -----


def residuals(factors):
    """Return what the curve leaves of the data."""
    return curve(factors, DENSITY) - MOBILITY


def loss_and_gradient(factors):
    """Return half the sum of squares, and its gradient."""
    y = (residuals(factors) ** 2).sum() / 2
    return y, dl.dlgradient(y, factors)


def with_scipy(method):
    """Return the parameters that SciPy finds."""
    one = np.ones(7)
    if method == "lm":
        return least_squares(residuals, one, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    options = {"maxiter": 5000, "maxfun": 20000, "ftol": 1e-16, "gtol": 1e-9}
    return minimize(
        lambda p: dl.dlfeval(loss_and_gradient, dl.dlarray(p)),
        one,
        jac=True,
        method="L-BFGS-B",
        options=options,
    ).x


def digits(factors):
    """Return to how many digits all parameters are those certified."""
    error = np.max(np.abs(factors * START - CERTIFIED) / CERTIFIED)
    return -np.log10(max(error, 1e-16))


# %%
# The picture
# -----------


def draw(factors, histories):
    """Draw the curve, and how the losses fall."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    x = np.linspace(-3.2, 2.3, 300)
    left.plot(x, curve(factors, x), color=figures.COLORS[0], label="curve")
    left.plot(DENSITY, MOBILITY, "o", markersize=4, color=figures.INK, label="data")
    left.set(xlabel="logarithm of the density", ylabel="mobility", title="The fit")
    left.legend()
    for name, history in histories.items():
        right.loglog(history["iteration"], history["loss"], label=name)
    right.axhline(SUM_OF_SQUARES / 74, color="#9aa5b1", linewidth=0.8, label="certified")
    right.set(xlabel="iteration", ylabel="half mean square", title="Loss")
    right.legend()
    return figures.save(figure, "curve_fits")


# %%
# Run it
# ------


def main():
    """Fit with both solvers and with SciPy, and print how many digits are right."""
    figures.style()
    histories = {}
    for solver, name, options in (
        ("lm", "Levenberg-Marquardt", {}),
        ("lbfgs", "L-BFGS", {"initial_inverse_hessian_factor": 1e-6}),
    ):
        begun = perf_counter()
        factors, info = fit(solver, **options)
        seconds = perf_counter() - begun
        histories[name] = info.training_history
        squares = (residuals(factors) ** 2).sum()
        print(
            f"{name}: sum of squares {squares:.7f}, {digits(factors):.1f} digits of the "
            f"parameters, {len(info.training_history['loss'])} iterations, {seconds:.1f} s "
            f"({info.stop_reason})"
        )
        print(f"  SciPy's: {digits(with_scipy(solver)):.1f} digits")
    draw(factors, histories)


if __name__ == "__main__":
    main()
