"""Layers that crop, permute, reshape and scale, and that join or part complex numbers."""

from __future__ import annotations

from math import prod
from typing import ClassVar, Literal

import numpy as np

from dlgradient.core.types import Counts, Operand, Shape, Value
from dlgradient.engine.array import dlarray, stripdims
from dlgradient.errors import FormatClashError, InvalidArgumentError, ShapeMismatchError
from dlgradient.layers.layer import Layer
from dlgradient.layers.layout import format_of
from dlgradient.nn.linear.fullyconnect import input_layout
from dlgradient.ops.complex import complex, imag, real
from dlgradient.ops.join import concat
from dlgradient.ops.permute import moveaxis, permute_dims
from dlgradient.ops.shape import reshape
from dlgradient.ops.take import take

__all__ = [
    "ComplexToReal",
    "Crop2d",
    "Crop3d",
    "Permute",
    "Quadratic",
    "RealToComplex",
    "Reshape",
    "Scaling",
]


class _Crop(Layer):
    location: Literal["center"] | Shape = "center"
    dimensions: ClassVar[int]

    def __post_init__(self) -> None:
        self.input_names = ("in", "ref")
        if self.location != "center" and len(self.location) != self.dimensions:
            raise InvalidArgumentError(
                f"layers.{type(self).__name__}: location must be 'center' or {self.dimensions} "
                f"integers, not {self.location!r}"
            )

    def predict(self, x: Value, ref: Value) -> Value:
        """Return a part of x that has the spatial sizes of ref."""
        fmt, other = format_of(x), format_of(ref)
        axes = [i for i, label in enumerate(fmt) if label == "S"]
        wanted = [n for n, label in zip(ref.shape, other, strict=True) if label == "S"]
        if len(axes) != self.dimensions or len(wanted) != self.dimensions:
            raise FormatClashError(
                f"{type(self).__name__} crops {self.dimensions} dimensions 'S'; the inputs have "
                f"the formats {fmt!r} and {other!r}"
            )
        key = [slice(None)] * len(fmt)
        for number, (axis, n) in enumerate(zip(axes, wanted, strict=True)):
            free = x.shape[axis] - n
            start = free // 2 if self.location == "center" else self.location[number]
            if not 0 <= start <= free:
                raise ShapeMismatchError(
                    f"the input has shape {x.shape} and format {fmt!r}; {n} elements from "
                    f"{start} on are not in dimension {axis}, as 'ref' of shape {ref.shape} needs"
                )
            key[axis] = slice(start, start + n)
        return x[tuple(key)]


class Crop2d(_Crop):
    """A part of the input "in" that has the spatial sizes of the input "ref".

    Parameters
    ----------
    location : "center" or (int, int)
        First row and column of the part, zero-based.

    Examples
    --------
    >>> x, ref = [dl.dlarray(np.ones((n, n, 3, 2)), "SSCB") for n in (6, 4)]
    >>> dl.layers.Crop2d().predict(x, ref).shape
    (4, 4, 3, 2)

    Source: MATLAB ``crop2dLayer``.
    """

    dimensions: ClassVar[int] = 2


class Crop3d(_Crop):
    """A part of the input "in" that has the spatial sizes of the input "ref".

    Parameters
    ----------
    location : "center" or (int, int, int)
        First row, column and layer of the part, zero-based.

    Examples
    --------
    >>> x, ref = [dl.dlarray(np.ones((n, n, n, 3, 2)), "SSSCB") for n in (6, 4)]
    >>> dl.layers.Crop3d((0, 1, 2)).predict(x, ref).shape
    (4, 4, 4, 3, 2)

    Source: MATLAB ``crop3dLayer``.
    """

    dimensions: ClassVar[int] = 3


class Permute(Layer):
    """The dimensions of the input in another order; their labels stay where they are.

    So data of one dimension get the label of another one: channels may become time.

    Parameters
    ----------
    order : sequence of int
        For each dimension of the result, that of the input, zero-based.

    Examples
    --------
    >>> x = dl.dlarray(np.ones((2, 3, 4)), "SCB")
    >>> y = dl.layers.Permute((1, 0, 2)).predict(x)
    >>> y.shape, dl.dims(y)
    ((3, 2, 4), 'SCB')

    Source: MATLAB ``permuteLayer``.
    """

    order: Shape

    def __post_init__(self) -> None:
        if sorted(self.order) != list(range(len(self.order))):
            raise InvalidArgumentError(
                f"layers.Permute: order must have each of 0, ..., {len(self.order) - 1} once, not "
                f"{self.order}"
            )

    def predict(self, x: Value) -> Value:
        """Return x in the order."""
        fmt = format_of(x)
        if len(fmt) != len(self.order):
            raise ShapeMismatchError(
                f"the input has {len(fmt)} dimensions, {fmt!r}; order has {len(self.order)}"
            )
        return dlarray(permute_dims(stripdims(x), axes=self.order), fmt)


class Reshape(Layer):
    """Spatial dimensions and channels with other sizes; batch and time stay.

    The elements are in the order of `layers.Flatten`, and the last of the new dimensions changes
    fastest.

    Parameters
    ----------
    output_size : int or sequence of int
        Sizes of the new dimensions: spatial ones, and the channels last.

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.FeatureInput(24), dl.layers.Reshape((2, 3, 4))])
    >>> net.predict(np.zeros((5, 24))).shape
    (5, 2, 3, 4)

    Source: MATLAB ``reshapeLayer``.
    """

    output_size: Counts

    def predict(self, x: Value) -> Value:
        """Return x with the new sizes."""
        sizes = (self.output_size,) if isinstance(self.output_size, int) else self.output_size
        order, back, flat = input_layout(format_of(x))
        count = len(back) - 1
        rows = permute_dims(stripdims(x), axes=order)
        found = prod(rows.shape[count:])
        if found != prod(sizes):
            raise ShapeMismatchError(
                f"the input has {found} spatial elements and channels, of shape {x.shape} and "
                f"format {format_of(x)!r}; output_size {tuple(sizes)} has {prod(sizes)}"
            )
        y = reshape(rows, (*rows.shape[:count], *sizes))
        place = flat.index("C")
        new = range(count, count + len(sizes))
        axes = (*range(place), *new, *range(place, count))
        fmt = flat.replace("C", "S" * (len(sizes) - 1) + "C")
        return dlarray(permute_dims(y, axes=axes), fmt)


class Scaling(Layer):
    """scale x + bias, with constants.

    Parameters
    ----------
    scale, bias : float or array
        A number, or one for each channel.

    Examples
    --------
    >>> dl.layers.Scaling(2.0, 1.0).predict(dl.dlarray([1.0, 2.0]))
    dlarray([3., 5.])

    Source: MATLAB ``scalingLayer``.
    """

    scale: Operand = 1.0
    bias: Operand = 0.0

    def predict(self, x: Value) -> Value:
        """Return the result."""
        return x * self._constant("scale", x) + self._constant("bias", x)

    def _constant(self, name: str, x: Value) -> Value:
        value = getattr(self, name)
        if isinstance(value, int | float):
            return value
        array = np.asarray(value, x.dtype)
        return array if array.ndim == 0 else dlarray(array, "C")


class Quadratic(Layer):
    """All products of two channels: x₁², x₁x₂, x₂², x₁x₃, ...

    Examples
    --------
    >>> dl.layers.Quadratic().predict(dl.dlarray([[2.0, 3.0]], "BC"))
    dlarray([[4., 6., 9.]], 'BC')

    Source: MATLAB ``quadraticLayer``.
    """

    def predict(self, x: Value) -> Value:
        """Return the products."""
        fmt = format_of(x)
        axis = fmt.index("C")
        n = x.shape[axis]
        second, first = np.tril_indices(n)
        plain = stripdims(x)
        return dlarray(take(plain, first, axis=axis) * take(plain, second, axis=axis), fmt)


class ComplexToReal(Layer):
    """The real parts of the channels, followed by the imaginary parts.

    Examples
    --------
    >>> dl.layers.ComplexToReal().predict(dl.dlarray([[1 + 2j, 3j]], "BC"))
    dlarray([[1., 0., 2., 3.]], 'BC')

    Source: MATLAB ``complexToRealLayer``.
    """

    def predict(self, x: Value) -> Value:
        """Return twice as many channels."""
        return concat([real(x), imag(x)], axis=format_of(x).index("C"))


class RealToComplex(Layer):
    """Complex channels; the first half of the channels are real parts, the rest imaginary ones.

    Examples
    --------
    >>> dl.layers.RealToComplex().predict(dl.dlarray([[1.0, 0.0, 2.0, 3.0]], "BC"))
    dlarray([[1.+2.j, 0.+3.j]], 'BC')

    Source: MATLAB ``realToComplexLayer``.
    """

    def predict(self, x: Value) -> Value:
        """Return half as many channels."""
        fmt = format_of(x)
        axis = fmt.index("C")
        n = x.shape[axis]
        if n % 2:
            raise ShapeMismatchError(f"the input has {n} channels, which two do not divide")
        rows = moveaxis(stripdims(x), axis, 0)
        y = complex(rows[: n // 2], rows[n // 2 :])
        return dlarray(moveaxis(y, 0, axis), fmt)
