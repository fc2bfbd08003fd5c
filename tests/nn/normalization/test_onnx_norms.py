"""The node tests of the ONNX standard for normalisation and softmax, all of them.

The standard gives the dimensions of an operation by an axis: from there on for the normalisation of
layers. Here it is said by labels.
"""

import pytest
from onnx_nodes import check

import dlgradient as dl


def images(x):
    """Labels of the standard's order: observations, channels, and all others spatial."""
    return "BC" + "S" * (x.ndim - 2)


def epsilon(a):
    return a.get("epsilon", 1e-5)


def batch(a, x, scale, bias, mean, variance):
    decay = 1 - a.get("momentum", 0.9)
    return dl.batchnorm(
        dl.dlarray(x, images(x)),
        bias,
        scale,
        mean,
        variance,
        training=bool(a.get("training_mode", 0)),
        epsilon=epsilon(a),
        mean_decay=decay,
        variance_decay=decay,
    )


def instance(a, x, scale, bias):
    return dl.instancenorm(x, bias, scale, epsilon=epsilon(a), data_format=images(x))


def group(a, x, scale, bias):
    groups = a["num_groups"]
    return dl.groupnorm(x, groups, bias, scale, epsilon=epsilon(a), data_format=images(x))


def observations(a, x):
    """Labels with which "spatial-channel" is every dimension from the axis on, and how many."""
    normalized = x.ndim - a.get("axis", -1) % x.ndim
    inner = "S" * (normalized - 1) + "C"
    return "U" * (x.ndim - normalized) + inner, inner


def layer(a, x, scale, bias):
    labels, inner = observations(a, x)
    y = dl.layernorm(
        dl.dlarray(x, labels),
        dl.dlarray(bias, inner),
        dl.dlarray(scale, inner),
        epsilon=epsilon(a),
        operation_dimension="spatial-channel",
    )
    axes = tuple(range(-len(inner), 0))
    mean, variance = (f(x, axes, keepdims=True) for f in (dl.mean, dl.var))
    return y, mean, 1 / dl.sqrt(variance + epsilon(a))


def root_mean_square(a, x, scale):
    labels, inner = observations(a, x)
    return dl.rmsnorm(
        dl.dlarray(x, labels),
        dl.dlarray(scale, inner),
        epsilon=epsilon(a),
        operation_dimension="spatial-channel",
    )


def unit_norm(a, x):
    p, axis = a.get("p", 2), a.get("axis", -1)
    norm = dl.sum(dl.abs(x) ** p, axis, keepdims=True) ** (1 / p)
    return x / dl.where(norm == 0, 1, norm)  # of zeros the standard makes zeros


def cross_channel(a, x):
    return dl.crosschannelnorm(
        x,
        a["size"],
        alpha=a.get("alpha", 1e-4),
        beta=a.get("beta", 0.75),
        k=a.get("bias", 1.0),
        data_format=images(x),
    )


def mean_variance(a, x):
    assert "axes" not in a  # its default, all but the channels
    return dl.batchnorm(x, 0.0, 1.0, epsilon=0, data_format=images(x))[0]


def hardmax(a, x):
    axis = a.get("axis", -1)
    first = dl.argmax(x, axis)
    return dl.onehotencode(first, axis, class_names=range(x.shape[axis]), dtype=x.dtype)


ADAPTERS = {
    "batch_normalization": batch,
    "groupnormalization": group,
    "hardmax": hardmax,
    "instance_normalization": instance,
    "layernormalization": layer,
    "logsoftmax": lambda a, x: dl.log_softmax(x, axis=a.get("axis", -1)),
    "lpnormalization": unit_norm,
    "lrn": cross_channel,
    "meanvariancenormalization": mean_variance,
    "rmsnormalization": root_mean_square,
    "softmax": lambda a, x: dl.softmax(x, axis=a.get("axis", -1)),
}


@pytest.mark.parametrize("operator", ADAPTERS)
@pytest.mark.filterwarnings("ignore")  # of the modules that make the tests of other operators
def test_all_of_an_operator(operator):
    check(operator, ADAPTERS[operator])
