"""What must not reach from one evaluation into another: variables, locks, threads, arrays."""

import tracemalloc
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


def test_a_buffer_of_batches_may_be_filled_again():
    batches = np.array([[[1.0, 2.0]], [[3.0, 4.0]]])
    buffer, targets = np.empty((1, 2)), np.empty((1, 1))

    def loss(w):
        total = 0.0
        for batch in batches:
            buffer[:], targets[:] = batch, batch.sum()
            y = dl.fullyconnect(buffer, w, 0.0, data_format="BC")
            total = total + dl.mse(y, targets, data_format="BC")
        buffer[:] = 100.0
        return dl.dlgradient(total, w)

    w = np.array([[0.5, -1.0]])
    # of Σ (w·x - Σx)² / 2
    expected = sum((x @ w.T - x.sum()).item() * x for x in batches)
    np.testing.assert_allclose(dl.dlfeval(loss, dl.dlarray(w))._value, expected, rtol=1e-14)


def large_with(alias):
    """A function that uses a large array, and changes it through what `alias` makes of it first."""
    large = np.ones(20_000)
    other = alias(large)

    def slope(x):
        y = (x * large).sum()
        other[0] = 100.0
        return dl.dlgradient(y, x)

    return slope


def writable_again(array):
    class Setter:
        def __setitem__(self, key, value):
            array.flags.writeable = True
            array[key] = value

    return Setter()


def locked_by_its_user(array):
    view = array[:]
    array.flags.writeable = False
    return view


@pytest.mark.parametrize(
    "alias",
    [lambda a: a[:], memoryview, lambda a: a.view()[:1], writable_again, locked_by_its_user],
)
def test_a_change_that_passes_the_lock_is_an_error(alias):
    x = dl.dlarray(np.ones(20_000))
    with pytest.raises(dl.ChangedArrayError, match=r"\(20000,\) float64 .*dlfeval\(slope\)"):
        dl.dlfeval(large_with(alias), x)


def test_elements_that_change_places_are_a_change():
    batch = np.random.default_rng(0).standard_normal((300, 100))
    view = batch[:]

    def slope(x):
        y = (x * batch).sum()
        view[:] = batch[::-1].copy()
        return dl.dljvp(y, x, np.ones(batch.shape))

    with pytest.raises(dl.ChangedArrayError, match="dljvp"):
        dl.dlfeval(slope, dl.dlarray(np.ones(batch.shape)))


@pytest.mark.parametrize("part", [lambda a: a.T, lambda a: a[:300, :300]])
def test_a_constant_of_many_steps_is_held_once(part):
    large = np.ones((320, 320))

    def loop(x):
        for _ in range(50):
            x = part(large) @ x
        return dl.dlgradient(x.sum(), x)

    x = dl.dlarray(np.ones(len(part(large))))
    tracemalloc.start()
    dl.dlfeval(loop, x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * large.nbytes


def test_a_part_that_changes_between_two_uses_is_held_twice():
    data = np.zeros((2, 100, 100))
    data[1] = np.nan

    def slope(x):
        batch = data[0]
        y = (x * batch).sum()
        batch[:] = -0.0  # equal to zero, but not the same
        y = y + dl.copysign(x, batch).sum()
        batch[:] = 7.0
        return dl.dlgradient(y, x)

    assert np.all(dl.dlfeval(slope, dl.dlarray(np.ones((100, 100))))._value == -1)


def test_flags_are_afterwards_as_the_user_left_them():
    arrays = [np.ones(20_000) for _ in range(3)]
    arrays[1].flags.writeable = False
    view = arrays[2][::-1]

    def slope(x):
        y = sum((x * a).sum() for a in [*arrays[:2], view])
        assert [a.flags.writeable for a in arrays] == [False] * 3
        return dl.dlgradient(y, x)

    dl.dlfeval(slope, dl.dlarray(np.ones(20_000)))
    assert [a.flags.writeable for a in arrays] == [True, False, True]
    assert view.flags.writeable


# Since NumPy 2.5. As long as it can be done, it must not reach a trace.
@pytest.mark.filterwarnings("ignore:Setting the shape on a NumPy array:DeprecationWarning")
def test_a_new_shape_of_an_array_does_not_reach_the_trace():
    large = np.ones((200, 100))

    def slope(x):
        y = (x * large).sum()
        large.shape = (100, 200)
        return dl.dlgradient(y, x)

    assert dl.dlfeval(slope, dl.dlarray(np.ones((200, 100)))).shape == (200, 100)


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
