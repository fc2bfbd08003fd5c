"""Assignment has value semantics, is differentiable, and costs O(1) where nobody else looks."""

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import errors
from dlgradient.engine import forward


def test_assignment_rebinds_and_leaves_other_arrays_alone():
    x = dl.dlarray([1.0, 2.0, 3.0])
    y = x * 1.0
    z = dl.dlarray(y)
    y[1] = 9.0
    assert y.tolist() == [1.0, 9.0, 3.0]
    assert z.tolist() == [1.0, 2.0, 3.0]
    y += 1.0
    assert y.tolist() == [2.0, 10.0, 4.0]


def test_views_never_see_an_assignment():
    x = dl.dlarray(np.zeros((2, 3)))
    row = x[0]
    flat = dl.reshape(x, (6,))
    x[0, 1] = 5.0
    assert row.tolist() == [0.0, 0.0, 0.0]
    assert flat.tolist() == [0.0] * 6
    row[2] = 7.0
    assert x.tolist() == [[0.0, 5.0, 0.0], [0.0, 0.0, 0.0]]


def test_a_value_that_a_rule_keeps_never_changes():
    def fun(x):
        y = x * 1.0
        s = dl.sin(y)
        y[0] = 100.0
        return dl.dlgradient(s.sum() + y.sum(), x)

    x = np.array([0.5, 1.5])
    np.testing.assert_allclose(
        np.asarray(dl.dlfeval(fun, dl.dlarray(x))), np.cos(x) + np.array([0.0, 1.0])
    )


def test_a_recurrence_written_with_assignments():
    def fun(x):
        y = dl.zeros(50)
        y[0] = x[0]
        for i in range(1, 50):
            y[i] = y[i - 1] * x[1]
        return dl.dlgradient(y[49], x)

    g = dl.dlfeval(fun, dl.dlarray([2.0, 1.1]))
    np.testing.assert_allclose(np.asarray(g), [1.1**49, 2 * 49 * 1.1**48])


def test_augmented_assignment_and_overwriting():
    def fun(x):
        y = x * 2.0
        y[0] += x[1] ** 2
        y[2] = y[0] * y[1]
        y[2] = y[2] + 1.0
        y[1] = 0.0
        return dl.dlgradient((y * y).sum(), x)

    def plain(x):
        y = x * 2.0
        y[0] += x[1] ** 2
        y[2] = y[0] * y[1] + 1.0
        y[1] = 0.0
        return (y * y).sum()

    x = np.array([0.3, -1.2, 0.7])
    steps = np.eye(3) * 1e-6
    numeric = [(plain(x + h) - plain(x - h)) / 2e-6 for h in steps]
    np.testing.assert_allclose(np.asarray(dl.dlfeval(fun, dl.dlarray(x))), numeric, rtol=1e-7)


def test_second_derivatives_through_assignments():
    def fun(x):
        y = dl.zeros(3)
        y[0] = x[0] ** 2
        y[1] = y[0] * x[1]
        y[2] = y[1] * y[0]
        g = dl.dlgradient(y[2], x, enable_higher_derivatives=True)
        return g, dl.dlgradient(g[0], x)

    g, h = dl.dlfeval(fun, dl.dlarray([1.5, 0.5]))  # y[2] = x0^4 x1
    np.testing.assert_allclose(np.asarray(g), [4 * 1.5**3 * 0.5, 1.5**4])
    np.testing.assert_allclose(np.asarray(h), [12 * 1.5**2 * 0.5, 4 * 1.5**3])


def test_assigning_twice_through_one_index_counts_the_last():
    def fun(x):
        y = dl.zeros(3)
        y[np.array([0, 1, 0])] = x
        return y, dl.dlgradient((y * np.array([1.0, 10.0, 100.0])).sum(), x)

    y, g = dl.dlfeval(fun, dl.dlarray([1.0, 2.0, 3.0]))
    assert y.tolist() == [3.0, 2.0, 0.0]
    assert g.tolist() == [0.0, 10.0, 1.0]


def test_masks_and_broadcasting_in_assignments():
    def fun(x, v):
        y = x * 3.0
        y[x > 0] = v
        return dl.dlgradient(y.sum(), x, v)

    gx, gv = dl.dlfeval(fun, dl.dlarray([-1.0, 2.0, 3.0]), dl.dlarray(5.0))
    assert gx.tolist() == [3.0, 0.0, 0.0]
    assert gv.item() == 2.0


def test_dtype_follows_the_array_and_is_promoted_where_it_must():
    x = dl.dlarray(np.zeros(2, np.float32))
    x[0] = np.float64(1.5)
    assert x.dtype == np.float32
    x[0] = 1j
    assert x.dtype == np.complex64
    n = dl.dlarray(np.array([1, 2]))
    n[0] = 1.5
    assert n.tolist() == [1.5, 2.0]


def test_the_format_stays():
    x = dl.dlarray(np.zeros((2, 3)), "CB")
    x[0] = dl.dlarray(np.ones(3), "B")
    assert dl.dims(x) == "CB"


def test_wrong_assignments_are_explained():
    x = dl.dlarray(np.zeros(3))
    with pytest.raises(errors.ShapeMismatchError, match="assignment"):
        x[:] = np.ones(4)
    with pytest.raises(errors.DlgradientError, match="out of bounds"):
        x[7] = 1.0


def test_assignment_in_place_is_only_for_arrays_nobody_shares():
    x = dl.dlarray(np.zeros(1000))
    shared = x._value
    x[0] = 1.0  # `shared` still refers to the old values: a copy
    copied = x._value is not shared
    address = x._value.ctypes.data
    x[1] = 1.0
    in_place = x._value.ctypes.data == address
    assert copied
    assert in_place
    assert shared.tolist() == [0.0] * 1000


def test_forward_mode_assigns_in_place(monkeypatch):
    copies = []
    call = forward.call_again

    def counted(op, operands, params):
        if op.indexing == "set":
            copies.append(op)
        return call(op, operands, params)

    monkeypatch.setattr(forward, "call_again", counted)

    def recurrence(x):
        y = dl.zeros(200)
        y[0] = x[0]
        for i in range(1, 200):
            y[i] = 0.9 * y[i - 1] + x[1]
        return dl.dljvp(y, x, [1.0, 0.5])

    found = dl.dlfeval(recurrence, dl.dlarray([2.0, 3.0]))
    powers = 0.9 ** np.arange(200)
    np.testing.assert_allclose(found._value, powers + 0.5 * (1 - powers) / 0.1, rtol=1e-12)
    assert len(copies) < 3


def test_forward_mode_keeps_what_an_assignment_replaces():
    def f(x):
        y = x * 2
        before = y[:2]
        whole = y + 0
        y[0] = x[2] * x[2]
        y[1:] = 5.0
        tangent = [1.0, 10.0, 100.0]
        return [dl.dljvp(z, x, tangent) for z in (y, before, whole, dl.concat([y, whole]))]

    y, before, whole, both = dl.dlfeval(f, dl.dlarray([1.0, 2.0, 3.0]))
    assert y.tolist() == [600.0, 0.0, 0.0]
    assert before.tolist() == [2.0, 20.0]
    assert whole.tolist() == [2.0, 20.0, 200.0]
    assert both.tolist() == [600.0, 0.0, 0.0, 2.0, 20.0, 200.0]


def test_the_derivative_for_an_argument_that_was_assigned_to_is_refused():
    """Else it would silently be that of the new value."""

    def overwritten(q):
        q[1] = 5.0
        return (q**2).sum()

    def nested(q):
        return dl.dlfeval(lambda p: dl.dlgradient(overwritten(p), p), q)

    x = dl.dlarray([-1.0, 2.0])
    for call in (
        lambda q: dl.dlgradient(overwritten(q), q),
        lambda q: dl.dlgradient(overwritten(q), {"a": [q]}),
        lambda q: dl.dlvjp(overwritten(q), 1.0, q),
        lambda q: dl.dljvp(overwritten(q), q, [1.0, 0.0]),
        nested,
    ):
        with pytest.raises(dl.ChangedArrayError, match=r"assigned to .*z = x.copy\(\)"):
            dl.dlfeval(call, x)
    assert x.tolist() == [-1, 2]


def test_an_argument_and_what_follows_an_assignment_have_derivatives():
    def of_the_argument(q):
        z = q.copy()
        z[1] = 5.0
        return dl.dlgradient((z**2).sum(), q)

    def of_what_follows(q):
        q[0] = 3 * q[1]
        q = q.copy()
        return dl.dlgradient((q**2).sum(), q)

    x = dl.dlarray([-1.0, 2.0])
    assert dl.dlfeval(of_the_argument, x).tolist() == [-2, 0]
    assert dl.dlfeval(of_what_follows, x).tolist() == [12, 4]


@pytest.mark.parametrize("part", ["x[0]", "x.T", "2 * x"])
def test_a_variable_that_was_computed_after_y_is_refused(part):
    """Else its derivative would silently be zero."""

    def gradient(x):
        y = (x**2).sum()
        return dl.dlgradient(y, eval(part, {"x": x}))

    def tangent(x):
        y = (x**2).sum()
        z = eval(part, {"x": x})
        return dl.dljvp(y, z, dl.ones_like(z))

    for function in (gradient, tangent):
        with pytest.raises(dl.InvalidArgumentError, match=r"computed after y.*\(y, x\)\[i\]"):
            dl.dlfeval(function, dl.dlarray([1.0, 2.0]))


def test_an_outer_value_does_not_depend_on_an_inner_argument():
    def outer(x):
        y = (x**2).sum()
        return dl.dlfeval(lambda z: dl.dlgradient(y, z), x)

    assert dl.dlfeval(outer, dl.dlarray([1.0, 2.0])).tolist() == [0, 0]


def test_a_call_of_an_array_is_explained():
    with pytest.raises(TypeError) as raised:
        dl.dlfeval(lambda x: x(1), dl.dlarray([1.0, 2.0]))
    assert raised.value.__notes__ == [
        "For MATLAB's x(1) write x[0]: the index is in brackets, and begins at 0"
    ]
