"""Rounding and signs."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.calls import FUNCTIONS
from dlgradient.core.samples import Error, case
from dlgradient.errors import ComplexValueError, ShapeMismatchError
from dlgradient.ops.choice import where
from dlgradient.ops.logical import equal
from dlgradient.rules import constant, elementwise, general

__all__ = ["ceil", "copysign", "floor", "round", "sign", "signbit", "trunc"]


def _reals(m: Any) -> list[Any]:
    return [
        case(m.real(3) * 3),
        case(m.real()),
        case(m.real(2, 0)),
        # At the jumps, too, the derivative is zero.
        case(np.array([-1.0, -0.5, 0.5, 1.5, 2.0]), kink=True, gradient={"x": np.zeros(5)}),
        case(np.array([-2, 3])),
    ]


def _complex_refused(m: Any) -> list[Any]:
    return [Error(case(m.complex(2)), ComplexValueError, "complex128")]


@constant(format="align", kernel=np.floor, samples=_reals, errors=_complex_refused, numpy=np.floor)
def floor(x: Any, /) -> Any:
    """Largest integer that is not larger, elementwise.

    The derivative is zero, at the jumps, too.

    Parameters
    ----------
    x : dlarray or array_like
        Real.

    Returns
    -------
    dlarray or array
        Of the shape, dtype and format of `x`.

    Raises
    ------
    ComplexValueError
        If an operand is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.floor(dl.dlarray([-1.5, 1.5]))
    1×2 dlarray
    [-2.  1.]

    Source: array-API ``floor``; MATLAB ``floor``.
    """


@constant(format="align", kernel=np.ceil, samples=_reals, errors=_complex_refused, numpy=np.ceil)
def ceil(x: Any, /) -> Any:
    """Smallest integer that is not smaller, elementwise.

    The derivative is zero, at the jumps, too.

    Parameters
    ----------
    x : dlarray or array_like
        Real.

    Returns
    -------
    dlarray or array
        Of the shape, dtype and format of `x`.

    Raises
    ------
    ComplexValueError
        If an operand is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.ceil(dl.dlarray([-1.5, 1.5]))
    1×2 dlarray
    [-1.  2.]

    Source: array-API ``ceil``; MATLAB ``ceil``.
    """


@constant(format="align", kernel=np.trunc, samples=_reals, errors=_complex_refused, numpy=np.trunc)
def trunc(x: Any, /) -> Any:
    """Integer part, elementwise: rounding towards zero.

    The derivative is zero, at the jumps, too.

    Parameters
    ----------
    x : dlarray or array_like
        Real.

    Returns
    -------
    dlarray or array
        Of the shape, dtype and format of `x`.

    Raises
    ------
    ComplexValueError
        If an operand is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.trunc(dl.dlarray([-1.5, 1.5]))
    1×2 dlarray
    [-1.  1.]

    Source: array-API ``trunc``; MATLAB ``fix``.
    """


@constant(
    format="align",
    kernel=np.round,
    samples=lambda m: [*_reals(m), case(m.complex(3) * 4)],
    numpy=np.round,
)
def round(x: Any, /) -> Any:
    """Nearest integer, elementwise; halves go to the even one.

    Complex elements are rounded part by part. The derivative is zero, at the jumps, too.

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
    >>> dl.round(dl.dlarray([0.5, 1.5, -1.7]))
    1×3 dlarray
    [ 0.  2. -2.]

    Source: array-API ``round``; MATLAB ``round`` (which rounds halves away from zero).
    """


@constant(
    format="align", kernel=np.signbit, samples=_reals, errors=_complex_refused, numpy=np.signbit
)
def signbit(x: Any, /) -> Any:
    """Whether the sign bit is set, elementwise: of negative numbers and of -0.0.

    It carries no derivative.

    Parameters
    ----------
    x : dlarray or array_like
        Real.

    Returns
    -------
    dlarray or array
        Of bool.

    Raises
    ------
    ComplexValueError
        If an operand is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.signbit(dl.dlarray([-0.0, 1.0]))
    1×2 bool dlarray
    [ True False]

    Source: array-API ``signbit``.
    """


def _copysign_x(t: Any, x: Any, y: Any) -> Any:
    return t * (sign(x) * copysign(1, y))


@elementwise(
    x=_copysign_x,
    kernel=np.copysign,
    samples=lambda m: [
        case(m.real(3), m.real(3)),
        case(m.real(2, 1), m.real(3)),
        case(m.real(), -1.0),
        case(m.real(0), m.real(1)),
        case(
            np.array([0.0, 1.0]),
            np.array([-1.0, -1.0]),
            kink=True,
            gradient={"x": [0, -1.0], "y": [0, 0]},
        ),
    ],
    errors=lambda m: [Error(case(m.real(3), m.real(2)), ShapeMismatchError, "broadcast")],
    numpy=np.copysign,
)
def copysign(x: Any, y: Any, /) -> Any:
    """Magnitude of x with the sign of y, elementwise.

    The differential is ±dx, and 0 where x is 0, a kink; `y` gets no gradient.

    Parameters
    ----------
    x, y : dlarray or array_like
        Real; shapes broadcast, formats align by label.

    Returns
    -------
    dlarray or array
        Of the broadcast shape and the promoted dtype.

    Raises
    ------
    ShapeMismatchError
        If the shapes do not broadcast.
    ComplexValueError
        If an operand is complex.

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.copysign(dl.dlarray([1.0, -2.0]), -1.0)
    1×2 dlarray
    [-1. -2.]

    Source: array-API ``copysign``.
    """


def _sign_differential(t: Any, x: Any) -> Any:
    """Part of t across x: i s Im(conj(s) t) / |x|; the map is its own adjoint."""
    r = FUNCTIONS["abs"](x)
    s = sign(x)
    across = FUNCTIONS["imag"](FUNCTIONS["conj"](s) * t)
    return where(equal(r, 0), 0, 1j * s * (across / r))


def _sign_vjp(g: Any, x: Any) -> Any:
    return (_sign_differential(g, x) if x.dtype.kind == "c" else None,)


def _sign_jvp(t: Any, x: Any) -> Any:
    return _sign_differential(t, x) if x.dtype.kind == "c" else where(False, t, 0)


@general(
    vjp=_sign_vjp,
    jvp={"x": _sign_jvp},
    format="align",
    samples=lambda m: [
        case(m.real(3)),
        case(m.real()),
        case(m.real(2, 0)),
        case(m.complex(2, 2)),
        case(m.complex()),
        case(np.array([0.0, 2.0]), kink=True, gradient={"x": np.zeros(2)}),
        case(np.array([0j, 2.0, 1e-300j]), kink=True, gradient={"x": [0, 0, 1e300]}),
    ],
    numpy=np.sign,
)
def sign(x: Any, /) -> Any:
    """Sign of real elements, direction x / abs(x) of complex ones; 0 at 0.

    The derivative is zero for real elements. For complex ones it is that part of dx that is
    perpendicular to x, divided by abs(x); at 0 it is zero.

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
    >>> dl.sign(dl.dlarray([-2.0, 0.0])), dl.sign(3 + 4j)
    (1×2 dlarray
    [-1.  0.], np.complex128(0.6000000000000001+0.8j))

    Source: array-API ``sign``; MATLAB ``sign``.
    """
    kind = x.dtype.kind if hasattr(x, "dtype") else np.result_type(x).kind
    if kind != "c":
        return np.sign(x)
    # Divided by the larger part first: |x| of a denormal number has few digits.
    x = np.asarray(x)
    larger = np.maximum(np.abs(x.real), np.abs(x.imag))
    unit = np.empty_like(x)
    larger = np.where(larger == 0, 1, larger)
    unit.real = x.real / larger
    unit.imag = x.imag / larger
    length = np.abs(unit)
    return (unit / np.where(length == 0, 1, length))[()]
