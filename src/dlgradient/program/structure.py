"""The arguments and results of a call: arrays, and all else, which is the key of a program.

A container splits into its arrays and what builds it again, as in `dlgradient.core.tree`. Here all
that is no array belongs to the key: types, names, numbers, texts, NumPy arrays by their content. A
function is known by its code and what it captures. So a lambda in the call is the same each time.
Any other object is known by its identity, and `dlgradient.program.watch` watches what it holds.

Some containers have more than `tree` knows, as a network has its state. They say what they consist
of by a method ``_program_parts``.
"""

from __future__ import annotations

import enum
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from dlgradient.core.members import split
from dlgradient.core.types import Dtype
from dlgradient.engine.array import dlarray

__all__ = [
    "Identity",
    "Looks",
    "Parts",
    "Structure",
    "Unknown",
    "described",
    "static_key",
    "structure_of",
]


class Unknown(Exception):  # noqa: N818 - no error: the call runs eagerly
    """A value of which nothing is known that a key could have."""


class Identity:
    """An object as a part of a key: itself, which the key keeps alive."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and other.value is self.value


class Parts(NamedTuple):
    """What a container consists of: its key, its members, and what builds it of new ones.

    The key is what it has besides its members, objects as `Identity`.
    """

    key: Any
    members: list[Any]
    build: Callable[[list[Any]], Any]
    hidden: int = 0  # how many of the last members `tree` does not know


Vectors: TypeAlias = Sequence[tuple[str, Sequence[Dtype]]]


class Looks(NamedTuple):
    """How an entry looks at a container, without its parts (rows small-mlp and train-mlp).

    A container that says so by a method ``_program_looks`` has the parts of another one if these
    attributes are the same objects.

    Attributes
    ----------
    same : sequence of (str, object)
        Expressions, in which {} is the container, and what they must be.
    members : str
        The expression of the list of members.
    vectors : sequence of (str, sequence of dtype)
        Expressions of tables, whose arrays are the members, and the dtypes of their vectors. Where
        a table has vectors, its method ``raws`` gives the values of the members, and no dlarray
        has to be made. Empty if that is not possible.
    build : callable
        Builds the container of a list of dlarrays.
    """

    same: Sequence[tuple[str, Any]]
    members: str
    vectors: Vectors
    build: Callable[[list[Any]], Any]


class Structure:
    """A value, split into arrays, objects, and a key.

    Attributes
    ----------
    key : hashable
    arrays : list of dlarray
    static : list of bool
        Which arrays have no derivative: integers, and what a container hides.
    objects : list
        Objects and functions that the key knows by identity or by code, to be watched.
    others : list
        Leaves that are no arrays.
    """

    def __init__(self) -> None:
        self.key: Any = None
        self.arrays: list[Any] = []
        self.static: list[bool] = []
        self.objects: list[Any] = []
        self.others: list[Any] = []
        self._build: Callable[[list[Any]], Any] = _first

    def rebuilt(self, arrays: list[Any]) -> Any:
        """Return the value with other arrays."""
        return self._build(list(arrays))


def _first(arrays: list[Any]) -> Any:
    return arrays[0]


def structure_of(value: Any) -> Structure:
    """Split a value; it raises `Unknown` for one that no key describes."""
    found = Structure()
    found.key, found._build = _split(value, found, hidden=False)
    return found


def _split(value: Any, into: Structure, *, hidden: bool) -> tuple[Any, Callable[[list[Any]], Any]]:
    """Return the key of a value, and what takes its arrays from a list and builds it."""
    if type(value) is dlarray:
        raw = value._value
        static = hidden or raw.dtype.kind in "iu"
        into.arrays.append(value)
        into.static.append(static)
        return (raw.shape, raw.dtype, value._format, static), _taken
    parts = parts_of(value, into.objects)
    if parts is None:
        into.others.append(value)
        return static_key(value, into.objects), partial(_itself, value)
    first_hidden = len(parts.members) - parts.hidden
    inner = [
        _split(member, into, hidden=hidden or i >= first_hidden)
        for i, member in enumerate(parts.members)
    ]
    builders = [build for _, build in inner]
    key = (type(value), parts.key, tuple([k for k, _ in inner]))
    return key, partial(_built, parts.build, builders)


def _taken(arrays: list[Any]) -> Any:
    return arrays.pop(0)


def _itself(value: Any, _arrays: list[Any]) -> Any:
    return value


def _built(build: Callable[[list[Any]], Any], builders: list[Any], arrays: list[Any]) -> Any:
    return build([b(arrays) for b in builders])


# -- containers ----------------------------------------------------------------------------------


def parts_of(value: Any, objects: list[Any]) -> Parts | None:
    """Return the parts of a container; None for a value that is no container."""
    kind = type(value)
    if hasattr(kind, "_program_parts"):
        own: Parts = value._program_parts()
        return own
    found = split(value)
    if found is None:
        return None
    members, build = found
    return Parts(_container_key(value, objects), members, build)


def _container_key(value: Any, objects: list[Any]) -> Any:
    """Return what a container has besides its members."""
    kind = type(value)
    if kind in (list, tuple) or value is None:
        return ()
    if kind in (dict, OrderedDict):
        return tuple([static_key(k, []) for k in value])
    if isinstance(value, tuple) and hasattr(kind, "_fields") and not hasattr(value, "__dict__"):
        return ()
    if hasattr(kind, "__dataclass_fields__") or kind is SimpleNamespace:
        names = kind.__dataclass_fields__ if kind is not SimpleNamespace else vars(value)
        attributes = {n: getattr(value, n) for n in {**dict.fromkeys(names), **_dict_of(value)}}
        return tuple([(n, _attribute_key(v, objects)) for n, v in attributes.items()])
    if kind.__module__.partition(".")[0] == "pandas" and hasattr(value, "columns"):
        return _table_key(value)
    raise Unknown(f"a {kind.__name__}")


def _dict_of(value: Any) -> dict[str, Any]:
    return getattr(value, "__dict__", {})


def _attribute_key(value: Any, objects: list[Any]) -> Any:
    """Return the key of an attribute; of one that is a member, the members' keys say more."""
    if type(value) is dlarray or (split(value) is not None and value is not None):
        return type(value)
    return static_key(value, objects)


def _table_key(table: Any) -> Any:
    columns = [c for c in table.columns if c != "Value"]
    rows = [tuple([static_key(v, []) for v in table[c]]) for c in columns]
    return tuple(columns), tuple(rows), tuple([static_key(i, []) for i in table.index])


# -- everything else -----------------------------------------------------------------------------

_PLAIN = frozenset(
    {int, bool, str, bytes, type(None), type(Ellipsis), type(NotImplemented), range, np.bool_}
)
_SAME = (type, np.dtype, np.ufunc, BuiltinFunctionType, ModuleType, enum.Enum)


def static_key(value: Any, objects: list[Any]) -> Any:
    """Return the key of a value that is no container; `objects` gets what is to be watched."""
    kind = type(value)
    if kind in _PLAIN:
        return kind, value
    if isinstance(value, _SAME):
        return Identity(value)
    for kinds, key in _KEYS:
        if isinstance(value, kinds):
            return kind, key(value, objects)
    objects.append(value)
    return Identity(value)


def _slice_key(value: slice, objects: list[Any]) -> Any:
    return tuple([static_key(v, objects) for v in (value.start, value.stop, value.step)])


def _set_key(value: frozenset[Any], objects: list[Any]) -> Any:
    return frozenset([static_key(v, objects) for v in value])


def _method_key(value: MethodType, objects: list[Any]) -> Any:
    return static_key(value.__func__, objects), static_key(value.__self__, objects)


def _partial_key(value: partial[Any], objects: list[Any]) -> Any:
    rest = [*value.args, *value.keywords.values()]
    return tuple([static_key(v, objects) for v in (value.func, *rest)]), tuple(value.keywords)


def _number_key(value: Any, _objects: Any = None) -> Any:
    """Return a key that tells -0.0 from 0.0, and takes all NaN for one."""
    if isinstance(value, complex | np.complexfloating):
        return _number_key(float(value.real)), _number_key(float(value.imag))
    number = float(value)
    if math.isnan(number):
        return "nan"
    return number or math.copysign(1.0, number) * 0.5j


def _array_key(value: Any, _objects: list[Any]) -> Any:
    """Return the key of a NumPy array, of its content."""
    if type(value) is not np.ndarray or value.dtype.hasobject:
        raise Unknown(f"an array of {value.dtype} ({type(value).__name__})")
    import hashlib  # it loads a library of ciphers

    content = hashlib.blake2b(np.ascontiguousarray(value).data, digest_size=16).digest()
    return value.shape, value.dtype.str, content


def _function_key(function: FunctionType, objects: list[Any]) -> Any:
    """Return a key that a function has in common with itself, written again."""
    objects.append(function)
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append(_captured_key(cell.cell_contents))
        except ValueError:  # it has no value yet
            cells.append(None)
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    return (
        Identity(function.__code__),
        Identity(function.__globals__),
        tuple(map(_captured_key, defaults)),
        tuple(cells),
    )


def _captured_key(value: Any) -> Any:
    """Return the key of what a function holds; arrays and containers count by identity."""
    if type(value) is dlarray:
        return Identity(value._value)
    if type(value) in (FunctionType, MethodType, partial):
        return static_key(value, [])
    plain = type(value) in _PLAIN or isinstance(value, float | complex | np.number)
    return static_key(value, []) if plain else Identity(value)


_KEYS: tuple[tuple[Any, Callable[[Any, list[Any]], Any]], ...] = (
    ((float, complex, np.inexact), _number_key),
    (np.integer, lambda value, _: int(value)),
    (slice, _slice_key),
    (frozenset, _set_key),
    (np.ndarray, _array_key),
    (FunctionType, _function_key),
    (MethodType, _method_key),
    (partial, _partial_key),
)


def described(key: Any) -> str:
    """Return the key of an argument in words, for `explain`."""
    if type(key) is tuple and len(key) == 4 and type(key[0]) is tuple:
        shape, dtype, fmt, _ = key
        return f"dlarray of shape {shape} {dtype}" + (f" {fmt!r}" if fmt else "")
    if isinstance(key, Identity):
        return f"{type(key.value).__name__} object"
    if type(key) is tuple and key and isinstance(key[0], type):
        if key[0] is np.ndarray:
            return f"NumPy array of shape {key[1][0]} {key[1][1]}, by its values"
        if len(key) == 2:
            return f"{key[0].__name__} {key[1]!r}"
        return key[0].__name__
    return "function" if type(key) is tuple else repr(key)
