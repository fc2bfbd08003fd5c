"""Compiled steps of recurrent layers: against NumPy's, and against loops in double precision."""

from functools import partial

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import dlgradient as dl
from dlgradient.core.sizes import NATIVE_GATE_ELEMENTS
from dlgradient.nn.recurrent.compiled import compiled_lstm, compiled_lstm_back
from dlgradient.nn.recurrent.fused_lstm import _pull_gates, lstm_sequence

T, C, H = 5, 3, 7
DTYPES = [np.float32, np.float64]
BATCHES = [1, 4, 9]  # states of 7, 28 and 63 numbers: with and without whole vectors


def operands(rng, batch, dtype, scale=1.0):
    shapes = ((T, batch, C), (batch, H), (batch, H), (4 * H, C), (4 * H, H), (4 * H,))
    return [(scale * rng.normal(size=s)).astype(dtype) for s in shapes]


def skipped(rng, batch):
    return rng.random((T, batch, 1)) < 0.4


def both(fun):
    """Return what a function gives with compiled steps, and with NumPy's."""
    found = []
    for mode in ("native", "numpy"):
        with dl.acceleration(mode), np.errstate(all="ignore"):
            found.append(fun())
    return found


def lstm_loop(x, h, c, w, r, b):
    """Return the hidden states of all steps and the last cell state."""
    states = []
    for now in x:
        i, f, g, o = np.split(now @ w.T + h @ r.T + b, 4, axis=1)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
        states.append(h)
    return np.array(states), c


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
def test_lstm_is_that_of_a_loop_in_double_precision(rng, batch, dtype):
    given = operands(rng, batch, dtype)
    with dl.acceleration("native"):
        y, h, c, _, _ = lstm_sequence(*given)
    states, cell = lstm_loop(*[a.astype(np.float64) for a in given])
    near = {"rtol": 0, "atol": 50 * np.finfo(dtype).eps}
    for found, expected in ((y, states), (h, states[-1]), (c, cell)):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, **near)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("has_padding", [False, True])
def test_lstm_is_that_of_numpy(rng, batch, dtype, has_padding):
    given = operands(rng, batch, dtype)
    options = {"padding": skipped(rng, batch)} if has_padding else {}
    for a, b in zip(*both(lambda: lstm_sequence(*given, **options)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=50 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_saturated_gates_infinities_and_nan_are_those_of_numpy(rng, dtype):
    given = operands(rng, 9, dtype, 500.0)
    x = given[0]
    x[1, 0], x[2, 1], x[1, 2], x[0, 3] = np.inf, -np.inf, np.nan, 1e30
    native, numpy = both(lambda: lstm_sequence(*given))
    for a, b in zip(native, numpy, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=50 * np.finfo(dtype).eps)
    assert np.isnan(native[0]).any()
    assert np.isin(native[4], (0, 1)).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("has_padding", [False, True])
def test_the_pass_back_has_the_bits_of_numpy(rng, batch, dtype, has_padding):
    given = operands(rng, batch, dtype)
    padding = skipped(rng, batch) if has_padding else None
    out = lstm_sequence(*given, padding=padding)
    shapes = (out[0].shape, out[1].shape, out[2].shape, out[3].shape)
    cotangents = [rng.normal(size=s).astype(dtype) for s in shapes]
    for g in ([*cotangents, None], [None, cotangents[1], None, None, None]):
        native, numpy = both(partial(_pull_gates, g, given[2], given[4], out, padding))
        for a, b in zip(native, numpy, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("has_mask", [False, True])
def test_gradients_of_lstm_are_those_of_numpy(rng, has_mask):
    x, h, c, w, r, b = operands(rng, 9, np.float64)
    mask = ~skipped(rng, 9)[:, :, 0] if has_mask else None

    def loss(x, h, c, w, r, b):
        y, last, cell = dl.lstm(x, h, c, w, r, b, mask=mask)
        return (y**2).sum() + (last * cell).sum()

    def gradients():
        given = [dl.dlarray(x, "TBC"), dl.dlarray(h, "BC"), dl.dlarray(c, "BC")]
        given += [dl.dlarray(a) for a in (w, r, b)]
        value, found = dl.dlfeval(lambda *a: (loss(*a), dl.dlgradient(loss(*a), list(a))), *given)
        return [dl.extractdata(a) for a in (value, *found)]

    for a, b in zip(*both(gradients), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"peephole": np.linspace(-1, 1, 3 * H)},
        {"gate_activation_function": "hard-sigmoid"},
        {"state_activation_function": "relu"},
    ],
)
def test_other_options_stay_with_numpy(rng, options):
    given = operands(rng, 9, np.float64)
    native, numpy = both(lambda: dl.lstm(*given, data_format="TBC", **options))
    for a, b in zip(native, numpy, strict=True):
        np.testing.assert_array_equal(a, b)


def test_small_states_and_other_dtypes_stay_with_numpy():
    def ways(steps, dtype):
        c0, hidden = (np.zeros((H, 4), dtype) for _ in range(2))
        cells, gates = np.zeros((steps, H, 4), dtype), np.zeros((steps, 5 * H, 4), dtype)
        return compiled_lstm(c0, cells, gates, hidden), compiled_lstm_back(c0.T, cells, gates)

    most = NATIVE_GATE_ELEMENTS // (4 * H)
    assert ways(most, np.float32) == (None, None)
    assert None not in ways(most + 1, np.float32)
    assert ways(most + 1, np.float16) == (None, None)
    with dl.acceleration("native"):
        assert None not in ways(1, np.float64)
    with dl.acceleration("numpy"):
        assert ways(most + 1, np.float64) == (None, None)
