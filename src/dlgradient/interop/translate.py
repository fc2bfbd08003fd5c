"""From a call in NumPy's signature to one in ours: names, defaults, ``dtype=`` and ``out=``.

A keyword that has no meaning for a dlarray passes at its default, and is refused by name otherwise.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import numpy as np

from dlgradient.core import calls
from dlgradient.core.types import Array, Operand, Params, Value
from dlgradient.errors import LeavingTraceError, UnknownKeywordError
from dlgradient.interop.operands import is_traced, raw
from dlgradient.ops.casting import astype

__all__ = [
    "ABSENT",
    "Translation",
    "call_adaptor",
    "full_name",
    "is_default",
    "refuse_keyword",
    "refuse_out",
    "write_out",
]

ABSENT = object()  # a parameter that NumPy's function does not have, or that has no default

# NumPy's names of parameters -> ours.
_RENAMED = {
    "ddof": "correction",
    "reps": "repetitions",
    "newshape": "shape",
    "a_min": "min",
    "a_max": "max",
    "axes": "axis",
}
_KEYWORD_FIXES = {
    "where": "choose elements of the result with where(condition, z, y)",
    "dtype": "convert the operands or the result with astype(x, dtype)",
    "out": "bind the result to a name, z = f(x)",
}
# What a reduction does with `initial`, and with elements where `where` is false.
_REDUCTION_FIXES = {
    **dict.fromkeys(("sum", "add.reduce"), ("initial + sum(x)", "sum(where(condition, x, 0))")),
    **dict.fromkeys(
        ("prod", "multiply.reduce"), ("initial * prod(x)", "prod(where(condition, x, 1))")
    ),
    **dict.fromkeys(
        ("max", "amax", "maximum.reduce"),
        ("maximum(max(x), initial)", "maximum(max(where(condition, x, -inf)), initial)"),
    ),
    **dict.fromkeys(
        ("min", "amin", "minimum.reduce"),
        ("minimum(min(x), initial)", "minimum(min(where(condition, x, inf)), initial)"),
    ),
    "all": ("", "all(where(condition, x, True))"),
    "any": ("", "any(where(condition, x, False))"),
    "mean": (
        "",
        "sum(where(condition, x, 0)) / count_nonzero(condition), for a condition of the shape of x",
    ),
    **dict.fromkeys(("var", "std"), ("", "x[condition] for x, if axis is None")),
}


class Translation:
    """Calls our function with arguments that are in the order and under the names of NumPy's.

    Parameters
    ----------
    func : callable
        Function of NumPy.
    function : callable
        Function of the same meaning. Its positional-only parameters are NumPy's first ones; the
        others have the same or a known other name.
    """

    __slots__ = ("accepted", "defaults", "func", "function", "operands")

    def __init__(self, func: object, function: Callable[..., Value]) -> None:
        self.func = func
        self.function = function
        self.defaults: Params | None = None  # read at the first call: an import makes a hundred

    def _read(self) -> Params:
        self.defaults = _defaults_of(self.func)
        parameters = inspect.signature(self.function).parameters.values()
        self.operands = len([p for p in parameters if p.kind is p.POSITIONAL_ONLY])
        self.accepted = [p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY]
        return self.defaults

    def __call__(self, *args: Any, **kwargs: Any) -> Value:
        """Call our function; keywords it does not have pass at their defaults only."""
        defaults = self.defaults if self.defaults is not None else self._read()
        # NumPy's signature is not known: the call passes as it is.
        if not defaults:
            return self.function(*args, **kwargs)
        name = full_name(self.func)
        if len(args) > len(defaults):
            raise UnknownKeywordError(
                f"{name}: takes {', '.join(defaults)}; {len(args)} arguments were given"
            )
        given = {**dict(zip(defaults, args, strict=False)), **kwargs}
        operands = []
        for operand in list(defaults)[: self.operands]:
            if operand not in given:
                raise UnknownKeywordError(f"{name}: the argument {operand} is missing")
            operands.append(given.pop(operand))
        params: Params = {}
        out = None
        for key, value in given.items():
            parameter = key if key in self.accepted else _RENAMED.get(key)
            if parameter in self.accepted and not is_default(value, np._NoValue):
                params[parameter] = value
            elif is_default(value, defaults.get(key, ABSENT)):
                continue
            elif key == "dtype":
                operands[0] = astype(operands[0], dtype=value)
            elif key == "out":
                out = value
            else:
                refuse_keyword(name, key, self.accepted)
        if out is None:
            return self.function(*operands, **params)
        refuse_out(name, out, operands)
        return write_out(out, self.function(*operands, **params))


def call_adaptor(
    func: object, adaptor: Callable[..., Value], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Value:
    """Call an adaptor; keywords that it does not have are dropped if they change nothing."""
    try:
        return adaptor(*args, **kwargs)
    except TypeError as error:
        # Only a call that fails pays for reading the signature.
        signature = inspect.signature(adaptor)
        # The call was right, so the error comes from inside.
        if _fits(signature, args, kwargs):
            raise
        name, given, defaults = full_name(func), dict(kwargs), _defaults_of(func)
        out = given.pop("out", None)
        for keyword in [k for k in given if k not in signature.parameters]:
            if not is_default(given[keyword], defaults.get(keyword, ABSENT)):
                refuse_keyword(name, keyword, signature.parameters)
            del given[keyword]
        if out is not None:
            refuse_out(name, out, (*args, *given.values()))
        if not _fits(signature, args, given):
            raise UnknownKeywordError(f"{name}: {error}") from error
        result = adaptor(*args, **given)
        return result if out is None else write_out(out, result)


def _fits(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def is_default(value: object, default: object) -> bool:
    """Whether an argument has its default value (which is no array, so `==` gives a bool)."""
    return value is default or (
        type(value) is type(default) and isinstance(value, bool | int | str) and value == default
    )


def _defaults_of(func: Any) -> Params:
    """Names and defaults of the parameters of a function of NumPy."""
    try:
        parameters = inspect.signature(func).parameters.values()
    except ValueError:  # written in C, in older versions of NumPy
        return {}
    return {p.name: p.default for p in parameters}


def full_name(func: object) -> str:
    """Return the name of a function of NumPy with that of its module."""
    if isinstance(func, np.ufunc):
        special = sys.modules.get("scipy.special")
        its = getattr(special, func.__name__, None) is func
        return f"{'scipy.special' if its else 'numpy'}.{func.__name__}"
    return f"{getattr(func, '__module__', 'numpy')}.{getattr(func, '__name__', func)}"


def write_out(out: Array, result: Value) -> Array:
    """Write a result into the array given as ``out=``, and return it."""
    np.copyto(out, raw(result), casting="same_kind")
    return out


def refuse_out(name: str, out: Operand, operands: Iterable[object]) -> None:
    """Raise, unless `out` is a NumPy array and no operand is traced."""
    if type(out) is calls.dlarray:
        raise UnknownKeywordError(
            f"{name}: out is a dlarray, which is a value and is not written into; write "
            f"z = {name}(...)"
        )
    if is_traced(operands):
        fix = "for `a += x` write `a = a + x`, or make a dlarray of it first, a = dlarray(a)"
        if name == "numpy.copyto":  # which numpy.full_like calls
            fix = "for full_like(a, x) write x * ones_like(a), and for a[...] = x make a a dlarray"
        raise LeavingTraceError(
            f"{name}: writing into a NumPy array of shape {np.shape(out)} would take a traced "
            f"dlarray out of its trace, and its derivative would silently be lost; {fix}"
        )


def refuse_keyword(name: str, keyword: str, accepted: Iterable[str]) -> NoReturn:
    """Raise the error for a keyword that changes what a dlarray cannot follow."""
    fix = _KEYWORD_FIXES.get(keyword)
    reduced = _REDUCTION_FIXES.get(name.partition(".")[2])
    if reduced and keyword in ("initial", "where"):
        fix = f"write {reduced[keyword == 'where']}"
    have = ", ".join(accepted) or "none"
    raise UnknownKeywordError(
        f"{name}: the keyword {keyword!r} is not supported on a traced dlarray (supported: {have})"
        + (f"; {fix}" if fix else "")
    )
