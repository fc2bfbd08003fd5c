"""Normalisation of arrays as matrices, whose rows are reduced and scaled by compiled kernels.

The rows are the last dimensions, if they are averaged over and have one offset and scale. What
belongs to a row is small, and is computed with NumPy.
"""

from __future__ import annotations

from math import prod

import numpy as np

from dlgradient.core.sizes import NATIVE_NORM_ELEMENTS, NATIVE_RUN_ELEMENTS
from dlgradient.core.types import Array, Axes, Dtype, Shape
from dlgradient.native.switch import uses_native

__all__ = ["Rows", "rows_of"]


def rows_of(axes: Axes, arrays: tuple[Array, ...], parameters: tuple[Shape, ...]) -> Rows | None:
    """Return arrays of one shape as matrices; None if there are none, or NumPy computes.

    Parameters
    ----------
    axes : tuple of int
        Dimensions that are averaged over.
    arrays : tuple of array
    parameters : tuple of tuple of int
        Shapes of offset and scale.
    """
    shape, dtype = arrays[0].shape, arrays[0].dtype
    lead = len(shape)
    while lead and lead - 1 in axes and all(p[lead - 1] == 1 for p in parameters):
        lead -= 1
    size, length = prod(shape), prod(shape[lead:])
    if not size or length < NATIVE_RUN_ELEMENTS:
        return None
    if not all(a.dtype == dtype and a.flags.c_contiguous for a in arrays):
        return None
    native = uses_native(dtype, pays=size >= NATIVE_NORM_ELEMENTS)
    return Rows(shape, lead, length) if native else None


class Rows:
    """How arrays of one shape are matrices.

    Parameters
    ----------
    shape : tuple of int
    lead : int
        Number of leading dimensions, whose elements are rows.
    length : int
        Elements of a row.
    """

    def __init__(self, shape: Shape, lead: int, length: int) -> None:
        self.shape, self.lead, self.length = shape, lead, length

    def matrix(self, x: Array) -> Array:
        """Return an array as a matrix."""
        return x.reshape(-1, self.length)

    def column(self, small: Array, dtype: Dtype) -> Array:
        """Return a small array, of the sizes of the leading dimensions or one, for each row."""
        lead = small.reshape(small.shape[: self.lead])
        return np.ascontiguousarray(np.broadcast_to(lead, self.shape[: self.lead]), dtype).ravel()

    def of_rows(self, numbers: Array) -> Array:
        """Return numbers of rows in double precision, with the dimensions of the array."""
        ones = (1,) * (len(self.shape) - self.lead)
        return numbers.astype(np.float64).reshape(*self.shape[: self.lead], *ones)

    def statistics(self, x: Array, axes: Axes, *, centered: bool) -> tuple[Array, Array]:
        """Return mean and variance, with size one in the dimensions averaged over."""
        from dlgradient.native.rows import moments

        mean, rest, squares = map(self.of_rows, moments(self.matrix(x)))
        mean += rest / self.length
        squares -= rest * rest / self.length
        # Means of rows are joined without the cancellation of a sum of squares.
        whole = np.mean(mean, axis=axes, keepdims=True) if centered else np.zeros(1)
        between = (mean - whole) ** 2 * self.length
        count = self.length * mean.size // max(1, np.mean(mean, axis=axes).size)
        return whole, np.add.reduce(squares + between, axis=axes, keepdims=True) / count

    def scale(self, x: Array, center: Array, factor: Array, shift: Array, out: Array) -> None:
        """Write (x - center) factor + shift to an array."""
        from dlgradient.native.rows import compute_rows

        columns = [self.column(a, x.dtype) for a in (center, factor, shift)]
        compute_rows(
            lambda x, c, f, s: ((x - c) * f + s,), [self.matrix(x)], columns, [self.matrix(out)]
        )

    def products(self, g: Array, x: Array, center: Array) -> Array:
        """Return the sums of g, and of g times x - center, for each row."""
        from dlgradient.native.rows import products

        found = products(self.matrix(g), self.matrix(x), self.column(center, x.dtype))
        return np.stack([self.of_rows(sums) for sums in found])

    def combine(self, g: Array, x: Array, center: Array, factors: list[Array], out: Array) -> None:
        """Write g factor + ((x - center) along + across) to an array, of three factors."""
        from dlgradient.native.rows import compute_rows

        columns = [self.column(a, x.dtype) for a in (center, *factors)]
        compute_rows(
            lambda g, x, c, f, a, b: (g * f + ((x - c) * a + b),),
            [self.matrix(g), self.matrix(x)],
            columns,
            [self.matrix(out)],
        )
