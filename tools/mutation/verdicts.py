"""Verdicts of a run on disk, so that a run which was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path

import numpy as np
from plan import ROOT

STORE = ROOT / "build" / "mutation.jsonl"


def digest() -> str:
    """Fingerprint of everything that a verdict depends on."""
    seen = hashlib.sha256(f"{platform.python_version()} {np.__version__}".encode())
    for folder in ("src", "tests", "tools/mutation", "docs"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            seen.update(path.relative_to(ROOT).as_posix().encode())
            seen.update(path.read_bytes())
    return seen.hexdigest()[:12]


class Verdicts:
    """What became of each mutant, by its key; of other sources nothing is taken over."""

    def __init__(self, store: Path = STORE) -> None:
        self.digest = digest()
        self.found: dict[str, str] = {}
        lines = store.read_text(encoding="utf-8").splitlines() if store.exists() else []
        if lines and json.loads(lines[0]) == self.digest:
            self.found = dict(json.loads(line) for line in lines[1:])
        else:
            store.parent.mkdir(exist_ok=True)
            store.write_text(json.dumps(self.digest) + "\n", encoding="utf-8")
        self.file = store.open("a", encoding="utf-8")

    def add(self, key: str, outcome: str) -> None:
        """Enter a verdict: killed or survived; or, of the baseline, passed."""
        self.found[key] = outcome
        self.file.write(json.dumps([key, outcome]) + "\n")
        self.file.flush()
