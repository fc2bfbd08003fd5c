"""Creation and casting: types, copies, formats and what stays traced."""

from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.errors import ComplexValueError, UnsupportedDtypeError

X = dl.dlarray([1.0, 2.0])
CB = dl.dlarray(np.ones((2, 3)), "CB")


@pytest.mark.parametrize("copy", [True, False])
def test_astype_copies_raw_arrays_on_demand(copy: bool) -> None:
    x = np.ones(2)
    assert np.shares_memory(dl.astype(x, "float64", copy=copy), x) is not copy
    assert not np.shares_memory(dl.astype(x, np.dtype("float64")), x)


def test_astype_of_sequences_and_numbers() -> None:
    assert dl.astype([1.0, 2.5], "float32").dtype == np.float32
    assert type(dl.astype(2.5, "float32")) is np.float32
    assert type(dl.astype(np.float64(2.5), int)) is np.int64


def test_astype_of_complex() -> None:
    z = dl.dlarray([0j, 1j])
    assert dl.astype(z, bool).tolist() == [False, True]
    for dtype in ("float64", "int32"):
        with pytest.raises(ComplexValueError):
            dl.astype(z, dtype)
    with pytest.raises(UnsupportedDtypeError):
        dl.astype(z, np.dtype("O"))


def test_full_of_a_traced_value() -> None:
    def run(x: Any) -> Any:
        y = dl.full((2, 3), x[0])
        z = dl.full(2, x[1], dtype="float32")
        like = dl.full_like(CB, x[0], dtype="float32")
        assert (y.dtype, z.dtype, like.dtype) == (np.float64, np.float32, np.float32)
        assert (y.shape, z.shape, like.shape) == ((2, 3), (2,), (2, 3))
        assert dl.dims(like) == "CB"
        return dl.dlgradient(y.sum() + z.sum() + like.sum(), x)

    assert dl.dlfeval(run, X).tolist() == [12.0, 2.0]


def test_full_of_a_number() -> None:
    assert dl.full((2,), 3.0).tolist() == [3.0, 3.0]
    assert dl.full((), 3).dtype.kind == "i"
    assert dl.full(2, dl.dlarray(3.0), dtype="float32").dtype == np.float32


@pytest.mark.parametrize("make", [dl.zeros_like, dl.ones_like, dl.empty_like])
def test_like_what_is_given(make: Any) -> None:
    y = make(CB)
    assert isinstance(y, dl.dlarray)
    assert (dl.dims(y), y.shape, y.dtype) == ("CB", (2, 3), np.float64)
    assert type(make(np.ones(2))) is np.ndarray
    assert type(make(np.float64(1.0))) is np.float64
    assert make(CB, dtype="float32").dtype == np.float32


def test_asarray_of_traced_values_stays_traced() -> None:
    def run(x: Any) -> Any:
        y = dl.asarray([x[0] * 2.0, x[1]])
        return dl.dlgradient((y * x).sum(), x)

    assert dl.dlfeval(run, X).tolist() == [4.0, 4.0]
    nested = dl.dlfeval(lambda x: dl.dlgradient(dl.asarray([[x[0], 1.0], [2.0, 3.0]]).sum(), x), X)
    assert nested.tolist() == [1.0, 0.0]


def test_asarray() -> None:
    assert dl.asarray([dl.dlarray(1.0), 2.0]).tolist() == [1.0, 2.0]
    assert dl.asarray((1, 2), dtype="float32").dtype == np.float32
    assert dl.asarray(X) is X
    data = np.ones(2)
    y = dl.asarray(data)
    data[0] = 5.0
    assert y.tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="copy=False"):
        dl.asarray(data, copy=False)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: dl.moveaxis([[1.0, 2.0]], 0, 1), [[1.0], [2.0]]),
        (lambda: dl.permute_dims([[1.0, 2.0]], (1, 0)), [[1.0], [2.0]]),
        (lambda: dl.squeeze([[1.0, 2.0]], 0), [1.0, 2.0]),
        (lambda: dl.reshape([[1.0, 2.0]], (2, 1)), [[1.0], [2.0]]),
        (lambda: dl.repeat(np.array([[1.0, 2.0]]), 2), [1.0, 1.0, 2.0, 2.0]),
        (lambda: dl.cumulative_sum(np.array([1.0, 2.0])), [1.0, 3.0]),
        (lambda: dl.take([1.0, 2.0], [1]), [2.0]),
        (lambda: dl.take([1.0, 2.0], []), []),
        (lambda: dl.vecdot([1.0, 2.0], [3.0, 4.0]), 11.0),
        (lambda: dl.outer([1.0, 2.0], [3.0]), [[3.0], [6.0]]),
        (lambda: dl.matmul([[1.0, 2.0]], [3.0, 4.0]), [11.0]),
        (lambda: dl.broadcast_arrays([1.0, 2.0], [[3.0]])[1], [[3.0, 3.0]]),
        (lambda: dl.meshgrid([1.0, 2.0], 3.0)[1], [[3.0, 3.0]]),
        (lambda: dl.stack([[1.0], [2.0]]), [[1.0], [2.0]]),
    ],
)
def test_sequences_are_arrays(call: Any, expected: Any) -> None:
    assert np.asarray(call()).tolist() == expected
