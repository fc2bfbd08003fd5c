"""Graphs in attributes of nodes, as programs that their operator runs.

The weights in such a graph, and what it takes from around it, become operands of the operator. So
they are learnables of its layer, and a program has constants only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, Self

from dlgradient.core.types import Array
from dlgradient.engine.array import dlarray, stripdims
from dlgradient.errors import InvalidArgumentError
from dlgradient.network.likeness import same_option
from dlgradient.network.onnx.constants import arguments_of, constants_of, may_be_weight
from dlgradient.network.onnx.operator import Operator, check_operator, settled
from dlgradient.network.onnx.reading import Node, Subgraph, fault
from dlgradient.network.onnx.registry import table

__all__ = ["Program", "lifted"]


@dataclass(frozen=True)
class Step:
    """One node: operator, keyword arguments, and the names of operands and results."""

    operator: str
    arguments: Mapping[str, Any]
    operands: tuple[str, ...]
    results: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Program:
    """The nodes of a graph.

    Attributes
    ----------
    steps : list of Step
    constants : dict
        Arrays by name.
    inputs, outputs : list of str
    needs : list of str
        The names of what it takes from around it.
    """

    steps: list[Step]
    constants: Mapping[str, Array]
    inputs: list[str]
    outputs: list[str]
    needs: list[str]

    def run(self, operands: Iterable[Any], needed: Iterable[Any]) -> list[Any]:
        """Return the outputs for values of the inputs and of what is needed."""
        values: dict[str, Any] = dict(self.constants)
        values.update(zip(self.inputs, operands, strict=True))
        values.update(zip(self.needs, needed, strict=True))
        for step in self.steps:
            given = [values[name] if name else None for name in step.operands]
            found = table()[step.operator].function(*given, **step.arguments)
            several = found if isinstance(found, (tuple, list)) else (found,)
            for name, value in zip(step.results, several, strict=False):
                y = settled(value)
                values[name] = stripdims(y) if type(y) is dlarray else y
        return [values[name] for name in self.outputs]

    def parts(self) -> dict[str, Any]:
        """Return everything in containers, for a file."""
        steps = [(s.operator, dict(s.arguments), s.operands, s.results) for s in self.steps]
        return {**vars(self), "steps": steps, "constants": dict(self.constants)}

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> Self:
        """Return the program with these parts, which may be of a damaged file."""
        new = cls(**{**parts, "steps": [Step(*step) for step in parts["steps"]]})
        made = {"", *new.constants, *new.inputs, *new.needs}
        for step in new.steps:
            check_operator(step.operator, step.arguments, Operator)
            if not made.issuperset(step.operands):
                raise InvalidArgumentError(f"an operand of {step.operator} comes from nowhere")
            made.update(step.results)
        if not made.issuperset(new.outputs):
            raise InvalidArgumentError("an output of a program comes from nowhere")
        return new

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Program) and same_option(self.parts(), other.parts())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self.steps)} nodes>"


def lifted(node: Node, opset: int, constants: MutableMapping[str, Array], scope: str) -> Node:
    """Return a node whose graphs are programs, with what they need as more operands.

    Parameters
    ----------
    node : Node
    opset : int
    constants : dict
        Of the graph around it; weights in its own graphs are added.
    scope : str
        What names of weights begin with.
    """
    needs: list[str] = []
    attributes: dict[str, Any] = dict(node.attributes)
    for name, value in sorted(node.attributes.items()):
        if isinstance(value, Subgraph):
            attributes[name] = _compiled(value, opset, constants, f"{scope}{name}.")
            needs += attributes[name].needs
    if not needs:
        return replace(node, attributes=attributes)
    # Operands that are left out at the end must be there, as those that are needed follow.
    names = table()[node.operator].names
    inputs = [*node.inputs, *[""] * (len(names) - len(node.inputs)), *needs]
    return replace(node, attributes=attributes, inputs=tuple(inputs))


def _compiled(
    graph: Subgraph, opset: int, around: MutableMapping[str, Array], scope: str
) -> Program:
    known, nodes = constants_of(graph, opset, around)
    steps: list[Step] = []
    needs: dict[str, None] = {}
    made = {name for name, _, _ in graph.inputs}
    names: dict[str, int] = {}
    for original in nodes:
        base = _plain(original.name or original.operator.lower())
        names[base] = names.get(base, 0) + 1
        inner = f"{scope}{base}" + (f"_{names[base]}." if names[base] > 1 else ".")
        node = lifted(original, opset, known, inner)
        entry = table()[node.operator]
        if getattr(entry.layer, "random", False):
            raise fault(f"{node.shown}: random numbers in a loop or a condition")
        operands = []
        for i, name in enumerate(node.inputs):
            operand = name
            if (
                name in known
                and entry.may_learn(i, known[name].size)
                and may_be_weight(known[name])
            ):
                lifted_before = name in around or "\n" in name
                operand = name if lifted_before else f"{inner}{entry.name(i)}"
                around[operand] = known[name]
                needs[operand] = None
            elif name and name not in known and name not in made:
                needs[name] = None
            operands.append(operand)
        made |= {name for name in node.outputs if name}
        steps.append(
            Step(
                node.operator,
                arguments_of(node, entry, opset),
                tuple(operands),
                tuple(node.outputs),
            )
        )
    needs.update(dict.fromkeys(n for n in graph.outputs if n not in made and n not in known))
    used = {*graph.outputs, *[name for step in steps for name in step.operands]}
    constants = {n: a for n, a in known.items() if n in used and n not in needs}
    return Program(
        steps, constants, [n for n, _, _ in graph.inputs], list(graph.outputs), list(needs)
    )


def _plain(name: str) -> str:
    """Return a name of a node without what paths of learnables have no place for."""
    return re.sub(r"[^\w:-]+", "_", name).strip("_") or "node"
