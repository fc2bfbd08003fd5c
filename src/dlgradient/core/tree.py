"""Split containers into leaves with their paths, and put them together again.

A container is any nesting of list, tuple, dict, namedtuple and dataclass. It may also contain types
that the user registered with optree, and pandas tables with the columns Layer, Parameter and Value.
The values of a table are leaves, and the other columns are their paths. optree does the work.
Dataclasses and tables are registered with it when they first occur, so neither pandas nor a
decorator on the user's class is needed. optree itself is imported with the first container. Dicts
keep their order; None is an empty container.
"""

from __future__ import annotations

import atexit
import operator
import sys
from collections.abc import Callable
from functools import cache, partial
from threading import Lock
from typing import Any

from dlgradient.errors import InvalidArgumentError

__all__ = ["LEAF_TYPES", "flatten", "is_leaf", "map_leaves", "paths"]

_NAMESPACE = "dlgradient"
TABLE_COLUMNS = ("Layer", "Parameter", "Value")

# Types known to be no containers: whether a value is one depends only on its type.
LEAF_TYPES: set[type] = {int, float, complex, bool, str, bytes}
_CONTAINER_TYPES: set[type] = {list, tuple, dict, type(None)}
_deciding = Lock()


def is_leaf(value: Any) -> bool:
    """Return whether `value` is not a container."""
    kind = type(value)
    if kind in LEAF_TYPES:
        return True
    if kind in _CONTAINER_TYPES:
        return False
    with _deciding:
        if kind not in LEAF_TYPES and kind not in _CONTAINER_TYPES:
            (LEAF_TYPES if _decide(value) else _CONTAINER_TYPES).add(kind)
    return kind in LEAF_TYPES


@cache
def _optree() -> Any:
    """Import optree, and let dicts keep their order.

    The setting applies to this package's namespace, in all threads; it is undone when Python ends.
    """
    import optree

    ordered = optree.dict_insertion_ordered(True, namespace=_NAMESPACE)
    ordered.__enter__()
    atexit.register(ordered.__exit__, None, None, None)
    return optree


def _decide(value: Any) -> bool:
    optree = _optree()
    kind = type(value)
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        optree.register_pytree_node(kind, _table_flatten, _table_unflatten, namespace=_NAMESPACE)
        return False
    if optree.tree_is_leaf(value, namespace=_NAMESPACE):
        from dataclasses import is_dataclass

        if not is_dataclass(value) or isinstance(value, type):
            return True
        optree.register_pytree_node(
            kind, _dataclass_flatten, _dataclass_unflatten, namespace=_NAMESPACE
        )
    return False


def _dataclass_flatten(value: Any) -> tuple[list[Any], Any, tuple[str, ...]]:
    from dataclasses import fields

    names = tuple(field.name for field in fields(value))
    return [getattr(value, name) for name in names], (type(value), names), names


def _dataclass_unflatten(metadata: Any, children: Any) -> Any:
    # Not with the constructor: fields already contain what __init__ and __post_init__ derive.
    kind, names = metadata
    value = object.__new__(kind)
    for name, child in zip(names, children, strict=True):
        object.__setattr__(value, name, child)
    return value


class _Hidden:
    """A table without its values: metadata that compares by identity, not element by element."""

    def __init__(self, table: Any) -> None:
        self.table = table


def _table_flatten(table: Any) -> tuple[list[Any], Any, list[str]]:
    missing = [name for name in TABLE_COLUMNS if name not in table.columns]
    if missing:
        raise InvalidArgumentError(
            f"a table of learnables must have the columns {', '.join(TABLE_COLUMNS)}; "
            f"{', '.join(missing)} is missing, found {list(table.columns)}"
        )
    rows = zip(table["Layer"], table["Parameter"], strict=True)
    return (
        list(table["Value"]),
        _Hidden(table),
        [f"{layer}/{parameter}" for layer, parameter in rows],
    )


def _table_unflatten(metadata: Any, children: Any) -> Any:
    import pandas as pd

    table = metadata.table.copy(deep=False)
    values = pd.Series([None] * len(table), index=table.index, dtype=object)
    for i, child in enumerate(children):
        values.iat[i] = child
    table["Value"] = values
    return table


def flatten(value: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Split a container into its leaves.

    Returns
    -------
    leaves : list
    rebuild : callable
        Puts new leaves in the places of the old ones.

    Examples
    --------
    >>> leaves, rebuild = flatten({"b": [1, 2], "a": 3})
    >>> leaves
    [1, 2, 3]
    >>> rebuild([10, 20, 30])
    {'b': [10, 20], 'a': 30}
    """
    if is_leaf(value):
        return [value], operator.itemgetter(0)
    optree = _optree()
    # A nested dataclass is a leaf until is_leaf has registered its type.
    while True:
        leaves, spec = optree.tree_flatten(value, namespace=_NAMESPACE)
        if all(is_leaf(leaf) for leaf in leaves):
            return leaves, partial(optree.tree_unflatten, spec)


def paths(value: Any, name: str) -> list[str]:
    """Return the paths of the leaves of a container, as the user would write them.

    Examples
    --------
    >>> paths({"b": [1, 2], "a": 3}, "x")
    ["x['b'][0]", "x['b'][1]", "x['a']"]
    """
    flatten(value)  # registers nested types
    optree = _optree()
    accessors = optree.tree_accessors(value, namespace=_NAMESPACE)
    return [accessor.codify(name) for accessor in accessors]


def map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """Apply `function` to every leaf, and return a container of the results."""
    kind = type(value)
    if kind in LEAF_TYPES:
        return function(value)
    # The most common containers without optree, whose calls cost more than a small gradient.
    if kind is tuple:
        return tuple([map_leaves(function, item) for item in value])
    if kind is list:
        return [map_leaves(function, item) for item in value]
    if kind is dict:
        return {key: map_leaves(function, item) for key, item in value.items()}
    leaves, rebuild = flatten(value)
    return rebuild([function(leaf) for leaf in leaves])
