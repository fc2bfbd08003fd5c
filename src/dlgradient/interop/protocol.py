"""NumPy's two protocols, ``__array_ufunc__`` and ``__array_function__``: a call on a dlarray."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.types import Params, Value
from dlgradient.errors import (
    DOCUMENTATION,
    InvalidArgumentError,
    UnknownKeywordError,
    UnsupportedFunctionError,
)
from dlgradient.interop.operands import as_array, is_traced
from dlgradient.interop.table import find, unsupported
from dlgradient.interop.translate import (
    ABSENT,
    Translation,
    call_adaptor,
    full_name,
    is_default,
    refuse_keyword,
    refuse_out,
    write_out,
)
from dlgradient.interop.untraced import on_values
from dlgradient.ops.accumulate import index_add
from dlgradient.ops.casting import astype
from dlgradient.ops.cumulative import cumprod, cumsum
from dlgradient.ops.reduce import max, min, prod, sum
from dlgradient.ops.running import cummax, cummin
from dlgradient.ops.search import all, any
from dlgradient.ops.shape import reshape

__all__ = ["function", "ufunc"]

_REDUCTIONS: dict[object, Any] = {
    np.add: sum,
    np.multiply: prod,
    np.maximum: max,
    np.minimum: min,
    np.logical_and: all,
    np.logical_or: any,
}
_ACCUMULATIONS: dict[object, Any] = {
    np.add: cumsum,
    np.multiply: cumprod,
    np.maximum: cummax,
    np.minimum: cummin,
}
_AT = "numpy.add.at, and dl.index_add"
# Keywords of every ufunc, at the values that change nothing.
_UFUNC_DEFAULTS: Params = {
    "out": None,
    "where": True,
    "casting": "same_kind",
    "order": "K",
    "dtype": None,
    "subok": True,
    "signature": None,
    "keepdims": False,
}


def function(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Value:
    """Answer a function of NumPy that was given a dlarray."""
    target = find(func)
    if target is None:
        if is_traced((*args, *kwargs.values())):
            raise unsupported(func)
        return on_values(full_name(func), func, args, kwargs)
    try:
        if isinstance(target, Translation):
            return target(*args, **kwargs)
        return _independent(call_adaptor(func, target, args, kwargs), args)
    except np.exceptions.AxisError as error:
        raise InvalidArgumentError(f"{full_name(func)}: {error}") from error
    except UnknownKeywordError:
        # NumPy has the keyword, or its own signature had refused it.
        if is_traced((*args, *kwargs.values())):
            raise
    return on_values(full_name(func), func, args, kwargs)


def _independent(result: Value, args: tuple[Any, ...]) -> Value:
    """Return a result that is one of the arguments as a value of its own.

    An adaptor may return its operand where there is nothing to do. An assignment to the elements of
    the result must not change the operand.
    """
    if type(result) is calls.dlarray:
        if id(result) in map(id, args):
            return calls.shallow_copy(result)
    elif type(result) in (tuple, list):
        return type(result)([_independent(r, args) for r in result])
    return result


def ufunc(func: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: Params) -> Value:
    """Answer a ufunc of NumPy, or one of its methods, if an operand is a dlarray."""
    if method == "__call__" and not kwargs:
        target = find(func)
        if target is not None:
            return target(*inputs)
    name = full_name(func) if method == "__call__" else f"{full_name(func)}.{method}"
    if method == "at" and type(inputs[0]) is calls.dlarray:
        _add_at(func, name, *inputs)
        return None
    operands = (*inputs, *kwargs.values())
    if not _has_traced_form(func, method) and not is_traced(operands):
        return on_values(name, getattr(func, method), inputs, kwargs)
    try:
        return _traced_ufunc(func, method, name, inputs, kwargs)
    except UnknownKeywordError:
        # Without a trace there is no derivative to lose, and NumPy computes on the values.
        if is_traced(operands):
            raise
    return on_values(name, getattr(func, method), inputs, kwargs)


def _has_traced_form(func: np.ufunc, method: str) -> bool:
    if method == "reduce":
        return func in _REDUCTIONS
    if method == "accumulate":
        return func in _ACCUMULATIONS
    return method in ("__call__", "outer") and find(func) is not None


def _add_at(func: np.ufunc, name: str, target: Any, key: Any, *values: Any) -> None:
    """Answer ``at`` of a dlarray, which rebinds it as an assignment does."""
    if func not in (np.add, np.subtract):
        raise _no_method(name, "a dlarray", _AT)
    (terms,) = values
    added = index_add(target, key, terms if func is np.add else -as_array(terms))
    target._value, target._node = added._value, added._node


def _traced_ufunc(
    func: np.ufunc, method: str, name: str, inputs: tuple[Any, ...], kwargs: Params
) -> Value:
    given = {k: v for k, v in kwargs.items() if not is_default(v, _UFUNC_DEFAULTS.get(k, ABSENT))}
    if method in ("at", "reduceat"):
        if inputs and isinstance(inputs[0], np.ndarray):
            refuse_out(name, inputs[0], inputs)
        raise _no_method(name, "a traced dlarray", _AT)
    out = given.pop("out", None)
    if out is not None:
        out = out[0] if isinstance(out, tuple) else out
        refuse_out(name, out, inputs)
        return write_out(out, ufunc(func, method, inputs, given))
    if method not in ("__call__", "outer"):
        return _fold(func, method, name, inputs, given)
    target = find(func)
    if target is None:
        raise unsupported(func)
    if given:
        refuse_keyword(name, next(iter(given)), ())
    return target(*inputs) if method == "__call__" else _outer(func, *inputs)


def _outer(func: np.ufunc, x: Any, y: Any) -> Value:
    x, y = (a if type(a) is calls.dlarray else np.asarray(a) for a in (x, y))
    return ufunc(func, "__call__", (reshape(x, x.shape + (1,) * y.ndim), y), {})


def _fold(func: np.ufunc, method: str, name: str, inputs: tuple[Any, ...], given: Params) -> Value:
    """``reduce`` and ``accumulate``, whose axis is 0 where nothing else is said."""
    names = ("array", "axis", "dtype", "out", "keepdims", "initial", "where")
    given = {**dict(zip(names, inputs, strict=False)), **given}
    x = given.pop("array")
    axis = given.pop("axis", 0)
    dtype = given.pop("dtype", None)
    if dtype is not None:
        x = astype(x, dtype=dtype)
    if method == "reduce" and func in _REDUCTIONS:
        keepdims = given.pop("keepdims", False)
        if given:
            refuse_keyword(name, next(iter(given)), ("axis", "dtype", "keepdims"))
        return _REDUCTIONS[func](x, axis=axis, keepdims=keepdims)
    if method == "accumulate" and func in _ACCUMULATIONS:
        if given:
            refuse_keyword(name, next(iter(given)), ("axis", "dtype"))
        return _ACCUMULATIONS[func](x, axis=axis)
    have = _REDUCTIONS if method == "reduce" else _ACCUMULATIONS
    nearest = ", ".join(f"{full_name(other)}.{method}" for other in have)
    raise _no_method(name, "a traced dlarray", nearest)


def _no_method(name: str, what: str, nearest: str) -> UnsupportedFunctionError:
    error = UnsupportedFunctionError(f"{name} is not supported on {what}; nearest: {nearest}")
    error.page = f"{DOCUMENTATION}coming-from/numpy.html#keywords-and-methods-of-ufuncs"
    return error
