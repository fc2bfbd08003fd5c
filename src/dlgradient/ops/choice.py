"""Choice between elements: ``where``, maximum, minimum, clip.

What is not chosen gets no gradient, which is more than a zero: it stays zero even where the
derivative of the value not chosen is infinite or NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient import calls
from dlgradient.ops.logical import equal, greater, less
from dlgradient.ops.samples import case
from dlgradient.rules import derived, elementwise

__all__ = ["clip", "maximum", "minimum", "where"]


@elementwise(
    x=lambda t, condition: where(condition, t, 0),
    y=lambda t, condition: where(condition, 0, t),
    masks=True,
    samples=lambda m: [
        case(m.bools(3), m.real(3), m.real(3)),
        case(m.bools(2, 1), m.real(3), m.real()),
        case(m.bools(), m.real(2), 0.0),
        case(m.bools(3), m.complex(3), m.real(3)),
        case(m.bools(0), m.real(0), 1.0),
    ],
    numpy=np.where,
)
def where(condition: Any, x: Any, y: Any, /) -> Any:
    """Elements of ``x`` where ``condition`` is true, elsewhere of ``y``."""
    return np.where(condition, x, y)[()]


def _chosen(t: Any, better: Any, tie: Any, other_like: Any) -> Any:
    """`t` where an operand is the better one; half of it at ties, nothing against a constant."""
    if type(other_like) is calls.Node:
        return where(better, t, where(tie, t * 0.5, 0))
    return where(better, t, 0)


@elementwise(
    x=lambda t, x, y, y_like: _chosen(t, greater(x, y), equal(x, y), y_like),
    y=lambda t, x, y, x_like: _chosen(t, greater(y, x), equal(x, y), x_like),
    kernel=np.maximum,
    masks=True,
    samples=lambda m: [case(m.real(3), m.real(3))],
    numpy=np.maximum,
)
def maximum(x: Any, y: Any, /) -> Any:
    """Larger of two elements."""


@elementwise(
    x=lambda t, x, y, y_like: _chosen(t, less(x, y), equal(x, y), y_like),
    y=lambda t, x, y, x_like: _chosen(t, less(y, x), equal(x, y), x_like),
    kernel=np.minimum,
    masks=True,
    samples=lambda m: [case(m.real(3), m.real(3))],
    numpy=np.minimum,
)
def minimum(x: Any, y: Any, /) -> Any:
    """Smaller of two elements."""


@derived(samples=lambda m: [case(m.real(5), min=-0.9, max=0.8)], numpy=np.clip)
def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:  # noqa: A002 - array-API names
    """Elements limited to the interval from ``min`` to ``max``."""
    if min is not None:
        x = maximum(x, min)
    if max is not None:
        x = minimum(x, max)
    return calls.FUNCTIONS["positive"](x) if min is None and max is None else x
