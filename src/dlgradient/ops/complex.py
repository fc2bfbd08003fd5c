"""Parts of complex arrays (real, imag, conj, sign, abs, angle), and arrays made from two parts.

Operations that turn complex values into real ones use the real part of their cotangent. For a real
array, ``real`` and ``conj`` are the identity, and ``imag`` and ``angle`` have no derivative.
"""

from __future__ import annotations

import operator

import numpy as np

from dlgradient.core.samples import Case, Maker, anywhere, case, mismatch
from dlgradient.core.types import Operand, Value
from dlgradient.ops.choice import where
from dlgradient.ops.logical import equal
from dlgradient.rules import general, linear

__all__ = ["abs", "abs2", "angle", "complex", "conj", "imag", "real", "sign"]


def _samples(m: Maker) -> list[Case]:
    return [case(m.complex(3)), case(m.complex()), case(m.complex(2, 0)), case(m.real(2, 2))]


def _real_part(g: Value) -> Value:
    return real(g)


@linear(
    x=_real_part,
    kernel=operator.attrgetter("real"),
    samples=_samples,
    numpy=np.real,
)
def real(x: Operand, /) -> Value:
    """Real part, elementwise.

    The gradient is the real part of the cotangent.

    Examples
    --------
    >>> dl.real(dl.dlarray([1 + 2j, 3.0]))
    dlarray([1., 3.])

    Source: array-API ``real``; MATLAB ``real``.
    """


@linear(
    vjp=lambda g, x_like: (real(g) * 1j if x_like.dtype.kind == "c" else None,),
    kernel=operator.attrgetter("imag"),
    samples=_samples,
    numpy=np.imag,
)
def imag(x: Operand, /) -> Value:
    """Imaginary part, elementwise; zero for real elements.

    The gradient for complex `x` is i times the real part of the cotangent; real `x` gets no
    gradient.

    Examples
    --------
    >>> dl.imag(dl.dlarray([1 + 2j, 3.0]))
    dlarray([2., 0.])

    Source: array-API ``imag``; MATLAB ``imag``.
    """


def _conj_x(g: Value, x_like: Value) -> Value:
    return conj(g) if x_like.dtype.kind == "c" else g


@linear(
    x=_conj_x,
    kernel=np.conjugate,
    samples=_samples,
    numpy=np.conjugate,
)
def conj(x: Operand, /) -> Value:
    """Complex conjugate, elementwise; real elements do not change.

    The gradient for complex `x` is the conjugate of the cotangent.

    Examples
    --------
    >>> dl.conj(dl.dlarray([1 + 2j, 3.0]))
    dlarray([1.-2.j, 3.-0.j])

    Source: array-API ``conj``; MATLAB ``conj``.
    """


def conjugated(x: Value) -> Value:
    """Return the conjugate of what is complex, and real values as they are, without a copy."""
    return conj(x) if x.dtype.kind == "c" else x


def _sign_differential(t: Value, x: Value) -> Value:
    """Return the part of t across x, i s Im(conj(s) t) / |x|; the map is its own adjoint."""
    r = abs(x)
    s = sign(x)
    across = imag(conj(s) * t)
    return where(equal(r, 0), 0, 1j * s * (across / r))


def _sign_vjp(g: Value, x: Value) -> Value:
    return (_sign_differential(g, x) if x.dtype.kind == "c" else None,)


def _sign_jvp(t: Value, x: Value) -> Value:
    return _sign_differential(t, x) if x.dtype.kind == "c" else where(False, t, 0)


def _sign(x: Value) -> Value:
    kind = x.dtype.kind if hasattr(x, "dtype") else np.result_type(x).kind
    if kind != "c":
        return np.sign(x)
    # First divided by the larger part: |x| of a denormal number has few digits.
    x = np.asarray(x)
    larger = np.maximum(np.abs(x.real), np.abs(x.imag))
    unit = np.empty_like(x)
    larger = np.where(larger == 0, 1, larger)
    unit.real = x.real / larger
    unit.imag = x.imag / larger
    length = np.abs(unit)
    return (unit / np.where(length == 0, 1, length))[()]


@general(
    vjp=_sign_vjp,
    jvp={"x": _sign_jvp},
    format="align",
    kernel=_sign,
    samples=lambda m: [
        *anywhere(m),
        case(m.complex()),
        case(np.array([0.0, 2.0]), kink=True, gradient={"x": np.zeros(2)}),
        case(np.array([0j, 2.0, 1e-300j]), kink=True, gradient={"x": [0, 0, 1e300]}),
    ],
    numpy=np.sign,
)
def sign(x: Operand, /) -> Value:
    """Sign of real elements, direction x / abs(x) of complex ones; 0 at 0.

    The derivative of real elements is zero. Of complex ones it is the part of dx that is
    perpendicular to x, divided by abs(x); at 0 it is zero.

    Examples
    --------
    >>> dl.sign(dl.dlarray([-2.0, 0.0])).tolist(), dl.sign(5j).item()
    ([-1.0, 0.0], 1j)

    Source: array-API ``sign``; MATLAB ``sign``.
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
        case(np.array([0j, 2j]), kink=True, gradient={"x": [0, 1j]}),
        case(
            np.array([0j, 3e-320j, 3e-23 + 4e-23j]), kink=True, gradient={"x": [0, 1j, 0.6 + 0.8j]}
        ),
    ],
    numpy=np.absolute,
)
def abs(x: Operand, /) -> Value:
    """Absolute value of real elements, modulus of complex ones, without overflow of the squares.

    The gradient is sign(x), x / abs(x) if complex. At 0, a kink, it is 0, of minimum norm.

    Examples
    --------
    >>> x = dl.dlarray([3j, 0.0])
    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.abs(x).sum(), x), x).tolist()
    [1j, 0j]

    Source: array-API ``abs``; MATLAB ``abs``.
    """


def _abs2(x: Value) -> Value:
    return x.real * x.real + x.imag * x.imag if np.iscomplexobj(x) else x * x


def _abs2_differential(t: Value, x: Value) -> Value:
    return 2 * real(conj(x) * t) if x.dtype.kind == "c" else t * (2 * x)


@general(
    x=lambda g, x: real(g) * (2 * x),
    jvp={"x": _abs2_differential},
    format="align",
    kernel=_abs2,
    samples=lambda m: [*_samples(m), case(m.real()), case(np.array([0j, 2j])), case(np.zeros(2))],
    reference=lambda x: np.abs(x) ** 2,
)
def abs2(x: Operand, /) -> Value:
    """Square of the absolute value or modulus, elementwise: ``|x|²``, real and smooth.

    The gradient is 2 x. ``abs(x)**2`` has the same derivatives, also of second order at 0.

    Examples
    --------
    >>> dl.abs2(dl.dlarray([3 + 4j, 0.0]))
    dlarray([25.,  0.])

    Source: torch ``abs`` squared, Julia ``abs2``; MATLAB ``abs(x).^2``.
    """


def _angle_gradient(x: Value) -> Value:
    """Return the gradient of the angle, i x / |x|²; 0 at 0."""
    r = abs(x)
    return where(equal(r, 0), 0, 1j * sign(x) / r)


def _angle_vjp(g: Value, x: Value) -> Value:
    return (real(g) * _angle_gradient(x) if x.dtype.kind == "c" else None,)


def _angle_jvp(t: Value, x: Value) -> Value:
    return real(conj(_angle_gradient(x)) * t) if x.dtype.kind == "c" else where(False, t, 0)


@general(
    vjp=_angle_vjp,
    jvp={"x": _angle_jvp},
    format="align",
    kernel=lambda x: np.arctan2(x.imag, x.real),
    samples=lambda m: [
        *_samples(m),
        case(np.array([0j, 2.0]), kink=True, gradient={"x": np.array([0, 0.5j])}),
    ],
    numpy=np.angle,
)
def angle(x: Operand, /) -> Value:
    """Angle of complex elements in radians, from -π to π; 0 or π for real ones.

    The gradient is i x / abs(x)², and 0 for real elements and at 0, where there is none.

    Examples
    --------
    >>> dl.angle(dl.dlarray([1j, -1.0])).round(decimals=4).tolist()
    [1.5708, 3.1416]

    Source: NumPy ``angle``; MATLAB ``angle``.
    """


def _complex(re: Value, im: Value) -> Value:
    shape = np.broadcast_shapes(np.shape(re), np.shape(im))
    out = np.empty(shape, np.result_type(np.result_type(re, im), "F"))
    out.real = re
    out.imag = im
    return out[()]


@linear(
    re=real,
    im=imag,
    format="align",
    kernel=_complex,
    samples=lambda m: [
        case(m.real(3), m.real(3)),
        case(m.real(2, 1), m.real(3)),
        case(m.real(), m.real()),
        case(0.0, m.real(2)),
        case(m.real(0), m.real(1)),
    ],
    domain="real",
    errors=mismatch,
    reference=lambda re, im: re + 1j * im,
)
def complex(re: Operand, im: Operand, /) -> Value:
    """Complex elements from a real and an imaginary part: re + i im.

    The gradients are the parts of the cotangent. Unlike the sum, it is right for infinite parts.

    Examples
    --------
    >>> dl.complex(dl.dlarray([1.0, 2.0]), 0.5)
    dlarray([1.+0.5j, 2.+0.5j])

    Source: MATLAB ``complex``.
    """
