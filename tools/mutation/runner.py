"""Runs mutants: each in a child process that imports the library with one module changed."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.util
import json
import os
import resource
import selectors
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from plan import REPRESENTATIVE, ROOT, SLOW, Target

# Limits of one check or test in seconds: on the processor, so that other programs do not matter,
# and on the clock, for what waits for ever.
PROCESSOR, CLOCK = 30.0, 300.0
# Limit of a whole child, in case it does not even notice that.
PATIENCE = 1800.0
MEMORY = 4 << 30
# Checks that find most mutants come first.
URGENT = ("value", "derivatives", "kink", "format", "dtype")


class Overrun(BaseException):
    """A check or test takes much longer than any does; no `except Exception` may catch it."""


@contextmanager
def limited() -> Iterator[None]:
    """Raise `Overrun` in what takes too long."""

    def overrun(_signal: int, _frame: Any) -> None:
        raise Overrun

    for kind in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(kind, overrun)
    signal.setitimer(signal.ITIMER_PROF, PROCESSOR)
    signal.setitimer(signal.ITIMER_REAL, CLOCK)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


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


def checks_of(target: Target, scope: str = "") -> Iterator[Any]:
    """Checks of the operations that depend on a module; the most likely ones first."""
    from dlgradient.rules import DERIVED, OPS
    from dlgradient.testing import operation_checks

    public = {name: op.call for name, op in OPS.items()}
    public |= {name: derived.function for name, derived in DERIVED.items()}
    declarers = target.declarers
    if declarers is None:
        names = [name for name in REPRESENTATIVE if name in public]
    else:
        names = [name for name, f in public.items() if f.__module__ in declarers]
        names.sort(key=lambda name: (name != scope, public[name].__module__ != target.module))
    later = []
    for name in names:
        for check in operation_checks(name):
            if name == scope or check.aspect in URGENT:
                yield check
            else:
                later.append(check)
    yield from later


def verdict(target: Target, tree: ast.Module, scope: str) -> list[str]:
    """Import the library with the mutated module, and run the checks until one fails."""
    sys.meta_path.insert(0, Mutated(target.module, target.path, tree))
    try:
        for check in checks_of(target, scope):
            try:
                with limited():
                    check()
            except BaseException:  # noqa: BLE001 - however it fails, it is found
                return ["killed", check.id]
    except BaseException as error:  # noqa: BLE001 - the library, or the samples, do not load
        return ["killed", f"import: {type(error).__name__}"]
    return ["killed", "tests"] if tests_fail(target.tests) else ["survived", ""]


class Limits:
    """A plugin of pytest: no test takes longer than `limited` allows."""

    @staticmethod
    def pytest_runtest_setup(item: Any) -> None:
        """Leave out the slow tests, and wrap the others."""
        function = item.obj

        def run(*args: Any, **kwargs: Any) -> Any:
            with limited():
                return function(*args, **kwargs)

        item.obj = run


def tests_fail(names: list[str]) -> bool:
    """Run tests until one fails."""
    import pytest

    # Without plugins, so also without the settings of the project, which name their options.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:unraisableexception"]
    options += ["--assert=plain", "-c", os.devnull, f"--rootdir={ROOT}"]
    options += ["-k", " and ".join(f"not {name}" for name in SLOW)]
    tests = [str(ROOT / name) for name in names]
    found = pytest.main([*options, *tests], plugins=[Limits()])
    return found not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def failing_checks(name: str) -> list[str]:
    """Checks of one operation that fail without any mutation."""
    from dlgradient.testing import operation_checks

    failed = []
    for check in operation_checks(name):
        try:
            with limited():
                check()
        except BaseException:  # noqa: BLE001
            failed.append(check.id)
    return failed


def operations(chosen: list[Target]) -> list[str]:
    """Operations whose checks any of the modules is tested by."""
    found = {check.sample.rpartition("-")[0] for target in chosen for check in checks_of(target)}
    return sorted({name.removesuffix("-error") for name in found})


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
    jobs: Iterable[tuple[Any, Callable[[], Any]]], workers: int
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
            running[read] = (pid, job[0], time.monotonic() + PATIENCE)
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


def preload() -> None:
    """Import what every child needs and no mutant changes, once."""
    import dataclasses  # noqa: F401
    import pathlib  # noqa: F401

    import hypothesis.extra.numpy  # noqa: F401
    import numpy as np  # noqa: F401
    import pytest  # noqa: F401
    import scipy.signal
    import scipy.special  # noqa: F401
