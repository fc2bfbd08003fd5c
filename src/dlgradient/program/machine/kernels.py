"""Operations that have a kernel of their own: softmax, elements at indices, sums of squares.

They are those of networks and their losses. So are the decisions of losses, which a program
compares with those of the recorded call.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from dlgradient.core.types import Dtype, Shape
from dlgradient.native.code import Register
from dlgradient.native.picking import (
    Lines,
    biased,
    counted_underflow,
    holds_negative_infinity,
    outside,
    picked,
    put,
    softmax,
    squares,
    underflow,
)
from dlgradient.nn.losses.classification import (
    are_classes,
    has_negative_infinity,
    saturated_at,
    saturated_targets,
)
from dlgradient.nn.losses.sources import any_of, least_of
from dlgradient.program.lines import Check, Line, Slot
from dlgradient.program.machine.blocks import Blocks
from dlgradient.program.machine.cells import KINDS, MISSES, Cells, Unsupported

__all__ = ["BlocksWithKernels"]

_LONGEST = 256  # elements of a line of softmax, which are summed one after the other
_WEIGHT = 16  # of an exponential


def _lines(shape: Shape, axis: int) -> Lines:
    axis %= len(shape)
    return prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])


def _real(line: Line) -> tuple[Dtype, str]:
    """Return the dtype of a result, and the type of its elements."""
    if line.dtype is None or line.dtype.char not in "fd":
        raise Unsupported(f"a result of {line.dtype}")
    return line.dtype, KINDS[line.dtype]


# -- operations ----------------------------------------------------------------------------------


def _softmax(blocks: Blocks, line: Line) -> None:
    (x,) = line.operands
    lines, (dtype, element) = _lines(line.shape, line.params["axis"]), _real(line)
    if 0 in lines or lines[1] > _LONGEST:
        raise Unsupported(f"lines of {lines[1]} elements")
    blocks.spend(_WEIGHT * prod(lines))
    out = blocks.new(line.target, line.shape, dtype)
    blocks.f.apply(softmax(element, lines), blocks.address(x), out.data)


def _affine(blocks: Blocks, line: Line) -> None:
    x, weights, bias = line.operands
    (n, k), (m, _) = blocks.shape(x), blocks.shape(weights)
    if any(blocks.block(a).like.dtype != line.dtype for a in line.operands) or 0 in (n, k, m):
        raise Unsupported("a product of several dtypes, or of nothing")
    _, element = _real(line)
    rows = blocks.block(weights)
    columns = rows._replace(like=rows.like.T)
    out = blocks.multiply(line.target, blocks.block(x), columns)
    blocks.f.apply(biased(element, n, m), out.data, blocks.address(bias))


def _indices(blocks: Blocks, x: Any, shape: Shape, n: int) -> Register:
    """Return where indices are; the call is a miss if one is not that of an element."""
    like = blocks.block(x).like
    if like.shape != shape or like.dtype != np.int64:
        raise Unsupported(f"indices of shape {like.shape} {like.dtype}")
    f, where = blocks.f, blocks.address(x)
    f.branch(f.apply(outside(like.size), where, f.constant(n, "i64")), MISSES)
    return where


def _picked(blocks: Blocks, line: Line) -> None:
    x, indices = line.operands
    axis, (dtype, element) = line.params["axis"], _real(line)
    lines = _lines(blocks.shape(x), axis)
    if 0 in lines or _lines(line.shape, axis)[::2] != lines[::2]:
        raise Unsupported("indices that repeat")
    where = _indices(blocks, indices, line.shape, lines[1])
    out = blocks.new(line.target, line.shape, dtype)
    run = picked(element, lines, line.shape[axis])
    blocks.f.apply(run, blocks.address(x), where, out.data)


def _put(blocks: Blocks, line: Line) -> None:
    x, indices = line.operands
    axis, (dtype, element) = line.params["axis"], _real(line)
    lines, shape = _lines(line.shape, axis), blocks.shape(x)
    if 0 in lines or _lines(shape, axis)[::2] != lines[::2]:
        raise Unsupported("elements of nothing")
    where = _indices(blocks, indices, shape, lines[1])
    out = blocks.new(line.target, line.shape, dtype)
    blocks.f.apply(put(element, lines, shape[axis]), blocks.address(x), where, out.data)


def _squares(blocks: Blocks, line: Line) -> None:
    (x,), (dtype, element) = line.operands, _real(line)
    like = blocks.block(x).like
    if like.dtype != dtype:
        raise Unsupported(f"squares of {like.dtype}")
    blocks.spend(like.size)
    size = blocks.f.constant(like.size, "i64")
    found = blocks.f.apply(squares(element), blocks.address(x), size)
    blocks.values[line.target] = Cells(dtype, np.array(found, object))


_KERNELS: dict[str, Callable[[Blocks, Line], None]] = {
    "affine": _affine,
    "put_along_axis": _put,
    "softmax_along": _softmax,
    "square_sum": _squares,
    "take_along_axis": _picked,
}


# -- decisions -----------------------------------------------------------------------------------


def _are_classes(blocks: Blocks, t: Any, count: int) -> Register:
    like = blocks.block(t).like
    if like.dtype != np.int64:
        raise Unsupported(f"classes of {like.dtype}")
    f = blocks.f
    found = f.apply(outside(like.size), blocks.address(t), f.constant(count, "i64"))
    return f.assign(f"xor i1 {found.name}, true", "i1")


def _any_of(blocks: Blocks, condition: Any, y: Any, *others: Any) -> Register:
    known = condition in (saturated_at, saturated_targets) and type(y) is Slot
    like = blocks.block(y).like if known else None
    if like is None or like.dtype.char not in "fd":
        raise Unsupported(f"a decision by {getattr(condition, '__name__', '?')}")
    if condition is saturated_targets:
        return _any_that_counts(blocks, y, *others)
    indices, axis = others
    lines, shape = _lines(like.shape, axis), blocks.shape(indices)
    if 0 in lines or _lines(shape, axis)[::2] != lines[::2]:
        raise Unsupported("indices that repeat")
    where = _indices(blocks, indices, shape, lines[1])
    run = underflow(KINDS[like.dtype], lines, shape[axis], float(least_of(like.dtype)))
    return blocks.f.apply(run, blocks.address(y), where)


def _any_that_counts(blocks: Blocks, y: Any, t: Any) -> Register:
    like, other = blocks.block(y).like, blocks.block(t).like
    if (like.shape, like.dtype) != (other.shape, other.dtype):
        raise Unsupported(f"targets of shape {other.shape} {other.dtype}")
    run = counted_underflow(KINDS[like.dtype], float(least_of(like.dtype)))
    size = blocks.f.constant(like.size, "i64")
    return blocks.f.apply(run, blocks.address(y), blocks.address(t), size)


def _is_infinite(blocks: Blocks, x: Any) -> Register:
    like = blocks.block(x).like
    if like.dtype.char not in "fd":
        raise Unsupported(f"infinities of {like.dtype}")
    size = blocks.f.constant(like.size, "i64")
    return blocks.f.apply(holds_negative_infinity(KINDS[like.dtype]), blocks.address(x), size)


_DECISIONS: dict[Callable[..., Any], Callable[..., Register]] = {
    any_of: _any_of,
    are_classes: _are_classes,
    has_negative_infinity: _is_infinite,
}


class BlocksWithKernels(Blocks):
    """The values of a program whose function may go on at `MISSES`."""

    def other(self, line: Line) -> None:
        """Write a line of any other operation."""
        kernel = _KERNELS.get(line.op.name)
        if kernel is None:
            super().other(line)
        else:
            kernel(self, line)

    def truth(self, check: Check) -> Register | None:
        """Return what Python would read, true or false; None if it must be read from registers."""
        decision = _DECISIONS.get(check.function)
        return super().truth(check) if decision is None else decision(self, *check.operands)
