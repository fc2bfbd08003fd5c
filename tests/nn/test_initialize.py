"""Initialisers: their distributions, and that a seed repeats them."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.nn import initialize as init

RANDOM = ["glorot", "he", "narrow-normal", "orthogonal"]
ALL = [*RANDOM, "ones", "zeros", "unit-forget-gate"]


def values(x):
    return np.asarray(dl.extractdata(x), np.float64)


def test_glorot_is_uniform_between_its_bounds():
    w = values(init.initialize_glorot((200, 100), generator=1))
    bound = np.sqrt(6 / 300)
    assert np.abs(w).max() <= bound
    assert np.histogram(w, 4, (-bound, bound))[0] / w.size == pytest.approx([0.25] * 4, abs=0.01)


@pytest.mark.parametrize(
    ("shape", "fans", "variance"),
    [
        ((80, 40), {}, 2 / 120),
        ((8, 16, 3, 5), {"weights_format": "UCSS"}, 2 / (24 * 15)),
        ((3, 5, 16, 8), {"weights_format": "SSCU"}, 2 / (24 * 15)),
        ((3, 5, 16, 8), {"weights_format": "SSUC"}, 2 / (24 * 15)),
        ((3, 16, 8), {"weights_format": "TCU"}, 2 / (24 * 3)),
        ((3, 5, 4, 8, 6), {"weights_format": "SSCUU"}, 2 / (12 * 15)),  # six groups
        ((80, 40), {"weights_format": "CU", "fan_in": 20}, 2 / 60),
        ((3, 5, 16, 8), {"fan_in": 240, "fan_out": 120}, 2 / 360),
        ((40, 40), {"fan_out": 10}, 2 / 50),
    ],
)
def test_variance_of_glorot(shape, fans, variance):
    w = values(init.initialize_glorot(shape, generator=2, **fans))
    assert w.var() == pytest.approx(variance, rel=0.06)
    assert w.mean() == pytest.approx(0, abs=4 * np.sqrt(variance / w.size))


@pytest.mark.parametrize(
    ("shape", "fans", "variance"),
    [
        ((80, 40), {}, 2 / 40),
        ((80, 40), {"weights_format": "CU"}, 2 / 80),
        ((8, 16, 3, 5), {"weights_format": "UCSS"}, 2 / 240),
        ((3, 5, 16, 8), {"weights_format": "SSCU"}, 2 / 240),
        ((2000,), {"fan_in": 8}, 2 / 8),
    ],
)
def test_he_is_normal(shape, fans, variance):
    w = values(init.initialize_he(shape, generator=3, **fans)) / np.sqrt(variance)
    assert w.var() == pytest.approx(1, rel=0.08)
    assert (np.abs(w) < 1).mean() == pytest.approx(0.6827, abs=0.025)


def test_narrow_normal():
    w = values(init.initialize_narrow_normal((100, 50), generator=4)) / 0.01
    assert w.std() == pytest.approx(1, rel=0.05)
    assert (np.abs(w) < 2).mean() == pytest.approx(0.9545, abs=0.01)


@pytest.mark.parametrize("shape", [(8, 3), (3, 8), (5, 5), (4, 3, 2), (0, 3), (3, 0)])
def test_orthogonal(shape):
    w = values(init.initialize_orthogonal(shape, generator=5, dtype="float64"))
    assert w.shape == shape
    w = w.reshape(shape[0], int(np.prod(shape[1:])))
    product = w @ w.T if w.shape[0] < w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-14)


def test_orthogonal_prefers_no_direction(rng):
    traces = [
        np.trace(values(init.initialize_orthogonal((2, 2), generator=rng))) for _ in range(500)
    ]
    assert np.mean(traces) == pytest.approx(0, abs=0.15)


def test_unit_forget_gate():
    b = values(init.initialize_unit_forget_gate((12, 1)))
    assert b.ravel().tolist() == [0] * 3 + [1] * 3 + [0] * 6


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_initialiser_by_name(name, dtype):
    function = getattr(init, "initialize_" + name.replace("-", "_"))
    w = init.initialize(name, (8, 4), generator=7, dtype=dtype)
    assert isinstance(w, dl.dlarray)
    assert (w.shape, w.dtype) == ((8, 4), dtype)
    assert w.tolist() == function((8, 4), generator=7, dtype=dtype).tolist()
    assert w.tolist() == function([8, 4], generator=np.random.default_rng(7), dtype=dtype).tolist()
    assert function((8, 4)).dtype == np.float32
    again = function((8, 4), generator=8, dtype=dtype).tolist()
    assert (w.tolist() == again) == (name not in RANDOM)


def test_one_generator_goes_on(rng):
    first, second = [init.initialize_he((3, 3), generator=rng).tolist() for _ in range(2)]
    assert first != second


def test_functions_and_empty_weights():
    assert init.initialize(lambda shape: np.full(shape, 2), (1, 2)).tolist() == [[2.0, 2.0]]
    assert init.initialize_glorot((0, 0)).shape == (0, 0)
    assert init.initialize_he((3, 0)).shape == (3, 0)
    by_name = init.initialize("he", (3, 3, 8, 16), weights_format="SSCU", generator=1)
    assert by_name.tolist() == init.initialize_he((3, 3, 8, 16), fan_in=72, generator=1).tolist()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: init.initialize_glorot(3), r"\(3,\) do not say how many inputs.*fan_in="),
        (lambda: init.initialize_he((2, -1)), r"shape must be .*at least 0.*\(2, -1\)"),
        (lambda: init.initialize_he((2, 1.5)), r"shape must be an integer.*\(2, 1.5\)"),
        (lambda: init.initialize_he((2, 1), fan_in=0), "fan_in must be .*above 0.*not 0"),
        (lambda: init.initialize_glorot((3, 3, 8, 16)), r"give weights_format=, as 'SSCU'"),
        (lambda: init.initialize_he((3, 8, 16), weights_format="SUU"), "'SUU' do not say"),
        (lambda: init.initialize_orthogonal(3), "no matrix"),
        (lambda: init.initialize_unit_forget_gate(6), "four times"),
        (lambda: init.initialize_ones(6, dtype="complex64"), r"complex\(re, im\)"),
        (lambda: init.initialize("glorto", (2, 2)), "did you mean 'glorot'"),
        (lambda: init.initialize("best", (2, 2)), "one of 'glorot', 'he', .*not 'best'"),
        (lambda: init.initialize(lambda _: np.ones(3), (2, 2)), r"\(3,\) for shape \(2, 2\)"),
    ],
)
def test_errors(call, text):
    with pytest.raises(dl.InvalidArgumentError, match=text):
        call()
