"""Sums at equal indices."""

from __future__ import annotations

import numpy as np

from dlgradient.core import calls
from dlgradient.core.arguments import checked
from dlgradient.core.calls import FUNCTIONS, fixed_key
from dlgradient.core.types import Key, Operand, Value
from dlgradient.core.values import as_value
from dlgradient.errors import IndexingError, ShapeMismatchError
from dlgradient.ops.index import scatter
from dlgradient.ops.shape import broadcast_to

__all__ = ["index_add"]


@checked
def index_add(x: Operand, key: Key, values: Operand, /) -> Value:
    """Array with values added to the elements at an index; equal indices accumulate.

    An assignment, ``x[key] = x[key] + values``, adds only the last of several values for one
    element. ``np.add.at(x, key, values)`` on a dlarray is ``x = index_add(x, key, values)``.

    Parameters
    ----------
    x : array
    key : index
        Integers, slices, masks and integer arrays, as in ``x[key]``.
    values : array
        Broadcast to the shape of ``x[key]``.

    Returns
    -------
    array
        With the shape and data format of ``x``.

    Raises
    ------
    IndexingError
        If the index does not fit ``x``.
    ShapeMismatchError
        If the values do not broadcast to ``x[key]``.

    See Also
    --------
    take : elements at indices along an axis
    take_along_axis : elements at indices that differ for each vector

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.index_add(dl.zeros(3), [0, 2, 0], dl.dlarray([1.0, 2.0, 3.0])).tolist()
    [4.0, 0.0, 2.0]

    Source: NumPy ``add.at``; MATLAB ``accumarray``.
    """
    key = fixed_key(key)
    x = x if type(x) is calls.dlarray else as_value(x, "index_add: x")
    values = values if type(values) is calls.dlarray else as_value(values, "index_add: values")
    # A view of one element has the shape of x[key], and takes no memory.
    try:
        wanted = np.shape(np.broadcast_to(False, x.shape)[key])
    except IndexError as error:
        raise IndexingError(f"index_add: x of shape {x.shape} with key {key!r}: {error}") from error
    try:
        values = broadcast_to(values, wanted)
    except ValueError as error:
        raise ShapeMismatchError(
            f"index_add: values of shape {values.shape} do not broadcast to x[key], which has "
            f"shape {wanted}"
        ) from error
    return x + scatter([calls.unlabelled(values)], keys=(key,), shape=x.shape)


FUNCTIONS["index_add"] = index_add
