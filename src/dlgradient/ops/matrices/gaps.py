"""Division by gaps between eigenvalues or singular values, and the phase of complex vectors.

Where a gap is zero, a function that does not depend on the choice of the vectors has the numerator
zero. Then the quotient is zero: the derivative is that of a function of the values, and of all
vectors of one value together. A numerator that is not zero belongs to a function without a
derivative: the quotient is NaN, and a warning says so.

A function of the matrix, as V f(w) Vᴴ, has a derivative there that neither cotangent holds: its
numerator is zero, too, and f'(w) is known for the diagonal only. It cannot be told from a function
of values next to one of spaces, whose derivative is right. So both give a warning.
"""

from __future__ import annotations

import warnings

import numpy as np

from dlgradient.core.samples import case
from dlgradient.core.types import Value
from dlgradient.ops.choice import where
from dlgradient.ops.complex import imag, real
from dlgradient.ops.logical import equal
from dlgradient.ops.matrices.diagonals import diagonal
from dlgradient.ops.shape import expand_dims
from dlgradient.rules import constant

__all__ = ["DegenerateWarning", "divided_by_gaps", "phases_at", "turns_of"]

# Gaps that are rounding errors, in units of the last place of the largest value.
_ROUNDING = 64
# Numerators that are, as products of matrices make them.
_NOISE = 1e5


class DegenerateWarning(RuntimeWarning):
    """Vectors of equal eigenvalues or singular values have no derivative, and one was asked for.

    Examples
    --------
    >>> import warnings
    >>> def first_vector(A):
    ...     return dl.dlgradient(dl.sum(dl.linalg.eigh(A).eigenvectors[:, 0] * [1.0, 2.0]), A)
    >>> with warnings.catch_warnings(record=True) as found:
    ...     warnings.simplefilter("always")
    ...     _ = dl.dlfeval(first_vector, dl.dlarray([[1.0, 0.0], [0.0, 1.0]]))
    >>> found[0].category.__name__
    'DegenerateWarning'
    """


@constant(
    format="new",
    samples=lambda m: [
        case(np.array([[0.5, 1.0], [-1.0, 0.5]]), np.eye(2), np.eye(2), m.real(2), name="eigh"),
        case(np.ones((1, 2)), np.ones((3, 2)), np.ones((3, 2)), m.real(2), name="svd"),
        case(np.ones((2, 2)), m.complex(2, 2), m.complex(2, 2), m.real(2), name="svd"),
    ],
)
def gap_factors(
    gaps: Value, numerators: Value, parts: Value, values: Value, /, *, name: str
) -> Value:
    """Numerators of inverse gaps: 1 for a gap, 0 for none, NaN where there is something to divide.

    Parameters
    ----------
    gaps : array
    numerators, parts : array
        The numerators, and the terms whose difference they are.
    values : array
        The eigenvalues or singular values that have the gaps.
    name : str
        The function, for the warning.
    """
    size = np.max(np.abs(values), axis=-1, initial=0.0)[..., None, None]
    eps = np.finfo(np.asarray(gaps).real.dtype).eps
    none = np.abs(gaps) <= _ROUNDING * eps * size
    scale = np.max(np.abs(parts), axis=(-2, -1), keepdims=True, initial=0.0)
    wrong = none & (np.abs(numerators) > _NOISE * eps * scale)
    if wrong.any():
        warnings.warn(
            f"{name}: values are equal, and the function depends on the choice of their vectors. "
            "It has no derivative, and the result is NaN. Take a function of the values alone, or "
            "of all vectors of one value together",
            DegenerateWarning,
            stacklevel=2,
        )
    return np.where(wrong, np.nan, np.where(none, 0.0, 1.0)).astype(np.asarray(gaps).real.dtype)


@constant(
    format="new",
    samples=lambda m: [
        case(np.array([1.0, 2.0]), m.real(2), m.real(2, 2), name="eigh"),
        case(np.array([[3.0, 1.0]]), m.real(1, 2), m.real(1, 2, 2), name="svd"),
        case(np.array([2.0, 1.0]), m.real(2), m.complex(2, 2), name="svd"),
    ],
)
def ambiguous(values: Value, cotangents: Value, part: Value, /, *, name: str) -> Value:
    """Whether equal values make the derivative ambiguous, which gives a warning.

    Parameters
    ----------
    values, cotangents : array
        Eigenvalues or singular values, and their cotangents.
    part : array
        Vᴴ g for the vectors V.
    name : str
        The function, for the warning.
    """
    eps = np.finfo(np.asarray(part).real.dtype).eps
    size = np.max(np.abs(values), axis=-1, initial=0.0)[..., None, None]
    equal_pair = np.abs(values[..., :, None] - values[..., None, :]) <= _ROUNDING * eps * size
    used = np.abs(cotangents) > 0
    both = np.abs(part + np.conj(np.swapaxes(part, -1, -2)))
    scale = np.max(np.abs(part), axis=(-2, -1), keepdims=True, initial=0.0)
    mixed = both > _NOISE * eps * scale
    pairs = equal_pair & mixed & (used[..., :, None] | used[..., None, :])
    found = np.any(pairs & ~np.eye(values.shape[-1], dtype=bool), axis=(-2, -1))
    if found.any():
        warnings.warn(
            f"{name}: values are equal, and the function takes both values and vectors. Its "
            "gradient is that of a function of the values next to one of spaces of vectors. For a "
            "function of the matrix, as V f(w) Vᴴ, that is wrong: take expm, logm, sqrtm or a "
            "norm of dlgradient.linalg",
            DegenerateWarning,
            stacklevel=2,
        )
    return found


def divided_by_gaps(
    name: str, numerators: Value, gaps: Value, values: Value, parts: Value
) -> Value:
    """Return numerators divided by gaps, and 0 where both are zero.

    Parameters
    ----------
    name : str
        The function, for the warning.
    numerators, gaps : array
    values : array
        The eigenvalues or singular values.
    parts : array
        Terms whose difference the numerators are; rounding errors are relative to them.
    """
    factors = gap_factors(gaps, numerators, parts, values, name=name)
    return numerators * (factors / where(equal(factors, 1), gaps, 1))


def turns_of(part: Value) -> Value:
    """Return the cotangents of phases of vectors, given Vᴴ g for the vectors V."""
    return imag(diagonal(part))


def phases_at(vectors: Value, turns: Value) -> Value:
    """Return a cotangent of vectors whose first components stay real, given those of phases."""
    first = real(vectors[..., 0, :])
    zero = equal(first, 0)
    row = where(zero, 0, -1j * turns / where(zero, 1, first))
    place = np.zeros((vectors.shape[-2], 1))
    place[:1] = 1
    return place * expand_dims(row, -2)
