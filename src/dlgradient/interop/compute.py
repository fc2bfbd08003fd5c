"""NumPy's functions that select or compute, composed of ours.

As in `dlgradient.interop.rearrange`, each has the signature of the function it answers.
"""

from __future__ import annotations

import numpy as np

from dlgradient.core.calls import wrap
from dlgradient.core.types import AxisLike, DtypeLike, Operand, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.interop.operands import as_array, flatten, raw
from dlgradient.interop.table import answers
from dlgradient.interop.values import nonzero
from dlgradient.ops.accumulate import index_add
from dlgradient.ops.arithmetic import floor_divide, multiply, remainder
from dlgradient.ops.casting import astype
from dlgradient.ops.choice import clip as clip_
from dlgradient.ops.choice import where as where_
from dlgradient.ops.complex import abs as abs_
from dlgradient.ops.complex import angle as angle_
from dlgradient.ops.complex import conj
from dlgradient.ops.index import scatter
from dlgradient.ops.linalg import matmul, tensordot
from dlgradient.ops.linalg import outer as outer_
from dlgradient.ops.permute import moveaxis
from dlgradient.ops.reduce import max as max_
from dlgradient.ops.reduce import min as min_
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.rounding import round as round_
from dlgradient.ops.rounding import trunc

__all__: list[str] = []

# -- selecting -----------------------------------------------------------------------------------


@answers(np.where)
def where(condition: Operand, *choices: Operand) -> Value:
    """Elements of one array where a condition holds, else of another; or the indices."""
    if not choices:
        return nonzero(condition)
    if len(choices) != 2:
        raise InvalidArgumentError("numpy.where: give both x and y, or neither")
    return where_(condition, *choices)


@answers(np.diagonal)
def diagonal(a: Operand, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
    """Elements with equal indices in two dimensions, as the last dimension."""
    rows, columns = a.shape[axis1], a.shape[axis2]
    first, second = max(-offset, 0), max(offset, 0)
    # An offset beyond the matrix leaves nothing, not a negative number of elements.
    i = np.arange(max(min(rows - first, columns - second), 0))
    return moveaxis(a, (axis1, axis2), (-2, -1))[..., i + first, i + second]


@answers(np.trace)
def trace(
    a: Operand, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: DtypeLike = None
) -> Value:
    """Sum of a diagonal."""
    x = a if dtype is None else astype(a, dtype=dtype)
    return sum_(diagonal(x, offset, axis1, axis2), axis=-1)


@answers(np.diag)
def diag(v: Operand, k: int = 0) -> Value:
    """Diagonal of a matrix, or the matrix with a diagonal."""
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise InvalidArgumentError(f"numpy.diag: v must have one or two dimensions, not {v.ndim}")
    n = v.shape[0] + abs(k)
    i = np.arange(v.shape[0])
    key = (i + max(-k, 0), i + max(k, 0))
    return scatter([v], keys=(key,), shape=(n, n))


@answers(np.bincount)
def bincount(x: Operand, /, weights: Operand = None, minlength: int = 0) -> Value:
    """Sums of weights, or counts, of equal whole numbers."""
    places = np.asarray(raw(x))
    # NumPy checks the places, and says how long the result is.
    size = np.bincount(places, minlength=minlength).size
    if weights is None:
        return wrap(np.bincount(places, minlength=minlength), None)
    terms = as_array(weights)
    return index_add(np.zeros(size, np.result_type(terms.dtype, 1.0)), places, terms)


# -- products ------------------------------------------------------------------------------------


@answers(np.dot)
def dot(a: Operand, b: Operand) -> Value:
    """Product with a sum over the last axis of `a` and the last but one of `b`."""
    x, y = as_array(a), as_array(b)
    if not x.ndim or not y.ndim:
        return multiply(x, y)
    if x.ndim <= 2 and y.ndim <= 2:
        return matmul(x, y)
    return tensordot(x, y, axes=((x.ndim - 1,), (max(y.ndim - 2, 0),)))


@answers(np.inner)
def inner(a: Operand, b: Operand, /) -> Value:
    """Product with a sum over both last axes."""
    x, y = as_array(a), as_array(b)
    if not x.ndim or not y.ndim:
        return multiply(x, y)
    return tensordot(x, y, axes=((x.ndim - 1,), (y.ndim - 1,)))


@answers(np.vdot)
def vdot(a: Operand, b: Operand, /) -> Value:
    """Sum of the products of all elements; those of the first array are conjugated."""
    return matmul(conj(flatten(a)), flatten(b))


@answers(np.outer)
def outer(a: Operand, b: Operand) -> Value:
    """Products of all elements of `a` with all of `b`."""
    return multiply(flatten(a)[:, None], flatten(b)[None, :])


@answers(np.linalg.outer)
def linalg_outer(x1: Operand, x2: Operand, /) -> Value:
    """Products of all elements of two vectors."""
    return outer_(x1, x2)


if hasattr(np, "matvec"):  # NumPy 2.2 and later

    @answers(np.matvec)
    def matvec(x1: Operand, x2: Operand) -> Value:
        """Products of matrices with vectors, along the last axes."""
        return matmul(x1, as_array(x2)[..., None])[..., 0]

    @answers(np.vecmat)
    def vecmat(x1: Operand, x2: Operand) -> Value:
        """Products of conjugated vectors with matrices, along the last axes."""
        return matmul(conj(as_array(x1))[..., None, :], x2)[..., 0, :]


# -- elementwise ---------------------------------------------------------------------------------


@answers(np.clip)
def clip(
    a: Operand,
    a_min: Operand = None,
    a_max: Operand = None,
    *,
    min: Operand = None,
    max: Operand = None,
) -> Value:
    """Limit values to an interval."""
    low, high = (
        None if bound is np._NoValue else bound
        for bound in (min if a_min is None else a_min, max if a_max is None else a_max)
    )
    return clip_(a, low, high)


@answers(np.angle)
def angle(z: Operand, deg: bool = False) -> Value:
    """Angle of complex values."""
    out = angle_(z)
    return out * (180 / np.pi) if deg else out


@answers(np.ptp)
def ptp(a: Operand, axis: AxisLike = None, *, keepdims: bool = False) -> Value:
    """Maximum minus minimum."""
    return max_(a, axis=axis, keepdims=bool(keepdims)) - min_(a, axis=axis, keepdims=bool(keepdims))


@answers(np.rint)
def rint(x: Operand) -> Value:
    """Nearest whole number; the derivative is zero."""
    return round_(x)


@answers(np.fix)
def fix(x: Operand) -> Value:
    """Nearest whole number towards zero; the derivative is zero."""
    return trunc(x)


@answers(np.fabs)
def fabs(x: Operand) -> Value:
    """Modulus of real values."""
    return abs_(x)


@answers(np.deg2rad, np.radians)
def deg2rad(x: Operand) -> Value:
    """Degrees to radians."""
    return multiply(x, np.pi / 180)


@answers(np.rad2deg, np.degrees)
def rad2deg(x: Operand) -> Value:
    """Radians to degrees."""
    return multiply(x, 180 / np.pi)


@answers(np.divmod)
def divmod_(x1: Operand, x2: Operand) -> tuple[Value, Value]:
    """Quotient, rounded down, and remainder."""
    return floor_divide(x1, x2), remainder(x1, x2)
