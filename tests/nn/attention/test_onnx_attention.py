"""The node tests of the ONNX standard for attention and rotary embedding, all of them.

They are made by the modules that the standard's own backend tests come from. Its inputs of half and
brain precision, which dlarray refuses, are computed in single precision here, and compared within
some roundings of the type they have there.
"""

import numpy as np
import pytest
from onnx_nodes import made

import dlgradient as dl
from dlgradient.nn.attention.attention import attention
from dlgradient.nn.attention.positions import rotaryencoding, rotated

SCORES = 3  # mode of the output of products in which it is what the softmax returns


def single(x):
    """A float input in single precision, and any other as it is."""
    if x is None or np.dtype(x.dtype).kind in "biu":
        return x
    return np.asarray(x, np.float32)


def joined(x):
    """Heads that lie in front, side by side as channels: batch, steps, channels."""
    batch, heads, steps, size = x.shape
    return x.transpose(0, 2, 1, 3).reshape(batch, steps, heads * size)


def divided(x, heads):
    batch, steps, channels = np.shape(x)
    return np.asarray(x).reshape(batch, steps, heads, channels // heads).transpose(0, 2, 1, 3)


def allowed(a, queries, keys, past, lengths):
    """What may be attended to by causality, window and lengths: batch, one, queries, keys."""
    first = np.array([past]) if lengths is None else lengths - queries
    i = np.arange(queries)[:, None] + (
        first[:, None, None, None] if past or lengths is not None else 0
    )
    j = np.arange(keys)
    mask = np.ones((1, 1, queries, keys), bool)
    if a.get("is_causal"):
        mask = mask & (j <= i)
    if a.get("left_window_size", -1) >= 0:
        mask = mask & (i - j <= a["left_window_size"])
    if a.get("right_window_size", -1) >= 0:
        mask = mask & (j - i <= a["right_window_size"])
    if lengths is not None:
        mask = mask & (j < lengths[:, None, None, None])
    return mask


def attend(a, q, k, v, mask=None, past_k=None, past_v=None, lengths=None):
    """Y, and the present keys and values and the scores where they are results."""
    layered = q.ndim == 4
    heads = q.shape[1] if layered else a["q_num_heads"]
    shared = k.shape[1] if layered else a["kv_num_heads"]
    q, k, v = (joined(x) if layered else x for x in (q, k, v))
    past = 0
    if past_k is not None:
        past = past_k.shape[2]
        k, v = (np.concatenate([joined(p), x], axis=1) for p, x in ((past_k, k), (past_v, v)))
    options = {"attention_mask": allowed(a, q.shape[1], k.shape[1], past, lengths)}
    if mask is not None:
        # What a mask does not reach to is not attended to.
        missing = [(0, 0)] * (mask.ndim - 1) + [(0, k.shape[1] - mask.shape[-1])]
        if mask.dtype == bool:
            options["attention_mask"] = options["attention_mask"] & np.pad(mask, missing)
        else:
            options["bias"] = np.pad(mask, missing, constant_values=-np.inf)
    options["attention_mask"] = options["attention_mask"].T  # keys, queries, heads, batch
    y, scores = attention(
        q,
        k,
        v,
        heads,
        num_key_value_heads=shared,
        scale=a.get("scale", "auto"),
        softcap=a.get("softcap", 0.0),
        data_format="BTC",
        return_scores=True,
        **options,
    )
    fused = None
    if "bias" not in options and not a.get("softcap"):
        fused = attention(
            q, k, v, heads, num_key_value_heads=shared, scale=a.get("scale", "auto"),
            data_format="BTC", **options,
        )  # fmt: skip
        np.testing.assert_allclose(np.asarray(fused), np.asarray(y), rtol=1e-5, atol=1e-6)
    y = divided(y, heads) if layered else y
    return y, divided(k, shared), divided(v, shared), scores


@pytest.mark.filterwarnings("ignore")  # of the modules that make the tests of other operators
def test_attention():
    tests = made("attention")
    assert len(tests) > 60
    for name, attributes, inputs, outputs in tests:
        named = [x if x is None or np.size(x) else None for x in map(single, inputs)]
        found = attend(attributes, *placed(named))
        exact = outputs[0].dtype == np.float32
        tolerance = 1e-5 if exact else 2e-2
        for i, (y, expected) in enumerate(zip(found, results(outputs), strict=True)):
            if expected is None or (i == 3 and attributes.get("qk_matmul_output_mode") != SCORES):
                continue
            np.testing.assert_allclose(
                np.asarray(y), single(expected), rtol=tolerance, atol=tolerance, err_msg=name
            )


def placed(inputs):
    """Inputs at their places: lengths are integers and last, and past keys and values are two."""
    q, k, v, *rest = inputs
    mask = past_k = past_v = lengths = None
    if rest and rest[-1].dtype == np.int64:
        *rest, lengths = rest
    if len(rest) >= 2:
        *rest, past_k, past_v = rest
    if rest:
        (mask,) = rest
    return q, k, v, mask, past_k, past_v, lengths


def results(outputs):
    """Y, present keys, present values, products; the products come last, after one or three."""
    y, *rest = outputs
    if len(rest) >= 2:
        return [y, *rest, None][:4]
    return [y, None, None, rest[0] if rest else None]


@pytest.mark.filterwarnings("ignore")
def test_rotary_embedding():
    tests = made("rotaryembedding")
    assert len(tests) >= 8
    for name, a, inputs, (expected,) in tests:
        x, cosines, sines, *rest = inputs
        if rest:
            cosines, sines = cosines[rest[0]], sines[rest[0]]
        heads = x.shape[1] if x.ndim == 4 else a["num_heads"]
        y = rotated(
            joined(x) if x.ndim == 4 else x, cosines, sines, heads, bool(a.get("interleaved"))
        )
        y = divided(y, heads) if x.ndim == 4 else y
        np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("channels", [8, 4])
def test_rotary_encoding_is_the_embedding_with_the_tables_of_its_angles(rng, interleaved, channels):
    reference = pytest.importorskip("onnx.reference.ops.op_rotary_embedding").rotary_embedding
    x = rng.normal(size=(2, 3, 32))
    positions = rng.integers(0, 50, (2, 3))
    angles = np.arange(50)[:, None] * 100.0 ** (-np.arange(0, channels, 2) / channels)
    expected = reference(
        x, np.cos(angles), np.sin(angles), positions, interleaved=interleaved, num_heads=4,
        rotary_embedding_dim=channels,
    )  # fmt: skip
    y = rotaryencoding(
        dl.dlarray(x, "BTC"), positions=positions, num_heads=4, base=100.0,
        rotary_channels=channels, interleaved=bool(interleaved),
    )  # fmt: skip
    np.testing.assert_allclose(np.asarray(y), expected, rtol=1e-12, atol=1e-12)
