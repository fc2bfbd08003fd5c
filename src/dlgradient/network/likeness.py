"""Whether two graphs are the same: layers, their options, and connections."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.engine.array import dlarray
from dlgradient.layers.layer import Layer
from dlgradient.network.graph import Graph

__all__ = ["same_graph", "same_option"]


def same_graph(a: Graph, b: Graph) -> bool:
    """Return whether layers, options, connections and outputs are equal."""
    return (
        list(a.layers) == list(b.layers)
        and a.sources == b.sources
        and a.open_outputs() == b.open_outputs()
        and all(map(_same_layer, a.layers.values(), b.layers.values()))
    )


def _same_layer(a: Layer, b: Layer) -> bool:
    mine, theirs = [
        {n: v for n, v in vars(x).items() if n != "_source" and v is not None} for x in (a, b)
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
