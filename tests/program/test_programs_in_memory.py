"""Programs as machine code whose arrays are in memory: they return what eager calls do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import dlgradient as dl

pytest.importorskip("llvmlite")

from dlgradient.native.interface import fault
from dlgradient.program.entry import MISS

if fault():
    pytest.skip(f"no machine code here: {fault()}; run it on CPython", allow_module_level=True)


@pytest.fixture(autouse=True)
def compiled() -> Any:
    """Compile programs of any size, at once."""
    with dl.acceleration("native"):
        yield


def raw(value: Any) -> list[Any]:
    """Return the arrays of a result."""
    if isinstance(value, list | tuple):
        return [a for member in value for a in raw(member)]
    return [dl.extractdata(value)]


def reason(accelerated: Any) -> Any:
    """Return the machine code of the only program, or why there is none."""
    (path,) = [path for _, entry in accelerated._cache for path in entry.paths]
    return path.machine


def made(fun: Callable[..., Any], *args: Any) -> Any:
    """Return an accelerated function whose machine code answers."""
    accelerated = dl.dlaccelerate(fun)
    for _ in range(4):
        accelerated(*args)
    assert callable(reason(accelerated)), reason(accelerated)
    assert accelerated._enter(args) is not MISS
    return accelerated


def close(found: Any, expected: Any, rtol: float) -> None:
    """Raise an error if results differ by more than rounding."""
    for a, b in zip(raw(found), raw(expected), strict=True):
        assert (type(a), a.shape, a.dtype) == (type(b), b.shape, b.dtype)
        scale = float(np.max(np.abs(b), initial=1.0, where=np.isfinite(b)))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


def as_eager(fun: Callable[..., Any], *arrays: Any, rtol: float = 1e-12) -> Any:
    """Compare answers of machine code with eager ones, and earlier answers with copies of them."""
    given = [dl.dlarray(a) for a in arrays]
    accelerated = made(fun, *given)
    kept = []
    for factor in (1.0, -0.5, 2.0):
        xs = [dl.dlarray(a * np.asarray(factor, a.dtype)) for a in arrays]
        found = accelerated._enter(tuple(xs))
        assert found is not MISS
        close(found, dl.dlfeval(fun, *xs), rtol)
        kept.append((raw(found), [np.copy(a) for a in raw(found)]))
    everything = [a for arrays, _ in kept for a in arrays if a.ndim]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(everything) for b in everything[:i])
    for found, copies in kept:
        for a, b in zip(found, copies, strict=True):
            np.testing.assert_array_equal(a, b)
    return accelerated


def mlp(x: Any, W1: Any, b1: Any, W2: Any, b2: Any, t: Any) -> Any:
    """Return loss and gradients of a small network."""
    loss = dl.mean((dl.tanh(x @ W1 + b1) @ W2 + b2 - t) ** 2)
    return loss, dl.dlgradient(loss, [W1, b1, W2, b2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(64, 32, 64, 4), (7, 5, 33, 3), (1, 20, 17, 1), (33, 2, 9, 65)])
def test_a_network(sizes: Any, dtype: Any, rng: np.random.Generator) -> None:
    batch, n, hidden, m = sizes
    shapes = [(batch, n), (n, hidden), (hidden,), (hidden, m), (m,), (batch, m)]
    arrays = [(rng.standard_normal(shape) / 3).astype(dtype) for shape in shapes]
    as_eager(mlp, *arrays, rtol=2e-5 if dtype == np.float32 else 1e-12)


def test_a_step_of_adam(rng: np.random.Generator) -> None:
    shapes = [(16, 8), (8, 20), (20,), (20, 3), (3,), (16, 3)]
    x, *params, t = [dl.dlarray(rng.standard_normal(shape)) for shape in shapes]

    def step(params: Any, m: Any, s: Any, count: Any) -> Any:
        value, gradients = mlp(x, *params, t)
        return value, *dl.adamupdate(params, gradients, m, s, count)

    zeros = [0 * p for p in params]
    accelerated = made(step, params, zeros, zeros, dl.dlarray(np.int64(1)))
    m, s, old = zeros, zeros, params
    for count in range(1, 6):
        number = dl.dlarray(np.int64(count))
        found = accelerated._enter((old, m, s, number))
        close(found, dl.dlfeval(step, old, m, s, number), 1e-11)
        _, old, m, s = found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", [(64, 32, 4), (9, 5, 17), (1, 20, 33), (17, 1, 3), (16, 3, 1)])
def test_classes(sizes: Any, dtype: Any, rng: np.random.Generator) -> None:
    batch, n, classes = sizes

    def fun(x: Any, W: Any, b: Any, t: Any) -> Any:
        y = dl.softmax(dl.fullyconnect(x, W, b, data_format="BC"), axis=1)
        loss = dl.indexcrossentropy(y, t, data_format="BC")
        return loss, y, *dl.dlgradient(loss, [x, W, b])

    x, W, b = (rng.standard_normal(s).astype(dtype) for s in ((batch, n), (classes, n), (classes,)))
    args = [dl.dlarray(a) for a in (x, W, b, rng.integers(0, classes, batch))]
    accelerated = made(fun, *args)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    for factor in (1.0, -2.0):
        given = args[0] * factor, *args[1:3], dl.dlarray(rng.integers(0, classes, batch))
        close(accelerated._enter(given), dl.dlfeval(fun, *given), rtol)
    for wrong in (-1, classes):
        strange = np.array(args[3])
        strange[-1] = wrong
        given = *args[:3], dl.dlarray(strange)
        assert accelerated._enter(given) is MISS
        with pytest.raises(dl.errors.IndexingError, match=f"a target is {wrong}"):
            accelerated(*given)
    if classes > 1 and n > 1:
        far = args[0] * 1e5, *args[1:]  # some probabilities underflow, so the logits decide
        assert accelerated._enter(far) is MISS
        close(accelerated(*far), dl.dlfeval(fun, *far), rtol)


def test_softmax_along_any_dimension(rng: np.random.Generator) -> None:
    def fun(x: Any) -> Any:
        return [dl.softmax(x, axis=axis) for axis in (0, 1, 2, -1)]

    as_eager(fun, rng.standard_normal((5, 7, 3)))
    accelerated = made(fun, dl.dlarray(np.ones((4, 5, 6))))
    strange = rng.choice([0.0, 1.0, 800.0, -np.inf, np.inf, np.nan], (4, 5, 6))
    strange[0], strange[:, 1], strange[..., 2] = -np.inf, -np.inf, -np.inf
    given = (dl.dlarray(strange),)
    with np.errstate(all="ignore"):
        expected = fun(*given)
    close(accelerated._enter(given), expected, 1e-12)


@pytest.mark.parametrize(("shape", "axis"), [((9, 4), 1), ((4, 9), 0), ((3, 5, 7), 1)])
def test_elements_along_a_dimension(shape: Any, axis: int, rng: np.random.Generator) -> None:
    wanted = list(shape)
    wanted[axis] = 3

    def fun(x: Any, i: Any) -> Any:
        y = dl.take_along_axis(x, i, axis=axis)
        return y, dl.dlgradient((y * y * y).sum(), x)

    x, i = rng.standard_normal(shape), rng.integers(0, shape[axis], wanted)
    accelerated = made(fun, dl.dlarray(x), dl.dlarray(i))
    given = dl.dlarray(-x), dl.dlarray(rng.integers(0, shape[axis], wanted))
    close(accelerated._enter(given), dl.dlfeval(fun, *given), 1e-12)
    i.flat[-1] = -1  # it counts from the end, as NumPy knows
    given = dl.dlarray(x), dl.dlarray(i)
    assert accelerated._enter(given) is MISS
    close(accelerated(*given), dl.dlfeval(fun, *given), 1e-12)


def test_results_that_are_views_copies_inputs_and_one_array_twice(rng: np.random.Generator) -> None:
    def fun(x: Any, w: Any) -> Any:
        y = dl.tanh(x @ w)
        z = y * 2
        return y.mT, y[1:, ::2], z, z, x, (z.sum(axis=0) + 1), y.reshape(-1)[::-1], z.sum()

    x, w = rng.standard_normal((9, 7)), rng.standard_normal((7, 11))
    accelerated = made(fun, dl.dlarray(x), dl.dlarray(w))
    given = dl.dlarray(x), dl.dlarray(w)
    found = accelerated._enter(given)
    close(found, dl.dlfeval(fun, *given), 1e-12)
    assert np.shares_memory(*raw(found[4:5]), x) == np.shares_memory(raw(given[0])[0], x)


def test_small_results_in_memory_outlive_what_reads_them(rng: np.random.Generator) -> None:
    def fun(x: Any) -> Any:
        s = (x * 2).sum(axis=0)
        y = x * s
        t = (y * y).sum(axis=0)
        z = y - t
        u = (z * 3).sum(axis=0)
        return s, t, u, s[1:3], (z * u).sum(axis=0)

    for width in (2, 8, 15, 16, 20):
        as_eager(fun, rng.standard_normal((40, width)) / 9)


def random_program(rng: np.random.Generator) -> Callable[..., Any]:
    """Return a function of two square matrices, with views, products and sums."""
    choices: list[Callable[[Any, Any], Any]] = [
        lambda a, b: a + b,
        lambda a, b: a * b - 2,
        lambda a, _: dl.tanh(a),
        lambda a, b: dl.exp(-a * a) / (b * b + 1),
        lambda a, b: (a @ b) / 7,
        lambda a, b: (a.mT @ b) / 7,
        lambda a, b: (a @ b.mT) / 7,
        lambda a, _: a.mT,
        lambda a, b: a + b.sum(axis=0),
        lambda a, b: a * b.mean(axis=1)[:, None],
        lambda a, b: a - b.mean(),
        lambda a, _: a[::-1],
        lambda a, b: dl.where(a > b, a, 0.5 * b),
        lambda a, b: dl.maximum(a, b),
        lambda a, b: a + b[0],
        lambda a, b: a * b[:, 1:2],
        lambda a, _: dl.relu(a) - dl.sigmoid(a),
        lambda a, _: dl.sin(a) + dl.cos(a),
    ]
    steps = [(int(rng.integers(len(choices))), *rng.integers(0, 99, 2)) for _ in range(15)]
    chosen = rng.integers(0, 99, 3)

    def fun(x: Any, y: Any) -> Any:
        values = [x, y]
        for which, i, j in steps:
            values.append(choices[which](values[-1 - i % 3 % len(values)], values[j % len(values)]))
        results = [values[i % len(values)] + 0 for i in chosen]
        results += [values[i % len(values)].sum(axis=int(i % 2)) for i in chosen]
        return [*results, *dl.dlgradient((values[-1] * values[-2]).sum(), x, y)]

    return fun


@pytest.mark.parametrize("size", [5, 12, 33])
def test_random_programs(size: int, rng: np.random.Generator) -> None:
    compiled = 0
    for _ in range(12):
        fun = random_program(rng)
        x, y = rng.standard_normal((2, size, size)) / 2
        accelerated = dl.dlaccelerate(fun)
        kept = []
        for factor in (1.0, 0.5, 0.25, 0.75, 1.5):
            xs = [dl.dlarray(a * factor) for a in (x, y)]
            found = accelerated(*xs)
            close(found, dl.dlfeval(fun, *xs), 1e-8)
            kept.append((raw(found), [np.copy(a) for a in raw(found)]))
        for arrays, copies in kept:
            for a, b in zip(arrays, copies, strict=True):
                np.testing.assert_array_equal(a, b)
        compiled += any(callable(p.machine) for _, e in accelerated._cache for p in e.paths)
    assert compiled >= 6


def test_nan_and_infinity(rng: np.random.Generator) -> None:
    def fun(x: Any, w: Any) -> Any:
        y = dl.maximum(x @ w, 0.5) / (x + 1)
        return y, y.sum(axis=1), dl.where(dl.isnan(y), 0, y)

    x = rng.choice([0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf], (8, 8))
    with np.errstate(all="ignore"):
        as_eager(fun, x, rng.choice([0.0, 1.0, np.inf], (8, 8)))


def test_other_arrays_are_answered_by_numpy(rng: np.random.Generator) -> None:
    shapes = [(9, 6), (6, 12), (12,), (12, 3), (3,), (9, 3)]
    arrays = [rng.standard_normal(shape) for shape in shapes]
    accelerated = as_eager(mlp, *arrays)
    for i in (0, 1, 3):
        xs = [dl.dlarray(np.asfortranarray(a) if j == i else a) for j, a in enumerate(arrays)]
        assert accelerated._enter(tuple(xs)) is MISS
        close(accelerated(*xs), dl.dlfeval(mlp, *xs), 1e-12)
    other = [dl.dlarray(a.astype(np.float32)) for a in arrays]
    close(accelerated(*other), dl.dlfeval(mlp, *other), 1e-4)


def test_threads_and_calls_in_calls(rng: np.random.Generator) -> None:
    shapes = [(9, 6), (6, 12), (12,), (12, 3), (3,), (9, 3)]
    arrays = [rng.standard_normal(shape) for shape in shapes]
    accelerated = as_eager(mlp, *arrays)
    wrong: list[int] = []

    def work(number: int) -> None:
        with dl.acceleration("native"):
            xs = [dl.dlarray(a * (number + 1) / 4) for a in arrays]
            expected = raw(dl.dlfeval(mlp, *xs))
            for _ in range(300):
                found = raw(accelerated(*xs))
                if not all(np.allclose(a, b) for a, b in zip(found, expected, strict=True)):
                    wrong.append(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert not wrong


def test_much_work_is_left_to_calls_without_the_lock(rng: np.random.Generator) -> None:
    def fun(x: Any) -> Any:
        return dl.tanh(x) * x

    accelerated = dl.dlaccelerate(fun)
    x = dl.dlarray(rng.standard_normal((600, 500)))
    for _ in range(4):
        found = accelerated(x)
    assert "hold the lock" in reason(accelerated)
    close(found, dl.dlfeval(fun, x), 1e-14)
