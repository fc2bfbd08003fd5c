"""Oracles: derivatives found without any rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dlgradient.core.types import DtypeLike, Shape, Value
from dlgradient.errors import located

__all__ = ["CheckError", "central_difference", "compare", "inner", "random_direction"]

# The four-point formula has an error of about STEP**4, and rounding adds eps / STEP.
STEP = 5e-4
_NOISE = 64 * np.finfo(np.float64).eps / STEP

Arrays = Sequence[Value]


class CheckError(AssertionError):
    """A check of an operation failed; the message names what was compared and both numbers."""

    def __str__(self) -> str:
        return located(super().__str__(), "reference/testing.html")


def central_difference(
    fun: Callable[..., Arrays], args: Arrays, tangents: Arrays, *, step: float = STEP
) -> list[Value]:
    """Directional derivative by central differences of fourth order.

    ``(8 (f(x + h t) - f(x - h t)) - (f(x + 2 h t) - f(x - 2 h t))) / (12 h)``

    Parameters
    ----------
    fun : callable
        ``fun(*args)`` returns a sequence of arrays.
    args, tangents : sequence of arrays
        The point, float64 or complex128, and the direction.
    step : float
        The step h.

    Returns
    -------
    list of ndarray
        One derivative for each array that `fun` returns.

    See Also
    --------
    random_direction : random values like those given
    check_derivatives : compare derivatives of a function with differences

    Examples
    --------
    >>> import numpy as np
    >>> from dlgradient.testing import central_difference
    >>> (d,) = central_difference(lambda x: [np.sin(x)], [np.array([0.0])], [np.array([2.0])])
    >>> bool(abs(d[0] - 2.0) < 1e-10)
    True
    """

    def at(h: float) -> Arrays:
        return fun(*[x + h * t for x, t in zip(args, tangents, strict=True)])

    near = zip(at(step), at(-step), strict=True)
    far = zip(at(2 * step), at(-2 * step), strict=True)
    with np.errstate(all="ignore"):
        return [
            (8 * (a - b) - (c - d)) / (12 * step) for (a, b), (c, d) in zip(near, far, strict=True)
        ]


def inner(a: Value, b: Value) -> float:
    """Real inner product Re⟨a, b⟩, which defines gradients.

    Parameters
    ----------
    a, b : ndarray
        Of equal shapes, real or complex.

    Returns
    -------
    float

    See Also
    --------
    random_direction : random values like those given
    dlgradient.vecdot : product with a sum over one axis

    Examples
    --------
    >>> import numpy as np
    >>> from dlgradient.testing import inner
    >>> inner(np.array([1j]), np.array([1j]))
    1.0
    """
    return float(np.sum(np.conj(a) * b).real)


def random_direction(rng: np.random.Generator, shape: Shape, dtype: DtypeLike) -> Value:
    """Draw a direction whose elements have moduli between one half and one.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    shape : tuple of int
        Shape of the direction.
    dtype : dtype
        Complex for complex directions.

    Returns
    -------
    ndarray or scalar of float64 or complex128

    See Also
    --------
    central_difference : derivative along a direction by differences
    inner : real inner product

    Examples
    --------
    >>> import numpy as np
    >>> from dlgradient.testing import random_direction
    >>> random_direction(np.random.default_rng(0), (2, 3), np.complex128).shape
    (2, 3)
    """
    size = rng.uniform(0.5, 1.0, shape)
    if np.dtype(dtype).kind == "c":
        return size * np.exp(1j * rng.uniform(-np.pi, np.pi, shape))
    return size * rng.choice([-1.0, 1.0], shape)


def compare(
    where: str,
    what: str,
    found: Value,
    oracle: str,
    expected: Value,
    *,
    rtol: float,
    scale: float = 0,
) -> None:
    """Compare two arrays in the maximum norm, and raise where they differ.

    Parameters
    ----------
    where : str
        Operation, sample and argument, for the message.
    what, oracle : str
        Names of the two ways in which they were found.
    found, expected : array_like
        The arrays; NaN equals NaN.
    rtol : float
        Tolerance relative to the largest element of `expected`.
    scale : float
        Magnitude of the terms of which the numbers are sums, if larger.

    Raises
    ------
    CheckError
        If shapes or numbers differ.

    See Also
    --------
    check_derivatives : compare derivatives of a function with differences

    Examples
    --------
    >>> from dlgradient.testing import compare
    >>> compare("exp, sample 0", "vjp", 1.0, "central differences", 1.0, rtol=1e-6)
    """
    a, b = np.asarray(found), np.asarray(expected)
    if a.shape != b.shape:
        raise CheckError(f"{where}: {what} has shape {a.shape}, {oracle}: {b.shape}")
    if not a.size or np.array_equal(a, b, equal_nan=True):
        return
    with np.errstate(all="ignore"):
        equal = (a == b) | (np.isnan(a) & np.isnan(b))
        if a.dtype.kind == "c" or b.dtype.kind == "c":
            equal |= np.isinf(a) & np.isinf(b)  # the complex plane has one infinity
        difference = np.where(equal, 0, np.abs(a - b))
        finite = np.abs(b[np.isfinite(b)])
        size = max(scale, float(finite.max()) if finite.size else 0.0)
    worst = np.unravel_index(np.argmax(np.where(np.isnan(difference), np.inf, difference)), a.shape)
    if not difference[worst] <= rtol * size:
        at = f" at {tuple(map(int, worst))}" if worst else ""
        raise CheckError(
            f"{where}: {what} gives {a[worst]}{at}, {oracle} {b[worst]} "
            f"(difference {difference[worst]:.2g}, tolerance {rtol * size:.2g})"
        )


def noise(size: float) -> float:
    """Rounding error of a central difference of values of this size."""
    return float(_NOISE * size)
