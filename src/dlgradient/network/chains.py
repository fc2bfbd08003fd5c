"""Layers that inference computes together: a batch normalisation, and the activation after it.

With compiled kernels they are one pass over memory, which takes most of their time (row predict).
If the layer before is a convolution whose result no other layer gets, the pass is in place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from math import inf
from typing import Any, NamedTuple

from dlgradient.core.types import Value
from dlgradient.engine.array import dlarray
from dlgradient.layers.activation import ClippedRelu, Relu
from dlgradient.layers.convolution import (
    Convolution1d,
    Convolution2d,
    Convolution3d,
    GroupedConvolution1d,
    GroupedConvolution2d,
)
from dlgradient.layers.normalization import BatchNormalization
from dlgradient.nn.normalization.compiled import normalized

__all__ = ["Chain", "chains_of"]

_FRESH = (
    *(Convolution1d, Convolution2d, Convolution3d),
    *(GroupedConvolution1d, GroupedConvolution2d),
)


class Chain(NamedTuple):
    """A batch normalisation, and what is computed with it.

    Attributes
    ----------
    interval : tuple of float
        To which the activation limits.
    target : int
        The number of the result.
    steps : int
        How many layers there are.
    reuse : bool
        Whether the memory of the operand may be that of the result.
    """

    interval: tuple[float, float]
    target: int
    steps: int
    reuse: bool

    def compute(self, layer: Any, x: Value) -> Value | None:
        """Return the result of a normalisation; None if it must be computed layer by layer."""
        if type(x) is not dlarray:
            return None
        statistics = layer.offset, layer.scale, layer.trained_mean, layer.trained_variance
        return normalized(x, statistics, layer.epsilon, self.interval, reuse=self.reuse)


def chains_of(steps: Sequence[Any], wanted: Collection[int]) -> dict[int, Chain]:
    """Return the chains of a plan by the number of their first step.

    Parameters
    ----------
    steps : sequence of Step
    wanted : collection of int
        Numbers of values that are results of the network.
    """
    uses = Counter([i for step in steps for i in step.sources])
    uses.update(wanted)
    makers = {i: type(step.layer) for step in steps for i in step.targets}
    found = {}
    for number, step in enumerate(steps):
        if type(step.layer) is not BatchNormalization:
            continue
        (source,), (target,) = step.sources, step.targets
        reuse = uses[source] == 1 and makers.get(source) in _FRESH
        chain = Chain((-inf, inf), target, 1, reuse)
        following = steps[number + 1] if number + 1 < len(steps) else step
        interval = _interval(following.layer)
        if interval and following.sources == (target,) and uses[target] == 1:
            chain = Chain(interval, following.targets[0], 2, reuse)
        found[number] = chain
    return found


def _interval(layer: object) -> tuple[float, float] | None:
    if type(layer) is Relu:
        return 0.0, inf
    return (0.0, layer.ceiling) if type(layer) is ClippedRelu else None
