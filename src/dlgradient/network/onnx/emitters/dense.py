"""Layers with a matrix, and recurrent ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.reading import read
from dlgradient.network.onnx.writing import Inexpressible, Tensor, Writer, emits

__all__: list[str] = []


@emits("FullyConnected")
def fully_connected(w: Writer, layer: Any, x: Tensor) -> str:
    """Write Gemm; over time a product whose channels are last."""
    weights, bias = layer.weights, w.array(layer.bias, "bias")
    spatial = "S" in x.format and layer.operation_dimension == "spatial-channel"
    if "U" in x.format or x.format[:2] != "BC" or (spatial and "T" in x.format):
        raise Inexpressible(f"an input of the format {x.format!r}")
    if spatial:
        flat = w.node("Flatten", x.name, axis=1)
        return w.node("Gemm", flat, w.array(weights, "weights"), bias, transB=1)
    if x.format == "BC":
        return w.node("Gemm", x.name, w.array(weights, "weights"), bias, transB=1)
    n = len(x.format)
    rows = w.transposed(x.name, (0, *range(2, n), 1))
    matrix = np.ascontiguousarray(np.asarray(read(weights)).T)
    y = w.node("Add", w.node("MatMul", rows, w.array(matrix, "weights")), bias)
    return w.transposed(y, (0, n - 1, *range(1, n - 1)))


@emits("Embedding")
def embedding(w: Writer, layer: Any, x: Tensor) -> str:
    """Write Gather."""
    if x.format not in ("BC", "BCT"):
        raise Inexpressible(f"an input of the format {x.format!r}")
    indices = w.node("Cast", w.node("Squeeze", x.name, w.ints(1)), to=7)
    y = w.node("Gather", w.array(layer.weights, "weights"), indices, axis=0)
    return w.transposed(y, (0, 2, 1)) if x.format == "BCT" else y


def _reordered(rows: Any, order: tuple[int, ...], directions: int) -> Any:
    """Return the gates of each direction in ONNX's order."""
    raw = np.asarray(read(rows))
    parts = raw.reshape(directions, len(order), -1, *raw.shape[1:])[:, list(order)]
    return np.ascontiguousarray(parts.reshape(directions, -1, *raw.shape[1:]))


def _recurrent(
    w: Writer, layer: Any, x: Tensor, kind: str, order: tuple[int, ...], **options: Any
) -> str:
    if x.format != "BCT":
        raise Inexpressible(f"an input of the format {x.format!r}")
    if layer.has_state_inputs or layer.has_state_outputs:
        raise Inexpressible("inputs and outputs for the state")
    if layer.has_padding_mask_input:
        raise Inexpressible("an input for the mask of padding")
    if any(np.any(np.asarray(read(getattr(layer, name)))) for name in layer.state):
        raise Inexpressible("a state that is not zero; net.reset_state() makes it zero")
    usual = ("tanh", "sigmoid")
    if (layer.state_activation_function, layer.gate_activation_function) != usual:
        raise Inexpressible("activation functions other than tanh and sigmoid")
    directions = layer.directions
    weights = _reordered(layer.weights, order, directions)
    recurrent = _reordered(layer.recurrent_weights, order, directions)
    bias = options.pop("bias", None)
    if bias is None:
        bias = _reordered(layer.bias, order, directions)
        bias = np.concatenate([bias, np.zeros_like(bias)], axis=1)
    results = w.several(
        kind,
        [
            w.transposed(x.name, (2, 0, 1)),
            w.array(weights, "weights"),
            w.array(recurrent, "recurrent_weights"),
            w.array(bias, "bias"),
        ],
        2,
        direction="bidirectional" if directions == 2 else "forward",
        hidden_size=layer.num_hidden_units,
        **options,
    )
    if layer.output_mode == "last":  # directions, batch, units
        ordered = w.node("Transpose", results[1], perm=[1, 0, 2])
        return w.node("Reshape", ordered, w.ints(0, -1))
    ordered = w.node("Transpose", results[0], perm=[2, 1, 3, 0])  # batch, directions, units, time
    steps = w.node("Shape", ordered, start=3)
    sizes = w.node("Concat", w.ints(0, directions * layer.num_hidden_units), steps, axis=0)
    return w.node("Reshape", ordered, sizes)


@emits("Lstm", "Bilstm")
def lstm(w: Writer, layer: Any, x: Tensor, *_: Tensor) -> str:
    """Write LSTM."""
    return _recurrent(w, layer, x, "LSTM", (0, 3, 1, 2))


@emits("Gru")
def gru(w: Writer, layer: Any, x: Tensor, *_: Tensor) -> str:
    """Write GRU."""
    order, mode = (1, 0, 2), layer.reset_gate_mode
    if mode == "before-multiplication":
        return _recurrent(w, layer, x, "GRU", order)
    if mode == "recurrent-bias-after-multiplication":
        halves = np.asarray(read(layer.bias)).reshape(2, 3, -1)[:, list(order)]
        return _recurrent(
            w, layer, x, "GRU", order, bias=halves.reshape(1, -1), linear_before_reset=1
        )
    return _recurrent(w, layer, x, "GRU", order, linear_before_reset=1)
