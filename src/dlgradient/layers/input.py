"""Input layers: sizes and format of what a network gets, and its normalisation.

Data without a format have the one of the layer. Normalisation runs over all dimensions but the
channels; training finds its statistics, unless they are given.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import field
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import numpy as np

from dlgradient.core.formats import checked_format
from dlgradient.core.kinds import FORMAT, Kind, one_of
from dlgradient.core.kinds import shown as kind_shown
from dlgradient.core.types import Count, Operand, Shape, Value
from dlgradient.engine.array import dlarray
from dlgradient.errors import FormatError, InvalidArgumentError, ShapeMismatchError
from dlgradient.layers.fitting import fits_label, fix, sizes_of
from dlgradient.layers.layer import Layer
from dlgradient.layers.layout import format_of
from dlgradient.ops.complex import imag, real
from dlgradient.ops.join import concat

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
# Which statistics of the data a normalisation needs; a function needs none.
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


_NAMED = one_of(tuple(STATISTICS))


def _normalization(value: Any) -> Any:
    return value if callable(value) else _NAMED.convert(value)


# Of input layers, whose data a function may normalise.
InputNormalization: TypeAlias = Annotated[
    Normalization | Callable[[Value], Value],
    Kind(f"{_NAMED.wanted}, or a function", _normalization, fix=_NAMED.fixed),
]


class Normalizing(Layer):
    """A normalisation by statistics of each channel, in both directions."""

    normalization: InputNormalization = field(default="none", kw_only=True)
    mean: Operand | None = field(default=None, kw_only=True)
    standard_deviation: Operand | None = field(default=None, kw_only=True)
    min: Operand | None = field(default=None, kw_only=True)
    max: Operand | None = field(default=None, kw_only=True)
    # Where training finds what is missing.
    _found: ClassVar[str]

    def needed(self) -> tuple[str, ...]:
        """Return the names of the statistics that the normalisation needs."""
        kind = self.normalization
        return STATISTICS[kind] if isinstance(kind, str) else ()

    def lacks(self) -> bool:
        """Return whether a statistic of the data is missing, which training finds."""
        return any(getattr(self, name) is None for name in self.needed())

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
        if callable(self.normalization):
            return self._by_function(x, self.normalization)
        given = [self.statistic(name) for name in self.needed()]
        if self.normalization == "zerocenter":
            return x - given[0]
        if self.normalization == "zscore":
            return (x - given[0]) / given[1]
        low, high = given
        unit = (x - low) / (high - low)
        return 2 * unit - 1 if self.normalization == "rescale-symmetric" else unit

    def _by_function(self, x: Value, function: Callable[[Value], Value]) -> Value:
        """Return what a function of the user makes of data; without a format it has theirs."""
        y = function(x)
        if np.shape(y) != x.shape:
            raise ShapeMismatchError(
                f"normalization={getattr(function, '__name__', function)} returned "
                f"{kind_shown(y)} for data of shape {x.shape}; return an array of that shape"
            )
        labelled = type(y) is dlarray and y._format is not None
        return y if labelled else dlarray(y, format_of(x))

    def in_own_units(self, x: Value) -> Value:
        """Return data before the normalisation."""
        if self.normalization == "none":
            return x
        given = [self.statistic(name) for name in self.needed()]
        if self.normalization == "zerocenter":
            return x + given[0]
        if self.normalization == "zscore":
            return x * given[1] + given[0]
        low, high = given
        unit = (x + 1) / 2 if self.normalization == "rescale-symmetric" else x
        return unit * (high - low) + low


class AnyInput(Normalizing):
    """What all input layers share: sizes by label, a format for data without one."""

    split_complex_inputs: bool = field(default=False, kw_only=True)
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
                f"layer {self.name!r} ({type(self).__name__}): the input has shape {shape} and no "
                f"format; {self._expected()}; {fix(shape, self.labels, self.fixed())}"
            )
        return dlarray(x, self.labels)

    def _expected(self) -> str:
        """Return the format and the sizes that the layer expects, for errors."""
        sizes = {label: list(found) for label, found in self.fixed().items()}
        each = [str((sizes.get(f) and sizes[f].pop(0)) or "any") for f in self.labels]
        return f"the layer expects {self.labels!r} of ({', '.join(each)})"

    def predict(self, x: Value) -> Value:
        """Return x, normalised; its real parts and then its imaginary parts, if it is split."""
        self.check(x)
        return self.normalized(self.split(x))

    def split(self, x: Value) -> Value:
        """Return real and imaginary parts as channels, if the layer splits."""
        if not self.split_complex_inputs:
            return x
        fmt = format_of(x)
        if "C" not in fmt:
            raise FormatError(
                f"the input has shape {x.shape} and format {fmt!r}; split_complex_inputs=True "
                "needs channels, so give the data a dimension 'C'"
            )
        return concat([real(x), imag(x)], axis=fmt.index("C"))

    def check(self, x: Value) -> None:
        """Raise the error for an array that does not fit."""
        self.check_sizes(x.shape, format_of(x))

    def check_sizes(self, shape: Shape, fmt: str) -> None:
        """Raise the error for data of a shape and a format that do not fit."""
        for label, wanted in self.fixed().items():
            if not fits_label(shape, fmt, label, wanted):
                shown = ", ".join("any" if w is None else str(w) for w in wanted)
                found = sizes_of(shape, fmt, label)
                raise ShapeMismatchError(
                    f"the input has shape {shape} and format {fmt!r}, so {found or 'no size'} "
                    f"for {label!r}; the layer expects ({shown}); "
                    f"{fix(shape, self.labels, self.fixed())}"
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
    normalization : str or callable
        "none", "zerocenter", "zscore", "rescale-symmetric", "rescale-zero-one";
        or a function of the data, which have a format; it returns an array of the same shape.
    mean, standard_deviation, min, max : float or array, optional
        Statistics for the normalisation, one or one for each channel.
    split_complex_inputs : bool
        Whether the channels are split: real parts, followed by as many imaginary ones. Statistics
        are then of twice as many channels.
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
    normalization : str or callable
        "zerocenter", "none", "zscore", "rescale-symmetric", "rescale-zero-one";
        or a function of the data, which have a format; it returns an array of the same shape.
    mean, standard_deviation, min, max : float or array, optional
        Statistics for the normalisation, one or one for each channel.
    split_complex_inputs : bool
        Whether the channels are split: real parts, followed by as many imaginary ones. Statistics
        are then of twice as many channels.
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
    normalization: InputNormalization = field(default="zerocenter", kw_only=True)
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
    normalization : str or callable
        "zerocenter", "none", "zscore", "rescale-symmetric", "rescale-zero-one";
        or a function of the data, which have a format; it returns an array of the same shape.
    mean, standard_deviation, min, max : float or array, optional
        Statistics for the normalisation, one or one for each channel.
    split_complex_inputs : bool
        Whether the channels are split: real parts, followed by as many imaginary ones. Statistics
        are then of twice as many channels.
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
    normalization : str or callable
        "none", "zerocenter", "zscore", "rescale-symmetric", "rescale-zero-one";
        or a function of the data, which have a format; it returns an array of the same shape.
    mean, standard_deviation, min, max : float or array, optional
        Statistics for the normalisation, one or one for each channel.
    split_complex_inputs : bool
        Whether the channels are split: real parts, followed by as many imaginary ones. Statistics
        are then of twice as many channels.
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
