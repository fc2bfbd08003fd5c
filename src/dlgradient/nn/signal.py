"""Short-time Fourier transforms, and convolution by the lowest frequencies of a spectrum."""

from __future__ import annotations

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.calls import labelled, unlabelled
from dlgradient.core.formats import checked_format
from dlgradient.core.types import Array, Axis, Count, Dtype, Format, Operand, Size, Value
from dlgradient.core.values import as_value
from dlgradient.errors import FormatError, InvalidArgumentError, ShapeMismatchError
from dlgradient.nn.shared.arguments import (
    as_array,
    axes_of,
    described,
    finished,
    formatted,
    in_order,
)
from dlgradient.ops.fourier import fft, fftn, ifft
from dlgradient.ops.linalg import matmul
from dlgradient.ops.permute import moveaxis, permute_dims
from dlgradient.ops.shape import expand_dims, reshape, squeeze
from dlgradient.ops.spectra import irfft, irfftn, rfft
from dlgradient.ops.take import put, take

__all__ = ["dlistft", "dlstft", "spectral_convolution"]


def _window(
    name: str, window: Operand | None, overlap: int | None, dtype: Dtype
) -> tuple[Array, int]:
    """Window as a real array, and the distance of two frames."""
    if window is None:
        window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(128) / 128)
    values = np.asarray(as_value(window, f"{name}: window"), np.finfo(dtype).dtype)
    if values.ndim != 1 or not values.size:
        raise InvalidArgumentError(
            f"{name}: window has shape {values.shape}; it must be a vector of weights"
        )
    size = values.size
    overlap = size * 3 // 4 if overlap is None else overlap
    if overlap >= size:
        raise InvalidArgumentError(
            f"{name}: overlap_length is {overlap!r}; it must be an integer from 0 to {size - 1}, "
            "less than the length of the window"
        )
    return values, size - overlap


def _time_axis(name: str, x: Value) -> Axis:
    axes = axes_of(x, "T")
    if not axes:
        raise FormatError(
            f"{name}: x has the format {x._format!r} without a dimension 'T'; label the one of time"
        )
    return axes[0]


def _frame_places(count: int, size: int, hop: int) -> Array:
    """Places of the samples of each frame."""
    return hop * np.arange(count)[:, None] + np.arange(size)


@checked
def dlstft(
    x: Operand,
    *,
    window: Operand | None = None,
    overlap_length: Size | None = None,
    fft_length: Count | None = None,
    data_format: Format = None,
) -> Value:
    """Short-time Fourier transform: spectra of windowed frames of a signal.

    Frame m is x[m·hop + j]·window[j], with hop = len(window) − overlap_length; frames that reach
    beyond the end are omitted.

    Parameters
    ----------
    x : dlarray or array
        With a dimension T; real or complex.
    window : array_like, optional
        Weights; by default a periodic Hann window of length 128.
    overlap_length : int, optional
        How many samples two frames share; by default three quarters of the window.
    fft_length : int, optional
        Length to transform; frames are filled with zeros. By default that of the window.
    data_format : str, optional
        For an unlabelled `x`.

    Returns
    -------
    dlarray
        Complex. In place of T two dimensions: S, the frequencies, of a real signal those from 0 to
        fft_length // 2; and T, the frames.

    Raises
    ------
    FormatError
        If there is no dimension T.
    InvalidArgumentError
        If the signal is shorter than the window, or a number has no meaning.

    See Also
    --------
    dlistft : signal of a short-time Fourier transform
    fft.rfft : Fourier transform of real values

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
    array, strip = formatted(name, x, data_format)
    axis = _time_axis(name, array)
    samples = array.shape[axis]
    weights, hop = _window(name, window, overlap_length, array.dtype)
    size, n = weights.size, weights.size if fft_length is None else fft_length
    if n < size:
        raise InvalidArgumentError(
            f"{name}: fft_length is {n!r}, less than the length {size} of the window"
        )
    if samples < size:
        raise InvalidArgumentError(
            f"{name}: x has {samples} samples of time, the window {size}; give a shorter window, "
            "or a longer signal"
        )
    places = _frame_places((samples - size) // hop + 1, size, hop)
    frames = take(moveaxis(unlabelled(array), axis, -1), places, axis=-1) * weights
    # A real signal has a symmetric spectrum: one half is enough.
    y = rfft(frames, n=n) if array.dtype.kind != "c" else fft(frames, n=n)
    y = moveaxis(y, (-1, -2), (axis, axis + 1))
    return finished(labelled(y, (array._format or "").replace("T", "ST")), strip)


@checked
def dlistft(
    y: Operand,
    *,
    window: Operand | None = None,
    overlap_length: Size | None = None,
    fft_length: Count | None = None,
    one_sided: bool = True,
    data_format: Format = None,
) -> Value:
    """Signal of a short-time Fourier transform; undoes `dlstft`.

    Frames are weighted with the window again, added where they overlap, and divided by the sum of
    the squared weights. Where that sum is zero, so is the signal.

    Parameters
    ----------
    y : dlarray or array
        With one dimension S, of frequencies, and a dimension T, of frames.
    window, overlap_length, fft_length
        As of `dlstft`; a one-sided spectrum of an odd length needs `fft_length`.
    one_sided : bool
        Whether `y` has the frequencies of a real signal only; the result is then real.
    data_format : str, optional
        For an unlabelled `y`.

    Returns
    -------
    dlarray
        In place of S and T one dimension T, where the T was.

    Raises
    ------
    FormatError
        If there is not one dimension S and one T.
    InvalidArgumentError, ShapeMismatchError
        If a number has no meaning, or does not fit the number of frequencies.

    See Also
    --------
    dlstft : short-time Fourier transform
    fft.irfft : real values of half a spectrum

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
    array, strip = formatted(name, y, data_format)
    time, spatial = _time_axis(name, array), axes_of(array, "S")
    if len(spatial) != 1:
        raise FormatError(
            f"{name}: y has the format {array._format!r}; it must have one 'S', the frequencies"
        )
    weights, hop = _window(name, window, overlap_length, array.dtype)
    size, n = weights.size, weights.size if fft_length is None else fft_length
    wanted = n // 2 + 1 if one_sided else n
    if array.shape[spatial[0]] != wanted or n < size:
        raise ShapeMismatchError(
            f"{name}: y has {array.shape[spatial[0]]} frequencies; with fft_length {n} "
            f"(window {size}, one_sided={one_sided}) there are {wanted}"
        )
    spectra = moveaxis(unlabelled(array), (time, spatial[0]), (-2, -1))
    frames = irfft(spectra, n=n) if one_sided else ifft(spectra)
    frames = frames[..., :size] * weights
    count = array.shape[time]
    places = _frame_places(count, size, hop)
    length = hop * (count - 1) + size if count else 0
    squares = np.broadcast_to(weights**2, places.shape)
    total = np.bincount(places.ravel(), squares.ravel(), length)
    x = put(frames, places, shape=(*frames.shape[:-2], length), axis=-1)
    # No frame has a weight there, and the numerator is zero.
    x = x / np.where(total > 0, total, 1).astype(weights.dtype)
    fmt = (array._format or "").replace("S", "")
    return finished(labelled(moveaxis(x, -1, fmt.index("T")), fmt), strip)


def _lowest_places(count: int, size: int) -> Array:
    """Places of the lowest frequencies of both signs: 0, 1, ..., then the negative ones."""
    positive = (count + 1) // 2
    return np.concatenate([np.arange(positive), np.arange(size - (count - positive), size)])


@checked
def spectral_convolution(
    x: Operand, weights: Operand, *, data_format: Format = None, weights_format: Format = None
) -> Value:
    """Convolution with a filter that has the lowest frequencies only, in the Fourier domain.

    With the Fourier transform over the dimensions S, for each frequency k that the weights have:
    ŷₒ(k) = Σᵢ weights[o, i, k] x̂ᵢ(k); all other frequencies of the result are zero.

    Parameters
    ----------
    x : dlarray or array
        Real, with dimensions S and C.
    weights : dlarray or array
        Usually complex, of shape (outputs, inputs, frequencies of each S). Along the last S these
        are 0, 1, 2, ...; along the others, of m frequencies the (m + 1) // 2 that are not negative,
        then the negative ones, -1 last. With a format, the outputs are 'U', the inputs 'C' and the
        frequencies 'S'.
    data_format, weights_format : str, optional
        Data formats of arrays that have none. "CUS" is for weights of inputs, outputs, frequencies.

    Returns
    -------
    dlarray
        Real, with the format of `x` and as many channels as outputs.

    Raises
    ------
    FormatError
        If `x` has no dimension S or C.
    ShapeMismatchError
        If the weights do not fit the dimensions of `x`.

    See Also
    --------
    dlconv : convolution
    fft.fft : discrete Fourier transform

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
    array, strip = formatted(name, x, data_format, weights)
    spatial, channel = axes_of(array, "S"), axes_of(array, "C")
    if not spatial or not channel:
        raise FormatError(
            f"{name}: x has the format {array._format!r}; it must have dimensions 'S' and 'C'"
        )
    d = len(spatial)
    filters = as_array(name, "weights", weights, array)
    if filters._format is None and weights_format is not None:
        fmt = checked_format(weights_format, filters.shape, f"{name}: weights")
        filters = labelled(filters, fmt)
    filters = in_order(name, "weights", filters, "UC" + "S" * d, "outputs, inputs, frequencies")
    sizes = [array.shape[a] for a in spatial]
    limits = [*sizes[:-1], sizes[-1] // 2 + 1]
    inputs, modes = array.shape[channel[0]], filters.shape[2:]
    if (
        len(modes) != d
        or filters.shape[1] != inputs
        or any(m > limit for m, limit in zip(modes, limits, strict=True))
    ):
        raise ShapeMismatchError(
            f"{name}: weights have shape {filters.shape}; for x of {described(array)} they must be "
            f"(outputs, {inputs}, then at most {', '.join(map(str, limits))} frequencies)"
        )
    others = tuple([a for a in range(array.ndim) if a not in (*spatial, *channel)])
    order = (*spatial, *others, *channel)
    spectrum = rfft(permute_dims(unlabelled(array), order), axis=d - 1)
    if d > 1:
        spectrum = fftn(spectrum, axes=tuple(range(d - 1)))
    places = [_lowest_places(m, s) for m, s in zip(modes[:-1], sizes[:-1], strict=True)]
    places.append(np.arange(modes[-1]))
    # Only the frequencies that the weights have are multiplied; they are few.
    for axis, chosen in enumerate(places):
        spectrum = take(spectrum, chosen, axis=axis)
    # A product of matrices for each frequency: the rest of the dimensions times the filter.
    kernel = permute_dims(filters, (*range(2, 2 + d), 1, 0))
    kernel = reshape(kernel, (*modes, *(1,) * (len(others) - 1), *kernel.shape[-2:]))
    y = matmul(spectrum if others else expand_dims(spectrum, axis=-2), kernel)
    y = y if others else squeeze(y, axis=-2)
    for axis, (chosen, limit) in enumerate(zip(places, limits, strict=True)):
        y = put(y, chosen, shape=(*y.shape[:axis], limit, *y.shape[axis + 1 :]), axis=axis)
    y = permute_dims(irfftn(y, s=sizes, axes=tuple(range(d))), tuple(np.argsort(order).tolist()))
    return finished(labelled(y, array._format), strip)
