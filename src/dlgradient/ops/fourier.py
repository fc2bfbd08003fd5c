"""Discrete Fourier transforms.

Transforms are linear. The adjoint of one is the inverse transform with the other scaling, cut or
padded to the length of the operand.

NumPy computes the transforms; single precision stays single precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Axes, Count, Kernel, Lengths, Operand, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.casting import astype
from dlgradient.ops.join import concat
from dlgradient.rules import derived, linear

__all__ = ["fft", "fft2", "fftn", "ifft", "ifft2", "ifftn"]

# The scaling of the adjoint: the other transform of the pair is divided by the length.
Norm: TypeAlias = Literal["backward", "ortho", "forward"]
OPPOSITE_NORM: dict[str, Norm] = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def checked_axis(name: str, x: Value, axis: int) -> int:
    ndim = np.ndim(x)
    if not -ndim <= axis < ndim:
        raise InvalidArgumentError(
            f"{name}: axis is {axis!r}, x has shape {np.shape(x)}; it must be from "
            f"{-ndim} to {ndim - 1}"
            if ndim
            else f"{name}: x has no dimension to transform; make it one with reshape"
        )
    return axis


def fit_length(x: Value, axis: int, size: int) -> Value:
    """Cut or pad with zeros to `size` along a dimension."""
    have = x.shape[axis]
    if have > size:
        return x[(*[slice(None)] * (axis % x.ndim), slice(0, size))]
    if have < size:
        shape = list(x.shape)
        shape[axis] = size - have
        return concat([x, np.zeros(shape, x.dtype)], axis=axis)
    return x


def _check_not_empty(name: str, shape: Sequence[int]) -> None:
    if 0 in shape:
        raise InvalidArgumentError(
            f"{name}: the dimension of x to transform is empty; give a length, or another axis"
        )


def transform_axis(
    name: str, transform: Kernel, x: Value, n: int | None, axis: int, norm: str
) -> Value:
    """Check the arguments, and transform one dimension."""
    axis = checked_axis(name, x, axis)
    if n is None:
        _check_not_empty(name, (x.shape[axis],))
    return transform(x, n=n, axis=axis, norm=norm)


def _fft_adjoint(g: Value, x_like: Value, axis: int, norm: str) -> Value:
    return fit_length(ifft(g, axis=axis, norm=OPPOSITE_NORM[norm]), axis, x_like.shape[axis])


def _ifft_adjoint(g: Value, x_like: Value, axis: int, norm: str) -> Value:
    return fit_length(fft(g, axis=axis, norm=OPPOSITE_NORM[norm]), axis, x_like.shape[axis])


@linear(
    x=_fft_adjoint,
    samples=lambda m: _axis_samples(m),
    errors=lambda m: one_axis_errors(m),
    numpy=np.fft.fft,
)
def fft(x: Operand, /, n: Count | None = None, axis: int = -1, norm: Norm = "backward") -> Value:
    """Discrete Fourier transform, yₖ = Σⱼ xⱼ exp(−2πi jk/n).

    Parameters
    ----------
    x : array
        Real or complex.
    n : int, optional
        Length of the transform: `x` is cut, or padded with zeros at its end; by default its size.
    axis : int
        Dimension to transform.
    norm : {"backward", "ortho", "forward"}
        Whether the result is divided by 1, √n or n.

    Returns
    -------
    array
        Complex, of the precision and the format of `x`.

    Raises
    ------
    InvalidArgumentError
        If `n`, `axis` or `norm` is not valid for `x`.

    See Also
    --------
    ifft : inverse discrete Fourier transform
    rfft : Fourier transform of real values
    fft2 : Fourier transform of two dimensions
    fftn : Fourier transform of several dimensions

    Examples
    --------
    >>> dl.fft.fft(dl.dlarray([1.0, 0.0, -1.0, 0.0])).tolist()
    [0j, (2+0j), 0j, (2+0j)]

    Source: array-API ``fft.fft``; MATLAB ``fft``.
    """
    return transform_axis("fft", np.fft.fft, x, n, axis, norm)


@linear(
    x=_ifft_adjoint,
    samples=lambda m: _axis_samples(m),
    errors=lambda m: one_axis_errors(m),
    numpy=np.fft.ifft,
)
def ifft(x: Operand, /, n: Count | None = None, axis: int = -1, norm: Norm = "backward") -> Value:
    """Inverse discrete Fourier transform, yⱼ = (1/n) Σₖ xₖ exp(2πi jk/n).

    Parameters
    ----------
    x : array
        Real or complex.
    n : int, optional
        Length of the transform: `x` is cut, or padded with zeros at its end; by default its size.
    axis : int
        Dimension to transform.
    norm : {"backward", "ortho", "forward"}
        Whether the result is divided by n, √n or 1.

    Returns
    -------
    array
        Complex, of the precision and the format of `x`.

    Raises
    ------
    InvalidArgumentError
        If `n`, `axis` or `norm` is not valid for `x`.

    See Also
    --------
    fft : discrete Fourier transform
    irfft : real values of half a spectrum
    ifftn : inverse Fourier transform of several dimensions

    Examples
    --------
    >>> dl.fft.ifft(dl.fft.fft(dl.dlarray([1.0, 2.0, 3.0, 4.0]))).tolist()
    [(1+0j), (2+0j), (3+0j), (4+0j)]

    Source: array-API ``fft.ifft``; MATLAB ``ifft``.
    """
    return transform_axis("ifft", np.fft.ifft, x, n, axis, norm)


# -- several dimensions --------------------------------------------------------------------------


def _chosen_axes(ndim: int, s: Sequence[int] | None, axes: Axes | None) -> Sequence[int]:
    """Return the dimensions to transform: the given ones, the last `len(s)`, or all."""
    if axes is not None:
        return axes
    return range(ndim) if s is None else range(ndim - len(s), ndim)


def checked_axes(name: str, x: Value, s: Sequence[int] | None, axes: Axes | None) -> Axes:
    """Return the dimensions to transform, not negative."""
    ndim = np.ndim(x)
    chosen = _chosen_axes(ndim, s, axes)
    found = tuple(checked_axis(name, x, a) % ndim for a in chosen)
    if s is not None and len(s) != len(found):
        raise InvalidArgumentError(
            f"{name}: s is {s!r} for the axes {found}; give one length for each"
        )
    if len(set(found)) != len(found):
        raise InvalidArgumentError(f"{name}: axes {tuple(chosen)} names a dimension twice")
    return found


def _transform_axes(
    name: str, transform: Kernel, x: Value, s: Sequence[int] | None, axes: Axes | None, norm: str
) -> Value:
    found = checked_axes(name, x, s, axes)
    # Without a dimension there is nothing to transform, but the result is complex.
    if not found:
        return astype(x, dtype=np.result_type(x, np.complex64))
    if s is None:
        _check_not_empty(name, [x.shape[a] for a in found])
        return transform(x, axes=found, norm=norm)
    return transform(x, s=s, axes=found, norm=norm)


def _axes_adjoint(
    inverse: Callable[..., Value],
    g: Value,
    x_like: Value,
    s: Sequence[int] | None,
    axes: Axes | None,
    norm: str,
) -> Value:
    shape = x_like.shape
    chosen = _chosen_axes(len(shape), s, axes)
    g = inverse(g, axes=tuple(chosen), norm=OPPOSITE_NORM[norm])
    # The adjoint of padding is cutting, and that of cutting is padding.
    for axis in chosen:
        g = fit_length(g, axis, shape[axis])
    return g


def _fftn_adjoint(
    g: Value, x_like: Value, s: Sequence[int] | None, axes: Axes | None, norm: str
) -> Value:
    return _axes_adjoint(ifftn, g, x_like, s, axes, norm)


def _ifftn_adjoint(
    g: Value, x_like: Value, s: Sequence[int] | None, axes: Axes | None, norm: str
) -> Value:
    return _axes_adjoint(fftn, g, x_like, s, axes, norm)


@linear(
    x=_fftn_adjoint,
    samples=lambda m: _axes_samples(m),
    errors=lambda m: _axes_errors(m),
    numpy=np.fft.fftn,
)
def fftn(
    x: Operand, /, s: Lengths | None = None, axes: Axes | None = None, norm: Norm = "backward"
) -> Value:
    """Discrete Fourier transform over several dimensions.

    Parameters
    ----------
    x : array
        Real or complex.
    s : sequence of int, optional
        Length of the transform for each axis: `x` is cut, or padded with zeros at the ends.
    axes : sequence of int, optional
        Dimensions to transform; by default all, or the last ``len(s)``.
    norm : {"backward", "ortho", "forward"}
        Whether the result is divided by 1, √n or n, the number of elements transformed.

    Returns
    -------
    array
        Complex, of the precision and the format of `x`.

    Raises
    ------
    InvalidArgumentError
        If `s`, `axes` or `norm` is not valid for `x`.

    See Also
    --------
    ifftn : inverse Fourier transform of several dimensions
    fft2 : Fourier transform of two dimensions
    rfftn : Fourier transform of real values of several dimensions

    Examples
    --------
    >>> dl.fft.fftn(dl.dlarray([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[(10+0j), (-2+0j)], [(-4+0j), 0j]]

    Source: array-API ``fft.fftn``; MATLAB ``fftn``.
    """
    return _transform_axes("fftn", np.fft.fftn, x, s, axes, norm)


@linear(
    x=_ifftn_adjoint,
    samples=lambda m: _axes_samples(m),
    errors=lambda m: _axes_errors(m),
    numpy=np.fft.ifftn,
)
def ifftn(
    x: Operand, /, s: Lengths | None = None, axes: Axes | None = None, norm: Norm = "backward"
) -> Value:
    """Inverse discrete Fourier transform over several dimensions.

    Parameters
    ----------
    x : array
        Real or complex.
    s : sequence of int, optional
        Length of the transform for each axis: `x` is cut, or padded with zeros at the ends.
    axes : sequence of int, optional
        Dimensions to transform; by default all, or the last ``len(s)``.
    norm : {"backward", "ortho", "forward"}
        Whether the result is divided by n, √n or 1, with n the number of elements transformed.

    Returns
    -------
    array
        Complex, of the precision and the format of `x`.

    Raises
    ------
    InvalidArgumentError
        If `s`, `axes` or `norm` is not valid for `x`.

    See Also
    --------
    fftn : Fourier transform of several dimensions
    ifft2 : inverse Fourier transform of two dimensions
    irfftn : real values of half a spectrum of several dimensions

    Examples
    --------
    >>> dl.fft.ifftn(dl.dlarray([[10.0, -2.0], [-4.0, 0.0]])).tolist()
    [[(1+0j), (2+0j)], [(3+0j), (4+0j)]]

    Source: array-API ``fft.ifftn``; MATLAB ``ifftn``.
    """
    return _transform_axes("ifftn", np.fft.ifftn, x, s, axes, norm)


@derived(samples=lambda m: _two_axes_samples(m), numpy=np.fft.fft2)
def fft2(
    x: Operand,
    /,
    s: Lengths | None = None,
    axes: Axes | None = (-2, -1),
    norm: Norm = "backward",
) -> Value:
    """Discrete Fourier transform over two dimensions, by default the last ones.

    Parameters
    ----------
    x : array
    s, axes, norm
        As in `fftn`.

    See Also
    --------
    ifft2 : inverse Fourier transform of two dimensions
    fft : discrete Fourier transform
    fftn : Fourier transform of several dimensions

    Examples
    --------
    >>> dl.fft.fft2(dl.dlarray([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [[(10+0j), (-2+0j)], [(-4+0j), 0j]]

    Source: NumPy ``fft.fft2``; MATLAB ``fft2``.
    """
    return fftn(x, s=s, axes=axes, norm=norm)


@derived(samples=lambda m: _two_axes_samples(m), numpy=np.fft.ifft2)
def ifft2(
    x: Operand,
    /,
    s: Lengths | None = None,
    axes: Axes | None = (-2, -1),
    norm: Norm = "backward",
) -> Value:
    """Inverse discrete Fourier transform over two dimensions, by default the last ones.

    Parameters
    ----------
    x : array
    s, axes, norm
        As in `ifftn`.

    See Also
    --------
    fft2 : Fourier transform of two dimensions
    ifft : inverse discrete Fourier transform
    ifftn : inverse Fourier transform of several dimensions

    Examples
    --------
    >>> dl.fft.ifft2(dl.dlarray([[10.0, -2.0], [-4.0, 0.0]])).tolist()
    [[(1+0j), (2+0j)], [(3+0j), (4+0j)]]

    Source: NumPy ``fft.ifft2``; MATLAB ``ifft2``.
    """
    return ifftn(x, s=s, axes=axes, norm=norm)


# -- samples -------------------------------------------------------------------------------------


def _axis_samples(m: Maker) -> list[Case]:
    return [
        case(m.complex(4)),
        case(m.real(5)),
        case(m.complex(2, 3), axis=0),
        case(m.real(3, 2), n=4, axis=0),
        case(m.complex(2, 5), n=3),
        case(m.complex(2, 3, 2), axis=1, norm="ortho"),
        case(m.real(2, 3), norm="forward"),
        case(m.complex(1)),
        case(m.complex(0, 3)),
    ]


def one_axis_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 3), axis=2), InvalidArgumentError, r"axis is 2.*\(2, 3\).*-2 to 1"),
        Error(case(m.real()), InvalidArgumentError, "no dimension"),
        Error(case(m.real(3), n=0), InvalidArgumentError, "n must be .*at least 1.*not 0"),
        Error(
            case(m.real(3), norm="unitary"),
            InvalidArgumentError,
            "norm must be .*'ortho'.*not 'unitary'",
        ),
        Error(case(m.real(0)), InvalidArgumentError, "is empty"),
    ]


def _axes_samples(m: Maker) -> list[Case]:
    return [
        case(m.complex(2, 3)),
        case(m.real(2, 3, 2)),
        case(m.complex(2, 3, 2), axes=(0, -1), norm="ortho"),
        case(m.real(2, 3), s=(3, 2), axes=(1, 0)),
        case(m.complex(3, 2), s=(2, 4), axes=(0, 1), norm="forward"),
        case(m.complex(4)),
        case(m.complex(0, 2, 2), axes=(1, 2)),
        case(m.complex(2, 3), s=(4,)),
        case(m.real(2, 3), s=(1,)),
    ]


def _axes_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 3), axes=(0, 2)), InvalidArgumentError, "axis is 2"),
        Error(case(m.real(2, 3), axes=(0, -2)), InvalidArgumentError, "twice"),
        Error(case(m.real(2, 3), s=(2,), axes=(0, 1)), InvalidArgumentError, "one length for each"),
        Error(
            case(m.real(2, 3), s=(2, 0), axes=(0, 1)),
            InvalidArgumentError,
            "s must be .*at least 1",
        ),
        Error(case(m.real(2, 0)), InvalidArgumentError, "is empty"),
    ]


def _two_axes_samples(m: Maker) -> list[Case]:
    return [
        case(m.complex(2, 3)),
        case(m.real(2, 3, 2), norm="ortho"),
        case(m.real(2, 3), s=(3, 2)),
        case(m.complex(2, 3, 2), axes=(0, 1)),
    ]
