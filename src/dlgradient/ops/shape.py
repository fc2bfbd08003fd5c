"""Shapes: the same elements with other dimensions, or repeated by broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlgradient.core import calls
from dlgradient.core.formats import with_new, without
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Axes, AxisLike, Formats, Operand, Params, ShapeLike, Shapes, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.rules import derived, linear

__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "expand_dims",
    "reshape",
    "squeeze",
]


def normalized(axis: AxisLike, ndim: int) -> Axes:
    """Return valid dimensions as a tuple of non-negative numbers; None means all."""
    if axis is None:
        return tuple(range(ndim))
    if isinstance(axis, tuple | list):
        return tuple([int(i) % ndim for i in axis])
    return (int(axis) % ndim,)


def as_scalar(out: Value) -> Value:
    """Turn an array without dimensions into a NumPy scalar, as every raw value is."""
    return out if out.ndim else out[()]


# -- reshape -------------------------------------------------------------------------------------


def _reshape_x(g: Value, x_like: Value) -> Value:
    return reshape(g, x_like.shape)


@linear(
    x=_reshape_x,
    format="new",
    numpy=np.reshape,
    samples=lambda m: _reshape_samples(m),
    errors=lambda m: _reshape_errors(m),
)
def reshape(x: Operand, /, shape: ShapeLike) -> Value:
    """The same elements, in C order, in another shape; the result is unlabelled.

    Parameters
    ----------
    x : array
    shape : int or tuple of int
        One size may be -1: it follows from the others.

    Raises
    ------
    InvalidArgumentError
        If the number of elements differs.

    See Also
    --------
    expand_dims : a new dimension of size one
    squeeze : without dimensions of size one
    permute_dims : dimensions in another order

    Examples
    --------
    >>> dl.reshape(dl.dlarray([1.0, 2.0, 3.0, 4.0]), (2, 2)).tolist()
    [[1.0, 2.0], [3.0, 4.0]]

    Source: array-API ``reshape``; MATLAB ``reshape`` (in Fortran order).
    """
    # The method costs a fifth of the function, which Python scalars need.
    return as_scalar(x.reshape(shape) if type(x) is np.ndarray else np.reshape(x, shape))


def _reshape_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4), shape=(2, 2)),
        case(m.real(2, 3), shape=(-1, 2)),
        case(m.real(2, 3), shape=6),
        case(m.real(), shape=(1, 1)),
        case(m.real(1), shape=()),
        case(m.complex(3, 2).T, shape=(3, 2)),
        case(m.real(0, 2), shape=(3, 0)),
    ]


def _reshape_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), shape=(2, 2)), InvalidArgumentError, r"shape \(3,\).*shape=\(2, 2\)")
    ]


# -- dimensions of size one ----------------------------------------------------------------------


def _unit_dims(axis: AxisLike, shape: tuple[int, ...]) -> tuple[int, ...]:
    if axis is None:
        return tuple([i for i, n in enumerate(shape) if n == 1])
    return normalized(axis, len(shape))


@linear(
    x=lambda g, x_like: reshape(g, x_like.shape),
    format=lambda formats, shapes, p: without(formats[0], _unit_dims(p["axis"], shapes[0])),
    numpy=np.squeeze,
    samples=lambda m: _squeeze_samples(m),
    errors=lambda m: _squeeze_errors(m),
)
def squeeze(x: Operand, /, axis: AxisLike = None) -> Value:
    """Remove dimensions of size one, with their labels.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to remove; by default all of size one.

    Raises
    ------
    InvalidArgumentError
        If a dimension does not exist, or its size is not one.

    See Also
    --------
    expand_dims : a new dimension of size one
    reshape : the same elements in another shape

    Examples
    --------
    >>> dl.squeeze(dl.dlarray([[[1.0, 2.0]]]), axis=0).shape
    (1, 2)

    Source: array-API ``squeeze``; MATLAB ``squeeze``.
    """
    return as_scalar(x.squeeze(axis) if type(x) is np.ndarray else np.squeeze(x, axis))


def _squeeze_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4, 1), axis=1),
        case(m.real(1, 2, 1)),
        case(m.complex(1, 2, 1), axis=(0, -1)),
        case(m.real(1), axis=0),
        case(m.real()),
        case(m.real(0, 1), axis=1),
    ]


def _squeeze_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 1), axis=0), InvalidArgumentError, r"shape \(2, 1\).*axis=0"),
        Error(case(m.real(2), axis=1), InvalidArgumentError, "axis 1"),
    ]


def _new_dims(axis: AxisLike, ndim: int) -> tuple[int, ...]:
    return normalized(axis, ndim + (len(axis) if isinstance(axis, tuple | list) else 1))


@linear(
    x=lambda g, x_like: reshape(g, x_like.shape),
    format=lambda formats, shapes, p: with_new(formats[0], _new_dims(p["axis"], len(shapes[0]))),
    numpy=np.expand_dims,
    samples=lambda m: _expand_dims_samples(m),
    errors=lambda m: [Error(case(m.real(3), axis=3), InvalidArgumentError, "axis 3")],
)
def expand_dims(x: Operand, /, axis: int | Axes = 0) -> Value:
    """Insert dimensions of size one, labelled ``U``.

    Parameters
    ----------
    x : array
    axis : int or tuple of int
        Places of the new dimensions in the result.

    Raises
    ------
    InvalidArgumentError
        If there is no such place.

    See Also
    --------
    squeeze : without dimensions of size one
    reshape : the same elements in another shape
    broadcast_to : array with a larger shape

    Examples
    --------
    >>> dl.dims(dl.expand_dims(dl.dlarray([1.0, 2.0], "C"), 1))
    'CU'
    >>> dl.expand_dims(dl.dlarray([1.0, 2.0])).shape
    (1, 2)

    Source: array-API ``expand_dims``.
    """
    return np.expand_dims(x, axis)


def _expand_dims_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4), axis=1),
        case(m.real(), axis=-1),
        case(m.complex(2, 3), axis=(0, -1)),
        case(m.real(3, 2).T, axis=1),
        case(m.real(0), axis=0),
        case(m.real(2, 3)),
    ]


# -- broadcasting --------------------------------------------------------------------------------


def _same_ndim(formats: Formats, shapes: Shapes, params: Params) -> str | None:
    shape = params["shape"]
    ndim = len(shape) if isinstance(shape, tuple | list) else 1
    return formats[0] if len(shapes[0]) == ndim else None


@linear(
    x=lambda g: g,  # `project` sums over broadcast dimensions
    format=_same_ndim,
    numpy=np.broadcast_to,
    samples=lambda m: _broadcast_to_samples(m),
    errors=lambda m: _broadcast_to_errors(m),
)
def broadcast_to(x: Operand, /, shape: ShapeLike) -> Value:
    """Array repeated along dimensions of size one, and along new ones in front.

    Parameters
    ----------
    x : array
    shape : tuple of int
        If the number of dimensions does not change, the format does not either.

    Raises
    ------
    ShapeMismatchError
        If a size is neither one nor that of `shape`.

    See Also
    --------
    broadcast_arrays : arrays with one common shape
    expand_dims : a new dimension of size one
    tile : the whole array several times

    Examples
    --------
    >>> dl.broadcast_to(dl.dlarray([1.0, 2.0]), (2, 2)).tolist()
    [[1.0, 2.0], [1.0, 2.0]]

    Source: array-API ``broadcast_to``.
    """
    return as_scalar(np.broadcast_to(x, shape))


def _broadcast_to_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4), shape=(2, 4)),
        case(m.real(2, 1), shape=(2, 3)),
        case(m.complex(2, 1), shape=(3, 2, 2)),
        case(m.real(), shape=(2, 2)),
        case(m.real(), shape=()),
        case(m.real(3), shape=(3,)),
        case(m.real(1), shape=(0,)),
    ]


def _broadcast_to_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), shape=(2,)), ShapeMismatchError, r"\(3,\)"),
    ]


@derived(
    numpy=np.broadcast_arrays,
    samples=lambda m: _broadcast_arrays_samples(m),
    errors=lambda m: _broadcast_arrays_errors(m),
)
def broadcast_arrays(*arrays: Operand) -> list[Value]:
    """Broadcast arrays to their common shape; those with a format are first aligned by label.

    Parameters
    ----------
    *arrays : array

    Returns
    -------
    list of arrays

    Raises
    ------
    ShapeMismatchError
        If the shapes do not broadcast.

    See Also
    --------
    broadcast_to : array with a larger shape
    meshgrid : coordinates of a grid

    Examples
    --------
    >>> [x.shape for x in dl.broadcast_arrays(dl.dlarray([1.0, 2.0]), dl.dlarray([[3.0]]))]
    [(1, 2), (1, 2)]

    Source: array-API ``broadcast_arrays``.
    """
    aligned = calls.aligned(*arrays) if len(_formats(arrays)) > 1 else arrays
    shapes = [x.shape if hasattr(x, "shape") else np.shape(x) for x in aligned]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ShapeMismatchError(
            f"broadcast_arrays: shapes {', '.join(map(str, shapes))} do not broadcast; sizes "
            "must be equal, or one"
        ) from error
    return [broadcast_to(x, shape) for x in aligned]


def _broadcast_arrays_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3), m.real(2, 1)),
        case(m.real(), m.complex(2), m.real(1)),
        case(m.real(2)),
    ]


def _broadcast_arrays_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), m.real(2)), ShapeMismatchError, r"\(3,\), \(2,\)"),
    ]


def _formats(arrays: Sequence[Operand]) -> set[str]:
    return {x._format for x in arrays if type(x) is calls.dlarray and x._format is not None}
