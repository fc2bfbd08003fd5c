"""Random programs of users' operations, which write to few buffers, and of functions of dlgradient.

Both must have the same values and derivatives, in all modes and with all options.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dlgradient as dl
from dlgradient.core.calls import FUNCTIONS
from dlgradient.rules import OPS
from dlgradient.testing import case

X, Y = np.array([0.5, -1.5, 1.25]), np.array([1.0, 0.25, -0.75])
# Memory that the results of all operations share; two results of one pass need two buffers.
BUFFERS = [(np.zeros(3), np.zeros((2, 3))[1]) for _ in range(2)]


def made(style: int, y: Any, place: int = 0) -> Any:
    """Return a raw result: as it is, a view of it, or in a buffer; a dlarray as it is."""
    if type(y) is not np.ndarray or style == 0:
        return y
    if style == 1:
        return y[::-1][::-1]
    buffer = BUFFERS[place][style - 2]
    buffer[:] = y
    return buffer


class Product(dl.DifferentiableFunction):
    """x * y, with the results of the passes made in three ways."""

    def __init__(self, styles: tuple[int, int, int]) -> None:
        self.styles = styles

    def forward(self, context: Any, x: Any, y: Any) -> Any:
        context.save(x, y)
        return made(self.styles[0], x * y)

    def backward(self, context: Any, g: Any) -> Any:
        x, y = context.saved
        return made(self.styles[1], g * y), made(self.styles[2], g * x, 1)


def declared(styles: tuple[int, int, int]) -> Any:
    """Return sin(x) * y, declared by rules whose results are made in three ways."""

    def user_operation(x: Any, y: Any, /) -> Any:
        """Operation under test."""
        return made(styles[0], np.sin(x) * y)

    return dl.define_operation(
        "general",
        x=lambda g, x, y: made(styles[1], g * dl.cos(x) * y),
        y=lambda g, x: made(styles[2], g * dl.sin(x), 1),
        format="align",
        samples=lambda m: [case(m.real(3), m.real(3))],
    )(user_operation)


KINDS: list[tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = [
    (Product, lambda x, y: x * y),
    (declared, lambda x, y: dl.sin(x) * y),
]
# A program: for each step its kind, the styles, and the two values that it combines.
steps = st.tuples(
    st.integers(0, len(KINDS) - 1),
    st.tuples(*[st.integers(0, 3)] * 3),
    st.integers(0, 7),
    st.integers(0, 7),
)
programs = st.lists(steps, min_size=1, max_size=5)


@pytest.fixture(autouse=True)
def _tables() -> Iterator[None]:
    before = dict(OPS), dict(FUNCTIONS)
    yield
    for table, entries in zip((OPS, FUNCTIONS), before, strict=True):
        table.clear()
        table.update(entries)


def function_of(program: Any, users: bool) -> Callable[[Any, Any], Any]:
    """Return the function of a program; `users` says whether its operations are those of users."""
    functions = [
        KINDS[kind][0](styles) if users else KINDS[kind][1] for kind, styles, _, _ in program
    ]

    def run(x: Any, y: Any) -> Any:
        values = [x, y, np.array(X), dl.dlarray(Y)]
        for function, (_, _, i, j) in zip(functions, program, strict=True):
            a, b = values[i % len(values)], values[j % len(values)]
            values.append(function(a, b))
        return values[-1] + 0.25 * x * y

    return run


def derivatives(function: Callable[[Any, Any], Any], retain: bool) -> list[Any]:
    def run(x: Any, y: Any) -> Any:
        z = function(x, y)
        first = dl.dlgradient(z.sum(), x, y, retain_data=retain)
        cotangent, tangent = dl.dlarray(Y), dl.dlarray(X)
        product = dl.dlvjp(z, cotangent, x, y, retain_data=retain)
        pushed = dl.dljvp(z, [x, y], [tangent, cotangent])
        higher = dl.dlgradient(z.sum(), x, y, enable_higher_derivatives=True)
        second = dl.dlgradient((higher[0] * Y).sum() + (higher[1] * X).sum(), x, y)
        x[0] = 7.0  # no other value may see it
        return [z, *first, *product, pushed, *higher, *second, cotangent, tangent]

    return [dl.extractdata(v) for v in dl.dlfeval(run, dl.dlarray(X), dl.dlarray(Y))]


@given(programs, st.booleans())
def test_operations_of_users_are_like_those_of_the_library(program: Any, retain: bool) -> None:
    found = derivatives(function_of(program, users=True), retain)
    expected = derivatives(function_of(program, users=False), retain)
    scale = max(float(np.max(np.abs(v))) for v in expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13 * scale)
