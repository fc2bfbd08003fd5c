"""Compiled convolutions with several channels against the kernels of NumPy, and exact sums."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import dlgradient as dl
from dlgradient.core import threads
from dlgradient.nn.convolution import runs, unfold
from dlgradient.nn.shared.geometry import Geometry
from dlgradient.testing import maker

pytest.importorskip("llvmlite")

DTYPES = [np.float32, np.float64]


@st.composite
def convolutions(draw):
    """Return a batch, channels and filters of a group, and a geometry."""
    rank = draw(st.integers(1, 3))
    several = lambda low, high: draw(st.tuples(*[st.integers(low, high)] * rank))  # noqa: E731 - of this draw
    sizes = several(1, (70, 18, 7)[rank - 1])
    window, stride, dilation = several(1, 4), several(1, 3), several(1, 3)
    start, after = several(-2, 4), several(-2, 4)
    lines = zip(sizes, window, stride, dilation, start, after, strict=True)
    results = [(n + a + b - d * (k - 1) - 1) // s + 1 for n, k, s, d, a, b in lines]
    assume(min(results) > 0)
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    geometry = Geometry(sizes, window, tuple(results), stride, dilation, start, groups)
    return (
        draw(st.integers(1, 3)),
        draw(st.integers(1, 5)),
        draw(st.sampled_from([1, 2, 7, 8, 21])),
        geometry,
    )


def operands(shapes, dtype):
    """Return an input, a kernel, a bias and a result."""
    batch, channels, filters, geometry = shapes
    rng, groups = maker(str(shapes)).rng, geometry.groups
    sizes = (
        (batch, channels * groups, *geometry.sizes),
        (filters * groups, channels, *geometry.window),
        (filters * groups,),
        (batch, filters * groups, *geometry.results),
    )
    return [rng.uniform(-1, 1, size).astype(dtype) for size in sizes]


def computed(x, w, b, y, geometry):
    return [
        unfold.convolve(x, w, b, geometry=geometry),
        unfold.deconvolve(y, w, geometry=geometry),
        unfold.correlate(x, y, geometry=geometry),
    ]


def in_mode(mode, *args):
    with dl.acceleration(mode), np.errstate(all="ignore"):
        return computed(*args)


def compare(found, expected, terms):
    """Compare sums of products up to one: `terms` is how many there are, of each."""
    for a, b, count in zip(found, expected, terms, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=4 * np.finfo(a.dtype).eps * count)


@given(convolutions(), st.sampled_from(DTYPES))
def test_values_are_those_of_numpy(shapes, dtype):
    batch, channels, filters, geometry = shapes
    args = (*operands(shapes, dtype), geometry)
    places = np.prod(geometry.window)
    terms = (channels * places + 1, filters * places, batch * np.prod(geometry.results))
    compare(in_mode("native", *args), in_mode("numpy", *args), terms)


LARGE = [
    # batch, channels, filters of a group, geometry; each has several strips, chunks or parts
    (1, 4, 9, Geometry((150, 130), (3, 3), (150, 130), (1, 1), (1, 1), (1, 1))),
    (2, 4, 9, Geometry((150, 131), (3, 3), (75, 66), (2, 2), (1, 1), (1, 1))),
    (1, 2, 5, Geometry((90000,), (5,), (30000,), (3,), (2,), (4,))),
    (23, 3, 70, Geometry((12, 12), (3, 3), (12, 12), (1, 1), (1, 1), (1, 1), 2)),
    (3, 40, 200, Geometry((5, 6), (3, 3), (5, 6), (1, 1), (1, 1), (1, 1))),
    (2, 3, 3, Geometry((40, 30, 30), (3, 1, 2), (19, 30, 29), (2, 1, 1), (1, 1, 1), (0, 0, 0))),
]


@pytest.mark.parametrize("shapes", LARGE, ids=str)
def test_float32_is_near_float64(shapes):
    _, _, _, geometry = shapes
    args = operands(shapes, np.float32)
    found = in_mode("native", *args, geometry)
    expected = in_mode("numpy", *[a.astype(np.float64) for a in args], geometry)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-6 * np.abs(b).max())


@pytest.mark.parametrize("shapes", LARGE, ids=str)
def test_threads_change_no_bit(shapes, monkeypatch):
    args = (*operands(shapes, np.float32), shapes[-1])
    results = []
    for count in (1, 2, 3):
        monkeypatch.setattr(threads, "_count", lambda count=count: count)
        results.append(in_mode("native", *args))
    for several in zip(*results, strict=True):
        for other in several[1:]:
            np.testing.assert_array_equal(other, several[0])


GEOMETRY = Geometry((9, 11), (3, 3), (5, 6), (2, 2), (1, 1), (1, 1))


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 5e-324, 1e308])
@pytest.mark.parametrize("changed", [0, 1, 3])
def test_strange_values_reach_the_results_that_see_them(value, changed):
    args = operands((2, 4, 3, GEOMETRY), np.float64)
    args[1][2, 0, 1, 1] = 0
    place = (2, 1, 0, 0) if changed == 1 else (1, 2, 0, 4)
    args[changed][place] = value
    found, expected = (in_mode(mode, *args, GEOMETRY) for mode in ("native", "numpy"))
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


def test_operands_need_not_be_contiguous_and_are_not_changed():
    args = operands((2, 4, 3, GEOMETRY), np.float64)
    expected = in_mode("native", *args, GEOMETRY)
    strided = [np.repeat(np.asfortranarray(a), 2, axis=0)[::2] for a in args]
    before = [a.copy() for a in strided]
    for a, b in zip(in_mode("native", *strided, GEOMETRY), expected, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(strided, before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_dtypes_are_joined():
    x, w, b, y = operands((2, 4, 3, GEOMETRY), np.float32)
    wide = w.astype(np.float64)
    found, expected = (in_mode(mode, x, wide, b, y, GEOMETRY) for mode in ("native", "numpy"))
    compare(found, expected, (40, 40, 100))


def test_an_empty_batch_has_empty_results():
    args = operands((0, 4, 3, GEOMETRY), np.float32)
    for a, b in zip(
        in_mode("native", *args, GEOMETRY), in_mode("numpy", *args, GEOMETRY), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_which_convolutions_are_compiled():
    geometry = Geometry((28, 28), (3, 3), (28, 28), (1, 1), (1, 1), (1, 1))
    wide, one = (8, 8, 3, 3), (1, 1, 3, 3)
    single = np.dtype(np.float32)
    assert runs.computes(4, wide, geometry, single)
    assert not runs.computes(4, wide, geometry, np.dtype(np.complex64))
    assert not runs.computes(4, (8, 8, 1, 1), GEOMETRY, single)  # it is small
    with dl.acceleration("native"):
        assert runs.computes(1, wide, GEOMETRY, single)
        assert not runs.computes(1, one, GEOMETRY, single)
    with dl.acceleration("numpy"):
        assert not runs.computes(4, wide, geometry, single)


def test_derivatives_of_all_orders_are_those_of_numpy(rng):
    x, w = (
        dl.dlarray(rng.normal(size=(2, 3, 7, 6)), "BCSS"),
        dl.dlarray(rng.normal(size=(4, 3, 3, 3))),
    )
    t = dl.dlarray(rng.normal(size=x.shape), "BCSS")

    def loss(x, w):
        return dl.sum(dl.dlconv(x, w, 0, stride=2, padding=1, weights_format="UCSS") ** 3)

    def derivatives(x, w):
        g, h = dl.dlgradient(loss(x, w), (x, w), enable_higher_derivatives=True)
        second = dl.dlgradient(dl.sum(g**2) + dl.sum(h**2), (x, w), retain_data=True)
        return [*second, dl.dljvp(loss(x, w), x, t)]

    found = []
    for mode in ("numpy", "native"):
        with dl.acceleration(mode):
            found.append([dl.extractdata(d) for d in dl.dlfeval(derivatives, x, w)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, atol=1e-12 * np.abs(a).max())
