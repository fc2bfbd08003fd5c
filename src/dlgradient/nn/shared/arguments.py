"""What the deep-learning functions share: the data format of their first operand.

A function here names dimensions by label. It takes a formatted dlarray, whose result is formatted,
or an unformatted array with ``data_format=``, whose result is unformatted with the same order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlgradient.core import calls
from dlgradient.core.formats import checked_format
from dlgradient.core.values import as_value
from dlgradient.errors import FormatClashError, FormatError, InvalidArgumentError

__all__ = ["axes_of", "check_number", "finished", "floating", "formatted", "is_traced"]


def formatted(function: str, x: Any, data_format: str | None) -> tuple[Any, bool]:
    """Return `x` as a dlarray with a format, and whether the result is to be stripped of its own.

    Raises
    ------
    FormatError
        If `x` has no format and `data_format` is not given, or does not fit.
    FormatClashError
        If both say different things.
    """
    if type(x) is not calls.dlarray:
        x = calls.wrap(as_value(x, f"{function}: x"), None)
    if x._format is not None:
        if data_format is not None and data_format.upper() != x._format:
            raise FormatClashError(
                f"{function}: x has the format {x._format!r}, data_format says {data_format!r}; "
                "leave data_format away, or take the labels off with stripdims"
            )
        return x, False
    if data_format is None:
        raise FormatError(
            f"{function}: x of shape {x.shape} {x.dtype} has no data format; make it "
            "dlarray(x, fmt), or give data_format=, with one of 'S', 'C', 'B', 'T', 'U' for each "
            "dimension"
        )
    fmt = checked_format(data_format, x.shape, function)
    return calls.wrap(x._value, x._node, fmt), True


def finished(y: Any, strip: bool) -> Any:
    """Return a result, without its format if the operand had none."""
    return calls.wrap(y._value, y._node) if strip else y


def axes_of(x: Any, labels: str) -> tuple[int, ...]:
    """Positions of the dimensions of a formatted dlarray that carry one of `labels`."""
    return tuple([i for i, c in enumerate(x._format) if c in labels])


def check_number(function: str, name: str, value: Any, least: float = -np.inf) -> None:
    """Refuse a static parameter that is no finite number from `least` on."""
    if not isinstance(value, int | float | np.floating | np.integer) or not (
        least <= value < np.inf
    ):
        at_least = "" if least == -np.inf else f" of at least {least}"
        raise InvalidArgumentError(
            f"{function}: {name} must be a finite number{at_least}, not {value!r}"
            + ("; a learnable slope is the second operand of prelu" if name == "scale" else "")
        )


def floating(x: Any) -> Any:
    """Return integers as float64: small ones, as of images, would overflow in sums and products."""
    if x.dtype.kind in "fc":
        return x
    return calls.wrap(x._value.astype(np.float64), None, x._format)


def is_traced(values: Sequence[Any]) -> bool:
    """Return whether a rule needs operations: its operands are traced, or the cotangent complex."""
    return any(
        type(value) is calls.dlarray or (value is not None and value.dtype.kind == "c")
        for value in values
    )
