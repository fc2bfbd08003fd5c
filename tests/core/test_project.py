"""Cotangents in the space of their operands: shape, precision, real part."""

from typing import Any

import numpy as np
import pytest

import dlgradient as dl
from dlgradient.core.project import project
from dlgradient.errors import RuleError


@pytest.mark.parametrize(
    ("cotangent", "operand", "real", "expected"),
    [
        ("f8", "f4", False, "f4"),
        ("f4", "f8", True, "f8"),
        ("c16", "c8", True, "c8"),
        ("c8", "c16", True, "c16"),
        ("c16", "f4", True, "f4"),
        ("c16", "f4", False, "c8"),
        ("c8", "f8", False, "c16"),
        # A real cotangent of a complex operand stays real.
        ("f8", "c16", False, "f8"),
        ("f8", "c8", False, "f4"),
        ("f4", "c16", False, "f8"),
        ("f8", "b1", True, "f8"),
    ],
)
def test_dtype(cotangent: str, operand: str, real: bool, expected: str) -> None:
    g = np.array([1.5, -2.0]).astype(cotangent)
    if g.dtype.kind == "c":
        g += np.array(0.5j).astype(cotangent)
    c = project(g, (2,), np.dtype(operand), real=real)
    assert c.dtype == np.dtype(expected)
    assert np.array_equal(c, g if c.dtype.kind == "c" else g.real)


def test_what_fits_is_not_copied() -> None:
    for dtype, operand in (("f8", "f8"), ("f8", "c16"), ("c8", "c8")):
        g = np.ones(2, dtype)
        assert project(g, (2,), np.dtype(operand), real=True) is g


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((3,), [2.0, 2.0, 2.0]),
        ((2, 1), [[3.0], [3.0]]),
        ((1, 1, 3), None),
        ((), 6.0),
        ((3, 2), None),
    ],
)
def test_shape(shape: tuple[int, ...], expected: Any) -> None:
    g = np.ones((2, 3))
    if expected is None:
        with pytest.raises(RuleError, match=r"the rule of f made a cotangent of shape \(2, 3\)"):
            project(g, shape, g.dtype, real=True, name="f")
    else:
        assert project(g, shape, g.dtype, real=True).tolist() == expected


def test_dimensions_of_size_one_behind_new_ones() -> None:
    g = np.ones((4, 5, 1))
    assert project(g, (1, 1), g.dtype, real=True).tolist() == [[20.0]]
    assert project(g, (5, 1), g.dtype, real=True).tolist() == [[4.0]] * 5


def test_mixed_complex_precision_with_real_gradients() -> None:
    def run(x: Any) -> Any:
        z = x * np.complex64(2 + 3j)  # complex128 behind complex64
        y = dl.real(z.astype("complex64") * np.complex128(1j) * (1 + 2j))
        return dl.dlgradient(y.sum(), x, allow_complex=False)

    found = dl.dlfeval(run, dl.dlarray([1.0, 2.0]))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.tolist(), [((2 + 3j) * 1j * (1 + 2j)).real] * 2)
