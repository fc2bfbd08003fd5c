"""Sampling at a grid: numbers of torch 2 in float64, any order of dimensions, what is outside."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dlgradient as dl
from dlgradient.nn.images.sample import grid_sample
from dlgradient.testing import check_derivatives

X = np.arange(12.0).reshape(3, 4) ** 2
GRID = np.array([[[-0.3, 0.4], [0.9, -1.1]], [[1.4, 0.2], [0.15, 0.85]]])

VOLUME = np.sin(np.arange(24.0)).reshape(2, 3, 4)
POINTS = np.array([[[[-0.3, 0.45, 0.2], [1.3, -1.25, 0.6], [0.75, 0.1, -2.1]]]])

# torch.nn.functional.grid_sample, and the gradient of the sum with respect to the grid.
LINEAR = {
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
    ("reflection", False): ([57.22, 9, 65.98, 96.2], [27.6, 82.8, 0, 0, -30.8, 104.4, 38, 0]),
    ("reflection", True): (
        [48.11, 12.13, 54.64, 85.505],
        [21.3, 56.4, 8.7, -38.8, -21.9, 67.2, 26.7, 61.8],
    ),
}
CUBIC = {
    ("zeros", False): (
        [67.646131, 0.569003, -8.733481, 77.764861],
        [32.74314, 94.259576, -1.169746, 0.406124, -8.317601, -17.98081, 32.085002, -140.715124],
    ),
    ("zeros", True): (
        [56.241602, 5.814534, 27.674368, 93.810486],
        [31.09338, 80.33079, 2.133844, 28.093247, -119.55744, 42.26652, 27.66078, 19.870885],
    ),
    ("border", False): (
        [58.812622, 7.109828, 73.498, 101.771164],
        [41.18148, 83.10969, 0.474836, -15.292423, 0, 118.17, 42.329254, 8.851815],
    ),
    ("border", True): (
        [50.317091, 6.029679, 66.604672, 86.200642],
        [28.45359, 60.58242, 5.715636, 18.471561, -5.46336, 81.58848, 25.489275, 52.697663],
    ),
    ("reflection", False): (
        [58.812622, 2.747513, 69.66908, 104.32133],
        [41.18148, 83.10969, 2.181, -13.92525, -27.33639, 115.062232, 43.00035, 31.3956],
    ),
    ("reflection", True): (
        [54.390203, 9.171281, 60.385024, 91.194653],
        [29.62647, 74.15946, 3.717428, -7.246897, -29.31552, 91.02336, 26.368941, 31.154868],
    ),
}
NEAREST = {
    ("zeros", False): ([81, 0, 0, 100], [0, 0, 0, 0, 0, 0, 0, 0]),
    ("zeros", True): ([25, 9, 0, 100], [0, 0, 0, 0, 0, 0, 0, 0]),
    ("border", False): ([81, 9, 49, 100], [0, 0, 0, 0, 0, 0, 0, 0]),
    ("border", True): ([25, 9, 49, 100], [0, 0, 0, 0, 0, 0, 0, 0]),
    ("reflection", False): ([81, 9, 49, 100], [0, 0, 0, 0, 0, 0, 0, 0]),
    ("reflection", True): ([25, 9, 36, 100], [0, 0, 0, 0, 0, 0, 0, 0]),
}
VOLUMES = {
    ("zeros", False): ([0.199147, 0, 0], [-0.651729, 2.459099, 0.267264, 0, 0, 0, 0, 0, 0]),
    ("zeros", True): (
        [-0.237219, 0.226237, 0.086558],
        [
            -0.272197,
            1.562858,
            0.089635,
            -0.617011,
            0.30165,
            0.105016,
            0.538086,
            -0.510677,
            0.096176,
        ],
    ),
    ("border", False): (
        [0.199147, 0.650288, 0.40844],
        [-0.651729, 2.459099, 0.267264, 0, 0, 0, 0, -2.485465, 0],
    ),
    ("border", True): (
        [-0.237219, 0.548454, 0.192352],
        [-0.272197, 1.562858, 0.089635, 0, 0, 0.254584, 1.195747, -1.134838, 0],
    ),
    ("reflection", False): (
        [0.199147, 0.68432, 0.163654],
        [-0.651729, 2.459099, 0.267264, 0.680639, 0, 0, 0, -1.890674, 0.407978],
    ),
    ("reflection", True): (
        [-0.237219, 0.515757, -0.035747],
        [-0.272197, 1.562858, 0.089635, 0.138638, 0.897394, 0.057347, 1.137895, -0.70002, 0.207363],
    ),
}
TORCH = [
    *[("linear", X, GRID, mode, found) for mode, found in LINEAR.items()],
    *[("cubic", X, GRID, mode, found) for mode, found in CUBIC.items()],
    *[("nearest", X, GRID, mode, found) for mode, found in NEAREST.items()],
    *[("linear", VOLUME, POINTS, mode, found) for mode, found in VOLUMES.items()],
]


@pytest.mark.parametrize(
    ("method", "x", "places", "mode", "expected"), TORCH, ids=lambda v: str(v)[:20]
)
def test_numbers_of_torch(method, x, places, mode, expected):
    padding, corners = mode
    options = {"method": method, "padding": padding, "align_corners": corners}

    def run(grid):
        y = grid_sample(x, grid, **options, data_format="S" * x.ndim)
        return y, dl.dlgradient(y.sum(), grid)

    y, slope = dl.dlfeval(run, dl.dlarray(places))
    values, slopes = expected
    assert_allclose(np.asarray(y).reshape(-1), values, atol=1e-6)
    assert_allclose(np.asarray(slope).reshape(-1), slopes, atol=1e-6)


def test_any_order_of_dimensions(rng):
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
    nearest = grid_sample(X, far, method="nearest", data_format="SS")
    assert np.asarray(nearest)[0, 0] == 0
    assert np.isnan(np.asarray(nearest)[0, 1])
    single = grid_sample(X.astype(np.float32), GRID.astype(np.float32), data_format="SS")
    assert single.dtype == np.float32


@pytest.mark.parametrize("method", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("sizes", [(3, 4), (1, 4), (2, 1)])
def test_infinite_places(method, corners, sizes):
    x = X[: sizes[0], : sizes[1]] + 1
    far = np.array([[[np.inf, 0.0], [-np.inf, 0.0], [0.1, np.inf], [np.nan, 0.0], [0.1, 0.2]]])

    def run(x, grid, padding):
        y = grid_sample(
            x, grid, method=method, align_corners=corners, padding=padding, data_format="SS"
        )
        return y, dl.dlgradient(y[:, :3].sum() + y[:, 4].sum(), [x, grid])

    for padding in ("zeros", "border"):
        y, (gx, slopes) = dl.dlfeval(run, dl.dlarray(x), dl.dlarray(far), padding)
        finite = dl.dlfeval(run, dl.dlarray(x), dl.dlarray(np.clip(far, -50, 50)), padding)
        np.testing.assert_array_equal(np.asarray(y), np.asarray(finite[0]))
        np.testing.assert_array_equal(np.asarray(gx), np.asarray(finite[1][0]))
        assert np.isnan(np.asarray(y)).tolist() == [[False, False, False, True, False]]
        assert np.isfinite(np.asarray(slopes)[:, [0, 1, 2, 4]]).all()
        assert not np.asarray(slopes)[0, [0, 1], 0].any()
        if padding == "zeros" and not (corners and 1 in sizes):
            assert np.asarray(y)[0, :3].tolist() == [0, 0, 0]


def test_an_element_of_weight_zero_is_not_read():
    x = np.array([1.0, 2.0, np.inf, 4.0])
    for method in ("linear", "nearest", "cubic"):
        y = grid_sample(
            x,
            np.array([[-1.0], [-1 / 3], [1.0]]),
            align_corners=True,
            method=method,
            padding="border",
            data_format="S",
        )
        assert_allclose(np.asarray(y), [1, 2, 4], rtol=1e-12)


def test_what_lies_outside_is_not_read():
    y = grid_sample(np.array([np.inf, np.nan]), np.array([[-3.0], [3.0]]), data_format="S")
    assert y.tolist() == [0, 0]


def test_one_element_reflects_into_itself():
    for method in ("nearest", "linear"):
        for corners in (False, True):
            y = grid_sample(
                np.array([5.0]),
                np.array([[-7.3], [0.2]]),
                method=method,
                padding="reflection",
                align_corners=corners,
                data_format="S",
            )
            assert_allclose(np.asarray(y), [5, 5])


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("method", ["nearest", "linear", "cubic"])
def test_derivatives_of_second_order(method, padding):
    options = {"method": method, "padding": padding}
    check_derivatives(
        lambda x, grid: grid_sample(x, grid, **options, data_format="SS"), X / 10, GRID
    )
    check_derivatives(
        lambda x, grid: grid_sample(x, grid, **options, align_corners=True, data_format="SSS"),
        VOLUME[..., 1:],
        POINTS[..., 1:, :],
    )


@pytest.mark.parametrize("method", ["nearest", "linear", "cubic"])
def test_single_precision_with_derivatives(method):
    def run(x, grid):
        y = grid_sample(x, grid, method=method, data_format="SS")
        return (y, *dl.dlgradient(y.sum(), [x, grid]))

    found = dl.dlfeval(run, dl.dlarray(np.float32(X)), dl.dlarray(np.float32(GRID)))
    assert [a.dtype for a in found] == [np.float32] * 3


def test_empty_batch():
    y = grid_sample(np.zeros((0, 2, 3, 3)), np.zeros((0, 4, 5, 2)), data_format="BCSS")
    assert y.shape == (0, 2, 4, 5)
