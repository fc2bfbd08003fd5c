"""Binary operations and reductions for any shapes: values as NumPy's, gradients as differences."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import broadcastable, filled, seeds, shapes

import dlgradient as dl
from dlgradient.testing import check_derivatives

BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
}
REDUCTIONS = {
    "sum": np.sum,
    "mean": np.mean,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "var": np.var,
    "std": np.std,
}


def assert_same(found: Any, expected: Any) -> None:
    value = dl.extractdata(found)
    assert value.shape == np.shape(expected)
    np.testing.assert_allclose(value, expected, rtol=1e-12)


@pytest.mark.parametrize("name", BINARY)
@given(xy=broadcastable())
def test_binary(name: str, xy: tuple[Any, Any]) -> None:
    x, y = xy
    function = getattr(dl, name)
    assert_same(function(dl.dlarray(x), dl.dlarray(y)), BINARY[name](x, y))
    assert_same(function(x, dl.dlarray(y)), BINARY[name](x, y))
    check_derivatives(function, x, y, order=1)


@given(xy=broadcastable())
def test_power(xy: tuple[Any, Any]) -> None:
    x, y = np.abs(xy[0]), xy[1]
    assert_same(dl.dlarray(x) ** dl.dlarray(y), x**y)
    check_derivatives(dl.pow, x, y)


@given(xy=broadcastable(), condition=seeds)
def test_where(xy: tuple[Any, Any], condition: int) -> None:
    x, y = xy
    mask = np.random.default_rng(condition).random(np.broadcast_shapes(x.shape, y.shape)) < 0.5
    assert_same(dl.where(mask, dl.dlarray(x), dl.dlarray(y)), np.where(mask, x, y))
    check_derivatives(lambda x, y: dl.where(mask, x, y), x, y, order=1)


@st.composite
def reductions(draw: Any, min_side: int) -> tuple[Any, Any, bool]:
    """An array, an axis (or several, or None) and keepdims."""
    shape = draw(shapes(min_side=min_side))
    axes = range(-len(shape), len(shape))
    choices: list[Any] = [st.none()]
    if shape:
        choices += [
            st.sampled_from(axes),
            st.lists(
                st.sampled_from(axes), max_size=len(shape), unique_by=lambda a: a % len(shape)
            ),
        ]
    axis = draw(st.one_of(choices))
    return (
        filled(shape, draw(seeds)),
        tuple(axis) if isinstance(axis, list) else axis,
        draw(st.booleans()),
    )


@pytest.mark.parametrize("name", ["sum", "prod"])
@given(drawn=reductions(min_side=0))
def test_reduction_of_any_array(name: str, drawn: Any) -> None:
    check_reduction(name, *drawn)


@pytest.mark.parametrize("name", ["mean", "max", "min", "var"])
@given(drawn=reductions(min_side=1))
def test_reduction_of_elements(name: str, drawn: Any) -> None:
    check_reduction(name, *drawn)


@given(drawn=reductions(min_side=2))
def test_standard_deviation(drawn: Any) -> None:
    x, axis, keepdims = drawn
    if not x.ndim or axis == ():
        return  # of one element: a kink
    check_reduction("std", x, axis, keepdims)


def check_reduction(name: str, x: Any, axis: Any, keepdims: bool) -> None:
    function = getattr(dl, name)
    expected = REDUCTIONS[name](x, axis=axis, keepdims=keepdims)
    assert_same(function(dl.dlarray(x), axis=axis, keepdims=keepdims), expected)
    check_derivatives(lambda x: function(x, axis=axis, keepdims=keepdims), x)
