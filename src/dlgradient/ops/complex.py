"""Parts of complex arrays (real, imag, conj, angle, abs), and complex arrays of two real ones.

Real values made of complex ones take the real part of their cotangent. Of a real array, ``real``
and ``conj`` are the identity, ``imag`` and ``angle`` have no derivative.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dlgradient.core.samples import Error, case
from dlgradient.errors import ComplexValueError, ShapeMismatchError
from dlgradient.ops.choice import where
from dlgradient.ops.logical import equal
from dlgradient.ops.rounding import sign
from dlgradient.rules import general, linear

__all__ = ["abs", "angle", "complex", "conj", "imag", "real"]


def _samples(m: Any) -> list[Any]:
    return [case(m.complex(3)), case(m.complex()), case(m.complex(2, 0)), case(m.real(2, 2))]


def _real_part(g: Any) -> Any:
    return real(g)


@linear(
    x=_real_part,
    samples=_samples,
    numpy=np.real,
)
def real(x: Any, /) -> Any:
    """Real part, elementwise.

    The gradient is the real part of the cotangent.

    Parameters
    ----------
    x : dlarray or array_like
        Real or complex.

    Returns
    -------
    dlarray or array
        Of the shape and format of `x`, and real.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.real(dl.dlarray([1 + 2j, 3.0]))
    1×2 dlarray
    [1. 3.]

    Source: array-API ``real``; MATLAB ``real``.
    """
    return x.real


@linear(
    vjp=lambda g, x_like: (real(g) * 1j if x_like.dtype.kind == "c" else None,),
    samples=_samples,
    numpy=np.imag,
)
def imag(x: Any, /) -> Any:
    """Imaginary part, elementwise; zero for real elements.

    The gradient for complex `x` is i times the real part of the cotangent; real `x` gets none.

    Parameters
    ----------
    x : dlarray or array_like
        Real or complex.

    Returns
    -------
    dlarray or array
        Of the shape and format of `x`, and real.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.imag(dl.dlarray([1 + 2j, 3.0]))
    1×2 dlarray
    [2. 0.]

    Source: array-API ``imag``; MATLAB ``imag``.
    """
    return x.imag


def _conj_x(g: Any, x_like: Any) -> Any:
    return conj(g) if x_like.dtype.kind == "c" else g


@linear(
    x=_conj_x,
    kernel=np.conjugate,
    samples=_samples,
    numpy=np.conjugate,
)
def conj(x: Any, /) -> Any:
    """Complex conjugate, elementwise; real elements stay what they are.

    The gradient for complex `x` is the conjugate of the cotangent.

    Parameters
    ----------
    x : dlarray or array_like
        Real or complex.

    Returns
    -------
    dlarray or array
        Of the shape, dtype and format of `x`.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.conj(dl.dlarray([1 + 2j, 3.0]))
    1×2 complex128 dlarray
    [1.-2.j 3.-0.j]

    Source: array-API ``conj``; MATLAB ``conj``.
    """


@general(
    x=lambda g, x: real(g) * sign(x),
    jvp={"x": lambda t, x: real(conj(sign(x)) * t) if x.dtype.kind == "c" else t * sign(x)},
    format="align",
    kernel=operator.abs,
    samples=lambda m: [
        *_samples(m),
        case(m.real()),
        case(np.array([-1.0, 0.0, 2.0]), kink=True, gradient={"x": np.array([-1.0, 0.0, 1.0])}),
        case(
            np.array([0j, 3e-320j, 3e-23 + 4e-23j]), kink=True, gradient={"x": [0, 1j, 0.6 + 0.8j]}
        ),
    ],
    numpy=np.absolute,
)
def abs(x: Any, /) -> Any:
    """Absolute value of real elements, modulus of complex ones.

    The gradient is sign(x), which for complex elements is x / abs(x), the direction of steepest
    ascent. At 0, a kink, it is 0, the subgradient of minimum norm. Tiny elements neither overflow
    nor vanish.

    Parameters
    ----------
    x : dlarray or array_like
        Real or complex.

    Returns
    -------
    dlarray or array
        Of the shape and format of `x`, and real.

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([3 + 4j, 0.0])
    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.abs(x).sum(), x), x)
    1×2 complex128 dlarray
    [0.6+0.8j 0. +0.j ]

    Source: array-API ``abs``; MATLAB ``abs``.
    """


def _across(x: Any) -> Any:
    """Gradient of the angle, i x / |x|²; 0 at 0."""
    r = abs(x)
    return where(equal(r, 0), 0, 1j * sign(x) / r)


def _angle_vjp(g: Any, x: Any) -> Any:
    return (real(g) * _across(x) if x.dtype.kind == "c" else None,)


def _angle_jvp(t: Any, x: Any) -> Any:
    return real(conj(_across(x)) * t) if x.dtype.kind == "c" else where(False, t, 0)


@general(
    vjp=_angle_vjp,
    jvp={"x": _angle_jvp},
    format="align",
    samples=lambda m: [
        *_samples(m),
        case(np.array([0j, 2.0]), kink=True, gradient={"x": np.array([0, 0.5j])}),
    ],
    numpy=np.angle,
)
def angle(x: Any, /) -> Any:
    """Angle of complex elements in radians, from -π to π.

    The gradient is i x / abs(x)², and 0 at 0, where there is none. Real elements have the angle 0
    or π, without derivative.

    Parameters
    ----------
    x : dlarray or array_like
        Real or complex.

    Returns
    -------
    dlarray or array
        Of the shape and format of `x`, and real.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.angle(dl.dlarray([1j, -1.0]))
    1×2 dlarray
    [1.57079633 3.14159265]

    Source: NumPy ``angle``; MATLAB ``angle``.
    """
    return np.arctan2(x.imag, x.real)


@linear(
    re=real,
    im=imag,
    format="align",
    samples=lambda m: [
        case(m.real(3), m.real(3)),
        case(m.real(2, 1), m.real(3)),
        case(m.real(), m.real()),
        case(0.0, m.real(2)),
        case(m.real(0), m.real(1)),
    ],
    errors=lambda m: [
        Error(case(m.real(3), m.real(2)), ShapeMismatchError, "broadcast"),
        Error(case(m.complex(3), m.real(3)), ComplexValueError, "re and im must be real"),
    ],
    reference=lambda re, im: re + 1j * im,
)
def complex(re: Any, im: Any, /) -> Any:
    """Complex elements from real and imaginary parts: re + i im.

    Unlike that sum it is right for infinite parts. The gradients are the real and the imaginary
    part of the cotangent.

    Parameters
    ----------
    re, im : dlarray or array_like
        Real; shapes broadcast, formats align by label.

    Returns
    -------
    dlarray or array
        Of the broadcast shape; complex64 if both parts are float32.

    Raises
    ------
    ShapeMismatchError
        If the shapes do not broadcast.
    ComplexValueError
        If an operand is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.complex(dl.dlarray([1.0, 2.0]), 0.5)
    1×2 complex128 dlarray
    [1.+0.5j 2.+0.5j]

    Source: MATLAB ``complex``.
    """
    dtype = np.result_type(re, im)
    if dtype.kind == "c":
        raise ComplexValueError(
            f"complex: re and im must be real, their common dtype is {dtype}; take real(x) and "
            "imag(x) first"
        )
    out = np.empty(np.broadcast_shapes(np.shape(re), np.shape(im)), np.result_type(dtype, "F"))
    out.real = re
    out.imag = im
    return out[()]
