"""Statistics of all data: those that input layers need, and those of batch normalisation."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

import numpy as np

from dlgradient.core.shares import sharing
from dlgradient.core.types import Array
from dlgradient.engine.array import dims
from dlgradient.layers.input import STATISTICS, AnyInput
from dlgradient.layers.moments import Moments
from dlgradient.layers.nested import held_networks, prefix_of
from dlgradient.layers.normalization import BatchNormalization
from dlgradient.network.network import dlnetwork
from dlgradient.train.metrics import rows_of
from dlgradient.train.predict import batches
from dlgradient.train.queue import minibatchqueue

__all__ = ["normalized", "with_population_statistics"]


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


def with_population_statistics(
    net: dlnetwork,
    queue: minibatchqueue,
    inputs: int,
    generator: np.random.Generator,
    *,
    whole: bool,
) -> dlnetwork:
    """Return a network whose batch normalisation has the statistics of all data.

    They are found in one pass in training mode: what a layer sees depends on the statistics of the
    batch in the layers before it, as in the steps.

    Parameters
    ----------
    whole : bool
        Whether all data are one batch.
    """
    gathered = {name: Moments() for name in batch_normalizations(net)}
    if not gathered:
        return net
    watched = net.with_all_options({n: {"_gathered": found} for n, found in gathered.items()})
    for batch in [queue._whole()] if whole else batches(queue):
        with nullcontext() if queue.share is None else sharing(queue.share):
            watched.forward(*batch[:inputs], generator=generator)
    state = net.state.copy()
    for name, found in gathered.items():
        if not found.count:  # a layer of the user with a `forward` of its own
            continue
        if not (np.isfinite(found.mean).all() and np.isfinite(found.variance).all()):
            warnings.warn(
                f"trainnet: the mean and the variance of all data are not finite in layer {name!r},"
                " which keeps the moving statistics",
                RuntimeWarning,
                stacklevel=2,
            )
            continue
        state[f"{name}/trained_mean"] = found.mean
        state[f"{name}/trained_variance"] = found.variance
    new = net.copy()
    new.state = state
    return new


def batch_normalizations(net: dlnetwork, prefix: str = "") -> Iterator[str]:
    """Yield the paths of all layers of batch normalisation, also in networks of layers."""
    for name, layer in net.layers.items():
        if isinstance(layer, BatchNormalization):
            yield prefix + name
        for attribute, inner in held_networks(layer):
            yield from batch_normalizations(inner, f"{prefix}{name}/{prefix_of(layer, attribute)}")
