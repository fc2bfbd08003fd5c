"""Pooling over windows, or over all places."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.engine.array import dlarray
from dlgradient.network.onnx.operators.joining import padded
from dlgradient.network.onnx.operators.shapes import converted
from dlgradient.network.onnx.registry import operator
from dlgradient.network.onnx.values import ints, raw
from dlgradient.network.onnx.windows import Window, rounded_up, window, with_labels
from dlgradient.nn.pooling.pool import avgpool, maxpool, maxunpool
from dlgradient.ops.complex import abs as absolute

__all__: list[str] = []


def _pooled(function: Any, x: Any, kernel: list[int], found: Window, **options: Any) -> Any:
    return function(
        x,
        kernel,
        stride=found.strides,
        dilation_factor=found.dilations,
        padding=np.transpose(found.pads),
        data_format=with_labels(len(kernel)),
        **options,
    )


def _wider(found: Window, sizes: Any) -> Window:
    more = rounded_up(found, sizes)
    pads = [(p, q + m) for (p, q), m in zip(found.pads, more, strict=True)]
    return found._replace(pads=pads)


@operator("MaxPool")
def max_pool(
    x: Any,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: list[int] | None = None,
    kernel_shape: list[int],
    pads: list[int] | None = None,
    storage_order: int = 0,
    strides: list[int] | None = None,
    outputs: int,
) -> Any:
    """Return maxima, and their places among all elements if they are wanted."""
    found = window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad)
    if ceil_mode:
        found = _wider(found, x.shape[2:])
    if outputs == 1:
        return converted(_pooled(maxpool, x, kernel_shape, found), x.dtype)  # integers become float
    y, places = _pooled(maxpool, x, kernel_shape, found, return_indices=True)
    numbers = raw(places)
    if storage_order:
        index = np.unravel_index(numbers, x.shape[2:])
        numbers = np.ravel_multi_index(index, x.shape[2:], order="F")
    first = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *[1] * (x.ndim - 2))
    return y, numbers + first * np.prod(x.shape[2:])


@operator("AveragePool")
def average_pool(
    x: Any,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: list[int] | None = None,
    kernel_shape: list[int],
    pads: list[int] | None = None,
    strides: list[int] | None = None,
) -> Any:
    """Return means, of the padding too if it counts."""
    found = window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad)
    value: Any = 0 if count_include_pad else "mean"
    if ceil_mode:
        wider = _wider(found, x.shape[2:])
        if count_include_pad:
            # The padding counts, the room for the last window does not.
            for i, pair in enumerate(found.pads):
                x = padded(x, i + 2, pair, "constant", 0)
            more = [(0, q - old) for (_, q), (_, old) in zip(wider.pads, found.pads, strict=True)]
            wider, value = wider._replace(pads=more), "mean"
        found = wider
    return _pooled(avgpool, x, kernel_shape, found, padding_value=value)


@operator("LpPool")
def norm_pool(
    x: Any,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: list[int] | None = None,
    kernel_shape: list[int],
    p: int = 2,
    pads: list[int] | None = None,
    strides: list[int] | None = None,
) -> Any:
    """Return norms of windows: means of powers, padded with zeros, without the division."""
    found = window(x.shape[2:], kernel_shape, strides, dilations, pads, auto_pad)
    found = _wider(found, x.shape[2:]) if ceil_mode else found
    means = _pooled(avgpool, absolute(x) ** p, kernel_shape, found, padding_value=0)
    return (means * int(np.prod(kernel_shape))) ** (1 / p)


@operator("GlobalMaxPool")
def global_max_pool(x: Any) -> Any:
    """Return the maximum of each channel."""
    return maxpool(x, "global", data_format=with_labels(x.ndim - 2))


@operator("GlobalAveragePool")
def global_average_pool(x: Any) -> Any:
    """Return the mean of each channel."""
    return avgpool(x, "global", data_format=with_labels(x.ndim - 2))


@operator("GlobalLpPool")
def global_norm_pool(x: Any, *, p: int = 2) -> Any:
    """Return the norm of each channel."""
    axes = tuple(range(2, x.ndim))
    return (absolute(x) ** p).sum(axis=axes, keepdims=True) ** (1 / p)


@operator("MaxUnpool")
def max_unpool(
    x: Any,
    places: Any,
    sizes: Any = None,
    *,
    kernel_shape: list[int],
    pads: list[int] | None = None,
    strides: list[int] | None = None,
) -> Any:
    """Return maxima in their places, and zeros elsewhere."""
    found = window(x.shape[2:], kernel_shape, strides, None, pads, "NOTSET")
    small = [
        s * (n - 1) + k - sum(p)
        for s, n, k, p in zip(found.strides, x.shape[2:], kernel_shape, found.pads, strict=True)
    ]
    # The places are numbers in the small result, of all channels.
    within = raw(places) % int(np.prod(small))
    y = maxunpool(dlarray(x), within, small, data_format=with_labels(len(small)))
    for axis, n in enumerate(ints(sizes) if sizes is not None else []):
        if n > y.shape[axis]:
            y = padded(y, axis, (0, n - y.shape[axis]), "constant", 0)
    return y
