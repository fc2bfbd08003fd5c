"""What a function takes from outside, or in an object, is not traced: the error names it."""

from functools import partial
from typing import Any

import numpy as np
import pytest

import dlgradient as dl

WEIGHTS = dl.dlarray([1.0, 2.0])
DATA = dl.dlarray([3.0, 4.0])
NAMED = {"w": WEIGHTS}


class Net:
    """A model as a plain class, which is no container."""

    def __init__(self) -> None:
        self.weights = dl.dlarray([1.0, 2.0])
        self.bias = dl.dlarray(1.0)

    def loss(self, x: Any) -> Any:
        return dl.dlgradient((self.weights * x).sum(), self.weights)

    def __call__(self) -> Any:
        return dl.dlgradient(self.weights.sum(), self.weights)


def of_closure() -> Any:
    hidden = dl.dlarray([5.0, 6.0])
    return lambda x: dl.dlgradient((hidden * x).sum(), hidden)


def of_attribute(net: Any, x: Any) -> Any:
    return dl.dlgradient((net.weights * x).sum(), net.weights)


def of_object(net: Any, x: Any) -> Any:
    return dl.dlgradient((net.weights * x).sum(), net)


def of_global(x: Any) -> Any:
    return dl.dlgradient((WEIGHTS * x).sum(), WEIGHTS)


def of_container(x: Any) -> Any:
    return dl.dlgradient((NAMED["w"] * x).sum(), NAMED)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: dl.dlfeval(of_closure(), DATA), "<lambda> takes hidden from outside"),
        (lambda: dl.dlfeval(of_global, DATA), "of_global takes WEIGHTS from outside"),
        (lambda: dl.dlfeval(of_container, DATA), "of_container takes NAMED from outside"),
        (lambda: dl.dlfeval(Net().loss, DATA), r"loss takes self\.weights from outside"),
        (lambda: dl.dlfeval(Net()), r"Net takes self\.weights from outside"),
        (
            lambda: dl.dlfeval(
                partial(lambda w, x: dl.dlgradient((w * x).sum(), w), WEIGHTS), DATA
            ),
            r"takes args\[0\] from outside",
        ),
        (
            lambda: dl.dlfeval(of_attribute, Net(), DATA),
            r"Net\.weights of an argument is not traced; Net is no container; make it a dataclass",
        ),
    ],
)
def test_what_is_not_traced_is_named(call: Any, text: str) -> None:
    with pytest.raises(dl.NotTracedError, match=f"not traced, since .*{text}.*In general: it was"):
        call()


def test_only_what_could_be_a_variable_is_named() -> None:
    def loss(x: Any) -> Any:
        constant = dl.dlarray(dl.extractdata(x))
        return dl.dlgradient(constant.sum(), x)

    with pytest.raises(dl.NotTracedError, match="that is not traced: it was created inside"):
        dl.dlfeval(loss, DATA)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        (Net, "must be a dlarray, not Net; Net is no container.*give its arrays: weights, bias"),
        (lambda: of_closure, "not function; give the arrays that it uses"),
        (lambda: {"w": WEIGHTS}.values(), "not dict_values; make a list of it"),
        (lambda: iter([WEIGHTS]), "not list_iterator; make a list of it"),
        (lambda: np.ones(2), r"not ndarray; make it one with dlarray\(x\)"),
    ],
)
def test_what_is_no_container(variable: Any, text: str) -> None:
    with pytest.raises(dl.NotDlarrayError, match=text):
        dl.dlfeval(lambda x: dl.dlgradient(x.sum(), variable()), DATA)


def fill(make: Any, key: Any, member: Any) -> Any:
    def assign(x: Any) -> Any:
        z = make()
        z[key] = member(x)
        return z

    return assign


@pytest.mark.parametrize(
    "function",
    [
        fill(lambda: np.zeros(3), 0, lambda x: x[0]),
        fill(lambda: np.zeros(3), 0, lambda x: x),
        fill(lambda: np.zeros((2, 2)), (0, 1), lambda x: x[0]),
        fill(lambda: np.zeros(3, np.float32), slice(0, 2), lambda x: x),
        fill(lambda: np.zeros(3, complex), 0, lambda x: x[0]),
        lambda x: np.zeros(3).fill(x[0]),
        lambda x: dl.dlfeval(fill(lambda: np.zeros(3), 0, lambda x: x[0]), x),
    ],
)
def test_assignment_to_elements_of_a_numpy_array(function: Any) -> None:
    with pytest.raises(dl.LeavingTraceError, match=r"z\[i\] = x.*z a dlarray|z\[i\] = x") as found:
        dl.dlfeval(function, DATA)
    assert r"zeros(n)" in str(found.value)
    assert found.traceback[-1].path.name != "evaluate.py"  # it ends at the line of the user


def test_another_value_error_of_the_user_is_left_as_it_is() -> None:
    def wrong(_: Any) -> Any:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        dl.dlfeval(wrong, DATA)
