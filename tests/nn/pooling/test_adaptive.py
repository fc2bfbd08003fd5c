"""Pooling into a given number of windows: short and long ones are reduced in different ways."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.nn.pooling import intervals

SIZES = [((13,), (5,)), ((13,), (20,)), ((200,), (3,)), ((9, 7), (4, 2)), ((5, 6, 4), (2, 3, 5))]


def windows(n: int, count: int) -> list[slice]:
    return [slice(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]


def each_window(sizes, size):
    """Yield the index of each window, and its elements."""
    lines = [windows(*pair) for pair in zip(sizes, size, strict=True)]
    for index in np.ndindex(*size):
        yield index, tuple(line[i] for line, i in zip(lines, index, strict=True))


def data(rng, sizes, kind):
    """Two observations of one channel: different numbers, many ties, or NaN among them."""
    x = rng.standard_normal((2, 1, *sizes))
    if kind == "ties":
        x = np.maximum(np.rint(x), 0)
    if kind == "nan":
        x[rng.random(x.shape) < 0.1] = np.nan
    return x


def pulled(function, x, g):
    x = dl.dlarray(x, "BC" + "S" * (x.ndim - 2))
    pull = dl.dlfeval(lambda x: dl.dlgradient((function(x) * g).sum(), x), x)
    return dl.extractdata(function(x)), dl.extractdata(pull)


@pytest.mark.parametrize("is_reduced", [True, False])
@pytest.mark.parametrize("kind", ["different", "ties", "nan"])
@pytest.mark.parametrize(("sizes", "size"), SIZES)
def test_maxima(rng, monkeypatch, sizes, size, kind, is_reduced):
    for name in ("COVER_LONG_ELEMENTS", "COVER_REDUCED_ELEMENTS"):
        monkeypatch.setattr(intervals, name, 1 if is_reduced else 1 << 40)
    monkeypatch.setattr(intervals, "COVER_CHUNK_BYTES", 1)
    x, g = data(rng, sizes, kind), rng.standard_normal((2, 1, *size))
    out, pull = np.empty(g.shape), np.zeros(x.shape)
    for index, window in each_window(sizes, size):
        part = x[(..., *window)]
        inner = tuple(range(2, part.ndim))
        best = np.max(part, axis=inner, keepdims=True)
        out[(..., *index)] = best.reshape(2, 1)
        same = (part == best) | (np.isnan(part) & np.isnan(best))
        share = np.expand_dims(g[(..., *index)], inner) / same.sum(inner, keepdims=True)
        pull[(..., *window)] += same * share
    found = pulled(lambda x: dl.adaptivemaxpool(x, size), x, g)
    np.testing.assert_array_equal(found[0], out)
    np.testing.assert_allclose(found[1], pull, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("kind", ["different", "nan"])
@pytest.mark.parametrize(("sizes", "size"), [*SIZES, ((150,), (70,))])
def test_means(rng, sizes, size, kind):
    x, g = data(rng, sizes, kind), rng.standard_normal((2, 1, *size))
    out, pull = np.empty(g.shape), np.zeros(x.shape)
    for index, window in each_window(sizes, size):
        part = x[(..., *window)]
        inner = tuple(range(2, part.ndim))
        out[(..., *index)] = part.mean(axis=inner)
        number = part[0, 0].size
        pull[(..., *window)] += np.expand_dims(g[(..., *index)], inner) / number
    found = pulled(lambda x: dl.adaptiveavgpool(x, size), x, g)
    np.testing.assert_allclose(found[0], out, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(found[1], pull, rtol=1e-13, atol=1e-14)
