"""Operands and parameters of deep-learning functions: their formats, their order, their checks.

A function here names dimensions by label. It takes a dlarray with a format, and its result has a
format. Or it takes an unlabelled array with ``data_format=``, and its result is unlabelled, in the
same order. Inside, operations work by position: `unlabelled` and `rearranged` prepare an array for
them, `restored` and `finished` bring the result back.
"""

from __future__ import annotations

import operator
from math import inf, prod

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import labelled, unlabelled
from dlgradient.core.conversion import as_array as joined
from dlgradient.core.formats import checked_format, placement
from dlgradient.core.kinds import number
from dlgradient.core.reading import decided, raw
from dlgradient.core.types import Array, Axes, Format, Operand, Value
from dlgradient.errors import FormatClashError, FormatError, InvalidArgumentError
from dlgradient.ops.casting import astype
from dlgradient.ops.permute import permute_dims
from dlgradient.ops.shape import expand_dims, squeeze

__all__ = [
    "as_array",
    "axes_of",
    "channel_axis",
    "check_vector",
    "described",
    "finished",
    "floating",
    "format_of",
    "formatted",
    "in_order",
    "is_formatted",
    "raw_value",
    "rearranged",
    "restored",
    "scalar",
    "with_axis",
]


def scalar(function: str, name: str, value: Value, least: float = -inf) -> Value:
    """Return an option that is a number, or traced: a dlarray without dimensions."""
    if type(value) is not calls.dlarray:
        return number(least).accepted(function, name, value)
    if value.ndim or not decided(operator.ge, value, least):
        raise InvalidArgumentError(
            f"{function}: {name} is a dlarray of shape {value.shape} {value.dtype}; it must be one "
            "number, without dimensions" + (f", of at least {least:g}" if least > -inf else "")
        )
    return unlabelled(value) if calls.is_variable(value) else value.item()


# -- formats -------------------------------------------------------------------------------------


def as_array(function: str, name: str, x: Operand, like: Value | None = None) -> Value:
    """Return an argument as a dlarray; integers take the dtype of `like`, see `floating`.

    A list of traced dlarrays is joined.
    """
    where = f"{function}: {name}"
    given = joined(x, where) if isinstance(x, list | tuple) else x
    array = given if type(given) is calls.dlarray else calls.constant(given, where)
    return array if like is None else floating(array, like)


def raw_value(x: Operand) -> Array:
    """Return the values of an argument that carries no derivative, such as a mask or indices."""
    return np.asarray(raw(x))


def formatted(
    function: str,
    x: Operand,
    data_format: Format,
    *others: Operand | None,
    indices: bool = False,
) -> tuple[Value, bool]:
    """Return `x` as a dlarray with a format, and whether the result is to be unlabelled.

    It is in floating point, see `floating`, unless it has `indices`.

    Parameters
    ----------
    function : str
        Name for messages.
    x : dlarray or array_like
    data_format : str or None
        Format of an unlabelled `x`.
    *others : dlarray, array_like or None
        The operands it is computed with.
    indices : bool
        Whether integers stay integers.

    Raises
    ------
    FormatError
        If `x` has no format and `data_format` is not given, or does not match.
    FormatClashError
        If the two formats differ.
    """
    array = as_array(function, "x", x)
    if not indices:
        array = floating(array, *others)
    if array._format is not None:
        if data_format is not None and data_format.upper() != array._format:
            raise FormatClashError(
                f"{function}: x has the format {array._format!r}, data_format says "
                f"{data_format!r}; omit data_format, or take the labels off with stripdims"
            )
        return array, False
    if data_format is None:
        raise FormatError(
            f"{function}: x of shape {array.shape} {array.dtype} has no data format; make it "
            "dlarray(x, fmt), or give data_format=, with one of 'S', 'C', 'B', 'T', 'U' for each "
            "dimension"
        )
    return labelled(array, checked_format(data_format, array.shape, function)), True


def with_axis(
    function: str, x: Operand, axis: int | None, data_format: Format
) -> tuple[Value, int, bool]:
    """Return `x` as a dlarray, the dimension to work along, and whether to unlabel the result.

    Without `axis`, the dimension is that of the channels, and `x` needs a format.
    """
    if axis is not None:
        return floating(as_array(function, "x", x)), axis, False
    array, strip = formatted(function, x, data_format)
    return array, channel_axis(function, array), strip


def finished(y: Value, strip: bool) -> Value:
    """Return a result, unlabelled if the operand was."""
    return unlabelled(y) if strip else y


def is_formatted(x: Operand) -> bool:
    """Return whether an argument is a dlarray with a format."""
    return type(x) is calls.dlarray and x._format is not None


def format_of(x: Value) -> str:
    """Return the format of a dlarray, '' if it is unlabelled."""
    return x._format or ""


def described(x: Value) -> str:
    """Return shape and format of an argument, for a message."""
    return f"shape {x.shape}" + (f" and format {x._format!r}" if x._format else "")


def in_order(function: str, name: str, x: Value, order: str, words: str) -> Value:
    """Return an operand with its dimensions in the documented order, unlabelled.

    Without a format it has that order. With one, its labels say which dimension is which.

    Parameters
    ----------
    function, name : str
        For messages.
    x : dlarray
    order : str
        The labels, in the documented order.
    words : str
        What the dimensions are.

    Raises
    ------
    FormatClashError
        If `x` has other labels.

    Examples
    --------
    >>> import dlgradient as dl
    >>> in_order("f", "weights", dl.dlarray([[1.0, 2.0]], "CU"), "UC", "rows × columns").shape
    (2, 1)
    """
    fmt = x._format
    if fmt is None:
        return x
    if sorted(fmt) != sorted(order):
        raise FormatClashError(
            f"{function}: {name} has {described(x)}; its labels must be those of {order!r} "
            f"({words}), in any order; for an array in this order without labels write "
            f"stripdims({name})"
        )
    return rearranged(x, fmt, order)


def check_vector(function: str, name: str, x: Value) -> None:
    """Refuse a format of several dimensions for an operand that is read as a vector."""
    if x._format and prod(x.shape) != max(x.shape):
        raise FormatClashError(
            f"{function}: {name} has {described(x)}, but it is read as a vector; only one of its "
            "dimensions may have a size other than one"
        )


# -- dimensions ----------------------------------------------------------------------------------


def axes_of(x: Value, labels: str) -> Axes:
    """Return the dimensions of a dlarray with a format that have one of `labels`."""
    return tuple([i for i, c in enumerate(format_of(x)) if c in labels])


def channel_axis(function: str, x: Value) -> int:
    """Return the dimension of the channels of an array with a format."""
    found = axes_of(x, "C")
    if not found:
        raise FormatError(
            f"{function}: x of shape {x.shape} has the format {x._format!r}, without the dimension "
            "'C' that it works along; label it, or give axis="
        )
    return found[0]


def rearranged(x: Value, have: str, want: str) -> Value:
    """Permute an array of dimensions `have` to `want`, with size one where it lacks a label.

    The result is unlabelled; a raw array stays raw.

    Raises
    ------
    FormatClashError
        If `have` has labels that `want` does not have.

    Examples
    --------
    >>> import dlgradient as dl
    >>> rearranged(dl.dlarray([[1.0, 2.0, 3.0]]), "TC", "BCT").shape
    (1, 3, 1)
    """
    order, new = placement(have, want)
    if type(x) is calls.dlarray:
        x = unlabelled(x)
    if order != tuple(range(len(order))):
        x = permute_dims(x, axes=order)
    return expand_dims(x, axis=new) if new else x


def restored(x: Value, have: str, want: str) -> Value:
    """Undo `rearranged`: drop dimensions that `want` lacks, all of size one, and permute.

    The result is unlabelled.

    Examples
    --------
    >>> import dlgradient as dl
    >>> restored(dl.dlarray([[[1.0], [2.0], [3.0]]]), "BCT", "TC").shape
    (1, 3)
    """
    order, gone = placement(want, have)
    back = tuple([order.index(i) for i in range(len(order))])
    if type(x) is calls.dlarray:
        x = unlabelled(x)
    if gone:
        x = squeeze(x, axis=gone)
    return x if back == tuple(range(len(back))) else permute_dims(x, axes=back)


# -- values --------------------------------------------------------------------------------------


def floating(x: Value, *others: Operand | None) -> Value:
    """Return an operand in floating point: all deep-learning functions compute in it.

    Integers and logical values take the real dtype of the `others`, float64 if none of them is
    floating. In their own dtype, small ones such as pixels would wrap around.
    """
    if x.dtype.kind in "fc":
        return x
    arrays = (calls.dlarray, np.ndarray, np.float32, np.complex64)  # other scalars are weak
    found = [y.dtype for y in others if isinstance(y, arrays) and y.dtype.kind in "fc"]
    return astype(x, np.finfo(np.result_type(*found)).dtype if found else np.dtype(np.float64))
