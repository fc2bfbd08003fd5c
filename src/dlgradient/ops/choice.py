"""Choice between elements: ``where``, maximum, minimum, clip.

An element that is not chosen gets no gradient. That is more than a zero: it stays zero even where
the derivative of the element is infinite or NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from dlgradient.core import calls
from dlgradient.core.domain import refuse_complex
from dlgradient.core.samples import Case, Error, Maker, away, case, mismatch
from dlgradient.core.types import Array, Operand, Value
from dlgradient.errors import ShapeMismatchError
from dlgradient.ops.arithmetic import positive
from dlgradient.ops.logical import equal, greater, less
from dlgradient.rules import derived, elementwise

__all__ = ["clip", "maximum", "minimum", "where"]


def _where_x(t: Value, condition: Value) -> Value:
    return where(condition, t, 0)


def _where_y(t: Value, condition: Value) -> Value:
    return where(condition, 0, t)


def where_kernel(condition: Array, x: Array, y: Value) -> Value:
    """Return elements of x where the condition is true, else those of y."""
    if type(y) is int and y == 0 and _maskable(condition, x):
        # Half of all masks put a zero somewhere (relu, clip, dropout, padding). Bit by bit, this is
        # ten times as fast as numpy.where, which branches for each element, and as exact.
        bits = np.dtype(f"i{x.itemsize}")
        return (x.view(bits) & -condition.view(np.int8)).view(x.dtype)
    return np.where(condition, x, y)[()]


def _maskable(condition: Array, x: Array) -> bool:
    return (
        type(condition) is np.ndarray
        and type(x) is np.ndarray
        and condition.dtype.kind == "b"
        and x.dtype.kind == "f"
    )


@elementwise(
    x=_where_x,
    y=_where_y,
    kernel=where_kernel,
    masks=True,
    samples=lambda m: [
        case(m.bools(3), m.real(3), m.real(3)),
        case(m.bools(2, 1), m.real(3), m.real()),
        case(m.bools(), m.real(2), 0.0),
        case(m.bools(3), m.complex(3), m.real(3)),
        case(m.bools(0), m.real(0), 1.0),
        # Elements that are not chosen may be NaN or infinite.
        case(np.array([True, False]), np.array([1.0, np.nan]), np.array([np.inf, 2.0])),
        # Zero has a separate kernel.
        case(m.bools(4), m.real(4), 0),
        case(m.bools(2, 1), m.real(3), 0),
        case(np.array([True, False]), np.array([1.0, np.nan]), 0),
        case(np.array([1, 0, 2]), m.real(3), 0),
        case(m.bools(3), m.complex(3), 0),
        *[case(m.bools(3), m.real(3), n) for n in (1, 3)],
    ],
    errors=lambda m: [
        Error(case(m.bools(3), m.real(2), 0.0), ShapeMismatchError, r"where: .*x: shape \(2,\)")
    ],
    numpy=np.where,
)
def where(condition: Operand, x: Operand, y: Operand, /) -> Value:
    """Elements of x where the condition, of bool, is true, else those of y.

    Elements that are not chosen get no gradient, even where their derivative is infinite or NaN.

    Examples
    --------
    >>> x = dl.dlarray([0.0, 4.0])
    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.where(x > 0, dl.sqrt(x), 0).sum(), x), x).tolist()
    [0.0, 0.25]

    Source: array-API ``where``.
    """


def _distinct(m: Maker) -> list[Case]:
    return [
        case(m.real(3), m.real(3)),
        case(m.real(2, 1), m.real(3)),
        case(m.real(), m.real()),
        case(m.real(4), 0.1),
        case(-0.1, m.real(2, 2)),
        case(m.real(0, 2), m.real(2)),
    ]


_pairs = away(_distinct, np.subtract)


def _bounded(m: Maker) -> list[Case]:
    """Samples with a constant: numbers, and integers, which carry no derivative."""
    return [case(m.real(4), 0.1), case(m.real(2, 1), np.array([-1, 1, 0])), case(m.real(0, 2), 0)]


def _shared(t: Value, better: Value, x: Value, y: Value) -> Value:
    """Return `t` where an operand is the chosen one, and half of it at ties."""
    return where(better, t, where(equal(x, y), t * 0.5, 0))


def _tie() -> list[Case]:
    return [
        case(
            np.array([-1.0, 0, 2]),
            np.zeros(3),
            kink=True,
            gradient={"x": [0, 0.5, 1], "y": [1, 0.5, 0]},
        )
    ]


@elementwise(
    x=lambda t, x, y: _shared(t, greater(x, y), x, y),
    y=lambda t, x, y: _shared(t, greater(y, x), x, y),
    shown="maximum",
    kernel=np.maximum,
    domain="real",
    masks=True,
    samples=lambda m: _pairs(m) + _tie(),
    errors=mismatch,
)
def larger(x: Operand, y: Operand, /) -> Value:
    """Larger of two variables: `maximum` where both are traced."""


@elementwise(
    x=lambda t, bound, out: where(greater(out, bound), t, 0),
    shown="maximum",
    kernel=np.maximum,
    domain="real",
    masks=True,
    samples=lambda m: [
        *_bounded(m),
        case(np.array([-1.0, 0, 2]), 0, kink=True, gradient={"x": [0, 0, 1]}),
    ],
)
def at_least(x: Operand, bound: Operand, /) -> Value:
    """`maximum` of a variable and a constant: it saves the result, as the next layer does."""


@elementwise(
    x=lambda t, x, y: _shared(t, less(x, y), x, y),
    y=lambda t, x, y: _shared(t, less(y, x), x, y),
    shown="minimum",
    kernel=np.minimum,
    domain="real",
    masks=True,
    samples=lambda m: [
        *_pairs(m),
        case(
            np.array([-1.0, 0, 2]),
            np.zeros(3),
            kink=True,
            gradient={"x": [1, 0.5, 0], "y": [0, 0.5, 1]},
        ),
    ],
    errors=mismatch,
)
def smaller(x: Operand, y: Operand, /) -> Value:
    """Smaller of two variables: `minimum` where both are traced."""


@elementwise(
    x=lambda t, bound, out: where(less(out, bound), t, 0),
    shown="minimum",
    kernel=np.minimum,
    domain="real",
    masks=True,
    samples=lambda m: [
        *_bounded(m),
        case(np.array([-1.0, 0, 2]), 0, kink=True, gradient={"x": [1, 0, 0]}),
    ],
)
def at_most(x: Operand, bound: Operand, /) -> Value:
    """`minimum` of a variable and a constant."""


Choice: TypeAlias = Callable[[Operand, Operand], Value]


def _chosen(x: Value, y: Value, both: Choice, bounded: Choice) -> Value:
    """Call `both` for two variables, `bounded` for a variable and a constant."""
    if type(y) is not calls.dlarray or not calls.is_variable(y):
        return bounded(x, y)
    if not calls.is_variable(x):
        x, y = calls.aligned(x, y)  # the order of the dimensions is that of x
        return bounded(y, x)
    return both(x, y)


@derived(
    domain="real",
    samples=lambda m: [
        *_pairs(m),
        *_tie(),
        case(np.array([-1.0, 0, 2]), 0.0, kink=True, gradient={"x": [0, 0, 1.0]}),
        case(np.array([-1.0, 0, 2]), np.zeros(3, np.int8), kink=True, gradient={"x": [0, 0, 1.0]}),
    ],
    errors=mismatch,
    numpy=np.maximum,
)
def maximum(x: Operand, y: Operand, /) -> Value:
    """Larger of two elements; NaN if one is NaN.

    The gradient goes to the larger element, and to that alone, even where that of the other is
    infinite. Of equal ones each gets half; next to a constant, a traced one gets none.

    Examples
    --------
    >>> dl.maximum(dl.dlarray([-1.0, 0.0, 4.0]), 0.0).tolist()
    [0.0, 0.0, 4.0]

    Source: array-API ``maximum``; MATLAB ``max(x, y)``.
    """
    return _chosen(x, y, larger, at_least)


@derived(
    domain="real",
    samples=lambda m: [
        *_pairs(m),
        case(0.0, np.array([-1.0, 0, 2]), kink=True, gradient={"y": [1.0, 0, 0]}),
    ],
    errors=mismatch,
    numpy=np.minimum,
)
def minimum(x: Operand, y: Operand, /) -> Value:
    """Smaller of two elements; NaN if one is NaN.

    The gradient goes to the smaller element, and to that alone, even where that of the other is
    infinite. Of equal ones each gets half; next to a constant, a traced one gets none.

    Examples
    --------
    >>> dl.minimum(dl.dlarray([-1.0, 0.0, 4.0]), 0.0).tolist()
    [-1.0, 0.0, 0.0]

    Source: array-API ``minimum``; MATLAB ``min(x, y)``.
    """
    return _chosen(x, y, smaller, at_most)


def _interval_samples(m: Maker) -> list[Case]:
    return [case(m.real(2, 3), m.inside(3) - 0.5, m.inside(2, 1) + 0.5)]


def _bound_distance(x: Array, low: Array, high: Array) -> Array:
    distance: Array = np.minimum(np.abs(x - low), np.abs(x - high))
    return distance


@derived(
    domain="real",
    samples=lambda m: [
        case(m.real(5), min=-0.9, max=0.8),
        case(m.real(2, 2), min=0.1),
        case(m.real(2, 2), max=0.1),
        case(m.real(), min=-0.1, max=0.1),
        case(m.real(0), min=-0.1),
        *away(_interval_samples, _bound_distance)(m),
        case(
            np.array([-2.0, -1, 0.5, 1, 3]),
            min=-1,
            max=1,
            kink=True,
            gradient={"x": [0, 0, 1, 0, 0]},
        ),
    ],
    errors=lambda m: [Error(case(m.real(3), m.real(2)), ShapeMismatchError, r"maximum: ")],
    numpy=np.clip,
)
def clip(x: Operand, /, min: Operand | None = None, max: Operand | None = None) -> Value:
    """Elements limited to the interval from min to max.

    It is minimum(maximum(x, min), max), and so are its gradients: outside the interval and at
    constant bounds, the gradient is 0. If `min` exceeds `max`, the result is `max`.

    Parameters
    ----------
    x : dlarray or array_like
        Real.
    min, max : dlarray or array_like, optional
        Bounds, which may be traced; shapes broadcast. None: no bound on that side.

    Returns
    -------
    dlarray or array
        Of the broadcast shape and the promoted dtype.

    Raises
    ------
    ShapeMismatchError
        If the shapes do not broadcast.

    See Also
    --------
    maximum : larger of two elements
    minimum : smaller of two elements
    hardsigmoid : sigmoid of straight lines

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([-1.0, 0.5, 4.0])
    >>> dl.dlfeval(lambda x: dl.dlgradient(dl.clip(x, 0.0, 1.0).sum(), x), x)
    dlarray([0., 1., 0.])

    Source: array-API ``clip``; MATLAB ``clip``.
    """
    refuse_complex("clip", x=x, min=min, max=max)
    if min is not None:
        x = maximum(x, min)
    if max is not None:
        x = minimum(x, max)
    # A value of its own, not the operand: an assignment to it must not change x.
    return positive(x) if min is None and max is None else x
