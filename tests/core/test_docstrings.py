"""What a declaration says of an elementwise function is added to its docstring."""

import ast
import inspect
from collections.abc import Iterator
from functools import reduce
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import dlgradient as dl
import dlgradient.sklearn
import dlgradient.testing
from dlgradient.core.docstrings import completed
from dlgradient.rules import OPS

WRITTEN = "Double.\n\n    Examples\n    --------\n    >>> double(2)\n    4\n    "


def sections(docstring: str) -> list[str]:
    lines = inspect.cleandoc(docstring).splitlines()
    return [a for a, b in pairwise(lines) if b and not b.strip("-")]


def test_one_real_operand() -> None:
    text = inspect.cleandoc(completed("double", WRITTEN, ["x"], "real"))
    assert "x : dlarray or array_like\n    Real.\n" in text
    assert "Of the shape and format of `x`" in text
    assert "ComplexValueError" in text
    assert "ShapeMismatchError" not in text
    assert text.endswith("Examples\n--------\n>>> double(2)\n4")


def test_two_complex_operands() -> None:
    text = inspect.cleandoc(completed("double", WRITTEN, ["x", "y"], "complex"))
    assert "x, y : dlarray or array_like\n    Real or complex; shapes broadcast" in text
    assert "Of the broadcast shape" in text
    assert "ShapeMismatchError" in text
    assert "ComplexValueError" not in text


@pytest.mark.parametrize(
    "docstring", ["Double.", "Double.\n\n    Parameters\n    ----------\n    x\n" + WRITTEN]
)
def test_what_is_not_meant_stays(docstring: str) -> None:
    assert completed("double", docstring, ["x"], "complex") == docstring


ELEMENTWISE = [name for name in dl.__all__ if name in OPS and OPS[name].format_family == "align"]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_help_is_complete(name: str) -> None:
    docstring = inspect.getdoc(getattr(dl, name)) or ""
    found = sections(docstring)
    assert found[:2] == ["Parameters", "Returns"]
    assert found[-2:] == ["See Also", "Examples"]
    assert OPS[name].domain == "complex" or "ComplexValueError" in docstring


SRC = Path(dl.__file__).parent
SOURCE = {
    ".".join(path.relative_to(SRC.parent).with_suffix("").parts): {
        node.name: ast.get_docstring(node) or ""
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    for path in SRC.rglob("*.py")
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_what_is_written_of_a_pointwise_function_is_short(name: str) -> None:
    written = SOURCE[getattr(dl, name).__module__][name]
    assert len(written.splitlines()) <= 12 or "Parameters" in written


# -- See Also ------------------------------------------------------------------------------------


def public() -> Iterator[tuple[str, Any]]:
    """Yield the names and values of all that users call, without errors and parts of NumPy."""
    for space in (dl, dl.fft, dl.linalg, dl.special, dl.networks, dl.rules, dlgradient.testing):
        for name in space.__all__:
            value = getattr(space, name)
            if callable(value) and getattr(value, "__module__", "").startswith("dlgradient."):
                yield f"{space.__name__}.{name}", value


FUNCTIONS = {name: f for name, f in public() if inspect.isfunction(f)}
CLASSES = {"dlgradient.dlarray", "dlgradient.DifferentiableFunction"}


def exists(name: str, module: str) -> bool:
    """Whether the documentation finds a name that a docstring of `module` writes."""
    path = name if name.startswith("dlgradient.") else f"{module}.{name}"
    try:
        found = reduce(getattr, path.split(".")[1:], dl)
    except AttributeError:
        return False
    return not isinstance(found, ModuleType)


def see_also(value: object) -> list[str]:
    """Return the lines of the section of a docstring, none where it has none."""
    lines = (inspect.getdoc(value) or "").splitlines()
    if "See Also" not in lines:
        return []
    start = lines.index("See Also") + 2
    return lines[start : lines.index("", start)] if "" in lines[start:] else lines[start:]


@pytest.mark.parametrize("space", [dl.layers, dl.metrics, dl.schedules, dlgradient.sklearn])
def test_see_also_of_classes_is_found(space: ModuleType) -> None:
    for name in space.__all__:
        for entry in see_also(getattr(space, name)):
            assert exists(entry.partition(" : ")[0], space.__name__), f"{name}: {entry}"


@pytest.mark.parametrize("name", sorted([*FUNCTIONS, *CLASSES]))
def test_see_also(name: str) -> None:
    entries = see_also(reduce(getattr, name.split(".")[1:], dl))
    assert 1 <= len(entries) <= 4
    for entry in entries:
        other, colon, what = entry.partition(" : ")
        assert colon, entry
        assert what, entry
        assert exists(other, name.rpartition(".")[0]), entry
        assert other != name.rpartition(".")[2], entry


def test_the_source_is_not_a_parameter() -> None:
    # numpydoc shows what follows a parameter without a section of its own as one more parameter.
    listed = {"Parameters", "Returns", "Raises", "Attributes"}
    for path in sorted(Path(dl.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                before, source, _ = (ast.get_docstring(node) or "").partition("\nSource: ")
                assert not (source and set(sections(before)[-1:]) & listed), f"{path}: {node.name}"
