"""Statistics of the data, which input layers need to normalise them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlgradient.core.types import Array
from dlgradient.engine.array import dims
from dlgradient.layers.input import STATISTICS, AnyInput
from dlgradient.network.network import dlnetwork
from dlgradient.train.metrics import rows_of
from dlgradient.train.predict import batches
from dlgradient.train.queue import minibatchqueue

__all__ = ["normalized"]


def normalized(net: dlnetwork, queue: minibatchqueue, inputs: int, *, reset: bool) -> dlnetwork:
    """Return a network whose input layers have the statistics that their normalisation needs."""
    for i, name in enumerate(net.input_names[:inputs]):
        layer = net.get_layer(name.partition("/")[0])
        if not isinstance(layer, AnyInput):
            continue
        names = STATISTICS[layer.normalization]
        given = all(getattr(layer, n) is not None for n in names)
        if not names or (given and not reset):
            continue
        net = net.with_options(name, statistics(queue, i, names))
    return net


def statistics(queue: minibatchqueue, i: int, names: Sequence[str]) -> dict[str, Array]:
    """Return statistics of an input over all batches, for each channel."""
    count, total, squares = 0, 0.0, 0.0
    low, high = np.inf, -np.inf
    for batch in batches(queue):
        rows = rows_of(batch[i], dims(batch[i])).astype(float)
        count += len(rows)
        total, squares = total + rows.sum(0), squares + (rows**2).sum(0)
        low, high = np.minimum(low, rows.min(0)), np.maximum(high, rows.max(0))
    mean = np.asarray(total) / count
    spread = np.sqrt(np.maximum(np.asarray(squares) / count - mean**2, 0))
    found = {
        "mean": mean,
        "standard_deviation": np.where(spread > 0, spread, 1.0),
        "min": np.asarray(low),
        "max": np.where(np.asarray(high) > low, high, np.asarray(low) + 1),
    }
    return {name: found[name].astype(np.float32) for name in names}
