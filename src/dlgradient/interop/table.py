"""NumPy's protocols: which function of this package answers a ufunc or a function of NumPy.

The table is made once, when it is first needed, from the declarations (``numpy=``). Where NumPy's
signature differs from the array-API standard's only in names and defaults, an `Answer` translates
it. Where it differs in more, `dlgradient.interop.translate` has an adaptor, which has priority.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import FUNCTIONS, open_node
from dlgradient.errors import (
    DlgradientError,
    InvalidArgumentError,
    LeavingTraceError,
    UnknownKeywordError,
    UnsupportedFunctionError,
)
from dlgradient.rules import DERIVED, OPS

__all__ = [
    "ADAPTORS",
    "answers",
    "function",
    "is_traced",
    "raw",
    "refuse_out",
    "supported",
    "ufunc",
]

# Adaptors: NumPy's callable -> a function of this package with the same signature.
ADAPTORS: dict[Any, Callable[..., Any]] = {}

# Other names of functions that declarations name.
_SAME = (
    (np.max, np.amax),
    (np.min, np.amin),
    (np.matmul, np.linalg.matmul),
    (np.vecdot, np.linalg.vecdot),
    (np.matrix_transpose, np.linalg.matrix_transpose),
    (np.tensordot, np.linalg.tensordot),
    (np.cross, np.linalg.cross),
)
# NumPy's names of parameters -> the names in this package.
_RENAMED = {
    "ddof": ("correction",),
    "reps": ("repetitions",),
    "newshape": ("shape",),
    "a_min": ("min",),
    "a_max": ("max",),
    "axes": ("axis",),
}
_REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}
_ACCUMULATIONS = {"add": np.cumsum, "multiply": np.cumprod}
# Keywords of every ufunc, at the values that change nothing.
_UFUNC_DEFAULTS: dict[str, Any] = {
    "out": None,
    "where": True,
    "casting": "same_kind",
    "order": "K",
    "dtype": None,
    "subok": True,
    "signature": None,
    "keepdims": False,
}
_KEYWORD_FIXES = {
    "where": "choose elements of the result with where(condition, x, y)",
    "dtype": "convert the operands or the result with astype(x, dtype)",
    "initial": "add it to the result",
    "out": "bind the result to a name, z = f(x)",
}
# What to use instead of a function that has no counterpart.
_INSTEAD = {
    "einsum": ("tensordot", "matmul"),
    "kron": ("outer", "reshape"),
    "norm": ("sqrt", "sum", "abs"),
    "median": ("mean",),
    "average": ("mean",),
    "nansum": ("where", "sum"),
    "nanmean": ("where", "mean"),
    "nan_to_num": ("where",),
    "piecewise": ("where",),
    "select": ("where",),
    "choose": ("where",),
    "pad": ("concatenate",),
    "block": ("concatenate", "stack"),
    "insert": ("concatenate",),
    "delete": ("concatenate", "take"),
    "convolve": ("matmul",),
    "correlate": ("matmul",),
    "apply_along_axis": ("stack",),
    "gradient": ("diff",),
    "trapezoid": ("sum",),
    "rollaxis": ("moveaxis",),
    "rot90": ("flip", "transpose"),
    "multi_dot": ("matmul",),
    "matrix_power": ("matmul",),
    "arctan2": ("arctan",),
    "cbrt": ("power",),
    "fmod": ("remainder",),
}


def answers(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add an adaptor for functions of NumPy; it has their signature."""

    def enter(adaptor: Callable[..., Any]) -> Callable[..., Any]:
        for one in functions:
            ADAPTORS[one] = adaptor
        return adaptor

    return enter


class _Table:
    """NumPy's callable -> its answer; made again when operations were declared since."""

    def __init__(self) -> None:
        self.entries: dict[Any, Callable[..., Any]] = {}
        self.declared = 0

    def find(self, func: Any) -> Callable[..., Any] | None:
        found = self.entries.get(func)
        if found is None and self.declared != len(OPS) + len(DERIVED):
            self.make()
            found = self.entries.get(func)
        return found

    def make(self) -> None:
        declarations: dict[str, Any] = {**OPS, **DERIVED}
        entries: dict[Any, Callable[..., Any]] = {}
        for name, declaration in declarations.items():
            given = declaration.numpy
            for func in given if isinstance(given, tuple) else (given,):
                if func is not None:
                    entries[func] = _answer(func, FUNCTIONS[name])
        for func, other in _SAME:
            if func in entries and other not in entries:
                entries[other] = _answer(other, _target(entries[func]))
        entries.update(ADAPTORS)
        self.declared = len(declarations)
        self.entries = entries


_TABLE = _Table()


def supported() -> frozenset[str]:
    """Names of the functions of NumPy that work on a dlarray.

    Examples
    --------
    >>> sorted(supported() & {"sin", "concatenate", "einsum"})
    ['concatenate', 'sin']
    """
    _TABLE.find(None)
    return frozenset(
        getattr(func, "__name__", "")
        for func in _TABLE.entries
        if isinstance(func, np.ufunc) or getattr(func, "__module__", "").startswith("numpy")
    )


# -- ufuncs --------------------------------------------------------------------------------------


def ufunc(func: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a ufunc of NumPy, or one of its methods, if an operand is a dlarray."""
    if method == "__call__" and not kwargs:
        target = _TABLE.find(func)
        if target is not None:
            return target(*inputs)
        raise _unsupported(func)
    name = _name(func) if method == "__call__" else f"{_name(func)}.{method}"
    given = {k: v for k, v in kwargs.items() if not _is_default(v, _UFUNC_DEFAULTS.get(k, _ABSENT))}
    if method in ("at", "reduceat"):
        if inputs and isinstance(inputs[0], np.ndarray) and is_traced(inputs):
            refuse_out(name, inputs[0], inputs)
        raise UnsupportedFunctionError(
            f"{name} is not supported on a dlarray; nearest: indexed assignment, x[i] = x[i] + v"
        )
    out = given.pop("out", None)
    if out is not None:
        out = out[0] if isinstance(out, tuple) else out
        refuse_out(name, out, inputs)
        result = ufunc(func, method, inputs, given)
        np.copyto(out, raw(result), casting="same_kind")
        return out
    if method == "__call__":
        target = _TABLE.find(func)
        if target is None:
            raise _unsupported(func)
        if given:
            _refuse_keyword(name, next(iter(given)), ())
        return target(*inputs)
    if method == "outer" and len(inputs) == 2:
        return _outer(func, name, inputs, given)
    return _folded(func, method, name, inputs, given)


def _outer(func: Any, name: str, inputs: tuple[Any, ...], given: dict[str, Any]) -> Any:
    if given:
        _refuse_keyword(name, next(iter(given)), ())
    x, y = (a if type(a) is calls.dlarray else np.asarray(a) for a in inputs)
    return ufunc(func, "__call__", (FUNCTIONS["reshape"](x, shape=x.shape + (1,) * y.ndim), y), {})


def _folded(
    func: Any, method: str, name: str, inputs: tuple[Any, ...], given: dict[str, Any]
) -> Any:
    """``reduce`` and ``accumulate``, with NumPy's default axis 0."""
    names = ("array", "axis", "dtype", "out", "keepdims", "initial", "where")
    given = {**dict(zip(names, inputs, strict=False)), **given}
    x = given.pop("array")
    axis = given.pop("axis", 0)
    dtype = given.pop("dtype", None)
    if dtype is not None:
        x = FUNCTIONS["astype"](x, dtype=dtype)
    short = func.__name__
    if method == "reduce" and short in _REDUCTIONS:
        keepdims = given.pop("keepdims", False)
        if given:
            _refuse_keyword(name, next(iter(given)), ("axis", "dtype", "keepdims"))
        return FUNCTIONS[_REDUCTIONS[short]](x, axis=axis, keepdims=keepdims)
    if method == "accumulate" and short in _ACCUMULATIONS:
        if given:
            _refuse_keyword(name, next(iter(given)), ("axis", "dtype"))
        return function(_ACCUMULATIONS[short], (x,), {"axis": axis})
    have = _REDUCTIONS if method == "reduce" else _ACCUMULATIONS
    raise UnsupportedFunctionError(
        f"{name} is not supported on a dlarray; nearest: "
        f"{', '.join(f'numpy.{n}.{method}' for n in have)}"
        + ("" if method in ("reduce", "accumulate") else f", or numpy.{short} itself")
    )


# -- functions -----------------------------------------------------------------------------------


def function(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Answer a function of NumPy that was given a dlarray."""
    target = _TABLE.find(func)
    if target is None:
        raise _unsupported(func)
    try:
        return target(*args, **kwargs)
    except np.exceptions.AxisError as error:
        raise InvalidArgumentError(f"{_name(func)}: {error}") from error
    except TypeError as error:
        if isinstance(error, DlgradientError) or isinstance(target, Answer):
            raise
        signature = inspect.signature(target)
        if _binds(signature, args, kwargs):
            raise
        return _rebound(func, target, args, dict(kwargs), signature, error)


def _rebound(
    func: Any,
    target: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    signature: inspect.Signature,
    error: TypeError,
) -> Any:
    """Call an adaptor; keywords that it does not have are dropped if they have their default."""
    out = kwargs.pop("out", None)
    defaults = _parameters(func)
    for name in [n for n in kwargs if n not in signature.parameters]:
        if not _is_default(kwargs[name], defaults.get(name, _ABSENT)):
            _refuse_keyword(_name(func), name, signature.parameters)
        del kwargs[name]
    if out is not None:
        refuse_out(_name(func), out, (*args, *kwargs.values()))
    if not _binds(signature, args, kwargs):
        raise UnknownKeywordError(f"{_name(func)}: {error}") from error
    result = target(*args, **kwargs)
    if out is not None:
        np.copyto(out, raw(result), casting="same_kind")
        return out
    return result


def _binds(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


_ABSENT = object()


def _is_default(value: Any, default: Any) -> bool:
    """Tell whether an argument has its default value, which is not an array."""
    return value is default or (
        type(value) is type(default) and isinstance(value, bool | int | str) and value == default
    )


def _parameters(func: Any) -> dict[str, Any]:
    """Return names and defaults of the parameters of a function of NumPy."""
    try:
        parameters = inspect.signature(func).parameters.values()
    except ValueError:  # written in C, in older versions of NumPy
        return {}
    return {p.name: p.default for p in parameters}


def _answer(func: Any, ours: Callable[..., Any]) -> Callable[..., Any]:
    return ours if isinstance(func, np.ufunc) else Answer(func, ours)


def _target(target: Callable[..., Any]) -> Callable[..., Any]:
    return target.ours if isinstance(target, Answer) else target


class Answer:
    """Calls a function of this package with arguments in the order and with the names of NumPy's.

    Parameters
    ----------
    func : callable
        A function of NumPy.
    ours : callable
        A function of the same meaning. Its positional-only parameters are NumPy's first ones. The
        others have the same name or one of a known pair.
    """

    __slots__ = ("accepted", "func", "operands", "ours", "theirs")

    def __init__(self, func: Any, ours: Callable[..., Any]) -> None:
        self.func = func
        self.ours = ours
        self.theirs: dict[str, Any] | None = None  # read at the first call

    def _read(self) -> dict[str, Any]:
        self.theirs = _parameters(self.func)
        parameters = inspect.signature(self.ours).parameters.values()
        self.operands = len([p for p in parameters if p.kind is p.POSITIONAL_ONLY])
        self.accepted = [p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY]
        return self.theirs

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        theirs = self.theirs if self.theirs is not None else self._read()
        if not theirs:
            return self.ours(*args, **kwargs)
        names = list(theirs)
        if len(args) > len(names):
            raise UnknownKeywordError(
                f"{_name(self.func)}: takes {', '.join(names)}; {len(args)} arguments were given"
            )
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        operands = []
        for name in names[: self.operands]:
            if name not in given:
                raise UnknownKeywordError(f"{_name(self.func)}: the argument {name} is missing")
            operands.append(given.pop(name))
        params: dict[str, Any] = {}
        out = None
        for name, value in given.items():
            right = self._parameter(name)
            if right is not None and not _is_default(value, np._NoValue):
                params[right] = value
            elif _is_default(value, theirs.get(name, _ABSENT)):
                continue
            elif name == "dtype":
                operands[0] = FUNCTIONS["astype"](operands[0], dtype=value)
            elif name == "out":
                out = value
            else:
                _refuse_keyword(_name(self.func), name, self.accepted)
        if out is None:
            return self.ours(*operands, **params)
        refuse_out(_name(self.func), out, operands)
        np.copyto(out, raw(self.ours(*operands, **params)), casting="same_kind")
        return out

    def _parameter(self, name: str) -> Any:
        """Return the name here of one of NumPy's parameters."""
        for candidate in (name, *_RENAMED.get(name, ())):
            if candidate in self.accepted:
                return candidate
        return None


# -- values and refusals -------------------------------------------------------------------------


def is_traced(values: Iterable[Any]) -> bool:
    """Tell whether one of the values, or of their members, is a traced dlarray."""
    for value in values:
        if type(value) is calls.dlarray:
            if open_node(value) is not None:
                return True
        elif isinstance(value, list | tuple) and is_traced(value):
            return True
    return False


def raw(value: Any) -> Any:
    """Return a value with every dlarray in it, at any depth of list and tuple, as a raw value."""
    if type(value) is calls.dlarray:
        return value._value
    if type(value) in (list, tuple):
        return type(value)([raw(v) for v in value])
    return value


def _name(func: Any) -> str:
    if isinstance(func, np.ufunc):
        return f"numpy.{func.__name__}"
    return f"{getattr(func, '__module__', 'numpy')}.{getattr(func, '__name__', func)}"


def refuse_out(name: str, out: Any, operands: Iterable[Any]) -> None:
    """Raise, unless `out` is a NumPy array and no operand is traced."""
    if type(out) is calls.dlarray:
        raise UnknownKeywordError(
            f"{name}: out is a dlarray, which is a value and is not written into; write "
            f"z = {name}(...)"
        )
    if is_traced(operands):
        raise LeavingTraceError(
            f"{name}: writing into a NumPy array of shape {np.shape(out)} would take a traced "
            "dlarray out of its trace, and its derivative would silently be lost; for `a += x` "
            "write `a = a + x`, or make a dlarray of it first, a = dlarray(a)"
        )


def _refuse_keyword(name: str, keyword: str, accepted: Iterable[str]) -> NoReturn:
    fix = _KEYWORD_FIXES.get(keyword)
    have = ", ".join(accepted) or "none"
    raise UnknownKeywordError(
        f"{name}: the keyword {keyword!r} is not supported on a dlarray (supported: {have})"
        + (f"; {fix}" if fix else "")
    )


def _unsupported(func: Any) -> UnsupportedFunctionError:
    from difflib import get_close_matches  # only errors pay for this import

    names = supported()
    short = getattr(func, "__name__", str(func))
    near = [n for n in _INSTEAD.get(short, ()) if n in names]
    near += [n for n in get_close_matches(short, names, n=2, cutoff=0.6) if n not in near]
    advice = f"; nearest: {', '.join(f'numpy.{n}' for n in near)}" if near else ""
    return UnsupportedFunctionError(
        f"{_name(func)} is not supported on a dlarray, and a conversion would silently lose the "
        f"derivative{advice}. Write it with supported functions, or give it extractdata(x), a "
        "constant"
    )
