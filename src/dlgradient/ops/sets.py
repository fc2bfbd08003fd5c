"""Which elements are different, in a set, or not zero.

The choice is constant. Elements that are chosen by their values are taken, and have derivatives: of
equal ones, the first. The number of results depends on values, so these functions read them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dlgradient.core import calls
from dlgradient.core.arguments import checked
from dlgradient.core.calls import FUNCTIONS
from dlgradient.core.conversion import as_array
from dlgradient.core.formats import format_of_first
from dlgradient.core.reading import raw
from dlgradient.core.samples import case
from dlgradient.core.types import Array, Kernel, Operand, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.shape import reshape
from dlgradient.ops.take import take
from dlgradient.rules import constant

__all__ = ["isin", "nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values"]


# NumPy's overloads of it know what to return only as literals.
numpy_unique: Kernel = np.unique


class UniqueAll(NamedTuple):
    """Result of `unique_all`."""

    values: Value
    indices: Value
    inverse_indices: Value
    counts: Value


class UniqueCounts(NamedTuple):
    """Result of `unique_counts`."""

    values: Value
    counts: Value


class UniqueInverse(NamedTuple):
    """Result of `unique_inverse`."""

    values: Value
    inverse_indices: Value


@constant(
    format=format_of_first,
    numpy=np.isin,
    samples=lambda m: [
        case(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([2.0, 4.0, 9.0])),
        case(np.array([1.0, 2.0]), np.array([2.0]), invert=True),
        case(m.complex(2), m.complex(2)),
    ],
)
def isin(x1: Operand, x2: Operand, /, *, invert: bool = False) -> Value:
    """Whether elements are among those of another array; it carries no derivative.

    Parameters
    ----------
    x1 : array
        Elements to look for.
    x2 : array
        The elements of the set.
    invert : bool
        Whether to ask for those that are not in it.

    Returns
    -------
    array of bool
        With the shape and data format of ``x1``.

    See Also
    --------
    unique_values : different elements
    equal : whether elements are equal

    Examples
    --------
    >>> dl.isin(dl.dlarray([1.0, 2.0, 3.0]), [2.0, 5.0]).tolist()
    [False, True, False]

    Source: array-API ``isin``; MATLAB ``ismember``.
    """
    return np.isin(x1, x2, invert=invert)[()]


def _like(x: Value, found: Array) -> Value:
    """Return a constant as a dlarray, if the operand is one."""
    return calls.wrap(found, None) if type(x) is calls.dlarray else found


@checked
def nonzero(x: Operand, /) -> tuple[Value, ...]:
    """Indices of the elements that are not zero; they carry no derivative.

    Parameters
    ----------
    x : array
        With at least one dimension.

    Returns
    -------
    tuple of arrays of int64
        One for each dimension, in C order.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no dimension.

    See Also
    --------
    count_nonzero : number of elements that are not zero
    where : elements of two arrays, chosen by a condition

    Examples
    --------
    >>> import dlgradient as dl
    >>> [i.tolist() for i in dl.nonzero(dl.dlarray([[0.0, 1.0], [2.0, 0.0]]))]
    [[0, 1], [1, 0]]

    Source: array-API ``nonzero``; MATLAB ``find``.
    """
    x = as_array(x, "nonzero: x")
    if not x.ndim:
        raise InvalidArgumentError(
            "nonzero: x has no dimension; give at least one element in brackets"
        )
    return tuple([_like(x, found) for found in np.nonzero(raw(x))])


def _found(
    name: str, x: Operand, *, inverse: bool = False, counts: bool = False
) -> tuple[Value, ...]:
    """Return different elements and their indices, and if asked for the inverse and counts."""
    x = as_array(x, f"{name}: x")
    _, *found = numpy_unique(
        raw(x), return_index=True, return_inverse=inverse, return_counts=counts, equal_nan=False
    )
    return take(reshape(x, (-1,)), found[0]), *[_like(x, f) for f in found]


@checked
def unique_all(x: Operand, /) -> UniqueAll:
    """Different elements in ascending order, with their indices, the inverse and their counts.

    Parameters
    ----------
    x : array
        Each NaN is different from every other.

    Returns
    -------
    values : array
        In one dimension. Each is the first of equal elements, and its derivative is that one's.
    indices : array of int64
        Of these elements, in C order.
    inverse_indices : array of int64
        Of the shape of ``x``: ``values[inverse_indices]`` is ``x``.
    counts : array of int64
        How often each value is there.

    See Also
    --------
    unique_values : different elements
    unique_counts : different elements and their counts
    unique_inverse : different elements and the inverse

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.unique_all(dl.dlarray([2.0, 1.0, 2.0])).inverse_indices.tolist()
    [1, 0, 1]

    Source: array-API ``unique_all``; MATLAB ``unique``.
    """
    return UniqueAll(*_found("unique_all", x, inverse=True, counts=True))


@checked
def unique_counts(x: Operand, /) -> UniqueCounts:
    """Different elements in ascending order, with their counts.

    Parameters
    ----------
    x : array

    Returns
    -------
    values : array
        As of `unique_all`.
    counts : array of int64
        How often each value is there.

    See Also
    --------
    unique_all : different elements, indices, inverse and counts
    unique_values : different elements

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.unique_counts(dl.dlarray([2.0, 1.0, 2.0])).counts.tolist()
    [1, 2]

    Source: array-API ``unique_counts``.
    """
    values, _, counts = _found("unique_counts", x, counts=True)
    return UniqueCounts(values, counts)


@checked
def unique_inverse(x: Operand, /) -> UniqueInverse:
    """Different elements in ascending order, with the indices that make the array of them.

    Parameters
    ----------
    x : array

    Returns
    -------
    values : array
        As of `unique_all`.
    inverse_indices : array of int64
        Of the shape of ``x``: ``values[inverse_indices]`` is ``x``.

    See Also
    --------
    unique_all : different elements, indices, inverse and counts
    unique_values : different elements

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.unique_inverse(dl.dlarray([2.0, 1.0, 2.0])).inverse_indices.tolist()
    [1, 0, 1]

    Source: array-API ``unique_inverse``.
    """
    values, _, inverse = _found("unique_inverse", x, inverse=True)
    return UniqueInverse(values, inverse)


@checked
def unique_values(x: Operand, /) -> Value:
    """Different elements in ascending order.

    Parameters
    ----------
    x : array
        Each NaN is different from every other.

    Returns
    -------
    array
        In one dimension. Each is the first of equal elements, and its derivative is that one's.

    See Also
    --------
    unique_all : different elements, indices, inverse and counts
    isin : whether elements are in a set

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.unique_values(dl.dlarray([2.0, 1.0, 2.0])).tolist()
    [1.0, 2.0]

    Source: array-API ``unique_values``; MATLAB ``unique``.
    """
    return _found("unique_values", x)[0]


for _function in (nonzero, unique_all, unique_counts, unique_inverse, unique_values):
    FUNCTIONS[_function.__name__] = _function
