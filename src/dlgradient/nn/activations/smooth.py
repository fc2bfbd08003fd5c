"""Smooth activations: sigmoid, softplus, swish, mish, softsign, gelu, and the error function."""

from __future__ import annotations

from math import pi, sqrt
from typing import Literal

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.sizes import GELU_CHUNK_ELEMENTS
from dlgradient.core.threads import threaded
from dlgradient.core.types import Array, Kernel, Operand, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.nn.shared.blocks import chunks
from dlgradient.ops.choice import minimum
from dlgradient.ops.complex import abs
from dlgradient.ops.exponential import exp
from dlgradient.ops.trigonometry import tanh
from dlgradient.rules import Factor, derived, elementwise

__all__ = ["erf", "gelu", "mish", "sigmoid", "softplus", "softsign", "swish"]

_exp = threaded(np.exp)
_log = threaded(np.log)
_tanh = threaded(np.tanh)


def _shapes(m: Maker) -> list[Case]:
    return [case(m.real(3) * 2), case(m.real()), case(m.real(2, 3)), case(m.real(2, 0))]


# -- sigmoid -------------------------------------------------------------------------------------


def _logistic(x: Operand, exp: Kernel = _exp) -> Value:
    """Return the kernel of `sigmoid`: where exp overflows, the reciprocal is rightly zero."""
    if np.iscomplexobj(x):
        right = np.real(x) > 0
        e = np.exp(np.where(right, -x, x))
        return (np.where(right, 1, e) / (1 + e))[()]
    with np.errstate(over="ignore"):
        e = exp(-x)
    if type(e) is not np.ndarray:
        return 1 / (1 + e)
    e += 1
    return np.reciprocal(e, out=e)


@elementwise(
    x=Factor(lambda out: out * (1 - out)),
    kernel=_logistic,
    floating=True,
    samples=lambda m: [*_shapes(m), case(m.complex(3)), case(np.array([-800.0, 800.0]))],
    reference=lambda x: (
        np.exp(-np.logaddexp(0, -x)) if not np.iscomplexobj(x) else (1 / (1 + np.exp(-x)))
    ),
)
def sigmoid(x: Operand, /) -> Value:
    """Logistic sigmoid, elementwise: 1 / (1 + exp(-x)), without overflow.

    The differential is σ (1 - σ) dx. Far below 0, the result is accurate too.

    Examples
    --------
    >>> dl.sigmoid(dl.dlarray([-800.0, 0.0, 800.0])).tolist()
    [0.0, 0.5, 1.0]

    Source: MATLAB ``sigmoid``.
    """


def _softplus(x: Operand) -> Value:
    """Return max(x, 0) + log(1 + exp(-|x|)); NumPy's logaddexp is several times as slow."""
    e = _exp(-np.abs(x))
    if type(e) is not np.ndarray:
        return np.maximum(x, 0) + np.log1p(e)
    # NumPy's log1p is slow too. With u = 1 + e as rounded, log(u) e / (u - 1) is as accurate.
    u = e + 1
    low = u - 1
    tiny = low == 0  # e is lost in the rounding of 1 + e, and log(1 + e) is e
    low[tiny] = 1
    out = _log(u)
    out *= e
    out /= low
    np.copyto(out, e, where=tiny)
    out += np.maximum(x, 0)
    return out


@elementwise(
    x=Factor(sigmoid),
    kernel=_softplus,
    domain="real",
    floating=True,
    samples=lambda m: [*_shapes(m), case(np.array([-800.0, 0.0, 800.0]))],
    reference=lambda x: np.logaddexp(x, 0),
)
def softplus(x: Operand, /) -> Value:
    """Smooth rectifier, elementwise: log(1 + exp(x)).

    It does not overflow. The differential is σ(x) dx with the sigmoid σ.

    Examples
    --------
    >>> dl.softplus(dl.dlarray([-800.0, 0.0, 2.0]))
    dlarray([0.        , 0.69314718, 2.12692801])

    Source: MATLAB ``softplusLayer``.
    """


def _swish(t: Value, x: Value) -> Value:
    s = sigmoid(x)
    return t * (s * (1 + x * (1 - s)))


@elementwise(
    x=_swish,
    floating=True,
    samples=lambda m: [*_shapes(m), case(m.complex(2)), case(np.array([-800.0, 0.0, 800.0]))],
    reference=lambda x: x / (1 + np.exp(-x)),
)
def swish(x: Operand, /) -> Value:
    """Swish, or sigmoid linear unit, elementwise: x σ(x) with the sigmoid σ.

    The differential is σ (1 + x (1 - σ)) dx.

    Examples
    --------
    >>> dl.swish(dl.dlarray([-1.0, 0.0, 1.0]))
    dlarray([-0.26894142,  0.        ,  0.73105858])

    Source: MATLAB ``swishLayer``; torch ``silu``.
    """
    return x * _logistic(x)


def _mish(t: Value, x: Value) -> Value:
    w = tanh(softplus(x))
    return t * (w + x * sigmoid(x) * (1 - w * w))


@elementwise(
    x=_mish,
    domain="real",
    floating=True,
    samples=lambda m: [*_shapes(m), case(np.array([-800.0, 0.0, 800.0]))],
    reference=lambda x: x * np.tanh(np.logaddexp(x, 0)),
)
def mish(x: Operand, /) -> Value:
    """Mish, elementwise: x tanh(log(1 + exp(x))).

    The differential is (w + x σ(x) (1 - w²)) dx, where w is the hyperbolic tangent.

    Examples
    --------
    >>> dl.mish(dl.dlarray([-1.0, 0.0, 1.0]))
    dlarray([-0.30340146,  0.        ,  0.86509839])

    Source: Misra 2019; torch ``mish``.
    """
    return x * _tanh(_softplus(x))


def _softsign(t: Value, x: Value) -> Value:
    below = 1 + abs(x)
    return t / (below * below)


@elementwise(
    x=_softsign,
    domain="real",
    floating=True,
    samples=_shapes,
    reference=lambda x: x / (1 + np.abs(x)),
)
def softsign(x: Operand, /) -> Value:
    """Softsign, elementwise: ``x / (1 + |x|)``.

    The differential is ``dx / (1 + |x|)²``. Its derivative jumps at 0, where it is taken as 0.

    Examples
    --------
    >>> dl.softsign(dl.dlarray([-1.0, 3.0]))
    dlarray([-0.5 ,  0.75])

    Source: MATLAB ``lstm`` (state activation "softsign").
    """
    return x / (np.abs(x) + 1)


# -- the error function and gelu -----------------------------------------------------------------

_TWO_OVER_SQRT_PI = 2 / sqrt(pi)
_DENSITY = 1 / sqrt(2 * pi)


def _special(name: str) -> Kernel:
    """Return a function of SciPy, on all cores; SciPy is imported when it is first needed."""

    def kernel(x: Operand) -> Value:
        from scipy import special

        return threaded(getattr(special, name))(x)

    return kernel


@elementwise(
    x=lambda t, x: t * (exp(-(x * x)) * _TWO_OVER_SQRT_PI),
    kernel=_special("erf"),
    domain="real",
    floating=True,
    samples=_shapes,
    reference=_special("erf"),
)
def erf(x: Operand, /) -> Value:
    """Error function, elementwise: 2/√π ∫₀ˣ exp(-s²) ds.

    The differential is 2/√π exp(-x²) dx.

    Examples
    --------
    >>> dl.erf(dl.dlarray([0.0, 1.0]))
    dlarray([0.        , 0.84270079])

    Source: SciPy ``erf``; MATLAB ``erf``.
    """


# Φ(-z) = exp(-z²/2) u Q(u) with u = 1 / (1 + _BEND z). Q is the polynomial of degree 8 of least
# relative error on 0 ≤ z ≤ 14.5, where single precision ends: 1.8e-8. Highest power first, as
# tools/fit_normal_tail.py prints them.
_BEND = 0.345
_TAIL = (
    -0.028339198140456157,
    0.1450625357966337,
    -0.2706926750483246,
    0.18661223566949806,
    -0.03717114768662566,
    0.11160392916849858,
    0.1172915236419471,
    0.13801301782159997,
    0.137619769908331,
)


def _single_normal(x: Array) -> tuple[Array, Array]:
    """Return Φ(x) and exp(-x²/2) in single precision to a few ulp, faster than SciPy."""
    u = np.abs(x)
    u *= _BEND
    u += 1
    np.reciprocal(u, out=u)
    q = u * _TAIL[0]
    for coefficient in _TAIL[1:]:
        q += coefficient
        q *= u
    e = np.multiply(x, x, out=u)
    e *= -0.5
    np.exp(e, out=e)
    q *= e
    # 1 - q or q, by the sign of x: where() is slower than everything else here.
    bits = q.view(np.int32)
    signs = x.view(np.int32) & np.int32(-(2**31))
    bits ^= signs
    return np.subtract(signs == 0, q, out=q), e


def _normal(x: Array) -> tuple[Array, Array]:
    """Φ(x), which does not cancel below 0, and exp(-x²/2)."""
    if type(x) is np.ndarray and x.ndim and x.dtype == np.float32:
        return _single_normal(x)
    from scipy import special

    return special.ndtr(x), np.exp(np.square(x) * -0.5)


def _gelu_kernel(x: Array) -> Array:
    return x * _normal(x)[0]


def _slope_kernel(x: Array) -> Array:
    cdf, e = _normal(x)
    return cdf + x * (e * _DENSITY)


def _chunked(kernel: Kernel) -> Kernel:
    """Return a kernel that computes large arrays chunk by chunk, on all cores."""

    def part(x: Array, out: Array | None = None) -> Value:
        # x² may overflow and exp(-x²/2) underflow; both give the right limits.
        with np.errstate(over="ignore", under="ignore"):
            if out is None:
                return kernel(x)
            for chunk in chunks(slice(0, x.size), GELU_CHUNK_ELEMENTS):
                out[chunk] = kernel(x[chunk])
            return out

    return threaded(part)


def _curvature(t: Value, x: Value) -> Value:
    # (2 - x²) exp(-x²/2), with a root of the exponential at each x: 0 times infinity is NaN.
    e = exp(x * x * -0.25)
    near, far = e * e, x * e
    return t * ((2 * near - far * far) * _DENSITY)


@elementwise(
    x=_curvature,
    kernel=_chunked(_slope_kernel),
    shown="gelu",
    domain="real",
    floating=True,
    samples=_shapes,
)
def gelu_slope(x: Operand, /) -> Value:
    """Derivative of `gelu`: Φ(x) + x φ(x)."""


@elementwise(
    x=Factor(gelu_slope),
    kernel=_chunked(_gelu_kernel),
    shown="gelu",
    domain="real",
    floating=True,
    samples=_shapes,
    reference=lambda x: x * _special("ndtr")(x),
)
def gelu_exact(x: Operand, /) -> Value:
    """`gelu` by the normal distribution function itself."""


_SLOPE = sqrt(8 / pi)  # twice the slope of the tangent: tanh(u) = 2 sigmoid(2 u) - 1
_CUBIC = 0.044715


def _serial_logistic(x: Array) -> Value:
    return _logistic(x, np.exp)


# Squares from which σ(u) is 0 or 1. Cut there, du/dx stays finite, and its product with 0 is 0.
_SATURATED = 1e3


def _gate(x: Value, sigmoid: Kernel = _serial_logistic) -> tuple[Value, Value]:
    """σ(u) and du/dx of u = √(8/π) (x + 0.044715 x³)."""
    square = minimum(x * x, _SATURATED)
    gate = sigmoid(x * (square * (_CUBIC * _SLOPE) + _SLOPE))
    return gate, square * (3 * _CUBIC * _SLOPE) + _SLOPE


def _tanh_slope_kernel(x: Array) -> Value:
    gate, rate = _gate(x)
    return gate + x * (rate * (gate * (1 - gate)))


def _tanh_curvature(t: Value, x: Value) -> Value:
    gate, rate = _gate(x, sigmoid)
    bend = rate * rate * (1 - 2 * gate) + x * (6 * _CUBIC * _SLOPE)
    steep = gate * (1 - gate)
    return t * (steep * (2 * rate) + steep * x * bend)


@elementwise(
    x=_tanh_curvature,
    kernel=_chunked(_tanh_slope_kernel),
    shown="gelu",
    domain="real",
    floating=True,
    samples=_shapes,
)
def gelu_tanh_slope(x: Operand, /) -> Value:
    """Derivative of `gelu_tanh`."""


@elementwise(
    x=Factor(gelu_tanh_slope),
    kernel=_chunked(lambda x: x * _gate(x)[0]),
    shown="gelu",
    domain="real",
    floating=True,
    samples=_shapes,
    reference=lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + _CUBIC * x**3))),
)
def gelu_tanh(x: Operand, /) -> Value:
    """`gelu` by its approximation with a hyperbolic tangent."""


@derived(
    domain="real",
    samples=lambda m: [*_shapes(m), case(m.real(3), approximation="tanh")],
    errors=lambda m: [
        Error(case(m.real(2), approximation="erf"), InvalidArgumentError, "'none', 'tanh'.*'erf'"),
    ],
)
def gelu(x: Operand, /, *, approximation: Literal["none", "tanh"] = "none") -> Value:
    """Gaussian error linear unit, elementwise: x Φ(x), Φ the normal distribution function.

    The differential is (Φ(x) + x φ(x)) dx with the density φ. It is accurate far below 0, where 1 +
    erf(x/√2) would cancel. The "tanh" approximation is x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.

    Parameters
    ----------
    x : dlarray or array_like
        Real.
    approximation : {"none", "tanh"}

    Returns
    -------
    dlarray or array
        Of the shape and format of `x`; integers become float64.

    Raises
    ------
    ComplexValueError
        If `x` is complex.
    InvalidArgumentError
        If `approximation` is neither.

    See Also
    --------
    swish : x times sigmoid
    relu : rectified linear unit
    erf : error function

    Examples
    --------
    >>> dl.gelu(dl.dlarray([-1.0, 1.0]))
    dlarray([-0.15865525,  0.84134475])
    >>> dl.gelu(dl.dlarray([-1.0, 1.0]), approximation="tanh")
    dlarray([-0.15880801,  0.84119199])

    Source: MATLAB ``gelu``.
    """
    if approximation == "none":
        return gelu_exact(x)
    return gelu_tanh(x)
