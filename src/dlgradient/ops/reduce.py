"""Reductions."""
from __future__ import annotations
from typing import Any
import numpy as np
from dlgradient.calls import FUNCTIONS
from dlgradient.ops.samples import case
from dlgradient.rules import linear

def _sum_adjoint(g: Any, x_like: Any, axis: Any, keepdims: Any) -> Any:
    return spread(g, x_like.shape, axis, keepdims)

def spread(g: Any, shape: Any, axis: Any, keepdims: bool) -> Any:
    """Broadcast what a reduction over `axis` made back to `shape`."""
    if axis is not None and not keepdims and g.ndim:
        axes = np.lib.array_utils.normalize_axis_tuple(axis, len(shape))
        g = FUNCTIONS["reshape"](g, shape=tuple(1 if i in axes else n for i, n in enumerate(shape)))
    return FUNCTIONS["broadcast_to"](g, shape=shape)

@linear(x=_sum_adjoint, labels="reduce", samples=lambda m: [case(m.real(3))], numpy=np.sum)
def sum(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Sum of elements."""
    return np.add.reduce(x, axis=axis, keepdims=keepdims)
