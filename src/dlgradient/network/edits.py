"""Edits of a network: each returns a new one, in which layers that stay keep their values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Self

from dlgradient.core.arguments import spelt
from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.layer import Layer
from dlgradient.layers.nested import HeldNetwork, Network
from dlgradient.network.graph import Graph, as_layers
from dlgradient.network.groups import expanded, grouped

__all__ = ["Edits"]


class Edits(HeldNetwork):
    """The methods of networks that edit the graph."""

    _graph: Graph

    @property
    def layers(self) -> dict[str, Layer]:
        """Layers by name, with their learnables and state as attributes."""
        raise NotImplementedError

    def _with(self, graph: Graph) -> Self:
        """Return a network of another graph, which is to be initialised."""
        raise NotImplementedError

    def _regrouped(self, graph: Graph) -> Self:
        """Return a network of layers that have their values, initialised as this one is."""
        raise NotImplementedError

    @spelt
    def add_layers(self, layers: Sequence[Layer] | Layer) -> Self:
        """Return a network with more layers, in series with each other and not connected yet."""
        return self._with(self._graph.added(as_layers("add_layers", layers)))

    @spelt
    def connect_layers(self, source: str, destination: str) -> Self:
        """Return a network with one more connection.

        Parameters
        ----------
        source, destination : str
            ``"layer"`` or ``"layer/port"``, as "add/in2".
        """
        return self._with(self._graph.connected(source, destination))

    @spelt
    def disconnect_layers(self, source: str, destination: str) -> Self:
        """Return a network without a connection."""
        return self._with(self._graph.disconnected(source, destination))

    @spelt
    def remove_layers(self, names: str | Iterable[str]) -> Self:
        """Return a network without some layers and their connections."""
        return self._with(self._graph.removed([names] if isinstance(names, str) else names))

    @spelt
    def replace_layer(self, name: str, layers: Sequence[Layer] | Layer) -> Self:
        """Return a network in which one layer, or several in series, replace a layer."""
        given = as_layers("replace_layer", layers)
        return self._with(self._graph.replaced(self._graph.known(name), given))

    @spelt
    def add_input_layer(self, layer: Layer, destination: str | None = None) -> Self:
        """Return a network with an input layer before an input that nothing is connected to.

        Source: MATLAB ``addInputLayer``.

        Parameters
        ----------
        layer : Layer
        destination : str, optional
            ``"layer"`` or ``"layer/port"``; by default the first open input.
        """
        if destination is None:
            ports = [port for port in self._graph.open_inputs() if port[1]]
            if not ports:
                raise InvalidArgumentError("add_input_layer: the network has no open input")
            destination = "/".join(ports[0])
        graph = self._graph.added(as_layers("add_input_layer", layer))
        name = list(graph.layers)[-1]
        graph = replace(graph, layers={name: graph.layers[name], **graph.layers})
        return self._with(graph.connected(name, destination))

    @spelt
    def expand_layers(self, names: str | Iterable[str] | None = None) -> Self:
        """Return a network with the layers of nested networks instead of `layers.Network`.

        Parameters
        ----------
        names : str or sequence of str, optional
            By default all, also those in each other. An inner layer is then called "outer:inner".

        Examples
        --------
        >>> block = dl.dlnetwork([dl.layers.FullyConnected(3, name="fc"), dl.layers.Tanh()])
        >>> net = dl.dlnetwork([dl.layers.FeatureInput(2), dl.layers.Network(block, name="block")])
        >>> list(net.expand_layers().layers)
        ['input', 'block:fc', 'block:tanh']

        Source: MATLAB ``expandLayers``.
        """
        graph = replace(self._graph, layers=self.layers)
        if names is not None:
            for name in [names] if isinstance(names, str) else names:
                graph = expanded(graph, name)
            return self._regrouped(graph)
        while nested := [n for n, x in graph.layers.items() if type(x) is Network]:
            graph = expanded(graph, nested[0])
        return self._regrouped(graph)

    @spelt
    def group_layers(self, names: Iterable[str], name: str) -> Self:
        """Return a network with a `layers.Network` of some layers instead of them.

        Parameters
        ----------
        names : sequence of str
        name : str
            Of the new layer. Layers called "name:inner" are called "inner" in it.

        Examples
        --------
        >>> net = dl.dlnetwork(
        ...     [dl.layers.FeatureInput(2), dl.layers.FullyConnected(3), dl.layers.Tanh()]
        ... )
        >>> list(net.group_layers(["fc", "tanh"], "block").learnables)
        ['block/fc/weights', 'block/fc/bias']

        Source: MATLAB ``groupLayers``.
        """
        graph = replace(self._graph, layers=self.layers)
        return self._regrouped(grouped(graph, list(names), name, self._regrouped))
