"""Formulas of raw arrays, in one pass if compiled, else chunk by chunk; and their functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from dlgradient.core.sizes import NATIVE_UPDATE_ELEMENTS, UPDATE_CHUNK
from dlgradient.core.types import Array, Value
from dlgradient.native.lanes import Lane
from dlgradient.native.switch import uses_native
from dlgradient.ops.complex import sign as sign_of
from dlgradient.ops.powers import root_of_squares, sqrt

__all__ = ["Formula", "compute", "compute_in_one_pass", "positive_root", "root", "sign"]

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
    size, dtype = outputs[0].size, outputs[0].dtype
    if not uses_native(dtype, pays=size >= NATIVE_UPDATE_ELEMENTS):
        return False
    from dlgradient.native.formula import compute

    return compute(formula, operands, outputs)


def root(x: Any) -> Any:
    """Return the square root of a sum of squares, whose derivative at 0 is 0."""
    return x.sqrt() if type(x) is Lane else root_of_squares(x)


def positive_root(x: Any) -> Any:
    """Return the square root."""
    return x.sqrt() if type(x) is Lane else sqrt(x)


def sign(x: Any) -> Any:
    """Return -1, 0 or 1."""
    return x.sign() if type(x) is Lane else sign_of(x)
