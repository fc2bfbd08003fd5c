"""Tables and pictures of the pages are what the programs in ``tools/`` write."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs" / "start" / "figures"


def test_the_pictures_of_a_trace_are_those_of_the_library() -> None:
    written = runpy.run_path(str(ROOT / "tools" / "trace_figures.py"))["pictures"]()
    found = {path.name: path.read_text(encoding="utf-8") for path in FIGURES.glob("*.svg")}
    assert found == written, "run python tools/trace_figures.py"
