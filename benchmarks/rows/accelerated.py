"""Functions that `dlaccelerate` records, against jax.jit: small work, where overhead is all.

The first call of each is measured too, until its result is there.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
from harness.contestants import Call, Maker, Written, accelerated, ours, with_jax
from harness.recorded import EAGER, recorded
from harness.result import OURS

LENGTH = 50
COUNT = 3  # the number of the step of Adam


def _rosenbrock(_: Any) -> Any:
    return lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def _chain(xp: Any) -> Any:
    def fun(x: Any) -> Any:
        for _ in range(LENGTH):
            x = xp.sin(x)
        return x

    return fun


# -- small MLP: 32-64-4 with a batch of 64 -------------------------------------------------------


def _params() -> list[Any]:
    rng = np.random.default_rng(0)
    sizes = itertools.pairwise((32, 64, 4))
    return [a for n, m in sizes for a in (rng.standard_normal((n, m)) / n**0.5, np.full(m, 0.01))]


def _mlp(xp: Any) -> Any:
    rng = np.random.default_rng(1)
    X, T = (xp.asarray(rng.standard_normal((64, n))) for n in (32, 4))

    def loss(params: Any) -> Any:
        W1, b1, W2, b2 = params
        return xp.mean((xp.tanh(X @ W1 + b1) @ W2 + b2 - T) ** 2)

    return loss


# -- a step of Adam ------------------------------------------------------------------------------


def _our_step() -> Call:
    import dlgradient as dl

    loss = _mlp(dl)

    @dl.dlaccelerate
    def step(params: Any, m: Any, s: Any, t: Any) -> Any:
        value = loss(params)
        gradients = dl.dlgradient(value, params)
        return value, *dl.adamupdate(params, gradients, m, s, t)

    params = [dl.dlarray(p) for p in _params()]
    zeros = [0 * p for p in params]
    count = dl.dlarray(np.int64(COUNT))
    return lambda: step(params, zeros, zeros, count)


def _jax_step() -> Call:
    import jax
    import jax.numpy as jnp

    loss = _mlp(jnp)

    def adam(p: Any, g: Any, m: Any, s: Any, t: Any) -> Any:
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
        rate = 0.001 / (1 - 0.9**t)
        return p - rate * m / (jnp.sqrt(s) / jnp.sqrt(1 - 0.999**t) + 1e-8), m, s

    @jax.jit
    def step(params: Any, m: Any, s: Any, t: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(params)
        new = [adam(*row, t) for row in zip(params, gradients, m, s, strict=True)]
        return value, *map(list, zip(*new, strict=True))

    params = [jnp.asarray(p) for p in _params()]
    zeros = [0 * p for p in params]
    return lambda: jax.block_until_ready(step(params, zeros, zeros, jnp.asarray(float(COUNT))))


# -- the rows ------------------------------------------------------------------------------------


def _makers(written: Written, start: Any) -> dict[str, Maker]:
    return {
        OURS: accelerated(written, start),
        EAGER: ours(written, start),
        "jax.jit": with_jax(written, start, jit=True),
    }


def _step_makers() -> dict[str, Maker]:
    return {OURS: _our_step, "jax.jit": _jax_step}


FAST_ROSENBROCK = recorded(
    "accelerated-rosenbrock",
    "Rosenbrock, value and gradient, float64",
    0.15,
    partial(_makers, _rosenbrock, np.array([-1.0, 2.0])),
)
FAST_CHAIN = recorded(
    "accelerated-chain",
    f"{LENGTH} × sin of a scalar, value and gradient, float64",
    0.25,
    partial(_makers, _chain, np.float64(0.5)),
)
FAST_MLP = recorded(
    "accelerated-mlp",
    "64×32-64-4, tanh, float64, loss and gradient",
    0.4,
    partial(_makers, _mlp, _params()),
)
FAST_STEP = recorded("accelerated-step", "the same, with a step of Adam", 0.3, _step_makers)
