"""Diagonals and traces of matrices."""

from __future__ import annotations

import numpy as np

from dlgradient.core.samples import Error, case
from dlgradient.core.types import DtypeLike, Operand, Value
from dlgradient.errors import ShapeMismatchError
from dlgradient.ops.casting import astype
from dlgradient.ops.kronecker import unlabelled
from dlgradient.ops.matrices.shared import check_matrix
from dlgradient.ops.reduce import sum
from dlgradient.rules import derived

__all__ = ["diagonal", "trace"]


@derived(
    samples=lambda m: [
        case(m.real(3, 3)),
        case(m.complex(2, 3), offset=1),
        case(m.real(2, 3, 2), offset=-1),
        case(m.real(2, 2), offset=3),
        case(m.real(0, 2)),
    ],
    errors=lambda m: [
        Error(case(m.real(3)), ShapeMismatchError, r"diagonal: x has shape \(3,\)"),
    ],
    numpy=np.linalg.diagonal,
)
def diagonal(x: Operand, /, *, offset: int = 0) -> Value:
    """Diagonals of matrices.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions. Unlabelled.
    offset : int
        Diagonal above the main one, if positive, or below.

    Raises
    ------
    ShapeMismatchError
        If ``x`` has fewer than two dimensions.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    trace : sum of a diagonal
    dlgradient.tril : lower triangle of a matrix

    Examples
    --------
    >>> dl.linalg.diagonal(dl.dlarray([[1.0, 2.0], [3.0, 4.0]])).tolist()
    [1.0, 4.0]

    Source: array-API ``linalg.diagonal``; MATLAB ``diag``.
    """
    return _diagonal("diagonal", x, offset)


def _diagonal(name: str, x: Operand, offset: int) -> Value:
    (x,) = unlabelled(name, x=x)
    check_matrix(name, x)
    rows, columns = x.shape[-2:]
    first, second = max(-offset, 0), max(offset, 0)
    # An offset beyond the matrix leaves nothing, not a negative number of elements.
    i = np.arange(max(min(rows - first, columns - second), 0))
    return x[..., i + first, i + second]


@derived(
    samples=lambda m: [
        case(m.real(3, 3)),
        case(m.complex(2, 3), offset=1),
        case(m.real(2, 3, 2), offset=-1, dtype="complex128"),
        case(m.real(0, 2)),
    ],
    errors=lambda m: [
        Error(case(m.real(3)), ShapeMismatchError, r"trace: x has shape \(3,\)"),
    ],
    numpy=np.linalg.trace,
)
def trace(x: Operand, /, *, offset: int = 0, dtype: DtypeLike = None) -> Value:
    """Traces of matrices, the sums of their diagonals.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions. Unlabelled.
    offset : int
        Diagonal above the main one, if positive, or below.
    dtype : dtype_like, optional
        Dtype of the sum and of the result.

    Raises
    ------
    ShapeMismatchError
        If ``x`` has fewer than two dimensions.
    FormatClashError
        If ``x`` has a format.

    See Also
    --------
    diagonal : diagonals of matrices
    dlgradient.einsum : sums of products by labels

    Examples
    --------
    >>> dl.linalg.trace(dl.dlarray([[1.0, 2.0], [3.0, 4.0]])).item()
    5.0

    Source: array-API ``linalg.trace``; MATLAB ``trace``.
    """
    own = _diagonal("trace", x, offset)
    return sum(own if dtype is None else astype(own, dtype=dtype), axis=-1)
