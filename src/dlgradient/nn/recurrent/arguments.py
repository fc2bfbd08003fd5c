"""Arguments of recurrent layers: a sequence, its states and mask, and learnables by direction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import labelled, unlabelled
from dlgradient.core.types import Array, Axis, Format, Operand, Shape, Value
from dlgradient.core.values import WEAK_SCALARS
from dlgradient.errors import (
    FormatClashError,
    FormatError,
    ShapeMismatchError,
)
from dlgradient.nn.shared.arguments import (
    as_array,
    check_vector,
    formatted,
    in_order,
    raw_value,
    rearranged,
    restored,
)
from dlgradient.ops.choice import where
from dlgradient.ops.join import concat
from dlgradient.ops.permute import flip
from dlgradient.ops.shape import broadcast_to, reshape

__all__ = ["Direction", "Parameters", "Sequence"]

# Runs one layer. It gets its number, the sequence and the steps to skip, both in the layer's order
# of time, and returns the hidden states of all steps and the last states.
Layer = Callable[[int, Value, Array | None], tuple[Value, ...]]

# For each direction, whether its layers go backwards in time.
_BACKWARDS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
Direction: TypeAlias = Literal["forward", "reverse", "bidirectional"]


class Sequence:
    """A sequence with its format, brought to time, batch, channels, and the inverse.

    Attributes
    ----------
    values : dlarray
        Time, batch, channels, unlabelled.
    steps, batch, channels : int
        Sizes.
    """

    def __init__(
        self, function: str, x: Operand, data_format: Format, *others: Operand | None
    ) -> None:
        given, self.strip = formatted(function, x, data_format, *others)
        fmt = given._format or ""
        self.function, self.format, self.shape = function, fmt, given.shape
        if "C" not in fmt or any(c in "SU" for c in fmt):
            raise FormatError(
                f"{function}: x of shape {given.shape} has the format {fmt!r}; it must have a "
                "channel dimension 'C', and may have 'T' and 'B'; bring other dimensions into C or "
                "B first, with reshape"
            )
        self.values = rearranged(given, fmt, "TBC")
        sizes: Shape = self.values.shape
        self.steps, self.batch, self.channels = sizes

    def outer(self, x: Value, inner: str) -> Value:
        """Bring a result of dimensions `inner` to the labels and the order of the operand."""
        fmt = "".join(c for c in self.format if c in inner)
        y = x if type(x) is calls.dlarray else calls.wrap(x, None)
        return labelled(restored(y, inner, fmt), None if self.strip else fmt)

    def state(self, name: str, given: Operand, units: int) -> Value:
        """Bring an initial state to batch × units."""
        if type(given) in WEAK_SCALARS:
            return np.full((self.batch, units), given, self.values.dtype)
        state = as_array(self.function, name, given, self.values)
        fmt = state._format
        if fmt is None:
            fmt = "".join(c for c in self.format if c in "CB")
            fmt = "C"[: state.ndim] if state.ndim < 2 else fmt
            if fmt == "C" and state.shape == (units, 1):  # a column, for one sequence
                state = reshape(state, (units,))
        shape = state.shape
        fits = len(shape) == len(fmt) and set(fmt) <= {"C", "B"}
        if fits:
            state = rearranged(state, fmt, "BC")
            batch, size = state.shape
            fits = batch in (1, self.batch) and (size == units or not shape)
        if not fits:
            raise ShapeMismatchError(
                f"{self.function}: {name} has shape {shape} and dimensions {fmt!r}; it must have "
                f"{units} channels (hidden units) and a batch of {self.batch} or one"
            )
        if state.shape != (self.batch, units):
            state = broadcast_to(state, (self.batch, units))
        return state

    def padding(self, mask: Operand | None) -> Array | None:
        """Return which steps are to be skipped: time, batch and one; None for none."""
        if mask is None:
            return None
        fmt = getattr(mask, "_format", None)
        value = raw_value(mask) != 0
        without = self.format.replace("C", "")
        if fmt is None:
            fmt = self.format if value.ndim == len(self.format) else without
        try:
            fits = len(fmt) == value.ndim
            value = rearranged(value, fmt, "TBC") if fits else value
        except FormatClashError:
            fits = False
        if fits and value.shape[-1] == self.channels:
            value = value[..., :1]  # padding is equal for all channels
        wanted = (self.steps, self.batch, 1)
        if not fits or any(n not in (1, m) for n, m in zip(value.shape, wanted, strict=True)):
            raise ShapeMismatchError(
                f"{self.function}: mask has shape {np.shape(mask)} and dimensions {fmt!r}, x has "
                f"shape {self.shape} and format {self.format!r}; mask must have the dimensions "
                f"{without!r} of x, and be true for the steps to keep"
            )
        return np.broadcast_to(~value, wanted)


class Parameters:
    """Parameters of a recurrent layer: checked by position, and divided by direction.

    Parameters
    ----------
    sequence : Sequence
        The arguments of the layer.
    direction : {"forward", "reverse", "bidirectional"}
        A bidirectional layer is two layers; the rows of the reverse one follow those of the forward
        one.
    gates : int
        Number of blocks of rows in the weights of one layer.
    recurrent_weights : array_like
        Their rows give the number of hidden units.

    Attributes
    ----------
    layers, units, rows : int
        Number of layers, hidden units of each, and rows of the weights of all.
    """

    def __init__(
        self, sequence: Sequence, direction: str, gates: int, recurrent_weights: Operand
    ) -> None:
        self.function, self.sequence = sequence.function, sequence
        self._backwards = _BACKWARDS[direction]
        self.layers = len(self._backwards)
        r = self._matrix("recurrent_weights", recurrent_weights)
        blocks = gates * self.layers
        self.rows = r.shape[0] if r.ndim == 2 else 0
        if not self.rows or self.rows % blocks:
            raise ShapeMismatchError(
                f"{self.function}: recurrent_weights has shape {r.shape}; it must be a matrix with "
                f"a multiple of {blocks} rows: a block for each gate, as many rows in each as "
                "hidden units"
            )
        self.units = self.rows // blocks
        self._dtype = np.result_type(sequence.values.dtype, r.dtype)

    def _matrix(self, name: str, given: Operand) -> Value:
        """Return a parameter by name, with the order of rows × columns, whatever its format."""
        w = as_array(self.function, name, given, self.sequence.values)
        return in_order(self.function, name, w, "UC", "rows × columns")

    def size(self, name: str, given: Operand | None, axis: Axis, usual: int) -> int:
        """Return the number of rows or of columns of a parameter, the usual one if not given."""
        if given is None:
            return usual
        w = self._matrix(name, given)
        return w.shape[axis] if w.ndim == 2 else 0

    def matrix(self, name: str, given: Operand, rows: int | None, columns: int | None) -> Value:
        """Return a parameter by name; it must have these rows and columns, None for any."""
        w = self._matrix(name, given)
        if w.ndim == 2 and rows in (None, w.shape[0]) and columns in (None, w.shape[1]):
            return w
        wanted = f"({'any' if rows is None else rows}, {'any' if columns is None else columns})"
        raise ShapeMismatchError(
            f"{self.function}: {name} has shape {w.shape}; with these operands it must be "
            f"{wanted}, gates or outputs in rows"
        )

    def vector(self, name: str, given: Operand, size: int) -> Value:
        """Return a parameter as a vector; one number counts for all rows."""
        if type(given) in WEAK_SCALARS:
            return np.full(size, given, self._dtype)
        b = as_array(self.function, name, given, self.sequence.values)
        check_vector(self.function, name, b)
        b = unlabelled(b)
        if b.size not in (1, size):
            raise ShapeMismatchError(
                f"{self.function}: {name} has shape {b.shape}; it must have {size} elements, as "
                "many as the gates have rows"
            )
        b = reshape(b, (b.size,))
        return b if b.size == size else broadcast_to(b, (size,))

    def part(self, layer: int, array: Value, axis: int = 0) -> Value:
        """Return the rows (or, with 1, columns) of one layer; None of None."""
        if self.layers == 1 or array is None:
            return array
        size = array.shape[axis] // self.layers
        rows = slice(layer * size, (layer + 1) * size)
        return array[rows] if axis == 0 else array[:, rows]

    def run(self, layer: Layer, mask: Operand | None) -> tuple[Value, ...]:
        """Run the layers over the sequence; results have the channels of all layers.

        Returns
        -------
        y : dlarray
            Hidden states of all steps, in the format of the sequence; zero in steps that are
            masked.
        *states : dlarray
            Last states, without a time dimension.
        """
        padding = self.sequence.padding(mask)
        # Padding may be NaN, and the cotangents of the weights multiply it by zero.
        forward = _masked(self.sequence.values, padding)
        results = []
        for k, backwards in enumerate(self._backwards):
            if backwards:
                turned = None if padding is None else padding[::-1]
                y, *states = layer(k, flip(forward, axis=0), turned)
                results.append((flip(y, axis=0), *states))
            else:
                results.append(layer(k, forward, padding))
        y, *states = (
            parts[0] if len(parts) == 1 else concat(parts, axis=-1)
            for parts in zip(*results, strict=True)
        )
        outer = self.sequence.outer
        return outer(_masked(y, padding), "TBC"), *(outer(s, "BC") for s in states)


def _masked(x: Value, padding: Array | None) -> Value:
    return x if padding is None else where(~padding, x, 0)
