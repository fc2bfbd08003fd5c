"""Sums of the rows of matrices, and formulas with numbers of their own for each row.

A row has several partial sums, in the lanes of some vectors, which are added at its end. Formulas
have the bits of NumPy's, as in `formula`; sums have about the rounding errors of pairwise ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from dlgradient.core.sizes import NATIVE_THREAD_BYTES
from dlgradient.core.threads import in_blocks
from dlgradient.core.types import Array
from dlgradient.native.code import ELEMENTS, Function, Register, Variable, vector
from dlgradient.native.compiler import Compiled, address_of, compiled
from dlgradient.native.formula import operation
from dlgradient.native.lanes import Text, written
from dlgradient.native.machine import machine

__all__ = ["along", "compute_rows", "moments", "products"]

# Vectors of partial sums: as many additions can be under way at once.
_SUMS = 4


def _run(kernel: Compiled, arrays: Sequence[Array], shape: tuple[int, ...]) -> None:
    """Call a kernel with addresses, the length of rows, and numbers of the first and last row."""
    addresses = [address_of(a) for a in arrays]
    count, length = shape

    def work(rows: slice) -> None:
        kernel(*addresses, length, rows.start, rows.stop)

    nbytes = count * length * arrays[0].itemsize
    in_blocks(work, count, split=nbytes >= NATIVE_THREAD_BYTES)


# -- formulas ------------------------------------------------------------------------------------


def compute_rows(
    formula: Callable[..., Sequence[object]],
    matrices: Sequence[Array],
    columns: Sequence[Array],
    outputs: Sequence[Array],
) -> None:
    """Write the results of a formula to matrices.

    Parameters
    ----------
    formula : callable
        Of the matrices and then the columns, in operations that `lanes` knows, without numbers.
    matrices, outputs : sequence of array
        Contiguous, of one shape and dtype. Outputs share no memory with others.
    columns : sequence of array
        One number for each row, of the same dtype.
    """
    found: Any = written(formula, [*matrices, *columns])
    kernel = _formula_kernel(found[0], len(columns), outputs[0].dtype.char)
    _run(kernel, [*matrices, *columns, *outputs], outputs[0].shape)


@cache
def _formula_kernel(text: Text, count: int, char: str) -> Compiled:
    """Return ``f(*matrices, *columns, *outputs, length, first, last)``."""
    f = Function("rows")
    arrays = {name: f.address(name) for name in text.operands}
    columns = text.operands[len(text.operands) - count :]
    outputs = [f.address(f"y{i}") for i in range(len(text.results))]
    element = ELEMENTS[char]

    def begin(row: Register, length: Register) -> Callable[[Register, str], None]:
        numbers = {name: f.load(element, arrays[name], row) for name in columns}
        rows = {
            name: f.at(array, row * length, element)
            for name, array in arrays.items()
            if name not in columns
        }
        targets = [f.at(output, row * length, element) for output in outputs]

        def apply(at: Register, kind: str) -> None:
            values = {name: f.spread(x, kind) for name, x in numbers.items()}
            values.update({name: f.load(kind, array, at) for name, array in rows.items()})
            for i, (name, *names) in enumerate(text.steps):
                values[f"s{i}"] = operation(f, name, *[values[n] for n in names])
            for name, target in zip(text.results, targets, strict=True):
                f.store(values[name], target, at)

        return apply

    length = f.integer("length")
    with f.loop(f.integer("first"), f.integer("last")) as row:
        along(f, element, length, begin(row, length))
    return compiled(f)


def along(
    f: Function, element: str, length: Register, apply: Callable[[Register, str], None]
) -> None:
    """Apply lines to the vectors of a row, and then to single numbers."""
    lanes = machine().lanes(element)
    whole = length / lanes * lanes
    with f.loop(0, whole, lanes) as i:
        apply(i, vector(element, lanes))
    with f.loop(whole, length) as i:
        apply(i, element)


# -- sums ----------------------------------------------------------------------------------------


def moments(x: Array) -> Array:
    """Return of each row its mean, the sum of deviations from it as rounded, and of their squares.

    Parameters
    ----------
    x : array
        A contiguous matrix.

    Returns
    -------
    array
        Shape (3, rows).
    """
    out = np.empty((3, len(x)), x.dtype)
    _run(_moments_kernel(x.dtype.char), [x, *out], x.shape)
    return out


@cache
def _moments_kernel(char: str) -> Compiled:
    f = Function("moments")
    x = f.address("x")
    means, firsts, seconds = map(f.address, ("means", "firsts", "seconds"))
    length, element = f.integer("length"), ELEMENTS[char]
    count = f.convert(length, element)
    with f.loop(f.integer("first"), f.integer("last")) as row:
        source = f.at(x, row * length, element)
        (total,) = _summed(f, element, length, 1, lambda kind, at: [f.load(kind, source, at)])
        mean = total / count

        def deviations(kind: str, at: Register) -> list[Register]:
            deviation = f.load(kind, source, at) - f.spread(mean, kind)
            return [deviation, deviation * deviation]

        first, second = _summed(f, element, length, 2, deviations)
        for number, array in ((mean, means), (first, firsts), (second, seconds)):
            f.store(number, array, row)
    return compiled(f)


def products(g: Array, x: Array, centers: Array) -> Array:
    """Return of each row the sum of g, and of g times the deviation of x from a center.

    Parameters
    ----------
    g, x : array
        Contiguous matrices of one shape and dtype.
    centers : array
        One number for each row.

    Returns
    -------
    array
        Shape (2, rows).
    """
    out = np.empty((2, len(x)), x.dtype)
    _run(_products_kernel(x.dtype.char), [g, x, centers, *out], x.shape)
    return out


@cache
def _products_kernel(char: str) -> Compiled:
    f = Function("products")
    g, x, centers, sums, others = map(f.address, ("g", "x", "centers", "sums", "others"))
    length, element = f.integer("length"), ELEMENTS[char]
    with f.loop(f.integer("first"), f.integer("last")) as row:
        left, right = (f.at(array, row * length, element) for array in (g, x))
        center = f.load(element, centers, row)

        def terms(kind: str, at: Register) -> list[Register]:
            a = f.load(kind, left, at)
            return [a, a * (f.load(kind, right, at) - f.spread(center, kind))]

        for total, array in zip(_summed(f, element, length, 2, terms), (sums, others), strict=True):
            f.store(total, array, row)
    return compiled(f)


def _summed(
    f: Function,
    element: str,
    length: Register,
    count: int,
    terms: Callable[[str, Register], list[Register]],
) -> list[Register]:
    """Sum several terms over a row; `terms` are those of a vector, or of a number, at a place."""
    lanes = machine().lanes(element)
    kind = vector(element, lanes)
    zero = f.constant(0, kind)
    vectors = [[f.variable(zero) for _ in range(count)] for _ in range(_SUMS)]
    step = _SUMS * lanes
    most = length / step * step
    with f.loop(0, most, step) as i:
        for k, sums in enumerate(vectors):
            _add(sums, terms(kind, i + k * lanes))
    whole = length / lanes * lanes
    with f.loop(most, whole, lanes) as i:
        _add(vectors[0], terms(kind, i))
    singles = []
    for number in range(count):
        a, b, c, d = (sums[number].value for sums in vectors)
        singles.append(f.variable(f.sum_of_lanes((a + b) + (c + d))))
    with f.loop(whole, length) as i:
        _add(singles, terms(element, i))
    return [single.value for single in singles]


def _add(sums: list[Variable], terms: list[Register]) -> None:
    for total, term in zip(sums, terms, strict=True):
        total.value = total.value + term
