"""What a call makes of operands that are neither dlarrays nor values: lists, tables, numbers.

A list, or an array of objects, of traced dlarrays is joined, so that its derivative is not lost.
An operator also meets objects that it does not know; Python then asks their own operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.types import Op, RawValue, Value
from dlgradient.core.values import RAW_TYPES, as_value
from dlgradient.errors import LeavingTraceError, UnsupportedDtypeError

__all__ = ["as_array", "converted", "known"]


# Numbers that NumPy knows.
_NUMBERS: tuple[type, ...] = (int, float, np.generic)


def converted(op: Op, operands: Sequence[Value]) -> tuple[Value, ...]:
    """Return operands as dlarrays or values."""
    return tuple(
        [
            a if _is_ready(a) else as_array(a, f"{op.shown}: {op.operand_name(i)}")
            for i, a in enumerate(operands)
        ]
    )


def _is_ready(operand: Any) -> bool:
    if type(operand) is np.ndarray:
        return bool(operand.dtype.kind != "O")
    return type(operand) is calls.dlarray or type(operand) in RAW_TYPES


def known(op: Op, operands: Sequence[Value]) -> tuple[Value, ...] | None:
    """Return operands of an operator as dlarrays or values; None if it does not know one."""
    if all(map(_is_known, operands)):
        return converted(op, operands)
    return None


def _is_known(operand: object) -> bool:
    kind = type(operand)
    if getattr(kind, "__array_ufunc__", ()) is None:
        return False  # it says that arrays leave operators to it, as pytest.approx does
    if kind is calls.dlarray or isinstance(operand, list | tuple | range | np.generic | Real):
        return True
    return hasattr(kind, "__array__") or kind.__module__.startswith("scipy.sparse")


def as_array(data: Any, where: str, *, copy: bool = False) -> RawValue | Value:
    """Return data as a raw value, or as a dlarray if it is one, or if a member is traced."""
    if type(data) is calls.dlarray:
        return data
    if isinstance(data, Real) and not isinstance(data, _NUMBERS):
        data = float(data)  # a Fraction, for instance
    try:
        return as_value(data, where, copy=copy)
    except (LeavingTraceError, UnsupportedDtypeError):
        if not _holds_dlarray(data):
            raise
        return _joined(data)


def _holds_dlarray(data: Any) -> bool:
    if type(data) is calls.dlarray:
        return True
    if isinstance(data, np.ndarray) and data.dtype == object:
        data = data.ravel().tolist()
    return isinstance(data, list | tuple) and any(map(_holds_dlarray, data))


def _joined(data: Any) -> Value:
    """Return nested sequences, or an array of objects, as one dlarray."""
    if isinstance(data, np.ndarray) and data.dtype == object:
        members = [_joined(member) for member in data.ravel().tolist()]
        joined = calls.FUNCTIONS["stack"](members, axis=0)
        return calls.FUNCTIONS["reshape"](joined, shape=(*data.shape, *joined.shape[1:]))
    if isinstance(data, list | tuple):
        return calls.FUNCTIONS["stack"]([_joined(member) for member in data], axis=0)
    return data
