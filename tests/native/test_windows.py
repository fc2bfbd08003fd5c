"""Compiled maxima over windows against the kernels of NumPy, bit by bit, for generated shapes."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import dlgradient as dl
from dlgradient.core import threads
from dlgradient.nn.pooling import compiled, kernels
from dlgradient.nn.shared.geometry import Geometry
from dlgradient.testing import maker

pytest.importorskip("llvmlite")
from dlgradient.native import windows

# Different numbers, or few that are often equal.
VALUES = {
    "different": np.linspace(-3, 3, 1009),
    "equal": np.array([0.0, 1.0]),
    "zeros": np.array([-0.0, 0.0, -1.0]),
    "infinite": np.array([-np.inf, -np.inf, -1.0, np.inf]),
    "nan": np.array([np.nan, -np.inf, 0.0, 1.0, 2.0]),
}


@st.composite
def geometries(draw):
    """Return a geometry of one or two dimensions, with padding, gaps and windows that overlap."""
    lines = []
    for _ in range(draw(st.integers(1, 2))):
        n, k = draw(st.integers(1, 40)), draw(st.integers(1, 5))
        s, d = draw(st.sampled_from([1, 2, 4])), draw(st.integers(1, 3))
        before, after = draw(st.integers(-2, 4)), draw(st.integers(-2, 4))
        lines.append((n, k, (n + before + after - d * (k - 1) - 1) // s + 1, s, d, before))
    geometry = Geometry(*zip(*lines, strict=True))
    assume(min(geometry.results) > 0)
    return geometry


def both(x, g, geometry):
    """Return maxima and their adjoint, by NumPy and compiled."""
    found = []
    for mode in ("numpy", "native"):
        with dl.acceleration(mode):
            y = kernels.maximum(x, geometry=geometry)
            found.append((y, kernels.maximum_adjoint(g, x, y, geometry=geometry)))
    return found


@given(geometries(), st.sampled_from("fd"), st.sampled_from(list(VALUES)), st.booleans())
def test_results_have_the_bits_of_numpy(geometry, char, kind, is_finite):
    rng = maker(str((geometry, kind))).rng
    x = rng.choice(VALUES[kind], (2, 2, *geometry.sizes)).astype(char)
    g = rng.normal(size=(2, 2, *geometry.results)).astype(char)
    if not is_finite:
        g[rng.random(g.shape) < 0.2] = rng.choice([np.inf, -np.inf, np.nan])
    for numpy, native in zip(*both(x, g, geometry), strict=True):
        np.testing.assert_array_equal(native, numpy)
        assert native.dtype == numpy.dtype


def example(rng, sizes=(28, 28), window=2, stride=2, start=0):
    """Return an array, a cotangent and a geometry."""
    pairs = [(a,) * len(sizes) for a in (window, stride, 1, start)]
    results = tuple([(n + 2 * start - window) // stride + 1 for n in sizes])
    geometry = Geometry(sizes, pairs[0], results, *pairs[1:])
    return rng.normal(size=(6, 2, *sizes)), rng.normal(size=(6, 2, *results)), geometry


@pytest.mark.parametrize("sizes", [(28, 28), (30, 27), (7,)])
@pytest.mark.parametrize(("window", "stride", "start"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
def test_arrays_may_have_any_strides(rng, sizes, window, stride, start):
    x, g, geometry = example(rng, sizes, window, stride, start)
    for numpy, native in zip(*both(x[::-2, :, ::-1], g[::2], geometry), strict=True):
        np.testing.assert_array_equal(native, numpy)


@pytest.mark.parametrize(("window", "stride", "start"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
def test_nothing_around_the_results_is_written(rng, window, stride, start):
    x, g, geometry = example(rng, (9, 21), window, stride, start)
    with dl.acceleration("native"):
        expected = compiled.maximum(x, geometry), compiled.maximum_adjoint(g, x, geometry)
    layout, sizes, _ = compiled.plan(geometry, x.dtype)
    for kernel, operands, result in (
        (windows.maximum, (x,), expected[0]),
        (windows.maximum_adjoint, (g, x), expected[1]),
    ):
        memory = np.full(result.size + 128, 7.0)
        memory[64:-64] = 0
        compiled.run(kernel(layout), (*operands, memory[64:-64].reshape(result.shape)), sizes)
        np.testing.assert_array_equal(memory[64:-64].reshape(result.shape), result)
        assert set(memory[:64]) | set(memory[-64:]) == {7.0}


def test_the_number_of_threads_changes_nothing(rng, monkeypatch):
    x, g, geometry = example(rng, (70, 300), 3, 2, 1)
    results = []
    for count in (1, 3):
        monkeypatch.setattr(threads, "_count", lambda count=count: count)
        with dl.acceleration("native"):
            results.append(compiled.maximum_adjoint(g, x, geometry))
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("case", ["integers", "half", "mixed", "stride", "volume", "window"])
def test_what_stays_with_numpy(rng, case):
    sizes = (4, 5, 6) if case == "volume" else (18, 18)
    window, stride = 6 if case == "window" else 2, 3 if case == "stride" else 2
    x, g, geometry = example(rng, sizes, window, stride)
    x = x.astype({"integers": "i8", "half": "f2", "mixed": "f4"}.get(case, "f8"))
    with dl.acceleration("native"):
        assert not compiled.computes(geometry, g, x)
        y = kernels.maximum(x, geometry=geometry)
        assert kernels.maximum_adjoint(g, x, y, geometry=geometry).sum() == pytest.approx(g.sum())
