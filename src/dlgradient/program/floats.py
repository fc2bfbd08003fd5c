"""Scalars as Python floats: which values of a program are printed so, and how.

Arithmetic of Python's floats costs a third of that of NumPy's scalars, and functions of `math` a
tenth of NumPy's. Results are the same numbers, to rounding. Where NumPy returns infinity or NaN,
Python raises: ZeroDivisionError, OverflowError or ValueError. The program then runs in NumPy.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from dlgradient.core.declaration import OPS
from dlgradient.core.types import Dtype, Shape
from dlgradient.program.lines import Line, Program, Slot, is_known

__all__ = ["FORMS", "floating_slots", "is_vector_of_floats", "power"]

_FLOAT64 = np.dtype(np.float64)
LONGEST = 64  # elements of a gradient that is made of floats

# How operations of floats are written.
FORMS = {
    "add": "{} + {}",
    "subtract": "{} - {}",
    "multiply": "{} * {}",
    "divide": "{} / {}",
    "negative": "-{}",
    "abs": "abs({})",
    "square": "{0} * {0}",
    "abs2": "{0} * {0}",
    "reciprocal": "1.0 / {}",
    **{name: f"math.{name}({{}})" for name in ("exp", "expm1", "log", "log2", "log10", "log1p")},
    **{name: f"math.{name}({{}})" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{name: f"math.{name}({{}})" for name in ("asin", "acos", "atan", "sqrt")},
    "asinh": "math.asinh({})",
    "acosh": "math.acosh({})",
    "atanh": "math.atanh({})",
}
# Squares have no operation of their own in a product or a power.
_SPECIAL = frozenset({"pow", "getitem"})


def floating_slots(program: Program) -> set[Slot]:
    """Return the values that are Python floats; none if most of the program is not scalar."""
    kinds: dict[int, tuple[Shape, Dtype | None]] = dict(enumerate(program.inputs))
    found: set[Slot] = set()
    lines = program.lines
    for line in lines:
        kinds[line.target] = line.shape, line.dtype
        if _is_float(line, kinds):
            found.add(line.target)
    others = sum(
        line.target not in found and not is_vector_of_floats(line, found) for line in lines
    )
    return found if len(found) > 2 * others else set()


def _is_float(line: Line, kinds: dict[int, tuple[Shape, Dtype | None]]) -> bool:
    if line.shape != () or line.dtype != _FLOAT64 or not is_known(line.op):
        return False
    name = line.op.name
    if name == "getitem":
        x, key = line.operands[0], line.params["key"]
        return type(x) is Slot and kinds[x] == ((kinds[x][0][:1]), _FLOAT64) and type(key) is int
    if name not in FORMS and name not in _SPECIAL:
        return False
    return not line.params and all(_is_scalar(x, kinds) for x in line.operands)


def _is_scalar(x: Any, kinds: dict[int, tuple[Shape, Dtype | None]]) -> bool:
    if type(x) is Slot:
        return kinds[x] == ((), _FLOAT64)
    return type(x) in (int, float, np.float64) and abs(x) < 2**53


def is_vector_of_floats(line: Line, floats: AbstractSet[Slot]) -> bool:
    """Return whether a line collects floats in a vector, as the gradient of indexing does."""
    return (
        line.op is OPS["scatter"]
        and len(line.shape) == 1
        and line.shape[0] <= LONGEST
        and all(type(key) is int for key in line.params["keys"])
        and all(x in floats for x in line.operands)
    )


def power(base: str, exponent: Any, shown: str) -> str:
    """Return how a power of floats is written."""
    if type(exponent) is not Slot and exponent == 2:
        return f"{base} * {base}"
    return f"math.pow({base}, {shown})"
