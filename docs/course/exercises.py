"""Checks for the exercises of the course: each returns "right", or raises an error that says why.

Put this file next to your notebook or script, and write ``from exercises import ...``.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

POINTS = (-1.3, -0.4, 0.7, 1.6)


def check(found: Any, expected: Any, what: str = "your answer", tolerance: float = 1e-6) -> str:
    """Compare two numbers or arrays.

    >>> check(2.0, 2.0)
    'right'
    """
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        raise AssertionError(f"{what} has shape {found.shape}; it must be {expected.shape}")
    if not np.allclose(found, expected, rtol=tolerance, atol=tolerance):
        raise AssertionError(f"{what} is {found}; it must be about {expected}")
    return "right"


def difference(f: Callable[[Any], Any], x: Any, direction: Any, h: float = 1e-4) -> Any:
    """Return the slope of f at x in a direction, from four values of f."""
    near = f(x + h * direction) - f(x - h * direction)
    far = f(x + 2 * h * direction) - f(x - 2 * h * direction)
    return (8 * near - far) / (12 * h)


def check_derivative(
    df: Callable[[float], Any], f: Callable[[float], Any], points: tuple[float, ...] = POINTS
) -> str:
    """Compare a derivative with differences of its function, at several numbers."""
    for x in points:
        check(df(x), difference(f, x, 1.0), f"the derivative at {x}")
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
    return check(gradient(x), expected, "the gradient")
