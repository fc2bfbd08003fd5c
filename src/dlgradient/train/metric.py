"""The base of metrics, and what they are told: rows of predictions and of targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias

import numpy as np

from dlgradient.core.attributes import AnswersByName
from dlgradient.core.kinds import number, shown
from dlgradient.core.types import Array, Operand
from dlgradient.engine.array import dlarray, extractdata
from dlgradient.errors import (
    InvalidArgumentError,
    NonScalarError,
    ShapeMismatchError,
    located,
)

__all__ = [
    "Metric",
    "OfFunction",
    "OfOneOutput",
    "check_lengths",
    "check_sizes",
    "compared_outputs",
    "rows_of",
    "update_of",
]


# A sum, which may be infinite.
Total: TypeAlias = Annotated[float, number(finite=False)]


class Metric(AnswersByName):
    """The base class of metrics; derive your own from it.

    Write ``update(self, y, targets)``, which gathers raw arrays, ``evaluate(self)``, which returns
    a number, and ``reset(self)``. In ``y`` and ``targets`` the observations are rows, and columns
    are the channels. Each time of a sequence is a row, without those of padding.

    Of a network with several outputs ``update`` gets all predictions, then all targets, unless
    `network_output` says which one is compared.

    Source: MATLAB ``deep.Metric``.

    Attributes
    ----------
    name : str
        What the columns of a history are called.
    maximize : bool
        Whether a larger value is better.
    network_output : str or None
        The output that is compared with its targets; None for all of them.
    """

    name: str = "metric"
    maximize: bool = True
    network_output: str | None = None

    def reset(self) -> None:
        """Forget what was gathered."""
        raise NotImplementedError(
            located(
                f"metric {type(self).__name__} has no reset(self)",
                "errors.html#exceptions-of-python",
            )
        )

    def update(self, y: Array, targets: Array) -> None:
        """Gather a batch."""
        raise NotImplementedError(
            located(
                f"metric {type(self).__name__} has no update(self, y, targets)",
                "errors.html#exceptions-of-python",
            )
        )

    def evaluate(self) -> float:
        """Return the value for all that was gathered."""
        raise NotImplementedError(
            located(
                f"metric {type(self).__name__} has no evaluate(self)",
                "errors.html#exceptions-of-python",
            )
        )


class OfOneOutput(Metric):
    """A metric that compares one output with its targets."""

    def __init__(self, network_output: str | None, name: str | None) -> None:
        self.network_output = network_output
        if name is not None:
            self.name = name
        self.reset()


class OfFunction(Metric):
    """The mean over observations of what a function returns for a batch."""

    maximize = False
    fun: Callable[..., Any]
    total: Total
    count: int

    def __init__(self, fun: Callable[..., Any]) -> None:
        self.fun = fun
        self.name = getattr(fun, "__name__", type(fun).__name__)
        self.reset()

    def reset(self) -> None:
        """Forget what was gathered."""
        self.total, self.count = 0.0, 0

    def update(self, *arrays: Array) -> None:
        """Call the function with a batch."""
        found = self.fun(*arrays)
        if np.size(found) != 1:
            raise NonScalarError(
                f"metric {self.name}: it returned {shown(found)}; return one number, such as the "
                "mean()"
            )
        rows = len(arrays[0])
        self.total += float(np.asarray(found).item()) * rows
        self.count += rows

    def evaluate(self) -> float:
        """Return the mean."""
        return self.total / self.count if self.count else float("nan")


def update_of(metric: Metric, pairs: Sequence[tuple[Array, Array]], outputs: Sequence[str]) -> None:
    """Let a metric gather the predictions and targets of its output, or of all outputs.

    Parameters
    ----------
    pairs : sequence
        Of each output that has targets.
    outputs : sequence of str
        Names of the outputs.
    """
    compared = [pairs[i] for i in compared_outputs(metric, outputs[: len(pairs)])]
    metric.update(*[y for y, _ in compared], *[t for _, t in compared])


def compared_outputs(metric: Metric, outputs: Sequence[str]) -> list[int]:
    """Return the numbers of the outputs that a metric compares, of those that have targets."""
    wanted = metric.network_output
    if not outputs:
        raise InvalidArgumentError(
            f"metric {metric.name}: the data have no targets to compare predictions with; give "
            "them after the data, or next to them in a queue or a dataset"
        )
    if wanted is None:
        if len(outputs) > 1 and isinstance(metric, OfOneOutput):
            raise InvalidArgumentError(
                f"metric {metric.name}: it compares one output, and the network has "
                f"{', '.join(outputs)}; give metrics.{type(metric).__name__}(network_output="
                f"{outputs[0]!r}), or a function of all predictions and all targets"
            )
        return list(range(len(outputs)))
    for names in (list(outputs), [name.partition("/")[0] for name in outputs]):
        if wanted in names:
            return [names.index(wanted)]
    raise InvalidArgumentError(
        f"metric {metric.name}: network_output is {wanted!r}, and the outputs with targets are "
        f"{', '.join(outputs)}"
    )


def rows_of(x: Operand, fmt: str) -> Array:
    """Return predictions or targets with observations as rows, and channels as columns."""
    raw = np.asarray(extractdata(x) if type(x) is dlarray else x)
    axis = fmt.find("C")
    if axis < 0:
        return raw.reshape(-1, 1)
    return np.moveaxis(raw, axis, -1).reshape(-1, raw.shape[axis])


def check_lengths(name: str, found: Array, wanted: Array) -> None:
    """Raise the error for predictions and targets of different numbers of observations."""
    if len(found) != len(wanted):
        raise ShapeMismatchError(
            f"metric {name}: there are predictions of {len(found)} observations, and targets of "
            f"{len(wanted)}"
        )


def check_sizes(name: str, y: Array, targets: Array) -> None:
    """Raise the error for predictions and targets of different shapes."""
    if y.shape != targets.shape:
        raise ShapeMismatchError(
            f"metric {name}: predictions have shape {y.shape} (observations × channels), targets "
            f"have {targets.shape}"
        )
