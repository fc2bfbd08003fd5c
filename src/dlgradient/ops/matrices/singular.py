"""Singular values and singular vectors, A = U diag(s) Vᴴ.

With X = Uᴴ g_U and Y = Vᴴ g_V, the part of the cotangent of A between the vectors has elements

    p / (s_k - s_j) + q / (s_k + s_j),   2 p = X - Xᴴ + Y - Yᴴ,   2 q = X - Xᴴ - Y + Yᴴ.

So only p is divided by gaps. It is zero where a function does not depend on the choice of the
vectors, as the polar factor U Vᴴ. The rest is finite for equal singular values.

Complex vectors have a phase. The kernel makes the first components real: of the right vectors of a
tall matrix, and of the left vectors of a wide one. LAPACK does the same but for very wide matrices.
Then vectors have a derivative, in which the phase follows that component.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Operand, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.ops.complex import abs, conjugated, real
from dlgradient.ops.linalg import matmul
from dlgradient.ops.matrices.gaps import ambiguous, divided_by_gaps, phases_at, turns_of
from dlgradient.ops.matrices.shared import (
    adjoint,
    check_matrix,
    diagonal_matrix,
    of_lapack,
    off_diagonal,
    product_of,
    turned,
    well_conditioned,
)
from dlgradient.ops.shape import expand_dims
from dlgradient.rules import derived, general

__all__ = ["NO_VALUES", "SVDResult", "svd", "svdvals"]

# What is wrong with a matrix of which LAPACK finds none.
NO_VALUES = "has no singular values that LAPACK finds; look for NaN and infinities"


class SVDResult(NamedTuple):
    """What `svd` returns: left vectors as columns, singular values, right vectors as rows."""

    U: Value
    S: Value
    Vh: Value


def _svd_vjp(g: tuple[Value, ...], x: Value, out: tuple[Value, ...]) -> tuple[Value]:
    u, s, vh = out
    g_u, g_s, g_vh = g
    if x.dtype.kind == "c" and g_s is not None:
        g_s = real(g_s)
    v, g_v = adjoint(vh), None if g_vh is None else turned(g_vh, x)
    if x.shape[-2] >= x.shape[-1]:
        return (_between(u, s, v, g_u, g_s, g_v, x),)
    # The same of the adjoint matrix, V diag(s) Uᴴ.
    return (turned(_between(v, s, u, g_v, g_s, g_u, x), x),)


def _between(u: Value, s: Value, v: Value, g_u: Value, g_s: Value, g_v: Value, x: Value) -> Value:
    """Return the cotangent of a tall matrix, whose right vectors have the phase of the kernel."""
    inner = None if g_s is None else diagonal_matrix(g_s)
    outer = None
    if g_u is not None or g_v is not None:
        left = None if g_u is None else matmul(adjoint(u), g_u)
        right = None if g_v is None else matmul(adjoint(v), g_v)
        if x.dtype.kind == "c":
            turns = sum([turns_of(part) for part in (left, right) if part is not None])
            by_phase = phases_at(v, turns)
            g_v = by_phase if g_v is None else g_v + by_phase
            right = matmul(adjoint(v), g_v)
        a = _skew(left, x, s)
        b = _skew(right, x, s)
        first, second = expand_dims(s, -1), expand_dims(s, -2)
        size = _moduli(left, right)
        if g_s is not None:
            ambiguous(s, g_s, right if left is None else left, name="svd")
        part = divided_by_gaps("svd", off_diagonal(a + b), second - first, s, size)
        part = part + divided_by_gaps("svd", a - b, second + first, s, size)
        inner = part if inner is None else inner + part
        if g_u is not None and u.shape[-2] > u.shape[-1]:
            rest = divided_by_gaps("svd", g_u - matmul(u, left), second, s, g_u)
            outer = matmul(rest, adjoint(v))
    total = product_of(u, inner, adjoint(v))
    return total if outer is None else total + outer


def _skew(part: Value, x: Value, s: Value) -> Value:
    """Return half of what is not Hermitian in Uᴴ g, for a real matrix not symmetric."""
    n = s.shape[-1]
    return np.zeros((n, n), s.dtype) if part is None else (part - turned(part, x)) * 0.5


def _moduli(by_u: Value | None, by_v: Value | None) -> Value:
    found = [abs(part) for part in (by_u, by_v) if part is not None]
    return found[0] if len(found) == 1 else found[0] + found[1]


@general(
    vjp=_svd_vjp,
    format="contract",
    outputs=3,
    samples=lambda m: _samples(m),
    shown="svd",
)
def singular_triplets(x: Value, /) -> tuple[Value, Value, Value]:
    """Left vectors, singular values and right vectors of matrices, as many as the smaller size.

    Parameters
    ----------
    x : array
    """
    u, s, vh = of_lapack("svd", x, NO_VALUES, lambda a: np.linalg.svd(a, full_matrices=False), x)
    if u.dtype.kind == "c" and s.size:
        first = vh[..., :, 0] if x.shape[-2] >= x.shape[-1] else np.conj(u[..., 0, :])
        size = np.abs(first)
        phase = np.where(size > 0, first / np.where(size > 0, size, 1), 1)
        # A real component keeps its sign.
        phase = np.where(np.abs(first.imag) <= 8 * np.finfo(s.dtype).eps * size, 1, phase)
        u = u * phase[..., None, :]
        vh = vh * np.conj(phase)[..., :, None]
    return u, s, vh


def _samples(m: Maker) -> list[Case]:
    return [
        case(_spread(m.real(3, 3))),
        case(_spread(m.real(4, 2))),
        case(_spread(m.real(2, 3))),
        case(_spread(m.complex(3, 2))),
        case(_spread(m.complex(2, 2))),
        case(_spread(m.complex(2, 3))),
        case(_spread(m.real(2, 3, 2))),
        case(well_conditioned(m, 1, 1)),
    ]


def _spread(x: Value) -> Value:
    """Return a matrix whose singular values are apart."""
    u, s, vh = np.linalg.svd(x, full_matrices=False)
    return (u * (1.0 + np.arange(s.shape[-1])[::-1])) @ vh


@derived(
    samples=lambda m: [*_samples(m)[:4], case(np.zeros((0, 3))), case(np.zeros((2, 0)))],
    errors=lambda m: [
        Error(case(m.real(3)), ShapeMismatchError, r"svd: x has shape \(3,\)"),
        Error(case(m.real(3, 2), full_matrices=True), InvalidArgumentError, "full_matrices=False"),
    ],
)
def svd(x: Operand, /, *, full_matrices: bool = False) -> SVDResult:
    """Singular value decomposition, A = U diag(S) Vh.

    The signs of real vectors are LAPACK's. Of complex ones, the first component of the right
    vectors of a tall matrix, or of the left ones of a wide one, is real. Vectors of equal singular
    values have no derivative. A function of them that does not depend on their choice, such as
    U Vh, has one, and others give a `DegenerateWarning`.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions. Unlabelled.
    full_matrices : bool
        Whether U and Vh are square. The vectors beyond the singular values are arbitrary, and have
        no derivative; so True is for square matrices only.

    Returns
    -------
    SVDResult
        A named tuple of U, S in descending order, and Vh.

    Raises
    ------
    ShapeMismatchError
        If ``x`` has fewer than two dimensions.
    InvalidArgumentError
        For `full_matrices` of a matrix that is not square.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    svdvals : singular values
    eigh : eigenvalues and eigenvectors of Hermitian matrices
    pinv : pseudo-inverse

    Examples
    --------
    >>> dl.linalg.svd(dl.dlarray([[0.0, 2.0], [1.0, 0.0]])).S.tolist()
    [2.0, 1.0]

    Source: array-API ``linalg.svd``; MATLAB ``svd``, ``pagesvd``.
    """
    check_matrix("svd", x)
    if full_matrices and x.shape[-2] != x.shape[-1]:
        raise InvalidArgumentError(
            f"svd: x has shape {x.shape}, and its vectors beyond the singular values are "
            "arbitrary; write full_matrices=False"
        )
    return SVDResult(*singular_triplets(x))


def _svdvals_x(g: Value, x: Value) -> Value:
    u, _, vh = singular_triplets(x)
    g = real(g) if x.dtype.kind == "c" else g
    return matmul(u * expand_dims(g, -2), vh)


def _svdvals_tangent(t: Value, x: Value) -> Value:
    u, _, vh = singular_triplets(x)
    change = conjugated(u) * matmul(t, adjoint(vh))
    return change.real.sum(axis=-2) if x.dtype.kind == "c" else change.sum(axis=-2)


@general(
    x=_svdvals_x,
    jvp={"x": _svdvals_tangent},
    format="contract",
    samples=lambda m: [*_samples(m), case(np.zeros((0, 3)))],
    errors=lambda m: [
        Error(case(m.real(3)), ShapeMismatchError, r"svdvals: x has shape \(3,\)"),
    ],
    numpy=np.linalg.svdvals,
)
def svdvals(x: Operand, /) -> Value:
    """Singular values of matrices, in descending order.

    The differential of one is Re(uᴴ dA v). For a zero singular value, a kink, the derivative is
    that along the vectors that LAPACK found.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions. Unlabelled.

    Raises
    ------
    ShapeMismatchError
        If ``x`` has fewer than two dimensions.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    svd : with the vectors
    matrix_norm : norms, some of which are made of singular values

    Examples
    --------
    >>> dl.linalg.svdvals(dl.dlarray([[0.0, 2.0], [1.0, 0.0]])).tolist()
    [2.0, 1.0]

    Source: array-API ``linalg.svdvals``; MATLAB ``svd``.
    """
    check_matrix("svdvals", x)
    return of_lapack("svdvals", x, NO_VALUES, lambda a: np.linalg.svd(a, compute_uv=False), x)
