"""Normalisation of inputs, and its inverse."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers

STATISTICS = {"mean": [1.0, 2], "standard_deviation": [2.0, 0.5], "min": [-1.0, 0], "max": 4.0}


@pytest.mark.parametrize(
    "normalization", ["none", "zerocenter", "zscore", "rescale-symmetric", "rescale-zero-one"]
)
def test_the_inverse_of_a_normalisation(normalization, rng):
    x = dl.dlarray(rng.normal(size=(5, 2)), "BC")
    there = layers.FeatureInput(2, normalization=normalization, **STATISTICS)
    back = layers.InverseNormalization(normalization, **STATISTICS)
    y = there.predict(x)
    assert (normalization == "none") == np.array_equal(x, y)
    np.testing.assert_allclose(back.predict(y), x, rtol=1e-12, atol=1e-12)


def test_statistics_that_are_missing():
    with pytest.raises(
        dl.InvalidArgumentError, match=r"needs mean, which trainnet.*; give mean= to the layer"
    ):
        layers.InverseNormalization().predict(dl.dlarray([[1.0]], "BC"))
