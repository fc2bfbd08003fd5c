"""The structure of the package: who may import whom, how long a module is, what an import costs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parent.parent / "src" / "dlgradient"

# From low to high. A module imports only from lower rows, and inside its own package. Modules of
# one row do not know each other. A new module or package of the top level must find its place here.
ORDER = (
    ("errors", "spelling", "display"),
    ("tree", "labels"),
    ("backend",),
    ("calls",),  # the hook and the call paths, which the declarers make functions of
    ("rules", "project"),
    ("ops",),
    ("nn",),
    ("interop",),  # NumPy's functions, answered with those of ops
    ("array",),
    ("trace",),
    ("walk",),
    ("gradient",),
    ("derivatives",),
    ("custom",),  # operations of users, who know everything above
    ("ode",),  # its gradients are those of a custom function
    ("program",),
    ("network",),
    ("train",),
    ("testing",),
    ("__init__",),
)
RANK = {room: rank for rank, row in enumerate(ORDER) for room in row}

# The imports that go up all the same: file and target, and why.
EXCEPTIONS = {
    ("array.py", "__init__"),  # the answer of `__array_namespace__` is the package itself
}

MAX_LINES = 600

# Heavy or optional: loaded by the functions that need them, when they are called.
NOT_AT_IMPORT = ("scipy", "pandas", "matplotlib", "torch", "jax", "rich", "optree")


def room_of(path: Path, root: Path) -> str:
    """Name the top-level module or package that a file belongs to."""
    return path.relative_to(root).with_suffix("").parts[0]


def imported_names(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Yield line and absolute name of every import in a file, inside functions too."""
    package = (root.name, *path.relative_to(root).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield node.lineno, alias.name
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else ()
                for alias in names:
                    yield node.lineno, ".".join((*base, *filter(None, [module]), alias.name))
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__")
                | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name


def violations(root: Path) -> list[str]:
    """List every import that goes up, or sideways out of its package."""
    found = []
    for path in sorted(root.rglob("*.py")):
        own = room_of(path, root)
        where = path.relative_to(root).as_posix()
        if own not in RANK:
            found.append(f"{where}: {own!r} has no place in the order of modules")
            continue
        for line, name in imported_names(path, root):
            parts = name.split(".")
            if parts[0] != root.name:
                continue
            target = parts[1] if len(parts) > 1 else "__init__"
            is_module = (root / target).is_dir() or (root / f"{target}.py").is_file()
            if not is_module:
                target = "__init__"  # a public name, taken from the package itself
            if target == own or (where, target) in EXCEPTIONS:
                continue
            if target not in RANK or RANK[target] >= RANK[own]:
                found.append(f"{where}:{line}: {own!r} must not import {target!r}")
    return found


def test_imports_go_down_only() -> None:
    assert SRC.is_dir()
    assert violations(SRC) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("errors.py", "from dlgradient.array import dlarray"),
        ("errors.py", "import dlgradient.array"),
        ("errors.py", "from .array import dlarray"),
        ("errors.py", "from . import array"),
        ("errors.py", "from dlgradient import array"),
        ("errors.py", "from dlgradient import dlarray"),
        ("errors.py", "import dlgradient as dl"),
        ("errors.py", "def f():\n    from dlgradient import array"),
        ("errors.py", "import importlib\nimportlib.import_module('dlgradient.array')"),
        ("tree.py", "from dlgradient.labels import merge"),
        ("labels.py", "from dlgradient.tree import leaves"),
        ("calls.py", "from dlgradient.rules import linear"),
        ("project.py", "from dlgradient.rules import linear"),
        ("ops/linalg.py", "from ..array import dlarray"),
        ("ops/linalg.py", "from dlgradient.nn import conv"),
        ("ops/deep/inside.py", "from ...array import dlarray"),
        ("novelty.py", ""),
        ("novelty/__init__.py", ""),
    ],
)
def test_an_upward_import_is_reported(tmp_path: Path, file: str, source: str) -> None:
    root = tree(tmp_path, {file: source})
    assert len(violations(root)) == 1
    assert violations(root)[0].startswith(file)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("array.py", "from dlgradient.ops.linalg import matmul\nfrom . import errors"),
        ("rules.py", "from dlgradient.calls import FUNCTIONS"),
        ("array.py", "def __array_namespace__():\n    import dlgradient"),
        ("ops/linalg.py", "from .reduce import sum\nfrom ..rules import linear"),
        ("ops/deep/inside.py", "from ..linalg import matmul\nimport dlgradient.ops.reduce"),
        ("__init__.py", "from dlgradient.testing import samples\nimport numpy"),
        ("errors.py", "import numpy.linalg\nfrom array import array"),
    ],
)
def test_a_downward_import_is_not_reported(tmp_path: Path, file: str, source: str) -> None:
    assert violations(tree(tmp_path, {file: source})) == []


def tree(tmp_path: Path, files: dict[str, str]) -> Path:
    """Lay out a package with every module in its place, then write `files` into it."""
    root = tmp_path / "dlgradient"
    rooms = {f"{room}.py": "" for room in RANK if room not in {"ops", "nn"}}
    for name, source in {**rooms, "ops/__init__.py": "", "nn/__init__.py": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root


def test_the_package_itself_holds_public_names_and_nothing_else() -> None:
    body = ast.parse((SRC / "__init__.py").read_text(encoding="utf-8")).body
    imported: list[str] = []
    public: list[str] = []
    for node in body:
        match node:
            case ast.Expr(value=ast.Constant(value=str())) if node is body[0]:
                pass  # the docstring
            case ast.ImportFrom(module="__future__"):
                pass
            case ast.ImportFrom(names=names):
                imported += [alias.asname or alias.name for alias in names]
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                public = ast.literal_eval(value)
            case ast.Assign(targets=[ast.Name(id="__version__")], value=ast.Constant()):
                imported.append("__version__")
            case _:
                pytest.fail(f"__init__.py:{node.lineno}: {ast.unparse(node)[:60]}")
    # Python asks `__getattr__` for what does not exist; it is no public name.
    assert sorted(public) == sorted(set(imported) - {"__getattr__"})


# All but the list of public names, which is as long as there are names.
@pytest.mark.parametrize(
    "path",
    sorted(set(SRC.rglob("*.py")) - {SRC / "__init__.py"}),
    ids=lambda path: str(path.relative_to(SRC)),
)
def test_no_module_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_the_import_loads_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import dlgradient; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "dlgradient" in loaded
    assert loaded.isdisjoint(NOT_AT_IMPORT), loaded.intersection(NOT_AT_IMPORT)
