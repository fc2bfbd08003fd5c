"""Parts of complex arrays: real, imag, conj, angle, abs, and making complex arrays of two real ones.

Real values made of complex ones take the real part of their cotangent. Of a real array, ``real`` and
``conj`` are the identity, ``imag`` and ``angle`` have no derivative.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from dlgradient.errors import ComplexValueError
from dlgradient.ops.choice import where
from dlgradient.ops.logical import equal
from dlgradient.ops.rounding import sign
from dlgradient.ops.samples import case
from dlgradient.rules import general, linear

__all__ = ["abs", "angle", "complex", "conj", "imag", "real"]


def _samples(m: Any) -> list[Any]:
    return [case(m.complex(3)), case(m.complex()), case(m.complex(2, 0)), case(m.real(2, 2))]


@linear(
    x=lambda g, x_like: real(g) if x_like.dtype.kind == "c" else g,
    samples=_samples,
    numpy=np.real,
)
def real(x: Any, /) -> Any:
    """Real part, elementwise."""
    return x.real


@linear(
    vjp=lambda g, x_like: (1j * real(g) if x_like.dtype.kind == "c" else None,),
    samples=_samples,
    numpy=np.imag,
)
def imag(x: Any, /) -> Any:
    """Imaginary part, elementwise."""
    return x.imag


@linear(
    x=lambda g, x_like: conj(g) if x_like.dtype.kind == "c" else g,
    kernel=np.conjugate,
    samples=_samples,
    numpy=np.conjugate,
)
def conj(x: Any, /) -> Any:
    """Complex conjugate, elementwise."""


@general(
    x=lambda g, x: (real(g) if x.dtype.kind == "c" else g) * sign(x),
    jvp={"x": lambda t, x: real(conj(sign(x)) * t) if x.dtype.kind == "c" else t * sign(x)},
    labels="align",
    kernel=operator.abs,
    samples=_samples,
    numpy=np.absolute,
)
def abs(x: Any, /) -> Any:
    """Absolute value, elementwise."""


def _across(x: Any) -> Any:
    """i x / |x|², the gradient of the angle; 0 at 0."""
    r = abs(x)
    return where(equal(r, 0), 0, 1j * sign(x) / r)


def _angle_vjp(g: Any, x: Any) -> Any:
    return (real(g) * _across(x) if x.dtype.kind == "c" else None,)


def _angle_jvp(t: Any, x: Any) -> Any:
    return real(conj(_across(x)) * t) if x.dtype.kind == "c" else where(False, t, 0)


@general(
    vjp=_angle_vjp,
    jvp={"x": _angle_jvp},
    labels="align",
    samples=_samples,
    numpy=np.angle,
)
def angle(x: Any, /) -> Any:
    """Angle of complex elements in radians."""
    return np.arctan2(x.imag, x.real)


@linear(
    re=lambda g: real(g),
    im=lambda g: imag(g),
    labels="align",
    samples=lambda m: [case(m.real(3), m.real(3)), case(m.real(2, 1), m.real(3))],
    reference=lambda re, im: re + 1j * im,
)
def complex(re: Any, im: Any, /) -> Any:
    """Complex array of a real and an imaginary part."""
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
