"""Reductions that answer whether, where and how many. They carry no derivative."""

from __future__ import annotations

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import AxisLike, Kernel, Operand, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.reduce import wrong_axis
from dlgradient.rules import constant

__all__ = ["all", "any", "argmax", "argmin", "count_nonzero"]

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
