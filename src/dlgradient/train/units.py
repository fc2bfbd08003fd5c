"""Targets in normalised units: what the loss compares, if the network ends with the data's own."""

from __future__ import annotations

from copy import copy

from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.input import STATISTICS, InverseNormalization
from dlgradient.network.network import dlnetwork
from dlgradient.train.loss import Objective
from dlgradient.train.queue import minibatchqueue

__all__ = ["in_normalized_units", "inverses", "with_normalized_targets"]


def inverses(net: dlnetwork) -> dict[int, str]:
    """Return the numbers and the names of the outputs that are in the units of the targets."""
    found = {}
    ends = {end for _, end in net.connections}
    for i, name in enumerate(net.output_names):
        layer = net.get_layer(name.partition("/")[0])
        inverse = isinstance(layer, InverseNormalization) and STATISTICS[layer.normalization]
        if inverse and name in ends:
            found[i] = name
    if not found:
        raise InvalidArgumentError(
            f"trainnet: normalize_targets=True needs an output in the units of the targets, and "
            f"the network has {', '.join(net.output_names)}; end it with "
            "layers.InverseNormalization()"
        )
    return found


def in_normalized_units(objective: Objective, net: dlnetwork) -> None:
    """Let the loss of an objective get what comes before the layers that go to own units."""
    found = inverses(net)
    sources = {end: start for start, end in net.connections}
    objective.units = {i: _inverse(net, name) for i, name in found.items()}
    objective.outputs = [
        sources[name] if i in found else name for i, name in enumerate(net.output_names)
    ]


def with_normalized_targets(queue: minibatchqueue, net: dlnetwork, inputs: int) -> minibatchqueue:
    """Return a queue of the same data whose targets are in normalised units."""
    new = copy(queue)  # that of a user stays as it is
    new._units = {inputs + i: _inverse(net, name) for i, name in inverses(net).items()}
    return new


def _inverse(net: dlnetwork, name: str) -> InverseNormalization:
    layer = net.get_layer(name.partition("/")[0])
    assert isinstance(layer, InverseNormalization)
    return layer
