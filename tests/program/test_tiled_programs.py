"""Programs over many points, in tiles: they return what eager calls do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core import threads
from dlgradient.program import rooms

pytest.importorskip("llvmlite")

from dlgradient.program.passes import tiles


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Tile programs of few lines, and of few points."""
    monkeypatch.setattr(tiles, "LEAST_POINTS", 100)
    monkeypatch.setattr(tiles, "LEAST_LINES", 2)
    with dl.acceleration("auto"):
        yield


def raw(value: Any) -> list[Any]:
    """Return the arrays of a result."""
    if isinstance(value, list | tuple):
        return [a for member in value for a in raw(member)]
    return [dl.extractdata(value)]


def close(found: Any, expected: Any, rtol: float) -> None:
    """Raise an error if results differ by more than rounding."""
    for a, b in zip(raw(found), raw(expected), strict=True):
        assert (type(a), a.shape, a.dtype) == (type(b), b.shape, b.dtype)
        scale = float(np.max(np.abs(b), initial=1.0, where=np.isfinite(b)))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * scale)


def as_eager(
    fun: Callable[..., Any], *arrays: Any, rtol: float = 1e-11, is_tiled: bool = True
) -> Any:
    """Compare replayed calls with eager ones, and earlier results with copies of them."""
    accelerated = dl.dlaccelerate(fun)
    kept = []
    for factor in (1.0, 0.5, -0.5, 2.0):
        xs = [dl.dlarray(a * np.asarray(factor, a.dtype)) for a in arrays]
        found = accelerated(*xs)
        close(found, dl.dlfeval(fun, *xs), rtol)
        kept.append((raw(found), [np.copy(a) for a in raw(found)]))
    assert accelerated.hit_rate == 50
    paths = [path for _, entry in accelerated._cache for path in entry.paths]
    loops = [path.loops for path in paths]
    functions = [type(g.function).__name__ for x in loops if x for g in x.program.groups]
    assert ("Tile" in functions) == is_tiled
    for found, copies in kept:
        for a, b in zip(found, copies, strict=True):
            np.testing.assert_array_equal(a, b)
    return accelerated


def columns(t: Any, x: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """Return a residual with a second derivative, and its gradients; points are columns."""
    y = dl.tanh(W1 @ dl.concat([t, x]) + b1[:, None])
    u = W2 @ dl.tanh(y) + b2[:, None]
    u_t, u_x = dl.dlgradient(u.sum(), t, x, enable_higher_derivatives=True)
    u_xx = dl.dlgradient(u_x.sum(), x, enable_higher_derivatives=True)
    r = u_t + u * u_x - 0.1 * u_xx
    loss = dl.mean(r * r)
    return loss, r, dl.dlgradient(loss, [W1, b1, W2, b2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("points", [256, 512 + 1, 256 * 70 + 5])
def test_a_residual_over_columns(points: int, dtype: Any, rng: np.random.Generator) -> None:
    shapes = [(1, points), (1, points), (9, 2), (9,), (1, 9), (1,)]
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    as_eager(columns, *arrays, rtol=1e-4 if dtype == np.float32 else 1e-11)


def rows(x: Any, t: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """Return loss, outputs and gradients of a network; points are rows."""
    y = dl.relu(x @ W1 + b1) @ W2 + b2
    loss = dl.mean((y - t) ** 2) + 0.1 * (W1 * W1).sum()
    return loss, y, y.sum(axis=1), dl.dlgradient(loss, [x, W1, b1, W2, b2])


@pytest.mark.parametrize("points", [256, 400, 515])
def test_a_network_over_rows(points: int, rng: np.random.Generator) -> None:
    shapes = [(points, 7), (points, 3), (7, 20), (20,), (20, 3), (3,)]
    as_eager(rows, *[rng.standard_normal(shape) for shape in shapes])


def test_statistics_of_the_points_leave_no_tile(rng: np.random.Generator) -> None:
    def fun(x: Any) -> Any:
        y = dl.tanh(x) - dl.tanh(x).mean(axis=0)
        return (y * y).sum(), y

    as_eager(fun, rng.standard_normal((300, 4)), is_tiled=False)


def test_matrices_of_points_by_points_leave_no_tile(rng: np.random.Generator) -> None:
    def fun(x: Any) -> Any:
        k = dl.exp(-((x - x.mT) ** 2)) * 2
        return k.sum(), dl.tanh(k)

    as_eager(fun, rng.standard_normal((200, 1)), is_tiled=False)


def test_captured_arrays_and_other_orders(rng: np.random.Generator) -> None:
    data, rate = rng.standard_normal((300, 5)), np.linspace(0, 1, 300)

    def fun(x: Any, w: Any) -> Any:
        y = dl.sin(x * data + rate[:, None]) @ w
        return dl.mean(y, axis=0), y.mT, (y * rate[:, None]).sum(), y[:, ::2]

    x, w = rng.standard_normal((5, 300)).T, rng.standard_normal((4, 5)).T
    as_eager(fun, x, w)


def test_columns_by_number(rng: np.random.Generator) -> None:
    def fun(x: Any, w: Any) -> Any:
        y = dl.tanh(x @ w)
        u = y[:, 0] * y[..., 1] + y[..., -1:][:, 0]
        z = dl.sin(y[:, 1:, None]) * 2
        loss = (u * u).mean() + z.sum()
        return loss, u, y[:, 2], z[..., 0, :], dl.dlgradient(loss, x, w)

    as_eager(fun, rng.standard_normal((300, 5)), rng.standard_normal((5, 3)))


def random_program(rng: np.random.Generator, points: int) -> Callable[..., Any]:
    """Return a function of two arrays of five columns, and of a square matrix."""
    choices: list[Callable[[Any, Any, Any], Any]] = [
        lambda a, b, _: a + b,
        lambda a, b, _: a * b - 2,
        lambda a, _b, _w: dl.tanh(a),
        lambda a, b, _: dl.exp(-a * a) / (b * b + 1),
        lambda a, _, w: (a @ w) / 3,
        lambda a, _, w: (a @ w.mT) / 3,
        lambda a, b, _: a + b[:, 1:2],
        lambda a, b, w: a * (w.sum(axis=0) - b),
        lambda a, b, _: a - b.mean(axis=1)[:, None],
        lambda a, b, _: dl.where(a > b, a, 0.5 * b),
        lambda a, b, _: dl.concat([a[:, :2], b[:, 2:]], axis=1),
        lambda a, _b, _w: a.mT.reshape((5, points)).mT,
        lambda a, _b, _w: dl.relu(a) - dl.sigmoid(a),
        lambda a, b, _: dl.maximum(a, b) + dl.abs(a),
    ]
    steps = [(int(rng.integers(len(choices))), *rng.integers(0, 99, 2)) for _ in range(14)]
    chosen = rng.integers(0, 99, 2)

    def fun(x: Any, y: Any, w: Any) -> Any:
        values = [x, y]
        for which, i, j in steps:
            a, b = values[-1 - i % 3 % len(values)], values[j % len(values)]
            values.append(choices[which](a, b, w))
        results = [values[i % len(values)] * 2 for i in chosen]
        total = (values[-1] * values[-2]).mean() + (values[-1].mT @ values[-3]).sum()
        return [total, *results, values[-1].sum(axis=0), *dl.dlgradient(total, x, y, w)]

    return fun


def test_random_programs(rng: np.random.Generator) -> None:
    count = 0
    for points in (256, 300, 129, 513) * 2:
        fun = random_program(rng, points)
        shapes = [(points, 5), (points, 5), (5, 5)]
        arrays = [rng.standard_normal(shape) / 2 for shape in shapes]
        accelerated = dl.dlaccelerate(fun)
        for factor in (1.0, 0.5, 0.25, 0.75):
            xs = [dl.dlarray(a * factor) for a in arrays]
            close(accelerated(*xs), dl.dlfeval(fun, *xs), 1e-8)
        sources = [p.loops for _, e in accelerated._cache for p in e.paths]
        names = [type(g.function).__name__ for x in sources if x for g in x.program.groups]
        count += "Tile" in names
    assert count >= 5


def test_results_outlive_what_reads_them(rng: np.random.Generator) -> None:
    def fun(x: Any, w: Any) -> Any:
        y = x @ w
        z = dl.tanh(y) @ w
        u = (z * y) @ w
        v = dl.tanh(u) @ w
        return y, z, u, v.sum(), (v * v).mean(axis=0), dl.sin(v) @ w

    as_eager(fun, rng.standard_normal((700, 6)), rng.standard_normal((6, 6)) / 3)


def test_nan_takes_another_path_and_infinity_the_same(rng: np.random.Generator) -> None:
    arrays = [rng.standard_normal(s) for s in [(300, 7), (300, 3), (7, 20), (20,), (20, 3), (3,)]]
    accelerated = as_eager(rows, *arrays)
    for special in (np.nan, np.inf):
        arrays[0][17, 3] = special
        xs = [dl.dlarray(a) for a in arrays]
        with np.errstate(all="ignore"):
            for _ in range(4):
                close(accelerated(*xs), dl.dlfeval(rows, *xs), 1e-11)


def test_the_number_of_threads_changes_no_bit(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = [(1, 3000), (1, 3000), (9, 2), (9,), (1, 9), (1,)]
    xs = [dl.dlarray(rng.standard_normal(shape)) for shape in shapes]
    found = []
    for count in (1, 3):
        monkeypatch.setattr(threads, "_count", lambda count=count: count)
        accelerated = dl.dlaccelerate(columns)
        for _ in range(3):
            result = accelerated(*xs)
        found.append(raw(result))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(rooms._kept) <= rooms.ROOMS


def test_few_points_have_no_tile(rng: np.random.Generator) -> None:
    shapes = [(99, 7), (99, 3), (7, 20), (20,), (20, 3), (3,)]
    as_eager(rows, *[rng.standard_normal(shape) for shape in shapes], is_tiled=False)
