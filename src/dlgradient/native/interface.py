"""What machine code uses of Python and NumPy: functions by address, and where objects have data.

Functions are those of the stable interfaces of both, and of the C library. Machine code reads these
fields of objects directly:

* the type of any object, after its reference count;
* data, shape, dtype and flags of an array: NumPy's macros have put these places into every
  extension module, so they do not change;
* the number in a scalar of NumPy, for the same reason;
* the slots of a class of Python.

All of these are looked up or compared when this is loaded, on objects that are there anyway. Where
one is elsewhere, as in a free-threaded or a debug build, there is no interface: nothing here is
used, and Python computes.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from functools import cache
from typing import Any

import numpy as np

__all__ = [
    "DATA",
    "DESCR",
    "DIMS",
    "FLAGS",
    "NDIM",
    "SCALAR",
    "TYPE",
    "address",
    "fault",
    "slots_of",
]

# Bytes from the beginning of an object.
TYPE = 8
DATA, NDIM, DIMS, DESCR, FLAGS = 16, 24, 32, 56, 64
SCALAR = 16

_HEAD = 16
# Places in the table of functions that NumPy gives to extension modules.
_NUMPY = {"PyArray_Scalar": 60, "PyArray_NewFromDescr": 94}


@cache
def address(name: str) -> int | None:
    """Return where a function is: of Python, of NumPy, or of the C library; None if nowhere."""
    if name in _NUMPY:
        found: int | None = _table_of_numpy()[_NUMPY[name]]
        return found
    library = ctypes.pythonapi if name.startswith("Py") else _c_library()
    try:
        return ctypes.cast(getattr(library, name), ctypes.c_void_p).value
    except AttributeError:
        return None


def _c_library() -> Any:
    return ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)


@cache
def _table_of_numpy() -> Any:
    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    capsule = np._core._multiarray_umath._ARRAY_API  # type: ignore[attr-defined]
    return ctypes.cast(get(capsule, None), ctypes.POINTER(ctypes.c_void_p))


@cache
def fault() -> str:
    """Return what is not where machine code would look for it; '' if all is."""
    if sys.implementation.name != "cpython":
        return f"Python is {sys.implementation.name}"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "threads of Python have no common lock"
    if ctypes.sizeof(ctypes.c_void_p) != 8 or object.__basicsize__ != _HEAD:
        return "objects of Python are of another size"
    if _pointer(object, TYPE) != id(type):
        return "objects of Python have their type elsewhere"
    return _fault_of_scalars() or _fault_of_arrays()


def _pointer(value: object, offset: int) -> int | None:
    return ctypes.c_void_p.from_address(id(value) + offset).value


def _fault_of_scalars() -> str:
    kinds: dict[Any, Any] = {
        np.float64(1.5): ctypes.c_double,
        np.float32(2.5): ctypes.c_float,
        np.int64(-7): ctypes.c_int64,
        np.True_: ctypes.c_uint8,
    }
    for scalar, kind in kinds.items():
        inside = SCALAR + ctypes.sizeof(kind) <= type(scalar).__basicsize__
        if not inside or kind.from_address(id(scalar) + SCALAR).value != scalar.item():
            return f"{type(scalar).__name__} of NumPy has its number elsewhere"
    return ""


def _fault_of_arrays() -> str:
    if np.ndarray.__basicsize__ < FLAGS + 4:
        return "arrays of NumPy are smaller"
    whole = np.ones((3, 5, 7))
    for x in (whole, whole[:, 1:3], whole.astype(np.float32), whole[0, 0].astype(bool)):
        ndim = ctypes.c_int.from_address(id(x) + NDIM).value
        flags = ctypes.c_int.from_address(id(x) + FLAGS).value
        shape = (
            (ctypes.c_ssize_t * x.ndim).from_address(_pointer(x, DIMS) or 0)
            if x.ndim == ndim
            else ()
        )
        data = x.__array_interface__["data"][0]
        if (_pointer(x, DATA), ndim, tuple(shape)) != (data, x.ndim, x.shape):
            return "arrays of NumPy have data or shape elsewhere"
        if (_pointer(x, DESCR), flags) != (id(x.dtype), x.flags.num):
            return "arrays of NumPy have dtype or flags elsewhere"
    return ""


@cache
def slots_of(kind: type) -> dict[str, int] | None:
    """Return where instances of a class have the values of its slots; None if it is not found.

    The class must let its instances be made by ``object.__new__``.
    """
    names = [name for name in kind.__slots__ if name != "__weakref__"]  # type: ignore[attr-defined]
    made: Any = object.__new__(kind)
    values = {name: object() for name in names}
    for name, value in values.items():
        setattr(made, name, value)
    words = {_pointer(made, i): i for i in range(_HEAD, kind.__basicsize__, 8)}
    found = {name: words.get(id(value)) for name, value in values.items()}
    if None in found.values() or fault():
        return None
    return {name: offset for name, offset in found.items() if offset is not None}
