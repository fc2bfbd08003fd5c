"""NumPy functions that make new arrays, and those whose results carry no derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import FUNCTIONS, wrap
from dlgradient.errors import LeavingTraceError, UnsupportedFunctionError
from dlgradient.interop.table import answers, is_traced, raw, refuse_out

__all__: list[str] = []

# -- making and converting -----------------------------------------------------------------------


def _like(name: str, a: Any, dtype: Any, shape: Any, *fill: Any) -> Any:
    maker: Any = getattr(np, name)
    values = [raw(f) for f in fill]
    if is_traced(fill):
        kind = a.dtype if dtype is None else dtype
        fill_value = FUNCTIONS["astype"](fill[0], dtype=kind)
        size = a.shape if shape is None else shape
        return FUNCTIONS["broadcast_to"](fill_value, shape=size)
    out = maker(raw(a), *values, dtype=dtype, shape=shape)
    fmt = a._format if shape is None and type(a) is calls.dlarray else None
    return wrap(out[()], None, fmt)


@answers(np.zeros_like)
def zeros_like(a: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """Zeros of the same shape and dtype."""
    return _like("zeros_like", a, dtype, shape)


@answers(np.ones_like)
def ones_like(a: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """Ones of the same shape and dtype."""
    return _like("ones_like", a, dtype, shape)


@answers(np.empty_like)
def empty_like(prototype: Any, /, dtype: Any = None, *, shape: Any = None) -> Any:
    """Array of the same shape and dtype; its elements are zero, so that they are defined."""
    return _like("zeros_like", prototype, dtype, shape)


@answers(np.full_like)
def full_like(a: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None) -> Any:
    """Array of the same shape and dtype with one value everywhere."""
    return _like("full_like", a, dtype, shape, fill_value)


@answers(np.copy)
def copy(a: Any) -> Any:
    """Return the array: it is a value, and an assignment to one name does not change another."""
    return wrap(a._value, a._node, a._format)


@answers(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:  # noqa: ARG001 - values are never changed, so never copied
    """Convert to a dtype."""
    return FUNCTIONS["astype"](x, dtype=dtype)


# -- functions of values: what they return carries no derivative -------------------------------


def _on_values(func: Any) -> Any:
    def on_values(*args: Any, **kwargs: Any) -> Any:
        return func(*[raw(a) for a in args], **{name: raw(value) for name, value in kwargs.items()})

    return on_values


_VALUES: tuple[Any, ...] = (
    *(np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj, np.result_type, np.can_cast),
    *(np.common_type, np.min_scalar_type, np.array_equal, np.array_equiv, np.allclose),
    *(np.array2string, np.array_repr, np.array_str, np.shares_memory, np.may_share_memory),
)
for _func in _VALUES:
    answers(_func)(_on_values(_func))


def _constants(func: Any) -> Any:
    def constants(*args: Any, **kwargs: Any) -> Any:
        out = _on_values(func)(*args, **kwargs)
        if isinstance(out, tuple):
            return tuple(wrap(o, None) for o in out)
        return wrap(np.asarray(out)[()], None)

    return constants


# Indices and truth values: constant wherever a derivative exists.
_CONSTANTS: tuple[Any, ...] = (
    *(np.isclose, np.iscomplex, np.isreal, np.isin, np.argsort, np.argwhere, np.flatnonzero),
    *(np.searchsorted, np.digitize, np.count_nonzero),
)
for _func in _CONSTANTS:
    answers(_func)(_constants(_func))


@answers(np.nonzero)
def nonzero(a: Any) -> Any:
    """Indices of the elements that are not zero."""
    return _constants(np.nonzero)(a)


def _written(func: Any) -> Any:
    def written(target: Any, *args: Any, **kwargs: Any) -> None:
        name = f"numpy.{func.__name__}"
        if type(target) is calls.dlarray:
            raise UnsupportedFunctionError(
                f"{name}: a dlarray is a value and is not written into; use assignment, "
                "x[i] = v or x[...] = v"
            )
        refuse_out(name, target, (*args, *kwargs.values()))
        _on_values(func)(target, *args, **kwargs)

    return written


# NumPy's own functions call this too: `numpy.full` does, with a traced value for instance.
_WRITERS: tuple[Any, ...] = (np.copyto, np.put, np.putmask, np.place, np.fill_diagonal)
for _func in _WRITERS:
    answers(_func)(_written(_func))


def _saved(func: Any) -> Any:
    def saved(*args: Any, **kwargs: Any) -> Any:
        if is_traced((*args, *kwargs.values())):
            raise LeavingTraceError(
                f"numpy.{func.__name__} would take a traced dlarray out of its trace; save "
                "extractdata(x), or what dlfeval returns"
            )
        return _on_values(func)(*args, **kwargs)

    return saved


_FILES: tuple[Any, ...] = (np.save, np.savez, np.savez_compressed, np.savetxt)
for _func in _FILES:
    answers(_func)(_saved(_func))
