"""Attention of heads that are laid out already, as one operation.

Scores are made for a few heads, or for some queries of one head, at a time, so that they stay in
the cache; groups of heads run on all cores. The scores are not kept: the logarithms of their sums
of exponentials are, and the backward pass makes them again. Memory grows with the length of the
sequences, not its square.

Where a mask is false there is nothing: whatever a query, a key or a value holds, it is multiplied
by no zero there, so that NaN or infinity in padding reaches neither results nor gradients. The two
products that know of a mask, `masked_scores` and `masked_matmul`, are each other's adjoints.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core import threads
from dlgradient.core.samples import case
from dlgradient.nn.activations.softmax import softmax_along
from dlgradient.nn.shared.arguments import is_traced
from dlgradient.ops.choice import where
from dlgradient.ops.reduce import sum
from dlgradient.ops.trigonometry import tanh
from dlgradient.rules import general, multilinear

__all__ = ["probabilities"]

_BLOCK = 1 << 19  # bytes of scores at a time: they stay in the cache
_LEAST = 1 << 16  # scores; below, starting a thread costs more than it saves

Group = tuple[slice, slice]


# -- products under a mask -----------------------------------------------------------------------


def _samples_of_product(m: Any) -> list[Any]:
    mask = np.array([[True, False, True, True], [False, False, False, False], [True] * 4])
    return [
        case(m.real(3, 4), m.real(4, 2), mask=None),
        case(m.real(2, 3, 4), m.real(2, 4, 2), mask=mask),
        case(m.complex(2, 1, 3, 4), m.real(2, 1, 4, 2), mask=mask[None, None]),
        case(m.real(0, 3, 4), m.real(0, 4, 2), mask=mask),
    ]


def _samples_of_scores(m: Any) -> list[Any]:
    mask = np.array([[True, False, True, True], [False, False, False, False], [True] * 4])
    return [
        case(m.real(3, 2), m.real(4, 2), mask=None),
        case(m.real(2, 3, 2), m.real(2, 4, 2), mask=mask),
        case(m.real(2, 1, 3, 2), m.complex(2, 1, 4, 2), mask=mask[None, None]),
        case(m.real(0, 3, 2), m.real(0, 4, 2), mask=mask),
    ]


def _turned(mask: Any) -> Any:
    return None if mask is None else mask.mT


def _conj(x: Any) -> Any:
    return x.conj() if x.dtype.kind == "c" else x


def _masked_scores_q(g: Any, k: Any, mask: Any) -> Any:
    return masked_matmul(g, _conj(k), mask=mask)


def _masked_scores_k(g: Any, q: Any, mask: Any) -> Any:
    return masked_matmul(g.mT, _conj(q), mask=_turned(mask))


@multilinear(
    q=_masked_scores_q,
    k=_masked_scores_k,
    format="new",
    shown="attention",
    samples=_samples_of_scores,
)
def masked_scores(q: Any, k: Any, /, *, mask: Any) -> Any:
    """Products of queries and keys, q kᵀ; zero where the mask is false."""
    with np.errstate(invalid="ignore"):
        return _scores(q, k.mT, None if mask is None else ~mask, 0)


def _masked_matmul_v(g: Any, p: Any, mask: Any) -> Any:
    return masked_matmul(_conj(p).mT, g, mask=_turned(mask))


@multilinear(
    p=lambda g, v, mask: masked_scores(g, _conj(v), mask=mask),
    v=_masked_matmul_v,
    format="new",
    shown="attention",
    samples=_samples_of_product,
)
def masked_matmul(p: Any, v: Any, /, *, mask: Any) -> Any:
    """Sums Σⱼ pᵢⱼ vⱼ over what the mask allows."""
    if mask is not None:
        p = np.where(mask, p, 0)
    return _product(p, v, mask)


def _scores(q: Any, keys: Any, hidden: Any, value: float = -np.inf) -> Any:
    """Products of queries and transposed keys, and a value where they are hidden."""
    s = np.matmul(q, keys)
    if hidden is not None:
        np.copyto(s, value, where=hidden)
    return s


def _product(p: Any, v: Any, mask: Any, out: Any = None) -> Any:
    """Return p v for p that is zero where the mask is false: there v does not count, even NaN."""
    strange = None if mask is None else ~np.isfinite(v).all(axis=-1)
    if strange is None or not strange.any():
        return np.matmul(p, v, out=out)
    y = np.matmul(p, np.where(strange[..., None], 0, v), out=out)
    reached = strange[..., None, :] & mask
    for j in np.flatnonzero(reached.any(axis=tuple(range(reached.ndim - 1)))):
        with np.errstate(invalid="ignore"):
            terms = p[..., j : j + 1] * v[..., j : j + 1, :]
        y += np.where(reached[..., j : j + 1], terms, 0)
    return y


def probabilities(
    q: Any, k: Any, scale: float, mask: Any, bias: Any = None, softcap: float = 0.0
) -> Any:
    """Return what every query gives to every key, in operations; zero where the mask is false."""
    scores = masked_scores(q * scale, k, mask=mask)
    if softcap:
        scores = tanh(scores / softcap) * softcap
    if bias is not None:
        scores = scores + bias
    if mask is not None:
        scores = where(mask, scores, -np.inf)
    return softmax_along(scores, axis=-1)


# -- the fused operation -------------------------------------------------------------------------


def _vjp(g: Any, q: Any, k: Any, v: Any, out: Any, scale: float, mask: Any) -> tuple[Any, Any, Any]:
    if not is_traced([*g, q, k, v]):
        return _raw_vjp(g, q, k, v, out, scale, mask)
    p = probabilities(q, k, scale, mask)
    ds, dv = 0 * p, 0 * v
    if g[0] is not None:
        dp = masked_scores(g[0], v, mask=mask)
        ds = p * (dp - sum(dp * p, axis=-1, keepdims=True))
        dv = masked_matmul(p.mT, g[0], mask=_turned(mask))
    if g[1] is not None:
        ds = ds + p * g[1]
    dq = masked_matmul(ds, k, mask=mask) * scale
    return dq, masked_matmul(ds.mT, q * scale, mask=_turned(mask)), dv


def _groups(q: Any, k: Any) -> tuple[list[Group], list[slice]]:
    """Slices of batch and heads, and slices of the queries of each, with few enough scores."""
    batch, heads, queries, _ = q.shape
    rows = max(_BLOCK // max(k.shape[2] * q.dtype.itemsize, 1), 1)
    steps = [slice(i, i + rows) for i in range(0, queries, rows)]
    several = max(rows // max(queries, 1), 1)  # heads at a time
    h = min(several, max(heads, 1))
    b = max(several // max(heads, 1), 1)
    return [
        (slice(i, i + b), slice(j, j + h)) for i in range(0, batch, b) for j in range(0, heads, h)
    ], steps


def _for_each(work: Any, groups: list[Group], scores: int) -> None:
    """Call ``work(group)`` for each group, on all cores if there is enough to do."""

    def several(block: slice) -> None:
        for group in groups[block]:
            work(group)

    if scores < _LEAST:
        several(slice(None))
        return
    with threads.one_blas_thread():
        threads.in_blocks(several, len(groups))


def _hidden(mask: Any, at: tuple[slice, ...], keys: int) -> tuple[Any, int]:
    """Where a part of the scores is not allowed, and how many keys there are up to the last."""
    if mask is None:
        return None, keys
    sizes = zip(mask.shape, at, strict=False)
    part = mask[tuple([slice(None) if size == 1 else rows for size, rows in sizes])]
    if mask.shape[3] == 1:
        return ~part, keys
    reached = np.flatnonzero(part.any(axis=(0, 1, 2)))
    stop = int(reached[-1]) + 1 if reached.size else 0
    return ~part[..., :stop], stop


def _all_finite(*arrays: Any) -> bool:
    return all(np.isfinite(a).all() for a in arrays)


def _heads_last(shape: tuple[int, ...], dtype: Any) -> Any:
    """Return an array whose heads lie side by side in memory, as they came from one matrix."""
    batch, heads, steps, size = shape
    return np.empty((batch, steps, heads, size), dtype).transpose(0, 2, 1, 3)


def _raw_vjp(
    g: Any, q: Any, k: Any, v: Any, out: Any, scale: float, mask: Any
) -> tuple[Any, Any, Any]:
    y, logs = out
    above = np.zeros_like(y) if g[0] is None else g[0]
    dtype = np.result_type(above, q, k, v)
    dq, dk, dv = (_heads_last(a.shape, dtype) for a in (q, k, v))
    groups, steps = _groups(q, k)
    at_once = len(steps) == 1 and mask is None
    if not at_once:
        dk[...] = dv[...] = 0
    careful = mask is not None and not _all_finite(above, q, k, v, logs)

    def work(group: Group) -> None:
        for step in steps:
            at = (*group, step)
            hidden, stop = _hidden(mask, at, k.shape[2])
            before = (*group, slice(stop))
            allowed = ~hidden if careful else None
            scaled, above_here = q[at] * scale, above[at]
            p = _scores(scaled, k[before].mT, hidden)
            p -= logs[at]
            np.exp(p, out=p)
            along = np.einsum("bhij,bhij->bhi", above_here, y[at])[..., None]
            if g[1] is not None:
                along -= g[1][at]
            ds = np.matmul(above_here, v[before].mT)
            ds -= along
            ds *= p
            if careful:
                np.copyto(p, 0, where=hidden)
                np.copyto(ds, 0, where=hidden)
            _product(ds, k[before], allowed, out=dq[at])
            dq[at] *= scale
            for total, part, times in ((dk, ds, scaled), (dv, p, above_here)):
                if at_once:
                    np.matmul(part.mT, times, out=total[group])
                else:
                    total[before] += _product(part.mT, times, _turned(allowed))

    with np.errstate(invalid="ignore"):
        _for_each(work, groups, q[..., 0].size * k.shape[2])
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
        case(m.real(1, 1, 0, 2), m.real(1, 1, 2, 2), m.real(1, 1, 2, 2), scale=1.0),
    ]


@general(vjp=_vjp, outputs=2, format="new", samples=_samples, shown="attention")
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

    Returns
    -------
    y : array
        Batch, heads, queries, channels of v.
    logs : array
        Logarithms of the sums of exponentials of the scores; batch, heads, queries, one. Zero for a
        query that may attend to nothing.
    """
    dtype = np.result_type(q, k, v)
    if dtype.kind not in "fc":
        dtype = np.dtype(np.float64)
    y = _heads_last((*q.shape[:3], v.shape[3]), dtype)
    logs = np.empty((*q.shape[:3], 1), dtype)
    groups, steps = _groups(q, k)

    careful = mask is not None and not _all_finite(v)

    def work(group: Group) -> None:
        for step in steps:
            at = (*group, step)
            hidden, stop = _hidden(mask, at, k.shape[2])
            before = (*group, slice(stop))
            p = _scores(q[at] * scale, k[before].mT, hidden)
            highest = np.maximum.reduce(p, axis=-1, keepdims=True, initial=-np.inf)
            highest[np.isneginf(highest)] = 0
            p -= highest
            np.exp(p, out=p)
            total = np.add.reduce(p, axis=-1, keepdims=True)
            total[total == 0] = 1
            np.add(highest, np.log(total), out=logs[at])
            _product(p, v[before], ~hidden if careful else None, out=y[at])
            y[at] /= total

    with np.errstate(invalid="ignore"):
        _for_each(work, groups, q[..., 0].size * k.shape[2])
    return y, logs
