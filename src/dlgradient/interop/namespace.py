"""What the array-API standard requires of a namespace, in addition to functions."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["__array_namespace_info__"]


def __array_namespace_info__() -> Any:  # noqa: N807 - the name of the standard
    """Answer the standard's questions about a namespace: devices, dtypes, capabilities.

    Returns
    -------
    info
        An object with the methods ``capabilities``, ``default_device``, ``default_dtypes``,
        ``devices`` and ``dtypes``. They are NumPy's, since everything here is computed with NumPy's
        arrays.

    See Also
    --------
    isdtype : whether a dtype is of a kind
    result_type : dtype of a result of several operands

    Examples
    --------
    >>> info = dl.__array_namespace_info__()
    >>> info.default_device(), info.default_dtypes()["real floating"]
    ('cpu', dtype('float64'))

    Source: array-API ``__array_namespace_info__``.
    """
    return np.__array_namespace_info__()
