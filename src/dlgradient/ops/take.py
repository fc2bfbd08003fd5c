"""Elements at arrays of indices, along one dimension.

An index is data: it carries no derivative, may be a dlarray, and is saved for the backward pass.
The adjoint of taking elements adds into their places, and is an operation.
"""

from __future__ import annotations

from math import prod

import numpy as np

from dlgradient.core.formats import format_of_first, without
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.sizes import SPARSE_ADDITIONS
from dlgradient.core.types import Array, Formats, Operand, Params, Shape, Shapes, Value
from dlgradient.errors import IndexingError
from dlgradient.rules import multilinear

__all__ = ["take", "take_along_axis"]


def _indices(name: str, indices: Operand) -> Array:
    array = np.asarray(indices)
    if not array.size and array.dtype.kind == "f":
        # An empty list has the dtype float64.
        array = array.astype(np.intp)
    if array.dtype.kind not in "iu":
        raise IndexingError(
            f"{name}: indices have dtype {array.dtype}; they must be integers, as of "
            "astype(indices, int); for a mask write x[mask]"
        )
    return array


def _index_error(
    name: str, x: Operand, indices: Operand, axis: int | None, error: Exception
) -> IndexingError:
    return IndexingError(
        f"{name}: {error} [x: shape {np.shape(x)}; indices: shape {np.shape(indices)}; axis={axis}]"
    )


# -- take ----------------------------------------------------------------------------------------


def _take_adjoint(g: Value, x_like: Value, indices: Value, axis: int | None) -> Value:
    return put(g, indices, shape=x_like.shape, axis=axis)


def _put_x(g: Value, indices: Value, axis: int | None) -> Value:
    return take(g, indices, axis=axis)


@multilinear(
    x=_put_x,
    format="new",
    masks=True,
    samples=lambda m: _put_samples(m),
)
def put(x: Value, indices: Value, /, *, shape: Shape, axis: int | None) -> Value:
    """Add values into zeros at indices along a dimension: the adjoint of `take`.

    Parameters
    ----------
    x : array
        With the shape of ``take(y, indices, axis)`` for a ``y`` of the given shape.
    indices : array of integers
        If they name a place several times, its values are added.
    shape : tuple of int
        Shape of the result.
    axis : int or None
    """
    places = np.ravel(indices)
    if axis is None:
        # Without an axis, indices count all elements.
        return _add_rows(x.reshape(-1, 1), places, prod(shape)).reshape(shape)
    axis %= len(shape)
    before, length, after = prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])
    # Rows of a matrix, one for each index: a row is added at once.
    rows = x.reshape(before, places.size, after).swapaxes(0, 1)
    out = _add_rows(rows.reshape(places.size, before * after), places, length)
    return out.reshape(length, before, after).swapaxes(0, 1).reshape(shape)


def _put_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3), np.array([0, 2, 0]), shape=(4,), axis=0),
        case(m.complex(2, 3), np.array([1, 1, 0]), shape=(2, 2), axis=-1),
        case(m.real(2, 2), np.array([[0, 5], [1, 0]]), shape=(2, 3), axis=None),
    ]


def _add_rows(rows: Value, places: Array, length: int) -> Value:
    """Add rows into a matrix of zeros, each at its index.

    This product with a sparse matrix of ones is many times as fast as adding element by element.
    """
    if rows.size < SPARSE_ADDITIONS:
        out = np.zeros((length, rows.shape[1]), rows.dtype)
        np.add.at(out, places, rows)
        return out
    from scipy.sparse import csc_array

    # One element in each column: its row.
    count = places.size
    places = np.where(places < 0, places + length, places)
    ones, ends = np.ones(count, rows.real.dtype), np.arange(count + 1)
    # The matrix has a one for each index, so the product adds rows with equal indices.
    return csc_array((ones, places, ends), (length, count)) @ rows


def _take_format(formats: Formats, shapes: Shapes, params: Params) -> str | None:
    """One-dimensional indices keep the label; a number drops it."""
    fmt, axis = formats[0], params["axis"]
    if fmt is None or len(shapes[1]) > 1 or (axis is None and len(shapes[0]) != 1):
        return None
    if len(shapes[1]) == 1:
        return fmt
    return without(fmt, ((axis or 0) % len(shapes[0]),))


@multilinear(
    x=_take_adjoint,
    format=_take_format,
    masks=True,
    numpy=np.take,
    samples=lambda m: _take_samples(m),
    errors=lambda m: _take_errors(m),
)
def take(x: Operand, indices: Operand, /, axis: int | None = None) -> Value:
    """Elements at indices along a dimension.

    Parameters
    ----------
    x : array
    indices : array of integers
        Negative ones count from the end. A place may be named several times; its cotangents are
        added.
    axis : int, optional
        Dimension to take from; by default the elements in C order.

    Returns
    -------
    array
        The dimension is replaced by the shape of the indices.

    Raises
    ------
    IndexingError
        If an index is outside the array, or not an integer.

    See Also
    --------
    take_along_axis : elements at indices that differ for each vector
    index_add : add terms at indices

    Examples
    --------
    >>> dl.take(dl.dlarray([1.0, 2.0, 3.0]), [2, 0, 2]).tolist()
    [3.0, 1.0, 3.0]

    Source: array-API ``take``.
    """
    try:
        return np.take(x, _indices("take", indices), axis=axis)
    except IndexError as error:
        raise _index_error("take", x, indices, axis, error) from error


def _take_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4), np.array([0, 2, 2])),
        case(m.real(2, 3), np.array([2, -1]), axis=1),
        case(m.real(2, 3, 2), np.array([1, 0, 1]), axis=-2),
        case(m.complex(3, 2), np.array([[0, 1], [2, 2]]), axis=0),
        case(m.real(2, 3), np.array([5, 0])),
        case(m.real(3, 2), 1, axis=0),
        case(m.real(3), np.zeros(0, int), axis=0),
    ]


def _take_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), np.array([3])), IndexingError, r"index 3 .*shape \(3,\)"),
        Error(case(m.real(3), np.array([0.5])), IndexingError, "float64"),
    ]


# -- take_along_axis -----------------------------------------------------------------------------


def _along_adjoint(g: Value, x_like: Value, indices: Value, axis: int) -> Value:
    # Sizes of one may have been repeated; the walk sums over them.
    shape = list(np.shape(g))
    shape[axis] = x_like.shape[axis]
    return put_along_axis(g, indices, shape=tuple(shape), axis=axis)


def _key(indices: Array, axis: int) -> tuple[Array, ...]:
    """Return an index for every dimension: the element's own, and along `axis` the given ones."""
    ndim = indices.ndim
    axis %= ndim
    return tuple(
        [
            indices
            if i == axis
            else np.arange(n).reshape([-1 if j == i else 1 for j in range(ndim)])
            for i, n in enumerate(indices.shape)
        ]
    )


def _put_along_axis_x(g: Value, indices: Value, axis: int) -> Value:
    return take_along_axis(g, indices, axis=axis)


@multilinear(
    x=_put_along_axis_x,
    format="new",
    masks=True,
    samples=lambda m: _put_along_axis_samples(m),
)
def put_along_axis(
    x: Value, indices: Value, /, *, shape: Shape, axis: int, distinct: bool = False
) -> Value:
    """Add values into zeros at indices for each value: the adjoint of `take_along_axis`.

    Parameters
    ----------
    x, indices : array
        Of one shape.
    shape : tuple of int
        Shape of the result.
    axis : int
    distinct : bool
        Whether no index of a line is there twice, as in a permutation.
    """
    if distinct:  # to assign takes a fraction of the time (row sort)
        out = np.zeros(shape, x.dtype)
        if x.ndim == 1:
            out[indices] = x
        else:
            np.put_along_axis(out, np.asarray(indices), x, axis)
        return out
    # Equal indices of a line accumulate, which an assignment would not do.
    out = np.zeros(shape, x.dtype)
    np.add.at(out, _key(np.broadcast_to(indices, np.shape(x)), axis), x)
    return out


def _put_along_axis_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 2), np.array([[0, 0], [2, 1]]), shape=(2, 3), axis=-1),
        case(m.complex(1, 2), np.array([[1, 0]]), shape=(2, 2), axis=0),
        case(m.real(3), np.array([2, 0, 1]), shape=(4,), axis=0, distinct=True),
        case(m.real(2, 2), np.array([[2, 0], [0, 1]]), shape=(2, 3), axis=1, distinct=True),
    ]


@multilinear(
    x=_along_adjoint,
    format=format_of_first,
    format_family="same",
    masks=True,
    numpy=np.take_along_axis,
    samples=lambda m: _take_along_axis_samples(m),
    errors=lambda m: _take_along_axis_errors(m),
)
def take_along_axis(x: Operand, indices: Operand, /, axis: int = -1) -> Value:
    """Elements at indices given for every line along a dimension, as by ``argsort``.

    Parameters
    ----------
    x : array
    indices : array of integers
        With as many dimensions as ``x``; sizes but that of `axis` are equal to its, or one.
    axis : int

    Returns
    -------
    array
        With the size of the indices along `axis`, and the data format of ``x``.

    Raises
    ------
    IndexingError
        If an index is outside the array, or not an integer.

    See Also
    --------
    take : elements at indices along an axis
    argmax : index of the largest element

    Examples
    --------
    >>> x = dl.dlarray([[3.0, 1.0], [2.0, 5.0]])
    >>> dl.take_along_axis(x, [[1], [0]], axis=1).tolist()
    [[1.0], [2.0]]

    Source: array-API ``take_along_axis``.
    """
    try:
        return np.take_along_axis(x, _indices("take_along_axis", indices), axis=axis)
    except IndexError as error:
        raise _index_error("take_along_axis", x, indices, axis, error) from error


def _take_along_axis_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 3), np.array([[0, 2, 2, 1], [1, 1, -1, 0]]), axis=1),
        case(m.real(2, 3), np.array([[1, 0, 1]]), axis=0),
        case(m.complex(3), np.array([2, 2]), axis=0),
        case(m.real(2, 3), np.array([[1], [0]])),
        case(m.real(1, 3), np.array([[1, 1], [0, 2]]), axis=1),
        case(m.complex(2, 1), np.array([[1, 0, 1]]), axis=0),
    ]


def _take_along_axis_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2), np.array([2])), IndexingError, r"index 2 .*shape \(2,\)"),
        Error(case(m.real(2), np.array([True, False])), IndexingError, "mask"),
    ]
