"""What must not reach from one evaluation into another: variables, locks, threads, arrays."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import make_dataclass

import numpy as np
import pytest

import dlgradient as dl


def test_arguments_of_an_inner_evaluation_are_variables_of_their_own():
    def slope(a, b):
        return dl.dlgradient(a * b, a)

    x = dl.dlarray(3.0)
    assert dl.dlfeval(lambda x: dl.dlfeval(slope, x, x), x).item() == 3
    assert dl.dlfeval(lambda x: dl.dlfeval(lambda w: slope(w, x), x), x).item() == 3

    def twice(x):
        inner = dl.dlfeval(lambda w: dl.dlgradient(w**3, w, enable_higher_derivatives=True), x)
        return dl.dlgradient(inner, x)

    assert dl.dlfeval(twice, x).item() == 18


def test_assignment_in_an_inner_evaluation_leaves_the_outer_variable():
    def assigned(w):
        w[0] = 5.0
        return w.sum()

    def outer(x):
        y = dl.dlfeval(assigned, x)
        return dl.dlgradient(y, x), x

    slope, x = dl.dlfeval(outer, dl.dlarray([1.0, 2.0]))
    assert slope.tolist() == [0, 1]
    assert x.tolist() == [1, 2]


@pytest.mark.parametrize("attempt", range(5))
def test_a_new_dataclass_in_many_threads(attempt):
    kind = make_dataclass(f"Net{attempt}", ["w"])

    def work(size):
        net = kind(dl.dlarray(np.ones(3) * size))
        return dl.dlfeval(lambda n: dl.dlgradient((n.w**2).sum(), n), net).w.tolist()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(work, range(16)))
    assert found == [[2.0 * size] * 3 for size in range(16)]


def test_an_array_is_locked_until_the_last_trace_that_uses_it_ends():
    big = np.ones(20_000)

    def outer(x):
        y = (x * big).sum()
        with ThreadPoolExecutor(1) as pool:  # another trace comes and goes
            pool.submit(dl.dlfeval, lambda z: dl.dlgradient((z * big).sum(), z), x * 1.0).result()
        with pytest.raises(ValueError, match="read-only"):
            big[:] = 100
        return dl.dlgradient(y, x)

    assert dl.dlfeval(outer, dl.dlarray(np.ones(20_000))).tolist() == [1.0] * 20_000
    big[:] = 2  # unlocked again


def test_a_variable_in_the_place_of_a_constant_is_refused():
    def slope(x, c):
        return dl.dlgradient(dl.var(x, correction=c), c)

    with pytest.raises(dl.LeavingTraceError, match="var: the parameter correction is traced"):
        dl.dlfeval(slope, dl.dlarray([1.0, 2.0, 4.0]), dl.dlarray(1.0))


def test_a_backward_pass_cannot_change_what_others_hold():
    class Square(dl.DifferentiableFunction):
        def forward(self, context, x):
            context.save(x)
            return x**2

        def backward(self, context, g):
            (x,) = context.saved
            x *= 2
            return x * g

    x = dl.dlarray([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        dl.dlfeval(lambda x: dl.dlgradient(Square()(x).sum(), x), x)
    assert x.tolist() == [1.0, 2.0]


def test_an_index_that_is_assigned_to_outside_is_an_index_error():
    x = dl.dlarray([1.0, 2.0])
    with pytest.raises(IndexError, match="10"):
        x[10] = 1.0
