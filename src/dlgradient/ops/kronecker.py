"""Kronecker and cross products, composed of products of elements."""

from __future__ import annotations

import numpy as np

from dlgradient.core.samples import Error, case
from dlgradient.core.types import Operand, Value
from dlgradient.core.values import as_value
from dlgradient.errors import FormatClashError, InvalidArgumentError, ShapeMismatchError
from dlgradient.ops.arithmetic import multiply
from dlgradient.ops.join import stack
from dlgradient.ops.permute import moveaxis
from dlgradient.ops.shape import reshape
from dlgradient.rules import derived

__all__ = ["cross", "kron"]


def unlabelled(name: str, **operands: Operand) -> list[Value]:
    """Return operands with a shape; refuse those with a format."""
    found = []
    for operand, x in operands.items():
        if getattr(x, "_format", None) is not None:
            raise FormatClashError(
                f"{name}: {operand} has the format {x._format!r}, and needs none; take the labels "
                "off with stripdims"
            )
        found.append(x if hasattr(x, "ndim") else as_value(x, f"{name}: {operand}"))
    return found


@derived(
    samples=lambda m: [
        case(m.real(2, 3), m.real(3, 2)),
        case(m.complex(2), m.real(3)),
        case(m.real(2, 2), m.complex(3)),
        case(m.real(), m.real(2)),
        case(m.real(0), m.real(2)),
    ],
    numpy=np.kron,
)
def kron(x: Operand, y: Operand, /) -> Value:
    """Kronecker product: each element of one array times the other array, as blocks.

    Parameters
    ----------
    x, y : array
        Of any numbers of dimensions; the one with fewer gets further ones in front. Unlabelled.

    Raises
    ------
    FormatClashError
        If an operand has a format.

    See Also
    --------
    outer : all products of the elements of two vectors
    tensordot : product with a sum over several axes

    Examples
    --------
    >>> dl.kron(dl.dlarray([1.0, 10.0]), [1.0, 2.0]).tolist()
    [1.0, 2.0, 10.0, 20.0]

    Source: NumPy ``kron``; MATLAB ``kron``.
    """
    x, y = unlabelled("kron", x=x, y=y)
    ndim = max(x.ndim, y.ndim)
    first, second = [(1,) * (ndim - v.ndim) + tuple(v.shape) for v in (x, y)]
    # Dimensions of x before those of y, in pairs.
    left = [n for size in first for n in (size, 1)]
    right = [n for size in second for n in (1, size)]
    out = multiply(reshape(x, tuple(left)), reshape(y, tuple(right)))
    return reshape(out, tuple([a * b for a, b in zip(first, second, strict=True)]))


@derived(
    samples=lambda m: [
        case(m.real(3), m.real(3)),
        case(m.complex(2, 3), m.real(2, 3)),
        case(m.real(3, 2), m.real(3, 1), axis=0),
        case(m.real(3), m.complex(2, 3)),
        case(m.real(0, 3), m.real(3)),
    ],
    errors=lambda m: [
        Error(case(m.real(2), m.real(3)), ShapeMismatchError, r"cross: x has shape \(2,\).*three"),
        Error(case(m.real(3), m.real(3), axis=1), InvalidArgumentError, "axis=1"),
    ],
    numpy=np.linalg.cross,
)
def cross(x: Operand, y: Operand, /, *, axis: int = -1) -> Value:
    """Cross product of vectors of length three; nothing is conjugated.

    Parameters
    ----------
    x, y : array
        With three elements along the dimension; the others broadcast. Unlabelled.
    axis : int
        Dimension of the vectors.

    Raises
    ------
    ShapeMismatchError
        If the vectors have not three elements.
    InvalidArgumentError
        If an operand has no such dimension.
    FormatClashError
        If an operand has a format.

    See Also
    --------
    vecdot : dot product of vectors
    outer : all products of the elements of two vectors

    Examples
    --------
    >>> dl.cross(dl.dlarray([1.0, 0.0, 0.0]), [0.0, 1.0, 0.0]).tolist()
    [0.0, 0.0, 1.0]

    Source: array-API ``linalg.cross``; MATLAB ``cross``.
    """
    x, y = unlabelled("cross", x=x, y=y)
    found = f"cross: x has shape {x.shape}, y {y.shape}"
    if not all(-v.ndim <= axis < v.ndim for v in (x, y)):
        raise InvalidArgumentError(f"{found}, axis={axis}; give a dimension that both have")
    if not x.shape[axis] == y.shape[axis] == 3:
        raise ShapeMismatchError(
            f"{found}; along axis {axis} both must have three elements (for two, the product is "
            "x[0] * y[1] - x[1] * y[0])"
        )
    (x0, x1, x2), (y0, y1, y2) = [
        [v[i] for i in range(3)] for v in (moveaxis(x, axis, 0), moveaxis(y, axis, 0))
    ]
    out = [x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0]
    last = axis if axis < 0 else axis - max(x.ndim, y.ndim)
    return stack(out, axis=last)
