"""Activations, sums and products, and layers that do little."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.reading import raw as raw_of
from dlgradient.network.onnx.writing import Inexpressible, Tensor, Writer, emits

__all__: list[str] = []


@emits("Relu", "Tanh", "Sigmoid", "Softplus")
def simple(w: Writer, layer: Any, x: Tensor) -> str:
    """Write an operator of the same name."""
    return w.node(type(layer).__name__, x.name)


@emits("LeakyRelu")
def leaky_relu(w: Writer, layer: Any, x: Tensor) -> str:
    """Write LeakyRelu."""
    return w.node("LeakyRelu", x.name, alpha=float(layer.scale))


@emits("ClippedRelu")
def clipped_relu(w: Writer, layer: Any, x: Tensor) -> str:
    """Write Clip."""
    return w.node("Clip", x.name, w.number(0.0), w.number(layer.ceiling))


@emits("Elu")
def elu(w: Writer, layer: Any, x: Tensor) -> str:
    """Write Elu."""
    return w.node("Elu", x.name, alpha=float(layer.alpha))


@emits("Gelu")
def gelu(w: Writer, layer: Any, x: Tensor) -> str:
    """Write Gelu."""
    return w.node("Gelu", x.name, approximate=layer.approximation)


@emits("Swish")
def swish(w: Writer, layer: Any, x: Tensor) -> str:
    """Write a product with a sigmoid."""
    del layer
    return w.node("Mul", x.name, w.node("Sigmoid", x.name))


@emits("Prelu")
def prelu(w: Writer, layer: Any, x: Tensor) -> str:
    """Write PRelu."""
    return w.node("PRelu", x.name, w.array(by_channel(layer.alpha, x), "alpha"))


@emits("Softmax")
def softmax(w: Writer, layer: Any, x: Tensor) -> str:
    """Write Softmax over the channels."""
    del layer
    return w.node("Softmax", x.name, axis=x.axis("C"))


@emits("Dropout", "SpatialDropout", "Identity")
def nothing(w: Writer, layer: Any, x: Tensor) -> str:
    """Write Dropout, which an inference does not have, or Identity."""
    if type(layer).__name__ == "Dropout":
        return w.node("Dropout", x.name, w.number(layer.probability))
    return w.node("Identity", x.name)


@emits("Flatten")
def flatten(w: Writer, layer: Any, x: Tensor) -> str:
    """Write channels and spatial dimensions as channels."""
    del layer
    if "T" in x.format or "U" in x.format or "B" not in x.format:
        raise Inexpressible(f"an input of the format {x.format!r}")
    return w.node("Flatten", x.name, axis=1)


@emits("Addition", "Multiplication")
def combined(w: Writer, layer: Any, *xs: Tensor) -> str:
    """Write sums or products of pairs."""
    formats = {x.format for x in xs}
    if len(formats) > 1:
        raise Inexpressible(f"inputs of the formats {', '.join(sorted(formats))}")
    name = xs[0].name
    for x in xs[1:]:
        name = w.node("Add" if type(layer).__name__ == "Addition" else "Mul", name, x.name)
    return name


@emits("DepthConcatenation", "Concatenation")
def joined(w: Writer, layer: Any, *xs: Tensor) -> str:
    """Write Concat."""
    dimension = getattr(layer, "dimension", "C")
    axis = xs[0].axis(dimension[0].upper()) + int(dimension[1:] or 1) - 1
    return w.node("Concat", *[x.name for x in xs], axis=axis)


@emits("Input", "FeatureInput", "ImageInput", "Image3dInput", "SequenceInput", "TensorInput")
def normalized(w: Writer, layer: Any, x: Tensor) -> str:
    """Write the normalisation of an input."""
    kind = layer.normalization
    if callable(kind):
        raise Inexpressible("a function as normalisation; normalise the data, with 'none' here")
    if layer.split_complex_inputs:
        raise Inexpressible("complex inputs; split the data, without split_complex_inputs")
    if kind == "none":
        return x.name
    if kind in ("zerocenter", "zscore"):
        y = w.node("Sub", x.name, w.array(by_channel(layer.mean, x), "mean"))
        if kind == "zerocenter":
            return y
        return w.node("Div", y, w.array(by_channel(layer.standard_deviation, x), "deviation"))
    low, high = (by_channel(a, x) for a in (layer.min, layer.max))
    y = w.node("Sub", x.name, w.array(low, "min"))
    y = w.node("Div", y, w.array(np.asarray(high - low, np.float32), "range"))
    if kind == "rescale-zero-one":
        return y
    return w.node("Sub", w.node("Mul", y, w.number(2.0)), w.number(1.0))


def by_channel(value: Any, x: Tensor) -> Any:
    """Return numbers of the channels, of a shape that broadcasts."""
    raw = np.asarray(raw_of(value))
    raw = raw.astype(np.float32) if raw.dtype.kind in "biu" or value is not raw else raw
    if raw.ndim == 0:
        return raw
    return raw.reshape([-1 if label == "C" else 1 for label in x.format[x.axis("C") :]])
