"""Time of ``import dlgradient`` over ``import numpy``, in fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from harness.result import OURS, Result, Target, with_unit
from harness.row import Context, Row
from harness.timing import clock

STATEMENTS = {
    "bare": "import numpy",
    OURS: "import numpy, dlgradient",
    "torch": "import numpy, torch",
    "jax": "import numpy, jax",
    "autograd": "import numpy, autograd.numpy",
}
LIMIT = 0.060


def _once(statement: str, environment: dict[str, str]) -> float:
    began = clock()
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
    return clock() - began


def _run(context: Context) -> Result:
    """Least of many interleaved timings, less that of ``import numpy``."""
    # An installed package is compiled already; so is everything here, after the first import.
    with tempfile.TemporaryDirectory() as cache:
        environment = dict(os.environ, PYTHONPYCACHEPREFIX=cache)
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return _measured(context, environment)


def _measured(context: Context, environment: dict[str, str]) -> Result:
    rounds = 4 if context.quick else 20
    best = dict.fromkeys(STATEMENTS, float("inf"))
    for statement in STATEMENTS.values():
        _once(statement, environment)  # compiles and fills the caches of the file system
    for done in range(rounds):
        for name, statement in STATEMENTS.items():
            if name in ("torch", "jax") and done >= 5:
                continue  # takes seconds, and is no part of the target
            best[name] = min(best[name], _once(statement, environment))
        context.report((done + 1) / rounds)
    figures = {name: t - best["bare"] for name, t in best.items() if name != "bare"}
    result = Result("import", "import over `import numpy`", "s", figures)
    over = figures[OURS]
    result.targets.append(Target(f"≤ {with_unit(LIMIT, 's')}", with_unit(over, "s"), over <= LIMIT))
    result.notes.append(
        f"A fresh interpreter with `import numpy` takes {with_unit(best['bare'], 's')} here."
    )
    return result


IMPORT = Row("import", _run)
