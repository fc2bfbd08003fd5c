"""Large elementwise work, where memory traffic is all there is."""

from __future__ import annotations

import resource
from typing import Any

import numpy as np
from harness import machine
from harness.children import measure
from harness.contestants import Function, Maker, accelerated, everybody, with_jax
from harness.recorded import recorded
from harness.result import OURS, Detail, Result, with_unit
from harness.row import Context, Row
from harness.timing import interleaved

SIZE = 10**6


def _written(xp: Any) -> Function:
    def fun(x: Any) -> Any:
        return xp.sum(xp.sin(x) * xp.exp(-(x**2)) + xp.tanh(x))

    return fun


def _start() -> Any:
    return np.random.default_rng(0).standard_normal(SIZE, dtype=np.float32)


def _makers() -> dict[str, Maker]:
    start = _start()
    return everybody(_written, start, lambda: _value_and_gradient(start))


def _value_and_gradient(x: np.ndarray[Any, Any]) -> Any:
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


def _run(context: Context) -> Result:
    figures = context.timed(_makers(), seconds=40, pause=0.05, rtol=1e-5, atol=1e-5)
    result = Result(
        "elementwise",
        "value and gradient of sum(sin(x) exp(-x²) + tanh(x)), 10^6 float32",
        "s",
        figures,
    )
    result.ask("numpy", 1.1, "≤ 1.1x hand-written NumPy")
    rows = []
    for who in (OURS, "torch", "jax.jit", "autograd", "numpy"):
        found = measure(alone, who)
        rows.append([who, with_unit(found["seconds"], "s"), f"{found['faults']:.0f}"])
    title = "Alone in a fresh process, with the allocator as the system has it"
    result.details.append(Detail(title, ["contestant", "time", "page faults in one call"], rows))
    return result


def alone(who: str) -> dict[str, float]:
    """Return least time and page faults of one contestant; called in a fresh process."""
    machine.configure_peers()
    call = _makers()[who]()
    seconds = interleaved({who: call}, budget=1.5)[who]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        call()
    faults = (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 20
    return {"seconds": seconds, "faults": faults}


ELEMENTWISE = Row("elementwise", _run, _makers)


# -- recorded ------------------------------------------------------------------------------------


def _fast_makers() -> dict[str, Maker]:
    start = _start()
    return {
        OURS: accelerated(_written, start),
        "jax.jit": with_jax(_written, start, jit=True),
    }


FAST_ELEMENTWISE = recorded(
    "accelerated-elementwise",
    "row elementwise, recorded",
    0.25,
    _fast_makers,
    "jax.jit",
    rtol=1e-5,
    atol=1e-5,
)
