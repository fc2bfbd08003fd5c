"""float64 scalars of NumPy beside a dlarray are weak, as Python's numbers; arrays are not."""

import operator
from typing import Any

import numpy as np
import pytest

import dlgradient as dl

BINARY = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.floordiv),
    *(operator.mod, np.add, np.multiply, np.power, np.maximum, np.minimum, np.hypot, np.arctan2),
    *(dl.add, dl.maximum, dl.minimum, dl.pow, dl.logaddexp, dl.copysign, dl.hypot, dl.atan2),
]
OTHERS = {
    "where": lambda x, s: dl.where(x > 0, s, x),
    "where of an array": lambda x, s: dl.where(x > 0, s, np.ones(3, x.dtype)),
    "numpy.where": lambda x, s: np.where(x > 0, x, s),
    "clip": lambda x, s: dl.clip(x, s, 2 * s),
    "numpy.clip": lambda x, s: np.clip(x, s, 2 * s),
    "stack": lambda x, s: dl.stack([x[0], s]),
    "full_like": dl.full_like,
    "a scalar dlarray": lambda x, s: x.sum() * s,
    "elu": dl.elu,
    "leakyrelu": dl.leakyrelu,
    "clippedrelu": dl.clippedrelu,
    "prelu": lambda x, s: dl.prelu(dl.dlarray(x, "C"), s),
    "huber": lambda x, s: dl.huber(dl.dlarray(x, "C"), x, transition_point=s),
    "dlconv": lambda x, s: dl.dlconv(
        dl.dlarray(x.reshape(3, 1), "SC"), np.ones((2, 1, 1), x.dtype), s
    ),
    "sgdmupdate": lambda x, s: dl.sgdmupdate([x], [x], None, s)[0][0],
    "result_type": lambda x, s: dl.zeros(1, dtype=dl.result_type(x, s)),
}
SCALARS = [np.float64(0.5), np.sqrt(2), np.finfo(float).eps]


def both_orders(function: Any) -> Any:
    return lambda x, s: [function(x, s), function(s, x)]


CALLS = {
    f"{f.__module__}.{f.__name__}" if hasattr(f, "__module__") else f.__name__: both_orders(f)
    for f in BINARY
}
CALLS |= OTHERS


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_a_scalar_is_weak(name: str, traced: bool) -> None:
    data = np.array([0.5, 1.5, 2.0], np.float32)

    def run(x: Any, s: Any) -> Any:
        results = CALLS[name](x, s)
        return results if isinstance(results, list) else [results]

    for scalar in SCALARS:
        x = dl.dlarray(data)
        found = dl.dlfeval(run, x, scalar) if traced else run(x, scalar)
        expected = run(x, float(scalar))
        for y, like in zip(found, expected, strict=True):
            assert y.dtype == like.dtype == np.float32
            np.testing.assert_array_equal(dl.extractdata(y), dl.extractdata(like))


def test_a_complex_scalar_is_weak() -> None:
    x = dl.dlarray(np.array([1.0, 2.0], np.float32))
    assert (x * np.complex128(1j)).dtype == np.complex64
    assert (np.complex128(1j) * x).tolist() == [1j, 2j]


@pytest.mark.parametrize("other", [np.array(2.0), np.array([2.0]), dl.dlarray(2.0)])
def test_arrays_are_not_weak(other: Any) -> None:
    x = dl.dlarray(np.ones(2, np.float32))
    assert (x * other).dtype == np.float64
    assert (other * x).dtype == np.float64


@pytest.mark.parametrize("data", [np.array([1, 2]), np.array([True, False]), np.array(3, np.int8)])
def test_integers_become_double(data: Any) -> None:
    assert (dl.dlarray(data) * np.float64(0.5)).dtype == np.float64


def test_double_keeps_every_digit() -> None:
    x = dl.dlarray([1.0, 3.0])
    np.testing.assert_array_equal(dl.extractdata(x * np.sqrt(2)), np.array([1.0, 3.0]) * np.sqrt(2))


def test_the_gradient_of_a_float32_model_is_float32() -> None:
    def loss(x: Any) -> Any:
        y = (np.sqrt(2) * x + np.float64(0.1)) ** np.float64(1.5)
        return dl.dlgradient(y.sum(), x)

    gradient = dl.dlfeval(loss, dl.dlarray(np.array([1.0, 2.0], np.float32)))
    assert gradient.dtype == np.float32
    expected = 1.5 * np.sqrt(2) * np.sqrt(np.sqrt(2) * np.array([1.0, 2.0]) + 0.1)
    np.testing.assert_allclose(dl.extractdata(gradient), expected, rtol=1e-6)
