"""The node tests of the ONNX standard for dropout, all of them."""

import numpy as np
import pytest
from onnx_nodes import check

import dlgradient as dl


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


@pytest.mark.filterwarnings("ignore")  # of the modules that make the tests of other operators
def test_dropout():
    check("dropout", dropout)
