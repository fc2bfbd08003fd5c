"""Short-time Fourier transforms against SciPy; spectral convolution against its sum."""

import numpy as np
import pytest
from rounding import assert_close
from scipy.signal import ShortTimeFFT

import dlgradient as dl
from dlgradient.nn.signal import dlistft, dlstft, spectral_convolution
from dlgradient.testing import check_derivatives

HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(8) / 8)
SETTINGS = {"window": HANN, "overlap_length": 6}


@pytest.mark.parametrize("fft_length", [8, 11])
def test_frames_are_those_of_scipy(rng, fft_length):
    x = rng.normal(size=(2, 3, 30))
    y = dlstft(dl.dlarray(x, "CBT"), fft_length=fft_length, **SETTINGS)
    assert dl.dims(y) == "CBST"
    scipy = ShortTimeFFT(HANN, 2, 1, mfft=fft_length, phase_shift=None)
    # Frame 2 of SciPy is the first that begins inside the signal.
    assert_close(y, scipy.stft(x, p0=2, p1=14), fft_length)


@pytest.mark.parametrize("fmt", ["CBT", "TBC", "BTC"])
@pytest.mark.parametrize("kind", ["float32", "float64", "complex128"])
def test_inverse(rng, fmt, kind):
    x = rng.normal(size=(3, 2, 26) if fmt == "CBT" else (26, 2, 3) if fmt == "TBC" else (3, 26, 2))
    x = dl.dlarray((x + (1j * x[::-1] if kind == "complex128" else 0)).astype(kind), fmt)
    y = dlstft(x, **SETTINGS)
    assert dl.dims(y) == fmt.replace("T", "ST")
    z = dlistft(y, one_sided=kind != "complex128", **SETTINGS)
    assert (dl.dims(z), z.dtype, z.shape) == (fmt, kind, x.shape)
    inside = tuple(slice(1, None) if c == "T" else slice(None) for c in fmt)
    assert_close(dl.extractdata(z)[inside], dl.extractdata(x)[inside], HANN.size**2)


def test_derivatives_of_both(rng):
    x = rng.normal(size=(10, 2))
    options = {"window": HANN[1:6], "overlap_length": 3, "fft_length": 6}
    check_derivatives(lambda x: dl.abs(dlstft(x, data_format="TC", **options)) ** 2, x)
    y = rng.normal(size=(4, 3, 1)) + 1j
    check_derivatives(lambda y: dlistft(y, data_format="STC", **options) ** 2, y)


def test_unformatted_and_empty_batches():
    y = dlstft(np.zeros((0, 20)), data_format="BT", **SETTINGS)
    assert (y.shape, dl.dims(y)) == ((0, 5, 7), "")
    assert dlistft(y, data_format="BST", **SETTINGS).shape == (0, 20)
    assert dlstft(np.zeros(200), data_format="T").shape == (65, 3)


def spectral(x, w):
    """By full transforms, x of format BCS..., entry by entry."""
    d = x.ndim - 2
    sizes = x.shape[2:]
    f = np.fft.rfftn(x, axes=range(2, 2 + d))
    y = np.zeros((x.shape[0], w.shape[0], *f.shape[2:]), complex)
    for k in np.ndindex(w.shape[2:]):
        at = tuple(
            i if axis == d - 1 or i < (m + 1) // 2 else i - m
            for axis, (i, m) in enumerate(zip(k, w.shape[2:], strict=True))
        )
        y[(..., *at)] = f[(..., *at)] @ w[(..., *k)].T
    return np.fft.irfftn(y, sizes, axes=range(2, 2 + d))


@pytest.mark.parametrize(
    ("sizes", "modes"), [((7,), (3,)), ((6,), (4,)), ((5, 6), (3, 2)), ((4, 3, 4), (2, 3, 3))]
)
@pytest.mark.parametrize("order", ["BCS", "SBC", "CSB"])
def test_spectral_convolution(rng, sizes, modes, order):
    x = rng.normal(size=(2, 3, *sizes))
    w = rng.normal(size=(4, 3, *modes)) + 1j * rng.normal(size=(4, 3, *modes))
    expected = spectral(x, w)
    places = {"B": [0], "C": [1], "S": list(range(2, x.ndim))}
    axes = [a for label in order for a in places[label]]
    fmt = order.replace("S", "S" * len(sizes))
    y = spectral_convolution(dl.dlarray(x.transpose(axes), fmt), dl.dlarray(w))
    assert dl.dims(y) == fmt
    assert_close(y, expected.transpose(axes), x[0].size)


def test_spectral_weights_in_other_orders(rng):
    x = dl.dlarray(rng.normal(size=(2, 8, 6)), "CSS")
    w = rng.normal(size=(3, 2, 4, 2)) + 1j * rng.normal(size=(3, 2, 4, 2))
    expected = dl.extractdata(spectral_convolution(x, w))
    for fmt, order in (("CUSS", (1, 0, 2, 3)), ("SSCU", (2, 3, 1, 0)), ("UCSS", (0, 1, 2, 3))):
        y = spectral_convolution(x, w.transpose(order), weights_format=fmt)
        np.testing.assert_allclose(dl.extractdata(y), expected, atol=1e-12)
    with pytest.raises(dl.FormatError, match="weights"):
        spectral_convolution(x, w, weights_format="CUS")


def test_derivatives_and_precision_of_spectral_convolution(rng):
    x, w = rng.normal(size=(2, 5)), rng.normal(size=(3, 2, 2)) + 1j
    check_derivatives(lambda x, w: spectral_convolution(x, w, data_format="CS") ** 2, x, w)
    single = spectral_convolution(dl.dlarray(np.float32(x), "CS"), w.astype(np.complex64))
    assert single.dtype == np.float32
    assert spectral_convolution(np.zeros((0, 2, 5)), w, data_format="BCS").shape == (0, 3, 5)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: dlstft(np.ones((2, 9)), data_format="CB"), dl.FormatError, "without .* 'T'"),
        (lambda: dlstft(np.ones(9), data_format="T"), dl.InvalidArgumentError, "9 samples.*128"),
        (
            lambda: dlstft(np.ones(9), window=HANN, overlap_length=8, data_format="T"),
            dl.InvalidArgumentError,
            "overlap_length is 8",
        ),
        (
            lambda: dlstft(np.ones(9), window=HANN, fft_length=4, data_format="T"),
            dl.InvalidArgumentError,
            "fft_length is 4",
        ),
        (
            lambda: dlistft(np.ones((4, 2)), window=HANN, data_format="ST"),
            dl.ShapeMismatchError,
            "4 frequencies.* there are 5",
        ),
        (
            lambda: spectral_convolution(np.ones((2, 5)), np.ones((1, 2, 4)), data_format="CS"),
            dl.ShapeMismatchError,
            r"\(1, 2, 4\).*at most 3",
        ),
        (lambda: spectral_convolution(np.ones(5), 1, data_format="S"), dl.FormatError, "'C'"),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_signals_of_integers():
    x = (1000 * np.sin(np.arange(256) * 0.3)).astype(np.int16)[None]
    np.testing.assert_allclose(
        dl.dlstft(x, data_format="CT"), dl.dlstft(x.astype(float), data_format="CT")
    )
