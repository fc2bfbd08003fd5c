"""Checks for the exercises of the course: each returns "right", or raises an error that says why.

Put this file next to your notebook or script, and write ``from exercises import ...``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

POINTS = (-1.3, -0.4, 0.7, 1.6)
ROUNDING = 1e-12  # of a zero, as cos(π/2) is


def numbers(value: Any, what: str) -> Any:
    """Return a value as an array of numbers, or say what it is instead."""
    if value is None:
        raise AssertionError(f"{what} is None; does the function end with `return ...`?")
    try:
        array = np.asarray(value)
    except ValueError:
        raise AssertionError(f"{what} is {value!r}; its rows must have the same length") from None
    if array.dtype.kind not in "buifc":
        raise AssertionError(f"{what} is {value!r}; it must be a number, or an array of numbers")
    return array


def check(found: Any, expected: Any, *, what: str = "your answer", tolerance: float = 1e-6) -> str:
    """Compare two numbers or arrays; the tolerance is relative to the largest expected number.

    >>> check(2.0, 2.0)
    'right'
    """
    found, expected = numbers(found, what), numbers(expected, "the expected value")
    if found.shape != expected.shape:
        raise AssertionError(f"{what} has shape {found.shape}; it must be {expected.shape}")
    size = np.abs(expected).max(initial=0.0, where=np.isfinite(expected)) or 1.0
    near = tolerance * size + min(tolerance, ROUNDING)
    if not np.allclose(found, expected, rtol=0.0, atol=near):
        raise AssertionError(f"{what} is {found}; it must be about {expected}")
    return "right"


def difference(f: Callable[[Any], Any], x: Any, direction: Any, h: float = 1e-4) -> Any:
    """Return the slope of f at x in a direction, from four values of f."""

    def value(step: float) -> Any:
        return numbers(f(x + step * direction), "the value of f")

    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    if not np.all(np.isfinite(slope)):
        raise AssertionError(
            f"f is not defined at this point, {x}, or next to it; take another one"
        )
    return slope


def check_derivative(
    df: Callable[[float], Any], f: Callable[[float], Any], points: tuple[float, ...] = POINTS
) -> str:
    """Compare a derivative with differences of its function, at several numbers.

    A function that is not defined at all of them needs points of its own.

    >>> check_derivative(lambda x: 1 / x, np.log, points=(0.5, 2.0))
    'right'
    """
    for x in points:
        check(df(x), difference(f, x, 1.0), what=f"the derivative at {x}")
    return "right"


def check_gradient(gradient: Callable[[Any], Any], f: Callable[[Any], float], x: Any) -> str:
    """Compare a gradient with differences of its function at an array x, real or complex.

    The gradient of a complex array is the direction of steepest ascent, ∂f/∂a + i ∂f/∂b.
    """
    x = np.asarray(x)
    x = x.astype(np.result_type(x, np.float64))  # integers have no small differences
    expected = np.zeros(x.shape, x.dtype)
    for place in np.ndindex(x.shape):
        for unit in (1.0, 1j) if x.dtype.kind == "c" else (1.0,):
            direction = np.zeros(x.shape, x.dtype)
            direction[place] = unit
            expected[place] += unit * difference(f, x, direction)
    found = numbers(gradient(x), "the gradient")
    if found.shape == expected.shape:
        # Each element by itself: next to 1e8, an error of 1 in another element would not be seen.
        for place in np.ndindex(x.shape):
            name = f"the gradient at {place}" if place else "the gradient"
            check(found[place], expected[place], what=name, tolerance=_near(expected, place))
    return check(found, expected, what="the gradient")


def _near(expected: Any, place: tuple[int, ...]) -> float:
    """Return a tolerance that leaves room for the rounding of differences of a large value."""
    size = float(np.abs(expected[place])) or 1.0
    return max(1e-6, 1e-9 * float(np.abs(expected).max()) / size)
