"""Tables and pictures of the pages are what the programs in ``tools/`` write."""

import runpy
import warnings
from pathlib import Path

import dlgradient as dl

ROOT = Path(__file__).parents[1]
KINKS = ROOT / "docs" / "understand" / "kinks.md"
FIGURES = ROOT / "docs" / "start" / "figures"


def test_the_pictures_of_a_trace_are_those_of_the_library() -> None:
    written = runpy.run_path(str(ROOT / "tools" / "trace_figures.py"))["pictures"]()
    found = {path.name: path.read_text(encoding="utf-8") for path in FIGURES.glob("*.svg")}
    assert found == written, "run python tools/trace_figures.py"


def test_the_tables_of_kinks_are_those_of_the_samples() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "kinks_page.py"))
    page = KINKS.read_text(encoding="utf-8")
    assert page == tool["page"](page), "run python tools/kinks_page.py"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # samples at infinity
        names = {row.name for row in tool["rows"]()}
    assert names == tool["PLACES"].keys()
    assert names <= set(dl.__all__)
    assert {"relu", "maxpool", "clippedrelu", "zrelu", "copysign", "huber"} <= names
