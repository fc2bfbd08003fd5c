"""Convolution layers: over time or space, in groups, and transposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import ClassVar, Literal, TypeAlias

from dlgradient.core.types import Count, Counts, Shape, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.layers.layer import Fresh
from dlgradient.layers.layout import Layout
from dlgradient.layers.parameters import Bias, Weights
from dlgradient.layers.sliding import Sliding
from dlgradient.nn.convolution.conv import dlconv, dltranspconv
from dlgradient.nn.shared.windows import Padding as _Padding

__all__ = [
    "Convolution1d",
    "Convolution2d",
    "Convolution3d",
    "GroupedConvolution1d",
    "GroupedConvolution2d",
    "TransposedConvolution1d",
    "TransposedConvolution2d",
    "TransposedConvolution3d",
]

Padding: TypeAlias = _Padding | Literal["causal"]
Edges: TypeAlias = Literal["symmetric-include-edge", "symmetric-exclude-edge", "replicate"]


def window(value: int | Sequence[int], dimensions: int, where: str) -> Shape:
    """Return one size for each dimension of a filter or a window."""
    sizes = (value,) * dimensions if isinstance(value, int) else tuple(value)
    if len(sizes) != dimensions:
        raise InvalidArgumentError(
            f"{where} must be an integer or have {dimensions} sizes, not {value}"
        )
    return sizes


class _Filters(Weights, Bias, Sliding):
    """Filters that slide over the input; the bias has a number for each."""

    filter_size: Counts
    stride: Counts = field(default=1, kw_only=True)
    learnables: ClassVar[tuple[str, ...]] = ("weights", "bias")
    # Labels of the weights after those that a filter slides over.
    order: ClassVar[str]

    def counts(self, channels: int) -> tuple[Shape, int]:
        """Return the sizes of the weights that are no size of a filter, and the filters."""
        raise NotImplementedError

    def _fresh(self, *layouts: Layout) -> dict[str, Fresh]:
        """Return shapes for an input."""
        sizes = window(self.filter_size, self.dimensions, "filter_size")
        rest, filters = self.counts(layouts[0].size_of("C"))
        return {
            "weights": Fresh((*sizes, *rest), f"{self.over}{self.order}"),
            "bias": Fresh((filters,)),
        }


class _Forward(_Filters):
    """Convolution, whatever the groups are."""

    dilation_factor: Counts = field(default=1, kw_only=True)
    padding: Padding = field(default=0, kw_only=True)
    padding_value: complex | Edges = field(default=0, kw_only=True)

    def predict(self, x: Value) -> Value:
        """Return the convolution of x."""
        return dlconv(
            x,
            self.weights,
            self.bias,
            stride=self.stride,
            dilation_factor=self.dilation_factor,
            padding=self.padding,
            padding_value=self.padding_value,
            weights_format=f"{self.over}{self.order}",
        )


class _Convolution(_Forward):
    num_filters: Count
    num_channels: Count | Literal["auto"] = field(default="auto", kw_only=True)
    order: ClassVar[str] = "CU"
    short: ClassVar[str] = "conv"

    def counts(self, channels: int) -> tuple[Shape, int]:
        """Return channels and filters."""
        _check_channels(self.num_channels, channels)
        return (channels, self.num_filters), self.num_filters


def _check_channels(wanted: int | str, found: int) -> None:
    if wanted not in ("auto", found):
        raise ShapeMismatchError(f"the input has {found} channels; num_channels is {wanted}")


class Convolution1d(_Convolution):
    """Convolution over time, or over one spatial dimension.

    Parameters
    ----------
    filter_size : int
    num_filters : int
    stride, dilation_factor : int
    padding : int, pair, "same" or "causal"
    padding_value : number or str
        See `dlgradient.dlconv`.
    num_channels : int or "auto"
    weights, bias : array, optional
        Initial values: filter size × channels × filters, and filters.
    weights_initializer, bias_initializer : str or callable
        See `dlgradient.initialize`.
    weights_learn_rate_factor, weights_l2_factor, bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> conv = dl.layers.Convolution1d(3, 8, padding="causal")
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(2), conv])
    >>> net.predict(np.zeros((10, 2, 5))).shape
    (10, 8, 5)

    Source: MATLAB ``convolution1dLayer``.
    """

    dimensions: ClassVar[int] = 1


class Convolution2d(_Convolution):
    """Convolution over two spatial dimensions.

    Parameters
    ----------
    filter_size : int or (int, int)
    num_filters : int
    stride, dilation_factor : int or (int, int)
    padding : int, pair, matrix of two rows or "same"
    padding_value : number or str
        See `dlgradient.dlconv`.
    num_channels : int or "auto"
    weights, bias : array, optional
        Initial values: height × width × channels × filters, and filters.
    weights_initializer, bias_initializer : str or callable
        See `dlgradient.initialize`.
    weights_learn_rate_factor, weights_l2_factor, bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> image = dl.layers.ImageInput((28, 28, 1), normalization="none")
    >>> net = dl.dlnetwork([image, dl.layers.Convolution2d(5, 20)])
    >>> net.learnables["conv/weights"].shape
    (5, 5, 1, 20)

    Source: MATLAB ``convolution2dLayer``.
    """

    dimensions: ClassVar[int] = 2


class Convolution3d(_Convolution):
    """Convolution over three spatial dimensions.

    Parameters
    ----------
    filter_size : int or (int, int, int)
    num_filters : int
    stride, dilation_factor : int or (int, int, int)
    padding : int, triple, matrix of two rows or "same"
    padding_value : number or str
        See `dlgradient.dlconv`.
    num_channels : int or "auto"
    weights, bias : array, optional
        Initial values: height × width × depth × channels × filters, and filters.
    weights_initializer, bias_initializer : str or callable
        See `dlgradient.initialize`.
    weights_learn_rate_factor, weights_l2_factor, bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> volume = dl.layers.Image3dInput((8, 8, 8, 1), normalization="none")
    >>> net = dl.dlnetwork([volume, dl.layers.Convolution3d(3, 4)])
    >>> net.predict(np.zeros((8, 8, 8, 1, 2))).shape
    (6, 6, 6, 4, 2)

    Source: MATLAB ``convolution3dLayer``.
    """

    dimensions: ClassVar[int] = 3


class _Grouped(_Forward):
    num_filters_per_group: Count
    num_groups: Count | Literal["channel-wise"]
    order: ClassVar[str] = "CUU"
    short: ClassVar[str] = "groupedconv"

    def counts(self, channels: int) -> tuple[Shape, int]:
        """Return channels and filters of a group, and the groups."""
        groups = channels if self.num_groups == "channel-wise" else int(self.num_groups)
        if channels % groups:
            raise ShapeMismatchError(
                f"the input has {channels} channels, which {groups} groups do not divide"
            )
        each = self.num_filters_per_group
        return (channels // groups, each, groups), each * groups


class GroupedConvolution1d(_Grouped):
    """Convolution over time or one spatial dimension, of each group of channels alone.

    Parameters
    ----------
    filter_size : int
    num_filters_per_group : int
    num_groups : int or "channel-wise"
    stride, dilation_factor : int
    padding : int, pair, "same" or "causal"
    padding_value : number or str
        See `dlgradient.dlconv`.
    weights, bias : array, optional
        Initial values: filter size × channels of a group × filters of a group × groups.
    weights_initializer, bias_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor, bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> conv = dl.layers.GroupedConvolution1d(3, 1, "channel-wise", padding="same")
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(6), conv])
    >>> net.learnables["groupedconv/weights"].shape
    (3, 1, 1, 6)

    Source: MATLAB ``groupedConvolution1dLayer``.
    """

    dimensions: ClassVar[int] = 1


class GroupedConvolution2d(_Grouped):
    """Convolution over two spatial dimensions, of each group of channels alone.

    Parameters
    ----------
    filter_size : int or (int, int)
    num_filters_per_group : int
    num_groups : int or "channel-wise"
    stride, dilation_factor : int or (int, int)
    padding : int, pair, matrix of two rows or "same"
    padding_value : number or str
        See `dlgradient.dlconv`.
    weights, bias : array, optional
        Initial values: height × width × channels of a group × filters of a group × groups.
    weights_initializer, bias_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor, bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> image = dl.layers.ImageInput((8, 8, 6), normalization="none")
    >>> net = dl.dlnetwork([image, dl.layers.GroupedConvolution2d(3, 2, 3)])
    >>> net.learnables["groupedconv/weights"].shape
    (3, 3, 2, 2, 3)

    Source: MATLAB ``groupedConvolution2dLayer``.
    """

    dimensions: ClassVar[int] = 2


class _Transposed(_Filters):
    num_filters: Count
    cropping: _Padding = field(default=0, kw_only=True)
    num_channels: Count | Literal["auto"] = field(default="auto", kw_only=True)
    order: ClassVar[str] = "UC"
    short: ClassVar[str] = "transposed-conv"

    def counts(self, channels: int) -> tuple[Shape, int]:
        """Return filters and channels."""
        _check_channels(self.num_channels, channels)
        return (self.num_filters, channels), self.num_filters

    def predict(self, x: Value) -> Value:
        """Return the transposed convolution of x."""
        return dltranspconv(
            x,
            self.weights,
            self.bias,
            stride=self.stride,
            cropping=self.cropping,
            weights_format=f"{self.over}{self.order}",
        )


class TransposedConvolution1d(_Transposed):
    """Transposed convolution over time, or over one spatial dimension.

    Parameters
    ----------
    filter_size : int
    num_filters : int
    stride : int
    cropping : int, pair or "same"
        See `dlgradient.dltranspconv`.
    num_channels : int or "auto"
    weights, bias : array, optional
        Initial values: filter size × filters × channels, and filters.
    weights_initializer, bias_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor, bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> conv = dl.layers.TransposedConvolution1d(4, 3, stride=2, cropping="same")
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(2), conv])
    >>> net.predict(np.zeros((10, 2, 5))).shape
    (20, 3, 5)

    Source: MATLAB ``transposedConv1dLayer``.
    """

    dimensions: ClassVar[int] = 1


class TransposedConvolution2d(_Transposed):
    """Transposed convolution over two spatial dimensions.

    Parameters
    ----------
    filter_size : int or (int, int)
    num_filters : int
    stride : int or (int, int)
    cropping : int, pair, matrix of two rows or "same"
        See `dlgradient.dltranspconv`.
    num_channels : int or "auto"
    weights, bias : array, optional
        Initial values: height × width × filters × channels, and filters.
    weights_initializer, bias_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor, bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> image = dl.layers.ImageInput((7, 7, 4), normalization="none")
    >>> conv = dl.layers.TransposedConvolution2d(4, 3, stride=2, cropping="same")
    >>> dl.dlnetwork([image, conv]).predict(np.zeros((7, 7, 4, 1))).shape
    (14, 14, 3, 1)

    Source: MATLAB ``transposedConv2dLayer``.
    """

    dimensions: ClassVar[int] = 2


class TransposedConvolution3d(_Transposed):
    """Transposed convolution over three spatial dimensions.

    Parameters
    ----------
    filter_size : int or (int, int, int)
    num_filters : int
    stride : int or (int, int, int)
    cropping : int, triple, matrix of two rows or "same"
        See `dlgradient.dltranspconv`.
    num_channels : int or "auto"
    weights, bias : array, optional
        Initial values: height × width × depth × filters × channels, and filters.
    weights_initializer, bias_initializer : str or callable
    weights_learn_rate_factor, weights_l2_factor, bias_learn_rate_factor, bias_l2_factor : float

    Examples
    --------
    >>> volume = dl.layers.Image3dInput((3, 3, 3, 2), normalization="none")
    >>> net = dl.dlnetwork([volume, dl.layers.TransposedConvolution3d(2, 1, stride=2)])
    >>> net.predict(np.zeros((3, 3, 3, 2, 1))).shape
    (6, 6, 6, 1, 1)

    Source: MATLAB ``transposedConv3dLayer``.
    """

    dimensions: ClassVar[int] = 3
