"""From a model to the graph of a network.

Every node becomes an `Operator`. What a node gets is an output of another layer, a learnable, a
part of the state, or a constant.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import prod
from typing import Any

import numpy as np

from dlgradient.core.types import Array
from dlgradient.errors import DlgradientError
from dlgradient.layers.layer import Layer
from dlgradient.network.graph import Graph, Port
from dlgradient.network.onnx.legacy import modern
from dlgradient.network.onnx.operator import Operator, TensorInput, settled
from dlgradient.network.onnx.reading import STANDARD, Model, Node, Subgraph, fault
from dlgradient.network.onnx.registry import Entry, table

__all__ = ["built", "constants_of", "operator_of"]

# A mask of attention is a large negative number; no weight is that large.
LARGEST_WEIGHT = 1e8
# Numbers that folding may make: as many as the file has, and these more.
SPARE = 2**20
# Operators whose results have no more elements than their operands.
LAYOUT = (
    *("Cast", "Flatten", "Identity", "Reshape", "Shape", "Size", "Slice", "Split", "Squeeze"),
    *("Transpose", "Unsqueeze"),
)
# Operators that make large results of small operands, or other ones in every call.
UNFOLDED = (
    *("Bernoulli", "ConstantOfShape", "Dropout", "Expand", "EyeLike", "GridSample", "If", "Loop"),
    *("OneHot", "Pad", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
    *("Range", "Resize", "Scan", "Tile", "Upsample", "AffineGrid", "CenterCropPad"),
    *("BlackmanWindow", "HannWindow", "HammingWindow", "MelWeightMatrix", "Col2Im", "Multinomial"),
)


def built(model: Model) -> Graph:
    """Return the graph of the layers of a model, with their values."""
    graph = model.graph
    refuse_unsupported(graph, model.opset)
    if not graph.inputs:
        raise fault("the model has no inputs")
    constants, nodes = constants_of(graph, model.opset)
    return _Builder(model.opset, constants, nodes, graph).graph()


# -- support -----------------------------------------------------------------------------------


def refuse_unsupported(graph: Subgraph, opset: int) -> None:
    """Raise one error that names every node that cannot be imported."""
    missing: dict[str, None] = {}
    _collect(graph, opset, missing)
    if missing:
        listed = "\n".join(f"  {line}" for line in missing)
        raise fault(f"the model has nodes that are not supported:\n{listed}")


def _collect(graph: Subgraph, opset: int, missing: dict[str, None]) -> None:
    entries = table()
    for node in graph.nodes:
        if node.operator == "Constant" and node.domain in STANDARD:
            continue
        if node.domain not in STANDARD or node.operator not in entries:
            missing[node.shown] = None
            continue
        problem = _misfit(node, opset, entries[node.operator])
        if problem:
            missing[f"{node.shown}: {problem}"] = None
        for value in node.attributes.values():
            if isinstance(value, Subgraph):
                _collect(value, opset, missing)


def _misfit(node: Node, opset: int, entry: Entry) -> str:
    """Return what is wrong with a node; '' if nothing is."""
    return next(_misfits(node, opset, entry), "")


def _misfits(node: Node, opset: int, entry: Entry) -> Iterator[str]:
    """Yield what is wrong with a node, by the schema of its operator and by what is here."""
    import onnx

    try:
        schema = onnx.defs.get_schema(node.operator, max_inclusive_version=opset)
    except onnx.defs.SchemaError:
        yield f"the standard has no such operator in version {opset}"
        return
    given = len(node.inputs)
    if not schema.min_input <= given <= schema.max_input:
        yield f"it has {given} inputs"
    if not max(schema.min_output, 1) <= len(node.outputs) <= schema.max_output:
        yield f"it has {len(node.outputs)} outputs"
    if given > len(entry.names) and not entry.rest:
        yield f"its input {given} is not supported"
    for name, value in node.attributes.items():
        if name not in schema.attributes:
            yield f"it has no attribute {name!r}"
        elif not _fits(value, str(schema.attributes[name].type).rpartition(".")[2]):
            yield f"its attribute {name!r} is of the wrong type"
    for name, attribute in schema.attributes.items():
        if attribute.required and name not in node.attributes:
            yield f"its attribute {name!r} is missing"
    problem = entry.problem(node) if entry.problem else ""
    if problem:
        yield problem


def _fits(value: Any, kind: str) -> bool:
    single = {"FLOAT": float, "INT": int, "STRING": str, "TENSOR": np.ndarray, "GRAPH": Subgraph}
    if kind in single:
        return isinstance(value, single[kind])
    return isinstance(value, list) and all(isinstance(v, single[kind[:-1]]) for v in value)


# -- constants -----------------------------------------------------------------------------------


def constants_of(graph: Subgraph, opset: int) -> tuple[dict[str, Array], list[Node]]:
    """Return all values that depend on constants only, and the nodes that are left.

    A weight that is used twice is not folded: one learnable would become two.
    """
    known = dict(graph.arrays)
    uses = Counter(name for node in graph.nodes for name in node.inputs)
    budget = SPARE + 2 * sum(a.size for a in known.values())
    left = []
    for original in graph.nodes:
        node = modern(original, opset, known)
        if node.operator == "Constant":
            known[node.outputs[0]] = _constant(node)
            budget += 2 * known[node.outputs[0]].size
            continue
        cost = _cost(node, known, uses)
        if cost is None or cost > budget:
            left.append(node)
            continue
        budget -= cost
        values = [known[n] if n else None for n in node.inputs]
        found = zip(node.outputs, _computed(node, values, opset), strict=False)
        known.update({name: value for name, value in found if name})
    return known, left


def _constant(node: Node) -> Array:
    for name, value in node.attributes.items():
        if name == "value":
            return np.asarray(value)
        if name in ("value_float", "value_floats"):
            return np.asarray(value, np.float32)
        if name in ("value_int", "value_ints"):
            return np.asarray(value, np.int64)
    raise fault(f"{node.shown}: a constant that is no array is not supported")


def _cost(node: Node, known: Mapping[str, Array], uses: Counter[str]) -> int | None:
    """Return a bound of the number of elements that folding makes; None if it cannot be."""
    names = [n for n in node.inputs if n]
    if node.operator in UNFOLDED or not names or any(n not in known for n in names):
        return None
    operands = [known[n] for n in names]
    if any(uses[n] > 1 and known[n].size > 1 and _weight(known[n]) for n in names):
        return None
    if node.operator in LAYOUT:
        return operands[0].size + 16
    if node.operator == "Concat":
        return sum(a.size for a in operands)
    return prod(max(a.size, 1) for a in operands)


def _weight(array: Array) -> bool:
    """Return whether a constant that an operator takes as a weight may be one.

    Integers are none, and large numbers are masks.
    """
    return array.dtype.kind == "f" and bool(np.all(np.abs(array) < LARGEST_WEIGHT))


def _computed(node: Node, values: list[Any], opset: int) -> list[Array]:
    """Return the results of a node of constants."""
    entry = table()[node.operator]
    attributes = arguments_of(node, entry, opset)
    try:
        with np.errstate(all="ignore"):
            found = entry.function(*values, **attributes)
    except DlgradientError as error:
        raise fault(f"{node.shown} of constants: {error.args[0]}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise fault(f"{node.shown} of constants: {error}") from None
    several = found if isinstance(found, (tuple, list)) else (found,)
    return [_raw(settled(y)) for y in several]


def _raw(y: Any) -> Array:
    return np.asarray(getattr(y, "_value", y))


def arguments_of(node: Node, entry: Entry, opset: int) -> dict[str, Any]:
    """Return the keyword arguments of the function of a node."""
    known = {k: v for k, v in node.attributes.items() if k in entry.options}
    if "opset" in entry.options:
        known["opset"] = opset
    if "outputs" in entry.options:
        known["outputs"] = len(node.outputs)
    return known


# -- layers --------------------------------------------------------------------------------------


class _Builder:
    """Makes layers of nodes, in the order of the file."""

    def __init__(
        self, opset: int, constants: Mapping[str, Array], nodes: list[Node], graph: Subgraph
    ) -> None:
        self.opset, self.constants, self.nodes, self.source = opset, constants, nodes, graph
        self.taken: set[str] = set()
        self.layers: dict[str, Layer] = {}
        self.connections: dict[Port, Port] = {}
        self.values: dict[str, Port] = {}  # ports by the name of the value
        uses = Counter(n for node in nodes for n in {*node.inputs})
        self.repeated = {n for n, count in uses.items() if count > 1}

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
        own = entry.name(i)
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
            elif entry.may_learn(i, array.size) and _weight(array):
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
