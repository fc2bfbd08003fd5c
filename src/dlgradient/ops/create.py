"""Creation of arrays: filled, from other data, like another array.

A new array is an untraced dlarray. Functions with ``_like`` return a dlarray with its format for a
dlarray, and a raw array for a raw one.
"""

from __future__ import annotations

import numpy as np

from dlgradient.core import calls
from dlgradient.core.arguments import checked
from dlgradient.core.calls import FUNCTIONS, wrap
from dlgradient.core.conversion import as_array
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Device, DtypeLike, Operand, Shape, Size, Sizes, Value
from dlgradient.core.values import as_value
from dlgradient.errors import InvalidArgumentError, UnsupportedDtypeError
from dlgradient.ops.casting import astype, supported_dtype
from dlgradient.ops.shape import broadcast_to
from dlgradient.rules import derived

__all__ = [
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "full",
    "full_like",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def wrap_new(value: Value, fmt: str | None = None) -> Value:
    """Make a dlarray of a NumPy array that nothing else refers to, without a copy."""
    return wrap(value if value.ndim else value[()], None, fmt)


def chosen_dtype(name: str, dtype: DtypeLike, default: DtypeLike = np.float64) -> DtypeLike:
    """Return the dtype of a new array: one that is supported, or the default."""
    return default if dtype is None else supported_dtype(dtype, f"{name}: dtype")


# -- filled --------------------------------------------------------------------------------------


@checked
def zeros(shape: Sizes, *, dtype: DtypeLike = None, device: Device = None) -> Value:
    """Array of zeros.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype_like
        float64 by default.
    device : {None, "cpu"}

    Returns
    -------
    dlarray

    Raises
    ------
    UnsupportedDtypeError
        For a dtype such as float16 or object.

    See Also
    --------
    zeros_like : array of zeros, of the shape of another
    ones : array of ones
    full : array of one value

    Examples
    --------
    >>> dl.zeros((2, 1)).tolist()
    [[0.0], [0.0]]

    Source: array-API ``zeros``; MATLAB ``zeros``.
    """
    return wrap_new(np.zeros(shape, chosen_dtype("zeros", dtype)))


@checked
def ones(shape: Sizes, *, dtype: DtypeLike = None, device: Device = None) -> Value:
    """Array of ones.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype_like
        float64 by default.
    device : {None, "cpu"}

    Returns
    -------
    dlarray

    Raises
    ------
    UnsupportedDtypeError
        For a dtype such as float16 or object.

    See Also
    --------
    ones_like : array of ones, of the shape of another
    zeros : array of zeros
    full : array of one value

    Examples
    --------
    >>> dl.ones(2, dtype="float32").dtype
    dtype('float32')

    Source: array-API ``ones``; MATLAB ``ones``.
    """
    return wrap_new(np.ones(shape, chosen_dtype("ones", dtype)))


@checked
def empty(shape: Sizes, *, dtype: DtypeLike = None, device: Device = None) -> Value:
    """Array of undefined elements, to be assigned to.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype_like
        float64 by default.
    device : {None, "cpu"}

    Returns
    -------
    dlarray

    Raises
    ------
    UnsupportedDtypeError
        For a dtype such as float16 or object.

    See Also
    --------
    zeros : array of zeros
    empty_like : array without values, of the shape of another

    Examples
    --------
    >>> dl.empty((2, 3)).shape
    (2, 3)

    Source: array-API ``empty``.
    """
    return wrap_new(np.empty(shape, chosen_dtype("empty", dtype)))


@checked
def full(
    shape: Sizes, fill_value: Operand, *, dtype: DtypeLike = None, device: Device = None
) -> Value:
    """Array with one value everywhere; a traced value is differentiated.

    Parameters
    ----------
    shape : int or tuple of int
    fill_value : scalar or dlarray of one element
    dtype : dtype_like
        By default the dtype of the value.
    device : {None, "cpu"}

    Returns
    -------
    dlarray

    Raises
    ------
    UnsupportedDtypeError
        For a dtype such as float16 or object.

    See Also
    --------
    full_like : array of one value, of the shape of another
    zeros : array of zeros
    ones : array of ones

    Examples
    --------
    >>> dl.full(3, 0.5).tolist()
    [0.5, 0.5, 0.5]

    Source: array-API ``full``; MATLAB ``repmat`` of a scalar.
    """
    dtype = chosen_dtype("full", dtype, None)
    if type(fill_value) is calls.dlarray:
        value = fill_value if dtype is None else astype(fill_value, dtype)
        # A view of one element, which keeps the derivative.
        return broadcast_to(value, shape if isinstance(shape, tuple | list) else (shape,))
    return wrap_new(np.full(shape, as_value(fill_value, "full: fill_value"), dtype))


@checked
def eye(
    n_rows: Size,
    n_cols: Size | None = None,
    /,
    *,
    k: int = 0,
    dtype: DtypeLike = None,
    device: Device = None,
) -> Value:
    """Matrix with ones on a diagonal and zeros elsewhere.

    Parameters
    ----------
    n_rows, n_cols : int
        Number of columns; by default that of rows.
    k : int
        Index of the diagonal; positive ones are above the main diagonal.
    dtype : dtype_like
        float64 by default.
    device : {None, "cpu"}

    Returns
    -------
    dlarray

    Raises
    ------
    UnsupportedDtypeError
        For a dtype such as float16 or object.

    See Also
    --------
    ones : array of ones
    tril : lower triangle of a matrix
    triu : upper triangle of a matrix

    Examples
    --------
    >>> dl.eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]

    Source: array-API ``eye``; MATLAB ``eye``.
    """
    return wrap_new(np.eye(n_rows, n_cols, k=k, dtype=chosen_dtype("eye", dtype)))


# -- like another array --------------------------------------------------------------------------


def _wrap_like(x: Value, value: Value) -> Value:
    """Return a new value as a dlarray or raw, as `x` is."""
    if type(x) is calls.dlarray:
        return wrap_new(value, x._format)
    return value if value.ndim else value[()]


def _shape_dtype(name: str, x: Value, dtype: DtypeLike) -> tuple[Shape, DtypeLike]:
    if type(x) is not calls.dlarray:
        x = as_value(x, f"{name}: x")
    return x.shape, chosen_dtype(name, dtype, x.dtype)


@derived(numpy=np.zeros_like, samples=lambda m: _like_samples(m), errors=lambda m: _like_errors(m))
def zeros_like(x: Operand, /, *, dtype: DtypeLike = None, device: Device = None) -> Value:
    """Zeros with the shape, dtype and data format of an array; untraced.

    Parameters
    ----------
    x : array
    dtype : dtype_like
        By default the dtype of ``x``.
    device : {None, "cpu"}

    Returns
    -------
    array
        A dlarray if ``x`` is one.

    Raises
    ------
    UnsupportedDtypeError
        For a dtype such as float16 or object.

    See Also
    --------
    zeros : array of zeros
    ones_like : array of ones, of the shape of another
    full_like : array of one value, of the shape of another

    Examples
    --------
    >>> dl.zeros_like(dl.dlarray([[1.0, 2.0]], "CB"))
    dlarray([[0., 0.]], 'CB')

    Source: array-API ``zeros_like``; MATLAB ``zeros(size(x), like=x)``.
    """
    return _wrap_like(x, np.zeros(*_shape_dtype("zeros_like", x, dtype)))


@derived(numpy=np.ones_like, samples=lambda m: _like_samples(m), errors=lambda m: _like_errors(m))
def ones_like(x: Operand, /, *, dtype: DtypeLike = None, device: Device = None) -> Value:
    """Ones with the shape, dtype and data format of an array; untraced.

    Parameters
    ----------
    x : array
    dtype : dtype_like
        By default the dtype of ``x``.
    device : {None, "cpu"}

    Returns
    -------
    array
        A dlarray if ``x`` is one.

    Raises
    ------
    UnsupportedDtypeError
        For a dtype such as float16 or object.

    See Also
    --------
    ones : array of ones
    zeros_like : array of zeros, of the shape of another
    full_like : array of one value, of the shape of another

    Examples
    --------
    >>> dl.ones_like(dl.dlarray([[2.0, 3.0]])).tolist()
    [[1.0, 1.0]]

    Source: array-API ``ones_like``; MATLAB ``ones(size(x), like=x)``.
    """
    return _wrap_like(x, np.ones(*_shape_dtype("ones_like", x, dtype)))


@checked
def empty_like(x: Operand, /, *, dtype: DtypeLike = None, device: Device = None) -> Value:
    """Undefined elements, with the shape, dtype and data format of an array; untraced.

    Parameters
    ----------
    x : array
    dtype : dtype_like
        By default the dtype of ``x``.
    device : {None, "cpu"}

    Returns
    -------
    array
        A dlarray if ``x`` is one.

    Raises
    ------
    UnsupportedDtypeError
        For a dtype such as float16 or object.

    See Also
    --------
    empty : array without values
    zeros_like : array of zeros, of the shape of another

    Examples
    --------
    >>> dl.empty_like(dl.dlarray([[2.0, 3.0]])).shape
    (1, 2)

    Source: array-API ``empty_like``.
    """
    return _wrap_like(x, np.empty(*_shape_dtype("empty_like", x, dtype)))


FUNCTIONS["empty_like"] = empty_like


@derived(
    numpy=np.full_like,
    samples=lambda m: _full_like_samples(m),
    errors=lambda m: _full_like_errors(m),
)
def full_like(
    x: Operand, /, fill_value: Operand, *, dtype: DtypeLike = None, device: Device = None
) -> Value:
    """One value everywhere, with the shape, dtype and data format of an array.

    Parameters
    ----------
    x : array
    fill_value : scalar or dlarray of one element
        A traced value is differentiated.
    dtype : dtype_like
        By default the dtype of ``x``.
    device : {None, "cpu"}

    Returns
    -------
    array
        A dlarray if ``x`` or the value is one.

    Raises
    ------
    UnsupportedDtypeError
        For a dtype such as float16 or object.

    See Also
    --------
    full : array of one value
    zeros_like : array of zeros, of the shape of another
    ones_like : array of ones, of the shape of another

    Examples
    --------
    >>> dl.full_like(dl.dlarray([[2.0, 3.0]]), 7).tolist()
    [[7.0, 7.0]]

    Source: array-API ``full_like``.
    """
    shape, dtype = _shape_dtype("full_like", x, dtype)
    if type(fill_value) is calls.dlarray:
        filled = full(shape, fill_value, dtype=dtype)
        return calls.labelled(filled, getattr(x, "_format", None))
    return _wrap_like(x, np.full(shape, as_value(fill_value, "full_like: fill_value"), dtype))


def _full_like_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 3), fill_value=2.5),
        case(m.complex(2), fill_value=1),
        case(m.real(2), fill_value=2, dtype="complex128"),
    ]


def _full_like_errors(m: Maker) -> list[Error]:
    return [
        Error(
            case(m.real(2), fill_value=1, dtype="float16"), UnsupportedDtypeError, "dtype='float16'"
        )
    ]


# -- from other data -----------------------------------------------------------------------------


@checked
def asarray(
    obj: Operand, /, *, dtype: DtypeLike = None, device: Device = None, copy: bool | None = None
) -> Value:
    """Return data as a dlarray; a dlarray is returned as it is, and stays traced.

    Parameters
    ----------
    obj : array_like or dlarray
        Array, scalar or nested sequence. Raw arrays are copied.
    dtype : dtype_like
        By default the dtype of the data.
    device : {None, "cpu"}
    copy : bool, optional
        True copies a dlarray too: an assignment to the elements of one does not
        change the other. False is refused for other data.

    Returns
    -------
    dlarray

    Raises
    ------
    UnsupportedDtypeError
        For data or a dtype that are not supported.
    InvalidArgumentError
        For ``copy=False`` and data other than a dlarray.

    See Also
    --------
    dlarray : array for automatic differentiation
    astype : conversion to a dtype
    from_dlpack : dlarray of data of another library

    Examples
    --------
    >>> dl.asarray([1, 2], dtype="float32").dtype
    dtype('float32')

    Source: array-API ``asarray``; MATLAB ``dlarray``.
    """
    if type(obj) is not calls.dlarray:
        if copy is False:
            raise InvalidArgumentError(
                "asarray: copy=False, but a dlarray shares its data with nothing; omit copy"
            )
        value = as_array(obj, "asarray: obj", copy=True)
        obj = value if type(value) is calls.dlarray else wrap(value, None)
    elif copy:
        obj = calls.shallow_copy(obj)
    return obj if dtype is None else astype(obj, dtype, copy=False)


FUNCTIONS["asarray"] = asarray


@checked
def from_dlpack(x: Operand, /, *, device: Device = None, copy: bool | None = None) -> Value:
    """Return the data of another library's array, by the DLPack protocol, as a dlarray.

    Parameters
    ----------
    x : object
        An array with ``__dlpack__`` and ``__dlpack_device__``, in the memory of the CPU.
    device : "cpu", optional
        The only device.
    copy : bool, optional
        The data are copied, as by `dlarray`; false is an error.

    Returns
    -------
    dlarray
        Unlabelled. A dlarray stays traced.

    See Also
    --------
    asarray : dlarray of data, without a copy where possible

    Examples
    --------
    >>> dl.from_dlpack(np.arange(3.0)).tolist()
    [0.0, 1.0, 2.0]

    Source: array-API ``from_dlpack``.
    """
    if type(x) is not calls.dlarray:
        if not hasattr(x, "__dlpack__"):
            raise InvalidArgumentError(
                f"from_dlpack: x must be an array with the method __dlpack__, not "
                f"{type(x).__name__}; write dlarray(x)"
            )
        x = np.from_dlpack(x)
    return asarray(x, copy=copy)


FUNCTIONS["from_dlpack"] = from_dlpack


# -- samples -------------------------------------------------------------------------------------


def _like_samples(m: Maker) -> list[Case]:
    return [case(m.real(2, 3)), case(m.complex(2)), case(m.real()), case(m.real(2), dtype="int64")]


def _like_errors(m: Maker) -> list[Error]:
    return [Error(case(m.real(2), dtype="float16"), UnsupportedDtypeError, "dtype='float16'")]
