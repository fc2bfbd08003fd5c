"""The rows of the documentation's tables are executed.

A table with the columns `Python` and `Result` is a list of examples: the code of the first column
is run, and what it gives is compared with the second, by the rules of doctest. A cell may hold
several statements, separated by semicolons; the last one gives the result, and an exception shows
as `NameOfTheError: message`. Rows follow each other, and the Python blocks of the page, in one
namespace, as a reader would type them.
"""

import ast
import doctest
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

import dlgradient as dl

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

PIECE = re.compile(
    r"^```(?:python|pycon)\n(?P<code>.*?)^```$|(?P<table>(?:^\|[^\n]*\|\n)+)",
    re.MULTILINE | re.DOTALL,
)
CELLS = re.compile(r"(?<!\\)\|")


def cells(line: str) -> list[str]:
    """Cells of one line of a table, without code marks."""
    inside = CELLS.split(line.strip())[1:-1]
    return [cell.strip().strip("`").replace("\\|", "|") for cell in inside]


def rows(table: str) -> Iterator[tuple[str, str]]:
    """Code and result of every row of a table, if it is one with these columns."""
    head, _, *body = table.splitlines()
    names = cells(head)
    if "Python" in names and "Result" in names:
        code, result = names.index("Python"), names.index("Result")
        for line in body:
            row = cells(line)
            yield row[code], row[result]


def result_of(code: str, scope: dict[str, Any]) -> str:
    """Run the statements of a cell and return what the last one shows."""
    *statements, last = ast.parse(code).body
    try:
        exec(compile(ast.Module(statements, []), "<table>", "exec"), scope)
        if isinstance(last, ast.Expr):
            return repr(eval(compile(ast.Expression(last.value), "<table>", "eval"), scope))
        exec(compile(ast.Module([last], []), "<table>", "exec"), scope)
    except dl.DlgradientError as error:
        return f"{type(error).__name__}: {error.args[0]}"  # without the line that names its page
    except Exception as error:  # noqa: BLE001 - whatever is raised is the result
        return f"{type(error).__name__}: {error}"
    return ""


def run_block(code: str, scope: dict[str, Any]) -> None:
    """Run a Python block of a page; `test_docs.py` compares its output."""
    if ">>> " in code:
        code = "".join(example.source for example in doctest.DocTestParser().get_examples(code))
    exec(code, scope)


def wrong_rows(page: str, scope: dict[str, Any]) -> list[str]:
    """Run a page and describe every row whose result is not the one it shows."""
    checker = doctest.OutputChecker()
    wrong = []
    for piece in PIECE.finditer(page):
        if piece["code"] is not None:
            run_block(dedent(piece["code"]), scope)
            continue
        for code, expected in rows(piece["table"]):
            got = result_of(code, scope)
            if not checker.check_output(f"{expected}\n", f"{got}\n", FLAGS):
                wrong.append(f"{code}\n    shown: {expected}\n    got:   {got}")
    return wrong


def has_rows(path: Path) -> bool:
    page = path.read_text(encoding="utf-8")
    return any(list(rows(piece["table"])) for piece in PIECE.finditer(page) if piece["table"])


@pytest.mark.parametrize(
    "path", [p for p in PAGES if has_rows(p)], ids=lambda path: str(path.relative_to(ROOT))
)
def test_rows(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope = {"dl": dl, "np": np, "__name__": "__main__"}
    wrong = wrong_rows(path.read_text(encoding="utf-8"), scope)
    assert not wrong, "\n".join([f"{path.name}:", *wrong])


def test_a_wrong_row_is_found() -> None:
    page = (
        "```python\nx = 1\n```\n\n| Python | Result |\n|---|---|\n"
        "| `x + 1` | `2` |\n| `x + 2` | `2` |\n| `x = 5; x` | `5` |\n"
        "| `1 \\| 2` | `3` |\n| `x[0]` | `TypeError: ...` |\n"
    )
    assert wrong_rows(page, {}) == ["x + 2\n    shown: 2\n    got:   3"]
