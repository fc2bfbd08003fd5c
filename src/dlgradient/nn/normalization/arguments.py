"""Operands of a normalisation: the data with its labels, and parameters brought beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.formats import placement
from dlgradient.core.values import PYTHON_SCALARS, as_value
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    InvalidArgumentError,
    ShapeMismatchError,
    UnsupportedDtypeError,
)
from dlgradient.nn.shared.arguments import axes_of, finished, floating, formatted
from dlgradient.ops.shape import expand_dims, permute_dims, reshape

__all__ = ["bare", "labelled", "opened", "parameter"]


def opened(function: str, x: Any, data_format: str | None, epsilon: float) -> tuple[Any, bool]:
    """Return x with its format, checked; and whether the result is to be unformatted."""
    x, strip = formatted(function, x, data_format)
    if "C" not in x._format:
        raise FormatError(
            f"{function}: x of shape {x.shape} has the format {x._format!r} without a channel "
            "dimension 'C'; label the dimension that offset and scale belong to with C"
        )
    if x.dtype.kind == "c":
        raise UnsupportedDtypeError(
            f"{function}: x of shape {x.shape} has dtype {x.dtype}; normalisation is defined for "
            "real values, take real and imag as channels of their own"
        )
    if not epsilon >= 0:
        raise InvalidArgumentError(f"{function}: epsilon must not be negative, it is {epsilon!r}")
    return floating(x), strip


def bare(x: Any) -> Any:
    """Take the labels off, for operations by position."""
    return calls.wrap(x._value, x._node)


def parameter(function: str, name: str, p: Any, x: Any, labels: str = "C") -> Any:
    """Return a parameter without labels, in as many dimensions as x.

    It has one value for each channel (or one value in all), or, with labels of its own, the sizes
    of the dimensions that carry one of `labels`.
    """
    channel = axes_of(x, "C")[0]
    if type(p) in PYTHON_SCALARS:
        # Python scalars are weak: they do not make single precision double.
        return np.full((1,) * x.ndim, p, x.dtype if x.dtype.kind == "f" else np.float64)
    if type(p) is not calls.dlarray:
        p = as_value(p, f"{function}: {name}")
    allowed = tuple([n if c in labels else 1 for c, n in zip(x._format, x.shape, strict=True)])
    if type(p) is calls.dlarray and p._format is not None:
        try:
            order, new = placement(p._format, x._format)
        except FormatClashError as error:
            raise FormatClashError(
                f"{function}: {name} has the format {p._format!r}, x {x._format!r}; {name} may "
                "only have labels that x has"
            ) from error
        given = p.shape
        p = bare(p)
        if order != tuple(range(len(order))):
            p = permute_dims(p, axes=order)
        p = expand_dims(p, axis=new) if new else p
        if any(size not in (1, most) for size, most in zip(p.shape, allowed, strict=True)):
            raise _misfit(function, name, given, x, allowed)
        return p
    size = int(np.prod(p.shape, dtype=int))
    if size not in (1, x.shape[channel]):
        raise _misfit(function, name, p.shape, x, allowed)
    shape = tuple([size if i == channel else 1 for i in range(x.ndim)])
    return p if p.shape == shape else reshape(p, shape)


def _misfit(function: str, name: str, shape: Any, x: Any, allowed: Any) -> ShapeMismatchError:
    channel = axes_of(x, "C")[0]
    return ShapeMismatchError(
        f"{function}: {name} has shape {shape}, x has shape {x.shape} and format {x._format!r}; "
        f"{name} must have one value for each of the {x.shape[channel]} channels, or labels of its "
        f"own and sizes of {allowed}"
    )


def labelled(y: Any, x: Any, strip: bool) -> Any:
    """Give a result of the shape of x the format of x, unless x had none."""
    return finished(calls.wrap(y._value, y._node, x._format), strip)
