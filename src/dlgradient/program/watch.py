"""What a function reads besides its arguments, and whether it is still the same.

A program holds what the function found there as constants: globals, closure cells, defaults,
attributes of objects, modules of the user, and the code of all functions that are reached. So each
program has a watch on it, and a call is answered only if nothing has changed. Arrays are compared
by their content, containers by their members, numbers and texts by value. Other objects are
compared by identity, and by those of their attributes that some reached code names.

What cannot be watched is refused: a generator that draws, an iterator, an object whose state is
not Python's. `Unwatchable` says which, and the function then runs eagerly.
"""

from __future__ import annotations

import enum
import re
import types
from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.surroundings import is_of_user, names_in
from dlgradient.core.trace import digest
from dlgradient.engine.array import dlarray
from dlgradient.program.draws import state_of

__all__ = ["Unwatchable", "Watch", "watched"]

MOST = 10_000  # values; a larger structure is not watched
SMALL = 4096  # bytes of an array that are compared, and not summed up

_ABSENT = object()
_PLAIN = frozenset(
    {int, float, complex, bool, str, bytes, type(None), type(Ellipsis), range, slice}
)
_INERT = (
    *(
        BuiltinFunctionType,
        np.ufunc,
        np.dtype,
        types.MethodDescriptorType,
        types.GetSetDescriptorType,
    ),
    *(types.WrapperDescriptorType, types.MethodWrapperType, types.ClassMethodDescriptorType),
    *(types.MemberDescriptorType, types.GenericAlias, types.CodeType, re.Pattern, enum.Enum),
)
# Names with which code reaches attributes that it does not name.
_DYNAMIC = frozenset(
    {"getattr", "vars", "__dict__", "attrgetter", "eval", "exec", "globals", "locals", "asdict"}
)
# Names of functions whose results no watch can follow.
_UNSTEADY = frozenset(
    {
        *("default_rng", "RandomState", "SystemRandom", "SeedSequence", "urandom"),
        *("open", "input", "getenv", "environ", "load", "loadtxt", "genfromtxt", "fromfile"),
        *("memmap", "read_csv"),
    }
)
_UNSTEADY_MODULES = frozenset({"time", "datetime", "secrets", "uuid"})


class Unwatchable(Exception):  # noqa: N818 - no error: the call runs eagerly
    """Something that a function reads, of which no change could be noticed."""


# Places, as expressions: {} is the owner.
FORMS = {
    "code": "{}.__code__",
    "defaults": "{}.__defaults__",
    "kwdefaults": "{}.__kwdefaults__",
    "cell": "{}.cell_contents",
    "global": "{}.get({key!r}, ABSENT)",
    "item": "{}[{key!r}]",
    "of class": "vars({})[{key!r}]",
    "attribute": "getattr({}, {key!r}, ABSENT)",
}


class Place(NamedTuple):
    """Where something was found.

    Attributes
    ----------
    path : str
        For users.
    check : str
        Whether it is still there, as an expression.
    form : str
        What kind of place this is: one of `FORMS`, "array", "state" of a generator, or "" for
        another check of its own.
    owner, value : object
        What has the place, and what was there; of a dlarray its value and its format.
    key : str
        The name of an item or an attribute.
    """

    path: str
    check: str
    form: str
    owner: Any
    value: Any
    key: str


class Watch:
    """What was found at a call, as expressions of one function that compares it with what is now.

    A loop over checks would cost more than a small program (row rosenbrock).

    Attributes
    ----------
    codes : dict of CodeType
        Of the functions of the user that were reached.
    unsteady : list of str
        What they name whose results differ from call to call, such as clocks.
    places : list of Place
    """

    def __init__(self) -> None:
        self.codes: dict[CodeType, None] = {}
        self.unsteady: list[str] = []
        self.places: list[Place] = []
        self._scope: dict[str, Any] = {"ABSENT": _ABSENT, "same": _is_same}
        self._compiled: Callable[[], bool] | None = None

    def add(self, path: str, form: str, owner: Any, value: Any, key: str = "") -> None:
        """Watch that a place holds the same object, or an equal number or text.

        Parameters
        ----------
        path : str
            For users.
        form, owner, value, key
            Of `Place`.
        """
        now, then = FORMS[form].format(self._bound(owner), key=key), self._bound(value)
        check = f"{now} is {then}"
        if type(value) in _PLAIN:
            check = f"({check} or same({now}, {then}))"
        self.places.append(Place(path, check, form, owner, value, key))

    def add_check(
        self, path: str, check: Callable[[], bool], form: str = "", *of_place: Any
    ) -> None:
        """Watch with a function of its own; owner and value of the place may follow."""
        owner, value = of_place or (None, None)
        self.places.append(Place(path, f"{self._bound(check)}()", form, owner, value, ""))

    def _bound(self, value: Any) -> str:
        name = f"v{len(self._scope)}"
        self._scope[name] = value
        return name

    def state_before(self, generator: np.random.Generator) -> bytes | None:
        """Return the state that a generator had; None if it is not watched."""
        found = [p.value for p in self.places if p.form == "state" and p.owner is generator]
        return found[0] if found else None

    def let_draw(self, generator: np.random.Generator) -> None:
        """Watch the state of a generator no more."""
        self.places = [p for p in self.places if p.form != "state" or p.owner is not generator]
        self._compiled = None

    @property
    def unchanged(self) -> Callable[[], bool]:
        """The function that tells whether all is as it was."""
        if self._compiled is None:
            self._compiled = self.function_of(self.places)
        return self._compiled

    def change(self) -> str:
        """Return the path of the first change, '' if there is none."""
        if self.unchanged():
            return ""
        return next((p.path for p in self.places if not self.function_of([p])()), "")

    def function_of(self, places: Sequence[Place]) -> Callable[[], bool]:
        """Return a function that compares some places; one that is gone has changed."""
        condition = "".join(f"            and {place.check}\n" for place in places)
        text = f"def unchanged():\n    try:\n        return (True\n{condition}        )\n"
        text += "    except (AttributeError, LookupError, TypeError, ValueError):\n"
        text += "        return False\n"
        exec(compile(text, "<dlaccelerate: watch>", "exec"), self._scope)
        found: Callable[[], bool] = self._scope.pop("unchanged")
        return found


def _is_same(now: Any, then: Any) -> bool:
    return type(now) is type(then) and _alike(now, then)


def _alike(now: Any, before: Any) -> bool:
    # 0.0 and -0.0 are equal, and not alike.
    return bool(now == before and (now or repr(now) == repr(before)))


def watched(functions: Sequence[Any]) -> Watch:
    """Return a watch on what functions and objects read; `Unwatchable` if there can be none."""
    names: frozenset[str] = frozenset()
    while True:  # code names attributes, and attributes are functions, whose code names more
        walk = _Walk(names)
        for function in functions:
            walk.visit(getattr(function, "__name__", type(function).__name__), function)
        found = frozenset().union(*map(names_in, walk.watch.codes))
        if found == names:
            return walk.watch
        names = found


class _Walk:
    """One walk over what can be read, by an explicit stack."""

    def __init__(self, names: frozenset[str]) -> None:
        self.watch = Watch()
        self.names = names
        self.all_names = not _DYNAMIC.isdisjoint(names)
        self.seen: dict[int, Any] = {}
        self.todo: list[tuple[str, Any]] = []

    def visit(self, path: str, value: Any) -> None:
        """Watch a value, and what it leads to."""
        self.todo.append((path, value))
        while self.todo:
            at, found = self.todo.pop()
            if type(found) in _PLAIN or id(found) in self.seen:
                continue
            self.seen[id(found)] = found
            if len(self.seen) > MOST:
                raise Unwatchable(f"{path}, which leads to more than {MOST} values")
            self._visit_one(at, found)

    def _follow(self, path: str, form: str, owner: Any, value: Any, key: str = "") -> None:
        """Watch the place where a value is, and then the value."""
        self.watch.add(path, form, owner, value, key)
        self.todo.append((path, value))

    def _visit_one(self, path: str, value: Any) -> None:
        for kinds, visit in _VISITS:
            if isinstance(value, kinds):
                visit(self, path, value)
                return
        self._object(path, value)

    def _nothing(self, path: str, value: Any) -> None:
        """Watch nothing of a value that does not change."""

    def _method(self, path: str, method: MethodType) -> None:
        self.todo += [(f"{path}.self", method.__self__), (path, method.__func__)]

    def _partial(self, path: str, value: partial[Any]) -> None:
        self.todo += [(path, v) for v in (value.func, *value.args, *value.keywords.values())]

    def _wrapped(self, path: str, value: Any) -> None:
        """Watch the functions that a descriptor calls."""
        names = ("__func__", "fget", "fset", "func")
        functions = [getattr(value, name, None) for name in names]
        self.todo += [(path, f) for f in functions if f is not None]

    # -- code ------------------------------------------------------------------------------------

    def _function(self, path: str, function: FunctionType) -> None:
        watch = self.watch
        if not is_of_user(function.__globals__.get("__name__")):
            wrapped = getattr(function, "__wrapped__", None)
            if wrapped is not None:
                self.todo.append((path, wrapped))
            return
        code = function.__code__
        watch.codes[code] = None
        watch.unsteady += sorted(names_in(code) & _UNSTEADY)
        watch.add(f"the code of {path}", "code", function, code)
        self._attributes(path, function)
        for form in ("defaults", "kwdefaults"):
            value = getattr(function, f"__{form}__")
            self._follow(f"{path}.__{form}__", form, function, value)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            value = _content(cell)
            if value is _ABSENT:
                continue
            self._follow(name, "cell", cell, value)
        self._globals(function, names_in(code))

    def _globals(self, function: FunctionType, names: frozenset[str]) -> None:
        scope = function.__globals__
        for name in sorted(names):
            value = scope.get(name, _ABSENT)
            if value is not _ABSENT:
                if _module_of(value) in _UNSTEADY_MODULES:
                    self.watch.unsteady.append(name)
                self._follow(name, "global", scope, value, name)

    def _module(self, path: str, module: ModuleType) -> None:
        if not is_of_user(module.__name__):
            return
        scope = vars(module)
        for name in sorted(self.names & scope.keys()):
            self._follow(f"{path}.{name}", "item", scope, scope[name], name)

    def _class(self, path: str, kind: type) -> None:
        for base in kind.__mro__:
            if is_of_user(base.__module__):
                for name, value in list(vars(base).items()):
                    if self._counts(name) or (callable(value) and name in _CALLED):
                        self._follow(f"{path}.{name}", "of class", base, value, name)

    def _counts(self, name: str) -> bool:
        return self.all_names or name in self.names

    # -- values ----------------------------------------------------------------------------------

    def _dlarray(self, path: str, array: dlarray) -> None:
        def is_same(value: Any = array._value, fmt: str | None = array._format) -> bool:
            return array._value is value and array._format == fmt

        parts = array._value, array._format
        self.watch.add_check(path, is_same, "array", array, parts)

    def _array(self, path: str, array: Any) -> None:
        if array.dtype.hasobject or type(array) is not np.ndarray:
            raise Unwatchable(f"{path}, an array of {array.dtype} ({type(array).__name__})")
        small = array.nbytes <= SMALL
        content = _small_content if small else _large_content
        self.watch.add_check(path, partial(_has_content, array, content, content(array)))

    def _sequence(self, path: str, values: Any) -> None:
        members = list(values)
        if type(values) is not tuple:
            self.watch.add_check(path, partial(_has_members, values, members))
        self.todo += [(f"{path}[{i}]", v) for i, v in enumerate(members)]
        self._attributes(path, values)

    def _dict(self, path: str, values: dict[Any, Any]) -> None:
        keys, members = list(values), list(values.values())
        self.watch.add_check(path, partial(_has_items, values, keys, members))
        self.todo += [(f"{path}[{k!r}]", v) for k, v in zip(keys, members, strict=True)]
        self._attributes(path, values)

    def _set(self, path: str, values: set[Any] | frozenset[Any]) -> None:
        self.watch.add_check(path, partial(_has_elements, values, frozenset(values)))
        self.todo += [(path, v) for v in values]

    def _own(self, path: str, value: Any) -> None:
        parts = value._program_parts()
        values = [x._value for x in parts.members if type(x) is dlarray]
        if len(values) != len(parts.members):
            raise Unwatchable(f"{path}, a {type(value).__name__}")
        self.watch.add_check(path, partial(_has_parts, value, parts.key, values))

    def _object(self, path: str, value: Any) -> None:
        """Watch the attributes of an object, if all of its state is there."""
        kind = type(value)
        if hasattr(kind, "_program_function"):
            self.todo.append((path, value._program_function()))
            return
        if hasattr(kind, "_program_parts"):
            self._own(path, value)
            return
        if isinstance(value, _GENERATORS):
            raise Unwatchable(f"{path}, a {kind.__name__}")
        if kind.__module__ == "numpy.random._generator":
            self._generator(path, value)
            return
        wrapped = getattr(value, "__wrapped__", None)
        if isinstance(wrapped, FunctionType) and not isinstance(value, FunctionType):
            self.todo.append((path, wrapped))
            return
        if kind.__module__ in _HARMLESS:
            return
        base = next(b for b in kind.__mro__ if not b.__flags__ & _HEAP_TYPE)
        if base not in _OPEN:
            raise Unwatchable(f"{path}, a {kind.__name__}, whose state is not in attributes")
        self._attributes(path, value)
        self.todo.append((kind.__name__, kind))

    def _generator(self, path: str, generator: Any) -> None:
        before = state_of(generator)

        def is_same() -> bool:
            return state_of(generator) == before

        self.watch.add_check(f"the state of {path}", is_same, "state", generator, before)

    def _attributes(self, path: str, value: Any) -> None:
        scope = getattr(value, "__dict__", None)
        # Code of a library, which reads attributes that no code of the user names.
        foreign = any(not is_of_user(b.__module__) for b in type(value).__mro__[:-1])
        if isinstance(scope, dict):
            for name in list(scope):
                if foreign or self._counts(name):
                    self._follow(f"{path}.{name}", "item", scope, scope[name], name)
        for base in type(value).__mro__:
            names = vars(base).get("__slots__", ()) if is_of_user(base.__module__) else ()
            for name in (names,) if isinstance(names, str) else names:
                if self._counts(name):
                    found = getattr(value, name, _ABSENT)
                    self._follow(f"{path}.{name}", "attribute", value, found, name)


# What is watched of the kinds of values, in the order in which they are asked for.
_VISITS: tuple[tuple[Any, Callable[[_Walk, str, Any], None]], ...] = (
    (FunctionType, _Walk._function),
    (MethodType, _Walk._method),
    (partial, _Walk._partial),
    (dlarray, _Walk._dlarray),
    (np.ndarray, _Walk._array),
    ((list, tuple, deque), _Walk._sequence),
    (dict, _Walk._dict),
    ((set, frozenset), _Walk._set),
    (ModuleType, _Walk._module),
    ((staticmethod, classmethod, property, cached_property), _Walk._wrapped),
    ((*_INERT, np.generic), _Walk._nothing),
    (type, _Walk._class),
)
_CALLED = frozenset({"__call__", "__getitem__", "__iter__", "__getattr__", "__enter__", "__exit__"})
# Classes that are not Python's own, and whose state is in attributes all the same.
_OPEN = (object, SimpleNamespace)
_HARMLESS = frozenset({"logging", "_thread", "threading", "typing", "abc", "functools"})
_GENERATORS = (types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType)
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class made by a class statement


def _module_of(value: Any) -> str | None:
    found = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return found if isinstance(found, str) else None


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it has no value yet
        return _ABSENT


def _small_content(array: Any) -> Any:
    return array.shape, array.dtype, array.tobytes()


def _large_content(array: Any) -> Any:
    return array.shape, array.dtype, digest(array)


def _has_content(array: Any, content: Callable[[Any], Any], before: Any) -> bool:
    return bool(content(array) == before)


def _has_members(values: Any, members: list[Any]) -> bool:
    return len(values) == len(members) and all(map(_equal, values, members))


def _has_items(values: dict[Any, Any], keys: list[Any], members: list[Any]) -> bool:
    return (
        len(values) == len(keys)
        and list(values) == keys
        and all(map(_equal, values.values(), members))
    )


def _has_elements(values: Any, before: frozenset[Any]) -> bool:
    return bool(values == before)


def _equal(now: Any, before: Any) -> bool:
    return now is before or (
        type(now) is type(before) and type(before) in _PLAIN and _alike(now, before)
    )


def _has_parts(value: Any, key: Any, arrays: list[Any]) -> bool:
    now = value._program_parts()
    return bool(now.key == key) and all(
        x._value is a for x, a in zip(now.members, arrays, strict=True)
    )
