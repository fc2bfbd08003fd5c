"""The mode "tolerance" of an accelerated function: replayed and eager results are compared."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from dlgradient.core import tree
from dlgradient.core.values import is_dlarray

__all__ = ["compare_results"]


def compare_results(found: Any, expected: Any, tolerance: float) -> None:
    """Warn of the first difference between two results."""
    leaves, others = tree.flatten(found)[0], tree.flatten(expected)[0]
    paths = tree.paths(expected, "result")
    if len(leaves) != len(others):
        _warn(f"{len(leaves)} values, and {len(others)} of the function")
        return
    for path, x, y in zip(paths, leaves, others, strict=True):
        a, b = (np.asarray(v._value if is_dlarray(v) else v) for v in (x, y))
        if a.dtype.kind not in "fc" or a.shape != b.shape:
            if not np.array_equal(a, b):
                _warn(path)
            continue
        scale = tolerance * float(np.max(np.abs(b), initial=0.0, where=np.isfinite(b)))
        if not np.allclose(a, b, rtol=0, atol=scale, equal_nan=True):
            _warn(f"{path}, by {float(np.max(np.abs(a - b))):.3g}")


def _warn(where: str) -> None:
    text = "Accelerated outputs differ from underlying function outputs"
    warnings.warn(f"dlaccelerate: {text}: {where}", RuntimeWarning, stacklevel=5)
