"""Random expression graphs: every way to a gradient gives the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import filled, seeds

import dlgradient as dl
from dlgradient.testing import check_derivatives

# Smooth, bounded enough, and defined everywhere; all of them keep the shape (2, 2) together.
UNARY: dict[str, Callable[[Any], Any]] = {
    "sin": dl.sin,
    "tanh": dl.tanh,
    "square": lambda x: x * x,
    "gauss": lambda x: dl.exp(-x * x),
    "root": lambda x: dl.sqrt(1 + x * x),
    "logarithm": lambda x: dl.log(2 + x * x),
    "transpose": lambda x: dl.permute_dims(x, (1, 0)),
    "centred": lambda x: x - x.mean(axis=0),
    "total": lambda x: x + 0.1 * x.sum(axis=1, keepdims=True),
    "first_row": lambda x: x * x[0],
    "reversed": lambda x: x[::-1, :] - 0.5 * x,
    "masked": lambda x: dl.where(np.array([[True, False], [False, True]]), x, 2 * x),
    "flat": lambda x: dl.reshape(dl.reshape(x, (4,)) * np.arange(4.0), (2, 2)),
}
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "quotient": lambda x, y: x / (1.5 + y * y),
    "matmul": lambda x, y: 0.3 * (x @ y),
    "stack": lambda x, y: dl.stack([x, y]).sum(axis=0) * y,
    "concat": lambda x, y: dl.concat([x[:1], dl.sin(y)[1:]], axis=0),
}


@st.composite
def programs(draw: Any) -> list[tuple[str, int, int]]:
    """A list of steps, each an operation and the values it works on, counted from the last."""
    steps = st.tuples(st.sampled_from([*UNARY, *BINARY]), st.integers(0, 4), st.integers(0, 4))
    return draw(st.lists(steps, min_size=1, max_size=8))


def run(program: list[tuple[str, int, int]], *variables: Any) -> Any:
    values = list(variables)
    for name, i, j in program:
        x, y = values[-1 - i % len(values)], values[-1 - j % len(values)]
        value = UNARY[name](x) if name in UNARY else BINARY[name](x, y)
        values.append(dl.tanh(0.5 * value))
    return values[-1] + 0.1 * values[len(values) // 2]


@given(program=programs(), seed=seeds)
def test_derivatives(program: Any, seed: int) -> None:
    """Both modes, of first and second order, against differences."""
    x, y = filled((2, 2), seed), filled((2, 2), seed + 1)
    check_derivatives(lambda x, y: run(program, x, y), x, y, rtol=1e-5)


@given(program=programs(), seed=seeds)
def test_every_way_gives_the_same(program: Any, seed: int) -> None:
    xs = [dl.dlarray(filled((2, 2), seed + i)) for i in range(2)]

    def gradients(x: Any, y: Any) -> Any:
        z = (run(program, x, y) * np.array([[1.0, -2.0], [0.5, 3.0]])).sum()
        return [
            dl.dlgradient(z, x, y),
            dl.dlgradient(z, x, y),
            dl.dlgradient(z, x, y, retain_data=True),
            dl.dlgradient(z, x, y, enable_higher_derivatives=True),
            dl.dlgradient(z, x, y, allow_complex=False),
            (dl.dlgradient(z, x), dl.dlgradient(z, y)),
        ]

    first, *others = dl.dlfeval(gradients, *xs)
    for other in others:
        for c, d in zip(first, other, strict=True):
            np.testing.assert_allclose(dl.extractdata(c), dl.extractdata(d), rtol=1e-10, atol=1e-13)


@given(program=programs(), seed=seeds)
def test_single_precision_stays_single(program: Any, seed: int) -> None:
    xs = [dl.dlarray(filled((2, 2), seed + i, np.float32)) for i in range(2)]

    def gradients(x: Any, y: Any) -> Any:
        z = run(program, x, y)
        return z, dl.dlvjp(z, np.ones((2, 2), np.float32), x, y)

    if any(name == "flat" for name, _, _ in program):
        return  # it has a constant of double precision
    z, (of_x, of_y) = dl.dlfeval(gradients, *xs)
    assert {z.dtype, of_x.dtype, of_y.dtype} == {np.dtype(np.float32)}


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_each_operation_alone(name: str) -> None:
    check_derivatives(
        lambda x, y: run([(name, 0, 1)], x, y), filled((2, 2), 1), filled((2, 2), 2), rtol=1e-5
    )
