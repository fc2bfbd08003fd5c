"""Layers with a window that slides over space or time, whose labels the input decides."""

from __future__ import annotations

from typing import ClassVar

from dlgradient.errors import FormatClashError
from dlgradient.layers.layer import Layer
from dlgradient.layers.layout import Layout

__all__ = ["Sliding"]


class Sliding(Layer):
    """The base of convolution and pooling layers.

    Attributes
    ----------
    dimensions : int
        How many dimensions the window has. A class attribute.
    over : str
        Their labels, known after `initialize`: "S" for each, or "T".
    """

    dimensions: ClassVar[int]
    over: ClassVar[str]

    def initialize(self, *layouts: Layout) -> None:
        """Find what the window slides over, then set what is None.

        Raises
        ------
        FormatClashError
            If the input has other dimensions of space.
        """
        fmt, count = layouts[0].format or "", self.dimensions
        if fmt.count("S") == count:
            over = "S" * count
        elif count == 1 and "T" in fmt and "S" not in fmt:
            over = "T"
        else:
            words = "one dimension 'S' or 'T'" if count == 1 else f"{count} dimensions 'S'"
            usual = {1: "SequenceInput(3)", 2: "ImageInput((28, 28, 1))"}
            raise FormatClashError(
                f"{type(self).__name__} slides over {words}; the input has {layouts[0]}; begin the "
                f"network with an input that has them, as layers."
                f"{usual.get(count, 'Image3dInput((8, 8, 8, 1))')} has"
            )
        vars(self)["over"] = over
        super().initialize(*layouts)
