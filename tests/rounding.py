"""How far two results may differ that are equal but for rounding."""

from typing import Any

import numpy as np


def tolerance(dtype: Any, terms: int = 1, scale: float = 1.0) -> float:
    """Largest difference of two sums of `terms` products that `dtype` explains.

    `scale` is the size of the sum or, where its terms cancel, that of its partial sums. A sum takes
    2 * terms roundings of at most eps / 2 * scale. They are as good as independent, so a sum has
    the standard deviation eps / 2 * sqrt(2 * terms / 3) * scale and the difference of two sums
    sqrt(2) times that; six of these are allowed. (N. J. Higham, T. Mary, A new approach to
    probabilistic rounding error analysis, 2019.)
    """
    deviation = np.finfo(dtype).eps / 2 * np.sqrt(4 * terms / 3)
    return float(6 * deviation * scale)


def assert_close(found: Any, expected: Any, terms: int = 1, scale: float | None = None) -> None:
    """Two arrays of sums of `terms` products differ by rounding only.

    The precision is that of the less precise array, and `scale` is by default the size of the
    largest finite element that is expected.
    """
    a, b = np.asarray(found), np.asarray(expected)
    dtype = max((x.dtype for x in (a, b) if x.dtype.kind in "fc"), key=lambda d: np.finfo(d).eps)
    if scale is None:
        scale = float(np.max(np.abs(b), where=np.isfinite(b), initial=0))
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance(dtype, terms, scale))
