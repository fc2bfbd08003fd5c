"""Predictions of mini-batches, joined: arrays of all observations, or lists with one for each.

In a list, the times of a sequence are cut to those that are no padding. A network has padding where
its input has, as long as it keeps the times. Of several inputs with times, those of an output are
the times of the one that it follows: if that is one time longer, so is the output.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dlgradient.core.formats import valid_format
from dlgradient.core.types import Array, Value
from dlgradient.engine.array import dims, dlarray, extractdata
from dlgradient.errors import DlgradientError, FormatClashError, ShapeMismatchError
from dlgradient.network.network import dlnetwork

__all__ = ["Times", "in_order", "joined", "observations"]


class Times:
    """Which times of the outputs of a network are no padding.

    Parameters
    ----------
    net : dlnetwork
    outputs : str or sequence of str, optional
        As of `dlnetwork.predict`.
    """

    def __init__(self, net: dlnetwork, outputs: Any) -> None:
        self.net, self.outputs = net, outputs
        self._followed: list[list[int]] | None = None

    def of(
        self, xs: Sequence[Any], ys: tuple[Value, ...], masks: Sequence[Array | None]
    ) -> list[Array | None]:
        """Return a mask of times × observations for each output; None for all times."""
        timed = [i for i, x in enumerate(xs) if type(x) is dlarray and "T" in dims(x)]
        padded = [i for i in timed if i < len(masks) and masks[i] is not None]
        if not padded:
            return [None] * len(ys)
        if len(timed) > 1 and self._followed is None:
            self._followed = self._found(xs, ys, timed)
        followed = self._followed or [timed] * len(ys)
        return [
            _mask_of(y, [masks[i] for i in numbers])
            for y, numbers in zip(ys, followed, strict=True)
        ]

    def _found(
        self, xs: Sequence[Any], ys: tuple[Value, ...], timed: Sequence[int]
    ) -> list[list[int]]:
        """Return the inputs whose times each output follows."""
        found: list[list[int]] = [[] for _ in ys]
        for i in timed:
            for numbers, y, other in zip(found, ys, self._if_longer(i, xs, timed), strict=True):
                if other is None or y.shape != other.shape:
                    numbers.append(i)
        return found

    def _if_longer(self, i: int, xs: Sequence[Any], timed: Sequence[int]) -> Sequence[Value | None]:
        """Return the outputs if an input is one time longer; None if they are not known.

        Another input, such as a mask, may have to be as long.
        """
        together = [{i}, *[{i, k} for k in timed if k != i], set(timed)]
        for numbers in together:
            longer = [_longer(x) if k in numbers else x for k, x in enumerate(xs)]
            try:
                return outputs_of(self.net, longer, self.outputs)
            except DlgradientError:
                continue
        return [None] * len(outputs_of(self.net, xs, self.outputs))


def outputs_of(net: dlnetwork, xs: Sequence[Any], outputs: Any) -> tuple[Value, ...]:
    """Return predictions as a tuple, also of one output."""
    ys = net.predict(*xs, outputs=outputs)
    return ys if isinstance(ys, tuple) else (ys,)


def _longer(x: dlarray) -> dlarray:
    """Return an array with its last time twice."""
    raw, axis = np.asarray(extractdata(x)), dims(x).index("T")
    return dlarray(np.concatenate([raw, raw.take([-1], axis)], axis), dims(x))


def _mask_of(y: Value, masks: Iterable[Array | None]) -> Array | None:
    """Return the first mask that has as many times as an output."""
    fmt = dims(y)
    if not {"B", "T"} <= set(fmt):
        return None
    size = y.shape[fmt.index("T")], y.shape[fmt.index("B")]
    return next((mask for mask in masks if mask is not None and mask.shape == size), None)


def observations(name: str, y: Value, mask: Array | None) -> list[Array]:
    """Return the observations of an output, without the dimension 'B' and without padding."""
    fmt, raw = dims(y), np.asarray(extractdata(y))
    if not raw.ndim or (fmt and "B" not in fmt):
        raise ShapeMismatchError(
            f"output {name!r} has the shape {raw.shape} and the format {fmt!r}, in which no "
            "dimension is that of the observations, 'B'"
        )
    parts = np.moveaxis(raw, max(fmt.find("B"), 0), 0)
    if mask is None:
        return [part.copy() for part in parts]
    axis = fmt.replace("B", "").index("T")
    return [part.compress(mask[:, i], axis) for i, part in enumerate(parts)]


def joined(name: str, ys: Sequence[Value]) -> Array:
    """Return the observations of all batches as one array, along 'B'."""
    fmt = dims(ys[0])
    arrays = [np.asarray(extractdata(y)) for y in ys]
    axis = max(fmt.find("B"), 0)
    shapes = {a.shape[:axis] + a.shape[axis + 1 :] for a in arrays}
    if not arrays[0].ndim or len(shapes) > 1:
        found = ", ".join(sorted({str(a.shape) for a in arrays})[:4])
        raise ShapeMismatchError(
            f"output {name!r} has the shapes {found} and the format {fmt!r} in the mini-batches, "
            "which are no parts of one array; uniform_output=False returns a list with one array "
            "for each observation, and sequence_length= gives all sequences one length"
        )
    return np.concatenate(arrays, axis)


def in_order(name: str, array: Array, fmt: str, wanted: str) -> Array:
    """Return an array with its dimensions in the order of another format."""
    if fmt == wanted:
        return array
    labels, places = list(fmt), []
    if sorted(labels) != sorted(valid_format(wanted)):
        raise FormatClashError(
            f"output_data_formats: {name!r} has the format {fmt!r}, and {wanted!r} must have the "
            "same letters in another order"
        )
    for label in wanted:
        places.append(labels.index(label))
        labels[places[-1]] = ""
    return array.transpose(places)
