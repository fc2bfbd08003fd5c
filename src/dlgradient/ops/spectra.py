"""Fourier transforms of real signals, from half of the spectrum, and orders of frequencies.

The adjoint of `rfft` is the full inverse transform of the half spectrum. So a real signal that acts
through complex values has a complex gradient, as everywhere. `irfft` turns complex values into real
ones, and uses the real part of its cotangent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import (
    Array,
    Axes,
    AxisLike,
    Count,
    Device,
    DtypeLike,
    Lengths,
    Operand,
    Positive,
    Value,
)
from dlgradient.core.values import as_value
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.casting import supported_dtype
from dlgradient.ops.complex import conj, real
from dlgradient.ops.create import wrap_new
from dlgradient.ops.fourier import (
    OPPOSITE_NORM,
    Norm,
    checked_axes,
    checked_axis,
    fftn,
    fit_length,
    ifft,
    ifftn,
    one_axis_errors,
    transform_axis,
)
from dlgradient.ops.permute import roll
from dlgradient.ops.shape import reshape
from dlgradient.rules import derived, linear

__all__ = [
    "fftfreq",
    "fftshift",
    "hfft",
    "ifftshift",
    "ihfft",
    "irfft",
    "irfftn",
    "rfft",
    "rfftfreq",
    "rfftn",
]


# -- real signals --------------------------------------------------------------------------------


def _rfft_adjoint(g: Value, x_like: Value, n: int | None, axis: int, norm: str) -> Value:
    size = x_like.shape[axis]
    length = size if n is None else n
    # The half spectrum is the full one, cut; the adjoint pads it with zeros.
    full = ifft(fit_length(g, axis, length), axis=axis, norm=OPPOSITE_NORM[norm])
    return fit_length(full, axis, size)


@linear(
    x=_rfft_adjoint,
    samples=lambda m: _rfft_samples(m),
    errors=one_axis_errors,
    numpy=np.fft.rfft,
)
def rfft(x: Operand, /, n: Count | None = None, axis: int = -1, norm: Norm = "backward") -> Value:
    """First half of the discrete Fourier transform of a real signal, yₖ for k from 0 to n // 2.

    The other half is its complex conjugate.

    Parameters
    ----------
    x : array
        Real. (For a complex signal, the result is also the first half.)
    n : int, optional
        Length of the transform: `x` is cut, or padded with zeros at its end; by default its size.
    axis : int
        Dimension to transform.
    norm : {"backward", "ortho", "forward"}
        Whether the result is divided by 1, √n or n.

    Returns
    -------
    array
        Complex, of the precision and the format of `x`, with n // 2 + 1 elements along `axis`.

    Raises
    ------
    InvalidArgumentError
        If `n`, `axis` or `norm` is not valid for `x`.

    See Also
    --------
    irfft : real values of half a spectrum
    fft : discrete Fourier transform
    rfftn : Fourier transform of real values of several dimensions

    Examples
    --------
    >>> dl.fft.rfft(dl.dlarray([1.0, 0.0, -1.0, 0.0])).tolist()
    [0j, (2+0j), 0j]

    Source: array-API ``fft.rfft``.
    """
    if x.dtype.kind != "c":
        return transform_axis("rfft", np.fft.rfft, x, n, axis, norm)
    # Rules apply `rfft` to cotangents, which may be complex.
    full = transform_axis("rfft", np.fft.fft, x, n, axis, norm)
    return fit_length(full, axis, full.shape[axis] // 2 + 1)


def _rfft_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4)),
        case(m.real(5)),
        case(m.real(2, 3), axis=0),
        case(m.real(3, 2), n=4, axis=0),
        case(m.real(2, 5), n=3, norm="ortho"),
        case(m.real(1)),
        case(m.real(0, 4), norm="forward"),
    ]


def _irfft_adjoint(g: Value, x_like: Value, n: int | None, axis: int, norm: str) -> Value:
    size = x_like.shape[axis]
    length = 2 * (size - 1) if n is None else n
    # The result is real, so only the real part of its cotangent counts.
    half = rfft(real(g), n=length, axis=axis, norm=OPPOSITE_NORM[norm])
    # All but the ends of the half spectrum count twice in the full one.
    weights = np.full(length // 2 + 1, 2, half.real.dtype)
    weights[0] = 1
    if length % 2 == 0:
        weights[-1] = 1
    shape = [1] * len(x_like.shape)
    shape[axis] = -1
    return fit_length(half * weights.reshape(shape), axis, size)


@linear(
    x=_irfft_adjoint,
    samples=lambda m: _irfft_samples(m),
    errors=lambda m: _irfft_errors(m),
    numpy=np.fft.irfft,
)
def irfft(x: Operand, /, n: Count | None = None, axis: int = -1, norm: Norm = "backward") -> Value:
    """Real signal from the first half of its spectrum; the inverse of `rfft`.

    The imaginary parts of the first element, and of the last if n is even, have no effect.

    Parameters
    ----------
    x : array
        The first half of the spectrum.
    n : int, optional
        Length of the result; by default 2 (m − 1) for m elements. It determines how many elements
        of `x` are used, n // 2 + 1; missing elements are zero.
    axis : int
        Dimension to transform.
    norm : {"backward", "ortho", "forward"}
        Whether the result is divided by n, √n or 1.

    Returns
    -------
    array
        Real, of the precision and the format of `x`.

    Raises
    ------
    InvalidArgumentError
        If `n`, `axis` or `norm` is not valid for `x`.

    See Also
    --------
    rfft : Fourier transform of real values
    ifft : inverse discrete Fourier transform
    hfft : real spectrum of half a Hermitian signal

    Examples
    --------
    >>> dl.fft.irfft(dl.dlarray([6.0 + 0j, -1.5 + 0.5j]), n=3).shape
    (3,)

    Source: array-API ``fft.irfft``; MATLAB ``ifft(X, "symmetric")``.
    """
    if n is None and x.ndim and x.shape[checked_axis("irfft", x, axis)] < 2:
        raise InvalidArgumentError(
            "irfft: a half spectrum of one element does not say how long the signal is; give n="
        )
    return transform_axis("irfft", np.fft.irfft, x, n, axis, norm)


def _irfft_samples(m: Maker) -> list[Case]:
    return [
        case(m.complex(3)),
        case(m.complex(3), n=5),
        case(m.complex(4), n=4, norm="ortho"),
        case(m.complex(2, 3), axis=0, n=3),
        case(m.complex(2, 3), n=7, norm="forward"),
        case(m.real(3)),
        case(m.complex(2), n=1),
        case(m.complex(0, 3)),
    ]


def _irfft_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.complex(1)), InvalidArgumentError, "one element.*n="),
        Error(case(m.complex(2, 3), axis=2), InvalidArgumentError, "axis is 2"),
        Error(case(m.complex(3), n=0), InvalidArgumentError, "n must be .*at least 1.*not 0"),
    ]


def _lengths(s: Sequence[int] | None) -> tuple[Sequence[int] | None, int | None]:
    return (None, None) if s is None else (tuple(s[:-1]), s[-1])


@derived(
    samples=lambda m: _rfftn_samples(m),
    numpy=np.fft.rfftn,
)
def rfftn(
    x: Operand, /, s: Lengths | None = None, axes: Axes | None = None, norm: Norm = "backward"
) -> Value:
    """First half of the discrete Fourier transform of a real signal over several dimensions.

    The transform is `rfft` along the last axis, and `fft` along the others.

    Parameters
    ----------
    x : array
        Real.
    s, axes, norm
        As in `fftn`.

    See Also
    --------
    irfftn : real values of half a spectrum of several dimensions
    rfft : Fourier transform of real values
    fftn : Fourier transform of several dimensions

    Examples
    --------
    >>> dl.fft.rfftn(dl.dlarray([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[(10+0j), (-2+0j)], [(-4+0j), 0j]]

    Source: array-API ``fft.rfftn``.
    """
    chosen = checked_axes("rfftn", x, s, axes)
    if not chosen:
        raise InvalidArgumentError("rfftn: there is no axis to transform; give at least one")
    others, last = _lengths(s)
    # The real dimension first, while its values are real; the others are complex transforms.
    half = rfft(x, n=last, axis=chosen[-1], norm=norm)
    return fftn(half, s=others, axes=chosen[:-1], norm=norm)


def _rfftn_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 3)),
        case(m.real(2, 3, 4), axes=(1, 0), norm="ortho"),
        case(m.real(2, 3), s=(3, 4), axes=(0, 1)),
        case(m.real(4)),
    ]


@derived(
    samples=lambda m: _irfftn_samples(m),
    numpy=np.fft.irfftn,
)
def irfftn(
    x: Operand, /, s: Lengths | None = None, axes: Axes | None = None, norm: Norm = "backward"
) -> Value:
    """Real signal from the first half of its spectrum in several dimensions; inverse of `rfftn`.

    Parameters
    ----------
    x : array
        The half spectrum.
    s : sequence of int, optional
        Lengths of the result, one for each axis; the last is 2 (m − 1) by default.
    axes, norm
        As in `ifftn`.

    See Also
    --------
    rfftn : Fourier transform of real values of several dimensions
    irfft : real values of half a spectrum
    ifftn : inverse Fourier transform of several dimensions

    Examples
    --------
    >>> x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]])
    >>> dl.fft.irfftn(dl.fft.rfftn(x)).tolist()
    [[1.0, 2.0], [3.0, 4.0]]

    Source: array-API ``fft.irfftn``.
    """
    chosen = checked_axes("irfftn", x, s, axes)
    if not chosen:
        raise InvalidArgumentError("irfftn: there is no axis to transform; give at least one")
    others, last = _lengths(s)
    # The other way round: the half spectrum comes last.
    half = ifftn(x, s=others, axes=chosen[:-1], norm=norm)
    return irfft(half, n=last, axis=chosen[-1], norm=norm)


def _irfftn_samples(m: Maker) -> list[Case]:
    return [
        case(m.complex(2, 3)),
        case(m.complex(3, 2, 4), axes=(1, 0), norm="ortho"),
        case(m.complex(2, 3), s=(3, 5), axes=(0, 1)),
        case(m.complex(4), s=(3,), axes=(0,)),
    ]


@derived(
    samples=lambda m: [case(m.complex(3)), case(m.complex(2, 3), n=5), case(m.real(3), axis=0)],
    numpy=np.fft.hfft,
)
def hfft(x: Operand, /, n: Count | None = None, axis: int = -1, norm: Norm = "backward") -> Value:
    """Real spectrum of a signal with Hermitian symmetry, from the first half of the signal.

    Parameters
    ----------
    x : array
        The first half of the signal.
    n, axis
        As in `irfft`.
    norm : {"backward", "ortho", "forward"}
        Whether the result is divided by 1, √n or n.

    See Also
    --------
    ihfft : half a Hermitian signal of a real spectrum
    irfft : real values of half a spectrum

    Examples
    --------
    >>> dl.fft.hfft(dl.dlarray([1.0, 2.0, 3.0])).tolist()
    [8.0, -2.0, 0.0, -2.0]

    Source: array-API ``fft.hfft``.
    """
    return irfft(conj(x), n=n, axis=axis, norm=OPPOSITE_NORM[norm])


@derived(
    samples=lambda m: [case(m.real(4)), case(m.real(2, 3), n=5), case(m.real(3), axis=0)],
    numpy=np.fft.ihfft,
)
def ihfft(x: Operand, /, n: Count | None = None, axis: int = -1, norm: Norm = "backward") -> Value:
    """First half of the signal with Hermitian symmetry of a real spectrum; the inverse of `hfft`.

    Parameters
    ----------
    x : array
        Real.
    n, axis
        As in `rfft`.
    norm : {"backward", "ortho", "forward"}
        Whether the result is divided by n, √n or 1.

    See Also
    --------
    hfft : real spectrum of half a Hermitian signal
    rfft : Fourier transform of real values

    Examples
    --------
    >>> dl.real(dl.fft.ihfft(dl.dlarray([8.0, -2.0, 0.0, -2.0]))).tolist()
    [1.0, 2.0, 3.0]

    Source: array-API ``fft.ihfft``.
    """
    return conj(rfft(x, n=n, axis=axis, norm=OPPOSITE_NORM[norm]))


# -- order of frequencies ------------------------------------------------------------------------


def _roll_middle(x: Value, axes: AxisLike, places: Callable[[int], int]) -> Value:
    chosen = tuple(range(x.ndim)) if axes is None else axes
    chosen = chosen if isinstance(chosen, tuple | list) else (chosen,)
    if not chosen:
        # A value of its own, not the operand: an assignment to it must not change x.
        return reshape(x, x.shape)
    return roll(x, tuple(places(x.shape[a]) for a in chosen), axis=tuple(chosen))


def _array(name: str, x: Operand) -> Value:
    return x if hasattr(x, "ndim") else as_value(x, f"{name}: x")


@derived(samples=lambda m: _samples_of_shifts(m), numpy=np.fft.fftshift)
def fftshift(x: Operand, /, *, axes: AxisLike = None) -> Value:
    """Order a spectrum by frequency: the frequency zero moves to the middle.

    Parameters
    ----------
    x : array
    axes : int or sequence of int, optional
        Dimensions to reorder; by default all.

    See Also
    --------
    ifftshift : frequency zero moved back to the start
    fftfreq : frequencies of a transform
    dlgradient.roll : elements moved along an axis, around the end

    Examples
    --------
    >>> dl.fft.fftshift(dl.dlarray([0.0, 1.0, 2.0, -2.0, -1.0])).tolist()
    [-2.0, -1.0, 0.0, 1.0, 2.0]

    Source: array-API ``fft.fftshift``; MATLAB ``fftshift``.
    """
    return _roll_middle(_array("fftshift", x), axes, lambda size: size // 2)


@derived(samples=lambda m: _samples_of_shifts(m), numpy=np.fft.ifftshift)
def ifftshift(x: Operand, /, *, axes: AxisLike = None) -> Value:
    """Inverse of `fftshift`: the middle moves to the front.

    Parameters
    ----------
    x : array
    axes : int or sequence of int, optional
        Dimensions to reorder; by default all.

    See Also
    --------
    fftshift : frequency zero moved to the middle
    dlgradient.roll : elements moved along an axis, around the end

    Examples
    --------
    >>> dl.fft.ifftshift(dl.dlarray([-2.0, -1.0, 0.0, 1.0, 2.0])).tolist()
    [0.0, 1.0, 2.0, -2.0, -1.0]

    Source: array-API ``fft.ifftshift``; MATLAB ``ifftshift``.
    """
    return _roll_middle(_array("ifftshift", x), axes, lambda size: -(size // 2))


def _frequencies(
    name: str,
    function: Callable[[int, float], Array],
    n: int,
    d: float,
    dtype: DtypeLike,
) -> Value:
    kind = supported_dtype(dtype if dtype is not None else np.float64, f"{name}: dtype")
    return wrap_new(function(n, d).astype(kind))


@checked
def fftfreq(
    n: Count, /, *, d: Positive = 1.0, dtype: DtypeLike = None, device: Device = None
) -> Value:
    """Frequencies of the elements of `fft`, in cycles per unit of `d`.

    Parameters
    ----------
    n : int
        Length of the signal.
    d : float
        Distance between samples.
    dtype : dtype_like
        float64 by default.
    device : {None, "cpu"}

    See Also
    --------
    rfftfreq : frequencies of a transform of real values
    fftshift : frequency zero moved to the middle

    Examples
    --------
    >>> dl.fft.fftfreq(4).tolist()
    [0.0, 0.25, -0.5, -0.25]

    Source: array-API ``fft.fftfreq``.
    """
    return _frequencies("fftfreq", np.fft.fftfreq, n, d, dtype)


@checked
def rfftfreq(
    n: Count, /, *, d: Positive = 1.0, dtype: DtypeLike = None, device: Device = None
) -> Value:
    """Frequencies of the elements of `rfft`, in cycles per unit of `d`.

    Parameters
    ----------
    n : int
        Length of the signal.
    d : float
        Distance between samples.
    dtype : dtype_like
        float64 by default.
    device : {None, "cpu"}

    See Also
    --------
    fftfreq : frequencies of a transform
    rfft : Fourier transform of real values

    Examples
    --------
    >>> dl.fft.rfftfreq(4).tolist()
    [0.0, 0.25, 0.5]

    Source: array-API ``fft.rfftfreq``.
    """
    return _frequencies("rfftfreq", np.fft.rfftfreq, n, d, dtype)


# -- samples -------------------------------------------------------------------------------------


def _samples_of_shifts(m: Maker) -> list[Case]:
    return [
        case(m.real(5)),
        case(m.complex(4)),
        case(m.real(2, 3)),
        case(m.real(2, 3), axes=1),
        case(m.complex(3, 2, 3), axes=(0, -1)),
        case(m.real(0, 3)),
    ]
