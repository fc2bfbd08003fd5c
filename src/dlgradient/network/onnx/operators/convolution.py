"""Convolution and transposed convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.network.onnx.operators.joining import padded
from dlgradient.network.onnx.registry import operator
from dlgradient.network.onnx.values import ints
from dlgradient.network.onnx.windows import window, with_labels
from dlgradient.nn.activations.smooth import swish
from dlgradient.nn.convolution.conv import dlconv, dltranspconv
from dlgradient.ops.join import concat
from dlgradient.ops.permute import moveaxis
from dlgradient.ops.shape import reshape

__all__: list[str] = []


def _grouped(weights: Any, groups: int) -> Any:
    """Return weights with a last dimension for groups of filters."""
    count = weights.shape[0] // groups
    return moveaxis(reshape(weights, (groups, count, *weights.shape[1:])), 0, -1)


@operator("Conv", learned="weights bias")
def conv(
    x: Any,
    weights: Any,
    bias: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: list[int] | None = None,
    group: int = 1,
    pads: list[int] | None = None,
    strides: list[int] | None = None,
) -> Any:
    """Return a convolution."""
    kernel = weights.shape[2:]
    found = window(x.shape[2:], kernel, strides, dilations, pads, auto_pad)
    space = "S" * len(kernel)
    return dlconv(
        x,
        weights if group == 1 else _grouped(weights, group),
        0 if bias is None else bias,
        stride=found.strides,
        dilation_factor=found.dilations,
        padding=np.transpose(found.pads),  # type: ignore[arg-type]
        data_format=f"BC{space}",
        weights_format=f"UC{space}" + "U" * (group > 1),
    )


@operator("ConvTranspose", learned="weights bias")
def conv_transpose(
    x: Any,
    weights: Any,
    bias: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: list[int] | None = None,
    group: int = 1,
    output_padding: list[int] | None = None,
    output_shape: list[int] | None = None,
    pads: list[int] | None = None,
    strides: list[int] | None = None,
) -> Any:
    """Return a transposed convolution."""
    kernel, n = weights.shape[2:], weights.ndim - 2
    found = window(x.shape[2:], kernel, strides, dilations, pads, "NOTSET")
    extra = output_padding or [0] * n
    # The output is longer at its end, so less is cut off there.
    crop = [(p, q - e) for (p, q), e in zip(found.pads, extra, strict=True)]
    wanted = None if output_shape is None else output_shape[-n:]
    if wanted is None and auto_pad.startswith("SAME"):
        wanted = [i * s for i, s in zip(x.shape[2:], found.strides, strict=True)]
    if wanted is not None:
        whole = [
            s * (i - 1) + r + e
            for s, i, r, e in zip(found.strides, x.shape[2:], found.reach, extra, strict=True)
        ]
        crop = [
            _halves(f - m, e, auto_pad == "SAME_LOWER")
            for f, m, e in zip(whole, wanted, extra, strict=True)
        ]
    y = dltranspconv(
        x,
        _grouped(weights, group),
        stride=found.strides,
        dilation_factor=found.dilations,
        cropping=np.maximum(np.transpose(crop), 0),
        data_format=with_labels(n),
        weights_format="CU" + "S" * n + "U",
    )
    for i, pair in enumerate(crop):  # what is longer than the filter reaches is zero
        more = (max(-pair[0], 0), max(-pair[1], 0))
        y = padded(y, i + 2, more, "constant", 0) if any(more) else y
    return y if bias is None else y + reshape(bias, (-1, *[1] * n))


def _halves(total: int, extra: int, lower: bool) -> tuple[int, int]:
    """Return what is cut off of the whole, before and after."""
    if total < 0:
        return 0, total - extra
    half = total - total // 2 if lower else total // 2
    return half, total - half - extra


@operator("CausalConvWithState", learned="weights bias")
def causal_conv(
    x: Any, weights: Any, bias: Any = None, past: Any = None, *, activation: str = "none"
) -> Any:
    """Return a channel-wise convolution over the past, and the last steps for the next one."""
    if past is None:
        past = np.zeros((*x.shape[:2], weights.shape[-1] - 1), x.dtype)
    steps = concat((past, x), axis=2)
    y = dlconv(
        steps,
        moveaxis(weights[None], 1, -1),
        0 if bias is None else bias,
        data_format="BCT",
        weights_format="CUTU",
    )
    y = swish(y) if activation in ("silu", "swish") else y
    return y, steps[:, :, x.shape[2] :]


@operator("Col2Im")
def columns_to_image(
    x: Any,
    image: Any,
    block: Any,
    *,
    dilations: list[int] | None = None,
    pads: list[int] | None = None,
    strides: list[int] | None = None,
) -> Any:
    """Return windows that are put back and summed: each place is a channel of its own."""
    sizes, kernel = ints(image), ints(block)
    n, size = len(kernel), int(np.prod(kernel))
    found = window(sizes, kernel, strides, dilations, pads, "NOTSET")
    counts = [
        (i + sum(p) - r) // s + 1
        for i, p, r, s in zip(sizes, found.pads, found.reach, found.strides, strict=True)
    ]
    channels = x.shape[1] // size
    y = dltranspconv(
        reshape(x, (-1, size, *counts)),
        np.eye(size, dtype=x.dtype).reshape(size, 1, *kernel),
        stride=found.strides,
        dilation_factor=found.dilations,
        cropping=np.transpose(found.pads),  # type: ignore[arg-type]
        data_format=with_labels(n),
        weights_format="CU" + "S" * n,
    )
    return reshape(y, (x.shape[0], channels, *sizes))
