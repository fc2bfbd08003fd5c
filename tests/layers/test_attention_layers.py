"""Attention layers: against the formula, masks, scores, sizes that do not fit."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import layers


def by_formula(p, x, heads, allowed):
    """Self-attention of one sequence (steps × channels), head by head, in NumPy."""
    q, k, v = [x @ p[f"{n}_weights"].T + p[f"{n}_bias"] for n in ("query", "key", "value")]
    joined = []
    for a, b, c in zip(*[np.split(m, heads, axis=1) for m in (q, k, v)], strict=True):
        scores = np.where(allowed, a @ b.T / np.sqrt(a.shape[1]), -np.inf)
        weights = np.exp(scores - scores.max(1, keepdims=True))
        joined.append(weights / weights.sum(1, keepdims=True) @ c)
    return np.concatenate(joined, axis=1) @ p["output_weights"].T + p["output_bias"]


@pytest.mark.parametrize("mask", ["none", "causal"])
def test_self_attention(mask, rng):
    layer = layers.SelfAttention(2, 6, num_value_channels=4, output_size=3, attention_mask=mask)
    net = dl.dlnetwork([layers.SequenceInput(5), layer], generator=0)
    for key in net.learnables:
        net.learnables[key] = rng.normal(size=net.learnables[key].shape)
    x = rng.normal(size=(7, 5, 2)).astype(np.float32)
    p = {k.partition("/")[2]: np.asarray(a, float) for k, a in net.learnables.items()}
    allowed = np.tri(7, dtype=bool) if mask == "causal" else np.ones((7, 7), bool)
    y = net.predict(x)
    for i in range(2):
        want = by_formula(p, x[:, :, i].astype(float), 2, allowed)
        np.testing.assert_allclose(y[:, :, i], want, rtol=1e-4, atol=1e-4)


def test_padding_mask_and_scores(rng):
    options = {"has_padding_mask_input": True, "has_scores_output": True}
    layer = layers.SelfAttention(2, 4, **options)
    assert layer.input_names == ("in", "mask")
    assert layer.output_names == ("out", "scores")
    x = dl.dlarray(rng.normal(size=(5, 3, 2)), "TCB")
    mask = np.ones((5, 1, 2))
    mask[3:, :, 1] = 0
    net = dl.dlnetwork([layer], x, dl.dlarray(mask, "TCB"), generator=0)
    y, scores = net.predict(x, dl.dlarray(mask, "TCB"))
    assert scores.shape == (2, 2, 5, 5)
    assert np.all(np.asarray(scores)[1, :, :, 3:] == 0)
    np.testing.assert_allclose(np.asarray(scores).sum(-1), 1, rtol=1e-6)
    changed = np.asarray(x).copy()
    changed[3:, :, 1] = 9
    again, _ = net.predict(dl.dlarray(changed, "TCB"), dl.dlarray(mask, "TCB"))
    np.testing.assert_allclose(again[:3], y[:3], rtol=1e-6)
    cross = layers.Attention(1, **options)
    assert cross.input_names == ("query", "key", "value", "mask")


def test_dropout_of_scores_in_training_only(rng):
    x = dl.dlarray(rng.normal(size=(5, 4, 2)), "TCB")
    net = dl.dlnetwork([layers.SelfAttention(2, 4, dropout_probability=0.5)], x, generator=0)
    assert np.array_equal(net.predict(x), net.predict(x))
    first, again, other = [net.forward(x, generator=g)[0] for g in (1, 1, 2)]
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_options_of_one_kind_of_learnables():
    layer = layers.SelfAttention(
        1, 2, bias_learn_rate_factor=0.0, weights_initializer="ones", query_bias=[5.0, 5.0]
    )
    net = dl.dlnetwork([layers.SequenceInput(2), layer])
    factors = net.learn_rate_factors()
    assert {k for k, v in factors.items() if v == 0} == {
        k for k in factors if k.endswith("_bias")
    }  # fmt: skip
    assert net.learnables["selfattention/key_weights"].tolist() == [[1, 1], [1, 1]]
    assert net.learnables["selfattention/query_bias"].tolist() == [5, 5]
    assert net.l2_factors()["selfattention/value_bias"] == 0


def test_heads_that_do_not_divide():
    text = "'selfattention'.*num_key_channels is 5, which num_heads, 2, does not divide"
    with pytest.raises(dl.ShapeMismatchError, match=text):
        dl.dlnetwork([layers.SequenceInput(2), layers.SelfAttention(2, 5)])
