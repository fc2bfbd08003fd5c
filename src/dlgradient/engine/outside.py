"""Why a value is not traced: a function takes it from outside, or in an object.

Only errors look for it: in the function that `dlfeval` evaluates, and in the arguments of the call.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

from dlgradient.core import tree
from dlgradient.core.calls import is_variable
from dlgradient.core.trace import Trace
from dlgradient.engine.array import dlarray

__all__ = ["not_dlarray", "taken_from_outside"]

_MOST = 3  # names in a message


def not_dlarray(x: object) -> str:
    """Return what to do with a value that is neither a dlarray nor a container of dlarrays."""
    if not tree.is_leaf(x) and tree.flatten(x)[0]:
        return "it is a container; flatten(x) is one array of all its elements"
    names = [name for name, _ in _attributes(x)]
    if names:
        return (
            f"{type(x).__name__} is no container; make it a dataclass, or give its arrays: "
            f"{', '.join(names[:_MOST])}"
        )
    if callable(x):
        return "give the arrays that it uses, which must be arguments of the function in dlfeval"
    if isinstance(x, Iterable) and not hasattr(x, "shape") and not isinstance(x, str | bytes):
        return "make a list of it, before dlfeval too"
    return "make it one with dlarray(x) and pass it to dlfeval as an argument of the function"


def taken_from_outside(trace: Trace, x: dlarray) -> str:
    """Return which arrays an evaluated function has that are not traced, for a message, or ''.

    `x` is the one that should be traced. If it is among them, only that one is named.
    """
    fun, args = _call(trace)
    name = getattr(fun, "__name__", type(fun).__name__)
    found = [
        (array, f"{name} takes {path} from outside, where it is a constant; make it an argument")
        for start, value in _outside(fun)
        for path, array in _members(start, value)
    ]
    found += [
        (array, f"{path} of an argument is not traced; {not_dlarray(value)}")
        for value in args
        for path, array in _members(type(value).__name__, value)
        if tree.is_leaf(value) and type(value) is not dlarray
    ]
    same = [text for array, text in found if array is x]
    return "; ".join(same[:1] or [text for _, text in found[:_MOST]])


def _call(trace: Trace) -> tuple[Any, list[Any]]:
    """Return the function and the arguments of the innermost call of `dlfeval`."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_code.co_name == "dlfeval" and frame.f_locals.get("trace") is trace:
            found = frame.f_locals
            return found["fun"], [*found["given"], *found["named"].values()]
    return trace.function, []


def _outside(fun: Any) -> Iterator[tuple[str, Any]]:
    """Yield names and values that a function has from outside its arguments."""
    if isinstance(fun, partial):
        for i, value in enumerate(fun.args):
            yield f"args[{i}]", value
        yield from fun.keywords.items()
        yield from _outside(fun.func)
    elif isinstance(fun, MethodType):
        yield "self", fun.__self__
        yield from _outside(fun.__func__)
    elif isinstance(fun, FunctionType):
        for name, cell in zip(fun.__code__.co_freevars, fun.__closure__ or (), strict=True):
            try:
                yield name, cell.cell_contents
            except ValueError:  # not assigned to yet
                continue
        names = {i.argval for i in dis.get_instructions(fun) if i.opname == "LOAD_GLOBAL"}
        for name in sorted(names & fun.__globals__.keys()):
            yield name, fun.__globals__[name]
    else:
        yield "self", fun


def _members(path: str, value: object) -> list[tuple[str, dlarray]]:
    """Return the arrays of a value, or of its attributes, that are not traced but could be."""
    if isinstance(value, ModuleType | type | FunctionType):
        return []
    found = _attributes(value)
    if found:
        return [(f"{path}.{name}", array) for name, array in found]
    return [(path, array) for array in _arrays(value)[:1]]


def _arrays(value: object) -> list[dlarray]:
    leaves = tree.flatten(value)[0]
    return [x for x in leaves if type(x) is dlarray and not is_variable(x) and x.dtype.kind in "fc"]


def _attributes(value: object) -> list[tuple[str, dlarray]]:
    """Return names of attributes and an array of each, of an object that is no container."""
    if isinstance(value, ModuleType | type | FunctionType) or not tree.is_leaf(value):
        return []
    attributes = getattr(value, "__dict__", {})
    return [(name, array) for name, x in attributes.items() for array in _arrays(x)[:1]]
