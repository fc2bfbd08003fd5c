"""Normalisation over batches and over observations: batchnorm, layernorm, rmsnorm."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from dlgradient.core import calls
from dlgradient.core.calls import labelled, unlabelled
from dlgradient.core.domain import refuse_complex
from dlgradient.core.reading import raw
from dlgradient.core.samples import Case, Error, Maker, case
from dlgradient.core.shares import current_share
from dlgradient.core.types import Format, NonNegative, Operand, Probability, Value
from dlgradient.errors import FormatError, InvalidArgumentError, ShapeMismatchError
from dlgradient.nn.normalization.arguments import like_operand, operand, parameter
from dlgradient.nn.normalization.standardize import standardized
from dlgradient.nn.shared.arguments import axes_of, format_of
from dlgradient.nn.shared.batches import moments_of_batch
from dlgradient.ops.powers import sqrt
from dlgradient.ops.shape import reshape
from dlgradient.rules import derived

__all__ = ["batchnorm", "layernorm", "rmsnorm"]

# What an observation is averaged over.
Dimensions: TypeAlias = Literal["auto", "channel-only", "spatial-channel", "batch-excluded"]


# -- batchnorm -----------------------------------------------------------------------------------


@derived(domain="real", samples=lambda m: _batch_samples(m), errors=lambda m: _batch_errors(m))
def batchnorm(
    x: Operand,
    offset: Operand,
    scale: Operand,
    mean: Operand | None = None,
    variance: Operand | None = None,
    *,
    training: bool | None = None,
    epsilon: NonNegative = 1e-5,
    mean_decay: Probability = 0.1,
    variance_decay: Probability = 0.1,
    data_format: Format = None,
) -> Value:
    """Normalise every channel over all other dimensions: scale (x - μ) / √(σ² + ε) + offset.

    There are three uses:

    * ``y, mu, variance = batchnorm(x, offset, scale)`` uses the statistics of x and returns them;
    * ``y = batchnorm(x, offset, scale, mean, variance)`` uses the given statistics, for inference;
    * ``y, mean, variance = batchnorm(x, offset, scale, mean, variance, training=True)`` uses the
      statistics of x, and returns moving ones, decay · (of x) + (1 - decay) · (given).

    Nothing is changed in place. All results are differentiable.

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a channel dimension.
    offset, scale : dlarray or array_like
        One value for each channel, or a scalar.
    mean, variance : dlarray or array_like, optional
        Statistics, one value for each channel; the variance is the biased one, Σ (x - μ)² / n.
    training : bool, optional
        Whether to normalise by the statistics of x; by default if none are given.
    epsilon : float
        ε.
    mean_decay, variance_decay : float
        Weight of the statistics of x in the moving ones.
    data_format : str, optional
        Labels of the dimensions of an unlabelled x; y is then unlabelled too.

    Returns
    -------
    y : dlarray
        Of the shape and format of x.
    mean, variance : dlarray
        With one dimension, C. If x has no elements, the given statistics, else NaN.

    Raises
    ------
    FormatError
        If x has no format, or no channels.
    ShapeMismatchError
        If a parameter does not have one value for each channel.
    InvalidArgumentError
        If only one statistic is given, or none for inference; or if ε is negative.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    layernorm : normalize each observation
    groupnorm : normalize groups of channels
    instancenorm : normalize each channel of each observation

    Examples
    --------
    >>> import dlgradient as dl
    >>> x = dl.dlarray([[1.0, 10.0], [3.0, 30.0]], "BC")
    >>> y, mu, variance = dl.batchnorm(x, 0.0, 1.0, epsilon=0)
    >>> y.tolist(), mu.tolist(), variance.tolist()
    ([[-1.0, -1.0], [1.0, 1.0]], [2.0, 20.0], [1.0, 100.0])
    >>> dl.batchnorm(x, 0.0, 1.0, mu, variance, epsilon=0).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]

    Source: MATLAB ``batchnorm``.
    """
    refuse_complex("batchnorm", x=x, offset=offset, scale=scale, mean=mean, variance=variance)
    array, strip = operand("batchnorm", x, data_format, offset, scale, mean, variance)
    given = _given("batchnorm", mean, variance, array)
    if training is None:
        training = given is None
    shift = parameter("batchnorm", "offset", offset, array)
    gain = parameter("batchnorm", "scale", scale, array)
    if not training:
        if given is None:
            raise InvalidArgumentError(
                "batchnorm: inference (training=False) needs mean and variance; give the moving "
                "statistics, or omit training=False"
            )
        rate = gain / sqrt(given[1] + epsilon)
        # Two passes over x; everything else is as small as the channels.
        y = _added(unlabelled(array) * rate, shift - given[0] * rate)
        return like_operand(y, array, strip)
    channel = axes_of(array, "C")
    axes = tuple([axis for axis in range(array.ndim) if axis not in channel])
    share = current_share()
    if share is None:
        y, mu, sigma2 = standardized(unlabelled(array), shift, gain, axes=axes, epsilon=epsilon)
    else:
        mu, sigma2 = moments_of_batch(unlabelled(array), axes, share)
        y = (unlabelled(array) - mu) * (gain / sqrt(sigma2 + epsilon)) + shift
    if given is not None and array.size:
        mu = mean_decay * mu + (1 - mean_decay) * given[0]
        sigma2 = variance_decay * sigma2 + (1 - variance_decay) * given[1]
    elif given is not None:
        mu, sigma2 = 1 * given[0], 1 * given[1]
    return like_operand(y, array, strip), _statistic(mu, strip), _statistic(sigma2, strip)


def _added(y: Value, shift: Value) -> Value:
    """Return y + shift; y, which is new, is used again if it is not traced (row predict)."""
    if any(getattr(v, "_node", None) is not None for v in (y, shift)):
        return y + shift
    value, other = raw(y), raw(shift)
    if type(value) is not np.ndarray or value.dtype != np.result_type(value, other):
        return y + shift
    np.add(value, other, out=value)
    return y


def _given(
    function: str, mean: Operand | None, variance: Operand | None, x: Value
) -> tuple[Value, Value] | None:
    """Return the given statistics with as many dimensions as x; None for none."""
    if (mean is None) is not (variance is None):
        raise InvalidArgumentError(
            f"{function}: mean and variance must both be given, or neither; "
            f"{'mean' if mean is None else 'variance'} is missing"
        )
    if mean is None or variance is None:
        return None
    return parameter(function, "mean", mean, x), parameter(function, "variance", variance, x)


def _statistic(statistic: Value, strip: bool) -> Value:
    """Return a statistic with only the channel dimension."""
    if type(statistic) is not calls.dlarray:
        statistic = calls.wrap(statistic, None)
    flat = reshape(statistic, (statistic.size,))
    return flat if strip else labelled(flat, "C")


def _batch_samples(m: Maker) -> list[Case]:
    channels = (m.real(2), m.positive(2))
    moving = (m.real(2), m.positive(2))
    return [
        case(m.real(3, 2), *channels, data_format="BC", epsilon=0.1),
        case(m.real(2, 3, 2), *channels, data_format="SBC", epsilon=0.1),
        case(m.real(3, 2), *channels, *moving, data_format="BC"),
        case(m.real(2, 3), *channels, *moving, training=True, data_format="CT", epsilon=0.1),
        case(m.real(0, 2), *channels, *moving, training=True, data_format="BC"),
    ]


def _batch_errors(m: Maker) -> list[Error]:
    return [
        Error(
            case(m.real(3, 2), m.real(3), m.real(2), data_format="BC"), ShapeMismatchError, "offset"
        ),
        Error(case(m.real(3, 2), m.real(2), m.real(2), data_format="BS"), FormatError, "'C'"),
        Error(
            case(m.real(3, 2), m.real(2), m.real(2), m.real(2), data_format="BC"),
            InvalidArgumentError,
            "variance",
        ),
        Error(
            case(m.real(3, 2), m.real(2), m.real(2), training=False, data_format="BC"),
            InvalidArgumentError,
            "mean and variance",
        ),
        Error(
            case(m.real(3, 2), m.real(2), m.real(2), epsilon=-1.0, data_format="BC"),
            InvalidArgumentError,
            "epsilon",
        ),
    ]


# -- layernorm and rmsnorm -----------------------------------------------------------------------


@derived(domain="real", samples=lambda m: _layer_samples(m), errors=lambda m: _layer_errors(m))
def layernorm(
    x: Operand,
    offset: Operand,
    scale: Operand,
    *,
    epsilon: NonNegative = 1e-5,
    operation_dimension: Dimensions = "auto",
    data_format: Format = None,
) -> Value:
    """Normalise every observation: scale (x - μ) / √(σ² + ε) + offset.

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a channel dimension.
    offset, scale : dlarray or array_like
        One value for each channel, or a scalar; or with a format, with the sizes of any dimensions
        that are normalised.
    epsilon : float
        ε.
    operation_dimension : {"auto", "channel-only", "spatial-channel", "batch-excluded"}
        The dimensions of the averages μ and σ². "auto" is "channel-only" for features, sequences
        and x with one 'S' or 'U'. With more of them it is "spatial-channel" for x with a time
        dimension, so that each step is normalised alone, else "batch-excluded".
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
        If offset or scale has the wrong sizes.
    InvalidArgumentError
        If `operation_dimension` is unknown, or ε is negative.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    rmsnorm : divide by the root of the mean square
    batchnorm : normalize each channel over the batch
    groupnorm : normalize groups of channels

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.layernorm(dl.dlarray([[1.0, 3.0], [10.0, 30.0]], "BC"), 0.0, 1.0, epsilon=0).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]

    Source: MATLAB ``layernorm``.
    """
    refuse_complex("layernorm", x=x, offset=offset, scale=scale)
    array, strip = operand("layernorm", x, data_format, offset, scale)
    labels = _averaged_labels(array, operation_dimension)
    shift = parameter("layernorm", "offset", offset, array, labels)
    gain = parameter("layernorm", "scale", scale, array, labels)
    axes = axes_of(array, labels)
    y, _, _ = standardized(unlabelled(array), shift, gain, axes=axes, epsilon=epsilon)
    return like_operand(y, array, strip)


def _layer_samples(m: Maker) -> list[Case]:
    channels = (m.real(2), m.positive(2))
    return [
        case(m.real(3, 2), *channels, data_format="BC", epsilon=0.1),
        case(m.real(2, 2, 2), *channels, data_format="CTB", epsilon=0.1),
        case(m.real(2, 2, 2), *channels, data_format="SCB", epsilon=0.1),
        case(
            m.real(2, 2, 2),
            *channels,
            data_format="TCB",
            epsilon=0.1,
            operation_dimension="batch-excluded",
        ),
        case(m.real(0, 2), *channels, data_format="BC"),
    ]


def _layer_errors(m: Maker) -> list[Error]:
    return [
        Error(
            case(m.real(3, 2), m.real(2), m.real(3), data_format="BC"), ShapeMismatchError, "scale"
        ),
        Error(
            case(m.real(3, 2), 0.0, 1.0, data_format="BC", operation_dimension="channel"),
            InvalidArgumentError,
            "'channel-only'.*'channel'",
        ),
    ]


@derived(domain="real", samples=lambda m: _rms_samples(m), errors=lambda m: _rms_errors(m))
def rmsnorm(
    x: Operand,
    scale: Operand,
    *,
    epsilon: NonNegative = 1e-5,
    operation_dimension: Dimensions = "channel-only",
    data_format: Format = None,
) -> Value:
    """Divide by the root of the mean square: scale x / √(mean(x²) + ε).

    Parameters
    ----------
    x : dlarray or array_like
        Real, with a channel dimension.
    scale : dlarray or array_like
        One value for each channel, or a scalar; or with a format, with the sizes of any dimensions
        that are normalised.
    epsilon : float
        ε.
    operation_dimension : {"channel-only", "spatial-channel", "batch-excluded", "auto"}
        The dimensions of the mean, as in `layernorm`.
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
        If scale has the wrong sizes.
    InvalidArgumentError
        If `operation_dimension` is unknown, or ε is negative.
    ComplexValueError
        If an operand is complex.

    See Also
    --------
    layernorm : normalize each observation

    Examples
    --------
    >>> import dlgradient as dl
    >>> dl.rmsnorm(dl.dlarray([[1.0, 7.0]], "BC"), 10.0, epsilon=0).tolist()
    [[2.0, 14.0]]

    Source: ONNX ``RMSNormalization``.
    """
    refuse_complex("rmsnorm", x=x, scale=scale)
    array, strip = operand("rmsnorm", x, data_format, scale)
    labels = _averaged_labels(array, operation_dimension)
    gain = parameter("rmsnorm", "scale", scale, array, labels)
    shift = np.zeros((1,) * array.ndim, array.dtype)
    axes = axes_of(array, labels)
    y, _, _ = standardized(
        unlabelled(array), shift, gain, axes=axes, epsilon=epsilon, centered=False
    )
    return like_operand(y, array, strip)


def _rms_samples(m: Maker) -> list[Case]:
    return [
        case(m.real(3, 2), m.real(2), data_format="BC", epsilon=0.1),
        case(m.real(2, 2, 2), 1.5, data_format="CTB", epsilon=0.1),
        case(
            m.real(2, 3, 2),
            m.real(3),
            data_format="SCB",
            epsilon=0.1,
            operation_dimension="spatial-channel",
        ),
        case(m.real(0, 2), m.real(2), data_format="BC"),
    ]


def _rms_errors(m: Maker) -> list[Error]:
    return [
        Error(
            case(m.real(3, 2), m.real(3), data_format="BC"), ShapeMismatchError, "rmsnorm: scale"
        ),
    ]


_LABELS = {"channel-only": "C", "spatial-channel": "SC", "batch-excluded": "SCTU"}


def _averaged_labels(x: Value, dimension: str) -> str:
    """Return the labels of the dimensions over which an observation is averaged."""
    if dimension == "auto":
        fmt = format_of(x)
        several = fmt.count("S") + fmt.count("U") > 1
        images = "spatial-channel" if "T" in fmt else "batch-excluded"
        dimension = images if several else "channel-only"
    return _LABELS[dimension]
