"""Networks and losses of sequences: recurrent, attending, and without alignment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from harness.network import Network, Problem, fill, parameter, with_jax, with_torch


def _weights(rng: np.random.Generator, outputs: int, inputs: int) -> Any:
    scale = np.float32(inputs**-0.5)
    return rng.standard_normal((outputs, inputs), dtype=np.float32) * scale


def _cross_entropy(logits: Any, classes: Any) -> Any:
    import jax
    import jax.numpy as jnp

    chosen = jnp.take_along_axis(jax.nn.log_softmax(logits), classes[:, None], axis=1)
    return -jnp.mean(chosen)


# -- long short-term memory ----------------------------------------------------------------------

CHANNELS, HIDDEN, CLASSES = 12, 100, 9


def _lstm_data(sizes: tuple[int, int]) -> tuple[Any, ...]:
    steps, batch = sizes
    rng = np.random.default_rng(8)
    params = [_weights(rng, 4 * HIDDEN, n) for n in (CHANNELS, HIDDEN)]
    params += [np.full(4 * HIDDEN, 0.01, np.float32)]
    params += [_weights(rng, CLASSES, HIDDEN), np.zeros(CLASSES, np.float32)]
    X = rng.standard_normal((steps, batch, CHANNELS), dtype=np.float32)
    return X, rng.integers(0, CLASSES, batch), params


def _lstm_ours(data: Any) -> Problem:
    import dlgradient as dl

    X, classes, params = data

    def loss(params: Any, X: Any) -> Any:
        W, R, b, weights, bias = params
        _, h, _ = dl.lstm(X, 0, 0, W, R, b)
        logits = dl.fullyconnect(h, weights, bias)
        return dl.indexcrossentropy(logits, classes, from_logits=True)

    return loss, [dl.dlarray(p) for p in params], dl.dlarray(X, "TBC")


def _lstm_torch(data: Any) -> Callable[[], Any]:
    import torch
    from torch import nn

    X, classes, (W, R, b, weights, bias) = data
    # Torch has a second bias, of the recurrent part.
    lstm = fill(nn.LSTM(CHANNELS, HIDDEN), [W, R, b, np.zeros_like(b)])
    linear = fill(nn.Linear(HIDDEN, CLASSES), [weights, bias])
    X, classes = torch.tensor(X), torch.tensor(classes)

    def loss() -> Any:
        _, (h, _) = lstm(X)
        return nn.functional.cross_entropy(linear(h[0]), classes)

    call = with_torch(loss, [*lstm.parameters(), *linear.parameters()])

    def without_second_bias() -> Any:
        value, (dW, dR, db, _, *rest) = call()
        return value, (dW, dR, db, *rest)

    return without_second_bias


def _lstm_jax(data: Any) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    X, classes, params = data

    def loss(params: Any, X: Any, classes: Any) -> Any:
        W, R, b, weights, bias = params

        def step(state: Any, x: Any) -> Any:
            h, c = state
            i, f, g, o = jnp.split(x + h @ R.T, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), None

        start = jnp.zeros((X.shape[1], HIDDEN), X.dtype)
        (h, _), _ = jax.lax.scan(step, (start, start), X @ W.T + b)
        return _cross_entropy(h @ weights.T + bias, classes)

    return with_jax(loss, params, X, classes)


_LSTM = Network(
    name="lstm",
    work="50 steps, batch 27, 12 channels to 100 hidden units, the last one to 9 classes, "
    "cross-entropy",
    factor=1.3,
    full=(50, 27),
    tiny=(50, 2),  # enough for all libraries to be loaded
    data=_lstm_data,
    ours=_lstm_ours,
    torch=_lstm_torch,
    jax=_lstm_jax,
)
LSTM, FAST_LSTM = _LSTM.row(), _LSTM.recorded(0.8)


# -- layer of a transformer ----------------------------------------------------------------------

WIDTH, HEADS, FORWARD = 256, 8, 1024


def _transformer_data(sizes: tuple[int, int]) -> tuple[Any, ...]:
    rng = np.random.default_rng(9)
    params = []
    for outputs, inputs in (3 * WIDTH, WIDTH), (WIDTH, WIDTH), (FORWARD, WIDTH), (WIDTH, FORWARD):
        params += [_weights(rng, outputs, inputs), np.full(outputs, 0.01, np.float32)]
    for _ in range(2):
        params += [np.full(WIDTH, 1.1, np.float32), np.full(WIDTH, 0.1, np.float32)]
    X, T = (rng.standard_normal((*sizes, WIDTH), dtype=np.float32) for _ in range(2))
    return X, T, params


def _transformer_ours(data: Any) -> Problem:
    import dlgradient as dl

    X, T, params = data

    def loss(params: Any, x: Any, T: Any) -> Any:
        W, b, W_out, b_out, W1, b1, W2, b2, scale1, offset1, scale2, offset2 = params
        joint = dl.fullyconnect(x, W, b)
        q, k, v = (joint[..., i * WIDTH : (i + 1) * WIDTH] for i in range(3))
        y = dl.fullyconnect(dl.attention(q, k, v, HEADS), W_out, b_out)
        x = dl.layernorm(x + y, offset1, scale1)
        y = dl.fullyconnect(dl.relu(dl.fullyconnect(x, W1, b1)), W2, b2)
        y = dl.layernorm(x + y, offset2, scale2)
        return dl.l2loss(y, T, normalization_factor="all-elements")

    inputs = (dl.dlarray(a, "BTC") for a in (X, T))
    return loss, [dl.dlarray(p) for p in params], *inputs


def _transformer_torch(data: Any) -> Callable[[], Any]:
    import torch
    from torch import nn

    X, T, params = data
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, FORWARD, dropout=0.0, batch_first=True)
    fill(layer, params)
    X, T = torch.tensor(X), torch.tensor(T)
    return with_torch(lambda: nn.functional.mse_loss(layer(X), T), layer.parameters())


def _transformer_jax(data: Any) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    X, T, params = data

    def normalized(x: Any, scale: Any, offset: Any) -> Any:
        mean, variance = (f(x, -1, keepdims=True) for f in (jnp.mean, jnp.var))
        return (x - mean) * jax.lax.rsqrt(variance + 1e-5) * scale + offset

    def loss(params: Any, x: Any, T: Any) -> Any:
        W, b, W_out, b_out, W1, b1, W2, b2, *norms = params
        joint = (x @ W.T + b).reshape(*x.shape[:2], 3, HEADS, -1)
        y = jax.nn.dot_product_attention(*(joint[:, :, i] for i in range(3)))
        x = normalized(x + y.reshape(x.shape) @ W_out.T + b_out, *norms[:2])
        y = jax.nn.relu(x @ W1.T + b1) @ W2.T + b2
        return jnp.mean((normalized(x + y, *norms[2:]) - T) ** 2)

    return with_jax(loss, params, X, T)


_TRANSFORMER = Network(
    name="transformer",
    work="encoder layer, 8×128 tokens, width 256, 8 heads, feed-forward 1024, mean square of the "
    "difference to targets",
    factor=1.5,
    full=(8, 128),
    tiny=(1, 3),
    data=_transformer_data,
    ours=_transformer_ours,
    torch=_transformer_torch,
    jax=_transformer_jax,
)
TRANSFORMER, FAST_TRANSFORMER = _TRANSFORMER.row(), _TRANSFORMER.recorded(0.95)


# -- connectionist temporal classification -------------------------------------------------------


def _ctc_data(sizes: tuple[int, ...]) -> tuple[Any, ...]:
    steps, batch, symbols, length = sizes
    rng = np.random.default_rng(10)
    targets = rng.integers(1, symbols, (batch, length))
    return targets, [rng.standard_normal((steps, batch, symbols), dtype=np.float32)]


def _ctc_ours(data: Any) -> Problem:
    import dlgradient as dl

    targets, (logits,) = data

    def loss(params: Any, targets: Any) -> Any:
        return dl.ctc(params[0], targets, from_logits=True)

    return loss, [dl.dlarray(logits, "TBC")], dl.dlarray(targets, "BT")


def _ctc_torch(data: Any) -> Callable[[], Any]:
    import torch

    targets, (logits,) = data
    steps, batch, _ = logits.shape
    lengths = torch.full((batch,), steps), torch.full((batch,), targets.shape[1])
    targets, logits = torch.tensor(targets), parameter(logits)

    def loss() -> Any:
        y = torch.log_softmax(logits, 2)
        return torch.nn.functional.ctc_loss(y, targets, *lengths, reduction="sum") / batch

    return with_torch(loss, [logits])


def _ctc_jax(data: Any) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    targets, params = data
    impossible = np.float32(-1e30)

    def loss(params: Any, targets: Any) -> Any:
        y = jax.nn.log_softmax(params[0])
        batch, length = targets.shape
        # Blanks before, between and after the labels; which states a step may skip a blank to.
        states = jnp.zeros((batch, 2 * length + 1), int).at[:, 1::2].set(targets)
        skips = jnp.pad((states[:, 2:] != states[:, :-2]) & (states[:, 2:] != 0), ((0, 0), (2, 0)))
        scores = jnp.take_along_axis(y, states[None], axis=2)

        def shifted(a: Any, by: int) -> Any:
            return jnp.pad(a, ((0, 0), (by, 0)), constant_values=impossible)[:, :-by]

        def step(a: Any, score: Any) -> Any:
            before = jnp.logaddexp(a, shifted(a, 1))
            before = jnp.logaddexp(before, jnp.where(skips, shifted(a, 2), impossible))
            return before + score, None

        start = jnp.full(states.shape, impossible).at[:, :2].set(scores[0, :, :2])
        last, _ = jax.lax.scan(step, start, scores[1:])
        return -jnp.mean(jnp.logaddexp(last[:, -1], last[:, -2]))

    return with_jax(loss, params, targets)


CTC = Network(
    name="ctc",
    work="connectionist temporal classification, 100 steps, batch 16, 30 symbols, 20 targets",
    factor=1.5,
    full=(100, 16, 30, 20),
    tiny=(50, 8, 10, 20),
    data=_ctc_data,
    ours=_ctc_ours,
    torch=_ctc_torch,
    jax=_ctc_jax,
    # The log domain costs float32 digits: torch and jax are right to 1e-4.
    rtol=3e-4,
).row()
