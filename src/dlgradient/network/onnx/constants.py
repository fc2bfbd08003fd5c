"""Values that depend on constants only, which are computed at the import."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from dlgradient.core.reading import raw
from dlgradient.core.types import Array
from dlgradient.errors import DlgradientError
from dlgradient.network.onnx.legacy import modern
from dlgradient.network.onnx.operator import settled
from dlgradient.network.onnx.reading import Node, Subgraph, fault
from dlgradient.network.onnx.registry import Entry, table

__all__ = ["arguments_of", "constants_of", "may_be_weight"]

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


def constants_of(
    graph: Subgraph, opset: int, around: Mapping[str, Array] | None = None
) -> tuple[dict[str, Array], list[Node]]:
    """Return all values that depend on constants only, and the nodes that are left.

    A weight that is used twice is not folded: one learnable would become two. A graph in a node
    also knows the constants around it.
    """
    known = {**(around or {}), **graph.arrays}
    uses = Counter(name for node in graph.nodes for name in node.inputs)
    budget = SPARE + 2 * sum(a.size for a in graph.arrays.values())
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
    if any(uses[n] > 1 and known[n].size > 1 and may_be_weight(known[n]) for n in names):
        return None
    if node.operator in LAYOUT:
        return operands[0].size + 16
    if node.operator == "Concat":
        return sum(a.size for a in operands)
    return prod(max(a.size, 1) for a in operands)


def may_be_weight(array: Array) -> bool:
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
    return np.asarray(raw(y))


def arguments_of(node: Node, entry: Entry, opset: int) -> dict[str, Any]:
    """Return the keyword arguments of the function of a node."""
    known = {k: v for k, v in node.attributes.items() if k in entry.options}
    if "opset" in entry.options:
        known["opset"] = opset
    if "outputs" in entry.options:
        known["outputs"] = len(node.outputs)
    return known
