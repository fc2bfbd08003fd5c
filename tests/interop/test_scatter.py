"""Sums at equal indices, by `index_add` and by NumPy's functions."""

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
