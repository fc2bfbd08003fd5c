"""What the array-API standard asks of a namespace beside its functions."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["__array_namespace_info__"]


def __array_namespace_info__() -> Any:  # noqa: N807 - the name of the standard
    """Answer the standard's questions about a namespace: devices, dtypes, capabilities.

    Returns
    -------
    info
        With the methods ``capabilities``, ``default_device``, ``default_dtypes``, ``devices`` and
        ``dtypes``: those of NumPy, on whose arrays everything here is computed.

    Examples
    --------
    >>> import dlgradient as dl
    >>> info = dl.__array_namespace_info__()
    >>> info.default_device(), info.default_dtypes()["real floating"]
    ('cpu', dtype('float64'))

    Source: array-API ``__array_namespace_info__``.
    """
    return np.__array_namespace_info__()
