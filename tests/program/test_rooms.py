"""Rooms: programs with places in memory that is used again return what eager calls do."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.declaration import OPS
from dlgradient.program import buffers, rooms
from dlgradient.rules import DERIVED
from dlgradient.testing.subject import Subject

SIDE = 128  # of matrices that are large enough to have places


@pytest.fixture(autouse=True)
def numpy_alone() -> Any:
    """Compute with NumPy, so that bits can be compared."""
    rooms.clear_rooms()
    with dl.acceleration("numpy"):
        yield


def raw(value: Any) -> list[Any]:
    """Return the arrays of a result."""
    members = value if isinstance(value, list | tuple) else [value]
    return [dl.extractdata(x) for x in members]


def accelerated_as_eager(fun: Callable[..., Any], *given: Any, uses_room: bool = True) -> Any:
    """Compare all calls with eager ones, to the bit, and results of earlier calls with copies."""
    accelerated = dl.dlaccelerate(fun)
    kept: list[tuple[Any, Any]] = []
    for factor in (1.0, 0.5, 0.25, 2.0):
        xs = [dl.dlarray(a * np.asarray(factor, a.dtype)) for a in given]
        found = raw(accelerated(*xs))
        for a, b in zip(found, raw(dl.dlfeval(fun, *xs)), strict=True):
            assert (a.shape, a.dtype, a.strides) == (b.shape, b.dtype, b.strides)
            np.testing.assert_array_equal(a, b)
        kept.append((found, [a.copy() for a in found]))
    for found, copies in kept:
        for a, b in zip(found, copies, strict=True):
            np.testing.assert_array_equal(a, b)
    assert accelerated.hit_rate == 50
    assert ("m[0]" in accelerated.source()) == uses_room
    return accelerated


def network(x: Any, w: Any) -> Any:
    """Return value and gradients of a function with products, views and sums."""
    y = dl.tanh(x @ w) * 2 + x
    z = (y.mT @ dl.exp(-y * y)) - y
    value = (z[1:, ::2] * z.reshape(-1)[: z[1:, ::2].size].reshape(z[1:, ::2].shape)).sum()
    return value, *dl.dlgradient(value, x, w)


# -- what operations do with memory --------------------------------------------------------------


def held(name: str) -> list[Any]:
    """Return for each sample of an operation the operands whose memory the result shares."""
    subject, op, found = Subject(name), OPS[name], []
    for case in subject.cases:
        bound = subject.bind(case)
        values = [np.asarray(v) for v in bound.values]
        seen: list[Any] = []
        own = op.kernel

        def kernel(*operands: Any, own: Any = own, seen: Any = seen, **params: Any) -> Any:
            result = own(*operands, **params)
            seen += [
                i
                for i, x in enumerate(operands)
                if isinstance(x, np.ndarray) and np.shares_memory(x, result)
            ]
            return result

        op.kernel = kernel
        try:
            bound(*[dl.dlarray(v) for v in values])
        except dl.DlgradientError:
            pass  # a sample of an error
        finally:
            op.kernel = own
        found += seen
    return found


@pytest.mark.parametrize("name", sorted(buffers.READING | buffers.VIEWS))
def test_operations_hold_no_operand_but_the_one_of_a_view(name: str) -> None:
    assert name in OPS
    assert name not in DERIVED
    assert set(held(name)) <= ({0} if name in buffers.VIEWS else set())


def test_sums_over_nothing_are_new_arrays(rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 4))
    for name in ("sum", "mean"):
        for params in ({"axis": ()}, {"axis": None}, {"axis": (0, 1), "keepdims": True}):
            assert not np.shares_memory(x, OPS[name].kernel(x, **params))


@pytest.mark.parametrize("name", sorted(buffers.UFUNCS | buffers.THREADED))
def test_one_operand_in_c_order_is_enough(name: str, rng: np.random.Generator) -> None:
    op, x = OPS[name], rng.uniform(0.5, 1, (6, 5, 4))
    others = [
        x.copy("F"),
        x[::-1],
        rng.uniform(1, 2, (4, 5, 6)).T,
        rng.uniform(1, 2, (4, 1)).T,
        np.broadcast_to(rng.uniform(1, 2, (6, 1, 1)), x.shape),
        np.float64(2),
    ]
    calls = [(x, y) for y in others] + [(y, x) for y in others]
    if len(op.operands) == 1:
        calls = [(x,)]  # type: ignore[list-item]
    for operands in calls:
        found = op.kernel(*operands)
        assert found.flags.c_contiguous
        out = np.empty_like(x)
        into = getattr(np, op.declaration.numpy.__name__) if name in buffers.UFUNCS else op.kernel
        into(*operands, out=out)
        np.testing.assert_array_equal(out, found)


@pytest.mark.parametrize("name", ["sum", "mean"])
def test_sums_keep_c_order(name: str, rng: np.random.Generator) -> None:
    x = rng.standard_normal((3, 4, 5, 6))
    for axis in ((), 0, 1, 3, (0, 2), (1, 3)):
        for keepdims in (False, True):
            assert OPS[name].kernel(x, axis=axis, keepdims=keepdims).flags.c_contiguous


def test_products_are_in_c_order(rng: np.random.Generator) -> None:
    for x in (rng.standard_normal((6, 5)), rng.standard_normal((5, 6)).T):
        for y in (rng.standard_normal((5, 7)), rng.standard_normal((7, 5)).T):
            assert (x @ y).flags.c_contiguous


# -- programs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_has_the_bits_of_eager_calls(dtype: Any, rng: np.random.Generator) -> None:
    x, w = (rng.standard_normal((SIDE, SIDE)).astype(dtype) / 9 for _ in range(2))
    accelerated_as_eager(network, x, w)


def random_program(rng: np.random.Generator) -> Callable[..., Any]:
    """Return a function of two matrices that returns some of its values, and views of them."""
    choices = [
        lambda a, b: a + b,
        lambda a, b: a * b,
        lambda a, b: a - 2 * b,
        lambda a, _: dl.tanh(a),
        lambda a, b: dl.exp(-a * a) / (b * b + 1),
        lambda a, b: (a @ b) / SIDE,
        lambda a, _: a.mT,
        lambda a, b: a + b.sum(axis=0),
        lambda a, b: a * b.mean(axis=1)[:, None],
        lambda a, _: a.reshape((SIDE // 2, 2 * SIDE)).reshape((SIDE, SIDE)),
        lambda a, _: a[::-1],
        lambda a, b: dl.where(a > b, a, 0.5 * b),
        lambda a, b: dl.maximum(a, b),
        lambda a, b: dl.concat([a[: SIDE // 2], b[SIDE // 2 :]]),
        lambda a, _: -a,
    ]
    steps = [(int(rng.integers(len(choices))), *rng.integers(0, 99, 2)) for _ in range(25)]
    chosen = rng.integers(0, 99, 3)
    with_gradient = bool(rng.integers(2))

    def fun(x: Any, y: Any) -> Any:
        values = [x, y]
        for which, i, j in steps:
            values.append(choices[which](values[-1 - i % 3 % len(values)], values[j % len(values)]))
        results = [values[i % len(values)] for i in chosen]
        if with_gradient:
            results += dl.dlgradient((values[-1] * values[-2]).sum(), x, y)
        return [r + 0 if r is x or r is y else r for r in results]

    return fun


def test_random_programs_have_the_bits_of_those_without_places(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(12):
        with monkeypatch.context() as patched:
            compare_with_and_without_places(rng, patched)


def compare_with_and_without_places(rng: np.random.Generator, patched: pytest.MonkeyPatch) -> None:
    """Compare a random program with the same without places, and with eager calls."""
    x, y = rng.standard_normal((2, SIDE, SIDE)) / 3
    fun = random_program(rng)
    calls = []
    for least in (buffers.LEAST, 10**9):
        patched.setattr(buffers, "LEAST", least)
        accelerated = dl.dlaccelerate(fun)
        found = []
        for factor in (1.0, 0.5, 0.25, -1.0):
            xs = [dl.dlarray(a * factor) for a in (x, y)]
            arrays = raw(accelerated(*xs))
            found.append((arrays, [a.copy() for a in arrays]))
            for a, b in zip(arrays, raw(dl.dlfeval(fun, *xs)), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * float(np.abs(b).max()))
        assert accelerated.hit_rate > 0
        assert least < 10**9 or "m[0]" not in accelerated.source()
        calls.append(found)
    for (arrays, copies), (others, _) in zip(*calls, strict=True):
        for a, b, c in zip(arrays, copies, others, strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(a, c)


def test_arguments_in_another_order_are_answered_without_places(rng: np.random.Generator) -> None:
    x, w = rng.standard_normal((2, SIDE, SIDE)) / 9
    accelerated = accelerated_as_eager(network, x, w)
    for other in (x.T, np.asfortranarray(x), np.ascontiguousarray(x[::-1])[::-1]):
        xs = dl.dlarray(other), dl.dlarray(w)
        hits = accelerated.hit_rate
        for a, b in zip(raw(accelerated(*xs)), raw(dl.dlfeval(network, *xs)), strict=True):
            assert a.strides == b.strides
            np.testing.assert_array_equal(a, b)
        assert accelerated.hit_rate > hits


def test_results_that_are_views_are_never_in_a_room(rng: np.random.Generator) -> None:
    def fun(x: Any) -> Any:
        y = dl.tanh(x) + 1
        z = y * y
        return y.mT, z[1:], (z - 1).reshape(-1), (x * 2).mT[None]

    accelerated_as_eager(fun, rng.standard_normal((SIDE, SIDE)), uses_room=True)


def test_threads_have_rooms_of_their_own(rng: np.random.Generator) -> None:
    x, w = rng.standard_normal((2, SIDE, SIDE)) / 9
    accelerated = accelerated_as_eager(network, x, w)
    wrong: list[int] = []

    def work(number: int) -> None:
        with dl.acceleration("numpy"):
            given = dl.dlarray(x * (number + 1) / 8), dl.dlarray(w)
            expected = raw(dl.dlfeval(network, *given))
            for _ in range(15):
                found = raw(accelerated(*given))
                if not all(map(np.array_equal, found, expected)):
                    wrong.append(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert not wrong
    assert len(rooms._kept) <= rooms.ROOMS


def test_a_program_may_call_another_one(rng: np.random.Generator) -> None:
    x, w = (dl.dlarray(a) for a in rng.standard_normal((2, SIDE, SIDE)) / 9)
    inner = dl.dlaccelerate(network)

    def fun(x: Any) -> Any:
        y = dl.tanh(x) + 1
        z = y * y
        return z.sum(), z - y

    outer = dl.dlaccelerate(fun)
    for _ in range(4):
        expected = raw(dl.dlfeval(network, x, w))
        outer(x)
        found = raw(inner(x, w))
        assert all(map(np.array_equal, found, expected))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork; run it on Linux or macOS")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_computes_the_same(rng: np.random.Generator) -> None:
    x, w = rng.standard_normal((2, SIDE, SIDE)) / 9
    accelerated = accelerated_as_eager(network, x, w)
    given = dl.dlarray(x), dl.dlarray(w)
    expected = raw(dl.dlfeval(network, *given))
    child = os.fork()
    if child == 0:
        right = all(map(np.array_equal, raw(accelerated(*given)), expected))
        os._exit(0 if right else 1)
    found = raw(accelerated(*given))
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert all(map(np.array_equal, found, expected))


def test_what_is_kept_is_bounded_and_released(rng: np.random.Generator) -> None:
    x, w = rng.standard_normal((2, SIDE, SIDE)) / 9
    accelerated = accelerated_as_eager(network, x, w)
    assert len(rooms._kept) == 1
    nbytes = rooms._kept[0].nbytes
    # Fewer than the results of all lines: places are used again.
    assert nbytes < 20 * x.nbytes
    accelerated.clear_cache()
    assert not rooms._kept


def test_a_large_room_is_not_kept(rng: np.random.Generator, monkeypatch: Any) -> None:
    monkeypatch.setattr(rooms, "ROOM_BYTES", 1000)
    accelerated_as_eager(network, *rng.standard_normal((2, SIDE, SIDE)) / 9)
    assert not rooms._kept
