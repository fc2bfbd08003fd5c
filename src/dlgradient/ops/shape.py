"""Shapes."""
from __future__ import annotations
from typing import Any
import numpy as np
from dlgradient.calls import FUNCTIONS
from dlgradient.labels import permuted
from dlgradient.ops.samples import case
from dlgradient.rules import linear

@linear(x=lambda g, x_like: reshape(g, shape=x_like.shape), labels="new", samples=lambda m: [case(m.real(4), shape=(2, 2))])
def reshape(x: Any, /, *, shape: Any) -> Any:
    """Same elements, another shape."""
    return np.reshape(x, shape)

@linear(x=lambda g, axes: permute_dims(g, axes=tuple(np.argsort(axes).tolist())), labels=lambda f, s, p: permuted(f[0], tuple(p["axes"])), samples=lambda m: [case(m.real(4, 2), axes=(1, 0))])
def permute_dims(x: Any, /, *, axes: Any) -> Any:
    """Permute."""
    return np.transpose(x, axes)

@linear(x=lambda g, x_like: FUNCTIONS["sum"](g, axis=tuple(range(g.ndim - len(x_like.shape))) + tuple(i + g.ndim - len(x_like.shape) for i, n in enumerate(x_like.shape) if n == 1 and g.shape[i + g.ndim - len(x_like.shape)] != 1), keepdims=True), labels="new", samples=lambda m: [case(m.real(4), shape=(2, 4))])
def broadcast_to(x: Any, /, *, shape: Any) -> Any:
    """Broadcast."""
    return np.broadcast_to(x, shape)
