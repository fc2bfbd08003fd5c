"""Attention and encodings of positions: against loops in plain NumPy."""

from itertools import permutations

import numpy as np
import pytest
from rounding import assert_close

import dlgradient as dl
from dlgradient.nn.attention import kernels as fused
from dlgradient.nn.attention.attention import attention
from dlgradient.nn.attention.kernels import attend
from dlgradient.nn.attention.masked_products import probabilities
from dlgradient.nn.attention.positions import rotaryencoding, sinusoidalencoding
from dlgradient.testing import check_derivatives

B, N, M, C, V = 2, 4, 5, 6, 8
FORMATS = ["".join(p) for p in permutations("BTC")]


class Data:
    """Queries, keys and values."""

    def __init__(self, rng):
        self.q, self.k = rng.normal(size=(B, N, C)), rng.normal(size=(B, M, C))
        self.v = rng.normal(size=(B, M, V))


@pytest.fixture
def d(rng):
    return Data(rng)


def raw(y):
    return dl.extractdata(y)


def oracle(q, k, v, heads, scale=None, mask=None, bias=0.0):
    scale = scale or (k.shape[2] / heads) ** -0.5
    mask = np.broadcast_to(True if mask is None else mask, (B, heads, N, M))
    bias = np.broadcast_to(bias, mask.shape)
    y, scores = np.zeros((B, N, v.shape[2])), np.zeros(mask.shape)
    for b in range(B):
        for h in range(heads):
            qh, kh, vh = (np.split(a[b], heads, axis=1)[h] for a in (q, k, v))
            for i in range(N):
                weights = np.exp(scale * (kh @ qh[i]) + bias[b, h, i]) * mask[b, h, i]
                scores[b, h, i] = weights / (weights.sum() or 1)
            size = vh.shape[1]
            y[b, :, h * size : (h + 1) * size] = scores[b, h] @ vh
    return y, scores


@pytest.mark.parametrize("fmt", FORMATS)
def test_values_in_every_order_of_dimensions(d, fmt):
    order = ["BTC".index(c) for c in fmt]
    y = attention(
        dl.dlarray(d.q.transpose(order), fmt), dl.dlarray(d.k, "BTC"), dl.dlarray(d.v, "BTC"), 2
    )
    assert dl.dims(y) == fmt
    assert_close(y, oracle(d.q, d.k, d.v, 2)[0].transpose(order), C * M)


HEADS = np.arange(2 * N * M).reshape(2, N, M) * 7 % 10 < 6
# As given, keys × queries × heads, and for batch, heads, queries, keys.
MASKS = {
    "causal": ("causal", np.tri(N, M, dtype=bool)),
    "matrix": (np.tri(N, M, -1).T, np.tri(N, M, -1, bool)),
    "heads": (HEADS.T, HEADS),
    "nothing": (np.zeros((M, N), bool), np.zeros((N, M), bool)),
    "queries": (np.arange(N)[None] != 1, np.arange(N)[:, None] != 1),
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("return_scores", [False, True])
def test_masks(d, name, return_scores):
    given, mask = MASKS[name]
    padding = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], bool)
    found = attention(
        d.q, d.k, d.v, 2, data_format="BTC", attention_mask=given, padding_mask=padding,
        scale=0.5, return_scores=return_scores,
    )  # fmt: skip
    y, scores = oracle(d.q, d.k, d.v, 2, 0.5, mask & padding[:, None, None])
    if return_scores:
        assert_close(found[1], scores, C * M)
        found = found[0]
    assert_close(found, y, C * M)


@pytest.mark.parametrize("return_scores", [False, True])
def test_a_query_that_may_attend_to_nothing_has_zero_derivatives(d, return_scores):
    mask = np.ones((N, M), bool)
    mask[1] = False

    def gradients(q, k, v):
        y = attention(
            q, k, v, 2, data_format="BTC", attention_mask=mask.T, return_scores=return_scores
        )
        y = y[0] if return_scores else y
        first = dl.dlgradient((y * y).sum(), [q, k, v], enable_higher_derivatives=True)
        return y, first, dl.dlgradient(sum((g * g).sum() for g in first), [q, k, v])

    y, first, second = dl.dlfeval(gradients, *map(dl.dlarray, (d.q, d.k, d.v)))
    assert not raw(y)[:, 1].any()
    for group in (first, second):
        assert not raw(group[0])[:, 1].any()
        assert all(np.isfinite(raw(g)).all() for g in group)
        assert raw(group[0])[:, 0].all()


# Keys 3 and 4 are padding, query 1 may attend to nothing; key 0 counts for query 0 only.
ALLOWED = np.ones((N, M), bool)
ALLOWED[:, 3:] = ALLOWED[1] = ALLOWED[1:, 0] = False
WAYS = {
    "fused": {"attention_mask": ALLOWED.T},
    "scores": {"attention_mask": ALLOWED.T, "return_scores": True},
    "bias": {"bias": np.where(ALLOWED, 0.0, -np.inf)},
}


def with_steps(x, steps, value):
    x = x.copy()
    x[:, steps] = value
    return x


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [1 << 19, 1])  # all at once, and one query at a time
def test_what_a_mask_excludes_reaches_nothing(d, way, value, size, monkeypatch):
    monkeypatch.setattr(fused, "ATTENTION_SCORE_BYTES", size)

    def gradients(q, k, v):
        y = attention(q, k, v, 2, data_format="BTC", **WAYS[way])
        y = y[0] if way == "scores" else y
        first = dl.dlgradient((y * y).sum(), [q, k, v], enable_higher_derivatives=True)
        plain = dl.dlgradient((y * y).sum(), [q, k, v])
        return y, *first, *plain, *dl.dlgradient(sum((g * g).sum() for g in first), [q, k, v])

    def run(filler):
        arrays = [with_steps(x, s, filler) for x, s in ((d.q, [1]), (d.k, [3, 4]), (d.v, [3, 4]))]
        return [raw(r) for r in dl.dlfeval(gradients, *map(dl.dlarray, arrays))]

    for a, b in zip(run(value), run(0.0), strict=True):
        assert_close(a, b, (C * M) ** 2)


@pytest.mark.parametrize("way", WAYS)
def test_a_key_that_is_not_a_number_reaches_the_queries_that_attend_to_it(d, way):
    def run(filler):
        values = with_steps(d.v, [0], filler)
        y = attention(d.q, d.k, values, 2, data_format="BTC", **WAYS[way])
        return raw(y[0] if way == "scores" else y)

    y = run(np.nan)
    assert np.isnan(y[:, 0]).all()
    np.testing.assert_array_equal(y[:, 1:], run(0.0)[:, 1:])


def test_heads_of_queries_share_keys_and_values(rng, d):
    q = rng.normal(size=(B, N, 2 * C))
    y = attention(q, d.k, d.v, 4, num_key_value_heads=2, data_format="BTC")
    twice = [np.repeat(x.reshape(B, M, 2, -1), 2, axis=2).reshape(B, M, -1) for x in (d.k, d.v)]
    assert_close(y, oracle(q, *twice, 4)[0], C * M)


def test_products_above_the_soft_cap_are_bent(d):
    y = attention(d.q, d.k, d.v, 1, data_format="BTC", softcap=0.3, bias=1.0, scale=1.0)
    weights = np.exp(0.3 * np.tanh(d.q @ d.k.mT / 0.3))
    weights /= weights.sum(axis=-1, keepdims=True)
    assert_close(y, weights @ d.v, C * M)


def test_bias_is_added_and_differentiable(rng, d):
    bias = rng.normal(size=(2, N, M))
    y = attention(d.q, d.k, d.v, 2, data_format="BTC", bias=bias)
    assert_close(y, oracle(d.q, d.k, d.v, 2, bias=bias)[0], C * M)
    check_derivatives(
        lambda b: attention(d.q, d.k, d.v, 2, data_format="BTC", bias=b), bias[:1], order=2
    )


def test_dropout_draws_from_the_generator(d):
    def run(seed):
        return attention(
            d.q, d.k, d.v, 2, data_format="BTC", dropout_probability=0.5,
            generator=np.random.default_rng(seed), return_scores=True,
        )  # fmt: skip

    y, scores = run(3)
    again = run(3)
    np.testing.assert_array_equal(raw(scores), raw(again[1]))
    whole = oracle(d.q, d.k, d.v, 2)[1]
    kept = raw(scores) != 0
    assert 0.2 < kept.mean() < 0.8
    assert_close(raw(scores)[kept], 2 * whole[kept], C * M)
    assert (raw(y) != raw(run(4)[0])).any()


def test_the_fused_operation_is_the_composition(rng, monkeypatch):
    mask = rng.random((2, 1, 5, 7)) < 0.7
    q, k, v = (
        rng.normal(size=(2, 3, 5, 4)),
        rng.normal(size=(2, 3, 7, 4)),
        rng.normal(size=(2, 3, 7, 2)),
    )

    def run(function):
        def gradients(*arrays):
            y = function(*arrays)
            return y, dl.dlgradient((y**3).sum(), list(arrays))

        y, found = dl.dlfeval(gradients, *map(dl.dlarray, (q, k, v)))
        return [raw(y), *map(raw, found)]

    expected = run(lambda q, k, v: probabilities(q, k, 0.3, mask) @ v)
    for size in (1 << 19, 600, 1):  # one block, a block for each observation, and for each head
        monkeypatch.setattr(fused, "ATTENTION_SCORE_BYTES", size)
        for a, b in zip(
            run(lambda q, k, v: attend(q, k, v, scale=0.3, mask=mask)[0]), expected, strict=True
        ):
            assert_close(a, b, (C * M) ** 2)


def test_single_precision_and_empty(d):
    q = dl.dlarray(d.q.astype(np.float32), "BTC")
    assert attention(q, q, q, 3, attention_mask="causal").dtype == np.float32
    assert attention(q, q, q, 3, return_scores=True)[1].dtype == np.float32
    none = dl.dlarray(np.zeros((0, 3, 4)), "BTC")
    assert attention(none, none, none, 2).shape == (0, 3, 4)
    keys = dl.dlarray(np.zeros((B, 0, C)), "BTC")
    assert not raw(attention(dl.dlarray(d.q, "BTC"), keys, keys, 1)).any()


@pytest.mark.parametrize("return_scores", [False, True])
def test_a_traced_scale_has_derivatives(d, return_scores):
    operands = [dl.dlarray(x, "BTC") for x in (d.q, d.k, d.v)]

    def total(scale):
        y = attention(*operands, 2, scale=scale, return_scores=return_scores)
        return ((y[0] if return_scores else y) ** 2).sum()

    def derivatives(scale):
        first = dl.dlgradient(total(scale), scale, enable_higher_derivatives=True)
        return first, dl.dlgradient(first, scale)

    first, second = dl.dlfeval(derivatives, dl.dlarray(0.7))
    before, at, after = (total(0.7 + h).item() for h in (-1e-4, 0, 1e-4))
    np.testing.assert_allclose(first.item(), (after - before) / 2e-4, rtol=1e-6)
    np.testing.assert_allclose(second.item(), (after - 2 * at + before) / 1e-8, rtol=1e-4)
    np.testing.assert_allclose(total(dl.dlarray(0.7)).item(), at, rtol=1e-14)


def test_errors_name_what_does_not_fit(d):
    q = dl.dlarray(d.q, "BTC")
    with pytest.raises(dl.ShapeMismatchError, match=r"padding_mask has shape \(3,\).*5 keys"):
        attention(q, d.k, d.v, 2, padding_mask=np.ones(3))
    with pytest.raises(dl.ShapeMismatchError, match=r"attention_mask has shape \(3, 3\)"):
        attention(q, d.k, d.v, 2, attention_mask=np.ones((3, 3)))
    with pytest.raises(dl.ShapeMismatchError, match=r"\(4, 5\).* keys, queries.* \(5, 4, 2, 2\)"):
        attention(q, d.k, d.v, 2, attention_mask=np.ones((N, M)))
    with pytest.raises(dl.InvalidArgumentError, match=r"attention_mask .*bias="):
        attention(q, d.k, d.v, 2, attention_mask=np.full((M, N), -np.inf))
    with pytest.raises(dl.InvalidArgumentError, match=r"scale .*'large'"):
        attention(q, d.k, d.v, 2, scale="large")
    with pytest.raises(dl.InvalidArgumentError, match=r"scale is a dlarray of shape \(1,\)"):
        attention(q, d.k, d.v, 2, scale=dl.dlarray([1.0]))
    with pytest.raises(dl.ShapeMismatchError, match=r"bias has shape \(3,\)"):
        attention(q, d.k, d.v, 2, bias=np.zeros(3))
    with pytest.raises(dl.InvalidArgumentError, match="dropout_probability"):
        attention(q, d.k, d.v, 2, dropout_probability=1.0)
    with pytest.raises(dl.FormatError, match="'CST'"):
        attention(dl.dlarray(d.q, "CST"), d.k, d.v, 2)


# -- positions -----------------------------------------------------------------------------------


def test_sinusoidal_encoding():
    y = np.asarray(sinusoidalencoding(np.arange(3.0), 4, base=100.0))
    for p in range(3):
        expected = [np.sin(p), np.cos(p), np.sin(p / 10), np.cos(p / 10)]
        np.testing.assert_allclose(y[p], expected, rtol=1e-12, atol=1e-15)
    assert np.asarray(sinusoidalencoding(np.arange(3, dtype=np.float32), 4)).dtype == np.float32


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("interleaved", [True, False])
def test_rotary_encoding_turns_pairs(rng, fmt, interleaved):
    x, heads, size = rng.normal(size=(2, 3, 8)), 2, 4
    order = ["BTC".index(c) for c in fmt]
    y = rotaryencoding(
        dl.dlarray(x.transpose(order), fmt), num_heads=heads, interleaved=interleaved, base=50.0
    )
    expected = np.empty_like(x)
    for h in range(heads):
        for i in range(size // 2):
            pair = (2 * i, 2 * i + 1) if interleaved else (i, i + size // 2)
            a, b = (h * size + j for j in pair)
            angle = np.arange(3) / 50.0 ** (2 * i / size)
            expected[..., a] = x[..., a] * np.cos(angle) - x[..., b] * np.sin(angle)
            expected[..., b] = x[..., a] * np.sin(angle) + x[..., b] * np.cos(angle)
    assert_close(y, expected.transpose(order), 2)


def test_products_of_rotated_vectors_depend_on_the_distance(rng):
    x = np.broadcast_to(rng.normal(size=(1, 6)), (9, 6))
    z = np.broadcast_to(rng.normal(size=(1, 6)), (9, 6))
    a, b = (raw(rotaryencoding(v, data_format="TC")) for v in (x, z))
    products, scale = a @ b.T, 9 * np.linalg.norm(x[0]) * np.linalg.norm(z[0])
    for distance in range(-8, 9):
        diagonal = np.diagonal(products, distance)
        assert_close(diagonal, diagonal[:1].repeat(diagonal.size), 6, scale)


def test_integers_are_attended_to():
    q = np.arange(12).reshape(3, 4) % 3
    whole = dl.attention(q, q, q, 2, data_format="TC")
    np.testing.assert_array_equal(whole, dl.attention(*[q * 1.0] * 3, 2, data_format="TC"))
