"""Value and gradient of one function, written as users of each library write it.

A maker gets a function that writes the row with a library's names, and the NumPy arrays to evaluate
it at: one, or a list for several variables. It makes its inputs once, and returns what is timed. It
imports the library itself. So a fresh process loads only what it measures, and dlgradient can be
timed where no peer is installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.result import OURS

Function = Callable[[Any], Any]
Written = Callable[[Any], Function]
Call = Callable[[], Any]
Maker = Callable[[], Call]


def _each(convert: Callable[[Any], Any], start: Any) -> Any:
    return [convert(a) for a in start] if isinstance(start, list) else convert(start)


def ours(written: Written, start: Any) -> Maker:
    """Return the maker of dlgradient's contestant."""

    def make() -> Call:
        import dlgradient as dl

        fun = written(dl)

        def evaluated(x: Any) -> Any:
            y = fun(x)
            return y, dl.dlgradient(y, x)

        x = _each(dl.dlarray, start)
        return lambda: dl.dlfeval(evaluated, x)

    return make


def accelerated(written: Written, start: Any) -> Maker:
    """Return the maker of dlgradient's contestant that records its calls."""

    def make() -> Call:
        import dlgradient as dl

        fun = written(dl)

        @dl.dlaccelerate
        def evaluated(x: Any) -> Any:
            y = fun(x)
            return y, dl.dlgradient(y, x)

        x = _each(dl.dlarray, start)
        return lambda: evaluated(x)

    return make


def with_torch(written: Written, start: Any) -> Maker:
    """Return the maker of torch's contestant, eager."""

    def make() -> Call:
        import torch

        fun = written(torch)
        x = _each(lambda a: torch.tensor(a, requires_grad=True), start)

        def call() -> Any:
            y = fun(x)
            return y, torch.autograd.grad(y, x)

        return call

    return make


def with_jax(written: Written, start: Any, *, jit: bool) -> Maker:
    """Return the maker of jax's contestant."""

    def make() -> Call:
        import jax
        import jax.numpy as jnp

        evaluated = jax.value_and_grad(written(jnp))
        if jit:
            evaluated = jax.jit(evaluated)
        x = _each(jnp.asarray, start)
        return lambda: jax.block_until_ready(evaluated(x))

    return make


def with_autograd(written: Written, start: Any) -> Maker:
    """Return the maker of autograd's contestant."""

    def make() -> Call:
        import autograd
        import autograd.numpy as anp

        evaluated = autograd.value_and_grad(written(anp))
        return lambda: evaluated(start)

    return make


def by_hand(call: Call) -> Maker:
    """Return the maker of a hand-written contestant without inputs."""
    return lambda: call


def everybody(written: Written, start: Any, numpy: Call) -> dict[str, Maker]:
    """Return all contestants, for a function that is the same in all libraries."""
    return {
        OURS: ours(written, start),
        "torch": with_torch(written, start),
        "jax": with_jax(written, start, jit=False),
        "jax.jit": with_jax(written, start, jit=True),
        "autograd": with_autograd(written, start),
        "numpy": by_hand(numpy),
    }
