"""Conversion of dtypes, and questions about them."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from dlgradient.core import calls
from dlgradient.core.arguments import checked
from dlgradient.core.samples import Error, case
from dlgradient.core.types import Dtype, DtypeLike, Operand, TargetDtype, Value
from dlgradient.core.values import as_value
from dlgradient.errors import ComplexValueError, UnsupportedDtypeError
from dlgradient.rules import constant, derived, linear

__all__ = ["astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type"]


def supported_dtype(dtype: DtypeLike, where: str) -> Dtype:
    """Return `dtype` as a NumPy dtype if it is supported, else raise.

    Parameters
    ----------
    dtype : dtype_like
        A NumPy dtype or its name.
    where : str
        Function and argument, for the error.

    Raises
    ------
    UnsupportedDtypeError
        If it is not a dtype, or not one of the supported numbers.
    """
    try:
        found = np.dtype(dtype)
    except TypeError as error:
        raise _refused(dtype, where) from error
    if found.kind not in "biu" and found.char not in "fdFD":
        raise _refused(dtype, where)
    native: Dtype = found.newbyteorder("=")
    return native


def _refused(dtype: DtypeLike, where: str) -> UnsupportedDtypeError:
    return UnsupportedDtypeError(
        f"{where}={dtype!r} is not supported; give float32, float64, complex64, complex128, bool "
        "or an integer dtype"
    )


def accumulator_dtype(x: Value, dtype: DtypeLike, where: str) -> Dtype | None:
    """Return the ``dtype=`` of a sum or product of `x`; None stays None.

    Raises
    ------
    UnsupportedDtypeError
        If the dtype is not supported, or would lose fractions or imaginary parts.
    """
    if dtype is None:
        return None
    target = supported_dtype(dtype, f"{where}: dtype")
    source = np.result_type(x)
    # A sum of real numbers in an integer dtype would be a constant, without a derivative.
    if not np.can_cast(source, target, "same_kind"):
        raise UnsupportedDtypeError(
            f"{where}: dtype={target} cannot hold what {source} holds, and the derivative would be "
            "lost; convert the operand first, with astype, round or real"
        )
    return target


def _converted(x: Value, dtype: Dtype) -> Value:
    # A NumPy scalar's own astype returns a scalar; a Python scalar has none.
    return x.astype(dtype) if isinstance(x, np.ndarray | np.generic) else np.dtype(dtype).type(x)


@linear(
    x=lambda g: g,
    format="same",
    kernel=_converted,
    samples=lambda m: [
        case(m.real(3), dtype=np.dtype("float64")),
        case(m.real(), dtype=np.dtype("complex128")),
        case(m.real(2, 0), dtype=np.dtype("complex128")),
        case(m.complex(2), dtype=np.dtype("complex128")),
    ],
)
def cast(x: Operand, /, dtype: DtypeLike) -> Value:
    """Values in another floating-point or complex dtype, for `astype`.

    The map is linear, and its adjoint converts the cotangent to the dtype of ``x``.
    """


@constant(
    format="same",
    kernel=_converted,
    samples=lambda m: [
        case(m.real(3), dtype=np.dtype("int64")),
        case(m.real(), dtype=np.dtype("bool")),
        case(m.bools(2, 2), dtype=np.dtype("int32")),
    ],
)
def discretize(x: Operand, /, dtype: DtypeLike) -> Value:
    """Values in an integer dtype or bool, for `astype`; it carries no derivative."""


@derived(
    samples=lambda m: [
        case(m.real(3), dtype="float64"),
        case(m.real(2, 2), dtype="complex128"),
        case(m.complex(), dtype=np.complex128),
        case(m.real(0), dtype=np.int64),
        case(m.bools(3), dtype="float64"),
    ],
    errors=lambda m: [
        Error(case(m.complex(3), dtype="float64"), ComplexValueError, r"real\(x\)"),
        Error(case(m.real(3), dtype="float16"), UnsupportedDtypeError, "float16"),
        Error(case(m.real(3), dtype="flat64"), UnsupportedDtypeError, "flat64"),
    ],
)
def astype(x: Operand, /, dtype: TargetDtype, *, copy: bool = True) -> Value:
    """Values of ``x`` in another dtype.

    Conversions between floating-point and complex dtypes are linear and differentiable. The
    gradient for ``x`` has the dtype of ``x``. Integers and bool carry no derivative.

    Parameters
    ----------
    x : array
    dtype : dtype_like
        A supported NumPy dtype or its name.
    copy : bool
        Whether an array that has the dtype already is copied. If not, the result is ``x`` itself,
        and an assignment to its elements changes both.

    Returns
    -------
    array
        The shape and data format of ``x``.

    Raises
    ------
    ComplexValueError
        For a complex ``x`` and a real dtype: say which real part you mean.
    UnsupportedDtypeError
        For a dtype such as float16 or object.

    See Also
    --------
    result_type : dtype of a result of several operands
    can_cast : whether a conversion loses nothing
    asarray : dlarray of data, without a copy where possible

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.astype(dl.dlarray([1.5, -2.5]), "float32").dtype
    dtype('float32')
    >>> dl.astype(dl.dlarray([1.5, -2.5]), int).tolist()
    [1, -2]

    Source: array-API ``astype``; MATLAB ``cast``, ``single``, ``double``.
    """
    values: Value = x if hasattr(x, "dtype") else as_value(x, "astype: x")
    target = dtype if type(dtype) is np.dtype else supported_dtype(dtype, "astype: dtype")
    source = values.dtype
    if source == target:
        if not copy:
            return values
        if type(values) is calls.dlarray:  # the data are shared until an assignment to one of them
            return calls.shallow_copy(values)
        return values.astype(target)
    target = supported_dtype(target, "astype: dtype")
    if target.kind in "fc":
        if source.kind == "c" and target.kind == "f":
            raise ComplexValueError(
                f"astype: x has shape {values.shape} {source}, and {target} has no imaginary part; "
                "take real(x), imag(x) or abs(x) first"
            )
        return cast(values, dtype=target)
    if source.kind == "c" and target.kind != "b":
        raise ComplexValueError(
            f"astype: x has shape {values.shape} {source}, and {target} has no imaginary part; "
            "take real(x) or imag(x) first"
        )
    return discretize(values, dtype=target)


# -- properties of dtypes ------------------------------------------------------------------------

DtypeKind: TypeAlias = Literal[
    "bool",
    "signed integer",
    "unsigned integer",
    "integral",
    "real floating",
    "complex floating",
    "numeric",
]


def _dtype_of(value: Value) -> Value:
    return value.dtype if type(value) is calls.dlarray else value


@checked
def result_type(*arrays_and_dtypes: Operand | DtypeLike) -> Dtype:
    """Dtype of the result of an operation on these operands; Python scalars are weak.

    Next to a dlarray, float64 scalars of NumPy are weak too.

    Parameters
    ----------
    *arrays_and_dtypes : array, dtype_like or scalar

    See Also
    --------
    can_cast : whether a conversion loses nothing
    astype : conversion to a dtype

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.result_type(dl.dlarray([1.0]), "float32", 2.0)
    dtype('float64')

    Source: array-API ``result_type``.
    """
    if any(type(a) is calls.dlarray for a in arrays_and_dtypes):
        given = [a.item() if type(a) is np.float64 else _dtype_of(a) for a in arrays_and_dtypes]
        return np.result_type(*given)
    return np.result_type(*arrays_and_dtypes)


@checked
def can_cast(from_: Operand | TargetDtype, to: TargetDtype, /) -> bool:
    """Whether values of one dtype fit in another without loss.

    Parameters
    ----------
    from_ : array or dtype_like
    to : dtype_like

    See Also
    --------
    result_type : dtype of a result of several operands
    astype : conversion to a dtype

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.can_cast(dl.dlarray([1.0]), "float32")
    False

    Source: array-API ``can_cast``.
    """
    return np.can_cast(_dtype_of(from_), to)


@checked
def isdtype(
    dtype: TargetDtype, kind: DtypeKind | TargetDtype | tuple[DtypeKind | TargetDtype, ...]
) -> bool:
    """Whether a dtype is of a kind.

    Parameters
    ----------
    dtype : dtype_like
    kind : str, dtype or tuple of them
        ``'bool'``, ``'signed integer'``, ``'unsigned integer'``, ``'integral'``,
        ``'real floating'``, ``'complex floating'``, ``'numeric'``.

    See Also
    --------
    result_type : dtype of a result of several operands
    finfo : limits of a floating-point dtype

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.isdtype(dl.dlarray([1.0]).dtype, "real floating")
    True

    Source: array-API ``isdtype``; MATLAB ``isUnderlyingType``.
    """
    return np.isdtype(np.dtype(dtype), kind)


@checked
def finfo(dtype: Operand | TargetDtype, /) -> np.finfo[np.floating]:
    """Limits of a floating-point dtype: ``eps``, ``max``, ``min``, ``smallest_normal``.

    Parameters
    ----------
    dtype : array or dtype_like
        For a complex dtype, the limits of its parts.

    See Also
    --------
    iinfo : limits of an integer dtype
    isdtype : whether a dtype is of a kind

    Examples
    --------
    >>> import dlgradient as dl
    >>> float(dl.finfo("float32").eps)
    1.1920928955078125e-07

    Source: array-API ``finfo``; MATLAB ``eps``, ``realmax``, ``realmin``.
    """
    return np.finfo(_dtype_of(dtype))


@checked
def iinfo(dtype: Operand | TargetDtype, /) -> np.iinfo[np.integer]:
    """Limits of an integer dtype: ``max``, ``min``, ``bits``.

    Parameters
    ----------
    dtype : array or dtype_like

    See Also
    --------
    finfo : limits of a floating-point dtype
    isdtype : whether a dtype is of a kind

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.iinfo("int8").max
    127

    Source: array-API ``iinfo``; MATLAB ``intmax``, ``intmin``.
    """
    return np.iinfo(_dtype_of(dtype))
