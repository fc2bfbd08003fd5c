"""The node tests of the ONNX standard for optimizers, all of them."""

import numpy as np
import pytest
from onnx_nodes import check

import dlgradient as dl


def trained(update):
    """Apply an update to every parameter, whose arrays the standard puts side by side."""

    def adapter(a, rate, count, *arrays):
        width = 4 if update is adam else 3
        parts = [arrays[i :: len(arrays) // width] for i in range(len(arrays) // width)]
        results = [update(a, float(rate), int(count), *part) for part in parts]
        return tuple(y for group in zip(*results, strict=True) for y in group)

    return adapter


def regularized(a, x, gradient):
    return gradient + np.float32(a.get("norm_coefficient", 0)) * x


def adam(a, rate, count, x, gradient, average, squares):
    beta = a["beta"]
    # The standard corrects no bias in step zero, as if it were infinitely late.
    step = count or 10**6
    return dl.adamupdate(
        x,
        regularized(a, x, gradient),
        average,
        squares,
        step,
        rate,
        a["alpha"],
        beta,
        a["epsilon"] / np.sqrt(1 - beta**step),
    )


def momentum(a, rate, count, x, gradient, velocity):
    gradient = regularized(a, x, gradient)
    scaled = gradient * np.float32(a["beta"]) if count else gradient
    # The standard's velocity is before it is multiplied by the learning rate, and points uphill.
    y, speed = dl.sgdmupdate(x, scaled, -rate * velocity, rate, a["alpha"])
    if a["mode"] == b"nesterov":
        y, _ = dl.sgdmupdate(x, gradient, speed, rate, a["alpha"])
    return y, speed / -rate


OPTIMIZERS = {"adam": trained(adam), "momentum": trained(momentum)}


@pytest.mark.parametrize("operator", OPTIMIZERS)
@pytest.mark.filterwarnings("ignore")  # of the modules that make the tests of other operators
def test_all_of_an_operator(operator):
    check(operator, OPTIMIZERS[operator])
