"""Operands of a normalisation: the data, and parameters with equally many dimensions."""

from __future__ import annotations

from math import prod

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import labelled
from dlgradient.core.types import Format, Operand, Shape, Value
from dlgradient.core.values import WEAK_SCALARS, as_value
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    ShapeMismatchError,
)
from dlgradient.nn.shared.arguments import (
    axes_of,
    finished,
    floating,
    format_of,
    formatted,
    rearranged,
)
from dlgradient.ops.shape import reshape

__all__ = ["like_operand", "operand", "parameter"]


def operand(
    function: str, x: Operand, data_format: Format, *others: Operand | None
) -> tuple[Value, bool]:
    """Return x with its format, checked, and whether to unlabel the result."""
    array, strip = formatted(function, x, data_format, *others)
    if "C" not in format_of(array):
        raise FormatError(
            f"{function}: x of shape {array.shape} has the format {array._format!r} without a "
            "channel dimension 'C'; label the dimension that offset and scale belong to with C"
        )
    return array, strip


def like_operand(y: Value, x: Value, strip: bool) -> Value:
    """Give a result with the shape of x the format of x, unless x had none."""
    return finished(labelled(y, x._format), strip)


def parameter(function: str, name: str, p: Operand, x: Value, labels: str = "C") -> Value:
    """Return a parameter, unlabelled, with as many dimensions as x.

    It has one value for each channel, or one value in all. With a format, it has the sizes of the
    dimensions that have one of `labels`.
    """
    fmt, (channel, *_) = format_of(x), axes_of(x, "C")
    if type(p) in WEAK_SCALARS:
        return np.full((1,) * x.ndim, p, x.dtype)
    # A constant stays a raw array, whose reshape is cheaper (row norms).
    given = p if type(p) is calls.dlarray else as_value(p, f"{function}: {name}")
    given = floating(given, x)
    allowed = tuple([n if c in labels else 1 for c, n in zip(fmt, x.shape, strict=True)])
    own = given._format if type(given) is calls.dlarray else None
    if own is not None:
        try:
            found = rearranged(given, own, fmt)
        except FormatClashError as error:
            raise FormatClashError(
                f"{function}: {name} has the format {own!r}, x {fmt!r}; {name} may only have "
                "labels that x has"
            ) from error
        if any(size not in (1, most) for size, most in zip(found.shape, allowed, strict=True)):
            raise _misfit(function, name, given.shape, x, allowed)
        return found
    size = prod(given.shape)
    if size not in (1, x.shape[channel]):
        raise _misfit(function, name, given.shape, x, allowed)
    shape = tuple([size if axis == channel else 1 for axis in range(x.ndim)])
    return given if given.shape == shape else reshape(given, shape)


def _misfit(function: str, name: str, shape: Shape, x: Value, allowed: Shape) -> ShapeMismatchError:
    channels = x.shape[axes_of(x, "C")[0]]
    return ShapeMismatchError(
        f"{function}: {name} has shape {shape}, x has shape {x.shape} and format {x._format!r}; "
        f"{name} must have one value for each of the {channels} channels, or labels of its own and "
        f"sizes of {allowed}"
    )
