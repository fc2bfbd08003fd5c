"""Operators that act on each element: arithmetic, comparisons, mathematical functions."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from dlgradient.network.onnx.registry import declare, operator
from dlgradient.network.onnx.values import dtype_of
from dlgradient.nn.activations.smooth import erf
from dlgradient.ops.arithmetic import (
    add,
    divide,
    floor_divide,
    multiply,
    negative,
    positive,
    remainder,
    subtract,
)
from dlgradient.ops.bitwise import (
    bitwise_and,
    bitwise_invert,
    bitwise_left_shift,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
)
from dlgradient.ops.casting import astype
from dlgradient.ops.choice import maximum, minimum, where
from dlgradient.ops.complex import abs as absolute
from dlgradient.ops.complex import sign
from dlgradient.ops.exponential import exp, log
from dlgradient.ops.logical import (
    equal,
    greater,
    greater_equal,
    isinf,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
)
from dlgradient.ops.powers import pow as power
from dlgradient.ops.powers import reciprocal, sqrt
from dlgradient.ops.rounding import ceil, floor
from dlgradient.ops.rounding import round as rounded
from dlgradient.ops.trigonometry import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    cos,
    cosh,
    sin,
    sinh,
    tan,
    tanh,
)

__all__: list[str] = []

UNARY: dict[str, Any] = {
    "Abs": absolute,
    "Acos": acos,
    "Acosh": acosh,
    "Asin": asin,
    "Asinh": asinh,
    "Atan": atan,
    "Atanh": atanh,
    "BitwiseNot": bitwise_invert,
    "Ceil": ceil,
    "Cos": cos,
    "Cosh": cosh,
    "Erf": erf,
    "Exp": exp,
    "Floor": floor,
    "IsNaN": isnan,
    "Log": log,
    "Neg": negative,
    "Not": logical_not,
    "Reciprocal": reciprocal,
    "Round": rounded,
    "Sign": sign,
    "Sin": sin,
    "Sinh": sinh,
    "Sqrt": sqrt,
    "Tan": tan,
    "Tanh": tanh,
}
BINARY: dict[str, Any] = {
    "Add": add,
    "And": logical_and,
    "BitwiseAnd": bitwise_and,
    "BitwiseOr": bitwise_or,
    "BitwiseXor": bitwise_xor,
    "Equal": equal,
    "Greater": greater,
    "GreaterOrEqual": greater_equal,
    "Less": less,
    "LessOrEqual": less_equal,
    "Mul": multiply,
    "Or": logical_or,
    "Sub": subtract,
    "Xor": logical_xor,
}
SEVERAL: dict[str, Any] = {"Max": maximum, "Min": minimum, "Sum": add}


def _unary(function: Any) -> Any:
    def computed(x: Any) -> Any:
        return function(x)

    return computed


def _binary(function: Any) -> Any:
    def computed(x: Any, y: Any) -> Any:
        return function(x, y)

    return computed


def _several(function: Any) -> Any:
    def computed(*operands: Any) -> Any:
        return reduce(function, operands)

    return computed


for _name, _function in UNARY.items():
    declare(_unary(_function), _name)
for _name, _function in BINARY.items():
    declare(_binary(_function), _name, factors="x y")
for _name, _function in SEVERAL.items():
    declare(_several(_function), _name)


@operator("Identity")
def identity(x: Any) -> Any:
    """Return x."""
    return positive(x) if x.dtype.kind == "f" else x


@operator("Div", factors="x y")
def quotient(x: Any, y: Any) -> Any:
    """Return a quotient, of integers without their fraction."""
    if dtype_of(x).kind == "f":
        return divide(x, y)
    return sign(x) * sign(y) * floor_divide(absolute(x), absolute(y))


@operator("Mod")
def modulo(x: Any, y: Any, *, fmod: int = 0) -> Any:
    """Return a remainder with the sign of the divisor, or with that of the dividend."""
    if not fmod:
        return remainder(x, y)
    return sign(x) * remainder(absolute(x), absolute(y))


@operator("Pow", factors="x")
def raised(x: Any, y: Any) -> Any:
    """Return a power of the type of x."""
    # A number as exponent needs no logarithm of x, which may be negative.
    single = type(y) is np.ndarray and y.size == 1 and y.ndim <= x.ndim
    exponent = y.item() if single else y
    found = power(x, exponent)
    return found if found.dtype == x.dtype else astype(found, x.dtype)


@operator("Mean")
def mean_of(*operands: Any) -> Any:
    """Return the mean of the operands."""
    return reduce(add, operands) / len(operands)


@operator("Where", factors="x y")
def chosen(condition: Any, x: Any, y: Any) -> Any:
    """Return x where the condition is true, else y."""
    return where(condition, x, y)


@operator("IsInf")
def infinite(x: Any, *, detect_negative: int = 1, detect_positive: int = 1) -> Any:
    """Return where x is infinite, of one or both signs."""
    wanted = where(x > 0, bool(detect_positive), bool(detect_negative))
    return logical_and(isinf(x), wanted)


@operator("BitShift")
def shifted(x: Any, y: Any, *, direction: str) -> Any:
    """Return x with its bits shifted."""
    return (bitwise_left_shift if direction == "LEFT" else bitwise_right_shift)(x, y)
