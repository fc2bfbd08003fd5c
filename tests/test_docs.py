"""Every example that a reader can see is executed: docstrings, README and docs pages.

A block in a Markdown file is run when its language is `python` or `pycon`. The blocks of one file
follow each other in one namespace. A block with `>>>` prompts is a doctest, whose output is
compared; any other block is only run.
"""

import ast
import doctest
import importlib
import inspect
import re
import runpy
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.calls import FUNCTIONS
from dlgradient.rules import DERIVED, OPS

ROOT = Path(__file__).parent.parent
SRC = ROOT / "src" / "dlgradient"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
BLOCK = re.compile(
    r"^(?P<indent> *)```(?:python|pycon)\n(?P<code>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")
POINTER = re.compile(r"^See https:\S+\.html(#[\w-]+)?\n", re.MULTILINE)
CODE_SPAN = re.compile(r"`[^`\n]+`")  # `f[k](x)` is no link


class Checker(doctest.OutputChecker):
    """Compares messages of this package's errors without their last line, which names a page."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(want, POINTER.sub("", got), optionflags)


class Unseeded:
    """Generators that were made without a seed, and whether something was drawn from them."""

    def __init__(self) -> None:
        self.make = np.random.default_rng
        self.found: list[tuple[np.random.Generator, dict[str, Any], str]] = []

    def __call__(self, seed: Any = None) -> np.random.Generator:
        caller = sys._getframe(1).f_globals["__name__"]
        if seed is not None or caller.startswith("scipy."):  # estimates of norms
            return self.make(seed)
        generator = self.make(0)
        place = "".join(traceback.format_stack(limit=6)[:-1])
        self.found.append((generator, dict(generator.bit_generator.state), place))
        return generator

    def drawn(self) -> list[str]:
        return [
            place
            for generator, state, place in self.found
            if generator.bit_generator.state != state
        ]


@pytest.fixture
def _reproducible(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse a page that draws without a seed: its reader may see another result."""
    unseeded = Unseeded()
    monkeypatch.setattr(np.random, "default_rng", unseeded)
    yield
    drawn = unseeded.drawn()
    assert not drawn, "give a seed or a generator:\n" + "\n".join(drawn)


@pytest.fixture(autouse=True)
def _table_unchanged() -> Iterator[None]:
    """Take the operations that an example declares out of the table again."""
    before = [(table, dict(table)) for table in (OPS, DERIVED, FUNCTIONS)]
    yield
    for table, entries in before:
        table.clear()
        table.update(entries)


def namespace() -> dict[str, Any]:
    return {"dl": dl, "np": np, "__name__": "__main__"}


def check_prompts(text: str, scope: dict[str, Any], name: str, path: Path, line: int) -> None:
    """Run the `>>>` examples of `text` in `scope`; `line` is where it starts, from zero."""
    test = doctest.DocTestParser().get_doctest(text, scope, name, str(path), line)
    test.globs = scope  # the parser made a copy, in which later blocks would see nothing
    report: list[str] = []
    result = doctest.DocTestRunner(Checker(), optionflags=FLAGS).run(
        test, out=report.append, clear_globs=False
    )
    assert not result.failed, "".join(report)


def strings(path: Path) -> list[tuple[int, str]]:
    """Line and text of the strings with examples in a source file.

    They are read from the source, since what a declarer or a decorator makes of a function may
    hide its docstring from `doctest`.
    """
    return [
        (node.lineno, node.value)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ">>> " in node.value
    ]


SOURCES = [path for path in sorted(SRC.rglob("*.py")) if strings(path)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SRC)))
def test_docstrings(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    dotted = ".".join(path.relative_to(SRC.parent).with_suffix("").parts).removesuffix(".__init__")
    inside = vars(importlib.import_module(dotted))  # for the examples of what is not public
    for line, text in strings(path):
        check_prompts(text, {**inside, **namespace()}, f"{path.stem}, line {line}", path, line - 1)


def test_docstrings_made_at_run_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written = {inspect.cleandoc(text) for path in SOURCES for _, text in strings(path)}
    for name in dl.__all__:
        text = inspect.getdoc(getattr(dl, name)) or ""
        if ">>> " in text and text not in written:
            check_prompts(text, namespace(), f"dl.{name}", SRC / "__init__.py", 0)


@pytest.mark.usefixtures("_reproducible")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = path.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(path.parent)  # for a file that the page offers
    scope = namespace()
    for block in BLOCK.finditer(page):
        code = dedent(block["code"])
        line = page.count("\n", 0, block.start("code"))
        if ">>> " in code:
            check_prompts(code, scope, f"{path.name}, line {line}", path, line)
        else:
            exec(compile("\n" * line + code, str(path), "exec"), scope)


@pytest.mark.parametrize(
    "path",
    [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_links_lead_to_files(path: Path) -> None:
    text = CODE_SPAN.sub("", path.read_text(encoding="utf-8"))
    links = LINK.findall(text)
    assert [link for link in links if not (path.parent / link).exists()] == []


MESSAGE = re.compile(r"^dlgradient\.errors\.\w+: .*$", re.MULTILINE)


@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if path.name != "errors.md"],  # which says what it omits
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_message_shows_that_a_line_follows(path: Path) -> None:
    messages = MESSAGE.findall(path.read_text(encoding="utf-8"))
    assert [text for text in messages if not text.endswith("...")] == []


# -- what programs write -------------------------------------------------------------------------


def test_the_pictures_of_a_trace_are_those_of_the_library() -> None:
    written = runpy.run_path(str(ROOT / "tools" / "trace_figures.py"))["pictures"]()
    folder = ROOT / "docs" / "start" / "figures"
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.svg")}
    assert found == written, "run python tools/trace_figures.py"


def test_the_tables_of_kinks_are_those_of_the_samples() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "kinks_page.py"))
    page = (ROOT / "docs" / "understand" / "kinks.md").read_text(encoding="utf-8")
    assert page == tool["page"](page), "run python tools/kinks_page.py"
    table = page.partition("<!-- end of kinks -->")[0]
    names = set(re.findall(r"^\| \{func\}`~dlgradient\.(\w+)` \| ", table, re.MULTILINE))
    assert names == tool["PLACES"].keys()
    assert {"relu", "maxpool", "clippedrelu", "zrelu", "copysign", "huber"} <= names


# -- these tests ---------------------------------------------------------------------------------


def test_an_example_with_the_wrong_output_fails() -> None:
    with pytest.raises(AssertionError, match=r"Expected:\s+3\s+Got:\s+2"):
        check_prompts(">>> 1 + 1\n3\n", {}, "wrong", Path(__file__), 0)


def test_blocks_of_a_page_are_found() -> None:
    page = (
        "```python\nx = 1\n```\n```text\nno\n```\n1. item\n\n   ```pycon\n   >>> x\n   1\n   ```\n"
    )
    assert [dedent(block["code"]) for block in BLOCK.finditer(page)] == ["x = 1\n", ">>> x\n1\n"]
