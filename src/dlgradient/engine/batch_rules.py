"""How one call of an operation computes a batch of its results.

A batched operand has one dimension more than its node, in front. A rule returns the batched result,
or None if the general way is right: to call the operation for each member of the batch.

Most rules follow from what is declared. An operation that is pointwise takes the batch as it is,
once the ranks of its operands are equal. One whose parameter ``axis`` names dimensions gets the
same dimensions, counted with the new one. The others are here by name. What an operation computes
is nowhere repeated: a rule only moves dimensions, and calls the operation itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dlgradient.core.calls import FUNCTIONS, call_again
from dlgradient.core.types import Axes, Key, Op, Params, Shape

__all__ = ["Call", "Rule", "rule_of"]


class Call(NamedTuple):
    """One operation of a part of a trace, with batched operands.

    Attributes
    ----------
    op : Op
    operands : sequence
        Raw values or dlarrays, batched or not.
    batched : sequence of bool
        Which of them are batched.
    shapes : sequence of tuple
        Their shapes without the batch.
    params : dict
    shape : tuple
        That of the result without the batch.
    size : int
        Of the batch.
    """

    op: Op
    operands: Sequence[Any]
    batched: Sequence[bool]
    shapes: Sequence[Shape]
    params: Params
    shape: Shape
    size: int

    def repeated(self, operands: Sequence[Any], **changes: Any) -> Any:
        """Call the operation with other operands, and some parameters changed."""
        return call_again(self.op, operands, {**self.params, **changes})

    def all_batched(self) -> list[Any]:
        """Return the operands with a batch in each."""
        spread = FUNCTIONS["broadcast_to"]
        return [
            x if b else spread(x, (self.size, *shape))
            for x, b, shape in zip(self.operands, self.batched, self.shapes, strict=True)
        ]


Rule: TypeAlias = Callable[[Call], Any]


def rule_of(op: Op) -> Rule | None:
    """Return the rule of an operation; None if it is called for each member of a batch."""
    if op.pointwise and not op.outputs:
        return _pointwise
    return _RULES.get(op.name)


def _ranked(x: Any, shape: Shape, rank: int, size: int) -> Any:
    """Return a batched operand with dimensions of size one, so that it has `rank` of its own."""
    if len(shape) >= rank:
        return x
    return FUNCTIONS["reshape"](x, (size, *(1,) * (rank - len(shape)), *shape))


def _pointwise(call: Call) -> Any:
    rank = max([len(shape) for shape in call.shapes])
    found = call.repeated(
        [
            _ranked(x, shape, rank, call.size) if b else x
            for x, b, shape in zip(call.operands, call.batched, call.shapes, strict=True)
        ]
    )
    # One that ignores an operand may have no batch.
    return found if found.shape == (call.size, *call.shape) else None


def _as_it_is(call: Call) -> Any:
    """Operations that act on each element of one operand, or on the last dimensions."""
    return call.repeated(call.operands)


def _members(call: Call) -> Any:
    """Operations of operands that have the same shape."""
    return call.repeated(call.all_batched())


def _moved(axis: Any, ndim: int) -> Any:
    """Return dimensions of a value as those of a batch of it; None means all."""
    if axis is None:
        return tuple(range(1, ndim + 1))
    if isinstance(axis, tuple | list):
        return tuple([int(a) % ndim + 1 for a in axis])
    return int(axis) % ndim + 1


def _along_axis(call: Call) -> Any:
    """Operations whose parameter axis names dimensions of each operand."""
    axis = _moved(call.params["axis"], len(call.shapes[0]))
    return call.repeated(call.all_batched(), axis=axis)


def _along_axis_or_flat(call: Call) -> Any:
    """Operations for which no axis means that dimensions do not matter."""
    if call.params["axis"] is not None:
        return _along_axis(call)
    reshape = FUNCTIONS["reshape"]
    flat = [
        reshape(x, (call.size, prod(shape)))
        for x, shape in zip(call.all_batched(), call.shapes, strict=True)
    ]
    return reshape(call.repeated(flat, axis=1), (call.size, *call.shape))


# -- shapes --------------------------------------------------------------------------------------


def _reshaped(call: Call) -> Any:
    return FUNCTIONS["reshape"](call.operands[0], (call.size, *call.shape))


def _broadcast_to(call: Call) -> Any:
    x = _ranked(call.operands[0], call.shapes[0], len(call.shape), call.size)
    return call.repeated([x], shape=(call.size, *call.shape))


def _permuted(call: Call) -> Any:
    return call.repeated(
        call.operands, axes=(0, *_moved(tuple(call.params["axes"]), len(call.shape)))
    )


def _spread(call: Call) -> Any:
    axis = _moved(call.params["axis"], len(call.shape))
    return call.repeated(call.operands, shape=(call.size, *call.shape), axis=axis)


def _stacked(call: Call) -> Any:
    return call.repeated(call.all_batched(), axis=_moved(call.params["axis"], len(call.shape)))


def _tiled(call: Call) -> Any:
    counts = call.params["repetitions"]
    counts = tuple(counts) if isinstance(counts, tuple | list) else (counts,)
    rank = len(call.shape)
    x = _ranked(call.operands[0], call.shapes[0], rank, call.size)
    return call.repeated([x], repetitions=(1, *(1,) * (rank - len(counts)), *counts))


# -- indexing ------------------------------------------------------------------------------------


def _is_array(part: Key) -> bool:
    return isinstance(part, np.ndarray)


def _in_batch(key: Key, ndim: int) -> Key | None:
    """Return an index of each member of a batch; None if NumPy would move dimensions."""
    parts = key if type(key) is tuple else (key,)
    if any(isinstance(p, bool | np.bool_) for p in parts):
        return None
    if any(_is_array(p) for p in parts):
        used = sum([p.ndim if _is_array(p) and p.dtype == bool else p is not None for p in parts])
        filled: list[Key] = []
        for part in parts:
            rest = [slice(None)] * (ndim - used + 1)
            filled += rest if part is Ellipsis else [part]
        at = [i for i, p in enumerate(filled) if p is not None and not isinstance(p, slice)]
        if at[-1] - at[0] >= len(at):
            return None
    return (slice(None), *parts)


def _getitem(call: Call) -> Any:
    key = _in_batch(call.params["key"], len(call.shapes[0]))
    return None if key is None else call.repeated(call.operands, key=key)


def _scatter(call: Call) -> Any:
    keys = [_in_batch(key, len(call.shape)) for key in call.params["keys"]]
    if any(key is None for key in keys):
        return None
    return call.repeated(call.all_batched(), keys=tuple(keys), shape=(call.size, *call.shape))


def _setitem(call: Call) -> Any:
    key = _in_batch(call.params["key"], len(call.shape))
    if key is None:
        return None
    x, v = call.all_batched()
    named = np.broadcast_to(np.False_, call.shape)[call.params["key"]].ndim
    shape = call.shapes[1]
    extra = len(shape) - named  # NumPy ignores leading dimensions of size one
    shape = shape[extra:] if extra > 0 else (*(1,) * -extra, *shape)
    return call.repeated([x, FUNCTIONS["reshape"](v, (call.size, *shape))], key=key)


def _take(call: Call) -> Any:
    if call.batched[1]:
        return None
    x, indices = call.operands
    if call.params["axis"] is None:
        flat = FUNCTIONS["reshape"](x, (call.size, prod(call.shapes[0])))
        return call.repeated([flat, indices], axis=1)
    return call.repeated([x, indices], axis=_moved(call.params["axis"], len(call.shapes[0])))


def _put(call: Call) -> Any:
    if call.batched[1]:
        return None
    x, indices = call.operands
    if call.params["axis"] is None:
        flat = call.repeated([x, indices], axis=1, shape=(call.size, prod(call.shape)))
        return FUNCTIONS["reshape"](flat, (call.size, *call.shape))
    axis = _moved(call.params["axis"], len(call.shape))
    return call.repeated([x, indices], axis=axis, shape=(call.size, *call.shape))


def _put_along_axis(call: Call) -> Any:
    axis = _moved(call.params["axis"], len(call.shape))
    return call.repeated(call.all_batched(), axis=axis, shape=(call.size, *call.shape))


# -- products ------------------------------------------------------------------------------------


def _matmul(call: Call) -> Any:
    (x, y), (first, second), size = call.operands, call.shapes, call.size
    reshape = FUNCTIONS["reshape"]
    if call.batched == [True, False] and len(second) <= 2:
        # One product of matrices instead of one for each member.
        found = call.repeated([reshape(x, (prod((size, *first[:-1])), first[-1])), y])
        return reshape(found, (size, *call.shape))
    if call.batched == [False, True] and len(first) <= 2 and len(second) == 1:
        return call.repeated([y, x.mT if len(first) == 2 else x])
    rank = max(len(first), len(second), 2)
    first = (1, *first) if len(first) == 1 else first
    second = (*second, 1) if len(second) == 1 else second
    x = reshape(x, ((size,) if call.batched[0] else ()) + first)
    y = reshape(y, ((size,) if call.batched[1] else ()) + second)
    x = _ranked(x, first, rank, size) if call.batched[0] else x
    y = _ranked(y, second, rank, size) if call.batched[1] else y
    return reshape(call.repeated([x, y]), (size, *call.shape))


def _summed(axes: Any, ndims: Sequence[int]) -> tuple[Axes, Axes]:
    """Return the dimensions that `tensordot` sums, of each operand."""
    if isinstance(axes, tuple | list):
        both = [(a,) if isinstance(a, int) else tuple(a) for a in axes]
        first, second = [tuple([i % n for i in a]) for a, n in zip(both, ndims, strict=True)]
        return first, second
    return tuple(range(ndims[0] - axes, ndims[0])), tuple(range(axes))


def _tensordot(call: Call) -> Any:
    x, y = call.operands
    ndims = [len(shape) for shape in call.shapes]
    summed = _summed(call.params["axes"], ndims)
    if call.batched == [True, False]:
        return call.repeated([x, y], axes=(_moved(summed[0], ndims[0]), summed[1]))
    permute, reshape = FUNCTIONS["permute_dims"], FUNCTIONS["reshape"]
    free = [tuple([i for i in range(n) if i not in s]) for n, s in zip(ndims, summed, strict=True)]
    if call.batched == [False, True]:
        # The other way round: its free dimensions come first then, and the batch is one of them.
        found = call.repeated([y, x], axes=(_moved(summed[1], ndims[1]), summed[0]))
        after = len(free[1]) + 1
        return permute(found, (0, *range(after, found.ndim), *range(1, after)))
    counts = [prod([shape[i] for i in f]) for shape, f in zip(call.shapes, free, strict=True)]
    terms = prod([call.shapes[0][i] for i in summed[0]])
    x = permute(x, (0, *[i + 1 for i in (*free[0], *summed[0])]))
    y = permute(y, (0, *[i + 1 for i in (*summed[1], *free[1])]))
    found = FUNCTIONS["matmul"](
        reshape(x, (call.size, counts[0], terms)), reshape(y, (call.size, terms, counts[1]))
    )
    return reshape(found, (call.size, *call.shape))


def _square_sum(call: Call) -> Any:
    reshape, terms = FUNCTIONS["reshape"], prod(call.shapes[0])
    x = reshape(call.operands[0], (call.size, 1, terms))
    return reshape(FUNCTIONS["matmul"](x, x.mT), (call.size,))


# -- operations that know a batch ----------------------------------------------------------------


def _longer(x: Any, shape: Shape, size: int) -> Any:
    return FUNCTIONS["reshape"](x, (size * shape[0], *shape[1:]))


def _in_longer_batch(call: Call) -> Any:
    """Operations for which the first dimension of each operand is a batch already."""
    xs = [_longer(x, s, call.size) for x, s in zip(call.all_batched(), call.shapes, strict=True)]
    return FUNCTIONS["reshape"](call.repeated(xs), (call.size, *call.shape))


def _with_shared_weights(call: Call) -> Any:
    """Operations for which the first dimension of the first operand is a batch already."""
    if any(call.batched[1:]):
        return None
    x = _longer(call.operands[0], call.shapes[0], call.size)
    return FUNCTIONS["reshape"](call.repeated([x, *call.operands[1:]]), (call.size, *call.shape))


# -- Fourier transforms --------------------------------------------------------------------------


def _along_axes(call: Call) -> Any:
    axes, sizes = call.params["axes"], call.params["s"]
    ndim = len(call.shapes[0])
    if axes is None and sizes is not None:
        axes = tuple(range(ndim - len(sizes), ndim))
    return call.repeated(call.operands, axes=_moved(axes, ndim))


_RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            *("real", "imag", "conj", "cast", "discretize", "bitwise_invert"),
            *("matrix_transpose", "tril", "triu", "masked_scores", "masked_matmul", "whole_batch"),
        ),
        _as_it_is,
    ),
    **dict.fromkeys(
        (
            *("window_sum", "window_spread", "window_max", "window_max_adjoint"),
            *("window_max_tangent", "window_argmax", "place", "gathered"),
            *("cover_max", "cover_max_adjoint", "cover_max_tangent"),
        ),
        _in_longer_batch,
    ),
    **dict.fromkeys(("convolve", "biased_convolve", "deconvolve", "affine"), _with_shared_weights),
    "complex": _pointwise,
    "weighted_sum": _members,
    "square_sum": _square_sum,
    **dict.fromkeys(
        (
            *("sum", "prod", "mean", "var", "std", "max", "min", "any", "all", "count_nonzero"),
            *("ties", "deviations", "flip", "repeated", "shift", "linear_recurrence"),
            *("exclusive_products", "take_along_axis", "fft", "ifft", "rfft", "irfft"),
            *("softmax_along", "log_softmax_along", "log_softmax_adjoint"),
            *("softmax_crossentropy", "channel_sum", "weighted_sums"),
            *("sort", "argsort", "repeats_before", "shared"),
            *("records", "record_means", "record_sums"),
        ),
        _along_axis,
    ),
    **dict.fromkeys(
        ("argmax", "argmin", "cumsum", "cumprod", "cummax", "cummin", "concat", "roll"),
        _along_axis_or_flat,
    ),
    **dict.fromkeys(("reshape", "squeeze", "expand_dims"), _reshaped),
    **dict.fromkeys(("fftn", "ifftn"), _along_axes),
    "broadcast_to": _broadcast_to,
    "permute_dims": _permuted,
    "spread": _spread,
    "stack": _stacked,
    "tile": _tiled,
    "getitem": _getitem,
    "cleared": _getitem,
    "scatter": _scatter,
    "setitem": _setitem,
    "take": _take,
    "put": _put,
    "put_along_axis": _put_along_axis,
    "matmul": _matmul,
    "tensordot": _tensordot,
}
