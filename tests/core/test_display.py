"""Displays: an expression for `repr`, sizes and values for `print`, values inside a text."""

import io
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

import dlgradient as dl


@pytest.mark.parametrize(
    ("data", "fmt", "shown"),
    [
        (104.0, None, "dlarray(104.)"),
        ([396.0, 200.0], None, "dlarray([396., 200.])"),
        ([[1.0], [2.0]], "CB", "dlarray([[1.],\n         [2.]], 'CB')"),
        ([1.0], "C", "dlarray([1.], 'C')"),
        (np.float32([1.5]), None, "dlarray([1.5], dtype=float32)"),
        (np.int8([1]), "U", "dlarray([1], 'U', dtype=int8)"),
        (np.arange(2, dtype=np.int64), None, "dlarray([0, 1], dtype=int64)"),
        ([True], None, "dlarray([ True])"),
        (2 - 3j, None, "dlarray(2.-3.j)"),
        (np.zeros((0, 3)), None, "dlarray([], shape=(0, 3), dtype=float64)"),
    ],
)
def test_repr_is_an_expression(data: Any, fmt: Any, shown: str) -> None:
    x = dl.dlarray(data, fmt)
    assert repr(x) == shown
    if "dtype" not in shown:
        again = eval(shown, {"dlarray": dl.dlarray})
        assert (again.shape, again.dtype, dl.dims(again)) == (x.shape, x.dtype, dl.dims(x))


def test_repr_names_the_trace_and_the_shape_of_what_it_shortens() -> None:
    assert dl.dlfeval(repr, dl.dlarray([1.0], "C")) == "dlarray([1.], 'C', traced)"
    large = dl.dlarray(np.zeros((40, 50), np.float32))
    assert repr(large).endswith("shape=(40, 50), dtype=float32)")


@pytest.mark.parametrize(
    ("data", "fmt", "first"),
    [
        (np.zeros((3, 5)), "CB", "3(C) × 5(B) dlarray"),
        (np.zeros((4, 3), bool), "SS", "4(S) × 3(S) bool dlarray"),
        ([396.0, 200.0], None, "2 dlarray"),
        ([[1.0]], None, "1×1 dlarray"),
        ([1.0], None, "1 dlarray"),
        (np.zeros((2, 3, 4), np.float32), None, "2×3×4 float32 dlarray"),
        (np.zeros((2, 1), np.complex64), "TU", "2(T) × 1(U) complex64 dlarray"),
        (np.zeros(5), "C", "5(C) dlarray"),
    ],
)
def test_print_begins_with_the_sizes(data: Any, fmt: Any, first: str) -> None:
    x = dl.dlarray(data, fmt)
    values = str(dl.extractdata(x))
    assert str(x) == f"{first}{chr(10) if chr(10) in values else ' '}{values}"
    assert dl.dlfeval(str, x) == str(x)
    html = x._repr_html_()
    assert f"<b>{first}</b>" in html
    assert str(dl.extractdata(x)) in html


def test_a_scalar_prints_as_its_value() -> None:
    y = dl.dlarray(0.25)
    assert (str(y), f"loss {y}", f"{y:.1f}") == ("0.25", "loss 0.25", "0.2")
    assert "<b>scalar dlarray</b>" in y._repr_html_()


def test_inside_a_text_and_a_container() -> None:
    x = dl.dlarray([1.0, 2.5])
    assert f"{x} {x:.2f}" == "[1.  2.5] [1.00 2.50]"
    assert str((x, [x[0]])) == "(dlarray([1. , 2.5]), [dlarray(1.)])"
    assert dl.dlfeval(lambda x: f"{x.sum():.2f}", x) == "3.50"


def test_inside_a_table() -> None:
    table = pd.DataFrame({"Value": [dl.dlarray([1.0, 2.0]), dl.dlarray(3.0)]})
    assert table.to_string(index=False).split("\n")[1:] == [
        "2 dlarray [1. 2.]",
        "              3.0",
    ]


@pytest.mark.parametrize(("encoding", "sign"), [("ascii", "x"), ("latin-1", "×"), ("utf-8", "×")])
def test_the_terminal_can_show_it(
    encoding: str, sign: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    first = str(dl.dlarray([[1.0]])).partition(" [")[0]
    terminal.write(str(dl.dlarray([[1.0]], "CB")))
    assert first == f"1{sign}1 dlarray"
