"""What a training returns next to the network: how it went."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from dlgradient.core.attributes import AnswersByName
from dlgradient.core.records import record

__all__ = ["TrainingInfo"]


@record("TrainingInfo")
class TrainingInfo(AnswersByName):
    """How a training went.

    Attributes
    ----------
    training_history, validation_history : dict of list
        Columns by name: "iteration", "epoch", "learn_rate", "loss", the metrics and "time_elapsed".
        Those of validation are "iteration", "loss" and the metrics.
    stop_reason : str
    output_network_iteration : int
        The iteration that the returned network is from.
    class_names : list, optional
        The classes, in the order of the outputs, if the targets were texts or categories. For
        several arrays of targets, one such list for each.
    """

    training_history: dict[str, list[float]] = field(default_factory=dict)
    validation_history: dict[str, list[float]] = field(default_factory=dict)
    stop_reason: str = ""
    output_network_iteration: int = 0
    class_names: Any = None

    def show(self) -> Any:
        """Draw the history in a new window, as pyplot has it, and return the figure."""
        import matplotlib.pyplot as plt

        from dlgradient.train.history import monitor_of

        figure = plt.figure(num=self._name(), clear=True, facecolor="white")
        monitor = monitor_of(self.training_history, self.validation_history)
        monitor.status = self.stop_reason
        monitor._draw_into(figure)
        return figure

    def close(self) -> None:
        """Close the window that `show` opened."""
        import matplotlib.pyplot as plt

        plt.close(self._name())

    def _name(self) -> str:
        return f"Training progress {id(self):x}"
