"""What ``domain="real"`` and ``floating=True`` of a declaration mean: which operands a kernel gets.

An operation of real operands refuses complex ones. Most kernels refuse them anyway, since NumPy has
no such loop for complex numbers. A guard is added to the others, where NumPy would order complex
numbers by their real parts.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from dlgradient.core.types import Kernel, Operand, Value
from dlgradient.core.values import RAW_TYPES, as_value
from dlgradient.errors import ComplexValueError

__all__ = [
    "DOMAINS",
    "Domain",
    "complex_operand",
    "in_floating_point",
    "refuse_complex",
    "restricted",
]

Domain: TypeAlias = Literal["complex", "real"]
DOMAINS = ("complex", "real")

# Types that need no look at their dtype, which costs as much as a comparison of two scalars.
_REALS = RAW_TYPES - {complex, np.complex64, np.complex128, np.ndarray}
_FLOATS = frozenset({float, np.float64, np.float32})
# Python's operators on arrays refuse operands that NumPy has no loop for.
_REFUSING = frozenset({operator.mod, operator.floordiv})


def _is_complex(value: Value) -> bool:
    return type(value) not in _REALS and (type(value) is complex or value.dtype.kind == "c")


def _refused(function: str, operand: str, value: Operand) -> ComplexValueError:
    """Return the error for a complex operand of a function of real ones."""
    found = (
        "is a complex number of Python"
        if type(value) is complex
        else f"has shape {np.shape(value)} {np.asarray(value).dtype}"
    )
    return ComplexValueError(
        f"{function}: {operand} must be real, and {found}; take real({operand}), imag({operand}) "
        f"or abs({operand})"
    )


def refuse_complex(function: str, **operands: Operand | None) -> None:
    """Raise the error if one of the operands, raw or dlarrays, is complex; None is skipped."""
    for name, x in operands.items():
        if x is None or type(x) in _REALS:
            continue
        value = getattr(x, "_value", x)
        if type(value) not in RAW_TYPES:
            value = as_value(value, f"{function}: {name}")
        if _is_complex(value):
            raise _refused(function, name, value)


def complex_operand(op: Any, values: Sequence[Value]) -> ComplexValueError | None:
    """Return the error for the first complex operand of an operation, or None."""
    for i, value in enumerate(values):
        if _is_complex(value):
            return _refused(op.shown, op.operand_name(i), value)
    return None


def restricted(op: Any) -> Kernel:
    """Return the kernel of an operation of real operands, with a guard if it needs one."""
    kernel: Kernel = op.kernel
    if kernel in _REFUSING or (isinstance(kernel, np.ufunc) and not _has_complex_loop(kernel)):
        return kernel

    def guarded(*values: Value, **params: object) -> Value:
        if error := complex_operand(op, values):
            raise error
        return kernel(*values, **params)

    def guarded_one(x: Value, **params: object) -> Value:
        if _is_complex(x):
            guarded(x)
        return kernel(x, **params)

    def guarded_pair(x: Value, y: Value) -> Value:
        if _is_complex(x) or _is_complex(y):
            guarded(x, y)
        return kernel(x, y)

    if len(op.operands) == 1 and not op.variadic:
        return guarded_one
    return guarded if op.params or len(op.operands) != 2 else guarded_pair


def in_floating_point(op: Any) -> Kernel:
    """Return the kernel of one operand that computes with integers and bool as float64.

    In their own dtype they would wrap around, and NumPy computes functions of small ones in half
    precision.
    """
    kernel: Kernel = op.kernel
    real = op.domain == "real"

    def computed(x: Value, **params: object) -> Value:
        # One look at the dtype, as for the domain: small calls of relu notice a second one.
        if x.dtype.kind == "f" if type(x) is np.ndarray else type(x) in _FLOATS:
            return kernel(x, **params)
        kind = np.result_type(x).kind
        if kind == "c" and real:
            raise _refused(op.shown, op.operand_name(0), x)
        return kernel(np.float64(x) if kind in "biu" else x, **params)

    return computed


def _has_complex_loop(ufunc: np.ufunc) -> bool:
    return any("D" in loop.partition("->")[0] for loop in ufunc.types)
