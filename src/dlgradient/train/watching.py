"""What shows a training: a plot that is drawn while it runs, and files for TensorBoard."""

from __future__ import annotations

import os
from typing import Any

from dlgradient.errors import located
from dlgradient.train.history import OTHERS, VALIDATION, monitor_of, update
from dlgradient.train.training import Observer, Row, Training

__all__ = ["LivePlot", "TensorBoard"]


class LivePlot(Observer):
    """A plot that is drawn while training runs, with a button that stops it."""

    def __init__(self) -> None:
        self.monitor: Any = None

    def iterated(self, training: Training, row: Row) -> str:
        """Draw, if it is time to."""
        if self.monitor is None:
            # With what was before a checkpoint, and this iteration.
            info = training.info
            self.monitor = monitor_of(info.training_history, info.validation_history)
            self.monitor.visible = True
            self.monitor.status = "Training"
        else:
            plotted = {name: value for name, value in row.items() if name not in OTHERS}
            self.monitor.record_metrics(row["iteration"], **plotted)
        update(self.monitor, row)
        if training.total:
            self.monitor.progress = min(100 * training.iteration / training.total, 100)
        return "Stopped by the user" if self.monitor.stop else ""

    def end(self, training: Training) -> None:
        """Draw the end, and why it came."""
        if self.monitor is not None:
            self.monitor.status = training.info.stop_reason or "Stopped by an error"
            self.monitor._refresh()


class TensorBoard(Observer):
    """Events in a folder, which TensorBoard reads while training runs.

    Parameters
    ----------
    folder : path-like
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            text = (
                "training_options: tensorboard= needs the package tensorboardX: "
                "pip install dlgradient[tensorboard]"
            )
            raise ImportError(located(text, "reference/training.html")) from error
        self.writer = SummaryWriter(os.fspath(folder))

    def iterated(self, training: Training, row: Row) -> str:
        """Write the numbers of an iteration."""
        for name, value in row.items():
            if name not in ("iteration", "epoch", "time_elapsed"):
                part = "validation" if name.startswith(VALIDATION) else "training"
                tag = f"{part}/{name.removeprefix(VALIDATION)}"
                self.writer.add_scalar(tag, value, training.iteration)
        return ""

    def end(self, training: Training) -> None:
        """Close the file."""
        del training
        self.writer.close()
