"""Triangular and orthogonal factors: Cholesky, QR and LU."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Operand, Value
from dlgradient.errors import InvalidArgumentError, MatrixError, ShapeMismatchError
from dlgradient.ops.complex import real
from dlgradient.ops.join import concat
from dlgradient.ops.kronecker import unlabelled
from dlgradient.ops.linalg import matmul, tril, triu
from dlgradient.ops.matrices.shared import (
    adjoint,
    check_hermitian,
    check_matrix,
    floating,
    hermitian,
    hermitian_matrices,
    hermitian_samples,
    of_lapack,
    turned,
    well_conditioned,
)
from dlgradient.ops.matrices.systems import triangular_solution
from dlgradient.rules import derived, general

__all__ = ["LUResult", "QRResult", "cholesky", "lu", "qr"]


# -- Cholesky ------------------------------------------------------------------------------------


def _halved(x: Value) -> Value:
    """Return the lower triangle, with half of the diagonal."""
    n = x.shape[-1]
    return tril(x) * (1 - 0.5 * np.eye(n, dtype=x.real.dtype))


def _left_solved(factor: Value, x: Value) -> Value:
    """Return L⁻ᴴ x."""
    return triangular_solution(adjoint(factor), x, lower=False)


def _cholesky_x(g: Value, x_like: Value, out: Value, upper: bool) -> Value:
    factor, g = (adjoint(out), turned(g, x_like)) if upper else (out, g)
    half = _left_solved(factor, _halved(matmul(adjoint(factor), g)))
    return hermitian(turned(_left_solved(factor, turned(half, x_like)), x_like), x_like)


def _cholesky_tangent(t: Value, x_like: Value, out: Value, upper: bool) -> Value:
    factor = adjoint(out) if upper else out
    t = hermitian(t, x_like)
    half = triangular_solution(factor, t, lower=True)
    inner = triangular_solution(factor, turned(half, x_like), lower=True)
    change = matmul(factor, _halved(turned(inner, x_like)))
    return turned(change, x_like) if upper else change


@general(
    x=_cholesky_x,
    jvp={"x": _cholesky_tangent},
    format="contract",
    samples=lambda m: [
        *hermitian_samples(m),
        case(hermitian_matrices(m, 3, 3), upper=True),
        case(hermitian_matrices(m, 2, 2, kind="complex"), upper=True),
    ],
    errors=lambda m: [
        Error(case(m.real(2, 3)), ShapeMismatchError, r"cholesky: x has shape \(2, 3\).*square"),
        Error(case(-np.eye(2)), MatrixError, r"\(2, 2\), is not positive definite.*identity"),
        Error(case(np.tri(2) * 3), InvalidArgumentError, "cholesky.*symmetric"),
    ],
    numpy=np.linalg.cholesky,
)
def cholesky(x: Operand, /, *, upper: bool = False) -> Value:
    """Triangular factor of positive definite matrices, A = L Lᴴ.

    The gradient is Hermitian.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions, of which the Hermitian part is taken. Unlabelled.
    upper : bool
        Whether the result is the upper triangle Lᴴ.

    Raises
    ------
    ShapeMismatchError
        If ``x`` is not square.
    MatrixError
        If a matrix is not positive definite.
    InvalidArgumentError
        If it is far from Hermitian, as a triangle is.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    solve_triangular : solution for a triangular matrix
    eigh : eigenvalues and eigenvectors

    Examples
    --------
    >>> dl.linalg.cholesky(dl.dlarray([[4.0, 2.0], [2.0, 10.0]])).tolist()
    [[2.0, 0.0], [1.0, 3.0]]

    Source: array-API ``linalg.cholesky``; MATLAB ``chol``.
    """
    problem = (
        "is not positive definite; add a small multiple of the identity, as A + 1e-10 * eye(n)"
    )
    x = check_hermitian("cholesky", x)
    return of_lapack("cholesky", x, problem, lambda a: np.linalg.cholesky(a, upper=upper), x)


# -- QR ------------------------------------------------------------------------------------------


class QRResult(NamedTuple):
    """What `qr` returns: orthonormal columns, and an upper triangle."""

    Q: Value
    R: Value


def _qr_vjp(g: tuple[Value, ...], x_like: Value, out: tuple[Value, ...]) -> tuple[Value]:
    (q, r), (g_q, g_r) = out, g
    inner = 0 if g_r is None else matmul(r, turned(g_r, x_like))
    if g_q is not None:
        inner = inner - matmul(turned(g_q, x_like), q)
    lower = tril(inner, k=-1)
    diagonal = inner * np.eye(r.shape[-1], dtype=r.real.dtype)
    middle = lower + turned(lower, x_like)
    middle = middle + (real(diagonal) if x_like.dtype.kind == "c" else diagonal)
    total = matmul(q, middle)
    total = total if g_q is None else total + g_q
    # (total R⁻ᴴ)
    return (turned(triangular_solution(r, turned(total, x_like), lower=False), x_like),)


@general(
    vjp=_qr_vjp,
    format="contract",
    outputs=2,
    samples=lambda m: [
        case(well_conditioned(m, 3, 3)),
        case(well_conditioned(m, 4, 2)),
        case(well_conditioned(m, 3, 2, kind="complex")),
        case(well_conditioned(m, 2, 3, 2)),
        case(well_conditioned(m, 1, 1)),
        case(np.zeros((0, 0))),
    ],
    shown="qr",
)
def tall_qr(x: Value, /) -> tuple[Value, Value]:
    """QR factors of matrices with at least as many rows as columns.

    Parameters
    ----------
    x : array
    """
    q, r = np.linalg.qr(x)
    return q, r


@derived(
    samples=lambda m: [
        case(well_conditioned(m, 3, 2)),
        case(well_conditioned(m, 2, 4)),
        case(well_conditioned(m, 2, 2, kind="complex"), mode="complete"),
        case(well_conditioned(m, 2, 3, kind="complex")),
    ],
    errors=lambda m: [
        Error(case(m.real(3)), ShapeMismatchError, r"qr: x has shape \(3,\)"),
        Error(case(m.real(3, 2), mode="complete"), InvalidArgumentError, "mode='reduced'"),
        Error(case(m.real(3, 2), mode="raw"), InvalidArgumentError, "raw"),
    ],
    reference=lambda x, mode="reduced": np.linalg.qr(x, mode=mode),
)
def qr(x: Operand, /, *, mode: Literal["reduced", "complete"] = "reduced") -> QRResult:
    """QR factorization of matrices of full rank, A = Q R.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions. Unlabelled.
    mode : {"reduced", "complete"}
        Whether Q has as many columns as the smaller size, or is square. The further columns of a
        tall matrix are arbitrary, and have no derivative; so "complete" is for others only.

    Returns
    -------
    QRResult
        A named tuple of Q, whose columns are orthonormal, and R, an upper triangle.

    Raises
    ------
    ShapeMismatchError
        If ``x`` has fewer than two dimensions.
    InvalidArgumentError
        For another `mode`, or "complete" of a tall matrix.
    MatrixError
        In the derivative, if the matrix has not full rank.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    svd : singular value decomposition
    lstsq : least squares
    lu : triangular factors

    Examples
    --------
    >>> dl.abs(dl.linalg.qr(dl.dlarray([[0.0, 2.0], [1.0, 0.0]])).R).tolist()
    [[1.0, 0.0], [0.0, 2.0]]

    Source: array-API ``linalg.qr``; MATLAB ``qr``.
    """
    (x,) = unlabelled("qr", x=x)
    check_matrix("qr", x)
    rows, columns = x.shape[-2:]
    if mode == "complete" and rows > columns:
        raise InvalidArgumentError(
            f"qr: x has shape {x.shape}, and the columns of Q beyond {columns} are arbitrary; "
            "write mode='reduced'"
        )
    if rows >= columns:
        return QRResult(*tall_qr(x))
    # The first columns of a wide matrix decide Q.
    q, r = tall_qr(x[..., :rows])
    return QRResult(q, concat([r, matmul(adjoint(q), x[..., rows:])], axis=-1))


# -- LU ------------------------------------------------------------------------------------------


class LUResult(NamedTuple):
    """What `lu` returns: a permutation, a lower and an upper triangle."""

    P: Value
    L: Value
    U: Value


def _lu_vjp(g: tuple[Value, ...], x_like: Value, out: tuple[Value, ...]) -> tuple[Value]:
    (p, low, up), (_, g_low, g_up) = out, g
    n = min(x_like.shape[-2:])
    # The square parts, and what is below or right of them: one of the two is empty.
    top, right = low[..., :n, :], up[..., :, :n]
    g_low = low * 0 if g_low is None else g_low
    g_up = up * 0 if g_up is None else g_up
    below = _right_solved(g_low[..., n:, :], right)  # L₂ = A₂ U⁻¹
    beside = triangular_solution(adjoint(top), g_up[..., :, n:], lower=False)  # U₂ = L⁻¹ A₂
    by_low = matmul(adjoint(top), g_low[..., :n, :])
    by_low = by_low - matmul(g_up[..., :, n:], adjoint(up[..., :, n:]))
    by_up = matmul(g_up[..., :, :n], adjoint(right))
    by_up = by_up - matmul(adjoint(low[..., n:, :]), g_low[..., n:, :])
    inner = tril(by_low, k=-1) + triu(by_up)
    square = _right_solved(triangular_solution(adjoint(top), inner, lower=False), right)
    if x_like.shape[-2] > n:
        square = concat([square, below], axis=-2)
    if x_like.shape[-1] > n:
        square = concat([square, beside], axis=-1)
    return (matmul(p, square),)


def _right_solved(x: Value, up: Value) -> Value:
    """Return x U⁻ᴴ."""
    return adjoint(triangular_solution(up, adjoint(x), lower=False))


@general(
    vjp=_lu_vjp,
    format="contract",
    outputs=3,
    samples=lambda m: _lu_samples(m),
    shown="lu",
)
def permuted_lu(x: Value, /) -> tuple[Value, Value, Value]:
    """Permutation, lower and upper triangles of matrices.

    Parameters
    ----------
    x : array
    """
    from scipy.linalg import lu as of_scipy

    x = floating(x)
    if not x.size:
        (*batch, m, n), k = x.shape, min(x.shape[-2:])
        sizes = ((m, m), (m, k), (k, n))
        p, low, up = [np.zeros((*batch, *size), x.dtype) + np.eye(*size) for size in sizes]
        return p.real, low.astype(x.dtype), (up * 0).astype(x.dtype)
    p, low, up = of_scipy(x)
    return p.real, low, up


def _lu_samples(m: Maker) -> list[Case]:
    return [
        case(well_conditioned(m, 3, 3)[::-1].copy()),
        case(well_conditioned(m, 4, 2)),
        case(well_conditioned(m, 2, 3)),
        case(well_conditioned(m, 3, 3, kind="complex")),
        case(well_conditioned(m, 2, 3, 2)),
        case(well_conditioned(m, 1, 1)),
    ]


@derived(
    samples=lambda m: _lu_samples(m)[:4],
    errors=lambda m: [Error(case(m.real(3)), ShapeMismatchError, r"lu: x has shape \(3,\)")],
    reference=lambda x: _reference_lu(x),
)
def lu(x: Operand, /) -> LUResult:
    """Triangular factors with pivots, A = P L U.

    The permutation P is a constant. A change of pivots is a jump.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions. Unlabelled.

    Returns
    -------
    LUResult
        A named tuple of P, of L with ones on the diagonal, and of U.

    Raises
    ------
    ShapeMismatchError
        If ``x`` has fewer than two dimensions.
    MatrixError
        In the derivative, if the matrix has not full rank.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    solve : solution of a linear system
    qr : orthogonal and triangular factors
    cholesky : triangular factor of a positive definite matrix

    Examples
    --------
    >>> dl.linalg.lu(dl.dlarray([[1.0, 2.0], [2.0, 0.0]])).U.tolist()
    [[2.0, 0.0], [0.0, 2.0]]

    Source: SciPy ``linalg.lu``; MATLAB ``lu``.
    """
    check_matrix("lu", x)
    return LUResult(*permuted_lu(x))


def _reference_lu(x: Value) -> tuple[Value, ...]:
    from scipy.linalg import lu as of_scipy

    found: tuple[Value, ...] = of_scipy(x)
    return found
