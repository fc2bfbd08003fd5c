"""Products of matrices and vectors, transposes and triangles.

Products are linear in each operand. The adjoint for one operand is a product of the cotangent and
the conjugate of the other. Operands are unlabelled: dimensions are summed by position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import numpy as np

from dlgradient.core.formats import permuted
from dlgradient.core.kinds import SHAPE, Kind, integer
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.threads import product
from dlgradient.core.types import Formats, Operand, Params, Shapes, Value
from dlgradient.errors import FormatClashError, InvalidArgumentError, ShapeMismatchError
from dlgradient.ops.arithmetic import multiply
from dlgradient.ops.complex import conj, conjugated
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.reduce import count, sum
from dlgradient.ops.shape import expand_dims, reshape, squeeze
from dlgradient.rules import derived, linear, multilinear

__all__ = ["matmul", "matrix_transpose", "outer", "tensordot", "tril", "triu", "vecdot"]


def _axes(value: Any) -> Any:
    if np.ndim(value) == 0:
        return integer(0).convert(value)
    first, second = value
    return tuple([SHAPE.convert(axes) for axes in (first, second)])


_PAIRS = Kind("a number of axes, or a pair of axes or of sequences of them", _axes, plain=(tuple,))
# The number of summed dimensions, or those of each operand.
Pairs: TypeAlias = Annotated[int | tuple[int | Sequence[int], int | Sequence[int]], _PAIRS]


# -- matmul --------------------------------------------------------------------------------------


def _matmul_x(g: Value, x_like: Value, y: Value) -> Value:
    y = conjugated(y)
    ndim = len(x_like.shape)
    if y.ndim == 2 and ndim > 1:
        return matmul(g, y.mT)
    if y.ndim == 1:
        return g * y if ndim == 1 else expand_dims(g, -1) * y
    if ndim == 1:
        return squeeze(matmul(y, expand_dims(g, -1)), -1)
    if ndim == 2:
        # One matrix for a batch: sum over the batch inside the product, not after it.
        summed = (*range(y.ndim - 2), y.ndim - 1)
        return tensordot(g, y, axes=(summed, summed))
    return matmul(g, y.mT)


def _matmul_y(g: Value, x: Value, y_like: Value) -> Value:
    x = conjugated(x)
    ndim = len(y_like.shape)
    if x.ndim == 2 and ndim > 1:
        return matmul(x.mT, g)
    if x.ndim == 1:
        return g * x if ndim == 1 else expand_dims(x, -1) * expand_dims(g, -2)
    if ndim == 1:
        summed = tuple(range(x.ndim - 1))
        return tensordot(x, g, axes=(summed, summed))
    if ndim == 2:
        # One matrix for a batch: one product of flat matrices instead of a sum of many.
        flat = reshape(x, (count(x.shape[:-1], None), x.shape[-1]))
        return matmul(flat.mT, reshape(g, (flat.shape[0], g.shape[-1])))
    return matmul(x.mT, g)


@multilinear(
    x=_matmul_x,
    y=_matmul_y,
    format="contract",
    numpy=np.matmul,
    samples=lambda m: _matmul_samples(m),
    errors=lambda m: _matmul_errors(m),
)
def matmul(x: Operand, y: Operand, /) -> Value:
    """Matrix product, Σₖ xᵢₖ yₖⱼ; also ``x @ y``.

    Parameters
    ----------
    x, y : array
        Matrices in the last two dimensions; the others are a batch and broadcast. An array of one
        dimension is a row on the left and a column on the right. Unlabelled.

    Raises
    ------
    ShapeMismatchError
        If the last dimension of ``x`` and the second to last of ``y`` differ, or there is none.
    FormatClashError
        If an operand has a format.

    See Also
    --------
    vecdot : product with a sum over one axis
    tensordot : product with a sum over several axes
    matrix_transpose : last two dimensions exchanged

    Examples
    --------
    >>> dl.matmul(dl.dlarray([[1.0, 2.0], [3.0, 4.0]]), [1.0, 10.0]).tolist()
    [21.0, 43.0]

    Source: array-API ``matmul``; MATLAB ``mtimes``, ``pagemtimes``.
    """
    try:
        # Gradients of sums are arrays with strides of zero, which BLAS does not take.
        if 0 in x.strides:
            x = np.array(x)
        if 0 in y.strides:
            y = np.array(y)
        return product(x, y)
    except (ValueError, AttributeError) as error:
        shapes = np.shape(x), np.shape(y)
        fix = (
            "one is a scalar: write x * y"
            if () in shapes
            else "the last dimension of x and the last but one of y must be equal (the only one of "
            "a vector), and those in front must broadcast"
        )
        raise ShapeMismatchError(
            f"matmul: x has shape {shapes[0]}, y {shapes[1]}; {fix}"
        ) from error


def _matmul_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4, 3), m.real(3, 2)),
        case(m.complex(2, 3), m.complex(3, 2)),
        case(m.complex(2, 2), m.real(2, 2)),
        case(m.real(3), m.real(3)),
        case(m.complex(3), m.complex(3)),
        case(m.real(2, 3), m.complex(3)),
        case(m.complex(3), m.real(3, 2)),
        case(m.real(2, 2, 3), m.real(2, 3, 2)),
        case(m.real(2, 1, 2, 3), m.complex(3, 3, 2)),
        case(m.complex(2, 2, 3), m.complex(3, 2)),
        case(m.complex(2, 3), m.real(2, 3, 2)),
        case(m.complex(2, 2, 3), m.complex(3)),
        case(m.real(3), m.complex(2, 3, 2)),
        case(m.real(0, 3), m.real(3, 2)),
        case(m.real(2, 0), m.real(0, 2)),
        case(m.real(2, 0, 3), m.real(3, 2)),
        case(m.real(2, 3, 0), m.real(0, 4)),
        case(m.real(2, 3, 0), m.real(2, 0, 4)),
        case(m.real(0), m.real(2, 0, 4)),
    ]


def _matmul_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 3), m.real(2, 3)), ShapeMismatchError, r"\(2, 3\).*\(2, 3\)"),
        Error(case(m.real(2), m.real()), ShapeMismatchError, r"\(\).*write x \* y"),
    ]


def _transposed_format(formats: Formats, shapes: Shapes, _params: Params) -> str:
    n = len(shapes[0])
    return permuted(formats[0], (*range(n - 2), n - 1, n - 2))


def _matrix_transpose_x(g: Value) -> Value:
    return matrix_transpose(g)


@linear(
    x=_matrix_transpose_x,
    format=_transposed_format,
    numpy=getattr(np, "matrix_transpose", None),
    samples=lambda m: _matrix_transpose_samples(m),
    errors=lambda m: [Error(case(m.real(3)), InvalidArgumentError, r"shape \(3,\)")],
)
def matrix_transpose(x: Operand, /) -> Value:
    """The last two dimensions exchanged; also ``x.mT``. Nothing is conjugated.

    Parameters
    ----------
    x : array
        With at least two dimensions; labels move with them.

    Raises
    ------
    InvalidArgumentError
        If there are fewer than two dimensions.

    See Also
    --------
    dlgradient.permute_dims : dimensions in another order
    dlgradient.swapaxes : two dimensions exchanged
    matmul : matrix product

    Examples
    --------
    >>> dl.matrix_transpose(dl.dlarray([[1.0, 2.0]])).tolist()
    [[1.0], [2.0]]

    Source: array-API ``matrix_transpose``; MATLAB ``transpose``, ``pagetranspose``.
    """
    if np.ndim(x) < 2:
        raise InvalidArgumentError(
            f"matrix_transpose: x has shape {np.shape(x)}; it must have two dimensions or more"
        )
    return x.mT


def _matrix_transpose_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4, 3)),
        case(m.complex(2, 3, 1)),
        case(m.real(0, 2)),
    ]


# -- tensordot -----------------------------------------------------------------------------------


def _summed_dims(axes: Pairs, ndim1: int, ndim2: int) -> tuple[list[int], list[int]]:
    """Return the dimensions of each operand that are summed, in pairs."""
    if isinstance(axes, tuple | list):
        first, second = [[a] if isinstance(a, int) else list(a) for a in axes]
        return [a % ndim1 for a in first], [a % ndim2 for a in second]
    return list(range(ndim1 - axes, ndim1)), list(range(axes))


def _free_dims(ndim: int, summed: list[int]) -> list[int]:
    return [i for i in range(ndim) if i not in summed]


def _tensordot_x(g: Value, x_like: Value, y: Value, axes: Pairs) -> Value:
    ndim = len(x_like.shape)
    c1, c2 = _summed_dims(axes, ndim, y.ndim)
    free1, free2 = _free_dims(ndim, c1), _free_dims(y.ndim, c2)
    # The product has the free dimensions of x, then the summed ones in the order of y.
    product = tensordot(g, conjugated(y), axes=(range(len(free1), g.ndim), free2))
    partner = dict(zip(c1, c2, strict=True))
    summed = sorted(c2)
    order = [
        len(free1) + summed.index(partner[i]) if i in partner else free1.index(i)
        for i in range(ndim)
    ]
    return permute_dims(product, tuple(order))


def _tensordot_y(g: Value, x: Value, y_like: Value, axes: Pairs) -> Value:
    ndim = len(y_like.shape)
    c1, c2 = _summed_dims(axes, x.ndim, ndim)
    free1, free2 = _free_dims(x.ndim, c1), _free_dims(ndim, c2)
    # The product has the summed dimensions in the order of x, then the free ones of y.
    product = tensordot(conjugated(x), g, axes=(free1, range(len(free1))))
    partner = dict(zip(c2, c1, strict=True))
    summed = sorted(c1)
    order = [
        summed.index(partner[i]) if i in partner else len(c1) + free2.index(i) for i in range(ndim)
    ]
    return permute_dims(product, tuple(order))


@multilinear(
    x=_tensordot_x,
    y=_tensordot_y,
    format="contract",
    numpy=np.tensordot,
    samples=lambda m: _tensordot_samples(m),
    errors=lambda m: _tensordot_errors(m),
)
def tensordot(x: Operand, y: Operand, /, *, axes: Pairs = 2) -> Value:
    """Sum of products over pairs of dimensions.

    Parameters
    ----------
    x, y : array
        Unlabelled.
    axes : int or pair of sequences of int
        A number n: the last n dimensions of ``x`` with the first n of ``y``. A pair: dimensions of
        ``x``, and their partners in ``y``.

    Returns
    -------
    array
        With the remaining dimensions of ``x``, then those of ``y``.

    Raises
    ------
    ShapeMismatchError
        If sizes differ in a pair, or a dimension does not exist.
    FormatClashError
        If an operand has a format.

    See Also
    --------
    matmul : matrix product
    vecdot : product with a sum over one axis
    outer : all products of the elements of two vectors

    Examples
    --------
    >>> x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]])
    >>> dl.tensordot(x, x).item(), dl.tensordot(x, x, axes=((1,), (1,))).tolist()
    (30.0, [[5.0, 11.0], [11.0, 25.0]])

    Source: array-API ``tensordot``; MATLAB ``tensorprod``.
    """
    try:
        out = np.tensordot(x, y, axes)
    except (ValueError, IndexError) as error:
        raise ShapeMismatchError(
            f"tensordot: x has shape {np.shape(x)}, y {np.shape(y)}, axes={axes}; the dimensions "
            "of a pair must exist and have the same size"
        ) from error
    return out if out.ndim else out[()]


def _tensordot_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 3), m.real(3, 2), axes=1),
        case(m.complex(2, 3, 2), m.complex(3, 2, 2)),
        case(m.real(2), m.complex(3), axes=0),
        case(m.complex(2, 3, 4), m.real(4, 2, 1), axes=((2, 0), (0, 1))),
        case(m.real(2, 3, 1), m.real(3, 2), axes=((0, 1), (-1, -2))),
        case(m.real(3), m.real(3), axes=1),
        case(m.real(), m.real(2), axes=0),
        case(m.real(0, 2), m.real(2, 2), axes=1),
    ]


def _tensordot_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 3), m.real(2, 3), axes=1), ShapeMismatchError, r"\(2, 3\).*axes=1"),
    ]


# -- products of vectors -------------------------------------------------------------------------


@derived(
    numpy=getattr(np, "vecdot", None),
    samples=lambda m: _vecdot_samples(m),
    errors=lambda m: _vecdot_errors(m),
)
def vecdot(x: Operand, y: Operand, /, *, axis: int = -1) -> Value:
    """Dot product of vectors along a dimension, Σᵢ conj(xᵢ) yᵢ.

    Parameters
    ----------
    x, y : array
        Equal along the dimension; the others broadcast, and align by label if both have a format.
    axis : int
        Dimension to sum, counted from the end if the operands have different numbers of them.

    Raises
    ------
    ShapeMismatchError
        If the sizes along the dimension differ.
    InvalidArgumentError
        If an operand has no such dimension.

    See Also
    --------
    matmul : matrix product
    tensordot : product with a sum over several axes
    dlgradient.sum : sum of elements

    Examples
    --------
    >>> dl.vecdot(dl.dlarray([1j, 2.0]), dl.dlarray([1.0, 1.0])).item()
    (2-1j)

    Source: array-API ``vecdot``; MATLAB ``dot``.
    """
    shapes = [v.shape if hasattr(v, "shape") else np.shape(v) for v in (x, y)]
    found = f"vecdot: x has shape {shapes[0]}, y {shapes[1]}"
    dims = [len(shape) for shape in shapes]
    if not all(-n <= axis < n for n in dims) or (axis >= 0 and dims[0] != dims[1]):
        raise InvalidArgumentError(
            f"{found}, axis={axis}; give a dimension that both have, counted from the end"
        )
    if shapes[0][axis] != shapes[1][axis] and not _both_formatted(x, y):
        raise ShapeMismatchError(f"{found}; their sizes along axis {axis} must be equal")
    # The conjugate of real operands would be a node without effect.
    left = conj(x) if np.dtype(getattr(x, "dtype", type(x))).kind == "c" else x
    return sum(multiply(left, y), axis=axis)


def _vecdot_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3), m.real(3)),
        case(m.complex(3), m.complex(3)),
        case(m.complex(2, 3), m.real(3)),
        case(m.real(2, 3), m.complex(2, 3), axis=-2),
        case(m.real(0), m.real(0)),
    ]


def _vecdot_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), m.real(2)), ShapeMismatchError, r"\(3,\).*\(2,\)"),
        Error(case(m.real(3), m.real(1)), ShapeMismatchError, r"\(3,\).*\(1,\)"),
        Error(case(m.real(2, 3), m.real(3), axis=0), InvalidArgumentError, "axis=0"),
    ]


def _both_formatted(x: Value, y: Value) -> bool:
    return getattr(x, "_format", None) is not None and getattr(y, "_format", None) is not None


@derived(
    numpy=np.outer,
    samples=lambda m: _outer_samples(m),
    errors=lambda m: _outer_errors(m),
)
def outer(x: Operand, y: Operand, /) -> Value:
    """Outer product of two vectors, xᵢ yⱼ; nothing is conjugated.

    Parameters
    ----------
    x, y : array
        With one dimension, unlabelled.

    Raises
    ------
    ShapeMismatchError
        If an operand does not have exactly one dimension.
    FormatClashError
        If an operand has a format.

    See Also
    --------
    tensordot : product with a sum over several axes
    matmul : matrix product

    Examples
    --------
    >>> dl.outer(dl.dlarray([1.0, 2.0]), [1.0, 10.0]).tolist()
    [[1.0, 10.0], [2.0, 20.0]]

    Source: array-API ``linalg.outer``; MATLAB ``x*y.'``.
    """
    shapes = [v.shape if hasattr(v, "shape") else np.shape(v) for v in (x, y)]
    if any(len(shape) != 1 for shape in shapes):
        raise ShapeMismatchError(
            f"outer: x has shape {shapes[0]}, y {shapes[1]}; each must have one dimension: reshape "
            "them to (-1,)"
        )
    if getattr(x, "_format", None) is not None or getattr(y, "_format", None) is not None:
        raise FormatClashError(
            "outer: needs unlabelled operands; take the labels off with stripdims"
        )
    return multiply(reshape(x, (-1, 1)), y)


def _outer_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2), m.real(3)),
        case(m.complex(2), m.real(2)),
        case(m.real(0), m.real(2)),
    ]


def _outer_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 2), m.real(2)), ShapeMismatchError, r"\(2, 2\)"),
    ]


# -- triangles -----------------------------------------------------------------------------------


def _check_matrix(name: str, x: Value) -> None:
    if np.ndim(x) < 2:
        raise InvalidArgumentError(
            f"{name}: x has shape {np.shape(x)}; it must have two dimensions or more"
        )


def _tril_x(g: Value, k: int) -> Value:
    return tril(g, k=k)


@linear(
    x=_tril_x,
    masks=True,
    numpy=np.tril,
    samples=lambda m: _triangles(m),
    errors=lambda m: _triangle_errors(m),
)
def tril(x: Operand, /, *, k: int = 0) -> Value:
    """Lower triangle of matrices; zeros above it.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions.
    k : int
        The last diagonal that is not set to zero; positive ones are above the main diagonal.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has fewer than two dimensions.

    See Also
    --------
    triu : upper triangle of a matrix
    eye : matrix with ones on a diagonal

    Examples
    --------
    >>> dl.tril(dl.ones((2, 2))).tolist()
    [[1.0, 0.0], [1.0, 1.0]]

    Source: array-API ``tril``; MATLAB ``tril``.
    """
    _check_matrix("tril", x)
    return np.tril(x, k)


def _triu_x(g: Value, k: int) -> Value:
    return triu(g, k=k)


@linear(
    x=_triu_x,
    masks=True,
    numpy=np.triu,
    samples=lambda m: _triangles(m),
    errors=lambda m: _triangle_errors(m),
)
def triu(x: Operand, /, *, k: int = 0) -> Value:
    """Upper triangle of matrices; zeros below it.

    Parameters
    ----------
    x : array
        Matrices in the last two dimensions.
    k : int
        The first diagonal that is not set to zero; positive ones are above the main diagonal.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has fewer than two dimensions.

    See Also
    --------
    tril : lower triangle of a matrix
    eye : matrix with ones on a diagonal

    Examples
    --------
    >>> dl.triu(dl.ones((2, 2))).tolist()
    [[1.0, 1.0], [0.0, 1.0]]

    Source: array-API ``triu``; MATLAB ``triu``.
    """
    _check_matrix("triu", x)
    return np.triu(x, k)


# -- samples -------------------------------------------------------------------------------------


def _triangles(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 3)),
        case(m.real(2, 3), k=1),
        case(m.complex(2, 3, 2), k=-1),
        case(m.real(0, 2)),
    ]


def _triangle_errors(m: Maker) -> list[Error]:
    return [Error(case(m.real(3)), InvalidArgumentError, r"shape \(3,\)")]
