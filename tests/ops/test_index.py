"""Gradients of many elements taken by index: the way for large arrays adds up the same."""

from array import array
from copy import copy

import numpy as np
import pytest
from rounding import assert_close

import dlgradient as dl


def gradient(fun, x, weights):
    """Gradient of Σ weights · fun(x) and what `fun` takes."""
    return np.asarray(
        dl.dlfeval(lambda x: dl.dlgradient(dl.real(fun(x) * weights).sum(), x), dl.dlarray(x))
    )


@pytest.mark.parametrize("axis", [0, 1, -1, None])
@pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
def test_take(rng, axis, dtype):
    x = rng.standard_normal((6, 30, 8)).astype(dtype)
    size = x.size if axis is None else x.shape[axis]
    indices = rng.integers(-size, size, (20, 40))
    weights = rng.standard_normal(np.take(x, indices, axis).shape).astype(dtype)
    assert weights.size > 1 << 14 or axis is None
    want = np.zeros_like(x)
    places = np.take(np.arange(x.size).reshape(x.shape), indices, axis)
    np.add.at(want.reshape(-1), places, np.conj(weights))
    got = gradient(lambda x: dl.take(x, indices, axis=axis), x, weights)
    assert got.dtype == x.dtype
    assert_close(got, want, np.bincount(places.reshape(-1)).max())


@pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
@pytest.mark.parametrize("rows", [30, 3000])
def test_indexing(rng, rows, dtype):
    x = rng.standard_normal((rows, 9)).astype(dtype)
    key = (rng.integers(-rows, rows, (4, 60)), slice(None, None, 2))
    weights = rng.standard_normal(x[key].shape).astype(dtype)
    for repeat in (1, 5):  # below and above the number from which counting is the faster way
        key = (np.tile(key[0], (repeat, 1)), key[1])
        many = np.tile(weights, (repeat, 1, 1))
        want = np.zeros_like(x)
        np.add.at(want, key, np.conj(many))
        got = gradient(lambda x, key=key: x[key], x, many)
        assert got.dtype == x.dtype
        assert_close(got, want, np.bincount(key[0].reshape(-1) % rows).max())


class Place:
    """An object that says its integer."""

    def __init__(self, value):
        self.value = value

    def __index__(self):
        return self.value

    def fill(self, value):
        self.value = value


def series(values):
    return pytest.importorskip("pandas").Series(values)


def fill(index, value):
    """Change an index in place."""
    if isinstance(index, list | memoryview) or type(index).__module__ == "array":
        index[:] = (
            type(index)("q", [value] * len(index))
            if hasattr(index, "typecode")
            else ([value] * len(index))
        )
    elif hasattr(index, "iloc"):
        index.iloc[:] = value
    else:
        index.fill(value)


INDICES = {
    "list": ([1, 3], lambda index: index),
    "array": (np.array([1, 3]), lambda index: index),
    "Series": (lambda: series([1, 3]), lambda index: index),
    "array of Python": (lambda: array("q", [1, 3]), lambda index: index),
    "in a tuple": ([1, 3], lambda index: (index, slice(None))),
    "bound of a slice": (np.array(1), lambda index: slice(index, None)),
    "step of a slice": (np.array(2), lambda index: (slice(None, None, index), 1)),
    "object with an integer": (lambda: Place(1), lambda index: index),
    "array without dimensions": (np.array(1), lambda index: (index, index)),
}


@pytest.mark.parametrize("kind", INDICES)
@pytest.mark.parametrize("assigns", [False, True])
def test_an_index_may_change_afterwards(kind, assigns):
    first, make = INDICES[kind]
    index = first() if callable(first) else copy(first)
    data = np.arange(12.0).reshape(4, 3)

    def run(x, changes):
        used = x * 1.0
        if assigns:
            used[make(index)] = 0.0
            y = (used**2).sum()
        else:
            y = (used[make(index)] ** 2).sum()
        if changes:
            fill(index, 0)
        return dl.dlgradient(y, x)

    expected = dl.dlfeval(run, dl.dlarray(data), False).tolist()
    assert dl.dlfeval(run, dl.dlarray(data), True).tolist() == expected


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("assigned", [False, True])
@pytest.mark.parametrize("kind", ["number", "members", "bounds"])
@pytest.mark.parametrize("value", [1.0, 2.5, 1 + 0j])
def test_an_index_that_is_no_integer(traced, assigned, kind, value):
    index = [value, value] if kind == "members" else value
    forms = [index, np.array(index), dl.dlarray(index)]
    if kind == "number":
        forms += [np.float64(value) if isinstance(value, float) else np.complex128(value)]
    if kind == "bounds":
        forms = [slice(bound, None) for bound in forms] + [slice(None, None, b) for b in forms]
    forms += [(slice(None), form) for form in forms]

    def use(x, form):
        if assigned:
            x[form] = 0.0
        return x[form]

    whole = "1" if kind != "members" else r"extractdata\(i\)\.astype\(int\)"
    fix = (
        f"write {whole}; indices count from 0" if value == 1.0 and type(value) is float else "round"
    )
    for form in forms:
        x = dl.dlarray(np.zeros((3, 3)))
        with pytest.raises(
            dl.errors.IndexingError, match=rf"indexing a dlarray with .*: an index must.*{fix}"
        ):
            dl.dlfeval(use, x, form) if traced else use(x, form)
