"""Differences of neighbours, and integrals by the trapezoidal rule. They are composed."""

from __future__ import annotations

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from dlgradient.core.conversion import as_array
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Operand, Size, Value
from dlgradient.core.values import PYTHON_SCALARS
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.ops.arithmetic import positive
from dlgradient.ops.cumulative import cumsum
from dlgradient.ops.index import along
from dlgradient.ops.join import concat
from dlgradient.ops.logical import not_equal
from dlgradient.ops.reduce import sum
from dlgradient.ops.shape import broadcast_to, reshape
from dlgradient.rules import derived

__all__ = ["cumulative_trapezoid", "diff", "trapezoid"]


@derived(
    numpy=np.diff,
    samples=lambda m: _diff_samples(m),
    errors=lambda m: [
        Error(case(m.real(3), axis=1), InvalidArgumentError, "axis 1"),
        Error(case(m.real(3), n=-1), InvalidArgumentError, "n must be an integer of at least 0"),
    ],
)
def diff(
    x: Operand,
    /,
    axis: int = -1,
    n: Size = 1,
    *,
    prepend: Operand | None = None,
    append: Operand | None = None,
) -> Value:
    """Differences of neighbours along a dimension, yᵢ = xᵢ₊₁ - xᵢ.

    Parameters
    ----------
    x : array
    axis : int
    n : int
        How many times differences are taken.
    prepend, append : array, optional
        Elements to put before and after those of ``x`` first; a number is one element.

    Returns
    -------
    array
        With n elements less along `axis`, and the data format of ``x``. Differences of bool are
        whether neighbours differ.

    Raises
    ------
    InvalidArgumentError
        If ``x`` has no such dimension, or `n` is negative.

    See Also
    --------
    cumulative_sum : cumulative sums
    trapezoid : integral by the trapezoidal rule

    Examples
    --------
    >>> dl.diff(dl.dlarray([1.0, 4.0, 9.0])).tolist()
    [3.0, 5.0]

    Source: array-API ``diff``; MATLAB ``diff``.
    """
    x = as_array(x, "diff: x")
    axis = normalize_axis_index(axis, x.ndim)
    ends = [_end(end, x, axis) for end in (prepend, append)]
    if ends[0] or ends[1]:
        x = concat([*ends[0], x, *ends[1]], axis=axis)
    # A value of its own, not the operand: an assignment to it must not change x.
    x = x if n else positive(x)
    for _ in range(min(n, x.shape[axis])):  # more leave nothing, either
        after, before = along(x, axis, slice(1, None)), along(x, axis, slice(None, -1))
        x = not_equal(after, before) if x.dtype == bool else after - before
    return x


def _end(end: Operand | None, x: Value, axis: int) -> list[Value]:
    if end is None:
        return []
    y = as_array(end, "diff: prepend or append")
    if type(end) in PYTHON_SCALARS:
        y = np.asarray(end, np.result_type(x.dtype, end))[()]
    shape = tuple([1 if i == axis else size for i, size in enumerate(x.shape)])
    return [y if y.ndim else broadcast_to(y, shape=shape)]


def _diff_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4)),
        case(m.complex(2, 3), axis=0),
        case(m.real(5), n=2),
        case(m.real(2, 3), axis=1, n=0),
        case(m.real(3), prepend=1.5, append=np.array([2.0, 4.0], np.float32)),
        case(m.real(1), n=3),
    ]


# -- integrals -----------------------------------------------------------------------------------


def _areas(
    name: str, y: Operand, x: Operand | None, dx: Operand, axis: int
) -> tuple[Value, int, Value]:
    """Return `y`, the dimension, and the area of each interval."""
    y = as_array(y, f"{name}: y")
    axis = normalize_axis_index(axis, y.ndim)
    if x is None:
        steps = dx if type(dx) in PYTHON_SCALARS else as_array(dx, f"{name}: dx")
    else:
        x = as_array(x, f"{name}: x")
        fits = x.ndim == 1 and x.shape[0] == y.shape[axis]
        if not fits and np.shape(x) != np.shape(y):
            raise ShapeMismatchError(
                f"{name}: x has shape {x.shape}, y has shape {y.shape}; x must have the shape of y,"
                f" or one element for each of the {y.shape[axis]} along axis={axis}"
            )
        steps = diff(x, axis=axis if x.ndim == y.ndim else 0)
        if x.ndim != y.ndim:
            steps = reshape(steps, [-1 if i == axis else 1 for i in range(y.ndim)])
    pairs = along(y, axis, slice(1, None)) + along(y, axis, slice(None, -1))
    return y, axis, pairs * (steps * 0.5)


def _reference(y: Operand, x: Operand = None, *, dx: float = 1.0, axis: int = -1) -> Value:
    return np.trapezoid(y, x, dx, axis)


@derived(
    reference=_reference,
    samples=lambda m: _trapezoid_samples(m),
    errors=lambda m: _trapezoid_errors(m),
)
def trapezoid(
    y: Operand, x: Operand | None = None, /, *, dx: Operand = 1.0, axis: int = -1
) -> Value:
    """Integral along a dimension by the trapezoidal rule, Σᵢ (xᵢ₊₁ - xᵢ)(yᵢ + yᵢ₊₁) / 2.

    Parameters
    ----------
    y : array
        Values.
    x : array, optional
        Their points, of the shape of ``y`` or with one dimension. Both may be traced.
    dx : number
        Distance of the points, if these are not given.
    axis : int

    Returns
    -------
    array
        Without the dimension.

    Raises
    ------
    ShapeMismatchError
        If ``x`` does not fit ``y``.
    InvalidArgumentError
        If ``y`` has no such dimension.

    See Also
    --------
    cumulative_trapezoid : the integrals up to each point
    sum : sum of elements
    diff : differences of neighbours

    Examples
    --------
    >>> dl.trapezoid(dl.dlarray([1.0, 2.0, 3.0]), [0.0, 1.0, 3.0]).item()
    6.5

    Source: NumPy ``trapezoid``; MATLAB ``trapz``.
    """
    _, axis, areas = _areas("trapezoid", y, x, dx, axis)
    return sum(areas, axis=axis)


def _cumulative_reference(
    y: Operand, x: Operand = None, *, dx: float = 1.0, axis: int = -1, initial: float | None = None
) -> Value:
    from scipy.integrate import cumulative_trapezoid as reference

    return reference(y, x, dx, axis, initial)


@derived(
    reference=_cumulative_reference,
    samples=lambda m: [
        *_trapezoid_samples(m),
        case(m.real(2, 3), axis=0, initial=0),
    ],
    errors=lambda m: _trapezoid_errors(m),
)
def cumulative_trapezoid(
    y: Operand,
    x: Operand | None = None,
    /,
    *,
    dx: Operand = 1.0,
    axis: int = -1,
    initial: float | None = None,
) -> Value:
    """Integrals up to each point along a dimension, by the trapezoidal rule.

    Parameters
    ----------
    y : array
        Values.
    x : array, optional
        Their points, of the shape of ``y`` or with one dimension. Both may be traced.
    dx : number
        Distance of the points, if these are not given.
    axis : int
    initial : number, optional
        What is put first, such as 0 for the integral up to the first point. Without it, the result
        has one element less than ``y``.

    Returns
    -------
    array
        With the data format of ``y``.

    Raises
    ------
    ShapeMismatchError
        If ``x`` does not fit ``y``.
    InvalidArgumentError
        If ``y`` has no such dimension.

    See Also
    --------
    trapezoid : the integral
    cumulative_sum : cumulative sums

    Examples
    --------
    >>> dl.cumulative_trapezoid(dl.dlarray([1.0, 2.0, 3.0]), initial=0).tolist()
    [0.0, 1.5, 4.0]

    Source: SciPy ``cumulative_trapezoid``; MATLAB ``cumtrapz`` (with a zero first).
    """
    y, axis, areas = _areas("cumulative_trapezoid", y, x, dx, axis)
    total = cumsum(areas, axis=axis)
    if initial is None:
        return total
    shape = [1 if i == axis else n for i, n in enumerate(y.shape)]
    return concat([np.full(shape, initial, total.dtype), total], axis=axis)


def _trapezoid_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(4)),
        case(m.real(3), m.real(3)),
        case(m.real(2, 3), m.real(3)),
        case(m.real(3, 2), m.real(3), axis=0),
        case(m.real(2, 3), m.real(2, 3), axis=1),
        case(m.complex(2, 3), dx=0.5),
    ]


def _trapezoid_errors(m: Maker) -> list[Error]:
    return [
        Error(
            case(m.real(3), m.real(2)), ShapeMismatchError, r"x has shape \(2,\), y has .*\(3,\)"
        ),
        Error(case(m.real(3), axis=1), InvalidArgumentError, "axis 1"),
    ]
