"""DLPack: other libraries take untraced dlarrays, and their arrays become dlarrays."""

from typing import Any

import numpy as np
import pytest

import dlgradient as dl

DTYPES = ["float32", "float64", "complex64", "complex128", "int8", "int64", "uint16", "bool"]


class Foreign:
    """An array of another library, of which only the protocol is known."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_there_and_back(dtype: str, shape: Any, rng: Any) -> None:
    data = np.asarray(rng.integers(0, 5, shape)).astype(dtype)
    x = dl.dlarray(data)
    assert x.__dlpack_device__() == data.__dlpack_device__()
    for copy in (None, True, False) if shape else (None, True):
        taken = np.from_dlpack(x, copy=copy)
        assert taken.dtype == data.dtype
        np.testing.assert_array_equal(taken, data)
    back = dl.from_dlpack(Foreign(data))
    assert dl.isdlarray(back)
    assert back.dtype == data.dtype
    np.testing.assert_array_equal(dl.extractdata(back), data)


def test_nobody_writes_into_a_dlarray() -> None:
    x = dl.dlarray([1.0, 2.0])
    taken = np.from_dlpack(x, copy=True)
    if taken.flags.writeable:  # NumPy before 2.2 writes to no array of DLPack
        taken[0] = 7.0
    assert not np.shares_memory(taken, x._value)
    shared = np.from_dlpack(x, copy=False)
    assert not shared.flags.writeable
    assert np.shares_memory(shared, x._value)
    data = np.array([1.0, 2.0])
    y = dl.from_dlpack(data)
    data[0] = 9.0
    assert x.tolist() == y.tolist() == [1.0, 2.0]


def test_a_consumer_of_the_first_version_gets_a_copy() -> None:
    x = dl.dlarray([1.0, 2.0])
    capsule = x.__dlpack__()
    assert "dltensor" in repr(capsule)


def test_a_scalar_has_no_memory_to_share() -> None:
    with pytest.raises(BufferError, match="omit copy=False"):
        np.from_dlpack(dl.dlarray(1.0), copy=False)


def test_a_traced_dlarray_stays() -> None:
    with pytest.raises(dl.LeavingTraceError, match=r"DLPack.*extractdata"):
        dl.dlfeval(np.from_dlpack, dl.dlarray([1.0]))
    gradient = dl.dlfeval(lambda x: dl.dlgradient(dl.from_dlpack(x) * 3, x), dl.dlarray(1.0))
    assert gradient.item() == 3.0


def test_wrong_arguments() -> None:
    with pytest.raises(dl.InvalidArgumentError, match="__dlpack__, not list; write dlarray"):
        dl.from_dlpack([1.0])
    with pytest.raises(dl.InvalidArgumentError, match=r"device must be 'cpu'.*not 'cuda'"):
        dl.from_dlpack(np.ones(2), device="cuda")
    with pytest.raises(dl.InvalidArgumentError, match="copy=False"):
        dl.from_dlpack(np.ones(2), copy=False)
