"""Random programs: a replayed call returns what an eager one does, with other data of any value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from programs import Writer

import dlgradient as dl

PROGRAMS = 400
CHUNK = 50


def evaluated(program: Any, order: int) -> Any:
    """Return a function of the variables: a program's value, and its derivatives."""

    def fun(*xs: Any) -> Any:
        found = [program(*xs)]
        for _ in range(order):
            total = sum([dl.real(y).sum() for y in found], dl.zeros(()))
            g = dl.dlgradient(total, *xs, enable_higher_derivatives=True)
            found += list(g) if isinstance(g, tuple) else [g]
        return found

    return fun


def compare(seed: int, mode: Any) -> float:
    """Compare the calls of one program; return the share that was replayed."""
    writer = Writer(seed)
    scope: dict[str, Any] = {"dl": dl, "np": np}
    exec(writer.source(), scope)
    fun = evaluated(scope["program"], seed % 3)
    accelerated = dl.dlaccelerate(fun)
    rng = np.random.default_rng(seed)
    tolerance = 1e-9 if writer.double else 1e-3
    for _ in range(5):
        factors = rng.uniform(0.7, 1.3, len(writer.starts))
        starts = zip(writer.starts.values(), factors, strict=True)
        xs = [dl.dlarray((start * factor).astype(start.dtype)) for start, factor in starts]
        with np.errstate(all="ignore"), dl.acceleration(mode):
            found, expected = accelerated(*xs), dl.dlfeval(fun, *xs)
        for a, b in zip(found, expected, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype), writer.source()
            x, y = dl.extractdata(a), dl.extractdata(b)
            scale = 1 + float(np.max(np.abs(y), initial=0.0, where=np.isfinite(y)))
            close = np.allclose(x, y, rtol=tolerance, atol=tolerance * scale, equal_nan=True)
            assert close, f"{writer.source()}\n{accelerated.source()}\n{x}\n{y}"
    return accelerated.hit_rate


@pytest.mark.parametrize("mode", ["numpy", "native"])
@pytest.mark.parametrize("first", range(0, PROGRAMS, CHUNK))
def test_a_replay_is_the_eager_call(first: int, mode: str) -> None:
    if mode == "native":
        pytest.importorskip("llvmlite")
    rates = [compare(seed, mode) for seed in range(first, first + CHUNK)]
    assert np.mean(rates) > 40
