"""The structure of the benchmarks: the harness knows no row, a row no other, and all load alone."""

import ast
import graphlib
import importlib
import json
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optree
import pytest

import dlgradient as dl

ROOT = Path(__file__).parent.parent
BENCHMARKS = ROOT / "benchmarks"

# What a module of a place may import: its name begins with one of these.
ALLOWED = {
    "harness": ("harness.",),
    "rows": ("harness.",),
    "rows/__init__.py": ("harness.", "rows."),
    "": ("harness.", "rows"),
}

NAMES = [
    *("rosenbrock", "chain", "small-mlp", "accelerated-rosenbrock", "accelerated-chain"),
    *("accelerated-mlp", "accelerated-step", "accelerated-elementwise", "accelerated-pinn"),
    *("accelerated-orders", "accelerated-indexed-loop", "accelerated-ode", "accelerated-gmm"),
    *("accelerated-k-means", "accelerated-lstm-loop", "accelerated-mlp-step", "accelerated-cnn"),
    *("accelerated-lstm", "accelerated-transformer", "accelerated-gan", "accelerated-norms"),
    "accelerated-pool",
    *("jacobian", "hessian", "hessian-diagonal", "mlp-step", "elementwise", "indexed-loop"),
    *("deep-chain", "overhead", "memory", "import"),
    *("cnn", "lstm", "transformer", "pinn", "gan", "ctc", "embed", "pool", "norms", "adam"),
    *("train-cnn", "train-mlp", "train-lstm", "own-mlp", "own-cnn", "train-memory", "predict"),
    *("ranks", "cliffs", "cumsum", "sort", "interp", "matrices"),
]
UNTIMED = {"memory", "import", "own-mlp", "own-cnn", "train-memory", "ranks"}

# What a row imports only when it is measured: a process that measures memory loads one of them.
CONTESTANTS = ("dlgradient", "torch", "jax", "autograd")


def imported(path: Path) -> Iterator[str]:
    """Yield the absolute name of every import in a file, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                assert level == 0, f"{path.name}:{node.lineno}: scripts have no relative imports"
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Call(
                func=ast.Name(id="__import__") | ast.Attribute(attr="import_module"),
                args=[argument, *_],
            ):
                yield ast.literal_eval(argument)


def edges(root: Path) -> dict[str, set[str]]:
    """Return which modules of the benchmarks each of them imports; packages by their names."""
    paths = {path: path.relative_to(root).with_suffix("").parts for path in root.rglob("*.py")}
    modules = {path: ".".join(parts).removesuffix(".__init__") for path, parts in paths.items()}
    known = set(modules.values())
    graph = {}
    for path, module in modules.items():
        names = (name.split(".") for name in imported(path))
        # The import of a module runs its package too.
        prefixes = {".".join(name[:i]) for name in names for i in range(1, len(name) + 1)}
        graph[module] = (prefixes & known) - {module}
    return graph


def violations(root: Path) -> list[str]:
    """List every import that goes up or sideways."""
    own = {path.stem for path in root.iterdir()}
    found = []
    for path in sorted(root.rglob("*.py")):
        where = path.relative_to(root).as_posix()
        allowed = ALLOWED.get(where) or ALLOWED[where.rpartition("/")[0]]
        found += [
            f"{where} must not import {name}"
            for name in imported(path)
            if name.split(".")[0] in own and not name.startswith(allowed)
        ]
    return found


def test_the_harness_knows_no_row_and_a_row_no_other() -> None:
    assert violations(BENCHMARKS) == []


def test_no_circle_of_imports() -> None:
    graph = edges(BENCHMARKS)
    assert {"harness.row", "rows", "rows.chain", "run", "compare"} <= set(graph)
    assert "rows.chain" in graph["rows"]
    graphlib.TopologicalSorter(graph).prepare()  # raises with the circle, if there is one


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("harness/a.py", "from rows import ROWS"),
        ("harness/a.py", "def f():\n    from rows import ROWS"),
        ("harness/a.py", "def f():\n    from rows.one import ROW"),
        ("harness/a.py", "import run"),
        ("harness/a.py", "import importlib\nimportlib.import_module('rows.one')"),
        ("rows/one.py", "from rows import ROWS"),
        ("rows/one.py", "from rows.two import ROW"),
        ("rows/one.py", "import run"),
        ("rows/__init__.py", "import run"),
        ("run.py", "import compare"),
    ],
)
def test_an_upward_import_is_reported(tmp_path: Path, file: str, source: str) -> None:
    assert len(violations(tree(tmp_path, {file: source}))) == 1


def test_a_circle_is_reported(tmp_path: Path) -> None:
    files = {"harness/a.py": "import harness.b", "harness/b.py": "from harness import a"}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(edges(tree(tmp_path, files))).prepare()


def test_the_import_of_a_sibling_row_is_a_circle(tmp_path: Path) -> None:
    files = {"rows/__init__.py": "import rows.one", "rows/one.py": "import rows.two"}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(edges(tree(tmp_path, files))).prepare()


def tree(tmp_path: Path, files: dict[str, str]) -> Path:
    """Lay out benchmarks without imports, then write `files` into them."""
    names = "harness/__init__ harness/a harness/b rows/__init__ rows/one rows/two run compare"
    for name, source in {**dict.fromkeys((f"{n}.py" for n in names.split()), ""), **files}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    "path", sorted(BENCHMARKS.rglob("*.py")), ids=lambda path: str(path.relative_to(BENCHMARKS))
)
def test_only_public_names_of_dlgradient(path: Path) -> None:
    # Two checkouts are compared with the same rows: private modules move.
    assert [name for name in imported(path) if name.startswith("dlgradient.")] == []


@pytest.fixture(scope="module")
def facts() -> dict[str, list[str]]:
    """Return the rows and their own calls, where no contestant's library can be imported."""
    code = f"""
import json, pickle, sys
for name in {CONTESTANTS}:
    sys.modules[name] = None
from rows import ROWS
again = {{name: pickle.loads(pickle.dumps(row)) for name, row in ROWS.items()}}
print(json.dumps({{name: list(row.own()) for name, row in again.items()}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=BENCHMARKS
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_the_rows_and_their_order(facts: dict[str, list[str]]) -> None:
    assert list(facts) == NAMES


def test_each_row_names_its_own_calls(facts: dict[str, list[str]]) -> None:
    assert {name for name, calls in facts.items() if not calls} == UNTIMED
    assert all(call.startswith(name) for name, calls in facts.items() for call in calls)


def run(*arguments: str) -> str:
    """Run a script of the benchmarks and return what it prints."""
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=BENCHMARKS
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_list_needs_no_peers() -> None:
    assert run("run.py", "--list").split() == NAMES


def test_a_checkout_is_compared_with_another() -> None:
    printed = run("compare.py", str(ROOT), str(ROOT / "src"), "rosenbrock", "--repeats", "1")
    lines = {line[:34].strip(): line[34:].split() for line in printed.splitlines()}
    old, _, new, _, ratio, *_ = lines["rosenbrock"]
    assert float(new) / float(old) == pytest.approx(float(ratio), rel=0.02)
    assert "import dlgradient" in lines


def test_the_page_is_written_from_the_results() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "benchmarks_page.py"))
    written = tool["page"]((BENCHMARKS / "RESULTS.md").read_text(encoding="utf-8"))
    assert tool["PAGE"].read_text(encoding="utf-8") == written, (
        "run python tools/benchmarks_page.py"
    )


def test_both_ways_of_a_habit_compute_the_same() -> None:
    for slow_name, _, slow, fast in runpy.run_path(str(BENCHMARKS / "habits.py"))["habits"]():
        expected, got = (optree.tree_leaves(dl.dlupdate(dl.extractdata, f())) for f in (slow, fast))
        for a, b in zip(expected, got, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-5, err_msg=slow_name)


def test_a_row_without_peers_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    report = importlib.import_module("harness.report")
    found = importlib.import_module("harness.result")
    alone = found.Result("ranks", "a step", "s", {found.OURS: 0.002})
    alone.targets.append(found.Target("at most 0.6 of one rank", "0.58x", True))
    assert report.line(alone) == "ranks: 2 ms, -; 0.58x"
    assert "| ranks | **2 ms** | - | - | - | - | - | - | at" in report.markdown([alone], {}, {})
    assert report.table([alone], {}).row_count == 1


def test_what_is_no_kernel_is_told_from_what_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    share = importlib.import_module("harness.share")
    for file, name, kernel in (
        ("/x/dlgradient/nn/linear/kernels.py", "affine", True),
        ("/x/dlgradient/native/rows.py", "work", True),
        ("/x/dlgradient/native/formula.py", "work", True),
        ("/x/dlgradient/native/formula.py", "_noted", False),
        ("/x/dlgradient/train/loop.py", "_step", False),
        ("<dlaccelerate: entry>", "enter", False),
        ("<dlaccelerate: loss 3>", "loss", True),
        ("~", "<method 'take' of 'numpy.ndarray' objects>", True),
        ("~", "<built-in method builtins.len>", False),
    ):
        assert share.is_kernel((file, 1, name)) == kernel, (file, name)


def test_the_own_part_is_that_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    share = importlib.import_module("harness.share")

    def call() -> None:
        for _ in range(200):
            np.sort(np.arange(2000.0)[::-1])
            sum(range(2000))

    found = share.share_of(call, 10)
    assert 0 < found.own < found.time
    assert sum(time for _, time in found.largest) <= found.own * 1.0001
