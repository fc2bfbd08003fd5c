"""The graph of a trace: its nodes. Data only.

A trace is a graph of nodes. A node refers to the nodes of its operands and to the values that its
rules need, never the other way round. So a value that nothing needs is freed at once. The numbers
of nodes grow: sorting by them replaces a topological sort, and no walk is recursive.

This module imports nothing of this package: `dlgradient.core.trace` comes after it.
"""

from __future__ import annotations

import itertools
from math import prod
from typing import Any

import numpy as np

__all__ = ["Like", "Node", "tick"]

# One counter for all threads: the number of a node is larger than those of its parents.
tick = itertools.count(1).__next__


class Like:
    """Shape and dtype of a value, which is all that ``x_like`` in a rule may use."""

    __slots__ = ("dtype", "shape")

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape = shape
        self.dtype = dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions of the value."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements of the value."""
        return prod(self.shape)


class Node(Like):
    """How one value was made, and its shape and dtype.

    Attributes
    ----------
    op : Op or None
        The operation; None for a variable.
    parents : tuple
        For each operand its node, or its raw value if it is a constant.
    saved : tuple or None
        For each operand, and last for the result, the value if a rule needs it, else None. It is
        empty if no rule needs any, and None after the values were dropped.
    params : dict
        Parameters of the operation.
    seq : int
        Larger than that of every parent.
    trace : Trace
    factor : SharedFactor, not always set
        The factor of the operation's rule that a walk computed.
    """

    __slots__ = ("__weakref__", "factor", "op", "params", "parents", "saved", "seq", "trace")

    op: Any
    parents: tuple[Any, ...]
    saved: Any
    params: dict[str, Any]
    seq: int
    trace: Any
    factor: Any

    @property
    def result(self) -> Node:
        """The node that a rule's ``out`` refers to."""
        return self

    def but(self, **changes: Any) -> Reading:
        """Return what a rule reads of this node, with some of it changed."""
        return Reading(self, changes)


class Reading(Node):
    """What a rule reads of a node, with some of it changed. It is not in the graph."""

    __slots__ = ("_result",)

    def __init__(self, node: Node, changes: dict[str, Any]) -> None:
        self._result: Node = changes.pop("result", node)
        for slot in ("dtype", "op", "params", "parents", "saved", "shape", "trace"):
            setattr(self, slot, changes.get(slot, getattr(node, slot)))

    @property
    def result(self) -> Node:
        """The node that a rule's ``out`` refers to."""
        return self._result
