"""Which layer made a value that is not finite."""

from __future__ import annotations

from cmath import isfinite
from typing import Any

import numpy as np

from dlgradient.engine.array import extractdata
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
    for name in net.order():
        found = net.predict(*xs, outputs=name)
        if not np.all(np.isfinite(np.asarray(extractdata(found)))):
            return f"layer {name!r} is the first whose result is not finite"
    return "the results of all layers are finite, so it is the loss function"
