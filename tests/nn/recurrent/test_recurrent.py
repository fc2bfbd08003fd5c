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
from dlgradient.nn.recurrent.gru import gru
from dlgradient.nn.recurrent.lstm import lstm
from dlgradient.testing import check_derivatives

T, B, C, H = 4, 3, 2, 5
NO_PEEPHOLE = np.zeros(3 * H)
MODES = (
    "after-multiplication",
    "before-multiplication",
    "recurrent-bias-after-multiplication",
)
MASK = np.array([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]], bool).T  # T by B


class Data:
    """Operands of both layers."""

    def __init__(self, rng):
        self.x = rng.normal(size=(T, B, C))
        self.h0, self.c0 = rng.normal(size=(2, B, H))
        self.w, self.r = rng.normal(size=(4 * H, C)), rng.normal(size=(4 * H, H))
        self.bias = rng.normal(size=4 * H)
        self.lstm = (self.w, self.r, self.bias)
        self.gru = tuple(p[: 3 * H] for p in self.lstm)


@pytest.fixture
def d(rng):
    return Data(rng)


@pytest.fixture
def small(rng):
    shapes = ((2, 2, 3), (2, 2), (2, 2), (8, 3), (8, 2), (8,))
    return [rng.normal(size=shape) for shape in shapes]


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
    """Equal up to rounding, which grows from step to step by the gain of the weights."""
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(raw(a), b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_lstm_in_every_order_of_dimensions(d, order):
    fmt = "".join("TBC"[i] for i in order)
    y, h, c = lstm(
        dl.dlarray(d.x.transpose(order), fmt),
        dl.dlarray(d.h0, "BC"),
        dl.dlarray(d.c0, "BC"),
        *d.lstm,
    )
    states = fmt.replace("T", "")
    assert (dl.dims(y), dl.dims(h), dl.dims(c)) == (fmt, states, states)
    turned = [raw(h), raw(c)] if states == "BC" else [raw(h).T, raw(c).T]
    back = raw(y).transpose(np.argsort(order))
    for a, b in zip([back, *turned], lstm_loop(d.x, d.h0, d.c0, *d.lstm), strict=True):
        assert_equal([a], [b])


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


def test_other_activations_and_peepholes(rng, d):
    peephole = rng.normal(size=3 * H)
    found = lstm(
        d.x, d.h0, d.c0, *d.lstm, data_format="TBC", state_activation_function="softsign",
        gate_activation_function="hard-sigmoid", peephole=peephole,
    )  # fmt: skip
    expected = lstm_loop(
        d.x, d.h0, d.c0, *d.lstm, lambda z: np.clip(0.2 * z + 0.5, 0, 1),
        lambda z: z / (1 + abs(z)), peephole,
    )  # fmt: skip
    assert_equal(found, expected)
    by_function = lstm(
        d.x, d.h0, d.c0, *d.lstm, data_format="TBC", gate_activation_function=sigmoid
    )
    assert_equal(by_function, lstm_loop(d.x, d.h0, d.c0, *d.lstm))


def test_projections(rng, d):
    q_in, q_out = rng.normal(size=(C, 1)), rng.normal(size=(H, 2))
    found = lstm(
        d.x, d.h0, d.c0, d.w[:, :1], d.r[:, :2], d.bias, data_format="TBC",
        input_projector=q_in, output_projector=q_out,
    )  # fmt: skip
    expected = lstm_loop(d.x, d.h0, d.c0, d.w[:, :1] @ q_in.T, d.r[:, :2] @ q_out.T, d.bias)
    assert_equal(found, expected)
    p = rng.normal(size=(2, H))
    y, h, c = lstm(d.x, d.h0[:, :2], d.c0, d.w, d.r[:, :2], d.bias, data_format="TBC", projection=p)
    assert (y.shape, h.shape, c.shape) == ((T, B, 2), (B, 2), (B, H))
    first = lstm_loop(d.x[:1], d.h0[:, :2] @ np.eye(2), d.c0, d.w, d.r[:, :2], d.bias)[1] @ p.T
    assert_equal([raw(y)[0]], [first])


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("layer", ["lstm", "gru", "lstm-softsign"])
def test_padded_sequences_are_those_without_padding(d, layer, direction):
    noisy = np.where(MASK[:, :, None], d.x, np.nan)

    def run(x, h0, c0, mask=None):
        options = {"data_format": "TBC", "direction": direction, "mask": mask}
        if layer == "gru":
            return gru(x, h0, *d.gru, **options)
        if layer == "lstm-softsign":
            options["state_activation_function"] = "softsign"
        return lstm(x, h0, c0, *d.lstm, **options)

    def gradient(x, mask):
        y, h, *_ = run(x, dl.dlarray(d.h0), dl.dlarray(d.c0), mask)
        return dl.dlgradient((y * y).sum() + h.sum(), x)

    found = run(noisy, d.h0, d.c0, MASK)
    slopes = raw(dl.dlfeval(lambda x: gradient(x, MASK), dl.dlarray(noisy)))
    for b in range(B):
        n = MASK[:, b].sum()
        alone = run(d.x[:n, b : b + 1], d.h0[b : b + 1], d.c0[b : b + 1])
        assert_equal([raw(found[0])[:n, b]], [raw(alone[0])[:, 0]])
        assert not raw(found[0])[n:, b].any()
        for state, expected in zip(found[1:], alone[1:], strict=True):
            assert_equal([raw(state)[b]], [raw(expected)[0]])
        assert not slopes[n:, b].any()
        assert slopes[:n, b].all()


@pytest.mark.parametrize("layer", ["lstm", "gru"])
def test_bidirectional_is_both_directions_side_by_side(d, layer):
    function, one = (lstm, d.lstm) if layer == "lstm" else (gru, d.gru)
    other = [p * 0.7 for p in one]
    states = (d.h0, d.c0) if layer == "lstm" else (d.h0,)
    both = [np.concatenate(pair) for pair in zip(one, other, strict=True)]
    wide = [np.concatenate([s, 2 * s], axis=1) for s in states]
    found = function(d.x, *wide, *both, data_format="TBC", direction="bidirectional")
    forward = function(d.x, *states, *one, data_format="TBC")
    twice = [2 * s for s in states]
    backward = function(d.x, *twice, *other, data_format="TBC", direction="reverse")
    flipped = function(d.x[::-1], *twice, *other, data_format="TBC")
    np.testing.assert_array_equal(raw(backward[0]), raw(flipped[0])[::-1])
    for a, b, c in zip(found, forward, backward, strict=True):
        np.testing.assert_array_equal(raw(a), np.concatenate([raw(b), raw(c)], axis=-1))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("fmt", ["TBC", "CBT"])
def test_gru_in_its_three_modes(rng, d, mode, fmt):
    w, r, b = d.gru
    b = np.concatenate([b, rng.normal(size=3 * H)]) if mode.startswith("recurrent") else b
    order = ["TBC".index(c) for c in fmt]
    y, h = gru(
        dl.dlarray(d.x.transpose(order), fmt), dl.dlarray(d.h0, "BC"), w, r, b, reset_gate_mode=mode
    )
    expected_y, expected_h = gru_loop(d.x, d.h0, w, r, b, mode)
    expected_h = expected_h.T if fmt == "CBT" else expected_h
    assert_equal((y, h), (expected_y.transpose(order), expected_h))


# Fused operation, composition, options of the composition, its operands.
PAIRS = {
    "lstm": (lstm_sequence, lstm_states, {}, lambda d: (d.x, d.h0, d.c0, *d.lstm)),
    "gru": (
        gru_sequence,
        gru_states,
        {"mode": "after-multiplication"},
        lambda d: (d.x, d.h0, *d.gru),
    ),
    "gru-two-biases": (
        gru_sequence,
        gru_states,
        {"mode": "recurrent-bias-after-multiplication"},
        lambda d: (d.x, d.h0, *d.gru[:2], d.gru[2].repeat(2)),
    ),
}


@pytest.mark.parametrize("chunk", [1, 1000, 1 << 20])  # bytes: one step, a few, all at once
@pytest.mark.parametrize("name", PAIRS)
def test_the_fused_layer_is_the_composition(rng, d, name, chunk, monkeypatch):
    monkeypatch.setattr(buffers, "RECURRENT_GATE_BYTES", chunk)
    fused, composed, options, operands = PAIRS[name]
    arrays = [dl.dlarray(a) for a in operands(d)]
    padding = ~MASK[:, :, None]
    weights = rng.normal(size=(3, T, B, H))

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


SMALL_MASK = np.array([[True, True], [True, False]])
LSTM_OPTIONS = {
    "usual": {},
    "mask": {"mask": SMALL_MASK},
    "peephole": {"mask": SMALL_MASK},
    "activations": {"state_activation_function": "softsign", "gate_activation_function": sigmoid},
    "reverse": {"direction": "reverse", "mask": SMALL_MASK},
}


@pytest.mark.parametrize("name", LSTM_OPTIONS)
def test_second_derivatives_of_lstm(rng, small, name):
    options = dict(LSTM_OPTIONS[name])
    if name == "peephole":
        options["peephole"] = rng.normal(size=6)
    if name == "activations":
        # The second derivative of softsign jumps at zero: candidates and cells are above it.
        x, h, c, w, r, b = small
        candidate = np.repeat([0.0, 0.0, 4.0, 0.0], len(b) // 4)
        small = x, h, np.abs(c) + 0.5, 0.3 * np.tanh(w), 0.3 * np.tanh(r), np.tanh(b) + candidate
    check_derivatives(lambda *operands: lstm(*operands, data_format="TBC", **options), *small)


def test_second_derivatives_with_respect_to_peepholes_and_projections(rng, small):
    x, h, c, w, r, b = small

    def peephole(v):
        return lstm(x, h, c, w, r, b, data_format="TBC", peephole=v)

    def projection(p, r):
        return lstm(x, h[:, :1], c, w, r, b, data_format="TBC", projection=p)

    def projectors(q_in, q_out):
        return lstm(
            x, h, c, w[:, :1], r[:, :1], b, data_format="TBC",
            input_projector=q_in, output_projector=q_out,
        )  # fmt: skip

    check_derivatives(peephole, rng.normal(size=6))
    check_derivatives(projection, rng.normal(size=(1, 2)), r[:, :1])
    check_derivatives(projectors, rng.normal(size=(3, 1)), rng.normal(size=(2, 1)))


@pytest.mark.parametrize("mask", [None, SMALL_MASK])
@pytest.mark.parametrize("mode", MODES)
def test_second_derivatives_of_gru(small, mode, mask):
    x, h, _, w, r, b = small
    b = b.repeat(2)[:12] if mode.startswith("recurrent") else b[:6]
    check_derivatives(
        lambda *operands: gru(*operands, data_format="TBC", reset_gate_mode=mode, mask=mask),
        x, h, w[:6], r[:6], b,
    )  # fmt: skip


@pytest.mark.parametrize("layer", ["lstm", "gru"])
def test_second_derivatives_in_both_directions(small, layer):
    x, h, c, *parameters = small
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


def test_third_derivatives(d):
    parameters = [p[: 4 * 1] for p in (d.w[:, :1], d.r[:, :1], d.bias)]
    check_derivatives(
        lambda x, w, r, b: lstm(x, 0.1, 0.2, w, r, b, data_format="TC")[0],
        d.x[:2, 0, :1], *parameters, order=3,
    )  # fmt: skip


def test_single_precision_empty_batches_and_no_steps(d):
    x = dl.dlarray(d.x.astype(np.float32), "TBC")
    weights = [p.astype(np.float32) for p in d.lstm]
    for result in (*lstm(x, 0, 0.0, *weights), *gru(x, 0, *[p[: 3 * H] for p in weights])):
        assert result.dtype == np.float32
    y, h, _ = lstm(d.x[:, :0], 0, 0, *d.lstm, data_format="TBC")
    assert (y.shape, h.shape) == ((T, 0, H), (0, H))
    y, h, c = lstm(d.x[:0], d.h0, d.c0, *d.lstm, data_format="TBC")
    assert y.shape == (0, B, H)
    np.testing.assert_array_equal(raw(h), d.h0)
    np.testing.assert_array_equal(raw(c), d.c0)


def test_one_step_without_time(d):
    y, h, c = lstm(dl.dlarray(d.x[0], "BC"), d.h0, d.c0, *d.lstm)
    assert dl.dims(y) == "BC"
    assert_equal(
        (y, h, c), [v[0] if v.ndim == 3 else v for v in lstm_loop(d.x[:1], d.h0, d.c0, *d.lstm)]
    )


def test_errors_name_what_does_not_fit(d):
    x = dl.dlarray(d.x, "TBC")
    with pytest.raises(dl.ShapeMismatchError, match=r"lstm: mask .*\(2, 2\).*'TB'"):
        lstm(x, 0, 0, *d.lstm, mask=np.ones((2, 2)))
    with pytest.raises(dl.ShapeMismatchError, match=r"gru: bias .*\(4,\).*15 elements"):
        gru(x, 0, *d.gru[:2], np.ones(4))
    with pytest.raises(dl.InvalidArgumentError, match=r"direction must be .*'both'"):
        lstm(x, 0, 0, *d.lstm, direction="both")
    with pytest.raises(
        dl.InvalidArgumentError, match=r"state_activation_function must be .*'swish'"
    ):
        gru(x, 0, *d.gru, state_activation_function="swish")
    with pytest.raises(dl.ComplexValueError, match=r"lstm: x must be real.*complex128"):
        lstm(x + 1j, 0, 0, *d.lstm)


def test_saturated_gates_are_zero_and_one_without_a_warning(d):
    def run(x):
        y, _, c = lstm(x, 0.5, 0.5, 1e5 * d.w, d.r, d.bias, data_format="TBC")
        return y, dl.dlgradient((y * y).sum() + c.sum(), x)

    with np.errstate(all="raise", under="ignore"):
        y, gradient = dl.dlfeval(run, dl.dlarray(d.x))
    assert np.isfinite(raw(y)).all()
    assert np.isfinite(raw(gradient)).all()


def test_a_column_as_the_state_of_one_sequence(rng, d):
    x, h0, c0 = rng.normal(size=(3, d.x.shape[2])), d.h0[0], d.c0[0]
    for states in ((h0[:, None], c0), (h0, c0[:, None]), (dl.dlarray(h0[:, None]), c0)):
        y, h, c = lstm(x, *states, *d.lstm, data_format="TC")
        for found, expected in zip(
            (y, h, c), lstm(x, h0, c0, *d.lstm, data_format="TC"), strict=True
        ):
            np.testing.assert_array_equal(dl.extractdata(found), dl.extractdata(expected))
    y, h = gru(x.T, h0[:, None], *d.gru, data_format="CT")
    np.testing.assert_array_equal(
        dl.extractdata(h), dl.extractdata(gru(x.T, h0, *d.gru, data_format="CT")[1])
    )
    with pytest.raises(dl.ShapeMismatchError, match="h0 has shape"):
        gru(x.T, h0[None], *d.gru, data_format="CT")
