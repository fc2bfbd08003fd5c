"""Recurrent layers: against loops in plain NumPy, in every mode and order of dimensions."""

from itertools import permutations

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.nn.activations.smooth import sigmoid
from dlgradient.nn.recurrent import buffers
from dlgradient.nn.recurrent.cells import gru_states, lstm_states
from dlgradient.nn.recurrent.fused_gru import gru_sequence
from dlgradient.nn.recurrent.fused_lstm import lstm_sequence
from dlgradient.nn.recurrent.lstm import gru, lstm
from dlgradient.testing import check_derivatives, check_operation

T, B, C, H = 4, 3, 2, 5
RNG = np.random.default_rng(0)
X = RNG.normal(size=(T, B, C))
H0, C0 = RNG.normal(size=(2, B, H))
W, R, BIAS = RNG.normal(size=(4 * H, C)), RNG.normal(size=(4 * H, H)), RNG.normal(size=4 * H)
LSTM = (W, R, BIAS)
GRU = (W[: 3 * H], R[: 3 * H], BIAS[: 3 * H])
NO_PEEPHOLE = np.zeros(3 * H)
MODES = (
    "after-multiplication",
    "before-multiplication",
    "recurrent-bias-after-multiplication",
)
MASK = np.array([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]], bool).T  # T by B


def raw(y):
    return dl.extractdata(y)


def logistic(z):
    return 1 / (1 + np.exp(-z))


def lstm_loop(x, h, c, w, r, b, sigma=logistic, phi=np.tanh, peephole=NO_PEEPHOLE):
    pi, pf, po = np.split(peephole, 3)
    states = []
    for xt in x:
        zi, zf, zg, zo = np.split(xt @ w.T + h @ r.T + b, 4, axis=-1)
        before = c
        c = sigma(zf + pf * c) * c + sigma(zi + pi * before) * phi(zg)
        h = sigma(zo + po * c) * phi(c)
        states.append(h)
    return np.array(states), h, c


def gru_loop(x, h, w, r, b, mode):
    second = b[3 * H :] if b.size > 3 * H else np.zeros(3 * H)
    states = []
    for xt in x:
        zr, zu, zc = np.split(xt @ w.T + b[: 3 * H], 3, axis=-1)
        rr, ru, rc = np.split(r, 3)
        br, bu, bc = np.split(second, 3)
        reset, update = logistic(zr + h @ rr.T + br), logistic(zu + h @ ru.T + bu)
        if mode == "before-multiplication":
            candidate = np.tanh(zc + (reset * h) @ rc.T)
        else:
            candidate = np.tanh(zc + reset * (h @ rc.T + bc))
        h = (1 - update) * candidate + update * h
        states.append(h)
    return np.array(states), h


def assert_equal(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(raw(a), b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["lstm_sequence", "gru_sequence", "lstm", "gru"])
def test_the_declaration(name):
    check_operation(name)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_lstm_in_every_order_of_dimensions(order):
    fmt = "".join("TBC"[i] for i in order)
    y, h, c = lstm(
        dl.dlarray(X.transpose(order), fmt), dl.dlarray(H0, "BC"), dl.dlarray(C0, "BC"), *LSTM
    )
    states = fmt.replace("T", "")
    assert (dl.dims(y), dl.dims(h), dl.dims(c)) == (fmt, states, states)
    turned = [raw(h), raw(c)] if states == "BC" else [raw(h).T, raw(c).T]
    back = raw(y).transpose(np.argsort(order))
    for a, b in zip([back, *turned], lstm_loop(X, H0, C0, *LSTM), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10)


def test_the_gates_have_the_order_of_torch():
    # torch.nn.LSTM and torch.nn.GRU (2.13) with these weights; its GRU is the third mode.
    x = np.array([[1.0, -1.0], [2.0, 0.5]])
    w, r = np.arange(1, 9).reshape(4, 2) / 10, np.array([[0.9], [-0.8], [0.7], [-0.6]])
    y, h, c = lstm(x, 0, 0, w, r, 0, data_format="TC")
    np.testing.assert_allclose(raw(y)[:, 0], [-0.022472778650697, 0.366660119085312], rtol=1e-6)
    assert raw(h)[0] == raw(y)[-1, 0]
    assert c.shape == (1,)
    bias = [0.1, 0.2, 0.3, -0.1, 0.4, 0.5]
    mode = "recurrent-bias-after-multiplication"
    y, _ = gru(x, 0, w[:3], r[:3], bias, data_format="TC", reset_gate_mode=mode)
    np.testing.assert_allclose(raw(y)[:, 0], [0.155387692114456, 0.331429582796113], rtol=1e-6)


def test_other_activations_and_peepholes():
    peephole = RNG.normal(size=3 * H)
    found = lstm(
        X, H0, C0, *LSTM, data_format="TBC", state_activation="softsign",
        gate_activation="hard-sigmoid", peephole=peephole,
    )  # fmt: skip
    expected = lstm_loop(
        X, H0, C0, *LSTM, lambda z: np.clip(0.2 * z + 0.5, 0, 1), lambda z: z / (1 + abs(z)),
        peephole,
    )  # fmt: skip
    assert_equal(found, expected)
    by_function = lstm(X, H0, C0, *LSTM, data_format="TBC", gate_activation=sigmoid)
    assert_equal(by_function, lstm_loop(X, H0, C0, *LSTM))


def test_projections():
    q_in, q_out = RNG.normal(size=(C, 1)), RNG.normal(size=(H, 2))
    found = lstm(
        X, H0, C0, W[:, :1], R[:, :2], BIAS, data_format="TBC",
        input_projector=q_in, output_projector=q_out,
    )  # fmt: skip
    expected = lstm_loop(X, H0, C0, W[:, :1] @ q_in.T, R[:, :2] @ q_out.T, BIAS)
    assert_equal(found, expected)
    p = RNG.normal(size=(2, H))
    y, h, c = lstm(X, H0[:, :2], C0, W, R[:, :2], BIAS, data_format="TBC", projection=p)
    assert (y.shape, h.shape, c.shape) == ((T, B, 2), (B, 2), (B, H))
    first = lstm_loop(X[:1], H0[:, :2] @ np.eye(2), C0, W, R[:, :2], BIAS)[1] @ p.T
    np.testing.assert_allclose(raw(y)[0], first, rtol=1e-12)


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("layer", ["lstm", "gru", "lstm-softsign"])
def test_padded_sequences_are_those_without_padding(layer, direction):
    noisy = np.where(MASK[:, :, None], X, np.nan)

    def run(x, h0, c0, mask=None):
        options = {"data_format": "TBC", "direction": direction, "mask": mask}
        if layer == "gru":
            return gru(x, h0, *GRU, **options)
        if layer == "lstm-softsign":
            options["state_activation"] = "softsign"
        return lstm(x, h0, c0, *LSTM, **options)

    def gradient(x, mask):
        y, h, *_ = run(x, dl.dlarray(H0), dl.dlarray(C0), mask)
        return dl.dlgradient((y * y).sum() + h.sum(), x)

    found = run(noisy, H0, C0, MASK)
    slopes = raw(dl.dlfeval(lambda x: gradient(x, MASK), dl.dlarray(noisy)))
    for b in range(B):
        n = MASK[:, b].sum()
        alone = run(X[:n, b : b + 1], H0[b : b + 1], C0[b : b + 1])
        np.testing.assert_allclose(raw(found[0])[:n, b], raw(alone[0])[:, 0], rtol=1e-12)
        assert not raw(found[0])[n:, b].any()
        for state, expected in zip(found[1:], alone[1:], strict=True):
            np.testing.assert_allclose(raw(state)[b], raw(expected)[0], rtol=1e-12)
        assert not slopes[n:, b].any()
        assert slopes[:n, b].all()


@pytest.mark.parametrize("layer", ["lstm", "gru"])
def test_bidirectional_is_both_directions_side_by_side(layer):
    function, one = (lstm, LSTM) if layer == "lstm" else (gru, GRU)
    other = [p * 0.7 for p in one]
    states = (H0, C0) if layer == "lstm" else (H0,)
    both = [np.concatenate(pair) for pair in zip(one, other, strict=True)]
    wide = [np.concatenate([s, 2 * s], axis=1) for s in states]
    found = function(X, *wide, *both, data_format="TBC", direction="bidirectional")
    forward = function(X, *states, *one, data_format="TBC")
    twice = [2 * s for s in states]
    backward = function(X, *twice, *other, data_format="TBC", direction="reverse")
    flipped = function(X[::-1], *twice, *other, data_format="TBC")
    np.testing.assert_array_equal(raw(backward[0]), raw(flipped[0])[::-1])
    for a, b, c in zip(found, forward, backward, strict=True):
        np.testing.assert_array_equal(raw(a), np.concatenate([raw(b), raw(c)], axis=-1))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fmt", ["TBC", "CBT"])
def test_gru_in_its_three_modes(mode, fmt):
    w, r, b = GRU
    b = np.concatenate([b, RNG.normal(size=3 * H)]) if mode.startswith("recurrent") else b
    order = ["TBC".index(c) for c in fmt]
    y, h = gru(
        dl.dlarray(X.transpose(order), fmt), dl.dlarray(H0, "BC"), w, r, b, reset_gate_mode=mode
    )
    expected_y, expected_h = gru_loop(X, H0, w, r, b, mode)
    np.testing.assert_allclose(raw(y), expected_y.transpose(order), rtol=1e-10)
    np.testing.assert_allclose(raw(h), expected_h.T if fmt == "CBT" else expected_h, rtol=1e-10)


# Fused operation, composition, options of the composition, operands.
PAIRS = {
    "lstm": (lstm_sequence, lstm_states, {}, (X, H0, C0, *LSTM)),
    "gru": (gru_sequence, gru_states, {"mode": "after-multiplication"}, (X, H0, *GRU)),
    "gru-two-biases": (
        gru_sequence,
        gru_states,
        {"mode": "recurrent-bias-after-multiplication"},
        (X, H0, *GRU[:2], BIAS[: 3 * H].repeat(2)),
    ),
}


@pytest.mark.parametrize("chunk", [1, 1000, 1 << 20])  # bytes: one step, a few, all at once
@pytest.mark.parametrize("name", PAIRS)
def test_the_fused_layer_is_the_composition(name, chunk, monkeypatch):
    monkeypatch.setattr(buffers, "_CHUNK", chunk)
    fused, composed, options, operands = PAIRS[name]
    arrays = [dl.dlarray(a) for a in operands]
    padding = ~MASK[:, :, None]
    weights = RNG.normal(size=(3, T, B, H))

    def gradient(results):
        y, *states = results
        loss = (y * weights[0]).sum()
        for state, weight in zip(states, weights[1:, 0], strict=False):
            loss = loss + (state * weight).sum()
        return *results, *dl.dlgradient(loss, arrays)

    def of_fused(*traced):
        arrays[:] = traced
        count = 3 if fused is lstm_sequence else 2
        return gradient(fused(*traced, padding=padding)[:count])

    def of_composed(*traced):
        arrays[:] = traced
        return gradient(composed(*traced, state=dl.tanh, gate=sigmoid, padding=padding, **options))

    given = list(arrays)
    assert_equal(dl.dlfeval(of_fused, *given), map(raw, dl.dlfeval(of_composed, *given)))


SMALL = [RNG.normal(size=shape) for shape in ((2, 2, 3), (2, 2), (2, 2), (8, 3), (8, 2), (8,))]
SMALL_MASK = np.array([[True, True], [True, False]])
LSTM_OPTIONS = {
    "usual": {},
    "mask": {"mask": SMALL_MASK},
    "peephole": {"peephole": RNG.normal(size=6), "mask": SMALL_MASK},
    "activations": {"state_activation": "softsign", "gate_activation": sigmoid},
    "reverse": {"direction": "reverse", "mask": SMALL_MASK},
}


@pytest.mark.parametrize("name", LSTM_OPTIONS)
def test_second_derivatives_of_lstm(name):
    check_derivatives(
        lambda *operands: lstm(*operands, data_format="TBC", **LSTM_OPTIONS[name]), *SMALL
    )


def test_second_derivatives_with_respect_to_peepholes_and_projections():
    x, h, c, w, r, b = SMALL

    def peephole(v):
        return lstm(x, h, c, w, r, b, data_format="TBC", peephole=v)

    def projection(p, r):
        return lstm(x, h[:, :1], c, w, r, b, data_format="TBC", projection=p)

    def projectors(q_in, q_out):
        return lstm(
            x, h, c, w[:, :1], r[:, :1], b, data_format="TBC",
            input_projector=q_in, output_projector=q_out,
        )  # fmt: skip

    check_derivatives(peephole, RNG.normal(size=6))
    check_derivatives(projection, RNG.normal(size=(1, 2)), r[:, :1])
    check_derivatives(projectors, RNG.normal(size=(3, 1)), RNG.normal(size=(2, 1)))


@pytest.mark.parametrize("mask", [None, SMALL_MASK])
@pytest.mark.parametrize("mode", MODES)
def test_second_derivatives_of_gru(mode, mask):
    x, h, _, w, r, b = SMALL
    b = b.repeat(2)[:12] if mode.startswith("recurrent") else b[:6]
    check_derivatives(
        lambda *operands: gru(*operands, data_format="TBC", reset_gate_mode=mode, mask=mask),
        x, h, w[:6], r[:6], b,
    )  # fmt: skip


@pytest.mark.parametrize("layer", ["lstm", "gru"])
def test_second_derivatives_in_both_directions(layer):
    x, h, c, *parameters = SMALL
    twice = [np.concatenate([p, -0.5 * p]) for p in parameters]
    if layer == "lstm":
        function, operands = lstm, [x, h.repeat(2, 1), c.repeat(2, 1), *twice]
    else:
        function, operands = gru, [x, h.repeat(2, 1), *[p[:12] for p in twice]]
    check_derivatives(
        lambda *operands: function(
            *operands, data_format="TBC", direction="bidirectional", mask=SMALL_MASK
        ),
        *operands,
    )


def test_third_derivatives():
    parameters = [p[: 4 * 1] for p in (W[:, :1], R[:, :1], BIAS)]
    check_derivatives(
        lambda x, w, r, b: lstm(x, 0.1, 0.2, w, r, b, data_format="TC")[0],
        X[:2, 0, :1], *parameters, order=3,
    )  # fmt: skip


def test_single_precision_empty_batches_and_no_steps():
    x = dl.dlarray(X.astype(np.float32), "TBC")
    weights = [p.astype(np.float32) for p in LSTM]
    for result in (*lstm(x, 0, 0.0, *weights), *gru(x, 0, *[p[: 3 * H] for p in weights])):
        assert result.dtype == np.float32
    y, h, _ = lstm(X[:, :0], 0, 0, *LSTM, data_format="TBC")
    assert (y.shape, h.shape) == ((T, 0, H), (0, H))
    y, h, c = lstm(X[:0], H0, C0, *LSTM, data_format="TBC")
    assert y.shape == (0, B, H)
    np.testing.assert_array_equal(raw(h), H0)
    np.testing.assert_array_equal(raw(c), C0)


def test_one_step_without_time():
    y, h, c = lstm(dl.dlarray(X[0], "BC"), H0, C0, *LSTM)
    assert dl.dims(y) == "BC"
    assert_equal((y, h, c), [v[0] if v.ndim == 3 else v for v in lstm_loop(X[:1], H0, C0, *LSTM)])


def test_errors_name_what_does_not_fit():
    x = dl.dlarray(X, "TBC")
    with pytest.raises(dl.ShapeMismatchError, match=r"lstm: mask .*\(2, 2\).*'TB'"):
        lstm(x, 0, 0, *LSTM, mask=np.ones((2, 2)))
    with pytest.raises(dl.ShapeMismatchError, match=r"gru: bias .*\(4,\).*15 elements"):
        gru(x, 0, *GRU[:2], np.ones(4))
    with pytest.raises(dl.InvalidArgumentError, match=r"direction must be .*'both'"):
        lstm(x, 0, 0, *LSTM, direction="both")
    with pytest.raises(dl.InvalidArgumentError, match=r"state_activation must be .*'swish'"):
        gru(x, 0, *GRU, state_activation="swish")
    with pytest.raises(dl.UnsupportedDtypeError, match=r"lstm: .*complex128"):
        lstm(x + 1j, 0, 0, *LSTM)


def test_saturated_gates_are_zero_and_one_without_a_warning():
    def run(x):
        y, _, c = lstm(x, 0.5, 0.5, 1e5 * W, R, BIAS, data_format="TBC")
        return y, dl.dlgradient((y * y).sum() + c.sum(), x)

    with np.errstate(all="raise", under="ignore"):
        y, gradient = dl.dlfeval(run, dl.dlarray(X))
    assert np.isfinite(raw(y)).all()
    assert np.isfinite(raw(gradient)).all()
