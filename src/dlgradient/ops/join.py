"""Joining, splitting and repeating arrays."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod as _product

import numpy as np

from dlgradient.core.formats import with_new
from dlgradient.core.reading import raw
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Formats, Operand, Params, Shape, Shapes, Value
from dlgradient.core.values import PYTHON_SCALARS
from dlgradient.errors import FormatClashError, InvalidArgumentError
from dlgradient.ops.index import getitem
from dlgradient.ops.shape import reshape
from dlgradient.ops.take import take
from dlgradient.rules import derived, linear

__all__ = ["concat", "repeat", "stack", "tile", "unstack"]


def _common_format(name: str, formats: Formats) -> str:
    """Return the common format of the operands that have one."""
    found = dict.fromkeys([fmt for fmt in formats if fmt is not None])
    if len(found) > 1:
        raise FormatClashError(
            f"{name}: the arrays have the formats {', '.join(map(repr, found))}; bring them to one "
            "order with permute_dims, or take the labels off with stripdims"
        )
    fmt: str = next(iter(found))
    return fmt


def _promote_scalars(arrays: Sequence[Operand]) -> Sequence[Operand]:
    """Give Python scalars among the arrays the dtype of the others."""
    if not any(type(a) in PYTHON_SCALARS for a in arrays):
        return arrays
    # As weak numbers: a list with 1.0 does not make single precision double.
    dtype = np.result_type(*arrays)
    return [np.asarray(a, dtype) if type(a) in PYTHON_SCALARS else a for a in arrays]


# -- join ----------------------------------------------------------------------------------------


def _concat_adjoint(g: Value, arrays_like: Sequence[Value], axis: int | None) -> list[Value]:
    shapes = [np.shape(a) for a in arrays_like]
    lead = () if axis is None else (slice(None),) * (axis % len(shapes[0]))
    parts = []
    at = 0
    for shape in shapes:
        n = _product(shape) if axis is None else shape[axis]
        part = getitem(g, (*lead, slice(at, at + n)))
        parts.append(reshape(part, shape) if axis is None else part)
        at += n
    return parts


def _concat_format(formats: Formats, shapes: Shapes, params: Params) -> str | None:
    if params["axis"] is None and any(len(shape) != 1 for shape in shapes):
        return None
    return _common_format("concat", formats)


@linear(
    vjp=_concat_adjoint,
    format=_concat_format,
    format_family="same",
    numpy=np.concatenate,
    samples=lambda m: _concat_samples(m),
    errors=lambda m: _concat_errors(m),
)
def concat(arrays: Sequence[Operand], /, axis: int | None = 0) -> Value:
    """Arrays joined end to end along an existing dimension.

    Parameters
    ----------
    arrays : sequence of arrays
        Equal in every other dimension. Those with a format must have the same, and the result has
        it too.
    axis : int or None
        Dimension to join along; None joins all elements in C order.

    Raises
    ------
    InvalidArgumentError
        If the shapes do not match, or the dimension does not exist.
    FormatClashError
        If the formats differ.

    See Also
    --------
    stack : arrays joined along a new axis
    tile : the whole array several times
    unstack : arrays along an axis

    Examples
    --------
    >>> dl.concat([dl.dlarray([1.0, 2.0]), [3.0]]).tolist()
    [1.0, 2.0, 3.0]

    Source: array-API ``concat``; MATLAB ``cat``, ``horzcat``, ``vertcat``.
    """
    return np.concatenate(_promote_scalars(arrays), axis=axis)


def _concat_samples(m: Maker) -> list[Case]:
    return [
        case([m.real(4), m.real(2)]),
        case([m.real(2, 2), m.real(2, 1), m.real(2, 0)], axis=1),
        case([m.complex(1, 2), m.real(2, 2)], axis=-2),
        case([m.real(2, 2), m.real(3), m.real()], axis=None),
        case([m.real(2)]),
    ]


def _concat_errors(m: Maker) -> list[Error]:
    return [
        Error(case([m.real(2, 2), m.real(3, 3)]), InvalidArgumentError, r"shape \(3, 3\)"),
        Error(case([m.real(2), m.real(3)], axis=1), InvalidArgumentError, "axis 1"),
        Error(case(3.0), InvalidArgumentError, r"concat\(\[x, y\]\)"),
    ]


def _stack_adjoint(g: Value, axis: int) -> list[Value]:
    lead = (slice(None),) * (axis % g.ndim)
    return [getitem(g, (*lead, i)) for i in range(g.shape[axis])]


def _stack_format(formats: Formats, shapes: Shapes, params: Params) -> str:
    return with_new(_common_format("stack", formats), (params["axis"] % (len(shapes[0]) + 1),))


@linear(
    vjp=_stack_adjoint,
    format=_stack_format,
    numpy=np.stack,
    samples=lambda m: _stack_samples(m),
    errors=lambda m: _stack_errors(m),
)
def stack(arrays: Sequence[Operand], /, axis: int = 0) -> Value:
    """Arrays of one shape joined along a new dimension, labelled ``U``.

    Parameters
    ----------
    arrays : sequence of arrays
        Those with a format must have the same.
    axis : int
        Place of the new dimension in the result.

    Raises
    ------
    InvalidArgumentError
        If the shapes differ, or there is no such place.
    FormatClashError
        If the formats differ.

    See Also
    --------
    concat : arrays joined along an axis that they have
    unstack : arrays along an axis

    Examples
    --------
    >>> dl.stack([dl.dlarray([1.0, 2.0]), dl.dlarray([3.0, 4.0])], axis=1).tolist()
    [[1.0, 3.0], [2.0, 4.0]]

    Source: array-API ``stack``; MATLAB ``cat``.
    """
    arrays = _promote_scalars(arrays)
    if axis in (0, -1) and all(np.ndim(a) == 0 for a in arrays):
        # It takes a twentieth of the time of numpy.stack, which makes an array of each number.
        return np.array(arrays)
    return np.stack(arrays, axis=axis)


def _stack_samples(m: Maker) -> list[Case]:
    return [
        case([m.real(4), m.real(4)]),
        case([m.real(2, 2), m.complex(2, 2), m.real(2, 2)], axis=-1),
        case([m.real(), m.real()]),
        case([m.real(3), m.real(3)], axis=-1),
        case([m.real(), 1.0]),
        case([m.real(0), m.real(0)], axis=1),
    ]


def _stack_errors(m: Maker) -> list[Error]:
    return [
        Error(case([m.real(2), m.real(3)]), InvalidArgumentError, r"shape \(3,\)"),
        Error(case([m.real(2), m.real(2)], axis=2), InvalidArgumentError, "axis 2"),
        Error(case([m.real(), m.real()], axis=1), InvalidArgumentError, "axis 1"),
        Error(case([m.real(), m.real()], axis=-2), InvalidArgumentError, "axis -2"),
    ]


@derived(
    samples=lambda m: _unstack_samples(m),
    errors=lambda m: _unstack_errors(m),
    numpy=getattr(np, "unstack", None),
)
def unstack(x: Operand, /, *, axis: int = 0) -> tuple[Value, ...]:
    """Array split along a dimension, which disappears.

    Parameters
    ----------
    x : array
    axis : int

    Returns
    -------
    tuple of arrays

    Raises
    ------
    InvalidArgumentError
        If the dimension does not exist.

    See Also
    --------
    stack : arrays joined along a new axis
    take : elements at indices along an axis

    Examples
    --------
    >>> [row.tolist() for row in dl.unstack(dl.dlarray([[1.0, 2.0], [3.0, 4.0]]))]
    [[1.0, 2.0], [3.0, 4.0]]

    Source: array-API ``unstack``.
    """
    if not -x.ndim <= axis < x.ndim:
        raise InvalidArgumentError(
            f"unstack: axis={axis}, and x of shape {x.shape} has {x.ndim} dimensions"
        )
    lead = (slice(None),) * (axis % x.ndim)
    return tuple([getitem(x, (*lead, i)) for i in range(x.shape[axis])])


def _unstack_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2)),
        case(m.real(2, 3), axis=1),
        case(m.complex(2, 2), axis=-1),
        case(m.real(0, 2)),
    ]


def _unstack_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2), axis=1), InvalidArgumentError, "axis=1"),
    ]


# -- repeat --------------------------------------------------------------------------------------


def _repeated_adjoint(g: Value, x_like: Value, repeats: int, axis: int) -> Value:
    shape = x_like.shape
    axis %= len(shape)
    parts = reshape(g, (*shape[: axis + 1], repeats, *shape[axis + 1 :]))
    return parts.sum(axis=axis + 1)


@linear(
    x=_repeated_adjoint,
    samples=lambda m: _repeated_samples(m),
)
def repeated(x: Value, /, repeats: int, axis: int) -> Value:
    """Repeat every element equally often, for `repeat`.

    Parameters
    ----------
    x : array
    repeats, axis : int
    """
    return np.repeat(x, repeats, axis=axis)


def _repeated_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3), repeats=2, axis=0),
        case(m.complex(2, 3), repeats=3, axis=-1),
        case(m.real(2, 2), repeats=0, axis=0),
        case(m.real(0), repeats=2, axis=0),
    ]


@derived(
    numpy=np.repeat,
    samples=lambda m: _repeat_samples(m),
    errors=lambda m: _repeat_errors(m),
)
def repeat(x: Operand, /, repeats: Operand, *, axis: int | None = None) -> Value:
    """Array with each element repeated in place.

    Parameters
    ----------
    x : array
    repeats : int or sequence of int
        The number of repetitions, or one for each element along the dimension.
    axis : int, optional
        Dimension to repeat along; by default the elements in C order, as one dimension.

    Raises
    ------
    InvalidArgumentError
        If a number is negative, or there are too few or too many.

    See Also
    --------
    tile : the whole array several times
    broadcast_to : array with a larger shape

    Examples
    --------
    >>> dl.repeat(dl.dlarray([1.0, 2.0]), [2, 1]).tolist()
    [1.0, 1.0, 2.0]

    Source: array-API ``repeat``; MATLAB ``repelem``.
    """
    if axis is None:
        if np.ndim(x) != 1 if not hasattr(x, "ndim") else x.ndim != 1:
            x = reshape(x, (-1,))
        axis = 0
    if not -x.ndim <= axis < x.ndim:
        raise InvalidArgumentError(
            f"repeat: axis={axis}, and x of shape {x.shape} has {x.ndim} dimensions"
        )
    counts = np.asarray(raw(repeats))
    # Equal repetitions need no indices: their adjoint is a sum over a new dimension.
    if counts.size == 1:
        return repeated(x, int(counts.reshape(())), axis=axis)
    try:
        places = np.repeat(np.arange(x.shape[axis]), counts)
    except (ValueError, TypeError) as error:
        raise InvalidArgumentError(
            f"repeat: {error}; repeats={counts.tolist()} must be one number that is not negative, "
            f"or one for each of the {x.shape[axis]} elements along axis {axis}"
        ) from error
    return take(x, places, axis=axis)


def _repeat_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3), repeats=2),
        case(m.real(2, 2), repeats=2),
        case(m.complex(2, 3), repeats=2, axis=1),
        case(m.real(2, 3), repeats=[2, 0, 1], axis=-1),
        case(m.real(2, 2), repeats=np.array([1, 2, 0, 3])),
        case(m.real(), repeats=3),
    ]


def _repeat_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), repeats=[1, 2]), InvalidArgumentError, "repeats"),
        Error(case(m.real(3), repeats=-1), InvalidArgumentError, "negative"),
        Error(case(m.real(3), repeats=2, axis=1), InvalidArgumentError, "axis"),
    ]


def _align_repetitions(
    shape: tuple[int, ...], repetitions: int | Shape
) -> tuple[list[int], list[int]]:
    """Return shape and repetitions in equal length."""
    counts = list(repetitions) if isinstance(repetitions, tuple | list) else [repetitions]
    ndim = max(len(shape), len(counts))
    return [1] * (ndim - len(shape)) + list(shape), [1] * (ndim - len(counts)) + counts


def _tile_adjoint(g: Value, x_like: Value, repetitions: int | Shape) -> Value:
    shape, counts = _align_repetitions(x_like.shape, repetitions)
    pairs = [n for pair in zip(counts, shape, strict=True) for n in pair]
    total = reshape(g, pairs).sum(axis=tuple(range(0, len(pairs), 2)))
    return reshape(total, x_like.shape)


def _tile_format(formats: Formats, shapes: Shapes, params: Params) -> str | None:
    shape, _ = _align_repetitions(shapes[0], params["repetitions"])
    return formats[0] if len(shape) == len(shapes[0]) else None


@linear(
    x=_tile_adjoint,
    format=_tile_format,
    format_family="same",
    numpy=np.tile,
    samples=lambda m: _tile_samples(m),
    errors=lambda m: _tile_errors(m),
)
def tile(x: Operand, /, repetitions: int | Shape) -> Value:
    """Array repeated as a whole, like tiles.

    Parameters
    ----------
    x : array
    repetitions : int or tuple of int
        The number of repetitions along each dimension, counted from the last.

    Raises
    ------
    InvalidArgumentError
        If a number is negative.

    See Also
    --------
    repeat : each element several times
    concat : arrays joined along an axis that they have

    Examples
    --------
    >>> dl.tile(dl.dlarray([1.0, 2.0]), 2).tolist()
    [1.0, 2.0, 1.0, 2.0]

    Source: array-API ``tile``; MATLAB ``repmat``.
    """
    return np.tile(x, repetitions)


def _tile_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3), repetitions=2),
        case(m.real(2, 3), repetitions=(2, 1)),
        case(m.complex(2), repetitions=(2, 3)),
        case(m.real(2, 3), repetitions=(2,)),
        case(m.real(), repetitions=(2,)),
        case(m.real(2), repetitions=0),
    ]


def _tile_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), repetitions=-1), InvalidArgumentError, "repetitions=-1"),
    ]
