"""Resizing: NumPy's interpolation, numbers of torch 2 in float64, a loop for stretched kernels."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from rounding import assert_close

import dlgradient as dl
from dlgradient.nn.images.resize import dlresize
from dlgradient.testing import check_derivatives

WAVE = np.sin(np.arange(5.0) * 2)

# torch.nn.functional.interpolate of WAVE: method, size, align_corners or antialias.
TORCH = {
    ("cubic", 8, "half-pixel"): [
        *(-0.08441415, 0.52536149, 0.86267194, -0.27680179),
        *(-0.8656908, -0.35998128, 0.48257592, 1.10714419),
    ],
    ("cubic", 8, "align-corners"): [
        *(0.0, 0.7024192, 0.77302816, -0.32963196),
        *(-0.86848422, -0.45890792, 0.30335229, 0.98935825),
    ],
    ("cubic", 3, "half-pixel"): [0.37882141, -0.7568025, 0.61645097],
    ("cubic", 3, "align-corners"): [0.0, -0.7568025, 0.98935825],
}
ANTIALIASED = {
    ("linear", 8): [
        *(0.0, 0.39781762, 0.80516618, -0.23614627),
        *(-0.60761906, -0.30925219, 0.43426973, 0.98935825),
    ],
    ("cubic", 8): [
        *(-0.06542915, 0.44287026, 0.87197674, -0.30799384),
        *(-0.79248734, -0.33491311, 0.51248966, 1.08065377),
    ],
    ("linear", 3): [0.3896989, -0.28047207, 0.44559807],
    ("cubic", 3): [0.41428394, -0.32154156, 0.42575337],
}


@pytest.mark.parametrize(("n", "options"), [(5, {"scale": 1.7}), (5, {"output_size": 3})])
def test_linear_resizing_is_interpolation(rng, n, options):
    x = rng.normal(size=(n, 2))
    y = np.asarray(dlresize(dl.dlarray(x, "SC"), method="linear", **options))
    size = options.get("output_size", int(n * options.get("scale", 1)))
    scale = options.get("scale", size / n)
    places = (np.arange(size) + 0.5) / scale - 0.5
    want = [np.interp(places, np.arange(n), x[:, c]) for c in range(2)]
    assert_close(y, np.transpose(want), 2, n * np.abs(x).max())


def test_nearest_resizing():
    x = np.arange(4.0)
    assert dlresize(x, scale=2, data_format="S").tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert dlresize(x, scale=0.5, data_format="S").tolist() == [1, 3]
    assert dlresize(x, output_size=3, data_format="S").tolist() == [0, 2, 3]
    plane = dlresize(dl.dlarray(x.reshape(2, 2), "SS"), scale=(2, 1))
    assert plane.tolist() == [[0, 1], [0, 1], [2, 3], [2, 3]]


def test_one_element_and_single_precision():
    one = dlresize(np.float32([3]), scale=3, method="linear", data_format="S")
    assert one.tolist() == [3, 3, 3]
    assert one.dtype == np.float32


@pytest.mark.parametrize("mode", TORCH, ids=str)
def test_cubic_numbers_of_torch(mode):
    method, size, transform = mode
    y = dlresize(
        WAVE,
        output_size=size,
        method=method,
        geometric_transform_mode=transform,
        data_format="S",
    )
    assert_allclose(np.asarray(y), TORCH[mode], atol=1e-8)


@pytest.mark.parametrize("mode", ANTIALIASED, ids=str)
def test_antialiased_numbers_of_torch(mode):
    method, size = mode
    y = dlresize(
        WAVE,
        output_size=size,
        method=method,
        antialias=True,
        exclude_outside=True,
        cubic_coefficient=-0.5,
        data_format="S",
    )
    assert_allclose(np.asarray(y), ANTIALIASED[mode], atol=1e-8)


@pytest.mark.parametrize("size", [(2, 1), (7, 1), (3, 9)])
def test_a_stretched_triangle_by_a_loop(rng, size):
    x = rng.normal(size=(7, 6))

    def along(values, m):
        ratio = len(values) / m
        found = []
        for i in range(m):
            s = np.abs(np.arange(len(values)) + 0.5 - (i + 0.5) * ratio) / max(ratio, 1)
            w = np.maximum(1 - s, 0)
            found.append(w @ values / w.sum())
        return np.array(found)

    y = dlresize(
        dl.dlarray(x, "SS"), output_size=size, method="linear", antialias=True, exclude_outside=True
    )
    want = np.apply_along_axis(along, 1, np.apply_along_axis(along, 0, x, size[0]), size[1])
    assert_close(y, want, x.size)


@pytest.mark.parametrize(
    ("rounding", "expected"),
    [("round", [1, 3]), ("round-half-down", [0, 2]), ("floor", [0, 2]), ("ceil", [1, 3])],
)
def test_rounding_of_places_between_two(rounding, expected):
    y = dlresize(np.arange(4.0), scale=0.5, nearest_rounding_mode=rounding, data_format="S")
    assert y.tolist() == expected


@pytest.mark.parametrize(
    ("transform", "places"),
    [
        ("half-pixel", [1 / 3, 2.0]),
        ("half-pixel-symmetric", [2 / 3, 7 / 3]),
        ("asymmetric", [0, 5 / 3]),
        ("align-corners", [0, 3]),
        ("pytorch-half-pixel", [1 / 3, 2.0]),
    ],
)
def test_places_of_a_rounded_size(transform, places):
    y = dlresize(
        np.arange(4.0),
        scale=0.6,
        method="linear",
        geometric_transform_mode=transform,
        data_format="S",
    )
    assert_allclose(np.asarray(y), places)


def test_a_single_element_of_the_result():
    modes = {"half-pixel": 1.5, "align-corners": 0, "pytorch-half-pixel": 0}
    for transform, want in modes.items():
        y = dlresize(
            np.arange(4.0),
            output_size=1,
            method="linear",
            geometric_transform_mode=transform,
            data_format="S",
        )
        assert y.tolist() == [want]


@pytest.mark.parametrize("method", ["nearest", "linear", "cubic"])
def test_any_order_of_dimensions(rng, method):
    x = rng.normal(size=(2, 3, 4, 5))
    base = np.asarray(dlresize(dl.dlarray(x, "BCSS"), scale=(1.5, 0.6), method=method))
    assert base.shape == (2, 3, 6, 3)
    y = dlresize(x.transpose(2, 1, 3, 0), scale=(1.5, 0.6), method=method, data_format="SCSB")
    assert_close(y, base.transpose(2, 1, 3, 0), 16)


@pytest.mark.parametrize("method", ["linear", "cubic"])
def test_what_is_not_a_neighbour_is_not_read(method):
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, np.nan])
    y = np.asarray(dlresize(x, scale=2, method=method, data_format="S"))
    assert np.isfinite(y[:10]).all()
    one = dlresize(
        [1.0, np.inf],
        output_size=1,
        method=method,
        geometric_transform_mode="asymmetric",
        data_format="S",
    )
    assert one.tolist() == [1]

    def run(x):
        y = dlresize(dl.sqrt(x), output_size=2, method="linear", data_format="S")
        return dl.dlgradient(y.sum(), x)

    # The elements 0, 3, 4 and 7 are no neighbours: no gradient, and not zero times infinity.
    slope = dl.dlfeval(run, dl.dlarray(np.array([0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0])))
    assert slope.tolist() == [0, 0.25, 0.25, 0, 0, 0.25, 0.25, 0]


def test_single_precision_with_derivatives():
    def run(x):
        y = dlresize(x, scale=1.5, method="cubic", data_format="S")
        return y, dl.dlgradient(y.sum(), x)

    assert [a.dtype for a in dl.dlfeval(run, dl.dlarray(np.float32(WAVE)))] == [np.float32] * 2


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("method", ["linear", "cubic"])
def test_derivatives_of_second_order(rng, method, antialias):
    options = {"method": method, "antialias": antialias, "data_format": "SS"}
    x = rng.normal(size=(3, 4))
    check_derivatives(lambda x: dlresize(x, output_size=(5, 2), **options) ** 3, x)


def test_empty_batch():
    x = dl.dlarray(np.zeros((0, 2, 3)), "BCS")
    assert dlresize(x, scale=2, method="cubic").shape == (0, 2, 6)
