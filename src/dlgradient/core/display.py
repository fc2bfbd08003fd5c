"""How a dlarray is displayed: a header with labelled sizes and dtype, then the values.

The header is as in MATLAB: ``3(C) × 5(B) dlarray``. It names a dtype other than float64, and says
if the array is traced.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["header", "represent"]


def header(value: Any, fmt: str | None, traced: bool) -> str:
    """Return the first line, for instance ``2(C) × 5(B) float32 dlarray (traced)``."""
    shape = value.shape
    if fmt:
        sizes = " × ".join(f"{n}({c})" for n, c in zip(shape, fmt, strict=True))
    else:
        # As in MATLAB, every array is shown with two dimensions or more.
        sizes = "×".join(str(n) for n in (1,) * (2 - len(shape)) + shape)
    kind = "" if value.dtype == np.float64 else f" {value.dtype}"
    return f"{sizes}{kind} dlarray{' (traced)' if traced else ''}"


def represent(value: Any, first: str) -> str:
    """Return the header and the values, as NumPy prints them."""
    return f"{first}\n{np.array2string(np.asarray(value), separator=' ')}"
