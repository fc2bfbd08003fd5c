"""Embeddings: rows of a table by index; one-hot vectors and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.arguments import checked
from dlgradient.core.calls import labelled
from dlgradient.core.reading import decided, read
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, DtypeLike, Format, Operand, Value
from dlgradient.core.values import whole_numbers
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    IndexingError,
    InvalidArgumentError,
    ShapeMismatchError,
)
from dlgradient.nn.linear.arguments import weight_rows
from dlgradient.nn.shared.arguments import described, finished, floating, formatted, raw_value
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.shape import squeeze
from dlgradient.ops.take import take
from dlgradient.rules import derived

__all__ = ["embed", "onehotdecode", "onehotencode"]

# -- embed ---------------------------------------------------------------------------------------


def _are_outside(indices: Array, symbols: int) -> bool:
    # Negative ones too: NumPy would count them from the end, and hide a mistake in the data.
    return bool(np.any((indices < 0) | (indices >= symbols)))


def _indices(x: Value) -> Value:
    """Return indices as integers; floating-point numbers that are whole are indices too."""
    values = whole_numbers(read(x))
    if values.dtype.kind not in "iu":
        raise IndexingError(
            f"embed: x of shape {x.shape} has dtype {x.dtype}; it must be whole numbers, the "
            "indices of the vectors from zero on"
        )
    return calls.wrap(values, None)


@derived(
    samples=lambda m: _embed_samples(m),
    errors=lambda m: _embed_errors(m),
)
def embed(
    x: Operand,
    weights: Operand,
    /,
    *,
    data_format: Format = None,
    weights_format: Format = None,
) -> Value:
    """Embedding: the vector of channels of each index.

    If an index appears more than once, the gradient for the weights is added up in place. No matrix
    of one-hot vectors is made. Weights of the format 'UC' are fastest.

    Parameters
    ----------
    x : dlarray or array_like
        Zero-based indices, whole numbers, with a data format or with `data_format`. A dimension 'C'
        must have size one.
    weights : dlarray or array_like
        A matrix of channels × symbols, 'CU', or of symbols × channels if the format is 'UC'.
    data_format, weights_format : str, optional
        Data formats of arrays that have none.

    Returns
    -------
    dlarray
        The dimensions of `x`, where the channels replace 'C', or come last if `x` has no 'C'.

    Raises
    ------
    IndexingError
        If an index is negative, too large, or not a whole number.
    ShapeMismatchError
        If 'C' has a size other than one, or the weights are not a matrix.
    FormatError
        If `x` has no format.
    FormatClashError
        If the format of the weights is neither 'CU' nor 'UC'.

    See Also
    --------
    onehotencode : array of zeros and ones of classes
    fullyconnect : matrix product of the channels, and a bias

    Examples
    --------
    >>> import dlgradient as dl
    >>> weights = dl.dlarray([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], "UC")
    >>> dl.embed(dl.dlarray([2, 0], "T"), weights)
    dlarray([[4., 5.],
             [0., 1.]], 'TC')

    Source: MATLAB ``embed``.
    """
    array, strip = formatted("embed", x, data_format, indices=True)
    fmt = array._format or ""
    indices = _indices(array)
    table = floating(weight_rows("embed", weights, weights_format, "CU", "channels × symbols"))
    if table.ndim != 2:
        raise ShapeMismatchError(
            f"embed: weights have shape {table.shape}; they must be a matrix, channels × symbols"
        )
    symbols = table.shape[0]
    if decided(_are_outside, indices, symbols):
        outside = (read(indices) < 0) | (read(indices) >= symbols)
        wrong = read(indices)[outside].flat[0]
        raise IndexingError(
            f"embed: x has the index {wrong}, but the weights have {symbols} symbols, from 0 to "
            f"{symbols - 1}"
        )
    axis = fmt.find("C")
    if axis < 0:
        fmt += "C"
    else:
        if array.shape[axis] != 1:
            raise ShapeMismatchError(
                f"embed: x has {described(array)}; 'C' must have size one, since every index "
                "becomes a vector of channels"
            )
        indices = squeeze(indices, axis=axis)
    y = take(table, indices, axis=0)
    last = len(fmt) - 1
    if axis not in (-1, last):
        y = permute_dims(y, axes=(*range(axis), last, *range(axis, last)))
    return finished(labelled(y, fmt), strip)


def _embed_samples(m: Maker) -> list[Case]:
    return [
        case(np.array([[0, 2, 2]]), m.real(2, 4), data_format="CB"),
        case(np.array([[0, 2, 2], [1, 1, 0]]), m.real(4, 2), data_format="BT", weights_format="UC"),
        case(np.array([[[0], [3]]]), m.real(2, 4), data_format="TBC"),
        case(np.array([1, 2]), m.complex(2, 4), data_format="T"),
        case(np.zeros((0, 2), int), m.real(2, 4), data_format="BT"),
    ]


def _embed_errors(m: Maker) -> list[Error]:
    return [
        Error(
            case(np.array([[0, 4]]), m.real(2, 4), data_format="CB"),
            IndexingError,
            "index 4, but the weights have 4 symbols, from 0 to 3",
        ),
        Error(case(np.array([[0, -1]]), m.real(2, 4), data_format="CB"), IndexingError, "index -1"),
        Error(case(m.real(1, 2), m.real(2, 4), data_format="CB"), IndexingError, "dtype float64"),
        Error(
            case(np.array([[0], [1]]), m.real(2, 4), data_format="CB"),
            ShapeMismatchError,
            r"shape \(2, 1\) and format 'CB'.*'C' must have size one",
        ),
        Error(case(np.array([0]), m.real(2, 4)), FormatError, "no data format"),
        Error(
            case(np.array([0]), m.real(2), data_format="B"), ShapeMismatchError, "must be a matrix"
        ),
    ]


# -- one-hot -------------------------------------------------------------------------------------


def names_of(function: str, class_names: Sequence[Any]) -> Array:
    """Return the names of classes as an array."""
    names = np.asarray(list(class_names))
    if names.ndim != 1 or np.unique(names).size != names.size:
        raise InvalidArgumentError(
            f"{function}: class_names must be different numbers or strings, one for each class, "
            f"not {names.tolist()}"
        )
    return names


@checked
def onehotencode(
    labels: Operand,
    /,
    axis: int = -1,
    *,
    class_names: Sequence[Any] | None = None,
    dtype: DtypeLike = np.float32,
) -> Value:
    """One-hot vectors of labels: 1 at the class of the label, else 0.

    Parameters
    ----------
    labels : array_like or dlarray
        Numbers, strings or other values.
    axis : int
        Where to insert the new dimension of the classes; it is 'C' if there is a format.
    class_names : sequence, optional
        The classes in order, ``range(10)`` for digits; by default the sorted labels.
    dtype : dtype_like
        Of the result.

    Returns
    -------
    array, or dlarray for a dlarray
        With one dimension more than `labels`.

    Raises
    ------
    InvalidArgumentError
        If a label is not a class, or `axis` does not exist.
    FormatClashError
        If the format has a 'C' already.

    See Also
    --------
    onehotdecode : classes of an array of zeros and ones
    embed : rows of a table by indices
    crossentropy : cross entropy of probabilities

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.onehotencode(["cat", "dog", "cat"])
    array([[1., 0.],
           [0., 1.],
           [1., 0.]], dtype=float32)
    >>> dl.onehotencode([2, 0], axis=0, class_names=range(3)).tolist()
    [[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]]

    Source: MATLAB ``onehotencode``.
    """
    values = raw_value(labels)
    names = np.unique(values) if class_names is None else names_of("onehotencode", class_names)
    ndim = values.ndim + 1
    if not -ndim <= axis < ndim:
        raise InvalidArgumentError(
            f"onehotencode: axis={axis} does not exist, the result has {ndim} dimensions"
        )
    axis %= ndim
    shape = [1] * ndim
    shape[axis] = names.size
    hot = np.expand_dims(values, axis) == names.reshape(shape)
    missing = ~hot.any(axis=axis)
    if missing.any():
        raise InvalidArgumentError(
            f"onehotencode: labels has {values[missing].tolist()[0]!r}, none of the class_names "
            f"{names.tolist()}"
        )
    if type(labels) is not calls.dlarray:
        return hot.astype(dtype)
    fmt: Format = getattr(labels, "_format", None)
    if fmt is not None:
        if "C" in fmt:
            raise FormatClashError(
                f"onehotencode: labels of shape {values.shape} have the format {fmt!r}; the new "
                "dimension is 'C', so squeeze the old one first"
            )
        fmt = fmt[:axis] + "C" + fmt[axis:]
    return calls.wrap(hot.astype(dtype), None, fmt)


@checked
def onehotdecode(y: Operand, class_names: Sequence[Any], /, axis: int | None = None) -> Array:
    """Classes of the largest elements: the inverse of `onehotencode`, also for probabilities.

    Parameters
    ----------
    y : dlarray or array_like
        One-hot vectors or probabilities.
    class_names : sequence
        The classes in order.
    axis : int, optional
        Dimension of the classes; by default 'C', or the last one without a format.

    Returns
    -------
    array
        Elements of `class_names`, without the dimension of the classes.

    Raises
    ------
    ShapeMismatchError
        If the number of `class_names` is not the size of the dimension.

    See Also
    --------
    onehotencode : array of zeros and ones of classes
    argmax : index of the largest element

    Examples
    --------
    >>> import dlgradient as dl
    >>> y = dl.dlarray([[0.9, 0.2], [0.1, 0.8]], "CB")
    >>> dl.onehotdecode(y, ["cat", "dog"]).tolist()
    ['cat', 'dog']

    Source: MATLAB ``onehotdecode``.
    """
    names = names_of("onehotdecode", class_names)
    values, axis = along_classes("onehotdecode", "y", y, axis, names.size)
    classes: Array = names[np.argmax(values, axis=axis)]
    return classes


def along_classes(
    function: str, name: str, y: Operand, axis: int | None, count: int
) -> tuple[Array, int]:
    """Return scores as a raw array, and their dimension of so many classes."""
    fmt: Format = getattr(y, "_format", None)
    values = raw_value(y)
    if axis is None:
        if fmt and "C" not in fmt:
            raise FormatClashError(
                f"{function}: {name} of shape {values.shape} has the format {fmt!r} without 'C'; "
                "say with axis= which dimension has the classes"
            )
        axis = fmt.index("C") if fmt else -1
    if values.ndim and not -values.ndim <= axis < values.ndim:
        raise InvalidArgumentError(
            f"{function}: axis={axis} does not exist, {name} has shape {values.shape}"
        )
    if not values.ndim or not count or count != values.shape[axis]:
        raise ShapeMismatchError(
            f"{function}: {name} has shape {values.shape}; along dimension {axis} it must have the "
            f"size {count}, that of the class_names"
        )
    return values, axis
