"""Which layer made a value that is not finite."""

from __future__ import annotations

from cmath import isfinite
from collections.abc import Sequence
from contextlib import suppress
from copy import copy
from typing import Any

import numpy as np

from dlgradient.engine.array import extractdata
from dlgradient.errors import DlgradientError
from dlgradient.layers.nested import held_networks, prefix_of
from dlgradient.network.network import dlnetwork
from dlgradient.network.table import ParameterTable
from dlgradient.train.batches import batches
from dlgradient.train.loss import Objective
from dlgradient.train.queue import minibatchqueue

__all__ = ["first_random", "first_strange", "first_strange_of", "is_finite", "strange_update"]


def first_random(net: dlnetwork, xs: tuple[Any, ...]) -> str:
    """Return the first layer whose result in training depends on random numbers."""
    for name in net.order():
        one, other = [net.forward(*xs, outputs=name, generator=seed)[0] for seed in (0, 1)]
        if not np.array_equal(np.asarray(extractdata(one)), np.asarray(extractdata(other))):
            return name
    return net.order()[-1]


def first_strange_of(net: dlnetwork, queue: minibatchqueue, objective: Objective) -> str:
    """Return which layer first makes a value that is not finite, in any batch of a queue."""
    for batch in batches(queue):
        ys = objective.predicted(net, batch)
        value = objective.value(ys, batch, objective.mask(batch))
        if not np.isfinite(float(value)):
            return first_strange(net, batch[: objective.inputs])
    return "the losses of all batches are finite"


def is_finite(table: ParameterTable) -> bool:
    """Return whether all numbers of a table are finite."""
    vectors = table.buffers()
    if vectors is None:
        return all(bool(np.isfinite(np.asarray(x)).all()) for x in table.values())
    # The sum of squares costs less, and is finite unless it overflows.
    return all(isfinite(np.vdot(v, v)) or bool(np.isfinite(v).all()) for v in vectors)


def strange_update(gradients: ParameterTable, updated: ParameterTable) -> str:
    """Return what made learnables that are not finite, of a step whose loss is finite."""
    # The walk goes from the last layer to the first, and so does what it spreads.
    for key in reversed(list(gradients)):
        if not np.isfinite(np.asarray(gradients[key])).all():
            return (
                f"Gradient of {key!r} is not finite, though the loss is: the derivative of this "
                "layer, or of one after it"
            )
    strange = [k for k, v in updated.items() if not np.isfinite(np.asarray(v)).all()]
    return f"The step overflows: {strange[0]!r} is not finite after it, make the learn rate smaller"


def first_strange(net: dlnetwork, xs: tuple[Any, ...]) -> str:
    """Return which layer first makes a value that is not finite."""
    for x in xs:
        if not np.all(np.isfinite(np.asarray(extractdata(x)))):
            return "the data are not finite"
    for key, value in net.learnables.items():
        if not np.all(np.isfinite(np.asarray(value))):
            return f"the learnable {key!r} is not finite"
    name = _first_layer(net, xs)
    if name:
        return f"layer {name!r} is the first whose result is not finite"
    return "the results of all layers are finite, so it is the loss function"


def _first_layer(net: dlnetwork, xs: Sequence[Any]) -> str:
    """Return the path of the first layer whose result is not finite; '' if there is none."""
    for name in net.order():
        found = net.predict(*xs, outputs=name)
        if not np.all(np.isfinite(np.asarray(extractdata(found)))):
            return name + _inside(net, name, xs)
    return ""


def _inside(net: dlnetwork, name: str, xs: Sequence[Any]) -> str:
    """Return the rest of the path of a layer in a network that a layer holds; '' if it is itself.

    The layer is called once more, with networks that tell what they get.
    """
    layer = copy(net.get_layer(name))
    calls: list[tuple[str, dlnetwork, tuple[Any, ...]]] = []
    networks = held_networks(layer)
    if not networks:
        return ""
    for attribute, held in networks:
        vars(layer)[attribute] = _Telling(held, prefix_of(layer, attribute), calls)
    sources = {end: start for start, end in net.connections}
    own = [name if len(layer.input_names) == 1 else f"{name}/{i}" for i in layer.input_names]
    inputs = dict(zip(net.input_names, xs, strict=True))  # the layer may be where data come in
    operands = [inputs[p] if p in inputs else net.predict(*xs, outputs=sources[p]) for p in own]
    with suppress(DlgradientError, TypeError, ValueError, AttributeError, LookupError):
        layer.predict(*operands)  # that of a user may need more than its arguments
    for prefix, held, given in calls:
        found = _first_layer(held, given)
        if found:
            return f"/{prefix}{found}"
    return ""


class _Telling:
    """What stands for a network that a layer holds, and notes with what it is called."""

    def __init__(self, net: dlnetwork, prefix: str, calls: list[Any]) -> None:
        self._net, self._prefix, self._calls = net, prefix, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._net, name)

    def predict(self, *xs: Any, outputs: Any = None) -> Any:
        """Return the outputs of the network, and note its inputs."""
        self._calls.append((self._prefix, self._net, xs))
        return self._net.predict(*xs, outputs=outputs)
