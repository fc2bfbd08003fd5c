"""Equally spaced numbers, and grids of them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.kinds import number, scalar
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Device, DtypeLike, Operand, Size, Value
from dlgradient.core.values import as_value
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.create import chosen_dtype, wrap_new
from dlgradient.ops.shape import broadcast_to, reshape
from dlgradient.rules import derived

__all__ = ["arange", "linspace", "meshgrid"]


# The number of elements cannot be differentiated.
Bound: TypeAlias = Annotated[float, number(fix="write start + step * arange(n)")]
_END = scalar(fix="write start + (stop - start) * linspace(0, 1, num)")
Indexing: TypeAlias = Literal["xy", "ij"]
End: TypeAlias = Annotated[complex, _END]


@checked
def arange(
    start: Bound,
    /,
    stop: Bound | None = None,
    step: Bound = 1,
    *,
    dtype: DtypeLike = None,
    device: Device = None,
) -> Value:
    """Equally spaced numbers from start up to stop, which is excluded.

    Parameters
    ----------
    start, stop, step : Python numbers
        A single number is `stop`, and `start` is zero.
    dtype : dtype_like
        By default the dtype of the numbers: int64 if all are integers. Integers carry no
        derivative.
    device : {None, "cpu"}

    Returns
    -------
    dlarray

    Raises
    ------
    InvalidArgumentError
        If a number is not finite.
    LeavingTraceError
        If a number is traced.
    UnsupportedDtypeError
        For a dtype such as float16 or object.

    See Also
    --------
    linspace : a given number of numbers between two

    Examples
    --------
    >>> dl.arange(3).tolist(), dl.arange(0.0, 1.0, 0.5).tolist()
    ([0, 1, 2], [0.0, 0.5])

    Source: array-API ``arange``; MATLAB ``colon`` (which includes the end).
    """
    if stop is None:
        start, stop = 0, start
    return wrap_new(np.arange(start, stop, step, dtype=chosen_dtype("arange", dtype, None)))


@checked
def linspace(
    start: End,
    stop: End,
    /,
    num: Size,
    *,
    dtype: DtypeLike = None,
    device: Device = None,
    endpoint: bool = True,
) -> Value:
    """Equally spaced numbers from start to stop.

    Parameters
    ----------
    start, stop : Python numbers
    num : int
        Number of elements.
    dtype : dtype_like
        float64 by default, complex128 if a number is complex.
    device : {None, "cpu"}
    endpoint : bool
        Whether `stop` is the last element.

    Returns
    -------
    dlarray

    Raises
    ------
    InvalidArgumentError
        If a number is not finite.
    LeavingTraceError
        If a number is traced.
    UnsupportedDtypeError
        For a dtype such as float16 or object.

    See Also
    --------
    arange : numbers at a given distance
    meshgrid : coordinates of a grid

    Examples
    --------
    >>> dl.linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0]

    Source: array-API ``linspace``; MATLAB ``linspace``.
    """
    dtype = chosen_dtype("linspace", dtype, None)
    return wrap_new(np.linspace(start, stop, num, endpoint=endpoint, dtype=dtype))


@derived(
    numpy=np.meshgrid,
    samples=lambda m: _meshgrid_samples(m),
    errors=lambda m: _meshgrid_errors(m),
)
def meshgrid(*arrays: Operand, indexing: Indexing = "xy") -> list[Value]:
    """Coordinates of the points of a grid, from those along its axes.

    Parameters
    ----------
    *arrays : array
        With one dimension each; traced ones are differentiated.
    indexing : {"xy", "ij"}
        Whether the first two dimensions of the results are exchanged, as for plots ("xy"), or in
        the order of the arrays ("ij").

    Returns
    -------
    list of arrays

    Raises
    ------
    InvalidArgumentError
        For another `indexing`, or an array of several dimensions.

    See Also
    --------
    linspace : a given number of numbers between two
    arange : numbers at a given distance
    broadcast_arrays : arrays with one common shape

    Examples
    --------
    >>> x, y = dl.meshgrid(dl.dlarray([1.0, 2.0]), dl.dlarray([5.0, 6.0]))
    >>> x.tolist(), y.tolist()
    ([[1.0, 2.0], [1.0, 2.0]], [[5.0, 5.0], [6.0, 6.0]])

    Source: array-API ``meshgrid``; MATLAB ``meshgrid``, ``ndgrid``.
    """
    arrays = tuple([x if hasattr(x, "shape") else as_value(x, "meshgrid: array") for x in arrays])
    shapes = [x.shape for x in arrays]
    if any(len(shape) > 1 for shape in shapes):
        raise InvalidArgumentError(
            f"meshgrid: the arrays have shapes {', '.join(map(str, shapes))}; each must have one "
            "dimension"
        )
    order = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        order[:2] = [1, 0]
    sizes = [int(np.prod(shape, dtype=int)) for shape in shapes]
    shape = tuple([sizes[i] for i in order])
    return [
        broadcast_to(reshape(x, tuple([-1 if j == i else 1 for j in order])), shape)
        for i, x in enumerate(arrays)
    ]


def _meshgrid_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2), m.real(3)),
        case(m.real(2), m.real(3), indexing="ij"),
        case(m.complex(2), m.real(1), m.real(2)),
        case(m.real(2)),
    ]


def _meshgrid_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2), m.real(2), indexing="yx"), InvalidArgumentError, "'yx'"),
        Error(case(m.real(2, 2), m.real(2)), InvalidArgumentError, r"\(2, 2\)"),
    ]
