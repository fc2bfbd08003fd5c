"""The one place where a cotangent is brought to the space of its operand.

A rule may return a cotangent that is larger than its operand (broadcasting), of another precision
(mixed dtypes), or complex for a real operand. Here, and nowhere else, broadcast axes are summed and
the dtype becomes that of the operand. The real part is taken if only real gradients are wanted. Any
other mismatch raises: a reshape would hide a wrong rule.

It is written in public functions, so it works on raw arrays and on traced dlarrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.calls import FUNCTIONS
from dlgradient.errors import RuleError

__all__ = ["project"]


def project(g: Any, shape: tuple[int, ...], dtype: Any, *, real: bool, name: str = "") -> Any:
    """Return cotangent `g` with the given shape, and the precision of `dtype`.

    Parameters
    ----------
    g : raw value or dlarray
    shape, dtype
        Of the operand.
    real : bool
        Whether a real operand has a real cotangent. Otherwise it may be complex (the analytic
        extension of the operand).
    name : str
        The operation whose rule made `g`, for the error.
    """
    if g.shape != shape:
        g = _unbroadcast(g, shape, name)
    found = g.dtype
    if found == dtype:
        return g
    if found.kind == "c" and dtype.kind != "c":
        if real:
            g = FUNCTIONS["real"](g)
        if dtype.kind == "f":
            dtype = dtype if real else np.result_type(dtype, np.complex64)
    if dtype.kind in "fc" and g.dtype != dtype:
        if g.dtype.kind != "c" and dtype.kind == "c":
            # A real cotangent of a complex operand stays real until something makes it complex.
            dtype = np.empty(0, dtype).real.dtype
            if g.dtype == dtype:
                return g
        g = FUNCTIONS["astype"](g, dtype=dtype)
    return g


def _unbroadcast(g: Any, shape: tuple[int, ...], name: str) -> Any:
    found = g.shape
    extra = tuple(range(g.ndim - len(shape)))
    if extra:
        g = FUNCTIONS["sum"](g, axis=extra)
    sizes = zip(shape, g.shape, strict=False)  # too few dimensions are refused below
    axes = tuple([i for i, (n, m) in enumerate(sizes) if n == 1 and m != 1])
    if axes:
        g = FUNCTIONS["sum"](g, axis=axes, keepdims=True)
    if g.shape != shape:
        raise RuleError(f"the rule of {name} made a cotangent of shape {found} for {shape}")
    return g
