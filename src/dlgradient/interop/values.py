"""NumPy functions that make new arrays, and those whose results carry no derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import wrap
from dlgradient.core.reading import unread
from dlgradient.core.types import Array, DtypeLike, Operand, ShapeLike, TargetDtype, Value
from dlgradient.errors import LeavingTraceError, UnsupportedFunctionError
from dlgradient.interop.operands import is_traced, raw
from dlgradient.interop.table import answers
from dlgradient.interop.translate import refuse_out
from dlgradient.ops import sets
from dlgradient.ops.casting import astype as astype_
from dlgradient.ops.shape import broadcast_to

__all__: list[str] = []

# -- making and converting -----------------------------------------------------------------------


def _make_like(
    maker: Callable[..., Array],
    a: Operand,
    dtype: DtypeLike,
    shape: ShapeLike | None,
    *fill: Operand,
) -> Value:
    if is_traced(fill):
        value = astype_(fill[0], dtype=a.dtype if dtype is None else dtype)
        return broadcast_to(value, shape=a.shape if shape is None else shape)
    out = maker(raw(a), *[raw(f) for f in fill], dtype=dtype, shape=shape)
    fmt = a._format if shape is None and type(a) is calls.dlarray else None
    return wrap(out[()], None, fmt)


@answers(np.zeros_like)
def zeros_like(a: Operand, dtype: DtypeLike = None, *, shape: ShapeLike | None = None) -> Value:
    """Zeros of the same shape and dtype."""
    return _make_like(np.zeros_like, a, dtype, shape)


@answers(np.ones_like)
def ones_like(a: Operand, dtype: DtypeLike = None, *, shape: ShapeLike | None = None) -> Value:
    """Ones of the same shape and dtype."""
    return _make_like(np.ones_like, a, dtype, shape)


@answers(np.empty_like)
def empty_like(
    prototype: Operand, /, dtype: DtypeLike = None, *, shape: ShapeLike | None = None
) -> Value:
    """Array of the same shape and dtype; its elements are zero, so that they are defined."""
    return _make_like(np.zeros_like, prototype, dtype, shape)


@answers(np.full_like)
def full_like(
    a: Operand, fill_value: Operand, dtype: DtypeLike = None, *, shape: ShapeLike | None = None
) -> Value:
    """Array of the same shape and dtype with one value everywhere."""
    return _make_like(np.full_like, a, dtype, shape, fill_value)


@answers(np.copy)
def copy(a: Operand) -> Value:
    """Copy: the data are shared until an assignment to the elements of one of the two."""
    return calls.shallow_copy(a)


@answers(np.astype)
def astype(x: Operand, dtype: TargetDtype, /, *, copy: bool = True) -> Value:
    """Convert to a dtype."""
    return astype_(x, dtype=dtype, copy=copy)


# -- functions of values: what they return carries no derivative ---------------------------------


def _value_function(func: Callable[..., Any]) -> Callable[..., Any]:
    def answer(*args: Operand, **kwargs: Any) -> Any:
        return func(*[raw(a) for a in args], **{name: raw(value) for name, value in kwargs.items()})

    return answer


def _function_of_kinds(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return the answer to a function of shapes and dtypes, which reads no value."""

    def answer(*args: Operand, **kwargs: Any) -> Any:
        return func(*map(unread, args), **kwargs)

    return answer


_VALUES: tuple[Callable[..., Any], ...] = (
    *(np.min_scalar_type, np.array_equal, np.array_equiv, np.allclose),
    *(np.array2string, np.array_repr, np.array_str, np.shares_memory, np.may_share_memory),
)
for _func in _VALUES:
    answers(_func)(_value_function(_func))
_OF_KINDS: tuple[Callable[..., Any], ...] = (
    *(np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj, np.result_type, np.can_cast),
    *(np.common_type,),
)
for _func in _OF_KINDS:
    answers(_func)(_function_of_kinds(_func))


def _constants(func: Callable[..., Any]) -> Callable[..., Value]:
    def constants(*args: Operand, **kwargs: Any) -> Value:
        out = _value_function(func)(*args, **kwargs)
        if isinstance(out, tuple):
            return tuple(wrap(o, None) for o in out)
        return wrap(np.asarray(out)[()], None)

    return constants


# Indices and truth values: constant wherever a derivative exists.
_CONSTANTS: tuple[Callable[..., Any], ...] = (
    *(np.isclose, np.iscomplex, np.isreal, np.argwhere, np.flatnonzero, np.digitize),
    *(np.nanargmax, np.nanargmin, np.isposinf, np.isneginf, np.spacing),
    *(np.gcd, np.lcm),
)
for _func in _CONSTANTS:
    answers(_func)(_constants(_func))


def _histogram(func: Callable[..., Any]) -> Callable[..., Value]:
    """Return the answer to a function of histograms, which is constant if its edges are."""

    def answer(
        a: Operand,
        bins: Any = 10,
        range: Any = None,  # noqa: A002
        *args: Operand,
        **given: Operand,
    ) -> Value:
        name = f"numpy.{func.__name__}"
        if is_traced([*args, *given.values()]):
            raise UnsupportedFunctionError(
                f"{name}: sums of traced weights have a derivative, which is not here; write "
                "index_add(zeros(n), np.digitize(x, edges) - 1, weights), or give "
                "extractdata(weights)"
            )
        if is_traced([bins, range]) or (range is None and np.ndim(bins) == 0 and is_traced([a])):
            raise UnsupportedFunctionError(
                f"{name}: the edges depend on traced values; give range=(low, high) or edges as "
                "bins=, or extractdata(x)"
            )
        return _constants(func)(a, bins, range, *args, **given)

    return answer


for _func in (np.histogram, np.histogram_bin_edges):
    answers(_func)(_histogram(_func))


@answers(np.nonzero)
def nonzero(a: Operand) -> Value:
    """Indices of the elements that are not zero."""
    return sets.nonzero(a)


# -- functions that write ------------------------------------------------------------------------


def _writer(func: Callable[..., Any]) -> Callable[..., None]:
    def write(target: Operand, *args: Operand, **kwargs: Any) -> None:
        name = f"numpy.{func.__name__}"
        if type(target) is calls.dlarray:
            raise UnsupportedFunctionError(
                f"{name}: a dlarray is a value and is not written into; use assignment, "
                "x[i] = v or x[...] = v"
            )
        refuse_out(name, target, (*args, *kwargs.values()))
        _value_function(func)(target, *args, **kwargs)

    return write


# NumPy's own functions end here too: what `numpy.full` makes of a traced value, for instance.
_WRITERS: tuple[Callable[..., Any], ...] = (
    *(np.copyto, np.put, np.putmask, np.place, np.fill_diagonal),
)
for _func in _WRITERS:
    answers(_func)(_writer(_func))


def _saver(func: Callable[..., Any]) -> Callable[..., None]:
    def save(*args: Operand, **kwargs: Any) -> None:
        if is_traced((*args, *kwargs.values())):
            raise LeavingTraceError(
                f"numpy.{func.__name__} would take a traced dlarray out of its trace; save "
                "extractdata(x), or what dlfeval returns"
            )
        _value_function(func)(*args, **kwargs)

    return save


_SAVERS: tuple[Callable[..., Any], ...] = (np.save, np.savez, np.savez_compressed, np.savetxt)
for _func in _SAVERS:
    answers(_func)(_saver(_func))
