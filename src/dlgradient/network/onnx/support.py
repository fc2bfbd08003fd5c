"""Which nodes of a model can be imported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from dlgradient.network.onnx.reading import STANDARD, Node, Subgraph, fault
from dlgradient.network.onnx.registry import Entry, table

__all__ = ["refuse_unsupported"]


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
