"""Whether two graphs are the same, or where they differ: layers, options and connections."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.engine.array import dlarray
from dlgradient.layers.layer import Layer
from dlgradient.network.graph import Graph

__all__ = ["difference", "same_graph", "same_option"]


def same_graph(a: Graph, b: Graph) -> bool:
    """Return whether layers, options, connections and outputs are equal."""
    return (
        list(a.layers) == list(b.layers)
        and a.sources == b.sources
        and a.open_outputs() == b.open_outputs()
        and all(map(_same_layer, a.layers.values(), b.layers.values()))
    )


def difference(a: Any, b: Any, omitted: frozenset[str] = frozenset()) -> str:
    """Return where two networks differ, for a message, or ''.

    Parameters
    ----------
    a, b : dlnetwork
        Initialised; the values of learnables and state may differ.
    omitted : frozenset of str
        Attributes of layers that may differ, too.
    """
    ours, others = a._graph.layers, b._graph.layers
    for name, other in zip(ours, others, strict=False):
        if name != other:
            return f"it has layer {name!r} where the other has {other!r}"
        if not _same_layer(ours[name], others[name], omitted):
            return f"layer {name!r} is {ours[name]!r}, in the other {others[name]!r}"
    if len(ours) != len(others):
        return f"it has {len(ours)} layers, the other {len(others)}"
    if a._graph.sources != b._graph.sources or a._graph.open_outputs() != b._graph.open_outputs():
        return "layers are connected in another way"
    for key, value in a.learnables.items():
        if value.shape != b.learnables[key].shape or value.dtype != b.learnables[key].dtype:
            return (
                f"{key} has shape {value.shape} {value.dtype}, in the other "
                f"{b.learnables[key].shape} {b.learnables[key].dtype}"
            )
    return ""


def _same_layer(a: Layer, b: Layer, omitted: frozenset[str] = frozenset()) -> bool:
    omitted = omitted | {"_source", "_made"}
    mine, theirs = [
        {n: v for n, v in vars(x).items() if n not in omitted and v is not None} for x in (a, b)
    ]
    return (
        type(a) is type(b)
        and mine.keys() == theirs.keys()
        and all(same_option(mine[n], theirs[n]) for n in mine)
    )


def same_option(a: Any, b: Any) -> bool:
    """Return whether two attributes of layers are equal, with arrays at any depth."""
    if a is b:
        return True
    if type(a) is type(b) and isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same_option, a, b))
    if type(a) is type(b) and isinstance(a, dict):
        return a.keys() == b.keys() and all(same_option(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray | dlarray) or isinstance(b, np.ndarray | dlarray):
        return np.array_equal(np.asarray(a), np.asarray(b))
    return bool(a == b)
