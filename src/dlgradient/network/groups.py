"""Layers of a graph made into one layer that holds their network, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.input import AnyInput
from dlgradient.layers.layer import Layer
from dlgradient.layers.nested import Network, Shared
from dlgradient.layers.utility import Identity
from dlgradient.network.graph import Graph, Port

__all__ = ["expanded", "grouped"]


def expanded(graph: Graph, name: str) -> Graph:
    """Return a graph with the layers of a nested network, called "outer:inner", instead of it."""
    outer = graph.layers[graph.known(name)]
    if type(outer) is not Network:
        raise InvalidArgumentError(
            f"expand_layers: layer {name!r} is a {type(outer).__name__}, not a layers.Network"
        )
    users = [n for n, x in graph.layers.items() if isinstance(x, Shared) and x.layer == name]
    if users:
        raise InvalidArgumentError(
            f"expand_layers: the network {name!r} is also used by {', '.join(users)}; remove "
            "these layers first"
        )
    inner: Graph = outer.net._graph
    names = {n: f"{name}:{n}" for n in inner.layers}
    _check_new(graph, names.values(), {name})
    inside = {names[n]: _freed(layer, names[n], names) for n, layer in outer.net.layers.items()}
    ends: dict[Port, Port] = {}
    for own, (n, port) in zip(outer.input_names, inner.open_inputs(), strict=True):
        ends[name, own] = names[n], port or "in"
    starts: dict[Port, Port] = {}
    for own, (n, port) in zip(outer.output_names, inner.open_outputs(), strict=True):
        starts[name, own] = names[n], port
    layers = _instead(graph, {name}, inside)
    sources = {ends.get(e, e): starts.get(s, s) for e, s in graph.sources.items()}
    for (to, into), (source, out) in inner.sources.items():
        sources[names[to], into] = names[source], out
    return _with_outputs(layers, sources, [starts.get(p, p) for p in graph.open_outputs()])


def grouped(
    graph: Graph, names: Sequence[str], name: str, network: Callable[[Graph], Any]
) -> Graph:
    """Return a graph with a nested network of some layers instead of them.

    Parameters
    ----------
    graph : Graph
    names : sequence of str
    name : str
        Of the new layer. If all layers are called "name:inner", they become "inner".
    network : callable
        Makes a network of a graph.
    """
    members = {graph.known(n) for n in names}
    if not members:
        raise InvalidArgumentError("group_layers: names must have a layer at least")
    _check_new(graph, [name], members)
    _check_whole(graph, members)
    short = all(n.startswith(f"{name}:") for n in members)
    inner_names = {n: n.removeprefix(f"{name}:") if short else n for n in members}
    inner_layers = {
        inner_names[n]: _renamed(layer, inner_names[n], inner_names)
        for n, layer in graph.layers.items()
        if n in members
    }
    inside = {
        (inner_names[to], into): (inner_names[source], out)
        for (to, into), (source, out) in graph.sources.items()
        if to in members and source in members
    }
    ends = [
        (n, port)
        for n, layer in graph.layers.items()
        if n in members
        for port in layer.input_names
        if (n, port) not in graph.sources or graph.sources[n, port][0] not in members
    ]
    outputs = graph.open_outputs()
    wanted = {s for e, s in graph.sources.items() if e[0] not in members} | set(outputs)
    starts = [
        (n, port)
        for n, layer in graph.layers.items()
        if n in members
        for port in layer.output_names
        if (n, port) in wanted
    ]
    inner = _with_outputs(inner_layers, inside, [(inner_names[n], p) for n, p in starts])
    layer = Network(network(inner), name=name)
    into_group = dict(zip(ends, [(name, p) for p in layer.input_names], strict=True))
    out_of_group = dict(zip(starts, [(name, p) for p in layer.output_names], strict=True))
    sources = {
        into_group.get(e, e): out_of_group.get(s, s)
        for e, s in graph.sources.items()
        if not (e[0] in members and s[0] in members)
    }
    new = _with_outputs(
        _instead(graph, members, {name: layer}), sources, [out_of_group.get(p, p) for p in outputs]
    )
    new.order()
    return new


def _check_new(graph: Graph, names: Any, gone: set[str]) -> None:
    for name in names:
        if name in graph.layers and name not in gone:
            raise InvalidArgumentError(f"there is a layer {name!r} already; names must differ")


def _check_whole(graph: Graph, members: set[str]) -> None:
    """Raise the error for input layers, and for a layer that is apart from its second use."""
    for n, layer in graph.layers.items():
        if n in members and not layer.input_names:
            raise InvalidArgumentError(
                f"group_layers: {n!r} is an input layer, which stays outside of a nested network"
            )
        if isinstance(layer, Shared) and (n in members) != (layer.layer in members):
            raise InvalidArgumentError(
                f"group_layers: {n!r} is another use of {layer.layer!r}; both must be in the "
                "group, or none"
            )


def _freed(layer: Layer, name: str, names: Mapping[str, str]) -> Layer:
    """Return a layer of a nested network for the outer one, where no input layer may be inside."""
    if not isinstance(layer, AnyInput):
        return _renamed(layer, name, names)
    if layer.normalization != "none" or layer.split_complex_inputs:
        raise InvalidArgumentError(
            f"expand_layers: the input layer {name!r} normalises, or splits; write "
            "normalization='none', and do it in the outer input layer"
        )
    return Identity(name=name)


def _renamed(layer: Layer, name: str, names: Mapping[str, str]) -> Layer:
    changes = {"name": name}
    if isinstance(layer, Shared):
        changes["layer"] = names[layer.layer]
    return layer._bound(changes)


def _instead(graph: Graph, gone: set[str], new: Mapping[str, Layer]) -> dict[str, Layer]:
    """Return the layers with new ones where the first of those that are gone was."""
    first = next(n for n in graph.layers if n in gone)
    layers: dict[str, Layer] = {}
    for n, layer in graph.layers.items():
        layers.update(new if n == first else {} if n in gone else {n: layer})
    return layers


def _with_outputs(
    layers: Mapping[str, Layer], sources: Mapping[Port, Port], outputs: list[Port]
) -> Graph:
    """Return a graph of these outputs, which it names only if they are not the open ones."""
    graph = Graph(layers, sources)
    return graph if graph.open_outputs() == outputs else Graph(layers, sources, tuple(outputs))
