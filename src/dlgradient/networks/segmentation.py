"""`unet` and `unet3d`: a class for each pixel, by an encoder, a bridge and a decoder.

Each stage of the encoder halves the sizes, each stage of the decoder doubles them, and gets what
the encoder had at this size. Ronneberger, Fischer and Brox (2015); Çiçek and others (2016).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dlgradient import layers
from dlgradient.core.arguments import checked
from dlgradient.core.types import Count, Counts, Generator, Shape
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.layers.convolution import window
from dlgradient.layers.input import DataFormat, Normalization
from dlgradient.layers.layer import Layer
from dlgradient.network.network import dlnetwork
from dlgradient.networks.building import FAMILIES, Branch, Family, Image, finished, image_of, wired

__all__ = ["unet", "unet3d"]

Padding: TypeAlias = Literal["same", "valid"]


@dataclass(frozen=True)
class Plan:
    """The numbers of a U-Net.

    Attributes
    ----------
    function : str
        Who builds it, for errors.
    image : Image
    depth : int
        Stages of the encoder.
    filters : int
        Filters of the first convolution.
    sizes : tuple of int
        Filter size for each spatial dimension.
    padding : str
        "same" or "valid".
    """

    function: str
    image: Image
    depth: int
    filters: int
    sizes: Shape
    padding: str

    @property
    def family(self) -> Family:
        """The classes of layers."""
        return FAMILIES[len(self.image.sizes)]

    @property
    def solid(self) -> bool:
        """Whether it is for volumes: with normalisations, and channels that grow earlier."""
        return len(self.image.sizes) == 3

    def counts(self, stage: int) -> tuple[int, int]:
        """Return the filters of both convolutions of a stage of the encoder, or of the bridge."""
        n = self.filters * 2**stage
        return (n, 2 * n) if self.solid else (n, n)

    def check(self) -> None:
        """Raise the error for sizes that do not fit the depth."""
        if any(n % 2 == 0 for n in self.sizes):
            raise InvalidArgumentError(
                f"{self.function}: filter_size must be odd, not {self.sizes}"
            )
        for n, size in zip(self.image.sizes, self.sizes, strict=True):
            loss = 2 * (size - 1) if self.padding == "valid" else 0
            if not _fits(n, self.depth, loss):
                raise ShapeMismatchError(
                    f"{self.function}: images of {self.image.sizes} do not fit "
                    f"encoder_depth={self.depth} and convolution_padding={self.padding!r}, since "
                    f"{n} {self._why(n, loss)}"
                )

    def _why(self, n: int, loss: int) -> str:
        step = 2**self.depth
        if not loss:
            near = sorted({max(n - n % step, step), n - n % step + step})
            return f"is no multiple of {step}; take {_words(near)}"
        good = [m for m in range(1, 2 * n + 200 * step) if _fits(m, self.depth, loss)]
        near = sorted(sorted(good, key=lambda m: abs(m - n))[:2])
        return f"is odd before a pooling or too small; take {_words(near)}"

    def network(self, num_classes: int) -> dlnetwork:
        """Return the network, not initialised."""
        series = [self.image.layer()]
        branches: list[Branch] = []
        left: list[str] = []
        for stage in range(self.depth):
            name = f"encoder{stage + 1}_"
            series += self._convolutions(name, self.counts(stage))
            if stage == self.depth - 1:
                series.append(layers.Dropout(0.5, name=f"{name}dropout"))
            left.append(series[-1].name)
            series.append(self.family.max_pooling(2, stride=2, name=f"{name}pool"))
        series += self._convolutions("bridge_", self.counts(self.depth))
        series.append(layers.Dropout(0.5, name="bridge_dropout"))
        for i, stage in enumerate(reversed(range(self.depth))):
            name, deeper = f"decoder{i + 1}_", self.counts(stage)[1]
            up = 2 * deeper if self.solid else deeper
            series += [
                self.family.transposed(
                    2, up, stride=2, weights_initializer="he", name=f"{name}upconv"
                ),
                layers.Relu(name=f"{name}uprelu"),
                layers.DepthConcatenation(2, name=f"{name}concat"),
            ]
            branches += self._crossing(left[stage], name)
            series += self._convolutions(name, (deeper, deeper))
        series += [
            self.family.convolution(1, num_classes, weights_initializer="he", name="final_conv"),
            layers.Softmax(name="softmax"),
        ]
        return wired(series, branches)

    def _crossing(self, start: str, name: str) -> list[Branch]:
        """Return the branch from the encoder to the decoder, which is cropped if it is larger."""
        if self.padding == "same":
            return [Branch(start, [], f"{name}concat/in2")]
        crop = self.family.crop(name=f"{name}crop")
        return [
            Branch(start, [crop], f"{name}concat/in2"),
            Branch(f"{name}uprelu", [], f"{name}crop/ref"),
        ]

    def _convolutions(self, name: str, counts: tuple[int, int]) -> list[Layer]:
        found: list[Layer] = []
        for i, count in enumerate(counts, 1):
            found.append(
                self.family.convolution(
                    self.sizes,
                    count,
                    padding="same" if self.padding == "same" else 0,
                    weights_initializer="he",
                    name=f"{name}conv{i}",
                )
            )
            if self.solid:
                found.append(layers.BatchNormalization(name=f"{name}bn{i}"))
            found.append(layers.Relu(name=f"{name}relu{i}"))
        return found


def _fits(n: int, depth: int, loss: int) -> bool:
    """Return whether each size before a pooling is even, and each one positive.

    Examples
    --------
    >>> _fits(572, 4, 4), _fits(570, 4, 4), _fits(16, 4, 0), _fits(24, 4, 0)
    (True, False, True, False)
    """
    for _ in range(depth):
        n -= loss
        if n <= 0 or n % 2:
            return False
        n //= 2
    n -= loss
    for _ in range(depth):
        n = 2 * n - loss
    return n > 0


def _words(numbers: Iterable[int]) -> str:
    return " or ".join(map(str, numbers))


def _made(
    function: str,
    dimensions: int,
    sizes: Shape,
    image_options: tuple[Any, str],
    numbers: tuple[int, int, Counts, str],
) -> Plan:
    argument = "image_size" if dimensions == 2 else "input_size"
    image = image_of(function, argument, sizes, dimensions, *image_options)
    depth, filters, filter_size, padding = numbers
    window_sizes = window(filter_size, dimensions, f"{function}: filter_size")
    plan = Plan(function, image, depth, filters, window_sizes, padding)
    plan.check()
    return plan


@checked
def unet(
    image_size: Shape,
    num_classes: Count,
    *,
    encoder_depth: Count = 4,
    num_first_encoder_filters: Count = 64,
    filter_size: Counts = 3,
    convolution_padding: Padding = "same",
    normalization: Normalization = "zerocenter",
    data_format: DataFormat = "",
    initialize: bool = True,
    generator: Generator = None,
) -> dlnetwork:
    """Return a U-Net, which finds a class for each pixel.

    Parameters
    ----------
    image_size : (int, int) or (int, int, int)
        Height, width and channels; one channel if there are two sizes. With padding, height and
        width are multiples of 2 to the power of `encoder_depth`.
    num_classes : int
    encoder_depth : int
        Stages of the encoder, each with two convolutions and a pooling.
    num_first_encoder_filters : int
        Filters of the first stage; each further one has twice as many.
    filter_size : int or (int, int)
        Odd.
    convolution_padding : {"same", "valid"}
        "valid" is without padding: the result is smaller, and what the encoder had is cropped.
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
        If the filter size is even.
    ShapeMismatchError
        If the images do not fit the depth; the message has the nearest sizes that do.

    See Also
    --------
    unet3d : the same for volumes
    deeplabv3plus : with an encoder that may have weights

    Notes
    -----
    With 64 filters, four stages, one channel and two classes there are 31,030,658 learnables.
    `analyze_network` lists the sizes, also of the result without padding.

    Examples
    --------
    >>> net = dl.networks.unet(
    ...     (32, 32), 2, encoder_depth=2, num_first_encoder_filters=4, normalization="none"
    ... )
    >>> net.predict(np.zeros((32, 32, 1, 5), np.float32)).shape
    (32, 32, 2, 5)

    Source: MATLAB ``unet``; Ronneberger, Fischer and Brox (2015).
    """
    numbers = encoder_depth, num_first_encoder_filters, filter_size, convolution_padding
    plan = _made("unet", 2, image_size, (normalization, data_format), numbers)
    return finished(plan.network(num_classes), initialize, generator)


@checked
def unet3d(
    input_size: Shape,
    num_classes: Count,
    *,
    encoder_depth: Count = 3,
    num_first_encoder_filters: Count = 32,
    filter_size: Counts = 3,
    convolution_padding: Padding = "same",
    normalization: Normalization = "zerocenter",
    data_format: DataFormat = "",
    initialize: bool = True,
    generator: Generator = None,
) -> dlnetwork:
    """Return a U-Net for volumes, which finds a class for each voxel.

    The second convolution of a stage has twice the filters of the first one, and each convolution
    a batch normalisation.

    Parameters
    ----------
    input_size : (int, int, int) or (int, int, int, int)
        Height, width, depth and channels; one channel if there are three sizes.
    num_classes : int
    encoder_depth : int
    num_first_encoder_filters : int
    filter_size : int or (int, int, int)
    convolution_padding : {"same", "valid"}
    normalization : {"zerocenter", "none", "zscore", "rescale-symmetric", "rescale-zero-one"}
    data_format : str
        Format of data that have none, if it is not "SSSCB".
    initialize : bool
    generator : numpy.random.Generator or int, optional
        All as in `unet`.

    Returns
    -------
    dlnetwork
        Its input is "input", its output "softmax".

    Raises
    ------
    InvalidArgumentError
        If the filter size is even.
    ShapeMismatchError
        If the volumes do not fit the depth; the message has the nearest sizes that do.

    See Also
    --------
    unet : the same for images
    resnet3d : a class for the whole volume

    Examples
    --------
    >>> net = dl.networks.unet3d(
    ...     (8, 8, 8), 2, encoder_depth=1, num_first_encoder_filters=2, normalization="none"
    ... )
    >>> net.predict(np.zeros((8, 8, 8, 1, 3), np.float32)).shape
    (8, 8, 8, 2, 3)

    Source: MATLAB ``unet3d``; Çiçek, Abdulkadir, Lienkamp, Brox and Ronneberger (2016).
    """
    numbers = encoder_depth, num_first_encoder_filters, filter_size, convolution_padding
    plan = _made("unet3d", 3, input_size, (normalization, data_format), numbers)
    return finished(plan.network(num_classes), initialize, generator)
