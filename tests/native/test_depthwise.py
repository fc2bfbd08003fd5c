"""Compiled convolutions against the kernels of NumPy, for generated shapes."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import dlgradient as dl
from dlgradient.nn.convolution import compiled, unfold
from dlgradient.nn.shared.geometry import Geometry
from dlgradient.testing import maker

pytest.importorskip("llvmlite")

DTYPES = [np.float32, np.float64]
pairs = st.tuples


@st.composite
def convolutions(draw):
    """Return shapes of a convolution with a filter for each channel: images, and a geometry."""
    pair = lambda low, high: draw(pairs(*[st.integers(low, high)] * 2))  # noqa: E731 - of this draw
    sizes, window = pair(1, 40), pair(1, 5)
    stride, dilation, start, after = pair(1, 3), pair(1, 3), pair(-2, 4), pair(-2, 4)
    lines = zip(sizes, window, stride, dilation, start, after, strict=True)
    results = [(n + a + b - d * (k - 1) - 1) // s + 1 for n, k, s, d, a, b in lines]
    assume(min(results) > 0)
    channels = draw(st.integers(1, 5))
    geometry = Geometry(sizes, window, tuple(results), stride, dilation, start, channels)
    return draw(st.integers(1, 3)), channels, geometry


def tolerance(dtype, geometry):
    return 4 * np.finfo(dtype).eps * np.prod(geometry.window)


@given(convolutions(), st.sampled_from(DTYPES), st.booleans())
def test_values_are_those_of_numpy(shapes, dtype, biased):
    batch, channels, geometry = shapes
    rng = maker(str(shapes)).rng
    x = rng.uniform(-1, 1, (batch, channels, *geometry.sizes)).astype(dtype)
    w = rng.uniform(-1, 1, (channels, 1, *geometry.window)).astype(dtype)
    b = rng.uniform(-1, 1, channels).astype(dtype) if biased else None
    with dl.acceleration("numpy"):
        expected = unfold.convolve(x, w, b, geometry=geometry)
    with dl.acceleration("native"):
        found = unfold.convolve(x, w, b, geometry=geometry)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance(dtype, geometry))
    y = rng.uniform(-1, 1, (batch, channels, *geometry.results)).astype(dtype)
    with dl.acceleration("numpy"):
        expected = unfold.deconvolve(y, w, geometry=geometry)
    with dl.acceleration("native"):
        found = unfold.deconvolve(y, w, geometry=geometry)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance(dtype, geometry))


GEOMETRY = Geometry((9, 11), (3, 3), (9, 11), (1, 1), (1, 1), (1, 1), 4)


def example(rng, dtype=np.float64):
    return rng.normal(size=(2, 4, 9, 11)).astype(dtype), rng.normal(size=(4, 1, 3, 3)).astype(dtype)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 5e-324, 1e308])
def test_strange_values_reach_the_results_that_see_them(rng, value):
    x, w = example(rng)
    x[1, 2, 0, 10] = value
    w[2, 0, 1, 1] = 0
    with np.errstate(all="ignore"):
        with dl.acceleration("numpy"):
            expected = unfold.convolve(x, w, geometry=GEOMETRY)
        with dl.acceleration("native"):
            found = unfold.convolve(x, w, geometry=GEOMETRY)
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-14)
    w[2, 0, 0, 0] = value
    with np.errstate(all="ignore"):
        with dl.acceleration("numpy"):
            expected = unfold.convolve(x, w, geometry=GEOMETRY)
        with dl.acceleration("native"):
            found = unfold.convolve(x, w, geometry=GEOMETRY)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)


def test_operands_need_not_be_contiguous_and_are_not_changed(rng):
    x, w = example(rng)
    expected = unfold.convolve(x, w, geometry=GEOMETRY)
    strided = np.repeat(np.repeat(x, 2, axis=1), 3, axis=3)[:, ::2, :, ::3]
    before = strided.copy()
    with dl.acceleration("native"):
        found = unfold.convolve(strided, np.asfortranarray(w), geometry=GEOMETRY)
    np.testing.assert_allclose(found, expected, atol=1e-14)
    np.testing.assert_array_equal(strided, before)


def test_which_convolutions_are_compiled(rng):
    x, w = example(rng)
    with dl.acceleration("native"):
        assert compiled.computes(x, w.shape, GEOMETRY, x.dtype)
        assert not compiled.computes(x, w.shape, GEOMETRY, np.dtype(complex))
    assert not compiled.computes(x, w.shape, GEOMETRY, x.dtype)  # it is small
    assert compiled.computes(np.zeros((400, 4, 9, 11)), w.shape, GEOMETRY, x.dtype)


def test_blocks_give_the_bits_of_the_whole(rng, monkeypatch):
    from dlgradient.core import threads

    x = rng.normal(size=(16, 8, 32, 32)).astype(np.float32)
    w = rng.normal(size=(8, 1, 5, 5)).astype(np.float32)
    geometry = Geometry((32, 32), (5, 5), (28, 28), (1, 1), (1, 1), (0, 0), 8)
    results = []
    for count in (1, 3):
        monkeypatch.setattr(threads, "_count", lambda count=count: count)
        results.append(unfold.convolve(x, w, geometry=geometry))
    np.testing.assert_array_equal(*results)


def test_gradients_are_those_of_numpy(rng):
    x, w = (dl.dlarray(a) for a in example(rng))

    def loss(x, w):
        y = dl.dlconv(x, w, padding="same", data_format="BCSS", weights_format="UUCSS")
        return dl.sum(y**3)

    weights = w.reshape(1, 4, 1, 3, 3)
    gradients = []
    for mode in ("numpy", "native"):
        with dl.acceleration(mode):
            gradients.append(dl.dlfeval(lambda x, w: dl.dlgradient(loss(x, w), (x, w)), x, weights))
    for a, b in zip(*gradients, strict=True):
        scale = np.abs(dl.extractdata(a)).max()  # sums cancel
        np.testing.assert_allclose(dl.extractdata(b), dl.extractdata(a), atol=1e-13 * scale)
