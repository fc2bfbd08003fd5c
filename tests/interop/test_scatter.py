"""Sums at equal indices, and masked arrays."""

from typing import Any

import numpy as np
import pytest

import dlgradient as dl

I = np.array([0, 2, 0, 1])  # noqa: E741 - an index
V = np.array([1.0, 2.0, 3.0, 4.0])
CALLS = {
    "index_add": lambda x, v: dl.index_add(x, I, v**2),
    "bincount": lambda x, v: x + np.bincount(I, weights=v**2, minlength=3),
}


def added_in_place(x: Any, v: Any) -> Any:
    y = x.copy()
    np.add.at(y, I, v**2)
    return y


def subtracted_in_place(x: Any, v: Any) -> Any:
    y = -x
    np.subtract.at(y, I, v**2)
    return -y


@pytest.mark.parametrize("function", [*CALLS.values(), added_in_place, subtracted_in_place])
def test_equal_indices_accumulate(function: Any) -> None:
    def run(x: Any, v: Any) -> Any:
        y = function(x, v)
        return y, *dl.dlgradient((y * np.array([1.0, 10.0, 100.0])).sum(), x, v)

    y, gx, gv = dl.dlfeval(run, dl.dlarray([1.0, 1.0, 1.0]), dl.dlarray(V))
    assert y.tolist() == [11.0, 17.0, 5.0]  # 1 + 1 + 9, 1 + 16, 1 + 4
    assert gx.tolist() == [1.0, 10.0, 100.0]
    assert gv.tolist() == [2.0, 400.0, 6.0, 80.0]


def test_add_at_changes_one_name_only() -> None:
    x = dl.dlarray([1.0, 1.0])
    y = x.copy()
    assert np.add.at(y, [0, 0], 2.0) is None
    assert (x.tolist(), y.tolist()) == ([1.0, 1.0], [5.0, 1.0])


def test_bincount_without_weights() -> None:
    assert np.bincount(dl.dlarray(I), minlength=4).tolist() == [2, 1, 1, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bincount_keeps_the_precision_of_weights(dtype: Any) -> None:
    assert np.bincount(I, weights=dl.dlarray(V.astype(dtype))).dtype == dtype


MASKED = np.ma.masked_array([1.0, 2.0], mask=[False, True])
USES = {
    "dlarray": lambda _: dl.dlarray(MASKED),
    "a list of them": lambda _: dl.dlarray([MASKED, MASKED]),
    "asarray": lambda _: dl.asarray(MASKED),
    "operand": lambda x: x * MASKED,
    "function": lambda _: dl.exp(MASKED),
    "numpy function": lambda x: np.concatenate([x, MASKED]),
    "assignment": lambda x: x.__setitem__(slice(None), MASKED),
    "index": lambda x: x[np.ma.masked_array([True, True], mask=[False, True])],
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_masked_arrays_are_refused(use: Any) -> None:
    with pytest.raises(dl.UnsupportedDtypeError, match=r"mask would be lost.*filled"):
        use(dl.dlarray([3.0, 4.0]))


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
