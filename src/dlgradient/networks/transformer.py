"""`vision_transformer`: an image as a sequence of patches, read by blocks of self-attention.

Dosovitskiy and others (2021). The class is read from a token before the patches, which is learnt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from dlgradient import layers
from dlgradient.core.arguments import checked
from dlgradient.core.types import Array, Count, Decay, Generator, Shape
from dlgradient.errors import ShapeMismatchError
from dlgradient.layers.input import DataFormat, Normalization
from dlgradient.layers.layer import Layer
from dlgradient.network.network import dlnetwork
from dlgradient.networks.building import Branch, Image, finished, image_of, wired

__all__ = ["vision_transformer"]


class Numbers(NamedTuple):
    """The numbers of a vision transformer."""

    channels: int
    blocks: int
    heads: int
    patch: int = 16
    dropout: float = 0.1
    attention_dropout: float = 0.1


SIZES = {"tiny": Numbers(192, 12, 3), "small": Numbers(384, 12, 6), "base": Numbers(768, 12, 12)}

# How many times as wide the middle of a block is.
WIDENING = 4
EPSILON = 1e-6


def transformer(image: Image, num_classes: int, numbers: Numbers) -> dlnetwork:
    """Return a vision transformer, not initialised."""
    patches = (image.sizes[0] // numbers.patch) * (image.sizes[1] // numbers.patch)
    series: list[Layer] = [
        image.layer(),
        layers.PatchEmbedding(numbers.patch, numbers.channels, name="patch"),
        layers.EmbeddingConcatenation(name="class_token"),
        layers.Addition(2, name="position_add"),
        layers.Dropout(numbers.dropout, name="dropout"),
    ]
    position = layers.PositionEmbedding(numbers.channels, patches + 1, name="position")
    branches = [Branch("class_token", [position], "position_add/in2")]
    for i in range(1, numbers.blocks + 1):
        name = f"block{i}_"
        for part in (_attention(name, numbers), _perceptron(name, numbers)):
            branches.append(Branch(series[-1].name, [], f"{part[-1].name}/in2"))
            series += part
    series += [
        _normalization("encoder_norm"),
        layers.Indexing1d("first", name="cls_index"),
        layers.FullyConnected(num_classes, name="head"),
        layers.Softmax(name="softmax"),
    ]
    return wired(series, branches)


def _normalization(name: str) -> Layer:
    return layers.LayerNormalization(epsilon=EPSILON, operation_dimension="channel-only", name=name)


def _attention(name: str, numbers: Numbers) -> list[Layer]:
    return [
        _normalization(f"{name}norm1"),
        layers.SelfAttention(
            numbers.heads,
            numbers.channels,
            dropout_probability=numbers.attention_dropout,
            name=f"{name}attention",
        ),
        layers.Dropout(numbers.dropout, name=f"{name}dropout1"),
        layers.Addition(2, name=f"{name}add1"),
    ]


def _perceptron(name: str, numbers: Numbers) -> list[Layer]:
    wide = WIDENING * numbers.channels
    return [
        _normalization(f"{name}norm2"),
        layers.FullyConnected(wide, operation_dimension="channel", name=f"{name}fc1"),
        layers.Gelu(name=f"{name}gelu"),
        layers.Dropout(numbers.dropout, name=f"{name}dropout2"),
        layers.FullyConnected(numbers.channels, operation_dimension="channel", name=f"{name}fc2"),
        layers.Dropout(numbers.dropout, name=f"{name}dropout3"),
        layers.Addition(2, name=f"{name}add2"),
    ]


@checked
def vision_transformer(  # noqa: PLR0913 - the numbers of the network
    image_size: Shape,
    num_classes: Count,
    *,
    size: Literal["tiny", "small", "base"] = "base",
    patch_size: Count = 16,
    num_channels: Count | None = None,
    num_blocks: Count | None = None,
    num_heads: Count | None = None,
    dropout_probability: Decay = 0.1,
    attention_dropout_probability: Decay = 0.1,
    normalization: Normalization = "zerocenter",
    data_format: DataFormat = "",
    initialize: bool = True,
    generator: Generator = None,
) -> dlnetwork:
    """Return a vision transformer, which tells classes of images apart.

    Parameters
    ----------
    image_size : (int, int) or (int, int, int)
        Height, width and channels; one channel if there are two sizes.
    num_classes : int
    size : {"base", "small", "tiny"}
        Twelve blocks: of 768 channels in 12 heads, 384 in 6, or 192 in 3.
    patch_size : int
        Height and width of a patch; it divides those of the image.
    num_channels, num_blocks, num_heads : int, optional
        Other numbers than those of `size`.
    dropout_probability, attention_dropout_probability : float
        Of values, and of the weights of attention, in training.
    normalization : {"zerocenter", "none", "zscore", "rescale-symmetric", "rescale-zero-one"}
        Of the input layer. `trainnet` finds the statistics; a loop of your own takes "none".
    data_format : str
        Format of data that have none, if it is not "SSCB".
    initialize : bool
        Whether the learnables get values.
    generator : numpy.random.Generator or int, optional
        Source of randomness, or a seed.

    Returns
    -------
    dlnetwork
        Its input is "input", its output "softmax": probabilities of the classes.

    Raises
    ------
    ShapeMismatchError
        If patches do not divide the image, or heads the channels.

    See Also
    --------
    image_pretrained_network : with weights
    resnet : a network of convolutions

    Notes
    -----
    The size "base" has 86,567,656 learnables for 1000 classes of images of 224×224×3.

    Examples
    --------
    >>> net = dl.networks.vision_transformer(
    ...     (8, 8, 3),
    ...     5,
    ...     patch_size=4,
    ...     num_channels=6,
    ...     num_blocks=2,
    ...     num_heads=2,
    ...     normalization="none",
    ... )
    >>> net.predict(np.zeros((8, 8, 3, 2), np.float32)).shape
    (5, 2)

    Source: MATLAB ``visionTransformer``; Dosovitskiy and others (2021).
    """
    image = image_of("vision_transformer", "image_size", image_size, 2, normalization, data_format)
    usual = SIZES[size]
    numbers = Numbers(
        num_channels or usual.channels,
        num_blocks or usual.blocks,
        num_heads or usual.heads,
        patch_size,
        dropout_probability,
        attention_dropout_probability,
    )
    check_numbers("vision_transformer", image, numbers)
    return finished(transformer(image, num_classes, numbers), initialize, generator)


def check_numbers(function: str, image: Image, numbers: Numbers) -> None:
    """Raise the error for patches that do not divide the image, or heads the channels."""
    patch = numbers.patch
    if any(n % patch for n in image.sizes):
        near = [tuple([max(n // patch + more, 1) * patch for n in image.sizes]) for more in (0, 1)]
        raise ShapeMismatchError(
            f"{function}: patches of {patch}×{patch} do not divide images of "
            f"{image.sizes}; take images of {near[0]} or {near[1]}, or another patch_size"
        )
    if numbers.channels % numbers.heads:
        raise ShapeMismatchError(
            f"{function}: num_heads is {numbers.heads}, which does not divide "
            f"num_channels, {numbers.channels}"
        )


# -- weights of PyTorch ----------------------------------------------------------------------------

_BLOCK = "encoder.layers.encoder_layer_{}"
_PARTS = {
    "norm1": "ln_1",
    "attention": "self_attention",
    "norm2": "ln_2",
    "fc1": "mlp.0",
    "fc2": "mlp.3",
}
_MODULES = {
    "patch": "conv_proj",
    "position": "encoder.pos_embedding",
    "encoder_norm": "encoder.ln",
    "head": "heads.head",
}


def torch_module(name: str) -> str:
    """Return the module of torchvision for a layer.

    Examples
    --------
    >>> torch_module("block1_fc2"), torch_module("head")
    ('encoder.layers.encoder_layer_0.mlp.3', 'heads.head')
    """
    found = re.fullmatch(r"block(\d+)_(\w+)", name)
    if found and found[2] in _PARTS:
        return f"{_BLOCK.format(int(found[1]) - 1)}.{_PARTS[found[2]]}"
    return _MODULES.get(name, name)


# Names elsewhere, in timm and in older files of torchvision, and those of torchvision.
_RENAMED = tuple(
    (re.compile(rf"^{pattern}"), name)
    for pattern, name in (
        (r"blocks\.(\d+)\.norm([12])\.", r"encoder.layers.encoder_layer_\1.ln_\2."),
        (r"blocks\.(\d+)\.attn\.qkv\.", r"encoder.layers.encoder_layer_\1.self_attention.in_proj_"),
        (
            r"blocks\.(\d+)\.attn\.proj\.",
            r"encoder.layers.encoder_layer_\1.self_attention.out_proj.",
        ),
        (r"blocks\.(\d+)\.mlp\.fc1\.", r"encoder.layers.encoder_layer_\1.mlp.0."),
        (r"blocks\.(\d+)\.mlp\.fc2\.", r"encoder.layers.encoder_layer_\1.mlp.3."),
        (r"(encoder\.layers\.encoder_layer_\d+\.mlp)\.linear_1\.", r"\1.0."),
        (r"(encoder\.layers\.encoder_layer_\d+\.mlp)\.linear_2\.", r"\1.3."),
        (r"patch_embed\.proj\.", "conv_proj."),
        (r"norm\.", "encoder.ln."),
        (r"head\.", "heads.head."),
        (r"(cls_token|class_token)$", "class_token.weights"),
        (r"(pos_embed|encoder\.pos_embedding)$", "encoder.pos_embedding.weights"),
    )
)


def torchvision_names(found: Mapping[str, Array]) -> dict[str, Array]:
    """Return the weights of a vision transformer by the names of torchvision's modules."""
    renamed: dict[str, Array] = {}
    for name, value in found.items():
        for pattern, replacement in _RENAMED:
            name = pattern.sub(replacement, name)  # noqa: PLW2901 - one name, rewritten
        if name == "class_token.weights":
            value = value.reshape(-1)  # noqa: PLW2901
        if name == "encoder.pos_embedding.weights":
            value = value.reshape(value.shape[-2:])  # noqa: PLW2901
        renamed[name] = value
    return renamed
