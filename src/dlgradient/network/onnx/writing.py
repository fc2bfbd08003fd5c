"""What emitters of layers use: nodes and arrays of a graph that is being written.

In the file, the dimensions of every array are in the order batch, channels, spatial, time, others,
which is ONNX's. What a layer gets and returns is in this order, whatever the network has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core.reading import raw
from dlgradient.core.types import Array

__all__ = ["EMITTERS", "OPSET", "Inexpressible", "Tensor", "Writer", "canonical", "emits"]

OPSET = 20  # Gelu; onnxruntime has it since 1.17

EMITTERS: dict[str, Callable[..., Any]] = {}


class Inexpressible(Exception):  # noqa: N818 - no error of its own: the exporter collects them
    """That a layer, or an option of it, has no form in ONNX."""


class Tensor(NamedTuple):
    """An array in the file: name, format in ONNX's order, sizes in an example."""

    name: str
    format: str
    shape: tuple[int, ...]

    def axis(self, label: str) -> int:
        """Return the first axis with a label."""
        if label not in self.format:
            raise Inexpressible(f"an input without a dimension {label!r}")
        return self.format.index(label)


def canonical(fmt: str) -> str:
    """Return a format in ONNX's order of dimensions."""
    return "".join(sorted(fmt, key="BCSTU".index))


def emits(*names: str) -> Callable[..., Any]:
    """Declare a function as that which writes layers of some classes."""

    def declared(function: Callable[..., Any]) -> Callable[..., Any]:
        EMITTERS.update(dict.fromkeys(names, function))
        return function

    return declared


class Writer:
    """Nodes and arrays of a graph.

    Attributes
    ----------
    nodes : list of NodeProto
    arrays : dict
        Initializers by name.
    prefix : str
        The name of the layer that is written, with which names begin.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.arrays: dict[str, Array] = {}
        self.prefix = ""
        self.first = True

    def begin(self, name: str) -> None:
        """Begin with a layer."""
        self.prefix, self.first = name, True

    def array(self, value: Any, name: str = "value") -> str:
        """Return the name of an array of the file."""
        found = np.asarray(raw(value))
        full, i = f"{self.prefix}/{name}", 0
        while full in self.arrays and self.arrays[full] is not found:
            i += 1
            full = f"{self.prefix}/{name}_{i}"
        self.arrays[full] = found
        return full

    def ints(self, *values: int) -> str:
        """Return the name of an array of integers."""
        return self.array(np.array(values, np.int64), "sizes")

    def number(self, value: float, dtype: Any = np.float32) -> str:
        """Return the name of a number."""
        return self.array(np.array(value, dtype), "number")

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Write a node of one result, and return the name of that."""
        return self.several(operator, inputs, 1, **attributes)[0]

    def several(
        self, operator: str, inputs: Sequence[str], count: int, **attributes: Any
    ) -> list[str]:
        """Write a node, and return the names of its results."""
        from onnx import helper

        # The first node of a layer has its name, so an import finds it again.
        name = self.prefix if self.first else f"{self.prefix}/{operator}_{len(self.nodes)}"
        self.first = False
        outputs = [f"{name}:{i}" for i in range(count)]
        self.nodes.append(
            helper.make_node(operator, list(inputs), outputs, name=name, **attributes)
        )
        return outputs

    def transposed(self, x: str, order: Sequence[int]) -> str:
        """Return the name of an array with its dimensions in another order."""
        if list(order) == sorted(order):
            return x
        return self.node("Transpose", x, perm=list(order))
