"""Sections that the docstrings of all elementwise functions share, written once.

The author writes what the function computes, its differential and an example. `completed` adds the
other sections before the example, from the declaration, so that ``help(dl.exp)`` is complete.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from dlgradient.core.domain import Domain
from dlgradient.core.related import see_also

__all__ = ["completed"]

# From Python 3.13 on, the compiler takes the indentation off.
_EXAMPLES = re.compile(r"\n\n( *)Examples\n\1----")
_ONE = "Of the shape and format of `x`, and of the dtype that NumPy gives."
_SEVERAL = "Of the broadcast shape, and of the dtype that NumPy gives."


def completed(name: str, docstring: str, operands: Sequence[str], domain: Domain) -> str:
    """Return `docstring` with all sections that it lacks, if it lacks that of parameters."""
    found = _EXAMPLES.search(docstring)
    if found is None or "Parameters\n" in docstring:
        return docstring
    several = len(operands) > 1
    numbers = "Real" if domain == "real" else "Real or complex"
    sections = [
        *("Parameters", "----------", f"{', '.join(operands)} : dlarray or array_like"),
        f"    {numbers}; shapes broadcast, formats align by label."
        if several
        else f"    {numbers}.",
        *("", "Returns", "-------", "dlarray or array", "    " + (_SEVERAL if several else _ONE)),
    ]
    raises = []
    if several:
        raises += ["ShapeMismatchError", "    If the shapes do not broadcast."]
    if domain == "real":
        raises += ["ComplexValueError", "    If an operand is complex."]
    if raises:
        sections += ["", "Raises", "------", *raises]
    related = see_also(name)
    if related:
        sections += ["", "See Also", "--------", *related]
    added = "\n".join([f"{found[1]}{line}".rstrip() for line in sections])
    before, after = docstring[: found.start()], docstring[found.start() :]
    return f"{before}\n\n{added}{after}"
