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


@pytest.mark.parametrize("shape", [(3,), (1, 1, 3), (3, 1, 1)])
def test_statistics_of_channels_may_have_dimensions_of_one(rng, shape):
    mean = rng.normal(size=3)
    x = rng.normal(size=(2, 4, 5, 3))
    layer = dl.layers.ImageInput((4, 5, 3), normalization="zerocenter", mean=mean.reshape(shape))
    y = dl.dlnetwork([layer]).predict(dl.dlarray(x, "BSSC"))
    np.testing.assert_allclose(y, x - mean, rtol=1e-6)


def test_a_mean_of_each_pixel_is_refused(rng):
    layer = dl.layers.ImageInput((4, 5, 3), normalization="zerocenter", mean=rng.random((4, 5, 3)))
    with pytest.raises(dl.ShapeMismatchError, match=r"mean has shape \(4, 5, 3\).*x.mean\(axis="):
        dl.dlnetwork([layer])
