"""The history of a training as a monitor: which columns are drawn, and how they are grouped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from dlgradient.train.monitor import training_progress_monitor

__all__ = ["OTHERS", "VALIDATION", "monitor_of", "update"]

History: TypeAlias = Mapping[str, Sequence[float]]
# Columns of the history that have no plot.
OTHERS = ("iteration", "epoch", "learn_rate", "time_elapsed")
VALIDATION = "validation_"


def monitor_of(columns: History, others: History) -> training_progress_monitor:
    """Return a monitor that has recorded a history: that of training, and that of validation."""
    names = [name for name in columns if name not in OTHERS]
    validation = {name: f"{VALIDATION}{name}" for name in names}
    monitor = training_progress_monitor(
        metrics=[*names, *validation.values()],
        info=("Iteration", "Epoch", "Learn rate"),
        visible=False,
    )
    for name, other in validation.items():
        monitor.group_subplot(name, (name, other))
        if name.endswith("norm"):
            monitor.yscale(name, "log")
        for i, value in zip(columns["iteration"], columns[name], strict=False):
            monitor.record_metrics(i, **{name: value})
        for i, value in zip(others.get("iteration", ()), others.get(name, ()), strict=False):
            monitor.record_metrics(i, **{other: value})
    last = {name: values[-1] for name, values in columns.items()}
    update(monitor, last)
    monitor._begun = monitor._last - last.get("time_elapsed", 0.0)
    return monitor


def update(monitor: training_progress_monitor, row: Mapping[str, float]) -> None:
    """Show where a training is."""
    monitor.update_info(Iteration=int(row["iteration"]))
    for title, name in (("Epoch", "epoch"), ("Learn rate", "learn_rate")):
        if name in row:
            monitor.update_info(**{title: row[name]})
