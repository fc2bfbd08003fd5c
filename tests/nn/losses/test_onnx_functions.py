"""The node tests of the ONNX standard for activations, losses, dropout and optimizers, all of them.

Operators whose parameters a function here does not have are compositions of it, such as an
exponential linear unit of another scale.
"""

import numpy as np
import pytest
from onnx_nodes import check

import dlgradient as dl

# -- activations ---------------------------------------------------------------------------------


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

# -- losses --------------------------------------------------------------------------------------


def entropy(a, y, targets, weights=None, *, from_logits):
    """The cross-entropy of classes by index, in each of the standard's reductions."""
    reduction, ignored = a.get("reduction", b"mean").decode(), a.get("ignore_index")
    loss = dl.indexcrossentropy(
        y,
        targets,
        *([] if weights is None else [weights]),
        from_logits=from_logits,
        mask_index=ignored,
        reduction="none" if reduction == "none" else "sum",
        normalization_factor="mask-included" if reduction == "mean" and weights is None else "none",
        data_format="BC" + "S" * (y.ndim - 2),
    )
    if reduction == "mean" and weights is not None:
        # The standard divides by the weights of the targets that count.
        kept = targets if ignored is None else targets[targets != ignored]
        loss = loss / dl.sum(dl.take(weights, kept.ravel()))
    return loss


def likelihood(a, logarithms, targets, weights=None):
    return entropy(a, dl.exp(logarithms), targets, weights, from_logits=False)


def softmax_entropy(a, scores, targets, weights=None):
    loss = entropy(a, scores, targets, weights, from_logits=True)
    return loss, dl.log_softmax(scores, axis=1)


LOSSES = {
    "negativeloglikelihoodloss": likelihood,
    "softmax_cross_entropy_loss": softmax_entropy,
}

# -- dropout -------------------------------------------------------------------------------------


class StandardGenerator(np.random.Generator):
    """Draws what the standard's tests draw: double precision from the generator of old.

    The seeds of the tests alone would not do, since `dropout` draws single precision.
    """

    def __init__(self, seed):
        super().__init__(np.random.PCG64(0))
        self._old = np.random.RandomState(seed)

    def random(self, size=None, dtype=np.float64, out=None):
        del dtype, out
        return self._old.uniform(0, 1, size)


def dropout(a, x, ratio=0.5, training=False):
    probability = float(ratio) if training else 0.0

    def dropped(x):
        generator = StandardGenerator(a.get("seed", 0))
        return dl.dropout(x, probability=probability, generator=generator)

    return dropped(x), dropped(np.ones_like(x)) != 0


# -- optimizers ----------------------------------------------------------------------------------


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

ADAPTERS = {**ACTIVATIONS, **LOSSES, "dropout": dropout, **OPTIMIZERS}


@pytest.mark.parametrize("operator", ADAPTERS)
@pytest.mark.filterwarnings("ignore")  # of the modules that make the tests of other operators
def test_all_of_an_operator(operator):
    check(operator, ADAPTERS[operator])
