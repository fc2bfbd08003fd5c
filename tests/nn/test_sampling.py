"""Sampling at a grid: numbers of torch 2 in float64, any order of dimensions, far places."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dlgradient as dl
from dlgradient.nn.sampling import grid_sample
from dlgradient.testing import check_derivatives

X = np.arange(12.0).reshape(3, 4) ** 2
GRID = np.array([[[-0.3, 0.4], [0.9, -1.1]], [[1.4, 0.2], [0.15, 0.85]]])

# torch.nn.functional.grid_sample, and the gradient of the sum with respect to the grid.
TORCH = {
    ("zeros", False): (
        [57.22, 2.205, 0, 69.745],
        [27.6, 82.8, -6.3, 9.45, 0, 0, 27.55, -144.3],
    ),
    ("zeros", True): (
        [48.11, 7.425, 25.36, 85.505],
        [21.3, 56.4, 6.75, 8.25, -95.1, 28.8, 26.7, 61.8],
    ),
    ("border", False): ([57.22, 9, 70.6, 96.2], [27.6, 82.8, 0, 0, 0, 108, 38, 0]),
    ("border", True): ([48.11, 8.25, 63.4, 85.505], [21.3, 56.4, 7.5, 0, 0, 72, 26.7, 61.8]),
}


@pytest.mark.parametrize("mode", TORCH, ids=str)
def test_numbers_of_torch(mode):
    padding, corners = mode

    def run(grid):
        y = grid_sample(X, grid, padding=padding, align_corners=corners, data_format="SS")
        return y, dl.dlgradient(y.sum(), grid)

    y, slope = dl.dlfeval(run, dl.dlarray(GRID))
    values, slopes = TORCH[mode]
    assert_allclose(np.asarray(y).reshape(-1), values, atol=1e-9)
    assert_allclose(np.asarray(slope).reshape(-1), slopes, atol=1e-9)


def test_any_order_of_dimensions():
    rng = np.random.default_rng(2)
    x, grid = rng.normal(size=(3, 4, 2, 5)), rng.uniform(-1, 1, size=(5, 2, 3, 2))
    y = grid_sample(dl.dlarray(x, "SSCB"), grid)
    assert dl.dims(y) == "SSCB"
    assert y.shape == (2, 3, 2, 5)
    one = grid_sample(x[:, :, 1, 4], grid[4], data_format="SS")
    assert_allclose(np.asarray(y)[:, :, 1, 4], np.asarray(one))
    turned = grid_sample(x.transpose(3, 0, 2, 1), grid, data_format="BSCS")
    assert_allclose(np.asarray(turned), np.asarray(y).transpose(3, 0, 2, 1))


def test_far_places_and_single_precision():
    far = np.array([[[1e30, 0.0], [np.nan, 0.0]]])
    y = grid_sample(X, far, data_format="SS")
    assert np.asarray(y)[0, 0] == 0
    assert np.isnan(np.asarray(y)[0, 1])
    single = grid_sample(X.astype(np.float32), GRID.astype(np.float32), data_format="SS")
    assert single.dtype == np.float32


def test_derivatives_of_second_order():
    check_derivatives(lambda x, grid: grid_sample(x, grid, data_format="SS"), X / 10, GRID)
