"""Losses of probabilities that sigmoid or softmax made: where these saturate, logits decide.

A probability that is rounded to 0 or 1 has lost its logit, and with it the derivatives. But its
node leads to the logits. The loss of the logits is exact, in its value and in every derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import open_node
from dlgradient.core.graph import Node
from dlgradient.core.reading import decided, read
from dlgradient.core.recompute import restore
from dlgradient.core.samples import Case, Maker, case
from dlgradient.core.types import Array, Axis, Dtype, RawValue, Value
from dlgradient.nn.activations.smooth import softplus
from dlgradient.nn.activations.softmax import log_softmax_along
from dlgradient.ops.choice import maximum, where
from dlgradient.ops.create import zeros_like
from dlgradient.ops.exponential import exp, log, log1p
from dlgradient.ops.reduce import sum as sum_
from dlgradient.rules import general

__all__ = [
    "SIGMOID",
    "Source",
    "any_of",
    "least_of",
    "log_complements",
    "log_probabilities",
    "nears_one",
    "underflows",
    "with_logits",
]


class Source(NamedTuple):
    """What makes probabilities of logits: softmax along a dimension, or sigmoid (None)."""

    axis: Axis | None


SIGMOID = Source(None)


def underflows(y: Array) -> Any:
    """Tell which probabilities have lost their logit, or would overflow 1 / y."""
    return y < least_of(y.dtype)


def least_of(dtype: Dtype) -> Any:
    """Return the least probability that has not lost its logit."""
    return np.sqrt(np.finfo(dtype).tiny)


def nears_one(y: Array) -> Any:
    """Tell for which probabilities 1 - y has lost the last bits of the logit."""
    return y > 1 - 2**-7


# -- logarithms ----------------------------------------------------------------------------------


def log_probabilities(z: Value, source: Source) -> Value:
    """Return the logarithms of the probabilities of logits."""
    return -softplus(-z) if source.axis is None else log_softmax_along(z, axis=source.axis)


def log_complements(z: Value, logs: Value, source: Source) -> Value:
    """Return log(1 - p), of logits and the logarithms of their probabilities p."""
    if source.axis is None:
        return -softplus(z)
    if not z.size:
        return logs
    # Only the largest probability of a line can be near 1: its rest is the sum of the others.
    values, axis = read(logs), source.axis
    top = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(top, values.argmax(axis=axis, keepdims=True), True, axis=axis)
    others = where(top, -np.inf, logs)
    # A constant, as large as the largest of the others, so that their sum does not underflow.
    level = read(others).max(axis=axis, keepdims=True)
    level = np.where(np.isfinite(level), level, 0)
    total = sum_(exp(others - level), axis=axis, keepdims=True)
    # Zero if there are no others.
    rest = log(maximum(total, float(np.finfo(values.dtype).tiny))) + level
    return where(top, rest, log1p(-exp(where(top, -1, logs))))


# -- the choice ----------------------------------------------------------------------------------


def _samples(m: Maker) -> list[Case]:
    return [case(m.real(3), m.real(3)), case(m.real(), m.real()), case(m.real(0, 2), m.real(0, 2))]


@general(
    vjp=lambda g: (None, g),
    jvp={"direct": lambda t: zeros_like(t), "exact": lambda t: t},
    domain="real",
    format="align",
    shown="crossentropy",
    samples=_samples,
    reference=lambda direct, exact: exact + 0 * direct,
)
def by_logits(
    direct: Value,  # noqa: ARG001 - only its derivative is used
    exact: Value,
    /,
    *,
    probabilities: Any = None,  # noqa: ARG001 - the walk reads it
) -> Value:
    """A loss of probabilities and the same of their logits: it is the second.

    Only for the derivative with respect to the probabilities, whose node is a parameter, the walks
    take the first (`dlgradient.engine.compositions`).
    """
    return np.array(exact)[()]


def with_logits(
    y: Value,
    saturated: Callable[..., Any],
    compute: Callable[[Value, Source | None], Value],
    axis: Axis | None = None,
    *others: Value,
    exclusive: bool = False,
) -> Value:
    """Return a loss, by the logits if the probabilities come from them and are saturated.

    Parameters
    ----------
    y : dlarray
        Probabilities, unlabelled.
    saturated : callable
        Tells from their values, and those of `others`, where those are saturated that count. It is
        a function of a module, as `decided` needs it.
    compute : callable
        Returns the loss of probabilities, or of logits and their source.
    axis : int, optional
        The dimension of the classes: a softmax along another one does not count.
    *others
        What `saturated` is given besides the probabilities.
    exclusive : bool
        Whether a sigmoid does not count.
    """
    node = open_node(y)
    source = None if node is None else _source(node)
    if source is SIGMOID:
        source = None if exclusive else source
    elif source is not None and axis not in (None, source.axis):
        source = None
    if node is None or source is None or not decided(any_of, saturated, y, *others):
        return compute(y, None)
    parent = node.parents[0]
    # The logits are often not saved: then they are computed again.
    logits = calls.wrap(restore((), (parent,))[parent], parent)
    return by_logits(compute(y, None), compute(logits, source), probabilities=node)


def any_of(condition: Callable[..., Any], *values: RawValue) -> bool:
    """Return whether a condition holds anywhere."""
    return bool(np.any(condition(*values)))


def _source(node: Node) -> Source | None:
    """Return which function made the probabilities; None for another."""
    name = None if node.op is None else node.op.name
    if name == "sigmoid":
        return SIGMOID
    return Source(node.params["axis"] % node.ndim) if name == "softmax_along" else None
