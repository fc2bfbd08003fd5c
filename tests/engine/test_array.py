"""`dlarray`: construction, display, operators, formats."""

import copy
import operator
import pickle

import numpy as np
import pytest

import dlgradient as dl
from dlgradient import errors


@pytest.mark.parametrize(
    "data", [1.5, True, [1.0, 2.0], [[1 + 2j]], np.zeros((0, 3)), (1.0, 2.0), np.float32(2)]
)
def test_construction_from_arrays_scalars_and_sequences(data):
    x = dl.dlarray(data)
    expected = np.asarray(data)
    assert (x.shape, x.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(np.asarray(x), expected)
    assert (x.ndim, x.size, x.nbytes) == (expected.ndim, expected.size, expected.nbytes)


def test_foreign_byte_order_is_converted():
    x = dl.dlarray(np.arange(3.0).astype(">f8"))
    assert x.dtype.isnative
    assert x.tolist() == [0.0, 1.0, 2.0]


BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.eq,
    operator.ne,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
]


@pytest.mark.parametrize("function", BINARY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("traced", [False, True])
def test_operators_agree_with_numpy_from_both_sides(function, traced):
    a = np.array([[0.5, 1.0, 2.5]])
    b = np.array([[2.0], [1.0]])

    def all_ways(x, y):
        return [function(x, y), function(x, b), function(a, y), function(x, 2.0), function(2.0, y)]

    results = (dl.dlfeval if traced else lambda f, *xs: f(*xs))(
        all_ways, dl.dlarray(a), dl.dlarray(b)
    )
    expected = [function(a, b), function(a, b), function(a, b), function(a, 2.0), function(2.0, b)]
    for result, value in zip(results, expected, strict=True):
        assert dl.isdlarray(result)
        assert result.dtype == value.dtype
        np.testing.assert_array_equal(np.asarray(result), value)


@pytest.mark.parametrize("function", [operator.and_, operator.or_, operator.xor])
def test_logical_operators(function):
    a, b = np.array([True, True, False]), np.array([True, False, False])
    np.testing.assert_array_equal(np.asarray(function(dl.dlarray(a), b)), function(a, b))
    np.testing.assert_array_equal(np.asarray(function(a, dl.dlarray(b))), function(a, b))


def test_unary_operators():
    x = dl.dlarray([-1.5, 2.0])
    assert (-x).tolist() == [1.5, -2.0]
    assert (+x).tolist() == [-1.5, 2.0]
    assert abs(x).tolist() == [1.5, 2.0]
    assert (~(x > 0)).tolist() == [True, False]


def test_matmul_from_both_sides():
    a = np.arange(6.0).reshape(2, 3)
    x = dl.dlarray(a)
    np.testing.assert_array_equal(np.asarray(x @ a.T), a @ a.T)
    np.testing.assert_array_equal(np.asarray(a.T @ x), a.T @ a)


def test_scalars_are_weak():
    x = dl.dlarray(np.ones(2, np.float32))
    assert (x * 2.0).dtype == np.float32
    assert (x * 1j).dtype == np.complex64
    assert (x * np.float64(2.0)).dtype == np.float32
    assert (np.float64(2.0) * x).dtype == np.float32
    y = dl.dlarray(2.0)
    assert (y * 1j).dtype == np.complex128
    assert ((1 + 1j) * y).item() == 2 + 2j
    assert (1j / dl.dlarray(0.5)).item() == 2j


def test_iteration_length_and_containment():
    x = dl.dlarray([[1.0, 2.0], [3.0, 4.0]], "CB")
    assert len(x) == 2
    assert [row.tolist() for row in x] == [[1.0, 2.0], [3.0, 4.0]]
    assert [dl.dims(row) for row in x] == ["B", "B"]
    assert 3.0 in x
    assert 5.0 not in x
    assert [v.item() for v in x.flat] == [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(TypeError, match="without dimensions"):
        len(dl.dlarray(1.0))
    with pytest.raises(TypeError, match="without dimensions"):
        iter(dl.dlarray(1.0))


@pytest.mark.parametrize("kind", [float, int, complex])
def test_only_an_array_without_dimensions_is_a_number(kind):
    assert kind(dl.dlarray(2.0)) == kind(2.0)
    with pytest.raises(TypeError, match=r"shape \(1,\), which has dimensions; .*x\.item\(\)"):
        kind(dl.dlarray([2.0]))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.complex128])
def test_a_type_of_numpy_keeps_the_shape_of_one_element(kind):
    found = kind(dl.dlarray([2.0]))
    assert (found.shape, found.dtype, found.tolist()) == ((1,), kind, [2.0])


def test_control_flow_runs_on_concrete_values():
    def relu(x):
        return x if x > 0 else x * 0

    def fun(x):
        return dl.dlgradient(relu(x), x)

    assert dl.dlfeval(fun, dl.dlarray(2.0)).item() == 1.0
    assert dl.dlfeval(fun, dl.dlarray(-2.0)).item() == 0.0
    with pytest.raises(ValueError, match="ambiguous"):
        bool(dl.dlarray([1.0, 2.0]))


@pytest.mark.parametrize("data", [3, [-1, 2], [[1, 2], [3, 4]], ((1,), (2,)), [], range(3)])
def test_integers_of_python_are_double_as_in_matlab(data):
    assert dl.dlarray(data).dtype == np.float64
    assert dl.dlarray(data).tolist() == np.asarray(data, float).tolist()


def test_data_with_a_dtype_keep_it():
    assert dl.dlarray(np.array([1, 2])).dtype == np.int64
    assert dl.dlarray(np.int8(1)).dtype == np.int8
    assert dl.dlarray([np.uint8(1), np.uint8(2)]).dtype == np.uint8
    assert dl.dlarray([True, False]).dtype == np.bool_
    assert dl.asarray([1, 2]).dtype == np.int64  # as the array-API standard requires


def test_conversions_outside_a_trace():
    x = dl.dlarray(2.0)
    assert (float(x), int(x), complex(x), x.item()) == (2.0, 2, 2 + 0j, 2.0)
    assert [10, 20, 30][dl.dlarray(np.int64(1))] == 20
    assert np.asarray(dl.dlarray([1.0])).tolist() == [1.0]
    assert dl.extractdata(dl.dlarray([1.0, 2.0], "C")).tolist() == [1.0, 2.0]


def test_copies_and_pickles():
    x = dl.dlarray([1.0, 2.0], "C")
    for y in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert (y.tolist(), dl.dims(y)) == ([1.0, 2.0], "C")
        y[0] = 5.0
        assert x.tolist() == [1.0, 2.0]


# -- formats --------------------------------------------------------------------------------------


def test_format_functions():
    x = dl.dlarray(np.zeros((2, 3, 4, 5)), "sscb")
    assert dl.dims(x) == "SSCB"
    assert dl.finddim(x, "S") == (0, 1)
    assert dl.finddim(x, "b") == (3,)
    assert dl.finddim(x, "T") == ()
    assert dl.dims(dl.stripdims(x)) == ""
    assert dl.dims(dl.dlarray(x, "BSSC")) == "BSSC"
    assert dl.dims(dl.dlarray(x)) == "SSCB"


def test_stripdims_and_a_new_format_keep_the_trace():
    def fun(x):
        y = dl.dlarray(dl.stripdims(x) * 2.0, "BC")
        return dl.dlgradient((y**2).sum(), x)

    g = dl.dlfeval(fun, dl.dlarray([[1.0, 2.0]], "CB"))
    assert (g.tolist(), dl.dims(g)) == ([[8.0, 16.0]], "CB")


def test_formatted_operands_align_by_label():
    image = np.arange(24.0).reshape(2, 3, 4)  # S S C
    bias = np.array([1.0, 2.0, 3.0, 4.0])

    def fun(x, b):
        y = x + b
        return y, dl.dlgradient((y**2).sum(), x, b)

    y, (gx, gb) = dl.dlfeval(fun, dl.dlarray(image, "SSC"), dl.dlarray(bias[:, None], "CB"))
    assert (dl.dims(y), y.shape) == ("SSCB", (2, 3, 4, 1))
    np.testing.assert_array_equal(np.asarray(y)[..., 0], image + bias)
    assert (dl.dims(gx), gx.shape) == ("SSC", (2, 3, 4))
    assert (dl.dims(gb), gb.shape) == ("CB", (4, 1))
    np.testing.assert_allclose(np.asarray(gb)[:, 0], 2 * (image + bias).sum((0, 1)))


def test_the_first_operand_gives_the_order():
    x = dl.dlarray(np.arange(6.0).reshape(2, 3), "BC")
    w = dl.dlarray(np.arange(6.0).reshape(3, 2), "CB")
    assert dl.dims(x * w) == "BC"
    assert dl.dims(w * x) == "CB"
    np.testing.assert_array_equal(np.asarray(x * w), np.asarray(w * x).T)


def test_formatted_with_unformatted_aligns_by_position():
    x = dl.dlarray(np.ones((2, 3)), "CB")
    y = x * np.array([1.0, 2.0, 3.0])
    assert (dl.dims(y), y.tolist()) == ("CB", [[1.0, 2.0, 3.0]] * 2)
    assert dl.dims(dl.dlarray([1.0, 2.0, 3.0]) * x) == "CB"
    with pytest.raises(errors.FormatClashError, match="more dimensions"):
        x * np.ones((4, 2, 3))


@pytest.mark.parametrize(
    ("key", "fmt"),
    [
        (0, "CB"),
        ((slice(None), 0), "SB"),
        ((0, 0, 0), ""),
        ((slice(None), None), "SUCB"),
        ((..., 0), "SC"),
        ((slice(None), np.array([0, 0])), "SCB"),
        ((slice(None), np.array([True, False, True])), "SCB"),
        ((np.array([[0]]), 0), ""),
        ((np.array([0]), np.array([0])), ""),
    ],
)
def test_labels_through_indexing(key, fmt):
    x = dl.dlarray(np.arange(24.0).reshape(2, 3, 4), "SCB")
    y = x[key]
    assert dl.dims(y) == fmt
    np.testing.assert_array_equal(np.asarray(y), np.asarray(x)[key])


def test_reductions_drop_labels():
    x = dl.dlarray(np.ones((2, 3, 4)), "SCB")
    assert dl.dims(x.sum(axis=1)) == "SB"
    assert dl.dims(x.sum(axis=(0, -1))) == "C"
    assert dl.dims(x.sum(axis=1, keepdims=True)) == "SCB"
    assert dl.dims(x.sum()) == ""


@pytest.mark.parametrize(
    ("shape", "fmt", "fitted"),
    [
        ((3, 1), "C", (3,)),
        ((), "CB", (1, 1)),
        ((3,), "CBT", (3, 1, 1)),
        ((3, 4), "SCB", (3, 4, 1)),
        ((3, 1, 1), "CB", (3, 1)),
        ((1, 1), "", (1, 1)),
        ((1, 1), "T", (1,)),
    ],
)
def test_trailing_labels_fit_dimensions_of_size_one(shape, fmt, fitted):
    data = np.arange(float(np.prod(shape))).reshape(shape)
    x = dl.dlarray(data, fmt)
    assert x.shape == fitted
    assert dl.dims(x) == fmt
    np.testing.assert_array_equal(dl.extractdata(x).ravel(), data.ravel())

    def gradient(x):
        return dl.dlgradient((dl.dlarray(x, fmt) ** 2).sum(), x)

    g = dl.dlfeval(gradient, dl.dlarray(data))
    np.testing.assert_array_equal(dl.extractdata(g), 2 * data)


@pytest.mark.parametrize(("shape", "fmt"), [((1, 3), "C"), ((3, 4), "B"), ((0, 0), "C")])
def test_other_dimensions_are_not_dropped(shape, fmt):
    with pytest.raises(dl.FormatError, match=r"names 1 dimensions but the array has 2"):
        dl.dlarray(np.zeros(shape), fmt)


def test_stripdims_in_an_order():
    x = dl.dlarray(np.arange(24.0).reshape(2, 3, 4), "SCB")
    y = dl.stripdims(x, "BTCS")
    assert dl.dims(y) == ""
    np.testing.assert_array_equal(dl.extractdata(y), dl.extractdata(x).transpose(2, 1, 0)[:, None])
    plain = dl.stripdims(x)
    assert plain.shape == dl.stripdims(x, "").shape == dl.stripdims(plain, "BCS").shape == (2, 3, 4)

    def gradient(x):
        return dl.dlgradient((dl.stripdims(x, "BSC") * np.arange(4.0)[:, None, None]).sum(), x)

    g = dl.dlfeval(gradient, x)
    np.testing.assert_array_equal(dl.extractdata(g), np.broadcast_to(np.arange(4.0), (2, 3, 4)))
    with pytest.raises(dl.FormatClashError, match="stripdims: fmt 'BC' has not all labels"):
        dl.stripdims(x, "BC")
