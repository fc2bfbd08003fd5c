"""What a training returns next to the network: how it went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["TrainingInfo"]


@dataclass
class TrainingInfo:
    """How a training went.

    Attributes
    ----------
    training_history, validation_history : dict of list
        Columns: iteration, epoch, learn rate, loss and metrics.
    stop_reason : str
    output_network_iteration : int
        The iteration that the returned network is from.
    """

    training_history: dict[str, list[float]] = field(default_factory=dict)
    validation_history: dict[str, list[float]] = field(default_factory=dict)
    stop_reason: str = ""
    output_network_iteration: int = 0

    def show(self) -> Any:
        """Draw the history and return the figure of Matplotlib."""
        import matplotlib.pyplot as plt

        others = ("iteration", "epoch", "learn_rate", "time_elapsed")
        names = [n for n in self.training_history if n not in others]
        figure, axes = plt.subplots(len(names), 1, squeeze=False, sharex=True)
        for axis, name in zip(axes[:, 0], names, strict=True):
            history = self.training_history
            axis.plot(history["iteration"], history[name], label="training")
            if self.validation_history:
                other = self.validation_history
                axis.plot(other["iteration"], other[name], "o-", label="validation")
            axis.set_ylabel(name)
            axis.legend()
        axes[-1, 0].set_xlabel("iteration")
        return figure
