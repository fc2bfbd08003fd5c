"""How a dlarray is displayed.

`print` shows the sizes, with their labels, then the values: ``3(C) × 5(B) dlarray``, as in MATLAB.
It names a dtype other than float64. A scalar prints as its value, so that a line of text or a cell
of a table reads well. `repr` is an expression: ``dlarray([1., 2.], 'C')``. It says if the array is
traced.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

__all__ = ["expression", "formatted", "header", "html", "text"]

# Dtypes that the elements show; another one is named.
_SHOWN_BY_ELEMENTS = [np.dtype(t) for t in (np.float64, np.complex128, np.bool_)]


def header(value: Any, fmt: str | None) -> str:
    """Return the sizes and the dtype, for instance ``2(C) × 5(B) float32 dlarray``.

    Unlabelled arrays of no, one and two dimensions are ``scalar``, ``3`` and ``1×3``.
    """
    shape = value.shape
    if fmt:
        sizes = " × ".join(f"{n}({c})" for n, c in zip(shape, fmt, strict=True))
    else:
        sizes = "×".join(map(str, shape)) or "scalar"
    if not _has_sign_of_times():
        sizes = sizes.replace("×", "x")
    kind = "" if value.dtype == np.float64 else f" {value.dtype}"
    return f"{sizes}{kind} dlarray"


def _has_sign_of_times() -> bool:
    """Tell whether the terminal's encoding has ×."""
    try:
        "×".encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _values(value: Any) -> str:
    return str(value) if not value.shape else np.array2string(value)


def text(value: Any, fmt: str | None) -> str:
    """Return the header and the values; of a scalar, the value.

    Values that need one line only follow the header in its line, for cells of a table.
    """
    values = _values(value)
    if not value.shape:
        return values
    separator = "\n" if "\n" in values else " "
    return f"{header(value, fmt)}{separator}{values}"


def expression(value: Any, fmt: str | None, traced: bool) -> str:
    """Return a call that makes such an array; a dtype that it would not have follows."""
    array = np.asarray(value)
    shown = np.array2string(array, separator=", ", prefix="dlarray(")
    parts = [shown if array.size else f"{shown}, shape={array.shape}"]
    if "..." in shown:
        parts.append(f"shape={array.shape}")
    if fmt:
        parts.append(repr(fmt))
    if array.dtype not in _SHOWN_BY_ELEMENTS or not array.size:
        parts.append(f"dtype={array.dtype}")
    if traced:
        parts.append("traced")
    return f"dlarray({', '.join(parts)})"


def formatted(value: Any, spec: str) -> str:
    """Return the values with a format specification for each of them."""
    if not spec:
        return _values(value)
    if not value.shape:
        return format(value, spec)
    return np.array2string(value, formatter={"all": lambda element: format(element, spec)})


def html(value: Any, fmt: str | None) -> str:
    """Return the header and the values for a notebook."""
    from html import escape

    return f"<div><b>{escape(header(value, fmt))}</b><pre>{escape(_values(value))}</pre></div>"
