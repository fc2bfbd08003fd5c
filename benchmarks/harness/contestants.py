"""Value and gradient of one function, as a user of each library asks for them.

Each maker takes a function of one variable or of a list of variables, and the NumPy arrays to
evaluate it at; it makes its inputs once, and returns what is timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd
import jax
import jax.numpy as jnp
import torch

import dlgradient as dl

Function = Callable[[Any], Any]
Call = Callable[[], Any]
Maker = Callable[[], Call]


def _each(convert: Callable[[Any], Any], start: Any) -> Any:
    return [convert(a) for a in start] if isinstance(start, list) else convert(start)


def ours(fun: Function, start: Any) -> Maker:
    """Return the maker of dlgradient's contestant."""

    def evaluated(x: Any) -> Any:
        y = fun(x)
        return y, dl.dlgradient(y, x)

    def make() -> Call:
        x = _each(dl.dlarray, start)
        return lambda: dl.dlfeval(evaluated, x)

    return make


def with_torch(fun: Function, start: Any) -> Maker:
    """Return the maker of torch's contestant, eager."""

    def make() -> Call:
        x = _each(lambda a: torch.tensor(a, requires_grad=True), start)

        def call() -> Any:
            y = fun(x)
            return y, torch.autograd.grad(y, x)

        return call

    return make


def with_jax(fun: Function, start: Any, *, jit: bool) -> Maker:
    """Return the maker of jax's contestant."""

    def make() -> Call:
        evaluated = jax.value_and_grad(fun)
        if jit:
            evaluated = jax.jit(evaluated)
        x = _each(jnp.asarray, start)
        return lambda: jax.block_until_ready(evaluated(x))

    return make


def with_autograd(fun: Function, start: Any) -> Maker:
    """Return the maker of autograd's contestant."""
    evaluated = autograd.value_and_grad(fun)
    return lambda: lambda: evaluated(start)


def by_hand(call: Call) -> Maker:
    """Return the maker of a hand-written contestant that has no inputs to make."""
    return lambda: call
