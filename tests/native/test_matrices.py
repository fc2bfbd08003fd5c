"""Compiled products of small matrices, copies, and tests for NaN, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("llvmlite")

from dlgradient.native.code import ELEMENTS, Function
from dlgradient.native.compiler import address_of, compiled
from dlgradient.native.machine import machine
from dlgradient.native.matrices import holds_nan, moved, product, product_of_rows

SHAPES = [(1, 1, 1), (3, 2, 5), (7, 9, 16), (25, 13, 31), (5, 64, 3), (13, 1, 65), (2, 7, 130)]


def called(inner: Function, *arrays: Any) -> None:
    """Call a function that only other functions can call."""
    f = Function("outer")
    f.apply(inner, *[f.address(f"a{i}", shared=True) for i in range(len(arrays))])
    compiled(f)(*map(address_of, arrays))


def strides_of(x: Any) -> tuple[int, ...]:
    """Return the strides of an array in elements."""
    return tuple([s // x.itemsize for s in x.strides])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_all_strides(shape: Any, dtype: Any, rng: np.random.Generator) -> None:
    m, k, n = shape
    wide, y = rng.standard_normal((2 * m, 2 * k)), rng.standard_normal((k, n + 3)).astype(dtype)
    wide = wide.astype(dtype)
    for x in (wide[:m, :k], wide[::2, ::-2], np.asfortranarray(wide)[m:, k:], wide[::-1, k:][:m]):
        left = strides_of(x)
        guarded = np.full(m * n + 8, 7, dtype)
        called(product(ELEMENTS[x.dtype.char], shape, left, n + 3), x, y, guarded)
        found = guarded[: m * n].reshape(m, n)
        exact = x.astype(np.longdouble) @ y[:, :n].astype(np.longdouble)
        size = np.abs(x).astype(np.longdouble) @ np.abs(y[:, :n])
        assert np.all(np.abs(found - exact) <= (k + 1) * np.finfo(dtype).eps * size)
        assert np.all(guarded[m * n :] == 7)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (4, 8), (9, 2), (13, 7)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_rows(size: Any, dtype: Any, rng: np.random.Generator) -> None:
    (m, n), k = size, 3 * machine().lanes(ELEMENTS[np.dtype(dtype).char])
    x, y = rng.standard_normal((m, k + 5)).astype(dtype), rng.standard_normal((n, k)).astype(dtype)
    guarded = np.full(m * n + 8, 7, dtype)
    inner = product_of_rows(ELEMENTS[x.dtype.char], (m, k, n), (k + 5, k))
    called(inner, x, y, guarded)
    exact = x[:, :k].astype(np.longdouble) @ y.T.astype(np.longdouble)
    bound = np.abs(x[:, :k]).astype(np.longdouble) @ np.abs(y.T) * (k + 1) * np.finfo(dtype).eps
    assert np.all(np.abs(guarded[: m * n].reshape(m, n) - exact) <= bound)
    assert np.all(guarded[m * n :] == 7)


def test_products_know_nan_and_infinity() -> None:
    x, y = np.array([[1.0, np.inf], [np.nan, 0.0]]), np.array([[0.0, 1.0, 2.0], [1.0, -1.0, 0.0]])
    found = np.empty((2, 3))
    called(product("double", (2, 2, 3), (2, 1), 3), x, y, found)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(found, x @ y)


@pytest.mark.parametrize("kind", ["float", "double", "i64", "i8"])
@pytest.mark.parametrize("add", [False, True])
def test_arrays_are_copied_from_any_strides_to_any(
    kind: str, add: bool, rng: np.random.Generator
) -> None:
    dtype = {"float": np.float32, "double": np.float64, "i64": np.int64, "i8": np.int8}[kind]
    whole = rng.integers(-50, 50, (4, 6, 10)).astype(dtype)
    views = [whole, whole.T, whole[::-1, 1:, ::3], np.broadcast_to(whole[:, :1], (4, 3, 10))]
    for x in views:
        room = rng.integers(-50, 50, [2 * n for n in x.shape]).astype(dtype)
        out = room[tuple([slice(n // 2, n // 2 + n) for n in x.shape])]
        expected = room.copy()
        inside = tuple([slice(n // 2, n // 2 + n) for n in x.shape])
        expected[inside] = expected[inside] + x if add else x
        f = Function("outer")
        a, b = f.address("a"), f.address("b")
        f.apply(moved(kind, x.shape, strides_of(x), strides_of(out), add), a, b)
        compiled(f)(address_of(x), address_of(out))
        np.testing.assert_array_equal(room, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_is_found_anywhere(dtype: Any) -> None:
    element = ELEMENTS[np.dtype(dtype).char]
    f = Function("outer")
    x, out, size = f.address("x"), f.address("out"), f.integer("size")
    found = f.apply(holds_nan(element), x, size)
    f.store(f.recast("zext", found, "i64"), out, 0)
    run = compiled(f)
    for count in (1, 7, 16, 37):
        result = np.zeros(1, np.int64)
        values = np.full(count, np.inf, dtype)
        run(address_of(values), address_of(result), count)
        assert result[0] == 0
        for place in range(count):
            values = np.zeros(count, dtype)
            values[place] = np.nan
            run(address_of(values), address_of(result), count)
            assert result[0] == 1
