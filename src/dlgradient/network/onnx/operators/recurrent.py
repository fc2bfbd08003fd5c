"""Recurrent layers.

The standard orders the gates in a way of its own, and has two biases.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.engine.array import dlarray
from dlgradient.network.onnx.reading import Node
from dlgradient.network.onnx.registry import operator
from dlgradient.network.onnx.values import raw
from dlgradient.nn.recurrent.gru import gru as recurrent_units
from dlgradient.nn.recurrent.lstm import lstm as long_short
from dlgradient.ops.choice import where
from dlgradient.ops.join import concat, stack
from dlgradient.ops.linalg import matmul
from dlgradient.ops.permute import permute_dims, swapaxes
from dlgradient.ops.shape import reshape
from dlgradient.ops.trigonometry import tanh

__all__: list[str] = []

USUAL = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


def problem(node: Node) -> str:
    """Return which option of a recurrent operator is not supported; '' if all are."""
    usual, attributes = USUAL[node.operator], node.attributes
    given = attributes.get("activations") or usual
    words = [word.lower() for word in given]
    if words != [word.lower() for word in usual] * (len(words) // len(usual)):
        return f"activations={given} are not supported"
    if "clip" in attributes:
        return "clip= is not supported"
    return "input_forget=1 is not supported" if attributes.get("input_forget") else ""


def _gates(array: Any, order: tuple[int, ...]) -> Any:
    """Return rows with their gates reordered, of one direction after the other."""
    size = array.shape[1] // len(order)
    rows = concat([array[:, i * size : (i + 1) * size] for i in order], axis=1)
    return reshape(rows, (-1, *rows.shape[2:]))


def _biases(bias: Any, weights: Any) -> tuple[Any, Any]:
    """Return the biases of the inputs and of the hidden state, for each direction."""
    rows = weights.shape[1]
    if bias is None:
        bias = np.zeros((weights.shape[0], 2 * rows), weights.dtype)
    return bias[:, :rows], bias[:, rows:]


def _options(x: Any, lengths: Any, direction: str, layout: int) -> dict[str, Any]:
    steps = x.shape[1 if layout else 0]
    mask = None
    if lengths is not None and np.any(raw(lengths) != steps):
        mask = dlarray(np.arange(steps)[:, None] < raw(lengths), "TB")
    return {"direction": direction, "data_format": "BTC" if layout else "TBC", "mask": mask}


def _state(s: Any, layout: int) -> Any:
    """Return a state as batch and channels."""
    if s is None:
        return 0
    s = s if layout else swapaxes(s, 0, 1)
    return dlarray(reshape(s, (s.shape[0], -1)), "BC")


def _as_onnx(directions: int, layout: int, y: Any, *states: Any) -> tuple[Any, ...]:
    """Return results in the standard's order of dimensions, directions apart."""
    parts = [reshape(r, (*r.shape[:-1], directions, -1)) for r in (y, *states)]
    if layout:
        return tuple(parts)
    return swapaxes(parts[0], 1, 2), *[swapaxes(s, 0, 1) for s in parts[1:]]


@operator("LSTM", problem=problem, learned="weights recurrent_weights bias peephole")
def lstm(
    x: Any,
    weights: Any,
    recurrent_weights: Any,
    bias: Any = None,
    lengths: Any = None,
    hidden: Any = None,
    cell: Any = None,
    peephole: Any = None,
    *,
    direction: str = "forward",
    layout: int = 0,
) -> Any:
    """Return the hidden states of all steps, and the last hidden and cell states."""
    first, second = _biases(bias, weights)
    order = (0, 2, 3, 1)  # from input, output, forget, candidate
    found = long_short(
        x,
        _state(hidden, layout),
        _state(cell, layout),
        _gates(weights, order),
        _gates(recurrent_weights, order),
        _gates(first + second, order),
        peephole=None if peephole is None else _gates(peephole, (0, 2, 1)),
        **_options(x, lengths, direction, layout),
    )
    return _as_onnx(weights.shape[0], layout, *found)


@operator("GRU", problem=problem, learned="weights recurrent_weights bias")
def gru(
    x: Any,
    weights: Any,
    recurrent_weights: Any,
    bias: Any = None,
    lengths: Any = None,
    hidden: Any = None,
    *,
    direction: str = "forward",
    layout: int = 0,
    linear_before_reset: int = 0,
) -> Any:
    """Return the hidden states of all steps, and the last one."""
    first, second = _biases(bias, weights)
    order = (1, 0, 2)  # from update, reset, candidate
    mode, parts = "before-multiplication", [first + second]
    if linear_before_reset:
        mode, parts = "recurrent-bias-after-multiplication", [first, second]
    # Each direction has both its biases, one after the other.
    rows = concat([reshape(_gates(part, order), part.shape) for part in parts], axis=1)
    found = recurrent_units(
        x,
        _state(hidden, layout),
        _gates(weights, order),
        _gates(recurrent_weights, order),
        reshape(rows, (-1,)),
        reset_gate_mode=mode,  # type: ignore[arg-type]
        **_options(x, lengths, direction, layout),
    )
    return _as_onnx(weights.shape[0], layout, *found)


@operator("RNN", problem=problem, learned="weights recurrent_weights bias")
def rnn(
    x: Any,
    weights: Any,
    recurrent_weights: Any,
    bias: Any = None,
    lengths: Any = None,
    hidden: Any = None,
    *,
    direction: str = "forward",
    layout: int = 0,
) -> Any:
    """Return the hidden states of all steps, and the last one, by a loop over the steps."""
    x = swapaxes(x, 0, 1) if layout else x
    hidden = swapaxes(hidden, 0, 1) if layout and hidden is not None else hidden
    steps, batch, _ = x.shape
    first, second = _biases(bias, weights)
    counts = None if lengths is None else raw(lengths)[:, None]
    ys, lasts = [], []
    for k in range(weights.shape[0]):
        s = np.zeros((batch, recurrent_weights.shape[-1]), x.dtype) if hidden is None else hidden[k]
        backwards = direction == "reverse" or k == 1
        states = []
        for t in reversed(range(steps)) if backwards else range(steps):
            new = tanh(
                matmul(x[t], weights[k].T)
                + matmul(s, recurrent_weights[k].T)
                + (first[k] + second[k])
            )
            s = new if counts is None else where(t < counts, new, s)
            states.append(new if counts is None else where(t < counts, new, 0))
        ys.append(stack(states[::-1] if backwards else states))
        lasts.append(s)
    y = concat(ys, axis=-1)
    y = permute_dims(y, (1, 0, 2)) if layout else y
    return _as_onnx(weights.shape[0], layout, y, concat(lasts, axis=-1))
