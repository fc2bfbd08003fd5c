"""What holds for the tests themselves."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
MODULES = {str(path.relative_to(TESTS)): path for path in sorted(TESTS.rglob("*.py"))}
# Calls that raise where something is wrong.
ASSERTING = ("assert", "check", "raises", "warns", "fail")


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Everything that is evaluated when the module of a node is imported."""
    for child in ast.iter_child_nodes(node):
        yield child
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for part in (*child.decorator_list, *child.args.defaults, *child.args.kw_defaults):
                if part is not None:
                    yield part
                    yield from at_import(part)
        elif not isinstance(child, ast.Lambda):
            yield from at_import(child)


def names(node: ast.AST) -> set[str]:
    """Names and attributes among the parts of a node."""
    return {getattr(n, "id", getattr(n, "attr", "")) for n in ast.walk(node)}


@pytest.mark.parametrize("module", MODULES)
def test_no_module_draws_when_it_is_imported(module: str) -> None:
    """Data from the fixture `rng` depend on the test alone, not on those that ran before."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    drawing = {"default_rng", "RandomState", "maker", "Maker"}
    calls = [n for n in at_import(tree) if isinstance(n, ast.Call)]
    assert not [ast.unparse(n) for n in calls if drawing & names(n.func)]


# Tests of the whole table, of random programs, against another library, and of all signatures.
EVERYWHERE = {"rules", "properties", "peers", "types"}
MIRRORS = [name for name in MODULES if "/" in name and name.split("/")[0] not in EVERYWHERE]


@pytest.mark.parametrize("module", MIRRORS)
def test_a_test_lies_where_its_source_lies(module: str) -> None:
    package, path = TESTS.parent / "src" / "dlgradient", Path(module)
    assert (package / path.parent).is_dir()
    sources = [p.parent for p in package.rglob(path.name.removeprefix("test_"))]
    whole_folder = path.stem == f"test_{path.parent.name}"
    assert not sources or whole_folder or package / path.parent in sources


@pytest.mark.parametrize("module", [name for name in MODULES if "test_" in name])
def test_every_test_asserts(module: str) -> None:
    """By an assertion, a function that raises one, or a helper of the module that does."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}

    def asserts(node: ast.FunctionDef, seen: frozenset[str]) -> bool:
        if any(isinstance(n, ast.Assert | ast.Raise) for n in ast.walk(node)):
            return True
        called = names(node) - seen
        if any(word in name for name in called for word in ASSERTING):
            return True
        helpers = [functions[name] for name in called & functions.keys()]
        return any(asserts(helper, seen | called) for helper in helpers)

    tests = [n for n in functions.values() if n.name.startswith("test_")]
    assert not [n.name for n in tests if not asserts(n, frozenset([n.name]))]


def test_no_two_files_have_one_name() -> None:
    """Else pytest, which imports them by their names, cannot collect the second."""
    names = [path.name for path in TESTS.rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
