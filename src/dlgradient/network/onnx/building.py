"""From a model to the graph of a network.

Every node becomes an `Operator`. What a node gets is an output of another layer, a learnable, a
part of the state, or a constant.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from dlgradient.core.types import Array
from dlgradient.layers.layer import Layer
from dlgradient.network.graph import Graph, Port
from dlgradient.network.onnx.constants import arguments_of, constants_of, may_be_weight
from dlgradient.network.onnx.operator import Operator, TensorInput
from dlgradient.network.onnx.program import lifted
from dlgradient.network.onnx.reading import Model, Node, Subgraph, fault
from dlgradient.network.onnx.registry import table
from dlgradient.network.onnx.support import refuse_unsupported

__all__ = ["built"]


def built(model: Model) -> Graph:
    """Return the graph of the layers of a model, with their values."""
    graph = model.graph
    refuse_unsupported(graph, model.opset)
    if not graph.inputs:
        raise fault("the model has no inputs")
    constants, nodes = constants_of(graph, model.opset)
    return _Builder(model.opset, constants, nodes, graph).graph()


class _Builder:
    """Makes layers of nodes, in the order of the file."""

    def __init__(
        self, opset: int, constants: Mapping[str, Array], nodes: list[Node], graph: Subgraph
    ) -> None:
        self.opset, self.constants, self.source = opset, dict(constants), graph
        self.nodes = [self._lifted(node) for node in nodes]
        self.taken: set[str] = set()
        self.layers: dict[str, Layer] = {}
        self.connections: dict[Port, Port] = {}
        self.values: dict[str, Port] = {}  # ports by the name of the value
        uses = Counter(n for node in self.nodes for n in {*node.inputs})
        self.repeated = {n for n, count in uses.items() if count > 1}

    def _lifted(self, node: Node) -> Node:
        return lifted(node, self.opset, self.constants, f"{node.outputs[0]}\n")

    def graph(self) -> Graph:
        """Return the graph."""
        for name, sizes, dtype in self.source.inputs:
            self._add_input(name, sizes, dtype)
        self.first = next(iter(self.values.values()))
        for node in self.nodes:
            self._add(node)
        outputs = [self._output(name) for name in self.source.outputs]
        return Graph(self.layers, self.connections, tuple(outputs))

    def _add_input(self, name: str, sizes: Any, dtype: Any) -> None:
        if sizes is None or dtype is None:
            raise fault(f"input {name!r} is no array, or its number of dimensions is not known")
        if name in self.values:
            raise fault(f"there are two inputs {name!r}")
        layer = TensorInput(sizes, str(dtype), name=self._named(name))
        self.layers[layer.name] = layer
        self.values[name] = (layer.name, "out")

    def _add(self, node: Node) -> None:
        layer, sources = operator_of(node, self.opset, self.constants, self.values)
        shared = [
            attribute
            for attribute, value in _learned(layer, node)
            if value in self.repeated and value not in self.values
        ]
        name = self._named(node.name or node.operator.lower())
        layer = layer._bound({"name": name, "shared": tuple(shared)})
        del vars(layer)["_made"]  # its ports follow
        layer.__post_init__()
        self.layers[name] = layer
        for port in layer.input_names:
            self.connections[name, port] = sources.get(port, self.first)
        for attribute, value in _learned(layer, node):
            if attribute in shared:
                self.values[value] = (name, attribute)
        for value, port in zip(node.outputs, layer.output_names, strict=False):
            if value in self.values or value in self.constants:
                raise fault(f"{node.shown}: there is a value {value!r} already")
            if value:
                self.values[value] = (name, port)

    def _output(self, name: str) -> Port:
        """Return the port of an output; a layer of its own for an input or a constant."""
        port = self.values.get(name)
        if port and not isinstance(self.layers[port[0]], TensorInput):
            return port
        if port is None and name not in self.constants:
            raise fault(f"no node makes the output {name!r}")
        self._add(Node("", "Identity", "", (name,), (f"{name} (output)",), {}))
        return self.values[f"{name} (output)"]

    def _named(self, text: str) -> str:
        """Return a name of a layer that is not taken."""
        base = re.sub(r"[^\w.:-]+", ".", text).strip(".") or "node"
        name, i = base, 0
        while name in self.taken:
            i += 1
            name = f"{base}_{i}"
        self.taken.add(name)
        return name


def operator_of(
    node: Node, opset: int, constants: Mapping[str, Array], values: Iterable[str]
) -> tuple[Operator, dict[str, Port]]:
    """Return the layer of a node, and where its inputs come from."""
    entry = table()[node.operator]
    kind: type[Operator] = entry.layer or Operator
    operands: list[str] = []
    arrays: dict[str, Array] = {}
    learned: list[str] = []
    kept: dict[str, Array] = {}
    sources: dict[str, Any] = {}
    carried: list[str] = []
    for i, value in enumerate(node.inputs):
        # A weight in a graph of the node has a name of its own.
        own = value.rpartition("\n")[2] if "\n" in value and entry.rest else entry.name(i)
        if not value:
            operands.append("")
        elif value in values:
            operands.append(_port_of(value, values, sources))
        elif value not in constants:
            raise fault(f"{node.shown}: no node before it makes its input {value!r}")
        else:
            operands.append(own)
            array = constants[value]
            if own in kind.state and array.dtype.kind == "f":
                carried.append(own)
                arrays[own] = array
            elif entry.may_learn(i, array.size) and may_be_weight(array):
                learned.append(own)
                arrays[own] = array
            else:
                kept[own] = array
    layer = kind(
        node.operator,
        operands=tuple(operands),
        results=len(node.outputs),
        attributes=arguments_of(node, entry, opset),
        constants=kept,
        learned=tuple(learned),
        carried=tuple(carried),
    )
    vars(layer).update(arrays)
    return layer, sources


def _port_of(value: str, values: Any, sources: dict[str, Any]) -> str:
    """Return the port through which a value comes; one port for a value that comes twice."""
    source = values[value]
    for port, known in sources.items():
        if known == source:
            return port
    port = f"in{len(sources) + 1}"
    sources[port] = source
    return port


def _learned(layer: Operator, node: Node) -> list[tuple[str, str]]:
    """Return the learnables of a layer, each with the name of its value in the file."""
    return [
        (own, value)
        for own, value in zip(layer.operands, node.inputs, strict=False)
        if own in layer.learned
    ]
