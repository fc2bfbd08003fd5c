"""Rounding, and signs of real numbers."""

from __future__ import annotations

import numpy as np

from dlgradient.core.samples import Case, Maker, away, case, mismatch
from dlgradient.core.types import Array, Operand, Value
from dlgradient.ops.complex import sign
from dlgradient.rules import constant, elementwise

__all__ = ["ceil", "copysign", "floor", "nextafter", "round", "signbit", "trunc"]


def _from_jumps(x: Array) -> Array:
    """Distance from whole numbers and the middles between them, where rounding jumps."""
    parts = np.stack([np.real(x), np.imag(x)]) if np.iscomplexobj(x) else x
    return parts - np.round(2 * parts) / 2


_between = away(lambda m: [case(m.real(3) * 3), case(m.real()), case(m.real(2, 0))], _from_jumps)
_complex = away(lambda m: [case(m.complex(3) * 4)], _from_jumps)
_tens = away(lambda m: [case(m.complex(3) * 40, decimals=-1)], lambda x: _from_jumps(x / 10))


def _reals(m: Maker) -> list[Case]:
    return [
        *_between(m),
        # Also at the jumps, the derivative is zero.
        case(np.array([-1.0, -0.5, 0.5, 1.5, 2.0]), kink=True, gradient={"x": np.zeros(5)}),
        case(np.array([-2, 3])),
    ]


@constant(format="align", kernel=np.floor, samples=_reals, domain="real", numpy=np.floor)
def floor(x: Operand, /) -> Value:
    """Largest integer that is not larger, elementwise.

    The derivative is zero, also at the jumps.

    Examples
    --------
    >>> dl.floor(dl.dlarray([-1.5, 1.5]))
    dlarray([-2.,  1.])

    Source: array-API ``floor``; MATLAB ``floor``.
    """


@constant(format="align", kernel=np.ceil, samples=_reals, domain="real", numpy=np.ceil)
def ceil(x: Operand, /) -> Value:
    """Smallest integer that is not smaller, elementwise.

    The derivative is zero, also at the jumps.

    Examples
    --------
    >>> dl.ceil(dl.dlarray([-1.5, 1.5]))
    dlarray([-1.,  2.])

    Source: array-API ``ceil``; MATLAB ``ceil``.
    """


@constant(format="align", kernel=np.trunc, samples=_reals, domain="real", numpy=np.trunc)
def trunc(x: Operand, /) -> Value:
    """Integer part, elementwise: rounding towards zero.

    The derivative is zero, also at the jumps.

    Examples
    --------
    >>> dl.trunc(dl.dlarray([-1.5, 1.5]))
    dlarray([-1.,  1.])

    Source: array-API ``trunc``; MATLAB ``fix``.
    """


@constant(
    format="align",
    kernel=np.round,
    samples=lambda m: [
        *_reals(m),
        *_complex(m),
        *_tens(m),
        case(np.array([0.15, -1.234]), kink=True, gradient={"x": np.zeros(2)}, decimals=1),
        case(np.array([1234, -56]), decimals=-2),
    ],
    numpy=np.round,
)
def round(x: Operand, /, decimals: int = 0) -> Value:
    """Nearest integer, or number of so many decimals, elementwise; halves go to the even one.

    Complex elements are rounded part by part. The derivative is zero, also at the jumps.

    Parameters
    ----------
    x : dlarray or array_like
        Real or complex.
    decimals : int
        Digits after the point to keep; a negative number counts to the left of it.

    Returns
    -------
    dlarray or array
        Of the shape and format of `x`, and of the dtype that NumPy gives.

    See Also
    --------
    floor : largest integer that is not larger
    trunc : integer part, towards zero

    Examples
    --------
    >>> dl.round(dl.dlarray([0.5, 1.5, -1.7]))
    dlarray([ 0.,  2., -2.])
    >>> dl.round(dl.dlarray([3.14159]), 2)
    dlarray([3.14])

    Source: array-API ``round``; MATLAB ``round`` (which rounds halves away from zero).
    """


@constant(format="align", kernel=np.signbit, samples=_reals, domain="real", numpy=np.signbit)
def signbit(x: Operand, /) -> Value:
    """Whether the sign bit is set, elementwise: of negative numbers and of -0.0.

    It carries no derivative.

    Examples
    --------
    >>> dl.signbit(dl.dlarray([-0.0, 1.0]))
    dlarray([ True, False])

    Source: array-API ``signbit``.
    """


def _copysign_x(t: Value, x: Value, y: Value) -> Value:
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
    domain="real",
    errors=mismatch,
    numpy=np.copysign,
)
def copysign(x: Operand, y: Operand, /) -> Value:
    """Magnitude of x with the sign of y, elementwise.

    The differential is ±dx, and 0 where x is 0, a kink; `y` gets no gradient.

    Examples
    --------
    >>> dl.copysign(dl.dlarray([1.0, -2.0]), -1.0)
    dlarray([-1., -2.])

    Source: array-API ``copysign``.
    """


@elementwise(
    x=lambda t: t,
    domain="real",
    samples=lambda m: [
        case(m.real(3), m.real(3)),
        case(m.real(2, 1), m.real(3)),
        case(m.real(), m.real()),
    ],
    errors=mismatch,
    numpy=np.nextafter,
)
def nextafter(x: Operand, y: Operand, /) -> Value:
    """Next number of the dtype after x towards y.

    It is x and less than a rounding, so the differential is dx.

    Examples
    --------
    >>> dl.nextafter(dl.dlarray([1.0]), 2.0) - 1 == dl.finfo(dl.float64).eps
    dlarray([ True])

    Source: array-API ``nextafter``.
    """
    return np.nextafter(x, y)
