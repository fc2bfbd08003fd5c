"""Multilayer perceptrons: a small one, and a training step of one of ordinary size."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from harness.contestants import (
    Call,
    Function,
    Maker,
    by_hand,
    ours,
    with_autograd,
    with_jax,
    with_torch,
)
from harness.recorded import EAGER, recorded
from harness.result import OURS, Result
from harness.row import Context, Row

Arrays = list[np.ndarray[Any, Any]]


def _weights(sizes: tuple[int, ...], dtype: Any, seed: int = 0) -> Arrays:
    """Return weights and biases, one after the other, for layers of these sizes."""
    rng = np.random.default_rng(seed)
    params = []
    for n, m in itertools.pairwise(sizes):
        params += [
            (rng.standard_normal((n, m)) * np.sqrt(2 / n)).astype(dtype),
            np.full(m, 0.01, dtype),
        ]
    return params


# -- small MLP: 32-64-4 with a batch of 64 -------------------------------------------------------


def _small_data() -> tuple[Any, Any, Arrays]:
    rng = np.random.default_rng(1)
    return rng.standard_normal((64, 32)), rng.standard_normal((64, 4)), _weights((32, 64, 4), "f8")


def _small_loss(xp: Any, X: Any, T: Any) -> Function:
    def loss(params: Any) -> Any:
        W1, b1, W2, b2 = params
        return xp.mean((xp.tanh(X @ W1 + b1) @ W2 + b2 - T) ** 2)

    return loss


def _small_makers() -> dict[str, Maker]:
    X, T, params = _small_data()

    def in_jax(jnp: Any) -> Function:
        return _small_loss(jnp, jnp.asarray(X), jnp.asarray(T))

    def call() -> Any:
        W1, b1, W2, b2 = params
        h = X @ W1
        h += b1
        np.tanh(h, out=h)
        r = h @ W2
        r += b2
        r -= T
        y = (r * r).mean()
        r *= 2 / r.size
        d = r @ W2.T
        d *= 1 - h * h
        return y, X.T @ d, d.sum(axis=0), h.T @ r, r.sum(axis=0)

    return {
        OURS: ours(lambda dl: _small_loss(dl, dl.dlarray(X), dl.dlarray(T)), params),
        "torch": with_torch(
            lambda torch: _small_loss(torch, torch.tensor(X), torch.tensor(T)), params
        ),
        "jax": with_jax(in_jax, params, jit=False),
        "jax.jit": with_jax(in_jax, params, jit=True),
        "autograd": with_autograd(lambda anp: _small_loss(anp, X, T), params),
        "numpy": by_hand(call),
    }


def _run_small(context: Context) -> Result:
    figures = context.timed(_small_makers(), seconds=20, pause=0.05)
    result = Result("small MLP", "64×32-64-4, tanh, float64, loss and gradient", "s", figures)
    result.ask("torch", 1, "not above torch")
    return result


SMALL_MLP = Row("small-mlp", _run_small, _small_makers)


# -- MLP step: 784-512-512-10 with a batch of 128, SGD -------------------------------------------

SIZES = (784, 512, 512, 10)
BATCH = 128
RATE = np.float32(1e-3)


def _step_data() -> tuple[Any, Any, Any, Arrays]:
    rng = np.random.default_rng(2)
    X = rng.standard_normal((BATCH, SIZES[0]), dtype=np.float32)
    classes = rng.integers(0, SIZES[-1], BATCH)
    onehot = np.zeros((BATCH, SIZES[-1]), np.float32)
    onehot[np.arange(BATCH), classes] = 1
    return X, classes, onehot, _weights(SIZES, "f4")


def _step_loss(xp: Any, X: Any, onehot: Any) -> Function:
    """Loss in the functions that NumPy's relatives share."""

    def loss(params: Any) -> Any:
        W1, b1, W2, b2, W3, b3 = params
        h = xp.maximum(X @ W1 + b1, 0)
        h = xp.maximum(h @ W2 + b2, 0)
        z = h @ W3 + b3
        z = z - xp.max(z, axis=1, keepdims=True)
        return xp.mean(xp.log(xp.sum(xp.exp(z), axis=1)) - xp.sum(z * onehot, axis=1))

    return loss


def _our_step(X: Any, onehot: Any, params: Arrays) -> Call:
    import dlgradient as dl

    def fun(params: Any) -> Any:
        W1, b1, W2, b2, W3, b3 = params
        h = dl.relu(dl.fullyconnect(X, W1, b1, data_format="BC", weights_format="CU"))
        h = dl.relu(dl.fullyconnect(h, W2, b2, data_format="BC", weights_format="CU"))
        z = dl.fullyconnect(h, W3, b3, data_format="BC", weights_format="CU")
        loss = dl.crossentropy(z, onehot, from_logits=True, data_format="BC")
        return loss, dl.dlgradient(loss, params)

    state = [dl.dlarray(p) for p in params]

    def call() -> Any:
        loss, gradient = dl.dlfeval(fun, state)
        state[:] = dl.dlupdate(lambda p, g: p - RATE * g, state, gradient)
        return loss, state

    return call


def _torch_step(X: Any, classes: Any, params: Arrays) -> Call:
    import torch

    X, classes = torch.tensor(X), torch.tensor(classes)
    state = [torch.tensor(p, requires_grad=True) for p in params]
    rate = float(RATE)

    def call() -> Any:
        W1, b1, W2, b2, W3, b3 = state
        h = torch.relu(torch.addmm(b1, X, W1))
        h = torch.relu(torch.addmm(b2, h, W2))
        loss = torch.nn.functional.cross_entropy(torch.addmm(b3, h, W3), classes)
        gradient = torch.autograd.grad(loss, state)
        with torch.no_grad():
            for p, g in zip(state, gradient, strict=True):
                p.sub_(g, alpha=rate)
        return loss, state

    return call


def _jax_step(X: Any, onehot: Any, params: Arrays, *, jit: bool) -> Call:
    import jax
    import jax.numpy as jnp

    fun = jax.value_and_grad(_step_loss(jnp, jnp.asarray(X), jnp.asarray(onehot)))

    def step(params: Any) -> Any:
        loss, gradient = fun(params)
        return loss, [p - RATE * g for p, g in zip(params, gradient, strict=True)]

    if jit:
        step = jax.jit(step)
    state = [jnp.asarray(p) for p in params]

    def call() -> Any:
        loss, state[:] = step(state)
        return jax.block_until_ready((loss, state))

    return call


def _autograd_step(X: Any, onehot: Any, params: Arrays) -> Call:
    import autograd
    import autograd.numpy as anp

    fun = autograd.value_and_grad(_step_loss(anp, X, onehot))
    state = [p.copy() for p in params]

    def call() -> Any:
        loss, gradient = fun(state)
        for p, g in zip(state, gradient, strict=True):
            np.subtract(p, RATE * g, out=p)
        return loss, state

    return call


def _numpy_step(X: Any, onehot: Any, params: Arrays) -> Call:
    state = [p.copy() for p in params]

    def call() -> Any:
        W1, b1, W2, b2, W3, b3 = state
        h1 = X @ W1
        h1 += b1
        np.maximum(h1, 0, out=h1)
        h2 = h1 @ W2
        h2 += b2
        np.maximum(h2, 0, out=h2)
        z = h2 @ W3
        z += b3
        z -= z.max(axis=1, keepdims=True)
        e = np.exp(z)
        total = e.sum(axis=1, keepdims=True)
        loss = (np.log(total[:, 0]) - (z * onehot).sum(axis=1)).mean()
        e /= total
        e -= onehot
        e /= len(e)
        d2 = e @ W3.T
        d2 *= h2 > 0
        d1 = d2 @ W2.T
        d1 *= h1 > 0
        gradient = (X.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ e, e.sum(0))
        for p, g in zip(state, gradient, strict=True):
            np.multiply(g, RATE, out=g)
            np.subtract(p, g, out=p)
        return loss, state

    return call


def _step_makers() -> dict[str, Maker]:
    X, classes, onehot, params = _step_data()

    def with_dlarrays() -> Call:
        import dlgradient as dl

        return _our_step(dl.dlarray(X), dl.dlarray(onehot), params)

    return {
        OURS: with_dlarrays,
        "torch": lambda: _torch_step(X, classes, params),
        "jax": lambda: _jax_step(X, onehot, params, jit=False),
        "jax.jit": lambda: _jax_step(X, onehot, params, jit=True),
        "autograd": lambda: _autograd_step(X, onehot, params),
        "numpy": lambda: _numpy_step(X, onehot, params),
        f"{OURS}, data as NumPy arrays": lambda: _our_step(X, onehot, params),
    }


def _run_step(context: Context) -> Result:
    figures = context.timed(_step_makers(), seconds=40, pause=0.05, rtol=2e-5, atol=1e-6)
    result = Result("MLP step", "784-512-512-10, batch 128, float32, SGD", "s", figures)
    result.ask("numpy", 1.15, "≤ 1.15x hand-written NumPy")
    result.ask("torch", 1.25, "≤ 1.25x torch")
    return result


MLP_STEP = Row("mlp-step", _run_step, _step_makers)


# -- recorded ------------------------------------------------------------------------------------


def _recorded_step() -> Call:
    import dlgradient as dl

    X, _, onehot, params = _step_data()

    @dl.dlaccelerate
    def step(state: Any, X: Any, onehot: Any) -> Any:
        W1, b1, W2, b2, W3, b3 = state
        h = dl.relu(dl.fullyconnect(X, W1, b1, data_format="BC", weights_format="CU"))
        h = dl.relu(dl.fullyconnect(h, W2, b2, data_format="BC", weights_format="CU"))
        z = dl.fullyconnect(h, W3, b3, data_format="BC", weights_format="CU")
        loss = dl.crossentropy(z, onehot, from_logits=True, data_format="BC")
        gradient = dl.dlgradient(loss, state)
        return loss, dl.dlupdate(lambda p, g: p - RATE * g, state, gradient)

    state = [dl.dlarray(p) for p in params]
    X, onehot = dl.dlarray(X), dl.dlarray(onehot)

    def call() -> Any:
        loss, state[:] = step(state, X, onehot)
        return loss, state

    return call


def _recorded_makers() -> dict[str, Maker]:
    makers = _step_makers()
    peers = {who: makers[who] for who in ("torch", "jax.jit")}
    return {OURS: _recorded_step, EAGER: makers[OURS], **peers}


FAST_MLP_STEP = recorded(
    "accelerated-mlp-step",
    "row MLP step, recorded",
    1.0,
    _recorded_makers,
    "torch",
    rtol=2e-5,
    atol=1e-6,
)
