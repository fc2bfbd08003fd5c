"""Similarity of images against SciPy's filters."""

import numpy as np
from numpy.testing import assert_allclose
from rounding import assert_close
from scipy import ndimage

import dlgradient as dl
from dlgradient.nn.images.quality import psnr, ssim
from dlgradient.testing import check_derivatives


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
