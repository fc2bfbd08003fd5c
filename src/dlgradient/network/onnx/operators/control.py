"""Conditions and loops: operators whose attributes are graphs."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.network.onnx.program import Program
from dlgradient.network.onnx.reading import Node
from dlgradient.network.onnx.registry import operator
from dlgradient.network.onnx.values import axis_in, ints, raw
from dlgradient.ops.join import stack
from dlgradient.ops.permute import flip, moveaxis

__all__: list[str] = []


@operator("If")
def chosen(condition: Any, *needed: Any, then_branch: Program, else_branch: Program) -> Any:
    """Return the results of one of two graphs."""
    count = len(else_branch.needs)  # they come in alphabetical order
    if bool(raw(condition).reshape(-1)[0]):
        return tuple(then_branch.run((), needed[count:]))
    return tuple(else_branch.run((), needed[:count]))


@operator("Loop")
def loop(most: Any, condition: Any, *operands: Any, body: Program) -> Any:
    """Return the last values of what a loop carries, and all values of its other results."""
    count = len(body.inputs) - 2
    carried, needed = list(operands[:count]), operands[count:]
    limit = None if most is None else ints(most)[0]
    goes_on = condition is None or bool(raw(condition).reshape(-1)[0])
    steps: list[list[Any]] = []
    i = 0
    while goes_on and (limit is None or i < limit):
        flag, *found = body.run((np.array(i), np.array(True), *carried), needed)
        goes_on = bool(raw(flag).reshape(-1)[0])
        carried = found[:count]
        steps.append(found[count:])
        i += 1
    return (*carried, *_stacked(steps, len(body.outputs) - 1 - count))


def _stacked(steps: list[list[Any]], count: int) -> list[Any]:
    """Return the results of all steps along a new first dimension."""
    if not steps:
        return [np.zeros(0, np.float32)] * count
    return [stack(list(values)) for values in zip(*steps, strict=True)]


def old_scan(node: Node) -> str:
    """Return that the form of version 8 is not supported, or ''."""
    old = "directions" in node.attributes or not node.inputs[0]
    return "the form of version 8, which is not supported" if old else ""


@operator("Scan", problem=old_scan)
def scan(
    *operands: Any,
    body: Program,
    num_scan_inputs: int,
    scan_input_axes: list[int] | None = None,
    scan_input_directions: list[int] | None = None,
    scan_output_axes: list[int] | None = None,
    scan_output_directions: list[int] | None = None,
) -> Any:
    """Return the last values of a state, and the results for all elements of sequences."""
    count = len(body.inputs) - num_scan_inputs
    state = list(operands[:count])
    sequences, needed = operands[count : len(body.inputs)], operands[len(body.inputs) :]
    axes = scan_input_axes or [0] * num_scan_inputs
    backwards = scan_input_directions or [0] * num_scan_inputs
    inputs = []
    for x, axis, back in zip(sequences, axes, backwards, strict=True):
        first = moveaxis(x, axis_in(axis, x), 0)
        inputs.append(flip(first, 0) if back else first)
    steps = []
    for i in range(inputs[0].shape[0]):
        found = body.run((*state, *[x[i] for x in inputs]), needed)
        state = found[:count]
        steps.append(found[count:])
    results = _stacked(steps, len(body.outputs) - count)
    axes = scan_output_axes or [0] * len(results)
    backwards = scan_output_directions or [0] * len(results)
    ends = []
    for y, axis, back in zip(results, axes, backwards, strict=True):
        ordered = flip(y, 0) if back else y
        ends.append(moveaxis(ordered, 0, axis_in(axis, ordered)))
    return (*state, *ends)
