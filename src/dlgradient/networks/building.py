"""What ready networks are built of: checked sizes, layers of two and three dimensions, branches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from dlgradient import layers
from dlgradient.core.types import Generator, Shape
from dlgradient.errors import InvalidArgumentError
from dlgradient.layers.layer import Layer
from dlgradient.network.graph import Graph
from dlgradient.network.network import dlnetwork

__all__ = ["FAMILIES", "Branch", "Family", "Image", "finished", "image_of", "wired"]


class Family(NamedTuple):
    """The classes of layers for a number of spatial dimensions."""

    input: Any
    convolution: Any
    transposed: Any
    max_pooling: Any
    average_pooling: Any
    global_average: Any
    crop: Any


FAMILIES = {
    2: Family(
        layers.ImageInput,
        layers.Convolution2d,
        layers.TransposedConvolution2d,
        layers.MaxPooling2d,
        layers.AveragePooling2d,
        layers.GlobalAveragePooling2d,
        layers.Crop2d,
    ),
    3: Family(
        layers.Image3dInput,
        layers.Convolution3d,
        layers.TransposedConvolution3d,
        layers.MaxPooling3d,
        layers.AveragePooling3d,
        layers.GlobalAveragePooling3d,
        layers.Crop3d,
    ),
}


class Image(NamedTuple):
    """What the input of a network is.

    Attributes
    ----------
    sizes : tuple of int
        Spatial sizes.
    channels : int
    normalization, data_format : str
        Options of the input layer.
    """

    sizes: Shape
    channels: int
    normalization: Any
    data_format: str

    def layer(self) -> Layer:
        """Return the input layer."""
        found: Layer = FAMILIES[len(self.sizes)].input(
            (*self.sizes, self.channels),
            normalization=self.normalization,
            data_format=self.data_format,
            name="input",
        )
        return found


def image_of(
    function: str,
    argument: str,
    given: Sequence[int],
    dimensions: int,
    normalization: Any,
    data_format: str,
) -> Image:
    """Return the input of a network, or raise the error for a wrong number of sizes."""
    shape = (*given, 1) if len(given) == dimensions else tuple(given)
    if len(shape) != dimensions + 1 or min(shape) < 1:
        raise InvalidArgumentError(
            f"{function}: {argument} must be {dimensions} spatial sizes and, unless it is "
            f"1, the number of channels, not {tuple(given)}"
        )
    return Image(shape[:-1], shape[-1], normalization, data_format)


class Branch(NamedTuple):
    """Layers that leave the others after one of them, and end in an input of another one."""

    start: str
    layers: Sequence[Layer]
    end: str


def wired(series: Sequence[Layer], branches: Iterable[Branch]) -> dlnetwork:
    """Return a network of layers in series, and of branches; it is not initialised."""
    # On the graph: a network would read its layers at each of a hundred edits.
    graph = Graph().added(series)
    for start, between, end in branches:
        if between:
            graph = graph.added(between).connected(start, between[0].name)
        graph = graph.connected(between[-1].name if between else start, end)
    return dlnetwork(initialize=False)._with(graph)


def finished(net: dlnetwork, initialize: bool, generator: Generator) -> dlnetwork:
    """Return a network with initial values, if they are wanted."""
    return net.initialize(generator=generator) if initialize else net
