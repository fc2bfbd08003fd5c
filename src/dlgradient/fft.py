"""The namespace ``dlgradient.fft``: Fourier transforms with the names of the array-API standard.

Examples
--------
>>> x = dl.dlarray([1.0, 0.0, -1.0, 0.0])
>>> dl.dlfeval(lambda x: dl.dlgradient(dl.sum(dl.abs(dl.fft.fft(x)) ** 2), x), x).real.tolist()
[8.0, 0.0, -8.0, 0.0]
"""

from dlgradient.ops.fourier import fft, fft2, fftn, ifft, ifft2, ifftn
from dlgradient.ops.spectra import (
    fftfreq,
    fftshift,
    hfft,
    ifftshift,
    ihfft,
    irfft,
    irfftn,
    rfft,
    rfftfreq,
    rfftn,
)

__all__ = [
    "fft",
    "fft2",
    "fftfreq",
    "fftn",
    "fftshift",
    "hfft",
    "ifft",
    "ifft2",
    "ifftn",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfftn",
    "rfft",
    "rfftfreq",
    "rfftn",
]
