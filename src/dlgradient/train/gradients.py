"""Gradients of a network before an update: L2 regularisation, and thresholds of their size."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np

from dlgradient.core.types import Array
from dlgradient.errors import InvalidArgumentError
from dlgradient.network.network import dlnetwork
from dlgradient.network.table import ParameterTable
from dlgradient.train.clipping import clip_by_global_norm, clip_by_norm, clip_by_value

__all__ = ["limited", "penalty", "regularized"]

Method: TypeAlias = Literal["l2norm", "global-l2norm", "absolute-value"]
METHODS = {
    "l2norm": clip_by_norm,
    "global-l2norm": clip_by_global_norm,
    "absolute-value": clip_by_value,
}


def vectors(table: ParameterTable) -> list[Array]:
    """Return the vectors of a table that is not traced."""
    found = table.buffers()
    if found is None:
        raise InvalidArgumentError("the gradients must have the dtypes of the learnables")
    return found


def regularized(net: dlnetwork, gradients: ParameterTable, l2: float) -> ParameterTable:
    """Return gradients of the loss plus l2/2 Σ factor w², with the factors of the layers."""
    factors = net.l2_factors() if l2 else {}
    if not any(factors.values()):
        return gradients
    columns = gradients.columns
    found = []
    pairs = zip(vectors(gradients), vectors(net.learnables), strict=True)
    for group, (g, w) in enumerate(pairs):
        new = np.empty_like(g)
        for factor, start, stop in columns.spans(group, factors, 1.0):
            part = slice(start, stop)
            np.multiply(w[part], l2 * factor, out=new[part])
            new[part] += g[part]
        found.append(new)
    return ParameterTable.of(columns, buffers=found)


def penalty(net: dlnetwork, l2: float) -> float:
    """Return l2/2 Σ factor w², which `regularized` is the gradient of."""
    factors = net.l2_factors()
    if l2 == 0 or not any(factors.values()):
        return 0.0
    columns, total = net.learnables.columns, 0.0
    for group, w in enumerate(vectors(net.learnables)):
        for factor, start, stop in columns.spans(group, factors, 1.0):
            part = w[start:stop].astype(np.result_type(w.dtype, np.float64))
            total += factor * float(np.vdot(part, part).real)
    return l2 / 2 * total


def limited(gradients: ParameterTable, threshold: float, method: Method) -> ParameterTable:
    """Return gradients that are no larger than a threshold."""
    return gradients if math.isinf(threshold) else METHODS[method](gradients, threshold)
