"""The sizes and the format of an array that a layer will get."""

from __future__ import annotations

import math

import numpy as np

from dlgradient.core.attributes import AnswersByName
from dlgradient.core.records import record
from dlgradient.core.types import Format, Shape, Value
from dlgradient.engine.array import dlarray
from dlgradient.errors import FormatClashError

__all__ = ["Layout"]


def format_of(x: Value) -> str:
    """Return the format of an operand of a layer; layers need one."""
    fmt: str | None = getattr(x, "_format", None)
    if fmt is None:
        raise FormatClashError(
            f"an input of shape {x.shape} has no format; give the data one with dlarray(x, fmt), "
            "or begin the network with an input layer"
        )
    return fmt


@record("layers.Layout", frozen=True)
class Layout(AnswersByName):
    """Sizes and format of an input, which `Layer.initialize` gets.

    Attributes
    ----------
    size : tuple of int
        Size of each dimension. Those that may vary, such as that of the batch, are examples.
    format : str or None
        A label for each dimension; None for an unlabelled array.

    Examples
    --------
    >>> x = dl.layers.Layout((28, 28, 3, 1), "SSCB")
    >>> x.size_of("C"), x.size_of("S")
    (3, 784)
    """

    _page = "reference/networks.html"

    size: Shape
    format: Format

    @classmethod
    def of(cls, x: Value) -> Layout:
        """Return the layout of an array."""
        return cls(np.shape(x), getattr(x, "_format", None))

    def size_of(self, labels: str) -> int:
        """Return the product of the sizes of all dimensions with one of these labels.

        Raises
        ------
        FormatClashError
            If there is no such dimension.
        """
        found = [
            n
            for n, label in zip(self.size, self.format or "", strict=bool(self.format))
            if label in labels
        ]
        if not found:
            fix = (
                "the layer before it, or the input layer, must give one"
                if self.format
                else "give the data a format, as in dlarray(x, 'BC'), or begin with an input layer"
            )
            raise FormatClashError(f"an input of {self} has no dimension {labels!r}; {fix}")
        return math.prod(found)

    def example(self) -> Value:
        """Return zeros of this layout."""
        return dlarray(np.zeros(self.size, np.float32), self.format)

    def __str__(self) -> str:
        return f"shape {self.size} and format {self.format!r}"
