"""Sequences of different lengths as one array, with a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from dlgradient.core.arguments import checked
from dlgradient.core.types import Array, Count
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError

__all__ = ["padsequences"]


@checked
def padsequences(
    sequences: Sequence[Any],
    axis: int,
    *,
    length: Count | Literal["longest", "shortest"] = "longest",
    direction: Literal["right", "left"] = "right",
    padding_value: float = 0.0,
    uniform_output: bool = True,
) -> tuple[Any, Any]:
    """Pad or cut sequences to one length, and stack them along a new last axis.

    Parameters
    ----------
    sequences : sequence of array
        They have equal sizes but along `axis`.
    axis : int
        The dimension of time.
    length : int, "longest" or "shortest"
    direction : {"right", "left"}
        At which end they are padded or cut.
    padding_value : float
        Integers need a whole number.
    uniform_output : bool
        Whether to stack them; if not, the results are lists.

    Returns
    -------
    x : numpy.ndarray or list
    mask : numpy.ndarray of bool, or list
        Of the same shape; True for elements of the sequences, False for padding.

    Raises
    ------
    ShapeMismatchError
        If other sizes differ; the message gives the place.
    InvalidArgumentError
        If there are no sequences, or their dtype cannot have the padding value.

    See Also
    --------
    minibatchqueue : pads the sequences of a batch.

    Examples
    --------
    >>> x, mask = dl.padsequences([np.array([1.0, 2.0]), np.array([3.0])], 0)
    >>> x
    array([[1., 3.],
           [2., 0.]])
    >>> mask[:, 1]
    array([ True, False])
    >>> dl.padsequences([np.ones(1), np.ones(2)], 0, direction="left", uniform_output=False)[0]
    [array([0., 1.]), array([1., 1.])]

    Source: MATLAB ``padsequences``.
    """
    arrays = [np.asarray(s) for s in sequences]
    if not arrays:
        raise InvalidArgumentError("padsequences: sequences is empty")
    first = arrays[0]
    if not -first.ndim <= axis < first.ndim:
        raise InvalidArgumentError(
            f"padsequences: axis is {axis}; sequences[0] has shape {first.shape}"
        )
    axis %= first.ndim
    for i, a in enumerate(arrays):
        if a.ndim != first.ndim or _without(a.shape, axis) != _without(first.shape, axis):
            raise ShapeMismatchError(
                f"padsequences: sequences[{i}] has shape {a.shape}, sequences[0] has "
                f"{first.shape}; they may differ only along axis {axis}"
            )
    sizes = [a.shape[axis] for a in arrays]
    wanted = {"longest": max(sizes), "shortest": min(sizes)}.get(str(length), length)
    n = int(wanted)
    shape = (*first.shape[:axis], n, *first.shape[axis + 1 :], len(arrays))
    x = np.full(shape, padding_value, _dtype_of(arrays, padding_value))
    mask = np.zeros(shape, bool)
    for i, a in enumerate(arrays):
        m = min(n, a.shape[axis])
        right = direction == "right"
        inside = slice(0, m) if right else slice(n - m, n)
        taken = slice(0, m) if right else slice(a.shape[axis] - m, None)
        place: tuple[Any, ...] = (slice(None),) * axis
        x[(*place, inside, ..., i)] = a[(*place, taken)]
        mask[(*place, inside, ..., i)] = True
    if uniform_output:
        return x, mask
    numbers = range(len(arrays))
    return [x[..., i].copy() for i in numbers], [mask[..., i].copy() for i in numbers]


def _dtype_of(arrays: Sequence[Array], padding_value: float) -> np.dtype[Any]:
    """Return the dtype of padded sequences, which the padding value must have, too."""
    dtype = np.result_type(*{a.dtype for a in arrays})
    if dtype.kind in "biu":
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if not (float(padding_value).is_integer() and low <= padding_value <= high):
            raise InvalidArgumentError(
                f"padsequences: padding_value is {padding_value}, and sequences are {dtype}, which "
                "has no such number; give sequences of floating-point numbers"
            )
    return dtype


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
