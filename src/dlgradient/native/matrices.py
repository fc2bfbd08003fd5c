"""Kernels of small arrays in programs: products of matrices, copies, and whether one holds NaN.

Machine code knows the shapes. Of a product, a block of rows and columns of the result is in
registers, and runs through the terms. Each term adds a number of the left matrix times a row of the
right one. So rows of the right matrix must be contiguous; the left one may have any strides, as a
transposed matrix has. A sum is in the order of the terms. Each is rounded once, where the processor
can.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import product as pairs

from dlgradient.native.code import FUNCTIONS, Function, Register, vector
from dlgradient.native.machine import machine

__all__ = ["holds_nan", "moved", "product", "product_of_rows"]

# Vectors that are in registers, by the bytes of one: of 32 registers, or of 16.
_ACCUMULATORS = {64: 24, 32: 12, 16: 12}
_ACROSS = 4  # vectors of a row of the block


@lru_cache(FUNCTIONS)
def product(
    element: str, shape: tuple[int, int, int], strides: tuple[int, int], distance: int
) -> Function:
    """Return ``f(x, y, out)`` of addresses, which writes a product of shape (m, n).

    Parameters
    ----------
    element : str
        'float' or 'double'.
    shape : tuple of int
        m, k and n, none of which is zero.
    strides : tuple of int
        Strides of the left matrix, in elements.
    distance : int
        Distance of rows of the right matrix.
    """
    m, k, n = shape
    name = "_".join(map(str, (element, m, k, n, *strides, distance))).replace("-", "m")
    f = Function(f"product_{name}")
    x, y, out = (f.value(name, "ptr") for name in ("x", "y", "out"))
    widths = _widths(element, n)
    for start in range(0, len(widths), _ACROSS):
        columns = widths[start : start + _ACROSS]
        high = max(1, _ACCUMULATORS[machine().vector_bytes] // len(columns))
        high = min(high, m)
        with f.loop(0, m // high * high, high) as row:
            _block(f, (x, y, out), row, high, columns, (k, n, strides, distance), element)
        if m % high:
            row = f.constant(m // high * high, "i64")
            _block(f, (x, y, out), row, m % high, columns, (k, n, strides, distance), element)
    return f


def _widths(element: str, n: int) -> list[tuple[int, int]]:
    """Return where vectors of a row begin, and how long they are."""
    lanes, found, start = machine().lanes(element), [], 0
    while start < n:
        while lanes > n - start:
            lanes //= 2
        found.append((start, lanes))
        start += lanes
    return found


def _block(
    f: Function,
    arrays: tuple[Register, Register, Register],
    row: Register,
    high: int,
    columns: list[tuple[int, int]],
    sizes: tuple[int, int, tuple[int, int], int],
    element: str,
) -> None:
    """Write some rows and columns of the result."""
    x, y, out = arrays
    k, n, (down, along), distance = sizes
    here = f.at(x, row * down, element)
    places = list(pairs(range(high), range(len(columns))))
    kinds = [vector(element, lanes) for _, lanes in columns]
    totals = {(i, j): f.variable(f.constant(0, kinds[j])) for i, j in places}

    with f.loop(0, k) as at:
        line = f.at(y, at * distance, element)
        vectors = [f.load(kind, line, s) for kind, (s, _) in zip(kinds, columns, strict=True)]
        first = f.at(here, at * along, element)
        for i in range(high):
            number = f.load(element, first, i * down)
            for j, kind in enumerate(kinds):
                total = totals[i, j]
                total.value = f.multiply_add(f.spread(number, kind), vectors[j], total.value)
    target = f.at(out, row * n, element)
    for i, j in places:
        f.store(totals[i, j].value, target, i * n + columns[j][0])


@lru_cache(FUNCTIONS)
def product_of_rows(
    element: str, shape: tuple[int, int, int], distances: tuple[int, int]
) -> Function:
    """Return ``f(x, y, out)`` of addresses, which writes the product of x and the transpose of y.

    Parameters
    ----------
    element : str
    shape : tuple of int
        m, k and n; k is so many whole vectors.
    distances : tuple of int
        Of the rows of x, and of y.
    """
    m, k, n = shape
    name = "_".join(map(str, (element, m, k, n, *distances))).replace("-", "m")
    f = Function(f"product_of_rows_{name}")
    x, y, out = (f.value(name, "ptr") for name in ("x", "y", "out"))
    lanes = machine().lanes(element)
    kind, side = vector(element, lanes), 4 if machine().vector_bytes == 64 else 2

    def block(row: Register, column: Register, high: int, wide: int) -> None:
        left = [f.at(x, (row + i) * distances[0], element) for i in range(high)]
        others = [f.at(y, (column + j) * distances[1], element) for j in range(wide)]
        totals = {at: f.variable(f.constant(0, kind)) for at in pairs(range(high), range(wide))}
        with f.loop(0, k, lanes) as p:
            vectors = [f.load(kind, line, p) for line in others]
            for i, line in enumerate(left):
                number = f.load(kind, line, p)
                for j, other in enumerate(vectors):
                    total = totals[i, j]
                    total.value = f.multiply_add(number, other, total.value)
        for (i, j), total in totals.items():
            f.store(f.sum_of_lanes(total.value), out, (row + i) * n + column + j)

    def line(row: Register, high: int) -> None:
        with f.loop(0, n // side * side, side) as column:
            block(row, column, high, side)
        if n % side:
            block(row, f.constant(n // side * side, "i64"), high, n % side)

    with f.loop(0, m // side * side, side) as row:
        line(row, side)
    if m % side:
        line(f.constant(m // side * side, "i64"), m % side)
    return f


@lru_cache(FUNCTIONS)
def moved(
    kind: str,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    out_strides: tuple[int, ...],
    add: bool = False,
) -> Function:
    """Return ``f(x, out)`` of addresses, which copies an array to another one.

    Parameters
    ----------
    kind : str
        Of an element, as it is in memory.
    shape : tuple of int
    strides, out_strides : tuple of int
        Of the two, in elements.
    add : bool
        Whether to add to what is there.
    """
    name = "_".join(map(str, (kind, *shape, *strides, *out_strides, add))).replace("-", "m")
    f = Function(f"moved_{name}")
    x, out = f.value("x", "ptr"), f.value("out", "ptr")

    def write(at: int, source: Register, target: Register) -> None:
        if at == len(shape):
            value = f.load(kind, x, source)
            f.store(f.load(kind, out, target) + value if add else value, out, target)
            return
        with f.loop(0, shape[at]) as i:
            write(at + 1, source + i * strides[at], target + i * out_strides[at])

    zero = f.constant(0, "i64")
    write(0, zero, zero)
    return f


@cache
def holds_nan(element: str) -> Function:
    """Return ``f(x, size)`` of an address and an integer: whether any of the numbers is NaN."""
    f = Function(f"holds_nan_{element}")
    x, size = f.value("x", "ptr"), f.value("size", "i64")
    lanes = machine().lanes(element)
    whole = size / lanes * lanes
    found = f.variable(f.constant(0, vector("i1", lanes)))
    with f.loop(0, whole, lanes) as i:
        found.value = f.either(found.value, f.is_nan(f.load(vector(element, lanes), x, i)))
    rest = f.variable(f.any(found.value))
    with f.loop(whole, size) as i:
        rest.value = f.either(rest.value, f.is_nan(f.load(element, x, i)))
    f.returns(rest.value)
    return f
