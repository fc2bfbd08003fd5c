"""Bitwise functions and shifts of integers, which of bool are logic; they carry no derivative.

The operators ``& | ^ ~ << >>`` are these functions. In MATLAB ``^`` is power, ``&`` and ``|`` are
logic of any numbers. So floating-point operands are refused, by an error that says what to write.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Kernel, Operand, Value
from dlgradient.errors import ShapeMismatchError, UnsupportedDtypeError
from dlgradient.rules import constant

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
]


def _dtype(value: Value) -> str:
    return str(value.dtype) if isinstance(value, np.ndarray | np.generic) else type(value).__name__


def _whole(function: np.ufunc, name: str, operator: str, instead: str) -> Kernel:
    """Kernel of a function of integers and bool; the error for others names the right one."""

    def kernel(*values: Value) -> Any:
        try:
            return function(*values)
        # NumPy has no such loop for floating-point numbers; nothing is checked before.
        except TypeError as error:
            raise UnsupportedDtypeError(
                f"{name} (the operator {operator}): operands must be integers or bool, found "
                f"{' and '.join(map(_dtype, values))}; {instead}"
            ) from error

    return kernel


def _integers(m: Maker, *shape: int) -> Value:
    return (9 * np.abs(m.real(*shape))).astype(np.int64)


def _shifts(m: Maker) -> list[Case]:
    return [
        case(_integers(m, 2, 3), _integers(m, 3)),
        case(_integers(m, 2), 1),
        case(_integers(m), np.int64(2)),
        case(_integers(m, 0), _integers(m, 1)),
    ]


def _pairs(m: Maker) -> list[Case]:
    return [
        *_shifts(m),
        case(m.bools(2, 3), m.bools(3)),
        case(m.bools(), True),
        case(_integers(m, 2), m.bools(2)),
    ]


def _refused(m: Maker) -> list[Error]:
    return [
        Error(case(_integers(m, 3), _integers(m, 2)), ShapeMismatchError, r"shape \(3,\) int64"),
        Error(case(m.real(2), 2), UnsupportedDtypeError, "found float64 and int"),
    ]


_LOGIC = "truth of numbers is logical_{}(x, y), or a comparison, (x != 0) {} (y != 0)"
_FACTOR = "a factor of a power of two is x * 2.0**n"


@constant(
    format="align",
    kernel=_whole(np.bitwise_and, "bitwise_and", "&", _LOGIC.format("and", "&")),
    samples=_pairs,
    errors=_refused,
    numpy=np.bitwise_and,
)
def bitwise_and(x: Operand, y: Operand, /) -> Value:
    """Bits that both of two integers have; of bool, whether both are true.

    The operator is ``x & y``. It carries no derivative.

    Examples
    --------
    >>> dl.bitwise_and(dl.dlarray(np.array([6, 5])), 3).tolist()
    [2, 1]

    Source: array-API ``bitwise_and``; MATLAB ``bitand``.
    """


@constant(
    format="align",
    kernel=_whole(np.bitwise_or, "bitwise_or", "|", _LOGIC.format("or", "|")),
    samples=_pairs,
    errors=_refused,
    numpy=np.bitwise_or,
)
def bitwise_or(x: Operand, y: Operand, /) -> Value:
    """Bits that at least one of two integers has; of bool, whether at least one is true.

    The operator is ``x | y``. It carries no derivative.

    Examples
    --------
    >>> dl.bitwise_or(dl.dlarray(np.array([6, 5])), 3).tolist()
    [7, 7]

    Source: array-API ``bitwise_or``; MATLAB ``bitor``.
    """


@constant(
    format="align",
    kernel=_whole(np.bitwise_xor, "bitwise_xor", "^", "power is x ** y"),
    samples=_pairs,
    errors=_refused,
    numpy=np.bitwise_xor,
)
def bitwise_xor(x: Operand, y: Operand, /) -> Value:
    """Bits that exactly one of two integers has; of bool, whether exactly one is true.

    The operator is ``x ^ y``. Power is ``x ** y``. It carries no derivative.

    Examples
    --------
    >>> dl.bitwise_xor(dl.dlarray(np.array([6, 5])), 3).tolist()
    [5, 6]

    Source: array-API ``bitwise_xor``; MATLAB ``bitxor``.
    """


@constant(
    format="align",
    kernel=_whole(np.left_shift, "bitwise_left_shift", "<<", _FACTOR),
    samples=_shifts,
    errors=_refused,
    numpy=np.left_shift,
)
def bitwise_left_shift(x: Operand, y: Operand, /) -> Value:
    """Integers with their bits moved to the left by ``y`` bits.

    The operator is ``x << y``. It carries no derivative.

    Examples
    --------
    >>> dl.bitwise_left_shift(dl.dlarray(np.array([6, 5])), 1).tolist()
    [12, 10]

    Source: array-API ``bitwise_left_shift``; MATLAB ``bitshift``.
    """


@constant(
    format="align",
    kernel=_whole(np.right_shift, "bitwise_right_shift", ">>", _FACTOR),
    samples=_shifts,
    errors=_refused,
    numpy=np.right_shift,
)
def bitwise_right_shift(x: Operand, y: Operand, /) -> Value:
    """Integers with their bits moved to the right by ``y`` bits.

    The operator is ``x >> y``. It carries no derivative.

    Examples
    --------
    >>> dl.bitwise_right_shift(dl.dlarray(np.array([6, 5])), 1).tolist()
    [3, 2]

    Source: array-API ``bitwise_right_shift``; MATLAB ``bitshift`` with a negative count.
    """


@constant(
    format="same",
    kernel=_whole(
        np.invert, "bitwise_invert", "~", "truth of numbers is logical_not(x), or x == 0"
    ),
    samples=lambda m: [case(_integers(m, 2, 3)), case(m.bools(2, 2)), case(m.bools())],
    errors=lambda m: [Error(case(m.real(2)), UnsupportedDtypeError, "found float64")],
    numpy=np.invert,
)
def bitwise_invert(x: Operand, /) -> Value:
    """Integers with every bit inverted; of bool, whether they are false.

    The operator is ``~x``. It carries no derivative.

    Examples
    --------
    >>> dl.bitwise_invert(dl.dlarray(np.array([6, 5]))).tolist()
    [-7, -6]

    Source: array-API ``bitwise_invert``; MATLAB ``bitcmp``.
    """
