"""Formulas of raw arrays, in one pass if compiled, else chunk by chunk; and their functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from types import CodeType
from typing import Any, TypeAlias

from dlgradient.core.sizes import NATIVE_UPDATE_ELEMENTS, NATIVE_UPDATE_USES, UPDATE_CHUNK
from dlgradient.core.types import Array, Value
from dlgradient.native.lanes import Lane
from dlgradient.native.switch import uses_native
from dlgradient.ops.complex import sign as sign_of
from dlgradient.ops.powers import root_of_squares, sqrt

__all__ = [
    "Formula",
    "compute",
    "compute_from_pieces",
    "compute_in_one_pass",
    "positive_root",
    "root",
    "sign",
]

# formula(*operands) -> results
Formula: TypeAlias = Callable[..., tuple[Value, ...]]


def compute(formula: Formula, operands: Sequence[Array | float], outputs: Sequence[Array]) -> None:
    """Write the results of a formula to arrays, which are vectors.

    Parameters
    ----------
    formula : callable
        Of real arrays or numbers, elementwise. Apart from operators it uses the functions here.
    operands : sequence of array or float
    outputs : sequence of array
        One for each result. All arrays are contiguous, and of one dtype and one shape.
    """
    if compute_in_one_pass(formula, operands, outputs):
        return
    for first in range(0, outputs[0].size, UPDATE_CHUNK):
        part = slice(first, first + UPDATE_CHUNK)  # its temporaries stay in the cache
        values = formula(*[x if isinstance(x, float) else x[part] for x in operands])
        for output, value in zip(outputs, values, strict=True):
            output[part] = value


def compute_in_one_pass(
    formula: Formula, operands: Sequence[Array | float], outputs: Sequence[Array]
) -> bool:
    """Write the results of a formula to arrays, as `compute`; False if it is not compiled."""
    if not _is_compiled(formula, outputs[0]):
        return False
    return bool(_native().compute(formula, operands, outputs))


def compute_from_pieces(
    formula: Formula,
    spans: Sequence[tuple[Any, int, int]],
    vectors: Sequence[Array | float],
    pieces: list[Any],
    layout: tuple[Array, Array],
    outputs: Sequence[Array],
) -> bool:
    """Write the results of a formula whose third operand is in pieces; False if not compiled.

    Parameters
    ----------
    formula : callable
        ``formula(factor, vector, piece, *other vectors)``
    spans : sequence
        Factors, and where the parts of the vectors that have them begin and end.
    vectors : sequence of array or float
    pieces : list of dlarray
    layout : tuple of array
        Of the pieces, as `Columns.pieces` gives it.
    outputs : sequence of array
        One for each result. All vectors are contiguous, and all arrays of one dtype.
    """
    if not _is_compiled(formula, outputs[0]):
        return False
    return all(
        _native().compute_from_pieces(
            partial(formula, factor), vectors, pieces, layout, outputs, (start, stop)
        )
        for factor, start, stop in spans
    )


@cache
def _native() -> Any:
    """Return the module of compiled formulas, which is loaded where one is needed."""
    from dlgradient.native import formula

    return formula


def _is_compiled(formula: Formula, like: Array) -> bool:
    """Return whether a formula is compiled: for large arrays, and where it is used often.

    The results are the same bits.
    """
    if like.size >= NATIVE_UPDATE_ELEMENTS:
        return uses_native(like.dtype, pays=True)
    function = formula.func if type(formula) is partial else formula
    count = _uses.get(function.__code__, 0)
    if count < NATIVE_UPDATE_USES:
        _uses[function.__code__] = count + 1
    return uses_native(like.dtype, pays=count == NATIVE_UPDATE_USES)


# How often the formulas of small arrays were computed, by their code.
_uses: dict[CodeType, int] = {}


def root(x: Any) -> Any:
    """Return the square root of a sum of squares, whose derivative at 0 is 0."""
    return x.sqrt() if isinstance(x, Lane) else root_of_squares(x)


def positive_root(x: Any) -> Any:
    """Return the square root."""
    return x.sqrt() if isinstance(x, Lane) else sqrt(x)


def sign(x: Any) -> Any:
    """Return -1, 0 or 1."""
    return x.sign() if isinstance(x, Lane) else sign_of(x)
