"""The node tests of the ONNX standard for activations, all of them.

Operators whose parameters a function here does not have are compositions of it, such as an
exponential linear unit of another scale.
"""

import pytest
from onnx_nodes import check

import dlgradient as dl


def continuous_elu(a, x):
    alpha = a.get("alpha", 1.0)
    return alpha * dl.elu(x / alpha)


def clip(_, x, low=None, high=None):
    return dl.clip(x, low, high)


def gelu(a, x):
    return dl.gelu(x, approximation=a.get("approximate", b"none").decode())


def hardsigmoid(a, x):
    return dl.hardsigmoid(x, alpha=a.get("alpha", 0.2), beta=a.get("beta", 0.5))


def selu(a, x):
    return a["gamma"] * dl.elu(x, a["alpha"]) if "gamma" in a else dl.selu(x)


def shrink(a, x):
    reach, bias = a.get("lambd", 0.5), a.get("bias", 0.0)
    return dl.where(x < -reach, x + bias, dl.where(x > reach, x - bias, 0))


def swish(a, x):
    alpha = a.get("alpha", 1.0)
    return dl.swish(alpha * x) / alpha


def thresholded(a, x):
    return dl.where(x > a.get("alpha", 1.0), x, 0)


ACTIVATIONS = {
    "celu": continuous_elu,
    "clip": clip,
    "elu": lambda a, x: dl.elu(x, a.get("alpha", 1.0)),
    "gelu": gelu,
    "hardsigmoid": hardsigmoid,
    "hardswish": lambda _, x: x * dl.hardsigmoid(x, alpha=1 / 6, beta=0.5),
    "leakyrelu": lambda a, x: dl.leakyrelu(x, a.get("alpha", 0.01)),
    "mish": lambda _, x: dl.mish(x),
    "prelu": lambda _, x, slope: dl.prelu(x, slope),
    "relu": lambda _, x: dl.relu(x),
    "selu": selu,
    "shrink": shrink,
    "sigmoid": lambda _, x: dl.sigmoid(x),
    "softplus": lambda _, x: dl.softplus(x),
    "softsign": lambda _, x: dl.softsign(x),
    "swiglu": lambda a, x, gate: swish(a, x) * gate,
    "swish": swish,
    "tanh": lambda _, x: dl.tanh(x),
    "thresholdedrelu": thresholded,
}


@pytest.mark.parametrize("operator", ACTIVATIONS)
@pytest.mark.filterwarnings("ignore")  # of the modules that make the tests of other operators
def test_all_of_an_operator(operator):
    check(operator, ACTIVATIONS[operator])
