"""How many learnables a network has, without the time to draw their values and to copy them."""

from math import prod

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.reading import read
from dlgradient.ops.create import wrap_new


@pytest.fixture
def blank(monkeypatch):
    """Initial values are zeros, all in the same memory."""

    memory = np.zeros(10_000_000, np.float32)

    def zeros(initializer, shape, **options):
        del initializer, options
        return wrap_new(memory[: prod(shape)].reshape(shape))

    def same(value, where):
        del where
        return read(value) if isinstance(value, dl.dlarray) else np.asarray(value)

    monkeypatch.setattr("dlgradient.layers.layer.initialize", zeros)
    for module in ("assembly", "table"):
        monkeypatch.setattr(f"dlgradient.network.{module}.value_of", same)


def count(net, *, without=()):
    """The number of learnables; without the biases of some layers."""
    return sum(
        value.size
        for key, value in net.learnables.items()
        if not (key.endswith("/bias") and key.partition("/")[0] in without)
    )


def convolutions(net):
    """Names of the convolutions that a batch normalisation follows."""
    after = {start: end.partition("/")[0] for start, end in net.connections}
    layers = net.layers
    return [
        name
        for name, layer in layers.items()
        if "Convolution" in type(layer).__name__
        and "Normalization" in type(layers.get(after.get(name, ""))).__name__
    ]
