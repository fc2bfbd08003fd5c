"""Normalisation over groups of channels and over adjacent channels."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dlgradient.core.calls import unlabelled
from dlgradient.core.domain import refuse_complex
from dlgradient.core.reading import decided
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.types import Array, Axis, Count, Format, NonNegative, Operand, Value
from dlgradient.errors import InvalidArgumentError, ShapeMismatchError
from dlgradient.nn.normalization.arguments import like_operand, operand, parameter
from dlgradient.nn.normalization.standardize import standardized
from dlgradient.nn.shared.arguments import axes_of, finished, raw_value
from dlgradient.ops.choice import where
from dlgradient.ops.scales import power_of_two
from dlgradient.ops.shape import reshape
from dlgradient.ops.take import take
from dlgradient.rules import derived, linear

__all__ = ["crosschannelnorm", "groupnorm", "instancenorm"]


# -- groupnorm and instancenorm ------------------------------------------------------------------


@derived(domain="real", samples=lambda m: _group_samples(m), errors=lambda m: _group_errors(m))
def groupnorm(
    x: Operand,
    num_groups: Count | Literal["all-channels", "channel-wise"],
    offset: Operand,
    scale: Operand,
    *,
    epsilon: NonNegative = 1e-5,
    data_format: Format = None,
) -> Value:
    """Normalise groups of channels of every observation: scale (x - μ) / √(σ² + ε) + offset.

    The averages run over the channels of a group and all dimensions but the batch.

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a channel dimension.
    num_groups : int or {"all-channels", "channel-wise"}
        Number of groups of adjacent channels; one group, or one for each channel.
    offset, scale : dlarray or array_like
        One value for each channel, or a scalar.
    epsilon : float
        ε.
    data_format : str, optional
        Labels of the dimensions of an unlabelled x; the result is then unlabelled too.

    Returns
    -------
    dlarray
        Of the shape and format of x.

    Raises
    ------
    FormatError
        If x has no format, or no channels.
    ShapeMismatchError
        If a parameter does not have one value for each channel, or the groups differ in size.
    InvalidArgumentError
        If `num_groups` is neither a positive integer nor one of the words, or ε is negative.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    instancenorm : normalize each channel of each observation
    layernorm : normalize each observation
    batchnorm : normalize each channel over the batch

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 3.0, 10.0, 30.0]], "BC")
    >>> dl.groupnorm(x, 2, 0.0, 1.0, epsilon=0).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]

    Source: MATLAB ``groupnorm``.
    """
    refuse_complex("groupnorm", x=x, offset=offset, scale=scale)
    return _normalize_groups("groupnorm", x, num_groups, offset, scale, epsilon, data_format)


def _group_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 4), 2, m.real(4), m.positive(4), data_format="BC", epsilon=0.1),
        case(m.real(4, 2, 2), 2, m.real(4), 1.0, data_format="CBS", epsilon=0.1),
        case(m.real(2, 2, 2), 1, 0.0, m.real(2), data_format="SCT", epsilon=0.1),
        case(m.real(2, 2, 3), 2, m.real(2), 1.0, data_format="BCS", epsilon=0.1),
        case(m.real(0, 4), 2, m.real(4), m.positive(4), data_format="BC"),
    ]


def _group_errors(m: Maker) -> list[Error]:
    return [
        Error(
            case(m.real(2, 4), 3, 0.0, 1.0, data_format="BC"),
            ShapeMismatchError,
            "4 channels.*3 groups",
        ),
        Error(
            case(m.real(2, 4), "channel", 0.0, 1.0, data_format="BC"),
            InvalidArgumentError,
            "'channel-wise'",
        ),
    ]


@derived(
    domain="real", samples=lambda m: _instance_samples(m), errors=lambda m: _instance_errors(m)
)
def instancenorm(
    x: Operand,
    offset: Operand,
    scale: Operand,
    *,
    epsilon: NonNegative = 1e-5,
    data_format: Format = None,
) -> Value:
    """Normalise every channel of every observation: scale (x - μ) / √(σ² + ε) + offset.

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a channel dimension, and others to average over.
    offset, scale : dlarray or array_like
        One value for each channel, or a scalar.
    epsilon : float
        ε.
    data_format : str, optional
        Labels of the dimensions of an unlabelled x; the result is then unlabelled too.

    Returns
    -------
    dlarray
        Of the shape and format of x.

    Raises
    ------
    FormatError
        If x has no format, or no channels.
    ShapeMismatchError
        If a parameter does not have one value for each channel.
    InvalidArgumentError
        If ε is negative.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    groupnorm : normalize groups of channels
    batchnorm : normalize each channel over the batch

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[[1.0, 3.0], [10.0, 30.0]]], "BCS")
    >>> dl.instancenorm(x, 0.0, 1.0, epsilon=0).tolist()
    [[[-1.0, 1.0], [-1.0, 1.0]]]

    Source: MATLAB ``instancenorm``.
    """
    refuse_complex("instancenorm", x=x, offset=offset, scale=scale)
    return _normalize_groups("instancenorm", x, "channel-wise", offset, scale, epsilon, data_format)


def _instance_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 2, 3), m.real(2), m.real(2), data_format="BCS", epsilon=0.1),
        case(m.real(2, 3, 2), m.real(2), 1.0, data_format="CTB", epsilon=0.1),
    ]


def _instance_errors(m: Maker) -> list[Error]:
    return [
        Error(
            case(m.real(2, 4, 2), m.real(2), 1.0, data_format="BCS"),
            ShapeMismatchError,
            "instancenorm: offset",
        ),
    ]


def _normalize_groups(
    function: str,
    x: Operand,
    num_groups: Count | Literal["all-channels", "channel-wise"],
    offset: Operand,
    scale: Operand,
    epsilon: float,
    data_format: Format,
) -> Value:
    array, strip = operand(function, x, data_format, offset, scale)
    (channel,) = axes_of(array, "C")
    groups = _number_of_groups(function, num_groups, array.shape[channel], array)
    shift = _split(parameter(function, "offset", offset, array), channel, groups)
    gain = _split(parameter(function, "scale", scale, array), channel, groups)
    # Channels become two dimensions: the group, and the channel in it.
    batch = [axis if axis < channel else axis + 1 for axis in axes_of(array, "B")]
    axes = tuple([i for i in range(array.ndim + 1) if i != channel and i not in batch])
    parts = _split(unlabelled(array), channel, groups)
    y, _, _ = standardized(parts, shift, gain, axes=axes, epsilon=epsilon)
    return like_operand(reshape(y, array.shape), array, strip)


def _number_of_groups(function: str, num_groups: int | str, channels: int, x: Value) -> int:
    words = {"all-channels": 1, "channel-wise": channels}
    if isinstance(num_groups, str):
        return words[num_groups]
    if channels % num_groups:
        raise ShapeMismatchError(
            f"{function}: x has shape {x.shape} and format {x._format!r}; its {channels} channels "
            f"cannot be divided into {num_groups} groups of one size"
        )
    return num_groups


def _split(p: Value, channel: Axis, groups: int) -> Value:
    """Split the channels into two dimensions: groups, and channels of a group."""
    size = p.shape[channel]
    pair = (1, 1) if size == 1 and groups != 1 else (groups, size // groups if groups else 0)
    return reshape(p, (*p.shape[:channel], *pair, *p.shape[channel + 1 :]))


# -- crosschannelnorm ----------------------------------------------------------------------------


@derived(domain="real", samples=lambda m: _cross_samples(m), errors=lambda m: _cross_errors(m))
def crosschannelnorm(
    x: Operand,
    window_size: Count,
    *,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 2.0,
    data_format: Format = None,
) -> Value:
    """Divide by the squares of adjacent channels: x / (k + α s / w)^β.

    Here s is the sum of squares over a window of w channels, ⌊(w-1)/2⌋ before and ⌊w/2⌋ after.

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a channel dimension.
    window_size : int
        w, positive.
    alpha, beta, k : float
        α, β and k.
    data_format : str, optional
        Labels of the dimensions of an unlabelled x; the result is then unlabelled too.

    Returns
    -------
    dlarray
        Of the shape and format of x.

    Raises
    ------
    FormatError
        If x has no format, or no channels.
    InvalidArgumentError
        If `window_size` is not a positive integer.
    ComplexValueError
        If x is complex.

    See Also
    --------
    groupnorm : normalize groups of channels
    batchnorm : normalize each channel over the batch

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 2.0, 3.0]], "BC")
    >>> dl.crosschannelnorm(x, 1, alpha=1.0, beta=1.0, k=0.0).round(decimals=4).tolist()
    [[1.0, 0.5, 0.3333]]

    Source: MATLAB ``crosschannelnorm``.
    """
    refuse_complex("crosschannelnorm", x=x)
    array, strip = operand("crosschannelnorm", x, data_format)
    (channel,) = axes_of(array, "C")
    before, after = (window_size - 1) // 2, window_size // 2
    weight = alpha / window_size
    with np.errstate(over="ignore"):
        total = channel_sum(array * array, axis=channel, before=before, after=after)
    # Below this, no power of the sum that the derivatives need underflows.
    if decided(_is_below, total, 2.0 ** (np.finfo(array.dtype).maxexp // 3)):
        return finished(array * (k + total * weight) ** -beta, strip)
    window = range(-before, after + 1)
    large = _normalize_large(unlabelled(array), channel, window, weight, beta, k)
    return like_operand(large, array, strip)


def _is_below(values: Array, bound: float) -> bool:
    return bool(np.maximum.reduce(values, axis=None, initial=0) < bound)


def _normalize_large(
    x: Value, axis: Axis, window: range, weight: float, beta: float, k: float
) -> Value:
    """Return x / (k + s weight)^β in units of the largest element of a window, a power of two."""
    n, kind = x.shape[axis], x.dtype.type
    neighbours = []
    for shift in window:
        places = np.arange(n) + shift
        inside = ((places >= 0) & (places < n)).reshape(-1, *[1] * (x.ndim - 1 - axis))
        neighbours.append(where(inside, take(x, np.clip(places, 0, n - 1), axis=axis), 0))
    largest = np.max([np.abs(raw_value(a)) for a in neighbours], axis=0)
    unit = power_of_two(np.maximum(largest, kind(max(k, 0) ** 0.5)))
    squares = [(a / unit) ** 2 for a in neighbours]
    total: Value = weight * sum(squares) + kind(k) / unit / unit
    return x / unit * total**-beta * unit ** kind(1 - 2 * beta)


def _cross_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(2, 5), 3, data_format="BC", alpha=0.5),
        case(m.real(4, 2), 2, data_format="CB", alpha=2.0, beta=0.5, k=1.0),
        case(m.real(0, 3), 3, data_format="BC"),
    ]


def _cross_errors(m: Maker) -> list[Error]:
    return [
        Error(case(m.real(2, 4), 0, data_format="BC"), InvalidArgumentError, "window_size.*0"),
    ]


def _mirrored(g: Value, axis: Axis, before: int, after: int) -> Value:
    return channel_sum(g, axis=axis, before=after, after=before)


@linear(
    x=_mirrored,
    format="same",
    samples=lambda m: [
        case(m.real(5), axis=0, before=1, after=2),
        case(m.real(2, 3), axis=1, before=4, after=0),
        case(m.complex(3, 2), axis=0, before=1, after=1),
        case(m.real(0, 2), axis=0, before=1, after=1),
    ],
)
def channel_sum(x: Operand, /, *, axis: Axis, before: int, after: int) -> Value:
    """Return sums over sliding windows, Σ xⱼ for i - before ≤ j ≤ i + after, in the shape of x."""
    n = x.shape[axis]
    y = np.array(x)
    front = (slice(None),) * axis
    for shift in range(-min(before, n - 1), min(after, n - 1) + 1):
        here, there = slice(max(0, -shift), n - max(0, shift)), slice(max(0, shift), n + shift)
        if shift < 0:
            there = slice(0, n + shift)
        if shift:
            y[(*front, here)] += x[(*front, there)]
    return y
