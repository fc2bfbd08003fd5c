"""Interpolation by piecewise polynomials in one dimension.

Every smooth method is a cubic in each interval, made of the values v and the slopes d at the
points: y = vₖ + u (dₖ + u (cₖ + u bₖ)) for u = x - pₖ. With the secants sₖ = (vₖ₊₁ - vₖ) / hₖ,

    cₖ = (3 sₖ - 2 dₖ - dₖ₊₁) / hₖ,   bₖ = (dₖ + dₖ₊₁ - 2 sₖ) / hₖ².

The methods differ in their slopes. All are composed of operations, so they have derivatives of
every order by queries, points and values. The slopes of "spline" are the solution of a tridiagonal
system, which is an operation.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number, Real
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from dlgradient.core import calls
from dlgradient.core.conversion import as_array
from dlgradient.core.domain import refuse_complex
from dlgradient.core.reading import decided
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Operand, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.ops.casting import result_type
from dlgradient.ops.choice import clip, where
from dlgradient.ops.complex import abs, complex, conj, imag, real, sign
from dlgradient.ops.cumulative import shift
from dlgradient.ops.differences import diff
from dlgradient.ops.interpolate import interpolated
from dlgradient.ops.join import concat, stack
from dlgradient.ops.logical import equal, isnan
from dlgradient.ops.reduce import sum
from dlgradient.ops.search import searchsorted
from dlgradient.ops.shape import reshape
from dlgradient.ops.take import take
from dlgradient.rules import derived, general

__all__ = ["interp1"]

Method: TypeAlias = Literal[
    "linear", "nearest", "previous", "next", "pchip", "makima", "cubic", "spline"
]


# -- tridiagonal systems -------------------------------------------------------------------------


def _transposed(bands: Value) -> Value:
    return stack([shift(bands[2], axis=0, by=1), bands[1], shift(bands[0], axis=0, by=-1)])


def _columns(v: Value, like: Value) -> Value:
    """Return a vector with dimensions of size one, so that it goes along the first of `like`."""
    return reshape(v, (-1, *[1] * (like.ndim - 1)))


def _summed(v: Value) -> Value:
    return sum(v, axis=tuple(range(1, v.ndim))) if v.ndim > 1 else v


def _tridiagonal_vjp(g: Value, bands: Value, out: Value) -> tuple[Value, Value]:
    b = solve_tridiagonal(conj(_transposed(bands)), g)
    rows = [shift(b, axis=0, by=1), b, shift(b, axis=0, by=-1)]
    return stack([-_summed(row * conj(out)) for row in rows]), b


def _tangent_bands(t: Value, bands: Value, out: Value) -> Value:
    upper, middle, lower = (_columns(t[i], out) * out for i in range(3))
    product = shift(upper, axis=0, by=-1) + middle + shift(lower, axis=0, by=1)
    return -solve_tridiagonal(bands, product)


def _tangent_b(t: Value, bands: Value) -> Value:
    return solve_tridiagonal(bands, t)


@general(
    vjp=_tridiagonal_vjp,
    jvp={"bands": _tangent_bands, "b": _tangent_b},
    format="new",
    shown="interp1",
    samples=lambda m: [
        case(_dominant(m, 3) * (1 + 0.2j), m.complex(3)),
        case(_dominant(m, 4), m.real(4)),
        case(_dominant(m, 3), m.real(3, 2)),
        case(_dominant(m, 1), m.real(1)),
    ],
)
def solve_tridiagonal(bands: Value, b: Value, /) -> Value:
    """Solution of a tridiagonal system.

    Parameters
    ----------
    bands : array of shape (3, n)
        The diagonal above the main one, the main one, and the one below. The first element of the
        first and the last of the third are not used.
    b : array of shape (n, ...)
    """
    from scipy.linalg import solve_banded

    return solve_banded((1, 1), bands, b, check_finite=False)


def _dominant(m: Maker, n: int) -> Array:
    bands: Array = m.real(3, n)
    bands[1] = 5
    bands[0, 0] = bands[2, -1] = 0
    return bands


# -- slopes at the points ------------------------------------------------------------------------


def _weighted_harmonic(h: Value, s: Value) -> Value:
    """Return the slopes of "pchip" inside: zero where secants differ in sign."""
    before, after = s[:-1], s[1:]
    bends = before * after <= 0
    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    inverse = w1 / where(bends, 1, before) + w2 / where(bends, 1, after)
    return where(bends, 0, (w1 + w2) / where(bends, 1, inverse))


def _pchip_end(h0: Value, h1: Value, s0: Value, s1: Value) -> Value:
    """Return the slope at an end: of a parabola through three points, limited."""
    d = ((2 * h0 + h1) * s0 - h0 * s1) / (h0 + h1)
    steep = (s0 * s1 <= 0) & (abs(d) > 3 * abs(s0))
    return where(equal(sign(d), sign(s0)), where(steep, 3 * s0, d), 0)


def _pchip(h: Value, s: Value) -> Value:
    first = _pchip_end(h[:1], h[1:2], s[:1], s[1:2])
    last = _pchip_end(h[-1:], h[-2:-1], s[-1:], s[-2:-1])
    return concat([first, _weighted_harmonic(h, s), last])


def _makima(_h: Value, s: Value) -> Value:
    before = 2 * s[:1] - s[1:2]
    after = 2 * s[-1:] - s[-2:-1]
    m = concat([2 * before - s[:1], before, s, after, 2 * after - s[-1:]])
    weights = abs(diff(m, axis=0)) + abs(m[1:] + m[:-1]) / 2
    w1, w2 = weights[2:], weights[:-2]
    flat = equal(w1 + w2, 0)
    mean = (w1 * m[1:-2] + w2 * m[2:-1]) / where(flat, 1, w1 + w2)
    return where(flat, 0, mean)


def _convolution(_h: Value, s: Value) -> Value:
    """Return central differences, and at the ends those of a parabola; steps are equal."""
    return concat([(3 * s[:1] - s[1:2]) / 2, (s[1:] + s[:-1]) / 2, (3 * s[-1:] - s[-2:-1]) / 2])


def _not_a_knot(h: Value, s: Value) -> Value:
    """Return the slopes of the spline whose first two and last two intervals have one cubic."""
    steps = reshape(h, (-1,))
    one, inner = steps[:1] * 0 + 1, 2 * (steps[:-1] + steps[1:])
    right = 3 * (h[1:] * s[:-1] + h[:-1] * s[1:])
    if s.shape[0] == 2:  # a parabola through three points
        bands = stack(
            [
                concat([one, one, steps[:1]]),
                concat([one, inner, one]),
                concat([steps[1:], one, one]),
            ]
        )
        return solve_tridiagonal(bands, concat([2 * s[:1], right, 2 * s[1:]]))
    low, high = steps[:1] + steps[1:2], steps[-2:-1] + steps[-1:]
    bands = stack(
        [
            concat([one, low, steps[:-1]]),
            concat([steps[1:2], inner, steps[-2:-1]]),
            concat([steps[1:], high, one]),
        ]
    )
    a, b = _columns(low, s), _columns(high, s)
    first = ((h[:1] + 2 * a) * h[1:2] * s[:1] + h[:1] ** 2 * s[1:2]) / a
    last = (h[-1:] ** 2 * s[-2:-1] + (2 * b + h[-1:]) * h[-2:-1] * s[-1:]) / b
    return solve_tridiagonal(bands, concat([first, right, last]))


_SLOPES: dict[str, Callable[[Value, Value], Value]] = {
    "pchip": _pchip,
    "makima": _makima,
    "cubic": _convolution,
    "spline": _not_a_knot,
}
_METHODS = get_args(Method)
# What is outside is NaN by the methods that do not go on.
_EXTENDED = ("pchip", "makima", "spline")


def _cubic(p: Value, v: Value, x: Value, method: str) -> Value:
    """Return the piecewise cubic with the slopes of a method; the first and last piece go on."""
    h = _columns(diff(p), v)
    s = diff(v, axis=0) / h
    if s.shape[0] == 1:
        d = concat([s, s])
    else:
        if method == "cubic" and not decided(_is_equally_spaced, p):
            method = "spline"
        d = _SLOPES[method](h, s)
    low, high = d[:-1], d[1:]
    coefficients = (v[:-1], low, (3 * s - 2 * low - high) / h, (low + high - 2 * s) / h**2)
    cells = clip(searchsorted(p, x, side="right") - 1, 0, p.shape[0] - 2)
    u = reshape(x - take(p, cells), (*x.shape, *[1] * (v.ndim - 1)))
    a, first, second, third = (take(c, cells, axis=0) for c in coefficients)
    return a + u * (first + u * (second + u * third))


def _is_equally_spaced(p: Array) -> bool:
    steps = np.diff(p)
    return bool(np.allclose(steps, steps[0], rtol=1e-9, atol=0))


def _is_ascending(p: Array) -> bool:
    return bool(np.all(np.diff(p) > 0))


def nearest(p: Value, x: Value, method: str) -> Value:
    """Return the place of the point that a query takes its value from."""
    if method == "nearest":
        return searchsorted((p[1:] + p[:-1]) / 2, x, side="right")
    if method == "previous":
        return clip(searchsorted(p, x, side="right") - 1, 0, None)
    return clip(searchsorted(p, x), None, p.shape[0] - 1)


def _straight(p: Value, v: Value, x: Value) -> Value:
    cells = searchsorted(p, x, side="right")
    if v.ndim == 1:
        return interpolated(x, p, v, cells, extend=True)
    # Each column is one interpolation, so that the slope at a point is that of its own lines.
    columns = reshape(v, (v.shape[0], -1))
    found = [interpolated(x, p, columns[:, i], cells, extend=True) for i in range(columns.shape[1])]
    return reshape(stack(found, axis=-1), (*x.shape, *v.shape[1:]))


def _reference(
    x: Array, v: Array, xq: Array, method: str = "linear", extrapolation: Any = None
) -> Any:
    from scipy import interpolate

    if np.iscomplexobj(v):
        parts = [_reference(x, part, xq, method, extrapolation) for part in (v.real, v.imag)]
        return parts[0] + 1j * parts[1]
    extend = extrapolation == "extrap" or (extrapolation is None and method in _EXTENDED)
    if method in ("linear", "nearest", "previous", "next"):
        kind = "nearest-up" if method == "nearest" else method
        fill = "extrapolate" if extend else np.nan
        y = interpolate.interp1d(x, v, kind, axis=0, bounds_error=False, fill_value=fill)(xq)
    elif len(x) == 2:
        y = np.interp(xq, x, v)
    elif method == "pchip":
        y = interpolate.PchipInterpolator(x, v, extrapolate=True)(xq)
    elif method == "makima":
        y = interpolate.Akima1DInterpolator(x, v, method="makima", extrapolate=True)(xq)
    elif method == "spline" or not _is_equally_spaced(x):
        y = interpolate.CubicSpline(x, v)(xq)
    else:
        slopes = np.gradient(v, x, axis=0, edge_order=2)
        y = interpolate.CubicHermiteSpline(x, v, slopes)(xq)
    if not extend:
        outside = (xq < x[0]) | (xq > x[-1])
        fill = np.nan if extrapolation is None else extrapolation
        y = np.where(outside.reshape(outside.shape + (1,) * (v.ndim - 1)), fill, y)
    return y


@derived(
    reference=_reference,
    samples=lambda m: _interp1_samples(m),
    errors=lambda m: _interp1_errors(m),
)
def interp1(
    x: Operand,
    v: Operand,
    xq: Operand,
    /,
    method: Method = "linear",
    extrapolation: Any = None,
) -> Value:
    """Interpolation in one dimension.

    Derivatives of every order are there by queries, points and values. At a point, those of
    "linear" are the slope closer to zero of the two, and zero if they differ in sign. "nearest",
    "previous" and "next" are constant in the query.

    Parameters
    ----------
    x : array
        Points, in ascending order.
    v : array
        Values at the points, along the first dimension; real or complex.
    xq : array
        Query points.
    method : str
        "linear"; "nearest", "previous" and "next" point; "pchip": cubics that keep the shape;
        "makima": modified Akima cubics; "cubic": convolution with a cubic, for points at equal
        distances (which then are to stay so), else "spline"; "spline": cubic spline without knots
        next to the ends.
    extrapolation : "extrap" or number, optional
        What is outside the points: the first and the last piece go on, or a number. By default
        "extrap" for "pchip", "makima" and "spline", and NaN for the others.

    Returns
    -------
    array
        Of the shape of ``xq``, followed by the further dimensions of ``v``.

    Raises
    ------
    ShapeMismatchError
        If there are not as many values as points.
    InvalidArgumentError
        If the points do not ascend, there are fewer than two, or the method is not known.
    ComplexValueError
        If points or queries are complex.

    See Also
    --------
    interp : straight lines through given points
    interpn : interpolation on a grid
    interp2 : interpolation on a grid of two dimensions

    Examples
    --------
    >>> x, v = [0.0, 1.0, 2.0, 3.0], dl.dlarray([0.0, 1.0, 4.0, 9.0])
    >>> dl.interp1(x, v, [1.5, 2.5], "spline").tolist()
    [2.25, 6.25]

    Source: MATLAB ``interp1``; the slopes are those of SciPy.
    """
    refuse_complex("interp1", x=x, xq=xq)
    p, v, q = (as_array(a, f"interp1: {n}") for a, n in ((x, "x"), (v, "v"), (xq, "xq")))
    _check_extrapolation(extrapolation)
    is_number = isinstance(extrapolation, Number)
    if result_type(v).kind == "c" or (is_number and not isinstance(extrapolation, Real)):
        given = [extrapolation] * 2
        if is_number:
            given = [np.real(extrapolation), np.imag(extrapolation)]
        parts = [interp1(p, f(v), q, method, c) for f, c in zip((real, imag), given, strict=True)]
        return complex(*parts)
    check_points("interp1", p, v.shape[:1], "x")
    labels = q._format if type(q) is calls.dlarray else None
    p, v, q = map(calls.unlabelled, (p, v, q))
    if v.dtype.kind != "f":
        v = v * 1.0
    if method in _SLOPES:
        y = _cubic(p, v, q, method)
    elif method == "linear":
        y = _straight(p, v, q)
    else:
        y = where(
            reshape(isnan(q), (*q.shape, *[1] * (v.ndim - 1))),
            np.nan,
            take(v, nearest(p, q, method), axis=0),
        )
    y = _outside(y, p, q, method, extrapolation)
    if labels is not None and y.ndim == q.ndim and type(y) is calls.dlarray:
        y = calls.labelled(y, labels)
    return y


def _check_extrapolation(given: Any) -> None:
    number = isinstance(given, Number) and not isinstance(given, bool)
    if not (number or given is None or (isinstance(given, str) and given == "extrap")):
        raise InvalidArgumentError(
            f'interp1: extrapolation={given!r} must be "extrap", a number or None'
        )


def _outside(y: Value, p: Value, q: Value, method: str, extrapolation: Any) -> Value:
    """Return a result with other values where the queries are outside the points."""
    if extrapolation == "extrap" or (extrapolation is None and method in _EXTENDED):
        return y
    outside = reshape((q < p[0]) | (q > p[-1]), (*q.shape, *[1] * (y.ndim - q.ndim)))
    return where(outside, np.nan if extrapolation is None else extrapolation, y)


def check_points(name: str, p: Value, sizes: tuple[int, ...], key: str) -> None:
    """Raise an error unless points ascend, and there is a value for each."""
    if p.ndim != 1 or p.shape != sizes:
        raise ShapeMismatchError(
            f"{name}: {key} has shape {p.shape}, and the values {sizes[0] if sizes else 0} elements"
            f" along its dimension; give {key} with one dimension and as many elements"
        )
    if p.shape[0] < 2 or not decided(_is_ascending, p):
        raise InvalidArgumentError(
            f"{name}: {key} must have two points at least, in ascending order; sort them, and the "
            "values by argsort"
        )


def _interp1_samples(m: Maker) -> list[Case]:
    p, x = np.array([0.0, 1.0, 2.5, 3.0, 4.2]), np.array([0.3, 2.7, 1.2, 3.9, 3.3])
    even = np.linspace(0.0, 4.0, 5)
    smooth = ("pchip", "makima", "cubic", "spline")
    rising = np.array([0.1, 1.0, 1.5, 3.0, 7.0])
    return [
        *[case(p, m.real(5), x, method=method) for method in _METHODS],
        *[case(p, rising, x, method=method) for method in smooth],
        # Points that move apart are no longer at equal distances, so differences say nothing.
        case(even, m.real(5), x, method="cubic", kink=True),
        *[case(p[:3], m.real(3), np.array([0.3, 2.2, 1.2]), method=method) for method in smooth],
        *[case(p[:2], m.real(2), x[:1], method=method) for method in smooth],
        case(p, m.real(5, 2), np.array([[0.3, 2.7], [1.2, 3.9]]), method="spline"),
        case(p, m.real(5, 2), x),
        case(p, m.complex(5), x, method="makima"),
        case(p, m.real(5), np.array([-0.4, 5.0, 0.5]), kink=True),
        case(p, m.real(5), np.array([-0.4, 5.0, 0.5]), extrapolation="extrap"),
        case(p, m.real(5), np.array([-0.4, 5.0, 0.5]), method="pchip", extrapolation=2.0),
        case(p, m.real(5), np.array([-0.4, 5.0, 0.5]), method="spline"),
        case(p, m.real(5), np.float64(1.2), method="pchip"),
    ]


def _interp1_errors(m: Maker) -> list[Error]:
    p = np.array([0.0, 1.0, 2.0])
    return [
        Error(case(p, m.real(2), p), ShapeMismatchError, r"x has shape \(3,\).* 2 elements"),
        Error(case(p[::-1].copy(), m.real(3), p), InvalidArgumentError, "ascending order"),
        Error(case(p, m.real(3), p, method="quintic"), InvalidArgumentError, "method must be"),
        Error(case(p, m.real(3), p, extrapolation="on"), InvalidArgumentError, "extrap"),
        Error(case(p, m.real(3), p, extrapolation=True), InvalidArgumentError, "extrap"),
    ]
