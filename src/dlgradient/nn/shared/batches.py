"""What depends on a whole batch, also where several processes share it.

Without a share, which training opens, all are what they are for one process.
"""

from __future__ import annotations

import numpy as np

from dlgradient.core.reading import draw
from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.shares import Share, current_share
from dlgradient.core.types import Array, Axes, Axis, RawValue, Shape, Value
from dlgradient.nn.shared.arguments import format_of
from dlgradient.ops.reduce import sum as sum_
from dlgradient.rules import linear

# The operation is not public: layers that need the whole batch use it.
__all__: list[str] = []


def uniform(
    rng: np.random.Generator,
    shape: Shape,
    axis: Axis | None,
    dtype: type = np.float64,
    *,
    given: object = None,
) -> RawValue | Value:
    """Return random numbers from 0 to 1, as a value if a recorded call follows them.

    Those of an observation do not depend on how processes share the batch: each draws all.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
    axis : int or None
        Dimension of the observations, if there is one.
    dtype : type
    given : object
        What the user gave: numbers of a seed are the same in each call, and no program draws them.
    """
    share = current_share()
    if share is None or axis is None or shape[axis] != share.count:
        return draw(rng, shape, dtype) if rng is given else rng.random(shape, dtype)
    if rng is share.own:
        rng = share.common
    all_of_batch = rng.random((*shape[:axis], share.whole, *shape[axis + 1 :]), dtype)
    own = slice(share.first, share.first + share.count)
    return all_of_batch[(slice(None),) * axis + (own,)]


def _whole_kernel(x: Array) -> Array:
    share = current_share()
    # A value without dimensions is a scalar, as NumPy's reductions return it.
    return np.array(x)[()] if share is None else share.total(x)[()]


def _whole_adjoint(g: Value) -> Value:
    return whole_batch(g)


@linear(x=_whole_adjoint, kernel=_whole_kernel, format="new", samples=lambda m: _whole_samples(m))
def whole_batch(x: Value, /) -> Value:
    """Sum over the processes that share a batch; x itself if there is one process.

    All processes must compute it, in the same order.
    """


def _whole_samples(m: Maker) -> list[Case]:
    return [case(m.real(2, 3)), case(m.complex(3)), case(m.real())]


def elements_of_channels(x: Value) -> float:
    """Return how many elements of each channel a batch has, over all processes that share it."""
    channels = x.shape[format_of(x).index("C")]
    count = x.size / channels if channels else 0.0
    share = current_share()
    return count if share is None else float(share.total(np.array(count * share.counts)))


def moments_of_batch(x: Value, axes: Axes, share: Share) -> tuple[Value, Value]:
    """Return mean and variance of a batch along some dimensions, which are kept."""
    size = np.prod([x.shape[axis] for axis in axes], dtype=float) * share.counts
    factor = float(share.counts / share.total(np.array(size)))
    mu = whole_batch(sum_(x, axis=axes, keepdims=True) * factor)
    deviation = x - mu
    return mu, whole_batch(sum_(deviation * deviation, axis=axes, keepdims=True) * factor)
