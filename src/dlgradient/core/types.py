"""Names of the types in signatures: one name for each kind of argument.

What an argument of a kind may be is in `dlgradient.core.kinds`, which checks it.

A value that is dynamic by nature has a name too, so that a signature says what is meant. A raw
value is an array or a NumPy scalar; a cotangent is raw in a raw walk, and a dlarray in a traced
one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    ParamSpec,
    Protocol,
    TypeAlias,
    TypeVar,
)

import numpy as np

from dlgradient.core.kinds import (
    ARRAY,
    AXES,
    DLARRAY,
    DTYPE,
    FORMAT,
    GENERATOR,
    ORDER,
    SHAPE,
    integer,
    integers,
    lengths,
    number,
    numbers,
)

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    # The only imports upwards: a type checker needs the classes. No code runs for them.
    from dlgradient.core.declaration import Op
    from dlgradient.core.graph import Node
    from dlgradient.core.trace import Trace
    from dlgradient.engine.array import dlarray

    # What operations return, and what rules compute with: a dlarray, or in the raw walk an array
    # with the same operators. With `Any` the raw one passes; a name that dlarray does not have is
    # still reported.
    Value: TypeAlias = dlarray | Any
    # What operations take: a dlarray, an array, a scalar or a nested sequence. Not `ArrayLike`: to
    # a kernel the operand is an array, and most members of that union have no attributes.
    Operand: TypeAlias = dlarray | Any
    # The argument ``dtype=``; None is the default. And one that must be given.
    DtypeLike: TypeAlias = DTypeLike | None
    TargetDtype: TypeAlias = DTypeLike
    Dlarray: TypeAlias = dlarray
    # Where random numbers come from: a generator that goes on, a seed, or fresh entropy.
    Generator: TypeAlias = np.random.Generator | int | None
else:
    Value = Op = Node = Trace = Any
    Operand = Annotated[Any, ARRAY]
    TargetDtype = Annotated[Any, DTYPE]
    DtypeLike = TargetDtype | None
    Dlarray = Annotated[Any, DLARRAY]
    Generator = Annotated[Any, GENERATOR]  # an import must not load numpy.random

__all__ = [
    "Array",
    "Axes",
    "Axis",
    "AxisLike",
    "Container",
    "Cotangent",
    "Count",
    "Counterpart",
    "Counts",
    "Decay",
    "Declarer",
    "Device",
    "Dlarray",
    "Dtype",
    "DtypeLike",
    "Format",
    "FormatRule",
    "Formats",
    "Function",
    "Generator",
    "Kernel",
    "Key",
    "Lengths",
    "Node",
    "NonNegative",
    "Op",
    "Operand",
    "P",
    "Params",
    "Parent",
    "Positive",
    "Positives",
    "Probability",
    "R",
    "RawValue",
    "Rule",
    "Shape",
    "ShapeLike",
    "Shapes",
    "Size",
    "Sizes",
    "Tangent",
    "TargetDtype",
    "Trace",
    "Value",
]

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]  # a raw array of any number of dimensions
RawValue: TypeAlias = Any  # a raw array, a NumPy scalar, or as an operand a Python scalar
Dtype: TypeAlias = np.dtype[Any]
Shape: TypeAlias = Annotated[tuple[int, ...], ORDER]
Shapes: TypeAlias = Sequence[Shape]
ShapeLike: TypeAlias = Annotated[int | Sequence[int], SHAPE]  # as users give it
Axis: TypeAlias = int
# Not negative, unless a docstring says otherwise.
Axes: TypeAlias = Annotated[tuple[int, ...], ORDER]
# As users give it; None for all dimensions.
AxisLike: TypeAlias = Annotated[int | tuple[int, ...] | None, AXES]
# One for each dimension of a transform.
Lengths: TypeAlias = Annotated[Sequence[int], lengths(1)]
# One integer for all dimensions that a window slides over, or one for each.
Counts: TypeAlias = Annotated[int | Sequence[int], integers(1)]
Sizes: TypeAlias = Annotated[int | Sequence[int], integers(0)]
# Numbers of a thing, and sizes that may be zero.
Count: TypeAlias = Annotated[int, integer(1)]
Size: TypeAlias = Annotated[int, integer(0)]
# Real numbers in an interval; ``float`` is any finite one.
Positive: TypeAlias = Annotated[float, number(above=0)]
Positives: TypeAlias = Annotated[float | Sequence[float], numbers(number(above=0))]
NonNegative: TypeAlias = Annotated[float, number(0)]
Decay: TypeAlias = Annotated[float, number(0, below=1)]
Probability: TypeAlias = Annotated[float, number(0, most=1)]
Format: TypeAlias = Annotated[str | None, FORMAT]  # a data format; None for an unlabelled array
Formats: TypeAlias = Sequence[Format]
Key: TypeAlias = Any  # the index in x[...]
Params: TypeAlias = dict[str, Any]  # parameters of a call, by name
Device: TypeAlias = Literal["cpu"] | None
Container: TypeAlias = Any  # a leaf, or a container of leaves at any depth

Function: TypeAlias = Callable[..., Any]
Counterpart: TypeAlias = Function | tuple[Function, ...] | None  # in NumPy, under one name or more
Kernel: TypeAlias = Callable[..., Any]  # a function of raw arrays
Rule: TypeAlias = Callable[..., Any]  # what an author writes: rule(g, *what it names)
# The format of a result, or of each result.
FormatRule: TypeAlias = Callable[[Formats, Shapes, Params], Any]

# Raw values in a raw walk, dlarrays in a traced one.
Cotangent: TypeAlias = Any
Tangent: TypeAlias = Any
Parent: TypeAlias = Any  # of a node, for one operand: its node, or its raw value if it is constant

P = ParamSpec("P")
R = TypeVar("R")


class Declarer(Protocol):
    """A decorator that keeps the signature of the function it declares."""

    def __call__(self, function: Callable[P, R], /) -> Callable[P, R]:
        """Declare `function`."""
