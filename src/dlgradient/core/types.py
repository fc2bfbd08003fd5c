"""Names of the types that signatures use: one name for each kind of argument."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Protocol, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    # The only look upwards: a checker needs the class that users see, and no code runs for it.
    from dlgradient.engine.array import dlarray

    # What operations return, and what rules compute with: a dlarray, or in the raw walk an array
    # that computes in the same way. `Any` lets the raw one pass; a name that no dlarray has is
    # still reported.
    Value: TypeAlias = dlarray | Any
    # What operations take: a dlarray, an array, a scalar or a nested sequence. Not `ArrayLike`: to
    # a kernel the operand is an array, and most members of that union have no attributes.
    Operand: TypeAlias = dlarray | Any
    # What `dtype=` takes; None is the default.
    DtypeLike: TypeAlias = DTypeLike | None
else:
    Value = Operand = DtypeLike = Any

__all__ = [
    "Array",
    "Axes",
    "Axis",
    "AxisLike",
    "Declarer",
    "Device",
    "Dtype",
    "DtypeLike",
    "Format",
    "Formats",
    "Kernel",
    "Key",
    "Operand",
    "Params",
    "Shape",
    "ShapeLike",
    "Shapes",
    "Value",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]  # a raw array of any number of dimensions
Dtype: TypeAlias = np.dtype[Any]
Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = Sequence[Shape]
ShapeLike: TypeAlias = int | Sequence[int]  # as users give it
Axis: TypeAlias = int
Axes: TypeAlias = tuple[int, ...]  # not negative, unless a docstring says otherwise
AxisLike: TypeAlias = int | tuple[int, ...] | None  # as users give it; None for all dimensions
Format: TypeAlias = str | None  # a data format; None for an unformatted array
Formats: TypeAlias = Sequence[Format]
Key: TypeAlias = Any  # what is written between the brackets of x[...]
Params: TypeAlias = dict[str, Any]  # static parameters of a call, by name
Device: TypeAlias = Literal["cpu"] | None
Kernel: TypeAlias = Callable[..., Any]  # a function of raw arrays

P = ParamSpec("P")
R = TypeVar("R")


class Declarer(Protocol):
    """A decorator that keeps the signature of the function it declares."""

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]:
        """Declare `function`."""
