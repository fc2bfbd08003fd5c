"""Attention of heads that are already laid out, as one operation.

Scores are computed for a few heads at a time, or for some queries of one head, so that they stay in
the cache. Groups of heads run on all cores. The scores are not saved, only the logarithms of their
sums of exponentials, and the backward pass computes scores again. So memory grows with the length
of the sequences, not with its square. The rule is written in operations; raw walks use the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.sizes import ATTENTION_SCORE_BYTES, ATTENTION_SCORES
from dlgradient.core.types import Array, Dtype, Shape, Value
from dlgradient.nn.attention.masked_products import (
    hidden_scores,
    masked_matmul,
    masked_scores,
    probabilities,
    reached_product,
    turned,
)
from dlgradient.nn.shared.blocks import for_each, items_within
from dlgradient.ops.reduce import sum
from dlgradient.rules import general

__all__: list[str] = []

Group = tuple[slice, slice]


# -- the rule, in operations ---------------------------------------------------------------------


def _vjp(
    g: Sequence[Value | None], q: Value, k: Value, v: Value, scale: float, mask: Array | None
) -> tuple[Value, Value, Value]:
    of_y, of_logs = g
    p = probabilities(q, k, scale, mask)
    ds, dv = 0 * p, 0 * v
    if of_y is not None:
        dp = masked_scores(of_y, v, mask=mask)
        ds = p * (dp - sum(dp * p, axis=-1, keepdims=True))
        dv = masked_matmul(p.mT, of_y, mask=turned(mask))
    # The derivative of a logarithm of sums is the probabilities.
    if of_logs is not None:
        ds = ds + p * of_logs
    dq = masked_matmul(ds, k, mask=mask) * scale
    return dq, masked_matmul(ds.mT, q * scale, mask=turned(mask)), dv


# -- kernels -------------------------------------------------------------------------------------


def _groups(q: Value, k: Value) -> tuple[list[Group], list[slice]]:
    """Return slices of batch and heads, and of the queries of each, with few enough scores."""
    batch, heads, queries, _ = q.shape
    rows = items_within(ATTENTION_SCORE_BYTES, k.shape[2] * q.dtype.itemsize)
    steps = [slice(i, i + rows) for i in range(0, queries, rows)]
    # Short sequences: several heads in one call.
    several = max(rows // max(queries, 1), 1)  # heads at a time
    h = min(several, max(heads, 1))
    b = max(several // max(heads, 1), 1)
    return [
        (slice(i, i + b), slice(j, j + h)) for i in range(0, batch, b) for j in range(0, heads, h)
    ], steps


def _needs_threads(q: Value, k: Value) -> bool:
    """Tell whether there are enough scores for more than one thread."""
    return bool(q[..., 0].size * k.shape[2] >= ATTENTION_SCORES)


def _hidden(mask: Array | None, at: tuple[slice, ...], keys: int) -> tuple[Array | None, int]:
    """Return where a part of the scores is not allowed, and how many keys it needs at most."""
    if mask is None:
        return None, keys
    sizes = zip(mask.shape, at, strict=False)
    part = mask[tuple([slice(None) if size == 1 else rows for size, rows in sizes])]
    # One column says the same of all keys, so none can be left out.
    if mask.shape[3] == 1:
        return ~part, keys
    # Keys after the last allowed one need no products: with a causal mask that is almost half of
    # them.
    reached = np.flatnonzero(part.any(axis=(0, 1, 2)))
    stop = int(reached[-1]) + 1 if reached.size else 0
    return ~part[..., :stop], stop


def _all_finite(*arrays: Value) -> bool:
    return all(np.isfinite(a).all() for a in arrays)


def _heads_last(shape: Shape, dtype: Dtype) -> Array:
    """Return an array whose heads are adjacent in memory, as they came from one matrix."""
    batch, heads, steps, size = shape
    # So the result needs no copy when its heads are joined.
    return np.empty((batch, steps, heads, size), dtype).transpose(0, 2, 1, 3)


def _fast_vjp(
    g: Sequence[Array | None],
    q: Array,
    k: Array,
    v: Array,
    out: Sequence[Array],
    scale: float,
    mask: Array | None,
) -> tuple[Array, Array, Array]:
    (y, logs), (of_y, of_logs) = out, g
    above = np.zeros_like(y) if of_y is None else of_y
    dtype = np.result_type(above, q, k, v)
    dq, dk, dv = (_heads_last(a.shape, dtype) for a in (q, k, v))
    groups, steps = _groups(q, k)
    # One chunk of queries for each head: what it gives keys and values is written, not added.
    at_once = len(steps) == 1 and mask is None
    if not at_once:
        dk[...] = dv[...] = 0
    # A probability of zero times NaN or infinity is NaN, so hidden elements must not be multiplied.
    strange = mask is not None and not _all_finite(above, q, k, v, logs)

    def work(group: Group) -> None:
        for step in steps:
            at = (*group, step)
            hidden, stop = _hidden(mask, at, k.shape[2])
            before = (*group, slice(stop))
            allowed = ~hidden if strange and hidden is not None else None
            scaled, above_here = q[at] * scale, above[at]
            # Probabilities are computed again from the logarithms. To save them for all queries
            # would take as much memory as all scores.
            p = hidden_scores(scaled, k[before].mT, hidden)
            p -= logs[at]
            np.exp(p, out=p)
            # Σⱼ dpⱼ pⱼ = g · y: a sum over channels, which are usually fewer than keys.
            along = np.einsum("bhij,bhij->bhi", above_here, y[at])[..., None]
            if of_logs is not None:
                along -= of_logs[at]
            ds = np.matmul(above_here, v[before].mT)
            ds -= along
            ds *= p
            # Of a logarithm that is not finite, -inf minus it may be NaN.
            if allowed is not None and hidden is not None:
                np.copyto(p, 0, where=hidden)
                np.copyto(ds, 0, where=hidden)
            reached_product(ds, k[before], allowed, out=dq[at])
            dq[at] *= scale
            for total, part, times in ((dk, ds, scaled), (dv, p, above_here)):
                if at_once:
                    np.matmul(part.mT, times, out=total[group])
                else:
                    total[before] += reached_product(part.mT, times, turned(allowed))

    with np.errstate(invalid="ignore"):
        for_each(work, groups, split=_needs_threads(q, k))
    return dq, dk, dv


# -- the operation -------------------------------------------------------------------------------


@general(
    vjp=_vjp,
    fast_vjp=_fast_vjp,
    domain="real",
    outputs=2,
    format="new",
    samples=lambda m: _attend_samples(m),
    shown="attention",
)
def attend(
    q: Value, k: Value, v: Value, /, *, scale: float, mask: Array | None = None
) -> tuple[Value, Value]:
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
    strange = mask is not None and not _all_finite(v)

    def work(group: Group) -> None:
        for step in steps:
            at = (*group, step)
            hidden, stop = _hidden(mask, at, k.shape[2])
            before = (*group, slice(stop))
            p = hidden_scores(q[at] * scale, k[before].mT, hidden)
            highest = np.maximum.reduce(p, axis=-1, keepdims=True, initial=-np.inf)
            # A query that may attend to nothing; -inf minus -inf would be NaN.
            highest[np.isneginf(highest)] = 0
            p -= highest
            np.exp(p, out=p)
            total = np.add.reduce(p, axis=-1, keepdims=True)
            # Such a query gets the result zero, and the logarithm zero.
            total[total == 0] = 1
            np.add(highest, np.log(total), out=logs[at])
            allowed = ~hidden if strange and hidden is not None else None
            reached_product(p, v[before], allowed, out=y[at])
            # After the product: the result is usually smaller than the scores.
            y[at] /= total

    with np.errstate(invalid="ignore"):
        for_each(work, groups, split=_needs_threads(q, k))
    return y, logs


def _attend_samples(m: Maker) -> list[Case]:
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
