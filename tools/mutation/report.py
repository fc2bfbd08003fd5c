"""The page of a run, and its progress."""

from __future__ import annotations

import datetime as dt
import platform
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from mutants import Mutant
from plan import ROOT

EXPLAINED = Path(__file__).with_name("explained.toml")
PAGE = ROOT / "docs" / "extend" / "mutation.md"

INTRODUCTION = """# Mutation testing

`make mutate` changes the library one small step at a time: an operator, a comparison, a constant,
exchanged arguments, a sign, a dropped `conj`, an omitted call. On each mutant it runs the checks
that are generated from the table of operations, and the tests of that part of the library. A mutant
that none of them notices *survived*. The list below explains it, if it computes the same as the
original or differs only in speed or wording. Otherwise it is a gap in the tests, and `make mutate`
fails. The score is the share of killed mutants among those that are not explained.
"""


@dataclass
class Score:
    """What became of the mutants of one file."""

    file: str
    mutants: int
    tried: int
    survived: list[Mutant]

    def row(self, reasons: dict[str, str]) -> str:
        """One line of the table."""
        open_ = sum(m.key not in reasons for m in self.survived)
        killed = self.tried - len(self.survived)
        score = f"{100 * killed / (killed + open_):.1f} %" if killed + open_ else ""
        explained = len(self.survived) - open_
        numbers = (self.mutants, self.tried, killed, explained, open_, score)
        return f"| `{self.file}` | " + " | ".join(map(str, numbers)) + " |"


def total(scores: Sequence[Score]) -> Score:
    """Sum of the scores of several files."""
    survived = [m for s in scores for m in s.survived]
    return Score("all", sum(s.mutants for s in scores), sum(s.tried for s in scores), survived)


def page(scores: Sequence[Score], reasons: dict[str, str], sample: int, digest: str) -> str:
    """Write the page."""
    few = "1 mutant of each file was" if sample == 1 else f"{sample} mutants of each file were"
    chosen = f"At most {few} tried, of the same code always the same."
    chosen = chosen if sample else "All mutants were tried."
    lines = [
        INTRODUCTION,
        f"Written by `tools/mutation` on {dt.datetime.now(dt.UTC):%d %B %Y}, with Python",
        f"{platform.python_version()} and NumPy {np.__version__}, from sources that have the",
        f"fingerprint `{digest}`. {chosen}",
        "",
        "| file | mutants | tried | killed | explained | unexplained | score |",
        "|---|---|---|---|---|---|---|",
        *[score.row(reasons) for score in scores],
        total(scores).row(reasons).replace("`", "**"),
    ]
    for score in scores:
        if score.survived:
            lines += ["", f"## {score.file}", ""]
            lines += ["| where | mutant | why it survives |", "|---|---|---|"]
        for m in score.survived:
            text = m.text.replace("|", "\\|").replace(" -> ", "` → `", 1)
            lines.append(f"| {m.scope} | `{text}` | {reasons.get(m.key, '**not explained**')} |")
    return "\n".join(lines) + "\n"


@cache
def explained() -> dict[str, str]:
    """Why mutants survive that are no gaps."""
    groups = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))["equivalent"]
    return {key: group["why"] for group in groups for key in group["mutants"]}


class Progress:
    """A progress bar: rich's if it is installed, else a line now and then."""

    def __init__(self, total: int, what: str) -> None:
        self.total, self.count, self.survived, self.what = total, 0, 0, what
        self.start = self.last = time.monotonic()
        try:
            from rich import console, progress
        except ImportError:
            self.bar = None
            return
        if not console.Console().is_terminal:
            self.bar = None
            return
        self.bar = progress.Progress(
            *progress.Progress.get_default_columns(), progress.MofNCompleteColumn()
        )
        self.bar.start()
        self.task = self.bar.add_task(what, total=total)

    def step(self, name: str, *, survived: bool = False) -> None:
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
                f"{self.count}/{self.total} {self.what}, {self.survived} survive, "
                f"{seconds:.0f} s, about {left:.0f} s left ({name})",
                flush=True,
            )

    def stop(self) -> None:
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.stop()
