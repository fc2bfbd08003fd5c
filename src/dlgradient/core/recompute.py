"""Values that a walk dropped and that are needed again: they are computed as they were before.

A node remembers what its value was made from: its parents, the parameters, and the kernel of its
operation. So a value can be restored from the nearest ancestors that hold theirs; a variable always
does.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from dlgradient.core.calls import saved_values
from dlgradient.core.graph import Node
from dlgradient.core.types import RawValue

__all__ = ["by_number", "number", "restore"]

number = attrgetter("seq")


def by_number(nodes: Iterable[Node]) -> list[Node]:
    """Return nodes in the order in which they were made."""
    return sorted(nodes, key=number)


def restore(stale: Iterable[Node], wanted: Iterable[Node] = ()) -> dict[Node, RawValue]:
    """Save again what nodes have dropped, computed from what their ancestors hold.

    Parameters
    ----------
    stale : iterable of Node
        Nodes whose saved values were dropped.
    wanted : iterable of Node
        Nodes whose own values are returned.

    Returns
    -------
    dict
        The values of the nodes in `wanted`. Any other value is freed after its last use.
    """
    stale, wanted = set(stale), set(wanted)
    seen, uses = _ancestors(stale, wanted)
    values: dict[Node, RawValue] = {}
    for node in by_number(seen):
        value = _held_value(node)
        if value is None or node in stale:
            operands = [values[p] if type(p) is Node else p for p in node.parents]
            if value is None:
                value = _computed_value(node, operands)
            if node.saved is None:
                node.saved = saved_values(node.op, node.parents, operands, value)
            for parent in node.parents:
                if type(parent) is Node:
                    uses[parent] -= 1
                    if not uses[parent]:
                        del values[parent]
        if uses.get(node):
            values[node] = value
    return values


def _ancestors(stale: set[Node], wanted: set[Node]) -> tuple[set[Node], dict[Node, int]]:
    """Nodes whose values are needed, up to those that hold theirs, and how often each is."""
    uses: dict[Node, int] = dict.fromkeys(wanted, 1)
    seen = stale | wanted
    stack = [n for n in seen if n in stale or _held_value(n) is None]
    while stack:
        for parent in stack.pop().parents:
            if type(parent) is not Node:
                continue
            uses[parent] = uses.get(parent, 0) + 1
            if parent not in seen:
                seen.add(parent)
                if _held_value(parent) is None:
                    stack.append(parent)
    return seen, uses


def _held_value(node: Node) -> RawValue | None:
    """Value of a node if it holds it: a variable always does."""
    return node.saved[-1] if node.saved else None


def _computed_value(node: Node, operands: list[RawValue]) -> RawValue:
    op = node.op
    return (
        op.kernel(operands, **node.params) if op.variadic else op.kernel(*operands, **node.params)
    )
