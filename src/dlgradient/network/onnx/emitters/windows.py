"""Convolution and pooling."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.reading import read
from dlgradient.network.onnx.writing import Inexpressible, Tensor, Writer, emits

__all__: list[str] = []

MODES = {"symmetric-exclude-edge": "reflect", "replicate": "edge"}


def each(value: Any, count: int) -> list[int]:
    return [int(value)] * count if isinstance(value, int) else [int(v) for v in value]


def _pairs(padding: Any, count: int) -> tuple[list[int], list[int]]:
    """Return padding before and after."""
    if isinstance(padding, int):
        return [padding] * count, [padding] * count
    rows = np.asarray(padding)
    if rows.ndim == 2:
        return rows[0].tolist(), rows[1].tolist()
    if count == 1 and rows.size == 2:  # a pair for one dimension
        return [int(rows[0])], [int(rows[1])]
    return rows.tolist(), rows.tolist()


def _slid(layer: Any, x: Tensor) -> int:
    """Return how many dimensions a window slides over; they must be all but two."""
    count: int = layer.dimensions
    if x.format != f"BC{layer.over}":
        raise Inexpressible(f"an input of the format {x.format!r}")
    return count


def _padded(w: Writer, layer: Any, x: str, count: int) -> tuple[str, dict[str, Any]]:
    """Return the input and the attributes that say its padding."""
    padding, value = layer.padding, getattr(layer, "padding_value", 0)
    if isinstance(padding, str):
        if value not in (0, "mean") or (padding == "causal" and value != 0):
            raise Inexpressible(f"padding={padding!r} with padding_value={value!r}")
        if padding == "same":
            return x, {"auto_pad": "SAME_UPPER"}
        reach = each(layer.dilation_factor, 1)[0] * (each(layer.filter_size, 1)[0] - 1)
        return x, {"pads": [reach, 0]}
    before, after = _pairs(padding, count)
    if value in (0, "mean") or not any([*before, *after]):
        return x, {"pads": [*before, *after]}
    mode = MODES.get(value) if isinstance(value, str) else "constant"
    if mode is None:
        raise Inexpressible(f"padding_value={value!r}")
    pads = w.ints(0, 0, *before, 0, 0, *after)
    number = [w.number(value)] if mode == "constant" else []
    return w.node("Pad", x, pads, *number, mode=mode), {}


@emits("Convolution1d", "Convolution2d", "Convolution3d", "GroupedConvolution1d")
@emits("GroupedConvolution2d")
def convolution(w: Writer, layer: Any, x: Tensor) -> str:
    """Write Conv."""
    count = _slid(layer, x)
    source, options = _padded(w, layer, x.name, count)
    weights = np.asarray(read(layer.weights))
    groups = 1
    if layer.order == "CUU":  # windows, channels, filters of a group, groups
        groups = weights.shape[-1]
        order = (count + 2, count + 1, count, *range(count))
        weights = weights.transpose(order)
        weights = weights.reshape(-1, *weights.shape[2:])
    else:
        weights = weights.transpose((count + 1, count, *range(count)))
    return w.node(
        "Conv",
        source,
        w.array(np.ascontiguousarray(weights), "weights"),
        w.array(layer.bias, "bias"),
        dilations=each(layer.dilation_factor, count),
        group=groups,
        strides=each(layer.stride, count),
        **options,
    )


@emits("TransposedConvolution1d", "TransposedConvolution2d", "TransposedConvolution3d")
def transposed_convolution(w: Writer, layer: Any, x: Tensor) -> str:
    """Write ConvTranspose."""
    count = _slid(layer, x)
    options: dict[str, Any] = {"auto_pad": "SAME_UPPER"}
    if not isinstance(layer.cropping, str):
        before, after = _pairs(layer.cropping, count)
        options = {"pads": [*before, *after]}
    weights = np.asarray(read(layer.weights)).transpose((count + 1, count, *range(count)))
    return w.node(
        "ConvTranspose",
        x.name,
        w.array(np.ascontiguousarray(weights), "weights"),
        w.array(layer.bias, "bias"),
        strides=each(layer.stride, count),
        **options,
    )


@emits("MaxPooling1d", "MaxPooling2d", "MaxPooling3d")
def max_pooling(w: Writer, layer: Any, x: Tensor) -> str:
    """Write MaxPool."""
    if layer.has_unpooling_outputs:
        raise Inexpressible("has_unpooling_outputs=True")
    count = _slid(layer, x)
    source, options = _padded(w, layer, x.name, count)
    sizes = {"kernel_shape": each(layer.pool_size, count), "strides": each(layer.stride, count)}
    return w.node("MaxPool", source, **sizes, **options)


@emits("AveragePooling1d", "AveragePooling2d", "AveragePooling3d")
def average_pooling(w: Writer, layer: Any, x: Tensor) -> str:
    """Write AveragePool."""
    count = _slid(layer, x)
    source, options = _padded(w, layer, x.name, count)
    return w.node(
        "AveragePool",
        source,
        count_include_pad=int(layer.padding_value != "mean"),
        kernel_shape=each(layer.pool_size, count),
        strides=each(layer.stride, count),
        **options,
    )


@emits("GlobalMaxPooling1d", "GlobalMaxPooling2d", "GlobalMaxPooling3d")
@emits("GlobalAveragePooling1d", "GlobalAveragePooling2d", "GlobalAveragePooling3d")
def global_pooling(w: Writer, layer: Any, x: Tensor) -> str:
    """Write a global pooling; of time without a dimension for it."""
    _slid(layer, x)
    kind = "GlobalMaxPool" if "Max" in type(layer).__name__ else "GlobalAveragePool"
    y = w.node(kind, x.name)
    return w.node("Squeeze", y, w.ints(2)) if layer.over == "T" else y
