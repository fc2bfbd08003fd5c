"""What a declaration says of an elementwise function is added to its docstring."""

import inspect
from itertools import pairwise

import pytest

import dlgradient as dl
from dlgradient.core.docstrings import completed
from dlgradient.rules import OPS

WRITTEN = "Double.\n\n    Examples\n    --------\n    >>> double(2)\n    4\n    "


def sections(docstring: str) -> list[str]:
    lines = inspect.cleandoc(docstring).splitlines()
    return [a for a, b in pairwise(lines) if b and not b.strip("-")]


def test_one_real_operand() -> None:
    text = inspect.cleandoc(completed(WRITTEN, ["x"], "real"))
    assert "x : dlarray or array_like\n    Real.\n" in text
    assert "Of the shape and format of `x`" in text
    assert "ComplexValueError" in text
    assert "ShapeMismatchError" not in text
    assert text.endswith("Examples\n--------\n>>> double(2)\n4")


def test_two_complex_operands() -> None:
    text = inspect.cleandoc(completed(WRITTEN, ["x", "y"], "complex"))
    assert "x, y : dlarray or array_like\n    Real or complex; shapes broadcast" in text
    assert "Of the broadcast shape" in text
    assert "ShapeMismatchError" in text
    assert "ComplexValueError" not in text


@pytest.mark.parametrize(
    "docstring", ["Double.", "Double.\n\n    Parameters\n    ----------\n    x\n" + WRITTEN]
)
def test_what_is_not_meant_stays(docstring: str) -> None:
    assert completed(docstring, ["x"], "complex") == docstring


ELEMENTWISE = [name for name in dl.__all__ if name in OPS and OPS[name].format_family == "align"]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_help_is_complete(name: str) -> None:
    docstring = inspect.getdoc(getattr(dl, name)) or ""
    found = sections(docstring)
    assert found[:2] == ["Parameters", "Returns"]
    assert found[-1] == "Examples"
    assert OPS[name].domain == "complex" or "ComplexValueError" in docstring
