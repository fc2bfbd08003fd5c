"""Compiled steps of optimisers: the bits of NumPy's, for any number and any container."""

import numpy as np
import pytest

import dlgradient as dl

pytest.importorskip("llvmlite")

UPDATES = {
    "sgdm": (dl.sgdmupdate, 1, False),
    "rmsprop": (dl.rmspropupdate, 1, False),
    "adagrad": (dl.adagradupdate, 1, False),
    "adadelta": (dl.adadeltaupdate, 2, False),
    "lion": (dl.lionupdate, 1, False),
    "adam": (dl.adamupdate, 2, True),
    "nadam": (dl.nadamupdate, 2, True),
    "adamw": (dl.adamwupdate, 2, True),
    "muon": (dl.muonupdate, 2, True),
}


def numbers(rng, size, dtype):
    """Return ordinary numbers, and those that a fast but careless kernel gets wrong."""
    tiny = np.finfo(dtype).smallest_subnormal
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, tiny, -3 * tiny, 1e30, 1e-30], dtype)
    x = rng.normal(size=size).astype(dtype)
    chosen = rng.random(size) < 0.3
    return np.where(chosen, rng.choice(special, size), x)


def assert_same_bits(a, b):
    a, b = dl.extractdata(a), dl.extractdata(b)
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)  # NaN equals NaN
    np.testing.assert_array_equal(np.signbit(a[~np.isnan(a)]), np.signbit(b[~np.isnan(b)]))


def three_steps(update, count, counts, p, gradients):
    states = (None,) * count
    with np.errstate(all="ignore"):
        for i, g in enumerate(gradients, 1):
            p, *states = update(p, g, *states, *([i] if counts else []))
    return p, *states


@pytest.mark.parametrize("size", [0, 1, 7, 8, 64, 1003])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", UPDATES)
def test_steps_have_the_bits_of_numpy(name, dtype, size, rng):
    p = dl.dlarray(numbers(rng, size, dtype))
    gradients = [dl.dlarray(numbers(rng, size, dtype)) for _ in range(3)]
    with dl.acceleration("numpy"):
        expected = three_steps(*UPDATES[name], p, gradients)
    with dl.acceleration("native"):
        found = three_steps(*UPDATES[name], p, gradients)
    for a, b in zip(found, expected, strict=True):
        assert_same_bits(a, b)
