"""Large elementwise kernels in blocks on all cores: the same values, warnings and errors."""

import numpy as np
import pytest

from dlgradient.core import threads


@pytest.fixture(autouse=True)
def three_threads(monkeypatch):
    monkeypatch.setattr(threads, "_count", lambda: 3)
    monkeypatch.setattr(threads, "THREAD_BYTES", 1000)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128, np.int64])
def test_blocks_give_the_values_of_the_whole(dtype):
    x = np.linspace(-3, 3, 2 * 17 * 59).astype(dtype).reshape(2, 17, 59)
    kernel = threads.threaded(np.sin)
    for array in (x, x.T, x[:, ::2], x[0, 0], np.asfortranarray(x), x[..., 0:0]):
        result = kernel(array)
        np.testing.assert_array_equal(result, np.sin(array))
        assert result.dtype == np.sin(array).dtype


def test_floating_point_state_holds_in_every_block():
    x = np.ones(3001)
    x[-1] = -1.0
    kernel = threads.threaded(np.log)
    with np.errstate(all="ignore"):
        assert np.isnan(kernel(x)[-1])
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        kernel(x)


@pytest.mark.parametrize(
    "shapes", [((300, 40), (40, 800)), ((800, 300), (300, 40)), ((3, 2), (2, 4))]
)
def test_products_in_blocks(rng, shapes, monkeypatch):
    monkeypatch.setattr(threads, "_count", lambda: 2)
    monkeypatch.setattr(threads, "PRODUCT_MULTIPLICATIONS", 1 << 20)
    monkeypatch.setitem(threads._cut, "ever", True)
    x, y = (rng.integers(-9, 9, shape).astype(float) for shape in shapes)
    np.testing.assert_array_equal(threads.product(x, y), np.matmul(x, y))
    np.testing.assert_array_equal(threads.product(y.T, x.T), np.matmul(y.T, x.T))
    stacked = np.stack([x, 2 * x])
    np.testing.assert_array_equal(threads.product(stacked, y), np.matmul(stacked, y))
