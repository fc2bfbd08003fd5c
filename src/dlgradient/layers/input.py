"""Input layers: sizes and format of what a network gets, and its normalisation.

Data without a format have the one of the layer. Normalisation runs over all dimensions but the
channels; training finds its statistics, unless they are given.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import Annotated, ClassVar, Literal, TypeAlias

import numpy as np

from dlgradient.core.formats import checked_format
from dlgradient.core.kinds import FORMAT, Kind
from dlgradient.core.types import Count, Operand, Value
from dlgradient.engine.array import dlarray
from dlgradient.errors import FormatError, InvalidArgumentError, ShapeMismatchError
from dlgradient.layers.layer import Layer
from dlgradient.layers.layout import format_of

__all__ = [
    "FeatureInput",
    "Image3dInput",
    "ImageInput",
    "Input",
    "InverseNormalization",
    "SequenceInput",
]

Normalization: TypeAlias = Literal[
    "none", "zerocenter", "zscore", "rescale-symmetric", "rescale-zero-one"
]
# Which statistics of the data a normalisation needs.
STATISTICS: dict[str, tuple[str, ...]] = {
    "none": (),
    "zerocenter": ("mean",),
    "zscore": ("mean", "standard_deviation"),
    "rescale-symmetric": ("min", "max"),
    "rescale-zero-one": ("min", "max"),
}


def _sizes(value: object) -> tuple[int | None, ...]:
    if isinstance(value, int):
        return (value,)
    found = []
    for n in value:  # type: ignore[attr-defined]
        unknown = n is None or math.isnan(n)  # NaN, as in MATLAB
        if not unknown and (n != int(n) or n < 1):
            raise ValueError
        found.append(None if unknown else int(n))
    return tuple(found)


Sizes: TypeAlias = Annotated[
    tuple[int | None, ...],
    Kind("an integer of at least 1, or None where the size may vary, for each dimension", _sizes),
]
DataFormat: TypeAlias = Annotated[str, FORMAT]


class Normalizing(Layer):
    """A normalisation by statistics of each channel, in both directions."""

    normalization: Normalization = field(default="none", kw_only=True)
    mean: Operand | None = field(default=None, kw_only=True)
    standard_deviation: Operand | None = field(default=None, kw_only=True)
    min: Operand | None = field(default=None, kw_only=True)
    max: Operand | None = field(default=None, kw_only=True)
    # Where training finds what is missing.
    _found: ClassVar[str]

    def lacks(self) -> bool:
        """Return whether a statistic of the data is missing, which training finds."""
        return any(getattr(self, name) is None for name in STATISTICS[self.normalization])

    def statistic(self, name: str) -> Value:
        """Return a statistic of the data: a number, or one for each channel."""
        value = getattr(self, name)
        if value is None:
            raise InvalidArgumentError(
                f"normalization={self.normalization!r} needs {name}, which trainnet finds from the "
                f"{self._found}; give {name}= to the layer, or normalization='none'"
            )
        if np.ndim(value) == 0:
            return value
        shape = np.shape(value)
        if np.prod(shape) > max(shape):
            raise ShapeMismatchError(
                f"{name} has shape {shape}, but must be a number, or a vector with one for each "
                "channel; of images N x H x W x C give x.mean(axis=(0, 1, 2))"
            )
        return dlarray(np.reshape(value, -1), "C")

    def normalized(self, x: Value) -> Value:
        """Return data in normalised units."""
        if self.normalization == "none":
            return x
        given = [self.statistic(name) for name in STATISTICS[self.normalization]]
        if self.normalization == "zerocenter":
            return x - given[0]
        if self.normalization == "zscore":
            return (x - given[0]) / given[1]
        low, high = given
        unit = (x - low) / (high - low)
        return 2 * unit - 1 if self.normalization == "rescale-symmetric" else unit

    def in_own_units(self, x: Value) -> Value:
        """Return data before the normalisation."""
        if self.normalization == "none":
            return x
        given = [self.statistic(name) for name in STATISTICS[self.normalization]]
        if self.normalization == "zerocenter":
            return x + given[0]
        if self.normalization == "zscore":
            return x * given[1] + given[0]
        low, high = given
        unit = (x + 1) / 2 if self.normalization == "rescale-symmetric" else x
        return unit * (high - low) + low


class AnyInput(Normalizing):
    """What all input layers share: sizes by label, a format for data without one."""

    input_names = ()
    _found = "data"
    short: ClassVar[str] = "input"

    @property
    def labels(self) -> str:
        """The format of data that have none."""
        raise NotImplementedError

    def fixed(self) -> dict[str, tuple[int | None, ...]]:
        """Return the sizes of the dimensions with a label; None where one may vary."""
        raise NotImplementedError

    def example(self) -> Value:
        """Return zeros as the network may get them, with size one where it may vary."""
        sizes = {label: list(found) for label, found in self.fixed().items()}
        shape = [
            (sizes[label].pop(0) or self.least(label)) if sizes.get(label) else self.least(label)
            for label in self.labels
        ]
        return dlarray(np.zeros(shape, np.float32), self.labels)

    def least(self, label: str) -> int:
        """Return the size of a dimension that may vary, in an example."""
        del label
        return 1

    def labelled(self, x: Operand) -> Value:
        """Return data with a format: their own, or that of this layer."""
        if type(x) is dlarray and x._format is not None:
            return x
        shape = np.shape(x)
        if len(shape) != len(self.labels):
            raise FormatError(
                f"the input has shape {shape} and no format; this layer expects "
                f"{self.labels!r}. Give the data that many dimensions, or a format with "
                "dlarray(x, fmt)"
            )
        return dlarray(x, self.labels)

    def predict(self, x: Value) -> Value:
        """Return x, normalised."""
        self.check(x)
        return self.normalized(x)

    def check(self, x: Value) -> None:
        """Raise the error for an array that does not fit."""
        fmt = format_of(x)
        for label, wanted in self.fixed().items():
            found = tuple([n for n, f in zip(x.shape, fmt, strict=True) if f == label])
            fits = len(found) == len(wanted) and all(
                w is None or n == w for n, w in zip(found, wanted, strict=True)
            )
            if not fits and not (not found and wanted in ((1,), (None,))):
                shown = ", ".join("any" if w is None else str(w) for w in wanted)
                raise ShapeMismatchError(
                    f"the input has shape {x.shape} and format {fmt!r}, so {found or 'no size'} "
                    f"for {label!r}; the layer expects ({shown})"
                )


class Input(AnyInput):
    """An input of any format.

    Parameters
    ----------
    size : sequence of int or None
        Size of each dimension; None where it may vary.
    format : str
        A label for each dimension.

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.Input((None, 3), "BC"), dl.layers.Relu()])
    >>> net.predict(np.array([[1.0, -1.0, 2.0]]))
    array([[1., 0., 2.]])

    Source: MATLAB ``inputLayer``.
    """

    size: Sizes
    format: DataFormat

    def __post_init__(self) -> None:
        shape = tuple([n or 1 for n in self.size])
        checked_format(self.format, shape, "layers.Input", "format")

    @property
    def labels(self) -> str:
        """The format."""
        return self.format

    def fixed(self) -> dict[str, tuple[int | None, ...]]:
        """Return the sizes by label; the batch and the time are never fixed."""
        found: dict[str, tuple[int | None, ...]] = {}
        for n, label in zip(self.size, self.format, strict=True):
            if label not in "BT":
                found[label] = (*found.get(label, ()), n)
        return found


class _WithUsualFormat(AnyInput):
    """An input whose data have a usual format, unless another one is given."""

    data_format: DataFormat = field(default="", kw_only=True)

    @property
    def usual(self) -> str:
        """The usual format of data without one."""
        raise NotImplementedError

    @property
    def labels(self) -> str:
        """The format of data that have none."""
        return self.data_format or self.usual


class FeatureInput(_WithUsualFormat):
    """An input of features: a vector of channels for each observation.

    Parameters
    ----------
    num_features : int
    normalization : {"none", "zerocenter", "zscore", "rescale-symmetric", "rescale-zero-one"}
    mean, standard_deviation, min, max : float or array, optional
        Statistics for the normalisation, one or one for each channel.
    data_format : str
        Format of data that have none, if it is not "BC".

    Examples
    --------
    >>> layer = dl.layers.FeatureInput(2, normalization="zerocenter", mean=[1.0, 2.0])
    >>> dl.dlnetwork([layer]).predict(np.array([[3.0, 3.0]]))
    array([[2., 1.]])

    Source: MATLAB ``featureInputLayer``.
    """

    num_features: Count

    @property
    def usual(self) -> str:
        """The usual format of data without one."""
        return "BC"

    def fixed(self) -> dict[str, tuple[int | None, ...]]:
        """Return the size of 'C'."""
        return {"C": (self.num_features,)}


class ImageInput(_WithUsualFormat):
    """An input of images: two spatial dimensions and channels.

    Parameters
    ----------
    size : (int, int, int)
        Height, width and channels; None where a size may vary.
    normalization : {"zerocenter", "none", "zscore", "rescale-symmetric", "rescale-zero-one"}
    mean, standard_deviation, min, max : float or array, optional
        Statistics for the normalisation, one or one for each channel.
    data_format : str
        Format of data that have none, if it is not "SSCB".

    Examples
    --------
    >>> layer = dl.layers.ImageInput((2, 2, 1), normalization="none", data_format="BSSC")
    >>> dl.dlnetwork([layer]).predict(np.ones((5, 2, 2, 1))).shape
    (5, 2, 2, 1)

    Source: MATLAB ``imageInputLayer``.
    """

    size: Sizes
    normalization: Normalization = field(default="zerocenter", kw_only=True)
    spatial: ClassVar[int] = 2

    @property
    def usual(self) -> str:
        """The usual format of data without one."""
        return "S" * self.spatial + "CB"

    def __post_init__(self) -> None:
        if len(self.size) == self.spatial:
            self.size = (*self.size, 1)
        if len(self.size) != self.spatial + 1:
            raise InvalidArgumentError(
                f"layers.{type(self).__name__}: size must have {self.spatial} spatial sizes and "
                f"the number of channels, not {self.size}"
            )

    def fixed(self) -> dict[str, tuple[int | None, ...]]:
        """Return the sizes of 'S' and 'C'."""
        return {"S": self.size[:-1], "C": self.size[-1:]}


class Image3dInput(ImageInput):
    """An input of volumes: three spatial dimensions and channels.

    Parameters
    ----------
    size : (int, int, int, int)
        Height, width, depth and channels; None where a size may vary.
    normalization : {"zerocenter", "none", "zscore", "rescale-symmetric", "rescale-zero-one"}
    mean, standard_deviation, min, max : float or array, optional
        Statistics for the normalisation, one or one for each channel.
    data_format : str
        Format of data that have none, if it is not "SSSCB".

    Examples
    --------
    >>> layer = dl.layers.Image3dInput((2, 2, 2, 1), normalization="none")
    >>> dl.dlnetwork([layer]).predict(np.ones((2, 2, 2, 1, 3))).shape
    (2, 2, 2, 1, 3)

    Source: MATLAB ``image3dInputLayer``.
    """

    spatial: ClassVar[int] = 3


class SequenceInput(_WithUsualFormat):
    """An input of sequences: channels, and possibly spatial dimensions, for each time.

    Parameters
    ----------
    size : int or sequence of int
        Number of channels; or spatial sizes and the number of channels, for sequences of images.
    min_length : int
        Least number of time steps, of which the layers after it make sense.
    normalization : {"none", "zerocenter", "zscore", "rescale-symmetric", "rescale-zero-one"}
    mean, standard_deviation, min, max : float or array, optional
        Statistics for the normalisation, one or one for each channel.
    data_format : str
        Format of data that have none, if it is not "TCB"; or "SCBT", with an 'S' for each spatial
        size.

    Examples
    --------
    >>> net = dl.dlnetwork([dl.layers.SequenceInput(3), dl.layers.Tanh()])
    >>> net.predict(np.zeros((10, 3, 2))).shape
    (10, 3, 2)

    Source: MATLAB ``sequenceInputLayer``.
    """

    size: Sizes
    min_length: Count = field(default=1, kw_only=True)

    @property
    def usual(self) -> str:
        """The usual format of data without one."""
        spatial = "S" * (len(self.size) - 1)
        return f"{spatial}CBT" if spatial else "TCB"

    def least(self, label: str) -> int:
        """Return the least length for 'T', else one."""
        return self.min_length if label == "T" else 1

    def fixed(self) -> dict[str, tuple[int | None, ...]]:
        """Return the sizes of 'S' and 'C'."""
        found = {"S": self.size[:-1]} if len(self.size) > 1 else {}
        return {**found, "C": self.size[-1:]}


class InverseNormalization(Normalizing):
    """The inverse of the normalisation of an input layer: data in their own units.

    At the end of a network, it lets the layers before it work in normalised units. With
    ``normalize_targets=True`` of `training_options` so does the loss, and statistics that are not
    given are those of the targets.

    Parameters
    ----------
    normalization : {"zscore", "zerocenter", "rescale-symmetric", "rescale-zero-one"}
    mean, standard_deviation, min, max : float or array, optional
        Statistics that the normalisation needs, one or one for each channel.

    Examples
    --------
    >>> layer = dl.layers.InverseNormalization(mean=10.0, standard_deviation=2.0)
    >>> layer.predict(dl.dlarray([[-1.0, 0.0]], "BC"))
    dlarray([[ 8., 10.]], 'BC')

    Source: MATLAB ``inverseNormalizationLayer``.
    """

    normalization: Normalization = "zscore"
    short: ClassVar[str] = "inversenorm"
    _found = "targets with normalize_targets=True"

    def predict(self, x: Value) -> Value:
        """Return x before the normalisation."""
        return self.in_own_units(x)
