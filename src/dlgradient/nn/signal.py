"""Short-time Fourier transforms, and convolution with the lowest frequencies of a spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.calls import FUNCTIONS, wrap
from dlgradient.errors import FormatError, InvalidArgumentError, ShapeMismatchError
from dlgradient.nn.shared.arguments import axes_of, finished, formatted
from dlgradient.ops.fourier import fft, fftn, ifft
from dlgradient.ops.linalg import matmul
from dlgradient.ops.shape import moveaxis, permute_dims
from dlgradient.ops.spectra import irfft, irfftn, rfft
from dlgradient.ops.take import put, take

__all__ = ["dlistft", "dlstft", "spectral_convolution"]


def _window(name: str, window: Any, overlap: Any, dtype: Any) -> tuple[Any, int]:
    """Return the window as a real array, and the distance between frames."""
    if window is None:
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(128) / 128)
    # Integers make no window: its weights would be truncated.
    real = np.empty(0, dtype).real.dtype
    values = np.asarray(window, real if real.kind == "f" else np.float64)
    if values.ndim != 1 or not values.size:
        raise InvalidArgumentError(
            f"{name}: window has shape {values.shape}; it must be a vector of weights"
        )
    size = values.size
    overlap = size * 3 // 4 if overlap is None else overlap
    if not isinstance(overlap, int | np.integer) or not 0 <= overlap < size:
        raise InvalidArgumentError(
            f"{name}: overlap_length is {overlap!r}; it must be an integer from 0 to {size - 1}, "
            "less than the length of the window"
        )
    return values, size - int(overlap)


def _time_axis(name: str, x: Any) -> int:
    axes = axes_of(x, "T")
    if not axes:
        raise FormatError(
            f"{name}: x has the format {x._format!r} without a dimension 'T'; label the one of time"
        )
    return axes[0]


def dlstft(
    x: Any,
    *,
    window: Any = None,
    overlap_length: int | None = None,
    fft_length: int | None = None,
    data_format: str | None = None,
) -> Any:
    """Short-time Fourier transform: spectra of windowed frames of a signal.

    Frame m is x[m·hop + j]·window[j], with hop = len(window) − overlap_length. Frames that reach
    beyond the end are omitted.

    Parameters
    ----------
    x : dlarray or array
        With a dimension T; real or complex.
    window : array_like, optional
        Weights; by default a periodic Hann window of length 128.
    overlap_length : int, optional
        Number of samples that two frames share; by default three quarters of the window.
    fft_length : int, optional
        Length of the transform; frames are padded with zeros. By default the length of the window.
    data_format : str, optional
        For an unlabelled `x`.

    Returns
    -------
    dlarray
        Complex. Two dimensions replace T: S, the frequencies, and T, the frames. The frequencies of
        a real signal are 0 to fft_length // 2.

    Raises
    ------
    FormatError
        If there is no dimension T.
    InvalidArgumentError
        If the signal is shorter than the window, or a number is not valid.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 0.0, -1.0, 0.0, 1.0, 0.0, -1.0, 0.0]], "CT")
    >>> y = dl.dlstft(x, window=[1.0] * 4, overlap_length=0)
    >>> dl.dims(y), dl.abs(y).tolist()
    ('CST', [[[0.0, 0.0], [2.0, 2.0], [0.0, 0.0]]])

    Source: MATLAB ``dlstft``.
    """
    name = "dlstft"
    x, strip = formatted(name, x, data_format)
    axis = _time_axis(name, x)
    weights, hop = _window(name, window, overlap_length, x.dtype)
    size, n = weights.size, weights.size if fft_length is None else fft_length
    if n < size:
        raise InvalidArgumentError(
            f"{name}: fft_length is {n!r}, less than the length {size} of the window"
        )
    if x.shape[axis] < size:
        raise InvalidArgumentError(
            f"{name}: x has {x.shape[axis]} samples of time, the window {size}; give a shorter "
            "window, or a longer signal"
        )
    count = (x.shape[axis] - size) // hop + 1
    index = hop * np.arange(count)[:, None] + np.arange(size)
    frames = take(moveaxis(wrap(x._value, x._node), axis, -1), index, axis=-1) * weights
    y = rfft(frames, n=n) if x.dtype.kind != "c" else fft(frames, n=n)
    y = moveaxis(y, (-1, -2), (axis, axis + 1))
    return finished(wrap(y._value, y._node, x._format.replace("T", "ST")), strip)


def dlistft(
    y: Any,
    *,
    window: Any = None,
    overlap_length: int | None = None,
    fft_length: int | None = None,
    one_sided: bool = True,
    data_format: str | None = None,
) -> Any:
    """Signal of a short-time Fourier transform; the inverse of `dlstft`.

    Frames are weighted with the window again, added where they overlap, and divided by the sum of
    the squared weights. Where that sum is zero, the signal is zero.

    Parameters
    ----------
    y : dlarray or array
        With one dimension S, of frequencies, and a dimension T, of frames.
    window, overlap_length, fft_length
        As in `dlstft`; a one-sided spectrum of an odd length needs `fft_length`.
    one_sided : bool
        Whether `y` has only the frequencies of a real signal; the result is then real.
    data_format : str, optional
        For an unlabelled `y`.

    Returns
    -------
    dlarray
        One dimension T replaces S and T; it is where T was.

    Raises
    ------
    FormatError
        If there is not one dimension S and one T.
    InvalidArgumentError, ShapeMismatchError
        If a number is not valid, or does not match the number of frequencies.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]], "CT")
    >>> settings = {"window": [1.0, 1.0, 1.0, 1.0], "overlap_length": 2}
    >>> dl.dlistft(dl.dlstft(x, **settings), **settings).tolist()
    [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]

    Source: MATLAB ``dlistft``.
    """
    name = "dlistft"
    y, strip = formatted(name, y, data_format)
    time, spatial = _time_axis(name, y), axes_of(y, "S")
    if len(spatial) != 1:
        raise FormatError(
            f"{name}: y has the format {y._format!r}; it must have one 'S', the frequencies"
        )
    weights, hop = _window(name, window, overlap_length, y.dtype)
    size, n = weights.size, weights.size if fft_length is None else fft_length
    wanted = n // 2 + 1 if one_sided else n
    if y.shape[spatial[0]] != wanted or n < size:
        raise ShapeMismatchError(
            f"{name}: y has {y.shape[spatial[0]]} frequencies; with fft_length {n} "
            f"(window {size}, one_sided={one_sided}) there are {wanted}"
        )
    spectra = moveaxis(wrap(y._value, y._node), (time, spatial[0]), (-2, -1))
    frames = irfft(spectra, n=n) if one_sided else ifft(spectra)
    frames = frames[..., :size] * weights
    count = y.shape[time]
    index = hop * np.arange(count)[:, None] + np.arange(size)
    length = hop * (count - 1) + size if count else 0
    squares = np.broadcast_to(weights**2, index.shape)
    total = np.bincount(index.ravel(), squares.ravel(), length)
    x = put(frames, index, shape=(*frames.shape[:-2], length), axis=-1)
    x = x / np.where(total > 0, total, 1).astype(weights.dtype)
    fmt = y._format.replace("S", "")
    x = moveaxis(x, -1, fmt.index("T"))
    return finished(wrap(x._value, x._node, fmt), strip)


def _lowest(count: int, size: int) -> Any:
    """Return the indices of the lowest frequencies: 0, 1, ..., and then the negative ones."""
    positive = (count + 1) // 2
    return np.concatenate([np.arange(positive), np.arange(size - (count - positive), size)])


def spectral_convolution(x: Any, weights: Any, *, data_format: str | None = None) -> Any:
    """Convolve with a filter of only the lowest frequencies, in the Fourier domain.

    The Fourier transform runs over the dimensions S. For each frequency k of the weights, ŷₒ(k) =
    Σᵢ weights[o, i, k] x̂ᵢ(k). All other frequencies of the result are zero.

    Parameters
    ----------
    x : dlarray or array
        Real, with dimensions S and C.
    weights : dlarray or array
        Usually complex, of shape (outputs, inputs, frequencies of each S). Along the last S, the
        frequencies are 0, 1, 2, ... Of m frequencies along another S, the first (m + 1) // 2 are
        not negative, and the negative ones follow, -1 last.
    data_format : str, optional
        For an unlabelled `x`.

    Returns
    -------
    dlarray
        Real, with the format of `x`; its channels are the outputs.

    Raises
    ------
    FormatError
        If `x` has no dimension S or C.
    ShapeMismatchError
        If the weights do not match the dimensions of `x`.

    Examples
    --------
    The frequencies 0 and 1 of a signal, each unchanged:

    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 2.0, 1.0, 0.0]], "CS")
    >>> dl.spectral_convolution(x, [[[1.0, 1.0]]]).tolist()
    [[1.0, 2.0, 1.0, 0.0]]

    Source: MATLAB ``spectralConvolution1dLayer``; Li et al. (2021).
    """
    name = "spectral_convolution"
    x, strip = formatted(name, x, data_format)
    spatial, channel = axes_of(x, "S"), axes_of(x, "C")
    if not spatial or not channel:
        raise FormatError(
            f"{name}: x has the format {x._format!r}; it must have dimensions 'S' and 'C'"
        )
    weights = wrap(weights._value, weights._node) if hasattr(weights, "_node") else weights
    weights = weights if hasattr(weights, "shape") else np.asarray(weights)
    sizes = [x.shape[a] for a in spatial]
    limits = [*sizes[:-1], sizes[-1] // 2 + 1]
    modes = tuple(weights.shape[2:])
    if (
        len(modes) != len(spatial)
        or weights.shape[1] != x.shape[channel[0]]
        or any(m > limit for m, limit in zip(modes, limits, strict=True))
    ):
        raise ShapeMismatchError(
            f"{name}: weights have shape {tuple(weights.shape)}; for x of shape {x.shape}, format "
            f"{x._format!r}, they must be (outputs, {x.shape[channel[0]]}, then at most "
            f"{', '.join(map(str, limits))} frequencies)"
        )
    d = len(spatial)
    others = tuple(a for a in range(x.ndim) if a not in (*spatial, *channel))
    order = (*spatial, *others, *channel)
    front = permute_dims(wrap(x._value, x._node), order)
    spectrum = rfft(front, axis=d - 1)
    if d > 1:
        spectrum = fftn(spectrum, axes=tuple(range(d - 1)))
    chosen = [*(_lowest(m, s) for m, s in zip(modes[:-1], sizes[:-1], strict=True))]
    chosen.append(np.arange(modes[-1]))
    for axis, index in enumerate(chosen):
        spectrum = take(spectrum, index, axis=axis)
    kernel = permute_dims(weights, (*range(2, 2 + d), 1, 0))
    extra = (1,) * (len(others) - 1)
    batch = spectrum if others else FUNCTIONS["expand_dims"](spectrum, axis=-2)
    kernel = FUNCTIONS["reshape"](kernel, (*modes, *extra, *kernel.shape[-2:]))
    y = matmul(batch, kernel)
    y = y if others else FUNCTIONS["squeeze"](y, axis=-2)
    for axis, (index, limit) in enumerate(zip(chosen, limits, strict=True)):
        y = put(y, index, shape=(*y.shape[:axis], limit, *y.shape[axis + 1 :]), axis=axis)
    y = irfftn(y, s=sizes, axes=tuple(range(d)))
    y = permute_dims(y, tuple(int(i) for i in np.argsort(order)))
    return finished(wrap(y._value, y._node, x._format), strip)
