"""Layers that crop, permute, reshape and scale: their values, and sizes that do not fit."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers


def test_crops(rng):
    x = rng.normal(size=(6, 5, 2, 3))
    ref = dl.dlarray(np.ones((3, 2, 4, 2)), "BCSS")
    given = dl.dlarray(x, "SSCB")
    assert np.array_equal(layers.Crop2d().predict(given, ref), x[1:5, 1:3])
    assert np.array_equal(layers.Crop2d((2, 3)).predict(given, ref), x[2:6, 3:5])
    volume = rng.normal(size=(4, 4, 4, 1, 1))
    small = dl.dlarray(np.ones((2, 3, 1, 1, 1)), "SSSCB")
    y = layers.Crop3d((0, 1, 3)).predict(dl.dlarray(volume, "SSSCB"), small)
    assert np.array_equal(y, volume[0:2, 1:4, 3:4])


@pytest.mark.parametrize("fmt", ["BCSS", "SSCB", "CBSS", "CB", "TCB"])
def test_reshape_is_undone_by_flatten(fmt, rng):
    x = dl.dlarray(rng.normal(size=(2, 3, 2, 2)[: len(fmt)]), fmt)
    flat = layers.Flatten().predict(x)
    size = flat.shape[dl.finddim(flat, "C")[0]]
    y = layers.Reshape((1, 1, size)).predict(x)
    assert dl.dims(y).count("S") == 2
    assert np.array_equal(layers.Flatten().predict(y), flat)
    assert np.array_equal(layers.Reshape(size).predict(x), flat)


def test_reshape_counts_rows():
    x = dl.dlarray(np.arange(12.0).reshape(2, 6), "BC")
    y = layers.Reshape((3, 2)).predict(x)
    assert (y.tolist()[0], dl.dims(y)) == ([[0, 1], [2, 3], [4, 5]], "BSC")


def test_permute_scale_and_products(rng):
    x = rng.normal(size=(2, 3, 4))
    y = layers.Permute((2, 0, 1)).predict(dl.dlarray(x, "SCB"))
    assert np.array_equal(y, np.transpose(x, (2, 0, 1)))
    z = layers.Scaling([1.0, 2.0, 3.0], 0.5).predict(dl.dlarray(x, "SCB"))
    np.testing.assert_allclose(z, x * np.array([[1], [2], [3]]) + 0.5, rtol=1e-15)
    single = layers.Scaling([1.0, 2.0, 3.0]).predict(dl.dlarray(x.astype(np.float32), "SCB"))
    assert single.dtype == np.float32
    squares = layers.Quadratic().predict(dl.dlarray([[2.0], [3.0], [5.0]], "CB"))
    assert squares.tolist() == [[4], [6], [9], [10], [15], [25]]


def test_complex_channels_and_back(rng):
    x = dl.dlarray(rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4)), "CB")
    parts = layers.ComplexToReal().predict(x)
    assert (parts.shape, parts.dtype) == ((6, 4), np.float64)
    assert np.array_equal(layers.RealToComplex().predict(parts), x)


ONE = dl.dlarray(np.ones((2, 3, 4)), "SCB")
WRONG = {
    r"3 elements from 1 on are not in dimension 0, as 'ref'": lambda: layers.Crop2d((1, 0)).predict(
        dl.dlarray(np.ones((3, 3, 1, 1)), "SSCB"), dl.dlarray(np.ones((3, 2, 1, 1)), "SSCB")
    ),
    "Crop2d crops 2 dimensions 'S'; the inputs have": lambda: layers.Crop2d().predict(ONE, ONE),
    "location must be 'center' or 2 integers": lambda: layers.Crop2d((1, 2, 3)),
    "order must have each of 0, ..., 2 once": lambda: layers.Permute((0, 0, 2)),
    "the input has 3 dimensions, 'SCB'; order has 2": lambda: layers.Permute((1, 0)).predict(ONE),
    r"6 spatial elements and channels.*output_size \(4,\) has 4": lambda: layers.Reshape(4).predict(
        ONE
    ),
    "3 channels, which two do not divide": lambda: layers.RealToComplex().predict(ONE),
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_calls(text):
    with pytest.raises(dl.DlgradientError, match=text):
        WRONG[text]()
