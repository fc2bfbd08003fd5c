"""The namespace ``dlgradient.fft``: Fourier transforms with the names of the array-API standard.

Examples
--------
>>> x = dl.dlarray([1.0, 0.0, -1.0, 0.0])
>>> dl.dlfeval(lambda x: dl.dlgradient(dl.sum(dl.abs(dl.fft.fft(x)) ** 2), x), x).real.tolist()
[8.0, 0.0, -8.0, 0.0]
"""

import sys
from types import ModuleType
from typing import NoReturn

from dlgradient.errors import located
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


class _Namespace(ModuleType):
    """The module, which answers a call: `fft` is a function in MATLAB."""

    def __call__(self, *_: object) -> NoReturn:
        """Say which function to write."""
        text = (
            "dlgradient.fft is a namespace, not a function; write dl.fft.fft(x, axis=0) for "
            "MATLAB's fft(x) of columns, and dl.fft.fft(x) along the last dimension"
        )
        raise TypeError(located(text, "reference/fourier.html"))


sys.modules[__name__].__class__ = _Namespace
