"""Operators that hold graphs: conditions and loops.

The nodes of such a graph are layers too, but not of the network: they are called by the layer of
the operator. Their learnables belong to this layer, and are called "then_branch.conv.weights".
What a graph takes from around it becomes an operand.
"""

from __future__ import annotations

__all__: list[str] = []
