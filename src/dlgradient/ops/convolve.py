"""Convolution and correlation of two vectors, as functions of signals have them.

The whole convolution is one bilinear operation. Parts of it, and correlations, are composed where
NumPy's functions are answered. For images and channels there is `dlconv`.
"""

from __future__ import annotations

import numpy as np

from dlgradient.core.samples import case
from dlgradient.core.types import Value
from dlgradient.ops.complex import conj
from dlgradient.ops.permute import flip
from dlgradient.rules import multilinear

__all__: list[str] = []


def _correlated(g: Value, other: Value, n: int) -> Value:
    m = other.shape[0]
    return full_convolution(g, conj(flip(other)))[m - 1 : m - 1 + n]


def _full_x(g: Value, x_like: Value, y: Value) -> Value:
    return _correlated(g, y, x_like.shape[0])


def _full_y(g: Value, x: Value, y_like: Value) -> Value:
    return _correlated(g, x, y_like.shape[0])


@multilinear(
    x=_full_x,
    y=_full_y,
    format="new",
    shown="convolve",
    reference=np.convolve,
    samples=lambda m: [
        case(m.real(4), m.real(2)),
        case(m.real(2), m.complex(3)),
        case(m.real(1), m.real(1)),
    ],
)
def full_convolution(x: Value, y: Value, /) -> Value:
    """Convolution of two vectors, zₖ = Σᵢ xᵢ yₖ₋ᵢ, of n + m - 1 elements.

    Parameters
    ----------
    x, y : array
    """
    return np.convolve(x, y)
