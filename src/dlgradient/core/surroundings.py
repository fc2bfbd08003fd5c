"""What functions of users read besides their arguments: closures, globals, attributes.

A backward pass of a user runs later than the forward pass, and may read such values again. A solver
that repeats its steps does so too. If they have changed, the derivative is that of another
function. A trace notes them at each call that it records. Before it differentiates, it compares.

The values are numbers that are not integers, arrays, and dlarrays, in containers and objects at any
depth. Integers may count calls. Arrays to which a function only writes its results are left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache, partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from dlgradient.core import calls
from dlgradient.core.graph import Node
from dlgradient.core.members import LEAF_TYPES, kind_of
from dlgradient.core.sizes import COPY_BYTES
from dlgradient.core.trace import Trace, are_same, digest, owner_of
from dlgradient.core.types import Array, Function, RawValue
from dlgradient.core.user_code import backward_outputs, forward_outputs
from dlgradient.core.values import is_supported

__all__ = ["is_of_user", "names_in", "remember", "values_read"]

_NUMBERS = (float, complex, np.inexact)
_SKIPPED = {
    int,
    bool,
    str,
    bytes,
    type(None),
    np.ufunc,
    BuiltinFunctionType,
    property,
    staticmethod,
}


class _Read(NamedTuple):
    """A value that a function can read, the expression for it, and its last name."""

    path: str
    name: str
    value: Any


# -- what a function can read --------------------------------------------------------------------


def values_read(functions: Sequence[Function]) -> Iterator[_Read]:
    """Yield the numbers, arrays and dlarrays that functions can read, with their paths.

    The numbers of a list are one value, a tuple.
    """
    todo = [_Read(getattr(f, "__name__", "function"), "", f) for f in functions]
    seen: dict[int, Any] = {}  # it holds the values, so that no other one gets their identity
    while todo:
        read = todo.pop()
        value = read.value
        if type(value) in _SKIPPED or id(value) in seen:
            continue
        if isinstance(value, _NUMBERS) or type(value) is calls.dlarray or _is_array(value):
            yield read
        elif type(value) in (list, tuple) and LEAF_TYPES.issuperset(map(type, value)):
            yield read._replace(value=tuple([v for v in value if isinstance(v, float | complex)]))
        else:
            seen[id(value)] = value
            todo += _parts(read)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and is_supported(value.dtype)


def _parts(read: _Read) -> list[_Read]:
    """Return what can be read through a value: of a function, an object or a container."""
    path, name, value = read
    if isinstance(value, MethodType | FunctionType | partial):
        return _parts_of_function(path, value)
    if value is None or isinstance(value, type | ModuleType):
        return []
    if type(value).__module__.partition(".")[0] == "pandas":
        return [_Read(path, name, np.asarray(value))] if hasattr(value, "dtype") else []
    kind = kind_of(value)
    parts = kind.split(value)
    if parts is None:
        return [_Read(f"{path}.{n}", n, part) for n, part in _attributes(value)]
    suffixes = kind.suffixes(value)
    return [_Read(path + end, name, part) for end, part in zip(suffixes, parts[0], strict=True)]


def _parts_of_function(path: str, value: MethodType | FunctionType | partial[Any]) -> list[_Read]:
    if isinstance(value, MethodType):
        return [_Read("self", "", value.__self__), _Read(path, "", value.__func__)]
    if isinstance(value, partial):
        return [_Read(path, "", part) for part in (value.func, value.args, value.keywords)]
    return [_Read(name, name, part) for name, part in _scope(value)]


# Folders of packages, wherever they are: of the user, of the system, of another environment.
_PACKAGES = tuple([f"{os.sep}{name}-packages{os.sep}" for name in ("site", "dist")])


@cache
def _libraries() -> tuple[str, ...]:
    """Return the folders whose code is not the user's."""
    import sysconfig  # at the first use: it would take a tenth of the import (row import)
    from pathlib import Path

    names = "stdlib", "platstdlib", "purelib", "platlib"
    found = [sysconfig.get_path(name) for name in names]
    # NumPy may be elsewhere, as for an environment that sees the packages of the system.
    return tuple([f + os.sep for f in (*found, str(Path(np.__file__).parents[1]))])


@lru_cache(maxsize=4096)
def is_of_user(module: str | None) -> bool:
    """Return whether a module is neither installed, nor of the standard library, nor this one."""
    if module is None or module.partition(".")[0] == "dlgradient":
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return module not in sys.builtin_module_names
    return not (file.startswith(_libraries()) or any(f in file for f in _PACKAGES))


def _scope(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield what the code of a user's function can name, other than its arguments."""
    scope = function.__globals__
    if not is_of_user(scope.get("__name__")):
        return
    names = names_in(function.__code__)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # it has no value yet
            continue
    if function.__defaults__ is not None or function.__kwdefaults__ is not None:
        yield "defaults", (function.__defaults__, function.__kwdefaults__)
    for name in names & scope.keys():
        value = scope[name]
        if not isinstance(value, ModuleType):
            yield name, value
        elif is_of_user(value.__name__):
            yield from [(n, vars(value)[n]) for n in names & vars(value).keys()]


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of an object of a user's class, and of the class."""
    kinds = [kind for kind in type(value).__mro__ if is_of_user(kind.__module__)]
    if kinds:
        yield from getattr(value, "__dict__", {}).items()
    for kind in kinds:
        for name, part in vars(kind).items():
            if not name.startswith("__") or name == "__call__":
                yield name, getattr(value, name, None) if name in _slots(kind) else part


def _slots(kind: type) -> Sequence[str]:
    found = vars(kind).get("__slots__", ())
    return (found,) if isinstance(found, str) else tuple(found)


@lru_cache(maxsize=4096)
def names_in(code: CodeType) -> frozenset[str]:
    """Return the names of globals, attributes and cells in a code, and in functions inside it."""
    inner = [names_in(part) for part in code.co_consts if isinstance(part, CodeType)]
    return frozenset((*code.co_names, *code.co_freevars)).union(*inner)


def _named_in(functions: Iterable[Function]) -> frozenset[str]:
    codes = [getattr(f, "__code__", None) for f in functions]
    return frozenset().union(*[names_in(code) for code in codes if code is not None])


# -- what a trace notes of it --------------------------------------------------------------------


class _Noted:
    """What some functions could read at a call.

    Attributes
    ----------
    where : str
        What the functions are, for the message.
    first, later : sequence of callable
        Those that make the result, and those that run when a derivative is asked for.
    other_names : frozenset of str
        What the latter name besides their surroundings.
    values : dict
        Paths and values; of small arrays copies.
    """

    __slots__ = ("first", "later", "other_names", "values", "where")

    def __init__(
        self,
        where: str,
        first: Sequence[Function],
        later: Sequence[Function],
        other_names: Iterable[str],
    ) -> None:
        self.where, self.first, self.later = where, first, later
        self.other_names = frozenset(other_names)
        self.values: dict[str, RawValue] = {}

    def change(self, now: dict[str, RawValue]) -> str | None:
        """Return the path of a value that is another one now, None if there is none."""
        paths = (p for p, v in self.values.items() if p in now and not _is_same(v, now[p]))
        return next(paths, None)


class _Surroundings:
    """What a trace noted at its calls; it is among the arrays that the trace holds.

    Attributes
    ----------
    nodes : WeakKeyDictionary
        What was noted for each node. With its node an entry is gone, and may then change.
    latest : dict
        What was noted last, by functions.
    large : dict
        Arrays that are not copied, and their digests.
    """

    def __init__(self) -> None:
        self.nodes: WeakKeyDictionary[Node, _Noted] = WeakKeyDictionary()
        self.latest: dict[object, _Noted] = {}
        self.large: dict[int, tuple[Array, int]] = {}

    def read(self, noted: _Noted, trace: Trace) -> dict[str, RawValue]:
        """Return what the functions of a call can read now."""
        again = _named_in(noted.later) - noted.other_names
        found = {}
        for path, name, value in values_read((*noted.first, *noted.later)):
            if type(value) is calls.dlarray:
                found[path] = value._value
            elif not isinstance(value, np.ndarray):
                found[path] = value
            elif not _is_output(value, read_later=name in again):
                found[path] = self.array(value, trace)
        return found

    def array(self, array: Array, trace: Trace) -> Array:
        """Return what is compared later: a copy, or the array itself, whose digest is taken."""
        if array.nbytes <= COPY_BYTES:
            return trace.copied(array)
        owner = owner_of(array)
        if id(owner) not in self.large:
            self.large[id(owner)] = owner, digest(owner)
        return array

    def add(self, node: Node, key: object, noted: _Noted) -> None:
        """Note what the functions of a call read, once for all calls where it is the same."""
        last = self.latest.get(key)
        same = last is not None and last.values.keys() == noted.values.keys()
        if last is not None and same and last.change(noted.values) is None:
            noted = last
        self.latest[key] = self.nodes[node] = noted

    def change(self, trace: Trace) -> str | None:
        """Return what has changed, for a message; None if nothing has."""
        for noted in set(self.nodes.values()):
            path = noted.change(self.read(noted, trace))
            if path is not None:
                return f"{path}, which {noted.where} can read, has changed since the call"
        for owner, before in self.large.values():
            if id(owner) not in backward_outputs and digest(owner) != before:
                found = f"an array of shape {owner.shape} {owner.dtype}"
                return f"{found}, which a function of yours can read, has changed since the call"
        return None

    def release(self) -> None:
        """Forget everything, when the trace closes."""


def _is_output(array: Array, *, read_later: bool) -> bool:
    """Return whether functions of users only write their results to an array."""
    owner = id(owner_of(array))
    return owner in backward_outputs or (owner in forward_outputs and not read_later)


def _is_same(x: RawValue, y: RawValue) -> bool:
    if x is y:
        return True
    if isinstance(x, tuple):  # numbers may be appended to a list, as to a record
        return isinstance(y, tuple) and x == y[: len(x)]
    if not (isinstance(x, np.ndarray) and isinstance(y, np.ndarray)):
        return type(x) is type(y) and bool(x == y or (np.isnan(x) and np.isnan(y)))
    return x.shape == y.shape and x.dtype == y.dtype and are_same(x, y)


def remember(
    node: Node,
    where: str,
    key: object,
    first: Sequence[Function],
    later: Sequence[Function],
    other_names: Iterable[str] = (),
) -> None:
    """Note for a node what functions of a user can read, so that a change of it is an error."""
    held = node.trace.held.get(0) or _Surroundings()  # 0 is the identity of no array
    assert isinstance(held, _Surroundings)
    noted = _Noted(where, first, later, other_names)
    noted.values = held.read(noted, node.trace)
    if noted.values:
        node.trace.held[0] = held
        held.add(node, key, noted)
