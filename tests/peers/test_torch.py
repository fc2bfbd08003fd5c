"""Layers against those of torch: a row for each setting."""

from __future__ import annotations

import numpy as np
import torch
from oracle import Row, check, normal, positive, rows
from torch.nn import functional as nnf
from torch.nn.attention import SDPBackend, sdpa_kernel

import dlgradient as dl

# -- convolution ---------------------------------------------------------------------------------

SPACE = {1: (9,), 2: (7, 6), 3: (5, 4, 6)}
CONV = {1: nnf.conv1d, 2: nnf.conv2d, 3: nnf.conv3d}
TRANSPOSED = {1: nnf.conv_transpose1d, 2: nnf.conv_transpose2d, 3: nnf.conv_transpose3d}
CONVOLUTIONS = [  # dimensions, stride, padding, dilation, groups
    (1, 1, 0, 1, 1),
    (1, 2, 1, 2, 1),
    (2, 1, 0, 1, 1),
    (2, 2, 1, 1, 1),
    (2, (1, 2), (2, 1), 1, 1),
    (2, 1, 2, 2, 1),
    (2, 1, 1, 1, 2),
    (2, 2, 1, 1, 4),
    (3, 1, 1, 1, 1),
    (3, 2, 1, 1, 2),
]


def _grouped(w, groups, order):
    """Give torch's weights, whose first dimension counts the groups too, one of groups."""
    if groups == 1:
        return w, order
    w = dl.reshape(w, (groups, -1, *w.shape[1:]))
    return dl.moveaxis(w, 0, 2), order[:2] + "U" + order[2:]


def _convolution(d, stride, padding, dilation, groups):
    def ours(x, w, b):
        w, order = _grouped(w, groups, "UC" + "S" * d)
        return dl.dlconv(
            x, w, b, stride=stride, padding=padding, dilation_factor=dilation, weights_format=order
        )

    return Row(
        f"{d}d stride {stride} padding {padding} dilation {dilation} groups {groups}",
        [
            normal("BC" + "S" * d, 2, 4, *SPACE[d]),
            normal("", 8, 4 // groups, *(3, 2, 3)[:d]),
            normal("", 8),
        ],
        ours,
        lambda x, w, b: CONV[d](x, w, b, stride, padding, dilation, groups),
    )


def _transposed(d, stride, cropping, dilation, groups):
    def ours(x, w, b):
        w, order = _grouped(w, groups, "CU" + "S" * d)
        return dl.dltranspconv(
            x,
            w,
            b,
            stride=stride,
            cropping=cropping,
            dilation_factor=dilation,
            weights_format=order,
        )

    return Row(
        f"{d}d transposed stride {stride} cropping {cropping} dilation {dilation} groups {groups}",
        [
            normal("BC" + "S" * d, 2, 4, *SPACE[d]),
            normal("", 4, 8 // groups, *(3, 2, 3)[:d]),
            normal("", 8),
        ],
        ours,
        lambda x, w, b: TRANSPOSED[d](x, w, b, stride, cropping, 0, groups, dilation),
    )


@rows([make(*c) for c in CONVOLUTIONS for make in (_convolution, _transposed)])
def test_convolution(row):
    check(row)


# -- pooling -------------------------------------------------------------------------------------

IMAGE = normal("BCSS", 2, 3, 7, 8)
KEYWORDS = {"pool_size": "kernel_size", "dilation_factor": "dilation"}


def _pool(ours, peer, **settings):
    theirs = {KEYWORDS.get(k, k): v for k, v in settings.items()}
    if theirs.pop("padding_value", 0) == "mean":
        theirs["count_include_pad"] = False
    return Row(
        f"{ours.__name__} {settings}",
        [IMAGE],
        lambda x: ours(x, **settings),
        lambda x: peer(x, **theirs),
    )


def _our_unpooling(x):
    y, indices = dl.maxpool(x, 2, stride=2, return_indices=True)
    return dl.maxunpool(y, indices, x.shape)


def _peer_unpooling(x):
    y, indices = nnf.max_pool2d(x, 2, return_indices=True)
    return nnf.max_unpool2d(y, indices, 2, output_size=x.shape)


@rows(
    [
        _pool(dl.maxpool, nnf.max_pool2d, pool_size=2, stride=2),
        _pool(dl.maxpool, nnf.max_pool2d, pool_size=(3, 2), stride=(2, 1), padding=(1, 0)),
        _pool(dl.maxpool, nnf.max_pool2d, pool_size=2, stride=1, dilation_factor=2),
        _pool(dl.avgpool, nnf.avg_pool2d, pool_size=3, stride=2),
        _pool(dl.avgpool, nnf.avg_pool2d, pool_size=3, stride=2, padding=1),
        _pool(dl.avgpool, nnf.avg_pool2d, pool_size=3, stride=2, padding=1, padding_value="mean"),
        _pool(dl.adaptiveavgpool, nnf.adaptive_avg_pool2d, output_size=(3, 5)),
        _pool(dl.adaptivemaxpool, nnf.adaptive_max_pool2d, output_size=(3, 5)),
        Row("unpooling", [IMAGE], _our_unpooling, _peer_unpooling),
        Row(
            "1d over time",
            [normal("BCT", 2, 3, 9)],
            lambda x: dl.maxpool(x, 3, pool_format="T", stride=2, padding=1),
            lambda x: nnf.max_pool1d(x, 3, 2, 1),
        ),
        Row(
            "3d",
            [normal("BCSSS", 2, 2, 4, 5, 6)],
            lambda x: (dl.maxpool(x, 2, stride=2), dl.avgpool(x, 2, stride=2)),
            lambda x: (nnf.max_pool3d(x, 2), nnf.avg_pool3d(x, 2)),
        ),
    ]
)
def test_pooling(row):
    check(row)


# -- normalization -------------------------------------------------------------------------------

AFFINE = [normal("", 4), normal("", 4)]
FEATURES = normal("BCSS", 3, 4, 3, 2)


@rows(
    [
        Row(
            "batch",
            [FEATURES, *AFFINE],
            lambda x, b, s: dl.batchnorm(x, b, s)[0],
            lambda x, b, s: nnf.batch_norm(x, None, None, s, b, training=True),
        ),
        Row(
            "batch, vectors",
            [normal("BC", 5, 4), *AFFINE],
            lambda x, b, s: dl.batchnorm(x, b, s, epsilon=1e-3)[0],
            lambda x, b, s: nnf.batch_norm(x, None, None, s, b, training=True, eps=1e-3),
        ),
        Row(
            "batch, inference",
            [FEATURES, *AFFINE, normal("", 4), positive("", 4)],
            dl.batchnorm,
            # Torch takes the statistics for constants; written out they are not.
            lambda x, b, s, m, v: (
                (x - m[:, None, None]) / torch.sqrt(v + 1e-5)[:, None, None] * s[:, None, None]
                + b[:, None, None]
            ),
        ),
        Row(
            "layer, channels",
            [normal("BTC", 3, 2, 4), *AFFINE],
            dl.layernorm,
            lambda x, b, s: nnf.layer_norm(x, (4,), s, b),
        ),
        Row(
            "layer, all but the batch",
            [FEATURES, normal("CSS", 4, 3, 2), normal("CSS", 4, 3, 2)],
            dl.layernorm,
            lambda x, b, s: nnf.layer_norm(x, (4, 3, 2), s, b),
        ),
        Row(
            "group",
            [FEATURES, *AFFINE],
            lambda x, b, s: dl.groupnorm(x, 2, b, s),
            lambda x, b, s: nnf.group_norm(x, 2, s, b),
        ),
        Row(
            "instance",
            [FEATURES, *AFFINE],
            dl.instancenorm,
            lambda x, b, s: nnf.instance_norm(x, weight=s, bias=b),
        ),
        Row(
            "root mean square",
            [normal("BTC", 3, 2, 4), normal("", 4)],
            dl.rmsnorm,
            lambda x, s: nnf.rms_norm(x, (4,), s, 1e-5),
        ),
        Row(
            "cross-channel",
            [normal("BCSS", 2, 7, 3, 2)],
            lambda x: dl.crosschannelnorm(x, 5, alpha=0.3, beta=0.6, k=1.5),
            lambda x: nnf.local_response_norm(x, 5, alpha=0.3, beta=0.6, k=1.5),
        ),
    ]
)
def test_normalization(row):
    check(row)


# -- recurrence ----------------------------------------------------------------------------------

STEPS, BATCH, CHANNELS, HIDDEN = 4, 3, 2, 5


def _recurrent_inputs(gates, directions, outputs=HIDDEN):
    weights = [normal("", gates * HIDDEN, CHANNELS), normal("", gates * HIDDEN, outputs)]
    biases = [normal("", gates * HIDDEN), normal("", gates * HIDDEN)]
    return [normal("TBC", STEPS, BATCH, CHANNELS), *(weights + biases) * directions]


def _states(x, directions, *sizes):
    """Return initial states for torch: a number for each channel, alike for all observations."""
    return [torch.ones(directions, x.shape[1], n, dtype=torch.float64) * 0.3 for n in sizes]


def _our_lstm(x, *params, direction):
    W, R, b, c = (dl.concat(params[i::4]) for i in range(4))
    return dl.lstm(x, 0.3, 0.3, W, R, b + c, direction=direction)


def _peer_lstm(x, *params):
    directions = len(params) // 4
    y, h, c = torch._VF.lstm(
        x,
        _states(x, directions, HIDDEN, HIDDEN),
        params,
        True,
        1,
        0.0,
        True,
        directions == 2,
        False,
    )
    # Directions behind each other along the channels.
    return y, torch.cat(tuple(h), 1), torch.cat(tuple(c), 1)


def _our_projected_lstm(x, W, R, b, c, P):
    return dl.lstm(x, 0.3, 0.3, W, R, b + c, projection=P)


def _peer_projected_lstm(x, *params):
    y, h, c = torch._VF.lstm(x, _states(x, 1, 3, HIDDEN), params, True, 1, 0.0, True, False, False)
    return y, h[0], c[0]


def _our_gru(x, *params, direction):
    W, R, b, c = ([*params[i::4]] for i in range(4))
    return dl.gru(
        x,
        0.3,
        dl.concat(W),
        dl.concat(R),
        dl.concat([v for pair in zip(b, c, strict=True) for v in pair]),
        reset_gate_mode="recurrent-bias-after-multiplication",
        direction=direction,
    )


def _peer_gru(x, *params):
    directions = len(params) // 4
    (h0,) = _states(x, directions, HIDDEN)
    y, h = torch._VF.gru(x, h0, params, True, 1, 0.0, True, directions == 2, False)
    return y, torch.cat(tuple(h), 1)


@rows(
    [
        *(
            Row(
                f"{name} {direction}",
                _recurrent_inputs(gates, 1 + (direction == "bidirectional")),
                lambda *a, f=ours, d=direction: f(*a, direction=d),
                peer,
            )
            for name, gates, ours, peer in [
                ("lstm", 4, _our_lstm, _peer_lstm),
                ("gru", 3, _our_gru, _peer_gru),
            ]
            for direction in ("forward", "bidirectional")
        ),
        Row(
            "lstm projected",
            [*_recurrent_inputs(4, 1, outputs=3), normal("", 3, HIDDEN)],
            _our_projected_lstm,
            _peer_projected_lstm,
        ),
    ]
)
def test_recurrence(row):
    check(row)


# -- attention -----------------------------------------------------------------------------------

HEADS = 2
QUERIES, KEYS = 4, 6
MASK = np.arange(BATCH * HEADS * QUERIES * KEYS).reshape(BATCH, HEADS, QUERIES, KEYS) % 7 % 3 > 0
MASK[..., 0] = True  # every query attends to something
TOKENS = [normal("BTC", BATCH, n, 8) for n in (QUERIES, KEYS, KEYS)]


def _peer_attention(q, k, v, bias=None, **settings):
    q, k, v = (a.unflatten(2, (HEADS, -1)).transpose(1, 2) for a in (q, k, v))
    if bias is not None:
        settings["attn_mask"] = bias
    # The fused ones have no second derivative.
    with sdpa_kernel(SDPBackend.MATH):
        y = nnf.scaled_dot_product_attention(q, k, v, **settings)
    return y.transpose(1, 2).flatten(2)


@rows(
    [
        Row("plain", TOKENS, lambda *a: dl.attention(*a, HEADS), _peer_attention),
        Row(
            "scaled",
            TOKENS,
            lambda *a: dl.attention(*a, HEADS, scale=0.3),
            lambda *a: _peer_attention(*a, scale=0.3),
        ),
        Row(
            "causal",
            [TOKENS[1]] * 3,
            lambda *a: dl.attention(*a, HEADS, attention_mask="causal"),
            lambda *a: _peer_attention(*a, is_causal=True),
        ),
        Row(
            "mask",
            TOKENS,
            lambda *a: dl.attention(*a, HEADS, attention_mask=MASK.T),
            lambda *a: _peer_attention(*a, attn_mask=torch.tensor(MASK)),
        ),
        Row(
            "padding",
            TOKENS,
            lambda *a: dl.attention(*a, HEADS, padding_mask=MASK[:, 0, 0]),
            lambda *a: _peer_attention(*a, attn_mask=torch.tensor(MASK[:, :1, :1])),
        ),
        Row(
            "bias",
            [*TOKENS, normal("", BATCH, HEADS, QUERIES, KEYS)],
            lambda q, k, v, b: dl.attention(q, k, v, HEADS, bias=b),
            _peer_attention,
        ),
    ]
)
def test_attention(row):
    check(row)


# -- activations ---------------------------------------------------------------------------------

VECTORS = normal("BC", 6, 8)


def _hardsigmoid(x):
    # The gradient of `nnf.hardsigmoid` has the factor 1/6 in single precision only.
    return nnf.relu6(x + 3) / 6


@rows(
    Row(name, [VECTORS, *more], ours, peer)
    for name, ours, peer, *more in [
        ("relu", dl.relu, nnf.relu),
        ("leakyrelu", lambda x: dl.leakyrelu(x, 0.2), lambda x: nnf.leaky_relu(x, 0.2)),
        ("clippedrelu", lambda x: dl.clippedrelu(x, 0.7), lambda x: nnf.hardtanh(x, 0, 0.7)),
        ("elu", lambda x: dl.elu(x, 1.3), lambda x: nnf.elu(x, 1.3)),
        ("selu", dl.selu, nnf.selu),
        ("glu", dl.glu, lambda x: nnf.glu(x, 1)),
        ("prelu", dl.prelu, nnf.prelu, normal("", 8)),
        ("hardsigmoid", lambda x: dl.hardsigmoid(x, alpha=1 / 6), _hardsigmoid),
        ("gelu", dl.gelu, nnf.gelu),
        (
            "gelu tanh",
            lambda x: dl.gelu(x, approximation="tanh"),
            lambda x: nnf.gelu(x, approximate="tanh"),
        ),
        ("mish", dl.mish, nnf.mish),
        ("softplus", dl.softplus, nnf.softplus),
        ("softsign", dl.softsign, nnf.softsign),
        ("swish", dl.swish, nnf.silu),
        ("sigmoid", dl.sigmoid, torch.sigmoid),
        ("tanh", dl.tanh, torch.tanh),
        ("erf", dl.erf, torch.erf),
        ("softmax", dl.softmax, lambda x: torch.softmax(x, 1)),
        ("log_softmax", dl.log_softmax, lambda x: torch.log_softmax(x, 1)),
    ]
)
def test_activation(row):
    check(row)


# -- linear layers, embedding --------------------------------------------------------------------

INDICES = np.arange(12).reshape(3, 4) * 7 % 5


@rows(
    [
        Row(
            "fullyconnect",
            [normal("BC", 3, 4), normal("", 5, 4), normal("", 5)],
            dl.fullyconnect,
            nnf.linear,
        ),
        Row(
            "fullyconnect, steps",
            [normal("BTC", 2, 3, 4), normal("", 5, 4), normal("", 5)],
            dl.fullyconnect,
            nnf.linear,
        ),
        Row(
            "embed",
            [normal("UC", 5, 3)],
            lambda w: dl.embed(dl.dlarray(INDICES, "BT"), w),
            lambda w: nnf.embedding(torch.tensor(INDICES), w),
        ),
        Row(
            "embed, channels first",
            [normal("CU", 3, 5)],
            lambda w: dl.embed(dl.dlarray(INDICES, "BT"), w),
            lambda w: nnf.embedding(torch.tensor(INDICES), w.T),
        ),
    ]
)
def test_linear(row):
    check(row)
