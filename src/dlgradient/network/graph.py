"""The graph of a network: named layers, and connections between their outputs and inputs.

A graph is never changed: every edit returns a new one. An endpoint is ``"layer/port"``; the port
may be omitted where the layer has one only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

from dlgradient.core.spelling import nearest
from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.layer import Layer
from dlgradient.layers.nested import Shared

__all__ = ["Graph", "Port", "as_layers"]

Port = tuple[str, str]


@dataclass(frozen=True)
class Graph:
    """Layers by name, and the source of each connected input.

    Attributes
    ----------
    layers : dict
        Layers by name, in the order in which they were added.
    sources : dict
        The output port that an input port is connected to.
    outputs : tuple
        The outputs of the network; by default those that nothing is connected to.
    """

    layers: Mapping[str, Layer] = field(default_factory=dict)
    sources: Mapping[Port, Port] = field(default_factory=dict)
    outputs: tuple[Port, ...] = ()

    def edited(self, layers: Mapping[str, Layer], sources: Mapping[Port, Port]) -> Graph:
        """Return a graph of other layers and connections, whose outputs stay if they exist."""
        layers = {name: _resolved(layer, layers) for name, layer in layers.items()}
        outputs = [(n, p) for n, p in self.outputs if n in layers and p in layers[n].output_names]
        return Graph(layers, sources, tuple(outputs))

    def added(self, layers: Sequence[Layer]) -> Graph:
        """Return a graph with more layers, connected in series."""
        named = _named(layers, self.layers)
        for layer in named:
            if layer.name in self.layers or "/" in layer.name:
                raise InvalidArgumentError(
                    f"there is a layer {layer.name!r} already; names must differ"
                    if "/" not in layer.name
                    else f"the name {layer.name!r} has a '/', which separates layer and port"
                )
        new = self.edited({**self.layers, **{layer.name: layer for layer in named}}, self.sources)
        named = [new.layers[layer.name] for layer in named]
        series = {
            (after.name, after.input_names[0]): (before.name, before.output_names[0])
            for before, after in pairwise(named)
            if before.output_names and after.input_names
        }
        new = replace(new, sources={**new.sources, **series})
        new.order()  # once: after each connection, it took most of the time of a deep network
        return new

    def connected(self, source: str, destination: str) -> Graph:
        """Return a graph with one more connection."""
        start = self.output_port(source, "source")
        end = self.input_port(destination, "destination")
        if end in self.sources:
            raise InvalidArgumentError(
                f"connect_layers: the input {'/'.join(end)!r} is connected to "
                f"{'/'.join(self.sources[end])!r} already; disconnect_layers first"
            )
        new = replace(self, sources={**self.sources, end: start})
        new.order()
        return new

    def disconnected(self, source: str, destination: str) -> Graph:
        """Return a graph without a connection."""
        start = self.output_port(source, "source")
        end = self.input_port(destination, "destination")
        if self.sources.get(end) != start:
            raise InvalidArgumentError(
                f"disconnect_layers: {source!r} is not connected to {destination!r}"
            )
        return replace(self, sources={k: v for k, v in self.sources.items() if k != end})

    def removed(self, names: Iterable[str]) -> Graph:
        """Return a graph without layers and their connections."""
        gone = {self.known(name) for name in names}
        return self.edited(
            {name: layer for name, layer in self.layers.items() if name not in gone},
            {
                end: start
                for end, start in self.sources.items()
                if end[0] not in gone and start[0] not in gone
            },
        )

    def replaced(self, name: str, layers: Sequence[Layer]) -> Graph:
        """Return a graph with layers in series instead of one."""
        old = self.layers[self.known(name)]
        others = {n: layer for n, layer in self.layers.items() if n != name}
        named = _named(
            [
                layer if layer.name or len(layers) > 1 else layer._bound({"name": name})
                for layer in layers
            ],
            others,
        )
        new: dict[str, Layer] = {}
        for n, layer in self.layers.items():
            new.update({x.name: x for x in named} if n == name else {n: layer})
        named = [_resolved(layer, new) for layer in named]
        sources: dict[Port, Port] = {}
        first, last = named[0], named[-1]
        for (to, into), (source, out) in self.sources.items():
            end = (to, into)
            if to == name:
                end = first.name, _counterpart(into, old.input_names, first.input_names, name)
            start = (source, out)
            if source == name:
                start = last.name, _counterpart(out, old.output_names, last.output_names, name)
            sources[end] = start
        for before, after in pairwise(named):
            sources[after.name, after.input_names[0]] = before.name, before.output_names[0]
        return self.edited(new, sources)

    # -- reading ---------------------------------------------------------------------------------

    def known(self, name: str) -> str:
        """Return the name of a layer, or raise the error for one that does not exist."""
        if name in self.layers:
            return name
        meant = nearest(name, self.layers)
        raise InvalidArgumentError(
            f"there is no layer {name!r}"
            + (f"; did you mean {meant!r}?" if meant else "")
            + f" The layers are: {', '.join(self.layers) or 'none'}"
        )

    def output_port(self, text: str, argument: str) -> Port:
        """Return layer and output of an endpoint."""
        return self._port(text, argument, "output")

    def input_port(self, text: str, argument: str) -> Port:
        """Return layer and input of an endpoint."""
        return self._port(text, argument, "input")

    def endpoint(self, port: Port, kind: str) -> str:
        """Return the text of a port: the layer's name alone if it has no other one."""
        name, own = port
        layer = self.layers[name]
        ports = layer.input_names if kind == "input" else layer.output_names
        return name if len(ports) <= 1 else f"{name}/{own}"

    def _port(self, text: str, argument: str, kind: str) -> Port:
        name, _, port = text.partition("/")
        layer = self.layers[self.known(name)]
        ports = layer.output_names if kind == "output" else layer.input_names
        if not port and ports:
            port = ports[0]
        if port not in ports:
            have = ", ".join(f"'{name}/{p}'" for p in ports) or "none"
            raise InvalidArgumentError(
                f"{argument}: layer {name!r} ({type(layer).__name__}) has no {kind} "
                f"{port or text!r}; its {kind}s are: {have}"
            )
        return name, port

    def order(self) -> list[str]:
        """Return the names of the layers, each after those that it gets its inputs from."""
        sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(self.layers, ()))
        for end, start in self.sources.items():
            sorter.add(end[0], start[0])
        try:
            return list(sorter.static_order())
        except CycleError as error:
            circle = " -> ".join(reversed(error.args[1]))
            raise InvalidArgumentError(
                f"the connections of layers form a circle: {circle}; a layer cannot get what is "
                "computed from its own output"
            ) from None

    def open_inputs(self) -> list[Port]:
        """Return the inputs that nothing is connected to; an input layer's has the port ''."""
        found: list[Port] = []
        for name, layer in self.layers.items():
            if not layer.input_names:
                found.append((name, ""))
            found += [(name, p) for p in layer.input_names if (name, p) not in self.sources]
        return found

    def open_outputs(self) -> list[Port]:
        """Return the outputs of the network."""
        if self.outputs:
            return list(self.outputs)
        used = set(self.sources.values())
        return [
            (name, port)
            for name, layer in self.layers.items()
            for port in layer.output_names
            if (name, port) not in used
        ]


def _resolved(layer: Layer, layers: Mapping[str, Layer]) -> Layer:
    """Return a layer; a second use of another one with the inputs and outputs of that."""
    if not isinstance(layer, Shared):
        return layer
    owner = layers.get(layer.layer)
    if isinstance(owner, Shared):
        owner = layers.get(owner.layer)
    if owner is None:
        raise InvalidArgumentError(
            f"layer {layer.name!r} is another use of {layer.layer!r}, which is not in the "
            f"network; the layers are: {', '.join(layers)}"
        )
    return layer._bound(
        {
            "layer": owner.name,
            "input_names": owner.input_names,
            "output_names": owner.output_names,
        }
    )


def _counterpart(port: str, old: Sequence[str], new: Sequence[str], name: str) -> str:
    i = old.index(port)
    if i >= len(new):
        raise InvalidArgumentError(
            f"replace_layer: {name!r} is connected at {port!r}; the new layer has only "
            f"{', '.join(new) or 'no ports'}"
        )
    return new[i]


def _named(layers: Sequence[Layer], taken: Mapping[str, Layer]) -> list[Layer]:
    """Return layers that all have names: "relu", or "relu_1", "relu_2" if there are several."""
    short = [layer.name or _short(layer) for layer in layers]
    used = {*taken, *[layer.name for layer in layers if layer.name]}
    named = []
    for layer, base in zip(layers, short, strict=True):
        if layer.name:
            named.append(layer._bound({}))
            continue
        several = short.count(base) > 1
        name, i = base, 0
        while several or name in used:
            i += 1
            name = f"{base}_{i}"
            if name not in used:
                break
        used.add(name)
        named.append(layer._bound({"name": name}))
    return named


def _short(layer: Layer) -> str:
    kind = type(layer)
    found: str = getattr(kind, "short", "")
    return found or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", kind.__name__).lower()


def as_layers(name: str, layers: Any) -> list[Layer]:
    """Return given layers as a list."""
    if isinstance(layers, str | dict) or not isinstance(layers, Layer | Iterable):
        raise InvalidArgumentError(
            f"{name}: layers must be a layer or a list of layers, not {type(layers).__name__}"
        )
    found = [layers] if isinstance(layers, Layer) else list(layers)
    for i, layer in enumerate(found):
        if not isinstance(layer, Layer):
            fix = ""
            if isinstance(layer, type):
                fix = f"; write layers.{layer.__name__}()"
            elif callable(layer):
                fix = "; layers.Function(f) makes a layer of a function"
            raise InvalidArgumentError(
                f"{name}: layers[{i}] must be a layer, not {type(layer).__name__}{fix}"
            )
    return found
