"""Partial sums of loops, and the last additions: by NumPy, or by machine code in a program.

A loop sums segments of rows, or some rows, one after the other. So errors are about those of
pairwise sums, and no bit depends on the number of threads.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from math import prod
from typing import NamedTuple

import numpy as np

from dlgradient.core.types import Array, Shape
from dlgradient.native.code import ELEMENTS, FUNCTIONS, Function, Register, Variable

__all__ = ["Partial", "total", "total_of"]


class Partial(NamedTuple):
    """Sums of segments of rows, or of some rows.

    Attributes
    ----------
    shape : tuple of int
    char : str
        Of the dtype.
    over : tuple of bool
        The dimensions that are still to be summed.
    result : tuple of int
        The shape of the sum.
    divisor : int or None
        What the sum is divided by.
    """

    shape: Shape
    char: str
    over: tuple[bool, ...]
    result: Shape
    divisor: int | None

    @property
    def is_written(self) -> bool:
        """Whether the loop writes them; else it adds to what is there."""
        return self.over[-1]

    @property
    def is_whole(self) -> bool:
        """Whether they are the sum already."""
        rest = [n for n, is_over in zip(self.shape, self.over, strict=True) if is_over]
        return prod(rest) == 1 and self.divisor is None


def total_of(part: Array, p: Partial) -> Array:
    """Return the sum of partial sums, or the mean."""
    axes = tuple([i for i, is_over in enumerate(p.over) if is_over])
    total: Array = np.add.reduce(part, axis=axes)
    if total.shape != p.result:
        total = np.reshape(total, p.result)
    return total if p.divisor is None else total / p.divisor


@lru_cache(FUNCTIONS)
def total(p: Partial) -> Function:
    """Return ``f(part, out)`` of addresses, which writes the same."""
    f = Function(f"total_{sha256(repr(p).encode()).hexdigest()[:16]}")
    part, out = f.value("part", "ptr"), f.value("out", "ptr")
    element = ELEMENTS[p.char]
    along = [i for i, is_over in enumerate(p.over) if not is_over]
    over = [i for i, is_over in enumerate(p.over) if is_over]
    steps = [prod(p.shape[i + 1 :]) for i in range(len(p.shape))]

    def write(axes: list[int], source: Register, target: Register) -> None:
        if axes:
            with f.loop(0, p.shape[axes[0]]) as i:
                rest = source + i * steps[axes[0]]
                write(axes[1:], rest, target * p.shape[axes[0]] + i)
            return
        found = f.variable(f.constant(0, element))
        add(over, source, found)
        value = found.value
        f.store(value if p.divisor is None else value / p.divisor, out, target)

    def add(axes: list[int], source: Register, found: Variable) -> None:
        if not axes:
            found.value = found.value + f.load(element, part, source)
            return
        with f.loop(0, p.shape[axes[0]]) as i:
            add(axes[1:], source + i * steps[axes[0]], found)

    zero = f.constant(0, "i64")
    write(along, zero, zero)
    return f
