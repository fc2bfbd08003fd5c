"""Products of many factors, whose partial products may be too large or too small for their dtype.

Where a partial product overflows or underflows, factors are numbers from 1/2 to 1 and powers of
two. These are multiplied in pairs, the products in pairs again, and the powers are added as
integers.
"""

from __future__ import annotations

import numpy as np

from dlgradient.core.samples import Case, case
from dlgradient.core.types import Array, Axes, Axis, AxisLike, DtypeLike, Kernel, RawValue, Value
from dlgradient.ops.cumulative import cumprod, preceding_products
from dlgradient.ops.join import concat, stack
from dlgradient.ops.permute import flip, moveaxis
from dlgradient.ops.shape import normalized, reshape
from dlgradient.rules import constant, multilinear

__all__: list[str] = []

_multiply: Kernel = np.multiply.reduce


# -- powers of two -------------------------------------------------------------------------------


@constant(format="align", samples=lambda m: [case(m.real(3)), case(m.complex(2)), *_extreme()])
def exponent(x: Value, /) -> Value:
    """The power of two that divides an element to a modulus of about 1/2 to 1, zero for 0 and inf.

    Examples
    --------
    >>> from dlgradient.ops.products import exponent
    >>> exponent(np.array([3.0, 0.25, 0.0, np.inf])).tolist()
    [2, -1, 0, 0]
    """
    size = np.maximum(np.abs(x.real), np.abs(x.imag)) if x.dtype.kind == "c" else x
    _, powers = np.frexp(size)
    return np.where(np.isfinite(size), powers, 0)


def _extreme() -> list[Case]:
    return [case(np.array([0.0, np.inf, -np.inf, 5e-324, 1e308]), kink=True)]


def _scaled_x(g: Value, powers: Value) -> Value:
    return scaled(g, powers)


@multilinear(
    x=_scaled_x,
    format="align",
    samples=lambda m: [
        case(m.real(3), np.array([3, -2, 0])),
        case(m.complex(2, 2), np.array([[1, 0], [-1, 2]])),
    ],
)
def scaled(x: Value, powers: Value, /) -> Value:
    """Elements times powers of two, exact unless the result itself overflows or underflows.

    Parameters
    ----------
    x : array
    powers : array of int
        Of the same shape.
    """
    if x.dtype.kind != "c":
        return np.ldexp(x, powers)
    out = np.empty_like(x)
    out.real, out.imag = np.ldexp(x.real, powers), np.ldexp(x.imag, powers)
    return out


def _normalized(x: Value, powers: Array) -> tuple[Value, Array]:
    """Return x 2^powers as elements of a modulus of about 1/2 to 1, and powers of two."""
    more = np.asarray(exponent(x))
    return scaled(x, -more), powers + more


def _paired(x: Value, powers: Array) -> list[tuple[Value, Array]]:
    """Return the first and the second factor of each pair along the last dimension."""
    if x.shape[-1] % 2:
        x = concat([x, np.ones((*x.shape[:-1], 1), x.dtype)], axis=-1)
        powers = np.concatenate([powers, np.zeros_like(powers[..., :1])], axis=-1)
    return [(x[..., i::2], powers[..., i::2]) for i in range(2)]


# -- products ------------------------------------------------------------------------------------


def product(x: Value, axis: AxisLike, dtype: DtypeLike, keepdims: bool) -> RawValue:
    """Return the product over dimensions of a raw array.

    Examples
    --------
    >>> from dlgradient.ops.products import product
    >>> product(np.array([2.0**900, 2.0**900, 0.5**900, 0.5**900]), 0, None, False)
    np.float64(1.0)
    """
    try:
        with np.errstate(over="raise", under="raise"):
            return _multiply(x, axis=axis, dtype=dtype, keepdims=keepdims)
    except FloatingPointError:
        x = np.asarray(x, dtype)
        return _product_of_pairs(x, normalized(axis, x.ndim), keepdims)


def _product_of_pairs(x: Array, axes: Axes, keepdims: bool) -> RawValue:
    kept = [n for i, n in enumerate(x.shape) if i not in axes]
    flat = np.moveaxis(x, axes, range(-len(axes), 0)).reshape(*kept, -1)
    y, powers = _normalized(flat, np.zeros(flat.shape, np.int64))
    while y.shape[-1] > 1:
        (a, p), (b, q) = _paired(y, powers)
        y, powers = _normalized(a * b, p + q)
    out = scaled(y[..., 0], powers[..., 0])
    return np.expand_dims(out, axes) if keepdims else out


def exclusive_products(x: Value, *, axis: Axis) -> Value:
    """Return for each element the product of all others along a dimension, without a division.

    Parameters
    ----------
    x : array
        Raw or a dlarray; derivatives of every order are right, also at zeros.
    axis : int

    Examples
    --------
    >>> from dlgradient.ops.products import exclusive_products
    >>> exclusive_products(np.array([2.0, 0.0, 3.0]), axis=0)
    array([0., 6., 0.])
    """
    # Products from both ends. A division by the element would fail at zeros.
    try:
        with np.errstate(over="raise", under="raise"):
            before = preceding_products(cumprod(x, axis=axis), axis)
            after = flip(
                preceding_products(cumprod(flip(x, axis=axis), axis=axis), axis), axis=axis
            )
            return before * after
    except FloatingPointError:
        lines = moveaxis(x, axis, -1)
        y, powers = _normalized(lines, np.zeros(lines.shape, np.int64))
        return moveaxis(scaled(*_others(y, powers)), -1, axis)


def _others(x: Value, powers: Array) -> tuple[Value, Array]:
    """Return the products of the others along the last dimension, and their powers of two."""
    n = x.shape[-1]
    if n == 1:
        return np.ones(x.shape, x.dtype), np.zeros_like(powers)
    pair = (a, p), (b, q) = _paired(x, powers)
    # The others of an element are its partner, and those of its pair.
    y, rest = _others(*_normalized(a * b, p + q))
    found = [_normalized(y * partner, rest + power) for partner, power in pair[::-1]]
    shape = (*x.shape[:-1], -1)
    values = reshape(stack([v for v, _ in found], axis=-1), shape)
    return values[..., :n], np.stack([e for _, e in found], axis=-1).reshape(shape)[..., :n]
