"""Layers of complex weights: values by NumPy's Fourier transform, initial values, updates."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers


def test_convolution_in_one_dimension(rng):
    x = rng.normal(size=(9, 3, 2))
    layer = layers.SpectralConvolution1d(4, 5, name="s")
    net = dl.dlnetwork([layer], dl.dlarray(x, "SCB"), generator=0)
    w = np.asarray(net.learnables["s/weights"])
    spectrum = np.zeros((5, 5, 2), complex)  # frequencies, outputs, batch
    spectrum[:4] = np.einsum("oik,kib->kob", w, np.fft.rfft(x, axis=0)[:4])
    want = np.fft.irfft(spectrum, 9, axis=0)
    np.testing.assert_allclose(net.predict(dl.dlarray(x, "SCB")), want, rtol=1e-5, atol=1e-6)


def test_complex_weights(rng):
    net = dl.dlnetwork(
        [layers.FeatureInput(40), layers.ComplexFullyConnected(60, name="c")], generator=0
    )
    w = np.asarray(net.learnables["c/weights"])
    # Each part has half of the variance of "glorot", 2 / (40 + 60).
    assert np.var(w.real) == pytest.approx(0.01, rel=0.1)
    assert np.var(w.imag) == pytest.approx(0.01, rel=0.1)
    x = dl.dlarray(rng.normal(size=(3, 40)) + 1j * rng.normal(size=(3, 40)), "BC")
    np.testing.assert_allclose(net.predict(x), np.asarray(x) @ w.T, rtol=1e-5)

    def loss(net):
        y = net.predict(x)
        value = dl.sum(dl.stripdims(dl.abs(y) ** 2))
        return value, dl.dlgradient(value, net)

    first, gradient = dl.dlfeval(loss, net)
    assert gradient.learnables["c/weights"].dtype.kind == "c"
    moved, _ = dl.sgdmupdate(net, gradient, None, 1e-4)
    assert dl.dlfeval(loss, moved)[0] < first
    given = layers.ComplexFullyConnected(2, weights=np.ones((2, 3)), bias_initializer="ones")
    own = dl.dlnetwork([layers.FeatureInput(3), given])
    assert own.predict(np.ones((1, 3))).tolist() == [[4 + 0j, 4 + 0j]]


def test_dimensions_that_do_not_fit():
    text = "'spectralconv'.*SpectralConvolution2d needs 2 dimensions 'S'; the input has shape"
    with pytest.raises(dl.FormatClashError, match=text):
        dl.dlnetwork([layers.FeatureInput(2), layers.SpectralConvolution2d(2, 2)])
