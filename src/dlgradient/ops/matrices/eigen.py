"""Eigenvalues and eigenvectors, A V = V diag(w).

The differential of V is V times a matrix with the elements (V⁻¹ dA V)_jk / (w_k - w_j). A multiple
of each vector is added, which its length and its phase decide. LAPACK makes the first component of
the complex eigenvectors of a Hermitian matrix real, and the largest one of those of any other
matrix. The derivatives of vectors follow that, and for a function that does not depend on the phase
it has no effect.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Operand, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.ops.complex import conj, conjugated, real
from dlgradient.ops.linalg import matmul
from dlgradient.ops.matrices.diagonals import diagonal
from dlgradient.ops.matrices.gaps import ambiguous, divided_by_gaps, phases_at, turns_of
from dlgradient.ops.matrices.shared import (
    adjoint,
    check_hermitian,
    check_square,
    diagonal_matrix,
    hermitian,
    hermitian_samples,
    of_lapack,
    off_diagonal,
    product_of,
    turned,
    well_conditioned,
)
from dlgradient.ops.matrices.systems import solve
from dlgradient.ops.reduce import sum
from dlgradient.ops.shape import expand_dims
from dlgradient.rules import constant, derived, general

__all__ = ["EigResult", "EighResult", "eig", "eigh", "eigvals", "eigvalsh"]

_FIX = "svd is for matrices that are not square"
_PROBLEM = "has no eigenvalues that LAPACK finds; look for NaN and infinities"


class EighResult(NamedTuple):
    """What `eigh` returns: eigenvalues in ascending order, and eigenvectors as columns."""

    eigenvalues: Value
    eigenvectors: Value


class EigResult(NamedTuple):
    """What `eig` returns: eigenvalues, and eigenvectors as columns."""

    eigenvalues: Value
    eigenvectors: Value


def _gaps(w: Value) -> Value:
    return expand_dims(w, -2) - expand_dims(w, -1)


# -- Hermitian matrices --------------------------------------------------------------------------


def _eigh_vjp(g: tuple[Value, ...], x: Value, out: tuple[Value, ...]) -> tuple[Value]:
    (w, v), (g_w, g_v) = out, g
    inner = None if g_w is None else diagonal_matrix(g_w)
    if g_v is not None:
        part = matmul(adjoint(v), g_v)
        if x.dtype.kind == "c":
            g_v = g_v + phases_at(v, turns_of(part))
            part = matmul(adjoint(v), g_v)
        if g_w is not None:
            ambiguous(w, g_w, part, name="eigh")
        rotation = divided_by_gaps("eigh", (part - turned(part, x)) * 0.5, _gaps(w), w, part)
        inner = rotation if inner is None else inner + rotation
    return (hermitian(product_of(v, inner, adjoint(v)), x),)


@general(
    vjp=_eigh_vjp,
    format="contract",
    outputs=2,
    samples=hermitian_samples,
    shown="eigh",
)
def hermitian_eigenpairs(x: Value, /) -> tuple[Value, Value]:
    """Eigenvalues and eigenvectors of Hermitian matrices.

    Parameters
    ----------
    x : array
    """
    w, v = of_lapack("eigh", x, _PROBLEM, np.linalg.eigh, check_hermitian("eigh", x, _FIX))
    return w, v


@derived(
    samples=hermitian_samples,
    errors=lambda m: [
        Error(case(m.real(2, 3)), ShapeMismatchError, r"eigh: x has shape \(2, 3\).*square.*svd"),
        Error(case(np.tri(2) * 3), InvalidArgumentError, "symmetric.*lower triangle"),
    ],
    numpy=np.linalg.eigh,
)
def eigh(x: Operand, /) -> EighResult:
    """Eigenvalues and eigenvectors of Hermitian matrices, or real symmetric ones.

    The gradient is Hermitian. Vectors of equal eigenvalues have no derivative. A function of them
    that does not depend on their choice, as the projection on their space, has one, and others give
    a `DegenerateWarning`. So does a function of values and vectors together, as V f(w) Vᴴ, whose
    gradient is not found here.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions, of which the Hermitian part is taken. Unlabelled.

    Returns
    -------
    EighResult
        A named tuple of the eigenvalues, in ascending order, and the eigenvectors, as columns.

    Raises
    ------
    ShapeMismatchError
        If ``x`` is not square.
    InvalidArgumentError
        If it is far from Hermitian, as a triangle is.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    eigvalsh : eigenvalues alone, which have derivatives also where two are equal
    eig : for any square matrix
    svd : singular values and vectors

    Examples
    --------
    >>> dl.linalg.eigh(dl.dlarray([[2.0, 1.0], [1.0, 2.0]])).eigenvalues.round(decimals=6).tolist()
    [1.0, 3.0]

    Source: array-API ``linalg.eigh``; MATLAB ``eig``.
    """
    return EighResult(*hermitian_eigenpairs(x))


def _eigvalsh_x(g: Value, x: Value) -> Value:
    _, v = hermitian_eigenpairs(x)
    return hermitian(matmul(v * expand_dims(g, -2), adjoint(v)), x)


def _eigvalsh_tangent(t: Value, x: Value) -> Value:
    _, v = hermitian_eigenpairs(x)
    change = sum(conjugated(v) * matmul(hermitian(t, x), v), axis=-2)
    return real(change) if x.dtype.kind == "c" else change


@general(
    x=_eigvalsh_x,
    jvp={"x": _eigvalsh_tangent},
    format="contract",
    samples=hermitian_samples,
    errors=lambda m: [
        Error(case(m.real(2, 3)), ShapeMismatchError, r"eigvalsh: x has shape \(2, 3\).*square"),
        Error(case(np.tri(2) * 3), InvalidArgumentError, "eigvalsh.*symmetric"),
    ],
    numpy=np.linalg.eigvalsh,
)
def eigvalsh(x: Operand, /) -> Value:
    """Eigenvalues of Hermitian matrices, or real symmetric ones, in ascending order.

    The differential of one is vᴴ dA v. Where two are equal it is that along the vectors that LAPACK
    found; a symmetric function of them has the right gradient.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions, of which the Hermitian part is taken. Unlabelled.

    Raises
    ------
    ShapeMismatchError
        If ``x`` is not square.
    InvalidArgumentError
        If it is far from Hermitian, as a triangle is.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    eigh : with the vectors
    eigvals : for any square matrix

    Examples
    --------
    >>> dl.linalg.eigvalsh(dl.dlarray([[2.0, 0.0], [0.0, 1.0]])).tolist()
    [1.0, 2.0]

    Source: array-API ``linalg.eigvalsh``; MATLAB ``eig``.
    """
    return of_lapack("eigvalsh", x, _PROBLEM, np.linalg.eigvalsh, check_hermitian("eigvalsh", x))


# -- any square matrix ---------------------------------------------------------------------------


@constant(format="new", samples=lambda m: [case(m.complex(2, 2)), case(m.complex(2, 3, 3))])
def largest_places(x: Value, /) -> Value:
    """A matrix with 1 at the largest component of each column, and 0 elsewhere.

    Parameters
    ----------
    x : array
    """
    largest = np.argmax(np.abs(x), axis=-2) if x.size else np.zeros(x.shape[:-1], int)
    return (np.arange(x.shape[-2])[:, None] == largest[..., None, :]).astype(x.real.dtype)


def _eig_vjp(g: tuple[Value, ...], out: tuple[Value, ...]) -> tuple[Value]:
    (w, v), (g_w, g_v) = out, g
    inner = None if g_w is None else diagonal_matrix(g_w)
    if g_v is not None:
        part = matmul(adjoint(v), g_v)
        # Vectors have the length one, and their largest component is real.
        places = largest_places(v)
        pivots = sum(places * real(v), axis=-2)
        phase = places * expand_dims(-1j * turns_of(part) / pivots, -2)
        g_v = g_v - v * expand_dims(real(diagonal(part)), -2) + phase
        part = matmul(adjoint(v), g_v)
        rotation = divided_by_gaps("eig", off_diagonal(part), conj(_gaps(w)), w, part)
        inner = rotation if inner is None else inner + rotation
    return (solve(adjoint(v), matmul(inner, adjoint(v))),)


@general(
    vjp=_eig_vjp,
    format="contract",
    outputs=2,
    samples=lambda m: _eig_samples(m),
    shown="eig",
)
def eigenpairs(x: Value, /) -> tuple[Value, Value]:
    """Eigenvalues and eigenvectors of square matrices, complex.

    Parameters
    ----------
    x : array
    """
    check_square("eig", x, _FIX)
    w, v = of_lapack("eig", x, _PROBLEM, np.linalg.eig, x)
    kind = np.result_type(w, np.complex64)
    return w.astype(kind), v.astype(kind)


def _eig_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 3) * 0.3 + np.diag([1.0, 2.5, 4.0])),
        case(np.array([[1.0, -2.0, 0.3], [1.5, 1.2, 0.1], [0.2, 0.4, 3.0]])),
        case(m.complex(2, 2) * 0.3 + np.diag([1.0, 3.0])),
        case(m.real(2, 2, 2) * 0.3 + np.diag([1.0, 3.0])),
        case(well_conditioned(m, 1, 1)),
        case(np.zeros((0, 0))),
    ]


@derived(
    samples=lambda m: _eig_samples(m)[1:],
    errors=lambda m: [
        Error(case(m.real(2, 3)), ShapeMismatchError, r"eig: x has shape \(2, 3\).*square"),
    ],
    numpy=np.linalg.eig,
)
def eig(x: Operand, /) -> EigResult:
    """Eigenvalues and eigenvectors of square matrices.

    They are always complex, also where all are real, as a dtype cannot depend on values. Vectors
    have the length one. Those of equal eigenvalues have no derivative, and give a
    `DegenerateWarning`.

    Parameters
    ----------
    x : array
        Square matrices in the last two dimensions. Unlabelled.

    Returns
    -------
    EigResult
        A named tuple of the eigenvalues and the eigenvectors, as columns.

    Raises
    ------
    ShapeMismatchError
        If ``x`` is not square.
    MatrixError
        In the derivative, if the matrix has no basis of eigenvectors.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    eigvals : eigenvalues alone
    eigh : for Hermitian matrices

    Examples
    --------
    >>> dl.linalg.eig(dl.dlarray([[0.0, 1.0], [-1.0, 0.0]])).eigenvalues.tolist()
    [1j, -1j]

    Source: array-API ``linalg.eig``; MATLAB ``eig``.
    """
    return EigResult(*eigenpairs(x))


def _eigvals_x(g: Value, x: Value) -> Value:
    _, v = eigenpairs(x)
    return solve(adjoint(v), expand_dims(g, -1) * adjoint(v))


def _eigvals_tangent(t: Value, x: Value) -> Value:
    _, v = eigenpairs(x)
    return diagonal(solve(v, matmul(t, v)))


@general(
    x=_eigvals_x,
    jvp={"x": _eigvals_tangent},
    format="contract",
    samples=lambda m: _eig_samples(m),
    errors=lambda m: [
        Error(case(m.real(2, 3)), ShapeMismatchError, r"eigvals: x has shape \(2, 3\).*square"),
    ],
    numpy=np.linalg.eigvals,
)
def eigvals(x: Operand, /) -> Value:
    """Eigenvalues of square matrices, always complex.

    The differential of one is wᴴ dA v, with a left and a right eigenvector.

    Parameters
    ----------
    x : array
        Square matrices in the last two dimensions. Unlabelled.

    Raises
    ------
    ShapeMismatchError
        If ``x`` is not square.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    eig : with the vectors
    eigvalsh : for Hermitian matrices

    Examples
    --------
    >>> dl.linalg.eigvals(dl.dlarray([[0.0, 1.0], [-1.0, 0.0]])).tolist()
    [1j, -1j]

    Source: array-API ``linalg.eigvals``; MATLAB ``eig``.
    """
    check_square("eigvals", x)
    w = of_lapack("eigvals", x, _PROBLEM, np.linalg.eigvals, x)
    return w.astype(np.result_type(w, np.complex64))
