"""Split containers into leaves with their paths, and put them together again.

What a container is, `dlgradient.core.members` says. Containers may be nested to any depth: no walk
is recursive where Python's stack ends. A container that holds itself has no end, and is an error.
Dicts keep their order; None is an empty container.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from dlgradient.core.members import LEAF_TYPES, Kind, kind_of, split
from dlgradient.errors import InvalidArgumentError

__all__ = ["flatten", "is_leaf", "map_leaves", "paths"]

_END = object()  # in a walk: all members of a container were visited


def is_leaf(value: Any) -> bool:
    """Return whether `value` is not a container."""
    return type(value) in LEAF_TYPES or split(value) is None


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
    parts = split(value)
    if parts is None:
        return [value], operator.itemgetter(0)
    members, build = parts
    if LEAF_TYPES.issuperset(map(type, members)):
        return list(members), build  # the most common container, of leaves only
    return _flatten_nested(value)


# What builds each container, the number of its members, and whether all are leaves; None for a leaf
# among containers. Outer ones first.
_Steps = list[tuple[Callable[[list[Any]], Any], int, bool] | None]


def _flatten_nested(value: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    leaves: list[Any] = []
    steps: _Steps = []
    around: list[Any] = []  # the containers that a member is in
    inside: set[int] = set()  # and their identities
    todo = [value]
    while todo:
        item = todo.pop()
        if item is _END:
            inside.remove(id(around.pop()))
            continue
        parts = split(item)
        if parts is None:
            leaves.append(item)
            steps.append(None)
            continue
        members, build = parts
        flat = LEAF_TYPES.issuperset(map(type, members))
        steps.append((build, len(members), flat))
        if flat:
            leaves += members
        else:
            if id(item) in inside:
                raise _holds_itself(around, item)
            around.append(item)
            inside.add(id(item))
            todo.append(_END)
            todo += reversed(members)
    return leaves, lambda new: _rebuild(steps, new)


def _rebuild(steps: _Steps, leaves: list[Any]) -> Any:
    """Build containers from the last member of the innermost on, as in a stack machine."""
    remaining = list(leaves)
    built: list[Any] = []
    for step in reversed(steps):
        if step is None:
            built.append(remaining.pop())
            continue
        build, count, flat = step
        source = remaining if flat else built
        members = source[len(source) - count :]
        del source[len(source) - count :]
        built.append(build(members if flat else members[::-1]))
    return built[0]


def _holds_itself(around: list[Any], item: Any) -> InvalidArgumentError:
    """Return the error for a container that is in itself, with the path from one to the other."""
    first = next(i for i, outer in enumerate(around) if outer is item)
    path = "x"
    for outer, inner in zip(around[first:], [*around[first + 1 :], item], strict=True):
        kind, members = _parts(outer)
        at = next(i for i, member in enumerate(members) if member is inner)
        path += kind.suffixes(outer)[at]
    return InvalidArgumentError(
        f"a {type(item).__name__} x holds itself: {path} is x; such a container has no end. Leave "
        "the inner reference out, or replace it by a name"
    )


def _parts(value: Any) -> tuple[Kind, list[Any]]:
    kind = kind_of(value)
    parts = kind.split(value)
    return kind, [] if parts is None else parts[0]


def paths(value: Any, name: str) -> list[str]:
    """Return the paths of the leaves of a container, as the user would write them.

    Examples
    --------
    >>> paths({"b": [1, 2], "a": 3}, "x")
    ["x['b'][0]", "x['b'][1]", "x['a']"]
    """
    found: list[str] = []
    todo = [(name, value)]
    while todo:
        path, item = todo.pop()
        if split(item) is None:
            found.append(path)
            continue
        kind, members = _parts(item)
        inner = [path + suffix for suffix in kind.suffixes(item)]
        todo += reversed(list(zip(inner, members, strict=True)))
    return found


def map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """Apply `function` to every leaf, and return a container of the results."""
    try:
        return _map(function, value)
    except RecursionError:
        # A very deep container, or one that holds itself, which is an error here.
        leaves, rebuild = flatten(value)
    return rebuild([function(leaf) for leaf in leaves])


def _map(function: Callable[[Any], Any], value: Any) -> Any:
    kind = type(value)
    if kind in LEAF_TYPES:
        return function(value)
    # The most common containers: a general walk costs more than a small gradient.
    if kind is tuple:
        return tuple([_map(function, item) for item in value])
    if kind is list:
        return [_map(function, item) for item in value]
    if kind is dict:
        return {key: _map(function, item) for key, item in value.items()}
    parts = split(value)
    if parts is None:
        return function(value)
    members, build = parts
    return build([_map(function, member) for member in members])
