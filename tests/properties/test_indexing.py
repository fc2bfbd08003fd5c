"""Reading and assigning elements with any key that NumPy allows."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from strategies import filled, keys, seeds, shapes

import dlgradient as dl


@st.composite
def indexed(draw: Any) -> tuple[Any, Any, int]:
    shape = draw(shapes())
    seed = draw(seeds)
    return filled(shape, seed), draw(keys(shape)), seed


@given(drawn=indexed())
def test_elements(drawn: Any) -> None:
    x, key, seed = drawn
    expected = np.asarray(x)[key]
    g = filled(np.shape(expected), seed + 1)

    def run(x: Any, higher: bool) -> Any:
        y = x[key]
        return y, dl.dlvjp(y, g, x, enable_higher_derivatives=higher)

    adjoint = np.zeros(np.shape(x))
    np.add.at(adjoint, key, g)
    for higher in (False, True):
        y, found = dl.dlfeval(run, dl.dlarray(x), higher)
        assert y.shape == np.shape(expected)
        assert np.array_equal(dl.extractdata(y), expected)
        assert found.shape == np.shape(x)
        np.testing.assert_allclose(dl.extractdata(found), adjoint, rtol=1e-13)


@given(drawn=indexed())
def test_elements_read_several_times(drawn: Any) -> None:
    """Cotangents of several reads, and of another use of the array, add up."""
    x, key, seed = drawn
    expected = np.asarray(x)[key]
    g = filled(np.shape(expected), seed + 1)

    def run(x: Any) -> Any:
        y = (x[key] * g).sum() + (x * x).sum() + (x[key] * g).sum()
        return dl.dlgradient(y, x)

    adjoint = np.array(2 * x)
    np.add.at(adjoint, key, 2 * g)
    found = dl.extractdata(dl.dlfeval(run, dl.dlarray(x)))
    np.testing.assert_allclose(found, adjoint, rtol=1e-12)


@st.composite
def assigned(draw: Any) -> tuple[Any, Any, Any, int]:
    x, key, seed = draw(indexed())
    target = np.asarray(x)[key]
    shape = list(np.shape(target))
    # Any shape that broadcasts to the elements: fewer dimensions, or size one.
    shape = shape[draw(st.integers(0, len(shape))) :]
    shape = [1 if draw(st.booleans()) else n for n in shape]
    return x, key, filled(tuple(shape), seed + 2), seed


@given(drawn=assigned())
def test_assignment(drawn: Any) -> None:
    x, key, v, seed = drawn
    expected = np.array(x)
    expected[key] = v
    # Which element of v, if any, every element of the result comes from.
    source = np.full(np.shape(x), -1)
    source[key] = np.arange(np.size(v)).reshape(np.shape(v))
    g = filled(np.shape(x), seed + 1)
    to_x = np.where(source < 0, g, 0)
    to_v = np.zeros(np.size(v))
    np.add.at(to_v, source[source >= 0], np.asarray(g)[source >= 0])

    def run(x: Any, v: Any, higher: bool) -> Any:
        y = x * 1.0
        y[key] = v
        return y, dl.dlvjp(y, g, x, v, enable_higher_derivatives=higher)

    for higher in (False, True):
        y, (of_x, of_v) = dl.dlfeval(run, dl.dlarray(x), dl.dlarray(v), higher)
        assert np.array_equal(dl.extractdata(y), expected)
        np.testing.assert_allclose(dl.extractdata(of_x), to_x, rtol=1e-13)
        np.testing.assert_allclose(dl.extractdata(of_v), to_v.reshape(np.shape(v)), rtol=1e-13)


@given(drawn=assigned())
def test_assignment_untraced_has_value_semantics(drawn: Any) -> None:
    x, key, v, _ = drawn
    a = dl.dlarray(x)
    before = a + 0.0
    b = dl.dlarray(a)
    b[key] = v
    expected = np.array(x)
    expected[key] = v
    assert np.array_equal(dl.extractdata(b), expected)
    assert np.array_equal(dl.extractdata(a), dl.extractdata(before))


@given(drawn=assigned())
def test_update_in_place(drawn: Any) -> None:
    """``x[key] += v`` is a read, a sum and an assignment, as in NumPy."""
    x, key, v, seed = drawn
    expected = np.array(x)
    expected[key] += v
    g = filled(np.shape(x), seed + 1)

    def run(x: Any, v: Any) -> Any:
        y = x * 1.0
        y[key] += v
        return y, dl.dlvjp(y, g, x, v)

    y, (of_x, of_v) = dl.dlfeval(run, dl.dlarray(x), dl.dlarray(v))
    np.testing.assert_allclose(dl.extractdata(y), expected, rtol=1e-13)

    def loss(x: Any, v: Any) -> float:
        y = np.array(x)
        y[key] += v
        return float(np.sum(y * g))

    # The map is affine: one difference along a direction is exact but for rounding.
    tx, tv = filled(np.shape(x), seed + 3), filled(np.shape(v), seed + 4)
    along = loss(x + tx, v + tv) - loss(x, v)
    found = np.sum(dl.extractdata(of_x) * tx) + np.sum(dl.extractdata(of_v) * tv)
    np.testing.assert_allclose(found, along, rtol=1e-9, atol=1e-11)


def test_an_assigned_array_may_change_afterwards() -> None:
    def run(x: Any) -> Any:
        v = np.array([5.0])
        y = x * 1.0
        y[:1] = v
        z = (y[:1] * x[1:]).sum()
        first = dl.dlgradient(z, x)
        v[0] = 100.0  # dropped values are computed again from what was assigned
        return first, dl.dlgradient(z, x)

    first, second = dl.dlfeval(run, dl.dlarray([1.0, 2.0]))
    assert first.tolist() == second.tolist() == [0.0, 5.0]
