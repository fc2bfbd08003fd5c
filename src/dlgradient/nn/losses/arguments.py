"""What the losses share: targets that fit, masks, weights, and the sum that remains.

Targets must have the size and the labels of the predictions; they are never broadcast. Masks and
weights may lack labels, or have size one, where they do not vary.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dlgradient.core.formats import checked_format
from dlgradient.errors import FormatClashError, InvalidArgumentError, ShapeMismatchError
from dlgradient.nn.shared.arguments import (
    as_array,
    axes_of,
    described,
    finished,
    formatted,
    labelled,
    rearranged,
    unlabelled,
)
from dlgradient.ops.casting import astype
from dlgradient.ops.choice import where
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.shape import expand_dims

__all__ = ["Loss", "batch_size"]

FACTORS = ("batch-size", "all-elements", "mask-included", "none")


def batch_size(x: Any) -> int:
    """Number of observations in a formatted array; one without 'B', and for an empty batch."""
    axes = axes_of(x, "B")
    return max(x.shape[axes[0]], 1) if axes else 1


class Loss:
    """Predictions and targets of one loss, in one order and without formats.

    Parameters
    ----------
    function : str
        Name for messages.
    y, targets : array
        Predictions, with a format or with `data_format`, and targets.
    data_format : str or None

    Attributes
    ----------
    y, t : dlarray
        Without formats, of the same shape.
    fmt : str
        Format of both.
    """

    def __init__(self, function: str, y: Any, targets: Any, data_format: str | None) -> None:
        self.function = function
        self.labelled, self.strip = formatted(function, y, data_format)
        self.fmt: str = self.labelled._format or ""
        self.y = unlabelled(self.labelled)
        self.t = self.like_y("targets", targets)

    def like_y(self, name: str, targets: Any) -> Any:
        """Return an array of the labels and sizes of the predictions, in their order.

        Integers take the dtype of the predictions.
        """
        t = as_array(self.function, name, targets)
        both = f"the predictions have {described(self.labelled)}, {name} {described(t)}"
        if t._format is not None:
            if sorted(t._format) != sorted(self.fmt):
                raise FormatClashError(
                    f"{self.function}: {both}; they must have the same labels, in any order"
                )
            t = rearranged(t, t._format, self.fmt)
        if t.shape != self.y.shape:
            raise ShapeMismatchError(
                f"{self.function}: {both}; they must have the same sizes: targets are never "
                "broadcast"
            )
        if t.dtype.kind in "iub" and self.y.dtype.kind == "f":
            t = astype(t, self.y.dtype)  # one-hot integers do not make single precision double
        return unlabelled(t)

    def beside_y(self, name: str, x: Any, fmt: str | None = None) -> Any:
        """Return a mask or weights, which may lack labels or have size one."""
        x = as_array(self.function, name, x)
        if fmt is not None and x._format is None:
            fmt = checked_format(fmt, x.shape, f"{self.function}: {name}")
            x = labelled(x, fmt)
        both = f"the predictions have {described(self.labelled)}, {name} {described(x)}"
        if x._format is not None:
            missing = [c for c in set(x._format) if x._format.count(c) > self.fmt.count(c)]
            if missing:
                raise FormatClashError(
                    f"{self.function}: {both}; the predictions do not have {', '.join(missing)}"
                )
            x = rearranged(x, x._format, self.fmt)
        elif x.ndim and x.ndim != self.y.ndim:
            raise FormatClashError(
                f"{self.function}: {both}; give {name} a format with dlarray(x, fmt)"
            )
        if x.ndim and any(n not in (1, m) for n, m in zip(x.shape, self.y.shape, strict=True)):
            raise ShapeMismatchError(f"{self.function}: {both}; each size must be equal, or one")
        return unlabelled(x)

    @property
    def channels(self) -> int:
        """Position of the channels."""
        self.require_channels()
        return self.fmt.index("C")

    def require_channels(self) -> None:
        """Refuse predictions without the dimension of the classes."""
        if "C" not in self.fmt:
            raise FormatClashError(
                f"{self.function}: the predictions have {described(self.labelled)}; the dimension "
                "'C' of the classes is missing"
            )

    def per_line(self, name: str, x: Any) -> Any:
        """Return an array with one value for all channels, as indices are: 'C' has size one."""
        axis = self.channels
        x = as_array(self.function, name, x)
        lines = self.y.shape[:axis] + self.y.shape[axis + 1 :]
        if x._format is None and x.shape == lines:
            return expand_dims(x, axis=axis)
        wanted = (*self.y.shape[:axis], 1, *self.y.shape[axis + 1 :])
        both = (
            f"the predictions have {described(self.labelled)}, {name} {described(x)}; they must be "
            f"equal but for 'C', which {name} must not have, or with size one"
        )
        if x._format is not None:
            if sorted(x._format.replace("C", "")) != sorted(self.fmt.replace("C", "")):
                raise FormatClashError(f"{self.function}: {both}")
            x = rearranged(x, x._format, self.fmt)
        if x.shape != wanted:
            raise ShapeMismatchError(f"{self.function}: {both}")
        return x

    def mask(self, mask: Any) -> Any:
        """Return the mask as bools beside the predictions; None for none."""
        if mask is None:
            return None
        m = self.beside_y("mask", mask)
        return m if m.dtype.kind == "b" else astype(m, bool)

    def reduced(
        self,
        loss: Any,
        mask: Any,
        weights: Any,
        reduction: str,
        factor: str,
        weights_format: str | None = None,
    ) -> Any:
        """Weight, mask, sum and normalise a loss of the shape of the predictions."""
        check_choices(self.function, reduction, factor)
        if weights is not None:
            loss = loss * self.beside_y("weights", weights, weights_format)
        m = self.mask(mask)
        if m is not None:
            loss = where(m, loss, 0)
        if reduction == "none":
            return finished(labelled(loss, self.fmt), self.strip)
        return sum_(loss) / self.divisor(factor, m)

    def divisor(self, factor: str, mask: Any) -> int:
        """Return the number that the sum is divided by, never zero."""
        if factor == "batch-size":
            return batch_size(self.labelled)
        if factor == "none":
            return 1
        shape = self.y.shape
        if factor == "all-elements" or mask is None:
            return max(int(np.prod(shape)), 1)
        return max(int(np.count_nonzero(np.broadcast_to(mask._value, shape))), 1)


def check_choices(function: str, reduction: str, factor: str) -> None:
    """Refuse a reduction or normalisation that does not exist."""
    if reduction not in ("sum", "none"):
        raise InvalidArgumentError(
            f"{function}: reduction must be 'sum' or 'none', not {reduction!r}"
        )
    if factor not in FACTORS:
        raise InvalidArgumentError(
            f"{function}: normalization_factor must be one of {', '.join(map(repr, FACTORS))}, not "
            f"{factor!r}"
        )
