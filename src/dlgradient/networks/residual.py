"""`resnet` and `resnet3d`: stacks of blocks that add what they compute to their input.

He, Zhang, Ren and Sun (2016). The strided convolutions of other networks that begin with these
stacks may be replaced by dilated ones, so that fewer pixels are lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dlgradient import layers
from dlgradient.core.arguments import checked
from dlgradient.core.types import Count, Counts, Generator, Shape
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.layers.input import DataFormat, Normalization
from dlgradient.layers.layer import Layer
from dlgradient.network.network import dlnetwork
from dlgradient.networks.building import FAMILIES, Branch, Family, Image, finished, image_of, wired

__all__ = ["resnet", "resnet3d"]

Pooling: TypeAlias = Literal["max", "average", "none"]
Block: TypeAlias = Literal["batchnorm-before-add", "batchnorm-after-add"]
Bottleneck: TypeAlias = Literal["downsample-first-conv", "downsample-second-conv", "none"]

# By how much the last convolution of a bottleneck widens it.
EXPANSION = 4


@dataclass(frozen=True)
class Stacks:
    """A residual network without its last layers.

    Attributes
    ----------
    initial : (sizes, int, sizes)
        Filter size, filters and stride of the first convolution.
    pooling, block, bottleneck : str
        Options of `resnet`.
    depths, filters : tuple of int
        Blocks of each stack, and filters.
    symmetric : bool
        Whether as much is padded before as after, as in PyTorch; else as little as possible.
    strided : int
        How many stacks have a stride, after the first one; those after them are dilated.
    """

    initial: tuple[int | tuple[int, ...], int, int | tuple[int, ...]]
    pooling: str = "max"
    block: str = "batchnorm-before-add"
    bottleneck: str = "downsample-first-conv"
    depths: tuple[int, ...] = (3, 4, 6, 3)
    filters: tuple[int, ...] = (64, 128, 256, 512)
    symmetric: bool = False
    strided: int = 3

    @property
    def expansion(self) -> int:
        """How many channels a block has for each of its filters."""
        return 1 if self.bottleneck == "none" else EXPANSION

    def wiring(self, image: Image) -> tuple[list[Layer], list[Branch]]:
        """Return the layers in series, from the input to the last activation, and the branches."""
        family = FAMILIES[len(image.sizes)]
        series = [image.layer(), *self._first(family)]
        branches: list[Branch] = []
        channels = self.initial[1]
        for stack, (depth, filters) in enumerate(zip(self.depths, self.filters, strict=True)):
            for block in range(depth):
                name = f"stack{stack + 1}_block{block + 1}_"
                stride, dilation = self._steps(stack, block)
                wide = filters * self.expansion
                skip: list[Layer] = []
                # Also where dilation replaces the stride.
                if channels != wide or (stack and not block):
                    skip = self._skip(family, name, wide, stride)
                branches.append(Branch(series[-1].name, skip, f"{name}add/in2"))
                series += self._block(family, name, filters, stride, dilation)
                channels = wide
        return series, branches

    def _first(self, family: Family) -> list[Layer]:
        size, filters, stride = self.initial
        first: list[Layer] = [
            self._convolution(family, "conv1", size, filters, stride),
            layers.BatchNormalization(name="bn1"),
            layers.Relu(name="relu1"),
        ]
        padding = 1 if self.symmetric else "same"
        if self.pooling == "max":
            first.append(family.max_pooling(3, stride=2, padding=padding, name="maxpool1"))
        if self.pooling == "average":
            first.append(family.average_pooling(3, stride=2, padding=padding, name="avgpool1"))
        return first

    def _steps(self, stack: int, block: int) -> tuple[int, tuple[int, int]]:
        """Return the stride of a block; and the dilation of its filters, at first and after it.

        A filter with a stride has the dilation of those before it, since it sees their grid.
        """
        before, after = max(stack - 1 - self.strided, 0), max(stack - self.strided, 0)
        stride = 2 if not block and 0 < stack <= self.strided else 1
        return stride, (2 ** (after if block else before), 2**after)

    def _block(
        self, family: Family, name: str, filters: int, stride: int, dilation: tuple[int, int]
    ) -> list[Layer]:
        """Return the layers of a block, up to the activation after the addition."""
        first = self.bottleneck != "downsample-second-conv"
        sizes = [(3, filters), (3, filters)]
        strides, dilations = [stride, 1], [dilation[0], dilation[1]]
        if self.bottleneck != "none":
            sizes = [(1, filters), (3, filters), (1, filters * EXPANSION)]
            strides = [stride, 1, 1] if first else [1, stride, 1]
            dilations = [1, dilation[1] if first else dilation[0], 1]
        found: list[Layer] = []
        for i, (size, count) in enumerate(sizes):
            step = strides[i], dilations[i]
            found.append(self._convolution(family, f"{name}conv{i + 1}", size, count, *step))
            found.append(layers.BatchNormalization(name=f"{name}bn{i + 1}"))
            found.append(layers.Relu(name=f"{name}relu{i + 1}"))
        place = -2 if self.block == "batchnorm-after-add" else -1
        found.insert(len(found) + place, layers.Addition(2, name=f"{name}add"))
        return found

    def _skip(self, family: Family, name: str, filters: int, stride: int) -> list[Layer]:
        found = [self._convolution(family, f"{name}skip_conv", 1, filters, stride)]
        if self.block == "batchnorm-before-add":
            found.append(layers.BatchNormalization(name=f"{name}skip_bn"))
        return found

    def _convolution(
        self, family: Family, name: str, size: Any, filters: int, stride: Any, dilation: int = 1
    ) -> Layer:
        """Return a convolution; its bias stays zero, as that of the normalisation replaces it."""
        sizes = (size,) * family.convolution.dimensions if isinstance(size, int) else size
        padding = tuple(n // 2 * dilation for n in sizes)
        found: Layer = family.convolution(
            size,
            filters,
            stride=stride,
            dilation_factor=dilation,
            padding=padding if self.symmetric else "same",
            weights_initializer="he",
            bias_learn_rate_factor=0,
            name=name,
        )
        return found


def classifier(family: Family, num_classes: int) -> list[Layer]:
    """Return the layers after the stacks."""
    return [
        family.global_average(name="gap"),
        layers.FullyConnected(num_classes, weights_initializer="he", name="fc"),
        layers.Softmax(name="softmax"),
    ]


def residual(image: Image, num_classes: int, stacks: Stacks) -> dlnetwork:
    """Return a residual network that tells classes apart; it is not initialised."""
    series, branches = stacks.wiring(image)
    return wired([*series, *classifier(FAMILIES[len(image.sizes)], num_classes)], branches)


def _checked_stacks(function: str, image: Image, stacks: Stacks) -> None:
    """Raise the error for options that contradict each other, or an image that is too small."""
    if not stacks.depths or len(stacks.depths) != len(stacks.filters):
        raise InvalidArgumentError(
            f"{function}: stack_depth is {stacks.depths} and num_filters "
            f"{stacks.filters}; both must have one number for each stack"
        )
    strides = stacks.initial[2]
    steps = (strides,) * len(image.sizes) if isinstance(strides, int) else strides
    if len(steps) != len(image.sizes):
        raise InvalidArgumentError(
            f"{function}: initial_stride must be an integer or have {len(image.sizes)} "
            f"numbers, not {strides}"
        )
    later = 2 ** (len(stacks.depths) - 1) * (1 if stacks.pooling == "none" else 2)
    for n, step in zip(image.sizes, steps, strict=True):
        if n < step * later:
            least = tuple([s * later for s in steps])
            raise ShapeMismatchError(
                f"{function}: images of {image.sizes} are too small for "
                f"{len(stacks.depths)} stacks, which need at least {least}; take larger images, "
                "fewer stacks, initial_stride=1 or initial_pooling_layer='none'"
            )


def _made(
    function: str,
    dimensions: int,
    sizes: Shape,
    num_classes: int,
    image_options: tuple[Any, str],
    stacks: Stacks,
) -> dlnetwork:
    image = image_of(function, "input_size", sizes, dimensions, *image_options)
    _checked_stacks(function, image, stacks)
    return residual(image, num_classes, stacks)


def _stacks(
    initial: tuple[Counts, int, Counts], kinds: tuple[str, str, str], counts: tuple[Counts, Counts]
) -> Stacks:
    """Return the stacks of the options of both functions."""
    size, filters, stride = initial
    sizes, strides = [x if isinstance(x, int) else tuple(x) for x in (size, stride)]
    depths, numbers = [(x,) if isinstance(x, int) else tuple(x) for x in counts]
    return Stacks((sizes, filters, strides), *kinds, depths, numbers)


@checked
def resnet(  # noqa: PLR0913 - the numbers of the network
    input_size: Shape,
    num_classes: Count,
    *,
    initial_filter_size: Counts = 7,
    initial_num_filters: Count = 64,
    initial_stride: Counts = 2,
    initial_pooling_layer: Pooling = "max",
    residual_block_type: Block = "batchnorm-before-add",
    bottleneck_type: Bottleneck = "downsample-first-conv",
    stack_depth: Counts = (3, 4, 6, 3),
    num_filters: Counts = (64, 128, 256, 512),
    normalization: Normalization = "zerocenter",
    data_format: DataFormat = "",
    initialize: bool = True,
    generator: Generator = None,
) -> dlnetwork:
    """Return a residual network for images; by default ResNet-50.

    A block computes relu(f(x) + x): f is two convolutions, or three if there is a bottleneck.

    Parameters
    ----------
    input_size : (int, int) or (int, int, int)
        Height, width and channels; one channel if there are two sizes.
    num_classes : int
    initial_filter_size, initial_num_filters, initial_stride : int
        Of the first convolution; sizes may be pairs.
    initial_pooling_layer : {"max", "average", "none"}
        What follows the first convolution, with a stride of 2.
    residual_block_type : {"batchnorm-before-add", "batchnorm-after-add"}
    bottleneck_type : {"downsample-first-conv", "downsample-second-conv", "none"}
        A bottleneck is a filter of 3×3 between filters of 1×1, the last of which makes four times
        as many channels. The word says which one has the stride; PyTorch has it in the second.
    stack_depth, num_filters : sequence of int
        Blocks of each stack, and their filters. Each stack but the first halves the image.
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
    InvalidArgumentError
        If options contradict each other.
    ShapeMismatchError
        If the images are too small for so many stacks.

    See Also
    --------
    resnet3d : the same for volumes
    image_pretrained_network : with weights

    Notes
    -----
    ResNet-18 has ``bottleneck_type="none"`` and depths (2, 2, 2, 2); ResNet-34 "none" and
    (3, 4, 6, 3); ResNet-101 (3, 4, 23, 3); ResNet-152 (3, 8, 36, 3). A convolution has a bias,
    which stays zero: the normalisation after it has one. Without these biases the numbers of
    learnables are those of PyTorch, such as 25,557,032 for ResNet-50 and 1000 classes.

    Examples
    --------
    >>> net = dl.networks.resnet(
    ...     (32, 32, 3),
    ...     10,
    ...     initial_filter_size=3,
    ...     initial_stride=1,
    ...     initial_pooling_layer="none",
    ...     bottleneck_type="none",
    ...     stack_depth=(1, 1),
    ...     num_filters=(16, 32),
    ...     normalization="none",
    ... )
    >>> net.predict(np.zeros((32, 32, 3, 2), np.float32)).shape
    (10, 2)

    Source: MATLAB ``resnetNetwork``; He, Zhang, Ren and Sun (2016).
    """
    stacks = _stacks(
        (initial_filter_size, initial_num_filters, initial_stride),
        (initial_pooling_layer, residual_block_type, bottleneck_type),
        (stack_depth, num_filters),
    )
    net = _made("resnet", 2, input_size, num_classes, (normalization, data_format), stacks)
    return finished(net, initialize, generator)


@checked
def resnet3d(  # noqa: PLR0913 - the numbers of the network
    input_size: Shape,
    num_classes: Count,
    *,
    initial_filter_size: Counts = 7,
    initial_num_filters: Count = 64,
    initial_stride: Counts = 2,
    initial_pooling_layer: Pooling = "max",
    residual_block_type: Block = "batchnorm-before-add",
    bottleneck_type: Bottleneck = "downsample-first-conv",
    stack_depth: Counts = (3, 4, 6, 3),
    num_filters: Counts = (64, 128, 256, 512),
    normalization: Normalization = "zerocenter",
    data_format: DataFormat = "",
    initialize: bool = True,
    generator: Generator = None,
) -> dlnetwork:
    """Return a residual network for volumes, with filters of three dimensions.

    Parameters
    ----------
    input_size : (int, int, int) or (int, int, int, int)
        Height, width, depth and channels; one channel if there are three sizes.
    num_classes : int
    initial_filter_size, initial_num_filters, initial_stride : int
        Of the first convolution; sizes may be triples.
    initial_pooling_layer : {"max", "average", "none"}
    residual_block_type : {"batchnorm-before-add", "batchnorm-after-add"}
    bottleneck_type : {"downsample-first-conv", "downsample-second-conv", "none"}
    stack_depth, num_filters : sequence of int
    normalization : {"zerocenter", "none", "zscore", "rescale-symmetric", "rescale-zero-one"}
    data_format : str
        Format of data that have none, if it is not "SSSCB".
    initialize : bool
    generator : numpy.random.Generator or int, optional
        All as in `resnet`.

    Returns
    -------
    dlnetwork
        Its input is "input", its output "softmax".

    Raises
    ------
    InvalidArgumentError
        If options contradict each other.
    ShapeMismatchError
        If the volumes are too small for so many stacks.

    See Also
    --------
    resnet : the same for images
    unet3d : a class for each voxel

    Examples
    --------
    >>> net = dl.networks.resnet3d(
    ...     (8, 8, 8), 2, initial_filter_size=3, stack_depth=(1, 1), num_filters=(4, 8)
    ... )
    >>> net.learnables["conv1/weights"].shape
    (3, 3, 3, 1, 64)

    Source: MATLAB ``resnet3dNetwork``.
    """
    stacks = _stacks(
        (initial_filter_size, initial_num_filters, initial_stride),
        (initial_pooling_layer, residual_block_type, bottleneck_type),
        (stack_depth, num_filters),
    )
    net = _made("resnet3d", 3, input_size, num_classes, (normalization, data_format), stacks)
    return finished(net, initialize, generator)
