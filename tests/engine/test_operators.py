"""Operators leave what they do not know to the other object, as Python wants it."""

import math
import operator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import dlgradient as dl

BINARY = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul"]
BITWISE = ["and_", "or_", "xor", "lshift", "rshift"]
ORDER = ["lt", "le", "gt", "ge"]


class Answers:
    """Answers every operator by its name."""


def _answer(name: str) -> Any:
    return lambda *_: name


for _name in [*BINARY, "and", "or", "xor", "lshift", "rshift", "divmod"]:
    setattr(Answers, f"__{_name}__", _answer(_name))
    setattr(Answers, f"__r{_name}__", _answer(f"r{_name}"))
for _name in [*ORDER, "eq", "ne"]:
    setattr(Answers, f"__{_name}__", _answer(_name))

FOREIGN = [None, "text", b"text", {}, {1}, object(), Decimal("1.5"), ...]


@pytest.fixture(params=[False, True], ids=["untraced", "traced"])
def evaluate(request: Any) -> Any:
    """Call a function of a dlarray, traced or not."""
    if request.param:
        return dl.dlfeval
    return lambda function, *args: function(*args)


@pytest.mark.parametrize("name", [*BINARY, *BITWISE])
def test_the_other_object_is_asked(name: str, evaluate: Any) -> None:
    x, function = dl.dlarray([1.0, 2.0]), getattr(operator, name)
    short = name.rstrip("_")
    assert evaluate(lambda x: function(x, Answers()), x) == f"r{short}"
    assert evaluate(lambda x: function(Answers(), x), x) == short


def test_the_other_object_is_asked_to_compare(evaluate: Any) -> None:
    x = dl.dlarray([1.0, 2.0])
    reflected = {"lt": "gt", "gt": "lt", "le": "ge", "ge": "le", "eq": "eq", "ne": "ne"}
    for name, other in reflected.items():
        function = getattr(operator, name)
        assert evaluate(lambda x, f=function: f(x, Answers()), x) == other
    assert evaluate(lambda x: divmod(x, Answers()), x) == ("rfloordiv", "rmod")
    assert evaluate(lambda x: divmod(Answers(), x), x) == "divmod"


@pytest.mark.parametrize("other", FOREIGN, ids=lambda other: type(other).__name__)
def test_nothing_equals_what_is_no_array(other: Any, evaluate: Any) -> None:
    x = dl.dlarray(1.0)
    assert evaluate(lambda x: x == other, x) is False
    assert evaluate(lambda x: other == x, x) is False
    assert evaluate(lambda x: x != other, x) is True
    assert evaluate(lambda x: x in [other, x], x) is True
    for name in [*BINARY, *ORDER]:
        function = getattr(operator, name)
        if isinstance(other, str | bytes) and name == "mod":
            continue  # it formats
        with pytest.raises(TypeError):
            evaluate(lambda x, f=function: f(x, other), x)
        with pytest.raises(TypeError):
            evaluate(lambda x, f=function: f(other, x), x)


@pytest.mark.parametrize("name", ["add", "multiply", "equal", "less", "matmul"])
def test_functions_refuse_what_they_do_not_know(name: str) -> None:
    with pytest.raises(dl.UnsupportedDtypeError, match=f"{name}: x2|{name}: y"):
        getattr(dl, name)(dl.dlarray([1.0]), None)


def test_in_place_operators() -> None:
    x = dl.dlarray([1.0])
    with pytest.raises(TypeError):
        x += None
    x += [1]
    assert x.tolist() == [2.0]


def test_approx(evaluate: Any) -> None:
    x = dl.dlarray([1.0, 2.0])
    assert dl.dlarray(1.0) == pytest.approx(1.0)
    assert dl.dlarray(1.0) != pytest.approx(1.1)
    assert x == pytest.approx([1.0, 2.0])
    assert x == pytest.approx(np.array([1.0, 2.0 + 1e-9]))
    assert evaluate(lambda x: x.sum().item(), x) == pytest.approx(3)


def test_fractions_are_numbers(evaluate: Any) -> None:
    x = dl.dlarray([3.0])
    half = Fraction(1, 2)
    assert evaluate(lambda x: x * half, x).tolist() == [1.5]
    assert evaluate(lambda x: half / x, x).tolist() == [1 / 6]
    assert evaluate(lambda x: x > half, x).tolist() == [True]
    single = dl.dlarray(np.float32([3.0]))
    assert evaluate(lambda x: x + half, single).dtype == np.float32


def test_round_and_divmod(evaluate: Any) -> None:
    x = dl.dlarray([3.14159, -2.71828])
    assert evaluate(lambda x: round(x, 2), x).tolist() == [3.14, -2.72]
    assert evaluate(round, x).tolist() == [3.0, -3.0]
    quotient, remainder = evaluate(lambda x: divmod(x, 2), x)
    assert (quotient.tolist(), remainder.tolist()) == (
        [divmod(v, 2)[0] for v in x.tolist()],
        [divmod(v, 2)[1] for v in x.tolist()],
    )
    quotient, remainder = evaluate(lambda x: divmod(7, x), x)
    assert remainder.tolist() == [math.fmod(7, 3.14159), 7 % -2.71828]
    assert divmod(dl.dlarray(7.0), dl.dlarray(2.0))[0].item() == 3.0


def test_the_derivative_of_a_remainder() -> None:
    found = dl.dlfeval(lambda x: dl.dlgradient(divmod(x, 2.0)[1], x), dl.dlarray(3.0))
    assert found.item() == 1.0


def test_matrix_products_with_tables() -> None:
    # pandas computes `table @ x` itself, and asks x only for its values.
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    w = dl.dlarray([5.0, 7.0])
    for wrong in (
        lambda w: table @ w,
        lambda w: table.dot(w),
        lambda w: np.matmul(table, w),
        lambda w: table["a"] @ w,
        lambda w: table["a"].dot(w),
    ):
        assert isinstance(wrong(w), pd.Series | float)
        with pytest.raises(
            dl.errors.LeavingTraceError, match=r"write dl\.matmul\(table, x\) or dl\.mat"
        ):
            dl.dlfeval(wrong, w)
    for right, gradient in (
        (lambda w: dl.matmul(table, w), [3.0, 7.0]),
        (lambda w: w @ table, [4.0, 6.0]),
        (lambda w: dl.matmul(table["a"], w), [1.0, 2.0]),
        (lambda w: w @ table["a"], [1.0, 2.0]),
    ):
        found = dl.dlfeval(lambda w, f=right: dl.dlgradient(dl.sum(f(w)), w), w)
        assert found.tolist() == gradient
