"""Operators on bits: integers as Python has them, bool as logic, an error for other numbers."""

import operator

import numpy as np
import pytest

import dlgradient as dl

OPERATORS = [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift]
INTEGERS = [np.int8, np.int32, np.int64, np.uint8, np.uint64]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("function", OPERATORS)
def test_bits_of_integers(function, dtype):
    a, b = [6, 5, 0], [3, 1, 2]
    expected = [function(i, j) for i, j in zip(a, b, strict=True)]  # Python's integers
    for x, y in [
        (dl.dlarray(np.array(a, dtype)), dl.dlarray(np.array(b, dtype))),
        (dl.dlarray(np.array(a, dtype)), np.array(b, dtype)),
        (np.array(a, dtype), dl.dlarray(np.array(b, dtype))),
    ]:
        result = function(x, y)
        assert (result.tolist(), result.dtype) == (expected, np.dtype(dtype))
    assert function(dl.dlarray(np.array(6, dtype)), 3).item() == function(6, 3)
    assert function(6, dl.dlarray(np.array(3, dtype))).item() == function(6, 3)


@pytest.mark.parametrize("function", OPERATORS[:3])
def test_logic_of_bool(function):
    a, b = [True, True, False, False], [True, False, True, False]
    result = function(dl.dlarray(a), dl.dlarray(b))
    assert (result.tolist(), result.dtype) == ([function(*p) for p in zip(a, b, strict=True)], bool)
    assert (~dl.dlarray(a)).tolist() == [not p for p in a]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("function", OPERATORS)
def test_other_numbers_are_refused(function, dtype):
    x = dl.dlarray(np.array([1.0, 2.0], dtype))
    for operands in [(x, 2), (2, x), (x, x), (x, np.array([1, 2])), (np.array([1, 2]), x)]:
        with pytest.raises(dl.UnsupportedDtypeError, match=f"must be integers or bool.*{x.dtype}"):
            function(*operands)
    with pytest.raises(dl.UnsupportedDtypeError, match=r"logical_not\(x\)"):
        operator.invert(x)


def test_the_caret_names_power():
    def rosenbrock(x):
        return 100 * (x[1] - x[0] ^ 2) ^ 2

    with pytest.raises(dl.UnsupportedDtypeError, match=r"\^.*power is x \*\* y"):
        dl.dlfeval(rosenbrock, dl.dlarray([-1.0, 2.0]))
