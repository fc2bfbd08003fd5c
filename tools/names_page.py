"""Write the page of other libraries' names, from the table in `dlgradient.interop.counterparts`.

Run it after a change of the table: ``python tools/names_page.py``. A test compares the page with
what this program writes.
"""

from __future__ import annotations

from pathlib import Path

import dlgradient as dl
from dlgradient.interop.counterparts import NOTES
from dlgradient.interop.expressions import expressions, qualified

PAGE = Path(__file__).parent.parent / "docs" / "supported" / "other-names.md"

HEAD = """\
# Names in other libraries

MATLAB, NumPy, PyTorch and JAX have names for these that differ from the ones here. An error of an
unknown name, as `dl.cat`, says what this page says, without the `dl.`. The tests execute every
expression. Where NumPy has a function of the same name and it is traced, `np.` is in it.

In the expressions, `x` and `y` are vectors, `A` and `B` matrices, `S` a positive definite one, `i`
indices, `c` a mask, `n` a number, and `f` a function. What is in brackets says for which arguments,
or for which library, an expression is. `X` is an image of format `"SSCB"`, `Y` a sequence of format
`"CBT"`.

| names elsewhere | write |
|---|---|
"""

REST = """
## Names without a counterpart
"""


def marked(names: str) -> str:
    """Return names in code marks."""
    return ", ".join(f"`{name}`" for name in names.split())


def page() -> str:
    """Return the whole page."""
    written: dict[str, str] = {}
    for name, cases in expressions().items():
        cell = "; ".join(
            f"`{qualified(e.text, dl.__all__)}`{e.when and f' ({e.when})'}" for e in cases
        )
        cell = cell.replace("|", chr(92) + "|")
        written[cell] = f"{written.get(cell, '')} {name}"
    rows = [f"| {marked(names)} | {cell} |" for cell, names in written.items()]
    notes = [f"* {marked(names)}: it {note}." for note, names in NOTES.items()]
    return HEAD + "\n".join([*rows, REST, *notes]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE}")
