"""Padding: elements put before and after those of an array, along each dimension.

The modes are NumPy's. One dimension follows the other, so that corners are made of what is there
already. Values around an array are an operation; the modes that repeat elements take them by their
places, and the others join what they compute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from dlgradient.core.conversion import as_array
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Operand, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.arithmetic import positive
from dlgradient.ops.casting import astype
from dlgradient.ops.index import along, getitem
from dlgradient.ops.join import concat
from dlgradient.ops.moments import mean
from dlgradient.ops.quantiles import median
from dlgradient.ops.reduce import max, min
from dlgradient.ops.rounding import floor, round
from dlgradient.ops.shape import broadcast_to
from dlgradient.ops.take import take
from dlgradient.rules import derived, general

__all__ = ["pad"]

Pairs: TypeAlias = tuple[tuple[Any, Any], ...]
Mode: TypeAlias = Literal[
    "constant",
    "edge",
    "reflect",
    "symmetric",
    "wrap",
    "linear_ramp",
    "maximum",
    "minimum",
    "mean",
    "median",
    "empty",
]


# -- values around an array ----------------------------------------------------------------------


def _inside(g: Value, x_like: Value, widths: Pairs) -> Value:
    pairs = zip(widths, x_like.shape, strict=True)
    return getitem(g, tuple([slice(before, before + n) for (before, _), n in pairs]))


def _padded_tangent(t: Value, widths: Pairs) -> Value:
    return surrounded(t, widths=widths, values=((0, 0),) * len(widths))


@general(
    x=_inside,
    jvp={"x": _padded_tangent},
    format="same",
    shown="pad",
    samples=lambda m: [
        case(m.real(3), widths=((1, 2),), values=((0, 0),)),
        case(m.complex(2, 2), widths=((0, 1), (2, 0)), values=((1, 2), (3, 4))),
        case(m.real(2, 0), widths=((0, 0), (1, 0)), values=((1, 1), (1, 1))),
    ],
)
def surrounded(x: Value, /, *, widths: Pairs, values: Pairs) -> Value:
    """Array with values around it, for `pad`.

    Parameters
    ----------
    x : array
    widths, values : tuple of pairs
        How many elements, and which, before and after each dimension.
    """
    same = values[0][0]
    if any(value != same for pair in values for value in pair):
        return np.pad(x, widths, constant_values=values)
    shape = [a + n + b for (a, b), n in zip(widths, x.shape, strict=True)]
    out = np.full(shape, same, x.dtype) if same else np.zeros(shape, x.dtype)
    out[tuple([slice(a, a + n) for (a, _), n in zip(widths, x.shape, strict=True)])] = x
    return out


# -- places --------------------------------------------------------------------------------------


def _odd(x: Value, axis: int, before: int, after: int, *, repeat_edge: bool) -> Value:
    """Reflect at the points of the edges: y = 2 edge - x."""
    n = x.shape[axis]
    period = 2 * (n if repeat_edge else n - 1)
    # Each period is the one before, plus twice the difference of both edges.
    turns, at = np.divmod(np.arange(-before, n + after), period)
    mirrored = at >= n
    places = np.where(mirrored, period - at - (1 if repeat_edge else 0), at)
    first, last = along(x, axis, slice(0, 1)), along(x, axis, slice(-1, None))
    shape = [-1 if i == axis else 1 for i in range(x.ndim)]
    dtype = x.dtype.type(0).real.dtype
    sign, edge, drift = (
        v.astype(dtype).reshape(shape)
        for v in (np.where(mirrored, -1, 1), np.where(mirrored, 2, 0), 2 * turns)
    )
    return take(x, places, axis=axis) * sign + last * edge + (last - first) * drift


def _repeated(x: Value, axis: int, pair: tuple[int, int], mode: str, reflect_type: str) -> Value:
    n = x.shape[axis]
    if not n:
        raise InvalidArgumentError(
            f"pad: x of shape {x.shape} has no element along axis {axis} that mode={mode!r} could "
            'repeat; use mode="constant"'
        )
    if reflect_type == "odd" and mode in ("reflect", "symmetric") and n > 1:
        return _odd(x, axis, *pair, repeat_edge=mode == "symmetric")
    # NumPy finds the places: it pads the indices.
    return take(x, np.pad(np.arange(n), pair, mode=mode), axis=axis)  # type: ignore[call-overload]


# -- computed values -----------------------------------------------------------------------------

_STATISTICS = {"maximum": max, "minimum": min, "mean": mean, "median": median}


def _statistics(
    x: Value, axis: int, pair: tuple[int, int], mode: str, lengths: tuple[Any, Any]
) -> Value:
    n = x.shape[axis]
    before, after = [n if k is None else np.minimum(k, n) for k in lengths]
    parts = [slice(None, before), slice(n - after, None)]
    found = []
    for part in parts:
        value = _STATISTICS[mode](along(x, axis, part), axis=axis, keepdims=True)
        if x.dtype.kind in "iu":
            value = astype(round(value), x.dtype)
        found.append(value)
    return _joined(x, axis, pair, found[0], found[1])


def _joined(x: Value, axis: int, pair: tuple[int, int], low: Value, high: Value) -> Value:
    """Join an array, and values repeated along its dimension."""

    def repeated(value: Value, width: int) -> Value:
        shape = tuple([width if i == axis else n for i, n in enumerate(x.shape)])
        return broadcast_to(value, shape)

    return concat([repeated(low, pair[0]), x, repeated(high, pair[1])], axis=axis)


def _ramps(x: Value, axis: int, pair: tuple[int, int], ends: tuple[Any, Any]) -> Value:
    shape = [-1 if i == axis else 1 for i in range(x.ndim)]
    dtype = x.dtype.type(0).real.dtype if x.dtype.kind in "fc" else np.float64
    parts = []
    for width, end, edge in zip(pair, ends, (slice(0, 1), slice(-1, None)), strict=True):
        rise = (np.arange(width) / np.maximum(width, 1)).astype(dtype).reshape(shape)
        ramp = along(x, axis, edge) * rise + end * (1 - rise)
        parts.append(ramp if x.dtype.kind in "fc" else astype(floor(ramp), x.dtype))
    # The last one runs down, from the edge to its end.
    last = along(parts[1], axis, slice(None, None, -1))
    return concat([parts[0], x, last], axis=axis)


# -- pad -----------------------------------------------------------------------------------------


def _pairs(name: str, given: Any, ndim: int) -> list[list[Any]]:
    """Return a pair for each dimension, of one number, one pair, or one for each."""
    try:
        array = np.asarray(given)
        if array.dtype.kind not in "biufc" and given is not None:
            raise ValueError  # noqa: TRY301 - answered below
        pairs: list[list[Any]] = np.broadcast_to(array, (ndim, 2)).tolist()
    except (ValueError, TypeError) as error:
        raise InvalidArgumentError(
            f"pad: {name}={given!r} is not one number, one pair (before, after), or a pair for each"
            f" of the {ndim} dimensions"
        ) from error
    return pairs


def _widths(pad_width: Any, ndim: int) -> tuple[tuple[int, int], ...]:
    if isinstance(pad_width, Mapping):
        given = {normalize_axis_index(axis, ndim): pair for axis, pair in pad_width.items()}
        pad_width = [np.broadcast_to(given.get(i, 0), 2).tolist() for i in range(ndim)]
    pairs = _pairs("pad_width", pad_width, ndim)
    if any(type(n) is not int or n < 0 for pair in pairs for n in pair):
        raise InvalidArgumentError(
            f"pad: pad_width={pad_width!r} must consist of integers that are not negative; to take "
            "elements off write x[1:-1]"
        )
    return tuple([(a, b) for a, b in pairs])


@derived(
    samples=lambda m: _samples(m),
    errors=lambda m: _errors(m),
    numpy=np.pad,
)
def pad(
    x: Operand,
    /,
    pad_width: Any,
    mode: Mode = "constant",
    *,
    constant_values: Any = None,
    end_values: Any = None,
    stat_length: Any = None,
    reflect_type: Literal["even", "odd"] = "even",
) -> Value:
    """Array with elements before and after it, along each dimension.

    Parameters
    ----------
    x : array
    pad_width : int, pair, sequence of pairs, or dict
        The number of elements before and after: one for all, ``(before, after)`` for all
        dimensions, a pair for each, or pairs by dimension.
    mode : str
        "constant": `constant_values`; "edge": the first and the last element; "reflect" and
        "symmetric": reflected without and with the edge; "wrap": from the other end;
        "linear_ramp": a straight line from the edge to `end_values`; "maximum", "minimum", "mean",
        "median": of the `stat_length` elements next to the edge; "empty": zeros.
    constant_values, end_values : number, pair, or sequence of pairs, optional
        By default 0.
    stat_length : int, pair, or sequence of pairs, optional
        By default all elements along the dimension.
    reflect_type : {"even", "odd"}
        "odd" is 2 edge - x instead of x.

    Returns
    -------
    array
        With the dtype and the data format of ``x``.

    Raises
    ------
    InvalidArgumentError
        If `pad_width` does not fit the dimensions, there is no element to repeat, or an option is
        that of another mode.

    See Also
    --------
    concat : arrays joined along an axis that they have
    roll : elements moved along a dimension
    tile : the whole array several times

    Examples
    --------
    >>> x = dl.dlarray([1.0, 2.0, 3.0])
    >>> dl.pad(x, (1, 2)).tolist(), dl.pad(x, 1, "reflect").tolist()
    ([0.0, 1.0, 2.0, 3.0, 0.0, 0.0], [2.0, 1.0, 2.0, 3.0, 2.0])

    Source: NumPy ``pad``; MATLAB ``paddata``; PyTorch ``pad``.
    """
    x = as_array(x, "pad: x")
    widths = _widths(pad_width, x.ndim)
    options = {
        "constant_values": (constant_values, ("constant",)),
        "end_values": (end_values, ("linear_ramp",)),
        "stat_length": (stat_length, _STATISTICS),
    }
    for name, (given, modes) in options.items():
        if given is not None and mode not in modes:
            raise InvalidArgumentError(
                f"pad: {name} is an option of mode={' or '.join(map(repr, modes))}, and mode is "
                f"{mode!r}"
            )
    if mode in ("constant", "empty"):
        values = _pairs(
            "constant_values", 0 if constant_values is None else constant_values, x.ndim
        )
        return surrounded(x, widths=widths, values=tuple([(a, b) for a, b in values]))
    ends, lengths = (
        _pairs(name, given, x.ndim)
        for name, given in (
            ("end_values", 0 if end_values is None else end_values),
            ("stat_length", stat_length),
        )
    )
    padded = x
    for axis, pair in enumerate(widths):
        if not any(pair):
            continue
        if mode in _STATISTICS:
            low, high = lengths[axis]
            padded = _statistics(padded, axis, pair, mode, (low, high))
        elif mode == "linear_ramp":
            padded = _ramps(padded, axis, pair, (ends[axis][0], ends[axis][1]))
        else:
            padded = _repeated(padded, axis, pair, mode, reflect_type)
    # A value of its own, not the operand: an assignment to it must not change x.
    return positive(x) if padded is x else padded


# -- samples -------------------------------------------------------------------------------------


def _samples(m: Maker) -> list[Case]:
    both: Array = m.real(3, 2)
    return [
        case(m.real(3), pad_width=(1, 2)),
        case(m.complex(2, 3), pad_width=((0, 1), (2, 0)), constant_values=2.0),
        case(both, pad_width=1, constant_values=((1.0, 2.0), (3.0, 4.0))),
        case(m.real(3), pad_width={0: 2}) if _knows_dicts() else case(m.real(3), pad_width=2),
        *[case(m.real(4), pad_width=(2, 3), mode=mode) for mode in _REPEATING],
        *[case(m.real(3), pad_width=(5, 9), mode=mode) for mode in _REPEATING],
        case(m.complex(3, 2), pad_width=((1, 2), (3, 1)), mode="wrap"),
        *[
            case(m.real(3), pad_width=(2, 8), mode=mode, reflect_type="odd")
            for mode in _REPEATING[1:3]
        ],
        case(m.real(3, 2), pad_width=((4, 1), (0, 2)), mode="reflect", reflect_type="odd"),
        case(m.real(1), pad_width=2, mode="reflect", reflect_type="odd"),
        *[case(m.real(4, 3), pad_width=((2, 1), (0, 2)), mode=mode) for mode in _STATISTICS],
        case(m.real(5), pad_width=2, mode="maximum", stat_length=(2, 3)),
        case(m.complex(2, 3), pad_width=((1, 0), (2, 3)), mode="linear_ramp", end_values=1.5),
        case(m.real(2), pad_width=0, mode="edge"),
    ]


_REPEATING = ("edge", "reflect", "symmetric", "wrap")


def _knows_dicts() -> bool:
    """Return whether the oracle takes widths by dimension, as NumPy does from 2.3 on."""
    return tuple([int(n) for n in np.__version__.split(".")[:2]]) >= (2, 3)


def _errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(3), pad_width=-1), InvalidArgumentError, "pad_width=-1 .*not negative"),
        Error(case(m.real(3), pad_width=((1, 1), (1, 1))), InvalidArgumentError, "1 dimensions"),
        Error(case(m.real(0), pad_width=1, mode="edge"), InvalidArgumentError, r"shape \(0,\)"),
        Error(case(m.real(3), pad_width=1, mode="mirror"), InvalidArgumentError, "mode must be"),
    ]
