"""Systems of linear equations: inverse, solve, least squares, pseudo-inverse.

The solution of A x = b has the differential A⁻¹ (db - dA x). So its adjoint solves with Aᴴ, and a
derivative of a solution is made of solutions, of every order.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.reading import read
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Operand, Shape, Value
from dlgradient.core.values import is_dlarray
from dlgradient.errors import InvalidArgumentError, MatrixError, ShapeMismatchError
from dlgradient.ops.complex import abs2, conjugated
from dlgradient.ops.kronecker import unlabelled
from dlgradient.ops.linalg import matmul, tril, triu
from dlgradient.ops.matrices.shared import (
    adjoint,
    as_column,
    check_matrix,
    check_square,
    each_matrix,
    floating,
    of_lapack,
    product_of,
    square_samples,
    turned,
    well_conditioned,
)
from dlgradient.ops.matrices.singular import NO_VALUES, svdvals
from dlgradient.ops.reduce import sum
from dlgradient.ops.search import count_nonzero
from dlgradient.ops.shape import expand_dims, squeeze
from dlgradient.rules import derived, general

__all__ = ["LeastSquares", "inv", "lstsq", "pinv", "solve", "solve_triangular"]

_SINGULAR = (
    "is singular, so no inverse exists; take lstsq or pinv, or add a small multiple of the identity"
)


def _check_right_sides(name: str, x: Shape, y: Shape) -> None:
    """Refuse right sides of a shape that does not fit to that of matrices."""
    found = f"{name}: x has shape {x}, y {y}"
    if not y or y[max(-2, -len(y))] != x[-2]:
        raise ShapeMismatchError(
            f"{found}; y must have {x[-2]} rows: a vector of this length, or matrices whose last "
            "dimension but one is that"
        )
    try:
        np.broadcast_shapes(x[:-2], y[:-2])
    except ValueError as error:
        raise ShapeMismatchError(
            f"{found}; the dimensions in front of the last two must broadcast"
        ) from error


# -- inverse -------------------------------------------------------------------------------------


@general(
    x=lambda g, out: -product_of(adjoint(out), g, adjoint(out)),
    jvp={"x": lambda t, out: -product_of(out, t, out)},
    format="contract",
    samples=square_samples,
    errors=lambda m: [
        Error(case(m.real(2, 3)), ShapeMismatchError, r"inv: x has shape \(2, 3\).*square.*pinv"),
        Error(case(m.real(3)), ShapeMismatchError, r"inv: x has shape \(3,\).*two dimensions"),
        Error(case(np.ones((2, 2))), MatrixError, r"inv: x, of shape \(2, 2\), is singular"),
    ],
    numpy=np.linalg.inv,
)
def inv(x: Operand, /) -> Value:
    """Inverse of square matrices.

    The differential is -A⁻¹ dA A⁻¹.

    Parameters
    ----------
    x : array
        Square matrices in the last two dimensions. Unlabelled.

    Raises
    ------
    ShapeMismatchError
        If they are not square.
    MatrixError
        If one is singular.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    solve : solution of a linear system, faster and more accurate than a product with an inverse
    pinv : pseudo-inverse

    Examples
    --------
    >>> dl.linalg.inv(dl.dlarray([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.25]]

    Source: array-API ``linalg.inv``; MATLAB ``inv``, ``pageinv``.
    """
    check_square("inv", x, "pinv inverts what is not square")
    return of_lapack("inv", x, _SINGULAR, np.linalg.inv, x)


# -- solve ---------------------------------------------------------------------------------------


def _is_vector(b: Any) -> bool:
    return len(b.shape) == 1


def _solved_by(x: Value, g: Value, y_like: Any) -> Value:
    """Return the solution for Aᴴ and a cotangent, which may be that of a vector."""
    a = adjoint(x)
    return as_column(lambda c: solve(a, c), g) if _is_vector(y_like) else solve(a, g)


def _solve_vjp(
    g: Value, x: Value, y_like: Value, out: Value, x_wanted: bool, y_wanted: bool
) -> tuple[Value, Value]:
    u = _solved_by(x, g, y_like)
    if not x_wanted:
        return None, u
    if _is_vector(y_like):
        by_x = -(expand_dims(u, -1) * expand_dims(conjugated(out), -2))
    else:
        by_x = -matmul(u, adjoint(out))
    return by_x, u if y_wanted else None


def _solve_tangent_x(t: Value, x: Value, y_like: Value, out: Value) -> Value:
    if _is_vector(y_like):
        return as_column(lambda c: -solve(x, matmul(t, c)), out)
    return -solve(x, matmul(t, out))


def _solve_tangent_y(t: Value, x: Value) -> Value:
    return solve(x, t)


@general(
    vjp=_solve_vjp,
    jvp={"x": _solve_tangent_x, "y": _solve_tangent_y},
    format="contract",
    samples=lambda m: _solve_samples(m),
    errors=lambda m: _solve_errors(m),
    numpy=np.linalg.solve,
)
def solve(x: Operand, y: Operand, /) -> Value:
    """Solution of the linear system A z = b, for square matrices A = x and b = y.

    The differential is dz = A⁻¹ (db - dA z); its adjoint solves with the adjoint matrix.

    Parameters
    ----------
    x : array
        Square matrices in the last two dimensions. Unlabelled.
    y : array
        A vector, if it has one dimension, else matrices whose columns are right sides. The
        dimensions in front broadcast.

    Raises
    ------
    ShapeMismatchError
        If ``x`` is not square, or ``y`` has not as many rows.
    MatrixError
        If a matrix is singular.
    FormatClashError
        If an operand has a format.

    See Also
    --------
    lstsq : least squares, for matrices that are not square
    solve_triangular : solution for a triangular matrix
    inv : inverse

    Examples
    --------
    >>> A = dl.dlarray([[2.0, 0.0], [0.0, 4.0]])
    >>> dl.linalg.solve(A, [1.0, 1.0]).tolist()
    [0.5, 0.25]

    Source: array-API ``linalg.solve``; MATLAB ``mldivide``, ``linsolve``, ``pagemldivide``.
    """
    check_square("solve", x, "lstsq solves systems that are not square")
    _check_right_sides("solve", np.shape(x), np.shape(y))
    return of_lapack("solve", x, _SINGULAR, np.linalg.solve, x, y)


def _solve_samples(m: Maker) -> list[Case]:
    def square(*shape: int, kind: str = "real") -> Value:
        return well_conditioned(m, *shape, kind=kind)

    return [
        case(square(3, 3), m.real(3, 2)),
        case(square(3, 3), m.real(3)),
        case(square(2, 2, kind="complex"), m.complex(2)),
        case(square(2, 2, kind="complex"), m.real(2, 3)),
        case(square(2, 2), m.complex(2, 1)),
        case(square(2, 3, 3), m.real(2, 3, 1)),
        case(square(2, 3, 3), m.real(3, 2)),
        case(square(2, 2, 2), m.real(2)),
        case(square(2, 2), m.complex(3, 2, 1)),
        case(square(1, 1), m.real(1)),
        case(np.zeros((0, 0)), np.zeros((0, 2))),
        case(square(2, 2), np.zeros((2, 0))),
    ]


def _solve_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 3), m.real(2)), ShapeMismatchError, r"\(2, 3\).*square.*lstsq"),
        Error(case(m.real(2, 2), m.real(3)), ShapeMismatchError, r"y \(3,\); y must have 2 rows"),
        Error(case(m.real(2, 2), m.real()), ShapeMismatchError, r"y \(\); y must have 2 rows"),
        Error(case(m.real(2, 2, 2), m.real(3, 2, 1)), ShapeMismatchError, "must broadcast"),
        Error(case(np.zeros((2, 2)), m.real(2)), MatrixError, r"shape \(2, 2\), is singular"),
    ]


# -- triangular systems --------------------------------------------------------------------------


def _triangle(x: Value, lower: bool, unit_diagonal: bool) -> Value:
    """Return what counts of a matrix, or of a cotangent of it."""
    return tril(x, k=-1 if unit_diagonal else 0) if lower else triu(x, k=1 if unit_diagonal else 0)


def _triangular_vjp(
    g: Value, x: Value, out: Value, lower: bool, unit_diagonal: bool
) -> tuple[Value, Value]:
    u = triangular_solution(adjoint(x), g, lower=not lower, unit_diagonal=unit_diagonal)
    return -_triangle(matmul(u, adjoint(out)), lower, unit_diagonal), u


def _triangular_tangent_x(
    t: Value, x: Value, out: Value, lower: bool, unit_diagonal: bool
) -> Value:
    change = matmul(_triangle(t, lower, unit_diagonal), out)
    return -triangular_solution(x, change, lower=lower, unit_diagonal=unit_diagonal)


def _triangular_tangent_y(t: Value, x: Value, lower: bool, unit_diagonal: bool) -> Value:
    return triangular_solution(x, t, lower=lower, unit_diagonal=unit_diagonal)


@general(
    vjp=_triangular_vjp,
    jvp={"x": _triangular_tangent_x, "y": _triangular_tangent_y},
    format="contract",
    samples=lambda m: [
        case(well_conditioned(m, 3, 3), m.real(3, 2), lower=True),
        case(well_conditioned(m, 2, 2, kind="complex"), m.real(2, 2), lower=False),
        case(well_conditioned(m, 2, 3, 3), m.real(3, 1), lower=True, unit_diagonal=True),
        case(well_conditioned(m, 2, 2), m.complex(2, 2, 1), lower=False),
        case(np.zeros((0, 0)), np.zeros((0, 2)), lower=True),
    ],
    shown="solve_triangular",
)
def triangular_solution(
    x: Value, y: Value, /, *, lower: bool, unit_diagonal: bool = False
) -> Value:
    """Solution of triangular systems, for matrices of right sides.

    Parameters
    ----------
    x, y : array
        Square matrices, and matrices with as many rows. The other triangle of `x` is not read.
    lower, unit_diagonal : bool
        Whether `x` is a lower triangle; whether its diagonal is one, and not read.
    """
    from scipy.linalg import solve_triangular as of_scipy

    dtype = np.result_type(x, y, np.float32)
    if 0 in (*np.shape(x), *np.shape(y)):
        batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
        return np.zeros((*batch, *y.shape[-2:]), dtype)

    def solution(a: Value, b: Value) -> Value:
        return of_scipy(a, b, lower=lower, unit_diagonal=unit_diagonal, check_finite=False)

    return of_lapack("solve_triangular", x, _SINGULAR, each_matrix, solution, x, y).astype(dtype)


@derived(
    samples=lambda m: [
        case(well_conditioned(m, 3, 3), m.real(3)),
        case(well_conditioned(m, 3, 3), m.real(3, 2), lower=True),
        case(well_conditioned(m, 2, 2, kind="complex"), m.complex(2), trans=2),
        case(well_conditioned(m, 2, 2), m.real(2), trans=1, unit_diagonal=True),
        case(well_conditioned(m, 2, 2, 2), m.real(2, 2, 1), lower=True),
    ],
    errors=lambda m: [
        Error(case(m.real(2, 3), m.real(2)), ShapeMismatchError, r"\(2, 3\).*square"),
        Error(case(m.real(2, 2), m.real(3)), ShapeMismatchError, r"must have 2 rows"),
        Error(case(m.real(2, 2), m.real(2), trans=3), InvalidArgumentError, "trans.*3"),
        Error(case(np.zeros((2, 2)), m.real(2)), MatrixError, "is singular"),
    ],
    reference=lambda *args, **params: _reference_triangular(*args, **params),
)
def solve_triangular(
    x: Operand,
    y: Operand,
    /,
    trans: int = 0,
    *,
    lower: bool = False,
    unit_diagonal: bool = False,
) -> Value:
    """Solution of A z = b for a triangular matrix A = x and b = y.

    The gradient for A is that of the triangle that is read.

    Parameters
    ----------
    x : array
        Square matrices in the last two dimensions, of which one triangle is read. Unlabelled.
    y : array
        A vector, if it has one dimension, else matrices of right sides.
    trans : {0, 1, 2}
        Whether the matrix is A, its transpose or its adjoint.
    lower : bool
        Whether the lower triangle is read.
    unit_diagonal : bool
        Whether the diagonal is one, and not read.

    Raises
    ------
    ShapeMismatchError
        If ``x`` is not square, or ``y`` has not as many rows.
    MatrixError
        If a matrix is singular.
    FormatClashError
        If an operand has a format.

    See Also
    --------
    solve : solution for a square matrix
    cholesky : triangular factor of a positive definite matrix

    Examples
    --------
    >>> L = dl.dlarray([[2.0, 0.0], [1.0, 4.0]])
    >>> dl.linalg.solve_triangular(L, [2.0, 9.0], lower=True).tolist()
    [1.0, 2.0]

    Source: SciPy ``linalg.solve_triangular``; MATLAB ``linsolve``.
    """
    x, y = unlabelled("solve_triangular", x=x, y=y)
    check_square("solve_triangular", x)
    _check_right_sides("solve_triangular", x.shape, y.shape)
    if trans not in (0, 1, 2):
        raise InvalidArgumentError(
            f"solve_triangular: trans must be 0 (x), 1 (transposed) or 2 (adjoint), not {trans!r}"
        )
    if trans:
        x, lower = (x.mT if trans == 1 else adjoint(x)), not lower

    def of_matrix(b: Value) -> Value:
        return triangular_solution(x, b, lower=lower, unit_diagonal=unit_diagonal)

    return as_column(of_matrix, y) if _is_vector(y) else of_matrix(y)


def _reference_triangular(x: Value, y: Value, trans: int = 0, **params: Any) -> Value:
    from scipy.linalg import solve_triangular as of_scipy

    if x.ndim == 2:
        return of_scipy(x, y, trans=trans, **params)
    return np.stack([of_scipy(a, b, trans=trans, **params) for a, b in zip(x, y, strict=True)])


# -- pseudo-inverse ------------------------------------------------------------------------------


def _pinv_x(g: Value, x: Value, out: Value) -> Value:
    # The adjoint is the differential for Aᴴ.
    return _pinv_tangent(g, adjoint(x), adjoint(out))


def _pinv_tangent(t: Value, x: Value, out: Value) -> Value:
    p, h = out, turned(t, x)
    left = np.eye(x.shape[-2]) - matmul(x, p)  # 0 for a wide matrix of full rank
    right = np.eye(x.shape[-1]) - matmul(p, x)  # 0 for a tall one
    change = -product_of(p, t, p)
    change = change + product_of(p, adjoint(p), h, left)
    return change + product_of(right, h, adjoint(p), p)


@general(
    x=_pinv_x,
    jvp={"x": _pinv_tangent},
    format="contract",
    samples=lambda m: [
        *square_samples(m)[:4],
        case(well_conditioned(m, 4, 2)),
        case(well_conditioned(m, 2, 3, kind="complex")),
        case(well_conditioned(m, 2, 3, 2), rtol=1e-10),
        case(np.zeros((0, 3))),
    ],
    errors=lambda m: [
        Error(case(m.real(3)), ShapeMismatchError, r"pinv: x has shape \(3,\)"),
    ],
    reference=lambda x, rtol=None: np.linalg.pinv(x, rtol=rtol),
)
def pinv(x: Operand, /, *, rtol: float | None = None) -> Value:
    """Pseudo-inverse of matrices, by their singular values.

    The derivative is that along matrices of the same rank; where the rank changes, there is none.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions. Unlabelled.
    rtol : float, optional
        Singular values below this part of the largest are zero; by default the larger size of the
        matrix times the distance between floating-point numbers at 1.

    Raises
    ------
    ShapeMismatchError
        If ``x`` has fewer than two dimensions.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    inv : inverse
    lstsq : least squares, more accurate than a product with a pseudo-inverse

    Examples
    --------
    >>> dl.linalg.pinv(dl.dlarray([[2.0, 0.0], [0.0, 0.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.0]]

    Source: array-API ``linalg.pinv``; MATLAB ``pinv``.
    """
    check_matrix("pinv", x)
    x = floating(x)
    return of_lapack("pinv", x, NO_VALUES, lambda a, b: np.linalg.pinv(a, rtol=b), x, rtol)


# -- least squares -------------------------------------------------------------------------------


def _crossed(r: Value, v: Value, x: Value) -> Value:
    """Return r vᴴ, the cotangent of ⟨v, dAᴴ r⟩; for a real A it is linear in v."""
    return matmul(r, adjoint(v)) if x.dtype.kind == "c" else matmul(conjugated(r), v.mT)


def _shortest_vjp(
    g: Value, x: Value, y: Value, out: Value, rtol: float | None
) -> tuple[Value, Value]:
    a = adjoint(x)
    u = shortest_solution(a, g, rtol=rtol)
    by_x = _crossed(y - matmul(x, out), shortest_solution(x, u, rtol=rtol), x)
    by_x = by_x - matmul(u, adjoint(out))
    # The last term is zero for a matrix that is not wide.
    return by_x + _crossed(shortest_solution(a, out, rtol=rtol), g - matmul(a, u), x), u


@general(
    vjp=_shortest_vjp,
    format="contract",
    samples=lambda m: [
        case(well_conditioned(m, 4, 2), m.real(4, 1)),
        case(well_conditioned(m, 2, 3), m.real(2, 2), rtol=1e-10),
        case(well_conditioned(m, 3, 2, kind="complex"), m.complex(3, 1)),
        case(well_conditioned(m, 3, 2), m.complex(3, 1)),
        case(well_conditioned(m, 2, 2), m.real(2, 2)),
        case(well_conditioned(m, 2, 3, 2), m.real(2, 3, 1)),
    ],
    shown="lstsq",
)
def shortest_solution(x: Value, y: Value, /, *, rtol: float | None = None) -> Value:
    """Shortest of the solutions of least squares.

    Parameters
    ----------
    x, y : array
        Matrices, and matrices of right sides.
    rtol : float, optional
        As of `lstsq`.
    """

    def solution(a: Value, b: Value) -> Value:
        return np.linalg.lstsq(a, b, rcond=rtol)[0]

    return of_lapack("lstsq", x, NO_VALUES, each_matrix, solution, x, y)


class LeastSquares(NamedTuple):
    """What `lstsq` returns.

    Attributes
    ----------
    solution, residuals : array
        The solution, and the squares of the residuals, which are empty unless there are more
        equations than unknowns and the rank is full.
    rank : array of int
        A constant.
    singular_values : array
    """

    solution: Value
    residuals: Value
    rank: Value
    singular_values: Value


@derived(
    samples=lambda m: [
        case(well_conditioned(m, 4, 2), m.real(4)),
        case(well_conditioned(m, 4, 2), m.real(4, 2)),
        case(well_conditioned(m, 2, 3), m.real(2)),
        case(well_conditioned(m, 3, 2, kind="complex"), m.complex(3), rtol=1e-12),
    ],
    errors=lambda m: [
        Error(case(m.real(3), m.real(3)), ShapeMismatchError, r"lstsq: x has shape \(3,\)"),
        Error(case(m.real(3, 2), m.real(2)), ShapeMismatchError, r"y \(2,\); y must have 3 rows"),
    ],
    reference=lambda x, y, rtol=None: np.linalg.lstsq(x, y, rcond=rtol),
)
def lstsq(x: Operand, y: Operand, /, *, rtol: float | None = None) -> LeastSquares:
    """Least squares: the z of the smallest ‖A z - b‖, for A = x and b = y.

    If there are several, it is the shortest. The derivative is that along matrices of the same
    rank.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions. Unlabelled.
    y : array
        A vector, if it has one dimension, else matrices of right sides.
    rtol : float, optional
        Singular values below this part of the largest are zero; by default the larger size of the
        matrix times the distance between floating-point numbers at 1.

    Returns
    -------
    LeastSquares
        A named tuple of the solution, the squares of the residuals, the rank and the singular
        values, as NumPy's.

    Raises
    ------
    ShapeMismatchError
        If ``x`` is no matrix, or ``y`` has not as many rows.
    FormatClashError
        If an operand has a format.

    See Also
    --------
    solve : solution for a square matrix
    pinv : pseudo-inverse

    Examples
    --------
    >>> line = dl.dlarray([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> dl.linalg.lstsq(line, [1.0, 3.0, 5.0]).solution.round(decimals=6).tolist()
    [1.0, 2.0]

    Source: NumPy ``linalg.lstsq``; MATLAB ``lsqminnorm``, ``mldivide``.
    """
    x, y = unlabelled("lstsq", x=x, y=y)
    check_matrix("lstsq", x)
    _check_right_sides("lstsq", x.shape, y.shape)
    rows, columns = x.shape[-2:]
    b = expand_dims(y, -1) if _is_vector(y) else y
    solution = shortest_solution(x, b, rtol=rtol)
    values = svdvals(x)
    bound = np.finfo(values.dtype).eps * max(rows, columns) if rtol is None else rtol
    rank = count_nonzero(values > bound * values[..., :1], axis=-1)
    residuals = sum(abs2(b - matmul(x, solution)), axis=-2)
    if rows <= columns or np.any((read(rank) if is_dlarray(rank) else rank) < columns):
        residuals = residuals[..., :0].reshape(-1)
    solution = squeeze(solution, -1) if _is_vector(y) else solution
    return LeastSquares(solution, residuals, rank, values)
