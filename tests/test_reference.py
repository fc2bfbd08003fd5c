"""Every public name has one entry in the pages of the reference, and every entry has its name."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import dlgradient as dl
import dlgradient.sklearn
import dlgradient.testing
from dlgradient.interop.counterparts import ATTRIBUTES

DOCS = Path(__file__).parent.parent / "docs"
PAGES = [*sorted((DOCS / "reference").glob("*.md")), DOCS / "errors.md"]
BLOCK = re.compile(r"^```\{eval-rst\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODULE = re.compile(r"\.\. currentmodule:: (\S+)")
# A directive of the domain `py` may have several signatures, one below the other.
ENTRY = re.compile(
    r"^\.\. (?:auto|py:)(function|class|data|exception|method|attribute|module):: ([\w.]+)[^\n]*"
    r"((?:\n {10,}[\w.]+\([^\n]*)*)",
    re.MULTILINE,
)
SUMMARY = re.compile(r"\.\. autosummary::\n\n((?: +\S+\n)+)")

# What Python reads or calls, and users do not.
INTERNAL = {"__dir__", "__init__", "__doc__", "__module__", "__slots__", "__hash__", "__final__"}
INTERNAL |= {"__firstlineno__", "__static_attributes__"}  # from Python 3.13 on
INTERNAL |= {"__signature__", "__pandas_priority__", "__annotations__", "__weakref__"}


def full(name: str, module: str) -> str:
    return name if name.startswith("dlgradient.") else f"{module}.{name}"


def entries(page: Path) -> Iterator[str]:
    """Yield the full names of the entries of a page."""
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        found = MODULE.search(block)
        for _, name, more in ENTRY.findall(block):
            for each in [name, *re.findall(r"([\w.]+)\(", more)]:
                yield full(each, found[1] if found else "")


def members() -> set[str]:
    """Return the attributes, methods and operators of a dlarray."""
    listed = {name for name in dir(dl.dlarray) if not name.startswith("_")}
    own = {name for kind in dl.dlarray.__mro__[:-1] for name in vars(kind)}
    special = {name for name in own - INTERNAL if name.startswith("__")} | {"_repr_html_"}
    return listed | special - set(ATTRIBUTES)


def public() -> set[str]:
    """Return the full names of all that users may call or read."""
    names = {f"dlgradient.{name}" for name in dl.__all__} | {
        "dlgradient.sklearn",
        "dlgradient.testing",
    }
    for folder in ("fft", "linalg", "special"):
        names |= {f"dlgradient.{folder}.{name}" for name in getattr(dl, folder).__all__}
    for folder in ("layers", "metrics", "networks", "schedules", "sklearn"):
        names |= {f"dlgradient.{folder}.{name}" for name in getattr(dl, folder).__all__}
    names |= {f"dlgradient.rules.{name}" for name in dl.rules.__all__}
    testing = {name for name in dlgradient.testing.__all__ if name not in dl.rules.__all__}
    names |= {f"dlgradient.testing.{name}" for name in testing}
    return names | {f"dlgradient.dlarray.{name}" for name in members()}


ENTRIES = Counter(name for page in PAGES for name in entries(page))


def test_every_public_name_has_an_entry() -> None:
    assert sorted(public() - set(ENTRIES)) == []


def test_every_entry_is_public() -> None:
    assert sorted(set(ENTRIES) - public()) == []


def test_no_name_has_two_entries() -> None:
    assert [name for name, count in ENTRIES.items() if count > 1] == []


def test_samples_of_testing_are_those_of_rules() -> None:
    for name in set(dl.rules.__all__) & set(dlgradient.testing.__all__):
        assert getattr(dl.rules, name) is getattr(dlgradient.testing, name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tables_list_the_entries_below_them(page: Path) -> None:
    for block in BLOCK.findall(page.read_text(encoding="utf-8")):
        below = [name for kind, name, _ in ENTRY.findall(block) if kind != "module"]
        listed = SUMMARY.search(block)
        if listed:
            assert listed[1].split() == below


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_index_has_every_page(page: Path) -> None:
    index = (DOCS / "reference" / "index.md").read_text(encoding="utf-8")
    if page.stem != "index":
        assert f"{page.name})" in index
        assert re.search(rf"^(\.\./)?{page.stem}$", index, re.MULTILINE)


def test_modules_are_modules() -> None:
    for name in ("errors", "fft", "linalg", "rules", "special"):
        assert isinstance(getattr(dl, name), ModuleType)
