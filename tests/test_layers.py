"""The structure of the package: who may import whom, how long a module is, what an import costs."""

import ast
import importlib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType

import pytest

import dlgradient as dl

SRC = Path(__file__).parent.parent / "src" / "dlgradient"

# From low to high. A module imports from rooms in lower rows and from its own. Rooms of one row
# do not know each other. A folder of `nn` is a room. A new room must find its place here.
ORDER = (
    ("errors",),
    ("core",),
    ("native",),  # kernels in machine code
    ("rules",),  # the declarers
    ("ops",),
    ("fft", "linalg"),  # public namespaces of ops
    ("interop",),  # the protocols of NumPy and Python, answered by ops
    ("nn.shared",),
    ("nn.activations",),
    ("special",),  # a public namespace of ops
    (
        "nn.attention",
        "nn.convolution",
        "nn.images",
        "nn.initialize",
        "nn.linear",
        "nn.losses",
        "nn.normalization",
        "nn.pooling",
        "nn.recurrent",
        "nn.signal",
    ),
    ("nn.namespace",),  # all of their public names
    ("engine",),
    ("solvers",),
    ("program",),
    ("layers",),
    ("network",),
    ("networks",),  # those that have a name
    ("train",),
    ("metrics", "schedules", "sklearn"),  # public namespaces of train
    ("testing",),
    ("__init__",),
)
RANK = {room: rank for rank, row in enumerate(ORDER) for room in row}

# Imports that go up all the same: file and target, and why.
EXCEPTIONS = {
    ("core/types.py", "engine"),  # for type checkers only: signatures name the class users see
    ("engine/array.py", "__init__"),  # the answer of `__array_namespace__` is the package itself
}

# Modules at the very bottom, which import nothing of this package.
DATA = ("core/graph.py", "errors.py")

MAX_LINES = 600

# Heavy or optional: loaded by the functions that need them, when they are called.
NOT_AT_IMPORT = (
    *(
        "scipy",
        "pandas",
        "matplotlib",
        "torch",
        "jax",
        "rich",
        "optree",
        "sklearn",
        "mpi4py",
        "llvmlite",
    ),
    *("numpy.random", "numpy.typing"),  # NumPy itself loads them at their first use
)


# Modules and folders that are public as such.
FOLDERS = {"errors", "fft", "layers", "linalg", "metrics", "networks", "rules", "schedules"}
FOLDERS |= {"special"}


def room_of(parts: tuple[str, ...]) -> str:
    """Name the room of a module: a top-level module or folder, or a folder of `nn`."""
    if parts[0] == "nn" and len(parts) > 1 and parts[1] != "__init__":
        return f"nn.{parts[1]}"
    return parts[0]


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
        own = room_of(path.relative_to(root).with_suffix("").parts)
        where = path.relative_to(root).as_posix()
        if own == "nn":
            continue  # only the folder's docstring
        if own not in RANK:
            found.append(f"{where}: {own!r} has no place in the order of rooms")
            continue
        for line, name in imported_names(path, root):
            parts = name.split(".")
            if parts[0] != root.name:
                continue
            target = room_of(tuple(parts[1:])) if len(parts) > 1 else "__init__"
            place = root.joinpath(*target.split("."))
            if not (place.is_dir() or place.with_suffix(".py").is_file()):
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
        ("errors.py", "from dlgradient.engine import array"),
        ("errors.py", "import dlgradient.engine.array"),
        ("errors.py", "from .engine.array import dlarray"),
        ("errors.py", "from . import engine"),
        ("errors.py", "from dlgradient import engine"),
        ("errors.py", "from dlgradient import dlarray"),
        ("errors.py", "import dlgradient as dl"),
        ("errors.py", "def f():\n    from dlgradient import engine"),
        ("errors.py", "import importlib\nimportlib.import_module('dlgradient.engine')"),
        ("core/calls.py", "from dlgradient.rules import linear"),
        ("ops/linalg.py", "from ..engine.array import dlarray"),
        ("ops/linalg.py", "from dlgradient.interop import table"),
        ("ops/linalg.py", "from dlgradient.nn.convolution.conv import dlconv"),
        ("ops/deep/inside.py", "from ...engine import array"),
        ("nn/shared/windows.py", "from dlgradient.nn.activations import smooth"),
        ("nn/losses/ctc.py", "from dlgradient.nn.images.roi import roialign"),
        ("nn/losses/ctc.py", "from ..linear import embed"),
        ("engine/walk.py", "from dlgradient.solvers import ode"),
        ("novelty.py", ""),
        ("novelty/__init__.py", ""),
        ("nn/novelty/__init__.py", ""),
    ],
)
def test_an_upward_import_is_reported(tmp_path: Path, file: str, source: str) -> None:
    root = tree(tmp_path, {file: source})
    assert len(violations(root)) == 1
    assert violations(root)[0].startswith(file)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("engine/array.py", "from dlgradient.ops.linalg import matmul\nfrom .. import errors"),
        ("rules.py", "from dlgradient.core.calls import FUNCTIONS"),
        ("engine/array.py", "def __array_namespace__():\n    import dlgradient"),
        ("ops/linalg.py", "from .reduce import sum\nfrom ..rules import linear"),
        ("ops/deep/inside.py", "from ..linalg import matmul\nimport dlgradient.ops.reduce"),
        ("nn/pooling/pool.py", "from ..shared.geometry import Geometry"),
        ("nn/losses/ctc.py", "from .alignment import rescaled\nfrom ..shared import sums"),
        ("__init__.py", "from dlgradient.testing import samples\nimport numpy"),
        ("errors.py", "import numpy.linalg\nfrom array import array"),
    ],
)
def test_a_downward_import_is_not_reported(tmp_path: Path, file: str, source: str) -> None:
    assert violations(tree(tmp_path, {file: source})) == []


def tree(tmp_path: Path, files: dict[str, str]) -> Path:
    """Lay out a package with every room in its place, then write `files` into it."""
    root = tmp_path / "dlgradient"
    single = {"errors", "rules", "nn.initialize", "nn.signal"}
    rooms = {
        room.replace(".", "/") + (".py" if room in single else "/__init__.py"): ""
        for room in RANK
        if room != "__init__"
    }
    for name, source in {"__init__.py": "", **rooms, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return root


@pytest.mark.parametrize("name", DATA)
def test_the_bottom_imports_nothing_of_this_package(name: str) -> None:
    names = [name for _, name in imported_names(SRC / name, SRC)]
    assert [name for name in names if name.startswith("dlgradient")] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = {
        ".".join(("dlgradient", *path.relative_to(SRC).with_suffix("").parts)): path
        for path in SRC.rglob("*.py")
        if path.name != "__init__.py"
    }
    imports = {
        module: {
            target
            for _, name in imported_names(path, SRC)
            for target in (name, name.rpartition(".")[0])
            if target in modules and module != "dlgradient.core.types"
        }
        for module, path in modules.items()
    }
    order = TopologicalSorter(imports).static_order()  # raises CycleError, which names the circle
    assert set(order) == modules.keys()


def test_a_public_name_is_said_once_by_the_module_that_defines_it() -> None:
    said = Counter(
        name
        for module in starred()
        for name in getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")])
    )
    assert [name for name, count in said.items() if count > 1] == []
    assert set(said) | FOLDERS | {"__version__"} == set(dl.__all__)


def starred() -> list[ModuleType]:
    """List the modules whose names the package takes over."""
    files = [SRC / "__init__.py", *SRC.glob("*/namespace.py")]
    body = [node for file in files for node in ast.parse(file.read_text(encoding="utf-8")).body]
    return [
        importlib.import_module(str(node.module))
        for node in body
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    ]


def test_users_see_public_names_only() -> None:
    assert dir(dl) == sorted(dl.__all__)
    modules = {name for name in dl.__all__ if isinstance(getattr(dl, name), ModuleType)}
    assert modules == FOLDERS


@pytest.mark.parametrize("name", ["trace", "array", "gradient", "walk", "calls", "custom", "tree"])
def test_a_private_module_does_not_join_the_public_names(name: str) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(dl, name)


@pytest.mark.parametrize(
    "path",
    sorted(SRC.rglob("*.py")),
    ids=lambda path: str(path.relative_to(SRC)),
)
def test_no_module_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize(
    "use",
    [
        "dl.relu",
        "dir(dl)",
        "dl.__all__",
        "from dlgradient import relu",
        "from dlgradient import *; relu",
        "from dlgradient.rules import OPS; OPS['relu']",
        "from dlgradient.rules import DERIVED; DERIVED['softmax']",
        "getattr(dl, 'no_such_name', None)",
        "dl.relu = 1; dir(dl); assert dl.relu == 1",
    ],
)
def test_deep_learning_functions_are_loaded_when_they_are_used(use: str) -> None:
    code = (
        "import sys, dlgradient as dl; assert 'dlgradient.nn' not in sys.modules; "
        f"dl.exp(1.0); assert 'dlgradient.nn' not in sys.modules\n{use}\n"
        "assert 'dlgradient.nn' in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, numpy; before = set(sys.modules); import dlgradient; "
        "loaded = set(sys.modules) - before; "
        "print(*sorted(loaded | {name.partition('.')[0] for name in loaded}))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "dlgradient" in loaded
    assert loaded.isdisjoint(NOT_AT_IMPORT), loaded.intersection(NOT_AT_IMPORT)


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_a_public_folder_can_be_imported(folder: str) -> None:
    module = importlib.import_module(f"dlgradient.{folder}")
    assert module is getattr(dl, folder)
