"""`dlcheckpoint`: the same derivatives with less memory, at one more evaluation."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dlgradient as dl
from dlgradient.rules import DERIVED, OPS
from dlgradient.testing.checks import Bound, outputs
from dlgradient.testing.subject import Subject


def raw(x: Any) -> Any:
    return dl.extractdata(x)


def steps(w: Any, x: Any) -> Any:
    for _ in range(10):
        x = dl.tanh(w @ x) * x
    return x


@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_are_the_same(order, rng):
    w, x = dl.dlarray(rng.normal(size=(3, 3))), dl.dlarray(rng.normal(size=3))

    def derivative(w, x, part):
        y = (part(w, part(w, x)) ** 2).sum()
        for _ in range(order):
            y = dl.dlgradient(y, x, enable_higher_derivatives=True).sum()
        return y

    found = dl.dlfeval(derivative, w, x, dl.dlcheckpoint(steps))
    assert_allclose(raw(found), raw(dl.dlfeval(derivative, w, x, steps)), rtol=1e-12)


def test_forward_mode_and_jacobians_are_the_same(rng):
    w, x = dl.dlarray(rng.normal(size=(3, 3))), dl.dlarray(rng.normal(size=3))

    def derivative(w, x, part):
        y = part(w, x)
        return dl.dljvp(y, x, [1.0, 2.0, 3.0]), dl.dljacobian(y, x), dl.dlhessian(y.sum(), x)

    found = dl.dlfeval(derivative, w, x, dl.dlcheckpoint(steps))
    for a, b in zip(found, dl.dlfeval(derivative, w, x, steps), strict=True):
        assert_allclose(raw(a), raw(b), rtol=1e-12)


def test_several_gradients_of_one_trace(rng):
    x = dl.dlarray(rng.normal(size=3))

    def twice(x):
        y = dl.dlcheckpoint(lambda x: dl.exp(dl.sin(x) * x))(x).sum()
        return dl.dlgradient(y, x), dl.dlgradient(2 * y, x)

    first, second = dl.dlfeval(twice, x)
    assert_allclose(2 * raw(first), raw(second))
    v = raw(x)
    expected = np.exp(np.sin(v) * v) * (np.cos(v) * v + np.sin(v))
    assert_allclose(raw(first), expected)


def test_containers_formats_and_values_from_outside(rng):
    p = {"w": dl.dlarray(rng.normal(size=(3, 2))), "b": dl.dlarray(np.zeros(3))}
    x = dl.dlarray(rng.normal(size=(4, 2)), "BC")

    def loss(p, wrap):
        def layer(x):  # learnables are from outside
            y = dl.tanh(dl.fullyconnect(x, p["w"], p["b"]))
            return {"y": y, "penalty": (y**2).mean()}

        found = wrap(layer)(x)
        assert dl.dims(found["y"]) == "BC"
        return dl.dlgradient((found["y"] ** 3).sum() + found["penalty"], p)

    found, expected = dl.dlfeval(loss, p, dl.dlcheckpoint), dl.dlfeval(loss, p, lambda f: f)
    for name in p:
        assert_allclose(raw(found[name]), raw(expected[name]), rtol=1e-12)


def test_a_checkpoint_in_a_checkpoint(rng):
    x = dl.dlarray(rng.normal(size=3))
    inner = dl.dlcheckpoint(lambda x: dl.sin(dl.exp(dl.sin(x))))
    outer = dl.dlcheckpoint(lambda x: inner(dl.cos(inner(x)) * x))

    def plain(x):
        y = dl.sin(dl.exp(dl.sin(x)))
        return dl.sin(dl.exp(dl.sin(dl.cos(y) * x)))

    def gradient(x, fun):
        return dl.dlgradient(fun(x).sum(), x)

    assert_allclose(raw(dl.dlfeval(gradient, x, outer)), raw(dl.dlfeval(gradient, x, plain)))


def test_random_numbers_are_the_same(rng):
    def gradient(x, wrap):
        y = wrap(lambda x: dl.dropout(x, probability=0.5, generator=rng) ** 2)(x)
        return y, dl.dlgradient(y.sum(), x)

    y, g = dl.dlfeval(gradient, dl.dlarray(np.ones(100)), dl.dlcheckpoint)
    assert_allclose(raw(g), 2 * raw(y))


def test_the_function_is_called_once():
    calls = []

    def fun(x):
        calls.append(1)
        return dl.sin(x * x)

    dl.dlfeval(lambda x: dl.dlgradient(dl.dlcheckpoint(fun)(x), x), dl.dlarray(2.0))
    assert len(calls) == 1
    assert dl.dlcheckpoint(fun)(dl.dlarray(2.0)).item() == pytest.approx(np.sin(4.0))


def test_memory_is_that_of_one_segment(rng):
    w, x = dl.dlarray(rng.normal(size=(64, 64)) / 8), rng.normal(size=(64, 256))

    def peak(part):
        def loss(w, x):
            for _ in range(6):
                x = part(w, x)
            return dl.dlgradient((x**2).sum(), w)

        tracemalloc.start()
        dl.dlfeval(loss, w, x)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(dl.dlcheckpoint(steps)) < peak(steps) / 2


def test_an_accelerated_function_has_the_same_result(rng):
    part = dl.dlcheckpoint(steps)
    w = dl.dlarray(rng.normal(size=(3, 3)))

    def gradient(x):
        return dl.dlgradient(part(w, x).sum(), x)

    accelerated = dl.dlaccelerate(gradient)
    for _ in range(4):
        x = dl.dlarray(rng.normal(size=3))
        assert_allclose(raw(accelerated(x)), raw(dl.dlfeval(gradient, x)), rtol=1e-11)


@pytest.mark.parametrize("name", [*OPS, *DERIVED])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # samples at infinity
def test_every_operation_is_computed_again(name: str) -> None:
    for case in Subject(name).cases:
        bound = Subject(name).bind(case)
        if not bound.values or case.kink:
            continue

        def gradient(*xs: Any, wrap: Any, bound: Bound = bound) -> Any:
            found = wrap(lambda *xs: [y * y for y in outputs(bound(*xs))])(*[x * 1 for x in xs])
            total = sum([dl.real(dl.stripdims(y)).sum() for y in found if y.size], dl.zeros(()))
            return [] if total._node is None else dl.dlgradient(total, list(xs))

        given = bound.arrays()
        found = dl.dlfeval(gradient, *given, wrap=dl.dlcheckpoint)
        for a, b in zip(found, dl.dlfeval(gradient, *given, wrap=lambda f: f), strict=True):
            assert_allclose(raw(a), raw(b), rtol=1e-13, equal_nan=True)
