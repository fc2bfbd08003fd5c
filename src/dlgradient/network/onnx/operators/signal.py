"""Spectra."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient import fft
from dlgradient.network.onnx.registry import operator
from dlgradient.network.onnx.values import axis_in, ints
from dlgradient.nn.signal import dlstft
from dlgradient.ops.complex import imag, real
from dlgradient.ops.join import concat, stack
from dlgradient.ops.permute import permute_dims

__all__: list[str] = []


def _parts(y: Any) -> Any:
    """Return real and imaginary part along a last dimension."""
    return stack([real(y), imag(y)], axis=-1)


@operator("DFT")
def transform(
    x: Any,
    length: Any = None,
    axis: Any = None,
    *,
    inverse: int = 0,
    onesided: int = 0,
    opset: int,
) -> Any:
    """Return a Fourier transform; complex numbers are pairs."""
    along = (1 if opset < 20 else -2) if axis is None else ints(axis)[0]
    along = axis_in(along, x)
    n = None if length is None else ints(length)[0]
    signal = x[..., 0] if x.shape[-1] == 1 else x[..., 0] + 1j * x[..., 1]
    if inverse and onesided:
        return fft.irfft(signal, n=n, axis=along)[..., None]
    if onesided:
        return _parts(fft.rfft(signal, n=n, axis=along))
    return _parts((fft.ifft if inverse else fft.fft)(signal, n=n, axis=along))


@operator("STFT")
def spectra(
    signal: Any, step: Any, frame: Any = None, length: Any = None, *, onesided: int = 1
) -> Any:
    """Return Fourier transforms of frames of a signal."""
    x = signal[..., 0] if signal.ndim == 3 else signal
    if frame is not None and frame.ndim == 0:  # as some tests of the standard have it
        frame, length = None, frame
    size = frame.shape[0] if frame is not None else ints(length)[0]
    window = np.ones(size, x.dtype) if frame is None else frame
    y = dlstft(x, window=window, overlap_length=size - ints(step)[0], data_format="BT")
    y = _parts(permute_dims(y, (0, 2, 1)))
    if onesided:
        return y
    # Of a real signal the other half is the conjugate, in reverse.
    tail = y[:, :, (size - 1) // 2 : 0 : -1]
    return concat([y, stack([tail[..., 0], -tail[..., 1]], axis=-1)], axis=2)
