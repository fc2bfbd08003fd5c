"""Interpolation of values that are given at points.

The straight lines of `interp` are an operation with four operands: the query points, the points,
the values, and the interval of each query, which is found once. With the slope s of an interval and
the weight w of its right end, the differential is

    dy = s dx + (1 - w) (dv₀ - s dp₀) + w (dv₁ - s dp₁).

At a point where two lines meet, s is the slope that is closer to zero, and zero if they differ in
sign. That is the subgradient of minimum norm.
"""

from __future__ import annotations

import numpy as np

from dlgradient.core import calls
from dlgradient.core.conversion import as_array
from dlgradient.core.domain import refuse_complex
from dlgradient.core.formats import format_of_first
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Operand, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.ops.arithmetic import remainder
from dlgradient.ops.casting import result_type
from dlgradient.ops.choice import maximum, minimum, where
from dlgradient.ops.complex import abs, complex, imag, real
from dlgradient.ops.differences import diff
from dlgradient.ops.join import concat
from dlgradient.ops.logical import equal
from dlgradient.ops.order import argsort
from dlgradient.ops.search import searchsorted
from dlgradient.ops.take import put, take
from dlgradient.rules import derived, general

__all__ = ["interp"]


# -- straight lines ------------------------------------------------------------------------------


def _closer_to_zero(a: Value, b: Value) -> Value:
    return where(a * b > 0, where(abs(a) < abs(b), a, b), 0)


def _lines(x: Value, p: Value, v: Value, cells: Value, extend: bool) -> tuple[Value, ...]:
    """Return slope and weight at each query, and the places of both ends of its interval."""
    low, high = maximum(cells - 1, 0), minimum(cells, p.shape[0] - 1)
    steps = diff(p)
    slopes = diff(v) / steps
    none = np.zeros(1, slopes.dtype)
    ends = (slopes[:1], slopes[-1:]) if extend else (none, none)
    every = concat([ends[0], slopes, ends[1]])
    start = take(p, low)
    meets = equal(x, start)
    # The intervals before the first and after the last point have no other end. A query there may
    # be infinite.
    inverse = take(concat([none, 1 / steps, none]), cells)
    moved = where(meets | equal(inverse, 0), 0, x - start)
    s = where(meets, take(_closer_to_zero(every[1:], every[:-1]), low), take(every, cells))
    return s, moved * inverse, low, high


def _interpolated_vjp(
    g: Value,
    x: Value,
    p: Value,
    v: Value,
    cells: Value,
    extend: bool,
    x_wanted: bool,
    p_wanted: bool,
    v_wanted: bool,
) -> tuple[Value | None, ...]:
    s, w, low, high = _lines(x, p, v, cells, extend)
    if extend:  # beyond the points, both ends are those of the interval next to them
        s, w, low, high = _extended(x, p, cells, s)

    def spread(terms: Value) -> Value:
        return put(terms * (1 - w), low, shape=p.shape, axis=0) + put(
            terms * w, high, shape=p.shape, axis=0
        )

    return (
        g * s if x_wanted else None,
        -spread(g * s) if p_wanted else None,
        spread(g) if v_wanted else None,
        None,
    )


def _extended(x: Value, p: Value, cells: Value, s: Value) -> tuple[Value, ...]:
    inner = minimum(maximum(cells, 1), p.shape[0] - 1)
    start = take(p, inner - 1)
    return s, (x - start) / (take(p, inner) - start), inner - 1, inner


def _tangent_x(t: Value, x: Value, p: Value, v: Value, cells: Value, extend: bool) -> Value:
    return t * _lines(x, p, v, cells, extend)[0]


def _between(
    t: Value, x: Value, p: Value, v: Value, cells: Value, extend: bool
) -> tuple[Value, Value]:
    s, w, low, high = _lines(x, p, v, cells, extend)
    if extend:
        s, w, low, high = _extended(x, p, cells, s)
    return take(t, low) * (1 - w) + take(t, high) * w, s


def _tangent_p(t: Value, x: Value, p: Value, v: Value, cells: Value, extend: bool) -> Value:
    moved, s = _between(t, x, p, v, cells, extend)
    return -s * moved


def _tangent_v(t: Value, x: Value, p: Value, v: Value, cells: Value, extend: bool) -> Value:
    return _between(t, x, p, v, cells, extend)[0]


@general(
    vjp=_interpolated_vjp,
    jvp={"x": _tangent_x, "p": _tangent_p, "v": _tangent_v},
    format=format_of_first,
    format_family="same",
    domain="real",
    shown="interp",
    samples=lambda m: _interpolated_samples(m),
)
def interpolated(x: Value, p: Value, v: Value, cells: Value, /, *, extend: bool) -> Value:
    """Values of the straight lines through points, for `interp`.

    Parameters
    ----------
    x : array
        Query points.
    p, v : array
        Points in ascending order, and values there.
    cells : array of integers
        How many points are not greater than each query.
    extend : bool
        Whether the first and the last line go on beyond the points.
    """
    slopes = np.diff(v) / np.diff(p)
    ends = (slopes[:1], slopes[-1:]) if extend else np.zeros((2, 1), slopes.dtype)
    slopes = np.concatenate([ends[0], slopes, ends[1]])
    low = np.maximum(cells - 1, 0)
    moved = np.asarray(x - p[low])
    if not extend:  # infinity, too, has the value of the end
        moved[(x < p[0]) | (x > p[-1])] = 0
    return (v[low] + moved * slopes[cells])[()]


def _interpolated_samples(m: Maker) -> list[Case]:
    p, v = np.array([0.0, 1.0, 2.5, 3.0]), m.real(4)
    x = np.array([0.3, -0.5, 2.7, 1.2, 3.4])
    cells = np.searchsorted(p, x, "right")
    bent = np.array([0.0, 1.0, 3.0, 1.0])
    at = np.array([1.0, 2.5])
    return [
        case(x, p, v, cells, extend=False),
        case(x, p, v, cells, extend=True),
        case(x[0], p, v, cells[0], extend=False),
        case(
            at,
            p,
            bent,
            np.searchsorted(p, at, "right"),
            extend=False,
            kink=True,
            gradient={"x": [1, 0], "p": [0, -1, 0, 0], "v": [0, 1, 1, 0]},
        ),
    ]


def check_points(p: Value, v: Value) -> None:
    """Raise an error unless there are as many values as points."""
    if p.ndim != 1 or p.shape != v.shape or not p.shape[0]:
        raise ShapeMismatchError(
            f"interp: the points have shape {p.shape}, the values {v.shape}; give as many values "
            "as points, in one dimension"
        )


@derived(
    numpy=np.interp,
    samples=lambda m: _interp_samples(m),
    errors=lambda m: [
        Error(
            case(m.real(2), m.real(3), m.real(2)),
            ShapeMismatchError,
            r"points have shape \(3,\), the values \(2,\)",
        ),
        Error(
            case(m.real(2), np.arange(3.0), m.real(3), period=0.0),
            InvalidArgumentError,
            "period",
        ),
    ],
)
def interp(
    x: Operand,
    xp: Operand,
    fp: Operand,
    /,
    left: float | None = None,
    right: float | None = None,
    period: float | None = None,
) -> Value:
    """Straight lines through given points, at query points.

    Between the points pₖ and pₖ₊₁ with the values vₖ and vₖ₊₁ it is
    y = vₖ + (x - pₖ)(vₖ₊₁ - vₖ) / (pₖ₊₁ - pₖ). All three operands may be traced. At a point, the
    derivative is the slope of the two that is closer to zero, or zero if they differ in sign.

    Parameters
    ----------
    x : array
        Query points, real.
    xp : array
        Points in ascending order, in one dimension; with `period` in any order.
    fp : array
        Values at the points, real or complex.
    left, right : number, optional
        Values before the first and after the last point; by default those of these points.
    period : number, optional
        Period of the points; `left` and `right` then mean nothing.

    Returns
    -------
    array
        With the shape and the data format of ``x``.

    Raises
    ------
    ShapeMismatchError
        If there are not as many values as points.
    InvalidArgumentError
        If `period` is zero.
    ComplexValueError
        If ``x`` or the points are complex.

    See Also
    --------
    searchsorted : places in a sorted array
    quantile : quantiles

    Examples
    --------
    >>> dl.interp(dl.dlarray([0.5, 3.0]), [0.0, 1.0, 2.0], [1.0, 3.0, 7.0]).tolist()
    [2.0, 7.0]

    Source: NumPy ``interp``.
    """
    refuse_complex("interp", x=x, xp=xp)
    x, p, v = (as_array(a, f"interp: {n}") for a, n in ((x, "x"), (xp, "xp"), (fp, "fp")))
    if result_type(v).kind == "c":
        parts = [
            interp(x, p, part(v), left=left, right=right, period=period) for part in (real, imag)
        ]
        return complex(*parts)
    check_points(p, v)
    if period is not None:
        if not period:
            raise InvalidArgumentError("interp: period must not be zero")
        period = -period if period < 0 else period
        x, p = remainder(x, period), remainder(p, period)
        order = argsort(p)
        p, v = take(p, order), take(v, order)
        # One point more at each end, a period away.
        p = concat([p[-1:] - period, p, p[:1] + period])
        v = concat([v[-1:], v, v[:1]])
        left = right = None
    cells = searchsorted(p, calls.unlabelled(x), side="right")
    y = interpolated(x, p, v, cells, extend=False)
    if left is not None:
        y = where(x < p[0], left, y)
    if right is not None:
        y = where(x > p[-1], right, y)
    return y


def _interp_samples(m: Maker) -> list[Case]:
    p, x = np.array([0.0, 1.0, 2.5, 3.0]), np.array([[0.3, 2.7], [1.2, 0.8]])
    return [
        case(x, p, m.real(4)),
        case(np.array([0.3, -0.5, 3.4]), p, m.real(4)),
        case(np.array([0.3, -0.5, 3.4]), p, m.real(4), left=2.0, right=-1.0),
        case(np.array([0.3, -0.5]), p, m.complex(4)),
        case(np.array([0.3, 5.1, -0.2]), np.array([0.1, 2.5, 1.0]), m.real(3), period=3.0),
        case(np.float64(1.2), p, m.real(4)),
        case(
            np.array([1.0, 2.5]),
            p,
            np.array([0.0, 1.0, 3.0, 1.0]),
            kink=True,
            gradient={"x": [1, 0], "xp": [0, -1, 0, 0], "fp": [0, 1, 1, 0]},
        ),
        case(np.array([np.nan, np.inf]), p, m.real(4), kink=True),
    ]
