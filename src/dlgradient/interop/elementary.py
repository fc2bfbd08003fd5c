"""NumPy's functions of elements, ranges, polynomials and phases, composed of ours.

As in `dlgradient.interop.rearrange`, each has the signature of the function it answers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from dlgradient.core import calls
from dlgradient.core.types import AxisLike, DtypeLike, Operand, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.interop.operands import as_array, flatten, is_traced, raw
from dlgradient.interop.table import answers
from dlgradient.ops.arithmetic import multiply
from dlgradient.ops.casting import astype
from dlgradient.ops.choice import maximum, minimum, where
from dlgradient.ops.complex import conj, sign
from dlgradient.ops.convolve import full_convolution
from dlgradient.ops.exponential import logaddexp
from dlgradient.ops.join import concat
from dlgradient.ops.logical import equal, isinf, isnan
from dlgradient.ops.permute import flip, moveaxis
from dlgradient.ops.powers import pow
from dlgradient.ops.rounding import floor, trunc
from dlgradient.ops.shape import reshape
from dlgradient.ops.trigonometry import sinc_derivative

__all__: list[str] = []


# -- elements ------------------------------------------------------------------------------------


@answers(np.float_power)
def float_power(x1: Operand, x2: Operand) -> Value:
    """Powers, computed in double precision."""
    x, y = as_array(x1), as_array(x2)
    dtype = np.result_type(x.dtype, y.dtype, np.float64)
    return pow(astype(x, dtype=dtype), astype(y, dtype=dtype))


@answers(np.heaviside)
def heaviside(x1: Operand, x2: Operand) -> Value:
    """Zero for negative numbers, one for positive ones, and x2 for zero."""
    return where(equal(x1, 0), x2, (1 + sign(x1)) * 0.5)


@answers(np.modf)
def modf(x: Operand) -> tuple[Value, Value]:
    """Fraction and whole number, both with the sign of the number."""
    whole = trunc(x)
    return where(isinf(x), 0, x - whole), whole


@answers(np.ldexp)
def ldexp(x1: Operand, x2: Operand) -> Value:
    """Numbers times powers of two."""
    x, n = as_array(x1), np.asarray(raw(x2))
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    # In two steps: the power may overflow where the product does not.
    half = n // 2
    return multiply(multiply(x, _power(half, dtype)), _power(n - half, dtype))


def _power(n: Value, dtype: np.dtype[np.floating]) -> Value:
    return np.ldexp(dtype.type(1), n)


@answers(np.frexp)
def frexp(x: Operand) -> tuple[Value, Value]:
    """Fraction from 0.5 to 1, and exponent of two; the exponent is constant."""
    _, exponent = np.frexp(raw(x))
    return ldexp(x, -exponent), calls.wrap(np.asarray(exponent)[()], None)


@answers(np.unwrap)
def unwrap(
    p: Operand, discont: float | None = None, axis: int = -1, *, period: float = 2 * np.pi
) -> Value:
    """Phases without jumps by whole periods, which are constant."""
    x = as_array(p)
    value = raw(x)
    return x + (np.unwrap(value, discont, axis, period=period) - value)


@answers(np.fmax)
def fmax(x1: Operand, x2: Operand) -> Value:
    """Larger of two elements; the other one, if one is NaN."""
    return maximum(_filled(x1, x2), _filled(x2, x1))


@answers(np.fmin)
def fmin(x1: Operand, x2: Operand) -> Value:
    """Smaller of two elements; the other one, if one is NaN."""
    return minimum(_filled(x1, x2), _filled(x2, x1))


def _filled(x: Operand, other: Operand) -> Operand:
    """Return `x`, or where it is NaN the other; a constant without NaN stays one, as for a tie."""
    if not is_traced([x]) and not np.isnan(raw(x)).any():
        return x
    return where(isnan(x), other, x)


@answers(np.logaddexp2)
def logaddexp2(x1: Operand, x2: Operand) -> Value:
    """Logarithm to the base 2 of a sum of powers of 2."""
    ln2 = float(np.log(2))
    return logaddexp(multiply(x1, ln2), multiply(x2, ln2)) / ln2


@answers(np.sinc)
def sinc(x: Operand) -> Value:
    """Return sin(πx) / (πx), which is 1 at 0."""
    return sinc_derivative(x, order=0)


# -- ranges --------------------------------------------------------------------------------------


def _between(
    start: Operand, stop: Operand, num: int, endpoint: bool, axis: int
) -> tuple[Value, Value]:
    """Return equally spaced numbers, and their distance."""
    start, stop = as_array(start), as_array(stop)
    distance = stop - start
    parts = num - 1 if endpoint else num
    dtype = np.result_type(distance.dtype, np.float32).type(0).real.dtype
    steps = np.arange(num).astype(dtype) / np.maximum(parts, 1).astype(dtype)
    steps = steps.reshape(-1, *[1] * distance.ndim)
    y = start * (1 - steps) + stop * steps
    return moveaxis(y, 0, axis) if axis else y, distance / (parts or np.nan)


@answers(np.linspace)
def linspace(
    start: Operand,
    stop: Operand,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DtypeLike = None,
    axis: int = 0,
) -> Value:
    """Equally spaced numbers from start to stop."""
    y, step = _between(start, stop, num, endpoint, axis)
    if dtype is not None:
        y = astype(floor(y) if np.dtype(dtype).kind in "iu" else y, dtype=dtype)
    return (y, step) if retstep else y


@answers(np.logspace)
def logspace(
    start: Operand,
    stop: Operand,
    num: int = 50,
    endpoint: bool = True,
    base: Operand = 10.0,
    dtype: DtypeLike = None,
    axis: int = 0,
) -> Value:
    """Powers of a base whose exponents are equally spaced."""
    y = pow(base, _between(start, stop, num, endpoint, axis)[0])
    return y if dtype is None else astype(y, dtype=dtype)


@answers(np.geomspace)
def geomspace(
    start: Operand,
    stop: Operand,
    num: int = 50,
    endpoint: bool = True,
    dtype: DtypeLike = None,
    axis: int = 0,
) -> Value:
    """Numbers with equal ratios from start to stop."""
    start, stop = as_array(start), as_array(stop)
    exponents, _ = _between(0.0 * start, 1.0 + 0.0 * stop, num, endpoint, axis)
    y = start * pow(stop / start, exponents)
    return y if dtype is None else astype(y, dtype=dtype)


# -- polynomials, by their coefficients from the highest power on --------------------------------


@answers(np.polyval)
def polyval(p: Operand, x: Operand) -> Value:
    """Values of a polynomial."""
    coefficients, x = as_array(p), as_array(x)
    y = x * 0
    for k in range(coefficients.shape[0]):
        y = y * x + coefficients[k]
    return y


def _at_end(p: Value, length: int) -> Value:
    """Return coefficients with zeros before them."""
    missing = length - p.shape[0]
    return concat([np.zeros(missing, p.dtype), p]) if missing else p


@answers(np.polyadd)
def polyadd(a1: Operand, a2: Operand) -> Value:
    """Sum of two polynomials."""
    a, b = flatten(a1), flatten(a2)
    length = max(a.shape[0], b.shape[0])
    return _at_end(a, length) + _at_end(b, length)


@answers(np.polysub)
def polysub(a1: Operand, a2: Operand) -> Value:
    """Difference of two polynomials."""
    return polyadd(a1, -as_array(a2))


@answers(np.polymul)
def polymul(a1: Operand, a2: Operand) -> Value:
    """Product of two polynomials."""
    return full_convolution(flatten(a1), flatten(a2))


@answers(np.polyder)
def polyder(p: Operand, m: int = 1) -> Value:
    """Derivative of a polynomial."""
    y = as_array(p)
    for _ in range(m):
        y = (y * np.arange(y.shape[0] - 1, -1, -1))[:-1]
    return y


@answers(np.polyint)
def polyint(p: Operand, m: int = 1, k: Operand | None = None) -> Value:
    """Integral of a polynomial, with constants of integration."""
    y = as_array(p)
    constants = np.zeros(m) if k is None else flatten(k)
    if constants.shape[0] == 1 and m > 1:
        constants = concat([constants] * m)
    if constants.shape[0] < m:
        raise InvalidArgumentError(
            f"numpy.polyint: k has {constants.shape[0]} constants for m={m} integrations; give one "
            "for each, or one for all"
        )
    for i in range(m):
        y = concat([y / np.arange(y.shape[0], 0, -1), constants[i : i + 1]])
    return y


@answers(np.vander)
def vander(x: Operand, N: int | None = None, increasing: bool = False) -> Value:
    """Powers of elements, as the columns of a matrix."""
    x = as_array(x)
    n = x.shape[0] if N is None else N
    exponents = np.arange(n) if increasing else np.arange(n - 1, -1, -1)
    return pow(reshape(x, (-1, 1)), exponents)


@answers(np.apply_over_axes)
def apply_over_axes(func: Callable[..., Value], a: Operand, axes: AxisLike) -> Value:
    """A function, over one dimension after the other."""
    y = as_array(a)
    for axis in normalize_axis_tuple(range(y.ndim) if axes is None else axes, y.ndim):
        found = func(y, axis)
        sizes = tuple([1 if i == axis else n for i, n in enumerate(y.shape)])
        y = found if found.ndim == y.ndim else reshape(found, sizes)
    return y


# -- convolutions of vectors ---------------------------------------------------------------------


def _part(name: str, x: Operand, y: Operand, mode: str, *, correlates: bool) -> Value:
    x, y = as_array(x), as_array(y)
    for key, a in (("a", x), ("v", y)):
        if a.ndim > 1 or not a.size:
            raise InvalidArgumentError(
                f"numpy.{name}: {key} has shape {a.shape}; it must be a vector of at least one "
                "element; for images write dl.dlconv"
            )
    if mode not in ("full", "same", "valid"):
        raise InvalidArgumentError(
            f"numpy.{name}: mode={mode!r} must be one of 'full', 'same', 'valid'"
        )
    x, y = flatten(x), flatten(y)
    short, long = sorted([x.shape[0], y.shape[0]])
    out = full_convolution(x, conj(flip(y)) if correlates else y)
    if mode == "full":
        return out
    # NumPy exchanges operands so that the longer one is the first, and reverses a correlation.
    exchanged = correlates and x.shape[0] < y.shape[0]
    start = short // 2 if exchanged else (short - 1) // 2
    return out[start : start + long] if mode == "same" else out[short - 1 : long]


@answers(np.convolve)
def convolve(a: Operand, v: Operand, mode: str = "full") -> Value:
    """Convolution of two vectors."""
    return _part("convolve", a, v, mode, correlates=False)


@answers(np.correlate)
def correlate(a: Operand, v: Operand, mode: str = "valid") -> Value:
    """Correlation of two vectors; the second one is conjugated."""
    return _part("correlate", a, v, mode, correlates=True)
