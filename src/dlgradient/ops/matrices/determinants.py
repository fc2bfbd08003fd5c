"""Determinants, their logarithms, and cofactors.

The gradient of the determinant is the matrix of cofactors, which exists for singular matrices, too.
It and its derivative are computed from singular values, as products of all others, without a
division. The third derivative is that of a formula with the inverse.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlgradient.core.samples import Error, case
from dlgradient.core.types import Array, Operand, Value
from dlgradient.errors import ShapeMismatchError
from dlgradient.ops.complex import conj, conjugated, imag, real
from dlgradient.ops.linalg import matmul
from dlgradient.ops.matrices.shared import (
    adjoint,
    check_square,
    floating,
    square_samples,
    well_conditioned,
    where_finite,
)
from dlgradient.ops.matrices.systems import inv
from dlgradient.ops.products import exclusive_products
from dlgradient.ops.reduce import sum
from dlgradient.ops.shape import expand_dims
from dlgradient.rules import derived, general

__all__ = ["SlogdetResult", "det", "slogdet"]


def _of_matrix(x: Value) -> Value:
    """Return a value for each matrix with the dimensions of one."""
    return expand_dims(x, (-2, -1))


def _trace(x: Value, y: Value) -> Value:
    """Return the trace of a product, with the dimensions of a matrix."""
    return sum(x * y.mT, axis=(-2, -1), keepdims=True)


# -- determinant ---------------------------------------------------------------------------------


def _det_x(g: Value, x: Value) -> Value:
    return _of_matrix(g) * conjugated(cofactors(x))


def _det_tangent(t: Value, x: Value) -> Value:
    return sum(t * cofactors(x), axis=(-2, -1))


@general(
    x=_det_x,
    jvp={"x": _det_tangent},
    format="contract",
    samples=lambda m: [
        *square_samples(m),
        case(well_conditioned(m, 4, 4)),
        case(well_conditioned(m, 3, 3, kind="complex")),
        case(_singular(m.real(3, 3), 1)),
        case(_singular(m.complex(3, 3), 1)),
        case(np.diag([2.0, 0.0, 0.0])),
        case(np.zeros((2, 2))),
    ],
    errors=lambda m: [
        Error(case(m.real(2, 3)), ShapeMismatchError, r"det: x has shape \(2, 3\).*square"),
    ],
    numpy=np.linalg.det,
)
def det(x: Operand, /) -> Value:
    """Determinant of square matrices.

    The gradient is the matrix of cofactors, so it is right for singular matrices, too. Third
    derivatives need an inverse.

    Parameters
    ----------
    x : array
        Square matrices in the last two dimensions. Unlabelled.

    Raises
    ------
    ShapeMismatchError
        If they are not square.
    MatrixError
        In a third derivative, if one is singular.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    slogdet : sign and logarithm, which do not overflow
    inv : inverse

    Examples
    --------
    >>> A = dl.dlarray([[1.0, 2.0], [2.0, 4.0]])
    >>> dl.dlfeval(lambda A: dl.dlgradient(dl.linalg.det(A), A), A).round(decimals=6).tolist()
    [[4.0, -2.0], [-2.0, 1.0]]

    Source: array-API ``linalg.det``; MATLAB ``det``.
    """
    check_square("det", x)
    return np.linalg.det(x)


def _singular(x: Array, count: int) -> Array:
    """Return a matrix with some singular values replaced by zero."""
    u, s, vh = np.linalg.svd(x)
    s[..., -count:] = 0
    made: Array = (u * s) @ vh
    return made


# Below this estimate of the reciprocal condition number, the inverse has lost half of its digits.
_CONDITION = 1e-4


def _of_singular_values(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return conj(U), s, conj(Vᴴ) and the phase of det U Vᴴ of square matrices."""
    u, s, vh = np.linalg.svd(x)
    return np.conj(u), s, np.conj(vh), np.linalg.det(u) * np.linalg.det(vh)


def _cofactors_x(g: Value, x: Value) -> Value:
    return cofactor_change(conjugated(x), g)


def _cofactors_tangent(t: Value, x: Value) -> Value:
    return cofactor_change(x, t)


@general(
    x=_cofactors_x,
    jvp={"x": _cofactors_tangent},
    format="contract",
    samples=lambda m: [*square_samples(m)[:3], *square_samples(m)[4:]],
    shown="det",
)
def cofactors(x: Value, /) -> Value:
    """Cofactors of matrices: the derivatives of the determinant by the elements.

    Parameters
    ----------
    x : array
        Square matrices, which may be singular.
    """
    x = floating(x)
    try:
        with np.errstate(all="ignore"):
            inverse = np.linalg.inv(x)
            norms = [np.max(np.sum(np.abs(a), axis=-1), axis=-1) for a in (x, inverse) if a.size]
        if not x.size or np.all(norms[0] * norms[1] < 1 / _CONDITION):
            return np.linalg.det(x)[..., None, None] * inverse.mT
    except np.linalg.LinAlgError:
        pass
    return where_finite(_by_singular_values, x)


def _by_singular_values(x: Array) -> Array:
    u, s, vh, phase = _of_singular_values(x)
    others = exclusive_products(s, axis=-1)
    found: Array = (u * others[..., None, :]) @ vh * phase[..., None, None]
    return found.astype(x.dtype)


def _cofactor_change_x(g: Value, x: Value, y: Value) -> Value:
    # With N = A⁻¹, ⟨G, change⟩ = d (tr(N T) tr(N G) - tr(N T N G)).
    n, t = inv(conjugated(x)), conjugated(y)
    d = _of_matrix(det(conjugated(x)))
    nt, ng = matmul(n, t), matmul(n, g)
    a, b = _trace(n, t), _trace(n, g)
    ntn, ngn = matmul(nt, n), matmul(ng, n)
    change = (a * b - _trace(nt, ng)) * n - b * ntn - a * ngn
    change = change + matmul(ntn, matmul(g, n)) + matmul(ngn, matmul(t, n))
    return (d * change).mT


def _cofactor_change_y(g: Value, x: Value) -> Value:
    return cofactor_change(conjugated(x), g)


@general(
    x=_cofactor_change_x,
    y=_cofactor_change_y,
    format="contract",
    samples=lambda m: [
        case(well_conditioned(m, 3, 3), m.real(3, 3)),
        case(well_conditioned(m, 2, 2, kind="complex"), m.complex(2, 2)),
        case(well_conditioned(m, 2, 3, 3), m.complex(2, 3, 3)),
    ],
    shown="det",
)
def cofactor_change(x: Value, y: Value, /) -> Value:
    """Differential of the cofactors of x along y.

    Parameters
    ----------
    x, y : array
        Square matrices; `x` may be singular.
    """
    dtype = np.result_type(x, y)
    return where_finite(lambda a: _cofactor_change(a, y), np.asarray(x)).astype(dtype)


def _cofactor_change(x: Array, y: Value) -> Array:
    u, s, vh, phase = _of_singular_values(x)
    n = s.shape[-1]
    # Products of all singular values but two.
    rest = np.zeros((*s.shape, n), s.dtype)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        rest[..., i, others] = exclusive_products(s[..., others], axis=-1)
    inner = u.mT @ y @ vh.mT
    own = np.diagonal(inner, axis1=-2, axis2=-1)
    change = -inner.mT * rest
    places = np.arange(n)
    change[..., places, places] = (rest @ own[..., None])[..., 0]
    found: Array = u @ change @ vh * phase[..., None, None]
    return found


# -- sign and logarithm --------------------------------------------------------------------------


class SlogdetResult(NamedTuple):
    """What `slogdet` returns: the sign or phase, and the logarithm of the modulus."""

    sign: Value
    logabsdet: Value


def _slogdet_vjp(g: tuple[Value, ...], x: Value, out: tuple[Value, ...]) -> tuple[Value]:
    g_sign, g_log = g
    factor = g_log
    if x.dtype.kind == "c":
        factor = None if g_log is None else real(g_log) + 0j
        if g_sign is not None:
            # The sign of a complex determinant turns.
            turn = 1j * imag(conj(out[0]) * g_sign)
            factor = turn if factor is None else factor + turn
    return (None if factor is None else _of_matrix(factor) * adjoint(inv(x)),)


@general(
    vjp=_slogdet_vjp,
    format="contract",
    outputs=2,
    samples=square_samples,
    shown="slogdet",
)
def signed_logarithm(x: Value, /) -> tuple[Value, Value]:
    """Sign and logarithm of determinants.

    Parameters
    ----------
    x : array
    """
    sign, log = np.linalg.slogdet(x)
    return sign, log


@derived(
    samples=lambda m: square_samples(m)[:4],
    errors=lambda m: [
        Error(case(m.real(2, 3)), ShapeMismatchError, r"slogdet: x has shape \(2, 3\).*square"),
    ],
    numpy=np.linalg.slogdet,
)
def slogdet(x: Operand, /) -> SlogdetResult:
    """Sign of the determinant of square matrices, and the logarithm of its modulus.

    They do not overflow where `det` does. The gradient of the logarithm is the transposed inverse.

    Parameters
    ----------
    x : array
        Square matrices in the last two dimensions. Unlabelled.

    Returns
    -------
    SlogdetResult
        A named tuple of the sign, a complex number of modulus one for complex matrices, and the
        logarithm. Of a singular matrix they are 0 and -inf.

    Raises
    ------
    ShapeMismatchError
        If they are not square.
    MatrixError
        In the derivative, if one is singular.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    det : determinant
    cholesky : of a positive definite matrix, twice the sum of the logarithms of its diagonal

    Examples
    --------
    >>> sign, log = dl.linalg.slogdet(dl.dlarray([[2.0, 0.0], [0.0, -1.0]]))
    >>> sign.item(), round(log.item(), 6)
    (-1.0, 0.693147)

    Source: array-API ``linalg.slogdet``; PyTorch ``logdet``.
    """
    check_square("slogdet", x)
    return SlogdetResult(*signed_logarithm(x))
