"""Batch normalisation in inference and the activation after it, in one pass over memory."""

from __future__ import annotations

from math import inf, prod
from typing import Any

import numpy as np

from dlgradient.core.calls import labelled, open_node, wrap
from dlgradient.core.sizes import NATIVE_AFFINE_ELEMENTS, NATIVE_RUN_ELEMENTS
from dlgradient.core.types import Operand, Value
from dlgradient.native.switch import uses_native

__all__ = ["normalized"]


def normalized(
    x: Value,
    statistics: tuple[Operand, Operand, Operand, Operand],
    epsilon: float,
    interval: tuple[float, float] = (-inf, inf),
    *,
    reuse: bool = False,
) -> Value | None:
    """Return a normalised array, limited to an interval; None if that is not compiled.

    Parameters
    ----------
    x : dlarray
        With a format.
    statistics : tuple of array
        Offset, scale, mean and variance, one value for each channel.
    epsilon : float
    interval : tuple of float
    reuse : bool
        Whether the memory of x may be that of the result.
    """
    value, dtype = x._value, x.dtype
    if not (
        x._format is not None
        and x._format.count("C") == 1
        and uses_native(dtype, pays=x.size >= NATIVE_AFFINE_ELEMENTS)
        and type(value) is np.ndarray
        and value.size
        and value.flags.c_contiguous
        and open_node(x) is None
    ):
        return None
    channel = x._format.index("C")
    length = prod(x.shape[channel + 1 :])
    if length < NATIVE_RUN_ELEMENTS:
        return None
    vectors = [_vector(p, x.shape[channel], dtype) for p in statistics]
    if any(v is None for v in vectors):
        return None
    offset, scale, mean, variance = vectors
    rate = scale / np.sqrt(variance + epsilon)
    from dlgradient.native.affine import affine

    shape = prod(x.shape[:channel]), x.shape[channel], length
    out = value if reuse and value.flags.writeable else np.empty_like(value)
    affine(value.reshape(shape), rate, offset - mean * rate, interval, out.reshape(shape))
    return labelled(wrap(out, None), x._format)


def _vector(p: Operand, channels: int, dtype: Any) -> Any:
    """Return a parameter as a raw vector; None if it is traced, or of another size or dtype."""
    if not hasattr(p, "dtype") or p.dtype != dtype or p.shape != (channels,):
        return None
    if isinstance(p, np.ndarray):
        return p
    return p._value if open_node(p) is None else None
