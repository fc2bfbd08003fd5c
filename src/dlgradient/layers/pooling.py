"""Pooling layers: maxima and means over windows, or over everything."""

from __future__ import annotations

from dataclasses import field
from typing import ClassVar, Literal

from dlgradient.core.types import Counts, Value
from dlgradient.layers.layer import Layer
from dlgradient.layers.layout import format_of
from dlgradient.layers.sliding import Sliding
from dlgradient.nn.pooling.adaptive import adaptiveavgpool
from dlgradient.nn.pooling.pool import avgpool, maxpool, maxunpool
from dlgradient.nn.shared.windows import Padding
from dlgradient.ops.shape import squeeze

__all__ = [
    "AdaptiveAveragePooling2d",
    "AveragePooling1d",
    "AveragePooling2d",
    "AveragePooling3d",
    "GlobalAveragePooling1d",
    "GlobalAveragePooling2d",
    "GlobalAveragePooling3d",
    "GlobalMaxPooling1d",
    "GlobalMaxPooling2d",
    "GlobalMaxPooling3d",
    "MaxPooling1d",
    "MaxPooling2d",
    "MaxPooling3d",
    "MaxUnpooling2d",
]


class _Pooling(Sliding):
    pool_size: Counts
    stride: Counts = field(default=1, kw_only=True)
    padding: Padding = field(default=0, kw_only=True)


class _MaxPooling(_Pooling):
    has_unpooling_outputs: bool = field(default=False, kw_only=True)
    short: ClassVar[str] = "maxpool"

    def __post_init__(self) -> None:
        if self.has_unpooling_outputs:
            self.output_names = ("out", "indices", "size")

    def predict(self, x: Value) -> Value | tuple[Value, ...]:
        """Return the maxima; with places and the size of x if unpooling needs them."""
        unpool = self.has_unpooling_outputs
        found = maxpool(
            x,
            self.pool_size,
            pool_format=self.over,
            stride=self.stride,
            padding=self.padding,
            return_indices=unpool,
        )
        if not unpool:
            return found
        sizes = tuple([n for n, f in zip(x.shape, format_of(x), strict=True) if f in self.over])
        return (*found, sizes)


class _AveragePooling(_Pooling):
    padding_value: float | Literal["mean"] = field(default=0, kw_only=True)
    short: ClassVar[str] = "avgpool"

    def predict(self, x: Value) -> Value:
        """Return the means."""
        return avgpool(
            x,
            self.pool_size,
            pool_format=self.over,
            stride=self.stride,
            padding=self.padding,
            padding_value=self.padding_value,
        )


class MaxPooling1d(_MaxPooling):
    """Maxima over windows of time, or over one spatial dimension.

    Parameters
    ----------
    pool_size : int
    stride : int
    padding : int, pair or "same"
    has_unpooling_outputs : bool
        Whether it also has the outputs "indices" and "size", for `MaxUnpooling2d`.

    Examples
    --------
    >>> x = dl.layers.SequenceInput(2, min_length=2)
    >>> dl.dlnetwork([x, dl.layers.MaxPooling1d(2)]).predict(np.ones((10, 2, 5))).shape
    (9, 2, 5)

    Source: MATLAB ``maxPooling1dLayer``.
    """

    dimensions: ClassVar[int] = 1


class MaxPooling2d(_MaxPooling):
    """Maxima over windows of two spatial dimensions.

    Parameters
    ----------
    pool_size : int or (int, int)
    stride : int or (int, int)
    padding : int, pair, matrix of two rows or "same"
    has_unpooling_outputs : bool
        Whether it also has the outputs "indices" and "size", for `MaxUnpooling2d`.

    Examples
    --------
    >>> x = dl.layers.ImageInput((8, 8, 2), normalization="none")
    >>> dl.dlnetwork([x, dl.layers.MaxPooling2d(2)]).predict(np.ones((8, 8, 2, 5))).shape
    (7, 7, 2, 5)

    Source: MATLAB ``maxPooling2dLayer``.
    """

    dimensions: ClassVar[int] = 2


class MaxPooling3d(_MaxPooling):
    """Maxima over windows of three spatial dimensions.

    Parameters
    ----------
    pool_size : int or (int, int, int)
    stride : int or (int, int, int)
    padding : int, triple, matrix of two rows or "same"
    has_unpooling_outputs : bool
        Whether it also has the outputs "indices" and "size", for `MaxUnpooling2d`.

    Examples
    --------
    >>> x = dl.layers.Image3dInput((4, 4, 4, 2), normalization="none")
    >>> dl.dlnetwork([x, dl.layers.MaxPooling3d(2)]).predict(np.ones((4, 4, 4, 2, 5))).shape
    (3, 3, 3, 2, 5)

    Source: MATLAB ``maxPooling3dLayer``.
    """

    dimensions: ClassVar[int] = 3


class AveragePooling1d(_AveragePooling):
    """Means over windows of time, or over one spatial dimension.

    Parameters
    ----------
    pool_size : int
    stride : int
    padding : int, pair or "same"
    padding_value : float or "mean"
        The value of the padding; "mean" leaves it out of the average.

    Examples
    --------
    >>> x = dl.layers.SequenceInput(2, min_length=2)
    >>> dl.dlnetwork([x, dl.layers.AveragePooling1d(2)]).predict(np.ones((10, 2, 5))).shape
    (9, 2, 5)

    Source: MATLAB ``averagePooling1dLayer``.
    """

    dimensions: ClassVar[int] = 1


class AveragePooling2d(_AveragePooling):
    """Means over windows of two spatial dimensions.

    Parameters
    ----------
    pool_size : int or (int, int)
    stride : int or (int, int)
    padding : int, pair, matrix of two rows or "same"
    padding_value : float or "mean"
        The value of the padding; "mean" leaves it out of the average.

    Examples
    --------
    >>> x = dl.layers.ImageInput((8, 8, 2), normalization="none")
    >>> dl.dlnetwork([x, dl.layers.AveragePooling2d(2)]).predict(np.ones((8, 8, 2, 5))).shape
    (7, 7, 2, 5)

    Source: MATLAB ``averagePooling2dLayer``.
    """

    dimensions: ClassVar[int] = 2


class AveragePooling3d(_AveragePooling):
    """Means over windows of three spatial dimensions.

    Parameters
    ----------
    pool_size : int or (int, int, int)
    stride : int or (int, int, int)
    padding : int, triple, matrix of two rows or "same"
    padding_value : float or "mean"
        The value of the padding; "mean" leaves it out of the average.

    Examples
    --------
    >>> x = dl.layers.Image3dInput((4, 4, 4, 2), normalization="none")
    >>> dl.dlnetwork([x, dl.layers.AveragePooling3d(2)]).predict(np.ones((4, 4, 4, 2, 5))).shape
    (3, 3, 3, 2, 5)

    Source: MATLAB ``averagePooling3dLayer``.
    """

    dimensions: ClassVar[int] = 3


class _GlobalMax(Sliding):
    short: ClassVar[str] = "gmpool"

    def predict(self, x: Value) -> Value:
        """Return the maxima."""
        return _without_time(maxpool(x, "global", pool_format=self.over), self.over)


class _GlobalAverage(Sliding):
    short: ClassVar[str] = "gapool"

    def predict(self, x: Value) -> Value:
        """Return the means."""
        return _without_time(avgpool(x, "global", pool_format=self.over), self.over)


def _without_time(y: Value, over: str) -> Value:
    """Return a result without a time, which is no sequence any more."""
    return squeeze(y, axis=format_of(y).index("T")) if over == "T" else y


class GlobalMaxPooling1d(_GlobalMax):
    """The maximum over time, or over one spatial dimension, for each channel; the time disappears.

    Examples
    --------
    >>> x = dl.layers.SequenceInput(2)
    >>> dl.dlnetwork([x, dl.layers.GlobalMaxPooling1d()]).predict(np.ones((10, 2, 5))).shape
    (2, 5)

    Source: MATLAB ``globalMaxPooling1dLayer``.
    """

    dimensions: ClassVar[int] = 1


class GlobalMaxPooling2d(_GlobalMax):
    """The maximum over two spatial dimensions, for each channel.

    Examples
    --------
    >>> x = dl.layers.ImageInput((8, 8, 2), normalization="none")
    >>> dl.dlnetwork([x, dl.layers.GlobalMaxPooling2d()]).predict(np.ones((8, 8, 2, 5))).shape
    (1, 1, 2, 5)

    Source: MATLAB ``globalMaxPooling2dLayer``.
    """

    dimensions: ClassVar[int] = 2


class GlobalMaxPooling3d(_GlobalMax):
    """The maximum over three spatial dimensions, for each channel.

    Examples
    --------
    >>> x = dl.layers.Image3dInput((4, 4, 4, 2), normalization="none")
    >>> dl.dlnetwork([x, dl.layers.GlobalMaxPooling3d()]).predict(np.ones((4, 4, 4, 2, 5))).shape
    (1, 1, 1, 2, 5)

    Source: MATLAB ``globalMaxPooling3dLayer``.
    """

    dimensions: ClassVar[int] = 3


class GlobalAveragePooling1d(_GlobalAverage):
    """The mean over time, or over one spatial dimension, for each channel; the time disappears.

    Examples
    --------
    >>> x = dl.layers.SequenceInput(2)
    >>> dl.dlnetwork([x, dl.layers.GlobalAveragePooling1d()]).predict(np.ones((10, 2, 5))).shape
    (2, 5)

    Source: MATLAB ``globalAveragePooling1dLayer``.
    """

    dimensions: ClassVar[int] = 1


class GlobalAveragePooling2d(_GlobalAverage):
    """The mean over two spatial dimensions, for each channel.

    Examples
    --------
    >>> x = dl.layers.ImageInput((8, 8, 2), normalization="none")
    >>> dl.dlnetwork([x, dl.layers.GlobalAveragePooling2d()]).predict(np.ones((8, 8, 2, 5))).shape
    (1, 1, 2, 5)

    Source: MATLAB ``globalAveragePooling2dLayer``.
    """

    dimensions: ClassVar[int] = 2


class GlobalAveragePooling3d(_GlobalAverage):
    """The mean over three spatial dimensions, for each channel.

    Examples
    --------
    >>> x = dl.layers.Image3dInput((4, 4, 4, 2), normalization="none")
    >>> dl.dlnetwork([x, dl.layers.GlobalAveragePooling3d()]).predict(
    ...     np.ones((4, 4, 4, 2, 5))
    ... ).shape
    (1, 1, 1, 2, 5)

    Source: MATLAB ``globalAveragePooling3dLayer``.
    """

    dimensions: ClassVar[int] = 3


class AdaptiveAveragePooling2d(Layer):
    """Means over as many windows as the output has elements.

    Parameters
    ----------
    output_size : int or (int, int)

    Examples
    --------
    >>> x = dl.layers.ImageInput((8, 6, 2), normalization="none")
    >>> net = dl.dlnetwork([x, dl.layers.AdaptiveAveragePooling2d((4, 3))])
    >>> net.predict(np.ones((8, 6, 2, 5))).shape
    (4, 3, 2, 5)

    Source: MATLAB ``adaptiveAveragePooling2dLayer``.
    """

    output_size: Counts

    def predict(self, x: Value) -> Value:
        """Return the means."""
        return adaptiveavgpool(x, self.output_size)


class MaxUnpooling2d(Layer):
    """Maxima back in the places that `MaxPooling2d` took them from, and zeros elsewhere.

    Its inputs are "in", "indices" and "size": the outputs of a `MaxPooling2d` with
    ``has_unpooling_outputs=True``.

    Examples
    --------
    >>> pool = dl.layers.MaxPooling2d(2, stride=2, has_unpooling_outputs=True)
    >>> net = dl.dlnetwork([dl.layers.ImageInput((4, 4, 1), normalization="none"), pool])
    >>> net = net.add_layers(dl.layers.MaxUnpooling2d(name="unpool"))
    >>> for output in ("out", "indices", "size"):
    ...     into = "in" if output == "out" else output
    ...     net = net.connect_layers(f"maxpool/{output}", f"unpool/{into}")
    >>> net.initialize().predict(np.ones((4, 4, 1, 1))).shape
    (4, 4, 1, 1)

    Source: MATLAB ``maxUnpooling2dLayer``.
    """

    def __post_init__(self) -> None:
        self.input_names = ("in", "indices", "size")

    def predict(self, x: Value, indices: Value, size: tuple[int, ...]) -> Value:
        """Return the array of the given spatial sizes."""
        return maxunpool(x, indices, size)
