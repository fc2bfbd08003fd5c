"""Assignment to what NumPy makes a view, and what looks like it and is not."""

import linecache
import operator
import types
from typing import Any, NamedTuple

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core import ownership

LOST = [
    ("A[0][1] = 7.0", r"write A\[0, 1\] = 7\.0"),
    ("A[-1][1] = 7.0", r"write A\[-1, 1\] = 7\.0"),
    ("A[i][1:] = 7.0", r"write A\[i, 1:\] = 7\.0"),
    ("A[0][1] += 7.0", r"write A\[0, 1\] \+= 7\.0"),
    ("box['A'][0][1] = 7.0", r"write box\['A'\]\[0, 1\] = 7\.0"),
    ("A[1:][0] = 7.0", r"A\[i, j\] = v for A\[i\]\[j\] = v"),
    ("A.T[0] = 7.0", r"A\[:, i\] = v for A\.T\[i\] = v"),
    ("A.real[0] = 7.0", "not views"),
    ("A.imag[0, 0] = 7.0", "not views"),
    ("A.mT[0] = 7.0", "not views"),
    ("A.reshape(-1)[0] = 7.0", "not views"),
    ("A.ravel()[0:2] = 7.0", "not views"),
    ("np.diagonal(A)[0] = 7.0", "not views"),
    ("dl.real(A)[0] = 7.0", "not views"),
    ("(A + 1)[0] = 7.0", "not views"),
]
KEPT = [
    "A[0, 1] = 7.0",
    "A[0] += 7.0",
    "A[0:1] = 7.0",
    "box['A'][0, 1] = 7.0",
    "rows[0][0, 1] = 7.0",
    "space.A[0, 1] = 7.0",
    "pair.A[0, 1] = 7.0",
    "(B := A)[0, 1] = 7.0",
    "held()[0, 1] = 7.0",
    "A.__setitem__((0, 1), 7.0)",
    "dl.dlarray.__setitem__(A, (0, 1), 7.0)",
    "operator.setitem(A, (0, 1), 7.0)",
    "row = A[0]; row[1] = 7.0",
    "[B.__setitem__((0, 1), 7.0) for B in [A]]",
]


class Pair(NamedTuple):
    A: Any


def run(statement: str, A: Any) -> dict[str, Any]:
    """Run a statement in a function and in a module; return the names of the module."""
    scope = {
        "A": A,
        "np": np,
        "dl": dl,
        "operator": operator,
        "i": 0,
        "held": lambda: A,
        "box": {"A": A},
        "rows": [A],
        "space": types.SimpleNamespace(A=A),
        "pair": Pair(A),
    }
    name = f"<{statement}>"
    source = f"def f({', '.join(scope)}):\n    {statement}\n"
    for file, text in ((name, source), (f"{name} in a module", statement)):
        linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    space: dict[str, Any] = {}
    exec(compile(source, name, "exec"), space)
    space["f"](**scope)  # the names of a function
    exec(compile(statement, f"{name} in a module", "exec"), scope)  # the names of a module
    return scope


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize(("statement", "text"), LOST, ids=[case[0] for case in LOST])
def test_a_lost_assignment_is_refused(statement: str, text: str, traced: bool) -> None:
    def call(a: Any) -> None:
        with pytest.raises(dl.IndexingError, match=text):
            run(statement, a)

    (dl.dlfeval if traced else lambda f, a: f(a))(call, dl.dlarray(np.eye(2)))


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("statement", KEPT)
def test_other_assignments_are_carried_out(statement: str, traced: bool) -> None:
    def call(a: Any) -> None:
        arrays = [x for x in run(statement, a).values() if dl.isdlarray(x)]
        assert max(float(dl.extractdata(x).max()) for x in arrays) >= 7

    (dl.dlfeval if traced else lambda f, a: f(a))(call, dl.dlarray(np.eye(2)))


def test_this_interpreter_counts_references() -> None:
    """A Python that does not needs another way to find lost assignments."""
    assert ownership._TEMPORARY > 0
