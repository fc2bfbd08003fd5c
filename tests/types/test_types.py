"""Type checkers find planted mistakes, and nothing in programs that are right."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MISTAKES = HERE / "mistakes.py"
PROGRAMS = HERE / "programs.py"
PLANTED = {
    number
    for number, line in enumerate(MISTAKES.read_text(encoding="utf-8").splitlines(), 1)
    if line.endswith("# mistake")
}


def mypy(path: Path) -> set[int]:
    """Return the lines that mypy reports."""
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", "--follow-imports=silent", str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE,
    )
    assert run.returncode in (0, 1), run.stderr
    return {int(n) for n in re.findall(rf"{path.name}:(\d+): error", run.stdout)}


def pyright(path: Path) -> set[int]:
    """Return the lines that basedpyright reports with the settings of pyright."""
    pytest.importorskip("basedpyright", reason="it is in the extra test, and not installed here")
    options = ["--outputjson", f"--pythonpath={sys.executable}", "--project=pyrightconfig.json"]
    run = subprocess.run(
        [sys.executable, "-m", "basedpyright", *options, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE,
    )
    found = json.loads(run.stdout)["generalDiagnostics"]
    return {d["range"]["start"]["line"] + 1 for d in found if d["severity"] == "error"}


CHECKERS: list[Callable[[Path], set[int]]] = [mypy, pyright]


@pytest.mark.timeout(600)  # the first run of a checker reads NumPy
@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_mistakes_are_found(checker: Callable[[Path], set[int]]) -> None:
    assert len(PLANTED) == 28
    found = checker(MISTAKES)
    missed = sorted(PLANTED - found)
    assert len(missed) <= 2, f"not found in lines {missed}"
    assert found <= PLANTED


@pytest.mark.timeout(600)
@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_right_programs_are_left_alone(checker: Callable[[Path], set[int]]) -> None:
    assert not checker(PROGRAMS)
