"""`dlgradient`: every sentence of its page, and what follows from them."""

import gc
import sys
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import errors


def gradient_of(fun, *args, **options):
    """Value and gradients of `fun` with respect to all its arguments."""

    def both(*xs):
        y = fun(*xs)
        return y, dl.dlgradient(y, *xs, **options)

    return dl.dlfeval(both, *args)


# -- the examples of the page --------------------------------------------------------------------


def rosenbrock(x):
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


def test_rosenbrock_of_one_input():
    y, gradient = gradient_of(rosenbrock, dl.dlarray([-1.0, 2.0]))
    assert y.item() == 104.0
    assert gradient.tolist() == [396.0, 200.0]


def test_rosenbrock_of_two_inputs():
    y, (g1, g2) = gradient_of(
        lambda x1, x2: 100 * (x2 - x1**2) ** 2 + (1 - x1) ** 2, dl.dlarray(-1.0), dl.dlarray(2.0)
    )
    assert (y.item(), g1.item(), g2.item()) == (104.0, 396.0, 200.0)


def test_gradient_of_the_real_part_of_a_complex_function():
    points = np.linspace(-2, 2, 11)
    x = dl.dlarray(points + 1j * points[:, None])
    y, gradient = gradient_of(lambda x: dl.real((2 + 3j) * x).sum(), x)
    np.testing.assert_array_equal(np.asarray(gradient), np.full((11, 11), 2 - 3j))
    np.testing.assert_allclose(y.item(), ((2 + 3j) * np.asarray(x)).real.sum(), atol=1e-12)


def test_the_example_of_the_help_text():
    a = dl.dlarray([[1.0, 2.0], [3.0, 4.0]])
    s = dl.dlarray([[0.0, 0.0], [0.0, 1.0]])

    def fun(a):
        y = a**2
        return y, dl.dlgradient((s * y).sum(), a)

    y, gradient = dl.dlfeval(fun, a)
    assert y.tolist() == [[1.0, 4.0], [9.0, 16.0]]
    assert gradient.tolist() == [[0.0, 0.0], [0.0, 8.0]]


# -- variables ------------------------------------------------------------------------------------


@dataclass
class Parameters:
    weights: object
    bias: object


def test_containers_are_mirrored():
    x = dl.dlarray([1.0, 2.0])
    container = {
        "z": [x, (x,)],
        "a": Parameters(dl.dlarray([3.0, 4.0], "C"), dl.dlarray(np.float32(5.0))),
    }

    def fun(c):
        y = (c["z"][0] * c["a"].weights * 2.0).sum() + c["a"].bias ** 2 + c["z"][1][0].sum()
        return dl.dlgradient(y, c)

    g = dl.dlfeval(fun, container)
    assert list(g) == ["z", "a"]
    assert g["z"][0].tolist() == [6.0, 8.0]
    assert g["z"][1][0].tolist() == [1.0, 1.0]
    assert isinstance(g["a"], Parameters)
    assert (g["a"].weights.tolist(), dl.dims(g["a"].weights)) == ([2.0, 4.0], "C")
    assert (g["a"].bias.item(), g["a"].bias.dtype) == (10.0, np.float32)


def test_tables_of_learnables():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame(
        {
            "Layer": ["fc1", "fc1", "fc2"],
            "Parameter": ["Weights", "Bias", "Weights"],
            "Value": [dl.dlarray([[1.0, 2.0]]), dl.dlarray([3.0]), dl.dlarray([[4.0]])],
        }
    )

    def fun(t):
        w1, b1, w2 = t["Value"]
        y = (w2 * (w1.sum() + b1)).sum()
        return dl.dlgradient(y, t)

    gradient = dl.dlfeval(fun, table)
    assert list(gradient.columns) == ["Layer", "Parameter", "Value"]
    assert gradient["Layer"].tolist() == ["fc1", "fc1", "fc2"]
    assert [g.tolist() for g in gradient["Value"]] == [[[4.0, 4.0]], [4.0], [[6.0]]]
    assert table["Value"].iloc[0].tolist() == [[1.0, 2.0]]

    wrong = table.rename(columns={"Value": "Data"})
    with pytest.raises(errors.InvalidArgumentError, match="Layer, Parameter, Value; Value is"):
        dl.dlfeval(fun, wrong)


def test_several_containers_give_a_tuple():
    x, y = dl.dlarray(2.0), dl.dlarray(3.0)
    g = dl.dlfeval(lambda a, b: dl.dlgradient(a["x"] * b[0], a, b, b[0]), {"x": x}, [y])
    assert isinstance(g, tuple)
    assert g[0]["x"].item() == 3.0
    assert g[1][0].item() == 2.0
    assert g[2].item() == 2.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_size_dtype_and_format_are_those_of_the_variable(dtype):
    x = dl.dlarray(np.ones((2, 3), dtype), "CB")
    _, g = gradient_of(lambda x: dl.real(x * np.ones((2, 3))).sum(), x)
    assert (g.shape, g.dtype, dl.dims(g)) == ((2, 3), dtype, "CB")
    _, zero = gradient_of(lambda x: dl.real(x * 0).sum() * 0, x)
    assert (zero.shape, zero.dtype, dl.dims(zero)) == ((2, 3), dtype, "CB")


def test_zeros_for_what_the_value_does_not_depend_on():
    x = dl.dlarray(np.ones((2, 2), np.float32), "CB")
    y = dl.dlarray(1.0)
    g = dl.dlfeval(lambda x, y: dl.dlgradient(y**2, x, y), x, y)
    assert (g[0].tolist(), g[0].dtype, dl.dims(g[0])) == ([[0, 0], [0, 0]], np.float32, "CB")
    assert g[1].item() == 2.0


def test_rounding_gives_zeros_not_an_error():
    _, g = gradient_of(lambda a, b: dl.round(a + b), dl.dlarray(1.0), dl.dlarray(2.5))
    assert [v.item() for v in g] == [0.0, 0.0]


def test_third_derivative_of_a_linear_function_is_zero():
    def fun(a, x):
        y = a * x
        for _ in range(3):
            y = dl.dlgradient(y, x, enable_higher_derivatives=True)
            if y._node is None:
                y = y + 0 * x
        return y

    assert dl.dlfeval(fun, dl.dlarray(2.0), dl.dlarray(3.0)).item() == 0.0


def test_logical_variables_and_values():
    mask = dl.dlarray([True, False])
    _, g = gradient_of(lambda m: (m * np.array([2.0, 3.0])).sum(), mask)
    assert g.tolist() == [2.0, 3.0]
    zeros = dl.dlfeval(lambda x: dl.dlgradient((x > 0).all(), x), dl.dlarray([1.0, 2.0]))
    assert zeros.tolist() == [0.0, 0.0]


def test_a_variable_that_is_an_intermediate_value():
    def fun(x):
        u = x**2
        y = u * dl.sin(u)
        return dl.dlgradient(y, u, x)

    gu, gx = dl.dlfeval(fun, dl.dlarray(0.8))
    expected = np.sin(0.64) + 0.64 * np.cos(0.64)
    assert gu.item() == pytest.approx(expected)
    assert gx.item() == pytest.approx(expected * 1.6)


@pytest.mark.parametrize("empty", [None, {}, [[]]])
def test_a_container_without_variables_is_refused(empty):
    with pytest.raises(errors.NotDlarrayError, match="there is no dlarray in"):
        dl.dlfeval(lambda x: dl.dlgradient(x, empty), dl.dlarray(1.0))


def test_the_same_variable_twice():
    g1, g2 = dl.dlfeval(lambda x: dl.dlgradient(x**2, x, x), dl.dlarray(3.0))
    assert (g1.item(), g2.item()) == (6.0, 6.0)


def test_contributions_are_added_in_place_only_where_nobody_looks():
    def fun(x, w):
        h = x * 2.0
        seen = dl.dlgradient((h * h).sum(), h, x, retain_data=True)
        again = dl.dlvjp(h + h, w, h, x)
        return *seen, *again, w

    h, x, vh, vx, w = dl.dlfeval(fun, dl.dlarray([1.0, 2.0]), dl.dlarray([1.0, 10.0]))
    assert (h.tolist(), x.tolist()) == ([4.0, 8.0], [8.0, 16.0])
    assert (vh.tolist(), vx.tolist()) == ([2.0, 20.0], [4.0, 40.0])
    assert w.tolist() == [1.0, 10.0]


def test_the_value_itself_as_variable():
    assert dl.dlfeval(lambda x: dl.dlgradient(x, x), dl.dlarray([[3.0]])).tolist() == [[1.0]]


# -- complex numbers ------------------------------------------------------------------------------


def test_a_real_variable_reached_through_complex_values():
    def fun(x):
        return dl.real((2 + 3j) * x)

    x = dl.dlarray(1.5)
    _, extended = gradient_of(fun, x)
    assert (extended.item(), extended.dtype) == (2 - 3j, np.complex128)
    _, real = gradient_of(fun, x, allow_complex=False)
    assert (real.item(), real.dtype) == (2.0, np.float64)


def test_real_parts_end_the_analytic_extension():
    _, g = gradient_of(lambda x: dl.real((1 + 1j) * dl.real(x)), dl.dlarray(1.0))
    assert g.item() == 1.0
    _, g = gradient_of(lambda x: dl.real((1 + 1j) * dl.abs(x)), dl.dlarray(-2.0))
    assert g.item() == -1.0


def test_intermediate_values_may_be_complex_when_gradients_must_be_real():
    def fun(x):
        z = dl.exp(1j * x)
        return (dl.real(z) ** 2).sum()

    x = np.array([0.3, 1.2])
    _, g = gradient_of(fun, dl.dlarray(x), allow_complex=False)
    np.testing.assert_allclose(np.asarray(g), -2 * np.cos(x) * np.sin(x))


def test_complex_gradient_is_the_direction_of_steepest_ascent():
    z = np.array([1 + 2j, -0.5 + 0.1j])
    _, g = gradient_of(lambda z: (dl.abs(z**2) ** 2).sum(), dl.dlarray(z))
    np.testing.assert_allclose(np.asarray(g), 4 * np.abs(z) ** 2 * z)


# -- the options ----------------------------------------------------------------------------------


def test_a_second_call_without_retained_data_is_right():
    def fun(x):
        y = dl.exp(dl.sin(x) * x).sum()
        z = y * x.sum()
        return (
            dl.dlgradient(z, x),
            dl.dlgradient(z, x),
            dl.dlgradient(y, x),
            dl.dlgradient(z, x, retain_data=True),
        )

    g1, g2, gy, g3 = dl.dlfeval(fun, dl.dlarray([0.1, 0.7, -1.0]))
    assert g1.tolist() == g2.tolist() == g3.tolist()
    x = np.array([0.1, 0.7, -1.0])
    np.testing.assert_allclose(np.asarray(gy), np.exp(np.sin(x) * x) * (np.cos(x) * x + np.sin(x)))


def test_dropped_values_are_recomputed_from_constants_and_indices():
    weights = np.array([1.0, 2.0, 3.0])

    def fun(x):
        u = dl.sin(x * weights)
        v = u[np.array([0, 2, 2])]
        w = dl.concat([v, u]) ** 2
        w[1] = v[0] * 3.0
        y = dl.exp(w).sum()
        return dl.dlgradient(y, x), dl.dlgradient(y, x)

    g1, g2 = dl.dlfeval(fun, dl.dlarray([0.1, 0.7, -1.0]))
    assert g1.tolist() == g2.tolist()


def peak_bytes(fun):
    gc.collect()
    tracemalloc.start()
    fun()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_an_unretained_trace_holds_nothing_after_the_walk():
    n, depth = 20_000, 30
    x = dl.dlarray(np.linspace(0, 1, n))

    def held_after(x, *, retain_data):
        y = x
        for _ in range(depth):
            y = dl.sin(y)
        dl.dlgradient(y.sum(), x, retain_data=retain_data)
        return np.zeros(n * depth)[
            0
        ]  # a block as large as all kept values, while the trace is open

    dropped = peak_bytes(lambda: dl.dlfeval(held_after, x, retain_data=False))
    retained = peak_bytes(lambda: dl.dlfeval(held_after, x, retain_data=True))
    kept = depth * n * 8
    assert 0.8 * kept < retained - dropped < 1.2 * kept


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_gradients_of_any_order(order):
    def fun(x):
        y = dl.sin(x * 2.0)
        for _ in range(order):
            y = dl.dlgradient(y, x, enable_higher_derivatives=True)
        return y

    closed = 2.0**order * np.sin(2 * 0.4 + order * np.pi / 2)
    assert dl.dlfeval(fun, dl.dlarray(0.4)).item() == pytest.approx(closed)


def test_gradients_are_constants_unless_higher_derivatives_are_enabled():
    def fun(x):
        g = dl.dlgradient((x**3).sum(), x)
        return dl.dlgradient((g * x).sum(), x)

    assert dl.dlfeval(fun, dl.dlarray([2.0])).tolist() == [12.0]

    def untraced(x):
        return dl.dlgradient(dl.dlgradient((x**3).sum(), x).sum(), x)

    with pytest.raises(errors.NotTracedError, match="y is a dlarray"):
        dl.dlfeval(untraced, dl.dlarray([2.0]))


def test_hessian_by_forward_over_reverse():
    a = np.array([[2.0, 1.0], [1.0, 3.0]])

    def fun(x):
        y = (x * dl.matmul(a, x)).sum() + (x**4).sum()
        g = dl.dlgradient(y, x, enable_higher_derivatives=True)
        return dl.dljvp(g, x, [1.0, -2.0])

    x = np.array([0.5, 2.0])
    expected = (2 * a + np.diag(12 * x**2)) @ np.array([1.0, -2.0])
    np.testing.assert_allclose(np.asarray(dl.dlfeval(fun, dl.dlarray(x))), expected)


# -- long traces ----------------------------------------------------------------------------------


def test_a_million_operations_under_the_default_recursion_limit():
    length = 1_000_000
    assert sys.getrecursionlimit() <= 3000

    def fun(x):
        y = x
        for _ in range(length):
            y = y + x
        return dl.dlgradient(y, x)

    assert dl.dlfeval(fun, dl.dlarray(1.0)).item() == length + 1


def test_a_deep_trace_that_nobody_differentiates_is_released():
    def fun(x):
        y = x
        for _ in range(200_000):
            y = y + 1.0
        return y

    assert dl.dlfeval(fun, dl.dlarray(0.0)).item() == 200_000


def test_values_that_no_rule_names_are_freed_at_once():
    n = 100_000
    x = dl.dlarray(np.ones(n))

    def fun(x):
        y = x
        for _ in range(50):
            y = y + 1.0
        return y.sum()

    assert peak_bytes(lambda: dl.dlfeval(fun, x)) < 6 * n * 8


# -- vjp and jvp ----------------------------------------------------------------------------------


def test_dlvjp_of_a_matrix_function():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    w = np.array([[1.0, 0.0], [2.0, -1.0]])

    def fun(x):
        return dl.dlvjp(dl.matmul(x, x), w, x)

    np.testing.assert_allclose(np.asarray(dl.dlfeval(fun, dl.dlarray(x))), w @ x.T + x.T @ w)


def test_dljvp_and_dlvjp_are_adjoint_for_containers(rng):
    a, b, ta, tb = (rng.standard_normal((2, 2)) for _ in range(4))
    w = rng.standard_normal((2, 2))

    def fun(xs):
        y = dl.exp(dl.matmul(xs["a"], xs["b"]))
        return dl.dljvp(y, xs, {"a": ta, "b": tb}), dl.dlvjp(y, w, xs)

    jt, jw = dl.dlfeval(fun, {"a": dl.dlarray(a), "b": dl.dlarray(b)})
    left = (np.asarray(jt) * w).sum()
    right = (np.asarray(jw["a"]) * ta).sum() + (np.asarray(jw["b"]) * tb).sum()
    assert left == pytest.approx(right)


def test_dljvp_of_what_the_value_does_not_depend_on_is_zero():
    t = dl.dlfeval(lambda x, y: dl.dljvp(x * 2.0, y, 1.0), dl.dlarray([1.0]), dl.dlarray(2.0))
    assert t.tolist() == [0.0]


def test_wrong_tangents_are_refused():
    x = dl.dlarray([1.0, 2.0])
    with pytest.raises(errors.ShapeMismatchError, match=r"tangents: that of xs has shape \(3,\)"):
        dl.dlfeval(lambda x: dl.dljvp(x, x, np.ones(3)), x)
    with pytest.raises(errors.ComplexValueError, match="real variable"):
        dl.dlfeval(lambda x: dl.dljvp(x, x, 1j * np.ones(2)), x)
    with pytest.raises(errors.InvalidArgumentError, match="structure of xs"):
        dl.dlfeval(lambda x: dl.dljvp(x["a"], x, {"b": np.ones(2)}), {"a": x})
    with pytest.raises(errors.ShapeMismatchError, match=r"cotangent has shape \(3,\)"):
        dl.dlfeval(lambda x: dl.dlvjp(x, np.ones(3), x), x)
