"""Names of the types that signatures use: one name for each kind of argument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    # The only look upwards: a checker needs the class that users see, and no code runs for it.
    from dlgradient.engine.array import dlarray

    # What operations return: a dlarray, or in the raw walk an array that computes in the same way.
    Value: TypeAlias = dlarray
    # What operations take.
    Operand: TypeAlias = dlarray | ArrayLike
else:
    Value = Operand = Any

__all__ = [
    "Array",
    "Axes",
    "Axis",
    "Declarer",
    "Dtype",
    "Format",
    "Formats",
    "Kernel",
    "Operand",
    "Shape",
    "Shapes",
    "Value",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]  # a raw array of any number of dimensions
Dtype: TypeAlias = np.dtype[Any]
Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = Sequence[Shape]
Axis: TypeAlias = int
Axes: TypeAlias = tuple[int, ...]  # not negative, unless a docstring says otherwise
Format: TypeAlias = str | None  # a data format; None for an unformatted array
Formats: TypeAlias = Sequence[Format]
Kernel: TypeAlias = Callable[..., Any]  # a function of raw arrays

P = ParamSpec("P")
R = TypeVar("R")


class Declarer(Protocol):
    """A decorator that keeps the signature of the function it declares."""

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]:
        """Declare `function`."""
