"""Factors of rules that traced walks over a node share."""

import gc
import weakref

import numpy as np

import dlgradient as dl
from dlgradient.core.calls import FUNCTIONS
from dlgradient.rules import OPS, Factor, case, elementwise


def test_it_is_computed_once():
    calls = []

    def factor(out):
        if dl.isdlarray(out):
            calls.append(out)
        return 1 - out**2

    @elementwise(x=Factor(factor), samples=lambda m: [case(m.real(3))])
    def counted(x, /):
        """Hyperbolic tangent, whose traced factors are counted."""
        return np.tanh(x)

    del OPS["counted"], FUNCTIONS["counted"]

    def third(x):
        y = (x * counted(x)).sum()
        for _ in range(2):
            y = dl.dlgradient(y, x, enable_higher_derivatives=True).sum()
        return dl.dlgradient(y, x)

    x = np.linspace(-1, 1, 7)
    got = dl.dlfeval(third, dl.dlarray(x))
    assert len(calls) == 1
    t = np.tanh(x)
    slope = 1 - t**2
    want = x * slope * (6 * t**2 - 2) - 6 * t * slope
    np.testing.assert_allclose(np.asarray(got), want, rtol=1e-12)


def test_it_does_not_keep_a_derivative_alive():
    gone = []

    def fun(x):
        y = dl.tanh(x)
        slope = dl.dlgradient(y.sum(), x, enable_higher_derivatives=True)
        gone.append(weakref.ref(slope._value))
        gone.append(weakref.ref(y._node))
        del slope
        again = dl.dlgradient(y.sum(), x)
        del y
        return again

    gc.disable()
    try:
        again = dl.dlfeval(fun, dl.dlarray(np.linspace(-1, 1, 7)))
    finally:
        gc.enable()
    assert [r() for r in gone] == [None, None]
    np.testing.assert_allclose(np.asarray(again), 1 - np.tanh(np.linspace(-1, 1, 7)) ** 2)


def test_a_factor_of_which_only_the_node_is_left_is_computed_again():
    def fun(x):
        y = dl.tanh(x).sum()  # its cotangent is constant, so the product keeps no factor
        first = dl.dlgradient(y, x, enable_higher_derivatives=True)
        again = dl.dlgradient(y, x, enable_higher_derivatives=True)
        return first, dl.dlgradient(again.sum(), x)

    x = np.linspace(-1, 1, 7)
    first, second = dl.dlfeval(fun, dl.dlarray(x))
    t = np.tanh(x)
    np.testing.assert_allclose(np.asarray(first), 1 - t**2)
    np.testing.assert_allclose(np.asarray(second), -2 * t * (1 - t**2))
