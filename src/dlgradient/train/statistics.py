"""Statistics of all data: those that input layers need, and those of batch normalisation.

Where processes share the batches, each looks at its share, and all get the same result.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import nullcontext
from types import MappingProxyType
from typing import Any

import numpy as np

from dlgradient.core.kinds import shown
from dlgradient.core.shares import sharing
from dlgradient.core.types import Array
from dlgradient.engine.array import dims, dlarray
from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.input import AnyInput, Normalizing
from dlgradient.layers.moments import Moments
from dlgradient.layers.nested import held_networks, prefix_of
from dlgradient.layers.normalization import BatchNormalization
from dlgradient.network.network import dlnetwork
from dlgradient.train.batches import batches
from dlgradient.train.loss import Batch
from dlgradient.train.metric import rows_of
from dlgradient.train.queue import minibatchqueue

__all__ = ["normalized", "with_population_statistics"]


class Summary:
    """What normalisations need to know of the channels of an array, over all batches."""

    def __init__(self) -> None:
        self.moments = Moments()
        self.low: Any = np.inf
        self.high: Any = -np.inf

    def add(self, rows: Array) -> None:
        """Add the rows of a batch."""
        self.moments.add(len(rows), rows.mean(0), rows.var(0))
        self.low = np.minimum(self.low, rows.min(0))
        self.high = np.maximum(self.high, rows.max(0))

    def join(self, other: Summary) -> None:
        """Add what another process has seen."""
        moments = other.moments
        self.moments.add(moments.count, moments.mean, moments.variance)
        self.low = np.minimum(self.low, other.low)
        self.high = np.maximum(self.high, other.high)

    def statistic(self, name: str) -> Array:
        """Return a statistic of each channel; one that is constant is divided by 1, not by 0."""
        varies = self.high > self.low
        found = {
            "mean": self.moments.mean,
            "standard_deviation": np.where(varies, np.sqrt(self.moments.variance), 1.0),
            "min": self.low,
            "max": np.where(varies, self.high, self.low + 1),
        }
        return np.asarray(found[name], np.float32)


def normalized(
    net: dlnetwork,
    queue: minibatchqueue,
    inputs: int,
    outputs: Mapping[int, str] = MappingProxyType({}),
    *,
    reset: bool,
) -> dlnetwork:
    """Return a network whose input layers have the statistics that their normalisation needs.

    Parameters
    ----------
    inputs : int
        How many arrays of a batch are inputs; targets follow.
    outputs : mapping of int to str
        Outputs whose layer needs statistics of the targets, if it has none.
    reset : bool
        Whether those that input layers have are found anew.
    """
    wanted: dict[int, tuple[str, tuple[str, ...]]] = {}
    for i, name in outputs.items():
        layer = net.get_layer(name)
        if isinstance(layer, Normalizing) and layer.lacks():
            wanted[inputs + i] = name, layer.needed()
    for i, name in enumerate(net.input_names[:inputs]):
        layer = net.get_layer(name.partition("/")[0])
        if isinstance(layer, AnyInput) and (layer.lacks() or reset):
            wanted[i] = name, layer.needed()
    wanted = {i: found for i, found in wanted.items() if found[1]}
    if not wanted:
        return net
    splits = {i for i, (name, _) in wanted.items() if _splits(net, name)}
    summaries = summaries_of(queue, wanted, splits)
    return net.with_all_options(
        {
            name: {statistic: summaries[i].statistic(statistic) for statistic in names}
            for i, (name, names) in wanted.items()
        }
    )


def _splits(net: dlnetwork, name: str) -> bool:
    """Return whether a layer is an input that splits complex data into two parts."""
    layer = net.get_layer(name.partition("/")[0])
    return isinstance(layer, AnyInput) and layer.split_complex_inputs


def summaries_of(
    queue: minibatchqueue, numbers: Iterable[int], splits: Collection[int] = ()
) -> dict[int, Summary]:
    """Return summaries of some outputs of a queue, in one pass over all batches.

    Those in `splits` are complex, and summarised by their real and their imaginary parts.

    A process that shares the batches with others reads its share, and all get the same. What pads
    sequences does not count.
    """
    queue = queue._unpadded()
    own = {i: Summary() for i in numbers}
    for batch in batches(queue):
        if queue.share is None or queue.share.counts:
            for i, summary in own.items():
                summary.add(_rows(batch, i, splits=i in splits))
    whole = {i: Summary() for i in own}
    for found in queue._of_all(own):
        for i, summary in whole.items():
            summary.join(found[i])
    return whole


def _rows(batch: Batch, i: int, *, splits: bool) -> Array:
    """Return the rows of an array of a batch, which needs a format that says so."""
    if i >= len(batch) or type(batch[i]) is not dlarray:
        found = "are none" if i >= len(batch) else f"have no format: {shown(batch[i])}"
        raise InvalidArgumentError(
            f"trainnet: normalize_targets=True needs targets in a format such as 'BC', and there "
            f"{found}"
        )
    rows = rows_of(batch[i], dims(batch[i]))
    if splits:
        rows = np.concatenate([rows.real, rows.imag], axis=1)
    if rows.dtype.kind == "c":
        raise InvalidArgumentError(
            f"trainnet: the normalisation needs real numbers, and the data are {rows.dtype}; give "
            "the input layer split_complex_inputs=True, or normalization='none'"
        )
    return rows.astype(float)


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
