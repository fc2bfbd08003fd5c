"""What training shows: a table of iterations, and a bar with the time left."""

from __future__ import annotations

import sys
from typing import Any, Self

from dlgradient.train.options import TrainingOptions

__all__ = ["Progress"]

HEADS = {
    "iteration": "Iteration",
    "epoch": "Epoch",
    "time_elapsed": "TimeElapsed",
    "learn_rate": "LearnRate",
    "loss": "TrainingLoss",
    "validation_loss": "ValidationLoss",
}


class Progress:
    """Prints a table every few iterations; on a terminal, and with rich installed, a bar too.

    Parameters
    ----------
    options : TrainingOptions
    total : int or None
        Number of iterations.
    """

    def __init__(self, options: TrainingOptions, total: int | None) -> None:
        self.options = options
        self.total = total
        self.bar: Any = None
        self.task: Any = None
        self.columns = ["iteration", "epoch", "time_elapsed", "learn_rate", "loss"]
        if options.validation_data is not None:
            self.columns.append("validation_loss")
        self.columns += [metric.name for metric in options.metrics]

    def __enter__(self) -> Self:
        if not self.options.verbose:
            return self
        if sys.stdout.isatty():
            try:
                from rich.progress import Progress as Bar
                from rich.progress import TimeRemainingColumn
            except ImportError:
                pass
            else:
                self.bar = Bar(*Bar.get_default_columns()[:-1], TimeRemainingColumn())
                self.task = self.bar.add_task("training", total=self.total)
                self.bar.start()
        self.write("  ".join(f"{HEADS.get(c, c.capitalize()):>14}" for c in self.columns))
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def write(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        if self.bar is not None:
            self.bar.console.print(line, highlight=False)
        else:
            sys.stdout.write(f"{line}\n")

    def show(self, row: dict[str, float]) -> None:
        """Print a row of the history, if it is the turn of one."""
        if not self.options.verbose:
            return
        if self.bar is not None:
            self.bar.update(self.task, completed=row["iteration"])
        turn = row["iteration"] in (1, self.total) or "validation_loss" in row
        if turn or row["iteration"] % self.options.verbose_frequency == 0:
            self.write("  ".join(f"{_shown(c, row.get(c)):>14}" for c in self.columns))

    def finish(self, reason: str) -> None:
        """Print why training ended."""
        if self.options.verbose:
            self.write(f"Training stopped: {reason}")


def _shown(column: str, value: float | None) -> str:
    if value is None:
        return ""
    if column in ("iteration", "epoch"):
        return str(int(value))
    if column == "time_elapsed":
        minutes, seconds = divmod(int(value), 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
    return f"{value:.5g}"
