"""Arguments that losses share: targets, masks and weights, and the sum at the end.

Targets must have the sizes and the labels of the predictions; they are never broadcast. Masks and
weights may lack labels, or have size one, where they do not vary.
"""

from __future__ import annotations

from math import prod
from typing import Literal, TypeAlias

import numpy as np

from dlgradient.core.calls import labelled, unlabelled
from dlgradient.core.domain import refuse_complex
from dlgradient.core.formats import checked_format
from dlgradient.core.types import Axis, Format, Operand, Shape, Value
from dlgradient.errors import FormatClashError, ShapeMismatchError
from dlgradient.nn.shared.arguments import (
    as_array,
    axes_of,
    described,
    finished,
    formatted,
    raw_value,
    rearranged,
)
from dlgradient.nn.shared.pairs import partner
from dlgradient.ops.casting import astype
from dlgradient.ops.choice import where
from dlgradient.ops.reduce import sum as sum_
from dlgradient.ops.shape import expand_dims

__all__ = ["Factor", "Loss", "Reduction", "batch_size"]

Reduction: TypeAlias = Literal["sum", "none"]
Factor: TypeAlias = Literal["batch-size", "all-elements", "mask-included", "none"]


def batch_size(x: Value) -> int:
    """Return the number of observations: one without 'B', and for an empty batch."""
    axes = axes_of(x, "B")
    return max(x.shape[axes[0]], 1) if axes else 1


class Loss:
    """Predictions and targets of a loss, in one order and unlabelled, with the options of its sum.

    Parameters
    ----------
    function : str
        Its name in messages.
    y : array
        Predictions, with a format or with `data_format`.
    targets : array or None
        With the sizes of `y`; None for a loss whose targets have no channels (see `line_values`).
    *others : array or None
        More operands, for the dtype of integers.
    mask, weights, weights_format, reduction, normalization_factor
        As users give them.

    Attributes
    ----------
    labelled : dlarray
        Predictions with their format.
    fmt : str
        Format of the predictions.
    y, t : dlarray
        Predictions and targets, unlabelled.
    mask, weights : dlarray or None
        Unlabelled; they broadcast to `y`.
    """

    def __init__(
        self,
        function: str,
        y: Operand,
        targets: Operand | None,
        data_format: Format,
        *others: Operand | None,
        mask: Operand | None = None,
        weights: Operand | None = None,
        weights_format: Format = None,
        reduction: Reduction = "sum",
        normalization_factor: str = "batch-size",
    ) -> None:
        refuse_complex(function, weights=weights)
        self.function, self.reduction, self.factor = function, reduction, normalization_factor
        self.labelled, self.strip = formatted(function, y, data_format, targets, weights, *others)
        self.fmt = self.labelled._format or ""
        self.y = unlabelled(self.labelled)
        self.t: Value = None if targets is None else self.partner("targets", targets)
        self.mask = self.weights = None
        if weights is not None:
            w = as_array(function, "weights", weights, self.y)
            self.weights = self._broadcast("weights", w, weights_format)
        if mask is not None:
            m = self._broadcast("mask", as_array(function, "mask", mask), None)
            self.mask = m if m.dtype.kind == "b" else astype(m, bool)

    # -- operands --------------------------------------------------------------------------------

    def partner(self, name: str, given: Operand) -> Value:
        """Return an array with the labels and sizes of the predictions, in their order."""
        return partner(self.function, self.labelled, name, given)

    def _broadcast(self, name: str, x: Value, fmt: Format) -> Value:
        """Return a mask or weights, which may lack labels or have size one."""
        if fmt is not None and x._format is None:
            x = labelled(x, checked_format(fmt, x.shape, f"{self.function}: {name}"))
        both = f"the predictions have {described(self.labelled)}, {name} {described(x)}"
        own = x._format
        if own is not None:
            missing = [c for c in set(own) if own.count(c) > self.fmt.count(c)]
            if missing:
                raise FormatClashError(
                    f"{self.function}: {both}; the predictions do not have {', '.join(missing)}"
                )
            x = rearranged(x, own, self.fmt)
        elif x.ndim and x.ndim != self.y.ndim:
            raise FormatClashError(
                f"{self.function}: {both}; give {name} a format with dlarray(x, fmt)"
            )
        if x.ndim and any(n not in (1, m) for n, m in zip(x.shape, self.y.shape, strict=True)):
            raise ShapeMismatchError(f"{self.function}: {both}; each size must be equal, or one")
        return unlabelled(x)

    def line_values(self, name: str, given: Operand) -> Value:
        """Return an array with one value for all channels, such as indices: 'C' has size one."""
        axis = self.channels
        x = as_array(self.function, name, given)
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
        return unlabelled(x)

    @property
    def channels(self) -> Axis:
        """Dimension of the channels."""
        if "C" not in self.fmt:
            raise FormatClashError(
                f"{self.function}: the predictions have {described(self.labelled)}; the dimension "
                "'C' of the classes is missing"
            )
        return self.fmt.index("C")

    # -- results ---------------------------------------------------------------------------------

    def reduced(self, values: Value) -> Value:
        """Weight, mask, sum and normalise a loss of the shape of the predictions."""
        if self.weights is not None:
            values = values * self.weights
        if self.mask is not None:
            # A choice, since what is masked may be NaN, and NaN times zero is NaN.
            values = where(self.mask, values, 0)
        if self.reduction == "none":
            return finished(labelled(values, self.fmt), self.strip)
        return sum_(values) / self.divisor(self.mask, self.y.shape)

    def divisor(self, mask: Value | None, shape: Shape) -> int:
        """Return the number that a sum over `shape` is divided by, never zero."""
        if self.factor == "batch-size":
            return batch_size(self.labelled)
        if self.factor == "none":
            return 1
        if self.factor == "nonzero-targets":
            counts = raw_value(self.t) != 0
            return max(
                int(np.count_nonzero(counts if mask is None else counts & raw_value(mask))), 1
            )
        if self.factor == "all-elements" or mask is None:
            return max(prod(shape), 1)
        return max(int(np.count_nonzero(np.broadcast_to(raw_value(mask), shape))), 1)
