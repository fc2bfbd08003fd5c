"""`deeplabv3plus`: a class for each pixel, by dilated convolutions of several reaches.

Chen, Zhu, Papandreou, Schroff and Adam (2018). A residual network without its last strides finds
features. Four convolutions look at them, near and far. What the network had at a quarter of the
size of the image sharpens the edges. Sizes grow by transposed convolutions that interpolate, and
learn nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np

from dlgradient import layers
from dlgradient.core.arguments import checked
from dlgradient.core.types import Array, Count, Generator, Shape
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.layers.input import DataFormat, Normalization
from dlgradient.layers.layer import Layer
from dlgradient.network.network import dlnetwork
from dlgradient.networks.building import Branch, Image, finished, image_of, wired
from dlgradient.networks.pretrained import RESNETS, image_pretrained_network
from dlgradient.networks.residual import Stacks

__all__ = ["deeplabv3plus"]

# Filters of the pyramid, and of the features from earlier layers.
FILTERS = 256
EARLY = 48
# Dilations of the pyramid where the image is at a sixteenth of its size.
REACHES = (6, 12, 18)
LEAST = 32


def _normalised(name: str, size: int, filters: int, dilation: int = 1) -> list[Layer]:
    """Return a convolution, its normalisation and activation."""
    conv, norm, relu = [name.format(part) for part in ("conv", "bn", "relu")]
    return [
        layers.Convolution2d(
            size,
            filters,
            dilation_factor=dilation,
            padding="same",
            weights_initializer="he",
            bias_learn_rate_factor=0,
            name=conv,
        ),
        layers.BatchNormalization(name=norm),
        layers.Relu(name=relu),
    ]


def _tent(factor: int) -> Array:
    """Return the weights of linear interpolation by an even factor.

    Examples
    --------
    >>> _tent(2)
    array([0.25, 0.75, 0.75, 0.25], dtype=float32)
    """
    places = np.arange(2 * factor, dtype=np.float32) + np.float32(0.5 - factor)
    weights: Array = 1 - np.abs(places) / factor
    return weights


def _enlarged(name: str, factor: int, channels: int) -> Layer:
    """Return a layer that interpolates each channel, and learns nothing."""
    tent = _tent(factor)
    each = np.eye(channels, dtype=np.float32)
    return layers.TransposedConvolution2d(
        2 * factor,
        channels,
        stride=factor,
        cropping=factor // 2,
        weights=tent[:, None, None, None] * tent[:, None, None] * each,
        weights_learn_rate_factor=0,
        weights_l2_factor=0,
        bias_learn_rate_factor=0,
        name=name,
    )


def _network(image: Image, num_classes: int, stacks: Stacks, factor: int) -> dlnetwork:
    """Return the network, not initialised."""
    stacks = replace(stacks, strided={8: 1, 16: 2}[factor])
    series, branches = stacks.wiring(image)
    features = series[-1].name
    convolutions = 2 if stacks.bottleneck == "none" else 3
    early = f"stack1_block{stacks.depths[0]}_relu{convolutions}"
    series += _normalised("aspp_{}1", 1, FILTERS)
    for i, reach in enumerate(REACHES, 2):
        far = _normalised(f"aspp_{{}}{i}", 3, FILTERS, reach * 16 // factor)
        branches.append(Branch(features, far, f"aspp_concat/in{i}"))
    series += [
        layers.DepthConcatenation(4, name="aspp_concat"),
        *_normalised("aspp_{}5", 1, FILTERS),
        _enlarged("dec_upsample1", factor // 4, FILTERS),
        layers.Crop2d(name="dec_crop1"),
        layers.DepthConcatenation(2, name="dec_concat"),
        *_normalised("dec_{}2", 3, FILTERS),
        *_normalised("dec_{}3", 3, FILTERS),
        layers.Convolution2d(1, num_classes, weights_initializer="he", name="scorer"),
        _enlarged("dec_upsample2", 4, num_classes),
        layers.Crop2d(name="dec_crop2"),
        layers.Softmax(name="softmax"),
    ]
    branches += [
        Branch(early, _normalised("dec_{}1", 1, EARLY), "dec_concat/in2"),
        Branch("dec_relu1", [], "dec_crop1/ref"),
        Branch("input", [], "dec_crop2/ref"),
    ]
    return wired(series, branches)


def _planted(net: dlnetwork, donor: dlnetwork) -> dlnetwork:
    """Return a network with the values of another one, in the layers that both have."""
    tables = []
    for own, given in ((net.learnables, donor.learnables), (net.state, donor.state)):
        table = own.copy()
        for key in table:
            if key in given:
                table[key] = given[key]
        tables.append(table)
    new = net.with_learnables(tables[0])
    new.state = tables[1]
    return new


@checked
def deeplabv3plus(
    image_size: Shape,
    num_classes: Count,
    network: Literal["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"] = "resnet18",
    *,
    downsampling_factor: Count = 8,
    weights: Any = "none",
    normalization: Normalization = "zerocenter",
    data_format: DataFormat = "",
    generator: Generator = None,
) -> dlnetwork:
    """Return a DeepLab v3+ network, which finds a class for each pixel.

    Parameters
    ----------
    image_size : (int, int) or (int, int, int)
        Height, width, and three channels; at least 32 each, even or odd.
    num_classes : int
    network : {"resnet18", "resnet34", "resnet50", "resnet101", "resnet152"}
        The network that finds features.
    downsampling_factor : {8, 16}
        How much smaller than the image the features are. 8 needs more time and memory.
    weights : str, path or mapping
        Of `network`, as for `image_pretrained_network`; "none" are random values.
    normalization : {"zerocenter", "none", "zscore", "rescale-symmetric", "rescale-zero-one"}
        Of the input layer. `trainnet` finds the statistics; a loop of your own takes "none".
    data_format : str
        Format of data that have none, if it is not "SSCB".
    generator : numpy.random.Generator or int, optional
        Source of randomness, or a seed.

    Returns
    -------
    dlnetwork
        Its input is "input", its output "softmax": probabilities of the classes.

    Raises
    ------
    InvalidArgumentError
        If there is no such network, factor or weights, or the weights do not fit.
    ShapeMismatchError
        If the images are too small, or do not have three channels.

    See Also
    --------
    unet : without a network that may have weights
    image_pretrained_network : the network that finds features, by itself

    Examples
    --------
    >>> net = dl.networks.deeplabv3plus((33, 40), 3, normalization="none", downsampling_factor=16)
    >>> net.predict(np.zeros((33, 40, 3, 1), np.float32)).shape
    (33, 40, 3, 1)

    Source: MATLAB ``deeplabv3plus``; Chen, Zhu, Papandreou, Schroff and Adam (2018).
    """
    if downsampling_factor not in (8, 16):
        raise InvalidArgumentError(
            f"deeplabv3plus: downsampling_factor must be 8 or 16, not {downsampling_factor}"
        )
    sizes = (*image_size, 3) if len(image_size) == 2 else image_size
    image = image_of("deeplabv3plus", "image_size", sizes, 2, normalization, data_format)
    if min(image.sizes) < LEAST or image.channels != 3:
        raise ShapeMismatchError(
            f"deeplabv3plus: image_size is {tuple(image_size)}; it must be at least "
            f"({LEAST}, {LEAST}, 3), with three channels; repeat the channel of grey images"
        )
    net = _network(image, num_classes, RESNETS[network], downsampling_factor)
    net = finished(net, True, generator)
    if isinstance(weights, str) and weights == "none":
        return net
    donor = image_pretrained_network(network, weights=weights, image_size=(LEAST, LEAST))
    return _planted(net, donor)
