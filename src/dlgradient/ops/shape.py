"""Shapes: the same elements with other dimensions, in another order, or repeated by broadcasting.

If elements only move, the adjoint moves them back. Labels move with their dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from dlgradient.core import calls
from dlgradient.core.formats import permuted, with_new, without
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Axes, AxisLike, Formats, Operand, Params, ShapeLike, Shapes, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.rules import derived, linear

__all__ = [
    "broadcast_arrays",
    "broadcast_to",
    "expand_dims",
    "flip",
    "moveaxis",
    "permute_dims",
    "reshape",
    "roll",
    "squeeze",
    "swapaxes",
]

Places: TypeAlias = int | tuple[int, ...]  # how far `roll` moves, along one dimension or several


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


# -- order of dimensions -------------------------------------------------------------------------


def _inverse(axes: Axes) -> Axes:
    inverse = [0] * len(axes)
    for i, axis in enumerate(axes):
        inverse[axis] = i
    return tuple(inverse)


def _permute_dims_x(g: Value, axes: Axes) -> Value:
    return permute_dims(g, _inverse(axes))


@linear(
    x=_permute_dims_x,
    format=lambda formats, _shapes, params: permuted(formats[0], tuple(params["axes"])),
    numpy=np.transpose,
    samples=lambda m: _permute_dims_samples(m),
    errors=lambda m: _permute_dims_errors(m),
)
def permute_dims(x: Operand, /, axes: Axes) -> Value:
    """Dimensions in another order; labels move with them.

    Parameters
    ----------
    x : array
    axes : tuple of int
        The dimension of ``x`` for each dimension of the result.

    Raises
    ------
    InvalidArgumentError
        If `axes` does not name every dimension once.

    Examples
    --------
    >>> x = dl.dlarray([[1.0, 2.0, 3.0]], "CB")
    >>> dl.permute_dims(x, (1, 0)).shape, dl.dims(dl.permute_dims(x, (1, 0)))
    ((3, 1), 'BC')

    Source: array-API ``permute_dims``; MATLAB ``permute``.
    """
    return x.transpose(axes) if type(x) is np.ndarray else as_scalar(np.transpose(x, axes))


def _permute_dims_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4, 2), axes=(1, 0)),
        case(m.complex(2, 3, 4), axes=(2, 0, 1)),
        case(m.real(2, 3, 1), axes=(-1, 0, -2)),
        case(m.real(3), axes=(0,)),
        case(m.real(), axes=()),
        case(m.real(0, 2), axes=(1, 0)),
    ]


def _permute_dims_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 3), axes=(0, 0)), InvalidArgumentError, r"axes=\(0, 0\)"),
        Error(case(m.real(2, 3), axes=(0,)), InvalidArgumentError, r"shape \(2, 3\)"),
    ]


@derived(
    numpy=np.moveaxis,
    samples=lambda m: _moveaxis_samples(m),
    errors=lambda m: _moveaxis_errors(m),
)
def moveaxis(x: Operand, /, source: int | Axes, destination: int | Axes) -> Value:
    """Some dimensions moved to other places; the others keep their order.

    Parameters
    ----------
    x : array
    source, destination : int or tuple of int
        Dimensions of ``x``, and their places in the result.

    Raises
    ------
    InvalidArgumentError
        If a dimension does not exist, or the numbers of dimensions differ.

    Examples
    --------
    >>> dl.moveaxis(dl.dlarray([[[1.0, 2.0]]]), 2, 0).shape
    (2, 1, 1)

    Source: array-API ``moveaxis``.
    """
    ndim = np.ndim(x) if not hasattr(x, "ndim") else x.ndim
    try:
        sources = np.lib.array_utils.normalize_axis_tuple(source, ndim, "source")
        targets = np.lib.array_utils.normalize_axis_tuple(destination, ndim, "destination")
    except ValueError as error:
        raise InvalidArgumentError(f"moveaxis: {error}") from error
    if len(sources) != len(targets):
        raise InvalidArgumentError(
            f"moveaxis: source={source} names {len(sources)} dimensions, "
            f"destination={destination} {len(targets)}; give one for each"
        )
    order = [i for i in range(ndim) if i not in sources]
    for target, one in sorted(zip(targets, sources, strict=True)):
        order.insert(target, one)
    return permute_dims(x, tuple(order))


def _moveaxis_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 3, 4), source=0, destination=-1),
        case(m.real(2, 3, 4), source=(0, 1), destination=(-1, 0)),
        case(m.complex(2, 3), source=1, destination=0),
    ]


def _moveaxis_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 3), source=2, destination=0), InvalidArgumentError, "source"),
        Error(
            case(m.real(2, 3), source=(0, 1), destination=0), InvalidArgumentError, "destination"
        ),
    ]


@derived(
    numpy=np.swapaxes,
    samples=lambda m: _swapaxes_samples(m),
    errors=lambda m: [Error(case(m.real(2, 3), axis1=0, axis2=2), InvalidArgumentError, "axis2")],
)
def swapaxes(x: Operand, /, axis1: int, axis2: int) -> Value:
    """Two dimensions exchanged; labels move with them.

    Parameters
    ----------
    x : array
    axis1, axis2 : int

    Raises
    ------
    InvalidArgumentError
        If a dimension does not exist.

    Examples
    --------
    >>> dl.swapaxes(dl.dlarray([[[1.0, 2.0]]]), 0, 2).shape
    (2, 1, 1)

    Source: NumPy ``swapaxes``.
    """
    ndim = x.ndim
    for name, axis in (("axis1", axis1), ("axis2", axis2)):
        if not -ndim <= axis < ndim:
            raise InvalidArgumentError(
                f"swapaxes: {name}={axis}, and x of shape {x.shape} has {ndim} dimensions"
            )
    order = list(range(ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return permute_dims(x, tuple(order))


def _swapaxes_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 3, 4), axis1=0, axis2=-1),
        case(m.complex(2, 3), axis1=1, axis2=1),
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


# -- flipped and rolled ---------------------------------------------------------------------------


def _flip_x(g: Value, axis: AxisLike) -> Value:
    return flip(g, axis=axis)


@linear(
    x=_flip_x,
    numpy=np.flip,
    samples=lambda m: _flip_samples(m),
    errors=lambda m: [Error(case(m.real(3), axis=1), InvalidArgumentError, "axis 1")],
)
def flip(x: Operand, /, axis: AxisLike = None) -> Value:
    """Elements in the reverse order.

    Parameters
    ----------
    x : array
    axis : int or tuple of int, optional
        Dimensions to reverse; by default all.

    Raises
    ------
    InvalidArgumentError
        If a dimension does not exist.

    Examples
    --------
    >>> dl.flip(dl.dlarray([1.0, 2.0, 3.0])).tolist()
    [3.0, 2.0, 1.0]

    Source: array-API ``flip``; MATLAB ``flip``.
    """
    return np.flip(x, axis)


def _flip_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3)),
        case(m.real(2, 3), axis=1),
        case(m.complex(2, 3), axis=(0, -1)),
        case(m.real()),
        case(m.real(0, 2)),
    ]


def _opposite(shift: Places) -> Places:
    return tuple([-s for s in shift]) if isinstance(shift, tuple | list) else -shift


def _roll_x(g: Value, shift: Places, axis: AxisLike) -> Value:
    return roll(g, _opposite(shift), axis=axis)


@linear(
    x=_roll_x,
    numpy=np.roll,
    samples=lambda m: _roll_samples(m),
    errors=lambda m: [Error(case(m.real(3), shift=1, axis=1), InvalidArgumentError, "axis 1")],
)
def roll(x: Operand, /, shift: Places, *, axis: AxisLike = None) -> Value:
    """Elements moved along a dimension; those that leave at one end enter at the other.

    Parameters
    ----------
    x : array
    shift : int or tuple of int
        Number of places; positive is towards the end.
    axis : int or tuple of int, optional
        Dimensions to move along; by default the elements in C order.

    Raises
    ------
    InvalidArgumentError
        If a dimension does not exist.

    Examples
    --------
    >>> dl.roll(dl.dlarray([1.0, 2.0, 3.0]), 1).tolist()
    [3.0, 1.0, 2.0]

    Source: array-API ``roll``; MATLAB ``circshift``.
    """
    return np.roll(x, shift, axis)


def _roll_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4), shift=1),
        case(m.real(2, 3), shift=-2),
        case(m.real(2, 3), shift=1, axis=1),
        case(m.complex(2, 3), shift=(1, 4), axis=(0, 1)),
        case(m.real(0), shift=1),
    ]
