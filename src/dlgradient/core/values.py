"""NumPy values: which raw data are accepted, and in which form.

A raw value is a `numpy.ndarray` or, for a result without dimensions, a NumPy scalar. Arithmetic of
NumPy scalars costs a fifth of that of zero-dimensional arrays. Python scalars are not converted
next to an array, so that their dtype is weak, as in NumPy.
"""

from __future__ import annotations

from contextvars import ContextVar, copy_context
from typing import Any

import numpy as np

from dlgradient.errors import UnsupportedDtypeError

__all__ = [
    "DTYPE_CODES",
    "ERRORS",
    "PYTHON_SCALARS",
    "RAW_TYPES",
    "SILENT",
    "WEAK_SCALARS",
    "Unconverted",
    "as_operand",
    "as_value",
    "is_dlarray",
    "is_python_integer",
    "is_supported",
    "whole_numbers",
]

PYTHON_SCALARS = frozenset({float, int, complex, bool})
# What does not decide the dtype of a result with an array. Who writes `np.sqrt(2)` or
# `np.finfo(float).eps` means a number, and a float32 model must stay float32.
WEAK_SCALARS = PYTHON_SCALARS | {np.float64}
_NUMPY_SCALARS = frozenset(
    {np.float64, np.float32, np.complex128, np.complex64, np.bool_}
    | {np.dtype(code).type for code in "bhilqBHILQ"}
)
# Types that are used as they are, without a look at their elements.
RAW_TYPES = PYTHON_SCALARS | _NUMPY_SCALARS | {np.ndarray}
# Characters of the dtypes of operands.
DTYPE_CODES = frozenset("?bBhHiIlLqQfdFD")


def _error_state() -> tuple[ContextVar[Any], Any]:
    """Return the context variable of NumPy's error state, and its value for silence.

    Setting it costs a twentieth of entering `numpy.errstate`, which costs as much as the rules of a
    small gradient. With a NumPy that keeps its state elsewhere, only warnings would appear.
    """
    before = copy_context()
    with np.errstate(all="ignore"):
        for variable, value in copy_context().items():
            if before.get(variable) is not value:
                return variable, value
    return ContextVar("unused"), None


ERRORS, SILENT = _error_state()


_CONVERT = "for instance with numpy.asarray(data, dtype=numpy.float64)"
_FULL = (
    "with data.toarray(), or write its product as the operation SparseProduct, on the page "
    '"Linear systems"'
)


def _refused(where: str, found: str, how: str = _CONVERT) -> UnsupportedDtypeError:
    return UnsupportedDtypeError(
        f"{where}: {found} is not supported; expected a full array of float32, float64, complex64, "
        f"complex128 or bool (integers as data that carry no derivative). Convert it first, {how}"
    )


class Unconverted(Exception):  # noqa: N818 - no error: a call converts the operand
    """An operand is of a type that is converted before a call."""


def is_supported(dtype: np.dtype[Any]) -> bool:
    """Return whether the elements of a dlarray may be of this dtype."""
    return dtype.char in DTYPE_CODES


def _check_dtype(array: Any, where: str) -> None:
    if not is_supported(array.dtype):
        raise _refused(where, f"dtype {array.dtype} of shape {array.shape}")


def refuse_masked(data: object, where: str) -> None:
    """Refuse a masked array, or a sequence of some: a conversion would drop the mask."""
    members = data if type(data) in (list, tuple) else (data,)
    if any(isinstance(member, np.ma.MaskedArray) for member in members):  # type: ignore[attr-defined]
        raise UnsupportedDtypeError(
            f"{where}: a masked array is not supported, since its mask would be lost; fill it, "
            "with data.filled(0), and choose with the mask, where(~data.mask, x, 0)"
        )


def as_value(data: Any, where: str, *, copy: bool = False) -> Any:
    """Return `data` as a raw value: an ndarray, or a NumPy scalar if it has no dimension.

    Parameters
    ----------
    data : array_like
        Array, scalar or nested sequence.
    where : str
        Function and argument, for the error.
    copy : bool
        Whether the result must not share memory with `data`.
    """
    if type(data).__module__.startswith(("scipy.sparse", "sparse")):
        raise _refused(where, f"a sparse array of type {type(data).__name__}", _FULL)
    refuse_masked(data, where)
    try:
        array = np.array(data) if copy else np.asarray(data)
    except ValueError as error:
        raise _refused(
            where, f"a ragged or mixed sequence of type {type(data).__name__}"
        ) from error
    _check_dtype(array, where)
    if array.dtype.byteorder not in "=|":
        array = array.astype(array.dtype.newbyteorder("="))
    return array if array.ndim else array[()]


def is_dlarray(value: object) -> bool:
    """Return whether a value is a dlarray. The class, which this module does not know, is none."""
    return hasattr(type(value), "_node")


def is_python_integer(data: Any) -> bool:
    """Return whether data are integers of Python, which have no dtype, nested or not."""
    while type(data) in (list, range, tuple) and data:
        data = data[0]
    return isinstance(data, int)


def whole_numbers(values: Any) -> Any:
    """Return floating-point numbers that are whole as integers, and other values as they are.

    Indices of classes are double in MATLAB, and in ``dlarray([0, 2])``.
    """
    if values.dtype.kind == "f" and np.array_equal(values, np.rint(values)):
        return np.asarray(values).astype(np.intp)
    return values


def as_operand(data: Any, where: str) -> Any:
    """Return `data` as an operand next to a dlarray; Python scalars keep their weak dtype.

    Raises
    ------
    Unconverted
        For data of other types, such as lists, and arrays of objects.
    """
    kind = type(data)
    if kind in PYTHON_SCALARS or kind in _NUMPY_SCALARS:
        return data
    if kind is np.ndarray and data.dtype.kind != "O":
        _check_dtype(data, where)
        return data if data.ndim else data[()]
    raise Unconverted
