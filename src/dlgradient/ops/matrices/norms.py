"""Norms of vectors and matrices, and what is said by singular values: condition and rank.

They are composed of moduli, sums, extrema and singular values. At a kink, as the norm of zero, the
gradient is the subgradient of minimum norm, as everywhere.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import numpy as np

from dlgradient.core.kinds import Kind
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, AxisLike, Operand, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.ops.casting import astype
from dlgradient.ops.choice import where
from dlgradient.ops.complex import abs, abs2
from dlgradient.ops.logical import equal
from dlgradient.ops.matrices.shared import (
    check_matrix,
    check_square,
    square_samples,
    well_conditioned,
)
from dlgradient.ops.matrices.singular import svdvals
from dlgradient.ops.matrices.systems import inv
from dlgradient.ops.permute import moveaxis
from dlgradient.ops.powers import pow, root_of_squares
from dlgradient.ops.reduce import max, min, sum
from dlgradient.ops.search import count_nonzero
from dlgradient.ops.shape import expand_dims, normalized, reshape
from dlgradient.rules import constant, derived

__all__ = ["cond", "matrix_norm", "matrix_rank", "norm", "vector_norm"]


def _order(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        raise TypeError
    return float(value)


# The order of a norm: a number, also inf and -inf, or the name of one.
_Order: TypeAlias = Annotated[
    float | str | None,
    Kind("a number, inf, -inf, 'fro' or 'nuc'", _order, plain=(int, float, str)),
]
_OF_MATRICES = "'fro', 'nuc', 1, -1, 2, -2, inf or -inf"


def _float(x: Operand) -> Value:
    """Return an array of floating point, a dlarray or raw."""
    x = x if hasattr(x, "dtype") else np.asarray(x)
    return x if x.dtype.kind in "fc" else astype(x, dtype=np.float64)


# -- vectors -------------------------------------------------------------------------------------


def _power_norm(x: Value, order: float, axis: AxisLike, keepdims: bool) -> Value:
    """Return (Σ |x|^p)^(1/p), whose derivative at zero is zero."""
    total = sum(pow(abs(x), order), axis=axis, keepdims=keepdims)
    zero = equal(total, 0)
    return where(zero, 0, pow(where(zero, 1, total), 1 / order))


@derived(
    samples=lambda m: _vector_samples(m),
    errors=lambda m: [
        Error(case(m.real(3), axis=1), InvalidArgumentError, "vector_norm.*axis"),
        Error(case(m.real(3), ord="fro"), InvalidArgumentError, "ord.*'fro'.*matrix_norm"),
        Error(case(np.zeros((2, 0)), ord=np.inf, axis=1), InvalidArgumentError, "vector_norm"),
    ],
    numpy=np.linalg.vector_norm,
)
def vector_norm(
    x: Operand,
    /,
    *,
    axis: AxisLike = None,
    keepdims: bool = False,
    ord: _Order = 2,  # noqa: A002 - NumPy's name
) -> Value:
    """Norm of vectors, (Σᵢ |xᵢ|^p)^(1/p).

    At zero, a kink, the gradient is zero.

    Parameters
    ----------
    x : array
        Real or complex.
    axis : int or tuple of int, optional
        Dimensions of the vectors; by default all.
    keepdims : bool
        Whether the dimensions stay, with size one.
    ord : float
        The order p: 2, 1, inf for the largest modulus, -inf for the smallest, 0 for the number of
        elements that are not zero, a constant, or any other number.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension, or `ord` is no number.

    See Also
    --------
    matrix_norm : norms of matrices
    norm : both, with NumPy's arguments

    Examples
    --------
    >>> dl.linalg.vector_norm(dl.dlarray([[3.0, 4.0], [0.0, 2.0]]), axis=1).tolist()
    [5.0, 2.0]

    Source: array-API ``linalg.vector_norm``; MATLAB ``vecnorm``.
    """
    x = _float(x)
    if not isinstance(ord, int | float):
        raise InvalidArgumentError(
            f"vector_norm: ord must be a number, not {ord!r}; the norms 'fro' and 'nuc' are those "
            "of matrix_norm"
        )
    for a in axis if isinstance(axis, tuple) else () if axis is None else (axis,):
        if not -x.ndim <= a < x.ndim:
            raise InvalidArgumentError(
                f"vector_norm: axis is {axis}, and x has shape {x.shape}, {x.ndim} dimensions"
            )
    if ord == 2:
        return root_of_squares(sum(abs2(x), axis=axis, keepdims=keepdims))
    if ord == 1:
        return sum(abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        found = count_nonzero(x, axis=axis, keepdims=keepdims)
        return astype(found, dtype=x.real.dtype)
    if np.isinf(ord):
        return (max if ord > 0 else min)(abs(x), axis=axis, keepdims=keepdims)
    return _power_norm(x, ord, axis, keepdims)


def _vector_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3)),
        case(m.complex(2, 3), axis=1),
        case(m.real(2, 3), axis=(0, 1), keepdims=True),
        case(m.real(2, 3), ord=1),
        case(m.complex(3), ord=1),
        case(m.real(2, 3), axis=0, ord=np.inf),
        case(m.complex(3), ord=-np.inf),
        case(m.real(2, 3), axis=1, ord=3),
        case(m.complex(2, 2), axis=0, ord=2.5, keepdims=True),
        case(m.real(3), ord=0.5),
        case(m.real(3), ord=-1),
        case(m.real(3), ord=0),
        case(m.real()),
        case(np.zeros((0, 2)), axis=0),
        case(np.zeros(3), kink=True, gradient={"x": np.zeros(3)}),
        case(np.zeros(3), ord=3, kink=True, gradient={"x": np.zeros(3)}),
        case(np.zeros(2), ord=1, kink=True, gradient={"x": np.zeros(2)}),
        case(np.array([2.0, -2.0]), ord=np.inf, kink=True, gradient={"x": [0.5, -0.5]}),
    ]


# -- matrices ------------------------------------------------------------------------------------


@derived(
    samples=lambda m: _matrix_samples(m),
    errors=lambda m: [
        Error(case(m.real(3)), ShapeMismatchError, r"matrix_norm: x has shape \(3,\)"),
        Error(case(m.real(2, 2), ord=3), InvalidArgumentError, r"ord must be 'fro'.*not 3"),
    ],
    numpy=np.linalg.matrix_norm,
)
def matrix_norm(x: Operand, /, *, keepdims: bool = False, ord: _Order = "fro") -> Value:  # noqa: A002 - NumPy's name
    """Norm of matrices.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions, real or complex.
    keepdims : bool
        Whether these dimensions stay, with size one.
    ord : {"fro", "nuc", 1, -1, 2, -2, inf, -inf}
        "fro" is the root of the sum of squares, "nuc" the sum of the singular values. The largest
        of those is 2, the smallest -2. Sums of moduli are the others: the largest of a column is 1
        and the smallest -1, those of a row are inf and -inf.

    Raises
    ------
    ShapeMismatchError
        If ``x`` has fewer than two dimensions.
    InvalidArgumentError
        For another `ord`.

    See Also
    --------
    vector_norm : norms of vectors
    norm : both, with NumPy's arguments
    svdvals : singular values

    Examples
    --------
    >>> A = dl.dlarray([[3.0, 0.0], [0.0, 4.0]])
    >>> [dl.linalg.matrix_norm(A, ord=p).item() for p in ("fro", "nuc", 2, 1)]
    [5.0, 7.0, 4.0, 4.0]

    Source: array-API ``linalg.matrix_norm``; MATLAB ``norm``.
    """
    x = _float(x)
    check_matrix("matrix_norm", x)
    if ord == "fro" or ord is None:
        return root_of_squares(sum(abs2(x), axis=(-2, -1), keepdims=keepdims))
    if ord in ("nuc", 2, -2):
        values = svdvals(x)
        found = {"nuc": sum, 2: max, -2: min}[ord](values, axis=-1)
        return expand_dims(found, (-2, -1)) if keepdims else found
    if ord not in (1, -1, np.inf, -np.inf):
        raise InvalidArgumentError(f"matrix_norm: ord must be {_OF_MATRICES}, not {ord!r}")
    columns = ord in (1, -1)
    sums = sum(abs(x), axis=-2 if columns else -1, keepdims=keepdims)
    last = (-1 if columns else -2) if keepdims else -1
    return (max if float(ord) > 0 else min)(sums, axis=last, keepdims=keepdims)


def _matrix_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 3)),
        case(m.complex(2, 2, 3), keepdims=True),
        *[case(_distinct(m.real(3, 2)), ord=p) for p in ("nuc", 2, -2, 1, -1, np.inf, -np.inf)],
        case(_distinct(m.complex(2, 2)), ord="nuc"),
        case(m.complex(2, 3, 2), ord=1, keepdims=True),
        case(_distinct(m.real(2, 3, 2)), ord=np.inf),
        case(_distinct(m.real(2, 2, 3)), ord=2, keepdims=True),
        case(np.zeros((2, 2)), kink=True, gradient={"x": np.zeros((2, 2))}),
        case(np.zeros((0, 2))),
    ]


def _distinct(x: Array) -> Array:
    """Return a matrix whose singular values, and sums of moduli, are apart."""
    weights = 1.0 + np.arange(x.shape[-1])
    made: Array = x * weights * (1.0 + 0.7 * np.arange(x.shape[-2]))[:, None]
    return made


@derived(
    samples=lambda m: [
        case(m.real(3)),
        case(m.complex(2, 3)),
        case(m.real(2, 3), axis=0),
        case(m.real(2, 3), 1, 1, keepdims=True),
        case(m.real(2, 3), ord=np.inf),
        case(_distinct(m.real(3, 2)), ord="nuc"),
        case(_distinct(m.real(3, 2)), 2, axis=(1, 0)),
        case(m.real(2, 3, 2), 1, axis=(0, 2), keepdims=True),
        case(m.real(2, 3, 2), ord="fro", axis=(0, -1)),
        case(m.real(2, 3, 2)),
        case(m.real(2, 2), keepdims=True),
    ],
    errors=lambda m: [
        Error(case(m.real(2, 3), axis=(0, 1, 1)), InvalidArgumentError, "one or two"),
        Error(case(m.real(2, 3, 2), 2), InvalidArgumentError, r"\(2, 3, 2\).*axis="),
        Error(case(m.real(2, 3), "fro", axis=0), InvalidArgumentError, "'fro'"),
        Error(case(m.real(2, 3), axis=(0, 0)), InvalidArgumentError, "different"),
    ],
    numpy=np.linalg.norm,
)
def norm(x: Operand, /, ord: _Order = None, axis: AxisLike = None, keepdims: bool = False) -> Value:  # noqa: A002 - NumPy's name
    """Norm of vectors or matrices, with NumPy's arguments.

    Parameters
    ----------
    x : array
        Real or complex.
    ord : float or str, optional
        The order, as that of `vector_norm` or of `matrix_norm`; by default 2 for vectors, and the
        Frobenius norm for matrices.
    axis : int or pair of int, optional
        The dimension of vectors, or those of matrices. By default the only one or the only two, and
        without `ord` all elements are one vector.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Raises
    ------
    InvalidArgumentError
        If `axis` or `ord` does not fit.

    See Also
    --------
    vector_norm : norms of vectors
    matrix_norm : norms of matrices

    Examples
    --------
    >>> A = dl.dlarray([[3.0, 4.0], [6.0, 8.0]])
    >>> dl.linalg.norm(A, axis=1).tolist(), dl.linalg.norm(A, 1).item()
    ([5.0, 10.0], 12.0)

    Source: NumPy ``linalg.norm``; MATLAB ``norm``.
    """
    x = _float(x)
    if axis is None:
        if ord is None:
            return vector_norm(x, keepdims=keepdims)
        if x.ndim not in (1, 2):
            raise InvalidArgumentError(
                f"norm: x has shape {x.shape}, and ord={ord!r} is for vectors or matrices; give "
                "their one or two dimensions as axis="
            )
        axis = tuple(range(x.ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    if len(axes) == 1:
        if isinstance(ord, str):
            raise InvalidArgumentError(
                f"norm: ord={ord!r} is for matrices, and axis is {axis}; give two dimensions"
            )
        return vector_norm(x, axis=axes[0], ord=2 if ord is None else ord, keepdims=keepdims)
    if len(axes) != 2:
        raise InvalidArgumentError(f"norm: axis must be one or two dimensions, not {axis}")
    first, second = normalized(axes, x.ndim)
    if first == second:
        raise InvalidArgumentError(f"norm: axis is {axis}, and must be two different dimensions")
    found = matrix_norm(moveaxis(x, (first, second), (-2, -1)), ord="fro" if ord is None else ord)
    if not keepdims:
        return found
    return reshape(found, tuple(1 if i in (first, second) else n for i, n in enumerate(x.shape)))


# -- condition and rank --------------------------------------------------------------------------


@derived(
    samples=lambda m: [
        case(_distinct(m.real(3, 2))),
        case(_distinct(well_conditioned(m, 2, 2, kind="complex")), -2),
        case(_distinct(well_conditioned(m, 3, 3)), 1),
        case(_distinct(well_conditioned(m, 2, 2, 2)), p="fro"),
        case(_distinct(well_conditioned(m, 2, 2)), p=np.inf),
    ],
    errors=lambda m: [
        Error(case(m.real(3)), ShapeMismatchError, r"cond: x has shape \(3,\)"),
        Error(case(m.real(3, 2), 1), ShapeMismatchError, r"cond: x has shape \(3, 2\).*square"),
    ],
    numpy=np.linalg.cond,
)
def cond(x: Operand, /, p: _Order = None) -> Value:
    """Condition number of matrices, ‖A‖ ‖A⁻¹‖.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions; square ones, unless `p` is None, 2 or -2. Unlabelled.
    p : float or str, optional
        The order of the norm, as that of `matrix_norm`; by default 2, the largest singular value
        divided by the smallest.

    Raises
    ------
    ShapeMismatchError
        If ``x`` is no matrix, or not square.
    MatrixError
        If it is singular, and the order is not None, 2 or -2.

    See Also
    --------
    svdvals : singular values
    matrix_norm : norms of matrices

    Examples
    --------
    >>> dl.linalg.cond(dl.dlarray([[3.0, 0.0], [0.0, 4.0]])).round(decimals=6).item()
    1.333333

    Source: NumPy ``linalg.cond``; MATLAB ``cond``.
    """
    x = _float(x)
    check_matrix("cond", x)
    if p is None or p in (2, -2):
        values = svdvals(x)
        ends = values[..., 0], values[..., -1]
        return ends[1] / ends[0] if p == -2 else ends[0] / ends[1]
    check_square("cond", x)
    return matrix_norm(x, ord=p) * matrix_norm(inv(x), ord=p)


@constant(
    format="contract",
    samples=lambda m: [
        *square_samples(m)[:4],
        case(np.ones((3, 2))),
        case(m.real(3, 2), rtol=1e-3),
    ],
    errors=lambda m: [
        Error(case(m.real(3)), ShapeMismatchError, r"matrix_rank: x has shape \(3,\)"),
    ],
    reference=lambda x, rtol=None: np.linalg.matrix_rank(x, rtol=rtol),
)
def matrix_rank(x: Operand, /, *, rtol: float | None = None) -> Value:
    """Rank of matrices, the number of singular values that are not zero; a constant.

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

    See Also
    --------
    svdvals : singular values
    pinv : pseudo-inverse

    Examples
    --------
    >>> dl.linalg.matrix_rank(dl.ones((3, 2))).item()
    1

    Source: array-API ``linalg.matrix_rank``; MATLAB ``rank``.
    """
    check_matrix("matrix_rank", x)
    return np.linalg.matrix_rank(x, rtol=rtol)
