"""Several containers of one structure, leaf by leaf.

A leaf of the first container is met by the leaves in its place in the others. A difference in
structure is an error that names the place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from dlgradient.core import tree
from dlgradient.errors import InvalidArgumentError

__all__ = ["Container", "Results", "map_together", "take_result"]

# Any nesting of list, tuple, dict, namedtuple, dataclass and tables; or one leaf.
Container: TypeAlias = Any


class Results:
    """The results for one leaf; a tuple would count as a container."""

    __slots__ = ("values",)

    def __init__(self, values: tuple[object, ...]) -> None:
        self.values = values


def take_result(container: Container, index: int) -> Container:
    """Return one result of each leaf of a container of `Results`."""
    return tree.map_leaves(lambda leaf: leaf.values[index], container)


def map_together(
    name: str,
    function: Callable[..., Any],
    labels: Sequence[str],
    values: Sequence[Container],
    path: str,
) -> Container:
    """Apply ``function(path, *leaves)`` to the leaves of containers of one structure.

    Parameters
    ----------
    name : str
        The public function, for errors.
    function : callable
    labels : sequence of str
        Names of the containers, for errors.
    values : sequence
        The containers; the others have the structure of the first.
    path : str
        Their path in the outer container.
    """
    try:
        return _map_usual(name, function, labels, values, path)
    except RecursionError:  # very deep containers; one that holds itself is an error here
        return _map_unusual(name, function, labels, values, path)


def _map_usual(
    name: str,
    function: Callable[..., Any],
    labels: Sequence[str],
    values: Sequence[Container],
    path: str,
) -> Container:
    # The usual containers: `_map_unusual` makes all paths first, which takes four times as long.
    first = values[0]
    kind = type(first)
    if kind not in (list, tuple, dict) and not tree.is_leaf(first):
        return _map_unusual(name, function, labels, values, path)
    for label, value in zip(labels, values, strict=True):
        if not _is_alike(first, value):
            raise _structure_error(name, path, labels[0], first, label, value)
    if kind is dict:
        return {
            key: _map_usual(name, function, labels, [v[key] for v in values], f"{path}[{key!r}]")
            for key in first
        }
    if kind is list or kind is tuple:
        return kind(
            [
                _map_usual(name, function, labels, items, f"{path}[{i}]")
                for i, items in enumerate(zip(*values, strict=True))
            ]
        )
    return function(path, *values)


def _is_alike(first: Any, value: Any) -> bool:
    """Return whether a value has the structure of a list, tuple, dict or leaf here, not deeper."""
    kind = type(first)
    if kind is dict:
        return type(value) is dict and value.keys() == first.keys()
    if kind is list or kind is tuple:
        return type(value) is kind and len(value) == len(first)
    return value is not None and tree.is_leaf(value)


def _map_unusual(
    name: str,
    function: Callable[..., Any],
    labels: Sequence[str],
    values: Sequence[Container],
    path: str,
) -> Container:
    """Do as `map_together`, for the other containers; None is one, and empty."""
    first = values[0]
    leaves, rebuild = tree.flatten(first)
    places = tree.paths(first, path)
    columns = [leaves]
    for label, value in zip(labels[1:], values[1:], strict=True):
        inside, _ = tree.flatten(value)
        if len(inside) != len(leaves) or tree.paths(value, path) != places:
            raise _structure_error(name, path, labels[0], first, label, value)
        columns.append(inside)
    return rebuild([function(at, *row) for at, *row in zip(places, *columns, strict=True)])


def _structure_error(
    name: str, path: str, label: str, first: Container, other_label: str, other: Container
) -> InvalidArgumentError:
    where = f" at {path}" if path else ""
    return InvalidArgumentError(
        f"{name}: {other_label} must have the structure of {label}; {label}{where} is "
        f"{_described(first)}, {other_label}{where} is {_described(other)}"
    )


def _described(value: object) -> str:
    if isinstance(value, dict):
        return f"a dict with the keys {list(value)}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    if value is None:
        return "None"
    shape = f" of shape {value.shape}" if hasattr(value, "shape") else ""
    return f"a {type(value).__name__}{shape}"
