"""The namespace of Fourier transforms: the standard's names, precision, formats, known values."""

import numpy as np
import pytest

import dlgradient as dl

# Of the array-API standard, 2024.12.
STANDARD = (
    "fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift ifftshift"
)


def test_names_of_the_standard():
    assert set(STANDARD.split()) <= set(dl.fft.__all__)
    assert dl.dlarray([1.0]).__array_namespace__().fft is dl.fft


@pytest.mark.parametrize("name", ["fft", "ifft", "fftn", "ifftn", "rfft", "irfft", "hfft", "ihfft"])
def test_single_precision_stays(name):
    kind = np.complex64 if name in ("irfft", "hfft", "ifft") else np.float32
    x = dl.dlarray(np.array([1, 2, -1], kind))
    function = getattr(dl.fft, name)

    def gradient(x):
        y = function(x)
        return y, dl.dlgradient((dl.abs(y) ** 2).sum(), x)

    y, g = dl.dlfeval(gradient, x)
    assert y.dtype == (np.float32 if name in ("irfft", "hfft") else np.complex64)
    assert g.dtype.name in ("float32", "complex64")


def test_numpy_functions_are_traced():
    def gradient(x):
        return dl.dlgradient((np.abs(np.fft.rfft(x, axis=0)) ** 2).sum(), x)

    g = dl.dlfeval(gradient, dl.dlarray([[1.0], [2.0], [-1.0]]))
    half = np.fft.rfft([1.0, 2.0, -1.0])
    np.testing.assert_allclose(
        dl.extractdata(dl.real(g))[:, 0], 2 * 3 * np.fft.ifft([*half, 0], 3).real, rtol=1e-12
    )


def test_formats_and_lengths():
    x = dl.dlarray(np.ones((2, 3, 4)), "SCB")
    assert dl.dims(dl.fft.fft(x, axis=0)) == "SCB"
    assert dl.fft.rfft(x, n=7, axis=0).shape == (4, 3, 4)
    assert dl.dims(dl.fft.fftshift(x, axes=0)) == "SCB"
    assert dl.fft.irfftn(dl.fft.rfftn(x), s=x.shape).shape == x.shape


def test_a_derivative_by_the_spectrum():
    n = 32
    t = 2 * np.pi * np.arange(n) / n

    def both(t):
        y = dl.exp(dl.sin(t))
        ik = 1j * np.fft.fftfreq(n, 1 / n)
        spectral = dl.real(dl.fft.ifft(ik * dl.fft.fft(y)))
        return spectral, dl.dlgradient(y.sum(), t, allow_complex=False)

    spectral, exact = dl.dlfeval(both, dl.dlarray(t))
    np.testing.assert_allclose(dl.extractdata(spectral), dl.extractdata(exact), atol=1e-10)


def test_frequencies():
    assert dl.fft.fftfreq(5, d=0.5).tolist() == np.fft.fftfreq(5, 0.5).tolist()
    assert dl.fft.rfftfreq(5, dtype="float32").dtype == np.float32
    with pytest.raises(dl.InvalidArgumentError, match=r"n must be an integer.*None"):
        dl.fft.fftfreq(None)
    with pytest.raises(dl.InvalidArgumentError, match="no axis"):
        dl.fft.rfftn(np.ones(3), axes=())
    with pytest.raises(dl.InvalidArgumentError, match="no axis"):
        dl.fft.irfftn(np.ones(3), axes=())


def test_half_spectrum_of_complex_values() -> None:
    """Cotangents may be complex where the signal is real, so its transform takes them."""
    z = np.array([1 + 2j, 0.5, -1j, 3.0, 2 + 1j])
    for n in (4, 5, 7):
        expected = np.fft.fft(z, n)[: n // 2 + 1]
        np.testing.assert_allclose(dl.fft.rfft(z, n), expected, rtol=1e-12)
    matrix = np.outer(z, [1.0, 1j])
    expected = np.fft.fft(matrix, axis=0)[:3]
    np.testing.assert_allclose(dl.fft.rfft(matrix, axis=0), expected, rtol=1e-12)


def test_frequencies_and_shifts() -> None:
    for make in (dl.fft.fftfreq, dl.fft.rfftfreq):
        assert make(4).dtype == np.float64
        assert make(4, dtype="float32").dtype == np.float32
    assert dl.fft.fftshift(dl.dlarray(3.0)).item() == 3.0
    assert dl.fft.fftshift(dl.dlarray([1.0, 2.0]), axes=()).tolist() == [1.0, 2.0]
