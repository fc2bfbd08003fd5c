"""Normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.network.onnx.emitters.elementwise import by_channel
from dlgradient.network.onnx.writing import Inexpressible, Tensor, Writer, emits

__all__: list[str] = []


@emits("BatchNormalization")
def batch_normalization(w: Writer, layer: Any, x: Tensor) -> str:
    """Write BatchNormalization."""
    if x.format[:2] != "BC":
        raise Inexpressible(f"an input of the format {x.format!r}")
    names = ("scale", "offset", "trained_mean", "trained_variance")
    return w.node(
        "BatchNormalization",
        x.name,
        *[w.array(getattr(layer, name), name) for name in names],
        epsilon=float(layer.epsilon),
        momentum=1 - float(layer.mean_decay),
    )


@emits("InstanceNormalization", "GroupNormalization")
def by_groups(w: Writer, layer: Any, x: Tensor) -> str:
    """Write InstanceNormalization of groups, then scale and offset of the channels."""
    if x.format[:2] != "BC" or len(x.format) < 3 or "U" in x.format:
        raise Inexpressible(f"an input of the format {x.format!r}")
    groups = getattr(layer, "num_groups", "channel-wise")
    words = {"channel-wise": x.shape[1], "all-channels": 1}
    count = words[groups] if isinstance(groups, str) else groups
    rows = w.node("Reshape", x.name, w.ints(0, count, -1))
    ones, zeros = np.ones(count, np.float32), np.zeros(count, np.float32)
    y = w.node(
        "InstanceNormalization",
        rows,
        w.array(ones, "ones"),
        w.array(zeros, "zeros"),
        epsilon=float(layer.epsilon),
    )
    y = w.node("Reshape", y, w.node("Shape", x.name))
    return _scaled(w, layer, x, y)


def _scaled(w: Writer, layer: Any, x: Tensor, y: str) -> str:
    y = w.node("Mul", y, w.array(by_channel(layer.scale, x), "scale"))
    if "offset" not in layer.learnables:
        return y
    return w.node("Add", y, w.array(by_channel(layer.offset, x), "offset"))


def _axes(layer: Any, x: Tensor) -> list[int]:
    """Return the axes that a layer normalises."""
    option = getattr(layer, "operation_dimension", "channel-only")
    usual = {"auto": "CS" if "T" not in x.format and "S" in x.format else "C"}
    labels = {"channel-only": "C", "spatial-channel": "CS", "batch-excluded": "CST", **usual}
    return [i for i, label in enumerate(x.format) if label in labels[option]]


@emits("LayerNormalization", "RmsNormalization")
def by_observations(w: Writer, layer: Any, x: Tensor) -> str:
    """Write means and squares; LayerNormalization has channels only where they are last."""
    if "U" in x.format:
        raise Inexpressible(f"an input of the format {x.format!r}")
    axes = w.ints(*_axes(layer, x))
    centred = x.name
    if type(layer).__name__ == "LayerNormalization":
        centred = w.node("Sub", x.name, w.node("ReduceMean", x.name, axes))
    squares = w.node("ReduceMean", w.node("Mul", centred, centred), axes)
    root = w.node("Sqrt", w.node("Add", squares, w.number(layer.epsilon)))
    return _scaled(w, layer, x, w.node("Div", centred, root))


@emits("CrossChannelNormalization")
def cross_channel(w: Writer, layer: Any, x: Tensor) -> str:
    """Write LRN."""
    if x.format[:2] != "BC" or layer.window_channel_size % 2 == 0:
        raise Inexpressible(f"window_channel_size={layer.window_channel_size}, format {x.format!r}")
    return w.node(
        "LRN",
        x.name,
        alpha=float(layer.alpha),
        beta=float(layer.beta),
        bias=float(layer.k),
        size=layer.window_channel_size,
    )
