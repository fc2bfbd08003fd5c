"""Lists of traced dlarrays: joined where Python allows it, else an error names what to write."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import dlgradient as dl

# Expressions of an array of three elements; NumPy's are those of the same text.
JOINED: dict[str, Callable[[Any, Any, Any], Any]] = {
    "rotation": lambda x, _, a: a([[np.cos(x[0]), -np.sin(x[0])], [np.sin(x[0]), np.cos(x[0])]]),
    "with numbers": lambda x, _, a: a([x[0], 1.0, 2]),
    "tuple": lambda x, _, a: a((x[0], x[2])),
    "rows": lambda x, _, a: a([x, [1.0, 2.0, 3.0], 2 * x]),
    "generator in a list": lambda x, _, a: a([x[0] * i for i in range(3)]),
    "three levels": lambda x, _, a: a([[[x[0]], [x[1]]], [[x[2]], [1.0]]]),
    "operand": lambda x, m, _: m.multiply([x[0], 2.0, x[1]], x),
    "operand of one": lambda x, m, _: m.sin([x[0], x[1]]),
    "operand of a reduction": lambda x, m, _: m.sum([x[0], x[1] ** 2]),
    "operands of a product": lambda x, m, _: m.matmul([[x[0], x[1], 1.0]], x),
    "operands of concat": lambda x, m, _: m.concat([[x[0], x[1]], x]),
    "operand of a choice": lambda x, m, _: m.where([True, False, True], [x[0]] * 3, x),
    "list on the left": lambda x, *_: [x[0], x[1], 2.0] * x,
    "list on the right": lambda x, *_: x - [x[0], x[1], 2.0],
    "matrix on the left": lambda x, *_: [[x[0], x[1], 1.0]] @ x,
    "fraction": lambda x, *_: Fraction(1, 3) * x + x / Fraction(3, 2),
}


def weighted(y: Any) -> Any:
    return (y * np.cos(np.arange(y.size, dtype=float)).reshape(y.shape)).sum()


@pytest.mark.parametrize("name", JOINED)
def test_members_are_traced(name: str, rng: Any) -> None:
    f = JOINED[name]
    data = rng.uniform(0.5, 2.0, 3)
    expected = np.asarray(f(data, np, np.array), float)

    def run(x: Any) -> Any:
        y = f(x, dl, dl.dlarray)
        assert dl.isdlarray(y)
        return y, dl.dlgradient(weighted(y), x)

    y, gradient = dl.dlfeval(run, dl.dlarray(data))
    assert y.shape == expected.shape
    np.testing.assert_allclose(dl.extractdata(y), expected, rtol=1e-14)
    step = 1e-6 * np.eye(3)
    differences = [
        (
            weighted(np.asarray(f(data + h, np, np.array), float))
            - weighted(np.asarray(f(data - h, np, np.array), float))
        )
        / 2e-6
        for h in step
    ]
    np.testing.assert_allclose(dl.extractdata(gradient), differences, rtol=1e-6, atol=1e-8)


def test_an_assigned_list_is_traced() -> None:
    def run(x: Any) -> Any:
        y = dl.zeros(3)
        y[:2] = [x[1], 2 * x[0]]
        return dl.dlgradient((y * [1.0, 10.0, 100.0]).sum(), x)

    assert dl.dlfeval(run, dl.dlarray([1.0, 2.0])).tolist() == [20.0, 1.0]


def test_an_array_of_objects_is_joined() -> None:
    def run(x: Any) -> Any:
        members = np.empty((2, 1), object)
        members[0, 0], members[1, 0] = x[0], x[1] ** 2
        y = dl.dlarray(members)
        assert y.shape == (2, 1)
        return dl.dlgradient((y + members).sum(), x)

    assert dl.dlfeval(run, dl.dlarray([1.0, 3.0])).tolist() == [2.0, 12.0]


def test_a_format_is_given() -> None:
    assert dl.dlfeval(lambda x: dl.dims(dl.dlarray([x, x], "CB")), dl.dlarray([1.0])) == "CB"


def test_members_of_different_shapes_are_refused() -> None:
    with pytest.raises(dl.DlgradientError, match=r"shape \(2,\)"):
        dl.dlfeval(lambda x: dl.dlarray([x, 1.0]), dl.dlarray([1.0, 2.0]))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: np.array([x, x]),
        lambda x: np.asarray([[x]]),
        lambda x: np.array([x, 1.0], dtype=float),
        lambda x: np.array([x], dtype=object),
        lambda x: np.r_[x, 1.0],
        lambda x: np.c_[x, x],
        lambda x: np.mean([x, x]),
        lambda x: np.max([x, 1.0]),
        lambda x: np.sin([x, x]),
    ],
)
@pytest.mark.parametrize("shape", [(), (2,)])
def test_where_numpy_does_not_ask_the_error_says_what_to_write(call: Any, shape: Any) -> None:
    with pytest.raises(dl.LeavingTraceError, match=r"write dl\.dlarray\(\[x, y\]\), dl\.concat"):
        dl.dlfeval(call, dl.dlarray(np.ones(shape)))
