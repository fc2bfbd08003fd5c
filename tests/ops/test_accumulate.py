"""`index_add` against NumPy's sums at equal indices."""

from typing import Any

import numpy as np
import pytest

import dlgradient as dl


@pytest.mark.parametrize(
    ("key", "values", "shape"),
    [
        (np.array([0, 2, 0]), np.ones(3), (4,)),
        (slice(1, 3), np.ones(3), (4, 3)),
        (1, 2.0, (3,)),
        (np.array([True, False, True]), np.ones(2), (3,)),
        ((np.array([[0, 0], [1, 0]]), 1), np.ones((2, 2)), (2, 3)),
        (slice(0, 0), np.ones(0), (2,)),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.complex128, np.int64])
def test_index_add_agrees_with_numpy(key: Any, values: Any, shape: Any, dtype: Any) -> None:
    expected = np.ones(shape, dtype)
    np.add.at(expected, key, np.asarray(values, dtype))
    x = dl.dlarray(np.ones(shape, dtype))
    result = dl.index_add(x, key, np.asarray(values, dtype))
    np.testing.assert_array_equal(dl.extractdata(result), expected)
    assert result.dtype == dtype


def test_wrong_calls_of_index_add() -> None:
    with pytest.raises(dl.ShapeMismatchError, match=r"shape \(3,\) do not broadcast.*shape \(2,\)"):
        dl.index_add(dl.zeros(4), [0, 1], np.ones(3))
    with pytest.raises(dl.IndexingError, match="index_add: x of shape"):
        dl.index_add(dl.zeros(4), 5, 1.0)
