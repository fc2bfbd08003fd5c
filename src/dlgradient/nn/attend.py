"""Attention of heads that are laid out already, as one operation.

Probabilities are made for a few heads at a time, so that they stay in the cache, and are not kept:
the backward pass makes them again. Memory grows with the length of the sequences, not its square.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.nn.softmax import softmax_along
from dlgradient.nn.standard import is_traced
from dlgradient.ops.choice import where
from dlgradient.ops.reduce import sum
from dlgradient.ops.samples import case
from dlgradient.rules import general

__all__ = ["probabilities"]

_BLOCK = 1 << 19  # bytes of probabilities at a time


def probabilities(q: Any, k: Any, scale: float, mask: Any, bias: Any = None) -> Any:
    """Return what every query gives to every key, in operations; zero where the mask is false."""
    scores = (q * scale) @ k.mT
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = where(mask, scores, -np.inf)
    return softmax_along(scores, axis=-1)


def _vjp(g: Any, q: Any, k: Any, v: Any, scale: float, mask: Any) -> tuple[Any, Any, Any]:
    if not is_traced([g, q, k, v]):
        return _raw_vjp(g, q, k, v, scale, mask)
    p = probabilities(q, k, scale, mask)
    dp = g @ v.mT
    ds = p * (dp - sum(dp * p, axis=-1, keepdims=True))
    return (ds @ k) * scale, ds.mT @ (q * scale), p.mT @ g


def _blocks(q: Any, k: Any) -> list[tuple[slice, slice]]:
    """Slices of batch and heads with few enough probabilities."""
    batch, heads, queries, _ = q.shape
    one = max(queries * k.shape[2] * q.dtype.itemsize, 1)
    if one * heads > _BLOCK:
        size = max(_BLOCK // one, 1)
        return [
            (slice(b, b + 1), slice(h, h + size))
            for b in range(batch)
            for h in range(0, heads, size)
        ]
    size = max(_BLOCK // max(one * heads, 1), 1)
    return [(slice(b, b + size), slice(None)) for b in range(0, batch, size)]


def _weights(q: Any, k: Any, mask: Any) -> tuple[Any, Any]:
    """Exponentials of the scores, and their sums (one where there is nothing to attend to)."""
    s = np.matmul(q, k.mT)
    if mask is not None:
        np.copyto(s, -np.inf, where=~mask)
    highest = np.maximum.reduce(s, axis=-1, keepdims=True, initial=-np.inf)
    highest[np.isneginf(highest)] = 0
    s -= highest
    np.exp(s, out=s)
    total = np.add.reduce(s, axis=-1, keepdims=True)
    total[total == 0] = 1
    return s, total


def _part(mask: Any, at: tuple[slice, slice]) -> Any:
    if mask is None:
        return None
    mask = mask[at[0]] if mask.shape[0] != 1 else mask
    return mask[:, at[1]] if mask.shape[1] != 1 else mask


def _heads_last(shape: tuple[int, ...], dtype: Any) -> Any:
    """Return an array whose heads lie side by side in memory, as they came from one matrix."""
    batch, heads, steps, size = shape
    return np.empty((batch, steps, heads, size), dtype).transpose(0, 2, 1, 3)


def _raw_vjp(g: Any, q: Any, k: Any, v: Any, scale: float, mask: Any) -> tuple[Any, Any, Any]:
    dtype = np.result_type(g, q, k, v)
    dq, dk, dv = (_heads_last(a.shape, dtype) for a in (q, k, v))
    for at in _blocks(q, k):
        scaled = q[at] * scale
        p, total = _weights(scaled, k[at], _part(mask, at))
        p /= total
        dv[at] = np.matmul(p.mT, g[at])
        ds = np.matmul(g[at], v[at].mT)
        ds -= np.einsum("bhij,bhij->bhi", ds, p)[..., None]
        ds *= p
        dk[at] = np.matmul(ds.mT, scaled)
        np.multiply(np.matmul(ds, k[at]), scale, out=dq[at])
    return dq, dk, dv


def _samples(m: Any) -> list[Any]:
    q, k, v = m.real(2, 2, 3, 2), m.real(2, 2, 4, 2), m.real(2, 2, 4, 3)
    mask = np.ones((1, 1, 3, 4), bool)
    mask[0, 0, 0, 1:] = mask[0, 0, 2] = False
    return [
        case(q, k, v, scale=0.7),
        case(q, k, v, scale=0.7, mask=mask),
        case(m.real(0, 1, 3, 2), m.real(0, 1, 2, 2), m.real(0, 1, 2, 2), scale=1.0),
        case(m.real(1, 1, 2, 2), m.real(1, 1, 0, 2), m.real(1, 1, 0, 2), scale=1.0),
    ]


@general(vjp=_vjp, labels="new", samples=_samples, shown="attention")
def attend(q: Any, k: Any, v: Any, /, *, scale: float, mask: Any = None) -> Any:
    """Values weighted by the softmax of scaled products of queries and keys.

    Parameters
    ----------
    q, k, v : array
        Batch, heads, queries or keys, channels.
    scale : float
        Factor of the products.
    mask : array of bool, optional
        What may be attended to; broadcasts to batch, heads, queries, keys, with four dimensions. A
        query that may attend to nothing has the result zero.
    """
    y = _heads_last((*q.shape[:3], v.shape[3]), np.result_type(q, k, v))
    for at in _blocks(q, k):
        p, total = _weights(q[at] * scale, k[at], _part(mask, at))
        np.divide(np.matmul(p, v[at]), total, out=y[at])
    return y
