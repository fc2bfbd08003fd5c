"""What the functions of matrices share: adjoints, checks of operands, stacks for SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Array, Value
from dlgradient.errors import InvalidArgumentError, MatrixError, ShapeMismatchError
from dlgradient.ops.complex import conjugated
from dlgradient.ops.linalg import matmul
from dlgradient.ops.shape import expand_dims, squeeze

__all__ = [
    "adjoint",
    "as_column",
    "check_hermitian",
    "check_matrix",
    "check_square",
    "diagonal_matrix",
    "each_matrix",
    "fail",
    "floating",
    "hermitian",
    "hermitian_matrices",
    "hermitian_samples",
    "of_lapack",
    "off_diagonal",
    "product_of",
    "square_samples",
    "turned",
    "well_conditioned",
    "where_finite",
]


# -- formulas ------------------------------------------------------------------------------------


def adjoint(x: Value) -> Value:
    """Return the conjugate of the transposed matrices."""
    return conjugated(x).mT


def turned(g: Value, x: Any) -> Value:
    """Return the adjoint of a cotangent or tangent, which may be complex for a real operand.

    Then it is the analytic extension of a real one, and only transposed.
    """
    return conjugated(g).mT if x.dtype.kind == "c" else g.mT


def hermitian(g: Value, x: Any) -> Value:
    """Return the Hermitian part; of what belongs to a real operand the symmetric part."""
    return (g + turned(g, x)) * 0.5


def product_of(*matrices: Value) -> Value:
    """Return the product of matrices, from the left to the right."""
    out = matrices[0]
    for x in matrices[1:]:
        out = matmul(out, x)
    return out


def as_column(function: Callable[[Value], Value], x: Value) -> Value:
    """Apply a function of matrices to vectors."""
    return squeeze(function(expand_dims(x, -1)), -1)


def diagonal_matrix(x: Value) -> Value:
    """Return vectors as the diagonals of matrices."""
    n = x.shape[-1]
    return expand_dims(x, -1) * np.eye(n, dtype=x.real.dtype)


def off_diagonal(x: Value) -> Value:
    """Return matrices with zeros on the diagonal."""
    return x * (1 - np.eye(x.shape[-1], dtype=x.real.dtype))


# -- operands ------------------------------------------------------------------------------------


def floating(x: Any) -> Array:
    """Return an array of floating point; integers and logical values in double precision."""
    array: Array = np.asarray(x)
    return array if array.dtype.kind in "fc" else array.astype(np.float64)


def check_matrix(name: str, x: Any) -> None:
    """Refuse what has fewer than two dimensions."""
    if np.ndim(x) < 2:
        raise ShapeMismatchError(
            f"{name}: x has shape {np.shape(x)}, and must have two dimensions or more; matrices "
            "are in the last two"
        )


def check_square(name: str, x: Any, fix: str = "") -> None:
    """Refuse what is no stack of square matrices, and say what to take for others."""
    check_matrix(name, x)
    shape = np.shape(x)
    if shape[-1] != shape[-2]:
        raise ShapeMismatchError(
            f"{name}: x has shape {shape}, and must be square: the last two dimensions are equal"
            + (f"; {fix}" if fix else "")
        )


# An asymmetry that rounding does not explain, and that differences of a check do not reach.
_ASYMMETRY = 0.01


def check_hermitian(name: str, x: Any, fix: str = "") -> Array:
    """Return the Hermitian part of square matrices; refuse one that is far from Hermitian.

    LAPACK reads one triangle, and would give an answer for another matrix than the one given.
    """
    check_square(name, x, fix)
    x = floating(x)
    other = np.conj(x).mT if x.dtype.kind == "c" else x.mT
    with np.errstate(all="ignore"):
        apart, size = [np.max(np.abs(a), axis=(-2, -1), initial=0.0) for a in (x - other, x)]
        half: Array = x * 0.5 + other * 0.5  # a sum of large numbers may overflow
    wrong = apart > _ASYMMETRY * size
    if wrong.any():
        word = "Hermitian" if x.dtype.kind == "c" else "symmetric"
        raise InvalidArgumentError(
            f"{name}: x has shape {x.shape}, and differs from its adjoint by up to "
            f"{np.max(apart[wrong]):.3g}; it "
            f"must be {word}. Give (x + conj(x.mT)) / 2, or for a lower triangle "
            "tril(x) + conj(tril(x, k=-1).mT)"
        )
    return half


def of_lapack(name: str, x: Any, problem: str, function: Callable[..., Any], *args: Any) -> Any:
    """Call a function of NumPy or SciPy; its LinAlgError becomes one that says what to do."""
    try:
        return function(*args)
    except np.linalg.LinAlgError as error:
        fail(name, x, problem, error)


def fail(name: str, x: Any, problem: str, error: Exception | None = None) -> NoReturn:
    """Raise the error for a matrix that does not have what is asked of it."""
    raise MatrixError(f"{name}: x, of shape {np.shape(x)}, {problem}") from error


def where_finite(function: Callable[[Array], Array], x: Array) -> Array:
    """Apply a function to a stack of square matrices; those with NaN or infinities give NaN.

    LAPACK raises for such a matrix, and nothing would be known of the others of the stack.
    """
    finite = np.isfinite(x).all(axis=(-2, -1), keepdims=True)
    if finite.all():
        return function(x)
    return np.where(
        finite, function(np.where(finite, x, np.eye(x.shape[-1], dtype=x.dtype))), np.nan
    )


def each_matrix(function: Callable[..., Any], *stacks: Array) -> Array:
    """Apply a function of SciPy, which takes single matrices, to each of stacks that broadcast."""
    batch = np.broadcast_shapes(*[x.shape[:-2] for x in stacks])
    if not batch:
        return np.asarray(function(*stacks))
    if 0 in batch:
        one = function(*[np.eye(*x.shape[-2:], dtype=x.dtype) for x in stacks])
        return np.zeros((*batch, *one.shape), one.dtype)
    wide = [np.broadcast_to(x, (*batch, *x.shape[-2:])) for x in stacks]
    found = [function(*[x[at] for x in wide]) for at in np.ndindex(batch)]
    return np.stack(found).reshape(*batch, *found[0].shape)


# -- samples -------------------------------------------------------------------------------------


def well_conditioned(m: Maker, *shape: int, kind: str = "real") -> Array:
    """Return matrices far from singular ones."""
    made: Array = m.complex(*shape) if kind == "complex" else m.real(*shape)
    return made * 0.5 + 2.0 * np.eye(shape[-2], shape[-1])


def square_samples(m: Maker) -> list[Case]:
    """Square matrices: single ones and stacks, real and complex, of size one and empty."""
    return [
        case(well_conditioned(m, 3, 3)),
        case(well_conditioned(m, 2, 2, kind="complex")),
        case(well_conditioned(m, 2, 3, 3)),
        case(well_conditioned(m, 1, 1)),
        case(np.zeros((0, 0))),
        case(np.zeros((0, 2, 2))),
    ]


def hermitian_matrices(m: Maker, *shape: int, kind: str = "real") -> Array:
    """Return positive definite matrices with different eigenvalues."""
    made: Array = m.complex(*shape) if kind == "complex" else m.real(*shape)
    product: Array = made @ np.conj(made).mT * 0.3 + np.diag(np.arange(1.0, shape[-1] + 1))
    return product


def hermitian_samples(m: Maker) -> list[Case]:
    """Positive definite matrices: single ones and stacks, real and complex, empty."""
    return [
        case(hermitian_matrices(m, 3, 3)),
        case(hermitian_matrices(m, 2, 2, kind="complex")),
        case(hermitian_matrices(m, 2, 3, 3)),
        case(hermitian_matrices(m, 1, 1)),
        case(np.zeros((0, 0))),
    ]
