"""What operators need to know of their operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.calls import open_node
from dlgradient.core.reading import read
from dlgradient.core.types import Array
from dlgradient.engine.array import dlarray
from dlgradient.errors import LeavingTraceError

__all__ = ["axis_in", "dtype_of", "ints", "number", "raw"]


def raw(x: Any) -> Array:
    """Return the value of an operand that must not depend on learnables."""
    if type(x) is dlarray:
        if open_node(x) is not None:
            raise LeavingTraceError("an operand that says sizes or places must not be traced")
        return np.asarray(read(x))
    return np.asarray(x)


def ints(x: Any) -> list[int]:
    """Return an operand as a list of integers."""
    found: list[int] = raw(x).reshape(-1).astype(np.int64).tolist()
    return found


def number(x: Any) -> float | None:
    """Return an operand of one element as a number; None if it is left out."""
    return None if x is None else raw(x).reshape(-1)[0].item()


def dtype_of(x: Any) -> np.dtype[Any]:
    """Return the dtype of an operand."""
    found: np.dtype[Any] = x.dtype
    return found


def axis_in(axis: int, x: Any) -> int:
    """Return an axis counted from the first one."""
    return axis + x.ndim if axis < 0 else axis
