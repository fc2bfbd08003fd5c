"""Kernels of small arrays in programs, as losses have: softmax, elements at indices, and sums.

Machine code knows the shapes. An array is seen as lines of `n` elements along one dimension: those
before it, and those after it, are `before` and `after` many. All arrays are in C order. Whether
indices are those of elements is asked by `outside`; the others take them as they are.
"""

from __future__ import annotations

from functools import cache
from typing import TypeAlias

from dlgradient.native.code import Function, Register, Variable, vector
from dlgradient.native.machine import machine
from dlgradient.native.maths import maths

__all__ = [
    "Lines",
    "biased",
    "counted_underflow",
    "holds_negative_infinity",
    "outside",
    "picked",
    "put",
    "softmax",
    "squares",
    "underflow",
]

# How many lines are before, the length of a line, and how many are after.
Lines: TypeAlias = tuple[int, int, int]


def _named(name: str, *parts: object) -> Function:
    words = [str(n) for part in parts for n in (part if isinstance(part, tuple) else (part,))]
    return Function("_".join([name, *words]))


@cache
def softmax(element: str, lines: Lines) -> Function:
    """Return ``f(x, out)`` of addresses, which writes the softmax of each line.

    A line of -inf gives zeros, as in NumPy.
    """
    f = _named("softmax", element, lines)
    x, out = f.value("x", "ptr"), f.value("out", "ptr")
    before, n, after = lines
    zero = f.constant(0, element)
    with f.loop(0, before) as i, f.loop(0, after) as j:
        first = i * (n * after) + j
        highest = f.variable(f.load(element, x, first))
        with f.loop(1, n) as k:
            number, most = f.load(element, x, first + k * after), highest.value
            highest.value = f.choose(number > most, number, most)
        lowest = f.compare("eq", highest.value, float("-inf"))
        level = f.choose(lowest, zero, highest.value)
        with f.loop(0, n) as k:
            f.store(f.load(element, x, first + k * after) - level, out, first + k * after)
    _exponentials(f, element, out, before * n * after)
    with f.loop(0, before) as i, f.loop(0, after) as j:
        first = i * (n * after) + j
        total = f.variable(zero)
        with f.loop(0, n) as k:
            total.value = total.value + f.load(element, out, first + k * after)
        divisor = f.choose(f.compare("eq", total.value, 0), f.constant(1, element), total.value)
        with f.loop(0, n) as k:
            at = first + k * after
            f.store(f.load(element, out, at) / divisor, out, at)
    return f


def _exponentials(f: Function, element: str, out: Register, size: int) -> None:
    """Replace numbers by their exponentials."""
    lanes = machine().lanes(element)
    whole = size // lanes * lanes
    for start, stop, width in ((0, whole, lanes), (whole, size, 1)):
        if start < stop:
            with f.loop(start, stop, width) as i:
                f.store(maths(f, "exp", f.load(vector(element, width), out, i)), out, i)


@cache
def picked(element: str, lines: Lines, count: int) -> Function:
    """Return ``f(x, indices, out)`` of addresses: elements at `count` indices for each line."""
    f = _named("picked", element, lines, count)
    x, indices, out = (f.value(name, "ptr") for name in ("x", "indices", "out"))
    before, n, after = lines
    with f.loop(0, before) as i, f.loop(0, count) as k, f.loop(0, after) as j:
        at = (i * count + k) * after + j
        index = f.load("i64", indices, at)
        f.store(f.load(element, x, (i * n + index) * after + j), out, at)
    return f


@cache
def put(element: str, lines: Lines, count: int) -> Function:
    """Return ``f(x, indices, out)`` of addresses: the adjoint of `picked`, added to zeros."""
    f = _named("put", element, lines, count)
    x, indices, out = (f.value(name, "ptr") for name in ("x", "indices", "out"))
    before, n, after = lines
    with f.loop(0, before * n * after) as i:
        f.store(f.constant(0, element), out, i)
    with f.loop(0, before) as i, f.loop(0, count) as k, f.loop(0, after) as j:
        at = (i * count + k) * after + j
        place = (i * n + f.load("i64", indices, at)) * after + j
        f.store(f.load(element, out, place) + f.load(element, x, at), out, place)
    return f


@cache
def outside(size: int) -> Function:
    """Return ``f(indices, n)``: whether an index is negative, or `n` or more."""
    f = _named("outside", size)
    indices, n = f.value("indices", "ptr"), f.value("n", "i64")
    found = f.variable(f.constant(0, "i1"))
    with f.loop(0, size) as i:
        index = f.load("i64", indices, i)
        found.value = f.either(found.value, f.either(index < 0, f.compare("ge", index, n)))
    f.returns(found.value)
    return f


@cache
def underflow(element: str, lines: Lines, count: int, bound: float) -> Function:
    """Return ``f(x, indices)`` of addresses: whether an element at an index is below a bound."""
    f = _named("underflow", element, lines, count)
    x, indices = f.value("x", "ptr"), f.value("indices", "ptr")
    before, n, after = lines
    found = f.variable(f.constant(0, "i1"))
    with f.loop(0, before) as i, f.loop(0, count) as k, f.loop(0, after) as j:
        index = f.load("i64", indices, (i * count + k) * after + j)
        number = f.load(element, x, (i * n + index) * after + j)
        found.value = f.either(found.value, number < bound)
    f.returns(found.value)
    return f


@cache
def biased(element: str, rows: int, length: int) -> Function:
    """Return ``f(out, bias)`` of addresses, which adds a vector to each row."""
    f = _named("biased", element, rows, length)
    out, bias = f.value("out", "ptr"), f.value("bias", "ptr")
    lanes = machine().lanes(element)
    whole = length // lanes * lanes
    for start, stop, width in ((0, whole, lanes), (whole, length, 1)):
        if start == stop:
            continue
        kind = vector(element, width)
        with f.loop(start, stop, width) as i:
            number = f.load(kind, bias, i)
            with f.loop(0, rows) as row:
                at = row * length + i
                f.store(f.load(kind, out, at) + number, out, at)
    return f


# -- over all elements ----------------------------------------------------------------------------

_SUMS = 4  # vectors of partial sums


@cache
def squares(element: str) -> Function:
    """Return ``f(x, size)`` of an address and an integer: the sum of squares.

    Each lane of some vectors has a partial sum.
    """
    f = Function(f"squares_{element}")
    x, size = f.value("x", "ptr"), f.value("size", "i64")
    lanes = machine().lanes(element)
    kind, step = vector(element, lanes), lanes * _SUMS
    sums = [f.variable(f.constant(0, kind)) for _ in range(_SUMS)]

    rest = f.variable(f.constant(0, element))
    most, whole = size / step * step, size / lanes * lanes

    def add(at: Register, kind: str, total: Variable) -> None:
        number = f.load(kind, x, at)
        total.value = f.multiply_add(number, number, total.value)

    with f.loop(0, most, step) as i:
        for k, total in enumerate(sums):
            add(i + k * lanes, kind, total)
    with f.loop(most, whole, lanes) as i:
        add(i, kind, sums[0])
    with f.loop(whole, size) as i:
        add(i, element, rest)
    a, b, c, d = (total.value for total in sums)
    f.returns(f.sum_of_lanes((a + b) + (c + d)) + rest.value)
    return f


@cache
def holds_negative_infinity(element: str) -> Function:
    """Return ``f(x, size)`` of an address and an integer: whether an element is -inf."""
    f = Function(f"holds_negative_infinity_{element}")
    x, size = f.value("x", "ptr"), f.value("size", "i64")
    found = f.variable(f.constant(0, "i1"))
    with f.loop(0, size) as i:
        lowest = f.compare("eq", f.load(element, x, i), float("-inf"))
        found.value = f.either(found.value, lowest)
    f.returns(found.value)
    return f


@cache
def counted_underflow(element: str, bound: float) -> Function:
    """Return ``f(x, t, size)``: whether an element whose target is not zero is below a bound."""
    f = Function(f"counted_underflow_{element}")
    x, t, size = f.value("x", "ptr"), f.value("t", "ptr"), f.value("size", "i64")
    found = f.variable(f.constant(0, "i1"))
    with f.loop(0, size) as i:
        counts = f.compare("ne", f.load(element, t, i), 0)
        low = f.both(f.load(element, x, i) < bound, counts)
        found.value = f.either(found.value, low)
    f.returns(found.value)
    return f
