"""Powers of two as units: in them, squares of large and small values stay in the range.

A quotient by a power of two is not rounded.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from dlgradient.core.types import Array, Dtype

__all__ = ["least_square", "power_of_two"]


def power_of_two(largest: Array) -> Array:
    """Return powers of two that are as large as real values; one for what is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> power_of_two(np.array([3.0, 4.0, np.inf])).tolist()
    [4.0, 8.0, 1.0]
    """
    kind = np.finfo(largest.dtype)
    powers = np.where(np.isfinite(largest), np.frexp(largest)[1], 0)
    unit: Array = np.ldexp(kind.dtype.type(1), np.clip(powers, kind.minexp, kind.maxexp - 1))
    return unit


@cache  # a look into numpy.finfo takes as long as a small normalisation does for a pass
def least_square(dtype: Dtype) -> float:
    """Return the least square that has all digits, with a margin; its reciprocal is the largest."""
    kind = np.finfo(dtype)
    return float(kind.tiny / kind.eps)
