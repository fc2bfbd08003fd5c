"""Write ``docs/errors.md``: a section for each class of `dlgradient.errors`, from its docstring.

Run it after a change of the docstrings: ``python tools/errors_page.py``. A test compares the page
with what this program writes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from dlgradient import errors

PAGE = Path(__file__).parent.parent / "docs" / "errors.md"

HEAD = """\
# Errors

Each kind of mistake has a class. The last line of a message is the address of its section here. The
examples below omit that line.

```{eval-rst}
.. py:module:: dlgradient.errors
```
"""

ENTRY = """\
```{eval-rst}
.. currentmodule:: dlgradient

.. py:exception:: %s
```"""

# Sections of what is not a class of this package.
REST = """\
## Exceptions of Python

Some exceptions must be Python's own, since Python or another library catches them. Their messages
have an address too.

* `AttributeError`: a name that does not exist. The message says what to write, from the table of
  [names in other libraries](supported/other-names.md).
* `TypeError`: `len(x)` of a dlarray without dimensions, and a loop over it. `x[None]` has one
  dimension. A network is not called: `net.forward(x)` and `net.predict(x)` are its two calls.
* `TypeError: 'dlarray' object is not callable`, in Python's words: `x(1)` is MATLAB's form. The
  first element is `x[0]`, a row `x[0, :]`, the last element `x[-1]`.
* `TypeError: unhashable type: 'dlarray'`, in Python's words: `{x, y}` is a set in Python. Several
  variables are `dlgradient(y, x1, x2)`, or a list.
* `BufferError`: the memory of a dlarray without dimensions cannot be shared by DLPack.
* `NotImplementedError`: a layer, a metric or a schedule of your own lacks a method.
* `KeyError`: a row that a table does not have. Python shows its text in quotes, so it has no
  address.
* `CheckError` of `dlgradient.testing`, an `AssertionError`: a check of a derivative failed.
"""


def blocks(text: str) -> Iterator[str]:
    """Yield the paragraphs of a docstring in Markdown, with examples as blocks of code."""
    examples: list[str] = []
    for paragraph in [*text.split("\n\n"), ""]:
        if paragraph.startswith(">>> "):
            examples.append(paragraph)
            continue
        if examples:
            yield "```pycon\n{}\n\n```".format("\n\n".join(examples))
            examples = []
        if paragraph:
            yield paragraph.replace("``", "`")


def section(name: str) -> str:
    """Return the section of a class."""
    kind = getattr(errors, name)
    text = inspect.cleandoc(kind.__doc__)
    text = re.sub(r"Attributes\n-+\n.*?\n\n", "", text, flags=re.DOTALL)
    text = text.replace("Examples\n--------\n", "")
    caught = kind.__bases__[-1].__name__
    article = "an" if caught[0] in "AEIOU" else "a"
    summary, *rest = blocks(text)
    summary += f" It is {article} `{caught}`."
    return "\n\n".join([f"## {name}", ENTRY % name, summary, *rest])


def page() -> str:
    """Return the whole page, the base class first."""
    names = sorted(errors.__all__, key=lambda name: (name != "DlgradientError", name))
    return "\n\n".join([HEAD.strip(), *map(section, names), REST])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE}")
