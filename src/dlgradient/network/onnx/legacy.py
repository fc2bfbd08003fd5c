"""Nodes of older versions of the standard, written as those of the newest.

Newer versions have turned attributes into operands. Here every such attribute becomes a constant
operand, so that an operator has one function.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import replace
from typing import Any

import numpy as np

from dlgradient.core.types import Array
from dlgradient.network.onnx.reading import STANDARD, Node

__all__ = ["modern"]

AXES = {"axes": 1}

# Operators by attribute and the number of the operand that it has become.
MOVED: Mapping[str, Mapping[str, int]] = {
    "Clip": {"min": 1, "max": 2},
    "DFT": {"axis": 2},
    "Dropout": {"ratio": 1},
    "Pad": {"pads": 1, "paddings": 1, "value": 2},
    "ReduceL1": AXES,
    "ReduceL2": AXES,
    "ReduceLogSum": AXES,
    "ReduceLogSumExp": AXES,
    "ReduceMax": AXES,
    "ReduceMean": AXES,
    "ReduceMin": AXES,
    "ReduceProd": AXES,
    "ReduceSum": AXES,
    "ReduceSumSquare": AXES,
    "Reshape": {"shape": 1},
    "Slice": {"starts": 1, "ends": 2, "axes": 3},
    "Split": {"split": 1},
    "Squeeze": AXES,
    "Tile": {"repeats": 1},
    "TopK": {"k": 1},
    "Unsqueeze": AXES,
    "Upsample": {"scales": 1},
}
FLOATS = ("min", "max", "ratio", "value", "scales")


def modern(node: Node, opset: int, known: MutableMapping[str, Array]) -> Node:
    """Return a node whose operands are those of the newest version.

    Parameters
    ----------
    node : Node
    opset : int
    known : dict
        Constants by name; those of attributes are added.
    """
    if node.domain not in STANDARD:
        return node
    moved = MOVED.get(node.operator, {})
    attributes: dict[str, Any] = dict(node.attributes)
    inputs = list(node.inputs)
    for name, place in moved.items():
        if name not in attributes:
            continue
        # The names of values are those of the file, which have no line breaks.
        constant = f"{node.outputs[0]}\n{name}"
        kind = np.float32 if name in FLOATS else np.int64
        known[constant] = np.asarray(attributes.pop(name), kind)
        inputs += [""] * (place + 1 - len(inputs))
        inputs[place] = constant
    if node.operator == "Upsample" or (node.operator == "Resize" and opset < 11):
        inputs = [inputs[0], "", *inputs[1:]]
        attributes.setdefault("coordinate_transformation_mode", "asymmetric")
        attributes.setdefault("nearest_mode", "floor")
    return replace(node, inputs=tuple(inputs), attributes=attributes)
