"""Cotangents that reach one value by several ways are all added, in place or not."""

from typing import Any

import numpy as np
import pytest

import dlgradient as dl


def gradient(fun: Any, x: Any) -> Any:
    return dl.dlfeval(lambda x: dl.dlgradient(fun(x), x), dl.dlarray(x))


def test_a_number_that_is_indexed_and_used() -> None:
    def fun(x: Any) -> Any:
        return x * x + (np.atleast_1d(x) * np.ones(1)).sum()

    found = gradient(fun, np.float32(0.5))
    assert (found.item(), found.dtype) == (2.0, np.float32)


def test_a_complex_number_that_is_indexed_and_used() -> None:
    z = 1 + 2j
    found = gradient(lambda x: dl.imag(x * x) + dl.imag(x**3) + dl.real(x[()]), z)
    # The gradient of Im f is conj(-1j f'), that of Re f is conj(f').
    expected = np.conj(-1j * 2 * z) + np.conj(-1j * 3 * z**2) + 1
    assert expected == 17 - 7j
    np.testing.assert_allclose(found.item(), expected, rtol=1e-14)


def test_a_real_number_with_complex_and_real_uses() -> None:
    # Re(x i · x i) + x = -x² + x; a real variable that acts through complex values.
    found = gradient(lambda x: dl.real(x[()] * 1j * (x * 1j)) + x[()], 2.0)
    np.testing.assert_allclose(found.item(), -3.0, rtol=1e-14)


@pytest.mark.parametrize("key", [(), Ellipsis, None, (None, Ellipsis)])
def test_every_index_of_a_number(key: Any) -> None:
    found = gradient(lambda x: x[key].sum() * x + x[key].sum(), 3.0)
    assert type(found._value) is np.float64
    assert found.item() == 7.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("order", range(6))
def test_indexing_assignment_and_other_uses(dtype: Any, order: int) -> None:
    """Uses of one array in every order, against the same sum written without indices."""
    x = np.arange(1, 5).astype(dtype) / 4
    uses = [
        lambda x: (x * x).sum(),
        lambda x: x[1] * x[2] + x[1:3].sum(),
        lambda x: (x + x[::-1]).sum() * x[0],
    ]
    first = uses[order // 2]
    rest = [use for use in uses if use is not first]
    arranged = [first, *(rest if order % 2 else rest[::-1])]

    def indexed(x: Any) -> Any:
        z = x * 1.0
        total = z.sum() * 0
        for i, use in enumerate(arranged):
            total = total + use(z)
            z[i] = z[i] * x[i]
        return dl.real(total + z.sum())

    def rewritten(x: Any) -> Any:
        z = x * 1.0
        total = z.sum() * 0
        for i, use in enumerate(arranged):
            total = total + use(z)
            at = np.arange(4) == i
            z = dl.where(at, z * x, z)
        return dl.real(total + z.sum())

    found, expected = np.asarray(gradient(indexed, x)), np.asarray(gradient(rewritten, x))
    assert found.dtype == dtype
    np.testing.assert_allclose(
        found, expected, rtol=1e-5 if x.itemsize // (1 + (x.dtype.kind == "c")) == 4 else 1e-13
    )


def test_a_dtype_object_of_another_identity() -> None:
    """NumPy may make new objects for a dtype, as `astype` and pickling do."""
    other = np.dtype([("x", np.float64)])["x"].newbyteorder("=")
    x = np.arange(3.0).astype(other)

    def fun(x: Any) -> Any:
        return (x * x).sum() + x[0] + x[1] * x[1] + dl.astype(x, other).sum()

    assert gradient(fun, x).tolist() == [2.0, 5.0, 5.0]


def test_a_cotangent_that_others_hold_is_not_changed() -> None:
    seed = dl.dlarray(np.ones(3))

    def fun(x: Any) -> Any:
        y = x + 0.0
        y = y + x
        return dl.dlvjp(y, seed, x), dl.dlvjp(y, seed, y)

    first, second = dl.dlfeval(fun, dl.dlarray(np.arange(3.0)))
    assert first.tolist() == [2, 2, 2]
    assert second.tolist() == [1, 1, 1]
    assert seed.tolist() == [1, 1, 1]


def test_a_wanted_cotangent_is_not_cleared_by_an_assignment() -> None:
    def fun(x: Any) -> Any:
        z = x * 1.0
        z[0] = 5.0
        y = (z * z).sum()
        return dl.dlgradient(y, z, x)

    to_z, to_x = dl.dlfeval(fun, dl.dlarray(np.array([1.0, 2.0])))
    assert to_z.tolist() == [10, 4]
    assert to_x.tolist() == [0, 4]
