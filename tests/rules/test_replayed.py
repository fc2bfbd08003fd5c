"""Every sample of every operation: a replayed call returns what an eager one does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core import tree
from dlgradient.program import buffers
from dlgradient.rules import DERIVED, OPS
from dlgradient.testing.checks import Bound, outputs
from dlgradient.testing.subject import Subject

# Factors of the data: of two calls that record, and of replayed ones; the last may be by machine
# code.
FACTORS = (1.0, 1.01, 0.98, 1.02)
# Functions whose Python reads values that differ in every call, so that no call is replayed.
EAGER: set[str] = set()


def derivative(bound: Bound, order: int) -> Callable[..., Any]:
    """Return a function of the variables: the results of a call, or their derivatives."""

    def fun(*xs: Any) -> Any:
        ys = outputs(bound(*xs))
        for _ in range(order):
            total = sum([dl.real(y * weights(y)).sum() for y in ys if y.size], dl.zeros(()))
            found: Any = dl.dlgradient(total, *xs, enable_higher_derivatives=True)
            ys = list(found) if isinstance(found, tuple) else [found]
        return ys

    return fun


def weights(y: Any) -> Any:
    """Return different numbers for the elements, so that none cancel."""
    return np.linspace(0.5, 1.5, y.size, dtype=np.finfo(y.dtype).dtype).reshape(y.shape)


def highest_order(bound: Bound) -> int:
    """Return how often a call can be differentiated, at most twice."""

    def kinds(*xs: Any) -> list[str]:
        return [y.dtype.kind for y in outputs(bound(*xs))]

    if not bound.values or not set(dl.dlfeval(kinds, *bound.arrays())) <= {"f", "c"}:
        return 0
    for order in (1, 2):
        try:
            dl.dlfeval(derivative(bound, order), *bound.arrays())
        except dl.DlgradientError:
            return order - 1
    return 2


def replays(bound: Bound, order: int) -> float:
    """Compare replayed and eager calls; return the hit rate."""
    fun = derivative(bound, order)
    accelerated = dl.dlaccelerate(fun)
    for factor in FACTORS:
        scaled = [v * np.asarray(factor, np.asarray(v).dtype) for v in bound.values]
        xs = bound.arrays(scaled)
        agree(accelerated(*xs), dl.dlfeval(fun, *xs), 1e-11)
    return accelerated.hit_rate


def agree(found: Any, expected: Any, rtol: float) -> None:
    """Raise an error if two results differ by more than rounding."""
    pairs = zip(tree.flatten(found)[0], tree.flatten(expected)[0], strict=True)
    for a, b in pairs:
        assert type(a) is type(b)
        assert (a.shape, a.dtype, dl.dims(a)) == (b.shape, b.dtype, dl.dims(b))
        x, y = dl.extractdata(a), dl.extractdata(b)
        scale = float(np.max(np.abs(y), initial=1.0, where=np.isfinite(y)))
        np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol * scale)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", [*OPS, *DERIVED])
@pytest.mark.filterwarnings("ignore:invalid value")  # samples with infinity
def test_a_replay_is_the_eager_call(
    name: str, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = Subject(name)
    rates = []
    if compiled:  # loops and places of any size
        pytest.importorskip("llvmlite")
        monkeypatch.setattr(buffers, "LEAST", 1)
    with dl.acceleration("native" if compiled else "auto"):
        for case in subject.cases:
            bound = subject.bind(case)
            rates += [replays(bound, order) for order in range(highest_order(bound) + 1)]
    assert any(rates) is (name not in EAGER)
