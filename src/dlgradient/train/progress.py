"""What training shows: a table of iterations, and a bar with the time left."""

from __future__ import annotations

import sys
from typing import Any

from dlgradient.train.chart import clock
from dlgradient.train.training import Observer, Row, Training

__all__ = ["Progress"]

HEADS = {
    "iteration": "Iteration",
    "epoch": "Epoch",
    "time_elapsed": "TimeElapsed",
    "learn_rate": "LearnRate",
    "loss": "TrainingLoss",
    "validation_loss": "ValidationLoss",
    "gradient_norm": "GradientNorm",
    "step_norm": "StepNorm",
}


class Progress(Observer):
    """Prints a table every few iterations; on a terminal, and with rich installed, a bar too."""

    def __init__(self) -> None:
        self.columns: list[str] = []
        self.bar: Any = None
        self.task: Any = None

    def begin(self, training: Training) -> None:
        """Print the head of the table."""
        options = training.options
        validates = options.validation_data is not None
        self.columns = list(training.solver.columns)
        if validates:
            self.columns.append("validation_loss")
        for metric in options.metrics:
            self.columns += [metric.name] + [f"validation_{metric.name}"] * validates
        if sys.stdout.isatty():
            self._begin_bar(training.total)
        self.write("  ".join(_head(column) for column in self.columns))

    def _begin_bar(self, total: int | None) -> None:
        try:
            from rich.progress import Progress as Bar
            from rich.progress import TimeRemainingColumn
        except ImportError:
            return
        self.bar = Bar(*Bar.get_default_columns()[:-1], TimeRemainingColumn())
        self.task = self.bar.add_task("training", total=total)
        self.bar.start()

    def write(self, line: str) -> None:
        """Print a line, above the bar if there is one."""
        if self.bar is not None:
            self.bar.console.print(line, highlight=False)
        else:
            sys.stdout.write(f"{line}\n")

    def iterated(self, training: Training, row: Row) -> str:
        """Print a row of the history, if it is the turn of one."""
        if self.bar is not None:
            self.bar.update(self.task, completed=row["iteration"])
        turn = row["iteration"] in (1, training.total) or "validation_loss" in row
        if turn or row["iteration"] % training.options.verbose_frequency == 0:
            shown = [(_shown(c, row.get(c)), len(_head(c))) for c in self.columns]
            self.write("  ".join(f"{text:>{width}}" for text, width in shown))
        return ""

    def end(self, training: Training) -> None:
        """Print why training ended, unless it was an error."""
        if training.info.stop_reason:
            self.write(f"Training stopped: {training.info.stop_reason}")
        if self.bar is not None:
            self.bar.stop()


def _head(column: str) -> str:
    """Return the head of a column, as wide as the column."""
    metric = column.removeprefix("validation_")
    of = "Training" if metric == column else "Validation"
    return f"{HEADS.get(column, of + metric.capitalize()):>14}"


def _shown(column: str, value: float | None) -> str:
    if value is None:
        return ""
    if column in ("iteration", "epoch"):
        return str(int(value))
    if column == "time_elapsed":
        return clock(value)
    return f"{value:.5g}"
