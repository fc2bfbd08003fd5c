"""Reductions that answer whether, where and how many, and places. They carry no derivative."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from dlgradient.core.conversion import as_array
from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import AxisLike, Formats, Kernel, Operand, Params, Shapes, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.reduce import wrong_axis
from dlgradient.ops.take import take
from dlgradient.rules import constant, derived

__all__ = ["all", "any", "argmax", "argmin", "count_nonzero", "searchsorted"]

# NumPy's overloads of these know `keepdims` only as a literal.
_or: Kernel = np.logical_or.reduce
_and: Kernel = np.logical_and.reduce


@constant(format="reduce", samples=lambda m: _logical(m), numpy=np.any, errors=wrong_axis)
def any(x: Operand, /, axis: AxisLike = None, *, keepdims: bool = False) -> Value:
    """Whether some element is not zero.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array of bool
        False where there are no elements.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    all : whether all elements are true
    logical_or : whether at least one is true

    Examples
    --------
    >>> dl.any(dl.dlarray([[0.0, 1.0], [0.0, 0.0]]), axis=1).tolist()
    [True, False]

    Source: array-API ``any``; MATLAB ``any``.
    """
    return _or(x, axis=axis, keepdims=keepdims)


@constant(format="reduce", samples=lambda m: _logical(m), numpy=np.all, errors=wrong_axis)
def all(x: Operand, /, axis: AxisLike = None, *, keepdims: bool = False) -> Value:
    """Whether no element is zero.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array of bool
        True where there are no elements.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    any : whether some element is true
    logical_and : whether both are true

    Examples
    --------
    >>> dl.all(dl.dlarray([[1.0, 1.0], [0.0, 1.0]]), axis=1).tolist()
    [True, False]

    Source: array-API ``all``; MATLAB ``all``.
    """
    return _and(x, axis=axis, keepdims=keepdims)


@constant(
    format="reduce",
    domain="real",
    samples=lambda m: _arg(m),
    numpy=np.argmax,
    errors=lambda m: _arg_errors(m),
)
def argmax(x: Operand, /, axis: int | None = None, *, keepdims: bool = False) -> Value:
    """Index of the largest element; of several, the first.

    Parameters
    ----------
    x : array
        Real.
    axis : int, optional
        Dimension to search; by default the index counts all elements in C order.
    keepdims : bool
        Whether the dimension stays, with size one.

    Returns
    -------
    array of int64

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension, or no element along it.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    argmin : index of the smallest element
    max : largest element
    take_along_axis : elements at indices that differ for each vector

    Examples
    --------
    >>> dl.argmax(dl.dlarray([1.0, 3.0, 3.0])).item()
    1

    Source: array-API ``argmax``; the second result of MATLAB ``max`` (counted from zero).
    """
    return np.argmax(x, axis=axis, keepdims=keepdims)


@constant(
    format="reduce",
    domain="real",
    samples=lambda m: _arg(m),
    numpy=np.argmin,
    errors=lambda m: _arg_errors(m),
)
def argmin(x: Operand, /, axis: int | None = None, *, keepdims: bool = False) -> Value:
    """Index of the smallest element; of several, the first.

    Parameters
    ----------
    x : array
        Real.
    axis : int, optional
        Dimension to search; by default the index counts all elements in C order.
    keepdims : bool
        Whether the dimension stays, with size one.

    Returns
    -------
    array of int64

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension, or no element along it.
    ComplexValueError
        If ``x`` is complex.

    See Also
    --------
    argmax : index of the largest element
    min : smallest element
    take_along_axis : elements at indices that differ for each vector

    Examples
    --------
    >>> dl.argmin(dl.dlarray([[1.0, 3.0], [2.0, 0.0]]), axis=1).tolist()
    [0, 1]

    Source: array-API ``argmin``; the second result of MATLAB ``min`` (counted from zero).
    """
    return np.argmin(x, axis=axis, keepdims=keepdims)


@constant(format="reduce", samples=lambda m: _logical(m), numpy=np.count_nonzero, errors=wrong_axis)
def count_nonzero(x: Operand, /, axis: AxisLike = None, *, keepdims: bool = False) -> Value:
    """Number of elements that are not zero.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to reduce; by default all.
    keepdims : bool
        Whether the dimensions stay, with size one.

    Returns
    -------
    array of int64

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension.

    See Also
    --------
    any : whether some element is true
    sum : sum of elements

    Examples
    --------
    >>> dl.count_nonzero(dl.dlarray([0.0, 2.0, -1.0])).item()
    2

    Source: array-API ``count_nonzero``; MATLAB ``nnz``.
    """
    # NumPy counts all elements into a Python int.
    return np.asarray(np.count_nonzero(x, axis=axis, keepdims=keepdims), np.intp)[()]


# -- places in a sorted array --------------------------------------------------------------------

Side: TypeAlias = Literal["left", "right"]


def _second_format(formats: Formats, _shapes: Shapes, _params: Params) -> str | None:
    return formats[1]


@constant(
    format=_second_format,
    domain="real",
    shown="searchsorted",
    samples=lambda m: [
        case(np.arange(4.0), m.real(2, 3), side="left"),
        case(np.arange(4.0), m.real(), side="right"),
    ],
)
def insertion_places(x1: Value, x2: Value, /, *, side: Side) -> Value:
    """Places of values in a sorted array, for `searchsorted`.

    Parameters
    ----------
    x1, x2 : array
    side : {"left", "right"}
    """
    return np.searchsorted(x1, x2, side)


@derived(
    domain="real",
    numpy=np.searchsorted,
    samples=lambda _m: [
        case(np.array([1.0, 2.0, 2.0, 3.0]), np.array([[2.0, 0.5], [9.0, 3.0]])),
        case(np.array([1.0, 2.0, 2.0, 3.0]), np.array([2.0, 9.0]), side="right"),
        case(np.array([3.0, 1.0, 2.0]), np.float64(2.5), sorter=np.array([1, 2, 0])),
    ],
    errors=lambda m: [
        Error(case(m.real(2, 2), m.real(3)), InvalidArgumentError, r"x1 has shape \(2, 2\)"),
        Error(case(m.real(2), m.real(3), side="up"), InvalidArgumentError, "side must be"),
    ],
)
def searchsorted(
    x1: Operand, x2: Operand, /, *, side: Side = "left", sorter: Operand | None = None
) -> Value:
    """Places in a sorted array where elements would be inserted; they carry no derivative.

    Parameters
    ----------
    x1 : array
        In ascending order, in one dimension.
    x2 : array
        Elements to find.
    side : {"left", "right"}
        Whether the place is before or after elements that are equal.
    sorter : array of integers, optional
        Indices that sort ``x1``, if it is not sorted.

    Returns
    -------
    array of int64
        With the shape and the data format of ``x2``.

    Raises
    ------
    InvalidArgumentError
        If ``x1`` does not have one dimension.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    argsort : indices that sort
    interp : straight lines through given points

    Examples
    --------
    >>> dl.searchsorted(dl.dlarray([1.0, 2.0, 3.0]), [2.5, 0.0]).tolist()
    [2, 0]

    Source: array-API ``searchsorted``; MATLAB ``discretize`` (counted from one).
    """
    refuse_complex("searchsorted", x1=x1, x2=x2)
    x1, x2 = as_array(x1, "searchsorted: x1"), as_array(x2, "searchsorted: x2")
    if x1.ndim != 1:
        raise InvalidArgumentError(
            f"searchsorted: x1 has shape {x1.shape}; it must have one dimension"
        )
    if sorter is not None:
        x1 = take(x1, sorter)
    return insertion_places(x1, x2, side=side)


# -- samples -------------------------------------------------------------------------------------


def _logical(m: Maker) -> list[Case]:
    return [
        case(m.bools(3)),
        case(m.bools(2, 3), axis=0),
        case(m.bools(2, 3), axis=(0, 1), keepdims=True),
        case(m.real(3)),
        case(m.real()),
        case(np.array([0.0, 2.0])),
        case(np.array([[0j, 1j], [0, 0]]), axis=1),
        case(np.zeros((0, 2)), axis=0),
    ]


def _arg(m: Maker) -> list[Case]:
    return [
        case(m.real(4)),
        case(m.real()),
        case(m.real(2, 3)),
        case(m.real(2, 3), axis=-1),
        case(m.real(2, 3), axis=0, keepdims=True),
        case(np.array([2.0, 1.0, 2.0, 1.0])),
    ]


def _arg_errors(m: Maker) -> list[Error]:
    return [
        *wrong_axis(m),
        Error(case(m.real(2, 0), axis=1), InvalidArgumentError, r"shape \(2, 0\).*axis=1"),
    ]
