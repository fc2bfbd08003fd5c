"""Sums and maxima over sliding windows, of arrays of the shape (batch, channels, *sizes).

``window``, ``stride``, ``dilation`` and ``start`` have an entry for each of the sizes: how many
elements are in a window, the distance of windows, the distance of the elements in a window, and how
far before the array the first window begins. ``size`` is the tuple of sizes of the result. What
lies outside of the array is in no window.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from dlgradient.core.calls import FUNCTIONS
from dlgradient.core.samples import Error, case
from dlgradient.core.threads import in_blocks
from dlgradient.errors import InvalidArgumentError
from dlgradient.nn.convolution.unfold import places
from dlgradient.nn.shared.arguments import is_traced
from dlgradient.ops.reduce import ordered
from dlgradient.rules import constant, general, linear, multilinear

# The operations are not public: `dlgradient.nn.pooling.pool` is what users call.
__all__: list[str] = []

Sizes = tuple[int, ...]
Array = np.ndarray[Any, Any]
_WORK = 1 << 17  # elements; below, a second thread costs more than it saves
_BLOCK = 1 << 19  # bytes of images that stay in the cache together
_BOTH = (slice(None), slice(None))
Keys = list[tuple[Any, Any]]


def _moves(
    window: Sizes, size: Sizes, result: Sizes, stride: Sizes, dilation: Sizes, start: Sizes
) -> list[Keys]:
    """For each dimension: keys of the elements at each place of the window, and of the results."""
    moves = []
    for i, one in enumerate(zip(window, size, result, stride, dilation, start, strict=True)):
        before = (slice(None),) * (2 + i)
        steps = places(*[(n,) for n in one])
        moves.append([((*before, to), (*before, of)) for _, (to,), (of,) in steps])
    return moves


def _windows(
    window: Sizes, size: Sizes, result: Sizes, stride: Sizes, dilation: Sizes, start: Sizes
) -> Keys:
    """Keys of the elements at each place of the window, and of the results they belong to."""
    return [
        ((*_BOTH, *to), (*_BOTH, *of))
        for _, to, of in places(window, size, result, stride, dilation, start)
    ]


def _fold(
    ufunc: np.ufunc,
    x: Array,
    size: Sizes,
    neutral: Any,
    window: Sizes,
    stride: Sizes,
    dilation: Sizes,
    start: Sizes,
) -> Array:
    """Reduce each window, one dimension after the other, a few images at a time."""
    out = np.empty((*x.shape[:2], *size), x.dtype)
    step = _images_at_once(x)
    moves = _moves(window, x.shape[2:], size, stride, dilation, start)

    def work(part: slice) -> None:
        for first in range(part.start, part.stop, step):
            block = slice(first, min(first + step, part.stop))
            y = x[block]
            for i, result in enumerate(size):
                shape = (*y.shape[: 2 + i], result, *y.shape[3 + i :])
                y = _folded(ufunc, y, moves[i], shape, neutral)
            out[block] = y

    in_blocks(work, x.shape[0], split=x.size >= _WORK)
    return out


def _folded(ufunc: np.ufunc, y: Array, steps: Keys, shape: Sizes, neutral: Any) -> Array:
    every = slice(0, shape[len(steps[0][1]) - 1])
    if len(steps) > 1 and all(target[-1] == every for _, target in steps):
        # All windows are full: the first two elements of each need nothing to start from.
        (first, _), (second, _), *steps = steps
        total: Array = ufunc(y[first], y[second])
    else:
        total = np.full(shape, neutral, y.dtype)
    for element, target in steps:
        ufunc(total[target], y[element], out=total[target])
    return total


def _images_at_once(x: Array) -> int:
    nbytes: int = prod(x.shape[1:]) * x.dtype.itemsize
    return max(1, _BLOCK // max(1, nbytes))


# -- sums ----------------------------------------------------------------------------------------


def _sum_samples(m: Any, *, spread: bool = False) -> list[Any]:
    cases = []
    for sizes, size, window, stride, dilation, start in (
        ((5,), (2,), (2,), (2,), (1,), (0,)),
        ((3, 4), (3, 2), (3, 2), (1, 2), (1, 2), (1, 0)),
        ((2, 3, 2), (2, 2, 1), (1, 2, 2), (1, 1, 2), (1, 1, 1), (0, 0, 0)),
    ):
        shape, result = (size, sizes) if spread else (sizes, size)
        x = m.real(2, 1, *shape)
        cases.append(
            case(x, size=result, window=window, stride=stride, dilation=dilation, start=start)
        )
    return cases


def _sum_adjoint(g: Any, x_like: Any, window: Any, stride: Any, dilation: Any, start: Any) -> Any:
    return window_spread(
        g, size=x_like.shape[2:], window=window, stride=stride, dilation=dilation, start=start
    )


def _spread_adjoint(
    g: Any, x_like: Any, window: Any, stride: Any, dilation: Any, start: Any
) -> Any:
    return window_sum(
        g, size=x_like.shape[2:], window=window, stride=stride, dilation=dilation, start=start
    )


@linear(x=_sum_adjoint, format="new", samples=_sum_samples)
def window_sum(x: Any, /, *, size: Any, window: Any, stride: Any, dilation: Any, start: Any) -> Any:
    """Sum over each window.

    Parameters
    ----------
    x : array
        Shape (batch, channels, *sizes).
    size, window, stride, dilation, start : tuple of int

    Returns
    -------
    array
        Shape (batch, channels, *size).
    """
    return _fold(np.add, x, size, 0, window, stride, dilation, start)


@linear(x=_spread_adjoint, format="new", samples=lambda m: _sum_samples(m, spread=True))
def window_spread(
    x: Any, /, *, size: Any, window: Any, stride: Any, dilation: Any, start: Any
) -> Any:
    """Give every element of a window what its result has: the adjoint of `window_sum`.

    Parameters
    ----------
    x : array
        Shape (batch, channels, *results).
    size, window, stride, dilation, start : tuple of int

    Returns
    -------
    array
        Shape (batch, channels, *size).
    """
    out = np.empty((*x.shape[:2], *size), x.dtype)
    step = _images_at_once(out)
    moves = _moves(window, size, x.shape[2:], stride, dilation, start)

    def work(part: slice) -> None:
        for first in range(part.start, part.stop, step):
            block = slice(first, min(first + step, part.stop))
            y = x[block]
            for i in reversed(range(len(size))):
                total = np.zeros((*y.shape[: 2 + i], size[i], *y.shape[3 + i :]), x.dtype)
                for element, target in moves[i]:
                    total[element] += y[target]
                y = total
            out[block] = y

    in_blocks(work, x.shape[0], split=out.size >= _WORK)
    return out


# -- maxima --------------------------------------------------------------------------------------


def _lowest(dtype: Any) -> Any:
    if dtype.kind == "b":
        return False
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _max_samples(m: Any) -> list[Any]:
    tied = np.array([[[2.0, 2.0, 1.0, 2.0]]])
    line: dict[str, Any] = {"size": (3,), "window": (2,), "stride": (1,), "start": (0,)}
    line["dilation"] = (1,)
    return [
        *_sum_samples(m),
        case(tied, kink=True, gradient={"x": [[[0.5, 1.5, 0, 1]]]}, **line),
        case(
            np.ones((1, 1, 2, 2)),
            kink=True,
            gradient={"x": np.full((1, 1, 2, 2), 0.25)},
            size=(1, 1),
            window=(3, 3),
            stride=(1, 1),
            dilation=(1, 1),
            start=(1, 1),
        ),
    ]


def _shares(x: Any, out: Any, geometry: dict[str, Any], dtype: Any) -> tuple[Any, Any]:
    """Mask of the elements that are the maximum of their window, and how many there are."""
    chosen = window_ties(x, out, **geometry)
    real = np.dtype(dtype).type(0).real.dtype  # a count, also where the cotangent is complex
    count = FUNCTIONS["sum"](chosen, axis=0, dtype=real)
    return chosen, FUNCTIONS["maximum"](count, 1)


def _max_adjoint(
    g: Any, x: Any, out: Any, window: Any, stride: Any, dilation: Any, start: Any
) -> Any:
    geometry = {"window": window, "stride": stride, "dilation": dilation, "start": start}
    if not is_traced([g, x, out]):
        return _shared(g, x, out, **geometry)
    chosen, count = _shares(x, out, geometry, g.dtype)
    return give_chosen(g / count, chosen, size=x.shape[2:], **geometry)


def _shared(
    g: Array, x: Array, out: Array, window: Sizes, stride: Sizes, dilation: Sizes, start: Sizes
) -> Array:
    """Cotangent of the operand of `window_max`, with the masks of a few images at a time."""
    total = np.zeros(x.shape, g.dtype)
    keys = _windows(window, x.shape[2:], out.shape[2:], stride, dilation, start)
    step = _images_at_once(x)

    def work(part: slice) -> None:
        for first in range(part.start, part.stop, step):
            block = slice(first, min(first + step, part.stop))
            shares, best = g[block], out[block]
            chosen = np.zeros((len(keys), *best.shape), np.bool_)
            _mark(x[block], best, keys, chosen)
            count = np.add.reduce(chosen, axis=0, dtype=np.min_scalar_type(len(keys)))
            if count.max(initial=0) > 1:
                shares = shares / np.maximum(count, 1).astype(g.dtype)
            _give(shares, chosen, keys, total[block])

    in_blocks(work, x.shape[0], split=x.size >= _WORK)
    return total


def _mark(values: Array, best: Array, keys: Keys, chosen: Array) -> None:
    """Mark elements that are the maximum of their window; NaN counts as equal to NaN."""
    broken = bool(np.isnan(best).any())
    for mask, (element, target) in zip(chosen, keys, strict=True):
        np.equal(values[element], best[target], out=mask[target])
        if broken:
            mask[target] |= np.isnan(values[element]) & np.isnan(best[target])


def _give(values: Array, chosen: Array, keys: Keys, total: Array) -> None:
    """Add what results have to the chosen elements of their windows."""
    # A product is faster than a choice, but zero times infinity is not zero.
    whole = bool(np.isfinite(np.add.reduce(values, axis=None)))
    for mask, (element, target) in zip(chosen, keys, strict=True):
        given = values * mask if whole else np.where(mask, values, values.dtype.type(0))
        total[element] += given[target]


def _max_tangent(
    t: Any, x: Any, out: Any, window: Any, stride: Any, dilation: Any, start: Any
) -> Any:
    geometry = {"window": window, "stride": stride, "dilation": dilation, "start": start}
    chosen, count = _shares(x, out, geometry, t.dtype)
    return sum_chosen(t, chosen, **geometry) / count


@general(
    x=_max_adjoint,
    jvp={"x": _max_tangent},
    format="new",
    masks=True,
    samples=_max_samples,
)
def window_max(x: Any, /, *, size: Any, window: Any, stride: Any, dilation: Any, start: Any) -> Any:
    """Maximum over each window; elements that are equally large share its cotangent equally.

    Parameters
    ----------
    x : array
        Real, shape (batch, channels, *sizes).
    size, window, stride, dilation, start : tuple of int

    Returns
    -------
    array
        Shape (batch, channels, *size).
    """
    ordered(x, "maxpool")
    return _fold(np.maximum, x, size, _lowest(x.dtype), window, stride, dilation, start)


@constant(
    format="new",
    samples=lambda _: [
        case(
            np.array([[[2.0, 2.0, 1.0]]]),
            np.array([[[2.0, 2.0]]]),
            window=(2,),
            stride=(1,),
            dilation=(1,),
            start=(0,),
        ),
    ],
)
def window_ties(x: Any, out: Any, /, *, window: Any, stride: Any, dilation: Any, start: Any) -> Any:
    """Where elements are the maximum of their window; NaN counts as equal to NaN.

    Parameters
    ----------
    x, out : array
        Operand and result of `window_max`.
    window, stride, dilation, start : tuple of int

    Returns
    -------
    array of bool
        Shape (places in the window, *shape of out).
    """
    keys = _windows(window, x.shape[2:], out.shape[2:], stride, dilation, start)
    chosen = np.zeros((len(keys), *out.shape), np.bool_)

    def work(part: slice) -> None:
        _mark(x[part], out[part], keys, chosen[:, part])

    in_blocks(work, x.shape[0], split=x.size >= _WORK)
    return chosen


def _give_adjoint(g: Any, chosen: Any, window: Any, stride: Any, dilation: Any, start: Any) -> Any:
    return sum_chosen(g, chosen, window=window, stride=stride, dilation=dilation, start=start)


def _chosen_samples(m: Any, *, give: bool) -> list[Any]:
    chosen = m.bools(6, 2, 1, 2, 3)
    geometry: dict[str, Any] = {"window": (2, 3), "stride": (2, 1), "start": (0, 1)}
    geometry["dilation"] = (1, 1)
    if give:
        return [case(m.real(2, 1, 2, 3), chosen, size=(3, 4), **geometry)]
    return [case(m.real(2, 1, 3, 4), chosen, **geometry)]


@multilinear(
    x=_give_adjoint,
    format="new",
    masks=True,
    samples=lambda m: _chosen_samples(m, give=True),
)
def give_chosen(
    x: Any, chosen: Any, /, *, size: Any, window: Any, stride: Any, dilation: Any, start: Any
) -> Any:
    """Add what results have to the chosen elements of their windows.

    Parameters
    ----------
    x : array
        Shape (batch, channels, *results).
    chosen : array of bool
        Shape (places in the window, *shape of x).
    size, window, stride, dilation, start : tuple of int

    Returns
    -------
    array
        Shape (batch, channels, *size).
    """
    out = np.zeros((*x.shape[:2], *size), x.dtype)
    keys = _windows(window, size, x.shape[2:], stride, dilation, start)

    def work(part: slice) -> None:
        _give(x[part], chosen[:, part], keys, out[part])

    in_blocks(work, x.shape[0], split=out.size >= _WORK)
    return out


def _select_adjoint(
    g: Any, x_like: Any, chosen: Any, window: Any, stride: Any, dilation: Any, start: Any
) -> Any:
    size = x_like.shape[2:]
    return give_chosen(
        g, chosen, size=size, window=window, stride=stride, dilation=dilation, start=start
    )


@multilinear(
    x=_select_adjoint,
    format="new",
    masks=True,
    samples=lambda m: _chosen_samples(m, give=False),
)
def sum_chosen(
    x: Any, chosen: Any, /, *, window: Any, stride: Any, dilation: Any, start: Any
) -> Any:
    """Sum of the chosen elements of each window: the adjoint of `give_chosen`.

    Parameters
    ----------
    x : array
        Shape (batch, channels, *sizes).
    chosen : array of bool
        Shape (places in the window, batch, channels, *results).
    window, stride, dilation, start : tuple of int

    Returns
    -------
    array
        Shape (batch, channels, *results).
    """
    out = np.zeros(chosen.shape[1:], x.dtype)
    keys = _windows(window, x.shape[2:], out.shape[2:], stride, dilation, start)

    def work(part: slice) -> None:
        values, total = x[part], out[part]
        for mask, (element, target) in zip(chosen[:, part], keys, strict=True):
            total[target] += np.where(mask[target], values[element], x.dtype.type(0))

    in_blocks(work, x.shape[0], split=x.size >= _WORK)
    return out


@constant(format="new", samples=_sum_samples)
def window_argmax(
    x: Any, /, *, size: Any, window: Any, stride: Any, dilation: Any, start: Any
) -> Any:
    """Where the maximum of each window is, by the number of the element in C order.

    Parameters
    ----------
    x : array
        Real, shape (batch, channels, *sizes).
    size, window, stride, dilation, start : tuple of int

    Returns
    -------
    array of int64
        Shape (batch, channels, *size). The first one where several are equal.
    """
    ordered(x, "maxpool")
    best = np.full((*x.shape[:2], *size), _lowest(x.dtype), x.dtype)
    found = np.full(best.shape, -1, np.int64)
    numbers = np.arange(prod(x.shape[2:]), dtype=np.int64).reshape(1, 1, *x.shape[2:])
    for element, target in _windows(window, x.shape[2:], size, stride, dilation, start):
        values, held = x[element], best[target]
        better = (values > held) | (found[target] < 0) | (np.isnan(values) & ~np.isnan(held))
        np.copyto(best[target], values, where=better)
        np.copyto(found[target], numbers[element], where=better)
    return found


# -- elements by their numbers -------------------------------------------------------------------


def _flat(x: Array) -> Array:
    return x.reshape(x.shape[0], x.shape[1], prod(x.shape[2:]))


def _place_adjoint(g: Any, indices: Any) -> Any:
    return gather(g, indices)


@multilinear(
    x=_place_adjoint,
    format="new",
    masks=True,
    samples=lambda m: [
        case(m.real(1, 2, 3), np.array([[[4, 0, 1], [2, 3, 0]]]), size=(5,)),
        case(m.complex(2, 1, 1, 2), np.array([[[[3, 1]]], [[[0, 2]]]]), size=(2, 2)),
        case(m.real(1, 1, 4), np.array([[[1, 0, 1, 1]]]), size=(3,)),
    ],
    errors=lambda m: [
        Error(case(m.real(1, 1, 1), np.array([[[2]]]), size=(2,)), InvalidArgumentError, "outside"),
    ],
    shown="maxunpool",
)
def place(x: Any, indices: Any, /, *, size: Any) -> Any:
    """Put elements where their numbers say, into zeros; of several for one place, the last stays.

    Parameters
    ----------
    x : array
        Shape (batch, channels, *sizes).
    indices : array of int
        Of the same shape: numbers of elements of the result, in C order of its sizes.
    size : tuple of int

    Returns
    -------
    array
        Shape (batch, channels, *size).
    """
    out = np.zeros((*x.shape[:2], *size), x.dtype)
    if not x.size:
        return out
    count = prod(size)
    if indices.min() < 0 or indices.max() >= count:
        raise InvalidArgumentError(
            f"maxunpool: an index lies outside of the output sizes {size}, which have {count} "
            f"elements; the indices are from {indices.min()} to {indices.max()}"
        )
    np.put_along_axis(_flat(out), _flat(indices), _flat(x), 2)
    return out


@multilinear(
    x=lambda g, x_like, indices: place(g, indices, size=x_like.shape[2:]),
    format="new",
    masks=True,
    samples=lambda m: [
        case(m.real(1, 2, 5), np.array([[[4, 0, 1], [2, 3, 0]]])),
        case(m.complex(2, 1, 2, 2), np.array([[[[3, 1]]], [[[0, 2]]]])),
        case(m.real(1, 1, 3), np.array([[[1, 0, 1, 1]]])),
    ],
)
def gather(x: Any, indices: Any, /) -> Any:
    """Elements by their numbers, for the last of equal numbers, else zero: the adjoint of `place`.

    Parameters
    ----------
    x : array
        Shape (batch, channels, *sizes).
    indices : array of int
        Shape (batch, channels, *results).

    Returns
    -------
    array
        Of the shape of the indices.
    """
    flat, elements = _flat(indices), _flat(x)
    order = np.arange(flat.shape[-1]).reshape(1, 1, -1)
    last = np.empty(elements.shape, order.dtype)
    np.put_along_axis(last, flat, np.broadcast_to(order, flat.shape), 2)
    stayed = np.take_along_axis(last, flat, 2) == order
    found = np.where(stayed, np.take_along_axis(elements, flat, 2), 0)
    return found.astype(x.dtype, copy=False).reshape(indices.shape)
