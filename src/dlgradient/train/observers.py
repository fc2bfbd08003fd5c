"""Functions of the user, which watch a training."""

from __future__ import annotations

from typing import Any

from dlgradient.train.training import Observer, Row, Training

__all__ = ["OutputFunctions"]


class OutputFunctions(Observer):
    """Functions of the user, which are called after each iteration.

    Parameters
    ----------
    functions : callable or sequence of callable
        Each gets a dict: the row of the iteration, and the network as "net". A true result stops
        the training.
    """

    def __init__(self, functions: Any) -> None:
        self.functions = functions if isinstance(functions, list | tuple) else [functions]

    def iterated(self, training: Training, row: Row) -> str:
        """Call all functions, even if one before the last stops the training."""
        answers = [fcn({**row, "net": training.net.copy()}) for fcn in self.functions]
        return "Stopped by output_fcn" if any(answers) else ""
