"""Reductions of narrow arrays agree with NumPy's for every shape, layout and dimension."""

from typing import Any

import numpy as np
import pytest

from dlgradient.ops import narrow

SHAPES = [
    (4096, 1),
    (4096, 3),
    (1000, 7),
    (257, 128),
    (300, 129),
    (3, 700, 5),
    (20, 30, 4),
    (9999,),
]
AXES = [None, 0, -1, 1, -2, (0,), (0, 1), (-2, -1), (0, -1), ()]
PAIRS = [(shape, axis) for shape in SHAPES for axis in AXES]
REDUCTIONS = {"add": np.add, "maximum": np.maximum, "minimum": np.minimum}


def _valid(shape: tuple[int, ...], axis: Any) -> bool:
    axes = axis if isinstance(axis, tuple) else (0 if axis is None else axis,)
    numbers = [i % len(shape) for i in axes]
    return all(-len(shape) <= i < len(shape) for i in axes) and len({*numbers}) == len(numbers)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("shape", "axis"), [pair for pair in PAIRS if _valid(*pair)])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_narrow_reductions_agree_with_numpy(
    rng: np.random.Generator, name: str, shape: Any, axis: Any, keepdims: bool
) -> None:
    x = rng.standard_normal(shape)
    x.reshape(-1)[rng.integers(x.size, size=2)] = np.nan
    reduction, ufunc = getattr(narrow, name), REDUCTIONS[name]
    for y in (x, x.astype(np.float32), np.asfortranarray(x), x[::2], x + 1j * x, x > 0):
        expected: Any = ufunc.reduce(y, axis=axis, keepdims=keepdims)
        found = reduction(y, axis, keepdims)
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        # A sum of n terms of size one: its rounding error is at most n times that of one.
        atol = y.size * float(np.finfo(found.dtype).eps) if found.dtype.kind in "fc" else 0
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@pytest.mark.parametrize("axis", [2, -3, (0, 0), (0, 2)])
def test_wrong_dimensions_are_numpys_errors(axis: Any) -> None:
    with pytest.raises((ValueError, np.exceptions.AxisError)):
        narrow.add(np.ones((4096, 3)), axis)
