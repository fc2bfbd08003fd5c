"""NumPy's functions of linear algebra whose arguments are others than those of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from dlgradient.core.calls import wrap
from dlgradient.core.types import DtypeLike, Operand, TargetDtype, Value
from dlgradient.errors import InvalidArgumentError, UnknownKeywordError
from dlgradient.interop.operands import as_array, raw
from dlgradient.interop.table import answers
from dlgradient.ops import kronecker
from dlgradient.ops.casting import astype
from dlgradient.ops.einsum import einsum as einsum_
from dlgradient.ops.matrices import factors, singular, systems
from dlgradient.ops.permute import moveaxis

__all__: list[str] = []


@answers(np.einsum)
def einsum(
    *operands: Any,
    optimize: bool | str | Sequence[Any] = True,
    dtype: DtypeLike = None,
    order: str = "K",  # noqa: ARG001 - of elements in memory, which has no meaning here
    casting: str = "safe",
) -> Value:
    """Sums of products by labels."""
    if dtype is not None:
        if casting not in ("safe", "same_kind", "unsafe"):
            raise InvalidArgumentError(f"numpy.einsum: casting={casting!r} is not supported")
        operands = tuple([_converted(x, dtype) for x in operands])
    # False is NumPy's default, which says that no order was chosen.
    return einsum_(*operands, optimize=True if optimize is False else optimize)


def _converted(x: Any, dtype: TargetDtype) -> Any:
    """Return an operand in a dtype; labels stay as they are."""
    return astype(x, dtype=dtype) if hasattr(x, "dtype") else x


@answers(np.cross)
def cross(
    a: Operand,
    b: Operand,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> Value:
    """Cross products of vectors of length three."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x, y = moveaxis(as_array(a), axisa, -1), moveaxis(as_array(b), axisb, -1)
    out = kronecker.cross(x, y)
    return moveaxis(out, -1, normalize_axis_index(axisc, out.ndim))


@answers(np.linalg.pinv)
def pinv(
    a: Operand,
    rcond: Any = None,
    hermitian: bool = False,  # noqa: ARG001 - says how to compute, not what
    *,
    rtol: Any = np._NoValue,
) -> Value:
    """Pseudo-inverses, with NumPy's bound for singular values that are zero."""
    if rcond is None:
        rcond = 1e-15 if rtol is np._NoValue else rtol
    return systems.pinv(a, rtol=rcond)


@answers(np.linalg.lstsq)
def lstsq(a: Operand, b: Operand, rcond: float | None = None) -> tuple[Value, Value, int, Value]:
    """Solution of least squares, residuals, rank and singular values."""
    found = systems.lstsq(a, b, rtol=rcond)
    return found.solution, found.residuals, int(raw(found.rank)), found.singular_values


@answers(np.linalg.matrix_rank)
def matrix_rank(
    A: Operand,
    tol: Any = None,
    hermitian: bool = False,
    *,
    rtol: Any = None,
) -> Value:
    """Ranks, which are constants."""
    return wrap(np.linalg.matrix_rank(raw(A), tol, hermitian, rtol=rtol), None)


@answers(np.linalg.svd)
def svd(
    a: Operand,
    full_matrices: bool = True,
    compute_uv: bool = True,
    hermitian: bool = False,  # noqa: ARG001 - says how to compute, not what
) -> Value:
    """Singular values, and vectors."""
    if not compute_uv:
        return singular.svdvals(a)
    x = as_array(a)
    if full_matrices and x.ndim > 1 and x.shape[-1] != x.shape[-2]:
        raise UnknownKeywordError(
            f"numpy.linalg.svd: full_matrices=True, the default, of a traced dlarray of shape "
            f"{x.shape}: the vectors beyond the singular values are arbitrary, and have no "
            "derivative; write full_matrices=False"
        )
    return singular.svd(x)


@answers(np.linalg.qr)
def qr(a: Operand, mode: str = "reduced") -> Value:
    """Orthonormal columns and an upper triangle."""
    x = as_array(a)
    if mode == "r":
        return factors.qr(x).R
    if mode == "complete" and x.ndim > 1 and x.shape[-2] <= x.shape[-1]:
        mode = "reduced"  # which is the same
    if mode != "reduced":
        raise UnknownKeywordError(
            f"numpy.linalg.qr: mode={mode!r} has no derivative for a traced dlarray of shape "
            f"{x.shape}; write mode='reduced' or mode='r'"
        )
    return factors.qr(x)
