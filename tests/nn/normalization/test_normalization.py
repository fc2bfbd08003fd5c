"""Normalisations: against plain NumPy, in every order of dimensions, in every use."""

from itertools import permutations

import numpy as np
import pytest
from rounding import assert_close

import dlgradient as dl
from dlgradient.nn.normalization import kernels
from dlgradient.nn.normalization.batch_layer import batchnorm, layernorm, rmsnorm
from dlgradient.nn.normalization.groups import crosschannelnorm, groupnorm, instancenorm
from dlgradient.nn.normalization.standardize import standardized
from dlgradient.rules import OPS
from dlgradient.testing import check_derivatives

CHANNELS = (1, 4, 1, 1)


class Data:
    """An array of format BCST and the parameters of its channels."""

    def __init__(self, rng):
        self.x = rng.normal(2.0, 3.0, (5, 4, 3, 2))
        self.offset, self.scale = rng.normal(size=(2, 4))


@pytest.fixture
def d(rng):
    return Data(rng)


def oracle(x, axes, offset, scale, epsilon=1e-5):
    mu = x.mean(axes, keepdims=True)
    variance = ((x - mu) ** 2).mean(axes, keepdims=True)
    return (x - mu) / np.sqrt(variance + epsilon) * scale + offset


def raw(y):
    return dl.extractdata(y)


FUNCTIONS = {
    "batch": (lambda x, *p: batchnorm(x, *p)[0], (0, 2, 3)),
    "layer": (lambda x, *p: layernorm(x, *p, operation_dimension="spatial-channel"), (1, 2)),
    "layer-c": (lambda x, *p: layernorm(x, *p, operation_dimension="channel-only"), (1,)),
    "layer-b": (lambda x, *p: layernorm(x, *p, operation_dimension="batch-excluded"), (1, 2, 3)),
    "group": (lambda x, *p: groupnorm(x, 1, *p), (1, 2, 3)),
    "instance": (instancenorm, (2, 3)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("order", list(permutations(range(4)))[::3])
def test_values_in_every_order_of_dimensions(d, name, order):
    function, axes = FUNCTIONS[name]
    expected = oracle(d.x, axes, d.offset.reshape(CHANNELS), d.scale.reshape(CHANNELS))
    fmt = "".join("BCST"[i] for i in order)
    y = function(dl.dlarray(d.x.transpose(order), fmt), d.offset, d.scale)
    assert dl.dims(y) == fmt
    assert_close(y, expected.transpose(order), d.x.size)


def test_groups_of_channels(d):
    y = groupnorm(dl.dlarray(d.x, "BCST"), 2, d.offset, d.scale)
    parts = d.x.reshape(5, 2, 2, 3, 2)
    pairs = (1, 2, 2, 1, 1)
    expected = oracle(parts, (2, 3, 4), d.offset.reshape(pairs), d.scale.reshape(pairs))
    assert_close(y, expected.reshape(d.x.shape), d.x[0].size)
    by_word = groupnorm(dl.dlarray(d.x, "BCST"), "channel-wise", d.offset, d.scale)
    expected = raw(instancenorm(dl.dlarray(d.x, "BCST"), d.offset, d.scale))
    np.testing.assert_array_equal(raw(by_word), expected)


def test_rmsnorm_and_its_scale_for_each_element(rng, d):
    scale = rng.normal(size=(3, 4))
    y = rmsnorm(
        dl.dlarray(d.x, "BCST"), dl.dlarray(scale, "SC"), operation_dimension="spatial-channel"
    )
    root = np.sqrt((d.x**2).mean((1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(raw(y), d.x / root * scale.T[None, :, :, None], rtol=1e-12)


@pytest.mark.parametrize("window", [1, 2, 3, 4, 9])
def test_crosschannelnorm_is_the_sum_over_the_window(rng, window):
    x = rng.normal(size=(2, 5))
    y = crosschannelnorm(dl.dlarray(x, "BC"), window, alpha=0.3, beta=0.6, k=1.5)
    for b in range(2):
        for c in range(5):
            low, high = max(0, c - (window - 1) // 2), min(4, c + window // 2)
            s = sum(x[b, j] ** 2 for j in range(low, high + 1))
            assert raw(y)[b, c] == pytest.approx(x[b, c] / (1.5 + 0.3 / window * s) ** 0.6)


def test_batchnorm_statistics_are_values(d):
    x = dl.dlarray(d.x, "BCST")
    _, mu, variance = batchnorm(x, d.offset, d.scale)
    assert dl.dims(mu) == dl.dims(variance) == "C"
    np.testing.assert_allclose(raw(mu), d.x.mean((0, 2, 3)))
    np.testing.assert_allclose(raw(variance), d.x.var((0, 2, 3)))
    before = np.ones(4), np.full(4, 2.0)
    y, mean, var = batchnorm(
        x, d.offset, d.scale, *before, training=True, mean_decay=0.25, variance_decay=0.5
    )
    np.testing.assert_allclose(raw(mean), 0.25 * raw(mu) + 0.75)
    np.testing.assert_allclose(raw(var), 0.5 * raw(variance) + 1)
    assert before[0].tolist() == [1] * 4
    np.testing.assert_array_equal(raw(y), raw(batchnorm(x, d.offset, d.scale)[0]))
    same = batchnorm(x, d.offset, d.scale, mu, variance)
    assert_close(same, y, d.x.size)


def test_batchnorm_of_nothing_keeps_the_statistics():
    x = dl.dlarray(np.zeros((0, 2)), "BC")
    y, mean, variance = batchnorm(x, 0.0, 1.0, [1.0, 2.0], [3.0, 4.0], training=True)
    assert y.shape == (0, 2)
    assert mean.tolist() == [1, 2]
    assert variance.tolist() == [3, 4]


def test_data_format_gives_an_unformatted_result(d):
    y, mu, _ = batchnorm(d.x, d.offset, d.scale, data_format="BCST")
    assert not dl.dims(y)
    assert not dl.dims(mu)
    np.testing.assert_array_equal(
        raw(y), raw(batchnorm(dl.dlarray(d.x, "BCST"), d.offset, d.scale)[0])
    )


def test_single_precision_stays_and_is_accurate_for_a_large_mean(d):
    x = (d.x + 1000).astype(np.float32)
    y = layernorm(dl.dlarray(x, "BCST"), 0.0, 1.0)
    assert y.dtype == np.float32
    spread = x.astype(float).std(1).min()
    assert_close(y, oracle(x.astype(float), 1, 0, 1), 4, 1000 / spread)


@pytest.mark.parametrize(
    ("fmt", "averaged"),
    [
        *[("CB", "C"), ("CBT", "C"), ("SCB", "C"), ("CBU", "C"), ("SCBT", "C")],
        *[("SSCB", "SC"), ("SSSCB", "SC"), ("SSCBT", "SC"), ("SCBU", "SCU"), ("CBUU", "CU")],
    ],
)
def test_what_layernorm_averages_over_by_default(rng, fmt, averaged):
    x = rng.normal(size=range(2, 2 + len(fmt)))
    y = layernorm(dl.dlarray(x, fmt), 0.0, 1.0)
    axes = tuple(i for i, c in enumerate(fmt) if c in averaged)
    assert_close(y, oracle(x, axes, 0, 1), x.size)


@pytest.mark.parametrize("fmt", ["BC", "CB"])
def test_large_arrays_are_cut_into_blocks(rng, fmt):
    x = rng.normal(size=(300, 300))
    offset, scale = rng.normal(size=(2, 300))

    def gradients(x, offset, scale):
        y = layernorm(x, offset, scale)
        weights = np.arange(90000.0).reshape(y.shape) / 9e4
        loss = (y * y * weights).sum()
        return y, dl.dlgradient(loss, [x, offset, scale])

    def composed(x, offset, scale):
        c = fmt.index("C")
        mu = dl.mean(x, axis=c, keepdims=True)
        d = x - mu
        shape = tuple(300 if i == c else 1 for i in range(2))
        y = d / dl.sqrt(dl.mean(d * d, axis=c, keepdims=True) + 1e-5)
        y = y * dl.reshape(scale, shape) + dl.reshape(offset, shape)
        weights = np.arange(90000.0).reshape(y.shape) / 9e4
        return y, dl.dlgradient((y * y * weights).sum(), [x, offset, scale])

    y, found = dl.dlfeval(gradients, dl.dlarray(x, fmt), dl.dlarray(offset), dl.dlarray(scale))
    expected_y, expected = dl.dlfeval(composed, *map(dl.dlarray, (x, offset, scale)))
    assert_close(y, expected_y, 300)
    for a, b in zip(found, expected, strict=True):
        assert_close(a, b, 300)


@pytest.mark.parametrize("block", [1 << 9, 1 << 12])
@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize(
    ("axes", "parameters"),
    [
        ((0, 2, 3), (1, 4, 1, 1)),
        ((0, 2, 3), (1, 1, 1, 1)),
        ((0, 1, 2, 3), (1, 4, 1, 1)),
        ((0, 2), (1, 4, 1, 16)),
        ((0, 1), (1, 4, 1, 1)),
        ((2, 3), (1, 4, 1, 1)),
        ((1, 2, 3), (1, 4, 1, 1)),
        ((1, 2, 3), (1, 4, 8, 16)),
        ((0,), (1, 1, 1, 1)),
    ],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_of_every_shape(rng, monkeypatch, axes, parameters, centered, block, order):
    monkeypatch.setattr(kernels, "NORM_CHUNK_BYTES", block)
    monkeypatch.setattr(kernels, "NORM_WHOLE_BYTES", block)
    # Large enough for blocks along each dimension, and for runs that are summed by a product.
    x = np.array(3 + rng.normal(size=(6, 4, 8, 16)), order=order)
    offset, scale, g = (rng.normal(size=shape) for shape in (parameters, parameters, x.shape))
    y, mu, variance = standardized(x, offset, scale, axes=axes, epsilon=0.1, centered=centered)
    center = x.mean(axes, keepdims=True) if centered else 0 * mu
    spread = ((x - center) ** 2).mean(axes, keepdims=True)
    assert_close(mu, center, x.size)
    assert_close(variance, spread, x.size)
    expected = (x - center) / np.sqrt(spread + 0.1) * scale + offset
    assert_close(y, expected, x.size)

    out = kernels.Standardized(y, mu, variance)
    found = kernels.pull(g, x, offset.shape, scale, out, kernels.Method(axes, 0.1, centered))
    # The rule in operations, whose sums over broadcast dimensions are those of the reverse walk.
    rule = OPS["standardized"].declaration.vjp
    composed = rule((g, None, None), x, scale, axes, 0.1, centered)
    for a, b in zip(found, composed, strict=True):
        summed = tuple(i for i, size in enumerate(a.shape) if size == 1)
        # Partial sums of terms of any sign are as large as the root of the sum of their squares.
        size = np.sqrt((b * b).sum(summed)).max() if summed else None
        assert_close(a, b.sum(summed, keepdims=True) if summed else b, x.size, size)


def test_statistics_of_blocks_are_accurate_for_a_large_mean(rng, monkeypatch):
    monkeypatch.setattr(kernels, "NORM_CHUNK_BYTES", 1 << 12)
    monkeypatch.setattr(kernels, "NORM_WHOLE_BYTES", 1 << 12)
    x = (1e4 + rng.normal(size=(8, 3, 16, 16))).astype(np.float32)
    x[::2] += 3
    _, mu, variance = batchnorm(dl.dlarray(x, "BCSS"), 0.0, 1.0)
    assert mu.dtype == variance.dtype == np.float32
    exact = x.astype(float)
    np.testing.assert_allclose(raw(mu), exact.mean((0, 2, 3)), rtol=1e-7)
    np.testing.assert_allclose(raw(variance), exact.var((0, 2, 3)), rtol=1e-4)


def test_third_derivatives(rng):
    check_derivatives(
        lambda x, s: standardized(x, np.zeros((1, 1)), s, axes=(0,), epsilon=0.1)[0],
        rng.normal(size=(3, 2)),
        rng.normal(size=(1, 2)),
        order=3,
    )


def test_errors_name_the_function_and_the_fix(d):
    with pytest.raises(dl.FormatError, match=r"layernorm: x .* data_format="):
        layernorm(d.x, 0.0, 1.0)
    with pytest.raises(dl.ComplexValueError, match=r"rmsnorm: x must be real.*complex128"):
        rmsnorm(dl.dlarray(d.x + 1j, "BCST"), 1.0)
    with pytest.raises(dl.ShapeMismatchError, match=r"scale has shape \(4, 3\).*4 channels"):
        batchnorm(dl.dlarray(d.x, "BCST"), 0.0, dl.dlarray(np.ones((4, 3)), "CS"))
    with pytest.raises(dl.FormatClashError, match="offset has the format 'CU'"):
        groupnorm(dl.dlarray(d.x, "BCST"), 2, dl.dlarray(np.ones((4, 1)), "CU"), 1.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("other", [np.float32, np.float64])
def test_inference_changes_none_of_its_operands(rng, dtype, other):
    x = dl.dlarray(rng.normal(size=(4, 3)).astype(dtype), "BC")
    given = [dl.dlarray(rng.uniform(1, 2, 3).astype(other)) for _ in range(4)]
    before = [np.array(v) for v in (x, *given)]
    y = dl.batchnorm(x, *given)
    offset, scale, mean, variance = before[1:]
    want = (before[0] - mean) / np.sqrt(variance + 1e-5) * scale + offset
    np.testing.assert_allclose(np.asarray(y), want, rtol=1e-5, atol=1e-6)
    assert y.dtype == np.result_type(dtype, other)
    for value, old in zip((x, *given), before, strict=True):
        np.testing.assert_array_equal(np.asarray(value), old)
