"""Large elementwise work, where memory traffic is all there is."""

from __future__ import annotations

from typing import Any

import autograd.numpy as anp
import jax.numpy as jnp
import numpy as np
import torch
from harness import agreement
from harness.children import measure
from harness.contestants import (
    Function,
    Maker,
    by_hand,
    ours,
    with_autograd,
    with_jax,
    with_torch,
)
from harness.result import OURS, Detail, Result, with_unit
from harness.timing import interleaved

import dlgradient as dl
from rows import Context

SIZE = 10**6


def _fun(xp: Any) -> Function:
    def fun(x: Any) -> Any:
        return xp.sum(xp.sin(x) * xp.exp(-(x**2)) + xp.tanh(x))

    return fun


def makers(size: int = SIZE) -> dict[str, Maker]:
    """Return the contestants."""
    start = np.random.default_rng(0).standard_normal(size, dtype=np.float32)
    return {
        OURS: ours(_fun(dl), start),
        "torch": with_torch(_fun(torch), start),
        "jax": with_jax(_fun(jnp), start, jit=False),
        "jax.jit": with_jax(_fun(jnp), start, jit=True),
        "autograd": with_autograd(_fun(anp), start),
        "numpy": by_hand(lambda: value_and_gradient(start)),
    }


def value_and_gradient(x: np.ndarray[Any, Any]) -> Any:
    """Value and gradient as one writes them: common factors once, temporaries reused."""
    s, t = np.sin(x), np.tanh(x)
    e = x * x
    np.negative(e, out=e)
    np.exp(e, out=e)
    s *= e
    y = (s + t).sum()
    # The derivative is cos(x) e - 2 x s + (1 - t²), where s is already sin(x) e.
    g = np.cos(x)
    g *= e
    s *= x
    s *= 2
    g -= s
    t *= t
    g -= t
    g += 1
    return y, g


def run(context: Context) -> Result:
    """Value and gradient of sum(sin(x) exp(-x²) + tanh(x)) of a million float32."""
    contestants = makers()
    agreement.check(contestants, rtol=1e-5, atol=1e-5)
    figures = interleaved(
        {name: make() for name, make in contestants.items()},
        budget=context.seconds(40),
        pause=0.05,
        report=context.report,
    )
    result = Result(
        "elementwise",
        "value and gradient of sum(sin(x) exp(-x²) + tanh(x)), 10^6 float32",
        "s",
        figures,
    )
    result.ask("numpy", 1.1, "≤ 1.1x hand-written NumPy")
    rows = []
    for who in (OURS, "torch", "jax.jit", "autograd", "numpy"):
        found = measure("alone", who)
        rows.append([who, with_unit(found["seconds"], "s"), f"{found['faults']:.0f}"])
    title = "Alone in a fresh process, with the allocator as the system has it"
    result.details.append(Detail(title, ["contestant", "time", "page faults in one call"], rows))
    return result
