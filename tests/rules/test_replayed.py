"""Every sample of every operation: a replayed call returns what an eager one does.

A case has two programs. One returns all that the operation returns, and the derivatives below the
highest. The other returns the highest alone, so that results and first derivatives are intermediate
values. The first is recorded as users record it, the second with compiled kernels, and with a place
in memory for arrays of any size. Both are replayed as lines of NumPy, as lines with compiled loops,
and as machine code.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core import tree
from dlgradient.program import buffers
from dlgradient.rules import DERIVED, OPS
from dlgradient.testing.checks import Bound, outputs
from dlgradient.testing.subject import Subject

# The modes of the calls of a program. Two calls record. The first replay in a mode is by the lines
# of a program; the next ones are by an entry, which is machine code if that is possible.
COMPILED = ["native"] * 3 if find_spec("llvmlite") else []
MODES = ["auto", "auto", "numpy", "numpy", *COMPILED]
MODES_IN_MEMORY = [*(COMPILED[:2] or ["auto"] * 2), *COMPILED, "numpy", "numpy"]
# Functions whose Python reads values that differ in every call, so that no call is replayed.
EAGER: set[str] = set()
LEAST = buffers.LEAST


def results(bound: Bound, orders: range) -> Callable[..., Any]:
    """Return a function of the variables: the derivatives of these orders; zero is the results."""

    def fun(*xs: Any) -> Any:
        result = bound(*xs)
        ys = outputs(result)
        found = [result]
        for _ in range(1, orders.stop):
            total = sum([dl.real(y * weights(y)).sum() for y in ys if y.size], dl.zeros(()))
            g: Any = dl.dlgradient(total, *xs, enable_higher_derivatives=True)
            ys = list(g) if isinstance(g, tuple) else [g]
            found.append(ys)
        return found[orders.start :]

    return fun


def weights(y: Any) -> Any:
    """Return different numbers for the elements, so that none cancel."""
    return np.linspace(0.5, 1.5, y.size, dtype=np.finfo(y.dtype).dtype).reshape(y.shape)


def narrowed(bound: Bound) -> Bound:
    """Return the same call in single precision."""
    leaves = list(bound.leaves)
    for i, value, fmt in zip(bound.positions, bound.values, bound.formats, strict=True):
        narrow = np.asarray(value).astype(np.complex64 if value.dtype.kind == "c" else np.float32)
        leaves[i] = narrow[()] if fmt is None else dl.dlarray(narrow, fmt)
    return Bound(bound.function, bound.rebuild(leaves), bound.params)


def scaled(bound: Bound, number: int) -> list[Any]:
    """Return the variables of a call, others in each."""
    factor = 1 + 0.01 * number * (-1) ** number
    return bound.arrays([v * np.asarray(factor, np.asarray(v).dtype) for v in bound.values])


def eager(bound: Bound, most: int) -> list[list[Any]]:
    """Return what each call must return, with derivatives to the highest order that there is."""
    for order in range(most, -1, -1):
        try:
            first = dl.dlfeval(results(bound, range(order + 1)), *scaled(bound, 0))
            break
        except dl.DlgradientError:  # no derivative, or none of this order
            continue
    fun = results(bound, range(order + 1))
    return [first, *[dl.dlfeval(fun, *scaled(bound, i)) for i in range(1, len(MODES))]]


def replayed(
    bound: Bound, orders: range, modes: list[Any], patch: pytest.MonkeyPatch, least: int
) -> tuple[list[Any], float]:
    """Return what each call returns, and the hit rate."""
    accelerated = dl.dlaccelerate(results(bound, orders))
    found = []
    for number, mode in enumerate(modes):
        patch.setattr(buffers, "LEAST", 1 if mode == "native" else least)
        with dl.acceleration(mode):
            found.append(accelerated(*scaled(bound, number)))
    return found, accelerated.hit_rate


def compare(where: str, bound: Bound, most: int, patch: pytest.MonkeyPatch) -> list[float]:
    """Compare the calls of both programs with eager ones; return the hit rates."""
    expected = eager(bound, most)
    top = len(expected[0]) - 1
    programs = [(range(max(top, 1)), MODES, LEAST)]
    programs += [(range(top, top + 1), MODES_IN_MEMORY, 1)] * (top > 0)
    rates = []
    for orders, modes, least in programs:
        found, rate = replayed(bound, orders, modes, patch, least)
        rates.append(rate)
        # All comparisons are after all calls: no call may change what an earlier one returned.
        for number, mode in enumerate(modes):
            call = f"{where}, orders {[*orders]}, call {number}, {mode}"
            agree(call, found[number], expected[number][orders.start : orders.stop])
    return rates


def agree(where: str, found: Any, expected: Any) -> None:
    """Raise an error if two results differ by more than rounding."""
    pairs = zip(tree.flatten(found)[0], tree.flatten(expected)[0], strict=True)
    for a, b in pairs:
        assert type(a) is type(b), where
        x, y = (dl.extractdata(a), dl.extractdata(b)) if dl.isdlarray(a) else (a, b)
        assert (type(x), x.shape, x.dtype) == (type(y), y.shape, y.dtype), where
        assert not dl.isdlarray(a) or dl.dims(a) == dl.dims(b), where
        if y.dtype.kind not in "fc":
            np.testing.assert_array_equal(x, y, where)
            continue
        scale = float(np.max(np.abs(y), initial=1.0, where=np.isfinite(y)))
        rtol = 1e-11 if y.dtype.char in "dD" else 1e-5
        np.testing.assert_allclose(x, y, rtol, rtol * scale, err_msg=where)


@pytest.mark.parametrize("name", [*OPS, *DERIVED])
@pytest.mark.filterwarnings("ignore:invalid value")  # samples with infinity
def test_a_replay_is_the_eager_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(name)
    bounds = [(subject.title(c, i), subject.bind(c)) for i, c in enumerate(subject.cases)]
    rates = [rate for where, bound in bounds for rate in compare(where, bound, 2, monkeypatch)]
    assert any(rates) is (name not in EAGER)


@pytest.mark.parametrize("name", [*OPS, *DERIVED])
def test_a_replay_in_single_precision(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one sample of each operation, with first derivatives."""
    subject = Subject(name)
    for bound in map(subject.bind, subject.cases):
        if bound.values and all(np.size(v) and v.dtype.char in "dD" for v in bound.values):
            compare(f"{name}, narrowed", narrowed(bound), 1, monkeypatch)
            break
