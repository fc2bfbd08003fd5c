"""Functions of matrices: powers, exponential, logarithm, square root.

The differential of a function f of a matrix A along E is a block of f of a matrix of twice the
size,

    f([A E; 0 A]) = [f(A) df; 0 f(A)].

Its adjoint is the same with Aᴴ. So the rule of a function of matrices is the function itself, for
derivatives of every order, and no eigenvalue is divided by a gap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Operand, Value
from dlgradient.errors import InvalidArgumentError, MatrixError, ShapeMismatchError
from dlgradient.ops.join import concat
from dlgradient.ops.linalg import matmul
from dlgradient.ops.matrices.shared import (
    adjoint,
    check_square,
    each_matrix,
    fail,
    floating,
    hermitian_matrices,
    square_samples,
    well_conditioned,
    where_finite,
)
from dlgradient.ops.matrices.systems import inv
from dlgradient.rules import derived, general

__all__ = ["expm", "logm", "matrix_power", "multi_dot", "sqrtm"]


def _along(function: Callable[[Value], Value], x: Value, change: Value) -> Value:
    """Return the differential of a function of matrices along a change."""
    n = x.shape[-1]
    upper = concat([x, change], axis=-1)
    lower = concat([x * 0, x], axis=-1)
    return function(concat([upper, lower], axis=-2))[..., :n, n:]


def _stacked(name: str, x: Any) -> Array:
    check_square(name, x)
    return floating(x)


def _expm_x(g: Value, x: Value) -> Value:
    return _along(expm, adjoint(x), g)


def _expm_tangent(t: Value, x: Value) -> Value:
    return _along(expm, x, t)


@general(
    x=_expm_x,
    jvp={"x": _expm_tangent},
    format="contract",
    samples=square_samples,
    errors=lambda m: [
        Error(case(m.real(2, 3)), ShapeMismatchError, r"expm: x has shape \(2, 3\).*square"),
    ],
    reference=lambda x: _reference("expm", x),
)
def expm(x: Operand, /) -> Value:
    """Exponential of square matrices, I + A + A²/2 + ...

    Its differential is a block of the exponential of a matrix of twice the size.

    Parameters
    ----------
    x : array
        Square matrices in the last two dimensions. Unlabelled.

    Raises
    ------
    ShapeMismatchError
        If they are not square.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    logm : logarithm of matrices
    sqrtm : square root of matrices

    Examples
    --------
    >>> dl.linalg.expm(dl.dlarray([[0.0, 1.0], [0.0, 0.0]])).tolist()
    [[1.0, 1.0], [0.0, 1.0]]

    Source: SciPy ``linalg.expm``; MATLAB ``expm``; PyTorch ``matrix_exp``.
    """
    from scipy import linalg

    x = _stacked("expm", x)
    return linalg.expm(x) if x.size else x


def _logm_x(g: Value, x: Value) -> Value:
    return _along(logm, adjoint(x), g)


def _logm_tangent(t: Value, x: Value) -> Value:
    return _along(logm, x, t)


@general(
    x=_logm_x,
    jvp={"x": _logm_tangent},
    format="contract",
    samples=lambda m: _positive_samples(m),
    errors=lambda m: [
        Error(case(m.real(2, 3)), ShapeMismatchError, r"logm: x has shape \(2, 3\).*square"),
        Error(case(np.diag([1.0, -1.0])), MatrixError, "negative.*complex"),
    ],
    reference=lambda x: _reference("logm", x),
)
def logm(x: Operand, /) -> Value:
    """Principal logarithm of square matrices.

    Parameters
    ----------
    x : array
        Square matrices in the last two dimensions, without eigenvalues that are zero or, if they
        are real, negative. Unlabelled.

    Raises
    ------
    ShapeMismatchError
        If they are not square.
    MatrixError
        If a real matrix has no real logarithm: give it as complex.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    expm : exponential of matrices
    sqrtm : square root of matrices

    Examples
    --------
    >>> dl.linalg.logm(dl.dlarray([[1.0, 1.0], [0.0, 1.0]])).round(decimals=6).tolist()
    [[0.0, 1.0], [0.0, 0.0]]

    Source: SciPy ``linalg.logm``; MATLAB ``logm``.
    """
    from scipy import linalg

    return _real_if_real("logm", linalg.logm, _stacked("logm", x))


def _sqrtm_x(g: Value, x: Value) -> Value:
    return _along(sqrtm, adjoint(x), g)


def _sqrtm_tangent(t: Value, x: Value) -> Value:
    return _along(sqrtm, x, t)


@general(
    x=_sqrtm_x,
    jvp={"x": _sqrtm_tangent},
    format="contract",
    samples=lambda m: _positive_samples(m),
    errors=lambda m: [
        Error(case(m.real(2, 3)), ShapeMismatchError, r"sqrtm: x has shape \(2, 3\).*square"),
        Error(case(np.diag([1.0, -1.0])), MatrixError, "negative.*complex"),
    ],
    reference=lambda x: _reference("sqrtm", x),
)
def sqrtm(x: Operand, /) -> Value:
    """Principal square root of square matrices: the B of B B = A.

    Parameters
    ----------
    x : array
        Square matrices in the last two dimensions, without eigenvalues that are zero or, if they
        are real, negative. Unlabelled.

    Raises
    ------
    ShapeMismatchError
        If they are not square.
    MatrixError
        If a real matrix has no real square root: give it as complex.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    expm : exponential of matrices
    logm : logarithm of matrices
    cholesky : triangular factor of a positive definite matrix

    Examples
    --------
    >>> dl.linalg.sqrtm(dl.dlarray([[4.0, 0.0], [0.0, 9.0]])).round(decimals=6).tolist()
    [[2.0, 0.0], [0.0, 3.0]]

    Source: SciPy ``linalg.sqrtm``; MATLAB ``sqrtm``.
    """
    from scipy import linalg

    return _real_if_real("sqrtm", linalg.sqrtm, _stacked("sqrtm", x))


def _real_if_real(name: str, function: Callable[[Array], Array], x: Array) -> Array:
    """Return a function of matrices in the dtype of its operand."""
    # SciPy's logarithm of single precision has few digits.
    wide = x.astype(np.result_type(x, np.float64))
    found = where_finite(lambda a: each_matrix(function, a), wide) if x.size else x
    if found.dtype.kind == "c" and x.dtype.kind != "c":
        size, other = [
            np.nanmax(np.abs(a), axis=(-2, -1), initial=0.0) for a in (found, found.imag)
        ]
        if np.any(other > 1e3 * np.finfo(x.dtype).eps * size):
            fail(
                name,
                x,
                "has an eigenvalue that is negative, so the result is not real; give it as a "
                "complex matrix, x + 0j",
            )
        found = found.real
    return found.astype(x.dtype)


def _positive_samples(m: Maker) -> list[Case]:
    return [
        case(hermitian_matrices(m, 3, 3)),
        case(well_conditioned(m, 2, 2) @ well_conditioned(m, 2, 2).T + np.triu(m.real(2, 2), 1)),
        case(hermitian_matrices(m, 2, 2, kind="complex") + 0.3j),
        case(hermitian_matrices(m, 2, 2, 2)),
        case(np.eye(2)),
        case(2.0 * np.ones((1, 1))),
        case(np.zeros((0, 0))),
    ]


def _reference(name: str, x: Array) -> Array:
    from scipy import linalg

    function = getattr(linalg, name)
    return each_matrix(function, x) if x.size else x


# -- products ------------------------------------------------------------------------------------


@derived(
    samples=lambda m: [
        case(well_conditioned(m, 3, 3), 3),
        case(well_conditioned(m, 2, 2, kind="complex"), -2),
        case(well_conditioned(m, 2, 2, 2), 0),
        case(well_conditioned(m, 2, 2), 1),
        case(well_conditioned(m, 2, 2), 6),
    ],
    errors=lambda m: [
        Error(case(m.real(2, 3), 2), ShapeMismatchError, r"matrix_power: x has shape \(2, 3\)"),
    ],
    numpy=np.linalg.matrix_power,
)
def matrix_power(x: Operand, /, n: int) -> Value:
    """Integer power of square matrices, by squares.

    Parameters
    ----------
    x : array
        Square matrices in the last two dimensions. Unlabelled.
    n : int
        A negative power is one of the inverse.

    Raises
    ------
    ShapeMismatchError
        If they are not square.
    MatrixError
        If one is singular, and the power negative.
    InvalidArgumentError
        If the power is no integer.

    See Also
    --------
    inv : inverse
    sqrtm : square root of matrices

    Examples
    --------
    >>> dl.linalg.matrix_power(dl.dlarray([[1.0, 1.0], [0.0, 1.0]]), 5).tolist()
    [[1.0, 5.0], [0.0, 1.0]]

    Source: array-API ``linalg.matrix_power``; MATLAB ``mpower``.
    """
    check_square("matrix_power", x)
    if n == 0:
        return x * 0 + np.eye(x.shape[-1], dtype=x.dtype)
    base, left = (inv(x), -n) if n < 0 else (x, n)
    while left % 2 == 0:
        base, left = matmul(base, base), left // 2
    out = +base
    while left > 1:
        base, left = matmul(base, base), left // 2
        out = matmul(out, base) if left % 2 else out
    return out


def _chain(shapes: list[tuple[int, ...]]) -> Array:
    """Return where each part of a chain of matrices is split for the fewest multiplications."""
    sizes = [shapes[0][0], *[shape[1] for shape in shapes]]
    count = len(shapes)
    cost = np.zeros((count, count))
    split = np.zeros((count, count), int)
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            costs = [
                cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                for k in range(i, j)
            ]
            best = int(np.argmin(costs))
            cost[i, j], split[i, j] = costs[best], i + best
    return split


@derived(
    samples=lambda m: [
        case([m.real(2, 3), m.real(3, 4), m.real(4, 2)]),
        case([m.real(3), m.real(3, 2), m.complex(2, 2), m.real(2)]),
        case([m.real(2, 2), m.real(2, 3)]),
    ],
    errors=lambda m: [
        Error(case([m.real(2, 2)]), InvalidArgumentError, "two arrays or more, not 1"),
        Error(
            case([m.real(2, 2), m.real(2, 2, 2), m.real(2, 2)]),
            ShapeMismatchError,
            r"arrays\[1\] has shape \(2, 2, 2\)",
        ),
        Error(
            case([m.real(2, 3), m.real(2, 3), m.real(3, 2)]),
            ShapeMismatchError,
            r"arrays\[0\] has shape \(2, 3\), arrays\[1\] \(2, 3\)",
        ),
    ],
    numpy=np.linalg.multi_dot,
)
def multi_dot(arrays: Any, /) -> Value:
    """Product of several matrices, in the order of the fewest multiplications.

    Parameters
    ----------
    arrays : sequence of array
        Matrices; the first and the last may be vectors. Unlabelled.

    Raises
    ------
    InvalidArgumentError
        If there are fewer than two.
    ShapeMismatchError
        If sizes of neighbours differ.

    See Also
    --------
    matrix_power : power of a matrix
    dlgradient.matmul : product of two matrices
    dlgradient.einsum : sums of products by labels

    Examples
    --------
    >>> A = dl.dlarray([[1.0, 1.0], [0.0, 1.0]])
    >>> dl.linalg.multi_dot([A, A, [1.0, 1.0]]).tolist()
    [3.0, 1.0]

    Source: NumPy ``linalg.multi_dot``; PyTorch ``chain_matmul``.
    """
    items = [x if hasattr(x, "shape") else np.asarray(x) for x in arrays]
    if len(items) < 2:
        raise InvalidArgumentError(
            f"multi_dot: arrays must be two arrays or more, not {len(items)}"
        )
    shapes = []
    for i, x in enumerate(items):
        ends = i in (0, len(items) - 1)
        if x.ndim != 2 and not (ends and x.ndim == 1):
            raise ShapeMismatchError(
                f"multi_dot: arrays[{i}] has shape {x.shape}, and must be a matrix"
                + (" or a vector" if ends else "")
            )
        shapes.append(x.shape if x.ndim == 2 else (1, x.size) if i == 0 else (x.size, 1))
    for i in range(len(shapes) - 1):
        if shapes[i][1] != shapes[i + 1][0]:
            raise ShapeMismatchError(
                f"multi_dot: arrays[{i}] has shape {items[i].shape}, arrays[{i + 1}] "
                f"{items[i + 1].shape}; the last dimension of one must be the first of the next"
            )
    split = _chain(shapes)

    def between(i: int, j: int) -> Value:
        if i == j:
            return items[i]
        k = int(split[i, j])
        return matmul(between(i, k), between(k + 1, j))

    return between(0, len(items) - 1)
