"""Images: blocks against plain loops, similarity against SciPy's filters."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from rounding import assert_close
from scipy import ndimage

import dlgradient as dl
from dlgradient.nn.images.blocks import depth_to_space, space_to_depth
from dlgradient.nn.images.quality import psnr, ssim
from dlgradient.testing import check_derivatives


@pytest.mark.parametrize("mode", ["dcr", "crd"])
def test_depth_to_space_by_a_loop(rng, mode):
    x = rng.normal(size=(2, 12, 2, 3))
    y = depth_to_space(dl.dlarray(x, "BCSS"), (2, 3), mode=mode)
    assert dl.dims(y) == "BCSS"
    assert y.shape == (2, 2, 4, 9)
    for c, i, j in np.ndindex(2, 4, 9):
        p, q = i % 2, j % 3
        k = (p * 3 + q) * 2 + c if mode == "dcr" else c * 6 + p * 3 + q
        assert_array_equal(np.asarray(y)[:, c, i, j], x[:, k, i // 2, j // 3])
    back = space_to_depth(y, (2, 3), mode=mode)
    assert_array_equal(np.asarray(back), x)


def test_the_example_of_onnx():
    """Of the standard's page of DepthToSpace, mode DCR."""
    x = np.arange(0, 72, 9.0)[None, :, None, None] + np.arange(6.0).reshape(2, 3)
    y = np.asarray(depth_to_space(x, 2, data_format="BCSS"))
    first = [[0, 18, 1, 19, 2, 20], [36, 54, 37, 55, 38, 56], [3, 21, 4, 22, 5, 23]]
    assert_array_equal(y[0, 0], [*first, [39, 57, 40, 58, 41, 59]])


@pytest.mark.parametrize("fmt", ["SSCB", "SCSB", "CBSS"])
@pytest.mark.parametrize("function", [depth_to_space, space_to_depth])
def test_any_order_of_dimensions(rng, function, fmt):
    x = rng.normal(size=(2, 4, 4, 2))
    base = np.asarray(function(dl.dlarray(x, "BCSS"), 2))
    numbered = [(c, "BCSS"[:i].count(c)) for i, c in enumerate("BCSS")]
    order = [numbered.index((c, fmt[:i].count(c))) for i, c in enumerate(fmt)]
    y = function(np.transpose(x, order), 2, data_format=fmt)
    assert dl.dims(y) == ""
    assert_array_equal(np.asarray(y), np.transpose(base, order))


def test_single_precision(rng):
    a, b = rng.uniform(size=(2, 4, 5)).astype(np.float32)
    assert ssim(a, b, data_format="SS").dtype == np.float32
    assert psnr(a, b, data_format="SS").dtype == np.float32


def test_psnr_of_every_observation(rng):
    x, r = rng.uniform(size=(2, 3, 4, 2))
    y = psnr(dl.dlarray(x, "SSB"), dl.dlarray(r.transpose(2, 0, 1), "BSS"), peak=2)
    assert dl.dims(y) == "B"
    want = 10 * np.log10(4 / np.mean((x - r) ** 2, axis=(0, 1)))
    assert_close(y, want, x[..., 0].size, 10)


def test_ssim_with_filters_of_scipy(rng):
    x, r = rng.uniform(size=(2, 6, 8))

    def blur(a):
        return ndimage.gaussian_filter(a, 1.5, mode="nearest", radius=5)

    mx, mr = blur(x), blur(r)
    vx, vr, c = blur(x * x) - mx**2, blur(r * r) - mr**2, blur(x * r) - mx * mr
    top = (2 * mx * mr + 1e-4) * (2 * c + 9e-4)
    want = np.mean(top / ((mx**2 + mr**2 + 1e-4) * (vx + vr + 9e-4)))
    both = np.stack([x, r], axis=-1)
    y = ssim(dl.dlarray(both, "SSB"), np.stack([r, r], axis=-1))
    assert_allclose(np.asarray(y), [want, 1], rtol=1e-10)


def test_derivatives_of_second_order(rng):
    x, r = rng.uniform(size=(2, 3, 4))
    check_derivatives(lambda a, b: ssim(a, b, data_format="SS"), x, r)
    check_derivatives(lambda a, b: psnr(a, b, data_format="SB").sum(), x, r)


def test_images_of_small_integers():
    a, b = np.uint8([[200], [255], [3]]), np.uint8([[255], [200], [3]])
    x, y = a.astype(float), b.astype(float)
    for function in (
        lambda a, b: dl.psnr(dl.dlarray(a, "SC"), b, peak=255),
        lambda a, b: dl.ssim(dl.dlarray(a, "SC"), b, dynamic_range=255),
        lambda a, _: dl.avgpool(dl.dlarray(a, "SC"), 2),
        lambda a, _: dl.crosschannelnorm(dl.dlarray(a.T, "BC"), 3, alpha=1.0),
    ):
        np.testing.assert_allclose(np.asarray(function(a, b)), np.asarray(function(x, y)))
