"""Products of queries, keys and values under a mask.

What a mask excludes is not multiplied by zero, but left out. So NaN or infinity in padding reaches
neither results nor gradients. The two products with a mask, `masked_scores` and `masked_matmul`,
are each other's adjoints.
"""

from __future__ import annotations

import numpy as np

from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Array, Value
from dlgradient.nn.activations.softmax import softmax_along
from dlgradient.ops.choice import where
from dlgradient.ops.complex import conjugated
from dlgradient.ops.trigonometry import tanh
from dlgradient.rules import multilinear

__all__ = ["hidden_scores", "probabilities", "reached_product", "turned"]


def turned(mask: Array | None) -> Array | None:
    """Return the mask of the product with its last two dimensions exchanged."""
    return None if mask is None else mask.mT


def _masked_scores_q(g: Value, k: Value, mask: Array | None) -> Value:
    return masked_matmul(g, conjugated(k), mask=mask)


def _masked_scores_k(g: Value, q: Value, mask: Array | None) -> Value:
    return masked_matmul(g.mT, conjugated(q), mask=turned(mask))


@multilinear(
    q=_masked_scores_q,
    k=_masked_scores_k,
    format="new",
    shown="attention",
    samples=lambda m: _masked_scores_samples(m),
)
def masked_scores(q: Value, k: Value, /, *, mask: Array | None) -> Value:
    """Products of queries and keys, q kᵀ; zero where the mask is false."""
    # Hidden products may be zero times infinity; they are overwritten.
    with np.errstate(invalid="ignore"):
        return hidden_scores(q, k.mT, None if mask is None else ~mask, 0)


def _masked_scores_samples(m: Maker) -> list[Case]:
    mask = np.array([[True, False, True, True], [False, False, False, False], [True] * 4])
    return [
        case(m.real(3, 2), m.real(4, 2), mask=None),
        case(m.real(2, 3, 2), m.real(2, 4, 2), mask=mask),
        case(m.real(2, 1, 3, 2), m.complex(2, 1, 4, 2), mask=mask[None, None]),
        case(m.real(0, 3, 2), m.real(0, 4, 2), mask=mask),
    ]


def _masked_matmul_p(g: Value, v: Value, mask: Array | None) -> Value:
    return masked_scores(g, conjugated(v), mask=mask)


def _masked_matmul_v(g: Value, p: Value, mask: Array | None) -> Value:
    return masked_matmul(conjugated(p).mT, g, mask=turned(mask))


@multilinear(
    p=_masked_matmul_p,
    v=_masked_matmul_v,
    format="new",
    shown="attention",
    samples=lambda m: _masked_matmul_samples(m),
)
def masked_matmul(p: Value, v: Value, /, *, mask: Array | None) -> Value:
    """Sums Σⱼ pᵢⱼ vⱼ over what the mask allows."""
    if mask is not None:
        p = np.where(mask, p, 0)
    return reached_product(p, v, mask)


def _masked_matmul_samples(m: Maker) -> list[Case]:
    mask = np.array([[True, False, True, True], [False, False, False, False], [True] * 4])
    return [
        case(m.real(3, 4), m.real(4, 2), mask=None),
        case(m.real(2, 3, 4), m.real(2, 4, 2), mask=mask),
        case(m.complex(2, 1, 3, 4), m.real(2, 1, 4, 2), mask=mask[None, None]),
        case(m.real(0, 3, 4), m.real(0, 4, 2), mask=mask),
    ]


def probabilities(
    q: Value,
    k: Value,
    scale: float,
    mask: Array | None,
    bias: Value | None = None,
    softcap: float = 0.0,
) -> Value:
    """Return the sum of what every query gives to a key, in operations; zero where masked."""
    scores = masked_scores(q * scale, k, mask=mask)
    if softcap:
        scores = tanh(scores / softcap) * softcap
    if bias is not None:
        scores = scores + bias
    # After the bias, which may be NaN where the mask excludes a key.
    if mask is not None:
        scores = where(mask, scores, -np.inf)
    return softmax_along(scores, axis=-1)


# -- kernels -------------------------------------------------------------------------------------


def hidden_scores(q: Value, keys: Value, hidden: Array | None, value: float = -np.inf) -> Array:
    """Products of queries and transposed keys, with a fixed value where they are hidden."""
    s: Array = np.matmul(q, keys)
    if hidden is not None:
        np.copyto(s, value, where=hidden)
    return s


def reached_product(p: Value, v: Value, mask: Array | None, out: Array | None = None) -> Value:
    """Return p v for p that is zero where the mask is false: v does not count there, even NaN."""
    if mask is None:
        return np.matmul(p, v, out=out)
    strange: Value = ~np.isfinite(v).all(axis=-1)
    if not strange.any():
        return np.matmul(p, v, out=out)
    y = np.matmul(p, np.where(strange[..., None], 0, v), out=out)
    reached = strange[..., None, :] & mask
    # Values that are not finite and do count: one key at a time, as there are few.
    for j in np.flatnonzero(reached.any(axis=tuple(range(reached.ndim - 1)))):
        with np.errstate(invalid="ignore"):
            terms = p[..., j : j + 1] * v[..., j : j + 1, :]
        y += np.where(reached[..., j : j + 1], terms, 0)
    return y
