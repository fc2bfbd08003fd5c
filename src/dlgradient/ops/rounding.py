"""Rounding and signs."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.calls import FUNCTIONS
from dlgradient.ops.choice import where
from dlgradient.ops.logical import equal
from dlgradient.ops.samples import case
from dlgradient.rules import constant, elementwise, general

__all__ = ["ceil", "copysign", "floor", "round", "sign", "signbit", "trunc"]


def _reals(m: Any) -> list[Any]:
    return [
        case(m.real(3) * 3),
        case(m.real()),
        case(m.real(2, 0)),
        case(np.array([-1.0, -0.5, 0.5, 1.5, 2.0])),
    ]


@constant(labels="align", kernel=np.floor, samples=_reals, numpy=np.floor)
def floor(x: Any, /) -> Any:
    """Largest integer that is not larger, elementwise."""


@constant(labels="align", kernel=np.ceil, samples=_reals, numpy=np.ceil)
def ceil(x: Any, /) -> Any:
    """Smallest integer that is not smaller, elementwise."""


@constant(labels="align", kernel=np.trunc, samples=_reals, numpy=np.trunc)
def trunc(x: Any, /) -> Any:
    """Integer part, elementwise."""


@constant(labels="align", kernel=np.round, samples=_reals, numpy=np.round)
def round(x: Any, /) -> Any:
    """Nearest integer, elementwise."""


@constant(labels="align", kernel=np.signbit, samples=_reals, numpy=np.signbit)
def signbit(x: Any, /) -> Any:
    """Whether the sign bit is set."""


@elementwise(
    x=lambda t, x, y: t * (sign(x) * copysign(1, y)),
    kernel=np.copysign,
    samples=lambda m: [case(m.real(3), m.real(3))],
    numpy=np.copysign,
)
def copysign(x: Any, y: Any, /) -> Any:
    """Magnitude of ``x`` with the sign of ``y``."""


def _sign_differential(t: Any, x: Any) -> Any:
    """i s Im(conj(s) t) / |x|, the part of t across x; the map is its own adjoint."""
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
    labels="align",
    samples=lambda m: [case(m.real(3)), case(m.complex(2, 2))],
    numpy=np.sign,
)
def sign(x: Any, /) -> Any:
    """Sign of real elements, direction x/|x| of complex ones, elementwise."""
    if not np.iscomplexobj(x):
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
