"""Attention, positions and patches; and parts of images, which have the sizes of another array."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from dlgradient.core.reading import read
from dlgradient.network.onnx.emitters.windows import each
from dlgradient.network.onnx.writing import Inexpressible, Tensor, Writer, emits

__all__: list[str] = []


def _steps(x: Tensor) -> None:
    """Raise if x is no batch of sequences."""
    if x.format not in ("BCS", "BCT"):
        raise Inexpressible(f"an input of the format {x.format!r}")


@emits("SelfAttention")
def self_attention(w: Writer, layer: Any, x: Tensor, *_: Tensor) -> str:
    """Write products of matrices, and Softmax."""
    _steps(x)
    if layer.has_padding_mask_input or layer.has_scores_output:
        raise Inexpressible("a mask of padding, or scores as an output")
    if layer.attention_mask != "none":
        raise Inexpressible(f"attention_mask={layer.attention_mask!r}")
    rows = w.transposed(x.name, (0, 2, 1))
    query = w.transposed(_heads(w, layer, "query", rows), (0, 2, 1, 3))
    key = w.transposed(_heads(w, layer, "key", rows), (0, 2, 3, 1))
    value = w.transposed(_heads(w, layer, "value", rows), (0, 2, 1, 3))
    scale = w.number(1 / sqrt(layer.num_key_channels // layer.num_heads))
    scores = w.node("Softmax", w.node("Mul", w.node("MatMul", query, key), scale), axis=3)
    joined = w.transposed(w.node("MatMul", scores, value), (0, 2, 1, 3))
    channels = np.shape(layer.value_bias)[0]
    y = _projected(w, layer, "output", w.node("Reshape", joined, w.ints(0, 0, channels)))
    return w.transposed(y, (0, 2, 1))


def _projected(w: Writer, layer: Any, of: str, rows: str) -> str:
    """Return what weights and bias make of rows."""
    matrix = np.ascontiguousarray(np.asarray(read(getattr(layer, f"{of}_weights"))).T)
    product = w.node("MatMul", rows, w.array(matrix, f"{of}_weights"))
    return w.node("Add", product, w.array(getattr(layer, f"{of}_bias"), f"{of}_bias"))


def _heads(w: Writer, layer: Any, of: str, rows: str) -> str:
    """Return projected rows by heads: batch × steps × heads × channels."""
    channels = np.shape(getattr(layer, f"{of}_bias"))[0]
    sizes = w.ints(0, 0, layer.num_heads, channels // layer.num_heads)
    return w.node("Reshape", _projected(w, layer, of, rows), sizes)


@emits("PatchEmbedding")
def patches(w: Writer, layer: Any, x: Tensor) -> str:
    """Write Conv, with the stride of a patch, and Reshape."""
    count = x.format.count("S")
    if x.format != "BC" + "S" * count:
        raise Inexpressible(f"an input of the format {x.format!r}")
    sizes = each(layer.patch_size, count)
    filters = np.moveaxis(np.asarray(read(layer.weights)), (-1, -2), (0, 1))
    weights = w.array(np.ascontiguousarray(filters), "weights")
    bias = w.array(layer.bias, "bias")
    y = w.node("Conv", x.name, weights, bias, strides=sizes, kernel_shape=sizes)
    if layer.spatial_flatten_mode == "column-major":
        y = w.transposed(y, (0, 1, *range(1 + count, 1, -1)))
    return w.node("Reshape", y, w.ints(0, 0, -1))


@emits("EmbeddingConcatenation")
def token(w: Writer, layer: Any, x: Tensor) -> str:
    """Write Concat, after Expand to the batch."""
    _steps(x)
    row = np.asarray(read(layer.weights)).reshape(1, -1, 1)
    return w.node("Concat", _of_batch(w, w.array(row, "weights"), x), x.name, axis=2)


@emits("PositionEmbedding")
def positions(w: Writer, layer: Any, x: Tensor) -> str:
    """Write Slice of the table to as many steps as there are, and Expand to the batch."""
    _steps(x)
    table = np.ascontiguousarray(np.asarray(read(layer.weights)).T)[None]
    count = w.node("Shape", x.name, start=2, end=3)
    found = w.node("Slice", w.array(table, "weights"), w.ints(0), count, w.ints(2))
    return _of_batch(w, found, x)


def _of_batch(w: Writer, row: str, x: Tensor) -> str:
    """Return the same for each observation of x."""
    batch = w.node("Shape", x.name, start=0, end=1)
    return w.node("Expand", row, w.node("Concat", batch, w.ints(1, 1), axis=0))


@emits("Indexing1d")
def step(w: Writer, layer: Any, x: Tensor) -> str:
    """Write Gather."""
    _steps(x)
    index = {"first": 0, "last": -1}.get(layer.index, layer.index)
    return w.node("Gather", x.name, w.array(np.array(index, np.int64), "index"), axis=2)


@emits("Crop2d", "Crop3d")
def cropped(w: Writer, layer: Any, x: Tensor, ref: Tensor) -> str:
    """Write Slice, from the place to the sizes that the other array has."""
    count = layer.dimensions
    if x.format != "BC" + "S" * count or ref.format != x.format:
        raise Inexpressible(f"inputs of the formats {x.format!r} and {ref.format!r}")
    sizes = w.node("Shape", ref.name, start=2)
    if layer.location == "center":
        free = w.node("Sub", w.node("Shape", x.name, start=2), sizes)
        start = w.node("Div", free, w.ints(2))
    else:
        start = w.ints(*layer.location)
    return w.node("Slice", x.name, start, w.node("Add", start, sizes), w.ints(*range(2, 2 + count)))
