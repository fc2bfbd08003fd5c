"""Permutations: of dimensions, and of the elements along them.

The adjoint moves everything back. Labels move with their dimensions.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np

from dlgradient.core.formats import permuted
from dlgradient.core.kinds import SHAPE, Kind
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Axes, AxisLike, Operand, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.shape import as_scalar
from dlgradient.rules import derived, linear

__all__ = ["flip", "moveaxis", "permute_dims", "roll", "swapaxes"]

# How far `roll` moves, along one dimension or several. NumPy would round it.
_PLACES = Kind(SHAPE.wanted, SHAPE.convert, fix=SHAPE.fix)
Places: TypeAlias = Annotated[int | tuple[int, ...], _PLACES]


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

    See Also
    --------
    moveaxis : dimensions moved to other positions
    swapaxes : two dimensions exchanged
    matrix_transpose : last two dimensions exchanged

    Examples
    --------
    >>> x = dl.dlarray([[1.0, 2.0, 3.0]], "CB")
    >>> dl.permute_dims(x, (1, 0)).shape, dl.dims(dl.permute_dims(x, (1, 0)))
    ((3, 1), 'BC')

    Source: array-API ``permute_dims``; MATLAB ``permute``.
    """
    # The method costs less than the function, which Python scalars need.
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

    See Also
    --------
    permute_dims : dimensions in another order
    swapaxes : two dimensions exchanged

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

    See Also
    --------
    permute_dims : dimensions in another order
    matrix_transpose : last two dimensions exchanged

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

    See Also
    --------
    roll : elements moved along an axis, around the end
    permute_dims : dimensions in another order

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

    See Also
    --------
    flip : order of elements reversed
    fft.fftshift : frequency zero moved to the middle

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
