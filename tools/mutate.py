"""Mutation testing of the operations.

Would the generated tests notice a wrong rule? Every mutant is one small change of one rule, kernel
or helper: an operator, a comparison, a constant, exchanged arguments, a sign, a dropped `conj` or
`real`, a negated condition. The checks that are generated from the table must fail for it. A mutant
that survives may be equivalent, and then `tools/mutation_explained.toml` says why. Otherwise it is
a gap in the samples, and this program fails.

Run it with `make mutate`; `python tools/mutate.py arithmetic.py` does one file. The result is
`docs/mutation.md`.

Why not an existing tool? The two established ones do not suit a table of declarations. mutmut skips
decorated functions and everything outside functions. But an operation is a decorated function, and
most rules are arguments of the decorator. cosmic-ray reaches them, but it starts the whole test
command for each mutant. That takes seconds, where a fork of a process that has loaded everything
heavy takes a tenth of one. It cannot skip samples and messages, and does not exchange arguments.
This program needs little: `ast` finds and applies the mutants. A child process imports the library
with the mutated module, and runs the checks of the operations of that module.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.util
import json
import os
import re
import resource
import selectors
import signal
import sys
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "dlgradient"
EXPLAINED = ROOT / "tools" / "mutation_explained.toml"
REPORT = ROOT / "docs" / "mutation.md"

# Every module that declares an operation; and what brings cotangents to their operands.
FILES = [
    *sorted((PACKAGE / "ops").glob("*.py")),
    PACKAGE / "core" / "project.py",
    PACKAGE / "core" / "declaration.py",
]
DECLARES = re.compile(
    r"^(@(elementwise|linear|multilinear|general|constant|derived)|def project|OPS)", re.MULTILINE
)
# Further tests that a mutant must also survive, if it survived the checks; the examples in the
# docstrings of its module come first.
TESTS = {
    "casting.py": [
        "tests/rules/test_arrays.py",
        "tests/interop/test_array_api.py",
        "tests/interop/test_numpy.py",
    ],
    "create.py": ["tests/rules/test_arrays.py", "tests/interop/test_array_api.py"],
    "cumulative.py": ["tests/rules/test_formats.py", "tests/rules/test_arrays.py"],
    "index.py": [
        "tests/rules/test_formats.py",
        "tests/properties/test_indexing.py",
        "tests/engine",
    ],
    "join.py": ["tests/rules/test_formats.py", "tests/rules/test_arrays.py"],
    "linalg.py": ["tests/rules/test_formats.py", "tests/rules/test_arrays.py"],
    "moments.py": ["tests/rules/test_arrays.py"],
    "project.py": ["tests/rules/test_project.py", "tests/engine"],
    "ranges.py": ["tests/rules/test_arrays.py", "tests/interop/test_array_api.py"],
    "reduce.py": ["tests/rules/test_formats.py"],
    "declaration.py": [
        "tests/rules/test_declared.py",
        "tests/rules/test_lint.py",
        "tests/rules/test_formats.py",
        "tests/engine",
    ],
    "shape.py": ["tests/rules/test_formats.py", "tests/rules/test_arrays.py"],
    "spectra.py": ["tests/rules/test_arrays.py"],
    "take.py": [
        "tests/rules/test_formats.py",
        "tests/rules/test_arrays.py",
        "tests/engine/test_many_indices.py",
    ],
    "trigonometry.py": ["tests/engine/test_shared_factors.py"],
}
# Other modules whose operations use what a module declares.
USERS = {
    "casting.py": ["reduce.py", "moments.py", "cumulative.py"],
    "project.py": ["arithmetic.py", "complex.py", "linalg.py"],
    "declaration.py": [
        "arithmetic.py",
        "complex.py",
        "linalg.py",
        "reduce.py",
        "join.py",
        "moments.py",
    ],
}
TIMEOUT = 240.0
MEMORY = 4 << 30
# Checks that find most mutants come first.
URGENT = ("value", "derivatives", "kink", "format", "dtype")

# -- finding mutants -----------------------------------------------------------------------------

BINARY = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
COMPARE = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
# Calls that are replaced by their argument.
DROPPED = {"conj", "_conj", "real", "negative", "abs", "sign", "matrix_transpose"}
# Calls whose arguments are not exchanged: they commute, or an exchange is no mistake of a rule.
UNSWAPPED = {"isinstance", "getattr", "equal", "not_equal", "hypot", "add", "multiply"}
UNSWAPPED |= {"logical_and", "logical_or", "logaddexp", "maximum", "minimum", "max", "min"}
UNSWAPPED |= {"result_type", "broadcast_shapes"}
# Arguments of declarers that are not rules, and keywords without an effect on results.
SKIPPED_KEYWORDS = {"samples", "errors", "numpy", "reference", "strict", "stacklevel"}
# What only makes messages better is not mutated.
SKIPPED_STATEMENTS = (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.Global)


@dataclass(frozen=True)
class Mutant:
    """One change: where it is, what it reads like, and how to make it."""

    file: str
    scope: str
    line: int
    text: str
    apply: Callable[[], None]

    @property
    def key(self) -> str:
        """Name under which it is explained."""
        return f"{self.file}:{self.scope}:{self.text}"


def replacements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what a node can be replaced by."""
    match node:
        case ast.BinOp():
            yield from _binary(node)
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            yield operand
        case ast.UnaryOp(op=ast.USub(), operand=operand) if not isinstance(operand, ast.Constant):
            yield operand
        case ast.Compare(left=left, ops=[op], comparators=comparators):
            for other in COMPARE[type(op)]:
                yield ast.Compare(left, [other()], comparators)
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)
            if value not in (0, 1):
                yield ast.Constant(value - 1)
        case ast.Call():
            yield from _calls(node)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.IfExp(test, orelse, body)


def _binary(node: ast.BinOp) -> Iterator[ast.AST]:
    op = node.op
    if type(op) in BINARY:
        yield ast.BinOp(node.left, BINARY[type(op)](), node.right)
    if isinstance(op, ast.Mult | ast.Div):
        yield node.left
    if isinstance(op, ast.Sub | ast.Div | ast.Pow | ast.MatMult):
        yield ast.BinOp(node.right, op, node.left)


def _calls(node: ast.Call) -> Iterator[ast.AST]:
    name = _called(node)
    args, keywords = node.args, node.keywords
    if name in DROPPED and len(args) == 1:
        yield args[0]
    if name in UNSWAPPED or any(isinstance(a, ast.Starred) for a in args):
        return
    for i, j in ((0, 1), (1, 2)):
        if j < len(args) and ast.dump(args[i]) != ast.dump(args[j]):
            swapped = list(args)
            swapped[i], swapped[j] = args[j], args[i]
            yield ast.Call(node.func, swapped, keywords)


def _called(node: ast.Call) -> str:
    """Name of the function that is called, also as ``FUNCTIONS["name"]``."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
    return ""


class Finder:
    """Finds the mutants of one module."""

    def __init__(self, path: Path) -> None:
        self.file = path.name
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.mutants: list[Mutant] = []
        self.seen: Counter[str] = Counter()
        for statement in self.tree.body:
            self.top(statement)

    def top(self, statement: ast.stmt) -> None:
        """Look for rules and kernels in a statement of the module."""
        match statement:
            case ast.FunctionDef(args=args):
                calls = [_called(n) for n in ast.walk(statement) if isinstance(n, ast.Call)]
                takes_maker = [a.arg for a in args.args][:1] in (["m"], ["_m"])
                if takes_maker or ("case" in calls and not statement.decorator_list):
                    return  # samples and error cases
                self.function(statement, statement.name)
            case ast.ClassDef(body=body, name=name):
                for inner in body:
                    if isinstance(inner, ast.FunctionDef) and inner.name != "__repr__":
                        self.function(inner, f"{name}.{inner.name}")
            case ast.Assign(value=ast.Call() | ast.Dict() | ast.Lambda()):
                self.lambdas(statement, _target(statement))

    def function(self, node: ast.FunctionDef, scope: str) -> None:
        """Mutate the rules in the decorators of a function, its defaults and its body."""
        for decorator in node.decorator_list:
            self.lambdas(decorator, scope)
        for field, values in (
            ("defaults", node.args.defaults),
            ("kw_defaults", node.args.kw_defaults),
        ):
            for i, value in enumerate(values):
                if value is not None:
                    self.expression(value, scope, _setter(node.args, field, i))
        documented = ast.get_docstring(node) is not None
        for i, statement in enumerate(node.body):
            if i or not documented:
                self.inside(statement, scope)

    def lambdas(self, node: ast.AST, scope: str) -> None:
        """Mutate only the bodies of lambdas."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.keyword) and child.arg in SKIPPED_KEYWORDS:
                continue
            if isinstance(child, ast.Lambda):
                self.expression(child.body, scope, _setter(child, "body"))
            else:
                self.lambdas(child, scope)

    def inside(self, node: ast.AST, scope: str) -> None:
        """Mutate every expression below a node."""
        if isinstance(node, SKIPPED_STATEMENTS):
            return
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "decorator_list"):
                continue
            items = value if isinstance(value, list) else [value]
            for i, item in enumerate(items):
                if not isinstance(item, ast.AST):
                    continue
                put = _setter(node, field, i if isinstance(value, list) else None)
                if isinstance(node, ast.If | ast.While) and field == "test":
                    self.add(item, ast.UnaryOp(ast.Not(), item), scope, put)
                self.expression(item, scope, put)

    def expression(self, node: ast.AST, scope: str, put: Callable[[Any], None]) -> None:
        """Mutate a node, and what is below it."""
        if isinstance(node, ast.keyword) and node.arg in SKIPPED_KEYWORDS:
            return
        if isinstance(node, ast.JoinedStr):
            return
        for new in replacements(node):
            self.add(node, new, scope, put)
        self.inside(node, scope)

    def add(self, old: ast.AST, new: ast.AST, scope: str, put: Callable[[Any], None]) -> None:
        """Enter one mutant."""
        text = f"{ast.unparse(old)} -> {ast.unparse(ast.fix_missing_locations(new))}"
        text = " ".join(text.split())
        self.seen[f"{scope}:{text}"] += 1
        if (count := self.seen[f"{scope}:{text}"]) > 1:
            text += f" #{count}"
        line = getattr(old, "lineno", 0)
        self.mutants.append(Mutant(self.file, scope, line, text, lambda: put(new)))


def _target(node: ast.Assign) -> str:
    return ast.unparse(node.targets[0])


def _setter(parent: ast.AST, field: str, index: int | None = None) -> Callable[[Any], None]:
    def put(new: Any) -> None:
        if index is None:
            setattr(parent, field, new)
        else:
            getattr(parent, field)[index] = new

    return put


# -- running one mutant, in a child process ------------------------------------------------------


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a syntax tree instead of its file."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self.name = name
        self.path = path
        self.tree = tree

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> Any:
        """Answer for the mutated module."""
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def exec_module(self, module: Any) -> None:
        """Run the tree."""
        exec(compile(ast.fix_missing_locations(self.tree), str(self.path), "exec"), vars(module))


def module_name(path: Path) -> str:
    """Dotted name of a module of the package."""
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def checks_of(path: Path, scope: str) -> Iterator[Any]:
    """Checks of the operations of a module and of its users; the most likely ones first."""
    from dlgradient.rules import DERIVED, OPS
    from dlgradient.testing import operation_checks

    users = [PACKAGE / "ops" / name for name in USERS.get(path.name, [])]
    modules = {module_name(p) for p in (path, *users)}
    public = {name: op.call for name, op in OPS.items()}
    public |= {name: derived.function for name, derived in DERIVED.items()}
    names = [name for name, f in public.items() if f.__module__ in modules]
    names.sort(key=lambda name: name != scope)
    later = []
    for name in names:
        for check in operation_checks(name):
            if name == scope or check.aspect in URGENT:
                yield check
            else:
                later.append(check)
    yield from later


def verdict(path: Path, tree: ast.Module, scope: str, excluded: set[str]) -> tuple[str, str]:
    """Import the library with the mutated module, and run the checks until one fails."""
    sys.meta_path.insert(0, Mutated(module_name(path), path, tree))
    try:
        for check in checks_of(path, scope):
            if check.id in excluded:
                continue
            try:
                check()
            except Exception:  # noqa: BLE001 - however it fails, it is found
                return "killed", check.id
    except Exception as error:  # noqa: BLE001 - the library, or the samples, do not load
        return "killed", f"import: {type(error).__name__}"
    if "tests" not in excluded and tests_fail(path):
        return "killed", "tests"
    return "survived", ""


def tests_fail(path: Path) -> bool:
    """Run the examples of a module, and the tests that belong to it."""
    import pytest

    names = list(TESTS.get(path.name, []))
    if ">>> " in path.read_text(encoding="utf-8"):
        names.insert(0, f"tests/test_docs.py::test_docstrings[{path.relative_to(PACKAGE)}]")
    if not names:
        return False
    tests = [str(ROOT / name) for name in names]
    # Without plugins, so also without the settings of the project, which name their options.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    options = [
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "--assert=plain",
        "-p",
        "no:unraisableexception",
    ]
    options += ["-c", os.devnull, f"--rootdir={ROOT}"]
    return pytest.main([*options, *tests]) != pytest.ExitCode.OK


def failing_checks(path: Path) -> list[str]:
    """Checks that fail without any mutation."""
    failed = []
    for check in checks_of(path, ""):
        try:
            check()
        except Exception:  # noqa: BLE001
            failed.append(check.id)
    return [*failed, "tests"] if tests_fail(path) else failed


def forked(work: Callable[[], Any]) -> tuple[int, int]:
    """Start `work` in a child process; return its id and where its result can be read."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, read
    os.close(read)
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        try:
            result = work()
        except Exception:  # noqa: BLE001 - an error of this program, which must not count as a find
            result = ["error", traceback.format_exc()]
        os.write(write, json.dumps(result).encode())
    finally:
        os._exit(0)


def run_all(
    jobs: Iterable[tuple[Any, Callable[[], Any]]], workers: int, timeout: float
) -> Iterator[tuple[Any, Any]]:
    """Run jobs in child processes; yield each with its result, None if it crashed or hung."""
    waiting = iter(jobs)
    running: dict[int, tuple[int, Any, float]] = {}
    poll = selectors.DefaultSelector()
    exhausted = False
    while running or not exhausted:
        while not exhausted and len(running) < workers:
            job = next(waiting, None)
            if job is None:
                exhausted = True
                break
            pid, read = forked(job[1])
            running[read] = (pid, job[0], time.monotonic() + timeout)
            poll.register(read, selectors.EVENT_READ)
        done = [key.fd for key, _ in poll.select(timeout=0.5)]
        late = [fd for fd, (_, _, end) in running.items() if time.monotonic() > end]
        for fd in {*done, *late}:
            pid, name, _ = running.pop(fd)
            data = b""
            if fd in done:
                while part := os.read(fd, 1 << 16):
                    data += part
            else:
                os.kill(pid, signal.SIGKILL)
            poll.unregister(fd)
            os.close(fd)
            os.waitpid(pid, 0)
            result = json.loads(data) if data else None
            if result and result[0] == "error":
                raise RuntimeError(result[1])
            yield name, result


# -- the report ----------------------------------------------------------------------------------


@dataclass
class Score:
    """What became of the mutants of one file."""

    file: str
    survived: list[Mutant]
    total: int = 0

    def row(self, reasons: dict[str, str]) -> str:
        """One line of the table."""
        open_ = sum(m.key not in reasons for m in self.survived)
        killed = self.total - len(self.survived)
        equivalent = len(self.survived) - open_
        relevant = max(self.total - equivalent, 1)
        return (
            f"| `{self.file}` | {self.total} | {killed} | {equivalent} | {open_} "
            f"| {100 * killed / relevant:.1f} % |"
        )


INTRODUCTION = """# Mutation testing

`make mutate` changes the rules and kernels one small step at a time: an operator, a comparison, a
constant, exchanged arguments, a sign, a dropped `conj`. It runs the checks that are generated from
the table of operations on each mutant. A mutant that no check notices *survived*. The list below
explains it, if it computes the same as the original or differs only in speed or wording. Otherwise
it is a gap in the samples, and `make mutate` fails. The score is the share of killed mutants among
those that are not explained. `tools/mutate.py` writes this page; the explanations are in
`tools/mutation_explained.toml`.

| file | mutants | killed | explained | unexplained | score |
|---|---|---|---|---|---|
"""


def report(scores: list[Score], reasons: dict[str, str]) -> str:
    """Write the page."""
    lines = [score.row(reasons) for score in scores]
    everything = Score("all", [m for s in scores for m in s.survived], sum(s.total for s in scores))
    lines.append(everything.row(reasons).replace("`", "**"))
    for score in scores:
        if not score.survived:
            continue
        lines += [
            "",
            f"## {score.file}",
            "",
            "| where | mutant | why it survives |",
            "|---|---|---|",
        ]
        for m in score.survived:
            text = m.text.replace("|", "\\|").replace(" -> ", "` → `", 1)
            lines.append(f"| {m.scope} | `{text}` | {reasons.get(m.key, '**not explained**')} |")
    return INTRODUCTION + "\n".join(lines) + "\n"


class Progress:
    """A progress bar: rich's if it is installed, else a line now and then."""

    def __init__(self, total: int) -> None:
        self.total, self.count, self.survived = total, 0, 0
        self.start = self.last = time.monotonic()
        try:
            from rich import progress
        except ImportError:
            self.bar = None
            return
        self.bar = progress.Progress(
            *progress.Progress.get_default_columns(), progress.MofNCompleteColumn()
        )
        self.bar.start()
        self.task = self.bar.add_task("mutants", total=total)

    def step(self, name: str, *, survived: bool) -> None:
        """Count one mutant."""
        self.count += 1
        self.survived += survived
        if self.bar is not None:
            self.bar.update(self.task, advance=1, description=f"{name}, {self.survived} survive")
        elif time.monotonic() - self.last > 10 or self.count == self.total:
            self.last = time.monotonic()
            seconds = self.last - self.start
            left = seconds * (self.total - self.count) / self.count
            print(
                f"{self.count}/{self.total} mutants, {self.survived} survive, "
                f"{seconds:.0f} s, about {left:.0f} s left ({name})",
                flush=True,
            )

    def stop(self) -> None:
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.stop()


def preload() -> None:
    """Import what every child needs and no mutant changes, once."""
    import dataclasses  # noqa: F401
    import pathlib  # noqa: F401

    import hypothesis  # noqa: F401
    import numpy as np  # noqa: F401
    import optree  # noqa: F401
    import pytest  # noqa: F401
    import scipy.special  # noqa: F401


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", help="names such as arithmetic.py; all by default")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="only list the mutants")
    parser.add_argument(
        "--allow-failing", action="store_true", help="leave out checks that fail unmutated"
    )
    options = parser.parse_args()

    sys.path.insert(0, str(PACKAGE.parent))
    paths = [p for p in FILES if DECLARES.search(p.read_text(encoding="utf-8"))]
    if options.files:
        paths = [p for p in paths if p.name in options.files]
    finders = {path: Finder(path) for path in paths}
    if options.list:
        for finder in finders.values():
            for m in finder.mutants:
                print(f"{m.file}:{m.line}: {m.scope}: {m.text}")
        return 0

    preload()
    excluded = {path: [] for path in paths}
    for path, failed in run_all([(p, lambda p=p: failing_checks(p)) for p in paths], 2, 600.0):
        if failed is None or (failed and not options.allow_failing):
            print(
                f"{path.name}: the checks fail without any mutation: {failed}; run the tests first"
            )
            return 1
        excluded[path] = failed

    scores = run(finders, excluded, options.workers)
    return conclude(scores, whole=not options.files)


def run(finders: dict[Path, Finder], excluded: dict[Path, list[str]], workers: int) -> list[Score]:
    """Run all mutants, and return what survived."""

    def job(path: Path, finder: Finder, mutant: Mutant) -> Callable[[], Any]:
        def work() -> Any:
            mutant.apply()  # on this process's copy of the tree
            return verdict(path, finder.tree, mutant.scope, set(excluded[path]))

        return work

    jobs = [((p, m), job(p, f, m)) for p, f in finders.items() for m in f.mutants]
    progress = Progress(len(jobs))
    survived: dict[Path, list[Mutant]] = {path: [] for path in finders}
    for (path, mutant), result in run_all(jobs, workers, TIMEOUT):
        lives = result is not None and result[0] == "survived"
        if lives:
            survived[path].append(mutant)
            if mutant.key not in explained():
                print(f"survived: {mutant.file}:{mutant.line}: {mutant.key}", flush=True)
        progress.step(path.name, survived=lives)
    progress.stop()
    scores = []
    for path, finder in finders.items():
        order = {id(m): i for i, m in enumerate(finder.mutants)}
        alive = sorted(survived[path], key=lambda m: order[id(m)])
        scores.append(Score(path.name, alive, len(finder.mutants)))
    return scores


@cache
def explained() -> dict[str, str]:
    """Why mutants survive that are no gaps."""
    if not EXPLAINED.exists():
        return {}
    found: dict[str, str] = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))["explained"]
    return found


def conclude(scores: list[Score], *, whole: bool) -> int:
    """Print what is not explained, and write the page after a run over all files."""
    reasons = explained()
    for score in scores:
        print(score.row(reasons))
    alive = [m for score in scores for m in score.survived]
    unexplained = [m for m in alive if m.key not in reasons]
    files = {score.file for score in scores}
    stale = [k for k in reasons if k.split(":")[0] in files and k not in {m.key for m in alive}]
    for key in stale:
        print(f"explained, but it does not survive or exist any more: {key}")
    if whole:
        REPORT.write_text(report(scores, reasons), encoding="utf-8")
        print(f"written: {REPORT.relative_to(ROOT)}")
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
