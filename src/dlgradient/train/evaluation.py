"""How well a network does on data: the mean loss, and metrics, without what pads sequences.

A metric gets rows: an observation, or each time of a sequence, with its channels. Rows of padding
are taken out, so that a metric does not depend on which sequences are in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from dlgradient.core.types import Array, Value
from dlgradient.engine.array import dims, dlarray, extractdata
from dlgradient.network.network import dlnetwork
from dlgradient.train.batches import batches
from dlgradient.train.loss import Objective
from dlgradient.train.metric import Metric, rows_of, update_of
from dlgradient.train.queue import minibatchqueue
from dlgradient.train.sources import Batch, mask_like, mask_of

__all__ = ["Pairs", "evaluated", "metric_of_batch", "row_pairs"]

# Predictions and targets of each output, with observations as rows.
Pairs: TypeAlias = list[tuple[Array, Array]]


def evaluated(
    net: dlnetwork,
    queue: minibatchqueue,
    objective: Objective,
    metrics: Sequence[Metric],
    together: Callable[..., tuple[Array, Pairs]] = lambda _, sums, pairs: (sums, pairs),
    look: Callable[[Batch], None] = lambda _: None,
    what: str = "trainnet: validation_data",
) -> tuple[float, list[float]]:
    """Return the mean loss over the observations, and the value of each metric.

    Parameters
    ----------
    together : callable
        ``together(queue, sums, pairs)`` returns those of a batch from those of a share of it.
    look : callable
        ``look(batch)`` raises the error for data that do not fit.
    what : str
        What the data are called in errors.
    """
    for metric in metrics:
        metric.reset()
    totals = np.zeros(2)
    for batch in batches(queue, what):
        look(batch)
        ys = objective.predicted(net, batch)
        size = _observations(batch[0])
        value = float(objective.value(ys, batch, objective.mask(batch)))
        pairs = row_pairs(objective, ys, batch) if metrics else []
        sums, pairs = together(queue, np.array([value * size, size]), pairs)
        totals += sums
        for metric in metrics:
            update_of(metric, pairs, net.output_names)
    return float(totals[0] / totals[1]), [metric.evaluate() for metric in metrics]


def _observations(x: Any) -> int:
    fmt = dims(x) if type(x) is dlarray else ""
    return int(x.shape[fmt.index("B")]) if "B" in fmt else len(x)


def metric_of_batch(metric: Metric, pairs: Pairs, names: Sequence[str]) -> float:
    """Return a metric of one batch; the names are those of the outputs."""
    metric.reset()
    update_of(metric, pairs, names)
    return metric.evaluate()


def row_pairs(objective: Objective, ys: Sequence[Value], batch: Batch) -> Pairs:
    """Return predictions and targets as metrics get them, of each output, in their own units."""
    first = objective.inputs
    columns = objective.in_own_units(ys), objective.in_own_units(batch[first:])
    return [
        _row_pair(y, t, mask_of(batch, first + i))
        for i, (y, t) in enumerate(zip(*columns, strict=False))
    ]


def _row_pair(y: Value, target: Any, mask: Array | None) -> tuple[Array, Array]:
    fmt = dims(y)
    wanted = dims(target) if type(target) is dlarray else ""
    found = rows_of(y, fmt), rows_of(*_in_order_of(fmt, target, wanted))
    if mask is None or not {"B", "T"} <= set(fmt) or len(found[0]) != len(found[1]):
        return found
    inside = _rows_of_mask(mask, y.shape, fmt)
    return found[0][inside], found[1][inside]


def _in_order_of(fmt: str, target: Any, wanted: str) -> tuple[Any, str]:
    """Return targets with their dimensions in the order of predictions, as rows must be."""
    if not wanted or sorted(wanted.replace("C", "")) != sorted(fmt.replace("C", "")):
        return target, wanted
    places = sorted(range(len(wanted)), key=lambda i: (wanted[i] == "C", fmt.find(wanted[i])))
    return np.transpose(extractdata(target), places), "".join(wanted[i] for i in places)


def _rows_of_mask(mask: Array, shape: tuple[int, ...], fmt: str) -> Array:
    """Return which rows of an array are no padding."""
    sizes = [n for n, label in zip(shape, fmt, strict=True) if label != "C"]
    return np.broadcast_to(mask_like(mask, fmt.replace("C", "")), sizes).reshape(-1)
