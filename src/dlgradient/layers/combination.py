"""Layers of several inputs: sums, products, and arrays joined along a dimension."""

from __future__ import annotations

from functools import reduce
from typing import Annotated

from dlgradient.core.kinds import integer
from dlgradient.core.types import Value
from dlgradient.errors import FormatClashError
from dlgradient.layers.layer import Layer, numbered
from dlgradient.layers.layout import format_of
from dlgradient.ops.arithmetic import add, multiply
from dlgradient.ops.join import concat

__all__ = ["Addition", "Concatenation", "DepthConcatenation", "Multiplication"]

Several = Annotated[int, integer(2)]


class _Combination(Layer):
    """A layer whose inputs are numbered from 1."""

    num_inputs: Several

    def __post_init__(self) -> None:
        self.input_names = numbered("in", self.num_inputs)


class Addition(_Combination):
    """The sum of its inputs.

    Parameters
    ----------
    num_inputs : int
        They are called "in1", "in2", ...

    Examples
    --------
    >>> dl.layers.Addition(2).predict(dl.dlarray([1.0]), dl.dlarray([2.0]))
    dlarray([3.])

    Source: MATLAB ``additionLayer``.
    """

    def predict(self, *xs: Value) -> Value:
        """Return the sum."""
        return reduce(add, xs)


class Multiplication(_Combination):
    """The product of its inputs, element by element.

    Parameters
    ----------
    num_inputs : int
        They are called "in1", "in2", ...

    Examples
    --------
    >>> dl.layers.Multiplication(2).predict(dl.dlarray([2.0]), dl.dlarray([3.0]))
    dlarray([6.])

    Source: MATLAB ``multiplicationLayer``.
    """

    def predict(self, *xs: Value) -> Value:
        """Return the product."""
        return reduce(multiply, xs)


class Concatenation(Layer):
    """Its inputs, one after the other, along a dimension.

    Parameters
    ----------
    dimension : str
        A label, such as "C"; "S2" is the second of the dimensions 'S'.
    num_inputs : int
        They are called "in1", "in2", ...

    Examples
    --------
    >>> x = dl.dlarray([[1.0, 2.0]], "BC")
    >>> dl.layers.Concatenation("C", 2).predict(x, x)
    dlarray([[1., 2., 1., 2.]], 'BC')

    Source: MATLAB ``concatenationLayer``; its ``dim`` is a label here, since the order of
    dimensions is yours.
    """

    dimension: str
    num_inputs: Several

    def __post_init__(self) -> None:
        self.input_names = numbered("in", self.num_inputs)

    def predict(self, *xs: Value) -> Value:
        """Return one array."""
        return concat(xs, axis=axis_of(xs[0], self.dimension))


class DepthConcatenation(_Combination):
    """Its inputs, one after the other, along the channels.

    Parameters
    ----------
    num_inputs : int
        They are called "in1", "in2", ...

    Examples
    --------
    >>> x = dl.dlarray([[1.0, 2.0]], "BC")
    >>> dl.layers.DepthConcatenation(2).predict(x, x)
    dlarray([[1., 2., 1., 2.]], 'BC')

    Source: MATLAB ``depthConcatenationLayer``.
    """

    def predict(self, *xs: Value) -> Value:
        """Return one array."""
        return concat(xs, axis=axis_of(xs[0], "C"))


def axis_of(x: Value, dimension: str) -> int:
    """Return the axis of a dimension: a label, and its number if it is not the first one."""
    fmt = format_of(x)
    label, number = dimension[:1].upper(), int(dimension[1:] or 1)
    axes = [i for i, f in enumerate(fmt) if f == label]
    if not 1 <= number <= len(axes):
        raise FormatClashError(f"the input has format {fmt!r}, without a dimension {dimension!r}")
    return axes[number - 1]
