"""The tables of what is supported are those that the tool writes, and agree with the errors."""

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.interop.expressions import in_words
from dlgradient.interop.table import supported

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "supported"
TOOL = runpy.run_path(str(ROOT / "tools" / "supported_pages.py"))
PEERS: dict[str, Any] = TOOL["peers"]()

# With other names or other signatures in NumPy, other rows are found.
VERSION = PEERS["numpy"][0].split()[1].rpartition(".")[0]
same_numpy = pytest.mark.skipif(
    not np.__version__.startswith(f"{VERSION}."), reason=f"the page is that of NumPy {VERSION}"
)


@same_numpy
@pytest.mark.parametrize("library", sorted(PEERS))
def test_the_page_is_what_the_tool_writes(library: str) -> None:
    text = (FOLDER / f"{library}.md").read_text(encoding="utf-8")
    assert text == TOOL["page"](library), "run python tools/supported_pages.py"


@same_numpy
def test_every_function_of_numpy_is_listed() -> None:
    found = {n for n in np.__all__ if callable(getattr(np, n)) and not n.startswith("_")}
    functions = {n for n in found if not isinstance(getattr(np, n), type)}
    assert functions == set(PEERS["numpy"][1]["numpy"])


def test_what_is_said_to_be_traced_is_traced() -> None:
    rows = re.findall(r"`np\.(\w+)\(x\)`", (FOLDER / "numpy.md").read_text(encoding="utf-8"))
    # Some came with NumPy 2.2.
    assert {name for name in rows if hasattr(np, name)} <= supported()


@pytest.mark.parametrize("library", sorted(PEERS))
def test_every_name_has_one_answer(library: str) -> None:
    text = (FOLDER / f"{library}.md").read_text(encoding="utf-8")
    for part in text.split("\n## ")[1:-1]:
        space = part.splitlines()[0]
        rows = [line.split(" | ")[0] for line in part.splitlines() if line.startswith("| `")]
        reasons = [line.partition(": it ")[0] for line in part.splitlines() if line[:2] == "* "]
        names = re.findall(r"`([^`]+)`", " ".join(rows + reasons))
        assert sorted(names) == sorted(PEERS[library][1][space])


def test_an_error_says_what_the_page_says() -> None:
    assert TOOL["answer"]("torch", "cat").text == "`dl.concat([x, y], axis=0)`"
    assert in_words("cat") == "dl.concat([x, y], axis=0)"
    with pytest.raises(AttributeError, match=r"write dl\.concat"):
        dl.cat  # noqa: B018 - looked up for its error
