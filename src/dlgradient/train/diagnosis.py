"""Which layer made a value that is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.engine.array import extractdata
from dlgradient.network.network import dlnetwork

__all__ = ["first_strange"]


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
