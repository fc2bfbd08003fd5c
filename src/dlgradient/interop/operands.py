"""Operands of NumPy's functions: which are traced, raw values, the order of elements."""

from __future__ import annotations

from collections.abc import Iterable

from dlgradient.core import calls, conversion, reading
from dlgradient.core.slips import C_ORDER
from dlgradient.core.types import Operand, Value
from dlgradient.errors import InvalidArgumentError
from dlgradient.ops.shape import reshape

__all__ = ["as_array", "check_order", "flatten", "is_traced", "raw"]


def is_traced(values: Iterable[object]) -> bool:
    """Tell whether one of the values, or of their members, is a traced dlarray."""
    for value in values:
        if type(value) is calls.dlarray:
            if reading.is_traced(value):
                return True
        elif isinstance(value, list | tuple) and is_traced(value):
            return True
    return False


def raw(value: Operand) -> Value:
    """Return a value with every dlarray in it, at any depth of list and tuple, as a raw value."""
    if type(value) is calls.dlarray:
        return reading.read(value)
    if type(value) in (list, tuple):
        return type(value)([raw(v) for v in value])
    return value


def as_array(x: Operand) -> Value:
    """Return `x` as something with a shape: a dlarray, also of traced members, or a raw value."""
    return conversion.as_array(x, "a function of NumPy: operand")


def flatten(x: Operand) -> Value:
    """Return the elements of `x` in one dimension."""
    x = as_array(x)
    return x if x.ndim == 1 else reshape(x, (-1,))


def check_order(order: str) -> None:
    """Refuse an order of elements other than C's."""
    if order not in ("C", "K", "A"):
        raise InvalidArgumentError(f"order={order!r}: {C_ORDER}")
