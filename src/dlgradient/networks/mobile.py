"""EfficientNet-Lite0 and MobileNet-v2: blocks that widen, filter each channel, and narrow again.

Layers have the names that the modules of PyTorch have in the published files of weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from dlgradient import layers
from dlgradient.layers.layer import Layer
from dlgradient.network.network import dlnetwork
from dlgradient.networks.building import Branch, Image, wired

__all__ = ["efficientnet_lite0", "mobilenet_v2"]


class Group(NamedTuple):
    """Blocks of the same size.

    Attributes
    ----------
    blocks : int
    kernel, stride : int
        Of the filters; only the first block has the stride.
    expansion : int
        How many times as wide the middle of a block is.
    channels : int
        After each block.
    """

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


LITE0 = (
    Group(1, 3, 1, 1, 16),
    Group(2, 3, 2, 6, 24),
    Group(2, 5, 2, 6, 40),
    Group(3, 3, 2, 6, 80),
    Group(3, 5, 1, 6, 112),
    Group(4, 5, 2, 6, 192),
    Group(1, 3, 1, 6, 320),
)
MOBILENET = (
    Group(1, 3, 1, 1, 16),
    Group(2, 3, 2, 6, 24),
    Group(3, 3, 2, 6, 32),
    Group(4, 3, 2, 6, 64),
    Group(3, 3, 1, 6, 96),
    Group(3, 3, 2, 6, 160),
    Group(1, 3, 1, 6, 320),
)
# What the three convolutions of a block are for.
Step = Literal["expand", "depthwise", "project"]
# Names of a convolution and of its normalisation: of a block by its number, which counts from 0.
Names = Callable[[int, Step, bool], tuple[str, str]]


class Style(NamedTuple):
    """How a family of such networks is written.

    Attributes
    ----------
    names : callable
        ``names(number, step, widens)``.
    stem, head, last : names
        Of the first and the last convolution with their normalisations, and of the last layer.
    epsilon : float
    symmetric : bool
        Whether as much is padded before as after, as in PyTorch.
    """

    names: Names
    stem: tuple[str, str]
    head: tuple[str, str]
    last: str
    epsilon: float
    symmetric: bool

    def convolved(self, names: tuple[str, str], filters: int, kernel: int, stride: int = 1) -> Any:
        """Return a convolution and its normalisation; 0 filters are one for each channel."""
        options: dict[str, Any] = {
            "stride": stride,
            "padding": kernel // 2 if self.symmetric else "same",
            "bias_learn_rate_factor": 0,  # the normalisation has a bias
            "name": names[0],
        }
        conv: Layer
        if filters:
            conv = layers.Convolution2d(kernel, filters, **options)
        else:
            conv = layers.GroupedConvolution2d(kernel, 1, "channel-wise", **options)
        return [conv, layers.BatchNormalization(epsilon=self.epsilon, name=names[1])]


def _lite0_names(number: int, step: Step, widens: bool) -> tuple[str, str]:
    del widens
    at = f"_blocks.{number}."
    return f"{at}_{step}_conv", f"{at}_bn{('expand', 'depthwise', 'project').index(step)}"


def _mobilenet_names(number: int, step: Step, widens: bool) -> tuple[str, str]:
    at = f"features.{number + 1}.conv."
    place = ("expand", "depthwise", "project").index(step) - (not widens)
    if step == "project":
        return f"{at}{place}", f"{at}{place + 1}"
    return f"{at}{place}.0", f"{at}{place}.1"


LITE0_STYLE = Style(
    _lite0_names, ("_conv_stem", "_bn0"), ("_conv_head", "_bn1"), "_fc", 1e-3, symmetric=False
)
MOBILENET_STYLE = Style(
    _mobilenet_names,
    ("features.0.0", "features.0.1"),
    ("features.18.0", "features.18.1"),
    "classifier.1",
    1e-5,
    symmetric=True,
)


def _built(
    image: Image, num_classes: int, groups: tuple[Group, ...], style: Style, dropout: bool
) -> dlnetwork:
    series: list[Layer] = [image.layer(), *style.convolved(style.stem, 32, 3, 2)]
    series.append(layers.ClippedRelu(6, name="stem_relu"))
    branches: list[Branch] = []
    channels, number = 32, 0
    for group in groups:
        for i in range(group.blocks):
            before, widens = series[-1].name, group.expansion > 1
            if widens:
                names = style.names(number, "expand", widens)
                series += style.convolved(names, channels * group.expansion, 1)
                series.append(layers.ClippedRelu(6, name=f"block{number}_relu1"))
            names = style.names(number, "depthwise", widens)
            series += style.convolved(names, 0, group.kernel, 1 if i else group.stride)
            series.append(layers.ClippedRelu(6, name=f"block{number}_relu2"))
            series += style.convolved(style.names(number, "project", widens), group.channels, 1)
            if i:
                series.append(layers.Addition(2, name=f"block{number}_add"))
                branches.append(Branch(before, [], f"block{number}_add/in2"))
            channels, number = group.channels, number + 1
    series += style.convolved(style.head, 1280, 1)
    series += [
        layers.ClippedRelu(6, name="head_relu"),
        layers.GlobalAveragePooling2d(name="pool"),
        *([layers.Dropout(0.2, name="dropout")] if dropout else []),
        layers.FullyConnected(num_classes, name=style.last),
        layers.Softmax(name="softmax"),
    ]
    return wired(series, branches)


def efficientnet_lite0(image: Image, num_classes: int) -> dlnetwork:
    """Return EfficientNet-Lite0, not initialised."""
    return _built(image, num_classes, LITE0, LITE0_STYLE, dropout=False)


def mobilenet_v2(image: Image, num_classes: int) -> dlnetwork:
    """Return MobileNet-v2, not initialised."""
    return _built(image, num_classes, MOBILENET, MOBILENET_STYLE, dropout=True)
