"""Small scalar work, where the cost of an operation is all there is."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import jax.numpy as jnp
import numpy as np
import torch
from harness import agreement
from harness.contestants import Maker, by_hand, ours, with_autograd, with_jax, with_torch
from harness.result import OURS, Result
from harness.timing import interleaved

import dlgradient as dl
from rows import Context


def _rosenbrock(x: Any) -> Any:
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def rosenbrock_makers() -> dict[str, Maker]:
    """Return the contestants."""
    start = np.array([-1.0, 2.0])

    def call() -> Any:
        a, b = start
        r, s = b - a**2, 1 - a
        return 100 * r**2 + s**2, np.array([-400 * a * r - 2 * s, 200 * r])

    return {
        OURS: ours(_rosenbrock, start),
        "torch": with_torch(_rosenbrock, start),
        "jax": with_jax(_rosenbrock, start, jit=False),
        "jax.jit": with_jax(_rosenbrock, start, jit=True),
        "autograd": with_autograd(_rosenbrock, start),
        "numpy": by_hand(call),
    }


def rosenbrock(context: Context) -> Result:
    """Value and gradient of the Rosenbrock function at one point, float64."""
    makers = rosenbrock_makers()
    agreement.check(makers)
    figures = interleaved(
        {name: make() for name, make in makers.items()},
        budget=context.seconds(10),
        report=context.report,
    )
    result = Result("rosenbrock", "value and gradient at one point, float64", "s", figures)
    result.ask("torch", 1 / 3, "≤ 1/3 of torch")
    result.ask("autograd", 1 / 6, "≤ 1/6 of autograd")
    return result


def chained(xp: Any, n: int) -> Any:
    """Return the function of `n` nested sines."""

    def fun(x: Any) -> Any:
        for _ in range(n):
            x = xp.sin(x)
        return x

    return fun


def chain_makers(n: int = 50) -> dict[str, Maker]:
    """Return the contestants for a chain of `n` sines of a scalar."""
    start = np.float64(0.5)

    def call() -> Any:
        x, g = start, 1.0
        for _ in range(n):
            g *= np.cos(x)
            x = np.sin(x)
        return x, g

    return {
        OURS: ours(chained(dl, n), start),
        "torch": with_torch(chained(torch, n), start),
        "jax": with_jax(chained(jnp, n), start, jit=False),
        "jax.jit": with_jax(chained(jnp, n), start, jit=True),
        "autograd": with_autograd(chained(anp, n), start),
        "numpy": by_hand(call),
    }


def chain(context: Context) -> Result:
    """Value and gradient of fifty nested sines of a scalar."""
    makers = chain_makers()
    agreement.check(makers)
    figures = interleaved(
        {name: make() for name, make in makers.items()},
        budget=context.seconds(10),
        report=context.report,
    )
    result = Result("chain", "50 × sin of a scalar, value and gradient, float64", "s", figures)
    result.ask("torch", 1 / 2, "≤ 1/2 of torch")
    return result
