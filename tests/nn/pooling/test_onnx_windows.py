"""The node tests of the ONNX standard for convolution and pooling, all of them.

They are made by the modules that the standard's own backend tests come from.
"""

import numpy as np
import pytest
from onnx_nodes import made, supported

import dlgradient as dl
from dlgradient.nn.convolution.conv import dlconv, dltranspconv
from dlgradient.nn.pooling.pool import avgpool, maxpool, maxunpool

NAMES = (
    "conv",
    "convtranspose",
    "maxpool",
    "averagepool",
    "lppool",
    "globalmaxpool",
    "globalaveragepool",
    "maxunpool",
    "causal_conv_with_state",
    "col2im",
)


def pairs(a, sizes, reach, stride):
    """Padding in front and behind, by any of the standard's forms."""
    n = len(sizes)
    auto = a.get("auto_pad", b"NOTSET")
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        total = [
            max((-(-i // s) - 1) * s + r - i, 0)
            for i, r, s in zip(sizes, reach, stride, strict=True)
        ]
        half = [(t // 2, t - t // 2) for t in total]
        return half if auto == b"SAME_UPPER" else [(q, p) for p, q in half]
    pads = a.get("pads", [0] * 2 * n)
    return list(zip(pads[:n], pads[n:], strict=True))


def up(pads, sizes, reach, stride):
    """Padding behind that makes room for the last window, where sizes are rounded up."""
    more = []
    for (p, q), i, r, s in zip(pads, sizes, reach, stride, strict=True):
        count = -(-(p + i + q - r) // s) + 1
        if (count - 1) * s >= i + p:  # a window must begin in the array or in front of it
            count -= 1
        more.append(max((count - 1) * s + r - (p + i + q), 0))
    return more


def geometry(a, x, kernel):
    n = len(kernel)
    stride, dilation = a.get("strides", [1] * n), a.get("dilations", [1] * n)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    return stride, dilation, reach, pairs(a, x.shape[2:], reach, stride)


def conv(a, x, w, b=0):
    kernel = w.shape[2:]
    stride, dilation, _, pads = geometry(a, x, kernel)
    return dlconv(
        dl.dlarray(x, "BC" + "S" * len(kernel)),
        w,
        b,
        stride=stride,
        dilation_factor=dilation,
        padding=np.transpose(pads),
        weights_format="UC" + "S" * len(kernel),
    )


def convtranspose(a, x, w):
    n, groups = w.ndim - 2, a.get("group", 1)
    kernel = w.shape[2:]
    stride, dilation, reach, pads = geometry(a, x, kernel)
    extra = a.get("output_padding", [0] * n)
    wanted = a.get("output_shape")
    if a.get("auto_pad") == b"SAME_UPPER":
        wanted = [i * s for i, s in zip(x.shape[2:], stride, strict=True)]
    crop = [(p, q - e) for (p, q), e in zip(pads, extra, strict=True)]
    if wanted is not None:
        whole = [s * (i - 1) + r for s, i, r in zip(stride, x.shape[2:], reach, strict=True)]
        crop = [
            ((f - m) // 2, f - m - (f - m) // 2) if f > m else (0, f - m)
            for f, m in zip(whole, wanted, strict=True)
        ]
    weights = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    y = dltranspconv(
        dl.dlarray(x, "BC" + "S" * n),
        np.moveaxis(weights, 0, -1),
        stride=stride,
        dilation_factor=dilation,
        cropping=np.maximum(np.transpose(crop), 0),
        weights_format="CU" + "S" * n + "U",
    )
    # What is longer than the filter reaches is zero.
    behind = [(0, max(-q, 0)) for _, q in crop]
    return np.pad(np.asarray(y), [(0, 0), (0, 0), *behind])


def pool(function, a, x, **options):
    kernel = a["kernel_shape"]
    stride, dilation, reach, pads = geometry(a, x, kernel)
    if a.get("ceil_mode"):
        more = up(pads, x.shape[2:], reach, stride)
        if function is avgpool and a.get("count_include_pad"):
            # The padding counts, the room for the last window does not.
            x = np.pad(x, [(0, 0), (0, 0), *pads])
            pads, options["padding_value"] = [(0, 0)] * len(kernel), "mean"
        pads = [(p, q + m) for (p, q), m in zip(pads, more, strict=True)]
    return function(
        dl.dlarray(x, "BC" + "S" * len(kernel)) if x.dtype.kind == "f" else x,
        kernel,
        stride=stride,
        dilation_factor=dilation,
        padding=np.transpose(pads),
        **options,
        data_format=None if x.dtype.kind == "f" else "BC" + "S" * len(kernel),
    )


def largest(a, x):
    y, indices = pool(maxpool, a, x, return_indices=True)
    numbers = np.asarray(indices)
    if a.get("storage_order"):
        i, j = np.unravel_index(numbers, x.shape[2:])
        numbers = i + j * x.shape[2]
    # The standard counts through all channels.
    first = np.arange(x.shape[0] * x.shape[1]).reshape(*x.shape[:2], *[1] * (x.ndim - 2))
    return y, numbers + first * np.prod(x.shape[2:])


def averagepool(a, x):
    return pool(avgpool, a, x, padding_value=0 if a.get("count_include_pad") else "mean")


def norms(a, x):
    """Norms of windows: means of powers, padded with zeros, without the division."""
    p, count = a.get("p", 2), np.prod(a["kernel_shape"])
    return (pool(avgpool, a, np.abs(x) ** p, padding_value=0) * count) ** (1 / p)


def unpool(a, x, indices, shape=None):
    sizes = [
        s * (n - 1) + k
        for s, n, k in zip(a["strides"], x.shape[2:], a["kernel_shape"], strict=True)
    ]
    y = np.asarray(maxunpool(x, indices, sizes, data_format="BCSS"))
    if shape is None:
        return y
    # The numbers are for the sizes that the pooling would have had; what is more is zero.
    behind = [(0, n - m) for n, m in zip(shape, y.shape, strict=True)]
    return np.pad(y, behind)


def causal(a, x, w, bias=None, past=None):
    """A convolution over the past only, of which the last steps are the state of the next one."""
    if past is None:
        past = np.zeros((*x.shape[:2], w.shape[-1] - 1), x.dtype)
    steps = dl.concat((past, x), 2)
    # Every channel is a group of its own, the last dimension of the weights.
    y = dlconv(
        dl.dlarray(steps, "BCT"),
        np.moveaxis(w[None], 1, -1),
        0.0 if bias is None else bias,
        weights_format="CUTU",
    )
    y = dl.swish(y) if a.get("activation", b"none") in (b"silu", b"swish") else y
    return y, steps[:, :, x.shape[2] :]


def columns(a, x, image, block):
    """Windows that are put back and summed: each place of a window is a channel of its own."""
    n, size = len(block), np.prod(block)
    stride, dilation = a.get("strides", [1] * n), a.get("dilations", [1] * n)
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, block, strict=True)]
    pads = np.reshape(a.get("pads", [0] * 2 * n), (2, n))
    counts = (image + pads.sum(0) - reach) // stride + 1
    channels = x.shape[1] // size
    y = dltranspconv(
        dl.dlarray(x.reshape(-1, size, *counts), "BC" + "S" * n),
        np.eye(size, dtype=x.dtype).reshape(size, 1, *block),
        stride=stride,
        dilation_factor=dilation,
        cropping=pads,
        weights_format="CU" + "S" * n,
    )
    return np.reshape(np.asarray(y), (x.shape[0], channels, *image))


ADAPTERS = {
    "conv": conv,
    "convtranspose": convtranspose,
    "maxpool": largest,
    "averagepool": averagepool,
    "lppool": norms,
    "globalmaxpool": lambda _, x: maxpool(dl.dlarray(x, "BCSS"), "global"),
    "globalaveragepool": lambda _, x: avgpool(dl.dlarray(x, "BCSS"), "global"),
    "maxunpool": unpool,
    "causal_conv_with_state": causal,
    "col2im": columns,
}


@pytest.mark.parametrize("operator", NAMES)
@pytest.mark.filterwarnings("ignore")  # of the modules that make the tests of other operators
def test_all_of_an_operator(operator):
    tests = list(filter(supported, made(operator, in_place=True)))
    assert tests
    for name, attributes, inputs, outputs in tests:
        found = ADAPTERS[operator](attributes, *inputs)
        found = found if isinstance(found, tuple) else (found,)
        # One test has its numbers written out, to four digits.
        atol = 1e-4 if name.endswith("last_window_starts_on_pad") else 1e-6
        for y, expected in zip(found, outputs, strict=False):
            np.testing.assert_allclose(np.asarray(y), expected, rtol=1e-5, atol=atol, err_msg=name)
