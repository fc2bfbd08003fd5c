"""Compiled steps of recurrent layers: against NumPy's, and against loops in double precision."""

from functools import partial

import numpy as np
import pytest

pytest.importorskip("llvmlite")

import dlgradient as dl
from dlgradient.core.sizes import NATIVE_GATE_ELEMENTS
from dlgradient.nn.recurrent.compiled import compiled_lstm, compiled_lstm_back
from dlgradient.nn.recurrent.fused_gru import _pull_blocks, gru_sequence
from dlgradient.nn.recurrent.fused_lstm import _pull_gates, lstm_sequence

T, C = 5, 3
DTYPES = [np.float32, np.float64]
# Units of less than a vector, of some vectors, and of a last vector that begins earlier.
SIZES = [(1, 1), (3, 7), (2, 16), (4, 37)]


def operands(rng, batch, n, dtype, gates=4, scale=1.0):
    """Return x, the states, and the parameters of some gates."""
    states = [(batch, n)] * (2 if gates == 4 else 1)
    shapes = ((T, batch, C), *states, (gates * n, C), (gates * n, n), (gates * n,))
    return [(scale * rng.normal(size=s)).astype(dtype) for s in shapes]


def skipped(rng, batch):
    return rng.random((T, batch, 1)) < 0.4


LAYERS = {"lstm": (lstm_sequence, 4), "gru": (gru_sequence, 3)}


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


def gru_loop(x, h, w, r, b):
    """Return the hidden states of all steps."""
    states, n = [], h.shape[1]
    for now in x:
        zr, zu, zc = np.split(now @ w.T + b[: 3 * n], 3, axis=1)
        rr, ru, rc = np.split(h @ r.T, 3, axis=1)
        update = 1 / (1 + np.exp(-zu - ru))
        h = (1 - update) * np.tanh(zc + rc / (1 + np.exp(-zr - rr))) + update * h
        states.append(h)
    return np.array(states)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("batch", "n"), SIZES)
def test_layers_are_loops_in_double_precision(rng, batch, n, dtype):
    given = operands(rng, batch, n, dtype)
    with dl.acceleration("native"):
        y, h, c, _, _ = lstm_sequence(*given)
    states, cell = lstm_loop(*[a.astype(np.float64) for a in given])
    near = {"rtol": 0, "atol": 100 * np.finfo(dtype).eps}
    for found, expected in ((y, states), (h, states[-1]), (c, cell)):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, **near)
    given = operands(rng, batch, n, dtype, 3)
    with dl.acceleration("native"):
        y, h, _ = gru_sequence(*given)
    states = gru_loop(*[a.astype(np.float64) for a in given])
    for found, expected in ((y, states), (h, states[-1])):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, **near)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("batch", "n"), SIZES)
@pytest.mark.parametrize("has_padding", [False, True])
def test_layers_are_those_of_numpy(rng, layer, batch, n, dtype, has_padding):
    given = operands(rng, batch, n, dtype, LAYERS[layer][1])
    padding = skipped(rng, batch) if has_padding else None
    native, numpy = both(lambda: LAYERS[layer][0](*given, padding=padding))
    for a, b in zip(native, numpy, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=100 * np.finfo(dtype).eps)
    if has_padding:  # the state passes a skipped step to the bit
        before = np.concatenate([given[1][None], native[0][:-1]])
        kept = np.broadcast_to(padding, before.shape)
        np.testing.assert_array_equal(native[0][kept], before[kept])


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_saturated_gates_infinities_and_nan_are_those_of_numpy(rng, layer, dtype):
    function, gates = LAYERS[layer]
    given = operands(rng, 9, 37, dtype, gates, 500.0)
    x = given[0]
    x[1, 0], x[2, 1], x[1, 2], x[0, 3] = np.inf, -np.inf, np.nan, 1e30
    native, numpy = both(lambda: function(*given))
    for a, b in zip(native, numpy, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=500 * np.finfo(dtype).eps)
    assert np.isnan(native[0]).any()
    assert np.isin(native[-1], (0, 1)).any()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("batch", "n"), SIZES)
@pytest.mark.parametrize("has_padding", [False, True])
def test_the_pass_back_has_the_bits_of_numpy(rng, layer, batch, n, dtype, has_padding):
    function, gates = LAYERS[layer]
    given = operands(rng, batch, n, dtype, gates)
    padding = skipped(rng, batch) if has_padding else None
    out = function(*given, padding=padding)
    cotangents = [rng.normal(size=a.shape).astype(dtype) for a in out[:-1]]
    for g in ([*cotangents, None], [None, cotangents[1], *[None] * (len(out) - 2)]):
        if gates == 4:
            pulled = partial(_pull_gates, g, given[2], given[4], out, padding)
        else:
            pulled = partial(_pull_blocks, g, given[1], given[3], out)
        for a, b in zip(*both(pulled), strict=True):
            np.testing.assert_array_equal(a, b)


def gradients_of(loss):
    return lambda *a: dl.dlgradient(loss(*a), list(a))


@pytest.mark.parametrize("has_mask", [False, True])
def test_gradients_are_those_of_numpy(rng, has_mask):
    mask = ~skipped(rng, 9)[:, :, 0] if has_mask else None

    def lstm_loss(*given):
        y, last, cell = dl.lstm(*given, mask=mask)
        return (y**2).sum() + (last * cell).sum()

    def gru_loss(*given):
        y, last = dl.gru(*given, mask=mask, reset_gate_mode="recurrent-bias-after-multiplication")
        return (y**2).sum() + last.sum()

    for loss, gates in ((lstm_loss, 4), (gru_loss, 3)):
        x, *states, w, r, b = operands(rng, 9, 37, np.float64, gates)
        if gates == 3:
            b = np.concatenate([b, b[::-1]])
        given = [dl.dlarray(x, "TBC"), *[dl.dlarray(a, "BC") for a in states]]
        given += [dl.dlarray(a) for a in (w, r, b)]
        gradients = partial(dl.dlfeval, gradients_of(loss), *given)
        for a, b in zip(*both(gradients), strict=True):
            np.testing.assert_allclose(dl.extractdata(a), dl.extractdata(b), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(
    "options",
    [
        {"peephole": np.linspace(-1, 1, 3 * 7)},
        {"gate_activation_function": "hard-sigmoid"},
        {"state_activation_function": "relu"},
    ],
)
def test_other_options_stay_with_numpy(rng, options):
    given = operands(rng, 9, 7, np.float64)
    native, numpy = both(lambda: dl.lstm(*given, data_format="TBC", **options))
    for a, b in zip(native, numpy, strict=True):
        np.testing.assert_array_equal(a, b)


def test_small_states_and_other_dtypes_stay_with_numpy():
    def ways(steps, dtype):
        z, c0 = np.zeros((4, 32), dtype), np.zeros((4, 8), dtype)
        cells, y = (np.zeros((steps, 4, 8), dtype) for _ in range(2))
        gates, dz = np.zeros((steps, 5, 4, 8), dtype), np.zeros((steps, 4, 32), dtype)
        back = compiled_lstm_back(c0, cells, gates, dz, c0.copy(), c0.copy())
        return compiled_lstm(z, c0, cells, gates, y), back

    least = NATIVE_GATE_ELEMENTS // 32
    assert ways(least - 1, np.float32) == (None, None)
    assert None not in ways(least, np.float32)
    assert ways(least, np.float16) == (None, None)
    with dl.acceleration("native"):
        assert None not in ways(1, np.float64)
        assert ways(0, np.float64) == (None, None)
    with dl.acceleration("numpy"):
        assert ways(least, np.float64) == (None, None)
