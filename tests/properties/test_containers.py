"""Gradients mirror any nesting of containers."""

from typing import Any

import numpy as np
from hypothesis import given
from strategies import Layer, Pair, arrays, containers

import dlgradient as dl


def leaves(value: Any) -> list[Any]:
    """Find the dlarrays of a container in order, without the library."""
    if isinstance(value, Layer):
        return [*leaves(value.pair), *leaves(value.scale)]
    if isinstance(value, dict):
        return [x for item in value.values() for x in leaves(item)]
    if isinstance(value, list | tuple):
        return [x for item in value for x in leaves(item)]
    return [value]


def assert_mirrored(found: Any, value: Any) -> None:
    assert type(found) is type(value)
    if isinstance(value, Layer):
        assert_mirrored(found.pair, value.pair)
        assert_mirrored(found.scale, value.scale)
    elif isinstance(value, dict):
        assert list(found) == list(value)
        for key, item in value.items():
            assert_mirrored(found[key], item)
    elif isinstance(value, list | tuple):
        assert len(found) == len(value)
        for a, b in zip(found, value, strict=True):
            assert_mirrored(a, b)
    else:
        assert isinstance(found, dl.dlarray)
        assert found.shape == value.shape
        assert dl.dims(found) == dl.dims(value)


def loss(parameters: Any) -> Any:
    total = 0.0
    for i, x in enumerate(leaves(parameters)):
        if i % 3 != 2:  # every third variable has no effect
            total = total + (i + 1.0) * (x * x).sum()
    return total


PARAMETERS = containers(arrays().map(dl.dlarray))


@given(parameters=PARAMETERS)
def test_gradient_mirrors_its_variable(parameters: Any) -> None:
    def run(p: Any) -> Any:
        return dl.dlgradient(loss(p), p)

    found = dl.dlfeval(run, parameters)
    assert_mirrored(found, parameters)
    for i, (c, x) in enumerate(zip(leaves(found), leaves(parameters), strict=True)):
        factor = 0.0 if i % 3 == 2 else 2 * (i + 1.0)
        np.testing.assert_allclose(dl.extractdata(c), factor * dl.extractdata(x), rtol=1e-13)


@given(first=PARAMETERS, second=PARAMETERS)
def test_several_variables(first: Any, second: Any) -> None:
    def run(p: Any, q: Any) -> Any:
        return dl.dlgradient(loss(p) + 0.5 * loss(q), p, q)

    found = dl.dlfeval(run, first, second)
    assert type(found) is tuple
    assert_mirrored(found[0], first)
    assert_mirrored(found[1], second)
    for c, x in zip(leaves(found[1])[:1], leaves(second)[:1], strict=True):
        np.testing.assert_allclose(dl.extractdata(c), dl.extractdata(x), rtol=1e-13)


@given(parameters=PARAMETERS)
def test_tangents_mirror_their_variable(parameters: Any) -> None:
    """Forward mode along the variables themselves: Euler's theorem for squares."""

    def run(p: Any, t: Any) -> Any:
        y = loss(p)
        return y, dl.dljvp(y, p, t)

    y, along = dl.dlfeval(run, parameters, parameters)
    np.testing.assert_allclose(along.item(), 2 * y.item(), rtol=1e-12, atol=1e-12)


@given(parameters=PARAMETERS)
def test_what_comes_back_is_untraced(parameters: Any) -> None:
    returned = dl.dlfeval(lambda p: p, parameters)
    assert_mirrored(returned, parameters)
    for x in leaves(returned):
        np.asarray(x)  # a traced dlarray would refuse


def test_types_of_the_strategy() -> None:
    p = Pair(dl.dlarray(1.0), [dl.dlarray(2.0)])
    assert [x.item() for x in leaves({"b": p, "a": Layer((), p)})] == [1.0, 2.0, 1.0, 2.0]
