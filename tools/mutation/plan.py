"""What is mutated, and which checks and tests a mutant has to pass.

The lists follow the folders of the package, so that a module that is moved or split needs no word
here. A module is tested by the checks of the operations that it declares, and of those that modules
declare which import it. Then come the examples in its docstrings, and the tests of the folder that
mirrors its own.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "src" / "dlgradient"
TESTS = ROOT / "tests"

FLOORS = ("core", "rules.py", "ops", "nn", "engine")
# Tables of samples, words and constants: a change of them is no mistake of a computation.
UNMUTATED = {"core/samples.py", "core/sizes.py", "core/spelling.py", "core/types.py"}
# Further tests of a floor, besides those in the folder of the same name.
FURTHER = {
    "core": [
        *["rules/test_declared.py", "rules/test_lint.py", "rules/test_formats.py"],
        *["test_errors.py", "engine"],
    ],
    "rules.py": ["rules/test_declared.py", "rules/test_lint.py", "rules/test_formats.py", "engine"],
    "ops": ["rules/test_formats.py", "interop", "engine"],
    "nn": [],
    "engine": ["properties", "core", "interop"],
}
# One or two operations of every kind of declaration. They represent all operations where a module
# serves all of them.
REPRESENTATIVE = (
    *("add", "multiply", "divide", "exp", "abs", "real", "where", "maximum", "sum", "max", "var"),
    *("matmul", "tensordot", "concat", "getitem", "assigned", "sort", "cumulative_sum", "astype"),
    *("pow", "floor", "broadcast_to", "take", "linspace", "crossentropy", "softmax", "maxpool"),
)
# Tests that take seconds each, and find no mutants that the quick ones do not.
SLOW = ("million_operations", "deep_trace", "tables_of_learnables", "declaration")


@dataclass(frozen=True)
class Target:
    """One module to mutate."""

    path: Path

    @property
    def name(self) -> str:
        """Path in the package, such as ``ops/linalg.py``."""
        return self.path.relative_to(PACKAGE).as_posix()

    @property
    def floor(self) -> str:
        """The floor it belongs to."""
        return self.name.partition("/")[0]

    @property
    def module(self) -> str:
        """Dotted name."""
        return dotted(self.path)

    @property
    def declarers(self) -> frozenset[str] | None:
        """Modules whose operations are checked; None for the representative ones."""
        if self.floor not in ("ops", "nn"):
            return None
        return frozenset({self.module, *importers(self.path)})

    @property
    def tests(self) -> list[str]:
        """Tests in the order in which they are run: those that are about the module come first."""
        folder = TESTS / Path(self.name).parent
        found = sorted(folder.glob("test_*.py")) if folder != TESTS else []
        if not found:
            found = sorted((TESTS / self.floor).rglob("test_*.py"))
        for place in FURTHER[self.floor]:
            path = TESTS / place
            found += [path] if path.suffix else sorted(path.rglob("test_*.py"))
        found = sorted(dict.fromkeys(found), key=lambda path: -self.mentions(path))
        names = [path.relative_to(ROOT).as_posix() for path in found]
        if ">>> " in self.path.read_text(encoding="utf-8"):
            names.insert(0, f"tests/test_docs.py::test_docstrings[{self.name}]")
        return names

    def mentions(self, test: Path) -> int:
        """How much a file of tests is about the module."""
        text = test.read_text(encoding="utf-8")
        words = {self.path.stem, *public(self.path)}
        about = 1000 * (self.path.stem in test.stem) + 100 * (self.module in text)
        return about + len(re.findall(rf"\b({'|'.join(map(re.escape, words))})\b", text))


def dotted(path: Path) -> str:
    """Dotted name of a module of the package."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def targets(names: list[str]) -> list[Target]:
    """Return the modules of all floors, or those whose paths begin with one of the names."""
    paths = [PACKAGE / "rules.py"]
    for floor in FLOORS:
        paths += sorted((PACKAGE / floor).rglob("*.py"))
    found = [Target(p) for p in paths if p.name != "__init__.py"]
    found = [t for t in found if t.name not in UNMUTATED]
    return [t for t in found if not names or any(t.name.startswith(name) for name in names)]


@cache
def importers(path: Path) -> tuple[str, ...]:
    """Modules of the same folder that import a module, directly or through another of them."""
    siblings = {dotted(p): imported(p) for p in path.parent.glob("[!_]*.py")}
    found = {dotted(path)}
    while more := {m for m, names in siblings.items() if names & found} - found:
        found |= more
    if path.parent.name == "shared":
        everything = {dotted(p): imported(p) for p in (PACKAGE / "nn").rglob("*.py")}
        found |= {m for m, names in everything.items() if names & found}
    return tuple(sorted(found - {dotted(path)}))


@cache
def imported(path: Path) -> frozenset[str]:
    """Modules that a module imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


@cache
def public(path: Path) -> tuple[str, ...]:
    """Functions and classes of a module that have a public name."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    names = [n.name for n in body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    return tuple(name for name in names if not name.startswith("_"))
