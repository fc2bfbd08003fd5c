"""Kinds of containers: how a value of each type splits into its members, and is built again.

A container is a list, tuple, dict, namedtuple, deque, dataclass or SimpleNamespace. It may be of a
subclass, which keeps its attributes, or of a type that the user registered with optree. An array or
a Series of objects is one too. So is a pandas table with the columns Layer, Parameter and Value,
whose values are its members. None is an empty container. Everything else is a leaf.

A type is looked at when its first value occurs. So neither pandas nor optree is imported here, and
no decorator on the user's class is needed. For arrays and tables, the elements decide too.
"""

from __future__ import annotations

import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from functools import cache, cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from dlgradient.errors import InvalidArgumentError

__all__ = ["LEAF_TYPES", "Kind", "Parts", "kind_of", "split"]

TABLE_COLUMNS = ("Layer", "Parameter", "Value")

# Members, and what makes a container of new members.
Parts = tuple[list[Any], Callable[[list[Any]], Any]]


class Kind(NamedTuple):
    """How values of one type are split, and how an expression names their members."""

    split: Callable[[Any], Parts | None]  # None if this value is a leaf
    suffixes: Callable[[Any], list[str]]


# Types known to be no containers, whatever their values are.
LEAF_TYPES: set[type] = {int, float, complex, bool, str, bytes}
# Elements of arrays of objects that hold no dlarray, and attributes that are no variables.
_PLAIN = frozenset({int, float, complex, bool, str, bytes, type(None)})


def split(value: Any) -> Parts | None:
    """Return the members of a container and what builds it again; None for a leaf."""
    kind = type(value)
    if kind in LEAF_TYPES:
        return None
    return kind_of(value).split(value)


def kind_of(value: Any) -> Kind:
    """Return the kind of a value; a leaf has one that does not split."""
    kind = type(value)
    known = _KINDS.get(kind)
    if known is None:
        known = _decide(value)
        if known is _LEAF:
            LEAF_TYPES.add(kind)
        else:
            _KINDS[kind] = known
    return known


def _decide(value: Any) -> Kind:
    """Find out about a type. Two threads may do it at a time, with the same result."""
    kind = type(value)
    # A class of this package, such as a network, says itself what it is.
    own = kind._container_kind() if hasattr(kind, "_container_kind") else None
    registered = own or _registered_with_optree(value)
    if registered is not None:
        return registered
    if hasattr(kind, "__dataclass_fields__"):
        return _dataclass_kind(kind)
    for base, make in _SUBCLASSES:
        if issubclass(kind, base):
            return make(kind)
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return Kind(_split_table, _table_suffixes)
    if pandas is not None and isinstance(value, pandas.Series):
        return Kind(_split_series, _positions)
    return _LEAF


def _positions(value: Any) -> list[str]:
    return [f"[{i}]" for i in range(len(value))]


def _keys(value: Any) -> list[str]:
    return [f"[{key!r}]" for key in value]


# -- Python's own --------------------------------------------------------------------------------


def _split_dict(value: dict[Any, Any]) -> Parts:
    keys = list(value)
    return list(value.values()), lambda members: dict(zip(keys, members, strict=True))


_LEAF = Kind(lambda _: None, lambda _: [])
_KINDS: dict[type, Kind] = {
    type(None): Kind(lambda _: ([], lambda _: None), lambda _: []),
    list: Kind(lambda value: (value, list), _positions),
    tuple: Kind(lambda value: (list(value), tuple), _positions),
    dict: Kind(_split_dict, _keys),
}


# -- subclasses and objects ----------------------------------------------------------------------


def _likeness(value: Any) -> Any:
    """Return a new object of the same type and with the same attributes, without elements.

    Not with the constructor: attributes already contain what it derives.
    """
    kind: Any = type(value)
    new = _base_of(kind).__new__(kind)
    state = object.__getstate__(value)
    attributes, slots = state if type(state) is tuple else (state, None)
    if getattr(value, "__dict__", None) is value:
        new.__dict__ = new  # a dict whose keys are its attributes
    elif attributes:
        new.__dict__.update(attributes)
        for name in _cached_names(kind):
            new.__dict__.pop(name, None)
    if slots:
        for name, item in slots.items():
            object.__setattr__(new, name, item)
    return new


_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class made by a class statement


@cache
def _base_of(kind: Any) -> Any:
    """Return the first base that is not a class of the user: it makes empty objects."""
    return next(base for base in kind.__mro__ if not base.__flags__ & _HEAP_TYPE)


@cache
def _cached_names(kind: Any) -> list[str]:
    """Names of what a class computes once, of the members as they were."""
    return [n for n in dir(kind) if isinstance(getattr(kind, n, None), cached_property)]


def _split_dict_subclass(value: dict[Any, Any]) -> Parts:
    keys = list(value)

    def build(members: list[Any]) -> Any:
        new = _likeness(value)
        if isinstance(value, defaultdict):
            new.default_factory = value.default_factory
        update = OrderedDict.update if isinstance(value, OrderedDict) else dict.update
        update(new, zip(keys, members, strict=True))
        return new

    return list(value.values()), build


def _split_list_subclass(value: list[Any]) -> Parts:
    def build(members: list[Any]) -> Any:
        new = _likeness(value)
        list.extend(new, members)
        return new

    return list(value), build


def _split_deque(value: deque[Any]) -> Parts:
    return list(value), lambda members: type(value)(members, value.maxlen)


def _tuple_kind(kind: type) -> Kind:
    names = getattr(kind, "_fields", None)
    if hasattr(kind, "n_sequence_fields"):  # such as time.struct_time
        return _LEAF
    build = partial(tuple.__new__, kind)
    if names is None:
        return Kind(lambda value: (list(value), build), _positions)
    return Kind(lambda value: (list(value), build), lambda _: [f".{name}" for name in names])


def _dataclass_kind(kind: Any) -> Kind:
    fields: dict[str, Any] = kind.__dataclass_fields__
    names = [
        name
        for name, field in fields.items()
        if field._field_type.name == "_FIELD" and not field.metadata.get("static")
    ]

    def variable_names(value: Any) -> list[str]:
        return [n for n in names if not _is_static(getattr(value, n))]

    return _object_kind(variable_names)


def _namespace_kind(_: type) -> Kind:
    return _object_kind(lambda value: [n for n, v in vars(value).items() if not _is_static(v)])


def _object_kind(variable_names: Callable[[Any], list[str]]) -> Kind:
    """Return the kind of objects whose members are attributes; the others are kept."""

    def split_object(value: Any) -> Parts:
        names = variable_names(value)

        def build(members: list[Any]) -> Any:
            new = _likeness(value)
            for name, member in zip(names, members, strict=True):
                object.__setattr__(new, name, member)
            return new

        return [getattr(value, name) for name in names], build

    return Kind(split_object, lambda value: [f".{name}" for name in variable_names(value)])


def _is_static(value: Any) -> bool:
    """Whether an attribute cannot be a variable: a text, a size, a choice, a function.

    A number may be a variable that the user forgot to make a dlarray.
    """
    kind = type(value)
    known = _STATIC.get(kind)
    if known is None:
        import enum
        import types

        static = (str, bytes, bool, int, np.integer, np.bool_, np.dtype, np.ufunc, type, enum.Enum)
        functions = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, partial)
        known = _STATIC[kind] = isinstance(value, static + functions)
    return known


_STATIC: dict[type, bool] = {}


# -- arrays of objects, and pandas ---------------------------------------------------------------


def _split_array(value: Any) -> Parts | None:
    if value.dtype.kind != "O":
        return None
    members = value.ravel().tolist()
    if _PLAIN.issuperset(map(type, members)):
        return None
    return members, lambda new: _array_of(new).reshape(value.shape)


def _array_of(members: list[Any]) -> Any:
    array = np.empty(len(members), object)
    for i, member in enumerate(members):
        array[i] = member
    return array


def _array_suffixes(value: Any) -> list[str]:
    return [f"[{', '.join(map(str, index))}]" for index in np.ndindex(value.shape)]


def _split_series(series: Any) -> Parts | None:
    if series.dtype != object or _PLAIN.issuperset(map(type, series)):
        return None

    def build(members: list[Any]) -> Any:
        return type(series)(_array_of(members), index=series.index, name=series.name)

    return list(series), build


def _split_table(table: Any) -> Parts | None:
    """Split a table of learnables; another table is a leaf, unless it has dlarrays."""
    missing = [name for name in TABLE_COLUMNS if name not in table.columns]
    if not missing:
        parts = _split_series(table["Value"])
        return parts and (parts[0], lambda members: _table_with(table, parts[1](members)))
    if all(_split_series(column) is None for _, column in table.items()):
        return None
    raise InvalidArgumentError(
        f"a table of learnables must have the columns {', '.join(TABLE_COLUMNS)}; "
        f"{', '.join(missing)} is missing, found {list(table.columns)}"
    )


def _table_with(table: Any, values: Any) -> Any:
    new = table.copy(deep=False)
    new["Value"] = values
    return new


def _table_suffixes(table: Any) -> list[str]:
    rows = zip(table["Layer"], table["Parameter"], strict=True)
    return [f"[{f'{layer}/{parameter}'!r}]" for layer, parameter in rows]


# -- types that the user registered --------------------------------------------------------------


def _registered_with_optree(value: Any) -> Kind | None:
    optree = sys.modules.get("optree")
    namespace = "dlgradient"
    kind = type(value)
    if optree is None or kind in _KINDS or issubclass(kind, list | tuple | dict | deque):
        return None
    if optree.tree_is_leaf(value, namespace=namespace):
        return None

    def parts(value: Any) -> Any:
        return optree.tree_flatten_one_level(value, namespace=namespace)

    def split_registered(value: Any) -> Parts:
        members, metadata, _, build = parts(value)
        return list(members), lambda new: build(metadata, new)

    return Kind(split_registered, lambda value: [f"[{entry!r}]" for entry in parts(value)[2]])


_SUBCLASSES: tuple[tuple[type, Callable[[type], Kind]], ...] = (
    (dict, lambda _: Kind(_split_dict_subclass, _keys)),
    (list, lambda _: Kind(_split_list_subclass, _positions)),
    (tuple, _tuple_kind),
    (deque, lambda _: Kind(_split_deque, _positions)),
    (np.ndarray, lambda _: Kind(_split_array, _array_suffixes)),
    (type(sys.implementation), _namespace_kind),
)
